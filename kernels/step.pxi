# One training step: the phases in order, and the barriers between them.

cdef void gather_share(Job* job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, int thread) noexcept nogil:
    cdef Py_ssize_t end
    while first < last and not interrupted(job, thread):
        end = least(first + least(GATHERED, 1 + LOOK_LINES * WIDTH // job.x.columns), last)
        gather(job, job.work, start, first, end, thread)
        if job.augmentation != NULL:
            augment_lines(job.augmentation, job.seed, start + first, end - first, job.work.given + first * WIDTH,
                          job.work.given_stride, job.work.scratch + thread * job.work.scratch_size)
        spread(job, job.work, first, end, thread)
        first = end


cdef bint forward_phases(Job* job, Py_ssize_t step, Py_ssize_t start, Part* part) noexcept nogil:
    """The batch that begins at sample `start`, through the operations that training runs; False where it is too late."""
    cdef Network* net = job.net
    cdef OperationKernel* kind
    cdef Py_ssize_t i = 0, run
    if part.thread == 0 and step >= job.next_clock and job.until != 0:
        job.next_clock = step + job.every_clock
        if seconds() > job.until:
            job.losses[step] = 0
            pool_set(&job.late)
    gather_share(job, start, share(part.samples, part.thread, part.threads),
                 share(part.samples, part.thread + 1, part.threads), part.thread)
    prepare_products(net, job.work, net.trained, part.thread, part.threads)
    if job.sparse and part.thread == 0:
        turn_batch(job, start, part.samples)
    meet(job, part.thread, part.threads)
    if pool_is_set(&job.late):
        return False
    while i < net.trained:
        run = run_of_samples(net, i, net.trained)
        if run > 0:
            through_samples(job, job.work, i, run, share(part.samples, part.thread, part.threads),
                            share(part.samples, part.thread + 1, part.threads), part)
            meet(job, part.thread, part.threads)
            i += run
            continue
        kind = kind_of(&net.operations[i])
        kind.forward(job, i, part)
        # an elementwise operation goes on with the units that this thread has just computed, if it computed units
        if i + 1 == net.trained or not (kind_of(&net.operations[i + 1]).elementwise and kind.on_units):
            meet(job, part.thread, part.threads)
        i += 1
    return True


cdef void copy_arena(Job* job, int thread, int threads) noexcept nogil:
    """A thread's share of the copy to go back to: a finite loss has just proved these weights."""
    cdef Py_ssize_t lines = job.net.size * job.net.streams // WIDTH
    cdef Py_ssize_t first = share(lines, thread, threads) * WIDTH, end = share(lines, thread + 1, threads) * WIDTH
    memcpy(job.safe + first, job.net.arena + first, (end - first) * sizeof(real))


cdef void back_through_samples(Job* job, Py_ssize_t last, Py_ssize_t first, Part* part) noexcept nogil:
    """The gradients of the samples, each back through the operations from `last` to `first`."""
    cdef OperationKernel* kind
    cdef Py_ssize_t n, i
    if first > last:
        return
    for i in range(first, last + 1):
        kind = kind_of(&job.net.operations[i])
        if kind.prepare != NULL:
            kind.prepare(job, i, part)
    meet(job, part.thread, part.threads)
    for n in range(share(part.samples, part.thread, part.threads), share(part.samples, part.thread + 1, part.threads)):
        for i in range(last, first - 1, -1):
            if interrupted(job, part.thread):
                break
            kind_of(&job.net.operations[i]).sample_back(job, job.work, i, n, part)
    meet(job, part.thread, part.threads)


cdef Py_ssize_t go_back(Job* job, Py_ssize_t i, Py_ssize_t lowest, Part* part) noexcept nogil:
    """d[i] of d[i + 1], and on through the operations below that go together; returns the last, `lowest` at the least.

    Below the lowest operation nobody needs a gradient.
    """
    cdef Operation* operations = job.net.operations
    cdef Py_ssize_t first = i
    if kind_of(&operations[i]).sample != NULL:
        while first > lowest and kind_of(&operations[first - 1]).sample != NULL:
            first -= 1
        back_through_samples(job, i, max(first, lowest + 1), part)
    elif i > lowest:
        kind_of(&operations[i]).backward(job, i, part)
        meet(job, part.thread, part.threads)
    return first


cdef bint train_step(Job* job, Py_ssize_t step, int thread, int threads) noexcept nogil:
    """One step: gather, forward, loss, backward with update.

    False where the loss is not finite, where Ctrl-C has stopped a long step, or where the time of the call is over:
    then no weight has changed.
    """
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Py_ssize_t start = job.first + step * job.batch, i, first
    cdef Py_ssize_t rows = least(job.batch, job.total - start), blocks = ceil_div(rows, WIDTH)
    cdef Part part = Part(thread, threads, rows, job.iteration + step, job.scalars + step * job.scalars_per_step,
                          work.scratch + thread * work.scratch_size, False, start)
    cdef OperationKernel* kind
    cdef double added = 0
    cdef bint updates
    if thread == 0:  # nobody reads it before the next barrier
        job.penalty = 1 if job.penalties == NULL else job.penalties[2 * step]
    if job.half != BACKWARD and not forward_phases(job, step, start, &part):
        return False
    loss_blocks(job, work, start, share(blocks, thread, threads), share(blocks, thread + 1, threads), True, &part)
    meet(job, thread, threads)
    if job.half == FORWARD:
        return True
    if thread == 0:
        job.losses[step] = batch_loss(job, 0, rows) / rows  # the mean of the samples
    if pool_is_set(&job.bad):
        return False
    if step == 0 and job.safe != NULL:
        copy_arena(job, thread, threads)
        meet(job, thread, threads)
    i = net.trained - 1
    while i >= net.lowest:
        first = go_back(job, i, net.lowest, &part)
        while i >= first:
            kind = kind_of(&net.operations[i])
            if kind.update != NULL and net.operations[i].trainable:
                kind.update(job, i, &part)
            i -= 1
    meet(job, thread, threads)
    if stops(job, &part):  # the gradient is stored: no weight has changed yet
        return False
    if thread == 0 and net.penalized:
        for i in range(work.units):
            job.losses[step] += work.penalties[i]
            added += work.penalties[i]
        if job.penalties != NULL:
            job.penalties[2 * step + 1] = added
    if not job.update:
        return True
    updates = net.accumulates == 0 or (part.iteration + 1) % net.accumulates == 0
    if job.gradient != NULL and updates and not prepare_stored(job, &part):
        return False
    for i in range(net.trained):
        kind = kind_of(&net.operations[i])
        if kind.remember != NULL:
            kind.remember(job, i, &part)
    if job.gradient != NULL:
        if updates:
            update_stored(job, part.h, thread, threads)
        else:
            collect(job, False, part.h, thread, threads)
        meet(job, thread, threads)
    if net.overwrites != 0 and (part.iteration // max(1, net.accumulates) + 1) % net.overwrites == 0:
        overwrite(job, thread, threads)
        meet(job, thread, threads)
    if net.constrained:
        constrain(net, thread, threads)
        meet(job, thread, threads)
    return True


cdef double batch_loss(Job* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The samples' weighted losses and activity penalties over rows [first, last): pairwise, in the order of the samples."""
    cdef Network* net = job.net
    cdef Operation* op
    cdef double total = 0
    cdef Py_ssize_t i, r, k, middle = first + (last - first) // 2
    cdef double x
    if last - first > 64:
        return batch_loss(job, first, middle) + batch_loss(job, middle, last)
    for r in range(first, last):
        total += job.work.row_loss[r]
    for i in range(net.trained):
        op = &net.operations[i]
        if op.activity_penalty[0] == 0 and op.activity_penalty[1] == 0:
            continue
        for r in range(first * op.positions_out, last * op.positions_out):
            if interrupted(job, 0):
                break
            for k in range(op.outputs):
                x = job.work.a[i + 1][k // WIDTH * job.work.stride[i + 1] + r * WIDTH + k % WIDTH]
                total += op.activity_penalty[0] * fabs(x) + op.activity_penalty[1] * x * x
    return total


cdef void train_task(void* argument, int thread, int threads) noexcept nogil:
    cdef Job* job = <Job*>argument
    cdef Py_ssize_t step
    cdef unsigned mode = floating_mode()
    set_floating_mode(mode | NO_SUBNORMALS)
    for step in range(job.steps):
        if not train_step(job, step, thread, threads):
            break
        if thread == 0:
            job.done = step + 1
    set_floating_mode(mode)


# -- derivatives by the input --------------------------------------------------------------------------------------------

# What slope_task needs beside a job, whose `values` and `slope` it does not use.
cdef struct Slopes:
    Job* job
    const real* of_outputs  # (count, outputs of a sample): derivatives by them
    Py_ssize_t count
    real* out               # (samples, count, inputs of a sample)


cdef void slope_task(void* argument, int thread, int threads) noexcept nogil:
    """Derivatives of some sums of outputs by the inputs of a batch: one forward pass, a backward pass for each sum.

    The network's first operation changes nothing, so that d[1] is what is asked for.
    """
    cdef Slopes* slopes = <Slopes*>argument
    cdef Job* job = slopes.job
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* last = &net.operations[net.trained - 1]
    cdef Operation* first = &net.operations[0]
    cdef Py_ssize_t samples = least(job.batch, job.total - job.first), k, i, panel
    cdef Py_ssize_t outputs = last.outputs * last.positions_out, inputs = first.inputs * first.positions_in
    cdef Part part = Part(thread, threads, samples, job.iteration, NULL, work.scratch + thread * work.scratch_size, False,
                          job.first)
    if not forward_phases(job, 0, job.first, &part):
        return
    for k in range(slopes.count):
        for panel in range(share(panels(last.outputs), thread, threads), share(panels(last.outputs), thread + 1, threads)):
            spread_slope(last, slopes.of_outputs + k * outputs, panel, samples, work.d[net.trained], work.stride[net.trained])
            finish_gradient(net, work, net.trained, samples, panel, 0, samples * last.positions_out)
        meet(job, thread, threads)
        i = net.trained - 1
        while i > 0:
            i = go_back(job, i, 0, &part) - 1
        for i in range(share(samples, thread, threads), share(samples, thread + 1, threads)):
            take_slope(first, work.d[1], work.stride[1], i, slopes.out + (i * slopes.count + k) * inputs)
        meet(job, thread, threads)


cdef void spread_slope(Operation* op, const real* slope, Py_ssize_t panel, Py_ssize_t samples, real* d,
                       Py_ssize_t stride) noexcept nogil:
    """The same derivative by the outputs of each sample, into a panel of d."""
    cdef Py_ssize_t r, c, columns = columns_of(op.outputs, panel)
    cdef real* line
    for r in range(samples * op.positions_out):
        line = d + panel * stride + r * WIDTH
        for c in range(WIDTH):
            line[c] = slope[r % op.positions_out * op.outputs + panel * WIDTH + c] if c < columns else 0


cdef void take_slope(Operation* op, const real* d, Py_ssize_t stride, Py_ssize_t sample, real* out) noexcept nogil:
    """The derivative by the inputs of one sample, from the panels of d."""
    cdef Py_ssize_t r, c
    for r in range(op.positions_in):
        for c in range(op.inputs):
            out[r * op.inputs + c] = d[c // WIDTH * stride + (sample * op.positions_in + r) * WIDTH + c % WIDTH]


cdef bint all_finite(Network* net, const double* losses, Py_ssize_t steps) noexcept:
    """Whether steps have left finite losses and finite weights: the losses of samples alone need not show it."""
    cdef Py_ssize_t k
    cdef double strange_loss = 0
    cdef real strange = 0
    for k in range(steps):
        strange_loss = strange_loss + (losses[k] - losses[k])
    for k in range(net.size):
        strange = strange + (net.arena[k] - net.arena[k])
    return strange_loss == 0 and strange == 0
