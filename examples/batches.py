"""Batch, stochastic and mini-batch gradient descent: all samples, one sample, or 32 samples for each step.

The same network, data, rate and number of epochs. Batch descent takes one smooth step an epoch, stochastic descent 512
noisy ones; mini-batches take 16 steps and use the processor best.

python examples/batches.py --output pictures
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SAMPLES, EPOCHS = 512, 40
BATCHES = {"batch (512)": 512, "mini-batch (32)": 32, "stochastic (1)": 1}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for batches.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.moons(SAMPLES, noise=0.2, rng=0)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    print(f"{'descent':<16} {'steps':>6} {'loss':>8} {'accuracy':>9} {'seconds':>8}")
    for i, (name, batch) in enumerate(BATCHES.items()):
        model = fastnn.Sequential([Input(2), Dense(16, activation="tanh"), Dense(1, activation="sigmoid")], rng=0)
        model.compile(optimizer=fastnn.optimizers.SGD(0.1), loss="binary_crossentropy", metrics=["accuracy"])
        losses = [model.evaluate(X, y)[0]]
        seconds = 0.0
        for _ in range(EPOCHS):
            began = time.perf_counter()
            model.fit(X, y, batch_size=batch, epochs=1, verbose=0)
            seconds += time.perf_counter() - began
            losses.append(model.evaluate(X, y)[0])
        steps = -(-SAMPLES // batch) * np.arange(EPOCHS + 1)
        print(f"{name:<16} {steps[-1]:>6} {losses[-1]:>8.4f} {model.evaluate(X, y)[1]:>9.3f} {seconds:>8.3f}")
        looks = {"color": plots.COLOURS[i], "marker": plots.MARKERS[i], "markersize": 4, "label": name}
        left.plot(losses, **looks)
        right.plot(steps[1:], losses[1:], **looks)
    left.set(title="By epoch: the same number of samples", xlabel="epoch", ylabel="loss", ylim=(0, None))
    right.set(title="By step: the same number of updates", xlabel="step", ylabel="loss", xscale="log", ylim=(0, None))
    for ax in (left, right):
        ax.grid(True, color="0.88")
        ax.legend(fontsize=9)
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "batches.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
