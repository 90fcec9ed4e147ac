"""Chooses the build for this CPU, counts threads, and tells about both."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType

import numpy as np

from fastnn._core import machine
from fastnn.basics.checks import whole

LEVELS = ("v2", "v3", "v4")
DTYPES = ("float32", "float64")
MOST_THREADS = 256


def levels() -> tuple[str, ...]:
    """The builds that this CPU can run, the fastest last.

    By feature bits that the operating system supports too, never by vendor.
    """
    level = machine.level()
    if level == 0:
        return ("generic",)
    if level < 2:
        raise ImportError("fastnn needs a CPU with SSE4.2 and POPCNT (x86-64-v2, since about 2009)")
    return tuple(name for name in LEVELS if int(name[1]) <= level)


def _chosen_level() -> str:
    possible = levels()
    forced = os.environ.get("FASTNN_CPU", "")
    if not forced:
        return possible[-1]
    if forced not in possible:
        raise ImportError(
            f"FASTNN_CPU={forced}, but this CPU runs {', '.join(possible)}; unset it or choose one of these"
        )
    return forced


level = _chosen_level()


@cache
def core(dtype: str | np.dtype) -> ModuleType:
    """The compiled module for a number type. An import that fails is an error, never a silent step down."""
    return importlib.import_module(f"fastnn._core.{level}_{np.dtype(dtype).name}")


def _available_threads() -> int:
    """Cores that this process may use: affinity, the cgroup's quota, the limit set for a worker (OMP_NUM_THREADS)."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        count = os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    limit = os.environ.get("OMP_NUM_THREADS", "")  # joblib, dask and others set it in their workers
    return min(count, int(limit)) if limit.isdecimal() and int(limit) else count


def _initial_threads() -> int:
    given = os.environ.get("FASTNN_NUM_THREADS", "")
    if not given:
        return min(_available_threads(), MOST_THREADS)
    if not given.isdecimal() or not 1 <= int(given) <= MOST_THREADS:
        raise ImportError(f"FASTNN_NUM_THREADS must be a whole number from 1 to {MOST_THREADS}, got {given!r}")
    return int(given)


_threads = _initial_threads()


def set_num_threads(count: int) -> None:
    """Sets the most threads that one fit or predict may use, in the whole process. Results do not depend on it.

    >>> before = get_num_threads()
    >>> set_num_threads(1); get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _threads
    count = whole("the number of threads", count, 1)
    if count > MOST_THREADS:
        raise ValueError(f"the number of threads must be {MOST_THREADS} or less, got {count}")
    _threads = count


def get_num_threads() -> int:
    """The most threads that one fit or predict may use: the cores of this process unless set otherwise."""
    return _threads


def threads_for(cost: float) -> int:
    """Threads that pay for work of this cost (``Program.cost``): a barrier takes about 1 us, a FLOP 0.01 to 0.05 ns."""
    return max(1, min(_threads, int(cost / FLOPS_PER_THREAD)))


FLOPS_PER_THREAD = 1_000_000


class Team:
    """Chooses the number of threads of each slice of a fit by their measured speed.

    Where other programs share the cores, threads that wait for each other can be slower than fewer, or one alone. So,
    from time to time, one short slice (``looking``) runs on another number, in turn all, half, a quarter, ... and one,
    and the fastest of those measured goes on. Results do not depend on it.
    """

    FIRST, EVERY = 6, 40  # slices before the first look at another size, and between two looks

    def __init__(self, threads: int) -> None:
        self.sizes = [threads]
        while self.sizes[-1] > 1:
            self.sizes.append(self.sizes[-1] // 2)
        self.pace = [0.0] * len(self.sizes)  # seconds a step takes with each size, as last measured; 0: not yet
        self.chosen = self.running = self.looked = 0
        self.slices = 0
        self.looking = False

    def size(self) -> int:
        """Threads for the next slice."""
        self.slices += 1
        self.looking = len(self.sizes) > 1 and self.slices % self.EVERY == self.FIRST
        self.running = self.chosen
        if self.looking:
            places = len(self.sizes)
            ahead = [(self.looked + step) % places for step in range(1, places + 1)]
            self.looked = self.running = next(place for place in ahead if place != self.chosen)
        return self.sizes[self.running]

    def report(self, seconds_per_step: float) -> None:
        """How fast the slice was."""
        self.pace[self.running] = seconds_per_step
        measured = [place for place, pace in enumerate(self.pace) if pace > 0]
        self.chosen = min(measured, key=self.pace.__getitem__, default=self.chosen)


def show_config() -> None:
    """Prints the version, the CPU level in use and the possible ones, the threads, and NumPy's version."""
    import platform

    from fastnn.basics.version import __version__

    print(f"fastnn {__version__}")
    print(f"cpu: {level} (this machine runs {', '.join(levels())}; FASTNN_CPU forces one)")
    print(f"threads: {get_num_threads()} (FASTNN_NUM_THREADS or set_num_threads change it)")
    print(f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()} {platform.system()}")
