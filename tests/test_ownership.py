"""What belongs to a model and what to the user: compile and fit change no object of the user, and share none."""

import numpy as np
import pytest

import fastnn
from fastnn import callbacks, losses, metrics, optimizers, schedules
from fastnn.layers import Dense, Input

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = (X[:, 0] > 0).astype(int)


def make(optimizer="sgd", loss="mse", metrics=(), outputs=1, activation=None, seed=0):
    model = fastnn.Sequential([Input(3), Dense(4, "tanh"), Dense(outputs, activation)], rng=seed)
    model.compile(optimizer, loss, list(metrics))
    return model


def test_one_metric_in_two_models():
    accuracy = metrics.Accuracy()
    first = make(loss="hinge", metrics=[accuracy], activation="tanh")
    before = first.evaluate(X, LABELS)
    make(loss="binary_crossentropy", metrics=[accuracy], activation="sigmoid")
    make(loss="sparse_categorical_crossentropy", metrics=[accuracy], outputs=2, activation="softmax")
    assert first.evaluate(X, LABELS) == before
    assert vars(accuracy) == vars(metrics.Accuracy())


@pytest.mark.parametrize(
    ("optimizer", "callback"),
    [
        (optimizers.SGD(0.01), callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)),
        (optimizers.Adam(0.01), callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)),
    ],
)
def test_one_optimizer_over_the_folds_of_a_cross_validation(optimizer, callback):
    histories, before = [], dict(vars(optimizer))
    for _ in range(3):
        model = make(optimizer)
        histories.append(model.fit(X, LABELS, epochs=4, callbacks=[callback]).history)
        assert model.optimizer.learning_rate < 0.01
    assert histories[0] == histories[1] == histories[2]
    assert dict(vars(optimizer)) == before


def test_one_schedule_that_follows_the_loss_in_two_models():
    rate = schedules.WarmUp(schedules.Adaptive(0.1, tol=1e9, patience=1), steps=1)
    optimizer = optimizers.SGD(rate)
    first, second = make(optimizer), make(optimizer)
    first.fit(X, LABELS, epochs=2)
    assert (first.optimizer.learning_rate(9), second.optimizer.learning_rate(9), rate(9)) == (0.02, 0.1, 0.1)


def test_the_models_own_optimizer_obeys():
    optimizer = optimizers.SGD(0.1)
    model = make(optimizer)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, LABELS)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert optimizer.learning_rate == 0.1


def test_a_function_of_the_user_is_shared():
    class Rate:
        value = 0.0

        def __call__(self, step):
            return self.value

    rate = Rate()
    model = make(optimizers.SGD(rate))
    before = model.get_weights()[0]
    model.fit(X, LABELS)
    assert (model.get_weights()[0] == before).all()
    rate.value = 0.1
    model.fit(X, LABELS)
    assert (model.get_weights()[0] != before).any()


def test_objects_of_the_model_are_equal_copies():
    optimizer, loss, metric = optimizers.Adam(0.5, clipnorm=1.0), losses.Huber(0.3), metrics.Accuracy(name="right")
    model = make(optimizer, loss, [metric])
    for own, given in zip([model.optimizer, model.loss, *model.metrics], [optimizer, loss, metric], strict=True):
        assert own == given
        assert own is not given


def test_minimize_changes_no_schedule():
    rate = schedules.Adaptive(0.1, tol=1e9, patience=1)
    fastnn.minimize(lambda x: x**2, x0=1.0, optimizer=optimizers.SGD(rate), steps=5)
    assert rate(0) == 0.1


@pytest.mark.parametrize("best", [False, True])
def test_a_checkpoint_begins_anew_with_each_model(tmp_path, best):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "w.npz", "loss", save_best_only=best)
    stop = callbacks.EarlyStopping("loss", patience=1)
    for scale in (0.1, 100.0):  # the second model's losses are all worse than the first's
        model = make("adam")
        model.fit(X, LABELS * scale, epochs=3, callbacks=[checkpoint, stop])
        other = make("adam", seed=1)
        other.load_weights(tmp_path / "w.npz")
        assert (other.predict(X) == model.predict(X)).all()
        assert stop.best == min(model.history.history["loss"])


def test_a_checkpoint_goes_on_in_a_later_fit_of_the_same_model(tmp_path):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "w.npz", "loss", save_best_only=True)
    model = make("adam")
    model.fit(X, LABELS, epochs=2, callbacks=[checkpoint])
    best = checkpoint.best
    model.fit(X, LABELS * 100, callbacks=[checkpoint])
    assert checkpoint.best == best
    model.compile("adam", "mse")
    model.fit(X, LABELS * 100, callbacks=[checkpoint])
    assert checkpoint.best > best


def test_fit_best_of_leaves_rate_files_and_callbacks_of_the_best_start(tmp_path):
    """The first of two starts is the best: what the second one did to rate, files and callbacks is undone."""

    class Second(callbacks.Callback):
        starts = 0

        def on_train_begin(self, logs=None):
            self.starts += 1
            if self.starts == 2:
                self.model.optimizer.momentum = 0.5

        def on_epoch_end(self, epoch, logs=None):
            if self.starts == 2:
                self.model.set_weights([w + 100 for w in self.model.get_weights()])

    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.4f}.npz", "loss")
    last = callbacks.ModelCheckpoint(tmp_path / "last.npz", "loss")
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    table = callbacks.CSVLogger(tmp_path / "log.csv")
    stop = callbacks.EarlyStopping("loss", patience=100, restore_best_weights=False)
    model = make(optimizers.SGD(0.01, momentum=0.25))
    listeners = [Second(), checkpoint, last, plateau, table, stop]
    history = model.fit_best_of(2, X, LABELS, epochs=3, callbacks=listeners)
    assert listeners[0].starts == 2
    assert model.optimizer == optimizers.SGD(history.history["learning_rate"][-1] / 2, momentum=0.25)
    names = {f"{epoch + 1}-{loss:.4f}.npz" for epoch, loss in enumerate(history.history["loss"])}
    assert {path.name for path in tmp_path.iterdir()} == names | {"last.npz", "log.csv"}
    rows = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    assert rows["loss"].tolist() == history.history["loss"]
    assert stop.best == min(history.history["loss"])
    other = make(seed=5)
    other.load_weights(tmp_path / "last.npz")
    assert (other.predict(X) == model.predict(X)).all()
