"""Asking a model, without training: losses, metrics, outputs; by pieces that the engine computes at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.callbacks.base import CallbackList, Logs
from fastnn.data import Door
from fastnn.engine.network import Network
from fastnn.engine.source import Source
from fastnn.metrics import Metric
from fastnn.training import pace
from fastnn.training.feeds import BatchFeed, Data, pieces

BLOCK = 1 << 15  # outputs that the metrics see at once: rows by their place in the epoch, whatever the engine's calls
SUMMED = 1 << 12  # numbers of a block of a ``Sum``


class Blocks:
    """Rows that come in pieces and leave in blocks of fixed length, so that where the pieces end does not matter."""

    __slots__ = ("length", "pieces", "waiting")

    def __init__(self, length: int) -> None:
        self.length = length
        self.clear()

    def clear(self) -> None:
        self.pieces: list[NDArray[Any]] = []
        self.waiting = 0

    def add(self, piece: NDArray[Any]) -> list[NDArray[Any]]:
        """The blocks that are full now."""
        self.pieces.append(piece)
        self.waiting += len(piece)
        if self.waiting < self.length:
            return []
        rows = self.rest()
        whole = len(rows) - len(rows) % self.length
        self.pieces, self.waiting = [rows[whole:]], len(rows) - whole
        return [rows[first : first + self.length] for first in range(0, whole, self.length)]

    def rest(self) -> NDArray[Any]:
        """What fills no block yet."""
        if len(self.pieces) != 1:
            self.pieces = [np.concatenate(self.pieces) if self.pieces else np.empty(0)]
        return self.pieces[0]

    def get_state(self) -> NDArray[Any]:
        """What waits, for a checkpoint."""
        return self.rest()

    def set_state(self, rows: NDArray[Any]) -> None:
        self.pieces, self.waiting = ([rows] if len(rows) else []), len(rows)


class Sum:
    """Sum of numbers that come in pieces: where the pieces end changes no bit."""

    def __init__(self) -> None:
        self.blocks, self.total = Blocks(SUMMED), 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        for block in self.blocks.add(values):
            self.total += float(block.sum())

    def result(self) -> float:
        return self.total + float(self.blocks.rest().sum())

    def get_state(self) -> dict[str, Any]:
        return {"total": self.total, "rest": self.blocks.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.total = state["total"]
        self.blocks.set_state(state["rest"])


class Recorder:
    """Hands the outputs of an epoch to the metrics, in blocks of fixed length: the engine's calls change no bit.

    After ``reset``: ``buffer(rows)``, which the engine fills, then ``update(y)``, again and again; what fills no block
    waits for the next rows. Or once ``whole``, then ``epochs``.
    """

    def __init__(self, network: Network, metrics: Sequence[Metric]) -> None:
        # Copies: an evaluation in a callback or in another thread shall not disturb the epoch.
        self.metrics: list[Metric] = [copy.copy(metric) for metric in metrics]
        # The data were checked before; a metric of the user's own has ``update`` only.
        self.adders = [one.add if type(one).update is Metric.update else one.update for one in self.metrics]
        self.classes = network.engine.classes
        self.outputs = np.empty((0, network.program.outputs), dtype=network.dtype)
        self.targets = Blocks(max(1, BLOCK // network.program.outputs))
        self.weighted = any(metric.weighted for metric in self.metrics)
        self.weights = Blocks(self.targets.length)  # of the samples, where a metric is weighted

    def reset(self) -> None:
        """Begins anew."""
        self.targets.clear()
        self.weights.clear()
        for metric in self.metrics:
            metric.reset()

    def buffer(self, rows: int) -> NDArray[Any]:
        """Room for the outputs of the next rows, behind those that wait."""
        first, last = self.targets.waiting, self.targets.waiting + rows
        if len(self.outputs) < last:
            longer = np.empty((last, self.outputs.shape[1]), dtype=self.outputs.dtype)
            longer[:first] = self.outputs[:first]
            self.outputs = longer
        return self.outputs[first:last]

    def whole(self, rows: int) -> NDArray[Any]:
        """Room for the outputs of ``epochs``; whatever waits is void."""
        self.targets.clear()
        self.weights.clear()
        return self.buffer(rows)

    def update(self, y: NDArray[Any], weights: NDArray[Any] | None = None) -> None:
        """The targets of the rows whose outputs the buffer holds, and their weights; nobody else may change them."""
        first = 0
        shares: list[Any] = [] if not self.weighted else self.weights.add(_ones(y) if weights is None else weights)
        for block, share in zip_longest(self.targets.add(y), shares):
            self._hand_over(block, first, share)
            first += len(block)
        if first:
            self.outputs[: self.targets.waiting] = self.outputs[first : first + self.targets.waiting]

    def epochs(self, y: NDArray[Any], rows: int, weights: NDArray[Any] | None = None) -> list[Logs]:
        """The results of each of several whole epochs of so many rows, which one call of the engine has recorded."""
        outputs = self.outputs[: len(y)]
        if len(y) == rows:
            return [self.once(y, outputs, weights)]
        classes = self.classes(outputs)
        logs: list[Logs] = [{} for _ in range(0, len(y), rows)]
        for metric, add in zip(self.metrics, self.adders, strict=True):
            name, seen = metric.name, metric.seen(outputs)
            for i, values in enumerate(logs):
                part = slice(i * rows, (i + 1) * rows)
                metric.reset()
                own = (weights[part] / metric.weighted,) if metric.weighted and weights is not None else ()
                add(y[part], seen[part], classes[part], *own)
                values[name] = metric.result()
        return logs

    def once(self, y: NDArray[Any], outputs: NDArray[Any], weights: NDArray[Any] | None = None) -> Logs:
        """The results over one block of rows, whose outputs may lie elsewhere."""
        for metric in self.metrics:
            metric.reset()
        self.add(y, outputs, weights)
        return {metric.name: metric.result() for metric in self.metrics}

    def _hand_over(self, y: NDArray[Any], first: int, weights: NDArray[Any] | None) -> None:
        self.add(y, self.outputs[first : first + len(y)], weights)

    def add(self, y: NDArray[Any], outputs: NDArray[Any], weights: NDArray[Any] | None = None) -> None:
        """A block of rows with outputs that the recorder does not keep, when none wait."""
        classes = self.classes(outputs)
        for metric, add in zip(self.metrics, self.adders, strict=True):
            own = (weights / metric.weighted,) if metric.weighted and weights is not None else ()
            add(y, metric.seen(outputs), classes, *own)

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: what the metrics have seen, and what waits."""
        waiting = self.targets.waiting
        metrics = [metric.get_state() for metric in self.metrics]
        state = {"metrics": metrics, "targets": self.targets.get_state(), "outputs": self.outputs[:waiting]}
        return state | ({"weights": self.weights.get_state()} if self.weighted else {})

    def set_state(self, state: dict[str, Any]) -> None:
        for metric, own in zip(self.metrics, state["metrics"], strict=True):
            metric.set_state(own)
        self.targets.set_state(state["targets"])
        if self.weighted:
            self.weights.set_state(state["weights"])
        if len(state["outputs"]):
            self.outputs = state["outputs"]

    def results(self) -> Logs:
        """The values over all rows since ``reset``."""
        if self.targets.waiting:
            self._hand_over(self.targets.rest(), 0, self.weights.rest() if self.weighted else None)
            self.targets.clear()
            self.weights.clear()
        return {metric.name: metric.result() for metric in self.metrics}


def _ones(y: NDArray[Any]) -> NDArray[np.float64]:
    return np.ones(len(y))


def evaluate(
    network: Network,
    metrics: Sequence[Metric],
    data: Data | BatchFeed,
    batch_size: int,
    steps: int | None = None,
    callbacks: CallbackList | None = None,
    epoch: int | None = None,
    recorded: Recorder | None = None,
) -> Logs:
    """Mean loss, with penalties as in training, and metrics over all samples, or over the first ``steps`` batches.

    epoch: of the fit that is validated, for messages. recorded: one that serves again and again, for these metrics.
    """
    if callbacks is not None:
        callbacks.call("on_test_begin", {})
    penalty = weight_penalty(network)
    if metrics:
        recorded = recorded or Recorder(network, metrics)
    if isinstance(data, Data) and steps is None and _is_small(data, recorded, network, callbacks):
        logs = _evaluate_small(network, recorded, data, penalty)
    else:
        logs = _evaluate_parts(network, recorded, data, batch_size, steps, callbacks, epoch, penalty)
    if callbacks is not None:
        callbacks.call("on_test_end", dict(logs))
    return logs


class Few:
    """Evaluates few samples in plain arrays, without weights, the shortest way: the numbers of ``evaluate``."""

    def __init__(self, network: Network, door: Door, metrics: Sequence[Metric]) -> None:
        self.network, self.door, self.metrics = network, door, metrics
        self.engine = network.engine
        self.most = min(SUMMED, BLOCK // network.program.outputs)

    @staticmethod
    def suits(network: Network, door: Door) -> bool:
        """Whether nothing stands between the user's arrays and the engine."""
        return (
            len(door.shape) == len(door.output_shape) == 1
            and door.loss_weight == 1
            and not door.ids
            and network.engine_name == "compiled"
        )

    def __call__(self, x: Any, y: Any) -> Logs | None:
        """Loss and metrics, or None where the long way must look at the arrays."""
        found = self.engine.evaluate_few(x, y, *self.door.limits)
        if found is None or len(found[0]) > self.most:
            return None
        losses, outputs = found
        logs: Logs = {"loss": float(losses.sum()) / len(losses) + weight_penalty(self.network)}
        if self.metrics:
            # Who is at work takes it away: several threads may ask.
            recorder = vars(self).pop("recorder", None) or Recorder(self.network, self.metrics)
            t = self.door.few_targets(y)
            assert t is not None  # noqa: S101 - the engine has read it
            logs |= recorder.once(t.copy(), outputs)  # a metric of one's own may write into it
            self.recorder = recorder
        return logs


def weight_penalty(network: Network) -> float:
    """What the weights' regularizers add to a loss."""
    program = network.program
    if not program.penalized:
        return 0.0
    return program.weight_penalty([program.read(network.arena[0], op) for op in program.steps])


def _is_small(data: Data, recorded: Recorder | None, network: Network, callbacks: CallbackList | None) -> bool:
    """Whether one call of the engine and one block of each sum and metric is enough."""
    n = len(data)
    return (
        n <= SUMMED
        and data.rows is None
        and network.engine_name != "reference"
        and not (callbacks is not None and callbacks.test_batchwise)
        and network.program.inference_cost(n) < pace.SLICE * pace.FIRST_GUESS
        and (recorded is None or n <= recorded.targets.length)
    )


def _evaluate_small(network: Network, recorded: Recorder | None, data: Data, penalty: float) -> Logs:
    """The same numbers as ``_evaluate_parts`` gives, without its parts."""
    n = len(data)
    losses = np.empty(n)
    outputs = recorded.whole(n) if recorded else None
    network.evaluate(data.x, data.y, data.sample_weight, 0, n, losses, outputs)
    logs: Logs = {"loss": float(losses.sum()) / n + penalty}
    if recorded:
        y = np.array(data.y.array, order="C")  # a copy: a metric of one's own may write into it
        logs |= recorded.epochs(y, n, data.sample_weight)[0]
    return logs


def _evaluate_parts(
    network: Network,
    recorded: Recorder | None,
    data: Data | BatchFeed,
    batch_size: int,
    steps: int | None,
    callbacks: CallbackList | None,
    epoch: int | None,
    penalty: float,
) -> Logs:
    program = network.program
    if recorded:
        recorded.reset()
    size = max(1, min(pace.RECORDED // program.outputs, int(pace.SLICE * pace.FIRST_GUESS / program.inference_cost(1))))
    listeners = callbacks.test_batchwise if callbacks is not None else []
    if listeners or network.engine_name == "reference":  # BLAS rounds the sums of a row by how many rows it is given
        size = batch_size
    parts: Iterable[tuple[Data, int, int]]
    if isinstance(data, BatchFeed):
        data.restart()
        parts = ((batch, 0, len(batch)) for batch in data.batches(epoch))
    else:
        if data.rows is not None:  # copied piece by piece
            size = max(1, min(size, pace.RECORDED // data.x.columns))
        parts = pieces(data, size, None if steps is None else steps * batch_size)
    total, n = Sum(), 0
    for i, (part, first, last) in enumerate(parts):
        for callback in listeners:
            callback.on_test_batch_begin(i, {})
        losses = np.empty(last - first)
        outputs = recorded.buffer(last - first) if recorded else None
        network.evaluate(part.x, part.y, part.sample_weight, first, last, losses, outputs)
        total.add(losses)
        n += last - first
        if recorded:
            weights = None if part.sample_weight is None else part.sample_weight[first:last].copy()
            recorded.update(
                np.array(part.y.array[first:last], order="C"), weights
            )  # a generator may use its memory again
        for callback in listeners:
            callback.on_test_batch_end(i, {"loss": total.result() / n + penalty})
    if isinstance(data, BatchFeed):
        data.end_epoch()
    return {"loss": total.result() / n + penalty} | (recorded.results() if recorded else {})


def predict(network: Network, parts: Iterable[Source], callbacks: CallbackList, shape: tuple[int, ...]) -> NDArray[Any]:
    """Outputs, of a shape for each sample, for X that comes in checked parts, whose callbacks see each of them."""
    callbacks.call("on_predict_begin", {})
    outputs = []
    for i, part in enumerate(parts):
        for callback in callbacks.predict_batchwise:
            callback.on_predict_batch_begin(i, {})
        outputs.append(network.predict(part).reshape(len(part), *shape))
        for callback in callbacks.predict_batchwise:
            callback.on_predict_batch_end(i, {"outputs": outputs[-1]})
    if not outputs:
        raise ValueError("there are no batches to predict; an iterator can be read only once")
    callbacks.call("on_predict_end", {})
    return np.concatenate(outputs)
