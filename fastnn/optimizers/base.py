"""What all optimizers have in common."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.basics.settings import Settings

Scalars = NDArray[np.float64]
Steps = NDArray[np.int64]
LEAST_EPSILON = 1e-30  # smaller ones are zero in float32, and 0 / 0 is no step


class Optimizer(Settings, last=True, frozen=False):
    """Base of all optimizers, and the arguments that all of them have.

    learning_rate: a number, or a callable step -> rate (see ``fastnn.schedules``), the first step being 0; a number
    may be changed between and during fits. weight_decay: decoupled, w <- w - rate weight_decay w before each step,
    biases included (Loshchilov and Hutter, ICLR 2019). clipvalue: each gradient is cut to +-clipvalue. clipnorm: the
    gradient of each variable is scaled to this norm where it is longer; global_clipnorm: that of all variables
    together. use_ema: keeps a moving average of the weights with factor ema_momentum, which replaces the weights at
    the end of a fit.

    Settings may be changed later, with the constructor's checks, except where a compiled model rests on them: clipping,
    use_ema, and what adds or takes away state (amsgrad, a momentum that becomes or was 0, nesterov with momentum, the
    initial accumulator). Changing those raises AttributeError; make a new optimizer and compile again.
    """

    name: ClassVar[str]
    learning_rate: float | Callable[[int], float]
    weight_decay: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99

    def __post_init__(self) -> None:
        if not callable(self.learning_rate) or isinstance(self.learning_rate, type):
            self._numbers("learning_rate", least=0, below=np.inf)
        if self.weight_decay is not None:
            self._numbers("weight_decay", least=0, below=np.inf)
        clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, name) is not None]
        self._numbers(*clips, above=0)
        if len(clips) > 1:
            raise ValueError("only one of clipnorm, clipvalue and global_clipnorm can be set")
        self._numbers(*self._own("ema_momentum", "momentum", "rho", "beta_1", "beta_2"), least=0, below=1)
        self._numbers(*self._own("epsilon"), least=LEAST_EPSILON, below=np.inf)
        self._flags(*self._own("use_ema", "nesterov", "amsgrad"))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._fields:
            super().__setattr__(name, value)
            return
        before, lowered = getattr(self, name), self._lowered()
        object.__setattr__(self, name, value)
        try:
            self.__post_init__()
            if self._lowered() != lowered:
                raise AttributeError(
                    f"{type(self).__name__}: {name} cannot change from {before!r} to {value!r}, since compiled models"
                    " rest on it; make a new optimizer and compile again"
                )
        except BaseException:
            object.__setattr__(self, name, before)
            raise

    def become(self, other: Optimizer) -> None:
        """Takes over the settings of another one of the same kind."""
        self.__dict__.update(other.copied().__dict__)

    def _lowered(self) -> tuple[Any, ...]:
        """What a compiled program has taken from the optimizer."""
        clips = (self.clipnorm, self.clipvalue, self.global_clipnorm)
        return (self.kernel, self.slots, self.initial, *clips, self.use_ema)

    def _own(self, *names: str) -> list[str]:
        """Those names that are settings of this optimizer."""
        return [name for name in names if name in self._fields]

    @property
    def kernel(self) -> int:
        """Number of the compiled kernel."""
        raise NotImplementedError

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays, each of the shape of the weights."""
        return ()

    @property
    def initial(self) -> float:
        """Value of the first state array before the first step; the others begin at zero."""
        return 0.0

    def rates(self, steps: Steps) -> Scalars:
        """The learning rate of each step, counted from 1."""
        rate: Any = self.learning_rate
        if getattr(rate, "vectorized", False):  # a schedule of fastnn.schedules
            return np.asarray(rate(steps - 1), dtype=np.float64)
        if callable(rate):
            return np.array([float(rate(int(step) - 1)) for step in steps])
        return np.full(len(steps), float(rate))

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        """The numbers of the steps (counted from 1) with their learning rates: array (len(steps), k)."""
        raise NotImplementedError

    def all_scalars(self, steps: Steps) -> Scalars:
        """``scalars`` with two more columns: the factors of the moving average and of the decaying weights."""
        rates = self.rates(steps)
        own = self.scalars(steps, rates)
        out = np.empty((len(steps), own.shape[1] + 2))
        out[:, :-2] = own
        out[:, -2] = (steps > 1) * self.ema_momentum  # the average begins with the first weights
        out[:, -1] = 1 - rates * (self.weight_decay or 0.0)
        return out

    def settled(self) -> tuple[Any, ...] | None:
        """The settings that decide ``all_scalars`` of steps to come; None where a function of the user's decides."""
        rate: Any = self.learning_rate
        formulas = (getattr(self, name) for name in ("rates", "scalars", "all_scalars"))
        if not all(getattr(one, "__module__", "").startswith("fastnn.") for one in formulas):
            return None
        return self._key() if not callable(rate) or getattr(rate, "settled", False) else None

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        """One step for the gradient g, in place; h is one row of ``scalars``."""
        raise NotImplementedError


def columns(rates: Scalars, *constants: float) -> Scalars:
    out = np.empty((len(rates), 1 + len(constants)))
    out[:, 0] = rates
    out[:, 1:] = constants
    return out


def average(mean: Array, beta: float, one_minus_beta: float, value: Array) -> None:
    """mean <- beta mean + (1 - beta) value, in place."""
    mean *= beta
    mean += one_minus_beta * value


def fullness(beta: float, steps: Steps) -> Scalars:
    """1 - beta^t: the weight of all samples in a moving average that began with zero."""
    logarithm = log(beta) if beta else -inf
    return -np.expm1(np.maximum(steps * logarithm, -50))  # not below: an underflow would take 100 times as long
