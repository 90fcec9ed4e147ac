"""The optimizers on any function: for experiments, pictures and lessons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain
from fastnn.basics.checks import whole
from fastnn.catalogue import resolve
from fastnn.constraints import norm
from fastnn.optimizers import Optimizer
from fastnn.schedules import Schedule

Array = NDArray[np.float64]


class Path:
    """Where an optimizer went: x (steps + 1, *shape of x0), values (steps + 1,), both beginning with the start.

    Fewer steps than asked for where the schedule ended it.

    ``x, values = minimize(...)`` takes them apart. ``gradients`` (steps, *shape of x0) are those that were followed,
    before clipping.
    """

    def __init__(self, x: Array, values: Array, gradients: Array) -> None:
        self.x, self.values, self.gradients = x, values, gradients

    def __iter__(self) -> Iterator[Array]:
        return iter((self.x, self.values))

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"<Path of {len(self.x) - 1} steps from {self.values[0]:.6g} to {self.values[-1]:.6g}>"


def minimize(
    f: Callable[[Any], Any],
    gradient: Callable[[Any], ArrayLike] | None = None,
    x0: ArrayLike | None = None,
    optimizer: str | Optimizer | type[Optimizer] = "sgd",
    steps: int = 100,
) -> Path:
    """Runs an optimizer of the catalogue on the function f from x0, and returns the path that it took.

    f: takes x (a float where x0 is a number, else an array of the shape of x0) and returns a number. gradient: its
    derivative, of the shape of x0; None takes central differences, (f(x + h) - f(x - h)) / 2h with h = eps^(1/3) max(1,
    |x|) for each coordinate. optimizer: a name, or an object with its rate, schedule, clipping and decay; all in
    float64. A schedule that follows the loss, such as ``schedules.Adaptive``, begins anew, is told f after each step,
    and ends the path where it would end training. With use_ema, or schedule-free, the last point is the average. A path
    that diverges goes on to infinity; look at the values. x0 of two axes is a matrix to those that see whole weights,
    such as ``Muon``; the names of weights (``without_decay``) mean nothing here.

    >>> from fastnn import optimizers
    >>> path = minimize(lambda x: x**2, lambda x: 2 * x, x0=1.0, optimizer=optimizers.SGD(0.25), steps=3)
    >>> path.x
    array([1.   , 0.5  , 0.25 , 0.125])
    >>> x, values = minimize(lambda x: (x**2).sum(), x0=[3.0, 4.0], optimizer="adam", steps=10)
    >>> x.shape, values[0].item()
    ((11, 2), 25.0)
    """
    start = _start(f, gradient, x0)
    steps = whole("steps", steps, 0)
    rule = resolve("optimizer", optimizer, Optimizer).copied()  # a schedule that follows the loss changes
    schedule = rule.learning_rate if isinstance(rule.learning_rate, Schedule) else None
    if schedule is not None:
        schedule.reset()
    shape, size = start.shape, start.size

    def value(w: Array) -> float:
        result = plain(f(_point(w, shape)), "the value of f")
        if result.size != 1 or result.dtype.kind not in "fiub":
            raise ValueError(f"f must return one number, got {result!r} at {_point(w, shape)!r}")
        return float(result.reshape(())[()])

    def slope(w: Array) -> Array:
        if gradient is None:
            return _differences(value, w)
        result = plain(gradient(_point(w, shape)), "the gradient").astype(np.float64)
        if result.size != size or (result.shape != shape and size > 1):
            raise ValueError(f"gradient must return an array of the shape of x0, {shape}, got {result.shape}")
        return result.reshape(-1)

    w = start.reshape(-1).copy()
    path, values, gradients = np.empty((steps + 1, size)), np.empty(steps + 1), np.empty((steps, size))
    state: list[Any] = [np.zeros(size) for _ in rule.slots]
    seen, total = shape or (1,), np.zeros(size)
    if state:
        state[0] += rule.initial
    average, last = w.copy(), steps
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        path[0], values[0] = w, value(w)
        for step in range(steps):
            gradients[step] = slope(w)
            scalars = rule.all_scalars(np.array([step + 1]))[0]
            total += gradients[step]
            if rule.updates_at(step + 1):
                w *= rule.decay_factor(scalars, len(shape) == 2)
                g = _clip(total / (rule.gradient_accumulation_steps or 1), rule)
                rule.update(w.reshape(seen), g.reshape(seen), [one.reshape(seen) for one in state], scalars[:-2])
                total[:] = 0
            average = scalars[-2] * average + (1 - scalars[-2]) * w
            if rule.overwrites_at(step + 1):
                w[:] = average
            path[step + 1], values[step + 1] = w, value(w)
            if schedule is not None and schedule.update(values[step + 1]):
                last = step + 1
                break
        if "average" in rule.slots:
            average = state[rule.slots.index("average")]
        if "average" in rule.state and last:
            path[last], values[last] = average, value(average)
    path, values, gradients = path[: last + 1], values[: last + 1], gradients[:last]
    return Path(path.reshape(-1, *shape), values, gradients.reshape(-1, *shape))


def _start(f: Any, gradient: Any, x0: Any) -> Array:
    """x0 as an array, after a look at all three."""
    if not callable(f):
        raise TypeError(f"f must be a function x -> number, got {f!r}")
    if gradient is not None and not callable(gradient):
        hint = "; write x0=... if this is the starting point" if x0 is None else ""
        raise TypeError(f"gradient must be a function x -> array or None, got {gradient!r}{hint}")
    if x0 is None:
        raise TypeError("minimize needs a starting point, for instance x0=[1.0, 2.0]")
    start = plain(x0, "x0")
    if start.dtype.kind not in "fiub" or not start.size:
        raise TypeError(f"x0 must be a number or an array of numbers, got {x0!r}")
    start = start.astype(np.float64)
    if not np.isfinite(start).all():
        raise ValueError(f"x0 must be finite, got {x0!r}")
    return start


def _point(w: Array, shape: tuple[int, ...]) -> Any:
    """What the user's functions get: a copy, so that they may change it."""
    return w.reshape(shape).copy() if shape else np.float64(w[0])  # 1e200**2 is inf, where Python's float raises


def _differences(value: Callable[[Array], float], w: Array) -> Array:
    out = np.empty_like(w)
    for i in range(len(w)):
        h = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, abs(w[i]))
        ahead, behind = w.copy(), w.copy()
        ahead[i] += h
        behind[i] -= h
        out[i] = (value(ahead) - value(behind)) / (ahead[i] - behind[i])  # the distance as it was rounded
    return out


def _clip(g: Array, rule: Optimizer) -> Array:
    """As the engines do it; x is one variable, so that both norms are the same."""
    if rule.clipvalue:
        g = np.clip(g, -rule.clipvalue, rule.clipvalue)
    longest = rule.clipnorm or rule.global_clipnorm
    return g * (longest / length) if longest and (length := norm(g)) > longest else g
