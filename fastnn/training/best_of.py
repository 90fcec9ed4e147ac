"""The best of several trainings from different starting points."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

import numpy as np

from fastnn.basics.files import remove, write_atomically
from fastnn.callbacks.base import Callback, History
from fastnn.callbacks.library import TerminateOnNaN
from fastnn.errors import DivergenceError
from fastnn.training.epochs import Snapshot
from fastnn.training.evaluation import evaluate
from fastnn.training.feeds import BatchFeed, RowFeed
from fastnn.training.loop import fit
from fastnn.training.run import Model, Run


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
