# Loss kernels. Their NumPy twins, formulas and numbers: fastnn/losses/.
#
# A kernel sees one transposed block: a[k * WIDTH + r] is output k of sample r, t the targets in the same layout. It
# writes each sample's loss to e[r] and dL/da to d. A kernel "from logits" takes z in a, leaves the activated outputs
# there, and writes dL/dz to d. Sums run in local arrays, so that the compiler sees that nothing overlaps.
ctypedef void (*Loss)(Py_ssize_t n, real* a, const real* t, real* d, real* e, const double* h) noexcept nogil

cdef struct LossKernel:
    const char* name
    Loss block
    bint pointwise  # the mean over the outputs of what each of them and its target give

cdef enum:
    LOSS_PART = 1024  # outputs that are summed one after another


cdef void loss_of_block(const LossKernel* loss, Py_ssize_t n, real* a, const real* t, real* d, real* e,
                        const double* h) noexcept nogil:
    """The kernel; of many outputs by parts, so that the error grows with the length of a part and with their number."""
    cdef real[64] part
    cdef double[64] total
    cdef Py_ssize_t first = 0, m, i
    cdef real share
    if not loss.pointwise or n <= LOSS_PART:
        loss.block(n, a, t, d, e, h)
        return
    for i in range(WIDTH):
        total[i] = 0
    while first < n:
        m = LOSS_PART if n - first > LOSS_PART else n - first
        loss.block(m, a + first * WIDTH, t + first * WIDTH, d + first * WIDTH, part, h)
        share = <real>m / <real>n
        for i in range(WIDTH):
            total[i] += <double>part[i] * m
        for i in range(first * WIDTH, (first + m) * WIDTH):
            d[i] = d[i] * share
        first += m
    for i in range(WIDTH):
        e[i] = <real>(total[i] / n)


cdef inline void mean_over_outputs(Py_ssize_t n, reals_out d, reals_out e, const real* total) noexcept nogil:
    """e = total / n and d = d / n."""
    cdef Py_ssize_t i
    cdef real part = 1 / <real>n
    for i in range(WIDTH):
        e[i] = total[i] * part
    if n > 1:
        for i in range(n * WIDTH):
            d[i] = d[i] * part


cdef inline real clipped(real p, real least) noexcept nogil:
    p = least if p < least else p
    return 1 - least if p > 1 - least else p


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


cdef void binary_crossentropy(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                              const double* h) noexcept nogil:
    # a clipped to [h0, 1 - h0], as Keras does; beyond the clip the loss is flat; h1: label smoothing
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real p, q, y, least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / 2)
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            q = clipped(p, least)
            total[r] = total[r] - (y * real_log(q) + (1 - y) * real_log(1 - q))
            d[k * WIDTH + r] = (q - y) / (q * (1 - q)) if p == q else 0
    mean_over_outputs(n, d, e, total)


cdef void binary_crossentropy_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                     const double* h) noexcept nogil:
    # softplus(z) - y z, written so that it is exact for large |z|: (1 - y) z or -y z, + log(1 + exp(-|z|))
    cdef real[64] total
    cdef Py_ssize_t k, r
    cdef real z, y, keep = 1 - <real>h[1], add = <real>(h[1] / 2)
    set_zero(total)
    for k in range(n):
        for r in range(WIDTH):
            z = a[k * WIDTH + r]
            y = keep * t[k * WIDTH + r] + add
            total[r] = total[r] + ((1 - y if z > 0 else -y) * z + real_log1p(real_exp(-real_fabs(z))))
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
    cdef real p, q, y, g, least = <real>h[0], keep = 1 - <real>h[1], add = <real>(h[1] / n)
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
        e[r] = total[r]


cdef void sparse_categorical_crossentropy_logits(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e,
                                                 const double* h) noexcept nogil:
    # log sum exp (z - most) - (z_t - most)
    # The labels are the user's own memory, checked when the fit began: one that has changed gives NaN, never an index.
    cdef real[64] most, log_total, chosen
    cdef Py_ssize_t k, r
    cdef real keep = 1 - <real>h[1], add = <real>(h[1] / n)
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
        if 0 <= t[r] and t[r] < n:
            k = <Py_ssize_t>t[r] * WIDTH + r
            d[k] = d[k] - keep


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
    for k in range(n):
        for r in range(WIDTH):
            u = a[k * WIDTH + r] / length[r] * cosine[r] if length[r] > <real>1e-6 else 0
            d[k * WIDTH + r] = (u - t[k * WIDTH + r] / other[r]) / length[r]
    for r in range(WIDTH):
        e[r] = -cosine[r]


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


cdef LossKernel[24] LOSSES
LOSSES[0] = LossKernel("mse", mse, True)
LOSSES[1] = LossKernel("binary_crossentropy", binary_crossentropy, True)
LOSSES[2] = LossKernel("binary_crossentropy_logits", binary_crossentropy_logits, True)
LOSSES[3] = LossKernel("categorical_crossentropy", categorical_crossentropy, False)
LOSSES[4] = LossKernel("categorical_crossentropy_logits", categorical_crossentropy_logits, False)
LOSSES[5] = LossKernel("sparse_categorical_crossentropy", sparse_categorical_crossentropy, False)
LOSSES[6] = LossKernel("sparse_categorical_crossentropy_logits", sparse_categorical_crossentropy_logits, False)
LOSSES[7] = LossKernel("mae", mae, True)
LOSSES[8] = LossKernel("huber", huber, True)
LOSSES[9] = LossKernel("log_cosh", log_cosh, True)
LOSSES[10] = LossKernel("poisson", poisson, True)
LOSSES[11] = LossKernel("hinge", hinge, True)
LOSSES[12] = LossKernel("squared_hinge", squared_hinge, True)
LOSSES[13] = LossKernel("kl_divergence", kl_divergence, False)
LOSSES[14] = LossKernel("binary_focal_crossentropy", binary_focal, True)
LOSSES[15] = LossKernel("categorical_focal_crossentropy", categorical_focal, False)
LOSSES[16] = LossKernel("quantile", quantile, False)
LOSSES[17] = LossKernel("gaussian_nll", gaussian_nll, False)
LOSSES[18] = LossKernel("binary_focal_crossentropy_logits", binary_focal_logits, True)
LOSSES[19] = LossKernel("categorical_focal_crossentropy_logits", categorical_focal_logits, False)
LOSSES[20] = LossKernel("mape", mape, True)
LOSSES[21] = LossKernel("msle", msle, True)
LOSSES[22] = LossKernel("cosine_similarity", cosine_similarity, False)
LOSSES[23] = LossKernel("categorical_hinge", categorical_hinge, False)
