"""The largest number, or the mean, of what a window sees in each channel of a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Array
from fastnn.operations.base import Draws, Weights
from fastnn.operations.maps import Windowed


class _Pooling(Windowed):
    @property
    def cost(self) -> int:  # number_cost is that of each tap
        return super().cost * self.window[0] * self.window[1]

    def infer(self, x: Array, weights: Weights) -> Array:
        return self.forward(x, weights, None)[0]

    def forward(self, x: Array, weights: Weights, draws: Draws | None) -> tuple[Array, Any]:
        raise NotImplementedError


class MaxPooling(_Pooling):
    """a[o] = max over the taps k of x[o stride + k dilation - corner]; padding is never the largest, NaN always.

    dx = da at the largest, the first where there are several.
    """

    name = "max_pooling"
    kernel = 10
    number_cost = 20

    def forward(self, x: Array, weights: Weights, draws: Draws | None) -> tuple[Array, Any]:
        maps = self.padded(x, -np.inf)
        seen = np.stack([maps[tap] for tap in self.taps()])
        largest = seen.argmax(axis=0)  # the first; NaN counts as the largest
        return np.take_along_axis(seen, largest[None], axis=0).reshape(-1, self.outputs), largest

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        dx = self.padded(np.zeros_like(x))
        for k, tap in enumerate(self.taps()):  # of a = x at the largest
            dx[tap] += d.reshape(kept.shape) * (kept == k)
        return self.cropped(dx), []


class AveragePooling(_Pooling):
    """a[o] = mean over the taps k of x[o stride + k dilation - corner], of those that lie on the map.

    dx[o stride + k dilation - corner] += da[o] / how many lie there.
    """

    name = "average_pooling"
    kernel = 11
    number_cost = 10

    def forward(self, x: Array, weights: Weights, draws: Draws | None) -> tuple[Array, Any]:
        maps, ones = self.padded(x), self.padded(np.ones((self.positions_in, 1), dtype=x.dtype))
        taps = list(self.taps())
        count = sum(ones[tap] for tap in taps)
        return (sum(maps[tap] for tap in taps) / count).reshape(-1, self.outputs), count

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        dx = self.padded(np.zeros_like(x))
        share = d.reshape(-1, *self.small, self.outputs) / kept
        for tap in self.taps():  # of a = sum x / count
            dx[tap] += share
        return self.cropped(dx), []
