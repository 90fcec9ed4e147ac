"""Models as plain settings, without weights: dicts, JSON, and back."""

from __future__ import annotations

import json
from typing import Any

from fastnn import layers as kinds
from fastnn.basics.checks import unknown
from fastnn.layers import Layer
from fastnn.models.stack import Stack

FIELDS = ("name", "dtype", "engine")


def config_of(model: Stack) -> dict[str, Any]:
    """See ``Sequential.get_config``."""
    described = [{"class_name": type(one).__name__, "config": one.get_config()} for one in _layers(model)]
    return {"name": model.name, "dtype": model.dtype.name, "engine": model.engine_name, "layers": described}


def of_config(config: dict[str, Any], custom_objects: dict[str, type[Layer]] | None) -> dict[str, Any]:
    """The arguments of a ``Sequential`` from what ``config_of`` returned."""
    known = {name: getattr(kinds, name) for name in kinds.__all__} | (custom_objects or {})
    for one in config["layers"]:
        if one["class_name"] not in known:
            raise ValueError(unknown("layer", str(one["class_name"]), list(known)) + "; pass custom_objects")
    layers = [known[one["class_name"]].from_config(one["config"]) for one in config["layers"]]
    return {"layers": layers} | {name: config[name] for name in FIELDS if name in config}


def to_json(model: Stack, **options: Any) -> str:
    """See ``Sequential.to_json``."""
    from fastnn.description import Arrays, encode

    arrays = Arrays("settings")
    config = {"name": model.name, "dtype": model.dtype.name, "engine": model.engine_name}
    described = config | {"layers": [encode(one, arrays) for one in _layers(model)]}
    if arrays:
        raise TypeError("a layer has an array among its settings, which JSON does not hold; use model.save")
    return json.dumps({"class_name": type(model).__name__, "config": described}, **options)


def of_json(text: str, custom_objects: dict[str, Any] | None) -> dict[str, Any]:
    """The arguments of a ``Sequential`` from what ``to_json`` returned."""
    from fastnn.description import decode

    try:
        config = json.loads(text)["config"]
        layers = [decode(one, {}, custom_objects) for one in config["layers"]]
        found = {"layers": layers} | {name: config[name] for name in FIELDS}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"this is no JSON of model.to_json(): {str(error)[:200]}; that of Keras describes other objects"
        ) from None
    if not all(isinstance(one, Layer) for one in layers):
        raise ValueError("this is no JSON of model.to_json(): it lists what is no layer")
    return found


def _layers(model: Stack) -> list[Layer]:
    """All, with the Input where it is known."""
    return model._layers if model._input is None else [model._input, *model._layers]
