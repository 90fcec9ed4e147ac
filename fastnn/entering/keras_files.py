"""Keras' files, ``.keras`` and ``.weights.h5``, through the package h5py. Nothing in them is ever run."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Sequence
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from fastnn.entering.found import Shape
from fastnn.entering.from_keras import entered
from fastnn.layers import Layer

Array = NDArray[Any]
ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
MOST_TEXT = 1 << 26  # bytes of a description
SLACK = 1 << 24  # bytes that a file of weights may be longer than three times its weights: an optimizer's state


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip archive, as Keras' models are."""
    return _begins(path, ZIP)


def is_weights(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of HDF5."""
    return _begins(path, HDF5)


def _begins(path: str | os.PathLike[str], mark: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(mark)) == mark


def read_model(path: str | os.PathLike[str], custom_objects: Any = None) -> tuple[list[Layer], np.dtype, str]:
    """The layers of a ``.keras`` file with their weights, their number type and the model's name."""
    shown = os.fspath(path)
    if custom_objects:
        raise ValueError(f"{shown!r} is a file of Keras, whose layers are fastnn's own here; leave custom_objects out")
    try:
        with ZipFile(path) as archive:
            text = _member(archive, "config.json", MOST_TEXT)
            described = json.loads(text)
            if not isinstance(described, dict) or not isinstance(described.get("config"), dict):
                raise ValueError("its config.json is none of Keras")
            kind, config = str(described.get("class_name")), described["config"]

            def weights(kinds: list[tuple[str, Any]]) -> Any:
                size = archive.getinfo("model.weights.h5").file_size
                return _Reader(io.BytesIO(_member(archive, "model.weights.h5", size)), [one for one, _ in kinds]).get

            return entered(kind, config, weights)
    except BadZipFile as error:
        raise ValueError(f"{shown!r} is no .keras file of Keras 3: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{shown!r} cannot be loaded: {str(error)[:500] or 'it is too deep'}") from None


def read_weights(path: str | os.PathLike[str], layers: Sequence[Layer], shapes: Sequence[Shape]) -> list[Array]:
    """The weights of a ``.weights.h5`` file for layers in their order. shapes: of a sample before each layer."""
    with open(path, "rb") as file:
        reader = _Reader(file, [type(layer).__name__ for layer in layers])
        found: list[Array] = []
        for place, (layer, shape) in enumerate(zip(layers, shapes, strict=False)):
            expected = [one for op in layer.operations(shape) for one in op.shapes]
            kind = type(layer).__name__
            if kind == "Rescaling":
                found += layer.get_weights()
            elif kind == "Normalization":
                given = [one.reshape(-1) for one in reader.get(place, None)[:2]]
                own = layer.get_weights()
                found += [*own[:2], *(np.broadcast_to(one, expected[0]) for one in given or own[2:])]
            else:
                found += reader.get(place, expected)
        return [one.astype(np.float64) for one in found]


def _member(archive: ZipFile, name: str, most: int) -> bytes:
    """A file of an archive, which must not be longer than it says."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"it lacks {name}, which files of Keras 3 have") from None
    if info.file_size > most or info.file_size > 1100 * info.compress_size + SLACK:
        raise ValueError(f"its {name} is too long: {info.file_size} bytes")
    with archive.open(info) as file:
        return file.read(info.file_size)


class _Reader:
    """The arrays of a file of weights, by the place of a layer: layers/dense_1/vars/0, numbered by their kinds."""

    def __init__(self, file: Any, kinds: Sequence[str]) -> None:
        try:
            import h5py
        except ImportError as error:
            raise ImportError("files of Keras need the package h5py: pip install h5py") from error
        self.h5py = h5py
        try:
            self.file = h5py.File(file, "r")
        except OSError as error:
            raise ValueError(f"it is no HDF5 file, or it is damaged: {error}") from None
        used: dict[str, int] = {}
        self.names = []
        for kind in kinds:
            name = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
            count = used[name] = used.get(name, -1) + 1
            self.names.append(f"{name}_{count}" if count else name)
        try:
            found = self._inside(self.file, "layers")
        except (LookupError, OSError, RuntimeError) as error:
            raise ValueError(f"it is damaged: {str(error)[:200]}") from None
        if found is None:
            raise ValueError("it lacks layers: only files of Keras 3 can be read, .keras and .weights.h5")

    def _inside(self, group: Any, name: str) -> Any:
        """What a group holds under a name, in this file alone: links to other files are refused."""
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, self.h5py.HardLink):
            raise ValueError(f"it has a link at {name!r}, which is not followed")
        return group.get(name)

    def get(self, place: int, expected: list[Shape] | None) -> list[Array]:
        """The weights of a layer, of these shapes; None: whatever there are."""
        try:
            return self._read(place, expected)
        except (LookupError, OSError, RuntimeError, TypeError) as error:  # what h5py raises where a file is damaged
            raise ValueError(f"it is damaged: {str(error)[:200]}") from None

    def _read(self, place: int, expected: list[Shape] | None) -> list[Array]:
        group: Any = self.file
        name = self.names[place]
        for part in ("layers", name, "vars"):
            group = None if group is None else self._inside(group, part)
        count = 0 if group is None else len(group)
        if expected is not None and count != len(expected):
            raise ValueError(
                f"it has {count} arrays for layer {name!r}, expected {len(expected)}; make the same layers"
            )
        arrays = []
        for i in range(count):
            one = self._inside(group, str(i))
            if not isinstance(one, self.h5py.Dataset) or one.is_virtual or one.external or one.dtype.kind not in "fiu":
                raise ValueError(f"array {i} of layer {name!r} is none that Keras writes")
            shape = one.shape if expected is None else expected[i]
            if one.shape != shape or one.ndim > 8 or one.size > 1 << 28:
                raise ValueError(f"array {i} of layer {name!r} has shape {one.shape}, expected {shape}")
            arrays.append(np.asarray(one[()]))
        return arrays
