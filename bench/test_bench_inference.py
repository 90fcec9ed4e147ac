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
    model = Sequential(workload.layers(layers, workload.output), engine=engine)
    model.set_weights(initial_weights(workload))
    return model


def forward_flops(model, rows):
    return rows * sum(op.flops for op in model.program.steps)


@pytest.mark.parametrize("way", ("predictor", "__call__", "predict"))
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("workload", NETWORKS.values(), ids=NETWORKS)
def test_inference(benchmark, rate, workload, rows, way):
    benchmark.group = f"inference: {rows} rows of {workload.title}"
    x = data(workload, rows)[0]
    model = network(workload)
    function = model.predictor(rows) if way == "predictor" else getattr(model, way)
    np.testing.assert_allclose(function(x), network(workload, "reference").predict(x), rtol=1e-3, atol=1e-5)
    benchmark(function, x)
    rate(forward_flops(model, rows))
