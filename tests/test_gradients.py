"""Whole-network gradients against finite differences, in float64, for every engine.

Where the activation has a kink at 0 the differences would look across it: seeds are tried until every sum before an
activation is further from 0 than a step of the differences can move it.
"""

from itertools import count

import numpy as np
import pytest
from numerics import build, derivative, distance, engines, padding, targets, weights_of

from fastnn import activations, losses
from fastnn.data import Source
from fastnn.layers import Dense, Flatten, Input
from fastnn.program import lower

SIZES = (3, 9, 4, 2)  # a panel of float64 has eight columns
ROWS = 11
MARGIN = 0.005  # the largest step 2^-10, times inputs below 4
ENGINES = engines("float64")
NATURAL = {"mse": "linear", "binary_crossentropy": "sigmoid"}  # for the other losses softmax
NAMES = [entry.name for entry in activations.ENTRIES]
PLAIN = [entry for entry in losses.ENTRIES if not entry.name.endswith("_logits")]
# Hidden activations, output activation, loss: each activation in both places, each loss from logits and from outputs.
CASES = [
    *(([name, name], "linear", losses.MeanSquaredError) for name in NAMES),
    *((["tanh", "leaky_relu"], name, losses.MeanSquaredError) for name in NAMES),
    *((["tanh", "relu"], NATURAL.get(loss.name, "softmax"), loss) for loss in PLAIN),
    *((["relu", "tanh"], "sigmoid" if loss.activation == "softmax" else "softmax", loss) for loss in PLAIN),
]


def sums(engine, x):
    """What goes into each activation."""
    for op in engine.program.steps:
        W, b = engine.program.read(engine.arena[0], op)
        z = x @ W + b
        yield z
        x = op.activation.forward(z)


def network(engine, hidden, output, loss, bias):
    """An engine, inputs and targets, away from kinks."""
    for seed in count():
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(ROWS, SIZES[0]))
        net = build(engine, "float64", SIZES, [*hidden, output], loss(), bias=bias, seed=seed)
        if min(np.abs(z).min() for z in sums(net, x)) > MARGIN:
            return net, x, targets(loss, rng, ROWS, SIZES[-1])


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("hidden", "output", "loss"), CASES, ids=[f"{f[0]}-{g}-{loss.name}" for f, g, loss in CASES])
@pytest.mark.parametrize(("bias", "weighted"), [(True, True), (True, False), (False, True), (False, False)])
def test_gradient(name, hidden, output, loss, bias, weighted):
    """Every weight; norm-wise for each array: differences of a loss near 1 err by 1e-12, gradients are near 0.1."""
    net, x, y = network(ENGINES[name], hidden, output, loss, bias)
    assert net.program.from_logits == (loss.logits is not None and loss.activation == output)
    weights = np.linspace(0, 2, ROWS) if weighted else None
    _, gradient = net.gradient(Source(x), Source(y), weights)
    unused = padding(net)
    differences = np.zeros_like(gradient)
    for i in np.flatnonzero(~unused):
        before = net.arena[0, i]

        def moved(step, i=i, before=before):
            net.arena[0, i] = before + step
            return net.gradient(Source(x), Source(y), weights)[0]

        differences[i] = derivative(moved, 0.0)
        net.arena[0, i] = before
    assert (gradient[unused] == 0).all()
    for op in net.program.steps:
        actual, expected = (net.program.read(row, op) for row in (gradient, differences))
        assert distance(actual[0], expected[0]) < 1e-7
        assert not bias or distance(actual[1], expected[1]) < 1e-7
        assert np.linalg.norm(actual[0]) > 1e-6  # else the distance says nothing


@pytest.mark.parametrize("name", ENGINES)
def test_gradient_is_the_weighted_mean(name):
    """Doubling a sample and giving it the weight 2 are the same, up to the number of samples in the mean."""
    net, x, y = network(ENGINES[name], ["tanh", "tanh"], "linear", losses.MeanSquaredError, True)
    twice = np.vstack([x, x[:1]]), np.vstack([y, y[:1]])
    loss, gradient = net.gradient(Source(x), Source(y), np.array([2.0] + [1.0] * (ROWS - 1)))
    expected_loss, expected = net.gradient(Source(twice[0]), Source(twice[1]), None)
    assert loss * ROWS == pytest.approx(expected_loss * (ROWS + 1), rel=1e-14)
    assert distance(gradient * ROWS, expected * (ROWS + 1)) < 1e-14


@pytest.mark.parametrize("name", ENGINES)
def test_gradient_behind_flatten(name):
    """Samples of any shape, contiguous or not, are rows of numbers, the last axis running fastest."""
    net, _, y = network(ENGINES[name], ["tanh", "tanh"], "linear", losses.MeanSquaredError, True)
    layers = [Input((3, 1)), Flatten(), *(Dense(n, "tanh") for n in SIZES[1:-1]), Dense(SIZES[-1])]
    program = lower(layers, net.program.dtype, losses.MeanSquaredError())
    flat = ENGINES[name](program, program.new_arena())
    flat.arena[0] = net.arena[0]
    x = np.random.default_rng(12).normal(size=(ROWS, 3, 2))
    for view in (x[..., :1], np.asfortranarray(x)[..., 1:], x[::-1, ::-1, :1]):
        loss, gradient = flat.gradient(Source(view), Source(y), None)
        expected_loss, expected = net.gradient(Source(np.ascontiguousarray(view).reshape(ROWS, 3)), Source(y), None)
        assert loss == expected_loss
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("name", ENGINES)
def test_gradient_changes_nothing(name):
    """It is a question: the weights stay."""
    net, x, y = network(ENGINES[name], ["tanh", "tanh"], "softmax", losses.CategoricalCrossentropy, True)
    before = [array.copy() for array in weights_of(net)]
    net.gradient(Source(x), Source(y), None)
    for old, new in zip(before, weights_of(net), strict=True):
        np.testing.assert_array_equal(old, new)
