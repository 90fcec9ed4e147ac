"""How an epoch is cut up (slices by the clock, threads, callbacks, batches) changes no bit of what is returned."""

import numpy as np
import pytest

import fastnn
from fastnn import catalogue, metrics
from fastnn.basics import backend
from fastnn.callbacks import Callback, EarlyStopping
from fastnn.layers import Dense, Input
from fastnn.training import evaluation, pace
from fastnn.training.run import Run

N = 301
RNG = np.random.default_rng(3)
X = RNG.normal(size=(N, 5)).astype(np.float32)
LOSSES = {  # loss, output activation, targets: between them every metric of the catalogue
    "binary_crossentropy": ("sigmoid", RNG.integers(0, 2, (N, 3)).astype(np.float32)),
    "sparse_categorical_crossentropy": ("softmax", RNG.integers(0, 3, N)),
    "mse": ("linear", RNG.normal(size=(N, 3)) * [1, 1e3, 1e-3] + [0, 1e4, 1]),
}


class Mean(metrics.Metric):
    """One of the user's own, whose sum depends on its grouping."""

    name = "mean"

    def reset(self):
        self.sum, self.n = np.float32(0), 0

    def update(self, y, outputs, classes):
        self.sum, self.n = self.sum + outputs.sum(dtype=np.float32) * np.float32(1.7), self.n + len(outputs)

    def result(self):
        return float(self.sum / self.n)


def allowed(loss, outputs):
    """All metrics that ``compile`` lets stand beside the loss."""
    found = [Mean()]
    for entry in metrics.ENTRIES:
        metric = entry(average="macro") if issubclass(entry, metrics.FBetaScore) else entry()
        if issubclass(entry, metrics.IoU.__base__) and entry is not metrics.BinaryIoU:
            metric = entry(num_classes=outputs)
        if loss == "mse" and not isinstance(metric, metrics.MeanSquaredError.__base__):
            continue  # real targets
        if loss.startswith("binary") and isinstance(metric, metrics.CategoricalAccuracy):
            continue  # several labels in a row
        try:
            metric.prepare(catalogue.resolve("loss", loss, fastnn.losses.Loss), outputs)
        except ValueError:
            continue
        found.append(metric)
    return found


def model(loss, engine="compiled"):
    out = fastnn.Sequential([Input(5), Dense(7, "tanh"), Dense(3, LOSSES[loss][0])], rng=0, engine=engine)
    out.compile("adam", loss, allowed(loss, 3))
    return out


def test_every_metric_is_here():
    assert {type(metric) for loss in LOSSES for metric in allowed(loss, 3)} == {*metrics.ENTRIES, Mean}


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks far shorter than the epoch, which end inside batches and slices."""
    monkeypatch.setattr(evaluation, "BLOCK", 3 * 37)
    monkeypatch.setattr(evaluation, "SUMMED", 17)


class Slices:
    """In the place of ``backend.Team``: slices of so many steps, on so many threads in turn."""

    looking = True

    def __init__(self, run, steps, threads):
        self.run, self.steps, self.threads, self.calls = run, steps, threads, 0

    def size(self):
        self.run.slice = self.steps[self.calls % len(self.steps)] * pace.LOOK
        self.calls += 1
        return self.threads[self.calls % len(self.threads)]

    def report(self, seconds):
        pass


class Listener(Callback):
    """Makes the engine return after each batch."""

    def on_train_batch_end(self, batch, logs=None):
        self.last = logs["loss"]

    def on_test_batch_end(self, batch, logs=None):
        self.test = logs["loss"]


def fitted(loss, monkeypatch, steps=(10**6,), threads=(1,), callbacks=(), engine="compiled"):
    made = Run.__init__

    def init(run, *args, **kwargs):
        made(run, *args, **kwargs)
        run.team = Slices(run, steps, threads)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "__init__", init)
        y, weights = LOSSES[loss][1], np.linspace(0.1, 2, N)
        return (
            model(loss, engine)
            .fit(X, y, batch_size=7, epochs=3, validation_split=0.4, sample_weight=weights, callbacks=list(callbacks))
            .history
        )


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("loss", LOSSES)
def test_slices_threads_and_callbacks_change_no_bit_of_a_history(loss, engine, monkeypatch, short_blocks):
    whole = fitted(loss, monkeypatch, engine=engine)
    assert all(np.isfinite(values).all() for values in whole.values())
    assert fitted(loss, monkeypatch, steps=(1, 5, 2, 11), threads=(1, 2, 3), engine=engine) == whole
    assert fitted(loss, monkeypatch, steps=(3,), engine=engine) == whole
    listener = Listener()
    assert fitted(loss, monkeypatch, callbacks=[listener], engine=engine) == whole
    assert listener.last == whole["loss"][-1] and listener.test == whole["val_loss"][-1]
    monkeypatch.setattr(pace, "RECORDED", 50)
    monkeypatch.setattr(pace, "RECORDED", 50)
    assert fitted(loss, monkeypatch, engine=engine) == whole


@pytest.mark.parametrize("loss", LOSSES)
def test_the_length_of_the_blocks_does_change_bits(loss, monkeypatch, short_blocks):
    """Otherwise the test above could not fail: its sums are of numbers whose grouping matters."""
    whole = fitted(loss, monkeypatch)
    monkeypatch.setattr(evaluation, "BLOCK", 3 * 10)
    monkeypatch.setattr(evaluation, "SUMMED", 3)
    assert fitted(loss, monkeypatch) != whole


@pytest.mark.parametrize("loss", LOSSES)
def test_batches_change_no_bit_of_an_evaluation(loss, monkeypatch, short_blocks):
    y, weights = LOSSES[loss][1], np.linspace(0.1, 2, N)
    one = model(loss)
    whole = one.evaluate(X, y, sample_weight=weights)
    for size in (1, 8, 100, 10**6):
        assert one.evaluate(X, y, batch_size=size, sample_weight=weights, callbacks=[Listener()]) == whole
        cuts = range(0, N, min(size, N))
        assert one.evaluate([(X[i : i + size], y[i : i + size], weights[i : i + size]) for i in cuts]) == whole
    monkeypatch.setattr(pace, "SLICE", 1e-9)
    before = backend.get_num_threads()
    try:
        for threads in (1, 3):
            backend.set_num_threads(threads)
            assert one.evaluate(X, np.asfortranarray(y), sample_weight=weights) == whole
    finally:
        backend.set_num_threads(before)


def test_early_stopping_on_mse_ends_in_the_same_epoch_whatever_the_slices(monkeypatch):
    def epochs(slice_seconds):
        monkeypatch.setattr(pace, "SLICE", slice_seconds)
        one = fastnn.Sequential([Input(5), Dense(1)], rng=0)
        one.compile(fastnn.optimizers.SGD(0.0), "mse", ["mse"])  # changes nothing: any change of the metric is rounding
        stop = EarlyStopping("mse", patience=3, min_delta=0)
        return one.fit(X, LOSSES["mse"][1][:, 1], epochs=20, shuffle=False, callbacks=[stop]).history

    first = epochs(0.05)
    assert all(epochs(seconds) == first for seconds in (1e-9, 1e-7, 1e-6, 1e-5))
    assert len(first["mse"]) == 4


def test_batches_of_different_types_keep_their_values():
    one = fastnn.Sequential([Input(5), Dense(1)], rng=0)
    one.compile("sgd", "mse", ["mse", "r2"])
    y = np.arange(N) % 100
    parts = [(X[:100], y[:100].astype(np.uint8)), (X[100:150], y[100:150] / 1.0), (X[150:], y[150:, None].astype("f2"))]
    assert one.evaluate(parts) == one.evaluate(X, y)
