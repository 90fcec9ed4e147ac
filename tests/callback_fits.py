"""A small model and data for the tests of callbacks, and callbacks that put values into the logs."""

import numpy as np

import fastnn
from fastnn.callbacks import Callback
from fastnn.layers import Dense, Input

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
VALIDATION = (RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2)))


def make(optimizer="adam", seed=0, metrics=()):
    model = fastnn.Sequential([Input(3), Dense(5, "tanh"), Dense(2)], rng=seed, dtype="float64")
    model.compile(optimizer, "mse", list(metrics))
    return model


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Values(Callback):
    """Puts given values into the logs, so that tests decide what others see."""

    adds = ("value",)

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["value"] = float(self.values[epoch])


def interrupt(epoch, logs):
    if epoch == 2:
        raise KeyboardInterrupt


class Add(Callback):
    """Puts what it is given into the logs, without saying so before."""

    def __init__(self, **values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self.values)
