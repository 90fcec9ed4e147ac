"""The product of a dense layer."""

from __future__ import annotations

from typing import Any

from fastnn.activations import Array
from fastnn.operations.base import Draws, Operation, Weights
from fastnn.operations.sums import total


class Dense(Operation):
    """z = x W + b, a = f(z), with W (inputs, outputs) and b (outputs,), zeros where it has none.

    dz = da f'(z), dx = dz W^T, dW = x^T dz, db = sum dz.
    """

    name = "dense"
    kernel = 0
    applies_activation = True

    @property
    def rows(self) -> int:
        return self.inputs + 1  # the bias has its line also where it is not used

    @property
    def kernel_rows(self) -> int:
        return self.inputs

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [(self.inputs, self.outputs), (self.outputs,)][: 1 + self.bias]

    @property
    def flops(self) -> int:
        return 2 * self.inputs * self.outputs * self.positions_out

    def arrays(self, lines: Array) -> Weights:
        return [lines[:-1].copy(), lines[-1].copy()]

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        z = x @ weights[0] + weights[1]
        return self.activation.forward(z), z

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        d = self.activation.backward(kept if self.activation.keeps_input else a, d)  # of a = f(z)
        own = [x.T @ d, total(d)][: 1 + self.bias] if self.trainable else []
        return d @ weights[0].T, own  # of z = x W + b

    def infer(self, x: Array, weights: Weights) -> Array:
        return self.activation.forward(x @ weights[0] + weights[1])
