"""A small model with Keras' numbers in it, and data, for the tests of models."""

import numpy as np

import fastnn
from fastnn.layers import (
    BatchNormalization,
    Dense,
    Input,
)

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
