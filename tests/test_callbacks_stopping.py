"""Callbacks that end a fit: EarlyStopping and TerminateOnNaN."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from callback_fits import VALIDATION, Add, Values, X, Y, interrupt, make, same

import fastnn
from fastnn import DivergenceError, optimizers
from fastnn.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
    TerminateOnNaN,
)
from fastnn.layers import BatchNormalization, Dense, Input

# -- EarlyStopping -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([5, 4, 3, 4, 4, 4, 4, 1], {"patience": 3}, 6, 2),
        ([5, 4, 3, 4, 4, 4, 4, 1], {"patience": 0}, 4, 2),
        ([1, 2, 3, 2, 2, 9], {"patience": 2, "mode": "max"}, 5, 2),
        ([5, 4.9, 4.8, 4.7, 1], {"patience": 2, "min_delta": 0.5}, 3, 0),
        ([5, 4, 3, 2, 1], {"patience": 2, "baseline": 1.0}, 2, 1),  # nobody passes it: so many epochs as patience says
        ([5, 4, 3, 2, 1], {"patience": 4, "baseline": 1.0}, 4, 3),
        ([5, 4, 4, 2, 1], {"patience": 4, "baseline": 3.0}, 5, 4),
        ([5, 6, 2, 2.5, 1.5, 2, 2, 2, 2], {"patience": 3, "baseline": 3.0}, 8, 4),  # passed: as without it
        ([5, 6, 4.5, 2, 1], {"patience": 3, "baseline": 3.0}, 3, 2),
        ([0, 5, 4, 5, 5, 5], {"patience": 2, "start_from_epoch": 1}, 5, 2),
        ([np.nan, 5, np.nan, np.nan, 1], {"patience": 2}, 4, 1),
        ([3, 2, 1], {"patience": 5}, 3, 2),
    ],
)
def test_early_stopping(values, options, epochs, best):
    kept = []
    model = make()
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stop = EarlyStopping("value", **{"mode": "min"} | options)
    history = model.fit(X, Y, epochs=len(values), callbacks=[Values(values), stop, keep])
    assert len(history.epoch) == epochs and stop.best_epoch == best and stop.best == values[best]
    assert stop.stopped_epoch == (epochs - 1 if epochs < len(values) else 0)
    assert same(model.get_weights(), kept[best])


def test_early_stopping_may_leave_the_last_weights():
    model, twin = make(), make()
    stop = EarlyStopping("value", patience=2, mode="min", restore_best_weights=False)
    model.fit(X, Y, epochs=9, callbacks=[Values(range(9)), stop])
    twin.fit(X, Y, epochs=3)
    assert same(model.get_weights(), twin.get_weights())


def test_early_stopping_restores_after_divergence_and_errors():
    for spoil, error in ((_too_fast, DivergenceError), (interrupt, KeyboardInterrupt)):
        model, twin = make("sgd"), make("sgd")
        stop = EarlyStopping("value", patience=9, mode="min")
        callback = LambdaCallback(on_epoch_begin=lambda epoch, logs, model=model, spoil=spoil: spoil(epoch, model))
        with pytest.raises(error):
            model.fit(X, Y, epochs=9, callbacks=[Values([2, 1, 2, 2]), stop, callback])
        twin.fit(X, Y, epochs=2)
        assert same(model.get_weights(), twin.get_weights())


def _too_fast(epoch, model):
    if epoch == 3:
        model.optimizer.learning_rate = 1e300


def test_early_stopping_with_batch_normalization_and_a_moving_average():
    model = fastnn.Sequential([Input(3), Dense(4), BatchNormalization(), Dense(2)], rng=0)
    model.compile(optimizers.Adam(0.05, use_ema=True), "mse")
    stop = EarlyStopping(patience=99)
    history = model.fit(X, Y, epochs=30, validation_data=VALIDATION, callbacks=[stop])
    assert model.evaluate(*VALIDATION) == pytest.approx(min(history.history["val_loss"]), rel=1e-6)


def test_early_stopping_is_used_again():
    stop = EarlyStopping("value", patience=1, mode="min")
    assert len(make().fit(X, Y, epochs=9, callbacks=[Values(range(9)), stop]).epoch) == 2
    assert len(make().fit(X, Y, epochs=9, callbacks=[Values([9, 8, 7, 8, 8, 8, 8, 8, 8]), stop]).epoch) == 4


def test_early_stopping_skips_epochs_without_validation():
    stop = EarlyStopping(patience=99)
    make().fit(X, Y, epochs=5, validation_data=VALIDATION, validation_freq=2, callbacks=[stop])
    assert stop.best_epoch in (1, 3)


INTERRUPTED = """
import signal, sys
import numpy as np, fastnn
from fastnn.callbacks import EarlyStopping
from fastnn.layers import Dense, Input
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
X, y = rng.random((4000, 50)), rng.random(4000)
model = fastnn.Sequential([Input(50), Dense(200, "relu"), Dense(1)], rng=0)
model.compile("adam", "mse")
print("ready", flush=True)
try:
    model.fit(X, y, epochs=10**6, validation_split=0.2, callbacks=[EarlyStopping(patience=10**6)])
except KeyboardInterrupt:
    pass
held = fastnn.training.run.Run(model, X, y, validation_split=0.2).validation
print(fastnn.training.evaluation.evaluate(model.network, [], held, 32)["loss"], min(model.history.history["val_loss"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process on Windows")
def test_the_best_weights_survive_ctrl_c():
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline().strip() == "ready"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.5)
        os.kill(child.pid, signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    now, best = map(float, out.split())
    assert now == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"patience": -1}, ValueError, "patience must be 0 or more"),
        ({"patience": 1.5}, TypeError, "patience must be a whole number"),
        ({"mode": "mix"}, ValueError, "unknown mode 'mix'; did you mean"),
        ({"min_delta": -1}, ValueError, "min_delta must be a finite number of 0"),
        ({"baseline": "a"}, TypeError, "baseline must be a number"),
        ({"start_from_epoch": -1}, ValueError, "start_from_epoch"),
    ],
)
def test_bad_early_stopping(options, error, match):
    with pytest.raises(error, match=match):
        EarlyStopping(**options)


# -- files, NaN, bars --------------------------------------------------------------------------------------------------


def test_terminate_on_nan():
    model = make("sgd")
    guard = TerminateOnNaN()
    spoil = LambdaCallback(on_epoch_begin=lambda epoch, logs: _too_fast(epoch, model))
    history = model.fit(X, Y, epochs=9, callbacks=[guard, spoil])
    assert history.epoch == [0, 1, 2] and model.stop_training and isinstance(guard.error, DivergenceError)
    twin = make("sgd")
    twin.fit(X, Y, epochs=3)
    assert same(model.get_weights(), twin.get_weights())


# -- what Keras calls too ----------------------------------------------------------------------------------------------


def test_early_stopping_restores_though_another_callback_is_interrupted_at_the_end():
    class Interrupted(Callback):
        def on_train_end(self, logs=None):
            raise KeyboardInterrupt

    model, kept = make(), []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stop = EarlyStopping("value", patience=9, mode="min")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=3, callbacks=[Values([2, 1, 3]), keep, Interrupted(), stop])
    assert same(model.get_weights(), kept[1])


# -- formats, logs of any kind, reuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, np.nan])
def test_early_stopping_looks_past_values_that_say_nothing(value):
    stop = EarlyStopping("value", patience=9, mode="min", baseline=4.0)
    adds = type("Adds", (Add,), {"adds": ("value",)})(value=value)
    then = LambdaCallback(on_epoch_begin=lambda epoch, logs: adds.values.update(value=9.0 - epoch) if epoch else None)
    assert len(make().fit(X, Y, epochs=4, callbacks=[adds, then, stop]).epoch) == 4
    assert stop.best_epoch == 3


def test_terminate_on_nan_may_raise():
    guard = TerminateOnNaN(raise_error=True)
    with pytest.raises(DivergenceError):
        make(optimizers.SGD(1e300)).fit(X, Y, callbacks=[guard])
    assert guard.error is None
    with pytest.raises(TypeError, match="raise_error must be True or False"):
        TerminateOnNaN("yes")
