"""Smooth activations."""

from __future__ import annotations

from math import erfc
from typing import Any

import numpy as np

from fastnn.activations.base import Activation, Array

_erfc = np.frompyfunc(erfc, 1, 1)  # NumPy has no error function, the standard library has


class _Sloped(Activation):
    """Base of functions of slope z."""

    slope: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("slope")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.slope,)


class Sigmoid(_Sloped):
    """a = 1 / (1 + exp(-slope z)); da/dz = slope a (1 - a). The slope, 1 by default, is the notes' beta.

    Keras, PyTorch and scikit-learn have the slope 1 only. Source: Rumelhart, Hinton, Williams, "Learning
    representations by back-propagating errors", Nature 323, 1986.

    >>> Sigmoid().forward(np.array([0.0, 2.0])).round(4)
    array([0.5   , 0.8808])
    """

    name = "sigmoid"
    kernel = 3
    probabilities = True

    def forward(self, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-z.dtype.type(self.slope) * z))

    def derivative(self, v: Array) -> Array:
        return v.dtype.type(self.slope) * v * (1 - v)


class Tanh(_Sloped):
    """a = tanh(slope z); da/dz = slope (1 - a^2). Keras, PyTorch and scikit-learn have the slope 1 only.

    Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop", 1998, section 4.4, who advise 1.7159 tanh(2 z / 3).

    >>> Tanh().forward(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7616])
    """

    name = "tanh"
    kernel = 4

    def forward(self, z: Array) -> Array:
        return np.tanh(z.dtype.type(self.slope) * z)

    def derivative(self, v: Array) -> Array:
        return v.dtype.type(self.slope) * (1 - v * v)


class ELU(Activation):
    """a = z where z > 0, else alpha (exp(z) - 1); da/dz = 1, or a + alpha. alpha must be 0 or more.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units",
    ICLR 2016.

    >>> ELU().forward(np.array([-1.0, 1.0])).round(4)
    array([-0.6321,  1.    ])
    """

    name = "elu"
    kernel = 8
    alpha: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("alpha", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.alpha, 1.0)

    def forward(self, z: Array) -> Array:
        alpha, scale = (z.dtype.type(value) for value in self.parameters)
        return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))

    def derivative(self, v: Array) -> Array:
        alpha, scale = self.parameters
        return np.where(v > 0, v.dtype.type(scale), v + v.dtype.type(alpha * scale))


class SELU(ELU):
    """1.0507 times ELU with alpha 1.6733: keeps mean 0 and variance 1 through many layers, with LeCun's initializer.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.

    >>> SELU().forward(np.array([-1.0, 1.0])).round(4)
    array([-1.1113,  1.0507])
    """

    name = "selu"
    kernel = 9
    alpha: float = 1.6732632423543772

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.alpha, 1.0507009873554805)


class GELU(Activation):
    """a = z Phi(z) with the normal distribution Phi; da/dz = Phi(z) + z phi(z). Exact, as Keras' and PyTorch's default.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016. With ``approximate=True`` use "gelu_tanh".

    >>> GELU().forward(np.array([-1.0, 1.0])).round(4)
    array([-0.1587,  0.8413])
    """

    name = "gelu"
    kernel = 10
    cost = 350
    keeps_input = True

    def forward(self, z: Array) -> Array:
        return z * _normal_distribution(z)

    def derivative(self, v: Array) -> Array:
        return _normal_distribution(v) + v * np.exp(v.dtype.type(-0.5) * v * v) * v.dtype.type(0.3989422804014327)


class GELUTanh(Activation):
    """a = z (1 + tanh u) / 2 = z sigmoid(2 u) with u = sqrt(2/pi) (z + 0.044715 z^3): GELU's approximation.

    Keras' and PyTorch's gelu with approximate=True and "tanh". Source: Hendrycks and Gimpel, "Gaussian error linear
    units", 2016.

    >>> GELUTanh().forward(np.array([-1.0, 1.0])).round(4)
    array([-0.1588,  0.8412])
    """

    name = "gelu_tanh"
    kernel = 11
    cost = 300
    keeps_input = True

    def forward(self, z: Array) -> Array:
        return z * self._share(z)

    def derivative(self, v: Array) -> Array:
        v = np.clip(v, -12, 12)  # beyond, the share is 0 or 1 to the last bit, and z^2 may overflow
        s = self._share(v)
        inner = v.dtype.type(2 * 0.7978845608028654) * (1 + v.dtype.type(3 * 0.044715) * v * v)
        return s + v * s * (1 - s) * inner

    @staticmethod
    def _share(z: Array) -> Array:
        return Sigmoid().forward(z.dtype.type(2 * 0.7978845608028654) * (z + z.dtype.type(0.044715) * z * z * z))


class SiLU(Activation):
    """a = z s with s = sigmoid(z); da/dz = s (1 + z (1 - s)). Also known as swish.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", 2017.

    >>> SiLU().forward(np.array([-1.0, 1.0])).round(4)
    array([-0.2689,  0.7311])
    """

    name = "silu"
    kernel = 12
    keeps_input = True

    def forward(self, z: Array) -> Array:
        return z * Sigmoid().forward(z)

    def derivative(self, v: Array) -> Array:
        s = Sigmoid().forward(v)
        return s * (1 + v * (1 - s))


class Mish(Activation):
    """a = z t with t = tanh(softplus(z)); da/dz = t + z (1 - t^2) sigmoid(z).

    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    >>> Mish().forward(np.array([-1.0, 1.0])).round(4)
    array([-0.3034,  0.8651])
    """

    name = "mish"
    kernel = 13
    cost = 500
    keeps_input = True

    def forward(self, z: Array) -> Array:
        return z * np.tanh(np.logaddexp(0, z))

    def derivative(self, v: Array) -> Array:
        t = np.tanh(np.logaddexp(0, v))
        return t + v * (1 - t * t) * Sigmoid().forward(v)


class Softplus(Activation):
    """a = log(1 + exp(z)); da/dz = sigmoid(z) = 1 - exp(-a). PyTorch's is z above 20.

    Source: Dugas, Bengio, Belisle, Nadeau, Garcia, "Incorporating second-order functional knowledge for better option
    pricing", NIPS 2000.

    >>> Softplus().forward(np.array([0.0, 100.0])).round(4)
    array([  0.6931, 100.    ])
    """

    name = "softplus"
    kernel = 14

    def forward(self, z: Array) -> Array:
        return np.logaddexp(0, z)

    def derivative(self, v: Array) -> Array:
        return -np.expm1(-v)


class Softsign(Activation):
    """a = z / (1 + |z|); da/dz = (1 - |a|)^2.

    Source: Bergstra, Desjardins, Lamblin, Bengio, "Quadratic polynomials learn better image features", 2009.

    >>> Softsign().forward(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    name = "softsign"
    kernel = 15

    def forward(self, z: Array) -> Array:
        return z / (1 + np.abs(z))

    def derivative(self, v: Array) -> Array:
        return (1 - np.abs(v)) ** 2


class Exponential(Activation):
    """a = exp(z); da/dz = a. The inverse of the log link: a rate for the Poisson loss.

    Source: McCullagh and Nelder, "Generalized linear models", 2nd edition, 1989, chapter 6.

    >>> Exponential().forward(np.array([0.0, 1.0])).round(4)
    array([1.    , 2.7183])
    """

    name = "exponential"
    kernel = 17

    def forward(self, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.exp(z)

    def derivative(self, v: Array) -> Array:
        return v


class LogSigmoid(Activation):
    """a = log(1 / (1 + exp(-z))) = -softplus(-z); da/dz = 1 - exp(a).

    Source: Maechler, "Accurately computing log(1 - exp(-|a|))", 2012.

    >>> LogSigmoid().forward(np.array([0.0, 2.0])).round(4)
    array([-0.6931, -0.1269])
    """

    name = "log_sigmoid"
    kernel = 22

    def forward(self, z: Array) -> Array:
        return -np.logaddexp(-z, z.dtype.type(0))

    def derivative(self, v: Array) -> Array:
        return -np.expm1(v)


class CELU(Activation):
    """a = z where z > 0, else alpha (exp(z / alpha) - 1); da/dz = 1, or a / alpha + 1. alpha must be above 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.

    >>> CELU(alpha=2.0).forward(np.array([-1.0, 1.0])).round(4)
    array([-0.7869,  1.    ])
    """

    name = "celu"
    kernel = 23
    alpha: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("alpha", above=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.alpha, 1 / self.alpha)

    def forward(self, z: Array) -> Array:
        alpha, inverse = (z.dtype.type(value) for value in self.parameters)
        return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) * inverse))

    def derivative(self, v: Array) -> Array:
        return np.where(v > 0, v.dtype.type(1), v * v.dtype.type(1 / self.alpha) + 1)


class TanhShrink(Activation):
    """a = z - tanh(z); da/dz = tanh(z)^2.

    Source: Collobert, Bengio, Mariethoz, "Torch: a modular machine learning software library", 2002.

    >>> TanhShrink().forward(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.2384])
    """

    name = "tanh_shrink"
    kernel = 26
    keeps_input = True

    def forward(self, z: Array) -> Array:
        return z - np.tanh(z)

    def derivative(self, v: Array) -> Array:
        return np.tanh(v) ** 2


class Squareplus(Activation):
    """a = (z + sqrt(z^2 + b)) / 2; da/dz = (1 + z / sqrt(z^2 + b)) / 2. b = 4 is like softplus; b must be above 0.

    For z < 0 as b / (2 (sqrt(z^2 + b) - z)), where the terms of the other form cancel. Source: Barron, "Squareplus: a
    softplus-like algebraic rectifier", 2021.

    >>> Squareplus().forward(np.array([-1.5, 0.0, 1.5]))
    array([0.5, 1. , 2. ])
    """

    name = "squareplus"
    kernel = 27
    cost = 60
    keeps_input = True
    b: float = 4.0

    def __post_init__(self) -> None:
        self._numbers("b", above=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.b,)

    def forward(self, z: Array) -> Array:
        root, half = self._root(z), z.dtype.type(0.5)
        return np.where(z < 0, half * z.dtype.type(self.b) / (root + np.abs(z)), half * (z + root))

    def derivative(self, v: Array) -> Array:
        root, half = self._root(v), v.dtype.type(0.5)
        return np.where(v < 0, half * v.dtype.type(self.b) / (root * (root + np.abs(v))), half * (1 + v / root))

    def _root(self, z: Array) -> Array:
        """sqrt(z^2 + b), where no square overflows."""
        return np.hypot(z, z.dtype.type(self.b**0.5))


def _normal_distribution(z: Array) -> Array:
    """Phi(z) = erfc(-z / sqrt(2)) / 2."""
    share: Any = _erfc(z.astype(np.float64) * -0.7071067811865476) * np.float64(0.5)
    return share.astype(z.dtype)
