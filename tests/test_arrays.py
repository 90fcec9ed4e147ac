"""The door: subclasses of arrays, tensors and tables count as the plain array of the same numbers, or are refused."""

import builtins
import tracemalloc
from decimal import Decimal

import numpy as np
import pytest

import fastnn
from fastnn import augmentation, data, initializers, lbfgs, metrics
from fastnn.basics.arrays import is_array, plain
from fastnn.data import Batches
from fastnn.layers import Dense, Input

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
ENGINES = ["compiled", "reference"]
N = 60
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (X @ RNG.normal(size=(4, 3))).astype(np.float32)
YES = (Y[:, :1] > 0).astype(np.float32)
LABELS = np.arange(N) % 3
WEIGHTS = np.linspace(0.5, 2, N)


class Stubborn(np.ndarray):
    """A subclass whose arithmetic and indexing lie."""

    def __getitem__(self, key):
        return np.full_like(np.asarray(self)[key], 7)

    def __array_ufunc__(self, *args, **kwargs):
        return 7

    def __array_function__(self, *args, **kwargs):
        return 7


class Capsule:
    """What speaks DLPack and nothing else."""

    def __init__(self, array):
        self.array = np.array(array)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Tensor:
    """What has ``__array__``, as tensors of other libraries do."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype=dtype)

    def __iter__(self):
        raise RuntimeError("nobody shall look at me one by one")


KINDS = {
    "matrix": np.matrix,
    "masked array": np.ma.array,
    "stubborn subclass": lambda a: np.asarray(a).view(Stubborn),
    "recarray without fields": lambda a: np.asarray(a).view(np.recarray),
    "objects": lambda a: np.asarray(a).astype(object),
    "DLPack": Capsule,
    "__array__": Tensor,
    "lists": lambda a: np.asarray(a).tolist(),
    "list of matrices": lambda a: [np.asarray(row) for row in np.asarray(a)],
    "list of masked arrays": lambda a: [np.ma.array(row) for row in np.asarray(a)],
}


def network(loss="mse", outputs=3, activation=None, metrics=("r2",), engine="compiled"):
    model = fastnn.Sequential([Input(4), Dense(5, "tanh"), Dense(outputs, activation)], rng=0, engine=engine)
    model.compile("adam", loss, list(metrics))
    return model


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_plain(kind):
    for array in (X, LABELS, np.array(3.5)):
        if kind.startswith(("matrix", "list of")) and array.ndim < 2:
            continue
        out = plain(KINDS[kind](array), "x")
        assert type(out) is np.ndarray and out.shape == array.shape
        np.testing.assert_array_equal(out.astype(float), array)


def test_a_view_stays_a_view(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    mapped = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(3, 4))
    for given in (
        array,
        np.asmatrix(array),
        np.ma.array(array, copy=False),
        array.view(Stubborn),
        mapped,
        Capsule(array),
    ):
        source = getattr(given, "array", np.asarray(given))
        assert np.shares_memory(plain(given, "x"), source)


def generator(x, y, w):
    while True:
        for first in range(0, N, 20):
            rows = slice(first, first + 20)
            yield (x[rows], y[rows], w[rows]) if w is not None else (x[rows], y[rows])


class Mine(Batches):
    def __init__(self, x, y, convert):
        self.parts = [[convert(one[i : i + 20]) for one in (x, y)] for i in range(0, N, 20)]

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return tuple(self.parts[i])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_door_of_a_model(kind, engine):
    """fit with a split, validation data, weights; evaluate, predict, a call, batches: all as with plain arrays."""
    wrap = KINDS[kind]
    weigh = (lambda w: w) if kind == "matrix" or kind.startswith("list of") else wrap
    plain_one, other = network(engine=engine), network(engine=engine)
    histories = []
    for model, convert, convert_1d in ((plain_one, np.asarray, np.asarray), (other, wrap, weigh)):
        first = model.fit(convert(X), convert(Y), validation_split=0.1, sample_weight=convert_1d(WEIGHTS))
        second = model.fit(convert(X), convert(Y), validation_data=(convert(X), convert(Y), convert_1d(WEIGHTS)))
        batches = [(convert(X[:30]), convert(Y[:30])), (convert(X[30:]), convert(Y[30:]))]
        third = model.fit(batches, validation_data=Mine(X, Y, convert))
        histories.append([first.history, second.history, third.history])
    assert histories[0] == histories[1] and same(plain_one, other)
    assert other.evaluate(wrap(X), wrap(Y), sample_weight=weigh(WEIGHTS)) == plain_one.evaluate(
        X, Y, sample_weight=WEIGHTS
    )
    assert other.evaluate(Mine(X, Y, wrap)) == plain_one.evaluate(X, Y)
    for call in (other.predict, other):
        out = call(wrap(X))
        assert type(out) is np.ndarray
        np.testing.assert_array_equal(out, plain_one.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_door(kind):
    wrap = KINDS[kind]
    one, other = network(), network()
    flat = kind.startswith(("matrix", "list of"))
    if kind != "objects":
        other.set_weights([w if flat and w.ndim == 1 else wrap(w) for w in one.get_weights()])
    assert same(one, other)
    for model, convert in ((one, np.asarray), (other, wrap)):
        model.found = [fastnn.find_learning_rate(model, convert(X), convert(Y), steps=20).losses.tolist()]
        model.found += lbfgs.fit_lbfgs(model, convert(X), convert(Y), max_iter=3).losses
    assert one.found == other.found
    labels = LABELS if kind.startswith(("matrix", "list of")) else wrap(LABELS)
    answers = fastnn.Perceptron().fit(wrap(X), np.asarray(YES[:, 0]))
    assert answers.errors_ == fastnn.Perceptron().fit(X, YES[:, 0]).errors_
    assert type(answers.predict(wrap(X))) is np.ndarray
    sparse = network("sparse_categorical_crossentropy", 3, "softmax", ["accuracy"])
    twin = network("sparse_categorical_crossentropy", 3, "softmax", ["accuracy"])
    weigh = {0: 2.0, 2: 0.5}
    assert sparse.fit(wrap(X), labels, class_weight=weigh).history == twin.fit(X, LABELS, class_weight=weigh).history


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "objects"])
def test_functions_take_them_too(kind):
    wrap, start = KINDS[kind], np.array([[1.0, 2.0], [3.0, -1.0]])
    path = fastnn.minimize(lambda x: (x**2).sum(), lambda x: wrap(2 * x), x0=wrap(start), steps=4)
    assert type(path.x) is np.ndarray and path.x.shape == (5, 2, 2)
    np.testing.assert_array_equal(path.x, fastnn.minimize(lambda x: (x**2).sum(), lambda x: 2 * x, x0=start, steps=4).x)
    layer = Dense(2, kernel_initializer=initializers.Constant(wrap(start)))
    np.testing.assert_array_equal(fastnn.Sequential([Input(2), layer]).get_weights()[0], start)


@pytest.mark.parametrize("kind", ["matrix", "masked array", "stubborn subclass", "recarray without fields"])
def test_augmentation_of_subclasses(kind):
    change = augmentation.ImageAugmentation(rotation=10, noise=0.1, shape=(2, 2), mixup=0.2)
    y = np.eye(3, dtype=np.float32)[LABELS]
    histories = []
    for convert in (np.asarray, KINDS[kind]):
        model = network("categorical_crossentropy", 3, "softmax", ["accuracy"])
        histories.append(model.fit(convert(X), convert(y), epochs=2, augmentation=change).history)
    assert histories[0] == histories[1]


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    model = network()
    np.testing.assert_array_equal(model.predict(torch.from_numpy(X)), model.predict(X))
    with pytest.raises(ValueError, match=r"X cannot become an array: .*detach\(\)"):
        model.predict(torch.from_numpy(X).requires_grad_())


# -- what would be lost ------------------------------------------------------------------------------------------------

MASKED = np.ma.array(X, mask=np.arange(4 * N).reshape(N, 4) == 9)
DOORS = {
    "fit": lambda bad: network().fit(bad, Y),
    "y": lambda bad: network(outputs=4).fit(X, bad),
    "evaluate": lambda bad: network().evaluate(bad, Y),
    "predict": lambda bad: network().predict(bad),
    "call": lambda bad: network()(bad),
    "validation": lambda bad: network().fit(X, Y, validation_data=(bad, Y)),
    "batch": lambda bad: network().fit([(bad, Y)]),
    "perceptron": lambda bad: fastnn.Perceptron().fit(bad, YES[:, 0]),
    "lbfgs": lambda bad: lbfgs.fit_lbfgs(network(), bad, Y),
    "rates": lambda bad: fastnn.find_learning_rate(network(), bad, Y),
    "confusion_matrix": lambda bad: metrics.confusion_matrix(LABELS, bad),
    "metric": lambda bad: metrics.MeanSquaredError().update(bad, X),
    "outputs of a metric": lambda bad: metrics.MeanSquaredError().update(X, bad),
    "minimize": lambda bad: fastnn.minimize(lambda x: x.sum(), x0=bad),
    "initializer": lambda bad: initializers.Constant(bad),
}
VECTORS = {
    "sample_weight": lambda bad: network().fit(X, Y, sample_weight=bad),
    "labels": lambda bad: network("sparse_categorical_crossentropy", 3, "softmax", []).fit(X, bad),
    "labels of a perceptron": lambda bad: fastnn.Perceptron().fit(X, bad),
    "score": lambda bad: fastnn.Perceptron().fit(X, YES[:, 0]).score(X, bad),
    "weights": lambda bad: network().set_weights([bad, *network().get_weights()[1:]]),
    "sampler": lambda bad: network().fit(X, Y, sampler=lambda epoch, rng: bad),
    "confusion_matrix": lambda bad: metrics.confusion_matrix(bad, LABELS),
}


@pytest.mark.parametrize("door", DOORS)
def test_masked_values_are_refused(door):
    for bad in (MASKED, list(MASKED)):
        with pytest.raises(ValueError, match="has masked values; fill or drop them first"):
            DOORS[door](bad)


@pytest.mark.parametrize("door", VECTORS)
def test_masked_vectors_are_refused(door):
    with pytest.raises(ValueError, match="masked values; fill or drop them first"):
        VECTORS[door](np.ma.array(LABELS % 2, mask=LABELS == 1))


TAKE_SPARSE = ("fit", "evaluate", "predict", "call", "validation", "batch", "lbfgs", "rates")  # as X: test_sparse.py


@pytest.mark.parametrize("door", TAKE_SPARSE)
def test_sparse_matrices_are_taken_as_samples(door):
    scipy = pytest.importorskip("scipy.sparse")
    for good in (scipy.csr_matrix(X), scipy.coo_array(X)):
        DOORS[door](good)


@pytest.mark.parametrize("door", [door for door in DOORS if door not in TAKE_SPARSE])
def test_sparse_matrices_are_refused_elsewhere(door):
    scipy = pytest.importorskip("scipy.sparse")
    for bad in (scipy.csr_matrix(X), scipy.coo_array(X)):
        with pytest.raises(TypeError, match=r"is a sparse matrix, \w+; pass [\w: ]+\.toarray\(\)"):
            DOORS[door](bad)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.zeros(N, dtype=[("a", "f4"), ("b", "f4")]).view(np.recarray), TypeError, "X must hold real numbers"),
        (np.full((N, 4), "1", dtype=object), TypeError, "X holds objects that are not numbers: '1' in row 0, column 0"),
        (np.array([[1, None, 2, 3]], dtype=object), ValueError, "X has a missing value, None in row 0, column 1"),
        (np.array([[np.timedelta64(1, "D"), 1, 1, 1]], dtype=object), TypeError, "not numbers: .*timedelta.* in row 0"),
        (np.full((2, 4), 10**400, dtype=object), TypeError, "X holds objects that are not numbers: 1000"),
        (np.full((2, 4), 1j, dtype=object), TypeError, "X holds objects that are not numbers: 1j"),
        ({"a": 1}, TypeError, "X holds objects that are not numbers: {'a': 1}; encode"),
    ],
)
def test_no_numbers(bad, error, message):
    with pytest.raises(error, match=message):
        network().predict(bad)


def test_a_matrix_has_two_axes():
    with pytest.raises(ValueError, match=r"X has shape \(1, 3\), expected \(rows, 4\)"):
        network().predict(np.matrix([1.0, 2, 3]))
    with pytest.raises(ValueError, match=r"sample_weight has shape \(1, 60\), expected \(60,\)"):
        network().fit(X, Y, sample_weight=np.matrix(WEIGHTS))


def test_objects_that_are_numbers():
    assert plain([Decimal("1.5"), True], "x").dtype == object
    assert data.readable([Decimal("1.5"), True, 10**30], "x").tolist() == [1.5, 1.0, 1e30]


# -- tables ------------------------------------------------------------------------------------------------------------


def frame():
    return {"income": X[:, 0].astype(float), "rooms": np.arange(N), "garden": YES[:, 0] > 0, "age": X[:, 3]}


def numbers():
    return np.column_stack([np.asarray(column, dtype=float) for column in frame().values()])


def pandas_mixed():
    return pytest.importorskip("pandas").DataFrame(frame())


def pandas_nullable():
    return pandas_mixed().convert_dtypes()


def pandas_arrow():
    pytest.importorskip("pyarrow")
    return pandas_mixed().convert_dtypes(dtype_backend="pyarrow")


def pandas_wild():
    pandas = pytest.importorskip("pandas")
    table = pandas_mixed()
    table["income"] = pandas.arrays.SparseArray(table["income"])
    table["rooms"] = [int(one) for one in table["rooms"]]
    table["rooms"] = table["rooms"].astype(object)
    table.index = [f"house {i}" for i in range(N)]
    table.columns = [("a", 1), 2, "same", "same"]
    return table


def polars_mixed():
    return pytest.importorskip("polars").DataFrame(frame())


def arrow():
    return pytest.importorskip("pyarrow").table(frame())


TABLES = {
    "pandas": pandas_mixed,
    "nullable": pandas_nullable,
    "arrow in pandas": pandas_arrow,
    "pandas, wild": pandas_wild,
    "polars": polars_mixed,
    "arrow": arrow,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_several_types(kind, engine, monkeypatch):
    monkeypatch.setattr(fastnn.basics.arrays, "SLICE_BYTES", 7 * 32)  # slices that end somewhere
    table, array = TABLES[kind](), numbers()
    assert is_array(table)
    one, other = network(engine=engine), network(engine=engine)
    first = one.fit(array, Y, validation_split=0.2, validation_freq=1).history
    assert other.fit(table, Y, validation_split=0.2).history == first and same(one, other)
    np.testing.assert_array_equal(other.predict(table), one.predict(array))
    np.testing.assert_array_equal(other(table), one(array))
    assert other.evaluate(table, Y) == one.evaluate(array, Y)
    wide = network(outputs=4)
    assert wide.fit(X, table).history == network(outputs=4).fit(X, array).history


@pytest.mark.parametrize("kind", ["pandas", "nullable", "arrow in pandas", "polars"])
def test_columns_of_tables(kind):
    """Series as weights, labels and targets."""
    table = TABLES[kind]()
    one, other = (
        network("binary_crossentropy", 1, "sigmoid", ["auc"]),
        network("binary_crossentropy", 1, "sigmoid", ["auc"]),
    )
    plain_y, w = YES[:, 0] > 0, np.arange(N)
    history = other.fit(X, table["garden"], sample_weight=table["rooms"]).history
    assert history == one.fit(X, plain_y, sample_weight=w).history
    np.testing.assert_array_equal(metrics.confusion_matrix(table["garden"], plain_y), np.diag(np.bincount(plain_y)))


def test_types_of_tables():
    pandas = pytest.importorskip("pandas")
    narrow = pandas.DataFrame({"a": np.arange(3, dtype="i1"), "b": np.arange(3, dtype="f4")})
    assert plain(narrow, "X").dtype == np.float32
    assert plain(narrow.astype("i2"), "X").dtype == np.int16
    assert plain(narrow.astype(bool), "X").dtype == bool
    assert plain(narrow[:0], "X").shape == (0, 2)
    one = pandas.DataFrame(np.ones((5, 3)))
    assert np.shares_memory(plain(one, "X"), one.to_numpy())  # columns of one type are not copied


def with_bad(table, value):
    """The value in row 7 of the column "age"."""
    if hasattr(table, "iloc"):
        if value is None:
            import pandas

            value = pandas.NA
        table = table.copy()
        table.loc[7, "age"] = value
        return table
    import polars

    return table.with_columns(age=polars.Series([value if i == 7 else float(i) for i in range(N)]))


@pytest.mark.parametrize("kind", ["pandas", "nullable", "arrow in pandas", "polars"])
@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_a_bad_cell_is_named_by_its_column(kind, value):
    table = TABLES[kind]()
    if kind == "pandas" and value is None:
        table["age"] = table["age"].astype(object)
    table = with_bad(table, value)
    message = r"(X|y) has (the value (nan|inf)|a missing value(, <NA>)?,?) in row 7, column 'age'"
    for call in (
        lambda: network().fit(table, Y),
        lambda: network().predict(table),
        lambda: network().evaluate(table, Y),
        lambda: network(outputs=4).fit(X, table),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_bad_cell_of_columns_of_one_type():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    bad = numbers()
    bad[11, 1] = np.nan
    for table in (pandas.DataFrame(bad, columns=list("abcd")), polars.DataFrame(bad, schema=list("abcd"))):
        with pytest.raises(ValueError, match="X has the value nan in row 11, column 'b'"):
            network().predict(table)
    with pytest.raises(ValueError, match="X has the value 1e\\+300 in row 11, column 'b'"):
        network().predict(pandas.DataFrame(np.where(np.isnan(bad), 1e300, bad), columns=list("abcd")).assign(a=1))
    with pytest.raises(ValueError, match="y has a missing value in row 2; fill"):
        network("mse", 1).fit(X[:3], pandas.Series([1, 2, None], dtype="Int64"))
    with pytest.raises(ValueError, match="sample_weight has a missing value in row 2; fill"):
        network("mse", 1).fit(X[:3], [1, 2, 3], sample_weight=polars.Series([1, 2, None]))


def columns_without_numbers(pandas):
    dates = pandas.date_range("2020-01-01", periods=N)
    return {
        "text": ["Rome"] * N,
        "objects": pandas.Series(["Rome"] * N, dtype=object),
        "digits": ["1"] * N,
        "categories": pandas.Categorical(["a", "b"] * (N // 2)),
        "categories of numbers": pandas.Categorical([1, 2] * (N // 2)),
        "dates": dates,
        "dates with a zone": dates.tz_localize("UTC"),
        "durations": dates - dates[0],
        "periods": dates.to_period("D"),
        "complex": np.ones(N, dtype=complex),
        "lists": pandas.Series([[1]] * N),
    }


WITHOUT_NUMBERS = [
    *("text", "objects", "digits", "categories", "categories of numbers", "dates", "dates with a zone", "durations"),
    *("periods", "complex", "lists"),
]


@pytest.mark.parametrize("what", WITHOUT_NUMBERS)
def test_columns_without_numbers_are_refused_by_name(what):
    pandas = pytest.importorskip("pandas")
    tables = [pandas_mixed().assign(city=columns_without_numbers(pandas)[what]).drop(columns="age")]
    tables.append(tables[0][["city"] * 4])
    if what in ("text", "dates", "dates with a zone", "durations"):
        pytest.importorskip("pyarrow")
        polars = pytest.importorskip("polars")
        tables.append(polars.DataFrame(tables[0]))
        tables.append(tables[-1].to_arrow())
    if what == "categories":
        tables.append(pytest.importorskip("polars").DataFrame(tables[0]))
    for table in tables:
        with pytest.raises(TypeError, match=r"X.* column 'city'( holds| must hold|; encode)"):
            network().predict(table)
        with pytest.raises(TypeError, match=r"y.* column 'city'( holds| must hold|; encode)"):
            network(outputs=4).fit(X, table)


@pytest.mark.parametrize("door", [door for door in DOORS if door not in ("minimize", "initializer")])
def test_a_lazy_frame_is_told_to_collect(door):
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"is a LazyFrame, which has no data yet; pass [\w ]+\.collect\(\)"):
        DOORS[door](polars.DataFrame(X).lazy())


def test_a_lazy_frame_without_y():
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"X is a LazyFrame, which has no data yet; pass X\.collect\(\)"):
        network().fit(polars.DataFrame(X).lazy())


def test_batches_may_have_a_method_collect():
    class Replay(Mine):
        def collect(self):
            """What a simulation does."""

    assert network().fit(Replay(X, Y, np.asarray)).epoch == [0]


def test_tables_need_no_library(monkeypatch):
    """Neither pandas nor polars is imported."""
    real = builtins.__import__

    def strict(name, *args, **kwargs):
        assert name.split(".")[0] not in ("pandas", "polars", "pyarrow"), name
        return real(name, *args, **kwargs)

    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    import sys

    before = set(sys.modules)
    monkeypatch.setattr(builtins, "__import__", strict)
    monkeypatch.setattr(table.__class__, "to_numpy", lambda self, dtype: np.array([[1, 0.5], [2, 1.5]]))
    assert plain(table, "X").tolist() == [[1, 0.5], [2, 1.5]]
    assert set(sys.modules) == before


@pytest.mark.parametrize("kind", ["mixed", "nullable", "objects of one column"])
def test_a_table_of_several_types_is_copied_once(kind):
    """Through Python's objects it took 6 times the numbers and more."""
    pandas = pytest.importorskip("pandas")
    rows, columns = 50_000, 20
    table = pandas.DataFrame({f"{i}": np.arange(rows, dtype=float if i % 2 else np.int64) for i in range(columns)})
    if kind == "nullable":
        table = table.astype({f"{i}": "Int64" for i in range(0, columns, 2)})
    elif kind != "mixed":
        table["0"] = table["0"].astype(object)
    tracemalloc.start()
    try:
        out = plain(table, "X")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out.nbytes == 8 * rows * columns
    assert peak < 2 * out.nbytes
