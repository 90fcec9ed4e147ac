# Dropout and noise, added or multiplied. The number of an element is a function of (seed, operation, step, row, column):
# it does not depend on threads, and a resumed training draws the same ones. Twins: fastnn/basics/counter.py and
# fastnn/operations/randomness.py.

cdef extern from "philox.h" nogil:
    const Py_ssize_t PHILOX_WORDS
    void philox(uint64_t seed, uint64_t stream, uint64_t block, uint32_t* out)
    void philox_lines(uint64_t seed, uint64_t stream, uint64_t row, uint64_t panel, int width, uint32_t* out)

cdef extern from "vmath.h" nogil:
    void real_normals(const uint32_t* words, real* out)


cdef inline uint64_t random_stream(Operation* op, Py_ssize_t operation, uint64_t iteration) noexcept nogil:
    """An operation with a seed of its own draws the same wherever it stands."""
    return (<uint64_t>((operation if op.seed < 0 else 0) + 1) << 48) ^ iteration


cdef inline uint64_t seed_of(Job* job, Operation* op) noexcept nogil:
    return job.seed if op.seed < 0 else <uint64_t>op.seed


cdef void dropout_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a = factor x + moved with probability 1 - rate, else what stands for it. The mask of factors is kept.

    h: rate, what a draw is shared by, factor, what stands where a number is dropped. Shared: 1, all pixels of a sample's
    map, 2, those of all samples: the draw of the row of the sample's number, or of row 0.
    """
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef uint64_t stream = random_stream(op, i, part.iteration), seed = seed_of(job, op)
    cdef uint32_t[64] words  # of some lines at once
    cdef uint32_t limit = <uint32_t>(op.parameters[0] * 4294967296.0)
    cdef real factor = <real>op.parameters[2], dropped = <real>op.parameters[3]
    cdef real moved = <real>(-op.parameters[3] * op.parameters[0] / (1 - op.parameters[0]))
    cdef Py_ssize_t r, lines, at, k, spread = op.positions_out if op.parameters[1] else 1
    if op.parameters[1] == 2:
        spread *= part.samples
    while next_piece(&s) and not interrupted(job, part.thread):
        r = s.first
        while r < s.last:
            philox_lines(seed, stream, r // spread, s.panel, <int>WIDTH, words)
            lines = least(PHILOX_WORDS // WIDTH, s.last - r)
            at = s.panel * work.stride[i] + r * WIDTH
            if spread > 1:
                lines = least(spread - r % spread, s.last - r)
                for k in range(lines):
                    drop(WIDTH, work.a[i] + at, work.kept[i] + at, work.a[i + 1] + at, words, limit, factor,
                         moved, dropped)
                    at += WIDTH
            else:
                drop(lines * WIDTH, work.a[i] + at, work.kept[i] + at, work.a[i + 1] + at, words, limit, factor,
                     moved, dropped)
            r += lines


cdef inline void drop(Py_ssize_t n, reals_in x, reals_out mask, reals_out y, const uint32_t* words, uint32_t limit,
                      real factor, real moved, real dropped) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        mask[k] = factor if words[k] >= limit else 0
        y[k] = x[k] * mask[k] + (moved if words[k] >= limit else dropped)


cdef Py_ssize_t dropout_kept(Operation* op, Py_ssize_t stride, Py_ssize_t blocks) noexcept nogil:
    """The mask."""
    return panels(op.outputs) * stride


cdef void dropout_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] = d[i + 1] mask, of a[i + 1] = a[i] mask in dropout_forward."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at, k
    cdef const real* d
    cdef const real* mask
    cdef real* dx
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        d = work.d[i + 1] + at
        dx = work.d[i] + at
        mask = work.kept[i] + at
        for k in range((s.last - s.first) * WIDTH):
            dx[k] = d[k] * mask[k]
        finish_gradient(job.net, work, i, part.samples, s.panel, s.first, s.last)


cdef void noise_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a + deviation * normal."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef uint64_t stream = random_stream(op, i, part.iteration), seed = seed_of(job, op)
    cdef uint32_t[64] words
    cdef Py_ssize_t r, lines, at
    while next_piece(&s) and not interrupted(job, part.thread):
        r = s.first
        while r < s.last:
            philox_lines(seed, stream, r, s.panel, <int>WIDTH, words)
            lines = least(PHILOX_WORDS // WIDTH, s.last - r)
            at = s.panel * work.stride[i] + r * WIDTH
            memcpy(work.a[i + 1] + at, work.a[i] + at, lines * WIDTH * sizeof(real))
            add_noise(lines, work.a[i + 1] + at, words, <real>op.parameters[0])
            r += lines


cdef inline void add_noise(Py_ssize_t lines, reals_out x, const uint32_t* words, real deviation) noexcept nogil:
    cdef real[64] normal
    cdef Py_ssize_t r, k
    for r in range(lines):
        real_normals(words + r * WIDTH, normal)
        for k in range(WIDTH):
            x[r * WIDTH + k] = x[r * WIDTH + k] + deviation * normal[k]


cdef void noisy_factors_forward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """a = x m, with m = 1 + deviation * normal, which is kept. Backward is that of dropout."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef uint64_t stream = random_stream(op, i, part.iteration), seed = seed_of(job, op)
    cdef uint32_t[64] words
    cdef Py_ssize_t r, lines, at, k
    while next_piece(&s) and not interrupted(job, part.thread):
        r = s.first
        while r < s.last:
            philox_lines(seed, stream, r, s.panel, <int>WIDTH, words)
            lines = least(PHILOX_WORDS // WIDTH, s.last - r)
            at = s.panel * work.stride[i] + r * WIDTH
            for k in range(lines * WIDTH):
                work.kept[i][at + k] = 1
            add_noise(lines, work.kept[i] + at, words, <real>op.parameters[0])
            for k in range(at, at + lines * WIDTH):
                work.a[i + 1][k] = work.a[i][k] * work.kept[i][k]
            r += lines


cdef void noise_backward(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """d[i] = d[i + 1]."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Share s = share_of(op.outputs, part.samples * op.positions_out, part)
    cdef Py_ssize_t at
    while next_piece(&s) and not interrupted(job, part.thread):
        at = s.panel * work.stride[i] + s.first * WIDTH
        memcpy(work.d[i] + at, work.d[i + 1] + at, (s.last - s.first) * WIDTH * sizeof(real))
        finish_gradient(job.net, work, i, part.samples, s.panel, s.first, s.last)


cdef void random_infer(Network* net, Operation* op, Py_ssize_t panel, Py_ssize_t n, real* z) noexcept nogil:
    """Outside of training nothing is drawn."""
