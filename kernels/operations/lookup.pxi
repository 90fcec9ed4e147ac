# Lines of weights, and categories, that numbers are the names of. Twins: fastnn/operations/lookup.py.

cdef enum:  # modes of an encoding
    INT = 0
    ONE_HOT = 1
    MULTI_HOT = 2
    COUNT = 3

cdef enum:  # how a number becomes a category
    ITSELF = 0
    EDGES = 1
    CODES = 2


cdef inline real number_at(Workspace* work, Operation* op, Py_ssize_t i, Py_ssize_t r) noexcept nogil:
    """The r-th number of a[i], row after row."""
    cdef Py_ssize_t column = r % op.inputs
    return work.a[i][column // WIDTH * work.stride[i] + r // op.inputs * WIDTH + column % WIDTH]


cdef inline Py_ssize_t whole_below(real x, Py_ssize_t count) noexcept nogil:
    """x, where it is a whole number from 0 to count - 1; else -1, for NaN too."""
    return <Py_ssize_t>x if x >= 0 and x < <real>count and <real>(<Py_ssize_t>x) == x else -1


cdef inline void copy_line(const real* w, Py_ssize_t line, Py_ssize_t columns, real* z) noexcept nogil:
    cdef Py_ssize_t k
    if line >= 0:
        memcpy(z, w + line * WIDTH, WIDTH * sizeof(real))
        return
    for k in range(WIDTH):
        z[k] = NAN if k < columns else 0  # the padding stays zero


cdef void embed(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t panel, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """a = W[x] for the rows [first, last) of a panel."""
    cdef Operation* op = &job.net.operations[i]
    cdef const real* w = job.net.arena + op.offset + panel * panel_size(op)
    cdef real* z = work.a[i + 1] + panel * work.stride[i + 1]
    cdef Py_ssize_t r
    for r in range(first, last):
        copy_line(w, whole_below(number_at(work, op, i, r), op.kernel_rows), columns_of(op.outputs, panel), z + r * WIDTH)


cdef Py_ssize_t embedding_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """Where the rows of each id begin, and these rows: int32, of which a real holds one or two."""
    return op.kernel_rows + 1 + stride // WIDTH


cdef void sort_ids(Workspace* work, Operation* op, Py_ssize_t i, Py_ssize_t rows) noexcept nogil:
    """The rows of each id, one after another."""
    cdef int32_t* begins = <int32_t*>work.kept[i]
    cdef int32_t* found = begins + op.kernel_rows + 1
    cdef Py_ssize_t r, line
    memset(begins, 0, (op.kernel_rows + 1) * sizeof(int32_t))
    for r in range(rows):
        line = whole_below(number_at(work, op, i, r), op.kernel_rows)
        if line >= 0:
            begins[line] += 1
    for line in range(1, op.kernel_rows + 1):
        begins[line] += begins[line - 1]  # the end of each id, which the loop below moves to its beginning
    for r in range(rows - 1, -1, -1):
        line = whole_below(number_at(work, op, i, r), op.kernel_rows)
        if line >= 0:
            begins[line] -= 1
            found[begins[line]] = <int32_t>r


cdef void embedding_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a[i + 1] = W[a[i]]; the first thread sorts the ids for the gradient, which the next barrier shows to the others."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t rows = part.samples * op.positions_out
    cdef Share s = share_of(op.outputs, rows, part)
    if part.thread == 0 and op.trainable:
        sort_ids(job.work, op, i, rows)
    while next_piece(&s) and not interrupted(job, part.thread):
        embed(job, job.work, i, s.panel, s.first, s.last)


cdef void embedding_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t panel, begin = 0, end = panels(op.outputs)
    if part.together:
        begin, end = share(end, part.thread, part.threads), share(end, part.thread + 1, part.threads)
    for panel in range(begin, end):
        if interrupted(job, part.thread):
            return
        embed(job, work, i, panel, 0, part.samples * op.positions_out)
        add_row_penalty(op, work, i, panel, part.samples)
        go_on(job.net, work, i, joined, panel, part.samples)


cdef void no_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] = 0: names have no derivative."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.inputs, part.samples * op.positions_in, part)
    while next_piece(&s) and not interrupted(job, part.thread):
        memset(work.d[i] + s.panel * work.stride[i] + s.first * WIDTH, 0, (s.last - s.first) * WIDTH * sizeof(real))
        finish_gradient(job.net, work, i, part.samples, s.panel, s.first, s.last)


cdef void line_gradient(const int32_t* found, Py_ssize_t n, const real* d, real* g) noexcept nogil:
    """g = sum of the rows found[0 .. n - 1] of a panel of d; of many rows pairwise: docs/decisions/long-sums.md."""
    cdef real[64] right
    cdef Py_ssize_t e, k, half = n // 2
    if n > LONG:
        line_gradient(found, half, d, g)
        line_gradient(found + half, n - half, d, right)
        add_line(right, 1, g)
        return
    set_zero(g)
    for e in range(n):
        add_line(d + found[e] * WIDTH, 1, g)


cdef void embedding_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """dW[x] = sum of da, block by block of lines; where nothing else changes a weight, of the ids in the batch only."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef const int32_t* begins = <const int32_t*>work.kept[i]
    cdef const int32_t* found = begins + op.kernel_rows + 1
    cdef Py_ssize_t groups = panels(op.kernel_rows), panel, first, last, line, position
    cdef Py_ssize_t unit = share(panels(op.outputs) * groups, part.thread, part.threads)
    cdef Py_ssize_t end = share(panels(op.outputs) * groups, part.thread + 1, part.threads)
    cdef bint seen_only = skips(job, op, part.h)
    cdef real* g = part.scratch
    cdef const real* d
    while unit < end and not interrupted(job, part.thread):
        panel = unit // groups
        first = unit % groups * WIDTH
        last = least(op.kernel_rows, first + WIDTH)
        d = work.d[i + 1] + panel * work.stride[i + 1]
        position = op.offset + panel * panel_size(op) + first * WIDTH
        for line in range(first, last):
            if seen_only and begins[line] == begins[line + 1]:
                continue
            line_gradient(found + begins[line], begins[line + 1] - begins[line], d, g + (line - first) * WIDTH)
            if seen_only:
                update_part(job, position + (line - first) * WIDTH, WIDTH, g + (line - first) * WIDTH, part.h)
        if not seen_only:
            if job.net.penalized:
                work.penalty[i][panel * (groups + 1) + unit % groups] = add_penalty(job, op.kernel_penalty, position,
                                                                                    (last - first) * WIDTH, g)
            hand_over(job, position, (last - first) * WIDTH, g, part.h)
        unit += 1


cdef inline Py_ssize_t edges_reached(const Table* table, real x) noexcept nogil:
    """How many of the sorted edges are at most x; 0 for NaN."""
    cdef Py_ssize_t low = 0, high = table.taps, middle
    while low < high:
        middle = (low + high) // 2
        if <real>table.weight[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline Py_ssize_t category_of(Operation* op, const Table* table, real x) noexcept nogil:
    """-1 where there is none."""
    cdef Py_ssize_t reached
    if op.parameters[1] == ITSELF:
        return whole_below(x, 1 << 30)
    reached = edges_reached(table, x)
    if op.parameters[1] == EDGES:
        return reached if x == x else -1
    return table.index[reached - 1] if reached > 0 and <real>table.weight[reached - 1] == x else <Py_ssize_t>op.parameters[2]


cdef void encode_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    """The categories of the numbers of one sample, in their place or as rows with a column for each."""
    cdef Operation* op = &job.net.operations[i]
    cdef const Table* table = &job.net.tables[i]
    cdef Py_ssize_t numbers = op.inputs * op.positions_in, mode = <Py_ssize_t>op.parameters[0], p, r, row, category, k
    cdef Py_ssize_t start = n * numbers
    cdef real* z
    for p in range(panels(op.outputs)):
        memset(map_at(work.a, work, i + 1, n, p, op.positions_out), 0, op.positions_out * WIDTH * sizeof(real))
    for r in range(numbers):
        category = category_of(op, table, number_at(work, op, i, start + r))
        if mode == INT:
            z = work.a[i + 1] + r % op.outputs // WIDTH * work.stride[i + 1]
            z[(n * op.positions_out + r // op.outputs) * WIDTH + r % op.outputs % WIDTH] = category if category >= 0 else NAN
            continue
        row = n * op.positions_out + (r if mode == ONE_HOT else r // op.inputs)
        if 0 <= category < op.outputs:
            z = work.a[i + 1] + category // WIDTH * work.stride[i + 1] + row * WIDTH + category % WIDTH
            z[0] = z[0] + 1 if mode == COUNT or z[0] != z[0] else 1
            continue
        for k in range(op.outputs):
            work.a[i + 1][k // WIDTH * work.stride[i + 1] + row * WIDTH + k % WIDTH] = NAN


cdef void encode_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    """d[i] = 0."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p
    for p in range(panels(op.inputs)):
        memset(map_at(work.d, work, i, n, p, op.positions_in), 0, op.positions_in * WIDTH * sizeof(real))
        finish_gradient(job.net, work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)
