"""Optimizers that see whole weights, and the settings that all have: Keras' numbers, kernels, threads, files, decay.

What every optimizer must do is in test_kernels.py and test_layers.py, which walk the table.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numerics import assemble, build, compare, normal, train, weights_of
from test_interrupt import PROMISE, run

import fastnn
from fastnn import layers, optimizers
from fastnn.engine import reference
from fastnn.optimizers import schedules

GOLDEN = Path(__file__).parent / "golden"
DATA, FOUND = np.load(GOLDEN / "golden.npz"), np.load(GOLDEN / "optimizers.npz")
STEPS, BATCH = int(DATA["steps"]), int(DATA["batch"])
FTRL = {
    "l1_regularization_strength": 0.02,
    "l2_regularization_strength": 0.1,
    "l2_shrinkage_regularization_strength": 0.05,
}


def without(optimizer, names):
    """The optimizer, with some weights that do not decay."""
    optimizer.exclude_from_weight_decay(var_names=names)
    return optimizer


OPTIMIZERS = {  # those of golden/make_optimizers.py
    "rmsprop_centered": optimizers.RMSprop(0.01, centered=True),
    "rmsprop_centered_momentum": optimizers.RMSprop(0.01, momentum=0.9, epsilon=1e-3, centered=True),
    "ftrl": optimizers.Ftrl(0.5),
    "ftrl_penalties": optimizers.Ftrl(0.5, learning_rate_power=-0.3, beta=0.2, initial_accumulator_value=0.0, **FTRL),
    "schedule_free": optimizers.ScheduleFreeAdamW(0.02),
    "schedule_free_warmup": optimizers.ScheduleFreeAdamW(0.05, beta_1=0.8, beta_2=0.95, warmup_steps=12),
    "lamb": optimizers.Lamb(0.02),
    "lamb_options": optimizers.Lamb(0.02, weight_decay=0.1, global_clipnorm=0.1, use_ema=True, ema_momentum=0.9),
    "adafactor": optimizers.Adafactor(0.1),
    "adafactor_options": optimizers.Adafactor(0.1, -0.6, 1e-20, 0.1, 0.7, False, weight_decay=0.1, clipvalue=0.02),
    "muon": optimizers.Muon(0.02),
    "muon_options": optimizers.Muon(
        0.02, momentum=0.8, nesterov=False, ns_steps=3, rms_rate=None, adam_lr_ratio=0.5, clipnorm=0.1, weight_decay=0.2
    ),
    "accumulated": optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=3),
    "accumulated_adam": optimizers.Adam(
        schedules.ExponentialDecay(0.05, 10, 0.7),
        gradient_accumulation_steps=4,
        weight_decay=0.1,
        global_clipnorm=0.1,
        use_ema=True,
        ema_momentum=0.8,
    ),
    "accumulated_muon": optimizers.Muon(0.02, gradient_accumulation_steps=2),
    "overwritten": optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7),
    "overwritten_accumulated": optimizers.SGD(
        0.2, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3, gradient_accumulation_steps=2
    ),
    "without_decay": without(optimizers.AdamW(0.01, weight_decay=1.0), ["bias"]),
    "muon_without_decay": without(optimizers.Muon(0.01, weight_decay=1.0, adam_weight_decay=2.0), ["bias"]),
    "scaled": optimizers.Adam(0.01, loss_scale_factor=1024.0),
}
MAPS = {
    "lamb_maps": optimizers.Lamb(0.02),
    "adafactor_maps": optimizers.Adafactor(0.1),
    "muon_maps": optimizers.Muon(0.02),
}
WHOLE = {  # by the name of the kernel: those that look at whole weights
    "lamb": optimizers.Lamb(0.1),
    "adafactor": optimizers.Adafactor(0.1),
    "muon": optimizers.Muon(0.1),
}


def dense():
    return [layers.Dense(4, "tanh", name="one"), layers.Dense(3, "softmax", name="two")]


def maps():
    return [
        layers.Reshape((5, 1)),
        layers.Conv1D(4, 3, activation="tanh"),
        layers.Conv1D(3, 2, activation="tanh"),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ]


def pieces(numbers, net):
    """All weights of a network from one row of numbers."""
    shapes = [shape for op in net.program.steps for shape in op.shapes]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    assert ends[-1] == len(numbers)
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), shapes, strict=True)]


@pytest.mark.parametrize("name", [*OPTIMIZERS, *MAPS])
def test_fifty_steps_as_keras_does_them(dtype, name):
    optimizer = (OPTIMIZERS | MAPS)[name]
    inner, start = (maps, FOUND["start_maps"]) if name in MAPS else (dense, DATA["start"])

    def network(engine):
        return assemble(engine, dtype, [layers.Input(5), *inner()], "categorical_crossentropy", optimizer)

    def run(engine):
        net = network(engine)
        net.program.fill(net.arena[0], pieces(start, net))
        order = np.arange(STEPS * BATCH) % len(DATA["x"])
        found, _ = train(net, DATA["x"], DATA["y"], batch=BATCH, order=order)
        rows = [0, *[net.program.average] * optimizer.use_ema]
        return [found, *(array for row in rows for array in net.program.shown(net.arena[row]))]

    net = network(reference.Engine)
    expected = [FOUND["losses_" + name], *pieces(FOUND["weights_" + name], net)]
    assert np.abs(FOUND["weights_" + name] - start).max() > 0.01
    if optimizer.use_ema:
        expected += pieces(FOUND["average_" + name], net)
    compare(run, dtype, expected=expected)


# -- whole weights ---------------------------------------------------------------------------------------------------

SHAPES = [(1, 1), (1, 5), (5, 1), (3, 20), (20, 3), (16, 16), (17, 33), (33, 17), (70, 8), (8, 70)]


def steps_of(engine, dtype, sizes, optimizer, threads=1, long=False):
    """Five steps of a dense layer: the network, its losses, and each row of its arena, kernel and bias together."""
    net = build(engine, dtype, sizes, ["tanh"], "mse", optimizer)
    if long:
        net.long_step = 0
    rng = np.random.default_rng(3)
    x, y = (rng.normal(size=(40, n)).astype(dtype) for n in sizes)
    found, _ = train(net, x, y, batch=8, threads=threads)
    rows = [[array.ravel() for array in weights_of(net, row)] for row in range(len(net.arena))]
    return net, [found, *map(np.concatenate, rows)]


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_weight_of_each_shape(dtype, name, sizes):
    """Narrow and wide, more and fewer lines than a panel has."""
    compare(lambda engine: steps_of(engine, dtype, sizes, WHOLE[name])[1], dtype)


@pytest.mark.parametrize("sizes", [(3, 20), (40, 50), (130, 70), (70, 130)], ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_threads_and_long_steps_change_no_bit(core, name, sizes):
    one, _ = steps_of(core.Engine, core.REAL, sizes, WHOLE[name])
    for threads, long in ((2, False), (3, False), (1, True), (2, True)):
        many, _ = steps_of(core.Engine, core.REAL, sizes, WHOLE[name], threads, long)
        np.testing.assert_array_equal(one.arena, many.arena)


def test_directions_have_equal_lengths():
    """What Muon does to a matrix: its singular values come near 1, its singular vectors stay."""
    rng = np.random.default_rng(0)
    for shape in ((30, 12), (12, 30)):
        x = rng.normal(size=shape)
        u, s, v = np.linalg.svd(x, full_matrices=False)
        found = optimizers.matrices.orthogonal(x, 3.4445, -4.775, 2.0315, 5)
        lengths = np.diag(u.T @ found @ v.T)
        np.testing.assert_allclose(found, u @ np.diag(lengths) @ v, atol=1e-12)
        assert 0.6 < lengths.min() <= lengths.max() < 1.3 and s.max() > 3 * s.min()


def test_zero_gradients_leave_numbers(core):
    """Of inputs that are always zero and of outputs that nobody trains: 0 / 0 is no step."""
    for optimizer in (*WHOLE.values(), optimizers.Ftrl(0.1, initial_accumulator_value=0.0)):
        net = build(core.Engine, core.REAL, (5, 4, 3), ["relu", "linear"], "mse", optimizer)
        op = net.program.steps[0]
        net.program.write(net.arena[0], op, [np.ones((5, 4)), np.array([1.0, -100, 1, -100])])  # two dead outputs
        x = np.abs(normal(core, np.random.default_rng(0), 16, 5))
        x[:, 1] = 0
        train(net, x, np.zeros((16, 3), core.REAL))
        assert np.isfinite(net.arena).all()


# -- in models -------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(60, 5)), RNG.integers(3, size=60)
ENGINES = ("compiled", "reference")


def model_of(optimizer, engine="compiled", dtype="float64", **how):
    model = fastnn.Sequential(
        [
            layers.Dense(6, "tanh", name="one", **how),
            layers.BatchNormalization(),
            layers.Dense(3, "softmax", name="two"),
        ],
        rng=0,
        dtype=dtype,
        engine=engine,
    )
    model.build((None, 5))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def same(one, other):
    return all((a == b).all() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_schedule_free_validates_and_leaves_the_average(engine):
    model = model_of(optimizers.ScheduleFreeAdamW(0.02), engine)
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y)).history
    assert model.evaluate(X, Y) == pytest.approx(history["val_loss"][-1], rel=1e-12)
    network = model.network
    for i in (0, 2):
        for j in (0, 1):
            op = network.program.steps[i]
            np.testing.assert_array_equal(
                network.program.read(model.arena[0], op)[j], network.program.read(model.arena[3], op)[j]
            )


@pytest.mark.parametrize("engine", ENGINES)
def test_schedule_free_goes_on_where_it_was(engine, tmp_path):
    """Two fits are one, though the average has been the weights between; so are single batches, and files."""
    whole = model_of(optimizers.ScheduleFreeAdamW(0.02), engine)
    parts = model_of(optimizers.ScheduleFreeAdamW(0.02), engine)
    whole.fit(X, Y, epochs=4, shuffle=False)
    parts.fit(X, Y, epochs=2, shuffle=False)
    parts.save(tmp_path / "m")
    for again in (parts, fastnn.load(tmp_path / "m")):
        again.fit(X, Y, epochs=2, shuffle=False)
        for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    one, other = (model_of(optimizers.ScheduleFreeAdamW(0.02), engine) for _ in range(2))
    for model in (one, other):
        model.fit(X, Y, epochs=2, shuffle=False)
    one.fit(X, Y, batch_size=60, shuffle=False)
    other.train_on_batch(X, Y)
    np.testing.assert_array_equal(one.arena[1:], other.arena[1:])
    assert (one.arena[0] != other.arena[0]).any()  # the average, and the weights of training


def test_schedule_free_obeys_new_weights():
    """Weights that somebody sets after a fit are where the next fit begins."""
    model = model_of(optimizers.ScheduleFreeAdamW(0.0))
    model.fit(X, Y, epochs=1)
    wanted = [w + 1 for w in model.get_weights()]
    model.set_weights(wanted)
    model.network.leave_average()
    assert all((a == b).all() for a, b in zip(wanted, model.get_weights(), strict=True))


@pytest.mark.parametrize("entry", optimizers.ENTRIES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_optimizer_in_every_kind_of_training(entry, engine, tmp_path):
    """Frozen layers stand still; batches by themselves, small epochs in one call and epochs with callbacks agree;
    constraints hold; checkpoints go on."""
    wide = pytest.importorskip("scipy.sparse").csr_array(X) if engine == "compiled" else X
    made = [model_of(entry(0.01), engine, kernel_constraint="non_neg", kernel_regularizer="l2") for _ in range(4)]
    single, several, heard, sparse = made
    for _ in range(2):
        for first in range(0, 60, 20):
            single.train_on_batch(X[first : first + 20], Y[first : first + 20])
    how = {"batch_size": 20, "epochs": 2, "shuffle": False}
    several.fit(X, Y, **how)
    heard.fit(X, Y, callbacks=[fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)], **how)
    sparse.fit(wide, Y, **how)
    assert same(several, heard) and (entry is optimizers.ScheduleFreeAdamW or same(single, several))
    for one, other in zip(several.get_weights(), sparse.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)
    assert several.layers[0].kernel.numpy().min() >= 0 or entry is optimizers.ScheduleFreeAdamW
    frozen = model_of(entry(0.01), engine)
    frozen.layers[0].trainable = False
    frozen.compile(entry(0.01), "sparse_categorical_crossentropy")
    before = frozen.get_weights()
    frozen.fit(X, Y, epochs=1)
    moved = [(a != b).any() for a, b in zip(before, frozen.get_weights(), strict=True)]
    assert moved[:2] == [False, False] and all(moved[2:])


@pytest.mark.parametrize("entry", optimizers.ENTRIES)
def test_every_optimizer_resumes_bit_for_bit(entry, tmp_path):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    how = {"batch_size": 7, "epochs": 3, "save_seconds": 0}
    options = {"gradient_accumulation_steps": 4}
    whole, broken, resumed = (model_of(entry(0.01, **options), dtype="float32") for _ in range(3))
    whole.fit(X, Y, checkpoint_dir=tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        halt = fastnn.callbacks.LambdaCallback(on_epoch_begin=stop)
        broken.fit(X, Y, checkpoint_dir=tmp_path / "broken", callbacks=[halt], **how)
    quiet = fastnn.callbacks.LambdaCallback()
    resumed.fit(X, Y, checkpoint_dir=tmp_path / "broken", resume=True, callbacks=[quiet], **how)
    assert same(whole, resumed) and np.array_equal(whole.arena, resumed.arena)


def test_steps_variables_and_rates_of_a_models_optimizer():
    given = optimizers.Adam(0.01, gradient_accumulation_steps=2)
    model = model_of(given)
    own = model.optimizer
    assert given.iterations == 0 and given.variables == [] and own.iterations == 0
    for _ in range(5):
        model.train_on_batch(X, Y)
    assert own.iterations == 2 and model.iterations == 5
    count, rate, *state = own.variables
    assert count == 2 and rate == 0.01 and len(state) == 3 * len(model.trainable_weights)
    assert state[0].shape == (5, 6) and (state[1] >= 0).all() and (state[2] != 0).any()
    own.learning_rate = 0.5
    assert model.optimizer.variables[1] == 0.5
    with pytest.raises(AttributeError, match="gradient_accumulation_steps cannot change from 2 to 3"):
        own.gradient_accumulation_steps = 3
    again = pickle.loads(pickle.dumps(model))
    assert again.optimizer.iterations == 2 and own.copied().iterations == 0
    model.train_on_batch(X, Y)
    assert own.iterations == 3 and again.optimizer.iterations == 2


def test_which_weights_decay():
    model = model_of("sgd")
    rule = optimizers.SGD(0.0, weight_decay=0.5)
    rule.exclude_from_weight_decay(var_list=[model.layers[0].kernel], var_names=["beta", "^bi"])
    assert rule.without_decay == ("one/kernel", "beta", "^bi")
    found = {path: rule.decays(path) for path in ("one/kernel", "two/kernel", "two/bias", "n/beta", "n/gamma")}
    assert list(found.values()) == [False, True, False, False, True]
    for wrong, error, match in (
        ({"var_names": "bias"}, TypeError, "must be a list of texts"),
        ({"var_names": ["("]}, ValueError, "is no regular expression"),
        ({"var_list": [np.ones(3)]}, TypeError, "must hold weights of layers"),
    ):
        with pytest.raises(error, match=match):
            rule.exclude_from_weight_decay(**wrong)
    model.compile(rule, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="comes before compile"):
        model.optimizer.exclude_from_weight_decay(var_names=["bias"])


@pytest.mark.parametrize("engine", ENGINES)
def test_only_the_others_decay(engine):
    """With a rate of next to nothing, decay alone moves weights."""
    rule = optimizers.SGD(1e-12, weight_decay=1e11)
    rule.exclude_from_weight_decay(var_names=["bias", "beta"])
    model = model_of(rule, engine)
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    model.train_on_batch(X, Y)
    names = [one.path for one in model.trainable_weights]
    for path, weight in zip(names, model.trainable_weights, strict=True):
        expected = 1.0 if path.endswith(("bias", "beta")) else 0.9
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-9)


def test_muon_leaves_layers_to_adam():
    """Excluded layers, and what is no matrix."""
    rule = optimizers.Muon(exclude_layers=["two"])
    assert [rule.matrices(path, shape) for path, shape in (("one/kernel", (5, 6)), ("two/kernel", (6, 3)))] == [1, 0]
    assert rule.matrices("c/kernel", (3, 3, 1, 4)) == rule.matrices("Embedding_1/table", (9, 4)) == 0
    model, adam = model_of(rule), model_of(optimizers.Adam(0.001, weight_decay=0.004))
    adam.set_weights(model.get_weights())
    for one in (model, adam):
        one.train_on_batch(X, Y)
    for index, (one, other) in enumerate(zip(model.get_weights(), adam.get_weights(), strict=True)):
        assert np.allclose(one, other, rtol=1e-12, atol=1e-15) == (index != 0)


def test_what_is_refused():
    for name in ("LossScaleOptimizer", "loss_scale_optimizer"):
        with pytest.raises(ValueError, match="loss scaling helps numbers of 16 bits"):
            optimizers.get(name)
    with pytest.raises(AttributeError, match="loss scaling helps numbers of 16 bits"):
        optimizers.LossScaleOptimizer  # noqa: B018
    with pytest.raises(AttributeError, match="one optimizer here; freeze layers"):
        optimizers.MultiOptimizer  # noqa: B018
    for make, match in (
        (lambda: optimizers.ScheduleFreeAdamW(use_ema=True), "an average of the weights of its own"),
        (lambda: optimizers.ScheduleFreeAdamW(beta_1=0.0), "beta_1 must"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "gradient_accumulation_steps must be 2 or more, got 1"),
        (lambda: optimizers.SGD(ema_overwrite_frequency=0), "ema_overwrite_frequency must be 1 or more, got 0"),
        (lambda: optimizers.SGD(loss_scale_factor=0), "loss_scale_factor must be a finite number greater than 0"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), "learning_rate_power must"),
        (lambda: optimizers.Adafactor(epsilon_1=0.0), "epsilon_1 must"),
        (lambda: optimizers.Muon(ns_steps=0), "ns_steps must be 1 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            make()


def test_minimize_knows_matrices_and_accumulation():
    """A matrix in a valley: Muon steps by its directions; n steps of accumulation are one on the mean gradient."""
    start = np.array([[3.0, 0.0], [0.0, 0.1]])
    rule = optimizers.Muon(0.1, rms_rate=None, weight_decay=None, ns_steps=10, momentum=0.0)
    path = fastnn.minimize(lambda x: (x**2).sum() / 2, lambda x: x, start, rule, steps=1)
    np.testing.assert_allclose(np.diag(start - path.x[1]), 0.1, atol=0.04)
    slow = optimizers.SGD(0.1, gradient_accumulation_steps=3)
    path = fastnn.minimize(lambda x: x * x, lambda x: 2 * x, 1.0, slow, steps=6)
    np.testing.assert_allclose(path.x, [1, 1, 1, 0.8, 0.8, 0.8, 0.64])
    free = fastnn.minimize(lambda x: x * x, lambda x: 2 * x, 1.0, optimizers.ScheduleFreeAdamW(0.1), steps=50)
    assert abs(free.x[-1]) < 0.5


LONG = """
import json
import numpy as np
import fastnn
from fastnn.layers import Dense, Input

rng = np.random.default_rng(0)
X, y = rng.random((64, 100), dtype=np.float32), rng.integers(0, 10, 64)

def make():
    model = fastnn.Sequential([Input(100), Dense(400, "relu"), Dense(400, "relu"), Dense(10, "softmax")], rng=0)
    model.compile(fastnn.optimizers.Muon(0.01, ns_steps=150), "sparse_categorical_crossentropy")
    return model

model, twin = make(), make()
cost = model.program.cost(64)
latency = until_interrupted(0.8, lambda: model.fit(X, y, batch_size=64, epochs=100, shuffle=False))
if model.iterations:
    twin.fit(X, y, batch_size=64, epochs=model.iterations, shuffle=False)
same = np.array_equal(model.arena[:2], twin.arena[:2])  # weights and momentum; of matrices the third row is scratch
print(json.dumps({"latency": latency, "same": same, "cost": cost, "long": model.engine.long_step}))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process on Windows")
def test_ctrl_c_in_the_middle_of_a_direction():
    """Muon's products last longer than the promise: they end at once, and the step has not been made."""
    report = run(LONG)
    assert report["cost"] > report["long"]  # so that the step looks for Ctrl-C inside
    assert report["latency"] < PROMISE and report["same"]
