"""Data to learn from: bundled digits, logic gates, drawn shapes, and the reader of MNIST's files.

All return (X, y) with X float32 (rows, features) unless said otherwise, and y integer labels. ``rng`` is None, a seed
or a ``numpy.random.Generator``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.checks import number, unknown, whole
from fastnn.basics.seeds import as_generator

if TYPE_CHECKING:
    from pathlib import Path

Data = tuple[NDArray[Any], NDArray[np.int64]]

GATES = {"and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "xor": (0, 1, 1, 0), "nand": (1, 1, 1, 0), "nor": (1, 0, 0, 0)}


def digits() -> Data:
    """1,797 handwritten digits of 8 x 8 pixels: X uint8 (1797, 64) of values 0 to 16, y (1797,).

    The test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning
    Repository, 1998, doi 10.24432/C50P49, licence CC BY 4.0; bundled with fastnn.

    >>> X, y = digits()
    >>> X.shape, X.dtype, int(y[0])
    ((1797, 64), dtype('uint8'), 0)
    """
    import gzip  # here, because importing fastnn shall cost little

    with gzip.open(os.path.join(os.path.dirname(__file__), "_data", "digits.bin.gz")) as file:
        table = np.frombuffer(file.read(), dtype=np.uint8).reshape(-1, 65)
    return table[:, :64].copy(), table[:, 64].astype(np.int64)


def breast_cancer() -> Data:
    """569 breast tumours: X float64 (569, 30), measures of the cell nuclei, y (569,) 0 malignant, 1 benign.

    "Breast Cancer Wisconsin (Diagnostic)" by W. Wolberg, O. Mangasarian, N. Street and W. Street, UCI Machine Learning
    Repository, 1995, doi 10.24432/C5DW2B, licence CC BY 4.0; bundled with fastnn, in scikit-learn's order.

    >>> X, y = breast_cancer()
    >>> X.shape, X.dtype, np.bincount(y).tolist()
    ((569, 30), dtype('float64'), [212, 357])
    """
    import gzip  # here, because importing fastnn shall cost little

    with gzip.open(os.path.join(os.path.dirname(__file__), "_data", "breast_cancer.csv.gz"), "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return table[:, :30].copy(), table[:, 30].astype(np.int64)


def gate(name: str) -> Data:
    """The four rows of a logic gate: "and", "or", "xor", "nand" or "nor", in any case.

    >>> gate("xor")[1]
    array([0, 1, 1, 0])
    """
    if not isinstance(name, str):
        raise TypeError(f"gate must be one of the names {', '.join(GATES)}, got {name!r}")
    answers = GATES.get(name.lower())
    if answers is None:
        raise ValueError(unknown("gate", name, list(GATES)))
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32), np.array(answers)


def moons(n: int = 100, noise: float = 0.0, rng: Any = None) -> Data:
    """Two interleaving half circles of n points in all, as scikit-learn's ``make_moons``; noise: standard deviation."""
    n, rng = whole("n", n, 1), as_generator(rng)
    upper = n // 2
    a, b = np.linspace(0, np.pi, upper), np.linspace(0, np.pi, n - upper)
    X = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([1 - np.cos(b), 0.5 - np.sin(b)], 1)])
    return _noisy(X, np.repeat([0, 1], [upper, n - upper]), noise, rng)


def circles(n: int = 100, noise: float = 0.0, factor: float = 0.8, rng: Any = None) -> Data:
    """A circle of radius 1 (label 0) round one of radius ``factor`` (label 1), n points in all."""
    n, factor, rng = whole("n", n, 1), number("factor", factor, 0, below=1), as_generator(rng)
    outer = n // 2
    a = np.concatenate([np.linspace(0, 2 * np.pi, k, endpoint=False) for k in (outer, n - outer)])
    radius = np.repeat([1.0, factor], [outer, n - outer])[:, None]
    return _noisy(radius * np.stack([np.cos(a), np.sin(a)], 1), np.repeat([0, 1], [outer, n - outer]), noise, rng)


def spirals(n: int = 100, classes: int = 2, turns: float = 1.0, noise: float = 0.0, rng: Any = None) -> Data:
    """``classes`` intertwined spirals of ``turns`` turns, radius 0 to 1, n points in all."""
    n, classes, rng = whole("n", n, 1), whole("classes", classes, 1), as_generator(rng)
    turns = number("turns", turns)
    y = np.arange(n) % classes
    t = (np.arange(n) // classes) / max(1, (n - 1) // classes)
    a = 2 * np.pi * (turns * t + y / classes)
    return _noisy(t[:, None] * np.stack([np.cos(a), np.sin(a)], 1), y, noise, rng)


def blobs(n: int = 100, centers: int = 3, features: int = 2, deviation: float = 1.0, rng: Any = None) -> Data:
    """Normal clouds round ``centers`` points that are uniform on [-10, 10], n points in all."""
    n, centers, features = whole("n", n, 1), whole("centers", centers, 1), whole("features", features, 1)
    rng = as_generator(rng)
    middle = rng.uniform(-10, 10, (centers, features))
    y = np.arange(n) % centers
    return _noisy(middle[y], y, deviation, rng, "deviation")


class _Mnist:
    """MNIST, or data in its form: ``mnist(folder)``, or ``mnist.load_data()`` as in Keras, from the same files."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, folder: str | os.PathLike[str] | None = None) -> tuple[Data, Data]:
        """((X, y), (X_test, y_test)): X uint8 (60000, 28, 28) and (10000, 28, 28), y (60000,) and (10000,).

        Reads the four IDX files, gzipped or not, from ``folder``, or from $FASTNN_DATA or its subfolder of the name;
        fastnn does not ship or download them. MNIST: by Y. LeCun, C. Cortes and C. J. C. Burges, licence CC BY-SA 3.0;
        Fashion-MNIST: by H. Xiao, K. Rasul and R. Vollgraf, 2017, licence MIT.
        """
        found = _place(self.__name__, "train-images*", folder, inside=self.__name__ == "mnist")
        parts = [
            (
                _read_idx(found, f"{part}-images", "idx3-ubyte"),
                _read_idx(found, f"{part}-labels", "idx1-ubyte").astype(np.int64),
            )
            for part in ("train", "t10k")
        ]
        for part, (X, y) in zip(("train", "t10k"), parts, strict=True):
            if len(X) != len(y):
                raise ValueError(f"the {part} files in {found} hold {len(X)} images but {len(y)} labels")
        return parts[0], parts[1]

    def load_data(self, path: str | os.PathLike[str] | None = None) -> tuple[Data, Data]:
        """The same, with labels of uint8. path: a folder; Keras' "mnist.npz", which would be downloaded, is ignored."""
        named = path is not None and os.path.basename(path) == "mnist.npz" and not os.path.exists(path)
        (X, y), (X_test, y_test) = self(None if named else path)
        return (X, y.astype(np.uint8)), (X_test, y_test.astype(np.uint8))

    def __repr__(self) -> str:
        return f"<data set {self.__name__}: {self.__name__}(folder), {self.__name__}.load_data()>"


class _Cifar:
    """CIFAR-10 and CIFAR-100 from their files for programs in C, which hold bytes: ``cifar10.load_data()``.

    By A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009. Their files for Python are pickles,
    which fastnn never reads.
    """

    def __init__(self, name: str, train: list[str], test: list[str], labels: int) -> None:
        self.__name__, self.train, self.test, self.labels = name, train, test, labels

    def load_data(self, path: str | os.PathLike[str] | None = None, label_mode: str = "fine") -> tuple[Data, Data]:
        """((X, y), (X_test, y_test)): X uint8 (rows, 32, 32, 3), y uint8 (rows, 1).

        path: the folder of the .bin files, else $FASTNN_DATA or its subfolder of the name. label_mode: of CIFAR-100,
        "fine" or "coarse".
        """
        if label_mode not in ("fine", "coarse"):
            raise ValueError(f"label_mode must be 'fine' or 'coarse', got {label_mode!r}")
        folder = _place(self.__name__, self.test[0], path)
        column = 0 if self.labels == 1 or label_mode == "coarse" else 1
        found = []
        for names in (self.train, self.test):
            raw = b"".join((folder / name).read_bytes() for name in names)
            size = self.labels + 3072
            if not raw or len(raw) % size:
                raise ValueError(f"{', '.join(names)} in {folder} hold {len(raw)} bytes, no rows of {size}: damaged?")
            rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)
            images = rows[:, self.labels :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            found.append((np.ascontiguousarray(images), rows[:, column : column + 1].copy()))
        return found[0], found[1]  # type: ignore[return-value]


mnist, fashion_mnist = _Mnist("mnist"), _Mnist("fashion_mnist")
cifar10 = _Cifar("cifar10", [f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"], 1)
cifar100 = _Cifar("cifar100", ["train.bin"], ["test.bin"], 2)


def _place(name: str, pattern: str, folder: str | os.PathLike[str] | None, inside: bool = True) -> Path:
    """The folder with a data set's files: the given one, or that of $FASTNN_DATA, or a subfolder of the name.

    inside: whether the files may lie in $FASTNN_DATA itself.
    """
    from pathlib import Path

    given = os.environ.get("FASTNN_DATA") if folder is None else folder
    if not given:
        raise FileNotFoundError(f"pass the folder of the {name} files, or set FASTNN_DATA to it; nothing is downloaded")
    base = Path(given)
    places = [base] if inside or folder is not None else []
    places += [base / one for one in dict.fromkeys((name, name.replace("_", "-")))]
    found = next((place for place in places if list(place.glob(pattern))), None)
    if found is None:
        files = pattern.replace("*", "-idx3-ubyte or .gz")
        raise FileNotFoundError(f"no {name} files ({files}) in {' or '.join(map(str, places))}")
    return found


def _read_idx(folder: Path, name: str, kind: str) -> NDArray[np.uint8]:
    """An IDX file of bytes: two zeros, type 8, number of axes, sizes as big-endian words, then the values."""
    candidates = [folder / f"{name}{dot}{kind}{end}" for dot in "-." for end in ("", ".gz")]
    path = next((path for path in candidates if path.exists()), None)
    if path is None:
        raise FileNotFoundError(f"none of {', '.join(path.name for path in candidates)} in {folder}")
    raw = _unpacked(path)
    axes, expected_axes = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0, int(kind[3])
    if not axes or len(raw) < 4 + 4 * min(axes, expected_axes):
        raise ValueError(f"{path} is not an IDX file of bytes: a damaged copy?")
    if axes != expected_axes:
        raise ValueError(f"{path} holds an array of {axes} axes, expected {expected_axes}: a damaged copy?")
    sizes = tuple(int(size) for size in np.frombuffer(raw, dtype=">u4", count=axes, offset=4))
    values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes)
    expected = int(np.prod(sizes))
    if values.size != expected:
        raise ValueError(f"{path} holds {values.size} values, expected {expected} for shape {sizes}: a damaged copy?")
    return values.reshape(sizes).copy()  # the bytes that were read cannot be written to


def _unpacked(path: Path) -> bytes:
    import gzip
    import zlib

    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} cannot be unpacked: {error}; a damaged copy?") from None


def _noisy(
    X: NDArray[np.float64], y: NDArray[np.integer], noise: float, rng: np.random.Generator, name: str = "noise"
) -> Data:
    noise = number(name, noise, 0)
    return (X + rng.normal(0, noise, X.shape) if noise else X).astype(np.float32), y.astype(np.int64)
