"""Sequential: a stack of layers that can be compiled, trained, evaluated and asked."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.attributes import Fixed
from fastnn.basics.checks import flag, unknown, whole
from fastnn.basics.lock import TrainingLock
from fastnn.basics.progress import check_verbose, logs_text
from fastnn.callbacks.base import Callback, CallbackList, History, check_callbacks
from fastnn.data import are_batches, features, peeked, read_once, sample_shape
from fastnn.errors import NotCompiledError
from fastnn.layers import Layer
from fastnn.layers.base import Home
from fastnn.losses import Loss
from fastnn.metrics import Metric
from fastnn.models import configs, files
from fastnn.models.compiled import AnyMetric, Compiled, compiled
from fastnn.models.leaving import Leaving
from fastnn.models.stack import begin_anew
from fastnn.models.weights import weight_names
from fastnn.optimizers import Optimizer
from fastnn.training import batches, best_of, evaluation, loop
from fastnn.training.feeds import BatchFeed, Data
from fastnn.training.run import Run

if TYPE_CHECKING:
    from fastnn.augmentation import ImageAugmentation


class Sequential(Leaving):
    """A network of layers, one after another.

    layers: a list, whose first one is an ``Input``, or has an ``input_shape``; else the model is built when it first
    sees data. trainable: whether ``compile`` shall have any layer trained. rng: None, a seed, or a
    ``numpy.random.Generator``; decides the starting weights and the order of the samples. dtype: "float32" or
    "float64", of weights and computation; None: what ``config.set_floatx`` was told, "float32" by default. engine:
    "compiled", or "reference", the same program in NumPy.

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
        layers: Iterable[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        rng: int | np.random.Generator | None = None,
        dtype: str | np.dtype | None = None,
        engine: str = "compiled",
    ) -> None:
        super().__init__(layers, trainable, name, rng=rng, dtype=dtype, engine=engine)
        self.history: History | None = None
        self.stop_training = False  # a callback may set it

    @property
    def loss(self) -> Loss | None:
        """The model's own copy of what ``compile`` was given."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics(self) -> list[Metric]:
        """A copy of the list of metrics, the model's own copies of what ``compile`` was given."""
        return Fixed(self._metrics, "call compile() with other metrics")

    @property
    def _metrics(self) -> list[Metric]:
        return [] if self._compiled is None else self._compiled.metrics

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns."""
        return ["loss", *(metric.name for metric in self._metrics)]

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called since layers were added."""
        return self._compiled is not None

    def compile(
        self,
        optimizer: str | Optimizer | type[Optimizer] = "rmsprop",
        loss: str | Loss | type[Loss] | Callable[..., Any] | None = None,
        metrics: Sequence[AnyMetric] | None = None,
        loss_weights: float | Sequence[float] | dict[str, float] | None = None,
        weighted_metrics: Sequence[AnyMetric] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Sets optimizer, loss and metrics. Weights stay; the optimizer and its schedule begin anew.

        The model works with copies of the given objects, schedules included: ``model.optimizer``, ``model.loss`` and
        ``model.metrics``. So one object may be compiled into many models; the learning rate of one of them is changed
        by ``model.optimizer.learning_rate = ...``. Keras keeps the objects themselves. The default optimizer is Keras'
        one, RMSprop. Layers whose ``trainable`` is False now are not trained until the next ``compile``.

        loss: a name, an object of ``fastnn.losses``, or a function (y, outputs) -> (loss of each sample, derivative by
        the outputs), which runs in Python between two halves of each step. metrics: a list of names or objects, such as
        ["accuracy"], or of functions (y, outputs) -> number, called once with all samples of an epoch. A name is the
        key in the history as it is typed: ["acc"] gives "acc" and "val_acc". weighted_metrics: further metrics, in
        which each sample counts with its weight. loss_weights: a factor of the loss, not of the penalties; a list or
        dict of one.

        For Keras' sake, without any effect, since every model here is compiled and computes in one number type:
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss.

        A subclass with another formula is obeyed or refused: losses, metrics and schedules run in Python; activations,
        regularizers, constraints and optimizers need a model with ``engine="reference"``.
        """
        if not self._layers:
            self.network  # noqa: B018 - says what is missing
        new = compiled(optimizer, loss, metrics, loss_weights, weighted_metrics, self._frozen())
        with self._lock:
            begin_anew(new.optimizer)
            self._take(self._recompiled(new, None))

    def _recompiled(self, new: Compiled | None, weights: list[NDArray[Any]] | None) -> dict[str, Any]:
        """The model's attributes with another optimizer, loss and metrics, and these weights or the present ones."""
        if self._network is None or self._input is None or self._shapes is None:
            return self._unbuilt(self._input, self._layers, new)
        return self._built(self._input, self._layers, self._shapes, new, weights)

    def _ready(self, x: Any, y: Any = None) -> Any:
        """x, by whose samples the model is built where it does not know their shape yet. The caller holds the lock."""
        if self._network is None and self._layers:
            first = x
            if are_batches(x, y):
                first, x = peeked(x)
                first = first[0] if isinstance(first, (tuple, list)) else first
            self._build(sample_shape(first))
        return x

    def _ready_alone(self, x: Any, y: Any) -> Any:
        """``_ready`` for a caller that does not hold the lock."""
        if self._network is not None:
            return x
        with self._lock:
            return self._ready(x, y)

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
            self._tell_frozen()
            x = self._ready(x, y)
            run = Run(
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
            code = Sequential.fit.__code__
            known = code.co_varnames[3 : code.co_argcount]  # behind x and y
            for name in arguments:
                if name not in known:
                    raise TypeError(f"fit_best_of: {unknown('argument', name, list(known))}")
            if read_once(x):
                raise ValueError("fit_best_of reads the data k times, but a generator can be read once; pass a list")
            self._tell_frozen()
            x = self._ready(x, y)
            return best_of.fit_best_of(self, k, Run(self, x, y, **arguments))

    def start_anew(self) -> None:
        """Fresh starting weights from the model's generator, except for frozen layers; the optimizer begins anew."""
        frozen = () if self._compiled is None else self._compiled.frozen
        with np.errstate(over="ignore"):
            fresh = [
                values
                for i, (layer, shape) in enumerate(zip(self._layers, self.shapes(), strict=False))
                for values in (layer.get_weights() if i in frozen else self._starting_weights(layer, shape))
            ]
        if self.optimizer is not None:
            begin_anew(self.optimizer)
        self._take(self._recompiled(self._compiled, fresh))

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
        if self._few is not None and sample_weight is None and steps is None and not listeners:
            logs = self._few(x, y)
            if logs is not None:
                if verbose in (1, 2):
                    print(logs_text(logs))
                return _results(logs, return_dict)
        x = self._ready_alone(x, y)
        data: Data | BatchFeed
        data = (
            BatchFeed(self.network, self.door, x, None, steps)
            if are_batches(x, y)
            else Data.check(self.door, x, y, sample_weight)
        )
        metrics, called = self._metrics, None
        if listeners:
            names = ["loss", *(metric.name for metric in metrics)]
            called = CallbackList(listeners, self, {"verbose": verbose, "metrics": names})
        logs = evaluation.evaluate(self.network, metrics, data, batch_size, steps, called)
        if verbose in (1, 2):
            print(logs_text(logs))
        return _results(logs, return_dict)

    # -- one batch at a time -------------------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        class_weight: dict[int, float] | str | None = None,
        return_dict: bool = False,
        reset_metrics: bool = True,
    ) -> Any:
        """One step on all rows of x; returns the loss before it, or a list of the loss and each metric.

        Loss and metrics are those of the batch, in training; reset_metrics=False: of all batches since the last call of
        ``reset_metrics``, or with True. sample_weight, class_weight: as in ``fit``. return_dict: a dict of all names.
        Few rows of plain arrays through a small network, without weights, take microseconds. A loss that is
        not finite raises DivergenceError, and then no weight has changed. History, callbacks and moving averages of
        weights (use_ema) are left alone.

        >>> from fastnn.layers import Input, Dense
        >>> model = Sequential([Input(1), Dense(1, kernel_initializer="zeros")], rng=0)
        >>> model.compile("sgd", "mse")
        >>> model.train_on_batch(np.ones((4, 1)), np.full(4, 3.0))
        9.0
        """
        if self._lean is not None and sample_weight is None and class_weight is None and self._lock.free:
            logs = self._lean(x, y, reset_metrics)
            if logs is not None:
                return _results(logs, return_dict)
        self._need_compiled("train_on_batch")
        with self._lock:
            logs = self._batches_for(x, y).train(x, y, sample_weight, class_weight, reset_metrics)
        return _results(logs, return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
        reset_metrics: bool = True,
    ) -> Any:
        """Loss on all rows of x, or a list of the loss and each metric; arguments as those of ``train_on_batch``."""
        self._need_compiled("test_on_batch")
        with self._lock:
            logs = self._batches_for(x, y).test(x, y, sample_weight, reset_metrics)
        return _results(logs, return_dict)

    def predict_on_batch(self, x: Any) -> NDArray[Any]:
        """Outputs for all rows of x; see ``predict``."""
        return self.predict(x)

    def reset_metrics(self) -> None:
        """Forgets the batches that ``train_on_batch`` and ``test_on_batch`` have seen."""
        if self._batches is not None:
            self._batches.reset()

    def _batches_for(self, x: Any, y: Any) -> batches.Batches:
        """What trains and tests single batches; it is made with the first. The caller holds the lock."""
        self._ready(x, y)
        if self._batches is None:
            self._tell_frozen()
            one = batches.Batches(self.network, self.door, self._metrics)
            self.__dict__.update(_batches=one, _lean=one.lean if one.plain else None)
        return self._batches

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
        only so many of them, of an array so many batches of batch_size rows. Else batch_size and verbose are there for
        Keras' sake: the engine chooses how many rows go through the network at once, and nothing is printed; a callback
        with ``on_predict_batch_begin`` or ``_end`` sees batches of batch_size, 32 by default.

        >>> from fastnn.layers import Input, Dense
        >>> model = Sequential([Input(2), Dense(3)], rng=0)
        >>> model.predict(np.zeros((5, 2))).shape, model.predict(np.zeros((4, 2)) for _ in range(3)).shape
        ((5, 3), (12, 3))
        """
        check_verbose(verbose)
        batch_size = 32 if batch_size is None else whole("predict: batch_size", batch_size, 1)
        if self._short is not None and not self.door.ids and callbacks is None and steps is None:
            out = self._short.predict_few(x)
            if out is not None:
                return out
        batches = not isinstance(x, (list, tuple)) and are_batches(x, None)
        steps = None if steps is None else whole("predict: steps", steps, 1)
        x = self._ready_alone(x, None if batches else ())
        if steps is not None and not batches:
            x = self.door.features(x).take(slice(0, steps * batch_size))
        if callbacks is None and not batches:
            return self._shaped(self.network.predict(self.door.features(x)))
        called = CallbackList(check_callbacks(callbacks), self, {"verbose": verbose, "metrics": []})
        parts: Iterable[Any] = [x]
        if batches:
            feed = BatchFeed(self.network, self.door, x, None, steps)
            parts = (batch[0] if isinstance(batch, (tuple, list)) else batch for batch in feed.given())
        elif called.predict_batchwise:
            rows = self.door.features(x)
            parts = (rows.take(slice(first, first + batch_size)) for first in range(0, len(rows), batch_size))
        outputs = evaluation.predict(
            self.network, (self.door.features(part) for part in parts), called, self.door.output_shape
        )
        if batches:
            feed.end_epoch()
        return outputs

    def _shaped(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Rows of outputs in the shape of the last layer's samples."""
        shape = self.door.output_shape
        return outputs if len(shape) == 1 else outputs.reshape(len(outputs), *shape)

    def __call__(self, x: NDArray[Any], training: bool | None = None) -> NDArray[Any]:
        """The shortest way from an array (rows, *input shape) to its outputs: shape and dtype are checked, values not.

        An array of the model's own dtype, C-contiguous, costs no conversion. NaN gives NaN. training=True: as in a step
        of training, with dropout, noise and the statistics of the batch, and fresh random numbers at each call; no
        weight changes. It runs in NumPy.
        """
        if training:
            self._ready_alone(x, ())
            return self._shaped(self.network.predict_in_training(features(x, self.door.shape)))
        if self._short is not None and type(x) is np.ndarray:
            out = self._short(x)
            if out is not None:
                return out
        self._ready_alone(x, ())
        return self._shaped(self.engine.predict(features(x, self.door.shape), 1))

    def _need_compiled(self, what: str) -> None:
        if self.loss is None:
            raise NotCompiledError(f"call model.compile(optimizer=..., loss=...) before {what}")

    def _tell_frozen(self) -> None:
        """A warning where layers were frozen or freed since ``compile``: that is not obeyed yet."""
        assert self._compiled is not None  # noqa: S101 - the caller has asked
        changed = self._compiled.frozen ^ self._frozen()
        if changed:
            names = ", ".join(repr(self._layers[i].name) for i in sorted(changed))
            warnings.warn(
                f"'trainable' of {names} was changed after compile(), which is obeyed only by the next compile()",
                stacklevel=3,
            )

    # -- weights in files, copies --------------------------------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None) -> None:
        """Writes the whole model to one file: layers, weights, optimizer with its state, loss, metrics, random numbers.

        ``fastnn.load(filepath)`` gives it back. overwrite: False refuses a file that exists. zipped: for Keras' sake;
        it is one file always. The format is that of safetensors, with the weights under names such as "dense/kernel"
        and a checksum over all of it. The file appears whole or not at all: a crash, or a disk that is full, leaves an
        older one as it was. Layers, losses and functions of your own are written by name only, and ``load`` must be
        given them; TypeError for one without a name, such as a lambda. The history is not written.
        """
        if self._lock.held_elsewhere():
            raise RuntimeError("this model is being trained in another thread; save it afterwards, or from a callback")
        files.check_target(filepath, overwrite, zipped)
        files.save(filepath, self)

    def describe(self) -> dict[str, Any]:
        """What a file says of the model beside its arrays, as plain values. TypeError for what no file can hold."""
        return files.described(self)[1]

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Writes all weights to a file, under the names of their layers: as ``save`` does where the path ends with
        ".safetensors" or ".fastnn", else in NumPy's .npz format.

        The file appears whole or not at all: a crash leaves an older one as it was. Its name is ``filepath``,
        unchanged. overwrite: False refuses a file that exists.
        """
        files.check_target(filepath, overwrite)
        if os.fspath(filepath).endswith(files.ENDINGS):
            files.save_named_weights(filepath, self.program, self.layer_names, self.get_weights())
            return
        names = weight_names(self.program, self.layer_names)
        files.save_weights(filepath, dict(zip(names, self.get_weights(), strict=True)))

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Sets all weights from a file of ``save_weights`` or ``save``, or from one of safetensors that another program
        wrote under the same names, or from a ``.weights.h5`` file of Keras (with h5py) of the same layers in the same
        order. The optimizer's state stays.

        Raises ValueError where the layers' names or shapes are others, before anything changes; with skip_mismatch the
        weights that the file does not hold in their shape stay.
        """
        from fastnn.entering import keras_files

        kept = self.get_weights() if flag("load_weights: skip_mismatch", skip_mismatch) else None
        if keras_files.is_weights(filepath):
            if kept is not None:
                raise ValueError("skip_mismatch needs the names of layers, which Keras' file does not keep")
            self.set_weights(keras_files.read_weights(filepath, self._layers, self.shapes()))
            return
        self.set_weights(files.load_weights(filepath, self.program, self.layer_names, kept))

    def get_config(self) -> dict[str, Any]:
        """Name, number type, engine, and the settings of all layers, which ``from_config`` takes. No weights."""
        return configs.config_of(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, type[Layer]] | None = None) -> Sequential:
        """A new model with fresh weights, not compiled, from what ``get_config`` returned.

        custom_objects: name -> class, for layers of your own.

        >>> from fastnn.layers import Dense
        >>> Sequential.from_config(Sequential([Dense(3, input_dim=2)], name="small").get_config()).count_params()
        9
        """
        return cls(**configs.of_config(config, custom_objects))

    def to_json(self, **options: Any) -> str:
        """What ``get_config`` returns as a text, for ``fastnn.models.model_from_json``. options: of ``json.dumps``.

        No weights. TypeError where a setting is an array or a function without a name.
        """
        return configs.to_json(self, **options)

    def __repr__(self) -> str:
        layers = self._layers if self._input is None else [self._input, *self._layers]
        inner = "".join(f"    {layer!r},\n" for layer in layers)
        return f"Sequential([\n{inner}], dtype={self.dtype.name!r}, engine={self.engine_name!r})"

    def __copy__(self) -> Sequential:
        """The same as ``copy.deepcopy``: two models that shared layers or an optimizer would disturb each other."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        if self._lock.held_elsewhere():
            raise RuntimeError("this model is being trained in another thread; copy it before, or from a callback")
        left_out = ("_lock", "_short", "_door", "_home", "_batches", "_lean", "_few")
        state = {key: value for key, value in self.__dict__.items() if key not in left_out}
        bare = self._network is not None
        source = None if self._input is None else self._input.copied()
        return state | {"_layers": [layer.copied(weights=not bare) for layer in self._layers], "_input": source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.update(dict.fromkeys(("_short", "_door", "_batches", "_lean", "_few")))
        self._lock, self._home = TrainingLock(), Home(self)
        self._home.network, self._home.shapes = self._network, self._shapes
        for position, layer in enumerate(self._layers):
            layer._home, layer._position = self._home, position
        if self._input is not None:
            self._input._home = self._home
        self._tell_optimizer()
        if self._network is not None and self._shapes is not None:
            self.__dict__.update(self._doors(self._shapes, self._network, self._compiled))


def _results(logs: dict[str, Any], as_dict: bool) -> Any:
    """Values in their order, the loss alone without metrics, or a dict."""
    if as_dict:
        return logs
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
