"""Models of other libraries as a ``Sequential``: the same layers, the same weights."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastnn.layers import Layer
from fastnn.models.sequential import Sequential


def _model(layers: list[Layer], dtype: np.dtype, name: str) -> Sequential:
    return Sequential(layers, dtype=dtype, name=name)


def from_keras(model: Any) -> Sequential:
    """A Keras model, Sequential or functional without branches, as a fastnn one with the same layers and weights.

    Optimizer and loss stay behind: call ``compile``. ValueError or TypeError names what fastnn does not have. For files
    use ``fastnn.load("model.keras")``.
    """
    from fastnn.entering import from_keras

    kind, config = from_keras.described(model)

    def weights(kinds: list[tuple[str, Any]]) -> Any:
        own = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
        by_name = {layer.name: layer for layer in own}
        return lambda place, shapes: by_name[kinds[place][1]].get_weights()

    return _model(*from_keras.entered(kind, config, weights))


def load_keras(path: str | os.PathLike[str], custom_objects: Any = None) -> Sequential:
    """The model of a ``.keras`` file; see ``fastnn.load``."""
    from fastnn.entering import keras_files

    return _model(*keras_files.read_model(path, custom_objects))


def from_sklearn(model: Any) -> Sequential:
    """A fitted MLPClassifier, MLPRegressor, LogisticRegression or linear regression of scikit-learn as a Sequential.

    Or a Pipeline of a StandardScaler and one of these. Outputs are what ``predict_proba`` (of two classes: its second
    column) or ``predict`` answers. For an estimator with all of scikit-learn's words, and the optimizer's state, use
    ``fastnn.estimators.MLPClassifier.from_sklearn``.
    """
    from fastnn.entering import from_sklearn

    return _model(*from_sklearn.entered(model))


def from_torch(module: Any, input_shape: tuple[int, ...] | None = None, activation: Any = None) -> Sequential:
    """A PyTorch ``nn.Sequential`` as a fastnn model with the same layers and weights, in evaluation the same answers.

    input_shape: of one sample as fastnn takes it, channels last, such as (28, 28, 1); needed where the first layer does
    not say it, as convolutions do not. PyTorch's maps are (rows, channels, height, width): give fastnn
    ``x.permute(0, 2, 3, 1)``. Behind a ``Flatten`` of maps the weights are put into fastnn's order.

    module may also be the ``state_dict`` of linear layers alone, which knows no activations: activation is then that
    between them. TypeError or ValueError names what fastnn does not have.
    """
    from fastnn.entering import from_torch

    return _model(*from_torch.entered(module, input_shape, activation))
