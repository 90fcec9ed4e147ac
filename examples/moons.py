"""Two moons with 2, 10 and (100, 100) hidden units: too simple, right, and more than needed.

python examples/moons.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HIDDEN = {"2": (2,), "10": (10,), "100, 100": (100, 100)}


def network(hidden: tuple[int, ...]) -> fastnn.Sequential:
    layers = [Dense(units, activation="relu", kernel_initializer="he_normal") for units in hidden]
    model = fastnn.Sequential([Input(2), *layers, Dense(1, activation="sigmoid")], rng=1)
    model.compile(optimizer=fastnn.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for moons.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.moons(200, noise=0.25, rng=0)
    X_test, y_test = fastnn.datasets.moons(2000, noise=0.25, rng=1)

    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    print("hidden units   training    test")
    for ax, (name, hidden) in zip(axes, HIDDEN.items(), strict=True):
        model = network(hidden)
        model.fit(X, y, epochs=500, verbose=0)
        train, test = model.evaluate(X, y)[1], model.evaluate(X_test, y_test)[1]
        print(f"{name:<14} {train:>8.3f} {test:>7.3f}")
        plots.decision_boundary(model, X, y, ax=ax)
        ax.set_title(f"{name} hidden units\ntraining {train:.1%}, test {test:.1%}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "moons.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
