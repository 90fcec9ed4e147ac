"""The fully connected layer."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.activations import Activation
from fastnn.basics.checks import whole
from fastnn.catalogue import resolve
from fastnn.constraints import Constraint
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.base import Layer, Shape, between
from fastnn.layers.functions import activation_of
from fastnn.regularizers import Regularizer

T = TypeVar("T")


class Dense(Layer):
    """a = f(x W + b), with W of shape (inputs, units) and b of shape (units,); of maps along the last axis.

    activation: a name or object of ``fastnn.activations``, None for linear. kernel_initializer, bias_initializer:
    names or objects of ``fastnn.initializers``, an array, or a callable of (shape, rng); the defaults are Keras'
    ones. kernel_regularizer, bias_regularizer, activity_regularizer: of ``fastnn.regularizers``; the activity's
    penalty is divided by the size of the batch. kernel_constraint, bias_constraint: of ``fastnn.constraints``.

    >>> Dense(3, activation="relu").shape_after((4,))
    (3,)
    """

    changeable = ("activation", "activity_regularizer")
    weight_names = ("kernel", "bias")

    def __init__(
        self,
        units: int,
        activation: str | Activation | type[Activation] | Layer | None = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        activity_regularizer: str | Regularizer | None = None,
        kernel_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.units = whole("Dense: units", units, 1)
        self.activation: Activation = activation_of(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer: Initializer = initializer_of(kernel_initializer)
        self.bias_initializer: Initializer = initializer_of(bias_initializer)
        self.kernel_regularizer = optional("regularizer", kernel_regularizer, Regularizer)
        self.bias_regularizer = optional("regularizer", bias_regularizer, Regularizer)
        self.activity_regularizer = optional("regularizer", activity_regularizer, Regularizer)
        self.kernel_constraint = optional("constraint", kernel_constraint, Constraint)
        self.bias_constraint = optional("constraint", bias_constraint, Constraint)

    def shape_after(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        product = between(
            operations.Dense,
            input_shape,
            self.shape_after(input_shape),
            bias=self.use_bias,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint if self.use_bias else None,
        )
        return operations.activated(product, self.activation, self.activity_regularizer)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        weights = [self.kernel_initializer((input_shape[-1], self.units), rng)]
        return [*weights, self.bias_initializer((self.units,), rng)] if self.use_bias else weights


def optional(kind: str, given: Any, base: type[T]) -> T | None:
    """A regularizer, constraint or other thing of a catalogue by its name, or as an object; None stays None."""
    return None if given is None else resolve(kind, given, base)


def initializer_of(given: object) -> Initializer:
    """An initializer: by its name, an object, an array or a function."""
    return resolve("initializer", as_initializer(given), Initializer)
