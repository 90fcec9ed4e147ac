# Activations as operations of their own. Twins: fastnn/operations/activation.py.

cdef void elementwise_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at, n
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        n = (s.last - s.first) * WIDTH
        memcpy(work.a[i + 1] + at, work.a[i] + at, n * sizeof(real))
        elementwise_infer(job.net, op, s.panel, n, work.a[i + 1] + at)


cdef void elementwise_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at, n
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        n = (s.last - s.first) * WIDTH
        memcpy(work.d[i] + at, work.d[i + 1] + at, n * sizeof(real))
        if activation_of(op).backward != NULL:
            activation_of(op).backward(n, work.a[i if activation_of(op).keeps_input else i + 1] + at, work.d[i] + at,
                                       op.parameters)
        finish_gradient(job.net, work, i, part.samples, s.panel, s.first, s.last)


cdef void elementwise_infer(Network* net, Operation* op, Py_ssize_t panel, Py_ssize_t n, real* z) noexcept nogil:
    cdef Py_ssize_t r, k
    if activation_of(op).forward == NULL:
        return
    activation_of(op).forward(n, z, op.parameters)
    if activation_of(op).spoils_padding:
        for r in range(n // WIDTH):
            for k in range(columns_of(op.outputs, panel), WIDTH):
                z[r * WIDTH + k] = 0


cdef void prelu_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a = x where x > 0, else alpha x, with an alpha for each column."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at, n
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        n = (s.last - s.first) * WIDTH
        memcpy(work.a[i + 1] + at, work.a[i] + at, n * sizeof(real))
        prelu_infer(job.net, op, s.panel, n, work.a[i + 1] + at)


cdef void prelu_infer(Network* net, Operation* op, Py_ssize_t panel, Py_ssize_t n, real* z) noexcept nogil:
    cdef const real* alpha = net.arena + op.offset + panel * panel_size(op)
    cdef Py_ssize_t r, k
    for r in range(n // WIDTH):
        for k in range(WIDTH):
            z[r * WIDTH + k] = alpha[k] * z[r * WIDTH + k] if z[r * WIDTH + k] < 0 else z[r * WIDTH + k]


cdef void prelu_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """dx = da, or alpha da where x < 0, of a in prelu_infer; 0 at 0."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at, r, k
    cdef const real* alpha
    cdef const real* x
    cdef const real* d
    cdef real* dx
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        x, d, dx = work.a[i] + at, work.d[i + 1] + at, work.d[i] + at
        alpha = job.net.arena + op.offset + s.panel * panel_size(op)
        for r in range(s.last - s.first):
            for k in range(WIDTH):
                dx[k] = d[k] * (alpha[k] if x[k] < 0 else (1 if x[k] > 0 else 0))
            x, d, dx = x + WIDTH, d + WIDTH, dx + WIDTH
        finish_gradient(job.net, work, i, part.samples, s.panel, s.first, s.last)


cdef void prelu_sums(Workspace* work, Py_ssize_t i, Py_ssize_t p, Py_ssize_t rows, Looking* looking,
                     real* g) noexcept nogil:
    """Gradient of the alphas of one panel: sum of d x where x < 0."""
    cdef summands of = summands(work.a[i] + p * work.stride[i], work.d[i + 1] + p * work.stride[i + 1], NULL, NULL,
                                looks, looking)
    pairwise(sum_of_negative_products, 1, &of, 0, rows, g)


cdef void prelu_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    update_lines(job, i, part, prelu_sums)


cdef void rowwise_blocks(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t last,
                         Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t b
    for b in range(first, last):
        if interrupted(job, part.thread):
            return
        transpose_panel(work.a[i], work.stride[i], b * WIDTH, rows, op.outputs, part.scratch)
        activation_of(op).forward(op.outputs, part.scratch, op.parameters)
        transpose_back(part.scratch, op.outputs, work.a[i + 1] + b * WIDTH * WIDTH, work.stride[i + 1])


cdef void rowwise_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Py_ssize_t rows = part.samples * job.net.operations[i].positions_out, blocks = ceil_div(rows, WIDTH)
    rowwise_blocks(job, job.work, i, rows, share(blocks, part.thread, part.threads),
                   share(blocks, part.thread + 1, part.threads), part)


cdef void rowwise_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out, blocks = ceil_div(rows, WIDTH), b, k
    cdef real* d = part.scratch + (panels(op.outputs) + 1) * WIDTH * WIDTH
    for b in range(share(blocks, part.thread, part.threads), share(blocks, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        transpose_panel(work.a[i + 1], work.stride[i + 1], b * WIDTH, rows, op.outputs, part.scratch)
        transpose_panel(work.d[i + 1], work.stride[i + 1], b * WIDTH, rows, op.outputs, d)
        activation_of(op).backward(op.outputs, part.scratch, d, op.parameters)
        transpose_back(d, op.outputs, work.d[i] + b * WIDTH * WIDTH, work.stride[i])
        for k in range(panels(op.outputs)):
            finish_gradient(job.net, work, i, part.samples, k, b * WIDTH, least(rows, (b + 1) * WIDTH))


cdef void rowwise_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out
    rowwise_blocks(job, work, i, rows, 0, ceil_div(rows, WIDTH), part)
    go_on_all(job, work, i, joined, part)
