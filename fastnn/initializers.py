"""Starting values of weights. An initializer is called with a shape (inputs, outputs) or (outputs,) and a generator.

As in Keras it can be called by hand too: ``HeNormal(seed=1)((3, 2))``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain
from fastnn.basics.checks import unknown, whole
from fastnn.basics.names import Names
from fastnn.basics.seeds import SeedGenerator, as_generator, check_seed
from fastnn.basics.settings import Settings


class Initializer(Settings):
    """Base of all initializers: a subclass has ``values``, a formula of a shape and a generator."""

    name: ClassVar[str]
    seed: ClassVar[Any] = None  # a setting of those that draw random numbers

    def __call__(self, shape: Any, rng: Any = None, dtype: Any = None) -> NDArray[Any]:
        """Values of the shape: of float64 where a generator is given, as models do, else of ``dtype``, float32.

        A dtype may stand in the second place, as in Keras. Random numbers are those of the initializer's ``seed``,
        else of ``rng``, else fresh ones.
        """
        if rng is not None and not isinstance(rng, np.random.Generator):
            rng, dtype = None, rng if dtype is None else dtype
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        sizes = tuple(whole("each size of shape", size, 0) for size in sizes)
        generator = rng if rng is not None and self.seed is None else as_generator(self.seed)
        values = self.values(sizes, generator)
        return values if rng is not None else values.astype("float32" if dtype is None else dtype)

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        raise NotImplementedError


class _Random(Initializer, last=True):
    """Base of those that draw random numbers. seed: of the same numbers in each call; None takes the model's."""

    seed: int | SeedGenerator | None = None  # type: ignore[misc]
    _quiet = ("seed",)

    def __post_init__(self) -> None:
        check_seed(type(self).__name__, self.seed)


class Zeros(Initializer):
    """All zeros: the usual start of biases; as kernel they would leave all units of a layer equal.

    Keras' biases begin so; PyTorch's and scikit-learn's are uniform random numbers. Source: Goodfellow, Bengio,
    Courville, "Deep learning", 2016, section 8.4.

    >>> Zeros()((2,), np.random.default_rng(0))
    array([0., 0.])
    """

    name = "zeros"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(shape)


class RandomUniform(_Random):
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
        super().__post_init__()
        self._numbers("minval", "maxval")
        if not self.minval <= self.maxval:
            raise ValueError(f"minval must not exceed maxval, got {self.minval} and {self.maxval}")

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.uniform(self.minval, self.maxval, shape)


class GlorotUniform(_Random):
    """Uniform on +-sqrt(6 / (inputs + outputs)).

    As in Keras and PyTorch (xavier_uniform_), whose Linear begins with +-1 / sqrt(inputs); scikit-learn has 2 in the
    place of 6 for the logistic activation. Source: Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", AISTATS 2010.

    >>> w = GlorotUniform()((2, 4), np.random.default_rng(0))
    >>> w.shape, bool(np.abs(w).max() <= 1)
    ((2, 4), True)
    """

    name = "glorot_uniform"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / sum(_fans(shape)))
        return rng.uniform(-limit, limit, shape)


class GlorotNormal(_Random):
    """Normal with standard deviation sqrt(2 / (inputs + outputs)), cut at two of them (see ``_truncated_normal``).

    As in Keras; PyTorch's xavier_normal_ is not cut. Source: Glorot and Bengio, AISTATS 2010, as ``GlorotUniform``.
    """

    name = "glorot_normal"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / sum(_fans(shape))), shape, rng)


class HeUniform(_Random):
    """Uniform on +-sqrt(6 / inputs), for ReLU. As in Keras, and PyTorch (kaiming_uniform_ for relu).

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    name = "he_uniform"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / _fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


class HeNormal(_Random):
    """Normal with standard deviation sqrt(2 / inputs), cut at two of them (see ``_truncated_normal``), for ReLU.

    As in Keras; PyTorch's kaiming_normal_ is not cut. Source: He, Zhang, Ren, Sun, ICCV 2015, as ``HeUniform``.
    """

    name = "he_normal"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / _fans(shape)[0]), shape, rng)


class LecunUniform(_Random):
    """Uniform on +-sqrt(3 / inputs). Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop", 1998, section 4.6."""

    name = "lecun_uniform"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(3 / _fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


class LecunNormal(_Random):
    """Normal with standard deviation sqrt(1 / inputs), cut at two of them as in Keras, for SELU.

    Source: LeCun, Bottou, Orr, Mueller, "Efficient backprop", 1998, section 4.6.
    """

    name = "lecun_normal"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(1 / _fans(shape)[0]), shape, rng)


class RandomNormal(_Random):
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
        super().__post_init__()
        self._numbers("mean")
        self._numbers("stddev", least=0)

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(RandomNormal):
    """Normal numbers, those beyond two deviations drawn again: the deviation falls to 0.88 stddev, as in Keras.

    Source: Johnson, Kotz, Balakrishnan, "Continuous univariate distributions", volume 1, 2nd edition, 1994, chapter 13.

    >>> w = TruncatedNormal(stddev=1)((10000,), np.random.default_rng(0))
    >>> bool(np.abs(w).max() <= 2), round(float(w.std()), 2)
    (True, 0.88)
    """

    name = "truncated_normal"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return self.mean + _truncated_normal(self.stddev * TRUNCATED_DEVIATION, shape, rng)


class Orthogonal(_Random):
    """Rows or columns, whichever are fewer, orthonormal and uniformly distributed, times gain.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning", ICLR 2014.

    >>> W = Orthogonal()((4, 3), np.random.default_rng(0))
    >>> np.allclose(W.T @ W, np.eye(3))
    True
    """

    name = "orthogonal"
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("gain")

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        if len(shape) < 2:
            raise ValueError(f"orthogonal needs a matrix, or more axes, got shape {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diag(r))  # makes the distribution uniform
        return (self.gain * (q if rows >= columns else q.T)).reshape(shape)


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

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        values = np.asarray(self.value)
        if values.ndim and values.shape != shape:
            raise ValueError(f"the given weights have shape {values.shape}, expected {shape}")
        return np.broadcast_to(values, shape).copy()


class Ones(Initializer):
    """All ones: the usual start of a normalization's scale.

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015.

    >>> Ones()((2,))
    array([1., 1.], dtype=float32)
    """

    name = "ones"

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.ones(shape)


class Identity(Initializer):
    """The identity matrix times gain, cut or padded with zeros where the matrix is not square.

    Source: Le, Jaitly, Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015.

    >>> Identity(2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    name = "identity"
    gain: float = 1.0

    def __post_init__(self) -> None:
        self._numbers("gain")

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        if len(shape) != 2:
            raise ValueError(f"identity needs a matrix, got shape {shape}")
        return self.gain * np.eye(*shape)


class VarianceScaling(_Random):
    """Random numbers of variance scale / n, n being the inputs, the outputs or their mean, by ``mode``.

    mode: "fan_in", "fan_out" or "fan_avg". distribution: "truncated_normal" (or "normal"), cut at two of its own
    deviations, "untruncated_normal" or "uniform". The others are such: ``GlorotUniform`` is 1, "fan_avg", "uniform". As
    in Keras. Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.

    >>> w = VarianceScaling(2.0, "fan_out", "uniform", seed=0)((4, 6))
    >>> w.shape, bool(np.abs(w).max() <= 1)
    ((4, 6), True)
    """

    name = "variance_scaling"
    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    MODES: ClassVar[tuple[str, ...]] = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS: ClassVar[tuple[str, ...]] = ("truncated_normal", "normal", "untruncated_normal", "uniform")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers("scale", above=0)
        for name, known in (("mode", self.MODES), ("distribution", self.DISTRIBUTIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"VarianceScaling: {unknown(name, str(getattr(self, name)), list(known))}")

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        fans = _fans(shape)
        n = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[self.mode]
        deviation = np.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            return rng.uniform(-np.sqrt(3) * deviation, np.sqrt(3) * deviation, shape)
        if self.distribution == "untruncated_normal":
            return rng.normal(0, deviation, shape)
        return _truncated_normal(deviation, shape, rng)


class FromCallable(Initializer):
    """A user's own function of (shape, rng)."""

    name = "callable"
    function: Callable[..., object]

    def values(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
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
    Ones,
    Identity,
    VarianceScaling,
)
ALIASES = {
    "random_uniform": "uniform",
    "random_normal": "normal",
    "xavier_uniform": "glorot_uniform",  # PyTorch's names, by the authors' first names
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "identityinitializer": "identity",
    "orthogonalinitializer": "orthogonal",
}
NAMES = Names("initializer", Initializer, ENTRIES, ALIASES)
serialize, deserialize = NAMES.serialize, NAMES.deserialize


def get(identifier: Any) -> Any:
    """Keras' ``get``: an initializer from its name, class, itself, an array, a function, or what ``serialize`` made.

    >>> get("he_normal"), get(0.5), get(None)
    (HeNormal(), Constant(value=0.5), None)
    """
    return NAMES.get(as_initializer(identifier))


def __getattr__(name: str) -> Any:
    """Keras' small names of the classes: ``initializers.he_normal(seed=1)``."""
    return NAMES.attribute(__name__, name)
