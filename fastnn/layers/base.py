"""What all layers have in common: plain descriptions; the numbers live in the model."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.arrays import real
from fastnn.basics.attributes import check_attribute
from fastnn.basics.checks import flag, unknown, whole
from fastnn.basics.seeds import as_generator
from fastnn.errors import NotBuiltError
from fastnn.layers.weights import Variable, checked_arrays
from fastnn.operations import Draws, Operation, Pair

Shape = tuple[int, ...]
COMMON = ("name", "trainable", "dtype", "input_shape", "input_dim")  # arguments that all layers have


class Home:
    """Where layers live: their model, while it exists, and what keeps their weights: its network and its shapes."""

    def __init__(self, model: Any) -> None:
        self.model = weakref.ref(model)
        self.network: Any = None
        self.shapes: list[Shape] | None = None


class Layer:
    """A layer describes what a network is made of; the weights live in the model.

    Arguments of all layers, by name: ``name``, given by the model where it is None: the kind of the layer and a number.
    ``trainable``: whether training changes the weights, see below. ``input_shape`` or ``input_dim``: the shape of one
    sample, for the first layer of a model that has no ``Input``. ``dtype``: None, or that of the model.

    A layer belongs to one model. Another model to which it is added gets a copy, with the weights that it has then;
    Keras shares them. A copy (``copy.deepcopy``) or a pickled layer keeps its weights too. For fresh ones make a new
    layer.

    Settings may be changed later, with the constructor's checks; once the layer is in a model only those of
    ``changeable``, and the model obeys at once. Changing others raises AttributeError, and so do misspelt names.
    ``trainable`` may always change; the model obeys at its next ``compile``, as in Keras.

    The weights can be asked for by name once the model is built: ``layer.kernel``, ``layer.bias``.
    """

    changeable: ClassVar[tuple[str, ...]] = ()  # settings that need no other weights
    weight_names: ClassVar[tuple[str, ...]] = ()  # attributes that are weights, or None where there is no such weight
    _home: Home | None = None
    _position = 0  # in the model's list
    _weights: Sequence[NDArray[Any]] = ()  # while no network keeps them
    _shape: Shape | None = None  # of a sample that the weights are for, while no network keeps them
    _first_shape: Shape | None = None  # of a sample, as the constructor was told
    _trainable = True
    _dtype: str | None = None
    _numbered = False  # whether the model has chosen the name

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | np.dtype | None = None,
        input_shape: int | Sequence[int] | None = None,
        input_dim: int | None = None,
        **others: Any,
    ) -> None:
        kind = type(self).__name__
        for other in others:
            known = [*_constructor(type(self)), *COMMON]
            raise TypeError(f"{kind}: {unknown('argument', other, known)}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{kind}: name must be a text, got {name!r}")
        self.name = name
        self.trainable = trainable
        if dtype is not None:
            self._dtype = np.dtype(dtype).name
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError(f"{kind}: give input_shape or input_dim, not both")
            input_shape = (whole(f"{kind}: input_dim", input_dim, 1),)
        if input_shape is not None:
            self._first_shape = checked_shape(f"{kind}: each size of input_shape", input_shape)

    def __init_subclass__(cls) -> None:
        if callable(vars(cls).get("output_shape")):
            raise TypeError(
                f"{cls.__name__}: output_shape is what a layer in a model answers; call the method that maps the shape"
                " of a sample before the layer to the one behind it shape_after"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name not in vars(self):
            try:
                check_attribute(self, name)
            except AttributeError:
                if name in self.weight_names:
                    raise AttributeError(f"{type(self).__name__}: write layer.{name}.assign(values)") from None
                raise
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

    def __getattr__(self, name: str) -> Any:
        """A weight by its name; None where the layer has none of that name, such as a bias that is not used."""
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # a property, which says itself what it lacks
        if name.startswith("_") or name not in self.weight_names:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._built_for(name)
        return next((variable for variable in self.weights if variable.name == name), None)

    def _checked(self, name: str, value: Any) -> Any:
        """A setting as the constructor of the library's class would keep it."""
        cls = next(one for one in type(self).__mro__ if one.__module__.startswith(__package__))
        names = [one for one in (*_constructor(cls), "name") if one in vars(self)]
        if name not in names:
            return value
        return vars(cls(**{one: vars(self)[one] for one in names} | {name: value}))[name]

    # -- weights -------------------------------------------------------------------------------------------------------

    def _kept(self) -> tuple[Any, list[Shape] | None]:
        """The network that keeps the weights, and the shapes of its samples before each layer; None without one."""
        home = self._home
        model = None if home is None else home.model()
        if model is None:
            return (None, None) if home is None else (home.network, home.shapes)
        return vars(model)["_network"], vars(model)["_shapes"]

    def _sample_shape(self) -> Shape | None:
        """The shape of a sample that the layer takes; None while it is not built."""
        network, shapes = self._kept()
        return self._shape if network is None or shapes is None else shapes[self._position]

    def _built_for(self, what: str) -> Shape:
        """``_sample_shape``, or an error that says how to get it."""
        shape = self._sample_shape()
        if shape is None:
            raise NotBuiltError(
                f"layer {self.name or type(self).__name__!r} has no {what} before its model is built: give the model an"
                " Input, its first layer an input_shape, or call model.build(shape)"
            )
        return shape

    @property
    def built(self) -> bool:
        """Whether the layer knows the shape of its samples, and so has its weights."""
        return self._sample_shape() is not None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, *shape of one sample), once built."""
        return (None, *self._built_for("input_shape"))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, *shape of one sample behind the layer), once built."""
        return (None, *self.shape_after(self._built_for("output_shape")))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """(rows, *shape) behind the layer, from (rows, *shape) before it; the rows may be None."""
        rows, *shape = input_shape
        return (rows, *self.shape_after(checked_shape(f"{type(self).__name__}: each size of a sample", shape)))

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. The model obeys at its next ``compile``."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = flag(f"{type(self).__name__}: trainable", value)

    @property
    def weights(self) -> list[Variable]:
        """One ``Variable`` for each array of ``get_weights``; none before the layer is built."""
        shape = self._sample_shape()
        if shape is None:
            return []
        specs = [
            (name, array, self._trainable and i < op.variables)
            for op in self.operations(shape)
            for i, (name, array) in enumerate(zip(op.weight_names, op.shapes, strict=True))
        ]
        return [Variable(self, i, *spec) for i, spec in enumerate(specs)]

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that ``compile`` would have trained."""
        return [variable for variable in self.weights if variable.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The others: moving statistics, and all weights of a layer with ``trainable = False``."""
        return [variable for variable in self.weights if not variable.trainable]

    non_trainable_variables = non_trainable_weights

    def count_params(self) -> int:
        """Number of weights, biases included."""
        self._built_for("weights")
        return sum(variable.size for variable in self.weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of the layer's weights, as they are now; none before its model is built."""
        network, _ = self._kept()
        if network is None:
            return [values.copy() for values in self._weights]
        program, row = network.program, network.arena[0]
        return program.shown(row, [op for op in program.steps if op.layer == self._position])

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Sets the weights, in the order of ``get_weights``. The optimizer's state stays."""
        self._built_for("weights")
        network, _ = self._kept()
        own = self.weights
        dtype = np.dtype(np.float64) if network is None else network.dtype
        expected = [(f"{variable.name} of layer {self.name!r}", variable.shape) for variable in own]
        arrays = checked_arrays(expected, weights, dtype)
        if network is None:
            self._weights = [array.astype(old.dtype) for array, old in zip(arrays, self._weights, strict=True)]
            return
        network.set_weights(arrays, self._position)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Starting weights for samples of (rows, *shape), of a layer outside of models; the rows may be None."""
        if self._home is not None:
            raise ValueError(f"layer {self.name!r} belongs to a model, which builds it: call build of the model")
        shape = checked_shape(f"{type(self).__name__}: each size of a sample", tuple(input_shape)[1:])
        self.shape_after(shape)  # refuses what does not fit
        dtype = np.dtype(self._dtype or "float32")
        fresh = [values.astype(dtype) for values in self.initial_weights(shape, as_generator(None))]
        vars(self).update(_weights=fresh, _shape=shape)

    def __call__(self, x: ArrayLike, training: bool = False) -> NDArray[Any]:
        """The output for an array (rows, *shape), computed in NumPy; outside of a model the first call builds it.

        training: as in a step of training, with fresh random numbers and the batch's statistics, which the moving ones
        follow; no other weight changes. Samples of another shape are taken where the weights fit them too.

        >>> from fastnn.layers import Dense
        >>> Dense(2, kernel_initializer="ones")([[1.0, 2.0]]).tolist()
        [[3.0, 3.0]]
        """
        check_called(self, x)
        array = real(x, "x")
        shape = array.shape[1:]
        if self._sample_shape() is None:
            self.build(array.shape)
        steps = self._steps_for(array.shape)
        network, weights = self._kept()[0], self.get_weights()
        a = array.astype(np.dtype(self._dtype or "float32") if network is None else network.dtype)
        seed = int(as_generator(None).integers(1 << 63)) if training else 0
        after, changed = [], False
        for i, op in enumerate(steps):
            own, weights = op.taken(weights[: len(op.shapes)]), weights[len(op.shapes) :]
            lines = np.zeros((op.rows, op.outputs), dtype=a.dtype)
            if own:
                given = np.concatenate([np.atleast_2d(one) for one in own])
                lines[: len(given)] = given
            known, a = op.arrays(lines), a.reshape(-1, op.inputs)
            a, kept = op.forward(a, known, Draws(seed, i, 0, 16)) if training else (op.infer(a, known), None)
            moved = op.remember(known, kept) or [] if training else []
            after += op.shown([*known[: len(op.shapes) - len(moved)], *moved])
            changed = changed or bool(moved)
        if changed:
            self.set_weights(after)
        return a.reshape(len(array), *self.shape_after(shape))

    def _steps_for(self, shape: Shape) -> list[Operation]:
        """What the layer does to x of a shape, or an error where its weights are for other samples."""
        built = self._sample_shape()
        if len(shape) < 2:
            raise ValueError(f"layer {self.name!r} is built for samples of {built}, got x {shape}")
        steps = [op.replace(trainable=op.trainable and self._trainable) for op in self.operations(shape[1:])]
        if built is not None and built != shape[1:]:
            own = [one for op in self.operations(built) for one in op.shapes]
            if own != [one for op in steps for one in op.shapes]:
                raise ValueError(f"layer {self.name!r} is built for samples of {built}, got x {shape}")
        return steps

    def copied(self, weights: bool = True) -> Layer:
        """A copy that belongs to no model, with the weights of this one unless they are not wanted."""
        new = object.__new__(type(self))
        own = {key: value for key, value in vars(self).items() if key not in ("_home", "_position")}
        shape = self._sample_shape() if weights else None
        vars(new).update(own, _weights=self.get_weights() if weights else (), _shape=shape)
        return new

    def leave(self) -> None:
        """Belongs to no model any more, and keeps its weights."""
        vars(self).update(_weights=self.get_weights(), _shape=self._sample_shape(), _home=None, _position=0)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self if self._home is None else self.copied())

    # -- what a kind of layer says about itself ------------------------------------------------------------------------

    def shape_after(self, input_shape: Shape) -> Shape:
        """Shape of one sample behind the layer, from that before it."""
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        """What the layer does to samples of a shape, in order; nothing where it only names or reshapes."""
        raise TypeError(f"{self!r} does not say what it does: {type(self).__name__} needs a method operations")

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """Starting values of the layer's weights, in the order of ``Sequential.get_weights``."""
        return []

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        if not self._trainable:
            own["trainable"] = False
        if self._first_shape is not None:
            own["input_shape"] = self._first_shape
        return own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A new layer from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items() if value is not None)
        return f"{type(self).__name__}({shown})"


def check_called(layer: Layer, x: Any) -> None:
    """TypeError where x is a layer, as in Keras' functional graphs."""
    if isinstance(x, Layer):
        raise TypeError(
            f"{type(layer).__name__} was called with a layer, {x!r}, but there are no functional graphs: list the"
            " layers in Sequential([Input(shape), ..., Dense(1)])"
        )


class Input(Layer):
    """The shape of one sample: ``Input(784)``, ``Input((28, 28))`` or ``Input(shape=(28, 28))``.

    batch_shape: Keras' other way to say it, with the rows in front; input_shape: an older word for shape. batch_size
    and dtype are accepted for Keras' sake and mean nothing here: a model takes any number of rows and any number type.

    >>> Input(784).shape, Input(batch_shape=(None, 28, 28)).shape
    ((784,), (28, 28))
    """

    _position = -1  # it stands before the list of layers

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        input_shape: int | Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        shape = input_shape if shape is None else shape
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                "Input needs the shape of one sample, such as Input((28, 28)), or batch_shape=(None, 28, 28)"
            )
        given = batch_shape[1:] if batch_shape is not None else shape
        self.shape: Shape = checked_shape("Input: each size of shape", given)

    def shape_after(self, input_shape: Shape) -> Shape:
        return self.shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {"shape": self.shape, "name": self.name}


def map_of(shape: Shape) -> Pair:
    """Height and width of a sample's map: all axes but the last, which are channels. A signal has height 1.

    >>> map_of((28, 28, 3)), map_of((100, 4)), map_of((5,))
    ((28, 28), (1, 100), (1, 1))
    """
    return (prod(shape[:-2]), shape[-2]) if len(shape) > 1 else (1, 1)


def between(kind: type[Operation], before: Shape, after: Shape, **settings: Any) -> Operation:
    """An operation that makes samples of one shape from those of another."""
    return kind(before[-1], after[-1], map_in=map_of(before), map_out=map_of(after), **settings)


def checked_shape(name: str, shape: Any) -> Shape:
    """The shape of a sample as a tuple; one number is a shape of one axis."""
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not sizes:
        raise ValueError(f"{name}: a sample has one axis or more, got {shape!r}; for one number give 1, or (1,)")
    return tuple(whole(name, size, 1) for size in sizes)


def _constructor(cls: type) -> tuple[str, ...]:
    """The names of the arguments that a class's own constructor has."""
    code = cls.__init__.__code__  # type: ignore[misc]
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
