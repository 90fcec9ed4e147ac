"""A model from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn.basics import container
from fastnn.basics.checks import flag, whole
from fastnn.description import decode, decode_generator
from fastnn.engine.program import lower
from fastnn.engine.tensors import check_arrays, restore, row_names, weight_names
from fastnn.layers import Layer
from fastnn.losses import Loss
from fastnn.metrics import Metric
from fastnn.models.compiled import compiled as compile_arguments
from fastnn.models.files import FORMAT
from fastnn.models.sequential import Sequential
from fastnn.optimizers import Optimizer


def load(
    path: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    check_finite: bool = True,
) -> Sequential:
    """The model that ``model.save(path)`` wrote: it predicts, and goes on training, with the same bits.

    A ``.keras`` file of Keras 3 too (with h5py): its layers and weights, not compiled.

    custom_objects: name -> class or function of your own, for each that the model uses; nothing in the file is ever
    run. compile: False leaves optimizer, loss and metrics out. check_finite: False takes NaN and infinity as weights.

    Raises ValueError, without building anything, where the file is damaged, was made by a newer version, or needs an
    object that ``custom_objects`` lacks.

    >>> import os, tempfile, fastnn
    >>> from fastnn.layers import Dense, Input
    >>> model = fastnn.Sequential([Input(2), Dense(3, "relu"), Dense(1)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "m.fastnn"))
    ...     other = fastnn.load(os.path.join(folder, "m.fastnn"))
    >>> other.layer_names, bool((other.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all())
    (['dense', 'dense_1'], True)
    """
    from fastnn.entering import keras_files

    if keras_files.is_model(path):
        from fastnn.models.entering import load_keras

        return load_keras(path, custom_objects)
    return built(path, *container.read(path), custom_objects, compile, check_finite)


def built(
    path: str | os.PathLike[str],
    arrays: dict[str, Any],
    description: dict[str, Any] | None,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    check_finite: bool = True,
) -> Sequential:
    """The model of a file that was read; see ``load``."""
    compile, check_finite = flag("load: compile", compile), flag("load: check_finite", check_finite)
    shown = os.fspath(path)
    if description is None:
        raise ValueError(
            f"{shown!r} holds arrays only, {', '.join(arrays)[:200]}; make the model, and read them with"
            " model.load_weights"
        )
    if description.get("kind") != "model":
        ways = {"checkpoint": "see fit's checkpoint_dir", "estimator": "use fastnn.load", "weights": "use load_weights"}
        kind = str(description.get("kind"))[:80]
        raise ValueError(f"{shown!r} holds no model but: {kind}; {ways.get(kind, 'it is unknown here')}")
    version = description.get("format")
    if version != FORMAT:
        raise ValueError(
            f"{shown!r} has format {str(version)[:80]}, this version of fastnn reads {FORMAT}; it was written by fastnn"
            f" {str(description.get('fastnn'))[:80]}"
        )
    try:
        return _built(description, arrays, custom_objects, compile, check_finite)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{shown!r} cannot be loaded: {str(error)[:500] or 'it is too deep'}") from None


def _built(
    given: dict[str, Any], arrays: dict[str, Any], custom: Mapping[str, Any] | None, compile: bool, finite: bool
) -> Sequential:
    layers: list[Layer] = [_of(Layer, decode(one, arrays, custom)) for one in _list(given["layers"])]
    compiled = given["compiled"] if compile else None
    kind: Any = Sequential
    if given["model"] != "Sequential":
        kind = decode({"custom": given["model"]}, arrays, custom)
    numbers = {name: whole(name, given[name], 0) for name in ("seed", "epochs", "iterations")}
    if max(numbers.values()) >= 1 << 63:
        raise ValueError("its numbers are out of range")
    if not isinstance(given["name"], str):
        raise ValueError("its name is no text")
    model: Sequential = kind(dtype=given["dtype"], engine=given["engine"], name=given["name"])
    names = [str(layer.name) for layer in layers[1:]]  # the first is the Input
    # Everything that costs memory comes after these checks: the arrays fit the layers.
    program = lower(layers, model.dtype)
    check_arrays(program, names, arrays, finite)
    known: tuple[str, ...] = ("settings/", *["optimizer/"] * (compiled is None))
    for position, (layer, numbered) in enumerate(zip(layers, _list(given["numbered"]), strict=True), start=-1):
        own = [op for op in program.steps if op.layer == position]
        zeros = [np.zeros(shape, dtype=model.dtype) for op in own for shape in op.shapes]  # no draws; filled below
        vars(layer).update(_weights=zeros, _numbered=bool(numbered))
    if compiled is not None:
        optimizer = _of(Optimizer, decode(compiled["optimizer"], arrays, custom))
        loss = _of(Loss, decode(compiled["loss"], arrays, custom))
        metrics = [_of(Metric, decode(one, arrays, custom)) for one in _list(compiled["metrics"])]
        full = lower(layers, model.dtype, loss, optimizer)
        check_arrays(full, names, arrays, finite)
        known += tuple(row_names(full)[1:])
    extra = [name for name in arrays if name not in weight_names(program, names) and not name.startswith(known)]
    if extra:
        raise ValueError(f"its arrays {', '.join(extra)[:200]} belong to no layer")
    for layer in layers:
        model.add(layer)
    if compiled is not None:
        weighted = compiled.get("weighted", [])  # which the first files do not have
        parts = [[one for one in metrics if (one.name in weighted) == chosen] for chosen in (False, True)]
        frozen = frozenset(whole("frozen", one, 0) for one in compiled.get("frozen", []))
        new = compile_arguments(optimizer, loss, parts[0], compiled.get("loss_weight", 1.0), parts[1], frozen)
        model._take(model._recompiled(new, None))
        assert model.optimizer is not None  # noqa: S101 - compiled
        model.optimizer.become(optimizer)  # compile has made its schedule begin anew
    network = model.network
    vars(model)["_seed"] = network.seed = numbers["seed"]
    network.epochs = numbers["epochs"]
    if weight_names(network.program, model.layer_names) != weight_names(program, names):
        raise ValueError("its layers have other names than their weights")
    restore(network, names, arrays)
    if compiled is not None:
        network.iterations = numbers["iterations"]
    if given["generator"] is not None:
        vars(model)["_rng"] = decode_generator(given["generator"])
    return model


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise ValueError("its description lacks a list")
    return given


def _of(base: type, given: Any) -> Any:
    if not isinstance(given, base):
        raise ValueError(f"it holds {given!r:.80} in the place of a {base.__name__.lower()}")
    return given
