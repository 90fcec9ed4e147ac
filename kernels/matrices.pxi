# What an optimizer needs to know of a whole kernel or bias before it changes any number of it: surveys, which all threads
# run together on the stored gradient, and which leave weights alone. Twins: fastnn/optimizers/matrices.py.
#
# Each number is computed by one thread in an order that depends on shapes only.

cdef Py_ssize_t survey_room(Network* net) noexcept:
    """Reals of Workspace.survey: the most that a weight needs."""
    cdef Job job
    cdef Variable v
    cdef Py_ssize_t most = 0, i
    cdef int which
    if net.optimizer == NULL or net.optimizer.room == NULL:
        return 0
    memset(&job, 0, sizeof(Job))
    job.net = net
    for i in range(net.trained):
        for which in range(2):
            if variable_of(&job, i, which, &v):
                most = max(most, net.optimizer.room(&v))
    return most


cdef inline void wait(Job* job, Part* part) noexcept nogil:
    """A barrier that does not look for Ctrl-C."""
    job.pool.wait(part.threads, NULL, NULL)


cdef inline double size_of(Variable* v) noexcept nogil:
    """Its numbers, without padding."""
    return <double>v.lines * <double>v.op.outputs


# -- Lamb ----------------------------------------------------------------------------------------------------------------

cdef double lamb_survey(Job* job, Variable* of, const real* h, Part* part) noexcept nogil:
    """|w| / |direction|, or 1 where one of them is zero."""
    cdef Network* net = job.net
    cdef Py_ssize_t count = panels(of.op.outputs), p, r, k
    cdef double* norms = job.work.norm
    cdef const real* w
    cdef const real* g
    cdef real[64] line
    cdef double length, step, decay = h[job.scalars_per_step - 1] if of.decays else 1
    for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
        w = net.arena + panel_at(of, p)
        g = job.gradient + panel_at(of, p)
        norms[2 * p] = norm(of.lines * WIDTH, w)
        step = 0
        for r in range(of.lines):
            for k in range(WIDTH):
                line[k] = lamb_direction(h[1] * w[net.size + k] + h[2] * g[k],
                                         h[3] * w[2 * net.size + k] + h[4] * g[k] * g[k], h)
            step = hypot(step, norm(WIDTH, line))
            w += WIDTH
            g += WIDTH
        norms[2 * p + 1] = step
    wait(job, part)
    length = joined_norm(norms, count, 2) * fabs(decay)
    step = joined_norm(norms + 1, count, 2)
    wait(job, part)
    return length / step if length > 0 and step > 0 else 1


# -- Adafactor -----------------------------------------------------------------------------------------------------------

cdef Py_ssize_t adafactor_room(Variable* of) noexcept nogil:
    """A double for each row and for each column of each matrix."""
    return 2 * (of.lines + panels(of.op.outputs) * WIDTH * of.matrices) if of.matrices else 0


cdef double adafactor_survey(Job* job, Variable* of, const real* h, Part* part) noexcept nogil:
    """The new mean squares into the first slot; max(epsilon_2, rms(w)) / max(1, rms(g / sqrt(v)) / threshold)."""
    cdef Network* net = job.net
    cdef Py_ssize_t count = panels(of.op.outputs), columns = of.op.outputs, lines = of.lines, p, r, k, t
    cdef double* norms = job.work.norm
    cdef double* row = <double*>job.work.survey
    cdef double* column = row + of.lines
    cdef real* v
    cdef const real* g
    cdef double squares, mean, one, rms_w, rms_u, decay = h[job.scalars_per_step - 1] if of.decays else 1
    if of.matrices:
        lines = of.lines // of.matrices
        for r in range(share(of.lines, part.thread, part.threads), share(of.lines, part.thread + 1, part.threads)):
            row[r] = 0
            for p in range(count):
                v = net.arena + net.size + panel_at(of, p) + r * WIDTH
                g = job.gradient + panel_at(of, p) + r * WIDTH
                for k in range(columns_of(columns, p)):
                    row[r] += mixed(v[k], g[k], h)
            row[r] /= columns
        for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
            for t in range(of.matrices):
                for k in range(columns_of(columns, p)):
                    column[(t * count + p) * WIDTH + k] = 0
                v = net.arena + net.size + panel_at(of, p) + t * lines * WIDTH
                g = job.gradient + panel_at(of, p) + t * lines * WIDTH
                for r in range(lines):
                    for k in range(columns_of(columns, p)):
                        column[(t * count + p) * WIDTH + k] += mixed(v[r * WIDTH + k], g[r * WIDTH + k], h)
                for k in range(columns_of(columns, p)):
                    column[(t * count + p) * WIDTH + k] /= lines
        wait(job, part)
    for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
        v = net.arena + net.size + panel_at(of, p)
        g = job.gradient + panel_at(of, p)
        squares = mean = 0
        for r in range(of.lines):
            if of.matrices and r % lines == 0:
                mean = 0
                for t in range(r, r + lines):
                    mean += row[t]
                mean /= lines
            for k in range(columns_of(columns, p)):
                one = mixed(v[k], g[k], h)
                if of.matrices:
                    one = row[r] / mean * column[(r // lines * count + p) * WIDTH + k]
                v[k] = <real>one
                squares += <double>g[k] * <double>g[k] / v[k] if v[k] != 0 else 0
            v += WIDTH
            g += WIDTH
        norms[2 * p] = norm(of.lines * WIDTH, net.arena + panel_at(of, p))
        norms[2 * p + 1] = sqrt(squares)
    wait(job, part)
    rms_w = joined_norm(norms, count, 2) * fabs(decay) / sqrt(size_of(of))
    rms_u = joined_norm(norms + 1, count, 2) / sqrt(size_of(of)) / h[3]
    wait(job, part)
    rms_w = h[2] if rms_w < h[2] else rms_w
    return rms_w / (1 if rms_u < 1 else rms_u)


cdef inline double mixed(real v, real g, const real* h) noexcept nogil:
    """beta_2 v + (1 - beta_2) (g^2 + epsilon_1)."""
    return <double>h[4] * v + <double>h[5] * (<double>g * <double>g + h[1])


# -- Muon ----------------------------------------------------------------------------------------------------------------

cdef inline Py_ssize_t square_room(Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Reals of a panel matrix with so many rows, rounded up to whole blocks."""
    return panels(rows) * panels(columns) * WIDTH * WIDTH


cdef Py_ssize_t muon_room(Variable* of) noexcept nogil:
    """Two matrices of its shape, and two squares of the shorter side."""
    cdef Py_ssize_t least_side = least(of.lines, of.op.outputs)
    return 2 * (square_room(of.lines, of.op.outputs) + square_room(least_side, least_side)) if of.matrices else 0


cdef double muon_survey(Job* job, Variable* of, const real* h, Part* part) noexcept nogil:
    """The direction of a matrix into the second slot: its momentum with singular values near 1. Returns its length.

    Y is x or its transpose, with n >= m rows and columns, so that A = Y^T Y is the smaller square.
    """
    cdef Network* net = job.net
    cdef Py_ssize_t rows = of.lines, columns = of.op.outputs, count = panels(columns), p, k
    cdef bint wide = rows < columns
    cdef Py_ssize_t n = columns if wide else rows, m = rows if wide else columns, times, t, distance
    cdef real* x = job.work.survey
    cdef real* y = x + square_room(rows, columns)
    cdef real* square = y + square_room(rows, columns)
    cdef real* both = square + square_room(m, m)
    cdef real* line
    cdef const real* g
    cdef double length
    cdef real mu = h[1], divisor, one
    if of.matrices == 0:
        return 1
    distance = panels(rows) * WIDTH * WIDTH
    for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
        line = net.arena + net.size + panel_at(of, p)
        g = job.gradient + panel_at(of, p)
        for k in range(rows * WIDTH):
            one = mu * line[k] + g[k]
            x[p * distance + k] = g[k] + mu * one if h[2] != 0 else one
        job.work.norm[p] = norm(rows * WIDTH, x + p * distance)
    meet(job, part.thread, part.threads)
    length = joined_norm(job.work.norm, count, 1)
    divisor = <real>(length + 1e-7)
    for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
        for k in range(rows * WIDTH):
            x[p * distance + k] = x[p * distance + k] / divisor
    meet(job, part.thread, part.threads)
    if wide:
        for p in range(share(panels(m), part.thread, part.threads), share(panels(m), part.thread + 1, part.threads)):
            transpose_panel(x, distance, p * WIDTH, rows, columns, y + p * panels(n) * WIDTH * WIDTH)
        meet(job, part.thread, part.threads)
        x, y = y, x
    times = <Py_ssize_t>h[6]
    for t in range(times):
        multiply_turned(job, x, n, m, square, 0, NULL, part)  # A = Y^T Y
        multiply_turned(job, square, m, m, both, h[5], &h[4], part)  # b A + c A^T A
        add_product(job, x, n, m, both, h[3], y, part)  # a Y + Y (b A + c A^2)
        x, y = y, x
    if wide:
        for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
            transpose_panel(x, panels(n) * WIDTH * WIDTH, p * WIDTH, n, m, y + p * distance)
        x = y
    for p in range(share(count, part.thread, part.threads), share(count, part.thread + 1, part.threads)):
        memcpy(net.arena + 2 * net.size + panel_at(of, p), x + p * distance, rows * WIDTH * sizeof(real))
    meet(job, part.thread, part.threads)
    return sqrt(<double>n) if h[7] != 0 else 1


cdef void multiply_turned(Job* job, const real* y, Py_ssize_t n, Py_ssize_t m, real* z, real factor, const real* linear,
                          Part* part) noexcept nogil:
    """z = y^T y for y (n, m), or, where `linear` is given and y is a square, linear y + factor y^T y."""
    cdef Py_ssize_t distance = panels(n) * WIDTH * WIDTH, groups = panels(m), unit, p, k, i
    cdef soon nothing = soon(NULL, 0, 0)
    cdef real* to
    cdef const real* own
    for unit in range(share(groups * groups, part.thread, part.threads),
                      share(groups * groups, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            break
        p, k = unit // groups, unit % groups
        to = z + (p * groups + k) * WIDTH * WIDTH
        dense_gradient(m, m, p, k, y + k * distance, y + p * distance, n, to, nothing)
        if linear != NULL:
            own = y + p * distance + k * WIDTH * WIDTH
            for i in range(columns_of(m, k) * WIDTH):
                to[i] = linear[0] * own[i] + factor * to[i]
    meet(job, part.thread, part.threads)


cdef void add_product(Job* job, const real* y, Py_ssize_t n, Py_ssize_t m, const real* square, real factor, real* z,
                      Part* part) noexcept nogil:
    """z = factor y + y square for y (n, m)."""
    cdef Py_ssize_t distance = panels(n) * WIDTH * WIDTH, k
    cdef Share s = share_of(m, n, part)
    cdef real* to
    cdef const real* own
    while next_piece(&s) and not interrupted(job, part.thread):
        to = z + s.panel * distance + s.first * WIDTH
        own = y + s.panel * distance + s.first * WIDTH
        for k in range((s.last - s.first) * WIDTH):
            to[k] = factor * own[k]
        forward_panel(s.last - s.first, columns_of(m, s.panel), y + s.first * WIDTH, distance,
                      square + s.panel * panels(m) * WIDTH * WIDTH, m, to, WIDTH, to)
    meet(job, part.thread, part.threads)
