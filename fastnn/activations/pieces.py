"""Activations of straight pieces, and the step."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.activations.base import Activation, Array


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

    def __call__(  # type: ignore[override]
        self,
        x: ArrayLike,
        negative_slope: float = 0.0,
        max_value: float | None = None,
        threshold: float = 0.0,
        **other: Any,
    ) -> Array:
        """Keras' function ``relu``; its settings are those of ``ClippedReLU``."""
        if negative_slope or max_value is not None or threshold:
            return ClippedReLU(negative_slope, max_value, threshold)(x, **other)
        return super().__call__(x, **other)


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


class ClippedReLU(Activation):
    """a = z above threshold, at most max_value, and negative_slope (z - threshold) below it; da/dz = 1, 0 or slope.

    Keras' ``relu`` with its settings, and its layer ``ReLU``; max_value None is no limit. Raises ValueError for a
    negative slope or max_value. Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    >>> ClippedReLU(negative_slope=0.5, max_value=4, threshold=1).forward(np.array([-1.0, 0.5, 2.0, 9.0]))
    array([-1.  , -0.25,  2.  ,  4.  ])
    """

    name = "clipped_relu"
    kernel = 18
    cost = 30
    keeps_input = True
    negative_slope: float = 0.0
    max_value: float | None = None
    threshold: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("negative_slope", least=0)
        self._numbers("threshold")
        if self.max_value is not None:
            self._numbers("max_value", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.negative_slope, inf if self.max_value is None else self.max_value, self.threshold)

    def forward(self, z: Array) -> Array:
        slope, most, least = (z.dtype.type(value) for value in self.parameters)
        below = slope * (z - least) if slope else np.zeros_like(z)
        return np.where(z <= least, below, np.where(z > most, most, z))

    def derivative(self, v: Array) -> Array:
        slope, most, least = (v.dtype.type(value) for value in self.parameters)
        return np.where(v > least, (v < most).astype(v.dtype), slope)

    def backward(self, v: Array, d: Array) -> Array:
        slope, most, least = (v.dtype.type(value) for value in self.parameters)
        below = slope * d if slope else np.zeros_like(d)
        return np.where(v > least, np.where(v < most, d, np.zeros_like(d)), below)


class ReLU6(ClippedReLU):
    """a = min(max(z, 0), 6): ``ClippedReLU`` with max_value 6. da/dz = 1 between, else 0.

    Source: Howard et al., "MobileNets", 2017; Krizhevsky, 2010, as ``ClippedReLU``.

    >>> ReLU6().forward(np.array([-1.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """

    name = "relu6"
    kernel = 19
    max_value: float | None = 6.0


class HardTanh(Activation):
    """a = z cut to [-1, 1]; da/dz = 1 between, else 0. Source: Collobert, "Large scale machine learning", 2004.

    >>> HardTanh().forward(np.array([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """

    name = "hard_tanh"
    kernel = 20
    cost = 30

    def forward(self, z: Array) -> Array:
        return np.clip(z, -1, 1)

    def derivative(self, v: Array) -> Array:
        return ((v > -1) & (v < 1)).astype(v.dtype)

    def backward(self, v: Array, d: Array) -> Array:
        return np.where((v > -1) & (v < 1), d, np.zeros_like(d))


class HardSiLU(Activation):
    """a = z hard_sigmoid(z): 0 up to -3, z from 3, z (z / 6 + 1/2) between; da/dz = 0, 1, z / 3 + 1/2.

    Also called hard swish. Source: Howard et al., "Searching for MobileNetV3", ICCV 2019.

    >>> HardSiLU().forward(np.array([-4.0, 1.0, 3.0])).round(4)
    array([0.    , 0.6667, 3.    ])
    """

    name = "hard_silu"
    kernel = 21
    cost = 60
    keeps_input = True

    def forward(self, z: Array) -> Array:
        between = z * (z * z.dtype.type(1 / 6) + z.dtype.type(0.5))
        return np.where(z <= -3, np.zeros_like(z), np.where(z >= 3, z, between))

    def derivative(self, v: Array) -> Array:
        between = v * v.dtype.type(1 / 3) + v.dtype.type(0.5)
        return np.where(v <= -3, np.zeros_like(v), np.where(v >= 3, np.ones_like(v), between))

    def backward(self, v: Array, d: Array) -> Array:
        return np.where(v <= -3, np.zeros_like(d), d * self.derivative(v))


class _Shrink(Activation):
    """Base of those that are 0 from -threshold to threshold."""

    cost = 30
    threshold: float = 0.5

    def __post_init__(self) -> None:
        self._numbers("threshold", least=0)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.threshold,)

    def derivative(self, v: Array) -> Array:
        return (v != 0).astype(v.dtype)

    def backward(self, v: Array, d: Array) -> Array:
        return np.where(v != 0, d, np.zeros_like(d))


class SoftShrink(_Shrink):
    """a = z - t above t, z + t below -t, else 0, t the threshold; da/dz = 1 where a is not 0, else 0.

    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.

    >>> SoftShrink().forward(np.array([-2.0, 0.25, 1.0]))
    array([-1.5,  0. ,  0.5])
    """

    name = "soft_shrink"
    kernel = 24

    def forward(self, z: Array) -> Array:
        t = z.dtype.type(self.threshold)
        return np.where(z > t, z - t, np.where(z < -t, z + t, z * 0))


class HardShrink(_Shrink):
    """a = z where |z| > threshold, else 0; da/dz = 1 where a is not 0, else 0.

    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.

    >>> HardShrink().forward(np.array([-2.0, 0.25, 1.0]))
    array([-2.,  0.,  1.])
    """

    name = "hard_shrink"
    kernel = 25

    def forward(self, z: Array) -> Array:
        return np.where(np.abs(z) <= z.dtype.type(self.threshold), np.zeros_like(z), z)


class Threshold(Activation):
    """a = z where z > threshold, else default_value; da/dz = 1 or 0. As PyTorch's Threshold.

    Source: Konda, Memisevic, Krueger, "Zero-bias autoencoders and the benefits of co-adapting features", ICLR 2015.

    >>> Threshold(1, -1).forward(np.array([0.0, 2.0]))
    array([-1.,  2.])
    """

    name = "threshold"
    kernel = 28
    cost = 30
    keeps_input = True
    threshold: float = 0.0
    default_value: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("threshold", "default_value")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.threshold, self.default_value)

    def forward(self, z: Array) -> Array:
        return np.where(z <= z.dtype.type(self.threshold), z.dtype.type(self.default_value), z)

    def derivative(self, v: Array) -> Array:
        return (v > v.dtype.type(self.threshold)).astype(v.dtype)

    def backward(self, v: Array, d: Array) -> Array:
        return np.where(v > v.dtype.type(self.threshold), d, np.zeros_like(d))


class SparsePlus(Activation):
    """a = 0 up to -1, z from 1, (z + 1)^2 / 4 between; da/dz = 0, 1, (z + 1) / 2. As in JAX.

    Source: Bradbury et al., "JAX", 2018, ``jax.nn.sparse_plus``, after Martins and Astudillo, "From softmax to
    sparsemax", ICML 2016.

    >>> SparsePlus().forward(np.array([-2.0, 0.0, 2.0]))
    array([0.  , 0.25, 2.  ])
    """

    name = "sparse_plus"
    kernel = 29
    cost = 60
    keeps_input = True

    def forward(self, z: Array) -> Array:
        between = z.dtype.type(0.25) * (z + 1) * (z + 1)
        return np.where(z <= -1, np.zeros_like(z), np.where(z >= 1, z, between))

    def derivative(self, v: Array) -> Array:
        return np.where(v <= -1, np.zeros_like(v), np.where(v >= 1, np.ones_like(v), v.dtype.type(0.5) * (v + 1)))

    def backward(self, v: Array, d: Array) -> Array:
        return np.where(v <= -1, np.zeros_like(d), d * self.derivative(v))


class SparseSigmoid(Activation):
    """a = (z + 1) / 2 cut to [0, 1]; da/dz = 1/2 between, else 0. The derivative of ``SparsePlus``.

    Source: Martins and Astudillo, "From softmax to sparsemax", ICML 2016, of two classes.

    >>> SparseSigmoid().forward(np.array([-2.0, 0.0, 2.0]))
    array([0. , 0.5, 1. ])
    """

    name = "sparse_sigmoid"
    kernel = 30
    cost = 30
    probabilities = True

    def forward(self, z: Array) -> Array:
        return np.clip(z.dtype.type(0.5) * (z + 1), 0, 1)

    def derivative(self, v: Array) -> Array:
        return np.where((v > 0) & (v < 1), v.dtype.type(0.5), v.dtype.type(0))

    def backward(self, v: Array, d: Array) -> Array:
        return np.where((v > 0) & (v < 1), d * d.dtype.type(0.5), np.zeros_like(d))
