"""Losses behind each kind of output: the values of Keras 3, what compile refuses, and digits at extreme arguments.

The numbers of Keras are those of 3.15 on PyTorch in float64.
"""

import numpy as np
import pytest

import fastnn
from fastnn import activations, losses, metrics, regularizers
from fastnn.engine.program import Program
from fastnn.layers import Activation, BatchNormalization, Dense, Dropout, GaussianNoise, Input, LayerNormalization
from fastnn.models.output_check import check_outputs

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
X = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 0.5], [0.0, 2.0]])
LABELS = np.array([0, 1, 2, 1])
ROWS = np.eye(3)[LABELS]
KERNEL = np.array([[0.5, -0.25, 1.0], [0.75, 0.5, -1.0]])
SPARSE = losses.SparseCategoricalCrossentropy
CATEGORICAL = losses.CategoricalCrossentropy
CROSSENTROPIES = [entry for entry in losses.ENTRIES if issubclass(entry, losses.Crossentropy)]


def network(*layers, dtype="float32", engine="compiled"):
    """A network of two inputs."""
    return fastnn.Sequential([Input(2), *layers], rng=0, dtype=dtype, engine=engine)


# -- the values of Keras ---------------------------------------------------------------------------------------------

KERAS = {  # output activation, loss, targets, losses of three steps of SGD(0.5) on all rows
    "sparse sigmoid": ("sigmoid", SPARSE(), LABELS, [1.37646296, 1.31233769, 1.25592411]),
    "categorical sigmoid": (
        "sigmoid",
        CATEGORICAL(label_smoothing=0.1),
        ROWS,
        [1.36085221, 1.30576628, 1.25705588],
    ),
    "focal sigmoid": (
        "sigmoid",
        losses.CategoricalFocalCrossentropy(),
        ROWS,
        [0.19949163, 0.19453344, 0.189799],
    ),
    "sparse hard": ("hard_sigmoid", SPARSE(), LABELS, [1.27758561, 1.24504616, 1.21496686]),
    "binary softmax": ("softmax", losses.BinaryCrossentropy(), ROWS, [1.06248003, 0.93092677, 0.83007335]),
    "binary focal softmax": (
        "softmax",
        losses.BinaryFocalCrossentropy(),
        ROWS,
        [0.63585543, 0.49917931, 0.40812968],
    ),
    "binary focal hard": (
        "hard_sigmoid",
        losses.BinaryFocalCrossentropy(True, 0.3),
        ROWS,
        [0.21491513, 0.20080758, 0.18889561],
    ),
    "kl softmax": ("softmax", losses.KLDivergence(), 0.9 * ROWS + 0.1 / 3, [1.58771108, 1.19799848, 0.94292852]),
    "poisson exponential": ("exponential", losses.Poisson(), ROWS, [1.96807125, 1.17649076, 0.98111032]),
    "mse softmax": ("softmax", losses.MeanSquaredError(), ROWS, [0.38561366, 0.368238, 0.35183858]),
    "sparse logits": ("linear", SPARSE(True), LABELS, [1.92051758, 1.47441798, 1.18545628]),
    "sparse softmax": ("softmax", SPARSE(), LABELS, [1.92051758, 1.47441798, 1.18545628]),
    "sparse log_softmax": ("log_softmax", SPARSE(True), LABELS, [1.92051758, 1.47441798, 1.18545628]),
    "categorical logits": ("linear", CATEGORICAL(True, 0.1), ROWS, [1.87885092, 1.48913832, 1.23406836]),
    "categorical logits of tanh": ("tanh", CATEGORICAL(True), ROWS, [1.60768533, 1.47642974, 1.347811]),
    "focal logits": (
        "linear",
        losses.CategoricalFocalCrossentropy(0.5, 1.5, True, 0.1),
        ROWS,
        [0.74700762, 0.62194645, 0.52722161],
    ),
    "focal softmax": (
        "softmax",
        losses.CategoricalFocalCrossentropy(0.5, 1.5, label_smoothing=0.1),
        ROWS,
        [0.74700762, 0.62194645, 0.52722161],
    ),
    "binary logits": (
        "linear",
        losses.BinaryCrossentropy(True, 0.1),
        ROWS,
        [0.98102762, 0.92996749, 0.88287179],
    ),
    "binary focal logits": (
        "linear",
        losses.BinaryFocalCrossentropy(True, 0.3, 1.5, True, 0.1),
        ROWS,
        [0.31335891, 0.29163286, 0.27168579],
    ),
    "binary focal sigmoid": (
        "sigmoid",
        losses.BinaryFocalCrossentropy(True, 0.3, 1.5, False, 0.1),
        ROWS,
        [0.31335891, 0.29163286, 0.27168579],
    ),
}


@ENGINES
@pytest.mark.parametrize(("dtype", "within"), [("float32", 2e-6), ("float64", 1e-7)])
@pytest.mark.parametrize("case", KERAS)
def test_training_is_that_of_keras(case, dtype, within, engine):
    """Losses before each of three steps, so that the gradients are compared too; evaluate has the first one."""
    activation, loss, y, expected = KERAS[case]
    model = network(Dense(3, activation), dtype=dtype, engine=engine)
    model.compile(fastnn.optimizers.SGD(0.5), loss)
    model.set_weights([KERNEL, np.zeros(3)])
    assert model.evaluate(X, y) == pytest.approx(expected[0], rel=within)
    found = model.fit(X, y, batch_size=4, epochs=3).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=within)


@pytest.mark.parametrize(("loss", "expected"), [(SPARSE(), 0.3240), (CATEGORICAL(), 0.3240)])
def test_rows_that_do_not_sum_to_one(loss, expected):
    """Divided by their sum, in the metric too."""
    a = np.array([[0.9, 0.05, 0.05], [0.5, 0.89, 0.6], [0.05, 0.01, 0.94]])
    t = np.arange(3)[:, None] if loss.targets == "labels" else np.eye(3)
    assert loss.evaluate(a, t)[0].mean() == pytest.approx(expected, abs=5e-5)
    metric = metrics.LogLoss()
    metric.prepare(loss, 3)
    metric.update(t, a, a.argmax(axis=1))
    assert metric.result() == pytest.approx(expected, abs=5e-5)


@ENGINES
@pytest.mark.parametrize("entry", [SPARSE, CATEGORICAL, losses.CategoricalFocalCrossentropy])
def test_rows_of_zeros(entry, engine):
    """They are clipped, without a gradient, and training goes on with the other rows; Keras' weights are NaN then."""
    model = network(Dense(3, "hard_sigmoid"), engine=engine)
    y = LABELS if entry.targets == "labels" else ROWS
    model.compile(fastnn.optimizers.SGD(0.1), entry(), ["log_loss"])
    model.set_weights([100 * np.abs(KERNEL), np.full(3, -3.0)])
    zeros = np.array([[-1.0, -1.0]])
    assert not model.predict(zeros).any()
    scale = 0.25 if entry is losses.CategoricalFocalCrossentropy else 1
    loss, metric = model.evaluate(zeros, y[:1])
    assert loss == pytest.approx(-scale * np.log(1e-7), rel=1e-6) and metric > 15
    before = model.get_weights()
    model.fit(zeros, y[:1])
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.fit(np.concatenate([zeros, np.array([[0.01, 0.02]])]), y[:2])
    assert np.isfinite(model.get_weights()[0]).all() and (model.get_weights()[0] != before[0]).any()


@ENGINES
def test_classes_of_sigmoid_outputs_are_learnt(engine):
    """Three groups of points; without the division the loss fell and one class was lost."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.normal(size=(90, 2)) * 0.3 + np.array([[0, 1.5], [1.5, 0], [-1.5, -1.5]])[y]
    model = network(Dense(16, "relu"), Dense(3, "sigmoid"), engine=engine)
    model.compile(fastnn.optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(x, y, epochs=60)
    assert model.evaluate(x, y)[1] > 0.97


# -- logits ----------------------------------------------------------------------------------------------------------


@ENGINES
@pytest.mark.parametrize("entry", CROSSENTROPIES)
def test_logits_and_their_activation_are_the_same_training(entry, engine):
    """from_logits behind no activation is the loss behind its activation; predict keeps the logits."""
    binary = "binary" in entry.name
    y = LABELS if entry.targets == "labels" else ROWS
    models = []
    for output, loss in (("linear", entry(from_logits=True)), ("sigmoid" if binary else "softmax", entry())):
        model = network(Dense(3, output), engine=engine)
        model.compile("sgd", loss, ["accuracy", "log_loss", "auc", "f1"])
        model.set_weights([KERNEL, np.zeros(3)])
        models.append((model, model.evaluate(X, y), model.fit(X, y, epochs=2, batch_size=2, shuffle=False).history))
    (logits, of_logits, history), (_, of_outputs, expected) = models
    np.testing.assert_allclose(of_logits, of_outputs, rtol=1e-6)
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-6)
    assert logits.predict(10 * X).min() < -1


@ENGINES
def test_metrics_of_logits(engine):
    """Answers are those of probabilities; numbers, and a metric of the user's, are compared with the outputs."""

    class Largest(metrics.Metric):
        name = "largest"

        def reset(self):
            self.value = -np.inf

        def update(self, y, outputs, classes):
            self.value = max(self.value, float(outputs.max()))

        def result(self):
            return self.value

    model = network(Dense(1), engine=engine)
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True), ["accuracy", "binary_accuracy", "mse", Largest()])
    model.set_weights([[[0.2], [0.0]], [0.0]])
    x, y = np.array([[1.0, 0], [2.0, 0], [-1.0, 0], [20.0, 0]]), np.array([1, 1, 0, 1])
    _, accuracy, binary, mse, largest = model.evaluate(x, y)
    assert accuracy == binary == 1  # the logits 0.2 and 0.4 are probabilities above 0.5
    assert mse == pytest.approx(np.mean((0.2 * x[:, 0] - y) ** 2))
    assert largest == pytest.approx(4)


@pytest.mark.parametrize("entry", CROSSENTROPIES)
def test_from_logits_is_a_switch(entry):
    assert entry(from_logits=True).from_logits and not entry().from_logits
    with pytest.raises(TypeError, match="from_logits must be True or False, got 'yes'"):
        entry(from_logits="yes")


def test_settings_in_the_order_of_keras():
    assert losses.BinaryCrossentropy(True, 0.1) == losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    assert CATEGORICAL(True, 0.1).label_smoothing == 0.1 and SPARSE(True).from_logits
    binary = losses.BinaryFocalCrossentropy(True, 0.3, 1.5, True, 0.1)
    assert (binary.alpha, binary.gamma, binary.from_logits, binary.label_smoothing) == (0.3, 1.5, True, 0.1)
    many = losses.CategoricalFocalCrossentropy(0.3, 1.5, True, 0.1)
    assert (many.alpha, many.gamma, many.from_logits, many.label_smoothing) == (0.3, 1.5, True, 0.1)
    with pytest.raises(ValueError, match="counts only with apply_class_balancing=True"):
        losses.BinaryFocalCrossentropy(alpha=0.3)
    with pytest.raises(ValueError, match="alpha must be a finite number greater than 0"):
        losses.CategoricalFocalCrossentropy(alpha=0)  # such a loss is 0


# -- what compile refuses --------------------------------------------------------------------------------------------


def refuses(message, loss, *layers):
    """compile raises, and the model is as it was."""
    model = network(*layers)
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss)
    assert model.loss is None


NO_PROBABILITIES = [f for f in activations.ENTRIES if not f.probabilities and f is not activations.LogSoftmax]


@pytest.mark.parametrize("entry", CROSSENTROPIES)
@pytest.mark.parametrize("f", NO_PROBABILITIES)
def test_crossentropy_of_no_probabilities(f, entry):
    """However the activation is given, with the way out; the logits are accepted."""
    best = "sigmoid" if "binary" in entry.name else "softmax"
    message = rf"needs probabilities.*{f.name} outputs.*activation='{best}', .*{entry.__name__}\(from_logits=True\)"
    refuses(message, entry(), Dense(3, f()))
    refuses(message, entry.name, Dense(3), Activation(f()))
    network(Dense(3, f())).compile("sgd", entry(from_logits=True))


@pytest.mark.parametrize("f", ["sigmoid", "softmax", "hard_sigmoid", activations.Sigmoid(0.5)])
@pytest.mark.parametrize("entry", CROSSENTROPIES)
def test_crossentropy_of_probabilities(f, entry):
    """Accepted, also where the last layer is an activation, or one that changes nothing."""
    network(Dense(3, f)).compile("sgd", entry())
    network(Dense(3), Activation(f)).compile("sgd", entry.name)
    network(Dense(3, f), Activation("linear"), Dropout(0.0)).compile("sgd", entry.name)
    refuses("from_logits=True, but layer 'dense' ends with", entry(from_logits=True), Dense(3, f))


def test_probabilities_that_another_layer_changes():
    for layer, name in ((BatchNormalization(), "batch_normalization"), (LayerNormalization(), "layer_normalization")):
        refuses(f"the outputs of layer '{name}' are none; put activation='sigmoid' behind", "binary_crossentropy",
                Dense(3, "sigmoid"), layer)  # fmt: skip
    for layer in (Dropout(0.5), GaussianNoise(0.1)):  # as Keras does: outside of training they change nothing
        network(Dense(3, "sigmoid"), layer).compile("sgd", "binary_crossentropy")
        refuses("the linear outputs of layer 'dense' are none", "binary_crossentropy", Dense(3), layer)
    network(Dense(3), BatchNormalization(), Activation("softmax")).compile("sgd", "categorical_crossentropy")
    network(Dense(3), BatchNormalization()).compile("sgd", CATEGORICAL(from_logits=True))


def test_trailing_linear_activation_keeps_the_logits():
    """The loss is computed from what the softmax gets, exactly, as without it."""
    model = network(Dense(3, "softmax"), Activation("linear"))
    model.compile("sgd", SPARSE())
    model.set_weights([100 * KERNEL, np.zeros(3)])
    twin = network(Dense(3, "softmax"))
    twin.compile("sgd", SPARSE())
    twin.set_weights(model.get_weights())
    assert model.evaluate(X, LABELS) == twin.evaluate(X, LABELS)


def test_log_softmax():
    refuses(
        r"log_softmax outputs.*activation='softmax', for logits .*from_logits=True", SPARSE(), Dense(3, "log_softmax")
    )
    refuses("activation='softmax', or for numbers", "kl_divergence", Dense(3, "log_softmax"))
    refuses("activation='sigmoid', or for numbers", "binary_crossentropy", Dense(3, "log_softmax"))


def test_divergence_of_outputs_that_do_not_sum_to_one():
    """It would be least, far below zero, where all outputs are one."""
    assert losses.KLDivergence().evaluate(np.ones((1, 3)), np.full((1, 3), 1 / 3))[0] < -1
    refuses("kl_divergence needs outputs that sum to one.*softmax", "kl_divergence", Dense(3, "sigmoid"))
    refuses("kl_divergence needs outputs that sum to one.*softmax", "kl_divergence", Dense(3, "hard_sigmoid"))


@pytest.mark.parametrize("loss", [*(entry.name for entry in CROSSENTROPIES), "kl_divergence", "mse", "mae", "hinge"])
def test_losses_that_never_change(loss):
    """One output of softmax is always 1, one of log_softmax always 0, a class alone is certain, a step has no slope."""
    for f in ("softmax", "log_softmax"):
        refuses("never changes|an output for each class, at least 2", loss, Dense(1, f))
        refuses("never changes|an output for each class, at least 2", loss, Dense(1), Activation(f))
    refuses("derivative is 0, so that the loss can never change", loss, Dense(3, "step"))
    if loss not in ("binary_crossentropy", "binary_focal_crossentropy", "mse", "mae", "hinge"):
        refuses("needs an output for each class, at least 2; the model has 1", loss, Dense(1, "sigmoid"))


def test_activation_of_the_user():
    """A subclass says itself whether its outputs are probabilities."""

    class Mine(activations.Sigmoid):
        pass

    class Other(activations.Tanh):
        pass

    model = network(Dense(1, "tanh"))
    op = model.program.steps[-1]
    for f in (Mine(), Other()):
        program = Program(model.program.dtype, (op.replace(activation=f),), model.program.size)
        if f.probabilities:
            check_outputs(model.layers, program, losses.BinaryCrossentropy(), (1,))
        else:
            with pytest.raises(ValueError, match="set probabilities = True in class Other"):
                check_outputs(model.layers, program, losses.BinaryCrossentropy(), (1,))


# -- digits ----------------------------------------------------------------------------------------------------------


def of_kernel(core, loss, a, t):
    """Losses and slopes of samples a (rows, n), t (rows, columns) as the kernel computes them."""
    values, slopes, W = [], [], core.PANEL_WIDTH
    h = (*loss.parameters, *(0.0,) * (4 - len(loss.parameters)))
    for first in range(0, len(a), W):
        chosen = (first + np.arange(W)) % len(a)
        block, target = (np.ascontiguousarray(x[chosen].T, dtype=core.REAL) for x in (a, t))
        _, e, d = core.loss(loss.kernel, block, target, h)
        values.append(e)
        slopes.append(d.T)
    return np.concatenate(values)[: len(a)].astype(float), np.vstack(slopes)[: len(a)].astype(float)


def both(core, loss, a, t):
    """The kernel, and the twin in the core's type."""
    a, t = np.asarray(a, dtype=core.REAL), np.asarray(t, dtype=core.REAL)
    yield of_kernel(core, loss, a, t)
    with np.errstate(all="ignore"):
        values, slopes = loss.evaluate(a, t)
    yield values.astype(float), slopes.astype(float)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, -1e6])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_large_logits(core, rng, offset, smoothing):
    """What is added to all logits changes nothing: they are whole numbers, exact in either type."""
    z = rng.integers(-8, 8, (32, 4)).astype(float)
    t = rng.integers(4, size=(32, 1)).astype(float)
    eps = float(np.finfo(core.REAL).eps)
    for loss, y in (
        (losses.SparseCategoricalCrossentropyFromLogits(label_smoothing=smoothing), t),
        (losses.CategoricalCrossentropyFromLogits(label_smoothing=smoothing), np.eye(4)[t[:, 0].astype(int)]),
        (losses.CategoricalFocalCrossentropyFromLogits(label_smoothing=smoothing), np.eye(4)[t[:, 0].astype(int)]),
    ):
        expected, slope = loss.evaluate(z, y)
        for values, slopes in both(core, loss, z + offset, y):
            np.testing.assert_allclose(values, expected, rtol=0, atol=64 * 16 * eps)
            np.testing.assert_allclose(slopes, slope, rtol=0, atol=64 * eps)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_limit_of_scikit_learn(core, smoothing):
    """Values end at -log of the spacing of the type, slopes are those without a limit, NaN stays."""
    z = np.array([[0.0, 50.0], [0.0, 10.0], [3.0, 2.5], [-1e4, 1e4], [np.nan, 0.0]])
    labels, hot = np.zeros((5, 1)), np.tile([1.0, 0.0], (5, 1))
    most = -np.log(np.finfo(core.REAL).eps)
    for kind, y in ((losses.SparseCategoricalCrossentropy, labels), (losses.BinaryCrossentropy, hot)):
        for entry in (kind, kind.logits):
            a = z if entry is kind.logits else 1 / (1 + np.exp(-np.clip(z, -30, 30)))
            free, limited = (entry(label_smoothing=smoothing, limited=one) for one in (False, True))
            for (values, slopes), (without, straight) in zip(
                both(core, limited, a, y), both(core, free, a, y), strict=True
            ):
                np.testing.assert_array_equal(slopes, straight)
                assert np.isnan(values[4]) and np.isnan(without[4])
                if y is labels:
                    np.testing.assert_allclose(values[:4], np.minimum(without[:4], most), rtol=1e-6)
                assert values[:4].max() <= most * 1.000001
                assert values[2] == without[2] < most
            if entry is kind.logits:
                assert without[3] > 400 > values[3]
    assert kind(limited=True).of_logits().limited and kind() != kind(limited=True)
    with pytest.raises(TypeError, match="limited"):
        losses.BinaryCrossentropy(limited=2)


MAGNITUDES = np.concatenate([10.0 ** np.arange(-15, 16), 3.0 * 10.0 ** np.arange(-15, 16), [0.5, 0.9, 0.999, 1.0, 1.1]])


def test_log_cosh_of_small_and_large_differences(core):
    """To some units in the last place, at every magnitude whose square the type has."""
    e = np.concatenate([MAGNITUDES, -MAGNITUDES]).astype(core.REAL)[:, None]
    u = np.abs(e.astype(np.longdouble))
    near = np.log1p(2 * np.sinh(np.minimum(u, 1) / 2) ** 2)
    expected = np.where(u < 1, near, u + np.log1p(np.exp(-2 * u)) - np.log(np.longdouble(2)))[:, 0].astype(float)
    for values, slopes in both(core, losses.LogCosh(), e, np.zeros_like(e)):
        np.testing.assert_allclose(values, expected, rtol=16 * float(np.finfo(core.REAL).eps))
        np.testing.assert_allclose(slopes, np.tanh(e.astype(float)), rtol=16 * float(np.finfo(core.REAL).eps))


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_binary_losses_of_logits_at_every_magnitude(core, t):
    """From the least loss to the largest, without cancellation."""
    z = np.concatenate([MAGNITUDES, -MAGNITUDES])
    z = z[np.abs(z) < 80].astype(core.REAL)[:, None]
    wide = z.astype(np.longdouble)
    softplus = np.maximum(wide, 0) + np.log1p(np.exp(-np.abs(wide)))
    crossentropy = np.where(wide > 0, (1 - t) * wide, -t * wide) + np.log1p(np.exp(-np.abs(wide)))
    np.testing.assert_allclose(crossentropy, softplus - t * wide, rtol=1e-12, atol=1e-18)  # the textbook's form
    p, q = 1 / (1 + np.exp(-wide)), 1 / (1 + np.exp(wide))
    focal = (t * q + (1 - t) * p) ** 2 * crossentropy
    eps = float(np.finfo(core.REAL).eps)
    for loss, expected in (
        (losses.BinaryCrossentropyFromLogits(), crossentropy),
        (losses.BinaryFocalCrossentropyFromLogits(), focal),
    ):
        least = float(np.finfo(core.REAL).tiny)
        for values, _ in both(core, loss, z, np.full_like(z, t)):
            # an exponent of up to 3 * 80 is rounded, and exp magnifies that
            np.testing.assert_allclose(values, expected[:, 0].astype(float), rtol=600 * eps, atol=least)


def test_gaussian_nll_of_large_errors(core):
    """The square of e / sigma is a number where that of e is none."""
    big = 1e20 if np.float32 == core.REAL else 1e160
    s = 2 * np.log(big)
    for values, slopes in both(core, losses.GaussianNLL(), [[big, s]], [[0.0]]):
        assert values[0] == pytest.approx((s + 1) / 2, rel=1e-4)
        assert slopes[0, 0] == pytest.approx(1 / big, rel=1e-4) and abs(slopes[0, 1]) < 1e-3


def test_gelu_tanh_far_on_the_left(core):
    """1 + tanh cancels there; z sigmoid(2 u) does not."""
    z = np.linspace(-7, -1, 4 * core.PANEL_WIDTH).astype(core.REAL)
    wide = z.astype(np.longdouble)
    u = np.sqrt(2 / np.longdouble(np.pi)) * (wide + np.longdouble(0.044715) * wide**3)
    expected = wide / (1 + np.exp(-2 * u))
    f = activations.GELUTanh()
    # the exponent 2 u, 35 at most, is rounded three times
    for values in (core.activation_forward(f.kernel, z), f.forward(z)):
        np.testing.assert_allclose(values.astype(float), expected.astype(float), rtol=200 * np.finfo(core.REAL).eps)


# -- penalties -------------------------------------------------------------------------------------------------------


@ENGINES
@pytest.mark.parametrize(
    "where", ["kernel_regularizer", "bias_regularizer", "activity_regularizer", "activity of the output"]
)
@pytest.mark.parametrize("penalty", [regularizers.L1(1e308), regularizers.L2(1e308)])
def test_infinite_penalty_is_divergence(penalty, where, engine):
    """It shows in evaluate; fit stops at that step, with the weights that it began with."""
    if where == "activity of the output":
        model = network(Dense(1, activity_regularizer=penalty), engine=engine)
    else:
        model = network(Dense(4, **{where: penalty}), Dense(1), engine=engine)
    model.compile(fastnn.optimizers.SGD(0.0), "mse")
    model.set_weights([np.full(w.shape, 10.0) for w in model.get_weights()])
    before = model.get_weights()
    assert model.evaluate(X + 5, LABELS) == np.inf
    with pytest.raises(fastnn.DivergenceError, match=r"the loss became (inf|nan) in epoch 1, step 1"):
        model.fit(X + 5, LABELS, batch_size=2, epochs=2)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@ENGINES
def test_penalty_of_large_weights_is_finite(engine):
    """Squares of float32 weights beyond its range are added in double precision, in evaluate."""
    model = network(Dense(1, kernel_regularizer=regularizers.L2(1e-40)), engine=engine)
    model.compile("sgd", "mse")
    model.set_weights([np.full((2, 1), 1e20), np.zeros(1)])
    assert model.evaluate(np.zeros((3, 2)), np.zeros(3)) == pytest.approx(2.0)


def test_cosine_similarity_of_one_output():
    """Its value is 1 or -1, and its derivative 0: 0.3, 0.3, 0.3 over three epochs, whatever is learnt."""
    refuses("cosine_similarity of one output is 1 or -1", "cosine_similarity", Dense(1))
    network(Dense(2)).compile("sgd", "cosine_similarity")
