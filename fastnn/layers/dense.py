"""The fully connected layer."""

from fastnn.activations import Activation
from fastnn.catalogue import resolve
from fastnn.initializers import Initializer
from fastnn.layers.base import Layer, Shape, _positive


class Dense(Layer):
    """a = f(x W + b), with W of shape (inputs, units) and b of shape (units,).

    activation: a name or object of ``fastnn.activations``, None for linear. kernel_initializer, bias_initializer: names or
    objects of ``fastnn.initializers``; the defaults are Keras' ones.

    >>> Dense(3, activation="relu").output_shape((4,))
    (3,)
    """

    def __init__(
        self,
        units: int,
        activation: str | Activation | type[Activation] | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer | type[Initializer] = "glorot_uniform",
        bias_initializer: str | Initializer | type[Initializer] = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = _positive("Dense", "units", units)
        self.activation: Activation = resolve("activation", activation or "linear", Activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer: Initializer = resolve("initializer", kernel_initializer, Initializer)
        self.bias_initializer: Initializer = resolve("initializer", bias_initializer, Initializer)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(f"Dense takes rows of numbers, got samples of shape {input_shape}; put Flatten() before it")
        return (self.units,)

    def count_params(self, input_shape: Shape) -> int:
        return (input_shape[0] + self.use_bias) * self.units
