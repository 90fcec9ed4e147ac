# Batch and layer normalization. Their weights are panels of lines: scale gamma and shift beta where they have them, and for
# the batch the moving mean and variance. Twins: fastnn/operations/normalization.py.

cdef enum:  # sums over d x^ and over d
    GAMMA = 0
    BETA = 1

cdef enum:
    KEPT = 3  # lines of a panel that the forward pass keeps: mean, 1 / sqrt(variance + epsilon), variance of the batch


cdef inline void read_scales(Operation* op, const real* w, real* gamma, real* beta) noexcept nogil:
    """gamma and beta of a panel, 1 and 0 where there are none."""
    cdef Py_ssize_t k
    for k in range(WIDTH):
        gamma[k] = w[k] if op.kernel_rows else 1
        beta[k] = w[op.kernel_rows * WIDTH + k] if op.bias else 0


cdef inline real* moving(Operation* op, real* w) noexcept nogil:
    """The lines of a panel behind gamma and beta: the moving mean, then the moving variance."""
    return w + (op.kernel_rows + op.bias) * WIDTH


cdef Py_ssize_t norm_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """KEPT lines of each panel (batch), or two of each block of rows (layer)."""
    return KEPT * (panels(op.outputs) + blocks) * WIDTH


cdef void batch_norm_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over the batch; the moving ones if frozen.

    h: epsilon, momentum.
    """
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out, first, last, p, r, k
    cdef const real* x
    cdef real* y
    cdef real* w
    cdef real* kept
    cdef real[64] mean, variance, scale, shift
    cdef Looking looking = Looking(job, part.thread)
    cdef real epsilon = <real>op.parameters[0]
    for p in range(first_panel(op, part.thread, part.threads), first_panel(op, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        x = work.a[i] + p * work.stride[i]
        y = work.a[i + 1] + p * work.stride[i + 1]
        w = net.arena + op.offset + p * panel_size(op)
        kept = work.kept[i] + p * KEPT * WIDTH
        if op.trainable:
            moments(rows, x, mean, variance, looks, &looking)
        else:
            for k in range(WIDTH):
                mean[k] = moving(op, w)[k]
                variance[k] = moving(op, w)[WIDTH + k]
        read_scales(op, w, scale, shift)
        for k in range(WIDTH):
            kept[k] = mean[k]
            kept[WIDTH + k] = 1 / real_sqrt(variance[k] + epsilon)
            kept[2 * WIDTH + k] = variance[k]
            scale[k] = scale[k] * kept[WIDTH + k]
        last = 0
        while next_lines(job, part.thread, rows, &first, &last):
            for r in range(first, last):
                for k in range(WIDTH):
                    y[r * WIDTH + k] = (x[r * WIDTH + k] - mean[k]) * scale[k] + shift[k]


cdef inline void move(real* moving, double batch, double momentum) noexcept nogil:
    moving[0] = <real>(momentum * moving[0] + (1 - momentum) * batch)


cdef void batch_norm_remember(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """moving = momentum moving + (1 - momentum) of the batch; in double: three roundings of each step would add up."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, k
    cdef const real* kept
    cdef real* w
    cdef double momentum = op.parameters[1]
    if not op.trainable:
        return
    for p in range(first_panel(op, part.thread, part.threads), first_panel(op, part.thread + 1, part.threads)):
        w = moving(op, job.net.arena + op.offset + p * panel_size(op))
        kept = job.work.kept[i] + p * KEPT * WIDTH
        for k in range(least(WIDTH, op.outputs - p * WIDTH)):  # the padding stays zero
            move(w + k, kept[k], momentum)
            move(w + WIDTH + k, kept[2 * WIDTH + k], momentum)


cdef void batch_norm_infer(Network* net, Operation* op, Py_ssize_t panel, Py_ssize_t n, real* z) noexcept nogil:
    """The same with the moving mean and variance, on n numbers of a panel, in place."""
    cdef real* w = net.arena + op.offset + panel * panel_size(op)
    cdef Py_ssize_t r, k
    cdef real[64] mean, scale, shift
    cdef real epsilon = <real>op.parameters[0]
    read_scales(op, w, scale, shift)
    for k in range(WIDTH):
        mean[k] = moving(op, w)[k]
        scale[k] = scale[k] / real_sqrt(moving(op, w)[WIDTH + k] + epsilon)
    for r in range(n // WIDTH):
        for k in range(WIDTH):
            z[r * WIDTH + k] = (z[r * WIDTH + k] - mean[k]) * scale[k] + shift[k]


cdef void batch_norm_sums(Workspace* work, Py_ssize_t i, Py_ssize_t p, Py_ssize_t rows, Looking* looking,
                          real* g) noexcept nogil:
    """Gradients of gamma and beta: sum d x^ and sum d over the batch, with x^ = (x - mean) / sqrt(variance + epsilon)."""
    cdef const real* kept = work.kept[i] + p * KEPT * WIDTH
    cdef summands of = summands(work.a[i] + p * work.stride[i], work.d[i + 1] + p * work.stride[i + 1], kept, kept + WIDTH,
                                looks, looking)
    pairwise(sum_of_products, 2, &of, 0, rows, g)


cdef void batch_norm_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """dx = gamma / sqrt(variance + epsilon) (d - mean(d) - x^ mean(d x^)), of y in batch_norm_forward; frozen: no means."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out, first, last, p, r, k
    cdef Looking looking = Looking(job, part.thread)
    cdef const real* x
    cdef const real* d
    cdef const real* w
    cdef const real* kept
    cdef real* dx
    cdef real[128] g
    cdef real[64] scale, by_x, mean, centre
    cdef real weight = 1 / <real>rows
    for p in range(first_panel(op, part.thread, part.threads), first_panel(op, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        if op.trainable:
            batch_norm_sums(work, i, p, rows, &looking, g)
        else:
            memset(g, 0, sizeof(g))
        x = work.a[i] + p * work.stride[i]
        d = work.d[i + 1] + p * work.stride[i + 1]
        dx = work.d[i] + p * work.stride[i]
        w = net.arena + op.offset + p * panel_size(op)
        kept = work.kept[i] + p * KEPT * WIDTH
        for k in range(WIDTH):
            centre[k] = kept[k]
            scale[k] = (w[k] if op.kernel_rows else 1) * kept[WIDTH + k]
            by_x[k] = g[GAMMA * WIDTH + k] * weight * kept[WIDTH + k]
            mean[k] = g[BETA * WIDTH + k] * weight
        last = 0
        while next_lines(job, part.thread, rows, &first, &last):
            for r in range(first, last):
                for k in range(WIDTH):
                    dx[r * WIDTH + k] = scale[k] * (d[r * WIDTH + k] - mean[k]
                                                    - (x[r * WIDTH + k] - centre[k]) * by_x[k])
            finish_gradient(net, work, i, part.samples, p, first, last)


cdef void layer_norm_blocks(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t rows, Py_ssize_t first,
                            Py_ssize_t last, Part* part) noexcept nogil:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over each row. h: epsilon, whether centred.

    Not centred: the mean counts as 0.
    """
    cdef Network* net = job.net
    cdef Operation* op = &net.operations[i]
    cdef real* a = part.scratch
    cdef Py_ssize_t n = op.outputs, b, r, k
    cdef real[64] mean, scale
    cdef real[128] sums
    cdef summands of = summands(a, NULL, &mean[0], NULL, NULL, NULL)
    cdef real gamma, beta, epsilon = <real>op.parameters[0]
    cdef const real* w
    for b in range(first, last):
        if interrupted(job, part.thread):
            return
        transpose_panel(work.a[i], work.stride[i], b * WIDTH, rows, n, a)
        if op.parameters[1]:
            moments(n, a, mean, scale, NULL, NULL)
        else:
            set_zero(mean)
            pairwise(sum_of_deviations, 2, &of, 0, n, sums)
            for r in range(WIDTH):
                scale[r] = sums[WIDTH + r] / <real>n
        for r in range(WIDTH):
            scale[r] = 1 / real_sqrt(scale[r] + epsilon)
        if work.kept[i] != NULL:
            for r in range(WIDTH):
                work.kept[i][b * 2 * WIDTH + r] = mean[r]
                work.kept[i][b * 2 * WIDTH + WIDTH + r] = scale[r]
        for k in range(n):
            w = net.arena + op.offset + k // WIDTH * panel_size(op) + k % WIDTH
            gamma = w[0] if op.kernel_rows else 1
            beta = w[op.kernel_rows * WIDTH] if op.bias else 0
            for r in range(WIDTH):
                a[k * WIDTH + r] = (a[k * WIDTH + r] - mean[r]) * scale[r] * gamma + beta
        transpose_back(a, n, work.a[i + 1] + b * WIDTH * WIDTH, work.stride[i + 1])


cdef void layer_norm_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Py_ssize_t rows = part.samples * job.net.operations[i].positions_out, blocks = ceil_div(rows, WIDTH)
    layer_norm_blocks(job, job.work, i, rows, share(blocks, part.thread, part.threads),
                      share(blocks, part.thread + 1, part.threads), part)


cdef void layer_norm_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out
    layer_norm_blocks(job, work, i, rows, 0, ceil_div(rows, WIDTH), part)
    go_on_all(job, work, i, joined, part)


cdef void layer_norm_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """dx = (u - mean(u) - x^ mean(u x^)) / sqrt(variance + epsilon) with u = gamma d, of y in layer_norm_blocks."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Py_ssize_t n = op.outputs, rows = part.samples * op.positions_out, blocks = ceil_div(rows, WIDTH), b, r, k
    cdef real* x = part.scratch
    cdef real* d = part.scratch + (panels(n) + 1) * WIDTH * WIDTH
    cdef real[64] mean, scale
    cdef real[128] sums  # of u x^, of u
    cdef real gamma, normal, weight = 1 / <real>n
    cdef summands of = summands(x, d, &mean[0], &scale[0], NULL, NULL)
    for b in range(share(blocks, part.thread, part.threads), share(blocks, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        transpose_panel(work.a[i], work.stride[i], b * WIDTH, rows, n, x)
        transpose_panel(work.d[i + 1], work.stride[i + 1], b * WIDTH, rows, n, d)
        for r in range(WIDTH):
            mean[r] = work.kept[i][b * 2 * WIDTH + r]
            scale[r] = work.kept[i][b * 2 * WIDTH + WIDTH + r]
        for k in range(n):
            gamma = net.arena[op.offset + k // WIDTH * panel_size(op) + k % WIDTH] if op.kernel_rows else 1
            for r in range(WIDTH):
                d[k * WIDTH + r] = d[k * WIDTH + r] * gamma
        pairwise(sum_of_products, 2, &of, 0, n, sums)
        if not op.parameters[1]:
            set_zero(sums + BETA * WIDTH)  # of a mean that does not move
        for k in range(n):
            for r in range(WIDTH):
                normal = (x[k * WIDTH + r] - mean[r]) * scale[r]
                d[k * WIDTH + r] = scale[r] * (d[k * WIDTH + r] - weight * (sums[WIDTH + r] + normal * sums[r]))
        transpose_back(d, n, work.d[i] + b * WIDTH * WIDTH, work.stride[i])
        for k in range(panels(n)):
            finish_gradient(net, work, i, part.samples, k, b * WIDTH, least(rows, (b + 1) * WIDTH))


cdef void layer_norm_sums(Workspace* work, Py_ssize_t i, Py_ssize_t p, Py_ssize_t rows, Looking* looking,
                          real* g) noexcept nogil:
    """Gradients of gamma and beta of one panel: sum d x^ and sum d over the batch."""
    cdef const real* kept = work.kept[i]
    cdef summands of = summands(work.a[i] + p * work.stride[i], work.d[i + 1] + p * work.stride[i + 1], kept, kept + WIDTH,
                                looks, looking)
    pairwise(sum_of_line_products, 2, &of, 0, rows, g)


cdef void batch_norm_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    update_lines(job, i, part, batch_norm_sums)


cdef void layer_norm_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    update_lines(job, i, part, layer_norm_sums)


cdef enum:
    UNIT_KEPT = 2  # lines of a block that the forward pass keeps: 1 / norm, and 1 where the norm decides, else 0

cdef double LEAST_NORM = 1e-12


cdef Py_ssize_t unit_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    return UNIT_KEPT * blocks * WIDTH


cdef void unit_blocks(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t last,
                      Part* part) noexcept nogil:
    """y = x / max(|x|, LEAST_NORM) of each row."""
    cdef real* a = part.scratch
    cdef Py_ssize_t n = job.net.operations[i].outputs, b, r, k
    cdef double[64] length
    cdef real[64] inverse
    for b in range(first, last):
        if interrupted(job, part.thread):
            return
        transpose_panel(work.a[i], work.stride[i], b * WIDTH, rows, n, a)
        column_norms(n, a, length)
        for r in range(WIDTH):
            inverse[r] = <real>(1 / (LEAST_NORM if length[r] < LEAST_NORM else length[r]))  # NaN stays
        if work.kept[i] != NULL:
            for r in range(WIDTH):
                work.kept[i][b * UNIT_KEPT * WIDTH + r] = inverse[r]
                work.kept[i][(b * UNIT_KEPT + 1) * WIDTH + r] = length[r] > LEAST_NORM
        for k in range(n):
            for r in range(WIDTH):
                a[k * WIDTH + r] = a[k * WIDTH + r] * inverse[r]
        transpose_back(a, n, work.a[i + 1] + b * WIDTH * WIDTH, work.stride[i + 1])


cdef void unit_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Py_ssize_t rows = part.samples * job.net.operations[i].positions_out, blocks = ceil_div(rows, WIDTH)
    unit_blocks(job, job.work, i, rows, share(blocks, part.thread, part.threads),
                share(blocks, part.thread + 1, part.threads), part)


cdef void unit_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out
    unit_blocks(job, work, i, rows, 0, ceil_div(rows, WIDTH), part)
    go_on_all(job, work, i, joined, part)


cdef void unit_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """dx = r (dy - y sum(y dy)), of y = x r in unit_blocks."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n = op.outputs, rows = part.samples * op.positions_out, blocks = ceil_div(rows, WIDTH), b, r, k
    cdef real* y = part.scratch
    cdef real* d = part.scratch + (panels(n) + 1) * WIDTH * WIDTH
    cdef const real* kept
    cdef real[64] along
    for b in range(share(blocks, part.thread, part.threads), share(blocks, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        kept = work.kept[i] + b * UNIT_KEPT * WIDTH
        transpose_panel(work.a[i + 1], work.stride[i + 1], b * WIDTH, rows, n, y)
        transpose_panel(work.d[i + 1], work.stride[i + 1], b * WIDTH, rows, n, d)
        set_zero(along)
        for k in range(n):
            for r in range(WIDTH):
                along[r] = along[r] + y[k * WIDTH + r] * d[k * WIDTH + r]
        for r in range(WIDTH):
            along[r] = along[r] * kept[WIDTH + r]
        for k in range(n):
            for r in range(WIDTH):
                d[k * WIDTH + r] = kept[r] * (d[k * WIDTH + r] - y[k * WIDTH + r] * along[r])
        transpose_back(d, n, work.d[i] + b * WIDTH * WIDTH, work.stride[i])
        for k in range(panels(n)):
            finish_gradient(job.net, work, i, part.samples, k, b * WIDTH, least(rows, (b + 1) * WIDTH))
