"""Layers that do something in training only."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from fastnn import operations
from fastnn.basics.checks import number, whole
from fastnn.basics.seeds import SeedGenerator, check_seed
from fastnn.layers.axes import along
from fastnn.layers.base import Layer, Shape, between
from fastnn.layers.maps import MapLayer
from fastnn.operations import Operation

SEEDS = 1 << 63  # as many as the core knows


class _Random(Layer):
    """Base of layers that draw random numbers in training.

    seed: of draws of the layer's own, which are the same in every model and for every ``rng``; a ``SeedGenerator``
    gives its next seed. None takes the model's.
    """

    def __init__(self, seed: int | SeedGenerator | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        check_seed(type(self).__name__, seed)
        self.seed = seed.next() if isinstance(seed, SeedGenerator) else seed

    @property
    def _seed(self) -> int:
        """As operations know it."""
        return -1 if self.seed is None else int(self.seed) % SEEDS


class _Dropout(_Random):
    """What may share its draws along axes."""

    changeable = ("rate",)
    saturate = False

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | SeedGenerator | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(seed, **arguments)
        name = type(self).__name__
        self.rate = number(f"{name}: rate", rate, 0, below=1)
        self.noise_shape = _checked_noise_shape(name, noise_shape)

    def _shared(self, shape: Shape) -> tuple[bool, list[int]]:
        """Whether all samples of a batch share their draws, and the axes of a sample that do not."""
        if self.noise_shape is None:
            return False, list(range(len(shape)))
        rows, *sizes = self.noise_shape or (None,)
        if len(sizes) != len(shape) or any(one not in (None, 1, n) for one, n in zip(sizes, shape, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: noise_shape must be (rows, ...) with None, 1 or the size of each axis of"
                f" samples of shape {shape}, got {self.noise_shape}"
            )
        return rows == 1, [axis for axis, n in enumerate(shape) if sizes[axis] in (None, n)]

    def shape_after(self, input_shape: Shape) -> Shape:
        self._shared(input_shape)
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        batchwise, own = self._shared(input_shape)
        settings = {"rate": self.rate, "saturate": self.saturate, "seed": self._seed}
        if not self.rate:
            return []
        if not batchwise and len(own) == len(input_shape):
            return [between(operations.Dropout, input_shape, input_shape, **settings)]
        return along(operations.Dropout, input_shape, own, spatial=True, batchwise=batchwise, **settings)


def _checked_noise_shape(name: str, given: Any) -> tuple[int | None, ...] | None:
    if given is None:
        return None
    if not isinstance(given, (tuple, list)):
        raise TypeError(f"{name}: noise_shape must be a tuple such as (None, 1, 8), got {given!r}")
    return tuple(None if one is None else whole(f"{name}: each of noise_shape", one, 1) for one in given)


class Dropout(_Dropout):
    """y = 0 with probability ``rate``, otherwise x / (1 - rate), for each number in training; else the identity.

    The draws are a function of the model's seed, the step, the row and the column: the same for any number of threads.
    noise_shape: (rows, *shape) of the draws; where it has 1, all numbers along that axis share theirs, None means the
    axis' own size. seed: of draws of the layer's own.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.

    >>> set(Dropout(0.5)([[1.0] * 99], training=True)[0].tolist()) == {0.0, 2.0}
    True
    """


class AlphaDropout(_Dropout):
    """y = s x + t, or s SATURATION + t with probability ``rate``, in training; else the identity. For ``selu``.

    SATURATION = -1.7581 is what SELU makes of very negative numbers; s and t keep mean 0 and variance 1 as they are:
    s = ((1 - rate) (1 + rate SATURATION^2))^(-1/2), t = -s SATURATION rate. The arguments are those of ``Dropout``.
    Source: Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    >>> AlphaDropout(0.1)([[1.0, -2.0]]).tolist()  # outside of training
    [[1.0, -2.0]]
    """

    saturate = True


class GaussianNoise(_Random):
    """y = x + stddev n in training, with a standard normal number n for each element; else the identity.

    The draws are those of ``Dropout``. As in Keras; PyTorch has none. Sources: Sietsma and Dow, "Creating artificial
    neural networks that generalize", Neural Networks 4, 1991; Bishop, "Training with noise is equivalent to Tikhonov
    regularization", Neural Computation 7, 1995.

    >>> GaussianNoise(0.1)([[1.0, -2.0]]).tolist()  # outside of training
    [[1.0, -2.0]]
    """

    changeable = ("stddev",)

    def __init__(self, stddev: float, seed: int | SeedGenerator | None = None, **arguments: Any) -> None:
        super().__init__(seed, **arguments)
        self.stddev = number("GaussianNoise: stddev", stddev, 0)

    def operations(self, input_shape: Shape) -> list[Operation]:
        settings = {"stddev": self.stddev, "seed": self._seed}
        return [between(operations.Noise, input_shape, input_shape, **settings)] if self.stddev else []


class GaussianDropout(_Random):
    """y = x (1 + s n) in training, with a standard normal number n for each element and s^2 = rate / (1 - rate).

    Mean and variance of the factors are those of ``Dropout``, whose draws these are. Source: Srivastava et al.,
    "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014, section 10.

    >>> round(float(GaussianDropout(0.5)([[1.0] * 9999], training=True).std()), 1)
    1.0
    """

    changeable = ("rate",)

    def __init__(self, rate: float, seed: int | SeedGenerator | None = None, **arguments: Any) -> None:
        super().__init__(seed, **arguments)
        self.rate = number("GaussianDropout: rate", rate, 0, below=1)

    def operations(self, input_shape: Shape) -> list[Operation]:
        settings = {"stddev": sqrt(self.rate / (1 - self.rate)), "seed": self._seed}
        return [between(operations.NoisyFactors, input_shape, input_shape, **settings)] if self.rate else []


class SpatialDropout2D(MapLayer, _Random):
    """y = 0 in a whole channel of a sample's map with probability ``rate``, otherwise x / (1 - rate), in training.

    Neighbouring pixels say much the same, so that ``Dropout`` would leave what it takes away to be seen beside it. The
    draws are those of ``Dropout``, one for each sample and channel. Source: Tompson et al., "Efficient object
    localization using convolutional networks", CVPR 2015.

    >>> SpatialDropout2D(0.5)([[[[1.0]] * 8] * 8], training=True).std().tolist()  # one channel
    0.0
    """

    changeable = ("rate",)

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | SeedGenerator | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(seed, **arguments)
        self.rate = number(f"{type(self).__name__}: rate", rate, 0, below=1)
        self.data_format = self._channels_last(data_format)

    def shape_after(self, input_shape: Shape) -> Shape:
        self._map(input_shape)
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        settings = {"rate": self.rate, "spatial": True, "seed": self._seed}
        return [between(operations.Dropout, input_shape, input_shape, **settings)] if self.rate else []


class SpatialDropout1D(SpatialDropout2D):
    """The same for signals (steps, channels): whole channels of a sample.

    >>> SpatialDropout1D(0.1).shape_after((100, 8))
    (100, 8)
    """

    axes = 1

    def __init__(self, rate: float, seed: int | SeedGenerator | None = None, **arguments: Any) -> None:
        super().__init__(rate, seed=seed, **arguments)
