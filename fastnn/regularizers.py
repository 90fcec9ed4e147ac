"""Penalties on weights or activations, added to the loss: l1 sum |w| + l2 sum w^2, on Keras' scale (no factor 1/2)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastnn.activations import Array
from fastnn.basics.arrays import real
from fastnn.basics.names import Names
from fastnn.basics.settings import Settings


class Regularizer(Settings):
    """Base of all penalties, and elastic net itself: l1 |w| + l2 w^2, summed.

    scikit-learn's alpha is a penalty alpha / 2 / n w^2; PyTorch's weight_decay one of half its value, for SGD.

    >>> L1L2(l1=0.5, l2=0.1)(np.array([1.0, -2.0]))
    2.0
    """

    name: ClassVar[str]
    cost: ClassVar[int] = 30  # of a number of an activity, as in ``Program.cost``
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("l1", "l2", least=0)

    def __call__(self, x: ArrayLike) -> float:
        """The penalty of an array, as Keras' objects are called."""
        return self.value(real(x, "x"))

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


class OrthogonalRegularizer(Regularizer, positional=("factor", "mode")):
    """Pulls rows (or mode="columns") to right angles: factor times the mean |cosine| of all pairs of them.

    For the reference engine only: the compiled one knows penalties that are sums over single weights. Penalties l1 and
    l2 may be added. As in Keras. Source: Bansal, Chen, Wang, "Can we gain more from orthogonality regularizations in
    training deep networks?", NeurIPS 2018.

    >>> round(OrthogonalRegularizer(factor=1.0)(np.array([[1.0, 0.0], [1.0, 1.0]])), 4)
    0.7071
    """

    name = "orthogonal"
    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("factor", least=0)
        if self.mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns', got {self.mode!r}")

    def _parts(self, w: Array) -> tuple[Array, Array, Array, float]:
        """Vectors of length 1, their lengths, their cosines without those with themselves, and the factor of a pair."""
        if w.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer needs a matrix, got an array of shape {w.shape}")
        v = w if self.mode == "rows" else w.T
        length = np.maximum(np.sqrt(np.square(v).sum(axis=1, keepdims=True)), 1e-12)
        u = v / length
        cosines = u @ u.T * (1 - np.eye(len(u), dtype=u.dtype))
        return u, length, cosines, self.factor / max(len(u) * (len(u) - 1) / 2, 1)

    def value(self, w: Array) -> float:
        _, _, cosines, scale = self._parts(w)
        return super().value(w) + scale * 0.5 * float(np.abs(cosines, dtype=np.float64).sum())

    def gradient(self, w: Array) -> Array:
        """Of u = v / |v| and the sum of |u_i u_j|: (g - u (u g)) / |v| with g = sum_j sign(u_i u_j) u_j."""
        u, length, cosines, scale = self._parts(w)
        g = w.dtype.type(scale) * (np.sign(cosines) @ u)
        slope = (g - u * (u * g).sum(axis=1, keepdims=True)) / length
        return super().gradient(w) + (slope if self.mode == "rows" else slope.T)


ENTRIES: tuple[type[Regularizer], ...] = (L1, L2, L1L2)  # of sums over single weights: those that are compiled
ALIASES = {
    "l1l2": "l1_l2",
    "elastic_net": "l1_l2",
    "orthogonal_regularizer": "orthogonal",
    "orthogonalregularizer": "orthogonal",
}
NAMES = Names("regularizer", Regularizer, (*ENTRIES, OrthogonalRegularizer), ALIASES)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize


def __getattr__(name: str) -> Any:
    """Keras' small names of the classes: ``regularizers.l2(0.01)``."""
    return NAMES.attribute(__name__, name)
