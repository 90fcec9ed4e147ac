"""Losses of the user's own: of each output, or of whole rows of outputs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fastnn.activations.base import Array
from fastnn.formulas.checks import POINTS, check_row_slope, check_slope
from fastnn.formulas.functions import Function, has_numba, key_of, name_of, row_slopes, slopes, values
from fastnn.losses.base import Loss


class OwnLoss(Loss):
    """L = the mean over the outputs of function(y, output), or, with rows, function(y, outputs) of each sample.

    Made by ``fastnn.formulas.loss`` and ``row_loss``. slope: the derivative by the output, (y, output) or, with rows,
    (y, outputs, k); derived where it is None. columns: of y, with rows; by default as many as outputs.

    >>> OwnLoss(lambda y, a: (a - y) ** 2, name="square").evaluate(np.array([[3.0]]), np.array([[1.0]]))
    (array([4.]), array([[4.]]))
    """

    cost = 200
    function: Function  # type: ignore[misc] # ``name`` comes last, see Settings
    slope: Function | None = None
    rows: bool = False
    own_columns: int | None = None
    check: bool = True
    compiled: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function) or not (self.slope is None or callable(self.slope)):
            raise TypeError(f"formulas.loss: expected functions of (y, output), got {self.function!r}, {self.slope!r}")
        if self.name == Loss.name:
            object.__setattr__(self, "name", name_of(self.function, None))
        self._flags("rows", "check", "compiled")

    def __repr__(self) -> str:
        return f"formulas.{'row_loss' if self.rows else 'loss'}({self.name})"

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        """Whether maps of outputs will do."""
        return not self.rows

    def columns(self, outputs: int) -> int:
        return self.own_columns or outputs

    def evaluate(self, a: Array, t: Array) -> tuple[Array, Array]:
        if self.rows:
            return self._evaluate_rows(a, t)
        found = values(self.function, a, t)
        d = slopes(self.function, a, t) if self.slope is None else values(self.slope, a, t)
        return found.mean(axis=1, dtype=a.dtype), d / a.dtype.type(a.shape[1])

    def _evaluate_rows(self, a: Array, t: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            found = np.array([float(self.function(y, row)) for y, row in zip(t, a, strict=True)], dtype=a.dtype)
            if self.slope is None:
                return found, np.array(
                    [row_slopes(self.function, y, row) for y, row in zip(t, a, strict=True)], a.dtype
                )
            d = [[float(self.slope(y, row, k)) for k in range(len(row))] for y, row in zip(t, a, strict=True)]
            return found, np.array(d, dtype=a.dtype).reshape(a.shape)

    def callback(self, dtype: np.dtype) -> Any:
        what = f"loss {self.name!r}"
        if not (self.compiled and has_numba(self.name)):
            if self.check:
                self._check(what, self.evaluate, np.dtype(np.float64))
            return None
        from fastnn.formulas import compiler

        formula = compiler.Formula(self.function, key_of(self.function))
        given = None if self.slope is None else compiler.Formula(self.slope, key_of(self.slope))
        made = (compiler.row_loss if self.rows else compiler.loss)(what, formula, given, 8 * dtype.itemsize)
        if self.check:
            _checked(self, what, dtype)
        return made, self.rows

    def _check(self, what: str, evaluate: Any, dtype: np.dtype) -> None:
        """Holds the derivative against finite differences, where they are defined."""
        if self.rows:
            check_row_slope(what, self.function, evaluate, self.own_columns, dtype)
            return
        points = np.stack([np.repeat(np.array([-1.5, 0.25, 1.0, 3.0]), len(POINTS)), np.tile(POINTS, 4)], axis=1)
        a, t = (np.ascontiguousarray(points[:, k : k + 1], dtype=dtype) for k in (1, 0))
        check_slope(what, self.function, points.astype(dtype).astype(np.float64), evaluate(a, t)[1][:, 0])


@lru_cache(512)
def _checked(loss: OwnLoss, what: str, dtype: np.dtype) -> None:
    """The check of the compiled function, once."""
    from fastnn.formulas import compiler

    bits = 8 * dtype.itemsize
    formula = compiler.Formula(loss.function, key_of(loss.function))
    given = None if loss.slope is None else compiler.Formula(loss.slope, key_of(loss.slope))

    def evaluate(a: Array, t: Array) -> tuple[Array, Array]:
        if not loss.rows:
            found, d = np.empty_like(a), np.empty_like(a)
            compiler.run(compiler.loss(what, formula, given, bits), a, t, found, d, plain=True)
            return found, d
        return compiler.run_rows(compiler.row_loss(what, formula, given, bits), a, t)

    loss._check(what, evaluate, dtype)
