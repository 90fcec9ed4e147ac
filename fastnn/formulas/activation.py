"""An activation of the user's own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fastnn.activations.base import Activation, Array
from fastnn.formulas.checks import POINTS, check_slope
from fastnn.formulas.functions import Function, has_numba, key_of, name_of, slopes, values


class OwnActivation(Activation):
    """a = function(z), number by number; da/dz = slope(z), or derived from the function where slope is None.

    Made by ``fastnn.formulas.activation``. function, slope: functions of one number; check: whether the derivative is
    held against finite differences before the first fit; compiled: by Numba, where it is there.

    >>> OwnActivation(lambda x: x * x, name="square").derivative(np.array([1.0, 3.0]))
    array([2., 6.])
    """

    keeps_input = True
    cost = 150
    function: Function
    slope: Function | None = None
    name: str = None  # type: ignore[assignment,misc]
    probabilities: bool = False  # type: ignore[misc]
    check: bool = True
    compiled: bool = True

    def __post_init__(self) -> None:
        for what, given in (("the function", self.function), ("derivative", self.slope)):
            if not callable(given) and not (given is None and what == "derivative"):
                raise TypeError(f"formulas.activation: {what} must be a function of one number, got {given!r}")
        object.__setattr__(self, "name", name_of(self.function, self.name))
        self._flags("probabilities", "check", "compiled")

    def __repr__(self) -> str:
        return f"formulas.activation({self.name})"

    def forward(self, z: Array) -> Array:
        return values(self.function, z)

    def derivative(self, v: Array) -> Array:
        return slopes(self.function, v) if self.slope is None else values(self.slope, v)

    def backward(self, v: Array, d: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.where(d == 0, np.zeros_like(d), d * self.derivative(v))

    def callbacks(self, dtype: np.dtype, trained: bool) -> Any:
        if not (self.compiled and has_numba(self.name)):
            if trained and self.check:
                check_slope(f"formula {self.name!r}", self.function, POINTS[:, None], self.derivative(POINTS))
            return self.forward, self.backward
        from fastnn.formulas import compiler

        bits, what = 8 * dtype.itemsize, f"formula {self.name!r}"
        formula = compiler.Formula(self.function, key_of(self.function))
        given = None if self.slope is None else compiler.Formula(self.slope, key_of(self.slope))
        forward = compiler.forward(what, formula, bits)
        if not trained:
            return forward, None
        return forward, _checked(what, formula, given, dtype) if self.check else compiler.backward(
            what, formula, given, bits
        )


@lru_cache(512)
def _checked(what: str, formula: Any, given: Any, dtype: np.dtype) -> Any:
    """The callback of the derivative, once it has been held against finite differences."""
    from fastnn.formulas import compiler

    callback = compiler.backward(what, formula, given, 8 * dtype.itemsize)
    x, d = POINTS.astype(dtype), np.ones(len(POINTS), dtype=dtype)
    compiler.run(callback, x, d)
    check_slope(what, formula.function, x.astype(np.float64)[:, None], d)
    return callback
