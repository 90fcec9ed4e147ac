"""minimize: the optimizers on functions whose paths are known."""

import numpy as np
import pytest

import fastnn
from fastnn import optimizers, schedules
from fastnn.layers import Dense, Input
from fastnn.optimizers import SGD

OPTIMIZERS = [entry() for entry in optimizers.ENTRIES]


def square(x):
    return x**2


def slope(x):
    return 2 * x


def test_gradient_descent_by_hand():
    """x <- x - 0.1 * 2 x = 0.8 x."""
    path = fastnn.minimize(square, slope, 1.0, SGD(0.1), steps=20)
    np.testing.assert_allclose(path.x, 0.8 ** np.arange(21), rtol=1e-14)
    np.testing.assert_allclose(path.values, path.x**2)
    np.testing.assert_allclose(path.gradients, 2 * path.x[:-1])
    assert path.x.shape == path.values.shape == (21,) and len(path) == 21
    assert repr(path).startswith("<Path of 20 steps from 1 to 0.0001")


def test_momentum_by_hand():
    """v = -0.1 * 2 = -0.2, x = 0.8; v = -0.1 - 0.16 = -0.26, x = 0.54."""
    path = fastnn.minimize(square, slope, 1, SGD(0.1, momentum=0.5), steps=2)
    np.testing.assert_allclose(path.x, [1, 0.8, 0.54])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: one.name)
def test_every_optimizer_descends(optimizer):
    x, values = fastnn.minimize(lambda x: float(x @ x), slope, [1.0, -0.5], optimizer, steps=50)
    assert x.shape == (51, 2) and values.shape == (51,)
    assert values[-1] < values[0]
    assert x[0].tolist() == [1, -0.5]


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), optimizers.Adam(0.1), optimizers.Nadam(0.1)], ids=repr)
def test_same_path_as_training(optimizer):
    """One weight w, one sample x = 1, y = 0, without bias: the mean squared error is w^2."""
    model = fastnn.Sequential([Input(1), Dense(1, use_bias=False)], rng=0, dtype="float64")
    model.compile(optimizer, "mse")
    model.set_weights([[[2.0]]])
    trained = [2.0]
    for _ in range(20):
        model.fit([[1.0]], [0.0], verbose=0)
        trained.append(float(model.get_weights()[0][0, 0]))
    np.testing.assert_allclose(fastnn.minimize(square, slope, 2.0, optimizer, 20).x, trained, rtol=1e-10)


def test_differences_instead_of_a_gradient():
    def rosenbrock(x):
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    def gradient(x):
        return [-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)]

    exact = fastnn.minimize(rosenbrock, gradient, [-1.2, 1.0], optimizers.Adam(0.05), 300)
    near = fastnn.minimize(rosenbrock, None, [-1.2, 1.0], optimizers.Adam(0.05), 300)
    np.testing.assert_allclose(near.x, exact.x, atol=1e-6)
    np.testing.assert_allclose(near.gradients[:5], exact.gradients[:5], rtol=1e-7)
    assert exact.values[-1] < exact.values[0] / 10


def test_arrays_of_any_shape():
    path = fastnn.minimize(lambda x: (x * x).sum(), slope, np.ones((2, 3)), "sgd", 4)
    assert path.x.shape == (5, 2, 3) and path.gradients.shape == (4, 2, 3)
    assert fastnn.minimize(lambda x: x[0] ** 2, None, [1.0], "sgd", 4).x.shape == (5, 1)


def test_schedule_clipping_and_decay():
    rates = schedules.Piecewise([0], [0.5, 0.25])
    np.testing.assert_allclose(fastnn.minimize(square, slope, 1.0, SGD(rates), 2).x, [1, 0, 0])
    np.testing.assert_allclose(fastnn.minimize(square, slope, 1.0, SGD(lambda t: 0.25 / (t + 1)), 2).x, [1, 0.5, 0.375])
    np.testing.assert_allclose(fastnn.minimize(square, slope, 8.0, SGD(0.5, clipvalue=2.0), 2).x, [8, 7, 6])
    for name in ("clipnorm", "global_clipnorm"):
        path = fastnn.minimize(lambda x: x @ x, slope, [3.0, 4.0], SGD(1.0, **{name: 1.0}), 1)
        np.testing.assert_allclose(path.x[1], [2.4, 3.2])
        np.testing.assert_allclose(path.gradients[0], [6, 8])
    flat = fastnn.minimize(lambda x: 1.0, lambda x: 0.0, 1.0, SGD(0.5, weight_decay=0.2), 2)
    np.testing.assert_allclose(flat.x, [1, 0.9, 0.81])


def test_moving_average_takes_the_last_place():
    plain = fastnn.minimize(square, slope, 1.0, SGD(0.1), 3)
    average = fastnn.minimize(square, slope, 1.0, SGD(0.1, use_ema=True, ema_momentum=0.5), 3)
    np.testing.assert_allclose(average.x[:-1], plain.x[:-1])
    np.testing.assert_allclose(average.x[-1], 0.5 * (0.5 * 0.8 + 0.5 * 0.64) + 0.5 * 0.512)
    np.testing.assert_allclose(average.values[-1], average.x[-1] ** 2)


def test_a_schedule_that_follows_the_loss():
    """x = 1, -1, 1, -1 with the rate 1: two steps without progress, then the rate 1/4, x <- x / 2."""
    rate = schedules.Adaptive(1.0, factor=4)
    rate.update(0.0), rate.update(1.0), rate.update(1.0)  # from another run
    assert rate(0) == 0.25
    path = fastnn.minimize(square, slope, 1.0, SGD(rate), 6)
    np.testing.assert_allclose(path.x, [1, -1, 1, -1, -0.5, -0.25, -0.125])
    assert rate(0) == 0.25 and rate.best == 0  # the caller's is left alone
    path = fastnn.minimize(square, slope, 1.0, SGD(schedules.WarmUp(schedules.Adaptive(1.0, factor=4), 1)), 4)
    np.testing.assert_allclose(path.x, [1, 1, -1, 1, 0.5])


@pytest.mark.parametrize("use_ema", [False, True])
def test_a_schedule_ends_the_path(use_ema):
    """Progress never comes: the rate falls once, to the least, and two steps later the path ends."""
    rule = SGD(schedules.Adaptive(0.5, factor=2, least=0.25), use_ema=use_ema, ema_momentum=0.5)
    path = fastnn.minimize(lambda x: 1.0, lambda x: [1.0, 0.0], [0.0, 0.0], rule, 100)
    x = [0, -0.5, -1, -1.5, -1.75, -2]
    average = 0.0
    for step, point in enumerate(x[1:]):
        average = point if step == 0 else 0.5 * average + 0.5 * point
    np.testing.assert_allclose(path.x[:, 0], [*x[:-1], average if use_ema else x[-1]])
    assert path.x.shape == (6, 2) and path.values.shape == (6,) and path.gradients.shape == (5, 2)
    assert repr(path).startswith("<Path of 5 steps")


def test_divergence_stays_visible():
    path = fastnn.minimize(square, slope, 1.0, SGD(100.0), 300)
    assert path.values[1] > 1e4 and not np.isfinite(path.values[-1])


def test_no_steps():
    path = fastnn.minimize(square, slope, 3.0, "adam", 0)
    assert path.x.tolist() == [3] and path.values.tolist() == [9] and path.gradients.shape == (0,)


def test_inputs_are_left_alone():
    start = np.array([1.0, 2.0])
    optimizer = optimizers.Adam(0.1)

    def vandal(x):
        x[:] = 7
        return 0.0

    path = fastnn.minimize(vandal, lambda x: np.zeros(2), start, optimizer, 3)
    assert start.tolist() == [1, 2] and (path.x == start).all()
    assert optimizer == optimizers.Adam(0.1)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((3,), TypeError, "f must be a function"),
        ((square, 1.0), TypeError, "gradient must be a function.*write x0="),
        ((square, slope), TypeError, "needs a starting point"),
        ((square, slope, "zero"), TypeError, "x0 must be a number"),
        ((square, slope, []), TypeError, "x0 must be a number or an array"),
        ((square, slope, [1.0, np.nan]), ValueError, "x0 must be finite"),
        ((square, slope, 1.0, "sdg"), ValueError, "did you mean 'sgd'"),
        ((square, slope, 1.0, "sgd", -1), ValueError, "steps must be 0 or more, got -1"),
        ((square, slope, 1.0, "sgd", 2.5), TypeError, r"steps must be a whole number, got 2\.5"),
        ((square, slope, [1.0, 2.0], "sgd", 1), ValueError, "f must return one number"),
        ((lambda x: x @ x, lambda x: 2 * x[:1], [1.0, 2.0]), ValueError, r"shape of x0, \(2,\), got \(1,\)"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        fastnn.minimize(*arguments)
