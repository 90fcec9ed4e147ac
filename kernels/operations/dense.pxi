# The product of a dense layer, with the activation that the program has joined to it. Twin: fastnn/operations/dense.py.

cdef enum:
    LONG = 1024        # rows whose products are added up one after another
    UPDATE_PANELS = 3  # inputs / WIDTH of the gradient block that stays in the first-level cache until its update
    NEAR = 1 << 23     # bytes of weights and slots that the hardware fetches fast enough by itself
    ROW_PANELS = 64    # panels that one row goes through between two looks for Ctrl-C


cdef inline Py_ssize_t depth_of(Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t rows) noexcept nogil:
    """Inputs of a block of a product. A panel that fits the cache, or that all rows pass at once, needs no blocks."""
    return DEPTH if outputs == 1 or (inputs > 4 * DEPTH and rows > TILE) else inputs


cdef void dense_block(const real* w, Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t panel, Py_ssize_t first,
                      Py_ssize_t depth, Py_ssize_t rows, const real* a, Py_ssize_t stride, real* z) noexcept nogil:
    """z = b + a W for some rows, one panel of W and the inputs [first, first + depth); behind the first block z += a W.

    w: all panels of W, each with the line of its biases at the end.
    """
    w += panel * (inputs + 1) * WIDTH
    cdef const real* start = w + inputs * WIDTH if first == 0 else z
    cdef Py_ssize_t ss = 0 if first == 0 else WIDTH
    depth = least(depth, inputs - first)
    a += first // WIDTH * stride
    w += first * WIDTH
    if outputs == 1:
        forward_dot(rows, a, stride, w, depth, start, ss, z)
    else:
        forward_panel(rows, columns_of(outputs, panel), a, stride, w, depth, start, ss, z)


cdef void dense_gradient(Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t panel, Py_ssize_t group, const real* a,
                         const real* d, Py_ssize_t rows, real* g, soon next) noexcept nogil:
    """g = a^T d for one panel of a, the `group`-th, and one of d; of many rows pairwise: docs/decisions/long-sums.md."""
    cdef real[256] right
    cdef Py_ssize_t half = ceil_div(rows, 2 * LONG) * LONG, k
    if rows > LONG:
        dense_gradient(inputs, outputs, panel, group, a, d, half, g, next)
        dense_gradient(inputs, outputs, panel, group, a + half * WIDTH, d + half * WIDTH, rows - half, right, next)
        for k in range(columns_of(inputs, group) * WIDTH):
            g[k] = g[k] + right[k]
    elif outputs == 1:
        gradient_column(columns_of(inputs, group), a, d, rows, g, next)
    else:
        gradient_panel(columns_of(inputs, group), columns_of(outputs, panel), a, d, rows, g, next)


cdef void dense_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a[i + 1] = f(a[i] W + b): the activation while z is in the cache."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s
    cdef real* z
    cdef Py_ssize_t rows = part.samples * op.positions_out, depth = depth_of(op.inputs, op.outputs, rows), first = 0, n
    cdef bint sparse = job.sparse and i == 0
    if sparse:
        depth = op.inputs
    while first < op.inputs:
        s = share_of(op.outputs, rows, part)
        while next_piece(&s) and not interrupted(job, part.thread):
            z = work.a[i + 1] + s.panel * work.stride[i + 1] + s.first * WIDTH
            n = s.last - s.first
            if sparse:
                sparse_block(job, op, s.panel, part.start + s.first, n, z)
            else:
                dense_block(net.arena + op.offset, op.inputs, op.outputs, s.panel, first, depth, n,
                            work.a[i] + s.first * WIDTH, work.stride[i], z)
            if first + depth >= op.inputs:
                activate(op, work, i, s.panel, n * WIDTH, z)
        first += depth


cdef inline void activate(Operation* op, Workspace* work, Py_ssize_t i, Py_ssize_t panel, Py_ssize_t n,
                          real* z) noexcept nogil:
    """The elementwise activation of a part of a[i + 1], in place; keeps z where the derivative needs it."""
    if activation_of(op).forward == NULL:
        return
    if activation_of(op).keeps_input and work.kept[i] != NULL:
        memcpy(work.kept[i] + (z - work.a[i + 1]), z, n * sizeof(real))
    elementwise_infer(NULL, op, panel, n, z)


cdef Py_ssize_t dense_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """z, for an activation whose derivative needs it."""
    return panels(op.outputs) * stride if activation_of(op).keeps_input else 0


cdef void dense_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] = d[i + 1] W^T (of z = a W + b in dense_forward), one panel's worth of W transposed at a time."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s
    cdef Py_ssize_t rows = part.samples * op.positions_in, depth = depth_of(op.outputs, 0, rows), first = 0
    cdef real* d
    cdef const real* start
    cdef real[64] zero
    set_zero(zero)
    while first < op.outputs:
        s = share_of(op.inputs, rows, part)
        while next_piece(&s) and not interrupted(job, part.thread):
            transpose_panel(net.arena + op.offset + first // WIDTH * panel_size(op), panel_size(op), s.panel * WIDTH,
                            op.inputs, least(depth, op.outputs - first), part.scratch)
            d = work.d[i] + s.panel * work.stride[i] + s.first * WIDTH
            start = d
            if first == 0:
                start = zero
            forward_panel(s.last - s.first, columns_of(op.inputs, s.panel),
                          work.d[i + 1] + first // WIDTH * work.stride[i + 1] + s.first * WIDTH, work.stride[i + 1],
                          part.scratch, least(depth, op.outputs - first), start, 0 if first == 0 else WIDTH, d)
            if first + depth >= op.outputs:
                finish_gradient(net, work, i, part.samples, s.panel, s.first, s.last)
        first += depth


cdef void dense_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """G = a[i]^T d[i + 1], block by block into scratch, each block handed to the optimizer while it is in the cache."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t groups = panels(op.inputs), rows = part.samples * op.positions_out, first, last, panel, k, position, n
    cdef Py_ssize_t unit = share(panels(op.outputs) * groups, part.thread, part.threads)
    cdef Py_ssize_t end = share(panels(op.outputs) * groups, part.thread + 1, part.threads)
    cdef real* g = part.scratch
    cdef double* penalty = work.penalty[i]
    cdef const real* d
    cdef Looking looking = Looking(job, part.thread)
    cdef bint sparse = job.sparse and i == 0
    if sparse and skips(job, op, part.h):
        sparse_update(job, op, part)
        return
    cdef bint far = job.gradient == NULL and job.net.streams * job.net.size * sizeof(real) > NEAR
    cdef soon next = soon(NULL, job.net.size, job.net.streams if far else 0)
    while unit < end and not interrupted(job, part.thread):
        panel = unit // groups
        first = unit % groups
        last = least(least(groups, first + UPDATE_PANELS), first + end - unit)
        d = work.d[i + 1] + panel * work.stride[i + 1]
        position = op.offset + panel * panel_size(op)
        for k in range(first, last):
            interrupted(job, part.thread)  # many rows make a long sum
            n = columns_of(op.inputs, k)
            next.weights = job.net.arena + position + k * WIDTH * WIDTH
            if sparse:
                sparse_gradient(job, k * WIDTH, k * WIDTH + n, d, g + (k - first) * WIDTH * WIDTH)
            else:
                dense_gradient(op.inputs, op.outputs, panel, k, work.a[i] + k * work.stride[i], d, rows,
                               g + (k - first) * WIDTH * WIDTH, next)
            if job.net.penalized:
                penalty[panel * (groups + 1) + k] = add_penalty(job, op.kernel_penalty, position + k * WIDTH * WIDTH,
                                                                n * WIDTH, g + (k - first) * WIDTH * WIDTH)
        hand_over(job, position + first * WIDTH * WIDTH, (least(op.inputs, last * WIDTH) - first * WIDTH) * WIDTH, g,
                  part.h)
        if last == groups and op.bias:
            bias_gradient(d, rows, g, looks, &looking)
            position += op.inputs * WIDTH
            if job.net.penalized:
                penalty[panel * (groups + 1) + groups] = add_penalty(job, op.bias_penalty, position, WIDTH, g)
            hand_over(job, position, WIDTH, g, part.h)
        unit += last - first


cdef void dense_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    """The product and the `joined` operations behind it, panel by panel.

    One or two rows go through tiles that are wide in columns: a row alone would wait for each sum in turn.
    """
    cdef Network* net = job.net
    cdef Operation* op = &net.operations[i]
    cdef const real* w = net.arena + op.offset
    cdef real* z
    cdef Py_ssize_t rows = part.samples * op.positions_out, first = 0, begin = 0, end = panels(op.outputs), r, panel
    cdef Py_ssize_t depth = depth_of(op.inputs, op.outputs, rows)
    cdef bint sparse = job.sparse and i == 0, wide = rows <= 2 and op.outputs > 1 and not sparse
    if sparse:
        depth = op.inputs
    if part.together:
        begin, end = share(end, part.thread, part.threads), share(end, part.thread + 1, part.threads)
    if wide:
        for r in range(rows):
            panel = begin
            while panel < end and not interrupted(job, part.thread):
                z = work.a[i + 1] + panel * work.stride[i + 1] + r * WIDTH
                forward_row(work.a[i] + r * WIDTH, work.stride[i], w + panel * panel_size(op), panel_size(op),
                            least(ROW_PANELS, end - panel), op.inputs, w + panel * panel_size(op) + op.inputs * WIDTH,
                            panel_size(op), z, work.stride[i + 1])
                panel += ROW_PANELS
    while first < op.inputs:
        for panel in range(begin, end):
            if interrupted(job, part.thread):
                return
            z = work.a[i + 1] + panel * work.stride[i + 1]
            if sparse:
                sparse_block(job, op, panel, part.start, rows, z)
            elif not wide:
                dense_block(w, op.inputs, op.outputs, panel, first, depth, rows, work.a[i], work.stride[i], z)
            if first + depth >= op.inputs:
                activate(op, work, i, panel, rows * WIDTH, z)
                add_row_penalty(op, work, i, panel, part.samples)
                go_on(net, work, i, joined, panel, part.samples)
        first += depth
