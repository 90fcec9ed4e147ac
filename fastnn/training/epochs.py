"""The steps of epochs, whole or in slices, and the weights to go back to where a loss is not finite."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core import machine
from fastnn.basics import backend
from fastnn.callbacks.base import CallbackList, History, Logs
from fastnn.engine.network import LARGEST, Network
from fastnn.engine.program import PART
from fastnn.errors import DivergenceError
from fastnn.training import pace
from fastnn.training.evaluation import Recorder, Sum
from fastnn.training.feeds import Data, RowFeed
from fastnn.training.run import Model, Run

MOST_ORDERED = 1 << 22  # row numbers of several epochs that are drawn at once


class Snapshot:
    """Weights and optimizer state of the start of an epoch, to go back to.

    One is enough for a fit: the engine writes those of the next epoch over it, once a finite loss has proved them.
    """

    def __init__(self, network: Network, epoch: int) -> None:
        self.arena, self.iterations, self.epoch = _copied(network.arena), network.iterations, epoch

    def renewed(self, iterations: int, epoch: int) -> None:
        """The engine has written the arena."""
        self.iterations, self.epoch = iterations, epoch

    def restore(self, network: Network) -> None:
        network.arena[:] = self.arena
        network.iterations = self.iterations


def _copied(arena: NDArray[Any]) -> NDArray[Any]:
    """A copy, in parts where it is large: Ctrl-C may come between two of them."""
    if arena.size <= PART:
        return arena.copy()
    copy = np.empty_like(arena)
    for first in range(0, arena.shape[1], PART):
        copy[:, first : first + PART] = arena[:, first : first + PART]
    return copy


class Epoch:
    """The steps of one epoch and its losses. safe: weights whose loss was finite, to go back to; kept up to date."""

    def __init__(
        self, model: Model, callbacks: CallbackList, epoch: int, safe: Snapshot, recorded: Recorder | None
    ) -> None:
        self.model, self.callbacks, self.epoch, self.safe, self.recorded = model, callbacks, epoch, safe, recorded
        self.first_step = model.network.iterations
        if recorded:
            recorded.reset()
        self.losses = Sum()  # of the steps, times their samples
        self.done = self.seen = 0  # steps, samples

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint within the epoch keeps."""
        recorded = None if self.recorded is None else self.recorded.get_state()
        own = {name: getattr(self, name) for name in ("done", "seen", "first_step")}
        return own | {"losses": self.losses.get_state(), "recorded": recorded}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on in the middle. After a divergence, weights go back to this place, not to the start of the epoch."""
        self.done, self.seen, self.first_step = state["done"], state["seen"], state["first_step"]
        self.losses.set_state(state["losses"])
        if self.recorded is not None:
            self.recorded.set_state(state["recorded"])

    def train(
        self,
        data: Data,
        order: NDArray[np.int64],
        first: int,
        last: int,
        batch: int,
        threads: int,
        changes: Any = None,
    ) -> float:
        """Steps over positions [first, last) of the order, fewer if they last long; returns the seconds of a step."""
        model, count = self.model, -(-(last - first) // batch)
        for callback in self.callbacks.batchwise:
            callback.on_train_batch_begin(self.done, {})
        losses = np.empty(count)
        outputs = self.recorded.buffer(last - first) if self.recorded else None
        iterations = model.network.iterations
        began = time.perf_counter()
        finished = model.network.run_steps(
            data.x,
            data.y,
            data.sample_weight,
            order,
            first,
            count,
            batch,
            losses,
            outputs,
            threads,
            changes,
            2 * pace.SLICE,
            self.safe.arena if self.done == 0 else None,
        )
        elapsed = time.perf_counter() - began
        if self.done == 0 and finished > 0:
            self.safe.renewed(iterations, self.epoch)
        endless = ~np.isfinite(losses[:finished])  # by a penalty: the engine looks at the losses of samples only
        if endless.any():
            finished = int(endless.argmax())
        if finished < count and not np.isfinite(losses[finished]):
            what = f"the loss became {losses[finished]} in epoch {self.epoch + 1}, step {self.done + finished + 1}"
            raise _diverged(model, self.safe, what)
        if finished < count:  # the time was over
            count, last, losses = finished, first + finished * batch, losses[:finished]
        if self.recorded:
            rows = order[first:last]
            weights = None if data.sample_weight is None else data.sample_weight[rows]
            self.recorded.update(data.y.array.take(rows, axis=0), weights)
        weighted = losses * batch
        weighted[-1] = losses[-1] * (last - first - batch * (count - 1))
        self.losses.add(weighted)
        self.done += count
        self.seen += last - first
        if self.callbacks.batchwise or self.callbacks.slicewise:
            loss = self.losses.result() / self.seen
            for callback in self.callbacks.slicewise:
                callback.on_slice_end(self.seen, {"loss": loss})
            for callback in self.callbacks.batchwise:
                callback.on_train_batch_end(self.done - 1, {"loss": loss})
        return elapsed / count

    def end(self) -> Logs:
        """The logs of the epoch. Each sample counts alike; how steps were grouped changes no bit."""
        if not self.model.network.is_finite():
            what = f"the weights became infinite or NaN in epoch {self.epoch + 1}, step {self.done}"
            raise _diverged(self.model, self.safe, what)
        loss = self.losses.result() / self.seen
        return {"loss": loss} | (self.recorded.results() if self.recorded else {})


def train_epoch(run: Run, callbacks: CallbackList, number: int, safe: Snapshot) -> Logs:
    """One epoch: its logs."""
    model, feed = run.model, run.feed
    inside = None if run.checkpoints is None else run.checkpoints.enter(run)
    epoch = Epoch(model, callbacks, number, safe, run.recorded)
    if inside is not None:
        epoch.set_state(inside)
    if isinstance(feed, RowFeed) and (feed.augmentation is None or feed.augmentation.gathered):
        _train_rows(epoch, feed, feed.order(number), run)
    else:
        for data in feed.batches(number, epoch.first_step, epoch.done, epoch.seen):
            n = len(data)
            epoch.train(data, np.arange(n), 0, n, n, backend.threads_for(model.network.program.cost(n)))
            if run.checkpoints is not None:
                run.checkpoints.step(run, epoch)
            if model.stop_training:
                break
    return epoch.end()


def _train_rows(epoch: Epoch, feed: RowFeed, order: NDArray[np.int64], run: Run) -> None:
    """The engine gathers the rows of many steps: slices of about 50 ms, of one step where a callback wants it."""
    network = epoch.model.network
    changes = None
    if feed.augmentation is not None:
        changes = feed.augmentation.changes(epoch.model.door.shape, epoch.first_step)
    program = network.program
    n = len(order)
    batch = min(n, feed.batch)
    steps = -(-n // batch)
    most = max(1, pace.RECORDED // (batch * program.outputs)) if epoch.recorded else steps
    if epoch.callbacks.batchwise:
        most = 1
    while epoch.done < steps and not epoch.model.stop_training:
        threads = run.team.size()
        wanted = run.slice // pace.LOOK if run.team.looking else run.slice
        count = max(1, min(wanted, most, steps - epoch.done))
        first = epoch.done * batch
        seconds = epoch.train(feed.data, order, first, min(n, first + count * batch), batch, threads, changes)
        run.team.report(seconds)
        if run.checkpoints is not None:
            run.checkpoints.step(run, epoch)
        if not run.team.looking:
            run.slice = max(1, int(min(4.0 * run.slice, pace.SLICE / max(seconds, 1e-9))))


class Together:
    """Several epochs of plain rows in one call of the engine, again and again."""

    def __init__(self, run: Run, safe: Snapshot) -> None:
        assert isinstance(run.feed, RowFeed)  # noqa: S101 - Run.whole
        self.run, self.feed, self.safe = run, run.feed, safe
        self.network = run.model.network
        self.rows = len(self.feed.data)
        self.steps = -(-self.rows // self.feed.batch)
        self.sizes = np.full(self.steps, self.feed.batch)
        self.sizes[-1] = self.rows - self.feed.batch * (self.steps - 1)

    def train(self, first: int, count: int, history: History | None = None) -> list[Logs]:
        """Up to ``count`` epochs from ``first`` on, as many as fit into a slice; then ``raise_error``.

        Returns the logs of those that finished, which are put into the history where one is given.
        """
        network, run = self.network, self.run
        if count > 1:
            most = min(run.slice // self.steps, MOST_ORDERED // self.rows)
            if run.recorded:
                most = min(most, pace.RECORDED // (self.rows * network.program.outputs))
            count = min(count, max(1, most))
        self.first, self.count = first, count
        self.losses = np.zeros((count, self.steps))
        self.bad: float | None = None  # the loss of the step that failed, or None
        self.error: BaseException | None = None  # what has ended the steps, or None
        drawn, iterations, place = network.epochs, network.iterations, len(history.epoch) if history else 0
        try:
            self._run()
        except BaseException as error:  # Ctrl-C: what has been trained is told first
            self.error = error
        try:
            return self._account(drawn, iterations, history, place)
        except KeyboardInterrupt as error:
            self.error = error
            return self._account(drawn, iterations, history, place)

    def _run(self) -> None:
        """The steps, in one call of the engine."""
        data, recorded = self.feed.data, self.run.recorded
        orders = [self.feed.order(self.first + i) for i in range(self.count)]
        self.order = np.concatenate(orders) if self.count > 1 else orders[0]
        began = time.perf_counter()
        finished = self.network.run_steps(
            data.x,
            data.y,
            data.sample_weight,
            self.order,
            0,
            self.losses.size,
            self.feed.batch,
            self.losses.reshape(-1),
            recorded.whole(len(self.order)) if recorded else None,
            1,
            None,
            2 * pace.SLICE,
            self.safe.arena,
            self.rows,
        )
        seconds = (time.perf_counter() - began) / max(finished, 1)
        self.run.slice = max(1, int(min(4.0 * self.run.slice, pace.SLICE / max(seconds, 1e-9))))

    def _account(self, drawn: int, iterations: int, history: History | None, place: int) -> list[Logs]:
        """What the steps have come to; asked again, the same.

        drawn, iterations, place: orders, steps and epochs of the history before.
        """
        network = self.network
        self.finished = network.iterations - iterations
        if self.finished:  # the engine has written the start of the last epoch whose first loss was finite
            last = (self.finished - 1) // self.steps
            self.safe.renewed(iterations + last * self.steps, self.first + last)
        if not machine.within(self.losses, -LARGEST, LARGEST):
            endless = np.flatnonzero(~np.isfinite(self.losses.reshape(-1)[: self.finished + 1]))
            if len(endless):
                self.finished = int(endless[0])
                self.bad = float(self.losses.reshape(-1)[self.finished])
        done = self.finished // self.steps
        self.spoilt = not network.is_finite() and self.finished == done * self.steps  # by the last step of an epoch
        begun = self.finished > done * self.steps or self.bad is not None or self.error is not None
        network.epochs = drawn + min(self.count, done + begun)
        done -= self.spoilt and done > 0
        logs = self._logs(done)
        if history is not None:
            history.extend(place, self.first, logs)
        return logs

    def _logs(self, done: int) -> list[Logs]:
        """Of the first ``done`` epochs."""
        recorded, weighted = self.run.recorded, self.losses[:done] * self.sizes
        logs: list[Logs] = [{"loss": total / self.rows} for total in weighted.sum(axis=1).tolist()]
        if recorded and done:
            rows, data = self.order[: done * self.rows], self.feed.data
            weights = None if data.sample_weight is None else data.sample_weight[rows]
            for values, more in zip(
                logs, recorded.epochs(data.y.array.take(rows, axis=0), self.rows, weights), strict=True
            ):
                values |= more
        return logs

    def raise_error(self) -> None:
        """What has ended the steps; or an error where a loss, or what the last step of an epoch has left, is not
        finite."""
        if self.error is not None:
            raise self.error
        epoch, step = divmod(self.finished, self.steps)
        if self.spoilt and epoch:
            what = f"the weights became infinite or NaN in epoch {self.first + epoch}, step {self.steps}"
        elif self.bad is not None:
            what = f"the loss became {self.bad} in epoch {self.first + epoch + 1}, step {step + 1}"
        else:
            return
        raise _diverged(self.run.model, self.safe, what)


def _diverged(model: Model, safe: Snapshot, what: str) -> DivergenceError:
    """The error to raise, after the safe weights have taken the place of the bad ones."""
    optimizer, network = model.optimizer, model.network
    assert optimizer is not None  # noqa: S101 - fit refuses to train before compile
    rate = float(optimizer.rates(np.array([network.iterations + 1]))[0])
    bad = [
        model.layer_names[op.layer]
        for op in network.program.steps
        if not np.isfinite(network.program.panels(network.arena[0], op)).all()
    ]
    where = f" (the weights of layer {bad[0]!r} are not finite)" if bad else ""
    safe.restore(network)
    return DivergenceError(
        f"{what}{where}. The weights are again those of the start of epoch {safe.epoch + 1}. Lower the learning rate"
        f" ({rate:g}) or scale the features"
    )
