"""A concept's entries by name: what a text in the API means, and what an entry is written as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from fastnn.basics.checks import unknown

T = TypeVar("T")


class Names(Generic[T]):
    """The entries of one concept.

    kind: its name in messages; base: the class of all; aliases: other names; refused: names of what is elsewhere or
    missing, and what to do instead.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        entries: Iterable[type[T]],
        aliases: dict[str, str],
        refused: dict[str, str] | None = None,
    ) -> None:
        self.kind, self.base, self.aliases, self.refused = kind, base, aliases, refused or {}
        # by name, but for a class whose name another one is known by: its attribute ``key``
        self.table: dict[str, Any] = {vars(one).get("key", one.name): one for one in entries}  # type: ignore[attr-defined]

    def entry(self, name: str) -> Any:
        """The class that a name, an alias or a class's name means, in any case; None where there is none."""
        low = name.lower()
        found = self.table.get(self.aliases.get(low, low))
        return found or next((one for one in self.table.values() if one.__name__.lower() == low), None)

    def resolve(self, given: Any) -> T:
        """An object from its name, its class, or itself.

        >>> from fastnn import activations
        >>> activations.NAMES.resolve("relu")
        ReLU()
        """
        if isinstance(given, self.base):
            return given
        if isinstance(given, type) and issubclass(given, self.base):
            return given()
        if not isinstance(given, str):
            article = "an" if self.base.__name__[0] in "AEIOU" else "a"
            raise TypeError(
                f"{self.kind} must be a name or {article} {self.base.__name__}, got {given!r} of type"
                f" {type(given).__name__}"
            )
        entry = self.entry(given)
        if entry is None:
            instead = self.refused.get(given.lower().replace("-", "").replace("_", ""))
            raise ValueError(instead or unknown(self.kind, given, [*self.table, *self.aliases]))
        return entry.by_name()

    def attribute(self, module: str, name: str) -> Any:
        """The entry that a module's attribute of this name stands for, such as ``regularizers.l2``."""
        entry = None if name.startswith("_") or not (name.islower() or name.isupper()) else self.entry(name)
        if entry is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return entry

    def get(self, identifier: Any) -> Any:
        """Keras' ``get``: an object from its name, its class, itself, or what ``serialize`` made; None stays None.

        >>> from fastnn import regularizers
        >>> regularizers.get("l2"), regularizers.get(None)
        (L2(l1=0.0, l2=0.01), None)
        """
        if isinstance(identifier, dict):
            return self.deserialize(identifier)
        return None if identifier is None else self.resolve(identifier)

    def serialize(self, one: T) -> dict[str, Any]:
        """An object as a dict of its class's name and its settings, for ``deserialize``.

        >>> from fastnn import constraints
        >>> constraints.serialize(constraints.MaxNorm(3))["class_name"]
        'MaxNorm'
        """
        return {"class_name": type(one).__name__, "config": one.get_config()}  # type: ignore[attr-defined]

    def deserialize(self, config: dict[str, Any] | str) -> T:
        """The object that ``serialize`` has written."""
        if isinstance(config, str):
            return self.resolve(config)
        if not isinstance(config.get("class_name"), str):
            raise ValueError(f"expected a dict with 'class_name' and 'config', as serialize makes it, got {config!r}")
        entry = self.entry(config["class_name"])
        if entry is None:
            raise ValueError(unknown(self.kind, config["class_name"], [*self.table, *self.aliases]))
        return entry.from_config(config.get("config", {}))
