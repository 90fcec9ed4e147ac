"""Do two builds compute the same bits? Fits of many different networks, their weights, predictions and histories.

python tests/bits.py save before.npz       with one build
python tests/bits.py compare before.npz    with the other: names what differs, and by how much
"""

import copy
import sys
from collections.abc import Iterator

import numpy as np

import fastnn
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    Input,
    LayerNormalization,
)

# inputs, hidden layers (units or layers), outputs, last activation, loss, optimizer, rows, batch, epochs
CASES = {
    "S": (30, [16, 8], 1, "sigmoid", "binary_crossentropy", "adam", 200, 32, 3),
    "narrow": (3, [2, 4], 2, "softmax", "categorical_crossentropy", "sgd", 100, 7, 3),
    "half lines": (20, [8, 24, 5, 12], 4, "linear", "mse", "rmsprop", 150, 33, 2),
    "one unit inside": (17, [16, 1, 9], 3, "linear", "mae", "adam", 96, 31, 2),
    "one input": (1, [32, 32], 1, "linear", "mse", "adam", 64, 64, 5),
    "regression": (13, [64, 64], 1, "linear", "huber", "adamw", 404, 32, 2),
    "quantiles": (10, [40], 3, "linear", "quantile", "adam", 130, 50, 2),
    "D": (64, [100], 10, "softmax", "categorical_crossentropy", "adam", 600, 200, 2),
    "M": (784, [300, 100], 10, "softmax", "categorical_crossentropy", "adam", 96, 32, 1),
    "T": (32, [256, 256], 1, "sigmoid", "binary_crossentropy", "adam", 512, 256, 1),
    "wide": (257, [511, 129], 17, "softmax", "categorical_crossentropy", "nadam", 70, 70, 1),
    "deep": (12, [15, 16, 17, 31, 33, 7, 6, 5], 2, "tanh", "mse", "adagrad", 111, 13, 2),
    "single rows": (21, [19, 18], 2, "sigmoid", "mse", "sgd", 20, 1, 2),
    "pairs of rows": (21, [19, 18], 2, "sigmoid", "mse", "lion", 21, 2, 2),
    "normalized": (
        25,
        [20, BatchNormalization(), Activation("relu"), 36, LayerNormalization(), Activation("gelu")],
        6,
        "softmax",
        "categorical_crossentropy",
        "adam",
        120,
        40,
        2,
    ),
    "random": (25, [GaussianNoise(0.1), 20, Dropout(0.3), 36, Dropout(0.5)], 1, "linear", "mse", "adam", 120, 40, 2),
    "blockwise": (9, [8, Activation("softmax"), 14, Activation("log_softmax")], 5, "linear", "mse", "adam", 90, 45, 2),
    "no hidden layer": (40, [], 1, "linear", "mse", "sgd", 300, 100, 3),
    "logistic": (40, [], 1, "sigmoid", "binary_crossentropy", "adam", 300, 100, 3),
    "whole batch": (11, [24], 3, "softmax", "categorical_crossentropy", "adadelta", 1000, 1000, 2),
    "deep sums": (5000, [20], 3, "softmax", "categorical_crossentropy", "adam", 40, 20, 1),
    "many outputs": (6, [24], 3001, "linear", "mse", "adam", 40, 20, 1),
    "hinge": (8, [8, 8], 1, "tanh", "hinge", "adamax", 64, 16, 2),
}


def network(case: str, dtype: str) -> fastnn.Sequential:
    """Built with a fixed seed, of layers of its own: those of another model would bring their weights."""
    inputs, hidden, outputs, activation, loss, optimizer, *_ = CASES[case]
    layers = [Dense(layer, activation="relu") if isinstance(layer, int) else copy.deepcopy(layer) for layer in hidden]
    stack = [Input(inputs), *layers, Dense(outputs, activation=activation)]
    model = fastnn.Sequential(stack, rng=7, dtype=dtype)
    losses = {"quantile": fastnn.losses.Quantile((0.1, 0.5, 0.9)) if outputs == 3 else None}
    model.compile(optimizer=optimizer, loss=losses.get(loss, loss))
    return model


def results(case: str, dtype: str) -> Iterator[tuple[str, np.ndarray]]:
    """What a fit with this network leaves: weights, losses, predictions of few and of many rows."""
    inputs, _, outputs, _, loss, _, rows, batch, epochs = CASES[case]
    rng = np.random.default_rng(len(case))
    X = rng.standard_normal((rows, inputs))
    y = X[:, : min(inputs, outputs)].sum(axis=1, keepdims=True) + rng.standard_normal((rows, outputs))
    if "crossentropy" in loss:
        y = (y > 0).astype(float) if outputs == 1 else np.eye(outputs)[y.argmax(axis=1)]
    if loss == "hinge":
        y = np.sign(y)
    if loss == "quantile":
        y = y[:, :1]
    model = network(case, dtype)
    history = model.fit(X, y, batch_size=batch, epochs=epochs, verbose=0)
    for k, weights in enumerate(model.get_weights()):
        yield f"weights {k}", weights
    yield "losses", np.array(history.history["loss"])
    for n in (1, 2, 3, 20):
        yield f"predict {n}", model.predict(X[:n])
    yield "predict all", model.predict(X)


def everything() -> dict[str, np.ndarray]:
    """All cases, both number types, one and three threads; the numbers of threads must agree with each other."""
    found = {}
    for case in CASES:
        for dtype in ("float32", "float64"):
            for threads in (3, 1):
                fastnn.set_num_threads(threads)
                for name, values in results(case, dtype):
                    key = f"{case}, {dtype}: {name}"
                    if key in found and found[key].tobytes() != values.tobytes():
                        raise SystemExit(f"{key}: 1 thread and 3 differ")
                    found[key] = values
    return found


def main() -> None:
    verb, path = sys.argv[1:]
    found = everything()
    if verb == "save":
        np.savez(path, **found)
        return
    before = np.load(path)
    groups: dict[str, float] = {}
    for key, values in found.items():
        worst = 0.0
        if before[key].tobytes() != values.tobytes():
            scale = np.abs(before[key]).max() * np.finfo(key.split(", ")[1].split(":")[0]).eps
            worst = float(np.abs(before[key].astype(float) - values).max() / scale)
        case = key.partition(":")[0]
        groups[case] = max(groups.get(case, 0.0), worst)
    for case, worst in groups.items():
        print(
            f"{case}: "
            + (f"differs by up to {worst:.3g} units in the last place of the largest" if worst else "same bits")
        )


if __name__ == "__main__":
    main()
