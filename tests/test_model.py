"""Sequential's face: building, summary, weights, compile, names and objects, initial values."""

import numpy as np
import pytest

import fastnn
from fastnn import activations, initializers, losses, metrics, optimizers
from fastnn.layers import Dense, Flatten, Input

ENGINES = ["compiled", "reference"]


def classifier(**options):
    """The network of the README: 784-300-100-10."""
    layers = [Input(784), Dense(300, activation="relu"), Dense(100, activation="relu"), Dense(10, activation="softmax")]
    return fastnn.Sequential(layers, rng=0, **options)


def kernel(initializer, inputs=300, outputs=400, seed=1):
    """The starting W of one layer, as float64."""
    layers = [Input(inputs), Dense(outputs, kernel_initializer=initializer)]
    return fastnn.Sequential(layers, rng=seed, dtype="float64").get_weights()[0]


# -- shapes, counts, summary -------------------------------------------------------------------------------------------


def test_count_params_of_the_classic_network():
    assert classifier().count_params() == 266_610


def test_summary_is_keras_table(capsys):
    classifier().summary()
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [
        ["dense (Dense)", "(None, 300)", "235,500"],
        ["dense_1 (Dense)", "(None, 100)", "30,100"],
        ["dense_2 (Dense)", "(None, 10)", "1,010"],
    ]
    assert lines[0] == 'Model: "sequential"'
    heads = [cell.strip() for cell in lines[2].strip("┃").split("┃")]
    assert heads == ["Layer (type)", "Output Shape", "Param #"]
    assert len({len(line) for line in lines if line[0] in "┏┃┡│├└"}) == 1  # a straight table
    assert [line.strip() for line in lines[-3:]] == [
        "Total params: 266,610 (1.02 MB)",
        "Trainable params: 266,610 (1.02 MB)",
        "Non-trainable params: 0 (0.00 B)",
    ]


def test_summary_with_flatten_and_own_names(capsys):
    layers = [Input((28, 28)), Flatten(name="pixels"), Dense(7, use_bias=False, name="a_very_long_name_for_one_layer")]
    fastnn.Sequential(layers, dtype="float64").summary()
    out = capsys.readouterr().out
    assert "pixels (Flatten)" in out and "(None, 784)" in out
    assert "a_very_long_name_for_one_layer" in out and " (Dense) " in out and "5,488" in out
    assert "Total params: 5,488 (42.88 KB)" in out


def test_weights_have_keras_shapes():
    assert [w.shape for w in classifier().get_weights()] == [(784, 300), (300,), (300, 100), (100,), (100, 10), (10,)]


def test_use_bias_false_has_no_bias_anywhere():
    model = fastnn.Sequential([Input(3), Dense(5, use_bias=False), Dense(2, use_bias=False)], rng=0, dtype="float64")
    assert [w.shape for w in model.get_weights()] == [(3, 5), (5, 2)]
    assert model.count_params() == 25
    assert np.array_equal(model.predict(np.zeros((4, 3))), np.zeros((4, 2)))
    model.compile("adam", "mse")
    X = np.random.default_rng(0).normal(size=(20, 3))
    model.fit(X, X[:, :2] + 5, epochs=3)
    assert np.array_equal(model.predict(np.zeros((4, 3))), np.zeros((4, 2)))  # no hidden bias was trained


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_set_weights_round_trip(engine, dtype):
    model, other = classifier(engine=engine, dtype=dtype), classifier(engine=engine, dtype=dtype)
    new = [np.random.default_rng(i).normal(size=w.shape).astype(dtype) for i, w in enumerate(model.get_weights())]
    model.set_weights(new)
    assert all(np.array_equal(a, b) and a.dtype == dtype for a, b in zip(model.get_weights(), new, strict=True))
    other.set_weights(model.get_weights())
    x = np.random.default_rng(9).normal(size=(5, 784))
    assert np.array_equal(model.predict(x), other.predict(x))


def test_get_weights_are_copies_and_set_weights_copies():
    model = classifier()
    given = model.get_weights()
    model.set_weights(given)
    before = model.predict(np.ones((1, 784)))
    for w in [*given, *model.get_weights()]:
        w[...] = 7
    assert np.array_equal(model.predict(np.ones((1, 784))), before)


def test_set_weights_takes_lists_and_other_number_types():
    model = fastnn.Sequential([Input(2), Dense(1)])
    model.set_weights([[[2], [3]], [4]])
    assert model.predict([[1, 10]]).tolist() == [[36]]
    model.set_weights([np.array([[1.5], [2.5]], dtype=np.float64), np.array([0.25])])
    assert model.predict([[1, 10]]).tolist() == [[26.75]]


def test_set_weights_keeps_the_optimizer_state():
    model = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(1)], rng=0, dtype="float64")
    model.compile("adam", "mse")
    X = np.random.default_rng(0).normal(size=(16, 3))
    model.fit(X, X[:, 0], epochs=2, shuffle=False)
    state = model.arena[1:].copy()
    model.set_weights(model.get_weights())
    assert np.array_equal(model.arena[1:], state) and np.abs(state).max() > 0
    assert model.iterations == 2


def test_prediction_is_the_textbook_formula():
    model = fastnn.Sequential(
        [Input(5), Dense(33, "relu"), Dense(17, "tanh"), Dense(3, "softmax")], rng=3, dtype="float64"
    )
    W1, b1, W2, b2, W3, b3 = model.get_weights()
    x = np.random.default_rng(1).normal(size=(41, 5))
    z = np.tanh(np.maximum(x @ W1 + b1, 0) @ W2 + b2) @ W3 + b3
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_images_through_flatten(engine):
    flat = fastnn.Sequential([Input(784), Dense(9, "relu"), Dense(10, "softmax")], rng=0, engine=engine)
    images = fastnn.Sequential(
        [Input((28, 28)), Flatten(), Dense(9, "relu"), Dense(10, "softmax")], rng=0, engine=engine
    )
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (50, 28, 28), dtype=np.uint8), rng.integers(0, 10, 50)
    for model, x in ((flat, X.reshape(50, 784)), (images, X)):
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        model.fit(x, y, epochs=2)
    assert images.count_params() == flat.count_params() == 784 * 9 + 9 + 100
    assert all(np.array_equal(a, b) for a, b in zip(flat.get_weights(), images.get_weights(), strict=True))
    assert np.array_equal(images.predict(X), flat.predict(X.reshape(50, 784)))


def test_add_is_the_same_as_the_list():
    model = fastnn.Sequential(rng=0)
    for layer in (Input(784), Dense(300, "relu"), Dense(100, "relu"), Dense(10, "softmax")):
        model.add(layer)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), classifier().get_weights(), strict=True))


def test_call_gives_the_bits_of_predict():
    model = classifier()
    x = np.random.default_rng(0).random((3, 784), dtype=np.float32)
    assert np.array_equal(model(x), model.predict(x))
    assert np.array_equal(model(x[:, ::-1]), model.predict(x[:, ::-1]))


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.float64, np.dtype("float64")])
def test_dtype_of_weights_and_outputs(dtype):
    model = classifier(dtype=dtype)
    assert {w.dtype for w in model.get_weights()} == {np.dtype(dtype)}
    assert model.predict(np.zeros((2, 784))).dtype == np.dtype(dtype)


def test_float32_and_compiled_are_the_defaults():
    model = fastnn.Sequential([Input(2), Dense(1)])
    assert model.get_weights()[0].dtype == np.float32
    assert type(model.engine).__module__ != "fastnn.engine.reference"


# -- random numbers ----------------------------------------------------------------------------------------------------


def test_seed_decides_the_weights():
    def first(rng):
        return fastnn.Sequential([Input(20), Dense(30)], rng=rng).get_weights()[0]

    assert np.array_equal(first(5), first(5))
    assert np.array_equal(first(5), first(np.random.default_rng(5)))
    assert not np.array_equal(first(5), first(6))
    assert not np.array_equal(first(None), first(None))
    generator = np.random.default_rng(5)
    assert not np.array_equal(first(generator), first(generator))


def test_numpys_global_generator_is_left_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    model = fastnn.Sequential([Input(2), Dense(1)], rng=0)
    model.compile("adam", "mse")
    model.fit(np.ones((8, 2)), np.ones(8))
    assert np.array_equal(np.random.get_state()[1], before)


# -- initializers ------------------------------------------------------------------------------------------------------

DEVIATION = {
    "glorot_uniform": np.sqrt(2 / 700),
    "glorot_normal": np.sqrt(2 / 700),
    "he_uniform": np.sqrt(2 / 300),
    "he_normal": np.sqrt(2 / 300),
    "uniform": 0.1 / np.sqrt(12),
}


@pytest.mark.parametrize("name", DEVIATION)
def test_initializer_moments(name):
    W, s = kernel(name), DEVIATION[name]  # 120,000 numbers: standard error of the deviation below 0.21 %
    assert abs(W.std() / s - 1) < 0.01
    assert abs(W.mean()) < 5 * s / np.sqrt(W.size)
    inside = np.mean(np.abs(W) < s)  # a uniform has 0.577, a normal 0.683, cut at two deviations 0.650
    assert (0.57 < inside < 0.585) if "uniform" in name else (0.64 < inside < 0.69)
    assert abs(np.corrcoef(W[:, :-1].ravel(), W[:, 1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(("name", "limit"), [("glorot_uniform", 6 / 700), ("he_uniform", 6 / 300), ("uniform", 0.0025)])
def test_uniform_initializers_fill_their_interval(name, limit):
    W = kernel(name)
    assert 0.999 * np.sqrt(limit) < np.abs(W).max() <= np.sqrt(limit)
    counts = np.histogram(W, bins=10, range=(-np.sqrt(limit), np.sqrt(limit)))[0]
    assert np.abs(counts / 12_000 - 1).max() < 0.05


def test_zeros():
    assert not kernel("zeros").any()


def test_defaults_are_glorot_uniform_and_zero_biases():
    W, b = fastnn.Sequential([Input(300), Dense(400)], rng=1, dtype="float64").get_weights()
    assert np.array_equal(W, kernel("glorot_uniform"))
    assert not b.any()


def test_bias_initializer():
    b = fastnn.Sequential([Input(3), Dense(5000, bias_initializer="uniform")], rng=0).get_weights()[1]
    assert 0.049 < np.abs(b).max() <= 0.05


def test_layers_and_padding_draw_different_numbers():
    model = fastnn.Sequential([Input(6), Dense(6), Dense(6)], rng=0)
    assert not np.array_equal(model.get_weights()[0], model.get_weights()[2])


# -- names and objects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("linear", lambda z: z),
        ("relu", lambda z: np.maximum(z, 0)),
        ("leaky_relu", lambda z: np.where(z < 0, 0.2 * z, z)),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("tanh", np.tanh),
        ("softmax", lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)),
    ],
)
def test_activations_by_name(name, formula):
    model = fastnn.Sequential([Input(4), Dense(4, activation=name)], dtype="float64")
    model.set_weights([np.eye(4), np.zeros(4)])
    z = np.random.default_rng(0).normal(size=(30, 4)) * 3
    np.testing.assert_allclose(model.predict(z), formula(z), rtol=1e-13, atol=1e-15)


def test_activation_objects_and_none():
    model = fastnn.Sequential([Input(2), Dense(2, activation=activations.LeakyReLU(0.5)), Dense(2, activation=None)])
    model.set_weights([np.eye(2), np.zeros(2), np.eye(2), np.zeros(2)])
    assert model.predict([[-2, 3]]).tolist() == [[-1, 3]]


T2 = np.array([[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]])
A2 = np.array([[0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])


@pytest.mark.parametrize(
    ("name", "output", "X", "targets", "each"),
    [
        ("mse", "linear", A2, T2, ((A2 - T2) ** 2).mean(axis=1)),
        (
            "binary_crossentropy",
            "sigmoid",
            np.log(A2 / (1 - A2)),
            T2,
            -(T2 * np.log(A2) + (1 - T2) * np.log(1 - A2)).mean(axis=1),
        ),
        ("categorical_crossentropy", "softmax", np.log(A2), T2, -(T2 * np.log(A2)).sum(axis=1)),
        ("sparse_categorical_crossentropy", "softmax", np.log(A2), [0, 1, 1], -np.log([0.5, 0.8, 0.9])),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_losses_by_name(name, output, X, targets, each, engine):
    model = fastnn.Sequential([Input(2), Dense(2, output)], dtype="float64", engine=engine)
    model.set_weights([np.eye(2), np.zeros(2)])
    model.compile("sgd", name)
    assert model.evaluate(X, targets) == pytest.approx(each.mean(), rel=1e-13)
    weights = np.array([0.5, 2.0, 0.0])
    assert model.evaluate(X, targets, sample_weight=weights) == pytest.approx((each * weights).sum() / 3, rel=1e-13)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sgd", optimizers.SGD(0.01, 0.0)),
        ("rmsprop", optimizers.RMSprop(0.001, rho=0.9, epsilon=1e-7)),
        ("adam", optimizers.Adam(0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7)),
        ("Adam", optimizers.Adam()),
        (optimizers.SGD, optimizers.SGD()),
    ],
)
def test_optimizers_by_name_have_keras_defaults(given, expected):
    model = fastnn.Sequential([Input(2), Dense(2)])
    model.compile(given, "mse")
    assert model.optimizer == expected


def test_objects_of_losses_metrics_initializers():
    model = fastnn.Sequential([Input(2), Dense(2, kernel_initializer=initializers.RandomUniform(1, 2))])
    assert model.get_weights()[0].min() >= 1
    model.compile(optimizers.Adam(learning_rate=0.5), losses.MeanSquaredError(), [metrics.Accuracy()])
    assert sorted(model.fit(np.ones((4, 2)), np.eye(2)[[0, 1, 1, 0]]).history) == ["accuracy", "loss"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        (optimizers.SGD(0.5), lambda g: 0.5 * g),
        (optimizers.SGD(learning_rate=0.5, momentum=0.75), lambda g: 0.5 * g),
        (optimizers.SGD(learning_rate=0.5, momentum=0.75, nesterov=True), lambda g: 0.5 * g * 1.75),
        (optimizers.RMSprop(learning_rate=0.1, rho=0.75), lambda g: 0.1 * g / np.sqrt(0.25 * g * g + 1e-7)),
        (
            optimizers.Adam(learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=0.5),
            lambda g: 0.1 * 0.5 / 0.5 * 0.5 * g / (0.5 * abs(g) + 0.5),
        ),
    ],
)
def test_first_step_of_each_optimizer_by_hand(optimizer, step, engine):
    model = fastnn.Sequential([Input(1), Dense(1)], dtype="float64", engine=engine)
    model.set_weights([[[2.0]], [1.0]])
    model.compile(optimizer, "mse")
    model.fit([[3.0]], [10.0])  # output 7, error -3: dL/dW = -18, dL/db = -6
    W, b = model.get_weights()
    assert W[0, 0] == pytest.approx(2 - step(-18.0), rel=1e-14)
    assert b[0] == pytest.approx(1 - step(-6.0), rel=1e-14)


@pytest.mark.parametrize("kind", [optimizers.Adam, optimizers.RMSprop, optimizers.Adagrad])
def test_epsilon_of_zero_is_refused(kind):
    """0 / 0 would make NaN of every weight without a gradient."""
    with pytest.raises(ValueError, match="epsilon must lie in"):
        kind(0.1, epsilon=0)


def test_learning_rate_can_be_changed_between_fits():
    model = fastnn.Sequential([Input(2), Dense(1)], rng=0)
    model.compile(optimizers.SGD(0.1), "mse")
    model.fit(np.ones((4, 2)), np.ones(4) * 5)
    before = model.get_weights()[0]
    model.optimizer.learning_rate = 0.0
    model.fit(np.ones((4, 2)), np.ones(4) * 5)
    assert np.array_equal(model.get_weights()[0], before)
    model.optimizer.learning_rate = 0.1
    model.fit(np.ones((4, 2)), np.ones(4) * 5)
    assert not np.array_equal(model.get_weights()[0], before)


def test_compile_keeps_weights_and_begins_the_optimizer_anew():
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(1)], rng=0, dtype="float64")
    model.compile("adam", "mse")
    model.fit(X, X[:, 0], epochs=3)
    weights = model.get_weights()
    model.compile("adam", "mse")
    assert model.iterations == 0
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))
    fresh = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(1)], rng=1, dtype="float64")
    fresh.set_weights(weights)
    fresh.compile("adam", "mse")
    model.fit(X, X[:, 0], shuffle=False)
    fresh.fit(X, X[:, 0], shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True))


def test_evaluate_gives_loss_and_metrics_in_order():
    model = fastnn.Sequential([Input(2), Dense(2)])
    model.set_weights([np.eye(2), np.zeros(2)])
    model.compile("sgd", "mse")
    X = np.array([[1, 0], [0, 1], [1, 0], [1, 0]])
    assert model.evaluate(X, X[::-1]) == pytest.approx(0.5)
    model.compile("sgd", "mse", metrics=["accuracy"])
    assert model.evaluate(X, X[::-1]) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_accuracy_of_each_kind_of_target(activation):
    model = fastnn.Sequential([Input(3), Dense(3, activation)])
    model.set_weights([np.eye(3) * 0.9, np.zeros(3)])
    X, labels = np.eye(3)[[0, 1, 2, 2, 1]], np.array([0, 1, 2, 0, 0])  # three of five right
    logits = activation == "linear"
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=logits), ["accuracy"])
    assert model.evaluate(X, labels)[1] == 0.6
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=logits), ["accuracy"])
    assert model.evaluate(X, np.eye(3)[labels])[1] == 0.6


def test_binary_accuracy():
    model = fastnn.Sequential([Input(1), Dense(1, "sigmoid")])
    model.set_weights([[[1.0]], [0.0]])
    model.compile("sgd", "binary_crossentropy", ["accuracy"])
    assert model.evaluate([[1], [2], [-1], [-2]], [1, 0, 0, 0])[1] == 0.75


# -- the process's settings --------------------------------------------------------------------------------------------


def test_threads_can_be_set_and_read():
    before = fastnn.get_num_threads()
    try:
        fastnn.set_num_threads(3)
        assert fastnn.get_num_threads() == 3
    finally:
        fastnn.set_num_threads(before)
    assert fastnn.get_num_threads() == before


def test_show_config_names_versions_and_threads(capsys):
    fastnn.show_config()
    out = capsys.readouterr().out
    assert f"fastnn {fastnn.__version__}" in out
    assert f"threads: {fastnn.get_num_threads()}" in out
    assert np.__version__ in out


@pytest.mark.parametrize("name", ["input_shape", "output_shape", "program", "engine", "arena", "iterations"])
def test_hasattr_of_a_model_without_layers(name):
    model = fastnn.Sequential()
    assert not hasattr(model, name) and getattr(model, name, 5) == 5
    with pytest.raises(ValueError, match="add"):
        getattr(model, name)
    model = fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)])
    assert hasattr(model, name)


def test_import_star_brings_every_public_module():
    """Each module is either public, or one of the inner rooms; a new one must choose."""
    import pkgutil

    inner = {"basics", "catalogue", "description", "engine", "errors", "operations", "training"}
    inner |= {"learning_rate", "loading", "minimization", "perceptron"}  # their functions and classes are public
    inner |= {"estimators"}  # needs scikit-learn
    inner |= {"entering", "exporting"}  # for models that come from elsewhere, or leave: imported by name
    found = {module.name for module in pkgutil.iter_modules(fastnn.__path__) if not module.name.startswith("_")}
    names = {}
    exec("from fastnn import *", names)
    public = {name for name in found if name in names}
    assert found - public <= inner, "name a new module in fastnn.__all__, or here"
    assert not public & inner
    assert {"callbacks", "constraints", "data", "regularizers", "schedules"} <= public
    assert not set(fastnn.__all__) - set(names) and sorted(fastnn.__all__) == list(fastnn.__all__)


@pytest.mark.parametrize("name", ["loss", "epoch", "learning_rate", "val_mae", ""])
def test_metrics_cannot_take_the_names_of_other_numbers(name):
    model = fastnn.Sequential([Input(2), Dense(1)])
    for metric in (fastnn.metrics.MeanAbsoluteError(name=name), fastnn.metrics.FromFunction(np.dot, name=name)):
        with pytest.raises(ValueError, match="a metric cannot be named"):
            model.compile("sgd", "mse", [metric])


def test_fit_best_of_refuses_misspelt_arguments():
    model = fastnn.Sequential([Input(2), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="fit_best_of: unknown argument 'epoch'; did you mean 'epochs'"):
        model.fit_best_of(2, np.zeros((3, 2)), np.zeros(3), epoch=3)
