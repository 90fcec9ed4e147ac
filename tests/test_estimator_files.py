"""Estimators in files: parameters, what they have learnt, and fits that go on with the same bits."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.7")
import mutate_files
import pandas as pd

import fastnn
from fastnn import estimators, losses, regularizers
from fastnn.estimators import MLPClassifier, MLPRegressor, Perceptron

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
NAMES = np.array(["mild", "hot", "cold"])[RNG.integers(0, 3, 60)]
NUMBERS = X[:, :2] @ [[1.0, 2.0], [0.5, -1.0]]
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 3}
CASES = {
    "adam": (MLPClassifier(**SMALL), NAMES),
    "two classes": (MLPClassifier(**SMALL), NAMES == "hot"),
    "several labels": (MLPClassifier(**SMALL), RNG.integers(0, 2, (60, 3))),
    "sgd": (MLPClassifier(solver="sgd", learning_rate="adaptive", warm_start=True, **SMALL), NAMES),
    "invscaling": (MLPClassifier(solver="sgd", learning_rate="invscaling", warm_start=True, **SMALL), NAMES),
    "lbfgs": (MLPClassifier(solver="lbfgs", warm_start=True, **SMALL), NAMES),
    "early": (MLPClassifier(early_stopping=True, **SMALL), NAMES),
    "layers": (MLPClassifier(batch_norm=True, dropout=0.2, clipnorm=1.0, warm_start=True, **SMALL), NAMES),
    "normal": (MLPClassifier(layer_norm=True, l1_ratio=0.5, activation="tanh", **SMALL), NAMES),
    "scaled": (MLPClassifier(scale="standard", class_weight="balanced", **SMALL), NAMES),
    "objects": (MLPClassifier(kernel_regularizer=regularizers.L2(0.1), **SMALL), NAMES),
    "regressor": (MLPRegressor(warm_start=True, **SMALL), NUMBERS),
    "robust": (MLPRegressor(scale="robust", **SMALL), NUMBERS[:, 0]),
    "huber": (MLPRegressor(loss=losses.Huber(0.5), early_stopping=True, **SMALL), NUMBERS[:, 0]),
    "quantiles": (MLPRegressor(loss="quantile", quantiles=(0.1, 0.5, 0.9), **SMALL), NUMBERS[:, 0]),
    "perceptron": (Perceptron(warm_start=True, random_state=1), NAMES),
}


def state(estimator):
    """All that it knows, as texts."""
    found = {}
    for name, value in vars(estimator).items():
        if name == "_network":
            value = value.arena.tolist(), value.iterations, value.seed, repr(value.program.optimizer_object)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            value = {key: np.asarray(one).tolist() if not callable(one) else one for key, one in vars(value).items()}
        found[name] = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return found


def fitted(case):
    estimator, y = CASES[case]
    return type(estimator)(**estimator.get_params()).fit(X, y), y


@pytest.mark.parametrize("case", CASES)
def test_it_comes_back(tmp_path, case):
    estimator, y = fitted(case)
    estimator.save(tmp_path / "e.fastnn")
    other = fastnn.load(tmp_path / "e.fastnn")
    assert type(other) is type(estimator) and state(other) == state(estimator)
    assert np.array_equal(other.predict(X), estimator.predict(X))
    assert other.score(X, y) == estimator.score(X, y)
    if estimator.get_params().get("warm_start"):
        for one in (estimator, other):
            one.fit(X, y)
        assert state(other) == state(estimator)
    elif hasattr(estimator, "partial_fit") and not estimator.get_params().get("early_stopping"):
        for one in (estimator, other):
            one.partial_fit(X, y)
        assert state(other) == state(estimator)


@pytest.mark.parametrize("estimator", [MLPClassifier(alpha=0.5), MLPRegressor(solver="sgd"), Perceptron(eta0=2.0)])
def test_before_it_is_fitted(tmp_path, estimator):
    estimator.save(tmp_path / "e")
    assert repr(estimators.load(tmp_path / "e")) == repr(estimator)


def test_names_of_features(tmp_path):
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    estimator = MLPClassifier(**SMALL).fit(table, NAMES)
    estimator.save(tmp_path / "e")
    other = fastnn.load(tmp_path / "e")
    assert other.feature_names_in_.tolist() == ["a", "b", "c", "d"] and other.feature_names_in_.dtype == object
    assert np.array_equal(other.predict(table), estimator.predict(table))


def test_one_list_under_two_names(tmp_path):
    estimator = MLPClassifier(**SMALL).fit(X, NAMES)
    estimator.save(tmp_path / "e")
    other = fastnn.load(tmp_path / "e")
    assert other.history_["loss"] is other.loss_curve_


def test_weights_set_by_hand(tmp_path):
    estimator = MLPClassifier(**SMALL).fit(X, NAMES)
    estimator.coefs_[0][:] = 0.5
    estimator.save(tmp_path / "e")
    assert np.array_equal(fastnn.load(tmp_path / "e").predict_proba(X), estimator.predict_proba(X))


def test_what_cannot_be_written(tmp_path):
    def rate(step):
        return 0.01

    for options, message in (
        ({"random_state": np.random.RandomState(0)}, "random_state of MLPClassifier cannot be written"),
        ({"learning_rate": lambda step: 0.1}, "learning_rate of MLPClassifier cannot be written"),
        ({"callbacks": [fastnn.callbacks.TerminateOnNaN()]}, "callbacks of MLPClassifier cannot be written"),
    ):
        with pytest.raises(TypeError, match=message):
            MLPClassifier(**SMALL | options).save(tmp_path / "e")
    assert not os.listdir(tmp_path)
    estimator = MLPClassifier(learning_rate=rate, **SMALL).fit(X, NAMES)
    estimator.save(tmp_path / "e")
    with pytest.raises(ValueError, match="it needs 'rate'"):
        fastnn.load(tmp_path / "e")
    assert np.array_equal(fastnn.load(tmp_path / "e", {"rate": rate}).predict(X), estimator.predict(X))


def test_models_and_estimators_are_told_apart(tmp_path):
    fitted("adam")[0].save(tmp_path / "e")
    fitted("adam")[0].to_sequential().save(tmp_path / "m")
    assert isinstance(fastnn.load(tmp_path / "m"), fastnn.Sequential)
    with pytest.raises(ValueError, match="holds no estimator; use fastnn"):
        estimators.load(tmp_path / "m")
    with pytest.raises(ValueError, match="holds no model but: estimator; use fastnn"):
        fastnn.models.load_model(tmp_path / "e")


HOSTILE = {
    "another class": mutate_files.put(["estimator"], "os.system"),
    "an unknown format": mutate_files.put(["format"], 9),
    "a parameter too much": mutate_files.put(["params", "more"], 1),
    "a method learnt": mutate_files.put(["learnt", "predict"], {"value": 1}),
    "a class learnt": mutate_files.put(["learnt", "__class__"], {"value": 1}),
    "a helper from elsewhere": mutate_files.put(["learnt", "_label_binarizer"], {"helper": "FunctionTransformer"}),
    "no objective": mutate_files.put(["learnt", "_objective"], {"value": 1}),
    "no steps": mutate_files.put(["network", "steps"], []),
    "steps that do not fit": mutate_files.put(["network", "steps", 1, "settings", "inputs"], 1 << 40),
    "a step of another kind": mutate_files.put(["network", "steps", 0, "object"], ["layer", "Dense"]),
    "a huge layer": mutate_files.put(["network", "steps", 0, "settings", "layer"], 1 << 60),
    "another type": mutate_files.put(["network", "dtype"], "int8"),
    "steps done": mutate_files.put(["network", "iterations"], -1),
    "other features": mutate_files.put(["learnt", "n_features_in_"], {"value": 5}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files(tmp_path, case):
    fitted("adam")[0].save(tmp_path / "e")
    good = (tmp_path / "e").read_bytes()
    (tmp_path / "e").write_bytes(mutate_files.described(HOSTILE[case])(good))
    with pytest.raises(ValueError) as error:
        fastnn.load(tmp_path / "e")
    assert len(str(error.value)) < 1000


def test_random_changes(tmp_path):
    fitted("scaled")[0].save(tmp_path / "e")
    good = (tmp_path / "e").read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(150):
        (tmp_path / "e").write_bytes(mutate_files.mutate(good, rng))
        try:
            other = fastnn.load(tmp_path / "e")
        except ValueError as error:
            assert len(str(error)) < 3000
        else:
            assert isinstance(other, MLPClassifier)


def test_the_description_is_plain(tmp_path):
    fitted("scaled")[0].save(tmp_path / "e")
    told = json.loads(mutate_files.split((tmp_path / "e").read_bytes())[0]["__metadata__"]["fastnn"])
    assert told["learnt"]["classes_"] == {"value": {"texts": ["cold", "hot", "mild"], "object": False}}
