"""Vibrations of a machine, classified by a convolution along the time: sound, unbalanced, or with a damaged bearing.

Each signal has 256 samples of one second, with noise. An unbalanced shaft swings once a turn, a damaged bearing knocks
several times a turn, each knock a short ringing; both may begin anywhere. A convolution looks for the same short shapes
at every place, so that it learns from few signals what a dense network, which learns each place by itself, does not.

python examples/signals.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Conv1D, Dense, Flatten, GlobalAveragePooling1D, Input, MaxPooling1D

matplotlib.use("Agg")
from matplotlib import pyplot as plt

KINDS = ("sound", "unbalanced", "damaged bearing")
STEPS = 256


def signals(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Signals (n, 256, 1) and their kinds (n,)."""
    t = np.arange(STEPS) / STEPS
    kinds = rng.integers(0, len(KINDS), n)
    x = np.empty((n, STEPS))
    for row, kind in zip(x, kinds, strict=True):
        speed, start = rng.uniform(8, 12), rng.uniform()  # turns a second
        row[:] = 0.4 * rng.normal(size=STEPS) + 0.4 * np.sin(2 * np.pi * (2 * speed * t + rng.uniform()))
        if kind == 1:
            row += 0.5 * np.sin(2 * np.pi * (speed * t + start))
        elif kind == 2:
            since = (t + start) % (1 / (1.6 * speed))  # seconds after the last knock
            row += 1.2 * np.exp(-80 * since) * np.sin(2 * np.pi * 60 * since)
    return x[..., None], kinds


def convolution() -> fastnn.Sequential:
    layers = [
        Conv1D(16, 9, activation="relu"),
        MaxPooling1D(4),
        Conv1D(16, 9, activation="relu"),
        GlobalAveragePooling1D(),
        Dense(len(KINDS), activation="softmax"),
    ]
    return fastnn.Sequential([Input((STEPS, 1)), *layers], rng=0, name="convolution")


def dense() -> fastnn.Sequential:
    layers = [Flatten(), Dense(32, activation="relu"), Dense(len(KINDS), activation="softmax")]
    return fastnn.Sequential([Input((STEPS, 1)), *layers], rng=0, name="dense")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for signals.png")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X, y = signals(600, rng)
    X_test, y_test = signals(600, rng)

    figure, axes = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    for kind, name in enumerate(KINDS):
        axes[0].plot(np.arange(STEPS) / STEPS, X[y == kind][0, :, 0] + 5 * (2 - kind), color=plots.COLOURS[kind], lw=1)
        axes[0].text(0, 5 * (2 - kind) + 2, name, color=plots.COLOURS[kind])
    axes[0].set(title="One signal of each kind", xlabel="seconds", yticks=[], ylim=(-3, 14))
    for i, model in enumerate((convolution(), dense())):
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        history = model.fit(X, y, epochs=20, validation_data=(X_test, y_test), verbose=0).history
        accuracy = model.evaluate(X_test, y_test)[1]
        print(f"{model.name:<12} {model.count_params():>6} weights   test accuracy {accuracy:.3f}")
        axes[1].plot(np.arange(1, 21), history["val_accuracy"], color=plots.COLOURS[i], label=f"{model.name}, test")
        axes[1].plot(
            np.arange(1, 21), history["accuracy"], "--", color=plots.COLOURS[i], label=f"{model.name}, training"
        )
    axes[1].set(
        title="600 signals to learn from",
        xlabel="epoch",
        ylabel="accuracy",
        ylim=(0.2, 1.02),
        xticks=(1, 5, 10, 15, 20),
    )
    axes[1].grid(True, alpha=0.3)
    axes[1].legend(loc="lower right")
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "signals.png"
    figure.savefig(path, dpi=90)
    print(f"Picture: {path.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
