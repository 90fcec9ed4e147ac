"""Cart-pole by an evolution strategy: the loop of the simulation is compiled by Numba and asks the network in between.

python examples/cart_pole.py --output pictures
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np

import fastnn
from fastnn.layers import Dense, Input

matplotlib.use("Agg")
from matplotlib import pyplot as plt

GENERATIONS, PAIRS, EPISODES, LONGEST = 60, 24, 6, 500
SPREAD, RATE = 0.15, 0.25  # of the weights around their centre; of the step towards the better ones


def simulator(ask):
    """The compiled loop: episodes from random starts, each until the pole falls or the cart leaves; counts the steps.

    Source: Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems",
    1983; limits and numbers as in Gymnasium's CartPole-v1.
    """
    from numba import njit

    @njit
    def run(seed, episodes, path):
        np.random.seed(seed)
        x, out, total = np.empty(4, np.float32), np.empty(2, np.float32), 0
        for _ in range(episodes):
            for k in range(4):
                x[k] = np.random.uniform(-0.05, 0.05)
            for step in range(LONGEST):
                path[step] = x[2]
                ask(x, out)  # the network
                force = 10.0 if out[1] > out[0] else -10.0
                sine, cosine = np.sin(x[2]), np.cos(x[2])
                push = (force + 0.05 * x[3] * x[3] * sine) / 1.1
                turn = (9.8 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine * cosine / 1.1))
                speed = push - 0.05 * turn * cosine / 1.1
                x[0] += 0.02 * x[1]
                x[1] += 0.02 * speed
                x[2] += 0.02 * x[3]
                x[3] += 0.02 * turn
                total += 1
                if abs(x[0]) > 2.4 or abs(x[2]) > 0.2095:
                    break
        return total

    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("pictures"), help="folder for cart_pole.png")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    model = fastnn.Sequential([Input(4), Dense(8, "tanh"), Dense(2)], rng=0)
    predictor = model.predictor()
    run = simulator(predictor.njit())
    shapes = [one.shape for one in model.get_weights()]
    cuts = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def arrays(flat: np.ndarray) -> list[np.ndarray]:
        return [part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes, strict=True)]

    rng, path = np.random.default_rng(0), np.empty(LONGEST)
    centre = np.concatenate([one.ravel() for one in model.get_weights()])
    first = np.zeros(LONGEST)
    run(1, 1, first)  # compiles; how the pole falls at the beginning
    curve, steps, began = [], 0, time.perf_counter()
    for generation in range(GENERATIONS):
        noise = rng.normal(size=(PAIRS, len(centre)))
        scores = np.empty((PAIRS, 2))
        for i in range(PAIRS):
            for j, sign in enumerate((1, -1)):  # each direction and its opposite, from the same starts
                predictor.set_weights(arrays(centre + sign * SPREAD * noise[i]))
                scores[i, j] = run(1000 * generation + i, EPISODES, path)
        steps += int(scores.sum())
        better = (scores[:, 0] - scores[:, 1]) / (scores.std() + 1e-9)
        centre += RATE * SPREAD * better @ noise / np.sqrt(PAIRS)
        curve.append([scores.mean() / EPISODES, scores.max() / EPISODES])
        if curve[-1][0] > 0.99 * LONGEST:
            break
    seconds = time.perf_counter() - began
    predictor.set_weights(arrays(centre))
    balanced = run(7, 200, path) / 200
    print(f"{steps:,} steps in {seconds:.2f} s: {steps / seconds:,.0f} steps a second, {len(curve)} generations")
    print(f"the centre balances {balanced:.0f} of {LONGEST} steps on average")

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(np.array(curve), label=["mean of a generation", "best of a generation"])
    left.set(xlabel="generation", ylabel="steps until the pole falls", title=f"{steps / seconds:,.0f} steps a second")
    left.legend()
    fallen = np.flatnonzero(first)[-1] + 1
    right.plot(0.02 * np.arange(fallen), np.degrees(first[:fallen]), label="first weights")
    right.plot(0.02 * np.arange(LONGEST), np.degrees(path), label="learnt weights")
    right.axhspan(-12, 12, color="0.93", zorder=0)
    right.set(xlabel="seconds", ylabel="angle of the pole in degrees", title="An episode")
    right.legend()
    figure.savefig(arguments.output / "cart_pole.png", dpi=100)
    print(arguments.output / "cart_pole.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
