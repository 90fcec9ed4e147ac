"""A network as a short script that needs NumPy alone, with its weights in an .npz beside it.

A batch is (rows, columns), or (rows, height, width, channels) where an operation looks at maps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.activations import Activation, Linear, LogSoftmax, Softmax
from fastnn.basics.files import write_atomically
from fastnn.basics.version import __version__
from fastnn.exporting.formulas import SIGNS, function_name, of_activation, traced, whole_rows, written
from fastnn.exporting.frozen import Frozen, dense_kernel, entry
from fastnn.operations.maps import Windowed
from fastnn.operations.normalization import LEAST_NORM

Array = NDArray[Any]
TARGET = "NumPy"

ROWS: dict[type[Activation], str] = {Softmax: "softmax", LogSoftmax: "log_softmax"}
HELPERS = {
    "softmax": """def softmax(z):
    a = np.exp(z - z.max(axis=-1, keepdims=True))
    return a / a.sum(axis=-1, keepdims=True)
""",
    "log_softmax": """def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
""",
    "erfc": """def erfc(z):
    return np.vectorize(math.erfc, otypes=[z.dtype])(z)
""",
    "layer_normalization": """def layer_normalization(x, gamma, beta, epsilon):
    mean = x.mean(axis=-1, keepdims=True, dtype=np.float64)
    variance = np.square(x - mean).mean(axis=-1, keepdims=True)
    return ((x - mean) / np.sqrt(variance + epsilon) * gamma + beta).astype(x.dtype)
""",
    "rms_normalization": """def rms_normalization(x, scale, epsilon):
    square = np.square(x).mean(axis=-1, keepdims=True, dtype=np.float64)
    return (x / np.sqrt(square + epsilon) * scale).astype(x.dtype)
""",
    "unit_normalization": """def unit_normalization(x, least):
    most = np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1e-30)
    length = np.sqrt(np.square(x / most).sum(axis=-1, keepdims=True))
    return x / most / np.maximum(length, least / most)
""",
    "embedding": """def embedding(x, W):
    good = (x >= 0) & (x < len(W)) & (x == np.floor(x))
    lines = W[np.where(good, x, 0).astype(int)]
    return np.where(good[..., None], lines, W.dtype.type(np.nan))
""",
    "windows": '''def windows(x, size, strides, dilation, before, behind, value=0):
    """What each tap of a window sees on maps (rows, height, width, channels), with padding around: a list of maps."""
    x = np.pad(x, ((0, 0), *zip(before, behind), (0, 0)), constant_values=value)
    spans = [(k - 1) * d for k, d in zip(size, dilation)]
    ends = [(n - span - 1) // s * s + 1 for n, span, s in zip(x.shape[1:3], spans, strides)]
    places = [[slice(k * d, k * d + end, s) for k in range(n)] for n, d, s, end in zip(size, dilation, strides, ends)]
    return [x[:, rows, columns] for rows in places[0] for columns in places[1]]
''',
    "spread": '''def spread(x, kernel, size, strides, dilation, corner, shape):
    """Each pixel adds its window, times the kernel of each tap, to new maps."""
    sizes = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(x.shape[1:3], size, strides, dilation)]
    sizes = [max(n, p + out) for n, p, out in zip(sizes, corner, shape)]
    z = np.zeros((len(x), *sizes, kernel.shape[-1]), dtype=x.dtype)
    for tap, place in zip(kernel, np.ndindex(*size)):
        starts = [k * d for k, d in zip(place, dilation)]
        ends = [k + (n - 1) * s + 1 for k, n, s in zip(starts, x.shape[1:3], strides)]
        z[:, starts[0] : ends[0] : strides[0], starts[1] : ends[1] : strides[1]] += x @ tap
    return z[:, corner[0] : corner[0] + shape[0], corner[1] : corner[1] + shape[1]]
''',
    "resampled": '''def resampled(x, axis, pixels, shares):
    """Pixel i of the new map along an axis is the sum of shares[i, t] times the old pixels[i, t]."""
    shape = [-1 if i == axis else 1 for i in range(4)]
    return sum(x.take(p, axis=axis) * s.reshape(shape) for p, s in zip(pixels.T, shares.T))
''',
}


class Script:
    """The parts of the script, as they come."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.weights: dict[str, Array] = {}
        self.functions: dict[str, str] = {}
        self.names: dict[Any, str] = {}
        self.lines: list[str] = []

    def keep(self, name: str, array: Any, dtype: Any = None) -> str:
        """The text of an array that the .npz holds; its name gets a number."""
        count = 1 + sum(one.rstrip("0123456789") == name for one in self.weights)
        self.weights[f"{name}{count}"] = np.asarray(array, dtype=dtype or self.dtype)
        return f'w["{name}{count}"]'

    def helper(self, name: str) -> str:
        self.functions[name] = HELPERS[name]
        return name

    def call(self, name: str, parts: list[str]) -> str:
        """The text of a function of a formula."""
        if name in SIGNS:
            return f"({parts[0]} {SIGNS[name]} {parts[1]})"
        if name == "negative":
            return f"(-{parts[0]})"
        if name == "where" and all(re.fullmatch(r"\(?-?[\d.e+-]+\)?", part) for part in parts[1:]):
            parts[1] = f"np.{self.dtype}({bare(parts[1])})"  # else NumPy makes them float64
        return f"{self.helper(name) if name == 'erfc' else f'np.{name}'}({', '.join(bare(part) for part in parts)})"

    def constant(self, value: Any) -> str:
        """A number of a formula, or numbers for each column."""
        if np.ndim(value):
            return self.keep("c", value)
        number = self.dtype.type(value)
        if not np.isfinite(number):
            return {"inf": "np.inf", "-inf": "-np.inf"}.get(str(number), "np.nan")
        text = str(number)
        return f"({text})" if text.startswith("-") else text

    def formula(self, formula: Any, x: str) -> tuple[list[str], str]:
        """Lines, and an expression, of a formula of x."""
        kept, text = written(formula, self.call, self.constant, x)
        return [f"{name} = {bare(one)}" for name, one, _ in kept], bare(text)

    def activated(self, activation: Activation, x: str) -> str:
        """The text of an activation of x."""
        if type(activation) is Linear:
            return bare(x)
        if type(activation) in ROWS:
            return f"{self.helper(ROWS[type(activation)])}({bare(x)})"
        if activation.blockwise:
            raise whole_rows(activation, TARGET)
        if activation not in self.names:
            found = of_activation(activation, self.dtype)
            lines, text = self.formula(found, "z")
            name = function_name(activation)
            while name in self.functions or name in HELPERS:
                name += "_"
            body = "".join(f"    {line}\n" for line in [*lines, f"return {text}"])
            self.functions[name] = f"def {name}(z):\n{body}"
            self.names[activation] = name
        return f"{self.names[activation]}({bare(x)})"


def bare(text: str) -> str:
    """Without the brackets around all of it."""
    if not text.startswith("(") or not text.endswith(")"):
        return text
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth and i < len(text) - 1:
            return text
    return text[1:-1]


# -- operations: the text of what they make of x ---------------------------------------------------------------------


def _same(script: Script, op: Any, weights: list[Array]) -> str:
    return "x"


def _dense(script: Script, op: Any, weights: list[Array]) -> str:
    return f"(x @ {script.keep('W', weights[0])}{_bias(script, op, weights[1])})"


def _bias(script: Script, op: Any, bias: Array) -> str:
    return f" + {script.keep('b', bias)}" if op.bias or bias.any() else ""


def _columnwise(script: Script, op: Any, weights: list[Array]) -> str:
    found = traced(lambda symbol: op.infer(symbol, weights), script.dtype, type(op).__name__)
    lines, text = script.formula(found, "x")
    script.lines += lines
    return f"({text})"


def _layer_normalization(script: Script, op: Any, weights: list[Array]) -> str:
    gamma, beta = map(script.keep, ("gamma", "beta"), op.scales(weights, script.dtype))
    if not op.centred:
        return f"{script.helper('rms_normalization')}(x, {gamma}, {float(op.epsilon)!r})"
    return f"{script.helper('layer_normalization')}(x, {gamma}, {beta}, {float(op.epsilon)!r})"


def _unit_normalization(script: Script, op: Any, weights: list[Array]) -> str:
    return f"{script.helper('unit_normalization')}(x, {LEAST_NORM!r})"


def _seen(script: Script, op: Any, x: str = "x", value: str = "") -> str:
    places = f"{op.window}, {op.strides}, {op.dilation}, {op.corner}, {op.behind}"
    return f"{script.helper('windows')}({x}, {places}{value})"


def _convolution(script: Script, op: Any, weights: list[Array]) -> str:
    kernel = script.keep("W", dense_kernel(op, weights[0]))
    return f"(sum(v @ k for v, k in zip({_seen(script, op)}, {kernel})){_bias(script, op, weights[1])})"


def _transposed(script: Script, op: Any, weights: list[Array]) -> str:
    kernel = script.keep("W", weights[0].reshape(-1, op.inputs, op.outputs))
    places = f"{op.window}, {op.strides}, {op.dilation}, {op.corner}, {op.large}"
    return f"({script.helper('spread')}(x, {kernel}, {places}){_bias(script, op, weights[1])})"


def _max_pooling(script: Script, op: Any, weights: list[Array]) -> str:
    return f"np.max({_seen(script, op, value=', -np.inf')}, axis=0)"


def _average_pooling(script: Script, op: Any, weights: list[Array]) -> str:
    if not any(op.corner) and not any(op.behind):
        return f"np.mean({_seen(script, op)}, axis=0)"
    return f"(sum({_seen(script, op)}) / sum({_seen(script, op, 'np.ones_like(x[:1])')}))"


def _resampling(script: Script, op: Any, weights: list[Array]) -> str:
    if op.factor == (1, 1) and not op.smooth:
        behind = op.behind
        margins = ", ".join(f"({max(0, p)}, {max(0, b)})" for p, b in zip(op.corner, behind, strict=True))
        ends = zip(op.map_in, op.corner, behind, strict=True)
        kept = ", ".join(f"{max(0, -p)}:{n + min(0, b)}" for n, p, b in ends)
        text = "x" if min(*op.corner, *behind) >= 0 else f"x[:, {kept}]"
        return text if max(*op.corner, *behind) <= 0 else f"np.pad({text}, ((0, 0), {margins}, (0, 0)))"
    text = "x"
    for axis in (0, 1):
        pixels, shares = op.sources(axis)
        names = f"{script.keep('pixels', pixels, np.int64)}, {script.keep('shares', shares)}"
        text = f"{script.helper('resampled')}({text}, {axis + 1}, {names})"
    return text


def _permutation(script: Script, op: Any, weights: list[Array]) -> str:
    if not op.axes:
        return "x"
    shape = ", ".join(map(str, op.shape))
    return f"x.reshape(len(x), {shape}).transpose(0, {', '.join(str(axis + 1) for axis in op.axes)})"


def _embedding(script: Script, op: Any, weights: list[Array]) -> str:
    numbers = f"x.reshape(len(x), {op.positions_out})"
    return f"{script.helper('embedding')}({numbers}, {script.keep('W', weights[0])})"


TABLE: dict[type, Callable[[Script, Any, list[Array]], str]] = {
    operations.Dense: _dense,
    operations.Elementwise: _same,
    operations.Rowwise: _same,
    operations.BatchNormalization: _columnwise,
    operations.PReLU: _columnwise,
    operations.LayerNormalization: _layer_normalization,
    operations.UnitNormalization: _unit_normalization,
    operations.Convolution: _convolution,
    operations.TransposedConvolution: _transposed,
    operations.MaxPooling: _max_pooling,
    operations.AveragePooling: _average_pooling,
    operations.Resampling: _resampling,
    operations.Permutation: _permutation,
    operations.Embedding: _embedding,
}


# -- the files -------------------------------------------------------------------------------------------------------


def write(path: str | os.PathLike[str], network: Frozen) -> None:
    """Writes the script and, beside it, its weights; see ``Sequential.to_numpy``."""
    target = os.fspath(path)
    if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z_]\w*\.py", os.path.basename(target)):
        raise ValueError(f"to_numpy: path must end with a module's name, such as 'net.py', got {target!r}")
    script = Script(network.dtype)
    text = text_of(network, script, os.path.basename(target)[:-3])
    write_atomically(f"{target[:-3]}.npz", lambda file: np.savez(file, **script.weights))  # type: ignore[arg-type]
    write_atomically(target, lambda file: file.write(text.encode()))


def text_of(network: Frozen, script: Script, module: str) -> str:
    """The whole script."""
    shape = network.shape
    for op, weights in network.steps:
        maps = op.positions_in > 1 or isinstance(op, (Windowed, operations.Resampling))
        needed = (*op.map_in, op.inputs) if maps else (op.inputs,)
        if shape != needed:
            script.lines.append(_reshaped(needed))
        text = entry(TABLE, op, TARGET)(script, op, weights)
        text = script.activated(op.activation, text)
        if text != "x":
            script.lines.append(f"x = {text}")
        shape = (*op.map_out, op.outputs) if maps else (op.outputs,)
        if isinstance(op, operations.Embedding):
            shape = (op.positions_out, op.outputs)
        if isinstance(op, operations.Permutation):
            shape = tuple(op.shape[axis] for axis in op.axes) if op.axes else needed
    if shape != network.output_shape:
        script.lines.append(_reshaped(network.output_shape))
    opening = f"x = np.asarray(x, dtype=np.{network.dtype}).reshape(len(x), {', '.join(map(str, network.shape))})"
    main, answers = _functions(network, [opening, *script.lines])
    title = re.sub(r'["\\]', "_", network.name)
    parts = [
        f'"""{title}: what it answers, in NumPy alone; written by fastnn {__version__}.\n',
        f"    from {module} import {answers}",
        f"    {answers}(x)  # x: (rows, {', '.join(map(str, network.shape))})",
        '"""\n',
        "import math" if "erfc" in script.functions else "",
        "from pathlib import Path\n\nimport numpy as np\n",
        'with np.load(Path(__file__).with_suffix(".npz")) as file:\n    w = dict(file)\n\n',
        *(f"{one}\n" for one in script.functions.values()),
        main,
        f'\nif __name__ == "__main__":  # python {module}.py rows.npy\n    import sys\n',
        f"    print({answers}(np.load(sys.argv[1])))",
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _reshaped(shape: tuple[int, ...]) -> str:
    return f"x = x.reshape(len(x), {', '.join(map(str, shape))})"


def _functions(network: Frozen, lines: list[str]) -> tuple[str, str]:
    """The functions that users call, and the name of that which answers what ``predict`` does."""
    body = "".join(f"    {line}\n" for line in lines)
    shape = "rows, " + ", ".join(map(str, network.output_shape))
    quiet = '@np.errstate(all="ignore")\n'
    if network.task != "classifier":
        flat = network.task == "regressor" and prod(network.output_shape) == 1
        end, told = ("x[:, 0]", "(rows,)") if flat else ("x", f"({shape})")
        return f'{quiet}def predict(x):\n    """{told}."""\n{body}    return {end}\n', "predict"
    single = network.classes is not None and network.outputs == 1
    other = "1 - x" if network.limit else "-x"
    end = f"np.concatenate([{other}, x], axis=1)" if single else "x"
    name, word = ("predict_proba", "Probabilities") if network.limit else ("decision_function", "Margins")
    main = f'{quiet}def {name}(x):\n    """{word}, a column for each class."""\n{body}    return {end}\n\n\n'
    if network.classes is None:
        answer = f"    return ({name}(x) > {network.limit}).astype(int)\n"
        return f'{main}def predict(x):\n    """1 for each label that is there, else 0."""\n{answer}', "predict"
    limit = f"({name}(x)[:, 1] > {network.limit}).astype(int)" if single else f"{name}(x).argmax(axis=1)"
    classes = f"classes = np.array({network.classes.tolist()!r})\n\n\n"
    return f'{classes}{main}def predict(x):\n    """The class of each row."""\n    return classes[{limit}]\n', "predict"
