"""What programs ask of Keras' configuration: the number type of new models can be set; the rest is as it is here."""

from __future__ import annotations

from typing import Any

from fastnn.basics.backend import DTYPES
from fastnn.basics.checks import unknown

__all__ = [
    "backend",
    "dtype_policy",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

EPSILON = 1e-7
_floatx = "float32"


def floatx() -> str:
    """The number type of models that are not told another one.

    >>> floatx()
    'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the number type of models to come, "float32" or "float64"; those that exist keep theirs."""
    global _floatx
    if value not in DTYPES:
        raise ValueError(unknown("dtype", str(value), list(DTYPES)))
    _floatx = value


dtype_policy, set_dtype_policy = floatx, set_floatx  # one type for weights and computation


def epsilon() -> float:
    """Keras' small number, 1e-7, where a formula needs one; optimizers and layers have an epsilon of their own."""
    return EPSILON


def set_epsilon(value: float) -> None:
    """Refused but for 1e-7: the compiled formulas hold it."""
    if value != EPSILON:
        raise ValueError(
            f"epsilon is {EPSILON} here, got {value!r}; optimizers and normalizations take one of their own"
        )


def image_data_format() -> str:
    """The order of the axes of images: channels come last."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Refused but for "channels_last"."""
    if data_format != "channels_last":
        raise ValueError(
            f"images have their channels last here, got {data_format!r}; transpose them: x.transpose(0, 2, 3, 1)"
        )


def backend() -> str:
    """What computes: fastnn itself."""
    return "fastnn"


def __getattr__(name: str) -> Any:
    if name == "set_backend":
        raise AttributeError("fastnn computes by itself and has no other backend; leave set_backend out")
    raise AttributeError(f"module 'fastnn.config' has no attribute {name!r}")
