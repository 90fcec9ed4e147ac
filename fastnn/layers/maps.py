"""What layers on maps have in common: shapes (height, width, channels), or (steps, channels) for signals."""

from __future__ import annotations

from typing import Any, ClassVar

from fastnn.basics.checks import unknown, whole
from fastnn.layers.base import Layer, Shape
from fastnn.operations import Pair

Sizes = tuple[int, ...]


class MapLayer(Layer):
    """Base of layers on maps; with one axis: on signals, which are maps of height 1."""

    axes: ClassVar[int] = 2

    def _channels_last(self, data_format: str | None) -> str:
        """The only order of axes that there is."""
        if data_format == "channels_first":
            inner = ", ".join(map(str, range(2, self.axes + 2)))
            raise ValueError(
                f"{type(self).__name__}: data_format='channels_first' is not supported, channels come last; transpose"
                f" the samples once, x = x.transpose(0, {inner}, 1), and leave data_format out"
            )
        if data_format not in (None, "channels_last"):
            raise ValueError(f"{type(self).__name__}: {unknown('data_format', str(data_format), ['channels_last'])}")
        return "channels_last"

    def _sizes(self, name: str, given: Any, least: int = 1) -> Sizes:
        """A whole number for each axis, from one for all or from as many as there are axes."""
        what = f"{type(self).__name__}: {name}"
        values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * self.axes
        if len(values) != self.axes:
            expected = "a whole number" if self.axes == 1 else f"a whole number or {self.axes} of them"
            raise ValueError(f"{what} must be {expected}, got {given!r}")
        return tuple(whole(what, value, least) for value in values)

    def _margins(self, name: str, given: Any) -> tuple[Sizes, ...]:
        """(before, behind) for each axis, from one number for all, one for each axis, or a pair for each axis."""
        if isinstance(given, (tuple, list)) and len(given) == self.axes:
            pairs = [one if isinstance(one, (tuple, list)) else (one, one) for one in given]
            if all(len(pair) == 2 for pair in pairs):
                what = f"{type(self).__name__}: {name}"
                return tuple((whole(what, first, 0), whole(what, last, 0)) for first, last in pairs)
        elif not isinstance(given, (tuple, list)):
            return ((whole(f"{type(self).__name__}: {name}", given, 0),) * 2,) * self.axes
        raise ValueError(
            f"{type(self).__name__}: {name} must be a whole number, {self.axes} of them, or {self.axes} pairs, got"
            f" {given!r}"
        )

    def _padding(self, padding: str, known: tuple[str, ...] = ("valid", "same")) -> str:
        name = padding.lower() if isinstance(padding, str) else padding
        if name not in known:
            raise ValueError(f"{type(self).__name__}: {unknown('padding', str(padding), list(known))}")
        return str(name)

    def _map(self, shape: Shape) -> tuple[Sizes, int]:
        """The sizes along the axes, and the channels; an error where a sample has another number of axes."""
        if len(shape) == self.axes + 1:
            return shape[:-1], shape[-1]
        axes = ("steps", "channels") if self.axes == 1 else ("height", "width", "channels")
        hint = f"put Reshape(({', '.join(axes)})) before it"
        if len(shape) == self.axes:
            hint = f"put Reshape({(*shape, 1)}) before it, or use Input({(*shape, 1)})"
        raise ValueError(f"{type(self).__name__} takes samples of shape ({', '.join(axes)}), got {shape}; {hint}")

    def _windows(
        self, sizes: Sizes, window: Sizes, strides: Sizes, padding: str, dilation: Sizes | None = None
    ) -> tuple[Sizes, Sizes]:
        """How many windows there are along each axis, and how much padding comes before the first number."""
        counts, corner = [], []
        for n, k, s, d in zip(sizes, window, strides, dilation or (1,) * self.axes, strict=True):
            reach = (k - 1) * d + 1
            count = (n - reach) // s + 1 if padding == "valid" else -(-n // s)
            if count < 1:
                raise ValueError(
                    f"{type(self).__name__}: a window of {' x '.join(map(str, window))}"
                    + (f" with dilation_rate {d}" if d > 1 else "")
                    + f" does not fit on {' x '.join(map(str, sizes))}; use padding='same', a smaller window, or fewer"
                    " poolings and strides before"
                )
            missing = max(0, (count - 1) * s + reach - n)
            counts.append(count)
            corner.append({"valid": 0, "same": missing // 2, "causal": reach - 1}[padding])
        return tuple(counts), tuple(corner)

    def _plane(self, sizes: Sizes, other: int = 1) -> Pair:
        """Numbers of all axes as those of a map, which has two."""
        return (other, sizes[0]) if self.axes == 1 else (sizes[0], sizes[1])
