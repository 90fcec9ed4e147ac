"""One step of backpropagation by hand: a sigmoid neuron with weights 0.1, -0.2 and inputs 0.5, 0.8.

Assumed, where the course notes leave it open: bias 0, target 1, loss L = (a - t)^2 / 2, rate 0.1. fastnn's "mse" is
(a - t)^2, so its gradient, printed beside, is twice as large and is halved here.

python examples/backpropagation_step.py --output pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn import plots
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

x, w, b, t, RATE = np.array([0.5, 0.8]), np.array([0.1, -0.2]), 0.0, 1.0, 0.1


def forward(w, b) -> float:
    """The answer of the neuron."""
    return float(1 / (1 + np.exp(-(w @ x + b))))


def by_fastnn() -> tuple[np.ndarray, float]:
    """The same gradients from the compiled engine."""
    model = fastnn.Sequential([Input(2), Dense(1, activation="sigmoid")], dtype="float64")
    model.compile(optimizer="sgd", loss="mse")
    model.set_weights([w[:, None], [b]])
    X, y = model.door.features(x[None]), model.door.targets([[t]])
    _, row = model.engine.gradient(X, y, None)
    dw, db = model.program.read(row, model.program.steps[0])
    return dw[:, 0] / 2, float(db[0]) / 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for backpropagation_step.png")
    arguments = parser.parse_args()

    z = w @ x + b
    a = forward(w, b)
    loss = (a - t) ** 2 / 2
    da = a - t  # dL/da
    slope = a * (1 - a)  # da/dz
    dz = da * slope  # dL/dz
    dw, db = dz * x, dz  # dL/dw, dL/db
    new_w, new_b = w - RATE * dw, b - RATE * db
    after = forward(new_w, new_b)

    print("forward    z = 0.1 * 0.5 - 0.2 * 0.8 + 0     =", f"{z:.4f}")
    print("           a = 1 / (1 + exp(-z))             =", f"{a:.4f}")
    print("           L = (a - 1)^2 / 2                 =", f"{loss:.4f}")
    print("backward   dL/da = a - 1                     =", f"{da:.4f}")
    print("           da/dz = a (1 - a)                 =", f"{slope:.4f}")
    print("           dL/dz = dL/da * da/dz             =", f"{dz:.4f}")
    print("           dL/dw = dL/dz * (0.5, 0.8)        =", dw.round(4), f"  dL/db = {db:.4f}")
    print("step       w - 0.1 * dL/dw                   =", new_w.round(4), f"  b = {new_b:.4f}")
    print("after      a                                 =", f"{after:.4f}, L = {(after - t) ** 2 / 2:.4f}")

    engine_dw, engine_db = by_fastnn()
    print("engine     dL/dw                             =", engine_dw.round(4), f"  dL/db = {engine_db:.4f}")
    agree = np.allclose(engine_dw, dw, rtol=1e-12) and np.isclose(engine_db, db, rtol=1e-12)
    print("\nby hand and engine agree" if agree else "\nby hand and engine DIFFER")

    outputs, losses = [], []
    weights, bias = w, b
    for _ in range(500):
        a = forward(weights, bias)
        outputs.append(a)
        losses.append((a - t) ** 2 / 2)
        dz = (a - t) * a * (1 - a)
        weights, bias = weights - RATE * dz * x, bias - RATE * dz
    figure, ax = plt.subplots(figsize=(5, 3.8), layout="constrained")
    ax.plot(outputs, color=plots.BLUE, label="output a")
    ax.plot(losses, "--", color=plots.VERMILION, label="loss L")
    ax.set(title="The same step, 500 times", xlabel="step", ylabel="value", ylim=(0, 1))
    ax.grid(True, color="0.88")
    ax.legend()
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "backpropagation_step.png", dpi=90)
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
