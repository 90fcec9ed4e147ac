"""Gradient descent on L(w) = w^2 from w = 10 with rate 0.1: each step multiplies w by 1 - 2 * 0.1 = 0.8.

After 20 steps the course notes have w = 0.1153, which is 10 * 0.8^20.

python examples/gradient_descent.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots

matplotlib.use("Agg")
from matplotlib import pyplot as plt

START, RATE, STEPS = 10.0, 0.1, 20


def loss(w):
    return w**2


def gradient(w):
    return 2 * w


def by_hand() -> list[float]:
    """All there is to it: w <- w - rate * dL/dw."""
    path = [START]
    for _ in range(STEPS):
        path.append(path[-1] - RATE * gradient(path[-1]))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for gradient_descent.png")
    arguments = parser.parse_args()

    path = by_hand()
    result = fastnn.minimize(loss, gradient, START, fastnn.optimizers.SGD(RATE), STEPS)
    assert np.allclose(np.ravel(result.x), path)

    print("step   weight    loss")
    for step in (0, 1, 2, 3, 5, 10, 15, 20):
        print(f"{step:>4} {path[step]:>8.4f} {loss(path[step]):>8.4f}")
    print(f"\nfinal weight: {path[-1]:.4f}   (notes: 0.1153)")

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    plots.optimizer_path(result, loss, ax=left)
    left.set_title("The path down the parabola")
    right.plot(path, marker="o", markersize=4, color=plots.BLUE)
    right.set(title="Each step multiplies the weight by 0.8", xlabel="step", ylabel="weight w", xticks=range(0, 21, 5))
    right.grid(True, color="0.88")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "gradient_descent.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
