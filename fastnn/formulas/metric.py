"""A metric and a schedule of the user's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.formulas.functions import Function, has_numba, key_of, name_of, values
from fastnn.metrics.base import Averaged, like
from fastnn.schedules import Numbers, Schedule


class OwnMetric(Averaged):
    """The mean of function(y, output) over all outputs of all samples. Made by ``fastnn.formulas.metric``.

    >>> OwnMetric(lambda y, a: abs(a - y) < 0.5, name="near")([[1.0], [2.0]], [[1.25], [3.0]])
    0.5
    """

    function: Function  # type: ignore[misc] # ``name`` comes last, see Settings
    compiled: bool = True

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"formulas.metric: expected a function of (y, output), got {self.function!r}")
        self.name = name_of(self.function, None if self.name == Averaged.name else self.name)
        super().__post_init__()

    @property
    def own(self) -> bool:
        """Whether code of the user's needs the GIL."""
        return not self.compiled

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        t, a = like(y, outputs, self.name).astype(np.float64), outputs.astype(np.float64)
        if not (self.compiled and has_numba(self.name)):
            return values(self.function, a, t)
        from fastnn.formulas import compiler

        formula = compiler.Formula(self.function, key_of(self.function))
        a, t = np.array(a, order="C"), np.ascontiguousarray(t)
        compiler.run(compiler.metric(f"metric {self.name!r}", formula), a, t)
        return a


class OwnSchedule(Schedule):
    """a(t) = function(t), t the number of the step, the first being 0. Made by ``fastnn.formulas.schedule``.

    >>> OwnSchedule(lambda t: 0.1 / (1 + t))([0, 1])
    array([0.1 , 0.05])
    """

    function: Function
    name: str | None = None
    compiled: bool = True

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"formulas.schedule: expected a function of the step, got {self.function!r}")
        object.__setattr__(self, "name", name_of(self.function, self.name))

    @property
    def settled(self) -> bool:
        """It is a function of the step alone."""
        return True

    def rates(self, t: Numbers) -> Numbers:
        if not (self.compiled and has_numba(str(self.name))):
            return values(self.function, t)
        from fastnn.formulas import compiler

        formula = compiler.Formula(self.function, key_of(self.function))
        rates = np.array(t, dtype=np.float64, order="C")
        compiler.run(compiler.forward(f"schedule {self.name!r}", formula, 64), rates)
        return rates
