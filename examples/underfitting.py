"""One neuron on 1,000 noisy moons: it can draw a straight line only, however long it learns.

Training and validation are equally bad, which is what underfitting looks like: more data or epochs do not help, a
hidden layer does.

python examples/underfitting.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def network(hidden: int) -> fastnn.Sequential:
    """hidden 0: one neuron, that is, logistic regression."""
    layers = [Dense(hidden, activation="tanh")] if hidden else []
    model = fastnn.Sequential([Input(2), *layers, Dense(1, activation="sigmoid")], rng=0)
    model.compile(optimizer=fastnn.optimizers.Adam(0.02), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for underfitting.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.moons(1000, noise=0.2, rng=0)
    X_valid, y_valid = fastnn.datasets.moons(1000, noise=0.2, rng=1)

    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for (boundary, curve), hidden in zip(axes, (0, 16), strict=True):
        model = network(hidden)
        history = model.fit(X, y, epochs=100, validation_data=(X_valid, y_valid), verbose=0)
        train, valid = history.history["accuracy"][-1], history.history["val_accuracy"][-1]
        name = f"{hidden} hidden units" if hidden else "one neuron"
        print(f"{name:<16} training {train:.3f}   validation {valid:.3f}")
        plots.decision_boundary(model, X, y, ax=boundary)
        boundary.set_title(f"{name}: validation {valid:.1%}")
        plots.history(history, "accuracy", ax=curve)
        curve.set(ylim=(0.7, 1.0), title="underfitted" if not hidden else "enough capacity")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "underfitting.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
