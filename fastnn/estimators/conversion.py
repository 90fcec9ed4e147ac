"""From scikit-learn's fitted networks to ours and back, with the optimizer's state."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.utils.validation import check_is_fitted

from fastnn.engine.network import Network
from fastnn.engine.program import lower
from fastnn.estimators import building, objectives

LEARNT = (
    "n_features_in_",
    "feature_names_in_",
    "classes_",
    "_label_binarizer",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_iter_",
    "t_",
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)


def _copy_learnt(source: Any, target: Any) -> None:
    for name in LEARNT:
        if name in vars(source):
            setattr(target, name, copy.deepcopy(vars(source)[name]))


def from_sklearn(cls: Any, model: Any) -> Any:
    """An estimator of ours from a fitted one of scikit-learn."""
    kind = getattr(neural_network, cls.__name__)
    if not isinstance(model, kind):
        raise TypeError(f"expected a sklearn.neural_network.{cls.__name__}, got {type(model).__name__}")
    check_is_fitted(model)
    new = cls(**{name: value for name, value in model.get_params(deep=False).items()})
    _copy_learnt(model, new)
    if "_label_binarizer" in vars(new):
        new._kind = new._label_binarizer.y_type_
    new.history_ = {"loss": new.loss_curve_} if "loss_curve_" in vars(new) else {}
    hidden = [len(bias) for bias in model.intercepts_[:-1]]
    objective = _objective(new)
    activation = building.activation_of(objective.word)
    layers = building.layers_of(new, model.n_features_in_, hidden, model.n_outputs_, activation)
    dtype = np.dtype(np.float32 if model.coefs_[0].dtype == np.float32 else np.float64)
    network = Network(lower(layers, dtype, objective.loss, building.optimizer_of(new)))
    building.write_weights(network, model.coefs_, model.intercepts_)
    _take_state(network, getattr(model, "_optimizer", None))
    new._network, new._objective = network, objective
    new._structure = [getattr(new, name) for name in building.STRUCTURE]
    return new


def _objective(estimator: Any) -> Any:
    if "_label_binarizer" in vars(estimator):
        return objectives.for_classifier("log_loss", estimator._kind, estimator.n_outputs_)
    return objectives.for_regressor(estimator.loss, estimator.n_outputs_, None)


def _states(optimizer: Any) -> list[Any]:
    """The moments of one of scikit-learn's optimizers, as it lists them: of all kernels, then of all biases."""
    if hasattr(optimizer, "ms"):
        return [optimizer.ms, optimizer.vs]
    return [optimizer.velocities] if hasattr(optimizer, "velocities") else []


def _take_state(network: Any, optimizer: Any) -> None:
    ops = building.products(network.program)
    for row, moments in zip(network.arena[1:], _states(optimizer), strict=False):
        for i, op in enumerate(ops):
            network.program.write(row, op, [np.asarray(moments[i]), np.asarray(moments[len(ops) + i])])
    network.iterations = getattr(optimizer, "t", 0)
    if optimizer is not None and not hasattr(optimizer, "ms"):
        network.program.optimizer_object.learning_rate = float(optimizer.learning_rate)


def to_sklearn(estimator: Any) -> Any:
    """A fitted estimator of scikit-learn from one of ours, or an error that says what it does not have."""
    check_is_fitted(estimator)
    kind = getattr(neural_network, type(estimator).__name__)
    new = kind()
    known = new.get_params(deep=False)
    more = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in known and name not in ("scoring", "callbacks", "max_seconds", "n_threads", "class_weight")
    }
    own = type(estimator)()
    changed = [name for name, value in more.items() if value is not getattr(own, name) and value != getattr(own, name)]
    if changed:
        raise ValueError(f"scikit-learn's {kind.__name__} has no {', '.join(changed)}; it cannot be this network")
    given = {name: value for name, value in estimator.get_params(deep=False).items() if name in known}
    new.set_params(**given)
    new._validate_params()  # refuses activations and solvers that it does not have
    network = estimator._network_now()
    _copy_learnt(estimator, new)
    new.coefs_, new.intercepts_ = building.read_weights(network)
    new._best_coefs = [one.copy() for one in new.coefs_]
    new._best_intercepts = [one.copy() for one in new.intercepts_]
    optimizer = network.program.optimizer_object
    if optimizer is not None:
        new._optimizer = _optimizer(new, network)
    return new


def _optimizer(model: Any, network: Any) -> Any:
    """scikit-learn's optimizer, with the moments of ours."""
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    params = model.coefs_ + model.intercepts_
    ops = building.products(network.program)
    rows = [[network.program.read(row, op) for op in ops] for row in network.arena[1:]]
    lists = [[w for w, _ in pairs] + [b for _, b in pairs] for pairs in rows]
    if model.solver == "sgd":
        new = SGDOptimizer(
            params,
            model.learning_rate_init,
            model.learning_rate,
            model.momentum,
            model.nesterovs_momentum,
            model.power_t,
        )
        new.learning_rate = float(network.program.optimizer_object.learning_rate)
        new.velocities = lists[0] if lists else new.velocities
        return new
    new = AdamOptimizer(params, model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon)
    new.ms, new.vs, new.t = lists[0], lists[1], network.iterations
    return new
