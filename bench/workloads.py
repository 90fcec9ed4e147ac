"""The five networks that are measured, their data, and the loss that judges all alike. Needs NumPy only."""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LEARNING_RATE = 1e-3
EPSILON = 1e-7  # of Adam, for everyone: the defaults differ
SEED = 20240607
LEARNED = 0.7  # the learning check: the loss must fall below this share of the loss before


@dataclass(frozen=True)
class Workload:
    """A network, its batch, the rows of one epoch, and the speed-ups over the best peer that are required."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int  # a multiple of the batch, so that every competitor runs the same steps
    output: str  # "sigmoid" with binary crossentropy, "softmax" with labels
    check_steps: int  # of the learning check
    required: dict[int, float] = field(default_factory=dict)  # by number of threads

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return self.rows // self.batch

    @property
    def title(self) -> str:
        return f"{self.name} {'-'.join(map(str, self.sizes))}, {self.batch}"

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
    )
}
ROW = Workload("row", (30, 16, 8, 2), 1, 1, "sigmoid", 0)  # of inference; two sigmoids, as scikit-learn has them too


def data(workload: Workload, rows: int | None = None) -> tuple[Array, NDArray[np.int64]]:
    """X (rows, inputs) and labels (rows,) of a random linear teacher: learnable, and the same in every process."""
    rng = np.random.default_rng(SEED)
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
    for inputs, outputs in zip(workload.sizes, workload.sizes[1:], strict=False):
        limit = np.sqrt(6 / (inputs + outputs))
        weights += [rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32), np.zeros(outputs, np.float32)]
    return weights


def mean_loss(workload: Workload, weights: list[Array], X: Array, y: NDArray[np.int64]) -> float:
    """The loss of a network of these weights, in NumPy: nobody reports its own."""
    a = X.astype(np.float64)
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        a = np.maximum(a @ W + b, 0)
    z = a @ weights[-2] + weights[-1]
    if workload.output == "sigmoid":
        return float(np.mean(np.logaddexp(0, z[:, 0]) - y * z[:, 0]))
    most = z.max(axis=1)
    return float(np.mean(most + np.log(np.exp(z - most[:, None]).sum(axis=1)) - z[np.arange(len(z)), y]))
