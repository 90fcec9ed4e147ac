"""How far answers agree with targets: correlations within a sample, and how much classes overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.checks import number, whole
from fastnn.metrics.base import Metric, like, refuse_labels
from fastnn.metrics.numbers import _Error

if TYPE_CHECKING:
    from fastnn.losses import Loss

LEAST = 1e-7  # Keras' epsilon, which keeps constant rows from dividing by 0


class _Correlation(_Error):
    higher_is_better: ClassVar[bool] = True

    axis: int = -1  # the last, the only one

    def __post_init__(self) -> None:
        if self.axis != -1:
            raise ValueError(f"{type(self).__name__}: axis must be -1, the last one, got {self.axis!r}")
        super().__post_init__()


class PearsonCorrelation(_Correlation, positional=("name", "dtype", "axis")):
    """Mean over the samples of the correlation of a sample's outputs with its targets: of -1 to 1.

    sum (y - mean y)(a - mean a) / (|y - mean y| |a - mean a|), along the last axis. As in Keras.
    Source: Pearson, "Notes on regression and inheritance in the case of two parents", Proceedings of the Royal Society
    58, 1895.

    >>> round(float(PearsonCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 4)
    0.9967
    """

    name = "pearson_correlation"

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        t, a = _centred(like(y, outputs, self.name)), _centred(outputs)
        lengths = np.sqrt(np.maximum((t * t).sum(axis=1), LEAST**2) * np.maximum((a * a).sum(axis=1), LEAST**2))
        return (t * a).sum(axis=1) / lengths


class ConcordanceCorrelation(_Correlation, positional=("name", "dtype", "axis")):
    """Mean over the samples of 2 cov(y, a) / (var y + var a + (mean y - mean a)^2), along the last axis: of -1 to 1.

    It is 1 only where outputs equal targets. As in Keras. Source: Lin, "A concordance correlation coefficient to
    evaluate reproducibility", Biometrics 45, 1989.

    >>> round(float(ConcordanceCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 4)
    0.9816
    """

    name = "concordance_correlation"

    def values(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64]) -> NDArray:
        target = like(y, outputs, self.name)
        t, a = _centred(target), _centred(outputs)
        apart = target.mean(axis=1, dtype=np.float64) - outputs.mean(axis=1, dtype=np.float64)
        n = t.shape[1]
        spread = (t * t).sum(axis=1) / n + (a * a).sum(axis=1) / n + apart * apart
        return 2 * (t * a).sum(axis=1) / n / (spread + LEAST)


def _centred(values: NDArray) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    return wide - wide.mean(axis=1, keepdims=True)


class _Overlap(Metric):
    """Base of means, over some classes, of |both| / |either|: of samples that are, or are answered as, a class."""

    num_classes: int = 2
    target_class_ids: tuple[int, ...] | None = None
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True

    def __post_init__(self) -> None:
        name = type(self).__name__
        whole(f"{name}: num_classes", self.num_classes, 2)
        if self.target_class_ids is not None:
            self.target_class_ids = tuple(
                whole(f"{name}: each of target_class_ids", k, 0) for k in self.target_class_ids
            )
            if max(self.target_class_ids, default=-1) >= self.num_classes:
                raise ValueError(
                    f"{name}: target_class_ids must lie below num_classes={self.num_classes}, got"
                    f" {self.target_class_ids}"
                )
        super().__post_init__()

    def prepare(self, loss: Loss, outputs: int) -> None:
        """In a model the largest output answers, whatever ``sparse_y_pred`` is; one output answers above 0.5."""
        super().prepare(loss, outputs)
        if max(outputs, 2) != self.num_classes:
            raise ValueError(f"metric {self.name!r} has num_classes={self.num_classes}, the model {outputs} outputs")

    def reset(self) -> None:
        self.counts: NDArray[np.float64] = np.zeros((self.num_classes, self.num_classes))

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        answers = classes if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(np.int64)
        true = y.argmax(axis=1) if y.ndim > 1 and y.shape[1] > 1 else y.reshape(-1)
        w = weights if weights is None or weights.ndim == 1 else weights.mean(axis=1)
        self._count(true, answers, w)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds labels of any shape, or the largest along the last axis where they are not ``sparse``."""
        t, a = real(y_true, "y_true"), real(y_pred, "y_pred")
        t = t if self.sparse_y_true else t.argmax(axis=-1)
        a = self._answers(a)
        w = None if sample_weight is None else np.broadcast_to(real(sample_weight, "sample_weight"), t.shape).ravel()
        if t.size != a.size:
            raise ValueError(f"metric {self.name!r} needs as many targets as answers, got {t.shape} and {a.shape}")
        self._count(t.ravel(), a.ravel(), w)

    def _answers(self, a: NDArray) -> NDArray:
        return a if self.sparse_y_pred else a.argmax(axis=-1)

    def _count(self, true: NDArray, answers: NDArray, weights: NDArray | None) -> None:
        t, a = true.astype(np.int64), answers.astype(np.int64)
        kept = np.ones(len(t), dtype=bool) if self.ignore_class is None else t != self.ignore_class
        t, a, w = t[kept], a[kept], None if weights is None else weights[kept]
        n = self.num_classes
        if t.size and not (min(t.min(), a.min()) >= 0 and max(t.max(), a.max()) < n):
            raise ValueError(f"metric {self.name!r} has num_classes={n}, got classes outside of 0 to {n - 1}")
        found = np.bincount(t * n + a, weights=w, minlength=n * n)
        self.counts = self.counts + found.reshape(n, n)

    def result(self) -> float:
        both = np.diag(self.counts)
        either = self.counts.sum(axis=0) + self.counts.sum(axis=1) - both
        chosen = np.arange(self.num_classes) if self.target_class_ids is None else np.array(self.target_class_ids)
        seen = chosen[either[chosen] > 0]
        return float((both[seen] / (either[seen] + LEAST)).mean()) if len(seen) else 0.0


class IoU(_Overlap, positional=("num_classes", "target_class_ids", "name", "dtype", "ignore_class")):
    """Mean over the classes ``target_class_ids`` of true positives / (true and false positives, false negatives).

    By hand labels, in a model the largest output. ignore_class: targets of it do not count. As in Keras.
    Source: Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

    >>> round(IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    0.333
    """

    name = "io_u"


class MeanIoU(_Overlap, positional=("num_classes", "name", "dtype", "ignore_class")):
    """``IoU`` of all classes that were seen: |both| / |either|. As in Keras. Source: Jaccard, 1912; see ``IoU``.

    >>> round(MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    0.333
    """

    name = "mean_io_u"


class OneHotIoU(_Overlap, positional=("num_classes", "target_class_ids", "name", "dtype", "ignore_class")):
    """``IoU``, |both| / |either|, of one-hot targets and outputs for each class. As in Keras. Source: Jaccard, 1912.

    >>> round(OneHotIoU(2, [0])([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), 3)
    0.5
    """

    name = "one_hot_io_u"
    sparse_y_true: bool = False
    sparse_y_pred: bool = False


class OneHotMeanIoU(_Overlap, positional=("num_classes", "name", "dtype", "ignore_class")):
    """``MeanIoU``, |both| / |either|, of one-hot targets and outputs for each class. As in Keras.

    Source: Jaccard, 1912; see ``IoU``.

    >>> round(OneHotMeanIoU(2)([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), 3)
    0.5
    """

    name = "one_hot_mean_io_u"
    sparse_y_true: bool = False
    sparse_y_pred: bool = False


class BinaryIoU(_Overlap, positional=("target_class_ids", "threshold", "name", "dtype")):
    """``IoU``, |both| / |either|, of one output, which answers class 1 from ``threshold`` on. As in Keras.

    Source: Jaccard, 1912; see ``IoU``.

    >>> round(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]), 3)
    0.333
    """

    name = "binary_io_u"
    threshold: float = 0.5
    target_class_ids: tuple[int, ...] | None = (0, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        number("BinaryIoU: threshold", self.threshold, 0, most=1)

    def prepare(self, loss: Loss, outputs: int) -> None:
        """Each output answers for itself."""
        Metric.prepare(self, loss, outputs)
        refuse_labels(self, loss, outputs)

    def add(self, y: NDArray, outputs: NDArray, classes: NDArray[np.int64], weights: NDArray | None = None) -> None:
        if y.size != outputs.size:
            raise ValueError(f"metric {self.name!r} needs a target for each output, got {y.shape} and {outputs.shape}")
        self._count(y.reshape(-1), self._answers(outputs).reshape(-1), weights)

    def _answers(self, a: NDArray) -> NDArray:
        return a >= self.threshold
