"""Embedding: Keras' numbers on both engines, ids that have no line, files."""

import numpy as np
import pytest

import fastnn
from fastnn import optimizers, regularizers
from fastnn.constraints import MaxNorm
from fastnn.layers import Dense, Embedding, Flatten, GlobalAveragePooling1D, Input

ENGINES = ("compiled", "reference")
X = (np.arange(48).reshape(12, 4) * 7) % 9
Y = np.sin(np.arange(24)).reshape(12, 2)
W = [np.cos(np.arange(30)).reshape(10, 3), np.sin(np.arange(24) * 1.3).reshape(12, 2), np.zeros(2)]
# Keras 3 on JAX (float32): losses of three epochs, and sums of the weights times sin(0), sin(1), ...
KERAS = {
    "sgd": (lambda: optimizers.SGD(0.1), None, [0.8944564, 0.4385337, 0.3755524], [0.811438, 1.448298, 0.022816]),
    "adam": (lambda: optimizers.Adam(0.05), "l2", [1.044034, 0.5553976, 0.5649577], [1.50916, 1.256835, 0.00323]),
    "clipped": (
        lambda: optimizers.SGD(0.1, momentum=0.9, clipnorm=0.05),
        None,
        [1.1248435, 1.0240788, 0.8630757],
        [0.526622, 1.377535, 0.041421],
    ),
    "decay": (
        lambda: optimizers.AdamW(0.05, weight_decay=0.1),
        None,
        [0.8915616, 0.4145312, 0.4307951],
        [1.340297, 1.197713, 0.001416],
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", KERAS)
def test_training_as_in_keras(name, engine, dtype):
    optimizer, penalty, losses, sums = KERAS[name]
    stack = [Embedding(10, 3, embeddings_regularizer=penalty), Flatten(), Dense(2)]
    model = fastnn.Sequential([Input(4), *stack], engine=engine, dtype=dtype)
    model.set_weights(W)
    model.compile(optimizer(), "mse")
    history = model.fit(X, Y, batch_size=5, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-4)
    found = [(w * np.sin(np.arange(w.size)).reshape(w.shape)).sum() for w in model.get_weights()]
    np.testing.assert_allclose(found, sums, atol=2e-4)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float32])
def test_any_number_type_gives_the_lines(kind):
    model = fastnn.Sequential([Embedding(10, 17, input_length=4)], rng=0)
    lines = model.layers[0].embeddings.value
    for x in (X.astype(kind), np.asfortranarray(X.astype(kind)), X.astype(kind)[::2]):
        assert (model.predict(x) == lines[x.astype(int)]).all() and (model.layers[0](x) == lines[x.astype(int)]).all()


@pytest.mark.parametrize("shape", [(1,), (33,), (4, 5), (2, 3, 4)])
def test_engines_agree_on_all_shapes(shape):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 50, (70, *shape)), rng.normal(size=(70, 1))
    found, before = [], fastnn.get_num_threads()
    for engine, threads in (("compiled", 1), ("compiled", 2), ("reference", 1)):
        fastnn.set_num_threads(threads)
        layer = Embedding(50, 5, embeddings_constraint=MaxNorm(0.2), embeddings_regularizer=regularizers.L1(0.01))
        model = fastnn.Sequential([Input(shape), layer, Flatten(), Dense(1)], rng=0, engine=engine, dtype="float64")
        model.compile("adam", "mse")
        found.append((model.fit(x, y, epochs=2, verbose=0).history["loss"], *model.get_weights(), model.predict(x)))
    fastnn.set_num_threads(before)
    for one, two, three in zip(*found, strict=True):
        assert (np.asarray(one) == np.asarray(two)).all()
        np.testing.assert_allclose(one, three, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_plain_descent_moves_only_the_lines_of_the_batch(engine):
    model = fastnn.Sequential([Input(2), Embedding(1000, 8), GlobalAveragePooling1D(), Dense(1)], rng=0, engine=engine)
    model.compile(optimizers.SGD(0.1), "mse")
    before = model.layers[0].embeddings.value
    model.fit(np.array([[3, 5], [5, 7]]), np.ones((2, 1)), verbose=0)
    changed = (model.layers[0].embeddings.value != before).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [3, 5, 7]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_frozen_one_stays(engine):
    model = fastnn.Sequential([Input(4), Embedding(10, 3, trainable=False), Flatten(), Dense(2)], rng=0, engine=engine)
    before = model.layers[0].embeddings.value
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    assert (model.layers[0].embeddings.value == before).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", [10, -1, 2.5, 1e9, np.nan])
def test_numbers_without_a_line_are_refused(engine, wrong):
    model = fastnn.Sequential([Input(4), Embedding(10, 3), Flatten(), Dense(2)], rng=0, engine=engine)
    model.compile("adam", "mse")
    x = X.astype(float)
    x[3, 1] = wrong
    message = "not finite" if np.isnan(wrong) else "expected whole numbers from 0 to 9"
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=message):
            call(x, Y)
    with pytest.raises(ValueError, match=message):
        model.predict(x)
    out = model(x.astype("float32"))
    assert np.isnan(out[3]).all() and np.isfinite(np.delete(out, 3, axis=0)).all()


def test_sparse_rows_of_numbers():
    sparse = pytest.importorskip("scipy.sparse", reason="sparse matrices are SciPy's")
    model = fastnn.Sequential([Input(4), Embedding(10, 3), Flatten(), Dense(2)], rng=0, engine="reference")
    assert (model.predict(sparse.csr_array(X)) == model.predict(X)).all()
    with pytest.raises(ValueError, match="expected whole numbers from 0 to 9"):
        model.predict(sparse.csr_array(X * 2))


def test_files_and_derivatives(tmp_path):
    model = fastnn.Sequential([Input(4), Embedding(10, 3, "he_normal", "l2"), Flatten(), Dense(2)], rng=0)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.fastnn")
    other = fastnn.load(tmp_path / "m.fastnn")
    histories = [one.fit(X, Y, epochs=2, verbose=0).history for one in (model, other)]
    assert histories[0] == histories[1] and (model.predict(X) == other.predict(X)).all()
    assert not model.jacobian(X).any() and np.isfinite(model.activations(X, 0)).all()
    x = X[0].astype("float32")
    np.testing.assert_allclose(model.predictor()(x), model.predict(X)[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Embedding(0, 3), "input_dim must be 1 or more, got 0"),
        (lambda: Embedding(1 << 25, 3), "input_dim must be at most 16777216"),
        (lambda: Embedding(5, 3, mask_zero=True), "mask_zero=True is not supported"),
        (lambda: Embedding(5, 3, weights=[np.zeros((4, 3))]), r"weights must have the shape \(5, 3\), got \(4, 3\)"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
