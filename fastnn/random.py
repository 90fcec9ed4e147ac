"""Random numbers by Keras' names, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.seeds import SeedGenerator, as_generator
from fastnn.initializers import TruncatedNormal

__all__ = ["SeedGenerator", "normal", "randint", "shuffle", "truncated_normal", "uniform"]

Shape = tuple[int, ...]


def normal(shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None) -> NDArray:
    """Normal numbers. seed: None, a number, or a ``SeedGenerator``.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    return as_generator(seed, "seed").normal(mean, stddev, shape).astype(dtype)


def truncated_normal(
    shape: Shape, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> NDArray:
    """Normal numbers, those beyond two deviations drawn again."""
    return TruncatedNormal(mean=mean, stddev=stddev).values(tuple(shape), as_generator(seed, "seed")).astype(dtype)


def uniform(
    shape: Shape, minval: float = 0.0, maxval: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> NDArray:
    """Uniform numbers from minval to below maxval."""
    return as_generator(seed, "seed").uniform(minval, maxval, shape).astype(dtype)


def randint(shape: Shape, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> NDArray:
    """Whole numbers from minval to maxval - 1."""
    return as_generator(seed, "seed").integers(minval, maxval, shape).astype(dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> NDArray:
    """A copy of x in another order along an axis."""
    return as_generator(seed, "seed").permutation(np.asarray(x), axis=axis)
