"""Predictors: the frozen copy answers as the model does, one row or many, from any number of threads."""

import threading
import tracemalloc

import numpy as np
import pytest

import fastnn
from fastnn import activations, layers
from fastnn.basics import backend
from fastnn.engine.frozen import dense_layers, freeze
from fastnn.layers import Dense, Input
from fastnn.models.predictors import ReferenceBytes, quantize_weights

RNG = np.random.default_rng(0)
WIDTHS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 63, 64, 65, 100, 129]
ENTRIES = [entry for entry in activations.ENTRIES if entry.name != "step"]


def network(sizes, activation="relu", last="linear", **options):
    inner = [Dense(n, activation) for n in sizes[1:-1]]
    model = fastnn.Sequential([Input(sizes[0]), *inner, Dense(sizes[-1], last)], rng=1, **options)
    model.set_weights([RNG.normal(size=w.shape) / np.sqrt(len(w)) for w in model.get_weights()])
    return model


def near(found, expected, dtype):
    limit = 2e-6 if dtype == "float32" else 1e-14
    assert found.dtype == np.dtype(dtype) and found.shape == expected.shape
    assert np.abs(found - expected).max() <= limit * max(1, np.abs(expected).max())


# -- right values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", WIDTHS)
def test_every_width(outputs, dtype):
    """Blocks of all kinds: quarters, halves, whole vectors, several of them, and inputs that are no multiple of any."""
    for inputs in (1, 2, 7, 8, 30):
        model = network((inputs, outputs, 3), dtype=dtype)
        predictor, X = model.predictor(), RNG.normal(size=(9, inputs)).astype(dtype)
        expected = model.predict(X)
        near(np.stack([predictor(x) for x in X]), expected, dtype)
        for rows in (1, 2, 3, 4, 9):
            near(predictor(X[:rows]), expected[:rows], dtype)
        alone = network((inputs, outputs), dtype=dtype)
        near(alone.predictor()(X[0]), alone.predict(X)[0], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_activation(entry, dtype):
    model = network((5, 11, 3), entry(), entry(), dtype=dtype)
    X = RNG.normal(size=(9, 5)).astype(dtype)
    near(np.stack([model.predictor()(x) for x in X]), model.predict(X), dtype)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    "inner",
    [
        [Dense(7), layers.BatchNormalization(), layers.Activation("relu")],
        [Dense(7, "tanh"), layers.BatchNormalization(), layers.Dropout(0.5)],
        [layers.BatchNormalization(), Dense(7, "relu"), layers.GaussianNoise(0.5)],
        [layers.BatchNormalization(), layers.Activation("tanh"), layers.BatchNormalization()],
        [Dense(7, use_bias=False), layers.BatchNormalization(), layers.BatchNormalization()],
        [layers.LayerNormalization(), Dense(4), layers.UnitNormalization()],
    ],
    ids=lambda inner: "-".join(type(one).__name__ for one in inner),
)
def test_what_is_folded_and_what_is_not(inner, engine):
    model = fastnn.Sequential([Input(6), *inner, Dense(3, "softmax")], rng=0, dtype="float64", engine=engine)
    model.compile("adam", "sparse_categorical_crossentropy")
    X = RNG.normal(size=(40, 6)) * 3 + 1
    model.fit(X, RNG.integers(0, 3, 40), epochs=3)
    predictor, expected = model.predictor(), model.predict(X)
    near(predictor(X), expected, "float64")
    near(np.stack([predictor(x) for x in X]), expected, "float64")
    kinds = [type(op).__name__ for op in freeze(model.network).program.steps]
    assert not {"Dropout", "Noise"} & set(kinds)
    batch_norm_stays = isinstance(inner[1], layers.Activation)
    assert ("BatchNormalization" in kinds) == batch_norm_stays
    before = predictor(X)
    model.fit(X, RNG.integers(0, 3, 40), epochs=3)
    assert np.array_equal(predictor(X), before)  # frozen


def test_samples_of_several_axes():
    model = fastnn.Sequential([Input((4, 3)), layers.Flatten(), Dense(5, "relu"), Dense(2)], rng=0)
    predictor, X = model.predictor(batch=20), RNG.normal(size=(20, 4, 3)).astype(np.float32)
    near(predictor(X), model.predict(X), "float32")
    near(predictor(X[3]), model.predict(X)[3], "float32")
    assert predictor.shape == (4, 3)
    with pytest.raises(
        ValueError, match=r"x must be a C-contiguous array of float32 of shape \(4, 3\) or \(rows, 4, 3\)"
    ):
        predictor(X.reshape(20, 12))


def test_layers_beyond_the_stack():
    model = network((5, 5000, 3))
    X = RNG.normal(size=(2, 5)).astype(np.float32)
    near(model.predictor()(X[0]), model.predict(X)[0], "float32")
    assert np.abs(model.predictor(dtype="int8")(X) - model.predict(X)).max() < 0.1


@pytest.mark.parametrize("last, outputs", [("softmax", 4), ("sigmoid", 1), ("linear", 6)])
def test_classes(last, outputs):
    model = network((5, 8, outputs), last=last)
    predictor, X = model.predictor(), RNG.normal(size=(30, 5)).astype(np.float32)
    answers = model.predict(X)
    expected = answers[:, 0] > 0.5 if outputs == 1 else answers.argmax(axis=1)
    assert predictor.classes(X).tolist() == expected.astype(int).tolist()
    assert [predictor.classes(x) for x in X] == expected.astype(int).tolist()
    assert type(predictor.classes(X[0])) is int


def test_what_is_not_finite_stays_visible():
    model = network((40, 20, 3), last="softmax")
    predictor = model.predictor()
    for value in (np.nan, np.inf):
        x = np.ones(40, np.float32)
        x[17] = value
        assert np.isnan(predictor(x)).any() and np.isnan(model.predictor(dtype="int8")(x)).any()
    assert predictor.classes(np.full(40, np.nan, np.float32)) == 0


# -- how it is called --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, "int8"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_outputs_into_an_array(engine, dtype):
    model = network((5, 8, 4), engine=engine)
    predictor, X = model.predictor(dtype=dtype), RNG.normal(size=(12, 5)).astype(np.float32)
    for x, shape in ((X[0], (4,)), (X[:1], (1, 4)), (X, (12, 4))):
        out = np.full(shape, np.nan, np.float32)
        assert predictor(x, out=out) is out and np.array_equal(out, predictor(x))
    both = np.zeros(5, np.float32)
    assert np.array_equal(predictor(both[:5], out=both[:4]), predictor(np.zeros(5, np.float32)))


@pytest.mark.parametrize("dtype", [None, "int8"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_what_is_refused(engine, dtype):
    predictor, x = network((5, 8, 4), engine=engine).predictor(dtype=dtype), np.zeros((6, 5), np.float32)
    for bad in (x.astype(np.float64), x[:, :4], x.T[:5].T[::2], x[None], x[0, :4], np.ones((), np.float32)):
        with pytest.raises(ValueError, match="x must be a C-contiguous array of float32"):
            predictor(bad)
    for out in (np.zeros(4, np.float32), np.zeros((5, 4), np.float32), np.zeros((6, 4)), np.zeros((6, 8), np.float32)):
        with pytest.raises(ValueError, match="out"):
            predictor(x, out=out[:, ::2] if out.shape == (6, 8) else out)
    with pytest.raises(TypeError):
        network((5, 8, 4)).predictor(dtype=dtype)([1.0] * 5)


def test_what_a_predictor_is_refused():
    with pytest.raises(ValueError, match="'int8' for a model of float64, got 'float32'"):
        network((5, 4), dtype="float64").predictor(dtype="float32")
    with pytest.raises(ValueError, match="models of float32"):
        network((5, 4), dtype="float64").predictor(dtype="int8")
    model = fastnn.Sequential([Input(4), layers.LayerNormalization(), Dense(3)])
    with pytest.raises(ValueError, match="dense layers only"):
        model.predictor(dtype="int8")
    with pytest.raises(ValueError, match="batch must be 1 or more"):
        model.predictor(batch=0)


def test_nothing_is_allocated_with_out():
    predictor = network((30, 16, 8, 2)).predictor()
    x, out = np.zeros(30, np.float32), np.zeros(2, np.float32)
    predictor(x, out=out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            predictor(x, out)
        assert tracemalloc.get_traced_memory()[1] - before < 600  # the tuple and the loop's number
    finally:
        tracemalloc.stop()


def test_many_threads_at_once():
    model = network((40, 300, 200, 5))
    predictors = [model.predictor(), model.predictor(dtype="int8")]
    X = RNG.normal(size=(8, 300, 40)).astype(np.float32)
    expected = [[one(x) for x in X] for one in predictors]
    wrong = []

    def ask(i):
        for turn in range(12):
            for one, answers in zip(predictors, expected, strict=True):
                j = (i + turn) % len(X)
                if not np.array_equal(one(X[j]), answers[j]) or not np.array_equal(one(X[j, 0]), one(X[j, :1])[0]):
                    wrong.append((i, turn))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vnni", [None, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 2, 5), (30, 16, 8, 2), (64, 100, 10), (130, 17, 33, 16)], ids=str)
def test_bytes_are_those_of_the_twin(sizes, vnni):
    """Sums of whole numbers are exact; the rest rounds otherwise, and may move a number of the next layer by one."""
    model = network(sizes, "tanh", "sigmoid")
    quantized = [(*quantize_weights(W), b, f) for W, b, f in dense_layers(freeze(model.network))]
    compiled = backend.core("float32").BytePredictor(quantized, sizes[:1], sizes[-1], vnni)
    twin = ReferenceBytes(quantized, sizes[:1], 255 if compiled.vnni else 127)
    X = (RNG.normal(size=(11, sizes[0])) * 3).astype(np.float32)
    X[0], X[1] = 0, np.abs(X[1])
    expected = twin(X)
    assert np.abs(compiled(X) - expected).max() < (2e-6 if len(sizes) == 2 else 2e-3)
    assert np.array_equal(np.stack([compiled(x) for x in X]), compiled(X))
    assert np.abs(expected - model.predict(X)).max() < 0.1


def test_bytes_reach_both_ends():
    """The largest whole numbers everywhere: pairs must not overflow 16 bits, nor many of them 32."""
    W, b = np.full((3000, 17), 2.0, np.float32), np.zeros(17, np.float32)
    W[:, 1] = -2
    for vnni in (None, False):
        quantized = [(*quantize_weights(W), b, activations.Linear())]
        predictor = backend.core("float32").BytePredictor(quantized, (3000,), 17, vnni)
        for x in (np.full(3000, 5, np.float32), np.full(3000, -5, np.float32)):
            near(predictor(x), x @ W, "float32")


def test_bytes_of_digits():
    """At most 0.3 % of accuracy are lost, and three quarters of the memory."""
    X, y, X_test, y_test = digits()
    inner = [Dense(100, "relu"), Dense(50, "relu")]
    model = fastnn.Sequential([Input(64), *inner, Dense(10, "softmax")], rng=0)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, y, epochs=40)
    exact, predictor = model.predictor(), model.predictor(dtype="int8")
    right = [np.mean(one.classes(X_test) == y_test) for one in (exact, predictor)]
    assert right[0] > 0.92 and right[1] >= right[0] - 0.003
    errors = predictor.errors(model, X_test)
    assert errors["mean"] < 0.005 and errors["largest"] < 0.3 and errors["same classes"] > 0.99
    assert exact.errors(model, X_test)["largest"] < 1e-5
    assert predictor.nbytes < 0.35 * exact.nbytes  # each layer has its scales too


def digits():
    X, y = fastnn.datasets.digits()[:2]
    X = np.ascontiguousarray(X.reshape(len(X), -1) / X.max(), dtype=np.float32)
    return X[:1300], y[:1300], X[1300:], y[1300:]


# -- the core's own checks ---------------------------------------------------------------------------------------------


def test_the_core_refuses_what_does_not_fit():
    core = backend.core("float32")
    model = network((5, 8, 4))
    frozen = freeze(model.network)
    good = dense_layers(frozen)
    W, b, f = good[0]
    for bad in ([], good[:1], [(W.T, b, f), good[1]], [(W, b[:-1], f), good[1]], [good[1], good[0]]):
        with pytest.raises(ValueError):
            core.Predictor(bad, frozen.engine, (5,), 4)
    for shape in ((), (4,), (5, 2), (1,) * 9):
        with pytest.raises(ValueError):
            core.Predictor(good, frozen.engine, shape, 4)
    with pytest.raises(ValueError):
        core.BytePredictor([], (5,), 4)
    with pytest.raises(ValueError, match="more than 65536"):
        big = np.zeros((70000, 2), np.int8), np.ones(2, np.float32), np.zeros(2, np.float32), activations.Linear()
        core.BytePredictor([big], (70000,), 2)


def test_samples_of_more_numbers_than_are_read_at_once():
    x = np.random.default_rng(0).random((5, 900, 700, 1), dtype=np.float32)
    model = fastnn.Sequential([Input((900, 700, 1)), layers.MaxPooling2D(100), layers.Flatten(), Dense(2)], rng=0)
    right = x.reshape(5, 9, 100, 7, 100).max(axis=(2, 4)).reshape(5, -1) @ model.get_weights()[0]
    np.testing.assert_allclose(model.predictor()(x), right, rtol=1e-5)
    np.testing.assert_allclose(model.predictor()(x[4]), right[4], rtol=1e-5)
    np.testing.assert_allclose(model.predict(x.swapaxes(1, 2).copy().swapaxes(1, 2)), right, rtol=1e-5)
