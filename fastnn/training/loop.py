"""Epochs, validation, callbacks: the only loop in Python. Between two calls of the engine no Python runs."""

from __future__ import annotations

from typing import Any

from fastnn.callbacks.base import CallbackList, History, Logs
from fastnn.callbacks.library import TerminateOnNaN
from fastnn.errors import DivergenceError
from fastnn.training.epochs import Snapshot, Together, train_epoch
from fastnn.training.evaluation import evaluate
from fastnn.training.run import Run


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
        together = Together(run, safe) if run.whole(callbacks) else None
        at_once = together is not None and run.unheard(callbacks, history)
        while together is not None and at_once and first < run.epochs and not model.stop_training:
            finished = together.train(first, run.epochs - first, history)
            logs, first = finished[-1] if finished else logs, first + len(finished)
            together.raise_error()
        for epoch in range(first, run.epochs):
            if not model.stop_training:
                callbacks.call("on_epoch_begin", epoch, {})
            if model.stop_training:  # set by a callback before any step
                break
            if together is not None:
                finished = together.train(epoch, 1)
                together.raise_error()
                logs = finished[0]
            else:
                logs = train_epoch(run, callbacks, epoch, safe)
            if run.validates(epoch):
                assert run.validation is not None  # noqa: S101 - validates
                network, size, steps = model.network.averaged(), run.evaluation_batch, run.validation_steps
                results = evaluate(network, run.metrics, run.validation, size, steps, callbacks, epoch, run.validated)
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
