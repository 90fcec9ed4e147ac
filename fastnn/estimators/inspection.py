"""Looking into a fitted network: hidden activations, derivatives by the inputs, its table. In NumPy, by the twins."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.engine.network import Network
from fastnn.operations import BatchNormalization, Dense, Draws, Dropout, Noise, Operation

Array = NDArray[Any]


def _weights(network: Network) -> list[list[Array]]:
    return [network.program.read(network.arena[0], op) for op in network.program.steps]


def activations(network: Network, x: Array) -> list[Array]:
    """What stands before each product but the first."""
    found = []
    for i, (op, weights) in enumerate(zip(network.program.steps, _weights(network), strict=True)):
        if i and isinstance(op, Dense):
            found.append(x)
        x = op.infer(x, weights)
    return found


def gradient(network: Network, x: Array) -> Array:
    """d outputs / d inputs outside of training: (rows, outputs, inputs)."""
    kept: list[tuple[Operation, Array, Array, Any, list[Array]]] = []
    for op, weights in zip(network.program.steps, _weights(network), strict=True):
        if isinstance(op, (Dropout, Noise)):
            continue
        if isinstance(op, BatchNormalization):
            a, extra = op.infer(x, weights), None
        else:
            a, extra = op.forward(x, weights, Draws(0, 0, 0, network.program.width))
        kept.append((op, x, a, extra, weights))
        x = a
    outputs = x.shape[1]
    slopes = []
    for k in range(outputs):
        d = np.zeros_like(x)
        d[:, k] = 1
        for op, before, a, extra, weights in reversed(kept):
            if isinstance(op, BatchNormalization):  # the moving statistics are constants: y = gamma (x - m) / s + beta
                zeros = np.zeros((2, op.inputs), dtype=x.dtype)
                zeros[1] = 1
                low, high = op.infer(zeros, weights)
                d = d * (high - low)
            else:
                d = op.backward(d, before, a, extra, weights)[0]
        slopes.append(d)
    return np.stack(slopes, axis=1)


def table(model: Any) -> str:
    """The layers of a ``Sequential`` as a table in HTML."""
    rows = [
        (f"{layer.name} ({type(layer).__name__})", str(layer.output_shape), f"{layer.count_params():,}")
        for layer in model.layers
    ]
    rows.append(("total", "", f"{model.count_params():,}"))
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    heads = "".join(f"<th>{head}</th>" for head in ("Layer (type)", "Output Shape", "Param #"))
    return f"<details><summary>Network</summary><table><tr>{heads}</tr>{cells}</table></details>"
