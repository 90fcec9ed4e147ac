"""Activations as layers by Keras' names and arguments; the formulas are those of ``fastnn.activations``."""

from __future__ import annotations

from typing import Any

import numpy as np  # noqa: F401 - for the examples
from numpy.typing import ArrayLike

from fastnn import activations
from fastnn.activations import Activation, Array
from fastnn.basics.checks import number
from fastnn.catalogue import resolve
from fastnn.layers.axes import along, checked_axes, sample_axes
from fastnn.layers.base import Layer, Shape, check_called, map_of
from fastnn.operations import Operation, Rowwise, activate
from fastnn.regularizers import L1L2


class _Function(Layer):
    """Base of layers that are one activation: ``function`` makes it from the settings, and refuses bad ones."""

    def function(self) -> Activation:
        """What the layer applies."""
        raise NotImplementedError

    def __call__(self, x: ArrayLike, training: bool = False) -> Array:
        """f(x) for an array of any shape, outside of any model.

        >>> LeakyReLU(0.5)([-1.0, 2.0])
        array([-0.5,  2. ])
        """
        check_called(self, x)
        return self.function()(x)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [activate(self.function(), input_shape[-1], map_of(input_shape))]


def activation_of(given: Any) -> Activation:
    """What a layer's argument ``activation`` means: a name, an object, a function of one number, a layer, or None.

    >>> activation_of(LeakyReLU(0.1)), activation_of(None)
    (LeakyReLU(negative_slope=0.1), Linear())
    """
    given = given.function() if isinstance(given, _Function) else given
    if callable(given) and not isinstance(given, (type, Activation, Layer)):
        from fastnn import formulas

        given = formulas.activation(given)
    return resolve("activation", "linear" if given is None else given, Activation)


class ReLU(_Function):
    """a = z from threshold to max_value, max_value above, negative_slope (z - threshold) below; None is no limit.

    Source: Nair and Hinton, ICML 2010; see ``fastnn.activations.ClippedReLU``.

    >>> ReLU(max_value=6).function().forward(np.array([-1.0, 7.0]))
    array([0., 6.])
    """

    changeable = ("max_value", "negative_slope", "threshold")

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold
        self.function()

    def function(self) -> Activation:
        plain = self.max_value is None and not self.negative_slope and not self.threshold
        clipped = activations.ClippedReLU(self.negative_slope, self.max_value, self.threshold)
        return activations.ReLU() if plain else clipped


class LeakyReLU(_Function):
    """a = z where z >= 0, else negative_slope z; 0.3 as in Keras' layer, whose function has 0.2.

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.

    >>> LeakyReLU().function()
    LeakyReLU(negative_slope=0.3)
    """

    changeable = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.negative_slope = number("LeakyReLU: negative_slope", negative_slope, 0)

    def function(self) -> Activation:
        return activations.LeakyReLU(self.negative_slope)


class ELU(_Function):
    """a = z where z > 0, else alpha (exp(z) - 1). Source: Clevert, Unterthiner, Hochreiter, ICLR 2016.

    >>> ELU(0.5).function()
    ELU(alpha=0.5)
    """

    changeable = ("alpha",)

    def __init__(self, alpha: float = 1.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.alpha = number("ELU: alpha", alpha, 0)

    def function(self) -> Activation:
        return activations.ELU(self.alpha)


class Softmax(_Function):
    """a_k = exp(z_k) / sum_j exp(z_j) along an axis of (rows, *shape), or over several.

    Source: Bridle, 1990; see ``fastnn.activations.Softmax``.

    >>> Softmax(axis=1)([[[0.0, 0.0], [0.0, 0.0]]]).tolist()
    [[[0.5, 0.5], [0.5, 0.5]]]
    """

    def __init__(self, axis: int | list[int] = -1, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.axis = checked_axes("Softmax", axis)

    def shape_after(self, input_shape: Shape) -> Shape:
        sample_axes("Softmax", self.axis, input_shape)
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        axes = sample_axes("Softmax", self.axis, input_shape)
        return along(Rowwise, input_shape, axes, activation=self.function())

    def __call__(self, x: ArrayLike, training: bool = False) -> Array:
        """The same for an array of any shape, outside of any model."""
        if self.axis == -1:
            return super().__call__(x)
        check_called(self, x)
        return Layer.__call__(self, x)

    def function(self) -> Activation:
        return activations.Softmax()


class ActivityRegularization(Layer):
    """a = x; adds l1 sum |x| + l2 sum x^2, divided by the size of the batch, to the loss.

    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 7.10.

    >>> ActivityRegularization(l1=0.1).shape_after((3,))
    (3,)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        penalty = L1L2(l1, l2)
        self.l1, self.l2 = penalty.l1, penalty.l2

    def operations(self, input_shape: Shape) -> list[Operation]:
        penalty = L1L2(self.l1, self.l2)
        return [activate(activations.Linear(), input_shape[-1], map_of(input_shape), activity_regularizer=penalty)]
