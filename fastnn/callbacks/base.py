"""What a fit calls while it runs: the base of all callbacks, the list of those of one fit, and its history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastnn.basics.progress import logs_text

Logs = dict[str, Any]  # numbers, and whatever a callback puts into them
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


class Callback:
    """Base of all callbacks: methods that ``fit`` calls, and that do nothing unless overridden.

    ``self.model`` is the model in training and ``self.params`` a dict with "epochs", "steps", "verbose" and "metrics",
    the names that the logs of an epoch may hold. ``model.stop_training = True`` ends the training. ``on_train_end`` is
    called at any end, an error or Ctrl-C included. Overriding a method that is called for each batch makes training
    slower: the engine then returns to Python after each step.

    adds: names that the callback itself puts into the logs, so that others may monitor them. The callbacks are called
    in the order of the list; at the end of an epoch, first those that say what they add, and last those that record the
    logs, as ``CSVLogger`` does (``records``). files: paths of what it has written since the training began;
    ``fit_best_of`` leaves those of the best start.

    >>> import fastnn
    >>> class Stop(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = epoch >= 2
    >>> model = fastnn.Sequential([fastnn.layers.Input(1), fastnn.layers.Dense(1)], rng=0)
    >>> model.compile("sgd", "mse")
    >>> model.fit([[0.0], [1.0]], [1.0, 3.0], epochs=100, callbacks=[Stop()]).epoch
    [0, 1, 2]
    """

    adds: tuple[str, ...] = ()
    records = False
    files: Sequence[str] = ()
    model: Any  # the Sequential in training
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch, after all arguments were checked."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, whatever ended the training; logs of the last finished epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before epoch number ``epoch``, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; what is put into ``logs`` goes into the history."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The same as ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The same as ``on_train_batch_end``."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each step; logs: the mean "loss" of the samples of this epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation; logs: its results."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After each batch of an evaluation; logs: the mean "loss" so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After each batch of a prediction; logs: its "outputs"."""

    def on_slice_end(self, seen: int, logs: Logs | None = None) -> None:
        """About every 50 ms, after ``seen`` samples of the epoch; logs: their mean "loss". Not in Keras; cheap."""

    def get_state(self) -> dict[str, Any]:
        """What the callback must know again where a fit goes on from a checkpoint: its plain values, such as numbers,
        texts, arrays, and lists of these; of the library's callbacks not the constructor's arguments. Not in Keras."""
        from fastnn.description import is_plain

        library = next(one for one in type(self).__mro__ if one.__module__.startswith("fastnn."))
        code = getattr(library.__init__, "__code__", None)  # type: ignore[misc]
        settings = () if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        left_out = {"model", "params", *settings}
        return {name: value for name, value in vars(self).items() if name not in left_out and is_plain(value)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes back what ``get_state`` returned; called after ``on_train_begin``, and after an ``on_epoch_begin``."""
        vars(self).update(state)

    def wants_batches(self) -> bool:
        """Whether a method for the batches of training must be called."""
        return overrides(self, BATCH_HOOKS)


def overrides(callback: Callback, hooks: tuple[str, ...]) -> bool:
    """Whether a callback does something at one of the hooks."""
    own, kind = vars(callback), type(callback)
    return any([hook in own or getattr(kind, hook) is not getattr(Callback, hook) for hook in hooks])


class CallbackList:
    """All callbacks of a fit, called one after another; see ``Callback`` for the order at the end of an epoch."""

    def __init__(self, callbacks: list[Callback], model: Any, params: dict[str, Any]) -> None:
        self.all = callbacks
        self.model = model
        self.batchwise = [callback for callback in callbacks if callback.wants_batches()]
        self.slicewise = [one for one in callbacks if overrides(one, ("on_slice_end",))]
        self.test_batchwise = [one for one in callbacks if overrides(one, TEST_BATCH_HOOKS)]
        self.predict_batchwise = [one for one in callbacks if overrides(one, PREDICT_BATCH_HOOKS)]
        self.begun: list[Callback] = []
        self.listeners: dict[str, list[Callback]] = {}  # of each hook, once it has been called
        params["metrics"] += [name for callback in callbacks for name in callback.adds]
        for callback in callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def call(self, hook: str, *arguments: Any) -> None:
        """Calls a method of all."""
        if hook == "on_train_begin":
            for callback in self.all:
                self.begun.append(callback)
                callback.on_train_begin(*arguments)
            return
        for callback in self._listeners(hook):
            getattr(callback, hook)(*arguments)

    def _listeners(self, hook: str) -> list[Callback]:
        """Those that do something at a hook, in the order in which they are called."""
        listed = self.listeners.get(hook)
        if listed is None:
            listed = [callback for callback in self.all if overrides(callback, (hook,))]
            if hook == "on_epoch_end":
                listed.sort(key=lambda one: (one.records, not one.adds))
            self.listeners[hook] = listed
        return listed

    def end(self, logs: Logs, failed: bool = False) -> None:
        """Calls ``on_train_end`` of all that have begun, the last first, also of those after one that fails.

        failed: whether training ended with an error, which the caller raises; one of theirs is raised only without it.
        """
        error = None
        while self.begun:  # a display closes its line before others print
            try:
                self.begun.pop().on_train_end(logs)
            except BaseException as one:
                error = error or one
        if error is not None and not failed:
            raise error


def check_callbacks(callbacks: Any) -> list[Callback]:
    """callbacks as a list."""
    if callbacks is None:
        return []
    listed = [callbacks] if isinstance(callbacks, Callback) else callbacks
    if not isinstance(listed, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
    listed = list(listed)
    for callback in listed:
        if not isinstance(callback, Callback):
            hint = "; write it with parentheses" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks must be objects of fastnn.callbacks.Callback, got {callback!r}{hint}")
        if sum(callback is other for other in listed) > 1:  # it would count each epoch twice
            raise ValueError(
                f"callbacks must be different objects, got one {type(callback).__name__} more than once; make another"
            )
    return listed


class History(Callback):
    """What ``fit`` returns. It keeps no model, so it stays small and pickles.

    history: name -> values, one for each epoch that had one; epoch: the finished epochs, counted from 0; epochs_of:
    name -> the epochs of its values, which are fewer with ``validation_freq``; params: see ``Callback``.
    """

    records = True

    def __init__(self) -> None:
        self.params = {}
        self.on_train_begin()

    def set_model(self, model: Any) -> None:
        """Keeps no model: a history is small."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.epochs_of: dict[str, list[int]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.append(epoch, logs or {})

    def get_state(self) -> dict[str, Any]:
        """Long lists of numbers as arrays."""
        return {
            "epoch": np.array(self.epoch, dtype=np.int64),
            "history": {name: _packed(values) for name, values in self.history.items()},
            "epochs_of": {name: np.array(epochs, dtype=np.int64) for name, epochs in self.epochs_of.items()},
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"].tolist()
        self.history = {name: _unpacked(values) for name, values in state["history"].items()}
        self.epochs_of = {name: epochs.tolist() for name, epochs in state["epochs_of"].items()}

    def append(self, epoch: int, logs: Logs) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
            self.epochs_of.setdefault(name, []).append(epoch)

    def extend(self, place: int, first: int, logs: list[Logs]) -> None:
        """Several epochs from number ``first`` on, all with the same names, behind ``place`` that are there; asked
        again, the same."""
        epochs = range(first, first + len(logs))
        self.epoch[place:] = epochs
        for name in logs[0] if logs else ():
            self.history.setdefault(name, [])[place:] = [values[name] for values in logs]
            self.epochs_of.setdefault(name, [])[place:] = epochs

    def __repr__(self) -> str:
        last = logs_text({name: values[-1] for name, values in self.history.items()}, ", ")
        return f"<History of {len(self.epoch)} epochs; {last}>"


def _packed(values: list[Any]) -> Any:
    """An array where all are floats; else the values that are plain."""
    from fastnn.description import is_plain

    if all(type(value) is float for value in values):
        return np.array(values)
    return [value if is_plain(value) else None for value in values]


def _unpacked(values: Any) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values
