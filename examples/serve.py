"""A service's loop: train, freeze, and answer 50,000 requests of one row each; the histogram of their latencies.

python examples/serve.py --output pictures
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn.layers import BatchNormalization, Dense, Dropout, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

REQUESTS = 50_000


def trained() -> tuple[fastnn.Sequential, np.ndarray, np.ndarray]:
    """A 30-16-8-2 network for the breast cancer data, and its test rows."""
    X, y = fastnn.datasets.breast_cancer()
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:455], order[455:]
    X = ((X - X[train].mean(axis=0)) / X[train].std(axis=0)).astype(np.float32)
    inner = [Dense(16), BatchNormalization(), fastnn.layers.Activation("relu"), Dropout(0.1), Dense(8, "relu")]
    model = fastnn.Sequential([Input(30), *inner, Dense(2, "softmax")], rng=0)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X[train], y[train], epochs=40, batch_size=16, verbose=0)
    return model, X[test], y[test]


def serve(predictor, rows: np.ndarray) -> np.ndarray:
    """The nanoseconds of each request; nothing is allocated between two of them but Python's own numbers."""
    out, clock = np.empty(2, dtype=np.float32), time.perf_counter_ns
    taken = np.empty(REQUESTS)
    for i in range(REQUESTS):
        row = rows[i % len(rows)]
        began = clock()
        predictor(row, out)
        taken[i] = clock() - began
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for serve.png")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    model, X, y = trained()
    path = arguments.output / "serve.fastnn"
    model.save(path)  # what a service would load
    model = fastnn.load(path)
    path.unlink()
    ways = {
        "predictor(x, out)": model.predictor(),
        "model(x[None])": lambda x, out: model(x[None]),
        "model.predict(x[None])": lambda x, out: model.predict(x[None]),
    }
    right = np.mean(ways["predictor(x, out)"].classes(X) == y)
    print(f"test rows right: {right:.4f}   (0.95 or better)")

    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    edges = np.geomspace(0.05, 100, 150)
    for name, way in ways.items():
        microseconds = serve(way, X) / 1e3
        p50, p99, most = np.percentile(microseconds, (50, 99, 99.9))
        label = f"{name}: {p50:.2g}, {p99:.2g}, {most:.2g}"
        print(f"{name:24} median {p50:.2f} us, p99 {p99:.2f} us, p99.9 {most:.2f} us")
        axes.hist(np.clip(microseconds, edges[0], edges[-1]), edges, histtype="stepfilled", alpha=0.6, label=label)
    axes.set(xscale="log", yscale="log", xlabel="microseconds of a request, the clock included", ylabel="requests")
    axes.set_title(f"{REQUESTS:,} requests of one row: median, p99, p99.9")
    figure.legend(loc="outside lower center", frameon=False)
    figure.savefig(arguments.output / "serve.png", dpi=90)
    return 0 if right >= 0.95 else 1


if __name__ == "__main__":
    raise SystemExit(main())
