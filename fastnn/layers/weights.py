"""The weights of layers as users see them: one variable for each array, and whether given arrays fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain, real

Shape = tuple[int, ...]


class Variable(NDArrayOperatorsMixin):
    """One array of a layer's weights: the layer's name for it, its shape, and its numbers as they are when asked.

    ``numpy()``, ``value`` and whatever NumPy makes of it are copies; ``assign`` changes the weights. ``trainable``:
    whether ``compile`` would have it trained.

    >>> from fastnn import Sequential, layers
    >>> kernel = Sequential([layers.Input(2), layers.Dense(3, kernel_initializer="zeros")]).layers[0].kernel
    >>> kernel.path, kernel.shape, kernel.trainable, kernel.numpy().sum()
    ('dense/kernel', (2, 3), True, np.float32(0.0))
    >>> kernel.assign(np.ones((2, 3)))
    >>> float(np.sum(kernel * 2))
    12.0
    """

    __array_priority__ = 100.0

    def __init__(self, layer: Any, index: int, name: str, shape: Shape, trainable: bool) -> None:
        self._layer, self._index, self.name, self.shape, self.trainable = layer, index, name, shape, trainable

    @property
    def path(self) -> str:
        """The layer's name and its own."""
        return f"{self._layer.name}/{self.name}"

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the numbers."""
        return self._layer.get_weights()[self._index]

    def numpy(self) -> NDArray[Any]:
        """A copy of the numbers."""
        return self.value

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def assign(self, value: ArrayLike) -> None:
        """Sets the numbers; the optimizer's state stays."""
        weights: list[Any] = self._layer.get_weights()
        with np.errstate(over="ignore"):  # what is not finite then is refused
            weights[self._index] = real(value, self.path).astype(weights[self._index].dtype)
        self._layer.set_weights(weights)

    def assign_add(self, value: ArrayLike) -> None:
        """Adds to the numbers."""
        self.assign(self.value + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtracts from the numbers."""
        self.assign(self.value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.value if dtype is None else self.value.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **arguments: Any) -> Any:
        if any(isinstance(one, Variable) for one in arguments.get("out", ())):
            return NotImplemented  # it would change a copy: assign() changes the weights
        plain_inputs = [one.value if isinstance(one, Variable) else one for one in inputs]
        return getattr(ufunc, method)(*plain_inputs, **arguments)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.value}>"


def checked_arrays(expected: Sequence[tuple[str, Shape]], weights: Any, dtype: np.dtype) -> list[NDArray[Any]]:
    """What ``set_weights`` was given as arrays, or an error that names the first that does not fit.

    expected: what messages call each array, and its shape; dtype: that of the weights, in which they must be finite.
    """
    if not hasattr(weights, "__len__") or isinstance(weights, (str, bytes, dict)):
        raise TypeError(f"expected a list of arrays, as get_weights() returns it, got {weights!r}")
    if len(weights) != len(expected):
        raise ValueError(f"expected {len(expected)} arrays, as get_weights() returns them, got {len(weights)}")
    arrays = []
    for (name, shape), values in zip(expected, weights, strict=True):
        array = plain(values, name)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
        arrays.append(array)
    kinds = {array.dtype.newbyteorder("=") for array in arrays if array.dtype.kind == "f"}
    if len(kinds) > 1:
        raise TypeError(f"weights have different dtypes, {', '.join(sorted(map(str, kinds)))}; convert them to one")
    for i, array in enumerate(arrays):
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(dtype)).all()
        if not finite:
            raise ValueError(f"weights[{i}] holds values that are not finite in {dtype}")
    return arrays
