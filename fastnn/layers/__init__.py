"""Layers: what a network is made of."""

from fastnn.layers.base import Flatten, Input, Layer
from fastnn.layers.dense import Dense

__all__ = ["Dense", "Flatten", "Input", "Layer"]
