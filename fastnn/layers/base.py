"""What all layers have in common: plain descriptions, without numbers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.attributes import check_attribute
from fastnn.basics.checks import whole
from fastnn.operations import Operation, Pair

Shape = tuple[int, ...]


class Home:
    """Where layers live: their model, while it exists, and the network that keeps their weights."""

    def __init__(self, model: Any) -> None:
        self.model = weakref.ref(model)
        self.network: Any = None


class Layer:
    """A layer describes what a network is made of; the weights live in the model.

    ``name`` is given by the model where it is None: the kind of the layer and a number.

    A layer belongs to one model. Another model to which it is added gets a copy, with the weights that it has then;
    Keras shares them. A copy (``copy.deepcopy``) or a pickled layer keeps its weights too. For fresh ones make a new
    layer.

    Settings may be changed later, with the constructor's checks; once the layer is in a model only those of
    ``changeable``, and the model obeys at once. Changing others raises AttributeError, and so do misspelt names.
    """

    changeable: ClassVar[tuple[str, ...]] = ()  # settings that need no other weights
    _home: Home | None = None
    _position = 0  # in the model's list
    _weights: Sequence[NDArray[Any]] = ()  # while no network keeps them
    _numbered = False  # whether the model has chosen the name

    def __init__(self, *, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: name must be a text, got {name!r}")
        self.name = name

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name not in vars(self):
            check_attribute(self, name)
            object.__setattr__(self, name, value)
            return
        before, value = vars(self)[name], self._checked(name, value)
        if self._home is not None and name not in ("name", *self.changeable):
            raise AttributeError(
                f"{type(self).__name__}: {name} cannot change once the layer is in a model, whose weights rest on it;"
                " make a new layer and a new model"
            )
        model = None if self._home is None else self._home.model()
        object.__setattr__(self, name, value)
        try:
            if model is not None:
                model.layer_has_changed(self)
        except BaseException:
            object.__setattr__(self, name, before)
            raise
        if name == "name":
            self._numbered = False

    def _checked(self, name: str, value: Any) -> Any:
        """A setting as the constructor of the library's class would keep it."""
        cls = next(one for one in type(self).__mro__ if one.__module__.startswith(__package__))
        code = cls.__init__.__code__  # type: ignore[misc]
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        if name not in names or not vars(self).keys() >= set(names):
            return value
        return vars(cls(**{one: vars(self)[one] for one in names} | {name: value}))[name]

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of the layer's weights, as they are now; none before it is in a model."""
        home = self._home
        model = None if home is None else home.model()
        network = None if home is None else home.network if model is None else model.__dict__["_network"]
        if network is None:
            return [values.copy() for values in self._weights]
        program, row = network.program, network.arena[0]
        return program.shown(row, [op for op in program.steps if op.layer == self._position])

    def copied(self, weights: bool = True) -> Layer:
        """A copy that belongs to no model, with the weights of this one unless they are not wanted."""
        new = object.__new__(type(self))
        own = {key: value for key, value in vars(self).items() if key not in ("_home", "_position")}
        vars(new).update(own, _weights=self.get_weights() if weights else ())
        return new

    def __getstate__(self) -> dict[str, Any]:
        return vars(self if self._home is None else self.copied())

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one sample behind the layer, from that before it."""
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        """What the layer does to samples of a shape, in order; nothing where it only names or reshapes."""
        raise TypeError(f"{self!r} does not say what it does: {type(self).__name__} needs a method operations")

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """Starting values of the layer's weights, in the order of ``Sequential.get_weights``."""
        return []

    def count_params(self, input_shape: Shape) -> int:
        """Number of weights, biases included."""
        return sum(prod(shape) for op in self.operations(input_shape) for shape in op.shapes)

    def count_frozen(self, input_shape: Shape) -> int:
        """How many of them are not trained."""
        return sum(prod(shape) for op in self.operations(input_shape) for shape in op.shapes[op.variables :])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items() if value is not None)
        return f"{type(self).__name__}({shown})"


class Input(Layer):
    """The shape of one sample: ``Input(784)``, ``Input((28, 28))`` or ``Input(shape=(28, 28))``."""

    def __init__(self, shape: int | Shape, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.shape: Shape = tuple(whole("Input: each size of shape", n, 1) for n in _as_tuple(shape))

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []


def map_of(shape: Shape) -> Pair:
    """Height and width of a sample's map: all axes but the last, which are channels. A signal has height 1.

    >>> map_of((28, 28, 3)), map_of((100, 4)), map_of((5,))
    ((28, 28), (1, 100), (1, 1))
    """
    return (prod(shape[:-2]), shape[-2]) if len(shape) > 1 else (1, 1)


def between(kind: type[Operation], before: Shape, after: Shape, **settings: Any) -> Operation:
    """An operation that makes samples of one shape from those of another."""
    return kind(before[-1], after[-1], map_in=map_of(before), map_out=map_of(after), **settings)


def _as_tuple(shape: Any) -> tuple[Any, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
