"""MLPClassifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from fastnn import losses
from fastnn.basics.checks import whole
from fastnn.estimators import objectives
from fastnn.estimators.base import BaseMLP, _names, available_unless, store
from fastnn.estimators.building import read_weights
from fastnn.estimators.objectives import GroupedCrossentropy, Objective
from fastnn.estimators.training import Held

Array = NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron for classes: scikit-learn's ``MLPClassifier`` on fastnn's engine.

    Everything up to max_fun is scikit-learn's, with its defaults; see its documentation. What is more:

    - activation: any of ``fastnn.activations`` by name or object, or a list, one for each hidden layer. solver: any of
      ``fastnn.optimizers`` by name, with learning_rate_init as its rate, or an object, with its own. learning_rate: a
      schedule of ``fastnn.schedules`` too. loss: "log_loss", or one of classes of ``fastnn.losses`` by name or object.
    - class_weight: a dict label -> weight, or "balanced"; multiplied with sample_weight.
    - l1_ratio: alpha's share of |w|, the rest penalizes squares. kernel_regularizer: one of ``fastnn.regularizers`` in
      the place of alpha. kernel_initializer, bias_initializer: of ``fastnn.initializers``.
    - dropout: of the hidden layers' outputs, a number or a list. batch_norm, layer_norm: before each activation.
    - clipnorm, clipvalue, global_clipnorm: see ``fastnn.optimizers.Optimizer``.
    - scoring: what early_stopping looks at: a scorer's name, a callable (estimator, X, y), a metric of fastnn, or
      "loss"; None is accuracy. callbacks: a list of ``fastnn.callbacks``; their model is a ``Sequential``.
    - max_seconds: ends a fit. n_threads: the most that it uses. scale: "standard" or "robust" scales X inside.
    - grow_classes: ``partial_fit`` takes new classes that come later.

    After fit: scikit-learn's attributes, and ``history_``, a dict name -> values by epochs. y may have several columns
    of classes too: then classes_ and what predict_proba returns are lists.

    With warm_start the optimizer's state goes on; scikit-learn's begins anew.

    >>> from fastnn.estimators import MLPClassifier
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "yes", "no"]
    >>> clf = MLPClassifier((8,), activation="tanh", solver="lbfgs", random_state=1).fit(X, y)
    >>> clf.predict(X).tolist(), clf.score(X, y)
    (['no', 'yes', 'yes', 'no'], 1.0)
    """

    classes_: Any

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(_names("loss", "log_loss")), losses.Loss, callable],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "grow_classes": ["boolean"],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
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
        grow_classes: bool = False,
    ) -> None:
        store(self, locals())

    # -- fit -----------------------------------------------------------------------------------------------------------

    @available_unless("_no_steps")
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, epochs: int = 1
    ) -> MLPClassifier:
        """Goes on with so many epochs over X and y, all state kept; classes: of all calls, needed in the first one.

        With ``grow_classes`` the first call needs none, and classes that come later get weights of their own.
        """
        epochs = whole("partial_fit: epochs", epochs, 1)
        if not hasattr(self, "classes_"):
            if classes is None and not self.grow_classes:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            multilabel = type_of_target(y).startswith("multilabel")
            given = y if multilabel or classes is None else classes
            self._learn_labels(given if issparse(given) else np.asarray(given))
            if multilabel and classes is not None and not isinstance(self.classes_, list):
                self.classes_ = unique_labels(classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        if self.grow_classes and not isinstance(self.classes_, list):
            self._grow(y)
        return self._fit(X, y, sample_weight, epochs)

    def _grow(self, y: Any) -> None:
        """Outputs for classes of y that are new: their weights are zero, and the optimizer's state begins anew."""
        found = np.union1d(self.classes_, np.unique(np.asarray(y)))
        if len(found) == len(self.classes_):
            return
        old = self.classes_
        self._learn_labels(found)
        if not self._has_weights():
            return
        network = self._network_now()
        coefs, intercepts = read_weights(network)
        kernel, bias = coefs[-1], intercepts[-1]
        if kernel.shape[1] == 1 and len(found) > 2:  # one logit z means the two logits 0 and z
            kernel = np.column_stack([np.zeros_like(kernel), kernel])[:, -len(old) :]
            bias = np.append(np.zeros_like(bias), bias)[-len(old) :]
        places = np.searchsorted(found, old)
        if len(found) > 2:
            new_kernel = np.zeros((kernel.shape[0], len(found)), dtype=kernel.dtype)
            new_bias = np.full(len(found), bias.min() if len(bias) else 0, dtype=bias.dtype)
            new_kernel[:, places], new_bias[places] = kernel, bias
        else:  # from one class to two
            new_kernel, new_bias = np.zeros_like(kernel), np.zeros_like(bias)
        del self._network
        self._handed = [[*coefs[:-1], new_kernel], [*intercepts[:-1], new_bias]]
        self.out_activation_ = "softmax" if len(found) > 2 else "logistic"
        self.n_outputs_ = new_kernel.shape[1]

    def _learn_labels(self, y: Array) -> None:
        """classes_, and how they are told apart."""
        if y.ndim == 2 and y.shape[1] > 1 and not issparse(y) and type_of_target(y) == "multiclass-multioutput":
            self.classes_ = [np.unique(column) for column in y.T]
            self._kind = "multiclass-multioutput"
            return
        self._label_binarizer = LabelBinarizer()
        kind = type_of_target(y, input_name="y")
        plain = y.dtype.kind in "biuf" and y.dtype.isnative  # what is not gets another dtype
        if kind in ("binary", "multiclass") and y.ndim == 1 and plain:  # what its fit does, but once
            vars(self._label_binarizer).update(y_type_=kind, sparse_input_=False, classes_=np.unique(y))
        else:
            self._label_binarizer.fit(y)
        self.classes_ = self._label_binarizer.classes_
        self._kind = self._label_binarizer.y_type_

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        kinds = (np.float64, np.float32)
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=kinds, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _targets(self, truth: Any, incremental: bool) -> tuple[Array, Objective]:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._learn_labels(truth)
        elif not isinstance(self.classes_, list):
            classes = unique_labels(truth)
            if self.warm_start and not incremental:
                if set(classes) != set(self.classes_):
                    raise ValueError(
                        "warm_start can only be used where `y` has the same classes as in the previous call to fit."
                        f" Previously got {self.classes_}, `y` has {classes}"
                    )
            elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
                raise ValueError(
                    f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
                )
        if self._kind == "multiclass-multioutput":
            return self._grouped(truth)
        if self._kind == "multiclass":
            places = np.searchsorted(self.classes_, truth)
            objective = objectives.for_classifier(self.loss, self._kind, len(self.classes_))
            if objective.loss.targets == "labels":
                return places.astype(np.int32), objective
            return places[:, None] == np.arange(len(self.classes_)), objective
        if self._kind.startswith("multilabel"):
            y = (truth.toarray() if issparse(truth) else np.asarray(truth)).astype(bool)
        else:
            y = (truth == self.classes_[-1] if len(self.classes_) > 1 else np.zeros(len(truth), dtype=bool))[:, None]
        return y, objectives.for_classifier(self.loss, self._kind, y.shape[1])

    def _grouped(self, truth: Any) -> tuple[Array, Objective]:
        """Several columns of classes: a softmax for each."""
        if self.loss != "log_loss":
            raise ValueError(f"several columns of classes need loss='log_loss', got {self.loss!r}")
        if truth.ndim != 2 or truth.shape[1] != len(self.classes_):
            raise ValueError(f"y has shape {truth.shape}, expected {len(self.classes_)} columns of classes")
        columns = []
        for classes, column in zip(self.classes_, truth.T, strict=True):
            places = np.minimum(np.searchsorted(classes, column), len(classes) - 1)
            if (classes[places] != column).any():
                raise ValueError(f"`y` has classes not in `self.classes_`: {np.setdiff1d(column, classes)}")
            columns.append(places)
        sizes = tuple(len(classes) for classes in self.classes_)
        return np.column_stack(columns).astype(np.int32), Objective(
            GroupedCrossentropy(sizes=sizes), sum(sizes), "identity"
        )

    def _weighted(self, sample_weight: Array | None, truth: Any) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        weight = compute_sample_weight(self.class_weight, truth)
        return weight if sample_weight is None else weight * sample_weight

    def _strata(self, y: Array) -> Array | None:
        return y if y.ndim == 2 and y.shape[1] == 1 else None  # as scikit-learn: two classes only

    def _default_score(self, held: Held, outputs: Array) -> float:
        right = _dense(self._answers(outputs)) == _dense(held.truth)
        right = right if right.ndim == 1 else np.asarray(right).all(axis=1)
        return float(np.average(right, weights=held.weight))

    # -- asking --------------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The class of each row of X, or (rows, classes) of 0 and 1 where y was."""
        return self._answers(self._outputs(X))

    def _answers(self, outputs: Array) -> Array:
        """The labels that outputs of the network mean."""
        if isinstance(self.classes_, list):
            groups = np.split(outputs, np.cumsum([len(one) for one in self.classes_])[:-1], axis=1)
            pairs = zip(self.classes_, groups, strict=True)
            return np.column_stack([classes[group.argmax(axis=1)] for classes, group in pairs])
        limit = 0.0 if self.out_activation_ == "identity" else 0.5
        if self._kind.startswith("multilabel"):
            answers = (outputs > limit).astype(int)
            return csr_matrix(answers) if self._label_binarizer.sparse_input_ else answers
        if outputs.shape[1] > 1:
            return self.classes_[self._network.engine.classes(outputs.astype(self._network.dtype, copy=False))]
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(outputs))
        return self.classes_[(outputs[:, 0] > limit).astype(np.intp)]

    def _no_probabilities(self) -> str:
        if self.__dict__.get("out_activation_") == "identity" and not self._is_grouped():
            return f"loss {self.loss!r} knows no probabilities, only decision_function"
        return ""

    def _no_margins(self) -> str:
        if self.__dict__.get("out_activation_") != "identity" or self._is_grouped():
            return "decision_function belongs to losses without probabilities; use predict_proba"
        return ""

    def _is_grouped(self) -> bool:
        return isinstance(self.__dict__.get("classes_"), list)

    @available_unless("_no_probabilities")
    def predict_proba(self, X: Any) -> Any:
        """Probabilities (rows, classes), in the order of classes_; a list of such arrays for several columns of y."""
        outputs = self._outputs(X)
        if self._is_grouped():
            sizes = [len(classes) for classes in self.classes_]
            together = GroupedCrossentropy(sizes=tuple(sizes)).probabilities(outputs)
            return np.split(together, np.cumsum(sizes)[:-1], axis=1)
        if outputs.shape[1] > 1:
            return outputs
        both = np.empty((len(outputs), 2), dtype=outputs.dtype)
        both[:, 1:] = outputs
        np.subtract(1, outputs, out=both[:, :1])
        return both

    @available_unless("_no_probabilities")
    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of ``predict_proba``."""
        found = self.predict_proba(X)
        return [np.log(one) for one in found] if isinstance(found, list) else np.log(found, out=found)

    @available_unless("_no_margins")
    def decision_function(self, X: Any) -> Array:
        """Outputs of a network that was trained by a hinge loss: (rows,) for two classes, else (rows, classes)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Array | None = None) -> float:
        """The share of right answers for X; of several labels or columns of classes all must be right."""
        if not self._is_grouped():
            return float(super().score(X, y, sample_weight))
        right = (self.predict(X) == np.asarray(y)).all(axis=1)
        return float(np.average(right, weights=sample_weight))

    @classmethod
    def from_sklearn(cls, model: Any) -> MLPClassifier:
        """The same network as a fitted ``sklearn.neural_network.MLPClassifier``, with all that it has learnt."""
        from fastnn.estimators import conversion

        return conversion.from_sklearn(cls, model)

    def to_sklearn(self) -> Any:
        """The same network as a fitted ``sklearn.neural_network.MLPClassifier``; ValueError where it cannot be one."""
        from fastnn.estimators import conversion

        return conversion.to_sklearn(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _dense(answers: Any) -> Array:
    return answers.toarray() if issparse(answers) else answers
