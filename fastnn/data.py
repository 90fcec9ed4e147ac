"""The door: the user's arrays are checked here, once, and described to the engine without being copied."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core import machine
from fastnn.basics import backend
from fastnn.basics.arrays import column_name, column_names, is_array, plain, real
from fastnn.engine.source import Source, Sparse
from fastnn.losses import Loss
from fastnn.metrics import Metric

Rows = NDArray[np.int64]
READABLE = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}


def readable(values: Any, name: str) -> NDArray[Any]:
    """values as an array that the engine can read: itself where possible."""
    array = real(values, name)
    if not (array.dtype.isnative and array.flags.aligned):  # bytes of another machine, or records without padding
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.itemsize not in READABLE[array.dtype.kind]:  # long double
        array = array.astype(np.float64)
    return array


def features(values: Any, shape: tuple[int, ...], name: str = "X") -> Source:
    """X of shape (rows, *shape), or a sparse matrix of SciPy; a last axis of length 1 may be missing or too many."""
    if hasattr(values, "tocsr") and len(shape) == 1:
        return _sparse(values, shape, name)
    array = readable(values, name)
    if array.ndim and array.shape[1:] != shape:
        if (*array.shape[1:], 1) == shape:
            array = array[..., None]
        elif array.shape[1:] == (*shape, 1):
            array = array[..., 0]
    if array.ndim < 2 or array.shape[1:] != shape:
        raise ValueError(_shape_message(array, shape, name))
    return Source(array, column_names(values))


def sample_shape(values: Any) -> tuple[int, ...]:
    """What one row of X looks like to a model that does not know it yet; a number is a row of one."""
    shape = np.shape(values) if hasattr(values, "shape") else readable(values, "X").shape
    return tuple(map(int, shape[1:])) or (1,)


def peeked(source: Any) -> tuple[Any, Any]:
    """The first of some batches, and all of them."""
    if read_once(source):
        first = next(source, None)
        if first is None:
            raise ValueError("there are no batches; an iterator can be read only once")
        return first, itertools.chain([first], source)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__"):
        if not len(source):
            raise ValueError(f"there are no batches: {type(source).__name__} has length 0")
        return source[0], source
    first = next(iter(source), None)
    if first is None:
        raise ValueError(f"there are no batches: {type(source).__name__} is empty")
    return first, source


def _sparse(values: Any, shape: tuple[int, ...], name: str) -> Sparse:
    """A sparse matrix of any of SciPy's kinds, by its rows."""
    rows = values.tocsr()
    if rows.shape[1:] != shape:
        raise ValueError(
            f"{name} has shape {rows.shape}, expected (rows, {shape[0]}): the model takes {shape[0]} features. Pass a"
            " matrix of that shape, or change the model's Input"
        )
    return Sparse(readable(rows.data, name), rows.indices, rows.indptr, rows.shape[1])


def _shape_message(array: NDArray[Any], shape: tuple[int, ...], name: str) -> str:
    expected = f"(rows, {', '.join(map(str, shape))})"
    message = (
        f"{name} has shape {array.shape}, expected {expected}: the model takes {' x '.join(map(str, shape))} features"
    )
    if array.shape == shape:
        return f"{message}. For a single sample pass {name}[None]"
    if len(shape) > 1 and array.shape[1:] == (shape[-1], *shape[:-1]):
        axes = ", ".join(map(str, (0, *range(2, array.ndim), 1)))
        return f"{message}. Channels come last here: pass {name}.transpose({axes})"
    if array.ndim > 1 and prod(array.shape[1:]) == prod(shape):
        return f"{message}. Reshape it with {name}.reshape({name}.shape[0], {', '.join(map(str, shape))})"
    return f"{message}. Pass arrays of that shape, or change the model's Input"


def check_rows(source: Source, name: str, other: Source | NDArray[Any] | None = None, other_name: str = "") -> None:
    """At least one row, and as many as the other."""
    if not len(source):
        raise ValueError(f"{name} is empty: shape {source.shape}; at least one row is needed")
    if other is not None and len(other) != len(source):
        raise ValueError(f"{name} has {len(source)} rows but {other_name} has {len(other)}; they must be equal")


def check_finite(source: Source, name: str, nonfinite: Any) -> None:
    """No NaN and no infinity; ``nonfinite`` finds the first."""
    if source.kind != "f":
        return
    numbers = source.entries if isinstance(source, Sparse) else source
    place = nonfinite(numbers)
    if place is not None:
        row, column = place
        value = numbers.array[row].reshape(-1)[column]
        if isinstance(source, Sparse):
            row, column = source.place(row)
        raise ValueError(
            f"{name} has the value {value} in row {row}, {column_name(source.names, column)}, which is not finite"
            " in the model's dtype; drop or replace NaN and infinity first"
        )


def check_ids(source: Source, count: int, name: str) -> None:
    """Whole numbers from 0 to count - 1."""
    values = source.take(slice(None)) if isinstance(source, Sparse) else source.array
    good = (values >= 0) & (values < count)
    if values.dtype.kind == "f":
        good &= values == np.floor(values)
    if not good.all():
        wrong = values[~good][0]
        raise ValueError(
            f"{name} has the value {wrong}, expected whole numbers from 0 to {count - 1}: they number the lines of the"
            " first layer"
        )


def targets(values: Any, kind: str, outputs: int, columns: int, loss: str, name: str = "y") -> Source:
    """y as the loss wants it: numbers (rows, columns), or labels (rows,) below ``outputs``."""
    array = readable(values, name)
    if kind == "labels":
        return Source(_labels(array, outputs, loss, name))
    if array.ndim == 2 and array.shape[1] == 1 and columns == outputs and kind in ("numbers", "counts", "signs"):
        array = np.broadcast_to(array, (len(array), columns))  # as in Keras: the same target for each output
    if array.ndim == 1 and (columns == 1 or kind == "any"):
        array = array.reshape(-1, 1)
    if kind == "any" and array.ndim == 2:
        return Source(array)
    if array.ndim != 2 or array.shape[1] != columns:
        expected = f"(rows, {columns})" + (" or (rows,)" if columns == 1 else "")
        hint = ""
        if array.ndim == 1 and loss == "categorical_crossentropy":
            hint = "; for integer labels use loss='sparse_categorical_crossentropy'"
        raise ValueError(f"{name} has shape {array.shape}, expected {expected} for {outputs} outputs{hint}")
    return Source(array)


def _map_targets(array: NDArray[Any], shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """Targets of maps as rows of numbers; of maps with one channel, the axis of channels may be left out."""
    if array.shape[1:] not in (shape, (prod(shape),)) and (shape[-1] > 1 or array.shape[1:] != shape[:-1]):
        raise ValueError(
            f"{name} has shape {array.shape}, expected (rows, {', '.join(map(str, shape))}) as the outputs"
        )
    return array.reshape(len(array), prod(shape))


def _labels(array: NDArray[Any], outputs: int, loss: str, name: str) -> NDArray[Any]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (rows,) integer labels for {loss}; for one-hot rows use"
            " loss='categorical_crossentropy'"
        )
    if array.size and not machine.within(array, 0, outputs - 1, True):
        least, most = array.min(), array.max()
        if not (least >= 0 and most < outputs):
            raise ValueError(
                f"{name} has labels from {least} to {most}, expected 0 to {outputs - 1}: the model has {outputs}"
                " outputs; number the classes from 0, or give the last layer more units"
            )
        if array.dtype.kind == "f" and (array != np.floor(array)).any():
            raise ValueError(
                f"{name} has labels that are not whole numbers, such as {array[array != np.floor(array)][0]}"
            )
    return array


RANGES = {"probabilities": (0.0, 1.0), "counts": (0.0, np.inf), "signs": (-1.0, 1.0)}  # of targets, by their kind


def check_range(source: Source, kind: str, loss: str, name: str = "y") -> None:
    """Targets lie where the loss is defined: probabilities in [0, 1], counts above 0, signs of -1, 1 (or 0, 1)."""
    if kind not in RANGES:
        return
    lowest, highest = RANGES[kind]
    if machine.within(source.array, lowest, highest):
        return
    least, most = source.array.min(), source.array.max()
    if not (least >= lowest and most <= highest):
        expected = f"{lowest:g} to {highest:g}" if highest < np.inf else f"{lowest:g} or more"
        raise ValueError(f"{name} has targets from {least} to {most}, expected {expected} for {loss}")


def weights(values: Any, rows: int, dtype: np.dtype, name: str = "sample_weight") -> NDArray[Any] | None:
    """Sample weights (rows,), finite and not negative, in the model's type."""
    if values is None:
        return None
    array = readable(values, name)
    if array.shape == (rows, 1):
        array = array[:, 0]
    if array.shape != (rows,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({rows},): one weight for each row")
    with np.errstate(over="ignore"):
        array = np.array(array, dtype=dtype)  # a copy, whose length nobody changes
    good = np.isfinite(array) & (array >= 0)
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(f"{name} must hold finite numbers of 0 or more, got {array[row]} in row {row}")
    return array


class Door:
    """What a model lets in: samples of one shape, and the targets that its loss and metrics take.

    shape: of a sample; dtype: of the network; output_shape: of a sample's outputs; loss, metrics: None and () before
    ``compile``. loss_weight: a factor of the loss, which the samples' weights carry. ids: unless 0, samples hold whole
    numbers below it.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        output_shape: tuple[int, ...],
        loss: Loss | None = None,
        metrics: Sequence[Metric] = (),
        loss_weight: float = 1.0,
        ids: int = 0,
    ) -> None:
        self.ids = ids
        self.shape, self.dtype, self.output_shape, self.loss, self.metrics = shape, dtype, output_shape, loss, metrics
        self.outputs, self.loss_weight = prod(output_shape), loss_weight
        self.nonfinite = backend.core(dtype).nonfinite
        largest = float(np.finfo(dtype).max)
        self.limits = (-largest, largest, False)  # of targets, and whether they are whole numbers
        if loss is not None and loss.targets in RANGES:
            least, most = RANGES[loss.targets]
            self.limits = (least, min(most, largest), False)
        elif loss is not None and loss.targets == "labels":
            self.limits = (0.0, self.outputs - 1.0, True)
        self.doubting = [metric for metric in metrics if loss is None or metric.doubts(loss)]

    def few_targets(self, y: Any) -> NDArray[Any] | None:
        """y as metrics take it, where it is a plain array; its shape and range are left to the engine's ``..._few``."""
        assert self.loss is not None  # noqa: S101 - refused before compile
        labels = self.loss.targets == "labels"
        if type(y) is not np.ndarray or not y.size or (labels and y.size != len(y)):
            return None
        y = y.reshape(len(y)) if labels else y.reshape(len(y), -1)
        for metric in self.doubting:
            metric.check_targets(y, self.outputs, "y")
        return y

    def features(self, x: Any, name: str = "X") -> Source:
        """X as the engine reads it, or an error that says what is wrong with it."""
        source = features(x, self.shape, name)
        check_finite(source, name, self.nonfinite)
        if self.ids:
            check_ids(source, self.ids, name)
        return source

    def targets(self, y: Any, name: str = "y") -> Source:
        """y as the loss wants it, or an error that says what is wrong with it."""
        loss = self.loss
        assert loss is not None  # noqa: S101 - refused before compile
        if y is None:
            raise ValueError(f"{name} is missing: pass the targets of the rows of X")
        array = readable(y, name)
        if array.dtype.kind == "f" and array.ndim and len(array):
            check_finite(Source(array, column_names(y)), name, self.nonfinite)
        if len(self.output_shape) > 1:
            array = _map_targets(array, self.output_shape, name)
        source = targets(array, loss.targets, self.outputs, loss.columns(self.outputs), loss.name, name)
        check_rows(source, name)
        check_range(source, loss.targets, loss.name, name)
        for metric in self.doubting:
            metric.check_targets(source.array, self.outputs, name)
        return source

    def sample_weight(self, values: Any, rows: int, name: str = "sample_weight") -> NDArray[Any] | None:
        """Factors of so many samples, times the weight of the loss; see ``weights``."""
        factors = weights(values, rows, self.dtype, name)
        if self.loss_weight != 1:
            factors = np.full(rows, self.loss_weight, self.dtype) if factors is None else factors * self.loss_weight
        return factors

    def class_factors(self, class_weight: Any, y: Source) -> NDArray[Any]:
        """The factor of each row; see ``class_factors``."""
        assert self.loss is not None  # noqa: S101
        return class_factors(class_weight, y, self.loss.targets, self.outputs, self.dtype)

    def strata(self, y: Source) -> NDArray[Any] | None:
        """The class of each row; see ``strata``."""
        assert self.loss is not None  # noqa: S101
        return strata(y, self.loss.targets)


class Batches:
    """Base of a user's own batches: anything that counts them and makes each when asked, from disk for instance.

    A subclass has ``__len__``, the number of batches, and ``__getitem__(i)``, which returns (x, y) or (x, y,
    sample_weight). ``on_epoch_begin`` and ``on_epoch_end`` are called before and after each epoch, validation,
    evaluation and prediction; the length may change between two of them. ``Sequential.fit`` takes one in the place of x
    and y.

    >>> class Squares(Batches):
    ...     def __len__(self):
    ...         return 10
    ...     def __getitem__(self, i):
    ...         x = np.linspace(i, i + 1, 20)[:, None]
    ...         return x, x**2
    >>> len(Squares()), Squares()[3][0].shape
    (10, (20, 1))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} needs __len__, the number of batches")

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__} needs __getitem__(i), which returns (x, y)")

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


def read_once(source: Any) -> bool:
    """Whether batches are an iterator, which can be read only once."""
    return hasattr(source, "__next__") and not isinstance(source, Batches)


def are_batches(x: Any, y: Any) -> bool:
    """Whether x stands for batches (x, y) rather than for an array: there is no y, and NumPy cannot read x directly."""
    if y is not None or is_array(x) or isinstance(x, (str, bytes, dict)):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__len__") and hasattr(x, "__getitem__"))


def classes_of(y: Source, kind: str) -> NDArray[Any] | None:
    """The class of each row: labels, one column of whole numbers, or the place of the 1 in one-hot rows; else None."""
    array = y.array
    if kind == "labels":
        return array
    if array.shape[1] == 1:
        column = array[:, 0]
        return column if (column == np.floor(column)).all() else None
    ones = array == 1
    one_hot = (ones.sum(axis=1) == 1).all() and np.count_nonzero(array) == len(array)
    return ones.argmax(axis=1) if one_hot else None


MOST_STRATA = 10  # distinct whole numbers that count as classes where a loss takes any numbers


def strata(y: Source, kind: str) -> NDArray[Any] | None:
    """The class of each row where y has classes: for a loss of any numbers, where it has few different whole ones."""
    classes = classes_of(y, kind)
    if classes is None or kind in ("labels", "probabilities", "signs"):
        return classes
    return classes if len(np.unique(classes)) <= MOST_STRATA else None


def class_factors(class_weight: Any, y: Source, kind: str, outputs: int, dtype: np.dtype) -> NDArray[Any]:
    """The factor of each row from a dict label -> factor; labels that it does not name have 1.

    "balanced" gives each of the k classes in y the factor rows / (k rows of the class), as in scikit-learn.
    """
    balanced = isinstance(class_weight, str) and class_weight == "balanced"
    if not isinstance(class_weight, dict) and not balanced:
        raise TypeError(f"class_weight must be a dict label -> factor or 'balanced', got {class_weight!r}")
    classes = classes_of(y, kind)
    if classes is None:
        raise ValueError(
            "class_weight needs classes in y: whole numbers in one column, or one-hot rows; use sample_weight instead"
        )
    if balanced:
        found, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
        return (len(classes) / (len(found) * counts))[place].astype(dtype)
    allowed: Any = range(outputs) if outputs > 1 else (0, 1)
    if kind not in ("labels", "probabilities"):
        allowed = (-1, 0, 1) if kind == "signs" else np.unique(classes).tolist()
    for label, factor in class_weight.items():
        if isinstance(label, bool) or label not in allowed:
            known = f"{allowed[0]} to {allowed[-1]}" if len(allowed) > MOST_STRATA else ", ".join(map(str, allowed))
            raise ValueError(f"class_weight has the label {label!r}, expected one of {known}")
        if not isinstance(factor, (int, float, np.number)) or not 0 <= factor < np.inf:
            raise ValueError(f"class_weight[{label}] must be a finite number of 0 or more, got {factor!r}")
    factors = np.ones(len(y), dtype=dtype)
    for label, factor in class_weight.items():
        factors[classes == label] = factor
    return factors


def split_rows(share: Any, shuffled: NDArray[np.int64], classes: NDArray[Any] | None) -> tuple[Rows, Rows]:
    """Row numbers for training and for validation, each ascending. With classes, each has its share of both.

    shuffled: all row numbers in random order.

    >>> train, test = split_rows(0.25, np.arange(8), np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    >>> train.tolist(), test.tolist()
    ([1, 2, 3, 5, 6, 7], [0, 4])
    """
    n = len(shuffled)
    if isinstance(share, bool) or not isinstance(share, (int, float, np.number)) or not 0 < share < 1:
        raise ValueError(f"validation_split must be a number from 0 to below 1, got {share!r}")
    held = round(n * float(share))
    if not 0 < held < n:
        raise ValueError(
            f"validation_split={share} of {n} rows leaves {n - held} to train and {held} to validate; both need one"
        )
    chosen = shuffled[:held]
    if classes is not None:
        # Row number r of the c rows of a class stands at (r + 1/2) / c: the first come evenly from all classes.
        grouped = shuffled[np.argsort(classes[shuffled], kind="stable")]
        _, counts = np.unique(classes, return_counts=True)
        place = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
        chosen = grouped[np.argsort(place, kind="stable")[:held]]
    mask = np.zeros(n, dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def check_indices(indices: Any, rows: int) -> NDArray[np.int64]:
    """What a sampler returned, as the engine takes it."""
    array = plain(indices, "the sampler's row numbers")
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iu":
        raise ValueError(
            f"the sampler must return at least one row number in one axis, got shape {array.shape}, dtype {array.dtype}"
        )
    least, most = int(array.min()), int(array.max())
    if least < 0 or most >= rows:
        raise ValueError(f"the sampler returned row numbers from {least} to {most}, expected 0 to {rows - 1}")
    return np.array(array, dtype=np.int64)  # a copy: the engine trusts it
