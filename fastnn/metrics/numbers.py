"""Metrics of numbers: errors and the share of variance that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics.base import Metric, like

if TYPE_CHECKING:
    from fastnn.losses import Loss


class _Error(Metric):
    """Base of means over all elements, in float64."""

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        if loss.targets == "labels" and outputs > 1:
            raise ValueError(
                f"metric {self.name!r} compares outputs with numbers, but the targets of loss {loss.name!r} are labels;"
                " use a metric of classification, for instance 'accuracy'"
            )

    def reset(self) -> None:
        self.sum, self.total = 0.0, 0

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        errors = outputs.astype(np.float64) - like(y, outputs, self.name)
        self.sum += self._total(errors)
        self.total += errors.size

    def _total(self, errors: NDArray[np.float64]) -> float:
        return float((errors * errors).sum())  # no BLAS: its sums depend on its threads

    def result(self) -> float:
        return self.sum / self.total if self.total else float("nan")


class MeanSquaredError(_Error):
    """Mean of (output - y)^2 over all samples and outputs.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
    22, 2006.

    >>> metric = MeanSquaredError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]), np.array([0, 0]))
    >>> metric.result()
    2.0
    """

    name = "mse"


class RootMeanSquaredError(_Error):
    """Root of the mean of (output - y)^2 over all samples and outputs: the root once, at the end.

    As in Keras; scikit-learn means the roots of the outputs. Source: as ``MeanSquaredError``, 2006.

    >>> metric = RootMeanSquaredError()
    >>> metric.update(np.array([1.0, 1.0]), np.array([[3.0], [3.0]]), np.array([0, 0]))
    >>> metric.result()
    2.0
    """

    name = "rmse"

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(_Error):
    """Mean of |output - y| over all samples and outputs. Source: as ``MeanSquaredError``, 2006.

    >>> metric = MeanAbsoluteError()
    >>> metric.update(np.array([1.0, 2.0]), np.array([[1.0], [4.0]]), np.array([0, 0]))
    >>> metric.result()
    1.0
    """

    name = "mae"

    def _total(self, errors: NDArray[np.float64]) -> float:
        return float(np.abs(errors).sum())


class R2(_Error):
    """Coefficient of determination, 1 - sum (output - y)^2 / sum (y - mean y)^2; the mean of the outputs' values.

    1 is perfect, 0 is as good as the mean of y. Where y is constant: 1 without error, else 0; scikit-learn says so too,
    but only where the mean is exact. NaN for fewer than two samples. Squares are summed about running means (Chan,
    Golub, LeVeque, 1983), so that a large mean costs no digits. Source: Kvalseth, "Cautionary note about R2", The
    American Statistician 39, 1985.

    >>> metric = R2()
    >>> metric.update(np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [2.0]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.5
    """

    name = "r2"

    def reset(self) -> None:
        super().reset()
        self.errors = self.mean = self.squares = np.zeros(1)
        self.lowest, self.highest = np.full(1, np.inf), np.full(1, -np.inf)

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        if not len(outputs):
            return
        t = like(y, outputs, self.name).astype(np.float64)
        self.errors = self.errors + ((outputs - t) ** 2).sum(axis=0)
        mean = t.mean(axis=0)
        shift, all_rows = mean - self.mean, self.total + len(t)
        self.squares = self.squares + ((t - mean) ** 2).sum(axis=0) + shift**2 * (self.total * len(t) / all_rows)
        self.mean = self.mean + shift * (len(t) / all_rows)
        self.lowest, self.highest = np.minimum(self.lowest, t.min(axis=0)), np.maximum(self.highest, t.max(axis=0))
        self.total = all_rows

    def result(self) -> float:
        if self.total < 2:
            return float("nan")
        constant = (self.lowest == self.highest) | (self.squares == 0)  # a rounded mean leaves squares of a constant
        values = 1 - self.errors / np.where(constant, 1, self.squares)
        return float(np.where(constant, self.errors == 0, values).mean())
