"""Activations of whole rows."""

from __future__ import annotations

import numpy as np

from fastnn.activations.base import Activation, Array


class Softmax(Activation):
    """a_k = exp(z_k) / sum_j exp(z_j) along each row; dL/dz_k = a_k (d_k - sum_j a_j d_j) with d = dL/da.

    The largest z is subtracted first, so that nothing overflows. Source: Bridle, "Probabilistic interpretation of
    feedforward classification network outputs, with relationships to statistical pattern recognition", 1990.

    >>> Softmax().forward(np.array([[0.0, 0.0], [0.0, np.log(3.0)]]))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """

    name = "softmax"
    kernel = 5
    cost = 150
    probabilities = True
    blockwise = True

    def forward(self, z: Array) -> Array:
        a = np.exp(z - z.max(axis=-1, keepdims=True))
        return a / a.sum(axis=-1, keepdims=True)

    def backward(self, v: Array, d: Array) -> Array:
        return v * (d - (v * d).sum(axis=-1, keepdims=True))


class LogSoftmax(Activation):
    """a_k = z_k - log sum_j exp(z_j) along each row; dL/dz_k = d_k - exp(a_k) sum_j d_j with d = dL/da.

    Source: Blanchard, Higham, Higham, "Accurately computing the log-sum-exp and softmax functions", IMA Journal of
    Numerical Analysis 41, 2021.

    >>> LogSoftmax().forward(np.array([[0.0, 0.0]])).round(4)
    array([[-0.6931, -0.6931]])
    """

    name = "log_softmax"
    kernel = 6
    cost = 150
    blockwise = True

    def forward(self, z: Array) -> Array:
        shifted = z - z.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def backward(self, v: Array, d: Array) -> Array:
        return d - np.exp(v) * d.sum(axis=-1, keepdims=True)
