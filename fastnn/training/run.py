"""What a fit is asked for, checked: what is fed, what validates, who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fastnn.basics import backend
from fastnn.basics.checks import flag, whole
from fastnn.basics.progress import progress
from fastnn.callbacks.base import Callback, CallbackList, History, check_callbacks, overrides
from fastnn.callbacks.library import ProgressBar, Verbose
from fastnn.data import Door, are_batches
from fastnn.engine.network import Network
from fastnn.metrics import Metric
from fastnn.optimizers import Optimizer
from fastnn.training import pace
from fastnn.training.checkpoints import Checkpoints
from fastnn.training.evaluation import SUMMED, Recorder
from fastnn.training.feeds import BatchFeed, Data, Feed, RowFeed

MOST_ROWS = 1 << 40  # more than any memory holds
EPOCH_HOOKS = ("on_epoch_begin", "on_epoch_end")


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
        self.metrics = metrics = model.metrics
        self.recorded = Recorder(network, metrics) if metrics else None
        rows = self.feed.batch if isinstance(self.feed, RowFeed) else batch
        cost = network.program.cost(rows, self.feed.data.x.filled if isinstance(self.feed, RowFeed) else 1.0)
        if augmentation is not None:
            cost += augmentation.changes(door.shape, 0).cost * rows
        self.slice = max(1, int(pace.SLICE * pace.FIRST_GUESS / cost))  # steps of a call of the engine
        self.team = backend.Team(backend.threads_for(cost))
        self.evaluation_batch = _optional("validation_batch_size", validation_batch_size) or batch
        if validation_data is not None:
            self.validation = _check_validation(network, door, validation_data, self.validation_steps)
        self.validated = Recorder(network, metrics) if metrics and self.validation is not None else None
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
        names = ["loss", *(metric.name for metric in metrics)]
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
            and model.optimizer.settled()
            and not model.network.program.own_loss
            and not any(metric.own for metric in self.metrics)
            and not any(overrides(one, EPOCH_HOOKS) for one in callbacks.all if one is not history)
        )


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
