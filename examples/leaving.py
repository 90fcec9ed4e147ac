"""A network leaves fastnn: as a C file, a NumPy script and ONNX, each asked for the same rows; microseconds of a row.

python examples/leaving.py --output pictures
"""

import argparse
import ctypes
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Asked = Callable[[np.ndarray], np.ndarray]


def trained() -> tuple[fastnn.Sequential, np.ndarray, np.ndarray]:
    """A 30-16-8-2 network for the breast cancer data, and its test rows."""
    X, y = fastnn.datasets.breast_cancer()
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:455], order[455:]
    X = ((X - X[train].mean(axis=0)) / X[train].std(axis=0)).astype(np.float32)
    model = fastnn.Sequential([Input(30), Dense(16, "relu"), Dense(8, "relu"), Dense(2, "softmax")], rng=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X[train], y[train], epochs=40, batch_size=16, verbose=0)
    return model, X[test], y[test]


def as_c(model: fastnn.Sequential, folder: Path) -> Asked | None:
    """The C file, compiled, as a function of one row; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    model.to_c(folder / "net.c", classes=["malignant", "benign"])
    command = [compiler, "-std=c99", "-O2", "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    predict, y = ctypes.CDLL(str((folder / "net.so").resolve())).predict, np.empty(2, dtype=np.float32)
    place = y.ctypes.data_as(ctypes.c_void_p)

    def ask(x: np.ndarray) -> np.ndarray:
        predict(ctypes.c_void_p(x.ctypes.data), place)
        return y

    return ask


def as_numpy(model: fastnn.Sequential, folder: Path) -> Asked:
    """The script, imported, as a function of one row."""
    model.to_numpy(folder / "net.py")
    spec = importlib.util.spec_from_file_location("net", folder / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda x: module.predict(x[None])[0]


def as_onnx(model: fastnn.Sequential, folder: Path) -> Asked | None:
    """ONNX Runtime, as a function of one row; None where it, or onnx, is not installed."""
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        return None
    import onnxruntime

    model.to_onnx(folder / "net.onnx")
    session = onnxruntime.InferenceSession(str(folder / "net.onnx"), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"X": x[None]})[0][0]


def microseconds(ask: Asked, rows: np.ndarray) -> float:
    """The median of some thousand calls."""
    taken = []
    for i in range(3000):
        row = rows[i % len(rows)]
        began = time.perf_counter_ns()
        ask(row)
        taken.append(time.perf_counter_ns() - began)
    return float(np.median(taken)) / 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for leaving.png and the files")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    model, X, y = trained()
    right = model.predict(X)
    share = np.mean(right.argmax(axis=1) == y)
    print(f"test rows right: {share:.4f}   (0.95 or better)")
    ways = {
        "predictor": model.predictor(),
        "C, through ctypes": as_c(model, arguments.output),
        "NumPy script": as_numpy(model, arguments.output),
        "ONNX Runtime": as_onnx(model, arguments.output),
    }
    times = {}
    for name, ask in ways.items():
        if ask is None:
            print(f"{name:20} left out: it is not installed")
            continue
        worst = max(float(np.abs(ask(row) - expected).max()) for row, expected in zip(X, right, strict=True))
        times[name] = microseconds(ask, X)
        print(f"{name:20} differs by {worst:.1e}, {times[name]:.2f} us a row from Python")

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    bars = axes.barh(list(times), list(times.values()))
    axes.bar_label(bars, fmt="%.2g", padding=3)
    axes.invert_yaxis()
    axes.set(
        xscale="log", xlabel="microseconds of a row, called from Python", title="One network, 30-16-8-2, four ways out"
    )
    axes.margins(x=0.15)
    figure.savefig(arguments.output / "leaving.png", dpi=90)
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    raise SystemExit(main())
