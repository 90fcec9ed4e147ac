"""Sequential: a stack of layers that can be compiled, trained, evaluated and asked."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics import backend
from fastnn.basics.attributes import Fixed, check_attribute
from fastnn.basics.checks import unknown, whole
from fastnn.basics.lock import TrainingLock
from fastnn.basics.progress import check_verbose, logs_text
from fastnn.callbacks.base import Callback, CallbackList, History, check_callbacks
from fastnn.catalogue import resolve
from fastnn.data import Door, are_batches, as_generator, features
from fastnn.engine.network import ENGINES, Network
from fastnn.engine.program import Program, lower
from fastnn.errors import NotBuiltError, NotCompiledError
from fastnn.layers import Input, Layer
from fastnn.layers.base import Home
from fastnn.losses import Loss, as_loss
from fastnn.metrics import Metric, as_metric
from fastnn.models import files
from fastnn.models.output_check import check_outputs
from fastnn.models.summary import summary
from fastnn.models.weights import checked_weights, weight_names
from fastnn.optimizers import Optimizer
from fastnn.training import evaluation, loop

if TYPE_CHECKING:
    from fastnn.augmentation import ImageAugmentation

FIXED = {  # attributes that say what is, and what changes them
    "layers": "add a layer with add(), or make a new model",
    "optimizer": "call compile()",
    "loss": "call compile()",
    "metrics": "call compile()",
    "dtype": "make a new model",
    "engine_name": "make a new model",
}


class Sequential:
    """A network of layers, one after another.

    layers: a list that begins with ``Input``. rng: None, a seed, or a ``numpy.random.Generator``; decides the starting
    weights and the order of the samples. dtype: "float32" or "float64", of weights and computation. engine: "compiled",
    or "reference", the same program in NumPy.

    >>> from fastnn.layers import Input, Dense
    >>> model = Sequential([Input(2), Dense(8, activation="tanh"), Dense(1, activation="sigmoid")], rng=0)
    >>> model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    >>> model.count_params()
    33
    >>> model.predict(np.zeros((3, 2))).shape
    (3, 1)
    """

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        *,
        rng: int | np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
        engine: str = "compiled",
        name: str = "sequential",
    ) -> None:
        try:
            dtype = np.dtype(dtype).name if dtype is not None else "None"
        except TypeError:
            dtype = str(dtype)
        if dtype not in backend.DTYPES:
            raise ValueError(unknown("dtype", dtype, list(backend.DTYPES)))
        if engine not in ENGINES:
            raise ValueError(unknown("engine", str(engine), list(ENGINES)))
        self.dtype = np.dtype(dtype)
        self.engine_name = engine
        self.name = name
        self.loss: Loss | None = None
        self._metrics: list[Metric] = []
        self.history: History | None = None
        self.stop_training = False  # a callback may set it
        self._rng = as_generator(rng)
        self._seed = int(self._rng.integers(1 << 63))  # of the network's random numbers
        self._lock = TrainingLock()
        self._network: Network | None = None
        self._door: Door | None = None
        self._short: Any = None  # the engine, where ``__call__`` may hand it an array as it is
        self._home = Home(self)
        self._layers: list[Layer] = []
        for layer in layers:
            self.add(layer)

    # -- building ------------------------------------------------------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Appends a layer. Weights that exist already stay; a compiled model must be compiled again."""
        if not isinstance(layer, Layer):
            raise TypeError(f"expected a layer of fastnn.layers, got {layer!r} of type {type(layer).__name__}")
        if any(layer is other for other in self._layers):
            raise ValueError(f"{layer!r} is in the model already; make a new layer")
        if layer._home is not None:
            layer = layer.copied()
        if not self._layers and not isinstance(layer, Input):
            raise ValueError(f"the first layer must be Input(shape of one sample), got {layer!r}")
        if self._layers and isinstance(layer, Input):
            raise ValueError("only the first layer can be an Input")
        shape = self.output_shape if self._layers else ()
        layer.output_shape(shape)  # refuses what does not fit, before anything changes
        name, taken = layer.name, self.layer_names
        if name is None or (layer._numbered and name in taken):
            name = self._free_name(type(layer).__name__.lower())
        elif name in taken:
            raise ValueError(f"two layers are named {name!r}; names must differ")
        with self._lock:
            old = [values for one in self._layers for values in one.get_weights()]
            given = self._given_weights(layer, shape) or self._starting_weights(layer, shape)
            layers = [*self._layers, layer]
            state = {"_layers": layers}
            if _learns(layers):
                state = self._built(layers, None, None, [], [*old, *given])
            own = {"_home": self._home, "_position": len(layers) - 1, "_weights": given, "name": name}
            vars(layer).update(own, _numbered=layer._numbered or layer.name is None)
            self._take(state)

    def _starting_weights(self, layer: Layer, shape: tuple[int, ...]) -> list[NDArray[Any]]:
        """Drawn from the model's generator, or an error where they are not finite in the model's dtype."""
        with np.errstate(over="ignore"):
            fresh = [values.astype(self.dtype) for values in layer.initial_weights(shape, self._rng)]
        if not all(np.isfinite(values).all() for values in fresh):
            raise ValueError(
                f"the starting weights of {layer!r} are not finite in {self.dtype}; choose another initializer"
            )
        return fresh

    def _given_weights(self, layer: Layer, shape: tuple[int, ...]) -> list[NDArray[Any]]:
        """Those that the layer brings along from another model, in the model's dtype."""
        with np.errstate(over="ignore"):
            given = [values.astype(self.dtype) for values in layer.get_weights()]
        expected = [shape for op in layer.operations(shape) for shape in op.shapes]
        if given and [values.shape for values in given] != expected:
            raise ValueError(
                f"layer {layer.name!r} has weights of the shapes {[values.shape for values in given]} from another"
                f" model, but here it needs {expected}; make a new layer"
            )
        if not all(np.isfinite(values).all() for values in given):
            raise ValueError(f"the weights of layer {layer.name!r} are not finite in {self.dtype}")
        return given

    def _take(self, state: dict[str, Any]) -> None:
        """Attributes from ``_built``, in one call of C: Ctrl-C comes before or after it."""
        self.__dict__.update(state)
        self._home.network = self._network
        if self._network is not None:
            for layer in self._layers:
                layer._weights = ()

    def layer_has_changed(self, layer: Layer) -> None:
        """Obeys a setting of a layer that was changed: weights, optimizer and steps stay as they are."""
        if self._lock.held_elsewhere():
            raise RuntimeError(
                "this model is being trained in another thread; change its layers before, or in a callback"
            )
        names = self.layer_names
        if not isinstance(layer.name, str) or names.count(layer.name) > 1:
            raise ValueError(f"two layers are named {layer.name!r}; names must differ")
        if self._network is None:
            return
        program = lower(self._layers, self.dtype, self.loss, self.optimizer)
        if self.loss is not None:
            check_outputs(self._layers, program, self.loss, self.output_shape)
        self._network.describe(program)
        self._short = _short(self._layers, self._network)

    def _has_weights(self) -> bool:
        return self._network is not None

    def _free_name(self, kind: str) -> str:
        taken = {layer.name for layer in self._layers if layer.name}
        names = (kind if i == 0 else f"{kind}_{i}" for i in range(len(taken) + 1))
        return next(name for name in names if name not in taken)

    def _built(
        self,
        layers: list[Layer],
        loss: Loss | None,
        optimizer: Optimizer | None,
        metrics: list[Metric],
        weights: list[NDArray[Any]],
    ) -> dict[str, Any]:
        """The model's attributes with a new program and arena, and these weights."""
        program = lower(layers, self.dtype, loss, optimizer)
        if self._network is None:
            network = Network(program, self.engine_name, self._seed, weights=weights)
        else:
            network = self._network.changed(program, weights)
        return {
            "_layers": layers,
            "_metrics": metrics,
            "loss": loss,
            "_network": network,
            "_door": Door(layers[0].output_shape(()), self.dtype, _shapes(layers)[-1], loss, metrics),
            "_short": _short(layers, network),
        }

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and (name in vars(self) or hasattr(type(self), name)):
            raise AttributeError(f"{name} of a model cannot be set; {FIXED[name]}")
        check_attribute(self, name, free=True)
        object.__setattr__(self, name, value)

    @property
    def layers(self) -> list[Layer]:
        """A copy of the list of layers. ``Sequential(model.layers[:2])`` is a new model with copies of these layers."""
        return Fixed(self._layers, "add a layer with add(), or make a new model: Sequential(model.layers[:2])")

    @property
    def metrics(self) -> list[Metric]:
        """A copy of the list of metrics, the model's own copies of what ``compile`` was given."""
        return Fixed(self._metrics, "call compile() with other metrics")

    @property
    def network(self) -> Network:
        """The weights and what computes them; see ``fastnn.engine.network``."""
        if self._network is None:
            raise NotBuiltError("the model has no layer with weights; add a Dense layer")
        return self._network

    @property
    def door(self) -> Door:
        """What the model lets in; see ``fastnn.data``."""
        self.network  # noqa: B018 - refuses a model without weights
        assert self._door is not None  # noqa: S101 - made with the network
        return self._door

    @property
    def optimizer(self) -> Optimizer | None:
        """The model's own copy of what ``compile`` was given; its learning rate may be changed."""
        return None if self._network is None else self._network.program.optimizer_object

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
    def layer_names(self) -> list[str]:
        """The names of all layers, in their order."""
        return [str(layer.name) for layer in self._layers]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        if not self._layers:
            raise NotBuiltError("the model has no layers; add Input(shape of one sample) first")
        return self._layers[0].output_shape(())

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self.shapes()[-1]

    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of one sample, and of that behind each layer."""
        self.input_shape  # noqa: B018 - refuses a model without layers
        return _shapes(self._layers)

    def compile(
        self,
        optimizer: str | Optimizer | type[Optimizer] = "rmsprop",
        loss: str | Loss | type[Loss] | Callable[..., Any] | None = None,
        metrics: Sequence[str | Metric | type[Metric] | Callable[..., Any]] | None = None,
    ) -> None:
        """Sets optimizer, loss and metrics. Weights stay; the optimizer and its schedule begin anew.

        The model works with copies of the given objects, schedules included: ``model.optimizer``, ``model.loss`` and
        ``model.metrics``. So one object may be compiled into many models; the learning rate of one of them is changed
        by ``model.optimizer.learning_rate = ...``. Keras keeps the objects themselves. The default optimizer is Keras'
        one, RMSprop.

        loss: a name, an object of ``fastnn.losses``, or a function (y, outputs) -> (loss of each sample, derivative by
        the outputs), which runs in Python between two halves of each step. metrics: a list of names or objects, such as
        ["accuracy"], or of functions (y, outputs) -> number, called once with all samples of an epoch.

        A subclass with another formula is obeyed or refused: losses, metrics and schedules run in Python; activations,
        regularizers, constraints and optimizers need a model with ``engine="reference"``.
        """
        if loss is None:
            raise ValueError("compile needs a loss, for instance loss='mse'")
        metrics = () if metrics is None else metrics
        if not isinstance(metrics, (list, tuple)):
            hint = f"; write metrics=[{metrics!r}]" if isinstance(metrics, (str, Metric, type)) else ""
            raise TypeError(f"metrics must be a list of names or metrics, got {metrics!r}{hint}")
        new_optimizer = resolve("optimizer", optimizer, Optimizer).copied()
        new_loss = resolve("loss", as_loss(loss), Loss).copied()
        new_metrics = [resolve("metric", as_metric(metric), Metric).copied() for metric in metrics]
        if len({metric.name for metric in new_metrics}) < len(new_metrics):
            raise ValueError(f"metrics must have different names, got {[metric.name for metric in new_metrics]}")
        if type(new_loss).evaluate is Loss.evaluate:
            raise TypeError(f"loss {type(new_loss).__name__} has no formula: write evaluate(a, t)")
        check_outputs(self._layers, self.program, new_loss, self.output_shape)
        for metric in new_metrics:
            metric.prepare(new_loss, self.program.outputs)
        with self._lock:
            _begin_anew(new_optimizer)
            self._take(self._built(self._layers, new_loss, new_optimizer, new_metrics, self.get_weights()))

    # -- training and asking -------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        sampler: Callable[[int, np.random.Generator], ArrayLike] | None = None,
        augmentation: ImageAugmentation | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        save_seconds: float = 60.0,
    ) -> History:
        """Trains on X (rows, *input shape) and y, and returns the history of losses and metrics.

        X may have any number type and any strides and is never copied as a whole; a ``numpy.memmap`` larger than memory
        will do. Tables of pandas, polars and pyarrow will do too; columns of several types are copied once. y: (rows,)
        labels for a sparse loss, else (rows, outputs), or (rows,) for one output. Without y, x is batches: a generator,
        any iterable of (x, y) or (x, y, sample_weight), or a ``fastnn.data.Batches``.

        - batch_size: samples of a step, 32 by default, or "all": gradient descent is "all", stochastic gradient descent
          is 1. The last batch of an epoch may be short.
        - epochs, initial_epoch: trains epochs number initial_epoch to epochs - 1; both end up in the history.
        - verbose: 0 silent, 1 a progress bar (a line for each epoch outside a terminal), 2 a line for each epoch,
          "auto" a bar in a terminal and silence elsewhere.
        - callbacks: a list of ``fastnn.callbacks``.
        - validation_data: (X, y) or (X, y, sample_weight), or batches, evaluated after each epoch; with an optimizer
          that averages weights (use_ema), with the average, which the fit will leave. Keras validates without it.
        - validation_split: this share of the rows is kept for validation instead. Unlike in Keras, which takes the last
          rows, they are chosen at random, by the seed of the model alone, and classes (labels, one-hot rows, or up to
          ten different whole numbers) keep their shares.
        - validation_steps: only so many batches of the validation; validation_batch_size: the size of these; by default
          batch_size. validation_freq: validates each so many epochs, or in the epochs of a list, counted from 1.
        - shuffle: a new order of the rows (or of the batches of a ``Batches``) in each epoch.
        - sample_weight: (rows,) factors of the samples' losses. class_weight: a dict label -> factor, for whole
          numbers in one column or one-hot rows; classes that it does not name have 1; multiplied with sample_weight.
          It does not weigh the validation.
        - steps_per_epoch: an epoch is so many batches; the next one goes on where it ended.
        - sampler: a function (epoch, rng) -> row numbers, the order of an epoch, of any length, with repetitions or
          without: a curriculum. rng is a ``numpy.random.Generator`` for it, seeded by the model and the epoch.
        - augmentation: a ``fastnn.augmentation.ImageAugmentation`` for the training images.
        - checkpoint_dir: a folder of this fit alone, in which the newest three checkpoints are kept: one after each
          epoch (of epochs below a second only some) and each save_seconds within an epoch. resume: goes on from the
          newest one, or begins where there is none. Made anew, compiled and fitted by the same call, a model whose fit
          was killed at any moment ends with the same bits as one that was never interrupted. Batches of the user's own
          must come the same again: a generator is read up to where it was, the epochs of a ``Batches`` are told again.

        Raises ValueError or TypeError for bad input, before anything changes (a bad batch of a generator or a bad
        order of a sampler: when it comes, with the weights of the last step); DivergenceError when a loss is not
        finite, with the weights of the start of that epoch (see DivergenceError). Ctrl-C raises KeyboardInterrupt
        within 0.2 s; the weights are then those of the last finished step, and ``model.history`` holds the finished
        epochs.

        >>> from fastnn.layers import Input, Dense
        >>> model = Sequential([Input(2), Dense(8, "tanh"), Dense(1, "sigmoid")], rng=0)
        >>> model.compile("adam", "binary_crossentropy")
        >>> X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
        >>> history = model.fit(X, y, batch_size="all", epochs=3, validation_split=0.25)
        >>> sorted(history.history), history.epoch
        (['loss', 'val_loss'], [0, 1, 2])
        """
        with self._lock:
            self._need_compiled("fit")
            run = loop.Run(
                self,
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                validation_split,
                validation_data,
                shuffle,
                class_weight,
                sample_weight,
                initial_epoch,
                steps_per_epoch,
                validation_steps,
                validation_batch_size,
                validation_freq,
                sampler,
                augmentation,
                checkpoint_dir,
                resume,
                save_seconds,
            )
            return loop.fit(run)

    def fit_best_of(self, k: int, x: Any, y: Any = None, **arguments: Any) -> History:
        """Trains k times from fresh starting weights and keeps the best, by the validation loss where there is one.

        k: number of starting points. The other arguments are those of ``fit``; the loss that decides is that of the
        weights at the end of each fit, on the validation data, or else on the training data. Returns the history of the
        best. A start that diverges does not count; DivergenceError when all do. Ctrl-C leaves the best so far.

        >>> from fastnn.layers import Input, Dense
        >>> model = Sequential([Input(2), Dense(3, "tanh"), Dense(1)], rng=0)
        >>> model.compile("adam", "mse")
        >>> X = np.random.default_rng(0).normal(size=(20, 2))
        >>> history = model.fit_best_of(3, X, X[:, 0] * X[:, 1], epochs=5)
        >>> len(history.epoch)
        5
        """
        with self._lock:
            self._need_compiled("fit_best_of")
            k = whole("fit_best_of: k", k, 1)
            if hasattr(x, "__next__"):
                raise ValueError("fit_best_of reads the data k times, but a generator can be read once; pass a list")
            return loop.fit_best_of(self, k, loop.Run(self, x, y, **arguments))

    def start_anew(self) -> None:
        """Fresh starting weights from the model's generator; the optimizer begins anew."""
        fresh = [
            values
            for layer, shape in zip(self._layers[1:], self.shapes(), strict=False)
            for values in self._starting_weights(layer, shape)
        ]
        if self.optimizer is not None:
            _begin_anew(self.optimizer)
        self._take(self._built(self._layers, self.loss, self.optimizer, self._metrics, fresh))

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss on X and y, or a list of the loss and each metric in the order of ``compile``.

        Without y, x is batches, as in ``fit``. The loss is the mean of the weighted losses of the samples, plus the
        penalties of weights and activations, as in training. verbose: 1 prints the results too, "auto" and 0 do not.
        steps: only so many batches. callbacks: their ``on_test_...`` are called. return_dict: a dict of all names
        instead.
        """
        self._need_compiled("evaluate")
        check_verbose(verbose)
        batch_size = 32 if batch_size is None else whole("evaluate: batch_size", batch_size, 1)
        steps = None if steps is None else whole("evaluate: steps", steps, 1)
        listeners = check_callbacks(callbacks)
        data: loop.Data | loop.BatchFeed
        data = (
            loop.BatchFeed(self.network, self.door, x, None, steps)
            if are_batches(x, y)
            else loop.Data.check(self.door, x, y, sample_weight)
        )
        names = ["loss", *(metric.name for metric in self._metrics)]
        called = CallbackList(listeners, self, {"verbose": verbose, "metrics": names}) if listeners else None
        logs = evaluation.evaluate(self.network, self._metrics, data, batch_size, steps, called)
        if verbose in (1, 2):
            print(logs_text(logs))
        results = list(logs.values())
        return logs if return_dict else results if len(results) > 1 else results[0]

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
    ) -> NDArray[Any]:
        """Outputs (rows, outputs) for X (rows, *input shape), in the model's dtype. X must be finite.

        Where the outputs of a sample are maps they keep their shape: (rows, *output shape).

        x may also be batches: an iterator, or a ``fastnn.data.Batches``, of x, (x, y) or (x, y, sample_weight); steps:
        only so many of them. batch_size and verbose are there for Keras' sake: the engine chooses how many rows go
        through the network at once, and nothing is printed; a callback with ``on_predict_batch_begin`` or ``_end`` sees
        batches of batch_size, 32 by default.

        >>> from fastnn.layers import Input, Dense
        >>> model = Sequential([Input(2), Dense(3)], rng=0)
        >>> model.predict(np.zeros((5, 2))).shape, model.predict(np.zeros((4, 2)) for _ in range(3)).shape
        ((5, 3), (12, 3))
        """
        check_verbose(verbose)
        batch_size = 32 if batch_size is None else whole("predict: batch_size", batch_size, 1)
        batches = not isinstance(x, (list, tuple)) and are_batches(x, None)
        if steps is not None and not batches:
            raise ValueError("steps counts batches, but x is an array; leave steps out, or pass batches")
        if callbacks is None and not batches:
            return self._shaped(self.network.predict(self.door.features(x)))
        called = CallbackList(check_callbacks(callbacks), self, {"verbose": verbose, "metrics": []})
        parts: Iterable[Any] = [x]
        if batches:
            steps = None if steps is None else whole("predict: steps", steps, 1)
            feed = loop.BatchFeed(self.network, self.door, x, None, steps)
            parts = (batch[0] if isinstance(batch, (tuple, list)) else batch for batch in feed.given())
        elif called.predict_batchwise:
            rows = self.door.features(x).array
            parts = (rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
        outputs = evaluation.predict(self.network, (self.door.features(part) for part in parts), called)
        if batches:
            feed.end_epoch()
        return self._shaped(outputs)

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """The shortest way from an array (rows, *input shape) to its outputs: shape and dtype are checked, values not.

        An array of the model's own dtype, C-contiguous, costs no conversion. NaN gives NaN.
        """
        if self._short is not None and type(x) is np.ndarray:
            out = self._short(x)
            if out is not None:
                return out
        return self._shaped(self.engine.predict(features(x, self.door.shape), 1))

    def _shaped(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Rows of outputs as the maps that they are."""
        shape = self.door.output_shape
        return outputs if len(shape) == 1 else outputs.reshape(len(outputs), *shape)

    def _need_compiled(self, what: str) -> None:
        if self.loss is None:
            raise NotCompiledError(f"call model.compile(optimizer=..., loss=...) before {what}")

    # -- weights and description ---------------------------------------------------------------------------------------

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all weights: W (inputs, units) and, where the layer has one, b (units,), layer by layer."""
        return self.network.get_weights()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Sets all weights, in the order of ``get_weights``. The optimizer's state stays."""
        self.network.set_weights(checked_weights(self.program, self.layer_names, weights))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the whole model to one file: layers, weights, optimizer with its state, loss, metrics, random numbers.

        ``fastnn.load(path)`` gives it back. The format is that of safetensors, with the weights under names such as
        "dense/kernel" and a checksum over all of it. The file appears whole or not at all: a crash, or a disk that is
        full, leaves an older one as it was. Layers, losses and functions of your own are written by name only, and
        ``load`` must be given them; TypeError for one without a name, such as a lambda. The history is not written.
        """
        files.save(path, self)

    def describe(self) -> dict[str, Any]:
        """What a file says of the model beside its arrays, as plain values. TypeError for what no file can hold."""
        return files.described(self)[1]

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Writes all weights to a file, under the names of their layers: as ``save`` does where the path ends with
        ".safetensors" or ".fastnn", else in NumPy's .npz format.

        The file appears whole or not at all: a crash leaves an older one as it was. Its name is ``path``, unchanged.
        """
        if os.fspath(path).endswith(files.ENDINGS):
            files.save_named_weights(path, self.program, self.layer_names, self.get_weights())
            return
        names = weight_names(self.program, self.layer_names)
        files.save_weights(path, dict(zip(names, self.get_weights(), strict=True)))

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Sets all weights from a file of ``save_weights`` or ``save``, or from one of safetensors that another program
        wrote under the same names. The optimizer's state stays.

        Raises ValueError where the layers' names or shapes are others, before anything changes.
        """
        self.set_weights(files.load_weights(path, self.program, self.layer_names))

    def count_params(self) -> int:
        """Number of weights and biases."""
        shapes = self.shapes()
        return sum(layer.count_params(before) for layer, before in zip(self._layers[1:], shapes, strict=False))

    def summary(self) -> None:
        """Prints the layers with their output shapes and numbers of parameters."""
        print(summary(self.name, self._layers, self.shapes(), self.dtype.itemsize))

    def __repr__(self) -> str:
        inner = "".join(f"    {layer!r},\n" for layer in self._layers)
        return f"Sequential([\n{inner}], dtype={self.dtype.name!r}, engine={self.engine_name!r})"

    def __copy__(self) -> Sequential:
        """The same as ``copy.deepcopy``: two models that shared layers or an optimizer would disturb each other."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        if self._lock.held_elsewhere():
            raise RuntimeError("this model is being trained in another thread; copy it before, or from a callback")
        left_out = ("_lock", "_short", "_door", "_home")
        state = {key: value for key, value in self.__dict__.items() if key not in left_out}
        return state | {"_layers": [layer.copied(weights=self._network is None) for layer in self._layers]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock, self._short, self._door, self._home = TrainingLock(), None, None, Home(self)
        self._home.network = self._network
        for position, layer in enumerate(self._layers):
            layer._home, layer._position = self._home, position
        if self._network is not None:
            self._door = Door(self.input_shape, self.dtype, self.output_shape, self.loss, self._metrics)
            self._short = _short(self._layers, self._network)


def _short(layers: list[Layer], network: Network) -> Any:
    """The engine, where samples and outputs are rows of numbers: it looks itself at the shape of an array."""
    shapes = _shapes(layers)
    return network.engine if len(shapes[0]) == len(shapes[-1]) == 1 else None


def _learns(layers: list[Layer]) -> bool:
    """Whether there is a product: a layer whose weights make something of its input."""
    pairs = zip(layers[1:], _shapes(layers), strict=False)
    return any(op.flops for layer, before in pairs for op in layer.operations(before))


def _shapes(layers: list[Layer]) -> list[tuple[int, ...]]:
    """Of one sample behind each layer."""
    shapes: list[tuple[int, ...]] = []
    for layer in layers:
        shapes.append(layer.output_shape(shapes[-1] if shapes else ()))
    return shapes


def _begin_anew(optimizer: Optimizer) -> None:
    """A schedule that follows the loss forgets it."""
    reset = getattr(optimizer.learning_rate, "reset", None)
    if reset is not None:
        reset()
