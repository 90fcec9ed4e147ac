"""Correlations within samples and overlaps of classes: Keras' numbers, and in models."""

import numpy as np
import pytest

import fastnn
from fastnn import metrics
from fastnn.layers import Dense, Input

T, A = [[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]
LABELS, ANSWERS = [0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 2, 2, 1]
HOT = np.eye(3)[ANSWERS] * 0.6 + 0.1


def test_correlations_as_in_keras():
    pearson, concordance = metrics.PearsonCorrelation(), metrics.ConcordanceCorrelation()
    np.testing.assert_allclose(pearson(T, A), np.mean([np.corrcoef(*p)[0, 1] for p in zip(T, A, strict=True)]))
    np.testing.assert_allclose(concordance(T, A), 0.98163265, atol=1e-6)
    np.testing.assert_allclose(metrics.concordance_correlation(T, A), [0.97560976, 0.98765432], atol=1e-6)
    np.testing.assert_allclose(
        metrics.pearson_correlation(T, A), [np.corrcoef(*p)[0, 1] for p in zip(T, A, strict=True)]
    )
    assert metrics.PearsonCorrelation()([[1.0, 1.0]], [[0.0, 1.0]]) == 0  # a constant row


def test_overlaps_as_the_formula_says():
    expected = [1 / 3, 1 / 4, 2 / 3]  # both / either
    assert metrics.MeanIoU(3)(LABELS, ANSWERS) == pytest.approx(np.mean(expected), abs=1e-6)
    for k in range(3):
        assert metrics.IoU(3, [k])(LABELS, ANSWERS) == pytest.approx(expected[k], abs=1e-6)
    assert metrics.OneHotMeanIoU(3)(np.eye(3)[LABELS], HOT) == pytest.approx(np.mean(expected), abs=1e-6)
    assert metrics.OneHotIoU(3, [0, 2])(np.eye(3)[LABELS], HOT) == pytest.approx((1 / 3 + 2 / 3) / 2, abs=1e-6)
    assert metrics.MeanIoU(3, sparse_y_pred=False)(LABELS, HOT) == pytest.approx(np.mean(expected), abs=1e-6)
    assert metrics.MeanIoU(3, ignore_class=2)(LABELS, ANSWERS) == pytest.approx(1 / 3, abs=1e-6)
    assert metrics.MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1], [0.3, 0.3, 0.3, 0.1]) == pytest.approx(0.23809525, abs=1e-6)
    assert metrics.BinaryIoU([0, 1], 0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]) == pytest.approx(1 / 3, abs=1e-6)
    batches = metrics.MeanIoU(3)
    for part in (slice(0, 3), slice(3, 7)):
        batches.update_state(LABELS[part], ANSWERS[part])
    assert batches.result() == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
def test_in_models(outputs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.integers(0, max(outputs, 2), 60)
    last, loss = ("sigmoid", "binary_crossentropy") if outputs == 1 else ("softmax", "sparse_categorical_crossentropy")
    model = fastnn.Sequential([Input(2), Dense(outputs, last)], rng=0)
    chosen = [metrics.MeanIoU(max(outputs, 2)), metrics.IoU(max(outputs, 2), [1])]
    model.compile("sgd", loss, metrics=[*chosen, *([metrics.BinaryIoU()] if outputs == 1 else [])])
    found = model.evaluate(x, y)[1:]
    out = model.predict(x)
    answers = (out[:, 0] > 0.5).astype(int) if outputs == 1 else out.argmax(axis=1)
    assert found[0] == pytest.approx(metrics.MeanIoU(max(outputs, 2))(y, answers))
    assert found[1] == pytest.approx(metrics.IoU(max(outputs, 2), [1])(y, answers))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.IoU(1), "num_classes must be 2 or more"),
        (lambda: metrics.IoU(2, [2]), "target_class_ids must lie below num_classes=2"),
        (lambda: metrics.MeanIoU(2)([0, 2], [0, 1]), "got classes outside of 0 to 1"),
        (lambda: metrics.BinaryIoU(threshold=2), "threshold must"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
