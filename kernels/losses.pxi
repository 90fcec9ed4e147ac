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


include "losses/numbers.pxi"
include "losses/classes.pxi"
include "losses/focal.pxi"

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
