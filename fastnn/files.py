"""Weights in files, written so that a crash leaves the old file or the new one, never a half."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastnn.weights import weight_names

if TYPE_CHECKING:
    from fastnn.model import Sequential


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Calls ``write`` on a new file beside ``path``, forces it to the disk, and puts it in the place of ``path``."""
    target = os.fspath(path)
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"cannot write {target!r}: the folder {folder!r} does not exist; make it first")
    temporary = os.path.join(folder, f".{os.urandom(8).hex()}.part")
    try:
        with open(temporary, "xb") as file:  # with the mode of any new file; mkstemp would allow the owner only
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:  # named before it was made, so that no interrupt can leave it
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def save_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.save_weights``."""
    arrays = dict(zip(weight_names(model), model.get_weights(), strict=True))
    write_atomically(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def load_weights(model: Sequential, path: str | os.PathLike[str]) -> None:
    """See ``Sequential.load_weights``."""
    from zipfile import BadZipFile

    expected = weight_names(model)
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
    model.set_weights([arrays[name] for name in expected])


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
