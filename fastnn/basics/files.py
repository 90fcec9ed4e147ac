"""Files written so that a crash leaves the old one or the new one, never a half."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO


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
