"""Losses of classes: hinges, divergence, crossentropies."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from fastnn.activations import Array, Sigmoid, Softmax
from fastnn.losses.base import EPSILON, Loss


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


class CategoricalHinge(Loss):
    """L = max(n - p + 1, 0) with p = sum_k t_k a_k and n = max_k (1 - t_k) a_k, for one-hot targets t.

    dL/da_k = -t_k where L > 0, and 1 - t_k more at the place of n, the first of equal ones. As in Keras; PyTorch's
    MultiMarginLoss takes the mean over all wrong classes. Source: Crammer and Singer, "On the algorithmic
    implementation of multiclass kernel-based vector machines", JMLR 2, 2001.

    >>> CategoricalHinge().evaluate(np.array([[0.5, 0.25]]), np.array([[1.0, 0.0]]))
    (array([0.75]), array([[-1.,  1.]]))
    """

    name = "categorical_hinge"
    kernel = 23
    elementwise = False
    targets = "probabilities"

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        others = (1 - t) * a
        place = others.argmax(axis=1)
        rows = np.arange(len(a))
        e = others[rows, place] - (t * a).sum(axis=1) + 1
        d = -t
        d[rows, place] += 1 - t[rows, place]
        return np.where(e < 0, e.dtype.type(0), e), np.where(e[:, None] > 0, d, e[:, None] * 0)


class KLDivergence(Loss):
    """L = sum_k t_k log(t_k / a_k), t and a clipped to [1e-7, 1] as in Keras: the divergence of a from t.

    Behind a softmax only: without a sum of one its least value is at outputs of one. PyTorch's kl_div takes log a and
    clips nothing. Source: Kullback and Leibler, "On information and sufficiency",
    Annals of Mathematical Statistics 22, 1951.

    >>> KLDivergence().evaluate(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))[0].round(4)
    array([0.6931])
    """

    name = "kl_divergence"
    kernel = 13
    elementwise = False
    targets = "probabilities"
    outputs = "distributions"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        least = a.dtype.type(EPSILON)
        q, y = np.clip(a, least, 1), np.maximum(t, least)
        return (y * np.log(y / q)).sum(axis=1), np.where(a == q, -y / q, 0).astype(a.dtype)


class Smoothed(Loss, positional=()):
    """Base of all crossentropies: label_smoothing s takes 1 - s of the targets and spreads s evenly over the classes.

    Source: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("label_smoothing", least=0, below=1)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing)

    def smooth(self, t: Array, classes: int) -> Array:
        kind = t.dtype.type
        return kind(1 - self.label_smoothing) * t + kind(self.label_smoothing / classes)


class Limited(Smoothed, positional=()):
    """Base of the crossentropies that scikit-learn's estimators have.

    limited: a value beyond -log of the spacing of its type, the crossentropy of a probability that rounds to 0, counts
    as that: 36.04 in float64, 15.94 in float32. The derivative is that of the loss without a limit. So scikit-learn
    counts, whose probabilities are clipped there.
    """

    limited: bool = False

    def __post_init__(self) -> None:
        self._flags("limited")
        super().__post_init__()

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing, float(self.limited))

    def limit(self, values: Array) -> Array:
        return np.minimum(values, -np.log(np.finfo(values.dtype).eps)) if self.limited else values


class Crossentropy(Smoothed, positional=()):
    """Base of the crossentropies of probabilities.

    from_logits=True: the outputs of the model are logits z, and the loss is that of sigmoid(z) or softmax(z). Behind a
    sigmoid or softmax leave it out: the loss is then computed from what the activation gets, just as exactly.
    """

    outputs = "probabilities"
    logits: ClassVar[type[Smoothed]]  # what is computed from logits
    from_logits: bool = False

    def __post_init__(self) -> None:
        self._flags("from_logits")
        super().__post_init__()

    def of_logits(self) -> Smoothed:
        return self.logits(
            **{name: getattr(self, name) for name in self.logits._fields if name not in ("name", "dtype")}
        )

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        return self.of_logits().evaluate(a, t) if self.from_logits else self.of_probabilities(a, t)

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        """``evaluate`` where a holds probabilities."""
        raise NotImplementedError


class BinaryCrossentropyFromLogits(Limited):
    """L = mean_k log(1 + exp(z_k)) - t_k z_k, as (1 - t) z or -t z, the positive one, + log(1 + exp(-|z|)).

    dL/dz_k = (sigmoid(z_k) - t_k) / outputs. What "binary_crossentropy" becomes behind a sigmoid output: exact where
    the sigmoid rounds to 0 or 1. PyTorch's BCEWithLogitsLoss. Source: Goodfellow, Bengio, Courville, "Deep learning",
    2016, section 6.2.2.2.
    """

    name = "binary_crossentropy_logits"
    kernel = 2
    binary = True
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Sigmoid().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = self.smooth(t, 2)
        return self.limit(binary_from_logits(a, y)).mean(axis=1), (self.activate(a) - y) / a.dtype.type(a.shape[1])


class BinaryCrossentropy(Crossentropy, Limited, positional=("from_logits", "label_smoothing")):
    """L = -mean_k [t_k log a_k + (1 - t_k) log(1 - a_k)], a clipped to [1e-7, 1 - 1e-7] as in Keras.

    Computed from the logits when the output activation is sigmoid, or with from_logits=True. PyTorch clips the
    logarithms at -100 instead, scikit-learn a at the spacing of its type. Source: Bishop, "Pattern recognition and
    machine learning", 2006, section 4.3.2.

    >>> loss, _ = BinaryCrossentropy().evaluate(np.array([[0.5]]), np.array([[1.0]]))
    >>> loss.round(4)
    array([0.6931])
    """

    name = "binary_crossentropy"
    kernel = 1
    binary = True
    targets = "probabilities"
    activation = Sigmoid()
    logits = BinaryCrossentropyFromLogits
    limited: bool = False

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y = clip(a), self.smooth(t, 2)
        values = self.limit(-(y * np.log(q) + (1 - y) * np.log(1 - q)))
        d = np.where(a == q, (q - y) / (q * (1 - q)), 0).astype(a.dtype)
        return values.mean(axis=1), d / a.dtype.type(a.shape[1])


class CategoricalCrossentropyFromLogits(Smoothed):
    """L = sum_k t_k (log sum_j exp(z_j) - z_k); dL/dz = softmax(z) sum_k t_k - t.

    The largest z is subtracted from all first. What "categorical_crossentropy" becomes behind a softmax output;
    PyTorch's CrossEntropyLoss of probabilities. Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section
    6.2.2.3.
    """

    name = "categorical_crossentropy_logits"
    kernel = 4
    elementwise = False
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        y = self.smooth(t, t.shape[1])
        total = y.sum(axis=1)
        z, log_total = _shifted(a)
        return total * log_total - (y * z).sum(axis=1), self.activate(a) * total[:, None] - y


class CategoricalCrossentropy(Crossentropy, positional=("from_logits", "label_smoothing")):
    """L = -sum_k t_k log p_k with p = a / sum_j a_j, for one-hot or soft targets t, p clipped to [1e-7, 1 - 1e-7].

    As in Keras: so that several sigmoid outputs are compared with each other. Computed from the logits when the output
    activation is softmax, or with from_logits=True. Source: Bishop, "Pattern recognition and machine learning", 2006,
    section 4.3.4.

    >>> loss, _ = CategoricalCrossentropy().evaluate(np.array([[0.2, 0.6]]), np.array([[1.0, 0.0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "categorical_crossentropy"
    kernel = 3
    elementwise = False
    targets = "probabilities"
    activation = Softmax()
    logits = CategoricalCrossentropyFromLogits

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        p, total = shares(a)
        q, y = clip(p), self.smooth(t, t.shape[1])
        g = np.where(p == q, -y / q, 0).astype(a.dtype)
        return -(y * np.log(q)).sum(axis=1), slope_by_outputs(g, p, total)


class SparseCategoricalCrossentropyFromLogits(Limited):
    """L = log sum_j exp(z_j) - z_t for the label t; dL/dz = softmax(z) - onehot(t).

    The largest z is subtracted from all first. What "sparse_categorical_crossentropy" becomes behind a softmax output;
    PyTorch's CrossEntropyLoss of labels. Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 6.2.2.3.
    """

    name = "sparse_categorical_crossentropy_logits"
    kernel = 6
    elementwise = False
    targets = "labels"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        kind, s = a.dtype.type, self.label_smoothing
        rows, labels = np.arange(len(a)), t[:, 0].astype(np.intp)
        z, log_total = _shifted(a)
        chosen = kind(1 - s) * z[rows, labels] + (kind(s / a.shape[1]) * z.sum(axis=1) if s else 0)
        return self.limit(log_total - chosen), self.activate(a) - self.smooth(_one_hot(t, a), a.shape[1])


class SparseCategoricalCrossentropy(Crossentropy, Limited, positional=("from_logits",)):
    """L = -log p_t for the label t of the sample, with p = a / sum_j a_j clipped to [1e-7, 1 - 1e-7], as in Keras.

    Computed from the logits when the output activation is softmax, or with from_logits=True. With label smoothing,
    which Keras lacks here, it is the categorical crossentropy of the smoothed one-hot rows. Source: Bishop, "Pattern
    recognition and machine learning", 2006, section 4.3.4.

    >>> loss, _ = SparseCategoricalCrossentropy().evaluate(np.array([[0.2, 0.6]]), np.array([[0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "sparse_categorical_crossentropy"
    kernel = 5
    elementwise = False
    targets = "labels"
    activation = Softmax()
    logits = SparseCategoricalCrossentropyFromLogits
    limited: bool = False

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        values, slope = CategoricalCrossentropy(label_smoothing=self.label_smoothing).evaluate(a, _one_hot(t, a))
        return self.limit(values), slope


def binary_from_logits(z: Array, y: Array) -> Array:
    """log(1 + exp(z)) - y z as a sum of two terms that are not negative."""
    return np.where(z > 0, (1 - y) * z, -y * z) + np.log1p(np.exp(-np.abs(z)))


def clip(a: Array) -> Array:
    """Probabilities from EPSILON to 1 - EPSILON, so that logarithms are finite."""
    least = a.dtype.type(EPSILON)
    return np.clip(a, least, 1 - least)


def shares(a: Array) -> tuple[Array, Array]:
    """p = a / sum a, and the sum; 1 for zeros, which stay zeros and are clipped, where Keras divides 0 by 0."""
    total = a.sum(axis=1, keepdims=True)
    total = np.where(total == 0, a.dtype.type(1), total)
    return a / total, total


def slope_by_outputs(g: Array, p: Array, total: Array) -> Array:
    """dL/da_j = (g_j - sum_k g_k p_k) / sum a, of p = a / sum a and g = dL/dp."""
    return (g - (g * p).sum(axis=1, keepdims=True)) / total


def _one_hot(t: Array, a: Array) -> Array:
    return np.eye(a.shape[1], dtype=a.dtype)[t[:, 0].astype(np.intp)]


def _shifted(z: Array) -> tuple[Array, Array]:
    """z less its largest, and log sum_j exp of that: differences of large logits lose no digits."""
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted, np.log(np.exp(shifted).sum(axis=1))
