# Largest and mean numbers of the windows of a map (windows.h), sample by sample. Twins: fastnn/operations/pooling.py.

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


cdef void finish_map(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p, Part* part) noexcept nogil:
    """What finish_gradient does, for one panel of the n-th sample's d[i]."""
    cdef Py_ssize_t positions = job.net.operations[i].positions_in, first, last = 0
    while next_lines(job, part.thread, positions, &first, &last):
        finish_gradient(job.net, work, i, part.samples, p, n * positions + first, n * positions + last)


cdef inline bint next_rows(Job* job, Part* part, const Geometry* g, Py_ssize_t* begin, Py_ssize_t* end) noexcept nogil:
    """The next rows of windows, in parts between which Ctrl-C is looked for; both numbers begin with 0."""
    begin[0] = end[0]
    end[0] = least(g.out_height, begin[0] + windows_at_once(g))
    return begin[0] < end[0] and not interrupted(job, part.thread)


cdef void max_pool_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, begin = 0, end
    for p in range(panels(op.outputs)):
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            max_pool(&op.geometry, begin, end, map_at(work.a, work, i, n, p, op.positions_in),
                     map_at(work.a, work, i + 1, n, p, op.positions_out), taps_at(work, op, i, n, p))


cdef void max_pool_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    """d[i] of d[i + 1]: to the pixel that was the largest, of a[i + 1] in max_pool_sample.

    The largest number of a[i] is that of a[i + 1]: where the derivative of the activation before it needs no other, it is
    taken of the smaller map.
    """
    cdef Operation* op = &job.net.operations[i]
    cdef Operation* before = op - 1
    cdef ActivationKernel* activation = activation_of(before)
    cdef bint early = (kind_of(before).joins and activation.backward != NULL and not activation.keeps_input
                       and before.activity_penalty[0] == 0 and before.activity_penalty[1] == 0)
    cdef Py_ssize_t p, begin = 0, end
    cdef real* d
    for p in range(panels(op.outputs)):
        d = map_at(work.d, work, i + 1, n, p, op.positions_out)
        if early:
            activation.backward(op.positions_out * WIDTH, map_at(work.a, work, i + 1, n, p, op.positions_out), d,
                                before.parameters)
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            max_pool_back(&op.geometry, begin, end, d, taps_at(work, op, i, n, p),
                          map_at(work.d, work, i, n, p, op.positions_in))
        if not early:
            finish_map(job, work, i, n, p, part)


cdef void average_pool_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, begin = 0, end
    for p in range(panels(op.outputs)):
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            average_pool(&op.geometry, begin, end, map_at(work.a, work, i, n, p, op.positions_in),
                         map_at(work.a, work, i + 1, n, p, op.positions_out))


cdef void average_pool_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, begin = 0, end
    for p in range(panels(op.outputs)):
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            average_pool_back(&op.geometry, begin, end, map_at(work.d, work, i + 1, n, p, op.positions_out),
                              map_at(work.d, work, i, n, p, op.positions_in))
        finish_map(job, work, i, n, p, part)
