"""Small helpers by Keras' names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.checks import number, whole
from fastnn.basics.seeds import set_random_seed
from fastnn.data import Batches

__all__ = [
    "PyDataset",
    "Sequence",
    "clear_session",
    "get_file",
    "normalize",
    "pad_sequences",
    "set_random_seed",
    "split_dataset",
    "to_categorical",
]


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """One-hot rows of labels: (..., num_classes); a last axis of length 1 goes. num_classes: the largest label and 1.

    Raises ValueError for labels below 0, above the last class, or with a fraction.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    labels = real(x, "x")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.dtype.kind == "f" and not (labels == np.floor(labels)).all():
        raise ValueError(f"labels must be whole numbers, got {labels[labels != np.floor(labels)][0]}")
    whole = labels.astype(np.int64)
    count = int(num_classes) if num_classes else int(whole.max(initial=-1)) + 1
    if whole.size and (whole.min() < 0 or whole.max() >= count):
        raise ValueError(f"labels must lie in 0 .. {count - 1}, got {whole.min()} to {whole.max()}")
    return np.asarray(np.eye(count)[whole])


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """x divided by its norms along an axis; zeros stay zeros.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    values = real(x, "x")
    length = np.linalg.norm(values, order, axis, keepdims=True)
    return np.asarray(values / np.where(length == 0, 1, length))


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0.0,
) -> NDArray[Any]:
    """Lists of different lengths as rows of one array, filled and cut before ("pre") or behind ("post") the numbers.

    maxlen: of the rows, the length of the longest list by default.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
    array([[0, 1],
           [3, 4]], dtype=int32)
    """
    rows = [np.asarray(one) for one in sequences]
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} must be 'pre' or 'post', got {given!r}")
    length = max((len(row) for row in rows), default=0) if maxlen is None else whole("maxlen", maxlen, 0)
    inner = next((row.shape[1:] for row in rows if len(row)), ())
    out = np.full((len(rows), length, *inner), value, dtype=dtype)
    for to, row in zip(out, rows, strict=True):
        cut = row[max(0, len(row) - length) :] if truncating == "pre" else row[:length]
        if cut.shape[1:] != inner and len(cut):
            raise ValueError(f"pad_sequences: entries have the shapes {inner} and {cut.shape[1:]}; they must be alike")
        if len(cut):
            to[length - len(cut) if padding == "pre" else 0 :][: len(cut)] = cut
    return out


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """The rows of an array, or of each of several arrays (a tuple or list), in two parts.

    left_size, right_size: how many rows, or a share of them where it is a float; the other part is the rest, or what is
    given too. shuffle: in a random order, by the seed. Arrays come back, where Keras makes data sets of TensorFlow.

    >>> (x, y), (test_x, test_y) = split_dataset((np.arange(10), np.arange(10) * 2), left_size=0.8)
    >>> len(x), test_y
    (8, array([16, 18]))
    """
    several = isinstance(dataset, (tuple, list))
    arrays = [np.asarray(one) for one in (dataset if several else [dataset])]
    n = len(arrays[0]) if arrays else 0
    if any(len(one) != n for one in arrays):
        raise ValueError(f"split_dataset: arrays have different numbers of rows, {[len(one) for one in arrays]}")
    if left_size is None and right_size is None:
        raise ValueError("split_dataset needs left_size or right_size")
    left, right = (_rows(name, given, n) for name, given in (("left_size", left_size), ("right_size", right_size)))
    left = n - right if left is None else left  # type: ignore[operator]
    right = n - left if right is None else right
    if left + right > n:
        raise ValueError(f"split_dataset: {left} and {right} rows were asked for, there are {n}")
    order = np.random.default_rng(seed).permutation(n) if shuffle else np.arange(n)
    parts = [[one[rows] for one in arrays] for rows in (order[:left], order[left : left + right])]
    first, second = (type(dataset)(part) if several else part[0] for part in parts)
    return first, second


def _rows(name: str, given: float | None, n: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, float):
        return round(n * number(f"split_dataset: {name}", given, above=0, below=1))
    return whole(f"split_dataset: {name}", given, 1)


class PyDataset(Batches):
    """``fastnn.data.Batches`` by Keras' name, with Keras' arguments, which change nothing: no worker reads ahead."""

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return len(self)


Sequence = PyDataset


def clear_session(free_memory: bool = True) -> None:
    """Does nothing: fastnn has no session, models and names are independent of each other."""


def get_file(*arguments: Any, **more: Any) -> None:
    """Refused: fastnn downloads nothing. Fetch the file by yourself and open it from its path."""
    raise NotImplementedError("fastnn downloads nothing; fetch the file by yourself and pass its path")
