# One training step: the phases in order, and the barriers between them.

cdef void gather_share(Job* job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, int thread) noexcept nogil:
    cdef Py_ssize_t end
    while first < last and not interrupted(job, thread):
        end = least(first + GATHERED, last)
        gather(job, job.work, start, first, end)
        if job.augmentation != NULL:
            augment_lines(job.augmentation, job.seed, start + first, end - first, job.work.given + first * WIDTH,
                          job.work.given_stride, job.work.scratch + thread * job.work.scratch_size)
        spread(job.net, job.work, first, end)
        first = end


cdef bint forward_phases(Job* job, Py_ssize_t step, Py_ssize_t start, Part* part) noexcept nogil:
    """The batch that begins at sample `start`, through the operations that training runs; False where it is too late."""
    cdef Network* net = job.net
    cdef OperationKernel* kind
    cdef Py_ssize_t i
    if part.thread == 0 and step >= job.next_clock and job.until != 0:
        job.next_clock = step + job.every_clock
        if seconds() > job.until:
            job.losses[step] = 0
            pool_set(&job.late)
    gather_share(job, start, share(part.samples, part.thread, part.threads),
                 share(part.samples, part.thread + 1, part.threads), part.thread)
    meet(job, part.thread, part.threads)
    if pool_is_set(&job.late):
        return False
    for i in range(net.trained):
        kind = kind_of(&net.operations[i])
        kind.forward(job, i, part)
        # an elementwise operation goes on with the units that this thread has just computed, if it computed units
        if i + 1 == net.trained or not (kind_of(&net.operations[i + 1]).elementwise and kind.on_units):
            meet(job, part.thread, part.threads)
    return True


cdef void copy_arena(Job* job, int thread, int threads) noexcept nogil:
    """A thread's share of the copy to go back to: a finite loss has just proved these weights."""
    cdef Py_ssize_t lines = job.net.size * job.net.streams // WIDTH
    cdef Py_ssize_t first = share(lines, thread, threads) * WIDTH, end = share(lines, thread + 1, threads) * WIDTH
    memcpy(job.safe + first, job.net.arena + first, (end - first) * sizeof(real))


cdef bint train_step(Job* job, Py_ssize_t step, int thread, int threads) noexcept nogil:
    """One step: gather, forward, loss, backward with update.

    False where the loss is not finite, where Ctrl-C has stopped a long step, or where the time of the call is over:
    then no weight has changed.
    """
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Py_ssize_t start = job.first + step * job.batch, i
    cdef Py_ssize_t rows = least(job.batch, job.total - start), blocks = ceil_div(rows, WIDTH)
    cdef Part part = Part(thread, threads, rows, job.iteration + step, job.scalars + step * job.scalars_per_step,
                          work.scratch + thread * work.scratch_size, False)
    cdef OperationKernel* kind
    cdef double added = 0
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
    for i in range(net.trained - 1, net.lowest - 1, -1):
        kind = kind_of(&net.operations[i])
        if i > net.lowest:
            kind.backward(job, i, &part)
            meet(job, thread, threads)
        if kind.update != NULL and net.operations[i].trainable:
            kind.update(job, i, &part)
    meet(job, thread, threads)
    if job.long_steps:  # the gradient is stored: no weight has changed yet
        job.pool.wait(threads, NULL, NULL)  # now nobody sets the flag, and all read the same
        if pool_is_set(&job.stop):
            return False
    if thread == 0 and net.penalized:
        for i in range(work.units):
            job.losses[step] += work.penalties[i]
            added += work.penalties[i]
        if job.penalties != NULL:
            job.penalties[2 * step + 1] = added
    if not job.update:
        return True
    for i in range(net.trained):
        kind = kind_of(&net.operations[i])
        if kind.remember != NULL:
            kind.remember(job, i, &part)
    if job.gradient != NULL:
        if clips_norm(net):
            measure_gradient(job, thread, threads)
            meet(job, thread, threads)
        update_stored(job, part.h, thread, threads)
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
