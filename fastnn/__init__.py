"""fastnn: neural networks on CPUs, trained and served at the machine's limit."""

from typing import TYPE_CHECKING, Any

from fastnn import (
    activations,
    callbacks,
    constraints,
    data,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from fastnn.basics.backend import get_num_threads, set_num_threads, show_config
from fastnn.basics.version import __version__ as __version__
from fastnn.callbacks import History
from fastnn.errors import DivergenceError, NotCompiledError
from fastnn.layers import Input
from fastnn.models.sequential import Sequential

if TYPE_CHECKING:
    from fastnn import augmentation, backend, config, formulas, lbfgs, plots, preprocessing, random, schedules, utils
    from fastnn.learning_rate import find_learning_rate
    from fastnn.loading import load
    from fastnn.minimization import minimize
    from fastnn.models.entering import from_keras, from_sklearn, from_torch
    from fastnn.perceptron import Perceptron

__all__ = [
    "DivergenceError",
    "History",
    "Input",
    "NotCompiledError",
    "Perceptron",
    "Sequential",
    "activations",
    "augmentation",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "data",
    "datasets",
    "find_learning_rate",
    "formulas",
    "from_keras",
    "from_sklearn",
    "from_torch",
    "get_include",
    "get_num_threads",
    "initializers",
    "layers",
    "lbfgs",
    "load",
    "losses",
    "metrics",
    "minimize",
    "models",
    "optimizers",
    "plots",
    "preprocessing",
    "random",
    "regularizers",
    "schedules",
    "set_num_threads",
    "show_config",
    "utils",
]

_LAZY = {  # name -> module: imported when first used
    "backend": "backend",
    "config": "config",
    "preprocessing": "preprocessing",
    "random": "random",
    "utils": "utils",
    "Perceptron": "perceptron",
    "augmentation": "augmentation",
    "estimators": "estimators",
    "find_learning_rate": "learning_rate",
    "formulas": "formulas",
    "from_keras": "models.entering",
    "from_sklearn": "models.entering",
    "from_torch": "models.entering",
    "lbfgs": "lbfgs",
    "load": "loading",
    "minimize": "minimization",
    "plots": "plots",
    "schedules": "schedules",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        from fastnn.basics.absent import absent

        raise AttributeError(absent(__name__, name, __all__))
    from importlib import import_module

    module = import_module(f"fastnn.{_LAZY[name]}")
    value = globals()[name] = getattr(module, name, module)
    return value


def get_include() -> str:
    """The folder of ``fastnn.h``, for C and Cython code that asks predictors; see docs/own-formulas.md.

    >>> get_include().endswith("include")
    True
    """
    import os

    return os.path.join(os.path.dirname(__file__), "include")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
