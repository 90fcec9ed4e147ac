"""Threads of Python, forked and spawned processes: the same numbers, no waiting for ever."""

import ctypes
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastnn
from fastnn.basics import backend
from fastnn.engine.source import Source
from fastnn.layers import Activation, BatchNormalization, Dense, Input, LayerNormalization


@pytest.fixture(autouse=True)
def two_threads():
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(2)
    yield
    fastnn.set_num_threads(before)


def data(seed=0, n=256):
    rng = np.random.default_rng(seed)
    return rng.random((n, 200), dtype=np.float32), rng.integers(0, 10, n)


def network(seed=0):
    """Large enough for two threads at batches of 64."""
    model = fastnn.Sequential([Input(200), Dense(128, "relu"), Dense(64, "tanh"), Dense(10, "softmax")], rng=seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert backend.threads_for(model.program.flops * 64) == 2
    return model


def train(seed, epochs=3):
    """All weights of a model of its own, as bytes."""
    model = network(seed)
    model.fit(*data(seed), batch_size=64, epochs=epochs)
    return b"".join(w.tobytes() for w in model.get_weights())


def train_to(queue, seed):
    """The work of a process."""
    fastnn.set_num_threads(2)
    queue.put(train(seed))


def test_a_gradient_during_a_fit_has_buffers_of_its_own():
    model = network()
    X, y = data(n=2000)
    source, labels = Source(X), Source(y)
    done = threading.Event()

    def ask():
        while not done.is_set():
            assert np.isfinite(model.engine.gradient(source, labels, None)[0])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        model.fit(X, y, batch_size=64, epochs=5)
    finally:
        done.set()
        thread.join()
    expected = network()
    expected.fit(X, y, batch_size=64, epochs=5)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected.get_weights(), strict=True))


def test_evaluations_in_threads_do_not_mix_their_metrics():
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", "auc"])
    sets = [data(seed, 500) for seed in range(4)]
    alone = [model.evaluate(*one) for one in sets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            assert list(pool.map(lambda one: model.evaluate(*one), sets)) == alone


def test_many_python_threads_train_their_own_models():
    serial = [train(seed) for seed in range(16)]
    assert len(set(serial)) == 16
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(train, range(16))) == serial


def test_one_model_is_trained_by_one_thread_at_a_time():
    model, (X, y) = network(), data(n=2000)
    stop, failures = threading.Event(), []

    def keep_training():
        try:
            while not stop.is_set():
                model.fit(X, y, batch_size=64, epochs=20)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=keep_training)
    thread.start()
    try:
        while not model.iterations and thread.is_alive():
            time.sleep(0.001)
        refused = 0
        for _ in range(20):
            with pytest.raises(RuntimeError, match="another thread"):
                model.fit(X, y, batch_size=64)
            with pytest.raises(RuntimeError, match="another thread"):
                model.compile("sgd", "mse")
            refused += 1
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive() and not failures and refused == 20
    assert np.isfinite(model.fit(X, y, batch_size=64).history["loss"]).all()  # the lock is free again


def test_the_lock_is_free_after_an_error():
    model, (X, y) = network(), data()
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, 1:], y)
    assert np.isfinite(model.fit(X, y).history["loss"]).all()


@pytest.mark.parametrize("rows", [1, 3, 100, 1000])
def test_predict_from_many_threads_on_one_model(rows):
    model = network()
    inputs = [data(seed, rows)[0] for seed in range(8)]
    expected = [model.predict(x) for x in inputs]

    def ask(i):
        return all(np.array_equal(model.predict(inputs[i % 8]), expected[i % 8]) for _ in range(20)) and np.array_equal(
            model(inputs[i % 8]), expected[i % 8]
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(32)))


@pytest.mark.parametrize("rows", (1, 2, 3, 95, 97, 200))
def test_few_rows_through_large_products_have_the_same_bits(rows):
    """Threads that share each product, and chunks of samples of any size: the bits of one thread."""
    stack = [
        Input(2600),
        BatchNormalization(),
        Dense(2500, "relu"),
        LayerNormalization(),
        Dense(90),
        Activation("softmax"),
    ]
    model = fastnn.Sequential([*stack, Dense(1, "gelu")], rng=0)
    X = np.random.default_rng(0).standard_normal((rows, 2600), dtype=np.float32)
    found = []
    for threads in (1, 2, 3, 7):
        fastnn.set_num_threads(threads)
        found.append(model.predict(X))
    assert np.ptp(found[0]) > 0 or rows == 1
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_predict_of_one_model_while_another_trains():
    model, x = network(), data(1, 500)[0]
    expected = model.predict(x)
    thread = threading.Thread(target=train, args=(2, 40))
    thread.start()
    while thread.is_alive():
        assert np.array_equal(model.predict(x), expected)
    thread.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_trains_the_same_bits(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    expected = train(3)  # the pool of this process has its threads now
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=train_to, args=(queue, 3)) for _ in range(2)]
    for child in children:
        child.start()
    try:
        assert [queue.get(timeout=60) for _ in children] == [expected] * 2
        for child in children:
            child.join(10)
        assert [child.exitcode for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()


FORKS = """
import hashlib, os, sys, threading
sys.path.insert(0, {folder!r})
import fastnn
from test_threads import train

fastnn.set_num_threads(2)
expected = train(3)
busy = threading.Thread(target=train, args=(4, 300), daemon=True)
busy.start()  # the pool is in use while the process forks
for _ in range(10):
    child = os.fork()
    if not child:
        os._exit(0 if train(3) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
assert train(3) == expected  # the parent's pool works as before
print("forked")
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_while_another_thread_uses_the_pool():
    script = FORKS.format(folder=os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "forked"), done.stderr


def test_a_fit_goes_on_with_the_faster_number_of_threads():
    """One slice in forty is a look at the other size; the better pace of the two decides."""
    team = backend.Team(2)
    pace = {2: 3.0, 1: 1.0}  # as on cores that others use: waiting costs more than it brings
    sizes = []
    for turn in range(100):
        if turn == 60:
            pace[2] = 0.5  # the others have gone
        sizes.append(team.size())
        team.report(pace[sizes[-1]])
    assert sizes[:6] == [2, 2, 2, 2, 2, 1]
    assert sizes[6:45] == [1] * 39
    assert sizes[45:60] == [2, *[1] * 14]
    assert sizes[85:] == [2] * 15


def test_a_fit_tries_halves_too():
    """Six threads on a machine where three cores are free."""
    team = backend.Team(6)
    pace, sizes = {6: 2.0, 3: 1.0, 1: 2.5}, []
    for _ in range(300):
        sizes.append(team.size())
        team.report(pace[sizes[-1]])
    assert sizes[:5] == [6] * 5 and sizes[5] == 3
    assert sizes[6:45] == [3] * 39
    assert [size for size in sizes[6:] if size != 3] == [1, 6, 1, 6, 1, 6, 1]  # its looks at the others


def test_one_thread_stays_one():
    """There is nothing to try."""
    team = backend.Team(1)
    for _ in range(50):
        assert team.size() == 1
        team.report(1.0)


FORKED = """
import os, sys, threading, tracemalloc
import numpy as np
import fastnn
from fastnn.layers import Dense, Input

fastnn.set_num_threads(2)
model = fastnn.Sequential([Input(200), Dense(512, "tanh"), Dense(64)], rng=0)
model.compile("adam", "mse")
long, short, y = np.ones((200_000, 200), np.float32), np.ones((1, 200), np.float32), np.ones((1, 64))


def work():
    while True:
        {work}


def most_memory(call):
    call()  # makes what it keeps
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


calls = [lambda: model(short), lambda: model.engine.gradient(*sources, None)]
sources = model.door.features(short), model.door.targets(y)
before = [most_memory(call) for call in calls]
threading.Thread(target=work, daemon=True).start()
for _ in range(10):
    threading.Event().wait(0.02)
    child = os.fork()
    if not child:
        after = [most_memory(call) for call in calls]
        os._exit(0 if all(b <= a + 2000 for a, b in zip(before, after)) else 1)
    assert os.waitpid(child, 0)[1] == 0
print("forked")
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("work", ["model.predict(long)", "model.fit(long[:2000], long[:2000, :64])"])
def test_a_child_forked_during_a_call_keeps_its_buffers(work):
    """Buffers that a thread of the parent used for ever would have to be made anew for each call."""
    done = subprocess.run([sys.executable, "-c", FORKED.format(work=work)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "forked"), done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="knows the C library's fenv_t")
def test_workers_compute_in_the_mode_of_the_caller():
    """As a library may set it for its own thread: subnormal numbers are zero. Each worker was made in another mode."""
    model = fastnn.Sequential([Input(1), Dense(300), Dense(1)], rng=0)
    model.set_weights([np.full((1, 300), 1e-20), np.zeros(300), np.full((300, 1), 1e-20), np.zeros(1)])
    x = np.ones((20_000, 1), np.float32)
    usual = model.predict(x)  # makes the workers
    assert (usual > 0).all()
    libm = ctypes.CDLL("libm.so.6")
    before = (ctypes.c_uint32 * 8)()
    libm.fegetenv(before)
    flushing = (ctypes.c_uint32 * 8)(*before)
    flushing[7] |= 0x8040  # mxcsr
    libm.fesetenv(flushing)
    try:
        flushed = model.predict(x)
    finally:
        libm.fesetenv(before)
    np.testing.assert_array_equal(flushed, 0)  # the rows of both threads
    np.testing.assert_array_equal(model.predict(x), usual)
