"""Batches of images that are changed at random, by the names and arguments of Keras' ImageDataGenerator.

``fastnn.augmentation.ImageAugmentation``, an argument of ``fit``, turns, moves and mirrors inside the compiled engine
and is much faster; this class is there for programs that use it, and for what it has more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import plain, real
from fastnn.basics.checks import flag, number, unknown, whole
from fastnn.basics.seeds import as_generator
from fastnn.data import Batches

FILLS = ("nearest", "constant", "reflect", "wrap")
Range = float | Sequence[float]


class ImageDataGenerator:
    """Changes images (samples, height, width, channels) at random; ``flow`` gives batches of them.

    rotation_range: degrees; width_shift_range, height_shift_range: below 1 a share of the size, else pixels;
    shear_range: degrees; zoom_range: (least, greatest) factor, or z for (1 - z, 1 + z); channel_shift_range: added to
    each channel; brightness_range: (least, greatest) factor; horizontal_flip, vertical_flip: half of the images. What
    comes from outside is filled by fill_mode: "nearest", "constant" (cval), "reflect" or "wrap". Resampling is
    bilinear, in one step. Then: preprocessing_function(image), rescale (a factor), samplewise_center and
    _std_normalization, and, by what ``fit`` has learnt, featurewise_center and featurewise_std_normalization.
    validation_split: the first share of the rows is the subset "validation". Images are given with channels last;
    whitening is refused.

    >>> generator = ImageDataGenerator(horizontal_flip=True, rescale=1 / 255)
    >>> batches = generator.flow(np.zeros((10, 4, 4, 1)), np.arange(10), batch_size=4, seed=0)
    >>> len(batches), next(batches)[0].shape
    (3, (4, 4, 4, 1))
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float = 0.0,
        height_shift_range: float = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Range = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[NDArray], ArrayLike] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        dtype: Any = None,
    ) -> None:
        if zca_whitening:
            raise ValueError("ImageDataGenerator: zca_whitening is missing here; whiten the images before")
        if data_format not in (None, "channels_last"):
            raise ValueError(
                f"ImageDataGenerator: images have their channels last here, got data_format={data_format!r}"
            )
        if fill_mode not in FILLS:
            raise ValueError(f"ImageDataGenerator: {unknown('fill_mode', str(fill_mode), list(FILLS))}")
        self.featurewise_center = flag("featurewise_center", featurewise_center)
        self.samplewise_center = flag("samplewise_center", samplewise_center)
        self.featurewise_std_normalization = flag("featurewise_std_normalization", featurewise_std_normalization)
        self.samplewise_std_normalization = flag("samplewise_std_normalization", samplewise_std_normalization)
        self.rotation_range = number("rotation_range", rotation_range, 0)
        self.width_shift_range = number("width_shift_range", width_shift_range, 0)
        self.height_shift_range = number("height_shift_range", height_shift_range, 0)
        self.shear_range = number("shear_range", shear_range, 0)
        self.channel_shift_range = number("channel_shift_range", channel_shift_range, 0)
        zoom = (1 - zoom_range, 1 + zoom_range) if isinstance(zoom_range, (int, float)) else zoom_range
        self.zoom_range = _pair("zoom_range", zoom)
        self.brightness_range = None if brightness_range is None else _pair("brightness_range", brightness_range)
        self.fill_mode, self.cval = fill_mode, number("cval", cval)
        self.horizontal_flip = flag("horizontal_flip", horizontal_flip)
        self.vertical_flip = flag("vertical_flip", vertical_flip)
        self.rescale = None if not rescale else number("rescale", rescale)
        self.preprocessing_function = preprocessing_function
        self.validation_split = number("validation_split", validation_split, 0, below=1)
        self.dtype = np.dtype("float32" if dtype is None else dtype)
        self.mean: NDArray | None = None
        self.std: NDArray | None = None

    def fit(self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Learns mean and deviation of each channel, for the featurewise settings. augment: of changed images."""
        images = _images(x).astype(self.dtype)
        if augment:
            rng = as_generator(seed, "seed")
            images = np.concatenate([self._transformed(images, rng) for _ in range(whole("rounds", rounds, 1))])
        self.mean = images.mean(axis=(0, 1, 2))
        self.std = images.std(axis=(0, 1, 2))

    def flow(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: ArrayLike | None = None,
        seed: Any = None,
        subset: str | None = None,
    ) -> Flow:
        """Batches of changed images and their targets, in a new order in each epoch, for ``fit`` or a loop."""
        parts: list[NDArray | None] = [_images(x)]
        parts += [None if one is None else plain(one, name) for one, name in ((y, "y"), (sample_weight, "weights"))]
        rows = len(parts[0]) if parts[0] is not None else 0
        for part, name in zip(parts[1:], ("y", "sample_weight"), strict=True):
            if part is not None and len(part) != rows:
                raise ValueError(f"x has {rows} images but {name} has {len(part)} rows; they must be equal")
        if subset is not None:
            held = int(rows * self.validation_split)
            if subset not in ("training", "validation") or not 0 < held < rows:
                raise ValueError(
                    f"subset must be 'training' or 'validation', with a validation_split that leaves rows to both, got"
                    f" {subset!r} and {self.validation_split}"
                )
            chosen = slice(held) if subset == "validation" else slice(held, None)
            parts = [None if part is None else part[chosen] for part in parts]
        return Flow(self, parts, whole("batch_size", batch_size, 1), shuffle, as_generator(seed, "seed"))

    def flow_from_directory(self, *arguments: Any, **more: Any) -> None:
        """Refused: fastnn reads no image files."""
        raise NotImplementedError("fastnn reads no image files; load them into an array and use flow(x, y)")

    def random_transform(self, x: ArrayLike, seed: Any = None) -> NDArray[Any]:
        """One image, changed at random."""
        return self._transformed(_images(np.asarray(x)[None]).astype(self.dtype), as_generator(seed, "seed"))[0]

    def standardize(self, x: NDArray[Any]) -> NDArray[Any]:
        """Rescaled and normalized images, one or several."""
        if self.preprocessing_function is not None:
            each = x if x.ndim == 4 else x[None]
            made = [np.asarray(self.preprocessing_function(image)) for image in each]
            x = np.stack(made) if x.ndim == 4 else made[0]
        x = x * self.dtype.type(self.rescale) if self.rescale else x
        if self.samplewise_center:
            x = x - x.mean(axis=(-3, -2, -1), keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (x.std(axis=(-3, -2, -1), keepdims=True) + 1e-6)
        if (self.featurewise_center or self.featurewise_std_normalization) and self.mean is None:
            raise ValueError("featurewise settings need generator.fit(x) first, which learns mean and deviation")
        if self.featurewise_center:
            x = x - self.mean
        if self.featurewise_std_normalization and self.std is not None:
            x = x / (self.std + 1e-6)
        return x

    def _transformed(self, x: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        n, height, width, channels = x.shape
        angle = np.radians(rng.uniform(-self.rotation_range, self.rotation_range, n))
        shear = np.radians(rng.uniform(-self.shear_range, self.shear_range, n))
        zoom = rng.uniform(*self.zoom_range, (n, 2))
        sizes = (self.height_shift_range, height), (self.width_shift_range, width)
        shift = np.stack([rng.uniform(-s, s, n) * (size if s < 1 else 1) for s, size in sizes], axis=1)
        if self.rotation_range or self.shear_range or shift.any() or self.zoom_range != (1.0, 1.0):
            cos, sin, one, zero = np.cos(angle), np.sin(angle), np.ones(n), np.zeros(n)
            turn = np.stack([cos, -sin, sin, cos], 1).reshape(n, 2, 2)
            lean = np.stack([one, -np.sin(shear), zero, np.cos(shear)], 1).reshape(n, 2, 2)
            grow = np.stack([zoom[:, 0], zero, zero, zoom[:, 1]], 1).reshape(n, 2, 2)
            # Keras' order: from a place behind the change back to that before it, about the centre
            x = resampled(x, turn @ lean @ grow, np.einsum("nij,nj->ni", turn, shift), self.fill_mode, self.cval)
        if self.channel_shift_range:
            least, most = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
            moved = rng.uniform(-self.channel_shift_range, self.channel_shift_range, (n, 1, 1, channels))
            x = np.clip(x + moved, least, most).astype(x.dtype)
        for flip, axis in ((self.horizontal_flip, 2), (self.vertical_flip, 1)):
            if flip:
                x = np.where(rng.random((n, 1, 1, 1)) < 0.5, np.flip(x, axis), x)
        if self.brightness_range is not None:
            x = x * rng.uniform(*self.brightness_range, (n, 1, 1, 1)).astype(x.dtype)
        return x


class Flow(Batches):
    """Batches of an ``ImageDataGenerator``: an epoch with ``len``, or without end by ``next``."""

    def __init__(
        self,
        generator: ImageDataGenerator,
        parts: list[NDArray | None],
        batch_size: int,
        shuffle: bool,
        rng: np.random.Generator,
    ) -> None:
        self.image_data_generator, self.batch_size, self.shuffle = generator, batch_size, shuffle
        self._parts, self._rng, self._next = parts, rng, 0
        self.n = len(parts[0]) if parts[0] is not None else 0
        self._new_order()

    def _new_order(self) -> None:
        self._order = self._rng.permutation(self.n) if self.shuffle else np.arange(self.n)

    def __len__(self) -> int:
        return ceil(self.n / self.batch_size)

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(f"there are {len(self)} batches, counted from 0, got {i}")
        rows = self._order[i * self.batch_size : (i + 1) * self.batch_size]
        images, *others = (None if part is None else part[rows] for part in self._parts)
        generator = self.image_data_generator
        x = generator.standardize(generator._transformed(np.asarray(images).astype(generator.dtype), self._rng))
        found = (x, *(one for one in others if one is not None))
        return found if len(found) > 1 else x

    def on_epoch_end(self) -> None:
        self._new_order()

    def __iter__(self) -> Flow:
        return self

    def __next__(self) -> Any:
        batch = self[self._next]
        self._next += 1
        if self._next == len(self):
            self._next = 0
            self._new_order()
        return batch


def resampled(
    x: NDArray[Any], matrix: NDArray[np.float64], shift: NDArray[np.float64], fill_mode: str, cval: float
) -> NDArray[Any]:
    """Images whose pixel at p is that of x at matrix p + shift, p counted from the centre: bilinear."""
    n, height, width, _ = x.shape
    row, column = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    places = np.einsum("nij,jhw->nihw", matrix, np.stack([row, column])) + shift[:, :, None, None]
    places = places + np.array([(height - 1) / 2, (width - 1) / 2])[None, :, None, None]
    corners, shares, outside = [], [], np.zeros((n, height, width), dtype=bool)
    for axis, size in enumerate((height, width)):
        at = places[:, axis]
        outside |= (at < 0) | (at > size - 1)
        if fill_mode == "wrap":
            low = np.floor(at).astype(np.intp)
            corners.append((low % size, (low + 1) % size))
        else:
            if fill_mode == "reflect":
                at = np.mod(at + 0.5, 2 * size)
                at = np.minimum(at, 2 * size - at) - 0.5
            at = np.clip(at, 0, size - 1)
            low = np.floor(at).astype(np.intp)
            corners.append((low, np.minimum(low + 1, size - 1)))
        shares.append((at - np.floor(at)).astype(x.dtype)[..., None])
    i = np.arange(n)[:, None, None]
    (top, bottom), (left, right) = corners
    upper = x[i, top, left] * (1 - shares[1]) + x[i, top, right] * shares[1]
    lower = x[i, bottom, left] * (1 - shares[1]) + x[i, bottom, right] * shares[1]
    out = upper * (1 - shares[0]) + lower * shares[0]
    return np.where(outside[..., None], x.dtype.type(cval), out) if fill_mode == "constant" else out


def _images(x: ArrayLike) -> NDArray[Any]:
    images = real(x, "x")
    if images.ndim != 4:
        raise ValueError(
            f"x has shape {images.shape}, expected images (samples, height, width, channels); for images without"
            " channels pass x[..., None]"
        )
    return images


def _pair(name: str, given: Any) -> tuple[float, float]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"{name} must be two numbers, got {given!r}")
    least, most = (number(f"{name}: each", one) for one in given)
    return least, most
