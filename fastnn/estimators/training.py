"""How the estimators train: scikit-learn's rules for steps, told losses, stopping and warnings, on fastnn's engine."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from fastnn.basics import backend
from fastnn.callbacks.base import CallbackList, History
from fastnn.engine.network import Network
from fastnn.engine.source import Source
from fastnn.estimators.building import products
from fastnn.estimators.objectives import Objective
from fastnn.training import pace

Array = NDArray[Any]
MOST_ORDERS = 1 << 20  # row numbers of the epochs that the engine runs in one call

_sharing = threading.Lock()
_fits = 0  # that run in this process now


@contextmanager
def sharing() -> Iterator[None]:
    """While it lasts, one more fit shares the cores of this process."""
    global _fits
    with _sharing:
        _fits += 1
    try:
        yield
    finally:
        with _sharing:
            _fits -= 1


def threads_for(cost: float, most: int | None) -> int:
    """Threads for work of some cost (``Program.cost``): this fit's share of the cores, and at most ``most``."""
    count = min(backend.threads_for(cost), max(1, backend.get_num_threads() // max(1, _fits)))
    return count if most is None else min(count, most)


class Samples:
    """What is learnt: x and y as the engine reads them, weights of the rows or None, and the rows that count."""

    def __init__(
        self,
        x: Source,
        y: Array,
        weight: Array | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.x, self.y, self.weight, self.rows = x, y, weight, rows

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)


class Held:
    """Validation data: x, the targets as the loss takes them, what ``score`` compares with, and weights."""

    def __init__(self, x: Source, y: Array, truth: Any, weight: Array | None, given: Any = None) -> None:
        self.x, self.y, self.truth, self.weight, self.given = x, Source(y), truth, weight, given

    def evaluate(self, network: Network, objective: Objective) -> tuple[float, Array]:
        """The loss without penalties, and the outputs."""
        n = len(self.x)
        losses = np.empty(n)
        outputs = np.empty((n, network.program.outputs), dtype=network.dtype)
        network.evaluate(self.x, self.y, None, 0, n, losses, outputs)
        values = losses * (objective.factor * objective.share)
        constants = objective.constants(self.y.array)
        if constants is not None:
            values = values + constants
        return float(np.average(values, weights=self.weight)), outputs


class Stochastic:
    """Epochs of steps, as scikit-learn's ``_fit_stochastic`` counts and ends them; results go into the estimator.

    Several epochs run in one call of the engine where the rules cannot end the training between them.
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        objective: Objective,
        data: Samples,
        rng: np.random.RandomState,
        held: Held | None,
        epochs: int | None,
        listeners: Listeners,
    ) -> None:
        self.estimator, self.network, self.objective, self.data, self.rng = estimator, network, objective, data, rng
        self.held, self.listeners = held, listeners
        self.incremental = epochs is not None
        self.limit = estimator.max_iter if epochs is None else epochs
        self.n = len(data)
        self.batch = self._batch_size()
        self.y = Source(data.y)
        self.starts = np.arange(0, self.n, self.batch)
        self.sizes = np.minimum(self.batch, self.n - self.starts)
        self.order = np.arange(self.n)
        self.penalized = network.program.penalized and estimator.kernel_regularizer is None
        self.constants = objective.constants(data.y)
        self.weight = None if objective.factor == 1 else np.full(len(data.x), objective.factor, dtype=network.dtype)
        program = network.program
        self.cost = program.cost(self.batch, data.x.filled)
        self.team = backend.Team(threads_for(self.cost, estimator.n_threads))
        self.began = time.monotonic()
        self.stopping = self.late = False
        self.best: Array | None = None
        rate = getattr(estimator.learning_rate, "lower", str)()
        self.schedule = rate if estimator.solver not in ("adam", "lbfgs") else "constant"
        self.stepwise = held is not None or data.weight is not None or self.schedule == "invscaling" or listeners.any

    def _batch_size(self) -> int:
        given = self.estimator.batch_size
        if isinstance(given, str):  # "auto"
            return min(200, self.n)
        if given > self.n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
            )
        return int(np.clip(given, 1, self.n))

    def run(self) -> None:
        """Trains until a rule ends it."""
        estimator = self.estimator
        estimator.n_iter_ = 0
        try:
            while estimator.n_iter_ < self.limit and not self.stopping:
                self.listeners.epoch_begins(estimator.n_iter_)
                for loss in self._epochs(self._safe()):
                    self._end_epoch(loss)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        finally:
            if self.best is not None:
                self.network.arena[0] = self.best
        self.network.take_average()

    def _safe(self) -> int:
        """Epochs that no rule can end before the last of them, some 50 ms at most."""
        estimator = self.estimator
        if self.stepwise:
            return 1
        allowed = estimator.n_iter_no_change + 1 - estimator._no_improvement_count
        quick = pace.SLICE * pace.FIRST_GUESS / (self.cost * len(self.sizes))
        return max(1, int(min(allowed, quick, MOST_ORDERS / self.n, self.limit - estimator.n_iter_)))

    def _shuffled(self) -> NDArray[np.int64]:
        """The rows of the next epoch, in the order that scikit-learn takes from the same random state."""
        if self.estimator.shuffle:
            places = np.arange(self.n)
            self.rng.shuffle(places)
            self.order = self.order[places]
        return self.order if self.data.rows is None else self.data.rows[self.order]

    def _epochs(self, count: int) -> Array:
        """Trains ``count`` epochs; returns the loss of each, as it is told."""
        steps, n = len(self.sizes), self.n
        order = self._shuffled() if count == 1 else np.concatenate([self._shuffled() for _ in range(count)])
        starts = np.add.outer(np.arange(0, count * n, n), self.starts).ravel()
        sizes = np.tile(self.sizes, count)
        penalties = np.tile([1.0, 0.0], (count * steps, 1))  # factors, and what the engine tells where there are any
        weight = self.weight
        if self.data.weight is not None:
            weight, sums = self._balanced(order)
            if self.penalized:
                penalties[:, 0] = np.divide(1, sums, out=np.zeros(steps), where=sums != 0)
        elif self.penalized:
            penalties[:, 0] = 1 / sizes
        losses = self._steps(order, count, penalties, weight)
        constant = None
        if self.constants is not None:
            shares = self.constants[order]
            if weight is not None and self.data.weight is not None:
                shares = shares * weight[order] / self.objective.factor
            constant = np.add.reduceat(shares, starts) / sizes
        losses = self.objective.told(losses, penalties[:, 1], constant)
        return (losses * sizes).reshape(count, steps).sum(axis=1) / n

    def _balanced(self, order: NDArray[np.int64]) -> tuple[Array, Array]:
        """Weights of the rows so that each batch has a weighted mean, and the sums of the batches' weights."""
        assert self.data.weight is not None  # noqa: S101 - asked before
        given = self.data.weight[order].astype(np.float64)
        sums = np.add.reduceat(given, self.starts)
        factors = np.divide(self.sizes * self.objective.factor, sums, out=np.zeros(len(sums)), where=sums != 0)
        weight = np.zeros(len(self.data.x), dtype=self.network.dtype)
        weight[order] = given * np.repeat(factors, self.sizes)
        return weight, sums

    def _steps(self, order: NDArray[np.int64], epochs: int, penalties: Array, weight: Array | None) -> Array:
        """All steps of some epochs; NaN from the first one on whose loss is not finite."""
        losses = np.zeros(len(penalties))
        done, most, steps = 0, len(losses), len(self.sizes)
        limit = self.estimator.max_seconds
        while done < most and not self.late:
            epoch, place = divmod(done, steps)
            whole = place == 0 and epoch + 1 < epochs  # many epochs in one call
            count = 1 if self.listeners.batchwise else most - done if whole else steps - place
            rows = order[epoch * self.n :] if whole else order[epoch * self.n : (epoch + 1) * self.n]
            threads = self.team.size()
            before = time.perf_counter()
            finished = self.network.run_steps(
                self.data.x,
                self.y,
                weight,
                rows,
                place * self.batch,
                count,
                self.batch,
                losses[done : done + count],
                None,
                threads,
                None,
                0.0 if whole else 2 * pace.SLICE,
                epoch_rows=self.n if whole else 0,
                penalties=penalties[done : done + count],
            )
            if finished:
                self.team.report((time.perf_counter() - before) / finished)
            self.listeners.steps_end(done, losses[: done + finished])
            done += finished
            if finished < count and not np.isfinite(losses[done]):
                self.stopping = True
                losses[done:] = np.nan
                break
            self.late = limit is not None and time.monotonic() - self.began >= limit
        if done < most and self.late:
            losses[done:] = losses[:done].mean()  # of an epoch that was cut short
        return losses

    def _end_epoch(self, loss: np.float64) -> None:
        """Counts, tells, and decides: scikit-learn's rules in their order."""
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.loss_ = loss
        estimator.t_ += self.n
        estimator.loss_curve_.append(loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        logs = {"loss": float(loss)}
        self._improvement(logs)
        if self.schedule == "invscaling":
            self.rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            if self._trigger():
                self.stopping = True
            else:
                estimator._no_improvement_count = 0
        ended = self.listeners.epoch_ends(estimator.n_iter_ - 1, logs)
        for name, value in logs.items():
            if name != "loss":
                estimator.history_.setdefault(name, []).append(value)
        if self.incremental:
            self.stopping = self.late or not np.isfinite(loss)
            return
        if not self.stopping and (ended or self.late):
            self.stopping = True
            if self.late:
                what = f"max_seconds={estimator.max_seconds} reached after {estimator.n_iter_} iterations"
                warnings.warn(f"Stochastic Optimizer: {what}.", ConvergenceWarning, stacklevel=5)
        elif not np.isfinite(loss):
            self.stopping = True
            what = f"the loss became {loss} in iteration {estimator.n_iter_}; scale the data or lower the learning rate"
            warnings.warn(f"Stochastic Optimizer: {what}.", ConvergenceWarning, stacklevel=5)
        elif not self.stopping and estimator.n_iter_ == estimator.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter:d}) reached and the optimization hasn't"
                " converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _improvement(self, logs: dict[str, Any]) -> None:
        """Whether the validation score, or else the training loss, has improved by tol; keeps the best."""
        estimator = self.estimator
        score = None
        if self.held is not None:
            logs["val_loss"], outputs = self.held.evaluate(self.network.averaged(), self.objective)
            score = logs["val_score"] = estimator._held_score(self.held, outputs, logs["val_loss"])
        if estimator.early_stopping and self.held is not None:
            assert score is not None  # noqa: S101
            estimator.validation_scores_.append(score)
            if estimator.verbose:
                print(f"Validation score: {score:f}")
            if score < estimator.best_validation_score_ + estimator.tol:
                estimator._no_improvement_count += 1
            else:
                estimator._no_improvement_count = 0
            if self.best is None or score > estimator.best_validation_score_:
                self.best = self.network.weights_after_fit() if np.isfinite(logs["loss"]) else self.best
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
            return
        if logs["loss"] > estimator.best_loss_ - estimator.tol:
            estimator._no_improvement_count += 1
        else:
            estimator._no_improvement_count = 0
        if logs["loss"] < estimator.best_loss_:
            estimator.best_loss_ = estimator.loss_

    def _trigger(self) -> bool:
        """Says that nothing improves; returns whether that ends the training."""
        estimator = self.estimator
        what = "Validation score" if estimator.early_stopping and self.held is not None else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change:d} consecutive"
            " epochs."
        )
        if self.schedule != "adaptive":
            end = " Stopping."
        elif self.rate <= 1e-6:
            end = " Learning rate too small. Stopping."
        else:
            self.rate = self.rate / 5.0
            end = f" Setting learning rate to {self.rate:f}"
        if estimator.verbose:
            print(message + end)
        return end.endswith("Stopping.")

    @property
    def rate(self) -> float:
        """The optimizer's learning rate."""
        return float(self.network.program.optimizer_object.learning_rate)  # type: ignore[union-attr, arg-type]

    @rate.setter
    def rate(self, value: float) -> None:
        self.network.program.optimizer_object.learning_rate = value  # type: ignore[union-attr]


class Listeners:
    """Who hears of epochs: fastnn's callbacks, with a Sequential that shares the network, and scikit-learn's."""

    def __init__(self, estimator: Any, model: Any = None, context: Any = None, validated: bool = False) -> None:
        self.estimator, self.context = estimator, context
        self.task: Any = None
        self.list: CallbackList | None = None
        if model is not None:
            names = ["loss", *(["val_loss", "val_score"] if validated else [])]
            params = {"verbose": int(estimator.verbose), "epochs": estimator.max_iter, "steps": None, "metrics": names}
            self.model = model
            self.list = CallbackList([*estimator.callbacks, History()], model, params)
        self.any = self.list is not None or context is not None
        self.batchwise = self.list is not None and bool(self.list.batchwise)
        self.logs: dict[str, Any] = {}

    def begin(self) -> None:
        if self.list is not None:
            self.model.stop_training = False
            self.list.call("on_train_begin", {})

    def epoch_begins(self, epoch: int) -> None:
        if self.list is not None:
            self.list.call("on_epoch_begin", epoch, {})
        if self.context is not None:
            self.task = self.context.subcontext(task_name="epoch")
            self.task.call_on_fit_task_begin(estimator=self.estimator, reconstruction_attributes={})

    def steps_end(self, first: int, losses: Array) -> None:
        """After the steps from number ``first`` on; losses: of all in these epochs."""
        if self.list is None or len(losses) == first:
            return
        logs = {"loss": float(losses.mean())}
        for callback in self.list.batchwise:
            callback.on_train_batch_begin(len(losses) - 1, {})
            callback.on_train_batch_end(len(losses) - 1, dict(logs))
        for callback in self.list.slicewise:
            callback.on_slice_end(len(losses), dict(logs))

    def epoch_ends(self, epoch: int, logs: dict[str, Any]) -> bool:
        """Returns whether one of them ends the training."""
        self.logs, stop = logs, False
        if self.list is not None:
            self.list.call("on_epoch_end", epoch, logs)
            stop = self.model.stop_training
        if self.task is not None:
            stop = bool(self.task.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes={})) or stop
        return stop

    def end(self, failed: bool) -> None:
        if self.list is not None:
            self.list.end(self.logs, failed)


def fit_lbfgs(estimator: Any, network: Network, objective: Objective, data: Samples) -> None:
    """All samples at once, by SciPy's L-BFGS-B, with the options of scikit-learn."""
    n = len(data)
    weight, total = None, float(n)
    if data.weight is not None:
        total = float(data.weight.sum(dtype=np.float64))
        weight = (data.weight * (n * objective.factor / total)).astype(network.dtype)
    elif objective.factor != 1:
        weight = np.full(n, objective.factor, dtype=network.dtype)
    own = estimator.kernel_regularizer is not None
    factor = 1.0 if own else 1 / total
    y, program, row = Source(data.y), network.program, network.arena[0]
    constants = objective.constants(data.y)
    constant = None if constants is None else float(np.average(constants, weights=data.weight))
    places = _places(network)
    team = backend.Team(threads_for(program.cost(n, data.x.filled), estimator.n_threads))
    curve: list[float] = []
    last = [float("nan")]
    began = time.monotonic()

    def evaluate(point: Array) -> tuple[float, Array]:
        with np.errstate(over="ignore"):
            row[places] = point
        before = time.perf_counter()
        loss, slope = network.engine.gradient(data.x, y, weight, threads=team.size(), penalty=factor)
        team.report(time.perf_counter() - before)
        penalty = 0.0
        if objective.share != 1:
            penalty = factor * program.weight_penalty([program.read(row, op) for op in program.steps])
        last[0] = objective.told(loss, penalty, constant)
        return last[0], slope[places].astype(np.float64)

    def iterated(point: Array) -> None:
        curve.append(last[0])
        if estimator.max_seconds is not None and time.monotonic() - began >= estimator.max_seconds:
            raise StopIteration

    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    start = row[places].astype(np.float64)
    found = minimize(evaluate, start, method="L-BFGS-B", jac=True, options=options, callback=iterated)
    with np.errstate(over="ignore"):
        row[places] = found.x
    estimator.n_iter_ = min(int(found.nit), estimator.max_iter)
    estimator.loss_ = np.float64(found.fun)
    estimator.history_ = {"loss": curve}
    if estimator.verbose:
        print(f"{estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}: {found.message}")
    if found.status != 0:
        _warn_lbfgs(estimator, found)


def _warn_lbfgs(estimator: Any, found: Any) -> None:
    message = (
        f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status={found.status}):\n{found.message}\n"
    )
    if estimator.n_iter_ == estimator.max_iter:
        message += f"\nIncrease the number of iterations to improve the convergence (max_iter={estimator.max_iter})."
    message += (
        "\nYou might also want to scale the data as shown in:\n"
        "    https://scikit-learn.org/stable/modules/preprocessing.html"
    )
    warnings.warn(message, ConvergenceWarning, stacklevel=5)


def _places(network: Network) -> NDArray[np.int64]:
    """Where the trained weights stand in a row of the arena: kernels, then biases, then what else is trained."""
    numbers: Any = np.arange(network.program.size)
    program, dense = network.program, products(network.program)
    pairs = [program.read(numbers, op) for op in dense]
    others = [one for op in program.steps if op not in dense for one in program.read(numbers, op)[: op.variables]]
    return np.concatenate([one.ravel() for one in [*(w for w, _ in pairs), *(b for _, b in pairs), *others]])
