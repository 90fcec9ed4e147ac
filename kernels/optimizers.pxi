# Optimizer kernels: one plain loop each over n contiguous weights w, their gradients g and the optimizer's slots.
# h holds the numbers of this step, computed in Python (fastnn/optimizers/, method `scalars`), where the twins are.
ctypedef void (*Update)(Py_ssize_t n, real* w, const real* g, real* s0, real* s1, real* s2, const real* h) noexcept nogil

# Where numbers depend on a whole weight (matrices.pxi): called by all threads, with the gradient stored and clipped, before
# any number of it changes; the factor of h[0] for this weight.
cdef struct Job
cdef struct Part
cdef struct Variable
ctypedef double (*Survey)(Job* job, Variable* of, const real* h, Part* part) noexcept nogil

cdef struct OptimizerKernel:
    const char* name
    Update update
    int slots    # rows of state that it reads and writes
    int scalars  # numbers that it reads from h
    Survey survey          # NULL: each number is updated by itself
    Update update_matrix   # instead of update, for matrices; NULL: the same
    int vector_decay       # place in h of the factor of decaying vectors; 0: that of all
    Py_ssize_t (*room)(Variable* of) noexcept nogil  # reals of Workspace.survey; NULL: none


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


cdef inline real without_mean(real v, real mean) noexcept nogil:
    """v - mean^2, not below zero; NaN stays."""
    cdef real variance = v - mean * mean
    return 0 if variance < 0 else variance


cdef void rmsprop_centered(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                           const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        s1[i] = rho * s1[i] + one_minus_rho * g[i]
        w[i] = w[i] - rate * g[i] / real_sqrt(without_mean(s0[i], s1[i]) + epsilon)


cdef void rmsprop_centered_momentum(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                                    const real* h) noexcept nogil:
    cdef Py_ssize_t i
    cdef real rate = h[0], rho = h[1], one_minus_rho = h[2], epsilon = h[3], mu = h[4]
    for i in range(n):
        s0[i] = rho * s0[i] + one_minus_rho * g[i] * g[i]
        s2[i] = rho * s2[i] + one_minus_rho * g[i]
        s1[i] = mu * s1[i] + rate * g[i] / real_sqrt(without_mean(s0[i], s2[i]) + epsilon)
        w[i] = w[i] - s1[i]


cdef inline real power(real x, real p) noexcept nogil:
    return real_sqrt(x) if p == 0.5 else <real>pow(x, p)


cdef void ftrl(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
               const real* h) noexcept nogil:
    # s0: sum of squares, s1: what the weight is a function of
    cdef Py_ssize_t i
    cdef real inverse_rate = h[0], p = h[1], l1 = h[2], shrinkage = h[3], l2 = h[4], before, after, scale, clipped
    for i in range(n):
        before = power(s0[i], p)
        s0[i] = s0[i] + g[i] * g[i]
        after = power(s0[i], p)
        s1[i] = s1[i] + g[i] + shrinkage * w[i] - (after - before) * inverse_rate * w[i]
        scale = after * inverse_rate + l2
        clipped = l1 if s1[i] > l1 else (-l1 if s1[i] < -l1 else s1[i])
        w[i] = (clipped - s1[i]) / scale if scale != 0 else w[i]  # 0: no gradient so far


cdef void schedule_free_adamw(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                              const real* h) noexcept nogil:
    # s0: z, which the gradients move; s1: mean square gradient; s2: x, the average of z; w: y between them
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4], epsilon = h[5]
    cdef real correction = h[6], weight = h[7], z, x
    cdef bint first = h[8] != 0
    for i in range(n):
        z = w[i] if first else s0[i]
        x = (w[i] - one_minus_beta_1 * z) / beta_1
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        z = z - rate * g[i] / (real_sqrt(s1[i] * correction) + epsilon)
        x = (1 - weight) * x + weight * z
        w[i] = x + one_minus_beta_1 * (z - x)
        s0[i] = z
        s2[i] = x


cdef inline real lamb_direction(real m, real v, const real* h) noexcept nogil:
    return m * h[6] / (real_sqrt(v * h[7]) + h[5])


cdef void lamb(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
               const real* h) noexcept nogil:
    # h0: rate times |w| / |direction| of the whole weight
    cdef Py_ssize_t i
    cdef real rate = h[0], beta_1 = h[1], one_minus_beta_1 = h[2], beta_2 = h[3], one_minus_beta_2 = h[4]
    for i in range(n):
        s0[i] = beta_1 * s0[i] + one_minus_beta_1 * g[i]
        s1[i] = beta_2 * s1[i] + one_minus_beta_2 * g[i] * g[i]
        w[i] = w[i] - rate * lamb_direction(s0[i], s1[i], h)


cdef void adafactor(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                    const real* h) noexcept nogil:
    # h0: rate times what the whole weight says; s0 is new already
    cdef Py_ssize_t i
    cdef real rate = h[0]
    for i in range(n):
        w[i] = w[i] - (rate * g[i] / real_sqrt(s0[i]) if s0[i] != 0 else 0)


cdef void muon(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
               const real* h) noexcept nogil:
    # of a vector: Adam
    adam(n, w, g, s0, s1, s2, h + 8)


cdef void muon_matrix(Py_ssize_t n, reals_out w, reals_in g, reals_out s0, reals_out s1, reals_out s2,
                      const real* h) noexcept nogil:
    # s1: the direction of this step
    cdef Py_ssize_t i
    cdef real rate = h[0], mu = h[1]
    for i in range(n):
        s0[i] = mu * s0[i] + g[i]
        w[i] = w[i] - rate * s1[i]


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


cdef OptimizerKernel[19] OPTIMIZERS
OPTIMIZERS[0] = OptimizerKernel("sgd", sgd, 0, 2, NULL, NULL, 0, NULL)
OPTIMIZERS[1] = OptimizerKernel("momentum", momentum, 1, 2, NULL, NULL, 0, NULL)
OPTIMIZERS[2] = OptimizerKernel("nesterov", nesterov, 1, 2, NULL, NULL, 0, NULL)
OPTIMIZERS[3] = OptimizerKernel("rmsprop", rmsprop, 1, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[4] = OptimizerKernel("rmsprop_momentum", rmsprop_momentum, 2, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[5] = OptimizerKernel("adam", adam, 2, 6, NULL, NULL, 0, NULL)
OPTIMIZERS[6] = OptimizerKernel("amsgrad", amsgrad, 3, 6, NULL, NULL, 0, NULL)
OPTIMIZERS[7] = OptimizerKernel("adagrad", adagrad, 1, 2, NULL, NULL, 0, NULL)
OPTIMIZERS[8] = OptimizerKernel("adadelta", adadelta, 2, 4, NULL, NULL, 0, NULL)
OPTIMIZERS[9] = OptimizerKernel("adamax", adamax, 2, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[10] = OptimizerKernel("nadam", nadam, 2, 8, NULL, NULL, 0, NULL)
OPTIMIZERS[11] = OptimizerKernel("lion", lion, 1, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[12] = OptimizerKernel("rmsprop_centered", rmsprop_centered, 2, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[13] = OptimizerKernel("rmsprop_centered_momentum", rmsprop_centered_momentum, 3, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[14] = OptimizerKernel("ftrl", ftrl, 2, 5, NULL, NULL, 0, NULL)
OPTIMIZERS[15] = OptimizerKernel("schedule_free_adamw", schedule_free_adamw, 3, 9, NULL, NULL, 0, NULL)
OPTIMIZERS[16] = OptimizerKernel("lamb", lamb, 2, 8, lamb_survey, NULL, 0, NULL)
OPTIMIZERS[17] = OptimizerKernel("adafactor", adafactor, 1, 6, adafactor_survey, NULL, 0, adafactor_room)
OPTIMIZERS[18] = OptimizerKernel("muon", muon, 2, 15, muon_survey, muon_matrix, 14, muon_room)
