"""Callbacks: which methods are called when, and with what; monitored names, bars, logs of any kind."""

import csv
import json
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from callback_fits import VALIDATION, Add, Values, X, Y, interrupt, make, same

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
        (KeyboardInterrupt, [LambdaCallback(on_epoch_end=interrupt)], "adam"),
        (DivergenceError, [], optimizers.SGD(1e300)),
    ):
        note = Note()
        with pytest.raises(error):
            make(optimizer).fit(X, Y, epochs=3, callbacks=[note, *extra])
        assert note.calls[-1] == ("on_train_end",)


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
    down = metric.name in ("log_loss", "false_positives", "false_negatives") or "error" in metric.name
    up = issubclass(metric, (metrics.CosineSimilarity, metrics.PearsonCorrelation.__base__))
    down |= issubclass(metric, metrics.Poisson.__base__) and not up
    assert stop.sign == (-1 if down else 1)


# -- files, NaN, bars --------------------------------------------------------------------------------------------------


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


# -- formats, logs of any kind, reuse ----------------------------------------------------------------------------------

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
