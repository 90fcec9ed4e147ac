"""One batch at a time: ``train_on_batch`` and ``test_on_batch``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.basics import backend
from fastnn.callbacks.base import Logs
from fastnn.data import Door
from fastnn.engine.network import AHEAD, Network
from fastnn.errors import DivergenceError
from fastnn.metrics import Metric
from fastnn.training.evaluation import BLOCK, Few, Recorder, weight_penalty
from fastnn.training.feeds import Data


class Batches:
    """Steps and evaluations of single batches with one network, and the metrics over those since ``reset``.

    Two ways lead to the same step: ``lean`` for small batches of plain arrays without weights, whose call costs some
    microseconds, and ``train`` for all others, which also says what is wrong with a batch.
    """

    def __init__(self, network: Network, door: Door, metrics: list[Metric]) -> None:
        assert network.program.optimizer_object is not None  # noqa: S101 - refused before compile
        assert door.loss is not None  # noqa: S101
        self.network, self.door = network, door
        self.optimizer, self.seed = network.program.optimizer_object, network.seed
        self.recorder = Recorder(network, metrics) if metrics else None
        self.reset()
        self.engine = network.engine
        self.settings: dict[str, Any] | None = None  # of the optimizer, for which the numbers of the next steps hold
        self.first, self.scalars = 0, np.empty((0, 0))
        free = "average" in self.optimizer.slots  # network.run_steps looks which weights these are
        self.plain = Few.suits(network, door) and not free
        self.most = BLOCK // network.program.outputs  # samples that the metrics see at once

    def reset(self) -> None:
        """Begins the means anew."""
        self.total, self.seen = 0.0, 0
        if self.recorder:
            self.recorder.reset()

    def lean(self, x: Any, y: Any, anew: bool) -> Logs | None:
        """What ``train`` returns, or None where nothing has changed yet and ``train`` shall look at the batch."""
        place = self.engine.iterations - self.first
        if vars(self.optimizer) != self.settings or not 0 <= place < len(self.scalars):
            if not self._look_ahead():
                return None
            place = 0
        if self.recorder is None:
            loss = self.engine.step(x, y, self.scalars, place, self.seed, *self.door.limits)
            return None if loss is None else self._told(loss, len(x), anew)
        t = self.door.few_targets(y)
        if t is None or len(t) > self.most:
            return None
        found = self.engine.step(x, y, self.scalars, place, self.seed, *self.door.limits, True)
        if found is None:
            return None
        logs = self._told(found[0], len(t), anew)
        self.recorder.add(t.copy(), found[1])
        return logs | self.recorder.results()

    def _look_ahead(self) -> bool:
        """Computes the optimizer's numbers of the next steps, where its settings alone decide them."""
        if not self.optimizer.settled():
            return False
        self.first = self.engine.iterations
        steps = np.arange(self.first + 1, self.first + AHEAD + 1)
        self.scalars = self.optimizer.all_scalars(steps).astype(self.network.dtype)
        self.settings = dict(vars(self.optimizer))
        return True

    def train(self, x: Any, y: Any, sample_weight: Any, class_weight: Any, anew: bool) -> Logs:
        """One step; returns the loss before it and the metrics, over the batch or all since ``reset``."""
        data = Data.check(self.door, x, y, sample_weight).weighted(self.door, class_weight)
        network, n, losses = self.network, len(data), np.empty(1)
        outputs = self.recorder.whole(n) if self.recorder else None
        threads = backend.threads_for(network.program.cost(n))
        done = network.run_steps(data.x, data.y, data.sample_weight, np.arange(n), 0, 1, n, losses, outputs, threads)
        if not (done and np.isfinite(losses[0])):
            raise DivergenceError(
                f"the loss of the batch is {losses[0]} before step {network.iterations + 1 - done}"
                f"{'; no weight has changed' if not done else ''}. Lower the learning rate or scale the features"
            )
        return self._logs(float(losses[0]), data, anew)

    def test(self, x: Any, y: Any, sample_weight: Any, anew: bool) -> Logs:
        """Loss, with penalties as in training, and metrics, over the batch or all since ``reset``."""
        data = Data.check(self.door, x, y, sample_weight)
        network, n = self.network, len(data)
        outputs, losses = self.recorder.whole(n) if self.recorder else None, np.empty(n)
        network.evaluate(data.x, data.y, data.sample_weight, 0, n, losses, outputs)
        return self._logs(float(losses.sum()) / n + weight_penalty(network), data, anew)

    def _told(self, loss: float, n: int, anew: bool) -> Logs:
        """The mean loss since ``reset``, with that of one more batch."""
        if anew:
            self.reset()
        self.total += loss * n
        self.seen += n
        return {"loss": loss if self.seen == n else self.total / self.seen}

    def _logs(self, loss: float, data: Data, anew: bool) -> Logs:
        logs = self._told(loss, len(data), anew)
        if self.recorder:
            self.recorder.update(np.array(data.y.array, order="C"), data.sample_weight)
            logs |= self.recorder.results()
        return logs
