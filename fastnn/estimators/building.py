"""From an estimator's parameters to a network: layers, optimizer, starting weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import optimizers
from fastnn.activations import Activation
from fastnn.basics.checks import whole
from fastnn.catalogue import resolve
from fastnn.engine.network import Network
from fastnn.engine.program import Program
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers import (
    Activation as ActivationLayer,
)
from fastnn.layers import (
    BatchNormalization,
    Dense,
    Dropout,
    Input,
    Layer,
    LayerNormalization,
)
from fastnn.layers.functions import activation_of as layers_activation
from fastnn.operations import Dense as Product
from fastnn.optimizers import Optimizer
from fastnn.regularizers import L1L2

Array = NDArray[Any]
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's words for ours
SOLVERS = ("lbfgs", "sgd", "adam")
MOST_MOMENTUM = 1 - 2.0**-53  # scikit-learn takes 1 too, fastnn's SGD does not

# Parameters that make another network; two fits with the same ones may share it.
STRUCTURE = (
    "activation",
    "solver",
    "alpha",
    "l1_ratio",
    "dropout",
    "batch_norm",
    "layer_norm",
    "kernel_regularizer",
    "learning_rate",
    "learning_rate_init",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
)


def hidden_sizes(given: Any) -> list[int]:
    """hidden_layer_sizes as a list of numbers."""
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [whole("hidden_layer_sizes: a size", size, 1) for size in sizes]


def activation_of(given: Any) -> Activation:
    """By scikit-learn's name, by the catalogue's, an object, or a function of one number."""
    return layers_activation(ACTIVATIONS.get(given, given) if isinstance(given, str) else given)


def _each(name: str, given: Any, hidden: list[int]) -> list[Any]:
    """One value for each hidden layer."""
    if not isinstance(given, (list, tuple, np.ndarray)):
        return [given] * len(hidden)
    if len(given) != len(hidden):
        raise ValueError(f"{name} has {len(given)} values, expected one for each of {len(hidden)} hidden layers")
    return list(given)


def layers_of(estimator: Any, features: int, hidden: list[int], outputs: int, activation: Any) -> list[Layer]:
    """The layers: for each hidden one a product, normalization if asked, activation, dropout if asked."""
    regularizer = estimator.kernel_regularizer
    if regularizer is None and estimator.alpha:
        l1 = estimator.alpha * estimator.l1_ratio
        regularizer = L1L2(l1, 0.5 * estimator.alpha * (1 - estimator.l1_ratio))  # each step divides it by its samples
    rates = _each("dropout", estimator.dropout, hidden)
    normalized = estimator.batch_norm or estimator.layer_norm
    layers: list[Layer] = [Input(features)]
    for units, given, rate in zip(hidden, _each("activation", estimator.activation, hidden), rates, strict=True):
        function = activation_of(given)
        layers.append(Dense(units, None if normalized else function, kernel_regularizer=regularizer))
        layers += [BatchNormalization()] if estimator.batch_norm else []
        layers += [LayerNormalization()] if estimator.layer_norm else []
        layers += [ActivationLayer(function)] if normalized else []
        layers += [Dropout(rate)] if rate else []
    return [*layers, Dense(outputs, activation, kernel_regularizer=regularizer)]


def optimizer_of(estimator: Any) -> Optimizer | None:
    """What the parameters of the solver say; None for lbfgs."""
    solver, rate = estimator.solver, estimator.learning_rate_init
    if callable(estimator.learning_rate):
        rate = estimator.learning_rate
    clips = {name: getattr(estimator, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
    clips = {name: value for name, value in clips.items() if value is not None}
    if isinstance(solver, Optimizer):
        if clips:
            raise ValueError(f"{', '.join(clips)} cannot go with solver={solver!r}: give it to that object")
        return solver.copied()
    if solver == "lbfgs":
        if clips:
            raise ValueError(f"{', '.join(clips)} cannot go with solver='lbfgs', which needs the whole gradient")
        return None
    if solver == "sgd":
        momentum = min(estimator.momentum, MOST_MOMENTUM)
        return optimizers.SGD(rate, momentum=momentum, nesterov=estimator.nesterovs_momentum, **clips)
    if solver == "adam":
        betas = {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2, "epsilon": estimator.epsilon}
        return optimizers.Adam(rate, **betas, **clips)
    return type(resolve("optimizer", solver, Optimizer))(learning_rate=rate, **clips)


def starting_weights(estimator: Any, layers: list[Layer], rng: np.random.RandomState, dtype: np.dtype) -> list[Array]:
    """Of all layers, in the order of ``Network.get_weights``; drawn as scikit-learn draws them unless told otherwise.

    There W and b are uniform between +-sqrt(factor / (inputs + outputs)), the factor being 2 for logistic, else 6.
    """
    weights: list[Array] = []
    shape: tuple[int, ...] = ()
    own = _initializers(estimator)
    given = estimator.activation
    generator = np.random.default_rng(rng.randint(1 << 31, size=4)) if any(own) else None
    names = list(given) if isinstance(given, (list, tuple)) else [given]
    for layer in layers:
        before, shape = shape, layer.shape_after(shape)
        if not isinstance(layer, Dense):
            weights += [one.astype(dtype) for one in layer.initial_weights(before, np.random.default_rng(0))]
            continue
        factor = 2.0 if isinstance(names[0], str) and names[0] in ("logistic", "sigmoid") else 6.0
        names = names[1:] or names
        bound = np.sqrt(factor / (before[0] + layer.units))
        for size, initializer in zip(((before[0], layer.units), (layer.units,)), own, strict=True):
            if initializer is None:
                weights.append(rng.uniform(-bound, bound, size).astype(dtype, copy=False))
            else:
                assert generator is not None  # noqa: S101 - made where there is an initializer
                weights.append(initializer(size, generator).astype(dtype))
    return weights


def _initializers(estimator: Any) -> list[Initializer | None]:
    """Of kernel and bias: None for scikit-learn's way."""
    given = [estimator.kernel_initializer, estimator.bias_initializer]
    if given[0] is not None and given[1] is None:
        given[1] = "zeros"
    return [None if one is None else resolve("initializer", as_initializer(one), Initializer) for one in given]


def products(program: Program) -> list[Any]:
    """The dense operations, whose kernels are ``coefs_`` and whose biases are ``intercepts_``."""
    return [op for op in program.steps if isinstance(op, Product)]


def read_weights(network: Network) -> tuple[list[Array], list[Array]]:
    """Copies of all kernels, and of all biases."""
    pairs = [network.program.read(network.arena[0], op) for op in products(network.program)]
    return [kernel for kernel, _ in pairs], [bias for _, bias in pairs]


def write_weights(network: Network, coefs: list[Array], intercepts: list[Array]) -> None:
    """Puts kernels and biases into the network, or raises ValueError where a shape is another."""
    ops = products(network.program)
    expected = [((op.inputs, op.outputs), (op.outputs,)) for op in ops]
    pairs = [(np.asarray(w), np.asarray(b)) for w, b in zip(coefs, intercepts, strict=True)]
    found = [(w.shape, b.shape) for w, b in pairs]
    if found != expected:
        raise ValueError(f"coefs_ and intercepts_ have the shapes {found}, expected {expected}")
    row = network.arena[0].copy()
    for op, pair in zip(ops, pairs, strict=True):
        network.program.write(row, op, list(pair))
    network.arena[0] = row  # all at once: Ctrl-C comes before or after
