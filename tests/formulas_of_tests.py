"""Formulas that several tests use: defined once, so that Numba compiles each once."""

import math

import numpy as np
import pytest

pytest.importorskip("numba", reason="formulas are compiled by Numba: pip install numba")

TYPES = ("float32", "float64")


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def swish_with(beta):
    def swish(x):
        return x / (1 + np.exp(-beta * x))

    return swish


swish = swish_with(1.7)


def bent(x):
    """Branches, functions of ``math``, a constant on one way and a number on the other."""
    y = 0.0
    if x > 0:
        return x
    if x < -1:
        y = math.exp(x) + 1
    elif x < -0.5:
        y += half(x)
    return y


def half(x):
    return 0.5 * x


def inverse(x):
    """Not finite at 0, where the padding of the core's matrices lies."""
    return 1 / x
