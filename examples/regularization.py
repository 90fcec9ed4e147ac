"""L1, L2, dropout, batch normalization and early stopping against one overfitted network.

A 2-128-128-1 network is far too large for 80 noisy moons: without help it learns them by heart. Each remedy alone
changes one thing only; what counts is the loss on data that were not seen.

python examples/regularization.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.callbacks import EarlyStopping
from fastnn.layers import BatchNormalization, Dense, Dropout, Input
from fastnn.regularizers import L1, L2

matplotlib.use("Agg")
from matplotlib import pyplot as plt

EPOCHS = 300
REMEDIES = ("none", "L1", "L2", "dropout", "batch norm", "early stopping")


def network(remedy: str) -> fastnn.Sequential:
    """The same network with one remedy."""
    penalty = {"L1": L1(0.001), "L2": L2(0.01)}.get(remedy)
    extra = {"dropout": lambda: [Dropout(0.5)], "batch norm": lambda: [BatchNormalization(momentum=0.9)]}
    layers = [Input(2)]
    for _ in range(2):
        layers.append(Dense(128, activation="relu", kernel_regularizer=penalty))
        layers += extra.get(remedy, list)()
    model = fastnn.Sequential([*layers, Dense(1, activation="sigmoid")], rng=0)
    model.compile(optimizer=fastnn.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def plain_loss(model: fastnn.Sequential, X: np.ndarray, y: np.ndarray) -> float:
    """Crossentropy without the penalties, so that all remedies compare."""
    p = np.clip(model.predict(X)[:, 0].astype(float), 1e-7, 1 - 1e-7)
    return float(-np.where(y == 1, np.log(p), np.log(1 - p)).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for regularization.png")
    arguments = parser.parse_args()
    X, y = fastnn.datasets.moons(80, noise=0.3, rng=0)
    X_valid, y_valid = fastnn.datasets.moons(500, noise=0.3, rng=1)
    X_test, y_test = fastnn.datasets.moons(2000, noise=0.3, rng=2)

    figure, axes = plt.subplots(2, 3, figsize=(12, 7.4), layout="constrained")
    print(f"{'remedy':<15} {'epochs':>6} {'train loss':>11} {'test loss':>10} {'train acc.':>11} {'test acc.':>10}")
    for ax, remedy in zip(axes.flat, REMEDIES, strict=True):
        model = network(remedy)
        stop = [EarlyStopping(patience=20, restore_best_weights=True)] if remedy == "early stopping" else []
        history = model.fit(X, y, epochs=EPOCHS, validation_data=(X_valid, y_valid), callbacks=stop, verbose=0)
        train, test = model.evaluate(X, y)[1], model.evaluate(X_test, y_test)[1]
        losses = plain_loss(model, X, y), plain_loss(model, X_test, y_test)
        epochs = len(history.epoch)
        print(f"{remedy:<15} {epochs:>6} {losses[0]:>11.3f} {losses[1]:>10.3f} {train:>11.3f} {test:>10.3f}")
        plots.decision_boundary(model, X, y, ax=ax)
        ax.set_title(f"{remedy}\ntest loss {losses[1]:.2f}, accuracy {test:.1%}")
        ax.get_legend().set_visible(remedy == "none")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "regularization.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
