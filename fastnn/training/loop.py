"""Epochs, validation, callbacks: the only loop in Python. Between two calls of the engine no Python runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.basics import backend
from fastnn.basics.checks import flag, whole
from fastnn.basics.files import remove, write_atomically
from fastnn.basics.progress import progress
from fastnn.callbacks.base import (
    Callback,
    CallbackList,
    History,
    Logs,
    check_callbacks,
    overrides,
)
from fastnn.callbacks.library import ProgressBar, TerminateOnNaN, Verbose
from fastnn.data import Door, are_batches
from fastnn.engine.network import Network
from fastnn.engine.program import PART
from fastnn.errors import DivergenceError
from fastnn.metrics import Metric
from fastnn.optimizers import Optimizer
from fastnn.training.checkpoints import Checkpoints
from fastnn.training.evaluation import FIRST_GUESS, RECORDED, SLICE, SUMMED, Recorder, Sum, evaluate
from fastnn.training.feeds import BatchFeed, Data, Feed, RowFeed

MOST_ROWS = 1 << 40  # more than any memory holds
MOST_ORDERED = 1 << 22  # row numbers of several epochs that are drawn at once
EPOCH_HOOKS = ("on_epoch_begin", "on_epoch_end")
LOOK = 8  # a slice that tries another number of threads is so many times shorter


class Model(Protocol):
    """What a fit needs of a model, which is also what callbacks get."""

    stop_training: bool
    history: History | None

    @property
    def metrics(self) -> list[Metric]: ...

    @property
    def network(self) -> Network: ...

    @property
    def door(self) -> Door: ...

    @property
    def optimizer(self) -> Optimizer | None: ...

    @property
    def layer_names(self) -> list[str]: ...

    def start_anew(self) -> None: ...


class Run:
    """The arguments of ``Sequential.fit``, checked: what is fed, what validates, who listens."""

    def __init__(
        self,
        model: Model,
        x: Any,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        sampler: Callable[..., Any] | None = None,
        augmentation: Any = None,
        checkpoint_dir: Any = None,
        resume: bool = False,
        save_seconds: float = 60.0,
    ) -> None:
        network, door = model.network, model.door
        self.model = model
        self.epochs = whole("fit: epochs", epochs, 1)
        self.initial_epoch = whole("fit: initial_epoch", initial_epoch, 0)
        self.validation_freq = _check_freq(validation_freq)
        self.validation_steps = _optional("validation_steps", validation_steps)
        self.validation: Data | BatchFeed | None = None
        shuffle = flag("fit: shuffle", shuffle)
        steps = _optional("steps_per_epoch", steps_per_epoch)
        streamed = are_batches(x, y)
        batch = 32
        if batch_size is not None and not (isinstance(batch_size, str) and batch_size == "all"):
            batch = min(whole("fit: batch_size", batch_size, 1), MOST_ROWS)
        _check_extras(door, sampler, augmentation, steps, streamed, validation_split)
        split = not (isinstance(validation_split, (int, float)) and validation_split == 0)
        if split and validation_data is not None:
            raise ValueError("give validation_data or validation_split, not both")
        self.feed: Feed
        if streamed:
            given = {"batch_size": batch_size, "sample_weight": sample_weight, "validation_split": split or None}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(f"{name} needs arrays x and y, but x is batches; put it into the batches")
            self.feed = BatchFeed(network, door, x, shuffle, steps, class_weight, augmentation)
        else:
            data = Data.check(door, x, y, sample_weight)
            if split:
                data, self.validation = data.split(door, network, validation_split)
            data = data.weighted(door, class_weight)  # not the validation: its loss is compared with others
            if batch_size == "all":
                batch = len(data)
            self.feed = RowFeed(network, data, batch, shuffle, steps, sampler, augmentation)
        self.recorded = Recorder(network, model.metrics) if model.metrics else None
        self.validated = Recorder(network, model.metrics) if model.metrics else None
        rows = self.feed.batch if isinstance(self.feed, RowFeed) else batch
        cost = network.program.cost(rows)
        if augmentation is not None:
            cost += augmentation.changes(door.shape, 0).cost * rows
        self.slice = max(1, int(SLICE * FIRST_GUESS / cost))  # steps of a call of the engine
        self.team = backend.Team(backend.threads_for(cost))
        self.evaluation_batch = _optional("validation_batch_size", validation_batch_size) or batch
        if validation_data is not None:
            self.validation = _check_validation(network, door, validation_data, self.validation_steps)
        if self.epochs - self.initial_epoch > 1:
            for feed in (self.feed, self.validation):
                if isinstance(feed, BatchFeed) and feed.once and feed.count is None:
                    what = "validation_steps" if feed is self.validation else "steps_per_epoch"
                    raise ValueError(
                        f"a generator of {feed.name}batches can be read only once, expected one that lasts"
                        f" {self.epochs} epochs; give {what}, or an object that can be read more than once"
                    )
        self.callbacks = check_callbacks(callbacks)
        self.checkpoints = Checkpoints.of(self.callbacks, checkpoint_dir, resume, save_seconds)
        samples = self.feed.samples
        if verbose == "auto" and any(isinstance(callback, ProgressBar) for callback in self.callbacks):
            verbose = 0  # one bar is enough
        display = progress(verbose, self.epochs, samples)
        self.display: list[Callback] = [Verbose(display)] if display else []
        names = ["loss", *(metric.name for metric in model.metrics)]
        self.params = {
            "verbose": verbose,
            "epochs": self.epochs,
            "steps": self.feed.steps,
            "samples": samples,
            "metrics": names + ([f"val_{name}" for name in names] if self.validation is not None else []),
        }
        if self.checkpoints is not None and self.checkpoints.resuming():
            self.params["resumed"] = True

    def validates(self, epoch: int) -> bool:
        """Whether an epoch ends with a validation."""
        if self.validation is None:
            return False
        freq = self.validation_freq
        return (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq

    def whole(self, callbacks: CallbackList) -> bool:
        """Whether one call of the engine trains an epoch: a small one of plain rows; nobody looks inside it."""
        feed = self.feed
        return (
            isinstance(feed, RowFeed)
            and feed.plain
            and self.checkpoints is None
            and not (callbacks.batchwise or callbacks.slicewise)
            and self.slice >= 2 * (feed.steps or 0)
            and (feed.steps or 0) <= SUMMED
            and (self.recorded is None or len(feed.data) <= self.recorded.targets.length)
            and self.team.sizes[0] == 1
        )

    def unheard(self, callbacks: CallbackList, history: History) -> bool:
        """Whether nobody needs to know when an epoch ends."""
        model = self.model
        return (
            self.validation is None
            and model.optimizer is not None
            and model.optimizer.settled() is not None
            and not model.network.program.own_loss
            and not any(metric.own for metric in model.metrics)
            and not any(overrides(one, EPOCH_HOOKS) for one in callbacks.all if one is not history)
        )


def fit(run: Run) -> History:
    """Trains the model; see ``Sequential.fit``."""
    model = run.model
    history = History()
    params = run.params | {"metrics": list(run.params["metrics"])}
    callbacks = CallbackList([*run.callbacks, history, *run.display], model, params)
    logs: Logs = {}
    try:
        model.stop_training = False
        callbacks.call("on_train_begin", {})  # may refuse, and then nothing has changed
        model.history = history
        first, checkpoints = run.initial_epoch, run.checkpoints
        if checkpoints is not None:
            first, logs = checkpoints.begin(run)
        safe = Snapshot(model.network, first)
        whole = run.whole(callbacks)
        at_once = whole and run.unheard(callbacks, history)
        while at_once and first < run.epochs and not model.stop_training:  # nobody listens between these epochs
            several = _Several(run, first, safe, run.epochs - first)
            finished = several.train(history)
            logs, first = finished[-1] if finished else logs, first + len(finished)
            several.raise_error()
        for epoch in range(first, run.epochs):
            if not model.stop_training:
                callbacks.call("on_epoch_begin", epoch, {})
            if model.stop_training:  # set by a callback before any step
                break
            if whole:
                one = _Several(run, epoch, safe, 1)
                finished = one.train()
                one.raise_error()
                logs = finished[0]
            else:
                logs = _epoch(run, callbacks, epoch, safe)
            if run.validates(epoch):
                assert run.validation is not None  # noqa: S101 - validates
                network, size, steps = model.network.averaged(), run.evaluation_batch, run.validation_steps
                results = evaluate(network, model.metrics, run.validation, size, steps, callbacks, epoch, run.validated)
                for name, value in results.items():
                    logs[f"val_{name}"] = value
            run.feed.end_epoch()
            rate: Any = model.optimizer.learning_rate if model.optimizer else None
            if hasattr(rate, "update") and rate.update(logs["loss"]):  # a schedule that follows the loss
                model.stop_training = True
            callbacks.call("on_epoch_end", epoch, logs)
            if checkpoints is not None:
                checkpoints.end_epoch(run, epoch, logs, model.stop_training or epoch + 1 == run.epochs)
            if model.stop_training:
                break
        model.network.take_average()
        callbacks.end(logs)  # interrupted, it goes on below
        if checkpoints is not None:
            checkpoints.end()
    except BaseException as error:
        quiet = [one for one in callbacks.begun if isinstance(one, TerminateOnNaN) and not one.raise_error]
        if not (quiet and isinstance(error, DivergenceError)):
            callbacks.end(logs, failed=True)
            raise
        quiet[0].error, model.stop_training = error, True
        callbacks.end(logs)
    return history


def fit_best_of(model: Model, k: int, run: Run) -> History:
    """Trains from k starting points; see ``Sequential.fit_best_of``."""
    optimizer = model.optimizer
    assert optimizer is not None  # noqa: S101 - Sequential.fit_best_of refuses before compile
    if run.checkpoints is not None:
        raise ValueError(
            "fit_best_of trains several times and has no checkpoints; leave checkpoint_dir out, or call fit"
        )
    first = optimizer.copied()  # callbacks may change it
    best: tuple[float, Snapshot, History, Kept] | None = None
    written: set[str] = set()
    error: DivergenceError | None = None
    try:
        for _ in range(k):
            model.start_anew()
            optimizer.become(first)
            try:
                history = fit(run)
                quiet = next(
                    (one.error for one in run.callbacks if isinstance(one, TerminateOnNaN) and one.error), None
                )
                if quiet is not None:
                    raise quiet
                score = _score(run, history)
            except DivergenceError as one:
                error = one
                continue
            finally:
                written.update(path for callback in run.callbacks for path in callback.files)
            if np.isfinite(score) and (best is None or score < best[0]):
                best = (score, Snapshot(model.network, 0), history, Kept(model, run.callbacks))
    finally:
        if best is not None:
            best[1].restore(model.network)
            model.history = best[2]
            best[3].restore(written)
    if best is None:
        raise error or DivergenceError(f"none of {k} starting points led to a finite loss; lower the learning rate")
    return best[2]


def _score(run: Run, history: History) -> float:
    """The loss of the weights that a fit has left: of validation, else of training."""
    data = run.validation if run.validation is not None else run.feed.data if isinstance(run.feed, RowFeed) else None
    if data is None or (isinstance(data, BatchFeed) and data.once):
        name = "loss" if data is None else "val_loss"
        return history.history.get(name, [float("nan")])[-1]
    steps = run.validation_steps if data is run.validation else None
    return evaluate(run.model.network, run.model.metrics, data, run.evaluation_batch, steps)["loss"]


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


class Kept:
    """What a start of ``fit_best_of`` leaves beside weights: the optimizer's settings, callbacks' values and files."""

    def __init__(self, model: Model, callbacks: list[Callback]) -> None:
        self.optimizer = model.optimizer
        assert self.optimizer is not None  # noqa: S101 - the model has been trained
        self.settings = self.optimizer.copied()
        own = [one for one in callbacks if type(one).__module__.startswith("fastnn.")]  # a user's may go on counting
        self.values = [(callback, dict(vars(callback))) for callback in own]
        self.files = {path: _content(path) for callback in callbacks for path in callback.files}

    def restore(self, written: set[str]) -> None:
        """written: the files of all starts."""
        assert self.optimizer is not None  # noqa: S101
        self.optimizer.become(self.settings)
        for callback, values in self.values:
            vars(callback).update(values)
        for path in written - self.files.keys():
            remove(path)
        for path, content in self.files.items():
            write_atomically(path, partial(_put, content))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)


class _Epoch:
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
            2 * SLICE,
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


class _Several:
    """Up to ``count`` epochs of plain rows from ``first`` on, as many as fit into a slice: one call of the engine."""

    def __init__(self, run: Run, first: int, safe: Snapshot, count: int) -> None:
        assert isinstance(run.feed, RowFeed)  # noqa: S101 - Run.whole
        self.run, self.feed, self.first, self.safe = run, run.feed, first, safe
        self.network = run.model.network
        self.rows = len(self.feed.data)
        self.steps = -(-self.rows // self.feed.batch)
        most = min(run.slice // self.steps, MOST_ORDERED // self.rows)
        if run.recorded:
            most = min(most, RECORDED // (self.rows * self.network.program.outputs))
        self.count = min(count, max(1, most))
        self.losses = np.zeros((self.count, self.steps))
        self.bad: float | None = None  # the loss of the step that failed, or None
        self.error: BaseException | None = None  # what has ended the steps, or None

    def train(self, history: History | None = None) -> list[Logs]:
        """The logs of the epochs that finished, put into the history where one is given; then ``raise_error``."""
        network = self.network
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
            2 * SLICE,
            self.safe.arena,
            self.rows,
        )
        seconds = (time.perf_counter() - began) / max(finished, 1)
        self.run.slice = max(1, int(min(4.0 * self.run.slice, SLICE / max(seconds, 1e-9))))

    def _account(self, drawn: int, iterations: int, history: History | None, place: int) -> list[Logs]:
        """What the steps have come to; asked again, the same.

        drawn, iterations, place: orders, steps and epochs of the history before.
        """
        network = self.network
        self.finished = network.iterations - iterations
        if self.finished:  # the engine has written the start of the last epoch whose first loss was finite
            last = (self.finished - 1) // self.steps
            self.safe.renewed(iterations + last * self.steps, self.first + last)
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
        recorded, batch = self.run.recorded, self.feed.batch
        weighted = self.losses[:done] * batch
        weighted[:, -1] = self.losses[:done, -1] * (self.rows - batch * (self.steps - 1))
        logs: list[Logs] = [{"loss": value} for value in (weighted.sum(axis=1) / self.rows).tolist()]
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


def _epoch(run: Run, callbacks: CallbackList, number: int, safe: Snapshot) -> Logs:
    """One epoch: its logs."""
    model, feed = run.model, run.feed
    inside = None if run.checkpoints is None else run.checkpoints.enter(run)
    epoch = _Epoch(model, callbacks, number, safe, run.recorded)
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


def _train_rows(epoch: _Epoch, feed: RowFeed, order: NDArray[np.int64], run: Run) -> None:
    """The engine gathers the rows of many steps: slices of about 50 ms, of one step where a callback wants it."""
    network = epoch.model.network
    changes = None
    if feed.augmentation is not None:
        changes = feed.augmentation.changes(epoch.model.door.shape, epoch.first_step)
    program = network.program
    n = len(order)
    batch = min(n, feed.batch)
    steps = -(-n // batch)
    most = max(1, RECORDED // (batch * program.outputs)) if epoch.recorded else steps
    if epoch.callbacks.batchwise:
        most = 1
    while epoch.done < steps and not epoch.model.stop_training:
        threads = run.team.size()
        wanted = run.slice // LOOK if run.team.looking else run.slice
        count = max(1, min(wanted, most, steps - epoch.done))
        first = epoch.done * batch
        seconds = epoch.train(feed.data, order, first, min(n, first + count * batch), batch, threads, changes)
        run.team.report(seconds)
        if run.checkpoints is not None:
            run.checkpoints.step(run, epoch)
        if not run.team.looking:
            run.slice = max(1, int(min(4.0 * run.slice, SLICE / max(seconds, 1e-9))))


def _optional(name: str, value: Any) -> int | None:
    return None if value is None else whole(f"fit: {name}", value, 1)


def _check_freq(freq: Any) -> int | frozenset[int]:
    if isinstance(freq, (list, tuple, set, frozenset)):
        return frozenset(whole("fit: each epoch of validation_freq", epoch, 1) for epoch in freq)
    return whole("fit: validation_freq", freq, 1)


def _check_extras(door: Door, sampler: Any, augmentation: Any, steps: int | None, streamed: bool, split: Any) -> None:
    if sampler is not None:
        if not callable(sampler):
            raise TypeError(f"sampler must be a function of (epoch, rng), got {sampler!r}")
        others = {"steps_per_epoch": steps is not None, "batches": streamed, "validation_split": bool(split)}
        for name, given in others.items():
            if given:
                raise ValueError(
                    f"sampler, which chooses rows of X for each epoch, cannot go with {name}; leave one out"
                )
    if augmentation is not None:
        from fastnn.augmentation import ImageAugmentation

        if not isinstance(augmentation, ImageAugmentation):
            raise TypeError(f"augmentation must be a fastnn.augmentation.ImageAugmentation, got {augmentation!r}")
        assert door.loss is not None  # noqa: S101 - fit refuses before compile
        augmentation.check(door.shape, door.loss)


def _check_validation(network: Network, door: Door, given: Any, steps: int | None) -> Data | BatchFeed:
    if isinstance(given, tuple) or (isinstance(given, list) and len(given) in (2, 3) and not _is_batch(given[0])):
        if len(given) not in (2, 3):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight), or batches of these")
        extra = given[2] if len(given) == 3 else None
        names = ("validation X", "validation y", "validation sample_weight")
        return Data.check(door, given[0], given[1], extra, names)
    if not are_batches(given, None):
        raise ValueError("validation_data must be (X, y) or (X, y, sample_weight), or batches of these")
    return BatchFeed(network, door, given, None, steps, name="validation")


def _is_batch(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) in (2, 3)


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
