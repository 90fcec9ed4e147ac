"""What compile takes, and which shapes of samples, labels and weights are accepted."""

import numpy as np
import pytest
from model_cases import ENGINES, RNG, X, Y, make, numbers

import fastnn
from fastnn import metrics, optimizers
from fastnn.callbacks import EarlyStopping
from fastnn.layers import (
    Activation,
    Dense,
    Dropout,
    Flatten,
    Input,
)
from fastnn.metrics import MeanSquaredError
from fastnn.models import clone_model

# -- what compile takes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [["mse"], ("mse", "mae"), {"out": "mse"}])
def test_several_losses_are_refused(loss):
    model = make()
    with pytest.raises(TypeError, match=r"one output layer, and so one loss; write loss='mse'"):
        model.compile("sgd", loss)


def test_arguments_of_compile():
    model = make()
    model.compile(
        optimizer="adam",
        loss="mse",
        metrics=[["mae", "MeanSquaredError"]],
        weighted_metrics=None,
        run_eagerly=True,
        steps_per_execution=4,
        jit_compile=False,
        auto_scale_loss=True,
    )
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "mae", "MeanSquaredError"}
    for bad in ([1, 2], {"a": 1, "b": 2}):
        with pytest.raises(ValueError, match="loss_weights must be one number"):
            model.compile("adam", "mse", loss_weights=bad)
    with pytest.raises(TypeError, match="loss_weights must be a number, got 'x'"):
        model.compile("adam", "mse", loss_weights="x")


@pytest.mark.parametrize("engine", ENGINES)
def test_weighted_metrics(engine):
    """Keras' value of the first step; a fit with weights of classes; without weights they are metrics like others."""
    x, y = numbers(6, 3, start=3), numbers(6, 2, start=50)
    model = make(engine)
    model.compile(optimizers.SGD(0.1), "mse", weighted_metrics=["mae"])
    assert model.train_on_batch(x, y, [1, 2, 0, 1, 3, 0.5])[1] == pytest.approx(0.9320015430450439, rel=1e-6)
    model = fastnn.Sequential([Input(3), Dense(1, "sigmoid")], rng=0, engine=engine, dtype="float64")
    model.compile(optimizers.SGD(0.0), "binary_crossentropy", ["accuracy"], weighted_metrics=["acc", "mae"])
    labels = (X[:, 0] > 0) * 1
    weights = np.where(labels == 1, 3.0, 1.0)
    outputs = model.predict(X)[:, 0]
    plain = float(np.mean((outputs > 0.5) == labels))
    right = float(np.average((outputs > 0.5) == labels, weights=weights))
    mae = float(np.average(np.abs(outputs - labels), weights=weights))
    assert model.evaluate(X, labels)[1:3] == [plain, plain]
    for arguments in ({"sample_weight": weights}, {"class_weight": {1: 3.0}}):
        for more in ({}, {"callbacks": [fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)]}):
            history = model.fit(X, labels, batch_size=7, epochs=3, **arguments, **more).history
            assert history["accuracy"] == [plain] * 3 and history["acc"] == pytest.approx([right] * 3)
            assert history["mae"] == pytest.approx([mae] * 3)
    found = model.evaluate(X, labels, sample_weight=weights)
    assert found[1:] == pytest.approx([plain, right, mae])
    assert model.evaluate([(X[:9], labels[:9], weights[:9]), (X[9:], labels[9:], weights[9:])])[1:] == found[1:]
    model.compile("sgd", "mse", weighted_metrics=["mae", fastnn.metrics.TruePositives()], loss_weights=4.0)
    assert model.evaluate(X, labels, sample_weight=weights)[1:] == pytest.approx(
        [mae, 3 * np.sum(outputs[labels == 1] > 0.5)]
    )
    assert model.evaluate(X, labels)[2] == np.sum(outputs[labels == 1] > 0.5)
    with pytest.raises(TypeError, match="an update of its own, which takes no weights"):
        model.compile("sgd", "mse", weighted_metrics=[lambda y, outputs: 0.0])


@pytest.mark.parametrize("name", ["acc", "accuracy", "Accuracy"])
@pytest.mark.parametrize("monitor", ["val_acc", "val_accuracy"])
def test_keys_are_what_was_typed_and_monitors_know_aliases(name, monitor):
    model = fastnn.Sequential([Dense(1, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy", metrics=[name])
    stop = EarlyStopping(monitor=monitor, patience=1)
    history = model.fit(X, X[:, 0] > 0, validation_split=0.5, epochs=4, callbacks=[stop])
    assert set(history.history) == {"loss", name, "val_loss", f"val_{name}"} and stop.sign == 1
    with pytest.raises(ValueError, match="unknown monitored value 'val_recall'"):
        model.fit(X, X[:, 0] > 0, validation_split=0.5, callbacks=[EarlyStopping("val_recall")])


@pytest.mark.parametrize("engine", ENGINES)
def test_accuracy_of_several_labels_in_a_row_is_that_of_keras(engine):
    """Several outputs: the largest of both rows must stand at one place, whatever the loss. Values of Keras 3.15."""
    model = fastnn.Sequential([Input(2), Dense(3, "sigmoid")], engine=engine, dtype="float64")
    model.set_weights([numbers(2, 3), numbers(3)])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy", "binary_accuracy"])
    y = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]])
    found = model.evaluate(numbers(4, 2, start=9), y)
    assert found == pytest.approx([0.6655157655477524, 0.5, 0.75], rel=1e-6)
    with pytest.raises(ValueError, match="needs targets of 0 or 1"):
        model.fit(X[:, :2], np.full((40, 3), 0.5))


# -- accepted shapes ---------------------------------------------------------------------------------------------------


def test_a_last_axis_of_one():
    for shape, given in (((1,), (40,)), ((8, 8), (40, 8, 8, 1)), ((8, 8, 1), (40, 8, 8)), ((5,), (40, 5, 1))):
        x = RNG.normal(size=given)
        model = fastnn.Sequential([Input(shape), Flatten(), Dense(2)], rng=0)
        expected = model.predict(x.reshape(40, *shape))
        assert (model.predict(x) == expected).all() and (model(x) == expected).all()
    model = fastnn.Sequential([Dense(3, "softmax")], rng=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    labels = RNG.integers(0, 3, 40)
    weights = RNG.uniform(size=40)
    flat = model.evaluate(X, labels, sample_weight=weights)
    assert model.evaluate(X, labels[:, None], sample_weight=weights[:, None]) == flat


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "poisson", "hinge"])
def test_one_column_of_targets_serves_several_outputs(loss, engine):
    model = fastnn.Sequential([Input(3), Dense(3, "softplus")], rng=0, engine=engine)
    model.compile("sgd", loss, ["mae"])
    y = np.sign(Y[:, :1]) if loss == "hinge" else np.abs(Y[:, :1])
    assert model.evaluate(X, y) == model.evaluate(X, np.repeat(y, 3, axis=1))
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"y has shape \(40, 2\)"):
        model.evaluate(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
def test_models_without_weights(engine):
    x = RNG.normal(size=(7, 4, 3)).astype("float32")
    for layers, expected in (
        ([Flatten()], x.reshape(7, 12)),
        ([Activation("relu")], np.maximum(x, 0)),
        ([Dropout(0.5)], x),
        ([Activation("linear")], x),
        ([Activation("softmax")], np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)),
    ):
        model = fastnn.Sequential(layers, engine=engine)
        np.testing.assert_allclose(model.predict(x), expected, rtol=2e-6)
        assert model.output_shape == (None, *expected.shape[1:]) and model.count_params() == 0
        model.compile("adam", "mse")
        before = model.evaluate(x, expected)
        model.fit(x, expected, epochs=2)
        assert model.evaluate(x, expected) == before == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_dense_acts_on_the_last_axis(engine):
    model = fastnn.Sequential([Dense(4, "tanh"), Dropout(0.0), Dense(2)], rng=0, engine=engine, dtype="float64")
    x = RNG.normal(size=(6, 5, 3))
    W, b, V, c = fastnn.Sequential([Input((5, 3)), *clone_model(model).layers], rng=0, dtype="float64").get_weights()
    model.build((None, 5, 3))
    np.testing.assert_allclose(model.predict(x), np.tanh(x @ W + b) @ V + c, rtol=1e-12, atol=1e-14)
    model.compile("sgd", "mse")
    y = RNG.normal(size=(6, 5, 2))
    assert model.evaluate(x, y) == pytest.approx(((model.predict(x) - y) ** 2).mean())
    model.fit(x, y, epochs=2)
    assert model.train_on_batch(x, y) > 0


@pytest.mark.parametrize(
    ("metrics", "weighted", "names"),
    [
        (["mae"], ["mae"], ["mae", "weighted_mae"]),
        (["mae", "mse"], ["mse", "mae"], ["mae", "mse", "weighted_mse", "weighted_mae"]),
        (["mae", "mae", "mae"], [], ["mae", "mae_1", "mae_2"]),
        ([MeanSquaredError(), MeanSquaredError()], ["mean_squared_error"], None),
        ([], ["mae", "mae"], ["mae", "weighted_mae"]),
    ],
)
def test_metrics_of_the_same_name(metrics, weighted, names):
    """Names, and values, are those of Keras 3."""
    names = names or ["mean_squared_error", "mean_squared_error_1", "weighted_mean_squared_error"]
    model = make()
    model.compile(optimizers.SGD(0.0), "mse", metrics=metrics, weighted_metrics=weighted)
    history = model.fit(X, Y, sample_weight=np.linspace(0, 2, len(X)), verbose=0).history
    assert list(history) == ["loss", *names]
    if weighted and len(metrics) == len(names) - 1:
        assert history[names[0]] != history[names[-1]]
    model.compile("sgd", "mse", metrics=metrics, weighted_metrics=weighted)
    assert [metric.name for metric in model.metrics] == names


def test_metrics_have_the_names_of_keras():
    objects = [metrics.RootMeanSquaredError(), metrics.R2Score(), metrics.MeanAbsoluteError(), "rmse", "r2"]
    model = make()
    model.compile("sgd", "mse", metrics=objects)
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    names = ["root_mean_squared_error", "r2_score", "mean_absolute_error", "rmse", "r2"]
    assert list(history) == ["loss", *names, "val_loss", *(f"val_{name}" for name in names)]
    assert history["rmse"] == history["root_mean_squared_error"]
    for entry, name in (
        (metrics.LogCoshError, "logcosh"),
        (metrics.MeanSquaredError, "mean_squared_error"),
        (metrics.SparseTopKCategoricalAccuracy, "sparse_top_k_categorical_accuracy"),
    ):
        assert entry().name == name and type(metrics.get(name)) is entry
