"""A network: a program with its weights, and the engine that computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core import machine
from fastnn.activations import Array
from fastnn.basics import backend, counter
from fastnn.engine.program import PART, Program
from fastnn.engine.source import Source
from fastnn.optimizers import ScheduleFreeAdamW

ENGINES = ("compiled", "reference")
APART = 1 << 47  # a number that the steps never reach, from which on predictions in training draw
LARGEST = float(np.finfo(np.float64).max)
AHEAD = 1024  # steps whose optimizer's numbers are computed at once


def new_engine(name: str, program: Program, arena: Array) -> Any:
    """What computes a program on an arena: "compiled" or "reference"."""
    if name == "reference":
        from fastnn.engine import reference

        return reference.Engine(program, arena)
    return backend.core(program.dtype).Engine(program, arena)


def are_finite(values: Array) -> bool:
    """Whether all are finite numbers; in parts where they are many: Ctrl-C may come between two of them."""
    if machine.within(values, -LARGEST, LARGEST):
        return True
    flat = values.reshape(-1)
    return all(np.isfinite(flat[first : first + PART]).all() for first in range(0, len(flat), PART))


class Network:
    """Weights that can be trained, asked, copied and pickled. It knows no layers' names, metrics, callbacks or history.

    program: what is computed. arena: all weights (row 0) and the optimizer's state (other rows), see
    ``fastnn.engine.program``. engine_name: "compiled" or "reference". seed: of all random numbers. epochs: how many
    orders of samples were drawn; each epoch has one of its own. weights: a list of arrays, as ``get_weights`` gives it.
    """

    def __init__(
        self,
        program: Program,
        engine_name: str = "compiled",
        seed: int = 0,
        epochs: int = 0,
        weights: list[Array] | None = None,
    ) -> None:
        self.program, self.engine_name, self.seed, self.epochs = program, engine_name, seed, epochs
        self.arena = program.new_arena()
        if weights is not None:
            program.fill(self.arena[0], weights)
        self.engine = new_engine(self.engine_name, self.program, self.arena)
        self.asked = 0  # predictions in training
        self.ahead: tuple[Any, int, Array] | None = None  # see _scalars

    def changed(self, program: Program, weights: list[Array] | None) -> Network:
        """Another program with these weights, or the present ones, which goes on with the seed and the epochs.

        Its optimizer begins anew.
        """
        alike = weights is None and program.layout == self.program.layout
        if weights is None and not alike:
            weights = self.get_weights()
        other = Network(program, self.engine_name, self.seed, self.epochs, weights)
        if alike:
            other.arena[0] = self.arena[0]
        return other

    def describe(self, program: Program) -> None:
        """Another program for the same weights and optimizer; steps and state stay."""
        engine = new_engine(self.engine_name, program, self.arena)
        engine.iterations = self.iterations
        self.__dict__.update(program=program, engine=engine)  # in one call of C: Ctrl-C comes before or after

    @property
    def dtype(self) -> np.dtype:
        return self.program.dtype

    @property
    def iterations(self) -> int:
        """Finished training steps."""
        return int(self.engine.iterations)

    @iterations.setter
    def iterations(self, count: int) -> None:
        self.engine.iterations = count

    # -- weights -------------------------------------------------------------------------------------------------------

    def get_weights(self) -> list[Array]:
        """Copies of all weights, operation by operation."""
        return self.program.shown(self.arena[0])

    def set_weights(self, weights: list[Array], layer: int | None = None) -> None:
        """Sets all weights, or those of one layer; the optimizer's state stays."""
        row = self.arena[0].copy()
        self.program.fill(row, weights, layer)
        self.arena[0] = row  # all at once: Ctrl-C comes before or after

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return are_finite(self.arena[0])

    @property
    def averages(self) -> bool:
        """Whether the optimizer keeps an average of the weights (``use_ema``, schedule-free)."""
        return self.program.average > 0

    def weights_after_fit(self) -> Array:
        """A copy of the arena's weights as a fit that ended now would leave them: the average, where there is one."""
        row = self.arena[0].copy()
        if self.averages and self.iterations:
            for op in self.program.steps:
                self.program.write(row, op, self.program.read(self.arena[self.program.average], op)[: op.variables])
        return row

    def take_average(self) -> None:
        """Puts the moving average in the place of the weights, where there is one."""
        if self.averages:
            self.arena[0] = self.weights_after_fit()

    def leave_average(self) -> None:
        """Puts the weights of training back where a schedule-free fit has left their average."""
        optimizer = self.program.optimizer_object
        if not isinstance(optimizer, ScheduleFreeAdamW) or not self.iterations:
            return
        x = self.weights_after_fit()
        if np.array_equal(x, self.arena[0]):
            slots = list(self.arena[1:])
            for op in self.program.steps:
                own = [self.program.read(row, op)[: op.variables] for row in (x, *slots)]
                y = [optimizer.resume(one, [slot[j] for slot in own[1:]]) for j, one in enumerate(own[0])]
                self.program.write(x, op, y)
            self.arena[0] = x

    def optimizer_state(self) -> list[Array]:
        """Copies of what the optimizer keeps, for each weight that is trained all of it."""
        parts = [[self.program.shown(row, [op])[: op.variables] for row in self.arena[1:]] for op in self.program.steps]
        return [array for rows in parts for kept in zip(*rows, strict=True) for array in kept]

    def averaged(self) -> Network:
        """A network with the weights of ``weights_after_fit``: this one itself, unless they are averaged."""
        if not self.averages:
            return self
        other = self.copy()
        other.take_average()
        return other

    # -- asking --------------------------------------------------------------------------------------------------------

    def predict(self, x: Source) -> Array:
        """Outputs (rows, outputs) for all rows of x."""
        return self.engine.predict(x, backend.threads_for(self.program.inference_cost(len(x), x.filled)))

    def predict_in_training(self, x: Source) -> Array:
        """Outputs for all rows of x as a step of training sees them; each call draws other random numbers."""
        from fastnn.engine import reference

        self.asked += 1
        return reference.Engine(self.program, self.arena).predict_in_training(x, self.seed, APART + self.asked)

    def evaluate(
        self,
        x: Source,
        y: Source,
        sample_weight: Array | None,
        first: int,
        last: int,
        losses: NDArray[np.float64],
        outputs: Array | None,
    ) -> None:
        """Weighted loss and activity penalty of each of the rows [first, last) into losses, and outputs unless None."""
        threads = backend.threads_for(self.program.inference_cost(last - first, x.filled))
        self.engine.evaluate(x, y, sample_weight, first, last, losses, outputs, threads)

    def gradient(self, x: Source, y: Source, sample_weight: Array | None, penalty: float = 1.0) -> tuple[float, Array]:
        """Loss of all rows of x as in training, and its gradient in the layout of a row of the arena.

        penalty: factor of the weights' penalties.
        """
        threads = backend.threads_for(self.program.cost(len(x), x.filled))
        return self.engine.gradient(x, y, sample_weight, threads=threads, penalty=penalty)

    def slopes(self, x: Source, of_outputs: Array) -> Array:
        """Derivatives of sums of outputs by the inputs; see the engines' ``slopes``."""
        cost = self.program.cost(len(x)) * len(of_outputs)
        return self.engine.slopes(x, np.ascontiguousarray(of_outputs, self.dtype), backend.threads_for(cost))

    # -- training ------------------------------------------------------------------------------------------------------

    def run_steps(
        self,
        x: Source,
        y: Source,
        sample_weight: Array | None,
        order: NDArray[np.int64],
        first: int,
        count: int,
        batch: int,
        losses: NDArray[np.float64],
        outputs: Array | None,
        threads: int,
        augmentation: Any = None,
        most_seconds: float = 0.0,
        safe: Array | None = None,
        epoch_rows: int = 0,
        penalties: NDArray[np.float64] | None = None,
    ) -> int:
        """``count`` steps at the optimizer's present learning rate on batches from position ``first`` of ``order`` on.

        Returns how many finished: fewer where a loss is not finite, or where so many seconds are over. safe: receives
        the arena before the first step, if the loss of that step is finite. epoch_rows: see the compiled engine's
        ``run_steps``. penalties: (count, 2), a factor of the weights' penalties in each step, and room for what they
        add to the loss.
        """
        self.leave_average()
        scalars = self._scalars(count)
        return self.engine.run_steps(
            x,
            y,
            sample_weight,
            order,
            first,
            count,
            batch,
            scalars,
            losses,
            outputs,
            self.seed,
            threads,
            augmentation,
            most_seconds,
            safe,
            epoch_rows,
            penalties,
        )

    def _scalars(self, count: int) -> Array:
        """The optimizer's numbers of the next steps; many are computed at once, while its settings stay."""
        optimizer, first = self.program.optimizer_object, self.iterations
        assert optimizer is not None  # noqa: S101 - refused before compile
        many = count
        if self.ahead is not None and self.ahead[0] == vars(optimizer):
            place, computed = first - self.ahead[1], len(self.ahead[2])
            if 0 <= place <= computed - count:
                return self.ahead[2][place : place + count]
            many = max(count, min(4 * computed, AHEAD))  # a fit of one step needs few, the next one of many more
        steps = np.arange(first + 1, first + many + 1)
        scalars = optimizer.all_scalars(steps).astype(self.dtype)
        self.ahead = (dict(vars(optimizer)), first, scalars) if optimizer.settled() else None
        return scalars[:count]

    def next_order(self, n: int, shuffle: bool) -> NDArray[np.int64]:
        """The order of the samples of the next epoch: a function of the seed and the number of epochs so far."""
        self.epochs += 1
        return self.permutation(self.epochs, n) if shuffle else np.arange(n)

    def next_generator(self) -> np.random.Generator:
        """For a sampler: a function of the seed and the number of epochs so far."""
        self.epochs += 1
        return np.random.default_rng([self.seed, self.epochs])

    def permutation(self, stream: int, n: int) -> NDArray[np.int64]:
        """A random order of n rows: a function of the seed and the stream."""
        permutation = counter.permutation if self.engine_name == "reference" else backend.machine.permutation
        return permutation(self.seed, stream, n)

    # -- copies --------------------------------------------------------------------------------------------------------

    def copy(self) -> Network:
        """The same program with an arena of its own: what it does leaves this one as it is."""
        other = object.__new__(Network)
        other.__setstate__(self.__getstate__())
        return other

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"arena": self.arena.copy(), "iterations": self.iterations}  # without its aligned base
        del state["engine"], state["ahead"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        arena, iterations = state["arena"], state["iterations"]
        self.__dict__.update({key: value for key, value in state.items() if key != "iterations"})
        self.arena = self.program.new_arena()
        self.arena[:] = arena
        self.engine = new_engine(self.engine_name, self.program, self.arena)
        self.iterations, self.ahead = iterations, None
