# cython: language_level=3
"""What belongs to the machine and not to a number type: the CPU's level, the thread pool, random permutations.

Compiled once, for the oldest CPU that the wheel supports; the engines (engine.pyx) are compiled once per level.
"""
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

cnp.import_array()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "pool.h" nogil:
    ctypedef struct pool_table:
        pass
    const pool_table pool_functions
    int pool_prepare()

cdef extern from "philox.h" nogil:
    const Py_ssize_t PHILOX_WORDS
    void philox(uint64_t seed, uint64_t stream, uint64_t block, uint32_t* out)
    void philox_lines(uint64_t seed, uint64_t stream, uint64_t row, uint64_t panel, int width, uint32_t* out)

cdef extern from *:
    """
    #if defined(__x86_64__)
    static int cpu_level(void) {
        __builtin_cpu_init(); /* also asks the operating system whether it saves the wide registers */
        if (!(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"))) return 1;
        if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
              && __builtin_cpu_supports("bmi2"))) return 2;
        if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
              && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))) return 3;
        return 4;
    }
    #else
    static int cpu_level(void) { return 0; }
    #endif
    """
    int cpu_level()

if pool_prepare():
    raise MemoryError("cannot register the thread pool's fork handler")

pool = PyCapsule_New(<void*>&pool_functions, b"fastnn.pool", NULL)


def level():
    """The x86-64 micro-architecture level of this CPU, 1 to 4, by feature bits; 0 on another machine."""
    return cpu_level()


ctypedef fused plain_number:
    uint8_t
    int32_t
    int64_t
    float
    double


cdef bint all_within(const plain_number* values, Py_ssize_t n, double lowest, double highest, bint whole) noexcept:
    cdef Py_ssize_t i
    cdef bint good = True
    cdef double value
    for i in range(n):
        value = <double>values[i]
        if plain_number is float or plain_number is double:
            good &= lowest <= value <= highest and (not whole or value == <double><int64_t>value)
        else:
            good &= lowest <= value <= highest
    return good


def within(values, double lowest, double highest, bint whole=False):
    """Whether few numbers in a plain C-contiguous array surely lie from lowest to highest, in whole numbers if ``whole``.

    False for all that it does not look at: another kind of array, or many numbers.
    """
    cdef cnp.ndarray array
    cdef int kind
    cdef Py_ssize_t n
    if not cnp.PyArray_CheckExact(values):
        return False
    array = <cnp.ndarray>values
    n = cnp.PyArray_SIZE(array)
    if n > 1 << 16 or not cnp.PyArray_ISCARRAY_RO(array):
        return False
    kind = cnp.PyArray_TYPE(array)
    if kind == cnp.NPY_INT64:
        return all_within[int64_t](<const int64_t*>cnp.PyArray_DATA(array), n, lowest, highest, whole)
    if kind == cnp.NPY_INT32:
        return all_within[int32_t](<const int32_t*>cnp.PyArray_DATA(array), n, lowest, highest, whole)
    if kind == cnp.NPY_UINT8 or kind == cnp.NPY_BOOL:
        return all_within[uint8_t](<const uint8_t*>cnp.PyArray_DATA(array), n, lowest, highest, whole)
    if kind == cnp.NPY_FLOAT32:
        return all_within[float](<const float*>cnp.PyArray_DATA(array), n, lowest, highest, whole)
    if kind == cnp.NPY_FLOAT64:
        return all_within[double](<const double*>cnp.PyArray_DATA(array), n, lowest, highest, whole)
    return False


def random_words(uint64_t seed, uint64_t stream, Py_ssize_t n):
    """The first n 32-bit words of a stream: uint32 array (n,). Twin: fastnn.basics.counter.words."""
    cdef uint32_t[4] word
    out = np.empty(n, dtype=np.uint32)
    cdef uint32_t[::1] words = out
    cdef Py_ssize_t i
    for i in range(n):
        if i % 4 == 0:
            philox(seed, stream, i // 4, word)
        words[i] = word[i % 4]
    return out


def permutation(uint64_t seed, uint64_t stream, Py_ssize_t n):
    """A random order of 0 .. n-1 (Fisher and Yates; Durstenfeld 1964): int64 array (n,).

    Twin: fastnn.basics.counter.permutation.
    """
    if n < 0 or n > 0xFFFFFFFF:
        raise ValueError(f"n must lie in 0 .. 2**32 - 1, got {n}")
    cdef uint32_t[64] words  # one line of the generator: many draws at once, as vector code
    out = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] order = out
    cdef int64_t other
    cdef uint64_t bound
    cdef Py_ssize_t i = n - 1, j, k, line, draws = PHILOX_WORDS // 2
    with nogil:
        for j in range(n):  # not np.arange: new memory may come in small pages, and Ctrl-C waits for no loop of NumPy's
            if j & 0x7FFFF == 0x7FFFF:
                with gil:
                    PyErr_CheckSignals()
            order[j] = j
        for line in range((n - 1 + draws - 1) // draws):
            if line & 0x3FFF == 0x3FFF:  # half a million exchanges
                with gil:
                    PyErr_CheckSignals()
            philox_lines(seed, stream, 0, line, <int>PHILOX_WORDS, words)
            for k in range(draws if i > draws else i):
                # a 64-bit fraction times i + 1, high part: uniform on 0 .. i to one part in 2**32
                bound = <uint64_t>i + 1
                j = ((words[2 * k + 1] * bound) + ((words[2 * k] * bound) >> 32)) >> 32
                other = order[i]
                order[i] = order[j]
                order[j] = other
                i -= 1
    return out


include "perceptron.pxi"
