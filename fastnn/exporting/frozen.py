"""What leaves: a network that is trained no more, as operations with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics import backend
from fastnn.engine.frozen import freeze
from fastnn.engine.network import Network
from fastnn.operations import Operation, TransposedConvolution
from fastnn.operations.maps import Windowed

Array = NDArray[Any]
Step = tuple[Operation, list[Array]]
T = TypeVar("T")


class Frozen:
    """Operations with their weights, as their twins take them, from samples of one shape to outputs of another.

    name: of the model, for titles. task: "network"; "classifier", whose outputs are probabilities of ``classes``, or
    margins, with ``limit`` between two of them; or "regressor".
    """

    def __init__(
        self,
        steps: Sequence[Step],
        shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        dtype: np.dtype,
        name: str = "network",
    ) -> None:
        self.steps, self.shape, self.output_shape, self.name = list(steps), shape, output_shape, name
        self.dtype, self.task = dtype, "network"
        self.classes: Array | None = None
        self.limit = 0.5

    def as_dtype(self, dtype: Any) -> Frozen:
        """The same in another number type; None: as it is. Returns itself."""
        if dtype is None:
            return self
        kind = np.dtype(dtype)
        if kind.name not in backend.DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(backend.DTYPES)}, or None, got {dtype!r}")
        with np.errstate(over="ignore"):
            self.steps = [(op, [array.astype(kind) for array in weights]) for op, weights in self.steps]
        if not all(np.isfinite(array).all() for _, weights in self.steps for array in weights):
            raise ValueError(f"weights hold values that are not finite in {kind}; leave dtype out")
        self.dtype = kind
        return self

    def as_classifier(self, classes: ArrayLike) -> Frozen:
        """The same with labels for its outputs: one for each, or two for one output. Returns itself."""
        labels = np.asarray(classes)
        outputs = self.output_shape[-1]
        if len(self.output_shape) != 1 or labels.ndim != 1 or len(labels) != max(2, outputs):
            raise ValueError(
                f"classes must be a list of {max(2, outputs)} labels for outputs of shape {self.output_shape}, got"
                f" {classes!r}"
            )
        if len(set(labels.tolist())) != len(labels):
            raise ValueError(f"classes must differ from each other, got {classes!r}")
        if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)
        if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
            labels = labels.astype(np.int64)
        if labels.dtype.kind not in "biuU":
            raise ValueError(f"classes must be texts or whole numbers, got {classes!r}")
        self.classes = labels if labels.dtype.kind == "U" else labels.astype(np.int64)
        self.task = "classifier"
        return self

    @property
    def inputs(self) -> int:
        """Numbers of a sample."""
        return int(np.prod(self.shape))

    @property
    def outputs(self) -> int:
        """Numbers of an output."""
        return int(np.prod(self.output_shape))


def frozen(network: Network, shape: tuple[int, ...], output_shape: tuple[int, ...], name: str) -> Frozen:
    """A network without what only training needs; batch normalization is part of the products where it can be."""
    bare = freeze(network)
    steps = [(op, bare.program.read(bare.arena[0], op)) for op in bare.program.steps]
    return Frozen(steps, shape, output_shape, network.dtype, name)


def entry(table: Mapping[type, T], given: Any, target: str) -> T:
    """The entry of a kind of operation, or an error that names the one which cannot go there."""
    found = table.get(type(given))
    if found is None:
        raise TypeError(
            f"{type(given).__name__} cannot go to {target} yet: it has no entry in fastnn/exporting; leave it out of"
            " the model, or use another target"
        )
    return found


def seen_pixels(op: Windowed) -> NDArray[np.int64]:
    """The pixel before a windowed operation that each tap meets at each pixel behind it, -1 for none: (pixels, taps).

    z[q] = sum over taps of x[seen[q, tap]] W[tap], for convolutions and transposed ones alike.
    """
    (height, width), taps = op.large, op.window[0] * op.window[1]
    rows, columns = (
        np.arange(small)[:, None] * stride + np.arange(size) * dilation - corner
        for small, stride, size, dilation, corner in zip(
            op.small, op.strides, op.window, op.dilation, op.corner, strict=True
        )
    )
    y, x = rows[:, None, :, None], columns[None, :, None, :]
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    large = np.where(there, y * width + x, -1).reshape(-1, taps)  # for each pixel of the small map
    if not isinstance(op, TransposedConvolution):
        return large
    seen = np.full((height * width, taps), -1)
    small, tap = np.nonzero(large >= 0)
    seen[large[small, tap], tap] = small
    return seen


def dense_kernel(op: Any, kernel: Array) -> Array:
    """The kernel of a convolution as (taps, inputs, outputs), with zeros between groups."""
    taps, inside, outside = op.window[0] * op.window[1], op.inputs // op.groups, op.outputs // op.groups
    lines = kernel.reshape(taps, inside, op.outputs)
    full = np.zeros((taps, op.inputs, op.outputs), dtype=kernel.dtype)
    for g in range(op.groups):
        own = slice(g * outside, (g + 1) * outside)
        full[:, g * inside : (g + 1) * inside, own] = lines[:, :, own]
    return full
