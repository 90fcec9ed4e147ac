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


ctypedef void (*LineSums)(Workspace* work, Py_ssize_t i, Py_ssize_t p, Py_ssize_t rows, Looking* looking,
                          real* g) noexcept nogil


cdef inline Py_ssize_t first_panel(Operation* op, int thread, int threads) noexcept nogil:
    """Threads divide what is summed over whole columns by panels: thread number `thread` begins with this one."""
    return share(panels(op.outputs), thread, threads)


cdef void update_lines(Job* job, Py_ssize_t i, Part* part, LineSums sums) noexcept nogil:
    """Gradients of an operation's line of factors and of its bias, one behind the other in `sums`, to the optimizer."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t groups = panels(op.kernel_rows), p, position
    cdef double* penalty = job.work.penalty[i]
    cdef Looking looking = Looking(job, part.thread)
    for p in range(first_panel(op, part.thread, part.threads), first_panel(op, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        sums(job.work, i, p, part.samples * op.positions_out, &looking, part.scratch)
        position = op.offset + p * panel_size(op)
        if op.kernel_rows:
            if job.net.penalized:
                penalty[p * (groups + 1)] = add_penalty(job, op.kernel_penalty, position, WIDTH, part.scratch)
            hand_over(job, position, WIDTH, part.scratch, part.h)
        if op.bias:
            position += op.kernel_rows * WIDTH
            if job.net.penalized:
                penalty[p * (groups + 1) + groups] = add_penalty(job, op.bias_penalty, position, WIDTH, part.scratch + WIDTH)
            hand_over(job, position, WIDTH, part.scratch + WIDTH, part.h)


cdef void update_part(Job* job, Py_ssize_t position, Py_ssize_t n, real* g, const real* h) noexcept nogil:
    """One step of the optimizer, with clipping before and decay and averaging around it."""
    update_by(job, job.net.update, position, n, g, h)


cdef inline void update_by(Job* job, Update update, Py_ssize_t position, Py_ssize_t n, real* g,
                           const real* h) noexcept nogil:
    cdef Network* net = job.net
    cdef real* w = net.arena + position
    cdef real decay = h[job.scalars_per_step - 1]
    if net.clip_value != 0:
        clip_values(n, g, <real>net.clip_value)
    if decay != 1:
        scale_values(n, w, decay)
    update(n, w, g, w + net.size, w + 2 * net.size, w + 3 * net.size, h)
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
            job.work.norm[2 * (panel + p) + 1] = norm(WIDTH, g + op.kernel_rows * WIDTH) if op.bias else 0
        panel += panels(op.outputs)


cdef inline bint is_trained(Operation* op) noexcept nogil:
    """Whether the operation has weights that training changes."""
    return (op.kernel_rows != 0 or op.bias) and op.trainable


cdef inline bint clips_norm(Network* net) noexcept nogil:
    return net.clip_norm != 0 or net.global_clip_norm != 0


cdef inline bint stores_gradient(Network* net) noexcept nogil:
    """Whether an update needs the whole gradient first."""
    return clips_norm(net) or net.single or net.accumulates != 0


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


# A kernel or a bias: its lines in each panel of the operation's weights.
cdef struct Variable:
    Operation* op
    Py_ssize_t at         # of its first line in the arena
    Py_ssize_t lines      # of a panel
    Py_ssize_t matrices   # that the optimizer sees in it, 0: a vector
    bint decays
    double* factor        # of the optimizer's rate


cdef bint variable_of(Job* job, Py_ssize_t i, int which, Variable* v) noexcept nogil:
    """The kernel (0) or the bias (1) of an operation; False where training changes none."""
    cdef Operation* op = &job.net.operations[i]
    if not is_trained(op) or not (op.bias if which == 1 else op.kernel_rows):
        return False
    v.op = op
    v.at = op.offset + which * op.kernel_rows * WIDTH
    v.lines = 1 if which == 1 else op.kernel_rows
    v.matrices = 0 if which == 1 else op.matrices
    v.decays = op.bias_decays if which == 1 else op.kernel_decays
    v.factor = NULL if job.work == NULL else job.work.factor + 2 * i + which
    return True


cdef inline Py_ssize_t panel_at(Variable* v, Py_ssize_t p) noexcept nogil:
    """Where its p-th panel begins in the arena, and in the stored gradient."""
    return v.at + p * panel_size(v.op)


cdef void clip_stored(Job* job, int thread, int threads) noexcept nogil:
    """Scales the stored gradient to the allowed norm: of each variable or of all."""
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
            shorten(net.clip_norm + net.global_clip_norm, kernel, n, g)
            shorten(net.clip_norm + net.global_clip_norm, bias, WIDTH if op.bias else 0, g + n)
        panel += panels(op.outputs)


cdef void collect(Job* job, bint updates, const real* h, int thread, int threads) noexcept nogil:
    """Gradients of several steps: their mean, where this step updates, else their sum so far."""
    cdef Network* net = job.net
    cdef Variable v
    cdef Py_ssize_t i, p, k, n
    cdef int which
    cdef real many = <real>net.accumulates
    cdef real* g
    cdef real* sums
    for i in range(net.trained):
        for which in range(2):
            if not variable_of(job, i, which, &v):
                continue
            n = v.lines * WIDTH
            for p in range(share(panels(v.op.outputs), thread, threads), share(panels(v.op.outputs), thread + 1, threads)):
                g = job.gradient + panel_at(&v, p)
                sums = net.arena + net.sum_slot * net.size + panel_at(&v, p)
                if updates:
                    for k in range(n):
                        g[k] = (g[k] + sums[k]) / many
                    continue
                for k in range(n):
                    sums[k] = sums[k] + g[k]
                if net.ema_slot != 0:
                    average(n, net.arena + panel_at(&v, p), net.arena + net.ema_slot * net.size + panel_at(&v, p),
                            h[job.scalars_per_step - 2])


cdef bint prepare_stored(Job* job, Part* part) noexcept nogil:
    """The stored gradient ready for ``update_stored``; False where Ctrl-C has stopped it: then no weight has changed."""
    cdef Network* net = job.net
    cdef Variable v
    cdef double factor
    cdef Py_ssize_t i
    cdef int which
    if net.accumulates != 0:
        collect(job, True, part.h, part.thread, part.threads)
        meet(job, part.thread, part.threads)  # clipping divides the gradient among the threads in another way
    if clips_norm(net):
        measure_gradient(job, part.thread, part.threads)
        meet(job, part.thread, part.threads)
        clip_stored(job, part.thread, part.threads)
    if net.optimizer.survey == NULL:
        return True
    if net.clip_value != 0:
        for i in range(share(net.size // WIDTH, part.thread, part.threads),
                       share(net.size // WIDTH, part.thread + 1, part.threads)):
            clip_values(WIDTH, job.gradient + i * WIDTH, <real>net.clip_value)
    meet(job, part.thread, part.threads)
    if stops(job, part):
        return False
    for i in range(net.trained):
        for which in range(2):
            if variable_of(job, i, which, &v):
                factor = net.optimizer.survey(job, &v, part.h, part)  # the same to all threads
                if part.thread == 0:
                    v.factor[0] = factor
    meet(job, part.thread, part.threads)
    return not stops(job, part)


cdef inline bint stops(Job* job, Part* part) noexcept nogil:
    """Whether Ctrl-C or an error in a formula has stopped a long step: the same to all threads."""
    if not job.long_steps:
        return False
    job.pool.wait(part.threads, NULL, NULL)  # now nobody sets the flag
    return pool_is_set(&job.stop) or pool_is_set(job.net.failed)


cdef void update_stored(Job* job, const real* h, int thread, int threads) noexcept nogil:
    """The optimizer's step on the stored gradient, kernel by kernel and bias by bias."""
    cdef Network* net = job.net
    cdef Variable v
    cdef real[32] own
    cdef const real* numbers = h
    cdef Update update = net.update
    cdef Py_ssize_t i, p, last = job.scalars_per_step - 1
    cdef int which
    for i in range(net.trained):
        for which in range(2):
            if not variable_of(job, i, which, &v):
                continue
            if net.single:
                memcpy(own, h, job.scalars_per_step * sizeof(real))
                numbers = own
                if net.optimizer.survey != NULL:
                    own[0] = <real>(own[0] * v.factor[0])
                if net.optimizer.vector_decay != 0 and v.matrices == 0:
                    own[last] = own[net.optimizer.vector_decay]
                if not v.decays:
                    own[last] = 1
                update = net.update
                if v.matrices != 0 and net.optimizer.update_matrix != NULL:
                    update = net.optimizer.update_matrix
            for p in range(share(panels(v.op.outputs), thread, threads), share(panels(v.op.outputs), thread + 1, threads)):
                update_by(job, update, panel_at(&v, p), v.lines * WIDTH, job.gradient + panel_at(&v, p), numbers)
                if net.accumulates != 0:
                    memset(net.arena + net.sum_slot * net.size + panel_at(&v, p), 0, v.lines * WIDTH * sizeof(real))


cdef void overwrite(Job* job, int thread, int threads) noexcept nogil:
    """The moving average becomes the weights."""
    cdef Network* net = job.net
    cdef Variable v
    cdef Py_ssize_t i, p
    cdef int which
    for i in range(net.trained):
        for which in range(2):
            if not variable_of(job, i, which, &v):
                continue
            for p in range(share(panels(v.op.outputs), thread, threads), share(panels(v.op.outputs), thread + 1, threads)):
                memcpy(net.arena + panel_at(&v, p), net.arena + net.ema_slot * net.size + panel_at(&v, p),
                       v.lines * WIDTH * sizeof(real))


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
