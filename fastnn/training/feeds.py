"""What training is fed with: checked arrays in the order of each epoch, or batches that come one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.data import Door, check_indices, check_rows, read_once, split_rows
from fastnn.engine.network import Network
from fastnn.engine.source import Source

if TYPE_CHECKING:
    from fastnn.augmentation import ImageAugmentation

SPLIT_STREAM = 1 << 63  # of the counter-based generator; the epochs have 1, 2, ...


class Data:
    """Checked samples: x and y as the engine reads them, weights, and which rows count (None: all)."""

    def __init__(
        self, x: Source, y: Source, sample_weight: NDArray[Any] | None, rows: NDArray[np.int64] | None = None
    ) -> None:
        self.x, self.y, self.sample_weight, self.rows = x, y, sample_weight, rows

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    @staticmethod
    def check(
        door: Door,
        x: Any,
        y: Any,
        sample_weight: Any,
        names: tuple[str, str, str] = ("X", "y", "sample_weight"),
    ) -> Data:
        """From the user's arrays, or an error that names them."""
        source = door.features(x, names[0])
        check_rows(source, names[0])
        target = door.targets(y, names[1])
        check_rows(source, names[0], target, names[1])
        return Data(source, target, door.sample_weight(sample_weight, len(source), names[2]))

    def weighted(self, door: Door, class_weight: Any) -> Data:
        """The same samples, each weight multiplied by the factor of its class."""
        if class_weight is None:
            return self
        factors = door.class_factors(class_weight, self.y)
        if self.sample_weight is not None:
            factors = factors * self.sample_weight
        return Data(self.x, self.y, factors, self.rows)

    def take(self, rows: NDArray[np.int64]) -> Data:
        """A copy of some rows."""
        factors = None if self.sample_weight is None else self.sample_weight[rows]
        return Data(self.x.chosen(rows), Source(self.y.array[rows]), factors)

    def split(self, door: Door, network: Network, share: Any) -> tuple[Data, Data]:
        """Training and validation data over the same arrays, by a random order that the seed alone decides."""
        parts = split_rows(share, network.permutation(SPLIT_STREAM, len(self)), door.strata(self.y))
        train, held = (Data(self.x, self.y, self.sample_weight, rows) for rows in parts)
        return train, held


class _Orders:
    """Orders of n things: a fresh one for each epoch, or the next ``count`` of an endless row of such passes."""

    def __init__(self, network: Network, shuffle: bool, count: int | None) -> None:
        self.network, self.shuffle, self.count = network, shuffle, count
        self.n = 0
        self.rest = np.empty(0, dtype=np.int64)

    def next(self, n: int) -> NDArray[np.int64]:
        if self.count is None:
            return self.network.next_order(n, self.shuffle)
        order = np.empty(self.count, dtype=np.int64)  # or a MemoryError
        if n != self.n:  # the rest of a pass over another number is void
            self.n, self.rest = n, self.rest[:0]
        filled = 0
        while filled < self.count:
            if not len(self.rest):
                self.rest = self.network.next_order(n, self.shuffle)
            part, self.rest = np.split(self.rest, [self.count - filled])
            order[filled : filled + len(part)] = part
            filled += len(part)
        return order

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the rest of the present pass."""
        return {"n": self.n, "rest": self.rest}

    def set_state(self, state: dict[str, Any]) -> None:
        self.n, self.rest = state["n"], state["rest"]


def augmented(batch: Data, augmentation: ImageAugmentation, network: Network, step: int, first: int) -> Data:
    """A changed copy of a batch, whose first sample is number ``first`` of the epoch that began at ``step``."""
    x, y, factors = augmentation.apply(
        batch.x.take(slice(None)).astype(network.dtype),
        batch.y.array.astype(network.dtype) if augmentation.mixup else batch.y.array,
        batch.sample_weight,
        network.seed,
        step,
        first,
        network.program.width,
    )
    return Data(Source(x), batch.y if y is batch.y.array else Source(y), factors)


class RowFeed:
    """Rows of arrays, in a new order for each epoch.

    batch: samples of a step; steps: batches of an epoch, or None for one pass; sampler: see ``Sequential.fit``.
    """

    def __init__(
        self,
        network: Network,
        data: Data,
        batch: int,
        shuffle: bool = True,
        steps: int | None = None,
        sampler: Callable[..., Any] | None = None,
        augmentation: ImageAugmentation | None = None,
    ) -> None:
        self.network, self.data, self.sampler, self.augmentation = network, data, sampler, augmentation
        self.batch = min(batch, len(data)) if sampler is None else batch
        self.samples: int | None = len(data) if steps is None else steps * self.batch
        self.steps: int | None = -(-self.samples // self.batch)
        self.orders = _Orders(network, shuffle, None if steps is None else self.samples)

    @property
    def plain(self) -> bool:
        """Whether an epoch is all rows, once, as they are."""
        return self.sampler is None and self.augmentation is None and self.orders.count is None

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch."""
        if self.sampler is not None:
            chosen = self.sampler(epoch, self.network.next_generator())
            return check_indices(chosen, len(self.data))
        order = self.orders.next(len(self.data))
        return order if self.data.rows is None else self.data.rows[order]

    def batches(self, epoch: int, stream: int, skip: int = 0, samples: int = 0) -> Iterator[Data]:
        """Copies of the batches of an epoch that began at step ``stream``, augmented, behind ``skip`` of them."""
        assert self.augmentation is not None  # noqa: S101 - without it, the engine gathers the rows itself
        order = self.order(epoch)
        for first in range(skip * self.batch, len(order), self.batch):
            batch = self.data.take(order[first : first + self.batch])
            yield augmented(batch, self.augmentation, self.network, stream, first)

    def end_epoch(self) -> None:
        """After each epoch."""

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps, at the beginning of an epoch."""
        return {"orders": self.orders.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.orders.set_state(state["orders"])


class BatchFeed:
    """Batches (x, y) or (x, y, sample_weight) of the user's making, each checked when it comes.

    source: a ``Batches`` (or what has its methods), an iterable that can be read again, or an iterator. shuffle: the
    order of a ``Batches``; None for validation, which reads the same batches each time. steps: batches of an epoch;
    without it an epoch is a pass. name: what error messages call the source.
    """

    samples: int | None = None

    def __init__(
        self,
        network: Network,
        door: Door,
        source: Any,
        shuffle: bool | None = None,
        steps: int | None = None,
        class_weight: Any = None,
        augmentation: ImageAugmentation | None = None,
        name: str = "",
    ) -> None:
        self.network, self.door, self.source = network, door, source
        self.class_weight, self.augmentation = class_weight, augmentation
        self.name = f"{name} " if name else ""
        self.orders: _Orders | None = None
        self.iterator: Iterator[Any] | None = None
        self.drawn = self.begun = self.ended = 0  # batches of the present pass, epochs of the source
        self.once = read_once(source)
        self.indexed = not self.once and hasattr(source, "__len__") and hasattr(source, "__getitem__")
        self.count = self.steps = steps
        if self.indexed:
            n = self._length()
            self.steps = n if steps is None else steps
            if shuffle is not None:
                self.orders = _Orders(network, shuffle, steps)

    def _length(self) -> int:
        """How many batches there are now; it may change after each epoch."""
        n = len(self.source)
        if n < 1:
            raise ValueError(f"the {self.name}batches are empty: {type(self.source).__name__} has length {n}")
        return n

    def batches(self, epoch: int | None, stream: int = 0, skip: int = 0, samples: int = 0) -> Iterator[Data]:
        """The checked batches of an epoch that began at step ``stream``, or of an evaluation (None), augmented where
        asked, behind ``skip`` of them with so many samples."""
        first, i = samples, skip - 1
        for i, given in enumerate(self.given(skip), skip):
            batch = self._check(given, i)
            if self.augmentation is not None:
                batch = augmented(batch, self.augmentation, self.network, stream, first)
            first += len(batch)
            yield batch
        if i + 1 < (self.count or 1):
            expected = f"{self.count} batches" if self.count else "at least one batch"
            where = "" if epoch is None else f" in epoch {epoch + 1}"
            raise ValueError(
                f"the {self.name}batches ended after {i + 1}{where}, expected {expected}; give fewer epochs or steps,"
                " or an object that can be read again, such as a list or a fastnn.data.Batches"
            )

    def given(self, skip: int = 0) -> Iterator[Any]:
        """The batches of an epoch as they come, behind the first ``skip``."""
        self.begun += 1
        if hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()
        if self.orders is not None:
            for i in self.orders.next(self._length())[skip:]:
                yield self.source[int(i)]
        elif self.count is None:
            yield from islice(self._pass(), skip, None)
        else:
            for i in range(self.count):
                try:
                    batch = self._next()
                except StopIteration:
                    return
                if i >= skip:
                    yield batch

    def _pass(self) -> Iterator[Any]:
        return (self.source[i] for i in range(self._length())) if self.indexed else iter(self.source)

    def restart(self) -> None:
        """The next epoch begins with the first batch, unless the source can be read only once."""
        if not self.once:
            self.iterator = None

    def _next(self) -> Any:
        """The next batch of an endless row of passes."""
        self.drawn += 1
        if self.iterator is not None:
            try:
                return next(self.iterator)
            except StopIteration:
                if self.once:
                    raise
        self.iterator, self.drawn = self._pass(), 1
        return next(self.iterator)

    def _check(self, given: Any, i: int) -> Data:
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            what = f"{type(given).__name__} of length {len(given)}" if hasattr(given, "__len__") else repr(given)
            raise ValueError(
                f"{self.name}batch {i} must be (x, y) or (x, y, sample_weight), got {what}; for arrays pass x and y"
            )
        weight = given[2] if len(given) == 3 else None
        where = f"of {self.name}batch {i}"
        data = Data.check(self.door, given[0], given[1], weight, (f"X {where}", f"y {where}", f"weights {where}"))
        return data.weighted(self.door, self.class_weight)

    def end_epoch(self) -> None:
        """After each epoch, evaluation and prediction."""
        self.ended += 1
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps, at the beginning of an epoch: how far the source has been read."""
        orders = None if self.orders is None else self.orders.get_state()
        drawn = 0 if self.iterator is None else self.drawn
        return {"orders": orders, "drawn": drawn, "begun": self.begun, "ended": self.ended}

    def set_state(self, state: dict[str, Any]) -> None:
        """A fresh source is told of the epochs that were, and read up to the same place."""
        for i in range(state["begun"]):
            if hasattr(self.source, "on_epoch_begin"):
                self.source.on_epoch_begin()
            if hasattr(self.source, "on_epoch_end") and i < state["ended"]:
                self.source.on_epoch_end()
        self.begun, self.ended = state["begun"], state["ended"]
        if self.orders is not None:
            self.orders.set_state(state["orders"])
        for _ in range(state["drawn"]):
            self._next()


Feed = RowFeed | BatchFeed


def pieces(data: Data, size: int, most: int | None) -> Iterable[tuple[Data, int, int]]:
    """Parts of up to ``size`` of the first ``most`` rows: data and the range in it; rows by number are gathered."""
    n = len(data) if most is None else min(most, len(data))
    for first in range(0, n, size):
        last = min(n, first + size)
        if data.rows is None:
            yield data, first, last
        else:
            yield data.take(data.rows[first:last]), 0, last - first
