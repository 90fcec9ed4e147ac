"""Rosenblatt's perceptron learns AND, which a line separates, and fails at XOR, which no line does.

A weight changes only where the answer is wrong: w <- w + rate * (truth - answer) * x.

python examples/perceptron.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib

import fastnn
from fastnn import plots
from fastnn.perceptron import Perceptron

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for perceptron.png")
    arguments = parser.parse_args()

    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for name, (boundary, errors) in zip(("and", "xor"), axes, strict=True):
        X, y = fastnn.datasets.gate(name)
        model = Perceptron(learning_rate=1.0, epochs=15, rng=0)
        model.fit(X, y)
        answers = model.predict(X)
        wrong = [int(count) for count in model.errors_]
        print(f"{name.upper():<4} weights {model.weights_}, bias {model.bias_}")
        print(f"     answers {' '.join(str(int(a)) for a in answers)}   (truth: {' '.join(map(str, y))})")
        print(f"     wrong answers by epoch: {wrong}\n")
        plots.decision_boundary(model, X, y, ax=boundary)
        boundary.set_title(f"{name.upper()}: {int((answers == y).sum())} of 4 right")
        plots.perceptron_errors(model, ax=errors)
        errors.set_title("AND: learnt" if wrong[-1] == 0 else "XOR: the errors never end")

    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "perceptron.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
