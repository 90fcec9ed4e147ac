"""Many small epochs go through the engine in one call where nobody listens between them: that changes nothing else."""

import numpy as np
import pytest

import fastnn
from fastnn import callbacks, optimizers, schedules
from fastnn.errors import DivergenceError
from fastnn.layers import BatchNormalization, Dense, Dropout, Input
from fastnn.training import loop, pace
from fastnn.training.epochs import Together
from fastnn.training.feeds import Data
from fastnn.training.run import Run

RNG = np.random.default_rng(0)
N = 75
X, Y = RNG.normal(size=(N, 4)).astype(np.float32), RNG.integers(0, 3, N)
ENGINES = ["compiled", "reference"]


class Listener(callbacks.Callback):
    """Wants to be called after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.seen = epoch


def model(engine="compiled", optimizer="adam", **options):
    layers = [Input(4), Dense(9, "relu", **options), BatchNormalization(), Dropout(0.2), Dense(3, "softmax")]
    out = fastnn.Sequential(layers, rng=0, engine=engine)
    out.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy", "auc", "recall"])
    return out


def calls(one, monkeypatch):
    """How often the engine is asked to train."""
    count, run = [], type(one.network).run_steps
    monkeypatch.setattr(type(one.network), "run_steps", lambda *args: count.append(1) or run(*args))
    return count


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 8, 25, 75, 1000])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_same_bits_as_epoch_by_epoch(engine, batch, shuffle, monkeypatch):
    at_once, one_by_one = model(engine), model(engine)
    weights = np.linspace(0.5, 2, N)
    count = calls(at_once, monkeypatch)
    first = at_once.fit(X, Y, batch, epochs=7, shuffle=shuffle, sample_weight=weights)
    assert len(count) < 7 or engine == "reference"  # slow, it looks at the clock
    second = one_by_one.fit(X, Y, batch, epochs=7, shuffle=shuffle, sample_weight=weights, callbacks=[Listener()])
    assert first.history == second.history and first.epoch == second.epoch == list(range(7))
    assert np.array_equal(at_once.network.arena, one_by_one.network.arena)
    assert at_once.network.epochs == one_by_one.network.epochs == 7
    assert at_once.iterations == one_by_one.iterations
    more = [one.fit(X, Y, batch, epochs=2).history for one in (at_once, one_by_one)]
    assert more[0] == more[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.SGD(schedules.Cosine(0.1, 30), momentum=0.9),
        lambda: optimizers.AdamW(1e-2, use_ema=True, clipnorm=0.5),
        lambda: optimizers.SGD(lambda step: 0.1 / (1 + step)),
        lambda: optimizers.SGD(schedules.Adaptive(0.5)),
    ],
    ids=["schedule", "average", "function", "follows the loss"],
)
def test_every_kind_of_rate(engine, optimizer):
    histories = []
    for listeners in ([], [Listener()]):
        one = model(engine, optimizer(), kernel_regularizer="l2", kernel_constraint="max_norm")
        histories.append((one.fit(X, Y, 16, epochs=40, callbacks=listeners).history, one.network.arena.copy()))
    assert histories[0][0] == histories[1][0]
    assert np.array_equal(histories[0][1], histories[1][1])


@pytest.mark.parametrize("engine", ENGINES)
def test_time_is_looked_at_between_epochs(engine, monkeypatch):
    monkeypatch.setattr(pace, "SLICE", 1e-6)
    first, second = model(engine), model(engine)
    history = loop.fit(Run(first, X, Y, epochs=5)).history
    assert history == second.fit(X, Y, epochs=5, callbacks=[Listener()]).history
    assert first.network.epochs == second.network.epochs


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [25, 75])
@pytest.mark.parametrize("rate", [1e5, 1e12, 1e30, 3e38])
def test_divergence_is_told_alike(engine, batch, rate):
    told = []
    for listeners in ([], [Listener()]):
        one = fastnn.Sequential([Input(4), Dense(6, "relu"), Dense(1)], rng=0, engine=engine)
        one.compile(optimizers.SGD(1e-3), "mse")
        one.fit(X, X[:, 0], batch, epochs=2)
        one.optimizer.learning_rate = rate
        with pytest.raises(DivergenceError) as error:
            one.fit(X, X[:, 0], batch, epochs=6, callbacks=listeners)
        told.append((str(error.value), one.history.history, one.iterations, one.network.arena.tobytes()))
    assert told[0] == told[1]


def test_a_changed_rate_is_obeyed_at_once():
    one, two = model(optimizer=optimizers.SGD(0.1)), model(optimizer=optimizers.SGD(0.1))
    for rate in (0.1, 0.05):
        one.optimizer.learning_rate = rate
        one.fit(X, Y, 25, epochs=3)
        two.optimizer.learning_rate = rate
        two.fit(X, Y, 25, epochs=3, callbacks=[Listener()])
    assert np.array_equal(one.network.arena, two.network.arena)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_checks_that_the_order_is_whole_epochs(engine):
    one = model("compiled").network
    data = Data.check(model().door, X, Y, None)
    order, losses = np.arange(N), np.empty(6)
    for rows, count in ((50, 3), (-1, 3), (N, 2), (N + 1, 3), (25, 4)):
        with pytest.raises(ValueError, match="whole epochs"):
            one.run_steps(data.x, data.y, None, order, 0, count, 25, losses, None, 1, None, 0.0, None, rows)
    with pytest.raises(ValueError, match="safe"):
        one.run_steps(data.x, data.y, None, order, 0, 3, 25, losses, None, 1, None, 0.0, np.empty((1, 2)), N)


def told(engine, dtype, epochs, weights, X, loss, rate, listeners, **options):
    """What a fit that diverges says and leaves."""
    layers = [Dense(1, "relu" if loss == "mae" else None, **options), Dense(1)]
    one = fastnn.Sequential([Input(2), *layers], rng=0, engine=engine, dtype=dtype)
    one.compile(optimizers.SGD(rate), loss)
    one.set_weights([np.reshape(values, (-1, 1)) if i % 2 == 0 else values for i, values in enumerate(weights)])
    with pytest.raises(DivergenceError) as error:
        one.fit(X, np.zeros(len(X)), len(X), epochs, callbacks=listeners)
    left = np.concatenate([values.ravel() for values in one.get_weights()])
    return str(error.value), one.history.epoch, one.iterations, one.network.epochs, left.tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_infinite_weights_end_the_epoch_that_made_them(engine):
    """A unit that is never active: the losses stay finite."""
    case = engine, "float32", 50, ([1, 1], [0], [1e30], [0]), np.ones((8, 2)), "mae", 1e10
    first, second = told(*case, []), told(*case, [Listener()])
    assert first == second
    assert "in epoch 1, step 1" in first[0] and "start of epoch 1." in first[0]
    assert first[1:] == ([], 0, 1, np.float32([1, 1, 0, 1e30, 0]).tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_an_infinite_penalty_ends_its_epoch(engine):
    X = np.array([[1.0, 0], [2, 0]])
    case = engine, "float64", 50, ([0.5, 1e160], [0], [1], [0]), X, "mse", 0.01
    penalty = {"kernel_regularizer": fastnn.regularizers.L2(1e-3)}
    first, second = told(*case, [], **penalty), told(*case, [Listener()], **penalty)
    assert first == second
    assert first[1:] == ([], 0, 1, [0.5, 1e160, 0, 1, 0])


def test_an_interrupt_leaves_the_history_of_all_finished_epochs(monkeypatch):
    """Ctrl-C in the engine, or while the logs are made."""
    for place in ("run_steps", "_logs"):
        one = model()
        one.fit(X, Y, N, epochs=3)
        owner, count = (type(one.network), [0]) if place == "run_steps" else (Together, [0])
        original = getattr(owner, place)

        def interrupted(*args, count=count, original=original):
            result = original(*args)
            count[0] += 1
            if count[0] == 2:
                raise KeyboardInterrupt
            return result

        with monkeypatch.context() as patch:
            patch.setattr(owner, place, interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.fit(X, Y, N, epochs=100_000)
        finished = len(one.history.epoch)
        assert count[0] >= 2 and finished > 0
        assert finished == one.iterations - 3 == len(one.history.history["accuracy"])
        assert one.history.epoch == list(range(finished))
        assert one.network.epochs in (finished + 3, finished + 4)


@pytest.mark.parametrize("what", ["loss", "metric", "rates"])
def test_functions_of_the_users_see_each_epoch(what):
    """They may look at the model, or stop it: no epoch has begun before they are asked about the one before."""

    def look(y, outputs):
        one.stop_training = one.iterations >= 4
        return 1.0

    def loss(y, outputs):
        look(y, outputs)
        return ((outputs - y) ** 2).mean(axis=1), 2 * (outputs - y) / outputs.shape[1]

    class Rates(optimizers.SGD):
        def rates(self, steps):
            look(None, None)
            return np.full(len(steps), 0.1 if one.iterations < 2 else 0.0)

    one = fastnn.Sequential([Input(4), Dense(1)], rng=0)
    one.compile(
        Rates() if what == "rates" else "sgd", loss if what == "loss" else "mse", [look] if what == "metric" else []
    )
    history = one.fit(X, X[:, 0], N, epochs=20)
    assert len(history.epoch) == {"loss": 5, "metric": 4, "rates": 5}[what]
    if what == "rates":
        assert history.history["loss"][1] > history.history["loss"][2] == history.history["loss"][3]


def test_a_metric_of_the_users_cannot_change_the_data():
    class Spoils(fastnn.metrics.Metric):
        def reset(self):
            self.sum = 0.0

        def update(self, y, outputs, classes=None):
            self.sum += float(y.sum())
            y *= 0

        def result(self):
            return self.sum

    one = fastnn.Sequential([Input(4), Dense(1)], rng=0)
    one.compile("sgd", "mse", [Spoils(name="spoils")])
    y = np.ones((N, 1), np.float32)
    assert one.evaluate(X, y)[1] == one.evaluate(X, y)[1] == N
    assert one.fit(X, y, epochs=2, validation_data=(X, y)).history["val_spoils"] == [N, N]
    assert (y == 1).all()


def test_outputs_that_wait_from_a_fit_before_do_not_count():
    """fit_best_of: a start that ended within an epoch."""
    one = model()
    run = Run(one, X, Y, epochs=2)
    run.recorded.buffer(10)
    run.recorded.targets.add(Y[:10])
    expected = model().fit(X, Y, epochs=2).history
    assert loop.fit(run).history == expected
