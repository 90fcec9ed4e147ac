"""Keras' schedules, by its names and arguments. The formulas are those of ``fastnn.schedules``."""

from __future__ import annotations

from fastnn import schedules
from fastnn.basics.names import Names
from fastnn.schedules import Numbers, Schedule

LearningRateSchedule = Schedule


class _Decay(Schedule):
    """Base of those that are a schedule of ``fastnn.schedules`` under another name."""

    _quiet = ("name",)

    def same(self) -> Schedule:
        """What it is called in ``fastnn.schedules``; its checks are made here too."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for name in ("decay_steps", "first_decay_steps"):
            if name in self._fields:
                self._numbers(name, above=0)
        self.same()

    def rates(self, t: Numbers) -> Numbers:
        return self.same().rates(t)


class ExponentialDecay(_Decay):
    """a(t) = initial_learning_rate decay_rate^(t / decay_steps), the exponent rounded down with ``staircase``.

    >>> ExponentialDecay(1.0, decay_steps=10, decay_rate=0.25)([0, 5, 10])
    array([1.  , 0.5 , 0.25])
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def same(self) -> Schedule:
        return schedules.Exponential(self.initial_learning_rate, self.decay_steps, self.decay_rate, self.staircase)


class InverseTimeDecay(_Decay):
    """a(t) = initial_learning_rate / (1 + decay_rate t / decay_steps), t / decay_steps rounded down with ``staircase``.

    >>> InverseTimeDecay(1.0, decay_steps=2, decay_rate=1, staircase=True)([0, 1, 2, 3, 6])
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def same(self) -> Schedule:
        self._numbers("decay_rate")
        self._flags("staircase")
        every = self.decay_steps if self.staircase else 0
        return schedules.InverseTime(self.initial_learning_rate, k=self.decay_rate / self.decay_steps, every=every)


class PolynomialDecay(_Decay):
    """a(t) = (initial_learning_rate - end_learning_rate) (1 - t / decay_steps)^power + end_learning_rate.

    After decay_steps it stays there, or begins again with ``cycle``, with decay_steps times 2, 3, and so on.

    >>> PolynomialDecay(1.0, 10, 0.0, cycle=True)([0, 5, 10, 15, 20])
    array([1.  , 0.5 , 0.  , 0.25, 0.  ])
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def same(self) -> Schedule:
        return schedules.Polynomial(
            self.initial_learning_rate, self.decay_steps, self.end_learning_rate, self.power, self.cycle
        )


class PiecewiseConstantDecay(_Decay):
    """values[i] up to and including the step boundaries[i], the last value after them.

    >>> PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])([10, 11, 21])
    array([1. , 0.5, 0.1])
    """

    boundaries: tuple[float, ...]
    values: tuple[float, ...]
    name: str = "PiecewiseConstant"

    def same(self) -> Schedule:
        return schedules.Piecewise(self.boundaries, self.values)


class CosineDecay(_Decay):
    """Half a cosine from the first rate to alpha times it in decay_steps, where it stays.

    warmup_target: the rate rises from initial_learning_rate to it in warmup_steps first, and then decays from there.

    >>> CosineDecay(0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4)([0, 1, 4, 9, 14]).round(6)
    array([0.  , 0.25, 1.  , 0.5 , 0.  ])
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def same(self) -> Schedule:
        self._numbers("initial_learning_rate", "warmup_steps", least=0)
        if self.warmup_target is None:
            return schedules.Cosine(self.initial_learning_rate, self.decay_steps, alpha=self.alpha)
        decay = schedules.Cosine(self.warmup_target, self.decay_steps, alpha=self.alpha)
        if not self.warmup_steps:
            return decay
        return schedules.WarmUp(decay, self.warmup_steps, self.initial_learning_rate)


class CosineDecayRestarts(_Decay):
    """Cosine decay that begins again: period i lasts first_decay_steps t_mul^i and begins at the rate times m_mul^i.

    >>> CosineDecayRestarts(1.0, 10, m_mul=0.5)([0, 5, 10, 20, 30]).round(6)
    array([1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def same(self) -> Schedule:
        return schedules.CosineRestarts(
            self.initial_learning_rate, self.first_decay_steps, self.t_mul, self.m_mul, self.alpha
        )


ENTRIES: tuple[type[Schedule], ...] = (
    ExponentialDecay,
    InverseTimeDecay,
    PolynomialDecay,
    PiecewiseConstantDecay,
    CosineDecay,
    CosineDecayRestarts,
)
NAMES = Names("schedule", Schedule, ENTRIES, {})
serialize, deserialize = NAMES.serialize, NAMES.deserialize

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]
