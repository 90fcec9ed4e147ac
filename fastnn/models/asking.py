"""What may be asked of a model beside ``predict``: a frozen copy, activations, derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.basics.checks import whole
from fastnn.errors import NotCompiledError
from fastnn.layers import Layer
from fastnn.models.stack import Stack


class Asking(Stack):
    """A stack of layers that answers; see ``Sequential``."""

    def predictor(self, batch: int = 1, dtype: str | None = None) -> Any:
        """A frozen copy that answers one sample in a fraction of a microsecond, from any number of threads at once.

        predictor(x): outputs (outputs,) of a sample x of the model's input shape, or (rows, outputs) of a batch; x must
        be a C-contiguous array of the model's dtype, and nothing but this is checked. predictor(x, out=array) writes
        into an array of that shape and allocates nothing. predictor.classes(x): the number of the largest output (of
        one output, whether it is above 0.5), an int or an array. nbytes: of its weights. batch: rows for which buffers
        are made at once; others may come too. predictor.njit(): a function f(x), f(x, out) for loops under Numba;
        predictor.capsule: the same for C and Cython; docs/own-formulas.md.

        dtype: "int8" for products of bytes, of dense layers in float32: a quarter of the memory, and faster where the
        weights are many. Each output has a scale for its weights, each sample one for its activations.
        predictor.errors(model, X) tells how far its outputs are from the model's.

        Dropout is gone and batch normalization is part of the weights, so that the last digits may differ from those of
        ``predict``; and those of a sample alone from those in a batch. The model may be trained on: the copy stays.

        >>> import fastnn
        >>> from fastnn.layers import Input, Dense
        >>> predictor = fastnn.Sequential([Input(2), Dense(8, "relu"), Dense(3, "softmax")], rng=0).predictor()
        >>> predictor(np.zeros(2, dtype=np.float32)).shape, predictor(np.zeros((5, 2), dtype=np.float32)).shape
        ((3,), (5, 3))
        """
        from fastnn.models.predictors import predictor

        return predictor(self.network, self.door.shape, whole("predictor: batch", batch, 1), dtype)

    def activations(self, x: Any, layer: int | str | Layer) -> NDArray[Any]:
        """What a layer hands on for each row of X: (rows, *its output shape). layer: its name, its place, or itself.

        As ``predict``: dropout does nothing, batch normalization uses its moving statistics.

        >>> import fastnn
        >>> from fastnn.layers import Input, Dense
        >>> model = fastnn.Sequential([Input(2), Dense(8, "relu", name="hidden"), Dense(1)], rng=0)
        >>> model.activations(np.zeros((3, 2)), "hidden").shape
        (3, 8)
        """
        from fastnn.models import derivatives

        network, door, place = self.network, self.door, self._place(layer)
        found = derivatives.activations(network, self.all_layers[: place + 2], door.features(x))
        assert self._shapes is not None  # noqa: S101 - the model is built
        return found.reshape(len(found), *self._shapes[place + 1])

    def gradient(self, x: Any, output: int | None = None) -> NDArray[Any]:
        """Derivative of an output, or of the sum of all, by the inputs of each row of X: an array of the shape of X.

        As in ``predict``: without dropout, batch normalization with its moving statistics. Exact, by one backward pass.

        >>> import fastnn
        >>> from fastnn.layers import Input, Dense
        >>> model = fastnn.Sequential([Input(2), Dense(1)], rng=0)
        >>> bool((model.gradient(np.ones((3, 2))) == model.get_weights()[0][:, 0]).all())
        True
        """
        from fastnn.models import derivatives

        outputs = self.program.outputs
        sums = np.ones((1, outputs))
        if output is not None:
            if whole("gradient: output", output, 0) >= outputs:
                raise ValueError(f"gradient: output {output} does not exist, the model has {outputs}")
            sums = np.eye(outputs)[[output]]
        found = derivatives.slopes(self.network, self.door.features(x), sums)
        return found.reshape(len(found), *self.door.shape)

    def jacobian(self, x: Any) -> NDArray[Any]:
        """Derivatives of all outputs by all inputs, for each row of X: (rows, outputs, *input shape). See ``gradient``.

        >>> import fastnn
        >>> from fastnn.layers import Input, Dense
        >>> fastnn.Sequential([Input(2), Dense(5, "tanh"), Dense(3)], rng=0).jacobian(np.ones((4, 2))).shape
        (4, 3, 2)
        """
        from fastnn.models import derivatives

        outputs = self.program.outputs
        found = derivatives.slopes(self.network, self.door.features(x), np.eye(outputs))
        return found.reshape(len(found), outputs, *self.door.shape)

    def loss_gradient(
        self, x: Any, y: Any, sample_weight: ArrayLike | None = None, flat: bool = False
    ) -> tuple[float, Any]:
        """The loss of all rows as one batch of training, penalties included, and its gradient by the weights.

        The gradient is a list of arrays as ``get_weights`` returns them, zeros for those that training leaves as they
        are, or with ``flat`` all of them as one vector. Without dropout and noise; batch normalization uses the batch.

        >>> import fastnn
        >>> from fastnn.layers import Input, Dense
        >>> model = fastnn.Sequential([Input(2), Dense(1)], rng=0)
        >>> model.compile("sgd", "mse")
        >>> loss, (W, b) = model.loss_gradient([[1.0, 2.0]], [3.0])
        >>> W.shape, b.shape
        ((2, 1), (1,))
        """
        from fastnn.models import derivatives
        from fastnn.training.feeds import Data

        if self._compiled is None:
            raise NotCompiledError("call model.compile(optimizer=..., loss=...) before loss_gradient")
        data = Data.check(self.door, x, y, sample_weight)
        loss, found = derivatives.loss_gradient(self.network, data.x, data.y, data.sample_weight)
        return loss, np.concatenate([one.ravel() for one in found]) if flat else found

    def _place(self, layer: int | str | Layer) -> int:
        """Where a layer stands in ``layers``."""
        if isinstance(layer, Layer):
            place = next((i for i, one in enumerate(self._layers) if one is layer), None)
            if place is None:
                raise ValueError(f"{layer!r} is no layer of this model, which has copies of layers of other models")
            return place
        found = self.get_layer(name=layer) if isinstance(layer, str) else self.get_layer(index=layer)
        return next(i for i, one in enumerate(self._layers) if one is found)
