"""Functions of the user's own as the rest of the folder needs them: a name, a key, and their values through NumPy."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.formulas.duals import Dual, lifted, value_and_slope

Array = NDArray[Any]
Function = Callable[..., Any]

STEP = 1e-3  # of differences, times the size of x
_told: set[str] = set()


class Same:
    """An object as a part of a key: equal to itself only."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def plain(function: Any) -> Any:
    """The function that a user wrote, where Numba has already been asked to compile it."""
    return getattr(function, "py_func", function)


def name_of(function: Any, given: str | None) -> str:
    """The name that the user gave, by default the function's own."""
    return given if given is not None else str(getattr(function, "__name__", type(function).__name__))


def key_of(function: Any, depth: int = 0) -> Any:
    """What decides a function's results: its code and the constants that it finds outside.

    So a function that is defined again, with the same constants, need not be compiled again.
    """
    function = plain(function)
    if isinstance(function, (bool, int, float, complex, str, np.number, type(None))):
        return type(function), function
    if isinstance(function, (tuple, frozenset)):
        return type(function), *(key_of(one, depth) for one in function)
    if not isinstance(function, types.FunctionType) or depth > 8:
        return Same(function)
    return (
        function.__code__,
        key_of(function.__defaults__),
        *(key_of(one, depth + 1) for one in outside(function).values()),
    )


def outside(function: types.FunctionType) -> dict[str, Any]:
    """What a function finds in its closure and among the globals."""
    code = function.__code__
    found = {name: function.__globals__[name] for name in _names(code) if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        found[name] = cell.cell_contents
    return found


def _names(code: types.CodeType) -> list[str]:
    inner = [name for one in code.co_consts if isinstance(one, types.CodeType) for name in _names(one)]
    return [*code.co_names, *inner]


def rebuilt(function: Any, replaced: Callable[[Any], Any], depth: int = 0) -> Any:
    """The same function, and those that it calls, with other things in its closure and globals; None: as they are."""
    function = plain(function)
    found = {}
    for name, one in outside(function).items() if depth < 8 else ():
        inner = plain(one)
        if isinstance(inner, types.FunctionType) and inner is not function and not library(inner):
            one = rebuilt(inner, replaced, depth + 1)
        new = replaced(one)
        if new is not None or one is not outside(function)[name]:
            found[name] = one if new is None else new
    if not found:
        return function
    cells = tuple(
        types.CellType(found[name]) if name in found else cell
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    )
    new = types.FunctionType(
        function.__code__, function.__globals__ | found, function.__name__, function.__defaults__, cells
    )
    new.__kwdefaults__ = function.__kwdefaults__
    return new


def library(function: types.FunctionType) -> bool:
    """Whether Numba or NumPy know it as it is."""
    return (function.__module__ or "").partition(".")[0] in ("numpy", "scipy", "math")


def has_numba(name: str) -> bool:
    """Whether Numba is there; otherwise a warning, once for each formula."""
    from importlib.util import find_spec

    if find_spec("numba") is not None:
        return True
    if name not in _told:
        _told.add(name)
        warnings.warn(
            f"formula {name!r} runs through NumPy, which is slow; pip install 'fastnn-cpu[numba]' compiles it",
            stacklevel=2,
        )
    return False


def values(function: Function, x: Array, *others: Array) -> Array:
    """function(x, ...) in NumPy: of whole arrays where it takes them, else of one number after another."""
    with np.errstate(all="ignore"):
        try:
            found = np.asarray(_lifted(function)(*others, x))
            if found.dtype.kind in "fiub" and found.shape in (x.shape, ()):
                return np.broadcast_to(found, x.shape).astype(x.dtype)
        except (TypeError, ValueError, AttributeError):
            pass
        return _each(lambda *one: float(function(*one)), x, *others)


def slopes(function: Function, x: Array, *others: Array) -> Array:
    """Its derivative by the last argument x, by dual numbers; by differences where it calls what has no rule."""
    with np.errstate(all="ignore"):
        function = _lifted(function)
        try:
            return value_and_slope(function, x, *others)[1].copy()
        except (TypeError, ValueError, AttributeError):
            return _each(lambda *one: _slope(function, *one), x, *others)


def row_slopes(function: Function, y: Array, outputs: Array) -> Array:
    """The derivatives of function(y, outputs) by each output of one sample."""
    lifted_function, found = _lifted(function), np.zeros_like(outputs)
    for k in range(len(outputs)):
        seed = np.zeros_like(outputs)
        seed[k] = 1
        answer = lifted_function(y, Dual(outputs, seed))
        found[k] = answer.slope if isinstance(answer, Dual) and answer.slope is not None else 0
    return found


def _lifted(function: Any) -> Any:
    return rebuilt(function, lifted) if isinstance(plain(function), types.FunctionType) else function


def _each(function: Function, x: Array, *others: Array) -> Array:
    rows = zip(*(np.ravel(one).tolist() for one in (*others, x)), strict=True)
    return np.array([function(*row) for row in rows], dtype=x.dtype).reshape(x.shape)


def _slope(function: Function, *arguments: float) -> float:
    try:
        found = function(*arguments[:-1], Dual(np.float64(arguments[-1]), np.float64(1)))
        return float(found.slope) if isinstance(found, Dual) else 0.0
    except (TypeError, ValueError, AttributeError):
        return difference(function, *arguments)


def difference(function: Function, *arguments: float) -> float:
    """The slope by the last argument, by central differences of fourth order."""
    *others, x = arguments
    h = STEP * max(1.0, abs(x))
    far, near = (function(*others, x + k * h) - function(*others, x - k * h) for k in (2, 1))
    return float((8 * near - far) / (12 * h))
