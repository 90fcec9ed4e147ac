"""Asking a model, without training: losses, metrics, outputs; by pieces that the engine computes at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn import backend
from fastnn.feeds import BatchFeed, Data, pieces
from fastnn.hooks import CallbackList, Logs
from fastnn.metrics import Metric

if TYPE_CHECKING:
    from fastnn.model import Sequential

SLICE = 0.05  # seconds in the engine between two looks at the keyboard
FIRST_GUESS = 1e10  # operations per second, until the first slice is measured
RECORDED = 1 << 22  # most outputs kept for the metrics between two updates of them


class Recorder:
    """Hands the outputs of each piece to the metrics, which are exact over the whole epoch."""

    def __init__(self, model: Sequential) -> None:
        # Copies: an evaluation in a callback or in another thread shall not disturb the epoch.
        self.metrics: list[Metric] = [copy.copy(metric) for metric in model.metrics]
        self.classes = model.engine.classes
        self.outputs = np.empty((0, model.program.outputs), dtype=model.dtype)
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        for metric in self.metrics:
            metric.reset()

    def buffer(self, rows: int) -> NDArray[Any]:
        if len(self.outputs) < rows:
            self.outputs = np.empty((rows, self.outputs.shape[1]), dtype=self.outputs.dtype)
        self.rows = rows
        return self.outputs[:rows]

    def update(self, y: NDArray[Any]) -> None:
        outputs = self.outputs[: self.rows]
        classes = self.classes(outputs)
        for metric in self.metrics:
            metric.update(y, outputs, classes)

    def results(self) -> Logs:
        return {metric.name: metric.result() for metric in self.metrics}


def evaluate(
    model: Sequential,
    data: Data | BatchFeed,
    batch_size: int,
    steps: int | None = None,
    callbacks: CallbackList | None = None,
) -> Logs:
    """Mean loss, with penalties as in training, and metrics over all samples, or over the first ``steps`` batches."""
    if callbacks is not None:
        callbacks.call("on_test_begin", {})
    recorded = Recorder(model) if model.metrics else None
    flops, outputs_each = model.program.flops, model.program.outputs
    size = max(batch_size, min(RECORDED // outputs_each, int(SLICE * FIRST_GUESS / flops)))
    listeners = callbacks.test_batchwise if callbacks is not None else []
    if listeners:
        size = batch_size
    parts: Iterable[tuple[Data, int, int]]
    if isinstance(data, BatchFeed):
        data.restart()
        parts = ((batch, 0, len(batch)) for batch in data.batches(0))
    else:
        if data.rows is not None:  # copied piece by piece
            size = max(batch_size, min(size, RECORDED // data.x.columns))
        parts = pieces(data, size, None if steps is None else steps * batch_size)
    penalty = 0.0
    if model.program.penalized:
        penalty = model.program.weight_penalty([model.program.read(model.arena[0], op) for op in model.program.steps])
    total, n = 0.0, 0
    for i, (part, first, last) in enumerate(parts):
        for callback in listeners:
            callback.on_test_batch_begin(i, {})
        losses = np.empty(last - first)
        outputs = recorded.buffer(last - first) if recorded else None
        threads = backend.threads_for(flops / 3 * (last - first))
        model.engine.evaluate(part.x, part.y, part.sample_weight, first, last, losses, outputs, threads)
        total += float(losses.sum())
        n += last - first
        if recorded:
            recorded.update(part.y.array[first:last])
        for callback in listeners:
            callback.on_test_batch_end(i, {"loss": total / n + penalty})
    logs = {"loss": total / n + penalty} | (recorded.results() if recorded else {})
    if callbacks is not None:
        callbacks.call("on_test_end", dict(logs))
    return logs


def predict(model: Sequential, parts: Iterable[Any], callbacks: CallbackList) -> NDArray[Any]:
    """Outputs for X that comes in parts, whose callbacks see each of them."""
    callbacks.call("on_predict_begin", {})
    outputs = []
    for i, part in enumerate(parts):
        for callback in callbacks.predict_batchwise:
            callback.on_predict_batch_begin(i, {})
        outputs.append(model.predict_rows(part))
        for callback in callbacks.predict_batchwise:
            callback.on_predict_batch_end(i, {"outputs": outputs[-1]})
    if not outputs:
        raise ValueError("there are no batches to predict; an iterator can be read only once")
    callbacks.call("on_predict_end", {})
    return np.concatenate(outputs)
