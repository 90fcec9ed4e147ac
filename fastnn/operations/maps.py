"""Windows that move over maps, and the convolutions that multiply what they see by weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Pair, Weights
from fastnn.operations.sums import total


class Windowed(Operation):
    """What looks at a window of a map for each pixel of another.

    Pixel o of the small map and tap k of the window belong to pixel o stride + k dilation - corner of the large map,
    along each axis. Where that lies outside, it is padding. corner: how many rows and columns of padding come first.
    """

    window: Pair = (1, 1)
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    corner: Pair = (0, 0)
    groups: int = 1

    @property
    def geometry(self) -> tuple[int, ...]:
        shapes = (*self.map_in, *self.map_out)
        return (*shapes, *self.window, *self.strides, *self.dilation, *self.corner, self.groups)

    @property
    def large(self) -> Pair:
        """The map that the windows lie on."""
        return self.map_in

    @property
    def small(self) -> Pair:
        """The map that has a pixel for each window."""
        return self.map_out

    def padded(self, x: Array, value: float = 0.0) -> Array:
        """Rows (samples x pixels, channels) of the large map as (samples, height, width, channels), with padding."""
        margins = [(0, 0), *zip(self.corner, self.behind, strict=True), (0, 0)]
        return np.pad(x.reshape(-1, *self.large, x.shape[1]), margins, constant_values=value)

    def cropped(self, maps: Array) -> Array:
        """The rows of the large map, from what ``padded`` returns."""
        (top, left), (height, width) = self.corner, self.large
        return maps[:, top : top + height, left : left + width].reshape(-1, maps.shape[-1])

    @property
    def behind(self) -> Pair:
        """Rows and columns of padding behind the map: as many as the last window reaches."""
        sizes = zip(self.large, self.small, self.window, self.strides, self.dilation, self.corner, strict=True)
        ends = [max(0, (o - 1) * s + (k - 1) * d + 1 - p - n) for n, o, k, s, d, p in sizes]
        return ends[0], ends[1]

    def taps(self) -> Iterator[tuple[Any, ...]]:
        """For each tap of the window, row by row: its places on the padded map, one for each pixel of the small one."""
        for tap in np.ndindex(*self.window):
            places = zip(tap, self.dilation, self.strides, self.small, strict=True)
            yield (slice(None), *(slice(k * d, k * d + (o - 1) * s + 1, s) for k, d, s, o in places))


class _Product(Windowed):
    """A sum over the taps of a window, each with its weights W[k]; then the bias and the activation.

    kernel_shape: of W as ``get_weights`` shows it; kernel_name: of W in its layer.
    """

    applies_activation = True

    kernel_shape: tuple[int, ...] = ()
    kernel_name: str = "kernel"
    bias_name: str = "bias"

    @property
    def kernel_rows(self) -> int:
        return self.window[0] * self.window[1] * self.inputs // self.groups

    @property
    def rows(self) -> int:
        return self.kernel_rows + 1  # the bias has its line also where it is not used

    @property
    def flops(self) -> int:
        return 2 * self.kernel_rows * self.outputs * self.small[0] * self.small[1]

    @property
    def weight_names(self) -> tuple[str, ...]:
        return (self.kernel_name, self.bias_name)[: 1 + self.bias]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [self.kernel_shape, (self.outputs,)][: 1 + self.bias]

    def arrays(self, lines: Array) -> Weights:
        return [lines[:-1].copy(), lines[-1].copy()]

    def kernels(self, weights: Weights) -> list[Array]:
        """W of each tap, (groups, inputs of a group, outputs of a group)."""
        lines = weights[0].reshape(self.window[0] * self.window[1], -1, self.outputs)
        return [self.grouped(tap) for tap in lines]

    def grouped(self, maps: Array) -> Array:
        """Rows with their channels divided into groups: (groups, rows, channels of a group)."""
        return maps.reshape(-1, self.groups, maps.shape[-1] // self.groups).transpose(1, 0, 2)

    def joined(self, parts: Array) -> Array:
        """The rows that ``grouped`` has divided."""
        return parts.transpose(1, 0, 2).reshape(parts.shape[1], -1)

    def product(self, x: Array, weights: Weights) -> Array:
        """z, rows of the map behind."""
        raise NotImplementedError

    def input_gradient(self, d: Array, weights: Weights) -> Array:
        """dL/dx from d = dL/dz."""
        raise NotImplementedError

    def weight_gradient(self, d: Array, x: Array) -> Array:
        """dL/dW from d = dL/dz."""
        raise NotImplementedError

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        z = self.product(x, weights)
        return self.activation.forward(z), z

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        d = self.activation.backward(kept if self.activation.keeps_input else a, d)  # of a = f(z)
        own = [self.weight_gradient(d, x), total(d)][: 1 + self.bias] if self.trainable else []
        return self.input_gradient(d, weights), own

    def infer(self, x: Array, weights: Weights) -> Array:
        return self.activation.forward(self.product(x, weights))


class Convolution(_Product):
    """z[o] = b + sum over the taps k of x[o stride + k dilation - corner] W[k], a = f(z): of maps, with zeros around.

    W (height, width, inputs / groups, outputs) of the window; b (outputs,). Each group of outputs sees its group of
    inputs; with a group for each input it is depthwise.

    dz = da f'(z), dx[o stride + k dilation - corner] += dz[o] W[k]^T, dW[k] = sum of x^T dz, db = sum dz.
    """

    name = "convolution"
    kernel = 8

    @property
    def inner(self) -> tuple[int, ...]:
        axes = tuple(range(len(self.kernel_shape) - 1)) or (0,)
        return axes if self.kernel_shape[-1] == self.outputs else axes[:-1]  # depthwise: each channel has its outputs

    def product(self, x: Array, weights: Weights) -> Array:
        maps = self.padded(x)
        z = np.tile(weights[1], (len(x) // self.positions_in * self.positions_out, 1))
        for tap, w in zip(self.taps(), self.kernels(weights), strict=True):
            z += self.joined(self.grouped(maps[tap]) @ w)
        return z

    def input_gradient(self, d: Array, weights: Weights) -> Array:
        dx = self.padded(np.zeros((len(d) // self.positions_out * self.positions_in, self.inputs), dtype=d.dtype))
        for tap, w in zip(self.taps(), self.kernels(weights), strict=True):  # of z += x W
            dx[tap] += self.joined(self.grouped(d) @ w.transpose(0, 2, 1)).reshape(dx[tap].shape)
        return self.cropped(dx)

    def weight_gradient(self, d: Array, x: Array) -> Array:
        maps, parts = self.padded(x), self.grouped(d)
        return np.concatenate([self.joined(self.grouped(maps[tap]).transpose(0, 2, 1) @ parts) for tap in self.taps()])


class TransposedConvolution(_Product):
    """z[o stride + k dilation - corner] += x[o] W[k], beginning with b, a = f(z): what a convolution's gradient does.

    W (height, width, outputs, inputs), as in Keras; b (outputs,).

    dz = da f'(z), dx[o] = sum over the taps of dz[o stride + k dilation - corner] W[k]^T, dW[k] = sum of x^T dz,
    db = sum dz.
    """

    name = "transposed_convolution"
    kernel = 9

    @property
    def large(self) -> Pair:
        return self.map_out

    @property
    def small(self) -> Pair:
        return self.map_in

    @property
    def inner(self) -> tuple[int, ...]:
        axes = len(self.kernel_shape)
        return (*range(axes - 2), axes - 1)

    def shown(self, arrays: Weights) -> Weights:
        *window, outputs, inputs = self.kernel_shape
        return [arrays[0].reshape(*window, inputs, outputs).swapaxes(-1, -2).copy(), *arrays[1:]]

    def taken(self, arrays: Weights) -> Weights:
        return [np.swapaxes(arrays[0], -1, -2).reshape(-1, self.outputs), *arrays[1:]] if arrays else []

    def product(self, x: Array, weights: Weights) -> Array:
        samples = len(x) // self.positions_in
        z = self.padded(np.zeros((samples * self.positions_out, self.outputs), dtype=x.dtype))
        for tap, w in zip(self.taps(), self.kernels(weights), strict=True):
            z[tap] += self.joined(self.grouped(x) @ w).reshape(z[tap].shape)
        return self.cropped(z) + weights[1]

    def input_gradient(self, d: Array, weights: Weights) -> Array:
        maps = self.padded(d)
        dx = np.zeros((len(d) // self.positions_out * self.positions_in, self.inputs), dtype=d.dtype)
        for tap, w in zip(self.taps(), self.kernels(weights), strict=True):  # of z += x W
            dx += self.joined(self.grouped(maps[tap]) @ w.transpose(0, 2, 1))
        return dx

    def weight_gradient(self, d: Array, x: Array) -> Array:
        maps, parts = self.padded(d), self.grouped(x).transpose(0, 2, 1)
        return np.concatenate([self.joined(parts @ self.grouped(maps[tap])) for tap in self.taps()])
