"""TensorBoard through the writers of other packages, of which a stand-in takes the place here; averaged weights."""

import sys
import types

import numpy as np
import pytest

import fastnn
from fastnn import callbacks
from fastnn.layers import Dense, Input


class Writer:
    """Notes what it is told."""

    made = []  # noqa: RUF012

    def __init__(self, folder):
        self.folder, self.scalars, self.histograms, self.open = folder, [], [], True
        self.made.append(self)

    def add_scalar(self, tag, value, step):
        assert self.open and isinstance(value, float)
        self.scalars.append((tag, step))

    def add_histogram(self, tag, values, step):
        self.histograms.append((tag, values.shape, step))

    def flush(self):
        pass

    def close(self):
        self.open = False


@pytest.fixture
def written(monkeypatch):
    Writer.made = []
    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    return Writer.made


def fit(*listed, optimizer="sgd", **options):
    model = fastnn.Sequential([Input(2), Dense(3, "tanh", name="first"), Dense(1)], rng=0)
    model.compile(optimizer, "mse", metrics=["mae"])
    x = np.random.default_rng(0).random((20, 2))
    return model.fit(x, x[:, 0], epochs=3, callbacks=list(listed), **options)


def test_curves_have_keras_names(written, tmp_path):
    fit(callbacks.TensorBoard(tmp_path, histogram_freq=2), validation_split=0.25)
    train, validation = sorted(written, key=lambda one: one.folder)
    assert (train.folder, validation.folder) == (str(tmp_path / "train"), str(tmp_path / "validation"))
    expected = {(tag, step) for tag in ("epoch_loss", "epoch_mae") for step in range(3)}
    assert set(train.scalars) == set(validation.scalars) == expected and not train.open and not validation.open
    assert ("first/0", (2, 3), 0) in train.histograms and {step for *_, step in train.histograms} == {0, 2}


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        fit(callbacks.TensorBoard())
    for settings in ({"write_images": True}, {"profile_batch": 2}, {"update_freq": "batch"}, {"embeddings_freq": 1}):
        with pytest.raises(ValueError, match=f"TensorBoard: {next(iter(settings))}"):
            callbacks.TensorBoard(**settings)


def test_averaged_weights_are_validated_anyway():
    optimizer = fastnn.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    both = [
        fit(*listed, optimizer=optimizer, validation_split=0.25).history
        for listed in ((), [callbacks.SwapEMAWeights()])
    ]
    assert both[0] == both[1]
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(callbacks.SwapEMAWeights())
    with pytest.raises(ValueError, match="swap_on_epoch=True is missing"):
        callbacks.SwapEMAWeights(True)


def test_the_folder_of_a_checkpoint_is_made(tmp_path):
    fit(callbacks.ModelCheckpoint(tmp_path / "new" / "folder" / "best.npz", save_weights_only=True))
    assert (tmp_path / "new" / "folder" / "best.npz").exists()
