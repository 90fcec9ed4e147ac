"""Models in files: everything comes back with the same bits; damaged and hostile files are refused."""

import builtins
import errno
import json
import os
import tracemalloc
from pathlib import Path

import map_cases
import numpy as np
import pytest
import safetensors.numpy
from mutate_files import CASES, build, mutate, read_or_refuse, split, with_checksum

import fastnn
from fastnn import (
    activations,
    catalogue,
    constraints,
    description,
    initializers,
    layers,
    losses,
    optimizers,
    regularizers,
    schedules,
)
from fastnn.basics import container
from fastnn.layers import Dense, Input

STORED = Path(__file__).parent / "golden" / "model.fastnn"
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(45, 4)), RNG.integers(0, 3, 45)
LAYERS = {  # settings of each layer between an Input(4) and a Dense(3)
    "Activation": lambda: layers.Activation(activations.ELU(0.7)),
    "ActivityRegularization": lambda: layers.ActivityRegularization(0.01, 0.02),
    "BatchNormalization": lambda: layers.BatchNormalization(momentum=0.9, epsilon=1e-4),
    "Dense": lambda: Dense(
        5,
        activations.LeakyReLU(0.2),
        False,
        kernel_initializer=initializers.Constant(np.arange(20.0).reshape(4, 5) / 20),
        kernel_regularizer=regularizers.L1L2(0.01, 0.02),
        activity_regularizer=regularizers.L2(0.001),
        kernel_constraint=constraints.MaxNorm(1.5),
        name="own",
    ),
    "Dropout": lambda: layers.Dropout(0.25, (1, None), seed=3),
    "AlphaDropout": lambda: layers.AlphaDropout(0.25, noise_shape=(None, 1)),
    "Discretization": lambda: layers.Discretization([-0.5, 0.0, 0.5]),
    "IntegerLookup": lambda: layers.IntegerLookup(vocabulary=[3, 1]),
    "GaussianDropout": lambda: layers.GaussianDropout(0.25, seed=2**60),
    "GroupNormalization": lambda: layers.GroupNormalization(2, beta_regularizer="l2", gamma_constraint="non_neg"),
    "PReLU": lambda: layers.PReLU("he_normal", regularizers.L1(0.1), constraints.MaxNorm(1.0), shared_axes=[1]),
    "RMSNormalization": lambda: layers.RMSNormalization(epsilon=0.1),
    "frozen PReLU": lambda: layers.PReLU(trainable=False),
    "BatchNormalization without gamma": lambda: layers.BatchNormalization(
        scale=False, beta_initializer="ones", beta_regularizer="l1", beta_constraint=constraints.MaxNorm(0.5)
    ),
    "BatchNormalization without beta": lambda: layers.BatchNormalization(
        center=False, gamma_regularizer=regularizers.L2(0.1), moving_variance_initializer=initializers.Constant(2.0)
    ),
    "LayerNormalization of nothing": lambda: layers.LayerNormalization([1], center=False, scale=False),
    "ELU": lambda: layers.ELU(0.5),
    "Flatten": layers.Flatten,
    "GaussianNoise": lambda: layers.GaussianNoise(0.1),
    "Normalization": lambda: layers.Normalization(mean=0.5, variance=2.0),
    "Rescaling": lambda: layers.Rescaling(0.5, 1.0),
    "ReLU": lambda: layers.ReLU(max_value=6.0, negative_slope=0.1),
    "LeakyReLU": lambda: layers.LeakyReLU(0.2),
    "Softmax": lambda: layers.Softmax(),
    "LayerNormalization": lambda: layers.LayerNormalization(epsilon=1e-5),
    "UnitNormalization": layers.UnitNormalization,
}


def network(*inner, optimizer="adam", loss="sparse_categorical_crossentropy", listed=("accuracy",), **options):
    model = fastnn.Sequential([Input(4), *inner, Dense(3, "softmax")], rng=0, **options)
    model.compile(optimizer, loss, list(listed))
    return model


def same(model, other):
    assert np.array_equal(model.arena, other.arena, equal_nan=True)
    assert model.arena.dtype == other.arena.dtype and repr(model) == repr(other)
    assert (model.iterations, model.network.epochs) == (other.iterations, other.network.epochs)
    assert repr([model.optimizer, model.loss, model.metrics]) == repr([other.optimizer, other.loss, other.metrics])


def goes_on(model, path, **options):
    """Saved and loaded, it trains on with the same bits."""
    model.save(path)
    other = fastnn.load(path, **options)
    same(model, other)
    histories = [one.fit(X, Y, batch_size=7, epochs=2).history for one in (model, other)]
    assert histories[0] == histories[1]
    same(model, other)
    assert np.array_equal(model.predict(X), other.predict(X))
    return other


# -- round trips -------------------------------------------------------------------------------------------------------


def test_all_layers_are_here():
    """Those on maps: test_maps.py."""
    maps = {case["layer"] for case in map_cases.CASES} | {"SpatialDropout1D", "SpatialDropout2D"}
    maps |= {"Embedding", "CategoryEncoding", "StringLookup"}  # test_embedding.py, test_categories.py
    assert set(layers.__all__) - {"Layer", "Input"} <= LAYERS.keys() | maps


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_comes_back(tmp_path, name):
    model = network(LAYERS[name](), Dense(6, "tanh"))
    model.fit(X, Y, batch_size=7)
    goes_on(model, tmp_path / "m.fastnn")


@pytest.mark.parametrize("axes", [1, 2])
def test_dropout_of_maps_comes_back(tmp_path, axes):
    drop = getattr(layers, f"SpatialDropout{axes}D")(0.3)
    inner = [layers.Reshape((2,) * axes + (4 // 2**axes,)), drop, layers.Flatten()]
    model = network(*inner)
    model.fit(X, Y, batch_size=7)
    goes_on(model, tmp_path / "m.fastnn")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_ema": True, "clipnorm": 1.0},
        {"weight_decay": 0.01, "gradient_accumulation_steps": 4, "without_decay": ("bias",)},
    ],
    ids=str,
)
@pytest.mark.parametrize("entry", optimizers.ENTRIES)
def test_each_optimizer_goes_on(tmp_path, entry, options):
    if entry is optimizers.ScheduleFreeAdamW:  # which has an average of its own
        options = {name: value for name, value in options.items() if name != "use_ema"}
    model = network(Dense(17, "relu"), layers.BatchNormalization(), optimizer=entry(0.01, **options))
    model.fit(X, Y, batch_size=7, epochs=2)
    goes_on(model, tmp_path / "m.fastnn")


@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1, momentum=0.9, nesterov=True), optimizers.Adam(amsgrad=True)])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_engines_and_types(tmp_path, optimizer, engine, dtype):
    model = network(Dense(9, "gelu"), layers.Dropout(0.3), optimizer=optimizer, engine=engine, dtype=dtype)
    model.fit(X, Y, batch_size=7, epochs=2)
    goes_on(model, tmp_path / "m.fastnn")


ENTRIES = [(kind, name) for kind, table in catalogue.TABLES.items() for name in table]


@pytest.mark.parametrize("kind, name", ENTRIES)
def test_each_entry_of_the_catalogue_comes_back(kind, name):
    made = catalogue.TABLES[kind][name].by_name()
    arrays = description.Arrays("settings")
    text = json.loads(json.dumps(description.encode(made, arrays), allow_nan=False))
    assert repr(description.decode(text, arrays)) == repr(made)


@pytest.mark.parametrize(
    "rate",
    [
        schedules.Cosine(0.1, 100, warmup=3),
        schedules.Piecewise([10, 20], [0.1, 0.05, 0.01]),
        schedules.WarmUp(schedules.Adaptive(0.01, tol=10.0, patience=1), steps=4),
        schedules.Triangular(0.0, 0.1, step_size=7, mode="triangular2"),
        optimizers.schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
        optimizers.schedules.InverseTimeDecay(0.1, 10, 0.5),
        optimizers.schedules.PolynomialDecay(0.1, 10, cycle=True),
        optimizers.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01]),
        optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=4),
        optimizers.schedules.CosineDecayRestarts(0.1, 10, m_mul=0.5),
    ],
    ids=lambda rate: type(rate).__name__,
)
def test_schedules_come_back_where_they_are(tmp_path, rate):
    model = network(optimizer=optimizers.SGD(rate))
    model.fit(X, Y, batch_size=7, epochs=3)
    other = goes_on(model, tmp_path / "m.fastnn")
    assert model.optimizer.rates(np.arange(1, 50)).tolist() == other.optimizer.rates(np.arange(1, 50)).tolist()
    if isinstance(rate, schedules.WarmUp):
        assert model.optimizer.learning_rate.schedule.rate < 0.01  # it had followed the loss


@pytest.mark.filterwarnings("ignore:'trainable' of 'dense_1' was changed after compile")
def test_all_that_compile_was_given(tmp_path):
    """Layers that are not trained, also where ``trainable`` has changed; the loss's weight; two sorts of metrics."""
    model = fastnn.Sequential([Input(4), Dense(6, "tanh"), Dense(5, "relu"), Dense(3, "softmax")], rng=0)
    model.layers[0].trainable = False
    arguments = {"loss_weights": 0.5, "metrics": ["acc"], "weighted_metrics": ["log_loss"]}
    model.compile("adam", "sparse_categorical_crossentropy", **arguments)
    model.layers[1].trainable = False  # not obeyed before the next compile
    model.fit(X, Y)
    before = model.get_weights()
    other = goes_on(model, tmp_path / "m")
    after = other.get_weights()
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[2], after[2])
    assert [layer.trainable for layer in other.layers] == [False, False, True]
    assert model.evaluate(X, Y, return_dict=True) == other.evaluate(X, Y, return_dict=True)
    weights = np.linspace(0, 1, len(Y))
    assert model.evaluate(X, Y, sample_weight=weights) == other.evaluate(X, Y, sample_weight=weights)
    assert model.evaluate(X, Y, sample_weight=weights) != model.evaluate(X, Y)


def test_a_rate_changed_later_comes_back(tmp_path):
    model = network()
    model.optimizer.learning_rate = 0.5
    model.save(tmp_path / "m")
    assert fastnn.load(tmp_path / "m").optimizer.learning_rate == 0.5


def test_layers_added_after_loading_begin_with_the_same_weights(tmp_path):
    model = fastnn.Sequential([Input(4), Dense(3)], rng=3)
    model.save(tmp_path / "m")
    other = fastnn.load(tmp_path / "m")
    for one in (model, other):
        one.add(Dense(5))
    assert np.array_equal(model.get_weights()[2], other.get_weights()[2])
    assert model.layer_names == other.layer_names == ["dense", "dense_1"]


@pytest.mark.parametrize("kind", ["MT19937", "Philox", "SFC64", "PCG64DXSM"])
def test_generators_of_other_kinds(tmp_path, kind):
    model = fastnn.Sequential([Input(4), Dense(3)], rng=np.random.Generator(getattr(np.random, kind)(5)))
    model.save(tmp_path / "m")
    other = fastnn.load(tmp_path / "m")
    assert np.array_equal(model._rng.random(9), other._rng.random(9))


def test_compile_is_left_out_where_asked(tmp_path):
    model = network()
    model.fit(X, Y)
    model.save(tmp_path / "m")
    other = fastnn.models.load_model(tmp_path / "m", compile=False)
    assert np.array_equal(model.predict(X), other.predict(X))
    with pytest.raises(fastnn.NotCompiledError):
        other.fit(X, Y)


# -- objects of the user's own -----------------------------------------------------------------------------------------


def absolute(y, outputs):
    return np.abs(outputs - y).mean(axis=1), np.sign(outputs - y) / outputs.shape[1]


def worst(y, outputs):
    return float(np.abs(outputs - y).max())


class Half(losses.MeanSquaredError):
    def evaluate(self, a, t):
        values, slope = super().evaluate(a, t)
        return values / 2, slope / 2


class Doubling(layers.Layer):
    def __init__(self, factor=2, *, name=None):
        super().__init__(name=name)
        self.factor = factor

    def operations(self, input_shape):
        return Dense(self.factor * input_shape[0]).operations(input_shape)

    def shape_after(self, input_shape):
        return (self.factor * input_shape[0],)

    def initial_weights(self, input_shape, rng):
        return Dense(self.factor * input_shape[0]).initial_weights(input_shape, rng)


@pytest.mark.parametrize(
    "name, given, options",
    [
        ("absolute", absolute, {"loss": absolute, "listed": ()}),
        ("Half", Half, {"loss": Half(), "listed": ()}),
        ("worst", worst, {"loss": "mse", "listed": [worst]}),
        ("schedule", None, {"loss": "mse", "listed": (), "optimizer": "schedule"}),
    ],
)
def test_own_objects_are_asked_for_by_name(tmp_path, name, given, options):
    def schedule(step):
        return 0.1 / (step + 1)

    if given is None:
        given, options = schedule, options | {"optimizer": optimizers.SGD(schedule)}
    model = network(**options)
    Y3 = np.eye(3)[Y]
    model.fit(X, Y3)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=f"it needs {name!r}.*custom_objects"):
        fastnn.load(tmp_path / "m")
    other = fastnn.load(tmp_path / "m", custom_objects={name: given})
    assert model.fit(X, Y3).history == other.fit(X, Y3).history
    same(model, other)
    assert np.array_equal(fastnn.load(tmp_path / "m", compile=False).arena[0].shape, model.arena[0].shape)


def test_a_layer_of_the_users_own(tmp_path):
    model = network(Doubling(3))
    model.fit(X, Y)
    with pytest.raises(ValueError, match="needs 'Doubling'"):
        model.save(tmp_path / "m")
        fastnn.load(tmp_path / "m")
    goes_on(model, tmp_path / "m", custom_objects={"Doubling": Doubling})


def test_what_has_no_name_is_refused_when_saving(tmp_path):
    model = network(optimizer=optimizers.SGD(lambda step: 0.1))
    with pytest.raises(TypeError, match="learning_rate of SGD cannot be written"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# -- other programs ----------------------------------------------------------------------------------------------------


def test_other_programs_read_the_weights_by_name(tmp_path):
    model = network(Dense(5, "relu", name="first"), layers.BatchNormalization(name="norm"))
    model.save(tmp_path / "m.fastnn")
    model.save_weights(tmp_path / "w.safetensors")
    kernel, bias, gamma, beta, mean, variance, *last = model.get_weights()
    expected = {
        "first/kernel": kernel,
        "first/bias": bias,
        "norm/gamma": gamma,
        "norm/beta": beta,
        "norm/moving_mean": mean,
        "norm/moving_variance": variance,
        "dense/kernel": last[0],
        "dense/bias": last[1],
    }
    weights = safetensors.numpy.load_file(tmp_path / "w.safetensors")
    assert weights.keys() == expected.keys()
    whole = safetensors.numpy.load_file(tmp_path / "m.fastnn")
    for name, array in expected.items():
        assert np.array_equal(weights[name], array) and np.array_equal(whole[name], array)
    other = network(Dense(5, "relu", name="first"), layers.BatchNormalization(name="norm"))
    for path in ("m.fastnn", "w.safetensors"):
        other.set_weights([0 * array for array in other.get_weights()])
        other.load_weights(tmp_path / path)
        assert np.array_equal(other.arena[0], model.arena[0])
    with pytest.raises(ValueError, match="holds no model but: weights"):
        fastnn.load(tmp_path / "w.safetensors")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_weights_of_other_programs(tmp_path, dtype):
    model = network()
    kernel, bias = RNG.normal(size=(4, 3)).astype(dtype), RNG.normal(size=3).astype(dtype)
    safetensors.numpy.save_file({"dense/kernel": kernel, "dense/bias": bias}, tmp_path / "w")
    model.load_weights(tmp_path / "w")
    assert np.array_equal(model.get_weights()[0], kernel.astype(np.float32))
    safetensors.numpy.save_file({"dense/kernel": kernel, "dense.bias": bias}, tmp_path / "w")
    with pytest.raises(ValueError, match=r"it lacks 'dense/bias' and has also 'dense\.bias'"):
        model.load_weights(tmp_path / "w")
    with pytest.raises(ValueError, match=r"holds arrays only.*load_weights"):
        fastnn.load(tmp_path / "w")


def test_bfloat16_of_other_programs(tmp_path):
    values = np.array([[1.5, -2.0, 0.15625]] * 4, dtype=np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    safetensors.numpy.save_file({"dense/kernel": halves, "dense/bias": np.zeros(3, np.uint16)}, tmp_path / "w")
    (tmp_path / "w").write_bytes((tmp_path / "w").read_bytes().replace(b'"U16"', b'"BF16"').replace(b"   ", b" ", 1))
    data = (tmp_path / "w").read_bytes()
    header = data[8:].split(b"}}")[0] + b"}}"
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + data[-30:])
    model = network()
    model.load_weights(tmp_path / "w")
    assert np.array_equal(model.get_weights()[0], values)


# -- for ever ----------------------------------------------------------------------------------------------------------


def test_a_stored_file_loads_for_ever():
    """Written by version 0.1.0. It may get company, but never be written again."""
    model = fastnn.load(STORED)
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    expected = [[0.546579, 0.234622, 0.218799], [0.241135, 0.627591, 0.131274], [0.176611, 0.671197, 0.152192]]
    assert np.allclose(model.predict(x), expected, rtol=0, atol=2e-6)
    assert model.iterations == 21 and isinstance(model.optimizer.learning_rate, schedules.Cosine)
    assert len(model.fit(X, Y, epochs=2).epoch) == 2


# -- damaged and hostile files -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "m.fastnn"
    build().save(path)
    return path.read_bytes()


def test_every_truncation_is_refused(tmp_path, good):
    for length in [*range(0, 40), *range(40, len(good), max(1, len(good) // 60))]:
        (tmp_path / "m").write_bytes(good[:length])
        with pytest.raises(ValueError, match="damaged"):
            fastnn.load(tmp_path / "m")
    (tmp_path / "m").write_bytes(good + b"\0")
    with pytest.raises(ValueError, match="damaged"):
        fastnn.load(tmp_path / "m")


def test_every_flipped_byte_is_refused(tmp_path, good):
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(good), 150):
        (tmp_path / "m").write_bytes(good[:place] + bytes([good[place] ^ 1 << rng.integers(8)]) + good[place + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            fastnn.load(tmp_path / "m")


@pytest.mark.parametrize("case", CASES)
def test_hostile_headers_are_refused(tmp_path, good, case):
    """With a right checksum: only the checks of the contents can refuse them."""
    (tmp_path / "m").write_bytes(CASES[case](good))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as error:
            fastnn.load(tmp_path / "m")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 1000


def test_random_changes(tmp_path, good):
    """Some of what tests/mutate_files.py does by the hundred thousand."""
    rng = np.random.default_rng(2)
    found = [read_or_refuse(mutate(good, rng), tmp_path / "m") for _ in range(300)]
    assert found.count("refused") > 100


def test_the_checksum_of_an_unchanged_file_is_found_again(good):
    header, data = split(good)
    assert with_checksum(header, data) == good


def test_weights_that_are_not_finite(tmp_path):
    model = network()
    model.arena[0, 0] = np.nan
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match="'dense/kernel' holds values that are not finite"):
        fastnn.load(tmp_path / "m")
    same(model, fastnn.load(tmp_path / "m", check_finite=False))


def test_a_large_file_is_not_read_before_it_is_looked_at(tmp_path):
    with open(tmp_path / "m", "wb") as file:
        file.write((1 << 40).to_bytes(8, "little") + b"{}")
        file.truncate(1 << 41)  # of no blocks
    with pytest.raises(ValueError, match="header has 1099511627776 bytes"):
        fastnn.load(tmp_path / "m")


# -- faults while writing ----------------------------------------------------------------------------------------------


class Faults:
    """Counts the calls that reach the system, and lets one of them fail."""

    def __init__(self, monkeypatch, fail_at, code):
        self.calls, self.fail_at, self.code = [], fail_at, code
        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))
        real = builtins.open

        def opened(path, mode="r", *arguments, **options):
            file = real(path, mode, *arguments, **options)
            if "x" in mode:
                self.count("open", lambda: file.close() or os.unlink(path))
                file = Writer(file, self)
            return file

        monkeypatch.setattr(builtins, "open", opened)

    def wrap(self, name, function):
        def called(*arguments):
            self.count(name)
            return function(*arguments)

        return called

    def count(self, name, undo=lambda: None):
        self.calls.append(name)
        if len(self.calls) - 1 == self.fail_at:
            undo()
            raise OSError(self.code, os.strerror(self.code))


class Writer:
    """A file whose writes may fail when half is written."""

    def __init__(self, file, faults):
        self.file, self.faults = file, faults

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.faults.count("write", lambda: self.file.write(bytes(data)[: len(data) // 2]) or self.file.flush())
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


def saving(model, path, how):
    if how == "checkpoint":
        model.fit(X, Y, checkpoint_dir=path.parent, resume=True)
    else:
        getattr(model, how)(path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("how", ["save", "save_weights", "checkpoint"])
def test_each_call_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch, how, code):
    old, new = network(), network(Dense(4))
    for at in range(20):
        folder = tmp_path / str(at)
        folder.mkdir()
        path = folder / "m.fastnn"
        old.save(path)
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            faults = Faults(patch, at, code)
            if not failed(lambda path=path: saving(new, path, how)):
                assert len(faults.calls) == at and at >= 5  # open, writes, fsync, rename, fsync of the folder
                break
        last = faults.calls[-1] == "fsync" and "replace" in faults.calls  # of the folder: the new one is there
        if how != "checkpoint":
            assert (path.read_bytes() == before) != last
        assert not [name for name in os.listdir(folder) if name.endswith(".part")]
        assert len(new.fit(X, Y).epoch) == 1
    else:
        pytest.fail("no call was the last")


def failed(action):
    try:
        action()
    except OSError:
        return True
    return False


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        network().save(tmp_path / "no" / "m")


def test_layers_named_like_parts_of_the_file(tmp_path):
    model = network(Dense(3, name="optimizer/velocity"), Dense(2, name="settings"))
    model.save(tmp_path / "m")
    same(model, fastnn.load(tmp_path / "m"))
    arrays, told = container.read(tmp_path / "m")
    assert told["kind"] == "model" and "optimizer/velocity/kernel" in arrays
    meeting = network(Dense(3, name="a"), Dense(2, name="optimizer/velocity/a"))
    with pytest.raises(ValueError, match="two arrays would be named 'optimizer/velocity/a/kernel'"):
        meeting.save(tmp_path / "m")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"PK\x03\x04\x14\x00\x00\x00", "is no .keras file of Keras 3"),
        (b"\x89HDF\r\n\x1a\n", r"it is an HDF5 file, as Keras' .h5.*use fastnn.from_keras\(keras_model\)"),
    ],
)
def test_files_of_keras_say_what_they_are(tmp_path, head, what):
    path = tmp_path / "m.keras"
    path.write_bytes(head + bytes(500))
    with pytest.raises(ValueError, match=rf"'.*m.keras' .*{what}"):
        fastnn.load(path)
