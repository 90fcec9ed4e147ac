"""Optimizers: formula, state, and the number of the compiled kernel (kernels/optimizers.pxi).

``scalars`` computes the numbers of each step (rates, bias corrections) once, in float64; ``update`` is one step on one
array, in place. Both engines use the same scalars.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array

Scalars = NDArray[np.float64]


@dataclass
class Optimizer:
    """Base of all optimizers. ``learning_rate`` may be changed between and during fits."""

    name: ClassVar[str]
    learning_rate: float

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, 0, np.inf)

    @property
    def kernel(self) -> int:
        raise NotImplementedError

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays, each of the shape of the weights, zero at the start."""
        return ()

    def scalars(self, steps: NDArray[np.int64], rates: Scalars) -> Scalars:
        """The numbers of the steps (counted from 1) with their learning rates: array (len(steps), k)."""
        raise NotImplementedError

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        """One step for the gradient g, in place; h is one row of ``scalars``."""
        raise NotImplementedError


@dataclass
class SGD(Optimizer):
    """Gradient descent, with momentum if asked.

    w <- w - a g; with momentum v <- mu v - a g, w <- w + v; with Nesterov's look-ahead w <- w + mu v - a g.

    The rate a stands inside the velocity, as in Keras; PyTorch multiplies the velocity by it instead, which differs
    when the rate changes during training. Sources: Polyak 1964; Sutskever et al., ICML 2013.

    >>> w = np.array([1.0]); SGD(0.1).update(w, np.array([2.0]), [], np.array([0.1, 0.0])); w
    array([0.8])
    """

    name = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("momentum", self.momentum, 0, 1)

    @property
    def kernel(self) -> int:
        return 0 if not self.momentum else 2 if self.nesterov else 1

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def scalars(self, steps: NDArray[np.int64], rates: Scalars) -> Scalars:
        return _columns(rates, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, mu = h
        if not slots:
            w -= rate * g
            return
        (v,) = slots
        v *= mu
        v -= rate * g
        w += mu * v - rate * g if self.nesterov else v


@dataclass
class RMSprop(Optimizer):
    """v <- rho v + (1 - rho) g^2; w <- w - a g / sqrt(v + epsilon).

    With momentum: m <- mu m + a g / sqrt(v + epsilon), w <- w - m. Epsilon stands inside the root and defaults to 1e-7,
    as in Keras; PyTorch adds 1e-8 outside and has rho (alpha) 0.99. Source: Tieleman and Hinton, Coursera lecture 6e, 2012.
    """

    name = "rmsprop"
    learning_rate: float = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("rho", self.rho, 0, 1)
        _check("momentum", self.momentum, 0, 1)
        _check("epsilon", self.epsilon, 0, np.inf)

    @property
    def kernel(self) -> int:
        return 4 if self.momentum else 3

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity", "momentum") if self.momentum else ("velocity",)

    def scalars(self, steps: NDArray[np.int64], rates: Scalars) -> Scalars:
        return _columns(rates, self.rho, 1 - self.rho, self.epsilon, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, rho, one_minus_rho, epsilon, mu = h
        v = slots[0]
        v *= rho
        v += one_minus_rho * g * g
        step = rate * g / np.sqrt(v + epsilon)
        if self.momentum:
            slots[1] *= mu
            slots[1] += step
            step = slots[1]
        w -= step


@dataclass
class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- w - a_t m / (sqrt(v) + epsilon).

    a_t = a sqrt(1 - b2^t) / (1 - b1^t) corrects the bias of the first steps. Epsilon is the paper's "epsilon hat", 1e-7 as
    in Keras; PyTorch and scikit-learn use 1e-8, PyTorch after the correction of v. Source: Kingma and Ba, "Adam: a method
    for stochastic optimization", ICLR 2015, end of section 2.
    """

    name = "adam"
    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("beta_1", self.beta_1, 0, 1)
        _check("beta_2", self.beta_2, 0, 1)
        _check("epsilon", self.epsilon, 0, np.inf)

    @property
    def kernel(self) -> int:
        return 5

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def scalars(self, steps: NDArray[np.int64], rates: Scalars) -> Scalars:
        t = steps.astype(np.float64)
        corrected = rates * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return _columns(corrected, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon = h
        m, v = slots
        m *= beta_1
        m += one_minus_beta_1 * g
        v *= beta_2
        v += one_minus_beta_2 * g * g
        w -= rate * m / (np.sqrt(v) + epsilon)


def _columns(rates: Scalars, *constants: float) -> Scalars:
    out = np.empty((len(rates), 1 + len(constants)))
    out[:, 0] = rates
    out[:, 1:] = constants
    return out


def _check(name: str, value: float, least: float, below: float) -> None:
    if not least <= value < below:
        raise ValueError(f"{name} must lie in [{least}, {below}), got {value!r}")


ENTRIES: tuple[type[Optimizer], ...] = (SGD, RMSprop, Adam)
