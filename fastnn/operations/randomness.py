"""Operations that draw random numbers in training, and do nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Weights


class _Random(Operation):
    in_place = True

    def infer(self, x: Array, weights: Weights) -> Array:
        return x


class Dropout(_Random):
    """a = x m, with a mask m of 0 with probability ``rate``, else 1 / (1 - rate). dx = da m.

    spatial: m has one number for all pixels of a channel of a sample.
    """

    name = "dropout"
    kernel = 3
    number_cost = 100

    rate: float = 0.0
    spatial: bool = False

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.rate, self.spatial)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        pixels = self.positions_in if self.spatial else 1
        kept = draws.words(x[::pixels]).repeat(pixels, axis=0) >= np.uint32(self.rate * 2**32)
        mask = np.where(kept, x.dtype.type(1 / (1 - self.rate)), x.dtype.type(0))
        return x * mask, mask

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return d * kept, []


class Noise(_Random):
    """a = x + s n, with normal numbers n and the standard deviation s. dx = da."""

    name = "noise"
    kernel = 4
    number_cost = 300

    stddev: float = 0.0

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.stddev,)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return x + x.dtype.type(self.stddev) * draws.normals(x), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return d, []
