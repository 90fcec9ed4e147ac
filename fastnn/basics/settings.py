"""Objects that are a name and some settings: constructor, repr and equality from annotated fields.

What the standard library's dataclasses do, without importing them: they bring ``inspect`` along, a third of what
importing fastnn may cost (docs/decisions/import-cost.md).
"""

from __future__ import annotations

import copy
import sys
from typing import Any, Self, dataclass_transform

from fastnn.basics.attributes import check_attribute
from fastnn.basics.checks import OTHER_WORDS, flag, number

_REQUIRED = object()


def _annotations(cls: type) -> dict[str, Any]:
    """What the class body itself annotates."""
    own: dict[str, Any] = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - inspect is what we do without
    if sys.version_info >= (3, 14) and not own and cls.__dict__.get("__annotate_func__"):
        import annotationlib  # it costs what inspect costs; our own modules do not need it

        own = annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return own


class _Signature:
    """What help() and editors show as the arguments; made when asked."""

    def __get__(self, _: object, owner: type[Settings]) -> Any:
        import inspect

        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    kinds[name not in owner._positional],
                    default=inspect.Parameter.empty if owner._fields[name] is _REQUIRED else owner._fields[name],
                )
                for name in dict.fromkeys([*owner._positional, *owner._fields])
            ]
        )


@dataclass_transform()
class Settings:
    """Base of activations, losses, optimizers and their like.

    Fields are the annotated names of the class body that are not ClassVar; those of base classes come first, or last
    where the base says ``last=True`` and has a default. ``positional=(...)`` names those that may be given by position,
    in this order; all others need their names: it keeps Keras' order where fastnn has other settings or fewer.
    ``__post_init__`` checks them.

    >>> class Slope(Settings):
    ...     value: float = 1.0
    >>> Slope(2.0), Slope() == Slope(1.0)
    (Slope(value=2.0), True)
    """

    _fields: dict[str, Any] = {}  # noqa: RUF012 - name -> default, replaced in each subclass
    _last: tuple[str, ...] = ()
    _positional: tuple[str, ...] = ()
    _named: tuple[str, ...] = ()  # settings that need their names where no class has said which are positional
    _ordered = False  # whether one has
    _required: tuple[str, ...] = ()
    _frozen = True
    _quiet: tuple[str, ...] = ()  # settings that repr shows only where they are not the default
    __signature__ = _Signature()

    def __init_subclass__(
        cls, last: bool = False, positional: tuple[str, ...] | None = None, frozen: bool | None = None
    ) -> None:
        if frozen is not None:
            cls._frozen = frozen
        own = [
            name
            for name, kind in _annotations(cls).items()
            if not str(kind).startswith(("ClassVar", "typing.ClassVar"))
        ]
        if last:
            cls._last = (*cls._last, *(name for name in own if hasattr(cls, name)))
        names = [name for name in dict.fromkeys([*cls._fields, *own]) if name not in cls._last]
        cls._fields = {name: getattr(cls, name, _REQUIRED) for name in [*names, *cls._last]}
        if positional is not None:
            cls._positional, cls._ordered = positional, True
        elif not cls._ordered:
            cls._positional = tuple(name for name in cls._fields if name not in cls._named)
        cls._required = tuple(name for name, default in cls._fields.items() if default is _REQUIRED)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields, names = self._fields, self._positional
        given = kwargs
        if args:
            given = dict(zip(names, args, strict=False)) | kwargs
            if len(given) < len(args) + len(kwargs):
                self._refuse_positions(args, kwargs)
        if given.keys() - fields.keys():
            self._refuse_names(given)
        self.__dict__.update(fields)
        self.__dict__.update(given)
        for name in self._required:
            if self.__dict__[name] is _REQUIRED:
                raise TypeError(f"{type(self).__name__} needs a value for {name!r}")
        self.__post_init__()

    def _refuse_positions(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        names = self._positional
        if len(args) > len(names):
            shown = (
                f"at most {len(names)} settings by position, {', '.join(names)}" if names else "no setting by position"
            )
            raise TypeError(f"{type(self).__name__} takes {shown}, got {len(args)}; name the others")
        self._refuse_names(kwargs)
        twice = next(name for name in names[: len(args)] if name in kwargs)
        raise TypeError(f"{type(self).__name__} got two values for {twice!r}")

    def _refuse_names(self, given: dict[str, Any]) -> None:
        """TypeError for the first name that is no setting's."""
        fields = self._fields
        for name in given:
            if name not in fields:
                from difflib import get_close_matches

                near = [one for one in fields if one == OTHER_WORDS.get(name)] or get_close_matches(name, fields, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                known = ", ".join(fields) or "none"
                raise TypeError(f"{type(self).__name__} has no setting {name!r}{hint} It has {known}")

    @classmethod
    def by_name(cls) -> Settings:
        """What the name alone means in the API: the defaults, unless they would do nothing."""
        return cls()

    def __post_init__(self) -> None:
        """Checks the settings."""

    def get_config(self) -> dict[str, Any]:
        """The settings, as Keras calls it.

        >>> from fastnn.regularizers import L2
        >>> L2(0.1).get_config(), L2.from_config({"l2": 0.1})
        ({'l1': 0.0, 'l2': 0.1}, L2(l1=0.0, l2=0.1))
        """
        return {name: getattr(self, name) for name in self._fields}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An object with the settings of ``get_config``."""
        return cls(**config)

    def follows(self, entries: tuple[type, ...], free: tuple[str, ...] = ()) -> bool:
        """Whether it computes what a class of the catalogue does: a subclass may change defaults, checks and name only.

        free: names of methods that the compiled engine does not replace, so that it obeys them too.
        """
        if type(self) in entries and len(vars(self)) == len(self._fields):  # nothing but the settings is its own
            return True
        order = type(self).__mro__
        entry = next((one for one in order if one in entries), None)
        if entry is None:
            return False
        changed = [*vars(self), *(name for one in order[: order.index(entry)] for name in vars(one))]
        allowed = {*self._fields, "name", "cost", *free}
        return not any(
            hasattr(entry, name) and name not in allowed and not hasattr(Settings, name) and not name.startswith("__")
            for name in changed
        )

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def copied(self) -> Self:
        """A copy whose settings are copies too where they are such objects; all else, a function say, is shared."""
        new = copy.copy(self)
        for name in self._fields:
            if isinstance(getattr(new, name), Settings):
                object.__setattr__(new, name, getattr(new, name).copied())
        return new

    def _numbers(self, *names: str, **limits: float) -> None:
        """Checks that settings are numbers within limits; see ``checks.number``."""
        for name in names:
            number(f"{type(self).__name__}: {name}", getattr(self, name), **limits)

    def _flags(self, *names: str) -> None:
        """Checks that settings are True or False."""
        for name in names:
            flag(f"{type(self).__name__}: {name}", getattr(self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if self._frozen and name in self._fields:
            raise AttributeError(f"{type(self).__name__} cannot be changed; make a new one")
        if name not in self.__dict__:
            check_attribute(self, name)
        object.__setattr__(self, name, value)

    def _key(self) -> tuple[Any, ...]:
        return (type(self), *(getattr(self, name) for name in self._fields))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name, default in self._fields.items()
            if name not in self._quiet or getattr(self, name) != default
        )
        return f"{type(self).__name__}({shown})"
