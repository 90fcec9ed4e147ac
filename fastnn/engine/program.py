"""Lowers a list of layers to a flat program: operations, sizes, offsets into the arena.

The one source of truth for the compiled engine, the reference, the summary and everything that stores weights. The
arena is a matrix (1 + slots, size): row 0 holds all weights, the others the optimizer's state in the same layout. The
weights of an operation are a panel matrix (panels, rows, width), whose rows are, for a dense layer, its inputs and the
bias, for a normalization scale, shift and the moving statistics. A panel row is one cache line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import activations, constraints, losses, operations, optimizers, regularizers
from fastnn.activations import Array, Linear
from fastnn.basics.settings import Settings
from fastnn.engine.source import Source
from fastnn.layers import Layer
from fastnn.losses import Loss
from fastnn.operations import Elementwise, Operation, Permutation, Rowwise
from fastnn.optimizers import Optimizer

LINE_BYTES = 64
MOST_PARAMETERS = 4
NO_BOUNDS = (0.0, 0.0, 0.0)  # where there is no constraint

# What ``Program.cost`` adds to the costs that operations, activations and losses state.
GATHER_COST = 10  # of an input
WEIGHT_COST = 20  # of reading and writing a weight, or what an optimizer keeps for it
STEP_COST = 20000.0
PART = 1 << 22  # numbers that NumPy may work on before Ctrl-C is looked for: some milliseconds


# The engine's struct Operation (kernels/network.pxi), field by field; the plain fields are copied.
PLAIN = (
    "inputs",
    "outputs",
    "positions_in",
    "positions_out",
    "offset",
    "rows",
    "kernel_rows",
    "bias",
    "trainable",
    "matrices",
    "kernel_decays",
    "bias_decays",
    "seed",
)
OPERATION = np.dtype(
    [
        ("kernel", np.int64),
        *((name, np.int64) for name in PLAIN),
        ("activation", np.int64),
        ("constraint", np.int64),
        ("bias_constraint", np.int64),
        ("along", np.int64),
        ("parameters", np.float64, MOST_PARAMETERS),
        ("kernel_penalty", np.float64, 2),
        ("bias_penalty", np.float64, 2),
        ("activity_penalty", np.float64, 2),
        ("bounds", np.float64, 3),
        ("bias_bounds", np.float64, 3),
        ("geometry", [(name, np.int64) for name in operations.GEOMETRY]),
        ("function", np.int64),  # the engine's own place for an address
    ]
)


class Program(Settings):
    """What the engines run."""

    dtype: np.dtype
    steps: tuple[Operation, ...]
    size: int  # of a row of the arena, in numbers
    loss_object: Loss | None = None
    from_logits: bool = False  # the loss applies the last activation itself
    optimizer_object: Optimizer | None = None
    own_loss: bool = False  # a loss of the user's own, which runs in Python between two halves of a step
    derivable: bool = False  # whether derivatives are asked for without a loss

    @property
    def width(self) -> int:
        """Numbers in a cache line."""
        return LINE_BYTES // self.dtype.itemsize

    @property
    def inputs(self) -> int:
        """Numbers of a sample."""
        return self.steps[0].inputs * self.steps[0].positions_in

    @property
    def outputs(self) -> int:
        """Numbers of a sample's output, one row."""
        return self.steps[-1].outputs

    @cached_property
    def layout(self) -> list[tuple[int, ...]]:
        """Where the weights of each operation that has some stand in a row of the arena."""
        return [(op.offset, op.rows, op.outputs) for op in self.steps if op.rows]

    @property
    def trained(self) -> tuple[Operation, ...]:
        """The steps of training: without the last activation where the loss applies it."""
        return self.steps[:-1] if self.from_logits else self.steps

    @property
    def lowest(self) -> int:
        """The first step that training changes: below it nobody needs a gradient."""
        trained = self.trained
        return next((i for i, op in enumerate(trained) if op.variables), len(trained) - 1)

    @property
    def operations(self) -> NDArray[np.void]:
        """The steps as the compiled engine reads them."""
        pairs = zip(self.steps, self.formulas, strict=True)
        return np.array([_described(op, formula is not None) for op, formula in pairs], dtype=OPERATION)

    @property
    def formulas(self) -> list[Any]:
        """Of each step, the functions that the compiled engine calls where the activation is the user's own."""
        derivable = self.derivable or self.loss_object is not None
        return [op.activation.callbacks(self.dtype, derivable) for op in self.steps]

    @property
    def tables(self) -> list[tuple[NDArray[Any], ...] | None]:
        """Of each step, the arrays that its kernel reads beside ``operations``."""
        return [op.table for op in self.steps]

    @property
    def loss_formula(self) -> Any:
        """The compiled function of a loss of the user's own, None where there is none."""
        return None if self.loss_object is None or self.own_loss else self.loss_object.callback(self.dtype)

    @property
    def loss(self) -> int | None:
        """Number of the compiled kernel, None where there is none."""
        given = self.loss_object is not None and not self.own_loss and self.loss_formula is None
        return self.loss_object.kernel if given and self.loss_object is not None else None

    @property
    def loss_parameters(self) -> list[float]:
        given = [] if self.loss_object is None or self.own_loss else list(self.loss_object.parameters)
        return given + [0.0] * (MOST_PARAMETERS - len(given))

    def evaluate_loss(self, a: Array, y: Source, chosen: Any) -> tuple[Array, Array]:
        """Loss of each sample and its derivative by the outputs a, for the chosen rows of y."""
        loss = self.loss_object
        assert loss is not None  # noqa: S101 - Sequential refuses before compile
        t = y.array[chosen]
        t = t.reshape(len(t), y.columns).astype(self.dtype)
        return losses.checked(loss, a, t) if self.own_loss else loss.evaluate(a, t)

    @property
    def optimizer(self) -> int | None:
        """Number of the compiled kernel, None where there is none."""
        if self.optimizer_object is None:
            return None
        return _kernel("optimizer", self.optimizer_object, optimizers.ENTRIES, ("rates", "scalars", "all_scalars"))

    @property
    def slots(self) -> int:
        """Rows of the arena that belong to the optimizer."""
        optimizer = self.optimizer_object
        return 0 if optimizer is None else len(optimizer.state)

    @property
    def average(self) -> int:
        """The row of the arena that averages the weights, 0 where there is none."""
        state = () if self.optimizer_object is None else self.optimizer_object.state
        return 1 + state.index("average") if "average" in state else 0

    @cached_property
    def penalized(self) -> bool:
        return any(any(op.regularizers) for op in self.steps)

    @cached_property
    def constrained(self) -> bool:
        return any(op.constraint or op.bias_constraint for op in self.steps)

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample in the dense layers of a training step: forward and two gradients."""
        return sum(op.flops * (3 if i else 2) for i, op in enumerate(self.steps))

    @cached_property
    def sample_cost(self) -> float:
        """Of one sample in a training step; see ``cost``."""
        loss = self.loss_object.cost * self.outputs if self.loss_object is not None else 0
        return self.flops + sum(op.cost for op in self.steps) + loss + GATHER_COST * self.inputs

    @cached_property
    def update_cost(self) -> float:
        """Of the update in a training step, whatever its batch; see ``cost``."""
        optimizer = self.optimizer_object
        passes = 1 + self.slots + self.penalized + self.constrained
        if optimizer is not None:
            passes += bool(optimizer.clipnorm or optimizer.global_clipnorm)
        cost = STEP_COST + WEIGHT_COST * passes * self.size
        for op in self.trained if optimizer is not None else ():
            if op.variables and op.matrices:
                assert optimizer is not None  # noqa: S101 - asked above
                cost += op.matrices * optimizer.matrix_cost(op.kernel_rows // op.matrices, op.outputs)
        return cost

    def cost(self, rows: int, filled: float = 1.0) -> float:
        """How long a training step on so many rows lasts, in floating-point operations of dense products.

        An estimate, which sizes the slices of work between two looks for Ctrl-C and chooses threads. filled: the share
        of the inputs that a sparse matrix holds.
        """
        return rows * (self.sample_cost - (1 - filled) * self.input_cost) + self.update_cost

    def inference_cost(self, rows: int, filled: float = 1.0) -> float:
        """The same for a forward pass, some third of a training step."""
        return rows * (self.sample_cost - (1 - filled) * self.input_cost) / 3

    @cached_property
    def input_cost(self) -> float:
        """That part of ``sample_cost`` which non-zeros cause, where a sparse matrix meets a product."""
        return 2 * self.steps[0].flops + GATHER_COST * self.steps[0].inputs

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
        return op.arrays(self.panels(row, op).transpose(1, 0, 2).reshape(op.rows, -1)[:, : op.outputs])

    def write(self, row: Array, op: Operation, arrays: list[Array]) -> None:
        """Stores what ``read`` returns, or its first arrays; the padding stays zero."""
        if not arrays:
            return
        view, width, line = self.panels(row, op), self.width, 0
        for array in arrays:
            lines = array.reshape(-1, op.outputs)
            for p in range(len(view)):
                columns = lines[:, p * width : (p + 1) * width]
                view[p, line : line + len(lines), : columns.shape[1]] = columns
            line += len(lines)

    def fill(self, row: Array, arrays: list[Array], layer: int | None = None) -> None:
        """Stores all weights, as ``shown`` returns them, or those of one layer."""
        for op in self.steps:
            if layer is None or op.layer == layer:
                self.write(row, op, op.taken(arrays[: len(op.shapes)]))
                arrays = arrays[len(op.shapes) :]

    def shown(self, row: Array, steps: Iterable[Operation] | None = None) -> list[Array]:
        """Copies of the weights of some operations, or of all, as ``Sequential.get_weights`` returns them."""
        steps = self.steps if steps is None else steps
        return [array for op in steps for array in op.shown(self.read(row, op)[: len(op.shapes)])]

    def weight_penalty(self, weights: list[list[Array]]) -> float:
        """What the regularizers of weights add to the loss; weights: of each operation, as ``read`` returns them."""
        total = 0.0
        for op, arrays in zip(self.steps, weights, strict=False):
            for regularizer, values in zip(op.regularizers, arrays, strict=False):
                if regularizer is not None:
                    total += regularizer.value(values)
        return total


def lower(
    layers: Iterable[Layer],
    dtype: np.dtype,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    frozen: Collection[int] = (),
) -> Program:
    """The program of a list of layers that begins with an Input.

    frozen: positions of layers that training leaves as they are, counted from the first one behind the Input.
    """
    layers = list(layers)
    steps = operations_of(layers, frozen)
    if optimizer is not None:
        steps = [_told(op, str(layers[op.layer + 1].name), optimizer) for op in steps]
    return assemble(steps, dtype, loss, optimizer)


def _told(op: Operation, layer: str, optimizer: Optimizer) -> Operation:
    """An operation with what the optimizer says of its weights. layer: the name of its layer."""
    if not op.shapes:
        return op
    paths = [f"{layer}/{name}" for name in op.weight_names]
    decays = [optimizer.decays(path) for path in paths]
    place = min(op.kernel_rows, 1)  # of the bias
    shape = op.shapes[0] if len(op.inner) < len(op.shapes[0]) else (op.outputs,)  # a line of weights is a vector
    return op.replace(
        matrices=optimizer.matrices(paths[0], shape) if place else 0,
        kernel_decays=decays[0],
        bias_decays=decays[place : place + 1] != [False],
    )


def operations_of(layers: Iterable[Layer], frozen: Collection[int] = ()) -> list[Operation]:
    """What a list of layers that begins with an Input does to a sample, in order."""
    steps: list[Operation] = []
    shape: tuple[int, ...] = ()
    for position, layer in enumerate(layers, start=-1):
        before, shape = shape, layer.shape_after(shape)
        steps += [
            op.replace(layer=position, trainable=op.trainable and position not in frozen)
            for op in layer.operations(before)
        ]
    if not steps:  # of layers that do nothing
        steps = [operations.activate(Linear(), prod(shape))]
    return steps


def assemble(
    steps: list[Operation],
    dtype: np.dtype,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    derivable: bool = False,
) -> Program:
    """The program of some operations: joined where they can be, each with its place in the arena."""
    own_loss = loss is not None and not loss.follows(losses.ENTRIES, ("outputs",)) and loss.callback(dtype) is None
    logits = loss.of_logits() if loss is not None and not own_loss else None
    if loss is not None and logits is not None and loss.from_logits:  # the outputs are logits: the model answers them
        loss, logits = logits, None
    numbers = steps[0].inputs * steps[0].positions_in
    steps = _to_rows(_from_rows(steps) or [operations.activate(Linear(), numbers)])
    last = steps[-1]
    from_logits = (
        logits is not None
        and loss is not None
        and len(steps) > 1
        and isinstance(last, (Elementwise, Rowwise))
        and last.activation == loss.activation
        and last.activity_regularizer is None
    )
    steps = _fuse(steps[:-1]) + steps[-1:] if from_logits else _fuse(steps)
    steps, size = _place(steps, LINE_BYTES // dtype.itemsize)
    return Program(
        dtype, tuple(steps), size, logits if from_logits else loss, from_logits, optimizer, own_loss, derivable
    )


def _from_rows(steps: list[Operation]) -> list[Operation]:
    """Without reshapes at the beginning: samples are gathered as rows of whatever shape comes first.

    So that they come first, reshapes change places with what is done to each number by itself.
    """
    for i, op in enumerate(steps):
        if isinstance(op, Permutation) and not op.axes:
            shape = {"inputs": op.outputs, "outputs": op.outputs, "map_in": op.map_out, "map_out": op.map_out}
            return _from_rows([one.replace(**shape) for one in steps[:i]] + steps[i + 1 :])
        if not op.numberwise:
            break
    return steps


def _to_rows(steps: list[Operation]) -> list[Operation]:
    """With one row of outputs for each sample, where it was a map; the last activation comes behind, for the loss."""
    last = steps[-1]
    if last.positions_out == 1:
        return steps
    n = last.outputs * last.positions_out
    flat = Permutation(last.outputs, n, map_in=last.map_out, layer=last.layer)
    if isinstance(last, Elementwise):
        return [*steps[:-1], flat, last.replace(inputs=n, outputs=n, map_in=(1, 1), map_out=(1, 1))]
    return [*steps, flat]


def _described(op: Operation, own: bool) -> tuple[Any, ...]:
    """An operation as a row of ``Program.operations``; own: whether its activation is the user's."""
    constraint, bias_constraint = op.constraint, op.bias_constraint
    penalties = []
    for regularizer in (op.kernel_regularizer, op.bias_regularizer, op.activity_regularizer):
        if regularizer:
            _refuse_own("regularizer", regularizer, (*regularizers.ENTRIES, regularizers.Regularizer))
        penalties.append((regularizer.l1, regularizer.l2) if regularizer else (0.0, 0.0))
    parameters = op.parameters
    return (
        _kernel("operation", op, operations.ENTRIES),
        *(getattr(op, name) for name in PLAIN),
        0 if own else _kernel("activation", op.activation, activations.ENTRIES, ("probabilities",)),
        _kernel("constraint", constraint, constraints.ENTRIES) if constraint else 0,
        _kernel("constraint", bias_constraint, constraints.ENTRIES) if bias_constraint else 0,
        constraint.along(len(op.shapes[0]), op.inner) if constraint else 0,
        (*parameters, *(0.0 for _ in range(MOST_PARAMETERS - len(parameters)))),
        *penalties,
        constraint.bounds if constraint else NO_BOUNDS,
        bias_constraint.bounds if bias_constraint else NO_BOUNDS,
        op.geometry,
        0,
    )


def _kernel(kind: str, given: Any, entries: tuple[type, ...], free: tuple[str, ...] = ()) -> int:
    """The number of the compiled kernel of a catalogue's entry."""
    _refuse_own(kind, given, entries, free)
    return int(given.kernel)


def _refuse_own(kind: str, given: Any, entries: tuple[type, ...], free: tuple[str, ...] = ()) -> None:
    if not given.follows(entries, free):
        raise TypeError(
            f"{kind} {type(given).__name__} has a formula of its own, which the compiled engine cannot run; make the"
            ' model with engine="reference", which obeys it'
        )


def _fuse(steps: list[Operation]) -> list[Operation]:
    """Joins each elementwise activation to the product before it: it is applied while z is in the cache."""
    fused: list[Operation] = []
    for op in steps:
        before = fused[-1] if fused else None
        if (
            before is not None
            and isinstance(op, Elementwise)
            and before.applies_activation
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
    return placed, max(offset, width)  # a line where there are no weights: every arena has an address
