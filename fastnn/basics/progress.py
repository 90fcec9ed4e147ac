"""What a fit shows while it runs: a bar for each epoch in a terminal, a line for each epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

# What stands for lines and corners where a stream has none.
ASCII = str.maketrans("━─┃│" + "┏┳┓┡╇┩├┼┤└┴┘", "=-||" + 12 * "+")


def writable(text: str, stream: TextIO) -> str:
    """The text in characters that the stream can write: its lines in ASCII where needed, and ? for what is left."""
    encoding = getattr(stream, "encoding", None) or "utf-8"  # none: a stream in memory, which takes all
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    return text


def value_text(value: Any) -> str:
    """A value of the logs as Keras' bar shows it: four digits after the point, or in powers of ten where it is small.

    What is no number, as a callback may put it into the logs, is shown as it is, on one line.

    >>> [value_text(value) for value in (0.5, -3, 1.2345e-5, 0, None, "warm", [1, 2])]
    ['0.5000', '-3.0000', '1.2345e-05', '0.0000e+00', 'None', 'warm', '[1, 2]']
    """
    try:
        number = None if isinstance(value, (str, bytes)) or getattr(value, "ndim", False) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        return " ".join(str(value).split())
    return f"{number:.4f}" if abs(number) > 1e-3 else f"{number:.4e}"


def logs_text(logs: Mapping[str, Any], between: str = " - ") -> str:
    """All names and values of the logs on one line."""
    return between.join(f"{name}: {value_text(value)}" for name, value in logs.items())


class Progress:
    """A bar for each epoch in a terminal, a line for each epoch elsewhere.

    total: samples (or batches) of an epoch, None where nobody knows. Seconds and rate are those of training alone,
    without the validation after it.
    """

    WIDTH = 20

    def __init__(self, epochs: int, total: int | None, bar: bool, unit: str = "samples", stream: TextIO | None = None):
        self.epochs, self.total, self.bar, self.unit = epochs, total, bar, unit
        self.stream = stream or sys.stdout
        self.began = self.trained = self.drawn = 0.0
        self.seen = 0
        self.open = False  # a bar stands on the line of the cursor

    def begin(self, epoch: int) -> None:
        self.title = f"Epoch {epoch + 1}/{self.epochs}"
        self.began = self.trained = time.perf_counter()
        self.drawn, self.seen = 0.0, 0

    def update(self, seen: int, loss: float) -> None:
        """After each piece of an epoch; draws at most ten times a second."""
        self.seen = seen
        self.trained = now = time.perf_counter()
        if not self.bar or now - self.drawn < 0.1:
            return
        self.drawn, self.open = now, True
        self._write(f"\r{self._line(seen, now - self.began, loss):<79}")

    def _line(self, seen: int, elapsed: float, loss: float) -> str:
        if self.total is None:
            return f"{self.title} {seen} {self.unit} {elapsed:.0f}s loss: {value_text(loss)}"
        seen = min(seen, self.total)
        full = self.WIDTH * seen // self.total
        bar = "━" * full + "─" * (self.WIDTH - full)
        remaining = elapsed * (self.total - seen) / max(seen, 1)
        return f"{self.title} {bar} {seen}/{self.total} {remaining:.0f}s left loss: {value_text(loss)}"

    def end(self, logs: Mapping[str, Any]) -> None:
        elapsed = self.trained - self.began
        rate = self.seen / elapsed if elapsed > 0 else float("inf")
        line = f"{self.title} {elapsed:.2f}s {rate:,.0f} {self.unit}/s - {logs_text(logs)}"
        self._write(f"\r{line:<79}\n" if self.bar else f"{line}\n")
        self.open = False

    def close(self) -> None:
        """After the last epoch; what follows an interrupted one begins on a new line."""
        if self.open:
            self._write("\n")
            self.open = False

    def _write(self, text: str) -> None:
        self.stream.write(writable(text, self.stream))
        self.stream.flush()


class TqdmProgress:
    """The same by tqdm, which notebooks draw as a widget."""

    def __init__(self, tqdm: Any, epochs: int, total: int | None, unit: str = "samples"):
        self.tqdm, self.epochs, self.total, self.unit = tqdm, epochs, total, unit
        self.bar: Any = None

    def begin(self, epoch: int) -> None:
        self.bar = self.tqdm(total=self.total, desc=f"Epoch {epoch + 1}/{self.epochs}", unit=f" {self.unit}")

    def update(self, seen: int, loss: float) -> None:
        self.bar.set_postfix_str(f"loss: {value_text(loss)}", refresh=False)
        self.bar.update(seen - self.bar.n)

    def end(self, logs: Mapping[str, Any]) -> None:
        self.bar.set_postfix_str(logs_text(logs, ", "))
        self.close()

    def close(self) -> None:
        """Leaves the bar as it is; an interrupted epoch leaves a part of one."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def in_terminal() -> bool:
    """Whether standard output is a terminal."""
    return bool(getattr(sys.stdout, "isatty", lambda: False)())


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this: its output is no terminal, but shows bars."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def check_verbose(verbose: Any) -> None:
    """verbose: 0 silent; 1 a bar, or a line for each epoch outside a terminal; 2 a line for each epoch; "auto" a bar
    in a terminal, else silent."""
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")


def progress(verbose: Any, epochs: int, total: int | None, unit: str = "samples") -> Progress | None:
    """The display that ``verbose`` asks for; see ``check_verbose``."""
    check_verbose(verbose)
    terminal = in_terminal()
    if verbose == "auto":
        verbose = 1 if terminal else 0
    return Progress(epochs, total, terminal and verbose == 1, unit) if verbose else None


def best_progress(epochs: int, total: int | None, unit: str = "samples") -> Progress | TqdmProgress | None:
    """A bar by tqdm where it is installed, else a plain one; None outside a terminal or notebook."""
    if not (in_terminal() or in_notebook()):
        return None
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return Progress(epochs, total, True, unit)
    return TqdmProgress(tqdm, epochs, total, unit)
