"""Convolutions of maps and signals."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.activations import Activation
from fastnn.basics.checks import whole
from fastnn.constraints import Constraint
from fastnn.initializers import Initializer
from fastnn.layers.base import Shape
from fastnn.layers.dense import initializer_of, optional
from fastnn.layers.functions import activation_of
from fastnn.layers.maps import MapLayer, Sizes
from fastnn.operations import Operation, activated
from fastnn.regularizers import Regularizer


class _Convolution(MapLayer):
    """What all convolutions have: windows, a bias and an activation."""

    changeable = ("activation", "activity_regularizer")
    weight_names: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    kernel_size: Sizes
    strides: Sizes
    padding: str
    dilation_rate: Sizes
    use_bias: bool
    activation: Activation
    activity_regularizer: Regularizer | None
    bias_regularizer: Regularizer | None
    bias_constraint: Constraint | None
    kernel_initializer: Initializer
    bias_initializer: Initializer

    def _set_windows(self, kernel_size: Any, strides: Any, padding: str, data_format: Any, dilation_rate: Any) -> None:
        self.kernel_size = self._sizes("kernel_size", kernel_size)
        self.strides = self._sizes("strides", strides)
        self.padding = self._padding(padding, self.paddings)
        self.data_format = self._channels_last(data_format)
        self.dilation_rate = self._sizes("dilation_rate", dilation_rate)

    def _set_output(
        self, activation: Any, penalty: Any, use_bias: bool, initializer: object, regularizer: Any, constraint: Any
    ) -> None:
        """penalty: of the activities; what follows is that of the bias."""
        self.activation = activation_of(activation)
        self.activity_regularizer = optional("regularizer", penalty, Regularizer)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializer_of(initializer)
        self.bias_regularizer = optional("regularizer", regularizer, Regularizer)
        self.bias_constraint = optional("constraint", constraint, Constraint)

    def _seen(self, input_shape: Shape) -> tuple[Sizes, Sizes]:
        """How many windows there are, and how much padding comes before the first."""
        sizes, _ = self._map(input_shape)
        return self._windows(sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def _geometry(self, input_shape: Shape) -> dict[str, Any]:
        """What operations say about the windows."""
        sizes, _ = self._map(input_shape)
        counts, corner = self._seen(input_shape)
        return {
            "map_in": self._plane(sizes),
            "map_out": self._plane(counts),
            "window": self._plane(self.kernel_size),
            "strides": self._plane(self.strides),
            "dilation": self._plane(self.dilation_rate),
            "corner": self._plane(corner, 0),
        }

    def _finished(self, product: Operation) -> list[Operation]:
        product = product.replace(
            bias=self.use_bias,
            bias_regularizer=self.bias_regularizer,
            bias_constraint=self.bias_constraint if self.use_bias else None,
        )
        return activated(product, self.activation, self.activity_regularizer)

    @property
    def _initializers(self) -> list[Initializer]:
        """Of the weights in their order, the bias last."""
        return [self.kernel_initializer, self.bias_initializer]

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        shapes = (shape for op in self.operations(input_shape) for shape in op.shapes)
        return [initializer(shape, rng) for initializer, shape in zip(self._initializers, shapes, strict=False)]


class _Plain(_Convolution):
    """A convolution with one kernel for all channels."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sizes,
        strides: int | Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sizes = 1,
        groups: int = 1,
        activation: str | Activation | type[Activation] | None = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        activity_regularizer: str | Regularizer | None = None,
        kernel_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.filters = whole(f"{type(self).__name__}: filters", filters, 1)
        self._set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.groups = whole(f"{type(self).__name__}: groups", groups, 1)
        if self.filters % self.groups:
            raise ValueError(f"{type(self).__name__}: groups={groups} must divide the filters, got filters={filters}")
        self._set_output(
            activation, activity_regularizer, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.kernel_initializer = initializer_of(kernel_initializer)
        self.kernel_regularizer = optional("regularizer", kernel_regularizer, Regularizer)
        self.kernel_constraint = optional("constraint", kernel_constraint, Constraint)

    def shape_after(self, input_shape: Shape) -> Shape:
        _, channels = self._map(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{type(self).__name__}: groups={self.groups} must divide the channels, got samples of shape"
                f" {input_shape}"
            )
        return (*self._seen(input_shape)[0], self.filters)

    def operations(self, input_shape: Shape) -> list[Operation]:
        product = operations.Convolution(
            input_shape[-1],
            self.filters,
            **self._geometry(input_shape),
            groups=self.groups,
            kernel_shape=(*self.kernel_size, input_shape[-1] // self.groups, self.filters),
            kernel_regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        return self._finished(product)


class Conv1D(_Plain):
    """A convolution of signals (steps, channels): each of ``filters`` outputs sees ``kernel_size`` steps at a time.

    a[o] = f(b + sum_k x[o strides + k dilation_rate - p] W[k]), with W of shape (kernel_size, channels / groups,
    filters) and b of shape (filters,). padding: "valid" takes whole windows only (p = 0), "same" has ceil(steps /
    strides) of them with zeros evenly on both sides, "causal" has as many and all zeros before, so that no output sees
    a later step. groups: so many parts of the channels are convolved by themselves. The other arguments are those of
    ``Dense``; names, order, defaults and results are those of Keras.
    A ``kernel_constraint`` such as max_norm is that of each filter, all its taps and channels: Keras' axis=[0, 1].

    Source: Waibel et al., "Phoneme recognition using time-delay neural networks", IEEE Transactions on Acoustics,
    Speech and Signal Processing 37, 1989.

    >>> Conv1D(8, 3, padding="causal").shape_after((100, 2))
    (100, 8)
    """

    axes = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Plain):
    """A convolution of maps (height, width, channels): each of ``filters`` outputs sees ``kernel_size`` pixels.

    a[o] = f(b + sum_k x[o strides + k dilation_rate - p] W[k]), o and k pairs of numbers, with W of shape
    (*kernel_size, channels / groups, filters) and b of shape (filters,). padding: "valid" takes whole windows only
    (p = 0), "same" has ceil(size / strides) of them along each axis, with zeros evenly on both sides, one more behind.
    groups: so many parts of the channels are convolved by themselves. The other arguments are those of ``Dense``;
    names, order, defaults and results are those of Keras.
    A ``kernel_constraint`` such as max_norm is that of each filter, all its taps and channels: Keras' axis=[0, 1, 2].

    ValueError where no window fits, or where samples have no channels; "channels_first" is refused. Source: LeCun et
    al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86, 1998.

    >>> Conv2D(32, (3, 3), activation="relu").shape_after((28, 28, 1))
    (26, 26, 32)
    """


class DepthwiseConv2D(_Convolution):
    """A convolution of each channel of a map by itself, with ``depth_multiplier`` outputs for each.

    W of shape (*kernel_size, channels, depth_multiplier); b of shape (channels * depth_multiplier,). Else as
    ``Conv2D``, with Keras' names. Source: Sifre, "Rigid-motion scattering for image classification", thesis, 2014.

    >>> DepthwiseConv2D(3, padding="same", depth_multiplier=2).shape_after((10, 12, 3))
    (10, 12, 6)
    """

    def __init__(
        self,
        kernel_size: int | Sizes,
        strides: int | Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sizes = 1,
        activation: str | Activation | type[Activation] | None = None,
        use_bias: bool = True,
        depthwise_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        activity_regularizer: str | Regularizer | None = None,
        depthwise_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = whole(f"{type(self).__name__}: depth_multiplier", depth_multiplier, 1)
        self._set_output(
            activation, activity_regularizer, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.depthwise_initializer = initializer_of(depthwise_initializer)
        self.depthwise_regularizer = optional("regularizer", depthwise_regularizer, Regularizer)
        self.depthwise_constraint = optional("constraint", depthwise_constraint, Constraint)

    @property
    def _initializers(self) -> list[Initializer]:
        return [self.depthwise_initializer, self.bias_initializer]

    def shape_after(self, input_shape: Shape) -> Shape:
        _, channels = self._map(input_shape)
        return (*self._seen(input_shape)[0], channels * self.depth_multiplier)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return self._finished(_depthwise(self, input_shape))


class SeparableConv2D(_Convolution):
    """``DepthwiseConv2D`` without bias, then a convolution of 1 x 1 to ``filters`` channels: fewer weights for as much.

    Weights: of the first (*kernel_size, channels, depth_multiplier), of the second (1, 1, channels * depth_multiplier,
    filters), b of shape (filters,). Names as in Keras. Source: Chollet, "Xception: deep learning with depthwise
    separable convolutions", CVPR 2017.

    >>> SeparableConv2D(8, 3).shape_after((10, 12, 3))
    (8, 10, 8)
    """

    weight_names = ("depthwise_kernel", "pointwise_kernel", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sizes,
        strides: int | Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sizes = 1,
        depth_multiplier: int = 1,
        activation: str | Activation | type[Activation] | None = None,
        use_bias: bool = True,
        depthwise_initializer: object = "glorot_uniform",
        pointwise_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        pointwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        activity_regularizer: str | Regularizer | None = None,
        depthwise_constraint: str | Constraint | None = None,
        pointwise_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.filters = whole(f"{type(self).__name__}: filters", filters, 1)
        self._set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = whole(f"{type(self).__name__}: depth_multiplier", depth_multiplier, 1)
        self._set_output(
            activation, activity_regularizer, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.depthwise_initializer = initializer_of(depthwise_initializer)
        self.pointwise_initializer = initializer_of(pointwise_initializer)
        self.depthwise_regularizer = optional("regularizer", depthwise_regularizer, Regularizer)
        self.pointwise_regularizer = optional("regularizer", pointwise_regularizer, Regularizer)
        self.depthwise_constraint = optional("constraint", depthwise_constraint, Constraint)
        self.pointwise_constraint = optional("constraint", pointwise_constraint, Constraint)

    @property
    def _initializers(self) -> list[Initializer]:
        return [self.depthwise_initializer, self.pointwise_initializer, self.bias_initializer]

    def shape_after(self, input_shape: Shape) -> Shape:
        return (*self._seen(input_shape)[0], self.filters)

    def operations(self, input_shape: Shape) -> list[Operation]:
        first = _depthwise(self, input_shape).replace(kernel_name="depthwise_kernel")
        second = operations.Convolution(
            first.outputs,
            self.filters,
            map_in=first.map_out,
            map_out=first.map_out,
            kernel_shape=(*[1] * self.axes, first.outputs, self.filters),
            kernel_name="pointwise_kernel",
            kernel_regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        return [first, *self._finished(second)]


class Conv2DTranspose(_Convolution):
    """The transpose of a convolution, which makes maps larger: each pixel adds its window, times W, to the new map.

    z[o strides + k dilation_rate - p] += x[o] W[k], beginning with b; a = f(z). W of shape (*kernel_size, filters,
    channels), b of shape (filters,). Along each axis the new map has size * strides pixels with padding "same", else
    (size - 1) * strides + max(kernel_size, strides); output_padding, less than strides, says instead how many are left
    over behind the last whole window. Names, defaults and results are those of Keras. Source: Zeiler et al.,
    "Deconvolutional networks", CVPR 2010.

    >>> Conv2DTranspose(16, 3, strides=2, padding="same").shape_after((7, 7, 8))
    (14, 14, 16)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sizes,
        strides: int | Sizes = 1,
        padding: str = "valid",
        output_padding: int | Sizes | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sizes = 1,
        activation: str | Activation | type[Activation] | None = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        activity_regularizer: str | Regularizer | None = None,
        kernel_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.filters = whole(f"{type(self).__name__}: filters", filters, 1)
        self._set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = None if output_padding is None else self._sizes("output_padding", output_padding, 0)
        if any(left >= s for left, s in zip(self.output_padding or (), self.strides, strict=False)):
            raise ValueError(
                f"{type(self).__name__}: output_padding must be less than strides, got"
                f" output_padding={self.output_padding} and strides={self.strides}"
            )
        self._set_output(
            activation, activity_regularizer, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.kernel_initializer = initializer_of(kernel_initializer)
        self.kernel_regularizer = optional("regularizer", kernel_regularizer, Regularizer)
        self.kernel_constraint = optional("constraint", kernel_constraint, Constraint)

    def _seen(self, input_shape: Shape) -> tuple[Sizes, Sizes]:
        """The sizes of the new map, and how many of the first pixels of the windows lie before it."""
        sizes, _ = self._map(input_shape)
        found = []
        left_over = self.output_padding or (None,) * self.axes
        for n, k, s, d, left in zip(sizes, self.kernel_size, self.strides, self.dilation_rate, left_over, strict=True):
            reach = (k - 1) * d + 1
            whole_size = (n - 1) * s + reach
            if self.padding == "valid":
                found.append((whole_size + (max(reach, s) - reach if left is None else left), 0))
            else:
                size = n * s if left is None else (n - 1) * s + reach % 2 + left
                lost = size - whole_size + 2 * (reach - 1)  # zeros that a convolution of the spread pixels would need
                found.append((size, reach - 1 - min(lost - lost // 2, reach - 1)))
        counts, corner = zip(*found, strict=True)
        return counts, corner

    def shape_after(self, input_shape: Shape) -> Shape:
        sizes, _ = self._seen(input_shape)
        if min(sizes) < 1:
            raise ValueError(
                f"{type(self).__name__}: output_padding={self.output_padding} leaves nothing of samples of shape"
                f" {input_shape}"
            )
        return (*sizes, self.filters)

    def operations(self, input_shape: Shape) -> list[Operation]:
        product = operations.TransposedConvolution(
            input_shape[-1],
            self.filters,
            **self._geometry(input_shape),
            kernel_shape=(*self.kernel_size, self.filters, input_shape[-1]),
            kernel_regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        return self._finished(product)


class DepthwiseConv1D(DepthwiseConv2D):
    """The same for signals (steps, channels); W of shape (*kernel_size, channels, depth_multiplier).

    >>> DepthwiseConv1D(3, depth_multiplier=2).shape_after((10, 3))
    (8, 6)
    """

    axes = 1


class SeparableConv1D(SeparableConv2D):
    """The same for signals (steps, channels); the second weights have shape (1, channels * depth_multiplier, filters).

    >>> SeparableConv1D(8, 3).shape_after((10, 3))
    (8, 8)
    """

    axes = 1


class Conv1DTranspose(Conv2DTranspose):
    """The same for signals (steps, channels); W of shape (*kernel_size, filters, channels).

    >>> Conv1DTranspose(4, 3, strides=2, padding="same").shape_after((10, 3))
    (20, 4)
    """

    axes = 1


def _depthwise(layer: DepthwiseConv2D | SeparableConv2D, input_shape: Shape) -> Operation:
    channels, multiplier = input_shape[-1], layer.depth_multiplier
    return operations.Convolution(
        channels,
        channels * multiplier,
        **layer._geometry(input_shape),
        groups=channels,
        kernel_shape=(*layer.kernel_size, channels, multiplier),
        kernel_regularizer=layer.depthwise_regularizer,
        constraint=layer.depthwise_constraint,
    )
