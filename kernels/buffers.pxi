# The memory that a batch goes through: its parts lie one after another in one array.


cdef real* aligned(cnp.ndarray buffer) noexcept:
    """The first cache line inside a buffer that was made 64 bytes too long."""
    return <real*>((<size_t>cnp.PyArray_DATA(buffer) + 63) & ~<size_t>63)


cdef inline Py_ssize_t odd_stride(Py_ssize_t rows) noexcept:
    """Reals between two panels of a matrix with so many rows."""
    return ((ceil_div(rows, WIDTH) * WIDTH) | 1) * WIDTH


cdef inline Py_ssize_t units_of(Operation* op) noexcept:
    """Parts of the weights whose penalties are summed apart: WIDTH lines of a panel each, and the bias."""
    return panels(op.outputs) * (panels(op.kernel_rows) + 1) if op.kernel_rows or op.bias else 0


cdef int check_memory(Network* net, Py_ssize_t rows, Py_ssize_t count, Py_ssize_t threads) except -1:
    """Refuses buffers whose size would not fit a Py_ssize_t; an estimate from above."""
    cdef Py_ssize_t i, widest = net.operations[0].inputs * net.operations[0].positions_in
    cdef double lines = 2 * (<double>rows + 3 * WIDTH) * (widest + 2.0 * WIDTH) + <double>rows * 2 * WIDTH * (
        net.operations[0].positions_in + WIDTH), size, copies = 0
    cdef Operation* op
    for i in range(net.count):
        op = &net.operations[i]
        widest = max(widest, op.outputs)
        lines += 4 * (<double>rows * op.positions_out + 3 * WIDTH) * (op.outputs + 2.0 * WIDTH)
        if kind_of(op).sizes == WALK or kind_of(op).sizes == WALK_BACK:
            copies = max(copies, <double>walk_scratch(walk_of(net, i, False)))
            copies = max(copies, <double>walk_scratch(walk_of(net, i, True)))
            lines += 8.0 * (op.rows + WIDTH) * (op.outputs + 2.0 * WIDTH) * (op.inputs // op.geometry.groups // WIDTH + 2)
    size = (lines + rows * 2.0 * widest + threads * (copies + (2.0 * widest + 8 * WIDTH) * WIDTH)) * count
    if size > 1e18 / sizeof(real):
        raise MemoryError(f"the buffers of a batch of {rows} rows need {size * sizeof(real):.0e} bytes; use smaller batches")
    return 0


@cython.internal
cdef class Buffers:
    """The memory of one or several Workspaces (one for each thread of a prediction)."""
    cdef Workspace* work
    cdef int count, threads
    cdef real* at      # while the memory is dealt out
    cdef object memory
    cdef bint gradients, filled

    def __cinit__(self, Engine engine not None, Py_ssize_t rows, int count, int threads, bint gradients, bint filled):
        cdef Py_ssize_t k, matrices = engine.net.count + 1
        check_memory(&engine.net, rows, count, threads)
        self.work = <Workspace*>PyMem_Calloc(count, sizeof(Workspace) + 9 * matrices * sizeof(real*))
        if self.work == NULL:
            raise MemoryError(f"no memory for the buffers of a batch of {rows} rows")
        self.count = count
        self.threads = threads
        self.gradients = gradients
        self.filled = filled  # whether the samples are gathered with all their numbers
        for k in range(count):
            self.work[k].a = <real**>(self.work + count) + 9 * matrices * k
            self.work[k].d = self.work[k].a + matrices
            self.work[k].kept = self.work[k].d + matrices
            self.work[k].turned = self.work[k].kept + matrices
            self.work[k].sums = self.work[k].turned + matrices
            self.work[k].fast = self.work[k].sums + matrices
            self.work[k].penalty = <double**>(self.work[k].fast + 2 * matrices)
            self.work[k].stride = <Py_ssize_t*>(self.work[k].penalty + matrices)
        self.at = NULL  # first only count
        for k in range(count):
            self.deal(&engine.net, &self.work[k], rows, threads)
        self.memory = np.zeros(self.at - <real*>NULL + WIDTH, dtype=REAL)
        self.at = aligned(self.memory)
        for k in range(count):
            self.deal(&engine.net, &self.work[k], rows, threads)

    cdef real* take(self, Py_ssize_t n):
        cdef real* start = self.at
        self.at += panels(n) * WIDTH
        return start

    cdef int deal(self, Network* net, Workspace* work, Py_ssize_t rows, int threads) except -1:
        """Lays the parts of a Workspace out one after another."""
        cdef Py_ssize_t blocks = ceil_div(rows, WIDTH), widest = net.operations[0].inputs, lines = 0, i
        cdef Operation* op
        cdef double* lowest
        cdef bint penalized = False, backward
        cdef Py_ssize_t copies = 0
        work.rows = rows
        op = net.operations
        work.given_stride = work.stride[0] = odd_stride(rows)
        if not self.filled:
            widest = 0
        if op.positions_in > 1:  # nobody transposes it
            work.given_stride = work.stride[0] = (rows | 1) * WIDTH
        work.given = work.a[0] = self.take(panels(widest * op.positions_in) * work.given_stride)
        if op.positions_in > 1 and not packs(net):
            work.stride[0] = odd_stride(rows * op.positions_in)
            work.a[0] = self.take(panels(widest) * work.stride[0])
        work.units = 0
        for i in range(net.count):
            op = &net.operations[i]
            penalized = penalized or op.activity_penalty[0] != 0 or op.activity_penalty[1] != 0
            widest = max(widest, op.outputs)
            work.units += units_of(op)
            lines += panels(op.outputs)
            work.stride[i + 1] = odd_stride(rows * op.positions_out)
            if kind_of(op).sizes == WALK or kind_of(op).sizes == WALK_BACK:
                copies = max(copies, max(walk_scratch(walk_of(net, i, False)), walk_scratch(walk_of(net, i, True))))
                for backward in range(1 + self.gradients):
                    if walk_of(net, i, backward).fast:
                        work.fast[2 * i + backward] = self.take(
                            fast_size(walk_of(net, i, backward), op.inputs if backward else op.outputs))
                if self.gradients:
                    work.turned[i] = self.take(conv_turned(op, kind_of(op).sizes == WALK_BACK))
                    work.sums[i] = self.take(conv_sums(op, kind_of(op).sizes == WALK_BACK))
            if not self.gradients and kind_of(op).infer_panel != NULL:
                work.a[i + 1] = work.a[i]
                continue
            if not passes_by(net, i):
                work.a[i + 1] = self.take(panels(op.outputs) * work.stride[i + 1])
            if self.gradients:
                if not passes_by(net, i):
                    work.d[i + 1] = self.take(panels(op.outputs) * work.stride[i + 1])
                if kind_of(op).kept != NULL:
                    work.kept[i] = self.take(kind_of(op).kept(op, work.stride[i + 1],
                                                              ceil_div(rows * op.positions_out, WIDTH)))
        work.targets = self.take(blocks * WIDTH * panels(widest) * WIDTH)
        work.weights = self.take(blocks * WIDTH)
        work.row_loss = self.take(blocks * WIDTH)
        work.row_penalty = NULL
        if penalized and not self.gradients:
            work.row_penalty = <double*>self.take(2 * blocks * WIDTH)
        if self.gradients:
            work.penalties = <double*>self.take(2 * work.units)
            lowest = work.penalties + work.units
            for i in range(net.count):  # the sums begin with the last operation, as the gradients do
                lowest -= units_of(&net.operations[i])
                work.penalty[i] = lowest
            work.norm = <double*>self.take(4 * lines)
            work.factor = <double*>self.take(4 * net.count)
            work.survey = self.take(survey_room(net))
        if self.filled:
            widest = max(widest, net.operations[0].inputs * net.operations[0].positions_in)  # of augmentation
        work.scratch_size = max((2 * (panels(widest) + 1) * WIDTH + UPDATE_PANELS * WIDTH) * WIDTH, panels(copies) * WIDTH)
        work.scratch = self.take(threads * work.scratch_size)
        return 0

    def __dealloc__(self):
        PyMem_Free(self.work)
