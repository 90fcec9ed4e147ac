"""Callbacks: which methods are called when, and what each of the callbacks of the library does."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn import DivergenceError, callbacks, metrics, optimizers
from fastnn.basics import progress
from fastnn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgressBar,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from fastnn.layers import BatchNormalization, Dense, Input

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


class Note(Callback):
    """Every call, in order."""

    def __init__(self):
        self.calls = []


def _noted(hook):
    def method(self, *arguments):
        self.calls.append((hook, *arguments[:-1]) if len(arguments) > 1 else (hook,))
        assert isinstance(arguments[-1], dict)

    return method


HOOKS = [f"on_{what}_{when}" for what in ("train", "epoch", "train_batch", "test") for when in ("begin", "end")]
for hook in HOOKS:
    setattr(Note, hook, _noted(hook))


def batches():
    return [(X[i : i + 25], Y[i : i + 25]) for i in (0, 25)]


@pytest.mark.parametrize("source", ["arrays", "batches"])
def test_the_order_of_calls(source):
    note = Note()
    arguments = {"epochs": 2, "validation_data": VALIDATION, "callbacks": [note]}
    if source == "arrays":
        make().fit(X, Y, batch_size=25, **arguments)
    else:
        make().fit(batches(), **arguments)
    steps = [(f"on_train_batch_{when}", i) for i in (0, 1) for when in ("begin", "end")]
    epochs = [
        [("on_epoch_begin", i), *steps, ("on_test_begin",), ("on_test_end",), ("on_epoch_end", i)] for i in (0, 1)
    ]
    assert note.calls == [("on_train_begin",), *epochs[0], *epochs[1], ("on_train_end",)]


def test_evaluate_calls_callbacks_and_prints(capsys):
    class Listener(Callback):
        def __init__(self):
            self.seen = []

        def on_test_begin(self, logs=None):
            self.seen.append((self.params["metrics"], logs))

        def on_test_end(self, logs=None):
            self.seen.append(logs)

    model, listener = make(), Listener()
    results = model.evaluate(*VALIDATION, callbacks=[listener], return_dict=True)
    assert listener.seen == [(list(results), {}), results]
    assert capsys.readouterr().out == ""
    model.evaluate(*VALIDATION, verbose=1)
    assert capsys.readouterr().out == " - ".join(f"{k}: {v:.4f}" for k, v in results.items()) + "\n"
    with pytest.raises(TypeError, match="callbacks must be objects of"):
        model.evaluate(*VALIDATION, callbacks=[Listener])


def test_model_params_and_logs():
    seen = {}

    class Look(Callback):
        def on_train_begin(self, logs=None):
            seen["model"], seen["params"] = self.model, dict(self.params)

        def on_batch_end(self, batch, logs=None):
            seen.setdefault("losses", []).append(logs["loss"])

        def on_epoch_end(self, epoch, logs=None):
            seen["logs"] = dict(logs)

    model = make(metrics=["mae"])
    history = model.fit(X, Y, batch_size=10, epochs=1, verbose=0, validation_data=VALIDATION, callbacks=[Look()])
    assert seen["model"] is model
    names = ["loss", "mae", "val_loss", "val_mae"]
    assert seen["params"] == {"verbose": 0, "epochs": 1, "steps": 5, "samples": 50, "metrics": names}
    assert len(seen["losses"]) == 5 and seen["losses"][-1] == pytest.approx(history.history["loss"][0])
    assert list(seen["logs"]) == names
    assert seen["logs"] == {name: values[0] for name, values in history.history.items()}


def test_stop_training_from_an_epoch_and_from_a_batch():
    def stop(at):
        def function(number, logs):
            model.stop_training = number == at

        return function

    model = make()
    assert model.stop_training is False
    assert model.fit(X, Y, epochs=9, callbacks=LambdaCallback(on_epoch_end=stop(1))).epoch == [0, 1]
    assert model.stop_training
    for source in ((X, Y), ([(X[i : i + 10], Y[i : i + 10]) for i in range(0, 50, 10)],)):
        model = make()
        size = {"batch_size": 10} if len(source) > 1 else {}
        history = model.fit(*source, epochs=9, callbacks=[LambdaCallback(on_train_batch_end=stop(2))], **size)
        assert history.epoch == [0] and model.iterations == 3
    assert make().fit(X, Y, epochs=2).epoch == [0, 1]


@pytest.mark.parametrize("bad", [5, "stop", [EarlyStopping], [print], [None]])
def test_bad_callbacks(bad):
    with pytest.raises(TypeError, match="callbacks must be"):
        make().fit(X, Y, callbacks=bad)


def test_the_end_is_told_whatever_happens():
    class Fail(Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("mine")

    for error, extra, optimizer in (
        (RuntimeError, [Fail()], "adam"),
        (KeyboardInterrupt, [LambdaCallback(on_epoch_end=_interrupt)], "adam"),
        (DivergenceError, [], optimizers.SGD(1e300)),
    ):
        note = Note()
        with pytest.raises(error):
            make(optimizer).fit(X, Y, epochs=3, callbacks=[note, *extra])
        assert note.calls[-1] == ("on_train_end",)


def _interrupt(epoch, logs):
    if epoch == 2:
        raise KeyboardInterrupt


def test_history_is_small_and_pickles():
    model = make()
    history = model.fit(X, Y, epochs=2, callbacks=[EarlyStopping("loss")])
    assert isinstance(history, History) and not hasattr(history, "model")
    assert pickle.loads(pickle.dumps(history)).history == history.history
    json.dumps(history.history)


def test_callbacks_for_batches_alone_make_slices_of_one_step():
    calls = []
    model = make()
    original = model.network.run_steps
    model.network.run_steps = lambda *a: calls.append(a[5]) or original(*a)
    quiet = [EarlyStopping("loss", patience=9), LambdaCallback(on_epoch_end=lambda e, l: None), ProgressBar()]  # noqa: E741
    model.fit(X, Y, batch_size=5, callbacks=quiet)
    assert calls == [10]
    model.fit(X, Y, batch_size=5, callbacks=[LambdaCallback(on_batch_begin=lambda b, l: None)])  # noqa: E741
    assert calls == [10] + [1] * 10


# -- monitored names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make_one", [EarlyStopping, ReduceLROnPlateau, lambda name: ModelCheckpoint("x", name, 0, True)]
)
def test_unknown_monitors(make_one, tmp_path):
    model = make()
    before, history = model.get_weights(), model.history
    with pytest.raises(ValueError, match=r"unknown monitored value 'val_los'; did you mean 'val_loss'\?"):
        model.fit(X, Y, validation_data=VALIDATION, callbacks=[make_one("val_los")])
    with pytest.raises(ValueError, match=r"'val_loss'.*give fit validation_data or validation_split"):
        model.fit(X, Y, callbacks=[make_one("val_loss")])
    other = make(metrics=["mae"])
    with pytest.raises(ValueError, match=r"'val_mean_absolute_error'.*give fit validation_data or validation_split"):
        other.fit(X, Y, callbacks=[make_one("val_mean_absolute_error")])
    with pytest.raises(TypeError, match="monitor must be a name"):
        make_one(5)
    assert same(before, model.get_weights()) and model.history is history


@pytest.mark.parametrize(
    ("monitor", "metrics", "sign"),
    [("loss", [], -1), ("val_loss", [], -1), ("val_mae", ["mae"], -1), ("r2", ["r2"], 1), ("val_r2", ["r2"], 1)],
)
def test_auto_mode(monitor, metrics, sign):
    stop = EarlyStopping(monitor, patience=99)
    make(metrics=metrics).fit(X, Y, validation_data=VALIDATION, callbacks=[stop])
    assert stop.sign == sign


@pytest.mark.parametrize("metric", metrics.ENTRIES)
def test_every_metric_has_a_direction(metric):
    """By its class, whatever its name; losses go down, scores up."""
    stop = EarlyStopping("val_mine")
    stop.set_params({"metrics": ["val_mine"]})
    stop.set_model(SimpleNamespace(metrics=[metric(name="mine")]))
    stop.on_train_begin()
    down = metric.name in ("mse", "rmse", "mae", "log_loss", "false_positives", "false_negatives")
    down |= issubclass(metric, metrics.Poisson.__base__) and metric is not metrics.CosineSimilarity
    assert stop.sign == (-1 if down else 1)


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
    for spoil, error in ((_too_fast, DivergenceError), (_interrupt, KeyboardInterrupt)):
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


# -- ModelCheckpoint and weights in files ------------------------------------------------------------------------------


def test_checkpoints_of_each_epoch(tmp_path):
    path = tmp_path / "w-{epoch:02d}-{val_loss:.2f}"
    model = make()
    values = model.fit(X, Y, epochs=3, validation_data=VALIDATION, callbacks=[ModelCheckpoint(path)]).history[
        "val_loss"
    ]
    names = [f"w-{i + 1:02d}-{value:.2f}" for i, value in enumerate(values)]
    assert sorted(os.listdir(tmp_path)) == names
    other = make(seed=5)
    other.load_weights(tmp_path / names[-1])
    assert same(other.get_weights(), model.get_weights())
    assert other.evaluate(*VALIDATION) == values[-1]


def test_checkpoint_of_the_best(tmp_path):
    path = tmp_path / "best.npz"
    model = make()
    kept = []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    checkpoint = ModelCheckpoint(path, "value", save_best_only=True, mode="min")
    model.fit(X, Y, epochs=4, callbacks=[Values([3, 1, np.nan, 2]), keep, checkpoint])
    other = make(seed=5)
    other.load_weights(path)
    assert same(other.get_weights(), kept[1]) and checkpoint.best == 1


def test_checkpoint_each_so_many_steps(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{loss:.9f}", save_freq=3)
    make().fit(X, Y, batch_size=10, epochs=2, callbacks=[checkpoint])
    assert [name[0] for name in sorted(os.listdir(tmp_path))] == ["1", "2", "2"]


def test_bad_checkpoints(tmp_path):
    model = make()
    for path, error, match in (
        (tmp_path / "{val_los}", ValueError, "unknown name 'val_los'; did you mean 'val_loss'"),
    ):
        with pytest.raises(error, match=match):
            model.fit(X, Y, validation_data=VALIDATION, callbacks=[ModelCheckpoint(path)])
    model.compile(fastnn.optimizers.SGD(lambda step: 0.1), "mse")
    with pytest.raises(TypeError, match=r"learning_rate of SGD cannot be written.*save_weights_only=True"):
        model.fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "m")])
    model.fit(X, Y, callbacks=[ModelCheckpoint(tmp_path / "m", save_weights_only=True)])
    with pytest.raises(TypeError, match="save_freq"):
        ModelCheckpoint("x", save_freq="batch")


def test_checkpoints_of_whole_models(tmp_path):
    """Each file is the model of its epoch, which goes on from there; the oldest go."""
    checkpoint, model = ModelCheckpoint(tmp_path / "{epoch}.fastnn", keep=2), make()
    model.fit(X, Y, batch_size=10, epochs=4, callbacks=[checkpoint])
    assert sorted(os.listdir(tmp_path)) == ["3.fastnn", "4.fastnn"]
    assert checkpoint.files == [str(tmp_path / name) for name in ("3.fastnn", "4.fastnn")]
    other = fastnn.load(tmp_path / "3.fastnn")
    other.fit(X, Y, batch_size=10, epochs=4, initial_epoch=3)
    assert np.array_equal(other.arena, model.arena)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    model = make()
    model.save_weights(path)
    old = path.read_bytes()
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *a: (_ for _ in ()).throw(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                make(seed=3).save_weights(path)
        assert path.read_bytes() == old and os.listdir(tmp_path) == ["weights"]


def test_weights_files_and_other_models(tmp_path):
    path = tmp_path / "weights"
    make().save_weights(path)
    with np.load(path) as file:
        assert sorted(file.files) == ["dense/0", "dense/1", "dense_1/0", "dense_1/1"]
    wide = fastnn.Sequential([Input(3), Dense(6, "tanh"), Dense(2)], rng=0)
    named = fastnn.Sequential([Input(3), Dense(5, name="first"), Dense(2, name="second")], rng=0)
    for model, match in ((wide, r"\(3, 5\), expected \(3, 6\)"), (named, "another model.*first/0")):
        before = model.get_weights()
        with pytest.raises(ValueError, match=match):
            model.load_weights(path)
        assert same(before, model.get_weights())
    for content in (b"", b"nonsense", path.read_bytes()[:100]):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(ValueError, match="not a file of save_weights"):
            make().load_weights(tmp_path / "broken")
    with pytest.raises(FileNotFoundError):
        make().load_weights(tmp_path / "missing")


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


# -- files, NaN, bars --------------------------------------------------------------------------------------------------


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    sizes = []
    grow = LambdaCallback(on_epoch_end=lambda epoch, logs: sizes.append(path.stat().st_size))
    arguments = {"validation_data": VALIDATION, "validation_freq": 2}
    first = make().fit(X, Y, epochs=2, callbacks=[CSVLogger(path), grow], **arguments).history
    logger = CSVLogger(path, append=True)
    second = make().fit(X, Y, epochs=4, initial_epoch=2, callbacks=[logger], **arguments).history
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == first["loss"] + second["loss"]
    assert [row["val_loss"] for row in rows] == ["NA", str(first["val_loss"][0]), "NA", str(second["val_loss"][0])]
    assert sizes[0] < sizes[1]  # on the disk after each epoch
    make(metrics=["mae"]).fit(X, Y, initial_epoch=4, epochs=5, callbacks=[logger])
    with open(path, newline="") as file:
        reread = list(csv.DictReader(file))
    assert [row | {"mae": "NA"} for row in rows] == reread[:-1]  # what stood there, and a new column
    assert (reread[-1]["epoch"], reread[-1]["val_loss"]) == ("4", "NA") and float(reread[-1]["mae"]) > 0
    with pytest.raises(ValueError, match=r"has the columns.*expected 'epoch' as the first with the separator ';'"):
        make().fit(X, Y, callbacks=[CSVLogger(path, separator=";", append=True)])
    make().fit(X, Y, callbacks=[CSVLogger(path, separator=";")])
    assert path.read_text().splitlines()[0] == "epoch;loss" and len(path.read_text().splitlines()) == 2


def test_terminate_on_nan():
    model = make("sgd")
    guard = TerminateOnNaN()
    spoil = LambdaCallback(on_epoch_begin=lambda epoch, logs: _too_fast(epoch, model))
    history = model.fit(X, Y, epochs=9, callbacks=[guard, spoil])
    assert history.epoch == [0, 1, 2] and model.stop_training and isinstance(guard.error, DivergenceError)
    twin = make("sgd")
    twin.fit(X, Y, epochs=3)
    assert same(model.get_weights(), twin.get_weights())


def test_bad_lambda_callbacks():
    with pytest.raises(TypeError, match="unknown method 'on_epoch_ends'; did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function"):
        LambdaCallback(on_epoch_end=5)


def test_the_bar_is_quiet_outside_a_terminal(capsys):
    make().fit(X, Y, epochs=2, callbacks=[ProgressBar()])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("source", ["arrays", "batches"])
def test_the_plain_bar_in_a_terminal(capsys, monkeypatch, source):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    data = (X, Y) if source == "arrays" else (batches(),)
    make().fit(*data, epochs=2, callbacks=[ProgressBar()])
    out = capsys.readouterr().out
    assert out.count("\n") == 2 and "Epoch 2/2" in out and "loss: " in out
    assert ("50/50" if source == "arrays" else "25 samples") in out


def test_the_bar_of_tqdm(monkeypatch):
    drawn = []

    class Tqdm:
        def __init__(self, **options):
            self.n = 0
            drawn.append(options)

        def update(self, n):
            self.n += n
            drawn.append(self.n)

        def set_postfix_str(self, text, refresh=True):
            drawn.append(text)

        def close(self):
            drawn.append("close")

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm", type(sys)("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", type(sys)("tqdm.auto"))
    sys.modules["tqdm.auto"].tqdm = Tqdm
    assert isinstance(progress.best_progress(1, 10), progress.TqdmProgress)
    make().fit(X, Y, verbose=0, callbacks=[ProgressBar()])
    assert drawn[0]["total"] == 50 and 50 in drawn and drawn[-1] == "close"


def test_all_names_are_there():
    assert {name for name in callbacks.__all__ if not isinstance(getattr(callbacks, name), type)} == set()


# -- what Keras calls too ----------------------------------------------------------------------------------------------


def test_batches_of_tests_and_predictions():
    calls = []
    names = [f"on_{what}_batch_{end}" for what in ("test", "predict") for end in ("begin", "end")]
    note = LambdaCallback(**{name: lambda batch, logs, name=name: calls.append((name, batch)) for name in names})
    model = make()
    plain = model.evaluate(X, Y)
    assert model.evaluate(X, Y, batch_size=20, callbacks=[note]) == pytest.approx(plain, rel=1e-12)
    assert [batch for name, batch in calls if name == "on_test_batch_end"] == [0, 1, 2]
    np.testing.assert_array_equal(model.predict(X, batch_size=20, callbacks=[note]), model.predict(X))
    assert [batch for name, batch in calls if name == "on_predict_batch_begin"] == [0, 1, 2]
    model.fit(X, Y, validation_data=VALIDATION, validation_batch_size=10, callbacks=[note])
    assert [batch for name, batch in calls if name == "on_test_batch_begin"] == [0, 1, 2, 0, 1]


def test_who_adds_to_the_logs_comes_first(tmp_path):
    path = tmp_path / "log.csv"
    schedule = LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    make().fit(X, Y, epochs=2, callbacks=[CSVLogger(path), schedule])
    with open(path, newline="") as file:
        assert [row["learning_rate"] for row in csv.DictReader(file)] == ["0.1", "0.05"]


def test_the_end_is_told_to_those_who_have_begun():
    ended = []

    class Refuses(Callback):
        def on_train_begin(self, logs=None):
            raise ValueError("the real reason")

        def on_train_end(self, logs=None):
            ended.append("refuses")
            raise AttributeError("never seen")

    class Late(Callback):
        def on_train_end(self, logs=None):
            ended.append("late")

    with pytest.raises(ValueError, match="the real reason"):
        make().fit(X, Y, callbacks=[Refuses(), Late()])
    assert ended == ["refuses"]


def test_an_error_at_the_end_is_raised_inside_a_handler_too():
    """An exception that the caller handles already is not the cause of this one."""

    class Fails(Callback):
        def on_train_end(self, logs=None):
            raise ValueError("at the end")

    try:
        raise KeyError("handled")
    except KeyError:
        with pytest.raises(ValueError, match="at the end"):
            make().fit(X, Y, callbacks=[Fails()])


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


def test_checkpoints_with_batches_and_a_threshold(tmp_path):
    make().fit(X, Y, batch_size=10, callbacks=[ModelCheckpoint(f"{tmp_path}/w{{epoch}}-{{batch}}", save_freq=2)])
    assert sorted(os.listdir(tmp_path)) == ["w1-2", "w1-4"]
    best = ModelCheckpoint(tmp_path / "best", "loss", save_best_only=True, initial_value_threshold=0.0)
    make().fit(X, Y, callbacks=[best])
    assert not (tmp_path / "best").exists()
    with pytest.raises(ValueError, match="only the running 'loss' is known, not 'val_loss'"):
        late = ModelCheckpoint(tmp_path / "late", save_best_only=True, save_freq=2)
        make().fit(X, Y, validation_data=VALIDATION, callbacks=[late])


# -- formats, logs of any kind, reuse ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options", "match"),
    [
        ("{epoch:02d", {}, "unmatched '{'"),
        ("{", {}, "Single '{'"),
        ("w}", {}, "Single '}'"),
        ("{}", {}, "positional"),
        ("{0:d}", {}, "positional"),
        ("{epoch:zz}", {}, "cannot be filled in"),
        ("{loss:d}", {}, "cannot be filled in"),
        ("{epoch.part}", {}, "no attribute 'part'"),
        ("{epoch[0]}", {}, "not subscriptable"),
        ("{batch}", {}, "'batch' is not known with save_freq='epoch'"),
        ("{val_loss:.2f}", {"save_freq": 3}, "'val_loss' is not known between steps"),
        ("{loss:{width}}", {"save_freq": 3}, "width"),
    ],
)
def test_paths_that_cannot_be_filled_in_are_refused_at_once(path, options, match):
    with pytest.raises(ValueError, match=match) as error:
        ModelCheckpoint(path, **options)
    assert repr(path) in str(error.value)


def test_paths_with_braces_folders_and_values_of_other_callbacks(tmp_path):
    path = f"{tmp_path}/{{{{a}}}}-{{epoch:03d}}/{{value:+.1f}}"
    make().fit(X, Y, epochs=2, callbacks=[Values([1.5, np.float32(-2)]), ModelCheckpoint(path)])
    assert sorted(os.listdir(tmp_path)) == ["{a}-001", "{a}-002"]
    assert [os.listdir(tmp_path / name) for name in sorted(os.listdir(tmp_path))] == [["+1.5"], ["-2.0"]]
    with pytest.raises(IsADirectoryError, match="is a folder; give the path of a file"):
        make().fit(X, Y, callbacks=[ModelCheckpoint(tmp_path)])
    adds = type("Adds", (Add,), {"adds": ("note",)})
    with pytest.raises(ValueError, match=r"cannot be filled in with .*'note': None"):
        make().fit(X, Y, callbacks=[adds(note=None), ModelCheckpoint(tmp_path / "{note:.2f}")])


class Add(Callback):
    """Puts what it is given into the logs, without saying so before."""

    def __init__(self, **values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self.values)


ODD = {
    "none": None,
    "text": "two\nlines",
    "many": np.arange(3),
    "one": np.array(0.25),
    "small": -1.2345e-5,
    "nan": np.nan,
}
SHOWN = ["none: None", "text: two lines", "many: [0 1 2]", "one: 0.2500", "small: -1.2345e-05", "nan: nan"]


@pytest.mark.parametrize("before", [True, False])
def test_logs_hold_what_a_callback_puts_there(capsys, tmp_path, before):
    """Shown, kept in the history and in the file, wherever the callback stands in the list."""
    pair = [Add(**ODD), CSVLogger(tmp_path / "log")]
    history = make().fit(X, Y, epochs=2, verbose=2, callbacks=pair if before else pair[::-1])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(line.endswith(" - ".join(SHOWN)) for line in lines)
    assert repr(history).endswith(", ".join(SHOWN) + ">")
    assert history.history["text"] == ["two\nlines"] * 2 and history.history["none"] == [None, None]
    with open(tmp_path / "log", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row.values())[2:] for row in rows] == [
        ["", "two\nlines", "[0, 1, 2]", "0.25", "-1.2345e-05", "nan"]
    ] * 2
    assert [float(row["loss"]) for row in rows] == history.history["loss"]


def test_a_name_that_comes_later_gets_a_column(tmp_path):
    add = Add()
    later = LambdaCallback(on_epoch_begin=lambda epoch, logs: add.values.update(late=epoch) if epoch == 2 else None)
    history = make().fit(X, Y, epochs=4, callbacks=[CSVLogger(tmp_path / "log", separator=";"), add, later])
    lines = (tmp_path / "log").read_text().splitlines()
    loss = history.history["loss"]
    ends = ["NA", "NA", "2", "2"]
    assert lines == ["epoch;loss;late", *(f"{i};{loss[i]!r};{end}" for i, end in enumerate(ends))]
    make().fit(X, Y, callbacks=[CSVLogger(tmp_path / "log", ";", append=True)])  # without it: NA
    assert (tmp_path / "log").read_text().splitlines()[-1].endswith(";NA")


def test_a_log_goes_to_a_device_too():
    make().fit(X, Y, epochs=2, callbacks=[CSVLogger(os.devnull), Add(value=1)])
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "1.0000e-03"),  # as Keras' bar: above it, .4f
        (0.00101, "0.0010"),
        (-0.5, "-0.5000"),
        (0, "0.0000e+00"),
        (np.float32(3), "3.0000"),
        (True, "1.0000"),
        (np.inf, "inf"),
        (12345.678, "12345.6780"),
        (1j, "1j"),
        (b"x", "b'x'"),
        ("0.5", "0.5"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_values_are_shown_as_in_keras(value, text):
    assert progress.value_text(value) == text


def test_small_losses_are_shown(capsys):
    model = make()
    loss = model.evaluate(X * 1e-3, model.predict(X * 1e-3) + 1e-4, verbose=1)
    assert loss == pytest.approx(1e-8, rel=1e-3)
    assert capsys.readouterr().out == f"loss: {loss:.4e}\n"


def test_monitored_values_that_are_no_numbers():
    adds = type("Adds", (Add,), {"adds": ("value",)})
    for one in (EarlyStopping, ReduceLROnPlateau, lambda *a, **k: ModelCheckpoint("x", *a, save_best_only=True, **k)):
        for bad in ("text", [1, 2], np.arange(2)):
            with pytest.raises(TypeError, match=r"needs a number for 'value', but the logs hold"):
                make().fit(X, Y, callbacks=[adds(value=bad), one("value", mode="min")])
        with pytest.raises(ValueError, match="cannot tell whether more or less of 'value' is better; say mode='max'"):
            make().fit(X, Y, callbacks=[adds(value=1.0), one("value")])
    stop = EarlyStopping("value", mode="max")
    make().fit(X, Y, callbacks=[adds(value=np.array([0.5])), stop])
    assert stop.best == 0.5
    with pytest.raises(ValueError, match=r"unknown monitored value 'value'.*says their names in its attribute 'adds'"):
        make().fit(X, Y, callbacks=[Add(value=1.0), EarlyStopping("value", mode="min")])


@pytest.mark.parametrize("value", [None, np.nan])
def test_early_stopping_looks_past_values_that_say_nothing(value):
    stop = EarlyStopping("value", patience=9, mode="min", baseline=4.0)
    adds = type("Adds", (Add,), {"adds": ("value",)})(value=value)
    then = LambdaCallback(on_epoch_begin=lambda epoch, logs: adds.values.update(value=9.0 - epoch) if epoch else None)
    assert len(make().fit(X, Y, epochs=4, callbacks=[adds, then, stop]).epoch) == 4
    assert stop.best_epoch == 3


def test_one_callback_cannot_stand_in_the_list_twice():
    stop = EarlyStopping("loss")
    model = make()
    with pytest.raises(ValueError, match="got one EarlyStopping more than once"):
        model.fit(X, Y, callbacks=[stop, ProgressBar(), stop])
    assert model.history is None
    assert model.fit(X, Y, callbacks=[TerminateOnNaN(), TerminateOnNaN()]).epoch == [0]


def test_objects_that_are_used_again_begin_anew(tmp_path):
    """Three fits of new models with the same callbacks: each as with new ones."""
    values = [3, 2, 2, 2, 2, 2, 2]

    def fit(callbacks):
        return make(optimizers.SGD(0.1)).fit(X, Y, epochs=7, callbacks=[Values(values), *callbacks])

    def new():
        best = ModelCheckpoint(tmp_path / "w", "value", save_best_only=True, mode="min", initial_value_threshold=2.5)
        return [
            ReduceLROnPlateau("value", patience=2, cooldown=1, mode="min"),
            EarlyStopping("value", patience=4, mode="min"),
            best,
            CSVLogger(tmp_path / "log"),
            History(),
        ]

    used = new()
    for _ in range(3):
        (tmp_path / "w").unlink(missing_ok=True)
        history, log = fit(used), (tmp_path / "log").read_text()
        weights = (tmp_path / "w").read_bytes()
        fresh = new()
        assert fit(fresh).history == history.history == used[-1].history == fresh[-1].history
        assert used[-1].epoch == history.epoch == [0, 1, 2, 3, 4, 5]
        assert log == (tmp_path / "log").read_text() and weights == (tmp_path / "w").read_bytes()
        assert used[1].stopped_epoch == fresh[1].stopped_epoch == 5


def test_a_checkpoint_knows_its_best_over_fits_of_one_model(tmp_path):
    """As in Keras: a second fit does not overwrite the best of the first with something worse."""
    checkpoint = ModelCheckpoint(tmp_path / "w", "value", save_best_only=True, mode="min")
    model = make()
    model.fit(X, Y, callbacks=[Values([1.0]), checkpoint])
    first = (tmp_path / "w").read_bytes()
    model.fit(X, Y, callbacks=[Values([2.0]), checkpoint])
    assert (tmp_path / "w").read_bytes() == first and checkpoint.best == 1
    make(seed=1).fit(X, Y, callbacks=[Values([2.0]), checkpoint])
    assert (tmp_path / "w").read_bytes() != first and checkpoint.best == 2


def test_schedules_of_the_epoch_alone():
    halving = fastnn.schedules.Exponential(0.1, decay_steps=1, decay_rate=0.5)
    for schedule in (lambda epoch: 0.1 / 2**epoch, halving, lambda epoch, rate=None: 0.1 / 2**epoch):
        history = make().fit(X, Y, epochs=3, callbacks=[LearningRateScheduler(schedule)]).history
        np.testing.assert_allclose(history["learning_rate"], [0.1, 0.05, 0.025])
    for bad in (lambda: 0.1, lambda a, b, c: 0.1):
        with pytest.raises(TypeError, match=r"schedule must be a function of \(epoch, rate\) or of \(epoch\)"):
            LearningRateScheduler(bad)


def test_terminate_on_nan_may_raise():
    guard = TerminateOnNaN(raise_error=True)
    with pytest.raises(DivergenceError):
        make(optimizers.SGD(1e300)).fit(X, Y, callbacks=[guard])
    assert guard.error is None
    with pytest.raises(TypeError, match="raise_error must be True or False"):
        TerminateOnNaN("yes")


def test_lambda_callback_by_position():
    calls = []
    names = ["epoch_begin", "epoch_end", "train_begin", "train_end", "train_batch_begin", "train_batch_end"]
    functions = [lambda *a, name=name: calls.append(name) for name in names]
    make().fit(X, Y, batch_size="all", callbacks=[LambdaCallback(*functions)])
    assert calls == [names[i] for i in (2, 0, 4, 5, 1, 3)]


def test_the_loss_of_the_steps_so_far_counts_samples():
    seen = []
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    history = make().fit(X, Y, batch_size=32, callbacks=[note])  # 32 and 18 samples
    assert seen[-1] == pytest.approx(history.history["loss"][0], rel=1e-12) and len(seen) == 2


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


HERE = [name for name in LambdaCallback.HOOKS if "predict" not in name]


@pytest.mark.parametrize("hook", [*HERE, "on_slice_end"])
def test_an_error_in_any_hook_ends_the_fit_and_the_model_goes_on(hook):
    def fail(self, *arguments):
        raise RuntimeError(hook)

    note, model = Note(), make(optimizers.Adam(use_ema=True))
    with pytest.raises(RuntimeError, match=hook):
        model.fit(
            X, Y, epochs=2, validation_data=VALIDATION, callbacks=[note, type("Fails", (Callback,), {hook: fail})()]
        )
    assert note.calls[-1] == ("on_train_end",)
    assert model.fit(X, Y, epochs=2).epoch == [0, 1]


@pytest.mark.parametrize("hook", [*HERE, "on_slice_end"])
def test_any_hook_may_stop_the_training(hook):
    def stop(self, *arguments):
        self.model.stop_training = True

    model = make()
    stopper = type("Stops", (Callback,), {hook: stop})()
    history = model.fit(X, Y, epochs=5, batch_size=10, validation_data=VALIDATION, callbacks=[stopper])
    steps = {"on_train_begin": 0, "on_epoch_begin": 0, "on_train_end": 25}
    one = 1 if "batch" in hook and "test" not in hook else 5
    assert model.iterations == steps.get(hook, model.iterations if hook == "on_slice_end" else one)
    assert len(history.epoch) == -(-model.iterations // 5)
    assert model.fit(X, Y, epochs=2).epoch == [0, 1]


def test_a_callback_cannot_train_the_model_that_is_being_trained():
    model, other = make(), make(seed=1)
    for call in (lambda: model.fit(X, Y), lambda: model.compile("sgd", "mse")):
        with pytest.raises(RuntimeError, match="by the call that called this callback; use a copy"):
            model.fit(X, Y, callbacks=[LambdaCallback(on_epoch_end=lambda epoch, logs, call=call: call())])
    nested = LambdaCallback(on_epoch_end=lambda epoch, logs: other.fit(X, Y, callbacks=[EarlyStopping("loss")]))
    assert model.fit(X, Y, epochs=2, callbacks=[nested]).epoch == [0, 1] and other.iterations == 4


@pytest.mark.parametrize("options", [{"separator": "ab"}, {"separator": ""}, {"separator": 3}, {"append": "yes"}])
def test_a_csv_logger_that_cannot_write_is_refused_when_it_is_made(options):
    with pytest.raises((ValueError, TypeError), match=r"CSVLogger: (separator|append) must be"):
        CSVLogger("log.csv", **options)
