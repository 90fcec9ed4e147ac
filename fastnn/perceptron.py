"""Rosenblatt's perceptron: where learning machines began, and still the shortest one to read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._core import machine
from fastnn.basics.arrays import plain
from fastnn.basics.checks import flag, number, whole
from fastnn.basics.seeds import as_generator
from fastnn.data import check_finite, check_rows, features, readable

Array = NDArray[np.float64]


def epoch(x: Array, t: Array, order: NDArray[np.int64], w: Array, rate: float, intercept: bool) -> int:
    """One pass over the rows of x in ``order``; the twin of ``machine.perceptron_epoch`` (kernels/perceptron.pxi).

    Where the answer [w x + b >= 0] is not t (0 or 1): w <- w + rate (t - answer) x, b <- b + rate (t - answer). w, in
    place, holds b at its end. Returns the number of wrong answers.

    >>> w = np.zeros(2)
    >>> epoch(np.array([[2.0]]), np.array([0.0]), np.array([0]), w, rate=1.0, intercept=True), w
    (1, array([-2., -1.]))
    """
    wrong = 0
    for row in order.tolist():
        step = t[row] - (w[:-1] @ x[row] + w[-1] >= 0)
        if step:
            wrong += 1
            w[:-1] += rate * step * x[row]
            w[-1] += rate * step * intercept
    return wrong


class Perceptron:
    """A line (a plane, a hyperplane) between two classes, by Rosenblatt's rule.

    The answer is class 1 where z = w x + b >= 0, else class 0. A wrong answer moves the line, sample after sample:
    w <- w + rate (t - answer) x, b <- b + rate (t - answer). If a line separates the classes, it is found in finitely
    many steps (Novikoff 1962), and training stops after the first epoch without an error; else it stops after
    ``epochs``. Source: Rosenblatt, "The perceptron", Psychological Review 65, 1958.

    learning_rate: with weights that begin at zero it scales w and b and changes no answer. shuffle: a new order of the
    samples in each epoch, from rng (None, a seed or a numpy.random.Generator). fit_intercept: False keeps b at 0.
    history: True keeps the weights of each epoch.

    After fit: weights_ (features,), bias_, classes_ (the two labels, sorted), errors_ (wrong answers of each epoch),
    converged_; with history also history_ (epochs + 1, features + 1), the bias last, beginning with zeros.

    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> model = Perceptron().fit(X, y)
    >>> model.predict(X)
    array([0, 0, 0, 1])
    >>> model.errors_
    [2, 3, 3, 2, 1, 0]
    >>> model.weights_, model.bias_
    (array([2., 1.]), -3.0)
    """

    def __init__(
        self,
        learning_rate: float = 1.0,
        epochs: int = 100,
        rng: int | np.random.Generator | None = None,
        shuffle: bool = False,
        fit_intercept: bool = True,
        history: bool = False,
    ) -> None:
        self.learning_rate = number("learning_rate", learning_rate, above=0)
        self.epochs = whole("epochs", epochs, 1)
        self.rng = rng
        self.shuffle = flag("shuffle", shuffle)
        self.fit_intercept = flag("fit_intercept", fit_intercept)
        self.history = flag("history", history)

    def fit(self, x: ArrayLike, y: ArrayLike) -> Perceptron:
        """Learns from X (rows, features) and y (rows,), labels of two classes, from zero weights."""
        rows = self._rows(x)
        labels = plain(y, "y")
        if labels.shape != (len(rows),):
            raise ValueError(f"y has shape {labels.shape}, expected ({len(rows)},): one label for each row of X")
        missing = np.flatnonzero(labels != labels)  # NaN, NaT
        if len(missing):
            raise ValueError(f"y has the label {labels[missing[0]]} in row {missing[0]}; drop rows without a label")
        classes, places = np.unique(labels, return_inverse=True)
        if len(classes) != 2:
            raise ValueError(
                f"y has {len(classes)} classes, {classes[:5].tolist()}; a perceptron tells exactly 2 apart"
            )
        t = places.astype(np.float64)
        rng = as_generator(self.rng)
        w = np.zeros(rows.shape[1] + 1)
        order = np.arange(len(rows), dtype=np.int64)
        errors: list[int] = []
        history = [w.copy()]
        while len(errors) < self.epochs and (not errors or errors[-1]):
            if self.shuffle:
                order = rng.permutation(len(rows))
            errors.append(machine.perceptron_epoch(rows, t, order, w, self.learning_rate, self.fit_intercept))
            if self.history:
                history.append(w.copy())
        if not np.isfinite(w).all():
            raise ArithmeticError(
                f"the weights became infinite; scale the features or lower learning_rate={self.learning_rate:g}"
            )
        self.classes_ = classes
        self.weights_, self.bias_ = w[:-1].copy(), float(w[-1])
        self.errors_, self.converged_ = errors, errors[-1] == 0
        if self.history:
            self.history_ = np.array(history)
        return self

    def decision_function(self, x: ArrayLike) -> Array:
        """z = w x + b for each row: 0 or more is class 1."""
        if not hasattr(self, "weights_"):
            raise AttributeError("this Perceptron has learnt nothing yet; call fit(X, y) first")
        return self._rows(x, len(self.weights_)) @ self.weights_ + self.bias_

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """The label of each row of X (rows, features)."""
        z = self.decision_function(x)
        return self.classes_[(z >= 0).astype(np.intp)]

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Share of right answers."""
        answers, labels = self.predict(x), plain(y, "y")
        if labels.shape != answers.shape:
            raise ValueError(f"y has shape {labels.shape}, expected {answers.shape}: one label for each row of X")
        return float(np.mean(answers == labels))

    def _rows(self, x: ArrayLike, expected: int | None = None) -> Array:
        """X in float64, C-contiguous, or an error."""
        array = readable(x, "X")
        if array.ndim != 2:
            hint = "; for one sample pass X[None], for one feature X[:, None]" if array.ndim == 1 else ""
            raise ValueError(f"X has shape {array.shape}, expected (rows, features){hint}")
        source = features(array, array.shape[1:] if expected is None else (expected,))
        check_rows(source, "X")
        check_finite(source, "X", _nonfinite)
        return np.ascontiguousarray(array, dtype=np.float64)

    def __repr__(self) -> str:
        return f"Perceptron(learning_rate={self.learning_rate!r}, epochs={self.epochs!r}, shuffle={self.shuffle!r})"


def _nonfinite(source: Any) -> tuple[int, int] | None:
    """Row and column of the first number that is not finite."""
    bad = np.argwhere(~np.isfinite(source.array))
    return (int(bad[0, 0]), int(bad[0, 1])) if len(bad) else None
