"""Layers that make maps and signals smaller: the largest number, or the mean, of each window."""

from __future__ import annotations

from typing import Any, ClassVar

from fastnn import operations
from fastnn.basics.checks import flag
from fastnn.layers.base import Shape, map_of
from fastnn.layers.maps import MapLayer, Sizes
from fastnn.operations import Operation
from fastnn.operations.maps import Windowed


class _Pooling(MapLayer):
    kind: ClassVar[type[Windowed]]

    def _set(self, pool_size: int | Sizes, strides: int | Sizes | None, padding: str, data_format: str | None) -> None:
        self.pool_size = self._sizes("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self._sizes("strides", strides)
        self.padding = self._padding(padding)
        self.data_format = self._channels_last(data_format)

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, channels = self._map(input_shape)
        return (*self._windows(sizes, self.pool_size, self.strides, self.padding)[0], channels)

    def operations(self, input_shape: Shape) -> list[Operation]:
        sizes, channels = self._map(input_shape)
        counts, corner = self._windows(sizes, self.pool_size, self.strides, self.padding)
        op = self.kind(
            channels,
            channels,
            map_in=self._plane(sizes),
            map_out=self._plane(counts),
            window=self._plane(self.pool_size),
            strides=self._plane(self.strides),
            corner=self._plane(corner, 0),
        )
        return [op]


class _MaxPooling(_Pooling):
    kind = operations.MaxPooling

    def __init__(
        self,
        pool_size: int | Sizes = 2,
        strides: int | Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._set(pool_size, strides, padding, data_format)


class _AveragePooling(_Pooling):
    kind = operations.AveragePooling

    def __init__(
        self,
        pool_size: int | Sizes,
        strides: int | Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._set(pool_size, strides, padding, data_format)


class MaxPooling1D(_MaxPooling):
    """The largest of each ``pool_size`` steps, in each channel of a signal (steps, channels); see ``MaxPooling2D``.

    >>> MaxPooling1D(3).shape_after((100, 8))
    (33, 8)
    """

    axes = 1


class MaxPooling2D(_MaxPooling):
    """The largest number of each window of ``pool_size`` pixels, in each channel of a map (height, width, channels).

    strides: pixels from one window to the next, by default pool_size. padding: "valid" leaves out what fills no window,
    "same" pads the map so that windows cover all of it; padding is never the largest. The gradient goes to the largest,
    to the first of equal ones. As in Keras. Source: Ranzato et al., "Unsupervised learning of invariant feature
    hierarchies with applications to object recognition", CVPR 2007.

    >>> MaxPooling2D().shape_after((13, 13, 32))
    (6, 6, 32)
    """


class AveragePooling1D(_AveragePooling):
    """The mean of each ``pool_size`` steps, in each channel of a signal (steps, channels); see ``AveragePooling2D``.

    >>> AveragePooling1D(3).shape_after((100, 8))
    (33, 8)
    """

    axes = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of ``pool_size`` pixels, in each channel of a map (height, width, channels).

    Arguments as in ``MaxPooling2D``; padding is not counted. As in Keras. Source: LeCun et al., "Gradient-based
    learning applied to document recognition", Proceedings of the IEEE 86, 1998.

    >>> AveragePooling2D(2, strides=1, padding="same").shape_after((5, 7, 3))
    (5, 7, 3)
    """


class _Global(MapLayer):
    kind: ClassVar[type[Windowed]]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.data_format = self._channels_last(data_format)
        self.keepdims = flag(f"{type(self).__name__}: keepdims", keepdims)

    def shape_after(self, input_shape: Shape) -> Shape:
        _, channels = self._map(input_shape)
        return ((1,) * self.axes if self.keepdims else ()) + (channels,)

    def operations(self, input_shape: Shape) -> list[Operation]:
        whole = map_of(input_shape)
        return [self.kind(input_shape[-1], input_shape[-1], map_in=whole, window=whole)]


class GlobalMaxPooling1D(_Global):
    """The largest of all steps in each channel of a signal (steps, channels): one row (channels,).

    keepdims: (1, channels) instead. As in Keras.

    >>> GlobalMaxPooling1D().shape_after((100, 8))
    (8,)
    """

    axes = 1
    kind = operations.MaxPooling


class GlobalMaxPooling2D(_Global):
    """The largest of all pixels in each channel of a map: one row (channels,).

    keepdims: (1, 1, channels) instead. As in Keras. Source: Oquab et al., "Is object localization for free?", CVPR
    2015.

    >>> GlobalMaxPooling2D(keepdims=True).shape_after((7, 7, 64))
    (1, 1, 64)
    """

    kind = operations.MaxPooling


class GlobalAveragePooling1D(_Global):
    """The mean of all steps in each channel of a signal (steps, channels): one row (channels,).

    keepdims: (1, channels) instead. As in Keras.

    >>> GlobalAveragePooling1D()([[[1.0], [4.0]]])
    array([[2.5]], dtype=float32)
    """

    axes = 1
    kind = operations.AveragePooling


class GlobalAveragePooling2D(_Global):
    """The mean of all pixels in each channel of a map: one row (channels,).

    keepdims: (1, 1, channels) instead. As in Keras. Source: Lin, Chen, Yan, "Network in network", ICLR 2014.

    >>> GlobalAveragePooling2D().shape_after((7, 7, 64))
    (64,)
    """

    kind = operations.AveragePooling
