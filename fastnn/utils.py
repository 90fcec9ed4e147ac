"""Small helpers by Keras' names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.seeds import set_random_seed

__all__ = ["clear_session", "get_file", "normalize", "set_random_seed", "to_categorical"]


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


def clear_session(free_memory: bool = True) -> None:
    """Does nothing: fastnn has no session, models and names are independent of each other."""


def get_file(*arguments: Any, **more: Any) -> None:
    """Refused: fastnn downloads nothing. Fetch the file by yourself and open it from its path."""
    raise NotImplementedError("fastnn downloads nothing; fetch the file by yourself and pass its path")
