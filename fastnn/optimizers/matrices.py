"""Optimizers that look at a whole weight before they change any number of it: at its norm, its rows, its directions.

They get kernels as matrices (rows, columns), or several of them (matrices, rows, columns), and all else as vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from fastnn.activations import Array
from fastnn.basics.checks import whole
from fastnn.constraints import norm
from fastnn.optimizers.base import LEAST_EPSILON, Optimizer, Scalars, Steps, average, columns, fullness, patterns


class Lamb(Optimizer):
    """Adam whose step on each weight is as long as the rate times the norm of the weight: for large batches.

    m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon); w <- w - a
    |w| / |u| u, and w - a u where one of the norms is zero, as that of a bias at its start. Epsilon is 1e-7, as in
    Keras. Source: You et al., "Large batch optimization for deep learning", ICLR 2020.

    >>> w, slots = np.array([3.0, 4.0]), [np.zeros(2), np.zeros(2)]
    >>> one = Lamb(0.1); one.update(w, np.array([1.0, -1.0]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([2.646, 4.354])
    """

    name = "lamb"
    learning_rate: float | Callable[[int], float] = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    @property
    def kernel(self) -> int:
        return 16

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        out = columns(rates, self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, self.epsilon)
        return np.column_stack([out, 1 / fullness(self.beta_1, steps), 1 / fullness(self.beta_2, steps)])

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon, full_1, full_2 = h
        m, v = slots[:2]
        average(m, beta_1, one_minus_beta_1, g)
        average(v, beta_2, one_minus_beta_2, g * g)
        u = m * full_1 / (np.sqrt(v * full_2) + epsilon)
        length, step = norm(w), norm(u)
        ratio = length / step if length > 0 and step > 0 else 1.0
        w -= w.dtype.type(rate * ratio) * u


class Adafactor(Optimizer):
    """Adagrad's scale from the means of rows and columns, with steps relative to the size of the weight.

    Of a matrix, r <- b r + (1 - b) mean over columns of (g^2 + epsilon_1), c the same over rows, v = r c / mean r; of a
    vector v <- b v + (1 - b) (g^2 + epsilon_1); b = 1 - t^beta_2_decay. u = g / sqrt(v); w <- w - a_t max(epsilon_2,
    rms(w)) u / max(1, rms(u) / clip_threshold), with a_t = min(a, 1 / sqrt(t)).

    Kernels of convolutions are a matrix for each tap, as in Keras. Kept is v, of which r and c are the means. As in
    Keras, relative_step changes nothing, since a_t is that least one anyway. Source: Shazeer and Stern, "Adafactor:
    adaptive learning rates with sublinear memory cost", ICML 2018.

    >>> w, one = np.array([[3.0, 4.0]]), Adafactor(0.1)
    >>> one.update(w, np.array([[1.0, -1.0]]), [np.zeros((1, 2))], one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([[2.646, 4.354]])
    """

    name = "adafactor"
    learning_rate: float | Callable[[int], float] = 0.001
    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0
    relative_step: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("beta_2_decay", below=0)
        self._numbers("epsilon_1", least=LEAST_EPSILON, below=np.inf)
        self._numbers("epsilon_2", least=0, below=np.inf)
        self._numbers("clip_threshold", above=0)
        self._flags("relative_step")

    @property
    def kernel(self) -> int:
        return 17

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",)

    def matrices(self, path: str, shape: tuple[int, ...]) -> int:
        return int(np.prod(shape[:-2])) if len(shape) > 1 else 0

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        t = steps.astype(np.float64)
        forgotten = t**self.beta_2_decay
        constants = columns(np.minimum(rates, t**-0.5), self.epsilon_1, self.epsilon_2, self.clip_threshold)
        return np.column_stack([constants, 1 - forgotten, forgotten])

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        rate, epsilon_1, epsilon_2, threshold, beta_2, one_minus_beta_2 = (float(one) for one in h)
        v, squares = slots[0], np.square(g, dtype=np.float64) + epsilon_1
        if w.ndim > 1:
            rows, lines = (
                beta_2 * v.mean(axis=axis, keepdims=True, dtype=np.float64)
                + one_minus_beta_2 * squares.mean(axis=axis, keepdims=True)
                for axis in (-1, -2)
            )
            v[...] = rows / rows.mean(axis=-2, keepdims=True) * lines
        else:
            v[...] = beta_2 * v + one_minus_beta_2 * squares
        u = np.divide(g, np.sqrt(v), out=np.zeros_like(g), where=v != 0)
        factor = max(epsilon_2, _rms(w)) / max(1.0, _rms(u) / threshold)
        w -= w.dtype.type(rate * factor) * u


def _rms(x: Array) -> float:
    return float(norm(x)) / sqrt(x.size) if x.size else 0.0


class Muon(
    Optimizer,
    positional=(
        "learning_rate",
        "adam_beta_1",
        "adam_beta_2",
        "adam_weight_decay",
        "epsilon",
        "weight_decay",
        "clipnorm",
        "clipvalue",
        "global_clipnorm",
        "use_ema",
        "ema_momentum",
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
        "name",
        "exclude_layers",
        "exclude_embeddings",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "rms_rate",
    ),
):
    """Momentum whose directions are made equally long, on the kernels of dense layers; Adam on all other weights.

    m <- mu m + g; x = g + mu m with nesterov, else m; x / |x| goes ns_steps times through A = x x^T, x <- a x + (b A +
    c A^2) x, which brings its singular values near 1 (Newton and Schulz); w <- w - lr rms_rate sqrt(max(rows, columns))
    x, without the two factors where rms_rate is None. Vectors and kernels of convolutions are Adam's, with the rate
    times adam_lr_ratio, adam_beta_1, adam_beta_2, epsilon and adam_weight_decay, and so are the layers that
    exclude_layers names (regular expressions, searched in paths such as "dense_2/kernel"; that of the outputs belongs
    there).

    Defaults as in Keras. Sources: Jordan et al., "Muon", 2024; Liu et al., "Muon is scalable for LLM training", 2025.

    >>> w, slots, one = np.eye(2), [np.zeros((2, 2)), np.zeros((2, 2))], Muon(0.1, rms_rate=None)
    >>> one.update(w, np.diag([2.0, -1.0]), slots, one.all_scalars(np.array([1]))[0][:-2]); w.round(3)
    array([[0.931, 0.   ],
           [0.   , 1.111]])
    """

    name = "muon"
    learning_rate: float | Callable[[int], float] = 0.001
    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    adam_weight_decay: float | None = 0.004
    epsilon: float = 1e-7
    exclude_layers: tuple[str, ...] = ()
    exclude_embeddings: bool = True
    muon_a: float = 3.4445
    muon_b: float = -4.7750
    muon_c: float = 2.0315
    adam_lr_ratio: float = 1.0
    momentum: float = 0.95
    ns_steps: int = 5
    nesterov: bool = True
    rms_rate: float | None = 0.2
    weight_decay: float | None = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("adam_beta_1", "adam_beta_2", least=0, below=1)
        self._numbers("muon_a", "muon_b", "muon_c")
        self._numbers("adam_lr_ratio", least=0, below=np.inf)
        self._flags("exclude_embeddings")
        for name in ("adam_weight_decay", "rms_rate"):
            if getattr(self, name) is not None:
                self._numbers(name, least=0, below=np.inf)
        whole("Muon: ns_steps", self.ns_steps, 1)
        object.__setattr__(self, "exclude_layers", patterns("Muon: exclude_layers", self.exclude_layers))

    def _lowered(self) -> tuple[Any, ...]:
        return (*super()._lowered(), self.exclude_layers, self.exclude_embeddings, self.ns_steps)

    @property
    def kernel(self) -> int:
        return 18

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")  # of a matrix the second is its last direction

    def matrices(self, path: str, shape: tuple[int, ...]) -> int:
        if len(shape) != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return 0
        return int(not any(re.search(one, path) for one in self.exclude_layers))

    def matrix_cost(self, rows: int, columns: int) -> float:
        least = min(rows, columns)
        return self.ns_steps * 2.0 * least * least * (2 * max(rows, columns) + least)

    def scalars(self, steps: Steps, rates: Scalars) -> Scalars:
        scale = 1.0 if self.rms_rate is None else self.rms_rate
        own = (self.momentum, self.nesterov, self.muon_a, self.muon_b, self.muon_c, self.ns_steps)
        out = columns(rates * scale, *own, self.rms_rate is not None)
        rate = rates * self.adam_lr_ratio
        rate = rate * np.sqrt(fullness(self.adam_beta_2, steps)) / fullness(self.adam_beta_1, steps)
        betas = (self.adam_beta_1, 1 - self.adam_beta_1, self.adam_beta_2, 1 - self.adam_beta_2)
        adam = columns(rate, *betas, self.epsilon)
        return np.column_stack([out, adam, 1 - rates * (self.adam_weight_decay or 0.0)])

    @property
    def vector_decay(self) -> int:
        return 14

    def update(self, w: Array, g: Array, slots: list[Array], h: Array) -> None:
        m, v = slots[:2]
        if w.ndim != 2:
            rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2, epsilon = h[8:14]
            average(m, beta_1, one_minus_beta_1, g)
            average(v, beta_2, one_minus_beta_2, g * g)
            w -= rate * m / (np.sqrt(v) + epsilon)
            return
        rate, mu, nesterov, a, b, c, times, adjusts = h[:8]
        m *= mu
        m += g
        v[...] = orthogonal(g + mu * m if nesterov else m, a, b, c, int(times))
        w -= w.dtype.type(rate * (sqrt(max(w.shape)) if adjusts else 1.0)) * v


def orthogonal(x: Array, a: float, b: float, c: float, times: int) -> Array:
    """x with singular values near 1.

    >>> x = orthogonal(np.array([[3.0, 0.0], [0.0, 0.01]]), 3.4445, -4.775, 2.0315, 5)
    >>> np.linalg.svd(x, compute_uv=False).round(1)
    array([1.2, 0.7])
    """
    tall = len(x) > x.shape[1]
    x = x.T if tall else x
    x = x / x.dtype.type(norm(x) + 1e-7)
    for _ in range(times):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x
