"""Normalizations with and without gamma and beta, along any axes, and PReLU: whole training on both engines."""

import numpy as np
import pytest

import fastnn
from fastnn import constraints, regularizers
from fastnn.layers import (
    BatchNormalization,
    Dense,
    Flatten,
    GroupNormalization,
    Input,
    LayerNormalization,
    PReLU,
    RMSNormalization,
    Softmax,
    UnitNormalization,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(37, 5, 3)), RNG.normal(size=(37, 2))
ENGINES = ("compiled", "reference")
L1L2 = regularizers.L1L2(0.02, 0.03)
STACKS = {
    "prelu": lambda: [PReLU("he_normal", L1L2, constraints.MaxNorm(0.4)), PReLU(shared_axes=[1, 2])],
    "prelu of channels": lambda: [PReLU("ones", shared_axes=2, alpha_constraint="non_neg")],
    "gamma only": lambda: [
        BatchNormalization(center=False, gamma_regularizer=L1L2),
        LayerNormalization(center=False, gamma_constraint=constraints.UnitNorm()),
    ],
    "beta only": lambda: [
        BatchNormalization(scale=False, beta_regularizer=L1L2, beta_constraint=constraints.MaxNorm(0.05)),
        LayerNormalization(scale=False, beta_initializer="he_normal"),
    ],
    "nothing trained": lambda: [
        BatchNormalization(center=False, scale=False),
        LayerNormalization([1, 2], center=False, scale=False),
    ],
    "axes": lambda: [BatchNormalization(1), LayerNormalization(1), UnitNormalization([1, 2]), Softmax(1)],
    "frozen": lambda: [
        BatchNormalization(1, scale=False, trainable=False),
        BatchNormalization(center=False, trainable=False, gamma_initializer="he_normal"),
        PReLU(trainable=False),
        RMSNormalization(trainable=False),
    ],
    "groups": lambda: [
        GroupNormalization(3, beta_regularizer=L1L2, gamma_regularizer="l2"),
        GroupNormalization(5, 1, center=False),
        RMSNormalization([1, 2]),
    ],
}
OPTIMIZERS = {
    "sgd": lambda: fastnn.optimizers.SGD(0.1, momentum=0.9),
    "decay": lambda: fastnn.optimizers.AdamW(0.05, weight_decay=0.1),
    "clipnorm": lambda: fastnn.optimizers.Adam(0.05, clipnorm=0.05),
    "global clipnorm and average": lambda: fastnn.optimizers.SGD(0.1, global_clipnorm=0.1, use_ema=True),
}


def trained(name, optimizer, engine, dtype="float64"):
    model = fastnn.Sequential([Input((5, 3)), *STACKS[name](), Flatten(), Dense(2)], rng=0, dtype=dtype, engine=engine)
    model.compile(OPTIMIZERS[optimizer](), "mse")
    history = model.fit(X, Y, batch_size=10, epochs=3, verbose=0)
    return model, history.history["loss"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", STACKS)
def test_engines_agree(name, optimizer):
    (model, losses), (twin, expected) = (trained(name, optimizer, engine) for engine in ENGINES)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    for one, two in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.predict(X), twin.predict(X), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.evaluate(X, Y), twin.evaluate(X, Y), rtol=1e-9)
    for call in ("jacobian", "gradient"):
        np.testing.assert_allclose(getattr(model, call)(X), getattr(twin, call)(X), rtol=1e-7, atol=1e-10)
    rows = model.predictor()(X.reshape(37, 5, 3))
    np.testing.assert_allclose(rows, model.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_are_those_that_are_wanted(engine):
    for center in (True, False):
        for scale in (True, False):
            layers = [BatchNormalization(center=center, scale=scale), LayerNormalization(center=center, scale=scale)]
            model = fastnn.Sequential([Input(4), *layers, Dense(1)], engine=engine)
            wanted = ["gamma"] * scale + ["beta"] * center
            assert [one.name for one in layers[0].weights] == [*wanted, "moving_mean", "moving_variance"]
            assert [one.name for one in layers[1].weights] == wanted
            assert [one.name for one in layers[0].trainable_weights] == wanted
            assert (layers[0].gamma is None) == (not scale) and (layers[1].beta is None) == (not center)
            own = [np.full(w.shape, 2.0 + i) for i, w in enumerate(model.get_weights())]
            model.set_weights(own)
            assert all((a == b).all() for a, b in zip(model.get_weights(), own, strict=True))
            out = model.predict(X[:, 0, :1].repeat(4, axis=1))
            assert out.shape == (37, 1) and np.isfinite(out).all()


def test_constraints_hold():
    model, _ = trained("prelu", "sgd", "compiled")
    assert np.linalg.norm(model.layers[0].alpha) <= 0.4 + 1e-9
    model, _ = trained("gamma only", "sgd", "compiled")
    assert abs(np.linalg.norm(model.layers[1].gamma) - 1) < 1e-9
    model, _ = trained("beta only", "sgd", "compiled")
    assert np.linalg.norm(model.layers[0].beta) <= 0.05 + 1e-9


def test_prelu_learns_its_slopes():
    x = np.linspace(-2, 2, 200)[:, None]
    y = np.where(x < 0, 0.3 * x, x)
    layer = PReLU()
    model = fastnn.Sequential([Input(1), layer])
    model.compile(fastnn.optimizers.SGD(0.2), "mse")
    model.fit(x, y, epochs=40, verbose=0)
    assert abs(layer.alpha[0] - 0.3) < 1e-4


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PReLU(shared_axes=[3]), ValueError, "PReLU: shared_axes: axis must be 1 to 2, or -1 for the last, of"),
        (lambda: PReLU(shared_axes=[0]), ValueError, "whose rows are axis 0"),
        (lambda: PReLU("glorot"), ValueError, "unknown initializer 'glorot'"),
        (lambda: LayerNormalization([1, 1]), ValueError, "axis must be"),
        (lambda: LayerNormalization(axis={"axis": 1}), TypeError, "axis must be a whole number"),
        (lambda: BatchNormalization(axis=[1, 2]), TypeError, "BatchNormalization: axis must be a whole number"),
        (lambda: GroupNormalization(2), ValueError, "groups=2 must divide the channels, got 3 in samples of"),
        (lambda: GroupNormalization(3, scale=False), ValueError, "beta without gamma is not there"),
        (lambda: Softmax(5), ValueError, "Softmax: axis must be 1 to 2"),
        (lambda: PReLU(alpha_constraint=constraints.MaxNorm(1, axis=0)), ValueError, "not compiled"),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        fastnn.Sequential([Input((5, 3)), make(), Flatten(), Dense(1)]).compile("sgd", "mse")
