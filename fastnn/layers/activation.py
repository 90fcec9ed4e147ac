"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

from fastnn import activations
from fastnn.layers.base import Layer, Shape, map_of
from fastnn.layers.functions import activation_of
from fastnn.operations import Operation, activate


class Activation(Layer):
    """a = f(x) for a name or object of ``fastnn.activations``; behind a linear Dense it costs nothing extra.

    >>> Activation("relu")
    Activation(activation=ReLU())
    """

    changeable = ("activation",)

    def __init__(
        self, activation: str | activations.Activation | type[activations.Activation] | Layer | None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.activation: activations.Activation = activation_of(activation)

    def operations(self, input_shape: Shape) -> list[Operation]:
        if type(self.activation) is activations.Linear:
            return []
        return [activate(self.activation, input_shape[-1], map_of(input_shape))]
