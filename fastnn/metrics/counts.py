"""Metrics from counts of each class: precision, recall, F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.metrics.base import like
from fastnn.metrics.classes import Decided, labels_of
from fastnn.metrics.thresholds import Counter

if TYPE_CHECKING:
    from fastnn.losses import Loss

AVERAGES = ("auto", "binary", "macro", "micro", "weighted", None)


class _Counted(Decided):
    """Base of precision, recall and F1: counts of each class.

    average: "binary", the value of class 1 of two; "macro", the mean of the classes' values (of those that occur in
    answers or targets); "micro", of all classes' counts together; "weighted", the mean by the classes' true shares;
    "auto", "binary" for two classes and "macro" for more; None, the values of all classes. threshold: an output above
    it means class 1, for one output and for several outputs of a binary loss (then each output is a class of its own);
    None is 0.5, or 0 behind a hinge loss. Where a ratio is 0 / 0 the value is 0, as in scikit-learn.
    """

    average: str | None = "auto"
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(map(str, AVERAGES))}, got {self.average!r}")
        if self.threshold is not None:
            self._numbers("threshold")
        super().__post_init__()

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        if self.average == "binary" and (outputs > 2 or (outputs == 2 and self._binary)):
            raise ValueError(
                f"metric {self.name!r} has average='binary' but the model has {outputs} outputs;"
                " use average='macro' or 'micro'"
            )

    def reset(self) -> None:
        self.true = self.answered = self.actual = np.zeros(0, dtype=np.int64)
        self.separate = False

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        limit = self._limit if self.threshold is None else self.threshold
        if self._elementwise(outputs.shape[1]):
            positive, wanted = outputs > limit, like(y, outputs, self.name) > 0.5
            if outputs.shape[1] > 1:
                self.separate = True
                w = np.int64(1) if weights is None else weights.reshape(len(outputs), -1)
                self._add(((positive & wanted) * w).sum(axis=0), (positive * w).sum(axis=0), (wanted * w).sum(axis=0))
                return
            answers, labels, n = positive[:, 0].astype(np.int64), wanted[:, 0].astype(np.int64), 2
        else:
            answers, labels, n = classes, labels_of(y, outputs, self.name), outputs.shape[1]
        right, rows = answers == labels, weights
        if rows is not None and rows.ndim == 2:
            rows = rows.mean(axis=1)
        true = np.bincount(labels[right], None if rows is None else rows[right], n)
        self._add(true, np.bincount(answers, rows, n), np.bincount(labels, rows, n))

    def _add(self, true: NDArray, answered: NDArray, actual: NDArray) -> None:
        if not self.true.size:
            self.true, self.answered, self.actual = true, answered, actual
        else:
            self.true, self.answered, self.actual = self.true + true, self.answered + answered, self.actual + actual

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        raise NotImplementedError

    def result(self) -> Any:
        true, answered, actual = self.true, self.answered, self.actual
        if not true.size:
            return float("nan")
        average = self.average
        if average == "auto":
            average = "binary" if len(true) == 2 and not self.separate else "macro"
        if average == "binary":
            if len(true) != 2 or self.separate:
                raise ValueError(f"{self.name}: average='binary' needs two classes, got {len(true)}; use 'macro'")
            return float(self._value(true[1:], answered[1:], actual[1:])[0])
        if average == "micro":
            return float(
                self._value(true.sum(keepdims=True), answered.sum(keepdims=True), actual.sum(keepdims=True))[0]
            )
        values = self._value(true, answered, actual)
        if average is None:
            return values
        if average == "weighted":
            return float(ratio((values * actual).sum(keepdims=True), actual.sum(keepdims=True))[0])
        seen = np.ones(len(true), dtype=bool) if self.separate else (answered + actual) > 0
        return float(values[seen].mean())


class _AtThresholds(_Counted):
    """Base of precision and recall: with thresholds, top_k or class_id they count as Keras does, all outputs together.

    thresholds: a number or a list of them, for each of which there is a value: an output above it is a positive answer.
    top_k: of each row only the k largest outputs count; class_id: only this output.
    """

    thresholds: float | Sequence[float] | None = None
    top_k: int | None = None
    class_id: int | None = None

    def __post_init__(self) -> None:
        self._counter = None
        if any(one is not None for one in (self.thresholds, self.top_k, self.class_id)):
            self._counter = Counter(type(self).__name__, self.thresholds, self.top_k, self.class_id)
        super().__post_init__()

    def reset(self) -> None:
        super().reset()
        self.counts = np.zeros((4, 1))

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        if self._counter is None:
            super().add(y, outputs, classes, weights)
        else:
            self.counts = self.counts + self._counter.count(y, outputs, weights)

    def result(self) -> Any:
        if self._counter is None:
            return super().result()
        true, false_positives, _, missed = self.counts
        return self._counter.shown(self._value(true, true + false_positives, true + missed))


class Precision(_AtThresholds, positional=("threshold", "top_k", "class_id", "name")):
    """TP / (TP + FP): true positives / all answered as positive. Settings as in ``_Counted`` and ``_AtThresholds``.

    Sources: van Rijsbergen, "Information retrieval", 2nd edition, 1979, chapter 7; for the averages Sokolova and
    Lapalme, "A systematic analysis of performance measures for classification tasks", 2009.

    >>> metric = Precision()
    >>> metric.update(np.array([1, 0, 1]), np.array([[0.9], [0.8], [0.3]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.5
    """

    name = "precision"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return ratio(true, answered)


class Recall(_AtThresholds, positional=("threshold", "top_k", "class_id", "name")):
    """TP / (TP + FN): true positives / all that are positive. Settings as in ``_Counted`` and ``_AtThresholds``.

    Sources: as ``Precision``, 1979 and 2009.

    >>> metric = Recall(average="macro")
    >>> metric.update(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1]))
    >>> metric.result()
    0.75
    """

    name = "recall"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return ratio(true, actual)


class F1(_Counted, positional=("average", "threshold", "name")):
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN). Settings as in ``_Counted``.

    Van Rijsbergen's effectiveness is 1 - F1. Sources: as ``Precision``, 1979 and 2009.

    >>> metric = F1()
    >>> metric.update(np.array([1, 0, 1]), np.array([[0.9], [0.8], [0.7]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.8
    """

    name = "f1"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return ratio(2 * true, answered + actual)


class FBetaScore(_Counted, positional=("average", "beta", "threshold", "name")):
    """(1 + beta^2) precision recall / (beta^2 precision + recall): recall counts beta times as much as precision.

    average: None, as in Keras, gives the values of all classes; else as in ``_Counted``. Source: van Rijsbergen,
    "Information retrieval", 2nd edition, 1979, chapter 7.

    >>> metric = FBetaScore(beta=2.0)
    >>> metric.update(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1]))
    >>> metric.result().round(4)
    array([0.8333, 0.5556])
    """

    name = "fbeta_score"
    higher_is_better: ClassVar[bool] = True  # what callbacks ask
    average: str | None = None
    beta: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("beta", above=0)
        super().__post_init__()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """By hand, targets of the outputs' shape may hold several answers in a row, as in Keras.

        An output is an answer where it is above the threshold, without one where it is the largest of its row.
        """
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        if self._prepared or t.shape != a.shape or a.ndim != 2 or a.shape[1] < 2:
            super().update_state(y_true, y_pred, sample_weight)
            return
        w = 1.0 if sample_weight is None else _rows(sample_weight, a)
        positive = a > self.threshold if self.threshold is not None else np.eye(a.shape[1])[a.argmax(axis=1)] > 0
        wanted = t > 0.5
        self.separate = True
        self._add(((positive & wanted) * w).sum(axis=0), (positive * w).sum(axis=0), (wanted * w).sum(axis=0))

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        square = self.beta**2
        return ratio((1 + square) * true, answered + square * actual)


class F1Score(FBetaScore, positional=("average", "threshold", "name")):
    """``F1`` as Keras' class: average None, the default, gives the values of all classes. Source: as ``F1``, 1979.

    >>> metric = F1Score()
    >>> metric.update(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1]))
    >>> metric.result().round(4)
    array([0.6667, 0.6667])
    """

    name = "f1_score"
    key: ClassVar[str] = "f1_scores"  # the text "f1_score" means ``F1``, whose result is one number


def _rows(sample_weight: ArrayLike, outputs: NDArray) -> NDArray:
    """Weights that fit the outputs (samples, outputs)."""
    w = real(sample_weight, "sample_weight").astype(np.float64)
    return np.broadcast_to(w[:, None] if w.ndim == 1 else w, outputs.shape)


def ratio(above: NDArray, below: NDArray) -> NDArray[np.float64]:
    """above / below, and 0 where there is nothing below."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)
