"""All concepts by name: what a string in the API means."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from fastnn.basics.names import Names

T = TypeVar("T")

CONCEPTS: dict[str, Names[Any]] = {
    one.NAMES.kind: one.NAMES
    for one in (activations, losses, optimizers, initializers, regularizers, constraints, metrics)
}
TABLES: dict[str, dict[str, type]] = {kind: names.table for kind, names in CONCEPTS.items()}


def resolve(kind: str, given: str | type[T] | T, base: type[T]) -> T:
    """An object of ``base`` from its name, its class, or itself.

    >>> resolve("activation", "relu", activations.Activation)
    ReLU()
    >>> resolve("activation", "rellu", activations.Activation)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: unknown activation 'rellu'; did you mean 'relu'? Known: celu, clipped_relu, elu, ...
    """
    return given if isinstance(given, base) else CONCEPTS[kind].resolve(given)
