"""What all metrics have in common, and metrics of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain, real
from fastnn.basics.settings import Settings

if TYPE_CHECKING:
    from fastnn.losses import Loss


class Metric(Settings, frozen=False, last=True):
    """Base of all metrics: reset(), update() once for each piece of data, result().

    name: the key in ``History.history``, where "val_" may stand before it. dtype: accepted as in Keras, and changes
    nothing: sums are float64, results numbers of Python.

    By hand as in Keras: ``update_state(y_true, y_pred, sample_weight)``, ``result()``, ``reset_state()``, or a call,
    which adds the samples and returns the result over all. ``fit`` and ``evaluate`` give the samples'
    weights to those of ``weighted_metrics`` only.

    >>> from fastnn.metrics import MeanSquaredError
    >>> metric = MeanSquaredError()
    >>> metric.update_state([[0.0], [0.0]], [[1.0], [3.0]], sample_weight=[3.0, 1.0])
    >>> metric.result(), metric([[0.0]], [[0.0]])
    (3.0, 2.4)
    """

    name: str = "metric"
    dtype: Any = None
    _quiet = ("dtype",)
    weighted: ClassVar[float] = 0.0  # the unit of the weights that ``fit`` and ``evaluate`` give; 0: none

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = type(self).name
        self.reset()

    def prepare(self, loss: Loss, outputs: int) -> None:
        """Told once, by ``compile``, which loss and how many outputs the model has; refuses what makes no sense."""
        columns = loss.columns(outputs)
        if loss.targets != "labels" and columns != outputs:
            raise ValueError(
                f"metric {self.name!r} compares each output with a target, but loss {loss.name!r} has {columns} target"
                f" columns for {outputs} outputs; leave the metric out"
            )

    @property
    def own(self) -> bool:
        """Whether code of the user's computes it."""
        return not type(self).__module__.startswith("fastnn.")

    def suits_maps(self, channels: int) -> bool:
        """Whether it means the same for maps of outputs, so many numbers for each pixel, as for one row of them all.

        ``compile`` asks after ``prepare``, where the outputs are maps.
        """
        return True

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

    def doubts(self, loss: Loss) -> bool:
        """Whether ``check_targets`` may refuse what the loss lets in."""
        return type(self).check_targets is not Metric.check_targets

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

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        """``update`` of checked arrays of NumPy's own class; weights: None, (samples,) or of the outputs' shape."""
        raise NotImplementedError

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds samples: outputs of any shape (..., outputs), targets that fit, and their weights."""
        if type(self).update is not Metric.update:
            if sample_weight is not None:
                raise ValueError(f"metric {self.name!r} has an update of its own, which takes no sample_weight")
            self.update(y_true, y_pred)
            return
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        a = a.reshape(1, 1) if not a.ndim else a.reshape(-1, 1) if a.ndim == 1 else a
        w = None if sample_weight is None else _broadcast(real(sample_weight, "sample_weight"), a, self.name)
        if a.ndim > 2 or t.ndim > 2:
            t = t.reshape(-1, t.shape[-1]) if t.ndim == a.ndim and t.shape[-1] == a.shape[-1] else t.reshape(-1)
            a = a.reshape(-1, a.shape[-1])
        t = t.reshape(1) if not t.ndim else t
        if len(t) != len(a):
            raise ValueError(
                f"metric {self.name!r} needs a target for each sample, got y_pred of shape {np.shape(y_pred)} and"
                f" y_true of shape {np.shape(y_true)}"
            )
        self.check_targets(t, a.shape[1], "y_true")
        self.add(t, a, a.argmax(axis=1), w)

    def reset_state(self) -> None:
        """``reset`` by Keras' name."""
        self.reset()

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Adds samples and returns the value over all."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def result(self) -> Any:
        """The value over all samples since ``reset``; NaN where it is not defined."""
        raise NotImplementedError


def _broadcast(weights: NDArray, outputs: NDArray, name: str) -> NDArray[np.float64]:
    """Weights as (samples,), or as (samples, outputs) where they differ within a sample."""
    w, lead = weights.astype(np.float64), outputs.shape[:-1]
    if w.ndim == outputs.ndim and w.shape[-1] == 1:
        w = w[..., 0]
    try:
        if w.ndim == outputs.ndim:
            return np.broadcast_to(w, outputs.shape).reshape(-1, outputs.shape[-1])
        return np.broadcast_to(w.reshape(w.shape + (1,) * (len(lead) - w.ndim)) if w.ndim else w, lead).reshape(-1)
    except ValueError:
        raise ValueError(
            f"metric {name!r}: sample_weight has shape {weights.shape}, expected one that fits the samples, {lead}"
        ) from None


class Averaged(Metric):
    """Base of means over samples, or over all elements: a subclass has ``values``."""

    sum = total = 0.0

    def reset(self) -> None:
        vars(self).update(sum=0.0, total=0)  # past __setattr__, which looks for misspelt names

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        """What the mean is taken of: (samples,), or (samples, outputs)."""
        raise NotImplementedError

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        values, own = self.values(y, outputs, classes), vars(self)
        if weights is None:
            counted = values.dtype.kind == "b"  # no BLAS: its sums depend on its threads
            own["sum"] += float(np.count_nonzero(values) if counted else values.sum(dtype=np.float64))
            own["total"] += values.size
            return
        if values.ndim == 1 and weights.ndim == 2:
            weights = weights.mean(axis=1)
        w = np.broadcast_to(weights.reshape(len(values), -1), values.reshape(len(values), -1).shape)
        own["sum"] += float((values.reshape(w.shape) * w).sum(dtype=np.float64))
        own["total"] += float(w.sum())

    def result(self) -> float:
        return self.sum / self.total if self.total else float("nan")


def add_numbers(metric: Averaged, values: ArrayLike, sample_weight: ArrayLike | None) -> None:
    """Adds numbers of any shape, with weights that fit, to a mean."""
    numbers = real(values, "values").astype(np.float64)
    if sample_weight is None:
        metric.sum += float(numbers.sum())
        metric.total += numbers.size
        return
    w = real(sample_weight, "sample_weight").astype(np.float64)
    if w.ndim == numbers.ndim + 1 and w.shape[-1] == 1:
        w = w[..., 0]
    w = np.broadcast_to(w.reshape(w.shape + (1,) * (numbers.ndim - w.ndim)), numbers.shape)
    metric.sum += float((numbers * w).sum())
    metric.total += float(w.sum())


class MetricFunction:
    """A metric as Keras' function (y_true, y_pred) -> the value of each sample; ``compile`` takes it like its name.

    >>> from fastnn import metrics
    >>> metrics.binary_accuracy([[1, 1], [0, 0]], [[0.9, 0.2], [0.1, 0.3]])
    array([0.5, 1. ])
    """

    def __init__(self, kind: type[Averaged], name: str) -> None:
        self.kind, self.__name__ = kind, name

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, **settings: Any) -> NDArray[Any]:
        """The value of each sample; settings: those of the metric."""
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        lead = a.shape[:-1] if a.ndim > 1 else a.shape
        rows = a.reshape(-1, a.shape[-1] if a.ndim > 1 else 1)
        t = t.reshape(rows.shape) if t.size == a.size else t.reshape(len(rows))
        values = self.kind(**settings).values(t, rows, rows.argmax(axis=1))
        return (values if values.ndim == 1 else values.mean(axis=1)).reshape(lead)

    def __repr__(self) -> str:
        return f"<function {self.__name__} of fastnn.metrics>"


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
    own = True

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


def refuse_labels(metric: Metric, loss: Loss, outputs: int) -> None:
    """For metrics that compare outputs with numbers."""
    if loss.targets == "labels" and outputs > 1:
        raise ValueError(
            f"metric {metric.name!r} compares outputs with numbers, but the targets of loss {loss.name!r} are labels;"
            " use a metric of classification, for instance 'accuracy'"
        )


def like(y: NDArray, outputs: NDArray, name: str) -> NDArray:
    """y in the shape of the outputs."""
    if y.shape != outputs.shape and (y.ndim != 1 or y.size != outputs.size):
        raise ValueError(f"metric {name!r} needs a target for each output: y is {y.shape}, the outputs {outputs.shape}")
    return y.reshape(outputs.shape)
