"""The networks that are measured, their data, and the loss that judges all alike. Needs NumPy only."""

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LEARNING_RATE = 1e-3
EPSILON = 1e-7  # of Adam, for everyone: the defaults differ
SEED = 20240607
LEARNED = 0.7  # the learning check: the loss must fall below this share of the loss before
POOL = "pool"  # the largest of 2 x 2 pixels
JUDGED = 64  # images whose loss is computed at once


@dataclass(frozen=True)
class Workload:
    """A network, its batch, the rows of one epoch, and the speed-ups over the best peer that are required.

    sizes: inputs of the first dense layer, outputs of each. Where there is an image (height, width, channels), it first
    goes through convolutions of 3 x 3 pixels, so many filters each, with relu, and through POOL.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int  # a multiple of the batch, so that every competitor runs the same steps
    output: str  # "sigmoid" with binary crossentropy, "softmax" with labels
    check_steps: int  # of the learning check
    required: dict[int, float] = field(default_factory=dict)  # by number of threads
    image: tuple[int, ...] = ()
    convolutions: tuple[int | str, ...] = ()
    padding: str = "valid"

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return self.rows // self.batch

    @property
    def title(self) -> str:
        front = ("x".join(map(str, self.image)), *self.convolutions) if self.image else self.sizes[:1]
        return f"{self.name} {'-'.join(map(str, [*front, *self.sizes[1:]]))}, {self.batch}"

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return self.image or self.sizes[:1]

    @property
    def maps(self) -> list[tuple[int, int, int]]:
        """Height, width and channels: of the image, then behind each convolution and pool."""
        found = [self.image] if self.image else []
        for one in self.convolutions:
            height, width, channels = found[-1]
            lost = 2 * (self.padding == "valid")
            found.append((height // 2, width // 2, channels) if one == POOL else (height - lost, width - lost, one))
        return found

    @property
    def kernels(self) -> list[tuple[int, ...]]:
        """Shapes of all weights but the biases."""
        pairs = zip(self.maps, self.convolutions, strict=False)
        windows = [(3, 3, before[-1], one) for before, one in pairs if one != POOL]
        return [*windows, *zip(self.sizes, self.sizes[1:], strict=False)]

    def layers(self, module: Any, output: str | None) -> list[Any]:
        """The layers of a module that has Keras' names. output: the last activation."""
        stack = [module.Input(self.inputs)]
        for one in self.convolutions:
            same = {"padding": self.padding, "activation": "relu"}
            stack.append(module.MaxPooling2D(2) if one == POOL else module.Conv2D(one, 3, **same))
        stack += [module.Flatten()] if self.image else []
        stack += [module.Dense(units, activation="relu") for units in self.sizes[1:-1]]
        return [*stack, module.Dense(self.sizes[-1], activation=output)]

    def shortened(self, steps: int) -> "Workload":
        """The same with an epoch of at most so many steps."""
        rows = min(self.steps, steps) * self.batch
        return replace(self, rows=rows)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("S", (30, 16, 8, 1), 32, 20_000, "sigmoid", 300, {1: 8.0}),
        Workload("D", (64, 100, 10), 200, 20_000, "softmax", 150, {1: 2.2}),
        Workload("T", (32, 256, 256, 1), 256, 20_224, "sigmoid", 60, {1: 1.5, 2: 1.4}),
        Workload("M", (784, 300, 100, 10), 32, 20_000, "softmax", 60, {1: 1.8, 2: 2.2}),
        Workload("L", (784, 1024, 1024, 10), 128, 20_096, "softmax", 30, {1: 1.25, 2: 1.3}),
        Workload("C1", (5408, 64, 10), 32, 3_200, "softmax", 60, {1: 6.0}, (28, 28, 1), (32, POOL)),
        Workload(
            *("C2", (1024, 128, 10), 64, 640, "softmax", 45, {1: 2.2}, (28, 28, 1)),
            convolutions=(32, 32, POOL, 64, 64, POOL),
        ),
        Workload(
            *("C3", (4096, 64, 10), 64, 640, "softmax", 30, {1: 2.2}, (32, 32, 3)),
            convolutions=(32, POOL, 64, POOL, 64),
            padding="same",
        ),
    )
}
ROW = Workload("row", (30, 16, 8, 2), 1, 1, "sigmoid", 0)  # of inference; two sigmoids, as scikit-learn has them too


def data(workload: Workload, rows: int | None = None) -> tuple[Array, NDArray[np.int64]]:
    """X (rows, inputs) and labels (rows,) of a random linear teacher: learnable, and the same in every process.

    Images (rows, height, width, channels) are one of a few pictures, and noise.
    """
    rng = np.random.default_rng(SEED)
    if workload.image:
        y = rng.integers(workload.sizes[-1], size=rows or workload.rows)
        pictures = rng.standard_normal((workload.sizes[-1], *workload.image), dtype=np.float32)
        return pictures[y] + 0.5 * rng.standard_normal((len(y), *workload.image), dtype=np.float32), y
    teacher = rng.standard_normal((workload.sizes[0], workload.sizes[-1]))
    X = rng.standard_normal((rows or workload.rows, workload.sizes[0]), dtype=np.float32)
    scores = X @ teacher
    y = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64)
    return X, y


def checksum(*arrays: NDArray) -> int:
    """One number that tells whether two processes hold the same data."""
    return zlib.crc32(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))


def initial_weights(workload: Workload) -> list[Array]:
    """W, b, W, b, ... with W uniform as Glorot and Bengio (2010): every competitor starts here."""
    rng = np.random.default_rng(SEED + 1)
    weights = []
    for shape in workload.kernels:
        limit = np.sqrt(6 / (np.prod(shape[:-2], dtype=int) * sum(shape[-2:])))
        weights += [rng.uniform(-limit, limit, shape).astype(np.float32), np.zeros(shape[-1], np.float32)]
    return weights


def mean_loss(workload: Workload, weights: list[Array], X: Array, y: NDArray[np.int64]) -> float:
    """The loss of a network of these weights, in NumPy: nobody reports its own."""
    if workload.image:
        front = 2 * (len(workload.kernels) - len(workload.sizes) + 1)
        parts = [_flat(workload, weights[:front], X[n : n + JUDGED]) for n in range(0, len(X), JUDGED)]
        X, weights = np.concatenate(parts), weights[front:]
    a = X.astype(np.float64)
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        a = np.maximum(a @ W + b, 0)
    z = a @ weights[-2] + weights[-1]
    if workload.output == "sigmoid":
        return float(np.mean(np.logaddexp(0, z[:, 0]) - y * z[:, 0]))
    most = z.max(axis=1)
    return float(np.mean(most + np.log(np.exp(z - most[:, None]).sum(axis=1)) - z[np.arange(len(z)), y]))


def _flat(workload: Workload, weights: list[Array], a: Array) -> Array:
    """Images through the convolutions, as rows."""
    pairs = iter(zip(weights[::2], weights[1::2], strict=True))
    for one in workload.convolutions:
        if one == POOL:
            n, height, width, channels = a.shape
            a = a[:, : height // 2 * 2, : width // 2 * 2]
            a = a.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
            continue
        W, b = next(pairs)
        edge = int(workload.padding == "same")
        a = np.pad(a, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3), (1, 2))  # ..., channels, rows, columns
        rows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)
        a = np.maximum(rows @ W.reshape(-1, W.shape[-1]) + b, 0)
    return a.reshape(len(a), -1)
