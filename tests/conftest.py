"""Fixtures of all tests: the cores and engines that this machine can run, and a generator with a fixed seed."""

import importlib

import numpy as np
import pytest
from hypothesis import settings
from numerics import engines

from fastnn.basics import backend

# Compiled loops have no steady pace on a shared machine; the same examples in each run make a failure repeatable.
settings.register_profile("fastnn", deadline=None, derandomize=True)
settings.load_profile("fastnn")

CORES = [f"{level}_{dtype}" for level in backend.levels() for dtype in backend.DTYPES]


@pytest.fixture(params=CORES)
def core(request):
    """Each compiled module, whatever FASTNN_CPU chose for the library."""
    return importlib.import_module(f"fastnn._core.{request.param}")


@pytest.fixture
def rng():
    """Random numbers that are the same in each run."""
    return np.random.default_rng(20240229)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Both types."""
    return request.param


@pytest.fixture(params=engines("float64"))
def engine(request, dtype):
    """The reference and each compiled engine."""
    return engines(dtype)[request.param]
