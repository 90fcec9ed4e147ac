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
    starts: NDArray[np.int64] | None = None  # of the entries of each row, in a sparse matrix

    def __init__(self, array: NDArray[Any], names: list[Any] | None = None) -> None:
        array = array.view(np.ndarray)
        self.array = array
        self.names = names
        self.pin = pin(array)
        self.columns = prod(array.shape[1:])
        self.kind = array.dtype.kind

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def filled(self) -> float:
        """The share of the numbers that are there: 1 but for a sparse matrix."""
        return 1.0

    def take(self, rows: Any) -> NDArray[Any]:
        """Some rows as an array; rows: their numbers or a slice."""
        return self.array[rows]

    def chosen(self, rows: Any) -> Source:
        """A copy of some rows, or a view for a slice."""
        return Source(self.array[rows])


class Sparse(Source):
    """Rows of which only the non-zeros are there: SciPy's CSR format. Entries of the same place add up.

    It has no array. entries: the values; indices: their columns; starts: (rows + 1,), where those of each row begin.

    >>> two = Sparse(np.array([5.0, 6.0]), np.array([2, 0]), np.array([0, 1, 2]), columns=3)
    >>> two.take(slice(None))
    array([[0., 0., 5.],
           [6., 0., 0.]])
    """

    __slots__ = ("entries", "indices", "starts")
    starts: NDArray[np.int64]

    def __init__(self, values: NDArray[Any], indices: NDArray[Any], starts: NDArray[Any], columns: int) -> None:
        self.entries = Source(np.ascontiguousarray(values))
        self.indices = np.ascontiguousarray(indices, dtype=np.int32)
        self.starts = np.ascontiguousarray(starts, dtype=np.int64)
        self.columns = columns
        self.kind = self.entries.kind
        self.names = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), self.columns

    @property
    def filled(self) -> float:
        return len(self.entries) / max(1, len(self) * self.columns)

    def place(self, entry: int) -> tuple[int, int]:
        """The row and the column of an entry."""
        return int(np.searchsorted(self.starts, entry, side="right")) - 1, int(self.indices[entry])

    def take(self, rows: Any) -> NDArray[Any]:
        part = self.chosen(rows)
        values = part.entries.array
        out = np.zeros(part.shape, dtype=values.dtype if self.kind == "f" else np.float64)
        np.add.at(out, (np.repeat(np.arange(len(part)), np.diff(part.starts)), part.indices), values)
        return out

    def chosen(self, rows: Any) -> Sparse:
        first, last = self.starts[:-1][rows], self.starts[1:][rows]
        lengths = last - first
        starts = np.append(0, np.cumsum(lengths))
        places = np.arange(starts[-1]) + np.repeat(first - starts[:-1], lengths)
        return Sparse(self.entries.array[places], self.indices[places], starts, self.columns)


def pin(array: NDArray[Any]) -> weakref.ref[NDArray[Any]]:
    """While this lives, ``resize`` refuses to free the array's memory: NumPy looks for references of this kind."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return weakref.ref(array)
