"""The confusion matrix: a function of labels or outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import NUMBERS, plain
from fastnn.metrics.classes import REGRESSION


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Any] | NDArray | None = None
) -> NDArray[np.int64]:
    """Counts (classes, classes): row i, column j holds the samples of class i that were answered as class j.

    y_true: labels (rows,) or (rows, 1), whole numbers or text, or one-hot rows. y_pred: labels too, or the outputs of a
    model: (rows, classes), of which the largest counts, or (rows, 1), which is class 1 above 0.5 (where all are whole
    numbers, they are labels). classes: the labels in the wanted order; by default all that occur, sorted, or
    0 .. classes - 1 for outputs. Real-valued targets and rows of several labels raise ValueError, as in scikit-learn.

    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 1],
           [0, 0, 1]])
    >>> confusion_matrix(["cat", "dog"], ["dog", "dog"], classes=["dog", "cat"])
    array([[1, 0],
           [1, 0]])
    """
    true, count = _as_labels(y_true, "y_true", outputs=False)
    answers, outputs = _as_labels(y_pred, "y_pred", outputs=True)
    if len(true) != len(answers):
        raise ValueError(f"y_true has {len(true)} rows but y_pred has {len(answers)}; they must be equal")
    if outputs == 1:  # one output that is sure of all rows, or labels
        answered = np.isin(answers, (0, 1)).all() and true.dtype.kind in NUMBERS and np.isin(true, (0, 1)).all()
        outputs = 2 if answered else 0
    most = max(count, outputs)
    if classes is not None:
        table = np.asarray(classes)
        if table.ndim != 1 or len(np.unique(table)) < len(table):
            raise ValueError(f"classes must be a list of different labels, got {classes!r}")
    elif most and true.dtype.kind in "biuf":
        both = np.concatenate([true, answers])
        if both.size and (both.min() < 0 or both.max() >= most):
            raise ValueError(
                f"labels must lie in 0 .. {most - 1} beside {most} outputs, got {both.min()} to {both.max()}"
            )
        table = np.arange(most)
    else:
        if (true.dtype.kind in "biuf") != (answers.dtype.kind in "biuf"):
            raise TypeError(f"y_true holds {true.dtype} but y_pred {answers.dtype}; both must hold the same labels")
        table = np.unique(np.concatenate([true, answers]))
    order = np.argsort(table, kind="stable")
    places = []
    for name, labels in (("y_true", true), ("y_pred", answers)):
        at = np.minimum(np.searchsorted(table[order], labels), max(len(table) - 1, 0))
        found = table[order][at] == labels if len(table) else np.zeros(len(labels), dtype=bool)
        if not np.all(found):
            strange = labels[~found][0]
            raise ValueError(
                f"{name} has the label {strange.item()!r}, which is not in classes {table.tolist()}; add it"
            )
        places.append(order[at])
    n = len(table)
    return np.bincount(places[0] * n + places[1], minlength=n * n).reshape(n, n).astype(np.int64)


def _as_labels(values: ArrayLike, name: str, outputs: bool) -> tuple[NDArray, int]:
    """Labels (rows,), and how many classes rows of outputs stand for; 1 for a column of whole floats, else 0."""
    array = plain(values, name)
    if array.dtype.kind == "O":
        array = np.array(array.tolist())
        mixed = array.dtype.kind in "US" and not all(isinstance(one, (str, bytes)) for one in plain(values, name).flat)
        if array.dtype.kind == "O" or mixed:
            raise TypeError(f"{name} must hold labels of one kind, numbers or text, and none may be missing")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
        raise ValueError(f"{name} has shape {array.shape}, expected labels (rows,) or outputs (rows, classes)")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} has the value {array[~np.isfinite(array)][0]}, which is not finite")
    if array.ndim == 2 and array.shape[1] > 1:
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"{name} has rows of {array.shape[1]}, which must be numbers, got dtype {array.dtype}")
        if not outputs or ((array == 0) | (array == 1)).all():
            _check_one_hot(array, name)
        return array.argmax(axis=1), array.shape[1]
    labels = array.reshape(-1)
    strange = labels != np.floor(labels) if array.dtype.kind == "f" else np.zeros(0, dtype=bool)
    column = outputs and array.ndim == 2 and array.dtype.kind == "f"
    if not strange.any():
        return labels, int(column)
    if column:
        return (labels > 0.5).astype(np.int64), 2
    hint = f"expected labels, which are whole numbers; {REGRESSION}"
    if outputs:
        hint = (
            "which is no label; for the outputs of a model with one output pass an array of shape (rows, 1), for"
            f" instance {name}.reshape(-1, 1)"
        )
    raise ValueError(f"{name} has {labels[strange][0]}, {hint}")


def _check_one_hot(array: NDArray, name: str) -> None:
    """One 1 in each row, and zeros."""
    ones = np.count_nonzero(array == 1, axis=1)
    good = (ones == 1) & (np.count_nonzero(array, axis=1) == 1)
    if good.all():
        return
    row = int(np.argmin(good))
    if ((array[row] == 0) | (array[row] == 1)).all():
        raise ValueError(
            f"{name} has {ones[row]} labels in row {row}, expected one; for several labels in a row make a matrix for"
            " each, confusion_matrix(y_true[:, j], y_pred[:, j])"
        )
    raise ValueError(f"{name} has the row {array[row].tolist()} (row {row}), expected labels or one-hot rows")
