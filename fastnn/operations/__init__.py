"""What a program is made of: each kind of operation with its sizes, its weights and its NumPy twin.

The kernel of a kind stands in ``kernels/operations/`` and in the core's table under the same name and number.
"""

from fastnn.operations.activation import Elementwise, Rowwise, activate
from fastnn.operations.base import Draws, Operation, Weights
from fastnn.operations.dense import Dense
from fastnn.operations.normalization import BatchNormalization, LayerNormalization, UnitNormalization
from fastnn.operations.randomness import Dropout, Noise

ENTRIES: tuple[type[Operation], ...] = (
    Dense,
    Elementwise,
    Rowwise,
    Dropout,
    Noise,
    BatchNormalization,
    LayerNormalization,
    UnitNormalization,
)
"""All kinds, each at the place that its ``kernel`` says."""

__all__ = [
    "ENTRIES",
    "BatchNormalization",
    "Dense",
    "Draws",
    "Dropout",
    "Elementwise",
    "LayerNormalization",
    "Noise",
    "Operation",
    "Rowwise",
    "UnitNormalization",
    "Weights",
    "activate",
]
