"""Normalizations of columns and of rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastnn.activations import Array
from fastnn.constraints import norm
from fastnn.operations.base import Draws, Operation, Weights
from fastnn.operations.sums import mean, moments, total

LEAST_NORM = 1e-12  # Keras' one: rows of zeros stay


class _Normalization(Operation):
    """y = gamma x^ + beta, with x^ = (x - mean) / sqrt(variance + epsilon) along an axis."""

    axis: ClassVar[int]

    epsilon: float = 1e-3

    @property
    def rows(self) -> int:
        return 2

    @property
    def kernel_rows(self) -> int:
        return 1

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("gamma", "beta", "moving_mean", "moving_variance")[: self.rows]

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon,)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        centre, variance = moments(x, self.axis)
        inverse = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normal = (x - centre) * inverse
        return normal * weights[0] + weights[1], (normal, inverse, centre, variance)

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        normal, inverse = kept[:2]
        u = d * weights[0]
        # of y = gamma x^ + beta, with x^ = (x - mean) inverse
        common = mean(u, self.axis) + normal * mean(u * normal, self.axis)
        return inverse * (u - common), [total(d * normal), total(d)]


class BatchNormalization(_Normalization):
    """Mean and variance of each column over the batch in training, else their moving averages, and so if frozen."""

    name = "batch_normalization"
    kernel = 5
    number_cost = 60
    in_place = True
    axis = 0

    momentum: float = 0.99

    @property
    def rows(self) -> int:
        return 4

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon, self.momentum)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return super().forward(x, weights, draws) if self.trainable else (self.infer(x, weights), None)

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        if self.trainable:
            return super().backward(d, x, a, kept, weights)
        return d * (weights[0] / np.sqrt(weights[3] + x.dtype.type(self.epsilon))), []

    def infer(self, x: Array, weights: Weights) -> Array:
        gamma, beta, centre, variance = weights
        return (x - centre) * (gamma / np.sqrt(variance + x.dtype.type(self.epsilon))) + beta

    def remember(self, weights: Weights, kept: Any) -> Weights | None:
        if not self.trainable:
            return None
        averages = []
        for old, new in zip(
            weights[2:], kept[2:], strict=True
        ):  # in float64: three roundings of each step would add up
            moved = self.momentum * old.astype(np.float64) + (1 - self.momentum) * new[0].astype(np.float64)
            averages.append(moved.astype(old.dtype))
        return averages


class LayerNormalization(_Normalization):
    """Mean and variance of each row."""

    name = "layer_normalization"
    kernel = 6
    number_cost = 150
    axis = 1

    def infer(self, x: Array, weights: Weights) -> Array:
        gamma, beta = weights
        centre, variance = moments(x, self.axis)
        return (x - centre) / np.sqrt(variance + x.dtype.type(self.epsilon)) * gamma + beta


class UnitNormalization(Operation):
    """y = x r with r = 1 / max(|x|, 1e-12), of each row: dx = r (dy - y sum(y dy)), or r dy where |x| is less."""

    name = "unit_normalization"
    kernel = 7
    number_cost = 120

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        length = norm(x, axis=1)[:, None]
        inverse = (1 / np.maximum(length, LEAST_NORM)).astype(x.dtype)
        return x * inverse, (inverse, (length > LEAST_NORM).astype(x.dtype))

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        inverse, turns = kept  # of y = x r
        return inverse * (d - turns * a * (a * d).sum(axis=1, keepdims=True)), []

    def infer(self, x: Array, weights: Weights) -> Array:
        return x * (1 / np.maximum(norm(x, axis=1)[:, None], LEAST_NORM)).astype(x.dtype)
