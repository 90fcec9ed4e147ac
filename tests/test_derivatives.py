"""Activations, derivatives by inputs and by weights, against finite differences and PyTorch's numbers."""

import numpy as np
import pytest

import fastnn
from fastnn import activations, layers, losses, regularizers
from fastnn.layers import Dense, Input

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 6)), RNG.integers(0, 3, 30)
SMOOTH = ["tanh", "sigmoid", "gelu", "softplus", "silu", "softmax", "log_softmax", "mish", "exponential"]


def network(*inner, last="softmax", loss="sparse_categorical_crossentropy", fit=True, **options):
    model = fastnn.Sequential([Input(6), *inner, Dense(3, last)], rng=0, **{"dtype": "float64"} | options)
    model.compile("adam", loss)
    if fit:
        model.fit(X, Y if "sparse" in model.loss.name else np.eye(3)[Y], epochs=3)
    return model


def by_differences(f, x, h=1e-3):
    """Fourth-order central differences of f by each input of x (rows, inputs): (rows, outputs, inputs)."""
    found = []
    for j in range(x.shape[1]):
        e = np.zeros(x.shape[1])
        e[j] = h
        found.append((8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h))
    return np.stack(found, axis=2)


INNER = {
    "dense": lambda: [Dense(7, "tanh"), Dense(5, "gelu")],
    "batch normalization": lambda: [Dense(7), layers.BatchNormalization(), layers.Activation("tanh")],
    "batch normalization first": lambda: [
        layers.BatchNormalization(),
        Dense(9, "sigmoid"),
        layers.BatchNormalization(),
    ],
    "batch normalization between": lambda: [
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.BatchNormalization(),
    ],
    "others": lambda: [layers.LayerNormalization(), layers.Dropout(0.5), Dense(5), layers.UnitNormalization()],
    "noise": lambda: [layers.GaussianNoise(0.3), layers.Dropout(0.2)],
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("inner", INNER)
def test_derivatives_by_the_inputs(inner, engine):
    model = network(*INNER[inner](), engine=engine)
    jacobian = model.jacobian(X)
    assert np.abs(jacobian - by_differences(model.predict, X)).max() < 1e-8
    assert np.allclose(model.gradient(X), jacobian.sum(axis=1), rtol=0, atol=1e-13)
    for k in range(3):
        assert np.array_equal(model.gradient(X, output=k), jacobian[:, k])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_derivatives_of_maps(engine):
    """Convolutions, batch normalization behind a product, before one, and between others; pooling; a reshape."""
    stack = [
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.AveragePooling2D(2),
        layers.BatchNormalization(),
        layers.Conv2D(3, 2, activation="elu"),
        layers.BatchNormalization(),
        layers.Flatten(),
        Dense(3, "softmax"),
    ]
    model = fastnn.Sequential([Input((6, 5, 2)), *stack], rng=0, dtype="float64", engine=engine)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.normal(size=(30, 6, 5, 2))
    model.fit(x, Y, epochs=2)
    found = model.jacobian(x[:4])
    assert found.shape == (4, 3, 6, 5, 2) and model.gradient(x[:4]).shape == (4, 6, 5, 2)
    expected = by_differences(lambda rows: model.predict(rows.reshape(-1, 6, 5, 2)), x[:4].reshape(4, -1))
    assert np.abs(found.reshape(4, 3, -1) - expected).max() < 1e-7
    assert np.abs(model.predictor()(x) - model.predict(x)).max() < 1e-12
    for i in range(len(model.layers)):
        assert model.activations(x[:4], i).shape == (4, *layer_shape(model, i))
    assert np.array_equal(model.activations(x[:4], -1), model.predict(x[:4]))


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_each_last_activation(name):
    model = network(Dense(4, "tanh"), last=name, loss="mse", fit=False)
    assert np.abs(model.jacobian(X) - by_differences(model.predict, X)).max() < 1e-8


def test_shapes_rows_threads_and_types():
    model = fastnn.Sequential([Input((2, 3)), layers.Flatten(), Dense(300, "relu"), Dense(2)], rng=0)
    x = RNG.normal(size=(1100, 2, 3)).astype(np.float32)
    jacobian = model.jacobian(x)
    assert jacobian.shape == (1100, 2, 2, 3) and model.gradient(x).shape == (1100, 2, 3)
    assert jacobian.dtype == np.float32
    assert np.allclose(model.jacobian(x[7:8])[0], jacobian[7], rtol=0, atol=1e-6)
    before = fastnn.get_num_threads()
    try:
        fastnn.set_num_threads(1)
        assert np.array_equal(model.jacobian(x), jacobian)
    finally:
        fastnn.set_num_threads(before)
    with pytest.raises(ValueError, match="output 2 does not exist, the model has 2"):
        model.gradient(x, output=2)
    with pytest.raises(ValueError, match="X has shape"):
        model.gradient(x.reshape(1100, 6))
    with pytest.raises(ValueError, match="not finite"):
        model.jacobian(np.full((1, 2, 3), np.nan))


def test_pytorchs_numbers():
    """torch 2.13 in float64: autograd of z = W2 tanh(W1 x + b1) + b2 and of the mean cross-entropy."""
    model = network(
        Dense(2, "tanh"), last="linear", loss=losses.SparseCategoricalCrossentropy(from_logits=True), fit=False
    )
    W1, W2 = np.arange(12.0).reshape(6, 2) / 20 - 0.2, np.arange(6.0).reshape(2, 3) / 5 - 0.4
    model.set_weights([W1, [0.1, -0.1], W2, [0.0, 0.1, 0.2]])
    x = np.array([[0.1, -0.2, 0.3, 0.4, -0.5, 0.6], [1.0, 0.5, -0.5, 0.0, 0.25, -1.0]])
    assert np.allclose(model.jacobian(x)[0], TORCH_JACOBIAN, rtol=0, atol=1e-12)
    loss, gradient = model.loss_gradient(x, [2, 0])
    assert abs(loss - TORCH_LOSS) < 1e-12
    assert np.allclose(gradient[0], TORCH_W1, rtol=0, atol=1e-12)
    assert np.allclose(gradient[3], TORCH_B2, rtol=0, atol=1e-12)


TORCH_JACOBIAN = [
    [0.0463401616245, 0.02815498626213, 0.00996981089976, -0.00821536446261, -0.02640053982498, -0.04458571518736],
    [-0.02169406823667, -0.00087722321857, 0.01993962179952, 0.04075646681761, 0.06157331183571, 0.0823901568538],
    [-0.08972829809784, -0.02990943269928, 0.02990943269928, 0.08972829809784, 0.1495471634964, 0.20936602889496],
]
TORCH_LOSS = 0.9857308435826275
TORCH_W1 = [
    [0.07235918561043, 0.05924425453145],
    [0.05756627776691, 0.05199299564679],
    [-0.06612095175159, -0.06094134299921],
    [-0.03421869593872, -0.0357933894097],
    [0.06300183482217, 0.0617898872331],
    [-0.13224190350318, -0.12188268599843],
]
TORCH_B2 = [-0.17785212374871, 0.33164921027749, -0.15379708652878]


# -- by the weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("inner", INNER)
def test_derivatives_by_the_weights(inner, engine):
    """Of the loss of the rows as one batch: what evaluate says, where no batch normalization looks at it."""
    model = network(*INNER[inner](), engine=engine)
    weight = RNG.random(30)
    loss, gradient = model.loss_gradient(X, Y, weight)
    names = [w.shape for w in model.get_weights()]
    assert [g.shape for g in gradient] == names
    if "batch" in inner:
        return
    assert np.isclose(loss, model.evaluate(X, Y, sample_weight=weight), rtol=0, atol=1e-12)
    weights = model.get_weights()
    for i, g in enumerate(gradient):
        for place in list(np.ndindex(*g.shape))[:: max(1, g.size // 4)]:
            values = []
            for step in (-2, -1, 1, 2):
                changed = [w.copy() for w in weights]
                changed[i][place] += step * 1e-3
                model.set_weights(changed)
                values.append(model.evaluate(X, Y, sample_weight=weight))
            expected = (8 * (values[2] - values[1]) - (values[3] - values[0])) / 12e-3
            assert abs(g[place] - expected) < 1e-8
    model.set_weights(weights)


def test_batch_normalization_is_that_of_training():
    """One step of gradient descent at rate 1 subtracts the gradient; moving statistics have none."""
    model = network(Dense(5, kernel_regularizer=regularizers.L2(0.01)), layers.BatchNormalization())
    _, gradient = model.loss_gradient(X, Y)
    assert not gradient[4].any() and not gradient[5].any()
    before = model.get_weights()
    model.compile(fastnn.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    model.fit(X, Y, batch_size="all", shuffle=False)
    for i in (0, 1, 2, 3, 6, 7):
        assert np.allclose(before[i] - model.get_weights()[i], gradient[i], rtol=0, atol=1e-12)


def test_many_rows_are_one_batch():
    model = network(Dense(5, "tanh", kernel_regularizer="l2", activity_regularizer="l1"))
    x, y = np.tile(X, (300, 1)), np.tile(Y, 300)
    few, many = model.loss_gradient(X, Y, flat=True), model.loss_gradient(x, y, flat=True)
    assert np.isclose(few[0], many[0], rtol=1e-12) and np.allclose(few[1], many[1], rtol=0, atol=1e-12)
    assert few[1].shape == (model.count_params(),)
    assert model.iterations == 3


def test_a_loss_of_the_users_own():
    def squares(y, outputs):
        return np.square(outputs - y).mean(axis=1), 2 * (outputs - y) / outputs.shape[1]

    y = RNG.normal(size=(30, 3))
    own, ours = (network(Dense(4, "relu"), last="linear", loss=loss, fit=False) for loss in (squares, "mse"))
    found, expected = (model.loss_gradient(X, y, flat=True) for model in (own, ours))
    assert np.isclose(found[0], expected[0]) and np.allclose(found[1], expected[1], rtol=0, atol=1e-14)


def test_a_loss_is_needed():
    with pytest.raises(fastnn.NotCompiledError, match="loss_gradient"):
        fastnn.Sequential([Input(2), Dense(1)]).loss_gradient([[1.0, 2.0]], [1.0])


# -- activations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("inner", INNER)
def test_activations_are_what_the_next_layers_get(inner, engine):
    """A model of the first layers, with their weights, predicts what they hand on."""
    model = network(*INNER[inner](), engine=engine)
    for i, layer in enumerate(model.layers):
        found = model.activations(X, i)
        assert found.shape == (30, *layer_shape(model, i))
        if any(isinstance(one, Dense) for one in model.layers[: i + 1]):
            part = fastnn.Sequential(model.layers[: i + 1], dtype="float64", engine=engine)
            assert np.array_equal(found, part.predict(X))
        assert np.array_equal(model.activations(X, layer.name), found)
        assert np.array_equal(model.activations(X, model.layers[i]), found)
    assert np.array_equal(model.activations(X, -1), model.predict(X))


def layer_shape(model, i):
    return model.layers[i].output_shape[1:]


def test_a_layer_before_its_activation():
    """Joined to the product in the engine, but two layers still."""
    model = network(Dense(5, name="before"), layers.Activation(activations.ReLU(), name="behind"))
    before, behind = model.activations(X, "before"), model.activations(X, "behind")
    assert before.min() < 0 and np.array_equal(np.maximum(before, 0), behind)


def test_layers_that_are_not_there():
    model = network(Dense(5, name="hidden"))
    with pytest.raises(ValueError, match="unknown layer 'hiden'; did you mean 'hidden'"):
        model.activations(X, "hiden")
    with pytest.raises(ValueError, match="index 2 is too large, the model has 2 layers"):
        model.activations(X, 2)
    with pytest.raises(ValueError, match="no layer of this model"):
        model.activations(X, Dense(5))
    with pytest.raises((TypeError, ValueError)):
        model.activations(X, -4)
