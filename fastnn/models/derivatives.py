"""What a network can be asked beside its outputs: its layers' activations, derivatives by inputs and by weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics import backend
from fastnn.engine.frozen import freeze
from fastnn.engine.network import Network, new_engine
from fastnn.engine.program import Program, assemble, operations_of
from fastnn.engine.source import Source
from fastnn.layers import Layer
from fastnn.operations import BatchNormalization

Array = NDArray[Any]

ROWS = 512  # of a part: what a backward pass needs of them stays in memory
LOSS_ROWS = 4096


def activations(network: Network, layers: Sequence[Layer], x: Source) -> Array:
    """What the last of the first layers of a network hands on for each row of x."""
    steps = operations_of(layers)
    if not steps:  # nothing has happened yet
        return x.take(slice(None)).reshape(len(x), -1).astype(network.dtype)
    program = assemble(steps, network.dtype)  # whose weights stand where those of the whole network stand
    engine = new_engine(network.engine_name, program, network.arena)
    return engine.predict(x, backend.threads_for(program.inference_cost(len(x))))


def slopes(network: Network, x: Source, of_outputs: Array) -> Array:
    """Derivatives of the sums s_k = sum_j of_outputs[k, j] outputs_j by the inputs of each row: (rows, k, inputs)."""
    frozen = freeze(network, derivable=True)
    parts = [frozen.slopes(Source(x.take(slice(i, i + ROWS))), of_outputs) for i in range(0, len(x), ROWS)]
    if not parts:
        return np.zeros((0, len(of_outputs), x.columns), dtype=network.dtype)
    return np.concatenate(parts)


def loss_gradient(network: Network, x: Source, y: Source, sample_weight: Array | None) -> tuple[float, list[Array]]:
    """The loss of all rows as in training, but without dropout and noise, and its gradient by each array of weights."""
    program = network.program
    calm = [op for op in program.steps if not op.random]
    settings = {name: getattr(program, name) for name in Program._fields}
    engine = new_engine(network.engine_name, Program(**settings | {"steps": tuple(calm)}), network.arena)
    n = len(x)
    rows = n if any(isinstance(op, BatchNormalization) for op in calm) else LOSS_ROWS
    loss, total = 0.0, np.zeros(program.size)
    for first in range(0, n, rows):
        part = slice(first, first + rows)
        own = x.chosen(part), y.chosen(part), None if sample_weight is None else sample_weight[part]
        threads = backend.threads_for(program.cost(len(own[0])))
        value, gradient = engine.gradient(*own, threads=threads)
        share = len(own[0]) / n
        loss += share * value
        total += share * gradient
    return loss, program.shown(total.astype(network.dtype))
