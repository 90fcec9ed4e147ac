"""Activation functions: name, formula, derivative, and the number of the compiled kernel (kernels/activations.pxi).

Each works element by element, except softmax and log_softmax, which work on the rows of a batch (samples, outputs).
An activation can be called with an array, ``activations.relu(x)``, settings by Keras' names: ``elu(x, alpha=0.5)``.
"""

from typing import Any

from fastnn.activations.base import Activation, Array
from fastnn.activations.pieces import (
    ClippedReLU,
    HardShrink,
    HardSigmoid,
    HardSiLU,
    HardTanh,
    LeakyReLU,
    Linear,
    ReLU,
    ReLU6,
    SoftShrink,
    SparsePlus,
    SparseSigmoid,
    Step,
    Threshold,
)
from fastnn.activations.rows import LogSoftmax, Softmax
from fastnn.activations.smooth import (
    CELU,
    ELU,
    GELU,
    SELU,
    Exponential,
    GELUTanh,
    LogSigmoid,
    Mish,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Squareplus,
    Tanh,
    TanhShrink,
)
from fastnn.basics.names import Names

__all__ = [
    "ALIASES",
    "CELU",
    "ELU",
    "ENTRIES",
    "GELU",
    "NAMES",
    "SELU",
    "Activation",
    "Array",
    "ClippedReLU",
    "Exponential",
    "GELUTanh",
    "HardShrink",
    "HardSiLU",
    "HardSigmoid",
    "HardTanh",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SoftShrink",
    "Softmax",
    "Softplus",
    "Softsign",
    "SparsePlus",
    "SparseSigmoid",
    "Squareplus",
    "Step",
    "Tanh",
    "TanhShrink",
    "Threshold",
    "deserialize",
    "get",
    "serialize",
]

ENTRIES: tuple[type[Activation], ...] = (
    Linear,
    ReLU,
    LeakyReLU,
    Sigmoid,
    Tanh,
    Softmax,
    LogSoftmax,
    Step,
    ELU,
    SELU,
    GELU,
    GELUTanh,
    SiLU,
    Mish,
    Softplus,
    Softsign,
    HardSigmoid,
    Exponential,
    ClippedReLU,
    ReLU6,
    HardTanh,
    HardSiLU,
    LogSigmoid,
    CELU,
    SoftShrink,
    HardShrink,
    TanhShrink,
    Squareplus,
    Threshold,
    SparsePlus,
    SparseSigmoid,
)
ALIASES = {
    "swish": "silu",
    "identity": "linear",
    "heaviside": "step",
    "hard_swish": "hard_silu",
    "logsoftmax": "log_softmax",
    "logsigmoid": "log_sigmoid",
}
NAMES = Names("activation", Activation, ENTRIES, ALIASES)
serialize, deserialize = NAMES.serialize, NAMES.deserialize


def get(identifier: Any) -> Activation:
    """Keras' ``get``: an activation from its name, its class, itself or what ``serialize`` made; None is linear.

    >>> get("relu"), get(None)
    (ReLU(), Linear())
    """
    return Linear() if identifier is None else NAMES.get(identifier)


def __getattr__(name: str) -> Activation:
    """``activations.relu``: the activation with its default settings, to be called or to be given to a layer."""
    return NAMES.attribute(__name__, name)()
