"""The course's convolutional network on MNIST: accuracy, what its filters look for, and where they find it.

Conv2D 32 of 3 x 3, pooling, 64 units and 10 classes, 347,146 weights. It learns the 60,000 training images, scaled to
[0, 1], for 5 epochs in batches of 32.

FASTNN_DATA=folder python examples/cnn_mnist.py --seeds 3
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Conv2D, Dense, Flatten, MaxPooling2D

matplotlib.use("Agg")
from matplotlib import pyplot as plt

EPOCHS = 5
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"  # beside the repository, where $FASTNN_DATA is not set


def network(seed: int) -> fastnn.Sequential:
    cnn = fastnn.Sequential(
        [
            Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D(pool_size=(2, 2)),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        rng=seed,
    )
    cnn.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return cnn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="runs; the mean of their accuracies is printed")
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for cnn_mnist.png")
    arguments = parser.parse_args()
    try:
        (X, y), (X_test, y_test) = fastnn.datasets.mnist(os.environ.get("FASTNN_DATA") or BESIDE)
    except FileNotFoundError as error:
        print(f"MNIST is not here, nothing to do: {error}.\nSet FASTNN_DATA to the folder of its four IDX files.")
        return 0
    X, X_test = (images[..., None] / np.float32(255) for images in (X, X_test))

    y, y_test = np.eye(10, dtype=np.float32)[y], np.eye(10, dtype=np.float32)[y_test]

    accuracies = []
    for seed in range(arguments.seeds):
        cnn = network(seed)
        if seed == 0:
            cnn.summary()
        began = time.perf_counter()
        cnn.fit(X, y, epochs=EPOCHS, batch_size=32, verbose=0)
        seconds = (time.perf_counter() - began) / EPOCHS
        accuracies.append(cnn.evaluate(X_test, y_test)[1])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.4f}   {seconds:.1f} seconds an epoch", flush=True)
    print(f"mean test accuracy: {np.mean(accuracies):.4f} of {len(accuracies)} runs")

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", width_ratios=(1.3, 0.7, 1.3))
    plots.weight_images(cnn, ax=axes[0]).set_title("32 filters of 3 x 3")
    axes[1].imshow(X_test[0, ..., 0], cmap="gray_r")
    axes[1].set(title="a digit", xticks=[], yticks=[])
    plots.map_images(cnn, X_test[0], ax=axes[2]).set_title("its 32 maps")
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "cnn_mnist.png"
    figure.savefig(path, dpi=90)
    print(f"Picture: {path.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
