"""The whole engine in NumPy: the same program in, the same numbers out. To be read beside ``kernels/network.pxi``.

Notation of one dense layer with weights W (inputs, outputs), bias b and activation f, for a batch x (samples, inputs):

    z = x W + b        a = f(z)        forward
    dz = da f'(z)      dx = dz W^T     backward: gradients of the mean loss of the batch
    dW = x^T dz        db = sum dz
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Array
from fastnn.constraints import norm
from fastnn.engine.program import Program
from fastnn.engine.source import Source
from fastnn.operations import Draws, Operation, Weights

_quiet = np.errstate(all="ignore")  # what is not finite shows in the numbers, as in the compiled engine


class Engine:
    """Runs a program on plain matrices. Same methods as the compiled Engine (kernels/engine.pyx).

    The arena belongs to the caller; weights are read from it at the beginning of a call and written back at its end.
    """

    def __init__(self, program: Program, arena: Array) -> None:
        self.program = program
        self.arena = arena
        self.iterations = 0  # finished steps

    @_quiet
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
        seed: int = 0,
        threads: int = 1,
        augmentation: Any = None,
        most_seconds: float = 0.0,
        safe: Array | None = None,
        epoch_rows: int = 0,
        penalties: NDArray[np.float64] | None = None,
    ) -> int:
        """Trains ``count`` steps; see the compiled method. Returns the number of finished steps."""
        rows = [self._load(row) for row in self.arena]  # weights, then each slot of the optimizer
        began = time.monotonic()
        for step in range(count):
            epoch, place = divmod(step, -(-epoch_rows // batch)) if epoch_rows else (0, step)
            late = 0 < most_seconds < time.monotonic() - began
            ended = (
                epoch > 0 and place == 0 and not (np.isfinite(losses[:step]).all() and np.isfinite(self.arena[0]).all())
            )
            if (late and step and (place == 0 or not epoch_rows)) or ended:
                losses[step] = 0.0
                return step
            start = first + epoch * epoch_rows + place * batch
            chosen = order[start : min(start + batch, (epoch + 1) * (epoch_rows or len(order)))]
            w = None if sample_weight is None else sample_weight[chosen]
            tape = Tape(self.program, rows[0], seed, self.iterations)
            batch_x = self.take(x, chosen)
            if augmentation is not None:
                batch_x = augmentation.apply(batch_x.reshape(len(chosen), -1), seed, start, self.program.width).reshape(
                    batch_x.shape
                )
            a = tape.forward(batch_x)
            loss, d = self._loss(a, y, chosen, w)
            losses[step] = loss + tape.activity_penalty()
            if outputs is not None:
                outputs[start - first : start - first + len(chosen)] = self._outputs(a)
            if not np.isfinite(losses[step]):
                return step
            if place == 0 and safe is not None:
                safe[:] = self.arena
            gradients = tape.backward(d)
            penalty = self._penalize(rows[0], gradients, 1.0 if penalties is None else penalties[step, 0])
            losses[step] += penalty
            if penalties is not None:
                penalties[step, 1] = penalty
            self._update(rows, gradients, scalars[step])
            tape.remember()
            after = self.arena.copy()
            for row, weights in zip(after, rows, strict=True):
                self._store(row, weights)
            self.arena[:] = after  # all at once: Ctrl-C comes before or after
            self.iterations += 1
        return count

    @_quiet
    def gradient(
        self,
        x: Source,
        y: Source,
        sample_weight: Array | None,
        seed: int = 0,
        iteration: int = 0,
        threads: int = 1,
        penalty: float = 1.0,
    ) -> tuple[float, Array]:
        """Loss and its gradient over all rows of x as in training: (float, one arena row)."""
        every = np.arange(len(x))
        weights = self._load(self.arena[0])
        tape = Tape(self.program, weights, seed, iteration)
        loss, d = self._loss(tape.forward(self.take(x, every)), y, every, sample_weight)
        gradients = tape.backward(d)
        loss += tape.activity_penalty() + self._penalize(weights, gradients, penalty)
        out = np.zeros_like(self.arena[0])
        self._store(out, gradients)
        return loss, out

    @_quiet
    def slopes(self, x: Source, of_outputs: Array, threads: int = 1) -> Array:
        """Derivatives of the sums s_k = sum_j of_outputs[k, j] outputs_j by the inputs: (samples, k, inputs)."""
        n = len(x)
        tape = Tape(self.program, self._load(self.arena[0]), 0, 0)
        a = tape.forward(self.take(x, slice(None)))
        return np.stack([tape.slope(np.broadcast_to(one, a.shape)).reshape(n, -1) for one in of_outputs], axis=1)

    @_quiet
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
        """Weighted loss and activity penalty of each sample of [first, last) into losses, and outputs unless None."""
        chosen = np.arange(first, last)
        penalty = np.zeros(last - first)
        a = _infer(self.program.trained, self._load(self.arena[0]), self.take(x, chosen), penalty)
        losses[:] = self.program.evaluate_loss(a, y, chosen)[0]
        if sample_weight is not None:
            losses *= sample_weight[chosen]
        losses += penalty
        if outputs is not None:
            outputs[:] = self._outputs(a)

    @_quiet
    def predict(self, x: Source, threads: int = 1) -> Array:
        """Outputs for all rows of x (n, outputs)."""
        return _infer(self.program.steps, self._load(self.arena[0]), self.take(x, slice(None)))

    @_quiet
    def predict_in_training(self, x: Source, seed: int, iteration: int) -> Array:
        """Outputs for all rows of x as in a step of training."""
        tape = Tape(self.program, self._load(self.arena[0]), seed, iteration)
        return self._outputs(tape.forward(self.take(x, slice(None))))

    @_quiet
    def __call__(self, x: Array) -> Array | None:
        """Outputs for a plain array (n, inputs) of this engine's type, None for any other."""
        if x.ndim != 2 or x.shape[1] != self.program.inputs or x.dtype != self.program.dtype:
            return None
        x = x.reshape(-1, self.program.steps[0].inputs)
        return _infer(self.program.steps, self._load(self.arena[0]), x)

    def predict_few(self, x: Any) -> Array | None:
        """None: this engine has no shorter way for few rows."""
        return None

    def evaluate_few(self, x: Any, y: Any, *limits: Any) -> None:
        """None, as ``predict_few``."""

    @staticmethod
    def classes(outputs: Array) -> NDArray[np.int64]:
        """The index of each row's largest output."""
        return outputs.argmax(axis=1)

    def take(self, source: Source, chosen: NDArray[np.int64] | slice) -> Array:
        """The chosen samples, as a matrix of the program's type: a row for each pixel."""
        return source.take(chosen).reshape(-1, self.program.steps[0].inputs).astype(self.program.dtype)

    def _load(self, row: Array) -> list[Weights]:
        return [self.program.read(row, op) for op in self.program.steps]

    def _store(self, row: Array, weights: list[Weights]) -> None:
        for op, arrays in zip(self.program.steps, weights, strict=False):
            self.program.write(row, op, arrays)

    def _outputs(self, a: Array) -> Array:
        loss = self.program.loss_object
        return loss.activate(a) if loss is not None and self.program.from_logits else a

    def _loss(self, a: Array, y: Source, chosen: NDArray[np.int64], w: Array | None) -> tuple[float, Array]:
        """Mean loss of the batch, and its gradient by a: sum_i w_i L_i / n."""
        values, d = self.program.evaluate_loss(a, y, chosen)
        if w is not None:
            values, d = values * w, d * w[:, None]
        return float(values.sum(dtype=np.float64) / len(a)), d / a.dtype.type(len(a))

    def _penalize(self, weights: list[Weights], gradients: list[Weights], factor: float) -> float:
        """Adds the derivatives of the penalties, times a factor, to the gradients, and returns the penalties."""
        for op, arrays, g in zip(self.program.trained, weights, gradients, strict=False):
            for j, regularizer in enumerate(op.regularizers):
                if regularizer is not None:
                    g[j] = g[j] + g[j].dtype.type(factor) * regularizer.gradient(arrays[j])
        return factor * self.program.weight_penalty(weights)

    def _update(self, rows: list[list[Weights]], gradients: list[Weights], scalars: Array) -> None:
        """One step of the optimizer on all variables: accumulation, clipping, decay, step, average, constraints."""
        optimizer, program, step = self.program.optimizer_object, self.program, self.iterations + 1
        assert optimizer is not None  # noqa: S101 - Sequential.fit refuses to train before compile
        h, ema_momentum = scalars[:-2], scalars[-2]
        slots = rows[1 : 1 + len(optimizer.slots)]
        kind, many = program.dtype.type, optimizer.gradient_accumulation_steps
        updates = optimizer.updates_at(step)
        if many is not None:
            for sums, pair in zip(rows[-1], gradients, strict=False):
                for j, g in enumerate(pair):
                    pair[j] = (g + sums[j]) / kind(many) if updates else g
                    sums[j][...] = 0 if updates else sums[j] + g
        norms = [[norm(g) for g in pair] for pair in gradients]
        whole = norm(np.concatenate(norms)) if any(norms) else 0.0
        for i, (op, pair) in enumerate(zip(program.trained, gradients, strict=True)):
            for j, g in enumerate(pair):
                if optimizer.clipvalue:
                    g = np.clip(g, kind(-optimizer.clipvalue), kind(optimizer.clipvalue))
                if optimizer.clipnorm:
                    g = _shortened(g, optimizer.clipnorm, norms[i][j])
                if optimizer.global_clipnorm:
                    g = _shortened(g, optimizer.global_clipnorm, whole)
                w = rows[0][i][j]
                if updates:
                    if op.kernel_decays if j == 0 and op.kernel_rows else op.bias_decays:
                        w *= optimizer.decay_factor(scalars, op.matrices > 0 and j == 0)
                    whole_w, *own = (op.whole(one, j) for one in (w, *(slot[i][j] for slot in slots)))
                    optimizer.update(whole_w, op.whole(g, j), own, h)
                if optimizer.use_ema:
                    mean = rows[program.average][i][j]
                    mean *= ema_momentum
                    mean += (1 - ema_momentum) * w
                    if optimizer.overwrites_at(step):
                        w[...] = mean
            if op.constraint is not None and op.trainable:
                _constrain(op, rows[0][i])
            if op.bias_constraint is not None and op.trainable:
                op.bias_constraint.apply(rows[0][i][op.variables - 1])


class Tape:
    """One forward pass of training, with what its backward pass needs."""

    def __init__(self, program: Program, weights: list[Weights], seed: int, iteration: int) -> None:
        self.program, self.weights, self.seed, self.iteration = program, weights, seed, iteration
        self.inputs: list[Array] = []
        self.kept: list[Any] = []  # what each backward needs beside input and output
        self.outputs: list[Array] = []

    def forward(self, x: Array) -> Array:
        for i, (op, weights) in enumerate(zip(self.program.trained, self.weights, strict=False)):
            self.inputs.append(x)
            x, kept = op.forward(x, weights, Draws(self.seed, i, self.iteration, self.program.width))
            self.kept.append(kept)
            self.outputs.append(x)
        return x

    def backward(self, d: Array) -> list[Weights]:
        """Gradients of each operation's weights, from d = dL/da of the last one (dL/dz if the loss is from logits)."""
        gradients: list[Weights] = [[] for _ in self.outputs]
        for i in range(len(self.outputs) - 1, self.program.lowest - 1, -1):
            op, a = self.program.trained[i], self.outputs[i]
            if op.activity_regularizer is not None:
                d = d + op.activity_regularizer.gradient(a) / a.dtype.type(len(a) // op.positions_out)
            d, own = op.backward(d, self.inputs[i], a, self.kept[i], self.weights[i])
            gradients[i] = own[: op.variables]
        return gradients

    def slope(self, d: Array) -> Array:
        """dL/dx of the first operation, from d = dL/da of the last one."""
        for i in range(len(self.outputs) - 1, -1, -1):
            op = self.program.trained[i]
            d = op.backward(d, self.inputs[i], self.outputs[i], self.kept[i], self.weights[i])[0]
        return d

    def remember(self) -> None:
        """The weights that no gradient changes become those after the step, in place: moving statistics."""
        for op, weights, kept in zip(self.program.trained, self.weights, self.kept, strict=False):
            after = op.remember(weights, kept)
            if after is not None:
                weights[-len(after) :] = after

    def activity_penalty(self) -> float:
        """Penalties of the activations, over the size of the batch."""
        total = 0.0
        for op, a in zip(self.program.trained, self.outputs, strict=True):
            if op.activity_regularizer is not None:
                total += op.activity_regularizer.value(a) / (len(a) // op.positions_out)
        return total


def _infer(steps: tuple[Operation, ...], weights: list[Weights], x: Array, penalty: Array | None = None) -> Array:
    """The network outside of training: no dropout, no noise, moving statistics. penalty: of the samples, added to."""
    for op, arrays in zip(steps, weights, strict=False):
        x = op.infer(x, arrays)
        if op.activity_regularizer is not None and penalty is not None:
            penalty += [op.activity_regularizer.value(sample) for sample in x.reshape(len(penalty), -1)]
    return x


def _constrain(op: Operation, weights: Weights) -> None:
    """Puts a kernel back into its set: by default each output's weights, else along the axes that users see."""
    assert op.constraint is not None  # noqa: S101 - asked before
    if getattr(op.constraint, "axis", ()) is None:
        op.constraint.apply(weights[0])
        return
    shown = op.shown(weights[:1])
    op.constraint.apply(shown[0])
    weights[0][...] = op.taken(shown)[0]


def _shortened(g: Array, limit: float, length: Any) -> Array:
    """A gradient scaled to the allowed norm where its norm is longer."""
    return (g * (limit / length)).astype(g.dtype) if length > limit else g
