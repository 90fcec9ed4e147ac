"""Misspelt attributes are refused: an object takes new ones only where the code of its class knows them."""

from __future__ import annotations

from functools import cache
from types import CodeType, FunctionType
from typing import Any, SupportsIndex

from fastnn.basics.checks import OTHER_WORDS, unknown


def check_attribute(owner: object, name: str, free: bool = False) -> None:
    """AttributeError where nothing in the class of ``owner`` has the name: nobody would ever look at the value.

    free: the owner takes notes of the user's own, as Keras' models do; only what looks like a misspelt name is refused.

    >>> from fastnn.optimizers import SGD
    >>> SGD().lr = 0.1
    Traceback (most recent call last):
        ...
    AttributeError: SGD has no attribute 'lr'; did you mean 'learning_rate'?
    """
    if name.startswith("_") or name in vars(owner) or hasattr(type(owner), name):
        return
    if _knows(type(owner), name):  # type: ignore[arg-type]
        return
    from difflib import get_close_matches

    kind = type(owner).__name__
    known = [one for one in dir(owner) if not one.startswith("_") and not callable(getattr(type(owner), one, None))]
    if OTHER_WORDS.get(name) in known:
        raise AttributeError(f"{kind} has no attribute {name!r}; did you mean {OTHER_WORDS[name]!r}?")
    if free and not get_close_matches(name, known, n=1, cutoff=0.75):
        return
    hint = unknown("attribute", name, known)
    raise AttributeError(f"{kind}: {hint}. A class of your own may set it in a method")


@cache
def _knows(cls: type, name: str) -> bool:
    """Whether a method of the class sets or reads an attribute of that name."""
    return any(_names(value, name) for base in cls.__mro__ for value in vars(base).values())


def _names(value: Any, name: str) -> bool:
    if isinstance(value, property):
        return any(_names(one, name) for one in (value.fget, value.fset))
    code = value if isinstance(value, CodeType) else getattr(value, "__code__", None)
    if isinstance(value, (staticmethod, classmethod)):
        code = value.__func__.__code__
    elif not isinstance(value, (CodeType, FunctionType)):
        return False
    return code is not None and (name in code.co_names or any(_names(one, name) for one in code.co_consts))


class Fixed(list[Any]):
    """A copy of a list that refuses changes, which would change the copy only; slices and sums are plain lists."""

    def __init__(self, items: list[Any], hint: str) -> None:
        super().__init__(items)
        self._hint = hint

    def _refuse(self, *arguments: Any, **more: Any) -> Any:
        raise TypeError(f"this list is a copy, and a change of it would change nothing; {self._hint}")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, (list(self),)
