"""Operations that take numbers as names of things: of a line of weights, or of a category."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Weights


def whole_below(x: Array, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """x as whole numbers, and which of them are such from 0 to count - 1; the others count as 0."""
    with np.errstate(invalid="ignore"):
        good = (x >= 0) & (x < count) & (x == np.floor(x))
    return np.where(good, x, 0).astype(np.int64), good


class Embedding(Operation):
    """a = W[x], a line of W (ids, outputs) for each number of a sample. dW[x] += da; x has no derivative.

    ids: how many lines there are. A number that is none of them gives NaN.
    """

    name = "embedding"
    kernel = 16
    number_cost = 20

    ids: int = 1

    @property
    def rows(self) -> int:
        return self.ids

    @property
    def kernel_rows(self) -> int:
        return self.ids

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [(self.ids, self.outputs)]

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("embeddings",)

    def arrays(self, lines: Array) -> Weights:
        return [lines.copy()]

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.infer(x, weights), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        if not self.trainable:
            return np.zeros_like(x), []
        index, good = whole_below(x.reshape(-1), self.ids)
        dW = np.zeros(weights[0].shape)
        np.add.at(dW, index[good], d[good])  # of a = W[x]
        return np.zeros_like(x), [dW.astype(x.dtype)]

    def infer(self, x: Array, weights: Weights) -> Array:
        index, good = whole_below(x.reshape(-1), self.ids)
        return np.where(good[:, None], weights[0][index], x.dtype.type(np.nan))


class Encoding(Operation):
    """The category of each number, or rows that say which categories there are. Nothing has a derivative.

    edges: None, or sorted numbers. The category of x is x itself; with edges it is the number of edges that x reaches;
    with codes too it is the code at the edge that x equals, ``other`` where it equals none.

    mode: "int": the category stands in the place of x. Else there is a column for each category: "one_hot" makes a row
    for each number, "multi_hot" one for each row of numbers, with ones where a category is, "count" with how often.
    What is no category gives NaN.
    """

    name = "encoding"
    kernel = 17
    number_cost = 60
    MODES: ClassVar[tuple[str, ...]] = ("int", "one_hot", "multi_hot", "count")

    mode: str = "int"
    edges: tuple[float, ...] | None = None
    codes: tuple[int, ...] | None = None
    other: int = 0

    @property
    def parameters(self) -> tuple[float, ...]:
        how = 0 if self.edges is None else 1 if self.codes is None else 2
        return (self.MODES.index(self.mode), how, self.other)

    @property
    def table(self) -> tuple[NDArray[Any], ...]:
        """The codes of the edges, and the edges."""
        edges = np.array(self.edges or (), dtype=np.float64)
        codes = np.arange(len(edges)) if self.codes is None else np.array(self.codes)
        return codes.astype(np.int32), edges

    def categories(self, x: Array) -> NDArray[Any]:
        """Of each number; -1 where it has none."""
        if self.edges is None:
            index, good = whole_below(x, 1 << 30)
            return np.where(good, index, -1)
        codes, edges = self.table
        edges = edges.astype(x.dtype)
        reached = np.searchsorted(edges, x, side="right")
        if self.codes is None:
            return np.where(np.isnan(x), -1, reached)
        last = np.maximum(reached - 1, 0)
        found = codes[last] if len(codes) else last
        return np.where((reached > 0) & (edges[last] == x), found, self.other) if len(codes) else found * 0 + self.other

    def infer(self, x: Array, weights: Weights) -> Array:
        found = self.categories(x)
        if self.mode == "int":
            return np.where(found < 0, np.nan, found).astype(x.dtype)
        found = found.reshape(-1, 1) if self.mode == "one_hot" else found
        out = np.zeros((len(found), self.outputs), dtype=x.dtype)
        good = (found >= 0) & (found < self.outputs)
        rows = np.broadcast_to(np.arange(len(found))[:, None], found.shape)
        np.add.at(out, (rows[good], found[good]), 1)
        out[~good.all(axis=1)] = np.nan
        return out if self.mode == "count" else np.minimum(out, 1)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.infer(x, weights), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return np.zeros_like(x), []
