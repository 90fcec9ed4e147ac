"""Sets that a kernel W (inputs, outputs) must lie in; it is put back after each step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.basics.settings import Settings


def norm(values: Array, axis: int | None = None) -> NDArray[np.float64]:
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
    def limit(self) -> float:
        return 0.0

    def apply(self, W: Array) -> None:
        """Puts W back into the set, in place."""
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


class MaxNorm(Constraint):
    """The weights into each output have norm at most max_value: W_j <- W_j min(1, max_value / |W_j|) for each column.

    As in Keras. Source: Srivastava et al., "Dropout", JMLR 2014, section 5.1.
    """

    name = "max_norm"
    kernel = 2
    max_value: float = 2.0

    def __post_init__(self) -> None:
        self._numbers("max_value", above=0)

    @property
    def limit(self) -> float:
        return self.max_value

    def apply(self, W: Array) -> None:
        length = norm(W, axis=0)
        W[:] = W * np.where(length > self.max_value, self.max_value / np.where(length > 0, length, 1), 1)


ENTRIES: tuple[type[Constraint], ...] = (NonNeg, MaxNorm)
ALIASES = {"nonneg": "non_neg", "maxnorm": "max_norm"}
