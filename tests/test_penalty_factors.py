"""``run_steps`` and ``gradient`` with a factor of the weights' penalties in each step."""

import numpy as np
import pytest

from fastnn.engine.network import Network
from fastnn.engine.program import lower
from fastnn.engine.source import Source
from fastnn.layers import Dense, Input
from fastnn.losses import FromFunction, MeanSquaredError
from fastnn.optimizers import Adam
from fastnn.regularizers import L1L2

FACTORS = [1.0, 0.0, 0.25, 3.0]


def network(engine, dtype, loss=None, penalty=1.0):
    regularizer = L1L2(0.01 * penalty, 0.1 * penalty) if penalty else None
    layers = [Input(5), Dense(7, "tanh", kernel_regularizer=regularizer), Dense(3, kernel_regularizer=regularizer)]
    program = lower(layers, np.dtype(dtype), loss or MeanSquaredError(), Adam(0.01))
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=shape).astype(dtype) for shape in ((5, 7), (7,), (7, 3), (3,))]
    return Network(program, engine, weights=weights)


def data():
    rng = np.random.default_rng(0)
    return Source(rng.normal(size=(30, 5))), Source(rng.normal(size=(30, 3))), rng.permutation(30)


def train(net, threads=1, epochs=1):
    """Four steps of eight rows, the last one of six."""
    x, y, order = data()
    factors = FACTORS * epochs
    losses, penalties = np.zeros(4 * epochs), np.column_stack([factors, np.zeros(4 * epochs)])
    more = {"epoch_rows": 30} if epochs > 1 else {}
    order = np.tile(order, epochs)
    done = net.run_steps(x, y, None, order, 0, 4 * epochs, 8, losses, None, threads, penalties=penalties, **more)
    assert done == 4 * epochs
    return losses, penalties[:, 1]


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_compiled_agrees_with_the_reference(dtype, tolerance, epochs):
    one, other = network("compiled", dtype), network("reference", dtype)
    for a, b in zip(train(one, epochs=epochs), train(other, epochs=epochs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_a_factor_is_another_penalty():
    """The same numbers as steps one by one, each by a program with a penalty of its own."""
    together = network("compiled", "float64")
    losses, penalties = train(together)
    assert (penalties > 0).tolist() == [True, False, True, True]
    x, y, order = data()
    arena = network("compiled", "float64").arena
    for i, factor in enumerate(FACTORS):
        net = network("compiled", "float64", penalty=factor)
        net.arena[:], net.iterations = arena, i
        loss = np.zeros(1)
        net.run_steps(x, y, None, order, 8 * i, 1, 8, loss, None, 1)
        arena = net.arena
        np.testing.assert_allclose(loss[0], losses[i], rtol=1e-14)
    np.testing.assert_allclose(together.arena, arena, rtol=1e-13, atol=1e-15)


def test_threads_change_no_bit():
    nets = [network("compiled", "float32") for _ in range(3)]
    results = [train(net, threads) for net, threads in zip(nets, (1, 2, 3), strict=True)]
    for net, result in zip(nets[1:], results[1:], strict=True):
        assert np.array_equal(net.arena, nets[0].arena)
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_loss_of_the_users_own(epochs):
    def halved(y, outputs):
        return 0.5 * ((outputs - y) ** 2).sum(axis=1), outputs - y

    loss = FromFunction(halved)
    one, other = network("compiled", "float64", loss), network("reference", "float64", loss)
    for a, b in zip(train(one, epochs=epochs), train(other, epochs=epochs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_gradient_takes_a_factor():
    x, y, _ = data()
    for engine in ("compiled", "reference"):
        net, bare = network(engine, "float64"), network(engine, "float64", penalty=0)
        (loss, slope), (half, slope_half), (none, slope_none) = (
            net.gradient(x, y, None),
            net.gradient(x, y, None, penalty=0.5),
            bare.gradient(x, y, None),
        )
        np.testing.assert_allclose(half, (loss + none) / 2, rtol=1e-12)
        np.testing.assert_allclose(slope_half, (slope + slope_none) / 2, rtol=1e-12, atol=1e-15)


def test_the_core_refuses_factors_that_do_not_fit():
    net = network("compiled", "float32")
    x, y, order = data()
    for factors in (np.ones((3, 2)), np.ones((4, 1)), np.ones((4, 2), dtype=np.float32)):
        with pytest.raises(ValueError, match="penalties must be"):
            net.run_steps(x, y, None, order, 0, 4, 8, np.zeros(4), None, 1, penalties=factors)
    assert net.iterations == 0
