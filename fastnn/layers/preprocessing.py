"""Layers that bring data to a good scale, with numbers that training leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import operations
from fastnn.basics.arrays import real
from fastnn.layers.base import Layer, Shape, between


class _Scaling(Layer):
    """Base of y = scale (x - mean) / sqrt(variance + epsilon) + offset, a normalization whose weights are all fixed."""

    weight_names = ("scale", "offset", "mean", "variance")
    _epsilon = 1e-30

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        settings = {"bias": True, "epsilon": self._epsilon, "trainable": False}
        return [between(operations.BatchNormalization, input_shape, input_shape, **settings)]

    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(factor, shift) for each column, in float64: y = factor x + shift, for libraries that say it so."""
        scale, offset, mean, variance = (one.astype(np.float64) for one in self.get_weights())
        factor = scale / np.sqrt(variance + self._epsilon)
        return factor, offset - mean * factor


class Rescaling(_Scaling):
    """y = scale x + offset. scale, offset: numbers, or one for each column (of maps: channel).

    It keeps them as weights that are not trained; in Keras it has none. Source: LeCun, Bottou, Orr, Mueller, "Efficient
    backprop", 1998, section 4.3.

    >>> Rescaling(1 / 255, offset=-0.5)
    Rescaling(scale=0.00392156862745098, offset=-0.5)
    """

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.scale, self.offset = _numbers("Rescaling: scale", scale), _numbers("Rescaling: offset", offset)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        n = input_shape[-1]
        return [_full("scale", self.scale, n), _full("offset", self.offset, n), np.zeros(n), np.ones(n)]


class Normalization(_Scaling):
    """y = (x - mean) / sqrt(variance) for each column (of maps: channel), by given numbers or those of ``adapt``.

    axis: -1, the last, or None: one mean and variance of all numbers. Variances are taken as 1e-14 at least, Keras'
    bound. Until it is adapted mean is 0 and variance 1. Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop",
    1998, section 4.3.

    >>> layer = Normalization()
    >>> layer.adapt([[1.0, 10.0], [3.0, 30.0]])
    >>> layer.mean, layer.variance
    ([2.0, 20.0], [1.0, 100.0])
    """

    _epsilon = 1e-14

    def __init__(
        self, axis: int = -1, mean: ArrayLike | None = None, variance: ArrayLike | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        if axis not in (-1, None):
            raise ValueError(f"Normalization: axis must be -1, the last one, or None, got {axis!r}")
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: give both mean and variance, or neither and call adapt")
        self.axis = axis
        self.mean = None if mean is None else _numbers("Normalization: mean", mean)
        self.variance = None if variance is None else _numbers("Normalization: variance", variance)
        if self.variance is not None and np.min(self.variance) < 0:
            raise ValueError(f"Normalization: variance must be 0 or more, got {variance!r}")

    def adapt(self, data: ArrayLike) -> None:
        """Takes mean and variance of the data (rows, ..., columns), see ``axis``; in a model too, before or after."""
        x = real(data, "data")
        x = (x[:, None] if x.ndim == 1 else x).astype(np.float64)
        if not x.size or not np.isfinite(x).all():
            raise ValueError(f"Normalization: data must hold finite numbers and one row at least, got shape {x.shape}")
        rows = x.reshape(-1, 1 if self.axis is None else x.shape[-1])
        mean, variance = rows.mean(axis=0), rows.var(axis=0)
        weights = self.get_weights()
        if weights:
            n, kind = len(weights[0]), weights[0].dtype
            new = _full("mean", mean, n), _full("variance", variance, n)
            self.set_weights([*weights[:2], *(one.astype(kind) for one in new)])
        vars(self).update(mean=mean.tolist(), variance=variance.tolist())

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        n = input_shape[-1]
        mean = _full("mean", 0.0 if self.mean is None else self.mean, n)
        return [np.ones(n), np.zeros(n), mean, _full("variance", 1.0 if self.variance is None else self.variance, n)]


def _numbers(name: str, given: ArrayLike) -> Any:
    """A number, or a list of them; finite."""
    values = real(given, name).astype(np.float64)
    if values.ndim > 1:
        values = values.reshape(-1)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {given!r}")
    return values.tolist()


def _full(name: str, given: Any, n: int) -> NDArray[np.float64]:
    if np.size(given) not in (1, n):
        raise ValueError(f"{name} has {np.size(given)} numbers, but the data have {n} columns; give one, or {n}")
    return np.broadcast_to(np.asarray(given, dtype=np.float64), (n,)).copy()
