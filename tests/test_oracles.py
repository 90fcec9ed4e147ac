"""Whole dense networks: steps worked by hand, and the reference."""

import numpy as np
import pytest
from numerics import build, compare, eps, guard, intact, put, rate_for, targets, train, weights_of
from test_kernels import OPTIMIZERS, suited

from fastnn import losses, optimizers
from fastnn.engine.source import Source

NETWORKS = {  # sizes, activations
    "7-5-3": ((7, 5, 3), ("relu", "sigmoid")),
    "33-17-1": ((33, 17, 1), ("tanh", "sigmoid")),
    "16-16-16": ((16, 16, 16), ("leaky_relu", "softmax")),
    "13-24-40": ((13, 24, 40), ("sigmoid", "softmax")),
    "5-40-9-2": ((5, 40, 9, 2), ("softmax", "tanh", "linear")),
    "1-1": ((1, 1), ("linear",)),
}


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_one_step_by_hand(engine, dtype):
    """Two inputs, two relu units, one linear output, two samples of weight 1 and 2, mse, rate 1/4: all exact in binary.

    x1 = (1, 2), t1 = 1:  z = x W1 + b1 = (1 + 2, -1 + 0 + 1/2) = (3, -1/2)   a = (3, 0)
                          y = 3/2 + 0 + 1 = 5/2                               L = (5/2 - 1)^2 = 9/4
    x2 = (0, 1), t2 = 2:  z = (1, 1/2)                                        a = (1, 1/2)
                          y = 1/2 + 1/2 + 1 = 2                               L = 0

    Mean loss (1 * 9/4 + 2 * 0) / 2 = 9/8. Sample 2 has no gradient; that of sample 1 by its output:
    dL/dy = 1 * 2 (5/2 - 1) / 2 = 3/2.
    dW2 = a dL/dy = (9/2, 0), db2 = 3/2.  da = W2 dL/dy = (3/4, 3/2), dz = (3/4, 0): the second unit is off.
    dW1 = x^T dz = ((3/4, 0), (3/2, 0)), db1 = (3/4, 0). Each weight goes down by a quarter of its gradient.
    """
    net = build(engine, dtype, (2, 2, 1), ["relu", "linear"], "mse", optimizers.SGD(0.25))
    put(net, [[[1, -1], [1, 0]], [0, 0.5], [[0.5], [1]], [1]])
    x, y = np.array([[1, 2], [0, 1]]), np.array([[1.0], [2.0]])
    loss, outputs = train(net, x, y, np.array([1.0, 2.0]))
    assert loss.tolist() == [9 / 8]
    assert outputs.tolist() == [[5 / 2], [2]]
    W1, b1, W2, b2 = weights_of(net)
    assert W1.tolist() == [[1 - 3 / 16, -1], [1 - 3 / 8, 0]]
    assert b1.tolist() == [-3 / 16, 0.5]
    assert W2.tolist() == [[0.5 - 9 / 8], [1]]
    assert b2.tolist() == [1 - 3 / 8]


def test_one_step_from_logits_by_hand(engine, dtype):
    """One input, sigmoid, binary crossentropy: z = 0 gives p = 1/2, L = ln 2, dL/dz = p - t = -1/2 for t = 1.

    With x = 2: dw = -1, db = -1/2; at the rate 1/2, w = 1/2 and b = 1/4.
    """
    net = build(engine, dtype, (1, 1), ["sigmoid"], "binary_crossentropy", optimizers.SGD(0.5))
    put(net, [[[0]], [0]])
    loss, outputs = train(net, np.array([[2.0]]), np.array([[1.0]]))
    assert loss[0] == pytest.approx(np.log(2), rel=eps(dtype))
    assert outputs.tolist() == [[0.5]]
    assert [array.item() for array in weights_of(net)] == [0.5, 0.25]


def test_momentum_by_hand(engine, dtype):
    """y = w x with x = 1, t = 0, w = 1, no bias; rate 1/8, momentum 1/2. g = 2 w.

    v1 = -1/8 * 2 = -1/4, w = 3/4. v2 = 1/2 * -1/4 - 1/8 * 3/2 = -5/16, w = 7/16.
    """
    net = build(engine, dtype, (1, 1), ["linear"], "mse", optimizers.SGD(0.125, momentum=0.5), bias=False)
    put(net, [[[1]]])
    loss, _ = train(net, np.ones((2, 1)), np.zeros((2, 1)), batch=1)
    assert loss.tolist() == [1, 9 / 16]
    assert weights_of(net)[0].item() == 7 / 16
    assert weights_of(net, row=1)[0].item() == -5 / 16


def settings_of(entry):
    """The arguments of an optimizer."""
    return {name: getattr(entry, name) for name in entry._fields}


# -- against the reference -------------------------------------------------------------------------------------------


def ten_steps(engine, dtype, sizes, functions, loss, optimizer, weighted):
    """Ten steps of eight samples, the last of five: losses, outputs, weights, optimizer's state."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(77, sizes[0]))
    y = targets(loss, rng, len(x), sizes[-1])
    weights = rng.uniform(0.5, 2, size=len(x)) if weighted else None
    order = rng.permutation(len(x))
    net = build(engine, dtype, sizes, functions, loss, optimizer)
    before = weights_of(net)
    found = train(net, x.astype(dtype), y, weights, order=order)
    assert len(found[0]) == 10
    assert all((new != old).any() for new, old in zip(weights_of(net), before, strict=True))
    return [*found, *(array for row in range(len(net.arena)) for array in weights_of(net, row))]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_ten_steps(dtype, name, optimizer):
    """All optimizers on networks narrower than, as wide as and wider than a panel, with their natural losses."""
    optimizer = type(OPTIMIZERS[optimizer])(**settings_of(OPTIMIZERS[optimizer]) | {"learning_rate": 0.01})
    sizes, functions = NETWORKS[name]
    output = {"sigmoid": losses.BinaryCrossentropy(), "softmax": losses.SparseCategoricalCrossentropy()}
    loss = output.get(functions[-1], losses.MeanSquaredError())
    compare(lambda engine: ten_steps(engine, dtype, sizes, functions, loss, optimizer, False), dtype)


@pytest.mark.parametrize("loss", [entry for entry in losses.ENTRIES if not entry.name.endswith("_logits")])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("weighted", [False, True])
def test_ten_steps_of_each_loss(dtype, loss, output, weighted):
    """From logits behind one output, from probabilities behind the other."""
    entry, outputs = suited(loss(), 5)
    case = (7, 17, outputs), ("tanh", output), entry, optimizers.SGD(rate_for(entry, 0.1)), weighted
    compare(lambda engine: ten_steps(engine, dtype, *case), dtype)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_give_the_same_bits(core, threads):
    """No sum is shared: neither the losses nor any number of the arena depends on the number of threads."""
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(77, 33)).astype(core.REAL), rng.integers(40, size=77)
    for activation in ("tanh", "softmax"):
        one, many = (
            build(core.Engine, core.REAL, (33, 50, 40), [activation, "softmax"], "sparse_categorical_crossentropy")
            for _ in range(2)
        )
        for first, second in zip(train(one, x, y, batch=23), train(many, x, y, batch=23, threads=threads), strict=True):
            np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(one.arena, many.arena)


def inference(engine, dtype, name):
    """Outputs of predict; losses and outputs of evaluate; the engine and the inputs."""
    sizes, functions = NETWORKS[name]
    net = build(engine, dtype, sizes, functions, "mse")
    rng = np.random.default_rng(10)
    x, y = (rng.normal(size=(200, n)).astype(dtype) for n in (sizes[0], sizes[-1]))
    loss, outputs = guard(np.zeros(150)), guard(np.zeros((150, sizes[-1]), dtype=dtype))
    net.evaluate(Source(x), Source(y), np.linspace(0, 1, 200, dtype=dtype), 20, 170, loss, outputs, 2)
    return [net.predict(Source(x), 1), *intact(loss, outputs)], net, x


@pytest.mark.parametrize("name", NETWORKS)
def test_inference(dtype, name):
    """Predict and evaluate as the reference."""
    compare(lambda engine: inference(engine, dtype, name)[0], dtype)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_do_not_mix(core, name):
    """A row's bits do not depend on the rows that are asked with it, nor on the threads."""
    (whole, *evaluated), net, x = inference(core.Engine, core.REAL.name, name)
    for rows in (0, 1, 2, 3, 7, 8, 9, 95, 96, 97, 193):
        for threads in (1, 2):
            np.testing.assert_array_equal(net.predict(Source(x[:rows]), threads), whole[:rows])
        np.testing.assert_array_equal(net(x[:rows]), whole[:rows])
    np.testing.assert_array_equal(evaluated[1], whole[20:170])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_loss_stops_the_step(engine, dtype, value):
    """The third of five steps meets the number: two are finished, their weights stay, the bad loss is told."""
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    net, same = (build(engine, dtype, (3, 4, 2), ["tanh", "linear"], "mse") for _ in range(2))
    train(same, x[:8], y[:8], batch=4)
    y[9, 1] = value
    rate = net.program.optimizer_object.all_scalars(np.arange(1, 6)).astype(dtype)
    found, order = np.zeros(5), np.arange(20)
    assert net.run_steps(Source(x), Source(y), None, order, 0, 5, 4, rate, found, None, 0, 1) == 2
    assert np.isfinite(found[:2]).all()
    assert not np.isfinite(found[2])
    np.testing.assert_array_equal(net.arena, same.arena)
