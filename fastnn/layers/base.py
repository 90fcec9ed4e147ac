"""What all layers have in common: plain descriptions, without numbers."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.checks import whole
from fastnn.operations import Operation

Shape = tuple[int, ...]


class Layer:
    """A layer describes what a network is made of; the weights live in the model.

    ``name`` is given by the model where it is None: the kind of the layer and a number.
    """

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample behind the layer, from that before it."""
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        """What the layer does to samples of a shape, in order; nothing where it only names or reshapes."""
        raise TypeError(f"{self!r} does not say what it does: {type(self).__name__} needs a method operations")

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """Starting values of the layer's weights, in the order of ``Sequential.get_weights``."""
        return []

    def count_params(self, input_shape: Shape) -> int:
        """Number of weights, biases included."""
        return 0

    def count_frozen(self, input_shape: Shape) -> int:
        """How many of them are not trained."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items() if value is not None)
        return f"{type(self).__name__}({shown})"


class Input(Layer):
    """The shape of one sample: ``Input(784)``, ``Input((28, 28))`` or ``Input(shape=(28, 28))``."""

    def __init__(self, shape: int | Shape, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.shape: Shape = tuple(whole("Input: each size of shape", n, 1) for n in _as_tuple(shape))

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []


class Flatten(Layer):
    """Turns samples of any shape into rows of numbers, the last axis running fastest."""

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []


def _as_tuple(shape: Any) -> tuple[Any, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
