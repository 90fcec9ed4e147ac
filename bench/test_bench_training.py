"""Training steps of the networks: the public fit, and the engine alone."""

import numpy as np
import pytest
from workloads import WORKLOADS, data

from fastnn import Sequential, layers
from fastnn.basics import backend
from fastnn.training.feeds import Data

pytestmark = pytest.mark.benchmark(max_time=0.5, warmup=True, warmup_iterations=1)

BUDGET = 1e10  # operations of one measurement
CHECKED = 4  # steps beside the reference


def network(workload, engine="compiled"):
    """The compiled model of a workload."""
    model = Sequential(workload.layers(layers, workload.output), rng=0, engine=engine)
    loss = "binary_crossentropy" if workload.output == "sigmoid" else "sparse_categorical_crossentropy"
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model


def verify(workload):
    """The same losses as the reference, step by step."""
    X, y = data(workload, CHECKED * workload.batch)
    histories = [network(workload, engine).fit(X, y, workload.batch).history for engine in ("compiled", "reference")]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-4)


def steps_of(workload, model):
    """Steps of one measurement: as many as the budget allows, an epoch at most."""
    return int(max(2, min(workload.steps, BUDGET / (model.program.flops * workload.batch))))


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_fit(benchmark, rate, workload):
    benchmark.group = f"training {workload.title}"
    verify(workload)
    model = network(workload)
    steps = steps_of(workload, model)
    X, y = data(workload, steps * workload.batch)
    benchmark(model.fit, X, y, batch_size=workload.batch, verbose=0)
    benchmark.extra_info["steps"] = steps
    rate(model.program.flops * workload.batch * steps)


@pytest.mark.parametrize("threads", (1, 2))
@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_run_steps(benchmark, rate, workload, threads):
    benchmark.group = f"training {workload.title}"
    if threads > backend._available_threads():
        pytest.skip("too few cores")
    verify(workload)
    model = network(workload)
    steps = steps_of(workload, model)
    X, y = data(workload, steps * workload.batch)
    checked = Data.check(model.door, X, y, None)
    order = model.network.next_order(len(X), True)
    scalars = model.optimizer.all_scalars(np.arange(1, steps + 1)).astype(model.dtype)
    losses = np.empty(steps)

    def run():
        return model.engine.run_steps(
            checked.x, checked.y, None, order, 0, steps, workload.batch, scalars, losses, None, 0, threads
        )

    assert benchmark(run) == steps
    benchmark.extra_info["steps"] = steps
    rate(model.program.flops * workload.batch * steps, threads)
