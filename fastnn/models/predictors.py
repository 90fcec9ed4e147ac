"""Predictors: a frozen copy of a model that answers single rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.basics import backend
from fastnn.engine.frozen import dense_layers, freeze
from fastnn.engine.network import Network
from fastnn.engine.source import Source

Array = NDArray[Any]


def predictor(network: Network, shape: tuple[int, ...], batch: int, dtype: str | None) -> Any:
    """See ``Sequential.predictor``; shape: of a sample."""
    frozen = freeze(network)
    if dtype not in (None, "int8", network.dtype.name):
        raise ValueError(f"predictor: dtype must be None or 'int8' for a model of {network.dtype}, got {dtype!r}")
    reference = network.engine_name == "reference"
    made: Any
    if dtype == "int8":
        layers = dense_layers(frozen)
        if layers is None:
            raise ValueError("predictor: dtype='int8' is there for dense layers only; leave dtype out")
        if network.dtype != np.float32:
            raise ValueError(
                "predictor: dtype='int8' answers for models of float32; make the model with dtype='float32'"
            )
        quantized = [(*quantize_weights(W), b, activation) for W, b, activation in layers]
        if reference:
            return ReferenceBytes(quantized, shape)
        made = backend.core(network.dtype).BytePredictor(quantized, shape, frozen.program.outputs)
    elif reference:
        return ReferencePredictor(frozen, shape)
    else:
        made = backend.core(network.dtype).Predictor(dense_layers(frozen), frozen.engine, shape, frozen.program.outputs)
    made(np.zeros((batch, *shape), dtype=network.dtype))  # the buffers of a batch
    return made


def quantize_weights(W: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers q from -127 to 127 and a scale s for each column: W = q s, as near as can be."""
    most = np.abs(W).max(axis=0, initial=0).astype(np.float32)
    scale = np.where(most > 0, most / np.float32(127), np.float32(1)).astype(np.float32)
    return np.rint(W / scale).astype(np.int8), scale


def quantize(x: Array, most: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Whole numbers u from 0 to ``most`` for each row, with step and zero: x = (u - zero) step, and 0 stays 0."""
    low = np.minimum(x.min(axis=1, initial=0), np.float32(0))
    width = (np.maximum(x.max(axis=1, initial=0), np.float32(0)) - low) / np.float32(most)
    step = np.where(width > 0, width, np.float32(1)).astype(np.float32)
    inverse = np.float32(1) / step
    zero = (-low * inverse + np.float32(0.5)).astype(np.int64)
    u = (x * inverse[:, None] + (zero[:, None] + np.float32(0.5)).astype(np.float32)).astype(np.int64)
    return np.minimum(u, most), step, zero


class _Reference:
    """What the twins of the compiled predictors have in common: the same checks, in NumPy."""

    dtype: np.dtype
    shape: tuple[int, ...]
    outputs: int

    def answers(self, x: Array) -> Array:
        """Outputs of rows of numbers."""
        raise NotImplementedError

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """Outputs of a sample x, (outputs,), or of a batch, (rows, outputs); into ``out``, unless it is None."""
        self._check(x, "x", self.shape)
        alone = x.ndim == len(self.shape)
        answers = self.answers(x.reshape(1 if alone else len(x), -1))
        answers = answers[0] if alone else answers
        if out is None:
            return answers
        self._check(out, "out", (self.outputs,))
        if out.shape != answers.shape:
            raise ValueError(f"out has shape {out.shape}, expected {answers.shape}")
        out[:] = answers
        return out

    def _check(self, x: Array, name: str, shape: tuple[int, ...]) -> None:
        if x.shape not in (shape, (*x.shape[:1], *shape)) or x.dtype != self.dtype or not x.flags.c_contiguous:
            sizes = ", ".join(map(str, shape))
            raise ValueError(
                f"{name} must be a C-contiguous array of {self.dtype} of shape ({sizes}) or (rows, {sizes}), got shape"
                f" {x.shape}, {x.dtype}"
            )

    def classes(self, x: Array) -> Any:
        """The class of a sample, an int, or of each row of a batch: the largest output, or output > 0.5 of one."""
        out = self(x)
        found = (out[..., 0] > 0.5).astype(np.int64) if out.shape[-1] == 1 else out.argmax(axis=-1)
        return found if out.ndim > 1 else int(found)

    def errors(self, model: Any, x: Any) -> dict[str, float]:
        """See the compiled method."""
        x = np.ascontiguousarray(x, dtype=self.dtype)
        expected, found = model.predict(x).reshape(len(x), -1), self(x)
        difference = np.abs(found.astype(np.float64) - expected)
        limit = expected > 0.5 if self.outputs == 1 else expected.argmax(axis=1)
        same = np.mean(self.classes(x) == limit.reshape(-1))
        return {"largest": float(difference.max()), "mean": float(difference.mean()), "same classes": float(same)}


class ReferencePredictor(_Reference):
    """A frozen network."""

    def __init__(self, frozen: Network, shape: tuple[int, ...]) -> None:
        self.network, self.shape, self.dtype = frozen, shape, frozen.dtype
        self.outputs, self.nbytes = frozen.program.outputs, int(frozen.arena[0].nbytes)

    def answers(self, x: Array) -> Array:
        return self.network.engine.predict(Source(x))


class ReferenceBytes(_Reference):
    """Products of whole numbers: z_j = b_j + step s_j (sum_k u_k q_kj - zero sum_k q_kj). most: of u."""

    dtype = np.dtype(np.float32)

    def __init__(self, layers: list[tuple[Any, Any, Any, Any]], shape: tuple[int, ...], most: int = 255) -> None:
        self.layers, self.shape, self.most = layers, shape, most
        self.outputs = len(layers[-1][1])
        self.nbytes = sum(q.nbytes + scale.nbytes + b.nbytes for q, scale, b, _ in layers)

    def answers(self, x: Array) -> Array:
        for q, scale, b, activation in self.layers:
            u, step, zero = quantize(x, self.most)
            sums = u @ q.astype(np.int64) - zero[:, None] * q.sum(axis=0, dtype=np.int64)
            x = activation.forward(b + step[:, None] * scale * sums.astype(np.float32))
        return x
