# Largest and mean numbers of the windows of a map (windows.h), sample by sample. Twins: fastnn/operations/pooling.py.

cdef inline real* map_at(real** maps, Workspace* work, Py_ssize_t i, Py_ssize_t sample, Py_ssize_t panel,
                         Py_ssize_t positions) noexcept nogil:
    """One panel of one sample's map, of a[i] or d[i]."""
    return maps[i] + panel * work.stride[i] + sample * positions * WIDTH


cdef const Geometry* pool_behind(Network* net, Py_ssize_t i) noexcept:
    """The windows of a maximum that takes the bands of the i-th operation, a convolution, from the cache; or NULL.

    The map between the two is then never stored: the largest number of a window is that of a[i + 2], and must be all that
    the derivative of the activation needs.
    """
    cdef Operation* op = &net.operations[i]
    cdef const Geometry* g
    if (i + 1 >= net.trained or kind_of(op).sizes != WALK or op.geometry.groups > 1
            or kind_of(op + 1).sample != max_pool_sample or activation_of(op).keeps_input or penalizes_outputs(op)):
        return NULL
    g = &(op + 1).geometry
    return g if windows_apart(g) and g.top == 0 else NULL


cdef bint flattens_behind(Network* net, Py_ssize_t i) noexcept:
    """Whether the pixels of a[i + 2] of such a maximum are whole lines of the flattened row, a[i + 3], of each sample."""
    cdef Operation* pool = &net.operations[i + 1]
    return (i + 2 < net.trained and kind_of(pool + 1).sample == permute_sample and net.tables[i + 2].index == NULL
            and (pool + 1).positions_out == 1 and pool.outputs % WIDTH == 0 and not penalizes_outputs(pool))


cdef inline bint penalizes_outputs(Operation* op) noexcept nogil:
    return op.activity_penalty[0] != 0 or op.activity_penalty[1] != 0


cdef inline bint takes_bands(Network* net, Py_ssize_t i) noexcept nogil:
    """Whether the i-th operation is such a maximum."""
    return i > 0 and kind_of(&net.operations[i - 1]).sizes == WALK and walk_of(net, i - 1, False).pool != NULL


cdef inline bint lies_flat(Network* net, Py_ssize_t i) noexcept nogil:
    """Whether the i-th operation flattens what lies flat already."""
    return i > 1 and takes_bands(net, i - 1) and walk_of(net, i - 2, False).flat


cdef inline bint passes_by(Network* net, Py_ssize_t i) noexcept nogil:
    """Whether nothing of a[i + 1] is ever stored: the next operation takes it from the cache, or it lies flat at once."""
    return takes_bands(net, i + 1) or lies_flat(net, i + 1)


cdef inline Py_ssize_t stored_at(Network* net, Py_ssize_t i) noexcept nogil:
    """The number of the matrix that has the numbers of a[i]."""
    return i + 1 if lies_flat(net, i) else i


cdef inline real* pooled_at(real** maps, Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t sample, Py_ssize_t panel,
                            Py_ssize_t* pixel) noexcept nogil:
    """One panel of a sample behind a maximum, the i-th operation; OUT: reals between two pixels."""
    cdef Operation* op = &net.operations[i]
    pixel[0] = WIDTH
    if not lies_flat(net, i + 1):
        return map_at(maps, work, i + 1, sample, panel, op.positions_out)
    pixel[0] = panels(op.outputs) * work.stride[i + 2]
    return maps[i + 2] + panel * work.stride[i + 2] + sample * WIDTH


cdef Pooled pooled_gradient(Network* net, Workspace* work, Py_ssize_t i, Py_ssize_t sample) noexcept nogil:
    """The gradient of a sample's a[i], which a maximum has taken in bands."""
    cdef Pooled of
    cdef Operation* pool = &net.operations[i]
    of.pool = &pool.geometry
    of.d = pooled_at(work.d, net, work, i, sample, 0, &of.pixel)
    of.panel = work.stride[stored_at(net, i + 1)]
    of.taps = <const char*>taps_at(work, pool, i, sample, 0)
    of.taps_panel = work.stride[i + 1] * tap_bytes(&pool.geometry)
    return of


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
    if takes_bands(job.net, i):
        return
    for p in range(panels(op.outputs)):
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            max_pool(&op.geometry, begin, end, <real>-INFINITY, map_at(work.a, work, i, n, p, op.positions_in),
                     map_at(work.a, work, i + 1, n, p, op.positions_out), WIDTH, taps_at(work, op, i, n, p))


cdef void max_pool_band(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Py_ssize_t p, Py_ssize_t first,
                        Py_ssize_t last, real* band) noexcept nogil:
    """The largest numbers of z in walk_sample's rows [first, last) of a sample, activated. band: where row 0 would be.

    For relu they begin with 0.
    """
    cdef Operation* conv = &job.net.operations[i - 1]
    cdef Operation* op = conv + 1
    cdef const Geometry* g = &op.geometry
    cdef bint relu = conv.activation == RELU_KERNEL
    cdef Py_ssize_t begin = first // g.stride_y, end = last // g.stride_y if last < g.height else g.out_height, pixel
    cdef real* y = pooled_at(work.a, job.net, work, i, n, p, &pixel)
    if not relu:
        elementwise_infer(job.net, conv, p, (last - first) * g.width * WIDTH, band + first * g.width * WIDTH)
    max_pool(g, begin, end, <real>(0 if relu else -INFINITY), band, y, pixel, taps_at(work, op, i, n, p))


cdef void max_pool_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    """d[i] of d[i + 1]: to the pixel that was the largest, of a[i + 1] in max_pool_sample."""
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t p, begin = 0, end
    if takes_bands(job.net, i):
        return
    for p in range(panels(op.outputs)):
        end = 0
        while next_rows(job, part, &op.geometry, &begin, &end):
            max_pool_back(&op.geometry, begin, end, map_at(work.d, work, i + 1, n, p, op.positions_out),
                          taps_at(work, op, i, n, p), map_at(work.d, work, i, n, p, op.positions_in))
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
