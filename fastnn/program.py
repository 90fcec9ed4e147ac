"""Lowers a list of layers to a flat program: operations, sizes, offsets into the arena.

The one source of truth for the compiled engine, the reference, the summary and everything that stores weights. The
arena is a matrix (1 + slots, size): row 0 holds all weights, the others the optimizer's state in the same layout. Each
weight matrix is a panel matrix (panels, inputs + 1, width), its last row the bias; a panel row is one cache line.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Activation, Array
from fastnn.layers import Dense, Flatten, Input, Layer
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer

LINE_BYTES = 64

# The engine's struct Operation (kernels/network.pxi), field by field.
OPERATION = np.dtype(
    [
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("offset", np.int64),
        ("bias", np.int64),
        ("activation", np.int64),
        ("parameters", np.float64, 4),
    ]
)


@dataclass(frozen=True)
class Operation:
    """One dense operation: a = f(x W + b)."""

    layer: int  # position in the model's list
    inputs: int
    outputs: int
    offset: int  # of the weight matrix in a row of the arena
    bias: bool
    activation: Activation


@dataclass(frozen=True)
class Program:
    """What the engines run."""

    dtype: np.dtype
    steps: tuple[Operation, ...]
    size: int  # of a row of the arena, in numbers
    loss_object: Loss | None = None
    from_logits: bool = False
    optimizer_object: Optimizer | None = field(default=None, compare=False)

    @property
    def width(self) -> int:
        """Numbers in a cache line."""
        return LINE_BYTES // self.dtype.itemsize

    @property
    def inputs(self) -> int:
        return self.steps[0].inputs

    @property
    def outputs(self) -> int:
        return self.steps[-1].outputs

    @property
    def operations(self) -> NDArray[np.void]:
        """The steps as the compiled engine reads them."""
        table = np.zeros(len(self.steps), dtype=OPERATION)
        for row, op in zip(table, self.steps, strict=True):
            row["inputs"], row["outputs"], row["offset"], row["bias"] = op.inputs, op.outputs, op.offset, op.bias
            row["activation"] = op.activation.kernel
            row["parameters"][: len(op.activation.parameters)] = op.activation.parameters
        return table

    @property
    def loss(self) -> int:
        return -1 if self.loss_object is None else self.loss_object.kernel

    @property
    def loss_parameters(self) -> list[float]:
        given = [] if self.loss_object is None else list(self.loss_object.parameters)
        return given + [0.0] * (4 - len(given))

    @property
    def optimizer(self) -> int:
        return -1 if self.optimizer_object is None else self.optimizer_object.kernel

    @property
    def slots(self) -> int:
        return 0 if self.optimizer_object is None else len(self.optimizer_object.slots)

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample of a training step: forward, input and weight gradients."""
        return sum(2 * op.inputs * op.outputs * (3 if i else 2) for i, op in enumerate(self.steps))

    def new_arena(self) -> Array:
        """An arena of zeros, aligned to cache lines."""
        rows = 1 + self.slots
        buffer = np.zeros(rows * self.size + self.width, dtype=self.dtype)
        start = -buffer.ctypes.data % LINE_BYTES // self.dtype.itemsize
        return buffer[start : start + rows * self.size].reshape(rows, self.size)

    def panels(self, row: Array, op: Operation) -> Array:
        """The panel matrix of an operation in one row of the arena: a view (panels, inputs + 1, width)."""
        count = -(-op.outputs // self.width)
        return row[op.offset : op.offset + count * (op.inputs + 1) * self.width].reshape(count, -1, self.width)

    def read(self, row: Array, op: Operation) -> tuple[Array, Array]:
        """W (inputs, outputs) and b (outputs,) of one row of the arena, as copies."""
        matrix = self.panels(row, op).transpose(1, 0, 2).reshape(op.inputs + 1, -1)[:, : op.outputs]
        return matrix[:-1].copy(), matrix[-1].copy()

    def write(self, row: Array, op: Operation, W: Array, b: Array | None) -> None:
        """Stores W (inputs, outputs) and b (outputs,) in one row of the arena; the padding stays zero."""
        view = self.panels(row, op)
        for p in range(len(view)):
            columns = slice(p * self.width, min(op.outputs, (p + 1) * self.width))
            view[p, :-1, : columns.stop - columns.start] = W[:, columns]
            if b is not None:
                view[p, -1, : columns.stop - columns.start] = b[columns]


def lower(layers: list[Layer], dtype: np.dtype, loss: Loss | None = None, optimizer: Optimizer | None = None) -> Program:
    """The program of a list of layers that begins with an Input."""
    width = LINE_BYTES // dtype.itemsize
    steps: list[Operation] = []
    shape: tuple[int, ...] = ()
    offset = 0
    for position, layer in enumerate(layers):
        before, shape = shape, layer.output_shape(shape)
        if isinstance(layer, Dense):
            inputs, outputs = before[0], layer.units
            steps.append(Operation(position, inputs, outputs, offset, layer.use_bias, layer.activation))
            offset += -(-outputs // width) * (inputs + 1) * width
        elif not isinstance(layer, (Input, Flatten)):
            raise TypeError(f"layer {position} is {layer!r}; this version knows Input, Flatten and Dense")
    if not steps:
        raise ValueError("the model has no layer with weights; add a Dense layer")
    from_logits = loss is not None and loss.logits is not None and loss.activation == steps[-1].activation.name
    if from_logits and loss is not None and loss.logits is not None:
        loss = loss.logits()
    return Program(dtype, tuple(steps), offset, loss, from_logits, optimizer)
