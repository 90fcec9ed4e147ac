"""The whole engine in NumPy: the same program in, the same numbers out. To be read beside ``kernels/network.pxi``.

Notation of one layer with weights W (inputs, outputs), bias b and activation f, for a batch x (samples, inputs):

    z = x W + b        a = f(z)        forward
    dz = da f'(z)      dx = dz W^T     backward: gradients of the mean loss of the batch
    dW = x^T dz        db = sum dz
"""

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.data import Source
from fastnn.program import Program

Layer = tuple[Array, Array]  # W (inputs, outputs), b (outputs,)


class Engine:
    """Runs a program on plain matrices. Same methods as the compiled Engine (kernels/engine.pyx).

    The arena belongs to the caller; weights are read from it at the beginning of a call and written back at its end.
    """

    def __init__(self, program: Program, arena: Array) -> None:
        self.program = program
        self.arena = arena

    def run_steps(
        self,
        x: Source,
        y: Source,
        sample_weight: Array | None,
        order: NDArray[np.int64],
        first: int,
        count: int,
        batch: int,
        scalars: Array,
        losses: NDArray[np.float64],
        outputs: Array | None,
        threads: int = 1,
    ) -> int:
        """Trains ``count`` steps; see the compiled method. Returns the number of finished steps."""
        optimizer = self.program.optimizer_object
        assert optimizer is not None  # noqa: S101 - Sequential.fit refuses to train before compile
        rows = [self._load(row) for row in self.arena]  # weights, then each slot of the optimizer
        for step in range(count):
            start = first + step * batch
            chosen = order[start : start + batch]
            w = None if sample_weight is None else sample_weight[chosen]
            t = self._take(y, chosen)
            with np.errstate(all="ignore"):  # what is not finite shows in the loss
                activations = self._forward(rows[0], self._take(x, chosen))
                loss, d = self._loss(activations[-1], t, w)
                losses[step] = loss
                if outputs is not None:
                    outputs[start - first : start - first + len(chosen)] = self._outputs(activations[-1])
                if not np.isfinite(loss):
                    self._store(rows)
                    return step
                gradients = self._backward(rows[0], activations, d)
                for i, (dW, db) in enumerate(gradients):
                    W, b = rows[0][i]
                    optimizer.update(W, dW, [slot[i][0] for slot in rows[1:]], scalars[step])
                    if self.program.steps[i].bias:
                        optimizer.update(b, db, [slot[i][1] for slot in rows[1:]], scalars[step])
        self._store(rows)
        return count

    def gradient(self, x: Source, y: Source, sample_weight: Array | None, threads: int = 1) -> tuple[float, Array]:
        """Loss and its gradient over all rows of x: (float, one arena row)."""
        every = np.arange(len(x.array))
        layers = self._load(self.arena[0])
        activations = self._forward(layers, self._take(x, every))
        loss, d = self._loss(activations[-1], self._take(y, every), sample_weight)
        out = np.zeros_like(self.arena[0])
        for op, (dW, db) in zip(self.program.steps, self._backward(layers, activations, d), strict=True):
            self.program.write(out, op, dW, db if op.bias else None)
        return loss, out

    def evaluate(
        self,
        x: Source,
        y: Source,
        sample_weight: Array | None,
        first: int,
        last: int,
        losses: NDArray[np.float64],
        outputs: Array | None,
        threads: int = 1,
    ) -> None:
        """Weighted loss of each sample of [first, last) into losses, and outputs unless None."""
        chosen = np.arange(first, last)
        a = self._forward(self._load(self.arena[0]), self._take(x, chosen))[-1]
        loss = self.program.loss_object
        assert loss is not None  # noqa: S101 - Sequential.evaluate refuses before compile
        losses[:] = loss.evaluate(a, self._take(y, chosen))[0]
        if sample_weight is not None:
            losses *= sample_weight[chosen]
        if outputs is not None:
            outputs[:] = self._outputs(a)

    def predict(self, x: Source, threads: int = 1) -> Array:
        """Outputs for all rows of x (n, outputs)."""
        activations = self._forward(self._load(self.arena[0]), self._take(x, np.arange(len(x.array))))
        return self._outputs(activations[-1])

    def __call__(self, x: Array) -> Array | None:
        """Outputs for a plain array (n, inputs) of this engine's type, None for any other."""
        if x.ndim != 2 or x.shape[1] != self.program.inputs or x.dtype != self.program.dtype:
            return None
        return self._outputs(self._forward(self._load(self.arena[0]), x)[-1])

    @staticmethod
    def classes(outputs: Array) -> NDArray[np.int64]:
        """The index of each row's largest output."""
        return outputs.argmax(axis=1)

    def _load(self, row: Array) -> list[Layer]:
        return [self.program.read(row, op) for op in self.program.steps]

    def _store(self, rows: list[list[Layer]]) -> None:
        for row, layers in zip(self.arena, rows, strict=True):
            for op, (W, b) in zip(self.program.steps, layers, strict=True):
                self.program.write(row, op, W, b)

    def _take(self, source: Source, chosen: NDArray[np.int64]) -> Array:
        return source.array[chosen].reshape(len(chosen), -1).astype(self.program.dtype)

    def _forward(self, layers: list[Layer], x: Array) -> list[Array]:
        """Input and outputs of all layers; the last one keeps its logits if the loss wants them."""
        activations = [x]
        for i, (op, (W, b)) in enumerate(zip(self.program.steps, layers, strict=True)):
            z = activations[-1] @ W + b
            last = i == len(layers) - 1
            activations.append(z if last and self.program.from_logits else op.activation.forward(z))
        return activations

    def _outputs(self, a: Array) -> Array:
        loss = self.program.loss_object
        return loss.activate(a) if loss is not None and self.program.from_logits else a

    def _loss(self, a: Array, t: Array, w: Array | None) -> tuple[float, Array]:
        """Mean loss of the batch, and its gradient by a: sum_i w_i L_i / n."""
        loss = self.program.loss_object
        assert loss is not None  # noqa: S101 - Sequential refuses to train before compile
        values, d = loss.evaluate(a, t)
        if w is not None:
            values, d = values * w, d * w[:, None]
        return float(values.sum(dtype=np.float64) / len(a)), d / a.dtype.type(len(a))

    def _backward(self, layers: list[Layer], activations: list[Array], d: Array) -> list[Layer]:
        """(dW, db) of each layer, from d = dL/da of the last, or dL/dz where the loss is from logits."""
        gradients: list[Layer] = []
        for i in range(len(layers) - 1, -1, -1):
            op = self.program.steps[i]
            last = i == len(layers) - 1
            if not (last and self.program.from_logits):
                d = op.activation.backward(activations[i + 1], d)  # of a = f(z) in _forward
            gradients.append((activations[i].T @ d, d.sum(axis=0)))  # of z = x W + b in _forward
            d = d @ layers[i][0].T
        return gradients[::-1]
