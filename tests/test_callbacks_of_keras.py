"""Callbacks against Keras' own, for many sequences of values; its answers are in golden/callbacks.npz."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from callback_cases import EARLY_STOPPING, MODEL_CHECKPOINT, REDUCE_LR, SEQUENCES, STEPS, Model, drive

from fastnn.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from fastnn.optimizers import SGD


@pytest.fixture(scope="module")
def golden():
    return np.load(Path(__file__).parent / "golden" / "callbacks.npz")


def same(found, expected, grid):
    """Compares all results, and names the first that differs."""
    for options, row, wanted in zip(grid, found, expected, strict=True):
        for values, one, other in zip(SEQUENCES, row, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, err_msg=f"{options} {values.tolist()}")


def test_early_stopping(golden):
    """Without a baseline, of which Keras' documentation and code say different things."""
    found = []
    chosen = [options["baseline"] is None for options in EARLY_STOPPING]
    grid = [options for options in EARLY_STOPPING if options["baseline"] is None]
    for options, values in product(grid, SEQUENCES):
        model, callback = Model(), EarlyStopping("value", **options)
        epochs = drive(callback, model, values)
        found.append((epochs, callback.stopped_epoch, callback.best_epoch, model.weights))
    expected = golden["early_stopping"][chosen]
    assert len(np.unique(expected[..., 0])) > 8 and (expected[..., 1] > 0).any()
    same(np.reshape(found, expected.shape), expected, grid)


def test_reduce_lr_on_plateau(golden):
    found = []
    for options, values in product(REDUCE_LR, SEQUENCES):
        model, rates = Model(), []
        model.optimizer = SGD(1.0)
        note = lambda model=model, rates=rates: rates.append(model.optimizer.learning_rate)  # noqa: E731
        drive(ReduceLROnPlateau("value", **options), model, values, note)
        found.append(rates)
    expected = golden["reduce_lr"]
    same(np.reshape(found, expected.shape), expected, REDUCE_LR)


def test_model_checkpoint(golden, tmp_path):
    found = []
    for options, values in product(MODEL_CHECKPOINT, SEQUENCES):
        model, written = Model(), []
        model.save_weights = lambda path, model=model, written=written: written.append(model.clock)
        drive(
            ModelCheckpoint(tmp_path / "w", "loss", save_weights_only=True, **options),
            model,
            values,
            steps=STEPS,
            name="loss",
        )
        found.append(np.isin(np.arange(len(values) * (STEPS + 1)), written))
    expected = golden["model_checkpoint"]
    same(np.reshape(found, expected.shape), expected, MODEL_CHECKPOINT)
