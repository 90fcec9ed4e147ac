"""The weights of a network and its optimizer's state as arrays with names, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.engine.network import Network
from fastnn.engine.program import Program

Array = NDArray[Any]


def weight_names(program: Program, layers: Sequence[str]) -> list[str]:
    """A name for each array of ``get_weights``: the layer's and the weight's. layers: their names.

    >>> from fastnn import Sequential, layers
    >>> weight_names(Sequential([layers.Input(2), layers.Dense(3)]).program, ["dense"])
    ['dense/kernel', 'dense/bias']
    """
    return [
        f"{layers[op.layer]}/{name}" for op in program.steps for name, _ in zip(op.weight_names, op.shapes, strict=True)
    ]


def shapes(program: Program) -> list[tuple[int, ...]]:
    """The shapes of the arrays of ``get_weights``."""
    return [shape for op in program.steps for shape in op.shapes]


def row_names(program: Program) -> list[str]:
    """What stands before the weights' names for each row of the arena: nothing, then each slot of the optimizer."""
    optimizer = program.optimizer_object
    return ["", *(f"optimizer/{name}/" for name in (() if optimizer is None else optimizer.state))]


def network_arrays(network: Network, layers: Sequence[str]) -> dict[str, Array]:
    """Copies of all weights and of the optimizer's state, by name."""
    program, names = network.program, weight_names(network.program, layers)
    found: dict[str, Array] = {}
    for prefix, row in zip(row_names(program), network.arena, strict=True):
        for name, array in zip(names, program.shown(row), strict=True):
            if prefix + name in found:
                raise ValueError(f"two arrays would be named {prefix + name!r}; give the layers other names")
            found[prefix + name] = array
    return found


def check_arrays(
    program: Program, layers: Sequence[str], arrays: Mapping[str, Array], finite: bool = True, state: bool = True
) -> None:
    """ValueError unless ``arrays`` holds what ``network_arrays`` gives: names, shapes, types, finite numbers.

    finite: whether NaN and infinity are refused; state: whether the optimizer's state must be there.
    """
    names = weight_names(program, layers)
    for prefix in row_names(program)[: None if state else 1]:
        for name, shape in zip(names, shapes(program), strict=True):
            array = arrays.get(prefix + name)
            if array is None:
                raise ValueError(f"it lacks {prefix + name!r}")
            if array.shape != shape or array.dtype != program.dtype:
                raise ValueError(
                    f"{prefix + name!r} has shape {array.shape} and type {array.dtype}, expected {shape} and"
                    f" {program.dtype}"
                )
            if finite and not np.isfinite(array).all():
                raise ValueError(f"{prefix + name!r} holds values that are not finite")


def restore(network: Network, layers: Sequence[str], arrays: Mapping[str, Array]) -> None:
    """Puts checked arrays into the network: bit for bit what it was when they were taken."""
    program, names = network.program, weight_names(network.program, layers)
    arena = program.new_arena()
    for prefix, row in zip(row_names(program), arena, strict=True):
        program.fill(row, [arrays[prefix + name] for name in names])
    network.arena[:] = arena  # all at once: Ctrl-C comes before or after
