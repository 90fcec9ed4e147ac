"""Files written so that a crash leaves the old one or the new one, never a half."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], Any]) -> None:
    """Calls ``write`` on a new file beside ``path``, forces it to the disk, and puts it in the place of ``path``.

    Raises OSError where any of this fails. The old file is then as it was; or, where only the folder could not be
    forced to the disk, the new one is there.
    """
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
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _force_folder(folder)


def _force_folder(folder: str) -> None:
    """Forces the names in a folder to the disk: else a power cut could undo the rename."""
    if os.name == "nt":  # whose folders cannot be opened
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know no such thing
            raise
    finally:
        os.close(number)


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, where there is one."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def remove_parts(folder: str) -> None:
    """Removes the unfinished files that killed processes have left in a folder which nobody else writes to."""
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(".part") and len(name) == 22:
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
