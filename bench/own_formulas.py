"""What formulas of one's own cost: fit at S and M with an own mish, swish, loss and row loss against the built-in ones.

python bench/own_formulas.py             processor time, both built alternately, median of the ratios
python bench/own_formulas.py --njit      microseconds of a call of predictor.njit() inside a loop, 30-16-8-2
"""

import argparse
import json
import time

import numpy as np
import workloads

import fastnn
from fastnn import formulas, losses
from fastnn.layers import Dense, Input


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def swish_with(beta):
    def swish(x):
        return x / (1 + np.exp(-beta * x))

    return swish


def lopsided(y, a):
    if a > y:
        return 3 * (a - y) ** 2
    return (a - y) ** 2


def squared(y, a):
    return (a - y) ** 2


def crossentropy(y, z):
    most = np.max(z)
    total = 0.0
    right = 0.0
    for k in range(len(z)):
        total += np.exp(z[k] - most)
        right += y[k] * z[k]
    return np.log(total) + most - right


def squares_of_row(y, a):
    total = 0.0
    for k in range(len(a)):
        total += (a[k] - y[k]) ** 2
    return total / len(a)


def cases(work):
    """Name -> (own, built-in): each an activation of the hidden layers and a loss."""
    several = work.sizes[-1] > 1
    rows = (crossentropy, losses.CategoricalCrossentropy(from_logits=True)) if several else (squares_of_row, "mse")
    return {
        "own mish": ((mish, "mse"), ("mish", "mse")),
        "own swish, constant 1.7": ((swish_with(1.7), "mse"), ("silu", "mse")),
        "own lopsided loss": (("relu", formulas.loss(lopsided)), ("relu", "mse")),
        "own squared loss": (("relu", formulas.loss(squared)), ("relu", "mse")),
        "own row loss": (("relu", formulas.row_loss(rows[0])), ("relu", rows[1])),
    }


def model_of(work, activation, loss):
    inner = [Dense(units, activation) for units in work.sizes[1:-1]]
    model = fastnn.Sequential([Input(work.sizes[0]), *inner, Dense(work.sizes[-1])], rng=0)
    model.compile("adam", loss)
    return model


def compare(work, rounds):
    """Medians of the ratios of processor times, and of the built-in's time, in microseconds a step."""
    work = work.shortened(200)
    x, labels = workloads.data(work)
    y = np.eye(work.sizes[-1], dtype=np.float32)[labels] if work.sizes[-1] > 1 else labels.astype(np.float32)
    for name, pair in cases(work).items():
        models = [model_of(work, *one) for one in pair]
        times = []
        for turn in range(rounds + 1):
            taken = [0.0, 0.0]
            for k in (0, 1) if turn % 2 else (1, 0):
                began = time.process_time()
                models[k].fit(x, y, batch_size=work.batch, epochs=3, verbose=0)
                taken[k] = (time.process_time() - began) / (3 * work.steps) * 1e6
            times.append(taken)
        own, known = np.array(times[1:]).T  # the first round warms up
        ratio = np.median(own / known)
        print(
            json.dumps(
                {"network": work.title, "case": name, "ratio": round(ratio, 3), "step": round(np.median(known), 2)}
            )
        )


def measure_njit(rounds):
    from numba import njit

    model = fastnn.Sequential([Input(30), Dense(16, "relu"), Dense(8, "relu"), Dense(2, "sigmoid")], rng=0)
    f = model.predictor().njit()
    x = np.random.default_rng(0).normal(size=(64, 30)).astype(np.float32)

    @njit
    def alone(x, times):
        total = 0.0
        for i in range(times):
            total += f(x[i % len(x)])[0]
        return total

    @njit
    def into(x, times):
        out, total = np.empty(2, np.float32), 0.0
        for i in range(times):
            f(x[i % len(x)], out)
            total += out[0]
        return total

    for name, loop in {"f(x)": alone, "f(x, out)": into}.items():
        loop(x, 1)
        found = []
        for _ in range(rounds):
            began = time.process_time()
            loop(x, 100_000)
            found.append((time.process_time() - began) / 100_000 * 1e6)
        print(json.dumps({"call": name, "microseconds": round(float(np.median(found)), 4)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--njit", action="store_true", help="the predictor in a compiled loop")
    arguments = parser.parse_args()
    fastnn.set_num_threads(1)
    if arguments.njit:
        measure_njit(arguments.rounds)
        return
    for name in "SM":
        compare(workloads.WORKLOADS[name], arguments.rounds)


if __name__ == "__main__":
    main()
