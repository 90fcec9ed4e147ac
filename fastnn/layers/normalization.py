"""Batch, layer, root mean square and unit normalization."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import operations
from fastnn.basics.checks import number, whole
from fastnn.constraints import Constraint
from fastnn.layers.axes import along, checked_axes, sample_axes
from fastnn.layers.base import Layer, Shape
from fastnn.layers.dense import initializer_of, optional
from fastnn.operations import Operation
from fastnn.optimizers import LEAST_EPSILON
from fastnn.regularizers import Regularizer


class _OfAxes(Layer):
    """What works along one axis of (rows, *shape) or several: ``axis`` is the last one by default."""

    def __init__(self, axis: int | list[int] = -1, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.axis = checked_axes(type(self).__name__, axis)

    def shape_after(self, input_shape: Shape) -> Shape:
        self._axes(input_shape)
        return input_shape

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        return sample_axes(type(self).__name__, self.axis, shape)

    def _along(self, sample: Shape, kind: type[Operation], **settings: Any) -> list[Operation]:
        return along(kind, sample, self._axes(sample), **settings)


class _Scaled(_OfAxes):
    """A normalization with factors gamma and shifts beta, where they are wanted."""

    changeable: ClassVar[tuple[str, ...]] = ("epsilon",)
    weight_names: ClassVar[tuple[str, ...]] = ("gamma", "beta")

    def __init__(
        self,
        epsilon: float,
        axis: int | list[int],
        center: bool,
        scale: bool,
        beta: tuple[object, str | Regularizer | None, str | Constraint | None],
        gamma: tuple[object, str | Regularizer | None, str | Constraint | None],
        **arguments: Any,
    ) -> None:
        """beta, gamma: initializer, regularizer, constraint."""
        super().__init__(axis, **arguments)
        self.epsilon = number(f"{type(self).__name__}: epsilon", epsilon, LEAST_EPSILON)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = initializer_of(beta[0]), initializer_of(gamma[0])
        self.beta_regularizer = optional("regularizer", beta[1], Regularizer)
        self.gamma_regularizer = optional("regularizer", gamma[1], Regularizer)
        self.beta_constraint = optional("constraint", beta[2], Constraint)
        self.gamma_constraint = optional("constraint", gamma[2], Constraint)

    def _scales(self) -> dict[str, Any]:
        """What the operation knows of gamma and beta."""
        return {
            "epsilon": self.epsilon,
            "scale": self.scale,
            "bias": self.center,
            "kernel_regularizer": self.gamma_regularizer if self.scale else None,
            "bias_regularizer": self.beta_regularizer if self.center else None,
            "constraint": self.gamma_constraint if self.scale else None,
            "bias_constraint": self.beta_constraint if self.center else None,
        }

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        shape = tuple(input_shape[axis] for axis in self._axes(input_shape))
        starts = [*[self.gamma_initializer] * self.scale, *[self.beta_initializer] * self.center]
        return [start(shape, rng) for start in starts]


class BatchNormalization(_Scaled):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta for each column, on maps for each channel.

    In training mean and variance (of n, not n - 1) are those of the batch, on maps over all their pixels, and moving
    averages of them follow with factor ``momentum``; else the averages are used, and so they are in training where
    ``trainable`` is False: then nothing of the layer changes. As in Keras; PyTorch's momentum is
    1 - momentum and its epsilon 1e-5. Weights: gamma unless ``scale`` is False, beta unless ``center`` is, moving mean,
    moving variance, the last two not trained. axis: the one whose numbers are normalized each by itself.
    Source: Ioffe and Szegedy, ICML 2015.

    >>> BatchNormalization(epsilon=1e-12)([[1.0], [3.0]], training=True).tolist()
    [[-1.0], [1.0]]
    """

    changeable = ("momentum", "epsilon")
    weight_names = ("gamma", "beta", "moving_mean", "moving_variance")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: object = "zeros",
        gamma_initializer: object = "ones",
        moving_mean_initializer: object = "zeros",
        moving_variance_initializer: object = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        beta_constraint: str | Constraint | None = None,
        gamma_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        one = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        super().__init__(
            epsilon,
            whole("BatchNormalization: axis", one, -64),
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            **arguments,
        )
        self.momentum = number("BatchNormalization: momentum", momentum, 0, below=1)
        self.moving_mean_initializer = initializer_of(moving_mean_initializer)
        self.moving_variance_initializer = initializer_of(moving_variance_initializer)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        n = (input_shape[self._axes(input_shape)[0]],)
        statistics = [self.moving_mean_initializer(n, rng), self.moving_variance_initializer(n, rng)]
        return [*super().initial_weights(input_shape, rng), *statistics]

    def operations(self, input_shape: Shape) -> list[Operation]:
        return self._along(input_shape, operations.BatchNormalization, momentum=self.momentum, **self._scales())


class LayerNormalization(_Scaled):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over each sample. Weights: gamma, beta.

    On maps over the channels of each pixel, or over the axes of (rows, *shape) that ``axis`` names. Without ``scale``
    there is no gamma, without ``center`` no beta. Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
    PyTorch's epsilon is 1e-5.

    >>> LayerNormalization(epsilon=1e-12)([[1.0, 3.0]]).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: int | list[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: object = "zeros",
        gamma_initializer: object = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        beta_constraint: str | Constraint | None = None,
        gamma_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            epsilon,
            axis,
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            **arguments,
        )

    def operations(self, input_shape: Shape) -> list[Operation]:
        shape = tuple(input_shape[axis] for axis in self._axes(input_shape))
        return self._along(input_shape, operations.LayerNormalization, shape=shape, **self._scales())


class RMSNormalization(_OfAxes):
    """y = scale x / sqrt(mean(x^2) + epsilon), the mean over each sample. Weight: scale. As in Keras.

    On maps over the channels of each pixel, or over the axes of (rows, *shape) that ``axis`` names. Source: Zhang and
    Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    >>> RMSNormalization()([[3.0, 4.0]]).round(3)
    array([[0.849, 1.131]], dtype=float32)
    """

    changeable = ("epsilon",)
    weight_names = ("scale",)

    def __init__(self, axis: int | list[int] = -1, epsilon: float = 1e-6, **arguments: Any) -> None:
        super().__init__(axis, **arguments)
        self.epsilon = number("RMSNormalization: epsilon", epsilon, LEAST_EPSILON)

    def initial_weights(self, input_shape: Shape, rng: np.random.Generator) -> list[NDArray[np.float64]]:
        return [np.ones([input_shape[axis] for axis in self._axes(input_shape)])]

    def operations(self, input_shape: Shape) -> list[Operation]:
        shape = tuple(input_shape[axis] for axis in self._axes(input_shape))
        settings = {"epsilon": self.epsilon, "centred": False, "shape": shape, "kernel_name": "scale"}
        return self._along(input_shape, operations.LayerNormalization, **settings)


class GroupNormalization(_Scaled):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, both over each group of a sample's channels.

    On maps over all pixels and the channels of the group. groups: so many parts of the channels, which they must
    divide; -1 means one for each channel. gamma and beta have a number for each channel; without ``scale`` there is no
    gamma, without ``center`` no beta; beta alone is refused. axis: that of the channels. As in Keras. Source: Wu and
    He, "Group normalization", ECCV 2018.

    >>> GroupNormalization(2).shape_after((5, 5, 8))
    (5, 5, 8)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: object = "zeros",
        gamma_initializer: object = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        beta_constraint: str | Constraint | None = None,
        gamma_constraint: str | Constraint | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            epsilon,
            whole("GroupNormalization: axis", axis, -64),
            center,
            scale,
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            **arguments,
        )
        self.groups = whole("GroupNormalization: groups", groups, -1)
        if self.center and not self.scale:
            raise ValueError("GroupNormalization: beta without gamma is not there; use center=False too, or scale=True")

    def shape_after(self, input_shape: Shape) -> Shape:
        (axis,) = self._axes(input_shape)
        if self.groups == 0 or input_shape[axis] % self.groups:
            raise ValueError(
                f"GroupNormalization: groups={self.groups} must divide the channels, got {input_shape[axis]} in"
                f" samples of shape {input_shape}"
            )
        return input_shape

    def operations(self, input_shape: Shape) -> list[Operation]:
        (axis,) = self._axes(input_shape)
        n = input_shape[axis]
        groups = n if self.groups == -1 else self.groups
        divided = (*input_shape[:axis], groups, n // groups, *input_shape[axis + 1 :])
        own = [one for one in range(len(divided)) if one != axis]
        plain = {"epsilon": self.epsilon, "scale": False, "bias": False}
        steps = along(operations.LayerNormalization, input_shape, own, divided, **plain)
        if not self.scale:
            return steps
        scales = {key: value for key, value in self._scales().items() if key not in ("scale", "epsilon")}
        scales |= {"groups": n, "kernel_shape": (n,), "kernel_name": "gamma", "bias_name": "beta"}
        return [*steps, *along(operations.Convolution, input_shape, (axis,), **scales)]


class UnitNormalization(_OfAxes):
    """y = x / max(|x|, 1e-12), with the Euclidean norm |x| of each sample: rows of length 1; a row of zeros stays.

    As in Keras: on maps for each pixel, or over the axes of (rows, *shape) that ``axis`` names. No weights.
    Source: Salton, Wong, Yang, "A vector space model for automatic indexing", Communications of the ACM 18, 1975, where
    texts are compared by the angle between them.

    >>> UnitNormalization().shape_after((3,))
    (3,)
    """

    def operations(self, input_shape: Shape) -> list[Operation]:
        return self._along(input_shape, operations.UnitNormalization)
