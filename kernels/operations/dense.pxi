# The product of a dense layer, with the activation that the program has joined to it. Twin: fastnn/operations/dense.py.

cdef enum:
    UPDATE_PANELS = 3  # inputs / WIDTH of the gradient block that stays in the first-level cache until its update
    ROW_PANELS = 64    # panels that one row goes through between two looks for Ctrl-C


cdef void dense_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a[i + 1] = f(a[i] W + b): the activation while z is in the cache."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef const real* w
    cdef real* z
    cdef Py_ssize_t n
    while next_piece(&s) and not interrupted(job, part.thread):
        w = net.arena + op.offset + s.panel * panel_size(op)
        z = work.a[i + 1] + s.panel * work.stride[i + 1] + s.first * WIDTH
        n = s.last - s.first
        forward_panel(n, work.a[i] + s.first * WIDTH, work.stride[i], w, op.inputs, w + op.inputs * WIDTH, z)
        activate(op, work, i, n * WIDTH, z)


cdef inline void activate(Operation* op, Workspace* work, Py_ssize_t i, Py_ssize_t n, real* z) noexcept nogil:
    """The elementwise activation of a part of a[i + 1], in place; keeps z where the derivative needs it."""
    if activation_of(op).forward == NULL:
        return
    if activation_of(op).keeps_input and work.kept[i] != NULL:
        memcpy(work.kept[i] + (z - work.a[i + 1]), z, n * sizeof(real))
    activation_of(op).forward(n, z, op.parameters)


cdef Py_ssize_t dense_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """z, for an activation whose derivative needs it."""
    return panels(op.outputs) * stride if activation_of(op).keeps_input else 0


cdef void dense_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] = d[i + 1] W^T (of z = a W + b in dense_forward), one panel's worth of W transposed at a time."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s = share_of(op.inputs, part.samples * op.positions_in, part)
    cdef Py_ssize_t n
    cdef real[64] zero
    set_zero(zero)
    while next_piece(&s) and not interrupted(job, part.thread):
        transpose_panel(net.arena + op.offset, panel_size(op), s.panel * WIDTH, op.inputs, op.outputs, part.scratch)
        n = s.last - s.first
        forward_panel(n, work.d[i + 1] + s.first * WIDTH, work.stride[i + 1], part.scratch, op.outputs, zero,
                      work.d[i] + s.panel * work.stride[i] + s.first * WIDTH)
        finish_gradient(net, work, i, part.samples, s.panel, s.first, s.last)


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
    cdef soon next = soon(NULL, job.net.size, 0 if job.gradient != NULL else job.net.streams)
    while unit < end and not interrupted(job, part.thread):
        panel = unit // groups
        first = unit % groups
        last = least(least(groups, first + UPDATE_PANELS), first + end - unit)
        d = work.d[i + 1] + panel * work.stride[i + 1]
        position = op.offset + panel * panel_size(op)
        for k in range(first, last):
            interrupted(job, part.thread)  # many rows make a long sum
            n = least(WIDTH, op.inputs - k * WIDTH)
            next.weights = job.net.arena + position + k * WIDTH * WIDTH
            gradient_panel(n, work.a[i] + k * work.stride[i], d, rows, g + (k - first) * WIDTH * WIDTH, next)
            if job.net.penalized:
                penalty[panel * (groups + 1) + k] = add_penalty(job, op.kernel_penalty, position + k * WIDTH * WIDTH,
                                                                n * WIDTH, g + (k - first) * WIDTH * WIDTH)
        hand_over(job, position + first * WIDTH * WIDTH, (least(op.inputs, last * WIDTH) - first * WIDTH) * WIDTH, g,
                  part.h)
        if last == groups and op.bias:
            bias_gradient(d, rows, g)
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
    cdef const real* bias = w + op.inputs * WIDTH
    cdef real* z = work.a[i + 1]
    cdef Py_ssize_t rows = part.samples * op.positions_out, r, panel
    if rows <= 2:
        for r in range(rows):
            panel = 0
            while panel < panels(op.outputs) and not interrupted(job, part.thread):
                forward_row(work.a[i] + r * WIDTH, work.stride[i], w + panel * panel_size(op), panel_size(op),
                            least(ROW_PANELS, panels(op.outputs) - panel), op.inputs, bias + panel * panel_size(op),
                            panel_size(op), z + panel * work.stride[i + 1] + r * WIDTH, work.stride[i + 1])
                panel += ROW_PANELS
    for panel in range(panels(op.outputs)):
        if interrupted(job, part.thread):
            return
        if rows > 2:
            forward_panel(rows, work.a[i], work.stride[i], w, op.inputs, bias, z)
        activate(op, work, i, rows * WIDTH, z)
        add_row_penalty(op, work, i, panel, part.samples)
        go_on(net, work, i, joined, panel, part.samples)
        w += panel_size(op)
        bias += panel_size(op)
        z += work.stride[i + 1]
