# The engine's heart: forward, loss, backward and update of a batch, by a team of threads that meet at barriers.
#
# Work is divided by columns: a thread owns a range of units (a panel and a tile of rows, or a panel and a group of inputs),
# so that weights and moments stay in the cache of one core and no sum is ever shared. Every output element is computed by
# one thread in an order that depends on shapes only: the bits do not depend on the number of threads.

# One line of a program; fastnn/program.py writes it (OPERATION), field by field the same.
cdef struct Operation:
    int64_t inputs, outputs
    int64_t offset       # of the weight matrix in a row of the arena, in reals
    int64_t bias         # 1 where the layer has one
    int64_t activation   # number of its kernel
    double[4] parameters # of the activation

# Buffers for a batch of up to `rows` samples. a[0] is the input, a[i + 1] the output of operation i, d[i] = dL/da[i].
cdef struct Workspace:
    Py_ssize_t rows
    Py_ssize_t stride    # reals between the panels of a batch; an odd number of lines, against cache set conflicts
    real** a
    real** d
    real* targets        # transposed blocks, one after another
    real* weights        # of the samples
    real* row_loss
    real* scratch        # one part for each thread
    Py_ssize_t scratch_size

cdef struct Network:
    Py_ssize_t count
    Operation* operations
    real* arena          # weights, then the optimizer's slots, each `size` reals
    Py_ssize_t size
    Update update
    Loss loss
    double* loss_parameters
    bint from_logits     # the loss applies the last activation itself

# One call of Python: what the team needs to know.
cdef struct Job:
    Network* net
    Workspace* work
    Source* x
    Source* y
    const real* sample_weight  # NULL: all ones
    const int64_t* order       # of the samples; NULL: as they lie
    Py_ssize_t first, total, batch, steps
    const real* scalars        # (steps, scalars_per_step)
    Py_ssize_t scalars_per_step
    double* losses             # OUT (steps,)
    real* outputs              # OUT (samples, outputs of the network), or NULL
    real* gradient             # OUT, one arena row: then no update is made; or NULL
    const pool_table* pool
    int bad                    # set by the thread that meets a loss that is not finite
    Py_ssize_t done            # OUT: finished steps

cdef enum:
    UPDATE_PANELS = 3  # inputs / WIDTH of the gradient block that stays in the first-level cache until its update


cdef inline ActivationKernel* activation_of(Operation* op) noexcept nogil:
    return &ACTIVATIONS[op.activation]


cdef inline Py_ssize_t matrix_size(Operation* op) noexcept nogil:
    """Reals between two panels of the weight matrix: one row for each input and one for the bias."""
    return (op.inputs + 1) * WIDTH


cdef inline Py_ssize_t batch_row(Job* job, Py_ssize_t i) noexcept nogil:
    return i if job.order == NULL else job.order[i]


cdef void gather(Job* job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows [first, last) of the batch that begins at sample `start`, with targets and weights if there are any."""
    cdef Workspace* work = job.work
    cdef Py_ssize_t r, row
    for r in range(first, last):
        row = batch_row(job, start + r)
        job.x.panels(job.x, source_row(job.x, row), work.a[0] + r * WIDTH, work.stride)
        if job.y != NULL:
            job.y.column(job.y, source_row(job.y, row),
                         work.targets + r // WIDTH * job.y.columns * WIDTH + r % WIDTH)
            work.weights[r] = 1 if job.sample_weight == NULL else job.sample_weight[row]


cdef void activate_blocks(Operation* op, Workspace* work, real* a, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t last,
                          real* block) noexcept nogil:
    """A blockwise activation on the blocks [first, last) of WIDTH samples, in place."""
    cdef Py_ssize_t b
    for b in range(first, last):
        transpose_panel(a, work.stride, b * WIDTH, rows, op.outputs, block)
        activation_of(op).forward(op.outputs, block, op.parameters)
        transpose_back(block, op.outputs, a + b * WIDTH * WIDTH, work.stride)


cdef void forward_part(Operation* op, Workspace* work, const real* arena, const real* a, real* z, Py_ssize_t panel,
                       Py_ssize_t first, Py_ssize_t last, bint activate) noexcept nogil:
    """z = a W + b for one panel of outputs and rows [first, last), then the activation while z is in the cache."""
    cdef const real* w = arena + op.offset + panel * matrix_size(op)
    z += panel * work.stride + first * WIDTH
    forward_panel(last - first, a + first * WIDTH, work.stride, w, op.inputs, w + op.inputs * WIDTH, z)
    if activate:
        activation_of(op).forward((last - first) * WIDTH, z, op.parameters)


cdef inline bint is_fused(Operation* op) noexcept nogil:
    """Whether the activation is applied, and taken back, panel by panel."""
    return activation_of(op).forward != NULL and not activation_of(op).blockwise


cdef void forward_phase(Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t rows, bint activate, int thread,
                        int threads) noexcept nogil:
    cdef Operation* op = &net.operations[i]
    cdef Py_ssize_t tiles = ceil_div(rows, TILE), first, last, panel
    cdef Py_ssize_t unit = share(panels(op.outputs) * tiles, thread, threads)
    cdef Py_ssize_t end = share(panels(op.outputs) * tiles, thread + 1, threads)
    activate = activate and is_fused(op)
    while unit < end:
        panel = unit // tiles
        first = unit % tiles
        last = least(tiles, first + end - unit)
        forward_part(op, work, net.arena, work.a[i], work.a[i + 1], panel, first * TILE, least(rows, last * TILE), activate)
        unit += last - first


cdef void forward_rows(Network* net, Workspace* work, Py_ssize_t rows, bint logits, real* scratch) noexcept nogil:
    """The whole network for a few rows on one thread; the last activation is left out if `logits`."""
    cdef Py_ssize_t i, r, panel
    cdef Operation* op
    cdef bint activate
    cdef const real* w
    for i in range(net.count):
        op = &net.operations[i]
        activate = not (logits and i == net.count - 1)
        if rows <= 2:  # wide tiles: one row alone would wait for each sum in turn
            w = net.arena + op.offset
            for r in range(rows):
                forward_row(work.a[i] + r * WIDTH, work.stride, w, matrix_size(op), panels(op.outputs), op.inputs,
                            w + op.inputs * WIDTH, matrix_size(op), work.a[i + 1] + r * WIDTH, work.stride)
            if activate and is_fused(op):
                for panel in range(panels(op.outputs)):
                    activation_of(op).forward(rows * WIDTH, work.a[i + 1] + panel * work.stride, op.parameters)
        else:
            forward_phase(net, work, i, rows, activate, 0, 1)
        if activate and activation_of(op).blockwise:
            activate_blocks(op, work, work.a[i + 1], rows, 0, ceil_div(rows, WIDTH), scratch)


cdef void loss_blocks(Job* job, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, real* scratch,
                      bint backward) noexcept nogil:
    """Loss of each sample in the blocks [first, last), and dL/dz of the last layer, where L is the batch's mean loss."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Operation* op = &net.operations[net.count - 1]
    cdef Py_ssize_t n = op.outputs, b, k, r, lanes
    cdef real* a = scratch
    cdef real* d = scratch + (panels(n) + 1) * WIDTH * WIDTH
    cdef real* e
    cdef real[64] scale
    cdef real* to
    for b in range(first, last):
        lanes = least(WIDTH, rows - b * WIDTH)
        e = work.row_loss + b * WIDTH
        transpose_panel(work.a[net.count], work.stride, b * WIDTH, rows, n, a)
        net.loss(n, a, work.targets + b * job.y.columns * WIDTH, d, e, net.loss_parameters)
        for r in range(WIDTH):
            e[r] = e[r] * work.weights[b * WIDTH + r]
            scale[r] = work.weights[b * WIDTH + r] / <real>rows
        for r in range(lanes):
            if e[r] - e[r] != 0:
                job.bad = 1
        if job.outputs != NULL:
            to = job.outputs + (start - job.first + b * WIDTH) * n
            for r in range(lanes):
                for k in range(n):
                    to[r * n + k] = a[k * WIDTH + r]
        if backward:
            if not net.from_logits and activation_of(op).backward != NULL:
                activation_of(op).backward(n if activation_of(op).blockwise else n * WIDTH, a, d, op.parameters)
            for k in range(n):
                for r in range(WIDTH):
                    d[k * WIDTH + r] = d[k * WIDTH + r] * scale[r]
            transpose_back(d, n, work.d[net.count] + b * WIDTH * WIDTH, work.stride)


cdef void input_gradient_phase(Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t rows, real* scratch, int thread,
                               int threads) noexcept nogil:
    """d[i] = d[i + 1] W^T, then through the activation of the operation before, if that works panel by panel."""
    cdef Operation* op = &net.operations[i]
    cdef Operation* before = &net.operations[i - 1]
    cdef Py_ssize_t tiles = ceil_div(rows, TILE), first, last, panel, n
    cdef Py_ssize_t unit = share(panels(op.inputs) * tiles, thread, threads)
    cdef Py_ssize_t end = share(panels(op.inputs) * tiles, thread + 1, threads)
    cdef real[64] zero
    cdef real* d
    for n in range(WIDTH):
        zero[n] = 0
    while unit < end:
        panel = unit // tiles
        first = unit % tiles
        last = least(tiles, first + end - unit)
        unit += last - first
        first *= TILE
        n = least(rows, last * TILE) - first
        transpose_panel(net.arena + op.offset, matrix_size(op), panel * WIDTH, op.inputs, op.outputs, scratch)
        d = work.d[i] + panel * work.stride + first * WIDTH
        forward_panel(n, work.d[i + 1] + first * WIDTH, work.stride, scratch, op.outputs, zero, d)
        if is_fused(before):
            activation_of(before).backward(n * WIDTH, work.a[i] + panel * work.stride + first * WIDTH, d,
                                           before.parameters)


cdef void activation_blocks_backward(Operation* op, Workspace* work, const real* a, real* d, Py_ssize_t rows,
                                     Py_ssize_t first, Py_ssize_t last, real* scratch) noexcept nogil:
    cdef Py_ssize_t b
    cdef real* block = scratch + (panels(op.outputs) + 1) * WIDTH * WIDTH
    for b in range(first, last):
        transpose_panel(a, work.stride, b * WIDTH, rows, op.outputs, scratch)
        transpose_panel(d, work.stride, b * WIDTH, rows, op.outputs, block)
        activation_of(op).backward(op.outputs, scratch, block, op.parameters)
        transpose_back(block, op.outputs, d + b * WIDTH * WIDTH, work.stride)


cdef void update_part(Job* job, Py_ssize_t position, Py_ssize_t n, const real* g, const real* h) noexcept nogil:
    """Hands n gradients for the weights at `position` of the arena to the optimizer, or stores them."""
    cdef Network* net = job.net
    cdef real* w = net.arena + position
    if job.gradient == NULL:
        net.update(n, w, g, w + net.size, w + 2 * net.size, w + 3 * net.size, h)
    else:
        memcpy(job.gradient + position, g, n * sizeof(real))


cdef void update_phase(Job* job, Py_ssize_t i, Py_ssize_t rows, const real* h, real* g, int thread,
                       int threads) noexcept nogil:
    """G = a[i]^T d[i + 1], block by block into g, each block handed to the optimizer while it is in the cache."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t groups = panels(op.inputs), first, last, panel, k, position
    cdef Py_ssize_t unit = share(panels(op.outputs) * groups, thread, threads)
    cdef Py_ssize_t end = share(panels(op.outputs) * groups, thread + 1, threads)
    cdef const real* d
    while unit < end:
        panel = unit // groups
        first = unit % groups
        last = least(least(groups, first + UPDATE_PANELS), first + end - unit)
        unit += last - first
        d = work.d[i + 1] + panel * work.stride
        position = op.offset + panel * matrix_size(op)
        for k in range(first, last):
            gradient_panel(least(WIDTH, op.inputs - k * WIDTH), work.a[i] + k * work.stride, d, rows,
                           g + (k - first) * WIDTH * WIDTH)
        update_part(job, position + first * WIDTH * WIDTH,
                    (least(op.inputs, last * WIDTH) - first * WIDTH) * WIDTH, g, h)
        if last == groups and op.bias:
            bias_gradient(d, rows, g)
            update_part(job, position + op.inputs * WIDTH, WIDTH, g, h)


cdef bint train_step(Job* job, Py_ssize_t step, int thread, int threads) noexcept nogil:
    """One step: gather, forward, loss, backward with update. False where the loss is not finite: then nothing changed."""
    cdef Network* net = job.net
    cdef Workspace* work = job.work
    cdef Py_ssize_t start = job.first + step * job.batch, i, r
    cdef Py_ssize_t rows = least(job.batch, job.total - start), blocks = ceil_div(rows, WIDTH)
    cdef real* scratch = work.scratch + thread * work.scratch_size
    cdef double loss = 0
    cdef Operation* op
    gather(job, start, share(rows, thread, threads), share(rows, thread + 1, threads))
    job.pool.wait(threads)
    for i in range(net.count):
        op = &net.operations[i]
        forward_phase(net, work, i, rows, i < net.count - 1 or not net.from_logits, thread, threads)
        job.pool.wait(threads)
        if activation_of(op).blockwise and (i < net.count - 1 or not net.from_logits):
            activate_blocks(op, work, work.a[i + 1], rows, share(blocks, thread, threads),
                            share(blocks, thread + 1, threads), scratch)
            job.pool.wait(threads)
    loss_blocks(job, rows, start, share(blocks, thread, threads), share(blocks, thread + 1, threads), scratch, True)
    job.pool.wait(threads)
    if thread == 0:
        for r in range(rows):
            loss += work.row_loss[r]
        job.losses[step] = loss / rows
    if job.bad:
        return False
    for i in range(net.count - 1, -1, -1):
        if i > 0:
            input_gradient_phase(net, work, i, rows, scratch, thread, threads)
            job.pool.wait(threads)
            op = &net.operations[i - 1]
            if activation_of(op).blockwise:
                activation_blocks_backward(op, work, work.a[i], work.d[i], rows, share(blocks, thread, threads),
                                           share(blocks, thread + 1, threads), scratch)
                job.pool.wait(threads)
        update_phase(job, i, rows, job.scalars + step * job.scalars_per_step, scratch, thread, threads)
    job.pool.wait(threads)
    return True


cdef void train_task(void* argument, int thread, int threads) noexcept nogil:
    cdef Job* job = <Job*>argument
    cdef Py_ssize_t step
    for step in range(job.steps):
        if not train_step(job, step, thread, threads):
            return
        if thread == 0:
            job.done = step + 1


cdef void predict_task(void* argument, int thread, int threads) noexcept nogil:
    """Outputs, and losses where there are targets, of all samples: divided by rows, without a barrier."""
    cdef Job* job = <Job*>argument
    cdef Network* net = job.net
    cdef Workspace work = job.work[thread]
    cdef Job mine = job[0]
    cdef Py_ssize_t chunks = ceil_div(job.total - job.first, work.rows), chunk, start, rows, r, k
    cdef Py_ssize_t outputs = net.operations[net.count - 1].outputs
    cdef real* to
    mine.work = &work
    for chunk in range(share(chunks, thread, threads), share(chunks, thread + 1, threads)):
        start = job.first + chunk * work.rows
        rows = least(work.rows, job.total - start)
        gather(&mine, start, 0, rows)
        forward_rows(net, &work, rows, job.y != NULL and net.from_logits, work.scratch)
        if job.y != NULL:
            loss_blocks(&mine, rows, start, 0, ceil_div(rows, WIDTH), work.scratch, False)
            for r in range(rows):
                job.losses[start - job.first + r] = work.row_loss[r]
        else:
            for r in range(rows):
                to = job.outputs + (start - job.first + r) * outputs
                for k in range(outputs):
                    to[k] = work.a[net.count][k // WIDTH * work.stride + r * WIDTH + k % WIDTH]
