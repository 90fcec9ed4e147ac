"""PyTorch's ``nn.Sequential`` as layers. PyTorch is not imported here: modules are known by their names.

Its maps are (channels, height, width), ours (height, width, channels), and so are the numbers behind a Flatten. The
weights of what comes there are put into our order, up to the first Linear; where there is none the maps are permuted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import activations, layers
from fastnn.basics import backend
from fastnn.entering.found import Shape, filled
from fastnn.layers import Dense, Input, Layer

Array = NDArray[Any]
Found = list[tuple[Layer, list[Array]]]

# Modules that are one activation, with those of their attributes that are its settings.
ACTIVATIONS: dict[str, Callable[[Any], activations.Activation]] = {
    "ReLU": lambda m: activations.ReLU(),
    "LeakyReLU": lambda m: activations.LeakyReLU(m.negative_slope),
    "Sigmoid": lambda m: activations.Sigmoid(),
    "Tanh": lambda m: activations.Tanh(),
    "ELU": lambda m: activations.ELU(m.alpha),
    "SELU": lambda m: activations.SELU(),
    "GELU": lambda m: activations.GELUTanh() if m.approximate == "tanh" else activations.GELU(),
    "SiLU": lambda m: activations.SiLU(),
    "Mish": lambda m: activations.Mish(),
    "Softplus": lambda m: _only(m, activations.Softplus(), beta=1),
    "Softsign": lambda m: activations.Softsign(),
    "Hardsigmoid": lambda m: activations.HardSigmoid(),
    "Hardtanh": lambda m: _only(m, activations.HardTanh(), min_val=-1, max_val=1),
    "ReLU6": lambda m: activations.ReLU6(),
    "Hardswish": lambda m: activations.HardSiLU(),
    "LogSigmoid": lambda m: activations.LogSigmoid(),
    "CELU": lambda m: activations.CELU(m.alpha),
    "Softshrink": lambda m: activations.SoftShrink(m.lambd),
    "Hardshrink": lambda m: activations.HardShrink(m.lambd),
    "Tanhshrink": lambda m: activations.TanhShrink(),
    "Threshold": lambda m: activations.Threshold(m.threshold, m.value),
    "Softmax": lambda m: _along_channels(m, activations.Softmax()),
    "LogSoftmax": lambda m: _along_channels(m, activations.LogSoftmax()),
}


class Reader:
    """What is read so far: layers, the shape behind them, and the order of rows that come from flattened maps.

    order: theirs[order[i]] is our number i; None where both are the same.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.order: NDArray[np.int64] | None = None
        self.found: Found = []

    def add(self, layer: Layer, *weights: Array) -> None:
        self.shape = layer.shape_after(self.shape)
        self.found.append((layer, list(weights)))

    def rows(self, weights: Array) -> Array:
        """Numbers for each input, in our order."""
        return weights if self.order is None else weights[self.order]


def entered(module: Any, input_shape: Shape | None, activation: Any) -> tuple[list[Layer], np.dtype, str]:
    """Layers with weights, their number type and a name."""
    if isinstance(module, Mapping):
        chosen, dtype = _dense_stack(module, activation)
    else:
        if activation is not None:
            raise ValueError("from_torch: activation belongs to a state_dict; a module has activations of its own")
        chosen, dtype = _modules(module, input_shape)
    if not chosen or isinstance(chosen[-1][0], Input):
        raise ValueError("from_torch: the module has no layers that fastnn could take")
    return filled([one for one, _ in chosen], lambda i, _: chosen[i][1], dtype, "PyTorch"), dtype, "sequential"


def _modules(module: Any, input_shape: Shape | None) -> tuple[Found, np.dtype]:
    plain = list(_flattened(module))
    shape = _first_shape(plain, input_shape)
    reader = Reader(shape)
    reader.found.append((Input(shape), []))
    for place, one in enumerate(plain):
        kind = type(one).__name__
        if kind in ACTIVATIONS:
            function = ACTIVATIONS[kind](one)
            if reader.order is not None and function.blockwise:
                raise ValueError(f"{kind} right behind a Flatten of maps cannot enter; put a Linear between")
            reader.add(layers.Activation(function))
        elif kind == "Flatten":
            _flatten(reader, one, plain[place + 1 :])
        elif kind in READERS:
            READERS[kind](reader, one)
        elif kind != "Identity":
            known = ", ".join(sorted({*READERS, *ACTIVATIONS, "Flatten", "Identity"}))
            raise TypeError(f"PyTorch's module {one!r} cannot enter; what can: {known}")
    kinds = {str(parameter.dtype).split(".")[-1] for parameter in module.parameters()}
    name = "float64" if kinds == {"float64"} else "float32"
    return reader.found, np.dtype(name if name in backend.DTYPES else "float32")


def _flattened(module: Any) -> Iterator[Any]:
    """The modules of a Sequential, and of those inside of it, in order."""
    if type(module).__name__ != "Sequential":
        if not hasattr(module, "named_children"):
            raise TypeError(f"from_torch takes a torch.nn.Sequential or its state_dict, got {type(module).__name__}")
        if list(module.named_children()):
            raise TypeError(
                f"{type(module).__name__} has a forward of its own, which cannot be read; give a torch.nn.Sequential"
            )
        yield module
        return
    for child in module.children():
        yield from _flattened(child)


def _first_shape(plain: list[Any], given: Shape | int | None) -> Shape:
    if given is not None:
        return tuple(given) if isinstance(given, (tuple, list)) else (given,)
    for one in plain:
        kind = type(one).__name__
        if kind == "Linear":
            return (one.in_features,)
        if kind == "BatchNorm1d":
            return (one.num_features,)
        if kind == "LayerNorm":
            return tuple(one.normalized_shape)
        if kind not in ACTIVATIONS and kind not in ("Dropout", "Identity"):
            break
    raise ValueError(
        "from_torch: give input_shape, the shape of one sample, channels last, such as input_shape=(28, 28, 1)"
    )


# -- modules ---------------------------------------------------------------------------------------------------------


def _array(parameter: Any) -> Array:
    plain = parameter.detach().cpu()
    if str(plain.dtype) not in ("torch.float32", "torch.float64"):
        plain = plain.float()  # NumPy knows no bfloat16
    found: Array = plain.numpy()
    return found


def _refuse(module: Any, why: str) -> ValueError:
    return ValueError(f"PyTorch's module {module!r} cannot enter: {why}")


def _only(module: Any, function: activations.Activation, **expected: float) -> activations.Activation:
    """The function, or an error where the module has other settings than those."""
    for name, value in expected.items():
        if getattr(module, name) != value:
            raise _refuse(module, f"fastnn has it for {name}={value} only")
    return function


def _along_channels(module: Any, function: activations.Activation) -> activations.Activation:
    if module.dim not in (1, -1, None):
        raise _refuse(module, "fastnn has it along the channels only, dim=1")
    return function


def _flatten(reader: Reader, module: Any, behind: list[Any]) -> None:
    if module.start_dim != 1 or module.end_dim != -1:
        raise _refuse(module, "only start_dim=1 and end_dim=-1 are known")
    shape = reader.shape
    if len(shape) > 1 and shape[-1] > 1 and np.prod(shape[:-1]) > 1:
        order = np.arange(np.prod(shape)).reshape(shape[-1], *shape[:-1])  # theirs: channels first
        for one in behind:
            kind = type(one).__name__
            if kind == "Linear":
                reader.order = np.moveaxis(order, 0, -1).reshape(-1)
                break
            if kind not in (*ACTIVATIONS, "PReLU", "Dropout", "AlphaDropout", "BatchNorm1d", "LayerNorm", "Identity"):
                break
        if reader.order is None:
            reader.add(layers.Permute((len(shape), *range(1, len(shape)))))
    reader.add(layers.Flatten())


def _linear(reader: Reader, module: Any) -> None:
    if len(reader.shape) > 1 and reader.order is None and len(reader.shape) != 1:
        raise _refuse(
            module, f"on maps of shape {reader.shape} PyTorch's Linear works along the width; use Conv2d(..., 1)"
        )
    weights = [reader.rows(_array(module.weight).T)]
    if module.bias is not None:
        weights.append(_array(module.bias))
    reader.order = None
    reader.add(Dense(module.out_features, use_bias=module.bias is not None), *weights)


def _convolution(reader: Reader, module: Any) -> None:
    axes = len(module.kernel_size)
    if module.padding_mode != "zeros":
        raise _refuse(module, "fastnn pads with zeros only")
    settings = {"strides": module.stride, "dilation_rate": module.dilation, "groups": module.groups}
    settings["use_bias"] = module.bias is not None
    kind: Any = layers.Conv1D if axes == 1 else layers.Conv2D
    padding = module.padding
    if not isinstance(padding, str):
        reach = [(k - 1) * d for k, d in zip(module.kernel_size, module.dilation, strict=True)]
        same = [2 * p == r and s == 1 for p, r, s in zip(padding, reach, module.stride, strict=True)]
        if any(padding) and not all(same):
            _pad(reader, [(p, p) for p in padding])
        padding = "same" if any(padding) and all(same) else "valid"
    weights = [np.moveaxis(_array(module.weight), (0, 1), (-1, -2))]
    if module.bias is not None:
        weights.append(_array(module.bias))
    reader.add(kind(module.out_channels, module.kernel_size, padding=padding, **settings), *weights)


def _pad(reader: Reader, margins: list[tuple[int, int]]) -> None:
    """Zeros around maps, or less of them where margins are negative."""
    kinds: tuple[Any, Any] = (layers.ZeroPadding2D, layers.Cropping2D)
    if len(margins) == 1:
        kinds = (layers.ZeroPadding1D, layers.Cropping1D)
    for kind, sign in zip(kinds, (1, -1), strict=True):
        some = tuple((max(0, sign * before), max(0, sign * behind)) for before, behind in margins)
        if any(map(any, some)):
            reader.add(kind(some if len(some) > 1 else some[0]))


def _transposed(reader: Reader, module: Any) -> None:
    if module.groups != 1 or module.padding_mode != "zeros":
        raise _refuse(module, "groups are not known")
    kind: Any = getattr(layers, f"Conv{len(module.kernel_size)}DTranspose")
    one = kind(
        module.out_channels,
        module.kernel_size,
        module.stride,
        output_padding=module.output_padding,
        dilation_rate=module.dilation,
        use_bias=module.bias is not None,
    )
    weights = [np.moveaxis(_array(module.weight), (0, 1), (-1, -2))]
    if module.bias is not None:
        weights.append(_array(module.bias))
    reader.add(one, *weights)
    _pad(reader, [(-p, -p) for p in module.padding])


def _batch_norm(reader: Reader, module: Any) -> None:
    if module.running_mean is None:
        raise _refuse(module, "it keeps no running statistics")
    if module.momentum is None:
        raise _refuse(module, "momentum=None, the mean of all batches, is not known")
    n = module.num_features
    gamma, beta = (np.ones(n), np.zeros(n)) if module.weight is None else (_array(module.weight), _array(module.bias))
    given = [gamma, beta, _array(module.running_mean), _array(module.running_var)]
    layer = layers.BatchNormalization(momentum=1 - module.momentum, epsilon=module.eps)
    reader.add(layer, *(reader.rows(one) for one in given))


def _layer_norm(reader: Reader, module: Any) -> None:
    if len(reader.shape) != 1 or tuple(module.normalized_shape) != reader.shape:
        raise _refuse(module, f"fastnn normalizes the channels of samples, which have shape {reader.shape} here")
    n = reader.shape[0]
    gamma = np.ones(n) if module.weight is None else _array(module.weight)
    beta = np.zeros(n) if module.bias is None else _array(module.bias)
    reader.add(layers.LayerNormalization(epsilon=module.eps), reader.rows(gamma), reader.rows(beta))


def _group_norm(reader: Reader, module: Any) -> None:
    if reader.order is not None:
        raise _refuse(module, "right behind a Flatten of maps its groups are others")
    scaled = module.weight is not None
    weights = [_array(module.weight), _array(module.bias)] if scaled else []
    layer = layers.GroupNormalization(module.num_groups, epsilon=module.eps, center=scaled, scale=scaled)
    reader.add(layer, *weights)


def _prelu(reader: Reader, module: Any) -> None:
    alpha, pixels = _array(module.weight), list(range(1, len(reader.shape)))
    if len(alpha) == 1:  # for all numbers
        pixels.append(len(reader.shape))
    alpha = (reader.rows(alpha) if len(alpha) > 1 else alpha).reshape(*[1] * (len(reader.shape) - 1), -1)
    reader.add(layers.PReLU(shared_axes=pixels or None), alpha)


def _zero_pad_signal(reader: Reader, module: Any) -> None:
    if getattr(module, "value", 0) != 0:
        raise _refuse(module, "fastnn pads with zeros only")
    _pad(reader, [tuple(module.padding)])


def _sizes(module: Any, given: Any, axes: int) -> tuple[int, ...]:
    return tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes


def _pooling(reader: Reader, module: Any) -> None:
    name = type(module).__name__
    axes = int(name[-2])
    kind: Any = getattr(layers, f"{'Max' if name.startswith('Max') else 'Average'}Pooling{axes}D")
    window, strides = (_sizes(module, one, axes) for one in (module.kernel_size, module.stride))
    padding = _sizes(module, module.padding, axes)
    if any(one != 1 for one in _sizes(module, getattr(module, "dilation", 1), axes)):
        raise _refuse(module, "fastnn has no dilation there")
    if getattr(module, "divisor_override", None) is not None:
        raise _refuse(module, "divisor_override is not known")
    sizes = reader.shape[:-1]
    spans = list(zip(sizes, window, strides, padding, strict=False))
    if module.ceil_mode and any((n + 2 * p - k) % s for n, k, s, p in spans):
        raise _refuse(module, "ceil_mode is not known")
    if not any(padding):
        reader.add(kind(window, strides))
        return
    if name.startswith("Avg") and module.count_include_pad:
        _pad(reader, [(p, p) for p in padding])
        reader.add(kind(window, strides))
        return
    layer = kind(window, strides, "same")
    if layer._windows(sizes, window, strides, "same") != (
        tuple((n + 2 * p - k) // s + 1 for n, k, s, p in spans),
        padding,
    ):
        raise _refuse(module, f"this padding of maps {sizes} is neither Keras' 'valid' nor 'same'")
    reader.add(layer)


def _global_pooling(reader: Reader, module: Any) -> None:
    name = type(module).__name__
    axes = int(name[-2])
    if any(size != 1 for size in _sizes(module, module.output_size, axes)):
        raise _refuse(module, "only output_size=1 is known")
    kind: Any = getattr(layers, f"Global{'Max' if 'Max' in name else 'Average'}Pooling{axes}D")
    reader.add(kind(keepdims=True))


def _zero_pad(reader: Reader, module: Any) -> None:
    left, right, top, bottom = module.padding
    _pad(reader, [(top, bottom), (left, right)])


def _upsample(reader: Reader, module: Any) -> None:
    factors = _sizes(module, module.scale_factor, 2)
    smooth = module.mode == "bilinear" and not module.align_corners
    if (
        module.scale_factor is None
        or any(int(one) != one for one in factors)
        or not (smooth or module.mode == "nearest")
    ):
        raise _refuse(module, "only whole scale factors, nearest or bilinear without align_corners, are known")
    size = (int(factors[0]), int(factors[1]))
    reader.add(layers.UpSampling2D(size, interpolation="bilinear" if smooth else "nearest"))


READERS: dict[str, Callable[[Reader, Any], None]] = {
    "Linear": _linear,
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "ConvTranspose1d": _transposed,
    "ConvTranspose2d": _transposed,
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "LayerNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "PReLU": _prelu,
    "ZeroPad1d": _zero_pad_signal,
    "ConstantPad1d": _zero_pad_signal,
    "AlphaDropout": lambda reader, module: reader.add(layers.AlphaDropout(module.p)),
    "Dropout": lambda reader, module: reader.add(layers.Dropout(module.p)),
    "Dropout1d": lambda reader, module: reader.add(layers.SpatialDropout1D(module.p)),
    "Dropout2d": lambda reader, module: reader.add(layers.SpatialDropout2D(module.p)),
    "MaxPool1d": _pooling,
    "MaxPool2d": _pooling,
    "AvgPool1d": _pooling,
    "AvgPool2d": _pooling,
    "AdaptiveAvgPool1d": _global_pooling,
    "AdaptiveAvgPool2d": _global_pooling,
    "AdaptiveMaxPool1d": _global_pooling,
    "AdaptiveMaxPool2d": _global_pooling,
    "ZeroPad2d": _zero_pad,
    "Upsample": _upsample,
}


# -- a state_dict ----------------------------------------------------------------------------------------------------


def _dense_stack(state: Mapping[str, Any], activation: Any) -> tuple[Found, np.dtype]:
    """Linear layers alone, in the order of the dict."""
    arrays = {name: np.asarray(_array(one) if hasattr(one, "detach") else one) for name, one in state.items()}
    pairs: list[list[Array]] = []
    for name, one in arrays.items():
        if name.endswith("weight") and one.ndim == 2:
            pairs.append([one.T])
        elif name.endswith("bias") and pairs and one.shape == (pairs[-1][0].shape[1],) and len(pairs[-1]) == 1:
            pairs[-1].append(one)
        else:
            raise ValueError(
                f"the state_dict holds {name!r} of shape {one.shape}, which is of no Linear; give the module itself"
            )
    if len(pairs) > 1 and activation is None:
        raise ValueError("a state_dict knows no activations: say what is between its layers, such as activation='relu'")
    found: Found = [(Input(len(pairs[0][0])), [])] if pairs else []
    for place, pair in enumerate(pairs):
        last = place == len(pairs) - 1
        found.append((Dense(pair[0].shape[1], None if last else activation, use_bias=len(pair) > 1), pair))
    double = any(one.dtype == np.float64 for pair in pairs for one in pair)
    return found, np.dtype("float64" if double else "float32")
