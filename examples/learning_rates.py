"""Learning rates that are too low, right, and too high: on w^2, where one sees why, and on the handwritten digits.

On w^2 a step multiplies w by 1 - 2 * rate: below 0.5 it creeps down, above 0.5 it jumps to and fro, above 1 it flies
away.

python examples/learning_rates.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input
from fastnn.learning_rate import find_learning_rate

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ON_PARABOLA = {"too low": 0.01, "right": 0.3, "too high": 1.05}
ON_DIGITS = {"too low": 0.001, "right": 0.3, "too high": 10.0}


def network(rate: float) -> fastnn.Sequential:
    model = fastnn.Sequential([Input(64), Dense(32, activation="relu"), Dense(10, activation="softmax")], rng=0)
    model.compile(optimizer=fastnn.optimizers.SGD(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for learning_rates.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.digits()
    X = X / np.float32(16)

    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    print("w^2 from w = 10, 10 steps")
    for ax, (name, rate) in zip(axes[0], ON_PARABOLA.items(), strict=True):
        result = fastnn.minimize(lambda w: w**2, lambda w: 2 * w, 10.0, fastnn.optimizers.SGD(rate), 10)
        print(f"{name:<9} rate {rate:<5} final weight {np.ravel(result.x)[-1]:>9.4f}")
        plots.optimizer_path(result, lambda w: w**2, ax=ax, limits=None if name == "too high" else (-11, 11))
        ax.set_title(f"{name}: rate {rate}")

    print("\nhandwritten digits, 10 epochs")
    for i, (name, rate) in enumerate(ON_DIGITS.items()):
        model = network(rate)
        history = model.fit(X, y, epochs=10, verbose=0).history
        print(f"{name:<9} rate {rate:<5} loss {history['loss'][-1]:>8.4f}   accuracy {history['accuracy'][-1]:.3f}")
        looks = {"color": plots.COLOURS[i], "marker": plots.MARKERS[i], "markersize": 5, "label": f"{name}: {rate:g}"}
        axes[1, 0].plot(np.arange(1, 11), history["loss"], **looks)
        axes[1, 1].plot(np.arange(1, 11), history["accuracy"], **looks)
    axes[1, 0].set(title="Digits: loss", xlabel="epoch", ylabel="loss", yscale="log")
    axes[1, 1].set(title="Digits: accuracy", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
    for ax in axes[1, :2]:
        ax.grid(True, color="0.88")
        ax.legend(fontsize=9)

    found = find_learning_rate(network(0.01), X, y, start=1e-4)
    print(f"\nrange test suggests {found.suggestion:.2g}")
    plots.range_test(found, ax=axes[1, 2]).set_title("Digits: range test")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "learning_rates.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
