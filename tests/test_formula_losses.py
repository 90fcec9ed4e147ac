"""Losses, metrics and schedules of the user's own, compiled: against the catalogue's and NumPy."""

import math

import numpy as np
import pytest
from formulas_of_tests import TYPES

import fastnn
from fastnn import formulas, losses, optimizers
from fastnn.layers import BatchNormalization, Dense, Dropout, Input

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.normal(size=(53, 5)), RNG.normal(size=(53, 3)), RNG.integers(3, size=53)
ONE_HOT = np.eye(3)[LABELS]
WEIGHTS = RNG.uniform(0.5, 2, size=53)


def squared(y, a):
    return (a - y) ** 2


def lopsided(y, a):
    """Too much costs three times as much as too little."""
    if a > y:
        return 3 * (a - y) ** 2
    return (a - y) ** 2


def lopsided_by_hand(y, a):
    values = np.where(a > y, 3.0, 1.0) * (a - y) ** 2
    return values.mean(axis=1), np.where(a > y, 6.0, 2.0) * (a - y) / a.shape[1]


def crossentropy(y, z):
    """Of logits and one-hot rows."""
    most = np.max(z)
    total = 0.0
    right = 0.0
    for k in range(len(z)):
        total += np.exp(z[k] - most)
        right += y[k] * z[k]
    return np.log(total) + most - right


def of_label(y, z):
    total = 0.0
    for k in range(len(z)):
        total += math.exp(z[k])
    return math.log(total) - picked(y, z)


def picked(y, z):
    found = 0.0
    for k in range(len(z)):
        if y[0] == k:
            found = z[k]
    return found


def make(loss, dtype="float64", engine="compiled", metrics=(), optimizer="adam", outputs=3):
    layers = [
        Input(5),
        Dense(19, "tanh", activity_regularizer="l1"),
        BatchNormalization(),
        Dropout(0.3),
        Dense(outputs),
    ]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(optimizer, loss, list(metrics))
    return model


def results_of(loss, y, dtype="float64", **settings):
    model = make(loss, dtype, **settings)
    history = model.fit(X, y, batch_size=20, epochs=4, sample_weight=WEIGHTS, validation_data=(X, y, WEIGHTS)).history
    return [*history.values(), model.evaluate(X, y), model.train_on_batch(X, y), *model.get_weights()]


def assert_same(results, others, dtype):
    for one, other in zip(results, others, strict=True):
        rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-10, 1e-12)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("own", "known", "y"),
    [
        (formulas.loss(squared), "mse", Y),
        (formulas.loss(squared, lambda y, a: 2 * (a - y)), "mse", Y),
        (formulas.loss(lopsided), lopsided_by_hand, Y),
        (formulas.row_loss(crossentropy), losses.CategoricalCrossentropy(from_logits=True), ONE_HOT),
        (formulas.row_loss(of_label, columns=1), losses.SparseCategoricalCrossentropy(from_logits=True), LABELS),
    ],
    ids=["squared", "given", "lopsided", "rows", "labels"],
)
def test_a_loss_trains_like_the_catalogues(own, known, y, dtype):
    """All that fit, evaluate and train_on_batch return; weights of samples, short batches, dropout, penalties."""
    model = make(own, dtype)
    assert not model.program.own_loss and model.program.loss_formula is not None
    assert_same(results_of(own, y, dtype), results_of(known, y, dtype), dtype)


@pytest.mark.parametrize("own", [formulas.loss(lopsided), formulas.row_loss(crossentropy)], ids=["numbers", "rows"])
def test_all_ways_to_run_a_loss_agree(own):
    y = ONE_HOT
    settings = {name: getattr(own, name) for name in own._fields}
    slow = formulas.OwnLoss(**settings | {"compiled": False})
    assert make(slow).program.own_loss
    results = [
        results_of(one, y, engine=engine) for one, engine in ((own, "compiled"), (own, "reference"), (slow, "compiled"))
    ]
    for other in results[1:]:
        assert_same(results[0][:-6], other[:-6], "float64")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("loss", [formulas.loss(lopsided), formulas.row_loss(crossentropy)], ids=["numbers", "rows"])
def test_threads_change_no_bit(loss, dtype):
    results = []
    before = fastnn.get_num_threads()
    for threads in (1, 2, 3):
        model = make(loss, dtype)
        try:
            fastnn.set_num_threads(threads)
            x, y = model.door.features(X), model.door.targets(ONE_HOT)
            scalars = model.optimizer.all_scalars(np.arange(1, 4)).astype(dtype)
            steps, outputs = np.empty(3), np.empty((53, 3), dtype)
            assert model.engine.run_steps(x, y, None, np.arange(53), 0, 3, 20, scalars, steps, outputs, 0, threads) == 3
            results.append([steps, outputs, *model.get_weights(), model.evaluate(X, ONE_HOT)])
        finally:
            fastnn.set_num_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("outputs", [1, 2, 8, 15, 16, 17, 40, 1500])
def test_the_mean_over_any_number_of_outputs(outputs):
    y = RNG.normal(size=(7, outputs))
    own, known = (make(one, outputs=outputs) for one in (formulas.loss(squared), "mse"))
    assert own.evaluate(X[:7], y) == pytest.approx(known.evaluate(X[:7], y), rel=1e-12)
    for model in (own, known):
        model.fit(X[:7], y)
    for one, other in zip(own.get_weights(), known.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_row_is_never_left():
    """What lies outside of a row is NaN, whichever index a formula asks for."""

    def outside(y, z):
        return z[10**6] + z[-(10**7)] + y[3]

    model = make(formulas.row_loss(outside, check=False))
    with pytest.raises(fastnn.DivergenceError, match="the loss became nan"):
        model.fit(X, Y)

    def last(y, z):
        return (z[-1] - y[-1]) ** 2 + np.sum(z) + np.mean(y) * np.min(z) + max(z) - min(y)

    np.testing.assert_allclose(
        make(formulas.row_loss(last)).evaluate(X, Y), make(formulas.row_loss(last), engine="reference").evaluate(X, Y)
    )


def test_a_wrong_derivative_is_told():
    message = r"loss 'squared' has a wrong derivative at y = -1.5, output = -5.9863: given -4.48\d*, expected -8.97"
    for compiled in (True, False):
        with pytest.raises(ValueError, match=message):
            make(formulas.loss(squared, lambda y, a: a - y, compiled=compiled))
    with pytest.raises(ValueError, match="loss 'crossentropy' has a wrong derivative by output 0 at y = "):
        make(formulas.row_loss(crossentropy, lambda y, z, k: z[k]))
    make(formulas.loss(squared, lambda y, a: a - y, check=False)).fit(X, Y)


def test_a_loss_that_is_not_finite_is_a_divergence():
    with pytest.raises(fastnn.DivergenceError, match="the loss became nan in epoch 1, step 1"):
        make(formulas.loss(lambda y, a: np.log(-1 - a * a), check=False)).fit(X, Y)


def test_small_epochs_run_many_at_a_time():
    from fastnn.callbacks.base import CallbackList, History
    from fastnn.training.run import Run

    metric = formulas.metric(squared)
    model = make(formulas.loss(squared), metrics=[metric], optimizer=optimizers.SGD(formulas.schedule(halved)))
    history = History()
    assert Run(model, X, Y).unheard(CallbackList([history], model, {"metrics": []}), history)


# -- metrics and schedules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [True, False])
def test_a_metric_of_numbers(compiled):
    model = make("mse", metrics=[formulas.metric(squared, compiled=compiled), formulas.metric(lopsided), "mse"])
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y)).history
    assert list(history)[:4] == ["loss", "squared", "lopsided", "mse"]
    assert history["squared"] == pytest.approx(history["mse"], rel=1e-12)
    found = model.evaluate(X, Y, return_dict=True)
    expected = lopsided_by_hand(Y, model.predict(X))[0].mean()
    assert found["lopsided"] == pytest.approx(expected) and found["squared"] == pytest.approx(found["mse"])


def halved(step):
    return 0.1 * 0.5 ** (step / 10)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_schedule_of_the_step(compiled):
    own = formulas.schedule(halved, compiled=compiled)
    np.testing.assert_allclose(own(np.arange(30)), [halved(t) for t in range(30)], rtol=1e-14)
    assert own(10) == pytest.approx(0.05) and own.settled
    results = [make("mse", optimizer=optimizers.SGD(one)).fit(X, Y, epochs=3).history["loss"] for one in (own, halved)]
    assert results[0] == pytest.approx(results[1], rel=1e-10)


def test_a_file_holds_names_and_no_code(tmp_path):
    path = tmp_path / "m.fastnn"
    optimizer = optimizers.SGD(formulas.schedule(halved))
    objects = {"lopsided": lopsided, "squared": squared, "halved": halved, "crossentropy": crossentropy}
    for loss in (formulas.loss(lopsided), formulas.row_loss(crossentropy)):
        model = make(loss, optimizer=optimizer, metrics=[formulas.metric(squared)])
        model.fit(X, ONE_HOT)
        model.save(path)
        with pytest.raises(ValueError, match="which is no part of fastnn; pass custom_objects="):
            fastnn.load(path)
        for given in (objects, objects | {"squared": formulas.metric(squared), loss.name: loss}):
            other = fastnn.load(path, given)
            assert other.evaluate(X, ONE_HOT) == model.evaluate(X, ONE_HOT)
            assert other.fit(X, ONE_HOT).history == make_again(model).fit(X, ONE_HOT).history


def make_again(model):
    import pickle

    return pickle.loads(pickle.dumps(model))
