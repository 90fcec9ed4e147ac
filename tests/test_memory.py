"""Memory does not grow: thousands of calls leave the process as large as it was."""

import subprocess
import sys

import pytest

SCRIPT = """
import os
import numpy as np
import fastnn
from fastnn.layers import Dense, Input

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

rng = np.random.default_rng(0)
X, y = rng.random((300, 20)), rng.integers(0, 3, 300)
model = fastnn.Sequential([Input(20), Dense(32, "relu"), Dense(3, "softmax")], rng=0)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

def predict(i):
    model.predict(X[: 1 + i % 300])
    model(X[: 1 + i % 7])

def fit(i):
    model.fit(X[::2], y[::2], batch_size=32 + i % 3, epochs=2, validation_data=(X, y), sample_weight=np.ones(150))

def refuse(i):
    try:
        model.fit(X[:, 1:], y)
    except ValueError:
        pass

def build(i):
    other = fastnn.Sequential([Input(20), Dense(200), Dense(3, "softmax")], rng=0)
    other.compile("adam", "sparse_categorical_crossentropy")
    other.fit(X[:64], y[:64])

growth = {}
for call, times in ((predict, 10_000), (fit, 200), (refuse, 1_000), (build, 100)):
    for i in range(times // 10 + 10):
        call(i)
    before = resident()
    for i in range(times):
        call(i)
    growth[call.__name__] = resident() - before
print(growth)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_no_growth():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    growth = dict(item.strip(" {}\n'").split("': ") for item in done.stdout.split(","))
    assert set(growth) == {"predict", "fit", "refuse", "build"}
    for name, size in growth.items():  # one leaked page for each predict would be 40 MB, one buffer for each fit 20 MB
        assert int(size) < 1 << 20, f"{name} grew by {size} bytes"
