"""Optimizers: formula, state, and the number of the compiled kernel (kernels/optimizers.pxi).

``scalars`` computes the numbers of each step (rates, bias corrections) once, in float64; ``update`` is one step on one
array, in place. Both engines use the same scalars. The defaults are Keras' ones.
"""

from typing import Any

from fastnn.basics.names import Names
from fastnn.optimizers.base import LEAST_EPSILON, Optimizer
from fastnn.optimizers.descent import SGD, Adadelta, Adagrad, Ftrl, Lion, RMSprop
from fastnn.optimizers.matrices import Adafactor, Lamb, Muon
from fastnn.optimizers.moments import Adam, Adamax, AdamW, Nadam, ScheduleFreeAdamW

__all__ = [
    "ENTRIES",
    "LEAST_EPSILON",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
]

ENTRIES: tuple[type[Optimizer], ...] = (
    SGD,
    RMSprop,
    Adagrad,
    Adadelta,
    Adam,
    AdamW,
    Adamax,
    Nadam,
    Lion,
    Ftrl,
    ScheduleFreeAdamW,
    Lamb,
    Adafactor,
    Muon,
)
REFUSED = {
    "lbfgs": "L-BFGS is no optimizer of steps; compile with any other and call fastnn.lbfgs.fit_lbfgs",
    "lossscaleoptimizer": "loss scaling helps numbers of 16 bits, and models here have 32 or 64; compile with the inner"
    " optimizer itself",
    "multioptimizer": "a model has one optimizer here; freeze layers (layer.trainable = False) and compile again to"
    " train parts of it in other ways",
}
NAMES = Names("optimizer", Optimizer, ENTRIES, {}, REFUSED)
get, serialize, deserialize = NAMES.get, NAMES.serialize, NAMES.deserialize


def __getattr__(name: str) -> Any:
    """``optimizers.schedules``, Keras' module, imported when first used."""
    if name == "schedules":
        from importlib import import_module

        return import_module("fastnn.optimizers.schedules")
    if name.lower() in REFUSED:
        raise AttributeError(REFUSED[name.lower()])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
