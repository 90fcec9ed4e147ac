"""What the classifier and the regressor have in common: parameters, fit, asking. Their weights: ``weights.py``."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from numbers import Integral, Real
from types import MethodType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastnn import catalogue, metrics, optimizers
from fastnn.activations import Activation
from fastnn.basics.arrays import NUMBERS
from fastnn.callbacks.library import EarlyStopping
from fastnn.data import readable
from fastnn.engine.network import Network
from fastnn.engine.program import lower
from fastnn.engine.source import Source, Sparse
from fastnn.estimators import building, inspection
from fastnn.estimators.objectives import Objective
from fastnn.estimators.training import Held, Listeners, Samples, Stochastic, fit_lbfgs, sharing
from fastnn.estimators.weights import Weights
from fastnn.models.sequential import Sequential

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """scikit-learn's callbacks do not exist in this release."""


Array = NDArray[Any]
SHORT = 1 << 14  # numbers of X that are looked through at once for NaN


def store(estimator: Any, given: dict[str, Any]) -> None:
    """Keeps the arguments of ``__init__`` unchanged, as scikit-learn wants it."""
    vars(estimator).update({name: value for name, value in given.items() if name not in ("self", "__class__")})


class available_unless:
    """A method that raises AttributeError, for ``hasattr`` too, where a method of the estimator gives a reason.

    What scikit-learn's ``available_if`` does, at a tenth of the cost of a prediction.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __call__(self, method: Callable[..., Any]) -> available_unless:
        self.method, self.__doc__, self.__name__ = method, method.__doc__, method.__name__
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        self.method.__qualname__ = f"{owner.__qualname__}.{name}"

    def __get__(self, estimator: Any, owner: Any = None) -> Any:
        if estimator is None:
            return self.method
        reason = getattr(estimator, self.reason)()
        if reason:
            raise AttributeError(f"This {type(estimator).__name__!r} has no attribute {self.__name__!r}: {reason}")
        return MethodType(self.method, estimator)


def _names(kind: str, *others: str) -> set[str]:
    return {*catalogue.CONCEPTS[kind].table, *catalogue.CONCEPTS[kind].aliases, *others}


def _is_finite(X: Array) -> bool:
    """Whether a few numbers are finite for sure: what is not, is large or many takes the long way."""
    if X.dtype.kind != "f" or not 0 < X.size <= SHORT:
        return False
    if get_config()["assume_finite"]:
        return True
    flat = X.reshape(-1)
    length = float(np.vdot(flat, flat))  # unlike @ it warns of no overflow
    return length - length == 0


class BaseMLP(CallbackSupportMixin, Weights):
    """Base of the multi-layer perceptrons; the parameters are scikit-learn's, with more behind them."""

    _doc_link_module = "fastnn"
    _doc_link_template = (
        "https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.{estimator_name}.html"
    )

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [
            StrOptions(_names("activation", "identity", "logistic")),
            Activation,
            callable,
            list,
            tuple,
        ],
        "solver": [StrOptions({*_names("optimizer"), "lbfgs"}), optimizers.Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "batch_norm": ["boolean"],
        "layer_norm": ["boolean"],
        "clipnorm": [Interval(Real, 0, None, closed="neither"), None],
        "clipvalue": [Interval(Real, 0, None, closed="neither"), None],
        "global_clipnorm": [Interval(Real, 0, None, closed="neither"), None],
        "scoring": [str, callable, metrics.Metric, None],
        "callbacks": [list, tuple, None],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "scale": [StrOptions({"standard", "robust"}), None],
    }

    # -- fit -----------------------------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Learns from X (rows, features), dense or sparse, and y; returns the estimator.

        sample_weight: (rows,) weights of the rows. X_val, y_val, sample_weight_val: validation data, whose loss and
        score go into ``history_`` after each epoch and decide where ``early_stopping`` is set; without them
        early_stopping keeps ``validation_fraction`` of the rows for it.
        """
        return self._fit(X, y, sample_weight, None, (X_val, y_val, sample_weight_val))

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, epochs: int | None, validation: tuple[Any, Any, Any] = (None,) * 3
    ) -> Any:
        """One fit, or some epochs of ``partial_fit``."""
        hidden = building.hidden_sizes(self.hidden_layer_sizes)
        incremental = epochs is not None
        first = not self._has_weights() or not (self.warm_start or incremental)
        X, truth = self._validated(X, y, first)
        y, objective = self._targets(truth, incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        weight = self._weighted(sample_weight, truth)
        rng = check_random_state(self.random_state)
        if self.scale is not None:
            X, y = self._scaled(X, y, objective, first)
        network, model = self._network_for(X, hidden, objective, rng, first)
        held, rows = self._held(X, y, truth, weight, objective, rng, validation, epochs)
        data = Samples(self._source(X), y, weight, rows)
        with sharing():
            if network.program.optimizer_object is None:
                fit_lbfgs(self, network, objective, data)
            else:
                self._train(network, model, objective, data, rng, held, epochs)
        self.__dict__.pop("_handed", None)
        lost = self.solver != "lbfgs" and not np.isfinite(self.loss_) and held is None
        if lost or not network.is_finite():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
                " preprocessed."
            )
        return self

    def _train(
        self,
        network: Network,
        model: Sequential | None,
        objective: Objective,
        data: Samples,
        rng: np.random.RandomState,
        held: Held | None,
        epochs: int | None,
    ) -> None:
        context = None
        if getattr(self, "_skl_callbacks", None):
            context = self._init_callback_context(max_subtasks=self.max_iter if epochs is None else epochs)
            context.call_on_fit_task_begin(estimator=self)
        listeners = Listeners(self, model, context, held is not None)
        listeners.begin()
        failed = True
        try:
            Stochastic(self, network, objective, data, rng, held, epochs, listeners).run()
            failed = False
        finally:
            listeners.end(failed)
            if context is not None:
                context.call_on_fit_task_end(estimator=self)

    def _network_for(
        self, X: Any, hidden: list[int], objective: Objective, rng: np.random.RandomState, first: bool
    ) -> tuple[Network, Sequential | None]:
        """The network to train, which becomes the estimator's, and a model around it where callbacks want one."""
        if not first and "_network" in vars(self):
            network = self._network_now()
            sizes = [op.outputs for op in building.products(network.program)]
            if sizes[:-1] != hidden:
                raise ValueError(
                    f"the hidden layers have {sizes[:-1]} units, but hidden_layer_sizes is {hidden}; a fit that goes on"
                    " cannot change them"
                )
        elif not first:  # weights that were set by hand
            hidden = [len(bias) for bias in self.intercepts_[:-1]]
        structure = [getattr(self, name) for name in building.STRUCTURE]
        known = not first and "_network" in vars(self)
        if known and structure == self._structure and objective.loss == self._objective.loss and not self.callbacks:
            return self._network, None
        dtype = self._network.dtype if known else X.dtype
        activation = building.activation_of(objective.word)
        layers = building.layers_of(self, X.shape[1], hidden, objective.outputs, activation)
        optimizer = building.optimizer_of(self)
        if first:
            weights = building.starting_weights(self, layers, rng, dtype)
            self._begin(objective, len(hidden) + 2)
        elif known:
            weights = self._network.get_weights()
        else:
            weights = [one for pair in zip(self.coefs_, self.intercepts_, strict=True) for one in pair]
        model = None
        if self.callbacks:
            if optimizer is None:
                raise ValueError("callbacks need a solver of epochs, such as 'adam'; lbfgs has none")
            model = Sequential(layers, rng=0, dtype=dtype)
            model.compile(optimizer, objective.loss)
            model.set_weights(weights)
            network = model.network
        else:
            program = lower(layers, dtype, objective.loss, optimizer)
            network = Network(program, seed=self._seed(layers, rng), weights=weights)
        if known and network.arena.shape == self._network.arena.shape and self._same_optimizer(network):
            network.arena[:] = self._network.arena
            network.iterations = self._network.iterations
            if self.learning_rate == "adaptive":
                network.program.optimizer_object.learning_rate = self._optimizer.learning_rate  # type: ignore[union-attr]
        if self.learning_rate == "invscaling" and self.solver == "sgd" and self.t_:
            rate = self.learning_rate_init / (self.t_ + 1) ** self.power_t
            network.program.optimizer_object.learning_rate = rate  # type: ignore[union-attr]
        self._network, self._objective, self._structure = network, objective, structure
        self.__dict__.pop("_handed", None)
        return network, model

    @staticmethod
    def _seed(layers: list[Any], rng: np.random.RandomState) -> int:
        """Of dropout's draws; scikit-learn's stream of random numbers stays as it is where there are none."""
        random = any(type(layer).__name__ in ("Dropout", "GaussianNoise") for layer in layers)
        return int(rng.randint(1 << 31)) if random else 0

    def _same_optimizer(self, network: Network) -> bool:
        new, old = network.program.optimizer_object, self._network.program.optimizer_object
        return type(new) is type(old) and new is not None and old is not None and new.state == old.state

    def _begin(self, objective: Objective, layers: int) -> None:
        """What a first fit sets."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = layers, objective.outputs
        self.out_activation_ = objective.word
        self.history_: dict[str, list[float]] = {}
        if self.solver == "lbfgs":
            return
        self.loss_curve_: list[float] = []
        self.history_["loss"] = self.loss_curve_
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _held(
        self,
        X: Any,
        y: Array,
        truth: Any,
        weight: Array | None,
        objective: Objective,
        rng: np.random.RandomState,
        validation: tuple[Any, Any, Any],
        epochs: int | None,
    ) -> tuple[Held | None, NDArray[np.int64] | None]:
        """Validation data, given or kept back, and the rows that are left to train on (None: all)."""
        given, given_y, given_weight = validation
        if (given is None) != (given_y is None):
            raise ValueError("X_val and y_val belong together; one of them is missing")
        if given is not None:
            if self.solver == "lbfgs":
                raise ValueError("X_val needs a solver of epochs, such as 'adam'; lbfgs has none")
            held_x, held_truth = self._validated(given, given_y, False)
            held_y, _ = self._targets(held_truth, True)
            if given_weight is not None:
                given_weight = _check_sample_weight(given_weight, held_x)
            raw = held_x
            if self.scale is not None:
                held_x, held_y = self._scaled(held_x, held_y, objective, False)
            return Held(self._source(held_x), held_y, held_truth, given_weight, raw), None
        if not self.early_stopping or self.solver == "lbfgs" or epochs is not None:
            return None, None
        n = X.shape[0]
        train, rest = train_test_split(
            np.arange(n), random_state=rng, test_size=self.validation_fraction, stratify=self._strata(y)
        )
        if len(rest) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        raw = X[rest] if self.scale is None else None
        held = Held(self._source(X[rest]), y[rest], truth[rest], None if weight is None else weight[rest], raw)
        return held, train

    def _strata(self, y: Array) -> Array | None:
        """What the rows that are kept back shall be like."""
        return None

    def _held_score(self, held: Held, outputs: Array, loss: float) -> float:
        """How good the network is on the validation data: more is better."""
        if not (np.isfinite(outputs).all() and np.isfinite(self.loss_curve_[-1])):
            return float("nan")
        scoring = self.scoring
        if scoring is None:
            return self._default_score(held, outputs)
        if isinstance(scoring, str) and scoring in ("loss", "val_loss"):
            return -loss
        if callable(scoring) and not isinstance(scoring, metrics.Metric):
            return float(scoring(self._bare(), held.given, held.truth))
        if isinstance(scoring, str) and scoring in get_scorer_names():
            return float(get_scorer(scoring)(self._bare(), held.given, held.truth))
        metric = catalogue.resolve("metric", scoring, metrics.Metric)
        metric.prepare(self._objective.loss, self._objective.outputs)
        metric.reset()
        metric.update(held.y.array, outputs)
        better = any(score in metric.name for score in EarlyStopping.SCORES)
        return metric.result() * (1 if getattr(metric, "higher_is_better", better) else -1)

    def _bare(self) -> Any:
        """A copy without names of features, for scorers that ask it about arrays."""
        bare = copy.copy(self)
        bare.__dict__.pop("feature_names_in_", None)
        bare.__dict__.pop("_handed", None)
        return bare

    # What the classifier and the regressor do in their own ways.

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """X and y, checked by scikit-learn."""
        raise NotImplementedError

    def _targets(self, truth: Any, incremental: bool) -> tuple[Array, Objective]:
        """y as the loss takes it, and what is minimized."""
        raise NotImplementedError

    def _default_score(self, held: Held, outputs: Array) -> float:
        raise NotImplementedError

    def _weighted(self, sample_weight: Array | None, truth: Any) -> Array | None:
        """The weights of the rows."""
        return sample_weight

    def _scaled(self, X: Any, y: Array, objective: Objective, first: bool) -> tuple[Any, Array]:
        """X, centred and scaled as the first fit has found it."""
        if first:
            sparse = hasattr(X, "tocsr")
            self._x_scaler = (
                StandardScaler(with_mean=not sparse)
                if self.scale == "standard"
                else RobustScaler(with_centering=not sparse)
            ).fit(X)
        return self._x_scaler.transform(X), y

    def _source(self, X: Any) -> Source:
        if hasattr(X, "tocsr"):
            return Sparse(readable(X.data, "X"), X.indices, X.indptr, X.shape[1])
        return Source(readable(X, "X"))

    @property
    def validation_loss_curve_(self) -> list[float]:
        """The loss on the validation data after each epoch, without penalties."""
        if "val_loss" not in vars(self).get("history_", {}):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'validation_loss_curve_'")
        return self.history_["val_loss"]

    def _no_steps(self) -> str:
        if isinstance(self.solver, str) and self.solver == "lbfgs":
            return "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        return ""

    # -- asking --------------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """Outputs of the network (rows, outputs) for X, which is checked as scikit-learn checks it."""
        state = self.__dict__
        if (
            type(X) is np.ndarray
            and "_handed" not in state
            and "_network" in state
            and "feature_names_in_" not in state
            and state["scale"] is None
        ):
            network = state["_network"]
            outputs = network.engine.predict_few(X) if X.dtype == network.dtype else None
            if outputs is None and _is_finite(X):
                outputs = network.engine(X)  # None unless it is a matrix of its own type and width
            if outputs is not None:
                return outputs
        network = self._network_now()
        X = self._checked(X)
        threads = self.n_threads
        source = self._source(X)
        outputs = network.predict(source) if threads is None else network.engine.predict(source, threads)
        wide = np.result_type(X.dtype, network.dtype) if X.dtype.kind in NUMBERS else network.dtype
        return outputs if wide == network.dtype else outputs.astype(np.float64)  # as a product of X and coefs_

    def _checked(self, X: Any) -> Any:
        """X as ``predict`` may be asked about it."""
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        return X if self.scale is None else self._x_scaler.transform(X)

    def activations(self, X: Any) -> list[Array]:
        """Outputs of each hidden layer for X: arrays (rows, units), behind normalization and activation."""
        return inspection.activations(self._network_now(), self._dense(X))

    def gradient(self, X: Any) -> Array:
        """Derivatives of the outputs by the inputs at each row: (rows, outputs, features), (rows, features) for one.

        Outputs are probabilities for a classifier, numbers for a regressor. With ``scale`` they are those by X itself.
        """
        slope = inspection.gradient(self._network_now(), self._dense(X))
        if self.scale is not None:
            slope = slope / self._x_scaler.scale_
        slope = slope * self._unit()
        return slope[:, 0] if slope.shape[1] == 1 else slope

    def _unit(self) -> Any:
        """What the network's outputs are multiplied with."""
        return 1.0

    def _dense(self, X: Any) -> Array:
        network = self._network_now()
        X = self._checked(X)
        return (X.toarray() if hasattr(X, "tocsr") else X).astype(network.dtype, copy=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the estimator to one file, parameters and all that it has learnt; ``fastnn.load(path)`` gives it back.

        As ``Sequential.save``: safe to read, whole or not at all, and a fit that goes on has the same bits. TypeError
        for what no file can hold: callbacks, functions without a name, a RandomState.
        """
        from fastnn.estimators.saving import save

        save(path, self)

    def to_sequential(self) -> Sequential:
        """A ``fastnn.Sequential`` with the same layers and weights, to be saved, shown or trained on."""
        network = self._network_now()
        sizes = [op.outputs for op in building.products(network.program)]
        activation = building.activation_of(self.out_activation_)
        layers = building.layers_of(self, network.program.inputs, sizes[:-1], sizes[-1], activation)
        model = Sequential(layers, rng=0, dtype=network.dtype, name=type(self).__name__.lower())
        model.set_weights(network.get_weights())
        return model

    def to_onnx(self, path: str | os.PathLike[str], zipmap: bool = False, dtype: str | None = None) -> None:
        """Writes an ONNX file, opset 17, that answers what ``predict`` does, X as it comes: ``scale`` is part of it.

        Its input is ``X``, (N, features). Of a classifier the outputs are ``label`` and ``probabilities`` (margins
        after a hinge loss), as skl2onnx lays them out, or with zipmap ``output_label`` and ``output_probability``, a
        dict for each row; of a regressor ``variable``, (N, targets). dtype: "float32" or "float64", of X and of the
        file; by default that of the fit. Needs the package onnx (extra ``onnx``).
        """
        from fastnn.estimators.leaving import frozen_estimator
        from fastnn.exporting import to_onnx

        to_onnx.write(path, frozen_estimator(self, dtype), zipmap)

    def to_c(self, path: str | os.PathLike[str], name: str = "predict", dtype: str | None = None) -> None:
        """Writes one C99 file that answers what ``predict_proba`` does, or ``predict`` of a regressor, for one row.

        X as it comes: ``scale`` is part of it. Of a classifier ``int predict_class(const float *y)`` is the place in
        ``classes_``. dtype: "float32" or "float64", by default that of the fit. See ``Sequential.to_c``.
        """
        from fastnn.estimators.leaving import frozen_estimator
        from fastnn.exporting import to_c

        to_c.write(path, frozen_estimator(self, dtype), name)

    def to_numpy(self, path: str | os.PathLike[str], dtype: str | None = None) -> None:
        """Writes a script, ``net.py``, and its weights, ``net.npz``, with ``predict`` and, of a classifier,
        ``predict_proba`` (``decision_function`` after a hinge loss), in NumPy alone. ``scale`` is part of them.
        """
        from fastnn.estimators.leaving import frozen_estimator
        from fastnn.exporting import to_numpy

        to_numpy.write(path, frozen_estimator(self, dtype))

    def plot_history(self, ax: Any = None) -> Any:
        """Draws the losses and scores of ``history_`` over the epochs; returns Matplotlib's axes."""
        from fastnn import plots

        check_is_fitted(self)
        return plots.history(self.history_, ax=ax)

    def _html_repr(self) -> str:
        """scikit-learn's picture of the estimator, with the table of the network's layers once it is fitted."""
        html: Callable[[Any], str] = BaseEstimator._html_repr
        text = html(self)
        return text + inspection.table(self.to_sequential()) if self._has_weights() else text

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
