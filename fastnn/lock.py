"""Who may change a model: one call at a time."""

from __future__ import annotations

import os
import threading
from types import TracebackType


class TrainingLock:
    """A lock that refuses instead of waiting, and knows who holds it.

    >>> lock = TrainingLock()
    >>> with lock:
    ...     lock.held_elsewhere()
    False
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: tuple[int, int] | None = None  # process and thread

    def held_elsewhere(self) -> bool:
        """Whether another thread holds it. A fork copies the lock, but not the thread that would free it."""
        process, thread = self._owner or _here()
        if process != os.getpid():
            self._lock, self._owner = threading.Lock(), None
            return False
        return thread != threading.get_ident()

    def __enter__(self) -> None:
        elsewhere = self.held_elsewhere()
        if not self._lock.acquire(blocking=False):
            where = "in another thread" if elsewhere else "by the call that called this callback"
            raise RuntimeError(f"this model is being trained {where}; use a copy, made before (copy.deepcopy)")
        self._owner = _here()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner == _here():  # else a child forked meanwhile has a lock of its own
            self._owner = None
            self._lock.release()


def _here() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
