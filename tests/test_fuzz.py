"""The random programs of ``tests/fuzz.py``: some of them, and faults that they must find."""

import fuzz
import numpy as np
import pytest
from numerics import excess
from test_test_of_tests import (
    Faulty,
    OtherMask,
    OtherStep,
    SwappedSamples,
    WithoutConstraint,
    WithoutLastGradient,
    WithoutLastInput,
    WithoutMoments,
    WithoutWeights,
    WrongParameters,
)

from fastnn.basics import backend

FIRST = 100_000  # seeds that nobody else tries


ALONE = fuzz.SETTINGS[:1]  # NumPy's sums are not the same bits for any number of rows


def off_by_one(program, arena):
    """The compiled engine, but each call except the first of an epoch begins a sample too early."""

    class Engine(backend.core(program.dtype).Engine):
        def run_steps(self, x, y, sample_weight, order, first, *others):
            order = np.roll(order, 1) if first else order
            return super().run_steps(x, y, sample_weight, order, first, *others)

    return Engine(program, arena)


def threads_matter(program, arena):
    """The compiled engine, but the last bits depend on the number of threads."""

    class Engine(backend.core(program.dtype).Engine):
        def predict(self, x, threads=1):
            out = super().predict(x, threads)
            return out if threads == 1 else out * out.dtype.type(1 + 1e-6)

    return Engine(program, arena)


def finds(fault, message, settings):
    """Whether one of a hundred programs does: the rarest faults need a layer or a setting that few of them have."""
    for seed in range(FIRST, FIRST + 100):
        try:
            fuzz.check(seed, fault, settings)
        except AssertionError as error:
            if message in str(error):
                return True
    return False


@pytest.mark.parametrize("part", range(4))
def test_programs(part):
    """No divergence."""
    for seed in range(FIRST + 10 * part, FIRST + 10 * part + 10):
        _, wrong, _ = fuzz.attempt(seed)
        assert wrong is None, f"program {seed}: {wrong}"


def test_the_right_engine_passes():
    """The reference in the program's own type, without a fault."""
    for seed in range(FIRST, FIRST + 20):
        fuzz.check(seed, Faulty, ALONE)


def test_few_programs_say_little():
    """Bounds as wide as the numbers themselves would let anything pass."""
    assert sum(fuzz.check(seed, None, ALONE) == "loose" for seed in range(FIRST, FIRST + 40)) <= 6


@pytest.mark.parametrize(
    "fault",
    [
        OtherMask,
        OtherStep,
        SwappedSamples,
        WithoutConstraint,
        WithoutLastGradient,
        WithoutLastInput,
        WithoutMoments,
        WithoutWeights,
        WrongParameters,
    ],
)
def test_faults_of_the_engine_are_found(fault):
    assert finds(fault, "roundings", ALONE)


def test_faults_between_slices_and_threads_are_found():
    assert finds(off_by_one, "in slices of", fuzz.SETTINGS)
    assert finds(threads_matter, "differs on 2 threads", fuzz.SETTINGS)


def test_what_overflows_in_the_type_alone_may_become_nan():
    """A weight of 0 times a loss that is infinite in float32 only; nothing else may stand where infinity is right."""
    right, nan, one = np.array([np.inf]), np.array([np.nan]), np.array([1.0])
    assert not excess("float32", nan, right, [right, nan])
    assert not excess("float32", right, right, [right, nan])
    assert excess("float32", nan, right, [right])
    assert excess("float32", right, nan, [nan])
    assert excess("float32", -right, right, [right, nan])
    assert excess("float32", one, right, [one, nan])
    assert excess("float32", one, nan, [one, nan])
    assert excess("float32", nan, one, [one])
