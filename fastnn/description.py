"""Objects of the library as plain data, and back: what a file may hold beside arrays.

A layer, a loss or a schedule becomes its kind, its name in the catalogue and its settings; nothing in a file names a
module or is ever evaluated. Classes and functions of the user's own are written by name only, and whoever reads the
file must hand them over (``custom_objects``). Arrays are put aside, to be stored as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import (
    catalogue,
    formulas,
    initializers,
    layers,
    losses,
    metrics,
    operations,
    optimizers,
    regularizers,
    schedules,
)
from fastnn.basics.settings import Settings
from fastnn.layers import Layer

Array = NDArray[Any]
Custom = Mapping[str, Any] | None

CLASSES: dict[tuple[str, str], type] = {
    **{(kind, name): entry for kind, table in catalogue.TABLES.items() for name, entry in table.items()},
    **{("schedule", name): getattr(schedules, name) for name in schedules.__all__ if name != "Schedule"},
    **{("schedule", entry.__name__): entry for entry in optimizers.schedules.ENTRIES},
    **{("layer", name): getattr(layers, name) for name in layers.__all__ if name != "Layer"},
    **{("operation", entry.name): entry for entry in operations.ENTRIES},
    ("regularizer", "regularizer"): regularizers.Regularizer,
    ("initializer", "function"): initializers.FromCallable,
    ("loss", "function"): losses.FromFunction,
    ("metric", "function"): metrics.FromFunction,
}
NAMES = {entry: key for key, entry in CLASSES.items()}
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class Arrays(dict[str, Array]):
    """The arrays of a description, each under a name of its own."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def put(self, array: Array) -> str:
        name = f"{self.prefix}/{len(self)}"
        self[name] = np.array(array)  # a copy: its owner may go on
        return name


def encode(value: Any, arrays: Arrays, what: str = "value") -> Any:
    """value as JSON knows it. TypeError where it cannot be: ``what`` says whose value it is."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        value = value.item() if value.dtype.itemsize <= 8 else float(value)
    if isinstance(value, (bool, int)):
        return int(value) if not isinstance(value, bool) else value
    if isinstance(value, float):
        return float(value) if isfinite(value) else {"float": str(float(value))}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return {"array": arrays.put(np.asarray(value))}
    if isinstance(value, np.ndarray) and _are_texts(value):
        return {"texts": value.tolist(), "object": value.dtype == object}
    if type(value) is list:
        return [encode(one, arrays, what) for one in value]
    if type(value) is tuple:
        return {"tuple": [encode(one, arrays, what) for one in value]}
    if type(value) is dict:
        return {"items": [[encode(key, arrays, what), encode(one, arrays, what)] for key, one in value.items()]}
    formula = formulas.kind_of(value)
    if formula is not None:
        if not value.name.isidentifier():
            raise TypeError(f"{what} is a function without a name; give it one: formulas.{formula}(function, name=...)")
        return {"custom": value.name, "formula": formula}
    if isinstance(value, (Settings, Layer)):
        return _encode_object(value, arrays)
    name = getattr(value, "__name__", "")
    if callable(value) and name.isidentifier():
        return {"custom": name}
    raise TypeError(f"{what} cannot be written to a file: {value!r}; use a named function, a class or plain values")


def _are_texts(array: Array) -> bool:
    """Whether it holds names: of classes, of features."""
    kind = array.dtype.kind
    return array.ndim == 1 and (kind == "U" or (kind == "O" and all(type(one) is str for one in array)))


def is_plain(value: Any) -> bool:
    """Whether a value is numbers, texts and arrays, or lists, tuples and dicts of these."""
    if isinstance(value, (list, tuple)):
        return type(value) in (list, tuple) and all(map(is_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "biuf" and value.dtype.itemsize <= 8
    return value is None or isinstance(value, (bool, int, float, str))


def _encode_object(value: Settings | Layer, arrays: Arrays) -> dict[str, Any]:
    cls = type(value)
    key = NAMES.get(cls)
    given = value.get_config() if isinstance(value, Layer) else {name: getattr(value, name) for name in value._fields}
    settings = {name: encode(one, arrays, f"{name} of {cls.__name__}") for name, one in given.items()}
    found: dict[str, Any] = {"object": list(key)} if key else {"custom": cls.__name__}
    found["settings"] = settings
    if isinstance(value, schedules.Schedule):  # one that follows the loss has more than settings
        state = {name: one for name, one in vars(value).items() if name not in value._fields}
        found["state"] = {name: encode(one, arrays, f"{name} of {cls.__name__}") for name, one in state.items()}
    return found


def decode(data: Any, arrays: Mapping[str, Array], custom_objects: Custom = None) -> Any:
    """The value that ``encode`` was given; ValueError or TypeError where the data are none of its making."""
    if data is None or isinstance(data, (bool, str, int, float)):
        return data
    if isinstance(data, list):
        return [decode(one, arrays, custom_objects) for one in data]
    if not isinstance(data, dict) or not data:
        raise ValueError("its description holds something unknown")
    if "settings" in data or "custom" in data:
        return _decode_object(data, arrays, custom_objects)
    if data.keys() == {"texts", "object"}:
        texts = data["texts"]
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise ValueError("its description holds texts that are none")
        return np.array(texts, dtype=object if data["object"] else None).reshape(len(texts))
    if len(data) != 1:
        raise ValueError(f"its description holds something unknown: {', '.join(data)[:80]}")
    (kind, inner), *_ = data.items()
    if kind == "float" and inner in ("nan", "inf", "-inf"):
        return float(inner)
    if kind == "array" and isinstance(inner, str) and inner in arrays:
        return np.array(arrays[inner])
    if kind == "tuple" and isinstance(inner, list):
        return tuple(decode(one, arrays, custom_objects) for one in inner)
    if kind == "items" and isinstance(inner, list) and all(isinstance(one, list) and len(one) == 2 for one in inner):
        return {decode(key, arrays): decode(one, arrays, custom_objects) for key, one in inner}
    raise ValueError(f"its description holds something unknown: {kind[:80]!r}")


def _decode_object(data: dict[str, Any], arrays: Mapping[str, Array], custom_objects: Custom) -> Any:
    if "custom" in data:
        name = data["custom"]
        if name not in (custom_objects or {}):
            shown = repr(str(name)[:80])
            raise ValueError(f"it needs {shown}, which is no part of fastnn; pass custom_objects={{{shown}: ...}}")
        assert custom_objects is not None  # noqa: S101 - it holds the name
        found = custom_objects[name]
        if "formula" in data:
            if data["formula"] not in list(formulas.MAKERS):
                raise ValueError(f"it holds an unknown kind of formula: {str(data['formula'])[:80]!r}")
            return formulas.made(data["formula"], found, name)
        if "settings" not in data:
            return found
    else:
        key = data.get("object")
        found = CLASSES.get(tuple(key)) if isinstance(key, list) and all(isinstance(one, str) for one in key) else None
        if found is None:
            raise ValueError(
                f"it holds {' '.join(map(str, key))[:80] if isinstance(key, list) else key!r}, unknown here"
            )
    given = data.get("settings")
    if not isinstance(given, dict):
        raise ValueError("its description lacks settings")
    made = found(**{name: decode(one, arrays, custom_objects) for name, one in given.items()})
    state = data.get("state", {})
    if state:
        if not isinstance(state, dict) or not state.keys() <= vars(made).keys() - set(given):
            raise ValueError(f"{type(made).__name__} has no such state")
        for name, one in state.items():
            value = decode(one, arrays, custom_objects)
            if type(value) is not type(vars(made)[name]):
                raise ValueError(f"{type(made).__name__}: {name} is {value!r}")
            object.__setattr__(made, name, value)
    return made


def encode_generator(rng: np.random.Generator) -> Any:
    """The state of a generator of NumPy's own; None for others."""
    state = rng.bit_generator.state
    return _plain(state) if state.get("bit_generator") in GENERATORS else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def decode_generator(state: Any) -> np.random.Generator:
    """A generator of that state."""
    if not isinstance(state, dict) or state.get("bit_generator") not in GENERATORS:
        raise ValueError("the state of its generator is none of NumPy's")
    bits = getattr(np.random, state["bit_generator"])(0)
    bits.state = {
        key: {name: np.array(one, dtype=np.uint64) if isinstance(one, list) else one for name, one in value.items()}
        if isinstance(value, dict)
        else np.array(value, dtype=np.uint64)
        if isinstance(value, list)
        else value
        for key, value in state.items()
    }
    return np.random.Generator(bits)
