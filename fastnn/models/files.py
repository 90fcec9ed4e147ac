"""A model, or its weights alone, in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.checks import flag
from fastnn.basics.files import write_atomically
from fastnn.basics.version import __version__
from fastnn.engine.network import Network
from fastnn.engine.program import Program
from fastnn.layers import Layer
from fastnn.models.compiled import Compiled
from fastnn.models.weights import weight_names

Array = NDArray[Any]

FORMAT = 1  # of the description of a model
ENDINGS = (".fastnn", ".safetensors")


class Model(Protocol):
    """What is written of a model."""

    name: str
    _rng: np.random.Generator
    _compiled: Compiled | None

    @property
    def all_layers(self) -> list[Layer]: ...

    @property
    def layer_names(self) -> list[str]: ...

    @property
    def network(self) -> Network: ...


def save(path: str | os.PathLike[str], model: Model) -> None:
    """See ``Sequential.save``."""
    from fastnn.basics import container

    arrays, description = described(model)
    container.write(path, arrays, {"kind": "model", "format": FORMAT, "fastnn": __version__} | description)


def described(model: Model) -> tuple[dict[str, Array], dict[str, Any]]:
    """All arrays of a model, and the rest of it as plain values. TypeError where something cannot be written."""
    from fastnn.description import Arrays, encode, encode_generator
    from fastnn.engine.tensors import network_arrays

    network, settings = model.network, Arrays("settings")
    compiled = None
    if model._compiled is not None:
        compiled = {
            "optimizer": encode(model._compiled.optimizer, settings),
            "loss": encode(model._compiled.loss, settings),
            "metrics": [encode(metric, settings) for metric in model._compiled.metrics],
            "loss_weight": model._compiled.loss_weight,
            "weighted": [metric.name for metric in model._compiled.metrics if metric.weighted],
            "frozen": sorted(model._compiled.frozen),
        }
    description = {
        "model": type(model).__name__,
        "name": model.name,
        "dtype": network.dtype.name,
        "engine": network.engine_name,
        "layers": [encode(layer, settings) for layer in model.all_layers],
        "numbered": [layer._numbered for layer in model.all_layers],
        "compiled": compiled,
        "seed": network.seed,
        "epochs": network.epochs,
        "iterations": network.iterations,
        "generator": encode_generator(model._rng),
    }
    arrays = network_arrays(network, model.layer_names)
    if arrays.keys() & settings.keys():
        raise ValueError(
            f"a layer is named like a part of the file, {min(arrays.keys() & settings.keys())!r}; rename it"
        )
    return arrays | settings, description


def save_weights(path: str | os.PathLike[str], weights: dict[str, Array]) -> None:
    """See ``Sequential.save_weights``."""
    write_atomically(path, lambda file: np.savez(file, **weights))  # type: ignore[arg-type]


def save_named_weights(
    path: str | os.PathLike[str], program: Program, layers: Sequence[str], weights: list[Array]
) -> None:
    """The weights alone in the format of safetensors, under names such as "dense/kernel"."""
    from fastnn.basics import container
    from fastnn.engine import tensors

    container.write(path, dict(zip(tensors.weight_names(program, layers), weights, strict=True)), {"kind": "weights"})


def check_target(path: str | os.PathLike[str], overwrite: bool, zipped: bool | None = None) -> None:
    """Refuses what is there already where it shall stay, and folders of files."""
    if not flag("overwrite", overwrite) and os.path.exists(path):
        raise FileExistsError(f"{os.fspath(path)!r} exists; pass overwrite=True, or another path")
    if zipped is not None and not flag("zipped", zipped):
        raise ValueError("a model is one file here, never a folder; leave zipped=False out")


def load_weights(
    path: str | os.PathLike[str], program: Program, layers: Sequence[str], kept: list[Array] | None = None
) -> list[Array]:
    """See ``Sequential.load_weights``. kept: what stays where the file holds nothing of its shape, or None."""
    from zipfile import BadZipFile

    from fastnn.basics import container
    from fastnn.engine import tensors

    if container.is_container(path):
        arrays, description = container.read(path)
        if description is not None:
            arrays = {name: array for name, array in arrays.items() if not name.startswith(("optimizer/", "settings/"))}
        return _chosen(path, arrays, tensors.weight_names(program, layers), kept)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError, TypeError, BadZipFile):  # NumPy's advice would be to load it unsafely
        raise ValueError(
            f"{os.fspath(path)!r} is not a file of save_weights, or it is damaged; write one with model.save_weights"
        ) from None
    return _chosen(path, arrays, weight_names(program, layers), kept)


def _chosen(
    path: str | os.PathLike[str], arrays: dict[str, Array], expected: Sequence[str], kept: list[Array] | None
) -> list[Array]:
    """The arrays of these names, which must be all that the file holds, unless others may be kept."""
    if kept is not None:
        found = [arrays.get(name, own) for name, own in zip(expected, kept, strict=True)]
        return [one if one.shape == own.shape else own for one, own in zip(found, kept, strict=True)]
    if set(arrays) != set(expected):
        missing = [name for name in expected if name not in arrays]
        extra = [name for name in arrays if name not in expected]
        faults = [f"{what} {_listed(names)}" for what, names in (("lacks", missing), ("has also", extra)) if names]
        raise ValueError(
            f"{os.fspath(path)!r} holds the weights of another model: it {' and '.join(faults)}; make the same layers"
            " with the same names first"
        )
    return [arrays[name] for name in expected]


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
