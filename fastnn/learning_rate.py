"""The learning rate range test: which rate is worth a try?"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics import backend
from fastnn.basics.checks import number, whole
from fastnn.data import check_rows
from fastnn.errors import NotCompiledError
from fastnn.schedules import Schedule

if TYPE_CHECKING:
    from fastnn.models.sequential import Sequential

Array = NDArray[np.float64]
TOO_HIGH = 4.0  # times the best smoothed loss ends the test


class RangeTest:
    """What ``find_learning_rate`` returns.

    rates: of the steps that were made; losses: smoothed ones; raw_losses: as they were. suggestion: the same as
    ``valley``, the rate in the middle of the longest descent of the losses. ``steepest``: where the loss falls fastest
    over the logarithm of the rate. Both as in fastai.
    """

    def __init__(self, rates: Array, losses: Array, raw_losses: Array) -> None:
        self.rates, self.losses, self.raw_losses = rates, losses, raw_losses

    @property
    def suggestion(self) -> float:
        """A rate to begin with."""
        return self.valley

    @property
    def valley(self) -> float:
        """In the middle of the longest falling subsequence of the smoothed losses."""
        first, last = _longest_descent(self.losses)
        third = (last - first) / 3
        return float(self.rates[first + int(third) + int(third / 2)])

    @property
    def steepest(self) -> float:
        """The rate before the steepest fall, the first tenth of the steps left out, as the smoothing begins there."""
        skip = len(self.losses) // 10
        slopes = np.diff(self.losses[skip:]) / np.diff(np.log(self.rates[skip:]))
        return float(self.rates[skip + int(slopes.argmin())])

    def __repr__(self) -> str:
        return (
            f"<RangeTest of {len(self.rates)} rates from {self.rates[0]:.3g} to {self.rates[-1]:.3g};"
            f" suggestion {self.suggestion:.3g}>"
        )


class _Sweep(Schedule):
    """first (last / first)^((t - begin) / (steps - 1))."""

    first: float
    last: float
    begin: int
    steps: int

    def rates(self, t: Array) -> Array:
        return self.first * (self.last / self.first) ** ((t - self.begin) / (self.steps - 1))


def find_learning_rate(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    batch_size: int = 32,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    sample_weight: ArrayLike | None = None,
    smoothing: float = 0.98,
) -> RangeTest:
    """Trains a copy of the model for some steps with a rate that grows from start to end, and records the losses.

    Step i has the rate start (end / start)^(i / (steps - 1)). The losses are smoothed by a moving average with factor
    ``smoothing``, divided by 1 - smoothing^(i + 1) to correct its beginning; the test ends early where that exceeds
    four times its least value so far, or where a loss is not finite. The model must be compiled; it is left as it was:
    weights, optimizer, random numbers. Sources: Smith, "Cyclical learning rates for training neural networks", WACV
    2017; smoothing and suggestions as in fastai.

    >>> import fastnn
    >>> from fastnn.layers import Dense, Input
    >>> X, y = fastnn.datasets.digits()
    >>> model = fastnn.Sequential([Input(64), Dense(30, "relu"), Dense(10, "softmax")], rng=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> found = find_learning_rate(model, X / 16, y)
    >>> 0.001 < found.suggestion < 5
    True
    """
    optimizer, program = model.optimizer, model.program
    if model.loss is None or optimizer is None:
        raise NotCompiledError("call model.compile(optimizer=..., loss=...) before find_learning_rate")
    batch_size, steps = whole("batch_size", batch_size, 1), whole("steps", steps, 10)
    if not 0 < start < end < np.inf:
        raise ValueError(f"0 < start < end is needed, got start={start!r} and end={end!r}")
    smoothing = number("smoothing", smoothing, 0, below=1)
    source, target = model.door.features(x), model.door.targets(y)
    check_rows(source, "X", target, "y")
    factors = model.door.sample_weight(sample_weight, len(source))

    network = model.network.copy()
    network.leave_average()
    rule = copy.copy(optimizer)
    rule.learning_rate = sweep = _Sweep(start, end, model.iterations, steps)
    numbers = np.arange(model.iterations + 1, model.iterations + steps + 1)
    rates, scalars = sweep(numbers - 1), rule.all_scalars(numbers).astype(model.dtype)

    n = len(source)
    batch = min(batch_size, n)
    threads = backend.threads_for(program.cost(batch))
    per_epoch = -(-n // batch)
    raw, smooth = np.empty(steps), np.empty(steps)
    average, best, done, end_of = 0.0, np.inf, 0, ""
    for i in range(steps):
        if i % per_epoch == 0:
            order = network.permutation(network.epochs + 1 + i // per_epoch, n)
        first = i % per_epoch * batch
        finished = network.engine.run_steps(
            source,
            target,
            factors,
            order,
            first,
            1,
            batch,
            scalars[i : i + 1],
            raw[i : i + 1],
            None,
            network.seed,
            threads,
        )
        if not finished:
            end_of = "the loss is not finite"
            break
        average = smoothing * average + (1 - smoothing) * raw[i]
        smooth[i] = average / (1 - smoothing ** (i + 1))
        done = i + 1
        best = min(best, smooth[i])
        if smooth[i] > best + (TOO_HIGH - 1) * abs(best):  # losses may be negative
            end_of = f"the smoothed loss has grown from {best:.3g} to {smooth[i]:.3g}"
            break
    if done < 5:
        raise ArithmeticError(
            f"after {done} steps, at the rate {rates[min(done, steps - 1)]:.3g}, {end_of}; begin at a lower rate than"
            f" start={start:g}, or scale the features"
        )
    return RangeTest(rates[:done].copy(), smooth[:done].copy(), raw[:done].copy())


def _longest_descent(losses: Array) -> tuple[int, int]:
    """Begin and end of the longest falling subsequence; the begin is its length before the end, as in fastai.

    >>> _longest_descent(np.array([9.0, 5.0, 4.0, 3.0, 8.0]))
    (0, 3)
    """
    length = np.ones(len(losses), dtype=np.int64)
    for i in range(1, len(losses)):
        longer = length[:i][losses[:i] > losses[i]]
        length[i] = 1 + (longer.max() if longer.size else 0)
    last = int(length.argmax())
    return max(last - int(length[last]), 0), last
