"""Models as C files: strict compilers take them, and what they compute is what the engine does."""

import ctypes
import re
import shutil
import subprocess
import warnings

import map_cases
import numpy as np
import pytest
from random_networks import LEAVING, embeddings, own_formulas, random_model, samples, with_weights

from fastnn import Sequential, activations, layers
from fastnn.exporting import to_c
from fastnn.layers import Activation, Conv2D, Dense, Dropout, Flatten, Input, LayerNormalization

COMPILERS = [one for one in ("gcc", "clang", "clang-19", "clang-14", "cc") if shutil.which(one)][:2]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
DTYPES = ("float32", "float64")
TOLERANCE = 1e-6

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler: gcc, clang or cc")


def compiled(folder, *options, compiler=None):
    """The library made of all C files in a folder, as one translation unit."""
    text = "".join(path.read_text(encoding="ascii") for path in sorted(folder.glob("*.c")))
    (folder / "all.txt").write_text(text, encoding="ascii")
    shared = ["-x", "c", "-shared", "-fPIC", *options, "all.txt", "-o", "all.so", "-lm"]
    command = [compiler or COMPILERS[0], *STRICT, *shared]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr[:3000]
    return ctypes.CDLL(str(folder / "all.so"))


def answers(function, x, shape, dtype):
    """y of each sample of x, with sentinels behind it."""
    y = np.full((len(x), int(np.prod(shape)) + 4), 77, dtype=dtype)
    x = np.ascontiguousarray(x, dtype=dtype)
    for row, out in zip(x, y, strict=True):
        function(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(out.ctypes.data))
    assert (y[:, -4:] == 77).all()
    return y[:, :-4].reshape(len(x), *shape)


def error(actual, expected):
    """The largest difference, relative to the largest number where that is above 1."""
    return float(np.abs(actual - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0)))


def check(models, folder, *options, compiler=None, rows=3):
    """All models, each a function of one file."""
    for name, model in models.items():
        model.to_c(folder / f"{name}.c", name=name)
    library = compiled(folder, *options, compiler=compiler)
    for name, model in models.items():
        x = samples(model, rows)
        found = answers(getattr(library, name), x, model.output_shape[1:], model.dtype)
        assert error(found, model.predict(x)) < TOLERANCE, f"{name}: {model!r}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_random_networks(compiler, dtype, tmp_path):
    models = {f"net{seed}": random_model(seed, dtype) for seed in range(15)}
    check(models, tmp_path, "-O1", compiler=compiler)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layer_on_maps(dtype, tmp_path):
    models = {}
    for i, case in enumerate(map_cases.CASES):
        layer = getattr(layers, case["layer"])(*case["arguments"], **case["settings"])
        models[f"case{i}"] = with_weights(Sequential([Input(tuple(case["shape"])), layer], dtype=dtype), 1)
    check(models, tmp_path, "-O0")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_activation(dtype, tmp_path):
    values = np.concatenate([np.linspace(-30, 30, 121), [0.0, 1e-30, -1e-30, 200, -200]]).astype(dtype)
    x = np.stack([values, np.zeros_like(values)], axis=1)
    models = {entry.name: Sequential([Input(2), Activation(entry())], dtype=dtype) for entry in activations.ENTRIES}
    own = [activations.Sigmoid(0.5), activations.ELU(0.3), activations.ClippedReLU(0.1, 1.0, 0.25)]
    models |= {f"own{i}": Sequential([Input(2), Activation(one)], dtype=dtype) for i, one in enumerate(own)}
    for name, model in models.items():
        model.to_c(tmp_path / f"{name}.c", name=f"f_{name}")
    library = compiled(tmp_path, "-O1")
    for name, model in models.items():
        found, right = answers(getattr(library, f"f_{name}"), x, (2,), dtype), model.predict(x)
        finite = np.isfinite(right)
        assert (found[~finite] == right[~finite]).all(), name
        wrong = np.abs(np.where(finite, found, 0) - np.where(finite, right, 0))
        assert (wrong <= 8 * np.finfo(dtype).eps * np.maximum(1, np.abs(right))).all(), name


def test_nan_stays_visible(tmp_path):
    quiet = (activations.Step,)  # none is
    models = {entry.name: Sequential([Input(2), Activation(entry())]) for entry in activations.ENTRIES}
    models |= {
        "dense": with_weights(Sequential([Input(2), Dense(5, "relu")]), 0),
        "norm": with_weights(Sequential([Input(2), LayerNormalization()]), 0),
        "unit": Sequential([Input(2), layers.UnitNormalization()]),
        "most": Sequential([Input((2, 1)), layers.MaxPooling1D(2), Flatten()]),
    }
    for name, model in models.items():
        model.to_c(tmp_path / f"{name}.c", name=f"f_{name}")
    library = compiled(tmp_path, "-O2")
    x = np.array([[np.nan, 1.0]], dtype=np.float32)
    for name, model in models.items():
        found = answers(getattr(library, f"f_{name}"), x, model.output_shape[1:], np.float32)
        assert np.isnan(found.flat[0]) and type(model.layers[0]) not in quiet, name


def test_an_embedding(tmp_path):
    for i, model in enumerate(embeddings()):
        model.to_c(tmp_path / f"{i}.c", name=f"net{i}")
    library = compiled(tmp_path)
    for i, model in enumerate(embeddings()):
        x = np.random.default_rng(0).integers(0, 7, (5, *model.input_shape[1:])).astype("f")
        shape = model.output_shape[1:]
        assert error(answers(getattr(library, f"net{i}"), x, shape, np.float32), model.predict(x)) < TOLERANCE
        assert np.isnan(answers(getattr(library, f"net{i}"), x + 0.5, shape, np.float32)).any()


MAIN = """
#include <stdlib.h>
int main(void)
{
    %s *x, *y;
%s
    return 0;
}
"""
CALL = """    x = calloc(%d, sizeof *x);
    y = malloc(%d * sizeof *y);
    %s(x, y);
    free(x);
    free(y);
"""


def program(models, folder, *options):
    """A program that calls every network with arrays of just the right size."""
    calls = []
    for name, model in models.items():
        model.to_c(folder / f"{name}.c", name=name)
        calls.append(CALL % (np.prod(model.input_shape[1:]), np.prod(model.output_shape[1:]), name))
    text = "".join(path.read_text(encoding="ascii") for path in sorted(folder.glob("*.c")))
    (folder / "main.txt").write_text(text + MAIN % ("float", "".join(calls)), encoding="ascii")
    command = [COMPILERS[0], *STRICT, *options, "-x", "c", "main.txt", "-o", "main", "-lm"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_sanitizers_are_silent(tmp_path):
    models = {f"net{seed}": random_model(seed) for seed in range(100, 110)}
    made = program(models, tmp_path, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    if made.returncode and "sanitize" in made.stderr + "asan" and "main.txt" not in made.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert not made.returncode, made.stderr[:3000]
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, timeout=60)
    assert not done.returncode and not done.stderr, done.stderr[:3000]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_valgrind_is_silent(tmp_path):
    models = {f"net{seed}": random_model(seed) for seed in range(110, 120)}
    made = program(models, tmp_path, "-O2", "-g")
    assert not made.returncode, made.stderr[:3000]
    command = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", tmp_path / "main"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not done.returncode and not done.stderr, done.stderr[:3000]


def test_the_table_has_every_operation():
    """One more kind of operation needs an entry here, or a line in freeze, which takes it out (or in LEAVING)."""
    assert set(to_c.TABLE) == LEAVING


def test_the_file_needs_nothing(tmp_path):
    with_weights(Sequential([Input(30), Dense(16, "relu"), Dense(8, "tanh"), Dense(2, "softmax")]), 0).to_c(
        tmp_path / "a.c"
    )
    text = (tmp_path / "a.c").read_text(encoding="ascii")
    assert re.findall(r"#include (\S+)", text) == ["<math.h>"]
    assert "alloc" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert re.search(r"takes some 1[67]\d bytes of stack", text)  # 16 + 8 sums, and as many more of a panel
    compiled(tmp_path)
    found = subprocess.run(["nm", "-g", "--defined-only", "all.so"], cwd=tmp_path, capture_output=True, text=True)
    names = re.findall(r" T (\w+)", found.stdout)
    assert "predict" in names and not [name for name in names if name.startswith("predict_")]


def test_classes(tmp_path):
    model = with_weights(Sequential([Input(3), Dense(3, "softmax")]), 0)
    model.to_c(tmp_path / "a.c", classes=["a */ b", "c\\", "\u00e9??/"])
    binary = with_weights(Sequential([Input(3), Dense(1, "sigmoid")]), 0)
    binary.to_c(tmp_path / "b.c", name="two", classes=[3, 5])
    library, x = compiled(tmp_path, "-O1"), samples(model, 40)
    found = answers(library.predict, x, (3,), np.float32)
    assert error(found, model.predict(x)) < TOLERANCE
    chosen = [library.predict_class(ctypes.c_void_p(one.ctypes.data)) for one in found]
    assert chosen == model.predict(x).argmax(axis=1).tolist()
    found, right = answers(library.two, x, (2,), np.float32), binary.predict(x)
    assert error(found, np.concatenate([1 - right, right], axis=1)) < TOLERANCE
    chosen = [library.two_class(ctypes.c_void_p(one.ctypes.data)) for one in found]
    assert chosen == (right[:, 0] > 0.5).astype(int).tolist()


@pytest.mark.parametrize("name", ["for", "2nd", "a b", "", None, "main"])
def test_bad_names(name, tmp_path):
    with pytest.raises(ValueError, match="a name that C takes for a function"):
        Sequential([Input(2), Dense(1)]).to_c(tmp_path / "a.c", name=name)
    assert not list(tmp_path.iterdir())


class Sorted(activations.Activation):
    name = "sorted"

    def forward(self, z):
        return np.sort(z)

    def derivative(self, v):
        return np.ones_like(v)


class Wavy(Sorted):
    name = "a wave"

    def forward(self, z):
        return np.where(np.abs(z) > 1, np.sin(z) * np.square(z), np.minimum(np.maximum(z, -0.5), np.cos(z)))


def test_formulas_of_the_users_own(tmp_path):
    model = with_weights(Sequential([Input(5), Dense(9, Wavy()), Dropout(0.5)], engine="reference"), 0)
    check({"wavy": model} | {f"own{i}": one for i, one in enumerate(own_formulas())}, tmp_path, rows=20)
    model = Sequential([Input(5), Dense(9, Sorted())], engine="reference")
    with pytest.raises(TypeError, match=r"activation Sorted cannot be exported: numpy\.sort is no formula"):
        model.to_c(tmp_path / "sorted.c")


def test_another_number_type(tmp_path):
    model = with_weights(Sequential([Input((5, 5, 2)), Conv2D(3, 2), Flatten(), Dense(2)], dtype="float64"), 0)
    model.to_c(tmp_path / "a.c", dtype="float32")
    x = samples(model, 4)
    found = answers(compiled(tmp_path).predict, x, (2,), np.float32)
    assert error(found, model.predict(x)) < TOLERANCE


estimators = pytest.importorskip("fastnn.estimators", reason="they need scikit-learn")
X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 0.1, 1] + [0, 20, 5, -3]  # more, and the scaler rounds


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.set_params(max_iter=5, random_state=0).fit(X, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_estimators(dtype, tmp_path):
    x = X.astype(dtype)
    two = fitted(estimators.MLPClassifier((8,), scale="standard"), x, np.where(X[:, 0] > 0, "yes", "no"))
    three = fitted(estimators.MLPClassifier((8,), scale="robust"), x, np.digitize(X[:, 0], [-0.5, 0.5]))
    number = fitted(estimators.MLPRegressor(hidden_layer_sizes=(8,), scale="standard"), x, x[:, 0] * 3)
    for name, one in (("two", two), ("three", three), ("number", number)):
        one.to_c(tmp_path / f"{name}.c", name=name)
    library = compiled(tmp_path, "-O1")
    for estimator, name in ((two, "two"), (three, "three")):
        right = estimator.predict_proba(x)
        found = answers(getattr(library, name), x, right.shape[1:], dtype)
        assert error(found, right) < 2 * TOLERANCE
        chooser = getattr(library, f"{name}_class")
        chosen = [chooser(ctypes.c_void_p(one.ctypes.data)) for one in found]
        assert (estimator.classes_[chosen] == estimator.predict(x)).all()
    assert error(answers(library.number, x, (1,), dtype)[:, 0], number.predict(x)) < 2 * TOLERANCE
