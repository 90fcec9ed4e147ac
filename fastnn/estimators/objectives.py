"""What an estimator minimizes: the loss of the catalogue, on scikit-learn's scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from fastnn import losses
from fastnn.activations import Array, LogSoftmax, Softmax
from fastnn.catalogue import resolve
from fastnn.losses import Loss, as_loss

LOSSES = {  # scikit-learn's words for ours
    "squared_error": "mse",
    "absolute_error": "mae",
    "poisson": "poisson",
}
TINY = 1e-30  # Poisson's epsilon: scikit-learn has none


class Objective:
    """A loss of the catalogue, and how scikit-learn counts it.

    loss: a mean over outputs, as everywhere in fastnn; outputs: of the network; activation: of the last layer, by
    fastnn's name, and ``word``, ``out_activation_``. factor: of the gradient; share: the loss that is told counts so
    much of that. For squared errors of K outputs scikit-learn follows the gradient of their sum and tells their mean.
    """

    def __init__(self, loss: Loss, outputs: int, word: str, factor: float = 1.0, share: float = 1.0) -> None:
        self.loss, self.outputs, self.word, self.factor, self.share = loss, outputs, word, factor, share

    def constants(self, y: NDArray[Any]) -> NDArray[np.float64] | None:
        """What the told loss of each row adds to that of the engine, None where it is nothing."""
        if isinstance(self.loss, losses.Poisson) and self.loss.epsilon == TINY:  # half the deviance
            y = y.astype(np.float64)
            return (xlogy(y, y) - y).sum(axis=1)
        return None

    def told(self, loss: Any, penalty: Any, constant: Any) -> Any:
        """The loss as scikit-learn tells it, from the engine's, of which ``penalty`` is due to the weights."""
        if self.share == 1 and constant is None:
            return loss
        return (loss - penalty) * self.share + penalty + (0.0 if constant is None else constant)


def for_regressor(loss: Any, targets: int, quantiles: Any) -> Objective:
    """By scikit-learn's name, the catalogue's, or an object; ``targets`` is the number of columns of y."""
    if loss == "poisson":
        return Objective(losses.Poisson(epsilon=TINY), targets, "exp", factor=targets)
    if loss in ("quantile", "pinball"):
        found: Loss = losses.Quantile(levels=0.5 if quantiles is None else quantiles)
    else:
        found = _resolved(loss)
    if quantiles is not None and not isinstance(found, losses.Quantile):
        raise ValueError(f"quantiles={quantiles!r} needs loss='quantile', got {loss!r}")
    if found.targets == "labels" or found.outputs != "numbers" or found.targets == "signs":
        raise ValueError(f"loss {found.name!r} is one of classes; use MLPClassifier")
    outputs = next((n for n in range(1, 256 * targets) if _fits(found, n, targets)), targets)
    if loss == "squared_error":
        return Objective(found, outputs, "identity", factor=0.5 * targets, share=1 / targets)
    counts = isinstance(found, losses.Poisson) or found.targets == "counts"
    return Objective(found, outputs, "exp" if counts else "identity")


def _fits(loss: Loss, outputs: int, targets: int) -> bool:
    """Whether a network with so many outputs learns so many targets."""
    try:
        return loss.columns(outputs) == targets
    except ValueError:
        return False


def for_classifier(loss: Any, kind: str, classes: int) -> Objective:
    """kind: what scikit-learn's ``type_of_target`` says of y; classes: columns of its binary form."""
    multi = kind == "multiclass"
    if loss == "log_loss":
        if multi:
            return Objective(losses.SparseCategoricalCrossentropy(limited=True), classes, "softmax")
        return Objective(losses.BinaryCrossentropy(limited=True), classes, "logistic", factor=classes)
    found = _resolved(loss)
    if found.targets in ("counts", "any") and not isinstance(found, losses.FromFunction):
        raise ValueError(f"loss {found.name!r} is one of numbers; use MLPRegressor")
    if isinstance(found, (losses.Quantile, losses.GaussianNLL)):
        raise ValueError(f"loss {found.name!r} is one of numbers; use MLPRegressor")
    binary = "binary" in found.name
    several = found.targets == "labels" or (found.outputs != "numbers" and not binary)
    if several and not multi:
        raise ValueError(f"loss {found.name!r} needs three classes or more, y is {kind}; use 'binary_crossentropy'")
    if found.targets == "signs":
        return Objective(found, classes, "identity")
    return Objective(found, classes, "softmax" if multi and not binary else "logistic")


def _resolved(loss: Any) -> Loss:
    name = LOSSES.get(loss, loss) if isinstance(loss, str) else loss
    return resolve("loss", as_loss(name), Loss).copied()


class GroupedCrossentropy(Loss):
    """L = -sum over groups of log p of the true class, with p = softmax of each group's logits: several targets.

    sizes: the number of classes of each target; y: (rows, targets) labels. Its formula runs in NumPy.

    >>> GroupedCrossentropy(sizes=(2, 2)).evaluate(np.zeros((1, 4)), np.array([[0, 1]]))[0].round(4)
    array([1.3863])
    """

    name = "grouped_crossentropy"
    targets = "any"
    sizes: tuple[int, ...]  # type: ignore[misc] # ``name`` comes last, see Settings

    def columns(self, outputs: int) -> int:
        return len(self.sizes)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        values, slope = np.zeros(len(a), dtype=a.dtype), self.probabilities(a)
        rows, first = np.arange(len(a)), 0
        for size, column in zip(self.sizes, t.T, strict=True):
            true = column.astype(np.intp)
            values -= LogSoftmax().forward(a[:, first : first + size])[rows, true]
            slope[rows, first + true] -= 1
            first += size
        return values, slope

    def probabilities(self, a: Array) -> Array:
        """Softmax of each group."""
        groups = np.split(a, np.cumsum(self.sizes)[:-1], axis=1)
        return np.concatenate([Softmax().forward(group) for group in groups], axis=1)
