"""Starting values of weights. An initializer is called with a shape (inputs, outputs) or (outputs,) and a generator."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain
from fastnn.basics.settings import Settings


class Initializer(Settings):
    """Base of all initializers."""

    name: ClassVar[str]

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        raise NotImplementedError


class Zeros(Initializer):
    """All zeros: the usual start of biases; as kernel they would leave all units of a layer equal.

    Keras' biases begin so; PyTorch's and scikit-learn's are uniform random numbers. Source: Goodfellow, Bengio,
    Courville, "Deep learning", 2016, section 8.4.

    >>> Zeros()((2,), np.random.default_rng(0))
    array([0., 0.])
    """

    name = "zeros"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(shape)


class RandomUniform(Initializer):
    """Uniform on [minval, maxval), by default [-0.05, 0.05) as in Keras.

    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 8.4.

    >>> w = RandomUniform(1, 2)((100,), np.random.default_rng(0))
    >>> bool((w >= 1).all() and (w < 2).all())
    True
    """

    name = "uniform"
    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        self._numbers("minval", "maxval")
        if not self.minval <= self.maxval:
            raise ValueError(f"minval must not exceed maxval, got {self.minval} and {self.maxval}")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.uniform(self.minval, self.maxval, shape)


class GlorotUniform(Initializer):
    """Uniform on +-sqrt(6 / (inputs + outputs)).

    As in Keras and PyTorch (xavier_uniform_), whose Linear begins with +-1 / sqrt(inputs); scikit-learn has 2 in the
    place of 6 for the logistic activation. Source: Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS 2010.

    >>> w = GlorotUniform()((2, 4), np.random.default_rng(0))
    >>> w.shape, bool(np.abs(w).max() <= 1)
    ((2, 4), True)
    """

    name = "glorot_uniform"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / sum(_fans(shape)))
        return rng.uniform(-limit, limit, shape)


class GlorotNormal(Initializer):
    """Normal with standard deviation sqrt(2 / (inputs + outputs)), cut at two of them (see ``_truncated_normal``).

    As in Keras; PyTorch's xavier_normal_ is not cut. Source: Glorot and Bengio, AISTATS 2010, as ``GlorotUniform``.
    """

    name = "glorot_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / sum(_fans(shape))), shape, rng)


class HeUniform(Initializer):
    """Uniform on +-sqrt(6 / inputs), for ReLU. As in Keras, and PyTorch (kaiming_uniform_ for relu).

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    name = "he_uniform"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / _fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


class HeNormal(Initializer):
    """Normal with standard deviation sqrt(2 / inputs), cut at two of them (see ``_truncated_normal``), for ReLU.

    As in Keras; PyTorch's kaiming_normal_ is not cut. Source: He, Zhang, Ren, Sun, ICCV 2015, as ``HeUniform``.
    """

    name = "he_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / _fans(shape)[0]), shape, rng)


class LecunUniform(Initializer):
    """Uniform on +-sqrt(3 / inputs). Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop", 1998, section 4.6."""

    name = "lecun_uniform"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(3 / _fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


class LecunNormal(Initializer):
    """Normal with standard deviation sqrt(1 / inputs), cut at two of them as in Keras, for SELU.

    Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop", 1998, section 4.6.
    """

    name = "lecun_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(1 / _fans(shape)[0]), shape, rng)


class RandomNormal(Initializer):
    """Normal with the given mean and standard deviation, by default 0 and 0.05 as in Keras.

    Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 8.4.

    >>> w = RandomNormal(1, stddev=0.1)((1000,), np.random.default_rng(0))
    >>> round(float(w.mean()), 2), round(float(w.std()), 2)
    (1.0, 0.1)
    """

    name = "normal"
    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        self._numbers("mean")
        self._numbers("stddev", least=0)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal numbers, those beyond two deviations drawn again: the deviation falls to 0.88 stddev, as in Keras.

    Source: Johnson, Kotz, Balakrishnan, "Continuous univariate distributions", volume 1, 2nd edition, 1994, chapter 13.

    >>> w = TruncatedNormal(stddev=1)((10000,), np.random.default_rng(0))
    >>> bool(np.abs(w).max() <= 2), round(float(w.std()), 2)
    (True, 0.88)
    """

    name = "truncated_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return self.mean + _truncated_normal(self.stddev * TRUNCATED_DEVIATION, shape, rng)


class Orthogonal(Initializer):
    """Rows or columns, whichever are fewer, orthonormal and uniformly distributed, times gain.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning", ICLR 2014.

    >>> W = Orthogonal()((4, 3), np.random.default_rng(0))
    >>> np.allclose(W.T @ W, np.eye(3))
    True
    """

    name = "orthogonal"
    gain: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("gain")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        if len(shape) < 2:
            raise ValueError(f"orthogonal needs a matrix, got shape {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diag(r))  # makes the distribution uniform
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


class Constant(Initializer):
    """The same value everywhere, or a given array of the shape of the weights, of which a copy is kept.

    TypeError where the values are no real numbers, ValueError where they are not finite. Source: Goodfellow, Bengio,
    Courville, "Deep learning", 2016, section 8.4, on biases that are not zero.

    >>> Constant(0.5)((2,), np.random.default_rng(0))
    array([0.5, 0.5])
    """

    name = "constant"
    value: ArrayLike = 0.0

    def __post_init__(self) -> None:
        values = _real(self.value, "Constant: value")
        if not np.isfinite(values).all():
            raise ValueError(f"Constant: value must be finite, got {self.value!r}")
        values.setflags(write=False)
        object.__setattr__(self, "value", values if values.ndim else values.item())

    def _key(self) -> tuple[Any, ...]:
        values = np.asarray(self.value) + 0.0  # -0 is 0
        return (type(self), values.shape, values.tobytes())

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        values = np.asarray(self.value)
        if values.ndim and values.shape != shape:
            raise ValueError(f"the given weights have shape {values.shape}, expected {shape}")
        return np.broadcast_to(values, shape).copy()


class FromCallable(Initializer):
    """A user's own function of (shape, rng)."""

    name = "callable"
    function: Callable[..., object]

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        values = _real(self.function(shape, rng), "what the initializer returned")
        if values.shape != shape:
            raise ValueError(f"the initializer returned shape {values.shape}, expected {shape}")
        return values


def as_initializer(given: Any) -> Any:
    """An array or a callable becomes an Initializer; all else is left to the catalogue."""
    if isinstance(given, (np.ndarray, np.number, tuple, list, int, float, complex)):
        return Constant(given)
    if callable(given) and not isinstance(given, (type, Initializer)):
        return FromCallable(given)
    return given


TRUNCATED_DEVIATION = 0.87962566103423978  # of a standard normal number cut at +-2


def _real(values: Any, name: str) -> NDArray[np.float64]:
    """A copy of real numbers in float64; TypeError for all else."""
    array = plain(values, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a real number or an array of them, got {values!r}")
    return array.astype(np.float64)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers each output is a sum of, and each input a part of: of a convolution, at all taps of the window.

    >>> _fans((784, 10)), _fans((3, 3, 16, 32))
    ((784, 10), (144, 288))
    """
    if len(shape) < 2:
        return (shape[0], shape[-1])
    taps = prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


def _truncated_normal(deviation: float, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Normal numbers within two of their own deviations, widened so that the deviation is as asked, as in Keras."""
    x = rng.standard_normal(shape)
    while (far := np.abs(x) > 2).any():
        x[far] = rng.standard_normal(int(far.sum()))
    return x * (deviation / TRUNCATED_DEVIATION)


ENTRIES: tuple[type[Initializer], ...] = (
    Zeros,
    RandomUniform,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
    RandomNormal,
    TruncatedNormal,
    Orthogonal,
    Constant,
)
ALIASES = {
    "random_uniform": "uniform",
    "random_normal": "normal",
    "xavier_uniform": "glorot_uniform",  # PyTorch's names, by the authors' first names
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
}
