"""Who may change a model: one call at a time."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType, TracebackType


class _Holder:
    """A call that holds the lock: the frame of its ``with``, in one thread of one process."""

    def __init__(self, frame: FrameType | None) -> None:
        self.process, self.thread, self.frame = os.getpid(), threading.get_ident(), frame
        self.after: dict[str, _Holder] = {}  # who holds it next

    def at_work(self) -> bool:
        """Whether the call still runs. Python knows best: an interrupt may come before any line of ours."""
        if self.frame is None or self.process != os.getpid():  # a fork copies the lock, but not the other threads
            return False
        frame = sys._current_frames().get(self.thread)
        while frame is not None and frame is not self.frame:
            frame = frame.f_back
        return frame is not None


class TrainingLock:
    """A lock that refuses instead of waiting, and knows who holds it.

    Whose call has ended holds nothing, so that Ctrl-C at any moment, even between two lines of this file, cannot leave
    it locked. The holders are a chain; the next one is entered by ``dict.setdefault``, which only one thread can win.

    >>> lock = TrainingLock()
    >>> with lock:
    ...     lock.held_elsewhere()
    False
    """

    def __init__(self) -> None:
        self._last = _Holder(None)

    def _holder(self) -> _Holder:
        holder = self._last
        while "next" in holder.after:  # interrupted before it could say so
            holder = holder.after["next"]
        return holder

    @property
    def free(self) -> bool:
        """Whether nobody holds it, at a glance: False may mean that nobody knows."""
        return self._last.frame is None and not self._last.after

    def held_elsewhere(self) -> bool:
        """Whether another thread holds it."""
        holder = self._holder()
        return holder.thread != threading.get_ident() and holder.at_work()

    def __enter__(self) -> None:
        me = _Holder(sys._getframe(1))
        holder = self._holder()
        if holder.at_work() or holder.after.setdefault("next", me) is not me:
            here = holder.thread == me.thread and holder.at_work()
            where = "by the call that called this callback" if here else "in another thread"
            raise RuntimeError(f"this model is being trained {where}; use a copy, made before (copy.deepcopy)")
        self._last = me

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last.frame is sys._getframe(1):  # else a child forked meanwhile has a holder of its own
            self._last.frame = None
