"""A network as an ONNX file, opset 17, through the package ``onnx``.

ONNX's maps are (rows, channels, height, width), ours (rows, height, width, channels). A batch is a ``Batch`` that knows
in which orders of axes it is there already, so that a transpose stands only where an operation needs the other order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.activations import Activation, Linear, LogSoftmax, ReLU, Sigmoid, Softmax, Softsign, Tanh
from fastnn.basics.files import write_atomically
from fastnn.basics.version import __version__
from fastnn.exporting.formulas import Formula, in_order, of_activation, traced, whole_rows
from fastnn.exporting.frozen import Frozen, dense_kernel, entry, seen_pixels
from fastnn.operations.normalization import LEAST_NORM

Array = NDArray[Any]
OPSET, ML_OPSET = 17, 3
TARGET = "ONNX"

# Functions of a formula that ONNX has under another name; the others have their own below.
NODES = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negative": "Neg",
    "absolute": "Abs",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
    "maximum": "Max",
    "minimum": "Min",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
    "logical_and": "And",
    "logical_or": "Or",
    "isnan": "IsNaN",
    "sign": "Sign",
    "arctan": "Atan",
    "power": "Pow",
    "where": "Where",
}
# Activations that are one node; those of rows cannot be written number by number.
NATIVE: dict[Activation, str] = {ReLU(): "Relu", Sigmoid(): "Sigmoid", Tanh(): "Tanh", Softsign(): "Softsign"}
ROWS: dict[type[Activation], str] = {Softmax: "Softmax", LogSoftmax: "LogSoftmax"}
# Kinds that ONNX Runtime computes in float32 alone: in float64 they are gathered pixels times a matrix.
FLOAT32_ONLY = ("Conv", "ConvTranspose", "AveragePool", "Softsign")


class Batch:
    """A batch of maps in the graph, or of rows: the names under which it is there, by the order of its axes.

    "last": (rows, height, width, channels); "first": (rows, channels, height, width); "flat": (rows, all numbers), as
    "last" has them. size: (height, width, channels); newest: the order in which it was computed.
    """

    def __init__(self, names: dict[str, str], size: tuple[int, int, int]) -> None:
        self.names, self.size = dict(names), size
        self.newest = next(iter(names))

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


class Graph:
    """Nodes and constants, as they come."""

    def __init__(self, dtype: np.dtype) -> None:
        import onnx

        self.onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: dict[tuple[Any, ...], Any] = {}
        self.counts: dict[str, int] = {}

    def name(self, kind: str) -> str:
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind.lower()}_{count}"

    def node(self, kind: str, *inputs: str, name: str = "", domain: str = "", **settings: Any) -> str:
        """Adds a node; returns the name of its output."""
        name = name or self.name(kind)
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=name, domain=domain, **settings))
        return name

    def constant(self, value: Any, dtype: Any = None, title: str = "constant") -> str:
        """The name of an array that the file holds, once."""
        array = np.ascontiguousarray(value, dtype=self.dtype if dtype is None else dtype)
        array = array.reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = self.onnx.numpy_helper.from_array(array, self.name(title))
        return str(self.constants[key].name)

    def labels(self, classes: Array) -> str:
        """The name of labels, texts or whole numbers."""
        if classes.dtype.kind != "U":
            return self.constant(classes, classes.dtype, "classes")
        self.constants["classes",] = self.onnx.numpy_helper.from_array(classes.astype(object), "classes")
        return "classes"

    def reshaped(self, name: str, *shape: int) -> str:
        """Samples in another shape; the rows stay."""
        return self.node("Reshape", name, self.constant([0, *shape], np.int64))

    # -- orders of axes ------------------------------------------------------------------------------------------------

    def ordered(self, x: Batch, order: str) -> str:
        """The name of a batch in an order of its axes; adds what makes it so, where it is not there yet."""
        height, width, channels = x.size
        if order in x.names:
            return x.names[order]
        same = channels == 1 or x.pixels == 1  # both orders have the same numbers
        if order == "flat":
            source = x.names[x.newest] if same else self.ordered(x, "last")
            x.names[order] = self.reshaped(source, x.pixels * channels)
        elif order == "last" and "flat" in x.names:
            x.names[order] = self.reshaped(x.names["flat"], height, width, channels)
        elif same:
            shape = (height, width, channels) if order == "last" else (channels, height, width)
            x.names[order] = self.reshaped(x.names[x.newest], *shape)
        else:
            before = x.names["first"] if order == "last" else self.ordered(x, "last")
            x.names[order] = self.node("Transpose", before, perm=[0, 2, 3, 1] if order == "last" else [0, 3, 1, 2])
        return x.names[order]

    def with_channels(self, x: Batch, order: str = "") -> tuple[str, str]:
        """An order whose channels are an axis, and the name of the batch: the newest one, where it will do."""
        if not order:
            order = x.newest if x.newest != "flat" else ("flat" if x.pixels == 1 else "last")
        return order, self.ordered(x, order)

    def columns(self, values: Any, order: str) -> str:
        """The name of numbers for each channel, in the shape in which they meet a batch in that order."""
        array = np.asarray(values)
        return self.constant(array.reshape(-1, 1, 1) if array.ndim == 1 and order == "first" else array)

    # -- formulas ------------------------------------------------------------------------------------------------------

    def formula(self, formula: Any, x: str, order: str) -> str:
        """The nodes of a formula of the batch named x."""
        if not isinstance(formula, Formula):  # it does not look at x
            zero = self.node("Mul", x, self.constant(0))
            return self.node("Add", zero, self.columns(formula, order))
        names: dict[int, str] = {}

        def name_of(one: Any) -> str:
            return names[id(one)] if isinstance(one, Formula) else self.columns(one, order)

        for one, _ in in_order(formula):
            names[id(one)] = (
                x if one.name == "x" else self.function(one.name, [name_of(part) for part in one.arguments])
            )
        return names[id(formula)]

    def function(self, name: str, parts: list[str]) -> str:
        """The node of a function of formulas, or the nodes that make it."""
        one = self.constant(1)
        if name == "arctan" and self.dtype != np.float32:  # ONNX Runtime's Atan takes float32 alone
            return self.cast(self.node("Atan", self.cast(parts[0], np.float32)), self.dtype)
        if name in NODES:
            return self.node(NODES[name], *parts)
        if name == "square":
            return self.node("Mul", parts[0], parts[0])
        if name == "expm1":
            return self.node("Sub", self.node("Exp", parts[0]), one)
        if name == "log1p":
            return self.node("Log", self.node("Add", parts[0], one))
        if name == "not_equal":
            return self.node("Not", self.node("Equal", *parts))
        if name == "logaddexp":
            distance = self.node("Neg", self.node("Abs", self.node("Sub", *parts)))
            return self.node("Add", self.node("Max", *parts), self.function("log1p", [self.node("Exp", distance)]))
        if name == "hypot":  # nothing overflows
            sizes = [self.node("Abs", part) for part in parts]
            most = self.node("Max", *sizes)
            shares = [self.function("square", [self.node("Div", size, most)]) for size in sizes]
            return self.node("Mul", most, self.node("Sqrt", self.node("Add", *shares)))
        if name == "erfc":  # ONNX Runtime's Erf takes float32 alone
            part = parts[0] if self.dtype == np.float32 else self.cast(parts[0], np.float32)
            error = self.node("Erf", part)
            return self.node("Sub", one, error if self.dtype == np.float32 else self.cast(error, self.dtype))
        raise TypeError(f"numpy.{name} cannot go to {TARGET}")

    def cast(self, name: str, dtype: Any) -> str:
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def activated(self, x: Batch, activation: Activation) -> Batch:
        """Behind an activation."""
        if type(activation) is Linear:
            return x
        if type(activation) in ROWS:
            order, name = self.with_channels(x)
            axis = 1 if order == "first" else -1
            return Batch({order: self.node(ROWS[type(activation)], name, axis=axis)}, x.size)
        if activation.blockwise:
            raise whole_rows(activation, TARGET)
        name = x.names[x.newest]
        native = next((kind for known, kind in NATIVE.items() if known == activation), None)
        if native and (self.dtype == np.float32 or native not in FLOAT32_ONLY):
            return Batch({x.newest: self.node(native, name)}, x.size)
        found = of_activation(activation, self.dtype)
        return Batch({x.newest: self.formula(found, name, x.newest)}, x.size)


# -- operations ------------------------------------------------------------------------------------------------------


def _size(op: Any) -> tuple[int, int, int]:
    """(height, width, channels) behind an operation."""
    return (*op.map_out, op.outputs)


def _activation(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    return x  # what comes behind each operation


def _dense(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    W, b = graph.constant(weights[0], title="kernel"), graph.constant(weights[1], title="bias")
    if x.pixels == 1:
        return Batch({"flat": graph.node("Gemm", graph.ordered(x, "flat"), W, b)}, _size(op))
    if x.newest == "first" and graph.dtype == np.float32:  # no transpose, but a convolution of 1 x 1
        W = graph.constant(weights[0].T[:, :, None, None], title="kernel")
        return Batch({"first": graph.node("Conv", x.names["first"], W, b)}, _size(op))
    return Batch({"last": graph.node("Add", graph.node("MatMul", graph.ordered(x, "last"), W), b)}, _size(op))


def _columnwise(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    """What treats each number by itself, by the numbers of its column."""
    order, name = graph.with_channels(x)
    found = traced(lambda symbol: op.infer(symbol, weights), graph.dtype, type(op).__name__)
    return Batch({order: graph.formula(found, name, order)}, _size(op))


def _layer_normalization(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    order, name = graph.with_channels(x, "flat" if x.pixels == 1 else "last")
    gamma, beta = (graph.constant(one) for one in op.scales(weights, graph.dtype))
    if not op.centred:
        square = graph.node("ReduceMean", graph.node("Mul", name, name), axes=[-1])
        root = graph.node("Sqrt", graph.node("Add", square, graph.constant(float(op.epsilon))))
        return Batch({order: graph.node("Mul", graph.node("Div", name, root), gamma)}, _size(op))
    node = graph.node("LayerNormalization", name, gamma, beta, axis=-1, epsilon=float(op.epsilon))
    return Batch({order: node}, _size(op))


def _unit_normalization(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    """x / max(|x|, least): of x over its largest number, so that no square overflows."""
    order, name = graph.with_channels(x)
    axes = [1 if order == "first" else -1]
    most = graph.node("ReduceMax", graph.node("Abs", name), axes=axes)
    most = graph.node("Max", most, graph.constant(1e-30))
    part = graph.node("Div", name, most)
    length = graph.node("Sqrt", graph.node("ReduceSum", graph.node("Mul", part, part), graph.constant(axes, np.int64)))
    length = graph.node("Max", length, graph.node("Div", graph.constant(LEAST_NORM), most))
    return Batch({order: graph.node("Div", part, length)}, _size(op))


def _windows(op: Any) -> dict[str, Any]:
    """The settings of a window on a map; padding behind the map is as much as the last window reaches."""
    return {
        "kernel_shape": list(op.window),
        "strides": list(op.strides),
        "pads": [*op.corner, *op.behind],
    }


def _gathered(graph: Graph, x: Batch, op: Any) -> tuple[str, NDArray[np.int64]]:
    """(rows, pixels, taps, channels): what each tap meets, zeros beyond the edge."""
    seen = seen_pixels(op)
    pixels = graph.reshaped(graph.ordered(x, "last"), x.pixels, op.inputs)
    if (seen < 0).any():
        pixels = graph.node("Pad", pixels, graph.constant([0, 0, 0, 0, 1, 0], np.int64))
    places = np.where(seen < 0, x.pixels, seen)
    return graph.node("Gather", pixels, graph.constant(places, np.int64), axis=1), seen


def _gathered_product(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    pixels, seen = _gathered(graph, x, op)
    rows = graph.reshaped(pixels, len(seen), seen.shape[1] * op.inputs)
    kernel = dense_kernel(op, weights[0]).reshape(-1, op.outputs)
    z = graph.node("MatMul", rows, graph.constant(kernel, title="kernel"))
    z = graph.node("Add", z, graph.constant(weights[1], title="bias"))
    return Batch({"last": graph.reshaped(z, *_size(op))}, _size(op))


def _convolution(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    if graph.dtype != np.float32:
        return _gathered_product(graph, x, op, weights)
    kernel = weights[0].reshape(*op.window, -1, op.outputs).transpose(3, 2, 0, 1)
    names = [graph.constant(kernel, title="kernel"), graph.constant(weights[1], title="bias")]
    settings = {"dilations": list(op.dilation), "group": op.groups} | _windows(op)
    return Batch({"first": graph.node("Conv", graph.ordered(x, "first"), *names, **settings)}, _size(op))


def _transposed(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    """As a product with what each pixel gets; ConvTranspose where its padding can say the same."""
    reach = [
        (o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(op.small, op.strides, op.window, op.dilation, strict=True)
    ]
    behind = [r - p - n for r, p, n in zip(reach, op.corner, op.large, strict=True)]
    more = [max(0, -b) for b in behind]
    if graph.dtype != np.float32 or any(m >= max(s, d) for m, s, d in zip(more, op.strides, op.dilation, strict=True)):
        return _gathered_product(graph, x, op, weights)
    kernel = weights[0].reshape(*op.window, op.inputs, op.outputs).transpose(2, 3, 0, 1)
    names = [graph.constant(kernel, title="kernel"), graph.constant(weights[1], title="bias")]
    settings = _windows(op) | {"pads": [*op.corner, *(max(0, b) for b in behind)]}
    settings |= {"dilations": list(op.dilation), "output_padding": more}
    return Batch({"first": graph.node("ConvTranspose", graph.ordered(x, "first"), *names, **settings)}, _size(op))


def _max_pooling(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    node = graph.node("MaxPool", graph.ordered(x, "first"), dilations=list(op.dilation), **_windows(op))
    return Batch({"first": node}, _size(op))


def _average_pooling(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    if graph.dtype == np.float32 and op.dilation == (1, 1):
        return Batch({"first": graph.node("AveragePool", graph.ordered(x, "first"), **_windows(op))}, _size(op))
    pixels, seen = _gathered(graph, x, op)
    total = graph.node("ReduceSum", pixels, graph.constant([2], np.int64), keepdims=0)
    mean = graph.node("Mul", total, graph.constant(1 / (seen >= 0).sum(axis=1)[:, None]))
    return Batch({"last": graph.reshaped(mean, *_size(op))}, _size(op))


def _resampling(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    order, name = graph.with_channels(x, "last" if x.newest == "flat" else x.newest)
    first = order == "first"
    if op.factor == (1, 1) and not op.smooth:  # zeros around, or less of the map: ONNX pads by negative numbers too
        pads = [0, 0, *op.corner, 0, 0, *op.behind] if first else [0, *op.corner, 0, 0, *op.behind, 0]
        return Batch({order: graph.node("Pad", name, graph.constant(pads, np.int64))}, _size(op))
    for axis in (0, 1):
        pixels, shares = op.sources(axis)
        place = axis + (2 if first else 1)
        parts = [graph.node("Gather", name, graph.constant(line, np.int64), axis=place) for line in pixels.T]
        if len(parts) == 2:
            shape = [-1 if i == place - 1 else 1 for i in range(3)]
            shares = [graph.constant(line.reshape(shape)) for line in shares.T]
            parts = [graph.node("Mul", part, share) for part, share in zip(parts, shares, strict=True)]
            parts = [graph.node("Add", *parts)]
        name = parts[0]
    return Batch({order: name}, _size(op))


def _permutation(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    flat = graph.ordered(x, "flat")
    if op.axes:
        moved = graph.node("Transpose", graph.reshaped(flat, *op.shape), perm=[0, *(axis + 1 for axis in op.axes)])
        flat = graph.reshaped(moved, int(np.prod(op.shape)))
    return Batch({"flat": flat}, _size(op))


def _embedding(graph: Graph, x: Batch, op: Any, weights: list[Array]) -> Batch:
    """A line of weights for each number; NaN for what is no number of a line."""
    numbers, zero = graph.ordered(x, "flat"), graph.constant(0)
    inside = graph.node(
        "And", graph.node("GreaterOrEqual", numbers, zero), graph.node("Less", numbers, graph.constant(op.ids))
    )
    good = graph.node("And", inside, graph.node("Equal", numbers, graph.node("Floor", numbers)))
    places = graph.cast(graph.node("Where", good, numbers, zero), np.int64)
    lines = graph.node("Gather", graph.constant(weights[0], title="kernel"), places, axis=0)
    good = graph.node("Unsqueeze", good, graph.constant([-1], np.int64))
    lines = graph.node("Where", good, lines, graph.constant(np.nan))
    return Batch({"last": graph.reshaped(lines, *_size(op))}, _size(op))


TABLE: dict[type, Callable[[Graph, Batch, Any, list[Array]], Batch]] = {
    operations.Dense: _dense,
    operations.Elementwise: _activation,
    operations.Rowwise: _activation,
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


# -- the file --------------------------------------------------------------------------------------------------------


def write(path: str | os.PathLike[str], network: Frozen, zipmap: bool = False) -> None:
    """Writes the file; see ``Sequential.to_onnx``."""
    model = model_of(network, zipmap)
    write_atomically(path, lambda file: file.write(model.SerializeToString()))


def model_of(network: Frozen, zipmap: bool = False) -> Any:
    """The network as an ``onnx.ModelProto``, checked by onnx itself."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs the package onnx: pip install onnx") from error
    helper = onnx.helper
    graph = Graph(network.dtype)
    first = network.steps[0][0]
    size = (*first.map_in, first.inputs)
    if len(network.shape) > 1 and network.shape != size:
        pixels = size[0] * size[1]
        name = graph.reshaped("X", *(size if pixels > 1 else size[2:]))
        x = Batch({"last" if pixels > 1 else "flat": name}, size)
    else:
        x = Batch({"flat" if len(network.shape) == 1 else "last": "X"}, size)
    for op, weights in network.steps:
        x = graph.activated(entry(TABLE, op, TARGET)(graph, x, op, weights), op.activation)
    number = helper.np_dtype_to_tensor_dtype(network.dtype)
    outputs = _outputs(graph, network, x, zipmap)
    domains = [helper.make_opsetid("", OPSET)]
    if zipmap:
        domains.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    made = helper.make_graph(
        graph.nodes,
        network.name,
        [helper.make_tensor_value_info("X", number, ["N", *network.shape])],
        outputs,
        [one for one in graph.constants.values() if any(one.name in node.input for node in graph.nodes)],
    )
    model = helper.make_model(
        made,
        opset_imports=domains,
        ir_version=helper.find_min_ir_version_for(domains),
        producer_name="fastnn",
        producer_version=__version__,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _outputs(graph: Graph, network: Frozen, x: Batch, zipmap: bool) -> list[Any]:
    """What the file answers: outputs, or labels and probabilities under the names that skl2onnx gives them."""
    helper = graph.onnx.helper
    number = helper.np_dtype_to_tensor_dtype(network.dtype)
    if network.task != "classifier":
        name = "variable" if network.task == "regressor" else "output"
        shape = network.output_shape
        fits = len(shape) == 1 or shape == x.size
        answer = graph.ordered(x, "flat" if len(shape) == 1 or not fits else "last")
        graph.node("Identity", answer if fits else graph.reshaped(answer, *shape), name=name)
        return [helper.make_tensor_value_info(name, number, ["N", *shape])]
    flat, classes, columns = graph.ordered(x, "flat"), network.classes, network.outputs
    limit = graph.constant(network.limit)
    if classes is None:  # each output is a label of its own
        graph.node("Cast", graph.node("Greater", flat, limit), name="label", to=graph.onnx.TensorProto.INT64)
        graph.node("Identity", flat, name="probabilities")
        labels = helper.make_tensor_value_info("label", graph.onnx.TensorProto.INT64, ["N", columns])
        return [labels, helper.make_tensor_value_info("probabilities", number, ["N", columns])]
    kind = graph.onnx.TensorProto.STRING if classes.dtype.kind == "U" else graph.onnx.TensorProto.INT64
    if columns == 1:
        single = graph.node("Squeeze", flat, graph.constant([1], np.int64))
        chosen = graph.cast(graph.node("Greater", single, limit), np.int64)
        other = graph.node("Sub", graph.constant(1), flat) if network.limit else graph.node("Neg", flat)
        graph.node("Concat", other, flat, name="probabilities", axis=1)
    else:
        chosen = graph.node("ArgMax", flat, axis=1, keepdims=0)
        graph.node("Identity", flat, name="probabilities")
    title = "output_label" if zipmap else "label"
    graph.node("Gather", graph.labels(classes), chosen, name=title, axis=0)
    labels = helper.make_tensor_value_info(title, kind, ["N"])
    if not zipmap:
        return [labels, helper.make_tensor_value_info("probabilities", number, ["N", len(classes)])]
    part = "probabilities" if network.dtype == np.float32 else graph.cast("probabilities", np.float32)
    known = {"classlabels_strings" if classes.dtype.kind == "U" else "classlabels_int64s": classes.tolist()}
    graph.node("ZipMap", part, name="output_probability", domain="ai.onnx.ml", **known)
    value = helper.make_tensor_type_proto(graph.onnx.TensorProto.FLOAT, [])
    key = kind
    pairs = helper.make_sequence_type_proto(helper.make_map_type_proto(key, value))
    return [labels, helper.make_value_info("output_probability", pairs)]
