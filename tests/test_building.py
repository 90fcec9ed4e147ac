"""Models that are built when they first see the shape of a sample, and taken apart again."""

import copy
import pickle

import numpy as np
import pytest
from model_cases import ENGINES, X, Y, equal

import fastnn
from fastnn import initializers, losses, optimizers
from fastnn.errors import NotBuiltError
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    LayerNormalization,
)

FIRST_CALLS = {
    "fit": lambda model: model.fit(X, Y, epochs=1, verbose=0),
    "fit of batches": lambda model: model.fit(((X, Y) for _ in range(1)), verbose=0),
    "fit of a list of batches": lambda model: model.fit([(X, Y)], verbose=0),
    "fit_best_of": lambda model: model.fit_best_of(1, X, Y, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y),
    "predict": lambda model: model.predict(X),
    "predict of batches": lambda model: model.predict(x for x in (X, X)),
    "call": lambda model: model(X),
    "call in training": lambda model: model(X, training=True),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
    "build": lambda model: model.build((None, 3)),
    "build with rows": lambda model: model.build((8, 3)),
    "build of a number": lambda model: model.build(3),
}


@pytest.mark.parametrize("call", FIRST_CALLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_call_builds(call, engine):
    """The same weights and results as with an Input."""
    late, early = (
        fastnn.Sequential(
            [*first, Dense(4, "tanh"), Dropout(0.3), BatchNormalization(), Dense(2)], rng=3, engine=engine
        )
        for first in ((), (Input(3),))
    )
    for model in (late, early):
        model.compile("adam", "mse", ["mae"])
    assert not late.built and not late.layers[0].built and early.built
    start = early.get_weights()
    FIRST_CALLS[call](late)
    assert late.built and late.input_shape == (None, 3) and late.output_shape == (None, 2)
    if call == "fit_best_of":
        return  # which draws anew
    FIRST_CALLS[call](early)
    assert equal(late.get_weights(), early.get_weights())
    assert equal(start, early.get_weights()) == (not call.startswith(("fit", "train")))
    assert (late.predict(X) == early.predict(X)).all()


@pytest.mark.parametrize(
    "first",
    [
        lambda: [Dense(4, input_shape=(3,))],
        lambda: [Dense(4, input_dim=3)],
        lambda: [Dense(4, input_shape=3)],
        lambda: [Input(shape=(3,)), Dense(4)],
        lambda: [Input(batch_shape=(None, 3)), Dense(4)],
        lambda: [Input((3,), 32, "float32"), Dense(4, input_shape=(7,))],
        lambda: [Dropout(0.5, input_shape=(3,)), Dense(4)],
        lambda: [BatchNormalization(input_shape=(3,)), Dense(4)],
        lambda: [Activation("relu", input_dim=3), Dense(4)],
        lambda: [Flatten(input_shape=(3, 1)), Dense(4)],
        lambda: [GaussianNoise(0.1, input_dim=3), Dense(4)],
        lambda: [LayerNormalization(input_dim=3), Dense(4)],
        lambda: [Conv2D(2, 2, input_shape=(3, 3, 1)), Flatten(), Dense(4)],
    ],
)
@pytest.mark.parametrize("way", ["list", "add"])
def test_the_first_layer_may_say_the_shape(first, way):
    model = fastnn.Sequential(first() if way == "list" else None, rng=0)
    for layer in first() if way == "add" else ():
        model.add(layer)
    assert model.built and model.input_shape[1] == 3 and model.output_shape == (None, 4)
    again = [type(layer).from_config(layer.get_config()) for layer in model.layers]
    assert repr(again) == repr(model.layers)


def test_errors_of_building():
    model = fastnn.Sequential([Dense(2), Dense(1)])
    for name in ("input_shape", "output_shape", "program", "arena"):
        with pytest.raises(NotBuiltError, match=r"not built.*begin with Input\(shape\)"):
            getattr(model, name)
    for name in ("input_shape", "output_shape", "kernel", "bias"):
        assert not hasattr(model.layers[0], name)
        with pytest.raises(NotBuiltError, match="before its model is built"):
            getattr(model.layers[0], name)
    assert model.weights == model.layers[0].weights == [] == model.layers[0].get_weights()
    with pytest.raises(AttributeError, match="Dropout has no attribute 'kernel'"):
        Dropout(0.5).kernel  # noqa: B018
    with pytest.raises(ValueError, match=r"shape with the rows first, such as \(None, 4\)"):
        model.build((4,))
    with pytest.raises(ValueError, match="build needs the shape"):
        model.build()
    model.build((None, 3))
    with pytest.raises(ValueError, match=r"takes samples of shape \(3,\), not of \(4,\)"):
        model.build((None, 4))
    with pytest.raises(ValueError, match="give input_shape or input_dim, not both"):
        Dense(2, input_shape=(2,), input_dim=2)
    with pytest.raises(TypeError, match="unknown argument 'input_shap'; did you mean 'input_shape'"):
        Dense(2, input_shap=(2,))
    with pytest.raises(ValueError, match="the model computes in 'float32'; give the dtype to the model"):
        fastnn.Sequential([Dense(2, dtype="float64")])
    with pytest.raises(TypeError, match=r"call the method that maps the shape .* shape_after"):
        type("Mine", (Dense,), {"output_shape": lambda self, shape: shape})


def test_a_failed_build_leaves_the_model_unbuilt():
    model = fastnn.Sequential([Dense(2, kernel_initializer=lambda shape, rng: np.full(shape, np.inf))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="starting weights"):
        model.fit(X, Y)
    assert not model.built and not model.layers[0].built
    sigmoid = fastnn.Sequential([Dense(1)])
    sigmoid.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match="needs probabilities"):
        sigmoid.fit(X, Y[:, 0] > 0)
    assert not sigmoid.built


def test_unbuilt_models_are_copied_and_compiled_before():
    model = fastnn.Sequential([Dense(4, "tanh"), Dense(2)], rng=1)
    model.compile(optimizers.Adam(0.1), "mse", ["mae"])
    assert model.optimizer.learning_rate == 0.1 and model.loss == losses.MeanSquaredError() and model.compiled
    others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    model.add(Dense(2))
    assert model.compiled and [metric.name for metric in model.metrics] == ["mae"]
    for one in others:
        assert not one.built
        one.fit(X, Y, epochs=2)
    assert equal(others[0].get_weights(), others[1].get_weights())


def test_pop():
    model = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(2)], rng=0)
    model.compile("adam", "mse")
    weights = model.get_weights()
    last = model.pop()
    assert equal(last.get_weights(), weights[2:]) and last.input_shape == (None, 4) and last.name == "dense_1"
    assert model.output_shape == (None, 4) and equal(model.get_weights(), weights[:2]) and not model.compiled
    with pytest.raises(fastnn.NotCompiledError):
        model.fit(X, Y)
    model.add(last)
    assert equal(model.get_weights(), weights) and model.layers[-1] is last
    for _ in range(2):
        model.pop()
    assert not model.built and model.layers == []
    with pytest.raises(ValueError, match="no layer to remove"):
        model.pop()
    model.add(Dense(1))
    assert model.built and model.count_params() == 4
    unbuilt = fastnn.Sequential([Dense(3), Dense(2)])
    assert unbuilt.pop().units == 2 and len(unbuilt.layers) == 1


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (4, 3), (3,), (3, 2), (1,)])
def test_initializers_that_return_another_shape(shape):
    """Fewer lines would have put the bias into the kernel, without a word."""

    class Own(initializers.Initializer):
        def values(self, given, rng):
            return np.ones(shape)

    with pytest.raises(ValueError, match=r"the starting weights of Dense.* expected \[\(3, 3\), \(3,\)\]"):
        fastnn.Sequential([Input(3), Dense(3, kernel_initializer=Own())])
