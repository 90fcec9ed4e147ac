# Optimizer kernels: one plain loop each over n contiguous weights w, their gradients g and the optimizer's slots.
# h holds the numbers of this step, computed in Python (fastnn/optimizers.py, method `scalars`), where the twins are.
ctypedef void (*Update)(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil

cdef struct OptimizerKernel:
    const char* name
    Update update


cdef void sgd(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0]
    for i in range(n):
        w[i] = w[i] - rate * g[i]


cdef void momentum(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], mu = h[1]
    for i in range(n):
        s0[i] = mu * s0[i] - rate * g[i]
        w[i] = w[i] + s0[i]


cdef void nesterov(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], mu = h[1]
    for i in range(n):
        s0[i] = mu * s0[i] - rate * g[i]
        w[i] = w[i] + mu * s0[i] - rate * g[i]


cdef void rmsprop(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        w[i] = w[i] - rate * g[i] / real_sqrt(s0[i] + epsilon)


cdef void rmsprop_momentum(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2,
                           const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3], mu = h[4]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        s1[i] = mu * s1[i] + rate * g[i] / real_sqrt(s0[i] + epsilon)
        w[i] = w[i] - s1[i]


cdef void adam(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], epsilon = h[5]
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        w[i] = w[i] - rate * s0[i] / (real_sqrt(s1[i]) + epsilon)


cdef OptimizerKernel[6] OPTIMIZERS
OPTIMIZERS[0] = OptimizerKernel("sgd", sgd)
OPTIMIZERS[1] = OptimizerKernel("momentum", momentum)
OPTIMIZERS[2] = OptimizerKernel("nesterov", nesterov)
OPTIMIZERS[3] = OptimizerKernel("rmsprop", rmsprop)
OPTIMIZERS[4] = OptimizerKernel("rmsprop_momentum", rmsprop_momentum)
OPTIMIZERS[5] = OptimizerKernel("adam", adam)
