"""What a program is made of: each kind of operation with its sizes, its weights and its NumPy twin.

The kernel of a kind stands in ``kernels/operations/`` and in the core's table under the same name and number.
"""

from fastnn.operations.activation import Elementwise, PReLU, Rowwise, activate, activated
from fastnn.operations.base import GEOMETRY, Draws, Operation, Pair, Weights
from fastnn.operations.dense import Dense
from fastnn.operations.lookup import Embedding, Encoding
from fastnn.operations.maps import Convolution, TransposedConvolution
from fastnn.operations.moves import Permutation, Resampling
from fastnn.operations.normalization import BatchNormalization, LayerNormalization, UnitNormalization
from fastnn.operations.pooling import AveragePooling, MaxPooling
from fastnn.operations.randomness import Dropout, Noise, NoisyFactors

ENTRIES: tuple[type[Operation], ...] = (
    Dense,
    Elementwise,
    Rowwise,
    Dropout,
    Noise,
    BatchNormalization,
    LayerNormalization,
    UnitNormalization,
    Convolution,
    TransposedConvolution,
    MaxPooling,
    AveragePooling,
    Resampling,
    Permutation,
    NoisyFactors,
    PReLU,
    Embedding,
    Encoding,
)
"""All kinds, each at the place that its ``kernel`` says."""

__all__ = [
    "ENTRIES",
    "GEOMETRY",
    "AveragePooling",
    "BatchNormalization",
    "Convolution",
    "Dense",
    "Draws",
    "Dropout",
    "Elementwise",
    "Embedding",
    "Encoding",
    "LayerNormalization",
    "MaxPooling",
    "Noise",
    "NoisyFactors",
    "Operation",
    "PReLU",
    "Pair",
    "Permutation",
    "Resampling",
    "Rowwise",
    "TransposedConvolution",
    "UnitNormalization",
    "Weights",
    "activate",
    "activated",
]
