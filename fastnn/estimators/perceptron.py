"""Rosenblatt's perceptron with scikit-learn's parameters."""

from __future__ import annotations

import os
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._core import machine
from fastnn.estimators.base import store

Array = NDArray[Any]
PART = 1 << 16  # numbers of sparse rows that are made dense at once


class Perceptron(ClassifierMixin, BaseEstimator):
    """Rosenblatt's rule for two classes, or one class against the rest for more: the smallest learning machine.

    For each class, z = w x + b answers "this class" where z >= 0; a wrong answer moves the line, sample after sample:
    w <- w + eta0 (t - answer) x, b <- b + eta0 (t - answer), with t = 1 for the class and 0 for the rest. Source:
    Rosenblatt, "The perceptron", Psychological Review 65, 1958.

    The parameters are those of scikit-learn's ``linear_model.Perceptron`` that the rule has. fit_intercept: False keeps
    b at 0. max_iter: most epochs. tol: ends the training of a class when its share of wrong answers has not fallen by
    more than tol for n_iter_no_change epochs; None: only an epoch without an error does. shuffle: a new order of the
    samples in each epoch, from random_state. eta0: the step; from zero weights it scales w and b and changes no answer.
    warm_start: goes on with the weights of the last fit. verbose: prints the errors of each epoch.

    After fit: coef_ (classes, features), or (1, features) for two, intercept_, classes_, n_iter_ (the most epochs of a
    class), t_, n_features_in_, and errors_: the wrong answers of each epoch, of all classes together.

    >>> from fastnn.estimators import Perceptron
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> gate = Perceptron(shuffle=False, tol=None).fit(X, y)
    >>> gate.errors_, gate.coef_, gate.intercept_, gate.score(X, y)
    ([2, 3, 3, 2, 1, 0], array([[2., 1.]]), array([-3.]), 1.0)
    """

    classes_: Array
    coef_: Array
    intercept_: Array

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: Any = 0,
        eta0: float = 1.0,
        random_state: Any = 0,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
    ) -> None:
        store(self, locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Perceptron:
        """Learns from X (rows, features), dense or sparse, and the labels y (rows,)."""
        goes_on = self.warm_start and hasattr(self, "coef_")
        X, y = self._validated(X, y, not goes_on)
        classes = unique_labels(y)
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start needs the classes of the last fit, {self.classes_}, got {classes}")
        self.t_ = 1.0
        unfinished = self._learn_all(X, y, classes, goes_on, self.max_iter)
        if unfinished and self.tol is not None:
            warnings.warn(
                "Maximum number of iteration reached before convergence. Consider increasing max_iter to improve the"
                " fit.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Perceptron:
        """Goes on with one epoch over X and y; classes: the labels of all calls, needed in the first one."""
        first = _check_partial_fit_first_call(self, classes)
        X, y = self._validated(X, y, first)
        new = np.setdiff1d(unique_labels(y), self.classes_)
        if len(new):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {new}."
            )
        if first:
            self.t_ = 1.0
        self._learn_all(X, y, self.classes_, hasattr(self, "coef_"), 1)
        return self

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, order="C", reset=reset)
        check_classification_targets(y)
        return X, y

    def _learn_all(self, X: Any, y: Array, classes: Array, goes_on: bool, epochs: int) -> bool:
        """One class against the rest, for each; returns whether one of them is unfinished."""
        if len(classes) < 2:
            raise ValueError("The number of classes has to be greater than one; got 1 class")
        places = np.searchsorted(classes, y)
        count = 1 if len(classes) == 2 else len(classes)
        w = np.zeros((count, X.shape[1] + 1))
        if goes_on:
            w[:, :-1], w[:, -1] = self.coef_, self.intercept_
        told: list[list[int]] = []
        finished = True
        for k in range(count):
            t = (places == (1 if count == 1 else k)).astype(np.float64)
            errors, converged = self._learn(X, t, w[k], check_random_state(self.random_state), epochs)
            told.append(errors)
            finished = finished and converged
        if not np.isfinite(w).all():
            raise ValueError("the weights became infinite; scale the features or lower eta0")
        self.classes_, self.coef_, self.intercept_ = classes, w[:, :-1].copy(), w[:, -1].copy()
        self.n_iter_ = max(len(errors) for errors in told)
        self.errors_ = [sum(errors[i] for errors in told if i < len(errors)) for i in range(self.n_iter_)]
        self.t_ += float(sum(len(errors) for errors in told) * X.shape[0])
        return not finished

    def _learn(self, X: Any, t: Array, w: Array, rng: np.random.RandomState, epochs: int) -> tuple[list[int], bool]:
        """One class against the rest, in place; the errors of each epoch, and whether a rule ended it."""
        order = np.arange(len(t))
        errors: list[int] = []
        best, waited = np.inf, 0
        while len(errors) < epochs:
            if self.shuffle:
                order = rng.permutation(len(t))
            errors.append(self._epoch(X, t, order, w))
            if self.verbose:
                print(f"-- Epoch {len(errors)}: {errors[-1]} errors")
            waited = 0 if self.tol is None or errors[-1] < best - self.tol * len(t) else waited + 1
            best = min(best, errors[-1])
            if errors[-1] == 0 or waited >= self.n_iter_no_change:
                return errors, True
        return errors, False

    def _epoch(self, X: Any, t: Array, order: Array, w: Array) -> int:
        """The wrong answers of one epoch; sparse rows become dense by parts, so that nothing of X's size is made."""
        if not issparse(X):
            return machine.perceptron_epoch(X, t, order, w, self.eta0, self.fit_intercept)
        errors, step = 0, max(1, PART // X.shape[1])
        for first in range(0, len(order), step):
            rows = order[first : first + step]
            part = X[rows].toarray(order="C")
            errors += machine.perceptron_epoch(part, t[rows], np.arange(len(rows)), w, self.eta0, self.fit_intercept)
        return errors

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the estimator to one file, parameters and all that it has learnt; ``fastnn.load(path)`` gives it back.

        As ``Sequential.save``: safe to read, whole or not at all, and a fit that goes on has the same bits. TypeError
        for what no file can hold: callbacks, functions without a name, a RandomState.
        """
        from fastnn.estimators.saving import save

        save(path, self)

    def decision_function(self, X: Any) -> Array:
        """z = w x + b: (rows,) for two classes, else (rows, classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        z = X @ self.coef_.T + self.intercept_
        return z[:, 0] if z.shape[1] == 1 else z

    def predict(self, X: Any) -> Array:
        """The label of each row: of two classes the second where z >= 0, of more that with the largest z."""
        z = self.decision_function(X)
        return self.classes_[(z >= 0).astype(np.intp) if z.ndim == 1 else z.argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
