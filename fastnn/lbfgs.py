"""Training by L-BFGS: all samples at once, curvature from the last gradients. Needs SciPy, imported when used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.checks import number, whole
from fastnn.data import check_rows
from fastnn.engine.program import Program
from fastnn.engine.source import Source
from fastnn.errors import DivergenceError, NotCompiledError
from fastnn.operations import BatchNormalization

if TYPE_CHECKING:
    from fastnn.models.sequential import Sequential

Array = NDArray[np.float64]
WALL = 10.0  # a loss that is not finite counts as so much above the last one: the line search turns back before it


class LBFGSResult:
    """What ``fit_lbfgs`` returns.

    losses: after each iteration; history: the same as a dictionary, {"loss": losses}; loss: the last, that of the
    weights that the model now has; evaluations: of the loss and its gradient; converged: whether the gradient or the
    progress fell below its limit; message: why it stopped.
    """

    def __init__(self, start: float) -> None:
        self.losses: list[float] = []
        self.loss = start
        self.evaluations = 0
        self.converged = False
        self.message = ""

    @property
    def history(self) -> dict[str, list[float]]:
        return {"loss": self.losses}

    @property
    def iterations(self) -> int:
        return len(self.losses)

    def __repr__(self) -> str:
        return f"<LBFGSResult after {self.iterations} iterations: loss {self.loss:.6g}; {self.message}>"


class _Stop(Exception):
    """The callback wants to stop."""


def fit_lbfgs(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    max_iter: int = 200,
    tol: float = 1e-4,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[int, float], Any] | None = None,
) -> LBFGSResult:
    """Trains the model on all of X and y by SciPy's L-BFGS-B, best for small data and smooth losses.

    The variables are the true parameters of the model as one float64 vector; the loss is that of training, penalties
    included. Stops after max_iter iterations, or when no component of the gradient exceeds tol, or when the loss
    changes by no more than its rounding. callback(iteration, loss) is called after each iteration; True stops. The
    model must be compiled; its optimizer is neither used nor changed. However the training ends, the model has the
    weights of the last finished iteration; moving statistics of a batch normalization become those of all rows, unless
    an error or Ctrl-C ends it.

    Refused: layers of random numbers (Dropout, GaussianNoise), which would be another function in each evaluation, and
    constraints. Sources: Liu and Nocedal, Mathematical Programming 45, 1989; Zhu, Byrd, Lu, Nocedal, "Algorithm
    778: L-BFGS-B", ACM TOMS 23, 1997.

    >>> import fastnn
    >>> from fastnn.layers import Dense, Input
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = fastnn.Sequential([Input(2), Dense(8, "tanh"), Dense(1, "sigmoid")], rng=0, dtype="float64")
    >>> model.compile("sgd", "binary_crossentropy")
    >>> fit_lbfgs(model, X, [0, 1, 1, 0]).loss < 0.01  # doctest: +SKIP
    True
    """
    optimize = _scipy()
    if model.loss is None:
        raise NotCompiledError("call model.compile(optimizer=..., loss=...) before fit_lbfgs")
    max_iter, tol = whole("max_iter", max_iter, 1), number("tol", tol, 0)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function (iteration, loss), got {callback!r}")
    with model._lock:
        _refuse(model)
        source, target = model.door.features(x), model.door.targets(y)
        check_rows(source, "X", target, "y")
        factors = model.door.sample_weight(sample_weight, len(source))
        return _minimize(model, source, target, factors, max_iter, tol, callback, optimize)


def parameter_indices(program: Program) -> NDArray[np.int64]:
    """Where the trained parameters stand in a row of the arena: no padding, no moving statistics.

    >>> import fastnn
    >>> from fastnn.layers import BatchNormalization, Dense, Input
    >>> model = fastnn.Sequential([Input(2), Dense(3), BatchNormalization(), Dense(1, use_bias=False)])
    >>> len(parameter_indices(model.program)), model.count_params()
    (18, 24)
    """
    numbers: Any = np.arange(program.size)
    places: list[NDArray[Any]] = [np.zeros(0, dtype=np.int64)]
    for op in program.steps:
        places += [array.ravel() for array in program.read(numbers, op)[: op.variables]]
    return np.concatenate(places)


def _minimize(
    model: Sequential,
    x: Source,
    y: Source,
    factors: NDArray[Any] | None,
    max_iter: int,
    tol: float,
    callback: Callable[[int, float], Any] | None,
    optimize: Any,
) -> LBFGSResult:
    network = model.network.copy()  # the points of a line search never touch the model
    row = network.arena[0]
    at = parameter_indices(model.program)
    last = 0.0  # loss of the latest evaluation, which is that of the new point when an iteration is finished

    def evaluate(point: Array) -> tuple[float, Array]:
        nonlocal last
        result.evaluations += 1
        with np.errstate(over="ignore"):
            row[at] = point
        loss, gradient = network.gradient(x, y, factors)
        slope = gradient[at].astype(np.float64)
        if not (np.isfinite(loss) and np.isfinite(slope).all()):
            if result.evaluations == 1:
                raise DivergenceError(
                    "the loss or its gradient is not finite at the starting weights; scale the features"
                )
            last = result.loss + WALL * (1 + abs(result.loss))
            return last, np.zeros(len(point))
        last = float(loss)
        return last, slope

    def iterated(point: Array) -> None:
        model.arena[0][at] = point
        result.loss = last
        result.losses.append(last)
        if callback is not None and callback(len(result.losses), last):
            raise _Stop

    result = LBFGSResult(float("nan"))
    start = row[at].astype(np.float64)
    try:
        result.loss = evaluate(start)[0]
        options = {"maxiter": max_iter, "maxfun": 15 * max_iter, "gtol": tol, "ftol": float(np.finfo(row.dtype).eps)}
        found = optimize.minimize(evaluate, start, method="L-BFGS-B", jac=True, callback=iterated, options=options)
        result.converged = bool(found.success)
        result.message = str(found.message)
    except _Stop:
        result.message = "stopped by the callback"
    if result.losses:
        _settle(model, x)
    return result


def _refuse(model: Sequential) -> None:
    """What has no fixed loss and what has limits."""
    for op in model.program.steps:
        layer = model.layers[op.layer]
        if op.random:
            raise ValueError(
                f"L-BFGS needs a loss that does not change between evaluations, but layer {layer.name!r} draws random"
                " numbers; leave it out, or use fit()"
            )
        if op.constraint is not None or op.bias_constraint is not None:
            which = "bias" if op.constraint is None else "kernel"
            raise ValueError(f"layer {layer.name!r} has a {which} constraint, which L-BFGS cannot keep; use fit()")


def _settle(model: Sequential, x: Source) -> None:
    """Moving statistics become those of x, which the last gradient was computed with."""
    program, row = model.program, model.arena[0]
    if not any(isinstance(op, BatchNormalization) for op in program.steps):
        return
    from fastnn.engine.reference import Engine, Tape

    arrays = [program.read(row, op) for op in program.steps]
    tape = Tape(program, arrays, 0, 0)
    tape.forward(Engine(program, model.arena).take(x, slice(None)))
    for op, values, inputs in zip(program.trained, arrays, tape.inputs, strict=False):
        if isinstance(op, BatchNormalization):
            values[-2:] = [inputs.mean(axis=0), inputs.var(axis=0)]
            program.write(row, op, values)


def _scipy() -> Any:
    from importlib import import_module

    try:
        return import_module("scipy.optimize")
    except ImportError as error:
        raise ImportError("fit_lbfgs needs SciPy: pip install scipy") from error
