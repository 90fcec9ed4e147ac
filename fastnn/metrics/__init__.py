"""Metrics: exact over everything they have seen, never a mean of batch values.

In ``fit`` and ``evaluate`` sample weights do not enter: a metric describes the samples as they are. By hand they may be
given: ``metric.update_state(y_true, y_pred, sample_weight)``. Conventions are scikit-learn's where Keras
approximates (AUC) or averages batches.
"""

from typing import Any

from fastnn import losses
from fastnn.basics.names import Names
from fastnn.metrics import means
from fastnn.metrics.agreement import (
    BinaryIoU,
    ConcordanceCorrelation,
    IoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
    PearsonCorrelation,
)
from fastnn.metrics.base import (
    Averaged,
    FromFunction,
    Metric,
    MetricFunction,
)
from fastnn.metrics.classes import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    Decided,
    LogLoss,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastnn.metrics.confusion import (
    confusion_matrix,
)
from fastnn.metrics.counts import (
    F1,
    F1Score,
    FBetaScore,
    Precision,
    Recall,
)
from fastnn.metrics.curves import (
    AUC,
)
from fastnn.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from fastnn.metrics.numbers import (
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)
from fastnn.metrics.reductions import Mean, MeanMetricWrapper, Sum
from fastnn.metrics.thresholds import (
    FalseNegatives,
    FalsePositives,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)

__all__ = [
    "ALIASES",
    "AUC",
    "ENTRIES",
    "F1",
    "NAMES",
    "R2",
    "Accuracy",
    "Averaged",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "Decided",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "FromFunction",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "LogLoss",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "MetricFunction",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "as_metric",
    "confusion_matrix",
    "deserialize",
    "get",
    "serialize",
]

ENTRIES: tuple[type[Metric], ...] = (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    Precision,
    Recall,
    F1,
    AUC,
    LogLoss,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    R2,
    FBetaScore,
    F1Score,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity,
    Poisson,
    LogCoshError,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    KLDivergence,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    PearsonCorrelation,
    ConcordanceCorrelation,
    IoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
    BinaryIoU,
)
ALIASES = {
    "acc": "accuracy",
    "top_k": "top_k_categorical_accuracy",
    "f1_score": "f1",
    "roc_auc": "auc",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "r2": "r2_score",
    "r2score": "r2_score",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "log_cosh": "logcosh",
    "log_cosh_error": "logcosh",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "bce": "binary_crossentropy",
}
NAMES = Names("metric", Metric, ENTRIES, ALIASES)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize
R2Score = R2  # Keras' name


def as_metric(given: Any) -> Any:
    """A function becomes a Metric of its name; all else is left to the catalogue."""
    if isinstance(given, (MetricFunction, losses.LossFunction)):
        metric = NAMES.resolve(given.__name__)
        metric.name = given.__name__
        return metric
    if callable(given) and not isinstance(given, (type, Metric)):
        return FromFunction(function=given, name=getattr(given, "__name__", "metric"))
    return given


def __getattr__(name: str) -> Any:
    """Keras' functions (y_true, y_pred) -> the value of each sample: ``metrics.binary_accuracy``."""
    entry = NAMES.attribute(__name__, name)
    if issubclass(entry, means._OfLoss):
        return losses.LossFunction(entry.kind, name)
    if not issubclass(entry, Averaged):
        raise AttributeError(f"metric {name!r} has no values of single samples; use metrics.{entry.__name__}")
    return MetricFunction(entry, name)
