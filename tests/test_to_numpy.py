"""Models as scripts: they need NumPy alone, and what they compute is what the engine does."""

import importlib.util
import subprocess
import sys
import warnings

import map_cases
import numpy as np
import pytest
from random_networks import LEAVING, embeddings, own_formulas, random_model, samples, with_weights

from fastnn import Sequential, activations, formulas, layers
from fastnn.exporting import to_numpy
from fastnn.layers import Activation, Conv2D, Dense, Flatten, Input, MaxPooling2D

DTYPES = ("float32", "float64")


def script(path):
    """The module that a file holds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(model, path, rows=3):
    model.to_numpy(path)
    x = samples(model, rows)
    found, right = script(path).predict(x), model.predict(x)
    assert found.dtype == right.dtype and found.shape == right.shape
    assert np.abs(found - right).max(initial=0) < 1e-6 * max(1, np.abs(right).max(initial=0)), repr(model)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_networks(dtype, tmp_path):
    for seed in range(40):
        check(random_model(seed, dtype), tmp_path / "net.py")


def test_every_layer_on_maps(tmp_path):
    for case in map_cases.CASES:
        layer = getattr(layers, case["layer"])(*case["arguments"], **case["settings"])
        check(with_weights(Sequential([Input(tuple(case["shape"])), layer]), 1), tmp_path / "net.py", case["batch"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_activation(dtype, tmp_path):
    x = np.linspace(-30, 30, 122, dtype=dtype).reshape(-1, 2)
    for entry in activations.ENTRIES:
        model = Sequential([Input(2), Activation(entry())], dtype=dtype)
        model.to_numpy(tmp_path / "net.py")
        found, right = script(tmp_path / "net.py").predict(x), model.predict(x)
        assert found.dtype == dtype
        assert (np.abs(found - right) <= 1e-6 * np.maximum(1, np.abs(right))).all(), entry


@pytest.mark.parametrize("dtype", DTYPES)
def test_formulas_of_the_users_own(dtype, tmp_path):
    for model in own_formulas(dtype):
        check(model, tmp_path / "net.py", 20)


def test_a_formula_that_branches_too_often(tmp_path):
    def stairs(x):
        return sum(1 for i in range(9) if x > i)

    model = Sequential([Input(2), Dense(2, formulas.activation(stairs))], engine="reference")
    with pytest.raises(TypeError, match="activation 'stairs' cannot be exported: it branches too often"):
        model.to_numpy(tmp_path / "net.py")


def test_the_table_has_every_operation():
    """One more kind of operation needs an entry here, or a line in freeze, which takes it out (or in LEAVING)."""
    assert set(to_numpy.TABLE) == LEAVING


def test_an_embedding(tmp_path):
    for model in embeddings():
        x = np.random.default_rng(0).integers(0, 7, (5, *model.input_shape[1:])).astype("f")
        model.to_numpy(tmp_path / "net.py")
        found = script(tmp_path / "net.py")
        assert np.abs(found.predict(x) - model.predict(x)).max() < 1e-6
        assert np.isnan(found.predict(x + 0.5)).any()


def test_it_runs_without_fastnn(tmp_path):
    stack = [Input((8, 8, 1)), Conv2D(3, 3, activation="gelu"), MaxPooling2D(), Flatten(), Dense(3, "softmax")]
    model = with_weights(Sequential(stack), 0)
    model.to_numpy(tmp_path / "net.py")
    np.save(tmp_path / "rows.npy", samples(model, 2))
    code = "import sys, runpy; sys.modules['fastnn'] = None; sys.argv = ['net.py', 'rows.npy']"
    code += "; runpy.run_path('net.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert not done.returncode, done.stderr
    found = np.array(done.stdout.replace("[", " ").replace("]", " ").split(), dtype=float).reshape(2, 3)
    assert np.abs(found - model.predict(samples(model, 2))).max() < 1e-6


def test_it_is_short(tmp_path):
    with_weights(Sequential([Input(30), Dense(16, "relu"), Dense(2, "softmax")]), 0).to_numpy(tmp_path / "net.py")
    assert len((tmp_path / "net.py").read_text().splitlines()) < 45
    with np.load(tmp_path / "net.npz") as file:
        assert {name: file[name].shape for name in file.files} == {
            "W1": (30, 16),
            "b1": (16,),
            "W2": (16, 2),
            "b2": (2,),
        }


@pytest.mark.parametrize("name", ["net", "net.txt", "2net.py", "a-b.py"])
def test_bad_paths(name, tmp_path):
    with pytest.raises(ValueError, match="a module's name"):
        Sequential([Input(2), Dense(1)]).to_numpy(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_classes(tmp_path):
    model = with_weights(Sequential([Input(3), Dense(3, "softmax")]), 0)
    model.to_numpy(tmp_path / "net.py", classes=["a", "b", "c"])
    x = samples(model, 30)
    found = script(tmp_path / "net.py")
    assert found.predict(x).tolist() == np.array(["a", "b", "c"])[model.predict(x).argmax(axis=1)].tolist()


def test_estimators(tmp_path):
    estimators = pytest.importorskip("fastnn.estimators", reason="they need scikit-learn")
    X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 0.1, 1] + [0, 2000, 5, -3]
    two, three = np.where(X[:, 0] > 0, "yes", "no"), np.digitize(X[:, 0], [-0.5, 0.5])
    cases = [
        (estimators.MLPClassifier((8,), scale="standard"), two),
        (estimators.MLPClassifier((8,), scale="robust"), three),
        (estimators.MLPClassifier((8,), loss="hinge"), two),
        (estimators.MLPClassifier((8,)), np.stack([X[:, 0] > 0, X[:, 2] > 5], axis=1).astype(int)),
        (estimators.MLPRegressor(hidden_layer_sizes=(8,), scale="standard"), X[:, 0]),
        (estimators.MLPRegressor(hidden_layer_sizes=(8,), scale="standard"), X[:, :2]),
    ]
    for estimator, y in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.set_params(max_iter=5, random_state=0).fit(X, y)
        estimator.to_numpy(tmp_path / "net.py")
        found, right = script(tmp_path / "net.py"), estimator.predict(X)
        answers = found.predict(X)
        assert answers.shape == right.shape
        assert (answers == right).all() if hasattr(estimator, "classes_") else np.allclose(answers, right, atol=1e-9)
        if hasattr(estimator, "predict_proba"):
            assert np.allclose(found.predict_proba(X), estimator.predict_proba(X), atol=1e-9)
