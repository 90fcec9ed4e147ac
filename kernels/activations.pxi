# Activation kernels. Their NumPy twins, formulas and numbers: fastnn/activations.py.
#
# An elementwise kernel works on n contiguous reals: forward turns z into a in place, backward multiplies d = dL/da by
# da/dz, given a. A blockwise kernel needs whole rows: it works on a transposed block, where a[k * WIDTH + r] belongs to
# output k of sample r.
ctypedef void (*Forward)(Py_ssize_t n, real* a, const double* h) noexcept nogil
ctypedef void (*Backward)(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil

cdef struct ActivationKernel:
    const char* name
    Forward forward
    Backward backward
    bint blockwise


cdef void relu_forward(Py_ssize_t n, real* a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = 0 if a[i] < 0 else a[i]  # NaN stays


cdef void relu_backward(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] if a[i] > 0 else 0


cdef void leaky_relu_forward(Py_ssize_t n, real* a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        a[i] = a[i] * slope if a[i] < 0 else a[i]


cdef void leaky_relu_backward(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil:
    # a has the sign of z: a negative slope is refused by fastnn.activations
    cdef Py_ssize_t i
    cdef real slope = <real>h[0]
    for i in range(n):
        d[i] = d[i] if a[i] > 0 else d[i] * slope


cdef void sigmoid_forward(Py_ssize_t n, real* a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = real_sigmoid(a[i])


cdef void sigmoid_backward(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * (a[i] * (1 - a[i]))


cdef void tanh_forward(Py_ssize_t n, real* a, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        a[i] = real_tanh(a[i])


cdef void tanh_backward(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        d[i] = d[i] * (1 - a[i] * a[i])


cdef void softmax_forward(Py_ssize_t n, real* a, const double* h) noexcept nogil:
    softmax_block(n, a, NULL)


cdef void softmax_block(Py_ssize_t n, real* a, real* log_sum) noexcept nogil:
    """a = softmax(z) of a transposed block; log_sum, unless NULL, takes log sum_k exp(z_k) of each sample."""
    cdef real[64] most, total  # WIDTH of them are used
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        most[r] = a[r]
        total[r] = 0
    for k in range(1, n):
        for r in range(WIDTH):
            most[r] = a[k * WIDTH + r] if a[k * WIDTH + r] > most[r] else most[r]
    for k in range(n):
        for r in range(WIDTH):
            a[k * WIDTH + r] = real_exp(a[k * WIDTH + r] - most[r])
        for r in range(WIDTH):
            total[r] = total[r] + a[k * WIDTH + r]
    if log_sum != NULL:
        for r in range(WIDTH):
            log_sum[r] = most[r] + real_log(total[r])
    for r in range(WIDTH):
        total[r] = 1 / total[r]
    for k in range(n):
        for r in range(WIDTH):
            a[k * WIDTH + r] = a[k * WIDTH + r] * total[r]


cdef void softmax_backward(Py_ssize_t n, const real* a, real* d, const double* h) noexcept nogil:
    # dL/dz_k = a_k (d_k - sum_j a_j d_j)
    cdef real[64] dot
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        dot[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            dot[r] = dot[r] + a[k * WIDTH + r] * d[k * WIDTH + r]
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = a[k * WIDTH + r] * (d[k * WIDTH + r] - dot[r])


cdef ActivationKernel[6] ACTIVATIONS
ACTIVATIONS[0] = ActivationKernel("linear", NULL, NULL, False)
ACTIVATIONS[1] = ActivationKernel("relu", relu_forward, relu_backward, False)
ACTIVATIONS[2] = ActivationKernel("leaky_relu", leaky_relu_forward, leaky_relu_backward, False)
ACTIVATIONS[3] = ActivationKernel("sigmoid", sigmoid_forward, sigmoid_backward, False)
ACTIVATIONS[4] = ActivationKernel("tanh", tanh_forward, tanh_backward, False)
ACTIVATIONS[5] = ActivationKernel("softmax", softmax_forward, softmax_backward, True)
