"""Every kind of array that the door lets in gives the results of the plain float array, without a copy of the whole."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn
from fastnn.layers import Dense, Flatten, Input

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">f8", ">i4", ">u2", ">f2"]


def column_slice(x):
    wide = np.full((x.shape[0], 3 * x.shape[1] + 5), 77, dtype=x.dtype)
    wide[:, 2 : 2 + 3 * x.shape[1] : 3] = x
    return wide[:, 2 : 2 + 3 * x.shape[1] : 3]


def unaligned(x):
    raw = bytearray(x.nbytes + 1)
    out = np.frombuffer(raw, dtype=x.dtype, count=x.size, offset=1).reshape(x.shape)
    out[...] = x
    return out


def read_only(x):
    out = x.copy()
    out.flags.writeable = False
    return out


def every_second_row(x):
    return np.repeat(x, 2, axis=0)[::2]


LAYOUTS = {
    "plain": lambda x: x,
    "fortran": np.asfortranarray,
    "rows reversed": lambda x: x[::-1].copy()[::-1],
    "columns reversed": lambda x: x[:, ::-1].copy()[:, ::-1],
    "both reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "column slice": column_slice,
    "every second row": every_second_row,
    "read-only": read_only,
    "unaligned": unaligned,
}


def network(inputs, dtype="float32", engine="compiled", loss="mse"):
    out = Dense(4, "softmax") if loss.startswith("sparse") else Dense(2)
    model = fastnn.Sequential([Input(inputs), Dense(5, "tanh"), out], rng=0, dtype=dtype, engine=engine)
    model.compile("adam", loss, metrics=["accuracy" if loss.startswith("sparse") else "r2"])
    return model


def results(model, X, y, sample_weight=None):
    """Everything that depends on the arrays: history, weights, outputs, evaluation."""
    history = model.fit(X, y, batch_size=7, epochs=2, sample_weight=sample_weight).history
    evaluation = model.evaluate(X, y, sample_weight=sample_weight)
    return [*history.values(), evaluation, model.predict(X), *model.get_weights()]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def numbers(n, columns, dtype, seed=0):
    """Small whole numbers, which every type holds exactly; halves too where the type can."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2 if dtype == "?" else 100, (n, columns))
    return (values / 8 if np.dtype(dtype).kind == "f" else values).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES)
def test_type_and_layout_do_not_matter(dtype, layout):
    X = numbers(23, 19, dtype)
    Y = numbers(23, 2, dtype, seed=1)
    plain = results(network(19), X.astype(np.float32), Y.astype(np.float32))
    assert_same(results(network(19), LAYOUTS[layout](X), LAYOUTS[layout](Y)), plain)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "u1", "?", ">f8"])
def test_types_of_a_float64_model_and_of_the_reference(dtype):
    X, Y = numbers(23, 19, dtype), numbers(23, 2, dtype, seed=1)
    for options in ({"dtype": "float64"}, {"dtype": "float64", "engine": "reference"}):
        plain = results(network(19, **options), X.astype(np.float64), Y.astype(np.float64))
        assert_same(results(network(19, **options), column_slice(X), column_slice(Y)), plain)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "f2", ">i4", "list"])
def test_types_of_labels(dtype):
    X, y = numbers(23, 19, "f4"), np.arange(23) * 7 % 4
    given = y.tolist() if dtype == "list" else np.repeat(y.astype(dtype), 3)[::3]
    loss = "sparse_categorical_crossentropy"
    assert_same(results(network(19, loss=loss), X, given), results(network(19, loss=loss), X, y))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u1", "?", ">f4", "list"])
def test_types_of_sample_weights(dtype):
    X, Y = numbers(23, 19, "f4"), numbers(23, 2, "f4", 1)
    w = np.arange(23) % (2 if dtype == "?" else 5)
    given = w.tolist() if dtype == "list" else np.repeat(w.astype(dtype), 2)[::2]
    assert_same(results(network(19), X, Y, given), results(network(19), X, Y, w.astype(np.float64)))


def test_lists():
    X, Y = numbers(23, 19, "f4"), numbers(23, 2, "f4", 1)
    assert_same(results(network(19), X.tolist(), [tuple(row) for row in Y.tolist()]), results(network(19), X, Y))


def test_memmap(tmp_path):
    X, Y = numbers(23, 19, "f4"), numbers(23, 2, "f4", 1)
    X.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, mode="r", shape=X.shape)
    assert_same(results(network(19), mapped, Y), results(network(19), X, Y))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1"])
@pytest.mark.parametrize("columns", [1, 7, 15, 17, 30])
def test_nothing_is_read_behind_the_last_row(columns, dtype):
    """X ends where the memory does: one byte further and the process would die."""
    import ctypes
    import mmap

    size = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + size), ctypes.c_size_t(size), 0) == 0
    count = size // np.dtype(dtype).itemsize // columns * columns
    X = np.frombuffer(memory, dtype, count, size - count * np.dtype(dtype).itemsize).reshape(-1, columns)
    X[:] = np.arange(count).reshape(X.shape) % 100
    model = network(columns)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype("f4")))


@pytest.mark.parametrize("shape", [(1, 19), (23, 1), (1, 1)])
def test_broadcast_with_zero_strides(shape):
    X = np.broadcast_to(numbers(*shape, "f4"), (23, 19))
    Y = np.broadcast_to(np.float32(3), (23, 2))
    assert 0 in X.strides and set(Y.strides) == {0}
    assert_same(results(network(19), X, Y), results(network(19), X.copy(), Y.copy()))


def test_targets_of_one_output_may_be_flat():
    def model():
        one = fastnn.Sequential([Input(19), Dense(1)], rng=0)
        one.compile("adam", "mse")
        return one

    X, y = numbers(23, 19, "f4"), numbers(23, 1, "f4", 1)
    wide = np.repeat(y, 3, axis=1)
    assert_same(results_of_one(model(), X, wide[:, 1]), results_of_one(model(), X, y))
    assert_same(results_of_one(model(), X, wide[::-1, 2][::-1]), results_of_one(model(), X, y))


def results_of_one(model, X, y):
    return [model.fit(X, y, batch_size=5).history["loss"], model.evaluate(X, y), *model.get_weights()]


def test_large_integers_round_as_numpy_rounds():
    X = np.array([[2**63 + 2**40, 2**24 + 1], [2**53 + 1, 3]], dtype=np.uint64)
    model = fastnn.Sequential([Input(2), Dense(2)])
    model.set_weights([np.eye(2), np.zeros(2)])
    assert np.array_equal(model.predict(X), X.astype(np.float32))


def test_every_half_is_read_exactly():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 1)
    model = fastnn.Sequential([Input(1), Dense(1)])
    model.set_weights([[[1.0]], [0.0]])
    assert np.array_equal(model.predict(halves), halves.astype(np.float32))


@st.composite
def views(draw):
    """A strided view (n, 2, 3) of any type, made by slicing and transposing a larger block."""
    dtype = draw(st.sampled_from(TYPES))
    n = draw(st.integers(1, 9))
    order = draw(st.permutations(range(3)))
    steps = draw(st.tuples(*[st.sampled_from([-3, -2, -1, 1, 2, 3])] * 3))
    shape = (n, 2, 3)
    block = np.zeros([shape[axis] * abs(steps[axis]) for axis in order], dtype=dtype)
    view = block.transpose(np.argsort(order))[tuple(slice(None, None, step) for step in steps)]
    view[...] = numbers(n, 6, dtype, draw(st.integers(0, 5))).reshape(shape)
    assert view.shape == shape
    return view


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(views(), st.sampled_from(["float32", "float64"]), st.integers(1, 12))
def test_any_view_is_read_like_its_copy(view, dtype, batch):
    def run(x):
        model = fastnn.Sequential([Input((2, 3)), Flatten(), Dense(3, "tanh"), Dense(1)], rng=0, dtype=dtype)
        model.compile("sgd", "mse")
        history = model.fit(x, np.arange(len(x)), batch_size=batch, epochs=2).history
        return [history["loss"], model.predict(x), *model.get_weights()]

    assert_same(run(view), run(np.array(view, dtype=dtype, order="C")))


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(st.integers(1, 70), st.integers(1, 90), st.integers(1, 35), st.integers(1, 19))
def test_any_batch_size_trains_as_the_formula(n, batch, inputs, outputs):
    """One epoch of gradient descent on a linear model, in four lines of NumPy; the last batch is short."""
    rng = np.random.default_rng(n)
    X, Y = rng.normal(size=(n, inputs)), rng.normal(size=(n, outputs))
    model = fastnn.Sequential([Input(inputs), Dense(outputs)], rng=0, dtype="float64")
    model.compile(fastnn.optimizers.SGD(0.05), "mse")
    W, b = model.get_weights()
    total = 0.0
    for first in range(0, n, batch):
        x = X[first : first + batch]
        e = x @ W + b - Y[first : first + batch]
        total += (e * e).mean(axis=1).sum()
        W = W - 0.05 * 2 / outputs * x.T @ e / len(x)
        b = b - 0.05 * 2 / outputs * e.mean(axis=0)
    history = model.fit(X, Y, batch_size=batch, shuffle=False).history
    np.testing.assert_allclose(model.get_weights()[0], W, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-11, atol=1e-13)
    assert history["loss"] == [pytest.approx(total / n, rel=1e-12)]
    assert model.iterations == -(-n // batch)


def test_batch_size_32_is_the_default():
    X = np.random.default_rng(0).normal(size=(97, 19))
    models = [network(19), network(19)]
    models[0].fit(X, X[:, :2])
    models[1].fit(X, X[:, :2], batch_size=32)
    assert models[0].iterations == 4
    assert_same(models[0].get_weights(), models[1].get_weights())


def test_batch_larger_than_the_data_is_the_whole_data():
    X = np.random.default_rng(0).normal(size=(13, 19))
    models = [network(19), network(19)]
    models[0].fit(X, X[:, :2], batch_size=13, epochs=3)
    models[1].fit(X, X[:, :2], batch_size=10**12, epochs=3)
    assert models[1].iterations == 3
    assert_same(models[0].get_weights(), models[1].get_weights())


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 15, 16, 17, 95, 96, 97, 193, 1009])
def test_rows_of_a_batch_are_predicted_as_alone(n):
    model = network(19)
    X = np.random.default_rng(n).normal(size=(n, 19)).astype(np.float32)
    together = model.predict(X)
    assert together.shape == (n, 2)
    assert np.array_equal(np.concatenate([model.predict(X[i : i + 1]) for i in range(n)]), together)


# -- no copy -----------------------------------------------------------------------------------------------------------

ROWS, COLUMNS = 20_000, 400


def big(kind, folder):
    """An X of 8 million numbers that a careless library would convert, of which one element costs at least a byte."""
    if kind == "memmap":
        np.zeros((ROWS, COLUMNS), dtype=np.float32).tofile(folder / "x")
        return np.memmap(folder / "x", dtype=np.float32, mode="r", shape=(ROWS, COLUMNS))
    if kind == "broadcast":
        return np.broadcast_to(np.float32(1), (ROWS, COLUMNS))
    if kind == "strided":
        return np.zeros((2 * ROWS, COLUMNS + 5), dtype=np.float32)[::2, 5:]
    if kind == "reversed":
        return np.zeros((ROWS, COLUMNS), dtype=np.float32)[::-1, ::-1]
    if kind == "fortran":
        return np.zeros((ROWS, COLUMNS), dtype=np.float32, order="F")
    return np.zeros((ROWS, COLUMNS), dtype=kind)


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize(
    "kind", ["u1", "?", "i8", "f2", "f4", "f8", "strided", "reversed", "fortran", "broadcast", "memmap"]
)
def test_no_copy_of_the_whole(kind, call, tmp_path):
    X = big(kind, tmp_path)
    y = np.zeros(ROWS, dtype=np.int64)
    model = fastnn.Sequential([Input(COLUMNS), Dense(2, "softmax")], rng=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    tracemalloc.start()
    try:
        if call == "predict":
            model.predict(X)
        else:
            getattr(model, call)(X, y, batch_size=200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ROWS * COLUMNS / 4, f"{peak:,} bytes for an X of {ROWS * COLUMNS:,} elements"
