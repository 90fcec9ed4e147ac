"""Arrays with their slopes: what NumPy's functions do to them is the derivative of a formula (forward mode).

The twin of ``numbers``, which does the same in code that Numba compiles; the rules of both stand in ``rules``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from fastnn.formulas.rules import SMOOTH, chosen, slope

Array = NDArray[np.floating]
COMPARED = ("less", "greater", "less_equal", "greater_equal", "equal", "not_equal", "isnan", "isfinite", "isinf")
ALIASES = {"fabs": "absolute", "float_power": "power", "fmax": "maximum", "fmin": "minimum"}


class _Functions:
    """NumPy's functions, and those that it lacks."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def erf(x: Array) -> Array:
        return _of_each(math.erf, x)

    @staticmethod
    def erfc(x: Array) -> Array:
        return _of_each(math.erfc, x)

    @staticmethod
    def expit(x: Array) -> Array:
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, 1) / (1 + e)


def _of_each(function: Any, x: Array) -> Array:
    return np.array([function(one) for one in np.ravel(x)], dtype=np.result_type(x)).reshape(np.shape(x))


FUNCTIONS = _Functions()


class Dual(NDArrayOperatorsMixin):
    """An array and its slope.

    >>> x = Dual(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    >>> (x * x + 3).slope
    array([0., 2.])
    """

    def __init__(self, value: Any, slope: Any) -> None:
        self.value, self.slope = value, slope

    @property
    def shape(self) -> Any:
        return np.shape(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Dual:
        return Dual(self.value[index], self.slope[index])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        values = tuple(one.value if isinstance(one, Dual) else one for one in inputs)
        slopes = tuple(one.slope if isinstance(one, Dual) else None for one in inputs)
        name = ALIASES.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or settings.keys() - {"out"}:  # out: of x += y, which makes a new one here
            return NotImplemented
        if name in COMPARED:
            return ufunc(*values)
        if name in ("maximum", "minimum"):
            return Dual(*chosen(name, FUNCTIONS, values, slopes))
        if name not in SMOOTH:
            return NotImplemented
        y = ufunc(*values)
        return Dual(y, slope(name, FUNCTIONS, y, values, slopes))

    def __array_function__(self, function: Any, kinds: Any, args: Any, settings: Any) -> Any:
        values = tuple(one.value if isinstance(one, Dual) else one for one in args)
        slopes = tuple(one.slope if isinstance(one, Dual) else None for one in args)
        if function is np.where and len(args) == 3 and not settings:
            return Dual(*chosen("where", FUNCTIONS, values, slopes))
        if function is np.clip and len(args) == 3 and not settings:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        if function in (np.sum, np.mean) and len(args) == 1 and not settings:
            return Dual(function(self.value), function(self.slope))
        if function in (np.max, np.min, np.amax, np.amin) and len(args) == 1 and not settings:
            extreme: Any = np.maximum if function in (np.max, np.amax) else np.minimum
            total = self[0]
            for k in range(1, len(self)):
                total = extreme(total, self[k])
            return total
        return NotImplemented


MATH = {"atan": "arctan", "asinh": "arcsinh", "fabs": "absolute", "pow": "power"}  # math's name: that of the rule


class _Math:
    """The module ``math`` for arrays and duals, where there is a rule."""

    def __getattr__(self, name: str) -> Any:
        given, rule = getattr(math, name), MATH.get(name, name)
        if rule not in SMOOTH and rule not in COMPARED:
            return given

        def function(*arguments: Any) -> Any:
            if not any(isinstance(one, (Dual, np.ndarray)) for one in arguments):
                return given(*arguments)
            if rule in ("erf", "erfc"):
                (x,) = arguments
                if isinstance(x, Dual):
                    y = getattr(FUNCTIONS, rule)(x.value)
                    return Dual(y, slope(rule, FUNCTIONS, y, (x.value,), (x.slope,)))
            return getattr(FUNCTIONS, rule)(*arguments)

        return function


LIFTED_MATH = _Math()


def lifted(value: Any) -> Any:
    """What stands for a thing of ``math`` in a formula that runs on arrays; None for all else."""
    if value is math:
        return LIFTED_MATH
    name = getattr(value, "__name__", "")
    return getattr(LIFTED_MATH, name) if value is getattr(math, str(name), None) else None


def value_and_slope(function: Any, x: Array, *others: Any) -> tuple[Array, Array]:
    """function(x, ...) of an array and its derivative by x; by the last argument where there are others."""
    arguments = [*others, Dual(x, np.ones_like(x))]
    found = function(*arguments)
    if not isinstance(found, Dual):
        found = Dual(found, None)
    y = np.broadcast_to(np.asarray(found.value, dtype=x.dtype), x.shape)
    d = np.broadcast_to(np.asarray(0 if found.slope is None else found.slope, dtype=x.dtype), x.shape)
    return y, d
