"""Derivatives against finite differences, before the first fit."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.formulas.functions import difference

POINTS = np.linspace(-6, 6, 49) + 0.0137  # where few formulas have their kinks
TOLERANCE = 2e-3  # of the slope and of 1: a float32 need not do better where terms cancel
SIDE = 1e-4  # two sides of a point whose slopes differ by more have a kink between them


def check_slope(what: str, function: Callable[..., Any], points: NDArray[Any], slopes: NDArray[Any]) -> None:
    """ValueError where slopes differ from the differences of a function; points: rows of arguments, the last is varied.

    Left out are points where the function is not defined, and kinks.
    """
    for point, given in zip(points.tolist(), slopes.tolist(), strict=True):
        expected = _expected(function, point)
        if expected is None or abs(given - expected) <= TOLERANCE * (1 + abs(expected)):
            continue
        names = ("x",) if len(point) == 1 else ("y", "output")
        where = ", ".join(f"{name} = {value:.6g}" for name, value in zip(names, point, strict=True))
        raise ValueError(
            f"{what} has a wrong derivative at {where}: given {given:.6g}, expected {expected:.6g} by finite"
            " differences; correct it, leave it out (then it is derived), or give check=False if it is meant to differ"
        )


def check_row_slope(
    what: str, function: Callable[..., Any], evaluate: Callable[..., Any], columns: int | None, dtype: Any
) -> None:
    """The same for a loss of whole rows, at some rows of three outputs (or of what ``columns`` suggests)."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(12, 3)).astype(dtype)
    t = np.eye(3, dtype=dtype)[rng.integers(3, size=12)] if columns is None else np.ones((12, columns), dtype=dtype)
    given = evaluate(a, t)[1]
    for y, row, d in zip(t.astype(np.float64), a.astype(np.float64), given.tolist(), strict=True):
        for k, one in enumerate(d):

            def of_one(x: float, y: NDArray[Any] = y, row: NDArray[Any] = row, k: int = k) -> Any:
                changed = row.copy()
                changed[k] = x
                return function(y, changed)

            expected = _expected(of_one, [float(row[k])])
            if expected is None or abs(one - expected) <= TOLERANCE * (1 + abs(expected)):
                continue
            raise ValueError(
                f"{what} has a wrong derivative by output {k} at y = {y.round(4).tolist()}, outputs ="
                f" {row.round(4).tolist()}: given {one:.6g}, expected {expected:.6g} by finite differences; correct it,"
                " leave it out (then it is derived), or give check=False if it is meant to differ"
            )


def _expected(function: Callable[..., Any], point: list[float]) -> float | None:
    *others, x = point
    h = 1e-5 * max(1.0, abs(x))
    try:
        with np.errstate(all="ignore"):
            left, middle, right = (float(function(*others, x + k * h)) for k in (-1, 0, 1))
            found = difference(function, *point)
    except (ArithmeticError, ValueError):  # outside of what it is defined for
        return None
    sides = (middle - left) / h, (right - middle) / h
    if not all(map(isfinite, (*sides, found))) or abs(sides[0] - sides[1]) > SIDE * (1 + abs(found)):
        return None
    mean = 0.5 * (sides[0] + sides[1])
    return found if abs(found - mean) <= SIDE * (1 + abs(mean)) else mean  # a kink further away
