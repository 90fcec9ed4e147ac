"""What the estimators have beyond scikit-learn's."""

import time

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.7", reason="the extra sklearn is not installed")
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

import fastnn  # noqa: E402
from fastnn import activations, losses, optimizers, schedules  # noqa: E402
from fastnn.callbacks import EarlyStopping, LambdaCallback  # noqa: E402
from fastnn.estimators import MLPClassifier, MLPRegressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


CANCER = load_breast_cancer(return_X_y=True)
CANCER = scaled(CANCER[0]), CANCER[1]
WINE = load_wine(return_X_y=True)
WINE = scaled(WINE[0]), WINE[1]
DIABETES = load_diabetes(return_X_y=True)
DIABETES = scaled(DIABETES[0]), scaled(DIABETES[1])


def classifier(**settings):
    return MLPClassifier(**{"hidden_layer_sizes": (8, 5), "random_state": 0, "max_iter": 30} | settings)


def regressor(**settings):
    return MLPRegressor(**{"hidden_layer_sizes": (8, 5), "random_state": 0, "max_iter": 30} | settings)


def test_class_weight_is_a_sample_weight():
    X, y = WINE
    rare = np.flatnonzero((y != 0) | (np.arange(len(y)) % 9 == 0))
    X, y = X[rare], y[rare]
    for given in ({0: 5.0, 1: 0.5}, "balanced"):
        weight = sklearn.utils.compute_sample_weight(given, y)
        one = classifier(class_weight=given).fit(X, y)
        other = classifier().fit(X, y, sample_weight=weight)
        assert one.loss_curve_ == other.loss_curve_
        both = classifier(class_weight=given, alpha=0.0).fit(X, y, sample_weight=np.full(len(y), 2.0))
        free = classifier(class_weight=given, alpha=0.0).fit(X, y)
        np.testing.assert_allclose(both.loss_curve_, free.loss_curve_, rtol=1e-9)
    plain = classifier().fit(X, y)
    assert (one.predict(X) == 0).sum() >= (plain.predict(X) == 0).sum()


@pytest.mark.parametrize(
    "name", [one.name for one in activations.ENTRIES if one.name not in ("softmax", "log_softmax", "step")]
)
def test_every_activation_by_name(name):
    model = classifier(activation=name, max_iter=3).fit(*CANCER)
    assert np.isfinite(model.loss_) and model.to_sequential().layers[1].activation.name == name


def test_activations_by_object_and_for_each_layer():
    one = classifier(activation=[activations.LeakyReLU(0.3), "tanh"]).fit(*CANCER)
    layers = one.to_sequential().layers
    assert layers[0].activation == activations.LeakyReLU(0.3) and layers[1].activation == activations.Tanh()
    same = classifier(activation="tanh").fit(*CANCER)
    assert classifier(activation=("tanh", "tanh")).fit(*CANCER).loss_curve_ == same.loss_curve_


@pytest.mark.parametrize("name", [one.name for one in optimizers.ENTRIES])
def test_every_optimizer_by_name_and_as_an_object(name):
    kind = next(one for one in optimizers.ENTRIES if one.name == name)
    assert classifier(solver=name).fit(*CANCER).loss_ < np.log(2)
    rate = 0.2 if name == "ftrl" else 0.002  # which forgets the starting weights in its first step
    model = classifier(solver=kind(learning_rate=rate, clipnorm=0.5)).fit(*CANCER)
    assert model.loss_ < model.loss_curve_[0]
    given = kind(learning_rate=0.5)
    assert classifier(solver=given, max_iter=1).fit(*CANCER)._optimizer is not given


def test_schedules_clipping_initializers_and_regularizers():
    falling = classifier(learning_rate=schedules.Cosine(0.01, 60), solver="sgd").fit(*CANCER)
    assert falling._optimizer.learning_rate == schedules.Cosine(0.01, 60)
    tiny = classifier(global_clipnorm=1e-9, solver="sgd").fit(*CANCER)
    assert np.ptp(tiny.loss_curve_) < 1e-6
    zeros = classifier(kernel_initializer="zeros", max_iter=1, solver="sgd", learning_rate_init=1e-9).fit(*CANCER)
    assert np.abs(zeros.coefs_[0]).max() < 1e-6 and zeros.loss_ == pytest.approx(np.log(2))
    lasso = classifier(alpha=30.0, l1_ratio=1.0, max_iter=200).fit(*CANCER)
    ridge = classifier(alpha=30.0, max_iter=200).fit(*CANCER)
    assert np.mean(np.abs(lasso.coefs_[0]) < 1e-3) > 2 * np.mean(np.abs(ridge.coefs_[0]) < 1e-3)
    n = len(CANCER[0])
    own = classifier(kernel_regularizer=fastnn.regularizers.L2(0.5 * 0.3 / n), batch_size=n).fit(*CANCER)
    assert own.loss_curve_ == pytest.approx(classifier(alpha=0.3, batch_size=n).fit(*CANCER).loss_curve_, rel=1e-12)


def test_losses_of_the_catalogue():
    for loss in (
        "binary_focal_crossentropy",
        "mse",
        "hinge",
        "squared_hinge",
        losses.BinaryCrossentropy(label_smoothing=0.1),
    ):
        model = classifier(loss=loss, max_iter=60).fit(*CANCER)
        assert model.score(*CANCER) > 0.9, loss
    for loss in ("categorical_focal_crossentropy", "categorical_crossentropy", "hinge", "kl_divergence"):
        model = classifier(loss=loss, max_iter=200, learning_rate_init=0.01).fit(*WINE)
        assert model.score(*WINE) > 0.9, loss
    margin = classifier(loss="hinge").fit(*CANCER)
    assert not hasattr(margin, "predict_proba") and roc_auc_score(CANCER[1], margin.decision_function(CANCER[0])) > 0.9
    assert not hasattr(classifier().fit(*CANCER), "decision_function")
    for loss in ("absolute_error", "huber", "log_cosh", losses.Huber(0.5)):
        model = regressor(loss=loss, max_iter=150).fit(*DIABETES)
        assert model.score(*DIABETES) > 0.3, loss

    def own(y, outputs):
        return 0.5 * ((outputs - y) ** 2).sum(axis=1), outputs - y

    same = regressor(loss=own, alpha=0.0).fit(*DIABETES)
    assert same.loss_curve_ == pytest.approx(regressor(alpha=0.0).fit(*DIABETES).loss_curve_, rel=1e-9)


def test_dropout_and_normalization():
    X, y = CANCER
    for settings in ({"dropout": 0.3}, {"dropout": [0.0, 0.5]}, {"batch_norm": True}, {"layer_norm": True}):
        model = classifier(**settings, max_iter=100).fit(X, y)
        assert model.score(X, y) > 0.9
        assert classifier(**settings, max_iter=100).fit(X, y).loss_curve_ == model.loss_curve_
        assert model.loss_curve_ != classifier(max_iter=100).fit(X, y).loss_curve_
        assert np.array_equal(
            model.predict_proba(X), model.to_sequential().predict(X).repeat(2, axis=1) * [-1, 1] + [1, 0]
        )
        before = model.predict_proba(X)
        assert len(model.coefs_) == 3  # asking for the weights changes nothing
        assert np.array_equal(model.predict_proba(X), before)
        model.partial_fit(X, y)


def test_validation_data_and_history():
    X, y = CANCER
    held = classifier(max_iter=12).fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    assert {name: len(values) for name, values in held.history_.items()} == {
        "loss": 12,
        "val_loss": 12,
        "val_score": 12,
    }
    assert held.history_["loss"] == held.loss_curve_ == classifier(max_iter=12).fit(X[:400], y[:400]).loss_curve_
    assert held.history_["val_score"][-1] == held.score(X[400:], y[400:])
    p = held.predict_proba(X[400:])[np.arange(len(X) - 400), y[400:]]
    assert held.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean(), rel=1e-9)
    weight = np.random.default_rng(0).random(len(X) - 400)
    weighed = classifier(max_iter=12).fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:], sample_weight_val=weight)
    assert weighed.validation_loss_curve_[-1] == pytest.approx(np.average(-np.log(p), weights=weight), rel=1e-9)
    with pytest.raises(ValueError, match="X_val and y_val belong together"):
        classifier().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="lbfgs has none"):
        classifier(solver="lbfgs").fit(X, y, X_val=X, y_val=y)


@pytest.mark.parametrize(
    "scoring", ["loss", "roc_auc", "neg_log_loss", "f1", fastnn.metrics.AUC(), lambda model, X, y: model.score(X, y)]
)
def test_early_stopping_on_any_score_gives_the_best_weights(scoring):
    X, y = CANCER
    model = classifier(early_stopping=True, scoring=scoring, max_iter=60, n_iter_no_change=3, learning_rate_init=0.05)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    scores = model.validation_scores_
    assert model.n_iter_ < 60 and model.best_validation_score_ == max(scores)
    if scoring == "loss":
        p = model.predict_proba(X[300:])[np.arange(len(X) - 300), y[300:]]
        assert -max(scores) == pytest.approx(-np.log(p).mean(), rel=1e-9)
    if scoring == "roc_auc":
        assert max(scores) == pytest.approx(roc_auc_score(y[300:], model.predict_proba(X[300:])[:, 1]))


def test_callbacks_of_fastnn():
    seen = []
    listen = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["loss"])))
    model = classifier(callbacks=[listen], max_iter=4).fit(*CANCER)
    assert (
        seen == list(enumerate(model.loss_curve_))
        and model.loss_curve_ == classifier(max_iter=4).fit(*CANCER).loss_curve_
    )
    X, y = CANCER
    stop = EarlyStopping(monitor="val_loss", patience=2)
    model = classifier(callbacks=[stop], max_iter=200, learning_rate_init=0.05).fit(
        X[:300], y[:300], X_val=X[300:], y_val=y[300:]
    )
    assert model.n_iter_ < 200
    p = model.predict_proba(X[300:])[np.arange(len(X) - 300), y[300:]]
    assert stop.best == pytest.approx(-np.log(p).mean(), rel=1e-9)
    batches = []
    classifier(
        callbacks=[LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))], max_iter=2
    ).fit(X, y)
    assert batches == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="callbacks need a solver of epochs"):
        classifier(callbacks=[listen], solver="lbfgs").fit(*CANCER)


def test_callbacks_of_scikit_learn():
    pytest.importorskip("sklearn.callback", reason="scikit-learn's callbacks came with 1.9")
    calls = []

    class Count:
        def setup(self, estimator, context):
            calls.append("setup")

        def teardown(self, estimator, context):
            calls.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            calls.append(context.task_name)

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch" and calls.count("epoch") == 3

    model = classifier(max_iter=20).set_callbacks(Count()).fit(*CANCER)
    assert model.n_iter_ == 3
    assert calls == ["setup", "fit", "epoch", "epoch", "epoch", "teardown"]


def test_max_seconds_and_threads():
    X, y = np.random.default_rng(0).normal(size=(2000, 50)), np.arange(2000) % 2
    began = time.monotonic()
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match=r"max_seconds=0\.2 reached"):
        model = classifier(max_seconds=0.2, max_iter=10**6, n_iter_no_change=10**6).fit(X, y)
    assert time.monotonic() - began < 5 and 1 <= model.n_iter_ < 10**6
    for threads in (1, 2):
        one = classifier(n_threads=threads, max_iter=5, hidden_layer_sizes=(100,)).fit(X, y)
        assert one.loss_curve_ == classifier(max_iter=5, hidden_layer_sizes=(100,)).fit(X, y).loss_curve_
        assert np.array_equal(one.predict_proba(X), one.set_params(n_threads=None).predict_proba(X))


def test_several_columns_of_classes():
    X, y = WINE
    both = np.column_stack([y, (X[:, 0] > 0).astype(int)])
    model = classifier(max_iter=300, learning_rate_init=0.01).fit(X, both)
    assert [one.tolist() for one in model.classes_] == [[0, 1, 2], [0, 1]]
    found = model.predict(X)
    assert found.shape == both.shape and (found == both).mean() > 0.95
    first, second = model.predict_proba(X)
    assert first.shape == (len(X), 3) and second.shape == (len(X), 2)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    names = np.array(["a", "b", "c"], dtype=object)[both]
    assert set(classifier(max_iter=2).fit(X, names).predict(X).ravel()) <= {"a", "b", "c"}
    expected = -np.log(first[np.arange(len(X)), both[:, 0]] * second[np.arange(len(X)), both[:, 1]]).mean()
    full = classifier(max_iter=1, batch_size=len(X), alpha=0.0, learning_rate_init=1e-12).fit(X, both)
    first, second = full.predict_proba(X)
    expected = -np.log(first[np.arange(len(X)), both[:, 0]] * second[np.arange(len(X)), both[:, 1]]).mean()
    assert full.loss_ == pytest.approx(expected, rel=1e-9)


def test_classes_that_come_later():
    X, y = WINE
    model = classifier(grow_classes=True, learning_rate_init=0.01)
    for _ in range(30):
        model.partial_fit(X[y == 1], y[y == 1])
    assert model.classes_.tolist() == [1]
    two = y < 2
    model.partial_fit(X[two], y[two], epochs=60)
    assert model.classes_.tolist() == [0, 1] and model.score(X[two], y[two]) > 0.95
    before = model.predict_proba(X[two])
    model._grow(y)
    after = model.predict_proba(X[two])
    np.testing.assert_allclose(after[:, 1] / after[:, 0], before[:, 1] / before[:, 0], rtol=1e-6)
    model.partial_fit(X, y, epochs=80)
    assert model.classes_.tolist() == [0, 1, 2] and model.score(X, y) > 0.95
    with pytest.raises(ValueError, match="has classes not in"):
        classifier().partial_fit(X[two], y[two], classes=[0, 1]).partial_fit(X, y)


def test_quantiles():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(1500, 1))
    y = X[:, 0] + rng.normal(size=1500) * 0.3
    model = regressor(loss="quantile", quantiles=[0.1, 0.5, 0.9], max_iter=150, learning_rate_init=0.01).fit(X, y)
    found = model.predict_quantiles(X)
    assert found.shape == (1500, 3) and np.array_equal(model.predict(X), found[:, 1])
    for level, column in zip((0.1, 0.5, 0.9), found.T, strict=True):
        assert (y < column).mean() == pytest.approx(level, abs=0.04)
    low, high = model.predict_interval(X)
    assert ((low <= y) & (y <= high)).mean() == pytest.approx(0.8, abs=0.05)
    assert np.array_equal(model.predict_interval(X, coverage=0.8)[0], low)
    with pytest.raises(ValueError, match="needs the quantiles"):
        model.predict_interval(X, coverage=0.5)
    two = regressor(loss="quantile", quantiles=[0.25, 0.75], max_iter=5).fit(X, np.column_stack([y, -y]))
    assert two.predict_quantiles(X).shape == (1500, 2, 2) and two.predict(X).shape == (1500, 2)
    assert not hasattr(regressor(max_iter=1).fit(X, y), "predict_quantiles")
    with pytest.raises(ValueError, match="needs loss='quantile'"):
        regressor(quantiles=[0.5]).fit(X, y)


@pytest.mark.parametrize("scale", [None, "standard", "robust"])
def test_mean_and_deviation(scale):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(1500, 1))
    y = 10 + 3 * (X[:, 0] + rng.normal(size=1500) * (0.2 + 0.2 * (X[:, 0] > 0)))
    given = y if scale else (y - 10) / 3
    model = regressor(loss="gaussian_nll", max_iter=200, learning_rate_init=0.01, scale=scale).fit(X, given)
    mean, deviation = model.predict(X, return_std=True)
    assert np.array_equal(model.predict(X), mean) and mean.shape == deviation.shape == (1500,)
    unit = 3 if scale else 1
    assert deviation[X[:, 0] < -0.1].mean() == pytest.approx(0.2 * unit, rel=0.15)
    assert deviation[X[:, 0] > 0.1].mean() == pytest.approx(0.4 * unit, rel=0.15)
    low, high = model.predict_interval(X)
    assert ((low <= given) & (given <= high)).mean() == pytest.approx(0.9, abs=0.04)
    with pytest.raises(ValueError, match="return_std needs"):
        regressor(max_iter=1).fit(X, y).predict(X, return_std=True)


def test_scaling_inside():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    for scale in ("standard", "robust"):
        model = regressor(scale=scale, max_iter=200).fit(X, y)
        assert model.score(X, y) > 0.4 and regressor(max_iter=200).fit(X, y).score(X, y) < model.score(X, y)
        model.partial_fit(X[:50], y[:50])
        assert (
            regressor(scale=scale, loss="quantile", quantiles=[0.2, 0.8], max_iter=100).fit(X, y).predict(X).std() > 20
        )
    by_hand = regressor(max_iter=20).fit(scaled(X), scaled(y))
    inside = regressor(max_iter=20, scale="standard").fit(X, y)
    np.testing.assert_allclose(inside.predict(X), by_hand.predict(scaled(X)) * y.std() + y.mean(), rtol=1e-9)
    held = regressor(scale="standard", max_iter=20, early_stopping=True).fit(X, y)
    assert len(held.validation_scores_) == held.n_iter_ and max(held.validation_scores_) > 0


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"activation": "tanh"},
        {"batch_norm": True, "activation": "silu"},
        {"layer_norm": True},
        {"dropout": 0.2},
        {"scale": "standard"},
    ],
)
def test_gradient_and_activations(settings):
    X, y = load_wine(return_X_y=True)
    X = X if "scale" in settings else WINE[0]
    model = classifier(**settings).fit(X, y)
    slope = model.gradient(X[:5])
    assert slope.shape == (5, 3, 13)
    for j in range(13):
        step = 1e-4 * X[:, j].std()
        move = np.zeros(13)
        move[j] = step
        expected = (model.predict_proba(X[:5] + move) - model.predict_proba(X[:5] - move)) / (2 * step)
        np.testing.assert_allclose(slope[:, :, j], expected, rtol=1e-4, atol=1e-6 / X[:, j].std())
    hidden = model.activations(X[:5])
    assert [one.shape for one in hidden] == [(5, 8), (5, 5)]
    z = hidden[-1] @ model.coefs_[-1] + model.intercepts_[-1]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(p / p.sum(axis=1, keepdims=True), model.predict_proba(X[:5]), rtol=1e-9)
    one = regressor().fit(*DIABETES)
    assert one.gradient(DIABETES[0][:4]).shape == (4, 10)


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(max_iter=5).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        from sklearn.model_selection import cross_validate

        found = cross_validate(model, *CANCER, cv=2, params={"sample_weight": np.ones(len(CANCER[1]))})
        assert len(found["test_score"]) == 2
        requests = model.get_metadata_routing().fit.requests
        assert {"sample_weight", "X_val", "y_val", "sample_weight_val"} <= set(requests)


def test_html_and_pictures():
    import matplotlib

    matplotlib.use("Agg")
    model = classifier(max_iter=5)
    assert "Network" not in model._repr_html_()
    html = model.fit(*CANCER)._repr_html_()
    assert "dense (Dense)" in html and "248" in html and "Param #" in html
    axes = model.plot_history()
    assert len(axes.lines) == 1


@pytest.mark.parametrize("kind", ["U3", "S3", "M8[D]"])
def test_targets_that_are_no_numbers(kind):
    y = np.arange(100, 130).astype("M8[D]" if kind == "M8[D]" else kind)
    with pytest.raises(
        TypeError, match=r"y must hold real numbers, got an array of dtype .*; encode it as numbers first"
    ):
        regressor().fit(np.ones((30, 2)), y)
