"""A network as one C99 file: weights and a function, nothing but math.h.

A batch is one sample here. Its maps lie in arrays as (height, width, channels), two of which take turns. The weights of
a product are panels of a few columns, (panels, 1 + inputs, columns) with the bias in front, so that compilers keep the
sums of a panel in vector registers; what fills the last panel is zero.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.activations import Activation, Linear, LogSoftmax, Softmax
from fastnn.basics.files import write_atomically
from fastnn.basics.version import __version__
from fastnn.exporting.formulas import SIGNS, function_name, of_activation, traced, whole_rows, written
from fastnn.exporting.frozen import Frozen, Step, entry
from fastnn.operations.normalization import LEAST_NORM

Array = NDArray[Any]
TARGET = "C"
WIDTHS = (16, 12, 8, 4)  # of panels, in columns
TOGETHER = 4  # inputs added at once: with one alone, GCC at -O3 vectorizes over inputs and takes three times as long
RESERVED = """auto break case char const continue default do double else enum extern float for goto if inline int long
main register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"""

OPERATORS = SIGNS | {"logical_and": "&&", "logical_or": "||"}
LIBRARY = {"absolute": "fabs", "arctan": "atan", "power": "pow"} | {
    name: name for name in ("sqrt", "exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "hypot", "erfc")
}
# Functions of the file's own, written where they are needed; T is the number type, F() a function of math.h for it.
HELPERS = {
    "maximum": "static T maximum(T a, T b)\n{\n    return a > b || isnan(a) ? a : b;\n}\n",
    "minimum": "static T minimum(T a, T b)\n{\n    return a < b || isnan(a) ? a : b;\n}\n",
    "sign": "static T sign(T a)\n{\n    return a > 0 ? 1 : a < 0 ? -1 : a;\n}\n",
    "square": "static T square(T a)\n{\n    return a * a;\n}\n",
    "logaddexp": "static T logaddexp(T a, T b)\n{\n"
    "    return (a > b ? a : b) + F(log1p)(F(exp)(-F(fabs)(a - b)));\n}\n",
}
ROWS: dict[type[Activation], tuple[str, str]] = {
    Softmax: (
        "softmax",
        """static void softmax(T *a, int n)
{
    T most = a[0], sum = 0;
    int j;
    for (j = 1; j < n; j++)
        if (a[j] > most)
            most = a[j];
    for (j = 0; j < n; j++)
        sum += a[j] = F(exp)(a[j] - most);
    for (j = 0; j < n; j++)
        a[j] /= sum;
}
""",
    ),
    LogSoftmax: (
        "log_softmax",
        """static void log_softmax(T *a, int n)
{
    T most = a[0], sum = 0;
    int j;
    for (j = 1; j < n; j++)
        if (a[j] > most)
            most = a[j];
    for (j = 0; j < n; j++)
        sum += F(exp)(a[j] -= most);
    sum = F(log)(sum);
    for (j = 0; j < n; j++)
        a[j] -= sum;
}
""",
    ),
}


class Source:
    """The parts of the file, as they come: tables, functions, and the lines of the one that users call."""

    def __init__(self, dtype: np.dtype, name: str) -> None:
        self.dtype, self.prefix = dtype, f"{name}_"
        self.number = "float" if dtype == np.float32 else "double"
        self.tables: list[str] = []
        self.functions: dict[str, str] = {}
        self.lines: list[str] = []
        self.depth, self.hanging = 1, 0
        self.opened: list[tuple[int, int]] = []
        self.names: dict[Any, str] = {}
        self.panel_width = 0

    # -- text ----------------------------------------------------------------------------------------------------------

    def add(self, text: str) -> None:
        """Lines of the body, indented by the braces that are open, and behind a loop or a condition without one."""
        for line in text.split("\n"):
            if line == "}":
                self.depth, self.hanging = self.opened.pop()
            self.lines.append("    " * (self.depth + self.hanging) + line)
            if line.endswith("{"):
                self.opened.append((self.depth, self.hanging))
                self.depth += self.hanging + 1
                self.hanging = 0
            elif line.startswith(("for", "if")) and not line.endswith(";"):
                self.hanging += 1
            else:
                self.hanging = 0

    def value(self, value: Any) -> str:
        """A number as C reads it."""
        number = self.dtype.type(value)
        if np.isnan(number):
            return "NAN"
        if np.isinf(number):
            return "INFINITY" if number > 0 else "(-INFINITY)"
        text = f"{number:.9g}" if self.number == "float" else f"{number:.17g}"
        text = text if re.search("[.e]", text) else f"{text}.0"
        text += "f" if self.number == "float" else ""
        return f"({text})" if text.startswith("-") else text

    def table(self, values: Any, kind: str = "") -> str:
        """The name of an array of constants; kind: "int", or the number type."""
        flat = np.asarray(values).reshape(-1)
        name = f"{self.prefix}{'i' if kind else 'w'}{len(self.tables) + 1}"
        texts = [str(int(one)) if kind else self.value(one).strip("()") for one in flat]
        lines = [", ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
        inner = ",\n    ".join(lines)
        self.tables.append(f"static const {kind or self.number} {name}[{len(flat)}] = {{\n    {inner},\n}};\n")
        return name

    def function(self, name: str, text: str) -> str:
        """The name in the file of a static function, which is written once. T and F() become the number type's."""
        own = self.prefix + name
        text = re.sub(rf"\b{name}\(", f"{own}(", text, count=1)
        text = re.sub(r"F\((\w+)\)", r"\1f" if self.number == "float" else r"\1", text)
        self.functions[own] = re.sub(r"\bT\b", self.number, text)
        return own

    # -- formulas ------------------------------------------------------------------------------------------------------

    def call(self, name: str, parts: list[str]) -> str:
        """The text of a function of a formula."""
        if name in OPERATORS:
            return f"({parts[0]} {OPERATORS[name]} {parts[1]})"
        if name == "negative":
            return f"(-{parts[0]})"
        if name == "where":
            return f"({parts[0]} ? {parts[1]} : {parts[2]})"
        if name == "isnan":
            return f"isnan({parts[0]})"
        if name in HELPERS:
            return f"{self.function(name, HELPERS[name])}({', '.join(parts)})"
        if name not in LIBRARY:
            raise TypeError(f"numpy.{name} cannot go to {TARGET}")
        return f"{LIBRARY[name]}{'f' if self.number == 'float' else ''}({', '.join(parts)})"

    def constant(self, value: Any) -> str:
        """A number of a formula, or that of column j."""
        return self.value(value) if np.ndim(value) == 0 else f"{self.table(value)}[j]"

    def formula(self, formula: Any, x: str) -> tuple[list[str], str]:
        """Declarations, and an expression, of a formula of x."""
        kept, text = written(formula, self.call, self.constant, x)
        return [f"const {'int' if truth else self.number} {name} = {one};" for name, one, truth in kept], text

    def elementwise(self, activation: Activation) -> str:
        """The name of the function of an activation, "" for none."""
        if type(activation) is Linear:
            return ""
        if activation not in self.names:
            found = of_activation(activation, self.dtype)
            declared, text = self.formula(found, "z")
            name = function_name(activation)
            while self.prefix + name in self.functions:
                name += "_"
            body = "".join(f"    {line}\n" for line in [*declared, f"return {text};"])
            self.names[activation] = self.function(name, f"static T {name}(T z)\n{{\n{body}}}\n")
        return self.names[activation]

    # -- pieces of operations ------------------------------------------------------------------------------------------

    def panels(self, kernel: Array, bias: Array) -> tuple[str, int, int]:
        """The table of a product of (rows, columns), and its panels: how many, how wide."""
        rows, columns = kernel.shape
        width = min(WIDTHS, key=lambda one: -(-columns // one) * (one + 4))
        count = -(-columns // width)
        lines = np.zeros((1 + rows, count * width), dtype=self.dtype)
        lines[:, :columns] = np.concatenate([bias[None], kernel])
        self.panel_width = max(width, self.panel_width)
        return self.table(lines.reshape(1 + rows, count, width).transpose(1, 0, 2)), count, width

    def product(self, op: Any, kernel: Array, bias: Array, inner: str, out: str) -> None:
        """Panels of sums s, which ``inner`` adds to, W wide, from w on; then the activation, into ``out``."""
        name, count, width = self.panels(kernel, bias)
        if count > 1:
            self.add(f"for (p = 0; p < {count}; p++) {{")
        else:
            self.add("{")
        place = f" + p * {(1 + len(kernel)) * width}" if count > 1 else ""
        self.add(f"const {self.number} *w = {name}{place};\n{self.number} s[{width}];")
        self.add(f"for (j = 0; j < {width}; j++)\n    s[j] = w[j];\nw += {width};")
        self.add(inner.replace("W", str(width)))
        left = op.outputs - (count - 1) * width
        bound = str(left) if count == 1 or left == width else f"(p < {count - 1} ? {width} : {left})"
        function = self.elementwise(op.activation)
        first = f"p * {width} + " if count > 1 else ""
        answer = f"{function}(s[j])" if function else "s[j]"
        self.add(f"for (j = 0; j < {bound}; j++)\n{out}[{first}j] = {answer};\n}}")

    def activate(self, op: Any, y: str) -> None:
        """The activation of an operation on what it has written."""
        function = self.elementwise(op.activation)
        if function:
            self.add(f"for (i = 0; i < {op.positions_out * op.outputs}; i++)\n{y}[i] = {function}({y}[i]);")


def _loops(source: Source, names: Iterable[str], sizes: Iterable[int]) -> int:
    """Opens a loop for each size that is more than 1; the others' variables are 0. Returns how many braces are open."""
    opened = 0
    for name, size in zip(names, sizes, strict=True):
        if size > 1:
            source.add(f"for ({name} = 0; {name} < {size}; {name}++) {{")
            opened += 1
        else:
            source.add(f"{name} = 0;")
    return opened


def _elementwise(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    function = source.elementwise(op.activation)
    if function or x != y:
        answer = f"{function}({x}[i])" if function else f"{x}[i]"
        source.add(f"for (i = 0; i < {op.positions_out * op.outputs}; i++)\n{y}[i] = {answer};")


def _rowwise(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    known = ROWS.get(type(op.activation))
    if known is None:
        raise whole_rows(op.activation, TARGET)
    name = source.function(*known)
    if x != y:
        source.add(f"for (i = 0; i < {op.positions_out * op.outputs}; i++)\n{y}[i] = {x}[i];")
    if op.positions_out == 1:
        source.add(f"{name}({y}, {op.outputs});")
    else:
        source.add(f"for (q = 0; q < {op.positions_out}; q++)\n{name}({y} + q * {op.outputs}, {op.outputs});")


def _columnwise(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    """What treats each number by itself, by the numbers of its column."""
    found = traced(lambda symbol: op.infer(symbol, weights), source.dtype, type(op).__name__)
    declared, text = source.formula(found, "z")
    opened = _loops(source, ["q"], [op.positions_out])
    source.add(f"for (j = 0; j < {op.outputs}; j++) {{\nconst {source.number} z = {x}[q * {op.outputs} + j];")
    source.add("\n".join([*declared, f"{y}[q * {op.outputs} + j] = {text};"]) + "\n}" * (1 + opened))


def _sums(inputs: int, v: str) -> str:
    """s += v W, for the W columns of a panel that begins at w."""
    terms = [f"{v}[i + {k}] * w[(i + {k}) * W + j]" for k in range(TOGETHER)]
    lines = []
    if inputs >= TOGETHER:
        lines.append(f"for (i = 0; i < {inputs - inputs % TOGETHER}; i += {TOGETHER})")
        lines.append(f"for (j = 0; j < W; j++)\ns[j] += {' + '.join(terms).replace(' + 0', '').replace('(i)', 'i')};")
    for i in range(inputs - inputs % TOGETHER, inputs):
        lines.append(f"for (j = 0; j < W; j++)\ns[j] += {v}[{i}] * w[{i} * W + j];")
    return "\n".join(lines)


def _dense(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    maps = op.positions_out > 1
    if maps:
        source.add(f"for (q = 0; q < {op.positions_out}; q++) {{")
        source.add(f"const {source.number} *v = {x} + q * {op.inputs};")
    out = f"({y} + q * {op.outputs})" if maps else y
    source.product(op, weights[0], weights[1], _sums(op.inputs, "v" if maps else x), out)
    if maps:
        source.add("}")


def _window(op: Any, advance: str) -> tuple[str, str]:
    """The loops over the taps of a window, with iy and ix on the large map, up to the braces that close them."""
    (height, width), padded = op.large, any(op.corner) or any(op.behind)
    parts = []
    for axis, name in enumerate("yx"):
        size, stride, dilation, corner = (one[axis] for one in (op.window, op.strides, op.dilation, op.corner))
        more = f"; {advance}" if axis and advance else ""
        more = more.replace("; ", ", ")
        parts.append(f"for (k{name} = 0; k{name} < {size}; k{name}++{more}) {{")
        parts.append(f"const int i{name} = o{name} * {stride} + k{name} * {dilation} - {corner};")
    if padded:
        parts.append(f"if (iy < 0 || iy >= {height} || ix < 0 || ix >= {width})\ncontinue;")
    return "\n".join(parts), "}\n}"


def _convolution(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    kernel, bias = weights
    groups, inside, outside = op.groups, op.inputs // op.groups, op.outputs // op.groups
    source.add(f"for (oy = 0; oy < {op.map_out[0]}; oy++)\nfor (ox = 0; ox < {op.map_out[1]}; ox++) {{")
    out = f"{y} + (oy * {op.map_out[1]} + ox) * {op.outputs}"
    seen = f"const {source.number} *v = {x} + (iy * {op.map_in[1]} + ix) * {op.inputs};"
    if groups == 1:
        opened, closed = _window(op, f"w += {op.inputs} * W")
        inner = f"{opened}\n{seen}\n{_sums(op.inputs, 'v')}\n{closed}"
        source.product(op, kernel, bias, inner, f"({out})")
        source.add("}")
        return
    name, first = source.table(kernel), source.table(bias)
    opened, closed = _window(op, f"w += {inside * op.outputs}")
    source.add(f"{source.number} *o = {out};\nconst {source.number} *w = {name};")
    source.add(f"for (j = 0; j < {op.outputs}; j++)\no[j] = {first}[j];\n{opened}\n{seen}")
    if inside == 1:
        place = "v[j]" if outside == 1 else f"v[j / {outside}]"
        source.add(f"for (j = 0; j < {op.outputs}; j++)\no[j] += {place} * w[j];")
    else:
        source.add(f"for (q = 0; q < {groups}; q++)\nfor (i = 0; i < {inside}; i++)\nfor (j = 0; j < {outside}; j++)")
        source.add(f"o[q * {outside} + j] += v[q * {inside} + i] * w[i * {op.outputs} + q * {outside} + j];")
    source.add(f"{closed}\n}}")
    source.activate(op, y)


def _transposed(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    (height, width), n = op.small, op.outputs
    name, first = source.table(weights[0]), source.table(weights[1])
    source.add(f"for (q = 0; q < {op.positions_out}; q++)\nfor (j = 0; j < {n}; j++)\n{y}[q * {n} + j] = {first}[j];")
    opened, closed = _window(op, "")
    source.add(f"for (oy = 0; oy < {height}; oy++)\nfor (ox = 0; ox < {width}; ox++) {{\n{opened}")
    source.add(f"const {source.number} *v = {x} + (oy * {width} + ox) * {op.inputs};")
    source.add(f"const {source.number} *w = {name} + (ky * {op.window[1]} + kx) * {op.inputs * n};")
    source.add(f"{source.number} *o = {y} + (iy * {op.large[1]} + ix) * {n};")
    source.add(f"for (i = 0; i < {op.inputs}; i++)\nfor (j = 0; j < {n}; j++)\no[j] += v[i] * w[i * {n} + j];")
    source.add(f"{closed}\n}}")
    source.activate(op, y)


def _pooling(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    largest, n = isinstance(op, operations.MaxPooling), op.outputs
    opened, closed = _window(op, "")
    source.add(f"for (oy = 0; oy < {op.map_out[0]}; oy++)\nfor (ox = 0; ox < {op.map_out[1]}; ox++)")
    source.add(f"for (j = 0; j < {n}; j++) {{\n{source.number} s = {'-INFINITY' if largest else '0'};")
    if not largest:
        source.add("int count = 0;")
    source.add(f"{opened}\nconst {source.number} v = {x}[(iy * {op.map_in[1]} + ix) * {n} + j];")
    source.add("if (v > s || isnan(v))\ns = v;" if largest else "s += v;\ncount++;")
    answer = "s" if largest else f"s / ({source.number})count"
    source.add(f"{closed}\n{y}[(oy * {op.map_out[1]} + ox) * {n} + j] = {answer};\n}}")


def _layer_normalization(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    (gamma, beta), n = map(source.table, op.scales(weights, source.dtype)), op.outputs
    source.add(f"for (q = 0; q < {op.positions_out}; q++) {{")
    source.add(f"const {source.number} *v = {x} + q * {n};\ndouble mean = 0, sum = 0;")
    if op.centred:
        source.add(f"for (j = 0; j < {n}; j++)\nsum += v[j];\nmean = sum / {n};\nsum = 0;")
    source.add(f"for (j = 0; j < {n}; j++)\nsum += (v[j] - mean) * (v[j] - mean);")
    source.add(f"sum = 1 / sqrt(sum / {n} + {float(op.epsilon)!r});\nfor (j = 0; j < {n}; j++)")
    source.add(f"{y}[q * {n} + j] = ({source.number})((v[j] - mean) * sum) * {gamma}[j] + {beta}[j];\n}}")


def _unit_normalization(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    """x / max(|x|, least): of x over its largest number, so that no square overflows."""
    n = op.outputs
    source.add(f"for (q = 0; q < {op.positions_out}; q++) {{")
    source.add(f"const {source.number} *v = {x} + q * {n};\ndouble most = 1e-30, sum = 0;")
    source.add(f"for (j = 0; j < {n}; j++)\nif (fabs(v[j]) > most)\nmost = fabs(v[j]);")
    source.add(f"for (j = 0; j < {n}; j++)\nsum += v[j] / most * (v[j] / most);\nsum = sqrt(sum);")
    source.add(f"if (sum < {LEAST_NORM!r} / most)\nsum = {LEAST_NORM!r} / most;\nfor (j = 0; j < {n}; j++)")
    source.add(f"{y}[q * {n} + j] = ({source.number})(v[j] / most / sum);\n}}")


def _resampling(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    n, (height, width) = op.outputs, op.map_out
    (rows, down), (columns, across) = op.sources(0), op.sources(1)
    taps = rows.shape[1]
    row, column = source.table(rows, "int"), source.table(columns, "int")
    source.add(f"for (oy = 0; oy < {height}; oy++)\nfor (ox = 0; ox < {width}; ox++)\nfor (j = 0; j < {n}; j++) {{")
    out = f"{y}[(oy * {width} + ox) * {n} + j]"
    if taps == 1:
        source.add(f"const int iy = {row}[oy], ix = {column}[ox];")
        source.add(f"{out} = iy < 0 || ix < 0 ? 0 : {x}[(iy * {op.map_in[1]} + ix) * {n} + j];\n}}")
        return
    first, second = source.table(down), source.table(across)
    source.add(f"{source.number} s = 0;\nfor (ky = 0; ky < {taps}; ky++)\nfor (kx = 0; kx < {taps}; kx++)")
    value = f"{x}[({row}[oy * {taps} + ky] * {op.map_in[1]} + {column}[ox * {taps} + kx]) * {n} + j]"
    source.add(f"s += {first}[oy * {taps} + ky] * {second}[ox * {taps} + kx] * {value};\n{out} = s;\n}}")


def _permutation(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    numbers = op.positions_out * op.outputs
    if not op.axes:
        source.add(f"for (i = 0; i < {numbers}; i++)\n{y}[i] = {x}[i];")
        return
    (index,) = op.table
    source.add(f"for (i = 0; i < {numbers}; i++)\n{y}[i] = {x}[{source.table(index, 'int')}[i]];")


def _embedding(source: Source, op: Any, weights: list[Array], x: str, y: str) -> None:
    """A line of weights for each number; NaN for what is no number of a line."""
    name, n, floor = source.table(weights[0]), op.outputs, "floorf" if source.number == "float" else "floor"
    source.add(f"for (q = 0; q < {op.positions_out}; q++)\nfor (j = 0; j < {n}; j++)")
    good = f"{x}[q] >= 0 && {x}[q] < {op.ids} && {x}[q] == {floor}({x}[q])"
    source.add(f"{y}[q * {n} + j] = {good} ? {name}[(int){x}[q] * {n} + j] : NAN;")


TABLE: dict[type, Callable[[Source, Any, list[Array], str, str], None]] = {
    operations.Dense: _dense,
    operations.Elementwise: _elementwise,
    operations.Rowwise: _rowwise,
    operations.BatchNormalization: _columnwise,
    operations.PReLU: _columnwise,
    operations.LayerNormalization: _layer_normalization,
    operations.UnitNormalization: _unit_normalization,
    operations.Convolution: _convolution,
    operations.TransposedConvolution: _transposed,
    operations.MaxPooling: _pooling,
    operations.AveragePooling: _pooling,
    operations.Resampling: _resampling,
    operations.Permutation: _permutation,
    operations.Embedding: _embedding,
}
VARIABLES = ("p", "q", "i", "j", "oy", "ox", "ky", "kx")


def write(path: str | os.PathLike[str], network: Frozen, name: str = "predict") -> None:
    """Writes the file; see ``Sequential.to_c``."""
    text = text_of(network, name)
    write_atomically(path, lambda file: file.write(text.encode("ascii", "backslashreplace")))


def text_of(network: Frozen, name: str = "predict") -> str:
    """The whole file."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or name in RESERVED.split():
        raise ValueError(f"to_c: name must be a name that C takes for a function, such as 'predict', got {name!r}")
    source = Source(network.dtype, name)
    groups = _grouped([step for step in network.steps if not _does_nothing(step[0])])
    sizes = {"a": 0, "b": 0}
    x = "x"
    for i, group in enumerate(groups):
        y = "y" if i == len(groups) - 1 else "ab"[i % 2]
        op = group[0][0]
        if y != "y":
            sizes[y] = max(sizes[y], op.positions_out * op.outputs)
        for op, weights in group:
            source.add(f"/* {_title(op)} */")
            entry(TABLE, op, TARGET)(source, op, weights, x, y)
            x = y
    if not groups:
        source.add(f"for (i = 0; i < {network.inputs}; i++)\ny[i] = x[i];")
    outputs = network.outputs
    if network.classes is not None and outputs == 1:
        outputs = 2
        source.add(f"y[1] = y[0];\ny[0] = {'1 - y[1]' if network.limit else '-y[1]'};")
    body = "\n".join(source.lines)
    used = [one for one in VARIABLES if re.search(rf"\b{one}\b", body)]
    declared = [f"{source.number} {one}[{size}];" for one, size in sizes.items() if size]
    declared += [f"int {', '.join(used)};"] if used else []
    itemsize = network.dtype.itemsize
    stack = itemsize * (sum(sizes.values()) + source.panel_width) + 4 * len(used)
    signature = f"void {name}(const {source.number} *x, {source.number} *y)"
    opening = "\n".join(f"    {line}" for line in declared)
    main = f"{signature}\n{{\n{opening}\n{body}\n}}\n"
    title = _head(network, name, source.number, signature, outputs, stack)
    chosen = _chooser(network, name, source.number, outputs)
    pieces = [title, "#include <math.h>\n", *source.tables, *source.functions.values(), main, *chosen]
    return "\n".join(pieces)


def _does_nothing(op: Any) -> bool:
    """Whether numbers stay where they are: maps lie in memory as rows do."""
    return (isinstance(op, operations.Permutation) and not op.axes) or (
        isinstance(op, operations.Elementwise) and type(op.activation) is Linear
    )


def _grouped(steps: list[Step]) -> list[list[Step]]:
    """The steps that write an array, each with those behind it that work where its numbers lie."""
    groups: list[list[Step]] = []
    for step in steps:
        if groups and isinstance(step[0], (operations.Elementwise, operations.Rowwise)):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _title(op: Any) -> str:
    """What an operation is, in a line."""

    def shape(pixels: tuple[int, int], channels: int) -> str:
        return str(channels) if pixels == (1, 1) else f"{pixels[0]} x {pixels[1]} x {channels}"

    function = "" if type(op.activation) is Linear else f", {getattr(op.activation, 'name', 'own function')}"
    kind = type(op).__name__
    return f"{kind}: {shape(op.map_in, op.inputs)} -> {shape(op.map_out, op.outputs)}{function}"


def _head(network: Frozen, name: str, number: str, signature: str, outputs: int, stack: int) -> str:
    shape = " x ".join(map(str, network.shape))
    behind = " x ".join(map(str, network.output_shape)) if len(network.output_shape) > 1 else str(outputs)
    title = re.sub(r"[^\w .-]", "_", network.name)
    lines = [
        f"{title}, written by fastnn {__version__}. C99; needs nothing but math.h: link with -lm.",
        "",
        f"    {signature};",
        "",
        f"x: {shape} numbers, y: {behind}, the last axis running fastest. They must not overlap.",
        f"It allocates nothing, keeps nothing, and takes some {stack} bytes of stack. Compile it with -O2 or -O3.",
        "",
        f"    {number} x[{network.inputs}] = {{0}}, y[{outputs}];",
        f"    {name}(x, y);",
    ]
    if network.classes is not None:
        lines[-1] += f"  then {name}_class(y) is the number of the class:"
        lines += ["", *(f"    {i}  {_plain(label)}" for i, label in enumerate(network.classes.tolist()))]
    return "/* " + "\n   ".join(lines).replace("\n   \n", "\n\n") + " */\n"


def _plain(label: Any) -> str:
    """A label in a comment, which it cannot end."""
    return re.sub(r"[*\\?]", "_", repr(label))


def _chooser(network: Frozen, name: str, number: str, outputs: int) -> list[str]:
    """The function that chooses a class."""
    if network.classes is None:
        return []
    choice = (
        f"    return y[1] > {'0.5' if network.limit else '0'};\n"
        if network.outputs == 1
        else f"    int j, best = 0;\n    for (j = 1; j < {outputs}; j++)\n        if (y[j] > y[best])\n"
        "            best = j;\n    return best;\n"
    )
    return [f"int {name}_class(const {number} *y)\n{{\n{choice}}}\n"]
