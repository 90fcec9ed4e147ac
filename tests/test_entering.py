"""Networks of Keras, PyTorch and scikit-learn enter with the same answers; files are read, never run.

The answers are those of the real packages (tests/golden, written by ``bench/round_trips.py --golden``, which makes all
these trips with the packages themselves, back too).
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from random_networks import samples, with_weights

import fastnn
from fastnn import Sequential, activations, layers
from fastnn.entering import from_torch as reader
from fastnn.exporting import to_torch
from fastnn.layers import Dense, Flatten, Input

GOLDEN = Path(__file__).parent / "golden"


def close(actual, expected, tolerance=2e-6):
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


# -- PyTorch: modules as they were, without PyTorch ------------------------------------------------------------------


class Tensor:
    def __init__(self, array):
        self.array, self.dtype = array, f"torch.{array.dtype}"

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


class Module:
    """What the reader looks at of a module."""

    def __init__(self, attributes, arrays):
        vars(self).update(dict.fromkeys(("weight", "bias", "running_mean", "running_var")))
        vars(self).update({name: tuple(one) if isinstance(one, list) else one for name, one in attributes.items()})
        vars(self).update({name: Tensor(one) for name, one in arrays.items()})
        self.own = [Tensor(one) for one in arrays.values() if one.dtype.kind == "f"]

    def named_children(self):
        return [(str(i), one) for i, one in enumerate(vars(self).get("inner", ()))]

    def children(self):
        return [one for _, one in self.named_children()]

    def parameters(self):
        return [*self.own, *(one for child in self.children() for one in child.parameters())]


def module(kind, arrays=None, **attributes):
    return type(kind, (Module,), {})(attributes, {} if arrays is None else arrays)


def sequential(*inner):
    return module("Sequential", inner=list(inner))


def linear(inputs, outputs, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {"weight": rng.normal(size=(outputs, inputs)).astype("f"), "bias": rng.normal(size=outputs).astype("f")}
    return module("Linear", arrays, in_features=inputs, out_features=outputs)


def stored():
    with np.load(GOLDEN / "torch.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for i, one in enumerate(json.loads(str(arrays["modules"]))):
        parts = []
        for j, (kind, attributes) in enumerate(one["modules"]):
            own = {name.split("/")[2]: array for name, array in arrays.items() if name.startswith(f"{i}/{j}/")}
            parts.append(module(kind, own, **attributes))
        shape = None if one["shape"] is None else tuple(one["shape"])
        yield sequential(*parts), shape, arrays[f"{i}/x"], arrays[f"{i}/y"]


def test_modules_of_pytorch():
    seen = set()
    for one, shape, x, y in stored():
        kinds = [type(part).__name__ for part in one.children()]
        model = fastnn.from_torch(one, shape)
        seen |= set(kinds)
        found = model.predict(x)
        close(found, y.reshape(found.shape))
        assert model.dtype == x.dtype
    assert seen >= {
        "Linear",
        "Conv2d",
        "BatchNorm2d",
        "LayerNorm",
        "Flatten",
        "ConvTranspose2d",
        *reader.ACTIVATIONS,
    } - {
        "LeakyReLU",
        "Tanh",
        "Softmax",
    }


def test_sequentials_inside_of_sequentials():
    model = fastnn.from_torch(sequential(sequential(linear(3, 4), module("Tanh")), linear(4, 2)))
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Activation", "Dense"]


def test_a_state_dict():
    state = {"0.weight": np.ones((4, 3), "f"), "0.bias": np.zeros(4, "f"), "2.weight": np.ones((2, 4), "f")}
    model = fastnn.from_torch({name: Tensor(one) for name, one in state.items()}, activation="relu")
    assert [layer.use_bias for layer in model.layers] == [True, False]
    assert model.predict(np.ones((1, 3))).tolist() == [[12.0, 12.0]]
    with pytest.raises(ValueError, match="knows no activations"):
        fastnn.from_torch(state)
    with pytest.raises(ValueError, match=r"'0.weight' of shape \(4, 3, 3, 3\), which is of no Linear"):
        fastnn.from_torch({"0.weight": np.ones((4, 3, 3, 3))})


CONV = {
    "kernel_size": (3, 3),
    "stride": (2, 2),
    "padding": (0, 0),
    "dilation": (1, 1),
    "groups": 1,
    "padding_mode": "zeros",
    "out_channels": 2,
}


@pytest.mark.parametrize(
    "made, shape, message",
    [
        (lambda: sequential(module("LSTM")), (3,), "cannot enter; what can: .*Linear"),
        (lambda: module("Net", inner=[linear(2, 2)]), None, "Net has a forward of its own"),
        (lambda: sequential(module("Hardtanh", min_val=-2, max_val=2)), (3,), "min_val=-1 only"),
        (lambda: sequential(module("Softplus", beta=2)), (3,), "beta=1 only"),
        (lambda: sequential(module("Softmax", dim=0)), (3,), "along the channels only"),
        (lambda: sequential(module("ReLU")), None, "give input_shape"),
        (lambda: sequential(linear(3, 2)), (4, 3), "Linear works along the width"),
        (lambda: sequential(linear(3, 2), linear(3, 2)), None, "have the shapes"),
        (lambda: sequential(), (3,), "no layers"),
        (lambda: sequential(module("Conv2d", **CONV | {"padding_mode": "reflect"})), (8, 8, 1), "pads with zeros only"),
        (lambda: sequential(module("BatchNorm1d", num_features=3)), None, "no running statistics"),
        (lambda: sequential(module("Flatten", start_dim=0, end_dim=-1)), (3,), "start_dim=1"),
        (lambda: 3, None, "takes a torch.nn.Sequential or its state_dict, got int"),
    ],
)
def test_what_cannot_enter_is_named(made, shape, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fastnn.from_torch(made(), shape)


def test_every_layer_goes_to_pytorch_or_is_refused():
    """One more layer needs an entry in TABLE, or a line in REFUSED."""
    apart = {"Layer", "Input", "Flatten", "ReLU", "LeakyReLU", "ELU", "Softmax"}
    known = {kind.__name__ for kind in to_torch.TABLE}
    assert known | to_torch.REFUSED == set(layers.__all__) - apart
    assert not known & to_torch.REFUSED


WITHOUT = """
import json, sys
sys.modules[sys.argv[1]] = None
import fastnn
model = fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)])
try:
    getattr(model, "to_" + sys.argv[1])()
except ImportError as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.parametrize("package", ["torch", "keras"])
def test_without_the_package(package):
    done = subprocess.run([sys.executable, "-c", WITHOUT, package], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == f"to_{package} needs the package {package}: pip install {package}", done.stderr


def test_to_pytorch_and_back():
    torch = pytest.importorskip("torch", reason="bench/round_trips.py makes these trips where PyTorch is")
    model = with_weights(Sequential([Input((8, 8, 2)), layers.Conv2D(3, 3), Flatten(), Dense(4, "softmax")]), 0)
    x = samples(model, 3)
    there = model.to_torch().eval()
    with torch.no_grad():
        close(there(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))).numpy(), model.predict(x))
    close(fastnn.from_torch(there, (8, 8, 2)).predict(x), model.predict(x))


# -- Keras: files, and the settings of a model -----------------------------------------------------------------------


def answers():
    with np.load(GOLDEN / "keras.npz") as file:
        return file["x"], file["y"]


def test_a_keras_file():
    pytest.importorskip("h5py", reason="files of Keras need it")
    x, y = answers()
    for load in (fastnn.load, fastnn.models.load_model):
        model = load(GOLDEN / "keras.keras")
        close(model.predict(x), y)
    assert [type(one).__name__ for one in model.layers][:3] == ["Rescaling", "Conv2D", "BatchNormalization"]
    assert isinstance(model.layers[6].kernel_constraint, fastnn.constraints.MaxNorm)
    model.compile("adam", "mse")
    model.fit(x, y, epochs=1)  # it can be trained
    with pytest.raises(ValueError, match="leave custom_objects out"):
        fastnn.load(GOLDEN / "keras.keras", custom_objects={"Conv2D": layers.Conv2D})


def test_a_file_of_weights():
    pytest.importorskip("h5py", reason="files of Keras need it")
    x, y = answers()
    model = fastnn.load(GOLDEN / "keras.keras")
    other = fastnn.models.clone_model(model)
    assert np.abs(other.predict(x) - y).max() > 0.01
    other.load_weights(GOLDEN / "keras.weights.h5")
    close(other.predict(x), y)
    with pytest.raises(ValueError, match="expected"):
        Sequential([Input(3), Dense(2)]).load_weights(GOLDEN / "keras.weights.h5")


def changed(path, name, change):
    """A copy of the Keras file with one of its parts changed."""
    with zipfile.ZipFile(GOLDEN / "keras.keras") as old, zipfile.ZipFile(path, "w") as new:
        for one in old.namelist():
            data = old.read(one)
            data = change(data) if one == name else data
            if data is not None:
                new.writestr(one, data)
    return path


def described(change):
    def changing(data):
        config = json.loads(data)
        change(config)
        return json.dumps(config).encode()

    return changing


def weights(change):
    h5py = pytest.importorskip("h5py", reason="files of Keras need it")

    def changing(data):
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            change(file, h5py)
        return buffer.getvalue()

    return changing


def renamed(kind):
    def change(config):
        config["config"]["layers"][2]["class_name"] = kind

    return change


def set_of(name, value):
    def change(config):
        config["config"]["layers"][2]["config"][name] = value

    return change


def replaced(group, name, value):
    def change(file, h5py):
        del file[group][name]
        if value is not None:
            file[group][name] = value(h5py) if callable(value) else value

    return change


CONV_VARS = "layers/conv2d/vars"


@pytest.mark.parametrize(
    "part, change, message",
    [
        ("config.json", lambda data: b"{", "cannot be loaded"),
        ("config.json", lambda data: None, "lacks config.json"),
        ("config.json", lambda data: b"[" * 100000, "cannot be loaded"),
        ("config.json", described(renamed("Lambda")), "'Lambda' cannot enter"),
        ("config.json", described(renamed("LSTM")), "'LSTM' cannot enter"),
        ("config.json", described(renamed("Layer")), "'Layer' cannot enter"),
        ("config.json", described(renamed("__init__")), "cannot enter"),
        ("config.json", described(set_of("filters", 10**15)), "cannot be loaded"),
        ("config.json", described(set_of("activation", "os.system")), "cannot be loaded"),
        ("config.json", described(set_of("activation", {"class_name": "function", "config": ["x"]})), "cannot enter"),
        ("config.json", described(set_of("wonder", 3)), "wonder=3, which fastnn has not"),
        ("config.json", described(lambda config: config.update(class_name="Other")), "Keras Other cannot enter"),
        ("model.weights.h5", lambda data: None, "lacks model.weights.h5|no item named"),
        ("model.weights.h5", lambda data: data[:3000], "cannot be loaded"),
        ("model.weights.h5", lambda data: b"no HDF5", "no HDF5 file"),
    ],
)
def test_strange_keras_files(part, change, message, tmp_path):
    pytest.importorskip("h5py", reason="files of Keras need it")
    with pytest.raises(ValueError, match=message):
        fastnn.load(changed(tmp_path / "a.keras", part, change))


@pytest.mark.parametrize(
    "value, message",
    [
        (None, "has 1 arrays"),
        (np.zeros((3, 3, 1, 4)), r"has shape \(3, 3, 1, 4\)"),
        (np.full((3, 3, 3, 4), np.nan), "not finite"),
        (np.zeros((3, 3, 3, 4), dtype=bool), "none that Keras writes"),
        (lambda h5py: h5py.ExternalLink("/etc/hostname", "/"), "a link at '0', which is not followed"),
        (lambda h5py: h5py.SoftLink("/layers/dense/vars/0"), "a link at '0', which is not followed"),
    ],
)
def test_strange_weights_of_keras(value, message, tmp_path):
    change = weights(replaced(CONV_VARS, "0", value))
    with pytest.raises(ValueError, match=message):
        fastnn.load(changed(tmp_path / "a.keras", "model.weights.h5", change))


def test_a_file_of_fastnn_may_have_keras_ending(tmp_path):
    model = Sequential([Input(3), Dense(2)])
    model.save(tmp_path / "a.keras")
    assert (fastnn.load(tmp_path / "a.keras").predict(np.ones((1, 3))) == model.predict(np.ones((1, 3)))).all()


class KerasModel:
    """What is read of a Keras model: its layers' settings and weights."""

    def __init__(self, kind, config, weights):
        self.config, self.layers = config, []
        for one, values in weights.items():
            layer = type("Dense", (), {"get_weights": lambda self, values=values: values})()
            layer.name = one
            self.layers.append(layer)
        self.__class__ = type(kind, (KerasModel,), {"__module__": "keras"})

    def get_config(self):
        return self.config


def dense(name, units, before=None):
    entry = {"class_name": "Dense", "config": {"name": name, "units": units, "activation": "tanh", "dtype": "float32"}}
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
    return entry | {"name": name, "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}


START = {
    "class_name": "InputLayer",
    "config": {"batch_shape": [None, 2], "name": "x"},
    "name": "x",
    "inbound_nodes": [],
}
ONES = {"a": [np.ones((2, 3)), np.zeros(3)], "b": [np.ones((3, 1)), np.zeros(1)]}


def test_chains_of_functional_models():
    config = {"name": "chain", "layers": [START, dense("b", 1, "a"), dense("a", 3, "x")]}
    model = fastnn.from_keras(KerasModel("Functional", config, ONES))
    assert model.layer_names == ["a", "b"] and model.name == "chain"
    close(model.predict(np.ones((1, 2))), np.tanh(3 * np.tanh([[2.0]])).astype("f"))


@pytest.mark.parametrize(
    "kind, entries, message",
    [
        ("Functional", [START, dense("a", 3, "x"), dense("b", 1, "x")], "with branches"),
        ("Functional", [START, dense("a", 3, "b"), dense("b", 1, "a")], "no chain"),
        ("Other", [START, dense("a", 3, "x")], "Keras Other cannot enter"),
        ("Sequential", [dense("a", 3)], "not built"),
        ("Sequential", [START | {"config": {"batch_shape": [None, None]}}, dense("a", 3)], "the size of each axis"),
        ("Sequential", [START, dense("a", 4), dense("b", 1)], "have the shapes"),
    ],
)
def test_keras_models_that_cannot_enter(kind, entries, message):
    with pytest.raises(ValueError, match=message):
        fastnn.from_keras(KerasModel(kind, {"layers": entries}, ONES))


def test_no_keras_model():
    for given in (3, Sequential([Input(2), Dense(1)])):
        with pytest.raises(TypeError, match="expected a Keras model"):
            fastnn.from_keras(given)


# -- scikit-learn ----------------------------------------------------------------------------------------------------


def test_scikit_learn():
    pytest.importorskip("sklearn", reason="scikit-learn is what enters")
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * 3 + 1
    two, three, number = (X[:, 0] > 1).astype(int), np.digitize(X[:, 0], [0, 2]), X[:, :2] @ [1.0, -2.0]
    cases = [
        (MLPClassifier((6, 4), activation="tanh", solver="lbfgs", max_iter=2000), two),
        (make_pipeline(StandardScaler(), MLPClassifier((6,), activation="logistic", solver="lbfgs")), three),
        (MLPRegressor(hidden_layer_sizes=(6,), activation="identity", solver="lbfgs"), number),
        (LogisticRegression(), two),
        (make_pipeline(StandardScaler(), LogisticRegression()), three),
        (LinearRegression(), np.stack([number, -number], axis=1)),
        (make_pipeline(StandardScaler(with_mean=False), Ridge(fit_intercept=False)), number),
    ]
    for estimator, y in cases:
        found = fastnn.from_sklearn(estimator.fit(X, y)).predict(X)
        proba = estimator.predict_proba(X)[:, -found.shape[1] :] if hasattr(estimator, "predict_proba") else None
        close(found, estimator.predict(X).reshape(found.shape) if proba is None else proba, 1e-9)
    model = fastnn.from_sklearn(LinearRegression().fit(X.astype("f"), number.astype("f")))
    assert model.dtype == np.float32


def test_scikit_learn_that_cannot_enter():
    pytest.importorskip("sklearn", reason="scikit-learn is what enters")
    from sklearn.linear_model import LinearRegression
    from sklearn.tree import DecisionTreeClassifier

    with pytest.raises(TypeError, match="a DecisionTreeClassifier cannot enter; what can: MLPClassifier"):
        fastnn.from_sklearn(DecisionTreeClassifier())
    with pytest.raises(ValueError, match="this LinearRegression is not fitted"):
        fastnn.from_sklearn(LinearRegression())


def test_every_activation_of_pytorch_is_one_of_the_catalogue():
    assert set(to_torch.ACTIVATIONS) <= set(activations.ENTRIES)
