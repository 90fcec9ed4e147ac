"""Means and sums of numbers that are given by hand, as Keras has them; no metrics for ``compile``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.metrics.base import Averaged, add_numbers


class Mean(Averaged):
    """Mean of all numbers that were given, of any shape, with weights.

    >>> metric = Mean()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.update_state([5.0], sample_weight=[2.0])
    >>> metric.result()
    3.5
    """

    name = "mean"

    def prepare(self, loss: Any, outputs: int) -> None:
        raise ValueError(f"metric {self.name!r} is of numbers that are given by hand; a model has targets and outputs")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        """Adds numbers, with weights that fit their first axes."""
        add_numbers(self, values, sample_weight)

    def __call__(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        """Adds numbers and returns the value over all."""
        self.update_state(values, sample_weight)
        return self.result()

    def result(self) -> float:
        return super().result() if self.total else 0.0


class Sum(Mean):
    """Sum of all numbers that were given, times their weights.

    >>> Sum()([1.0, 3.0], sample_weight=[2.0, 1.0])
    5.0
    """

    name = "sum"

    def result(self) -> float:
        return self.sum


class MeanMetricWrapper(Averaged):
    """Mean of a function (y_true, y_pred) -> values of the samples, with weights.

    >>> metric = MeanMetricWrapper(lambda y_true, y_pred: np.abs(y_true - y_pred).max(axis=-1))
    >>> metric([[1.0, 2.0]], [[1.5, 2.0]])
    0.5
    """

    name = "mean_metric_wrapper"
    fn: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.fn):
            raise TypeError(f"MeanMetricWrapper needs a function (y_true, y_pred) -> values, got {self.fn!r}")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        add_numbers(self, self.fn(np.asarray(y_true), np.asarray(y_pred)), sample_weight)
