"""What the benchmarks share."""

import pytest

from fastnn import get_num_threads, set_num_threads
from fastnn.basics import backend


@pytest.fixture(autouse=True)
def one_thread():
    """One thread unless a benchmark says otherwise."""
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.fixture
def rate(benchmark):
    """rate(flops, threads, dtype): notes the speed of what was timed, and its share of the FMA limit at this moment."""

    def note(flops, threads=1, dtype="float32"):
        if benchmark.stats is None:  # --benchmark-disable
            return
        speed = flops / benchmark.stats.stats.median
        limit = threads * backend.core(dtype).fma_limit(0.02)
        benchmark.extra_info["gflops"] = round(speed / 1e9, 2)
        benchmark.extra_info["fma_share"] = round(speed / limit, 3)

    return note


@pytest.fixture
def elements(benchmark):
    """elements(n): notes the speed of what works element by element."""

    def note(n):
        if benchmark.stats is not None:
            benchmark.extra_info["gelements_per_s"] = round(n / benchmark.stats.stats.median / 1e9, 3)

    return note
