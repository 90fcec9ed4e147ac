"""The table that ``Sequential.summary`` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fastnn.basics.progress import writable
from fastnn.layers import Layer

HEADS = ("Layer (type)", "Output Shape", "Param #")
LEAST_WIDTHS = (33, 24, 15)  # as Keras has them


def summary(name: str, layers: Sequence[Layer], shapes: Sequence[tuple[int, ...]], itemsize: int) -> str:
    """Layers with their output shapes and numbers of parameters, and the sums, in characters that stdout can write.

    layers: the first one an Input; shapes: behind each of them; itemsize: bytes of a parameter.
    """
    counts = [layer.count_params(before) for layer, before in zip(layers[1:], shapes, strict=False)]
    frozen = sum(layer.count_frozen(before) for layer, before in zip(layers[1:], shapes, strict=False))
    rows = [
        (f"{layer.name} ({type(layer).__name__})", str((None, *shape)), f"{count:,}")
        for layer, shape, count in zip(layers[1:], shapes[1:], counts, strict=True)
    ]
    total = sum(counts)
    lines = [f'Model: "{name}"', *_table(rows)]
    for title, count in (("Total", total), ("Trainable", total - frozen), ("Non-trainable", frozen)):
        lines.append(f" {title} params: {count:,} ({_bytes(count * itemsize)})")
    return writable("\n".join(lines), sys.stdout)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(least, *(len(row[i]) + 2 for row in [HEADS, *rows])) for i, least in enumerate(LEAST_WIDTHS)]

    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * width for width in widths) + right

    def line(cells: Sequence[str], edge: str) -> str:
        first, second, third = widths
        return edge.join(
            ["", f" {cells[0]:<{first - 1}}", f" {cells[1]:<{second - 1}}", f"{cells[2]:>{third - 1}} ", ""]
        )

    lines = [rule("┏", "━", "┳", "┓"), line(HEADS, "┃"), rule("┡", "━", "╇", "┩")]
    for i, row in enumerate(rows):
        lines += [rule("├", "─", "┼", "┤"), line(row, "│")] if i else [line(row, "│")]
    return [*lines, rule("└", "─", "┴", "┘")]


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
