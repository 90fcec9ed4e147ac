# What moves the numbers of a sample to other places: resampling (padding, cropping, larger maps) by tables of pixels and
# weights, permutations of all numbers, reshapes. Samples are divided among the threads. Twins: fastnn/operations/moves.py.

cdef inline void add_line(reals_in x, real factor, reals_out y) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(WIDTH):
        y[k] = y[k] + factor * x[k]


cdef inline void resample_map(const Table* table, Py_ssize_t positions, const real* x, real* y) noexcept nogil:
    """y[q] = sum over taps t of weight[q, t] x[index[q, t]], of one panel of one map."""
    cdef Py_ssize_t q, t, at = 0
    for q in range(positions):
        set_zero(y)
        for t in range(table.taps):
            if table.index[at] >= 0:
                add_line(x + table.index[at] * WIDTH, <real>table.weight[at], y)
            at += 1
        y += WIDTH


cdef inline void resample_back(const Table* table, Py_ssize_t positions, const real* d, real* dx) noexcept nogil:
    """dx[index[q, t]] += weight[q, t] d[q], of y in resample_map; dx begins with zeros."""
    cdef Py_ssize_t q, t, at = 0
    for q in range(positions):
        for t in range(table.taps):
            if table.index[at] >= 0:
                add_line(d, <real>table.weight[at], dx + table.index[at] * WIDTH)
            at += 1
        d += WIDTH


cdef void resample_samples(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t first, Py_ssize_t last,
                           Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p
    for n in range(first, last):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            resample_map(&job.net.tables[i], op.positions_out, work.a[i] + p * work.stride[i] + n * op.positions_in * WIDTH,
                         work.a[i + 1] + p * work.stride[i + 1] + n * op.positions_out * WIDTH)


cdef void resample_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    resample_samples(job, job.work, i, share(part.samples, part.thread, part.threads),
                     share(part.samples, part.thread + 1, part.threads), part)


cdef void resample_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    resample_samples(job, work, i, 0, part.samples, part)
    go_on_all(job, work, i, joined, part)


cdef void resample_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p
    cdef real* dx
    for n in range(share(part.samples, part.thread, part.threads), share(part.samples, part.thread + 1, part.threads)):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            dx = work.d[i] + p * work.stride[i] + n * op.positions_in * WIDTH
            memset(dx, 0, op.positions_in * WIDTH * sizeof(real))
            resample_back(&job.net.tables[i], op.positions_out,
                          work.d[i + 1] + p * work.stride[i + 1] + n * op.positions_out * WIDTH, dx)
            finish_gradient(job.net, work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)


# A place in a panel matrix: number after number of a sample, row after row.
cdef struct Place:
    const real* start
    Py_ssize_t stride, columns, row, column


cdef inline Py_ssize_t offset_of(const Place* p) noexcept nogil:
    return p.column // WIDTH * p.stride + p.row * WIDTH + p.column % WIDTH


cdef inline void advance(Place* p, Py_ssize_t n) noexcept nogil:
    """n numbers on, which all lie in one line."""
    p.column += n
    if p.column == p.columns:
        p.column = 0
        p.row += 1


cdef inline Py_ssize_t run_of(const Place* p) noexcept nogil:
    """Numbers that lie side by side from here on."""
    return least(WIDTH - p.column % WIDTH, p.columns - p.column)


cdef void reshape(Py_ssize_t numbers, Place source, Place target) noexcept nogil:
    """The numbers of a sample in rows of another length."""
    cdef Py_ssize_t n, k
    cdef const real* x
    cdef real* y
    while numbers > 0:
        n = least(least(run_of(&source), run_of(&target)), numbers)
        x, y = source.start + offset_of(&source), <real*>target.start + offset_of(&target)
        if n == WIDTH:
            memcpy(y, x, WIDTH * sizeof(real))
        else:
            for k in range(n):
                y[k] = x[k]
        advance(&source, n)
        advance(&target, n)
        numbers -= n


cdef void permute(const Table* table, Py_ssize_t numbers, Place source, Place target, bint back) noexcept nogil:
    """Number j of the target is number index[j] of the source; back: number index[j] of the source is number j."""
    cdef Py_ssize_t j
    cdef Py_ssize_t first = source.row
    for j in range(numbers):
        source.row = first + table.index[j] // source.columns
        source.column = table.index[j] % source.columns
        if back:
            (<real*>source.start)[offset_of(&source)] = target.start[offset_of(&target)]
        else:
            (<real*>target.start)[offset_of(&target)] = source.start[offset_of(&source)]
        advance(&target, 1)


cdef void permute_samples(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t first, Py_ssize_t last, bint back,
                          Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef const Table* table = &job.net.tables[i]
    cdef Py_ssize_t n, p, numbers = op.inputs * op.positions_in
    cdef Place source, target
    cdef real** maps = work.a
    if back:
        maps = work.d
    for n in range(first, last):
        if interrupted(job, part.thread):
            return
        source = Place(maps[i], work.stride[i], op.inputs, n * op.positions_in, 0)
        target = Place(maps[i + 1], work.stride[i + 1], op.outputs, n * op.positions_out, 0)
        if table.index != NULL:
            permute(table, numbers, source, target, back)
        elif back:
            reshape(numbers, target, source)
        else:
            reshape(numbers, source, target)
        if back:
            for p in range(panels(op.inputs)):
                finish_gradient(job.net, work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)


cdef void permute_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    permute_samples(job, job.work, i, share(part.samples, part.thread, part.threads),
                    share(part.samples, part.thread + 1, part.threads), False, part)


cdef void permute_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    permute_samples(job, work, i, 0, part.samples, False, part)
    go_on_all(job, work, i, joined, part)


cdef void permute_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    permute_samples(job, job.work, i, share(part.samples, part.thread, part.threads),
                    share(part.samples, part.thread + 1, part.threads), True, part)
