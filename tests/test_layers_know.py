"""Layers that know their weights, called by themselves, copied and described; the summary."""

import copy

import numpy as np
import pytest
from model_cases import ENGINES, RNG, X, Y, equal, make

import fastnn
from fastnn import metrics, regularizers
from fastnn.errors import NotBuiltError
from fastnn.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    LayerNormalization,
)
from fastnn.models import clone_model

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
    if layer.weights:
        with pytest.raises(ValueError, match="is built for samples of"):
            layer(np.ones((2, 4, 4, 7)))
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


@pytest.mark.parametrize("where", ["alone", "in a model", "frozen"])
def test_moving_statistics_follow_calls_in_training(where):
    """As in Keras; a frozen layer works with those it has."""
    x = RNG.normal(3, 2, size=(500, 2))
    layer = BatchNormalization(momentum=0.5, center=False, trainable=where != "frozen")
    layer(x)
    if where == "in a model":
        fastnn.Sequential([Input(2), layer, Dense(1)])
    before = [one.value for one in layer.weights]
    out = layer(x, training=True)
    gamma, mean, variance = (one.value for one in layer.weights)
    if where == "frozen":
        assert equal(before, [gamma, mean, variance]) and (out == layer(x)).all()
        return
    np.testing.assert_allclose(mean, x.mean(axis=0) / 2, rtol=1e-5)
    np.testing.assert_allclose(variance, 0.5 + x.var(axis=0) / 2, rtol=1e-5)
    assert (gamma == before[0]).all()


def test_layers_take_other_shapes_that_their_weights_fit():
    layer = Dense(3)
    flat = layer(np.ones((2, 4)))
    assert layer(np.ones((2, 5, 4))).shape == (2, 5, 3) and (layer(np.ones((2, 5, 4)))[0, 0] == flat[0]).all()
    assert Conv2D(2, 2, input_shape=(5, 5, 1))(np.ones((1, 7, 6, 1))).shape == (1, 6, 5, 2)
    with pytest.raises(ValueError, match="is built for samples of"):
        layer(np.ones((2, 5)))
    with pytest.raises(ValueError, match="is built for samples of"):
        layer(np.ones(4))


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


def test_normalizations_take_axes_of_rows_and_samples():
    for layer in (BatchNormalization, LayerNormalization, fastnn.layers.UnitNormalization):
        for axis in (-1, 2, [2]):
            assert fastnn.Sequential([Input((4, 3)), layer(axis=axis)]).output_shape == (None, 4, 3)
        for axis in (0, 3):
            with pytest.raises(
                ValueError, match=r"axis must be 1 to 2, or -1 for the last, of samples of shape .4, 3., whose"
            ):
                fastnn.Sequential([Input((4, 3)), layer(axis=axis)])


def test_weights_are_assigned_not_set():
    model = fastnn.Sequential([Input(2), Dense(3)])
    with pytest.raises(AttributeError, match=r"Dense: write layer\.kernel\.assign\(values\)"):
        model.layers[0].kernel = np.ones((2, 3))
    model.layers[0].kernel.assign(np.ones((2, 3)))
    assert model.get_weights()[0].sum() == 6
