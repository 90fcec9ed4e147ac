# Predictors of fastnn from Cython: ``cimport fastnn``, compiled with -I of fastnn.get_include(). See fastnn.h.
from libc.stdint cimport int32_t, int64_t


cdef extern from "Python.h":
    pass


cdef extern from "fastnn.h" nogil:
    ctypedef struct fastnn_predictor:
        int32_t version, number_bytes
        int64_t inputs, outputs

    int fastnn_predict_float(const fastnn_predictor* p, const float* x, int64_t rows, float* out)
    int fastnn_predict_double(const fastnn_predictor* p, const double* x, int64_t rows, double* out)


cdef extern from "fastnn.h":
    const fastnn_predictor* fastnn_predictor_of(object predictor) except NULL
