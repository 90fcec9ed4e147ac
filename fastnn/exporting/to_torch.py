"""Layers as a PyTorch ``nn.Sequential``, through the package torch.

Its maps are (channels, height, width), ours (height, width, channels): the weights behind a Flatten of maps are put
into PyTorch's order, up to the first Dense.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import activations, layers
from fastnn.activations import Activation, Linear
from fastnn.exporting.frozen import entry
from fastnn.layers import Input, Layer
from fastnn.layers.axes import sample_axes
from fastnn.layers.functions import _Function
from fastnn.layers.preprocessing import _Scaling

Array = NDArray[Any]
TARGET = "PyTorch"
# Layers between a Flatten of maps and the Dense behind it, which mind no order or know it.
THROUGH = (
    layers.Activation,
    layers.Dropout,
    layers.PReLU,
    layers.BatchNormalization,
    layers.LayerNormalization,
    _Function,
    _Scaling,
)

# Activations as modules: the name in torch.nn, and its arguments.
ACTIVATIONS: dict[type[Activation], Callable[[Any], tuple[str, dict[str, Any]]]] = {
    activations.ReLU: lambda f: ("ReLU", {}),
    activations.LeakyReLU: lambda f: ("LeakyReLU", {"negative_slope": f.negative_slope}),
    activations.Sigmoid: lambda f: ("Sigmoid", _slope(f)),
    activations.Tanh: lambda f: ("Tanh", _slope(f)),
    activations.Softmax: lambda f: ("Softmax", {"dim": 1}),
    activations.LogSoftmax: lambda f: ("LogSoftmax", {"dim": 1}),
    activations.ELU: lambda f: ("ELU", {"alpha": f.alpha}),
    activations.SELU: lambda f: ("SELU", {}),
    activations.GELU: lambda f: ("GELU", {}),
    activations.GELUTanh: lambda f: ("GELU", {"approximate": "tanh"}),
    activations.SiLU: lambda f: ("SiLU", {}),
    activations.Mish: lambda f: ("Mish", {}),
    activations.Softplus: lambda f: ("Softplus", {}),
    activations.Softsign: lambda f: ("Softsign", {}),
    activations.HardSigmoid: lambda f: ("Hardsigmoid", {}),
    activations.HardTanh: lambda f: ("Hardtanh", {}),
    activations.HardSiLU: lambda f: ("Hardswish", {}),
    activations.LogSigmoid: lambda f: ("LogSigmoid", {}),
    activations.CELU: lambda f: ("CELU", {"alpha": f.alpha}),
    activations.SoftShrink: lambda f: ("Softshrink", {"lambd": f.threshold}),
    activations.HardShrink: lambda f: ("Hardshrink", {"lambd": f.threshold}),
    activations.TanhShrink: lambda f: ("Tanhshrink", {}),
    activations.Threshold: lambda f: ("Threshold", {"threshold": f.threshold, "value": f.default_value}),
    activations.ReLU6: lambda f: ("ReLU6", _clipped(f, 6.0)),
}


def _slope(function: Any) -> dict[str, Any]:
    if function.slope != 1:
        raise TypeError(f"activation {function!r} cannot go to {TARGET}, which has the slope 1 only")
    return {}


def _clipped(function: Any, most: float) -> dict[str, Any]:
    if (function.max_value, function.negative_slope, function.threshold) != (most, 0, 0):
        raise TypeError(f"activation {function!r} cannot go to {TARGET}")
    return {}


class Writer:
    """Modules as they come, the shape behind them, and the order of rows that come from flattened maps.

    order: ours[order[i]] is PyTorch's number i; None where both are the same.
    """

    def __init__(self, torch: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.torch, self.nn, self.shape, self.dtype = torch, torch.nn, shape, dtype
        self.modules: list[Any] = []
        self.order: NDArray[np.int64] | None = None

    @property
    def axes(self) -> int:
        return len(self.shape) - 1

    def add(self, kind: str, *arguments: Any, weights: dict[str, Array] | None = None, **settings: Any) -> None:
        """A module of torch.nn with these parameters and buffers."""
        module = getattr(self.nn, kind)(*arguments, **settings)
        module = module.to(getattr(self.torch, self.dtype.name))
        with self.torch.no_grad():
            for name, array in (weights or {}).items():
                getattr(module, name).copy_(self.torch.from_numpy(np.ascontiguousarray(array)))
        self.modules.append(module)

    def activate(self, function: Activation) -> None:
        if type(function) is Linear:
            return
        if type(function) not in ACTIVATIONS:
            raise TypeError(f"activation {type(function).__name__} cannot go to {TARGET}, which has none of its kind")
        if self.order is not None and function.blockwise:
            raise TypeError(f"{function!r} right behind a Flatten of maps cannot go to {TARGET}; put a Dense between")
        kind, settings = ACTIVATIONS[type(function)](function)
        self.add(kind, **settings)

    def rows(self, array: Array) -> Array:
        return array if self.order is None else array[self.order]


def module_of(chosen: Sequence[Layer], dtype: np.dtype) -> Any:
    """A ``torch.nn.Sequential`` with these layers, the first one an Input, and their weights."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("to_torch needs the package torch: pip install torch") from error
    first = chosen[0]
    writer = Writer(torch, first.shape_after(()), dtype)
    for place, layer in enumerate(chosen[1:], start=1):
        behind = chosen[place + 1 :]
        if _is_turn(layer, behind):
            continue  # the Flatten behind it finds the maps as PyTorch has them
        if isinstance(layer, layers.Flatten):
            _flatten(writer, chosen[place - 1], behind)
        elif isinstance(layer, _Function):
            if isinstance(layer, layers.Softmax) and not _of_last_axis(writer, layer):
                raise TypeError(f"{layer!r} cannot go to {TARGET}: it works along another axis than the last")
            writer.activate(layer.function())
        elif not isinstance(layer, Input):
            entry(TABLE, layer, TARGET)(writer, layer)
        writer.shape = layer.shape_after(writer.shape) if not isinstance(layer, Input) else writer.shape
    return torch.nn.Sequential(*writer.modules)


def _is_turn(layer: Any, behind: Sequence[Layer]) -> bool:
    """Whether it brings the channels in front, for a Flatten behind it."""
    if not isinstance(layer, layers.Permute) or not behind or not isinstance(behind[0], layers.Flatten):
        return False
    return layer.dims == (len(layer.dims), *range(1, len(layer.dims)))


def _flatten(writer: Writer, before: Any, behind: Sequence[Layer]) -> None:
    shape = writer.shape
    writer.add("Flatten")
    if len(shape) == 1 or shape[-1] == 1 or np.prod(shape[:-1]) == 1 or isinstance(before, layers.Permute):
        return
    next_ones = [one for one in behind if not isinstance(one, THROUGH)]
    if not next_ones or not isinstance(next_ones[0], layers.Dense):
        raise TypeError(
            f"Flatten of maps {shape} without a Dense behind it cannot go to {TARGET}, whose order is another"
        )
    writer.order = np.moveaxis(np.arange(np.prod(shape)).reshape(shape), -1, 0).reshape(-1)


def _dense(writer: Writer, layer: Any) -> None:
    kernel, *bias = layer.get_weights()
    known = {"weight": writer.rows(kernel).T} | ({"bias": bias[0]} if bias else {})
    if writer.axes:  # along the channels of maps: a convolution of one pixel
        known["weight"] = known["weight"].reshape(*known["weight"].shape, *[1] * writer.axes)
        writer.add(f"Conv{writer.axes}d", len(kernel), layer.units, 1, bias=bool(bias), weights=known)
    else:
        writer.add("Linear", len(kernel), layer.units, bias=bool(bias), weights=known)
    writer.order = None
    writer.activate(layer.activation)


def _padded(writer: Writer, margins: Sequence[tuple[int, int]], value: float = 0.0) -> None:
    """Numbers around maps; PyTorch lists the last axis first."""
    if any(map(any, margins)):
        flat = [n for margin in reversed(margins) for n in margin]
        writer.add(f"ConstantPad{writer.axes}d", tuple(flat), value)


def _margins(op: Any, axes: int) -> list[tuple[int, int]]:
    """Padding before and behind, for each axis."""
    return list(zip(op.corner, op.behind, strict=True))[-axes:]


def _convolution(writer: Writer, layer: Any) -> None:
    ops = layer.operations(writer.shape)
    axes, weights = writer.axes, layer.get_weights()
    products = [op for op in ops if op.applies_activation]
    for op in products:
        kernel = weights.pop(0)
        bias = weights.pop(0) if op.bias else None
        theirs = kernel.reshape(*op.window[-axes:], op.inputs // op.groups, op.outputs)
        theirs = np.moveaxis(theirs, (-1, -2), (0, 1))
        _padded(writer, _margins(op, axes))
        known = {"weight": theirs} | ({} if bias is None else {"bias": bias})
        places = {"stride": op.strides[-axes:], "dilation": op.dilation[-axes:], "groups": op.groups}
        sizes = (op.inputs, op.outputs, op.window[-axes:])
        writer.add(f"Conv{axes}d", *sizes, bias=bias is not None, weights=known, **places)
    writer.activate(layer.activation)


def _transposed(writer: Writer, layer: Any) -> None:
    (op, *_), axes = layer.operations(writer.shape), writer.axes
    kernel, *bias = layer.get_weights()
    spans = zip(op.small, op.large, op.window, op.strides, op.dilation, op.corner, strict=True)
    behind = [(o - 1) * s + (k - 1) * d + 1 - p - n for o, n, k, s, d, p in spans]
    more = [max(0, -b) for b in behind][-axes:]
    cropped = [(-p, -max(0, b)) for p, b in zip(op.corner, behind, strict=True)][-axes:]
    if any(m >= max(s, d) for m, s, d in zip(more, op.strides[-axes:], op.dilation[-axes:], strict=True)):
        raise TypeError(f"{layer!r} cannot go to {TARGET}: its output_padding is too large there")
    known = {"weight": np.moveaxis(kernel, (-1, -2), (0, 1))} | ({"bias": bias[0]} if bias else {})
    places = {"stride": op.strides[-axes:], "dilation": op.dilation[-axes:], "output_padding": tuple(more)}
    sizes = (op.inputs, op.outputs, op.window[-axes:])
    writer.add(f"ConvTranspose{axes}d", *sizes, bias=bool(bias), weights=known, **places)
    _padded(writer, cropped)
    writer.activate(layer.activation)


def _pooling(writer: Writer, layer: Any) -> None:
    (op, *_), axes = layer.operations(writer.shape), writer.axes
    margins, largest = _margins(op, axes), type(layer).__name__.startswith("Max")
    sizes = (op.window[-axes:], op.strides[-axes:])
    if largest:
        _padded(writer, margins, -inf)
        writer.add(f"MaxPool{axes}d", *sizes)
        return
    even = all(before == behind for before, behind in margins)
    if not even:
        raise TypeError(f"{layer!r} on maps {writer.shape} cannot go to {TARGET}: its padding is uneven")
    writer.add(f"AvgPool{axes}d", *sizes, padding=tuple(p for p, _ in margins), count_include_pad=False)


def _dropout(writer: Writer, layer: Any) -> None:
    if layer.noise_shape is not None:
        raise TypeError(f"{layer!r} cannot go to {TARGET}, which has no noise_shape")
    writer.add(type(layer).__name__, layer.rate)


def _global_pooling(writer: Writer, layer: Any) -> None:
    kind = "Max" if "Max" in type(layer).__name__ else "Avg"
    writer.add(f"Adaptive{kind}Pool{writer.axes}d", 1)
    if not layer.keepdims:
        writer.add("Flatten")


def _of_last_axis(writer: Writer, layer: Any) -> bool:
    return bool(sample_axes(type(layer).__name__, layer.axis, writer.shape) == (len(writer.shape) - 1,))


def _scales(writer: Writer, layer: Any) -> tuple[dict[str, Array], list[Array]]:
    """gamma and beta by PyTorch's names, 1 and 0 where there are none, and the other weights."""
    if not _of_last_axis(writer, layer):
        raise TypeError(f"{layer!r} cannot go to {TARGET}: it works along another axis than the last")
    given, n = [writer.rows(one) for one in layer.get_weights()], writer.shape[-1]
    gamma = given.pop(0) if layer.scale else np.ones(n)
    beta = given.pop(0) if layer.center else np.zeros(n)
    return {"weight": gamma, "bias": beta}, given


def _batch_normalization(writer: Writer, layer: Any) -> None:
    known, (mean, variance) = _scales(writer, layer)
    known |= {"running_mean": mean, "running_var": variance}
    settings = {"eps": layer.epsilon, "momentum": 1 - layer.momentum}
    writer.add(f"BatchNorm{max(1, writer.axes)}d", len(mean), weights=known, **settings)


def _layer_normalization(writer: Writer, layer: Any) -> None:
    known, _ = _scales(writer, layer)
    if writer.axes:
        raise TypeError(
            f"{layer!r} on samples of shape {writer.shape} cannot go to {TARGET}, whose channels come first"
        )
    writer.add("LayerNorm", len(known["weight"]), eps=layer.epsilon, weights=known)


def _group_normalization(writer: Writer, layer: Any) -> None:
    known, _ = _scales(writer, layer)
    if writer.order is not None:
        raise TypeError(f"{layer!r} right behind a Flatten of maps cannot go to {TARGET}; put a Dense between")
    n = writer.shape[-1]
    writer.add("GroupNorm", n if layer.groups == -1 else layer.groups, n, eps=layer.epsilon, weights=known)


def _prelu(writer: Writer, layer: Any) -> None:
    (alpha,) = layer.get_weights()
    if any(size != 1 for size in alpha.shape[:-1]):
        raise TypeError(f"{layer!r} with an alpha for each pixel cannot go to {TARGET}; share it among the pixels")
    alpha = alpha.reshape(-1)
    writer.add("PReLU", len(alpha), weights={"weight": writer.rows(alpha) if len(alpha) > 1 else alpha})


def _cropping(writer: Writer, layer: Any) -> None:
    _padded(writer, [(-before, -behind) for before, behind in layer.cropping])


def _scaling(writer: Writer, layer: Any) -> None:
    """y = scale x + shift for each column: a diagonal product."""
    factor, shift = map(writer.rows, layer.factors())
    known = {"weight": np.diag(factor), "bias": shift}
    n = len(factor)
    if writer.axes:
        known["weight"] = factor.reshape(n, *[1] * (writer.axes + 1))
        writer.add(f"Conv{writer.axes}d", n, n, 1, groups=n, weights=known)
    else:
        writer.add("Linear", n, n, weights=known)


def _upsampling(writer: Writer, layer: Any) -> None:
    writer.add("Upsample", scale_factor=layer.size, mode=layer.interpolation)


TABLE: dict[type, Callable[[Writer, Any], None]] = {
    layers.Dense: _dense,
    layers.Activation: lambda writer, layer: writer.activate(layer.activation),
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.SeparableConv2D: _convolution,
    layers.DepthwiseConv1D: _convolution,
    layers.SeparableConv1D: _convolution,
    layers.Conv1DTranspose: _transposed,
    layers.Conv2DTranspose: _transposed,
    layers.MaxPooling1D: _pooling,
    layers.MaxPooling2D: _pooling,
    layers.AveragePooling1D: _pooling,
    layers.AveragePooling2D: _pooling,
    layers.GlobalMaxPooling1D: _global_pooling,
    layers.GlobalMaxPooling2D: _global_pooling,
    layers.GlobalAveragePooling1D: _global_pooling,
    layers.GlobalAveragePooling2D: _global_pooling,
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _layer_normalization,
    layers.GroupNormalization: _group_normalization,
    layers.PReLU: _prelu,
    layers.Rescaling: _scaling,
    layers.Normalization: _scaling,
    layers.Dropout: _dropout,
    layers.AlphaDropout: _dropout,
    layers.Identity: lambda writer, layer: writer.add("Identity"),
    layers.SpatialDropout1D: lambda writer, layer: writer.add("Dropout1d", layer.rate),
    layers.SpatialDropout2D: lambda writer, layer: writer.add("Dropout2d", layer.rate),
    **dict.fromkeys((layers.ZeroPadding1D, layers.ZeroPadding2D), lambda writer, layer: _padded(writer, layer.padding)),
    **dict.fromkeys((layers.Cropping1D, layers.Cropping2D), _cropping),
    **dict.fromkeys((layers.UpSampling1D, layers.UpSampling2D), _upsampling),
}
# What PyTorch's Sequential has no module for.
REFUSED = frozenset(
    {
        *("ActivityRegularization", "GaussianDropout", "GaussianNoise", "Permute", "RepeatVector"),
        *("Reshape", "UnitNormalization", "RMSNormalization"),
        *("CategoryEncoding", "Discretization", "Embedding", "IntegerLookup", "StringLookup"),
    }
)
