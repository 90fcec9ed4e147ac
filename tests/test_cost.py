"""What a step costs: every kind of operation says it, and it is about what the clock says."""

import sys
import time

import numpy as np
import pytest

import fastnn
from fastnn import activations, augmentation, losses, optimizers
from fastnn.basics import backend
from fastnn.engine.source import Source
from fastnn.layers import (
    Activation,
    AlphaDropout,
    BatchNormalization,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    LayerNormalization,
    PReLU,
    RMSNormalization,
    UnitNormalization,
)
from fastnn.training import pace
from fastnn.training.run import Run

KINDS = {
    "batch normalization": BatchNormalization,
    "layer normalization": LayerNormalization,
    "unit normalization": UnitNormalization,
    "dropout": lambda: Dropout(0.5),
    "noise": lambda: GaussianNoise(0.1),
    "noisy factors": lambda: GaussianDropout(0.1),
    "alpha dropout": lambda: AlphaDropout(0.1),
    "root mean square": RMSNormalization,
    "prelu": PReLU,
    **{
        f"activation {entry.name}": lambda entry=entry: Activation(entry.name)
        for entry in activations.ENTRIES
        if entry.name != "linear"
    },
}
COLUMNS, ROWS = 512, 128
X = np.random.default_rng(0).random((ROWS, COLUMNS), dtype=np.float32) - 1


def model(*layers, optimizer=None):
    made = fastnn.Sequential([Input(COLUMNS), *layers, Dense(1)], rng=0)
    made.compile(optimizer or optimizers.SGD(0.0), "mse")
    return made


def step_seconds(made, steps=5):
    """CPU seconds of a step on one thread, the least of some measurements."""
    y, order = np.zeros((ROWS, 1)), np.tile(np.arange(ROWS), steps)
    scalars = made.optimizer.all_scalars(np.arange(1, steps + 1)).astype(made.dtype)
    found = []
    for _ in range(8):
        began = time.thread_time()
        done = made.engine.run_steps(
            Source(X), Source(y), None, order, 0, steps, ROWS, scalars, np.empty(steps), None, 0, 1, None
        )
        assert done == steps
        found.append((time.thread_time() - began) / steps)
    return min(found)


@pytest.mark.parametrize("kind", KINDS)
def test_cost_agrees_with_the_clock(kind):
    """A unit of cost takes about as long as in a dense product beside it: from a twelfth to six times."""
    bare = model()
    dense = model(Dense(COLUMNS), Dense(COLUMNS))
    other = model(*(KINDS[kind]() for _ in range(4)))

    def unit(made):
        return (step_seconds(made) - step_seconds(bare)) / (made.program.cost(ROWS) - bare.program.cost(ROWS))

    assert other.program.sample_cost - bare.program.sample_cost >= 4 * 30 * COLUMNS
    ratios = []
    while not ratios or (not 1 / 12 < ratios[-1] < 6 and len(ratios) < 3):  # other programs may come between
        ratios.append(unit(other) / unit(dense))
    assert 1 / 12 < ratios[-1] < 6, ratios


def test_everything_else_that_costs():
    plain = model().program
    assert plain.cost(2) - plain.cost(1) == plain.sample_cost
    assert plain.inference_cost(30) == 10 * plain.sample_cost
    assert model(optimizer=optimizers.Adam()).program.update_cost > plain.update_cost  # two more rows of the arena
    assert model(optimizer=optimizers.SGD(clipnorm=1.0)).program.update_cost > plain.update_cost
    regularized = fastnn.Sequential([Input(COLUMNS), Dense(1, activity_regularizer="l2", kernel_constraint="non_neg")])
    regularized.compile("sgd", "mse")
    assert regularized.program.sample_cost > plain.sample_cost and regularized.program.update_cost > plain.update_cost
    assert all(entry.cost > 0 for entry in losses.ENTRIES)
    images = fastnn.Sequential([Input((8, 8)), fastnn.layers.Flatten(), Dense(2, "softmax")])
    images.compile("sgd", "sparse_categorical_crossentropy")
    assert augmentation.ImageAugmentation(rotation=5).changes(images.shapes()[0], 0).cost > 64


def test_threads_and_slices_follow_the_cost():
    """Five times normalization, GELU and dropout of 500 columns: two threads, and calls of about 50 ms."""
    layers = [
        layer() for _ in range(5) for layer in (LayerNormalization, lambda: Activation("gelu"), lambda: Dropout(0.1))
    ]
    made = model(*layers)
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(2)
    try:
        assert backend.threads_for(made.program.cost(256)) == 2
        assert backend.threads_for(made.program.inference_cost(256)) == 2
        assert backend.threads_for(model().program.cost(32)) == 1
    finally:
        fastnn.set_num_threads(before)
    run = Run(made, np.tile(X, (40, 1)), np.zeros(40 * ROWS), batch_size=256)
    assert run.slice * made.program.cost(256) <= pace.SLICE * pace.FIRST_GUESS


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_call_ends_by_the_clock(engine, threads):
    """After the step at hand, which counts; a call that goes on gives the same bits."""
    made = fastnn.Sequential([Input(COLUMNS), Dense(8, "tanh"), Dense(1)], rng=0, engine=engine)
    made.compile("adam", "mse")
    twin = fastnn.Sequential([Input(COLUMNS), Dense(8, "tanh"), Dense(1)], rng=0, engine=engine)
    twin.compile("adam", "mse")
    y, count = np.ones((ROWS, 1)), 40
    order = np.tile(np.arange(ROWS), count)
    scalars = made.optimizer.all_scalars(np.arange(1, count + 1)).astype(made.dtype)

    def run(model, first, steps, seconds):
        found = np.empty(steps)
        done = model.engine.run_steps(
            Source(X),
            Source(y),
            None,
            order,
            first * 8,
            steps,
            8,
            scalars[first:],
            found,
            None,
            0,
            threads,
            None,
            seconds,
        )
        return done, found

    whole, expected = run(twin, 0, count, 0.0)
    assert whole == count
    done, losses_of = 0, []
    calls = 0
    while done < count:
        finished, found = run(made, done, count - done, 1e-9)
        assert finished >= 1 and (finished == count - done or np.isfinite(found[finished]))
        losses_of += found[:finished].tolist()
        done += finished
        calls += 1
        assert made.iterations == done
    assert calls > 1
    assert losses_of == expected.tolist()
    assert all(map(np.array_equal, made.get_weights(), twin.get_weights()))


def test_fit_goes_on_after_a_late_call(monkeypatch):
    def history():
        made = model(Dense(8, "tanh"))
        made.compile("adam", "mse", metrics=["mae"])
        found = made.fit(np.tile(X, (20, 1)), np.ones(20 * ROWS), batch_size=8, epochs=2).history
        return found, made.get_weights(), made.iterations

    expected = history()
    monkeypatch.setattr(pace, "SLICE", 1e-7)
    monkeypatch.setattr(pace, "FIRST_GUESS", 1e30)
    found = history()
    assert found[0] == expected[0] and found[2] == expected[2] == 640
    assert all(map(np.array_equal, found[1], expected[1]))


def calls(function):
    """How many functions, of Python and of C, a call enters: what it costs where the engine has little to do."""
    function()
    entered = []
    sys.setprofile(lambda frame, event, argument: event in ("call", "c_call") and entered.append(event))
    try:
        function()
    finally:
        sys.setprofile(None)
    return len(entered)


IRIS = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32), np.arange(150) % 3
MOST_CALLS = {
    "predict": 8,
    "evaluate": 50,
    "train on a row": 80,
    "train on a row without metrics": 15,
    "from nothing": 2550,
    "fit": 420,
    "a validated epoch": 230,
    "an epoch": 30,
}


def small_task(name):
    """One of MOST_CALLS, as a function."""

    def made(metrics=("accuracy",)):
        net = fastnn.Sequential([Input(4), Dense(16, "relu"), Dense(3, "softmax")], rng=0)
        net.compile("adam", "sparse_categorical_crossentropy", metrics=list(metrics))
        return net

    def from_nothing():
        net = made()
        net.fit(*IRIS, 32, verbose=0)
        net.predict(IRIS[0], verbose=0)

    net, bare = made(), made(())
    few, held = [one[:1] for one in IRIS], [one[:50] for one in IRIS]

    def fit(epochs, validated=False):
        more = (
            {"validation_data": held, "callbacks": [fastnn.callbacks.EarlyStopping(patience=100)]} if validated else {}
        )
        net.fit(*IRIS, 32, epochs, verbose=0, **more)

    bare.train_on_batch(*few)  # computes the numbers of the steps to come
    return {
        "predict": lambda: net.predict(few[0], verbose=0),
        "evaluate": lambda: net.evaluate(*held, verbose=0),
        "train on a row": lambda: net.train_on_batch(*few),
        "train on a row without metrics": lambda: bare.train_on_batch(*few),
        "from nothing": from_nothing,
        "fit": lambda: fit(1),
        "a validated epoch": lambda epochs: fit(epochs, True),
        "an epoch": fit,
    }[name]


@pytest.mark.parametrize("name", MOST_CALLS)
def test_small_things_enter_few_functions(name):
    task = small_task(name)
    one_more = "epoch" in name
    found = (calls(lambda: task(41)) - calls(lambda: task(21))) / 20 if one_more else calls(task)
    assert found <= MOST_CALLS[name]
