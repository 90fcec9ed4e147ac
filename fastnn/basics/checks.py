"""Checks of settings: whole numbers, numbers, switches. An error says what was given and what was expected."""

from __future__ import annotations

from math import inf
from operator import index
from typing import Any

import numpy as np


def whole(name: str, value: Any, least: int) -> int:
    """value as an int of ``least`` or more; TypeError where it is no whole number, ValueError where it is less.

    >>> whole("units", np.int64(3), least=1)
    3
    """
    try:
        found = None if isinstance(value, (bool, np.bool_)) else index(value)
    except TypeError:
        found = None
    if found is None:
        hint = f"; write {int(value)}" if isinstance(value, (float, np.floating)) and value.is_integer() else ""
        raise TypeError(f"{name} must be a whole number, got {value!r}{hint}")
    if found < least:
        raise ValueError(f"{name} must be {least} or more, got {found}")
    return found


def number(
    name: str,
    value: Any,
    least: float | None = None,
    below: float | None = None,
    *,
    above: float | None = None,
    most: float | None = None,
) -> float:
    """value as a finite float: ``least`` or more, greater than ``above``, less than ``below``, at most ``most``.

    TypeError where it is no number of Python or NumPy (a bool is none), ValueError where it is outside.

    >>> number("momentum", 0.9, 0, below=1)
    0.9
    >>> number("momentum", 1.0, 0, below=1)
    Traceback (most recent call last):
        ...
    ValueError: momentum must lie in [0, 1), got 1.0
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        found = float(value)
    except OverflowError:  # an int beyond all floats
        found = inf
    if (
        not -inf < found < inf
        or (least is not None and found < least)
        or (above is not None and found <= above)
        or (below is not None and found >= below)
        or (most is not None and found > most)
    ):
        raise ValueError(f"{name} must {_range(least, below, above, most)}, got {value!r}")
    return found


def _range(least: float | None, below: float | None, above: float | None, most: float | None) -> str:
    if below is not None or most is not None:
        low = f"({-inf if above is None else above:g}" if least is None else f"[{least:g}"
        return f"lie in {low}, " + (f"{most:g}]" if below is None else f"{below:g})")
    if least is not None:
        return f"be a finite number of {least:g} or more"
    return "be a finite number" + ("" if above is None else f" greater than {above:g}")


def flag(name: str, value: Any) -> bool:
    """value as a bool; TypeError where it is neither True nor False.

    >>> flag("nesterov", True)
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


OTHER_WORDS = {  # of older programs and other libraries, for what we call otherwise
    "alpha": "negative_slope",
    "batch_input_shape": "input_shape",
    "decay": "weight_decay",
    "eps": "epsilon",
    "lr": "learning_rate",
    "optimiser": "optimizer",
}


def unknown(kind: str, given: str, known: list[str]) -> str:
    """The message for a name that nobody knows, with the nearest one that somebody does, or all that contain it.

    >>> unknown("shape", "circle", ["half_circle", "full_circle"])
    "unknown shape 'circle'; did you mean 'half_circle' or 'full_circle'? Known: full_circle, half_circle"
    """
    import difflib

    name = given.lower()
    near = [one for one in known if one == OTHER_WORDS.get(name)]
    near = near or [one for one in known if len(name) > 2 and name in one.lower()]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return f"unknown {kind} {given!r}{hint} Known: {', '.join(sorted(known))}"
