# Optimizer kernels: one plain loop each over n contiguous weights w, their gradients g and the optimizer's slots.
# h holds the numbers of this step, computed in Python (fastnn/optimizers/, method `scalars`), where the twins are.
ctypedef void (*Update)(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil

cdef struct OptimizerKernel:
    const char* name
    Update update
    int slots    # rows of state that it reads and writes
    int scalars  # numbers that it reads from h


cdef void sgd(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
              const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0]
    for i in range(n):
        w[i] = w[i] - rate * g[i]


cdef void momentum(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                   const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], mu = h[1]
    for i in range(n):
        s0[i] = mu * s0[i] - rate * g[i]
        w[i] = w[i] + s0[i]


cdef void nesterov(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                   const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], mu = h[1]
    for i in range(n):
        s0[i] = mu * s0[i] - rate * g[i]
        w[i] = w[i] + mu * s0[i] - rate * g[i]


cdef void rmsprop(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                  const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        w[i] = w[i] - rate * g[i] / real_sqrt(s0[i] + epsilon)


cdef void rmsprop_momentum(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                           const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3], mu = h[4]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        s1[i] = mu * s1[i] + rate * g[i] / real_sqrt(s0[i] + epsilon)
        w[i] = w[i] - s1[i]


cdef void adam(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
               const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], epsilon = h[5]
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        w[i] = w[i] - rate * s0[i] / (real_sqrt(s1[i]) + epsilon)


cdef void amsgrad(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                  const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], epsilon = h[5]
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        s2[i] = s2[i] if s2[i] >= s1[i] else s1[i]  # NaN wins
        w[i] = w[i] - rate * s0[i] / (real_sqrt(s2[i]) + epsilon)


cdef void adagrad(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                  const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], epsilon = h[1]
    for i in range(n):
        s0[i] = s0[i] + g[i] * g[i]
        w[i] = w[i] - rate * g[i] / real_sqrt(s0[i] + epsilon)


cdef void adadelta(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                   const real* h) noexcept nogil:
    # s0: mean square gradient, s1: mean square step
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3], step
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        step = real_sqrt(s1[i] + epsilon) / real_sqrt(s0[i] + epsilon) * g[i]
        s1[i] = rho * s1[i] + one_minus_rho * step * step
        w[i] = w[i] - rate * step


cdef void adamax(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                 const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], epsilon = h[4], u
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        u = real_fabs(g[i])
        s1[i] = beta_2 * s1[i] if beta_2 * s1[i] > u else u
        w[i] = w[i] - rate * s0[i] / (s1[i] + epsilon)


cdef void nadam(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                const real* h) noexcept nogil:
    # h0: rate of the averaged gradient, h6: rate of the gradient itself, h7: 1 / (1 - beta_2^t)
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], epsilon = h[5]
    cdef real ahead = h[6], correction = h[7]
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        w[i] = w[i] - (rate * s0[i] + ahead * g[i]) / (real_sqrt(s1[i] * correction) + epsilon)


cdef void lion(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
               const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], c
    for i in range(n):
        c = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        w[i] = w[i] - (rate if c > 0 else (-rate if c < 0 else c))
        s0[i] = beta_2 * s0[i] + one_minus_beta_2 * g[i]


# What may stand before and after an update: terms of a penalty, clipping, decay, average.

cdef void penalize_absolute(Py_ssize_t n, reals_in w, reals_out g, real l1) noexcept nogil:
    """Adds the derivative of l1 |w| to the gradient; that of l2 w^2 is penalize_squares in tile.h."""
    cdef Py_ssize_t i
    for i in range(n):
        g[i] = g[i] + (l1 if w[i] > 0 else (-l1 if w[i] < 0 else 0))


cdef void clip_values(Py_ssize_t n, reals_out g, real limit) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        g[i] = limit if g[i] > limit else g[i]  # NaN stays
        g[i] = -limit if g[i] < -limit else g[i]


cdef void scale_values(Py_ssize_t n, reals_out g, real factor) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        g[i] = g[i] * factor


cdef void average(Py_ssize_t n, reals_in w, reals_out mean, real momentum) noexcept nogil:
    """mean = momentum mean + (1 - momentum) w."""
    cdef Py_ssize_t i
    for i in range(n):
        mean[i] = momentum * mean[i] + (1 - momentum) * w[i]


cdef OptimizerKernel[12] OPTIMIZERS
OPTIMIZERS[0] = OptimizerKernel("sgd", sgd, 0, 2)
OPTIMIZERS[1] = OptimizerKernel("momentum", momentum, 1, 2)
OPTIMIZERS[2] = OptimizerKernel("nesterov", nesterov, 1, 2)
OPTIMIZERS[3] = OptimizerKernel("rmsprop", rmsprop, 1, 5)
OPTIMIZERS[4] = OptimizerKernel("rmsprop_momentum", rmsprop_momentum, 2, 5)
OPTIMIZERS[5] = OptimizerKernel("adam", adam, 2, 6)
OPTIMIZERS[6] = OptimizerKernel("amsgrad", amsgrad, 3, 6)
OPTIMIZERS[7] = OptimizerKernel("adagrad", adagrad, 1, 2)
OPTIMIZERS[8] = OptimizerKernel("adadelta", adadelta, 2, 4)
OPTIMIZERS[9] = OptimizerKernel("adamax", adamax, 2, 5)
OPTIMIZERS[10] = OptimizerKernel("nadam", nadam, 2, 8)
OPTIMIZERS[11] = OptimizerKernel("lion", lion, 1, 5)
