"""Activations as operations of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Activation, Array, Linear
from fastnn.operations.base import Draws, Operation, Pair, Weights
from fastnn.operations.sums import total
from fastnn.regularizers import Regularizer


class _Activation(Operation):
    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.activation.forward(x), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        return self.activation.backward(x if self.activation.keeps_input else a, d), []

    def infer(self, x: Array, weights: Weights) -> Array:
        return self.activation.forward(x)


class Elementwise(_Activation):
    """a = f(x), number by number; joined to the operation before it where that one applies activations."""

    name = "elementwise"
    kernel = 1
    in_place = True
    numberwise = True


class Rowwise(_Activation):
    """a = f(x) for an activation that needs whole rows, such as softmax."""

    name = "rowwise"
    kernel = 2


class PReLU(Operation):
    """a = x where x > 0, else alpha x, with an alpha for each column; all pixels of a map share it. As in Keras.

    dx = da where x > 0, alpha da where x < 0, and 0 at 0; dalpha = sum of da x where x < 0.
    shape: of alpha, as ``get_weights`` shows it; () for (outputs,).
    """

    name = "prelu"
    kernel = 15
    number_cost = 40
    in_place = True

    shape: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        return 1

    @property
    def kernel_rows(self) -> int:
        return 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [self.shape or (self.outputs,)]

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("alpha",)

    @property
    def inner(self) -> tuple[int, ...]:
        return tuple(range(len(self.shapes[0])))

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        return self.infer(x, weights), None

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        slope = np.where(x < 0, weights[0], (x > 0).astype(x.dtype))  # of a = x or alpha x
        return d * slope, [total(d * np.where(x < 0, x, x.dtype.type(0)))] if self.trainable else []

    def infer(self, x: Array, weights: Weights) -> Array:
        return np.where(x < 0, weights[0] * x, x)


def activate(activation: Activation, columns: int, pixels: Pair = (1, 1), **settings: Any) -> Operation:
    """The operation that applies an activation to so many columns, of maps of so many pixels.

    >>> from fastnn.activations import ReLU, Softmax
    >>> activate(ReLU(), 3).name, activate(Softmax(), 3).name
    ('elementwise', 'rowwise')
    """
    kind = Rowwise if activation.blockwise else Elementwise
    return kind(columns, columns, map_in=pixels, map_out=pixels, activation=activation, **settings)


def activated(product: Operation, activation: Activation, penalty: Regularizer | None) -> list[Operation]:
    """A product, and behind it its activation where it has one; penalty: of the outputs."""
    if isinstance(activation, Linear):
        return [product.replace(activity_regularizer=penalty)]
    return [product, activate(activation, product.outputs, product.map_out, activity_regularizer=penalty)]
