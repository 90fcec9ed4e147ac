"""Fits that go on from checkpoints: wherever they were interrupted, they end with the same bits."""

import os
import warnings
from pathlib import Path

import kills
import numpy as np
import pytest

import fastnn
from fastnn import callbacks
from fastnn.layers import Dense, Input
from fastnn.training import checkpoints, pace

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 4)), RNG.integers(0, 3, 40)


class Killed(BaseException):
    """Like SIGKILL, as far as a process can tell: nobody is told, nothing is written any more."""


@pytest.fixture(autouse=True)
def slices(monkeypatch):
    monkeypatch.setattr(pace, "SLICE", pace.SLICE)  # which kills.run changes


def interrupted(monkeypatch, name, folder, at, **options):
    """The fit until its checkpoint number ``at`` was written; whether it came so far."""
    written = []

    def counted(path, *arguments, original=checkpoints.Checkpoints._write):
        original(path, *arguments)
        written.append(path)
        if len(written) == at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "_write", counted)
        patch.setattr(callbacks.base.CallbackList, "end", lambda *arguments, **options: None)
        try:
            kills.run(name, folder, **options)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("name", kills.FITS)
def test_each_kind_of_fit_goes_on(tmp_path, monkeypatch, name):
    """Interrupted in the first epoch, in later ones, at the end; several times in one fit."""
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # files of the interrupted
        monkeypatch.chdir(tmp_path / "whole")
        expected = kills.run(name, ".", resume=False)
        monkeypatch.chdir(tmp_path / "parts")
        for at in (3, 1, 8, 2, 13):
            assert interrupted(monkeypatch, name, ".", at)
        assert kills.run(name, ".") == expected
        assert kills.run(name, ".") == expected  # nothing is left to do


def test_a_killed_process_goes_on(tmp_path):
    """Some of what tests/kills.py does by the hundred."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    expected = kills.killed("listening", str(tmp_path / "whole"), 600)
    assert expected
    for moment in (0.05, 0.15, 0.3):
        kills.killed("listening", str(tmp_path / "killed"), moment)
    assert kills.killed("listening", str(tmp_path / "killed"), 600) is not None


def network(**options):
    model = fastnn.Sequential([Input(4), Dense(5, "relu"), Dense(3, "softmax")], rng=1, **options)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def test_more_epochs_go_on_from_a_finished_fit(tmp_path):
    """Ten epochs, and then ten more, are twenty."""
    whole, first, then = network(), network(), network()
    history = whole.fit(X, Y, epochs=20)
    first.fit(X, Y, epochs=10, checkpoint_dir=tmp_path / "c")
    found = then.fit(X, Y, epochs=20, checkpoint_dir=tmp_path / "c", resume=True)
    assert found.history == history.history and found.epoch == history.epoch
    assert np.array_equal(whole.arena, then.arena)


def test_checkpoints_change_nothing_and_are_few(tmp_path):
    model, other = network(), network()
    model.fit(X, Y, epochs=30)
    other.fit(X, Y, epochs=30, checkpoint_dir=tmp_path / "c", save_seconds=0)
    assert np.array_equal(model.arena, other.arena) and model.history.history == other.history.history
    assert len(os.listdir(tmp_path / "c")) == 3
    network().fit(X, Y, epochs=300, checkpoint_dir=tmp_path / "d")  # all within a second
    assert len(os.listdir(tmp_path / "d")) <= 2


def test_a_folder_of_another_fit_is_refused(tmp_path):
    network().fit(X, Y, checkpoint_dir=tmp_path)
    before = network()
    for options, message in (
        ({}, "holds checkpoints of an earlier fit"),
        ({"resume": True, "batch_size": 7}, "its batch size was 32, now it is 7"),
        ({"resume": True, "callbacks": [callbacks.TerminateOnNaN()]}, r"callbacks was \[\]"),
        ({"resume": True, "initial_epoch": 0, "validation_split": 0.5}, "its samples was 40, now it is 20"),
    ):
        model = network()
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y, epochs=3, checkpoint_dir=tmp_path, **options)
        assert np.array_equal(model.arena, before.arena)
    with pytest.raises(ValueError, match="its weights was"):
        model = fastnn.Sequential([Input(4), Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(X, Y, checkpoint_dir=tmp_path, resume=True)
    with pytest.raises(ValueError, match="resume=True needs checkpoint_dir"):
        network().fit(X, Y, resume=True)
    with pytest.raises(ValueError, match="fit_best_of trains several times and has no checkpoints"):
        network().fit_best_of(2, X, Y, checkpoint_dir=tmp_path / "new")
    with pytest.raises(ValueError, match="checkpoint_dir or one BackupAndRestore"):
        network().fit(X, Y, checkpoint_dir=tmp_path, callbacks=[callbacks.BackupAndRestore(tmp_path)])


def test_a_damaged_checkpoint_makes_way_for_the_one_before(tmp_path):
    whole = network()
    whole.fit(X, Y, epochs=6)
    network().fit(X, Y, epochs=4, checkpoint_dir=tmp_path, save_seconds=0)
    newest = sorted(tmp_path.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"half")
    model = network()
    with pytest.warns(RuntimeWarning, match="damaged.*the checkpoint before it is used"):
        model.fit(X, Y, epochs=6, checkpoint_dir=tmp_path, resume=True)
    assert np.array_equal(model.arena, whole.arena)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_backup_and_restore(tmp_path):
    """Keras' callback: the folder is empty after a fit that came to its end."""
    whole = network()
    whole.fit(X, Y, epochs=8)

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4 and not stopped:
                stopped.append(epoch)
                raise Killed

    stopped = []
    model = network()
    backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq=1, save_seconds=0)
    with pytest.raises(Killed):
        model.fit(X, Y, epochs=8, callbacks=[backup, Stop()])
    assert os.listdir(tmp_path / "backup")
    again = network()
    again.fit(X, Y, epochs=8, callbacks=[callbacks.BackupAndRestore(tmp_path / "backup"), Stop()])
    assert np.array_equal(again.arena, whole.arena) and again.history.history == whole.history.history
    assert os.listdir(tmp_path / "backup") == []


def test_a_csv_file_is_as_if_nothing_had_happened(tmp_path):
    def logged(path):
        return [callbacks.CSVLogger(path)]

    network().fit(X, Y, epochs=6, callbacks=logged(tmp_path / "a.csv"))
    network().fit(X, Y, epochs=3, callbacks=logged(tmp_path / "b.csv"), checkpoint_dir=tmp_path / "c")
    with open(tmp_path / "b.csv", "a") as file:
        file.write("3,0.5,0.5\n")  # of an epoch after the checkpoint
    options = {"checkpoint_dir": tmp_path / "c", "resume": True}
    network().fit(X, Y, epochs=6, callbacks=logged(tmp_path / "b.csv"), **options)
    assert Path(tmp_path / "a.csv").read_bytes() == Path(tmp_path / "b.csv").read_bytes()
    os.unlink(tmp_path / "b.csv")
    with pytest.raises(ValueError, match="has lost lines"):
        network().fit(X, Y, epochs=9, callbacks=logged(tmp_path / "b.csv"), **options)


def test_what_is_no_checkpoint_is_not_loaded_as_a_model(tmp_path):
    network().fit(X, Y, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="holds no model but: checkpoint; see fit's checkpoint_dir"):
        fastnn.load(next(tmp_path.iterdir()))
