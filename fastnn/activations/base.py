"""What all activations have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.settings import Settings

Array = NDArray[np.floating]


class Activation(Settings):
    """Base of all activations: a = forward(z), and dL/dz = backward(a, dL/da).

    An object is Keras' function too: ``f(x)`` for an array of any shape, ``f(x, setting=...)`` with other settings.
    """

    name: ClassVar[str]
    kernel: ClassVar[int]
    blockwise: ClassVar[bool] = False  # needs whole rows
    keeps_input: ClassVar[bool] = False  # whether the derivative is written in terms of z
    cost: ClassVar[int] = 100  # of a number, forward and backward, as in ``Program.cost``
    probabilities: ClassVar[bool] = False  # whether outputs lie in [0, 1], as a crossentropy needs them

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def callbacks(self, dtype: np.dtype, trained: bool) -> Any:
        """What the core calls in the place of a kernel of its table, forward and backward: for ``fastnn.formulas``."""
        return None

    def __call__(self, x: ArrayLike, *args: Any, axis: int | tuple[int, ...] = -1, **settings: Any) -> Array:
        """f(x) for numbers of any shape; settings: other ones.

        axis: one or several, for those that need whole rows, such as softmax. Whole numbers become float32, as in
        Keras; all else keeps its type.

        >>> from fastnn import activations
        >>> activations.elu([-1.0, 2.0], alpha=0.5).round(4)
        array([-0.3161,  2.    ])
        """
        one = type(self)(*args, **settings) if args or settings else self
        values = real(x, "x")
        z = values if values.dtype.kind == "f" else values.astype(np.float32)
        if not one.blockwise:
            return one.forward(z)
        axes = axis if isinstance(axis, (tuple, list)) else (axis,)
        last = tuple(range(-len(axes), 0))
        moved = np.moveaxis(z, axes, last)
        rows = moved.reshape(*moved.shape[: -len(axes)], -1)
        return np.moveaxis(one.forward(rows).reshape(moved.shape), last, axes)

    def forward(self, z: Array) -> Array:
        raise NotImplementedError

    def derivative(self, v: Array) -> Array:
        """da/dz, written in terms of v = z where ``keeps_input``, else of v = a = forward(z)."""
        raise NotImplementedError

    def backward(self, v: Array, d: Array) -> Array:
        """dL/dz from v (as in ``derivative``) and d = dL/da."""
        return d * self.derivative(v)
