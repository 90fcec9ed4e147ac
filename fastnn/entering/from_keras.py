"""Keras' models as layers: from the settings that Keras itself writes, and arrays. Keras is not imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import constraints, layers, regularizers
from fastnn.basics import backend
from fastnn.entering.found import Shape, filled
from fastnn.layers import Input, Layer
from fastnn.layers.base import _constructor

Array = NDArray[Any]
KINDS = frozenset(layers.__all__) - {"Layer", "Input"}
# Settings of Keras that fastnn has not, with the values at which they do nothing; None does nothing anywhere.
HARMLESS: dict[str, tuple[Any, ...]] = {
    "rms_scaling": (False,),
    "synchronized": (False,),
    "renorm": (False,),
    "invert": (False,),
    "data_format": ("channels_last",),
    "sparse": (False,),
}
WITHOUT_MEANING = ("dtype", "seed", "autocast", "renorm_momentum", "batch_input_shape")


def described(model: Any) -> tuple[str, dict[str, Any]]:
    """The class's name and the settings of a Keras model, as its files have them. TypeError for anything else."""
    kind = type(model).__name__
    if not hasattr(model, "get_config") or not hasattr(model, "layers") or type(model).__module__.startswith("fastnn"):
        raise TypeError(f"expected a Keras model, Sequential or a chain of layers, got {model!r}")
    return kind, model.get_config()


def entered(kind: str, config: Mapping[str, Any], weights: Any) -> tuple[list[Layer], np.dtype, str]:
    """Layers with weights, their number type and the model's name.

    weights: from the list of Keras' layers without Input, (class's name, name) of each, a function (place, shapes).
    """
    entries = _chain(kind, config)
    first = entries[0]
    shape = _input_shape(first, config)
    own = [one for one in entries if one["class_name"] != "InputLayer"]
    chosen: list[Layer] = [Input(shape), *(_layer(one) for one in own)]
    get = weights([(one["class_name"], one["config"].get("name")) for one in own])

    def given(place: int, expected: list[Shape]) -> Sequence[Any]:
        if not place:
            return []
        layer = chosen[place]
        if isinstance(layer, layers.Rescaling):
            return layer.initial_weights((expected[0][0],), np.random.default_rng(0))
        if isinstance(layer, layers.Normalization):
            return _normalization(layer, expected, get(place - 1, None))
        return get(place - 1, expected)

    dtype = _dtype(own[0]["config"].get("dtype") if own else None)
    return filled(chosen, given, dtype, "Keras"), dtype, str(config.get("name") or "sequential")


def _normalization(layer: Layer, expected: list[Shape], given: Sequence[Array]) -> list[Array]:
    """Of Keras' mean, variance and count, which it has where ``adapt`` found them."""
    start = layer.initial_weights((expected[0][0],), np.random.default_rng(0))
    found = [np.asarray(one).reshape(-1) for one in given[:2]]
    return [*start[:2], *(np.broadcast_to(one, expected[0]) for one in found or start[2:])]


def _chain(kind: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers of a Sequential, or of a functional model without branches, in order."""
    entries = config.get("layers")
    if kind not in ("Sequential", "Functional", "Model") or not isinstance(entries, list) or not entries:
        raise ValueError(
            f"a Keras {kind[:80]} cannot enter: only Sequential models, and functional ones without branches"
        )
    for one in entries:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("config"), dict)
            or not isinstance(one.get("class_name"), str)
        ):
            raise ValueError("its layers are none that Keras writes")
    if kind == "Sequential":
        return list(entries)
    following: dict[str | None, dict[str, Any]] = {}
    for one in entries:
        before = _before(one)
        if before in following:
            raise ValueError("a functional Keras model with branches cannot enter; fastnn has chains of layers only")
        following[before] = one
    ordered: list[dict[str, Any]] = []
    name: str | None = None
    while name in following and len(ordered) < len(entries):
        ordered.append(following[name])
        name = str(ordered[-1].get("name", ordered[-1]["config"].get("name")))
    if len(ordered) != len(entries):
        raise ValueError("a functional Keras model that is no chain of layers cannot enter")
    return ordered


def _before(one: Mapping[str, Any]) -> str | None:
    """The name of the layer before, None of an input."""
    try:
        nodes = one["inbound_nodes"]
        if not nodes:
            return None
        (node,) = nodes
        tensors = node["args"] if isinstance(node, dict) else node
        (tensor,) = tensors
        history = tensor["config"]["keras_history"] if isinstance(tensor, dict) else tensor
        return str(history[0])
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            "a functional Keras model with branches, or with layers used twice, cannot enter; fastnn has chains only"
        ) from None


def _input_shape(first: Mapping[str, Any], config: Mapping[str, Any]) -> Shape:
    inner = first["config"]
    given = inner.get("batch_shape") or inner.get("batch_input_shape") or config.get("build_input_shape")
    if given is None:
        raise ValueError("the Keras model is not built: give it an Input, or call its build(shape), first")
    sizes = tuple(given)[1:]
    if not sizes or not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"the Keras model takes samples of shape {sizes}; fastnn needs the size of each axis")
    return sizes


def _dtype(policy: Any) -> np.dtype:
    """The number type of weights; float32 where fastnn does not have Keras' one."""
    name = policy.get("config", {}).get("name") if isinstance(policy, dict) else policy
    return np.dtype(name if name in backend.DTYPES else "float32")


def _layer(one: Mapping[str, Any]) -> Layer:
    """The layer of fastnn with the settings of Keras' one."""
    kind, config = one["class_name"], one["config"]
    if kind not in KINDS:
        raise ValueError(f"Keras' layer {kind[:80]!r} cannot enter: fastnn has none of its kind")
    cls: Any = getattr(layers, kind)
    known = _constructor(cls)
    settings: dict[str, Any] = {}
    for name, value in config.items():
        if value is None or name in WITHOUT_MEANING or name.endswith("_initializer"):
            continue
        if name in ("name", "trainable") or name in known:
            settings[name] = _setting(kind, name, value)
        elif not (name in HARMLESS and value in HARMLESS[name]) and not name.startswith(("lora_", "quantization")):
            raise ValueError(f"Keras' layer {config.get('name')!r}, {kind}, has {name}={value!r}, which fastnn has not")
    made: Layer = cls(**settings)
    return made


def _setting(kind: str, name: str, value: Any) -> Any:
    if name.endswith("regularizer"):
        return regularizers.deserialize(value)
    if name.endswith("constraint"):
        return constraints.deserialize(value)
    if name == "activation" and isinstance(value, dict):
        inner = value.get("config")
        if isinstance(inner, dict) and value.get("class_name") in KINDS:
            return _layer({"class_name": value["class_name"], "config": inner})
        if isinstance(inner, str):
            return inner
        raise ValueError(f"the activation {str(value.get('class_name'))[:80]!r} of a Keras layer cannot enter")
    if kind == "Normalization" and name == "axis":
        return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    return tuple(tuple(one) if isinstance(one, list) else one for one in value) if isinstance(value, list) else value
