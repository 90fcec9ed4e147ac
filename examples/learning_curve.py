"""Would more data help? Accuracy on handwritten digits over the number of digits to learn from.

python examples/learning_curve.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")

SIZES = (25, 50, 100, 200, 400, 800, 1400)
RUNS = 3


def build() -> fastnn.Sequential:
    model = fastnn.Sequential([Input(64), Dense(64, activation="relu"), Dense(10, activation="softmax")], rng=0)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for learning_curve.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.digits()
    X = X / np.float32(16)

    runs = []
    for seed in range(RUNS):
        order = np.random.default_rng(seed).permutation(len(X))
        train, valid = order[:1400], order[1400:]
        runs.append(plots.learning_scores(build, X[train], y[train], X[valid], y[valid], SIZES, epochs=100))
    training, validation = (np.stack(scores, axis=1) for scores in zip(*runs, strict=True))

    print("digits   training   validation")
    for size, left, right in zip(SIZES, training.mean(axis=1), validation.mean(axis=1), strict=True):
        print(f"{size:>6} {left:>10.3f} {right:>12.3f}")
    ax = plots.learning_curve(SIZES, training, validation)
    ax.set_title(f"Digits, mean and deviation of {RUNS} runs")
    arguments.output.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(arguments.output / "learning_curve.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
