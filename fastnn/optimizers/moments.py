"""Optimizers of two moving averages: Adam and its relatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastnn.activations import Array
from fastnn.basics.checks import whole
from fastnn.optimizers.base import Optimizer, Scalars, Steps, average, columns, fullness


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

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2), np.zeros(2)], Adam(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.9, 1.1])
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
        corrected = rates * np.sqrt(fullness(self.beta_2, steps)) / fullness(self.beta_1, steps)
        return columns(corrected, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon = h
        m, v = slots[:2]
        average(m, beta_1, one_minus_beta_1, g)
        average(v, beta_2, one_minus_beta_2, g * g)
        if self.amsgrad:
            v = np.maximum(slots[2], v, out=slots[2])
        w -= rate * m / (np.sqrt(v) + epsilon)


class AdamW(Adam, positional=("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad")):
    """Adam with decoupled weight decay, w <- w - a weight_decay w before its step: 0.004 as in Keras; PyTorch has 0.01.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2), np.zeros(2)], AdamW(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.9, 1.1])
    """

    name = "adamw"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay is None:
            raise ValueError("AdamW without weight_decay is Adam; give a number of 0 or more")

    weight_decay: float | None = 0.004


class Adamax(_Moments):
    """m <- b1 m + (1 - b1) g; u <- max(b2 u, |g|); w <- w - a / (1 - b1^t) m / (u + epsilon).

    As in Keras; PyTorch adds epsilon to |g|. Source: Kingma and Ba, ICLR 2015, section 7.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2), np.zeros(2)], Adamax(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.9, 1.1])
    """

    name = "adamax"

    @property
    def kernel(self) -> int:
        return 9

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "norm")

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        corrected = rates / fullness(self.beta_1, steps)
        return columns(corrected, self.beta_1, 1 - self.beta_1, self.beta_2, self.epsilon)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, epsilon = h
        m, u = slots[:2]
        average(m, beta_1, one_minus_beta_1, g)
        u *= beta_2
        np.maximum(u, np.abs(g), out=u)
        w -= rate * m / (u + epsilon)


class Nadam(_Moments):
    """Adam with Nesterov's look-ahead, with the paper's momentum schedule mu_t = b1 (1 - 0.96^t / 2).

    m, v as in Adam; w <- w - a (mu_{t+1} m / (1 - mu_1 .. mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 .. mu_t)) / (sqrt(v /
    (1 - b2^t)) + epsilon). As in Keras and PyTorch. Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2), np.zeros(2)], Nadam(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.894, 1.106])
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
        out = columns(rates * self._momentum(t + 1) / (1 - ahead), self.beta_1, 1 - self.beta_1, self.beta_2)
        rest = [np.full(len(t), 1 - self.beta_2), np.full(len(t), self.epsilon)]
        rest += [rates * (1 - self._momentum(t)) / (1 - now), 1 / fullness(self.beta_2, steps)]
        return np.column_stack([out, *rest])

    def _momentum(self, t: Scalars) -> Scalars:
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, ahead, correction = h
        m, v = slots[:2]
        average(m, beta_1, one_minus_beta_1, g)
        average(v, beta_2, one_minus_beta_2, g * g)
        w -= (rate * m + ahead * g) / (np.sqrt(v * correction) + epsilon)


class ScheduleFreeAdamW(_Moments):
    """Adam without momentum on z; the weights of training y lie between z and x, the mean of all z so far.

    v <- b2 v + (1 - b2) g^2; z <- z - a g / (sqrt(v / (1 - b2^t)) + epsilon); x <- (1 - 1/t) x + z / t; y <- (1 - b1) z
    + b1 x, where g is the gradient at y. So no schedule is needed, and no end of the training to be known before. a
    rises from 0 in the first warmup_steps. z begins with the weights, and weight_decay acts on y.

    ``fit`` validates x and leaves it as the weights; the next fit goes on from y. ``train_on_batch`` leaves y. Steps
    are Keras' ones, which evaluates y and leaves it. Source: Defazio et al., "The road less scheduled", NeurIPS 2024.

    >>> w, slots, one = np.array([1.0, 1.0]), [np.zeros(2) for _ in range(3)], ScheduleFreeAdamW(0.1)
    >>> one.update(w, np.array([2.0, -0.5]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([0.9, 1.1])
    """

    name = "schedule_free_adamw"
    learning_rate: float | Callable[[int], float] = 0.0025
    epsilon: float = 1e-8
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("beta_1", above=0, below=1)
        whole("ScheduleFreeAdamW: warmup_steps", self.warmup_steps, 0)
        if self.use_ema:
            raise ValueError("ScheduleFreeAdamW keeps an average of the weights of its own; leave use_ema out")

    @property
    def kernel(self) -> int:
        return 15

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity", "average")

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        warm = np.minimum(steps / self.warmup_steps, 1.0) if self.warmup_steps else 1.0
        out = columns(rates * warm, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, self.epsilon)
        return np.column_stack([out, 1 / fullness(self.beta_2, steps), 1 / steps, steps == 1])

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, correction, weight, first = h
        z, v, x = slots
        if first:
            z[...] = w
        x[...] = (w - one_minus_beta_1 * z) / beta_1
        average(v, beta_2, one_minus_beta_2, g * g)
        z -= rate * g / (np.sqrt(v * correction) + epsilon)
        average(x, 1 - weight, weight, z)
        w[...] = x + one_minus_beta_1 * (z - x)

    def resume(self, x: Array, slots: list[Array]) -> Array:
        """The weights y of training, where x are those that a fit has left."""
        return x + np.asarray(1 - self.beta_1, dtype=x.dtype) * (slots[0] - x)
