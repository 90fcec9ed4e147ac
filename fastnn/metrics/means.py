"""The means of losses as metrics: over everything that they have seen, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from fastnn import losses
from fastnn.metrics.base import Averaged, refuse_labels

if TYPE_CHECKING:
    from fastnn.losses import Loss


class _OfLoss(Averaged):
    """Base of metrics that are the mean of a loss of ``fastnn.losses``, with its settings."""

    kind: ClassVar[type[Loss]]
    higher_is_better: ClassVar[bool] = False  # what callbacks ask

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        refuse_labels(self, loss, outputs)

    def suits_maps(self, channels: int) -> bool:
        return self.kind.elementwise

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        settings = {
            name: getattr(self, name)
            for name in self.kind._fields
            if name in self._fields and name not in ("name", "dtype")
        }
        return self.kind(**settings).call(y.reshape(self._shape(y, outputs)), outputs.astype(np.float64))

    def _shape(self, y: NDArray, outputs: NDArray) -> tuple[int, ...]:
        if y.size != outputs.size:
            raise ValueError(
                f"metric {self.name!r} needs a target for each output: y is {y.shape}, the outputs {outputs.shape}"
            )
        return outputs.shape


class _Crossentropy(_OfLoss):
    """Base of the crossentropies. Behind a loss with from_logits=True they see the probabilities of the logits."""

    from_logits: bool = False
    label_smoothing: float = 0.0
    _logits = cast("Loss | None", None)  # the loss that knows the probabilities of logits; no annotation, no setting

    def prepare(self, loss: Loss, outputs: int) -> None:
        Averaged.prepare(self, loss, outputs)
        self._logits = loss.of_logits() if loss.from_logits and not self.from_logits else None

    def seen(self, outputs: NDArray) -> NDArray:
        return outputs if self._logits is None else self._logits.activate(outputs)


class MeanAbsolutePercentageError(_OfLoss):
    """100 times the mean of |output - y| / max(|y|, 1e-7).

    Source: Hyndman and Koehler, International Journal of Forecasting 22, 2006.

    >>> MeanAbsolutePercentageError()([[1.0, 4.0]], [[1.5, 3.0]])
    37.5
    """

    name = "mean_absolute_percentage_error"
    kind = losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(_OfLoss):
    """Mean of e^2 with e = log(1 + output) - log(1 + y).

    Source: Hyndman and Koehler, International Journal of Forecasting 22, 2006.
    """

    name = "mean_squared_logarithmic_error"
    kind = losses.MeanSquaredLogarithmicError


class Poisson(_OfLoss):
    """Mean of output - y log(output + 1e-7).

    Source: McCullagh and Nelder, "Generalized linear models", 2nd edition, 1989.

    >>> Poisson()([[0.0]], [[2.0]])
    2.0
    """

    name = "poisson"
    kind = losses.Poisson


class LogCoshError(_OfLoss):
    """Mean of log cosh(output - y).

    Source: Saleh and Saleh, 2022, as the loss.

    >>> LogCoshError()([[1.0]], [[1.0]])
    0.0
    """

    name = "logcosh"
    kind = losses.LogCosh


class Hinge(_OfLoss):
    """Mean of max(1 - y output, 0), 0 counting as -1.

    Source: Cortes and Vapnik, Machine Learning 20, 1995.

    >>> Hinge()([[1.0]], [[0.5]])
    0.5
    """

    name = "hinge"
    kind = losses.Hinge


class SquaredHinge(_OfLoss):
    """Mean of max(1 - y output, 0)^2, 0 counting as -1.

    Source: Tang, 2013, as the loss.

    >>> SquaredHinge()([[1.0]], [[0.5]])
    0.25
    """

    name = "squared_hinge"
    kind = losses.SquaredHinge


class CategoricalHinge(_OfLoss):
    """Mean of max(n - p + 1, 0), p the output of the true class, n the largest other one.

    Source: Crammer and Singer, JMLR 2, 2001.

    >>> CategoricalHinge()([[1.0, 0.0]], [[0.5, 0.25]])
    0.75
    """

    name = "categorical_hinge"
    kind = losses.CategoricalHinge


class KLDivergence(_OfLoss):
    """Mean of sum_k y_k log(y_k / output_k), both cut to [1e-7, 1].

    Source: Kullback and Leibler, 1951.

    >>> KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]])
    0.0
    """

    name = "kl_divergence"
    kind = losses.KLDivergence


class CosineSimilarity(_OfLoss):
    """Mean of sum_k u_k v_k with u = output / |output| and v = y / |y|: 1 for the same direction; minus the loss.

    Source: Salton, Wong, Yang, Communications of the ACM 18, 1975.

    >>> CosineSimilarity()([[0.0, 2.0]], [[3.0, 4.0]])
    0.8
    """

    name = "cosine_similarity"
    kind = losses.CosineSimilarity
    higher_is_better: ClassVar[bool] = True

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        return -super().values(y, outputs, classes)


class BinaryCrossentropy(_Crossentropy, positional=("name",)):
    """Mean of -(y log p + (1 - y) log(1 - p)), p cut to [1e-7, 1 - 1e-7], or of logits with from_logits=True.

    Source: Good, "Rational decisions", JRSS B 14, 1952.

    >>> round(BinaryCrossentropy()([[1.0]], [[0.5]]), 4)
    0.6931
    """

    name = "binary_crossentropy"
    kind = losses.BinaryCrossentropy

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        refuse_labels(self, loss, outputs)


class CategoricalCrossentropy(_Crossentropy, positional=("name",)):
    """Mean of -sum_k y_k log p_k, p = output / sum of the outputs, for one-hot rows or labels y. Source: Good, 1952.

    >>> round(CategoricalCrossentropy()([[1.0, 0.0]], [[0.2, 0.6]]), 4)
    1.3863
    """

    name = "categorical_crossentropy"
    kind = losses.CategoricalCrossentropy

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        if y.size == len(outputs) != outputs.size:
            y = np.eye(outputs.shape[1])[y.reshape(-1).astype(np.intp)]
        return super().values(y, outputs, classes)


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """``CategoricalCrossentropy`` under the name that Keras has for integer labels. Source: Good, 1952.

    >>> round(SparseCategoricalCrossentropy()([0], [[0.2, 0.6]]), 4)
    1.3863
    """

    name = "sparse_categorical_crossentropy"
