"""Starting values of weights. Each initializer is called with a shape (inputs, outputs) or (outputs,) and a generator."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Initializer:
    """Base of all initializers."""

    name: ClassVar[str]

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        raise NotImplementedError


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zeros: the usual start of biases."""

    name = "zeros"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(shape)


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniform on [minval, maxval), by default [-0.05, 0.05) as in Keras."""

    name = "uniform"
    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        if not self.minval <= self.maxval:
            raise ValueError(f"minval must not exceed maxval, got {self.minval} and {self.maxval}")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.uniform(self.minval, self.maxval, shape)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Uniform on +-sqrt(6 / (inputs + outputs)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    >>> w = GlorotUniform()((2, 4), np.random.default_rng(0))
    >>> w.shape, bool(np.abs(w).max() <= 1)
    ((2, 4), True)
    """

    name = "glorot_uniform"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / sum(_fans(shape)))
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """Normal with standard deviation sqrt(2 / (inputs + outputs)), cut at two of them (see ``_truncated_normal``)."""

    name = "glorot_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / sum(_fans(shape))), shape, rng)


@dataclass(frozen=True)
class HeUniform(Initializer):
    """Uniform on +-sqrt(6 / inputs), for ReLU.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    name = "he_uniform"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        limit = np.sqrt(6 / _fans(shape)[0])
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class HeNormal(Initializer):
    """Normal with standard deviation sqrt(2 / inputs), cut at two of them (see ``_truncated_normal``), for ReLU."""

    name = "he_normal"

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return _truncated_normal(np.sqrt(2 / _fans(shape)[0]), shape, rng)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], shape[-1])


def _truncated_normal(deviation: float, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Normal numbers within two of their own deviations, widened so that the deviation is as asked, like Keras' ones."""
    x = rng.standard_normal(shape)
    while (far := np.abs(x) > 2).any():
        x[far] = rng.standard_normal(int(far.sum()))
    return x * (deviation / 0.87962566103423978)


ENTRIES: tuple[type[Initializer], ...] = (
    Zeros,
    RandomUniform,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
)
ALIASES = {"random_uniform": "uniform"}
