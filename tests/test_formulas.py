"""Formulas of the user's own, compiled: activations against the catalogue's, against NumPy, and what is refused."""

import math
import pickle

import numpy as np
import pytest
from formulas_of_tests import TYPES, bent, half, inverse, mish, swish, swish_with

import fastnn
from fastnn import formulas, initializers, losses, optimizers
from fastnn.basics import backend
from fastnn.formulas import functions
from fastnn.layers import Activation, AveragePooling2D, BatchNormalization, Conv2D, Dense, Flatten, Input, MaxPooling2D

compiler = pytest.importorskip("fastnn.formulas.compiler", reason="needs Numba")
numbers = pytest.importorskip("fastnn.formulas.numbers", reason="needs Numba")

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(53, 5)), RNG.normal(size=(53, 3))


def make(activation, dtype="float64", engine="compiled", middle=(), optimizer="adam"):
    layers = [Input(5), Dense(19, activation), *middle, Dense(6), Activation(activation), Dense(3)]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(optimizer, "mse")
    return model


def run(function, x, given=None):
    """Values and slopes of a compiled formula."""
    one = compiler.Formula(function, functions.key_of(function))
    bits, a, d = 8 * x.dtype.itemsize, x.copy(), np.ones_like(x)
    compiler.run(compiler.forward("f", one, bits), a)
    compiler.run(compiler.backward("f", one, given, bits), x, d)
    return a, d


# -- values and slopes -------------------------------------------------------------------------------------------------


def table():
    """Each function that a formula may call, as a line of a formula: its rule's name, its text."""
    two = {"power": "f(abs(x) + 0.125, 0.25 * x)"}
    for name, found in numbers.NAMES.items():
        for k, function in enumerate(found):
            if getattr(function, "__name__", "").startswith(("iadd", "isub", "imul", "itrue", "ipow", "float_power")):
                continue  # which would change NumPy's arrays; which NumPy computes in float64
            arguments = len(formulas.rules.SMOOTH[name]) - 1
            yield f"{name}_{k}", function, two.get(name, "f(x, 3 * x + 1)") if arguments == 2 else "f(x)"
    for name, text in {
        "cube": "x ** 3",
        "inverse_square": "x ** -2",
        "root": "abs(x) ** 0.5",
        "exponent": "2 ** x",
        "linear": "x ** 1",
        "where": "np.where(x > 1, x * x, -x)",
        "nothing": "3",
        "clip": "np.clip(x, -1.5, 2)",
        "most": "max(x, 0.25)",
        "least": "min(x, 1.5)",
        "maximum": "np.maximum(x, 0.5 * x)",
        "minimum": "np.minimum(x, x * x)",
        "isnan": "np.where(np.isnan(x), 2.0, x)",
        "finite": "np.where(np.isfinite(x), x, 0.0)",
        "signs": "np.where((x >= 1) | (x != x) | (x == -1) | (x <= -9), 1.0, x)",
        "constants": "x * True + 2 - np.pi / 3",
    }.items():
        yield name, None, text  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
def test_every_function_against_numpy(dtype):
    """All in one callback, which writes values and slopes of each: compiling them one by one would take a minute."""
    from numba import cfunc, types

    rows = list(table())
    real = types.float32 if dtype == "float32" else types.float64
    names = {
        "np": np,
        "math": math,
        "number": numbers.number,
        "value_of": numbers.value_of,
        "slope_of": numbers.slope_of,
    }
    names |= {"one": np.dtype(dtype).type(1), "bits": 8 * np.dtype(dtype).itemsize}
    body = ["def loop(n, x, y, d):", "    for i in range(n):", "        x1 = number(x[i], one, bits)"]
    for k, (_, function, text) in enumerate(rows):
        names[f"f{k}"] = compiler.jitted(eval(f"lambda x: {text}", {"f": function, "np": np}))
        body += [
            f"        r = f{k}(x1)",
            f"        y[n * {k} + i] = value_of(r, x1)",
            f"        d[n * {k} + i] = slope_of(r, x1)",
        ]
    exec("\n".join(body), names)
    callback = cfunc(types.void(types.intp, *[types.CPointer(real)] * 3), error_model="numpy")(names["loop"])
    odd = [0.0, 1.0, -1.0, 1e-5, -1e-8, 30, -30, 80, -80, 95, -95, 1e4, -1e4, np.inf, -np.inf, np.nan]
    x = np.concatenate([3 * RNG.normal(size=200), odd]).astype(dtype)
    y, d = np.empty((2, len(rows), len(x)), dtype=dtype)
    from ctypes import CFUNCTYPE, c_ssize_t, c_void_p

    CFUNCTYPE(None, c_ssize_t, *[c_void_p] * 3)(callback.address)(len(x), *(one.ctypes.data for one in (x, y, d)))
    eps, least = np.finfo(dtype).eps, np.finfo(dtype).smallest_normal
    for k, (name, function, text) in enumerate(rows):
        f = eval(f"lambda x: {text}", {"f": function, "np": np})
        for what, row, of in (("value", y[k], functions.values), ("slope", d[k], functions.slopes)):
            seen = np.full(len(x), True) if what == "value" else ~np.isnan(x)  # the slope at NaN may be anything
            found, at = row[seen], x[seen]
            numpy, exact = of(f, at), of(f, at.astype(np.float64))
            for test in (np.isnan, np.isinf):
                assert (test(found) == test(numpy)).all(), (name, what, at[test(found) != test(numpy)])
            normal = np.isfinite(numpy) & (np.abs(exact) > least)
            found, numpy, exact, at = (one[normal] for one in (found, numpy, exact, at))
            error, yardstick = (np.abs(one.astype(np.float64) - exact) / np.abs(exact) / eps for one in (found, numpy))
            # where terms cancel, NumPy loses as much; erfc is good to 4 ULP of 1
            slack = 4 / np.abs(exact) if name.startswith("erf") or "log" in name or "tan" in name else 0
            assert (error <= 8 + 2 * yardstick + slack).all(), (name, what, error.max(), at[error.argmax()])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("function", [mish, swish, bent, inverse])
def test_values_and_slopes_against_numpy(function, dtype):
    x = np.concatenate([np.linspace(-9, 9, 501), [-30, 30]]).astype(dtype)
    values, slopes = run(function, x)
    twin = formulas.activation(function)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(values, twin.forward(x), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(slopes, twin.derivative(x), rtol=rtol, atol=10 * rtol)
    wide = x.astype(np.float64)
    h = 1e-6
    smooth = np.abs(wide - np.rint(2 * wide) / 2) > 1e-3  # bent has its kinks at halves
    differences = (functions.values(function, wide + h) - functions.values(function, wide - h)) / (2 * h)
    np.testing.assert_allclose(slopes[smooth], differences[smooth], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [0, 1, 3, 15, 16, 17, 31, 33, 64, 1000])
def test_a_number_has_the_same_bits_wherever_it_stands(length):
    x = RNG.normal(size=1000).astype(np.float32)
    values, slopes = run(mish, x)
    for first in (0, 1000 - length):
        part = x[first : first + length].copy()
        for found, whole in zip(run(mish, part), (values, slopes), strict=True):
            assert found.tobytes() == whole[first : first + length].tobytes()


def test_what_is_not_finite_stays_visible():
    for dtype in TYPES:
        values, slopes = run(mish, np.array([np.nan, np.inf, -np.inf, 1.0], dtype=dtype))
        assert np.isnan(values[[0, 2]]).all() and values[1] == np.inf and np.isfinite(values[3])
        assert np.isnan(slopes[0]) and np.isfinite(slopes[3])
    model = make(mish, "float32")
    x = X.astype(np.float32)
    x[3] = 3e38
    with pytest.raises(fastnn.DivergenceError, match="the loss became"):
        model.fit(x, Y)


# -- in a network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_it_trains_and_answers_like_the_catalogues(dtype):
    own, known = make(mish, dtype), make("mish", dtype)
    rtol = 1e-4 if dtype == "float32" else 1e-10
    for ask in (
        lambda model: model.fit(X, Y, batch_size=20, epochs=5, validation_data=(X, Y)).history["val_loss"],
        lambda model: model.fit(X, Y, batch_size=20, epochs=30).history["loss"],  # small epochs, many at a time
        lambda model: model.evaluate(X, Y),
        lambda model: model.predict(X),
        lambda model: model.train_on_batch(X, Y),
        lambda model: model.predictor()(X[0].astype(dtype)),
        lambda model: model.predictor()(X[:40].astype(dtype)),
        lambda model: model.gradient(X),
        lambda model: np.concatenate([one.ravel() for one in model.get_weights()]),
    ):
        np.testing.assert_allclose(ask(own), ask(known), rtol=rtol, atol=rtol)


def test_the_predictor_of_bytes_has_it_too():
    own, known = make(mish, "float32"), make("mish", "float32")
    x = X.astype(np.float32)
    np.testing.assert_allclose(own.predictor(dtype="int8")(x), known.predictor(dtype="int8")(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", [mish, swish, bent])
@pytest.mark.parametrize("settings", [{"engine": "reference"}, {"compiled": False}])
def test_all_ways_to_run_it_agree(function, settings):
    compiled = make(function, middle=[BatchNormalization()])
    other = make(
        formulas.activation(function, compiled=settings.get("compiled", True)),
        engine=settings.get("engine", "compiled"),
        middle=[BatchNormalization()],
    )
    for model in (compiled, other):
        model.fit(X, Y, epochs=2, batch_size=20, shuffle=False)
    np.testing.assert_allclose(compiled.history.history["loss"], other.history.history["loss"], rtol=1e-9)
    np.testing.assert_allclose(compiled.predict(X), other.predict(X), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_threads_change_no_bit(compiled):
    results = []
    before = fastnn.get_num_threads()
    for threads in (1, 2, 3):
        model = make(formulas.activation(mish, compiled=compiled), "float32")
        x, y = model.door.features(X), model.door.targets(Y)
        scalars, steps = model.optimizer.all_scalars(np.arange(1, 4)).astype(np.float32), np.empty(3)
        assert model.engine.run_steps(x, y, None, np.arange(53), 0, 3, 20, scalars, steps, None, 0, threads) == 3
        try:
            fastnn.set_num_threads(threads)
            results.append([steps, *model.get_weights(), model.predict(np.tile(X, (9, 1)))])
        finally:
            fastnn.set_num_threads(before)
    for other in results[1:]:
        assert all((a == b).all() for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("compiled", [True, False])
def test_the_padding_of_a_formula_that_is_not_finite_at_0_reaches_nobody(compiled):
    def layers():
        formula = formulas.activation(inverse, compiled=compiled)
        same = {"bias_initializer": initializers.Constant(3.0), "kernel_initializer": initializers.Constant(0.01)}
        convolved = Conv2D(3, 3, activation=formula, **same)
        pools = [MaxPooling2D(2), Conv2D(5, 2, activation=formula, **same), AveragePooling2D(2)]
        return [
            Input((8, 8, 1)),
            convolved,
            *pools,
            Flatten(),
            Dense(5, formula, **same),
            BatchNormalization(),
            Dense(2),
        ]

    results = []
    x = RNG.normal(size=(24, 8, 8, 1))
    for engine in ("compiled", "reference"):
        model = fastnn.Sequential(layers(), rng=0, dtype="float64", engine=engine)
        model.compile(optimizers.SGD(1e-3), "mse")
        results.append(model.fit(x, Y[:24, :2], epochs=3, shuffle=False).history["loss"])
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_a_helper_and_a_learnt_constant_are_part_of_the_formula():
    assert run(bent, np.array([-0.75]))[0] == half(-0.75)
    assert run(lambda x: float(x) / 4, np.array([3.0])) == (0.75, 0.25)
    for beta in (0.5, 1.7, np.float32(2.5)):
        x = np.linspace(-3, 3, 7)
        np.testing.assert_allclose(run(swish_with(beta), x)[0], x / (1 + np.exp(-float(beta) * x)))


def test_a_formula_that_is_defined_again_is_not_compiled_again():
    x = np.zeros(1)
    run(swish_with(0.75), x)
    before = compiler.forward.cache_info().misses, compiler.backward.cache_info().misses
    for _ in range(20):
        run(swish_with(0.75), x)
    assert (compiler.forward.cache_info().misses, compiler.backward.cache_info().misses) == before
    run(swish_with(0.875), x)
    assert compiler.forward.cache_info().misses == before[0] + 1


# -- derivatives that are given ----------------------------------------------------------------------------------------


def squared(x):
    return x * x


def twice(x):
    return 2 * x


def thrice(x):
    return 3 * x


@pytest.mark.parametrize("compiled", [True, False])
def test_a_given_derivative_is_used_and_checked(compiled):
    good = formulas.activation(squared, twice, compiled=compiled)
    histories = [make(one).fit(X, Y, epochs=2).history["loss"] for one in (good, squared)]
    assert histories[0] == pytest.approx(histories[1], rel=1e-10)
    bad = formulas.activation(squared, derivative=thrice, compiled=compiled)
    message = (
        r"formula 'squared' has a wrong derivative at x = -5.9863: given -17.9589, expected -11.9726 by finite"
        r" differences; correct it, leave it out .then it is derived., or give check=False if it is meant to differ"
    )
    with pytest.raises(ValueError, match=message):
        make(bad)
    model = fastnn.Sequential([Input(5), Dense(3, bad)], rng=0)
    model.predict(X)  # answers need no derivative
    steep = formulas.activation(squared, thrice, check=False, compiled=compiled)
    loss = make(steep).fit(X, Y, epochs=2).history["loss"]
    assert np.isfinite(loss).all() and loss != histories[0]


def test_as_a_decorator():
    @formulas.activation(derivative=twice, name="parabola", probabilities=True)
    def own(x):
        return x * x

    assert (own.name, own.probabilities, repr(own)) == ("parabola", True, "formulas.activation(parabola)")
    assert own([2.0, -3.0]).tolist() == [4.0, 9.0]
    model = fastnn.Sequential([Input(5), Dense(1, own)], rng=0)
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match="needs probabilities, but the squared outputs of layer 'dense' are none"):
        fastnn.Sequential([Input(5), Dense(1, squared)], rng=0).compile("sgd", "binary_crossentropy")


# -- what is refused, and errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x + "a", "formula '<lambda>' cannot be compiled: .* or give compiled=False"),
        (lambda x, y: x + y, "cannot be compiled"),
        (lambda x: (x, x), "cannot be compiled"),
        (lambda x: fastnn.activations.relu(x), "cannot be compiled"),
    ],
)
def test_what_numba_cannot_compile_is_told(function, message):
    with pytest.raises(TypeError, match=message):
        make(function)


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="the function must be a function of one number, got 3"):
        formulas.activation(3)
    with pytest.raises(TypeError, match="derivative must be a function of one number, got 'x'"):
        formulas.activation(squared, "x")


def test_an_error_in_python_leaves_the_last_finished_step():
    calls = []

    def failing(x):
        calls.append(1)
        if len(calls) == 30:
            raise KeyError("mine")
        return x * x

    for when in (30, 31, 32, 33, 34, 35):  # forward and backward calls of a step
        calls.clear()
        calls.extend([0] * (30 - when % 7))
        model = make(formulas.activation(failing, compiled=False, check=False))
        with pytest.raises(KeyError, match="mine"):
            calls.clear()
            model.fit(X, Y, batch_size=10, shuffle=False)
        steps = model.iterations
        assert np.isfinite(np.concatenate([one.ravel() for one in model.get_weights()])).all()
        model.fit(X, Y)  # goes on
        assert model.iterations > steps
    predicts = make(formulas.activation(failing, compiled=False, check=False))
    calls[:] = [0] * 29
    with pytest.raises(KeyError, match="mine"):
        predicts.predict(X)
    calls[:] = [0] * 29
    with pytest.raises(KeyError, match="mine"):
        predicts.predictor()(X[0])


def test_a_function_of_pythons_must_keep_the_shape():
    model = make(formulas.activation(lambda x: x, compiled=False))
    engine = backend.core(np.dtype("float64")).Engine
    program = model.program

    class Wrong:
        formulas = ((lambda x: x[:1], None), None, None)

        def __getattr__(self, name):
            return getattr(program, name)

    with pytest.raises(ValueError, match="must answer an array of the shape that it gets"):
        engine(Wrong(), model.arena).predict(model.door.features(X), 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_core_takes_no_callback_of_another_signature(dtype):
    from numba import cfunc, types

    model = make("relu", dtype)
    other = compiler.forward("f", compiler.Formula(mish, functions.key_of(mish)), 96 - 8 * np.dtype(dtype).itemsize)
    nothing = cfunc(types.void())(lambda: None)
    right = compiler.forward("f", compiler.Formula(mish, functions.key_of(mish)), 8 * np.dtype(dtype).itemsize)
    program = model.program
    for pair in ((other, None), (nothing, None), (right, right)):

        class Wrong:
            formulas = (pair, None, None)

            def __getattr__(self, name):
                return getattr(program, name)

        with pytest.raises(TypeError, match=r"a formula has the signature .*, expected"):
            backend.core(np.dtype(dtype)).Engine(Wrong(), model.arena)


def test_without_numba_a_warning_and_the_slow_way(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    functions._told.clear()
    with pytest.warns(
        UserWarning, match=r"formula 'swish' runs through NumPy, which is slow; pip install 'fastnn-cpu\[numba\]'"
    ):
        model = make(swish_with(1.3))
    loss = model.fit(X, Y, epochs=2).history["loss"]
    monkeypatch.undo()
    assert loss == pytest.approx(make(swish_with(1.3)).fit(X, Y, epochs=2).history["loss"], rel=1e-9)


# -- files and copies --------------------------------------------------------------------------------------------------


def test_a_file_holds_its_name_and_no_code(tmp_path):
    model = make(mish)
    model.fit(X, Y)
    path = tmp_path / "m.fastnn"
    model.save(path)
    with pytest.raises(
        ValueError, match=r"it needs 'mish', which is no part of fastnn; pass custom_objects=\{'mish': ...\}"
    ):
        fastnn.load(path)
    for given in (mish, formulas.activation(mish)):
        other = fastnn.load(path, custom_objects={"mish": given})
        assert (other.predict(X) == model.predict(X)).all()
        assert other.fit(X, Y).history == pickle.loads(pickle.dumps(model)).fit(X, Y).history
    with pytest.raises(
        TypeError, match=r"a function without a name; give it one: formulas.activation\(function, name="
    ):
        make(lambda x: x + 0.5).save(path)
    make(formulas.activation(lambda x: x + 0.5, name="shift")).save(path)
    assert fastnn.load(path, {"shift": lambda x: x + 0.5}).layers[0].activation.name == "shift"


def test_a_fit_that_is_resumed_knows_its_formula(tmp_path):
    for epochs in (2, 4):
        model = make(mish)
        model.fit(X, Y, epochs=epochs, checkpoint_dir=tmp_path, resume=True)
    assert model.history.history["loss"] == pytest.approx(make(mish).fit(X, Y, epochs=4).history["loss"], rel=1e-9)


def test_estimators_take_a_function_too():
    pytest.importorskip("sklearn")
    from fastnn.estimators import MLPRegressor

    results = []
    for activation in (mish, "mish"):
        model = MLPRegressor(
            hidden_layer_sizes=(7,), activation=activation, max_iter=5, early_stopping=False, random_state=0
        )
        with pytest.warns(UserWarning, match="Maximum iterations"):
            results.append(model.fit(X, Y).predict(X))
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)


def test_equal_formulas_are_equal_and_others_are_not():
    assert formulas.activation(mish) == formulas.activation(mish) != formulas.activation(mish, name="other")
    assert losses.MeanSquaredError() != formulas.activation(mish)
