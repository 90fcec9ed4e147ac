"""The weights of a model as a list of arrays: their names, and whether given ones fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from fastnn.engine.program import Program
from fastnn.layers.weights import checked_arrays


def weight_names(program: Program, layers: Sequence[str]) -> list[str]:
    """A name for each array of ``get_weights``: the layer's, and its position there. layers: their names.

    >>> from fastnn import Sequential, layers
    >>> weight_names(Sequential([layers.Input(2), layers.Dense(3)]).program, ["dense"])
    ['dense/0', 'dense/1']
    """
    places = [op.layer for op in program.steps for _ in op.shapes]
    return [f"{layers[place]}/{i - places.index(place)}" for i, place in enumerate(places)]


def checked_weights(program: Program, layers: Sequence[str], weights: Any) -> list[NDArray[Any]]:
    """What ``Sequential.set_weights`` was given as arrays, or an error that names the first that does not fit."""
    ops = [(op, shape) for op in program.steps for shape in op.shapes]
    expected = [(f"weights[{i}] of layer {layers[op.layer]!r}", shape) for i, (op, shape) in enumerate(ops)]
    return checked_arrays(expected, weights, program.dtype)
