"""Formulas of your own at full speed: plain Python functions of numbers, compiled by Numba and run inside the core.

    def swish(x):
        return x / (1 + np.exp(-1.7 * x))

    Dense(16, activation=swish)

Derivatives are derived, or given, and checked. Needs the extra ``numba``; without it the formulas run through NumPy,
slowly. The page: docs/own-formulas.md.
"""

from __future__ import annotations

from typing import Any

from fastnn.basics.settings import Settings
from fastnn.formulas.activation import OwnActivation
from fastnn.formulas.functions import Function
from fastnn.formulas.loss import OwnLoss
from fastnn.formulas.metric import OwnMetric, OwnSchedule

__all__ = [
    "OwnActivation",
    "OwnLoss",
    "OwnMetric",
    "OwnSchedule",
    "activation",
    "loss",
    "metric",
    "row_loss",
    "schedule",
]


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


def loss(function: Function | None = None, derivative: Function | None = None, **settings: Any) -> Any:
    """A loss from a function (y, output) of two numbers, whose mean over the outputs is the loss of a sample.

    derivative: (y, output) -> the slope by the output; by default it is derived. name, check, compiled: as in
    ``activation``.

    >>> from fastnn import formulas
    >>> cautious = formulas.loss(lambda y, a: (a - y) ** 2 * (3 if a > y else 1), name="cautious")
    >>> float(cautious([[1.0]], [[2.0]]))
    3.0
    """
    if function is None:
        return lambda one: loss(one, derivative, **settings)
    return OwnLoss(function=function, slope=derivative, **settings)


def row_loss(
    function: Function | None = None, derivative: Function | None = None, columns: int | None = None, **settings: Any
) -> Any:
    """A loss from a function (y, outputs) of the numbers of one sample, which may be indexed, counted and summed.

    derivative: (y, outputs, k) -> the slope by output k; by default it is derived, in a pass for each output. columns:
    of y, by default as many as outputs.

    >>> from fastnn import formulas
    >>> @formulas.row_loss
    ... def spread(y, a):
    ...     return max(a) - min(a)
    >>> float(spread([[0.0, 0.0]], [[1.0, 4.0]]))
    3.0
    """
    if function is None:
        return lambda one: row_loss(one, derivative, columns, **settings)
    return OwnLoss(function=function, slope=derivative, rows=True, own_columns=columns, **settings)


def metric(function: Function | None = None, **settings: Any) -> Any:
    """A metric from a function (y, output) of two numbers: its mean over all outputs of all samples.

    >>> from fastnn import formulas
    >>> formulas.metric(lambda y, a: abs(a - y), name="off")([[1.0]], [[3.0]])
    2.0
    """
    if function is None:
        return lambda one: metric(one, **settings)
    return OwnMetric(function=function, **settings)


def schedule(function: Function | None = None, **settings: Any) -> Any:
    """A schedule from a function of the step, the first being 0.

    >>> from fastnn import formulas
    >>> formulas.schedule(lambda t: 0.1 * 0.5**t)(1)
    0.05
    """
    if function is None:
        return lambda one: schedule(one, **settings)
    return OwnSchedule(function, **settings)


MAKERS = {"activation": activation, "loss": loss, "row_loss": row_loss, "metric": metric, "schedule": schedule}


def kind_of(value: Any) -> str | None:
    """The name of what makes it, for files; None for all else."""
    if isinstance(value, OwnLoss):
        return "row_loss" if value.rows else "loss"
    kinds = {OwnActivation: "activation", OwnMetric: "metric", OwnSchedule: "schedule"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), None)


def made(kind: str, function: Any, name: str) -> Any:
    """A formula of a kind from a plain function, or what is one already."""
    return function if isinstance(function, Settings) else MAKERS[kind](function, name=name)
