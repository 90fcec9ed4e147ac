"""What all operations have in common: sizes, weights in lines, and the methods of a NumPy twin."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.activations import Activation, Array, Linear
from fastnn.basics import counter
from fastnn.basics.settings import Settings
from fastnn.constraints import Constraint
from fastnn.regularizers import Regularizer

Weights = list[Array]  # of one operation: W and b, or the vectors of a normalization
Pair = tuple[int, int]  # height and width of a map, or down and across

# What the compiled engine knows of an operation on maps (kernels/network.pxi).
GEOMETRY = (
    "height",
    "width",
    "out_height",
    "out_width",
    "window_height",
    "window_width",
    "stride_y",
    "stride_x",
    "dilation_y",
    "dilation_x",
    "top",
    "left",
    "groups",
)

LANES = 16  # numbers of a cache line, in float32


class Draws:
    """The random numbers of one operation in one step: functions of (seed, operation, step, row, column)."""

    def __init__(self, seed: int, operation: int, iteration: int, width: int) -> None:
        self.seed, self.iteration, self.width = seed, iteration, width
        self.stream = ((operation + 1) << 48) ^ iteration

    def under(self, seed: int) -> Draws:
        """Those of a seed of the operation's own, wherever it stands; these ones where the seed is negative."""
        return self if seed < 0 else Draws(seed, 0, self.iteration, self.width)

    def words(self, x: Array) -> NDArray[np.uint32]:
        """Random words of the shape of x."""
        return counter.matrix(self.seed, self.stream, len(x), x.shape[1])

    def normals(self, x: Array) -> Array:
        """Normal numbers of the shape and type of x."""
        return counter.normals(self.seed, self.stream, len(x), x.shape[1], self.width).astype(x.dtype)


class Operation(Settings):
    """One line of a program. The subclass is its kind, the NumPy twin of a row of the core's table of operations.

    A batch is a matrix: a row for each pixel of each sample's map, sample after sample and row by row of the map, and a
    column for each channel. What is no map has one pixel, and a signal is a map of height 1.

    inputs, outputs: columns before and behind it; map_in, map_out: height and width of the maps. layer: position of its
    layer in the model; offset: of its weights in a row of the arena, in numbers: the program gives both. trainable:
    whether training changes its weights. matrices: how many its kernel is to the optimizer, 0 where it is a vector;
    kernel_decays, bias_decays: whether weight_decay means them; the program asks the optimizer. activation: joined to
    it by the program where the kind ``applies_activation``.

    Its weights are lines of ``outputs`` numbers: first those of its kernel (``kernel_rows``), then the bias, then what
    is not trained. The lines of a convolution's kernel are those of its first tap, one for each input, then those of
    the next tap.
    """

    name: ClassVar[str]
    kernel: ClassVar[int]  # its row in the core's table (kernels/operations/table.pxi)
    number_cost: ClassVar[int] = (
        0  # of a number of its output, forward and backward, beside its products (see ``cost``)
    )
    in_place: ClassVar[bool] = False  # outside of training it changes each number by itself
    random: ClassVar[bool] = False  # it draws random numbers in training, and does nothing else
    applies_activation: ClassVar[bool] = False

    inputs: int
    outputs: int
    map_in: Pair = (1, 1)
    map_out: Pair = (1, 1)
    layer: int = 0
    offset: int = 0
    trainable: bool = True
    matrices: int = 0
    kernel_decays: bool = True
    bias_decays: bool = True
    seed: int = -1  # of its random numbers; negative: the model's
    activation: Activation = Linear()
    bias: bool = False
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None
    activity_regularizer: Regularizer | None = None
    constraint: Constraint | None = None
    bias_constraint: Constraint | None = None

    def replace(self, **changes: Any) -> Operation:
        """A copy with some fields changed."""
        new = copy.copy(self)
        new.__dict__.update(changes)
        return new

    @property
    def positions_in(self) -> int:
        """Rows for each sample before it."""
        return self.map_in[0] * self.map_in[1]

    @property
    def positions_out(self) -> int:
        """Rows for each sample behind it."""
        return self.map_out[0] * self.map_out[1]

    @property
    def ids(self) -> int:
        """How many whole numbers its inputs may be; 0: they may be any."""
        return 0

    @property
    def numberwise(self) -> bool:
        """Whether it changes each number by itself in training too, whatever the shape of the sample."""
        return False

    @property
    def geometry(self) -> tuple[int, ...]:
        """What GEOMETRY names."""
        return (*self.map_in, *self.map_out, 1, 1, 1, 1, 1, 1, 0, 0, 1)

    @property
    def table(self) -> tuple[NDArray[Any], ...] | None:
        """Arrays that the compiled kernel reads beside the numbers of its description."""
        return None

    # -- weights -------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Lines of its weights."""
        return 0

    @property
    def kernel_rows(self) -> int:
        """Lines of its first weights, before the bias."""
        return 0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of its weights, as ``Sequential.get_weights`` returns them."""
        return [(self.outputs,)] * self.rows

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of its weights in files."""
        return ("kernel", "bias")[: len(self.shapes)]

    @property
    def variables(self) -> int:
        """How many of its weights training changes: the kernel and, where there is one, the bias."""
        return (min(self.kernel_rows, 1) + self.bias) * self.trainable

    @property
    def regularizers(self) -> tuple[Regularizer | None, ...]:
        """Those of the weights that training changes."""
        return (self.kernel_regularizer, self.bias_regularizer)[: self.variables]

    def arrays(self, lines: Array) -> Weights:
        """The weights as arrays, from their lines (rows, outputs): copies."""
        return [line.copy() for line in lines]

    def whole(self, array: Array, which: int) -> Array:
        """A view of a kernel (0) or bias (1), as optimizers get it: a vector, a matrix, or several matrices."""
        if which or not self.matrices:
            return array.reshape(-1)
        return array if self.matrices == 1 else array.reshape(self.matrices, -1, self.outputs)

    @property
    def inner(self) -> tuple[int, ...]:
        """The axes of the kernel, as ``get_weights`` shows it, that lead into one output."""
        return tuple(range(len(self.shapes[0]) - 1))

    def shown(self, arrays: Weights) -> Weights:
        """The weights of ``arrays`` as ``Sequential.get_weights`` returns them."""
        return [array.reshape(shape) for array, shape in zip(arrays, self.shapes, strict=False)]

    def taken(self, arrays: Weights) -> Weights:
        """The weights of ``shown`` as the twin works with them."""
        return [array if array.ndim == 1 else array.reshape(-1, self.outputs) for array in arrays]

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return self.activation.parameters

    @property
    def flops(self) -> int:
        """Floating-point operations of a sample in its products, forward."""
        return 0

    @property
    def cost(self) -> int:
        """Of a sample, forward and backward, beside the products; the unit is that of ``Program.cost``."""
        penalty = 0 if self.activity_regularizer is None else self.activity_regularizer.cost
        columns = (
            self.outputs if self.positions_out == 1 else -(-self.outputs // LANES) * LANES
        )  # pixels are whole lines
        return (self.number_cost + self.activation.cost + penalty) * columns * self.positions_out

    # -- the NumPy twin ------------------------------------------------------------------------------------------------

    def forward(self, x: Array, weights: Weights, draws: Draws) -> tuple[Array, Any]:
        """Training: the output for a batch x (rows, inputs), and what ``backward`` needs beside it."""
        raise NotImplementedError

    def backward(self, d: Array, x: Array, a: Array, kept: Any, weights: Weights) -> tuple[Array, Weights]:
        """dL/dx and the gradients of kernel and bias, from d = dL/da, the input x, the output a and what was kept."""
        raise NotImplementedError

    def infer(self, x: Array, weights: Weights) -> Array:
        """The output outside of training."""
        raise NotImplementedError

    def remember(self, weights: Weights, kept: Any) -> Weights | None:
        """The weights that no gradient changes, as they are after a step; None where there are none."""
        return None
