"""Layers that do something in training only."""

from __future__ import annotations

from typing import Any

from fastnn import operations
from fastnn.basics.checks import number
from fastnn.layers.base import Layer, Shape, between
from fastnn.layers.maps import MapLayer


class Dropout(Layer):
    """y = 0 with probability ``rate``, otherwise x / (1 - rate), for each number in training; else the identity.

    The draws are a function of the model's seed, the step, the row and the column: the same for any number of threads.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    changeable = ("rate",)

    def __init__(self, rate: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.rate = number("Dropout: rate", rate, 0, below=1)

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        return [between(operations.Dropout, input_shape, input_shape, rate=self.rate)] if self.rate else []


class GaussianNoise(Layer):
    """y = x + stddev n in training, with a standard normal number n for each element; else the identity.

    The draws are those of ``Dropout``. As in Keras; PyTorch has none. Sources: Sietsma and Dow, "Creating artificial
    neural networks that generalize", Neural Networks 4, 1991; Bishop, "Training with noise is equivalent to Tikhonov
    regularization", Neural Computation 7, 1995.
    """

    changeable = ("stddev",)

    def __init__(self, stddev: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.stddev = number("GaussianNoise: stddev", stddev, 0)

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        return [between(operations.Noise, input_shape, input_shape, stddev=self.stddev)] if self.stddev else []


class SpatialDropout2D(MapLayer):
    """y = 0 in a whole channel of a sample's map with probability ``rate``, otherwise x / (1 - rate), in training.

    Neighbouring pixels say much the same, so that ``Dropout`` would leave what it takes away to be seen beside it. The
    draws are those of ``Dropout``, one for each sample and channel. Source: Tompson et al., "Efficient object
    localization using convolutional networks", CVPR 2015.
    """

    changeable = ("rate",)

    def __init__(self, rate: float, data_format: str | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.rate = number(f"{type(self).__name__}: rate", rate, 0, below=1)
        self.data_format = self._channels_last(data_format)

    def shape_after(self, input_shape: Shape) -> Shape:
        self._map(input_shape)
        return input_shape

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        return (
            [between(operations.Dropout, input_shape, input_shape, rate=self.rate, spatial=True)] if self.rate else []
        )


class SpatialDropout1D(SpatialDropout2D):
    """The same for signals (steps, channels): whole channels of a sample."""

    axes = 1

    def __init__(self, rate: float, **arguments: Any) -> None:
        super().__init__(rate, **arguments)
