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
    """y = gamma x^ + beta, with x^ = (x - mean) / sqrt(variance + epsilon) along an axis.

    scale: whether there is a gamma, bias: a beta. Their lines come first, then those of the moving statistics.
    shape: of gamma and beta as ``get_weights`` shows them, () for (outputs,); kernel_name: gamma's name.
    """

    axis: ClassVar[int]
    statistics: ClassVar[tuple[str, ...]] = ()  # names of the weights that are not trained

    epsilon: float = 1e-3
    scale: bool = True
    shape: tuple[int, ...] = ()
    kernel_name: str = "gamma"

    @property
    def rows(self) -> int:
        return self.scale + self.bias + len(self.statistics)

    @property
    def kernel_rows(self) -> int:
        return int(self.scale)

    @property
    def weight_names(self) -> tuple[str, ...]:
        return (*[self.kernel_name] * self.scale, *["beta"] * self.bias, *self.statistics)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        trained = self.scale + self.bias
        return [self.shape or (self.outputs,)] * trained + [(self.outputs,)] * (self.rows - trained)

    @property
    def inner(self) -> tuple[int, ...]:
        return tuple(range(len(self.shapes[0])))

    @property
    def regularizers(self) -> tuple[Any, ...]:
        return (*[self.kernel_regularizer] * self.scale, *[self.bias_regularizer] * self.bias)[: self.variables]

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon,)

    def gamma(self, weights: Weights) -> Any:
        """The factors, 1 where there are none."""
        return weights[0] if self.scale else 1

    def beta(self, weights: Weights) -> Any:
        """What is added, 0 where there is nothing."""
        return weights[int(self.scale)] if self.bias else 0

    def scales(self, weights: Weights, dtype: Any) -> tuple[Array, Array]:
        """gamma and beta with a number for each column, whether there are such weights or not."""
        full = np.ones(self.outputs, dtype=dtype)
        return full * self.gamma(weights), full * self.beta(weights)

    def scaled(self, normal: Array, weights: Weights) -> Array:
        """gamma x^ + beta."""
        return normal * self.gamma(weights) + self.beta(weights)

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance along the axis, which stays."""
        return moments(x, self.axis)

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        centre, variance = self.moments(x)
        inverse = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        normal = (x - centre) * inverse
        return self.scaled(normal, weights), (normal, inverse, centre, variance)

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        normal, inverse = kept[:2]
        u = d * self.gamma(weights)
        # of y = gamma x^ + beta, with x^ = (x - mean) inverse
        common = self.mean_of(u) + normal * mean(u * normal, self.axis)
        return inverse * (u - common), [total(d * normal)] * self.scale + [total(d)] * self.bias

    def mean_of(self, u: Array) -> Any:
        """What the mean in x^ takes away from the gradient."""
        return mean(u, self.axis)


class BatchNormalization(_Normalization):
    """Mean and variance of each column over the batch in training, else their moving averages, and so if frozen."""

    name = "batch_normalization"
    kernel = 5
    number_cost = 60
    in_place = True
    axis = 0
    statistics = ("moving_mean", "moving_variance")

    momentum: float = 0.99

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon, self.momentum)

    def affine(self, weights: Weights) -> tuple[Array, Array]:
        """Outside of training y = x s + t for each column: s = gamma / sqrt(variance + epsilon), t = beta - mean s."""
        centre, variance = weights[-2:]
        scale = self.gamma(weights) / np.sqrt(variance + variance.dtype.type(self.epsilon))
        return scale, self.beta(weights) - centre * scale

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return super().forward(x, weights, draws) if self.trainable else (self.infer(x, weights), None)

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return super().backward(d, x, a, kept, weights) if self.trainable else (d * self.affine(weights)[0], [])

    def infer(self, x: Array, weights: Weights) -> Array:
        return (x - weights[-2]) * self.affine(weights)[0] + self.beta(weights)

    def remember(self, weights: Weights, kept: Any) -> Weights | None:
        if not self.trainable:
            return None
        averages = []
        for old, new in zip(weights[-2:], kept[2:], strict=True):  # in float64: three roundings a step would add up
            moved = self.momentum * old.astype(np.float64) + (1 - self.momentum) * new[0].astype(np.float64)
            averages.append(moved.astype(old.dtype))
        return averages


class LayerNormalization(_Normalization):
    """Mean and variance of each row. centred: else the mean counts as 0, and the variance is that of the squares."""

    name = "layer_normalization"
    kernel = 6
    number_cost = 150
    axis = 1

    centred: bool = True

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon, self.centred)

    def moments(self, x: Array) -> tuple[Array, Array]:
        if self.centred:
            return super().moments(x)
        return np.zeros((len(x), 1), dtype=x.dtype), mean(np.square(x), self.axis)

    def mean_of(self, u: Array) -> Any:
        return super().mean_of(u) if self.centred else 0

    def infer(self, x: Array, weights: Weights) -> Array:
        centre, variance = self.moments(x)
        return self.scaled((x - centre) / np.sqrt(variance + x.dtype.type(self.epsilon)), weights)


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
