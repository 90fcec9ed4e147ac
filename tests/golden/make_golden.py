"""Writes golden.npz: ten steps of a small network by Keras in float64, for tests/test_oracles.py.

Needs keras 3 and torch, which the tests do not: python tests/golden/make_golden.py
"""

import os
from itertools import pairwise
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras.src.backend.common import dtypes

keras.config.set_floatx("float64")
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # else Keras 3.15 rounds each float64 product to float32

SIZES = (5, 4, 3)
BATCH = 6
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "rmsprop_momentum": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
}


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(57, SIZES[0]))  # ten batches, the last one of three samples
    y = np.eye(SIZES[2])[rng.integers(SIZES[2], size=len(x))]
    start = []
    for inputs, outputs in pairwise(SIZES):
        start += [rng.normal(size=(inputs, outputs)) / np.sqrt(inputs), 0.1 * rng.normal(size=outputs)]
    arrays = {"x": x, "y": y, "batch": BATCH} | {f"start_{i}": array for i, array in enumerate(start)}
    for name, optimizer in OPTIMIZERS.items():
        layers = [keras.layers.Dense(SIZES[1], activation="tanh"), keras.layers.Dense(SIZES[2], activation="softmax")]
        model = keras.Sequential([keras.Input((SIZES[0],)), *layers])
        model.compile(optimizer=optimizer(), loss="categorical_crossentropy")
        model.set_weights(start)
        losses = []
        for first in range(0, len(x), BATCH):
            batch = x[first : first + BATCH], y[first : first + BATCH]
            losses.append(model.compute_loss(y=keras.ops.array(batch[1]), y_pred=model(batch[0])).item())
            model.train_on_batch(*batch)
        arrays[f"{name}_losses"] = np.array(losses)
        for i, array in enumerate(model.get_weights()):
            if array.dtype != np.float64:
                raise TypeError(f"Keras computed in {array.dtype}")
            arrays[f"{name}_{i}"] = array
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **arrays)


if __name__ == "__main__":
    main()
