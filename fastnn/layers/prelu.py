"""An activation that learns its slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.constraints import Constraint
from fastnn.layers.axes import along, checked_axes, sample_axes
from fastnn.layers.base import Layer, Shape
from fastnn.layers.dense import initializer_of, optional
from fastnn.regularizers import Regularizer


class PReLU(Layer):
    """a = x where x > 0, else alpha x, with an alpha for each number of a sample that training learns. Weight: alpha.

    alpha_initializer, alpha_regularizer, alpha_constraint: as those of ``Dense``. shared_axes: along these axes of
    (rows, *shape) the numbers share their alpha, such as [1, 2] of maps: one for each channel. da/dx is 0 at 0. As in
    Keras. Source: He et al., "Delving deep into rectifiers", ICCV 2015.

    >>> PReLU("ones")([[-1.0, 2.0]]).tolist()
    [[-1.0, 2.0]]
    """

    weight_names = ("alpha",)

    def __init__(
        self,
        alpha_initializer: object = "zeros",
        alpha_regularizer: str | Regularizer | None = None,
        alpha_constraint: str | Constraint | None = None,
        shared_axes: int | Sequence[int] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.alpha_initializer = initializer_of(alpha_initializer)
        self.alpha_regularizer = optional("regularizer", alpha_regularizer, Regularizer)
        self.alpha_constraint = optional("constraint", alpha_constraint, Constraint)
        given = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if given is None else checked_axes("PReLU: shared_axes", list(given))

    def _shared(self, shape: Shape) -> tuple[int, ...]:
        """The axes of a sample along which alpha is the same."""
        return sample_axes("PReLU: shared_axes", self.shared_axes, shape) if self.shared_axes else ()

    def _alpha_shape(self, shape: Shape) -> Shape:
        shared = self._shared(shape)
        return tuple(1 if axis in shared else size for axis, size in enumerate(shape))

    def shape_after(self, input_shape: Shape) -> Shape:
        self._shared(input_shape)
        return input_shape

    def operations(self, input_shape: Shape) -> list[operations.Operation]:
        shared = self._shared(input_shape)
        own = [axis for axis in range(len(input_shape)) if axis not in shared]
        settings = {"kernel_regularizer": self.alpha_regularizer, "constraint": self.alpha_constraint}
        return along(operations.PReLU, input_shape, own, shape=self._alpha_shape(input_shape), **settings)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        return [self.alpha_initializer(self._alpha_shape(input_shape), rng)]
