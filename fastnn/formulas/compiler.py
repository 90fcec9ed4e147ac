"""Formulas compiled by Numba: C callbacks over contiguous blocks, which the core calls without the GIL.

The loop stands here, around the user's function, which is put into it as it is (``forceinline``): where it calls
nothing but what ``elementary`` has, LLVM makes vector code of it. No fastmath: NaN and infinity stay what they are.
"""

from __future__ import annotations

import types as python
from functools import lru_cache
from typing import Any

import numpy as np
from numba import cfunc, njit, types
from numba.core.errors import NumbaError

from fastnn.formulas import numbers
from fastnn.formulas.functions import Function, library, plain, rebuilt

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}
KEPT = 512  # callbacks; each lives as long as a network that uses it anyway


class Formula:
    """A function with the key that says when two are the same."""

    def __init__(self, function: Function, key: Any) -> None:
        self.function, self.key = plain(function), key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _real(bits: int) -> Any:
    return types.float32 if bits == 32 else types.float64


def jitted(function: Any) -> Any:
    """A function as Numba takes it into the loop, with the functions that it calls."""

    def compiled(one: Any) -> Any:
        return (
            njit(forceinline=True, **OPTIONS)(one)
            if isinstance(one, python.FunctionType) and not library(one)
            else None
        )

    return compiled(rebuilt(function, compiled))


def _made(what: str, arguments: list[Any], body: Function) -> Any:
    try:
        return cfunc(types.void(*arguments), **OPTIONS)(body)
    except (NumbaError, TypeError) as error:  # TypeError: another number of arguments, told by an older Numba
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        shown = " ".join(lines)[:600]
        raise TypeError(
            f"{what} cannot be compiled: {shown}; write it with numbers, math and NumPy's functions of numbers, or give"
            " compiled=False, which runs it through NumPy, slowly"
        ) from None


@lru_cache(KEPT)
def forward(what: str, formula: Formula, bits: int) -> Any:
    """a = f(a) for n numbers."""
    numbers.teach_scipy()
    f, number, value_of = jitted(formula.function), numbers.number, numbers.value_of
    pointer = types.CPointer(_real(bits))

    def loop(n: Any, a: Any, h: Any) -> None:
        for i in range(n):
            x = number(a[i], None, bits)
            a[i] = value_of(f(x), x)

    return _made(what, [types.intp, pointer, types.CPointer(types.float64)], loop)


@lru_cache(KEPT)
def backward(what: str, formula: Formula, given: Formula | None, bits: int) -> Any:
    """d = d f'(v) for n numbers; 0 where d is 0, so that what is not finite stays behind a unit that is off."""
    numbers.teach_scipy()
    f, number, value_of, slope_of = (
        jitted((given or formula).function),
        numbers.number,
        numbers.value_of,
        numbers.slope_of,
    )
    one = np.float32(1) if bits == 32 else np.float64(1)
    zero = one - one
    pointer = types.CPointer(_real(bits))

    def derived(n: Any, v: Any, d: Any, h: Any) -> None:
        for i in range(n):
            x = number(v[i], one, bits)
            s = d[i] * slope_of(f(x), x)
            d[i] = s if d[i] != zero else zero

    def by_formula(n: Any, v: Any, d: Any, h: Any) -> None:
        for i in range(n):
            x = number(v[i], None, bits)
            s = d[i] * value_of(f(x), x)
            d[i] = s if d[i] != zero else zero

    arguments = [types.intp, pointer, pointer, types.CPointer(types.float64)]
    return _made(what, arguments, derived if given is None else by_formula)


@lru_cache(KEPT)
def loss(what: str, formula: Formula, given: Formula | None, bits: int) -> Any:
    """values = f(t, a) and d = df/da for n outputs and their targets."""
    numbers.teach_scipy()
    f, number, value_of, slope_of = jitted(formula.function), numbers.number, numbers.value_of, numbers.slope_of
    g = jitted((given or formula).function)
    one = np.float32(1) if bits == 32 else np.float64(1)

    def derived(n: Any, a: Any, t: Any, values: Any, d: Any) -> None:
        for i in range(n):
            x = number(a[i], one, bits)
            y = f(number(t[i], None, bits), x)
            values[i] = value_of(y, x)
            d[i] = slope_of(y, x)

    def by_formula(n: Any, a: Any, t: Any, values: Any, d: Any) -> None:
        for i in range(n):
            x, y = number(a[i], None, bits), number(t[i], None, bits)
            values[i] = value_of(f(y, x), x)
            d[i] = value_of(g(y, x), x)

    return _made(what, [types.intp, *[types.CPointer(_real(bits))] * 4], derived if given is None else by_formula)


@lru_cache(KEPT)
def row_loss(what: str, formula: Formula, given: Formula | None, bits: int) -> Any:
    """e = f(t, a) and d = df/da of the samples of a transposed block of n outputs and their targets."""
    numbers.teach_scipy()
    f, value_of, slope_of, row = jitted(formula.function), numbers.value_of, numbers.slope_of, numbers.row
    g, number = jitted((given or formula).function), numbers.number
    width, zero = 512 // bits, np.float32(0) if bits == 32 else np.float64(0)

    def derived(n: Any, columns: Any, a: Any, t: Any, d: Any, e: Any) -> None:
        for r in range(width):
            y = row(t, r, columns, width, None)
            for k in range(n):
                x = number(zero, zero, bits)
                found = f(y, row(a, r, n, width, k))
                d[k * width + r] = slope_of(found, x)
                e[r] = value_of(found, x)

    def by_formula(n: Any, columns: Any, a: Any, t: Any, d: Any, e: Any) -> None:
        for r in range(width):
            x = number(zero, None, bits)
            y, outputs = row(t, r, columns, width, None), row(a, r, n, width, None)
            e[r] = value_of(f(y, outputs), x)
            for k in range(n):
                d[k * width + r] = value_of(g(y, outputs, k), x)

    arguments = [types.intp, types.intp, *[types.CPointer(_real(bits))] * 4]
    return _made(what, arguments, derived if given is None else by_formula)


@lru_cache(KEPT)
def metric(what: str, formula: Formula) -> Any:
    """a = f(t, a) for n outputs and their targets, in float64."""
    numbers.teach_scipy()
    f, number, value_of = jitted(formula.function), numbers.number, numbers.value_of

    def loop(n: Any, a: Any, t: Any, h: Any) -> None:
        for i in range(n):
            x = number(a[i], None, 64)
            a[i] = value_of(f(number(t[i], None, 64), x), x)

    pointer = types.CPointer(types.float64)
    return _made(what, [types.intp, pointer, pointer, pointer], loop)


def run(callback: Any, *arrays: Any, plain: bool = False) -> None:
    """Calls a callback on whole arrays, without the GIL. plain: it takes no parameters behind them."""
    from ctypes import CFUNCTYPE, c_ssize_t, c_void_p

    function = CFUNCTYPE(None, c_ssize_t, *[c_void_p] * (len(arrays) + (not plain)))(callback.address)
    function(arrays[0].size, *(one.ctypes.data for one in arrays), *[None] * (not plain))


def run_rows(callback: Any, a: Any, t: Any) -> tuple[Any, Any]:
    """Calls a callback of whole rows on arrays (samples, numbers), by transposed blocks as the core does."""
    from ctypes import CFUNCTYPE, c_ssize_t, c_void_p

    width = 64 // a.dtype.itemsize
    function = CFUNCTYPE(None, c_ssize_t, c_ssize_t, *[c_void_p] * 4)(callback.address)
    e, d = np.zeros(len(a), dtype=a.dtype), np.zeros_like(a)
    for first in range(0, len(a), width):
        part = slice(first, min(len(a), first + width))
        blocks = [np.zeros((one.shape[1], width), dtype=a.dtype) for one in (a, t, a)]
        values = np.zeros(width, dtype=a.dtype)
        for block, one in zip(blocks, (a, t), strict=False):
            block[:, : part.stop - first] = one[part].T
        function(a.shape[1], t.shape[1], *(one.ctypes.data for one in (*blocks, values)))
        e[part], d[part] = values[: part.stop - first], blocks[2][:, : part.stop - first].T
    return e, d
