"""Areas under curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics.base import like
from fastnn.metrics.classes import Decided, labels_of


class AUC(Decided, positional=()):
    """Area under the ROC curve: the chance that a positive sample has a larger output than a negative one.

    From ranks, with ties at their mean: (R - P (P + 1) / 2) / (P N), R the sum of the P positives' ranks; exact, where
    Keras has 200 thresholds. All outputs are kept until the end of the epoch. More than two classes: the mean of each
    class against the rest. NaN where a class has no positives or no negatives. Source: Mann and Whitney, 1947; Hanley
    and McNeil, Radiology 143, 1982.

    >>> metric = AUC()
    >>> metric.update(np.array([1, 0, 1, 0]), np.array([[0.9], [0.8], [0.3], [0.3]]), np.zeros(4, dtype=int))
    >>> metric.result()
    0.625
    """

    name = "auc"

    def reset(self) -> None:
        self.scores: list[NDArray] = []
        self.truths: list[NDArray[np.bool_]] = []

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        if self._elementwise(outputs.shape[1]):
            score, truth = outputs, like(y, outputs, self.name) > 0.5
        else:
            n = outputs.shape[1]
            kept = np.arange(n) if n > 2 else np.array([1])
            score, truth = outputs[:, kept], labels_of(y, outputs, self.name)[:, None] == kept
        self.scores.append(score.copy())  # the caller uses its buffer again
        self.truths.append(truth)

    def result(self) -> float:
        if not self.scores:
            return float("nan")
        scores, truths = np.concatenate(self.scores), np.concatenate(self.truths)
        return float(np.mean([_area(score, truth) for score, truth in zip(scores.T, truths.T, strict=True)]))


def _area(score: NDArray, truth: NDArray[np.bool_]) -> float:
    positives = int(np.count_nonzero(truth))
    negatives = len(truth) - positives
    if not positives or not negatives or np.isnan(score).any():
        return float("nan")
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1, equal scores share their mean
    return (float(ranks[group[truth]].sum()) - positives * (positives + 1) / 2) / (positives * negatives)
