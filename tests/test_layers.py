"""Layers and what stands around an update, compiled against the reference: ten steps, any threads, inference."""

import numpy as np
import pytest
from numerics import assemble, compare, distance, eps, guard, intact, padding, rate_for, targets, train, weights_of

import fastnn
from fastnn import losses, optimizers, regularizers
from fastnn.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from fastnn.engine import reference
from fastnn.engine.source import Source
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianNoise,
    Input,
    LayerNormalization,
    UnitNormalization,
)

INPUTS, OUTPUTS, ROWS, BATCH = 9, 3, 125, 13  # the last of ten batches has eight samples
ELASTIC = regularizers.L1L2(0.001, 0.01)
# No bias stands before a batch normalization: its exact gradient is zero, and Adam makes steps of what rounding leaves.
LAYERS = {
    "dense": lambda: [Dense(33, "tanh")],
    "dropout": lambda: [Dropout(0.2), Dense(33, "tanh"), Dropout(0.5)],
    "noise": lambda: [GaussianNoise(0.1), Dense(33, "tanh"), GaussianNoise(0.2)],
    "batch normalization": lambda: [Dense(33, use_bias=False), BatchNormalization(momentum=0.9), Activation("tanh")],
    "batch normalization first": lambda: [BatchNormalization(momentum=0.5, epsilon=0.01), Dense(33, "tanh")],
    "layer normalization": lambda: [Dense(33), LayerNormalization(), Activation("tanh")],
    "layer normalization first": lambda: [LayerNormalization(epsilon=0.01), Dense(33, "tanh")],
    "all kinds": lambda: [
        LayerNormalization(),
        Dense(40, "silu", use_bias=False),
        BatchNormalization(),
        Activation("gelu"),
        Dropout(0.3),
        Activation("softmax"),
        Dense(17, "gelu_tanh"),
        GaussianNoise(0.1),
        LayerNormalization(),
    ],
    "one after another": lambda: [
        Dense(33, "sigmoid"),
        Dropout(0.2),
        BatchNormalization(momentum=0.5),
        Activation("silu"),
        GaussianNoise(0.1),
        BatchNormalization(momentum=0.8, epsilon=0.01),
    ],
    "activations": lambda: [Activation("softsign"), Dense(20, "mish"), Activation("softplus"), Activation("tanh")],
    "softmax and dropout": lambda: [Dense(33, "softmax"), Dropout(0.2), Dense(20, "log_softmax"), Activation("tanh")],
    "hidden softmax": lambda: [Dense(33, "softmax"), Dense(20, "log_softmax")],
    "regularizers": lambda: [
        Dense(33, "tanh", kernel_regularizer=ELASTIC, bias_regularizer="l2", activity_regularizer=ELASTIC),
        Dense(20, "softplus", kernel_regularizer="l1", activity_regularizer="l2"),
    ],
    "max norm": lambda: [Dense(33, "tanh", kernel_constraint=MaxNorm(0.7))],
    "not negative": lambda: [Dense(33, "tanh", kernel_constraint=NonNeg())],
    "norms across panels": lambda: [
        Dense(33, "tanh", kernel_constraint=MinMaxNorm(0.9, 1.1, rate=0.5, axis=1), bias_constraint=MaxNorm(0.01)),
        Dense(20, "tanh", kernel_constraint=UnitNorm(axis=[0, 1]), bias_constraint=NonNeg()),
        Dense(7, kernel_constraint=MinMaxNorm(0.5, 0.6, rate=0.3), bias_constraint=UnitNorm()),
    ],
}
OPTIMIZERS = [
    optimizers.SGD(0.1),
    optimizers.SGD(0.1, momentum=0.9),
    optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    optimizers.RMSprop(0.01, epsilon=1e-3),
    optimizers.RMSprop(0.01, momentum=0.5, epsilon=1e-3),
    optimizers.Adagrad(0.1),
    optimizers.Adadelta(0.1, epsilon=1e-3),
    optimizers.Adam(0.01, epsilon=1e-3),
    optimizers.Adam(0.01, beta_2=0.9, epsilon=1e-3, amsgrad=True),
    optimizers.AdamW(0.01, epsilon=1e-3),
    optimizers.Adamax(0.01, epsilon=1e-3),
    optimizers.Nadam(0.01, epsilon=1e-3),
    optimizers.Lion(0.001),
    optimizers.RMSprop(0.01, epsilon=1e-3, centered=True),
    optimizers.RMSprop(0.01, momentum=0.5, epsilon=1e-3, centered=True),
    optimizers.Ftrl(0.1, l1_regularization_strength=0.001),
    optimizers.ScheduleFreeAdamW(0.01, epsilon=1e-3),
    optimizers.Lamb(0.01, epsilon=1e-3),
    optimizers.Adafactor(0.01, epsilon_1=1e-6),
    optimizers.Muon(0.01, epsilon=1e-3),
]
OPTIONS = [
    {"weight_decay": 0.1},
    {"clipnorm": 0.05},
    {"clipvalue": 0.003},
    {"global_clipnorm": 0.1},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "weight_decay": 0.1, "global_clipnorm": 0.05},
]
STORED = [  # whose way leads over the stored gradient
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3, "clipnorm": 0.05},
    {"weight_decay": 0.1, "without_decay": ("bias", "gamma")},
]


def given(entry, options):
    """The options that an optimizer takes: a schedule-free one has an average of its own."""
    if entry is optimizers.ScheduleFreeAdamW:
        return {name: value for name, value in options.items() if "ema" not in name}
    return options


def network(engine, dtype, layers, optimizer, seed=0):
    """An engine for the layers, with a softmax behind them."""
    stack = [Input(INPUTS), *layers(), Dense(OUTPUTS, "softmax")]
    return assemble(engine, dtype, stack, "sparse_categorical_crossentropy", optimizer, seed)


def samples(dtype):
    """Inputs, labels, weights and an order."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(ROWS, INPUTS)).astype(dtype)
    return x, rng.integers(OUTPUTS, size=ROWS), rng.uniform(0.5, 2, ROWS), rng.permutation(ROWS)


def ten_steps(engine, dtype, layers, optimizer):
    """Losses, outputs, weights, moving statistics, and the optimizer's state."""
    net = network(engine, dtype, layers, optimizer)
    before = weights_of(net)
    x, y, weights, order = samples(dtype)
    losses, outputs = train(net, x, y, weights, BATCH, order, seed=7)
    assert len(losses) == 10
    assert all((new != old).any() for new, old in zip(weights_of(net), before, strict=True))
    assert (net.arena[0, padding(net)] == 0).all()
    return [losses, outputs, *(array for row in range(len(net.arena)) for array in weights_of(net, row))]


def compare_ten_steps(dtype, name, optimizer, kinds=None):
    """Ten steps in the engines and in the reference."""
    compare(lambda engine: ten_steps(engine, dtype, LAYERS[name], optimizer), dtype, kinds)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1), optimizers.Adam(0.01, epsilon=1e-3)], ids=repr)
def test_ten_steps_of_layers(dtype, name, optimizer):
    """Each kind of layer."""
    compare_ten_steps(dtype, name, optimizer)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_ten_steps_of_optimizers(dtype, optimizer):
    """Each optimizer through normalization, dropout and penalties.

    Epsilon is large where a small one divides a gradient of rounding errors by its own size.
    """
    compare_ten_steps(dtype, "all kinds", optimizer)
    compare_ten_steps(dtype, "regularizers", optimizer)


@pytest.mark.parametrize("options", OPTIONS, ids=repr)
@pytest.mark.parametrize("name", ["regularizers", "all kinds", "max norm"])
@pytest.mark.parametrize("entry", optimizers.ENTRIES)
def test_ten_steps_of_options(dtype, options, name, entry):
    """Each option of each optimizer, with what it must leave alone: moving statistics, constraints, penalties."""
    more = {name: 1e-3 for name in ("epsilon", "epsilon_1") if name in entry._fields}
    rate = 0.001 if entry is optimizers.Lion else 0.01
    compare_ten_steps(dtype, name, entry(rate, **more, **given(entry, options)))


@pytest.mark.parametrize("options", STORED, ids=repr)
@pytest.mark.parametrize("entry", optimizers.ENTRIES)
def test_ten_steps_of_stored_gradients(dtype, options, entry):
    """Through normalizations, whose statistics no update touches."""
    test_ten_steps_of_options(dtype, options, "all kinds", entry)


def test_options_do_something(core):
    """Each option changes the training, else the comparisons above prove little."""
    ends = []
    for options in ({}, *OPTIONS[:4]):
        net = network(core.Engine, core.REAL, LAYERS["dense"], optimizers.SGD(0.1, **options))
        train(net, *samples(core.REAL)[:2], batch=BATCH)
        ends.append(net.arena[0].copy())
    for i, end in enumerate(ends):
        assert all(distance(end, other) > 1e-4 for other in ends[:i])


@pytest.mark.parametrize("constraint", [MaxNorm(0.7), NonNeg()], ids=repr)
def test_constraints_hold(core, constraint):
    """Behind each step; the bias is free."""
    stack = [Input(INPUTS), Dense(33, "tanh", kernel_constraint=constraint), Dense(OUTPUTS, "softmax")]
    loss = losses.SparseCategoricalCrossentropy()
    net = assemble(core.Engine, core.REAL, stack, loss, optimizers.SGD(0.5))
    x, y, _, _ = samples(core.REAL)
    train(net, x, y, batch=BATCH)
    W, b = weights_of(net)[:2]
    if isinstance(constraint, NonNeg):
        assert (W >= 0).all()
        assert (W == 0).any()
        assert (b < 0).any()
    else:
        norms = np.linalg.norm(W.astype(float), axis=0)
        # the norm of 9 squares and the product: some roundings
        assert norms.max() <= 0.7 * (1 + 16 * eps(core.REAL))
        assert np.isclose(norms, 0.7, rtol=16 * eps(core.REAL), atol=0).any()
        assert (norms < 0.69).any()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_norms_of_lines_of_all_and_of_a_bias_hold(engine):
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 3
    stack = [
        Input(5),
        Dense(33, "tanh", kernel_constraint=MaxNorm(0.5, axis=1), bias_constraint=MaxNorm(0.01)),
        Dense(3, "softmax", kernel_constraint=UnitNorm(axis=(0, 1)), bias_constraint=NonNeg()),
    ]
    model = fastnn.Sequential(stack, rng=0, engine=engine)
    model.compile(optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=8, epochs=3)
    W, b, V, c = model.get_weights()
    lines = np.linalg.norm(W, axis=1)
    assert lines.max() <= 0.5 + 1e-6 and np.isclose(lines, 0.5, atol=1e-6).any()
    assert np.linalg.norm(b) == pytest.approx(0.01) and (b != 0).all()
    assert np.linalg.norm(V) == pytest.approx(1) and (c >= 0).all()


def test_norms_along_other_axes_are_refused_or_left_to_the_reference():
    with pytest.raises(ValueError, match="MaxNorm: axis 3 is none of an array with 2 axes"):
        MaxNorm(axis=3)(np.ones((2, 2)))
    with pytest.raises(TypeError, match="axis must be a whole number or a list of them"):
        UnitNorm(axis="all")
    kernel = np.arange(24.0).reshape(2, 3, 4)
    with pytest.raises(ValueError, match=r"along the axes \(0,\) of weights with 3 axes are not compiled"):
        MaxNorm(axis=0).along(3)
    np.testing.assert_allclose(np.linalg.norm(UnitNorm(axis=0)(kernel + 1), axis=0), 1)
    assert [MaxNorm(axis=axis).along(3) for axis in ([0, 1], 2, [0, 1, 2], -1)] == [0, 1, 2, 1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("options", [{}, *OPTIONS], ids=repr)
def test_long_steps_give_the_same_bits(core, optimizer, options):
    """A step that Ctrl-C may stop inside stores its whole gradient; everything else is the same."""
    optimizer = type(optimizer)(
        **{name: getattr(optimizer, name) for name in optimizer._fields} | given(type(optimizer), options)
    )
    x, y, weights, order = samples(core.REAL)
    for name in ("regularizers", "all kinds", "max norm"):
        short, long = (network(core.Engine, core.REAL, LAYERS[name], optimizer) for _ in range(2))
        before = short.arena[0].copy()
        long.long_step = 0
        for net in (short, long):
            train(net, x, y, weights, BATCH, order, seed=3)
        np.testing.assert_array_equal(short.arena, long.arena)
        assert (short.arena[0] != before).any()


@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1), optimizers.Muon(0.01, epsilon=1e-3)], ids=repr)
@pytest.mark.parametrize("options", STORED, ids=repr)
def test_long_steps_of_stored_gradients(core, optimizer, options):
    """Theirs is the same way in short steps."""
    test_long_steps_give_the_same_bits(core, optimizer, options)


@pytest.mark.parametrize("first", ["softmax", "log_softmax"])
@pytest.mark.parametrize("second", [Dropout(0.2), GaussianNoise(0.1), Activation("tanh")], ids=repr)
def test_an_elementwise_operation_waits_for_the_rows_before_it(core, first, second):
    """Softmax is divided by rows, what follows by columns; large enough for the threads to be apart."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, INPUTS)).astype(core.REAL), rng.integers(OUTPUTS, size=600)
    one, two = (
        network(core.Engine, core.REAL, lambda: [Dense(300, first), second], optimizers.SGD(0.1)) for _ in range(2)
    )
    for _ in range(5):
        train(one, x, y, None, 300)
        train(two, x, y, None, 300, threads=2)
        np.testing.assert_array_equal(one.arena, two.arena)


@pytest.mark.parametrize("name", ["regularizers", "activations", "batch normalization"])
def test_evaluation_counts_the_penalties_of_training(core, name):
    """A step with rate 0 tells the loss of the same weights; penalties of activations count for each sample."""
    stack = [Input(INPUTS), *LAYERS[name](), Activation("tanh"), Dense(OUTPUTS, "softmax", activity_regularizer="l1")]
    model = fastnn.Sequential(stack, rng=0, dtype=core.REAL)
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    twin = fastnn.Sequential(stack_again(stack), rng=0, dtype=core.REAL, engine="reference")
    twin.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    x, y, weights, _ = samples(core.REAL)
    found = [net.evaluate(x, y, sample_weight=weights) for net in (model, twin)]
    # sums of at most 33 terms through four layers, in both; the right value is of size 1, made of terms not much larger
    within = 4 * 33 * eps(core.REAL)
    assert found[0] == pytest.approx(found[1], rel=within)
    if "normalization" not in name:  # which is another function in training
        trained = model.fit(x, y, batch_size="all", sample_weight=weights).history["loss"][0]
        assert found[0] == pytest.approx(trained, rel=within)


def stack_again(layers):
    """Layers of the same settings: one object belongs to one model."""
    return [type(layer)(**layer.get_config() | {"name": None}) for layer in layers]


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "optimizer",
    [optimizers.SGD(0.1, clipnorm=0.05), optimizers.Adam(0.01, global_clipnorm=0.1, use_ema=True, weight_decay=0.1)],
    ids=["clipnorm", "global_clipnorm"],
)
def test_threads_give_the_same_bits(core, threads, name, optimizer):
    """No sum is shared, no random number depends on who draws it."""
    x, y, weights, order = samples(core.REAL)
    one, many = (network(core.Engine, core.REAL, LAYERS[name], optimizer) for _ in range(2))
    found = train(one, x, y, weights, 40, order, seed=3)
    for first, second in zip(found, train(many, x, y, weights, 40, order, threads, seed=3), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(one.arena, many.arena)


def inference(engine, dtype, name):
    """Outputs of predict; losses and outputs of evaluate; of weights after a training. And the engine."""
    x, y, weights, _ = samples(dtype)
    net, trained = (network(kind, dtype, LAYERS[name], optimizers.SGD()) for kind in (engine, reference.Engine))
    train(trained, x, y, batch=BATCH)  # moving statistics other than 0 and 1
    net.arena[:] = trained.arena
    loss, outputs = guard(np.zeros(100)), guard(np.zeros((100, OUTPUTS), dtype=dtype))
    net.evaluate(Source(x), Source(y), weights.astype(dtype), 20, 120, loss, outputs, 2)
    return [net.predict(Source(x), 1), *intact(loss, outputs)], net


def compare_inference(dtype, name, kinds=None):
    """Predict and evaluate in the engines and in the reference."""
    compare(lambda engine: inference(engine, dtype, name)[0], dtype, kinds)


@pytest.mark.parametrize("name", LAYERS)
def test_inference(dtype, name):
    """Without dropout and noise, with the moving statistics."""
    compare_inference(dtype, name)


@pytest.mark.parametrize("name", LAYERS)
def test_rows_do_not_mix(core, name):
    """A row's bits do not depend on the rows that are asked with it, nor on the threads."""
    (whole, _, evaluated), net = inference(core.Engine, core.REAL.name, name)
    x = samples(core.REAL)[0]
    for rows in (1, 2, 3, 8, 97):
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(net.predict(Source(x[:rows]), threads), whole[:rows])
        np.testing.assert_array_equal(net(x[:rows]), whole[:rows])
    np.testing.assert_array_equal(evaluated, whole[20:120])


def ten_steps_of_a_loss(engine, dtype, loss):
    """Losses, outputs and weights; behind a normalization, with activities penalized before the output."""
    columns = 4
    output = {"numbers": "tanh", "signs": "tanh", "counts": "softplus"}.get(loss.targets, "softmax")
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(ROWS, INPUTS)).astype(dtype), targets(loss, rng, ROWS, columns)
    stack = [Input(INPUTS), Dense(12), LayerNormalization(), Dense(columns, output, activity_regularizer="l2")]
    net = assemble(engine, dtype, stack, loss, optimizers.SGD(rate_for(loss, 0.05)))
    assert not net.program.from_logits
    return [*train(net, x, y, None, BATCH), *weights_of(net)]


@pytest.mark.parametrize("loss", [entry for entry in losses.ENTRIES if not entry.name.endswith("_logits")])
def test_ten_steps_of_each_loss(dtype, loss):
    """No activation is left to the loss."""
    compare(lambda engine: ten_steps_of_a_loss(engine, dtype, loss()), dtype)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unit_normalization(which, dtype):
    """Keras' values for rows of any length; a row of zeros stays, and squares that overflow do no harm."""
    model = fastnn.Sequential([Input(3), UnitNormalization(), Dense(3, use_bias=False)], dtype=dtype, engine=which)
    model.set_weights([np.eye(3)])
    X = np.array([[1, 2, 3], [4, 5, 6], [0, 0, 0], [3e-13, 0, 0], [2e30, 0, 0], [-5, 0, 0]], dtype)
    expected = [[0.26726124, 0.53452248, 0.80178373], [0.45584231, 0.56980288, 0.68376346], [0, 0, 0], [0.3, 0, 0]]
    within = max(8 * eps(dtype), 1e-8)  # a sum of three squares, a root, a division; the values have eight digits
    np.testing.assert_allclose(model.predict(X)[:4], expected, rtol=within)
    np.testing.assert_allclose(model.predict(X)[4:], [[1, 0, 0], [-1, 0, 0]], rtol=within)
