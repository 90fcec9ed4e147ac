"""The loop itself: validation splits, class weights, samplers, steps, augmentation, the best of several starts."""

import pickle

import numpy as np
import pytest
from numerics import compare, computed_by

import fastnn
from fastnn import DivergenceError, optimizers, schedules
from fastnn.augmentation import ImageAugmentation
from fastnn.basics import backend, counter
from fastnn.callbacks import Callback, EarlyStopping, LambdaCallback, ReduceLROnPlateau, TerminateOnNaN
from fastnn.data import split_rows
from fastnn.layers import Dense, Flatten, Input
from fastnn.training import evaluation, feeds, pace
from fastnn.training.feeds import SPLIT_STREAM, Data
from fastnn.training.run import Run

ENGINES = ["compiled", "reference"]
SPARSE = "sparse_categorical_crossentropy"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.arange(60) % 3
Y = RNG.normal(size=(60, 2))


def regressor(engine="compiled", optimizer="adam", seed=0):
    model = fastnn.Sequential([Input(4), Dense(7, "tanh"), Dense(2)], rng=seed, dtype="float64", engine=engine)
    model.compile(optimizer, "mse")
    return model


def classifier(loss=SPARSE, outputs=3, engine="compiled", metrics=()):
    activation = "sigmoid" if loss.startswith("binary") else "softmax"
    layers = [Input(4), Dense(7, "tanh"), Dense(outputs, activation)]
    model = fastnn.Sequential(layers, rng=0, dtype="float64", engine=engine)
    model.compile("adam", loss, list(metrics))
    return model


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def unchanged(model, error, match, *arguments, **named):
    """fit refuses, and neither weights, nor history, nor the order of the next epoch are others."""
    before = (model.arena.copy(), model.history, model.network.epochs, model.iterations)
    with pytest.raises(error, match=match):
        model.fit(*arguments, **named)
    assert np.array_equal(model.arena, before[0])
    assert (model.history, model.network.epochs, model.iterations) == before[1:]


# -- batch sizes -------------------------------------------------------------------------------------------------------


def test_all_is_one_step_an_epoch():
    a, b = regressor(), regressor()
    assert a.fit(X, Y, batch_size="all", epochs=3).history == b.fit(X, Y, batch_size=60, epochs=3).history
    assert same(a, b) and a.iterations == 3


def test_all_counts_the_training_rows_of_a_split():
    model = regressor()
    model.fit(X, Y, batch_size="all", epochs=2, validation_split=0.5)
    assert model.iterations == 2


# -- validation_split --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 10, 101])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("classes", [None, 1, 2, 5])
def test_split_rows(n, share, classes):
    shuffled = counter.permutation(3, SPLIT_STREAM, n)
    labels = None if classes is None else np.random.default_rng(n).integers(0, classes, n)
    held = round(n * share)
    if not 0 < held < n:
        with pytest.raises(ValueError, match=rf"validation_split={share} of {n} rows leaves"):
            split_rows(share, shuffled, labels)
        return
    train, test = split_rows(share, shuffled, labels)
    assert len(test) == held and sorted([*train, *test]) == list(range(n))
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
    for label in range(classes or 0):
        count = (labels == label).sum()
        assert abs((labels[test] == label).sum() - count * held / n) <= 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", [SPARSE, "categorical_crossentropy", "binary_crossentropy"])
def test_a_split_is_stratified_and_shares_the_arrays(loss, engine):
    outputs = 1 if loss.startswith("binary") else 3
    labels = np.repeat([0, 1], [50, 10]) if outputs == 1 else np.repeat([0, 1, 2], [40, 15, 5])
    y = np.eye(3)[labels] if loss == "categorical_crossentropy" else labels
    model = classifier(loss, outputs, engine)
    run = Run(model, X, y, validation_split=0.2)
    train, held = run.feed.data, run.validation
    assert np.shares_memory(train.x.array, X) and held.x is train.x
    assert len(train) == 48 and len(held) == 12
    assert np.bincount(labels[held.rows]).tolist() == [10, 2] if outputs == 1 else [8, 3, 1]
    again = Run(model, X, y, validation_split=0.2)
    assert np.array_equal(again.validation.rows, held.rows)  # so that a second fit does not train on what it validates


@pytest.mark.parametrize("engine", ENGINES)
def test_a_split_is_as_good_as_two_arrays(engine, monkeypatch):
    monkeypatch.setattr(pace, "RECORDED", 30)  # several pieces
    weights = RNG.random(60)
    model = classifier(engine=engine, metrics=["accuracy"])
    run = Run(model, X, LABELS, validation_split=0.3, sample_weight=weights)
    held = run.validation.rows
    history = model.fit(X, LABELS, batch_size=4, epochs=3, validation_split=0.3, sample_weight=weights).history
    loss, accuracy = model.evaluate(X[held], LABELS[held], sample_weight=weights[held])
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-12) and history["val_accuracy"][-1] == accuracy


def test_the_held_rows_are_not_trained_on():
    model, twin = regressor(), regressor()
    held = Run(model, X, Y, validation_split=0.3).validation.rows
    other_x, other_y = X.copy(), Y.copy()
    other_x[held], other_y[held] = 1e3, -1e3
    a = model.fit(X, Y, epochs=3, validation_split=0.3).history
    b = twin.fit(other_x, other_y, epochs=3, validation_split=0.3).history
    assert same(model, twin) and a["loss"] == b["loss"] and a["val_loss"] != b["val_loss"]


@pytest.mark.parametrize("share", [1.0, -0.1, 1.5, "0.2", True, np.nan])
def test_bad_splits(share):
    unchanged(
        regressor(), ValueError, "validation_split must be a number from 0 to below 1", X, Y, validation_split=share
    )


def test_split_and_data():
    data = (X, Y)
    unchanged(
        regressor(), ValueError, "validation_data or validation_split", X, Y, validation_split=0.5, validation_data=data
    )


# -- which epochs and how much of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("freq", "count"), [(1, 5), (2, 2), (5, 1), (7, 0), ([1, 4], 2), ({2}, 1)])
def test_validation_freq(freq, count):
    history = regressor().fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=freq).history
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == count


def test_validation_steps():
    model = regressor()
    history = model.fit(X, Y, validation_data=(X, Y), validation_steps=3, validation_batch_size=7).history
    assert history["val_loss"] == [pytest.approx(model.evaluate(X[:21], Y[:21]), rel=1e-12)]
    assert model.evaluate(X, Y, batch_size=7, steps=3) == pytest.approx(history["val_loss"][0], rel=1e-12)


def test_initial_epoch():
    seen = []
    note = LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    history = regressor().fit(X, Y, epochs=5, initial_epoch=3, callbacks=[note])
    assert history.epoch == seen == [3, 4]
    assert regressor().fit(X, Y, epochs=5, initial_epoch=5).epoch == []


@pytest.mark.parametrize("name", ["steps_per_epoch", "validation_steps", "validation_batch_size", "validation_freq"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_bad_counts(name, value, error):
    unchanged(regressor(), error, f"{name} must be", X, Y, validation_data=(X, Y), **{name: value})


@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_bad_initial_epoch(value, error):
    unchanged(regressor(), error, "initial_epoch must be", X, Y, initial_epoch=value)


def test_steps_per_epoch_go_on_where_the_last_epoch_ended():
    a, b = regressor(), regressor()
    losses = a.fit(X, Y, batch_size=10, epochs=4, steps_per_epoch=3).history["loss"]
    whole = b.fit(X, Y, batch_size=10, epochs=2).history["loss"]
    assert same(a, b) and a.iterations == 12
    np.testing.assert_allclose([np.mean(losses[:2]), np.mean(losses[2:])], whole, rtol=1e-12)


def test_steps_per_epoch_beyond_one_pass():
    model = regressor()
    model.fit(X, Y, batch_size=25, steps_per_epoch=10)
    assert model.iterations == 10  # of 25 rows each, over the ends of the passes


# -- class_weight ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", [SPARSE, "categorical_crossentropy", "binary_crossentropy"])
def test_class_weights_are_sample_weights(loss, engine):
    outputs = 1 if loss.startswith("binary") else 3
    labels = LABELS % 2 if outputs == 1 else LABELS
    y = np.eye(3)[labels] if loss == "categorical_crossentropy" else labels
    own = RNG.random(60)
    a, b = (classifier(loss, outputs, engine) for _ in range(2))
    a.fit(X, y, epochs=2, class_weight={0: 0.5, 1: 3}, sample_weight=own)
    b.fit(X, y, epochs=2, sample_weight=own * np.array([0.5, 3, 1])[labels])
    assert same(a, b)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ({3: 1.0}, ValueError, "class_weight has the label 3, expected one of 0, 1, 2"),
        ({"a": 1.0}, ValueError, "class_weight has the label 'a'"),
        ({0: -1.0}, ValueError, r"class_weight\[0\] must be a finite number of 0 or more, got -1"),
        ({0: np.nan}, ValueError, r"class_weight\[0\]"),
        ({0: "2"}, ValueError, r"class_weight\[0\]"),
        ([1, 2, 3], TypeError, "class_weight must be a dict label -> factor"),
    ],
)
def test_bad_class_weights(value, error, match):
    unchanged(classifier(), error, match, X, LABELS, class_weight=value)


def test_class_weights_need_classes():
    unchanged(regressor(), ValueError, "class_weight needs classes in y", X, Y, class_weight={0: 1.0})
    soft = np.full((60, 3), 1 / 3)
    model = classifier("categorical_crossentropy")
    unchanged(model, ValueError, "class_weight needs classes in y", X, soft, class_weight={0: 1.0})


# -- sampler -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sampler_decides_the_order(engine):
    order = np.array([5, 5, 3, 59, 0, 1, 2])
    a, b = regressor(engine), regressor(engine)
    a.fit(X, Y, batch_size=3, sampler=lambda epoch, rng: order)
    b.fit(X[order], Y[order], batch_size=3, shuffle=False)
    assert same(a, b) and a.iterations == 3


def test_a_sampler_has_the_epoch_and_a_generator_of_its_own():
    def run(seed):
        calls = []

        def sampler(epoch, rng):
            calls.append((epoch, rng.integers(1 << 60)))
            return [0]

        regressor(seed=seed).fit(X, Y, epochs=3, sampler=sampler)
        return calls

    first = run(0)
    assert first == run(0) and [epoch for epoch, _ in first] == [0, 1, 2]
    assert len({number for _, number in first + run(1)}) == 6


@pytest.mark.parametrize(
    ("order", "match"),
    [
        ([60], "row numbers from 60 to 60, expected 0 to 59"),
        ([-1, 3], "row numbers from -1 to 3"),
        ([], "at least one row number"),
        ([0.0, 1.0], "at least one row number.*float64"),
        ([[0, 1]], "at least one row number.*shape"),
        ([True], "at least one row number.*bool"),
    ],
)
def test_bad_orders(order, match):
    model = regressor()
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        model.fit(X, Y, sampler=lambda epoch, rng: order)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("other", [{"steps_per_epoch": 2}, {"validation_split": 0.5}])
def test_a_sampler_alone(other):
    unchanged(regressor(), ValueError, f"sampler.*{next(iter(other))}", X, Y, sampler=lambda epoch, rng: [0], **other)
    unchanged(regressor(), TypeError, "sampler must be a function", X, Y, sampler=[0, 1])


# -- sums --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_slices_of_one_step_change_nothing(engine):
    """A callback for each batch: the same weights and, to the last bit, the same history."""
    a, b = classifier(engine=engine, metrics=["accuracy"]), classifier(engine=engine, metrics=["accuracy"])
    each = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    first = a.fit(X, LABELS, batch_size=7, epochs=3).history
    assert first == b.fit(X, LABELS, batch_size=7, epochs=3, callbacks=[each]).history and same(a, b)


# -- augmentation ------------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(1).random((20, 8, 6), dtype=np.float32)
CLASSES = np.arange(20) % 3


def image_model(loss=SPARSE, shape=(8, 6), engine="compiled"):
    layers = [Input(shape), *([Flatten()] if len(shape) > 1 else []), Dense(3, "softmax")]
    model = fastnn.Sequential(layers, rng=0, engine=engine)
    model.compile("sgd", loss)
    return model


def test_augmentation_that_does_nothing_changes_nothing():
    a, b = image_model(), image_model()
    first = a.fit(IMAGES, CLASSES, batch_size=6, epochs=3, augmentation=ImageAugmentation()).history
    assert first == b.fit(IMAGES, CLASSES, batch_size=6, epochs=3).history and same(a, b)


def changed(augmentation, first=0, count=20, step=0, loss=SPARSE, y=CLASSES):
    model = image_model(loss)
    data = Data.check(model.door, IMAGES, y, None).take(np.arange(first, first + count))
    return feeds.augmented(data, augmentation, model.network, step, first)


FULL = ImageAugmentation(True, True, rotation=20, shift=(1, 2), noise=0.1)


def test_augmentation_does_not_depend_on_batches():
    whole = changed(FULL).x.array
    parts = [changed(FULL, first, 4).x.array for first in range(0, 20, 4)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(changed(FULL, step=1).x.array, whole)
    assert not np.array_equal(whole, IMAGES)


def augmented_model(dtype="float32", engine="compiled", optimizer="adam", shape=(8, 3, 2)):
    layers = [Input(shape), Flatten(), Dense(9, "tanh"), Dense(3, "softmax")]
    model = fastnn.Sequential(layers, rng=2, dtype=dtype, engine=engine)
    model.compile(optimizer, SPARSE, ["accuracy"])
    return model


@pytest.mark.parametrize("numbers", ["uint8", "float32"])
def test_all_engines_augment_alike(dtype, numbers):
    """Twelve steps on coloured images of any number type; noise and all."""
    images = (255 * IMAGES if numbers == "uint8" else IMAGES).astype(numbers).reshape(20, 8, 3, 2)

    def run(engine):
        optimizer = optimizers.SGD(1e-5 if numbers == "uint8" else 0.1)
        with computed_by(engine):
            model = augmented_model(dtype, optimizer=optimizer)
            history = model.fit(images, CLASSES, 6, epochs=3, augmentation=FULL).history
        return [np.array(history["loss"]), *model.get_weights()]

    compare(run, dtype)


@pytest.mark.parametrize("engine", ENGINES)
def test_augmentation_does_not_depend_on_slices_threads_or_resuming(monkeypatch, engine):
    images = IMAGES.reshape(20, 8, 3, 2)
    whole = augmented_model(engine=engine)
    expected = whole.fit(images, CLASSES, 6, epochs=4, augmentation=FULL).history

    sliced = augmented_model(engine=engine)
    with monkeypatch.context() as patch:
        patch.setattr(pace, "SLICE", 1e-9)
        assert sliced.fit(images, CLASSES, 6, epochs=4, augmentation=FULL).history == expected and same(sliced, whole)

    threads = fastnn.get_num_threads()
    with monkeypatch.context() as patch:
        patch.setattr(backend, "FLOPS_PER_THREAD", 1)
        for count in (2, 5):
            team = augmented_model(engine=engine)
            fastnn.set_num_threads(count)
            team.engine.long_step = 0.0  # looks for Ctrl-C while it gathers
            found = team.fit(images, CLASSES, 6, epochs=4, augmentation=FULL).history
            fastnn.set_num_threads(threads)
            assert found == expected and same(team, whole)

    parts = augmented_model(engine=engine)
    parts.fit(images, CLASSES, 6, epochs=2, augmentation=FULL)
    parts = pickle.loads(pickle.dumps(parts))
    parts.fit(images, CLASSES, 6, epochs=2, augmentation=FULL)
    assert same(parts, whole)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_and_batches_are_augmented_alike(engine):
    """Gathered by the engine, or changed by NumPy where batches are given."""
    rows, batches = (augmented_model("float64", engine, shape=(8, 6)) for _ in range(2))
    rows.fit(IMAGES, CLASSES, 6, epochs=2, shuffle=False, augmentation=FULL)
    given = [(IMAGES[first : first + 6], CLASSES[first : first + 6]) for first in range(0, 20, 6)]
    batches.fit(given, epochs=2, shuffle=False, augmentation=FULL)
    for weights in zip(rows.get_weights(), batches.get_weights(), strict=True):
        np.testing.assert_allclose(*weights, atol=1e-12)


def test_a_class_of_the_users_own_is_called():
    class Dark(ImageAugmentation):
        def change(self, images, words):
            return 0 * images

    dark, black = image_model(), image_model()
    first = dark.fit(IMAGES, CLASSES, batch_size=6, augmentation=Dark()).history["loss"]
    assert first == black.fit(0 * IMAGES, CLASSES, batch_size=6).history["loss"] and same(dark, black)


def test_flips_mirror_about_half():
    many = np.repeat(IMAGES[:1, ..., None], 1000, axis=0)
    words = np.random.default_rng(0).random((1000, 8))
    out = ImageAugmentation(flip_horizontal=True).change(many, words)
    mirrored = (out == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((out == many).all(axis=(1, 2, 3)) ^ mirrored).all() and 430 < mirrored.sum() < 570
    up = ImageAugmentation(flip_vertical=True).change(many, np.zeros((1000, 8)))
    assert np.array_equal(up, many[:, ::-1])


def test_whole_shifts_and_right_angles_are_exact():
    square = IMAGES[:, :6, :, None].astype(np.float64)
    words = np.full((20, 8), 1.0)  # the largest angle and shift
    down = ImageAugmentation(shift=(2, 0)).change(square, words)
    np.testing.assert_allclose(down[:, 2:], square[:, :-2])
    np.testing.assert_allclose(down[:, :2], square[:, [0, 0]])  # the edge goes on
    turned = ImageAugmentation(rotation=90).change(square, words)
    options = [np.rot90(square, k, axes=(1, 2)) for k in (1, 3)]
    assert any(np.allclose(turned, option) for option in options)
    half = ImageAugmentation(shift=(0, 0.5)).change(square, words)
    np.testing.assert_allclose(half[:, :, 1:], (square[:, :, 1:] + square[:, :, :-1]) / 2)


def test_noise_has_its_deviation():
    noise = changed(ImageAugmentation(noise=0.3)).x.array - IMAGES
    assert abs(noise.std() - 0.3) < 0.02 and abs(noise.mean()) < 0.03


def test_mixup_mixes_images_and_targets_alike():
    one_hot = np.eye(20)[:, :3]
    one_hot[:, 2] = 1 - one_hot[:, 0] - one_hot[:, 1]
    out = changed(ImageAugmentation(mixup=1.0), loss="categorical_crossentropy", y=one_hot)
    np.testing.assert_allclose(out.y.array.sum(axis=1), 1, rtol=1e-6)
    assert not np.array_equal(out.x.array, IMAGES)
    share = out.y.array[0, 0]  # only row 0 has class 0
    difference = out.x.array[0] - share * IMAGES[0]
    others = difference / (1 - share) if share < 1 else IMAGES[0]
    assert min(np.abs(others - image).max() for image in IMAGES) < 1e-3


def test_mixup_needs_probabilities():
    model = image_model()
    unchanged(model, ValueError, "mixup.*labels.*categorical", IMAGES, CLASSES, augmentation=ImageAugmentation(mixup=1))


def test_augmentation_of_flat_and_of_coloured_images():
    flat = image_model(shape=(48,))
    flat.fit(IMAGES.reshape(20, 48), CLASSES, augmentation=ImageAugmentation(rotation=5, shape=(8, 6)))
    unchanged(
        flat,
        ValueError,
        "give shape|or shape=",
        IMAGES.reshape(20, 48),
        CLASSES,
        augmentation=ImageAugmentation(rotation=5),
    )
    coloured = image_model(shape=(8, 3, 2))
    coloured.fit(IMAGES.reshape(20, 8, 3, 2), CLASSES, augmentation=FULL)
    unchanged(coloured, TypeError, "augmentation must be", IMAGES.reshape(20, 8, 3, 2), CLASSES, augmentation="flip")


@pytest.mark.parametrize(
    "bad", [{"rotation": -1}, {"noise": np.nan}, {"mixup": "1"}, {"shift": 2}, {"shift": (1, -1)}, {"shape": (0, 3)}]
)
def test_bad_augmentation(bad):
    with pytest.raises(
        TypeError if "mixup" in bad else ValueError, match=f"ImageAugmentation: {next(iter(bad))} must be"
    ):
        ImageAugmentation(**bad)


@pytest.mark.parametrize("engine", ENGINES)
def test_augmented_training_learns(engine):
    X, y = fastnn.datasets.digits()
    model = fastnn.Sequential([Input(64), Dense(32, "relu"), Dense(10, "softmax")], rng=0, engine=engine)
    model.compile(optimizers.Adam(0.01), "categorical_crossentropy", ["accuracy"])
    augmentation = ImageAugmentation(rotation=10, shift=(1, 1), noise=0.05, mixup=0.2, shape=(8, 8))
    targets = np.eye(10)[y]
    model.fit(X[:600], targets[:600], epochs=20, augmentation=augmentation)
    assert model.evaluate(X[1000:], targets[1000:])[1] > 0.8


# -- the best of several starts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("validation", [{}, {"validation_data": (X[:20], Y[:20])}, {"validation_split": 0.3}])
def test_best_of_keeps_the_best(validation):
    model = regressor()
    finals = []
    note = LambdaCallback(on_train_end=lambda logs: finals.append(logs["val_loss" if validation else "loss"]))
    history = model.fit_best_of(4, X, Y, epochs=6, callbacks=[note], **validation)
    assert len(finals) == 4 and len(set(finals)) == 4
    assert model.history is history and history.history["val_loss" if validation else "loss"][-1] in finals
    if validation:
        assert history.history["val_loss"][-1] == min(finals)
    if "validation_data" in validation:
        assert model.evaluate(X[:20], Y[:20]) == pytest.approx(min(finals), rel=1e-12)
    assert model.iterations == 6 * (-(-42 // 32) if "validation_split" in validation else 2)


def test_best_of_one_is_a_fit_from_fresh_weights():
    model, twin = regressor(), regressor()
    model.fit_best_of(1, X, Y, epochs=2)
    twin.start_anew()
    twin.fit(X, Y, epochs=2)
    assert same(model, twin)


def test_best_of_starts_with_the_rate_that_was_given():
    rates = []
    note = LambdaCallback(on_train_begin=lambda logs: rates.append(model.optimizer.learning_rate))
    plateau = ReduceLROnPlateau("loss", patience=0, min_delta=1e9)
    model = regressor()
    model.fit_best_of(3, X, Y, epochs=4, callbacks=[note, plateau])
    assert rates == [0.001] * 3


def test_best_of_survives_starts_that_diverge():
    model = regressor(optimizer=optimizers.SGD(0.1))
    starts = []

    class Spoil(Callback):
        def on_train_begin(self, logs=None):
            starts.append(0)
            if len(starts) != 2:
                model.optimizer.learning_rate = 1e300

    history = model.fit_best_of(3, X, Y, epochs=3, callbacks=[Spoil()])
    assert len(starts) == 3 and np.isfinite(history.history["loss"]).all() and np.isfinite(model.predict(X)).all()
    with pytest.raises(DivergenceError):
        regressor(optimizer=optimizers.SGD(1e300)).fit_best_of(2, X, Y, epochs=3)


def test_best_of_interrupted_keeps_the_best_so_far():
    model = regressor()
    calls = []

    def interrupt(epoch, logs):
        calls.append(epoch)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit_best_of(3, X, Y, epochs=4, callbacks=[LambdaCallback(on_epoch_end=interrupt)])
    assert model.history.epoch == [0, 1, 2, 3] and model.iterations == 8


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (1.5, TypeError)])
def test_bad_k(k, error):
    model = regressor()
    before = model.get_weights()
    with pytest.raises(error, match="k must be"):
        model.fit_best_of(k, X, Y)
    with pytest.raises(ValueError, match="generator can be read once"):
        model.fit_best_of(2, iter([(X, Y)]))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_early_stopping_within_best_of():
    model = regressor()
    stop = EarlyStopping(patience=2)
    history = model.fit_best_of(2, X, Y, epochs=30, validation_split=0.3, callbacks=[stop])
    held = Run(model, X, Y, validation_split=0.3).validation
    score = evaluation.evaluate(model.network, model.metrics, held, 32)["loss"]
    assert score == pytest.approx(min(history.history["val_loss"]), rel=1e-12)


# -- what callbacks may do ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [10**8, 3, -1])
def test_labels_that_change_during_a_fit_are_no_index(labels):
    """They were checked when it began. The loss becomes NaN, and the fit says so."""
    model, y = classifier(), LABELS.copy()

    def change(epoch, logs):
        y[5] = labels

    with pytest.raises(DivergenceError, match="epoch 2"):
        model.fit(X, y, epochs=3, callbacks=[LambdaCallback(on_epoch_end=change)])
    assert np.isfinite(model.predict(X)).all()


def test_the_order_of_a_sampler_is_the_fits_own():
    model, order = regressor(), np.arange(60)

    def spoil(batch, logs):
        order[:] = 10**9

    model.fit(X, Y, epochs=1, sampler=lambda epoch, rng: order, callbacks=[LambdaCallback(on_batch_end=spoil)])
    assert np.isfinite(model.predict(X)).all()


def test_a_sampler_of_more_rows_than_there_are_keeps_the_batch_size():
    model = regressor()
    model.fit(X[:10], Y[:10], batch_size=32, sampler=lambda epoch, rng: rng.integers(10, size=100))
    assert model.iterations == 4


def test_evaluate_inside_a_callback_leaves_the_epochs_metrics():
    def fit(*callbacks):
        model = classifier(metrics=["accuracy", "auc"])
        return model.fit(X, LABELS, batch_size=10, epochs=2, callbacks=list(callbacks)).history

    look = LambdaCallback(on_train_batch_end=lambda batch, logs: look.model.evaluate(X[:7], LABELS[:7]))
    assert fit(look) == fit()


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
def test_stop_training_before_the_first_step(hook):
    class Stop(Callback):
        pass

    def stop(self, *arguments):
        self.model.stop_training = True

    setattr(Stop, hook, stop)
    model = regressor()
    before = model.get_weights()
    assert model.fit(X, Y, epochs=3, callbacks=[Stop()]).epoch == []
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert len(model.fit(X, Y, epochs=3).epoch) == 3


def test_layers_cannot_be_added_during_a_fit():
    model = regressor()
    grow = LambdaCallback(on_epoch_end=lambda epoch, logs: model.add(Dense(2)))
    with pytest.raises(RuntimeError, match="being trained by the call that called this callback"):
        model.fit(X, Y, callbacks=[grow])
    assert len(model.layers) == 2


def test_no_step_leaves_no_average():
    """use_ema without a step: the average is still empty."""
    model = regressor(optimizer=optimizers.Adam(use_ema=True))
    before = model.get_weights()
    model.fit(X, Y, epochs=2, initial_epoch=2)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_validation_looks_at_the_averaged_weights():
    model = regressor(optimizer=optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9))
    history = model.fit(X, Y, epochs=4, validation_data=(X, Y)).history
    assert model.evaluate(X, Y) == pytest.approx(history["val_loss"][-1], rel=1e-12)
    raw = regressor(optimizer=optimizers.Adam(0.05))
    assert raw.fit(X, Y, epochs=4).history["loss"] == history["loss"]


# -- class weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh", "poisson", "quantile"])
def test_class_weights_for_losses_of_numbers(loss):
    y = (X[:, 0] > 0).astype(int)
    ends = []
    for given in ({"class_weight": {1: 5.0}}, {"sample_weight": np.where(y == 1, 5.0, 1.0)}):
        model = fastnn.Sequential([Input(4), Dense(1, "softplus")], rng=0, dtype="float64")
        model.compile("adam", loss)
        model.fit(X, y, epochs=2, **given)
        ends.append(model)
    assert same(*ends)


def test_class_weights_do_not_weigh_the_validation():
    y, factors = np.arange(60) % 3, {0: 9.0, 1: 4.0}
    found = []
    for given in ({}, {"class_weight": factors}):
        model = classifier()
        model.compile(optimizers.SGD(0.0), SPARSE)
        found.append(model.fit(X, y, validation_split=0.25, **given).history)
    assert found[0]["val_loss"] == found[1]["val_loss"] and found[0]["loss"] != found[1]["loss"]


def test_best_of_does_not_count_a_quiet_divergence():
    model = regressor(optimizer=optimizers.SGD(1e200))
    with pytest.raises(DivergenceError):
        model.fit_best_of(2, X, Y, epochs=3, callbacks=[TerminateOnNaN()])


def test_a_schedule_that_follows_the_loss_begins_anew_with_each_start():
    schedule, rates = schedules.Adaptive(0.5, patience=1, tol=10.0), []
    model = regressor(optimizer=optimizers.SGD(schedule))
    see = LambdaCallback(on_epoch_begin=lambda epoch, logs: rates.append(model.optimizer.learning_rate(0)))
    model.fit_best_of(3, X, Y, epochs=3, callbacks=[see])
    assert len(rates) == 9 and rates[0] == rates[3] == rates[6] == 0.5 and rates[2] < 0.5
    model.compile(model.optimizer, "mse")
    assert model.optimizer.learning_rate(0) == schedule(0) == 0.5


def test_lbfgs_is_no_optimizer_of_steps():
    with pytest.raises(ValueError, match="fit_lbfgs"):
        regressor(optimizer="lbfgs")
