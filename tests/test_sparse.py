"""Sparse matrices at the door: the first product works on the non-zeros, and nothing of rows x features is made."""

import tracemalloc

import numpy as np
import pytest

import fastnn
from fastnn.engine.network import Network
from fastnn.engine.program import lower
from fastnn.engine.source import Source, Sparse
from fastnn.layers import BatchNormalization, Dense, Dropout, Flatten, Input
from fastnn.losses import FromFunction, MeanSquaredError
from fastnn.optimizers import SGD, Adam

scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")

ROWS = 70


def matrix(columns, density=0.2, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, columns)).astype(dtype)
    x[rng.random(x.shape) > density] = 0
    x[3] = 0  # a row without an entry
    return x


def source(x):
    rows = scipy_sparse.csr_array(x)
    return Sparse(rows.data, rows.indices, rows.indptr, x.shape[1])


def network(columns, outputs, optimizer=None, dtype="float64", loss=None, penalty=None, engine="compiled"):
    layers = [Input(columns), Dense(outputs, "tanh", kernel_regularizer=penalty), Dense(2)]
    return Network(
        lower(layers, np.dtype(dtype), loss or MeanSquaredError(), optimizer or Adam(0.01)),
        engine,
        weights=[
            one.astype(dtype)
            for rng in [np.random.default_rng(5)]
            for one in (
                rng.normal(size=(columns, outputs)),
                rng.normal(size=outputs),
                rng.normal(size=(outputs, 2)),
                rng.normal(size=2),
            )
        ],
    )


def train(net, x, threads=1, batch=32, steps=3):
    y = Source(np.random.default_rng(1).normal(size=(ROWS, 2)))
    losses = np.zeros(steps)
    order = np.random.default_rng(2).permutation(ROWS)
    assert net.run_steps(x, y, None, order, 0, steps, batch, losses, None, threads) == steps
    return losses


@pytest.mark.parametrize("columns", [1, 5, 16, 17, 100])
@pytest.mark.parametrize("outputs", [1, 7, 8, 33])
def test_training_as_on_the_dense_matrix(columns, outputs):
    x = matrix(columns)
    for optimizer in (Adam(0.01), SGD(0.1), SGD(0.1, momentum=0.9), SGD(0.1, clipnorm=0.1), SGD(0.1, weight_decay=0.1)):
        for penalty in (None, "l2"):
            one, other = (network(columns, outputs, optimizer, penalty=penalty) for _ in range(2))
            np.testing.assert_allclose(train(one, source(x)), train(other, Source(x)), rtol=1e-12)
            np.testing.assert_allclose(one.arena, other.arena, rtol=1e-9, atol=1e-12)


def test_the_reference_agrees():
    x = matrix(40)
    one, other = network(40, 9), network(40, 9, engine="reference")
    np.testing.assert_allclose(train(one, source(x)), train(other, source(x)), rtol=1e-12)
    np.testing.assert_allclose(one.predict(source(x)), other.predict(source(x)), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_no_bit(dtype):
    x = source(matrix(90))
    for optimizer in (Adam(0.01), SGD(0.1)):
        nets = [network(90, 40, optimizer, dtype) for _ in range(3)]
        losses = [train(net, x, threads) for net, threads in zip(nets, (1, 2, 3), strict=True)]
        for net, loss in zip(nets[1:], losses[1:], strict=True):
            assert np.array_equal(net.arena, nets[0].arena) and np.array_equal(loss, losses[0])
        assert np.array_equal(nets[0].engine.predict(x, 1), nets[0].engine.predict(x, 2))


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "i1", "i4", "i8", "u1", "u2", "bool"])
def test_values_of_any_type(kind):
    x = (np.abs(matrix(20)) * 3).astype(kind)
    net = network(20, 6)
    rows = scipy_sparse.csr_array(x.astype(np.float64))
    given = Sparse(rows.data.astype(kind), rows.indices, rows.indptr, 20)
    np.testing.assert_allclose(net.predict(given), net.predict(Source(x)), rtol=1e-12)
    np.testing.assert_allclose(
        net.gradient(given, Source(np.zeros((ROWS, 2))), None)[1],
        net.gradient(Source(x), Source(np.zeros((ROWS, 2))), None)[1],
        rtol=1e-9,
        atol=1e-12,
    )


def test_entries_of_one_place_add_up_and_their_order_is_free():
    given = Sparse(np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), np.array([0, 3]), 3)
    assert given.take(slice(None)).tolist() == [[2.0, 0.0, 5.0]]
    net = network(3, 4)
    np.testing.assert_allclose(net.predict(given), net.predict(Source(np.array([[2.0, 0.0, 5.0]]))), rtol=1e-13)


def test_a_loss_of_the_users_own_and_first_layers_that_are_no_products():
    def halved(y, outputs):
        return 0.5 * ((outputs - y) ** 2).sum(axis=1), outputs - y

    x = matrix(30)
    one, other = (network(30, 5, loss=FromFunction(halved)) for _ in range(2))
    np.testing.assert_allclose(train(one, source(x)), train(other, Source(x)), rtol=1e-12)
    for first in (BatchNormalization(), Dropout(0.3)):
        models = [fastnn.Sequential([Input(30), first.copied(), Dense(4)], rng=0, dtype="float64") for _ in range(2)]
        for model, given in zip(models, (scipy_sparse.csr_matrix(x), x), strict=True):
            model.compile("adam", "mse")
            model.fit(given, np.ones((ROWS, 4)), epochs=2)
        assert np.array_equal(models[0].predict(scipy_sparse.csc_array(x)), models[1].predict(x))


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "csc_array", "coo_array"])
def test_sequential_takes_them_at_every_door(kind):
    x, y = matrix(30), np.random.default_rng(0).integers(0, 3, ROWS)
    given = getattr(scipy_sparse, kind)(x)
    results = []
    for one in (given, x):
        model = fastnn.Sequential([Input(30), Dense(8, "relu"), Dense(3, "softmax")], rng=0, dtype="float64")
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        history = model.fit(one, y, epochs=4, validation_split=0.2, class_weight={0: 2.0})
        more = model.fit(one, y, epochs=2, validation_data=(one, y), sample_weight=np.linspace(0, 1, ROWS))
        seen = model.predict(one, callbacks=[fastnn.callbacks.LambdaCallback(on_predict_batch_end=lambda *_: None)])
        results.append(
            [*history.history.values(), *more.history.values(), model.evaluate(one, y), model.predict(one), seen]
        )
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_what_does_not_fit_is_refused():
    model = fastnn.Sequential([Input(30), Dense(2)], rng=0)
    model.compile("adam", "mse")
    x = scipy_sparse.csr_array(matrix(30))
    with pytest.raises(ValueError, match=r"X has shape \(70, 30\), expected \(rows, 31\)"):
        fastnn.Sequential([Input(31), Dense(2)]).predict(x)
    bad = x.copy()
    bad.data[40] = np.nan
    row = int(np.searchsorted(bad.indptr, 40, side="right")) - 1
    with pytest.raises(
        ValueError, match=f"X has the value nan in row {row}, column {bad.indices[40]}, which is not finite"
    ):
        model.fit(bad, np.zeros((ROWS, 2)))
    with pytest.raises(ValueError, match="X has 70 rows but y has 3"):
        model.fit(x, np.zeros((3, 2)))
    with pytest.raises(TypeError, match="y is a sparse matrix"):
        model.fit(x, x)
    for values, indices, starts in (
        (np.ones(2), [0, 30], [0, 2]),
        (np.ones(2), [0, -1], [0, 2]),
        (np.ones(2), [0, 1], [0, 3]),
        (np.ones(2), [0, 1], [-1, 2]),
        (np.ones(2), [0, 1], [0, 2, 1]),
        (np.ones(1), [0, 1], [0, 2]),
    ):
        with pytest.raises(ValueError, match=r"entries of a sparse matrix lie outside|values side by side"):
            model.network.predict(Sparse(values, np.array(indices), np.array(starts), 30))


def test_nothing_of_rows_times_features_is_made():
    columns, rows = 200_000, 500
    x = scipy_sparse.random(rows, columns, density=2e-4, format="csr", random_state=np.random.default_rng(0))
    model = fastnn.Sequential([Input(columns), Dense(4, "relu"), Dense(1)], rng=0)
    model.compile("adam", "mse")
    tracemalloc.start()
    model.fit(x, np.ones(rows), epochs=2, batch_size=100, validation_split=0.2)
    model.predict(x)
    model.evaluate(x, np.ones(rows))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < rows * columns * 4 / 2  # some copies of the weights, 13 MB each


ASKED = {
    "gradient": lambda model, x: model.gradient(x),
    "one output": lambda model, x: model.gradient(x, output=1),
    "jacobian": lambda model, x: model.jacobian(x),
    "activations": lambda model, x: model.activations(x, 1),
    "input": lambda model, x: model.activations(x, 0),
    "loss_gradient": lambda model, x: model.loss_gradient(x, np.ones((ROWS, 2)), flat=True)[1],
    "training": lambda model, x: model(x, training=True),
    "test_on_batch": lambda model, x: model.test_on_batch(x, np.ones((ROWS, 2))),
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("columns", [1, 20])
@pytest.mark.parametrize("what", ASKED)
def test_what_is_asked_of_a_model(what, columns, engine):
    layers = [Input(columns), Flatten(), Dense(7, "tanh"), Dense(2)]
    model = fastnn.Sequential(layers, rng=0, dtype="float64", engine=engine)
    model.compile("sgd", "mse")
    x = matrix(columns)
    found, expected = ASKED[what](model, scipy_sparse.csr_array(x)), ASKED[what](model, x)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_histograms_of_activations():
    pytest.importorskip("matplotlib").use("agg")
    model = fastnn.Sequential([Input(20), Dense(7, "tanh"), Dense(2)], rng=0)
    model.compile("sgd", "mse")
    x = matrix(20)
    shown = [
        [bar.get_height() for ax in fastnn.plots.activation_histograms(model, one) for bar in ax.patches]
        for one in (scipy_sparse.csr_array(x), x)
    ]
    assert shown[0] == shown[1] and shown[0]
