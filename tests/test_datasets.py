"""Bundled and drawn data, and the reader of MNIST's files."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import datasets
from fastnn.layers import Dense, Flatten, Input

DRAWN = {
    "moons": lambda rng, n=101: datasets.moons(n, noise=0.1, rng=rng),
    "circles": lambda rng, n=101: datasets.circles(n, noise=0.1, rng=rng),
    "spirals": lambda rng, n=101: datasets.spirals(n, classes=3, noise=0.1, rng=rng),
    "blobs": lambda rng, n=101: datasets.blobs(n, centers=3, rng=rng),
}
CLASSES = {"moons": 2, "circles": 2, "spirals": 3, "blobs": 3}


def test_digits():
    X, y = datasets.digits()
    assert X.shape == (1797, 64) and X.dtype == np.uint8
    assert y.shape == (1797,) and y.dtype == np.int64
    assert X.max() == 16 and int(X.sum()) == 561_718  # as scikit-learn's copy of the same file
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert y[:10].tolist() == list(range(10))


def test_digits_are_a_fresh_writable_copy():
    X, y = datasets.digits()
    X[:], y[:] = 0, 0
    assert datasets.digits()[0].any() and datasets.digits()[1].any()


@pytest.mark.parametrize(
    ("name", "labels"),
    [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("xor", [0, 1, 1, 0]), ("nand", [1, 1, 1, 0]), ("nor", [1, 0, 0, 0])],
)
def test_gates(name, labels):
    X, y = datasets.gate(name.upper())
    assert np.array_equal(datasets.gate(name)[1], y)
    assert X.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] and X.dtype == np.float32
    assert y.tolist() == labels and y.dtype.kind == "i"


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_data_are_reproducible(name):
    (X, y), (X2, y2), (X3, _) = DRAWN[name](0), DRAWN[name](0), DRAWN[name](1)
    assert X.shape == (101, 2) and X.dtype == np.float32
    assert y.shape == (101,) and y.dtype == np.int64
    assert np.array_equal(X, X2) and np.array_equal(y, y2)
    assert not np.array_equal(X, X3)
    assert np.array_equal(DRAWN[name](np.random.default_rng(0))[0], X)
    counts = np.bincount(y)
    assert len(counts) == CLASSES[name] and np.ptp(counts) <= 1


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_few_points(name, n):
    X, y = DRAWN[name](0, n)
    assert X.shape == (n, 2) and y.shape == (n,) and np.isfinite(X).all()


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("n", [0, -5])
def test_no_points(name, n):
    with pytest.raises(ValueError, match=f"n must be 1 or more, got {n}"):
        DRAWN[name](0, n)


def test_moons_are_half_circles():
    X, y = datasets.moons(100)
    upper, lower = X[y == 0], X[y == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-6)
    np.testing.assert_allclose(np.hypot(1 - lower[:, 0], 0.5 - lower[:, 1]), 1, rtol=1e-6)
    assert upper[:, 1].min() > -1e-6 and lower[:, 1].max() < 0.5 + 1e-6


def test_circles_have_their_radii():
    X, y = datasets.circles(100, factor=0.3)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(y == 0, 1, 0.3), rtol=1e-6)


def test_spirals_wind_outwards():
    X, y = datasets.spirals(90, classes=3, turns=2)
    for label in range(3):
        arm = X[y == label].astype(float)
        radius = np.hypot(*arm.T)
        assert (np.diff(radius) > 0).all() and radius[0] == 0 and radius[-1] == pytest.approx(1)
        angle = np.unwrap(np.arctan2(*arm[1:, ::-1].T))
        assert angle[-1] - angle[0] == pytest.approx(4 * np.pi * 28 / 29, rel=1e-5)


def test_blobs_have_centers_and_deviation():
    X, y = datasets.blobs(9000, centers=3, features=5, deviation=0.5, rng=0)
    assert X.shape == (9000, 5)
    for label in range(3):
        cloud = X[y == label]
        assert np.abs(cloud.mean(axis=0)).max() < 10.1
        np.testing.assert_allclose(cloud.std(axis=0), 0.5, rtol=0.05)


def test_noise_has_its_deviation():
    still, moved = datasets.moons(5000), datasets.moons(5000, noise=0.2, rng=0)
    assert np.std(moved[0] - still[0]) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: datasets.gate("xnorr"), ValueError, "unknown gate 'xnorr'; did you mean 'xor'.*Known: and, nand"),
        (lambda: datasets.moons(10, noise=-1), ValueError, "noise must be a finite number of 0 or more, got -1"),
        (lambda: datasets.moons(10, noise=np.nan), ValueError, "noise must be a finite number of 0 or more, got nan"),
        (lambda: datasets.moons(10, noise=np.inf), ValueError, "noise must be a finite number of 0 or more, got inf"),
        (lambda: datasets.moons(10, noise=None), TypeError, "noise must be a number, got None"),
        (lambda: datasets.moons(10.0), TypeError, r"n must be a whole number, got 10\.0; write 10"),
        (lambda: datasets.moons("a"), TypeError, "n must be a whole number, got 'a'"),
        (lambda: datasets.circles(10, factor="a"), TypeError, "factor must be a number, got 'a'"),
        (lambda: datasets.spirals(10, turns=np.nan), ValueError, "turns must be a finite number, got nan"),
        (lambda: datasets.spirals(10, classes=2.5), TypeError, r"classes must be a whole number, got 2\.5"),
        (lambda: datasets.blobs(features=2.5), TypeError, r"features must be a whole number, got 2\.5"),
        (lambda: datasets.blobs(True), TypeError, "n must be a whole number, got True"),
        (lambda: datasets.gate([]), TypeError, r"gate must be one of the names and, or, .*got \[\]"),
        (lambda: datasets.moons(10, rng="x"), TypeError, "rng must be .*got 'x'"),
        (lambda: datasets.moons(10, rng=-1), ValueError, "rng must be .*got -1"),
        (lambda: datasets.circles(10, factor=1), ValueError, r"factor must lie in \[0, 1\), got 1"),
        (lambda: datasets.circles(10, factor=-0.1), ValueError, r"factor must lie in \[0, 1\), got -0\.1"),
        (lambda: datasets.spirals(10, classes=0), ValueError, "classes must be 1 or more, got 0"),
        (lambda: datasets.blobs(10, centers=0), ValueError, "centers must be 1 or more, got 0"),
        (lambda: datasets.blobs(10, features=-2), ValueError, "features must be 1 or more, got -2"),
        (
            lambda: datasets.blobs(10, deviation=-2),
            ValueError,
            "deviation must be a finite number of 0 or more, got -2",
        ),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()


# -- MNIST's files -----------------------------------------------------------------------------------------------------


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    out = []
    for n in (7, 3):
        out += [rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)]
    return out


def write(folder, arrays, packed=False, names=NAMES):
    folder.mkdir(exist_ok=True)
    for name, array in zip(names, arrays, strict=True):
        raw = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)


def assert_is(result, arrays):
    (X, y), (X_test, y_test) = result
    for got, expected in zip((X, y, X_test, y_test), arrays, strict=True):
        assert np.array_equal(got, expected)
    assert X.dtype == X_test.dtype == np.uint8 and y.dtype == y_test.dtype == np.int64


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", [str, Path])
def test_mnist_from_a_folder(tmp_path, arrays, packed, form):
    write(tmp_path, arrays, packed)
    assert_is(datasets.mnist(form(tmp_path)), arrays)


def test_mnist_with_dots_in_the_names(tmp_path, arrays):
    write(tmp_path, arrays, names=[name.replace("-idx", ".idx") for name in NAMES])
    assert_is(datasets.mnist(tmp_path), arrays)


@pytest.mark.parametrize("below", ["", "mnist"])
def test_mnist_from_the_environment(tmp_path, arrays, monkeypatch, below):
    write(tmp_path / below, arrays, packed=True)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    assert_is(datasets.mnist(), arrays)


def test_mnist_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="FASTNN_DATA"):
        datasets.mnist()
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.*" + tmp_path.name):
        datasets.mnist(tmp_path)


def test_mnist_with_a_file_missing(tmp_path, arrays):
    write(tmp_path, arrays)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        datasets.mnist(tmp_path)


DAMAGE = {
    "cut short": lambda raw: raw[:-1],
    "too long": lambda raw: raw + b"\0",
    "empty": lambda raw: b"",
    "another format": lambda raw: b"<html>not found</html>",
    "another type": lambda raw: b"\0\0\x0d" + raw[3:],
    "cut in the header": lambda raw: raw[:6],
    "cut gzip": lambda raw: gzip.compress(raw)[:-20],
    "flipped bits in gzip": lambda raw: gzip.compress(raw)[:-8] + bytes(8),
    "garbage behind a gzip head": lambda raw: gzip.compress(raw)[:10] + b"\xff" * 50,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [NAMES[0], NAMES[3]])
def test_damaged_mnist_files_are_named(tmp_path, arrays, damage, name):
    write(tmp_path, arrays)
    path = tmp_path / name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=name):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize(("place", "axes"), [(0, 1), (0, 255), (1, 3), (3, 2)])
def test_mnist_files_with_a_wrong_number_of_axes(tmp_path, arrays, place, axes):
    write(tmp_path, arrays)
    path = tmp_path / NAMES[place]
    raw = path.read_bytes()
    path.write_bytes(raw[:3] + bytes([axes]) + raw[4:])
    expected = {0: 3, 1: 1, 3: 1}[place]
    with pytest.raises(ValueError, match=f"{NAMES[place]} holds an array of {axes} axes, expected {expected}") as error:
        datasets.mnist(tmp_path)
    assert len(str(error.value)) < 200 + len(str(path))


def test_mnist_can_be_written_to(tmp_path, arrays):
    write(tmp_path, arrays)
    for X, y in datasets.mnist(tmp_path):
        X[:], y[:] = 0, 0
    assert_is(datasets.mnist(tmp_path), arrays)


def test_mnist_with_different_numbers_of_images_and_labels(tmp_path, arrays):
    write(tmp_path, [arrays[0], arrays[1][1:], *arrays[2:]])
    with pytest.raises(ValueError, match=r"train files.*7 images but 6 labels"):
        datasets.mnist(tmp_path)


def real_mnist():
    """The folder of the real files, or None."""
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    given = os.environ.get("FASTNN_DATA")
    places = [Path(given)] if given else [shared]
    found = [place for place in places if list(place.glob("train-images*")) or list(place.glob("mnist/train-images*"))]
    return found[0] if found else None


@pytest.mark.skipif(real_mnist() is None, reason="no MNIST files: set FASTNN_DATA to their folder")
def test_real_mnist():
    (X, y), (X_test, y_test) = datasets.mnist(real_mnist())
    assert X.shape == (60000, 28, 28) and X_test.shape == (10000, 28, 28)
    assert np.bincount(y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    layers = [Input((28, 28)), Flatten(), Dense(300, "relu"), Dense(100, "relu"), Dense(10, "softmax")]
    model = fastnn.Sequential(layers, rng=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert model.count_params() == 266_610
    scale = np.float32(255)
    history = model.fit(X[:20000] / scale, y[:20000], epochs=1, validation_data=(X_test / scale, y_test)).history
    assert history["val_accuracy"][0] > 0.9
