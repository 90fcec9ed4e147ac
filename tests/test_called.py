"""Concepts that are called by hand, as Keras' functions and objects are. The right values are Keras 3's."""

import numpy as np
import pytest

import fastnn
from fastnn import activations, constraints, initializers, losses, optimizers, regularizers
from fastnn.basics.seeds import SeedGenerator, set_random_seed
from fastnn.layers import Dense, Input

Z = np.array([-7.0, -1.5, -0.3, 0.0, 0.4, 1.2, 6.5])
KERAS = {  # keras.activations of Z
    "relu6": [0.0, 0.0, 0.0, 0.0, 0.4, 1.2, 6.0],
    "hard_tanh": [-1.0, -1.0, -0.3, 0.0, 0.4, 1.0, 1.0],
    "hard_silu": [0.0, -0.375, -0.135, 0.0, 0.2266667, 0.84, 6.5],
    "log_sigmoid": [-7.0009115, -1.7014133, -0.8543552, -0.6931472, -0.5130153, -0.2632825, -0.0015023],
    "celu": [-0.9990881, -0.7768698, -0.2591818, 0.0, 0.4, 1.2, 6.5],
    "soft_shrink": [-6.5, -1.0, 0.0, 0.0, 0.0, 0.7, 6.0],
    "hard_shrink": [-7.0, -1.5, 0.0, 0.0, 0.0, 1.2, 6.5],
    "tanh_shrink": [-6.0000017, -0.5948517, -0.0086874, 0.0, 0.0200510, 0.3663454, 5.5000045],
    "squareplus": [0.1400549, 0.5, 0.8611874, 1.0, 1.2198039, 1.7661904, 6.6503676],
    "sparse_plus": [0.0, 0.0, 0.1225, 0.25, 0.49, 1.2, 6.5],
    "sparse_sigmoid": [0.0, 0.0, 0.35, 0.5, 0.7, 1.0, 1.0],
}


@pytest.mark.parametrize("name", KERAS)
def test_activations_as_functions(name):
    function = getattr(activations, name)
    np.testing.assert_allclose(function(Z), KERAS[name], atol=2e-7)
    np.testing.assert_allclose(activations.get(name)(Z.reshape(1, 7, 1)), np.reshape(KERAS[name], (1, 7, 1)), atol=2e-7)
    assert function(np.array([1, 2])).dtype == np.float32 and function(Z.astype(np.float16)).dtype == np.float16


def test_settings_of_activations_in_the_call():
    np.testing.assert_allclose(activations.relu(Z, 0.1, 5.0, 1.0), [-0.8, -0.25, -0.13, -0.1, -0.06, 1.2, 5.0])
    np.testing.assert_allclose(activations.relu(Z, max_value=1), [0, 0, 0, 0, 0.4, 1, 1])
    np.testing.assert_allclose(activations.leaky_relu([-1.0, 1.0], negative_slope=0.5), [-0.5, 1.0])
    np.testing.assert_allclose(activations.threshold(Z, 1.0, -2.0), [-2, -2, -2, -2, -2, 1.2, 6.5])
    x = np.array([[0.0, np.log(3)], [np.log(3), np.log(3)]])
    np.testing.assert_allclose(activations.softmax(x), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(activations.softmax(x, axis=0), [[0.25, 0.5], [0.75, 0.5]])
    np.testing.assert_allclose(activations.softmax(x[None, None]), [[[[0.25, 0.75], [0.5, 0.5]]]])
    with pytest.raises(TypeError, match=r"has no setting 'alfa'; did you mean 'alpha'\?"):
        activations.elu(Z, alfa=1)
    with pytest.raises(AttributeError, match="has no attribute 'rellu'"):
        activations.rellu  # noqa: B018


def test_functions_are_what_compile_and_layers_take():
    model = fastnn.Sequential([Input(2), Dense(3, activations.relu), Dense(1, activations.sigmoid)], rng=0)
    model.compile(optimizers.SGD(0.1), losses.binary_crossentropy)
    assert model.loss == losses.BinaryCrossentropy() and model.layers[0].activation == activations.ReLU()
    for given in (losses.mean_squared_error, losses.MSE, losses.mse, "mean_squared_error", losses.MeanSquaredError):
        model.compile("sgd", given)
        assert model.loss == losses.MeanSquaredError()


T, A = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.6, 0.4], [0.3, 0.8]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_squared_error", [0.36, 0.565]),
        ("mean_absolute_error", [0.6, 0.75]),
        ("mean_absolute_percentage_error", [3.0000030e8, 4.0000035e8]),
        ("mean_squared_logarithmic_error", [0.1740602, 0.2655335]),
        ("cosine_similarity", [-0.5547002, -0.3511234]),
        ("categorical_hinge", [1.2, 1.5]),
        ("hinge", [1.1, 1.25]),
        ("squared_hinge", [1.46, 1.865]),
        ("kl_divergence", [0.9162890, 1.2039714]),
        ("poisson", [0.9581452, 1.1519861]),
        ("log_cosh", [0.1701353, 0.2590119]),
        ("huber", [0.18, 0.2825]),
        ("binary_crossentropy", [0.9162906, 1.4067051]),
        ("categorical_crossentropy", [0.9162907, 1.2992830]),
    ],
)
def test_losses_as_functions_and_objects(name, expected):
    function, loss = getattr(losses, name), losses.get(name)
    np.testing.assert_allclose(function(T, A), expected, rtol=2e-5)
    np.testing.assert_allclose(function(T[None], A[None]), [expected], rtol=2e-5)
    assert loss(T, A) == pytest.approx(np.mean(expected), rel=2e-5)
    w = np.array([1.2, 3.4])
    assert loss(T, A, sample_weight=w) == pytest.approx(np.dot(w, expected) / 2, rel=2e-5)
    assert loss(T, A, sample_weight=w[:, None]) == pytest.approx(np.dot(w, expected) / 2, rel=2e-5)
    assert loss(T, A, sample_weight=2.0) == pytest.approx(2 * np.mean(expected), rel=2e-5)
    kind = type(loss)
    assert kind(reduction="sum")(T, A) == pytest.approx(np.sum(expected), rel=2e-5)
    assert kind(reduction="mean_with_sample_weight")(T, A, w) == pytest.approx(np.dot(w, expected) / 4.6, rel=2e-5)
    for reduction in ("none", None):
        np.testing.assert_allclose(kind(reduction=reduction)(T, A, w), w * expected, rtol=2e-5)


def test_labels_and_shapes_of_losses():
    sparse = losses.SparseCategoricalCrossentropy()
    for labels in ([1, 0], [[1], [0]]):
        assert sparse(labels, A / A.sum(axis=1, keepdims=True)) == pytest.approx(np.mean([0.9162907, 1.2992830]))
    np.testing.assert_allclose(losses.sparse_categorical_crossentropy([1, 0], A), [0.9162907, 1.2992830], rtol=1e-6)
    assert losses.MeanSquaredError()([1.0, 2.0], [[2.0], [4.0]]) == 2.5  # a last axis of one may be missing
    assert losses.MeanSquaredError()([[1.0], [2.0]], [2.0, 4.0]) == 2.5
    assert losses.categorical_crossentropy(T.T, A, axis=0).shape == (2,)
    with pytest.raises(ValueError, match="mse: y_true has shape"):
        losses.mean_squared_error(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="sample_weight has shape"):
        losses.MeanSquaredError()(T, A, sample_weight=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="reduction must be one of sum_over_batch_size, mean, sum"):
        losses.MeanSquaredError(reduction="average")
    assert losses.MeanSquaredError(name="mine").name == "mine" and "mine" in repr(losses.MeanSquaredError(name="mine"))


def test_regularizers_and_constraints_are_called():
    w = np.array([[1.0, -2.0], [3.0, 4.0]])
    assert regularizers.l2(0.1)(w) == pytest.approx(3.0) and regularizers.L1(0.1)(w) == pytest.approx(1.0)
    assert regularizers.l1_l2(l1=0.1, l2=0.1)(w) == pytest.approx(4.0)
    assert regularizers.OrthogonalRegularizer(0.1, "columns")(w) == pytest.approx(0.07071068)
    np.testing.assert_allclose(constraints.non_neg()(w), [[1, 0], [3, 4]])
    np.testing.assert_allclose(constraints.max_norm(2.0)(w), w * [2 / np.sqrt(10), 2 / np.sqrt(20)])
    np.testing.assert_allclose(constraints.max_norm(2.0, axis=1)(w), w * [[2 / np.sqrt(5)], [2 / 5]])
    np.testing.assert_allclose(constraints.min_max_norm(4, 5, rate=0.5)(w)[:, 0], w[:, 0] * (2 / np.sqrt(10) + 0.5))
    assert (w == [[1, -2], [3, 4]]).all()  # a copy


def test_the_orthogonal_penalty_trains_the_reference_only():
    stack = [Input(3), Dense(3, kernel_regularizer=regularizers.OrthogonalRegularizer(1.0))]
    model = fastnn.Sequential(stack, rng=0, engine="reference")
    model.compile(optimizers.SGD(0.1), "mse")
    penalty = stack[1].kernel_regularizer
    before = penalty(model.get_weights()[0])
    model.fit(np.zeros((4, 3)), np.zeros((4, 3)), epochs=50)
    assert penalty(model.get_weights()[0]) < 0.5 * before
    with pytest.raises(TypeError, match='engine="reference"'):
        fastnn.Sequential([Input(3), Dense(3, kernel_regularizer=regularizers.OrthogonalRegularizer(1.0))])
    w = np.random.default_rng(0).normal(size=(4, 5))
    for mode in ("rows", "columns"):
        own = regularizers.OrthogonalRegularizer(0.3, mode)
        for place in ((0, 0), (2, 3)):
            step = np.zeros_like(w)
            step[place] = 1e-6
            slope = (own(w + step) - own(w - step)) / 2e-6
            assert own.gradient(w)[place] == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "random_normal", "orthogonal", "variance_scaling"])
def test_initializers_are_called_and_take_seeds(name):
    make = getattr(initializers, name)
    w = make(seed=3)(shape=(4, 5))
    assert w.shape == (4, 5) and w.dtype == np.float32
    assert (w == make(seed=3)((4, 5))).all() and (w != make(seed=4)((4, 5))).any()
    assert make(seed=3)((4, 5), dtype="float64").dtype == np.float64 == make(seed=3)((4, 5), "float64").dtype
    assert (make()((4, 5)) != make()((4, 5))).any()
    seeds = SeedGenerator(1)
    assert (make(seed=seeds)((4, 5)) != make(seed=seeds)((4, 5))).any()
    one, other = (Dense(3, kernel_initializer=make(seed=7)) for _ in range(2))
    kernels = [fastnn.Sequential([Input(2), layer], rng=i).get_weights()[0] for i, layer in enumerate((one, other))]
    assert (kernels[0] == kernels[1]).all()  # whatever the model's seed
    for seed, error in ((-1, ValueError), (0.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="seed must be"):
            make(seed=seed)


@pytest.mark.parametrize(
    ("settings", "deviation"),
    [
        ((2.0, "fan_in", "truncated_normal"), np.sqrt(2 / 400)),
        ((1.0, "fan_out", "untruncated_normal"), np.sqrt(1 / 100)),
        ((3.0, "fan_avg", "uniform"), np.sqrt(3 / 250)),
    ],
)
def test_variance_scaling(settings, deviation):
    w = initializers.VarianceScaling(*settings, seed=1)((400, 100))
    assert w.std() == pytest.approx(deviation, rel=0.02) and abs(w.mean()) < 0.01 * deviation * 5
    assert np.abs(w).max() <= {"uniform": np.sqrt(3), "truncated_normal": 2.3}.get(settings[2], 9) * deviation


def test_other_initializers():
    assert (initializers.ones()((2, 3)) == 1).all() and (initializers.get("identity")((2, 2)) == np.eye(2)).all()
    with pytest.raises(ValueError, match="identity needs a matrix, got shape"):
        initializers.Identity()((2, 2, 2))
    for settings in ({"mode": "fan"}, {"distribution": "gauss"}):
        with pytest.raises(ValueError, match="VarianceScaling: unknown"):
            initializers.VarianceScaling(**settings)


def test_one_seed_for_everything():
    def run():
        set_random_seed(7)
        model = fastnn.Sequential([Input(2), Dense(4, "tanh"), Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.random.rand(40, 2), np.arange(40.0), epochs=2)
        return model.get_weights()

    first, again = run(), run()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (fastnn.Sequential([Input(2), Dense(4)]).get_weights()[0] != first[0]).any()


@pytest.mark.parametrize("module", [activations, losses, optimizers, regularizers, constraints, initializers])
def test_get_and_serialize(module):
    names = module.NAMES
    for name, entry in names.table.items():
        one = module.get(name)
        assert isinstance(one, entry) and module.get(entry) == entry() and module.get(one) is one
        config = module.serialize(one)
        assert config["class_name"] == entry.__name__ and module.deserialize(config) == one == module.get(config)
        assert entry.from_config(one.get_config()) == one
    with pytest.raises(ValueError, match=f"unknown {names.kind} 'nothing'"):
        module.get("nothing")
    with pytest.raises(ValueError, match="expected a dict with 'class_name'"):
        module.deserialize({"name": "relu"})
    assert module.get(None) is None or module is activations


def test_schedules_are_serialized():
    one = optimizers.schedules.CosineDecay(0.1, 10, alpha=0.2)
    config = optimizers.schedules.serialize(one)
    assert config["class_name"] == "CosineDecay" and optimizers.schedules.deserialize(config) == one


@pytest.mark.parametrize("layer", [Dense(3), fastnn.layers.Flatten(), fastnn.layers.ReLU(), fastnn.layers.Softmax()])
@pytest.mark.parametrize("given", [Input(4), Dense(2)])
def test_functional_graphs_are_refused(layer, given):
    with pytest.raises(TypeError, match=r"was called with a layer, .*no functional graphs: list the layers"):
        layer(given)
