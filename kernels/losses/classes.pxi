# Losses of classes and of their probabilities. Twins: fastnn/losses/classes.py
from libc.math cimport NAN


cdef void hinge(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # targets -1 and 1, or 0 and 1
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, y
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            y = t[k * WIDTH + r] if t[k * WIDTH + r] != 0 else -1
            x = 1 - y * a[k * WIDTH + r]
            total[r] = total[r] + (0 if x < 0 else x)
            d[k * WIDTH + r] = -y if x > 0 else 0
    mean_over_outputs(n, d, e, total)


cdef void squared_hinge(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, y
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            y = t[k * WIDTH + r] if t[k * WIDTH + r] != 0 else -1
            x = 1 - y * a[k * WIDTH + r]
            x = 0 if x < 0 else x
            total[r] = total[r] + x * x
            d[k * WIDTH + r] = -2 * y * x
    mean_over_outputs(n, d, e, total)


cdef void categorical_hinge(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                            const double* h) noexcept nogil:
    cdef real[64] right, wrong, place
    cdef Py_ssize_t k, r
    cdef real x, loss
    for r in range(WIDTH):
        right[r] = 0
        wrong[r] = (1 - t[r]) * a[r]
        place[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            x = (1 - t[k * WIDTH + r]) * a[k * WIDTH + r]
            right[r] = right[r] + t[k * WIDTH + r] * a[k * WIDTH + r]
            if x > wrong[r] or (x != x and wrong[r] == wrong[r]):  # NaN stays
                wrong[r] = x
                place[r] = <real>k
    for k in range(n):
        for r in range(WIDTH):
            loss = wrong[r] - right[r] + 1
            x = (1 - t[k * WIDTH + r] if place[r] == k else 0) - t[k * WIDTH + r]
            d[k * WIDTH + r] = x if loss > 0 else loss * 0
    for r in range(WIDTH):
        loss = wrong[r] - right[r] + 1
        e[r] = 0 if loss < 0 else loss


cdef void kl_divergence(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # sum_k t log(t / a), both clipped to [h0, 1] as in Keras
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real p, q, y, least = <real>h[0]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            q = least if p < least else p
            q = 1 if q > 1 else q
            y = least if t[k * WIDTH + r] < least else t[k * WIDTH + r]
            total[r] = total[r] + y * real_log(y / q)
            d[k * WIDTH + r] = -y / q if p == q else 0
    for r in range(WIDTH):
        e[r] = total[r]


cdef inline real clipped(real p, real least) noexcept nogil:
    p = least if p < least else p
    return 1 - least if p > 1 - least else p


cdef inline real limit(const double* h) noexcept nogil:
    """The largest value of an output's crossentropy: that of p = the spacing of its type where h2 says so."""
    return -LOG_SPACING if h[2] != 0 else INFINITY


cdef inline void row_sums(Py_ssize_t n, const real* a, real* total) noexcept nogil:
    """total = sum_k a_k of each sample; 1 for zeros, which stay zeros and are clipped."""
    cdef Py_ssize_t k, r
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            total[r] = total[r] + a[k * WIDTH + r]
    for r in range(WIDTH):
        total[r] = 1 if total[r] == 0 else total[r]


cdef inline void slope_by_outputs(Py_ssize_t n, real* d, const real* sums, const real* dot) noexcept nogil:
    """dL/da_j = (g_j - sum_k g_k p_k) / sum a, of p = a / sum a, for g = dL/dp in d; dot = sum_k g_k p_k."""
    cdef Py_ssize_t k, r
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = (d[k * WIDTH + r] - dot[r]) / sums[r]


cdef void binary_crossentropy(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                              const double* h) noexcept nogil:
    # a clipped to [h0, 1 - h0], as Keras does; beyond the clip the loss is flat; h1: label smoothing; h2: see limit()
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real p, q, y, x, most = limit(h), least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / 2)
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            q = clipped(p, least)
            x = -(y * real_log(q) + (1 - y) * real_log(1 - q))
            total[r] = total[r] + (most if x > most else x)
            d[k * WIDTH + r] = (q - y) / (q * (1 - q)) if p == q else 0
    mean_over_outputs(n, d, e, total)


cdef void binary_crossentropy_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                     const double* h) noexcept nogil:
    # softplus(z) - y z, written so that it is exact for large |z|: (1 - y) z or -y z, + log(1 + exp(-|z|))
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real z, y, x, most = limit(h), keep = 1 - <real>h[1], add = <real>(h[1] / 2)
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            z = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            x = (1 - y if z > 0 else -y) * z + real_log1p(real_exp(-real_fabs(z)))
            total[r] = total[r] + (most if x > most else x)
            z = real_sigmoid(z)
            a[k * WIDTH + r] = z
            d[k * WIDTH + r] = z - y
    mean_over_outputs(n, d, e, total)


cdef void categorical_crossentropy(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                   const double* h) noexcept nogil:
    # -sum_k y_k log p_k, p = a / sum a as in Keras
    cdef real[64] sums, total, dot
    cdef Py_ssize_t k, r
    cdef real p, q, y, g, least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / n)
    row_sums(n, a, sums)
    set_zero(total)
    set_zero(dot)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r] / sums[r]
            y = keep * t[k * WIDTH + r] + add
            q = clipped(p, least)
            total[r] = total[r] - y * real_log(q)
            g = -y / q if p == q else 0
            dot[r] = dot[r] + g * p
            d[k * WIDTH + r] = g
    slope_by_outputs(n, d, sums, dot)
    for r in range(WIDTH):
        e[r] = total[r]


cdef void categorical_crossentropy_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                          const double* h) noexcept nogil:
    # sum_k y_k (log sum exp (z - most) - (z_k - most)); gradient softmax(z) sum(y) - y
    cdef real[64] most, log_total, total, dot
    cdef Py_ssize_t k, r
    cdef real y, keep = 1 - <real>h[1], add = <real>(h[1] / n)
    row_maxima(n, a, most)
    set_zero(total)
    set_zero(dot)
    for k in range(n):
        for r in range(WIDTH):
            y = keep * t[k * WIDTH + r] + add
            total[r] = total[r] + y
            dot[r] = dot[r] + y * (a[k * WIDTH + r] - most[r])
    softmax_block(n, a, most, log_total)
    for r in range(WIDTH):
        e[r] = total[r] * log_total[r] - dot[r]
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = a[k * WIDTH + r] * total[r] - (keep * t[k * WIDTH + r] + add)


cdef void sparse_categorical_crossentropy(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                          const double* h) noexcept nogil:
    # t[r] is the label of sample r; smoothing spreads h1 evenly over the classes; p = a / sum a as in Keras
    cdef real[64] sums, total, dot
    cdef Py_ssize_t k, r
    cdef real p, q, y, g, most = limit(h), least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / n)
    row_sums(n, a, sums)
    set_zero(total)
    set_zero(dot)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r] / sums[r]
            y = (keep if t[r] == k else 0) + add
            q = clipped(p, least)
            total[r] = total[r] - y * real_log(q)
            g = -y / q if p == q else 0
            dot[r] = dot[r] + g * p
            d[k * WIDTH + r] = g
    slope_by_outputs(n, d, sums, dot)
    for r in range(WIDTH):
        e[r] = most if total[r] > most else total[r]


cdef void sparse_categorical_crossentropy_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                                 const double* h) noexcept nogil:
    # log sum exp (z - most) - (z_t - most)
    # The labels are the user's own memory, checked when the fit began: one that has changed gives NaN, never an index.
    cdef real[64] most, log_total, chosen
    cdef Py_ssize_t k, r
    cdef real greatest = limit(h), keep = 1 - <real>h[1], add = <real>(h[1] / n)
    row_maxima(n, a, most)
    for r in range(WIDTH):
        chosen[r] = keep * (a[<Py_ssize_t>t[r] * WIDTH + r] - most[r]) if 0 <= t[r] and t[r] < n else NAN
    if add != 0:
        for k in range(n):
            for r in range(WIDTH):
                chosen[r] = chosen[r] + add * (a[k * WIDTH + r] - most[r])
    softmax_block(n, a, most, log_total)
    for k in range(n * WIDTH):
        d[k] = a[k] - add
    for r in range(WIDTH):
        e[r] = log_total[r] - chosen[r]
        e[r] = greatest if e[r] > greatest else e[r]
        if 0 <= t[r] and t[r] < n:
            k = <Py_ssize_t>t[r] * WIDTH + r
            d[k] = d[k] - keep
