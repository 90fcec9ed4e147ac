"""Batch, layer and unit normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.basics.checks import number, whole
from fastnn.layers.base import Layer, Shape, between
from fastnn.optimizers import LEAST_EPSILON


class _LastAxis(Layer):
    """What knows the last axis only: ``axis`` is -1, or its number in (rows, *shape)."""

    def __init__(self, axis: int | list[int] = -1, **arguments: Any) -> None:
        super().__init__(**arguments)
        given = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self.axis = whole(f"{type(self).__name__}: axis", given, -1)

    def shape_after(self, input_shape: Shape) -> Shape:
        if self.axis not in (-1, len(input_shape)):
            raise ValueError(
                f"{type(self).__name__}: axis must be the last one, -1 or {len(input_shape)} for samples of shape"
                f" {input_shape}, got {self.axis}"
            )
        return input_shape


class _Normalization(_LastAxis):
    def __init__(self, epsilon: float, axis: int | list[int], **arguments: Any) -> None:
        super().__init__(axis, **arguments)
        self.epsilon = number(f"{type(self).__name__}: epsilon", epsilon, LEAST_EPSILON)


class BatchNormalization(_Normalization):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta for each column, on maps for each channel.

    In training mean and variance (of n, not n - 1) are those of the batch, on maps over all their pixels, and moving
    averages of them follow with factor ``momentum``; else the averages are used, and so they are in training where
    ``trainable`` is False: then nothing of the layer changes. As in Keras; PyTorch's momentum is
    1 - momentum and its epsilon 1e-5. Weights: gamma, beta, moving mean, moving variance, the last two not trained.
    Source: Ioffe and Szegedy, ICML 2015.
    """

    changeable = ("momentum", "epsilon")
    weight_names = ("gamma", "beta", "moving_mean", "moving_variance")

    def __init__(self, axis: int = -1, *, momentum: float = 0.99, epsilon: float = 1e-3, **arguments: Any) -> None:
        super().__init__(epsilon, axis, **arguments)
        self.momentum = number("BatchNormalization: momentum", momentum, 0, below=1)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        n = input_shape[-1]
        return [np.ones(n), np.zeros(n), np.zeros(n), np.ones(n)]

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        settings = {"bias": True, "epsilon": self.epsilon, "momentum": self.momentum}
        return [between(operations.BatchNormalization, input_shape, input_shape, **settings)]


class LayerNormalization(_Normalization):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over each sample. Weights: gamma, beta.

    On maps over the channels of each pixel, as Keras' axis=-1. Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
    PyTorch's epsilon is 1e-5.
    """

    changeable = ("epsilon",)
    weight_names = ("gamma", "beta")

    def __init__(self, axis: int = -1, *, epsilon: float = 1e-3, **arguments: Any) -> None:
        super().__init__(epsilon, axis, **arguments)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        n = input_shape[-1]
        return [np.ones(n), np.zeros(n)]

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        return [between(operations.LayerNormalization, input_shape, input_shape, bias=True, epsilon=self.epsilon)]


class UnitNormalization(_LastAxis):
    """y = x / max(|x|, 1e-12), with the Euclidean norm |x| of each sample: rows of length 1; a row of zeros stays.

    As in Keras, for the last axis: on maps for each pixel. No weights. Source: Salton, Wong, Yang, "A vector space
    model for automatic indexing", Communications of the ACM 18, 1975, where texts are compared by the angle between
    them.

    >>> UnitNormalization().shape_after((3,))
    (3,)
    """

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        return [between(operations.UnitNormalization, input_shape, input_shape)]
