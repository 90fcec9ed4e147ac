"""Penalties on weights or activations, added to the loss: l1 sum |w| + l2 sum w^2, on Keras' scale (no factor 1/2)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from fastnn.activations import Array
from fastnn.basics.settings import Settings


class Regularizer(Settings):
    """Base of all penalties, and elastic net itself: l1 |w| + l2 w^2, summed.

    scikit-learn's alpha is a penalty alpha / 2 / n w^2; PyTorch's weight_decay one of half its value, for SGD.

    >>> L1L2(l1=0.5, l2=0.1).value(np.array([1.0, -2.0]))
    2.0
    """

    name: ClassVar[str]
    cost: ClassVar[int] = 30  # of a number of an activity, as in ``Program.cost``
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("l1", "l2", least=0)

    def value(self, w: Array) -> float:
        return self.l1 * float(np.abs(w).sum(dtype=np.float64)) + self.l2 * float(np.square(w, dtype=np.float64).sum())

    def gradient(self, w: Array) -> Array:
        """l1 sign(w) + 2 l2 w."""
        return w.dtype.type(self.l1) * np.sign(w) + w.dtype.type(2 * self.l2) * w


class L1(Regularizer, positional=("l1",)):
    """Lasso: penalty = l1 sum |w|; drives weights to exactly zero only where it meets the sign change.

    As in Keras; PyTorch and scikit-learn's MLP have none. Source: Tibshirani, "Regression shrinkage and selection via
    the lasso", JRSS B 58, 1996.
    """

    name = "l1"
    l1: float = 0.01


class L2(Regularizer, positional=("l2",)):
    """Ridge: penalty = l2 sum w^2. As in Keras; for PyTorch's and scikit-learn's scales see ``Regularizer``.

    Source: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970.
    """

    name = "l2"
    l2: float = 0.01


class L1L2(Regularizer):
    """Elastic net: penalty = l1 sum |w| + l2 sum w^2. The defaults are 0, as in Keras 3; "l1_l2" means 0.01 for both.

    Source: Zou and Hastie, "Regularization and variable selection via the elastic net", JRSS B 67, 2005.
    """

    name = "l1_l2"

    @classmethod
    def by_name(cls) -> L1L2:
        return cls(0.01, 0.01)


ENTRIES: tuple[type[Regularizer], ...] = (L1, L2, L1L2)
ALIASES = {"l1l2": "l1_l2", "elastic_net": "l1_l2"}
