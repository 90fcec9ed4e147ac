# What moves the numbers of a sample to other places: resampling (padding, cropping, larger maps) by tables of pixels and
# weights, permutations of all numbers, reshapes; sample by sample. Twins: fastnn/operations/moves.py.

cdef inline void add_line(reals_in x, real factor, reals_out y) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(WIDTH):
        y[k] = y[k] + factor * x[k]


cdef inline void resample_map(const Table* table, Py_ssize_t first, Py_ssize_t last, const real* x,
                              real* y) noexcept nogil:
    """y[q] = sum over taps t of weight[q, t] x[index[q, t]], of one panel of one map, for the pixels [first, last)."""
    cdef Py_ssize_t q, t, at = first * table.taps
    y += first * WIDTH
    for q in range(first, last):
        set_zero(y)
        for t in range(table.taps):
            if table.index[at] >= 0:
                add_line(x + table.index[at] * WIDTH, <real>table.weight[at], y)
            at += 1
        y += WIDTH


cdef inline void resample_back(const Table* table, Py_ssize_t first, Py_ssize_t last, const real* d,
                               real* dx) noexcept nogil:
    """dx[index[q, t]] += weight[q, t] d[q], of y in resample_map; dx begins with zeros."""
    cdef Py_ssize_t q, t, at = first * table.taps
    d += first * WIDTH
    for q in range(first, last):
        for t in range(table.taps):
            if table.index[at] >= 0:
                add_line(d, <real>table.weight[at], dx + table.index[at] * WIDTH)
            at += 1
        d += WIDTH


cdef void resample_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, first, last
    for p in range(panels(op.outputs)):
        last = 0
        while next_lines(job, part.thread, op.positions_out, &first, &last):
            resample_map(&job.net.tables[i], first, last, map_at(work.a, work, i, n, p, op.positions_in),
                         map_at(work.a, work, i + 1, n, p, op.positions_out))


cdef void resample_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, first, last
    cdef real* dx
    for p in range(panels(op.outputs)):
        dx = map_at(work.d, work, i, n, p, op.positions_in)
        memset(dx, 0, op.positions_in * WIDTH * sizeof(real))
        last = 0
        while next_lines(job, part.thread, op.positions_out, &first, &last):
            resample_back(&job.net.tables[i], first, last, map_at(work.d, work, i + 1, n, p, op.positions_out), dx)
        finish_map(job, work, i, n, p, part)


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


cdef void reshape(Job* job, int thread, Py_ssize_t numbers, Place source, Place target) noexcept nogil:
    """The numbers of a sample in rows of another length."""
    cdef Py_ssize_t first, last = 0
    while next_lines(job, thread, numbers, &first, &last):
        reshape_some(last - first, &source, &target)


cdef inline void reshape_some(Py_ssize_t numbers, Place* source, Place* target) noexcept nogil:
    cdef Py_ssize_t n, k
    cdef const real* x
    cdef real* y
    while numbers > 0:
        n = least(least(run_of(source), run_of(target)), numbers)
        x, y = source.start + offset_of(source), <real*>target.start + offset_of(target)
        if n == WIDTH:
            memcpy(y, x, WIDTH * sizeof(real))
        else:
            for k in range(n):
                y[k] = x[k]
        advance(source, n)
        advance(target, n)
        numbers -= n


cdef void permute(const Table* table, Py_ssize_t begin, Py_ssize_t end, Place source, Place* target,
                  bint back) noexcept nogil:
    """Number j of the target is number index[j] of the source; back: number index[j] of the source is number j."""
    cdef Py_ssize_t j
    cdef Py_ssize_t first = source.row
    for j in range(begin, end):
        source.row = first + table.index[j] // source.columns
        source.column = table.index[j] % source.columns
        if back:
            (<real*>source.start)[offset_of(&source)] = target.start[offset_of(target)]
        else:
            (<real*>target.start)[offset_of(target)] = source.start[offset_of(&source)]
        advance(target, 1)


cdef void move_numbers(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, bint back, Part* part) noexcept nogil:
    """a[i + 1] of a[i], or d[i] of d[i + 1]."""
    cdef Operation* op = &job.net.operations[i]
    cdef const Table* table = &job.net.tables[i]
    cdef Py_ssize_t numbers = op.inputs * op.positions_in, first, last = 0
    cdef real** maps = work.a
    if back:
        maps = work.d
    cdef Place source = Place(maps[i], work.stride[i], op.inputs, n * op.positions_in, 0)
    cdef Place target = Place(maps[i + 1], work.stride[i + 1], op.outputs, n * op.positions_out, 0)
    if table.index != NULL:
        while next_lines(job, part.thread, numbers, &first, &last):
            permute(table, first, last, source, &target, back)
    elif back:
        reshape(job, part.thread, numbers, target, source)
    else:
        reshape(job, part.thread, numbers, source, target)


cdef void permute_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    if lies_flat(job.net, i):
        return
    move_numbers(job, work, i, n, False, part)


cdef void permute_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p
    if lies_flat(job.net, i):
        return
    move_numbers(job, work, i, n, True, part)
    for p in range(panels(op.inputs)):
        finish_map(job, work, i, n, p, part)
