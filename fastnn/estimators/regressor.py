"""MLPRegressor."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from fastnn import losses
from fastnn.basics.checks import number, whole
from fastnn.data import readable
from fastnn.estimators import objectives
from fastnn.estimators.base import BaseMLP, _names, available_unless, store
from fastnn.estimators.objectives import Objective
from fastnn.estimators.training import Held

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron for numbers: scikit-learn's ``MLPRegressor`` on fastnn's engine.

    Everything up to max_fun is scikit-learn's, with its defaults; see its documentation. What is more, beside what
    ``MLPClassifier`` lists (without its classes):

    - loss: "squared_error", "poisson", "absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll", or an object
      or function of numbers as ``fastnn.losses`` has them.
    - quantiles: the levels of loss="quantile", a number or a list; ``predict`` gives the one nearest to 1/2,
      ``predict_quantiles`` all of them, ``predict_interval`` two. With loss="gaussian_nll" ``predict`` gives the mean,
      and with return_std=True the deviation too; the intervals are those of the normal distribution.
    - scale: scales y too, unless the loss is one of counts.

    scoring None is R^2.

    >>> from fastnn.estimators import MLPRegressor
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> reg = MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", activation="tanh", random_state=0)
    >>> reg.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(_names("loss", "squared_error", "absolute_error")), losses.Loss, callable],
        "quantiles": ["array-like", float, None],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        quantiles: Any = None,
        l1_ratio: float = 0.0,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        layer_norm: bool = False,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        kernel_regularizer: Any = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        scoring: Any = None,
        callbacks: Any = None,
        max_seconds: float | None = None,
        n_threads: int | None = None,
        scale: str | None = None,
    ) -> None:
        store(self, locals())

    # -- fit -----------------------------------------------------------------------------------------------------------

    @available_unless("_no_steps")
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, epochs: int = 1) -> MLPRegressor:
        """Goes on with so many epochs over X and y, all state kept."""
        return self._fit(X, y, sample_weight, whole("partial_fit: epochs", epochs, 1))

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        kinds = (np.float64, np.float32)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, dtype=kinds, reset=reset
        )
        y = readable(y, "y")  # scikit-learn leaves text and dates as they are
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _targets(self, truth: Any, incremental: bool) -> tuple[Array, Objective]:
        y = truth.reshape(len(truth), -1)
        return y, objectives.for_regressor(self.loss, y.shape[1], self.quantiles)

    def _scaled(self, X: Any, y: Array, objective: Objective, first: bool) -> tuple[Any, Array]:
        X, y = super()._scaled(X, y, objective, first)
        if first:
            counts = objective.loss.targets == "counts"
            kind = StandardScaler if self.scale == "standard" else RobustScaler
            self._y_scaler = None if counts else kind().fit(y)
        return X, y if self._y_scaler is None else self._y_scaler.transform(y)

    def _default_score(self, held: Held, outputs: Array) -> float:
        return float(r2_score(held.truth, self._central(self._in_units(outputs)), sample_weight=held.weight))

    # -- asking --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The number of each row of X: (rows,), or (rows, targets) where y had several columns.

        return_std: with loss="gaussian_nll", the standard deviation too, as a second array.
        """
        outputs = self._outputs(X)
        if return_std:
            if not self._is_normal():
                raise ValueError(f"return_std needs loss='gaussian_nll', got {self.loss!r}")
            mean, deviation = self._normal(outputs)
            return _flat(mean), _flat(deviation)
        return self._central(self._in_units(outputs))

    @available_unless("_no_levels")
    def predict_quantiles(self, X: Any) -> Array:
        """All quantiles in the order of ``quantiles``: (rows, levels), or (rows, targets, levels)."""
        outputs = self._in_units(self._outputs(X))
        found = outputs.reshape(len(outputs), -1, len(self._levels()))
        return found[:, 0] if found.shape[1] == 1 else found

    @available_unless("_no_spread")
    def predict_interval(self, X: Any, coverage: float | None = None) -> tuple[Array, Array]:
        """Lower and upper ends of an interval that shall hold a share ``coverage`` of the answers.

        By the quantiles (1 - coverage) / 2 and (1 + coverage) / 2, which must have been learnt: the outermost ones if
        coverage is None; or by a normal distribution, with loss="gaussian_nll": coverage 0.9 if it is None.
        """
        if coverage is not None:
            coverage = number("coverage", coverage, above=0, below=1)
        if self._is_normal():
            mean, deviation = self._normal(self._outputs(X))
            reach = NormalDist().inv_cdf(0.5 + 0.5 * (0.9 if coverage is None else coverage))
            return _flat(mean - reach * deviation), _flat(mean + reach * deviation)
        levels = np.array(self._levels())
        ends = (levels.min(), levels.max())
        if coverage is not None:
            ends = (0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage)
        places = [int(np.abs(levels - end).argmin()) for end in ends]
        if not np.allclose(levels[places], ends) or len(set(places)) < 2:
            raise ValueError(
                f"coverage {coverage} needs the quantiles {ends[0]:g} and {ends[1]:g}, learnt were {levels.tolist()}"
            )
        found = self.predict_quantiles(X)
        found = np.sort(found, axis=-1)[..., np.argsort(np.argsort(levels))[places]]  # ends that cross change places
        return found[..., 0], found[..., 1]

    def _is_normal(self) -> bool:
        return isinstance(self._objective.loss, losses.GaussianNLL)

    def _levels(self) -> list[float]:
        loss = self._objective.loss
        return np.ravel(loss.levels).tolist() if isinstance(loss, losses.Quantile) else []

    def _no_levels(self) -> str:
        if "_objective" in vars(self) and not self._levels():
            return f"predict_quantiles needs loss='quantile', got {self.loss!r}"
        return ""

    def _no_spread(self) -> str:
        if "_objective" in vars(self) and not self._levels() and not self._is_normal():
            return f"predict_interval needs loss='quantile' or 'gaussian_nll', got {self.loss!r}"
        return ""

    def _scaler(self) -> Any:
        return None if self.scale is None else self._y_scaler

    def _unit(self) -> Any:
        scaler = self._scaler()
        if scaler is None:
            return 1.0
        if self._is_normal():
            raise ValueError("gradient knows no units of y with scale and loss='gaussian_nll'; leave one out")
        return np.repeat(scaler.scale_, max(1, len(self._levels())))[:, None]

    def _in_units(self, outputs: Array) -> Array:
        """Outputs of the network in the units of y."""
        scaler = self._scaler()
        if scaler is None:
            return outputs
        if self._is_normal():
            return self._normal(outputs)[0]
        count = max(1, len(self._levels()))
        centre = scaler.mean_ if self.scale == "standard" else scaler.center_
        return (outputs * np.repeat(scaler.scale_, count) + np.repeat(centre, count)).astype(outputs.dtype, copy=False)

    def _normal(self, outputs: Array) -> tuple[Array, Array]:
        """Means and standard deviations."""
        mean, spread = np.split(outputs, 2, axis=1)
        deviation = np.exp(0.5 * spread)
        scaler = self._scaler()
        if scaler is None:
            return mean, deviation
        centre = scaler.mean_ if self.scale == "standard" else scaler.center_
        kind = outputs.dtype
        return (mean * scaler.scale_ + centre).astype(kind), (deviation * scaler.scale_).astype(kind)

    def _central(self, outputs: Array) -> Array:
        """One number for each target: the mean, or the quantile nearest to the median."""
        levels = self._levels()
        if levels:
            place = int(np.abs(np.array(levels) - 0.5).argmin())
            outputs = outputs[:, place :: len(levels)]
        elif self._is_normal() and self._scaler() is None:
            outputs = outputs[:, : outputs.shape[1] // 2]
        return _flat(outputs)

    @classmethod
    def from_sklearn(cls, model: Any) -> MLPRegressor:
        """The same network as a fitted ``sklearn.neural_network.MLPRegressor``, with all that it has learnt."""
        from fastnn.estimators import conversion

        return conversion.from_sklearn(cls, model)

    def to_sklearn(self) -> Any:
        """The same network as a fitted ``sklearn.neural_network.MLPRegressor``; ValueError where it cannot be one."""
        from fastnn.estimators import conversion

        return conversion.to_sklearn(self)


def _flat(a: Array) -> Array:
    return a.ravel() if a.shape[1] == 1 else a
