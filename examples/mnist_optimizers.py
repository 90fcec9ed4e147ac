"""MNIST with SGD, Adam and RMSprop, each by its name and with its defaults, beside published test accuracies.

A 784-300-100-10 network (ReLU, ReLU, softmax) learns 55,000 of the 60,000 training images, scaled to [0, 1], for
5 epochs in batches of 32; the other 5,000 are for validation.

FASTNN_DATA=folder python examples/mnist_optimizers.py --seeds 3
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Flatten, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PUBLISHED = {"sgd": 0.9504, "adam": 0.9813, "rmsprop": 0.9784}
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"  # beside the repository, where $FASTNN_DATA is not set


def train(optimizer: str, seed: int, data: tuple, test: tuple) -> tuple[float, dict[str, list[float]]]:
    """Test accuracy and history of one run."""
    order = np.random.default_rng(seed).permutation(60_000)
    X, y = data[0][order], data[1][order]
    model = fastnn.Sequential(
        [
            Input((28, 28)),
            Flatten(),
            Dense(300, activation="relu"),
            Dense(100, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        rng=seed,
    )
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = (X[55_000:], y[55_000:])
    history = model.fit(X[:55_000], y[:55_000], epochs=5, batch_size=32, validation_data=validation, verbose=0)
    return model.evaluate(*test)[1], history.history


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="runs of each optimizer; their mean is printed")
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for mnist_optimizers.png")
    arguments = parser.parse_args()
    try:
        (X, y), (X_test, y_test) = fastnn.datasets.mnist(os.environ.get("FASTNN_DATA") or BESIDE)
    except FileNotFoundError as error:
        print(f"MNIST is not here, nothing to do: {error}.\nSet FASTNN_DATA to the folder of its four IDX files.")
        return 0
    data, test = (X / np.float32(255), y), (X_test / np.float32(255), y_test)

    figure, axis = plt.subplots(figsize=(5.5, 4), layout="constrained")
    print(f"{'optimizer':<10} {'test accuracy':>13} {'published':>10} {'seconds':>8}   (seeds: {arguments.seeds})")
    for optimizer, published in PUBLISHED.items():
        began = time.perf_counter()
        runs = [train(optimizer, seed, data, test) for seed in range(arguments.seeds)]
        elapsed = (time.perf_counter() - began) / len(runs)
        accuracy = np.mean([accuracy for accuracy, _ in runs])
        print(f"{optimizer:<10} {accuracy:>13.4f} {published:>10.4f} {elapsed:>8.1f}", flush=True)
        curve = np.mean([history["val_accuracy"] for _, history in runs], axis=0)
        i = len(axis.lines)
        axis.plot(np.arange(1, 6), curve, marker=plots.MARKERS[i], color=plots.COLOURS[i], label=optimizer)

    axis.set(title="MNIST, 784-300-100-10", xlabel="epoch", ylabel="validation accuracy", xticks=range(1, 6))
    axis.grid(True, alpha=0.3)
    axis.legend(loc="lower right")
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "mnist_optimizers.png"
    figure.savefig(path, dpi=90)
    print(f"Picture: {path.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
