"""One batch at a time: train_on_batch, test_on_batch, outputs as in training."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from model_cases import ENGINES, RNG, X, Y, equal, make, numbers

import fastnn
from fastnn import optimizers
from fastnn.errors import DivergenceError
from fastnn.layers import (
    Dense,
    Dropout,
    Input,
)


@pytest.mark.parametrize("engine", ENGINES)
def test_loss_weights_and_sample_weights_of_batches(engine):
    """Values of Keras 3.15."""
    x, y = numbers(6, 3, start=3), numbers(6, 2, start=50)
    weights = [1, 2, 0, 1, 3, 0.5]
    model = make(engine)
    model.compile(optimizers.SGD(0.1), "mse", loss_weights=[0.25])
    assert model.train_on_batch(x, y, sample_weight=weights) == pytest.approx(0.43595315130617096, rel=1e-6)
    assert model.test_on_batch(x, y) == pytest.approx(0.20284775422143506, rel=1e-6)
    assert model.evaluate(x, y, sample_weight=weights) == pytest.approx(0.22787989531211625, rel=1e-6)
    for given in ({"b": 0.25}, 0.25, (0.25,)):
        model.compile("sgd", "mse", loss_weights=given)
        assert model.evaluate(x, y, sample_weight=weights) == pytest.approx(0.22787989531211625, rel=1e-6)


LEAN = {  # loss, last activation, outputs, targets
    "mse": ("mse", "linear", 1, lambda n: RNG.normal(size=(n, 1))),
    "one axis": ("mse", "linear", 1, lambda n: RNG.normal(size=n)),
    "several": ("mae", "linear", 3, lambda n: RNG.normal(size=(n, 3))),
    "binary": ("binary_crossentropy", "sigmoid", 1, lambda n: RNG.integers(0, 2, n)),
    "labels": ("sparse_categorical_crossentropy", "softmax", 4, lambda n: RNG.integers(0, 4, n)),
    "float labels": ("sparse_categorical_crossentropy", "softmax", 4, lambda n: RNG.integers(0, 4, (n, 1)) * 1.0),
    "one-hot": ("categorical_crossentropy", "softmax", 4, lambda n: np.eye(4)[RNG.integers(0, 4, n)]),
    "hinge": ("hinge", "tanh", 2, lambda n: RNG.choice([-1.0, 1.0], (n, 2))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LEAN)
def test_the_lean_way_is_the_long_one(case, dtype):
    """The same bits from the shortest way, from the long one, and from fit."""
    loss, activation, outputs, targets = LEAN[case]

    def made():
        layers = [Input(5), Dense(7, "tanh"), Dropout(0.3), Dense(outputs, activation, kernel_regularizer="l2")]
        model = fastnn.Sequential(layers, rng=0, dtype=dtype)
        model.compile(optimizers.Adam(0.01, clipnorm=1.0), loss)
        return model

    lean, long, fitted = made(), made(), made()
    for n, kind in ((1, "f4"), (1, "f8"), (16, dtype), (17, "i8"), (5, "u1"), (1, "i4")):
        x, y = (RNG.normal(size=(n, 5)) * 3).astype(kind), targets(n)
        one, two = lean.train_on_batch(x, y), long.train_on_batch(x, y, sample_weight=np.ones(n))
        assert one == pytest.approx(two, rel=1e-6)
        assert lean._batches.lean(np.full((1, 5), np.nan), y[:1], True) is None
        fitted.fit(x, y, batch_size=n, shuffle=False)
        assert equal(lean.get_weights(), fitted.get_weights()) and lean.iterations == fitted.iterations
    assert lean._lean is not None and lean._lean.__self__.first == 1  # the first batch went the long way


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LEAN)
def test_metrics_along_the_lean_ways(case, dtype):
    """Few samples in plain arrays, or the same as lists: losses, metrics, means over batches, weights, errors."""
    loss, activation, outputs, targets = LEAN[case]
    several = ["categorical_accuracy"] if case == "one-hot" else ["accuracy"] if "labels" in case else []
    named = {"binary": ["accuracy", "mse"], "hinge": ["accuracy"]}.get(case, several)

    def made(metrics):
        layers = [
            Input(5),
            Dense(7, "tanh", kernel_regularizer="l1"),
            Dense(outputs, activation, kernel_regularizer="l2"),
        ]
        model = fastnn.Sequential(layers, rng=0, dtype=dtype)
        model.compile("adam", loss, metrics=metrics)
        return model

    for names in ([], [*named, lambda y, a: float(np.abs(a).max())]):
        lean, long = made(names), made(names)
        for n, reset in ((3, True), (16, False), (1, False), (5, True)):
            x, y = RNG.normal(size=(n, 5)), targets(n)
            assert lean.evaluate(x, y) == long.evaluate(x.tolist(), y)
            assert lean._few(x, y) is not None and lean._few(x.tolist(), y) is None
            assert np.array_equal(lean.predict(x), long.predict(x.tolist()))
            one = lean.train_on_batch(x, y, reset_metrics=reset)
            assert one == long.train_on_batch(x.tolist(), y, reset_metrics=reset)
            assert lean.test_on_batch(x, y, reset_metrics=False) == long.test_on_batch(
                x.tolist(), y, reset_metrics=False
            )
        assert equal(lean.get_weights(), long.get_weights())
        before = lean.get_weights()
        y = np.full(y.shape, -1e-12 if case in ("binary", "labels", "float labels") else np.nan)
        for ask in (lean.train_on_batch, lean.test_on_batch, lean.evaluate):
            with pytest.raises(ValueError, match=r"^y (has|needs)|but y has"):
                ask(x, y)
            with pytest.raises(ValueError, match="X has the value nan in row 0"):
                ask(np.full((5, 5), np.nan), targets(5))
        with pytest.raises(ValueError, match="X has the value inf in row 2"):
            lean.predict(np.where(np.arange(5)[:, None] == 2, np.inf, x))
        assert equal(lean.get_weights(), before)


def test_two_threads_evaluate_few_samples():
    """Each with metrics of its own."""
    model = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(1, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"])
    batches = [(RNG.normal(size=(n, 3)), RNG.integers(0, 2, n)) for n in (4, 9, 16, 25)]
    expected = [model.evaluate(x.tolist(), y) for x, y in batches]
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(lambda x, y: [model.evaluate(x, y) for _ in range(50)], x, y) for x, y in batches]
        assert [one.result() for one in found] == [[one] * 50 for one in expected]


def test_the_lean_way_follows_changes():
    model = fastnn.Sequential([Input(1), Dense(1, kernel_initializer="zeros")], dtype="float64")
    model.compile(optimizers.SGD(0.5), "mse")
    x, y = np.ones((1, 1)), np.ones((1, 1))
    assert model.train_on_batch(x, y) == 1.0 and model.layers[0].kernel[0, 0] == 1.0
    model.set_weights([np.zeros((1, 1)), np.zeros(1)])
    model.optimizer.learning_rate = 0.25
    model.train_on_batch(x, y)
    assert model.layers[0].kernel[0, 0] == 0.5
    model.layers[0].activation = "relu"
    assert model._lean is None and model.train_on_batch(x, -y) == pytest.approx(4.0)
    model.compile(optimizers.SGD(lambda step: 0.25 / (step + 1)), "mse")  # a function of the user's: asked at each step
    model.set_weights([np.zeros((1, 1)), np.full(1, 0.5)])
    steps = [float(model.layers[0].bias[0])]
    for _ in range(2):
        model.train_on_batch(x, y)
        steps.append(float(model.layers[0].bias[0]))
    assert steps == [0.5, 0.75, 0.75]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.full((1, 3), np.nan), [[1.0, 0.0]], "X has the value nan in row 0"),
        (np.full((1, 3), np.inf), [[1.0, 0.0]], "X has the value inf in row 0"),
        (np.full((1, 3), 1e300), [[1.0, 0.0]], "X has the value 1e\\+300 in row 0"),
        (np.ones((1, 3)), [[np.nan, 0.0]], "y has the value nan"),
        (np.ones((1, 4)), [[1.0, 0.0]], r"X has shape \(1, 4\)"),
        (np.ones((2, 3)), [[1.0, 0.0]], "X has 2 rows but y has 1"),
        (np.ones((1, 3)), [[1.5, 0.0]], "y has targets from 0.0 to 1.5, expected 0 to 1"),
        (np.ones((0, 3)), np.ones((0, 2)), "is empty"),
        (np.ones((1, 3)), None, "y is missing"),
    ],
)
def test_bad_batches_change_nothing(x, y, message):
    model = fastnn.Sequential([Input(3), Dense(2, "sigmoid")], rng=0)
    model.compile("sgd", "binary_crossentropy")
    y = y if y is None else np.array(y)
    model.train_on_batch(np.ones((1, 3)), np.ones((1, 2)))
    before = model.get_weights()
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=message):
            call(x, y)
    assert equal(model.get_weights(), before) and model.iterations == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_that_diverges_changes_nothing(engine):
    model = fastnn.Sequential([Input(1), Dense(1, kernel_initializer="ones")], engine=engine)
    model.compile("sgd", "mse")
    with pytest.raises(DivergenceError, match=r"the loss of the batch is inf before step 1; no weight has changed"):
        model.train_on_batch(np.full((1, 1), 1e30), np.zeros((1, 1)))
    assert model.layers[0].kernel[0, 0] == 1 and model.iterations == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_metrics_of_batches(engine):
    model = fastnn.Sequential([Input(2), Dense(1, "sigmoid", kernel_initializer="ones")], engine=engine)
    model.compile(optimizers.SGD(0.0), "binary_crossentropy", metrics=["accuracy"])
    right, wrong = (np.array([[1.0, 1.0]]), np.array([1])), (np.array([[1.0, 1.0]]), np.array([0]))
    assert model.train_on_batch(*right)[1] == 1.0 and model.train_on_batch(*wrong)[1] == 0.0
    model.reset_metrics()
    assert [model.train_on_batch(*one, reset_metrics=False)[1] for one in (right, wrong, right)] == [1, 0.5, 2 / 3]
    assert model.test_on_batch(*right, reset_metrics=False, return_dict=True)["accuracy"] == 0.75
    model.reset_metrics()
    found = model.test_on_batch(*wrong, return_dict=True, reset_metrics=False)
    assert found == {"loss": pytest.approx(np.log1p(np.exp(2))), "accuracy": 0.0}
    assert model.train_on_batch(*right, class_weight={1: 3.0})[0] == pytest.approx(3 * np.log1p(np.exp(-2)), rel=1e-6)


def test_a_batch_during_a_fit_is_refused():
    class Meddle(fastnn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.train_on_batch(X[:1], Y[:1])

    model = fastnn.Sequential([Input(3), Dense(2)], rng=0)
    model.compile("sgd", "mse")
    model.train_on_batch(X[:1], Y[:1])
    with pytest.raises(RuntimeError, match="is being trained"):
        model.fit(X, Y, callbacks=[Meddle()])


def test_outputs_as_in_training():
    model = fastnn.Sequential([Input(3), Dense(50, "relu"), Dropout(0.5), Dense(2, "softmax")], rng=0)
    model.compile("sgd", "categorical_crossentropy")
    before = model.get_weights()
    draws = np.stack([model(X, training=True) for _ in range(50)])
    assert draws.std(axis=0).min() > 0 and draws.sum(axis=2) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(draws.mean(axis=0), model.predict(X), atol=0.1)
    assert (model(X, training=False) == model(X)).all() and equal(model.get_weights(), before) and model.iterations == 0
