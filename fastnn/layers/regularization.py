"""Layers that do something in training only."""

from __future__ import annotations

from math import prod

from fastnn import operations
from fastnn.basics.checks import number
from fastnn.layers.base import Layer, Shape


class Dropout(Layer):
    """y = 0 with probability ``rate``, otherwise x / (1 - rate), for each number in training; else the identity.

    The draws are a function of the model's seed, the step, the row and the column: the same for any number of threads.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    changeable = ("rate",)

    def __init__(self, rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.rate = number("Dropout: rate", rate, 0, below=1)

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        n = prod(input_shape)
        return [operations.Dropout(n, n, rate=self.rate)] if self.rate else []


class GaussianNoise(Layer):
    """y = x + stddev n in training, with a standard normal number n for each element; else the identity.

    The draws are those of ``Dropout``. As in Keras; PyTorch has none. Sources: Sietsma and Dow, "Creating artificial
    neural networks that generalize", Neural Networks 4, 1991; Bishop, "Training with noise is equivalent to Tikhonov
    regularization", Neural Computation 7, 1995.
    """

    changeable = ("stddev",)

    def __init__(self, stddev: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.stddev = number("GaussianNoise: stddev", stddev, 0)

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        n = prod(input_shape)
        return [operations.Noise(n, n, stddev=self.stddev)] if self.stddev else []
