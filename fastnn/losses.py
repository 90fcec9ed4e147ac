"""Losses: name, formula, derivative, and the number of the compiled kernel (kernels/losses.pxi).

A loss gives one number for each sample; training minimises their weighted mean over the batch, sum_i w_i L_i / n.
Where the output activation allows, the loss is computed from the logits z: ``from_logits`` gives that version.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Activation, Array, Sigmoid, Softmax
from fastnn.checks import number
from fastnn.settings import Settings

EPSILON = 1e-7  # Keras' clip of probabilities


class Loss(Settings):
    """Base of all losses: evaluate(a, t) gives the loss of each sample and dL/da.

    a: outputs (samples, outputs); t: targets (samples, outputs), or (samples, 1) labels where ``targets`` is "labels".
    """

    name: ClassVar[str]
    kernel: ClassVar[int]
    targets: ClassVar[str] = "numbers"  # or "probabilities", "signs", "counts", "labels": what y may hold
    activation: ClassVar[Activation | None] = None  # the output activation behind which `from_logits` is used
    cost: ClassVar[int] = 150  # of an output, value and derivative, as in ``Program.cost``

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def columns(self, outputs: int) -> int:
        """Columns of y for a network with so many outputs."""
        return 1 if self.targets == "labels" else outputs

    def from_logits(self) -> Loss | None:
        """The version from logits, with the same parameters."""
        return None

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        """Loss of each sample (samples,), and its derivative by a (samples, outputs)."""
        raise NotImplementedError

    def activate(self, a: Array) -> Array:
        """The network's outputs from what evaluate() takes: the identity, but for a loss from logits."""
        return a


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
    """L = mean_k log cosh(a_k - t_k), as |e| + log(1 + exp(-2 |e|)) - log 2; dL/da_k = tanh(e_k) / outputs.

    As in Keras; PyTorch has none. Source: Saleh and Saleh, "Statistical properties of the log-cosh loss function used
    in machine learning", 2022.

    >>> LogCosh().evaluate(np.array([[1.0]]), np.array([[0.0]]))[0].round(4)
    array([0.4338])
    """

    name = "log_cosh"
    kernel = 9

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e = a - t
        u = np.abs(e)
        values = u + np.log1p(np.exp(-2 * u)) - a.dtype.type(np.log(2))
        return values.mean(axis=1), np.tanh(e) / a.dtype.type(a.shape[1])


class Poisson(Loss):
    """L = mean_k a_k - t_k log(a_k + 1e-7), for counts t >= 0 and rates a > 0 (use an exponential or softplus output).

    As in Keras; PyTorch's default takes log a instead. Source: McCullagh and Nelder, "Generalized linear models", 2nd
    edition, 1989, chapter 6.

    >>> Poisson().evaluate(np.array([[1.0]]), np.array([[2.0]]))[0].round(4)
    array([1.])
    """

    name = "poisson"
    kernel = 10
    targets = "counts"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        x = a + a.dtype.type(EPSILON)
        return (a - t * np.log(x)).mean(axis=1), (1 - t / x) / a.dtype.type(a.shape[1])


class Hinge(Loss):
    """L = mean_k max(1 - t_k a_k, 0) for t of -1 and 1; 0 counts as -1, as in Keras for targets of 0 and 1.

    PyTorch's HingeEmbeddingLoss is something else. Source: Cortes and Vapnik, "Support-vector networks", Machine
    Learning 20, 1995.

    >>> Hinge().evaluate(np.array([[0.5], [2.0]]), np.array([[1.0], [-1.0]]))[0]
    array([0.5, 3. ])
    """

    name = "hinge"
    kernel = 11
    targets = "signs"

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = np.where(t != 0, t, a.dtype.type(-1))
        e = 1 - y * a
        d = np.where(e > 0, -y, 0).astype(a.dtype)
        return np.maximum(e, 0).mean(axis=1), d / a.dtype.type(a.shape[1])


class SquaredHinge(Loss):
    """L = mean_k max(1 - t_k a_k, 0)^2 for t of -1 and 1 (0 counts as -1). As in Keras.

    PyTorch's MultiMarginLoss(p=2) is one over classes. Source: Tang, "Deep learning using linear support vector
    machines", 2013.

    >>> SquaredHinge().evaluate(np.array([[0.5], [2.0]]), np.array([[1.0], [-1.0]]))[0]
    array([0.25, 9.  ])
    """

    name = "squared_hinge"
    kernel = 12
    targets = "signs"

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = np.where(t != 0, t, a.dtype.type(-1))
        e = np.maximum(1 - y * a, 0)
        return (e * e).mean(axis=1), -2 * y * e / a.dtype.type(a.shape[1])


class KLDivergence(Loss):
    """L = sum_k t_k log(t_k / a_k), t and a clipped to [1e-7, 1] as in Keras: the divergence of a from t.

    PyTorch's kl_div takes log a and clips nothing. Source: Kullback and Leibler, "On information and sufficiency",
    Annals of Mathematical Statistics 22, 1951.

    >>> KLDivergence().evaluate(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))[0].round(4)
    array([0.6931])
    """

    name = "kl_divergence"
    kernel = 13
    targets = "probabilities"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        least = a.dtype.type(EPSILON)
        q, y = np.clip(a, least, 1), np.maximum(t, least)
        return (y * (np.log(y) - np.log(q))).sum(axis=1), np.where(a == q, -y / q, 0).astype(a.dtype)


class Smoothed(Loss):
    """Base of the crossentropies: label_smoothing s takes 1 - s of the targets and spreads s evenly over the classes.

    Source: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("label_smoothing", least=0, below=1)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing)

    def smooth(self, t: Array, classes: int) -> Array:
        kind = t.dtype.type
        return kind(1 - self.label_smoothing) * t + kind(self.label_smoothing / classes)


class BinaryCrossentropyFromLogits(Smoothed):
    """L = mean_k log(1 + exp(z_k)) - t_k z_k, as max(z, 0) - t z + log(1 + exp(-|z|)).

    dL/dz_k = (sigmoid(z_k) - t_k) / outputs. What "binary_crossentropy" becomes behind a sigmoid output: exact where
    the sigmoid rounds to 0 or 1. PyTorch's BCEWithLogitsLoss. Source: Goodfellow, Bengio, Courville, "Deep learning",
    2016, section 6.2.2.2.
    """

    name = "binary_crossentropy_logits"
    kernel = 2
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Sigmoid().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = self.smooth(t, 2)
        values = np.maximum(a, 0) - y * a + np.log1p(np.exp(-np.abs(a)))
        return values.mean(axis=1), (self.activate(a) - y) / a.dtype.type(a.shape[1])


class BinaryCrossentropy(Smoothed):
    """L = -mean_k [t_k log a_k + (1 - t_k) log(1 - a_k)], a clipped to [1e-7, 1 - 1e-7] as in Keras.

    Computed from the logits when the output activation is sigmoid. PyTorch clips the logarithms at -100 instead,
    scikit-learn a at the spacing of its type. Source: Bishop, "Pattern recognition and machine learning", 2006, section
    4.3.2.

    >>> loss, _ = BinaryCrossentropy().evaluate(np.array([[0.5]]), np.array([[1.0]]))
    >>> loss.round(4)
    array([0.6931])
    """

    name = "binary_crossentropy"
    kernel = 1
    targets = "probabilities"
    activation = Sigmoid()

    def from_logits(self) -> Loss:
        return BinaryCrossentropyFromLogits(self.label_smoothing)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y = _clip(a), self.smooth(t, 2)
        values = -(y * np.log(q) + (1 - y) * np.log(1 - q))
        d = np.where(a == q, (q - y) / (q * (1 - q)), 0).astype(a.dtype)
        return values.mean(axis=1), d / a.dtype.type(a.shape[1])


class CategoricalCrossentropyFromLogits(Smoothed):
    """L = sum_k t_k (log sum_j exp(z_j) - z_k); dL/dz = softmax(z) sum_k t_k - t.

    What "categorical_crossentropy" becomes behind a softmax output; PyTorch's CrossEntropyLoss of probabilities.
    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 6.2.2.3.
    """

    name = "categorical_crossentropy_logits"
    kernel = 4
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = self.smooth(t, t.shape[1])
        total = y.sum(axis=1)
        values = total * _log_sum_exp(a) - (y * a).sum(axis=1)
        return values, self.activate(a) * total[:, None] - y


class CategoricalCrossentropy(Smoothed):
    """L = -sum_k t_k log a_k for one-hot or soft targets t, a clipped to [1e-7, 1 - 1e-7].

    Computed from the logits when the output activation is softmax. Keras also divides a by its sum first, which changes
    nothing for a distribution. Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.3.4.

    >>> loss, _ = CategoricalCrossentropy().evaluate(np.array([[0.25, 0.75]]), np.array([[1.0, 0.0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "categorical_crossentropy"
    kernel = 3
    targets = "probabilities"
    activation = Softmax()

    def from_logits(self) -> Loss:
        return CategoricalCrossentropyFromLogits(self.label_smoothing)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y = _clip(a), self.smooth(t, t.shape[1])
        return -(y * np.log(q)).sum(axis=1), np.where(a == q, -y / q, 0).astype(a.dtype)


class SparseCategoricalCrossentropyFromLogits(Smoothed):
    """L = log sum_j exp(z_j) - z_t for the label t; dL/dz = softmax(z) - onehot(t).

    What "sparse_categorical_crossentropy" becomes behind a softmax output; PyTorch's CrossEntropyLoss of labels.
    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 6.2.2.3.
    """

    name = "sparse_categorical_crossentropy_logits"
    kernel = 6
    targets = "labels"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        kind, s = a.dtype.type, self.label_smoothing
        rows, labels = np.arange(len(a)), t[:, 0].astype(np.intp)
        chosen = kind(1 - s) * a[rows, labels] + (kind(s / a.shape[1]) * a.sum(axis=1) if s else 0)
        return _log_sum_exp(a) - chosen, self.activate(a) - self.smooth(_one_hot(t, a), a.shape[1])


class SparseCategoricalCrossentropy(Smoothed):
    """L = -log a_t for the label t of the sample, a clipped to [1e-7, 1 - 1e-7].

    Computed from the logits when the output activation is softmax. With label smoothing, which Keras lacks here, it is
    the categorical crossentropy of the smoothed one-hot rows. Source: Bishop, "Pattern recognition and machine
    learning", 2006, section 4.3.4.

    >>> loss, _ = SparseCategoricalCrossentropy().evaluate(np.array([[0.25, 0.75]]), np.array([[0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "sparse_categorical_crossentropy"
    kernel = 5
    targets = "labels"
    activation = Softmax()

    def from_logits(self) -> Loss:
        return SparseCategoricalCrossentropyFromLogits(self.label_smoothing)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        return CategoricalCrossentropy(self.label_smoothing).evaluate(a, _one_hot(t, a))


class BinaryFocalCrossentropy(Smoothed):
    """L = mean_k w_k (1 - p_k)^gamma BCE_k, where p = a for t = 1 and 1 - a for t = 0: easy samples count less.

    alpha None: w = 1; else w = alpha for t = 1 and 1 - alpha for t = 0, Keras' apply_class_balancing. a is clipped as
    in binary_crossentropy. Source: Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """

    name = "binary_focal_crossentropy"
    kernel = 14
    cost = 400
    targets = "probabilities"
    gamma: float = 2.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("gamma", least=0)
        if self.alpha is not None:
            self._numbers("alpha", least=0, most=1)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing, self.gamma, -1.0 if self.alpha is None else self.alpha)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y, gamma = _clip(a), self.smooth(t, 2), a.dtype.type(self.gamma)
        w = 1 if self.alpha is None else y * a.dtype.type(self.alpha) + (1 - y) * a.dtype.type(1 - self.alpha)
        miss = y * (1 - q) + (1 - y) * q
        ce = -(y * np.log(q) + (1 - y) * np.log(1 - q))
        d = w * miss**gamma * ((q - y) / (q * (1 - q)) + gamma * (1 - 2 * y) * ce / miss)
        d = np.where(a == q, d, 0).astype(a.dtype)
        return (w * miss**gamma * ce).mean(axis=1), d / a.dtype.type(a.shape[1])


class CategoricalFocalCrossentropy(Smoothed):
    """L = -sum_k alpha (1 - a_k)^gamma t_k log a_k, with Keras' defaults alpha 0.25 and gamma 2.

    Source: Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """

    name = "categorical_focal_crossentropy"
    kernel = 15
    cost = 400
    targets = "probabilities"
    gamma: float = 2.0
    alpha: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("gamma", "alpha", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing, self.gamma, self.alpha)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, gamma = _clip(a), a.dtype.type(self.gamma)
        y = a.dtype.type(self.alpha) * self.smooth(t, t.shape[1])
        power, logarithm = (1 - q) ** gamma, np.log(q)
        d = y * power * (gamma * logarithm / (1 - q) - 1 / q)
        return -(y * power * logarithm).sum(axis=1), np.where(a == q, d, 0).astype(a.dtype)


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
    levels: tuple[float, ...] | float = (0.5,)

    def __post_init__(self) -> None:
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

    def columns(self, outputs: int) -> int:
        if outputs % 2:
            raise ValueError(
                f"gaussian_nll needs a mean and a log variance for each target, the model has {outputs} outputs"
            )
        return outputs // 2

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        m, s = np.split(a, 2, axis=1)
        e, precision = m - t, np.exp(-s)
        values = (s + e * e * precision) / 2
        d = np.concatenate([e * precision, (1 - e * e * precision) / 2], axis=1)
        return values.mean(axis=1), d / a.dtype.type(t.shape[1])


def _clip(a: Array) -> Array:
    least = a.dtype.type(EPSILON)
    return np.clip(a, least, 1 - least)


def _one_hot(t: Array, a: Array) -> Array:
    return np.eye(a.shape[1], dtype=a.dtype)[t[:, 0].astype(np.intp)]


def _log_sum_exp(z: Array) -> NDArray[np.floating]:
    most = z.max(axis=1)
    return most + np.log(np.exp(z - most[:, None]).sum(axis=1))


ENTRIES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    LogCosh,
    Poisson,
    Hinge,
    SquaredHinge,
    KLDivergence,
    BinaryCrossentropy,
    BinaryCrossentropyFromLogits,
    CategoricalCrossentropy,
    CategoricalCrossentropyFromLogits,
    SparseCategoricalCrossentropy,
    SparseCategoricalCrossentropyFromLogits,
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    Quantile,
    GaussianNLL,
)
ALIASES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "logcosh": "log_cosh",
    "kld": "kl_divergence",
    "pinball": "quantile",
}
