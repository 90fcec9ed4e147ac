"""Areas under curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.activations import Sigmoid
from fastnn.basics.arrays import real
from fastnn.basics.checks import number, whole
from fastnn.metrics.base import like
from fastnn.metrics.classes import Decided, labels_of


class AUC(Decided, positional=()):
    """Area under the ROC curve: the chance that a positive sample has a larger output than a negative one.

    From ranks, with ties at their mean: (R - P (P + 1) / 2) / (P N), R the sum of the P positives' ranks; exact, where
    Keras has 200 thresholds. All outputs are kept until the end of the epoch. More than two classes: the mean of each
    class against the rest. NaN where a class has no positives or no negatives. curve: "ROC", or "PR", the area under
    precision over recall, interpolated between the outputs as Keras does it between its thresholds (Davis and Goadrich,
    ICML 2006). thresholds, num_thresholds: only these, or so many from 0 to 1, as in Keras.
    summation_method: "interpolation", or the lower ("minoring") or higher ends of steps. multi_label: by hand, the mean
    of the areas of the outputs, with label_weights, where else all count together. from_logits: outputs are logits.
    Source: Mann and Whitney,
    1947; Hanley and McNeil, Radiology 143, 1982.

    >>> metric = AUC()
    >>> metric.update(np.array([1, 0, 1, 0]), np.array([[0.9], [0.8], [0.3], [0.3]]), np.zeros(4, dtype=int))
    >>> metric.result()
    0.625
    """

    name = "auc"
    curve: str = "ROC"
    num_thresholds: int | None = None
    thresholds: tuple[float, ...] | None = None
    summation_method: str = "interpolation"
    multi_label: bool | None = None
    num_labels: int | None = None
    label_weights: tuple[float, ...] | None = None
    from_logits: bool = False

    def __post_init__(self) -> None:
        if str(self.curve).upper() not in ("ROC", "PR"):
            raise ValueError(f"AUC: curve must be 'ROC' or 'PR', got {self.curve!r}")
        if self.num_thresholds is not None:
            whole("AUC: num_thresholds", self.num_thresholds, 2)
        if self.thresholds is not None:
            self.thresholds = tuple(number("AUC: each of thresholds", one, 0, most=1) for one in self.thresholds)
        if self.summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                "AUC: summation_method must be 'interpolation', 'minoring' or 'majoring', got"
                f" {self.summation_method!r}"
            )
        if self.num_labels is not None:
            whole("AUC: num_labels", self.num_labels, 1)
            if not self.multi_label:
                raise ValueError("AUC: num_labels counts the outputs of multi_label=True, which is not given")
        if self.label_weights is not None:
            self.label_weights = tuple(number("AUC: each of label_weights", one, 0) for one in self.label_weights)
        super().__post_init__()

    def reset(self) -> None:
        self.scores: list[NDArray] = []
        self.truths: list[NDArray[np.bool_]] = []
        self.weights: list[NDArray | None] = []

    def _elementwise(self, outputs: int) -> bool:
        if self.num_labels not in (None, outputs):
            raise ValueError(f"AUC: num_labels is {self.num_labels}, but there are {outputs} outputs")
        return bool(self.multi_label) or super()._elementwise(outputs)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """By hand, several outputs count together unless there is ``multi_label=True``, as in Keras."""
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        if not self._prepared and not self.multi_label and a.ndim > 1 and t.shape == a.shape:
            t, a = t.reshape(-1), a.reshape(-1)
            if sample_weight is not None:
                w = real(sample_weight, "sample_weight")
                w = w.reshape(w.shape + (1,) * (np.ndim(y_pred) - w.ndim))
                sample_weight = np.broadcast_to(w, np.shape(y_pred)).reshape(-1)
        super().update_state(t, a, sample_weight)

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        if self.from_logits:
            outputs = Sigmoid().forward(outputs.astype(np.float64))
        if self._elementwise(outputs.shape[1]):
            score, truth = outputs, like(y, outputs, self.name) > 0.5
        else:
            n = outputs.shape[1]
            kept = np.arange(n) if n > 2 else np.array([1])
            score, truth = outputs[:, kept], labels_of(y, outputs, self.name)[:, None] == kept
        self.scores.append(score.copy())  # the caller uses its buffer again
        self.truths.append(truth)
        self.weights.append(None if weights is None else np.broadcast_to(weights.reshape(len(y), -1), truth.shape))

    def result(self) -> float:
        if not self.scores:
            return float("nan")
        scores, truths = np.concatenate(self.scores), np.concatenate(self.truths)
        areas = [self._area(scores[:, j], truths[:, j], self._weights(truths)[:, j]) for j in range(scores.shape[1])]
        return float(np.average(areas, weights=self.label_weights))

    def _weights(self, truths: NDArray) -> NDArray:
        """Of all elements; whole ones, which are exact, where nobody gave any."""
        if all(one is None for one in self.weights):
            return np.ones(truths.shape, dtype=np.int64)
        pairs = zip(self.weights, self.truths, strict=True)
        return np.concatenate([np.ones(truth.shape) if one is None else one for one, truth in pairs])

    def _area(self, score: NDArray, truth: NDArray[np.bool_], weights: NDArray) -> float:
        if np.isnan(score).any():
            return float("nan")
        edges = self._edges()
        if edges is not None:
            score = np.searchsorted(edges, score, side="left")  # how many thresholds it exceeds
        _, group = np.unique(score, return_inverse=True)
        right = np.bincount(group, np.where(truth, weights, 0))[::-1]  # of each score, from the largest
        wrong = np.bincount(group, np.where(truth, 0, weights))[::-1]
        positives, negatives = right.sum(), wrong.sum()
        if not positives or not negatives:
            return float("nan") if edges is None else 0.0
        true, false = np.cumsum(right), np.cumsum(wrong)
        if self.summation_method != "interpolation":
            return self._steps(true, false, positives, negatives)
        if str(self.curve).upper() == "ROC":
            return float((wrong * (true - right / 2)).sum() / (positives * negatives))
        answered, before = true + false, np.concatenate([[0.0], (true + false)[:-1]])
        slope = right / np.where(right + wrong > 0, right + wrong, 1)
        start = true - slope * answered
        grown = np.where((before > 0) & (answered > 0), answered / np.where(before > 0, before, 1), 1.0)
        return float((slope * (right + start * np.log(grown))).sum() / positives)

    def _steps(self, true: NDArray, false: NDArray, positives: float, negatives: float) -> float:
        """The sum of steps, each of the lower or of the higher of its two ends."""
        recall = np.concatenate([[0.0], true / positives])
        precision = np.concatenate([[0.0], true / np.where(true + false > 0, true + false, 1)])
        x, height = (np.concatenate([[0.0], false / negatives]), recall)
        if str(self.curve).upper() == "PR":
            x, height = recall, precision
        choose = np.minimum if self.summation_method == "minoring" else np.maximum
        return float((np.diff(x) * choose(height[1:], height[:-1])).sum())

    def _edges(self) -> NDArray | None:
        """The thresholds, of which one is below 0 and one above 1; None where each output is one."""
        if self.thresholds is not None:
            inner = np.unique(self.thresholds)
        elif self.num_thresholds is not None:
            inner = np.arange(1, self.num_thresholds - 1) / (self.num_thresholds - 1)
        else:
            return None
        return np.concatenate([[-1e-7], inner[(inner > 0) & (inner < 1)], [1 + 1e-7]])
