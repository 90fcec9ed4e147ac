"""Breast cancer, malignant or benign: a 30-16-8-1 network on standardized features, at least 95 % right on test data.

Mean and deviation come from the training rows only: the test rows must stay unknown until the end.

python examples/breast_cancer.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input
from fastnn.metrics import confusion_matrix

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for breast_cancer.png")
    arguments = parser.parse_args()

    X, y = fastnn.datasets.breast_cancer()
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:455], order[455:]  # 80 and 20 %
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    X = (X - mean) / deviation

    model = fastnn.Sequential(
        [Input(30), Dense(16, activation="relu"), Dense(8, activation="relu"), Dense(1, activation="sigmoid")], rng=0
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.summary()
    history = model.fit(X[train], y[train], epochs=40, batch_size=16, validation_split=0.2, verbose=0)

    accuracy = model.evaluate(X[test], y[test])[1]
    answers = (model.predict(X[test])[:, 0] > 0.5).astype(int)
    matrix = confusion_matrix(y[test], answers)
    print(f"\ntest accuracy: {accuracy:.4f}   (notes: 0.95 or better)")
    print(f"malignant taken for benign: {matrix[0, 1]} of {matrix[0].sum()}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.9), layout="constrained")
    plots.history(history, "loss", ax=left).set_title("Training")
    plots.confusion_matrix(matrix, labels=["malignant", "benign"], ax=right)
    right.set_title(f"{len(test)} test rows, {accuracy:.1%} right")
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "breast_cancer.png", dpi=90)
    return 0 if accuracy >= 0.95 else 1


if __name__ == "__main__":
    raise SystemExit(main())
