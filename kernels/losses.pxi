# Loss kernels. Their NumPy twins, formulas and numbers: fastnn/losses.py.
#
# A kernel sees one transposed block: a[k * WIDTH + r] is output k of sample r, t the targets in the same layout. It
# writes each sample's loss to e[r] and dL/da to d. A kernel "from logits" takes z in a, leaves the activated outputs
# there, and writes dL/dz to d.
ctypedef void (*Loss)(Py_ssize_t n, real* a, const real* t, real* d, real* e, const double* h) noexcept nogil

cdef struct LossKernel:
    const char* name
    Loss block


cdef inline void mean_over_outputs(Py_ssize_t n, real* d, real* e) noexcept nogil:
    cdef Py_ssize_t i
    cdef real share = 1 / <real>n
    if n > 1:
        for i in range(WIDTH):
            e[i] = e[i] * share
        for i in range(n * WIDTH):
            d[i] = d[i] * share


cdef void mse(Py_ssize_t n, real* a, const real* t, real* d, real* e, const double* h) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real x
    for r in range(WIDTH):
        e[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            x = a[k * WIDTH + r] - t[k * WIDTH + r]
            e[r] = e[r] + x * x
            d[k * WIDTH + r] = 2 * x
    mean_over_outputs(n, d, e)


cdef void binary_crossentropy(Py_ssize_t n, real* a, const real* t, real* d, real* e, const double* h) noexcept nogil:
    # a clipped to [h0, 1 - h0], as Keras does; beyond the clip the loss is flat
    cdef Py_ssize_t k, r
    cdef real p, q, y, least = <real>h[0], most = 1 - <real>h[0]
    for r in range(WIDTH):
        e[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            y = t[k * WIDTH + r]
            q = least if p < least else p
            q = most if q > most else q
            e[r] = e[r] - (y * real_log(q) + (1 - y) * real_log(1 - q))
            d[k * WIDTH + r] = (q - y) / (q * (1 - q)) if p == q else 0
    mean_over_outputs(n, d, e)


cdef void binary_crossentropy_logits(Py_ssize_t n, real* a, const real* t, real* d, real* e,
                                     const double* h) noexcept nogil:
    # softplus(z) - y z, written so that it is exact for large |z|: max(z, 0) - y z + log(1 + exp(-|z|))
    cdef Py_ssize_t k, r
    cdef real z, y
    for r in range(WIDTH):
        e[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            z = a[k * WIDTH + r]
            y = t[k * WIDTH + r]
            e[r] = e[r] + ((z if z > 0 else 0) - y * z + real_log1p(real_exp(-real_fabs(z))))
            a[k * WIDTH + r] = real_sigmoid(z)
            d[k * WIDTH + r] = a[k * WIDTH + r] - y
    mean_over_outputs(n, d, e)


cdef void categorical_crossentropy(Py_ssize_t n, real* a, const real* t, real* d, real* e,
                                   const double* h) noexcept nogil:
    cdef Py_ssize_t k, r
    cdef real p, q, least = <real>h[0], most = 1 - <real>h[0]
    for r in range(WIDTH):
        e[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            p = a[k * WIDTH + r]
            q = least if p < least else p
            q = most if q > most else q
            e[r] = e[r] - t[k * WIDTH + r] * real_log(q)
            d[k * WIDTH + r] = -t[k * WIDTH + r] / q if p == q else 0


cdef void categorical_crossentropy_logits(Py_ssize_t n, real* a, const real* t, real* d, real* e,
                                          const double* h) noexcept nogil:
    # sum_k t_k (log sum exp z - z_k); gradient softmax(z) sum(t) - t
    cdef real[64] log_sum, total
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        e[r] = 0
        total[r] = 0
    for k in range(n):
        for r in range(WIDTH):
            total[r] = total[r] + t[k * WIDTH + r]
            e[r] = e[r] - t[k * WIDTH + r] * a[k * WIDTH + r]
    softmax_block(n, a, log_sum)
    for r in range(WIDTH):
        e[r] = e[r] + total[r] * log_sum[r]
    for k in range(n):
        for r in range(WIDTH):
            d[k * WIDTH + r] = a[k * WIDTH + r] * total[r] - t[k * WIDTH + r]


cdef void sparse_categorical_crossentropy(Py_ssize_t n, real* a, const real* t, real* d, real* e,
                                          const double* h) noexcept nogil:
    # t[r] is the label of sample r
    cdef Py_ssize_t k, r
    cdef real p, q, least = <real>h[0], most = 1 - <real>h[0]
    for k in range(n * WIDTH):
        d[k] = 0
    for r in range(WIDTH):
        k = <Py_ssize_t>t[r]
        p = a[k * WIDTH + r]
        q = least if p < least else p
        q = most if q > most else q
        e[r] = -real_log(q)
        d[k * WIDTH + r] = -1 / q if p == q else 0


cdef void sparse_categorical_crossentropy_logits(Py_ssize_t n, real* a, const real* t, real* d, real* e,
                                                 const double* h) noexcept nogil:
    cdef real[64] log_sum, chosen
    cdef Py_ssize_t k, r
    for r in range(WIDTH):
        chosen[r] = a[<Py_ssize_t>t[r] * WIDTH + r]
    softmax_block(n, a, log_sum)
    for k in range(n * WIDTH):
        d[k] = a[k]
    for r in range(WIDTH):
        e[r] = log_sum[r] - chosen[r]
        k = <Py_ssize_t>t[r] * WIDTH + r
        d[k] = d[k] - 1


cdef LossKernel[7] LOSSES
LOSSES[0] = LossKernel("mse", mse)
LOSSES[1] = LossKernel("binary_crossentropy", binary_crossentropy)
LOSSES[2] = LossKernel("binary_crossentropy_logits", binary_crossentropy_logits)
LOSSES[3] = LossKernel("categorical_crossentropy", categorical_crossentropy)
LOSSES[4] = LossKernel("categorical_crossentropy_logits", categorical_crossentropy_logits)
LOSSES[5] = LossKernel("sparse_categorical_crossentropy", sparse_categorical_crossentropy)
LOSSES[6] = LossKernel("sparse_categorical_crossentropy_logits", sparse_categorical_crossentropy_logits)
