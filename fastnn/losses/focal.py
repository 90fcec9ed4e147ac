"""Focal losses: crossentropies in which easy samples count less."""

from __future__ import annotations

import numpy as np

from fastnn.activations import Array, LogSoftmax, Sigmoid, Softmax
from fastnn.losses.base import EPSILON
from fastnn.losses.classes import Crossentropy, Smoothed, binary_from_logits, clip, shares, slope_by_outputs


class BinaryFocal(Smoothed, positional=()):
    """Base of both binary focal losses: their settings."""

    binary = True

    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._flags("apply_class_balancing")
        self._numbers("gamma", least=0)
        self._numbers("alpha", least=0, most=1)
        if self.alpha != BinaryFocal.alpha and not self.apply_class_balancing:
            raise ValueError(
                f"{type(self).__name__}: alpha={self.alpha!r} counts only with apply_class_balancing=True; add that"
            )

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing, self.gamma, self.alpha if self.apply_class_balancing else -1.0)

    def weights(self, y: Array) -> Array:
        """alpha for targets of 1, 1 - alpha for those of 0; ones without apply_class_balancing."""
        if not self.apply_class_balancing:
            return np.ones_like(y)
        return y * y.dtype.type(self.alpha) + (1 - y) * y.dtype.type(1 - self.alpha)


class BinaryFocalCrossentropyFromLogits(BinaryFocal):
    """L = mean_k w_k (1 - p_k)^gamma BCE_k, with BCE from the logits z and p = sigmoid(z) for t = 1, sigmoid(-z) for 0.

    What "binary_focal_crossentropy" becomes behind a sigmoid output. Source: Lin et al., "Focal loss for dense object
    detection", ICCV 2017.
    """

    name = "binary_focal_crossentropy_logits"
    kernel = 18
    cost = 400
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Sigmoid().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y, gamma = self.smooth(t, 2), a.dtype.type(self.gamma)
        w, p, not_p = self.weights(y), self.activate(a), self.activate(-a)
        power, miss = _power(y * not_p + (1 - y) * p, gamma)
        ce = binary_from_logits(a, y)
        d = w * power * ((1 - y) * p - y * not_p + gamma * (1 - 2 * y) * (p * not_p / miss) * ce)
        return (w * power * ce).mean(axis=1), d / a.dtype.type(a.shape[1])


class BinaryFocalCrossentropy(
    Crossentropy,
    BinaryFocal,
    positional=("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing"),
):
    """L = mean_k w_k (1 - p_k)^gamma BCE_k, where p = a for t = 1 and 1 - a for t = 0: easy samples count less.

    apply_class_balancing: w = alpha for t = 1 and 1 - alpha for t = 0, else 1; an alpha without it, which Keras
    ignores, is refused. a is clipped as in binary_crossentropy. Computed from the logits when the output activation is
    sigmoid, or with from_logits=True. Source: Lin et al., "Focal loss for dense object detection", ICCV 2017.

    >>> BinaryFocalCrossentropy().evaluate(np.array([[0.5]]), np.array([[1.0]]))[0].round(4)
    array([0.1733])
    """

    name = "binary_focal_crossentropy"
    kernel = 14
    cost = 400
    targets = "probabilities"
    activation = Sigmoid()
    logits = BinaryFocalCrossentropyFromLogits
    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y, gamma = clip(a), self.smooth(t, 2), a.dtype.type(self.gamma)
        w = self.weights(y)
        miss = y * (1 - q) + (1 - y) * q
        ce = -(y * np.log(q) + (1 - y) * np.log(1 - q))
        d = w * miss**gamma * ((q - y) / (q * (1 - q)) + gamma * (1 - 2 * y) * ce / miss)
        d = np.where(a == q, d, 0).astype(a.dtype)
        return (w * miss**gamma * ce).mean(axis=1), d / a.dtype.type(a.shape[1])


class CategoricalFocal(Smoothed, positional=()):
    """Base of both categorical focal losses: their settings."""

    alpha: float = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("alpha", above=0)
        self._numbers("gamma", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing, self.gamma, self.alpha)


class CategoricalFocalCrossentropyFromLogits(CategoricalFocal):
    """L = -sum_k alpha (1 - p_k)^gamma t_k log p_k with p = softmax(z); dL/dz_j = u_j - p_j sum_k u_k, u = dL/dlog p.

    What "categorical_focal_crossentropy" becomes behind a softmax output. Source: Lin et al., "Focal loss for dense
    object detection", ICCV 2017.
    """

    name = "categorical_focal_crossentropy_logits"
    kernel = 19
    elementwise = False
    cost = 400
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        logarithm, gamma = LogSoftmax().forward(a), a.dtype.type(self.gamma)
        y, p = a.dtype.type(self.alpha) * self.smooth(t, t.shape[1]), self.activate(a)
        power, miss = _power(-np.expm1(logarithm), gamma)
        u = y * power * (gamma * logarithm * (p / miss) - 1)
        return -(y * power * logarithm).sum(axis=1), u - p * u.sum(axis=1, keepdims=True)


class CategoricalFocalCrossentropy(
    Crossentropy, CategoricalFocal, positional=("alpha", "gamma", "from_logits", "label_smoothing")
):
    """L = -sum_k alpha (1 - p_k)^gamma t_k log p_k, p = a / sum_j a_j clipped to [1e-7, 1 - 1e-7]. Keras' defaults.

    Computed from the logits when the output activation is softmax, or with from_logits=True. Source: Lin et al., "Focal
    loss for dense object detection", ICCV 2017.

    >>> CategoricalFocalCrossentropy().evaluate(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))[0].round(4)
    array([0.0433])
    """

    name = "categorical_focal_crossentropy"
    kernel = 15
    elementwise = False
    cost = 400
    targets = "probabilities"
    activation = Softmax()
    logits = CategoricalFocalCrossentropyFromLogits
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        p, total = shares(a)
        q, gamma = clip(p), a.dtype.type(self.gamma)
        y = a.dtype.type(self.alpha) * self.smooth(t, t.shape[1])
        power, logarithm = (1 - q) ** gamma, np.log(q)
        g = np.where(p == q, y * power * (gamma * logarithm / (1 - q) - 1 / q), 0).astype(a.dtype)
        return -(y * power * logarithm).sum(axis=1), slope_by_outputs(g, p, total)


def _power(miss: Array, gamma: np.floating) -> tuple[Array, Array]:
    """miss^gamma, and miss itself, kept from 0 so that it can divide."""
    miss = np.maximum(miss, np.finfo(miss.dtype).tiny)
    return miss**gamma, miss
