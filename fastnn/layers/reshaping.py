"""Layers that move numbers and learn nothing: other shapes, edges, sizes of maps."""

from __future__ import annotations

from math import prod
from typing import Any

from fastnn import operations
from fastnn.basics.checks import unknown, whole
from fastnn.layers.base import Layer, Shape, between, map_of
from fastnn.layers.maps import MapLayer, Sizes
from fastnn.operations import Operation


def _reshaped(before: Shape, after: Shape) -> list[Operation]:
    """The same numbers in the same order, in another shape."""
    if (map_of(before), before[-1]) == (map_of(after), after[-1]):
        return []
    return [between(operations.Permutation, before, after)]


class Flatten(Layer):
    """Turns samples of any shape into rows of numbers, the last axis running fastest."""

    def shape_after(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return _reshaped(input_shape, self.shape_after(input_shape))


class Reshape(Layer):
    """The same numbers in another shape, the last axis running fastest; one size may be -1: what is left over.

    >>> Reshape((7, 7, -1)).shape_after((147,))
    (7, 7, 3)
    """

    def __init__(self, target_shape: int | Sizes, **arguments: Any) -> None:
        super().__init__(**arguments)
        given = tuple(target_shape) if isinstance(target_shape, (tuple, list)) else (target_shape,)
        self.target_shape = tuple(whole("Reshape: each size of target_shape", size, -1) for size in given)
        if not given or 0 in given or given.count(-1) > 1:
            raise ValueError(
                "Reshape: target_shape needs one size or more, each 1 or more, and at most one of them -1, got"
                f" {target_shape!r}"
            )

    def shape_after(self, input_shape: Shape) -> Shape:
        numbers, known = prod(input_shape), prod(size for size in self.target_shape if size != -1)
        shape = tuple(numbers // known if size == -1 else size for size in self.target_shape)
        if prod(shape) != numbers:
            raise ValueError(
                f"Reshape cannot turn samples of shape {input_shape}, {numbers} numbers, into {self.target_shape}"
            )
        return shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        return _reshaped(input_shape, self.shape_after(input_shape))


class Permute(Layer):
    """The axes of a sample in another order: axis i of the new one is axis dims[i] of the old one, counted from 1.

    >>> Permute((2, 1)).shape_after((10, 64))
    (64, 10)
    """

    def __init__(self, dims: Sizes, **arguments: Any) -> None:
        super().__init__(**arguments)
        given = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
        self.dims = tuple(whole("Permute: each of dims", axis, 1) for axis in given)
        if sorted(self.dims) != list(range(1, len(given) + 1)):
            raise ValueError(f"Permute: dims must be the numbers from 1 on in some order, got {dims!r}")

    def shape_after(self, input_shape: Shape) -> Shape:
        if len(input_shape) != len(self.dims):
            raise ValueError(
                f"Permute: dims={self.dims} are for samples of {len(self.dims)} axes, got samples of shape"
                f" {input_shape}"
            )
        return tuple(input_shape[axis - 1] for axis in self.dims)

    def operations(self, input_shape: Shape) -> list[Operation]:
        after, axes = self.shape_after(input_shape), tuple(axis - 1 for axis in self.dims)
        if axes == tuple(range(len(axes))):
            return []
        return [between(operations.Permutation, input_shape, after, shape=input_shape, axes=axes)]


class ZeroPadding2D(MapLayer):
    """Zeros around maps (height, width, channels).

    padding: rows and columns on each side as one number, (rows, columns), or ((top, bottom), (left, right)). As in
    Keras.

    >>> ZeroPadding2D(((1, 0), (2, 2))).shape_after((5, 5, 3))
    (6, 9, 3)
    """

    def __init__(
        self, padding: int | tuple[Any, Any] = (1, 1), data_format: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.padding = self._margins("padding", padding)
        self.data_format = self._channels_last(data_format)

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, channels = self._map(input_shape)
        return (*(n + sum(margin) for n, margin in zip(sizes, self.padding, strict=True)), channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        after, (down, across) = self.shape_after(input_shape), self.padding
        return [between(operations.Resampling, input_shape, after, corner=(down[0], across[0]))]


class Cropping2D(MapLayer):
    """Maps (height, width, channels) without their edges.

    cropping: rows and columns of each side as one number, (rows, columns), or ((top, bottom), (left, right)). As in
    Keras.

    >>> Cropping2D((1, 2)).shape_after((5, 6, 3))
    (3, 2, 3)
    """

    def __init__(
        self, cropping: int | tuple[Any, Any] = ((0, 0), (0, 0)), data_format: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.cropping = self._margins("cropping", cropping)
        self.data_format = self._channels_last(data_format)

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, channels = self._map(input_shape)
        left = tuple(n - sum(margin) for n, margin in zip(sizes, self.cropping, strict=True))
        if min(left) < 1:
            raise ValueError(f"Cropping2D: cropping={self.cropping} leaves nothing of samples of shape {input_shape}")
        return (*left, channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        after, (down, across) = self.shape_after(input_shape), self.cropping
        return [between(operations.Resampling, input_shape, after, corner=(-down[0], -across[0]))]


class UpSampling2D(MapLayer):
    """Maps (height, width, channels) with ``size`` times as many rows and columns.

    interpolation: "nearest" repeats each pixel, "bilinear" lies between four. As in Keras.

    >>> UpSampling2D((2, 3)).shape_after((5, 5, 3))
    (10, 15, 3)
    """

    def __init__(
        self,
        size: int | Sizes = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.size = self._sizes("size", size)
        self.data_format = self._channels_last(data_format)
        if interpolation not in ("nearest", "bilinear"):
            known = ["nearest", "bilinear"]
            raise ValueError(f"UpSampling2D: {unknown('interpolation', str(interpolation), known)}")
        self.interpolation = interpolation

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, channels = self._map(input_shape)
        return (*(n * factor for n, factor in zip(sizes, self.size, strict=True)), channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        after = self.shape_after(input_shape)
        settings = {"factor": self._plane(self.size), "smooth": self.interpolation == "bilinear"}
        return [between(operations.Resampling, input_shape, after, **settings)]
