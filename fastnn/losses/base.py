"""What all losses have in common: formulas for training, Keras' objects and functions to call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.activations import Activation, Array
from fastnn.basics.arrays import real
from fastnn.basics.settings import Settings

EPSILON = 1e-7  # Keras' clip of probabilities
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


class Loss(Settings, last=True):
    """Base of all losses: evaluate(a, t) gives the loss of each sample and dL/da.

    A subclass with another ``evaluate`` is trained by it: it runs in Python between two halves of each step, and is
    never computed from logits. A function (y, outputs) -> (values, derivative) will do too; see ``FromFunction``.

    a: outputs (samples, outputs); t: targets (samples, outputs), or (samples, 1) labels where ``targets`` is "labels".

    A loss can be called as Keras' objects are: ``loss(y_true, y_pred, sample_weight)``. reduction: of the weighted
    losses of the samples then, "sum_over_batch_size" (or "mean"), their mean; "sum"; "mean_with_sample_weight", the sum
    divided by that of the weights; "none", the losses themselves. Training always minimises the mean. name: any.
    dtype: of the computation when it is called, by default that of the outputs; a model computes in its own.

    >>> from fastnn.losses import MeanSquaredError
    >>> loss = MeanSquaredError()
    >>> float(loss([[0.0], [1.0]], [[2.0], [1.0]], sample_weight=[0.5, 1.0])), loss.call([[0.0], [1.0]], [[2.0], [1.0]])
    (1.0, array([4., 0.]))
    """

    kernel: ClassVar[int]
    targets: ClassVar[str] = "numbers"  # or "probabilities", "signs", "counts", "labels", "any": what y may hold
    cost: ClassVar[int] = 150  # of an output, value and derivative, as in ``Program.cost``
    outputs: ClassVar[str] = "numbers"  # or "probabilities", "distributions": what it asks of the outputs
    binary: ClassVar[bool] = False  # whether each output is an answer of its own, yes or no
    activation: ClassVar[Activation | None] = None  # the output activation behind which `of_logits` is used
    elementwise: ClassVar[bool] = True  # the mean over all outputs of something of each: maps of outputs will do
    from_logits = False  # whether the outputs are logits; a setting of the crossentropies
    reduction: str | None = "sum_over_batch_size"
    name: str = "loss"
    dtype: Any = None
    _quiet = ("reduction", "name", "dtype", "limited")

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(map(str, REDUCTIONS))}, got"
                f" {self.reduction!r}"
            )
        if self.name is None:
            object.__setattr__(self, "name", type(self).name)
        if not isinstance(self.name, str):
            raise TypeError(f"{type(self).__name__}: name must be a text, got {self.name!r}")

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The reduced loss of targets and outputs, as Keras' objects are called; see ``call``."""
        return reduced(self.call(y_true, y_pred), sample_weight, self.reduction)

    def call(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
        """The loss of each sample, for outputs (..., outputs) and targets as in training, or of the outputs' shape.

        A last axis of length 1 may be missing in one of the two. Computed in the type of the outputs, whole numbers as
        float32.
        """
        a, t = real(y_pred, "y_pred"), real(y_true, "y_true")
        a = a.astype(self.dtype) if self.dtype is not None else a if a.dtype.kind == "f" else a.astype(np.float32)
        if self.targets == "labels":
            t = t if t.ndim == a.ndim else t[..., None]
        else:
            t, a = same_rank(t, a)
            whole = self.columns(a.shape[-1] if a.ndim else 1) == (a.shape[-1] if a.ndim else 1)
            if whole and self.targets == "probabilities" and t.shape != a.shape:
                raise ValueError(f"{self.name}: y_true has shape {np.shape(y_true)} but y_pred {np.shape(y_pred)}")
            if whole:
                t, a = _broadcast(t, a)
        if not a.ndim:
            t, a = t.reshape(1), a.reshape(1)
        if t.shape[:-1] != a.shape[:-1]:
            raise ValueError(f"{self.name}: y_true has shape {np.shape(y_true)} but y_pred {np.shape(y_pred)}")
        rows = np.ascontiguousarray(a.reshape(-1, a.shape[-1]))
        values = self.evaluate(rows, t.reshape(-1, t.shape[-1]).astype(a.dtype))[0]
        return np.asarray(values).reshape(a.shape[:-1])

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def callback(self, dtype: np.dtype) -> Any:
        """What the core calls in the place of a kernel of its table: for ``fastnn.formulas``."""
        return None

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


def _broadcast(t: NDArray[Any], a: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both of one shape where NumPy can make one of theirs."""
    try:
        return np.broadcast_arrays(t, a)  # type: ignore[return-value]
    except ValueError:
        return t, a


def same_rank(t: NDArray[Any], a: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both with as many axes, where one lacks a last axis of length 1; Keras' rule."""
    if t.ndim == a.ndim + 1 and t.shape[-1] == 1:
        return (t, a[:, None]) if a.ndim == 1 else (t[..., 0], a)
    if a.ndim == t.ndim + 1 and a.shape[-1] == 1:
        return (t[:, None], a) if t.ndim == 1 else (t, a[..., 0])
    return t, a


def reduced(values: NDArray[Any], sample_weight: ArrayLike | None, reduction: str | None) -> Any:
    """Losses times their weights, reduced as ``Loss`` says: a number, or the array for "none"."""
    weights = None
    if sample_weight is not None:
        values, weights = same_rank(values, real(sample_weight, "sample_weight").astype(values.dtype))
        try:
            values = values * weights
        except ValueError:
            raise ValueError(
                f"sample_weight has shape {np.shape(sample_weight)}, expected one that fits the losses, {values.shape}"
            ) from None
    if reduction in ("none", None) or not values.ndim or not values.size:
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    count = values.size if weights is None or reduction != "mean_with_sample_weight" else weights.sum()
    return total / values.dtype.type(count) if count else values.dtype.type(0)


class LossFunction:
    """A loss as Keras' function (y_true, y_pred) -> the loss of each sample; ``compile`` takes it like its name.

    >>> from fastnn import losses
    >>> losses.mean_absolute_error([[0.0, 1.0]], [[1.0, 1.0]])
    array([0.5])
    """

    def __init__(self, kind: type[Loss], name: str) -> None:
        self.kind, self.__name__ = kind, name

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, *args: Any, axis: int = -1, **settings: Any) -> Any:
        """The loss of each sample; settings: those of the loss; axis: the outputs' one."""
        if axis != -1:
            y_pred = np.moveaxis(real(y_pred, "y_pred"), axis, -1)
            y_true = real(y_true, "y_true")
            y_true = np.moveaxis(y_true, axis, -1) if y_true.ndim == y_pred.ndim else y_true
        return self.kind(*args, **settings).call(y_true, y_pred)

    def __repr__(self) -> str:
        return f"<function {self.__name__} of fastnn.losses>"


class FromFunction(Loss):
    """A user's own function (y, outputs) -> (loss of each sample, its derivative by the outputs).

    y: (samples, columns) as given to ``fit``, outputs: (samples, outputs), both in the model's dtype.

    >>> def absolute(y, outputs):
    ...     return np.abs(outputs - y).mean(axis=1), np.sign(outputs - y) / outputs.shape[1]
    >>> FromFunction(absolute).evaluate(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    (array([1.]), array([[0. , 0.5]]))
    """

    targets = "any"
    function: Callable[[Array, Array], tuple[Array, Array]]  # type: ignore[misc] # ``name`` comes last, see Settings

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name == FromFunction.name:
            object.__setattr__(self, "name", str(getattr(self.function, "__name__", "loss")))

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        return self.function(t, a)


def as_loss(given: Any) -> Any:
    """A function becomes a Loss; all else is left to the catalogue."""
    if isinstance(given, LossFunction):
        return given.kind()
    return FromFunction(function=given) if callable(given) and not isinstance(given, (type, Loss)) else given


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
        f" outputs, shape {a.shape}; it returned {got}. For a function of two numbers write formulas.loss(function)"
    )
