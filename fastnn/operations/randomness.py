"""Operations that draw random numbers in training, and do nothing else."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Weights

SATURATION = -1.6732632423543772 * 1.0507009873554805  # of SELU: where its negative numbers end


class Random(Operation):
    """Base of them. seed: of the operation's own draws; the model's where it is negative."""

    in_place = True
    random = True

    @property
    def numberwise(self) -> bool:
        return True

    def infer(self, x: Array, weights: Weights) -> Array:
        return x


class Dropout(Random):
    """a = x m, with a mask m of 0 with probability ``rate``, else 1 / (1 - rate). dx = da m.

    spatial: m has one number for all pixels of a channel of a sample; batchwise: of all samples of the batch.

    saturate: what is dropped becomes SATURATION; then all is scaled and moved so that inputs of mean 0 and variance 1
    keep both: a = s x + t where it is kept, else s SATURATION + t. dx = da s where it is kept.
    """

    name = "dropout"
    kernel = 3
    number_cost = 100

    rate: float = 0.0
    spatial: bool = False
    batchwise: bool = False
    saturate: bool = False

    @property
    def numberwise(self) -> bool:
        return not (self.spatial or self.batchwise)

    @property
    def parameters(self) -> tuple[float, ...]:
        """rate, what a draw is shared by, factor of what is kept, and what stands where a number is dropped."""
        shared = 2 if self.batchwise else int(self.spatial)
        if not self.saturate:
            return (self.rate, shared, 1 / (1 - self.rate), 0.0)
        factor = 1 / sqrt((1 - self.rate) * (1 + self.rate * SATURATION**2))
        return (self.rate, shared, factor, factor * SATURATION * (1 - self.rate))

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        rows = len(x) if self.batchwise else self.positions_in if self.spatial else 1
        words = draws.under(self.seed).words(x[::rows]).repeat(rows, axis=0)
        factor, dropped = (x.dtype.type(one) for one in self.parameters[2:])
        moved = x.dtype.type(-self.parameters[3] * self.rate / (1 - self.rate))  # so that the mean of a stays 0
        kept = words >= np.uint32(self.rate * 2**32)
        mask = np.where(kept, factor, x.dtype.type(0))
        return x * mask + np.where(kept, moved, dropped), mask

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return d * kept, []


class Noise(Random):
    """a = x + s n, with normal numbers n and the standard deviation s. dx = da."""

    name = "noise"
    kernel = 4
    number_cost = 300

    stddev: float = 0.0

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.stddev,)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return x + x.dtype.type(self.stddev) * draws.under(self.seed).normals(x), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return d, []


class NoisyFactors(Random):
    """a = x m, with m = 1 + s n, normal numbers n and the standard deviation s. dx = da m."""

    name = "noisy_factors"
    kernel = 14
    number_cost = 300

    stddev: float = 0.0

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.stddev,)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        factors = 1 + x.dtype.type(self.stddev) * draws.under(self.seed).normals(x)
        return x * factors, factors

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return d * kept, []
