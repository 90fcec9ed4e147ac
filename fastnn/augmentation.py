"""Images changed a little each time they are seen, so that a network learns what does not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics import counter
from fastnn.basics.checks import number, whole
from fastnn.basics.settings import Settings
from fastnn.losses import Loss

STREAM = 1 << 62  # of the counter-based generator; below it the epochs and the layers have theirs
WORDS = 8  # random words of a sample: two flips, angle, two shifts; the rest is kept for what may come
COST = 300  # of each number of an image, turned, moved and noisy, as in ``Program.cost``


class ImageAugmentation(Settings):
    """Random changes of the images of each training batch; validation and prediction see the images as they are.

    flip_horizontal, flip_vertical: mirrors half of the images. rotation: turns by an angle from -rotation to rotation,
    in degrees. shift: (dy, dx), moves by up to so many pixels each way, fractions included. Rotated and shifted images
    are resampled bilinearly; what comes from outside takes the nearest pixel of the edge. noise: standard deviation of
    a normal number added to each value. mixup: alpha; each image and its target are mixed with those of another of the
    batch, with the share lambda of Beta(alpha, alpha); it needs targets that are probabilities, such as one-hot rows
    (Zhang et al., "mixup", ICLR 2018). shape: (height, width) where the model's input is flat.

    The compiled engine does all this while it gathers the rows of a batch; with mixup, and where ``fit`` is given
    batches, NumPy does it, which takes longer than the training of a small network.

    What happens to a sample depends on the model's seed, the step at which the epoch began and the sample's position in
    the epoch, not on batch size or threads; only mixup's partners and shares lambda depend on the batch too.

    Settings that make no sense raise ValueError; samples that are no images raise it from ``fit``, before training.

    >>> augmentation = ImageAugmentation(flip_horizontal=True)
    >>> images = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> augmentation.change(images, np.zeros((1, 8)))[0, :, :, 0]  # words below 1/2 flip
    array([[1., 0.],
           [3., 2.]])
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0
    mixup: float = 0.0
    shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self._flags("flip_horizontal", "flip_vertical")
        self._numbers("rotation", "noise", "mixup", least=0)
        self._pair("shift", number, 0)
        if self.shape is not None:
            self._pair("shape", whole, 1)

    def _pair(self, name: str, check: Callable[[str, Any, int], float], least: int) -> None:
        """A list of two becomes a tuple."""
        pair, what = getattr(self, name), f"ImageAugmentation: {name} must be two numbers"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"{what} of {least} or more, got {pair!r}")
        object.__setattr__(self, name, tuple(check(f"{what}; each", one, least) for one in pair))

    def check(self, sample: tuple[int, ...], loss: Loss) -> None:
        """Refuses samples that are no images, and a loss whose targets cannot be mixed."""
        self.image_shape(sample)
        if self.mixup and loss.targets != "probabilities":
            raise ValueError(
                f"mixup mixes targets, but {loss.name} takes {loss.targets}; use one-hot rows and"
                " loss='categorical_crossentropy', or mixup=0"
            )

    def image_shape(self, sample: tuple[int, ...]) -> tuple[int, int, int]:
        """(height, width, channels) of a sample."""
        if len(sample) in (2, 3) and self.shape in (None, sample[:2]):
            return sample[0], sample[1], sample[2] if len(sample) == 3 else 1
        if len(sample) == 1 and self.shape is not None:
            height, width = self.shape
            if sample[0] % (height * width) == 0:
                return height, width, sample[0] // (height * width)
        raise ValueError(
            f"ImageAugmentation: samples of shape {sample} are no images of shape={self.shape}; use"
            " Input((height, width)) or Input((height, width, channels)), or shape=(height, width) for flat samples"
        )

    @property
    def gathered(self) -> bool:
        """Whether the engine can do it to each row that it gathers: no mixing, and no class of the user's own."""
        return not self.mixup and type(self) is ImageAugmentation

    def changes(self, sample: tuple[int, ...], step: int) -> Changes:
        """What the engine does to the images, of this shape, of the epoch that begins at a step."""
        return Changes(self, sample, step)

    def apply(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        seed: int,
        step: int,
        first: int,
        width: int,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Changed copies of a batch, whose first sample is number ``first`` of the epoch that began at ``step``.

        width: of the program. Without mixup, y and the weights are returned as they are.
        """
        n = len(x)
        changes = Changes(self, x.shape[1:], step)
        x = changes.apply(x.reshape(n, -1), seed, first, width).reshape(x.shape)
        if not self.mixup:
            return x, y, sample_weight
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, first, changes.stream]))
        share, other = generator.beta(self.mixup, self.mixup, n), generator.permutation(n)
        factors = None if sample_weight is None else _mix(sample_weight, share, other)
        return _mix(x, share, other), _mix(y, share, other), factors

    def change(self, images: NDArray[Any], words: NDArray[np.float64]) -> NDArray[Any]:
        """Flipped, turned and moved images (n, height, width, channels) by numbers (n, 8) from 0 to 1."""
        out = images.copy()
        if self.flip_horizontal:
            chosen = words[:, 0] < 0.5
            out[chosen] = out[chosen, :, ::-1]
        if self.flip_vertical:
            chosen = words[:, 1] < 0.5
            out[chosen] = out[chosen, ::-1]
        if self.rotation or any(self.shift):
            angle, dy, dx = (2 * words[:, 2:5] - 1).T
            out = _resample(out, np.radians(self.rotation) * angle, self.shift[0] * dy, self.shift[1] * dx)
        return out


class Changes:
    """What an augmentation does to the images of the epoch that begins at a step: what the engines gather with.

    sample: shape of a sample; ``shape`` is (height, width, channels). Twin of ``kernels/augmentation.pxi``.
    """

    def __init__(self, settings: ImageAugmentation, sample: tuple[int, ...], step: int) -> None:
        self.settings, self.shape, self.stream = settings, settings.image_shape(sample), STREAM | step

    @property
    def cost(self) -> float:
        """Of a sample, as in ``Program.cost``."""
        height, width, channels = self.shape
        return COST * height * width * channels

    def apply(self, x: NDArray[Any], seed: int, first: int, width: int) -> NDArray[Any]:
        """Changed samples (n, inputs), the first of them number ``first`` of the epoch. width: of the program."""
        settings, (n, columns) = self.settings, x.shape
        numbers = counter.matrix(seed, self.stream, n, WORDS, first).astype(np.float64) * 2.0**-32
        x = settings.change(x.reshape(n, *self.shape), numbers).reshape(n, columns)
        if settings.noise:  # the words of the first panel are those of the changes
            normals = counter.normals(seed, self.stream, n, width + columns, width, first)[:, width:]
            x = x + x.dtype.type(settings.noise) * normals.astype(x.dtype)
        return x


def _resample(
    images: NDArray[Any], angle: NDArray[np.float64], dy: NDArray[np.float64], dx: NDArray[np.float64]
) -> NDArray[Any]:
    """Images turned by the angles about their centres, then moved down by dy and right by dx: bilinear."""
    n, height, width, _ = images.shape
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    y, x = y - dy[:, None, None], x - dx[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    row = np.clip(cos * y + sin * x + (height - 1) / 2, 0, height - 1)
    column = np.clip(cos * x - sin * y + (width - 1) / 2, 0, width - 1)
    top, left = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down = (row - top).astype(images.dtype)[..., None]
    across = (column - left).astype(images.dtype)[..., None]
    i = np.arange(n)[:, None, None]
    upper = images[i, top, left] * (1 - across) + images[i, top, right] * across
    lower = images[i, bottom, left] * (1 - across) + images[i, bottom, right] * across
    return upper * (1 - down) + lower * down


def _mix(values: NDArray[Any], share: NDArray[np.float64], other: NDArray[np.intp]) -> NDArray[Any]:
    share = share.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return values * share + values[other] * (1 - share)
