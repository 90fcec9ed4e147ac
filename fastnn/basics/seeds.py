"""Where random numbers begin: what a seed may be, and the seed of everything that was given none."""

from __future__ import annotations

from typing import Any

import numpy as np

_default: np.random.Generator | None = None  # None: fresh entropy


class SeedGenerator:
    """A row of seeds that one seed decides: each use draws the next. Where a ``seed`` is accepted, so is one of these.

    seed: a whole number of 0 or more; None draws one.

    >>> one, same = SeedGenerator(3), SeedGenerator(3)
    >>> one.next() == same.next(), one.next() == SeedGenerator(3).next()
    (True, False)
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name
        self.seed = int(as_generator(None).integers(1 << 31)) if seed is None else _checked(seed)
        self._generator = np.random.default_rng(self.seed)

    def next(self, ordered: bool = True) -> int:
        """The next seed."""
        return int(self._generator.integers(1 << 31))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self.seed, "name": self.name}

    def __repr__(self) -> str:
        return f"SeedGenerator(seed={self.seed})"


def as_generator(rng: Any, name: str = "rng") -> np.random.Generator:
    """What ``rng=`` means: None (fresh entropy, or what ``set_random_seed`` chose), a seed, a SeedSequence, a
    SeedGenerator, whose next seed is taken, or a Generator, which is used and advanced.
    """
    if isinstance(rng, SeedGenerator):
        return np.random.default_rng(rng.next())
    if rng is None and _default is not None:
        return np.random.default_rng(_default.integers(1 << 63))
    if rng is None or isinstance(rng, (np.random.Generator, np.random.SeedSequence)):
        return np.random.default_rng(rng)
    return np.random.default_rng(_checked(rng, name))


def check_seed(owner: str, seed: Any) -> None:
    """Refuses a ``seed`` of a layer or an initializer that is none."""
    if seed is not None and not isinstance(seed, SeedGenerator):
        _checked(seed, f"{owner}: seed")


def set_random_seed(seed: int) -> None:
    """Decides all random numbers that are given no seed of their own: of fastnn, of NumPy's old functions, of Python.

    Models that are made after it begin with the same weights and see their samples in the same order, each time the
    program runs.

    >>> import fastnn
    >>> set_random_seed(1)
    >>> first = fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)]).get_weights()[0]
    >>> set_random_seed(1)
    >>> again = fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)]).get_weights()[0]
    >>> bool((first == again).all())
    True
    """
    import random  # here, because importing fastnn shall cost little

    global _default
    seed = _checked(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    _default = np.random.default_rng(seed)


def _checked(seed: Any, name: str = "seed") -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        more = "a SeedSequence or a numpy.random.Generator" if name == "rng" else "or a SeedGenerator"
        raise TypeError(f"{name} must be None, a whole number, {more}, got {seed!r}")
    if seed < 0:
        raise ValueError(f"{name} must be a seed of 0 or more, got {seed}")
    return int(seed)
