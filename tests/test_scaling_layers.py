"""Rescaling and Normalization: fixed numbers in front of a network."""

import numpy as np
import pytest

import fastnn
from fastnn.layers import Dense, Flatten, Input, Normalization, Rescaling

X = np.random.default_rng(0).normal(3, 2, (40, 3)) * [1, 10, 100]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_numbers_are_those_of_the_formula(engine):
    model = fastnn.Sequential([Input(3), Rescaling(0.5, [1.0, 2.0, 3.0])], engine=engine)
    np.testing.assert_allclose(model.predict(X), 0.5 * X + [1, 2, 3], rtol=1e-6)
    layer = Normalization()
    layer.adapt(X)
    model = fastnn.Sequential([Input(3), layer], engine=engine)
    out = model.predict(X)
    np.testing.assert_allclose(out, (X - X.mean(axis=0)) / X.std(axis=0), rtol=1e-4, atol=1e-5)
    given = Normalization(mean=[1.0, 2.0, 3.0], variance=4.0)
    np.testing.assert_allclose(fastnn.Sequential([Input(3), given]).predict(X), (X - [1, 2, 3]) / 2, rtol=1e-5)
    images = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    model = fastnn.Sequential([Input((4, 4, 3)), Rescaling(1 / 255)], engine=engine)
    np.testing.assert_allclose(model.predict(images), images / 255, rtol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_leaves_them_alone(engine):
    layer = Normalization()
    layer.adapt(X)
    model = fastnn.Sequential([Input(3), layer, Dense(4, "tanh"), Dense(1)], rng=0, engine=engine)
    by_hand = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(1)], rng=0, engine=engine)
    by_hand.set_weights(model.get_weights()[4:])
    before = [values.copy() for values in model.get_weights()[:4]]
    normal = model.layers[0].get_weights()
    scaled = ((X - normal[2]) / np.sqrt(normal[3] + 1e-14)).astype(np.float32)
    for one, x in ((model, X), (by_hand, scaled)):
        one.compile("adam", "mse")
        one.fit(x, X[:, 0], epochs=3, shuffle=False)
    assert all((a == b).all() for a, b in zip(before, model.get_weights()[:4], strict=True))
    for a, b in zip(model.get_weights()[4:], by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert len(model.trainable_weights) == 4


def test_adapt_in_a_model_and_files(tmp_path):
    model = fastnn.Sequential([Input((2, 3)), Normalization(name="scale"), Flatten(), Dense(1)], rng=0)
    data = X[:38].reshape(19, 2, 3)
    model.get_layer("scale").adapt(data)
    np.testing.assert_allclose(model.get_layer("scale").get_weights()[2], data.mean(axis=(0, 1)), rtol=1e-5)
    model.save(tmp_path / "m.fastnn")
    np.testing.assert_array_equal(fastnn.load(tmp_path / "m.fastnn").predict(data), model.predict(data))


@pytest.mark.parametrize("built", [False, True])
def test_one_mean_of_all_numbers(built):
    """As Keras 3.15 does with axis=None."""
    layer, x = Normalization(axis=None), np.array([[1.0, 10.0], [3.0, 30.0]])
    if built:
        model = fastnn.Sequential([Input(2), layer], dtype="float64")
        model.layers[0].adapt(x)
    else:
        layer.adapt(x)
        model = fastnn.Sequential([Input(2), layer], dtype="float64")
    assert (model.layers[0].mean, model.layers[0].variance) == ([11.0], [131.5])
    np.testing.assert_allclose(model.predict(x[:1]), [[-0.87204146, -0.08720414]], rtol=1e-6)


def test_bad_settings():
    for make, message in (
        (lambda: Normalization(axis=0), "axis must be -1"),
        (lambda: Normalization(mean=1.0), "give both mean and variance"),
        (lambda: Normalization(mean=1.0, variance=-1.0), "variance must be 0 or more"),
        (lambda: Normalization().adapt([[np.nan]]), "finite numbers"),
        (lambda: Rescaling(np.inf), "scale must be finite"),
        (
            lambda: fastnn.Sequential([Input(3), Rescaling([1.0, 2.0])]),
            "scale has 2 numbers, but the data have",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()
