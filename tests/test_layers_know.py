"""Models built late, layers that know their weights and can be frozen, single batches: beside Keras' numbers."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import fastnn
from fastnn import losses, metrics, optimizers, regularizers
from fastnn.callbacks import EarlyStopping
from fastnn.errors import DivergenceError, NotBuiltError
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
from fastnn.models import clone_model

ENGINES = ("compiled", "reference")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))


def equal(one, other):
    return len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


def numbers(*shape, start=0):
    """The same as in the program that asked Keras."""
    return (np.sin(np.arange(start, start + np.prod(shape)) * 1.7) * 0.8).reshape(shape)


def make(engine="compiled", frozen=(), dtype="float64"):
    layers = [Dense(4, "tanh", name="a", kernel_regularizer="l2"), BatchNormalization(name="n"), Dense(2, name="b")]
    model = fastnn.Sequential([Input((3,)), *layers], dtype=dtype, engine=engine, rng=0)
    weights = [numbers(*w.shape, start=7 * i) for i, w in enumerate(model.get_weights())]
    weights[5] = np.abs(weights[5]) + 0.5
    model.set_weights(weights)
    for name in frozen:
        model.get_layer(name).trainable = False
    return model


# -- built when the shape of a sample is known -------------------------------------------------------------------------

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


# -- layers know their weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_layers(engine):
    model = make(engine)
    whole, dense, norm = model.get_weights(), model.get_layer("a"), model.get_layer(index=1)
    assert equal(dense.get_weights(), whole[:2]) and equal(norm.get_weights(), whole[2:6])
    assert (dense.kernel.numpy() == whole[0]).all() and (np.asarray(dense.bias) == whole[1]).all()
    names = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "kernel", "bias"]
    assert [variable.name for variable in model.weights] == names
    assert [variable.path for variable in model.weights][:3] == ["a/kernel", "a/bias", "n/gamma"]
    assert [w.shape for w in model.weights] == [w.shape for w in whole]
    assert [w.name for w in model.non_trainable_weights] == ["moving_mean", "moving_variance"]
    assert len(model.trainable_weights) == len(model.trainable_variables) == 6 and len(norm.trainable_weights) == 2
    assert (norm.input_shape, norm.output_shape, norm.count_params(), norm.built) == ((None, 4), (None, 4), 16, True)
    assert dense.compute_output_shape((None, 7)) == (None, 4) and model.compute_output_shape((5, 3)) == (5, 2)
    dense.kernel.assign(np.ones((3, 4)))
    dense.bias.assign_add([1, 2, 3, 4])
    dense.bias.assign_sub(1)
    norm.set_weights([np.full(4, float(i)) for i in range(1, 5)])
    now = model.get_weights()
    assert (now[0] == 1).all() and now[1] == pytest.approx(whole[1] + np.arange(4)) and now[5].tolist() == [4] * 4
    assert equal(now[6:], whole[6:])
    assert (dense.kernel * 2 + dense.kernel[0]).sum() == 36 and len(dense.bias) == 4 and dense.kernel.ndim == 2
    assert np.abs(-dense.kernel).max() == 1 and (dense.kernel @ np.ones(4)).tolist() == [4, 4, 4]


def test_bad_weights_of_layers():
    layer = make().layers[0]
    before = layer.get_weights()
    for bad, error, message in (
        ([np.ones((3, 4))], ValueError, "expected 2 arrays"),
        ([np.ones((4, 3)), np.ones(4)], ValueError, r"kernel of layer 'a' has shape \(4, 3\), expected \(3, 4\)"),
        ([np.full((3, 4), np.nan), np.ones(4)], ValueError, "not finite"),
        ([np.full((3, 4), "x"), np.ones(4)], TypeError, "must hold real numbers"),
        (5, TypeError, "expected a list of arrays"),
    ):
        with pytest.raises(error, match=message):
            layer.set_weights(bad)
    with pytest.raises(ValueError, match="shape"):
        layer.kernel.assign(np.ones(3))
    with pytest.raises(NotBuiltError):
        Dense(3).set_weights([])
    assert equal(layer.get_weights(), before)


def test_a_layer_without_bias_says_so():
    model = fastnn.Sequential([Input(3), Dense(2, use_bias=False)])
    assert model.layers[0].bias is None and model.layers[0].kernel.shape == (3, 2)


def test_weights_of_layers_outside_of_models():
    layer = make().layers[0]
    alone = copy.deepcopy(layer)
    assert equal(alone.get_weights(), layer.get_weights()) and alone.built and alone.kernel.shape == (3, 4)
    alone.set_weights([np.zeros((3, 4)), np.ones(4)])
    assert not equal(alone.get_weights(), layer.get_weights())
    assert equal(fastnn.Sequential([alone], dtype="float64").get_weights(), [np.zeros((3, 4)), np.ones(4)])


def test_get_layer():
    model = make()
    assert model.get_layer("n") is model.layers[1] is model.get_layer(index=1) and model.get_layer(index=-1).name == "b"
    for arguments in ({}, {"name": "a", "index": 0}):
        with pytest.raises(ValueError, match="needs a name or an index"):
            model.get_layer(**arguments)
    with pytest.raises(ValueError, match="unknown layer 'c'"):
        model.get_layer("c")
    with pytest.raises(ValueError, match="index 3 is too large, the model has 3 layers"):
        model.get_layer(index=3)


# -- frozen layers -----------------------------------------------------------------------------------------------------

STEPS = {  # Keras 3.15, float64: (loss, mae) of three train_on_batch, and sums of all weights after them
    (): (
        [[1.50250414, 1.0456055601], [0.930792784, 0.8009311457], [0.5839539329, 0.5945303837]],
        [*[-0.0260914739, -0.2488718379, -0.2857319979, -0.1833161985, 0.0254690945], 3.6874370575],
        [0.4178188625, 0.557985762],
    ),
    ("n",): (
        [[0.7201446579, 0.665996626], [0.6186885535, 0.6152409315], [0.5207900811, 0.573761642]],
        [*[-0.0391828605, -0.1918714342, -0.255283496, -0.1424357738, 0.0313544343], 3.7887479382],
        [0.4196412848, 0.3860866133],
    ),
    ("a", "n"): (
        [[0.6849348731, 0.665996626], [0.6145988777, 0.6264889985], [0.5426717351, 0.5983565152]],
        [*[-0.0556771517, -0.2589057729, -0.255283496, -0.1424357738, 0.0313544343], 3.7887479382],
        [0.4303589316, 0.3805009553],
    ),
    ("a",): (
        [[1.4672943552, 1.0456055601], [0.9955167671, 0.8552176058], [0.6726096521, 0.6708331207]],
        [*[-0.0556771517, -0.2589057729, -0.2906749017, -0.1833695446, 0.0253853202], 3.6868838072],
        [0.4421341836, 0.5581058107],
    ),
    ("b",): (
        [[1.50250414, 1.0456055601], [1.1134005341, 0.8897931178], [0.7670312301, 0.7102756401]],
        [*[-0.0272025346, -0.2510750609, -0.3125153234, -0.208945522, 0.0254619122], 3.6874556541],
        [0.4884309644, 0.6582259454],
    ),
    ("a", "n", "b"): (
        [[0.6849348731, 0.665996626]] * 3,
        [*[-0.0556771517, -0.2589057729, -0.255283496, -0.1424357738, 0.0313544343], 3.7887479382],
        [0.4884309644, 0.6582259454],
    ),
}


@pytest.mark.parametrize("frozen", STEPS, ids="".join)
@pytest.mark.parametrize("engine", ENGINES)
def test_steps_with_frozen_layers_are_those_of_keras(engine, frozen):
    """Momentum, decay, penalty and moving statistics of frozen layers stand still; normalizations use the latter."""
    expected, *sums = STEPS[frozen]
    x, y = numbers(6, 3, start=3), numbers(6, 2, start=50)
    model = make(engine, frozen)
    model.compile(optimizers.SGD(0.1, momentum=0.5, weight_decay=0.01), "mse", metrics=["mae"])
    before = {layer.name: layer.get_weights() for layer in model.layers}
    for pair in expected:
        assert model.train_on_batch(x, y) == pytest.approx(pair, rel=1e-6)
    assert [float(w.sum()) for w in model.get_weights()] == pytest.approx([*sums[0], *sums[1]], abs=1e-6)
    for layer in model.layers:
        assert equal(layer.get_weights(), before[layer.name]) == (layer.name in frozen)
    other = make(engine, frozen)
    other.compile(optimizers.SGD(0.1, momentum=0.5, weight_decay=0.01), "mse")
    other.fit(x, y, epochs=3, batch_size=6, shuffle=False)
    assert equal(other.get_weights(), model.get_weights())


@pytest.mark.parametrize(
    "optimizer", [optimizers.AdamW(0.1, 0.1), optimizers.Adam(0.1, use_ema=True, global_clipnorm=0.1)]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_frozen_layers_stand_still_whatever_the_optimizer(engine, optimizer):
    model = make(engine, ("n",))
    model.get_layer("b").trainable = False
    model.compile(optimizer, "mse")
    before = model.get_weights()
    model.fit(X, Y, epochs=3)
    now = model.get_weights()
    assert equal(now[2:], before[2:]) and not equal(now[:2], before[:2])


def test_below_the_lowest_trained_layer_nothing_is_computed():
    model = fastnn.Sequential([Input(3), *(Dense(4, "tanh") for _ in range(4)), Dense(2)], rng=0)
    for layer in model.layers[:3]:
        layer.trainable = False
    model.compile("sgd", "mse")
    assert model.program.lowest == 3 and [op.trainable for op in model.program.steps] == [False] * 3 + [True] * 2


def test_trainable_is_obeyed_at_compile():
    """As Keras says; meanwhile a fit warns."""
    model = make()
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="'trainable' of 'a' was changed after compile"):
        model.fit(X, Y)
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y)
        assert equal(model.layers[0].get_weights(), before)
        model.layers[0].activation = "relu"  # another program: still frozen
        model.fit(X, Y)
    assert equal(model.layers[0].get_weights(), before)
    model.fit_best_of(2, X, Y)
    assert equal(model.layers[0].get_weights(), before)


def test_trainable_of_models_copies_and_files(tmp_path):
    model = make(frozen=("a",))
    model.trainable = False
    assert not any(layer.trainable for layer in model.layers) and model.trainable_weights == []
    model.trainable = True
    assert len(model.trainable_weights) == 6
    model.layers[0].trainable = False
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), clone_model(model)):
        assert [layer.trainable for layer in other.layers] == [False, True, True]
    assert repr(model.layers[0]).endswith("trainable=False)") and "trainable" not in repr(model.layers[1])
    assert not Dense(2, trainable=False).trainable and not fastnn.Sequential([Dense(2)], False).layers[0].trainable
    for one in (model, model.layers[0]):
        with pytest.raises(TypeError, match="trainable must be True or False, got 'no'"):
            one.trainable = "no"
    pytest.importorskip("safetensors")
    model.save(tmp_path / "m.fastnn")
    assert [layer.trainable for layer in fastnn.load(tmp_path / "m.fastnn").layers] == [False, True, True]


# -- summary -----------------------------------------------------------------------------------------------------------

UNBUILT = """Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)                   │ ?                      │   0 (unbuilt) │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ batch_normalization             │ ?                      │   0 (unbuilt) │
│ (BatchNormalization)            │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ ?                      │   0 (unbuilt) │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 0 (0.00 B)
 Trainable params: 0 (0.00 B)
 Non-trainable params: 0 (0.00 B)"""

TRAINED = """Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━┓
┃ Layer (type)                ┃ Output Shape          ┃    Param # ┃ Trai… ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━┩
│ dense (Dense)               │ (None, 4)             │         16 │   Y   │
├─────────────────────────────┼───────────────────────┼────────────┼───────┤
│ batch_normalization         │ (None, 4)             │         16 │   Y   │
│ (BatchNormalization)        │                       │            │       │
├─────────────────────────────┼───────────────────────┼────────────┼───────┤
│ dense_1 (Dense)             │ (None, 1)             │          5 │   Y   │
└─────────────────────────────┴───────────────────────┴────────────┴───────┘
 Total params: 97 (388.00 B)
 Trainable params: 29 (116.00 B)
 Non-trainable params: 8 (32.00 B)
 Optimizer params: 60 (240.00 B)"""


def test_summary_is_that_of_keras_to_the_character(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = fastnn.Sequential([Dense(4, "relu"), BatchNormalization(), Dense(1)])
    model.compile("adam", "mse")
    model.summary()
    assert capsys.readouterr().out.rstrip("\n") == UNBUILT
    model.fit(X, X[:, 0])
    model.summary(show_trainable=True)
    assert capsys.readouterr().out.rstrip("\n") == TRAINED
    model.layers[0].trainable = False
    lines = []
    model.summary(60, print_fn=lines.append, layer_range=["dense", "dense"])
    assert " Trainable params: 13" in lines[0] and " Non-trainable params: 24" in lines[0] and "dense_1" not in lines[0]
    assert {len(line) for line in lines[0].splitlines() if line[0] in "┏┃┡│├└"} == {60}


# -- one batch at a time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_loss_weights_and_sample_weights_of_batches(engine):
    """Values of Keras 3.15."""
    x, y = numbers(6, 3, start=3), numbers(6, 2, start=50)
    weights = [1, 2, 0, 1, 3, 0.5]
    model = make(engine)
    model.compile(optimizers.SGD(0.1), "mse", loss_weights=[0.25])
    assert model.train_on_batch(x, y, sample_weight=weights) == pytest.approx(0.43595315130617096, rel=1e-6)
    assert model.test_on_batch(x, y) == pytest.approx(0.20284775422143506, rel=1e-6)
    assert model.evaluate(x, y, sample_weight=weights) == pytest.approx(0.22787989531211625, rel=1e-6)
    for given in ({"b": 0.25}, 0.25, (0.25,)):
        model.compile("sgd", "mse", loss_weights=given)
        assert model.evaluate(x, y, sample_weight=weights) == pytest.approx(0.22787989531211625, rel=1e-6)


LEAN = {  # loss, last activation, outputs, targets
    "mse": ("mse", "linear", 1, lambda n: RNG.normal(size=(n, 1))),
    "one axis": ("mse", "linear", 1, lambda n: RNG.normal(size=n)),
    "several": ("mae", "linear", 3, lambda n: RNG.normal(size=(n, 3))),
    "binary": ("binary_crossentropy", "sigmoid", 1, lambda n: RNG.integers(0, 2, n)),
    "labels": ("sparse_categorical_crossentropy", "softmax", 4, lambda n: RNG.integers(0, 4, n)),
    "float labels": ("sparse_categorical_crossentropy", "softmax", 4, lambda n: RNG.integers(0, 4, (n, 1)) * 1.0),
    "one-hot": ("categorical_crossentropy", "softmax", 4, lambda n: np.eye(4)[RNG.integers(0, 4, n)]),
    "hinge": ("hinge", "tanh", 2, lambda n: RNG.choice([-1.0, 1.0], (n, 2))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LEAN)
def test_the_lean_way_is_the_long_one(case, dtype):
    """The same bits from the shortest way, from the long one, and from fit."""
    loss, activation, outputs, targets = LEAN[case]

    def made():
        layers = [Input(5), Dense(7, "tanh"), Dropout(0.3), Dense(outputs, activation, kernel_regularizer="l2")]
        model = fastnn.Sequential(layers, rng=0, dtype=dtype)
        model.compile(optimizers.Adam(0.01, clipnorm=1.0), loss)
        return model

    lean, long, fitted = made(), made(), made()
    for n, kind in ((1, "f4"), (1, "f8"), (16, dtype), (17, "i8"), (5, "u1"), (1, "i4")):
        x, y = (RNG.normal(size=(n, 5)) * 3).astype(kind), targets(n)
        one, two = lean.train_on_batch(x, y), long.train_on_batch(x, y, sample_weight=np.ones(n))
        assert one == pytest.approx(two, rel=1e-6)
        assert lean._batches.lean(np.full((1, 5), np.nan), y[:1]) is None
        fitted.fit(x, y, batch_size=n, shuffle=False)
        assert equal(lean.get_weights(), fitted.get_weights()) and lean.iterations == fitted.iterations
    assert lean._lean is not None and lean._lean.__self__.first == 1  # the first batch went the long way


def test_the_lean_way_follows_changes():
    model = fastnn.Sequential([Input(1), Dense(1, kernel_initializer="zeros")], dtype="float64")
    model.compile(optimizers.SGD(0.5), "mse")
    x, y = np.ones((1, 1)), np.ones((1, 1))
    assert model.train_on_batch(x, y) == 1.0 and model.layers[0].kernel[0, 0] == 1.0
    model.set_weights([np.zeros((1, 1)), np.zeros(1)])
    model.optimizer.learning_rate = 0.25
    model.train_on_batch(x, y)
    assert model.layers[0].kernel[0, 0] == 0.5
    model.layers[0].activation = "relu"
    assert model._lean is None and model.train_on_batch(x, -y) == pytest.approx(4.0)
    model.compile(optimizers.SGD(lambda step: 0.25 / (step + 1)), "mse")  # a function of the user's: asked at each step
    model.set_weights([np.zeros((1, 1)), np.full(1, 0.5)])
    steps = [float(model.layers[0].bias[0])]
    for _ in range(2):
        model.train_on_batch(x, y)
        steps.append(float(model.layers[0].bias[0]))
    assert steps == [0.5, 0.75, 0.75]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.full((1, 3), np.nan), [[1.0, 0.0]], "X has the value nan in row 0"),
        (np.full((1, 3), np.inf), [[1.0, 0.0]], "X has the value inf in row 0"),
        (np.full((1, 3), 1e300), [[1.0, 0.0]], "X has the value 1e\\+300 in row 0"),
        (np.ones((1, 3)), [[np.nan, 0.0]], "y has the value nan"),
        (np.ones((1, 4)), [[1.0, 0.0]], r"X has shape \(1, 4\)"),
        (np.ones((2, 3)), [[1.0, 0.0]], "X has 2 rows but y has 1"),
        (np.ones((1, 3)), [[1.5, 0.0]], "y has targets from 0.0 to 1.5, expected 0 to 1"),
        (np.ones((0, 3)), np.ones((0, 2)), "is empty"),
        (np.ones((1, 3)), None, "y is missing"),
    ],
)
def test_bad_batches_change_nothing(x, y, message):
    model = fastnn.Sequential([Input(3), Dense(2, "sigmoid")], rng=0)
    model.compile("sgd", "binary_crossentropy")
    y = y if y is None else np.array(y)
    model.train_on_batch(np.ones((1, 3)), np.ones((1, 2)))
    before = model.get_weights()
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=message):
            call(x, y)
    assert equal(model.get_weights(), before) and model.iterations == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_that_diverges_changes_nothing(engine):
    model = fastnn.Sequential([Input(1), Dense(1, kernel_initializer="ones")], engine=engine)
    model.compile("sgd", "mse")
    with pytest.raises(DivergenceError, match=r"the loss of the batch is inf before step 1; no weight has changed"):
        model.train_on_batch(np.full((1, 1), 1e30), np.zeros((1, 1)))
    assert model.layers[0].kernel[0, 0] == 1 and model.iterations == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_metrics_of_batches(engine):
    model = fastnn.Sequential([Input(2), Dense(1, "sigmoid", kernel_initializer="ones")], engine=engine)
    model.compile(optimizers.SGD(0.0), "binary_crossentropy", metrics=["accuracy"])
    right, wrong = (np.array([[1.0, 1.0]]), np.array([1])), (np.array([[1.0, 1.0]]), np.array([0]))
    assert model.train_on_batch(*right)[1] == 1.0 and model.train_on_batch(*wrong)[1] == 0.0
    model.reset_metrics()
    assert [model.train_on_batch(*one, reset_metrics=False)[1] for one in (right, wrong, right)] == [1, 0.5, 2 / 3]
    assert model.test_on_batch(*right, reset_metrics=False, return_dict=True)["accuracy"] == 0.75
    model.reset_metrics()
    found = model.test_on_batch(*wrong, return_dict=True, reset_metrics=False)
    assert found == {"loss": pytest.approx(np.log1p(np.exp(2))), "accuracy": 0.0}
    assert model.train_on_batch(*right, class_weight={1: 3.0})[0] == pytest.approx(3 * np.log1p(np.exp(-2)), rel=1e-6)


def test_a_batch_during_a_fit_is_refused():
    class Meddle(fastnn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.train_on_batch(X[:1], Y[:1])

    model = fastnn.Sequential([Input(3), Dense(2)], rng=0)
    model.compile("sgd", "mse")
    model.train_on_batch(X[:1], Y[:1])
    with pytest.raises(RuntimeError, match="is being trained"):
        model.fit(X, Y, callbacks=[Meddle()])


def test_outputs_as_in_training():
    model = fastnn.Sequential([Input(3), Dense(50, "relu"), Dropout(0.5), Dense(2, "softmax")], rng=0)
    model.compile("sgd", "categorical_crossentropy")
    before = model.get_weights()
    draws = np.stack([model(X, training=True) for _ in range(50)])
    assert draws.std(axis=0).min() > 0 and draws.sum(axis=2) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(draws.mean(axis=0), model.predict(X), atol=0.1)
    assert (model(X, training=False) == model(X)).all() and equal(model.get_weights(), before) and model.iterations == 0


# -- what compile takes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [["mse"], ("mse", "mae"), {"out": "mse"}])
def test_several_losses_are_refused(loss):
    model = make()
    with pytest.raises(TypeError, match=r"one output layer, and so one loss; write loss='mse'"):
        model.compile("sgd", loss)


def test_arguments_of_compile():
    model = make()
    model.compile(
        optimizer="adam",
        loss="mse",
        metrics=[["mae", "MeanSquaredError"]],
        weighted_metrics=None,
        run_eagerly=True,
        steps_per_execution=4,
        jit_compile=False,
        auto_scale_loss=True,
    )
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "mae", "MeanSquaredError"}
    for bad in ([1, 2], {"a": 1, "b": 2}):
        with pytest.raises(ValueError, match="loss_weights must be one number"):
            model.compile("adam", "mse", loss_weights=bad)
    with pytest.raises(TypeError, match="loss_weights must be a number, got 'x'"):
        model.compile("adam", "mse", loss_weights="x")


@pytest.mark.parametrize("engine", ENGINES)
def test_weighted_metrics(engine):
    """Keras' value of the first step; a fit with weights of classes; without weights they are metrics like others."""
    x, y = numbers(6, 3, start=3), numbers(6, 2, start=50)
    model = make(engine)
    model.compile(optimizers.SGD(0.1), "mse", weighted_metrics=["mae"])
    assert model.train_on_batch(x, y, [1, 2, 0, 1, 3, 0.5])[1] == pytest.approx(0.9320015430450439, rel=1e-6)
    model = fastnn.Sequential([Input(3), Dense(1, "sigmoid")], rng=0, engine=engine, dtype="float64")
    model.compile(optimizers.SGD(0.0), "binary_crossentropy", ["accuracy"], weighted_metrics=["acc", "mae"])
    labels = (X[:, 0] > 0) * 1
    weights = np.where(labels == 1, 3.0, 1.0)
    outputs = model.predict(X)[:, 0]
    plain = float(np.mean((outputs > 0.5) == labels))
    right = float(np.average((outputs > 0.5) == labels, weights=weights))
    mae = float(np.average(np.abs(outputs - labels), weights=weights))
    assert model.evaluate(X, labels)[1:3] == [plain, plain]
    for arguments in ({"sample_weight": weights}, {"class_weight": {1: 3.0}}):
        for more in ({}, {"callbacks": [fastnn.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)]}):
            history = model.fit(X, labels, batch_size=7, epochs=3, **arguments, **more).history
            assert history["accuracy"] == [plain] * 3 and history["acc"] == pytest.approx([right] * 3)
            assert history["mae"] == pytest.approx([mae] * 3)
    found = model.evaluate(X, labels, sample_weight=weights)
    assert found[1:] == pytest.approx([plain, right, mae])
    assert model.evaluate([(X[:9], labels[:9], weights[:9]), (X[9:], labels[9:], weights[9:])])[1:] == found[1:]
    model.compile("sgd", "mse", weighted_metrics=["mae", fastnn.metrics.TruePositives()], loss_weights=4.0)
    assert model.evaluate(X, labels, sample_weight=weights)[1:] == pytest.approx(
        [mae, 3 * np.sum(outputs[labels == 1] > 0.5)]
    )
    assert model.evaluate(X, labels)[2] == np.sum(outputs[labels == 1] > 0.5)
    with pytest.raises(TypeError, match="an update of its own, which takes no weights"):
        model.compile("sgd", "mse", weighted_metrics=[lambda y, outputs: 0.0])


@pytest.mark.parametrize("name", ["acc", "accuracy", "Accuracy"])
@pytest.mark.parametrize("monitor", ["val_acc", "val_accuracy"])
def test_keys_are_what_was_typed_and_monitors_know_aliases(name, monitor):
    model = fastnn.Sequential([Dense(1, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy", metrics=[name])
    stop = EarlyStopping(monitor=monitor, patience=1)
    history = model.fit(X, X[:, 0] > 0, validation_split=0.5, epochs=4, callbacks=[stop])
    assert set(history.history) == {"loss", name, "val_loss", f"val_{name}"} and stop.sign == 1
    with pytest.raises(ValueError, match="unknown monitored value 'val_recall'"):
        model.fit(X, X[:, 0] > 0, validation_split=0.5, callbacks=[EarlyStopping("val_recall")])


@pytest.mark.parametrize("engine", ENGINES)
def test_accuracy_of_several_labels_in_a_row_is_that_of_keras(engine):
    """Several outputs: the largest of both rows must stand at one place, whatever the loss. Values of Keras 3.15."""
    model = fastnn.Sequential([Input(2), Dense(3, "sigmoid")], engine=engine, dtype="float64")
    model.set_weights([numbers(2, 3), numbers(3)])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy", "binary_accuracy"])
    y = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]])
    found = model.evaluate(numbers(4, 2, start=9), y)
    assert found == pytest.approx([0.6655157655477524, 0.5, 0.75], rel=1e-6)
    with pytest.raises(ValueError, match="needs targets of 0 or 1"):
        model.fit(X[:, :2], np.full((40, 3), 0.5))


# -- accepted shapes ---------------------------------------------------------------------------------------------------


def test_a_last_axis_of_one():
    for shape, given in (((1,), (40,)), ((8, 8), (40, 8, 8, 1)), ((8, 8, 1), (40, 8, 8)), ((5,), (40, 5, 1))):
        x = RNG.normal(size=given)
        model = fastnn.Sequential([Input(shape), Flatten(), Dense(2)], rng=0)
        expected = model.predict(x.reshape(40, *shape))
        assert (model.predict(x) == expected).all() and (model(x) == expected).all()
    model = fastnn.Sequential([Dense(3, "softmax")], rng=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    labels = RNG.integers(0, 3, 40)
    weights = RNG.uniform(size=40)
    flat = model.evaluate(X, labels, sample_weight=weights)
    assert model.evaluate(X, labels[:, None], sample_weight=weights[:, None]) == flat


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "poisson", "hinge"])
def test_one_column_of_targets_serves_several_outputs(loss, engine):
    model = fastnn.Sequential([Input(3), Dense(3, "softplus")], rng=0, engine=engine)
    model.compile("sgd", loss, ["mae"])
    y = np.sign(Y[:, :1]) if loss == "hinge" else np.abs(Y[:, :1])
    assert model.evaluate(X, y) == model.evaluate(X, np.repeat(y, 3, axis=1))
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"y has shape \(40, 2\)"):
        model.evaluate(X, Y)


@pytest.mark.parametrize("engine", ENGINES)
def test_models_without_weights(engine):
    x = RNG.normal(size=(7, 4, 3)).astype("float32")
    for layers, expected in (
        ([Flatten()], x.reshape(7, 12)),
        ([Activation("relu")], np.maximum(x, 0)),
        ([Dropout(0.5)], x),
        ([Activation("linear")], x),
        ([Activation("softmax")], np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)),
    ):
        model = fastnn.Sequential(layers, engine=engine)
        np.testing.assert_allclose(model.predict(x), expected, rtol=2e-6)
        assert model.output_shape == (None, *expected.shape[1:]) and model.count_params() == 0
        model.compile("adam", "mse")
        before = model.evaluate(x, expected)
        model.fit(x, expected, epochs=2)
        assert model.evaluate(x, expected) == before == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_dense_acts_on_the_last_axis(engine):
    model = fastnn.Sequential([Dense(4, "tanh"), Dropout(0.0), Dense(2)], rng=0, engine=engine, dtype="float64")
    x = RNG.normal(size=(6, 5, 3))
    W, b, V, c = fastnn.Sequential([Input((5, 3)), *clone_model(model).layers], rng=0, dtype="float64").get_weights()
    model.build((None, 5, 3))
    np.testing.assert_allclose(model.predict(x), np.tanh(x @ W + b) @ V + c, rtol=1e-12, atol=1e-14)
    model.compile("sgd", "mse")
    y = RNG.normal(size=(6, 5, 2))
    assert model.evaluate(x, y) == pytest.approx(((model.predict(x) - y) ** 2).mean())
    model.fit(x, y, epochs=2)
    assert model.train_on_batch(x, y) > 0


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_balanced_class_weights():
    labels = np.repeat([0, 1, 2], [30, 8, 2])
    factors = {0: 40 / 90, 1: 40 / 24, 2: 40 / 6}
    found = []
    for given in (factors, "balanced"):
        for y, loss in ((labels, "sparse_categorical_crossentropy"), (np.eye(3)[labels], "categorical_crossentropy")):
            model = fastnn.Sequential([Dense(3, "softmax")], rng=0)
            model.compile("sgd", loss)
            found.append(model.fit(X, y, class_weight=given, epochs=2).history["loss"])
    np.testing.assert_allclose(found[1:], [found[0]] * 3, rtol=1e-6)
    model = fastnn.Sequential([Dense(1)], rng=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="class_weight needs classes"):
        model.fit(X, Y[:, 0], class_weight="balanced")
    with pytest.raises(TypeError, match="a dict label -> factor or 'balanced', got 'balance'"):
        model.fit(X, Y[:, 0], class_weight="balance")


def test_clones():
    model = make(frozen=("a",))
    model.compile("adam", "mse")
    clone = clone_model(model, rng=4)
    assert clone.layer_names == model.layer_names and not clone.compiled and clone.dtype == model.dtype
    assert not (clone.get_weights()[0] == model.get_weights()[0]).all()
    assert equal(clone.get_weights(), clone_model(model, rng=4).get_weights())
    assert not clone_model(fastnn.Sequential([Dense(2)])).built
    wide = clone_model(model, Input(9), lambda layer: type(layer).from_config(layer.get_config() | {"trainable": True}))
    assert wide.input_shape == (None, 9) and all(layer.trainable for layer in wide.layers)
    with pytest.raises(TypeError, match="must return a new layer"):
        clone_model(model, clone_function=lambda layer: layer)
    with pytest.raises(TypeError, match="clone_model needs a Sequential"):
        clone_model("x")
    for entry in (regularizers.L1(0.1), metrics.Accuracy()):
        with pytest.raises(TypeError, match="input_tensors must be an Input"):
            clone_model(model, entry)


LAYERS = {
    "dense": (lambda: Dense(4, "tanh"), (3,)),
    "without bias": (lambda: Dense(4, use_bias=False), (5, 3)),
    "normalization": (lambda: BatchNormalization(), (3,)),
    "convolution": (lambda: Conv2D(2, 2, activation="relu"), (4, 4, 3)),
    "flatten": (lambda: Flatten(), (2, 3)),
    "dropout": (lambda: Dropout(0.5), (3,)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_can_be_called(case):
    """Outside of a model and inside of one, they answer what a model of this layer alone predicts."""
    make_layer, shape = LAYERS[case]
    x = RNG.normal(size=(6, *shape)).astype("float32")
    layer = make_layer()
    out = layer(x)
    assert layer.built and layer.input_shape == (None, *shape) and layer.output_shape == (None, *out.shape[1:])
    model = fastnn.Sequential([layer])
    np.testing.assert_allclose(model.predict(x), out, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(model.layers[0](x), out, rtol=1e-6)
    with pytest.raises(ValueError, match="is built for samples of"):
        layer(np.ones((2, 7)))
    with pytest.raises(ValueError, match="belongs to a model"):
        model.layers[0].build((None, *shape))
    fresh = make_layer()
    fresh.build((None, *shape))
    assert [w.shape for w in fresh.get_weights()] == [w.shape for w in layer.get_weights()]


def test_layers_called_as_in_training():
    x = np.ones((200, 50))
    out = Dropout(0.25)(x, training=True)
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.75)} and abs((out == 0).mean() - 0.25) < 0.02
    out = BatchNormalization()(RNG.normal(3, 2, size=(500, 2)), training=True)
    assert np.abs(out.mean(axis=0)).max() < 1e-4 and np.abs(out.std(axis=0) - 1).max() < 1e-3


def test_configs_of_models():
    model = make(frozen=("n",))
    other = fastnn.Sequential.from_config(model.get_config())
    assert repr(other) == repr(model) and not other.layers[1].trainable and other.name == model.name
    unbuilt = fastnn.Sequential.from_config(fastnn.Sequential([Dense(2), Dense(1)]).get_config())
    assert not unbuilt.built and len(unbuilt.layers) == 2

    class Mine(Dense):
        pass

    config = fastnn.Sequential([Mine(2)]).get_config()
    with pytest.raises(ValueError, match=r"unknown layer 'Mine'.*pass custom_objects"):
        fastnn.Sequential.from_config(config)
    assert type(fastnn.Sequential.from_config(config, {"Mine": Mine}).layers[0]) is Mine


def test_words_of_keras_that_do_little():
    from fastnn.layers import InputLayer

    assert fastnn.Sequential([InputLayer(input_shape=(4,)), Dense(2)]).input_shape == (None, 4)
    fastnn.backend.clear_session()
    fastnn.utils.clear_session()
    assert fastnn.backend.floatx() == fastnn.Sequential([Dense(1)]).dtype.name and fastnn.backend.epsilon() == 1e-7
    with pytest.raises(TypeError, match=r"a model within a model is a list of layers here: \*model.layers"):
        fastnn.Sequential([make()])


def test_normalizations_take_the_last_axis():
    for layer in (BatchNormalization, LayerNormalization, fastnn.layers.UnitNormalization):
        for axis in (-1, 2, [2]):
            assert fastnn.Sequential([Input((4, 3)), layer(axis=axis)]).output_shape == (None, 4, 3)
        with pytest.raises(ValueError, match="axis must be the last one, -1 or 2 for samples of shape"):
            fastnn.Sequential([Input((4, 3)), layer(axis=1)])
