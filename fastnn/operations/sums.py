"""Sums and moments of the twins that do not lose digits where there are many rows, or numbers far from zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array


def total(values: Array, axis: int = 0) -> Array:
    """The sum along an axis, which goes."""
    return np.squeeze(_total(values, axis), axis).astype(values.dtype)


def mean(values: Array, axis: int) -> Array:
    """The mean along an axis, which stays."""
    return (_total(values, axis) / values.shape[axis]).astype(values.dtype)


def moments(x: Array, axis: int) -> tuple[Array, Array]:
    """Mean and variance along an axis, which stays. The deviations correct the mean, which is rounded.

    >>> moments(np.full((1, 3), 0.1), axis=1)
    (array([[0.1]]), array([[0.]]))
    """
    centre = _total(x, axis) / x.shape[axis]
    centre += _total(x - centre, axis) / x.shape[axis]
    return centre.astype(x.dtype), mean(np.square(x - centre), axis).astype(x.dtype)


def _total(values: Array, axis: int) -> NDArray[np.float64]:
    """In float64 and pairwise: NumPy adds up so along a row, but the rows of a matrix one after another."""
    lines = np.ascontiguousarray(values if axis == 1 else values.T, dtype=np.float64)
    return np.expand_dims(lines.sum(axis=1), axis)
