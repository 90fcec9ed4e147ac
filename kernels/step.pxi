# One training step: the phases in order, and the barriers between them.

cdef void gather_share(Job* job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, int thread) noexcept nogil:
    cdef Py_ssize_t end
    while first < last and not interrupted(job, thread):
        end = least(first + GATHERED, last)
        gather(job, start, first, end)
        if job.augmentation != NULL:
            augment_lines(job.augmentation, job.seed, start + first, end - first, job.work.a[0] + first * WIDTH,
                          job.work.stride, job.work.scratch + thread * job.work.scratch_size)
        first = end


cdef void forward_phase(Job* job, Py_ssize_t i, Py_ssize_t rows, uint64_t iteration, real* scratch, int thread,
                        int threads) noexcept nogil:
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s = share_of(op.outputs, rows, thread, threads)
    cdef Py_ssize_t blocks = ceil_div(rows, WIDTH)
    cdef Py_ssize_t first = share(blocks, thread, threads), last = share(blocks, thread + 1, threads)
    if op.kind == DENSE:
        dense_forward(job, i, s, thread)
    elif op.kind == ACTIVATION and activation_of(op).blockwise:
        activation_forward_blocks(net, work, i, rows, first, last, scratch)
    elif op.kind == ACTIVATION:
        activation_forward_elements(net, work, i, s)
    elif op.kind == DROPOUT or op.kind == NOISE:
        random_forward(net, work, i, s, job.seed, iteration)
    elif op.kind == BATCH_NORMALIZATION:
        batch_norm_forward(net, work, i, rows, thread, threads)
    elif op.kind == LAYER_NORMALIZATION:
        layer_norm_forward(net, work, i, rows, first, last, scratch)


cdef void input_gradient_phase(Job* job, Py_ssize_t i, Py_ssize_t rows, real* scratch, int thread,
                               int threads) noexcept nogil:
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[i]
    cdef Share s = share_of(op.inputs, rows, thread, threads)
    cdef Py_ssize_t blocks = ceil_div(rows, WIDTH)
    cdef Py_ssize_t first = share(blocks, thread, threads), last = share(blocks, thread + 1, threads)
    if op.kind == DENSE:
        dense_input_gradient(job, i, s, scratch, thread)
    elif op.kind == ACTIVATION and activation_of(op).blockwise:
        activation_backward_blocks(net, work, i, rows, first, last, scratch)
    elif op.kind == ACTIVATION:
        activation_backward_elements(net, work, i, s)
    elif op.kind == DROPOUT or op.kind == NOISE:
        random_backward(net, work, i, s)
    elif op.kind == BATCH_NORMALIZATION:
        batch_norm_backward(net, work, i, rows, thread, threads)
    elif op.kind == LAYER_NORMALIZATION:
        layer_norm_backward(net, work, i, rows, first, last, scratch)


cdef bint train_step(Job* job, Py_ssize_t step, int thread, int threads) noexcept nogil:
    """One step: gather, forward, loss, backward with update.

    False where the loss is not finite, or where Ctrl-C has stopped a long step: then no weight has changed.
    """
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Py_ssize_t start = job.first + step * job.batch, i, unit = 0
    cdef Py_ssize_t rows = least(job.batch, job.total - start), blocks = ceil_div(rows, WIDTH)
    cdef const real* h = job.scalars + step * job.scalars_per_step
    cdef real* scratch = work.scratch + thread * work.scratch_size
    cdef Operation* op
    gather_share(job, start, share(rows, thread, threads), share(rows, thread + 1, threads), thread)
    job.pool.wait(threads)
    for i in range(net.trained):
        forward_phase(job, i, rows, job.iteration + step, scratch, thread, threads)
        # an elementwise operation goes on with the units that this thread has just computed, if it computed units
        if i + 1 == net.trained or not (is_elementwise(&net.operations[i + 1]) and works_on_units(&net.operations[i])):
            job.pool.wait(threads)
    loss_blocks(job, rows, start, share(blocks, thread, threads), share(blocks, thread + 1, threads), scratch, True)
    job.pool.wait(threads)
    if thread == 0:
        job.losses[step] = batch_loss(job, rows)
    if pool_is_set(&job.bad):
        return False
    for i in range(net.trained - 1, -1, -1):
        op = &net.operations[i]
        if i > 0:
            input_gradient_phase(job, i, rows, scratch, thread, threads)
            job.pool.wait(threads)
        if op.kind == DENSE:
            dense_update(job, i, rows, h, scratch, work.penalty + unit, thread, threads)
            unit += panels(op.outputs) * (panels(op.inputs) + 1)
        elif op.rows != 0:
            norm_update(job, i, rows, h, scratch, thread, threads)
    job.pool.wait(threads)
    if pool_is_set(&job.stop):  # a long step, whose gradient is stored: no weight has changed yet
        return False
    if thread == 0 and net.penalized:
        for i in range(unit):
            job.losses[step] += work.penalty[i]
    if not job.update:
        return True
    remember_statistics(net, work, thread, threads)
    if job.gradient != NULL:
        if clips_norm(net):
            measure_gradient(job, thread, threads)
            job.pool.wait(threads)
        update_stored(job, h, thread, threads)
        job.pool.wait(threads)
    if net.constrained:
        constrain(net, thread, threads)
        job.pool.wait(threads)
    return True


cdef double batch_loss(Job* job, Py_ssize_t rows) noexcept nogil:
    """Mean of the samples' weighted losses and of the activity penalties, summed in the order of the samples."""
    cdef Network* net = job.net
    cdef Operation* op
    cdef double total = 0
    cdef Py_ssize_t i, r, k
    cdef double x
    for r in range(rows):
        total += job.work.row_loss[r]
    for i in range(net.trained):
        op = &net.operations[i]
        if op.activity_penalty[0] == 0 and op.activity_penalty[1] == 0:
            continue
        for r in range(rows):
            for k in range(op.outputs):
                x = job.work.a[i + 1][k // WIDTH * job.work.stride + r * WIDTH + k % WIDTH]
                total += op.activity_penalty[0] * fabs(x) + op.activity_penalty[1] * x * x
    return total / rows


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
