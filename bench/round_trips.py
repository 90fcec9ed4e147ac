"""Networks leave fastnn and come back, with the real packages: ONNX Runtime, PyTorch, Keras and scikit-learn.

    python bench/round_trips.py [--networks 200] [--seed 0] [--golden tests/golden]

Whatever is not installed is left out, and said so. Each line tells the largest difference between what the other
package and fastnn answer, relative to the largest answer where that is above 1. Exit status 1 where one is above 1e-5.
--golden writes the files against which tests/test_entering.py compares, instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from random_networks import random_model, samples, with_weights

import fastnn
from fastnn.exporting import to_torch
from fastnn.layers import Activation, Dense, Input

LIMIT = 1e-5
worst: dict[str, float] = {}


def note(what: str, actual: np.ndarray, expected: np.ndarray, detail: object = "") -> None:
    """Keeps the largest difference of each kind of trip, and prints those that are too large."""
    expected = np.asarray(expected, dtype=np.float64)
    actual = np.asarray(actual, dtype=np.float64).reshape(expected.shape)
    found = float(np.abs(actual - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0)))
    worst[what] = max(worst.get(what, 0.0), found)
    if not found <= LIMIT:
        print(f"{what}: {found:.2g} for {detail}")
        worst[what] = float("inf")


def there(*packages: str) -> bool:
    """Whether all of them are installed; says what is not."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        print(f"left out: {', '.join(missing)} is not installed")
    return not missing


def onnx_trips(networks: int, seed: int, folder: Path) -> None:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    path = folder / "net.onnx"
    for i in range(networks):
        for dtype in ("float32", "float64"):
            model = random_model(seed + i, dtype)
            model.to_onnx(path)
            x = samples(model, 3)
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            note(f"fastnn -> ONNX Runtime, {dtype}", session.run(None, {"X": x})[0], model.predict(x), seed + i)


# -- PyTorch ---------------------------------------------------------------------------------------------------------


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def asked(module: object, x: np.ndarray) -> np.ndarray:
    """What a module answers for fastnn's samples, in fastnn's order of axes."""
    import torch

    with torch.no_grad():
        y = module.eval()(torch.from_numpy(channels_first(x))).numpy()  # type: ignore[attr-defined]
    return np.moveaxis(y, 1, -1)


def torch_modules() -> list[tuple[str, object, tuple[int, ...] | None]]:
    """Modules with random weights and statistics, with the shape of a sample where it must be told."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    rows = [
        nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3), nn.Softmax(dim=1)),
        nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 7, bias=False), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, 2)),
        nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Identity(), nn.Linear(4, 1)).double(),
    ]
    own = [
        nn.LeakyReLU(0.2), nn.Sigmoid(), nn.ELU(0.5), nn.SELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(),
        nn.Softsign(), nn.Hardsigmoid(), nn.Hardtanh(), nn.ReLU6(), nn.Hardswish(), nn.LogSigmoid(), nn.CELU(2.0),
        nn.Softshrink(0.2), nn.Hardshrink(0.3), nn.Tanhshrink(), nn.Threshold(0.1, -1.0), nn.LogSoftmax(1),
    ]  # fmt: skip
    rows += [nn.Sequential(nn.Linear(4, 9), one) for one in own]
    maps = [
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)), (8, 8, 1)),
        (
            nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout2d(0.1),
                nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4), nn.Flatten(), nn.Dropout(0.1), nn.BatchNorm1d(48),
                nn.ReLU(), nn.LayerNorm(48), nn.Linear(48, 10), nn.LogSoftmax(dim=1),
            ),
            (8, 12, 3),
        ),
        (nn.Sequential(nn.Conv2d(2, 3, 2, padding="same"), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (9, 7, 2)),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.ReLU()), (6, 7, 2)),
        (nn.Sequential(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(2, 3, 3), nn.AdaptiveMaxPool2d((1, 1))), (6, 7, 2)),
        (nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2, padding=1, output_padding=1), nn.SiLU()), (4, 5, 3)),
        (nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=2, stride=2)), (4, 5, 2)),
        (nn.Sequential(nn.Upsample(scale_factor=(2, 3), mode="bilinear"), nn.AvgPool2d(3, 2, 1)), (4, 5, 2)),
        (nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, ceil_mode=True)), (7, 7, 2)),
        (nn.Sequential(nn.Conv1d(2, 5, 4, dilation=2), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(35, 2)), (20, 2)),
        (nn.Sequential(nn.Conv1d(4, 6, 3, padding=1, groups=2), nn.BatchNorm1d(6), nn.AdaptiveAvgPool1d(1)), (20, 4)),
        (nn.Sequential(nn.Conv1d(4, 6, 3, 2, 2), nn.PReLU(6), nn.ConvTranspose1d(6, 2, 3, 2, 1)), (20, 4)),
        (nn.Sequential(nn.GroupNorm(2, 4), nn.PReLU(), nn.Flatten(), nn.PReLU(80), nn.Linear(80, 2)), (4, 5, 4)),
        (nn.Sequential(nn.ConstantPad1d((1, 2), 0.0), nn.GroupNorm(1, 4, affine=False), nn.AlphaDropout()), (20, 4)),
        (nn.Sequential(nn.AvgPool1d(3, 2), nn.AdaptiveMaxPool1d(1)), (20, 4)),
    ]  # fmt: skip
    found = [(one, None) for one in rows] + maps
    with torch.no_grad():
        for module, _ in found:
            for buffer in module.buffers():
                if buffer.dtype.is_floating_point:
                    buffer.copy_(torch.rand_like(buffer) + 0.5)
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return [(str(module), module, shape) for module, shape in found]


def torch_trips(networks: int, seed: int, folder: Path) -> None:
    for text, module, shape in torch_modules():
        model = fastnn.from_torch(module, shape)
        x = samples(model, 4)
        right = asked(module, x)
        note("PyTorch -> fastnn", model.predict(x), right.reshape(len(x), *model.output_shape[1:]), text)
        if not any(one in text for one in ("Permute",)):
            try:
                back = model.to_torch()
            except TypeError as error:
                print(f"not back to PyTorch: {error}")
                continue
            note("PyTorch -> fastnn -> PyTorch", asked(back, x), right, text)
    state = torch_modules()[0][1].state_dict()  # type: ignore[attr-defined]
    model = fastnn.from_torch(state, activation="relu")
    x = samples(model, 4)
    import torch

    hidden = torch.relu(torch.from_numpy(x) @ state["0.weight"].T + state["0.bias"])
    note("state_dict -> fastnn", model.predict(x), (hidden @ state["3.weight"].T + state["3.bias"]).numpy())
    tried = gone = 0
    for i in range(networks):
        model = random_model(seed + i)
        tried += 1
        try:
            module = model.to_torch()
        except TypeError:
            continue  # layers or activations that PyTorch has not
        gone += 1
        x = samples(model, 3)
        note("fastnn -> PyTorch", asked(module, x), model.predict(x), f"seed {seed + i}: {model!r}")
    print(f"{gone} of {tried} random networks can go to PyTorch")
    for kind in to_torch.ACTIVATIONS:
        model = with_weights(fastnn.Sequential([Input(4), Dense(6), Activation(kind())]), 0)
        x = samples(model, 20)
        note("fastnn -> PyTorch, each activation", asked(model.to_torch(), x), model.predict(x), kind.__name__)


# -- Keras -----------------------------------------------------------------------------------------------------------


def keras_models() -> list[object]:
    import keras
    from keras import layers as kinds

    stacks = [
        [kinds.Input((5,)), kinds.Dense(8, "relu", kernel_regularizer="l2"), kinds.Dropout(0.2), kinds.Dense(3)],
        [kinds.Input((4,)), kinds.Dense(5, keras.layers.LeakyReLU(0.1)), kinds.LayerNormalization(), kinds.ELU(0.5)],
        [
            kinds.Input((8, 8, 3)), kinds.Rescaling(0.5, 0.1), kinds.Conv2D(4, 3, padding="same", activation="gelu"),
            kinds.BatchNormalization(), kinds.MaxPooling2D(), kinds.SeparableConv2D(6, 3), kinds.Flatten(),
            kinds.Dense(7, "mish", kernel_constraint=keras.constraints.MaxNorm(3)), kinds.Dense(2),
        ],
        [
            kinds.Input((6, 5, 2)), kinds.Conv2DTranspose(3, 3, strides=2, padding="same"), kinds.DepthwiseConv2D(2),
            kinds.AveragePooling2D(2, padding="same"), kinds.UpSampling2D(2, interpolation="bilinear"),
            kinds.ZeroPadding2D(1), kinds.Cropping2D(((0, 1), (1, 0))), kinds.GlobalAveragePooling2D(), kinds.Dense(3),
        ],
        [
            kinds.Input((16, 2)), kinds.Conv1D(4, 3, padding="causal", dilation_rate=2), kinds.SpatialDropout1D(0.1),
            kinds.ReLU(max_value=2.0), kinds.AveragePooling1D(2), kinds.Permute((2, 1)), kinds.Reshape((-1,)),
            kinds.UnitNormalization(), kinds.Dense(1, "sigmoid"),
        ],
        [kinds.Input((3,)), kinds.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]), kinds.Dense(2)],
    ]  # fmt: skip
    found: list[object] = [keras.Sequential(stack) for stack in stacks]
    found.append(
        keras.Sequential(
            [
                kinds.Input((12, 4)),
                kinds.ZeroPadding1D((1, 2)),
                kinds.DepthwiseConv1D(3),
                kinds.PReLU(shared_axes=[1]),
                kinds.GroupNormalization(2),
                kinds.SeparableConv1D(6, 3),
                kinds.RMSNormalization(),
                kinds.UpSampling1D(2),
                kinds.Conv1DTranspose(3, 2),
                kinds.Cropping1D((1, 0)),
                kinds.BatchNormalization(scale=False),
                kinds.Flatten(),
                kinds.AlphaDropout(0.1),
                kinds.GaussianDropout(0.1),
                kinds.LayerNormalization(center=False),
                kinds.Dense(2),
                kinds.RepeatVector(3),
                kinds.Softmax(axis=1),
                kinds.Identity(),
            ]
        )
    )
    x = kinds.Input((4,))
    found.append(keras.Model(x, kinds.Dense(2)(kinds.Dense(3, "tanh")(x))))
    adapted = kinds.Normalization()
    adapted.adapt(np.random.default_rng(0).normal(size=(50, 3)) * 3 + 1)
    found.append(keras.Sequential([kinds.Input((3,)), adapted, kinds.Dense(2)]))
    rng = np.random.default_rng(0)
    for model in found:
        for layer in model.layers:  # type: ignore[attr-defined]
            if not isinstance(layer, kinds.Normalization):
                given = layer.get_weights()
                layer.set_weights([one + 0.2 * rng.uniform(size=one.shape).astype(one.dtype) for one in given])
    return found


def keras_trips(networks: int, seed: int, folder: Path) -> None:
    for theirs in keras_models():
        model = fastnn.from_keras(theirs)
        x = samples(model, 4)
        right = np.asarray(theirs(x))  # type: ignore[operator]
        text = [type(layer).__name__ for layer in theirs.layers]  # type: ignore[attr-defined]
        note("Keras -> fastnn", model.predict(x), right, text)
        note("Keras -> fastnn -> Keras", np.asarray(model.to_keras()(x)), right, text)
        if there("h5py"):
            theirs.save(folder / "a.keras")  # type: ignore[attr-defined]
            theirs.save_weights(folder / "a.weights.h5")  # type: ignore[attr-defined]
            note("Keras -> .keras -> fastnn", fastnn.load(folder / "a.keras").predict(x), right, text)
            other = fastnn.models.clone_model(model)
            other.load_weights(folder / "a.weights.h5")
            note("Keras -> .weights.h5 -> fastnn", other.predict(x), right, text)
    tried = gone = 0
    for i in range(networks):
        model = random_model(seed + i)
        tried += 1
        try:
            theirs = model.to_keras()
        except TypeError:
            continue  # activations that Keras has not
        gone += 1
        x = samples(model, 3)
        note("fastnn -> Keras", np.asarray(theirs(x)), model.predict(x), f"seed {seed + i}: {model!r}")
        note("fastnn -> Keras -> fastnn", fastnn.from_keras(theirs).predict(x), model.predict(x), f"seed {seed + i}")
    print(f"{gone} of {tried} random networks can go to Keras")


# -- scikit-learn ----------------------------------------------------------------------------------------------------


def sklearn_trips(networks: int, seed: int, folder: Path) -> None:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5)) * 3 + 1
    two, three, number = (X[:, 0] > 1).astype(int), np.digitize(X[:, 0], [0, 2]), X[:, :2] @ [1.0, -2.0]
    cases: list[tuple[object, np.ndarray]] = [
        (MLPClassifier((6, 4), activation="tanh", max_iter=20), two),
        (make_pipeline(StandardScaler(), MLPClassifier((6,), activation="logistic", max_iter=20)), three),
        (MLPRegressor(hidden_layer_sizes=(6,), max_iter=20), number),
        (
            MLPRegressor(hidden_layer_sizes=(6,), activation="identity", max_iter=20),
            np.stack([number, -number], axis=1),
        ),
        (LogisticRegression(), two),
        (make_pipeline(StandardScaler(), LogisticRegression()), three),
        (LinearRegression(), number),
        (make_pipeline(StandardScaler(with_mean=False), Ridge(fit_intercept=False)), number),
    ]
    for estimator, y in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, y)  # type: ignore[attr-defined]
        model = fastnn.from_sklearn(estimator)
        found = model.predict(X)
        if hasattr(estimator, "predict_proba"):
            right = estimator.predict_proba(X)[:, -found.shape[1] :]
        else:
            right = estimator.predict(X).reshape(found.shape)  # type: ignore[attr-defined]
        note("scikit-learn -> fastnn", found, right, estimator)


# -- the files of the tests --------------------------------------------------------------------------------------------


def golden(folder: Path) -> None:
    """A model of Keras in its files, modules of PyTorch as settings and arrays, and what they answer."""
    import torch

    model = keras_models()[2]
    model.save(folder / "keras.keras")  # type: ignore[attr-defined]
    model.save_weights(folder / "keras.weights.h5")  # type: ignore[attr-defined]
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")  # type: ignore[attr-defined]
    np.savez(folder / "keras.npz", x=x, y=np.asarray(model(x)))  # type: ignore[operator]
    arrays: dict[str, np.ndarray] = {}
    described = []
    for i, (_, module, shape) in enumerate(torch_modules()):
        plain = [one for one in module.modules() if not list(one.children())]  # type: ignore[attr-defined]
        parts = []
        for j, one in enumerate(plain):
            kept = {name: value for name, value in vars(one).items() if not name.startswith("_") and _is_plain(value)}
            parts.append([type(one).__name__, kept])
            for name, values in {**one._parameters, **one._buffers}.items():
                if values is not None:
                    arrays[f"{i}/{j}/{name}"] = values.detach().numpy()
        size = shape or (getattr(plain[0], "in_features", None) or plain[0].num_features,)
        dtype = torch.float64 if any(one.dtype == torch.float64 for one in module.parameters()) else torch.float32  # type: ignore[attr-defined]
        x = np.random.default_rng(i).normal(size=(3, *size)).astype(str(dtype).split(".")[1])
        arrays[f"{i}/x"], arrays[f"{i}/y"] = x, asked(module, x)
        described.append({"shape": shape, "modules": parts})
    arrays["modules"] = np.array(json.dumps(described))
    np.savez_compressed(folder / "torch.npz", **arrays)  # type: ignore[arg-type]


def _is_plain(value: object) -> bool:
    kinds = (bool, int, float, str, type(None))
    return isinstance(value, kinds) or (isinstance(value, tuple) and all(isinstance(one, kinds) for one in value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--golden", type=Path)
    given = parser.parse_args()
    if given.golden:
        golden(given.golden)
        return
    with tempfile.TemporaryDirectory() as folder:
        for packages, trips in (
            (("onnx", "onnxruntime"), onnx_trips),
            (("torch",), torch_trips),
            (("keras",), keras_trips),
            (("sklearn",), sklearn_trips),
        ):
            if there(*packages):
                trips(given.networks, given.seed, Path(folder))
    for what, found in worst.items():
        print(f"{what:36} {found:.1e}")
    sys.exit(not all(found <= LIMIT for found in worst.values()))


if __name__ == "__main__":
    main()
