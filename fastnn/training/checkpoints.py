"""What a fit writes so that, killed at any moment and started again, it ends with the bits of one never interrupted.

A checkpoint is one file: all weights and the optimizer's state, the position in the order of the samples, sums and
metrics of the epoch so far, the history, and what the callbacks remember. Random numbers need no state: they are a
function of the seed and of the steps and epochs so far. The user's own objects are not written: the same call makes
them again.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from fastnn.basics.checks import flag, number, whole
from fastnn.basics.files import remove_parts
from fastnn.basics.settings import Settings
from fastnn.basics.version import __version__
from fastnn.callbacks.base import Callback, Logs
from fastnn.callbacks.library import BackupAndRestore
from fastnn.training.feeds import BatchFeed, Data, Feed

FORMAT = 1
ENDING = ".fastnn"
SELDOM = 1.0  # seconds: of epochs that are shorter, not each ends with a checkpoint

State = dict[str, Any]


class Checkpointed(Protocol):
    """The part of a ``fastnn.training.run.Run`` that checkpoints write and restore."""

    model: Any
    feed: Feed
    validation: Data | BatchFeed | None
    initial_epoch: int
    callbacks: list[Callback]


class Checkpoints:
    """The checkpoints of a fit in a folder of their own.

    resume: goes on from the newest one there; else there must be none. save_seconds: how often one is written within an
    epoch; save_steps: or after how many steps. keep: so many of the newest stay. delete: none stays after a fit that
    has come to its end.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        resume: bool,
        save_seconds: float,
        save_steps: int | None = None,
        keep: int = 3,
        delete: bool = False,
    ) -> None:
        self.folder, self.resumes = os.fspath(folder), flag("fit: resume", resume)
        self.save_seconds = number("fit: save_seconds", save_seconds, 0)
        self.save_steps, self.keep, self.delete = save_steps, whole("fit: keep", keep, 1), delete

    @staticmethod
    def of(callbacks: Sequence[Callback], folder: Any, resume: bool, save_seconds: float) -> Checkpoints | None:
        """Those that ``fit`` is asked for, by its arguments or by a ``BackupAndRestore``; None where it is not."""
        backups = [one for one in callbacks if isinstance(one, BackupAndRestore)]
        if len(backups) + (folder is not None) > 1:
            raise ValueError("one fit writes one row of checkpoints; give checkpoint_dir or one BackupAndRestore")
        if backups:
            one = backups[0]
            steps = None if one.save_freq == "epoch" else int(one.save_freq)
            return Checkpoints(one.backup_dir, True, one.save_seconds, steps, delete=one.delete_checkpoint)
        if folder is None:
            if resume:
                raise ValueError("resume=True needs checkpoint_dir, the folder of the checkpoints to go on from")
            return None
        return Checkpoints(folder, resume, save_seconds)

    # -- going on ------------------------------------------------------------------------------------------------------

    def begin(self, run: Checkpointed) -> tuple[int, Logs]:
        """Puts all back as the newest checkpoint says. Returns the next epoch, and the logs of the one before."""
        os.makedirs(self.folder, exist_ok=True)
        remove_parts(self.folder)
        names = self.files()
        if names and not self.resumes:
            raise ValueError(
                f"{self.folder!r} holds checkpoints of an earlier fit, such as {names[-1]!r}; pass resume=True to go on"
                " from them, or another folder"
            )
        self.state: State | None = None
        self.arrays: dict[str, Any] = {}
        for name in reversed(names):
            path = os.path.join(self.folder, name)
            try:
                self.state, self.arrays = _read(path)
            except (ValueError, OSError) as error:
                warnings.warn(f"{error}; the checkpoint before it is used", RuntimeWarning, stacklevel=2)
                continue
            _compare(path, self.state["fit"], fingerprint(run))
            break
        self._written(run)
        if self.state is None:
            return run.initial_epoch, {}
        self._restore(run, self.state)
        run.feed.set_state(self.state["feed"])
        if isinstance(run.validation, BatchFeed):
            run.validation.set_state(self.state["validation"])
        return self.state["epoch"], self.state["logs"]

    def enter(self, run: Checkpointed) -> State | None:
        """After ``on_epoch_begin``: what the epoch has done already, where it is one that was interrupted."""
        state, self.state = self.state, None
        inside = None if state is None else state["inside"]
        if state is not None and inside is not None:
            self._restore(run, state)  # what on_epoch_begin has changed was changed then too
            run.model.network.epochs = inside["epochs"]  # the order is made again
        self.arrays = {}
        self.feed, self.epochs = run.feed.get_state(), run.model.network.epochs
        return inside

    def _restore(self, run: Checkpointed, state: State) -> None:
        """Weights, counters, settings and what callbacks remember."""
        from fastnn.engine import tensors

        model, network = run.model, run.model.network
        tensors.check_arrays(network.program, model.layer_names, self.arrays)
        tensors.restore(network, model.layer_names, self.arrays)
        network.seed, network.epochs, network.iterations = state["seed"], state["epochs"], state["iterations"]
        set_settings(model.optimizer, state["optimizer"])
        for callback, own in zip(_listeners(run), state["callbacks"], strict=True):
            callback.set_state(own)
        model.stop_training = state["stop_training"]

    def resuming(self) -> bool:
        """Whether there is something to go on from."""
        return self.resumes and os.path.isdir(self.folder) and bool(self.files())

    def files(self) -> list[str]:
        """The names of the checkpoints in the folder, the newest last."""
        return sorted(name for name in os.listdir(self.folder) if name.endswith(ENDING) and name[:9].isdigit())

    # -- writing -------------------------------------------------------------------------------------------------------

    def step(self, run: Checkpointed, epoch: Any) -> None:
        """Within an epoch, after each call of the engine."""
        steps = run.model.network.iterations - self.last
        if time.monotonic() - self.when >= self.save_seconds or (self.save_steps and steps >= self.save_steps):
            inside = epoch.get_state() | {"epochs": self.epochs}
            self._write(run, epoch.epoch, {}, self.feed, inside)

    def end_epoch(self, run: Checkpointed, epoch: int, logs: Logs, last: bool) -> None:
        """After an epoch; last: there is no further one."""
        if last or time.monotonic() - self.when >= min(SELDOM, self.save_seconds):
            self._write(run, epoch + 1, logs, run.feed.get_state(), None)

    def end(self) -> None:
        """After a fit that has come to its end."""
        for name in self.files() if self.delete else []:
            os.unlink(os.path.join(self.folder, name))

    def _write(self, run: Checkpointed, epoch: int, logs: Logs, feed: State, inside: State | None) -> None:
        from fastnn.basics import container
        from fastnn.description import Arrays, encode, is_plain
        from fastnn.engine import tensors

        model, network, arrays = run.model, run.model.network, Arrays("state")
        state = {
            "fit": fingerprint(run),
            "epoch": epoch,
            "logs": {name: value for name, value in logs.items() if is_plain(value)},
            "inside": inside,
            "feed": feed,
            "validation": run.validation.get_state() if isinstance(run.validation, BatchFeed) else None,
            "seed": network.seed,
            "epochs": network.epochs,
            "iterations": network.iterations,
            "optimizer": get_settings(model.optimizer),
            "callbacks": [callback.get_state() for callback in _listeners(run)],
            "stop_training": bool(model.stop_training),
        }
        description = {"kind": "checkpoint", "format": FORMAT, "fastnn": __version__}
        description["state"] = encode(state, arrays, "the state of the training")
        path = os.path.join(self.folder, f"{epoch:09d}-{network.iterations:012d}{ENDING}")
        container.write(path, tensors.network_arrays(network, model.layer_names) | arrays, description)
        self._written(run)
        for old in self.files()[: -self.keep]:
            os.unlink(os.path.join(self.folder, old))

    def _written(self, run: Checkpointed) -> None:
        self.when, self.last = time.monotonic(), run.model.network.iterations


def _listeners(run: Checkpointed) -> list[Callback]:
    """Who remembers something: not the displays."""
    return [*run.callbacks, run.model.history]


def _read(path: str) -> tuple[State, dict[str, Any]]:
    from fastnn.basics import container
    from fastnn.description import decode

    arrays, description = container.read(path)
    if description is None or description.get("kind") != "checkpoint" or description.get("format") != FORMAT:
        raise ValueError(f"{path!r} is no checkpoint that this version of fastnn can read")
    return decode(description["state"], arrays), arrays


def _compare(path: str, then: State, now: State) -> None:
    for name, value in now.items():
        if then.get(name) != value:
            raise ValueError(
                f"{path!r} is of another fit: its {name} was {then.get(name)!r}, now it is {value!r}; call fit with the"
                " same model, data and callbacks as then, or use another folder"
            )


def fingerprint(run: Checkpointed) -> State:
    """What must be the same in a fit that goes on from a checkpoint."""
    from fastnn.engine import tensors

    network, feed = run.model.network, run.feed
    names = tensors.weight_names(network.program, run.model.layer_names)
    return {
        "weights": [f"{name} {shape}" for name, shape in zip(names, tensors.shapes(network.program), strict=True)],
        "dtype": network.dtype.name,
        "engine": network.engine_name,
        "loss": network.program.loss_object.name,
        "optimizer": type(network.program.optimizer_object).__name__,
        "callbacks": [type(one).__name__ for one in run.callbacks],
        "samples": feed.samples,
        "batch size": None if isinstance(feed, BatchFeed) else feed.batch,
        "initial epoch": run.initial_epoch,
    }


def get_settings(settings: Settings) -> State:
    """The plain values of an object of settings, and those of such objects within it: a schedule follows the loss."""
    from fastnn.description import is_plain

    inner = {name: get_settings(value) for name, value in vars(settings).items() if isinstance(value, Settings)}
    return {"values": {name: value for name, value in vars(settings).items() if is_plain(value)}, "inner": inner}


def set_settings(settings: Settings, state: State) -> None:
    """What ``get_settings`` returned, into an object of the same settings."""
    for name, value in state["values"].items():
        object.__setattr__(settings, name, value)
    for name, inner in state["inner"].items():
        set_settings(getattr(settings, name), inner)
