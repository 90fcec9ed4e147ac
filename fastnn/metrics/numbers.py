"""Metrics of numbers: errors and the share of variance that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.checks import whole
from fastnn.metrics.base import Averaged, like, refuse_labels

if TYPE_CHECKING:
    from fastnn.losses import Loss


class _Error(Averaged):
    """Base of means over all elements, in float64."""

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        refuse_labels(self, loss, outputs)

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        errors = outputs.astype(np.float64) - like(y, outputs, self.name)
        return errors * errors


class MeanSquaredError(_Error):
    """Mean of (output - y)^2 over all samples and outputs.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
    22, 2006.

    >>> metric = MeanSquaredError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]), np.array([0, 0]))
    >>> metric.result()
    2.0
    """

    name = "mean_squared_error"


class RootMeanSquaredError(_Error):
    """Root of the mean of (output - y)^2 over all samples and outputs: the root once, at the end.

    As in Keras; scikit-learn means the roots of the outputs. Source: as ``MeanSquaredError``, 2006.

    >>> metric = RootMeanSquaredError()
    >>> metric.update(np.array([1.0, 1.0]), np.array([[3.0], [3.0]]), np.array([0, 0]))
    >>> metric.result()
    2.0
    """

    name = "root_mean_squared_error"

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(_Error):
    """Mean of |output - y| over all samples and outputs. Source: as ``MeanSquaredError``, 2006.

    >>> metric = MeanAbsoluteError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]), np.array([0, 0]))
    >>> metric.result()
    1.0
    """

    name = "mean_absolute_error"

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        return np.abs(outputs.astype(np.float64) - like(y, outputs, self.name))


class R2(_Error, positional=("class_aggregation", "num_regressors", "name")):
    """Coefficient of determination, 1 - sum (output - y)^2 / sum (y - mean y)^2; the mean of the outputs' values.

    class_aggregation: "uniform_average", that mean; "variance_weighted_average", weighted by the outputs' variances;
    None, the values themselves. num_regressors: p of the adjusted value, 1 - (1 - R2) (n - 1) / (n - p - 1). 1 is
    perfect, 0 is as good as the mean of y. Where y is constant: 1 without error, else 0; scikit-learn says so too, but
    only where the mean is exact. NaN for fewer than two samples. Squares are summed about running means (Chan, Golub,
    LeVeque, 1983), so that a large mean costs no digits. Source: Kvalseth, "Cautionary note about R2", The American
    Statistician 39, 1985.

    >>> metric = R2()
    >>> metric.update(np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [2.0]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.5
    """

    name = "r2_score"
    class_aggregation: str | None = "uniform_average"
    num_regressors: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        known = ("uniform_average", "variance_weighted_average", None)
        if self.class_aggregation not in known:
            raise ValueError(f"R2: class_aggregation must be one of {known}, got {self.class_aggregation!r}")
        whole("R2: num_regressors", self.num_regressors, 0)

    def reset(self) -> None:
        super().reset()
        self.errors = self.mean = self.squares = np.zeros(1)
        self.lowest, self.highest = np.full(1, np.inf), np.full(1, -np.inf)
        self.rows = 0

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        if not len(outputs):
            return
        t = like(y, outputs, self.name).astype(np.float64)
        w = np.ones(1) if weights is None else weights.reshape(len(t), -1)
        count = len(t) if weights is None else float(np.broadcast_to(w, t.shape).sum() / t.shape[1])
        self.errors = self.errors + (w * (outputs - t) ** 2).sum(axis=0)
        mean = t.mean(axis=0) if weights is None else (w * t).sum(axis=0) / (count or 1)
        shift, total = mean - self.mean, self.total + count
        self.squares = self.squares + (w * (t - mean) ** 2).sum(axis=0)
        if total:
            self.squares = self.squares + shift**2 * (self.total * count / total)
            self.mean = self.mean + shift * (count / total)
        self.lowest, self.highest = np.minimum(self.lowest, t.min(axis=0)), np.maximum(self.highest, t.max(axis=0))
        self.total, self.rows = total, self.rows + len(t)

    def result(self) -> Any:
        if self.rows < 2 or not self.total:
            return float("nan")
        constant = (self.lowest == self.highest) | (self.squares == 0)  # a rounded mean leaves squares of a constant
        explained = 1 - self.errors / np.where(constant, 1, self.squares)
        values: Any = np.where(constant, self.errors == 0, explained)
        if self.class_aggregation == "variance_weighted_average":
            values = np.average(values, weights=self.squares if self.squares.any() else None)
        elif self.class_aggregation is not None:
            values = values.mean()
        if self.num_regressors and self.num_regressors < self.rows - 1:
            values = 1 - (1 - values) * (self.rows - 1) / (self.rows - self.num_regressors - 1)
        return values if self.class_aggregation is None else float(values)
