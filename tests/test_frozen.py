"""Frozen layers, beside Keras' numbers."""

import copy
import pickle
import warnings

import pytest
from model_cases import ENGINES, X, Y, equal, make, numbers

import fastnn
from fastnn import optimizers
from fastnn.layers import (
    Dense,
    Input,
)
from fastnn.models import clone_model

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
