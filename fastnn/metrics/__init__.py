"""Metrics: exact over everything they have seen, never a mean of batch values.

Sample weights do not enter: a metric describes the samples as they are. Conventions are scikit-learn's where Keras
approximates (AUC) or averages batches.
"""

from fastnn.basics.names import Names
from fastnn.metrics.base import (
    FromFunction,
    Metric,
    as_metric,
)
from fastnn.metrics.classes import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    Decided,
    LogLoss,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastnn.metrics.confusion import (
    confusion_matrix,
)
from fastnn.metrics.counts import (
    F1,
    Precision,
    Recall,
)
from fastnn.metrics.curves import (
    AUC,
)
from fastnn.metrics.numbers import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)

__all__ = [
    "ALIASES",
    "AUC",
    "ENTRIES",
    "F1",
    "R2",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Decided",
    "FromFunction",
    "LogLoss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Names",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "as_metric",
    "confusion_matrix",
]

ENTRIES: tuple[type[Metric], ...] = (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    Precision,
    Recall,
    F1,
    AUC,
    LogLoss,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    R2,
)
ALIASES = {
    "acc": "accuracy",
    "top_k": "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy": "top_k_categorical_accuracy",
    "f1_score": "f1",
    "roc_auc": "auc",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "r2_score": "r2",
}
NAMES = Names("metric", Metric, ENTRIES, ALIASES)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize
