"""Epochs, validation, history: the only loop in Python. Between two calls of the engine no Python runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn import backend
from fastnn.callbacks import History, Progress, progress
from fastnn.data import Source, check_rows, weights
from fastnn.errors import DivergenceError
from fastnn.metrics import Metric

if TYPE_CHECKING:
    from fastnn.model import Sequential

SLICE = 0.05  # seconds in the engine between two looks at the keyboard
FIRST_GUESS = 1e10  # operations per second, until the first slice is measured
RECORDED = 1 << 22  # most outputs kept for the metrics between two updates of them


class Data:
    """Checked samples: x and y as the engine reads them, y as the metrics want it, weights."""

    def __init__(self, x: Source, y: Source, sample_weight: NDArray[Any] | None) -> None:
        self.x, self.y, self.sample_weight = x, y, sample_weight

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def check(model: "Sequential", x: Any, y: Any, sample_weight: Any, names: tuple[str, str] = ("X", "y")) -> "Data":
        """From the user's arrays, or an error that names them."""
        source = model.check_features(x, names[0])
        target = model.check_targets(y, names[1])
        check_rows(source, names[0], target, names[1])
        return Data(source, target, weights(sample_weight, len(source), model.dtype))


def fit(
    model: "Sequential",
    data: Data,
    batch_size: int,
    epochs: int,
    verbose: Any,
    validation: Data | None,
    shuffle: bool,
) -> History:
    """Trains the model; see ``Sequential.fit``."""
    display = progress(verbose, epochs, len(data))
    history = model.history = History()
    safe = Snapshot(model, 0)
    for epoch in range(epochs):
        if display:
            display.begin(epoch)
        logs, safe = _epoch(model, data, batch_size, shuffle, epoch, display, safe)
        if validation is not None:
            results = evaluate(model, validation, batch_size)
            logs |= {f"val_{name}": value for name, value in results.items()}
        history.append(epoch, logs)
        if display:
            display.end(logs)
    model.take_average()
    return history


class Snapshot:
    """Weights and optimizer state of the start of an epoch, to go back to."""

    def __init__(self, model: "Sequential", epoch: int) -> None:
        self.arena, self.iterations, self.epoch = model.arena.copy(), model.iterations, epoch

    def restore(self, model: "Sequential") -> None:
        model.arena[:] = self.arena
        model.iterations = self.iterations


def _epoch(
    model: "Sequential", data: Data, batch: int, shuffle: bool, epoch: int, display: Progress | None, safe: Snapshot
) -> tuple[dict[str, float], Snapshot]:
    """One epoch: its logs, and weights to go back to, whose loss was finite (``safe`` until the first step proves more)."""
    n = len(data)
    batch = min(batch, n)
    steps = -(-n // batch)
    start = Snapshot(model, epoch)
    order = model.next_order(n, shuffle)
    losses = np.empty(steps)
    recorded = _Recorder(model, data.y) if model.metrics else None
    threads = backend.threads_for(model.program.flops * batch)
    most = max(1, RECORDED // (batch * model.program.outputs)) if recorded else steps
    count = max(1, int(SLICE * FIRST_GUESS / (model.program.flops * batch + 20000)))
    done = 0
    while done < steps:
        count = min(count, most, steps - done)
        first, last = done * batch, min(n, (done + count) * batch)
        outputs = recorded.buffer(last - first) if recorded else None
        began = time.perf_counter()
        finished = model.run_steps(data, order, first, count, batch, losses[done : done + count], outputs, threads)
        elapsed = time.perf_counter() - began
        if done + finished > 0:
            safe = start
        if finished < count:
            step = done + finished
            raise _diverged(model, safe, f"the loss became {losses[step]} in epoch {epoch + 1}, step {step + 1}")
        if recorded:
            recorded.update(order[first:last])
        done += count
        if display:
            display.update(last, float(losses[:done].mean()))
        count = max(1, int(count * min(4.0, SLICE / max(elapsed, 1e-6))))
    if not model.is_finite():
        raise _diverged(model, safe, f"the weights became infinite or NaN in epoch {epoch + 1}, step {steps}")
    return {"loss": _sum_of_losses(losses, batch, n) / n} | (recorded.results() if recorded else {}), safe


def _sum_of_losses(losses: NDArray[np.float64], batch: int, samples: int) -> float:
    """Sum over samples of step losses: the last batch may be short."""
    rest = samples - batch * (len(losses) - 1)
    return float(losses[:-1].sum() * batch + losses[-1] * rest)


def evaluate(model: "Sequential", data: Data, batch_size: int) -> dict[str, float]:
    """Mean loss and metrics over all samples, without training."""
    n = len(data)
    recorded = _Recorder(model, data.y) if model.metrics else None
    pieces = max(batch_size, min(RECORDED // model.program.outputs, int(SLICE * FIRST_GUESS / model.program.flops)))
    losses = np.empty(min(pieces, n))
    total = 0.0
    for first in range(0, n, pieces):
        last = min(n, first + pieces)
        part = losses[: last - first]
        outputs = recorded.buffer(last - first) if recorded else None
        threads = backend.threads_for(model.program.flops / 3 * (last - first))
        model.engine.evaluate(data.x, data.y, data.sample_weight, first, last, part, outputs, threads)
        total += float(part.sum())
        if recorded:
            recorded.update(slice(first, last))
    return {"loss": total / n} | (recorded.results() if recorded else {})


class _Recorder:
    """Hands the outputs of each piece to the metrics, which are exact over the whole epoch."""

    def __init__(self, model: "Sequential", y: Source) -> None:
        self.metrics: Iterable[Metric] = model.metrics
        self.classes = model.engine.classes
        self.y = y.array
        self.outputs = np.empty((0, model.program.outputs), dtype=model.dtype)
        for metric in self.metrics:
            metric.reset()

    def buffer(self, rows: int) -> NDArray[Any]:
        if len(self.outputs) < rows:
            self.outputs = np.empty((rows, self.outputs.shape[1]), dtype=self.outputs.dtype)
        self.rows = rows
        return self.outputs

    def update(self, chosen: NDArray[np.int64] | slice) -> None:
        outputs = self.outputs[: self.rows]
        classes = self.classes(outputs)
        y = self.y[chosen]
        for metric in self.metrics:
            metric.update(y, outputs, classes)

    def results(self) -> dict[str, float]:
        return {metric.name: metric.result() for metric in self.metrics}


def _diverged(model: "Sequential", safe: Snapshot, what: str) -> DivergenceError:
    """The error to raise, after the safe weights have taken the place of the bad ones."""
    optimizer = model.optimizer
    assert optimizer is not None  # noqa: S101 - Sequential.fit refuses to train before compile
    rate = float(optimizer.rates(np.array([model.iterations + 1]))[0])
    bad = [
        model.layers[op.layer].name
        for op in model.program.steps
        if not np.isfinite(model.program.panels(model.arena[0], op)).all()
    ]
    where = f" (the weights of layer {bad[0]!r} are not finite)" if bad else ""
    safe.restore(model)
    return DivergenceError(
        f"{what}{where}. The weights are again those of the start of epoch {safe.epoch + 1}. Lower the learning rate"
        f" ({rate:g}) or scale the features"
    )
