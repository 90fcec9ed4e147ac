# What happens to the gradients of weights: penalties, clipping, the optimizer's step, constraints.

cdef double add_penalty(Job* job, const double* l1_l2, Py_ssize_t position, Py_ssize_t n, real* g) noexcept nogil:
    """Adds the derivative of the penalty of n weights to g, and returns the penalty."""
    cdef const real* w = job.net.arena + position
    cdef double total = 0, l1 = l1_l2[0] * job.penalty, l2 = l1_l2[1] * job.penalty
    cdef Py_ssize_t k
    if l2 != 0:
        total = l2 * penalize_squares(n, w, g, <real>l2)
    if l1 != 0:
        penalize_absolute(n, w, g, <real>l1)
        for k in range(n):
            total += l1 * real_fabs(w[k])
    return total


cdef void hand_over(Job* job, Py_ssize_t position, Py_ssize_t n, real* g, const real* h) noexcept nogil:
    """Gives n gradients for the weights at `position` of the arena to the optimizer, or stores them for later."""
    if job.gradient == NULL:
        update_part(job, position, n, g, h)
    else:
        memcpy(job.gradient + position, g, n * sizeof(real))


cdef void update_part(Job* job, Py_ssize_t position, Py_ssize_t n, real* g, const real* h) noexcept nogil:
    """One step of the optimizer, with clipping before and decay and averaging around it."""
    cdef Network* net = job.net
    cdef real* w = net.arena + position
    cdef real decay = h[job.scalars_per_step - 1]
    if net.clip_value != 0:
        clip_values(n, g, <real>net.clip_value)
    if decay != 1:
        scale_values(n, w, decay)
    net.update(n, w, g, w + net.size, w + 2 * net.size, w + 3 * net.size, h)
    if net.ema_slot != 0:
        average(n, w, w + net.ema_slot * net.size, h[job.scalars_per_step - 2])


cdef void measure_gradient(Job* job, int thread, int threads) noexcept nogil:
    """Norms of the stored gradient, of each panel: kernel and bias apart."""
    cdef Network* net = job.net
    cdef Operation* op
    cdef Py_ssize_t i, p, panel = 0
    cdef const real* g
    for i in range(net.trained):
        op = &net.operations[i]
        if not is_trained(op):
            continue
        for p in range(share(panels(op.outputs), thread, threads), share(panels(op.outputs), thread + 1, threads)):
            g = job.gradient + op.offset + p * panel_size(op)
            job.work.norm[2 * (panel + p)] = norm(op.kernel_rows * WIDTH, g)
            job.work.norm[2 * (panel + p) + 1] = norm(WIDTH, g + op.kernel_rows * WIDTH)
        panel += panels(op.outputs)


cdef inline bint is_trained(Operation* op) noexcept nogil:
    """Whether the operation has weights that training changes."""
    return op.kernel_rows != 0 and op.trainable


cdef inline bint clips_norm(Network* net) noexcept nogil:
    return net.clip_norm != 0 or net.global_clip_norm != 0


cdef double joined_norm(const double* norms, Py_ssize_t count, Py_ssize_t distance) noexcept nogil:
    """The norm of a vector from those of its parts, scaled by the largest: squares of large ones are infinite."""
    cdef double most = 0, total = 0
    cdef Py_ssize_t k
    for k in range(count):
        most = norms[k * distance] if not norms[k * distance] <= most else most  # NaN stays
    if not 0 < most < INFINITY:
        return most
    for k in range(count):
        total += (norms[k * distance] / most) * (norms[k * distance] / most)
    return most * sqrt(total)


cdef void shorten(double limit, double length, Py_ssize_t n, reals_out g) noexcept nogil:
    """Scales a gradient of some norm to the allowed one. In double: the factor may be less than the smallest float32."""
    cdef Py_ssize_t i
    if length > limit:
        for i in range(n):
            g[i] = <real>(g[i] * (limit / length))


cdef void update_stored(Job* job, const real* h, int thread, int threads) noexcept nogil:
    """The optimizer's step on the stored gradient, scaled to the allowed norm if there is one: of each variable or of all."""
    cdef Network* net = job.net
    cdef Operation* op
    cdef Py_ssize_t i, p, panel = 0, n
    cdef double kernel, bias, whole = 0
    cdef double* norms = job.work.norm
    cdef real* g
    if net.global_clip_norm != 0:
        for i in range(net.trained):
            panel += panels(net.operations[i].outputs) if is_trained(&net.operations[i]) else 0
        whole = joined_norm(norms, 2 * panel, 1)
    panel = 0
    for i in range(net.trained):
        op = &net.operations[i]
        if not is_trained(op):
            continue
        n = op.kernel_rows * WIDTH
        kernel = bias = whole
        if net.clip_norm != 0:
            kernel = joined_norm(norms + 2 * panel, panels(op.outputs), 2)
            bias = joined_norm(norms + 2 * panel + 1, panels(op.outputs), 2)
        for p in range(share(panels(op.outputs), thread, threads), share(panels(op.outputs), thread + 1, threads)):
            g = job.gradient + op.offset + p * panel_size(op)
            if clips_norm(net):
                shorten(net.clip_norm + net.global_clip_norm, kernel, n, g)
                shorten(net.clip_norm + net.global_clip_norm, bias, WIDTH, g + n)
            update_part(job, op.offset + p * panel_size(op), n, g, h)
            if op.bias:
                update_part(job, op.offset + p * panel_size(op) + n, WIDTH, g + n, h)
        panel += panels(op.outputs)


cdef inline double to_bounds(double norm, const double* bounds) noexcept nogil:
    """What brings weights of some norm into bounds: 1 for zeros and for NaN."""
    cdef double wanted = bounds[0] if norm < bounds[0] else (bounds[1] if norm > bounds[1] else norm)
    wanted = bounds[2] * wanted + (1 - bounds[2]) * norm
    return wanted / norm if norm > 0 and (wanted < norm or wanted > norm) else 1


cdef void constrain_lines(real* w, Operation* op, Py_ssize_t n, int64_t kind, int64_t along, const double* bounds,
                          int thread, int threads) noexcept nogil:
    """Puts n lines of weights, those at w and in the panels behind it, back into their allowed set.

    Norms that cross the panels are few: the first thread does them alone.
    """
    cdef Py_ssize_t count = panels(op.outputs), size = panel_size(op), lines = n if along == 2 else 1, p, k, r, i
    cdef double[64] factors
    cdef double whole
    if kind == LIMITED_NORM and along != 0:
        for i in range(n // lines if thread == 0 else 0):
            r = i * lines
            whole = 0
            for p in range(count):
                whole = hypot(whole, norm(lines * WIDTH, w + p * size + r * WIDTH))
            whole = to_bounds(whole, bounds)
            for p in range(count):
                for k in range(r * WIDTH, (r + lines) * WIDTH):
                    w[p * size + k] = <real>(w[p * size + k] * whole)
        return
    for p in range(share(count, thread, threads), share(count, thread + 1, threads)):
        if kind == NON_NEGATIVE:
            for k in range(n * WIDTH):
                w[p * size + k] = 0 if w[p * size + k] < 0 else w[p * size + k]
            continue
        column_norms(n, w + p * size, factors)
        for r in range(WIDTH):
            factors[r] = to_bounds(factors[r], bounds)
        for k in range(n):
            for r in range(WIDTH):
                w[p * size + k * WIDTH + r] = <real>(w[p * size + k * WIDTH + r] * factors[r])


cdef void constrain(Network* net, int thread, int threads) noexcept nogil:
    """Puts kernels and biases back into their allowed sets after an update."""
    cdef Operation* op
    cdef Py_ssize_t i
    cdef real* w
    for i in range(net.trained):
        op = &net.operations[i]
        w = net.arena + op.offset
        if op.constraint != 0 and is_trained(op):
            constrain_lines(w, op, op.kernel_rows, op.constraint, op.along, op.bounds, thread, threads)
        if op.bias_constraint != 0 and is_trained(op):
            constrain_lines(w + op.kernel_rows * WIDTH, op, 1, op.bias_constraint, 2, op.bias_bounds, thread, threads)
