"""Sets that a kernel W (inputs, outputs) must lie in; it is put back after each step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from fastnn.activations import Array
from fastnn.basics.settings import Settings


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
        norm = np.sqrt((W * W).sum(axis=0))
        limit = W.dtype.type(self.max_value)
        W *= np.where(norm > limit, limit / np.where(norm > 0, norm, 1), W.dtype.type(1))


ENTRIES: tuple[type[Constraint], ...] = (NonNeg, MaxNorm)
ALIASES = {"nonneg": "non_neg", "maxnorm": "max_norm"}
