# Largest and mean numbers of the windows of a map. Samples are divided among the threads. Twins:
# fastnn/operations/pooling.py.

ctypedef fused place:  # of the largest number in its window, for each number: bytes do where the window is small
    uint8_t
    int32_t

# The taps of a window that lie inside the map, and the pixel of the first.
cdef struct Window:
    Py_ssize_t y, x, first_y, last_y, first_x, last_x


cdef inline Window window_at(const Geometry* g, Py_ssize_t y, Py_ssize_t x) noexcept nogil:
    cdef Window w
    w.y = y * g.stride_y - g.top
    w.x = x * g.stride_x - g.left
    w.first_y = ceil_div(-w.y, g.dilation_y) if w.y < 0 else 0
    w.first_x = ceil_div(-w.x, g.dilation_x) if w.x < 0 else 0
    w.last_y = least(g.window_height, ceil_div(max(0, g.height - w.y), g.dilation_y))
    w.last_x = least(g.window_width, ceil_div(max(0, g.width - w.x), g.dilation_x))
    return w


cdef inline Py_ssize_t pixel_of(const Geometry* g, const Window* w, Py_ssize_t ky, Py_ssize_t kx) noexcept nogil:
    """The first number of a tap's pixel."""
    return ((w.y + ky * g.dilation_y) * g.width + w.x + kx * g.dilation_x) * WIDTH


cdef inline bint bytes_do(const Geometry* g) noexcept nogil:
    return g.window_height * g.window_width <= 256


cdef Py_ssize_t max_pool_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """The tap of the largest number."""
    return ceil_div(panels(op.outputs) * stride * (1 if bytes_do(&op.geometry) else 4), sizeof(real))


cdef inline void take_larger(reals_in x, reals_out best, place* which, place tap) noexcept nogil:
    """NaN is larger than all; of equals the first stays."""
    cdef Py_ssize_t k
    cdef bint larger
    for k in range(WIDTH):
        larger = (not x[k] <= best[k]) & (best[k] == best[k])
        best[k] = x[k] if larger else best[k]
        which[k] = tap if larger else which[k]


cdef void max_pool_map(const Geometry* g, const real* x, real* y, place* which) noexcept nogil:
    """One panel of one map."""
    cdef Py_ssize_t row, column, ky, kx, k
    cdef Window w
    for row in range(g.out_height):
        for column in range(g.out_width):
            w = window_at(g, row, column)
            for k in range(WIDTH):
                y[k] = -INFINITY
                which[k] = <place>(w.first_y * g.window_width + w.first_x)
            for ky in range(w.first_y, w.last_y):
                for kx in range(w.first_x, w.last_x):
                    take_larger(x + pixel_of(g, &w, ky, kx), y, which, <place>(ky * g.window_width + kx))
            y += WIDTH
            which += WIDTH


cdef inline void give_larger(reals_in d, const place* which, place tap, reals_out dx) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(WIDTH):
        dx[k] = dx[k] + (d[k] if which[k] == tap else 0)


cdef void max_pool_back(const Geometry* g, const real* d, const place* which, real* dx) noexcept nogil:
    """dx of y = x[which] in max_pool_map."""
    cdef Py_ssize_t row, column, ky, kx
    cdef Window w
    memset(dx, 0, g.height * g.width * WIDTH * sizeof(real))
    for row in range(g.out_height):
        for column in range(g.out_width):
            w = window_at(g, row, column)
            for ky in range(w.first_y, w.last_y):
                for kx in range(w.first_x, w.last_x):
                    give_larger(d, which, <place>(ky * g.window_width + kx), dx + pixel_of(g, &w, ky, kx))
            d += WIDTH
            which += WIDTH


cdef void max_pool_samples(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t first, Py_ssize_t last,
                           Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef const Geometry* g = &op.geometry
    cdef Py_ssize_t n, p, to
    cdef const real* x
    for n in range(first, last):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            x = work.a[i] + p * work.stride[i] + n * op.positions_in * WIDTH
            to = p * work.stride[i + 1] + n * op.positions_out * WIDTH
            if work.kept[i] == NULL:  # nobody will ask which it was
                max_pool_map(g, x, work.a[i + 1] + to, <int32_t*>part.scratch)
            elif bytes_do(g):
                max_pool_map(g, x, work.a[i + 1] + to, <uint8_t*>work.kept[i] + to)
            else:
                max_pool_map(g, x, work.a[i + 1] + to, <int32_t*>work.kept[i] + to)


cdef void max_pool_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    max_pool_samples(job, job.work, i, share(part.samples, part.thread, part.threads),
                     share(part.samples, part.thread + 1, part.threads), part)


cdef void max_pool_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    max_pool_samples(job, work, i, 0, part.samples, part)
    go_on_all(job, work, i, joined, part)


cdef void max_pool_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] of d[i + 1]: to the pixel that was the largest, of a[i + 1] in max_pool_map."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p, at, to
    for n in range(share(part.samples, part.thread, part.threads), share(part.samples, part.thread + 1, part.threads)):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            at = p * work.stride[i + 1] + n * op.positions_out * WIDTH
            to = p * work.stride[i] + n * op.positions_in * WIDTH
            if bytes_do(&op.geometry):
                max_pool_back(&op.geometry, work.d[i + 1] + at, <uint8_t*>work.kept[i] + at, work.d[i] + to)
            else:
                max_pool_back(&op.geometry, work.d[i + 1] + at, <int32_t*>work.kept[i] + at, work.d[i] + to)
            finish_gradient(job.net, work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)


cdef inline void add_line(reals_in x, real factor, reals_out y) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(WIDTH):
        y[k] = y[k] + factor * x[k]


cdef void average_pool_map(const Geometry* g, const real* x, real* y) noexcept nogil:
    """One panel of one map: row by row of the window, then the rows, so that the error of large windows stays small."""
    cdef Py_ssize_t row, column, ky, kx, k
    cdef real[16] line
    cdef real scale
    cdef Window w
    for row in range(g.out_height):
        for column in range(g.out_width):
            w = window_at(g, row, column)
            scale = 1 / <real>((w.last_y - w.first_y) * (w.last_x - w.first_x))
            set_zero(y)
            for ky in range(w.first_y, w.last_y):
                set_zero(line)
                for kx in range(w.first_x, w.last_x):
                    add_line(x + pixel_of(g, &w, ky, kx), 1, line)
                add_line(line, 1, y)
            for k in range(WIDTH):
                y[k] = y[k] * scale
            y += WIDTH


cdef void average_pool_back(const Geometry* g, const real* d, real* dx) noexcept nogil:
    """dx of y = sum x / count in average_pool_map."""
    cdef Py_ssize_t row, column, ky, kx
    cdef real scale
    cdef Window w
    memset(dx, 0, g.height * g.width * WIDTH * sizeof(real))
    for row in range(g.out_height):
        for column in range(g.out_width):
            w = window_at(g, row, column)
            scale = 1 / <real>((w.last_y - w.first_y) * (w.last_x - w.first_x))
            for ky in range(w.first_y, w.last_y):
                for kx in range(w.first_x, w.last_x):
                    add_line(d, scale, dx + pixel_of(g, &w, ky, kx))
            d += WIDTH


cdef void average_pool_samples(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t first, Py_ssize_t last,
                               Part* part) noexcept nogil:
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p
    for n in range(first, last):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            average_pool_map(&op.geometry, work.a[i] + p * work.stride[i] + n * op.positions_in * WIDTH,
                             work.a[i + 1] + p * work.stride[i + 1] + n * op.positions_out * WIDTH)


cdef void average_pool_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    average_pool_samples(job, job.work, i, share(part.samples, part.thread, part.threads),
                         share(part.samples, part.thread + 1, part.threads), part)


cdef void average_pool_infer(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t joined, Part* part) noexcept nogil:
    average_pool_samples(job, work, i, 0, part.samples, part)
    go_on_all(job, work, i, joined, part)


cdef void average_pool_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t n, p
    for n in range(share(part.samples, part.thread, part.threads), share(part.samples, part.thread + 1, part.threads)):
        for p in range(panels(op.outputs)):
            if interrupted(job, part.thread):
                return
            average_pool_back(&op.geometry, work.d[i + 1] + p * work.stride[i + 1] + n * op.positions_out * WIDTH,
                              work.d[i] + p * work.stride[i] + n * op.positions_in * WIDTH)
            finish_gradient(job.net, work, i, part.samples, p, n * op.positions_in, (n + 1) * op.positions_in)
