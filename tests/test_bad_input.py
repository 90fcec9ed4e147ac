"""Bad input is refused with a message that says what was given, what was expected and what to do; nothing changes."""

import pickle

import numpy as np
import pytest

import fastnn
from fastnn import DivergenceError, NotCompiledError, optimizers
from fastnn.layers import Dense, Flatten, Input, Layer

ENGINES = ["compiled", "reference"]
N = 24
X = np.random.default_rng(0).normal(size=(N, 4))
LABELS = np.arange(N) % 3
SPARSE = "sparse_categorical_crossentropy"


def trained(loss=SPARSE, outputs=3, engine="compiled", **options):
    """A model that has weights, moments, iterations and a history to lose."""
    activation = "linear" if loss == "mse" else "sigmoid" if loss.startswith("binary") else "softmax"
    model = fastnn.Sequential([Input(4), Dense(6, "tanh"), Dense(outputs, activation)], rng=0, engine=engine, **options)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(X, LABELS if loss == SPARSE else np.eye(outputs)[LABELS % outputs], batch_size=5, epochs=2)
    return model


@pytest.fixture(params=ENGINES)
def model(request):
    return trained(engine=request.param)


def with_value(array, place, value):
    out = array.astype(np.float64)
    out[place] = value
    return out


class refused:
    """A block that must raise, with a message that matches, and leave the model as it was, to the last bit."""

    def __init__(self, model, error, match):
        self.model, self.raises = model, pytest.raises(error, match=match)

    def __enter__(self):
        self.before = pickle.dumps(self.model)
        self.raises.__enter__()

    def __exit__(self, *details):
        handled = self.raises.__exit__(*details)
        assert pickle.dumps(self.model) == self.before, "the refused call changed the model"
        return handled


def test_the_unchanged_check_sees_changes():
    """The helper above is worth nothing if a step of training escapes it."""
    model = trained()
    before = pickle.dumps(model)
    assert pickle.dumps(model) == before
    model.predict(X)
    assert pickle.dumps(model) == before
    model.fit(X, LABELS)
    assert pickle.dumps(model) != before


# -- X -----------------------------------------------------------------------------------------------------------------

BAD_X = {
    "too many features": (np.ones((N, 5)), ValueError, r"X has shape \(24, 5\), expected \(rows, 4\).*4 features"),
    "too few features": (np.ones((N, 3)), ValueError, r"X has shape \(24, 3\), expected \(rows, 4\)"),
    "one axis": (np.ones(4), ValueError, r"X has shape \(4,\), expected \(rows, 4\).*X\[None\]"),
    "no axis": (5.0, ValueError, r"X has shape \(\), expected \(rows, 4\)"),
    "three axes": (np.ones((N, 2, 2)), ValueError, r"X has shape \(24, 2, 2\), expected \(rows, 4\).*[Rr]eshape"),
    "NaN": (with_value(X, (7, 2), np.nan), ValueError, r"X.*nan.*row 7, column 2"),
    "infinity": (with_value(X, (23, 3), np.inf), ValueError, r"X.*inf.*row 23, column 3"),
    "minus infinity": (with_value(X, (0, 0), -np.inf), ValueError, r"X.*-inf.*row 0, column 0"),
    "1e300": (with_value(X, (3, 1), 1e300), ValueError, r"X.*1e\+300.*row 3, column 1"),
    "-1e39 in a view": (with_value(X, (3, 1), -1e39)[::-1, ::-1], ValueError, r"X.*-1e\+39.*row 20, column 2"),
    "float16 infinity": (with_value(X, (3, 1), np.inf).astype(np.float16), ValueError, r"X.*inf.*row 3, column 1"),
    "NaN in a big-endian array": (with_value(X, (7, 2), np.nan).astype(">f4"), ValueError, r"X.*nan.*row 7, column 2"),
    "strings": (np.full((N, 4), "a"), TypeError, r"X must hold real numbers.*<U1; encode it as numbers first"),
    "number strings": (np.full((N, 4), "1"), TypeError, r"X must hold real numbers.*<U1"),
    "bytes": (np.full((N, 4), b"a"), TypeError, r"X must hold real numbers.*S1"),
    "objects": (np.full((N, 4), object()), TypeError, r"X holds objects that are not numbers"),
    "missing": (np.full((N, 4), None), (TypeError, ValueError), r"X"),
    "None": (None, (TypeError, ValueError), r"X"),
    "complex": (np.ones((N, 4), dtype=complex), TypeError, r"X must hold real numbers.*complex128"),
    "dates": (np.full((N, 4), np.datetime64("2020-01-01")), TypeError, r"X must hold real numbers.*datetime64"),
    "records": (np.zeros(N, dtype=[("a", float)]), TypeError, r"X must hold real numbers"),
    "ragged": ([[1, 2, 3, 4], [1, 2]], (TypeError, ValueError), r"X"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(model, case):
    bad, error, match = BAD_X[case]
    with refused(model, error, match):
        model.fit(bad, LABELS)
    with refused(model, error, match):
        model.evaluate(bad, LABELS)
    with refused(model, error, match):
        model.predict(bad)
    with refused(model, error, match):
        model.fit(X, LABELS, validation_data=(bad, LABELS))


@pytest.mark.parametrize("shape", [(24, 784), (24, 28), (24, 28, 27), (28, 28), (24, 28, 28, 2)])
def test_bad_images(shape):
    model = fastnn.Sequential([Input((28, 28)), Flatten(), Dense(3, "softmax")], rng=0)
    model.compile("adam", SPARSE)
    with refused(model, ValueError, r"X has shape .*, expected \(rows, 28, 28\)"):
        model.fit(np.zeros(shape), np.zeros(shape[0]))


def test_1e300_is_a_number_for_a_float64_model():
    wide = trained("mse", 1, dtype="float64")
    assert np.isfinite(wide.predict(with_value(X, (3, 1), 1e300))).all()


@pytest.mark.parametrize("call", ["fit", "evaluate"])
def test_empty_data(model, call):
    with refused(model, ValueError, r"empty.*at least one row"):
        getattr(model, call)(np.zeros((0, 4)), np.zeros(0))
    with refused(model, ValueError, r"X .*empty.*|X has shape \(0,\)"):
        getattr(model, call)([], [])


def test_empty_validation_data(model):
    with refused(model, ValueError, r"validation.*empty"):
        model.fit(X, LABELS, validation_data=(X[:0], LABELS[:0]))


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize("rows", [1, 23, 25])
def test_rows_of_x_and_y_differ(model, call, rows):
    with refused(model, ValueError, rf"X has 24 rows but y has {rows}"):
        getattr(model, call)(X, np.zeros(rows, dtype=int))


# -- y -----------------------------------------------------------------------------------------------------------------

BAD_LABELS = {
    "too large": (
        with_value(LABELS, 5, 3),
        ValueError,
        r"y has labels from 0(\.0)? to 3(\.0)?, expected 0 to 2.*3 outputs",
    ),
    "too large integer": (LABELS + 1, ValueError, r"y has labels from 1 to 3, expected 0 to 2"),
    "negative": (LABELS - 1, ValueError, r"y has labels from -1 to 1, expected 0 to 2"),
    "huge": (np.full(N, 2**63, dtype=np.uint64), ValueError, r"y has labels from 9223372036854775808"),
    "a fraction": (with_value(LABELS, 5, 1.5), ValueError, r"y has labels that are not whole numbers.*1\.5"),
    "just below a label": (with_value(LABELS, 5, 1 - 1e-9), ValueError, r"y has labels that are not whole numbers"),
    "NaN": (with_value(LABELS, 5, np.nan), ValueError, r"y.*nan.*row 5"),
    "infinity": (with_value(LABELS, 5, np.inf), ValueError, r"y.*inf.*row 5"),
    "one-hot": (
        np.eye(3)[LABELS],
        ValueError,
        r"y has shape \(24, 3\), expected \(rows,\).*'categorical_crossentropy'",
    ),
    "two columns": (np.eye(2)[LABELS % 2], ValueError, r"y has shape \(24, 2\), expected \(rows,\)"),
    "no axis": (1, ValueError, r"y has shape \(\), expected \(rows,\)"),
    "strings": (np.full(N, "cat"), TypeError, r"y must hold real numbers.*<U3"),
    "objects": (np.full(N, object()), TypeError, r"y holds objects that are not numbers"),
    "complex": (LABELS + 1j, TypeError, r"y must hold real numbers.*complex128"),
    "None": (None, (TypeError, ValueError), r"y is missing"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(model, case):
    bad, error, match = BAD_LABELS[case]
    with refused(model, error, match):
        model.fit(X, bad)
    with refused(model, error, match):
        model.evaluate(X, bad)
    with refused(model, error, match):
        model.fit(X, LABELS, validation_data=(X, bad))


BAD_TARGETS = {
    "mse flat": ("mse", 3, LABELS, r"y has shape \(24,\), expected \(rows, 3\) for 3 outputs"),
    "mse too narrow": ("mse", 3, np.ones((N, 2)), r"y has shape \(24, 2\), expected \(rows, 3\)"),
    "mse three axes": ("mse", 3, np.ones((N, 3, 1)), r"y has shape \(24, 3, 1\), expected \(rows, 3\)"),
    "mse one output": ("mse", 1, np.ones((N, 2)), r"y has shape \(24, 2\), expected \(rows, 1\) or \(rows,\)"),
    "mse NaN": ("mse", 3, with_value(np.eye(3)[LABELS], (9, 1), np.nan), r"y.*nan.*row 9, column 1"),
    "mse infinity": ("mse", 1, with_value(LABELS, 9, -np.inf), r"y.*-inf.*row 9"),
    "mse 1e300": ("mse", 1, with_value(LABELS, 9, 1e300), r"y.*1e\+300.*row 9"),
    "categorical labels": (
        "categorical_crossentropy",
        3,
        LABELS,
        r"y has shape \(24,\).*sparse_categorical_crossentropy",
    ),
    "categorical negative": (
        "categorical_crossentropy",
        3,
        -np.eye(3)[LABELS],
        r"y has targets from -1.*expected 0 to 1",
    ),
    "categorical two": (
        "categorical_crossentropy",
        3,
        2 * np.eye(3)[LABELS],
        r"y has targets from 0.* to 2.*expected 0 to 1",
    ),
    "binary two": ("binary_crossentropy", 1, LABELS, r"y has targets from 0 to 2, expected 0 to 1"),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
@pytest.mark.parametrize("engine", ENGINES)
def test_bad_targets(case, engine):
    loss, outputs, bad, match = BAD_TARGETS[case]
    model = trained(loss, outputs, engine)
    with refused(model, ValueError, match):
        model.fit(X, bad)
    with refused(model, ValueError, match):
        model.evaluate(X, bad)


# -- sample weights and other arguments --------------------------------------------------------------------------------

ONES = np.ones(N)
BAD_WEIGHTS = {
    "negative": (with_value(ONES, 3, -0.5), ValueError, r"sample_weight.*0 or more"),
    "NaN": (with_value(ONES, 3, np.nan), ValueError, r"sample_weight.*finite"),
    "infinity": (with_value(ONES, 3, np.inf), ValueError, r"sample_weight.*finite"),
    "too short": (ONES[1:], ValueError, r"sample_weight has shape \(23,\), expected \(24,\)"),
    "too long": (np.ones(25), ValueError, r"sample_weight has shape \(25,\), expected \(24,\)"),
    "two columns": (np.ones((N, 2)), ValueError, r"sample_weight has shape \(24, 2\), expected \(24,\)"),
    "a number": (2.0, ValueError, r"sample_weight has shape \(\), expected \(24,\)"),
    "strings": (np.full(N, "1"), TypeError, r"sample_weight must hold real numbers"),
    "complex": (ONES * 1j, TypeError, r"sample_weight must hold real numbers"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_sample_weights(model, case):
    bad, error, match = BAD_WEIGHTS[case]
    with refused(model, error, match):
        model.fit(X, LABELS, sample_weight=bad)
    with refused(model, error, match):
        model.evaluate(X, LABELS, sample_weight=bad)
    with refused(model, error, match):
        model.fit(X, LABELS, validation_data=(X, LABELS, bad))


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (0, ValueError, "must be 1 or more, got 0"),
        (-3, ValueError, "must be 1 or more, got -3"),
        (2.5, TypeError, r"must be a whole number, got 2\.5"),
        ("8", TypeError, "must be a whole number, got '8'"),
        (True, TypeError, "must be a whole number, got True"),
        (np.nan, TypeError, "must be a whole number, got nan"),
        ([4], TypeError, r"must be a whole number, got \[4\]"),
    ],
)
def test_bad_batch_size_and_epochs(model, name, value, error, match):
    with refused(model, error, f"{name} {match}"):
        model.fit(X, LABELS, **{name: value})


@pytest.mark.parametrize("value", [3, -1, "loud", None, 0.5])
def test_bad_verbose(model, value):
    with refused(model, ValueError, r"verbose must be 0, 1, 2 or 'auto', got"):
        model.fit(X, LABELS, verbose=value)


@pytest.mark.parametrize("value", [(X,), X, 5, (X, LABELS, ONES, ONES), "ab"])
def test_bad_validation_data(model, value):
    with refused(model, (ValueError, TypeError), "validation"):
        model.fit(X, LABELS, validation_data=value)


def test_validation_rows_differ(model):
    with refused(model, ValueError, "validation X has 24 rows but validation y has 3"):
        model.fit(X, LABELS, validation_data=(X, LABELS[:3]))


# -- unknown names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given", "nearest"),
    [
        ("optimizer", "adm", "adam"),
        ("optimizer", "SDG", "sgd"),
        ("optimizer", "rmspropp", "rmsprop"),
        ("loss", "sparse_categorical_crossentopy", "sparse_categorical_crossentropy"),
        ("loss", "binary_cross_entropy", "binary_crossentropy"),
        ("loss", "mean_square_error", "mean_squared_error"),
        ("metric", "acuracy", "accuracy"),
        ("loss", "focal", "binary_focal_crossentropy' or 'categorical_focal_crossentropy"),
    ],
)
def test_unknown_names_in_compile(model, kind, given, nearest):
    arguments = {"optimizer": "adam", "loss": "mse"} | ({"metrics": [given]} if kind == "metric" else {kind: given})
    with refused(model, ValueError, rf"unknown {kind} '{given}'; did you mean '{nearest}'\? Known: "):
        model.compile(**arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(2, activation="rellu"), "unknown activation 'rellu'; did you mean 'relu'"),
        (lambda: Dense(2, activation="softmx"), "unknown activation 'softmx'; did you mean 'softmax'"),
        (lambda: Dense(2, activation=""), "unknown activation ''"),
        (lambda: Dense(2, kernel_initializer="glorot"), "unknown initializer 'glorot'; did you mean 'glorot_"),
        (lambda: Dense(2, bias_initializer="zeroes"), "unknown initializer 'zeroes'; did you mean 'zeros'"),
        (lambda: fastnn.Sequential(dtype="floaf32"), "unknown dtype 'floaf32'; did you mean 'float32'"),
        (lambda: fastnn.Sequential(dtype="float16"), "unknown dtype 'float16'; did you mean"),
        (lambda: fastnn.Sequential(dtype=int), "unknown dtype 'int64'.*Known: float32, float64"),
        (lambda: fastnn.Sequential(engine="compild"), "unknown engine 'compild'; did you mean 'compiled'"),
        (lambda: fastnn.datasets.gate("xorr"), "unknown gate 'xorr'"),
    ],
)
def test_unknown_names_elsewhere(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_name_like_no_other_lists_the_known_ones(model):
    with refused(
        model, ValueError, "unknown optimizer 'zzzzzz'. Known: adadelta, adafactor, adagrad, .*rmsprop, .*sgd"
    ):
        model.compile("zzzzzz", "mse")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"optimizer": 5, "loss": "mse"}, TypeError, "optimizer must be a name or an Optimizer, got 5"),
        ({"optimizer": "adam", "loss": 5}, TypeError, "loss must be a name or a Loss, got 5"),
        ({"optimizer": "adam", "loss": optimizers.Adam()}, TypeError, "loss must be a name"),
        ({"optimizer": "adam"}, ValueError, "compile needs a loss"),
        ({"optimizer": "adam", "loss": "mse", "metrics": "accuracy"}, TypeError, "metrics must be a list"),
    ],
)
def test_bad_compile(model, arguments, error, match):
    with refused(model, error, match):
        model.compile(**arguments)


def test_a_sparse_loss_needs_two_outputs():
    model = trained("mse", 1)
    with refused(model, ValueError, r"at least 2; the model has 1.*binary_crossentropy"):
        model.compile("adam", SPARSE)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: optimizers.SGD(-0.1), r"learning_rate must lie in .*got -0\.1"),
        (lambda: optimizers.SGD(np.nan), r"learning_rate must lie in .*got nan"),
        (lambda: optimizers.SGD(np.inf), r"learning_rate must lie in .*got inf"),
        (lambda: optimizers.SGD(0.1, momentum=1.0), r"momentum must lie in .*got 1\.0"),
        (lambda: optimizers.RMSprop(rho=-1), "rho must lie in .*got -1"),
        (lambda: optimizers.RMSprop(epsilon=-1e-9), "epsilon must lie in .*got -1e-09"),
        (lambda: optimizers.Adam(beta_1=1), "beta_1 must lie in .*got 1"),
        (lambda: optimizers.Adam(beta_2=np.nan), "beta_2 must lie in .*got nan"),
        (lambda: fastnn.activations.LeakyReLU(-1), "negative_slope must be a finite number of 0 or more, got -1"),
        (lambda: fastnn.initializers.RandomUniform(2, 1), "minval must not exceed maxval, got 2 and 1"),
    ],
)
def test_bad_numbers_of_concepts(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# -- building ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Dense(-3), ValueError, "Dense: units must be 1 or more, got -3"),
        (lambda: Dense(0), ValueError, "Dense: units must be 1 or more, got 0"),
        (lambda: Dense(2.5), TypeError, r"Dense: units must be a whole number, got 2\.5"),
        (lambda: Dense("3"), TypeError, "Dense: units must be a whole number, got '3'"),
        (lambda: Dense(True), TypeError, "Dense: units must be a whole number, got True"),
        (lambda: Input(-1), ValueError, "Input: .*must be 1 or more, got -1"),
        (lambda: Input((28, 0)), ValueError, "Input: .*must be 1 or more, got 0"),
        (lambda: Input(None), ValueError, "Input needs the shape of one sample"),
        (lambda: Dense(2, activation=5), TypeError, "activation must be a name or an Activation, got 5"),
        (lambda: fastnn.Sequential([Dense(2), Input(2)]), ValueError, "only the first layer can be an Input"),
        (lambda: fastnn.Sequential([Input(2), Input(2)]), ValueError, "only the first layer can be an Input"),
        (lambda: fastnn.Sequential([Input(2), "dense"]), TypeError, "expected a layer.*'dense'.*str"),
        (lambda: fastnn.Sequential([Input(2), Dense]), TypeError, "expected a layer"),
        (lambda: fastnn.Sequential([Input(2), *[Dense(2)] * 2]), ValueError, "in the model already"),
        (lambda: fastnn.Sequential([Input(2), Dense(2, name="a"), Dense(2, name="a")]), ValueError, "named 'a'"),
        (lambda: fastnn.Sequential(rng=-1), ValueError, "rng must be .*got -1"),
        (lambda: fastnn.Sequential(rng="7"), TypeError, "rng must be .*got '7'"),
        (lambda: fastnn.Sequential(rng=1.5), TypeError, r"rng must be .*got 1\.5"),
        (lambda: fastnn.Sequential(rng=np.random.RandomState(0)), TypeError, "rng must be .*Generator"),
        (lambda: fastnn.Sequential().predict([[1]]), ValueError, "add"),
        (lambda: fastnn.Sequential([Input(1)]).predict([[1]]), ValueError, "add some, such as Dense"),
        (lambda: fastnn.Sequential([Input(1)]).compile("adam", "mse"), ValueError, "add some, such as Dense"),
        (lambda: fastnn.Sequential([Dense(2)]).count_params(), ValueError, r"not built.*begin with Input\(shape\)"),
    ],
)
def test_bad_building(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_a_refused_layer_changes_nothing(model):
    for bad, error in ((Input(3), ValueError), ("x", TypeError), (model.layers[1], ValueError)):
        with refused(model, error, "layer|Input|model"):
            model.add(bad)


@pytest.mark.parametrize("value", [0, -1, 257, 1.0, "2", None, True])
def test_bad_number_of_threads(value):
    before = fastnn.get_num_threads()
    with pytest.raises((TypeError, ValueError), match="number of threads must"):
        fastnn.set_num_threads(value)
    assert fastnn.get_num_threads() == before


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_not_compiled(call, engine):
    model = fastnn.Sequential([Input(4), Dense(3, "softmax")], rng=0, engine=engine)
    with refused(model, NotCompiledError, rf"model\.compile\(.*\) before {call}"):
        getattr(model, call)(X, LABELS)
    assert model.predict(X).shape == (N, 3)


def test_a_new_layer_wants_a_new_compile(model):
    model.add(Dense(3, "softmax"))
    with pytest.raises(NotCompiledError, match="compile"):
        model.fit(X, LABELS)


# -- set_weights -------------------------------------------------------------------------------------------------------


def good_weights(dtype=np.float32):
    return [np.full(shape, 0.5, dtype=dtype) for shape in ((4, 6), (6,), (6, 3), (3,))]


def replaced(position, array):
    out = good_weights()
    out[position] = array
    return out


BAD_SETS = {
    "too few": (good_weights()[:3], ValueError, "expected 4 arrays.*got 3"),
    "too many": ([*good_weights(), np.zeros(3)], ValueError, "expected 4 arrays.*got 5"),
    "none": ([], ValueError, "expected 4 arrays.*got 0"),
    "first shape": (replaced(0, np.zeros((6, 4))), ValueError, r"weights\[0\].*'dense'.*\(6, 4\), expected \(4, 6\)"),
    "last shape": (replaced(3, np.zeros(4)), ValueError, r"weights\[3\].*'dense_1'.*\(4,\), expected \(3,\)"),
    "bias as row": (replaced(1, np.zeros((1, 6))), ValueError, r"weights\[1\].*\(1, 6\), expected \(6,\)"),
    "NaN": (replaced(3, np.array([0, 0, np.nan], dtype=np.float32)), ValueError, r"weights\[3\].*not finite"),
    "infinity": (replaced(2, np.full((6, 3), -np.inf, dtype=np.float32)), ValueError, r"weights\[2\].*not finite"),
    "mixed dtypes": (replaced(3, np.zeros(3, dtype=np.float64)), TypeError, "different dtypes.*float32.*float64"),
    "strings": (replaced(3, np.full(3, "1")), TypeError, r"weights\[3\].*real numbers.*<U1"),
    "objects": (replaced(3, np.full(3, None)), TypeError, r"weights\[3\].*real numbers.*object"),
    "complex": (replaced(3, np.zeros(3, dtype=complex)), TypeError, r"weights\[3\].*real numbers.*complex128"),
}


@pytest.mark.parametrize("case", BAD_SETS)
def test_bad_set_weights(model, case):
    bad, error, match = BAD_SETS[case]
    with refused(model, error, match):
        model.set_weights(bad)
    model.set_weights(good_weights())
    assert all((w == 0.5).all() for w in model.get_weights())


@pytest.mark.filterwarnings("error")
def test_values_that_only_float64_holds_are_refused_without_a_warning(model):
    wide = good_weights(np.float64)
    wide[2][0, 0] = 1e300
    with refused(model, ValueError, r"weights\[2\].*not finite in float32"):
        model.set_weights(wide)
    with refused(model, ValueError, "sample_weight.*finite"):
        model.fit(X, LABELS, sample_weight=np.full(N, 1e300))


# -- divergence --------------------------------------------------------------------------------------------------------


def diverging(engine, optimizer=None, dtype="float32"):
    model = fastnn.Sequential([Input(4), Dense(6, "relu"), Dense(1)], rng=0, engine=engine, dtype=dtype)
    model.compile(optimizer or optimizers.SGD(1e30), "mse")
    return model


def assert_usable(model):
    """Finite weights, finite outputs, and training at a smaller rate works."""
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.predict(X)).all()
    model.optimizer.learning_rate = 1e-3
    assert np.isfinite(model.fit(X, X[:, 0], epochs=2).history["loss"]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_names_epoch_and_step(engine):
    model = diverging(engine)
    before = model.get_weights()
    with pytest.raises(DivergenceError, match=r"loss became (inf|nan) in epoch 1, step 2\b.*learning rate \(1e\+30\)"):
        model.fit(X, X[:, 0], batch_size=4, epochs=5)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    assert model.iterations == 0
    assert model.history.history == {} and model.history.epoch == []
    assert_usable(model)


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_between_epochs_leaves_a_usable_model(engine):
    """One step an epoch: the weights that ruin everything are those at the start of an epoch."""
    model = diverging(engine)
    with pytest.raises(DivergenceError, match=r"epoch 2, step 1\b"):
        model.fit(X, X[:, 0], batch_size=N, epochs=5)
    assert_usable(model)


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_in_the_last_step(engine):
    """The loss of the last step is finite, what the step does to the weights is not."""
    model = diverging(engine, optimizers.SGD(3e38))
    with pytest.raises(DivergenceError, match=r"epoch 1\b"):
        model.fit(X * 1e3, X[:, 0] * 1e3, batch_size=N, epochs=1)
    assert model.iterations == 0
    assert_usable(model)


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_later_keeps_what_was_learnt(engine):
    """Two good epochs, then a rate that explodes: weights, moments and iterations are those after the good ones."""
    model = diverging(engine, optimizers.SGD(0.01, momentum=0.9), "float64")
    twin = diverging(engine, optimizers.SGD(0.01, momentum=0.9), "float64")
    for one in (model, twin):
        one.fit(X, X[:, 0], batch_size=5, epochs=2)
    model.optimizer.learning_rate = 1e250
    with pytest.raises(DivergenceError, match=r"epoch 1, step [2-5]\b"):
        model.fit(X, X[:, 0], batch_size=5, epochs=3)
    assert model.iterations == twin.iterations == 10
    assert np.array_equal(model.arena, twin.arena)
    assert_usable(model)


def test_divergence_from_huge_numbers():
    model = diverging("compiled", optimizers.SGD(0.01))
    with pytest.raises(DivergenceError, match=r"epoch 1, step 1\b.*scale the features"):
        model.fit(X * 1e30, X[:, 0])
    assert_usable(model)


def test_divergence_error_is_an_arithmetic_error():
    assert issubclass(DivergenceError, ArithmeticError)


# -- nothing half-changed ----------------------------------------------------------------------------------------------


class Strange(Layer):
    """A layer that no program knows."""


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (Dense(2, kernel_initializer=lambda shape, rng: np.full(shape, np.nan)), ValueError),
        (Dense(2, kernel_initializer=lambda shape, rng: np.full(shape, 1e300)), ValueError),
        (Dense(2, bias_initializer=lambda shape, rng: np.full(shape, np.inf)), ValueError),
        (Strange(), TypeError),
    ],
    ids=["nan", "too large for float32", "infinite bias", "unknown layer"],
)
def test_a_layer_that_fails_leaves_the_model_as_it_was(layer, error):
    model = fastnn.Sequential([Input(4), Dense(3, "tanh")], rng=0)
    model.compile("adam", "mse")
    model.fit(X, X[:, :3])
    before, arena = list(model.layers), model.arena.copy()
    with pytest.raises(error):
        model.add(layer)
    assert model.layers == before and layer.name is None
    assert np.array_equal(model.arena, arena)
    model.fit(X, X[:, :3])


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f8", ">f2"])
def test_the_short_way_reads_any_byte_order(dtype):
    model = fastnn.Sequential([Input(4), Dense(3, "tanh")], rng=0)
    x = X.astype(dtype)
    np.testing.assert_array_equal(model(x), model.predict(x))


def test_the_short_way_checks_the_shape():
    model = fastnn.Sequential([Input((2, 3)), Flatten(), Dense(2)], rng=0)
    with pytest.raises(ValueError, match=r"expected \(rows, 2, 3\)"):
        model(np.zeros((5, 6), dtype=np.float32))
    with pytest.raises(ValueError, match="add some, such as Dense"):
        fastnn.Sequential([Input(3)])(np.zeros((2, 3), dtype=np.float32))


def test_compile_without_metrics():
    model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
    model.compile("adam", "mse", metrics=None)
    assert model.metrics == []
    with pytest.raises(TypeError, match="metrics must be a list"):
        model.compile("adam", "mse", metrics={"a": "mae"})


def test_records_without_padding():
    """Numbers that do not lie on a multiple of their size are copied."""
    table = np.zeros(len(X), dtype=np.dtype([("flag", "u1"), ("x", "f4", 4)]))
    table["x"] = X
    model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
    np.testing.assert_array_equal(model.predict(table["x"]), model.predict(X.astype("f4")))


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        (None, TypeError, "expected a list of arrays"),
        ([[[1.0], [2.0, 3.0]], np.zeros(3)], ValueError, r"weights\[0\] of layer 'dense' cannot become an array"),
    ],
)
def test_more_bad_weights(weights, error, match):
    with pytest.raises(error, match=match):
        fastnn.Sequential([Input(4), Dense(3)], rng=0).set_weights(weights)


def test_weights_of_another_byte_order():
    model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
    W, b = model.get_weights()
    model.set_weights([W.astype(">f4"), b])
    assert np.array_equal(model.get_weights()[0], W)


def test_messages_say_where_a_weight_is_wrong():
    model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
    model.compile("adam", "mse")
    weights = np.ones(len(X))
    weights[2] = -1
    with pytest.raises(ValueError, match=r"sample_weight must .* got -1.0 in row 2"):
        model.fit(X, X[:, :3], sample_weight=weights)
    with pytest.raises(ValueError, match="validation sample_weight must"):
        model.fit(X, X[:, :3], validation_data=(X, X[:, :3], weights))
    with pytest.raises(TypeError, match="X holds objects that are not numbers"):
        model.predict([[10**400] * 4])


def test_weights_into_a_folder_that_is_not_there(tmp_path):
    model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
    with pytest.raises(FileNotFoundError, match=r"nowhere.*does not exist"):
        model.save_weights(tmp_path / "nowhere" / "w.npz")
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(ValueError, match="is not a file of save_weights") as error:
        model.load_weights(tmp_path / "junk")
    assert "pickle" not in str(error.value)
