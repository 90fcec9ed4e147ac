"""The range test: its rates and losses, its suggestions, and a model that is left as it was."""

import pickle

import numpy as np
import pytest

import fastnn
from fastnn import schedules
from fastnn.layers import Dense, Dropout, Input
from fastnn.learning_rate import RangeTest, _longest_descent, find_learning_rate

SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(scope="module")
def digits():
    X, y = fastnn.datasets.digits()
    return X / 16, y


def network(optimizer="sgd", engine="compiled", dtype="float32"):
    model = fastnn.Sequential([Input(64), Dense(30, "relu"), Dense(10, "softmax")], rng=0, engine=engine, dtype=dtype)
    model.compile(optimizer, SPARSE, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("optimizer, lowest, highest", [("sgd", 1e-2, 3), ("adam", 1e-4, 0.1)])
def test_suggestions_train_well(digits, optimizer, lowest, highest):
    found = find_learning_rate(network(optimizer), *digits)
    for rate in (found.suggestion, found.valley, found.steepest):
        assert lowest < rate < highest
    model = network()
    model.compile(optimizer, SPARSE)
    before = model.evaluate(*digits)
    model.optimizer.learning_rate = found.suggestion
    model.fit(*digits, epochs=8, verbose=0)
    assert model.evaluate(*digits) < before / 2


def test_rates_grow_evenly_and_the_test_ends_early(digits):
    found = find_learning_rate(network(), *digits, start=1e-4, end=1e6, steps=50)
    n = len(found.rates)
    assert 10 < n < 50 and len(found.losses) == len(found.raw_losses) == n
    np.testing.assert_allclose(found.rates, 1e-4 * (1e10) ** (np.arange(n) / 49), rtol=1e-9)
    assert np.isfinite(found.losses).all()
    whole = find_learning_rate(network(), *digits, start=1e-5, end=1e-3, steps=50)
    assert len(whole.rates) == 50 and whole.rates[[0, -1]] == pytest.approx([1e-5, 1e-3])
    assert "suggestion" in repr(whole)


def test_smoothing_by_hand(digits):
    found = find_learning_rate(network(), *digits, start=1e-5, end=1e-3, steps=20, smoothing=0.5)
    raw, average = found.raw_losses, 0.0
    for i, loss in enumerate(raw):
        average = 0.5 * average + 0.5 * loss
        assert found.losses[i] == pytest.approx(average / (1 - 0.5 ** (i + 1)), rel=1e-12)
    bare = find_learning_rate(network(), *digits, start=1e-5, end=1e-3, steps=20, smoothing=0)
    assert bare.losses.tolist() == bare.raw_losses.tolist() == raw.tolist()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_losses_are_those_of_a_training(digits, engine, optimizer):
    """The same rates as a schedule in fit: the mean of its step losses."""
    X, y = digits[0][:320], digits[1][:320]
    model = network(optimizer, engine, "float64")
    found = find_learning_rate(model, X, y, start=1e-4, end=1e-2, steps=10)
    other = network(optimizer, engine, "float64")
    other.optimizer.learning_rate = schedules.Exponential(1e-4, decay_steps=9, decay_rate=100)
    history = other.fit(X, y, verbose=0).history
    assert history["loss"][0] == pytest.approx(found.raw_losses.mean(), rel=1e-12)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_model_is_left_as_it_was(digits, engine):
    X, y = digits[0][:200], digits[1][:200]
    models = []
    for search in (False, True):
        model = network("adam", engine)
        model.add(Dropout(0.2))
        model.compile("adam", SPARSE)
        model.fit(X, y, verbose=0)
        state = pickle.dumps(model)
        if search:
            find_learning_rate(model, X, y)
            assert model.optimizer.learning_rate == 0.001 and model.iterations == 7
            assert pickle.dumps(model) == state
        model.fit(X, y, epochs=2, verbose=0)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)


def test_repeatable(digits):
    first, second = (find_learning_rate(network(), *digits) for _ in range(2))
    assert first.losses.tolist() == second.losses.tolist()


def test_few_samples_and_weights(rng):
    X, y = rng.normal(size=(7, 64)), rng.integers(0, 10, 7)
    found = find_learning_rate(network(), X, y, batch_size=100, steps=12, end=0.1)
    assert len(found.rates) == 12
    doubled = find_learning_rate(
        network(), X, y, batch_size=100, steps=12, start=1e-9, end=1e-8, sample_weight=[2.0] * 7
    )
    single = find_learning_rate(network(), X, y, batch_size=100, steps=12, start=1e-9, end=1e-8)
    np.testing.assert_allclose(doubled.losses, 2 * single.losses, rtol=1e-5)


def test_suggestions_by_hand():
    rates = 10.0 ** np.arange(-6, 4)
    losses = np.array([5.0, 5.1, 5.0, 4.9, 4.0, 3.0, 2.5, 2.4, 6.0, 9.0])
    found = RangeTest(rates, losses, losses)
    assert _longest_descent(losses) == (0, 7)  # 5.1 5.0 4.9 4.0 3.0 2.5 2.4 has 7 members and ends at place 7
    assert found.valley == found.suggestion == rates[0 + int(7 / 3) + int(7 / 6)]
    assert found.steepest == rates[4]  # from 4 to 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"start": 0}, "0 < start < end is needed, got start=0"),
        ({"start": 1, "end": 0.1}, "0 < start < end"),
        ({"steps": 5}, "steps must be 10 or more, got 5"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"smoothing": 1}, r"smoothing must lie in \[0, 1\), got 1"),
    ],
)
def test_bad_settings(digits, arguments, message):
    with pytest.raises(ValueError, match=message):
        find_learning_rate(network(), *digits, **arguments)


def test_bad_models_and_data(digits):
    with pytest.raises(fastnn.NotCompiledError, match="before find_learning_rate"):
        find_learning_rate(fastnn.Sequential([Input(64), Dense(10)]), *digits)
    with pytest.raises(ValueError, match="X has 10 rows but y has 9"):
        find_learning_rate(network(), digits[0][:10], digits[1][:9])
    model = fastnn.Sequential([Input(64), Dense(1)], rng=0)
    model.compile("sgd", "mse")
    with pytest.raises(ArithmeticError, match="begin at a lower rate"):
        find_learning_rate(model, 1e15 * digits[0], digits[1], start=1e5, end=1e9)
