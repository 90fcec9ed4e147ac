"""Formulas of your own at full speed: plain Python functions of numbers, compiled by Numba and run inside the core.

    def swish(x):
        return x / (1 + np.exp(-1.7 * x))

    Dense(16, activation=swish)

Derivatives are derived, or given, and checked. Needs the extra ``numba``; without it the formulas run through NumPy,
slowly. The page: docs/own-formulas.md.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas.activation import OwnActivation
from fastnn.formulas.functions import Function

__all__ = ["OwnActivation", "activation"]


def activation(function: Function | None = None, derivative: Function | None = None, **settings: Any) -> Any:
    """An activation from a function of one number; also a decorator.

    derivative: a function of the same number; by default it is derived. name: in summaries and files, by default the
    function's. probabilities: whether its outputs lie in [0, 1], as a crossentropy needs them. check: False leaves out
    the check of the derivative, for one that is meant to differ. compiled: False runs it through NumPy.

    >>> from fastnn import formulas
    >>> bent = formulas.activation(lambda x: x / (1 + abs(x)), name="bent")
    >>> bent([1.0, -3.0])
    array([ 0.5 , -0.75])
    """
    if function is None:
        return lambda one: activation(one, derivative, **settings)
    return OwnActivation(function, derivative, **settings)
