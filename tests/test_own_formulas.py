"""Formulas of the user's own: obeyed by both engines alike, or refused by name; never ignored, never a crash."""

import numpy as np
import pytest

import fastnn
from fastnn import activations, constraints, losses, metrics, optimizers, regularizers
from fastnn.basics import backend
from fastnn.engine.program import lower
from fastnn.engine.source import Source
from fastnn.layers import Activation, BatchNormalization, Dense, Dropout, Input
from fastnn.lbfgs import fit_lbfgs

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(53, 5)), RNG.normal(size=(53, 3))
WEIGHTS = RNG.uniform(0.5, 2, size=53)
ENGINES = ("compiled", "reference")


def make(engine="compiled", loss="mse", optimizer="adam", dtype="float64", middle=(), outputs=3, metrics=(), **dense):
    layers = [Input(5), Dense(19, "tanh", **dense), *middle, Dense(outputs)]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(optimizer, loss, list(metrics))
    return model


def squares(y, outputs):
    return ((outputs - y) ** 2).mean(axis=1), 2 * (outputs - y) / outputs.shape[1]


class Squares(losses.Loss):
    def evaluate(self, a, t):
        return squares(t, a)


class Numbered(Squares):
    kernel = 99


class Doubled(losses.MeanSquaredError):
    def evaluate(self, a, t):
        values, slope = super().evaluate(a, t)
        return 2 * values, 2 * slope


# -- losses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("loss", [squares, Squares(), Numbered, lambda y, outputs: squares(y, outputs)])
def test_a_loss_of_the_users_own_trains_like_the_catalogues(loss, threads, dtype):
    """All that fit and evaluate return, with weights of samples, a short batch, dropout, statistics and penalties."""
    results = []
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(threads)
    try:
        for one in (loss, "mse"):
            middle = [BatchNormalization(), Dropout(0.3)]
            penalties = {"kernel_regularizer": "l2", "activity_regularizer": "l1"}
            model = make(loss=one, dtype=dtype, middle=middle, metrics=["mae"], **penalties)
            history = model.fit(X, Y, batch_size=20, epochs=4, sample_weight=WEIGHTS, validation_data=(X, Y, WEIGHTS))
            results.append([*history.history.values(), model.evaluate(X, Y), *model.get_weights()])
    finally:
        fastnn.set_num_threads(before)
    for own, known in zip(*results, strict=True):
        np.testing.assert_allclose(
            own, known, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-5 if dtype == "float32" else 0
        )


@pytest.mark.parametrize("loss", [squares, Squares(), Doubled(), losses.FromFunction(squares)])
def test_both_engines_obey_a_loss_of_the_users_own(loss):
    a, b = (make(engine, loss, optimizers.SGD(0.1)) for engine in ENGINES)
    for model in (a, b):
        model.fit(X, Y, epochs=3)
    assert a.history.history["loss"] == pytest.approx(b.history.history["loss"], rel=1e-12)
    assert a.evaluate(X, Y, sample_weight=WEIGHTS) == pytest.approx(b.evaluate(X, Y, sample_weight=WEIGHTS), rel=1e-12)
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_threads_change_no_bit_of_a_loss_of_the_users_own():
    results = []
    for threads in (1, 2, 3):
        model = make(loss=squares)
        order, losses_of_steps = np.arange(53), np.empty(3)
        x, y = model.door.features(X), model.door.targets(Y)
        scalars = model.optimizer.all_scalars(np.arange(1, 4))
        outputs = np.empty((53, 3))
        done = model.engine.run_steps(x, y, None, order, 0, 3, 20, scalars, losses_of_steps, outputs, 0, threads)
        assert (done, model.iterations) == (3, 3)
        results.append([*model.get_weights(), losses_of_steps, outputs])
    for other in results[1:]:
        assert all((a == b).all() for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_subclass_of_a_crossentropy_is_not_computed_from_logits(engine):
    class Half(losses.BinaryCrossentropy):
        def evaluate(self, a, t):
            values, slope = super().evaluate(a, t)
            return values / 2, slope / 2

    results = []
    for loss in (Half(), "binary_crossentropy"):
        model = fastnn.Sequential([Input(5), Dense(1, "sigmoid")], rng=0, dtype="float64", engine=engine)
        model.compile("sgd", loss)
        results.append(model.evaluate(X, Y[:, 0] > 0))
    assert results[0] == pytest.approx(results[1] / 2, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_subclass_that_changes_defaults_or_name_only_runs_as_the_catalogues(engine):
    class Narrow(losses.Huber):
        name = "narrow"
        delta: float = 0.3

    class Quick(optimizers.Adam):
        learning_rate = 0.05

    class Steep(activations.LeakyReLU):
        negative_slope: float = 0.5

    class Strong(regularizers.L2):
        l2 = 0.5

    results = []
    for loss, optimizer, activation, penalty in (
        (Narrow(), Quick(), Steep(), Strong()),
        (losses.Huber(0.3), optimizers.Adam(0.05), activations.LeakyReLU(0.5), regularizers.L2(0.5)),
    ):
        model = make(engine, loss, optimizer, middle=[Dense(4, activation)], kernel_regularizer=penalty)
        assert not model.program.own_loss
        results.append(model.fit(X, Y, epochs=2).history["loss"])
    assert results[0] == results[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_function_sees_the_targets_as_they_are(engine):
    """Two columns of y for three outputs, and labels (rows,) as one column; a function needs no fixed number."""
    seen = []

    def loss(y, outputs):
        seen.append((y.shape, outputs.shape, y.dtype, y.tolist()))
        return np.zeros(len(y)), np.zeros_like(outputs)

    model = make(engine, loss)
    model.fit(X[:7], Y[:7, :2], shuffle=False)
    model.fit(X[:7], np.arange(7), shuffle=False)
    assert seen[0][:3] == ((7, 2), (7, 3), np.float64)
    assert seen[0][3] == Y[:7, :2].tolist()
    assert seen[1][0] == (7, 1)
    assert seen[1][3] == [[k] for k in range(7)]


def test_lbfgs_takes_a_loss_of_the_users_own():
    pytest.importorskip("scipy")
    results = [fit_lbfgs(make(loss=loss), X, Y, max_iter=5).losses for loss in (squares, "mse")]
    assert results[0] == pytest.approx(results[1], rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda y, a: (a - y) ** 2, "it returned ndarray"),
        (lambda y, a: 3.0, "it returned float"),
        (lambda y, a: (((a - y) ** 2).mean(), a - y), r"arrays of shapes \(\) and \(32, 3\)"),
        (lambda y, a: ((a - y) ** 2, a - y), r"arrays of shapes \(32, 3\) and \(32, 3\)"),
        (lambda y, a: (np.zeros(len(a)), np.zeros(len(a))), r"shape \(32, 3\); it returned arrays of"),
    ],
)
def test_what_a_loss_must_return(engine, returned, message):
    model = make(engine, returned)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_cannot_change_the_outputs(engine):
    def loss(y, outputs):
        outputs -= y
        return (outputs**2).mean(axis=1), outputs

    with pytest.raises(ValueError, match="read-only"):
        make(engine, loss).fit(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_in_the_loss_leaves_the_last_finished_step(engine):
    calls = []

    def loss(y, outputs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("mine")
        return squares(y, outputs)

    model, other = make(engine, loss), make(engine, "mse")
    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, batch_size=10, shuffle=False)
    assert model.iterations == 2
    other.fit(X[:20], Y[:20], batch_size=10, shuffle=False)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_that_is_not_finite_is_a_divergence(engine):
    model = make(engine, lambda y, outputs: (np.full(len(y), np.nan), outputs))
    before = model.get_weights()
    with pytest.raises(fastnn.DivergenceError, match="the loss became nan in epoch 1, step 1"):
        model.fit(X, Y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_loss_may_ask_its_own_model():
    asking = []

    def loss(y, outputs):
        if not asking:
            asking.append(1)
            assert model.predict(X).shape == (53, 3)
            model.evaluate(X, Y)
            model.engine.gradient(model.door.features(X[:32]), model.door.targets(Y[:32]), None)
            asking.clear()
        return squares(y, outputs)

    model = make(loss=loss)
    assert model.fit(X, Y).history["loss"] == pytest.approx(make().fit(X, Y).history["loss"], rel=1e-12)


def test_a_loss_without_a_formula_is_refused():
    class Nothing(losses.Loss):
        kernel = 99

    for engine in ENGINES:
        with pytest.raises(TypeError, match=r"loss Nothing has no formula: write evaluate\(a, t\)"):
            make(engine, Nothing())


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_functions_as_metrics(engine):
    def worst(y, outputs):
        return np.abs(y - outputs).max()

    def each(y, outputs):
        return np.abs(y - outputs).mean(axis=1)

    model = make(engine, metrics=[worst, each, "mae"])
    history = model.fit(X, Y, epochs=2, validation_data=(X, Y)).history
    assert list(history) == ["loss", "worst", "each", "mae", "val_loss", "val_worst", "val_each", "val_mae"]
    assert history["each"] == pytest.approx(history["mae"])
    assert model.evaluate(X, Y, return_dict=True)["worst"] == np.abs(Y - model.predict(X)).max()


def test_what_a_metric_must_return():
    with pytest.raises(ValueError, match="metric 'bad' must return a number, or one for each of the 53 samples, got"):
        make(metrics=[metrics.FromFunction(lambda y, outputs: "no", name="bad")]).evaluate(X, Y)


# -- what the core cannot run ------------------------------------------------------------------------------------------


class OwnReLU(activations.ReLU):
    def forward(self, z):
        return np.maximum(z, 0.5)


class OwnDerivative(activations.Tanh):
    def derivative(self, v):
        return np.ones_like(v)


class NewActivation(activations.Activation):
    name = "new"
    kernel = 99

    def forward(self, z):
        return z * z

    def backward(self, a, d):
        return d


class OwnSGD(optimizers.SGD):
    def update(self, w, g, slots, h):
        w -= 3 * h[0] * g


class OwnKernel(optimizers.SGD):
    @property
    def kernel(self):
        return 99


class OwnSlots(optimizers.Adam):
    @property
    def slots(self):
        return ("momentum",)


class NewOptimizer(optimizers.Optimizer):
    name = "new"
    learning_rate: float = 0.1

    def scalars(self, steps, rates):
        return rates[:, None]

    def update(self, w, g, slots, h):
        w -= h[0] * g


class Cubes(regularizers.Regularizer):
    def value(self, w):
        return float((np.abs(w) ** 3).sum())

    def gradient(self, w):
        return 3 * w * np.abs(w)


class OwnL2(regularizers.L2):
    def gradient(self, w):
        return 0 * w


class OwnNorm(constraints.MaxNorm):
    def apply(self, W):
        W[:] = 1


class NewConstraint(constraints.Constraint):
    name = "new"
    kernel = 7

    def apply(self, W):
        W[:] = 1


REFUSED = {
    "relu": lambda engine: make(engine, middle=[Dense(3, OwnReLU())]),
    "layer": lambda engine: make(engine, middle=[Activation(OwnReLU())]),
    "derivative": lambda engine: make(engine, middle=[Dense(3, OwnDerivative())]),
    "activation": lambda engine: make(engine, middle=[Dense(3, NewActivation())]),
    "update": lambda engine: make(engine, optimizer=OwnSGD()),
    "kernel": lambda engine: make(engine, optimizer=OwnKernel()),
    "slots": lambda engine: make(engine, optimizer=OwnSlots()),
    "optimizer": lambda engine: make(engine, optimizer=NewOptimizer()),
    "penalty": lambda engine: make(engine, kernel_regularizer=Cubes()),
    "activity": lambda engine: make(engine, activity_regularizer=Cubes()),
    "bias": lambda engine: make(engine, bias_regularizer=OwnL2()),
    "norm": lambda engine: make(engine, kernel_constraint=OwnNorm()),
    "constraint": lambda engine: make(engine, kernel_constraint=NewConstraint()),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_compiled_engine_refuses_what_it_cannot_run(case):
    message = 'has a formula of its own, which the compiled engine cannot run; make the model with engine="reference"'
    with pytest.raises(TypeError, match=r"(Own|New|Cubes)\w* " + message):
        REFUSED[case]("compiled")


@pytest.mark.parametrize("case", [case for case in REFUSED if case not in ("kernel", "slots")])
def test_the_reference_obeys(case):
    model, plain = REFUSED[case]("reference"), make("reference")
    if case in ("penalty", "activity"):
        assert model.evaluate(X, Y) > plain.evaluate(X, Y) + 0.01
    history = model.fit(X, Y, epochs=2, shuffle=False).history["loss"]
    assert np.isfinite(history).all()
    if case in ("norm", "constraint"):
        assert (model.get_weights()[0] == 1).all()


def test_the_reference_evaluates_an_activity_penalty_of_the_users_own():
    model = make("reference", activity_regularizer=Cubes())
    a = np.tanh(X @ model.get_weights()[0])
    expected = make("reference").evaluate(X, Y) + (np.abs(a) ** 3).sum() / len(X)
    assert model.evaluate(X, Y) == pytest.approx(expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_a_step_may_be_the_users_own(engine):
    """``rates`` and ``scalars`` are computed in Python for both engines."""

    class Slow(optimizers.SGD):
        def scalars(self, steps, rates):
            return super().scalars(steps, rates / 10)

    results = [make(engine, optimizer=one).fit(X, Y, epochs=2).history for one in (Slow(0.1), optimizers.SGD(0.01))]
    assert results[0]["loss"] == pytest.approx(results[1]["loss"])


def test_too_few_numbers_of_a_step_are_refused():
    class Short(optimizers.Adam):
        def scalars(self, steps, rates):
            return rates[:, None]

    with pytest.raises(ValueError, match=r"of shape \(2 or more, 8\)"):
        make(optimizer=Short()).fit(X, Y)


# -- what the core refuses ---------------------------------------------------------------------------------------------


class Changed:
    """A program with something changed."""

    def __init__(self, program, table=None, **changes):
        self.program, self.changes = program, changes
        self.changes["operations"] = program.operations
        for name, value in (table or {}).items():
            self.changes["operations"][1][name] = value

    def __getattr__(self, name):
        return self.changes[name] if name in self.changes else getattr(self.program, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": 99}, "loss 99 is not in the core's table"),
        ({"loss": -1}, "loss -1 is not"),
        ({"loss": 16}, "quantile"),
        ({"loss_parameters": [1.0]}, "parameters or more"),
        ({"optimizer": 99}, "optimizer 99 is not"),
        ({"optimizer": -5}, "optimizer -5 is not"),
        ({"optimizer": 6}, "optimizer amsgrad needs an arena of 4 rows"),
        ({"from_logits": True}, "a loss from logits needs an activation of its own"),
        ({"table": {"kernel": 99}}, "kind 99 is not"),
        ({"table": {"kernel": -1}}, "kind -1 is not"),
        ({"table": {"activation": 99}}, "activation 99 is not"),
        ({"table": {"activation": -1}}, "activation -1 is not"),
        ({"table": {"activation": 5}}, "operation 1 of the program does not fit"),
        ({"table": {"constraint": 3}}, "constraint 3 is not"),
        ({"table": {"inputs": 20}}, "operation 1 of the program does not fit"),
        ({"table": {"outputs": 2000}}, "operation 1 of the program does not fit"),
        ({"table": {"outputs": 0}}, "operation 1 of the program does not fit"),
        ({"table": {"outputs": 1 << 62}}, "operation 1 of the program does not fit"),
        ({"table": {"kernel": 3}}, "operation 1 of the program does not fit"),
        ({"table": {"kernel_rows": 20}}, "operation 1 of the program does not fit"),
        ({"table": {"positions_in": 2}}, "operation 1 of the program does not fit"),
        ({"table": {"positions_out": 0}}, "operation 1 of the program does not fit"),
        ({"table": {"rows": 21}}, "operation 1 of the program does not fit"),
        ({"table": {"offset": 1 << 62}}, "operation 1 of the program does not fit"),
        ({"table": {"offset": -16}}, "operation 1 of the program does not fit"),
        ({"table": {"offset": 3}}, "operation 1 of the program does not fit"),
    ],
)
def test_the_core_refuses_numbers_outside_of_its_tables(changes, message, dtype):
    model = make(dtype=dtype)
    with pytest.raises(ValueError, match=message):
        backend.core(np.dtype(dtype)).Engine(Changed(model.program, **changes), model.arena)


def test_the_core_refuses_to_train_without_loss_or_optimizer():
    model = fastnn.Sequential([Input(5), Dense(3)], rng=0, dtype="float64")
    x = Source(X)
    with pytest.raises(ValueError, match="the program has no loss; compile the model first"):
        model.engine.gradient(x, Source(Y), None)
    program = lower([Input(5), *model.layers], model.dtype, losses.MeanSquaredError())
    engine = backend.core(model.dtype).Engine(program, model.arena)
    with pytest.raises(ValueError, match="the program has no optimizer"):
        engine.run_steps(x, x, None, np.arange(53), 0, 1, 53, np.zeros((1, 8)), np.zeros(1), None, 0, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernels_of_the_catalogue_refuse_numbers_outside_of_their_tables(dtype):
    core = backend.core(np.dtype(dtype))
    a = np.zeros((16, core.PANEL_WIDTH), dtype=dtype)
    for call in (
        lambda: core.activation_forward(99, a),
        lambda: core.activation_backward(-1, a, a),
        lambda: core.loss(99, a, a),
        lambda: core.update(99, a[0], a[0], a, a[0]),
    ):
        with pytest.raises(ValueError, match="is not in the core's table"):
            call()
