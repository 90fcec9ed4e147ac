"""What a fit shows: lines that end, in characters that the terminal has, with the time of training alone."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn.basics import progress
from fastnn.callbacks import LambdaCallback, ProgressBar
from fastnn.layers import Dense, Input

X, Y = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 2


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding; ``text`` is what was written."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def isatty(self):
        return True

    @property
    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def open_terminal(monkeypatch):
    """Makes standard output a terminal, without tqdm; called in the test, as pytest sets its own stream before it."""

    def install(encoding="utf-8"):
        stream = Terminal(encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        return stream

    return install


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    clock = SimpleNamespace(now=100.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


def make(name="sequential"):
    layers = [Input(4), Dense(3, "relu", name="hidden"), Dense(1, "sigmoid", name="last")]
    model = fastnn.Sequential(layers, rng=0, name=name)
    model.compile("adam", "binary_crossentropy")
    return model


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("shown", [{"verbose": 1}, {"callbacks": [ProgressBar()]}], ids=["verbose", "callback"])
def test_an_interrupted_bar_ends_its_line(open_terminal, shown):
    terminal = open_terminal()
    callbacks = [LambdaCallback(on_test_begin=stop), *shown.pop("callbacks", [])]
    with pytest.raises(KeyboardInterrupt):
        make().fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=callbacks, **shown)
    assert "Epoch 1/3 " in terminal.text and terminal.text.count("\n") == 1 and terminal.text.endswith("\n")


def test_a_bar_that_ended_gets_no_second_line(open_terminal):
    terminal = open_terminal()
    make().fit(X, Y, epochs=3, verbose=1)
    assert terminal.text.count("\n") == 3 and terminal.text.endswith("\n")


def test_no_line_ends_where_none_began():
    for bar in (True, False):
        stream = io.StringIO()
        display = progress.Progress(3, 50, bar, stream=stream)
        display.begin(0)
        display.close()
        assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("encoding", "full", "empty"),
    [("ascii", "=", "-"), ("latin-1", "=", "-"), ("cp437", "=", "-"), ("utf-8", "━", "─")],
)
def test_the_bar_has_characters_of_the_terminal(open_terminal, encoding, full, empty):
    terminal = open_terminal(encoding)
    display = progress.progress(1, 1, 50)
    display.begin(0)
    display.update(25, 0.5)
    assert f"Epoch 1/1 {full * 10}{empty * 10} 25/50 " in terminal.text
    display.end({"loss": 0.5})
    make().fit(X, Y, epochs=2, verbose=1)
    assert terminal.text.count("\n") == 3


def test_a_name_that_the_terminal_cannot_write_aborts_no_fit(open_terminal):
    terminal = open_terminal("ascii")
    display = progress.Progress(1, 50, bar=False)
    display.begin(0)
    display.end({"präzision": 0.5})
    assert "pr?zision: 0.5000" in terminal.text


@pytest.mark.parametrize(("encoding", "name"), [("ascii", "mod?le"), ("latin-1", "modèle"), ("utf-8", "modèle")])
def test_the_summary_has_characters_of_the_terminal(open_terminal, encoding, name):
    terminal = open_terminal(encoding)
    make("modèle").summary()
    lines = terminal.text.splitlines()
    assert lines[0] == f'Model: "{name}"'
    table = [line for line in lines if line[0] in "+|┏┃┡│├└"]
    assert len(table) == 7 and len({len(line) for line in table}) == 1  # a straight table
    assert terminal.text.replace("è", "e").isascii() == (encoding != "utf-8")
    if encoding != "utf-8":
        assert set(table[0]) == {"+", "="} and set(table[4]) == {"+", "-"} and table[1].count("|") == 4


def test_a_stream_in_memory_takes_all():
    assert progress.writable("━─é", io.StringIO()) == "━─é"


@pytest.mark.parametrize("bar", [True, False])
def test_the_rate_is_that_of_training(clock, bar):
    stream = io.StringIO()
    display = progress.Progress(2, 50, bar, stream=stream)
    for epoch in range(2):
        display.begin(epoch)
        clock.now += 1
        display.update(20, 0.5)
        clock.now += 1.5
        display.update(50, 0.5)
        clock.now += 40  # validation
        display.end({"loss": 0.5, "val_loss": 0.25})
    assert stream.getvalue().count(" 2.50s 20 samples/s - loss: 0.5000 - val_loss: 0.2500") == 2


def test_a_slow_validation_does_not_lower_the_rate(capsys, clock):
    def slow(logs):
        clock.now += 0.5

    make().fit(X, Y, epochs=1, validation_data=(X, Y), verbose=1, callbacks=[LambdaCallback(on_test_begin=slow)])
    assert float(capsys.readouterr().out.split()[2].removesuffix("s")) < 0.4


@pytest.mark.parametrize(
    ("shell", "shown"), [(SimpleNamespace(kernel="a kernel"), True), (SimpleNamespace(), False), (None, False)]
)
def test_notebooks_show_an_explicit_bar(monkeypatch, capsys, shell, shown):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm="a bar"))
    display = progress.best_progress(1, 10)
    assert isinstance(display, progress.TqdmProgress) == shown
    assert (display is None) != shown
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    make().fit(X, Y, epochs=2, verbose=0, callbacks=[ProgressBar()])
    assert capsys.readouterr().out.count("Epoch 2/2") == 2 * shown  # a bar, then the line of its end
