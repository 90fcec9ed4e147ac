"""Losses: name, formula, derivative, and the number of the compiled kernel (kernels/losses.pxi).

A loss gives one number for each sample; training minimises their weighted mean over the batch, sum_i w_i L_i / n.
Crossentropies are computed from the logits z where the output activation allows, or where the outputs are logits
(``from_logits=True``): ``of_logits`` gives that version. Which outputs a loss accepts: fastnn/models/output_check.py.
"""

from fastnn.basics.names import Names
from fastnn.losses.base import (
    EPSILON,
    FromFunction,
    Loss,
    LossFunction,
    as_loss,
    checked,
)
from fastnn.losses.classes import (
    BinaryCrossentropy,
    BinaryCrossentropyFromLogits,
    CategoricalCrossentropy,
    CategoricalCrossentropyFromLogits,
    CategoricalHinge,
    Crossentropy,
    Hinge,
    KLDivergence,
    Smoothed,
    SparseCategoricalCrossentropy,
    SparseCategoricalCrossentropyFromLogits,
    SquaredHinge,
)
from fastnn.losses.focal import (
    BinaryFocal,
    BinaryFocalCrossentropy,
    BinaryFocalCrossentropyFromLogits,
    CategoricalFocal,
    CategoricalFocalCrossentropy,
    CategoricalFocalCrossentropyFromLogits,
)
from fastnn.losses.numbers import (
    CosineSimilarity,
    GaussianNLL,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
)

__all__ = [
    "ALIASES",
    "ENTRIES",
    "EPSILON",
    "BinaryCrossentropy",
    "BinaryFocal",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocal",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Crossentropy",
    "FromFunction",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunction",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Names",
    "Poisson",
    "Quantile",
    "Smoothed",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "as_loss",
    "checked",
]

ENTRIES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    LogCosh,
    Poisson,
    Hinge,
    SquaredHinge,
    KLDivergence,
    BinaryCrossentropy,
    BinaryCrossentropyFromLogits,
    CategoricalCrossentropy,
    CategoricalCrossentropyFromLogits,
    SparseCategoricalCrossentropy,
    SparseCategoricalCrossentropyFromLogits,
    BinaryFocalCrossentropy,
    BinaryFocalCrossentropyFromLogits,
    CategoricalFocalCrossentropy,
    CategoricalFocalCrossentropyFromLogits,
    Quantile,
    GaussianNLL,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity,
    CategoricalHinge,
)
ALIASES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "logcosh": "log_cosh",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "bce": "binary_crossentropy",
    "pinball": "quantile",
}
NAMES = Names("loss", Loss, (entry for entry in ENTRIES if not entry.name.endswith("_logits")), ALIASES)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize


def __getattr__(name: str) -> LossFunction:
    """Keras' functions (y_true, y_pred) -> the loss of each sample: ``losses.mean_squared_error``."""
    return LossFunction(NAMES.attribute(__name__, name), name)
