# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled engine for one number type and one CPU level. The map of this folder: README.md."""
cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, NAN, cos, fabs, hypot, sin, sqrt
from libc.string cimport memcpy, memset

import numpy as np

from fastnn._core import machine

cnp.import_array()

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

include "real.pxi"
include "source.pxi"
include "activations.pxi"
include "losses.pxi"
include "optimizers.pxi"
include "augmentation.pxi"
include "maps.pxi"
include "network.pxi"
include "update.pxi"
include "operations/sparse.pxi"
include "operations/dense.pxi"
include "operations/activation.pxi"
include "operations/randomness.pxi"
include "operations/normalization.pxi"
include "operations/convolution.pxi"
include "operations/pooling.pxi"
include "operations/moves.pxi"
include "operations/table.pxi"
include "step.pxi"

REAL = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)
PANEL_WIDTH = WIDTH

cdef int REAL_TYPE = cnp.NPY_FLOAT32 if sizeof(real) == 4 else cnp.NPY_FLOAT64
cdef const pool_table* POOL = <const pool_table*>PyCapsule_GetPointer(machine.pool, b"fastnn.pool")

include "checks.pxi"
include "catalogue.pxi"

cdef enum:
    PREDICT_ROWS = 96  # samples that go through the whole network at once: their activations stay in the second-level cache
    PREDICT_REALS = 1 << 20  # of their maps, where they have maps


cdef double TOGETHER = 1e8  # products of two numbers from which few rows are worth a team's barriers, some milliseconds

cdef double LONG_STEP = 2e9  # Program.cost: some 0.02 to 0.2 seconds
cdef double CLOCK_COST = 5e6  # Program.cost between two looks at the clock: some 0.1 milliseconds


cdef enum:
    MOST = 1 << 30  # columns of a layer: products of two sizes stay below 2^63
    MOST_PARAMETERS = 4  # of a loss, but for the levels of a quantile loss


cdef int raise_interrupt() except -1:
    """Raises what PyErr_CheckSignals has set."""
    return -1


cdef real* aligned(cnp.ndarray buffer) noexcept:
    """The first cache line inside a buffer that was made 64 bytes too long."""
    return <real*>((<size_t>cnp.PyArray_DATA(buffer) + 63) & ~<size_t>63)


cdef inline double filling(Source* x) noexcept:
    """The share of the numbers of x that are there."""
    if x.starts == NULL or x.rows == 0:
        return 1
    return <double>(x.starts[x.rows] - x.starts[0]) / (<double>x.rows * x.columns)


cdef inline Py_ssize_t odd_stride(Py_ssize_t rows) noexcept:
    """Reals between two panels of a matrix with so many rows."""
    return ((ceil_div(rows, WIDTH) * WIDTH) | 1) * WIDTH


cdef inline bint packs(Network* net) noexcept:
    """Whether the first operation reads samples as rows of numbers, not as lines of pixels."""
    return kind_of(net.operations).sizes == WALK and net.operations[0].geometry.groups == 1


cdef inline Py_ssize_t sample_size(Operation* op) noexcept:
    """Reals of a sample's map behind the operation."""
    return panels(op.outputs) * op.positions_out * WIDTH


cdef inline Py_ssize_t units_of(Operation* op) noexcept:
    """Parts of the weights whose penalties are summed apart: WIDTH lines of a panel each, and the bias."""
    return panels(op.outputs) * (panels(op.kernel_rows) + 1) if op.kernel_rows else 0


cdef bint all_finite(Network* net, const double* losses, Py_ssize_t steps) noexcept:
    """Whether steps have left finite losses and finite weights: the losses of samples alone need not show it."""
    cdef Py_ssize_t k
    cdef double strange_loss = 0
    cdef real strange = 0
    for k in range(steps):
        strange_loss = strange_loss + (losses[k] - losses[k])
    for k in range(net.size):
        strange = strange + (net.arena[k] - net.arena[k])
    return strange_loss == 0 and strange == 0


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
        self.work = <Workspace*>PyMem_Calloc(count, sizeof(Workspace) + 7 * matrices * sizeof(real*))
        if self.work == NULL:
            raise MemoryError(f"no memory for the buffers of a batch of {rows} rows")
        self.count = count
        self.threads = threads
        self.gradients = gradients
        self.filled = filled  # whether the samples are gathered with all their numbers
        for k in range(count):
            self.work[k].a = <real**>(self.work + count) + 7 * matrices * k
            self.work[k].d = self.work[k].a + matrices
            self.work[k].kept = self.work[k].d + matrices
            self.work[k].turned = self.work[k].kept + matrices
            self.work[k].sums = self.work[k].turned + matrices
            self.work[k].penalty = <double**>(self.work[k].sums + matrices)
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
        cdef bint penalized = False
        cdef Py_ssize_t copies = 0
        work.rows = rows
        op = net.operations
        work.given_stride = work.stride[0] = odd_stride(rows)
        if not self.filled:
            widest = 0
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
                if self.gradients:
                    work.turned[i] = self.take(conv_turned(op, kind_of(op).sizes == WALK_BACK))
                    work.sums[i] = self.take(conv_sums(op, kind_of(op).sizes == WALK_BACK))
            if not self.gradients and kind_of(op).infer_panel != NULL:
                work.a[i + 1] = work.a[i]
                continue
            work.a[i + 1] = self.take(panels(op.outputs) * work.stride[i + 1])
            if self.gradients:
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
        if self.filled:
            widest = max(widest, net.operations[0].inputs * net.operations[0].positions_in)  # of augmentation
        work.scratch_size = max((2 * (panels(widest) + 1) * WIDTH + UPDATE_PANELS * WIDTH) * WIDTH, panels(copies) * WIDTH)
        work.scratch = self.take(threads * work.scratch_size)
        return 0

    def __dealloc__(self):
        PyMem_Free(self.work)


cdef class Engine:
    """Runs a program (fastnn.engine.program.Program) on panel matrices. Same methods as fastnn.engine.reference.Engine.

    The arena (1 + slots, size) belongs to the caller: row 0 holds the weights, the others the optimizer's state.
    """
    cdef Network net
    cdef const OptimizerKernel* kernel
    cdef readonly object program, arena
    cdef public Py_ssize_t iterations  # finished steps; counted here, so that an interrupt cannot come between
    cdef public double long_step  # cost (Program.cost) from which a step looks for Ctrl-C inside: docs/decisions/ctrl-c.md
    cdef object operations, loss_parameters, whole_gradient, arena_pin
    cdef bint own_loss  # whether the loss is a Python function of the user's: program.evaluate_loss
    cdef Buffers training, inference
    cdef Py_ssize_t inputs, outputs, targets, weights  # targets: numbers that the loss reads for a sample
    cdef Py_ssize_t products      # of two numbers, for a sample; weights: of them those of weights that are read once
    cdef Py_ssize_t predict_rows  # samples that go through the whole network at once
    cdef list tables

    def __cinit__(self, program, cnp.ndarray arena not None):
        if (arena.dtype != REAL or arena.ndim != 2 or not cnp.PyArray_ISCARRAY(arena)
                or <size_t>cnp.PyArray_DATA(arena) % 64):
            raise ValueError(f"the arena must be a writeable C-contiguous matrix, aligned to cache lines, of {REAL}")
        self.program = program
        self.arena = arena
        self.arena_pin = pin(arena)
        self.operations = np.ascontiguousarray(program.operations).copy()
        if self.operations.dtype.itemsize != sizeof(Operation):
            raise ValueError("program.OPERATION and the engine's Operation differ")
        self.loss_parameters = np.array(program.loss_parameters, dtype=np.float64)
        self.net.count = len(self.operations)
        if self.net.count == 0:
            raise ValueError("the program has no operation")
        self.net.operations = <Operation*>cnp.PyArray_DATA(self.operations)
        self.net.arena = <real*>cnp.PyArray_DATA(arena)
        self.net.size = arena.shape[1]
        self.net.streams = arena.shape[0]
        self.net.loss = NULL if program.loss is None else &LOSSES[number_of("loss", program.loss, LOSS_COUNT)]
        self.own_loss = program.own_loss
        self.net.trained = self.net.count - bool(program.from_logits)
        self.net.loss_parameters = <double*>cnp.PyArray_DATA(self.loss_parameters)
        self.net.update = NULL
        if program.optimizer is not None:
            self.kernel = &OPTIMIZERS[number_of("optimizer", program.optimizer, OPTIMIZER_COUNT)]
            self.net.update = self.kernel.update
        if program.optimizer_object is not None:
            optimizer = program.optimizer_object
            self.net.clip_value = optimizer.clipvalue or 0
            self.net.clip_norm = optimizer.clipnorm or 0
            self.net.global_clip_norm = optimizer.global_clipnorm or 0
            self.net.ema_slot = program.slots if optimizer.use_ema else 0
        self.net.penalized = program.penalized
        self.net.constrained = program.constrained
        self.long_step = LONG_STEP
        self.inputs = self.net.operations[0].inputs * self.net.operations[0].positions_in
        self.outputs = self.net.operations[self.net.count - 1].outputs
        self.targets = 0 if program.loss_object is None else program.loss_object.columns(self.outputs)
        self.weights = self.products = 0
        self.check()
        self.read_tables()
        self.plan_walks()
        self.net.lowest = 0  # below the first operation that training changes, nobody needs a gradient
        while self.net.lowest + 1 < self.net.trained and not is_trained(&self.net.operations[self.net.lowest]):
            self.net.lowest += 1
        self.measure_sample()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.net.walks != NULL:
            for i in range(2 * self.net.count):
                PyMem_Free(self.net.walks[i].lattice)
        PyMem_Free(self.net.walks)
        PyMem_Free(self.net.tables)

    cdef int measure_sample(self) except -1:
        """The work of a sample, and how many samples' maps the caches hold."""
        cdef Py_ssize_t i, size = 0, product
        cdef bint maps = False
        cdef Operation* op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            product = op.rows * op.outputs
            maps = maps or op.positions_in > 1
            size += sample_size(op)
            self.weights += product if op.positions_out == 1 else 0
            self.products += product * max(op.positions_in, op.positions_out)
            self.products += sample_size(op) if op.positions_out > 1 else 0
        self.predict_rows = PREDICT_ROWS
        if maps:
            self.predict_rows = max(1, least(PREDICT_ROWS, PREDICT_REALS // size))
        return 0

    cdef int plan_walks(self) except -1:
        """The walks of the convolutions."""
        cdef Py_ssize_t i
        cdef Operation* op
        cdef bint backward
        self.net.walks = <Walk*>PyMem_Calloc(2 * self.net.count, sizeof(Walk))
        if self.net.walks == NULL:
            raise MemoryError("no memory for the convolutions of a network")
        for i in range(self.net.count):
            op = &self.net.operations[i]
            if kind_of(op).sizes != WALK and kind_of(op).sizes != WALK_BACK:
                continue
            for backward in range(2):
                plan_walk(walk_of(&self.net, i, backward), &op.geometry, op.inputs, op.outputs,
                          kind_of(op).sizes == WALK_BACK, backward, i == 0 and not backward and packs(&self.net))
        return 0

    cdef int read_tables(self) except -1:
        """The arrays that operations read beside their description, checked: what they point to lies in the maps."""
        cdef Py_ssize_t i, count, most, least_index
        cdef Operation* op
        cdef Table* table
        cdef Sizes sizes
        self.net.tables = <Table*>PyMem_Calloc(self.net.count, sizeof(Table))
        if self.net.tables == NULL:
            raise MemoryError("no memory for the tables of a network")
        self.tables = []
        given = list(self.program.tables)
        for i in range(self.net.count):
            op = &self.net.operations[i]
            table = &self.net.tables[i]
            sizes = kind_of(op).sizes
            if sizes != RESAMPLES and sizes != MOVES:
                continue
            if sizes == MOVES and given[i] is None:
                continue
            if sizes == MOVES:
                count, most, least_index = op.outputs * op.positions_out, op.outputs * op.positions_out, 0
                arrays = [np.ascontiguousarray(given[i][0], dtype=np.int32).ravel().copy()]
            else:
                arrays = [np.ascontiguousarray(given[i][0], dtype=np.int32).copy(),
                          np.ascontiguousarray(given[i][1], dtype=np.float64).copy()]
                table.taps = arrays[0].size // op.positions_out
                count, most, least_index = table.taps * op.positions_out, op.positions_in, -1
                if arrays[1].size != count:
                    raise ValueError(f"operation {i} of the program has {arrays[1].size} weights, expected {count}")
                table.weight = <const double*>cnp.PyArray_DATA(<cnp.ndarray>arrays[1])
            if arrays[0].size != count or count == 0 or arrays[0].min() < least_index or arrays[0].max() >= most:
                raise ValueError(f"operation {i} of the program needs {count} numbers from {least_index} to {most - 1}"
                                 f" in its table, got {arrays[0].size} from {arrays[0].min()} to {arrays[0].max()}")
            table.index = <const int32_t*>cnp.PyArray_DATA(<cnp.ndarray>arrays[0])
            self.tables.append(arrays)
        return 0

    cdef int check(self) except -1:
        """Refuses numbers that would lead out of the tables, the arena or a buffer."""
        cdef Py_ssize_t i, columns = self.net.operations[0].inputs, positions = self.net.operations[0].positions_in
        cdef Py_ssize_t slots = 0, lines, products
        cdef Operation* op
        cdef OperationKernel* kind
        for i in range(self.net.count):
            op = &self.net.operations[i]
            kind = &OPERATIONS[number_of("kind", op.kind, OPERATION_COUNT)]
            number_of("activation", op.activation, ACTIVATION_COUNT)
            number_of("constraint", op.constraint, LIMITED_NORM + 1)
            number_of("bias_constraint", op.bias_constraint, LIMITED_NORM + 1)
            products = kernel_lines(op, kind.sizes)
            lines = products + kind.lines
            if not (op.inputs == columns and op.positions_in == positions
                    and 0 < op.inputs < MOST and 0 < op.outputs < MOST
                    and 0 < op.positions_in < MOST and 0 < op.positions_out < MOST
                    and fits(op, kind.sizes)
                    and op.rows == lines and op.kernel_rows == (products if products else least(lines, 1))
                    and activation_of(op).blockwise == (kind.forward == rowwise_forward)
                    and (op.constraint == 0 or op.kernel_rows > 0) and (op.bias_constraint == 0 or op.bias)
                    and 0 <= op.offset <= self.net.size and op.offset % WIDTH == 0
                    and op.offset + panels(op.outputs) * panel_size(op) <= self.net.size):
                raise ValueError(f"operation {i} of the program does not fit the one before it or the arena:"
                                 f" {kind.name.decode()} from {op.inputs} to {op.outputs} columns with {op.rows} lines"
                                 f" at {op.offset}")
            positions = op.positions_out
            columns = op.outputs
        if positions != 1:
            raise ValueError(f"the last operation must answer one row for each sample, got {positions}")
        if self.net.trained < self.net.count and (self.net.trained < 1 or kind_of(op).joins or op.rows != 0):
            raise ValueError("a loss from logits needs an activation of its own as the last operation")
        if len(self.loss_parameters) < MOST_PARAMETERS:
            raise ValueError(f"a loss has {MOST_PARAMETERS} parameters or more, got {len(self.loss_parameters)}")
        if self.net.loss == &LOSSES[QUANTILE] and not 1 <= self.loss_parameters[0] < len(self.loss_parameters):
            raise ValueError(f"the quantile loss has the parameters {self.loss_parameters}, expected their number first")
        if self.net.update != NULL:
            slots = self.kernel.slots + (self.net.ema_slot != 0)
            if self.net.streams != 1 + slots or (self.net.ema_slot != 0 and self.net.ema_slot != slots):
                raise ValueError(f"optimizer {self.kernel.name.decode()} needs an arena of {1 + slots} rows")
        return 0

    cdef int run_training(self, Job* job, int threads, y, order) except -1:
        """Runs the steps of a job, with buffers that it takes away and puts back: a call meanwhile makes its own."""
        cdef Buffers buffers = self.training
        cdef list _turned = []
        check_threads(threads)
        self.training = None
        job.sparse = self.is_sparse(job.x)
        if buffers is None or buffers.work.rows != job.batch or buffers.threads < threads or buffers.filled == job.sparse:
            buffers = Buffers(self, job.batch, 1, threads, True, not job.sparse)
        if job.sparse:
            _turned = self.room_for_columns(job)
        job.work = buffers.work
        job.mode = floating_mode()
        if self.own_loss:
            self.run_own_loss(job, threads, y, order)
        else:
            with nogil:
                POOL.run(train_task, job, threads)
            if job.update:
                self.iterations += job.done
        self.training = buffers
        return 0

    cdef bint is_sparse(self, Source* x) noexcept:
        """Whether the first operation is a product that can work on the non-zeros of x alone."""
        return x.starts != NULL and self.net.operations[0].kind == 0 and self.net.operations[0].positions_in == 1

    cdef list room_for_columns(self, Job* job):
        """Where ``turn_batch`` puts the entries of a batch: room for the fullest one."""
        cdef Py_ssize_t most = 0, step, r, row, n
        for step in range(job.steps):
            n = 0
            for r in range(job.first + step * job.batch, least(job.first + (step + 1) * job.batch, job.total)):
                row = r if job.order == NULL else job.order[r]
                n += job.x.starts[row + 1] - job.x.starts[row]
            most = max(most, n)
        room = [np.empty(job.x.columns + 1, dtype=np.int64), np.empty(most, dtype=np.int32), np.empty(most, dtype=REAL)]
        job.column_starts = <int64_t*>cnp.PyArray_DATA(<cnp.ndarray>room[0])
        job.entry_rows = <int32_t*>cnp.PyArray_DATA(<cnp.ndarray>room[1])
        job.entry_values = <real*>cnp.PyArray_DATA(<cnp.ndarray>room[2])
        return room

    cdef int run_own_loss(self, Job* job, int threads, y, order) except -1:
        """The steps of a job, in two parts each: between them Python computes the loss of the user's own."""
        cdef Py_ssize_t step, steps = job.steps, done = 0, rows
        cdef real* recorded = job.outputs
        cdef cnp.ndarray outputs
        cdef list keep
        job.steps = 1
        for step in range(steps):
            keep = []
            rows = least(job.batch, job.total - job.first)
            outputs = np.empty((rows, self.outputs), dtype=REAL)
            job.outputs = <real*>cnp.PyArray_DATA(outputs)
            job.half = FORWARD
            job.done = 0
            job.next_clock = step == 0  # the first step always runs
            with nogil:
                POOL.run(train_task, job, threads)
            if job.done == 0 or pool_is_set(&job.stop):
                break
            if recorded != NULL:
                memcpy(recorded + step * job.batch * self.outputs, job.outputs, rows * self.outputs * sizeof(real))
            chosen = slice(job.first, job.first + rows) if order is None else order[job.first:job.first + rows]
            values, slope = self.program.evaluate_loss(outputs, y, chosen)
            job.values = <const real*>cnp.PyArray_DATA(checked(values, REAL_TYPE, "values", rows, ANY, False, keep))
            job.slope = <const real*>cnp.PyArray_DATA(checked(slope, REAL_TYPE, "slope", rows, self.outputs, False, keep))
            job.half = BACKWARD
            job.done = 0
            job.looked = seconds()
            with nogil:
                POOL.run(train_task, job, threads)
            if job.done == 0:
                break
            done += 1
            job.safe = NULL
            if job.update:  # at once: the next call of the user's function may raise
                self.iterations += 1
            job.iteration += 1
            job.first += job.batch
            if job.penalties != NULL:
                job.penalties += 2
            job.losses += 1
            job.scalars += job.scalars_per_step
        job.done = done
        return 0

    def run_steps(self, x, y, sample_weight, order, Py_ssize_t first, Py_ssize_t count, Py_ssize_t batch, scalars, losses,
                  outputs, uint64_t seed, int threads, augmentation=None, double most_seconds=0, safe=None,
                  Py_ssize_t epoch_rows=0, penalties=None):
        """Trains `count` steps on batches of `batch` samples, the first beginning at position `first` of `order`.

        x, y: fastnn.data.Source; sample_weight: reals (n,) or None; order: int64 (n,); scalars: reals (count, k);
        losses: OUT float64 (count,); outputs: OUT reals (samples, outputs) or None. seed: of the random numbers,
        which depend on `iterations` too. augmentation: fastnn.augmentation.Changes of the images, or None.
        most_seconds: no step but the first begins after so long; 0: no limit. safe: OUT, the arena before the first step,
        if the loss of that step is finite, or None. epoch_rows: with it, `order` holds whole epochs of so many rows, each of
        which ends with a shorter batch where they do not divide; `safe` then belongs to the last one begun, and an epoch
        that leaves a loss or a weight that is not finite is the last one. penalties:
        float64 (count, 2), a factor of the weights' penalties in each step, OUT what they added to the loss, or None.
        Returns the number of finished steps: less than count where the time is over, or where a loss, at that place in
        ``losses``, is not finite. The weights are those of the finished steps.
        """
        cdef Job job
        cdef Source sx, sy
        cdef Augmentation changes
        cdef double cost
        cdef list keep
        if self.net.update == NULL:
            raise ValueError("the program has no optimizer; compile the model first")
        keep = self.prepare(&job, &sx, &sy, x, y, sample_weight)
        order = checked(order, cnp.NPY_INT64, "order", 0, ANY, False, keep)
        job.order = <const int64_t*>cnp.PyArray_DATA(order)
        job.total = cnp.PyArray_DIM(order, 0)
        check_steps(job.order, job.total, sx.rows, first, count, batch, epoch_rows)
        batch = least(batch, max(1, (epoch_rows or job.total) - first))
        cost = self.program.cost(batch, filling(&sx))
        if augmentation is not None:
            read_augmentation(&changes, augmentation, self.inputs)
            job.augmentation = &changes
            cost += augmentation.cost * batch
        job.first = first
        job.batch = batch
        job.steps = count
        job.scalars_per_step = self.kernel.scalars + 2
        job.scalars = <const real*>cnp.PyArray_DATA(
            checked(scalars, REAL_TYPE, "scalars", count, job.scalars_per_step, False, keep))
        job.losses = <double*>cnp.PyArray_DATA(checked(losses, cnp.NPY_FLOAT64, "losses", count, ANY, True, keep))
        if outputs is not None:
            samples = job.total if epoch_rows else min(count * batch, job.total - first)
            job.outputs = <real*>cnp.PyArray_DATA(
                checked(outputs, REAL_TYPE, "outputs", samples, self.outputs, True, keep))
        if penalties is not None:
            job.penalties = <double*>cnp.PyArray_DATA(
                checked(penalties, cnp.NPY_FLOAT64, "penalties", count, 2, True, keep))
        if safe is not None:
            job.safe = <real*>cnp.PyArray_DATA(
                checked(safe, REAL_TYPE, "safe", self.net.streams, self.net.size, True, keep))
        job.seed = seed
        job.iteration = self.iterations
        job.update = True
        job.long_steps = cost > self.long_step
        job.next_clock = 1
        job.every_clock = <Py_ssize_t>(CLOCK_COST / cost) + 1
        job.until = 0 if most_seconds == 0 else seconds() + most_seconds
        if job.long_steps or clips_norm(&self.net):
            if self.whole_gradient is None:
                self.whole_gradient = np.zeros(self.net.size, dtype=REAL)
            job.gradient = <real*>cnp.PyArray_DATA(<cnp.ndarray>self.whole_gradient)
        if epoch_rows:
            return self.run_epochs(&job, epoch_rows, threads, y, order)
        self.run_training(&job, threads, y, order)
        if pool_is_set(&job.stop):
            raise_interrupt()
        return job.done

    def step(self, x, y, cnp.ndarray scalars not None, Py_ssize_t place, uint64_t seed, double lowest, double highest,
             bint whole):
        """One step on all rows of x, the shortest way; its loss, or None: then nothing has changed, and ``run_steps`` can
        say why, or do it.

        x (n, inputs), y: plain arrays of numbers, C-contiguous, which are checked here: they must be finite, and y lie from
        ``lowest`` to ``highest``, in whole numbers if ``whole``. scalars: reals (steps, k), of which row ``place`` is taken.
        """
        cdef Job job
        cdef Source sx, sy
        cdef double loss = 0
        cdef Buffers buffers = self.training
        if self.net.update == NULL or self.net.loss == NULL:
            return None
        if not (plain_source(&sx, x) and plain_source(&sy, y)):
            return None
        if (cnp.PyArray_NDIM(<cnp.ndarray>x) != 2 or sx.columns != self.inputs or sy.columns != self.targets
                or sx.rows == 0 or sy.rows != sx.rows or <double>sx.rows * self.products > 200000):
            return None
        if not (finite_rows(&sx) and targets_within(&sy, lowest, highest, whole)):
            return None
        memset(&job, 0, sizeof(Job))
        job.scalars_per_step = self.kernel.scalars + 2
        if (cnp.PyArray_TYPE(scalars) != REAL_TYPE or cnp.PyArray_NDIM(scalars) != 2 or not cnp.PyArray_ISCARRAY_RO(scalars)
                or cnp.PyArray_DIM(scalars, 1) != job.scalars_per_step or not 0 <= place < cnp.PyArray_DIM(scalars, 0)):
            raise ValueError(f"scalars must be reals (steps, {job.scalars_per_step}) with a row {place}")
        job.scalars = <const real*>cnp.PyArray_DATA(scalars) + place * job.scalars_per_step
        job.net = &self.net
        job.pool = POOL
        job.x, job.y = &sx, &sy
        job.total = job.batch = sx.rows
        job.steps = job.next_clock = job.every_clock = 1
        job.losses = &loss
        job.seed = seed
        job.iteration = self.iterations
        job.update = True
        if clips_norm(&self.net):
            if self.whole_gradient is None:
                self.whole_gradient = np.zeros(self.net.size, dtype=REAL)
            job.gradient = <real*>cnp.PyArray_DATA(<cnp.ndarray>self.whole_gradient)
        self.training = None  # taken, as in run_training
        if buffers is None or buffers.work.rows != job.batch or not buffers.filled:
            buffers = Buffers(self, job.batch, 1, 1, True, True)
        job.work = buffers.work
        job.mode = floating_mode()
        train_task(&job, 0, 1)  # microseconds: not worth letting another Python thread run
        self.iterations += job.done
        self.training = buffers
        return loss if job.done else None

    cdef Py_ssize_t run_epochs(self, Job* job, Py_ssize_t rows, int threads, y, order) except -1:
        """The epochs of a job, one after another; returns the finished steps."""
        cdef Job epoch
        cdef Py_ssize_t number, done = 0, steps = ceil_div(rows, job.batch)
        for number in range(job.total // rows):
            if number > 0 and job.until != 0 and seconds() > job.until:
                break
            epoch = job[0]
            epoch.first = number * rows
            epoch.total = epoch.first + rows
            epoch.steps = steps
            epoch.losses += number * steps
            epoch.scalars += number * steps * job.scalars_per_step
            if job.penalties != NULL:
                epoch.penalties += 2 * number * steps
            if job.outputs != NULL:
                epoch.outputs += epoch.first * self.outputs
            epoch.iteration = self.iterations
            epoch.until = 0
            self.run_training(&epoch, threads, y, order)
            if pool_is_set(&epoch.stop):
                raise_interrupt()
            done += epoch.done
            if epoch.done < steps or not all_finite(&self.net, epoch.losses, steps):
                break
        return done

    def gradient(self, x, y, sample_weight, uint64_t seed=0, uint64_t iteration=0, int threads=1, double penalty=1):
        """Loss and its gradient over all rows of x as in training: (float, one arena row of reals).

        penalty: factor of the weights' penalties.
        """
        cdef Job job
        cdef double[2] penalties
        cdef Source sx, sy
        cdef double loss
        cdef list _keep = self.prepare(&job, &sx, &sy, x, y, sample_weight)
        gradient = np.zeros(self.net.size, dtype=REAL)
        if sx.rows == 0:
            raise ValueError("x has no rows")
        job.total = sx.rows
        job.batch = sx.rows
        job.steps = 1
        job.seed = seed
        job.iteration = iteration
        job.long_steps = True
        job.losses = &loss
        penalties[0] = penalty
        job.penalties = penalties
        job.gradient = <real*>cnp.PyArray_DATA(<cnp.ndarray>gradient)
        self.run_training(&job, threads, y, None)
        if pool_is_set(&job.stop):
            raise_interrupt()
        return loss, gradient

    def slopes(self, x, of_outputs, int threads=1):
        """Derivatives of the sums s_k = sum_j of_outputs[k, j] outputs_j by the inputs of each sample: (samples, k, inputs).

        Of a program without dropout whose first operation is a linear activation. Twin: the reference's ``slopes``.
        """
        cdef Job job
        cdef Source sx
        cdef Slopes slopes
        cdef Buffers buffers
        cdef cnp.npy_intp[3] shape
        cdef list keep = [read_source(&sx, x)]
        check_threads(threads)
        self.check_columns(&sx)
        memset(&job, 0, sizeof(Job))
        of_outputs = checked(of_outputs, REAL_TYPE, "of_outputs", 1, self.outputs, False, keep)
        slopes.job = &job
        slopes.of_outputs = <const real*>cnp.PyArray_DATA(of_outputs)
        slopes.count = cnp.PyArray_DIM(of_outputs, 0)
        shape[0] = sx.rows
        shape[1] = slopes.count
        shape[2] = self.inputs
        out = cnp.PyArray_ZEROS(3, shape, REAL_TYPE, 0)
        if sx.rows == 0:
            return out
        slopes.out = <real*>cnp.PyArray_DATA(<cnp.ndarray>out)
        job.net = &self.net
        job.pool = POOL
        job.x = &sx
        job.total = sx.rows
        job.batch = sx.rows
        job.steps = 1
        job.mode = floating_mode()
        buffers = Buffers(self, sx.rows, 1, threads, True, True)
        job.work = buffers.work
        with nogil:
            POOL.run(slope_task, &slopes, threads)
        return out

    def evaluate(self, x, y, sample_weight, Py_ssize_t first, Py_ssize_t last, losses, outputs, int threads):
        """Weighted loss and activity penalty of each sample of [first, last) into losses (float64); outputs unless None."""
        cdef Job job
        cdef Source sx, sy
        cdef list keep = self.prepare(&job, &sx, &sy, x, y, sample_weight)
        if not 0 <= first <= last <= sx.rows:
            raise ValueError(f"rows {first} to {last} do not lie in x, which has {sx.rows}")
        job.first = first
        job.total = last
        job.losses = <double*>cnp.PyArray_DATA(checked(losses, cnp.NPY_FLOAT64, "losses", last - first, ANY, True, keep))
        if self.own_loss and outputs is None:
            outputs = np.empty((last - first, self.outputs), dtype=REAL)
        if outputs is not None:
            job.outputs = <real*>cnp.PyArray_DATA(
                checked(outputs, REAL_TYPE, "outputs", last - first, self.outputs, True, keep))
        self.run_inference(&job, threads, None)
        if self.own_loss:  # so far, losses holds the penalties only
            values = self.program.evaluate_loss(outputs[:last - first], y, slice(first, last))[0]
            losses[:last - first] += values if sample_weight is None else values * sample_weight[first:last]

    def predict(self, x, int threads):
        """Outputs for all rows of x: reals (n, outputs)."""
        cdef Job job
        cdef Source sx
        cdef cnp.npy_intp[2] shape
        _keep = read_source(&sx, x)
        memset(&job, 0, sizeof(Job))
        self.check_columns(&sx)
        shape[0] = job.total = sx.rows
        shape[1] = self.outputs
        outputs = cnp.PyArray_EMPTY(2, shape, REAL_TYPE, 0)
        job.net = &self.net
        job.x = &sx
        job.outputs = <real*>cnp.PyArray_DATA(outputs)
        self.run_inference(&job, threads, None)
        return outputs

    def __call__(self, cnp.ndarray x not None):
        """Outputs for a plain C-contiguous array (n, inputs) of this engine's own type: the shortest way."""
        cdef cnp.npy_intp[2] shape
        if (cnp.PyArray_NDIM(x) != 2 or cnp.PyArray_DIM(x, 1) != self.inputs or cnp.PyArray_TYPE(x) != REAL_TYPE
                or not cnp.PyArray_ISCARRAY_RO(x)):  # contiguous, aligned, of this machine's byte order
            return None
        shape[0] = cnp.PyArray_DIM(x, 0)
        shape[1] = self.outputs
        outputs = cnp.PyArray_EMPTY(2, shape, REAL_TYPE, 0)
        self.answer(<const real*>cnp.PyArray_DATA(x), shape[0], <real*>cnp.PyArray_DATA(outputs), x)
        return outputs

    cdef int answer(self, const real* x, Py_ssize_t rows, real* outputs, cnp.ndarray given) except -1:
        """Outputs for rows that lie one behind another in an array."""
        cdef Job job
        cdef Source sx
        memset(&job, 0, sizeof(Job))
        sx.data = <const char*>x
        sx.starts = NULL
        sx.columns = self.inputs
        sx.bytes = 0
        sx.stride = self.inputs * sizeof(real)
        sx.offsets = NULL
        if sizeof(real) == 4:
            bind_readers[float](&sx, NULL)
        else:
            bind_readers[double](&sx, NULL)
        job.total = sx.rows = rows
        job.net = &self.net
        job.x = &sx
        job.outputs = outputs
        self.run_inference(&job, 1, given)
        return 0

    @staticmethod
    def classes(outputs):
        """The index of each row's largest output, the first of equals: int64 (rows,). Twin: numpy.argmax."""
        cdef list keep = []
        cdef Py_ssize_t columns = max(1, outputs.shape[1] if outputs.ndim == 2 else 1), i, k, best
        cdef cnp.ndarray rows = checked(outputs, REAL_TYPE, "outputs", 0, columns, False, keep)
        cdef Py_ssize_t n = cnp.PyArray_DIM(rows, 0)
        cdef const real* a = <const real*>cnp.PyArray_DATA(rows)
        out = np.empty(n, dtype=np.int64)
        cdef int64_t* index = <int64_t*>cnp.PyArray_DATA(<cnp.ndarray>out)
        cdef real most, strange
        with nogil:
            for i in range(n):
                best, most, strange = 0, a[0], a[0] - a[0]
                for k in range(1, columns):  # without branches: which output wins is hard to foresee
                    best = k if a[k] > most else best
                    most = a[k] if a[k] > most else most
                    strange = strange + (a[k] - a[k])
                if strange != 0:  # NaN or infinity: the first NaN is the largest
                    for k in range(columns):
                        if a[k] != a[k]:
                            best = k
                            break
                index[i] = best
                a += columns
        return out

    cdef list prepare(self, Job* job, Source* sx, Source* sy, x, y, sample_weight):
        """The samples of a job, checked; what is returned must live as long as the job."""
        cdef list keep
        if self.net.loss == NULL and not self.own_loss:
            raise ValueError("the program has no loss; compile the model first")
        memset(job, 0, sizeof(Job))
        keep = [read_source(sx, x), read_source(sy, y)]
        self.check_columns(sx)
        if sy.rows != sx.rows or (sy.columns != self.targets and not self.own_loss):
            raise ValueError(f"y has {sy.rows} rows of {sy.columns} numbers, expected {sx.rows} of {self.targets}")
        job.net = &self.net
        job.pool = POOL
        job.looked = seconds()
        job.x = sx
        job.y = NULL if self.own_loss else sy
        if sample_weight is not None:
            job.sample_weight = <const real*>cnp.PyArray_DATA(
                checked(sample_weight, REAL_TYPE, "sample_weight", sx.rows, ANY, False, keep))
        return keep

    cdef int check_columns(self, Source* x) except -1:
        if x.columns != self.inputs:
            raise ValueError(f"x has {x.columns} numbers in a row, expected {self.inputs}")
        return 0

    cdef int run_inference(self, Job* job, int threads, cnp.ndarray given) except -1:
        """Rows [first, total) of a job. given: the array that it reads, unless the job's owner holds it."""
        cdef Buffers buffers = self.inference
        cdef Py_ssize_t rows = job.total - job.first, chunk = least(rows, self.predict_rows)
        cdef bint small = <double>rows * self.products < 200000  # microseconds: not worth letting another Python thread run
        cdef bint together = (threads > 1 and rows <= self.predict_rows and job.losses == NULL  # a weight read: 16
                              and (rows + 16.0) * self.weights >= TOGETHER and job.x.starts == NULL)
        check_threads(threads)
        if rows == 0:
            return 0
        if not together:
            threads = least(threads, ceil_div(rows, self.predict_rows))
        self.inference = None  # taken, as in run_training
        job.sparse = self.is_sparse(job.x)
        if (buffers is None or buffers.work.rows < chunk or buffers.count < threads
                or not (buffers.filled or job.sparse)):
            buffers = Buffers(self, self.predict_rows if chunk > 8 else least(8, self.predict_rows), threads, 1, False,
                              not job.sparse)
        job.work = buffers.work
        job.pool = POOL
        if small:
            predict_task(job, 0, 1)
        else:
            _keep = None if given is None else pin(given)
            job.long_steps = True
            job.looked = seconds()
            job.mode = floating_mode()
            with nogil:
                POOL.run(predict_together if together else predict_task, job, threads)
        self.inference = buffers
        if pool_is_set(&job.stop):
            raise_interrupt()
        return 0


include "predictor.pxi"
