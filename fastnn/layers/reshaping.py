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
    """Turns samples of any shape into rows of numbers, the last axis running fastest.

    >>> Flatten().shape_after((7, 7, 3))
    (147,)
    """

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


class Identity(Layer):
    """a = x.

    >>> Identity().shape_after((3,))
    (3,)
    """

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []


class RepeatVector(Layer):
    """A row of numbers n times, as a signal (n, numbers).

    >>> RepeatVector(2)([[1.0, 2.0]]).tolist()
    [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.n = whole("RepeatVector: n", n, 1)

    def shape_after(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(
                f"RepeatVector takes rows of numbers, got samples of shape {input_shape}; put Flatten before"
            )
        return (self.n, *input_shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [between(operations.Resampling, input_shape, self.shape_after(input_shape), factor=(1, self.n))]


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
        corner = self._plane(tuple(before for before, _ in self.padding), 0)
        return [between(operations.Resampling, input_shape, self.shape_after(input_shape), corner=corner)]


class ZeroPadding1D(ZeroPadding2D):
    """Zeros before and behind signals (steps, channels).

    padding: so many on each side, or (before, behind). As in Keras.

    >>> ZeroPadding1D((1, 2)).shape_after((5, 3))
    (8, 3)
    """

    axes = 1

    def __init__(self, padding: int | tuple[int, int] = 1, data_format: str | None = None, **arguments: Any) -> None:
        super().__init__(sides_of(padding), data_format, **arguments)


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
            raise ValueError(
                f"{type(self).__name__}: cropping={self.cropping} leaves nothing of samples of shape {input_shape}"
            )
        return (*left, channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        corner = self._plane(tuple(-before for before, _ in self.cropping), 0)
        return [between(operations.Resampling, input_shape, self.shape_after(input_shape), corner=corner)]


class Cropping1D(Cropping2D):
    """Signals (steps, channels) without their ends.

    cropping: so many steps on each side, or (before, behind). As in Keras.

    >>> Cropping1D((1, 2)).shape_after((5, 3))
    (2, 3)
    """

    axes = 1

    def __init__(
        self, cropping: int | tuple[int, int] = (1, 1), data_format: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(sides_of(cropping), data_format, **arguments)


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
            raise ValueError(f"{type(self).__name__}: {unknown('interpolation', str(interpolation), known)}")
        self.interpolation = interpolation

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, channels = self._map(input_shape)
        return (*(n * factor for n, factor in zip(sizes, self.size, strict=True)), channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        after = self.shape_after(input_shape)
        settings = {"factor": self._plane(self.size), "smooth": self.interpolation == "bilinear"}
        return [between(operations.Resampling, input_shape, after, **settings)]


class UpSampling1D(UpSampling2D):
    """Signals (steps, channels) with each step ``size`` times. As in Keras.

    >>> UpSampling1D(3).shape_after((5, 2))
    (15, 2)
    """

    axes = 1

    def __init__(self, size: int = 2, **arguments: Any) -> None:
        super().__init__(size, **arguments)


def sides_of(given: Any) -> Any:
    """The margins of a signal, from one number or (before, behind), as layers on maps take them."""
    return (given,) if isinstance(given, (tuple, list)) and len(given) == 2 else given
