# What the engine runs: a program of operations on a batch in panel matrices, and the phases of inference and training.
#
# What an operation does stands in operations/, a kind in one place; everything here is a loop over the operations.
# Work is divided by columns: a thread owns a range of units (a panel and a tile of rows, or a panel and a group of
# inputs), so that weights and moments stay in the cache of one core and no sum is ever shared. Every output element
# is computed by one thread in an order that depends on shapes only: the bits do not depend on the number of threads.

cdef enum:
    NON_NEGATIVE = 1
    LIMITED_NORM = 2

# One line of a program; fastnn/engine/program.py writes it (OPERATION), field by field the same.
cdef struct Operation:
    int64_t kind          # its row in OPERATIONS
    int64_t inputs, outputs               # columns
    int64_t positions_in, positions_out   # rows of a panel for each sample: 1, or the pixels of a map
    int64_t offset        # of its weights in a row of the arena, in reals
    int64_t rows          # lines in a panel of its weights: those of its kernel, the bias, and what has no gradient
    int64_t kernel_rows
    int64_t bias          # 1 where training changes one
    int64_t trainable     # 0 where training leaves its weights as they are
    int64_t matrices      # how many its kernel is to the optimizer, 0 where it is a vector
    int64_t kernel_decays, bias_decays  # whether weight decay means them
    int64_t seed          # of its random numbers; negative: the job's
    int64_t activation    # number of its kernel
    int64_t constraint, bias_constraint  # on the kernel and on the bias: NON_NEGATIVE, LIMITED_NORM, or 0
    int64_t along         # the norms that the first limits: 0 of each column, 1 of each line, 2 of all
    double[4] parameters  # of the activation, or of the layer
    double[2] kernel_penalty, bias_penalty, activity_penalty  # l1 and l2
    double[3] bounds, bias_bounds  # of LIMITED_NORM: least, greatest, share of the way that a step takes
    Geometry geometry     # of the maps before and behind it
    ActivationKernel* function  # of the activation: the engine's own, whatever Python has written there

# What an operation reads beside its description: of each pixel behind it some pixels before it and their weights, or of each
# number of a sample behind it the number before it.
cdef struct Table:
    Py_ssize_t taps
    const int32_t* index  # NULL: as they lie
    const double* weight

# Buffers for a batch of up to `rows` samples. a[0] is the input, a[i + 1] the output of operation i, d[i] = dL/da[i].
# Each has a row for each pixel of each sample.
cdef struct Workspace:
    Py_ssize_t rows
    real* given           # the samples as they are gathered, a row each: a[0], or what is spread over its pixels
    Py_ssize_t given_stride
    Py_ssize_t* stride    # reals between the panels of a[i]; an odd number of lines, against cache set conflicts
    real** a
    real** d
    real** kept           # what the backward pass of an operation needs beside a: z, a mask, or statistics
    real* targets         # transposed blocks, one after another
    real* weights         # of the samples
    real* row_loss
    double* row_penalty   # of the activations, added up by inference; NULL where there are none
    double** penalty      # of each unit of the weights of an operation
    double* penalties     # of all of them
    Py_ssize_t units
    double* norm          # squares of the gradient, of each panel: kernel and bias
    real** turned         # of each operation: the transposed weights of a convolution
    real** fast           # of each walk: what winograd.h makes of the weights, or NULL
    real** sums           # and the gradient of its weights, while it grows
    double* factor        # of the optimizer's rate, of each kernel and bias
    real* survey          # what a survey needs of a whole weight
    real* scratch         # one part for each thread
    Py_ssize_t scratch_size

cdef struct Network:
    Py_ssize_t count      # of operations
    Py_ssize_t trained    # of those that training runs: one less where the loss applies the last activation itself
    Py_ssize_t lowest     # the first operation that training changes
    Operation* operations
    Walk* walks           # of each operation: forward and backward
    Table* tables         # of each operation
    real* arena           # weights, then the optimizer's slots, each `size` reals
    Py_ssize_t size
    int streams           # rows of the arena: weights and slots
    Update update
    const OptimizerKernel* optimizer  # its row in the table; NULL where there is none
    bint single           # whether weights differ in what the optimizer does to them
    const LossKernel* loss
    double* loss_parameters
    bint penalized        # whether any weight has a penalty
    bint constrained      # whether any weight has a constraint
    pool_flag* failed     # set where a formula of the user's own has raised an error
    double clip_value, clip_norm, global_clip_norm  # 0: not used
    Py_ssize_t ema_slot   # of the moving average of the weights, 0 where there is none
    Py_ssize_t overwrites  # after so many updates the average becomes the weights, 0: never
    Py_ssize_t accumulates  # steps whose gradients are added up for an update, 0: each is one
    Py_ssize_t sum_slot   # of the sum of the gradients
    Py_ssize_t products, weights  # of two numbers, for a sample; of them those of weights that are read once
    Py_ssize_t maps               # bytes of a sample's maps and their gradients
    Py_ssize_t predict_rows       # samples that go through the whole network at once

# A loss of the user's own stands between two halves of a step: FORWARD ends with the outputs, BACKWARD begins with it.
cdef enum Half:
    WHOLE
    FORWARD
    BACKWARD

# One call of Python: what the team needs to know.
cdef struct Job:
    Network* net
    Workspace* work
    Source* x
    Source* y
    bint sparse                # whether the first product works on the non-zeros of x; a[0] is then empty
    int64_t* column_starts     # where the entries of each column of the batch begin in the two that follow
    int32_t* entry_rows
    real* entry_values
    const real* sample_weight  # NULL: all ones
    const int64_t* order       # of the samples; NULL: as they lie
    Py_ssize_t first, total, batch, steps
    double* penalties          # (steps, 2): factor of the weights' penalties, OUT what they add; NULL: all ones
    double penalty             # the factor of this step
    const Augmentation* augmentation  # of the images, or NULL
    uint64_t seed, iteration   # of the random numbers: iteration counts steps since compile
    Half half                  # of the steps
    const real* values         # losses of the samples by the user's formula, where half is BACKWARD
    const real* slope          # and their derivatives by the outputs: (samples, outputs)
    const real* scalars        # (steps, scalars_per_step); the last two: factor of the moving average, of weight decay
    Py_ssize_t scalars_per_step
    double* losses             # OUT (steps,)
    real* outputs              # OUT (samples, outputs of the network), or NULL
    real* gradient             # OUT, one arena row, or NULL where nothing needs the whole gradient
    real* safe                 # OUT, the arena before the first step if its loss is finite, or NULL
    bint update                # whether to update the weights
    const pool_table* pool
    pool_flag bad              # set by the thread that meets a loss that is not finite
    Py_ssize_t done            # OUT: finished steps
    double until               # a step that would begin later is left out; 0: none
    Py_ssize_t next_clock, every_clock  # step before which thread 0 looks at the clock, and steps between two looks
    pool_flag late             # set by thread 0 when `until` is over
    bint long_steps            # whether a step may last so long that Ctrl-C must stop it inside
    double looked              # when thread 0 last looked for Ctrl-C, in seconds
    pool_flag stop             # set by thread 0 at Ctrl-C; a Python exception is then set too
    unsigned mode              # floating-point mode of Python

# What a thread is given for the phases of a step.
cdef struct Part:
    int thread, threads
    Py_ssize_t samples    # of the batch
    uint64_t iteration    # of the random numbers
    const real* h         # the optimizer's numbers of this step
    real* scratch         # its own
    bint together         # in inference: whether the threads share each product, not the samples
    Py_ssize_t start      # position of the batch's first sample

# Who looks for Ctrl-C inside of a long sum.
cdef struct Looking:
    Job* job
    int thread

cdef enum Sizes:
    ALIKE      # the same pixels and columns
    LINE       # the same, with a line of weights
    SCALES     # the same, with a line to multiply by or none, and one to add or none
    PRODUCT    # other columns, with weights
    WALK       # other pixels too: a convolution
    WALK_BACK  # a transposed one
    WINDOWS    # other pixels, the same columns
    RESAMPLES  # the same, by a table
    MOVES      # as many numbers, by a table
    LOOKUP     # a row for each number, with weights
    ENCODES    # a number for each, or a row for each, or for each row

# What an operation of one kind does; the table of all kinds: operations/table.pxi. NULL: nothing.
ctypedef void (*Phase)(Job* job, Py_ssize_t i, Part* part) noexcept nogil
ctypedef void (*Samples)(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t sample, Part* part) noexcept nogil

cdef struct OperationKernel:
    const char* name
    Phase forward         # a[i + 1] of a[i]
    Phase backward        # d[i] of d[i + 1], each part of it handed to finish_gradient
    Phase update          # gradients of the weights, handed to hand_over
    Phase remember        # what a step changes without a gradient
    # Outside of training, for the samples of one thread: all of a[i + 1], then go_on with the `joined` operations behind
    # it; or n numbers of one panel, in place.
    void (*infer)(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil
    void (*infer_panel)(Network* net, Operation* op, Py_ssize_t panel, Py_ssize_t n, real* z) noexcept nogil
    Py_ssize_t (*kept)(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil  # reals for backward
    bint on_units         # threads divide its forward by panels and tiles of rows, its infer by panels if they share it
    bint elementwise      # each number of a[i + 1] needs only the one at its place: no barrier before it
    bint joins            # applies an activation to its output
    Sizes sizes           # what the sizes before and behind it have to do with each other
    int lines             # of its weights beside these
    # Instead of forward, backward and infer, where samples do not need one another: a[i + 1] of a[i], and d[i] of d[i + 1],
    # of one sample. So its maps go through all such operations while they are in the cache.
    Samples sample, sample_back
    Phase prepare         # what sample_back needs of the weights

# A thread's share of a phase: units [unit, end) of (panel, tile of rows), and the piece at hand.
cdef struct Share:
    Py_ssize_t unit, end, tiles, rows, panel, first, last

cdef extern from "Python.h":
    int PyErr_CheckSignals()  # not "except -1": the exception waits until the team has come home

cdef extern from *:
    """
    #include <time.h>
    static inline double seconds(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    """
    double seconds() nogil

cdef double LOOK_EVERY = 0.05  # seconds

cdef enum:
    GATHERED = 64     # rows between two looks for Ctrl-C
    LOOK_LINES = 1 << 15  # lines of a panel, or of a sample
    LOOK_TILES = 256  # tiles of a panel between two looks


cdef inline ActivationKernel* activation_of(Operation* op) noexcept nogil:
    return op.function


cdef inline OperationKernel* kind_of(Operation* op) noexcept nogil:
    return &OPERATIONS[op.kind]


cdef inline Py_ssize_t panel_size(Operation* op) noexcept nogil:
    """Reals between two panels of the operation's weights."""
    return op.rows * WIDTH


cdef inline Py_ssize_t columns_of(Py_ssize_t columns, Py_ssize_t panel) noexcept nogil:
    """Those that one panel of a matrix holds."""
    return least(WIDTH, columns - panel * WIDTH)


cdef inline Share share_of(Py_ssize_t columns, Py_ssize_t rows, Part* part) noexcept nogil:
    cdef Share s
    s.tiles = ceil_div(rows, TILE)
    s.rows = rows
    s.unit = share(panels(columns) * s.tiles, part.thread, part.threads)
    s.end = share(panels(columns) * s.tiles, part.thread + 1, part.threads)
    return s


cdef inline bint next_piece(Share* s) noexcept nogil:
    """Moves on to the next panel of the share, rows [first, last); False at the end."""
    cdef Py_ssize_t tile
    if s.unit >= s.end:
        return False
    s.panel = s.unit // s.tiles
    tile = s.unit % s.tiles
    s.first = s.rows * tile // s.tiles
    s.unit += least(least(s.tiles - tile, s.end - s.unit), LOOK_TILES)
    s.last = s.rows * (s.unit - s.panel * s.tiles) // s.tiles
    return True


cdef inline bint interrupted(Job* job, int thread) noexcept nogil:
    """Whether Ctrl-C wants a long step to end. Only what comes before the first changed weight asks this."""
    return job.long_steps and stopped(job, thread)


cdef bint stopped(Job* job, int thread) noexcept nogil:
    cdef double now
    cdef unsigned mode
    if thread == 0 and not pool_is_set(&job.stop):
        now = seconds()
        if now - job.looked > LOOK_EVERY:
            job.looked = now
            mode = floating_mode()
            set_floating_mode(job.mode)
            with gil:
                if PyErr_CheckSignals() != 0:
                    pool_set(&job.stop)
            set_floating_mode(mode)
    return pool_is_set(&job.stop)


cdef int looks(void* who) noexcept nogil:
    """Whether Ctrl-C wants the sum to end."""
    return interrupted((<Looking*>who).job, (<Looking*>who).thread)


cdef inline bint next_lines(Job* job, int thread, Py_ssize_t lines, Py_ssize_t* first, Py_ssize_t* last) noexcept nogil:
    """The next of so many lines, in parts between which Ctrl-C is looked for; ``last`` begins with 0."""
    first[0] = last[0]
    last[0] = least(lines, first[0] + LOOK_LINES)
    return first[0] < last[0] and not interrupted(job, thread)


cdef void look(void* argument) noexcept nogil:
    """What thread 0 does while it waits for the others."""
    interrupted(<Job*>argument, 0)


cdef inline void meet(Job* job, int thread, int threads) noexcept nogil:
    """The barrier between two phases. Where Ctrl-C decides something, a plain one follows, so that all see the same."""
    if job.long_steps and thread == 0:
        job.pool.wait(threads, look, job)
    else:
        job.pool.wait(threads, NULL, NULL)


# -- inference -----------------------------------------------------------------------------------------------------------

cdef void gather(Job* job, Workspace* work, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, int thread) noexcept nogil:
    """Rows [first, last) of the batch that begins at sample `start`, with targets and weights if there are any."""
    cdef Py_ssize_t r, column, end = 0
    cdef Source x = job.x[0]
    cdef Py_ssize_t size = x.bytes // x.columns  # of a number
    if x.starts != NULL and not job.sparse:
        x.panels(&x, x.data, job.order, start + first, start + last, job.total, work.given + first * WIDTH,
                 work.given_stride)
    while x.starts == NULL and next_lines(job, thread, panels(job.x.columns), &column, &end):
        x.columns = least(job.x.columns, end * WIDTH) - column * WIDTH
        x.bytes = x.columns * size
        x.panels(&x, x.data, job.order, start + first, start + last, job.total,
                 work.given + column * work.given_stride + first * WIDTH, work.given_stride)
        if x.offsets == NULL:
            x.data += x.bytes
        else:
            x.offsets += x.columns
    if job.losses == NULL:
        return
    if job.y != NULL:
        job.y.blocks(job.y, job.y.data, job.order, start, first, last, work.targets)
    if job.sample_weight == NULL:
        for r in range(first, last):
            work.weights[r] = 1
    else:
        for r in range(first, last):
            work.weights[r] = job.sample_weight[start + r if job.order == NULL else job.order[start + r]]


cdef void spread(Job* job, Workspace* work, Py_ssize_t first, Py_ssize_t last, int thread) noexcept nogil:
    """Rows [first, last) that were gathered, over the pixels of the first map."""
    cdef Operation* op = &job.net.operations[0]
    cdef Py_ssize_t numbers = op.inputs * op.positions_in, n
    if work.given == work.a[0]:
        return
    for n in range(first, last):
        reshape(job, thread, numbers, Place(work.given, work.given_stride, numbers, n, 0),
                Place(work.a[0], work.stride[0], op.inputs, n * op.positions_in, 0))


cdef void add_row_penalty(Operation* op, Workspace* work, Py_ssize_t i, Py_ssize_t panel,
                          Py_ssize_t samples) noexcept nogil:
    """Adds l1 |a| + l2 a^2 of one panel of a[i + 1] to the penalties of the samples."""
    cdef const real* a = work.a[i + 1] + panel * work.stride[i + 1]
    cdef double* penalty
    cdef Py_ssize_t r, k
    if work.row_penalty == NULL or (op.activity_penalty[0] == 0 and op.activity_penalty[1] == 0):
        return
    for r in range(samples * op.positions_out):
        penalty = work.row_penalty + r // op.positions_out
        for k in range(least(WIDTH, op.outputs - panel * WIDTH)):
            penalty[0] += op.activity_penalty[0] * fabs(a[r * WIDTH + k]) \
                + op.activity_penalty[1] * a[r * WIDTH + k] * a[r * WIDTH + k]


cdef Py_ssize_t run_of_samples(Network* net, Py_ssize_t i, Py_ssize_t count) noexcept nogil:
    """How many operations from the i-th on work sample by sample."""
    cdef Py_ssize_t run = 0
    while i + run < count and kind_of(&net.operations[i + run]).sample != NULL:
        run += 1
    return run


cdef void through_samples(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t run, Py_ssize_t first, Py_ssize_t last,
                          Part* part) noexcept nogil:
    """The samples [first, last), each through `run` operations from the i-th on."""
    cdef Py_ssize_t n, k
    for n in range(first, last):
        for k in range(i, i + run):
            if interrupted(job, part.thread):
                return
            kind_of(&job.net.operations[k]).sample(job, work, k, n, part)


cdef void infer(Job* job, Workspace* work, Py_ssize_t count, Part* part) noexcept nogil:
    """The first `count` operations for some samples, on one thread; together: products on all, the rest on the first.

    What works in place goes on with each panel of the operation before it, while the panel is in the cache.
    """
    cdef Network* net = job.net
    cdef Py_ssize_t i = 0, joined, panel, run, k
    cdef Operation* op
    while i < count and (part.together or not interrupted(job, part.thread)):  # all threads must meet equally often
        run = run_of_samples(net, i, count)
        if run > 0 and (part.thread == 0 or not part.together):
            through_samples(job, work, i, run, 0, part.samples, part)
            for k in range(i, i + run - 1):
                go_on_all(job, work, k, 0, part)
        i += run - 1 if run > 0 else 0
        op = &net.operations[i]
        joined = 0
        while i + 1 + joined < count and kind_of(op + 1 + joined).infer_panel != NULL:
            joined += 1
        if run > 0:
            if part.thread == 0 or not part.together:
                go_on_all(job, work, i, joined, part)
        elif kind_of(op).infer != NULL:
            if kind_of(op).on_units or part.thread == 0 or not part.together:
                kind_of(op).infer(job, work, i, joined, part)
        elif part.thread == 0 or not part.together:  # the first operation, on the input itself
            for panel in range(panels(op.outputs)):
                go_on(net, work, i - 1, joined + 1, panel, part.samples)
        if part.together:
            meet(job, part.thread, part.threads)
        i += 1 + joined


cdef void go_on(Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Py_ssize_t panel,
                Py_ssize_t samples) noexcept nogil:
    """One panel of a[i + 1] through the `joined` operations behind it, in place."""
    cdef Operation* op
    cdef Py_ssize_t k
    for k in range(i + 1, i + 1 + joined):
        op = &net.operations[k]
        kind_of(op).infer_panel(net, op, panel, samples * op.positions_out * WIDTH,
                                work.a[k + 1] + panel * work.stride[k + 1])
        add_row_penalty(op, work, k, panel, samples)


cdef void go_on_all(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    """All panels of a[i + 1], when they are there."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t panel
    for panel in range(panels(op.outputs)):
        if interrupted(job, part.thread):
            return
        add_row_penalty(op, work, i, panel, part.samples)
        go_on(job.net, work, i, joined, panel, part.samples)


cdef void predict_task(void* argument, int thread, int threads) noexcept nogil:
    """Outputs of all samples, or their losses, where they are asked for: divided by rows, without a barrier."""
    cdef Job* job = <Job*>argument
    cdef Network* net = job.net
    cdef Workspace work = job.work[thread]
    cdef Py_ssize_t total = job.total - job.first, chunk, start, rows, r
    cdef Py_ssize_t chunks = ceil_div(ceil_div(total, work.rows), threads) * threads  # as many and as large for each
    cdef Part part = Part(thread, threads, 0, 0, NULL, work.scratch, False, 0)
    if job.losses == NULL:  # penalties belong to a loss
        work.row_penalty = NULL
    prepare_products(net, &work, net.count, 0, 1)
    for chunk in range(share(chunks, thread, threads), share(chunks, thread + 1, threads)):
        if interrupted(job, thread):
            break
        start = job.first + total * chunk // chunks
        rows = job.first + total * (chunk + 1) // chunks - start
        gather(job, &work, start, 0, rows, thread)
        spread(job, &work, 0, rows, thread)
        if work.row_penalty != NULL:
            memset(work.row_penalty, 0, rows * sizeof(double))
        part.samples = rows
        part.start = start
        infer(job, &work, net.count if job.losses == NULL else net.trained, &part)
        if job.losses != NULL:
            loss_blocks(job, &work, start, 0, ceil_div(rows, WIDTH), False, &part)
            for r in range(rows):
                job.losses[start - job.first + r] = work.row_loss[r]
                if work.row_penalty != NULL:
                    job.losses[start - job.first + r] += work.row_penalty[r]
        else:
            hand_out(job, &work, start, rows)
    if threads > 1:
        meet(job, thread, threads)  # a busy core may make the others late


cdef void predict_together(void* argument, int thread, int threads) noexcept nogil:
    """Outputs of few samples, which all threads compute together: each has some panels of every product."""
    cdef Job* job = <Job*>argument
    cdef Workspace work = job.work[0]
    cdef Py_ssize_t rows = job.total - job.first
    cdef Part part = Part(thread, threads, rows, 0, NULL, job.work[thread].scratch, True, job.first)
    work.row_penalty = NULL
    prepare_products(job.net, &work, job.net.count, thread, threads)
    if thread == 0:
        gather(job, &work, job.first, 0, rows, thread)
        spread(job, &work, 0, rows, thread)
    meet(job, thread, threads)
    infer(job, &work, job.net.count, &part)
    if thread == 0:
        hand_out(job, &work, job.first, rows)


cdef void hand_out(Job* job, Workspace* work, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """The last outputs of some samples, from sample `start` on, to Python."""
    cdef Network* net = job.net
    cdef Py_ssize_t outputs = net.operations[net.count - 1].outputs, r, k
    cdef real* to
    for r in range(rows):
        to = job.outputs + (start - job.first + r) * outputs
        for k in range(outputs):
            to[k] = work.a[net.count][k // WIDTH * work.stride[net.count] + r * WIDTH + k % WIDTH]


# -- loss --------------------------------------------------------------------------------------------------------------

cdef inline void store_outputs(Job* job, const real* a, Py_ssize_t n, Py_ssize_t row, Py_ssize_t lanes) noexcept nogil:
    """Hands the outputs of a transposed block to Python, from sample `row` on, if it wants them."""
    cdef Py_ssize_t k, r
    if job.outputs != NULL:
        for r in range(lanes):
            for k in range(n):
                job.outputs[(row + r) * n + k] = a[k * WIDTH + r]


cdef void loss_blocks(Job* job, Workspace* work, Py_ssize_t start, Py_ssize_t first, Py_ssize_t last, bint backward,
                      Part* part) noexcept nogil:
    """Loss of each sample in the blocks [first, last), and the gradient of the batch's mean loss by the last output.

    A loss of the user's own is not known yet (FORWARD, and in an evaluation), or given (BACKWARD).
    """
    cdef Network* net = job.net
    cdef Py_ssize_t n = net.operations[net.trained - 1].outputs, rows = part.samples, b, k, r, lanes
    cdef real* a = part.scratch
    cdef real* d = part.scratch + (panels(n) + 1) * WIDTH * WIDTH
    cdef real* e
    cdef real strange
    cdef real[64] scale
    for b in range(first, last):
        if interrupted(job, part.thread):
            return
        lanes = least(WIDTH, rows - b * WIDTH)
        e = work.row_loss + b * WIDTH
        transpose_panel(work.a[net.trained], work.stride[net.trained], b * WIDTH, rows, n, a)
        if net.trained == net.count and job.half != BACKWARD:  # the outputs are what the loss is computed from, logits too
            store_outputs(job, a, n, start - job.first + b * WIDTH, lanes)
        if net.loss != NULL:
            loss_of_block(net.loss, n, a, work.targets + b * job.y.columns * WIDTH, d, e, net.loss_parameters)
        else:
            given_loss(job, n, b * WIDTH, lanes, d, e)
        if net.trained != net.count:  # the loss has applied the last activation
            store_outputs(job, a, n, start - job.first + b * WIDTH, lanes)
        for r in range(WIDTH):
            e[r] = e[r] * work.weights[b * WIDTH + r]
            scale[r] = work.weights[b * WIDTH + r] / <real>rows
        strange = 0
        for r in range(lanes):
            strange = strange + (e[r] - e[r])
        if strange != 0:  # NaN or infinity
            pool_set(&job.bad)
        if backward and job.half != FORWARD:
            for k in range(n):
                for r in range(WIDTH):
                    d[k * WIDTH + r] = d[k * WIDTH + r] * scale[r]
            transpose_back(d, n, work.d[net.trained] + b * WIDTH * WIDTH, work.stride[net.trained])
            for k in range(panels(n)):
                finish_gradient(net, work, net.trained, rows, k, b * WIDTH, b * WIDTH + lanes)


cdef void given_loss(Job* job, Py_ssize_t n, Py_ssize_t row, Py_ssize_t lanes, reals_out d, reals_out e) noexcept nogil:
    """A block of a loss of the user's own and of its derivative, or zeros where it is not known."""
    cdef Py_ssize_t r, k
    for r in range(WIDTH):
        e[r] = job.values[row + r] if job.half == BACKWARD and r < lanes else 0
        for k in range(n):
            d[k * WIDTH + r] = job.slope[(row + r) * n + k] if job.half == BACKWARD and r < lanes else 0


# -- backward ----------------------------------------------------------------------------------------------------------

cdef void finish_gradient(Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t samples, Py_ssize_t panel,
                          Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Turns a part of d[i] = dL/da of operation i - 1 into dL/dz, while it is in the cache: penalty, then activation.

    The part: rows [first, last) of a panel. The activation may be a convolution's before a maximum that takes its bands.
    """
    cdef Operation* op = &net.operations[i - 1]
    cdef Py_ssize_t at = panel * work.stride[i] + first * WIDTH, n = (last - first) * WIDTH
    if op.activity_penalty[0] != 0 or op.activity_penalty[1] != 0:
        penalize_activity(op, work.a[i] + at, work.d[i] + at, panel, last - first, samples)
    if takes_bands(net, i - 1):
        op -= 1
    elif lies_flat(net, i - 1):
        op -= 2
    if kind_of(op).joins and activation_of(op).backward != NULL:
        activation_of(op).backward(n, (work.kept[i - 1] if activation_of(op).keeps_input else work.a[i]) + at,
                                   work.d[i] + at, op.parameters)


cdef void penalize_activity(Operation* op, const real* a, real* d, Py_ssize_t panel, Py_ssize_t count,
                            Py_ssize_t samples) noexcept nogil:
    """d += d(l1 |a| + l2 a^2) / samples, on the columns that exist: the padding of d stays zero."""
    cdef Py_ssize_t r, k, columns = least(WIDTH, op.outputs - panel * WIDTH)
    cdef real l1 = <real>(op.activity_penalty[0] / samples), l2 = <real>(op.activity_penalty[1] / samples), x
    for r in range(count):
        for k in range(columns):
            x = a[r * WIDTH + k]
            d[r * WIDTH + k] = d[r * WIDTH + k] + (2 * l2 * x + (l1 if x > 0 else (-l1 if x < 0 else 0)))
