"""A look inside: activation functions, vanishing gradients, dead ReLUs, and what the first layer looks for.

Each sigmoid layer multiplies the gradient by at most 0.25, the largest slope of the curve; ReLU passes it on. A ReLU
that a far too large step has pushed below zero for every sample gets no gradient and never comes back.

python examples/inside_a_network.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Flatten, Input
from fastnn.regularizers import L2

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def network(activation: str, initializer: str, optimizer, hidden: tuple[int, ...]) -> fastnn.Sequential:
    layers = [Dense(units, activation=activation, kernel_initializer=initializer) for units in hidden]
    model = fastnn.Sequential([Input((8, 8)), Flatten(), *layers, Dense(10, activation="softmax")], rng=0)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def draw_gradients(X, y):
    """Gradients of five layers before the first step, with sigmoid above and with ReLU below."""
    figure, axes = plt.subplots(2, 5, figsize=(13, 5.6), layout="constrained", sharex=True)
    for row, (activation, initializer) in zip(
        axes, (("sigmoid", "glorot_uniform"), ("relu", "he_uniform")), strict=True
    ):
        model = network(activation, initializer, "adam", (32,) * 4)
        for ax in plots.gradient_histograms(model, X, y, ax=row):
            ax.set_title(f"{activation}: {ax.get_title()}", fontsize=10)
            ax.set_xlim(-10, 0)
        print(f"{activation}: gradients, first to last layer: {', '.join(_median(ax) for ax in row)}")
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    for ax in axes[0]:
        ax.set_xlabel("")
    return figure


def _median(ax) -> str:
    return ax.get_title().split("median ")[1].split(",")[0]


def draw_dead_units(X, y):
    """Hidden layers after the same training with a good rate, above, and one that is far too high, below."""
    figure, axes = plt.subplots(2, 2, figsize=(8.5, 6.4), layout="constrained")
    for row, rate in zip(axes, (0.001, 0.1), strict=True):
        model = network("relu", "he_uniform", fastnn.optimizers.Adam(rate), (64, 64))
        model.fit(X, y, epochs=10, verbose=0)
        accuracy = model.evaluate(X, y)[1]
        for ax in plots.activation_histograms(model, X, ax=row):
            ax.set_title(f"rate {rate}: {ax.get_title()}", fontsize=10)
            ax.set_yscale("log")
            print(f"{' '.join(ax.get_title().split())}, accuracy {accuracy:.3f}")
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for the four pictures")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.digits()
    X = X.reshape(-1, 8, 8) / np.float32(16)

    left, right = plots.activations(["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"])
    left.set_title("Activation functions")
    right.set_title("Their derivatives")

    penalty = L2(0.003)  # presses to zero what does not help
    seer = fastnn.Sequential(
        [
            Input((8, 8)),
            Flatten(),
            Dense(32, activation="relu", kernel_regularizer=penalty),
            Dense(10, activation="softmax"),
        ],
        rng=0,
    )
    seer.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    seer.fit(X, y, epochs=60, verbose=0)

    pictures = {
        "activations": left.figure,
        "gradients": draw_gradients(X, y),
        "dead_units": draw_dead_units(X, y),
        "first_layer": plots.weight_images(seer).figure,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        figure.savefig(arguments.output / f"{name}.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
