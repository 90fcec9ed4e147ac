"""How an engine reads the user's arrays: any number type and strides, without a copy."""

from __future__ import annotations

import weakref
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Source:
    """Rows of numbers of any type and strides, as the engine reads them.

    array: (rows, ...), a view of the user's own memory, whose shape and dtype nobody else changes; columns: numbers in
    a row; kind: of the dtype; names: of the columns of a table, for messages; pin: keeps the memory where it is.
    """

    __slots__ = ("array", "columns", "kind", "names", "pin")

    def __init__(self, array: NDArray[Any], names: list[Any] | None = None) -> None:
        array = array.view(np.ndarray)
        self.array = array
        self.names = names
        self.pin = pin(array)
        self.columns = prod(array.shape[1:])
        self.kind = array.dtype.kind

    def __len__(self) -> int:
        return len(self.array)


def pin(array: NDArray[Any]) -> weakref.ref[NDArray[Any]]:
    """While this lives, ``resize`` refuses to free the array's memory: NumPy looks for references of this kind."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return weakref.ref(array)
