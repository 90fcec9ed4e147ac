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

RNG = np.random.default_rng(11)
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
                entry(average=average),
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
    metric = entry(average="macro") if issubclass(entry, metrics.FBetaScore) else entry()
    one = entry is metrics.BinaryIoU
    if issubclass(entry, metrics.IoU.__base__) and not one:
        metric = entry(num_classes=5)
    zero = (metrics.TruePositives.__base__, metrics.RecallAtPrecision.__base__, metrics.IoU.__base__)
    counts = issubclass(entry, zero)  # nothing is 0 of nothing, as in Keras
    assert metric.result() == 0 if counts else np.isnan(metric.result())
    labels = issubclass(entry, metrics.CategoricalCrossentropy)
    sums = (MeanSquaredError.__base__, R2, metrics.Poisson.__base__)
    elementwise = entry is BinaryAccuracy or (issubclass(entry, sums) and not labels)
    y, a = data(SEVERAL if elementwise else BINARY if one else MANY, np.random.default_rng(0))
    value(metric, y, a)
    metric.reset()
    assert metric.result() == 0 if counts else np.isnan(metric.result())


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


def shapes(metric, kind, y, a):
    """The same targets and outputs in every shape and class that a metric takes."""
    forms = [
        ("plain", y, a),
        ("lists", y.tolist(), a.tolist()),
        ("matrix", np.matrix(y).reshape(len(a), -1), np.matrix(a)),
    ]
    forms += [
        ("floats", y.astype(float), a),
        ("objects", y.astype(object), a),
        ("masked", np.ma.array(y), np.ma.array(a)),
    ]
    if y.ndim == 1:
        forms.append(("column", y[:, None], a))
    if kind == BINARY:
        forms += [("flat outputs", y, a[:, 0]), ("bool", y.astype(bool), a), ("bool column", y[:, None] > 0, a)]
    if kind in (MANY, LABELS_2):
        hot = np.eye(a.shape[1])[y]
        forms += [("one-hot", hot, a), ("one-hot bool", hot > 0, a), ("one-hot bytes", hot.astype("u1"), a)]
    return forms


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_as_scikit_learn_in_every_shape(name, seed):
    """The index of the largest output is found by the metric itself."""
    sklearn = pytest.importorskip("sklearn.metrics")
    metric, kind, theirs = CASES[name]
    several(metric, kind)
    y, a = data(kind, np.random.default_rng([seed, 7]), n=40 + seed)
    expected = theirs(sklearn, y, a)
    for form, targets, outputs in shapes(metric, kind, y, a):
        metric.reset()
        metric.update(targets, outputs)
        result = metric.result()
        assert type(result) is float, form
        np.testing.assert_allclose(result, expected, rtol=1e-11, err_msg=form)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("entry", [Precision, Recall, F1])
@pytest.mark.parametrize(
    ("y", "answers"),
    [([0] * 6, [0] * 6), ([0] * 6, [1] * 6), ([0, 0, 2, 2], [0, 2, 2, 2]), ([0, 1, 2, 0], [0, 0, 0, 0]), ([1], [1])],
    ids=["one class", "one class, all wrong", "a class that never occurs", "a class that is never answered", "one row"],
)
def test_degenerate_counts_as_scikit_learn(entry, average, y, answers):
    sklearn = pytest.importorskip("sklearn.metrics")
    theirs = getattr(sklearn, f"{entry.name}_score")(y, answers, average=average, zero_division=0)
    assert value(entry(average=average), y, np.eye(3)[answers] * 0.4 + 0.2) == pytest.approx(theirs, rel=1e-13)
    two = [min(one, 1) for one in y], [min(one, 1) for one in answers]
    if set(two[0]) | set(two[1]) == {0, 1}:
        theirs = getattr(sklearn, f"{entry.name}_score")(*two, zero_division=0)
        assert value(entry(), two[0], np.array(two[1])[:, None] * 0.8 + 0.1) == pytest.approx(theirs, rel=1e-13)


def test_degenerate_areas_and_errors_as_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    for y, a in (([0, 1, 1, 0], [0.5] * 4), ([0, 1], [1e-300, 0.0]), ([1, 0, 0, 0, 1], [0.2, 0.2, 0.2, 0.1, 0.9])):
        assert value(AUC(), y, np.array(a)[:, None]) == sklearn.roc_auc_score(y, a)
    y, a = rng.integers(0, 5, 200), rng.integers(0, 3, (200, 5)) / 10 + 0.1  # ties everywhere
    a /= a.sum(axis=1, keepdims=True)
    assert value(AUC(), y, a) == pytest.approx(sklearn.roc_auc_score(y, a, multi_class="ovr"), rel=1e-12)
    for y, a in (([2.0, 2.0], [2.0, 2.0]), ([2.0, 2.0], [2.0, 3.0]), ([0.0, 1.0], [0.5, 0.5])):
        assert value(R2(), y, np.array(a)[:, None]) == sklearn.r2_score(y, a)
    y = np.column_stack([np.full(9, 2.0), rng.normal(size=9)])
    a = y + rng.normal(size=(9, 2))
    assert value(R2(), y, a) == pytest.approx(sklearn.r2_score(y, a), rel=1e-12)
    for k in (1, 2, 3):  # no ties: each rank is clear
        y, a = rng.integers(0, 4, 50), rng.random((50, 4))
        assert value(TopKCategoricalAccuracy(k), y, a) == sklearn.top_k_accuracy_score(y, a, k=k, labels=range(4))


def test_ties_of_the_best_outputs_as_keras():
    """in_top_k: a label is in where fewer than k outputs are larger, so that all of a tie at the border are."""
    a = np.array([[0.4, 0.4, 0.1, 0.1]] * 4)
    shares = [value(TopKCategoricalAccuracy(k), [0, 1, 2, 3], a) for k in (1, 2, 3, 4)]
    assert shares == [0.5, 0.5, 1, 1]
    assert value(CategoricalAccuracy(), [0, 1], a[:2]) == 0.5  # the first of equals is the answer


def test_soft_rows_count_as_their_largest_share():
    """As Keras' categorical accuracy; so do the mixed rows of an augmentation."""
    y, a = np.array([[0.6, 0.4], [0.25, 0.75]]), np.array([[0.9, 0.1], [0.8, 0.2]])
    assert value(CategoricalAccuracy(), y, a) == value(Accuracy(), y, a) == 0.5
    assert value(Accuracy(), y.astype(np.float16), a) == 0.5
    assert value(Recall(average="macro"), y, a) == 0.5


DECIDED = [metric for metric in metrics.ENTRIES if issubclass(metric, metrics.Decided)]


@pytest.mark.parametrize("entry", DECIDED)
def test_real_targets_are_refused(entry):
    metric, name = entry(), entry.name
    numbers = np.array([0.0, 1.0, 1.7, 0.2])
    if not issubclass(entry, CategoricalAccuracy):
        with pytest.raises(ValueError, match=f"'{name}' needs targets .*y has 1.7.*(regression)?"):
            metric.update(numbers, np.full((4, 1), 0.5))
        with pytest.raises(ValueError, match=f"'{name}' needs targets .*y has (-1|2)"):
            metric.update([0, 1, 2 - 3 * (name == "log_loss")], np.full((3, 1), 0.5))
    if entry is BinaryAccuracy or entry.__module__.endswith("thresholds"):  # each output is an answer
        with pytest.raises(ValueError, match=r"needs targets of 0 or 1, but y has 0\.5 in row 1"):
            metric.update([[0, 1], [1, 0.5]], np.full((2, 2), 0.5))
        return
    with pytest.raises(ValueError, match=f"'{name}' needs labels from 0 to 2, but y has 1.7; for numbers use"):
        metric.update(numbers, np.full((4, 3), 0.3))
    for bad in (-1, 3):
        with pytest.raises(ValueError, match=f"'{name}' needs labels from 0 to 2, but y has {bad}"):
            metric.update([0, 1, bad], np.full((3, 3), 0.3))
    with pytest.raises(
        ValueError, match=f"'{name}' needs one class for each row, but y has the row .* in row 1; for numb"
    ):
        metric.update([[1, 0, 0], [0.3, -1.2, 5]], np.full((2, 3), 0.3))
    for row, count in (([1, 1, 0], 2), ([0, 0, 0], 0)):
        with pytest.raises(
            ValueError, match=f"y has {count} labels in row 1; for several labels in a row use loss='binary"
        ):
            metric.update([[1, 0, 0], row], np.full((2, 3), 0.3))
    assert np.isnan(metric.result())  # nothing of them was counted


@pytest.mark.parametrize(
    ("y", "outputs", "message"),
    [
        (
            [0, 1, 1],
            np.full((2, 1), 0.5),
            r"a target for each sample, got outputs of shape \(2, 1\) and y of shape \(3,\)",
        ),
        ([[[0]], [[1]]], np.full((2, 1), 0.5), r"y of shape \(2, 1, 1\)"),
        ([0, 1], np.full((2, 1, 1), 0.5), r"outputs of shape \(2, 1, 1\)"),
        ([[0, 1]], [[0.5], [0.5]], r"outputs of shape \(2, 1\) and y of shape \(1, 2\)"),
        (np.eye(4)[:3], np.eye(3), r"needs labels or 3 columns of targets, y has shape \(3, 4\)"),
    ],
)
def test_shapes_that_do_not_fit(y, outputs, message):
    with pytest.raises(ValueError, match=message):
        F1().update(y, outputs)
    with pytest.raises(TypeError, match="y must hold real numbers"):
        F1().update(["a", "b"], [0.5, 0.5])


MODELS = {  # loss, activation, targets that its classification metrics refuse
    "numbers": ("mse", "linear", RNG.normal(size=20), "needs targets of 0 or 1, but .* in row 0; for numbers use"),
    "rows of numbers": ("mse", "linear", RNG.normal(size=(20, 3)), "needs one class for each row, but .* in row 0"),
    "counts": ("poisson", "exponential", np.arange(20), "needs targets of 0 or 1, but .* has 2.* in row 2"),
    "soft answers": ("binary_crossentropy", "sigmoid", np.linspace(0, 1, 20), "needs targets of 0 or 1, .* in row 1"),
    "soft signs": ("hinge", "linear", np.linspace(-1, 1, 20), "needs targets of -1 or 1, .* in row 1"),
    "several labels": ("categorical_crossentropy", "softmax", np.ones((20, 3)), "has 3 labels in row 0; for several"),
}


@pytest.mark.parametrize("metric", ["accuracy", "f1", "precision", "recall", "auc"])
@pytest.mark.parametrize("case", MODELS)
def test_a_model_refuses_targets_that_its_metrics_cannot_read_before_it_begins(case, metric):
    loss, activation, y, message = MODELS[case]
    X = RNG.normal(size=(20, 4))
    model = fastnn.Sequential([Input(4), Dense(1 if y.ndim == 1 else 3, activation)], rng=0)
    model.compile("sgd", loss, [metric])
    before = model.get_weights()
    good = np.abs(y * 0)
    good[:, ...] = 1 if y.ndim == 1 else np.eye(3)[0]
    for call in (
        lambda: model.fit(X, y),
        lambda: model.evaluate(X, y),
        lambda: model.fit(X, good, validation_data=(X, y)),
        lambda: model.fit([(X, y)]),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert model.iterations == 0
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    model.fit(X, good)
    model.compile("sgd", loss)  # without the metric the targets are good
    model.fit(X, y)


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_counts_by_hand():
    """Outputs > 0.5: 1 1 1 0 0, true: 1 0 1 1 0. TP 2, FP 1, FN 1: precision 2/3, recall 2/3, F1 2/3."""
    y, a = [1, 0, 1, 1, 0], np.array([[0.9], [0.8], [0.7], [0.2], [0.1]])
    assert value(Precision(), y, a) == value(Recall(), y, a) == value(F1(), y, a) == pytest.approx(2 / 3)
    assert value(Precision(threshold=0.85), y, a) == 1 and value(Recall(threshold=0.85), y, a) == pytest.approx(1 / 3)
    assert value(Precision(average="micro"), y, a) == 3 / 5
    assert value(Recall(average="macro"), y, a) == pytest.approx((2 / 3 + 1 / 2) / 2)


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
    a, y = np.array([[0.3]]), np.array([1])
    metric.prepare(losses.Hinge(), 1)
    assert value(metric, y, a) == 1
    metric.prepare(losses.BinaryCrossentropy(), 1)
    assert value(metric, y, a) == 0


# -- names, settings, errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*catalogue.TABLES["metric"], *metrics.ALIASES])
def test_names(name):
    metric = catalogue.resolve("metric", name, Metric)
    assert metric.name == (metrics.ALIASES | {"f1_scores": "f1_score"}).get(name, name)
    assert metric == type(metric)() and type(metric)(name="other").name == "other"


def test_a_name_of_ones_own_in_the_history(rng):
    X = rng.normal(size=(64, 4))
    model = fastnn.Sequential([Input(4), Dense(6, "tanh"), Dense(3, "softmax")], rng=0)
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=[
            Precision(average="macro"),
            Precision(average="micro", name="micro"),
            "top_k",
            TopKCategoricalAccuracy(2, name="top2"),
        ],
    )
    y = rng.integers(0, 3, 64)
    history = model.fit(X, y, epochs=2, validation_data=(X, y), verbose=0).history
    names = ["precision", "micro", "top_k", "top2"]  # a name as it is typed
    assert set(history) == {"loss", "val_loss", *names, *(f"val_{name}" for name in names)}
    assert history["top_k"] == [1, 1]
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
        (lambda: F1("mean"), "average must be one of auto, binary, macro, micro, weighted, None, got 'mean'"),
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


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_confusion_matrix_in_every_shape(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    for k in (2, 3, 5):
        y, answers = np.append(rng.integers(0, k, 60), k - 1), np.append(rng.integers(0, k, 60), 0)
        expected = sklearn.confusion_matrix(y, answers)
        hot, outputs = np.eye(k)[y], np.eye(k)[answers]
        soft = 0.5 * outputs + 0.1
        trues = [
            y,
            y[:, None],
            y.astype(float),
            y[:, None].astype(float),
            y.astype(object),
            np.matrix(y).T,
            hot,
            hot > 0,
        ]
        trues += [hot.astype("u1"), hot.tolist(), np.matrix(hot), y.tolist(), y.astype("f2")[:, None]]
        preds = [answers, answers[:, None], answers.astype(float), answers[:, None].astype(float), outputs, soft]
        preds += [np.matrix(soft), np.matrix(answers).T, soft.astype("f4"), soft.tolist()]
        for true in trues:
            for pred in preds:
                np.testing.assert_array_equal(confusion_matrix(true, pred), expected)
    assert confusion_matrix(np.array([[0.0], [1.0], [2.0]]), np.eye(3)).tolist() == np.eye(3).tolist()


def test_confusion_matrix_of_one_output(rng):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, a = rng.integers(0, 2, 50), rng.random((50, 1))
    for true in (y, y[:, None], y[:, None].astype(float), y > 0):
        np.testing.assert_array_equal(confusion_matrix(true, a), sklearn.confusion_matrix(y, a[:, 0] > 0.5))
        sure = (a > 0.5).astype(float)  # a saturated sigmoid
        np.testing.assert_array_equal(confusion_matrix(true, sure), sklearn.confusion_matrix(y, sure[:, 0]))
    assert confusion_matrix([1, 1], [[0.9], [0.2]]).tolist() == [[0, 0], [1, 1]]
    assert confusion_matrix([1, 1], [[1.0], [1.0]]).tolist() == [[0, 0], [0, 2]]  # as with [[0.9], [0.9]]
    assert confusion_matrix([-1, 1, 1], [[-1.0], [1.0], [-1.0]]).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (([0.5, 1.5], [0, 1]), ValueError, "y_true has 0.5, expected labels, which are whole numbers; for numbers use"),
        (([[0.5], [1.5]], [0, 1]), ValueError, "y_true has 0.5, expected labels"),
        (
            ([[0.3, 0.7]], [1]),
            ValueError,
            r"y_true has the row \[0.3, 0.7\] \(row 0\), expected labels or one-hot rows",
        ),
        (([[0, 1], [1, 1]], np.eye(2)), ValueError, "y_true has 2 labels in row 1, expected one; for several labels"),
        (([[0, 1], [0, 0]], np.eye(2)), ValueError, "y_true has 0 labels in row 1, expected one"),
        (([[0, 2], [1, 0]], np.eye(2)), ValueError, r"y_true has the row \[0, 2\]"),
        (([0, 1], [[1, 1], [0, 1]]), ValueError, "y_pred has 2 labels in row 0, expected one"),
        (([0, 1], [[0.5, np.nan], [0, 1]]), ValueError, "y_pred has the value nan, which is not finite"),
        (([0, np.nan], [0, 1]), ValueError, "y_true has the value nan, which is not finite"),
        (([0, 2], [[0.7], [0.2]]), ValueError, "labels must lie in 0 .. 1 beside 2 outputs, got 0 to 2"),
        (
            (["a", None], ["a", "b"]),
            TypeError,
            "y_true must hold labels of one kind, numbers or text, and none may be mi",
        ),
        ((np.array(["a", 1], dtype=object), ["a", "b"]), TypeError, "y_true must hold labels of one kind"),
        (([["a", "b"]], ["a"]), TypeError, "y_true has rows of 2, which must be numbers"),
        ((np.zeros((2, 0)), [0, 1]), ValueError, r"y_true has shape \(2, 0\), expected labels"),
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


# -- counts at thresholds ----------------------------------------------------------------------------------------------

AT_THRESHOLDS = [
    metrics.TruePositives,
    metrics.FalsePositives,
    metrics.TrueNegatives,
    metrics.FalseNegatives,
    metrics.SensitivityAtSpecificity,
    metrics.PrecisionAtRecall,
]


@pytest.mark.parametrize("entry", AT_THRESHOLDS)
def test_counts_refuse_targets_that_are_no_answers(entry):
    metric = entry()
    for y, outputs in (([0.25, 1.0], [[0.5], [0.5]]), ([[1, 2]], [[0.5, 0.5]]), ([-1.0, 1.0], [[0.5], [0.5]])):
        with pytest.raises(ValueError, match="needs targets of 0 or 1"):
            metric.update_state(y, outputs)
    with pytest.raises(ValueError, match="needs labels from 0 to 2"):
        metric.update_state([0.5, 1.0], [[0.5, 0.1, 0.2], [0.1, 0.2, 0.5]])
    model = fastnn.Sequential([fastnn.layers.Input(1), fastnn.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[entry()])
    with pytest.raises(ValueError, match="needs targets of 0 or 1"):
        model.fit([[0.0], [1.0]], [0.5, 2.0], verbose=0)


@pytest.mark.parametrize("entry", AT_THRESHOLDS)
def test_counts_of_logits_are_those_of_their_probabilities(entry):
    """As precision and the other metrics of answers: 0.3 is a yes, since its probability is 0.57."""
    z, y = np.array([[0.3], [-0.2], [2.0], [0.1]]), np.array([1, 0, 1, 0])
    values = []
    for logits in (True, False):
        model = fastnn.Sequential([fastnn.layers.Input(1), fastnn.layers.Dense(1, None if logits else "sigmoid")])
        model.set_weights([np.ones((1, 1)), np.zeros(1)])
        model.compile("sgd", fastnn.losses.BinaryCrossentropy(from_logits=logits), metrics=[entry()])
        values.append(model.evaluate(z, y, verbose=0)[1])
    assert values[0] == values[1]
    if entry is metrics.TruePositives:
        assert values[0] == 2.0
