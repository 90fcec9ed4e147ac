"""Rules of differentiation: what each function that a formula may call does to a number and to its slope.

One table for both ways to run a formula, NumPy (``duals``) and Numba (``numbers``). m: the functions of numbers,
NumPy's or those of ``elementary``. The slope of a result is the sum of the arguments' slopes, each times a
partial derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi, sqrt
from typing import Any

Rule = tuple[
    Callable[..., Any], ...
]  # the value (m, x, ...), then for each argument its partial derivative (m, y, x, ...)

ONE, MINUS_ONE, ZERO = 1.0, -1.0, 0.0

SMOOTH: dict[str, Rule] = {
    "add": (lambda m, x, z: x + z, lambda m, y, x, z: ONE, lambda m, y, x, z: ONE),
    "subtract": (lambda m, x, z: x - z, lambda m, y, x, z: ONE, lambda m, y, x, z: MINUS_ONE),
    "multiply": (lambda m, x, z: x * z, lambda m, y, x, z: z, lambda m, y, x, z: x),
    "divide": (lambda m, x, z: x / z, lambda m, y, x, z: 1 / z, lambda m, y, x, z: -y / z),
    "power": (
        lambda m, x, z: m.power(x, z),
        lambda m, y, x, z: z * m.power(x, z - 1),
        lambda m, y, x, z: m.where(y == 0, 0 * x, y * m.log(x)),
    ),
    "negative": (lambda m, x: -x, lambda m, y, x: MINUS_ONE),
    "positive": (lambda m, x: x, lambda m, y, x: ONE),
    "absolute": (lambda m, x: m.absolute(x), lambda m, y, x: m.sign(x)),
    "square": (lambda m, x: x * x, lambda m, y, x: x + x),
    "reciprocal": (lambda m, x: 1 / x, lambda m, y, x: -y * y),
    "sqrt": (lambda m, x: m.sqrt(x), lambda m, y, x: 0.5 / y),
    "exp": (lambda m, x: m.exp(x), lambda m, y, x: y),
    "exp2": (lambda m, x: m.exp2(x), lambda m, y, x: y * log(2)),
    "expm1": (lambda m, x: m.expm1(x), lambda m, y, x: y + 1),
    "log": (lambda m, x: m.log(x), lambda m, y, x: 1 / x),
    "log2": (lambda m, x: m.log2(x), lambda m, y, x: (1 / log(2)) / x),
    "log10": (lambda m, x: m.log10(x), lambda m, y, x: (1 / log(10)) / x),
    "log1p": (lambda m, x: m.log1p(x), lambda m, y, x: 1 / (1 + x)),
    "logaddexp": (
        lambda m, x, z: m.logaddexp(x, z),
        lambda m, y, x, z: m.exp(x - y),
        lambda m, y, x, z: m.exp(z - y),
    ),
    "tanh": (lambda m, x: m.tanh(x), lambda m, y, x: 1 - y * y),
    "sinh": (lambda m, x: m.sinh(x), lambda m, y, x: m.cosh(x)),
    "cosh": (lambda m, x: m.cosh(x), lambda m, y, x: m.sinh(x)),
    "sin": (lambda m, x: m.sin(x), lambda m, y, x: m.cos(x)),
    "cos": (lambda m, x: m.cos(x), lambda m, y, x: -m.sin(x)),
    "tan": (lambda m, x: m.sin(x) / m.cos(x), lambda m, y, x: 1 + y * y),
    "arctan": (lambda m, x: m.arctan(x), lambda m, y, x: 1 / (1 + x * x)),
    "arcsinh": (lambda m, x: m.arcsinh(x), lambda m, y, x: 1 / m.sqrt(1 + x * x)),
    "hypot": (lambda m, x, z: m.hypot(x, z), lambda m, y, x, z: x / y, lambda m, y, x, z: z / y),
    "erf": (lambda m, x: m.erf(x), lambda m, y, x: 2 / sqrt(pi) * m.exp(-x * x)),
    "erfc": (lambda m, x: m.erfc(x), lambda m, y, x: -2 / sqrt(pi) * m.exp(-x * x)),
    "expit": (lambda m, x: m.expit(x), lambda m, y, x: y * (1 - y)),
    "sign": (lambda m, x: m.sign(x), lambda m, y, x: ZERO),
    "floor": (lambda m, x: m.floor(x), lambda m, y, x: ZERO),
    "ceil": (lambda m, x: m.ceil(x), lambda m, y, x: ZERO),
    "rint": (lambda m, x: m.rint(x), lambda m, y, x: ZERO),
    "trunc": (lambda m, x: m.trunc(x), lambda m, y, x: ZERO),
}


def slope(name: str, m: Any, y: Any, values: tuple[Any, ...], slopes: tuple[Any, ...]) -> Any:
    """The slope of y = name(*values); slopes: None for a constant, whose slope is never multiplied with anything."""
    total = None
    for partial, d in zip(SMOOTH[name][1:], slopes, strict=True):
        factor = ZERO if d is None else partial(m, y, *values)
        if factor is ZERO:
            continue
        term = d if factor is ONE else -d if factor is MINUS_ONE else d * factor
        total = term if total is None else total + term
    return total


def chosen(name: str, m: Any, values: tuple[Any, ...], slopes: tuple[Any, ...]) -> tuple[Any, Any]:
    """Value and slope of ``where``, ``maximum`` and ``minimum``: those of what is chosen; of equals, the mean slope."""
    if name == "where":
        condition, *values = values  # type: ignore[assignment]
        _, *slopes = slopes  # type: ignore[assignment]
        y = m.where(condition, *values)
    else:
        y = getattr(m, name)(*values)
        condition = y == values[0]
    if all(d is None for d in slopes):
        return y, None
    first, second = (0 * y if d is None else d for d in slopes)
    found = m.where(condition, first, second)
    if name != "where":
        found = m.where(values[0] == values[1], 0.5 * (first + second), found)
    return y, found
