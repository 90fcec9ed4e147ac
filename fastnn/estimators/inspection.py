"""Looking into a fitted network: hidden activations, derivatives by the inputs, its table."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.engine.network import Network
from fastnn.engine.source import Source
from fastnn.models import derivatives
from fastnn.operations import Dense

Array = NDArray[Any]


def _weights(network: Network) -> list[list[Array]]:
    return [network.program.read(network.arena[0], op) for op in network.program.steps]


def activations(network: Network, x: Array) -> list[Array]:
    """What stands before each product but the first; by the twins."""
    found = []
    for i, (op, weights) in enumerate(zip(network.program.steps, _weights(network), strict=True)):
        if i and isinstance(op, Dense):
            found.append(x)
        x = op.infer(x, weights)
    return found


def gradient(network: Network, x: Array) -> Array:
    """d outputs / d inputs outside of training: (rows, outputs, inputs)."""
    return derivatives.slopes(network, Source(x), np.eye(network.program.outputs))


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
