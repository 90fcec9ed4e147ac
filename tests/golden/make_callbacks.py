"""Writes callbacks.npz for tests/test_callbacks_of_keras.py: what Keras' own callbacks do with given values.

Needs keras, on any backend, which the tests do not: python tests/golden/make_callbacks.py
"""

import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from callback_cases import EARLY_STOPPING, MODEL_CHECKPOINT, REDUCE_LR, SEQUENCES, STEPS, Model, drive


def early_stopping(values, options):
    """The finished epochs, and the callback's stopped_epoch, best_epoch and weights."""
    model = Model()
    callback = keras.callbacks.EarlyStopping("value", **options)
    epochs = drive(callback, model, values)
    return epochs, callback.stopped_epoch, callback.best_epoch, model.weights


def reduce_lr(values, options):
    """The rate after each epoch."""
    model, rates = Model(), []
    model.optimizer = keras.optimizers.SGD(1.0)
    callback = keras.callbacks.ReduceLROnPlateau("value", **options)
    drive(callback, model, values, lambda: rates.append(float(model.optimizer.learning_rate)))
    return rates


def model_checkpoint(values, options):
    """Where a file was written: after which steps of all epochs, the end of an epoch counted as one more."""
    model, written = Model(), []
    callback = keras.callbacks.ModelCheckpoint("w.weights.h5", "loss", save_weights_only=True, **options)
    callback._set_monitor_op()  # Keras does so after the first epoch, and fails where it compares values before
    model.save_weights = lambda path, **_: written.append(model.clock)
    drive(callback, model, values, steps=STEPS, name="loss")
    return np.isin(np.arange(len(values) * (STEPS + 1)), written)


def main():
    arrays = {}
    for name, function, grid in (
        ("early_stopping", early_stopping, EARLY_STOPPING),
        ("reduce_lr", reduce_lr, REDUCE_LR),
        ("model_checkpoint", model_checkpoint, MODEL_CHECKPOINT),
    ):
        results = np.array([[function(values, options) for values in SEQUENCES] for options in grid])
        arrays[name] = results.astype(np.float32 if name == "reduce_lr" else np.int8)
    np.savez_compressed(Path(__file__).with_name("callbacks.npz"), **arrays)


if __name__ == "__main__":
    main()
