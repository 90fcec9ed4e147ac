"""fit: history, sample weights, determinism, verbosity, and problems that must be learnt."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn import datasets, optimizers
from fastnn.basics import backend
from fastnn.layers import Dense, Input
from fastnn.training import pace

ENGINES = ["compiled", "reference"]
SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


def regression(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)), rng.normal(size=(n, 2))


def small(optimizer="adam", loss="mse", engine="compiled", dtype="float64", seed=0):
    model = fastnn.Sequential([Input(6), Dense(9, "tanh"), Dense(2)], rng=seed, dtype=dtype, engine=engine)
    model.compile(optimizer, loss)
    return model


def assert_same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close_weights(first, second, tolerance=1e-12):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# -- history -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_history_has_every_name_for_every_epoch(engine):
    X, y = datasets.digits()
    model = fastnn.Sequential([Input(64), Dense(20, "relu"), Dense(10, "softmax")], rng=0, engine=engine)
    model.compile("adam", SPARSE, metrics=["accuracy"])
    history = model.fit(X[:300], y[:300], epochs=4, validation_data=(X[300:400], y[300:400]))
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == [0, 1, 2, 3]
    assert all(len(values) == 4 and np.isfinite(values).all() for values in history.history.values())
    assert all(isinstance(value, float) for values in history.history.values() for value in values)
    assert model.history is history
    last = [history.history["val_loss"][-1], history.history["val_accuracy"][-1]]
    assert model.evaluate(X[300:400], y[300:400]) == pytest.approx(last, rel=1e-6)
    json.dumps(history.history)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 7, 30, 31])
def test_epoch_loss_is_the_mean_over_samples(engine, batch):
    """At rate 0 an epoch visits every row once, in any order: its loss and accuracy are those of evaluate."""
    X, _ = regression()
    model = fastnn.Sequential([Input(6), Dense(3, "softmax")], rng=0, dtype="float64", engine=engine)
    model.compile(optimizers.SGD(0.0), SPARSE, ["accuracy"])
    labels = np.arange(30) % 3
    weights = np.random.default_rng(1).random(30)
    history = model.fit(X, labels, batch_size=batch, sample_weight=weights).history
    loss, accuracy = model.evaluate(X, labels, sample_weight=weights)
    assert history["loss"][0] == pytest.approx(loss, rel=1e-13)
    assert history["accuracy"][0] == accuracy


def test_validation_with_sample_weights():
    X, Y = regression()
    w = np.arange(30) / 7
    model = small()
    history = model.fit(X, Y, validation_data=(X, Y, w)).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X, Y, sample_weight=w), rel=1e-13)


def test_validation_does_not_influence_training():
    X, Y = regression()
    models = [small(), small()]
    models[0].fit(X, Y, epochs=3)
    models[1].fit(X, Y, epochs=3, validation_data=regression(seed=4))
    assert_same_weights(*models)


def test_metrics_do_not_influence_training():
    X, Y = regression()
    models = [small(), small()]
    models[1].compile("adam", "mse", ["mse", "r2"])
    for model in models:
        model.fit(X, Y, epochs=3)
    assert_same_weights(*models)


def test_iterations_count_steps():
    X, Y = regression()
    model = small()
    model.fit(X, Y, batch_size=7, epochs=3)
    assert model.iterations == 15


# -- sample weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "categorical_crossentropy", SPARSE])
def test_weight_two_is_the_row_twice(engine, loss):
    """The loss is sum w_i L_i / n: with n rows instead of n + k, the same step needs a rate smaller by n / (n + k)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 6))
    y = rng.integers(0, 2, 12) if loss == SPARSE else np.eye(2)[rng.integers(0, 2, 12)]
    times = rng.integers(0, 4, 12)  # zero as well: the row is not there
    total = int(times.sum())
    activation = "sigmoid" if loss == "binary_crossentropy" else "softmax"
    models = []
    for rate, x, t, w in (
        (0.3 * 12 / total, X, y, times),
        (0.3, np.repeat(X, times, axis=0), np.repeat(y, times, axis=0), None),
    ):
        model = fastnn.Sequential(
            [Input(6), Dense(9, "tanh"), Dense(2, activation)], rng=0, dtype="float64", engine=engine
        )
        model.compile(optimizers.SGD(rate, momentum=0.5), loss)
        losses = model.fit(x, t, batch_size=100, epochs=5, sample_weight=w, shuffle=False).history["loss"]
        models.append((model, np.array(losses) * len(x)))
    assert_close_weights(models[0][0], models[1][0])
    np.testing.assert_allclose(models[0][1], models[1][1], rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_weight_zero_removes_all_influence(engine):
    X, Y = regression()
    w = np.arange(30) % 3 / 2
    other_X, other_Y = X.copy(), Y.copy()
    other_X[w == 0], other_Y[w == 0] = 1e3, -1e3
    models = [small(engine=engine), small(engine=engine)]
    first = models[0].fit(X, Y, batch_size=4, epochs=3, sample_weight=w).history
    second = models[1].fit(other_X, other_Y, batch_size=4, epochs=3, sample_weight=w).history
    assert_same_weights(*models)
    assert first == second


def test_weights_of_one_change_nothing():
    X, Y = regression()
    models = [small(), small()]
    models[0].fit(X, Y, batch_size=7, epochs=2)
    models[1].fit(X, Y, batch_size=7, epochs=2, sample_weight=np.ones(30))
    assert_same_weights(*models)


def test_a_batch_of_weight_zero_is_no_gradient():
    X, Y = regression()
    model = small(optimizers.SGD(0.5))
    before = model.get_weights()
    assert model.fit(X, Y, sample_weight=np.zeros(30)).history["loss"] == [0.0]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_weight_of_zero_does_not_hide_an_infinite_loss(engine, dtype):
    """0 times infinity is NaN, in Keras too: what overflows stays visible."""
    model = fastnn.Sequential([Input(1), Dense(1, use_bias=False)], dtype=dtype, engine=engine)
    model.compile("sgd", "mse")
    model.set_weights([[[np.sqrt(np.finfo(dtype).max) * 2]]])
    X, y = np.array([[1.0], [0.0]]), np.ones((2, 1))
    for weights, right in (([1, 1], np.inf), ([2, 0], np.inf), ([0, 1], np.nan), ([0, 0], np.nan)):
        for batch in (2, 1):
            found = model.evaluate(X, y, sample_weight=np.array(weights), batch_size=batch)
            np.testing.assert_equal(found, right)
    with pytest.raises(fastnn.DivergenceError):
        model.fit(X, y, sample_weight=np.array([0, 1]))


@pytest.mark.parametrize("engine", ENGINES)
def test_metrics_ignore_sample_weights(engine):
    model = fastnn.Sequential([Input(3), Dense(3, "softmax")], engine=engine)
    model.set_weights([np.eye(3), np.zeros(3)])
    model.compile(optimizers.SGD(0.0), SPARSE, ["accuracy"])
    X, y, w = np.eye(3)[[0, 1, 2, 0]], [0, 1, 2, 1], [0, 0, 0, 9]
    assert model.evaluate(X, y, sample_weight=w)[1] == 0.75
    history = model.fit(X, y, sample_weight=w, validation_data=(X, y, w)).history
    assert history["accuracy"] == history["val_accuracy"] == [0.75]


# -- order -------------------------------------------------------------------------------------------------------------


def test_shuffle_depends_on_the_seed_and_the_epoch():
    X, Y = regression()

    def order(seed, epochs):
        """The order of the last epoch, from losses of batches of one at rate 0."""
        model = small(optimizers.SGD(0.0), seed=seed)
        return [model.network.next_order(30, True).tolist() for _ in range(epochs)][-1]

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2, 3)}) == 6
    assert all(sorted(order(seed, 2)) == list(range(30)) for seed in range(5))
    a, b = small(), small()
    a.fit(X, Y, batch_size=5, shuffle=True)
    b.fit(X, Y, batch_size=5, shuffle=False)
    assert not np.array_equal(a.get_weights()[0], b.get_weights()[0])


def test_without_shuffle_the_rows_come_as_they_lie():
    X, Y = regression()
    a, b = small(), small()
    a.fit(X, Y, batch_size=5, shuffle=False)
    for first in range(0, 30, 5):
        b.fit(X[first : first + 5], Y[first : first + 5], batch_size=5, shuffle=False)
    assert_same_weights(a, b)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", optimizers.SGD(0.01, momentum=0.9, nesterov=True)])
def test_two_fits_are_one(engine, optimizer):
    X, Y = regression()
    a, b = small(optimizer, engine=engine), small(optimizer, engine=engine)
    losses = a.fit(X, Y, batch_size=7, epochs=4).history["loss"]
    parts = [b.fit(X, Y, batch_size=7, epochs=epochs).history["loss"] for epochs in (1, 3)]
    assert_same_weights(a, b)
    assert losses == parts[0] + parts[1]


def test_engines_agree():
    X, Y = regression()
    models = [small(engine=engine) for engine in ENGINES]
    losses = [model.fit(X, Y, batch_size=7, epochs=5).history["loss"] for model in models]
    assert_close_weights(*models)
    np.testing.assert_allclose(*losses, rtol=1e-12)


# -- the same bits -----------------------------------------------------------------------------------------------------


def run(layers, X, y, batch, threads, epochs=2, dtype="float32"):
    """Everything that a run leaves, with so many threads."""
    fastnn.set_num_threads(threads)
    model = fastnn.Sequential(layers(), rng=0, dtype=dtype)
    model.compile("adam", SPARSE, ["accuracy"])
    history = model.fit(X, y, batch_size=batch, epochs=epochs, validation_data=(X[:50], y[:50])).history
    return [*history.values(), *model.get_weights(), model.arena, model.predict(X)]


def assert_same_run(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_and_two_threads_large(dtype):
    def layers():
        return [Input(784), Dense(300, "relu"), Dense(101, "softmax"), Dense(67, "tanh"), Dense(10, "softmax")]

    rng = np.random.default_rng(0)
    X, y = rng.random((700, 784), dtype=np.float32), rng.integers(0, 10, 700)
    fastnn.set_num_threads(2)
    flops = 6 * (784 * 300 + 300 * 101 + 101 * 67 + 67 * 10)
    assert backend.threads_for(flops * 64 / 2) == 2  # two threads are really used
    assert_same_run(run(layers, X, y, 64, 1, dtype=dtype), run(layers, X, y, 64, 2, dtype=dtype))


@pytest.mark.parametrize("threads", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("batch", [1, 13])
def test_many_threads_tiny(monkeypatch, threads, batch):
    """More threads than units of work: some have nothing to do."""

    def layers():
        return [Input(5), Dense(33, "relu"), Dense(17, "softmax"), Dense(3, "softmax")]

    monkeypatch.setattr(backend, "FLOPS_PER_THREAD", 1)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    n = 10 if batch == 1 else 60
    assert_same_run(run(layers, X[:n], y[:n], batch, 1), run(layers, X[:n], y[:n], batch, threads))


@pytest.mark.parametrize("engine", ENGINES)
def test_small_pieces_give_the_same_weights(monkeypatch, engine):
    X, Y = regression(211)
    models = [small(engine=engine), small(engine=engine)]
    models[0].fit(X, Y, batch_size=2, epochs=3)
    monkeypatch.setattr(pace, "SLICE", 1e-9)
    models[1].fit(X, Y, batch_size=2, epochs=3)
    assert_same_weights(*models)
    assert models[0].iterations == models[1].iterations


def test_small_pieces_give_the_same_history(monkeypatch):
    """The size of a piece follows the clock, so that the history must not follow the pieces."""
    X, Y = regression(1009)
    models = [small(), small()]
    for model in models:
        model.compile("adam", "mse", ["mse", "r2"])
    first = models[0].fit(X, Y, batch_size=2, epochs=5).history
    monkeypatch.setattr(pace, "SLICE", 1e-9)
    second = models[1].fit(X, Y, batch_size=2, epochs=5).history
    assert first == second


@pytest.mark.parametrize("n", [1, 2, 97, 400])
def test_predict_with_many_threads(monkeypatch, n):
    model = fastnn.Sequential([Input(50), Dense(70, "relu"), Dense(20, "softmax")], rng=0)
    X = np.random.default_rng(0).normal(size=(n, 50)).astype(np.float32)
    fastnn.set_num_threads(1)
    alone = model.predict(X)
    monkeypatch.setattr(backend, "FLOPS_PER_THREAD", 1)
    for threads in (2, 3, 7):
        fastnn.set_num_threads(threads)
        assert np.array_equal(model.predict(X), alone)
        big = np.concatenate([X] * 5)
        assert np.array_equal(model.predict(big), np.concatenate([alone] * 5))


SCRIPT = """
import hashlib, numpy as np, fastnn
from fastnn.layers import Input, Dense
X, y = fastnn.datasets.digits()
model = fastnn.Sequential([Input(64), Dense(200, "relu"), Dense(100, "tanh"), Dense(10, "softmax")], rng=5)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(X, y, epochs=2, validation_data=(X[:100], y[:100])).history
digest = hashlib.sha256(repr(history).encode() + model.predict(X).tobytes())
for w in model.get_weights():
    digest.update(w.tobytes())
print(digest.hexdigest())
"""


def test_a_run_is_repeated_in_other_processes():
    def digest(threads):
        environment = os.environ | {"FASTNN_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(threads)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    first = digest(1)
    assert len(first) == len(hashlib.sha256().hexdigest())
    assert {digest(1), digest(2)} == {first}


# -- what is printed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verbose", [0, "auto"])
def test_silence(capsys, verbose):
    small().fit(*regression(), epochs=2, verbose=verbose)
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_line_for_each_epoch(capsys, verbose):
    history = small().fit(*regression(), epochs=3, verbose=verbose, validation_data=regression(seed=2)).history
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for i, line in enumerate(lines):
        assert f"Epoch {i + 1}/3" in line
        assert f"loss: {history['loss'][i]:.4f} - val_loss: {history['val_loss'][i]:.4f}" in line


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    small().fit(*regression(), epochs=2, verbose=1)
    out = capsys.readouterr().out
    assert "30/30" in out and "\r" in out and out.count("\n") == 2


# -- problems ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gate", ["and", "or", "xor"])
def test_gates_are_learnt_exactly(gate, seed, engine):
    X, y = datasets.gate(gate)
    model = fastnn.Sequential([Input(2), Dense(8, "tanh"), Dense(1, "sigmoid")], rng=seed, engine=engine)
    model.compile(optimizers.Adam(0.1), "binary_crossentropy", ["accuracy"])
    history = model.fit(X, y, batch_size=4, epochs=150).history
    assert np.array_equal(model.predict(X).ravel().round(), y)
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.05


def test_digits_are_learnt():
    X, y = datasets.digits()
    model = fastnn.Sequential([Input(64), Dense(64, "relu"), Dense(32, "relu"), Dense(10, "softmax")], rng=0)
    model.compile("adam", SPARSE, ["accuracy"])
    history = model.fit(X[:1400], y[:1400], epochs=30, validation_data=(X[1400:], y[1400:])).history
    assert history["accuracy"][-1] > 0.99
    assert history["val_accuracy"][-1] > 0.9


def test_a_line_is_fitted():
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = fastnn.Sequential([Input(3), Dense(1)], rng=0, dtype="float64")
    model.compile(optimizers.SGD(0.1), "mse")
    model.fit(X, X @ [1.0, -2.0, 3.0] + 4, epochs=40)
    W, b = model.get_weights()
    np.testing.assert_allclose([*W.ravel(), *b], [1, -2, 3, 4], atol=1e-8)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", optimizers.SGD(0.01, momentum=0.9)])
def test_every_optimizer_lowers_the_loss(optimizer):
    X, y = datasets.moons(300, noise=0.1, rng=0)
    model = fastnn.Sequential([Input(2), Dense(16, "relu"), Dense(2, "softmax")], rng=0)
    model.compile(optimizer, SPARSE)
    losses = model.fit(X, y, batch_size=10, epochs=10).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
