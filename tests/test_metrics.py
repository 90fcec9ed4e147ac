"""Metrics: values by hand, scikit-learn's values, exactness over pieces, names, and what compile must refuse."""

import copy

import numpy as np
import pytest
from numerics import eps

import fastnn
from fastnn import catalogue, losses, metrics
from fastnn.layers import Dense, Input
from fastnn.metrics import (
    AUC,
    F1,
    R2,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    LogLoss,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Precision,
    Recall,
    RootMeanSquaredError,
    TopKCategoricalAccuracy,
    confusion_matrix,
)

BINARY, MANY, LABELS_2, SEVERAL, NUMBERS = "one output", "classes", "two classes", "multi-label", "regression"
CASES = {  # metric, kind of data, the same from sklearn.metrics
    "accuracy": (Accuracy(), BINARY, lambda m, y, a: m.accuracy_score(y, a > 0.5)),
    "accuracy of classes": (Accuracy(), MANY, lambda m, y, a: m.accuracy_score(y, a.argmax(1))),
    "binary_accuracy": (BinaryAccuracy(threshold=0.3), BINARY, lambda m, y, a: m.accuracy_score(y, a > 0.3)),
    "top 1": (TopKCategoricalAccuracy(1), MANY, lambda m, y, a: m.accuracy_score(y, a.argmax(1))),
    "top 2": (TopKCategoricalAccuracy(2), MANY, lambda m, y, a: m.top_k_accuracy_score(y, a, k=2)),
    "top 3": (TopKCategoricalAccuracy(3), MANY, lambda m, y, a: m.top_k_accuracy_score(y, a, k=3)),
    "precision": (Precision(), BINARY, lambda m, y, a: m.precision_score(y, a > 0.5)),
    "precision at 0.8": (Precision(threshold=0.8), BINARY, lambda m, y, a: m.precision_score(y, a > 0.8)),
    "recall": (Recall(), BINARY, lambda m, y, a: m.recall_score(y, a > 0.5)),
    "f1": (F1(), BINARY, lambda m, y, a: m.f1_score(y, a > 0.5)),
    "f1 macro of one output": (F1("macro"), BINARY, lambda m, y, a: m.f1_score(y, a > 0.5, average="macro")),
    "f1 of two classes": (F1(), LABELS_2, lambda m, y, a: m.f1_score(y, a.argmax(1))),
    "f1 auto": (F1(), MANY, lambda m, y, a: m.f1_score(y, a.argmax(1), average="macro")),
    "auc": (AUC(), BINARY, lambda m, y, a: m.roc_auc_score(y, a[:, 0])),
    "auc of two classes": (AUC(), LABELS_2, lambda m, y, a: m.roc_auc_score(y, a[:, 1])),
    "auc of classes": (AUC(), MANY, lambda m, y, a: m.roc_auc_score(y, a, multi_class="ovr")),
    "auc of labels": (AUC(), SEVERAL, lambda m, y, a: m.roc_auc_score(y, a)),
    "log_loss": (LogLoss(), BINARY, lambda m, y, a: m.log_loss(y, a[:, 0])),
    "log_loss of classes": (LogLoss(), MANY, lambda m, y, a: m.log_loss(y, a)),
    "mse": (MeanSquaredError(), NUMBERS, lambda m, y, a: m.mean_squared_error(y, a)),
    "rmse": (RootMeanSquaredError(), NUMBERS, lambda m, y, a: np.sqrt(m.mean_squared_error(y, a))),
    "mae": (MeanAbsoluteError(), NUMBERS, lambda m, y, a: m.mean_absolute_error(y, a)),
    "r2": (R2(), NUMBERS, lambda m, y, a: m.r2_score(y, a)),
}
for kind, word in ((MANY, "classes"), (SEVERAL, "labels")):
    for average in ("macro", "micro", "weighted"):
        for entry in (Precision, Recall, F1):
            CASES[f"{entry.name} {average} of {word}"] = (
                entry(average),
                kind,
                lambda m, y, a, average=average, entry=entry: getattr(m, f"{entry.name}_score")(
                    y, a > 0.5 if y.ndim > 1 else a.argmax(1), average=average, zero_division=0
                ),
            )


def data(kind, rng, n=137):
    """Targets and outputs, with ties, and with a class (3) that is rare."""
    if kind == NUMBERS:
        y = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 1000, 5]
        return y, y + rng.normal(size=y.shape) * [0.5, 20, 0.01]
    if kind in (BINARY, SEVERAL):
        shape = (n, 1) if kind == BINARY else (n, 4)
        y = rng.integers(0, 2, shape)
        a = np.round(np.clip(0.3 * y + 0.7 * rng.random(shape), 0.01, 0.99), 2)
        return (y[:, 0], a) if kind == BINARY else (y, a)
    k = 2 if kind == LABELS_2 else 5
    a = rng.random((n, k)) ** 2 + 0.01
    y = np.where(rng.random(n) < 0.5, a.argmax(axis=1), rng.integers(0, k, n))
    a[:, -1] /= 4
    return y, a / a.sum(axis=1, keepdims=True)


def several(metric, kind):
    """Told that each output is an answer of its own, as compile does it."""
    if kind == SEVERAL:
        metric.prepare(losses.BinaryCrossentropy(), 4)
    return metric


def value(metric, y, a, pieces=1):
    """The metric after so many pieces, through one buffer that is used again."""
    metric.reset()
    y = np.asarray(y)
    buffer = np.empty_like(a)
    for rows in np.array_split(np.arange(len(a)), pieces):
        buffer[: len(rows)] = a[rows]
        metric.update(y[rows], buffer[: len(rows)], buffer[: len(rows)].argmax(axis=1))
        buffer[:] = np.nan
    result = metric.result()
    assert type(result) is float
    return result


@pytest.mark.parametrize("name", CASES)
def test_as_scikit_learn(name, rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    metric, kind, theirs = CASES[name]
    y, a = data(kind, rng)
    np.testing.assert_allclose(value(several(metric, kind), y, a), theirs(sklearn, y, a), rtol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_pieces_and_types_do_not_matter(name, rng):
    metric, kind, _ = CASES[name]
    y, a = data(kind, rng)
    several(metric, kind)
    whole = value(metric, y, a)
    for pieces in (2, 7, len(a)):
        np.testing.assert_allclose(value(metric, y, a, pieces), whole, rtol=1e-12)
    np.testing.assert_allclose(value(metric, y, a.astype(np.float32)), whole, rtol=1e-4)
    if kind != NUMBERS:
        np.testing.assert_allclose(value(metric, y.astype(np.float32), a), whole, rtol=1e-12)
        np.testing.assert_allclose(value(metric, y.astype(np.uint8), a), whole, rtol=1e-12)
    if kind in (MANY, LABELS_2):
        np.testing.assert_allclose(value(metric, np.eye(a.shape[1])[y], a), whole, rtol=1e-12)
        np.testing.assert_allclose(value(metric, y[:, None], a), whole, rtol=1e-12)


@pytest.mark.parametrize("entry", metrics.ENTRIES, ids=lambda entry: entry.name)
def test_nothing_seen_is_nan(entry):
    metric = entry()
    assert np.isnan(metric.result())
    elementwise = entry is BinaryAccuracy or issubclass(entry, (MeanSquaredError.__base__, R2))
    y, a = data(SEVERAL if elementwise else MANY, np.random.default_rng(0))
    value(metric, y, a)
    metric.reset()
    assert np.isnan(metric.result())


@pytest.mark.parametrize("name", CASES)
def test_a_shallow_copy_that_is_reset_leaves_the_first_alone(name, rng):
    metric, kind, _ = CASES[name]
    y, a = data(kind, rng)
    several(metric, kind)
    expected = value(metric, y, a)
    other = copy.copy(metric)
    other.reset()
    assert np.isnan(other.result())
    other.update(y[:20], a[:20], a[:20].argmax(axis=1))
    np.testing.assert_equal(metric.result(), expected)


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_counts_by_hand():
    """Outputs > 0.5: 1 1 1 0 0, true: 1 0 1 1 0. TP 2, FP 1, FN 1: precision 2/3, recall 2/3, F1 2/3."""
    y, a = [1, 0, 1, 1, 0], np.array([[0.9], [0.8], [0.7], [0.2], [0.1]])
    assert value(Precision(), y, a) == value(Recall(), y, a) == value(F1(), y, a) == pytest.approx(2 / 3)
    assert value(Precision(threshold=0.85), y, a) == 1 and value(Recall(threshold=0.85), y, a) == pytest.approx(1 / 3)
    assert value(Precision("micro"), y, a) == 3 / 5
    assert value(Recall("macro"), y, a) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_zero_over_zero_is_zero():
    y, a = [0, 0], np.array([[0.1], [0.2]])
    assert value(Precision(), y, a) == value(Recall(), y, a) == value(F1(), y, a) == 0


def test_a_class_that_never_occurs_does_not_count():
    a = np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0]])
    assert value(F1("macro"), [0, 1], a) == 1


def test_auc_by_hand():
    """Pairs (positive, negative): 0.9 > 0.8, 0.9 > 0.3, 0.3 < 0.8, 0.3 = 0.3: 2.5 of 4."""
    assert value(AUC(), [1, 0, 1, 0], np.array([[0.9], [0.8], [0.3], [0.3]])) == 2.5 / 4
    assert value(AUC(), [1, 1, 0, 0], np.array([[0.9], [0.8], [0.3], [0.1]])) == 1
    assert value(AUC(), [0, 1], np.array([[0.5], [0.5]])) == 0.5
    assert np.isnan(value(AUC(), [1, 1], np.array([[0.5], [0.6]])))
    assert np.isnan(value(AUC(), [1, 0], np.array([[0.5], [np.nan]])))


def test_auc_is_the_share_of_right_pairs(rng):
    y, a = rng.integers(0, 2, 80), rng.integers(0, 12, (80, 1)) / 12
    above, below = a[y == 1], a[y == 0].T
    assert value(AUC(), y, a) == pytest.approx(((above > below) + 0.5 * (above == below)).mean(), rel=1e-13)


def test_top_k_by_hand():
    a = np.array([[0.5, 0.3, 0.2, 0.0]] * 4)
    shares = [value(TopKCategoricalAccuracy(k), [0, 1, 2, 3], a) for k in (1, 2, 3, 4, 9)]
    assert shares == [0.25, 0.5, 0.75, 1, 1]
    assert value(TopKCategoricalAccuracy(1), [0, 1], np.array([[0.5, 0.5], [0.5, 0.5]])) == 1  # ties
    assert value(TopKCategoricalAccuracy(1), [0], np.array([[np.nan, 0.5]])) == 0


def test_log_loss_by_hand():
    assert value(LogLoss(), [1, 0], np.array([[0.5], [0.75]])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert value(LogLoss(), [1, 0], np.array([[0.5, 0.5], [0.25, 0.75]])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    soft = value(LogLoss(), [[0.5, 0.5]], np.array([[0.25, 0.75]]))
    assert soft == pytest.approx(-(np.log(0.25) + np.log(0.75)) / 2)
    assert value(LogLoss(), [1], np.array([[0.0]])) == pytest.approx(-np.log(np.finfo(float).eps))
    assert np.isfinite(value(LogLoss(), [0], np.array([[1.0]], dtype=np.float32)))


def test_regression_by_hand():
    y, a = [1.0, 2.0, 3.0], np.array([[1.0], [2.0], [5.0]])
    assert value(MeanSquaredError(), y, a) == 4 / 3 and value(MeanAbsoluteError(), y, a) == 2 / 3
    assert value(RootMeanSquaredError(), y, a) == np.sqrt(4 / 3)
    assert value(R2(), y, a) == 1 - 4 / 2


def test_root_is_taken_once():
    """Roots of pieces 0 and 4 would have the mean 2."""
    assert value(RootMeanSquaredError(), [0.0, 0.0], np.array([[0.0], [4.0]]), pieces=2) == np.sqrt(8)


def test_r2_at_its_edges():
    assert value(R2(), [2.0, 2.0], np.array([[2.0], [2.0]])) == 1
    assert value(R2(), [2.0, 2.0], np.array([[2.0], [3.0]])) == 0
    assert np.isnan(value(R2(), [2.0], np.array([[2.0]])))
    for constant in (0.1, 1 / 3, 1e9 + 0.1):  # whose mean is not always exact
        y = np.full(7, constant)
        assert value(R2(), y, y[:, None], pieces=3) == 1
        assert value(R2(), y, y[:, None] * 1.5, pieces=3) == 0
    y = np.array([[0.1, 1.0]] * 6 + [[0.1, 2.0]])
    assert value(R2(), y, np.add(y, [0.1, 0.0]), pieces=3) == 0.5  # the mean of 0 and 1
    y = 1e9 + np.arange(1000.0)
    assert value(R2(), y, y[:, None] + 100, pieces=13) == pytest.approx(1 - 1e4 / np.var(np.arange(1000)), rel=1e-9)


def test_hinge_losses_have_their_limit_at_zero():
    y, a = np.array([1, -1, 1, -1]), np.array([[0.2], [-0.2], [-0.1], [-3.0]])
    for metric in (Accuracy(), Precision(), Recall()):
        metric.prepare(losses.Hinge(), 1)
        assert value(metric, y, a) == {"accuracy": 0.75, "precision": 1.0, "recall": 0.5}[metric.name]


def test_prepare_forgets_the_loss_before():
    metric = Accuracy()
    a, y = np.array([[0.9, 0.6]]), np.array([[1, 0]])
    metric.prepare(losses.BinaryCrossentropy(), 2)
    assert value(metric, y, a) == 0.5
    metric.prepare(losses.CategoricalCrossentropy(), 2)
    assert value(metric, y, a) == 1


# -- names, settings, errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*catalogue.TABLES["metric"], *metrics.ALIASES])
def test_names(name):
    metric = catalogue.resolve("metric", name, Metric)
    assert metric.name == metrics.ALIASES.get(name, name)
    assert metric == type(metric)() and type(metric)(name="other").name == "other"


def test_a_name_of_ones_own_in_the_history(rng):
    X = rng.normal(size=(64, 4))
    model = fastnn.Sequential([Input(4), Dense(6, "tanh"), Dense(3, "softmax")], rng=0)
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=[
            Precision("macro"),
            Precision("micro", name="micro"),
            "top_k",
            TopKCategoricalAccuracy(2, name="top2"),
        ],
    )
    y = rng.integers(0, 3, 64)
    history = model.fit(X, y, epochs=2, validation_data=(X, y), verbose=0).history
    names = ["precision", "micro", "top_k_categorical_accuracy", "top2"]
    assert set(history) == {"loss", "val_loss", *names, *(f"val_{name}" for name in names)}
    assert history["top_k_categorical_accuracy"] == [1, 1]
    outputs = model.predict(X)
    assert history["val_micro"][-1] == np.mean(outputs.argmax(axis=1) == y)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_evaluate_is_exact_for_any_batch_size(engine, rng):
    X, y = rng.normal(size=(101, 4)), rng.integers(0, 2, 101)
    model = fastnn.Sequential([Input(4), Dense(1, "sigmoid")], rng=0, engine=engine)
    model.compile("sgd", "binary_crossentropy", metrics=["auc", "f1", "rmse", "r2", "log_loss", "precision", "recall"])
    results = [model.evaluate(X, y, batch_size=size) for size in (1, 32, 500)]
    within = 16 * eps(model.dtype)  # NumPy's product of one row may be summed in another order than that of many
    np.testing.assert_allclose(results[0], results[1], rtol=within)
    np.testing.assert_allclose(results[0], results[2], rtol=within)
    a = model.predict(X)
    assert results[0][1] == pytest.approx(value(AUC(), y, a))
    assert results[0][5] == pytest.approx(results[0][0], rel=1e-5)  # the log loss is the loss


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: F1("mean"), "average must be one of auto, binary, macro, micro, weighted, got 'mean'"),
        (lambda: Precision(threshold=np.nan), "threshold must be a finite number"),
        (lambda: BinaryAccuracy(threshold=np.inf), "threshold must be a finite number"),
        (lambda: TopKCategoricalAccuracy(0), "k must be 1 or more, got 0"),
        (lambda: CategoricalAccuracy().prepare(losses.MeanSquaredError(), 1), "use 'binary_accuracy'"),
        (lambda: BinaryAccuracy().prepare(losses.SparseCategoricalCrossentropy(), 3), "labels; use 'accuracy'"),
        (lambda: MeanSquaredError().prepare(losses.SparseCategoricalCrossentropy(), 3), "the targets .* are labels"),
        (lambda: MeanSquaredError().prepare(losses.GaussianNLL(), 2), "has 1 target columns for 2 outputs"),
        (lambda: F1("binary").prepare(losses.CategoricalCrossentropy(), 3), "average='binary' but .* 3 outputs"),
        (lambda: value(MeanSquaredError(), [0, 1], np.ones((2, 3))), "needs a target for each output"),
        (lambda: value(F1("binary"), [0, 1], np.eye(3)[:2]), "needs two classes, got 3"),
        (lambda: value(CategoricalAccuracy(), [0, 1], np.ones((2, 1))), "needs an output for each class"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# -- the confusion matrix ----------------------------------------------------------------------------------------------


def test_confusion_matrix_by_hand():
    assert confusion_matrix([0, 0, 1, 2, 2], [0, 1, 1, 0, 2]).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert confusion_matrix([1, 0, 1], np.array([[0.9], [0.6], [0.2]])).tolist() == [[0, 1], [1, 1]]
    outputs = [[0.1, 0.9, 0.0], [0.8, 0.1, 0.1]]
    assert confusion_matrix([1, 1], outputs).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert confusion_matrix([[0, 1, 0], [0, 1, 0]], outputs).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert confusion_matrix(["a", "b"], ["b", "b"], classes=["b", "a", "c"]).tolist() == [[1, 0, 0], [1, 0, 0], [0] * 3]
    assert confusion_matrix([], []).shape == (0, 0)
    assert confusion_matrix([[1], [3]], [3, 3]).tolist() == [[0, 1], [0, 1]]


def test_confusion_matrix_as_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, a = data(MANY, rng)
    np.testing.assert_array_equal(confusion_matrix(y, a), sklearn.confusion_matrix(y, a.argmax(axis=1)))
    words = np.array(["e", "b", "d", "a", "c"])
    for classes in (None, list("badec")):
        ours = confusion_matrix(words[y], words[a.argmax(axis=1)], classes)
        np.testing.assert_array_equal(ours, sklearn.confusion_matrix(words[y], words[a.argmax(axis=1)], labels=classes))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (([0, 1], [0]), ValueError, "y_true has 2 rows but y_pred has 1"),
        (([0, 1], [0.2, 0.9]), ValueError, r"y_pred has 0.2, which is no label.*y_pred.reshape\(-1, 1\)"),
        (([0, 5], [0, 5], [0, 1]), ValueError, r"y_true has the label 5, which is not in classes \[0, 1\]"),
        (([0, 5], np.eye(2)), ValueError, "labels must lie in 0 .. 1 beside 2 outputs"),
        (([0, 1], [0, 1], [0, 0, 1]), ValueError, "classes must be a list of different labels"),
        (([0, 1], ["a", "b"]), TypeError, "both must hold the same labels"),
        ((np.zeros((2, 2, 2)), [0, 1]), ValueError, r"y_true has shape \(2, 2, 2\), expected labels"),
    ],
)
def test_confusion_matrix_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(*arguments)
