"""What a fit tells while it runs, and what it leaves behind."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO


class History:
    """What ``fit`` returns: ``history`` maps each name to its values by epoch, ``epoch`` lists the epochs."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def append(self, epoch: int, logs: dict[str, float]) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}: {values[-1]:.4f}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs; {last}>"


class Progress:
    """A bar for each epoch in a terminal, a line for each epoch elsewhere."""

    WIDTH = 20

    def __init__(self, epochs: int, samples: int, bar: bool, stream: TextIO | None = None) -> None:
        self.epochs, self.samples, self.bar = epochs, samples, bar
        self.stream = stream or sys.stdout
        self.began = self.drawn = 0.0

    def begin(self, epoch: int) -> None:
        self.title = f"Epoch {epoch + 1}/{self.epochs}"
        self.began, self.drawn = time.perf_counter(), 0.0

    def update(self, seen: int, loss: float) -> None:
        """After each piece of an epoch; draws at most ten times a second."""
        now = time.perf_counter()
        if not self.bar or now - self.drawn < 0.1:
            return
        self.drawn = now
        elapsed = now - self.began
        remaining = elapsed * (self.samples - seen) / seen
        full = self.WIDTH * seen // self.samples
        bar = "━" * full + "─" * (self.WIDTH - full)
        line = f"{self.title} {bar} {seen}/{self.samples} {remaining:.0f}s left loss: {loss:.4f}"
        self.stream.write(f"\r{line:<79}")
        self.stream.flush()

    def end(self, logs: dict[str, float]) -> None:
        elapsed = time.perf_counter() - self.began
        rate = self.samples / elapsed if elapsed > 0 else float("inf")
        values = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        line = f"{self.title} {elapsed:.2f}s {rate:,.0f} samples/s - {values}"
        self.stream.write(f"\r{line:<79}\n" if self.bar else f"{line}\n")
        self.stream.flush()


def progress(verbose: Any, epochs: int, samples: int) -> Progress | None:
    """verbose: 0 silent; 1 a bar, or a line for each epoch outside a terminal; 2 a line for each epoch; "auto" a bar
    in a terminal, else silent."""
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    terminal = bool(getattr(sys.stdout, "isatty", lambda: False)())
    if verbose == "auto":
        verbose = 1 if terminal else 0
    return Progress(epochs, samples, bar=terminal and verbose == 1) if verbose else None
