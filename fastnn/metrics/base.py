"""What all metrics have in common, and metrics of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain, real
from fastnn.basics.settings import Settings

if TYPE_CHECKING:
    from fastnn.losses import Loss


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

    @property
    def own(self) -> bool:
        """Whether code of the user's computes it."""
        return not type(self).__module__.startswith("fastnn.")

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


def as_metric(given: Any) -> Any:
    """A function becomes a Metric of its name; all else is left to the catalogue."""
    if callable(given) and not isinstance(given, (type, Metric)):
        return FromFunction(function=given, name=getattr(given, "__name__", "metric"))
    return given


def like(y: NDArray, outputs: NDArray, name: str) -> NDArray:
    """y in the shape of the outputs."""
    if y.shape != outputs.shape and (y.ndim != 1 or y.size != outputs.size):
        raise ValueError(f"metric {name!r} needs a target for each output: y is {y.shape}, the outputs {outputs.shape}")
    return y.reshape(outputs.shape)
