"""Counts of right and wrong answers at thresholds, as Keras has them: each output is an answer, yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.checks import number, whole
from fastnn.metrics.classes import Decided, check_classes


class Counter:
    """Counts true positives, false positives, true negatives and false negatives of outputs at some thresholds."""

    def __init__(self, owner: str, thresholds: Any, top_k: int | None = None, class_id: int | None = None) -> None:
        self.one = thresholds is None or np.ndim(thresholds) == 0
        given = [0.5 if top_k is None else -np.inf] if thresholds is None else np.ravel(thresholds).tolist()
        for value in given if thresholds is not None else ():
            number(f"{owner}: each of thresholds", value, 0, most=1)
        self.thresholds = np.array(given, dtype=np.float64)
        self.top_k = None if top_k is None else whole(f"{owner}: top_k", top_k, 1)
        self.class_id = None if class_id is None else whole(f"{owner}: class_id", class_id, 0)

    def count(self, y: NDArray, outputs: NDArray, weights: NDArray | None) -> NDArray[np.float64]:
        """The four counts (4, thresholds); y: of the outputs' shape, or labels."""
        rows, columns = outputs.shape
        if y.size != outputs.size:
            y = np.arange(columns) == y.reshape(rows, 1)
        a, wanted = outputs.astype(np.float64), y.reshape(outputs.shape) > 0.5
        w = np.ones((rows, 1)) if weights is None else weights.reshape(rows, -1)
        w = np.broadcast_to(w, a.shape)
        if self.top_k is not None and self.top_k < columns:
            out = np.full(a.shape, -np.inf)
            best = np.argsort(-a, axis=1, kind="stable")[:, : self.top_k]
            np.put_along_axis(out, best, np.take_along_axis(a, best, axis=1), axis=1)
            a = out
        if self.class_id is not None:
            if self.class_id >= columns:
                raise ValueError(f"class_id is {self.class_id}, but there are {columns} outputs, counted from 0")
            kept = slice(self.class_id, self.class_id + 1)
            a, wanted, w = a[:, kept], wanted[:, kept], w[:, kept]
        positive = a[None] > self.thresholds[:, None, None]
        return np.array(
            [
                (w * (positive & wanted)).sum(axis=(1, 2)),
                (w * (positive & ~wanted)).sum(axis=(1, 2)),
                (w * (~positive & ~wanted)).sum(axis=(1, 2)),
                (w * (~positive & wanted)).sum(axis=(1, 2)),
            ]
        )

    def shown(self, values: NDArray) -> Any:
        """A number for one threshold, an array for a list of them."""
        return float(values[0]) if self.one else values


class _AtThresholds(Decided):
    """Base of what is made of the four counts: each output is an answer, and labels count as one-hot rows."""

    _counter = cast("Counter", None)  # no annotation, no setting

    def suits_maps(self, channels: int) -> bool:
        return True

    def check_targets(self, y: NDArray, outputs: int, name: str = "y") -> None:
        if y.size == len(y) * outputs:
            self._check_answers(y, name)
        else:
            check_classes(self.name, y, outputs, name)

    def reset(self) -> None:
        self.counts = np.zeros((4, 1))

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        self.counts = self.counts + self._counter.count(y, outputs, weights)


class _Count(_AtThresholds, positional=("thresholds", "name")):
    """Base of the four counts. thresholds: 0.5, another number, or a list of them, for each of which there is a value.

    Each output is an answer, positive above the threshold, and each target yes or no; labels of several classes count
    as one-hot rows. Sample weights are added up in the place of ones. Source: Fawcett, "An introduction to ROC
    analysis", Pattern Recognition Letters 27, 2006.
    """

    thresholds: float | Sequence[float] | None = None
    higher_is_better: ClassVar[bool] = True  # what callbacks ask
    _row = 0  # of the counts

    def __post_init__(self) -> None:
        self._counter = Counter(type(self).__name__, self.thresholds)
        super().__post_init__()

    def result(self) -> Any:
        values = np.broadcast_to(self.counts[self._row], self._counter.thresholds.shape)
        return self._counter.shown(values.copy())


class TruePositives(_Count):
    """Number of answers that are positive, rightly. Settings as in ``_Count``. Source: Fawcett, 2006.

    >>> TruePositives()([0, 1, 1, 1], [1, 0, 1, 1])
    2.0
    """

    name = "true_positives"


class FalsePositives(_Count):
    """Number of answers that are positive, wrongly. Settings as in ``_Count``. Source: Fawcett, 2006.

    >>> FalsePositives(thresholds=[0.2, 0.9])([0, 1, 0, 0], [0.3, 0.5, 0.95, 0.1])
    array([2., 1.])
    """

    name = "false_positives"
    higher_is_better: ClassVar[bool] = False
    _row = 1


class TrueNegatives(_Count):
    """Number of answers that are negative, rightly. Settings as in ``_Count``. Source: Fawcett, 2006.

    >>> TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0])
    2.0
    """

    name = "true_negatives"
    _row = 2


class FalseNegatives(_Count):
    """Number of answers that are negative, wrongly. Settings as in ``_Count``. Source: Fawcett, 2006.

    >>> FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0])
    2.0
    """

    name = "false_negatives"
    higher_is_better: ClassVar[bool] = False
    _row = 3


class _AtLimit(_AtThresholds):
    """Base of the best value of one share where another one is at least a limit, over num_thresholds thresholds.

    The thresholds are those of Keras, from 0 to 1 at equal distances, 200 by default; 0 where none fits. class_id: only
    this output. Source: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.
    """

    higher_is_better: ClassVar[bool] = True
    num_thresholds: int = 200
    class_id: int | None = None
    _bound: ClassVar[str]

    def __post_init__(self) -> None:
        number(f"{type(self).__name__}: {self._bound}", getattr(self, self._bound), 0, most=1)
        n = whole(f"{type(self).__name__}: num_thresholds", self.num_thresholds, 1)
        self._counter = Counter(type(self).__name__, [0.5] if n == 1 else np.linspace(0, 1, n), None, self.class_id)
        super().__post_init__()

    def _shares(self) -> dict[str, NDArray[np.float64]]:
        true, false_positives, true_negatives, missed = self.counts
        pairs = {
            "sensitivity": (true, missed),
            "recall": (true, missed),
            "specificity": (true_negatives, false_positives),
            "precision": (true, false_positives),
        }
        return {name: a / np.where(a + b > 0, a + b, 1) for name, (a, b) in pairs.items()}

    def result(self) -> float:
        shares = self._shares()
        wanted = self.name_of_value()
        good = shares[self._bound] >= getattr(self, self._bound)
        return float(shares[wanted][good].max()) if good.any() else 0.0

    def name_of_value(self) -> str:
        """The share that the result is the best value of."""
        return type(self).name.split("_at_")[0]


class SensitivityAtSpecificity(_AtLimit, positional=("specificity", "num_thresholds", "class_id", "name")):
    """Best sensitivity at a threshold where the specificity is at least the given one. Settings as in ``_AtLimit``.

    Source: Fawcett, 2006.

    >>> SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    name = "sensitivity_at_specificity"
    _bound = "specificity"
    specificity: float = 0.5


class SpecificityAtSensitivity(_AtLimit, positional=("sensitivity", "num_thresholds", "class_id", "name")):
    """Best specificity at a threshold where the sensitivity is at least the given one. Settings as in ``_AtLimit``.

    Source: Fawcett, 2006.

    >>> SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    0.6666666666666666
    """

    name = "specificity_at_sensitivity"
    _bound = "sensitivity"
    sensitivity: float = 0.5


class PrecisionAtRecall(_AtLimit, positional=("recall", "num_thresholds", "class_id", "name")):
    """Best precision at a threshold where the recall is at least the given one. Settings as in ``_AtLimit``.

    Source: Fawcett, 2006.

    >>> PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    name = "precision_at_recall"
    _bound = "recall"
    recall: float = 0.5


class RecallAtPrecision(_AtLimit, positional=("precision", "num_thresholds", "class_id", "name")):
    """Best recall at a threshold where the precision is at least the given one. Settings as in ``_AtLimit``.

    Source: Fawcett, 2006.

    >>> RecallAtPrecision(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    1.0
    """

    name = "recall_at_precision"
    _bound = "precision"
    precision: float = 0.5
