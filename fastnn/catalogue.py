"""All concepts by name: what a string in the API means."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from fastnn.basics.checks import unknown

T = TypeVar("T")

TABLES: dict[str, dict[str, type]] = {
    "activation": {entry.name: entry for entry in activations.ENTRIES},
    "loss": {entry.name: entry for entry in losses.ENTRIES if not entry.name.endswith("_logits")},
    "optimizer": {entry.name: entry for entry in optimizers.ENTRIES},
    "initializer": {entry.name: entry for entry in initializers.ENTRIES},
    "regularizer": {entry.name: entry for entry in regularizers.ENTRIES},
    "constraint": {entry.name: entry for entry in constraints.ENTRIES},
    "metric": {entry.name: entry for entry in metrics.ENTRIES},
}
ALIASES: dict[str, dict[str, str]] = {
    "activation": activations.ALIASES,
    "regularizer": regularizers.ALIASES,
    "constraint": constraints.ALIASES,
    "loss": losses.ALIASES,
    "initializer": initializers.ALIASES,
    "metric": metrics.ALIASES,
}


def resolve(kind: str, given: str | type[T] | T, base: type[T]) -> T:
    """An object of ``base`` from its name, its class, or itself.

    >>> resolve("activation", "relu", activations.Activation)
    ReLU()
    >>> resolve("activation", "rellu", activations.Activation)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: unknown activation 'rellu'; did you mean 'relu'? Known: elu, exponential, gelu, ...
    """
    if isinstance(given, base):
        return given
    if isinstance(given, type) and issubclass(given, base):
        return given()
    if not isinstance(given, str):
        article = "an" if base.__name__[0] in "AEIOU" else "a"
        raise TypeError(
            f"{kind} must be a name or {article} {base.__name__}, got {given!r} of type {type(given).__name__}"
        )
    table = TABLES[kind]
    name = given.lower()
    entry: Any = table.get(ALIASES.get(kind, {}).get(name, name))
    if entry is None:
        entry = next((one for one in table.values() if one.__name__.lower() == name), None)
    if kind == "optimizer" and name.replace("-", "").replace("_", "") == "lbfgs":
        raise ValueError("L-BFGS is no optimizer of steps; compile with any other and call fastnn.lbfgs.fit_lbfgs")
    if entry is None:
        raise ValueError(unknown(kind, given, [*table, *ALIASES.get(kind, {})]))
    return entry.by_name()
