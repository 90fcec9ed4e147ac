"""A network that is trained no more: what does nothing is gone, and batch normalization is part of the products."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Activation, Array, Linear, LogSoftmax, Softmax
from fastnn.engine.network import Network
from fastnn.engine.program import assemble
from fastnn.operations import BatchNormalization, Dense, Elementwise, Operation, activate


def freeze(network: Network, derivable: bool = False) -> Network:
    """A network of its own with the same outputs but for their rounding.

    derivable: its training has the same outputs too, and its first operation changes nothing: what the derivatives by
    the input need (``engine.slopes``).

    Batch normalization outside of training is y = x s + t for each column, with s = gamma / sqrt(variance + epsilon)
    and t = beta - mean s. Behind a linear product, x W + b becomes x (W s) + (b s + t); before one, y W + b becomes
    x (s W) + (t W + b). Elsewhere it stays; where it must be derivable, it becomes a product with a diagonal matrix.
    """
    program, row = network.program, network.arena[0]
    steps: list[tuple[Operation, Any]] = []  # with copies of their weights in float64
    for op in program.steps:
        if op.random:
            continue
        bare = op.replace(
            activity_regularizer=None, kernel_regularizer=None, bias_regularizer=None, constraint=None, trainable=True
        )
        weights: list[Any] = [array.astype(np.float64) for array in program.read(row, op)]
        before = steps[-1] if steps else None
        if isinstance(op, BatchNormalization) and before is not None and _is_linear(before[0]):
            scale, shift = op.affine(weights)
            W, b = before[1]
            steps[-1] = before[0].replace(bias=True), [W * scale, b * scale + shift]
        elif type(op) is Dense and before is not None and _feeds(before[0], op):
            scale, shift = before[0].affine(before[1])  # type: ignore[attr-defined]
            W, b = weights
            steps[-1] = bare.replace(bias=True), [scale[:, None] * W, shift @ W + b]
        else:
            steps.append((bare, weights))
    if not steps:  # of layers that only training needs
        last = program.steps[-1]
        steps = [(activate(Linear(), last.outputs, last.map_out), [])]
    if derivable:
        first = steps[0][0]
        nothing = Elementwise(first.inputs, first.inputs, map_in=first.map_in, map_out=first.map_in)
        steps = [(nothing, []), *(_derivable(op, weights) for op, weights in steps)]
    frozen = assemble([op for op, _ in steps], program.dtype, derivable=derivable)
    arrays = [array.astype(program.dtype) for op, weights in steps for array in op.shown(weights[: len(op.shapes)])]
    return Network(frozen, network.engine_name, network.seed, weights=arrays)


def _derivable(op: Operation, weights: list[Array]) -> tuple[Operation, list[Array]]:
    """The same without statistics of a batch."""
    if not isinstance(op, BatchNormalization):
        return op, weights
    scale, shift = op.affine(weights)
    product = Dense(op.inputs, op.outputs, bias=True, layer=op.layer, map_in=op.map_in, map_out=op.map_out)
    return product, [np.diag(scale), shift]


def _is_linear(op: Operation) -> bool:
    """Whether it is a product without an activation."""
    return op.applies_activation and isinstance(op.activation, Linear)


def _feeds(before: Operation, op: Operation) -> bool:
    """Whether a batch normalization has a column for each input."""
    same = (before.outputs, before.positions_out) == (op.inputs, op.positions_in)
    return isinstance(before, BatchNormalization) and same


def dense_layers(network: Network) -> list[tuple[Array, Array, Activation]] | None:
    """(W, b, activation) of each layer of a frozen network, or None where it is more than dense layers."""
    found: list[tuple[Array, Array, Any]] = []
    for op in network.program.steps:
        if type(op) is Dense:
            W, b = network.program.read(network.arena[0], op)
            found.append((W, b, op.activation))
        elif isinstance(op.activation, (Softmax, LogSoftmax)) and found and isinstance(found[-1][2], Linear):
            found[-1] = (*found[-1][:2], op.activation)
        else:
            return None
    return found
