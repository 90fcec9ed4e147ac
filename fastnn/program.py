"""Lowers a list of layers to a flat program: operations, sizes, offsets into the arena.

The one source of truth for the compiled engine, the reference, the summary and everything that stores weights. The
arena is a matrix (1 + slots, size): row 0 holds all weights, the others the optimizer's state in the same layout. The
weights of an operation are a panel matrix (panels, rows, width), whose rows are, for a dense layer, its inputs and the
bias, for a normalization scale, shift and the moving statistics. A panel row is one cache line.
"""

from __future__ import annotations

from enum import IntEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import layers as kinds
from fastnn.activations import Activation, Array, Linear
from fastnn.constraints import Constraint
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer
from fastnn.regularizers import Regularizer
from fastnn.settings import Settings

LINE_BYTES = 64
MOST_PARAMETERS = 4


class Kind(IntEnum):
    """What an operation does; the engine's numbers (kernels/network.pxi)."""

    DENSE = 0
    ACTIVATION = 1
    DROPOUT = 2
    NOISE = 3
    BATCH_NORMALIZATION = 4
    LAYER_NORMALIZATION = 5


# The engine's struct Operation (kernels/network.pxi), field by field.
OPERATION = np.dtype(
    [
        ("kind", np.int64),
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("offset", np.int64),
        ("rows", np.int64),
        ("bias", np.int64),
        ("activation", np.int64),
        ("constraint", np.int64),
        ("parameters", np.float64, MOST_PARAMETERS),
        ("kernel_penalty", np.float64, 2),
        ("bias_penalty", np.float64, 2),
        ("activity_penalty", np.float64, 2),
        ("limit", np.float64),
    ]
)

ROWS = {Kind.BATCH_NORMALIZATION: 4, Kind.LAYER_NORMALIZATION: 2}


class Operation(Settings):
    """One line of a program."""

    layer: int  # position in the model's list
    kind: Kind
    inputs: int
    outputs: int
    offset: int = 0  # of the weights in a row of the arena
    activation: Activation = Linear()
    parameters: tuple[float, ...] = ()  # of a layer that is not an activation
    bias: bool = False
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None
    activity_regularizer: Regularizer | None = None
    constraint: Constraint | None = None

    def replace(self, **changes: Any) -> Operation:
        """A copy with some fields changed."""
        return Operation(**{name: getattr(self, name) for name in self._fields} | changes)

    @property
    def rows(self) -> int:
        """Lines in a panel of the weights."""
        return self.inputs + 1 if self.kind == Kind.DENSE else ROWS.get(self.kind, 0)

    @property
    def elementwise(self) -> bool:
        return not self.activation.blockwise

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of its weights, as ``Sequential.get_weights`` returns them."""
        if self.kind == Kind.DENSE:
            return [(self.inputs, self.outputs), (self.outputs,)] if self.bias else [(self.inputs, self.outputs)]
        return [(self.outputs,)] * self.rows


class Program(Settings):
    """What the engines run."""

    dtype: np.dtype
    steps: tuple[Operation, ...]
    size: int  # of a row of the arena, in numbers
    loss_object: Loss | None = None
    from_logits: bool = False  # the loss applies the last activation itself
    optimizer_object: Optimizer | None = None

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
    def trained(self) -> tuple[Operation, ...]:
        """The steps of training: without the last activation where the loss applies it."""
        return self.steps[:-1] if self.from_logits else self.steps

    @property
    def operations(self) -> NDArray[np.void]:
        """The steps as the compiled engine reads them."""
        table = np.zeros(len(self.steps), dtype=OPERATION)
        for row, op in zip(table, self.steps, strict=True):
            for name in ("kind", "inputs", "outputs", "offset", "rows", "bias"):
                row[name] = getattr(op, name)
            row["activation"] = op.activation.kernel
            parameters = op.parameters or op.activation.parameters
            row["parameters"][: len(parameters)] = parameters
            for name in ("kernel", "bias", "activity"):
                regularizer = getattr(op, f"{name}_regularizer")
                row[f"{name}_penalty"] = (regularizer.l1, regularizer.l2) if regularizer else (0, 0)
            if op.constraint:
                row["constraint"], row["limit"] = op.constraint.kernel, op.constraint.limit
        return table

    @property
    def loss(self) -> int:
        return -1 if self.loss_object is None else self.loss_object.kernel

    @property
    def loss_parameters(self) -> list[float]:
        given = [] if self.loss_object is None else list(self.loss_object.parameters)
        return given + [0.0] * (MOST_PARAMETERS - len(given))

    @property
    def optimizer(self) -> int:
        return -1 if self.optimizer_object is None else self.optimizer_object.kernel

    @property
    def slots(self) -> int:
        """Rows of the arena that belong to the optimizer: its own, and the moving average of the weights."""
        optimizer = self.optimizer_object
        return 0 if optimizer is None else len(optimizer.slots) + optimizer.use_ema

    @property
    def penalized(self) -> bool:
        return any(op.kernel_regularizer or op.bias_regularizer for op in self.steps)

    @property
    def constrained(self) -> bool:
        return any(op.constraint for op in self.steps)

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample in the dense layers of a training step: forward and two gradients."""
        return sum(
            2 * op.inputs * op.outputs * (3 if i else 2) for i, op in enumerate(self.steps) if op.kind == Kind.DENSE
        )

    def new_arena(self) -> Array:
        """An arena with zero weights and the optimizer's first state, aligned to cache lines."""
        rows = 1 + self.slots
        buffer = np.zeros(rows * self.size + self.width, dtype=self.dtype)
        start = -buffer.ctypes.data % LINE_BYTES // self.dtype.itemsize
        arena = buffer[start : start + rows * self.size].reshape(rows, self.size)
        if self.optimizer_object is not None and self.optimizer_object.initial:
            arena[1] = self.optimizer_object.initial
        return arena

    def panels(self, row: Array, op: Operation) -> Array:
        """The panel matrix of an operation in one row of the arena: a view (panels, rows, width)."""
        count = -(-op.outputs // self.width)
        return row[op.offset : op.offset + count * op.rows * self.width].reshape(count, op.rows, self.width)

    def read(self, row: Array, op: Operation) -> list[Array]:
        """The weights of an operation in one row of the arena, as copies: W, b, or the vectors of a normalization.

        A dense operation without bias has a b of zeros here.
        """
        if not op.rows:
            return []
        lines = self.panels(row, op).transpose(1, 0, 2).reshape(op.rows, -1)[:, : op.outputs]
        if op.kind == Kind.DENSE:
            return [lines[:-1].copy(), lines[-1].copy()]
        return [line.copy() for line in lines]

    def write(self, row: Array, op: Operation, arrays: list[Array]) -> None:
        """Stores what ``read`` returns, or its first arrays; the padding stays zero."""
        if not arrays:
            return
        lines = np.concatenate([np.atleast_2d(array) for array in arrays])
        view = self.panels(row, op)
        for p in range(len(view)):
            columns = slice(p * self.width, min(op.outputs, (p + 1) * self.width))
            view[p, : len(lines), : columns.stop - columns.start] = lines[:, columns]

    def fill(self, row: Array, arrays: list[Array]) -> None:
        """Stores all weights, in the order of ``Sequential.get_weights``."""
        for op in self.steps:
            self.write(row, op, arrays[: len(op.shapes)])
            arrays = arrays[len(op.shapes) :]

    def weight_penalty(self, weights: list[list[Array]]) -> float:
        """What the regularizers of weights add to the loss; weights: of each operation, as ``read`` returns them."""
        total = 0.0
        for op, arrays in zip(self.steps, weights, strict=False):
            if op.kernel_regularizer is not None:
                total += op.kernel_regularizer.value(arrays[0])
            if op.bias_regularizer is not None and op.bias:
                total += op.bias_regularizer.value(arrays[1])
        return total


def lower(
    layers: list[kinds.Layer], dtype: np.dtype, loss: Loss | None = None, optimizer: Optimizer | None = None
) -> Program:
    """The program of a list of layers that begins with an Input."""
    steps: list[Operation] = []
    shape: tuple[int, ...] = ()
    for position, layer in enumerate(layers):
        before, shape = shape, layer.output_shape(shape)
        if not isinstance(layer, (kinds.Input, kinds.Flatten)):
            steps += _operations(layer, position, prod(before), prod(shape))
    if not any(op.kind == Kind.DENSE for op in steps):
        raise ValueError("the model has no layer with weights; add a Dense layer")
    logits = loss.from_logits() if loss is not None else None
    last = steps[-1]
    from_logits = (
        logits is not None
        and loss is not None
        and last.kind == Kind.ACTIVATION
        and last.activation == loss.activation
        and last.activity_regularizer is None
    )
    steps = _fuse(steps[:-1]) + steps[-1:] if from_logits else _fuse(steps)
    steps, size = _place(steps, LINE_BYTES // dtype.itemsize)
    return Program(dtype, tuple(steps), size, logits if from_logits else loss, from_logits, optimizer)


def _operations(layer: kinds.Layer, position: int, inputs: int, outputs: int) -> list[Operation]:
    """What one layer does: a dense layer is two operations, the product and its activation."""
    if isinstance(layer, kinds.Dense):
        product = Operation(
            position,
            Kind.DENSE,
            inputs,
            outputs,
            bias=layer.use_bias,
            kernel_regularizer=layer.kernel_regularizer,
            bias_regularizer=layer.bias_regularizer,
            constraint=layer.kernel_constraint,
        )
        if isinstance(layer.activation, Linear):
            return [product.replace(activity_regularizer=layer.activity_regularizer)]
        activation = Operation(position, Kind.ACTIVATION, outputs, outputs, activation=layer.activation)
        return [product, activation.replace(activity_regularizer=layer.activity_regularizer)]
    if isinstance(layer, kinds.Activation):
        return [Operation(position, Kind.ACTIVATION, outputs, outputs, activation=layer.activation)]
    if isinstance(layer, kinds.Dropout):
        return [Operation(position, Kind.DROPOUT, outputs, outputs, parameters=(layer.rate,))] if layer.rate else []
    if isinstance(layer, kinds.GaussianNoise):
        return [Operation(position, Kind.NOISE, outputs, outputs, parameters=(layer.stddev,))] if layer.stddev else []
    if isinstance(layer, kinds.BatchNormalization):
        parameters: tuple[float, ...] = (layer.epsilon, layer.momentum)
        return [Operation(position, Kind.BATCH_NORMALIZATION, outputs, outputs, parameters=parameters, bias=True)]
    if isinstance(layer, kinds.LayerNormalization):
        parameters = (layer.epsilon,)
        return [Operation(position, Kind.LAYER_NORMALIZATION, outputs, outputs, parameters=parameters, bias=True)]
    raise TypeError(f"layer {position} is {layer!r}; this version knows {', '.join(kinds.__all__)}")


def _fuse(steps: list[Operation]) -> list[Operation]:
    """Joins each elementwise activation to the product before it: it is applied while z is in the cache."""
    fused: list[Operation] = []
    for op in steps:
        before = fused[-1] if fused else None
        if (
            before is not None
            and op.kind == Kind.ACTIVATION
            and op.elementwise
            and before.kind == Kind.DENSE
            and isinstance(before.activation, Linear)
            and before.activity_regularizer is None
        ):
            fused[-1] = before.replace(activation=op.activation, activity_regularizer=op.activity_regularizer)
        else:
            fused.append(op)
    return fused


def _place(steps: list[Operation], width: int) -> tuple[list[Operation], int]:
    """Gives each operation its place in a row of the arena; returns the row's size too."""
    placed, offset = [], 0
    for op in steps:
        placed.append(op.replace(offset=offset))
        offset += -(-op.outputs // width) * op.rows * width
    return placed, offset
