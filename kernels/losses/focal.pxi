# Focal losses. Twins: fastnn/losses/focal.py


cdef inline real power_of(real miss, real gamma) noexcept nogil:
    return real_exp(gamma * real_log(miss))


cdef void binary_focal(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    # w (1 - p_t)^gamma BCE, p_t = y p + (1 - y)(1 - p), w = y alpha + (1 - y)(1 - alpha) or 1; h: clip, smoothing, gamma,
    # alpha or -1
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real p, q, y, miss, power, ce, dce, weight
    cdef real least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / 2), gamma = <real>h[2], alpha = <real>h[3]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            q = clipped(p, least)
            weight = 1 if alpha < 0 else y * alpha + (1 - y) * (1 - alpha)
            miss = y * (1 - q) + (1 - y) * q
            power = power_of(miss, gamma)
            ce = -(y * real_log(q) + (1 - y) * real_log(1 - q))
            dce = (q - y) / (q * (1 - q))
            total[r] = total[r] + weight * power * ce
            d[k * WIDTH + r] = weight * power * (dce + gamma * (1 - 2 * y) * ce / miss) if p == q else 0
    mean_over_outputs(n, d, e, total)


cdef void binary_focal_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                              const double* h) noexcept nogil:
    # the same of p = sigmoid(z), with BCE from logits and 1 - p = sigmoid(-z); miss is kept from 0, to divide by it
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real z, p, other, y, miss, power, ce, weight
    cdef real keep = 1 - <real>h[1], add = <real>(h[1] / 2), gamma = <real>h[2], alpha = <real>h[3]
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            z = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            p = real_sigmoid(z)
            other = real_sigmoid(-z)
            weight = 1 if alpha < 0 else y * alpha + (1 - y) * (1 - alpha)
            miss = y * other + (1 - y) * p
            miss = LEAST_NORMAL if miss < LEAST_NORMAL else miss
            power = power_of(miss, gamma)
            ce = (1 - y if z > 0 else -y) * z + real_log1p(real_exp(-real_fabs(z)))
            total[r] = total[r] + weight * power * ce
            d[k * WIDTH + r] = weight * power * ((1 - y) * p - y * other
                                                 + gamma * (1 - 2 * y) * (p * other / miss) * ce)
            a[k * WIDTH + r] = p
    mean_over_outputs(n, d, e, total)


cdef void categorical_focal(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                            const double* h) noexcept nogil:
    # -sum_k alpha (1 - p_k)^gamma y_k log p_k, p = a / sum a as in Keras; h: clip, smoothing, gamma, alpha
    cdef real[64] sums, total, dot
    cdef Py_ssize_t k, r
    cdef real p, q, y, g, power, logarithm
    cdef real least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / n), gamma = <real>h[2], alpha = <real>h[3]
    row_sums(n, a, sums)
    set_zero(total)
    set_zero(dot)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r] / sums[r]
            y = alpha * (keep * t[k * WIDTH + r] + add)
            q = clipped(p, least)
            logarithm = real_log(q)
            power = power_of(1 - q, gamma)
            total[r] = total[r] - y * power * logarithm
            g = y * power * (gamma * logarithm / (1 - q) - 1 / q) if p == q else 0
            dot[r] = dot[r] + g * p
            d[k * WIDTH + r] = g
    slope_by_outputs(n, d, sums, dot)
    for r in range(WIDTH):
        e[r] = total[r]


cdef void categorical_focal_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                   const double* h) noexcept nogil:
    # the same of p = softmax(z), from log p; gradient u_j - p_j sum_k u_k with u = dL/dlog p
    cdef real[64] most, log_total, total, sums
    cdef Py_ssize_t k, r
    cdef real p, y, u, miss, power, logarithm
    cdef real keep = 1 - <real>h[1], add = <real>(h[1] / n), gamma = <real>h[2], alpha = <real>h[3]
    row_maxima(n, a, most)
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = a[k * WIDTH + r] - most[r]
    softmax_block(n, a, most, log_total)
    set_zero(total)
    set_zero(sums)
    for k in range(n):
        for r in range(WIDTH):
            logarithm = d[k * WIDTH + r] - log_total[r]
            p = a[k * WIDTH + r]
            y = alpha * (keep * t[k * WIDTH + r] + add)
            miss = -real_expm1(logarithm)
            miss = LEAST_NORMAL if miss < LEAST_NORMAL else miss
            power = power_of(miss, gamma)
            total[r] = total[r] - y * power * logarithm
            u = y * power * (gamma * logarithm * (p / miss) - 1)
            sums[r] = sums[r] + u
            d[k * WIDTH + r] = u
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = d[k * WIDTH + r] - a[k * WIDTH + r] * sums[r]
    for r in range(WIDTH):
        e[r] = total[r]
