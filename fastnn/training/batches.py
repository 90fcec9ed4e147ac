"""One batch at a time: ``train_on_batch`` and ``test_on_batch``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.basics import backend
from fastnn.callbacks.base import Logs
from fastnn.data import RANGES, Door
from fastnn.engine.network import AHEAD, Network
from fastnn.errors import DivergenceError
from fastnn.metrics import Metric
from fastnn.training.evaluation import Recorder
from fastnn.training.feeds import Data


class Batches:
    """Steps and evaluations of single batches with one network, and the metrics over those since ``reset``.

    Two ways lead to the same step: ``lean`` for small batches of plain arrays without weights and metrics, whose call
    costs a microsecond or two, and ``train`` for all others, which also says what is wrong with a batch.
    """

    def __init__(self, network: Network, door: Door, metrics: list[Metric]) -> None:
        assert network.program.optimizer_object is not None  # noqa: S101 - refused before compile
        assert door.loss is not None  # noqa: S101
        self.network, self.door = network, door
        self.optimizer, self.seed = network.program.optimizer_object, network.seed
        self.recorder = Recorder(network, metrics) if metrics else None
        self.reset()
        self.engine = network.engine
        least, most = RANGES.get(door.loss.targets, (-np.inf, np.inf))
        whole = door.loss.targets == "labels"
        self.limits = (0.0, door.outputs - 1.0, True) if whole else (least, most, False)
        self.settings: dict[str, Any] | None = None  # of the optimizer, for which the numbers of the next steps hold
        self.first, self.scalars = 0, np.empty((0, 0))
        # Where nothing stands between the user's arrays and the engine.
        free = "average" in self.optimizer.slots  # network.run_steps looks which weights these are
        rows = len(door.shape) == 1 and not door.ids
        self.plain = not (metrics or free) and rows and door.loss_weight == 1 and hasattr(self.engine, "step")

    def reset(self) -> None:
        """Begins the means anew."""
        self.total, self.seen = 0.0, 0
        if self.recorder:
            self.recorder.reset()

    def lean(self, x: Any, y: Any) -> float | None:
        """The loss of a step, or None where nothing has changed yet and ``train`` shall look at the batch."""
        place = self.engine.iterations - self.first
        if vars(self.optimizer) != self.settings or not 0 <= place < len(self.scalars):
            if not self._look_ahead():
                return None
            place = 0
        return self.engine.step(x, y, self.scalars, place, self.seed, *self.limits)

    def _look_ahead(self) -> bool:
        """Computes the optimizer's numbers of the next steps, where its settings alone decide them."""
        if self.optimizer.settled() is None:
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
        if anew:
            self.reset()
        outputs = self.recorder.buffer(n) if self.recorder else None
        threads = backend.threads_for(network.program.cost(n))
        done = network.run_steps(data.x, data.y, data.sample_weight, np.arange(n), 0, 1, n, losses, outputs, threads)
        if not (done and np.isfinite(losses[0])):
            raise DivergenceError(
                f"the loss of the batch is {losses[0]} before step {network.iterations + 1 - done}"
                f"{'; no weight has changed' if not done else ''}. Lower the learning rate or scale the features"
            )
        return self._logs(float(losses[0]) * n, n, data)

    def test(self, x: Any, y: Any, sample_weight: Any, anew: bool) -> Logs:
        """Loss, with penalties as in training, and metrics, over the batch or all since ``reset``."""
        data = Data.check(self.door, x, y, sample_weight)
        network, program, n = self.network, self.network.program, len(data)
        if anew:
            self.reset()
        outputs, losses = self.recorder.buffer(n) if self.recorder else None, np.empty(n)
        network.evaluate(data.x, data.y, data.sample_weight, 0, n, losses, outputs)
        penalty = 0.0
        if program.penalized:
            penalty = program.weight_penalty([program.read(network.arena[0], op) for op in program.steps])
        return self._logs(float(losses.sum()) + penalty * n, n, data)

    def _logs(self, total: float, n: int, data: Data) -> Logs:
        self.total += total
        self.seen += n
        logs = {"loss": self.total / self.seen}
        if self.recorder:
            self.recorder.update(np.array(data.y.array, order="C"), data.sample_weight)
            logs |= self.recorder.results()
        return logs
