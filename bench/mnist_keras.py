"""Keras' own test accuracy on the task of examples/mnist_optimizers.py: mean over seeds, for comparison.

KERAS_BACKEND=jax FASTNN_DATA=... python bench/mnist_keras.py --seeds 3
"""

from __future__ import annotations

import argparse

import keras
import numpy as np

from fastnn import datasets


def accuracy(optimizer: str, seed: int) -> float:
    """Test accuracy of 784-300-100-10 after 5 epochs with Keras' defaults, batch 32."""
    (X, y), (X_test, y_test) = datasets.mnist()
    keras.utils.set_random_seed(seed)
    chosen = np.random.default_rng(seed).permutation(len(X))[:55_000]
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X[chosen] / np.float32(255), y[chosen], batch_size=32, epochs=5, verbose=0)
    return float(model.evaluate(X_test / np.float32(255), y_test, verbose=0)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    for optimizer in ("sgd", "adam", "rmsprop"):
        values = [accuracy(optimizer, seed) for seed in seeds]
        print(f"{optimizer}: mean {np.mean(values):.4f} of {', '.join(f'{value:.4f}' for value in values)}", flush=True)


if __name__ == "__main__":
    main()
