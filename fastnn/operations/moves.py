"""Operations that bring numbers to other places: on the map, or in the whole sample."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Pair, Weights


class Resampling(Operation):
    """a[q] = sum over t of weight[q, t] x[index[q, t]] for each pixel q of a channel: padding, cropping, upsampling.

    Without ``smooth`` pixel i of the new map is pixel floor(i / factor) - corner of the old one, or zero where there is
    none. With it, it lies at (i + 1/2) / factor - 1/2 between two pixels along each axis, weighted by their nearness
    (bilinear). dx[index[q, t]] += weight[q, t] da[q].
    """

    name = "resampling"
    kernel = 12
    number_cost = 30

    factor: Pair = (1, 1)
    corner: Pair = (0, 0)
    smooth: bool = False

    @property
    def cost(self) -> int:
        return super().cost * (3 if self.smooth else 1)

    @property
    def geometry(self) -> tuple[int, ...]:
        return (*self.map_in, *self.map_out, 1, 1, *self.factor, 1, 1, *self.corner, 1)

    @property
    def behind(self) -> Pair:
        """Rows and columns of zeros behind a map that keeps its size; less than 0: so many are cut off."""
        ends = [out - n - p for out, n, p in zip(self.map_out, self.map_in, self.corner, strict=True)]
        return ends[0], ends[1]

    @property
    def table(self) -> tuple[NDArray[Any], ...]:
        """index (pixels, taps), -1 for none, and weight (pixels, taps)."""
        down, across = (self.sources(axis) for axis in (0, 1))
        row, column = down[0][:, None, :, None], across[0][None, :, None, :]
        index = np.where((row < 0) | (column < 0), -1, row * self.map_in[1] + column)
        weight = down[1][:, None, :, None] * across[1][None, :, None, :]
        taps = index.shape[2] * index.shape[3]
        return index.reshape(-1, taps).astype(np.int32), weight.reshape(-1, taps)

    def sources(self, axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The pixels along one axis that each new one comes from, and their weights: (length, 1), or (length, 2)."""
        before, factor = self.map_in[axis], self.factor[axis]
        i = np.arange(self.map_out[axis])
        if not self.smooth:
            source = i // factor - self.corner[axis]
            return np.where((source >= 0) & (source < before), source, -1)[:, None], np.ones((len(i), 1))
        place = (i + 0.5) / factor - 0.5
        low = np.floor(place).astype(int)
        far = place - low
        pixels = np.stack([low, low + 1], axis=1).clip(0, before - 1)  # beyond the edge it goes on as at the edge
        return pixels, np.stack([1 - far, far], axis=1)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.infer(x, weights), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        index, weight = self.table
        maps = d.reshape(-1, self.positions_out, self.outputs)
        dx = np.zeros((len(maps), self.positions_in + 1, self.inputs), dtype=x.dtype)  # the last takes what is for none
        for t in range(index.shape[1]):  # of a += weight x
            at: Any = (slice(None), index[:, t])
            np.add.at(dx, at, weight[:, t, None].astype(x.dtype) * maps)
        return dx[:, :-1].reshape(-1, self.inputs), []

    def infer(self, x: Array, weights: Weights) -> Array:
        index, weight = self.table
        maps = x.reshape(-1, self.positions_in, self.inputs)
        a = np.zeros((len(maps), self.positions_out, self.outputs), dtype=x.dtype)
        for t in range(index.shape[1]):
            there = index[:, t] >= 0
            a[:, there] += weight[there, t, None].astype(x.dtype) * maps[:, index[there, t]]
        return a.reshape(-1, self.outputs)


class Permutation(Operation):
    """The numbers of each sample in another order or shape: axis i of the new sample is axis axes[i] of the old one.

    shape: of the old sample. Without axes the numbers stay in their order, and only rows and columns change. dx: back
    again.
    """

    name = "permutation"
    kernel = 13
    number_cost = 10

    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()

    @property
    def cost(self) -> int:
        return super().cost * (20 if self.axes else 1)  # where they stay in order, whole lines are copied

    @property
    def table(self) -> tuple[NDArray[Any], ...] | None:
        """Where each number of a new sample was in the old one; None where they stay."""
        if not self.axes:
            return None
        return (np.arange(prod(self.shape), dtype=np.int32).reshape(self.shape).transpose(self.axes).reshape(-1),)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.infer(x, weights), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        samples = d.reshape(-1, self.inputs * self.positions_in)
        if self.table is not None:
            samples = samples[:, np.argsort(self.table[0])]  # of a = x[index]
        return samples.reshape(-1, self.inputs), []

    def infer(self, x: Array, weights: Weights) -> Array:
        samples = x.reshape(-1, self.inputs * self.positions_in)
        if self.table is not None:
            samples = samples[:, self.table[0]]
        return samples.reshape(-1, self.outputs)
