"""The callbacks themselves: what Keras has, and a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import isclose
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastnn import metrics
from fastnn.basics.attributes import check_attribute
from fastnn.basics.checks import flag, number, unknown, whole
from fastnn.basics.files import remove, write_atomically
from fastnn.basics.progress import Progress, TqdmProgress, best_progress
from fastnn.callbacks.base import BATCH_HOOKS, PREDICT_BATCH_HOOKS, TEST_BATCH_HOOKS, Callback, Logs


class _Own(Callback):
    """Base of the library's callbacks: a misspelt setting is refused."""

    def __setattr__(self, name: str, value: Any) -> None:
        check_attribute(self, name)
        object.__setattr__(self, name, value)


class _Monitor(_Own):
    """Base of those that watch one value: its name, and which values are better."""

    SCORES = ("acc", "auc", "precision", "recall", "f1", "f_score", "r2", "iou", "kappa", "matthews")
    LOSSES = ("loss", "error", "mse", "mae", "deviation", "divergence", "crossentropy")

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name such as 'val_loss', got {monitor!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(unknown("mode", str(mode), ["auto", "min", "max"]))
        self.monitor, self.mode = monitor, mode
        self.key = monitor  # the name that the logs have for it, which may be an alias
        self.min_delta = number("min_delta", min_delta, 0)
        self.sign = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        names = self.params["metrics"]
        self.key = next((one for one in names if _same(one, self.monitor)), self.monitor)
        self.key = self.monitor if self.monitor in names else self.key
        if self.key not in names:
            message = unknown("monitored value", self.monitor, names)
            if any(_same("val_" + one, self.monitor) for one in names):
                message += "; give fit validation_data or validation_split"
            message += ". A callback that puts more into the logs says their names in its attribute 'adds'"
            raise ValueError(message)
        self.sign = {"min": -1, "max": 1}.get(self.mode) or self._guess()

    def _guess(self) -> int:
        """1 where more is better, -1 where less is: what the metric says of itself, else what its name tells."""
        name = self.key.removeprefix("val_").lower()
        for metric in self.model.metrics:
            if metric.name == self.key.removeprefix("val_"):
                if hasattr(metric, "higher_is_better"):
                    return 1 if metric.higher_is_better else -1
                name += " " + type(metric).__name__.lower()
        if any(score in name for score in self.SCORES):
            return 1
        if any(loss in name for loss in self.LOSSES):
            return -1
        raise ValueError(
            f"{type(self).__name__} cannot tell whether more or less of {self.monitor!r} is better; say mode='max' or"
            " mode='min'"
        )

    def value(self, logs: Logs | None) -> float | None:
        """The monitored value of this epoch; None where it has none, such as "val_loss" between two validations."""
        found = (logs or {}).get(self.key)
        if found is None:
            return None
        if isinstance(found, np.ndarray) and found.size == 1:
            found = found.item()
        if not isinstance(found, (int, float, np.number, np.bool_)):
            raise TypeError(f"{type(self).__name__} needs a number for {self.monitor!r}, but the logs hold {found!r}")
        return float(found)

    def better(self, value: float, than: float | None) -> bool:
        """Whether ``value`` is better by more than min_delta; NaN never is."""
        if than is None:
            return not np.isnan(value)
        least = value - self.sign * self.min_delta
        # Keras compares in float32: from 0.8 to 0.7 is not more than 0.1, however their difference is rounded.
        return self.sign * least > self.sign * than and not isclose(least, than, rel_tol=1e-15)


class EarlyStopping(_Monitor):
    """Ends training when a value no longer improves, and gives the model its best weights back.

    monitor: a name of the logs; patience: epochs without improvement by more than min_delta before the end; verbose: 1
    prints what happens; mode: "min", "max", or "auto", which looks at the name and refuses where that tells nothing;
    start_from_epoch: epochs before it are not looked at. baseline: a value to pass; until an epoch passes it, no epoch
    counts as an improvement, so training ends after ``patience`` epochs that stay behind it. restore_best_weights: True
    by default, unlike Keras, and at any end of training, also by the last epoch or by Ctrl-C. The optimizer's state
    stays. With an optimizer that averages weights (use_ema), what is validated and given back is the average. A value
    that is NaN is no improvement; in Keras, a first value of NaN can never be improved.

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
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.better(value, self.best):
            if self.restore_best_weights:
                self._weights = self.model.network.weights_after_fit()
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
            self.model.network.arena[0] = self._weights
            self._weights = None


class _Samples(dict[str, Any]):
    """A number for any name in a path, and which names were asked for."""

    def __missing__(self, name: str) -> float:
        return self.setdefault(name, 1 if name in ("epoch", "batch") else 0.5)


class ModelCheckpoint(_Monitor):
    """Writes the model to a file after each epoch; a crash while writing leaves the old file whole.

    filepath: a path, in which {epoch:02d} (counted from 1), {val_loss:.2f} and the other names of the logs are filled
    in; with a save_freq in steps {epoch}, {batch} and {loss}. Its folder is made where it is missing.
    save_best_only: only when ``monitor`` is better than ever, and than initial_value_threshold; an epoch without the
    value writes nothing. Further fits of the same model go on with the best so far; those of another, or after
    ``compile``, begin anew. save_weights_only: the weights alone, for ``Sequential.load_weights``; else the whole
    model, for ``fastnn.load``. save_freq: "epoch", or a number of steps (which makes training slower, and knows no
    monitor but the running "loss"). keep: only so many of the newest files of this fit stay; None: all. Not in Keras.

    >>> checkpoint = ModelCheckpoint("run-{epoch:02d}-{val_loss:.2f}.fastnn", save_best_only=True, keep=3)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        *,
        keep: int | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.save_weights_only = flag("save_weights_only", save_weights_only)
        self.keep = None if keep is None else whole("keep", keep, 1)
        self.filepath = os.fspath(filepath)
        self.save_freq = save_freq if save_freq == "epoch" else whole("save_freq", save_freq, 1)
        self.save_best_only, self.verbose = save_best_only, verbose
        threshold = initial_value_threshold
        self.initial_value_threshold = None if threshold is None else number("initial_value_threshold", threshold)
        if save_best_only and self.wants_batches() and monitor != "loss":
            raise ValueError(
                f"ModelCheckpoint: between steps only the running 'loss' is known, not {monitor!r}; use"
                " save_freq='epoch', or monitor='loss'"
            )
        self._names = self._names_to_fill_in()
        self.files: list[str] = []
        self._begin_anew()

    def _names_to_fill_in(self) -> list[str]:
        """The names in the path; refuses what can never be filled in."""
        used = _Samples()
        try:
            self.filepath.format_map(used)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise ValueError(
                f"filepath {self.filepath!r} cannot be filled in: {error}; write names of the logs such as"
                " {epoch:02d} or {val_loss:.2f}, and {{ for a brace"
            ) from None
        if self.wants_batches():
            lost, when = used.keys() - {"epoch", "batch", "loss"}, "between steps"
        else:
            lost, when = used.keys() & {"batch"}, "with save_freq='epoch'"
        if lost:
            raise ValueError(f"filepath {self.filepath!r}: {min(lost)!r} is not known {when}; leave it out")
        return list(used)

    def _begin_anew(self) -> None:
        self.best = self.initial_value_threshold
        self._epoch = self._batch = self._steps = 0

    def set_model(self, model: Any) -> None:
        if getattr(self, "model", None) is not model:
            self._begin_anew()
        super().set_model(model)

    def wants_batches(self) -> bool:
        return self.save_freq != "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.files = []
        if self.model.iterations == 0:
            self._begin_anew()
        if self.save_best_only:
            super().on_train_begin(logs)
        known = ["epoch", "batch", *self.params["metrics"]]
        for name in self._names:
            if name not in known:
                raise ValueError(f"filepath {self.filepath!r}: {unknown('name', name, known)}")
        folder = os.path.dirname(self.filepath) or "."
        if "{" not in folder and not os.path.isdir(folder):
            os.makedirs(folder)
        if os.path.isdir(self.filepath):
            raise IsADirectoryError(f"ModelCheckpoint: {self.filepath!r} is a folder; give the path of a file")
        if not self.save_weights_only:
            self._check_model()

    def _check_model(self) -> None:
        """Refuses a model that no file can hold, before it is trained for hours."""
        try:
            self.model.describe()
        except TypeError as error:
            raise TypeError(f"ModelCheckpoint: {error}; or use save_weights_only=True") from None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        self._batch = batch + 1
        if self.save_freq != "epoch" and self._steps % int(self.save_freq) == 0:
            self._save(logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _save(self, logs: Logs) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.better(value, self.best):
                return
            self.best = value
        found = logs | {"epoch": self._epoch + 1, "batch": self._batch}
        values = {name: found.get(name, float("nan")) for name in self._names}  # NaN where there was no validation
        try:
            path = self.filepath.format_map(values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"filepath {self.filepath!r} cannot be filled in with {values}: {error}") from None
        if "{" in os.path.dirname(self.filepath):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self.files = [*(one for one in self.files if one != path), path]
        while self.keep is not None and len(self.files) > self.keep:
            remove(self.files.pop(0))
        if self.verbose:
            what = "weights" if self.save_weights_only else "model"
            print(f"Epoch {self._epoch + 1}: {what} written to {path}")


class BackupAndRestore(_Own):
    """Checkpoints of a fit in a folder, from which the same call goes on after a crash, with the same bits.

    The same as ``fit(..., checkpoint_dir=backup_dir, resume=True)``, which explains it. save_freq: "epoch", or also
    after so many steps; save_seconds: within an epoch, so often. double_checkpoint: for Keras' sake; the last three
    stay anyway, and one that is damaged is passed over. delete_checkpoint: the folder is emptied at the end of the fit,
    as in Keras; where it is not, a further fit goes on from there.

    >>> backup = BackupAndRestore("backup")
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        save_seconds: float = 60.0,
    ) -> None:
        flag("double_checkpoint", double_checkpoint)
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq if save_freq == "epoch" else whole("save_freq", save_freq, 1)
        self.delete_checkpoint = flag("delete_checkpoint", delete_checkpoint)
        self.save_seconds = number("save_seconds", save_seconds, 0)


class LearningRateScheduler(_Own):
    """Sets the learning rate of each epoch: schedule(epoch, rate) -> rate, epochs counted from 0, or schedule(epoch).

    The history gets the name "learning_rate". verbose: 1 prints the rate.

    >>> halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch and epoch % 10 == 0 else rate)
    """

    adds = ("learning_rate",)

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of (epoch, rate), got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose
        self._takes_rate = _takes_two(schedule)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        _rate(self)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        present = _rate(self)
        found = self.schedule(epoch, present) if self._takes_rate else self.schedule(epoch)
        rate = number("the rate that the schedule returned", found, 0)
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
        value = self.value(logs)
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


class CSVLogger(_Own):
    """Writes the logs of each epoch as a line of a CSV file, which is whole on the disk after each epoch.

    filename: a path; separator: between values; append: True goes on with a file that exists, False begins it anew.
    The columns are "epoch" and the names of the logs, what other callbacks add to them included, wherever they stand in
    the list. A value that an epoch does not have, such as "val_loss" between two validations, is written as NA. A name
    that is new gets a column at the end, and the file is written again.

    >>> logger = CSVLogger("run.csv", append=True)
    """

    records = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"CSVLogger: separator must be one character such as ',' or ';', got {separator!r}")
        self.filename, self.separator = os.fspath(filename), separator
        self.append = flag("CSVLogger: append", append)
        self._file: TextIO | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.files = [self.filename]
        old = self._read() if self.append or self.params.get("resumed") else []
        if old and old[0][:1] != ["epoch"]:
            raise ValueError(
                f"{self.filename!r} has the columns {old[0]}, expected 'epoch' as the first with the separator"
                f" {self.separator!r}; use another file"
            )
        self._names = old[0] if old else []
        if not old:
            open(self.filename, "w", encoding="utf-8").close()
        self._add_columns(["epoch", *self.params["metrics"]])

    def get_state(self) -> dict[str, Any]:
        """How many lines there are, and their columns."""
        return {"lines": len(self._read()), "names": list(self._names)}

    def set_state(self, state: dict[str, Any]) -> None:
        """The lines of the epochs that were, which a fit that was killed has written."""
        self._close()
        rows = [row[: len(state["names"])] for row in self._read()[: state["lines"]]]
        if len(rows) < state["lines"]:
            raise ValueError(f"{self.filename!r} has lost lines: {len(rows)} of {state['lines']} are there")
        if rows:
            self._write(rows)
        self._names = list(state["names"])
        self._add_columns(["epoch", *self.params["metrics"]])

    def _write(self, rows: list[list[Any]]) -> None:
        """The whole file anew."""
        import csv
        import io

        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.separator).writerows(rows)
        if os.path.isfile(self.filename):
            write_atomically(os.path.realpath(self.filename), lambda file: file.write(text.getvalue().encode()))
            return
        with open(self.filename, "w", newline="", encoding="utf-8") as file:  # a pipe or a device
            file.write(text.getvalue())

    def _read(self) -> list[list[str]]:
        import csv

        if not os.path.isfile(self.filename):
            return []
        with open(self.filename, newline="", encoding="utf-8") as file:
            return [row for row in csv.reader(file, delimiter=self.separator) if row]

    def _add_columns(self, names: Iterable[str]) -> None:
        """Opens the file with these columns too; lines that stand there already have NA in new ones."""
        new = [name for name in dict.fromkeys(names) if name not in self._names]
        self._close()
        if new:
            rows = self._read()[1:]
            self._names = [*self._names, *new]
            self._write([self._names, *(row + ["NA"] * (len(self._names) - len(row)) for row in rows)])
        self._file = open(self.filename, "a", newline="", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import csv

        values = {"epoch": epoch} | (logs or {})
        if not values.keys() <= set(self._names):
            self._add_columns(values)
        assert self._file is not None  # noqa: S101 - between begin and end
        cells = [_cell(values.get(name, "NA")) for name in self._names]
        csv.writer(self._file, delimiter=self.separator).writerow(cells)
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value: Any) -> Any:
    """Several numbers, such as an array, on one line: [1, 2]."""
    listed = value.tolist() if hasattr(value, "tolist") else value
    return f"[{', '.join(map(str, listed))}]" if isinstance(listed, (list, tuple)) else listed


class TerminateOnNaN(_Own):
    """Ends training without an error when a loss is not finite; without it, ``fit`` raises DivergenceError.

    The model has then the weights that the error promises, those of the start of the epoch, and ``stop_training`` is
    True. The unfinished epoch leaves nothing in the history. ``error`` holds what would have been raised, or None.
    raise_error: True raises it after all, as without the callback.

    >>> guard = TerminateOnNaN()
    """

    raise_error = False
    error: ArithmeticError | None = None

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = flag("raise_error", raise_error)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.error = None


class LambdaCallback(_Own):
    """A callback from functions, with the arguments of the methods of the same names.

    >>> show = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    HOOKS = (
        *(f"on_{what}_{end}" for what in ("train", "epoch", "test", "predict") for end in ("begin", "end")),
        *BATCH_HOOKS,
        *TEST_BATCH_HOOKS,
        *PREDICT_BATCH_HOOKS,
    )

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **functions: Callable[..., Any] | None,
    ) -> None:
        known = list(self.HOOKS)
        functions |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        given = {name: function for name, function in functions.items() if function is not None}
        for name, function in given.items():
            if name not in known:
                raise TypeError(f"LambdaCallback: {unknown('method', name, known)}")
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {function!r}")
        self.__dict__.update(given)


class ProgressBar(_Own):
    """A bar for each epoch: by tqdm where it is installed, else a plain one; nothing outside a terminal or notebook.

    >>> bar = ProgressBar()
    """

    records = True

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


def _takes_two(schedule: Any) -> bool:
    """Whether a schedule takes (epoch, rate) rather than (epoch) alone."""
    import inspect

    own = inspect.isfunction(type(schedule).__call__)  # a class of Python: the signature is that of its method
    try:
        signature = inspect.signature(schedule.__call__ if own else schedule)
    except (TypeError, ValueError):  # some functions of C have none
        return True
    for arguments in ((0, 0.0), (0,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise TypeError(f"schedule must be a function of (epoch, rate) or of (epoch), got {schedule!r}{signature}")


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


def _same(name: str, monitor: str) -> bool:
    """Whether two names of the logs mean the same metric, such as "val_acc" and "val_accuracy"."""
    one, other = (given.removeprefix("val_").lower() for given in (name, monitor))
    alike = metrics.ALIASES.get(one, one) == metrics.ALIASES.get(other, other)
    return alike and name.startswith("val_") == monitor.startswith("val_")
