"""Models of the same layers, and by Keras' functions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.layers import Input, Layer
from fastnn.models import configs
from fastnn.models.sequential import Sequential


def clone_model(
    model: Sequential,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> Sequential:
    """A model with new layers of the same settings and fresh weights, not compiled.

    input_tensors: an ``Input`` of another shape, or None. clone_function: makes a new layer from each layer; by default
    ``type(layer).from_config(layer.get_config())``. rng: decides the weights, as in ``Sequential``. Number type, engine
    and name are those of the model.

    >>> from fastnn.layers import Dense
    >>> model = Sequential([Input(2), Dense(3, "relu"), Dense(1)], rng=0)
    >>> other = clone_model(model, rng=0)
    >>> other.layer_names, all((a == b).all() for a, b in zip(other.get_weights(), model.get_weights(), strict=True))
    (['dense', 'dense_1'], True)
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"clone_model needs a Sequential, got {model!r}")
    if input_tensors is not None and not isinstance(input_tensors, Input):
        raise TypeError(f"input_tensors must be an Input, got {input_tensors!r}")
    source = model._input if input_tensors is None else input_tensors
    layers: list[Layer] = [] if source is None else [Input(source.shape)]
    for layer in model.layers:
        new = type(layer).from_config(layer.get_config()) if clone_function is None else clone_function(layer)
        if not isinstance(new, Layer) or new is layer:
            raise TypeError(f"clone_function must return a new layer for {layer!r}, got {new!r}")
        layers.append(new)
    clone = Sequential(layers, name=model.name, rng=rng, dtype=model.dtype, engine=model.engine_name)
    for one, layer in zip(clone.layers, model.layers, strict=True):
        vars(one)["_numbered"] = layer._numbered
    return clone


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Sequential:
    """A new model with fresh weights, not compiled, from what ``model.to_json()`` returned.

    custom_objects: name -> class or function of your own, for each that it names; nothing in the text is ever run.

    >>> from fastnn.layers import Dense
    >>> model_from_json(Sequential([Dense(3, "relu", input_dim=2)]).to_json()).layers[0].activation
    ReLU()
    """
    return Sequential(**configs.of_json(json_string, custom_objects))


def save_model(model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True, **named: Any) -> None:
    """``model.save(filepath, overwrite)``."""
    if not isinstance(model, Sequential):
        raise TypeError(f"save_model needs a Sequential, got {model!r}")
    model.save(filepath, overwrite, **named)
