"""L-BFGS: minima that are known, both types and engines, and what a stopped training leaves behind."""

import numpy as np
import pytest
from numerics import eps

import fastnn
from fastnn import DivergenceError
from fastnn.layers import BatchNormalization, Dense, Dropout, GaussianNoise, Input, LayerNormalization
from fastnn.lbfgs import fit_lbfgs, parameter_indices

optimize = pytest.importorskip("scipy.optimize")


def build(*layers, loss="mse", inputs=3, dtype="float64", engine="compiled"):
    model = fastnn.Sequential([Input(inputs), *layers], rng=0, dtype=dtype, engine=engine)
    model.compile("sgd", loss)
    return model


def problem(rng, n=60):
    X = rng.normal(size=(n, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2]


def rounding(dtype, y, loss):
    """Relative error of a mean squared error whose outputs, sums of at most 17 terms in two layers, are rounded."""
    return 2 * (2 * 17) * eps(dtype) * np.sqrt((y * y).mean() / loss)


def padding(model):
    """What stands in the arena beside the weights."""
    numbers = np.arange(model.program.size)
    used = [array.ravel() for op in model.program.steps for array in model.program.read(numbers, op)[: len(op.shapes)]]
    return np.delete(model.arena[0], np.concatenate(used))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_linear_regression_finds_the_least_squares(rng, engine):
    X = rng.normal(size=(50, 3))
    y = X @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.normal(size=50)
    model = build(Dense(1), engine=engine)
    result = fit_lbfgs(model, X, y, tol=1e-10)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(50)]), y, rcond=None)[0]
    W, b = model.get_weights()
    np.testing.assert_allclose([*W[:, 0], *b], expected, rtol=1e-7)
    assert result.converged and result.iterations < 30 and result.evaluations >= result.iterations
    assert result.loss == result.losses[-1] == pytest.approx(model.evaluate(X, y))
    assert result.history == {"loss": result.losses} and "LBFGSResult after" in repr(result)


def test_weights_of_samples_count(rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    twice = build(Dense(1))
    fit_lbfgs(twice, np.vstack([X, X[:5]]), np.concatenate([y, y[:5]]), tol=1e-10)
    weighted = build(Dense(1))
    fit_lbfgs(weighted, X, y, tol=1e-10, sample_weight=np.repeat([2.0, 1.0], [5, 15]))
    for a, b in zip(twice.get_weights(), weighted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_penalties_count(rng):
    """Ridge regression without bias: (X^T X / n + l I) w = X^T y / n."""
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    model = build(Dense(1, use_bias=False, kernel_regularizer=fastnn.layers.dense.resolve("regularizer", "l2", object)))
    penalty = model.layers[0].kernel_regularizer.l2
    fit_lbfgs(model, X, y, tol=1e-12)
    expected = np.linalg.solve(X.T @ X / 30 + penalty * np.eye(3), X.T @ y / 30)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_learn_and_losses_fall(rng, dtype):
    X, y = problem(rng)
    model = build(Dense(17, "tanh"), Dense(1), dtype=dtype)
    before = model.evaluate(X, y)
    result = fit_lbfgs(model, X, y, max_iter=300, tol=1e-6)
    assert result.loss < 0.01 * before
    assert (np.diff(result.losses) <= 0).all()
    assert model.evaluate(X, y) == pytest.approx(result.loss, rel=rounding(dtype, y, result.loss))
    assert not padding(model).any() and model.arena.dtype == dtype
    assert model.iterations == 0
    model.fit(X, y, verbose=0)  # goes on as if nothing had been


def test_only_parameters_are_variables():
    model = build(Dense(5, use_bias=False), BatchNormalization(), LayerNormalization(), Dense(19))
    at = parameter_indices(model.program)
    assert len(at) == 3 * 5 + 2 * 5 + 2 * 5 + 5 * 19 + 19 == len(set(at.tolist()))
    model.arena[0][at] = 7
    W, gamma, beta, mean, variance, *rest = model.get_weights()
    assert (W == 7).all() and (gamma == 7).all() and (beta == 7).all()
    assert (mean == 0).all() and (variance == 1).all() and all((array == 7).all() for array in rest)
    assert not padding(model).any()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_normalization_gets_the_statistics_of_all_rows(rng, engine, dtype):
    X, y = problem(rng)
    model = build(Dense(6, "tanh"), BatchNormalization(), Dense(1), engine=engine, dtype=dtype)
    result = fit_lbfgs(model, 3 * X + 1, y, max_iter=40)
    within = rounding(dtype, y, result.loss)
    assert model.evaluate(3 * X + 1, y) == pytest.approx(result.loss, rel=within)  # inference now equals training


@pytest.mark.parametrize("loss, last", [("sparse_categorical_crossentropy", "softmax"), ("hinge", "tanh")])
def test_classification(rng, loss, last):
    X, _ = problem(rng)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0) * (last == "softmax")
    model = build(Dense(8, "tanh"), Dense(3 if last == "softmax" else 1, last), loss=loss)
    before = model.evaluate(X, y)
    assert fit_lbfgs(model, X, y, max_iter=50).loss < before / 2


def test_callback_sees_and_stops(rng):
    X, y = problem(rng)
    seen = []
    model = build(Dense(8, "tanh"), Dense(1))

    def callback(iteration, loss):
        seen.append((iteration, loss))
        return iteration == 5

    result = fit_lbfgs(model, X, y, callback=callback)
    assert [iteration for iteration, _ in seen] == [1, 2, 3, 4, 5]
    assert [loss for _, loss in seen] == result.losses
    assert result.message == "stopped by the callback" and not result.converged
    assert model.evaluate(X, y) == pytest.approx(result.loss, rel=1e-12)
    assert fit_lbfgs(build(Dense(8, "tanh"), Dense(1)), X, y, max_iter=3).iterations == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_error_leaves_the_last_finished_iteration(rng, error):
    X, y = problem(rng)
    model = build(Dense(8, "tanh"), Dense(1))
    losses = []

    def callback(iteration, loss):
        losses.append(loss)
        if iteration == 4:
            raise error

    with pytest.raises(error):
        fit_lbfgs(model, X, y, callback=callback)
    assert model.evaluate(X, y) == pytest.approx(losses[-1], rel=1e-12)
    model.fit(X, y, verbose=0)  # no lock is left


def test_a_cliff_is_no_end(rng):
    """The first trial step of a steep loss overflows float32; the line search turns back."""
    X = 1000 * rng.normal(size=(40, 3))
    y = np.exp(X @ [1e-3, 0, 0])
    model = build(Dense(1, "exponential"), dtype="float32")
    model.set_weights([np.zeros((3, 1)), [0.0]])
    before = model.evaluate(X, y)
    result = fit_lbfgs(model, X, y, max_iter=100)
    assert np.isfinite(result.losses).all() and result.loss < before
    assert np.isfinite(model.predict(X)).all()


def test_a_start_that_is_not_finite(rng):
    X, y = problem(rng)
    model = build(Dense(1, "exponential"))
    model.set_weights([np.full((3, 1), 1e4), [0.0]])
    with pytest.raises(fastnn.DivergenceError, match="not finite at the starting weights"):
        fit_lbfgs(model, X, y)
    assert (model.get_weights()[0] == 1e4).all()


def test_same_bits_for_any_number_of_threads(rng):
    X, y = rng.normal(size=(4000, 3)), rng.normal(size=4000)
    before = fastnn.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            fastnn.set_num_threads(threads)
            model = build(Dense(64, "tanh"), Dense(64, "tanh"), Dense(1), dtype="float32")
            results.append(fit_lbfgs(model, X, y, max_iter=5).losses)
    finally:
        fastnn.set_num_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "layers, arguments, error, message",
    [
        ([Dropout(0.5), Dense(1)], {}, ValueError, "'dropout' draws random numbers"),
        ([GaussianNoise(0.5), Dense(1)], {}, ValueError, "draws random numbers"),
        ([Dense(1, kernel_constraint="max_norm")], {}, ValueError, "has a kernel constraint"),
        ([Dense(1)], {"max_iter": 0}, ValueError, "max_iter must be 1 or more, got 0"),
        ([Dense(1)], {"tol": -1}, ValueError, "tol must be a finite number"),
        ([Dense(1)], {"callback": 3}, TypeError, "callback must be a function"),
        ([Dense(1)], {"sample_weight": [1.0]}, ValueError, "sample_weight has shape"),
    ],
)
def test_bad_input(layers, arguments, error, message):
    with pytest.raises(error, match=message):
        fit_lbfgs(build(*layers), np.ones((4, 3)), np.ones(4), **arguments)


def test_bad_data():
    with pytest.raises(ValueError, match="X has 4 rows but y has 3"):
        fit_lbfgs(build(Dense(1)), np.ones((4, 3)), np.ones(3))
    with pytest.raises(fastnn.NotCompiledError, match="before fit_lbfgs"):
        fit_lbfgs(fastnn.Sequential([Input(3), Dense(1)]), np.ones((4, 3)), np.ones(4))


def test_scipy_is_asked_for_by_name(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match="fit_lbfgs needs SciPy: pip install scipy"):
        fit_lbfgs(build(Dense(1)), np.ones((4, 3)), np.ones(4))


def test_a_start_that_fails_leaves_the_moving_statistics(rng):
    model = build(Dense(6, "exponential"), BatchNormalization(), Dense(1))
    before = model.arena.copy()
    with pytest.raises(DivergenceError):
        fit_lbfgs(model, rng.normal(size=(20, 3)) * 1e6, rng.normal(size=20))
    assert np.array_equal(model.arena, before)
