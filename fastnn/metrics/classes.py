"""Metrics of classes: shares of right answers, log loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.checks import whole
from fastnn.metrics.base import Averaged, Metric, add_numbers, like

if TYPE_CHECKING:
    from fastnn.losses import Loss

SHOWN = 20  # numbers of a row in a message
REGRESSION = "for numbers use a metric of regression, such as 'mae' or 'r2'"


class Decided(Metric):
    """Base of metrics that need to know how outputs become answers: one class of a row, or yes or no for each output.

    Each output is an answer of its own behind the binary and the hinge losses, and where there is only one. Behind a
    loss with from_logits=True the answers are the probabilities that belong to the logits; Keras compares the logits
    themselves with 0.5.
    """

    _binary = False
    _signs = False
    _prepared = False  # whether a model has said what its outputs mean
    _logits = cast("Loss | None", None)  # the loss that knows the probabilities of logits; no annotation, no setting

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        self._prepared = True
        self._signs = loss.targets == "signs"
        self._binary = self._signs or loss.binary
        self._logits = loss.of_logits() if loss.from_logits else None

    def seen(self, outputs: NDArray) -> NDArray:
        return outputs if self._logits is None else self._logits.activate(outputs)

    @property
    def _limit(self) -> float:
        return 0.0 if self._signs else 0.5

    def _elementwise(self, outputs: int) -> bool:
        return self._binary or outputs == 1

    def suits_maps(self, channels: int) -> bool:
        return self._elementwise(2)

    def doubts(self, loss: Loss) -> bool:
        return self.own or loss.targets != "labels" or self._elementwise(2)

    def check_targets(self, y: NDArray, outputs: int, name: str = "y") -> None:
        if self._elementwise(outputs):
            self._check_answers(y, name)
        else:
            check_classes(self.name, y, outputs, name)

    def _check_answers(self, y: NDArray, name: str) -> None:
        """Targets of outputs that are answers of their own."""
        good = (y == 0) | (y == 1)
        if self._signs:
            good |= y == -1
        if not good.all():
            row = int(np.argmin(good.reshape(len(y), -1).all(axis=1)))
            expected = "-1 or 1" if self._signs else "0 or 1"
            raise ValueError(
                f"metric {self.name!r} needs targets of {expected}, but {name} has {y[~good][0]} in row {row};"
                f" {REGRESSION}, for more classes an output for each"
            )


class Accuracy(Decided, Averaged, positional=("name",)):
    """Share of right answers, as Keras' "accuracy" chooses it.

    One output: (output > 0.5) == y; behind a hinge loss the limit is 0. Several: the largest output must be the label,
    or the largest target, the first of equals, whatever the loss; ``binary``, or ``BinaryAccuracy``, compares them
    element by element. One minus the mean 0-1 loss. Source: Hastie, Tibshirani, Friedman, "The elements of statistical
    learning", 2nd edition, 2009, section 7.2.

    >>> metric = Accuracy()
    >>> metric.update(np.array([1, 0]), np.array([[0.9], [0.8]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    name = "accuracy"
    binary: bool = False

    def _elementwise(self, outputs: int) -> bool:
        return self.binary or outputs == 1

    def suits_maps(self, channels: int) -> bool:
        self.binary = self.binary or channels == 1  # Keras' rule: one number for each pixel is an answer
        return super().suits_maps(channels)

    def check_targets(self, y: NDArray, outputs: int, name: str = "y") -> None:
        if self._elementwise(outputs) or not self._binary:
            super().check_targets(y, outputs, name)
        else:  # behind a binary or hinge loss any row has a largest target
            self._check_answers(y, name)

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        if self._elementwise(outputs.shape[1]):
            return np.asarray((outputs > self._limit) == (like(y, outputs, self.name) > 0.5))
        return np.asarray(classes == labels_of(y, outputs, self.name))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Outside of a model two arrays of labels may be compared, as Keras' class does it: equal or not."""
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        if type(self) is Accuracy and not self._prepared and t.size == a.size and _are_labels(t) and _are_labels(a):
            equal = (t.reshape(a.shape) == a).astype(np.float64)
            add_numbers(self, equal, sample_weight)
            return
        super().update_state(y_true, y_pred, sample_weight)


class BinaryAccuracy(Accuracy):
    """Share of outputs on the right side of ``threshold``, element by element: (output > threshold) == (y > 0.5).

    As in Keras; scikit-learn's accuracy of several outputs counts rows that are right in all of them. Source: as
    ``Accuracy``, 2009.

    >>> metric = BinaryAccuracy(threshold=0.7)
    >>> metric.update(np.array([[1, 0]]), np.array([[0.9, 0.6]]), np.array([0]))
    >>> metric.result()
    1.0
    """

    name = "binary_accuracy"
    binary: bool = True
    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("threshold")

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        if loss.targets == "labels":
            raise ValueError(
                f"metric {self.name!r} compares each output with a target, but the targets of loss {loss.name!r} are"
                " labels; use 'accuracy'"
            )

    @property
    def _limit(self) -> float:
        return self.threshold


class CategoricalAccuracy(Decided, Averaged):
    """Share of rows whose largest output is the label, or the largest target; of equal outputs the first counts.

    Source: as ``Accuracy``, 2009.

    >>> metric = CategoricalAccuracy()
    >>> metric.update(np.array([[0, 1], [0, 1]]), np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 0]))
    >>> metric.result()
    0.5
    """

    name = "categorical_accuracy"

    def suits_maps(self, channels: int) -> bool:
        return False

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        check_several(self.name, outputs)

    def _elementwise(self, outputs: int) -> bool:
        return False

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        return np.asarray(classes == labels_of(y, outputs, self.name))


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """``CategoricalAccuracy`` under the name that Keras has for integer labels. Source: as ``Accuracy``, 2009.

    >>> metric = SparseCategoricalAccuracy()
    >>> metric.update(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 0]))
    >>> metric.result()
    0.5
    """

    name = "sparse_categorical_accuracy"


class TopKCategoricalAccuracy(CategoricalAccuracy):
    """Share of rows whose label is among the k largest outputs: fewer than k outputs are larger than the label's.

    y: labels or one-hot rows. Of equal outputs each has its chance, as in Keras; scikit-learn ranks
    them by their place. Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012, with k = 5.

    >>> metric = TopKCategoricalAccuracy(k=2)
    >>> metric.update(np.array([1, 2]), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    name = "top_k_categorical_accuracy"
    k: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("k", self.k, 1)

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        own = np.take_along_axis(outputs, labels_of(y, outputs, self.name)[:, None], axis=1)
        above = np.count_nonzero(~(outputs <= own), axis=1)  # NaN counts as larger
        return np.asarray(above < self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """``TopKCategoricalAccuracy`` by Keras' name for labels. Source: Krizhevsky, Sutskever, Hinton, 2012.

    >>> metric = SparseTopKCategoricalAccuracy(k=2)
    >>> metric.update(np.array([1, 2]), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([0, 0]))
    >>> metric.name, metric.result()
    ('sparse_top_k_categorical_accuracy', 0.5)
    """

    name = "sparse_top_k_categorical_accuracy"


class LogLoss(Decided, Averaged):
    """Mean of -log p of what was true, p cut to [eps, 1 - eps] of the outputs' type, as in scikit-learn.

    One output, and several of a binary loss: -(y log p + (1 - y) log(1 - p)), the mean of all elements. Otherwise
    -sum_k y_k log p_k for each row, y a label or a row of probabilities; p is divided by its sum first, as in Keras'
    crossentropies.

    Source: Good, "Rational decisions", JRSS B 14, 1952.

    >>> metric = LogLoss()
    >>> metric.update(np.array([1, 0]), np.array([[0.5], [0.5]]), np.array([0, 0]))
    >>> round(metric.result(), 4)
    0.6931
    """

    name = "log_loss"

    def _check_answers(self, y: NDArray, name: str) -> None:
        good = (y >= 0) & (y <= 1)
        if not good.all():
            raise ValueError(f"metric {self.name!r} needs targets from 0 to 1, but {name} has {y[~good][0]}")

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        least = np.finfo(outputs.dtype).eps if outputs.dtype.kind == "f" else np.finfo(np.float64).eps
        p = outputs.astype(np.float64)
        if not self._elementwise(outputs.shape[1]):
            total = p.sum(axis=1, keepdims=True)
            p /= np.where(total == 0, 1, total)
        p = np.clip(p, least, 1 - least)
        if self._elementwise(outputs.shape[1]):
            t = like(y, outputs, self.name).astype(np.float64)
            values = -(t * np.log(p) + (1 - t) * np.log1p(-p))
        elif y.size == len(y):
            values = -np.log(np.take_along_axis(p, labels_of(y, outputs, self.name)[:, None], axis=1))[:, 0]
        else:
            values = -(like(y, outputs, self.name) * np.log(p)).sum(axis=1)
        return np.asarray(values)


def labels_of(y: NDArray, outputs: NDArray, name: str) -> NDArray[np.int64]:
    """The true class of each row, from labels or one-hot rows."""
    check_several(name, outputs.shape[1])
    if y.ndim > 1:
        y = y.reshape(len(y)) if y.size == len(y) else like(y, outputs, name).argmax(axis=1)
    return y.astype(np.int64, copy=False)


def check_classes(metric: str, y: NDArray, outputs: int, name: str) -> None:
    """One class for each row: a label, or the largest of a row of shares, which add up to 1."""
    check_several(metric, outputs)
    if y.size == len(y):
        good = (y >= 0) & (y < outputs) & (y == np.floor(y)) if y.dtype.kind != "b" else y >= 0
        if not good.all():
            raise ValueError(
                f"metric {metric!r} needs labels from 0 to {outputs - 1}, but {name} has {y[~good][0]}; {REGRESSION}"
            )
        return
    if y.shape[1] != outputs:
        raise ValueError(f"metric {metric!r} needs labels or {outputs} columns of targets, {name} has shape {y.shape}")
    good = (y >= 0).all(axis=1) & (np.abs(y.sum(axis=1, dtype=np.float64) - 1) < 0.01)  # 0.01: halves, rounded
    if not good.all():
        row = int(np.argmin(good))
        what = f"the row {y[row][:SHOWN].tolist()}{' and so on' if outputs > SHOWN else ''}"
        hint = REGRESSION
        if ((y[row] == 0) | (y[row] == 1)).all():
            what = f"{np.count_nonzero(y[row])} labels"
            hint = "for several labels in a row use loss='binary_crossentropy', where each output is an answer"
        raise ValueError(f"metric {metric!r} needs one class for each row, but {name} has {what} in row {row}; {hint}")


def check_several(name: str, outputs: int) -> None:
    """ValueError where there is no output for each class."""
    if outputs < 2:
        raise ValueError(f"metric {name!r} needs an output for each class, got 1 output; use 'binary_accuracy'")


def _are_labels(values: NDArray) -> bool:
    return bool(values.size) and bool((values == np.floor(values)).all())
