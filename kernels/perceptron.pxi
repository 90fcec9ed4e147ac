# Rosenblatt's rule. Twin: fastnn/perceptron.py.


def perceptron_epoch(const double[:, ::1] x not None, const double[::1] t not None, const int64_t[::1] order not None,
                     double[::1] w not None, double rate, bint intercept):
    """One pass over the rows of x (n, features) in `order`: where the answer [w x + b >= 0] is not t (0 or 1),
    w += rate (t - answer) x and b += rate (t - answer). w (features + 1,), in place, holds b at its end.
    Returns the number of wrong answers, or -1 for an index that is no row.
    """
    cdef Py_ssize_t features = x.shape[1], rows = x.shape[0], i, j, row, wrong = 0, unseen = 0
    cdef double z, step
    if t.shape[0] != rows or w.shape[0] != features + 1:
        raise ValueError("x (n, features), t (n,) and w (features + 1,) do not fit together")
    with nogil:
        for i in range(order.shape[0]):
            row = order[i]
            if row < 0 or row >= rows:
                wrong = -1
                break
            unseen += features + 8
            if unseen > 1 << 22:  # products between two looks for Ctrl-C
                unseen = 0
                with gil:
                    PyErr_CheckSignals()
            z = 0
            for j in range(features):
                z += w[j] * x[row, j]
            z += w[features]
            step = t[row] - (1.0 if z >= 0 else 0.0)
            if step != 0:
                wrong += 1
                step *= rate
                for j in range(features):
                    w[j] += step * x[row, j]
                if intercept:
                    w[features] += step
    return wrong
