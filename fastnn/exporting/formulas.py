"""Formulas of the catalogue as expressions: NumPy's twin is called with a symbol, and what it does is written down.

So ONNX, C and NumPy scripts say what the twin says, and an activation or a layer of one's own can leave too, where its
formula works number by number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastnn.activations import Activation
from fastnn.formulas.activation import OwnActivation
from fastnn.formulas.functions import plain, rebuilt

ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative", "absolute", "square", "maximum", "minimum", "sign")
FUNCTIONS = (
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "logaddexp",
    "tanh",
    "sin",
    "cos",
    "arctan",
    "hypot",
    "erfc",
    "power",
)
TRUTHS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "isnan")
KNOWN = (*ARITHMETIC, *FUNCTIONS, *TRUTHS, "where")
SAME = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "true_divide": "divide",
    "fabs": "absolute",
    "erfc (vectorized)": "erfc",
}
# Functions that languages write as a sign between two numbers.
SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
MOST_QUESTIONS = 6  # that a formula may ask on one way through its branches


class Formula(NDArrayOperatorsMixin):
    """What is done to numbers that are not known yet: a function of ``KNOWN`` and its arguments, or "x" itself.

    Arguments are formulas, numbers, or arrays with a number for each column.

    >>> x = Formula("x", np.dtype("float32"))
    >>> formula = np.where(x < 0, 0.0, x)
    >>> formula.name, [one.name for one in formula.arguments if isinstance(one, Formula)]
    ('where', ['less', 'x'])
    """

    def __init__(self, name: str, dtype: np.dtype, *arguments: Any) -> None:
        self.name, self.dtype, self.arguments = name, dtype, arguments
        own = (one.ways for one in arguments if isinstance(one, Formula))
        self.ways: Callable[[Formula], bool] | None = next((one for one in own if one is not None), None)

    def _of(self, name: str, *arguments: Any) -> Formula:
        name = SAME.get(name, name)
        if name not in KNOWN:
            raise TypeError(f"numpy.{name} is unknown outside of NumPy")
        known = [one.dtype for one in arguments if isinstance(one, Formula) and one.dtype != bool]
        dtype = np.dtype(bool) if name in TRUTHS else known[0] if known else np.asarray(arguments[-1]).dtype
        return Formula(name, dtype, *arguments)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Formula:
        if method != "__call__" or settings:
            raise TypeError(
                f"numpy.{ufunc.__name__}.{method} with {', '.join(settings) or 'no settings'} is no formula"
            )
        return self._of(ufunc.__name__, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, settings: Any) -> Any:
        name = function.__name__
        if name in ("zeros_like", "ones_like") and len(args) == 1 and not settings:
            return self.dtype.type(name == "ones_like")
        if name == "clip" and len(args) == 3 and not settings:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        if name == "where" and len(args) == 3 and not settings:
            return self._of(name, *args)
        raise TypeError(f"numpy.{name} is no formula of single numbers")

    def astype(self, dtype: Any) -> Formula:
        """Truth becomes 1 and 0; other numbers keep the one type that there is."""
        if self.dtype == bool:
            return self._of("where", self, np.dtype(dtype).type(1), np.dtype(dtype).type(0))
        return self

    def __bool__(self) -> bool:
        """What an ``if`` of a user's own function asks: each way is gone once, see ``_every_way``."""
        if self.ways is None:
            raise TypeError("it asks whether a number is so")
        return self.ways(self)


class _Math:
    """The module ``math`` of formulas."""

    def __getattr__(self, name: str) -> Any:
        if name in ("erf", "erfc"):
            return _erfc if name == "erfc" else lambda x: 1 - _erfc(x)
        known = name in KNOWN or name in SAME
        return getattr(np, name if known else {"atan": "arctan", "pow": "power"}.get(name, ""), getattr(math, name))


MATH, _erfc = _Math(), np.frompyfunc(math.erfc, 1, 1)


def _lifted(value: Any) -> Any:
    """What stands for a thing of ``math`` in a function of the user's own; None for all else."""
    if value is math:
        return MATH
    name = str(getattr(value, "__name__", ""))
    return getattr(MATH, name) if callable(value) and value is getattr(math, name, None) else None


def of_activation(activation: Activation, dtype: np.dtype) -> Any:
    """The formula of an activation; of one of ``fastnn.formulas`` it is the user's function."""
    what = f"activation {type(activation).__name__}"
    if not isinstance(activation, OwnActivation):
        return traced(activation.forward, dtype, what)
    function = plain(activation.function)
    if isinstance(function, FunctionType):
        function = rebuilt(function, _lifted)
    return traced(lambda x: _every_way(function, x.dtype), dtype, f"activation {activation.name!r}")


def function_name(activation: Activation) -> str:
    """What the function of an activation may be called in a file.

    >>> from fastnn.activations import LeakyReLU
    >>> function_name(LeakyReLU())
    'leaky_relu'
    """
    return re.sub(r"\W", "_", getattr(activation, "name", type(activation).__name__.lower()))


def whole_rows(activation: Activation, target: str) -> TypeError:
    """The error for an activation that looks at more than one number, and has no entry of its own there."""
    return TypeError(f"activation {type(activation).__name__} works on whole rows and cannot go to {target}")


def traced(function: Callable[[Any], Any], dtype: np.dtype, what: str) -> Any:
    """function(x) as a formula of x. TypeError, which says what cannot leave, where it is none."""
    try:
        with np.errstate(all="ignore"):
            return function(Formula("x", dtype))
    except (TypeError, AttributeError, ValueError) as error:
        raise TypeError(f"{what} cannot be exported: {error}") from None


def _every_way(function: Callable[[Any], Any], dtype: np.dtype, before: tuple[bool, ...] = ()) -> Any:
    """function(x), which may branch: np.where of what comes out where its questions are answered by yes and by no.

    before: the first answers; those behind them are yes.
    """
    asked: list[Formula] = []

    def answer(question: Formula) -> bool:
        asked.append(question)
        if len(asked) > MOST_QUESTIONS:
            raise TypeError("it branches too often")
        return before[len(asked) - 1] if len(asked) <= len(before) else True

    x = Formula("x", dtype)
    x.ways = answer
    found = function(x)
    for place in range(len(asked) - 1, len(before) - 1, -1):
        other = _every_way(function, dtype, (*before, *[True] * (place - len(before)), False))
        found = asked[place]._of("where", asked[place], found, other)
    return found


def in_order(formula: Any) -> Iterator[tuple[Any, int]]:
    """Each part of a formula after its own parts, once, with how often it is used."""
    uses: dict[int, int] = {}
    order: list[Any] = []

    def visit(one: Any) -> None:
        uses[id(one)] = uses.get(id(one), 0) + 1
        if uses[id(one)] == 1 and isinstance(one, Formula):
            for argument in one.arguments:
                visit(argument)
            order.append(one)

    visit(formula)
    for one in order:
        yield one, uses[id(one)]


def written(
    formula: Any, call: Callable[[str, list[str]], str], constant: Callable[[Any], str], x: str = "x"
) -> tuple[list[tuple[str, str, bool]], str]:
    """A formula as text: (name, expression, whether it is a truth) of what is used more than once, and the whole.

    call: the text of a function's call, from its name and the texts of its arguments; constant: that of a number.
    """
    texts: dict[int, str] = {}
    kept: list[tuple[str, str, bool]] = []

    def text_of(one: Any) -> str:
        return texts[id(one)] if isinstance(one, Formula) else constant(one)

    for one, uses in in_order(formula):
        text = x if one.name == "x" else call(one.name, [text_of(argument) for argument in one.arguments])
        if uses > 1 and one.name != "x":
            kept.append((f"t{len(kept) + 1}", text, one.dtype == bool))
            text = kept[-1][0]
        texts[id(one)] = text
    return kept, text_of(formula)
