# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled engine for one number type and one CPU level. The map of this folder: README.md."""
cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, cos, fabs, hypot, pow, sin, sqrt
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
include "operations/lookup.pxi"
include "operations/table.pxi"
include "matrices.pxi"
include "step.pxi"

REAL = np.dtype(np.float32 if sizeof(real) == 4 else np.float64)
PANEL_WIDTH = WIDTH

cdef int REAL_TYPE = cnp.NPY_FLOAT32 if sizeof(real) == 4 else cnp.NPY_FLOAT64
cdef const pool_table* POOL = <const pool_table*>PyCapsule_GetPointer(machine.pool, b"fastnn.pool")

include "checks.pxi"
include "program.pxi"
include "buffers.pxi"
include "catalogue.pxi"
include "formulas.pxi"

cdef double TOGETHER = 1e8  # products of two numbers from which few rows are worth a team's barriers, some milliseconds

cdef double FEW = 2e5  # products of two numbers from which more than one thread, of Python or of a team, may be worth it

cdef double LONG_STEP = 2e9  # Program.cost: some 0.02 to 0.2 seconds
cdef double LONG_MAPS = 1 << 26  # bytes of a batch's maps: their first step waits for memory from the system
cdef double LONG_ANSWERS = 1e8  # Program.sample_cost of samples that are answered: some milliseconds
cdef double CLOCK_COST = 5e6  # Program.cost between two looks at the clock: some 0.1 milliseconds


cdef int raise_interrupt() except -1:
    """Raises what PyErr_CheckSignals has set."""
    return -1


cdef class Engine:
    """Runs a program (fastnn.engine.program.Program) on panel matrices. Same methods as fastnn.engine.reference.Engine.

    The arena (1 + slots, size) belongs to the caller: row 0 holds the weights, the others the optimizer's state.
    """
    cdef Network net
    cdef const OptimizerKernel* kernel
    cdef readonly object program, arena
    cdef public Py_ssize_t iterations  # finished steps; counted here, so that an interrupt cannot come between
    cdef double sample_cost
    cdef public double long_step  # cost (Program.cost) from which a step looks for Ctrl-C inside: docs/decisions/ctrl-c.md
    cdef object operations, loss_parameters, whole_gradient, arena_pin
    cdef bint own_loss  # whether the loss is a Python function of the user's: program.evaluate_loss
    cdef Formulas formulas
    cdef Buffers training, inference
    cdef Py_ssize_t inputs, outputs, targets  # targets: numbers that the loss reads for a sample
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
        self.net.optimizer = NULL
        if program.optimizer is not None:
            self.kernel = &OPTIMIZERS[number_of("optimizer", program.optimizer, OPTIMIZER_COUNT)]
            self.net.update = self.kernel.update
            self.net.optimizer = self.kernel
        if program.optimizer_object is not None:
            optimizer = program.optimizer_object
            self.net.clip_value = optimizer.clipvalue or 0
            self.net.clip_norm = optimizer.clipnorm or 0
            self.net.global_clip_norm = optimizer.global_clipnorm or 0
            self.net.ema_slot = program.average if optimizer.use_ema else 0
            self.net.overwrites = optimizer.ema_overwrite_frequency or 0 if optimizer.use_ema else 0
            self.net.accumulates = optimizer.gradient_accumulation_steps or 0
            self.net.sum_slot = program.slots
        self.net.penalized = program.penalized
        self.net.constrained = program.constrained
        self.long_step = LONG_STEP
        self.sample_cost = program.sample_cost
        self.inputs = self.net.operations[0].inputs * self.net.operations[0].positions_in
        self.outputs = self.net.operations[self.net.count - 1].outputs
        self.targets = 0 if program.loss_object is None else program.loss_object.columns(self.outputs)
        self.formulas = read_formulas(&self.net, list(program.formulas))
        if program.loss_formula is not None:
            self.formulas.add_loss(program.loss_formula, self.targets)
            self.net.loss = &self.formulas.loss
            self.net.loss_parameters = <double*>&self.formulas.own_loss
        check_program(&self.net, self.loss_parameters)
        self.tables = read_tables(&self.net, list(program.tables))
        plan_walks(&self.net)
        measure_sample(&self.net)
        self.net.lowest = 0  # below the first operation that training changes, nobody needs a gradient
        while self.net.lowest + 1 < self.net.trained and not is_trained(&self.net.operations[self.net.lowest]):
            self.net.lowest += 1

    def __dealloc__(self):
        free_program(&self.net)

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
        return self.formulas.raise_error()

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
        job.long_steps = (cost > self.long_step or <double>batch * self.net.maps > LONG_MAPS
                          or self.formulas.in_python)  # whose errors come before the first changed weight
        job.next_clock = 1
        job.every_clock = <Py_ssize_t>(CLOCK_COST / cost) + 1
        job.until = 0 if most_seconds == 0 else seconds() + most_seconds
        if job.long_steps or stores_gradient(&self.net):
            if self.whole_gradient is None:
                self.whole_gradient = np.zeros(self.net.size, dtype=REAL)
            job.gradient = <real*>cnp.PyArray_DATA(<cnp.ndarray>self.whole_gradient)
        if epoch_rows:
            return self.run_epochs(&job, epoch_rows, threads, y, order)
        self.run_training(&job, threads, y, order)
        if pool_is_set(&job.stop):
            raise_interrupt()
        return job.done

    cdef bint few_samples(self, Source* sx, Source* sy, x, y, double lowest, double highest, bint whole) except -1:
        """Whether x (n, inputs) and y are few samples in plain C-contiguous arrays, whose numbers are finite and right.

        y must lie from ``lowest`` to ``highest``, in whole numbers if ``whole``.
        """
        if self.net.loss == NULL or self.formulas.in_python or not (plain_source(sx, x) and plain_source(sy, y)):
            return False
        if (cnp.PyArray_NDIM(<cnp.ndarray>x) != 2 or cnp.PyArray_NDIM(<cnp.ndarray>y) > 2
                or sx.columns != self.inputs or sy.columns != self.targets
                or sx.rows == 0 or sy.rows != sx.rows or <double>sx.rows * self.net.products >= FEW):
            return False
        return finite_numbers(sx) and machine.within(y, lowest, highest, whole)

    def step(self, x, y, cnp.ndarray scalars not None, Py_ssize_t place, uint64_t seed, double lowest, double highest,
             bint whole, bint told=False):
        """One step on all rows of x, the shortest way; its loss, or None: then nothing has changed, and ``run_steps`` can
        say why, or do it.

        x, y, lowest, highest, whole: see ``few_samples``. scalars: reals (steps, k), of which row ``place`` is taken. told:
        returns the loss and the outputs, reals (n, outputs), of before the step.
        """
        cdef Job job
        cdef Source sx, sy
        cdef double loss = 0
        cdef Buffers buffers = self.training
        cdef cnp.npy_intp[2] shape
        if (self.net.update == NULL or self.net.optimizer.survey != NULL
                or not self.few_samples(&sx, &sy, x, y, lowest, highest, whole)):
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
        outputs = None
        if told:
            shape[0], shape[1] = sx.rows, self.outputs
            outputs = cnp.PyArray_EMPTY(2, shape, REAL_TYPE, 0)
            job.outputs = <real*>cnp.PyArray_DATA(outputs)
        if stores_gradient(&self.net):
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
        if not job.done:
            return None
        return (loss, outputs) if told else loss

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
        self.check_derivatives()
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
        self.formulas.raise_error()
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

    def evaluate_few(self, x, y, double lowest, double highest, bint whole):
        """Losses, float64 (n,), and outputs, reals (n, outputs), of few samples, see ``few_samples``; None for all else."""
        cdef Job job
        cdef Source sx, sy
        cdef cnp.npy_intp[2] shape
        if not self.few_samples(&sx, &sy, x, y, lowest, highest, whole):
            return None
        memset(&job, 0, sizeof(Job))
        shape[0], shape[1] = sx.rows, self.outputs
        losses = cnp.PyArray_EMPTY(1, shape, cnp.NPY_FLOAT64, 0)
        outputs = cnp.PyArray_EMPTY(2, shape, REAL_TYPE, 0)
        job.net = &self.net
        job.pool = POOL
        job.x, job.y = &sx, &sy
        job.total = sx.rows
        job.losses = <double*>cnp.PyArray_DATA(losses)
        job.outputs = <real*>cnp.PyArray_DATA(outputs)
        self.run_inference(&job, 1, None)
        return losses, outputs

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

    def predict_few(self, x):
        """Outputs for few rows of finite numbers of any type in a C-contiguous array (n, inputs); None for all else.

        What ``predict`` gives, without asking whether a team of threads is worth it.
        """
        cdef Source sx
        cdef cnp.npy_intp[2] shape
        if self.formulas.in_python or not plain_source(&sx, x):
            return None
        if (cnp.PyArray_NDIM(<cnp.ndarray>x) != 2 or sx.columns != self.inputs or sx.rows == 0
                or <double>sx.rows * self.net.products >= FEW or not finite_numbers(&sx)):
            return None
        shape[0] = sx.rows
        shape[1] = self.outputs
        outputs = cnp.PyArray_EMPTY(2, shape, REAL_TYPE, 0)
        self.infer_rows(&sx, <real*>cnp.PyArray_DATA(outputs), x)
        return outputs

    cdef int answer(self, const real* x, Py_ssize_t rows, real* outputs, cnp.ndarray given) except -1:
        """Outputs for rows that lie one behind another in an array."""
        cdef Source sx
        sx.data = <const char*>x
        sx.starts = NULL
        sx.columns = self.inputs
        sx.bytes = self.inputs * sizeof(real)
        sx.stride = self.inputs * sizeof(real)
        sx.offsets = NULL
        if sizeof(real) == 4:
            bind_readers[float](&sx, NULL)
        else:
            bind_readers[double](&sx, NULL)
        sx.rows = rows
        return self.infer_rows(&sx, outputs, given)

    cdef int infer_rows(self, Source* x, real* outputs, given) except -1:
        """Outputs for all rows, by one thread."""
        cdef Job job
        memset(&job, 0, sizeof(Job))
        job.total = x.rows
        job.net = &self.net
        job.x = x
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
        self.check_derivatives()
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

    cdef int check_derivatives(self) except -1:
        if self.formulas.without_derivative:
            raise ValueError("a formula of the program has no derivative")
        return 0

    cdef int check_columns(self, Source* x) except -1:
        if x.columns != self.inputs:
            raise ValueError(f"x has {x.columns} numbers in a row, expected {self.inputs}")
        return 0

    cdef int run_inference(self, Job* job, int threads, cnp.ndarray given) except -1:
        """Rows [first, total) of a job. given: the array that it reads, unless the job's owner holds it."""
        cdef Buffers buffers = self.inference
        cdef Py_ssize_t most = self.net.predict_rows, rows = job.total - job.first, chunk = least(rows, most)
        cdef bint small = <double>rows * self.net.products < FEW  # not worth freeing the GIL
        cdef bint together = (threads > 1 and rows <= most and job.losses == NULL  # a weight read: 16
                              and (rows + 16.0) * self.net.weights >= TOGETHER and job.x.starts == NULL)
        check_threads(threads)
        if rows == 0:
            return 0
        if not together:
            threads = least(threads, ceil_div(rows, most))
        self.inference = None  # taken, as in run_training
        job.sparse = self.is_sparse(job.x)
        if (buffers is None or buffers.work.rows < chunk or buffers.count < threads
                or not (buffers.filled or job.sparse)):
            buffers = Buffers(self, most if chunk > 8 else least(8, most), threads, 1, False, not job.sparse)
        job.work = buffers.work
        job.pool = POOL
        if small:
            predict_task(job, 0, 1)
        else:
            _keep = None if given is None else pin(given)
            job.long_steps = rows * self.sample_cost > LONG_ANSWERS
            job.looked = seconds()
            job.mode = floating_mode()
            with nogil:
                POOL.run(predict_together if together else predict_task, job, threads)
        self.inference = buffers
        if pool_is_set(&job.stop):
            raise_interrupt()
        return self.formulas.raise_error()


include "predictor.pxi"
