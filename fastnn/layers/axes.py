"""Operations along any axes of a sample: its numbers move so that these become columns, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn import operations
from fastnn.basics.checks import whole
from fastnn.layers.base import Shape, between, map_of
from fastnn.operations import Operation


def checked_axes(name: str, axis: Any) -> int | list[int]:
    """What a setting ``axis`` was given as: a whole number, or a list of them."""
    if isinstance(axis, (list, tuple)):
        return [whole(f"{name}: each axis", one, -64) for one in axis]
    return whole(f"{name}: axis", axis, -64)


def sample_axes(name: str, axis: int | list[int], shape: Shape) -> tuple[int, ...]:
    """The axes of a sample that ``axis`` names, in their order; it counts those of (rows, *shape), or from the end.

    >>> sample_axes("Softmax", -1, (28, 28, 3)), sample_axes("Softmax", [3, 1], (28, 28, 3))
    ((2,), (0, 2))
    """
    given = [axis] if isinstance(axis, int) else axis
    places = [one - 1 if one >= 0 else len(shape) + one for one in given]
    if not given or len(set(places)) < len(places) or not all(0 <= one < len(shape) for one in places):
        known = "-1 or 1" if len(shape) == 1 else f"1 to {len(shape)}, or -1 for the last,"
        raise ValueError(
            f"{name}: axis must be {known} of samples of shape {shape}, whose rows are axis 0, got axis={axis!r}"
        )
    return tuple(sorted(places))


def along(
    kind: type[Operation], sample: Shape, axes: Sequence[int], divided: Shape | None = None, /, **settings: Any
) -> list[Operation]:
    """An operation whose columns are these axes of a sample, and whose pixels are the others; nothing else moves.

    divided: the sample's shape with one of its axes as two, which ``axes`` counts then.
    """
    shape = divided or sample
    if tuple(axes) == (len(shape) - 1,) and shape == sample:
        return [between(kind, sample, sample, **settings)]
    order = (*(one for one in range(len(shape)) if one not in axes), *axes)
    moved = tuple(shape[one] for one in order)
    columns = prod(shape[one] for one in axes)
    pixels = (1, prod(shape) // columns)
    turned: dict[str, Any] = {}
    returned: dict[str, Any] = {}
    if order != tuple(range(len(shape))):
        turned = {"shape": shape, "axes": order}
        returned = {"shape": moved, "axes": tuple(order.index(one) for one in range(len(shape)))}
    there = operations.Permutation(sample[-1], columns, map_in=map_of(sample), map_out=pixels, **turned)
    back = operations.Permutation(columns, sample[-1], map_in=pixels, map_out=map_of(sample), **returned)
    return [there, kind(columns, columns, map_in=pixels, map_out=pixels, **settings), back]
