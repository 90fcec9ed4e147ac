"""Learning rates that change during training: a constant one, halving, exponential, cosine with warm-up, one cycle.

python examples/schedules.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots, schedules
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

EPOCHS, BATCH = 20, 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for schedules.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order] / np.float32(16), y[order]
    steps = EPOCHS * -(-1400 // BATCH)
    rates = {
        "constant": schedules.Constant(0.3),
        "halving": schedules.Step(0.6, factor=0.5, every=steps // 5),
        "exponential": schedules.Exponential(0.6, decay_steps=steps, decay_rate=0.02),
        "cosine with warm-up": schedules.Cosine(0.6, steps=steps - 80, warmup=80),
        "one cycle": schedules.OneCycle(0.8, steps=steps),
    }

    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    plots.schedule(rates, steps, ax=left).set_title("Learning rate")
    print(f"{'schedule':<20} {'first':>8} {'last':>8} {'validation loss':>16} {'accuracy':>9}")
    for i, (name, rate) in enumerate(rates.items()):
        model = fastnn.Sequential([Input(64), Dense(32, activation="relu"), Dense(10, activation="softmax")], rng=0)
        model.compile(fastnn.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        validation = (X[1400:], y[1400:])
        history = model.fit(X[:1400], y[:1400], BATCH, EPOCHS, validation_data=validation, verbose=0).history
        loss, accuracy = history["val_loss"][-1], history["val_accuracy"][-1]
        print(f"{name:<20} {rate(0):>8.4f} {rate(steps - 1):>8.4f} {loss:>16.4f} {accuracy:>9.3f}")
        looks = {"color": plots.COLOURS[i], "marker": plots.MARKERS[i], "markersize": 4, "label": name}
        right.plot(np.arange(1, EPOCHS + 1), history["val_loss"], **looks)
    right.set(title="Digits", xlabel="epoch", ylabel="validation loss", yscale="log", xticks=range(0, 21, 5))
    right.grid(True, which="both", color="0.88")
    right.legend(fontsize=9)
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "schedules.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
