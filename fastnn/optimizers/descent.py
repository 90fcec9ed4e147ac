"""Gradient descent, with and without a scale for each weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastnn.activations import Array
from fastnn.optimizers.base import Optimizer, Scalars, Steps, average, columns


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
        return columns(rates, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, mu = h
        if not slots:
            w -= rate * g
            return
        v = slots[0]
        v *= mu
        v -= rate * g
        w += mu * v - rate * g if self.nesterov else v


class RMSprop(Optimizer):
    """v <- rho v + (1 - rho) g^2; w <- w - a g / sqrt(v + epsilon).

    With momentum: m <- mu m + a g / sqrt(v + epsilon), w <- w - m. With centered: c <- rho c + (1 - rho) g, and the
    variance of the gradient, v - c^2 (0 where rounding makes it less), takes the place of v in the root. Epsilon stands
    inside the root and defaults to 1e-7, as in Keras; PyTorch adds 1e-8 outside and has rho (alpha) 0.99.

    Sources: Tieleman and Hinton, Coursera lecture 6e, 2012; Graves, "Generating sequences with recurrent neural
    networks", 2013.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2)], RMSprop(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.684, 1.316])
    """

    name = "rmsprop"
    learning_rate: float | Callable[[int], float] = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    @property
    def kernel(self) -> int:
        return (12 if self.centered else 3) + bool(self.momentum)

    @property
    def slots(self) -> tuple[str, ...]:
        more = {"momentum": self.momentum, "average gradient": self.centered}
        return ("velocity", *(name for name, kept in more.items() if kept))

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        return columns(rates, self.rho, 1 - self.rho, self.epsilon, self.momentum)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, rho, one_minus_rho, epsilon, mu = h
        v = slots[0]
        average(v, rho, one_minus_rho, g * g)
        if self.centered:
            c = slots[-1]
            average(c, rho, one_minus_rho, g)
            v = np.maximum(v - c * c, 0)
        step = rate * g / np.sqrt(v + epsilon)
        if self.momentum:
            slots[1] *= mu
            slots[1] += step
            step = slots[1]
        w -= step


class Adagrad(Optimizer):
    """v <- v + g^2, beginning at initial_accumulator_value; w <- w - a g / sqrt(v + epsilon).

    As in Keras; PyTorch begins at 0 and adds epsilon outside the root. Source: Duchi, Hazan, Singer, JMLR 2011.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.full(2, 0.1)], Adagrad(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.901, 1.085])
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
        return columns(rates, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, epsilon = h
        v = slots[0]
        v += g * g
        w -= rate * g / np.sqrt(v + epsilon)


class Adadelta(Optimizer):
    """v <- rho v + (1 - rho) g^2; s = sqrt(u + e) / sqrt(v + e) g; u <- rho u + (1 - rho) s^2; w <- w - a s.

    The default rate 0.001 is Keras' one; the paper and PyTorch have 1. Source: Zeiler, "ADADELTA", 2012.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2), np.zeros(2)], Adadelta(1.0)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.999, 1.001])
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
        return columns(rates, self.rho, 1 - self.rho, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, rho, one_minus_rho, epsilon = h
        v, u = slots[:2]
        average(v, rho, one_minus_rho, g * g)
        step = np.sqrt(u + epsilon) / np.sqrt(v + epsilon) * g
        average(u, rho, one_minus_rho, step * step)
        w -= rate * step


class Lion(Optimizer):
    """w <- w - a sign(b1 m + (1 - b1) g); m <- b2 m + (1 - b2) g. Wants a rate 3 to 10 times smaller than Adam's.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2)], Lion(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.9, 1.1])
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
        return columns(rates, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2 = h
        m = slots[0]
        w -= rate * np.sign(beta_1 * m + one_minus_beta_1 * g)
        average(m, beta_2, one_minus_beta_2, g)


class Ftrl(Optimizer):
    """Follow the regularized leader: weights as a function of all gradients so far, and exact zeros with an L1 penalty.

    n' = n + g^2, beginning at initial_accumulator_value; z <- z + g + 2 s w - (n'^p - n^p) w / a; w <- (clip(z, -l1,
    l1) - z) / (n'^p / a + 2 l2 + beta / a), where p = -learning_rate_power, l1, l2 = the ..._regularization_strength, s
    = l2_shrinkage_regularization_strength. As in Keras: z begins at 0, so that the first step forgets the starting
    weights. Source: McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013.

    >>> w, one = np.array([1.0, 1.0]), Ftrl(0.1, l1_regularization_strength=1.0)
    >>> slots, h = [np.full(2, one.initial), np.zeros(2)], one.all_scalars(np.array([1]))[0][:-2]
    >>> one.update(w, np.array([2.0, -0.5]), slots, h); w.round(3)
    array([0.696, 0.381])
    """

    name = "ftrl"
    learning_rate: float | Callable[[int], float] = 0.001
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    l2_shrinkage_regularization_strength: float = 0.0
    beta: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("learning_rate_power", most=0)
        names = ("initial_accumulator_value", "beta")
        penalties = ("l1", "l2", "l2_shrinkage")
        self._numbers(*names, *(f"{one}_regularization_strength" for one in penalties), least=0, below=np.inf)

    @property
    def kernel(self) -> int:
        return 14

    @property
    def slots(self) -> tuple[str, ...]:
        return ("accumulator", "linear")

    @property
    def initial(self) -> float:
        return self.initial_accumulator_value

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        with np.errstate(divide="ignore"):
            inverse = 1 / np.asarray(rates, dtype=np.float64)
        l2 = 2 * self.l2_regularization_strength + self.beta * inverse
        l1, shrinkage = self.l1_regularization_strength, 2 * self.l2_shrinkage_regularization_strength
        return np.column_stack([columns(inverse, -self.learning_rate_power, l1, shrinkage), l2])

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        inverse, p, l1, shrinkage, l2 = h
        n, z = slots[:2]
        before, after = n**p, (n + g * g) ** p
        z += g + shrinkage * w - (after - before) * inverse * w
        n += g * g
        scale = after * inverse + l2
        np.divide(np.clip(z, -l1, l1) - z, scale, out=w, where=scale != 0)  # 0: no gradient so far
