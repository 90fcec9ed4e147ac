"""Programs as users of Keras write them, with only their imports changed: they run, and learn what they should."""

import numpy as np
import pytest

import fastnn as keras
from fastnn.basics import seeds
from fastnn.callbacks import EarlyStopping, LambdaCallback, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from fastnn.datasets import blobs, breast_cancer, circles, digits, moons, spirals
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalMaxPooling1D,
    Input,
    MaxPooling2D,
    SpatialDropout2D,
)
from fastnn.models import Sequential, clone_model
from fastnn.optimizers import SGD, Adam, RMSprop
from fastnn.optimizers.schedules import ExponentialDecay
from fastnn.regularizers import l1, l2
from fastnn.utils import to_categorical


@pytest.fixture(autouse=True)
def _seeds_of_others(monkeypatch):
    """A program may set the seed of everything; other tests shall not notice."""
    monkeypatch.setattr(seeds, "_default", None)


def split(X, y, test=0.25, seed=0):
    """What sklearn.model_selection.train_test_split does."""
    order = np.random.default_rng(seed).permutation(len(X))
    held = int(len(X) * test)
    return X[order[held:]], X[order[:held]], y[order[held:]], y[order[:held]]


def scaled(X_train, X_test):
    """What sklearn.preprocessing.StandardScaler does."""
    mean, std = X_train.mean(axis=0), X_train.std(axis=0) + 1e-12
    return (X_train - mean) / std, (X_test - mean) / std


def iris_like():
    X, y = blobs(150, centers=3, features=4, deviation=0.6, rng=0)
    return X, y


# -- the course notes --------------------------------------------------------------------------------------------------

GATE_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def test_perceptron_learns_and():
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    y = np.array([0, 0, 0, 1])
    model = Sequential()
    model.add(Dense(1, input_dim=2, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer=SGD(learning_rate=1.0), metrics=["accuracy"])
    model.fit(GATE_X, y, epochs=500, verbose=0)
    weights, bias = model.layers[0].get_weights()
    assert weights.shape == (2, 1) and bias.shape == (1,)
    assert (model.predict(GATE_X) > 0.5).astype(int).ravel().tolist() == y.tolist()
    loss, accuracy = model.evaluate(GATE_X, y, verbose=0)
    assert accuracy == 1.0 and loss < 0.2


def test_hidden_layer_learns_xor():
    y = np.array([[0], [1], [1], [0]])
    model = Sequential(rng=1)
    model.add(Dense(8, input_shape=(2,), activation="tanh"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="mean_squared_error", optimizer=Adam(learning_rate=0.1), metrics=["acc"])
    history = model.fit(GATE_X, y, epochs=300, verbose=0)
    assert np.round(model.predict(GATE_X)).tolist() == y.tolist()
    assert set(history.history) == {"loss", "acc"} and history.history["acc"][-1] == 1.0


def test_moons():
    X, y = moons(400, noise=0.1, rng=0)
    X_train, X_test, y_train, y_test = split(X, y)
    model = Sequential(
        [Dense(16, activation="relu"), Dense(16, activation="relu"), Dense(1, activation="sigmoid")], rng=0
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(X_train, y_train, epochs=100, batch_size=16, validation_data=(X_test, y_test), verbose=0)
    assert history.history["val_accuracy"][-1] > 0.9
    grid = np.stack(np.meshgrid(np.linspace(-2, 3, 20), np.linspace(-2, 2, 20)), axis=-1).reshape(-1, 2)
    assert model.predict(grid, verbose=0).shape == (400, 1)


def test_breast_cancer():
    X, y = breast_cancer()
    X_train, X_test, y_train, y_test = split(X, y)
    X_train, X_test = scaled(X_train, X_test)
    model = Sequential(
        [
            Input(shape=(30,)),
            Dense(16, activation="relu"),
            Dropout(0.3),
            Dense(8, activation="relu"),
            Dense(1, activation="sigmoid"),
        ],
        rng=0,
    )
    model.compile(
        optimizer=Adam(1e-2),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")],
    )
    model.fit(X_train, y_train, epochs=30, validation_split=0.2, verbose=0)
    results = model.evaluate(X_test, y_test, verbose=0, return_dict=True)
    assert list(results) == ["loss", "accuracy", "precision", "recall"] == model.metrics_names
    assert results["accuracy"] > 0.94


def test_iris_with_one_hot_targets():
    X, labels = iris_like()
    y = to_categorical(labels, num_classes=3)
    X_train, X_test, y_train, y_test = split(X, y)
    model = Sequential(rng=0)
    model.add(Dense(10, activation="relu", input_shape=(4,)))
    model.add(Dense(3, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(X_train, y_train, epochs=100, batch_size=8, verbose=0)
    assert model.evaluate(X_test, y_test, verbose=0)[1] > 0.9
    assert model.predict(X_test).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_iris_with_labels_in_a_column():
    X, labels = iris_like()
    model = Sequential([Dense(10, "relu"), Dense(3, "softmax")], rng=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    history = model.fit(X, labels.reshape(-1, 1), epochs=100, verbose=0)
    assert history.history["sparse_categorical_accuracy"][-1] > 0.9


def test_digits_as_mnist():
    X, y = digits()
    x_train, x_test, y_train, y_test = split(X.reshape(-1, 8, 8), y)
    x_train, x_test = x_train.astype("float32") / 16, x_test.astype("float32") / 16
    model = keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=(8, 8)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ],
        rng=0,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=20, batch_size=32, verbose=0)
    _loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    assert accuracy > 0.94 and np.argmax(model.predict(x_test[:5]), axis=1).shape == (5,)


def test_optimizers_compared():
    X, y = moons(200, noise=0.1, rng=0)
    found = {}
    for name, optimizer in {
        "SGD": SGD(learning_rate=0.1),
        "Momentum": SGD(learning_rate=0.1, momentum=0.9),
        "Nesterov": SGD(learning_rate=0.1, momentum=0.9, nesterov=True),
        "RMSprop": RMSprop(learning_rate=0.01),
        "Adam": Adam(learning_rate=0.01),
        "Adam, slower and slower": Adam(ExponentialDecay(0.01, decay_steps=100, decay_rate=0.9)),
        "adagrad": "adagrad",
    }.items():
        model = Sequential([Dense(16, activation="relu"), Dense(1, activation="sigmoid")], rng=0)
        model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
        found[name] = model.fit(X, y, epochs=50, batch_size=16, verbose=0).history["loss"]
    assert all(len(losses) == 50 for losses in found.values())
    assert min(found["Adam"][-1], found["Nesterov"][-1]) < found["SGD"][-1] < found["adagrad"][-1]


def test_regularization_against_overfitting():
    X, y = moons(60, noise=0.35, rng=0)
    X_train, X_test, y_train, y_test = split(X, y, 0.5)

    def build(regularizer=None, rate=0.0):
        model = Sequential(rng=0)
        model.add(Dense(64, activation="relu", input_dim=2, kernel_regularizer=regularizer))
        if rate:
            model.add(Dropout(rate))
        model.add(Dense(1, activation="sigmoid", kernel_regularizer=regularizer))
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        return model

    norms = {}
    for name, model in {
        "none": build(),
        "l1": build(l1(0.01)),
        "l2": build(l2(0.01)),
        "dropout": build(None, 0.5),
    }.items():
        history = model.fit(X_train, y_train, epochs=200, validation_data=(X_test, y_test), verbose=0)
        assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        norms[name] = float(np.abs(model.get_weights()[0]).sum())
    assert norms["l1"] < norms["l2"] < norms["none"]


def test_early_stopping_and_learning_curves():
    X, y = moons(200, noise=0.3, rng=0)
    model = Sequential([Dense(32, "relu"), Dense(32, "relu"), Dense(1, "sigmoid")], rng=0)
    model.compile(optimizer=Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
    stop = EarlyStopping(monitor="val_loss", patience=10, restore_best_weights=True)
    history = model.fit(X, y, validation_split=0.3, epochs=500, verbose=0, callbacks=[stop])
    assert len(history.epoch) < 500 and stop.stopped_epoch > 0
    curves = [history.history[name] for name in ("loss", "val_loss", "accuracy", "val_accuracy")]
    assert {len(curve) for curve in curves} == {len(history.epoch)}


# -- other common kinds ------------------------------------------------------------------------------------------------


def test_the_first_model_of_the_tutorial():
    """y = 2 x - 1 from arrays of one axis."""
    xs = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], dtype=float)
    ys = np.array([-3.0, -1.0, 1.0, 3.0, 5.0, 7.0], dtype=float)
    model = keras.Sequential([keras.layers.Dense(units=1, input_shape=[1])])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    model.fit(xs, ys, epochs=500, verbose=0)
    assert model.predict(np.array([10.0]))[0, 0] == pytest.approx(19, abs=0.2)


def test_regression_with_normalized_features():
    rng = np.random.default_rng(0)
    X = rng.normal(50, 20, size=(300, 5))
    y = (X - 50) @ np.arange(1, 6) / 20 + rng.normal(scale=0.1, size=300)
    X_train, X_test, y_train, y_test = split(X, y)
    X_train, X_test = scaled(X_train, X_test)

    def build_model():
        model = keras.Sequential([Dense(64, activation="relu"), Dense(64, activation="relu"), Dense(1)], rng=0)
        model.compile(loss="mse", optimizer=RMSprop(0.001), metrics=["mae", "mse"])
        return model

    model = build_model()
    history = model.fit(X_train, y_train, epochs=60, validation_split=0.2, verbose=0)
    assert set(history.history) == {"loss", "mae", "mse", "val_loss", "val_mae", "val_mse"}
    loss, mae, mse = model.evaluate(X_test, y_test, verbose=0)
    assert loss == pytest.approx(mse) and mae < 1.5


def test_custom_training_loop():
    X, y = moons(128, noise=0.1, rng=0)
    model = Sequential([Dense(16, "relu", input_dim=2), Dense(1, "sigmoid")], rng=0)
    model.compile(Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    for epoch in range(60):
        order = np.random.default_rng(epoch).permutation(len(X))
        losses = []
        for start in range(0, len(X), 32):
            batch = order[start : start + 32]
            loss, _accuracy = model.train_on_batch(X[batch], y[batch])
            losses.append(loss)
    results = model.test_on_batch(X, y, return_dict=True)
    assert np.mean(losses) < 0.4 and results["accuracy"] > 0.8
    assert model.predict_on_batch(X[:7]).shape == (7, 1)


def test_fine_tuning():
    """A model learns, its first layers are frozen under a new head, then all of it is trained a little."""
    X, y = digits()
    X = X / 16.0
    base = Sequential(
        [Dense(32, "relu", input_shape=(64,)), BatchNormalization(), Dense(16, "relu")], rng=0, name="base"
    )
    whole = Sequential([*base.layers, Dense(10, "softmax")], rng=0)
    whole.compile("adam", "sparse_categorical_crossentropy")
    whole.fit(X[:800], y[:800], epochs=5, verbose=0)
    model = Sequential(whole.layers[:-1], rng=1)
    for layer in model.layers:
        layer.trainable = False
    model.add(Dense(2, "softmax", name="head"))
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 8
    even = y % 2
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    frozen = [w.copy() for layer in model.layers[:-1] for w in layer.get_weights()]
    model.fit(X[800:], even[800:], epochs=5, verbose=0)
    kept = [w for layer in model.layers[:-1] for w in layer.get_weights()]
    assert all((a == b).all() for a, b in zip(frozen, kept, strict=True))
    model.trainable = True
    model.compile(Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X[800:], even[800:], epochs=2, verbose=0)
    moved = [w for layer in model.layers[:-1] for w in layer.get_weights()]
    assert not any((a == b).all() for a, b in zip(frozen, moved, strict=True))
    assert history.history["accuracy"][-1] > 0.85


def test_cross_validation_with_clones():
    X, y = breast_cancer()
    X = scaled(X, X)[0]
    model = Sequential([Input((30,)), Dense(8, "relu"), Dense(1, "sigmoid")])
    folds = np.array_split(np.random.default_rng(0).permutation(len(X)), 3)
    scores = []
    for i, held in enumerate(folds):
        train = np.concatenate([fold for j, fold in enumerate(folds) if j != i])
        clone = clone_model(model)
        clone.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        clone.fit(X[train], y[train], epochs=15, batch_size=16, verbose=0)
        scores.append(clone.evaluate(X[held], y[held], verbose=0)[1])
    assert np.mean(scores) > 0.93 and len(set(map(str, scores))) > 0


def test_imbalanced_classes():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (380, 2)), rng.normal(1.5, 1, (20, 2))])
    y = np.repeat([0, 1], [380, 20])
    recall = {}
    for name, class_weight in {
        "none": None,
        "dict": {0: 400 / (2 * 380), 1: 400 / (2 * 20)},
        "auto": "balanced",
    }.items():
        model = Sequential([Dense(1, "sigmoid")], rng=0)
        model.compile(Adam(0.05), "binary_crossentropy", metrics=[keras.metrics.Recall(name="recall")])
        model.fit(X, y, epochs=30, class_weight=class_weight, verbose=0)
        recall[name] = model.evaluate(X, y, verbose=0)[1]
    assert recall["dict"] == recall["auto"] > recall["none"]


def test_callbacks_of_all_kinds(tmp_path):
    X, y = moons(100, noise=0.2, rng=0)
    model = Sequential([Dense(8, "relu", input_shape=(2,)), Dense(1, "sigmoid")], rng=0)
    model.compile(Adam(0.01), "binary_crossentropy", metrics=["acc"])
    seen, path = [], str(tmp_path / "best.weights.h5")
    model.fit(
        X,
        y,
        validation_split=0.2,
        epochs=12,
        verbose=0,
        callbacks=[
            EarlyStopping(monitor="val_acc", patience=20, mode="max"),
            ModelCheckpoint(path, monitor="val_loss", save_best_only=True, save_weights_only=True),
            ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3),
            LearningRateScheduler(lambda epoch, lr: lr * 0.99),
            LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_acc"])),
        ],
    )
    assert len(seen) == 12 and (tmp_path / "best.weights.h5").exists()
    model.load_weights(path)


def test_custom_callback_stops_at_an_accuracy():
    class StopAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if logs.get("accuracy") > 0.9:
                self.model.stop_training = True

    X, y = moons(200, noise=0.1, rng=0)
    model = Sequential([Dense(16, "relu"), Dense(1, "sigmoid")], rng=0)
    model.compile(Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(X, y, epochs=300, verbose=0, callbacks=[StopAt()])
    assert history.history["accuracy"][-1] > 0.9 and len(history.epoch) < 300


def test_autoencoder():
    X = (digits()[0] / 16).astype("float32")
    encoder = [Dense(32, activation="relu"), Dense(8, activation="relu", name="code")]
    model = Sequential([Input((64,)), *encoder, Dense(32, activation="relu"), Dense(64, activation="sigmoid")], rng=0)
    model.compile(optimizer="adam", loss="mse")
    history = model.fit(X, X, epochs=15, batch_size=64, shuffle=True, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    code = Sequential(model.layers[:2])
    assert code.predict(X[:3]).shape == (3, 8) and code.output_shape == (None, 8)


def test_denoising_with_gaussian_noise_of_whole_images():
    X = (digits()[0][:300] / 16).reshape(-1, 8, 8)
    model = Sequential([GaussianNoise(0.1, input_shape=(8, 8)), Flatten(), Dense(64, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy")
    history = model.fit(X, X.reshape(-1, 64), epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_multilabel():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = (X[:, :3] + 0.1 * rng.normal(size=(200, 3)) > 0).astype(int)
    model = Sequential([Dense(16, "relu"), Dense(3, "sigmoid")], rng=0)
    model.compile(Adam(0.02), "binary_crossentropy", metrics=["binary_accuracy"])
    history = model.fit(X, y, epochs=40, verbose=0)
    assert history.history["binary_accuracy"][-1] > 0.93
    assert (model.predict(X) > 0.5).shape == (200, 3)


def test_generator_of_batches():
    X, y = moons(120, noise=0.1, rng=0)

    def batches(size=20):
        while True:
            chosen = np.random.default_rng(0).integers(0, len(X), size)
            yield X[chosen], y[chosen]

    model = Sequential([Dense(8, "relu"), Dense(1, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(batches(), steps_per_epoch=6, epochs=3, validation_data=(X, y), verbose=0)
    assert len(history.history["val_accuracy"]) == 3 and model.iterations == 18


def test_logits_and_custom_learning_rate_schedule():
    X, y = spirals(300, classes=3, turns=0.5, rng=0)
    model = Sequential([Dense(32, "tanh", input_dim=2), Dense(3)], rng=0)
    model.compile(
        optimizer=Adam(learning_rate=lambda step: 0.02 * 0.999**step),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(X, y, epochs=60, batch_size=32, verbose=0)
    probabilities = Sequential([*model.layers, Activation("softmax")])
    assert probabilities.predict(X).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert model.evaluate(X, y, verbose=0)[1] > 0.8


def test_weights_by_hand():
    """Inspecting and setting weights, as notes on the mathematics do."""
    model = Sequential([Dense(2, activation="sigmoid", input_shape=(2,)), Dense(1, activation="sigmoid")])
    model.layers[0].set_weights([np.array([[20.0, -20.0], [20.0, -20.0]]), np.array([-10.0, 30.0])])
    model.layers[1].set_weights([np.array([[20.0], [20.0]]), np.array([-30.0])])
    assert np.round(model.predict(GATE_X)).ravel().tolist() == [0, 1, 1, 0]
    assert model.count_params() == sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 9
    hidden = 1 / (1 + np.exp(-(GATE_X @ model.layers[0].kernel.numpy() + model.layers[0].bias.numpy())))
    part = Sequential([model.get_layer(index=0)])
    np.testing.assert_allclose(part.predict(GATE_X), hidden, rtol=1e-5)


def test_best_of_several_models():
    """A loop over hyperparameters."""
    X, y = circles(200, noise=0.1, factor=0.4, rng=0)
    best, best_score = None, 0.0
    for units in (2, 16):
        for rate in (0.001, 0.05):
            model = Sequential([Dense(units, "relu", kernel_initializer="he_normal"), Dense(1, "sigmoid")], rng=0)
            model.compile(Adam(rate), "binary_crossentropy", metrics=["accuracy"])
            model.fit(X[::2], y[::2], epochs=50, verbose=0)
            score = model.evaluate(X[1::2], y[1::2], verbose=0)[1]
            if score > best_score:
                best, best_score = model, score
    assert best.layers[0].units == 16 and best_score > 0.9


def test_continued_training():
    X, y = moons(100, noise=0.1, rng=0)
    model = Sequential([Dense(8, "relu"), Dense(1, "sigmoid")], rng=0)
    model.compile("adam", "binary_crossentropy")
    first = model.fit(X, y, epochs=5, verbose=0)
    more = model.fit(X, y, epochs=10, initial_epoch=first.epoch[-1] + 1, verbose=0)
    assert more.epoch == [5, 6, 7, 8, 9] and more.history["loss"][0] < first.history["loss"][0]


def test_summary_before_and_after(capsys):
    model = Sequential([Dense(4, activation="relu"), Dense(1)], name="regressor")
    model.summary()
    assert "?" in capsys.readouterr().out and not model.built
    model.build((None, 3))
    lines = []
    model.summary(print_fn=lines.append)
    assert 'Model: "regressor"' in lines[0] and "(None, 4)" in lines[0] and "Total params: 21" in lines[0]


def test_several_outputs_and_weights_of_samples():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    Y = np.stack([X[:, 0] + X[:, 1], X[:, 1] - X[:, 2]], axis=1)
    model = Sequential([Dense(16, "relu"), Dense(2)], rng=0)
    model.compile("adam", "mae", metrics=["mean_squared_error"])
    history = model.fit(X, Y, sample_weight=np.linspace(0.5, 1.5, 100)[:, None], epochs=20, verbose=0)
    assert history.history["mean_squared_error"][-1] < history.history["mean_squared_error"][0]


# -- images and signals ------------------------------------------------------------------------------------------------


def large_digits():
    """The bundled digits as images of 28 x 28 pixels, numbers from 0 to 1."""
    X, y = digits()
    return np.pad(np.kron(X.reshape(-1, 8, 8), np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))[..., None] / 16, y


def test_the_convolutional_network_of_the_notes(capsys):
    X_train, X_test, y_train, y_test = split(*large_digits())
    cnn = Sequential(
        [
            Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D(pool_size=(2, 2)),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ]
    )
    cnn.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    cnn.summary()
    shown = capsys.readouterr().out
    for text in ("(None, 26, 26, 32)", "(None, 13, 13, 32)", "(None, 5408)", "346,176", "347,146"):
        assert text in shown
    history = cnn.fit(X_train, to_categorical(y_train), epochs=4, batch_size=32, validation_split=0.1, verbose=0)
    assert history.history["accuracy"][-1] > history.history["accuracy"][0]
    loss, accuracy = cnn.evaluate(X_test, to_categorical(y_test), verbose=0)
    assert accuracy > 0.9 and loss < 0.4
    assert cnn.predict(X_test[:3], verbose=0).shape == (3, 10)


def test_a_deeper_network_with_normalization_and_dropout():
    X_train, X_test, y_train, y_test = split(*large_digits())
    model = Sequential(rng=0)
    model.add(Input(shape=(28, 28, 1)))
    for filters in (4, 8):
        model.add(Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
        model.add(BatchNormalization(momentum=0.9))
        model.add(Activation("relu"))
        model.add(MaxPooling2D())
        model.add(SpatialDropout2D(0.1))
    model.add(Flatten())
    model.add(Dropout(0.1))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer=Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X_train, y_train, epochs=3, batch_size=64, verbose=0)
    assert model.evaluate(X_test, y_test, verbose=0)[1] > 0.85


def test_frozen_filters_are_fine_tuned():
    X_train, X_test, y_train, y_test = split(*large_digits())
    base = Sequential([Conv2D(8, 3, strides=2, activation="relu", input_shape=(28, 28, 1)), MaxPooling2D(), Flatten()])
    model = Sequential([*base.layers, Dense(2, activation="softmax")], rng=0)
    model.layers[0].trainable = False
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.layers[0].get_weights()
    model.fit(X_train, y_train % 2, epochs=5, verbose=0)
    assert all(np.array_equal(one, two) for one, two in zip(before, model.layers[0].get_weights(), strict=True))
    assert len(model.trainable_weights) == 2
    assert model.evaluate(X_test, y_test % 2, verbose=0)[1] > 0.75


def test_a_convolutional_autoencoder():
    X, _ = digits()
    images = X.reshape(-1, 8, 8, 1) / 16
    model = Sequential(
        [
            Conv2D(8, 3, strides=2, padding="same", activation="relu", input_shape=(8, 8, 1)),
            Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
            Conv2D(1, 3, padding="same", activation="sigmoid"),
        ],
        rng=0,
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(images, images, epochs=15, verbose=0)
    decoded = model.predict(images, verbose=0)
    assert decoded.shape == images.shape
    assert np.square(decoded - images).mean() < 0.25 * images.var()


def test_signals_with_causal_convolutions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 40, 1))
    y = (x[:, 3:, 0] + x[:, :-3, 0]).max(axis=1) > 3.0
    model = Sequential(
        [
            Conv1D(8, 4, padding="causal", activation="relu", input_shape=(40, 1)),
            GlobalMaxPooling1D(),
            Dense(1, activation="sigmoid"),
        ],
        rng=0,
    )
    model.compile(optimizer=Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(x[:300], y[:300], epochs=60, verbose=0)
    assert model.evaluate(x[300:], y[300:], verbose=0)[1] > 0.85
