"""The weights of a model as a list of arrays: their names, and whether given ones fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.arrays import plain
from fastnn.engine.program import Program


def weight_names(program: Program, layers: Sequence[str]) -> list[str]:
    """A name for each array of ``get_weights``: the layer's, and its position there. layers: their names.

    >>> from fastnn import Sequential, layers
    >>> weight_names(Sequential([layers.Input(2), layers.Dense(3)]).program, ["input", "dense"])
    ['dense/0', 'dense/1']
    """
    places = [op.layer for op in program.steps for _ in op.shapes]
    return [f"{layers[place]}/{i - places.index(place)}" for i, place in enumerate(places)]


def checked_weights(program: Program, layers: Sequence[str], weights: Any) -> list[NDArray[Any]]:
    """What ``Sequential.set_weights`` was given as arrays, or an error that names the first that does not fit."""
    expected = [(op, shape) for op in program.steps for shape in op.shapes]
    if not hasattr(weights, "__len__") or isinstance(weights, (str, bytes, dict)):
        raise TypeError(f"expected a list of arrays, as get_weights() returns it, got {weights!r}")
    if len(weights) != len(expected):
        raise ValueError(f"expected {len(expected)} arrays, as get_weights() returns them, got {len(weights)}")
    arrays = []
    for i, ((op, shape), values) in enumerate(zip(expected, weights, strict=True)):
        name = f"weights[{i}] of layer {layers[op.layer]!r}"
        array = plain(values, name)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
        arrays.append(array)
    kinds = {array.dtype.newbyteorder("=") for array in arrays if array.dtype.kind == "f"}
    if len(kinds) > 1:
        raise TypeError(f"weights have different dtypes, {', '.join(sorted(map(str, kinds)))}; convert them to one")
    for i, array in enumerate(arrays):
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(program.dtype)).all()
        if not finite:
            raise ValueError(f"weights[{i}] holds values that are not finite in {program.dtype}")
    return arrays
