"""Functions of numbers as LLVM code without branches or calls, so that a loop over them becomes vector code.

The twin of kernels/vmath.h: the same polynomials, with the same bounds. ``Value`` is a number while code is generated:
``x * x + 1`` writes a multiplication and an addition. What has no formula here calls the C library, number by number.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

WORDS = {32: ir.IntType(32), 64: ir.IntType(64)}
REALS = {32: ir.FloatType(), 64: ir.DoubleType()}
MANTISSA = {32: 23, 64: 52}
BIAS = {32: 127, 64: 1023}
ROUNDER = {32: 1.5 * 2.0**23, 64: 1.5 * 2.0**52}  # adding it rounds to an integer, left in the low bits
LN2 = {
    32: (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    64: (float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")),
}
EXP_RANGE = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
EXPM1_RANGE = {32: (-87.0, 88.72283), 64: (-708.0, 709.782712893384)}
FACTORIALS = (2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800)
EXP_TERMS = {32: 6, 64: 12}
LOG_LAST = {32: 11, 64: 23}
INFINITY, NAN = float("inf"), float("nan")


class Value:
    """A number in the code that is being written, or a truth value."""

    def __init__(self, builder: Any, value: Any, bits: int) -> None:
        self.builder, self.value, self.bits = builder, value, bits

    def made(self, value: Any) -> Value:
        return Value(self.builder, value, self.bits)

    def of(self, number: Any) -> Value:
        """A constant of the same type, or the number itself."""
        return number if isinstance(number, Value) else self.made(ir.Constant(REALS[self.bits], float(number)))

    def __add__(self, other: Any) -> Value:
        return self.made(self.builder.fadd(self.value, self.of(other).value))

    def __sub__(self, other: Any) -> Value:
        return self.made(self.builder.fsub(self.value, self.of(other).value))

    def __mul__(self, other: Any) -> Value:
        return self.made(self.builder.fmul(self.value, self.of(other).value))

    def __truediv__(self, other: Any) -> Value:
        return self.made(self.builder.fdiv(self.value, self.of(other).value))

    def __radd__(self, other: Any) -> Value:
        return self.of(other) + self

    def __rsub__(self, other: Any) -> Value:
        return self.of(other) - self

    def __rmul__(self, other: Any) -> Value:
        return self.of(other) * self

    def __rtruediv__(self, other: Any) -> Value:
        return self.of(other) / self

    def __neg__(self) -> Value:
        return self.made(self.builder.fneg(self.value))

    def compare(self, sign: str, other: Any) -> Value:
        """Python's comparison: false with NaN, but for !=."""
        compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return self.made(compare(sign, self.value, self.of(other).value))

    def __lt__(self, other: Any) -> Value:
        return self.compare("<", other)

    def __gt__(self, other: Any) -> Value:
        return self.compare(">", other)

    def __le__(self, other: Any) -> Value:
        return self.compare("<=", other)

    def __ge__(self, other: Any) -> Value:
        return self.compare(">=", other)

    def __eq__(self, other: object) -> Value:  # type: ignore[override]
        return self.compare("==", other)

    def __ne__(self, other: object) -> Value:  # type: ignore[override]
        return self.compare("!=", other)

    __hash__ = None  # type: ignore[assignment]

    def fma(self, factor: Any, summand: Any) -> Value:
        """self * factor + summand, rounded once where the CPU can."""
        function = _intrinsic(self, "fmuladd", 3)
        arguments = [one.value for one in (self, self.of(factor), self.of(summand))]
        return self.made(self.builder.call(function, arguments))

    # -- its bits, an integer of the same size

    def word(self) -> Any:
        return self.builder.bitcast(self.value, WORDS[self.bits])

    def of_word(self, word: Any) -> Value:
        return self.made(self.builder.bitcast(word, REALS[self.bits]))

    def integer(self, number: int) -> Any:
        return ir.Constant(WORDS[self.bits], number)


def _intrinsic(x: Value, name: str, count: int) -> Any:
    kind = REALS[x.bits]
    return x.builder.module.declare_intrinsic(f"llvm.{name}", [kind], ir.FunctionType(kind, [kind] * count))


def _call(name: str, *arguments: Value) -> Value:
    """A function of LLVM's own, which it computes in place or leaves to the C library."""
    x = arguments[0]
    return x.made(x.builder.call(_intrinsic(x, name, len(arguments)), [one.value for one in arguments]))


def _library(name: str, *arguments: Value) -> Value:
    """A function of the C library."""
    x = arguments[0]
    kind = REALS[x.bits]
    full = name + ("f" if x.bits == 32 else "")
    module = x.builder.module
    known = module.globals.get(full)
    function = known or ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), full)
    function.attributes.add("nounwind")
    return x.made(x.builder.call(function, [one.value for one in arguments]))


def where(condition: Value, x: Any, z: Any) -> Value:
    x, z = (x, x.of(z)) if isinstance(x, Value) else (z.of(x), z)
    return x.made(x.builder.select(condition.value, x.value, z.value))


def polynomial(x: Value, *coefficients: float) -> Value:
    """Horner's rule, the coefficient of the highest power first."""
    total = x.of(coefficients[0])
    for one in coefficients[1:]:
        total = total.fma(x, one)
    return total


def sqrt(x: Value) -> Value:
    return _call("sqrt", x)


def absolute(x: Value) -> Value:
    return _call("fabs", x)


def copysign(x: Value, z: Value) -> Value:
    return _call("copysign", x, z)


def sign(x: Value) -> Value:
    """0 at 0; NaN stays."""
    return where(x > 0, 1.0, where(x < 0, -1.0, x * 0.0 + 0.0))


def maximum(x: Value, z: Value) -> Value:
    """The larger one; NaN where one is NaN."""
    x, z = (x, x.of(z)) if isinstance(x, Value) else (z.of(x), z)
    return where(x != x, x, where(x > z, x, z))


def minimum(x: Value, z: Value) -> Value:
    """The smaller one; NaN where one is NaN."""
    x, z = (x, x.of(z)) if isinstance(x, Value) else (z.of(x), z)
    return where(x != x, x, where(x < z, x, z))


def _power_of_two(like: Value, n: Any) -> Value:
    b = like.builder
    return like.of_word(b.shl(b.add(n, like.integer(BIAS[like.bits])), like.integer(MANTISSA[like.bits])))


def _reduced_expm1(x: Value) -> tuple[Value, Any]:
    """e^r - 1 by its Taylor series, and n, of x = n ln 2 + r with |r| <= ln(2) / 2."""
    high, low = LN2[x.bits]
    t = x.fma(1.4426950408889634074, ROUNDER[x.bits])
    k = t - ROUNDER[x.bits]
    r = k.fma(-low, k.fma(-high, x))
    n = x.builder.sub(t.word(), x.of(ROUNDER[x.bits]).word())
    q = polynomial(r, *(1 / one for one in reversed(FACTORIALS[: EXP_TERMS[x.bits]])))
    return (q * r).fma(r, r), n


def _cut(x: Value, least: float, most: float) -> Value:
    x = where(x < least, least, x)
    return where(x > most, most, x)


def exp(x: Value) -> Value:
    p, n = _reduced_expm1(_cut(x, *EXP_RANGE[x.bits]))
    half = x.builder.ashr(n, x.integer(1))  # two factors reach the subnormals and infinity
    return (p + 1) * _power_of_two(x, half) * _power_of_two(x, x.builder.sub(n, half))


def expm1(x: Value) -> Value:
    least, most = EXPM1_RANGE[x.bits]
    p, n = _reduced_expm1(_cut(x, least, most))
    half = _power_of_two(x, x.builder.sub(n, x.integer(1)))  # 2^n itself may be too large
    y = 2.0 * half.fma(p, half - 0.5)
    return where(x > most, INFINITY, y)


def tanh(x: Value) -> Value:
    u = absolute(x)
    e = expm1(where(u > 20.0, 40.0, 2.0 * u))  # tanh 20 is 1 to the last bit
    return copysign(e / (e + 2.0), x)


def expit(x: Value) -> Value:
    e = exp(-absolute(x))
    return where(x < 0, e, 1.0) / (1.0 + e)


def log(x: Value) -> Value:
    """x = m 2^n with sqrt(1/2) <= m < sqrt(2), log m by the series of 2 atanh((m - 1) / (m + 1))."""
    b, bits = x.builder, x.bits
    small = x < 2.0 ** (1 - BIAS[bits])
    word = where(small, x * 2.0 ** MANTISSA[bits], x).word()
    n = b.ashr(b.sub(word, x.of(0.70710678118654752440).word()), x.integer(MANTISSA[bits]))
    m = x.of_word(b.sub(word, b.shl(n, x.integer(MANTISSA[bits]))))
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    k = x.made(b.sitofp(n, REALS[bits])) - where(small, x.of(MANTISSA[bits]), 0.0)
    q = polynomial(t, *(1 / one for one in range(LOG_LAST[bits], 1, -2)))
    high, low = LN2[bits]
    s = s + s
    y = k.fma(high, s + (s * t).fma(q, k * low))
    special = where(x == 0, -INFINITY, where(x > 0, x, NAN))
    return where(x > 0, where(x < INFINITY, y, special), special)


def log1p(x: Value) -> Value:
    """log w + (x - (w - 1)) / w with w = 1 + x rounded: what the rounding took away comes back."""
    w = x + 1.0
    y = log(w) + (x - (w - 1.0)) / w
    return where(w > 0, where(w < INFINITY, y, w), log(w))


def logaddexp(x: Value, z: Value) -> Value:
    x, z = (x, x.of(z)) if isinstance(x, Value) else (z.of(x), z)
    y = maximum(x, z) + log1p(exp(-absolute(x - z)))
    return where(x == z, x + 0.6931471805599453, y)


ERFC = (
    -1.3026537197817094, 0.64196979235649021, 0.019476473204185836, -0.0095615147868086323,
    -0.00094659534448203692, 0.00036683949785276145, 4.2523324806907769e-05, -2.0278578112534242e-05,
    -1.6242900046470256e-06, 1.3036558355805232e-06, 1.5626441722066142e-08, -8.5238095914926541e-08,
    6.5290544390988515e-09, 5.0593434955514693e-09, -9.9136415649303307e-10, -2.273651222931836e-10,
    9.646791102015527e-11, 2.3940380830391146e-12, -6.8860275264975532e-12, 8.9448792730907253e-13,
    3.1309213993429581e-13, -1.1270822361367252e-13, 3.8109052551892321e-16, 7.1060976136092371e-15,
    -1.5230282014571043e-15, -9.4574945712912334e-17, 1.210237189224279e-16, -2.8166630877471771e-17,
)  # fmt: skip


def erfc(x: Value) -> Value:
    """t exp(-x^2 + P(t)) for x >= 0, t = 2 / (2 + x), P the Chebyshev series of kernels/vmath.h."""
    z = absolute(x)
    t = 2.0 / (2.0 + z)
    u = 4.0 * t - 2.0
    d = e = x.of(0.0)
    for one in reversed(ERFC[1 : 28 if x.bits == 64 else 13]):  # Clenshaw's recurrence
        d, e = u.fma(d, x.of(one) - e), d
    y = t * exp(-z * z + 0.5 * u.fma(d, ERFC[0]) - e)
    return where(x < 0, 2.0 - y, y)


def erf(x: Value) -> Value:
    """1 - erfc(x), and for small x, where that cancels, the Taylor series."""
    terms = [2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(13)]
    small = x * polynomial(x * x, *reversed(terms[: 13 if x.bits == 64 else 7]))
    return where(absolute(x) < 0.5, small, 1.0 - erfc(x))


def exp2(x: Value) -> Value:
    return _call("exp2", x)


def log2(x: Value) -> Value:
    return log(x) * 1.4426950408889634074


def log10(x: Value) -> Value:
    return log(x) * 0.43429448190325182765


def sinh(x: Value) -> Value:
    """(e^|x| - e^-|x|) / 2 without cancelling, from m = e^|x| - 1."""
    m = expm1(absolute(x))
    y = where(m < INFINITY, 0.5 * (m + m / (m + 1.0)), m)
    return where(x != x, x, copysign(y, x))


def cosh(x: Value) -> Value:
    e = exp(absolute(x))
    return 0.5 * e + 0.5 / e


def sin(x: Value) -> Value:
    return _call("sin", x)


def cos(x: Value) -> Value:
    return _call("cos", x)


def arctan(x: Value) -> Value:
    return _library("atan", x)


def arcsinh(x: Value) -> Value:
    return _library("asinh", x)


def hypot(x: Value, z: Value) -> Value:
    return _library("hypot", *((x, x.of(z)) if isinstance(x, Value) else (z.of(x), z)))


def power(x: Any, z: Any) -> Value:
    """x^z; whole constants by multiplications."""
    if not isinstance(x, Value):
        return _call("pow", z.of(x), z)
    if isinstance(z, int) and abs(z) <= 16:
        y: Any = None
        for digit in f"{abs(z):b}":
            y = None if y is None else y * y
            y = y if digit == "0" else x if y is None else y * x
        y = x.of(1.0) if y is None else y
        return y if z >= 0 else 1.0 / y
    return _call("pow", x, x.of(z))


def floor(x: Value) -> Value:
    return _call("floor", x)


def ceil(x: Value) -> Value:
    return _call("ceil", x)


def rint(x: Value) -> Value:
    return _call("rint", x)


def trunc(x: Value) -> Value:
    return _call("trunc", x)
