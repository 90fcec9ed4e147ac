"""Optimizers: formula, state, and the number of the compiled kernel (kernels/optimizers.pxi).

``scalars`` computes the numbers of each step (rates, bias corrections) once, in float64; ``update`` is one step on one
array, in place. Both engines use the same scalars. The defaults are Keras' ones.
"""

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
        return self._key() if not callable(rate) or getattr(rate, "settled", False) else None

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        """One step for the gradient g, in place; h is one row of ``scalars``."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum if asked.

    w <- w - a g; with momentum v <- mu v - a g, w <- w + v; with Nesterov's look-ahead w <- w + mu v - a g.

    The rate a stands inside the velocity, as in Keras; PyTorch multiplies the velocity by it instead, which differs
    when the rate changes during training. Sources: Polyak 1964; Sutskever et al., ICML 2013.

    >>> w = np.array([1.0]); SGD(0.1).update(w, np.array([2.0]), [], np.array([0.1, 0.0])); w
    array([0.8])
    """

    name = "sgd"
    learning_rate: float | Callable[[int], float] = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    @property
    def kernel(self) -> int:
        return 0 if not self.momentum else 2 if self.nesterov else 1

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return _columns(rates, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, mu = h
        if not slots:
            w -= rate * g
            return
        v = slots[0]
        v *= mu
        v -= rate * g
        w += mu * v - rate * g if self.nesterov else v


class RMSprop(Optimizer, positional=("learning_rate", "rho", "momentum", "epsilon")):
    """v <- rho v + (1 - rho) g^2; w <- w - a g / sqrt(v + epsilon).

    With momentum: m <- mu m + a g / sqrt(v + epsilon), w <- w - m. Epsilon stands inside the root and defaults to 1e-7,
    as in Keras; PyTorch adds 1e-8 outside and has rho (alpha) 0.99. Source: Tieleman and Hinton, Coursera lecture 6e,
    2012.
    """

    name = "rmsprop"
    learning_rate: float | Callable[[int], float] = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    @property
    def kernel(self) -> int:
        return 4 if self.momentum else 3

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity", "momentum") if self.momentum else ("velocity",)

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return _columns(rates, self.rho, 1 - self.rho, self.epsilon, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, rho, one_minus_rho, epsilon, mu = h
        v = slots[0]
        _average(v, rho, one_minus_rho, g * g)
        step = rate * g / np.sqrt(v + epsilon)
        if self.momentum:
            slots[1] *= mu
            slots[1] += step
            step = slots[1]
        w -= step


class Adagrad(Optimizer):
    """v <- v + g^2, beginning at initial_accumulator_value; w <- w - a g / sqrt(v + epsilon).

    As in Keras; PyTorch begins at 0 and adds epsilon outside the root. Source: Duchi, Hazan, Singer, JMLR 2011.
    """

    name = "adagrad"
    learning_rate: float | Callable[[int], float] = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("initial_accumulator_value", least=0)

    @property
    def kernel(self) -> int:
        return 7

    @property
    def slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    @property
    def initial(self) -> float:
        return self.initial_accumulator_value

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return _columns(rates, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, epsilon = h
        v = slots[0]
        v += g * g
        w -= rate * g / np.sqrt(v + epsilon)


class Adadelta(Optimizer):
    """v <- rho v + (1 - rho) g^2; s = sqrt(u + e) / sqrt(v + e) g; u <- rho u + (1 - rho) s^2; w <- w - a s.

    The default rate 0.001 is Keras' one; the paper and PyTorch have 1. Source: Zeiler, "ADADELTA", 2012.
    """

    name = "adadelta"
    learning_rate: float | Callable[[int], float] = 0.001
    rho: float = 0.95
    epsilon: float = 1e-7

    @property
    def kernel(self) -> int:
        return 8

    @property
    def slots(self) -> tuple[str, ...]:
        return ("squares", "steps")

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return _columns(rates, self.rho, 1 - self.rho, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, rho, one_minus_rho, epsilon = h
        v, u = slots[:2]
        _average(v, rho, one_minus_rho, g * g)
        step = np.sqrt(u + epsilon) / np.sqrt(v + epsilon) * g
        _average(u, rho, one_minus_rho, step * step)
        w -= rate * step


class _Moments(Optimizer):
    """What Adam, Adamax and Nadam have in common: the settings, and two moving averages."""

    learning_rate: float | Callable[[int], float] = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")


class Adam(_Moments):
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- w - a_t m / (sqrt(v) + epsilon).

    a_t = a sqrt(1 - b2^t) / (1 - b1^t) corrects the bias of the first steps. With amsgrad the largest v so far takes
    the place of v (Reddi, Kale, Kumar, ICLR 2018). Epsilon is the paper's "epsilon hat", 1e-7 as in Keras; PyTorch
    and scikit-learn use 1e-8, PyTorch after the correction of v. Source: Kingma and Ba, "Adam: a method for
    stochastic optimization", ICLR 2015, end of section 2.
    """

    name = "adam"
    amsgrad: bool = False

    @property
    def kernel(self) -> int:
        return 6 if self.amsgrad else 5

    @property
    def slots(self) -> tuple[str, ...]:
        return (*super().slots, "largest velocity") if self.amsgrad else super().slots

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        corrected = rates * np.sqrt(_fullness(self.beta_2, steps)) / _fullness(self.beta_1, steps)
        return _columns(corrected, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon = h
        m, v = slots[:2]
        _average(m, beta_1, one_minus_beta_1, g)
        _average(v, beta_2, one_minus_beta_2, g * g)
        if self.amsgrad:
            v = np.maximum(slots[2], v, out=slots[2])
        w -= rate * m / (np.sqrt(v) + epsilon)


class AdamW(Adam, positional=("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad")):
    """Adam with decoupled weight decay, w <- w - a weight_decay w before its step: 0.004 as in Keras; PyTorch has 0.01.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    name = "adamw"
    weight_decay: float | None = 0.004


class Adamax(_Moments):
    """m <- b1 m + (1 - b1) g; u <- max(b2 u, |g|); w <- w - a / (1 - b1^t) m / (u + epsilon).

    As in Keras; PyTorch adds epsilon to |g|. Source: Kingma and Ba, ICLR 2015, section 7.
    """

    name = "adamax"

    @property
    def kernel(self) -> int:
        return 9

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "norm")

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        corrected = rates / _fullness(self.beta_1, steps)
        return _columns(corrected, self.beta_1, 1 - self.beta_1, self.beta_2, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, epsilon = h
        m, u = slots[:2]
        _average(m, beta_1, one_minus_beta_1, g)
        u *= beta_2
        np.maximum(u, np.abs(g), out=u)
        w -= rate * m / (u + epsilon)


class Nadam(_Moments):
    """Adam with Nesterov's look-ahead, with the paper's momentum schedule mu_t = b1 (1 - 0.96^t / 2).

    m, v as in Adam; w <- w - a (mu_{t+1} m / (1 - mu_1 .. mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 .. mu_t)) / (sqrt(v /
    (1 - b2^t)) + epsilon). As in Keras and PyTorch. Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    name = "nadam"

    @property
    def kernel(self) -> int:
        return 10

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        t = steps.astype(np.float64)
        first = np.arange(1.0, min(steps[-1] + 1, 20000) + 1)  # beyond, the product is zero for any beta_1 in use
        products = np.cumprod(self._momentum(first))
        now = products[np.minimum(steps, len(products)) - 1]
        ahead = products[np.minimum(steps + 1, len(products)) - 1]
        out = _columns(rates * self._momentum(t + 1) / (1 - ahead), self.beta_1, 1 - self.beta_1, self.beta_2)
        rest = [np.full(len(t), 1 - self.beta_2), np.full(len(t), self.epsilon)]
        rest += [rates * (1 - self._momentum(t)) / (1 - now), 1 / _fullness(self.beta_2, steps)]
        return np.column_stack([out, *rest])

    def _momentum(self, t: Scalars) -> Scalars:
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, ahead, correction = h
        m, v = slots[:2]
        _average(m, beta_1, one_minus_beta_1, g)
        _average(v, beta_2, one_minus_beta_2, g * g)
        w -= (rate * m + ahead * g) / (np.sqrt(v * correction) + epsilon)


class Lion(Optimizer):
    """w <- w - a sign(b1 m + (1 - b1) g); m <- b2 m + (1 - b2) g. Wants a rate 3 to 10 times smaller than Adam's.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.
    """

    name = "lion"
    learning_rate: float | Callable[[int], float] = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.99

    @property
    def kernel(self) -> int:
        return 11

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",)

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return _columns(rates, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2 = h
        m = slots[0]
        w -= rate * np.sign(beta_1 * m + one_minus_beta_1 * g)
        _average(m, beta_2, one_minus_beta_2, g)


LEAST_EPSILON = 1e-30  # smaller ones are zero in float32, and 0 / 0 is no step


def _columns(rates: Scalars, *constants: float) -> Scalars:
    out = np.empty((len(rates), 1 + len(constants)))
    out[:, 0] = rates
    out[:, 1:] = constants
    return out


def _average(mean: Array, beta: float, one_minus_beta: float, value: Array) -> None:
    """mean <- beta mean + (1 - beta) value, in place."""
    mean *= beta
    mean += one_minus_beta * value


def _fullness(beta: float, steps: Steps) -> Scalars:
    """1 - beta^t: the weight of all samples in a moving average that began with zero."""
    logarithm = log(beta) if beta else -inf
    return -np.expm1(np.maximum(steps * logarithm, -50))  # not below: an underflow would take 100 times as long


ENTRIES: tuple[type[Optimizer], ...] = (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion)
