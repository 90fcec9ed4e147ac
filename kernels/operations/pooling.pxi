# Largest and mean numbers of the windows of a map (windows.h). Samples are divided among the threads. Twins:
# fastnn/operations/pooling.py.

ctypedef void (*Pool)(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t sample, Py_ssize_t panel) noexcept nogil


cdef inline real* map_at(real** maps, Workspace* work, Py_ssize_t i, Py_ssize_t sample, Py_ssize_t panel,
                         Py_ssize_t positions) noexcept nogil:
    """One panel of one sample's map, of a[i] or d[i]."""
    return maps[i] + panel * work.stride[i] + sample * positions * WIDTH


cdef Py_ssize_t max_pool_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """The tap of the largest number, in bytes where that is enough."""
    return ceil_div(panels(op.outputs) * stride * tap_bytes(&op.geometry), sizeof(real))


cdef inline void* taps_at(Workspace* work, Operation* op, Py_ssize_t i, Py_ssize_t sample, Py_ssize_t panel) noexcept nogil:
    """Where they are kept, or NULL."""
    if work.kept[i] == NULL:
        return NULL
    return <char*>work.kept[i] + (panel * work.stride[i + 1] + sample * op.positions_out * WIDTH) * tap_bytes(&op.geometry)


cdef void max_pool_map(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    max_pool(&op.geometry, map_at(work.a, work, i, n, p, op.positions_in),
             map_at(work.a, work, i + 1, n, p, op.positions_out), taps_at(work, op, i, n, p))


cdef void max_pool_slope(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    max_pool_back(&op.geometry, map_at(work.d, work, i + 1, n, p, op.positions_out), taps_at(work, op, i, n, p),
                  map_at(work.d, work, i, n, p, op.positions_in))


cdef void average_pool_map(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    average_pool(&op.geometry, map_at(work.a, work, i, n, p, op.positions_in),
                 map_at(work.a, work, i + 1, n, p, op.positions_out))


cdef void average_pool_slope(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    average_pool_back(&op.geometry, map_at(work.d, work, i + 1, n, p, op.positions_out),
                      map_at(work.d, work, i, n, p, op.positions_in))


cdef void pool_samples(Pool pool, Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t first, Py_ssize_t last,
                       Part* part) noexcept nogil:
    """Each panel of the samples [first, last)."""
    cdef Py_ssize_t n, p
    for n in range(first, last):
        for p in range(panels(job.net.operations[i].outputs)):
            if interrupted(job, part.thread):
                return
            pool(job, work, i, n, p)


cdef void pool_back(Pool pool, Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] of d[i + 1], for the samples of a thread."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p
    for n in range(share(part.samples, part.thread, part.threads), share(part.samples, part.thread + 1, part.threads)):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            pool(job, job.work, i, n, p)
            finish_gradient(job.net, job.work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)


cdef void max_pool_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    pool_samples(max_pool_map, job, job.work, i, share(part.samples, part.thread, part.threads),
                 share(part.samples, part.thread + 1, part.threads), part)


cdef void max_pool_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    pool_samples(max_pool_map, job, work, i, 0, part.samples, part)
    go_on_all(job, work, i, joined, part)


cdef void max_pool_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    pool_back(max_pool_slope, job, i, part)


cdef void average_pool_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    pool_samples(average_pool_map, job, job.work, i, share(part.samples, part.thread, part.threads),
                 share(part.samples, part.thread + 1, part.threads), part)


cdef void average_pool_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    pool_samples(average_pool_map, job, work, i, 0, part.samples, part)
    go_on_all(job, work, i, joined, part)


cdef void average_pool_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    pool_back(average_pool_slope, job, i, part)
