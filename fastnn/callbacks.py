"""Keras' callbacks, with the same names and arguments: who listens to a fit and takes part in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastnn.catalogue import unknown
from fastnn.checks import number, whole
from fastnn.hooks import BATCH_HOOKS, PREDICT_BATCH_HOOKS, TEST_BATCH_HOOKS, Callback, History, Logs
from fastnn.progress import Progress, TqdmProgress, best_progress

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]


class _Monitor(Callback):
    """Base of those that watch one value: its name, and which values are better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name such as 'val_loss', got {monitor!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(unknown("mode", str(mode), ["auto", "min", "max"]))
        self.monitor, self.mode = monitor, mode
        self.min_delta = number("min_delta", min_delta, 0)
        self.sign = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        names = self.params["metrics"]
        if self.monitor not in names:
            message = unknown("monitored value", self.monitor, names)
            if self.monitor.removeprefix("val_") in names:
                message += "; give fit validation_data or validation_split"
            raise ValueError(message)
        self.sign = {"min": -1, "max": 1, "auto": self._guess()}[self.mode]

    def _guess(self) -> int:
        """1 where more is better: what the metric says of itself, else whether its name is that of a score."""
        name = self.monitor.removeprefix("val_")
        for metric in self.model.metrics:
            if metric.name == name:
                if hasattr(metric, "higher_is_better"):
                    return 1 if metric.higher_is_better else -1
                name = type(metric).__name__.lower()
        scores = ("acc", "auc", "precision", "recall", "f1", "f_score", "r2", "iou", "kappa", "matthews")
        return 1 if any(score in name for score in scores) else -1

    def better(self, value: float, than: float | None) -> bool:
        """Whether ``value`` is better by more than min_delta; NaN never is."""
        if than is None:
            return not np.isnan(value)
        return self.sign * (value - than) > self.min_delta


class EarlyStopping(_Monitor):
    """Ends training when a value no longer improves, and gives the model its best weights back.

    monitor: a name of the logs; patience: epochs without improvement by more than min_delta before the end; baseline:
    a value that must be passed for an epoch to count; verbose: 1 prints what happens; mode: "min", "max", or "auto",
    which looks at the name; start_from_epoch: epochs before it are not looked at. restore_best_weights: True by
    default, unlike Keras, and at any end of training, also by the last epoch or by Ctrl-C. The optimizer's state stays.
    With an optimizer that averages weights (use_ema), what is validated and given back is the average.

    After training: ``best``, ``best_epoch``, and ``stopped_epoch`` (0 unless it ended the training).

    >>> stop = EarlyStopping(monitor="val_loss", patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = whole("patience", patience, 0)
        self.start_from_epoch = whole("start_from_epoch", start_from_epoch, 0)
        self.baseline = None if baseline is None else number("baseline", baseline)
        self.verbose, self.restore_best_weights = verbose, restore_best_weights
        self._reset()

    def _reset(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self._weights: NDArray[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is None or epoch < self.start_from_epoch:  # no validation in this epoch
            return
        self.wait += 1
        if self.better(value, self.best):
            if self.restore_best_weights:
                self._weights = self.model.weights_after_fit()
            self.best, self.best_epoch = value, epoch
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self._weights is not None:
            if self.verbose:
                print(f"The weights are those of the end of epoch {self.best_epoch + 1}")
            self.model.arena[0] = self._weights
            self._weights = None


class ModelCheckpoint(_Monitor):
    """Writes the weights to a file after each epoch; a crash while writing leaves the old file whole.

    filepath: a path, in which {epoch:02d} (counted from 1), {val_loss:.2f} and the other names of the logs are filled
    in, with a save_freq in steps {batch} too. save_best_only: only when ``monitor`` is better than ever, and than
    initial_value_threshold. save_weights_only: must be True; whole models have no file format yet. save_freq: "epoch",
    or a number of steps (which makes training slower, and knows no monitor but the running "loss").
    ``Sequential.load_weights`` reads the file.

    >>> checkpoint = ModelCheckpoint("run-{epoch:02d}-{val_loss:.2f}.npz", save_best_only=True)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = True,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if not save_weights_only:
            raise ValueError(
                "whole models cannot be saved to a file yet; use save_weights_only=True, or pickle the model"
            )
        self.filepath = os.fspath(filepath)
        self.save_freq = save_freq if save_freq == "epoch" else whole("save_freq", save_freq, 1)
        self.save_best_only, self.verbose = save_best_only, verbose
        threshold = initial_value_threshold
        self.best = None if threshold is None else number("initial_value_threshold", threshold)
        self._epoch = self._batch = self._steps = 0

    def wants_batches(self) -> bool:
        return self.save_freq != "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
            if self.wants_batches() and self.monitor != "loss":
                raise ValueError(
                    f"ModelCheckpoint: between steps only the running 'loss' is known, not {self.monitor!r}; use"
                    " save_freq='epoch', or monitor='loss'"
                )
        extra = {"batch": 1} if self.wants_batches() else {}
        try:
            self.filepath.format(epoch=1, **extra, **dict.fromkeys(self.params["metrics"], 0.0))
        except KeyError as error:
            known = ["epoch", *extra, *self.params["metrics"]]
            raise ValueError(f"filepath {self.filepath!r}: {unknown('name', error.args[0], known)}") from None
        folder = os.path.dirname(self.filepath) or "."
        if "{" not in folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"ModelCheckpoint: the folder {folder!r} does not exist; make it first")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        self._batch = batch + 1
        if self._steps % int(self.save_freq) == 0:
            self._save(logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _save(self, logs: Logs) -> None:
        value = logs.get(self.monitor)
        if self.save_best_only:
            if value is None or not self.better(value, self.best):
                return
            self.best = value
        known = dict.fromkeys(self.params["metrics"], float("nan")) | logs  # NaN where this epoch was not validated
        path = self.filepath.format(epoch=self._epoch + 1, batch=self._batch, **known)
        self.model.save_weights(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: weights written to {path}")


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch: schedule(epoch, rate) -> rate, epochs counted from 0.

    The history gets the name "learning_rate". verbose: 1 prints the rate.

    >>> halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch and epoch % 10 == 0 else rate)
    """

    adds = ("learning_rate",)

    def __init__(self, schedule: Callable[[int, float], float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of (epoch, rate), got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _rate(self)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = number("the rate that the schedule returned", self.schedule(epoch, _rate(self)), 0)
        _set_rate(self, rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _rate(self)


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by ``factor`` when a value has not improved for ``patience`` epochs.

    cooldown: epochs to wait after that before counting again; min_lr: the least rate; the others as in
    ``EarlyStopping``. The history gets the name "learning_rate".

    >>> plateau = ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=5)
    """

    adds = ("learning_rate",)

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = number("factor", factor, above=0, below=1)
        self.patience, self.cooldown = whole("patience", patience, 0), whole("cooldown", cooldown, 0)
        self.min_lr, self.verbose = number("min_lr", min_lr, 0), verbose
        self.best: float | None = None
        self.wait = self.resting = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        _rate(self)
        self.best = None
        self.wait = self.resting = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        rate = logs["learning_rate"] = _rate(self)
        value = logs.get(self.monitor)
        if value is None:
            return
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.resting:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                rate = max(rate * self.factor, self.min_lr)
                _set_rate(self, rate)
                self.resting, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate {rate:g}")


class CSVLogger(Callback):
    """Writes the logs of each epoch as a line of a CSV file, which is whole on the disk after each epoch.

    filename: a path; separator: between values; append: True goes on with a file that exists, False begins it anew.
    A value that an epoch does not have, such as "val_loss" between two validations, is written as NA.

    >>> logger = CSVLogger("run.csv", append=True)
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: TextIO | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        import csv

        self._names = ["epoch", *dict.fromkeys(self.params["metrics"])]
        old = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        if old:
            with open(self.filename, newline="", encoding="utf-8") as file:
                names = next(csv.reader(file, delimiter=self.separator))
            if names != self._names:
                raise ValueError(f"{self.filename!r} has the columns {names}, expected {self._names}; use another file")
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.writer(self._file, delimiter=self.separator)
        if not old:
            self._write(self._names)

    def _write(self, cells: list[Any]) -> None:
        assert self._file is not None  # noqa: S101 - between begin and end
        self._writer.writerow(cells)
        self._file.flush()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        values = {"epoch": epoch} | (logs or {})
        self._write([values.get(name, "NA") for name in self._names])

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TerminateOnNaN(Callback):
    """Ends training without an error when a loss is not finite; without it, ``fit`` raises DivergenceError.

    The model has then the weights that the error promises, those of the start of the epoch, and ``stop_training`` is
    True. The unfinished epoch leaves nothing in the history. ``error`` holds what would have been raised, or None.

    >>> guard = TerminateOnNaN()
    """

    error: ArithmeticError | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.error = None


class LambdaCallback(Callback):
    """A callback from functions, with the arguments of the methods of the same names.

    >>> show = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    HOOKS = (
        *(f"on_{what}_{end}" for what in ("train", "epoch", "test", "predict") for end in ("begin", "end")),
        *BATCH_HOOKS,
        *TEST_BATCH_HOOKS,
        *PREDICT_BATCH_HOOKS,
    )

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        known = list(self.HOOKS)
        given = {name: function for name, function in functions.items() if function is not None}
        for name, function in given.items():
            if name not in known:
                raise TypeError(f"LambdaCallback: {unknown('method', name, known)}")
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {function!r}")
        self.__dict__.update(given)


class ProgressBar(Callback):
    """A bar for each epoch: by tqdm where it is installed, else a plain one; nothing outside a terminal or notebook.

    >>> bar = ProgressBar()
    """

    def __init__(self) -> None:
        self.display: Progress | TqdmProgress | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.display = best_progress(self.params["epochs"], self.params["samples"])

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.display is not None:
            self.display.begin(epoch)

    def on_slice_end(self, seen: int, logs: Logs | None = None) -> None:
        if self.display is not None:
            self.display.update(seen, (logs or {})["loss"])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.display is not None:
            self.display.end(logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.display is not None:
            self.display.close()


class Verbose(ProgressBar):
    """What fit's argument ``verbose`` shows."""

    def __init__(self, display: Progress) -> None:
        self.display = display

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """The display is there already."""


def _rate(callback: Callback) -> float:
    """The optimizer's learning rate, which must be a number."""
    optimizer = callback.model.optimizer
    assert optimizer is not None  # noqa: S101 - fit refuses before compile
    rate = optimizer.learning_rate
    if callable(rate):
        raise ValueError(
            f"{type(callback).__name__} changes the optimizer's learning_rate, which is a schedule ({rate!r});"
            " compile with a number, or leave one of the two out"
        )
    return float(rate)


def _set_rate(callback: Callback, rate: float) -> None:
    assert callback.model.optimizer is not None  # noqa: S101
    callback.model.optimizer.learning_rate = rate
