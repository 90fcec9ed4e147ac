# The product of a dense layer with rows that hold only their non-zeros (CSR). Twin: fastnn/operations/dense.py, on the
# same rows with their zeros. Sums run in the order of the entries, which no thread changes.

cdef enum:
    ENTRIES = 64  # of a row that are read at once


cdef void sparse_block(Job* job, Operation* op, Py_ssize_t panel, Py_ssize_t start, Py_ssize_t rows, real* z) noexcept nogil:
    """z = b + x W for the samples [start, start + rows), one panel of W: each entry adds its line of W to the sums."""
    cdef const real* w = job.net.arena + op.offset + panel * panel_size(op)
    cdef const Source* x = job.x
    cdef real[ENTRIES] values
    cdef Py_ssize_t r, row, at, n
    for r in range(rows):
        row = start + r if job.order == NULL else job.order[start + r]
        memcpy(z, w + op.inputs * WIDTH, WIDTH * sizeof(real))
        at = x.starts[row]
        while at < x.starts[row + 1]:
            n = least(ENTRIES, x.starts[row + 1] - at)
            x.entries(x.data, at, n, values)
            add_lines(n, values, x.indices + at, w, z)
            at += n
        z += WIDTH


cdef inline void add_lines(Py_ssize_t n, const real* values, const int32_t* lines, const real* w, real* z) noexcept nogil:
    """z += sum_e values[e] w[lines[e]], one line each."""
    cdef real[64] total
    cdef Py_ssize_t e, k
    cdef const real* line
    for k in range(WIDTH):
        total[k] = z[k]
    for e in range(n):
        line = w + lines[e] * WIDTH
        for k in range(WIDTH):
            total[k] = total[k] + values[e] * line[k]
    for k in range(WIDTH):
        z[k] = total[k]


cdef void turn_batch(Job* job, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """The entries of the batch that begins at sample `start`, column by column, each in the order of the samples."""
    cdef const Source* x = job.x
    cdef int64_t* begins = job.column_starts
    cdef Py_ssize_t r, row, e, j
    memset(begins, 0, (x.columns + 1) * sizeof(int64_t))
    for r in range(start, start + rows):
        row = r if job.order == NULL else job.order[r]
        for e in range(x.starts[row], x.starts[row + 1]):
            begins[x.indices[e]] += 1
    for j in range(1, x.columns + 1):
        begins[j] += begins[j - 1]  # the end of each column, which the loop below moves to its beginning
    for r in range(start + rows - 1, start - 1, -1):
        row = r if job.order == NULL else job.order[r]
        for e in range(x.starts[row + 1] - 1, x.starts[row] - 1, -1):
            j = x.indices[e]
            begins[j] -= 1
            job.entry_rows[begins[j]] = <int32_t>(r - start)
            x.entries(x.data, e, 1, job.entry_values + begins[j])


cdef void sparse_gradient(Job* job, Py_ssize_t first, Py_ssize_t last, const real* d, real* g) noexcept nogil:
    """g = x^T d for the inputs [first, last) and one panel of d."""
    cdef Py_ssize_t j
    memset(g, 0, (last - first) * WIDTH * sizeof(real))
    for j in range(first, last):
        add_lines(job.column_starts[j + 1] - job.column_starts[j], job.entry_values + job.column_starts[j],
                  job.entry_rows + job.column_starts[j], d, g)
        g += WIDTH


cdef inline bint skips(Job* job, Operation* op, const real* h) noexcept nogil:
    """Whether a weight whose gradient is zero stays as it is: no state, no penalty, no decay."""
    return (job.gradient == NULL and job.net.streams == 1 and h[job.scalars_per_step - 1] == 1
            and op.kernel_penalty[0] == 0 and op.kernel_penalty[1] == 0)


cdef void sparse_update(Job* job, Operation* op, Part* part) noexcept nogil:
    """``dense_update`` of the lines that have entries."""
    cdef Workspace* work = job.work
    cdef Py_ssize_t groups = panels(op.inputs), panel, j, unit
    cdef Py_ssize_t end = share(panels(op.outputs) * groups, part.thread + 1, part.threads)
    cdef real* g = part.scratch
    cdef const real* d
    for unit in range(share(panels(op.outputs) * groups, part.thread, part.threads), end):
        panel = unit // groups
        d = work.d[1] + panel * work.stride[1]
        for j in range(unit % groups * WIDTH, least(op.inputs, (unit % groups + 1) * WIDTH)):
            if job.column_starts[j] < job.column_starts[j + 1]:
                sparse_gradient(job, j, j + 1, d, g)
                update_part(job, op.offset + panel * panel_size(op) + j * WIDTH, WIDTH, g, part.h)
        if job.net.penalized:
            work.penalty[0][panel * (groups + 1) + unit % groups] = 0
        if unit % groups == groups - 1 and op.bias:
            bias_gradient(d, part.samples, g, NULL, NULL)
            if job.net.penalized:
                work.penalty[0][panel * (groups + 1) + groups] = add_penalty(
                    job, op.bias_penalty, op.offset + panel * panel_size(op) + op.inputs * WIDTH, WIDTH, g)
            update_part(job, op.offset + panel * panel_size(op) + op.inputs * WIDTH, WIDTH, g, part.h)
