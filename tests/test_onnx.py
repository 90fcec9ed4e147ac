"""Models as ONNX files: onnx.checker takes them, and ONNX Runtime answers what the engine does."""

import json
import subprocess
import sys
import warnings

import map_cases
import numpy as np
import pytest
from random_networks import LEAVING, difference, embeddings, own_formulas, random_model, samples, with_weights

onnx = pytest.importorskip("onnx", reason="to_onnx needs the package onnx")
ort = pytest.importorskip("onnxruntime", reason="the answers are those of ONNX Runtime")

from fastnn import Sequential, activations, layers, operations  # noqa: E402
from fastnn.exporting import to_onnx  # noqa: E402
from fastnn.layers import Activation, Conv2D, Dense, Dropout, Flatten, GaussianNoise, Input, MaxPooling2D  # noqa: E402
from fastnn.losses import SparseCategoricalCrossentropy  # noqa: E402

ort.set_default_logger_severity(3)
DTYPES = ("float32", "float64")
TOLERANCE = 1e-5


def run(path, x):
    """The outputs of a file by their names."""
    onnx.checker.check_model(str(path), full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": x}), strict=True))


def check(model, path, rows=3):
    """The file of a model answers what its predict does."""
    x = samples(model, rows)
    model.to_onnx(path)
    assert difference(run(path, x)["output"], model.predict(x)) < TOLERANCE


def nodes(path):
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", range(0, 60, 20))
def test_random_networks(first, dtype, tmp_path):
    for seed in range(first, first + 20):
        model = random_model(seed, dtype)
        try:
            check(model, tmp_path / "a.onnx")
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {model!r}") from error


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_layer_on_maps(dtype, tmp_path):
    for case in map_cases.CASES:
        layer = getattr(layers, case["layer"])(*case["arguments"], **case["settings"])
        model = with_weights(Sequential([Input(tuple(case["shape"])), layer], dtype=dtype), 1)
        try:
            check(model, tmp_path / "a.onnx", case["batch"])
        except BaseException as error:
            raise AssertionError(map_cases.name_of(case)) from error


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entry", activations.ENTRIES, ids=lambda entry: entry.name)
def test_every_activation(entry, dtype, tmp_path):
    x = np.linspace(-30, 30, 121, dtype=dtype)
    x = np.stack([x, np.zeros_like(x)], axis=1)
    model = Sequential([Input(2), Activation(entry())], dtype=dtype)
    model.to_onnx(tmp_path / "a.onnx")
    assert difference(run(tmp_path / "a.onnx", x)["output"], model.predict(x)) < TOLERANCE


def test_settings_of_activations_count(tmp_path):
    for one in (
        activations.Sigmoid(0.5),
        activations.Tanh(2.0),
        activations.ELU(0.3),
        activations.CELU(2.0),
        activations.ClippedReLU(0.1, 1.0, 0.25),
        activations.Threshold(0.5, -2.0),
        activations.Squareplus(1.0),
        activations.HardShrink(1.0),
    ):
        check(with_weights(Sequential([Input(5), Dense(9, one)]), 0), tmp_path / "a.onnx", 50)


def test_the_table_has_every_operation():
    """One more kind of operation needs an entry here, or a line in freeze, which takes it out (or in LEAVING)."""
    assert set(to_onnx.TABLE) == LEAVING


def test_an_embedding(tmp_path):
    for model in embeddings():
        x = np.random.default_rng(0).integers(0, 7, (5, *model.input_shape[1:])).astype("f")
        model.to_onnx(tmp_path / "a.onnx")
        assert difference(run(tmp_path / "a.onnx", x)["output"], model.predict(x)) < TOLERANCE
        assert np.isnan(run(tmp_path / "a.onnx", x + 0.5)["output"]).any()


class Doubled(activations.Activation):
    name = "doubled"

    def forward(self, z):
        return np.where(z > 0, z + np.sqrt(np.abs(z)), np.sin(z))

    def derivative(self, v):
        return np.ones_like(v)


class Sorted(Doubled):
    def forward(self, z):
        return np.sort(z)


class Other(operations.UnitNormalization):
    pass


class OtherLayer(layers.UnitNormalization):
    def operations(self, input_shape):
        return [Other(input_shape[-1], input_shape[-1])]


def test_formulas_of_the_users_own(tmp_path):
    model = with_weights(Sequential([Input(5), Dense(9, Doubled())], engine="reference"), 0)
    # Older releases of ONNX Runtime have no cosine of doubles.
    doubles = own_formulas("float64") if int(ort.__version__.split(".")[1]) >= 23 else []
    for one in (model, *own_formulas("float32"), *doubles):
        check(one, tmp_path / "a.onnx", 20)


@pytest.mark.parametrize(
    "layer, message",
    [
        (Activation(Sorted()), "activation Sorted cannot be exported: numpy.sort is no formula of single numbers"),
        (OtherLayer(), "Other cannot go to ONNX yet"),
    ],
)
def test_what_cannot_go_is_named(layer, message, tmp_path):
    model = Sequential([Input(3), layer], engine="reference")
    with pytest.raises(TypeError, match=message):
        model.to_onnx(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_no_transpose_where_none_is_needed(tmp_path):
    def convolutions(channels):
        return [Input((12, 12, channels)), Conv2D(4, 3, activation="relu"), MaxPooling2D(), Conv2D(5, 2)]

    check(with_weights(Sequential([*convolutions(3), Dense(3, "softmax")]), 0), tmp_path / "a.onnx")
    assert nodes(tmp_path / "a.onnx").count("Transpose") == 2  # in front and behind
    behind = [layers.GlobalAveragePooling2D(), Dense(2)]
    check(with_weights(Sequential([*convolutions(1), *behind]), 0), tmp_path / "a.onnx")
    assert nodes(tmp_path / "a.onnx").count("Transpose") == 0


def test_training_layers_are_gone(tmp_path):
    stack = [Input(4), Dropout(0.5), Dense(8), layers.BatchNormalization(), Activation("relu"), GaussianNoise(0.1)]
    check(with_weights(Sequential([*stack, Dense(2)]), 0), tmp_path / "a.onnx")
    assert nodes(tmp_path / "a.onnx") == ["Gemm", "Relu", "Gemm", "Identity"]
    check(Sequential([Input((2, 3)), Dropout(0.5)]), tmp_path / "a.onnx")


def test_any_number_of_rows(tmp_path):
    model = with_weights(Sequential([Input((6, 6, 2)), Conv2D(3, 2), Flatten(), Dense(2)]), 0)
    for rows in (1, 7):
        check(model, tmp_path / "a.onnx", rows)
    assert run(tmp_path / "a.onnx", samples(model, 0))["output"].shape == (0, 2)


def test_logits_stay_logits(tmp_path):
    model = with_weights(Sequential([Input(3), Dense(4)]), 0)
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True))
    check(model, tmp_path / "a.onnx")
    assert "Softmax" not in nodes(tmp_path / "a.onnx")
    model = with_weights(Sequential([Input(3), Dense(4, "softmax")]), 0)
    model.compile("adam", "sparse_categorical_crossentropy")  # which is computed from logits
    check(model, tmp_path / "a.onnx")
    assert "Softmax" in nodes(tmp_path / "a.onnx")


@pytest.mark.parametrize("classes", [["a", "b", "c"], [5, 7, 9]])
def test_a_sequential_with_classes(classes, tmp_path):
    model = with_weights(Sequential([Input(3), Dense(3, "softmax")]), 0)
    x = samples(model, 50)
    model.to_onnx(tmp_path / "a.onnx", classes=classes)
    found, right = run(tmp_path / "a.onnx", x), model.predict(x)
    assert list(found) == ["label", "probabilities"]
    assert found["label"].tolist() == np.array(classes)[right.argmax(axis=1)].tolist()
    assert difference(found["probabilities"], right) < TOLERANCE


def test_one_output_has_two_classes(tmp_path):
    model = with_weights(Sequential([Input(3), Dense(1, "sigmoid")]), 0)
    x = samples(model, 50)
    model.to_onnx(tmp_path / "a.onnx", classes=["no", "yes"])
    found, right = run(tmp_path / "a.onnx", x), model.predict(x)
    assert found["label"].tolist() == np.where(right[:, 0] > 0.5, "yes", "no").tolist()
    assert difference(found["probabilities"], np.concatenate([1 - right, right], axis=1)) < TOLERANCE


@pytest.mark.parametrize(
    "classes, message",
    [
        (["a", "b"], "a list of 3 labels"),
        (["a", "b", "a"], "differ"),
        ([0.5, 1.5, 2.5], "texts or whole numbers"),
        ([["a"], ["b"], ["c"]], "a list of 3 labels"),
    ],
)
def test_bad_classes(classes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Sequential([Input(2), Dense(3)]).to_onnx(tmp_path / "a.onnx", classes=classes)


def test_another_number_type(tmp_path):
    model = with_weights(Sequential([Input(3), Dense(4, "tanh")], dtype="float64"), 0)
    x = samples(model, 5)
    model.to_onnx(tmp_path / "a.onnx", dtype="float32")
    found = run(tmp_path / "a.onnx", x.astype("float32"))["output"]
    assert found.dtype == np.float32 and difference(found, model.predict(x)) < 1e-6
    assert model.dtype == np.float64
    with pytest.raises(ValueError, match="dtype must be one of float32, float64"):
        model.to_onnx(tmp_path / "a.onnx", dtype="float16")
    model.set_weights([np.full((3, 4), 1e200), np.zeros(4)])
    with pytest.raises(ValueError, match="not finite in float32"):
        model.to_onnx(tmp_path / "a.onnx", dtype="float32")


def test_a_model_that_is_not_built(tmp_path):
    with pytest.raises(ValueError, match="Input"):
        Sequential([Dense(3)]).to_onnx(tmp_path / "a.onnx")


def test_what_the_file_says_of_itself(tmp_path):
    model = Sequential([Input((2, 3)), Flatten(), Dense(4)], name="small")
    model.to_onnx(tmp_path / "a.onnx")
    found = onnx.load(tmp_path / "a.onnx")
    assert found.producer_name == "fastnn" and found.graph.name == "small"
    assert [(one.domain, one.version) for one in found.opset_import] == [("", 17)]
    shape = found.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["N", 2, 3]


def test_without_onnx():
    script = """
import json, sys
sys.modules["onnx"] = None
import fastnn
try:
    fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)]).to_onnx("a.onnx")
except ImportError as error:
    print(json.dumps(str(error)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == "to_onnx needs the package onnx: pip install onnx"


# -- estimators ------------------------------------------------------------------------------------------------------

estimators = pytest.importorskip("fastnn.estimators", reason="they need scikit-learn")
rng = np.random.default_rng(0)
X = rng.normal(size=(80, 5)) * [1, 10, 0.1, 1, 3] + [0, 2000, 5, -3, 0]
TEXTS, NUMBERS = np.where(X[:, 0] > 0, "yes", "no"), X[:, 0] * 3 + 5


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.set_params(max_iter=5, random_state=0).fit(X, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "y, settings, names",
    [
        (TEXTS, {}, ("no", "yes")),
        (TEXTS.astype(object), {"scale": "standard"}, ("no", "yes")),
        (TEXTS == "yes", {}, (0, 1)),
        (rng.integers(3, 6, 80), {"scale": "robust", "batch_norm": True, "dropout": 0.1}, (3, 4, 5)),
        (rng.integers(0, 3, 80).astype(float), {"layer_norm": True}, (0, 1, 2)),
    ],
)
def test_classifiers(y, settings, names, dtype, tmp_path):
    x = X.astype(dtype)
    estimator = fitted(estimators.MLPClassifier((8,), **settings), x, y)
    estimator.to_onnx(tmp_path / "a.onnx")
    found = run(tmp_path / "a.onnx", x)
    assert list(found) == ["label", "probabilities"] and set(found["label"].tolist()) <= set(names)
    assert (found["label"] == estimator.predict(x)).all()
    assert found["probabilities"].dtype == dtype
    assert difference(found["probabilities"], estimator.predict_proba(x)) < TOLERANCE


def test_a_dict_for_each_row(tmp_path):
    for y in (TEXTS, rng.integers(0, 3, 80)):
        estimator = fitted(estimators.MLPClassifier((8,)), X, y)
        estimator.to_onnx(tmp_path / "a.onnx", zipmap=True)
        found = run(tmp_path / "a.onnx", X)
        assert list(found) == ["output_label", "output_probability"]
        right = estimator.predict_proba(X)
        for row, one in zip(right, found["output_probability"], strict=True):
            assert list(one) == estimator.classes_.tolist()
            assert difference(np.array(list(one.values())), row) < TOLERANCE


def test_several_labels_for_a_row(tmp_path):
    estimator = fitted(estimators.MLPClassifier((8,)), X, rng.integers(0, 2, (80, 3)))
    estimator.to_onnx(tmp_path / "a.onnx")
    found = run(tmp_path / "a.onnx", X)
    assert (found["label"] == estimator.predict(X)).all()
    assert difference(found["probabilities"], estimator.predict_proba(X)) < TOLERANCE


def test_margins(tmp_path):
    for y in (TEXTS, rng.integers(0, 3, 80)):
        estimator = fitted(estimators.MLPClassifier((8,), loss="hinge"), X, y)
        estimator.to_onnx(tmp_path / "a.onnx")
        found = run(tmp_path / "a.onnx", X)
        assert (found["label"] == estimator.predict(X)).all()
        right = estimator.decision_function(X)
        right = np.stack([-right, right], axis=1) if right.ndim == 1 else right
        assert difference(found["probabilities"], right) < TOLERANCE


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": "standard"},
        {"scale": "robust", "loss": "quantile", "quantiles": [0.1, 0.5, 0.9]},
        {"loss": "quantile", "quantiles": [0.4, 0.9]},
        {"scale": "standard", "loss": "gaussian_nll"},
        {"loss": "gaussian_nll", "layer_norm": True, "solver": "sgd", "learning_rate_init": 1e-6},
    ],
)
def test_regressors(settings, dtype, tmp_path):
    for y in (NUMBERS, X[:, :2]):
        x, y = X.astype(dtype), y.astype(dtype)
        estimator = fitted(estimators.MLPRegressor(hidden_layer_sizes=(8,), **settings), x, y)
        estimator.to_onnx(tmp_path / "a.onnx")
        found = run(tmp_path / "a.onnx", x)
        assert list(found) == ["variable"]
        assert difference(found["variable"], estimator.predict(x).reshape(len(x), -1)) < TOLERANCE


def test_weights_set_by_hand_leave_too(tmp_path):
    estimator = fitted(estimators.MLPRegressor(hidden_layer_sizes=(8,)), X, NUMBERS)
    estimator.coefs_ = [2 * one for one in estimator.coefs_]
    estimator.to_onnx(tmp_path / "a.onnx")
    assert difference(run(tmp_path / "a.onnx", X)["variable"][:, 0], estimator.predict(X)) < TOLERANCE


def test_estimators_that_cannot_go(tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        estimators.MLPClassifier().to_onnx(tmp_path / "a.onnx")
    grouped = fitted(estimators.MLPClassifier((8,)), X, rng.integers(0, 3, (80, 2)))
    with pytest.raises(TypeError, match="several columns of classes"):
        grouped.to_onnx(tmp_path / "a.onnx")
