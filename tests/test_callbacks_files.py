"""Callbacks that write: ModelCheckpoint, weights in files, CSVLogger."""

import csv
import os

import numpy as np
import pytest
from callback_fits import VALIDATION, Add, Values, X, Y, make, same

import fastnn
from fastnn.callbacks import (
    CSVLogger,
    LambdaCallback,
    ModelCheckpoint,
)
from fastnn.layers import Dense, Input

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


# -- what Keras calls too ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("options", [{"separator": "ab"}, {"separator": ""}, {"separator": 3}, {"append": "yes"}])
def test_a_csv_logger_that_cannot_write_is_refused_when_it_is_made(options):
    with pytest.raises((ValueError, TypeError), match=r"CSVLogger: (separator|append) must be"):
        CSVLogger("log.csv", **options)
