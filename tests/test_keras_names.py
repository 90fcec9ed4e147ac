"""The modules that programs written for Keras import, by their names; the right values are Keras 3's."""

import numpy as np
import pytest

import fastnn as keras
from fastnn import layers, metrics, optimizers
from fastnn.layers import ELU, ActivityRegularization, Dense, Input, LeakyReLU, ReLU, Softmax
from fastnn.models import Sequential
from fastnn.optimizers import schedules
from fastnn.optimizers.schedules import CosineDecay, ExponentialDecay
from fastnn.preprocessing.image import ImageDataGenerator
from fastnn.utils import get_file, normalize, set_random_seed, to_categorical


def test_every_module_is_there():
    for name in (
        *[
            "activations",
            "callbacks",
            "constraints",
            "datasets",
            "initializers",
            "layers",
            "losses",
            "metrics",
            "models",
        ],
        *["optimizers", "preprocessing", "random", "regularizers", "utils"],
    ):
        assert name in dir(keras) or name == "models"
        assert getattr(keras, name).__name__ == f"fastnn.{name}"
    assert keras.optimizers.schedules is schedules and keras.Input is Input and keras.Sequential is Sequential
    assert keras.preprocessing.image.ImageDataGenerator is ImageDataGenerator


def test_other_names_of_layers(tmp_path):
    for long, short in (("MaxPooling", "MaxPool"), ("AveragePooling", "AvgPool"), ("Conv", "Convolution")):
        for where in ("", "Global") if "Pool" in long else ("",):
            for axes in ("1D", "2D"):
                assert getattr(layers, where + short + axes) is getattr(layers, where + long + axes)
    assert layers.Convolution2DTranspose is layers.Conv2DTranspose
    assert layers.SeparableConvolution2D is layers.SeparableConv2D
    model = Sequential([Input((6, 6, 1)), layers.Convolution2D(2, 3), layers.MaxPool2D(), layers.Flatten()], rng=0)
    model.save(tmp_path / "m.fastnn")
    assert "MaxPooling2D" in str(keras.load(tmp_path / "m.fastnn").get_config())


@pytest.mark.parametrize(
    "given", [LeakyReLU(0.5), ELU(0.5), ReLU(), ReLU(max_value=1.0), Softmax()], ids=lambda one: type(one).__name__
)
def test_layers_as_activations_of_layers(given):
    """Keras takes anything that can be called."""
    for make in (lambda: Dense(3, given), lambda: layers.Conv1D(3, 1, activation=given)):
        shape = (3,) if make().__class__ is Dense else (4, 3)
        one = Sequential([Input(shape), make()], rng=0)
        other = Sequential([Input(shape), type(make())(**make().get_config() | {"activation": None}), given], rng=0)
        other.set_weights(one.get_weights())
        x = np.random.default_rng(0).normal(size=(5, *shape))
        np.testing.assert_array_equal(one.predict(x), other.predict(x))
    assert layers.Activation(given).activation == given.function() == Dense(3, given).activation


def test_words_of_older_programs():
    for make in (LeakyReLU, layers.ReLU, keras.activations.LeakyReLU):
        with pytest.raises(TypeError, match="'alpha'; did you mean 'negative_slope'"):
            make(alpha=0.1)
    with pytest.raises(TypeError, match="'batch_input_shape'; did you mean 'input_shape'"):
        Dense(3, batch_input_shape=(None, 4))
    with pytest.raises(TypeError, match="'learning_rat'; did you mean 'learning_rate'"):
        optimizers.SGD(learning_rat=0.1)


STEPS = [0, 1, 5, 10, 11, 25]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ExponentialDecay(0.1, 10, 0.5), [0.1, 0.0933033, 0.0707107, 0.05, 0.0466516, 0.0176777]),
        (ExponentialDecay(0.1, 10, 0.5, staircase=True), [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]),
        (schedules.InverseTimeDecay(0.1, 10, 0.5), [0.1, 0.0952381, 0.08, 0.0666667, 0.0645161, 0.0444444]),
        (schedules.InverseTimeDecay(0.1, 10, 0.5, True), [0.1, 0.1, 0.1, 0.0666667, 0.0666667, 0.05]),
        (schedules.PolynomialDecay(0.1, 10, 0.01, 2.0), [0.1, 0.0829, 0.0325, 0.01, 0.01, 0.01]),
        (schedules.PolynomialDecay(0.1, 10, 0.01, cycle=True), [0.1, 0.091, 0.055, 0.01, 0.0505, 0.025]),
        (schedules.PiecewiseConstantDecay([5, 10], [0.1, 0.05, 0.01]), [0.1, 0.1, 0.1, 0.05, 0.01, 0.01]),
        (CosineDecay(0.1, 10, alpha=0.1), [0.1, 0.0977975, 0.055, 0.01, 0.01, 0.01]),
        (CosineDecay(0.01, 10, warmup_target=0.1, warmup_steps=5), [0.01, 0.028, 0.1, 0.05, 0.0345492, 0.0]),
        (schedules.CosineDecayRestarts(0.1, 10, 2.0, 0.5), [0.1, 0.0975528, 0.05, 0.05, 0.0496922, 0.0073223]),
    ],
    ids=lambda one: type(one).__name__,
)
def test_schedules(schedule, expected):
    np.testing.assert_allclose([schedule(step) for step in STEPS], expected, atol=5e-8)
    np.testing.assert_allclose(schedule(np.array(STEPS)), expected, atol=5e-8)
    assert type(schedule).from_config(schedule.get_config()) == schedule and schedule.settled
    model = Sequential([Input(1), Dense(1)], rng=0)
    model.compile(optimizers.SGD(schedule), "mse")
    model.fit(np.zeros((4, 1)), np.zeros(4), epochs=2, batch_size=2)
    assert model.optimizer.learning_rate == schedule


def test_bad_schedules():
    with pytest.raises(ValueError, match="decay_steps must be a finite number greater than 0"):
        ExponentialDecay(0.1, 0, 0.5)
    with pytest.raises(ValueError, match="CosineDecay: decay_steps must be a finite number greater than 0, got 0"):
        CosineDecay(0.1, 0)
    with pytest.raises(TypeError, match="PolynomialDecay: decay_steps must be a number, got 'x'"):
        schedules.PolynomialDecay(0.1, "x")
    with pytest.raises(ValueError, match="CosineDecayRestarts: first_decay_steps must be a finite number greater"):
        schedules.CosineDecayRestarts(0.1, -1)
    with pytest.raises(TypeError, match="ExponentialDecay needs a value for 'decay_rate'"):
        ExponentialDecay(0.1, 10)
    with pytest.raises(ValueError, match="needs one value more than boundaries"):
        schedules.PiecewiseConstantDecay([5, 10], [0.1])


def test_utils():
    np.testing.assert_array_equal(to_categorical([[1], [0]], 3), [[0, 1, 0], [1, 0, 0]])
    assert to_categorical(np.zeros((2, 3), dtype=int)).shape == (2, 3, 1)
    for bad, message in (([-1, 0], "labels must lie in"), ([3], "labels must lie in 0 .. 1"), ([0.5], "whole numbers")):
        with pytest.raises(ValueError, match=message):
            to_categorical(bad, 2)
    np.testing.assert_allclose(normalize([[3.0, 4.0], [1.0, 0.0]], axis=0, order=1), [[0.75, 1], [0.25, 0]])
    with pytest.raises(NotImplementedError, match="downloads nothing"):
        get_file("x", "y")
    with pytest.raises(TypeError, match="seed must be"):
        set_random_seed("one")


def test_random_numbers():
    seeds = keras.random.SeedGenerator(seed=5)
    a, b = keras.random.normal((1000,), 2.0, 0.5, seed=seeds), keras.random.normal((1000,), 2.0, 0.5, seed=seeds)
    assert (a != b).any() and abs(a.mean() - 2) < 0.1 and a.dtype == np.float32
    assert np.abs(keras.random.truncated_normal((1000,), seed=1)).max() <= 2
    assert set(keras.random.randint((100,), 2, 5, seed=1)) == {2, 3, 4}
    assert sorted(keras.random.shuffle(np.arange(9), seed=1)) == list(range(9))
    u = keras.random.uniform((100,), 1, 2, seed=1)
    assert ((u >= 1) & (u < 2)).all() and (u == keras.random.uniform((100,), 1, 2, seed=1)).all()


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (ReLU(), [0, 0, 0.5, 9]),
        (ReLU(6, 0.1, 0.2), [-0.32, -0.12, 0.5, 6]),
        (LeakyReLU(), [-0.9, -0.3, 0.5, 9]),
        (LeakyReLU(negative_slope=0.1), [-0.3, -0.1, 0.5, 9]),
        (ELU(0.5), [-0.4751065, -0.3160603, 0.5, 9]),
        (Softmax(), [6.14e-06, 4.54e-05, 2.0342e-04, 0.999745]),
        (ActivityRegularization(0.1), [-3, -1, 0.5, 9]),
    ],
    ids=lambda one: type(one).__name__,
)
def test_activations_as_layers(layer, expected):
    model = Sequential([Input(4), layer])
    np.testing.assert_allclose(model.predict(np.array([[-3, -1, 0.5, 9]]))[0], expected, rtol=2e-4, atol=1e-8)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_at_the_threshold_itself_a_unit_is_off(engine):
    model = Sequential([Input(3), ReLU(max_value=4, threshold=1.0)], engine=engine)
    np.testing.assert_array_equal(model.predict(np.array([[1.0, 1.0001, 9.0]]))[0], np.float32([0, 1.0001, 4]))


def test_activity_regularization_counts():
    x = np.array([[1.0, -2.0], [3.0, 0.5]])
    for stack in ([ActivityRegularization(0.1, 0.2)], [Dense(2, "relu", kernel_initializer="identity")]):
        model = Sequential([Input(2), *stack, *([ActivityRegularization(0.1, 0.2)] * (len(stack[0].get_config()) > 5))])
        model.compile("sgd", "mse")
        seen = model.predict(x)
        penalty = (0.1 * np.abs(seen).sum() + 0.2 * (seen**2).sum()) / 2
        assert model.evaluate(x, seen) == pytest.approx(penalty)


def test_generator_of_images():
    x = np.arange(2 * 5 * 4 * 3, dtype=float).reshape(2, 5, 4, 3)
    plain = ImageDataGenerator().flow(x, [0, 1], batch_size=1, shuffle=False)
    np.testing.assert_array_equal(plain[1][0], x[1:])
    np.testing.assert_array_equal(plain[1][1], [1])
    flipped = ImageDataGenerator(horizontal_flip=True, rescale=0.5).flow(np.repeat(x, 20, axis=0), seed=1)
    seen = {tuple(image.ravel()) for image in flipped[0]}
    assert seen <= {tuple(one.ravel() / 2) for image in x for one in (image, image[:, ::-1])} and len(seen) > 2
    np.random.seed(0)
    constant = np.full((3, 6, 6, 1), 7.0)
    for fill_mode in ("nearest", "reflect", "wrap"):
        turned = ImageDataGenerator(
            rotation_range=40, fill_mode=fill_mode, zoom_range=0.3, width_shift_range=2.0, shear_range=10
        )
        np.testing.assert_allclose(turned.flow(constant, seed=0)[0], constant, rtol=1e-5)
    hole = ImageDataGenerator(height_shift_range=0.5, fill_mode="constant", cval=-1.0).flow(constant, seed=3)[0]
    assert (hole == -1).any() and (hole == 7).any()
    learnt = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    with pytest.raises(ValueError, match="featurewise settings need"):
        learnt.flow(x)[0]
    learnt.fit(x)
    np.testing.assert_allclose(learnt.flow(x)[0].mean(axis=(0, 1, 2)), 0, atol=1e-5)
    split = ImageDataGenerator(validation_split=0.25)
    sizes = [split.flow(np.zeros((8, 2, 2, 1)), subset=one).n for one in ("training", "validation")]
    assert sizes == [6, 2]
    for settings, message in (({"fill_mode": "blur"}, "unknown fill_mode"), ({"zca_whitening": True}, "missing here")):
        with pytest.raises(ValueError, match=message):
            ImageDataGenerator(**settings)
    with pytest.raises(TypeError, match="featurewise_center must be True or False, got 40"):
        ImageDataGenerator(40)


def test_a_shift_of_whole_pixels_is_one():
    from fastnn.preprocessing.image import resampled

    x = np.random.default_rng(0).random((1, 6, 7, 2))
    eye = np.eye(2)[None]
    moved = resampled(x, eye, np.array([[1.0, 0.0]]), "constant", 0.0)
    np.testing.assert_allclose(moved[0, :-1], x[0, 1:])
    assert (moved[0, -1] == 0).all()
    np.testing.assert_allclose(resampled(x, eye, np.array([[1.0, -2.0]]), "wrap", 0)[0], np.roll(x[0], (-1, 2), (0, 1)))
    reflected = resampled(x, eye, np.array([[0.0, 3.0]]), "reflect", 0)[0]
    np.testing.assert_allclose(reflected, np.concatenate([x[0, :, 3:], x[0, :, :3:-1]], axis=1)[:, :7], atol=1e-12)
    turned = resampled(x[:, :, :6], np.array([[[0.0, -1.0], [1.0, 0.0]]]), np.zeros((1, 2)), "nearest", 0)[0]
    np.testing.assert_allclose(turned, np.rot90(x[0, :, :6], -1), atol=1e-12)


def test_fit_takes_the_generator():
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 6, 6, 1)), np.arange(50) % 2
    x[y == 1, :3] += 1
    model = Sequential([Input((6, 6, 1)), keras.layers.Flatten(), Dense(1, "sigmoid")], rng=0)
    model.compile(optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    flow = ImageDataGenerator(rotation_range=10, width_shift_range=0.1, horizontal_flip=True).flow(x, y, 16, seed=0)
    history = model.fit(flow, epochs=20, validation_data=(x, y))
    assert history.history["val_accuracy"][-1] > 0.9 and len(history.epoch) == 20
    assert len(model.fit(flow, epochs=2, steps_per_epoch=2).epoch) == 2


T, A = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])
W = [1.0, 0.0]


@pytest.mark.parametrize(
    ("metric", "plain", "weighted"),
    [
        (metrics.MeanSquaredError(), 0.5, 0.5),
        (metrics.MeanAbsoluteError(), 0.5, 0.5),
        (metrics.RootMeanSquaredError(), np.sqrt(0.5), np.sqrt(0.5)),
        (metrics.MeanAbsolutePercentageError(), 5e8, 5e8),
        (metrics.MeanSquaredLogarithmicError(), 0.24022651, 0.24022651),
        (metrics.LogCoshError(), 0.21689038, 0.21689038),
        (metrics.Poisson(), 0.75, 1.0),
        (metrics.Hinge(), 1.25, 1.0),
        (metrics.SquaredHinge(), 2.25, 2.0),
        (metrics.CategoricalHinge(), 1.5, 1.0),
        (metrics.BinaryAccuracy(), 0.5, 0.5),
        (metrics.BinaryCrossentropy(), 8.0590477, 8.0590477),
        (metrics.CosineSimilarity(), 0.35355339, 0.70710678),
        (metrics.Precision(), None, None),
    ],
    ids=lambda one: getattr(one, "name", None),
)
def test_metrics_as_objects(metric, plain, weighted):
    if plain is None:
        return
    assert metric(T, A) == pytest.approx(plain, rel=1e-5)
    metric.reset_state()
    assert metric(T, A, sample_weight=W) == pytest.approx(weighted, rel=1e-5)
    metric.update_state(T[1:], A[1:], sample_weight=[1.0])
    assert metric.result() == pytest.approx(plain, rel=1e-5)


def test_weights_of_counts_and_areas():
    y, p, w = [0, 1, 1, 1], [0.6, 0.4, 0.8, 0.9], [1.0, 2.0, 3.0, 4.0]
    assert metrics.Precision()(y, p, w) == pytest.approx(7 / 8) and metrics.Recall()(y, p, w) == pytest.approx(7 / 9)
    assert metrics.TruePositives()(y, p, w) == 7 and metrics.FalseNegatives(thresholds=0.7)(y, p, w) == 2
    np.testing.assert_allclose(metrics.Precision(thresholds=[0.5, 0.85])(y, p), [2 / 3, 1.0])
    assert metrics.Recall(class_id=1)([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.3]]) == 0.0
    assert metrics.Precision(top_k=1)([[0, 0, 1], [1, 0, 0]], [[0.1, 0.5, 0.4], [0.6, 0.2, 0.2]]) == 0.5
    same = [np.repeat(one, np.int64(w)) for one in (y, p)]
    assert metrics.AUC()(y, p, w) == pytest.approx(metrics.AUC()(*same)) == 7 / 9
    assert metrics.R2()(p, y, w) == pytest.approx(metrics.R2()(same[1], same[0]))
    assert metrics.F1(average="macro")(y, p, w) == pytest.approx(metrics.F1(average="macro")(*same))


def test_areas_of_several_labels_and_of_steps():
    y, p = np.array([[1, 1], [0, 0], [1, 0], [0, 1]]), np.array([[0.9, 0.2], [0.3, 0.4], [0.2, 0.6], [0.1, 0.7]])
    each = [metrics.AUC()(y[:, j], p[:, j]) for j in range(2)]
    assert metrics.AUC(multi_label=True)(y, p) == pytest.approx(np.mean(each)) and each == [0.75, 0.5]
    assert metrics.AUC(multi_label=True, label_weights=[3.0, 1.0])(y, p) == pytest.approx((3 * 0.75 + 0.5) / 4)
    assert metrics.AUC()(y, p) == pytest.approx(metrics.AUC()(y.ravel(), p.ravel()))
    assert metrics.AUC(from_logits=True)(y[:, 0], np.log(p[:, 0])) == 0.75
    areas = [metrics.AUC(num_thresholds=3, summation_method=one)(y[:, 0], p[:, 0]) for one in ("minoring", "majoring")]
    assert areas == [0.5, 1.0] and metrics.AUC(num_thresholds=3)(y[:, 0], p[:, 0]) == 0.75
    with pytest.raises(ValueError, match="summation_method must be"):
        metrics.AUC(summation_method="middle")


def test_means_of_numbers():
    mean, total = metrics.Mean(), metrics.Sum()
    for one in (mean, total):
        assert one.result() == 0
        one.update_state([[1.0, 2.0], [3.0, 4.0]], sample_weight=[1.0, 3.0])
    assert mean.result() == 3 and total.result() == 24
    distance = metrics.MeanMetricWrapper(lambda y_true, y_pred: np.abs(y_true - y_pred))
    assert distance([1.0, 2.0], [2.0, 5.0], [1.0, 3.0]) == 2.5
    with pytest.raises(TypeError, match="MeanMetricWrapper needs a function"):
        metrics.MeanMetricWrapper()
    model = Sequential([Input(2), Dense(1)])
    with pytest.raises(ValueError, match="is of numbers that are given by hand"):
        model.compile("sgd", "mse", metrics=[metrics.Mean()])


def test_best_values_at_a_limit():
    y, p = [0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]  # the values are Keras' ones
    assert metrics.SensitivityAtSpecificity(0.5)(y, p) == 0.5 and metrics.RecallAtPrecision(0.5)(y, p) == 1
    assert metrics.SpecificityAtSensitivity(0.5)(y, p) == pytest.approx(2 / 3)
    assert metrics.PrecisionAtRecall(0.5)(y, p) == 0.5 and metrics.PrecisionAtRecall(1.0)([1], [0.0]) == 0
    with pytest.raises(ValueError, match="PrecisionAtRecall: recall must lie in"):
        metrics.PrecisionAtRecall(1.5)


def test_adjusted_and_weighted_r2():
    y, p = [[1.0, 2.0], [2.0, 4.0], [3.0, 7.0], [5.0, 1.0]], [[1.5, 2.0], [2.0, 3.0], [2.0, 7.5], [5.0, 2.0]]
    values = metrics.R2Score(None)(y, p)
    assert metrics.R2Score()(y, p) == pytest.approx(values.mean())
    assert metrics.R2Score("variance_weighted_average")(y, p) == pytest.approx(np.average(values, weights=[8.75, 21]))
    assert metrics.R2Score(num_regressors=1)(y, p) == pytest.approx(1 - (1 - values.mean()) * 3 / 2)


def test_areas_as_in_keras():
    y, p = [0, 0, 1, 1], [0, 0.5, 0.3, 0.9]
    assert metrics.AUC(num_thresholds=3)(y, p) == pytest.approx(0.75)
    assert metrics.AUC(num_thresholds=3, curve="PR")(y, p) == pytest.approx(0.8206993937)
    assert metrics.AUC(num_thresholds=5, curve="PR")(y, p) == pytest.approx(0.8873265386)
    assert metrics.AUC(thresholds=[0.4, 0.7])(y, p) == pytest.approx(0.625)
    assert metrics.AUC(thresholds=[0.0, 0.5, 1.0])(y, p) == pytest.approx(0.75)
    rng = np.random.default_rng(0)
    y, p = rng.integers(2, size=400), rng.random(400)
    for curve in ("ROC", "PR"):
        assert metrics.AUC(curve=curve)(y, p) == pytest.approx(
            metrics.AUC(curve=curve, num_thresholds=5000)(y, p), abs=2e-3
        )
    with pytest.raises(ValueError, match="curve must be 'ROC' or 'PR'"):
        metrics.AUC(curve="DET")


def test_scores_of_classes():
    y, a = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]]), np.array([[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]])
    model = Sequential([Input(3), Dense(3, "sigmoid")], rng=0)
    model.compile("sgd", "binary_crossentropy", metrics=[metrics.F1Score(threshold=0.5), metrics.FBetaScore(beta=2.0)])
    for metric, expected in zip(model.metrics, ([0.5, 0.8, 2 / 3], [0.3846, 0.9091, 0.8333]), strict=True):
        np.testing.assert_allclose(metric(y, a), expected, atol=1e-4)


def test_the_score_has_keras_name_in_a_history():
    model = Sequential([Input(2), Dense(3, "softmax")], rng=0)
    model.compile("sgd", "categorical_crossentropy", metrics=[metrics.F1Score(average="macro")])
    assert "f1_score" in model.fit(np.eye(3)[:, :2], np.eye(3)).history
    assert isinstance(metrics.get("f1_score"), metrics.F1) and isinstance(metrics.get("F1Score"), metrics.F1Score)


def test_functions_of_metrics():
    np.testing.assert_allclose(metrics.mean_absolute_error(T, A), [0.5, 0.5])
    np.testing.assert_allclose(metrics.sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.3, 0.7]]), [1, 0])
    np.testing.assert_allclose(metrics.categorical_accuracy(T, np.add(A, [[0, 1], [0, 0]])), [1, 1])
    np.testing.assert_allclose(metrics.top_k_categorical_accuracy([1], [[0.5, 0.3, 0.2]], k=2), [1])
    assert metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]]) == 0.75
    assert metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]], [1, 1, 0, 0]) == 0.5
    model = Sequential([Input(2), Dense(2, "sigmoid")], rng=0)
    model.compile("sgd", "binary_crossentropy", metrics=[metrics.binary_accuracy, metrics.mean_squared_error])
    assert [metric.name for metric in model.metrics] == ["binary_accuracy", "mean_squared_error"]
    assert set(model.evaluate(A, T, return_dict=True)) == {"loss", "binary_accuracy", "mean_squared_error"}


def test_crossentropies_beside_the_loss():
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 4)), rng.integers(0, 3, 30)
    for settings in ({}, {"from_logits": True}):
        last = Dense(3) if settings else Dense(3, "softmax")
        model = Sequential([Input(4), last], rng=0)
        model.compile(
            "sgd", keras.losses.SparseCategoricalCrossentropy(**settings), ["sparse_categorical_crossentropy"]
        )
        loss, metric = model.evaluate(x, y)
        assert metric == pytest.approx(loss, rel=1e-5)


def test_mnist_by_keras_name(tmp_path):
    for part, n in (("train", 3), ("t10k", 2)):
        head = bytes([0, 0, 8])
        sizes = b"".join(size.to_bytes(4, "big") for size in (n, 28, 28))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + bytes([3]) + sizes + bytes(n * 784))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + bytes([1]) + n.to_bytes(4, "big") + bytes(n))
    (x, y), (x_test, y_test) = keras.datasets.mnist.load_data(tmp_path)
    assert x.shape == (3, 28, 28) and y.dtype == np.uint8 and x_test.shape == (2, 28, 28) and y_test.shape == (2,)
    assert keras.datasets.mnist(tmp_path)[0][0].shape == (3, 28, 28)


def test_other_data_sets_from_files(tmp_path, monkeypatch):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
        keras.datasets.cifar10.load_data()
    rows = np.arange(2 * 3073, dtype=np.int64).astype(np.uint8).reshape(2, 3073)
    (tmp_path / "cifar10").mkdir()
    for i in range(1, 6):
        (tmp_path / "cifar10" / f"data_batch_{i}.bin").write_bytes(rows.tobytes())
    (tmp_path / "cifar10" / "test_batch.bin").write_bytes(rows[:1].tobytes())
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    (x, y), (x_test, _) = keras.datasets.cifar10.load_data()
    assert (
        x.shape == (10, 32, 32, 3) and y.shape == (10, 1) and x_test.shape == (1, 32, 32, 3) and y[1, 0] == rows[1, 0]
    )
    np.testing.assert_array_equal(x[1, 2, 5], [rows[1, 1 + channel * 1024 + 2 * 32 + 5] for channel in range(3)])
    (tmp_path / "train.bin").write_bytes(bytes([3, 7]) + bytes(3072))
    (tmp_path / "test.bin").write_bytes(bytes([4, 9]) + bytes(3072))
    for mode, labels in (("fine", [7, 9]), ("coarse", [3, 4])):
        assert [part[1].item() for part in keras.datasets.cifar100.load_data(label_mode=mode)] == labels
    (tmp_path / "test.bin").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="hold 100 bytes, no rows of 3074"):
        keras.datasets.cifar100.load_data(tmp_path)
    with pytest.raises(FileNotFoundError, match="no fashion_mnist files"):
        keras.datasets.fashion_mnist.load_data()
