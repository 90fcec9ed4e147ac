"""What enters: layers, the first one an Input, each with its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import Layer

Array = NDArray[Any]
Shape = tuple[int, ...]
GetWeights = Callable[[int, list[Shape]], Sequence[Any]]  # of a layer by its place, which should have these shapes


def filled(chosen: Sequence[Layer], weights: GetWeights, dtype: np.dtype, source: str) -> list[Layer]:
    """The layers, which begin with an Input, with their weights; a model keeps what they have.

    Raises ValueError where the weights have other shapes. source: what messages call where they come from.
    """
    shape: Shape = ()
    for place, layer in enumerate(chosen):
        before, shape = shape, layer.shape_after(shape)
        expected = [one for op in layer.operations(before) for one in op.shapes]
        given = [np.asarray(one) for one in weights(place, expected)]
        if [one.shape for one in given] != expected:
            raise ValueError(
                f"the weights of {source} for {layer!r} have the shapes {[one.shape for one in given]}, expected"
                f" {expected}"
            )
        arrays = [np.array(one, dtype=dtype) for one in given]
        if not all(np.isfinite(one).all() for one in arrays):
            raise ValueError(f"the weights of {source} for {layer!r} are not finite in {dtype}")
        if expected:
            vars(layer).update(_weights=arrays, _shape=before)
    return list(chosen)
