"""Learns the bundled handwritten digits, tells how well and how fast, and draws loss curves and a confusion matrix.

python examples/demo.py --output demo
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input
from fastnn.metrics import confusion_matrix

matplotlib.use("Agg")
from matplotlib import pyplot as plt

EPOCHS = 30


def draw(history: fastnn.History, confusion: np.ndarray, path: Path) -> None:
    """Loss curves on the left, the confusion matrix of the test digits on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    plots.history(history, ax=left).set(title="Loss", yscale="log")
    plots.confusion_matrix(confusion, ax=right).set_title(f"{confusion.sum()} test digits")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for demo.png")
    arguments = parser.parse_args()

    # 1,797 images of 8 x 8 pixels with values 0 to 16, in random order: 1,197 to learn from, 200 to watch, 400 to test.
    X, y = fastnn.datasets.digits()
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order] / np.float32(16), y[order]
    (X_train, X_watch, X_test), (y_train, y_watch, y_test) = np.split(X, [1197, 1397]), np.split(y, [1197, 1397])

    fastnn.show_config()
    model = fastnn.Sequential([Input(64), Dense(128, activation="relu"), Dense(10, activation="softmax")], rng=0)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()

    began = time.perf_counter()
    history = model.fit(X_train, y_train, epochs=EPOCHS, validation_data=(X_watch, y_watch), verbose=1)
    elapsed = time.perf_counter() - began

    _, accuracy = model.evaluate(X_test, y_test)
    confusion = confusion_matrix(y_test, model.predict(X_test))
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = (arguments.output / "demo.png").resolve()
    draw(history, confusion, path)

    print(f"\nTest accuracy: {accuracy:.4f} on {len(X_test)} digits that were not seen in training")
    print(f"Training time: {elapsed:.2f} s, {EPOCHS * len(X_train) / elapsed:,.0f} samples per second")
    print(f"CPU level:     {fastnn.basics.backend.level}")
    print(f"Picture:       {path}")


if __name__ == "__main__":
    main()
