"""Layers: what a network is made of."""

from fastnn.layers.activation import Activation
from fastnn.layers.base import Flatten, Input, Layer
from fastnn.layers.dense import Dense
from fastnn.layers.normalization import BatchNormalization, LayerNormalization, UnitNormalization
from fastnn.layers.regularization import Dropout, GaussianNoise

__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Input",
    "Layer",
    "LayerNormalization",
    "UnitNormalization",
]
