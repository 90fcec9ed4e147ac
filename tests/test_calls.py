"""Predictors without Python in between: from code that Numba compiles, from C and from Cython."""

import os
import shutil
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import fastnn
from fastnn.layers import Conv1D, Dense, Flatten, Input

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 30))
CC = (sysconfig.get_config_var("CC") or "cc").split()[0]


def make(dtype="float32", output="softmax", **settings):
    layers = [Input(30), Dense(16, "relu"), Dense(8, "tanh"), Dense(2, output)]
    return fastnn.Sequential(layers, rng=0, dtype=dtype).predictor(**settings)


# -- Numba -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numba():
    return pytest.importorskip("numba", reason="needs Numba: pip install numba")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loop_that_numba_compiles(numba, dtype):
    predictor, x = make(dtype), X.astype(dtype)
    f = predictor.njit()
    assert predictor.njit() is f

    @numba.njit
    def ask(x):
        rows, into = np.empty((len(x), 2), x.dtype), np.empty((len(x), 2), x.dtype)
        for i in range(len(x)):
            rows[i] = f(x[i])
            f(x[i], into[i])
        return rows, into, f(x)

    expected = np.array([predictor(row) for row in x])
    for found in ask(x):
        assert (found == expected).all()
    assert (f(x[0]) == expected[0]).all()  # from Python too


def test_several_threads_of_numba_at_once(numba):
    x = X.astype(np.float32)
    f, expected = make().njit(), make()(x)

    @numba.njit(parallel=True)
    def ask(x, out):
        for i in numba.prange(len(out)):
            out[i] = f(x[i % len(x)])

    out = np.empty((5000, 2), np.float32)
    ask(x, out)
    np.testing.assert_allclose(out, np.resize(expected, out.shape), rtol=1e-5)


def test_wrong_arrays_are_refused(numba):
    f, x = make().njit(), X.astype(np.float32)
    ask = numba.njit(lambda x: f(x))
    into = numba.njit(lambda x, out: f(x, out))
    for wrong in (x[0, :29].copy(), x[:, :29].copy(), np.zeros(0, np.float32)):
        with pytest.raises(ValueError, match="x has another shape than the predictor's samples"):
            ask(wrong)
    for out in (np.empty(1, np.float32), np.empty(3, np.float32)):
        with pytest.raises(ValueError, match="out has another size than the predictor's outputs"):
            into(x[0].copy(), out)
    kinds = [X[0], np.asfortranarray(x), x[:, ::2][0], x[None, None], np.arange(30), 3.0]
    for wrong in kinds:
        with pytest.raises(numba.core.errors.TypingError, match=r"C-contiguous array of float32 of shape \(30,\)"):
            ask(wrong)
    for out in (np.empty(2), np.empty((1, 2), np.float32)):
        with pytest.raises(numba.core.errors.TypingError, match="out must be a C-contiguous array of float32"):
            into(x[0].copy(), out)


def test_it_lives_as_long_as_compiled_code_may_call_it(numba):
    x = X.astype(np.float32)

    def compiled():
        f = make().njit()
        return numba.njit(lambda x: f(x))

    ask = compiled()
    expected = make()(x[0])
    ask(x[0])
    make(output="linear")(x)
    assert (ask(x[0]) == expected).all()


def test_bytes_and_new_weights(numba):
    x = X.astype(np.float32)
    small = make(dtype="float32")
    quantized = fastnn.Sequential([Input(30), Dense(16, "relu"), Dense(2)], rng=0).predictor(dtype="int8")
    assert (quantized.njit()(x[3]) == quantized(x[3])).all()
    f, before = small.njit(), small(x[0])
    weights = [RNG.normal(size=shape) for shape in ((30, 16), (16,), (16, 8), (8,), (8, 2), (2,))]
    small.set_weights(weights)
    model = fastnn.Sequential([Input(30), Dense(16, "relu"), Dense(8, "tanh"), Dense(2, "softmax")])
    model.set_weights(weights)
    assert (f(x[0]) != before).all()
    np.testing.assert_allclose(f(x[0]), model.predict(x[:1])[0], rtol=1e-5)
    np.testing.assert_allclose(small(x), model.predict(x), rtol=1e-5)  # a batch goes another way
    with pytest.raises(ValueError, match=r"set_weights needs arrays of the shapes \[\(30, 16\), .* got \[\]"):
        small.set_weights([])


def test_only_dense_networks_answer_without_python():
    model = fastnn.Sequential([Input((8, 2)), Conv1D(3, 3), Flatten(), Dense(2)], rng=0)
    with pytest.raises(ValueError, match="only networks of dense layers answer without Python; call the predictor"):
        _ = model.predictor().capsule


# -- C and Cython ------------------------------------------------------------------------------------------------------

C_SOURCE = r"""
#include <Python.h>
#include <fastnn.h>
#include <pthread.h>

typedef struct { const fastnn_predictor *p; const float *x; float *out; int64_t rows; int failed; } part;

static void *work(void *argument) {
    part *one = argument;
    for (int64_t i = 0; i < one->rows; i++)
        one->failed |= fastnn_predict_float(one->p, one->x + i * one->p->inputs, 1, one->out + i * one->p->outputs);
    return NULL;
}

static PyObject *ask(PyObject *self, PyObject *args) {
    PyObject *predictor;
    Py_buffer x, out;
    if (!PyArg_ParseTuple(args, "Oy*w*", &predictor, &x, &out)) return NULL;
    const fastnn_predictor *p = fastnn_predictor_of(predictor);
    if (p == NULL) return NULL;
    const int64_t rows = x.len / (4 * p->inputs), half = rows / 2;
    part parts[2] = {{p, x.buf, out.buf, half, 0},
                     {p, (float *)x.buf + half * p->inputs, (float *)out.buf + half * p->outputs, rows - half, 0}};
    double wrong = 0;
    Py_BEGIN_ALLOW_THREADS
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, &parts[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    return Py_BuildValue("iiL", parts[0].failed | parts[1].failed, fastnn_predict_double(p, &wrong, 0, &wrong),
                         (long long)p->version);
}

static PyMethodDef methods[] = {{"ask", ask, METH_VARARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "asks_in_c", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_asks_in_c(void) { return PyModule_Create(&module); }
"""

CYTHON_SOURCE = """
# cython: language_level=3
cimport fastnn


def ask(predictor, const float[:, ::1] x, float[:, ::1] out):
    cdef const fastnn.fastnn_predictor* p = fastnn.fastnn_predictor_of(predictor)
    cdef Py_ssize_t i
    cdef int failed = 0
    if x.shape[1] != p.inputs or out.shape[1] != p.outputs or out.shape[0] != x.shape[0]:
        raise ValueError("shapes")
    with nogil:
        for i in range(x.shape[0]):
            failed |= fastnn.fastnn_predict_float(p, &x[i, 0], 1, &out[i, 0])
    return failed
"""


def built(folder, name, source):
    """A module of the interpreter's, compiled in a folder against the installed package."""
    if not shutil.which(CC):
        pytest.skip(f"needs a C compiler, {CC}")
    if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
        pytest.skip("needs Python's headers")
    target = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    undefined = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    folders = [f"-I{sysconfig.get_paths()['include']}", f"-I{fastnn.get_include()}"]
    command = [CC, "-O1", "-shared", "-fPIC", "-pthread", *folders, str(source), "-o", str(target), *undefined]
    subprocess.run(command, check=True, timeout=300)
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, target)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_c_asks_from_two_threads(tmp_path):
    source = tmp_path / "asks_in_c.c"
    source.write_text(C_SOURCE)
    module = built(tmp_path, "asks_in_c", source)
    x, predictor = np.tile(X, (100, 1)).astype(np.float32), make()
    out = np.zeros((len(x), 2), np.float32)
    assert module.ask(predictor, x, out) == (0, -2, 1)  # a predictor of float32 is asked for float64
    assert (out == [predictor(row) for row in x]).all()
    with pytest.raises(AttributeError, match="capsule"):
        module.ask(object(), x, out)


def test_cython_asks_from_two_threads(tmp_path):
    pytest.importorskip("Cython", reason="needs Cython: pip install cython")
    source = tmp_path / "asks_in_cython.pyx"
    source.write_text(CYTHON_SOURCE)
    command = [sys.executable, "-P", "-m", "cython", "-3", str(source)]
    subprocess.run(command, check=True, timeout=300, cwd=tmp_path)  # it finds fastnn/__init__.pxd where Python does
    module = built(tmp_path, "asks_in_cython", source.with_suffix(".c"))
    x, predictor = np.tile(X, (100, 1)).astype(np.float32), make()
    expected = np.array([predictor(row) for row in x])
    results = [np.zeros((len(x), 2), np.float32) for _ in range(2)]
    failed = []
    threads = [
        threading.Thread(target=lambda out: failed.append(module.ask(predictor, x, out)), args=(out,))
        for out in results
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [0, 0]
    for out in results:
        assert (out == expected).all()
    with pytest.raises(ValueError, match="shapes"):
        module.ask(predictor, x[:, :29].copy(), results[0])
