"""SGD, momentum, RMSprop and Adam on L(x) = x^2 from x = 5, and on a narrow valley of two weights.

On the parabola momentum shoots past the minimum and swings back, RMSprop walks with nearly equal steps, whatever the
slope, and Adam does both a little. The valley L = (x^2 + 20 y^2) / 2 shows why one rate for both weights is a
compromise.

python examples/optimizers.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.optimizers import SGD, Adam, RMSprop

matplotlib.use("Agg")
from matplotlib import pyplot as plt

STEPS = 50


def optimizers(rate: float, momentum: float, adaptive: float) -> dict:
    """The adaptive ones take steps of about their rate, whatever the gradient, and need a larger one here."""
    return {
        "SGD": SGD(rate),
        f"momentum {momentum}": SGD(rate, momentum=momentum),
        "RMSprop": RMSprop(adaptive),
        "Adam": Adam(adaptive),
    }


def parabola(x):
    return x**2


def valley(w):
    return (w[0] ** 2 + 20 * w[1] ** 2) / 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for optimizers.png")
    arguments = parser.parse_args()

    on_parabola = {
        name: fastnn.minimize(parabola, lambda x: 2 * x, 5.0, optimizer, STEPS)
        for name, optimizer in optimizers(0.1, 0.9, 0.5).items()
    }
    in_valley = {
        name: fastnn.minimize(valley, lambda w: w * [1, 20], np.array([-9.0, 2.0]), optimizer, STEPS)
        for name, optimizer in optimizers(0.04, 0.7, 0.5).items()
    }

    print("x after            5       10       20       50 steps from x = 5; the minimum is 0")
    for name, result in on_parabola.items():
        path = np.ravel(result.x)
        print(f"{name:<14}" + "".join(f"{path[step]:>9.4f}" for step in (5, 10, 20, 50)))
    print("\nsteps until the valley's loss is below 0.5")
    for name, result in in_valley.items():
        below = np.flatnonzero(np.asarray(result.values) < 0.5)
        print(f"{name:<14}{below[0] if below.size else 'more than 50':>9}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for i, (name, result) in enumerate(on_parabola.items()):
        left.plot(np.ravel(result.x), color=plots.COLOURS[i], marker=plots.MARKERS[i], markersize=4, label=name)
    left.axhline(0, color="0.4", linewidth=1)
    left.set(title="x² from x = 5", xlabel="step", ylabel="x")
    left.grid(True, color="0.88")
    left.legend(fontsize=9)
    plots.optimizer_path(in_valley, valley, ax=right, limits=((-10, 4), (-2.5, 2.5)))
    right.legend(loc="lower right", fontsize=9)
    right.set_title("A narrow valley")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "optimizers.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
