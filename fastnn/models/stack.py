"""Layers one after another, and the network that they become: what ``Sequential`` is before anybody trains it."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics import backend
from fastnn.basics.attributes import Fixed, check_attribute
from fastnn.basics.checks import flag, unknown, whole
from fastnn.basics.lock import TrainingLock
from fastnn.basics.seeds import as_generator
from fastnn.config import floatx
from fastnn.data import Door
from fastnn.engine.network import ENGINES, Network, are_finite
from fastnn.engine.program import Program, lower
from fastnn.errors import NotBuiltError
from fastnn.layers import Input, Layer
from fastnn.layers.base import Home, Shape, checked_shape
from fastnn.layers.weights import Variable
from fastnn.models.compiled import Compiled
from fastnn.models.summary import summary
from fastnn.models.weights import checked_weights
from fastnn.optimizers import Optimizer
from fastnn.training.evaluation import Few

FIXED = {  # attributes that say what is, and what changes them
    "layers": "add a layer with add(), or make a new model",
    "optimizer": "call compile()",
    "loss": "call compile()",
    "metrics": "call compile()",
    "dtype": "make a new model",
    "engine_name": "make a new model",
}


class Stack:
    """The layers of a model, their shapes and weights; see ``Sequential``.

    The layers stand in ``_layers``, without the Input (``_input``), which is None until the shape of a sample is known.
    Then the model is built: it has a network, and a door for the user's arrays.
    """

    _input: Input | None
    _layers: list[Layer]
    _shapes: list[Shape] | None  # of a sample before each layer, and behind the last; None until built
    _compiled: Compiled | None
    _network: Network | None
    _door: Door | None
    _short: Any  # the engine, where ``predict`` and ``__call__`` may hand it an array as it is
    _batches: Any  # ``training.batches.Batches``, from the first batch that comes by itself on
    _lean: Any  # its shortest way, where there is one
    _few: Few | None  # the shortest way of ``evaluate``, where there is one

    def __init__(
        self,
        layers: Iterable[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        rng: int | np.random.Generator | None = None,
        dtype: str | np.dtype | None = None,
        engine: str = "compiled",
    ) -> None:
        try:
            dtype = floatx() if dtype is None else np.dtype(dtype).name
        except TypeError:
            dtype = str(dtype)
        if dtype not in backend.DTYPES:
            raise ValueError(unknown("dtype", dtype, list(backend.DTYPES)))
        if engine not in ENGINES:
            raise ValueError(unknown("engine", str(engine), list(ENGINES)))
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a model must be a text, got {name!r}")
        self.dtype = np.dtype(dtype)
        self.engine_name = engine
        self.name = "sequential" if name is None else name
        self._rng = as_generator(rng)
        self._seed = int(self._rng.integers(1 << 63))  # of the network's random numbers
        self._lock = TrainingLock()
        self._home = Home(self)
        self._trainable = True
        self.__dict__.update(self._unbuilt(None, [], None))
        source: Input | None = None
        stack: list[Layer] = []
        for given in () if layers is None else layers:
            layer, own, source = self._entered(given, source, stack)
            vars(layer).update(own)
            if layer is not source:
                stack.append(layer)
        self._take(self._restacked(source, stack, None))
        if not flag("Sequential: trainable", trainable):
            self.trainable = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and (name in vars(self) or hasattr(type(self), name)):
            raise AttributeError(f"{name} of a model cannot be set; {FIXED[name]}")
        check_attribute(self, name, free=True)
        object.__setattr__(self, name, value)

    # -- building ------------------------------------------------------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Appends a layer. Weights that exist already stay; a built model must be compiled again."""
        with self._lock:
            layer, own, source = self._entered(layer, self._input, self._layers)
            layers = self._layers if layer is source else [*self._layers, layer]
            state = self._restacked(source, layers, self._compiled if self._network is None else None)
            vars(layer).update(own)
            self._take(state)

    def _entered(
        self, layer: Layer, source: Input | None, layers: list[Layer]
    ) -> tuple[Layer, dict[str, Any], Input | None]:
        """A layer that may stand behind others, or a copy; what makes it the model's own; and the Input of all."""
        if not isinstance(layer, Layer):
            hint = (
                "; a model within a model is a list of layers here: *model.layers" if isinstance(layer, Stack) else ""
            )
            raise TypeError(f"expected a layer of fastnn.layers, got {layer!r} of type {type(layer).__name__}{hint}")
        if any(layer is other for other in layers):
            raise ValueError(f"{layer!r} is in the model already; make a new layer")
        if layer._home is not None:
            layer = layer.copied()
        if isinstance(layer, Input):
            if source is not None or layers:
                raise ValueError("only the first layer can be an Input")
            return layer, {"_home": self._home, "name": layer.name or "input"}, layer
        if layer._dtype is not None and layer._dtype != self.dtype.name:
            raise ValueError(
                f"{layer!r} has dtype {layer._dtype!r}, but the model computes in {self.dtype.name!r}; give the dtype"
                " to the model: Sequential(layers, dtype=...)"
            )
        if source is None and not layers:
            first = layer._sample_shape() or layer._first_shape
            source = None if first is None else Input(first)
        name = _name_for(layer, [str(one.name) for one in layers])
        own = {"_home": self._home, "_position": len(layers), "name": name}
        return layer, own | {"_numbered": layer._numbered or layer.name is None}, source

    def pop(self) -> Layer:
        """Removes the last layer and returns it, with its weights; a compiled model must be compiled again."""
        if not self._layers:
            raise ValueError("the model has no layer to remove")
        with self._lock:
            layer = self._layers[-1]
            kept = layer._sample_shape()
            state = self._restacked(self._input, self._layers[:-1], self._compiled if kept is None else None)
            weights = layer.get_weights()
            self._take(state)
            vars(layer).update(_weights=weights, _shape=kept, _home=None, _position=0)
        return layer

    def build(self, input_shape: int | Sequence[int | None] | None = None) -> None:
        """Draws the weights, for samples of a shape: (None, 4) or, with rows of numbers, 4.

        Not needed where there is an Input, or where the first layer has an ``input_shape``; else the first call of
        ``fit``, ``evaluate``, ``predict``, the model itself or one of the ``..._on_batch`` builds it.
        """
        if input_shape is None:
            if self._network is None:
                raise ValueError("build needs the shape of the samples, such as model.build((None, 4))")
            return
        if isinstance(input_shape, (tuple, list)):
            if not len(input_shape) or (len(input_shape) == 1 and input_shape[0] is not None):
                raise ValueError(f"build needs a shape with the rows first, such as (None, 4), got {input_shape!r}")
            input_shape = tuple(input_shape[1:])
        shape = checked_shape("build: each size of a sample", input_shape)
        if not self._layers:
            raise NotBuiltError("the model has no layers; add Input(shape of one sample) and others first")
        if self._input is not None:
            if self._input.shape != shape:
                raise ValueError(f"the model takes samples of shape {self._input.shape}, not of {shape}")
            return
        with self._lock:
            self._build(shape)

    def _build(self, shape: Shape) -> None:
        """The caller holds the lock."""
        self._take(self._restacked(Input(shape), self._layers, self._compiled))

    def _restacked(self, source: Input | None, layers: list[Layer], compiled: Compiled | None) -> dict[str, Any]:
        """The model's attributes with these layers: weights that exist stay, others are drawn."""
        if source is None or not layers:
            return self._unbuilt(source, layers, compiled)
        shapes = [source.shape]
        for layer in layers:
            shapes.append(layer.shape_after(shapes[-1]))
        with np.errstate(over="ignore"):
            weights = [
                array for layer, shape in zip(layers, shapes, strict=False) for array in self._weights_of(layer, shape)
            ]
        return self._built(source, layers, shapes, compiled, weights)

    def _weights_of(self, layer: Layer, shape: Shape) -> list[NDArray[Any]]:
        """Those that the layer has, here or from another model, in the model's dtype; else starting weights.

        The caller wants no warning of an overflow.
        """
        given = [values.astype(self.dtype) for values in layer.get_weights()]
        if not given:
            return self._starting_weights(layer, shape)
        expected = [one for op in layer.operations(shape) for one in op.shapes]
        if [values.shape for values in given] != expected:
            raise ValueError(
                f"layer {layer.name!r} has weights of the shapes {[values.shape for values in given]} from another"
                f" model, but here it needs {expected}; make a new layer"
            )
        if not all(are_finite(values) for values in given):
            raise ValueError(f"the weights of layer {layer.name!r} are not finite in {self.dtype}")
        return given

    def _starting_weights(self, layer: Layer, shape: Shape) -> list[NDArray[Any]]:
        """Drawn from the model's generator, or an error where they are not finite in the model's dtype.

        The caller wants no warning of an overflow.
        """
        fresh = [values.astype(self.dtype) for values in layer.initial_weights(shape, self._rng)]
        expected = [tuple(one) for op in layer.operations(shape) for one in op.shapes]
        found = [values.shape for values in fresh]
        if found != expected:
            raise ValueError(
                f"the starting weights of {layer!r} have the shapes {found}, expected {expected}; an initializer"
                " returns the shape that it is asked for"
            )
        if not all(are_finite(values) for values in fresh):
            raise ValueError(
                f"the starting weights of {layer!r} are not finite in {self.dtype}; choose another initializer"
            )
        return fresh

    def _unbuilt(self, source: Input | None, layers: list[Layer], compiled: Compiled | None) -> dict[str, Any]:
        """The model's attributes without a network."""
        empty = dict.fromkeys(("_shapes", "_network", "_door", "_short", "_batches", "_lean", "_few"))
        return empty | {"_input": source, "_layers": layers, "_compiled": compiled}

    def _built(
        self,
        source: Input,
        layers: list[Layer],
        shapes: list[Shape],
        compiled: Compiled | None,
        weights: list[NDArray[Any]] | None,
    ) -> dict[str, Any]:
        """The model's attributes with a new program and arena, and these weights, or the present ones."""
        program = self._lowered(source, layers, compiled)
        if compiled is not None:
            compiled.check(layers, program, shapes[-1])
        if self._network is None:
            network = Network(program, self.engine_name, self._seed, weights=weights)
        else:
            network = self._network.changed(program, weights)
        state = self._unbuilt(source, layers, compiled) | {"_shapes": shapes, "_network": network}
        return state | self._doors(shapes, network, compiled)

    def _lowered(self, source: Input, layers: list[Layer], compiled: Compiled | None) -> Program:
        if compiled is None:
            return lower([source, *layers], self.dtype)
        return lower([source, *layers], self.dtype, compiled.loss, compiled.optimizer, compiled.frozen)

    def _doors(self, shapes: list[Shape], network: Network, compiled: Compiled | None) -> dict[str, Any]:
        """What looks at the user's arrays."""
        ids = network.program.steps[0].ids
        door = Door(shapes[0], self.dtype, shapes[-1], ids=ids)
        if compiled is not None:
            door = Door(shapes[0], self.dtype, shapes[-1], compiled.loss, compiled.metrics, compiled.loss_weight, ids)
        short = network.engine if len(shapes[0]) == len(shapes[-1]) == 1 else None
        few = None if compiled is None or not Few.suits(network, door) else Few(network, door, compiled.metrics)
        return {"_door": door, "_short": short, "_batches": None, "_lean": None, "_few": few}

    def _take(self, state: dict[str, Any]) -> None:
        """Attributes from ``_restacked``, in one call of C: Ctrl-C comes before or after it."""
        self.__dict__.update(state)
        self._home.network, self._home.shapes = self._network, self._shapes
        self._tell_optimizer()
        if self._network is not None:
            for layer in self._layers:
                vars(layer).update(_weights=(), _shape=None)

    def _tell_optimizer(self) -> None:
        """Whose steps ``model.optimizer.iterations`` counts."""
        if self._compiled is not None:
            network = None if self._network is None else weakref.ref(self._network)  # a ring would wait for gc
            vars(self._compiled.optimizer)["_network"] = network

    def layer_has_changed(self, layer: Layer) -> None:
        """Obeys a setting of a layer that was changed: weights, optimizer and steps stay as they are."""
        if self._lock.held_elsewhere():
            raise RuntimeError(
                "this model is being trained in another thread; change its layers before, or in a callback"
            )
        if not isinstance(layer.name, str) or self.layer_names.count(layer.name) > 1:
            raise ValueError(f"two layers are named {layer.name!r}; names must differ")
        if self._network is None or self._input is None or self._shapes is None:
            return
        program = self._lowered(self._input, self._layers, self._compiled)
        if self._compiled is not None:
            self._compiled.check_outputs(self._layers, program, self._shapes[-1])
        self._network.describe(program)
        self.__dict__.update(self._doors(self._shapes, self._network, self._compiled))

    # -- what is there -------------------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the model has its weights."""
        return self._network is not None

    @property
    def layers(self) -> list[Layer]:
        """A copy of the list of layers, without the Input. ``Sequential(model.layers[:2])`` has copies of them."""
        return Fixed(self._layers, "add a layer with add(), or make a new model: Sequential(model.layers[:2])")

    @property
    def all_layers(self) -> list[Layer]:
        """The Input and the layers behind it, as ``lower`` takes them."""
        self.network  # noqa: B018 - refuses a model that is not built
        assert self._input is not None  # noqa: S101 - the model is built
        return [self._input, *self._layers]

    @property
    def layer_names(self) -> list[str]:
        """The names of all layers, in their order."""
        return [str(layer.name) for layer in self._layers]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at a place in ``layers``."""
        if (name is None) == (index is None):
            raise ValueError(f"get_layer needs a name or an index, got name={name!r} and index={index!r}")
        if index is not None:
            number = whole("get_layer: index", index, -len(self._layers))
            if number >= len(self._layers):
                raise ValueError(f"get_layer: index {index} is too large, the model has {len(self._layers)} layers")
            return self._layers[number]
        if name not in self.layer_names:
            raise ValueError(unknown("layer", str(name), self.layer_names))
        return self._layers[self.layer_names.index(name)]

    @property
    def network(self) -> Network:
        """The weights and what computes them; see ``fastnn.engine.network``."""
        if self._network is None:
            if not self._layers:
                raise NotBuiltError("the model has no layers; add some, such as Dense")
            raise NotBuiltError(
                "the model is not built, since it does not know the shape of a sample: begin with Input(shape), or call"
                " model.build((None, features)), fit or predict"
            )
        return self._network

    @property
    def door(self) -> Door:
        """What the model lets in; see ``fastnn.data``."""
        self.network  # noqa: B018 - refuses a model that is not built
        assert self._door is not None  # noqa: S101 - made with the network
        return self._door

    @property
    def optimizer(self) -> Optimizer | None:
        """The model's own copy of what ``compile`` was given; its learning rate may be changed."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def program(self) -> Program:
        """The lowered network; see ``fastnn.engine.program``."""
        return self.network.program

    @property
    def engine(self) -> Any:
        """What computes: the compiled engine or the reference."""
        return self.network.engine

    @property
    def arena(self) -> NDArray[Any]:
        """All weights (row 0) and optimizer state (other rows); see ``fastnn.engine.program``."""
        return self.network.arena

    @property
    def iterations(self) -> int:
        """Finished training steps since ``compile``."""
        return self.network.iterations

    @iterations.setter
    def iterations(self, count: int) -> None:
        self.network.iterations = count

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, *shape of one sample)."""
        if self._input is None:
            self.network  # noqa: B018 - says what is missing
            raise NotBuiltError("the model has no Input")
        return (None, *self._input.shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, *shape of one sample's output)."""
        return (None, *self.shapes()[-1])

    def shapes(self) -> list[Shape]:
        """Shapes of a sample before each layer, and behind the last one."""
        self.network  # noqa: B018 - refuses a model that is not built
        assert self._shapes is not None  # noqa: S101 - made with the network
        return list(self._shapes)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """(rows, *shape) of the outputs for samples of (rows, *shape); the rows may be None."""
        shape = tuple(input_shape)
        for layer in self._layers:
            shape = layer.compute_output_shape(shape)
        return shape

    # -- weights -------------------------------------------------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether training changes any weights. Setting it sets it for all layers; obeyed at the next ``compile``."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = flag("Sequential: trainable", value)
        for layer in self._layers:
            layer.trainable = value

    def _frozen(self) -> frozenset[int]:
        """The positions of the layers that training shall leave as they are."""
        frozen = (i for i, layer in enumerate(self._layers) if not (self._trainable and layer.trainable))
        return frozenset(frozen)

    @property
    def weights(self) -> list[Variable]:
        """A ``Variable`` for each array of ``get_weights``; none before the model is built."""
        return [variable for layer in self._layers for variable in layer.weights]

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that ``compile`` would have trained."""
        return [variable for variable in self.weights if variable.trainable and self._trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The others: moving statistics, and all weights of layers with ``trainable = False``."""
        return [variable for variable in self.weights if not (variable.trainable and self._trainable)]

    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all weights: W (inputs, units) and, where the layer has one, b (units,), layer by layer."""
        return self.network.get_weights()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Sets all weights, in the order of ``get_weights``. The optimizer's state stays."""
        self.network.set_weights(checked_weights(self.program, self.layer_names, weights))

    def count_params(self) -> int:
        """Number of weights and biases."""
        return sum(prod(shape) for op in self.program.steps for shape in op.shapes)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints the layers with their output shapes and numbers of parameters, as Keras does.

        line_length: of the table, 88 by default, or what the terminal has; positions: where its columns end, in shares
        of it; print_fn: gets the whole text instead of ``print``; show_trainable: a column with Y or N;
        layer_range: the names of the first and the last layer to show. expand_nested has no meaning here.
        """
        print_fn = print if print_fn is None else print_fn
        shown = self._layers
        if layer_range is not None:
            first, last = (self._layers.index(self.get_layer(name)) for name in layer_range)
            shown = self._layers[first : last + 1]
        counts = {
            "Trainable": sum(one.size for one in self.trainable_weights),
            "Non-trainable": sum(one.size for one in self.non_trainable_weights),
        }
        if self._network is not None and self._network.iterations:  # with the count of the steps and the rate
            trained = sum(prod(shape) for op in self.program.steps for shape in op.shapes[: op.variables])
            counts["Optimizer"] = self.program.slots * trained + 2
        print_fn(summary(self.name, shown, counts, self.dtype.itemsize, line_length, positions, show_trainable))


def begin_anew(optimizer: Optimizer) -> None:
    """A schedule that follows the loss forgets it."""
    reset = getattr(optimizer.learning_rate, "reset", None)
    if reset is not None:
        reset()


@cache
def _snake(name: str) -> str:
    """As Keras: conv2d, batch_normalization."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _name_for(layer: Layer, taken: list[str]) -> str:
    """The layer's own name, or a free one that says its kind."""
    name = layer.name
    if name is None or (layer._numbered and name in taken):
        kind = _snake(type(layer).__name__)
        names = (kind if i == 0 else f"{kind}_{i}" for i in range(len(taken) + 1))
        return next(one for one in names if one not in taken)
    if name in taken:
        raise ValueError(f"two layers are named {name!r}; names must differ")
    return name
