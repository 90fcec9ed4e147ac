"""XOR twice: a sigmoid network written with matrices only, and a ReLU network trained by fastnn with Adam.

The course notes' sigmoid network ends with the outputs 0.0148, 0.9825, 0.9825, 0.0280, which mean 0 1 1 0. Its starting
weights are not known, so the decimals here differ; the answers do not.

python examples/xor.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NOTES = (0.0148, 0.9825, 0.9825, 0.0280)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class ByHand:
    """A 2-4-1 sigmoid network, squared error, gradient descent on all four rows at once."""

    def __init__(self, rng: np.random.Generator, hidden: int = 4) -> None:
        self.W1, self.b1 = rng.normal(size=(2, hidden)), np.zeros(hidden)
        self.W2, self.b2 = rng.normal(size=(hidden, 1)), np.zeros(1)

    def predict(self, X):
        self.a1 = sigmoid(X @ self.W1 + self.b1)
        return sigmoid(self.a1 @ self.W2 + self.b2)

    def fit(self, X, t, epochs: int, rate: float) -> list[float]:
        losses = []
        for _ in range(epochs):
            a2 = self.predict(X)
            losses.append(float(((a2 - t) ** 2).mean()))
            d2 = (a2 - t) * a2 * (1 - a2)  # dL/dz of the output, for L = (a - t)^2 / 2
            d1 = d2 @ self.W2.T * self.a1 * (1 - self.a1)  # dL/dz of the hidden layer
            self.W2 -= rate * self.a1.T @ d2
            self.b2 -= rate * d2.sum(axis=0)
            self.W1 -= rate * X.T @ d1
            self.b1 -= rate * d1.sum(axis=0)
        return losses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for xor.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.gate("xor")

    by_hand = ByHand(np.random.default_rng(0))
    losses = by_hand.fit(X, y[:, None], epochs=10_000, rate=0.5)

    model = fastnn.Sequential([Input(2), Dense(8, activation="relu"), Dense(1, activation="sigmoid")], rng=0)
    model.compile(optimizer=fastnn.optimizers.Adam(0.05), loss="binary_crossentropy")
    history = model.fit(X, y, batch_size=4, epochs=300, verbose=0)

    print(" a  b   truth   notes   by hand   ReLU + Adam")
    for (a, b), truth, notes, left, right in zip(X, y, NOTES, by_hand.predict(X), model.predict(X), strict=True):
        print(f" {a:.0f}  {b:.0f} {truth:>7} {notes:>7.4f} {left[0]:>9.4f} {right[0]:>13.4f}")
    for name, network in (("by hand", by_hand), ("fastnn", model)):
        answers = (network.predict(X)[:, 0] > 0.5).astype(int)
        print(f"{name:<8} answers: {' '.join(map(str, answers))}   (notes: 0 1 1 0)")

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    plots.decision_boundary(by_hand, X, y, ax=axes[0]).set_title("4 sigmoid units, by hand")
    plots.decision_boundary(model, X, y, ax=axes[1]).set_title("8 ReLU units, fastnn with Adam")
    for ax in axes[:2]:
        ax.legend(loc="center", fontsize=9)
    axes[2].loglog(np.arange(1, 10_001), losses, color=plots.BLUE, label="by hand, squared error")
    axes[2].loglog(np.arange(1, 301), history.history["loss"], "--", color=plots.VERMILION, label="Adam, crossentropy")
    axes[2].set(title="Loss", xlabel="epoch", ylabel="loss")
    axes[2].grid(True, color="0.88")
    axes[2].legend(fontsize=9)
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "xor.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
