# Activation kernels. Their NumPy twins, formulas and numbers: fastnn/activations/.
#
# An elementwise kernel works on n contiguous reals: forward turns z into a in place; backward multiplies d = dL/da by
# da/dz, given v, which is a, or z where the kernel keeps its input. A blockwise kernel needs whole rows: it works on a
# transposed block, where a[k * WIDTH + r] belongs to output k of sample r, and n counts the outputs.
ctypedef void (*Forward)(Py_ssize_t n, real* a, const double* h) noexcept nogil
ctypedef void (*Backward)(Py_ssize_t n, const real* v, real* d, const double* h) noexcept nogil

cdef struct ActivationKernel:
    const char* name
    Forward forward
    Backward backward
    bint blockwise
    bint keeps_input
    bint spoils_padding  # a formula of the user's own that makes NaN or infinity of 0


cdef void relu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = 0 if a[i] < 0 else a[i]  # NaN stays


cdef void relu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] if v[i] > 0 else 0


cdef void leaky_relu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        a[i] = a[i] * slope if a[i] < 0 else a[i]


cdef void leaky_relu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # a has the sign of z: a negative slope is refused by fastnn.activations
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        d[i] = d[i] if v[i] > 0 else d[i] * slope


cdef void sigmoid_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        a[i] = real_sigmoid(slope * a[i])


cdef void sigmoid_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        d[i] = d[i] * (slope * v[i] * (1 - v[i]))


cdef void tanh_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        a[i] = real_tanh(slope * a[i])


cdef void tanh_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        d[i] = d[i] * (slope * (1 - v[i] * v[i]))


cdef inline void row_maxima(Py_ssize_t n, const real* a, real* most) noexcept nogil:
    """The largest z of each sample of a transposed block."""
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        most[r] = a[r]
    for k in range(1, n):
        for r in range(WIDTH):
            most[r] = a[k * WIDTH + r] if a[k * WIDTH + r] > most[r] else most[r]


cdef void softmax_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef real[64] most
    row_maxima(n, a, most)
    softmax_block(n, a, most, NULL)


cdef void softmax_block(Py_ssize_t n, reals_out a, const real* most, real* log_total) noexcept nogil:
    """a = softmax(z) of a transposed block; log_total, unless NULL, takes log sum_k exp(z_k - most) of each sample."""
    cdef real[64] total  # WIDTH of them are used
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        total[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            a[k * WIDTH + r] = real_exp(a[k * WIDTH + r] - most[r])
        for r in range(WIDTH):
            total[r] = total[r] + a[k * WIDTH + r]
    if log_total != NULL:
        for r in range(WIDTH):
            log_total[r] = real_log(total[r])
    for r in range(WIDTH):
        total[r] = 1 / total[r]
    for k in range(n):
        for r in range(WIDTH):
            a[k * WIDTH + r] = a[k * WIDTH + r] * total[r]


cdef void softmax_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # dL/dz_k = a_k (d_k - sum_j a_j d_j)
    cdef real[64] dot
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        dot[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            dot[r] = dot[r] + v[k * WIDTH + r] * d[k * WIDTH + r]
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = v[k * WIDTH + r] * (d[k * WIDTH + r] - dot[r])


cdef void log_softmax_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef real[64] most, total
    cdef Py_ssize_t k, r
    row_maxima(n, a, most)
    for r in range(WIDTH):
        total[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            total[r] = total[r] + real_exp(a[k * WIDTH + r] - most[r])
    for r in range(WIDTH):
        total[r] = real_log(total[r])
    for k in range(n):
        for r in range(WIDTH):
            a[k * WIDTH + r] = (a[k * WIDTH + r] - most[r]) - total[r]


cdef void log_softmax_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # dL/dz_k = d_k - exp(a_k) sum_j d_j
    cdef real[64] total
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        total[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            total[r] = total[r] + d[k * WIDTH + r]
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = d[k * WIDTH + r] - real_exp(v[k * WIDTH + r]) * total[r]


cdef void step_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = 1 if a[i] >= 0 else (0 if a[i] < 0 else a[i])


cdef void step_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = 0


cdef void elu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    # elu with h0 = alpha, h1 = 1; selu with h0 = alpha, h1 = scale
    cdef Py_ssize_t i
    cdef real alpha = <real>h[0], scale = <real>h[1]
    for i in range(n):
        a[i] = scale * (a[i] if a[i] > 0 else alpha * real_expm1(a[i]))


cdef void elu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real scale = <real>h[1], floor = <real>(h[0] * h[1])
    for i in range(n):
        d[i] = d[i] * (scale if v[i] > 0 else v[i] + floor)


cdef void gelu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    # z Phi(z), with Phi(z) = erfc(-z / sqrt 2) / 2
    cdef Py_ssize_t i
    cdef real root = <real>0.70710678118654752440
    for i in range(n):
        a[i] = a[i] * (<real>0.5 * real_erfc(-root * a[i]))


cdef void gelu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # Phi(z) + z phi(z), with phi the normal density
    cdef Py_ssize_t i
    cdef real root = <real>0.70710678118654752440, density = <real>0.39894228040143267794
    for i in range(n):
        d[i] = d[i] * (<real>0.5 * real_erfc(-root * v[i]) + v[i] * density * real_exp(<real>-0.5 * v[i] * v[i]))


cdef void gelu_tanh_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    # z (1 + tanh u) / 2 = z sigmoid(2 u), u = sqrt(2 / pi) (z + 0.044715 z^3): 1 + tanh u would cancel for z < 0
    cdef Py_ssize_t i
    cdef real c = <real>0.79788456080286535588, q = <real>0.044715
    for i in range(n):
        a[i] = a[i] * real_sigmoid(2 * c * (a[i] + q * a[i] * a[i] * a[i]))


cdef void gelu_tanh_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real c = <real>0.79788456080286535588, q = <real>0.044715, s, z
    for i in range(n):
        z = -12 if v[i] < -12 else v[i]  # beyond, the sigmoid is 0 or 1 to the last bit, and z^2 may overflow
        z = 12 if z > 12 else z
        s = real_sigmoid(2 * c * (z + q * z * z * z))
        d[i] = d[i] * (s + z * s * (1 - s) * 2 * c * (1 + 3 * q * z * z))


cdef void silu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] * real_sigmoid(a[i])


cdef void silu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # s (1 + z (1 - s)) with s = sigmoid(z)
    cdef Py_ssize_t i
    cdef real s
    for i in range(n):
        s = real_sigmoid(v[i])
        d[i] = d[i] * (s * (1 + v[i] * (1 - s)))


cdef void mish_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] * real_tanh(real_softplus(a[i]))


cdef void mish_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # t + z (1 - t^2) sigmoid(z) with t = tanh(softplus(z))
    cdef Py_ssize_t i
    cdef real t
    for i in range(n):
        t = real_tanh(real_softplus(v[i]))
        d[i] = d[i] * (t + v[i] * (1 - t * t) * real_sigmoid(v[i]))


cdef void softplus_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = real_softplus(a[i])


cdef void softplus_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # sigmoid(z) = 1 - exp(-a)
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * -real_expm1(-v[i])


cdef void softsign_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] / (1 + real_fabs(a[i]))


cdef void softsign_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * ((1 - real_fabs(v[i])) * (1 - real_fabs(v[i])))


cdef void hard_sigmoid_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] * <real>(1.0 / 6) + <real>0.5
        a[i] = 0 if a[i] < 0 else a[i]
        a[i] = 1 if a[i] > 1 else a[i]


cdef void hard_sigmoid_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * <real>(1.0 / 6) if v[i] > 0 and v[i] < 1 else 0


cdef void exponential_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = real_exp(a[i])


cdef void exponential_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * v[i]


cdef void clipped_relu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    # h: slope, greatest value, threshold; a slope of 0 is not multiplied with what may be infinite
    cdef Py_ssize_t i
    cdef real slope = <real>h[0], most = <real>h[1], least = <real>h[2]
    for i in range(n):
        a[i] = (slope * (a[i] - least) if slope != 0 else 0) if a[i] <= least else (most if a[i] > most else a[i])


cdef void clipped_relu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0], most = <real>h[1], least = <real>h[2]
    for i in range(n):
        d[i] = (d[i] if v[i] < most else 0) if v[i] > least else (slope * d[i] if slope != 0 else 0)


cdef void hard_tanh_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = -1 if a[i] < -1 else (1 if a[i] > 1 else a[i])


cdef void hard_tanh_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] if v[i] > -1 and v[i] < 1 else 0


cdef void hard_silu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = 0 if a[i] <= -3 else (a[i] if a[i] >= 3 else a[i] * (a[i] * <real>(1.0 / 6) + <real>0.5))


cdef void hard_silu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = 0 if v[i] <= -3 else (d[i] if v[i] >= 3 else d[i] * (v[i] * <real>(1.0 / 3) + <real>0.5))


cdef void log_sigmoid_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = -real_softplus(-a[i])


cdef void log_sigmoid_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    # sigmoid(-z) = 1 - exp(a)
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * -real_expm1(v[i])


cdef void celu_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real alpha = <real>h[0], inverse = <real>h[1]
    for i in range(n):
        a[i] = a[i] if a[i] > 0 else alpha * real_expm1(a[i] * inverse)


cdef void celu_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real inverse = <real>h[1]
    for i in range(n):
        d[i] = d[i] if v[i] > 0 else d[i] * (v[i] * inverse + 1)


cdef void soft_shrink_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real limit = <real>h[0]
    for i in range(n):
        a[i] = a[i] - limit if a[i] > limit else (a[i] + limit if a[i] < -limit else a[i] * 0)  # NaN stays


cdef void hard_shrink_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real limit = <real>h[0]
    for i in range(n):
        a[i] = 0 if real_fabs(a[i]) <= limit else a[i]


cdef void shrink_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] if v[i] != 0 else 0


cdef void tanh_shrink_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = a[i] - real_tanh(a[i])


cdef void tanh_shrink_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real t
    for i in range(n):
        t = real_tanh(v[i])
        d[i] = d[i] * (t * t)


cdef inline real squareplus_root(real z, real b) noexcept nogil:
    """sqrt(z^2 + b), or |z| where that is it to the last bit and its square may overflow."""
    cdef real far = real_fabs(z)
    return far if far > <real>1e15 else real_sqrt(z * z + b)


cdef void squareplus_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    # for z < 0 as b / (2 (root - z)), where the terms of (z + root) / 2 cancel
    cdef Py_ssize_t i
    cdef real b = <real>h[0], root
    for i in range(n):
        root = squareplus_root(a[i], b)
        a[i] = <real>0.5 * b / (root - a[i]) if a[i] < 0 else <real>0.5 * (a[i] + root)


cdef void squareplus_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real b = <real>h[0], root
    for i in range(n):
        root = squareplus_root(v[i], b)
        d[i] = d[i] * (<real>0.5 * b / (root * (root - v[i])) if v[i] < 0 else <real>0.5 * (1 + v[i] / root))


cdef void threshold_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real limit = <real>h[0], other = <real>h[1]
    for i in range(n):
        a[i] = other if a[i] <= limit else a[i]


cdef void threshold_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real limit = <real>h[0]
    for i in range(n):
        d[i] = d[i] if v[i] > limit else 0


cdef void sparse_plus_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = 0 if a[i] <= -1 else (a[i] if a[i] >= 1 else <real>0.25 * (a[i] + 1) * (a[i] + 1))


cdef void sparse_plus_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = 0 if v[i] <= -1 else (d[i] if v[i] >= 1 else d[i] * (<real>0.5 * (v[i] + 1)))


cdef void sparse_sigmoid_forward(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = <real>0.5 * (a[i] + 1)
        a[i] = 0 if a[i] < 0 else (1 if a[i] > 1 else a[i])


cdef void sparse_sigmoid_backward(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * <real>0.5 if v[i] > 0 and v[i] < 1 else 0


cdef ActivationKernel[31] ACTIVATIONS
ACTIVATIONS[0] = ActivationKernel("linear", NULL, NULL, False, False, False)
ACTIVATIONS[1] = ActivationKernel("relu", relu_forward, relu_backward, False, False, False)
ACTIVATIONS[2] = ActivationKernel("leaky_relu", leaky_relu_forward, leaky_relu_backward, False, False, False)
ACTIVATIONS[3] = ActivationKernel("sigmoid", sigmoid_forward, sigmoid_backward, False, False, False)
ACTIVATIONS[4] = ActivationKernel("tanh", tanh_forward, tanh_backward, False, False, False)
ACTIVATIONS[5] = ActivationKernel("softmax", softmax_forward, softmax_backward, True, False, False)
ACTIVATIONS[6] = ActivationKernel("log_softmax", log_softmax_forward, log_softmax_backward, True, False, False)
ACTIVATIONS[7] = ActivationKernel("step", step_forward, step_backward, False, False, False)
ACTIVATIONS[8] = ActivationKernel("elu", elu_forward, elu_backward, False, False, False)
ACTIVATIONS[9] = ActivationKernel("selu", elu_forward, elu_backward, False, False, False)
ACTIVATIONS[10] = ActivationKernel("gelu", gelu_forward, gelu_backward, False, True, False)
ACTIVATIONS[11] = ActivationKernel("gelu_tanh", gelu_tanh_forward, gelu_tanh_backward, False, True, False)
ACTIVATIONS[12] = ActivationKernel("silu", silu_forward, silu_backward, False, True, False)
ACTIVATIONS[13] = ActivationKernel("mish", mish_forward, mish_backward, False, True, False)
ACTIVATIONS[14] = ActivationKernel("softplus", softplus_forward, softplus_backward, False, False, False)
ACTIVATIONS[15] = ActivationKernel("softsign", softsign_forward, softsign_backward, False, False, False)
ACTIVATIONS[16] = ActivationKernel("hard_sigmoid", hard_sigmoid_forward, hard_sigmoid_backward, False, False, False)
ACTIVATIONS[17] = ActivationKernel("exponential", exponential_forward, exponential_backward, False, False, False)
ACTIVATIONS[18] = ActivationKernel("clipped_relu", clipped_relu_forward, clipped_relu_backward, False, True, False)
ACTIVATIONS[19] = ActivationKernel("relu6", clipped_relu_forward, clipped_relu_backward, False, True, False)
ACTIVATIONS[20] = ActivationKernel("hard_tanh", hard_tanh_forward, hard_tanh_backward, False, False, False)
ACTIVATIONS[21] = ActivationKernel("hard_silu", hard_silu_forward, hard_silu_backward, False, True, False)
ACTIVATIONS[22] = ActivationKernel("log_sigmoid", log_sigmoid_forward, log_sigmoid_backward, False, False, False)
ACTIVATIONS[23] = ActivationKernel("celu", celu_forward, celu_backward, False, False, False)
ACTIVATIONS[24] = ActivationKernel("soft_shrink", soft_shrink_forward, shrink_backward, False, False, False)
ACTIVATIONS[25] = ActivationKernel("hard_shrink", hard_shrink_forward, shrink_backward, False, False, False)
ACTIVATIONS[26] = ActivationKernel("tanh_shrink", tanh_shrink_forward, tanh_shrink_backward, False, True, False)
ACTIVATIONS[27] = ActivationKernel("squareplus", squareplus_forward, squareplus_backward, False, True, False)
ACTIVATIONS[28] = ActivationKernel("threshold", threshold_forward, threshold_backward, False, True, False)
ACTIVATIONS[29] = ActivationKernel("sparse_plus", sparse_plus_forward, sparse_plus_backward, False, True, False)
ACTIVATIONS[30] = ActivationKernel("sparse_sigmoid", sparse_sigmoid_forward, sparse_sigmoid_backward, False, False, False)
