"""An estimator from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn import preprocessing

from fastnn.basics import backend, container
from fastnn.basics.checks import unknown, whole
from fastnn.description import decode
from fastnn.engine.network import Network
from fastnn.engine.program import assemble
from fastnn.engine.tensors import check_arrays, restore
from fastnn.estimators.classifier import MLPClassifier
from fastnn.estimators.objectives import GroupedCrossentropy, Objective
from fastnn.estimators.perceptron import Perceptron
from fastnn.estimators.regressor import MLPRegressor
from fastnn.estimators.saving import FORMAT, HELPERS, OBJECTIVE, layer_names
from fastnn.losses import Loss
from fastnn.operations import Operation
from fastnn.optimizers import Optimizer

TOLD = ("loss_", "best_loss_", "loss_curve_")  # numbers of NumPy, as scikit-learn's
ESTIMATORS: dict[str, Any] = {cls.__name__: cls for cls in (MLPClassifier, MLPRegressor, Perceptron)}
Custom = Mapping[str, Any] | None


def load(path: str | os.PathLike[str], custom_objects: Custom = None, check_finite: bool = True) -> Any:
    """The estimator that ``estimator.save(path)`` wrote; see ``fastnn.load``."""
    arrays, description = container.read(path)
    if description is None or description.get("kind") != "estimator":
        raise ValueError(f"{os.fspath(path)!r} holds no estimator; use fastnn.load")
    return built(path, arrays, description, custom_objects, check_finite)


def built(
    path: str | os.PathLike[str],
    arrays: dict[str, Any],
    description: dict[str, Any],
    custom_objects: Custom = None,
    check_finite: bool = True,
) -> Any:
    """The estimator of a file that was read."""
    shown, version = os.fspath(path), description.get("format")
    if version != FORMAT:
        raise ValueError(f"{shown!r} has format {str(version)[:80]}, this version of fastnn reads {FORMAT}")
    own = {"GroupedCrossentropy": GroupedCrossentropy} | dict(custom_objects or {})
    try:
        return _built(description, arrays, own, check_finite)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{shown!r} cannot be loaded: {str(error)[:500] or 'it is too deep'}") from None


def _built(given: dict[str, Any], arrays: dict[str, Any], custom: Custom, finite: bool) -> Any:
    kind = ESTIMATORS.get(given["estimator"]) or (custom or {}).get(given["estimator"])
    if kind is None:
        raise ValueError(unknown("estimator", str(given["estimator"])[:80], list(ESTIMATORS)))
    estimator = kind(**{name: decode(value, arrays, custom) for name, value in given["params"].items()})
    params = estimator.get_params(deep=False)
    learnt = {name: _decoded(value, arrays, custom) for name, value in given["learnt"].items()}
    for name in learnt:
        if name in params or name.startswith("__") or callable(getattr(kind, name, None)):
            raise ValueError(f"{name[:80]!r} is nothing that a {kind.__name__} learns")
    for name in TOLD:
        if learnt.get(name) is not None:
            one = learnt[name]
            learnt[name] = list(map(np.float64, one)) if isinstance(one, list) else np.float64(one)
    vars(estimator).update(learnt)
    if "loss" in learnt.get("history_", {}) and "loss_curve_" in learnt:
        learnt["history_"]["loss"] = learnt["loss_curve_"]  # one list under two names
    if given["network"] is not None:
        objective = learnt["_objective"]
        if not isinstance(objective, Objective):
            raise ValueError("it has a network without an objective")
        vars(estimator)["_network"] = _network(given["network"], objective.loss, arrays, custom, finite)
        if estimator._network.program.inputs != estimator.n_features_in_:
            raise ValueError("its network has another number of features")
    return estimator


def _network(given: dict[str, Any], loss: Loss | None, arrays: dict[str, Any], custom: Custom, finite: bool) -> Network:
    steps = [decode(one, arrays, custom) for one in given["steps"]]
    optimizer = decode(given["optimizer"], arrays, custom)
    if not steps or not all(isinstance(op, Operation) and 0 <= op.layer < 1 << 16 for op in steps):
        raise ValueError("its network has no operations")
    if not isinstance(optimizer, Optimizer | None) or given["dtype"] not in backend.DTYPES:
        raise ValueError("its network has a strange optimizer or number type")
    for before, op in pairwise(steps):
        if (before.outputs, before.positions_out) != (op.inputs, op.positions_in):
            raise ValueError("its operations do not fit each other")
    program = assemble(steps, np.dtype(given["dtype"]), loss, optimizer)
    names = layer_names(program)
    check_arrays(program, names, arrays, finite)
    numbers = {name: whole(name, given[name], 0) for name in ("seed", "epochs", "iterations")}
    if max(numbers.values()) >= 1 << 63:
        raise ValueError("its numbers are out of range")
    network = Network(program, "compiled", numbers["seed"], numbers["epochs"])
    restore(network, names, arrays)
    network.iterations = numbers["iterations"]
    return network


def _decoded(data: Any, arrays: dict[str, Any], custom: Custom) -> Any:
    if "objective" in data:
        return Objective(*(decode(data["objective"][name], arrays, custom) for name in OBJECTIVE))
    if "helper" in data:
        if data["helper"] not in HELPERS:
            raise ValueError(f"it holds {str(data['helper'])[:80]}, which is unknown here")
        helper = getattr(preprocessing, data["helper"])()
        vars(helper).update({name: decode(one, arrays) for name, one in data["state"].items()})
        return helper
    return decode(data["value"], arrays, custom)
