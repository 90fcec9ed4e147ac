"""fastnn: neural networks on CPUs, trained and served at the machine's limit."""

from fastnn import activations, datasets, initializers, layers, losses, metrics, optimizers
from fastnn.backend import get_num_threads, set_num_threads, show_config
from fastnn.callbacks import History
from fastnn.errors import DivergenceError, NotCompiledError
from fastnn.model import Sequential

__version__ = "0.1.0"

__all__ = [
    "DivergenceError",
    "History",
    "NotCompiledError",
    "Sequential",
    "activations",
    "datasets",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "set_num_threads",
    "show_config",
]
