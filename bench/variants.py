"""What regularization costs: network M as it is, beside it with dropout and L2, and with batch normalization.

One process, one thread, fits alternating (plain, variant, variant, plain); the median of the ratios and their spread.

    python bench/variants.py --rounds 15
"""

import argparse
import time

import numpy as np
import workloads

import fastnn
from fastnn.layers import BatchNormalization, Dense, Dropout, Input

LIMITS = {"dropout 0.2 and L2": 0.15, "batch normalization": 0.25}  # of the time of the plain network


def stack(variant: str) -> list:
    """784-300-100-10 with what the variant puts behind (or into) each hidden layer."""
    layers = [Input(784)]
    for units in (300, 100):
        if variant == "batch normalization":
            layers += [Dense(units, use_bias=False), BatchNormalization(), fastnn.layers.Activation("relu")]
        elif variant == "dropout 0.2 and L2":
            layers += [Dense(units, activation="relu", kernel_regularizer="l2"), Dropout(0.2)]
        else:
            layers += [Dense(units, activation="relu")]
    return [*layers, Dense(10, activation="softmax")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    fastnn.set_num_threads(1)
    workload = workloads.WORKLOADS["M"]
    X, y = workloads.data(workload)

    def trained(variant: str) -> fastnn.Sequential:
        model = fastnn.Sequential(stack(variant), rng=0)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        losses = model.fit(X, y, batch_size=workload.batch, epochs=2, verbose=0).history["loss"]
        assert losses[-1] < 0.7 * losses[0], f"{variant} does not learn: {losses}"
        return model

    def seconds(model: fastnn.Sequential) -> float:
        began = time.perf_counter()
        model.fit(X, y, batch_size=workload.batch, verbose=0)
        return time.perf_counter() - began

    plain = trained("plain")
    fastnn.show_config()
    print("| variant of M | costs (10th to 90th percentile) | at most | reached |\n| --- | --- | --- | --- |")
    for variant, limit in LIMITS.items():
        model, ratios = trained(variant), []
        for _ in range(rounds):
            before, first, second, after = seconds(plain), seconds(model), seconds(model), seconds(plain)
            ratios.append((first + second) / (before + after) - 1)
        low, middle, high = np.percentile(ratios, (10, 50, 90))
        reached = "yes" if middle < limit else "**no**"
        print(f"| {variant} | {middle:.1%} ({low:.1%} to {high:.1%}) | {limit:.0%} | {reached} |")


if __name__ == "__main__":
    main()
