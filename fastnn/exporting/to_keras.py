"""Layers as a Keras model, through the package keras."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fastnn import activations
from fastnn.activations import Activation, Linear
from fastnn.layers import Input, Layer
from fastnn.layers.functions import _Function
from fastnn.layers.preprocessing import _Scaling

TARGET = "Keras"
# Activations that are layers in Keras, so that their settings can go too.
LAYERS: dict[type[Activation], tuple[str, tuple[str, ...]]] = {
    activations.LeakyReLU: ("LeakyReLU", ("negative_slope",)),
    activations.ELU: ("ELU", ("alpha",)),
    activations.ClippedReLU: ("ReLU", ("max_value", "negative_slope", "threshold")),
}


def model_of(chosen: Sequence[Layer], name: str, dtype: np.dtype) -> Any:
    """A ``keras.Sequential`` with these layers, the first one an Input, and their weights."""
    try:
        import keras
    except ImportError as error:
        raise ImportError("to_keras needs the package keras: pip install keras") from error
    stack: list[Any] = []
    for layer in chosen:
        if isinstance(layer, Input):
            stack.append(keras.layers.Input(layer.shape, dtype=dtype.name))
        else:
            stack.append(_layer(keras, layer, dtype))
    model = keras.Sequential(stack, name=name)
    for ours, theirs in zip(chosen[1:], model.layers, strict=True):
        if not isinstance(ours, _Scaling):  # whose numbers are settings there
            theirs.set_weights(ours.get_weights())
    return model


def _layer(keras: Any, layer: Layer, dtype: np.dtype) -> Any:
    kind = type(layer).__name__
    cls = getattr(keras.layers, kind, None)
    if cls is None or not type(layer).__module__.startswith("fastnn."):
        raise TypeError(f"{layer!r} cannot go to {TARGET}, which has no layer {kind}")
    if isinstance(layer, _Scaling):
        return _scaling(keras, layer)(name=layer.name, trainable=layer.trainable, dtype=dtype.name)
    settings = {name: _setting(keras, name, value) for name, value in layer.get_config().items() if value is not None}
    settings = {name: value for name, value in settings.items() if not name.endswith("_initializer")}
    settings.pop("input_shape", None)
    known = inspect.signature(cls.__init__).parameters
    for extra in ("data_format", "interpolation"):
        if extra in settings and extra not in known:
            settings.pop(extra)  # which some layers of signals have not there
    for one in ("padding", "cropping", "size"):
        if kind.endswith("1D") and isinstance(settings.get(one), tuple):
            (settings[one],) = settings[one]  # one axis, of which Keras wants no list
    return cls(**settings, dtype=dtype.name)


def _scaling(keras: Any, layer: Any) -> Any:
    """Makes the layer whose settings are the weights of ours: y = scale (x - mean) / sqrt(variance) + offset."""
    scale, offset, mean, variance = (one.astype(np.float64) for one in layer.get_weights())
    if type(layer).__name__ == "Normalization" and (scale == 1).all() and not offset.any():
        return partial(keras.layers.Normalization, mean=mean.tolist(), variance=variance.tolist())
    return partial(keras.layers.Rescaling, *map(_number, layer.factors()))


def _number(values: Any) -> Any:
    """One number where all are the same, else a list."""
    return float(values[0]) if (values == values[0]).all() else values.tolist()


def _setting(keras: Any, name: str, value: Any) -> Any:
    if isinstance(value, Activation):
        return _activation(keras, value)
    if isinstance(value, _Function):
        return _activation(keras, value.function())
    if name.endswith(("regularizer", "constraint")):
        module = keras.regularizers if name.endswith("regularizer") else keras.constraints
        cls = getattr(module, type(value).__name__, None)
        if cls is None:
            raise TypeError(f"{value!r} cannot go to {TARGET}")
        given = value.get_config()
        return cls(**({key: given[key] for key in _arguments(cls) if given.get(key) is not None}))
    return value


def _arguments(cls: Any) -> tuple[str, ...]:
    code = cls.__init__.__code__
    return tuple(code.co_varnames[1 : code.co_argcount])


def _activation(keras: Any, given: Activation) -> Any:
    """By Keras' name, or as a layer that has the same settings."""
    if type(given) is Linear:
        return "linear"
    kind, settings = LAYERS.get(type(given), ("", ()))
    if kind:
        return getattr(keras.layers, kind)(**{name: getattr(given, name) for name in settings})
    name = getattr(given, "name", "")
    known = type(given) in activations.ENTRIES and hasattr(keras.activations, name)
    known = known and type(given) is not activations.Threshold  # which has no defaults there
    if not known or given != type(given)():
        raise TypeError(f"activation {given!r} cannot go to {TARGET}, which knows it by no name")
    return name
