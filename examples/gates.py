"""XOR, AND and OR learnt exactly by a small network, with their truth tables and a picture of what was learnt.

python examples/gates.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

GATES = ("xor", "and", "or")


def learn(name: str) -> fastnn.Sequential:
    """A 2-8-1 network that knows the gate."""
    X, y = fastnn.datasets.gate(name)
    model = fastnn.Sequential([Input(2), Dense(8, activation="tanh"), Dense(1, activation="sigmoid")], rng=0)
    model.compile(
        optimizer=fastnn.optimizers.Adam(learning_rate=0.05), loss="binary_crossentropy", metrics=["accuracy"]
    )
    model.fit(X, y, batch_size=4, epochs=500, verbose=0)
    return model


def print_table(name: str, model: fastnn.Sequential) -> bool:
    """The truth table beside the answers; True where all are right."""
    X, y = fastnn.datasets.gate(name)
    answers = model.predict(X)[:, 0]
    print(f"\n a  b | {name:>4} | network")
    print("------+------+--------")
    for (a, b), truth, answer in zip(X, y, answers, strict=True):
        print(f" {a:.0f}  {b:.0f} | {truth:>4} | {answer:.4f}")
    right = bool(((answers > 0.5) == y).all())
    print("learnt exactly" if right else "NOT learnt")
    return right


def draw(models: dict[str, fastnn.Sequential], path: Path) -> None:
    """The output of each network over the square, with the four points of the table."""
    figure, axes = plt.subplots(1, len(models), figsize=(4 * len(models), 3.8), layout="constrained", squeeze=False)
    for ax, (name, model) in zip(axes[0], models.items(), strict=True):
        plots.decision_boundary(model, *fastnn.datasets.gate(name), ax=ax).set_title(name.upper())
    for ax in axes[0, :-1]:
        ax.get_legend().remove()  # one is enough
    figure.savefig(path, dpi=90)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for gates.png")
    arguments = parser.parse_args()
    models = {name: learn(name) for name in GATES}
    right = [print_table(name, model) for name, model in models.items()]
    arguments.output.mkdir(parents=True, exist_ok=True)
    draw(models, arguments.output / "gates.png")
    print(f"\nPicture: {(arguments.output / 'gates.png').resolve()}")
    return 0 if all(right) else 1


if __name__ == "__main__":
    raise SystemExit(main())
