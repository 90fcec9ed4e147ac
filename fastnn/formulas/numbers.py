"""The numbers of a formula as a type of Numba: of the model's size whatever they meet, alone or with a slope.

Python's constants, and those from closures, take the model's type, as in NumPy. Each operation becomes the code of
``elementary``, and where there are slopes, the code of its rule in ``rules``.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, lower_cast, models, overload, register_model

from fastnn.formulas import elementary
from fastnn.formulas.elementary import REALS, Value
from fastnn.formulas.rules import SMOOTH, chosen, slope


class Number(types.Type):
    """A real number of 32 or 64 bits; dual: with its slope."""

    def __init__(self, bits: int, dual: bool) -> None:
        self.bits, self.dual = bits, dual
        super().__init__(name=f"{'dual' if dual else 'real'}{bits}")

    def unify(self, typingctx: Any, other: Any) -> Any:
        """What a variable is that holds a constant on one way and a number on another."""
        if isinstance(other, Number):
            return self if self.dual or not other.dual else other
        return self if isinstance(other, (types.Number, types.Boolean)) else None

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        from numba.core.typeconv import Conversion

        return Conversion.safe if isinstance(other, (types.Number, types.Boolean)) else None


@register_model(Number)
class _NumberModel(models.StructModel):
    def __init__(self, manager: Any, kind: Number) -> None:
        real = types.float32 if kind.bits == 32 else types.float64
        super().__init__(manager, kind, [("value", real), *([("slope", real)] if kind.dual else [])])


def _parts(context: Any, builder: Any, kind: Any, value: Any, bits: int) -> tuple[Value, Value | None]:
    """Value and slope of an argument; a constant has no slope."""
    if isinstance(kind, Number):
        pair = cgutils.create_struct_proxy(kind)(context, builder, value=value)
        return Value(builder, pair.value, bits), Value(builder, pair.slope, bits) if kind.dual else None
    real = types.float32 if bits == 32 else types.float64
    return Value(builder, context.cast(builder, value, kind, real), bits), None


def _packed(context: Any, builder: Any, kind: Number, y: Any, d: Value | None) -> Any:
    pair = cgutils.create_struct_proxy(kind)(context, builder)
    pair.value = y.value
    if kind.dual:
        pair.slope = ir.Constant(REALS[kind.bits], 0.0) if d is None else d.value
    return pair._getvalue()


@lower_cast(Number, Number)
def _widened(context: Any, builder: Any, given: Any, kind: Any, value: Any) -> Any:
    return _packed(context, builder, kind, *_parts(context, builder, given, value, kind.bits))


@lower_cast(types.Integer, Number)
@lower_cast(types.Float, Number)
@lower_cast(types.Boolean, Number)
def _constant(context: Any, builder: Any, given: Any, kind: Any, value: Any) -> Any:
    real = types.float32 if kind.bits == 32 else types.float64
    return _packed(context, builder, kind, Value(builder, context.cast(builder, value, given, real), kind.bits), None)


def _is_constant(kind: Any) -> bool:
    return isinstance(kind, (types.Integer, types.Float, types.Boolean))


def _teach(function: Any, count: int, result: Callable[[Number], Any], lower: Callable[..., Any]) -> None:
    """Tells Numba what a function gives for numbers, or for numbers and constants, and how it is written."""

    def generic(self: Any, args: Any, kws: Any) -> Any:
        numbers = sorted((one for one in args if isinstance(one, Number)), key=lambda one: not one.dual)
        rest = [one for one in args if not isinstance(one, Number)]
        if kws or len(args) != count or not numbers or not all(map(_is_constant, rest)):
            return None
        return signature(result(numbers[0]), *args)

    template = type(f"Formula_{function.__name__}", (AbstractTemplate,), {"key": function, "generic": generic})
    template.prefer_literal = True  # type: ignore[attr-defined]
    infer_global(function, types.Function(template))
    for kinds in product((Number, types.Integer, types.Float, types.Boolean), repeat=count):
        if Number in kinds:
            lower_builtin(function, *kinds)(lower)


def _smooth(name: str) -> Callable[..., Any]:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        parts = [_parts(context, builder, *one, kind.bits) for one in zip(sig.args, args, strict=True)]
        values: tuple[Any, ...]
        values, slopes = zip(*parts, strict=True)
        if name == "power" and isinstance(sig.args[1], types.IntegerLiteral):
            values = values[0], sig.args[1].literal_value  # by multiplications
        y = SMOOTH[name][0](elementary, *values)
        d = slope(name, elementary, y, values, slopes) if kind.dual else None
        return _packed(context, builder, kind, y, d)

    return lower


def _choice(name: str) -> Callable[..., Any]:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        parts: list[tuple[Value, Value | None]] = []
        for given, value in zip(sig.args, args, strict=True):
            if name == "where" and not parts:
                parts.append((Value(builder, _truth(context, builder, given, value), kind.bits), None))
                continue
            parts.append(_parts(context, builder, given, value, kind.bits))
        values, slopes = zip(*parts, strict=True)
        y, d = chosen(name, elementary, values, slopes)
        return _packed(context, builder, kind, y, d)

    return lower


def _truth(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, Number):
        x, _ = _parts(context, builder, kind, value, kind.bits)
        return (x != 0).value
    return context.cast(builder, value, kind, types.boolean)


def _comparison(sign: str) -> Callable[..., Any]:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = next(one for one in sig.args if isinstance(one, Number))
        x, z = (_parts(context, builder, *one, kind.bits)[0] for one in zip(sig.args, args, strict=True))
        return x.compare(sign, z).value

    return lower


def _clip(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind = sig.return_type
    parts = [_parts(context, builder, *one, kind.bits) for one in zip(sig.args, args, strict=True)]
    (x, d), least, most = parts
    for name, (limit, limit_d) in (("maximum", least), ("minimum", most)):
        x, d = chosen(name, elementary, (x, limit), (d, limit_d))
    return _packed(context, builder, kind, x, d)


def _same(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return args[0]


def _test(name: str) -> Callable[..., Any]:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, _ = _parts(context, builder, sig.args[0], args[0], sig.args[0].bits)
        tests = {"isnan": x != x, "isinf": elementary.absolute(x) == math.inf}
        return (tests[name] if name in tests else elementary.absolute(x) < math.inf).value

    return lower


NAMES: dict[str, tuple[Any, ...]] = {
    "add": (operator.add, operator.iadd, np.add),
    "subtract": (operator.sub, operator.isub, np.subtract),
    "multiply": (operator.mul, operator.imul, np.multiply),
    "divide": (operator.truediv, operator.itruediv, np.divide),
    "power": (operator.pow, operator.ipow, pow, math.pow, np.power, np.float_power),
    "negative": (operator.neg, np.negative),
    "positive": (operator.pos, np.positive),
    "absolute": (abs, math.fabs, np.absolute, np.fabs),
    "sign": (np.sign,),
    "square": (np.square,),
    "reciprocal": (np.reciprocal,),
    "logaddexp": (np.logaddexp,),
    "arctan": (math.atan, np.arctan),
    "arcsinh": (math.asinh, np.arcsinh),
    "hypot": (np.hypot,),
    "rint": (np.rint,),
    "erf": (math.erf,),
    "erfc": (math.erfc,),
}
BOTH = ("sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sin", "cos", "tan", "trunc")
NAMES |= {name: (getattr(math, name), getattr(np, name)) for name in (*BOTH, "floor", "ceil")}
NAMES |= {"exp2": (np.exp2, *([math.exp2] if hasattr(math, "exp2") else []))}
CHOICES = {"maximum": (max, np.maximum, np.fmax), "minimum": (min, np.minimum, np.fmin)}
SIGNS = {
    "<": (operator.lt, np.less),
    ">": (operator.gt, np.greater),
    "<=": (operator.le, np.less_equal),
    ">=": (operator.ge, np.greater_equal),
    "==": (operator.eq, np.equal),
    "!=": (operator.ne, np.not_equal),
}


def _teach_all() -> None:
    for name, functions in NAMES.items():
        for function in functions:
            _teach(function, len(SMOOTH[name]) - 1, lambda kind: kind, _smooth(name))
    for name, functions in CHOICES.items():
        for function in functions:
            _teach(function, 2, lambda kind: kind, _choice(name))
    _teach(np.where, 3, lambda kind: kind, _choice("where"))
    _teach(np.clip, 3, lambda kind: kind, _clip)
    for sign, functions in SIGNS.items():
        for function in functions:
            _teach(function, 2, lambda kind: types.boolean, _comparison(sign))
    _teach(float, 1, lambda kind: kind, _same)
    for name in ("isnan", "isinf", "isfinite"):
        for module in (math, np):
            _teach(getattr(module, name), 1, lambda kind: types.boolean, _test(name))


_teach_all()
_scipy: list[bool] = []


def teach_scipy() -> None:
    """The functions of scipy.special that formulas use, once it is imported."""
    special = sys.modules.get("scipy.special")
    if special is not None and not _scipy:
        _scipy.append(True)
        for name in ("erf", "erfc", "expit"):
            _teach(getattr(special, name), 1, lambda kind: kind, _smooth(name))


@intrinsic
def number(typingctx: Any, value: Any, slope: Any, bits: Any) -> Any:
    """A number from a value, with a slope unless that is None."""
    if not isinstance(bits, types.IntegerLiteral):
        return None
    kind = Number(bits.literal_value, not isinstance(slope, types.NoneType))

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        y, d = (
            None if isinstance(one, types.NoneType) else Value(builder, v, kind.bits)
            for one, v in zip(sig.args[:2], args[:2], strict=True)
        )
        return _packed(context, builder, kind, y, d)

    return kind(value, slope, bits), code


def _taken(part: int) -> Callable[..., Any]:
    def typed(typingctx: Any, value: Any, like: Any) -> Any:
        """Value or slope of a formula's result, which may be a constant; like: a number of the wanted type."""

        def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, d = _parts(context, builder, types.unliteral(sig.args[0]), args[0], like.bits)
            return x.value if part == 0 else ir.Constant(REALS[like.bits], 0.0) if d is None else d.value

        real = types.float32 if like.bits == 32 else types.float64
        return (real(value, like), code) if isinstance(value, Number) or _is_constant(value) else None

    return typed


value_of, slope_of = intrinsic(_taken(0)), intrinsic(_taken(1))


# -- rows --------------------------------------------------------------------------------------------------------------


class Row(types.Type):
    """The numbers of one sample in a transposed block, to be indexed; one of them may have the slope 1."""

    def __init__(self, bits: int, dual: bool) -> None:
        self.number = Number(bits, dual)
        super().__init__(name=f"row_of_{self.number.name}")


@register_model(Row)
class _RowModel(models.StructModel):
    def __init__(self, manager: Any, kind: Row) -> None:
        real = types.float32 if kind.number.bits == 32 else types.float64
        members = [
            ("first", types.CPointer(real)),
            ("length", types.intp),
            ("stride", types.intp),
            ("chosen", types.intp),
        ]
        super().__init__(manager, kind, members)


@intrinsic
def row(typingctx: Any, first: Any, place: Any, length: Any, stride: Any, chosen: Any) -> Any:
    """The numbers first[place + k * stride]; chosen: that which has the slope 1, or None."""
    kind = Row(first.dtype.bitwidth, not isinstance(chosen, types.NoneType))

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = cgutils.create_struct_proxy(kind)(context, builder)
        made.first = builder.gep(args[0], [args[1]])
        made.length, made.stride = args[2:4]
        made.chosen = args[4] if kind.number.dual else context.get_constant(types.intp, -1)
        return made._getvalue()

    return kind(first, types.intp, types.intp, types.intp, types.intp if kind.number.dual else types.none), code


@intrinsic
def _length(typingctx: Any, given: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(given)(context, builder, value=args[0]).length

    return types.intp(given), code


@intrinsic
def _item(typingctx: Any, given: Any, index: Any) -> Any:
    """The number at an index that lies within the row; NaN elsewhere, so that nothing else is ever read."""
    kind = given.number

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = cgutils.create_struct_proxy(given)(context, builder, value=args[0])
        k = args[1]
        inside = builder.icmp_unsigned("<", k, made.length)
        safe = builder.select(inside, k, ir.Constant(k.type, 0))
        value = builder.load(builder.gep(made.first, [builder.mul(safe, made.stride)]))
        y = Value(builder, builder.select(inside, value, ir.Constant(value.type, math.nan)), kind.bits)
        one = builder.icmp_signed("==", k, made.chosen)
        d = Value(builder, builder.select(one, y.of(1.0).value, y.of(0.0).value), kind.bits)
        return _packed(context, builder, kind, y, d)

    return kind(given, types.intp), code


@overload(len)
def _len_of_row(given: Any) -> Any:
    def code(given: Any) -> Any:  # with the same annotations: Numba compares them
        return _length(given)

    return code if isinstance(given, Row) else None


@overload(operator.getitem)
def _item_of_row(given: Any, index: Any) -> Any:
    if not isinstance(given, Row) or not isinstance(index, types.Integer):
        return None

    def code(given: Any, index: Any) -> Any:
        return _item(given, index + _length(given) if index < 0 else index)

    return code


@overload(np.sum)
@overload(sum)
def _sum_of_row(given: Any) -> Any:
    if not isinstance(given, Row):
        return None

    def code(given: Any) -> Any:
        total = _item(given, 0)
        for k in range(1, _length(given)):
            total = total + _item(given, k)
        return total

    return code


@overload(np.mean)
def _mean_of_row(given: Any) -> Any:
    def code(given: Any) -> Any:
        return np.sum(given) / _length(given)

    return code if isinstance(given, Row) else None


@overload(np.max)
@overload(max)
def _max_of_row(given: Any) -> Any:
    if not isinstance(given, Row):
        return None

    def code(given: Any) -> Any:
        most = _item(given, 0)
        for k in range(1, _length(given)):
            most = np.maximum(most, _item(given, k))
        return most

    return code


@overload(np.min)
@overload(min)
def _min_of_row(given: Any) -> Any:
    if not isinstance(given, Row):
        return None

    def code(given: Any) -> Any:
        least = _item(given, 0)
        for k in range(1, _length(given)):
            least = np.minimum(least, _item(given, k))
        return least

    return code
