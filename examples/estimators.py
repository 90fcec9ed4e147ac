"""scikit-learn's programs with one import changed: moons, the loss curve beside scikit-learn's, and intervals.

python examples/estimators.py --output pictures
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib
import numpy as np
from sklearn import neural_network
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from fastnn.estimators import MLPClassifier, MLPRegressor  # instead of sklearn.neural_network

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def timed(model, X, y):
    began = time.perf_counter()
    model.fit(X, y)
    return model, 1e3 * (time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for estimators.png")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")

    X, y = make_moons(200, noise=0.25, random_state=0)
    settings = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.02, "max_iter": 400, "tol": 0.0, "random_state": 1}
    ours, milliseconds = timed(MLPClassifier(**settings), X, y)
    theirs, others = timed(neural_network.MLPClassifier(**settings), X, y)
    difference = np.abs(np.array(ours.loss_curve_) - theirs.loss_curve_).max()
    print(f"fastnn {milliseconds:.0f} ms, scikit-learn {others:.0f} ms, score {ours.score(X, y):.3f}")
    print(f"{ours.n_iter_} epochs, largest difference of the losses {difference:.1e}")
    DecisionBoundaryDisplay.from_estimator(ours, X, ax=axes[0], alpha=0.4, response_method="predict_proba")
    axes[0].scatter(*X.T, c=y, edgecolors="black", s=15)
    axes[0].set_title("two moons, (10,) hidden units")

    axes[1].plot(theirs.loss_curve_, label="scikit-learn", linewidth=5, alpha=0.4)
    axes[1].plot(ours.loss_curve_, label="fastnn")
    axes[1].set(title="loss_curve_ from the same random_state", xlabel="epoch", ylabel="loss")
    axes[1].legend()

    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-3, 3, 400))[:, None]
    t = np.sin(x[:, 0]) + rng.normal(size=400) * (0.1 + 0.15 * (x[:, 0] > 0))
    model = MLPRegressor(
        "gaussian_nll", (30,), activation="tanh", learning_rate_init=0.01, max_iter=400, random_state=0
    )
    low, high = model.fit(x, t).predict_interval(x, coverage=0.9)
    inside = float(np.mean((low <= t) & (t <= high)))
    print(f"intervals for 90 % hold {inside:.1%} of the points")
    axes[2].scatter(x, t, s=6, color="gray")
    axes[2].plot(x, model.predict(x))
    axes[2].fill_between(x[:, 0], low, high, alpha=0.3)
    axes[2].set_title(f"gaussian_nll: 90 % intervals hold {inside:.0%}")

    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "estimators.png", dpi=90)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
