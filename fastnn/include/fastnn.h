/* Predictors of fastnn from C: outputs of a frozen network without Python, from any number of threads.
 *
 *     const fastnn_predictor *p = fastnn_predictor_of(predictor);   holding the GIL; NULL with an exception
 *     fastnn_predict_float(p, x, rows, out);                        anywhere, as long as `predictor` lives
 *
 * Compile with -I of fastnn.get_include(). The struct only grows at its end; a change of what is there changes the name. */
#ifndef FASTNN_H
#define FASTNN_H

#include <stdint.h>

#define FASTNN_PREDICTOR_VERSION 1
#define FASTNN_PREDICTOR_NAME "fastnn.predictor.1"

typedef struct fastnn_predictor {
    int32_t version;      /* FASTNN_PREDICTOR_VERSION of the library, or a later one */
    int32_t number_bytes; /* of x and out: 4 for float, 8 for double */
    int64_t inputs, outputs;
    /* Rows of x, one behind another, into rows of out: 0, or -1 where there is no memory. */
    int (*answer)(const struct fastnn_predictor *self, const void *x, int64_t rows, void *out);
    const void *core;
} fastnn_predictor;

/* 0; -1 where there is no memory; -2 where the predictor has another number type. */
static inline int fastnn_predict_float(const fastnn_predictor *p, const float *x, int64_t rows, float *out) {
    return p->number_bytes == (int32_t)sizeof(float) ? p->answer(p, x, rows, out) : -2;
}

static inline int fastnn_predict_double(const fastnn_predictor *p, const double *x, int64_t rows, double *out) {
    return p->number_bytes == (int32_t)sizeof(double) ? p->answer(p, x, rows, out) : -2;
}

#ifdef Py_PYTHON_H
/* Of a predictor of Python's, which must live as long as this is used. */
static inline const fastnn_predictor *fastnn_predictor_of(PyObject *predictor) {
    const fastnn_predictor *p;
    PyObject *capsule = PyObject_GetAttrString(predictor, "capsule");
    if (capsule == NULL) return NULL;
    p = (const fastnn_predictor *)PyCapsule_GetPointer(capsule, FASTNN_PREDICTOR_NAME);
    Py_DECREF(capsule);
    return p;
}
#endif

#endif
