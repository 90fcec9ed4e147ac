# What happens to the gradients of weights: penalties, clipping, the optimizer's step, constraints.

cdef double add_penalty(Job* job, const double* l1_l2, Py_ssize_t position, Py_ssize_t n, real* g) noexcept nogil:
    """Adds the derivative of the penalty of n weights to g, and returns the penalty."""
    cdef const real* w = job.net.arena + position
    cdef double total = 0
    cdef Py_ssize_t k
    if l1_l2[1] != 0:
        total = l1_l2[1] * penalize_squares(n, w, g, <real>l1_l2[1])
    if l1_l2[0] != 0:
        penalize_absolute(n, w, g, <real>l1_l2[0])
        for k in range(n):
            total += l1_l2[0] * real_fabs(w[k])
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
    """Sums of squares of the stored gradient, of each panel: kernel and bias apart."""
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
            job.work.norm[2 * (panel + p)] = sum_of_squares(op.kernel_rows * WIDTH, g)
            job.work.norm[2 * (panel + p) + 1] = sum_of_squares(WIDTH, g + op.kernel_rows * WIDTH)
        panel += panels(op.outputs)


cdef inline bint is_trained(Operation* op) noexcept nogil:
    """Whether the operation has weights that training changes."""
    return op.kernel_rows != 0 and op.trainable


cdef inline bint clips_norm(Network* net) noexcept nogil:
    return net.clip_norm != 0 or net.global_clip_norm != 0


cdef double clip_factor(Network* net, double whole, double own) noexcept nogil:
    """What shortens a gradient to the allowed norm, from the squares of all gradients' norm and of the variable's own."""
    cdef double limit = net.global_clip_norm if net.global_clip_norm != 0 else net.clip_norm
    cdef double norm = sqrt(whole if net.global_clip_norm != 0 else own)
    return limit / norm if norm > limit else 1


cdef void update_stored(Job* job, const real* h, int thread, int threads) noexcept nogil:
    """The optimizer's step on the stored gradient, scaled to the allowed norm if there is one: of each variable or of all."""
    cdef Network* net = job.net
    cdef Operation* op
    cdef Py_ssize_t i, p, panel = 0, n
    cdef double kernel, bias, total = 0
    cdef real* g
    for i in range(net.trained):
        op = &net.operations[i]
        if is_trained(op):
            for p in range(2 * panels(op.outputs)):
                total += job.work.norm[2 * panel + p]
            panel += panels(op.outputs)
    panel = 0
    for i in range(net.trained):
        op = &net.operations[i]
        if not is_trained(op):
            continue
        kernel = bias = 0
        for p in range(panels(op.outputs)):
            kernel += job.work.norm[2 * (panel + p)]
            bias += job.work.norm[2 * (panel + p) + 1]
        n = op.kernel_rows * WIDTH
        for p in range(share(panels(op.outputs), thread, threads), share(panels(op.outputs), thread + 1, threads)):
            g = job.gradient + op.offset + p * panel_size(op)
            if clips_norm(net):
                scale_values(n, g, <real>clip_factor(net, total, kernel))
                scale_values(WIDTH, g + n, <real>clip_factor(net, total, bias))
            update_part(job, op.offset + p * panel_size(op), n, g, h)
            if op.bias:
                update_part(job, op.offset + p * panel_size(op) + n, WIDTH, g + n, h)
        panel += panels(op.outputs)


cdef void constrain(Network* net, int thread, int threads) noexcept nogil:
    """Puts kernels back into their allowed set after an update."""
    cdef Operation* op
    cdef Py_ssize_t i, p, k, r, n
    cdef real* w
    cdef real[64] norm
    for i in range(net.trained):
        op = &net.operations[i]
        n = op.kernel_rows
        if op.constraint == 0 or not is_trained(op):
            continue
        for p in range(share(panels(op.outputs), thread, threads), share(panels(op.outputs), thread + 1, threads)):
            w = net.arena + op.offset + p * panel_size(op)
            if op.constraint == NON_NEGATIVE:
                for k in range(n * WIDTH):
                    w[k] = 0 if w[k] < 0 else w[k]
                continue
            set_zero(norm)  # MAX_NORM: of the weights into each output
            for k in range(n):
                for r in range(WIDTH):
                    norm[r] = norm[r] + w[k * WIDTH + r] * w[k * WIDTH + r]
            for r in range(WIDTH):
                norm[r] = real_sqrt(norm[r])
                norm[r] = <real>op.limit / norm[r] if norm[r] > <real>op.limit else 1
            for k in range(n):
                for r in range(WIDTH):
                    w[k * WIDTH + r] = w[k * WIDTH + r] * norm[r]
