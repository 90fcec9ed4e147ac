"""Metrics: exact over everything they have seen, never a mean of batch values."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from fastnn.settings import Settings


class Metric(Settings, frozen=False):
    """Base of all metrics: reset(), update() once for each piece of data, result()."""

    name: ClassVar[str]

    def reset(self) -> None:
        raise NotImplementedError

    def update(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        """Adds samples: targets y, outputs (samples, outputs), and the index of each row's largest output."""
        raise NotImplementedError

    def result(self) -> float:
        raise NotImplementedError


class Accuracy(Metric):
    """Share of right answers, as Keras' "accuracy" chooses it.

    One output: (output > 0.5) == y, for several outputs with probabilities as targets of a binary loss too, element by
    element (``binary``). Otherwise the largest output must be the label, or the largest target.

    >>> metric = Accuracy()
    >>> metric.update(np.array([1, 0]), np.array([[0.9], [0.8]]), np.array([0, 0]))
    >>> metric.result()
    0.5
    """

    name = "accuracy"
    binary: bool = False

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.right = self.total = 0

    def update(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> None:
        if self.binary or outputs.shape[1] == 1:
            match = (outputs > 0.5) == (y.reshape(outputs.shape) > 0.5)
        else:
            match = classes == (y.reshape(len(y)) if y.size == len(y) else y.argmax(axis=1))
        self.right += int(np.count_nonzero(match))
        self.total += match.size

    def result(self) -> float:
        return self.right / self.total if self.total else float("nan")


ENTRIES: tuple[type[Metric], ...] = (Accuracy,)
ALIASES = {"acc": "accuracy"}
