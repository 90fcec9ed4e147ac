"""Whole-network gradients against finite differences, in float64, for every engine.

Where a function has a kink the differences would look across it: seeds are tried until everything that enters one is
further from it than a step of the differences can move it.
"""

from itertools import count

import numpy as np
import pytest
from numerics import assemble, build, derivative, distance, engines, targets, unused, weights_of

from fastnn import activations, losses, regularizers
from fastnn.catalogue import resolve
from fastnn.engine.program import lower
from fastnn.engine.reference import Tape
from fastnn.engine.source import Source
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    LayerNormalization,
)
from fastnn.operations import Dense as Product

SIZES = (3, 9, 4, 2)  # a panel of float64 has eight columns
ROWS = 11
MARGIN = 0.005  # the largest step 2^-10, times inputs below 4
SEED, ITERATION = 5, 3  # of the random numbers: the same in each difference
ENGINES = engines("float64")
# A natural output for each loss; for the crossentropies the one behind which it is computed from logits, too.
OUTPUTS = {
    "poisson": "softplus",
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "kl_divergence": "softmax",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
}
OTHER = {"sigmoid": "softmax", "softmax": "sigmoid", "softplus": "exponential", "linear": "tanh"}
ACTIVATIONS = [entry() for entry in activations.ENTRIES] + [
    activations.LeakyReLU(0.0),
    activations.ELU(0.3),
    activations.Sigmoid(0.7),
    activations.Tanh(1.3),
]
LOSSES = [
    *(entry() for entry in losses.ENTRIES if not entry.name.endswith("_logits") and entry is not losses.Quantile),
    *(
        entry(label_smoothing=0.1)
        for entry in losses.ENTRIES
        if not entry.name.endswith("_logits") and issubclass(entry, losses.Smoothed)
    ),
    losses.Quantile([0.2, 0.9]),
    losses.Quantile([0.3]),
    losses.Huber(0.3),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.5, label_smoothing=0.1),
    losses.CategoricalFocalCrossentropy(0.7, 1.5, label_smoothing=0.1),
]
# Hidden activations, output activation, loss: each activation in both places, each loss from logits and from outputs.
CASES = [
    *(([f, f], activations.Linear(), losses.MeanSquaredError()) for f in ACTIVATIONS),
    *(([activations.Tanh(), activations.LeakyReLU()], f, losses.MeanSquaredError()) for f in ACTIVATIONS),
    *((["tanh", "relu"], OUTPUTS.get(loss.name, "linear"), loss) for loss in LOSSES),
    *(
        (["tanh", "relu"], f, entry(from_logits=True))
        for entry in losses.ENTRIES
        if issubclass(entry, losses.Crossentropy)
        for f in ("linear", "tanh")
    ),
    *((["relu", "tanh"], OTHER[OUTPUTS.get(loss.name, "linear")], loss) for loss in LOSSES),
]
KINKS = {
    "relu": (0,),
    "leaky_relu": (0,),
    "step": (0,),
    "elu": (0,),
    "selu": (0,),
    "hard_sigmoid": (-3, 3),
    "softsign": (0,),
    "clipped_relu": (0,),
    "relu6": (0, 6),
    "hard_tanh": (-1, 1),
    "hard_silu": (-3, 3),
    "celu": (0,),
    "soft_shrink": (-0.5, 0.5),
    "hard_shrink": (-0.5, 0.5),
    "threshold": (0,),
    "sparse_plus": (-1, 1),
    "sparse_sigmoid": (-1, 1),
}
BENT = (
    losses.MeanAbsoluteError,
    losses.MeanAbsolutePercentageError,
    losses.Huber,
    losses.Hinge,
    losses.SquaredHinge,
    losses.Quantile,
)
ELASTIC = regularizers.L1L2(0.01, 0.02)
LAYERS = {
    "dropout": lambda: [Dense(9, "tanh"), Dropout(0.4), Dense(2)],
    "dropout of the input": lambda: [Dropout(0.3), Dense(9, "tanh"), Dense(2)],
    "dropout behind relu and before softmax": lambda: [Dense(9, "relu"), Dropout(0.5), Dense(9, "softmax"), Dense(2)],
    "two dropouts": lambda: [Dense(9), Dropout(0.2), Dropout(0.3), Activation("gelu"), Dense(2)],
    "noise": lambda: [GaussianNoise(0.3), Dense(9, "silu"), GaussianNoise(0.2), Dense(2)],
    "batch normalization": lambda: [Dense(9, use_bias=False), BatchNormalization(), Activation("tanh"), Dense(2)],
    "batch normalization first": lambda: [BatchNormalization(), Dense(9, "tanh"), Dense(2)],
    "batch normalization twice": lambda: [
        Dense(9, "softplus"),
        BatchNormalization(epsilon=0.1),
        BatchNormalization(),
        Dense(2),
    ],
    "batch normalization last": lambda: [Dense(9, "mish"), Dense(2), BatchNormalization()],
    "layer normalization": lambda: [Dense(9), LayerNormalization(), Activation("gelu"), Dense(2)],
    "layer normalization first": lambda: [LayerNormalization(), Dense(9, "tanh"), Dense(2)],
    "layer normalization last": lambda: [Dense(9, "tanh"), Dense(4), LayerNormalization()],
    "layer normalization around others": lambda: [
        Dense(17, "gelu_tanh"),
        LayerNormalization(),
        Dropout(0.2),
        BatchNormalization(),
        LayerNormalization(epsilon=0.01),
        Dense(2),
    ],
    "activation layers": lambda: [
        Activation("softsign"),
        Dense(9),
        Activation("mish"),
        Activation("silu"),
        Activation("sigmoid"),
        Dense(2),
        Activation("gelu"),
    ],
    "hidden softmax": lambda: [Dense(9, "softmax"), Dense(4, "log_softmax"), Activation("softmax"), Dense(2)],
    "penalties of weights": lambda: [
        Dense(9, "tanh", kernel_regularizer=ELASTIC, bias_regularizer="l2"),
        Dense(2, kernel_regularizer="l2", bias_regularizer="l1"),
    ],
    "penalties of activities": lambda: [
        Dense(9, "gelu", activity_regularizer=ELASTIC),
        Dense(4, activity_regularizer=ELASTIC),
        Dense(4, "softmax", activity_regularizer=ELASTIC),
        Dense(2, "tanh", activity_regularizer="l2"),
    ],
    "penalties with normalization": lambda: [
        Dense(9, use_bias=False, kernel_regularizer=ELASTIC, activity_regularizer="l2"),
        BatchNormalization(),
        Dropout(0.3),
        Dense(9, "elu", activity_regularizer="l1"),
        LayerNormalization(),
        Dense(2),
    ],
}


def near_a_kink(net, x, y, loss):
    """Whether a sum, an activity or a weight with an l1 penalty, or an output lies near a kink."""
    program = net.program
    tape = Tape(program, [program.read(net.arena[0], op) for op in program.steps], SEED, ITERATION)
    out = tape.forward(x)
    for op, before, kept, a in zip(program.trained, tape.inputs, tape.kept, tape.outputs, strict=True):
        z = kept if isinstance(op, Product) else before
        for kink in KINKS.get(op.activation.name, ()):
            if np.abs(z - kink).min() < MARGIN:
                return True
        if op.activity_regularizer is not None and op.activity_regularizer.l1 and np.abs(a).min() < MARGIN:
            return True
        for penalty, w in zip(
            (op.kernel_regularizer, op.bias_regularizer), program.read(net.arena[0], op), strict=False
        ):
            if penalty is not None and penalty.l1 and np.abs(w).min() < MARGIN / 4:
                return True
    if isinstance(loss, BENT):
        t = y.reshape(len(y), -1)
        e = np.abs(1 - np.where(t != 0, t, -1) * out if loss.targets == "signs" else out - t)
        return bool(np.abs(e - getattr(loss, "delta", 0)).min() < MARGIN)
    if isinstance(loss, losses.MeanSquaredLogarithmicError):
        return bool(np.abs(out).min() < MARGIN)
    if isinstance(loss, losses.CategoricalHinge):
        wrong = np.sort((1 - y) * out, axis=1)
        e = 1 + wrong[:, -1] - (y * out).sum(axis=1)
        return bool(min(np.abs(e).min(), np.diff(wrong[:, -2:]).min()) < MARGIN)
    return False


def check_gradient(net, x, y, weights=None):
    """Every weight; norm-wise for each array: differences of a loss near 1 err by 1e-12, gradients are near 0.1."""
    _, gradient = net.gradient(Source(x), Source(y), weights, SEED, ITERATION)
    outside = unused(net)
    differences = np.zeros_like(gradient)
    for i in np.flatnonzero(~outside):
        before = net.arena[0, i]

        def moved(step, i=i, before=before):
            net.arena[0, i] = before + step
            return net.gradient(Source(x), Source(y), weights, SEED, ITERATION)[0]

        differences[i] = derivative(moved, 0.0)
        net.arena[0, i] = before
    assert (gradient[outside] == 0).all()
    for op in net.program.trained:
        pairs = zip(*(net.program.read(row, op)[: len(op.shapes)][:2] for row in (gradient, differences)), strict=True)
        for actual, expected in pairs:
            # a gradient of nothing but the differences' error, as by a softmax's common shift, counts as 0
            size = max(np.linalg.norm(expected), 1e-4)
            assert np.linalg.norm(actual - expected) < 1e-7 * size, f"{op.name} {op.activation}"
    return gradient


def network(engine, hidden, output, loss, bias):
    """An engine, inputs and targets, away from kinks."""
    for seed in count():
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(ROWS, SIZES[0]))
        net = build(engine, "float64", SIZES, [*hidden, output], loss, bias=bias, seed=seed)
        y = targets(loss, rng, ROWS, SIZES[-1])
        if not near_a_kink(net, x, y, loss):
            return net, x, y


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("hidden", "output", "loss"), CASES, ids=[f"{f[0]}-{g}-{loss}" for f, g, loss in CASES])
@pytest.mark.parametrize(("bias", "weighted"), [(True, True), (True, False), (False, True), (False, False)])
def test_gradient(name, hidden, output, loss, bias, weighted):
    """Each activation and each loss, in each place."""
    net, x, y = network(ENGINES[name], hidden, output, loss, bias)
    assert net.program.from_logits == (
        loss.of_logits() is not None and loss.activation == resolve("activation", output, activations.Activation)
    )
    gradient = check_gradient(net, x, y, np.linspace(0, 2, ROWS) if weighted else None)
    last = net.program.trained[-1]
    if "step" in (getattr(output, "name", output), getattr(hidden[-1], "name", hidden[-1])):
        assert isinstance(output, activations.Step) or np.linalg.norm(net.program.read(gradient, last)[0]) > 1e-6
    else:
        assert np.linalg.norm(gradient) > 1e-4  # else the distances say nothing


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rows", [ROWS, 37])
def test_gradient_of_layers(engine, name, rows):
    """Each kind of layer and penalty: gradients by everything that is trained, through masks, statistics and noise."""
    loss = losses.MeanSquaredError()
    for seed in count():
        rng = np.random.default_rng(seed)
        net = assemble(ENGINES[engine], "float64", [Input(4), *LAYERS[name]()], loss, seed=seed)
        x, y = rng.normal(size=(rows, 4)), rng.normal(size=(rows, net.program.outputs))
        if not near_a_kink(net, x, y, loss):
            break
    gradient = check_gradient(net, x, y, rng.uniform(0.5, 2, rows))
    assert np.linalg.norm(gradient) > 1e-3


@pytest.mark.parametrize("engine", ENGINES)
def test_gradient_through_a_mask_depends_on_the_step(engine):
    """Another step, another mask; the same step, the same one."""
    net = assemble(ENGINES[engine], "float64", [Input(4), *LAYERS["dropout"]()], "mse")
    rng = np.random.default_rng(3)
    x, y = Source(rng.normal(size=(ROWS, 4))), Source(rng.normal(size=(ROWS, 2)))
    first, again, other, seeded = (net.gradient(x, y, None, *at)[1] for at in ((1, 1), (1, 1), (1, 2), (2, 1)))
    np.testing.assert_array_equal(first, again)
    assert distance(first, other) > 0.01
    assert distance(first, seeded) > 0.01


@pytest.mark.parametrize("name", ENGINES)
def test_gradient_is_the_weighted_mean(name):
    """Doubling a sample and giving it the weight 2 are the same, up to the number of samples in the mean."""
    net, x, y = network(ENGINES[name], ["tanh", "tanh"], "linear", losses.MeanSquaredError(), True)
    twice = np.vstack([x, x[:1]]), np.vstack([y, y[:1]])
    loss, gradient = net.gradient(Source(x), Source(y), np.array([2.0] + [1.0] * (ROWS - 1)))
    expected_loss, expected = net.gradient(Source(twice[0]), Source(twice[1]), None)
    assert loss * ROWS == pytest.approx(expected_loss * (ROWS + 1), rel=1e-14)
    assert distance(gradient * ROWS, expected * (ROWS + 1)) < 1e-14


@pytest.mark.parametrize("name", ENGINES)
def test_gradient_behind_flatten(name):
    """Samples of any shape, contiguous or not, are rows of numbers, the last axis running fastest."""
    net, _, y = network(ENGINES[name], ["tanh", "tanh"], "linear", losses.MeanSquaredError(), True)
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
@pytest.mark.parametrize("layers", ["batch normalization", "penalties of weights", "noise"])
def test_gradient_changes_nothing(name, layers):
    """It is a question: weights and moving statistics stay."""
    net = assemble(ENGINES[name], "float64", [Input(4), *LAYERS[layers]()], "mse")
    rng = np.random.default_rng(4)
    before = [array.copy() for array in weights_of(net)]
    net.gradient(Source(rng.normal(size=(ROWS, 4))), Source(rng.normal(size=(ROWS, 2))), None)
    for old, new in zip(before, weights_of(net), strict=True):
        np.testing.assert_array_equal(old, new)
    assert net.iterations == 0
