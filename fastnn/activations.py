"""Activation functions: name, formula, derivative, and the number of the compiled kernel (kernels/activations.pxi).

Each works element by element, except softmax, which works on the rows of a batch (samples, outputs).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Activation:
    """Base of all activations: a = forward(z), and dL/dz = backward(a, dL/da)."""

    name: ClassVar[str]
    kernel: ClassVar[int]
    blockwise: ClassVar[bool] = False  # needs whole rows

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the compiled kernel gets."""
        return ()

    def forward(self, z: Array) -> Array:
        raise NotImplementedError

    def derivative(self, a: Array) -> Array:
        """da/dz, written in terms of a = forward(z)."""
        raise NotImplementedError

    def backward(self, a: Array, d: Array) -> Array:
        """dL/dz from a = forward(z) and d = dL/da."""
        return d * self.derivative(a)


@dataclass(frozen=True)
class Linear(Activation):
    """a = z.

    >>> Linear().forward(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """

    name = "linear"
    kernel = 0

    def forward(self, z: Array) -> Array:
        return z

    def derivative(self, a: Array) -> Array:
        return np.ones_like(a)


@dataclass(frozen=True)
class ReLU(Activation):
    """a = max(z, 0); da/dz = 1 where z > 0, else 0 (also at 0, as everywhere).

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> ReLU().forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    name = "relu"
    kernel = 1

    def forward(self, z: Array) -> Array:
        return np.where(z < 0, np.zeros_like(z), z)

    def derivative(self, a: Array) -> Array:
        return (a > 0).astype(a.dtype)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """a = z where z >= 0, else negative_slope * z; da/dz = 1 where z > 0, else negative_slope.

    The default slope 0.2 is that of ``keras.activations.leaky_relu``; Keras' layer has 0.3, PyTorch 0.01.
    Raises ValueError for a slope below 0. Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network
    acoustic models", 2013.

    >>> LeakyReLU(0.1).forward(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    name = "leaky_relu"
    kernel = 2
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        if not self.negative_slope >= 0:
            raise ValueError(f"negative_slope must be 0 or more, got {self.negative_slope}")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.negative_slope,)

    def forward(self, z: Array) -> Array:
        return np.where(z < 0, z * z.dtype.type(self.negative_slope), z)

    def derivative(self, a: Array) -> Array:
        return np.where(a > 0, a.dtype.type(1), a.dtype.type(self.negative_slope))


@dataclass(frozen=True)
class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z)); da/dz = a (1 - a).

    >>> Sigmoid().forward(np.array([0.0, 2.0])).round(4)
    array([0.5   , 0.8808])
    """

    name = "sigmoid"
    kernel = 3

    def forward(self, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-z))

    def derivative(self, a: Array) -> Array:
        return a * (1 - a)


@dataclass(frozen=True)
class Tanh(Activation):
    """a = tanh(z); da/dz = 1 - a^2.

    >>> Tanh().forward(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7616])
    """

    name = "tanh"
    kernel = 4

    def forward(self, z: Array) -> Array:
        return np.tanh(z)

    def derivative(self, a: Array) -> Array:
        return 1 - a * a


@dataclass(frozen=True)
class Softmax(Activation):
    """a_k = exp(z_k) / sum_j exp(z_j) along each row; dL/dz_k = a_k (d_k - sum_j a_j d_j) with d = dL/da.

    >>> Softmax().forward(np.array([[0.0, 0.0], [0.0, np.log(3.0)]]))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """

    name = "softmax"
    kernel = 5
    blockwise = True

    def forward(self, z: Array) -> Array:
        a = np.exp(z - z.max(axis=-1, keepdims=True))
        return a / a.sum(axis=-1, keepdims=True)

    def backward(self, a: Array, d: Array) -> Array:
        return a * (d - (a * d).sum(axis=-1, keepdims=True))


ENTRIES: tuple[type[Activation], ...] = (Linear, ReLU, LeakyReLU, Sigmoid, Tanh, Softmax)
