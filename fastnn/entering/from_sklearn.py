"""scikit-learn's networks and linear models as layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.entering.found import filled
from fastnn.layers import Dense, Input, Layer, Normalization

Array = NDArray[Any]
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's words for ours
NETWORKS = ("MLPClassifier", "MLPRegressor")
LINEAR = ("LinearRegression", "Ridge", "Lasso", "ElasticNet", "SGDRegressor")
SCALERS = ("StandardScaler",)


def entered(model: Any) -> tuple[list[Layer], np.dtype, str]:
    """Layers with weights, their number type and a name, from a fitted estimator or a Pipeline of a scaler and one."""
    steps = [step for _, step in model.steps if step != "passthrough"] if hasattr(model, "steps") else [model]
    layers: list[Layer] = []
    weights: list[list[Array]] = []
    for step in steps:
        kind = type(step).__name__
        if kind in NETWORKS:
            _check(step, "coefs_")
            names = [step.activation] * (len(step.coefs_) - 1) + [step.out_activation_]
            for W, b, name in zip(step.coefs_, step.intercepts_, names, strict=True):
                layers.append(Dense(W.shape[1], ACTIVATIONS.get(name, name)))
                weights.append([W, b])
        elif kind in LINEAR or kind == "LogisticRegression":
            _check(step, "coef_")
            W = np.atleast_2d(step.coef_).T
            outputs = W.shape[1]
            if kind not in LINEAR and outputs > 1 and "ovr" in (getattr(step, "multi_class", ""), _ovr(step.solver)):
                raise TypeError("a LogisticRegression of one class against the rest cannot enter: no softmax says that")
            name = "linear" if kind in LINEAR else "sigmoid" if outputs == 1 else "softmax"
            layers.append(Dense(outputs, name))
            weights.append([W, np.broadcast_to(np.asarray(step.intercept_), (outputs,))])
        elif kind in SCALERS and step is not steps[-1]:
            _check(step, "n_features_in_")
            n = step.n_features_in_
            mean = np.zeros(n) if not step.with_mean else step.mean_
            scale = np.ones(n) if not step.with_std else step.scale_
            layers.append(Normalization())
            weights.append([np.ones(n), np.zeros(n), mean, np.square(scale)])
        else:
            known = ", ".join((*NETWORKS, *LINEAR, "LogisticRegression"))
            raise TypeError(f"a {kind} cannot enter; what can: {known}, alone or in a Pipeline behind StandardScaler")
    first = weights[0][-2] if isinstance(layers[0], Normalization) else weights[0][0]
    dtype = np.dtype(np.float32 if weights[-1][0].dtype == np.float32 else np.float64)
    all_layers: list[Layer] = [Input(len(first)), *layers]
    name = type(steps[-1]).__name__.lower()
    return filled(all_layers, lambda i, _: weights[i - 1] if i else [], dtype, "scikit-learn"), dtype, name


def _ovr(solver: str) -> str:
    return "ovr" if solver == "liblinear" else ""


def _check(estimator: Any, attribute: str) -> None:
    if not hasattr(estimator, attribute):
        raise ValueError(f"this {type(estimator).__name__} is not fitted; call its fit first")
