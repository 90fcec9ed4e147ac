"""Long sums, numbers far from zero, large squares: as exact as the number format allows, in both engines."""

import numpy as np
import pytest

import fastnn
from fastnn.basics import backend
from fastnn.engine.source import Source
from fastnn.layers import BatchNormalization, Dense, Input, LayerNormalization
from fastnn.optimizers import SGD

ENGINES = ("compiled", "reference")
DTYPES = ("float32", "float64")
ROWS = 1_000_000


def normalizer(columns, dtype, engine, **settings):
    """Batch normalization of the input, then a dense layer that leaves it alone."""
    layers = [Input(columns), BatchNormalization(momentum=0.0, **settings), Dense(1)]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(SGD(0.0), "mse")
    return model


FAR = {
    "300 +- 5": lambda rng: rng.normal(300, 5, ROWS),
    "years": lambda rng: rng.integers(1900, 2021, ROWS),
    "seconds since 1970": lambda rng: rng.uniform(1.7e9, 1.7e9 + 1e6, ROWS),
    "one outlier first": lambda rng: np.r_[1e6, rng.normal(0, 1, ROWS - 1)],
    "rising": lambda rng: np.linspace(0, 1000, ROWS),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 2])
def test_moments_of_a_million_rows_far_from_zero(rng, dtype, engine, columns):
    """Moving mean and variance (momentum 0: those of the batch) beside NumPy's of the same numbers in long double."""
    eps = np.finfo(dtype).eps
    for name, draw in FAR.items():
        values = draw(rng).astype(dtype)
        x = np.column_stack([values, values[::-1]])[:, :columns].copy()
        model = normalizer(columns, dtype, engine)
        model.fit(x, np.zeros(ROWS), batch_size="all")
        mean, variance = model.get_weights()[2:4]
        right = x.T.astype(np.longdouble)
        np.testing.assert_allclose(mean, right.mean(1), rtol=4 * eps, err_msg=name)
        np.testing.assert_allclose(variance, right.var(1), rtol=40 * eps, err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [1e6, 0.1, 1e6 + 0.1, 16777217.0, -1e-30, 1e30])
@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 1000, 1003])
def test_equal_values_have_mean_themselves_and_no_variance(n, value, dtype, engine):
    x = np.full((n, n), value, dtype=dtype)
    layered = fastnn.Sequential([Input(n), LayerNormalization(), Dense(1)], rng=0, dtype=dtype, engine=engine)
    W = [np.ones(n), np.zeros(n), np.ones((n, 1)), np.zeros(1)]
    layered.set_weights(W)
    np.testing.assert_array_equal(layered.predict(x), 0)
    batched = normalizer(n, dtype, engine)
    batched.fit(x, np.zeros(n), batch_size="all")
    np.testing.assert_array_equal(batched.get_weights()[2], x[0])
    np.testing.assert_array_equal(batched.get_weights()[3], 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_of_a_million_rows(rng, engine):
    """gamma, beta, bias and loss against the same program in float64."""
    x, y = rng.normal(1000, 1, (ROWS, 3)), rng.normal(size=(ROWS, 1)) + 3
    found = {}
    for dtype, kind in (("float32", engine), ("float64", "reference")):
        layers = [Input(3), LayerNormalization(epsilon=0.1), BatchNormalization(), Dense(1)]
        model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=kind)
        model.compile("sgd", "mse")
        source = model.door.features(x.astype(np.float32))
        target = model.door.targets(y.astype(np.float32))
        loss, row = model.engine.gradient(source, target, None)
        found[dtype] = [np.array([loss])]
        for op in model.program.steps:
            found[dtype] += model.program.read(row, op)
    for rough, right in zip(found["float32"], found["float64"], strict=True):
        np.testing.assert_allclose(rough, right, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums_of_the_core(rng, dtype):
    """The gradients of kernel and bias: numbers whose sum, one after another, would lose five digits."""
    core = backend.core(dtype)
    eps, width = np.finfo(dtype).eps, core.PANEL_WIDTH
    for rows in (1, 63, 64, 65, 127, 129, 1023, 1025, 2049, 100_000):
        D = (300 + rng.normal(size=(1, rows, width))).astype(dtype)
        G = np.zeros((1, 2, width), dtype=dtype)
        core.weight_gradient(np.ones((1, rows, width), dtype=dtype), D, 1, G, width)
        right = D.astype(np.longdouble).sum(1)[0].astype(dtype)
        np.testing.assert_allclose(G[0, 1], right, rtol=4 * eps)
        np.testing.assert_allclose(G[0, 0], right, rtol=40 * eps)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype, large", [("float32", 1e20), ("float32", 1e37), ("float64", 1e20), ("float64", 1e200)])
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_clipping_of_a_gradient_whose_square_is_infinite(clip, dtype, large, engine):
    """The step has the allowed length, in the direction of the gradient."""
    model = fastnn.Sequential([Input(2), Dense(1, use_bias=False)], rng=0, dtype=dtype, engine=engine)
    model.compile(SGD(1.0, **{clip: 0.5}), "mae")
    model.set_weights([np.zeros((2, 1))])
    model.fit([[3 * large, 4 * large]], [1.0], batch_size=1)
    np.testing.assert_allclose(model.get_weights()[0].ravel(), [0.3, 0.4], rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype, large", [("float32", 1e20), ("float32", 1e38), ("float64", 1e200)])
def test_max_norm_of_weights_whose_square_is_infinite(dtype, large, engine):
    layers = [Input(3), Dense(2, use_bias=False, kernel_constraint=fastnn.constraints.MaxNorm(1.0))]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(SGD(0.0), "mae")
    model.set_weights([np.array([[2 * large, 0.1], [1 * large, 0.2], [2 * large, 0.2]])])
    model.fit(np.zeros((1, 3)), np.zeros((1, 2)), batch_size=1)
    right = np.array([[2 / 3, 0.1], [1 / 3, 0.2], [2 / 3, 0.2]])
    np.testing.assert_allclose(model.get_weights()[0], right, rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_penalties_are_squared_in_double(engine):
    """Of weights and activations, in training and evaluation: 1e-20 (1e20)^2 = 1e20, where float32 has infinity."""
    l2 = fastnn.regularizers.L2(1e-20)
    for settings in ({"kernel_regularizer": l2}, {"activity_regularizer": l2}, {"bias_regularizer": l2}):
        model = fastnn.Sequential([Input(1), Dense(1, **settings)], rng=0, engine=engine)
        model.compile(SGD(0.0), "mae")
        model.set_weights([np.array([[1e20]]), np.array([1e20 if "bias_regularizer" in settings else 0])])
        x, y = np.ones((1, 1)), np.ones((1, 1))
        y *= model.predict(x)
        assert model.fit(x, y).history["loss"][0] == pytest.approx(1e20)
        assert model.evaluate(x, y) == pytest.approx(1e20)


def test_minimize_clips_a_gradient_whose_square_is_infinite():
    found = fastnn.minimize(
        lambda w: 1e200 * w[0], lambda w: np.array([1e200]), x0=[1.0], optimizer=SGD(1.0, clipnorm=0.5), steps=1
    )
    assert found.x[-1] == pytest.approx([0.5])


@pytest.mark.parametrize("loss", ["mse", "mae", "poisson"])
def test_losses_of_many_outputs(loss):
    """The mean over the numbers of a large map, and its gradient, as exact as over few: float32 beside float64."""
    numbers = np.random.default_rng(0)
    X = (300 + numbers.normal(size=(1, 512, 512, 2))).astype(np.float32)
    Y = numbers.integers(0, 2, X.shape).astype(np.float32)
    found = []
    for dtype in ("float32", "float64"):
        model = fastnn.Sequential([Input(X.shape[1:]), Dense(2, kernel_initializer="identity")], rng=0, dtype=dtype)
        model.compile("sgd", loss)
        _, gradient = model.network.gradient(Source(X), Source(Y.reshape(1, -1)), None)
        found.append((model.evaluate(X, Y), np.concatenate([g.ravel() for g in model.program.shown(gradient)])))
    (value, gradient), (right, slope) = found
    assert abs(value / right - 1) < 1e-5
    assert abs(gradient - slope).max() < 1e-5 * abs(slope).max()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(40,), (14, 14, 3)])
def test_moving_averages_far_from_zero_do_not_drift(rng, engine, shape):
    """Three roundings in each step added up to 6e-4 after 320 steps; one stays below a third of that."""
    X, y = 300 + rng.standard_normal((64, *shape)), np.zeros((64, *shape))
    means = {}
    for dtype in ("float32", "float64"):
        model = fastnn.Sequential([Input(shape), BatchNormalization()], rng=0, dtype=dtype, engine=engine)
        model.compile(SGD(0.0), "mse")
        model.fit(X, y, batch_size=8, epochs=40, shuffle=False, verbose=0)
        means[dtype] = model.get_weights()[2]
    assert np.abs(means["float32"] - means["float64"]).max() < 2.2e-4
