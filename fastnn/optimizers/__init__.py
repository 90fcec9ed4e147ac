"""Optimizers: formula, state, and the number of the compiled kernel (kernels/optimizers.pxi).

``scalars`` computes the numbers of each step (rates, bias corrections) once, in float64; ``update`` is one step on one
array, in place. Both engines use the same scalars. The defaults are Keras' ones.
"""

from typing import Any

from fastnn.basics.names import Names
from fastnn.optimizers.base import LEAST_EPSILON, Optimizer
from fastnn.optimizers.descent import SGD, Adadelta, Adagrad, Lion, RMSprop
from fastnn.optimizers.moments import Adam, Adamax, AdamW, Nadam

__all__ = [
    "ENTRIES",
    "LEAST_EPSILON",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
]

ENTRIES: tuple[type[Optimizer], ...] = (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion)
REFUSED = {
    "lbfgs": "L-BFGS is no optimizer of steps; compile with any other and call fastnn.lbfgs.fit_lbfgs",
}
NAMES = Names("optimizer", Optimizer, ENTRIES, {}, REFUSED)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize


def __getattr__(name: str) -> Any:
    """``optimizers.schedules``, Keras' module, imported when first used."""
    if name == "schedules":
        from importlib import import_module

        return import_module("fastnn.optimizers.schedules")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
