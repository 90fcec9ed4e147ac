"""What fastnn costs the process that imports it: little time, no heavy libraries, no change of the float mode."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np

import fastnn
from fastnn.layers import Dense, Input


def run(script, *options):
    """The JSON that a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, *options, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


COST = """
import json, time
start = time.process_time()  # not the clock on the wall: others may use the machine
import numpy
began = time.process_time()
import fastnn
print(json.dumps([time.process_time() - began, began - start]))
"""


def test_import_costs_at_most_40_ms_over_numpy(record_property):
    cost, yardstick = min(run(COST) for _ in range(9))
    record_property("import", cost)
    print(f"import {1000 * cost:.1f} ms over NumPy, which costs {1000 * yardstick:.1f} ms")
    assert cost <= max(0.040, 0.4 * yardstick)  # 40 ms where NumPy costs 100


MODULES = """
import json, sys
import fastnn
{more}
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""
TRAIN = """
model = fastnn.Sequential([fastnn.layers.Input(64), fastnn.layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
model.fit(*fastnn.datasets.digits(), verbose=1)
sys.stdout.flush()
"""
HEAVY = {"numba", "llvmlite", "matplotlib", "scipy", "sklearn", "tqdm", "pandas", "torch", "tensorflow", "keras", "jax"}
HEAVY |= {"onnx", "onnxruntime", "h5py"}


def test_import_loads_no_heavy_library():
    modules = set(run(MODULES.format(more="")))
    assert not modules & HEAVY
    assert {"numpy", "fastnn"} <= modules


def test_import_loads_no_module_that_only_some_calls_need():
    """NumPy imports some of them itself, by version."""
    plain = set(run(MODULES.format(more="").replace("import fastnn", "import numpy")))
    assert not (set(run(MODULES.format(more=""))) - plain) & {
        "inspect",
        "pathlib",
        "difflib",
        "csv",
        "gzip",
        "platform",
    }


def test_training_loads_no_heavy_library():
    modules = set(run(MODULES.format(more=TRAIN.replace("verbose=1", "verbose=0"))))
    assert not modules & HEAVY


def test_import_starts_no_threads_and_prints_nothing():
    script = "import json, os, fastnn; print(json.dumps(len(os.listdir('/proc/self/task'))))"
    if sys.platform.startswith("linux"):
        alone = run(script.replace("fastnn", "numpy"))
        assert run(script) == alone
    assert subprocess.run([sys.executable, "-c", "import fastnn"], capture_output=True, check=True).stdout == b""


def subnormals_work():
    """Results and operands below the normal range, in both types, vectorised and alone."""
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        least = np.full(1000, info.smallest_subnormal, dtype=dtype)
        normal = np.full(1000, info.smallest_normal, dtype=dtype)
        assert (least + least == 2 * info.smallest_subnormal).all() and (least * dtype(3) > 0).all()
        assert (normal / dtype(4) > 0).all() and normal[0] * dtype(0.5) > 0 and least[0] * dtype(1) != 0
    assert 5e-324 * 3 == 1.5e-323 and 2.2250738585072014e-308 / 2 > 0
    return True


def test_the_float_mode_is_left_alone():
    assert subnormals_work()
    before = fastnn.get_num_threads()
    rng = np.random.default_rng(0)
    try:
        fastnn.set_num_threads(2)
        for dtype in ("float32", "float64"):
            model = fastnn.Sequential([Input(300), Dense(300, "tanh"), Dense(3, "softmax")], rng=0, dtype=dtype)
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(rng.random((200, 300)), rng.integers(0, 3, 200), epochs=2)
            model.predict(rng.random((2000, 300)))
            assert subnormals_work()
    finally:
        fastnn.set_num_threads(before)


MXCSR = """
import json
import numpy as np
least = np.full(1000, np.finfo(np.float32).smallest_subnormal)
before = float((least + least).sum())
import fastnn
import fastnn._core
for dtype in ("float32", "float64"):
    fastnn.basics.backend.core(dtype)
print(json.dumps([before, float((least + least).sum()), 5e-324 * 2 > 0]))
"""


def test_the_float_mode_survives_the_import():
    before, after, double = run(MXCSR)
    assert before == after > 0 and double


def test_rounding_and_errors_of_numpy_are_left_alone():
    state = np.geterr()
    model = fastnn.Sequential([Input(3), Dense(1)], rng=0)
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones(4))
    assert np.geterr() == state
    assert 1 + 2**-53 == 1 and 1 + 1.5 * 2**-53 > 1  # to nearest


def test_the_core_models_subnormals_too():
    model = fastnn.Sequential([Input(1), Dense(1)], dtype="float64")
    model.set_weights([[[0.5]], [0.0]])
    assert model.predict([[1e-310]])[0, 0] == 5e-311


def test_a_fit_holds_one_copy_to_go_back_to():
    """Beside weights and moments: a copy of them, and some buffers; not a second copy."""
    x, y = np.zeros((64, 1000), np.float32), np.zeros(64, np.float32)
    model = fastnn.Sequential([Input(1000), Dense(1000, "relu"), Dense(1)], rng=0)
    model.compile("adam", "mse")
    model.fit(x[:1], y[:1])  # what is allocated once
    tracemalloc.start()
    try:
        model.fit(x, y, epochs=3, batch_size=16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.network.arena.nbytes <= peak <= 1.2 * model.network.arena.nbytes
