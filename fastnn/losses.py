"""Losses: name, formula, derivative, and the number of the compiled kernel (kernels/losses.pxi).

A loss gives one number for each sample; training minimises their weighted mean over the batch, sum_i w_i L_i / n.
Crossentropies are computed from the logits z where the output activation allows, or where the outputs are logits
(``from_logits=True``): ``of_logits`` gives that version. Which outputs a loss accepts: fastnn/models/output_check.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastnn.activations import Activation, Array, LogSoftmax, Sigmoid, Softmax
from fastnn.basics.checks import number
from fastnn.basics.settings import Settings

EPSILON = 1e-7  # Keras' clip of probabilities


class Loss(Settings):
    """Base of all losses: evaluate(a, t) gives the loss of each sample and dL/da.

    A subclass with another ``evaluate`` is trained by it: it runs in Python between two halves of each step, and is
    never computed from logits. A function (y, outputs) -> (values, derivative) will do too; see ``FromFunction``.

    a: outputs (samples, outputs); t: targets (samples, outputs), or (samples, 1) labels where ``targets`` is "labels".
    """

    name: ClassVar[str] = "loss"
    kernel: ClassVar[int]
    targets: ClassVar[str] = "numbers"  # or "probabilities", "signs", "counts", "labels", "any": what y may hold
    cost: ClassVar[int] = 150  # of an output, value and derivative, as in ``Program.cost``
    outputs: ClassVar[str] = "numbers"  # or "probabilities", "distributions": what it asks of the outputs
    activation: ClassVar[Activation | None] = None  # the output activation behind which `of_logits` is used
    elementwise: ClassVar[bool] = True  # the mean over all outputs of something of each: maps of outputs will do
    from_logits = False  # whether the outputs are logits; a setting of the crossentropies

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def columns(self, outputs: int) -> int:
        """Columns of y for a network with so many outputs."""
        return 1 if self.targets == "labels" else outputs

    def of_logits(self) -> Loss | None:
        """The version that is computed from logits, with the same settings."""
        return None

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        """Loss of each sample (samples,), and its derivative by a (samples, outputs)."""
        raise NotImplementedError

    def activate(self, a: Array) -> Array:
        """The network's outputs from what evaluate() takes: the identity, but for a loss from logits."""
        return a


class FromFunction(Loss):
    """A user's own function (y, outputs) -> (loss of each sample, its derivative by the outputs).

    y: (samples, columns) as given to ``fit``, outputs: (samples, outputs), both in the model's dtype.

    >>> def absolute(y, outputs):
    ...     return np.abs(outputs - y).mean(axis=1), np.sign(outputs - y) / outputs.shape[1]
    >>> FromFunction(absolute).evaluate(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (array([1.]), array([[0. , 0.5]]))
    """

    targets = "any"
    function: Callable[[Array, Array], tuple[Array, Array]]

    @property
    def name(self) -> str:  # type: ignore[override]
        return str(getattr(self.function, "__name__", "loss"))

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        return self.function(t, a)


def as_loss(given: Any) -> Any:
    """A function becomes a Loss; all else is left to the catalogue."""
    return FromFunction(given) if callable(given) and not isinstance(given, (type, Loss)) else given


def checked(loss: Loss, a: Array, t: Array) -> tuple[Array, Array]:
    """What a loss of the user's own returns, as arrays of a's dtype, or an error; it cannot change the outputs a."""
    outputs = a.view()
    outputs.flags.writeable = False
    given = loss.evaluate(outputs, t)
    got = type(given).__name__
    if isinstance(given, tuple) and len(given) == 2:
        values, slope = (np.asarray(one, dtype=a.dtype, order="C") for one in given)
        if values.shape == (len(a),) and slope.shape == a.shape:
            return values, slope
        got = f"arrays of shapes {values.shape} and {slope.shape}"
    raise ValueError(
        f"loss {loss.name} must return a tuple: the loss of each sample, shape {(len(a),)}, and its derivative by the"
        f" outputs, shape {a.shape}; it returned {got}"
    )


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


class Poisson(Loss, positional=()):
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
        self._numbers("epsilon", least=1e-30)  # smaller ones are zero in float32

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.epsilon,)

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        x = a + a.dtype.type(self.epsilon)
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
        self._numbers("label_smoothing", least=0, below=1)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (EPSILON, self.label_smoothing)

    def smooth(self, t: Array, classes: int) -> Array:
        kind = t.dtype.type
        return kind(1 - self.label_smoothing) * t + kind(self.label_smoothing / classes)


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
        return self.logits(**{name: getattr(self, name) for name in self.logits._fields})

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        return self.of_logits().evaluate(a, t) if self.from_logits else self.of_probabilities(a, t)

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        """``evaluate`` where a holds probabilities."""
        raise NotImplementedError


class BinaryCrossentropyFromLogits(Smoothed):
    """L = mean_k log(1 + exp(z_k)) - t_k z_k, as (1 - t) z or -t z, the positive one, + log(1 + exp(-|z|)).

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
        return _binary_from_logits(a, y).mean(axis=1), (self.activate(a) - y) / a.dtype.type(a.shape[1])


class BinaryCrossentropy(Crossentropy, positional=("from_logits", "label_smoothing")):
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
    targets = "probabilities"
    activation = Sigmoid()
    logits = BinaryCrossentropyFromLogits

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        q, y = _clip(a), self.smooth(t, 2)
        values = -(y * np.log(q) + (1 - y) * np.log(1 - q))
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
        p, total = _shares(a)
        q, y = _clip(p), self.smooth(t, t.shape[1])
        g = np.where(p == q, -y / q, 0).astype(a.dtype)
        return -(y * np.log(q)).sum(axis=1), _slope_by_outputs(g, p, total)


class SparseCategoricalCrossentropyFromLogits(Smoothed):
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
        return log_total - chosen, self.activate(a) - self.smooth(_one_hot(t, a), a.shape[1])


class SparseCategoricalCrossentropy(Crossentropy, positional=("from_logits",)):
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

    def of_probabilities(self, a: Array, t: Array) -> tuple[Array, Array]:
        return CategoricalCrossentropy(label_smoothing=self.label_smoothing).evaluate(a, _one_hot(t, a))


class BinaryFocal(Smoothed, positional=()):
    """Base of both binary focal losses: their settings."""

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
        ce = _binary_from_logits(a, y)
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
        q, y, gamma = _clip(a), self.smooth(t, 2), a.dtype.type(self.gamma)
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
        p, total = _shares(a)
        q, gamma = _clip(p), a.dtype.type(self.gamma)
        y = a.dtype.type(self.alpha) * self.smooth(t, t.shape[1])
        power, logarithm = (1 - q) ** gamma, np.log(q)
        g = np.where(p == q, y * power * (gamma * logarithm / (1 - q) - 1 / q), 0).astype(a.dtype)
        return -(y * power * logarithm).sum(axis=1), _slope_by_outputs(g, p, total)


def _binary_from_logits(z: Array, y: Array) -> Array:
    """log(1 + exp(z)) - y z as a sum of two terms that are not negative."""
    return np.where(z > 0, (1 - y) * z, -y * z) + np.log1p(np.exp(-np.abs(z)))


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


def _clip(a: Array) -> Array:
    least = a.dtype.type(EPSILON)
    return np.clip(a, least, 1 - least)


def _shares(a: Array) -> tuple[Array, Array]:
    """p = a / sum a, and the sum; 1 for zeros, which stay zeros and are clipped, where Keras divides 0 by 0."""
    total = a.sum(axis=1, keepdims=True)
    total = np.where(total == 0, a.dtype.type(1), total)
    return a / total, total


def _slope_by_outputs(g: Array, p: Array, total: Array) -> Array:
    """dL/da_j = (g_j - sum_k g_k p_k) / sum a, of p = a / sum a and g = dL/dp."""
    return (g - (g * p).sum(axis=1, keepdims=True)) / total


def _one_hot(t: Array, a: Array) -> Array:
    return np.eye(a.shape[1], dtype=a.dtype)[t[:, 0].astype(np.intp)]


def _shifted(z: Array) -> tuple[Array, Array]:
    """z less its largest, and log sum_j exp of that: differences of large logits lose no digits."""
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted, np.log(np.exp(shifted).sum(axis=1))


def _power(miss: Array, gamma: np.floating) -> tuple[Array, Array]:
    """miss^gamma, and miss itself, kept from 0 so that it can divide."""
    miss = np.maximum(miss, np.finfo(miss.dtype).tiny)
    return miss**gamma, miss


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
    BinaryFocalCrossentropyFromLogits,
    CategoricalFocalCrossentropy,
    CategoricalFocalCrossentropyFromLogits,
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
