"""An estimator in a file: its parameters, what it has learnt, its network."""

from __future__ import annotations

import os
from typing import Any

from fastnn.basics import container
from fastnn.basics.version import __version__
from fastnn.description import Arrays, encode
from fastnn.engine.network import Network
from fastnn.engine.program import Program
from fastnn.engine.tensors import network_arrays
from fastnn.estimators.objectives import Objective

FORMAT = 1
OBJECTIVE = ("loss", "outputs", "word", "factor", "share")
HELPERS = ("StandardScaler", "RobustScaler", "LabelBinarizer", "MultiLabelBinarizer")  # scikit-learn's


def save(path: str | os.PathLike[str], estimator: Any) -> None:
    """Writes an estimator, fitted or not. TypeError for what no file can hold: a lambda, a generator, callbacks."""
    settings, kind = Arrays("settings"), type(estimator).__name__
    given, state = estimator.get_params(deep=False), dict(estimator.__getstate__())
    params = {name: encode(value, settings, f"{name} of {kind}") for name, value in given.items()}
    network = state.pop("_network", None)
    learnt = {
        name: _encoded(value, settings, f"{name} of {kind}")
        for name, value in state.items()
        if name not in given and name != "_sklearn_version"
    }
    description = {"kind": "estimator", "format": FORMAT, "fastnn": __version__, "estimator": kind, "params": params}
    description |= {"learnt": learnt, "network": None}
    arrays: dict[str, Any] = {}
    if network is not None:
        description["network"] = _described(network, settings)
        arrays = network_arrays(network, layer_names(network.program))
    container.write(path, arrays | settings, description)


def layer_names(program: Program) -> list[str]:
    """Names for the layers of an estimator's network, which has none."""
    return [f"layer_{i}" for i in range(1 + max(op.layer for op in program.steps))]


def _described(network: Network, settings: Arrays) -> dict[str, Any]:
    return {
        "steps": [encode(op, settings) for op in network.program.steps],
        "optimizer": encode(network.program.optimizer_object, settings),
        "dtype": network.dtype.name,
        "seed": network.seed,
        "epochs": network.epochs,
        "iterations": network.iterations,
    }


def _encoded(value: Any, settings: Arrays, what: str) -> Any:
    kind = type(value).__name__
    if isinstance(value, Objective):
        return {"objective": {name: encode(getattr(value, name), settings, what) for name in OBJECTIVE}}
    if kind in HELPERS and type(value).__module__.startswith("sklearn."):
        return {"helper": kind, "state": {name: encode(one, settings, what) for name, one in vars(value).items()}}
    return {"value": encode(value, settings, what)}
