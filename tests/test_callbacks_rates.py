"""Callbacks that change learning rates."""

import numpy as np
import pytest
from callback_fits import Values, X, Y, make, same

import fastnn
from fastnn import optimizers
from fastnn.callbacks import (
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
)

# -- learning rates ----------------------------------------------------------------------------------------------------


def test_learning_rate_scheduler():
    seen = []
    model = make(optimizers.SGD(0.1))
    schedule = LearningRateScheduler(lambda epoch, rate: seen.append((epoch, rate)) or rate / 2)
    history = model.fit(X, Y, epochs=3, callbacks=[schedule]).history
    assert seen == [(0, 0.1), (1, 0.05), (2, 0.025)]
    assert history["learning_rate"] == [0.05, 0.025, 0.0125]
    twin = make(optimizers.SGD(0.1))
    for rate in history["learning_rate"]:
        twin.optimizer.learning_rate = rate
        twin.fit(X, Y)
    assert same(model.get_weights(), twin.get_weights())


def test_bad_schedules():
    with pytest.raises(TypeError, match="schedule must be a function"):
        LearningRateScheduler(0.1)
    for value, error in (("a", TypeError), (None, TypeError), (-1.0, ValueError), (np.nan, ValueError)):
        with pytest.raises(error, match="the rate that the schedule returned"):
            make().fit(X, Y, callbacks=[LearningRateScheduler(lambda epoch, rate, value=value: value)])
    model = make(optimizers.SGD(lambda step: 0.1 / (1 + step)))
    for callback in (LearningRateScheduler(lambda epoch, rate: rate), ReduceLROnPlateau("loss")):
        with pytest.raises(ValueError, match="which is a schedule"):
            model.fit(X, Y, callbacks=[callback])


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([3, 2, 2, 2, 2, 2], {"patience": 2}, [1, 1, 1, 1, 0.5, 0.5]),
        ([1, 1, 1, 1], {"patience": 1, "min_lr": 0.3}, [1, 1, 0.5, 0.3]),
        ([1, 1, 1, 1, 1, 1], {"patience": 1, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ([1, 2, 3, 3, 3], {"patience": 1, "mode": "max"}, [1, 1, 1, 1, 0.5]),
        ([3, 2.9, 2.8], {"patience": 1, "min_delta": 0.5}, [1, 1, 0.5]),
    ],
)
def test_reduce_on_plateau(values, options, rates):
    """rates: those used in each epoch, as a share of the first."""
    plateau = ReduceLROnPlateau("value", factor=0.5, **{"mode": "min"} | options)
    plateau.min_lr *= 1e-3
    model = make(optimizers.SGD(1e-3))
    history = model.fit(X, Y, epochs=len(values), callbacks=[Values(values), plateau]).history
    np.testing.assert_allclose(history["learning_rate"], 1e-3 * np.array(rates))


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"factor": 0}, {"cooldown": -1}, {"min_lr": -1}])
def test_bad_reduce_on_plateau(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ReduceLROnPlateau(**options)


# -- formats, logs of any kind, reuse ----------------------------------------------------------------------------------


def test_schedules_of_the_epoch_alone():
    halving = fastnn.schedules.Exponential(0.1, decay_steps=1, decay_rate=0.5)
    for schedule in (lambda epoch: 0.1 / 2**epoch, halving, lambda epoch, rate=None: 0.1 / 2**epoch):
        history = make().fit(X, Y, epochs=3, callbacks=[LearningRateScheduler(schedule)]).history
        np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.025])
    for bad in (lambda: 0.1, lambda a, b, c: 0.1):
        with pytest.raises(TypeError, match=r"schedule must be a function of \(epoch, rate\) or of \(epoch\)"):
            LearningRateScheduler(bad)


def test_the_rate_may_change_before_each_step():
    rates = [0.1, 0.01, 0.2, 0.0, 0.05]
    model, twin = make(optimizers.SGD(1.0)), make(optimizers.SGD(1.0))

    def change(batch, logs):
        model.optimizer.learning_rate = rates[batch]

    model.fit(X, Y, batch_size=10, shuffle=False, callbacks=[LambdaCallback(on_train_batch_begin=change)])
    for i, rate in enumerate(rates):
        twin.optimizer.learning_rate = rate
        twin.fit(X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10], batch_size=10, shuffle=False)
    assert same(model.get_weights(), twin.get_weights())
