"""Schedules: the learning rate as a function of the step, the first step being 0.

A schedule takes the place of the number: ``SGD(learning_rate=Cosine(0.1, 1000))``. It can be called with one step or
with an array of steps, so that millions of steps cost no Python call each. A step is one batch; for a rate that changes
once per epoch multiply by the number of batches in an epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.checks import number, whole
from fastnn.basics.settings import Settings

Numbers = NDArray[np.float64]


class Schedule(Settings):
    """Base of all schedules: subclasses give ``rates``, a formula for an array of steps."""

    @property
    def vectorized(self) -> bool:
        """Whether it takes arrays of steps, which ``Optimizer.rates`` asks; a subclass's own ``__call__`` need not."""
        return type(self).__call__ is Schedule.__call__

    def __call__(self, step: ArrayLike) -> Any:
        """The rate of one step (a float), or of an array of steps (an array)."""
        steps = np.asarray(step, dtype=np.float64)
        rates = np.broadcast_to(self.rates(np.atleast_1d(steps)), steps.shape or (1,))
        return rates.copy() if steps.ndim else float(rates[0])

    def rates(self, t: Numbers) -> Numbers:
        """The rates of the steps t."""
        raise NotImplementedError

    @property
    def settled(self) -> bool:
        """Whether the rates of all steps are known beforehand: a formula of the catalogue that looks at no loss."""
        ours = (Schedule.__module__, "fastnn.optimizers.schedules")
        return type(self).update is Schedule.update and type(self).__module__ in ours

    def update(self, loss: float) -> bool:
        """Told the training loss at the end of each epoch; returns whether training should stop."""
        return False

    def reset(self) -> None:
        """Forgets all losses; nothing to do for a formula of the step."""


class Constant(Schedule):
    """a(t) = rate.

    >>> Constant(0.1)([0, 7])
    array([0.1, 0.1])
    """

    rate: float

    def __post_init__(self) -> None:
        self._numbers("rate", least=0)

    def rates(self, t: Numbers) -> Numbers:
        return np.full(t.shape, float(self.rate))


class Step(Schedule):
    """a(t) = initial factor^floor(t / every): drops at once. As PyTorch's StepLR.

    >>> Step(1.0, factor=0.5, every=10)([0, 9, 10, 25])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    initial: float
    factor: float = 0.1
    every: int = 1000

    def __post_init__(self) -> None:
        self._numbers("initial", "factor", least=0)
        self._numbers("every", above=0)

    def rates(self, t: Numbers) -> Numbers:
        return self.initial * self.factor ** np.floor(t / self.every)


class Exponential(Schedule):
    """a(t) = initial decay_rate^(t / decay_steps), the exponent rounded down with ``staircase``.

    As Keras' ExponentialDecay.

    >>> Exponential(1.0, decay_steps=10, decay_rate=0.25)([0, 5, 10])
    array([1.  , 0.5 , 0.25])
    """

    initial: float
    decay_steps: float = 1000
    decay_rate: float = 0.9
    staircase: bool = False

    def __post_init__(self) -> None:
        self._numbers("initial", "decay_rate", least=0)
        self._numbers("decay_steps", above=0)
        self._flags("staircase")

    def rates(self, t: Numbers) -> Numbers:
        exponent = t / self.decay_steps
        return self.initial * self.decay_rate ** (np.floor(exponent) if self.staircase else exponent)


class InverseTime(Schedule, positional=("initial",)):
    """a(t) = initial / (1 + k t). Keras' InverseTimeDecay, whose decay_rate / decay_steps is k.

    every: t counts only in so many steps at once, Keras' staircase; 0 lets it run. With 1/t decay gradient descent
    converges under the conditions of Robbins and Monro, 1951.

    >>> InverseTime(1.0, k=0.5)([0, 2, 6])
    array([1.  , 0.5 , 0.25])
    """

    initial: float
    k: float = 0.001
    every: float = 0

    def __post_init__(self) -> None:
        self._numbers("initial", "k", "every", least=0)

    def rates(self, t: Numbers) -> Numbers:
        t = np.floor(t / self.every) * self.every if self.every else t
        return self.initial / (1 + self.k * t)


class Polynomial(Schedule):
    """a(t) = (initial - end) (1 - t / steps)^power + end, and end after ``steps``. As Keras' PolynomialDecay.

    cycle: instead of an end, ``steps`` becomes its next multiple that is not passed yet: the rate jumps up again.

    >>> Polynomial(1.0, steps=10, end=0.0, power=2)([0, 5, 10, 11])
    array([1.  , 0.25, 0.  , 0.  ])
    """

    initial: float
    steps: int
    end: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        self._numbers("initial", "end", "power", least=0)
        self._numbers("steps", above=0)
        self._flags("cycle")

    def rates(self, t: Numbers) -> Numbers:
        if self.cycle:
            t = t / np.maximum(np.ceil(t / self.steps), 1)
        return (self.initial - self.end) * (1 - np.minimum(t / self.steps, 1)) ** self.power + self.end


class Cosine(Schedule, positional=("initial", "steps", "alpha")):
    """a(t) = initial ((1 - alpha) (1 + cos(pi t / steps)) / 2 + alpha), and alpha initial after ``steps``.

    warmup: before that, so many steps in which the rate rises linearly from 0 to initial; t counts from their end. As
    Keras' CosineDecay; PyTorch's eta_min is alpha initial. Source: Loshchilov and Hutter, "SGDR", ICLR 2017.

    >>> Cosine(1.0, steps=10)([0, 5, 10, 20]).round(6)
    array([1. , 0.5, 0. , 0. ])
    >>> Cosine(1.0, steps=10, warmup=4)([0, 1, 4, 9]).round(6)
    array([0.  , 0.25, 1.  , 0.5 ])
    """

    initial: float
    steps: int
    warmup: int = 0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("initial", "warmup", "alpha", least=0)
        self._numbers("steps", above=0)

    def rates(self, t: Numbers) -> Numbers:
        part = np.clip((t - self.warmup) / self.steps, 0, 1)
        rates = self.initial * ((1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * part)) + self.alpha)
        return np.where(t < self.warmup, self.initial * t / max(self.warmup, 1), rates)


class CosineRestarts(Schedule):
    """Cosine decay that begins again: period i lasts first t_mul^i steps and begins at initial m_mul^i.

    As Keras' CosineDecayRestarts, alpha as in ``Cosine``. Source: Loshchilov and Hutter, "SGDR: stochastic gradient
    descent with warm restarts", ICLR 2017.

    >>> CosineRestarts(1.0, first=10, t_mul=2, m_mul=0.5)([0, 5, 10, 20, 30]).round(6)
    array([1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    initial: float
    first: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("initial", "m_mul", "alpha", least=0)
        self._numbers("first", above=0)
        self._numbers("t_mul", least=1)

    def rates(self, t: Numbers) -> Numbers:
        periods = t / self.first
        if self.t_mul == 1:
            i = np.floor(periods)
            part = periods - i
        else:
            i = np.floor(np.log(1 + periods * (self.t_mul - 1)) / np.log(self.t_mul))
            whole = periods * (1 + 1e-12)  # a border that was rounded up is a border still
            i += whole >= self._start(i + 1)  # where the logarithm was rounded across one
            i -= whole < self._start(i)
            part = (periods - self._start(i)) / self.t_mul**i
        wave = 0.5 * self.m_mul**i * (1 + np.cos(np.pi * part))
        return self.initial * ((1 - self.alpha) * wave + self.alpha)

    def _start(self, i: Numbers) -> Numbers:
        """Beginning of period i, in first periods."""
        return (self.t_mul**i - 1) / (self.t_mul - 1)


class OneCycle(Schedule):
    """One rise to max_rate in the first pct_start of the steps, one fall far below the start, both by half cosines.

    From max_rate / div_factor to max_rate to max_rate / (div_factor final_div_factor), where it stays. As PyTorch's
    OneCycleLR; the momentum is left alone (cycle_momentum=False there). Source: Smith and Topin, "Super-convergence",
    2018.

    >>> OneCycle(1.0, steps=11, pct_start=0.5)([0, 10, 11]).round(9)
    array([4.e-02, 4.e-06, 4.e-06])
    >>> round(OneCycle(1.0, steps=12, pct_start=0.5)(5), 9)
    1.0
    """

    max_rate: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        self._numbers("max_rate", least=0)
        self._numbers("steps", "div_factor", "final_div_factor", above=0)
        self._numbers("pct_start", least=0, most=1)

    def rates(self, t: Numbers) -> Numbers:
        first = self.max_rate / self.div_factor
        top, last = max(self.pct_start * self.steps - 1, 0.0), self.steps - 1.0
        rise = _half_cosine(first, self.max_rate, t / top if top else np.ones_like(t))
        fall = _half_cosine(self.max_rate, first / self.final_div_factor, (t - top) / max(last - top, 1e-12))
        return np.where(t <= top, rise, fall)


class Triangular(Schedule):
    """Up and down between base and max, step_size steps each way.

    With c = floor(1 + t / (2 step_size)) and x = |t / step_size - 2 c + 1|: a(t) = base + (max - base) max(0, 1 - x) s,
    where s is 1 for mode "triangular", 1 / 2^(c - 1) for "triangular2", gamma^t for "exp_range". As PyTorch's CyclicLR.
    Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    >>> Triangular(0.0, 1.0, step_size=4)([0, 2, 4, 6, 8, 12])
    array([0. , 0.5, 1. , 0.5, 0. , 1. ])
    >>> Triangular(0.0, 1.0, step_size=4, mode="triangular2")([4, 12, 20])
    array([1.  , 0.5 , 0.25])
    """

    base: float
    max: float
    step_size: int
    mode: str = "triangular"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("base", "max", "gamma", least=0)
        self._numbers("step_size", above=0)
        if self.mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"Triangular: mode must be triangular, triangular2 or exp_range, got {self.mode!r}")

    def rates(self, t: Numbers) -> Numbers:
        cycle = np.floor(1 + t / (2 * self.step_size))
        height = np.maximum(0, 1 - np.abs(t / self.step_size - 2 * cycle + 1))
        if self.mode == "triangular2":
            height = height / 2 ** (cycle - 1)
        elif self.mode == "exp_range":
            height = height * self.gamma**t
        return self.base + (self.max - self.base) * height


class Piecewise(Schedule):
    """values[i] up to and including the step boundaries[i], the last value after them.

    As Keras' PiecewiseConstantDecay.

    >>> Piecewise([10, 20], [1.0, 0.5, 0.1])([0, 10, 11, 20, 21])
    array([1. , 1. , 0.5, 0.5, 0.1])
    """

    boundaries: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("boundaries", "values"):
            given = getattr(self, name)
            if not isinstance(given, (tuple, list, np.ndarray)):
                raise TypeError(f"Piecewise: {name} must be a list of numbers, got {given!r}")
            object.__setattr__(self, name, tuple(number(f"Piecewise: each of {name}", value) for value in given))
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"Piecewise needs one value more than boundaries,"
                f" got {len(self.values)} values and {len(self.boundaries)} boundaries"
            )
        if any(b <= a for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"Piecewise: boundaries must increase, got {self.boundaries}")
        if min(self.values) < 0:
            raise ValueError(f"Piecewise: values must be 0 or more, got {self.values}")

    def rates(self, t: Numbers) -> Numbers:
        return np.array(self.values)[np.searchsorted(np.array(self.boundaries), t, side="left")]


class InvScaling(Schedule):
    """a(t) = initial / (t + 1)^power. scikit-learn's "invscaling".

    There MLPClassifier counts samples in the place of steps, and changes the rate at the end of an epoch only.

    >>> InvScaling(1.0)([0, 3, 99])
    array([1. , 0.5, 0.1])
    """

    initial: float
    power: float = 0.5

    def __post_init__(self) -> None:
        self._numbers("initial", "power", least=0)

    def rates(self, t: Numbers) -> Numbers:
        return self.initial / (t + 1) ** self.power


class Adaptive(Schedule, frozen=False):
    """The rate is divided by ``factor`` each time ``patience`` epochs in a row fail to lower the loss by ``tol``.

    scikit-learn's "adaptive": an epoch fails where loss > best - tol. No function of the step: ``update(loss)`` is
    called after each epoch and returns True when the rate is already at ``least`` and should fall again, that is when
    training should stop. Equal to ``initial`` until told anything; ``reset`` goes back there.

    >>> rate = Adaptive(1.0)
    >>> [(rate.update(loss), rate(0))[1] for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
    [1.0, 1.0, 1.0, 0.2, 0.2]
    """

    initial: float
    factor: float = 5.0
    tol: float = 1e-4
    patience: int = 2
    least: float = 1e-6

    def __post_init__(self) -> None:
        self._numbers("initial", "tol", "least", least=0)
        self._numbers("factor", above=1)
        whole("Adaptive: patience", self.patience, 1)
        self.reset()

    def reset(self) -> None:
        """Forgets all losses: the rate is ``initial`` again."""
        self.rate, self.best, self.failures = float(self.initial), float("inf"), 0

    def rates(self, t: Numbers) -> Numbers:
        return np.full(t.shape, self.rate)

    def update(self, loss: float) -> bool:
        loss = float(loss)
        self.failures = 0 if loss <= self.best - self.tol else self.failures + 1  # NaN is a failure
        self.best = min(self.best, loss)
        if self.failures < self.patience:
            return False
        self.failures = 0
        if self.rate <= self.least:
            return True
        self.rate /= self.factor
        return False


class WarmUp(Schedule):
    """Linear from ``start`` to the first rate of ``schedule`` in so many steps, then the schedule from its beginning.

    schedule: any of this module, a number, or a callable step -> rate. Source: Goyal et al., "Accurate, large minibatch
    SGD", 2017.

    >>> WarmUp(Step(1.0, factor=0.5, every=10), steps=4)([0, 2, 4, 13, 14])
    array([0. , 0.5, 1. , 1. , 0.5])
    """

    schedule: float | Schedule | Callable[[int], float]
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("start", least=0)
        self._numbers("steps", above=0)
        if not callable(self.schedule):
            object.__setattr__(self, "schedule", Constant(self.schedule))

    def rates(self, t: Numbers) -> Numbers:
        after = np.maximum(t - self.steps, 0)
        schedule: Any = self.schedule
        if getattr(schedule, "vectorized", False):
            first, rates = schedule(0), schedule(after)
        else:
            first = float(schedule(0))
            rates = np.array([float(schedule(int(step))) for step in after.ravel()]).reshape(t.shape)
        return np.where(t < self.steps, self.start + (first - self.start) * t / self.steps, rates)

    def update(self, loss: float) -> bool:
        return self.schedule.update(loss) if isinstance(self.schedule, Schedule) else False

    def reset(self) -> None:
        if isinstance(self.schedule, Schedule):
            self.schedule.reset()


def _half_cosine(start: float, end: float, part: Numbers) -> Numbers:
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.clip(part, 0, 1)))


__all__ = [
    "Adaptive",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InvScaling",
    "InverseTime",
    "OneCycle",
    "Piecewise",
    "Polynomial",
    "Schedule",
    "Step",
    "Triangular",
    "WarmUp",
]
