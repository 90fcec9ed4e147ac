"""The weights of a model in files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.files import write_atomically

Array = NDArray[Any]


def save_weights(path: str | os.PathLike[str], weights: dict[str, Array]) -> None:
    """See ``Sequential.save_weights``."""
    write_atomically(path, lambda file: np.savez(file, **weights))  # type: ignore[arg-type]


def load_weights(path: str | os.PathLike[str], expected: list[str]) -> list[Array]:
    """The arrays of these names; see ``Sequential.load_weights``."""
    from zipfile import BadZipFile

    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError, TypeError, BadZipFile):  # NumPy's advice would be to load it unsafely
        raise ValueError(
            f"{os.fspath(path)!r} is not a file of save_weights, or it is damaged; write one with model.save_weights"
        ) from None
    if set(arrays) != set(expected):
        missing = [name for name in expected if name not in arrays]
        extra = [name for name in arrays if name not in expected]
        faults = [f"{what} {_listed(names)}" for what, names in (("lacks", missing), ("has also", extra)) if names]
        raise ValueError(
            f"{os.fspath(path)!r} holds the weights of another model: it {' and '.join(faults)}; make the same layers"
            " with the same names first"
        )
    return [arrays[name] for name in expected]


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
