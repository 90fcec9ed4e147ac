# Losses of numbers. Twins: fastnn/losses/numbers.py


cdef void mse(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            total[r] = total[r] + x * x
            d[k * WIDTH + r] = 2 * x
    mean_over_outputs(n, d, e, total)


cdef void mae(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            total[r] = total[r] + real_fabs(x)
            d[k * WIDTH + r] = 1 if x > 0 else (-1 if x < 0 else x)  # 0 at 0, NaN stays
    mean_over_outputs(n, d, e, total)


cdef void mape(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, scale, least = <real>h[0]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            scale = real_fabs(t[k * WIDTH + r])
            scale = least if scale < least else scale
            total[r] = total[r] + 100 * (real_fabs(x) / scale)
            d[k * WIDTH + r] = 100 * ((1 if x > 0 else (-1 if x < 0 else x)) / scale)  # 0 at 0, NaN stays
    mean_over_outputs(n, d, e, total)


cdef void msle(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, p, y, least = <real>h[0]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            p = least if a[k * WIDTH + r] < least else a[k * WIDTH + r]
            y = least if t[k * WIDTH + r] < least else t[k * WIDTH + r]
            x = real_log(p + 1) - real_log(y + 1)
            total[r] = total[r] + x * x
            d[k * WIDTH + r] = 0 if a[k * WIDTH + r] < least else 2 * x / (1 + p)
    mean_over_outputs(n, d, e, total)


cdef void row_norms(Py_ssize_t n, const real* a, real* length) noexcept nogil:
    """|a| of each sample, at least 1e-6; scaled by the largest, so that no square overflows."""
    cdef real[64] most
    cdef Py_ssize_t k, r
    cdef real x
    set_zero(most)
    set_zero(length)
    for k in range(n):
        for r in range(WIDTH):
            x = real_fabs(a[k * WIDTH + r])
            most[r] = x if x > most[r] else most[r]
    for r in range(WIDTH):
        most[r] = most[r] if most[r] > 0 and most[r] < INFINITY else 1
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] / most[r]
            length[r] = length[r] + x * x
    for r in range(WIDTH):
        length[r] = most[r] * real_sqrt(length[r])
        length[r] = <real>1e-6 if length[r] < <real>1e-6 else length[r]  # NaN stays


cdef void cosine_similarity(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                            const double* h) noexcept nogil:
    cdef real[64] length, other, cosine
    cdef Py_ssize_t k, r
    cdef real u
    row_norms(n, a, length)
    row_norms(n, t, other)
    set_zero(cosine)
    for k in range(n):
        for r in range(WIDTH):
            cosine[r] = cosine[r] + (a[k * WIDTH + r] / length[r]) * (t[k * WIDTH + r] / other[r])
    for r in range(WIDTH):  # not below: GCC 11 would take the length of another lane there
        e[r] = -cosine[r]
        cosine[r] = cosine[r] if length[r] > <real>1e-6 else 0
    for k in range(n):
        for r in range(WIDTH):
            u = a[k * WIDTH + r] / length[r] * cosine[r]
            d[k * WIDTH + r] = (u - t[k * WIDTH + r] / other[r]) / length[r]


cdef void huber(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, u, delta = <real>h[0]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            u = real_fabs(x)
            total[r] = total[r] + (delta * (u - <real>0.5 * delta) if u > delta else <real>0.5 * x * x)
            d[k * WIDTH + r] = delta if x > delta else (-delta if x < -delta else x)
    mean_over_outputs(n, d, e, total)


cdef void log_cosh(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # log cosh x = |x| + log(1 + exp(-2 |x|)) - log 2; below 1, where that cancels, log(1 + 2 sinh(x / 2)^2), from
    # m = exp(-|x|) - 1
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, u, m
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            u = real_fabs(x)
            m = real_expm1(-u)
            m = m * m / (2 + 2 * m) if u < 1 else (1 + m) * (1 + m)
            total[r] = total[r] + (real_log1p(m) + (0 if u < 1 else u - <real>0.69314718055994530942))
            d[k * WIDTH + r] = real_tanh(x)
    mean_over_outputs(n, d, e, total)


cdef void poisson(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real x, epsilon = <real>h[0]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] + epsilon
            total[r] = total[r] + (a[k * WIDTH + r] - t[k * WIDTH + r] * real_log(x))
            d[k * WIDTH + r] = 1 - t[k * WIDTH + r] / x
    mean_over_outputs(n, d, e, total)


cdef void quantile(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # mean_k max(q x, (q - 1) x) with x = t - a_k, for all levels q of the first target, then of the second; h: number of
    # levels, then the levels
    cdef real[64] total
    cdef Py_ssize_t k, r, levels = <Py_ssize_t>h[0]
    cdef real x, q
    set_zero(total)
    for k in range(n):
        q = <real>h[1 + k % levels]
        for r in range(WIDTH):
            x = t[k // levels * WIDTH + r] - a[k * WIDTH + r]
            total[r] = total[r] + (q * x if x > 0 else (q - 1) * x)
            d[k * WIDTH + r] = -q if x > 0 else (1 - q if x < 0 else x)
    mean_over_outputs(n, d, e, total)


cdef void gaussian_nll(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # outputs: n / 2 means m, then as many log variances s; mean of (s + (t - m)^2 exp(-s)) / 2
    cdef real[64] total
    cdef Py_ssize_t k, r, half = n // 2
    cdef real x, s, root, part = 1 / <real>half
    set_zero(total)
    for k in range(half):
        for r in range(WIDTH):
            s = a[(half + k) * WIDTH + r]
            root = real_exp(<real>-0.5 * s)  # the square of x / sigma overflows later than that of x
            x = (a[k * WIDTH + r] - t[k * WIDTH + r]) * root
            total[r] = total[r] + <real>0.5 * (s + x * x)
            d[k * WIDTH + r] = x * root * part
            d[(half + k) * WIDTH + r] = <real>0.5 * (1 - x * x) * part
    for r in range(WIDTH):
        e[r] = total[r] * part
