"""Losses: name, formula, derivative, and the number of the compiled kernel (kernels/losses.pxi).

A loss gives one number for each sample; training minimises their weighted mean over the batch, sum_i w_i L_i / n.
Where the output activation allows, the loss is computed from the logits z: ``logits`` names that version.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array, Sigmoid, Softmax

EPSILON = 1e-7  # Keras' clip of probabilities


@dataclass(frozen=True)
class Loss:
    """Base of all losses: evaluate(a, t) gives the loss of each sample and dL/da.

    a: outputs (samples, outputs); t: targets (samples, outputs), or (samples, 1) labels where ``targets`` is "labels".
    """

    name: ClassVar[str]
    kernel: ClassVar[int]
    targets: ClassVar[str] = "numbers"  # or "probabilities", "labels": what y may hold
    logits: ClassVar["type[Loss] | None"] = None  # the version from logits
    activation: ClassVar[str | None] = None  # the output activation with which `logits` may be used

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        """Loss of each sample (samples,), and its derivative by a (samples, outputs)."""
        raise NotImplementedError

    def activate(self, a: Array) -> Array:
        """The network's outputs from what evaluate() takes: the identity, but for a loss from logits."""
        return a


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """L = mean_k (a_k - t_k)^2; dL/da_k = 2 (a_k - t_k) / outputs.

    As in Keras and PyTorch; scikit-learn halves it.

    >>> MeanSquaredError().evaluate(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (array([2.]), array([[0., 2.]]))
    """

    name = "mse"
    kernel = 0

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        e = a - t
        return (e * e).mean(axis=1), 2 * e / a.dtype.type(a.shape[1])


@dataclass(frozen=True)
class BinaryCrossentropyFromLogits(Loss):
    """L = mean_k log(1 + exp(z_k)) - t_k z_k, as max(z, 0) - t z + log(1 + exp(-|z|)); dL/dz_k = (sigmoid(z_k) - t_k) / outputs.

    What "binary_crossentropy" becomes behind a sigmoid output: exact where the sigmoid rounds to 0 or 1.
    """

    name = "binary_crossentropy_logits"
    kernel = 2
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Sigmoid().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        values = np.maximum(a, 0) - t * a + np.log1p(np.exp(-np.abs(a)))
        return values.mean(axis=1), (self.activate(a) - t) / a.dtype.type(a.shape[1])


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """L = -mean_k [t_k log a_k + (1 - t_k) log(1 - a_k)], a clipped to [1e-7, 1 - 1e-7] as in Keras.

    Computed from the logits when the output activation is sigmoid. PyTorch clips the logarithms at -100 instead.

    >>> loss, _ = BinaryCrossentropy().evaluate(np.array([[0.5]]), np.array([[1.0]]))
    >>> loss.round(4)
    array([0.6931])
    """

    name = "binary_crossentropy"
    kernel = 1
    targets = "probabilities"
    logits = BinaryCrossentropyFromLogits
    activation = "sigmoid"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q = _clip(a)
        values = -(t * np.log(q) + (1 - t) * np.log(1 - q))
        d = np.where(a == q, (q - t) / (q * (1 - q)), 0).astype(a.dtype)
        return values.mean(axis=1), d / a.dtype.type(a.shape[1])


@dataclass(frozen=True)
class CategoricalCrossentropyFromLogits(Loss):
    """L = sum_k t_k (log sum_j exp(z_j) - z_k); dL/dz = softmax(z) sum_k t_k - t.

    What "categorical_crossentropy" becomes behind a softmax output.
    """

    name = "categorical_crossentropy_logits"
    kernel = 4
    targets = "probabilities"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        total = t.sum(axis=1)
        values = total * _log_sum_exp(a) - (t * a).sum(axis=1)
        return values, self.activate(a) * total[:, None] - t


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """L = -sum_k t_k log a_k for one-hot or soft targets t, a clipped to [1e-7, 1 - 1e-7].

    Computed from the logits when the output activation is softmax. Keras also divides a by its sum first, which changes
    nothing for a distribution.

    >>> loss, _ = CategoricalCrossentropy().evaluate(np.array([[0.25, 0.75]]), np.array([[1.0, 0.0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "categorical_crossentropy"
    kernel = 3
    targets = "probabilities"
    logits = CategoricalCrossentropyFromLogits
    activation = "softmax"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        q = _clip(a)
        return -(t * np.log(q)).sum(axis=1), np.where(a == q, -t / q, 0).astype(a.dtype)


@dataclass(frozen=True)
class SparseCategoricalCrossentropyFromLogits(Loss):
    """L = log sum_j exp(z_j) - z_t for the label t; dL/dz = softmax(z) - onehot(t).

    What "sparse_categorical_crossentropy" becomes behind a softmax output.
    """

    name = "sparse_categorical_crossentropy_logits"
    kernel = 6
    targets = "labels"

    def activate(self, a: Array) -> Array:
        return Softmax().forward(a)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        rows, labels = np.arange(len(a)), t[:, 0].astype(np.intp)
        d = self.activate(a)
        d[rows, labels] -= 1
        return _log_sum_exp(a) - a[rows, labels], d


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """L = -log a_t for the label t of the sample, a clipped to [1e-7, 1 - 1e-7].

    Computed from the logits when the output activation is softmax.

    >>> loss, _ = SparseCategoricalCrossentropy().evaluate(np.array([[0.25, 0.75]]), np.array([[0]]))
    >>> loss.round(4)
    array([1.3863])
    """

    name = "sparse_categorical_crossentropy"
    kernel = 5
    targets = "labels"
    logits = SparseCategoricalCrossentropyFromLogits
    activation = "softmax"

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        rows, labels = np.arange(len(a)), t[:, 0].astype(np.intp)
        p = a[rows, labels]
        q = _clip(p)
        d = np.zeros_like(a)
        d[rows, labels] = np.where(p == q, -1 / q, 0)
        return -np.log(q), d


def _clip(a: Array) -> Array:
    least = a.dtype.type(EPSILON)
    return np.clip(a, least, 1 - least)


def _log_sum_exp(z: Array) -> NDArray[np.floating]:
    most = z.max(axis=1)
    return most + np.log(np.exp(z - most[:, None]).sum(axis=1))


ENTRIES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    BinaryCrossentropy,
    BinaryCrossentropyFromLogits,
    CategoricalCrossentropy,
    CategoricalCrossentropyFromLogits,
    SparseCategoricalCrossentropy,
    SparseCategoricalCrossentropyFromLogits,
)
ALIASES = {"mean_squared_error": "mse"}
