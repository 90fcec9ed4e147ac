"""Activation functions: name, formula, derivative, and the number of the compiled kernel (kernels/activations.pxi).

Each works element by element, except softmax and log_softmax, which work on the rows of a batch (samples, outputs).
"""

from __future__ import annotations

from math import erfc
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.settings import Settings

Array = NDArray[np.floating]


class Activation(Settings):
    """Base of all activations: a = forward(z), and dL/dz = backward(a, dL/da)."""

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

    def forward(self, z: Array) -> Array:
        raise NotImplementedError

    def derivative(self, v: Array) -> Array:
        """da/dz, written in terms of v = z where ``keeps_input``, else of v = a = forward(z)."""
        raise NotImplementedError

    def backward(self, v: Array, d: Array) -> Array:
        """dL/dz from v (as in ``derivative``) and d = dL/da."""
        return d * self.derivative(v)


class Linear(Activation):
    """a = z; da/dz = 1. The output of regression.

    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 6.2.2.1.

    >>> Linear().forward(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """

    name = "linear"
    kernel = 0
    cost = 0

    def forward(self, z: Array) -> Array:
        return z

    def derivative(self, v: Array) -> Array:
        return np.ones_like(v)


class ReLU(Activation):
    """a = max(z, 0); da/dz = 1 where z > 0, else 0 (also at 0, as everywhere).

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> ReLU().forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    name = "relu"
    kernel = 1
    cost = 30

    def forward(self, z: Array) -> Array:
        return np.where(z < 0, np.zeros_like(z), z)

    def derivative(self, v: Array) -> Array:
        return (v > 0).astype(v.dtype)

    def backward(self, v: Array, d: Array) -> Array:
        return np.where(v > 0, d, np.zeros_like(d))  # what is not finite stays behind a unit that is off


class LeakyReLU(Activation):
    """a = z where z >= 0, else negative_slope * z; da/dz = 1 where z > 0, else negative_slope.

    The default slope 0.2 is that of ``keras.activations.leaky_relu``; Keras' layer has 0.3, PyTorch 0.01.
    Raises ValueError for a slope that is negative or not finite. Source: Maas, Hannun, Ng, "Rectifier nonlinearities
    improve neural network acoustic models", 2013.

    >>> LeakyReLU(0.1).forward(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    name = "leaky_relu"
    kernel = 2
    cost = 30
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        self._numbers("negative_slope", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.negative_slope,)

    def forward(self, z: Array) -> Array:
        return np.where(z < 0, z * z.dtype.type(self.negative_slope), z)

    def derivative(self, v: Array) -> Array:
        return np.where(v > 0, v.dtype.type(1), v.dtype.type(self.negative_slope))


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


class Softmax(Activation):
    """a_k = exp(z_k) / sum_j exp(z_j) along each row; dL/dz_k = a_k (d_k - sum_j a_j d_j) with d = dL/da.

    The largest z is subtracted first, so that nothing overflows. Source: Bridle, "Probabilistic interpretation of
    feedforward classification network outputs, with relationships to statistical pattern recognition", 1990.

    >>> Softmax().forward(np.array([[0.0, 0.0], [0.0, np.log(3.0)]]))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """

    name = "softmax"
    kernel = 5
    cost = 150
    probabilities = True
    blockwise = True

    def forward(self, z: Array) -> Array:
        a = np.exp(z - z.max(axis=-1, keepdims=True))
        return a / a.sum(axis=-1, keepdims=True)

    def backward(self, v: Array, d: Array) -> Array:
        return v * (d - (v * d).sum(axis=-1, keepdims=True))


class LogSoftmax(Activation):
    """a_k = z_k - log sum_j exp(z_j) along each row; dL/dz_k = d_k - exp(a_k) sum_j d_j with d = dL/da.

    Source: Blanchard, Higham, Higham, "Accurately computing the log-sum-exp and softmax functions", IMA Journal of
    Numerical Analysis 41, 2021.

    >>> LogSoftmax().forward(np.array([[0.0, 0.0]])).round(4)
    array([[-0.6931, -0.6931]])
    """

    name = "log_softmax"
    kernel = 6
    cost = 150
    blockwise = True

    def forward(self, z: Array) -> Array:
        shifted = z - z.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def backward(self, v: Array, d: Array) -> Array:
        return d - np.exp(v) * d.sum(axis=-1, keepdims=True)


class Step(Activation):
    """Heaviside's step: a = 1 where z >= 0, else 0; its derivative is 0, so nothing before it can be trained.

    NumPy's and PyTorch's heaviside ask for the value at 0; here it is 1, as in a perceptron. Source: McCulloch and
    Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943.

    >>> Step().forward(np.array([-0.5, 0.0, 2.0]))
    array([0., 1., 1.])
    """

    name = "step"
    kernel = 7
    cost = 30
    probabilities = True

    def forward(self, z: Array) -> Array:
        return np.where(np.isnan(z), z, (z >= 0).astype(z.dtype))

    def derivative(self, v: Array) -> Array:
        return np.zeros_like(v)

    def backward(self, v: Array, d: Array) -> Array:
        return np.zeros_like(d)


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


class HardSigmoid(Activation):
    """a = z / 6 + 1/2 cut to [0, 1]; da/dz = 1/6 between. As in Keras 3 and PyTorch; Keras 2 had slope 0.2.

    Sources: Courbariaux, Bengio, David, "BinaryConnect", NeurIPS 2015, with slope 1/2; with this one Howard et al.,
    "Searching for MobileNetV3", ICCV 2019.

    >>> HardSigmoid().forward(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """

    name = "hard_sigmoid"
    kernel = 16
    cost = 30
    probabilities = True

    def forward(self, z: Array) -> Array:
        return np.clip(z * z.dtype.type(1 / 6) + z.dtype.type(0.5), 0, 1)

    def derivative(self, v: Array) -> Array:
        return np.where((v > 0) & (v < 1), v.dtype.type(1 / 6), v.dtype.type(0))

    def backward(self, v: Array, d: Array) -> Array:
        return np.where((v > 0) & (v < 1), d * d.dtype.type(1 / 6), np.zeros_like(d))


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


def _normal_distribution(z: Array) -> Array:
    """Phi(z) = erfc(-z / sqrt(2)) / 2, element by element: NumPy has no error function, the standard library has."""
    values = [erfc(value * -0.7071067811865476) / 2 for value in z.ravel().tolist()]
    return np.array(values, dtype=z.dtype).reshape(z.shape)


ENTRIES: tuple[type[Activation], ...] = (
    Linear,
    ReLU,
    LeakyReLU,
    Sigmoid,
    Tanh,
    Softmax,
    LogSoftmax,
    Step,
    ELU,
    SELU,
    GELU,
    GELUTanh,
    SiLU,
    Mish,
    Softplus,
    Softsign,
    HardSigmoid,
    Exponential,
)
ALIASES = {"swish": "silu", "identity": "linear", "heaviside": "step"}
