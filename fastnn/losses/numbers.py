"""Losses of numbers: regression, counts, quantiles."""

from __future__ import annotations

import numpy as np

from fastnn.activations import Array
from fastnn.basics.checks import number
from fastnn.losses.base import EPSILON, Loss


class MeanSquaredError(Loss):
    """L = mean_k (a_k - t_k)^2; dL/da_k = 2 (a_k - t_k) / outputs.

    As in Keras and PyTorch; scikit-learn halves it. Its minimum is the mean of the targets. Source: Bishop, "Pattern
    recognition and machine learning", 2006, section 5.2.

    >>> MeanSquaredError().evaluate(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (array([2.]), array([[0., 2.]]))
    """

    name = "mse"
    kernel = 0

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e = a - t
        return (e * e).mean(axis=1), 2 * e / a.dtype.type(a.shape[1])


class MeanAbsoluteError(Loss):
    """L = mean_k |a_k - t_k|; dL/da_k = sign(a_k - t_k) / outputs, 0 at 0.

    As in Keras and PyTorch (L1Loss). Its minimum is the median of the targets. Source: Goodfellow, Bengio, Courville,
    "Deep learning", 2016, section 6.2.1.2.

    >>> MeanAbsoluteError().evaluate(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (array([1.]), array([[0. , 0.5]]))
    """

    name = "mae"
    kernel = 7

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e = a - t
        return np.abs(e).mean(axis=1), np.sign(e) / a.dtype.type(a.shape[1])


class MeanAbsolutePercentageError(Loss):
    """L = 100 mean_k |t_k - a_k| / max(|t_k|, 1e-7); dL/da_k = 100 sign(a_k - t_k) / (max(|t_k|, 1e-7) outputs).

    As in Keras. Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22, 2006.

    >>> MeanAbsolutePercentageError().evaluate(np.array([[1.5, 3.0]]), np.array([[1.0, 4.0]]))
    (array([37.5]), array([[ 50. , -12.5]]))
    """

    name = "mape"
    kernel = 20

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e, scale = a - t, np.maximum(np.abs(t), t.dtype.type(EPSILON))
        values = np.abs(e) / scale
        return 100 * values.mean(axis=1), np.sign(e) / scale * a.dtype.type(100 / a.shape[1])


class MeanSquaredLogarithmicError(Loss):
    """L = mean_k e_k^2 with e = log(1 + max(a, 1e-7)) - log(1 + max(t, 1e-7)); dL/da_k = 2 e_k / (1 + a_k) / outputs.

    The derivative is 0 where a is at most 1e-7. As in Keras. Source: Hyndman and Koehler, "Another look at measures of
    forecast accuracy", International Journal of Forecasting 22, 2006, on scales that are logarithmic.

    >>> MeanSquaredLogarithmicError().evaluate(np.array([[1.0]]), np.array([[3.0]]))[0].round(4)
    array([0.4805])
    """

    name = "msle"
    kernel = 21

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        least = a.dtype.type(EPSILON)
        q = np.maximum(a, least)
        e = np.log(q + 1) - np.log(np.maximum(t, least) + 1)
        d = np.where(a < least, 0, 2 * e / (1 + q)).astype(a.dtype)
        return (e * e).mean(axis=1), d / a.dtype.type(a.shape[1])


class CosineSimilarity(Loss):
    """L = -sum_k u_k v_k with u = a / |a| and v = t / |t|: -1 for the same direction, 0 for a right angle.

    dL/da_k = -(v_k - u_k sum_j u_j v_j) / |a|. Norms are at least 1e-6: zeros stay zeros. As in Keras; PyTorch's
    CosineEmbeddingLoss is 1 more. Source: Salton, Wong, Yang, "A vector space model for automatic indexing",
    Communications of the ACM 18, 1975.

    >>> CosineSimilarity().evaluate(np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))[0]
    array([-0.8])
    """

    name = "cosine_similarity"
    kernel = 22
    elementwise = False

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        (u, length), (v, _) = _unit(a), _unit(t)
        cosine = (u * v).sum(axis=1, keepdims=True)
        turns = (length > LEAST_NORM).astype(a.dtype)
        return -cosine[:, 0], (turns * u * cosine - v) / length


class Huber(Loss):
    """L = mean_k of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = a - t.

    As in Keras and PyTorch (HuberLoss). Source: Huber, "Robust estimation of a location parameter", 1964.

    >>> Huber(1.0).evaluate(np.array([[0.5], [3.0]]), np.zeros((2, 1)))[0]
    array([0.125, 2.5  ])
    """

    name = "huber"
    kernel = 8
    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("delta", above=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.delta,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e, delta = a - t, a.dtype.type(self.delta)
        u = np.abs(e)
        values = np.where(u > delta, delta * (u - delta / 2), e * e / 2)
        return values.mean(axis=1), np.clip(e, -delta, delta) / a.dtype.type(a.shape[1])


class LogCosh(Loss):
    """L = mean_k log cosh(a_k - t_k) = |e| + log(1 + exp(-2 |e|)) - log 2; dL/da_k = tanh(e_k) / outputs.

    Below |e| = 1 as log(1 + 2 sinh(e / 2)^2), where the terms of the other form cancel. Keras' values; PyTorch has
    none. Source: Saleh and Saleh, "Statistical properties of the log-cosh loss function used
    in machine learning", 2022.

    >>> LogCosh().evaluate(np.array([[1.0]]), np.array([[0.0]]))[0].round(4)
    array([0.4338])
    """

    name = "log_cosh"
    kernel = 9

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e = a - t
        u = np.abs(e)
        near = np.log1p(2 * np.sinh(np.minimum(u, 1) / 2) ** 2)
        values = np.where(u < 1, near, u + np.log1p(np.exp(-2 * u)) - a.dtype.type(np.log(2)))
        return values.mean(axis=1), np.tanh(e) / a.dtype.type(a.shape[1])


class Poisson(Loss, positional=("reduction", "name")):
    """L = mean_k a_k - t_k log(a_k + epsilon), for counts t >= 0 and rates a > 0 (exponential or softplus outputs).

    epsilon: 1e-7. As in Keras; PyTorch's default takes log a instead. Source: McCullagh and Nelder, "Generalized linear
    models", 2nd edition, 1989, chapter 6.

    >>> Poisson().evaluate(np.array([[1.0]]), np.array([[2.0]]))[0].round(4)
    array([1.])
    """

    name = "poisson"
    kernel = 10
    targets = "counts"
    epsilon: float = EPSILON

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("epsilon", least=1e-30)  # smaller ones are zero in float32

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        x = a + a.dtype.type(self.epsilon)
        return (a - t * np.log(x)).mean(axis=1), (1 - t / x) / a.dtype.type(a.shape[1])


class Quantile(Loss):
    """Pinball loss: L = mean_jk max(q_k e, (q_k - 1) e) with e = t_j - a_jk, an output for each target j and level q_k.

    Outputs in the order of the targets: all levels of the first, then those of the second. Source: Koenker and Bassett,
    "Regression quantiles", 1978.

    >>> Quantile([0.1, 0.9]).evaluate(np.array([[0.0, 0.0]]), np.array([[1.0]]))[0]
    array([0.5])
    >>> Quantile([0.1, 0.9]).evaluate(np.array([[0.0, 0.0, 0.0, 0.0]]), np.array([[1.0, 2.0]]))[0]
    array([0.75])
    """

    name = "quantile"
    kernel = 16
    elementwise = False
    levels: tuple[float, ...] | float = (0.5,)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.levels if isinstance(self.levels, (tuple, list)) else np.ravel(self.levels)
        levels = tuple(number("Quantile: each of levels", q, above=0, below=1) for q in given)
        if not levels:
            raise ValueError("Quantile: levels is empty; give at least one")
        object.__setattr__(self, "levels", levels)

    @property
    def parameters(self) -> tuple[float, ...]:
        levels = np.ravel(self.levels).tolist()
        return (float(len(levels)), *levels)

    def columns(self, outputs: int) -> int:
        count = np.size(self.levels)
        if outputs % count:
            raise ValueError(
                f"a quantile loss of {count} levels needs {count} outputs for each target, the model has {outputs}"
            )
        return outputs // count

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        count = np.size(self.levels)
        q = np.tile(np.asarray(self.levels, dtype=a.dtype), a.shape[1] // count)
        e = np.repeat(t, count, axis=1) - a
        d = np.where(e > 0, -q, np.where(e < 0, 1 - q, e))
        return np.where(e > 0, q * e, (q - 1) * e).mean(axis=1), d / a.dtype.type(a.shape[1])


class GaussianNLL(Loss):
    """L = mean_k (s_k + (t_k - m_k)^2 exp(-s_k)) / 2: outputs are the means m, then the log variances s of the targets.

    The constant log(2 pi) / 2 is left out, as PyTorch does, which takes the variance itself. Source: Nix and Weigend,
    1994.

    >>> GaussianNLL().evaluate(np.array([[1.0, 0.0]]), np.array([[3.0]]))[0]
    array([2.])
    """

    name = "gaussian_nll"
    kernel = 17
    elementwise = False

    def columns(self, outputs: int) -> int:
        if outputs % 2:
            raise ValueError(
                f"gaussian_nll needs a mean and a log variance for each target, the model has {outputs} outputs"
            )
        return outputs // 2

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        m, s = np.split(a, 2, axis=1)
        root = np.exp(-s / 2)  # the square of e / sigma overflows later than that of e
        e = (m - t) * root
        values = (s + e * e) / 2
        d = np.concatenate([e * root, (1 - e * e) / 2], axis=1)
        return values.mean(axis=1), d / a.dtype.type(t.shape[1])


LEAST_NORM = 1e-6


def _unit(x: Array) -> tuple[Array, Array]:
    """Rows of length 1, and what they were divided by; scaled by the largest first, so that no square overflows."""
    kind = x.dtype.type
    most = np.abs(x).max(axis=1, keepdims=True, initial=0)
    scale = np.where((most > 0) & np.isfinite(most), most, kind(1))
    length = scale * np.sqrt(np.square(x / scale).sum(axis=1, keepdims=True))
    length = np.maximum(length, kind(LEAST_NORM))
    return x / length, length
