"""Models for other programs. What a file of ONNX, C or NumPy holds is a frozen copy, as ``predictor`` is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fastnn.models.asking import Asking

if TYPE_CHECKING:
    from fastnn.exporting.frozen import Frozen


class Leaving(Asking):
    """A stack of layers that can leave; see ``Sequential``."""

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        classes: ArrayLike | None = None,
        zipmap: bool = False,
        dtype: str | None = None,
    ) -> None:
        """Writes an ONNX file, opset 17, that answers what ``predict`` does. Needs the package onnx (extra ``onnx``).

        Its input is ``X``, (N, *input shape), channels last as here; its output is ``output``. classes: the labels of
        the outputs, texts or whole numbers, two for one output; then the outputs are ``label`` and ``probabilities``,
        as skl2onnx lays them out, or with zipmap ``output_label`` and ``output_probability``, a dict for each row.
        dtype: "float32" or "float64", the model's own by default.

        Dropout and noise are gone, and batch normalization is part of the weights. TypeError names what cannot go.
        """
        from fastnn.exporting import to_onnx

        network = self._frozen_network(dtype)
        to_onnx.write(path, network if classes is None else network.as_classifier(classes), zipmap)

    def to_c(
        self,
        path: str | os.PathLike[str],
        name: str = "predict",
        classes: ArrayLike | None = None,
        dtype: str | None = None,
    ) -> None:
        """Writes one C99 file with the weights and ``void predict(const float *x, float *y)``, for one sample.

        It needs nothing but math.h, allocates nothing and may be called from any number of threads; how much stack it
        takes stands in the comment at its top. x and y are numbers in the order in which NumPy has them. name: of the
        function, and what its other names begin with. classes: the labels of the outputs, two for one output; then
        there is ``int predict_class(const float *y)`` too, and y has a probability for each class. dtype: "float32" or
        "float64" (then it takes double), the model's own by default.

        Dropout and noise are gone, and batch normalization is part of the weights. TypeError names what cannot go.
        """
        from fastnn.exporting import to_c

        network = self._frozen_network(dtype)
        to_c.write(path, network if classes is None else network.as_classifier(classes), name)

    def to_numpy(
        self, path: str | os.PathLike[str], classes: ArrayLike | None = None, dtype: str | None = None
    ) -> None:
        """Writes a short script, ``net.py``, and its weights, ``net.npz``: a ``predict(x)`` that needs NumPy alone.

        For teaching, and where nothing may be installed. classes: the labels of the outputs, two for one output; then
        ``predict`` answers labels, and ``predict_proba`` probabilities. dtype: "float32" or "float64", the model's own
        by default. Dropout and noise are gone, and batch normalization is part of the weights. TypeError names what
        cannot go.
        """
        from fastnn.exporting import to_numpy

        network = self._frozen_network(dtype)
        to_numpy.write(path, network if classes is None else network.as_classifier(classes))

    def to_keras(self) -> Any:
        """A ``keras.Sequential`` with the same layers, settings and weights. Needs the package keras.

        Optimizer, loss and initializers stay behind. TypeError names what Keras does not have.
        """
        from fastnn.exporting import to_keras

        self.network  # noqa: B018 - says what is missing where the model is not built
        return to_keras.model_of(self.all_layers, self.name, self.dtype)

    def to_torch(self) -> Any:
        """A ``torch.nn.Sequential`` with the same layers and weights. Needs the package torch.

        Its maps are (rows, channels, height, width): give it ``x.transpose(0, 3, 1, 2)``; behind a ``Flatten`` of maps
        the weights are in its order. Call its ``eval()`` before asking it. Optimizer, loss, penalties and constraints
        stay behind. TypeError names what PyTorch does not have.
        """
        from fastnn.exporting import to_torch

        self.network  # noqa: B018 - says what is missing where the model is not built
        return to_torch.module_of(self.all_layers, self.dtype)

    def _frozen_network(self, dtype: str | None) -> Frozen:
        from fastnn.exporting.frozen import frozen

        door = self.door
        return frozen(self.network, door.shape, door.output_shape, self.name).as_dtype(dtype)
