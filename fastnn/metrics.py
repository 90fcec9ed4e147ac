"""Metrics: exact over everything they have seen, never a mean of batch values.

Sample weights do not enter: a metric describes the samples as they are. Conventions are scikit-learn's where Keras
approximates (AUC) or averages batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import NUMBERS, plain, real
from fastnn.basics.checks import whole
from fastnn.basics.settings import Settings

if TYPE_CHECKING:
    from fastnn.losses import Loss

REGRESSION = "for numbers use a metric of regression, such as 'mae' or 'r2'"
AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


class Metric(Settings, frozen=False, last=True):
    """Base of all metrics: reset(), update() once for each piece of data, result().

    name: the key in ``History.history``, where "val_" may stand before it.
    """

    name: str = "metric"

    def __post_init__(self) -> None:
        self.reset()

    def prepare(self, loss: Loss, outputs: int) -> None:
        """Told once, by ``compile``, which loss and how many outputs the model has; refuses what makes no sense."""
        columns = loss.columns(outputs)
        if loss.targets != "labels" and columns != outputs:
            raise ValueError(
                f"metric {self.name!r} compares each output with a target, but loss {loss.name!r} has {columns} target"
                f" columns for {outputs} outputs; leave the metric out"
            )

    def seen(self, outputs: NDArray) -> NDArray:
        """What ``update`` gets of the model's outputs: these themselves."""
        return outputs

    def reset(self) -> None:
        """Forgets all samples: binds new state and changes none in place, since a shallow copy may share it."""
        raise NotImplementedError

    def get_state(self) -> dict[str, Any]:
        """What it has seen since ``reset``, for a checkpoint within an epoch: all that is no setting and no object."""
        own = {name: value for name, value in vars(self).items() if name not in self._fields}
        return {name: value for name, value in own.items() if not (isinstance(value, Settings) or callable(value))}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what ``get_state`` returned."""
        self.__dict__.update(state)

    def check_targets(self, y: NDArray, outputs: int, name: str = "y") -> None:
        """Refuses targets that mean nothing to the metric. ``fit`` and ``evaluate`` ask before they begin."""

    def update(self, y: ArrayLike, outputs: ArrayLike, classes: ArrayLike | None = None) -> None:
        """Adds samples: targets y, outputs (samples, outputs) or (samples,), and each row's largest output's index.

        y: as the loss takes it: (samples,) or (samples, 1) for labels or one output, else (samples, outputs). A metric
        of one's own overrides this method; ``fit`` and ``evaluate`` call it once for each block of rows, and use the
        memory of its arrays again.
        """
        t, a = real(y, "y"), real(outputs, "outputs")
        a = a.reshape(-1, 1) if a.ndim == 1 else a
        if a.ndim != 2 or t.ndim not in (1, 2) or len(t) != len(a):
            raise ValueError(
                f"metric {self.name!r} needs outputs (samples, outputs) and a target for each sample, got outputs of"
                f" shape {np.shape(outputs)} and y of shape {np.shape(y)}"
            )
        self.check_targets(t, a.shape[1])
        largest = a.argmax(axis=1) if classes is None else plain(classes, "classes").reshape(len(a))
        self.add(t, a, largest)

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        """``update`` of checked arrays of NumPy's own class."""
        raise NotImplementedError

    def result(self) -> float:
        """The value over all samples since ``reset``; NaN where it is not defined."""
        raise NotImplementedError


# -- classification ----------------------------------------------------------------------------------------------------


class _Decided(Metric):
    """Base of metrics that need to know how outputs become answers: one class of a row, or yes or no for each output.

    Each output is an answer of its own behind the binary and the hinge losses, and where there is only one. Behind a
    loss with from_logits=True the answers are the probabilities that belong to the logits; Keras compares the logits
    themselves with 0.5.
    """

    _binary = False
    _signs = False
    _logits = cast("Loss | None", None)  # the loss that knows the probabilities of logits; no annotation, no setting

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        self._signs = loss.targets == "signs"
        self._binary = self._signs or loss.name.startswith("binary_")
        self._logits = loss.of_logits() if loss.from_logits else None

    def seen(self, outputs: NDArray) -> NDArray:
        return outputs if self._logits is None else self._logits.activate(outputs)

    @property
    def _limit(self) -> float:
        return 0.0 if self._signs else 0.5

    def _elementwise(self, outputs: int) -> bool:
        return self._binary or outputs == 1

    def check_targets(self, y: NDArray, outputs: int, name: str = "y") -> None:
        if self._elementwise(outputs):
            self._check_answers(y, name)
        else:
            _check_classes(self.name, y, outputs, name)

    def _check_answers(self, y: NDArray, name: str) -> None:
        """Targets of outputs that are answers of their own."""
        good = (y == 0) | (y == 1)
        if self._signs:
            good |= y == -1
        if not good.all():
            row = int(np.argmin(good.reshape(len(y), -1).all(axis=1)))
            expected = "-1 or 1" if self._signs else "0 or 1"
            raise ValueError(
                f"metric {self.name!r} needs targets of {expected}, but {name} has {y[~good][0]} in row {row};"
                f" {REGRESSION}, for more classes an output for each"
            )


class Accuracy(_Decided, positional=("name",)):
    """Share of right answers, as Keras' "accuracy" chooses it.

    One output: (output > 0.5) == y, for several outputs with probabilities as targets of a binary loss too, element by
    element (``binary``). Behind a hinge loss the limit is 0. Otherwise the largest output must be the label, or the
    largest target. One minus the mean 0-1 loss. Source: Hastie, Tibshirani, Friedman, "The elements of statistical
    learning", 2nd edition, 2009, section 7.2.

    >>> metric = Accuracy()
    >>> metric.update(np.array([1, 0]), np.array([[0.9], [0.8]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    name = "accuracy"
    binary: bool = False

    def _elementwise(self, outputs: int) -> bool:
        return self.binary or super()._elementwise(outputs)

    def reset(self) -> None:
        self.right = self.total = 0

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        if self._elementwise(outputs.shape[1]):
            match = (outputs > self._limit) == (_like(y, outputs, self.name) > 0.5)
        else:
            match = classes == _labels(y, outputs, self.name)
        self.right += int(np.count_nonzero(match))
        self.total += match.size

    def result(self) -> float:
        return self.right / self.total if self.total else float("nan")


class BinaryAccuracy(Accuracy):
    """Share of outputs on the right side of ``threshold``, element by element: (output > threshold) == (y > 0.5).

    As in Keras; scikit-learn's accuracy of several outputs counts rows that are right in all of them. Source: as
    ``Accuracy``, 2009.

    >>> metric = BinaryAccuracy(threshold=0.7)
    >>> metric.update(np.array([[1, 0]]), np.array([[0.9, 0.6]]), np.array([0]))
    >>> metric.result()
    1.0
    """

    name = "binary_accuracy"
    binary: bool = True
    threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("threshold")

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        if loss.targets == "labels":
            raise ValueError(
                f"metric {self.name!r} compares each output with a target, but the targets of loss {loss.name!r} are"
                " labels; use 'accuracy'"
            )

    @property
    def _limit(self) -> float:
        return self.threshold


class CategoricalAccuracy(_Decided):
    """Share of rows whose largest output is the label, or the largest target; of equal outputs the first counts.

    Source: as ``Accuracy``, 2009.

    >>> metric = CategoricalAccuracy()
    >>> metric.update(np.array([[0, 1], [0, 1]]), np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 0]))
    >>> metric.result()
    0.5
    """

    name = "categorical_accuracy"

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        _check_several(self.name, outputs)

    def _elementwise(self, outputs: int) -> bool:
        return False

    def reset(self) -> None:
        self.right = self.total = 0

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        self.right += int(np.count_nonzero(classes == _labels(y, outputs, self.name)))
        self.total += len(outputs)

    def result(self) -> float:
        return self.right / self.total if self.total else float("nan")


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """``CategoricalAccuracy`` under the name that Keras has for integer labels. Source: as ``Accuracy``, 2009.

    >>> metric = SparseCategoricalAccuracy()
    >>> metric.update(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 0]))
    >>> metric.result()
    0.5
    """

    name = "sparse_categorical_accuracy"


class TopKCategoricalAccuracy(CategoricalAccuracy):
    """Share of rows whose label is among the k largest outputs: fewer than k outputs are larger than the label's.

    y: labels or one-hot rows. Of equal outputs each has its chance, as in Keras; scikit-learn ranks
    them by their place. Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012, with k = 5.

    >>> metric = TopKCategoricalAccuracy(k=2)
    >>> metric.update(np.array([1, 2]), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    name = "top_k_categorical_accuracy"
    k: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("k", self.k, 1)

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        own = np.take_along_axis(outputs, _labels(y, outputs, self.name)[:, None], axis=1)
        above = np.count_nonzero(~(outputs <= own), axis=1)  # NaN counts as larger
        self.right += int(np.count_nonzero(above < self.k))
        self.total += len(outputs)


class _Counted(_Decided):
    """Base of precision, recall and F1: counts of each class.

    average: "binary", the value of class 1 of two; "macro", the mean of the classes' values (of those that occur in
    answers or targets); "micro", of all classes' counts together; "weighted", the mean by the classes' true shares;
    "auto", "binary" for two classes and "macro" for more. threshold: an output above it means class 1, for one output
    and for several outputs of a binary loss (then each output is a class of its own); None is 0.5, or 0 behind a hinge
    loss. Where a ratio is 0 / 0 the value is 0, as in scikit-learn.
    """

    average: str = "auto"
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, got {self.average!r}")
        if self.threshold is not None:
            self._numbers("threshold")
        super().__post_init__()

    def prepare(self, loss: Loss, outputs: int) -> None:
        super().prepare(loss, outputs)
        if self.average == "binary" and (outputs > 2 or (outputs == 2 and self._binary)):
            raise ValueError(
                f"metric {self.name!r} has average='binary' but the model has {outputs} outputs;"
                " use average='macro' or 'micro'"
            )

    def reset(self) -> None:
        self.true = self.answered = self.actual = np.zeros(0, dtype=np.int64)
        self.separate = False

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        limit = self._limit if self.threshold is None else self.threshold
        if self._elementwise(outputs.shape[1]):
            positive, wanted = outputs > limit, _like(y, outputs, self.name) > 0.5
            if outputs.shape[1] > 1:
                self.separate = True
                self._add((positive & wanted).sum(axis=0), positive.sum(axis=0), wanted.sum(axis=0))
                return
            answers, labels, n = positive[:, 0].astype(np.int64), wanted[:, 0].astype(np.int64), 2
        else:
            answers, labels, n = classes, _labels(y, outputs, self.name), outputs.shape[1]
        true = np.bincount(labels[answers == labels], minlength=n)
        self._add(true, np.bincount(answers, minlength=n), np.bincount(labels, minlength=n))

    def _add(self, true: NDArray, answered: NDArray, actual: NDArray) -> None:
        if not self.true.size:
            self.true, self.answered, self.actual = true, answered, actual
        else:
            self.true, self.answered, self.actual = self.true + true, self.answered + answered, self.actual + actual

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        raise NotImplementedError

    def result(self) -> float:
        true, answered, actual = self.true, self.answered, self.actual
        if not true.size:
            return float("nan")
        average = self.average
        if average == "auto":
            average = "binary" if len(true) == 2 and not self.separate else "macro"
        if average == "binary":
            if len(true) != 2 or self.separate:
                raise ValueError(f"{self.name}: average='binary' needs two classes, got {len(true)}; use 'macro'")
            return float(self._value(true[1:], answered[1:], actual[1:])[0])
        if average == "micro":
            return float(
                self._value(true.sum(keepdims=True), answered.sum(keepdims=True), actual.sum(keepdims=True))[0]
            )
        values = self._value(true, answered, actual)
        if average == "weighted":
            return float(_ratio((values * actual).sum(keepdims=True), actual.sum(keepdims=True))[0])
        seen = np.ones(len(true), dtype=bool) if self.separate else (answered + actual) > 0
        return float(values[seen].mean())


class Precision(_Counted, positional=("threshold",)):
    """TP / (TP + FP): true positives / all answered as positive. Settings as in ``_Counted``.

    Sources: van Rijsbergen, "Information retrieval", 2nd edition, 1979, chapter 7; for the averages Sokolova and
    Lapalme, "A systematic analysis of performance measures for classification tasks", 2009.

    >>> metric = Precision()
    >>> metric.update(np.array([1, 0, 1]), np.array([[0.9], [0.8], [0.3]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.5
    """

    name = "precision"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return _ratio(true, answered)


class Recall(_Counted, positional=("threshold",)):
    """TP / (TP + FN): true positives / all that are positive. Settings as in ``_Counted``.

    Sources: as ``Precision``, 1979 and 2009.

    >>> metric = Recall(average="macro")
    >>> metric.update(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1]))
    >>> metric.result()
    0.75
    """

    name = "recall"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return _ratio(true, actual)


class F1(_Counted):
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN). Settings as in ``_Counted``.

    Van Rijsbergen's effectiveness is 1 - F1. Sources: as ``Precision``, 1979 and 2009.

    >>> metric = F1()
    >>> metric.update(np.array([1, 0, 1]), np.array([[0.9], [0.8], [0.7]]), np.array([0, 0, 0]))
    >>> metric.result()
    0.8
    """

    name = "f1"

    def _value(self, true: NDArray, answered: NDArray, actual: NDArray) -> NDArray[np.float64]:
        return _ratio(2 * true, answered + actual)


class AUC(_Decided, positional=()):
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
            score, truth = outputs, _like(y, outputs, self.name) > 0.5
        else:
            n = outputs.shape[1]
            kept = np.arange(n) if n > 2 else np.array([1])
            score, truth = outputs[:, kept], _labels(y, outputs, self.name)[:, None] == kept
        self.scores.append(score.copy())  # the caller uses its buffer again
        self.truths.append(truth)

    def result(self) -> float:
        if not self.scores:
            return float("nan")
        scores, truths = np.concatenate(self.scores), np.concatenate(self.truths)
        return float(np.mean([_area(score, truth) for score, truth in zip(scores.T, truths.T, strict=True)]))


class LogLoss(_Decided):
    """Mean of -log p of what was true, p cut to [eps, 1 - eps] of the outputs' type, as in scikit-learn.

    One output, and several of a binary loss: -(y log p + (1 - y) log(1 - p)), the mean of all elements. Otherwise
    -sum_k y_k log p_k for each row, y a label or a row of probabilities; p is divided by its sum first, as in Keras'
    crossentropies.

    Source: Good, "Rational decisions", JRSS B 14, 1952.

    >>> metric = LogLoss()
    >>> metric.update(np.array([1, 0]), np.array([[0.5], [0.5]]), np.array([0, 0]))
    >>> round(metric.result(), 4)
    0.6931
    """

    name = "log_loss"

    def _check_answers(self, y: NDArray, name: str) -> None:
        good = (y >= 0) & (y <= 1)
        if not good.all():
            raise ValueError(f"metric {self.name!r} needs targets from 0 to 1, but {name} has {y[~good][0]}")

    def reset(self) -> None:
        self.sum, self.total = 0.0, 0

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        least = np.finfo(outputs.dtype).eps if outputs.dtype.kind == "f" else np.finfo(np.float64).eps
        p = outputs.astype(np.float64)
        if not self._elementwise(outputs.shape[1]):
            total = p.sum(axis=1, keepdims=True)
            p /= np.where(total == 0, 1, total)
        p = np.clip(p, least, 1 - least)
        if self._elementwise(outputs.shape[1]):
            t = _like(y, outputs, self.name).astype(np.float64)
            values = -(t * np.log(p) + (1 - t) * np.log1p(-p))
        elif y.size == len(y):
            values = -np.log(np.take_along_axis(p, _labels(y, outputs, self.name)[:, None], axis=1))
        else:
            values = -(_like(y, outputs, self.name) * np.log(p)).sum(axis=1)
        self.sum += float(values.sum())
        self.total += values.size

    def result(self) -> float:
        return self.sum / self.total if self.total else float("nan")


# -- regression --------------------------------------------------------------------------------------------------------


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
        errors = outputs.astype(np.float64) - _like(y, outputs, self.name)
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
        t = _like(y, outputs, self.name).astype(np.float64)
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


class FromFunction(Metric):
    """A user's own function (y, outputs) -> number, or one number for each sample, whose mean counts.

    It is called once, with all samples: y as given to ``fit``, in rows, and outputs (samples, outputs). scikit-learn's
    metrics will do.

    >>> metric = FromFunction(lambda y, outputs: np.abs(y - outputs).max(), name="worst")
    >>> metric.update(np.array([[1.0], [2.0]]), np.array([[1.5], [2.0]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    function: Callable[[NDArray, NDArray], Any]  # type: ignore[misc] # ``name`` comes last, see Settings

    def prepare(self, loss: Loss, outputs: int) -> None:
        """The function knows what it takes."""

    def reset(self) -> None:
        self.parts: list[tuple[NDArray, NDArray]] = []

    def update(self, y: ArrayLike, outputs: ArrayLike, classes: ArrayLike | None = None) -> None:
        self.parts.append((np.array(y), np.array(outputs)))

    def result(self) -> float:
        if not self.parts:
            return float("nan")
        y, outputs = (np.concatenate(parts) for parts in zip(*self.parts, strict=True))
        values = np.asarray(self.function(y, outputs))
        if values.dtype.kind not in "fiub" or values.ndim > 2 or (values.ndim and len(values) != len(outputs)):
            raise ValueError(
                f"metric {self.name!r} must return a number, or one for each of the {len(outputs)} samples, got"
                f" {values!r}"
            )
        return float(values.mean(dtype=np.float64))


def as_metric(given: Any) -> Any:
    """A function becomes a Metric of its name; all else is left to the catalogue."""
    if callable(given) and not isinstance(given, (type, Metric)):
        return FromFunction(function=given, name=getattr(given, "__name__", "metric"))
    return given


# -- a function --------------------------------------------------------------------------------------------------------


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Any] | NDArray | None = None
) -> NDArray[np.int64]:
    """Counts (classes, classes): row i, column j holds the samples of class i that were answered as class j.

    y_true: labels (rows,) or (rows, 1), whole numbers or text, or one-hot rows. y_pred: labels too, or the outputs of a
    model: (rows, classes), of which the largest counts, or (rows, 1), which is class 1 above 0.5 (where all are whole
    numbers, they are labels). classes: the labels in the wanted order; by default all that occur, sorted, or
    0 .. classes - 1 for outputs. Real-valued targets and rows of several labels raise ValueError, as in scikit-learn.

    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 1],
           [0, 0, 1]])
    >>> confusion_matrix(["cat", "dog"], ["dog", "dog"], classes=["dog", "cat"])
    array([[1, 0],
           [1, 0]])
    """
    true, count = _as_labels(y_true, "y_true", outputs=False)
    answers, outputs = _as_labels(y_pred, "y_pred", outputs=True)
    if len(true) != len(answers):
        raise ValueError(f"y_true has {len(true)} rows but y_pred has {len(answers)}; they must be equal")
    if outputs == 1:  # one output that is sure of all rows, or labels
        answered = np.isin(answers, (0, 1)).all() and true.dtype.kind in NUMBERS and np.isin(true, (0, 1)).all()
        outputs = 2 if answered else 0
    most = max(count, outputs)
    if classes is not None:
        table = np.asarray(classes)
        if table.ndim != 1 or len(np.unique(table)) < len(table):
            raise ValueError(f"classes must be a list of different labels, got {classes!r}")
    elif most and true.dtype.kind in "biuf":
        both = np.concatenate([true, answers])
        if both.size and (both.min() < 0 or both.max() >= most):
            raise ValueError(
                f"labels must lie in 0 .. {most - 1} beside {most} outputs, got {both.min()} to {both.max()}"
            )
        table = np.arange(most)
    else:
        if (true.dtype.kind in "biuf") != (answers.dtype.kind in "biuf"):
            raise TypeError(f"y_true holds {true.dtype} but y_pred {answers.dtype}; both must hold the same labels")
        table = np.unique(np.concatenate([true, answers]))
    order = np.argsort(table, kind="stable")
    places = []
    for name, labels in (("y_true", true), ("y_pred", answers)):
        at = np.minimum(np.searchsorted(table[order], labels), max(len(table) - 1, 0))
        found = table[order][at] == labels if len(table) else np.zeros(len(labels), dtype=bool)
        if not np.all(found):
            strange = labels[~found][0]
            raise ValueError(
                f"{name} has the label {strange.item()!r}, which is not in classes {table.tolist()}; add it"
            )
        places.append(order[at])
    n = len(table)
    return np.bincount(places[0] * n + places[1], minlength=n * n).reshape(n, n).astype(np.int64)


def _as_labels(values: ArrayLike, name: str, outputs: bool) -> tuple[NDArray, int]:
    """Labels (rows,), and how many classes rows of outputs stand for; 1 for a column of whole floats, else 0."""
    array = plain(values, name)
    if array.dtype.kind == "O":
        array = np.array(array.tolist())
        mixed = array.dtype.kind in "US" and not all(isinstance(one, (str, bytes)) for one in plain(values, name).flat)
        if array.dtype.kind == "O" or mixed:
            raise TypeError(f"{name} must hold labels of one kind, numbers or text, and none may be missing")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
        raise ValueError(f"{name} has shape {array.shape}, expected labels (rows,) or outputs (rows, classes)")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} has the value {array[~np.isfinite(array)][0]}, which is not finite")
    if array.ndim == 2 and array.shape[1] > 1:
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"{name} has rows of {array.shape[1]}, which must be numbers, got dtype {array.dtype}")
        if not outputs or ((array == 0) | (array == 1)).all():
            _check_one_hot(array, name)
        return array.argmax(axis=1), array.shape[1]
    labels = array.reshape(-1)
    strange = labels != np.floor(labels) if array.dtype.kind == "f" else np.zeros(0, dtype=bool)
    column = outputs and array.ndim == 2 and array.dtype.kind == "f"
    if not strange.any():
        return labels, int(column)
    if column:
        return (labels > 0.5).astype(np.int64), 2
    hint = f"expected labels, which are whole numbers; {REGRESSION}"
    if outputs:
        hint = (
            "which is no label; for the outputs of a model with one output pass an array of shape (rows, 1), for"
            f" instance {name}.reshape(-1, 1)"
        )
    raise ValueError(f"{name} has {labels[strange][0]}, {hint}")


def _check_one_hot(array: NDArray, name: str) -> None:
    """One 1 in each row, and zeros."""
    ones = np.count_nonzero(array == 1, axis=1)
    good = (ones == 1) & (np.count_nonzero(array, axis=1) == 1)
    if good.all():
        return
    row = int(np.argmin(good))
    if ((array[row] == 0) | (array[row] == 1)).all():
        raise ValueError(
            f"{name} has {ones[row]} labels in row {row}, expected one; for several labels in a row make a matrix for"
            " each, confusion_matrix(y_true[:, j], y_pred[:, j])"
        )
    raise ValueError(f"{name} has the row {array[row].tolist()} (row {row}), expected labels or one-hot rows")


# -- helpers -----------------------------------------------------------------------------------------------------------


def _labels(y: NDArray, outputs: NDArray, name: str) -> NDArray[np.int64]:
    """The true class of each row, from labels or one-hot rows."""
    _check_several(name, outputs.shape[1])
    labels = y.reshape(len(y)) if y.size == len(y) else _like(y, outputs, name).argmax(axis=1)
    return labels.astype(np.int64, copy=False)


def _like(y: NDArray, outputs: NDArray, name: str) -> NDArray:
    """y in the shape of the outputs."""
    if y.shape != outputs.shape and (y.ndim != 1 or y.size != outputs.size):
        raise ValueError(f"metric {name!r} needs a target for each output: y is {y.shape}, the outputs {outputs.shape}")
    return y.reshape(outputs.shape)


def _check_classes(metric: str, y: NDArray, outputs: int, name: str) -> None:
    """One class for each row: a label, or the largest of a row of shares, which add up to 1."""
    _check_several(metric, outputs)
    if y.size == len(y):
        good = (y >= 0) & (y < outputs) & (y == np.floor(y)) if y.dtype.kind != "b" else y >= 0
        if not good.all():
            raise ValueError(
                f"metric {metric!r} needs labels from 0 to {outputs - 1}, but {name} has {y[~good][0]}; {REGRESSION}"
            )
        return
    if y.shape[1] != outputs:
        raise ValueError(f"metric {metric!r} needs labels or {outputs} columns of targets, {name} has shape {y.shape}")
    good = (y >= 0).all(axis=1) & (np.abs(y.sum(axis=1, dtype=np.float64) - 1) < 0.01)  # 0.01: halves, rounded
    if not good.all():
        row = int(np.argmin(good))
        what = f"the row {y[row].tolist()}"
        hint = REGRESSION
        if ((y[row] == 0) | (y[row] == 1)).all():
            what = f"{np.count_nonzero(y[row])} labels"
            hint = "for several labels in a row use loss='binary_crossentropy', where each output is an answer"
        raise ValueError(f"metric {metric!r} needs one class for each row, but {name} has {what} in row {row}; {hint}")


def _check_several(name: str, outputs: int) -> None:
    if outputs < 2:
        raise ValueError(f"metric {name!r} needs an output for each class, got 1 output; use 'binary_accuracy'")


def _ratio(above: NDArray, below: NDArray) -> NDArray[np.float64]:
    return np.where(below > 0, above / np.maximum(below, 1), 0.0)


def _area(score: NDArray, truth: NDArray[np.bool_]) -> float:
    positives = int(np.count_nonzero(truth))
    negatives = len(truth) - positives
    if not positives or not negatives or np.isnan(score).any():
        return float("nan")
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1, equal scores share their mean
    return (float(ranks[group[truth]].sum()) - positives * (positives + 1) / 2) / (positives * negatives)


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
