"""Numbers that are names: each has a line of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import operations
from fastnn.basics.checks import whole
from fastnn.constraints import Constraint
from fastnn.layers.base import Layer, Shape, map_of
from fastnn.layers.dense import initializer_of, optional
from fastnn.operations import Operation
from fastnn.regularizers import Regularizer

MOST_IDS = 1 << 24  # whole numbers that float32 tells apart


class Embedding(Layer):
    """a = W[x]: a line of ``output_dim`` weights for each whole number x below ``input_dim``. Weight: embeddings.

    It is the first layer of a model; samples of shape (length,) become signals (length, output_dim). Only the lines of
    the numbers in a batch have a gradient; the optimizer moves the others as Keras does, by their momentum and decay.
    embeddings_initializer, embeddings_regularizer, embeddings_constraint: as those of ``Dense``. weights: the matrix to
    begin with, or a list of it. input_length: an older way to say the shape of a sample. ``mask_zero`` is refused:
    there are no masks. ``fit``, ``evaluate`` and ``predict`` refuse numbers that have no line; ``model(x)`` gives NaN
    there. As in Keras. Source: Bengio et al., "A neural probabilistic language model", JMLR 2003.

    >>> Embedding(3, 2, weights=[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])([[2, 0]]).tolist()
    [[[4.0, 5.0], [0.0, 1.0]]]
    """

    weight_names = ("embeddings",)

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: object = "uniform",
        embeddings_regularizer: str | Regularizer | None = None,
        embeddings_constraint: str | Constraint | None = None,
        mask_zero: bool = False,
        weights: ArrayLike | None = None,
        *,
        input_length: int | None = None,
        **arguments: Any,
    ) -> None:
        if input_length is not None:
            arguments["input_shape"] = (whole("Embedding: input_length", input_length, 1),)
        super().__init__(**arguments)
        self.input_dim = whole("Embedding: input_dim", input_dim, 1)
        if self.input_dim > MOST_IDS:
            raise ValueError(
                f"Embedding: input_dim must be at most {MOST_IDS}, which float32 can count, got {input_dim}"
            )
        self.output_dim = whole("Embedding: output_dim", output_dim, 1)
        if mask_zero:
            raise ValueError(
                "Embedding: mask_zero=True is not supported: no layer here knows masks; leave it out, and 0 is a number"
                " like any other"
            )
        if weights is not None:
            given = np.asarray(weights[0] if isinstance(weights, (list, tuple)) and len(weights) == 1 else weights)
            if given.shape != (self.input_dim, self.output_dim):
                raise ValueError(
                    f"Embedding: weights must have the shape {(self.input_dim, self.output_dim)}, got {given.shape}"
                )
            embeddings_initializer = given
        self.embeddings_initializer = initializer_of(embeddings_initializer)
        self.embeddings_regularizer = optional("regularizer", embeddings_regularizer, Regularizer)
        self.embeddings_constraint = optional("constraint", embeddings_constraint, Constraint)

    def build(self, input_shape: Sequence[int | None] = (None, 1)) -> None:
        """Starting weights of a layer outside of models, which no shape changes."""
        super().build(input_shape)

    def shape_after(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [
            operations.Embedding(
                input_shape[-1],
                self.output_dim,
                ids=self.input_dim,
                map_in=map_of(input_shape),
                map_out=map_of(self.shape_after(input_shape)),
                kernel_regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )
        ]

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        return [self.embeddings_initializer((self.input_dim, self.output_dim), rng)]
