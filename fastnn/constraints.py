"""Sets that a kernel W (inputs, outputs) or a bias must lie in; it is put back after each step.

A constraint can be called with an array and returns another one that lies in the set: ``constraints.NonNeg()(w)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.activations import Array
from fastnn.basics.arrays import real
from fastnn.basics.names import Names
from fastnn.basics.settings import Settings


def norm(values: Array, axis: int | tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """sqrt(sum v^2) over all values or along an axis, in float64 and scaled by the largest: no square overflows.

    >>> norm(np.array([[3e200, 0.0], [4e200, 0.0]]), axis=0)
    array([5.e+200, 0.e+000])
    """
    v = np.abs(values, dtype=np.float64)
    most = v.max(axis, initial=0, keepdims=True)
    with np.errstate(invalid="ignore"):
        total = np.square(v / np.where((most > 0) & (most < np.inf), most, 1)).sum(axis, keepdims=True)
    return np.squeeze(np.where(most < np.inf, most * np.sqrt(total), most), axis)  # most is NaN where a value is


class Constraint(Settings):
    """Base of all constraints; ``kernel`` is the engine's number (kernels/network.pxi)."""

    name: ClassVar[str]
    kernel: ClassVar[int]

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Least and greatest norm, and the share of the way that a step takes towards them."""
        return (0.0, np.inf, 1.0)

    def along(self, ndim: int, inner: tuple[int, ...] | None = None) -> int:
        """Which norms are meant, of weights with so many axes: 0 of each output's, 1 of each line's, 2 of all.

        inner: the axes of what leads into one output, by default all but the last.
        """
        return 0

    def __call__(self, w: ArrayLike) -> Array:
        """A copy of w that lies in the set.

        >>> NonNeg()([-1.0, 2.0])
        array([0., 2.])
        """
        array = real(w, "w")
        out = array.copy() if array.dtype.kind == "f" else array.astype(np.float32)
        self.apply(out)
        return out

    def apply(self, W: Array) -> None:
        """Puts W back into the set, in place: the weights as ``get_weights`` shows them."""
        raise NotImplementedError


class NonNeg(Constraint):
    """All weights 0 or more: W <- max(W, 0). As in Keras.

    Source: Chorowski and Zurada, "Learning understandable neural networks with nonnegative weight constraints", IEEE
    Transactions on Neural Networks and Learning Systems 26, 2015.
    """

    name = "non_neg"
    kernel = 1

    def apply(self, W: Array) -> None:
        W[W < 0] = 0


class _Norm(Constraint):
    """Base of limits for norms: w <- w (rate clip(|w|, least, most) + (1 - rate) |w|) / |w|; zeros stay zeros.

    axis: the axis, or a list of them, along which the norm is taken; None, the default, means the weights into each
    output, all axes but the last of most layers, and all of a bias. Keras' default is 0, the same for Dense, but of a
    convolution only the rows of a window. Keras adds 1e-7 to the norm that divides.
    """

    kernel = 2
    axis: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        if self.axis is None:
            return
        axes = self.axis if isinstance(self.axis, (tuple, list)) else (self.axis,)
        if not axes or not all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in axes):
            raise TypeError(f"{type(self).__name__}: axis must be a whole number or a list of them, got {self.axis!r}")
        if isinstance(self.axis, list):
            object.__setattr__(self, "axis", tuple(self.axis))

    def _axes(self, ndim: int) -> tuple[int, ...]:
        if self.axis is None:
            return tuple(range(max(ndim - 1, 1)))
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if any(not -ndim <= one < ndim for one in axes):
            raise ValueError(f"{type(self).__name__}: axis {self.axis!r} is none of an array with {ndim} axes")
        return tuple(sorted({one % ndim for one in axes}))

    def along(self, ndim: int, inner: tuple[int, ...] | None = None) -> int:
        inner = tuple(range(ndim - 1)) if inner is None else inner
        axes = inner if self.axis is None else self._axes(ndim)
        if len(axes) == ndim:
            return 2
        if axes == inner:
            return 0
        if axes == tuple(one for one in range(ndim) if one not in inner):
            return 1
        raise ValueError(
            f"{type(self).__name__}: norms along the axes {axes} of weights with {ndim} axes are not compiled; use all"
            ' but the last, the last, or all, or engine="reference"'
        )

    def apply(self, W: Array) -> None:
        least, most, rate = self.bounds
        length = np.expand_dims(norm(W, self._axes(W.ndim)), self._axes(W.ndim))
        wanted = rate * np.clip(length, least, most) + (1 - rate) * length
        W[...] = W * np.where((wanted < length) | (wanted > length), wanted / np.where(length > 0, length, 1), 1)


class MaxNorm(_Norm, positional=("max_value", "axis")):
    """The weights into each output have norm at most max_value: W_j <- W_j min(1, max_value / |W_j|) for each column.

    As in Keras; axis: see ``_Norm``. Source: Srivastava et al., "Dropout", JMLR 2014, section 5.1.

    >>> MaxNorm(5)(np.array([[3.0, 6.0], [4.0, 8.0]]))
    array([[3., 3.],
           [4., 4.]])
    """

    name = "max_norm"
    max_value: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("max_value", above=0)

    @property
    def bounds(self) -> tuple[float, float, float]:
        return (0.0, self.max_value, 1.0)


class UnitNorm(_Norm, positional=("axis",)):
    """The weights into each output have norm 1: W_j <- W_j / |W_j| for each column. As in Keras; axis: see ``_Norm``.

    Source: Salimans and Kingma, "Weight normalization", NeurIPS 2016, section 2, with g = 1.

    >>> UnitNorm()(np.array([[3.0, 0.0], [4.0, 2.0]]))
    array([[0.6, 0. ],
           [0.8, 1. ]])
    """

    name = "unit_norm"

    @property
    def bounds(self) -> tuple[float, float, float]:
        return (1.0, 1.0, 1.0)


class MinMaxNorm(_Norm, positional=("min_value", "max_value", "rate", "axis")):
    """Norms from min_value to max_value: W_j <- W_j (rate clip(|W_j|, min, max) + (1 - rate) |W_j|) / |W_j|.

    rate: 1 puts them there at once, less goes so much of the way in each step. As in Keras; axis: see ``_Norm``.
    Source: Srivastava et al., "Dropout", JMLR 2014, section 5.1, for the upper bound.

    >>> MinMaxNorm(1.0, 5.0)(np.array([[6.0, 0.0], [8.0, 0.5]]))
    array([[3., 0.],
           [4., 1.]])
    """

    name = "min_max_norm"
    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("min_value", least=0)
        self._numbers("max_value", above=0)
        self._numbers("rate", least=0, most=1)
        if self.min_value > self.max_value:
            raise ValueError(
                f"MinMaxNorm: min_value must not exceed max_value, got {self.min_value} and {self.max_value}"
            )

    @property
    def bounds(self) -> tuple[float, float, float]:
        return (self.min_value, self.max_value, self.rate)


ENTRIES: tuple[type[Constraint], ...] = (NonNeg, MaxNorm, UnitNorm, MinMaxNorm)
ALIASES = {
    "nonneg": "non_neg",
    "maxnorm": "max_norm",
    "unitnorm": "unit_norm",
    "minmaxnorm": "min_max_norm",
}
NAMES = Names("constraint", Constraint, ENTRIES, ALIASES)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize


def __getattr__(name: str) -> Any:
    """Keras' small names of the classes: ``constraints.max_norm(2)``."""
    return NAMES.attribute(__name__, name)
