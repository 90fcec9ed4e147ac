"""Layers that do something in training only."""

from __future__ import annotations

from fastnn.checks import number
from fastnn.layers.base import Layer


class Dropout(Layer):
    """In training each number is set to 0 with probability ``rate``, the others divided by 1 - rate; else the identity.

    The draws are a function of the model's seed, the step, the row and the column: the same for any number of threads.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = number("Dropout: rate", rate, 0, below=1)


class GaussianNoise(Layer):
    """In training a normal number of standard deviation ``stddev`` is added to each number; else the identity."""

    def __init__(self, stddev: float, name: str | None = None) -> None:
        super().__init__(name)
        self.stddev = number("GaussianNoise: stddev", stddev, 0)
