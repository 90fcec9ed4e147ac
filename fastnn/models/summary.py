"""The table that ``Sequential.summary`` prints: Keras' one, to the character."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

from fastnn.basics.progress import writable
from fastnn.layers import Layer

HEADS = ("Layer (type)", "Output Shape", "Param #", "Trainable")
WIDTH = 88  # of the table; with the column for trainable 12 more, in a narrow terminal fewer
ENDS = (0.45, 0.80, 1.0)  # of the columns, in shares of it


def summary(
    name: str,
    layers: Sequence[Layer],
    counts: dict[str, int],
    itemsize: int,
    width: int | None = None,
    ends: Sequence[float] | None = None,
    show_trainable: bool = False,
) -> str:
    """Layers with their output shapes and numbers of parameters, and the sums, in characters that stdout can write.

    counts: parameters of each kind; itemsize: bytes of one; width: characters of the table; ends: where its columns
    end, in shares of it.
    """
    ends = ENDS if ends is None else ends
    if show_trainable:
        ends = [*(0.9 * end for end in ends), 1.0]
    if width is None:
        width = min(WIDTH + 12 * show_trainable, _columns() - 4)
    rows = [_row(layer, show_trainable) for layer in layers]
    lines = [f'Model: "{name}"', *_table(HEADS[: len(ends)], rows, _widths(width, ends))]
    for title, count in ({"Total": sum(counts.values())} | counts).items():
        lines.append(f" {title} params: {count:,} ({_bytes(count * itemsize)})")
    return writable("\n".join(lines), sys.stdout)


def _columns() -> int:
    """Of the terminal, as shutil counts them, whose import costs more than all of this file."""
    given = os.environ.get("COLUMNS", "")
    try:
        return int(given) if given.isdecimal() and int(given) else os.get_terminal_size(1).columns or 80
    except OSError:  # no terminal
        return 80


def _row(layer: Layer, show_trainable: bool) -> tuple[str, ...]:
    row = (f"{layer.name} ({type(layer).__name__})", "?", "0 (unbuilt)")
    if layer.built:
        row = (row[0], str(layer.output_shape), f"{layer.count_params():,}")
    return (*row, "-" if not layer.weights else "Y" if layer.trainable else "N") if show_trainable else row


def _widths(width: int, ends: Sequence[float]) -> list[int]:
    """Of the columns with a space on both sides: what the lines between them take is taken from all alike."""
    places = [0, *(int(end * width) for end in ends)]
    wanted = [last - first + 2 for first, last in pairwise(places)]
    excess = sum(wanted) + len(wanted) + 1 - width
    widths = []
    for i, one in enumerate(wanted):
        less = round(excess / (len(wanted) - i))
        excess -= less
        widths.append(max(3, one - less))
    return widths


def _table(heads: Sequence[str], rows: list[tuple[str, ...]], widths: list[int]) -> list[str]:
    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * width for width in widths) + right

    def line(cells: Sequence[str], edge: str) -> str:
        shown = (f" {cell:{side}{width - 2}} " for cell, side, width in zip(cells, "<<>^", widths, strict=False))
        return edge.join(["", *shown, ""])

    cut = [
        head if len(head) <= width - 2 else f"{head[: width - 3]}…" for head, width in zip(heads, widths, strict=True)
    ]
    lines = [rule("┏", "━", "┳", "┓"), line(cut, "┃"), rule("┡", "━", "╇", "┩")]
    for i, row in enumerate(rows):
        cells = [wrap(cell, width - 2) for cell, width in zip(row, widths, strict=True)]
        height = max(map(len, cells))
        lines += [rule("├", "─", "┼", "┤")] * (i > 0)
        lines += [line([cell[k] if k < len(cell) else "" for cell in cells], "│") for k in range(height)]
    return [*lines, rule("└", "─", "┴", "┘")]


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
