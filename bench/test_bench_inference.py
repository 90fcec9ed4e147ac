"""Inference: one row by the shortest and by the checked way, and batches."""

import numpy as np
import pytest
from workloads import ROW, WORKLOADS, data, initial_weights

from fastnn import Sequential, layers

pytestmark = pytest.mark.benchmark(max_time=0.3, min_time=2e-5, warmup=True, warmup_iterations=3)

NETWORKS = {"row": ROW} | WORKLOADS
ROWS = (1, 8, 400)


def network(workload, engine="compiled"):
    """The model of a workload, not compiled: it only predicts."""
    *hidden, outputs = workload.sizes[1:]
    stack = [layers.Input(workload.sizes[0]), *(layers.Dense(units, activation="relu") for units in hidden)]
    model = Sequential([*stack, layers.Dense(outputs, activation=workload.output)], engine=engine)
    model.set_weights(initial_weights(workload))
    return model


def forward_flops(workload, rows):
    return 2 * rows * sum(a * b for a, b in zip(workload.sizes, workload.sizes[1:], strict=False))


@pytest.mark.parametrize("way", ("__call__", "predict"))
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("workload", NETWORKS.values(), ids=NETWORKS)
def test_inference(benchmark, rate, workload, rows, way):
    benchmark.group = f"inference: {rows} rows of {'-'.join(map(str, workload.sizes))}"
    x = data(workload, rows)[0]
    function = getattr(network(workload), way)
    np.testing.assert_allclose(function(x), network(workload, "reference").predict(x), rtol=1e-3, atol=1e-5)
    benchmark(function, x)
    rate(forward_flops(workload, rows))
