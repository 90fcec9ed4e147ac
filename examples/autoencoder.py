"""Digits through a bottleneck: an autoencoder of convolutions puts 64 pixels into 8 numbers and draws them again.

Two convolutions with stride 2 make the 8 x 8 digits smaller, two transposed ones larger again. What comes out is what
all digits have in common: it is smooth where a digit is noisy.

python examples/autoencoder.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn.layers import Conv2D, Conv2DTranspose, Dense, Flatten, Input, Reshape

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CODE = 8
SHOWN = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for autoencoder.png")
    arguments = parser.parse_args()
    X, _ = fastnn.datasets.digits()
    images = X.reshape(-1, 8, 8, 1) / 16
    train, test = images[:-400], images[-400:]

    model = fastnn.Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            Flatten(),
            Dense(CODE, name="code"),
            Dense(2 * 2 * 32, activation="relu"),
            Reshape((2, 2, 32)),
            Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
            Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        ],
        rng=0,
    )
    model.compile(fastnn.optimizers.Adam(0.003), "binary_crossentropy", ["mse"])
    model.summary()
    model.fit(train, train, epochs=40, verbose=0)
    drawn = model.predict(test)
    error, spread = np.square(drawn - test).mean(), np.square(train.mean(axis=0) - test).mean()
    print(f"64 pixels in {CODE} numbers: mean squared error {error:.4f}, that of the mean digit {spread:.4f}")

    figure, axes = plt.subplots(2, SHOWN, figsize=(SHOWN * 0.75, 2.1), layout="constrained")
    for row, pictures, title in zip(axes, (test, drawn), ("digits", f"from {CODE} numbers"), strict=True):
        row[0].set_ylabel(title, fontsize=8)
        for axis, picture in zip(row, pictures, strict=False):
            axis.imshow(picture[..., 0], cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "autoencoder.png"
    figure.savefig(path, dpi=90)
    print(f"Picture: {path.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
