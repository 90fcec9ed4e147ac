# Formulas of the user's own in the place of kernels of the tables: compiled by Numba, or called in Python, which is slow.
# How they are made: fastnn/formulas/.
#
# Python hands over functions, never addresses: an address is taken from an object of Numba's whose signature is the one
# that the core calls, and the object is kept as long as the address.
import sys

# Where the parameters of a kernel would be, for functions that are called in Python.
cdef struct PythonCall:
    void* formulas  # of the class Formulas
    void* function
    pool_flag* failed

# A loss of the user's own: of each output and its target, or of whole rows.
ctypedef void (*NumbersLoss)(Py_ssize_t n, const real* a, const real* t, real* values, real* d) noexcept nogil
ctypedef void (*RowsLoss)(Py_ssize_t n, Py_ssize_t columns, const real* a, const real* t, real* d, real* e) noexcept nogil

cdef struct OwnLoss:
    NumbersLoss numbers
    RowsLoss rows
    Py_ssize_t columns  # of the targets

cdef enum:
    LOSS_LINES = 16  # outputs of a block whose losses are computed at once

cdef str SIZE_NAME = f"int{8 * sizeof(Py_ssize_t)}"
cdef str REAL_NAME = f"float{8 * sizeof(real)}*"


cdef bint is_compiled(function) except -1:
    """Whether it is a C callback of Numba's."""
    module = sys.modules.get("numba.core.ccallback")
    return module is not None and type(function) is module.CFunc


cdef void* address_of(function, str arguments) except NULL:
    """The address of a C callback with these arguments, which returns nothing."""
    signature = str(function._sig).replace(" ", "")
    if signature != f"({arguments})->none":
        raise TypeError(f"a formula has the signature {signature}, expected ({arguments})->none")
    return <void*><size_t>function.address


@cython.internal
cdef class Formulas:
    """The formulas of the user's own of one network; what went wrong in those that run in Python."""
    cdef ActivationKernel* activations  # of each operation; used where it has a formula
    cdef PythonCall* calls
    cdef list kept
    cdef object error
    cdef LossKernel loss
    cdef OwnLoss own_loss
    cdef pool_flag failed
    cdef readonly bint in_python, without_derivative
    cdef unsigned mode

    def __cinit__(self, Py_ssize_t count):
        self.kept = []
        self.mode = floating_mode()
        self.activations = <ActivationKernel*>PyMem_Calloc(count, sizeof(ActivationKernel))
        self.calls = <PythonCall*>PyMem_Calloc(count, sizeof(PythonCall))
        if self.activations == NULL or self.calls == NULL:
            raise MemoryError("no memory for formulas")

    def __dealloc__(self):
        PyMem_Free(self.activations)
        PyMem_Free(self.calls)

    cdef int add(self, Py_ssize_t i, given, double* parameters) except -1:
        """The activation of operation i: (forward, backward), compiled or functions of arrays; parameters: its own."""
        cdef ActivationKernel* kernel = &self.activations[i]
        cdef real zero = 0
        forward, backward = given
        self.kept.append(given)
        kernel.name = "formula"
        kernel.keeps_input = True
        if is_compiled(forward):
            kernel.forward = <Forward>address_of(forward, f"{SIZE_NAME},{REAL_NAME},float64*")
            if backward is not None:
                kernel.backward = <Backward>address_of(backward, f"{SIZE_NAME},{REAL_NAME},{REAL_NAME},float64*")
            self.without_derivative |= backward is None
            kernel.forward(1, &zero, parameters)
            kernel.spoils_padding = zero - zero != 0
            return 0
        self.in_python = True
        kernel.forward, kernel.backward = forward_in_python, backward_in_python
        self.calls[i] = PythonCall(<void*>self, <void*>given, &self.failed)
        memset(parameters, 0, 4 * sizeof(double))
        call = &self.calls[i]
        memcpy(parameters, &call, sizeof(call))
        kernel.spoils_padding = True
        return 0

    cdef int add_loss(self, given, Py_ssize_t columns) except -1:
        """The loss: a compiled function, and whether it takes whole rows."""
        function, rows = given
        self.kept.append(function)
        self.own_loss.columns = columns
        if rows:
            self.own_loss.rows = <RowsLoss>address_of(function, f"{SIZE_NAME},{SIZE_NAME}" + 4 * f",{REAL_NAME}")
        else:
            self.own_loss.numbers = <NumbersLoss>address_of(function, SIZE_NAME + 4 * f",{REAL_NAME}")
        self.loss.name = "formula"
        self.loss.pointwise = not rows
        if rows:
            self.loss.block = loss_of_rows
        else:
            self.loss.block = loss_of_numbers
        return 0

    cdef int raise_error(self) except -1:
        """The first error in a function of the user's, once all threads are back."""
        if self.in_python and self.error is not None:
            error, self.error = self.error, None
            memset(&self.failed, 0, sizeof(self.failed))
            raise error
        return 0


cdef Formulas read_formulas(Network* net, list given):
    """What computes each activation of a program: a kernel of the table, or a formula of the user's own."""
    cdef Py_ssize_t i
    cdef Operation* op
    cdef Formulas formulas = Formulas(net.count)
    net.failed = &formulas.failed
    for i in range(net.count):
        op = &net.operations[i]
        op.function = &ACTIVATIONS[number_of("activation", op.activation, ACTIVATION_COUNT)]
        if given[i] is not None:
            formulas.add(i, given[i], op.parameters)
            op.function = &formulas.activations[i]
    return formulas


cdef void loss_of_numbers(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    """The mean over the outputs."""
    cdef const OwnLoss* own = <const OwnLoss*>h
    cdef real[256] values  # LOSS_LINES lines
    cdef real[64] total
    cdef Py_ssize_t k = 0, lines, i
    set_zero(total)
    while k < n:
        lines = least(LOSS_LINES, n - k)
        own.numbers(lines * WIDTH, a + k * WIDTH, t + k * WIDTH, values, d + k * WIDTH)
        for i in range(lines * WIDTH):
            total[i % WIDTH] = total[i % WIDTH] + values[i]
        k += lines
    mean_over_outputs(n, d, e, total)


cdef void loss_of_rows(Py_ssize_t n, reals_out a, reals_in t, reals_out d, reals_out e, const double* h) noexcept nogil:
    cdef const OwnLoss* own = <const OwnLoss*>h
    own.rows(n, own.columns, a, t, d, e)


cdef inline PythonCall* call_of(const double* h) noexcept nogil:
    cdef PythonCall* call
    memcpy(&call, h, sizeof(call))
    return call


cdef object copied(Py_ssize_t n, const real* x):
    """An array of the user's own: what a function keeps of it later is no memory of the core's."""
    cdef cnp.npy_intp[1] shape = [n]
    out = cnp.PyArray_EMPTY(1, shape, REAL_TYPE, 0)
    memcpy(cnp.PyArray_DATA(<cnp.ndarray>out), x, n * sizeof(real))
    return out


cdef void answer_in_python(Py_ssize_t n, const real* v, real* out, const double* h, bint back) noexcept with gil:
    """What a function of Python's answers, or NaN and a note of its error."""
    cdef PythonCall* call = call_of(h)
    cdef Formulas formulas = <Formulas>call.formulas
    cdef unsigned mode = floating_mode()
    cdef Py_ssize_t i
    set_floating_mode(formulas.mode)
    try:
        forward, backward = <object>call.function
        answer = backward(copied(n, v), copied(n, out)) if back else forward(copied(n, v))
        answer = np.ascontiguousarray(answer, dtype=REAL)
        if answer.shape != (n,):
            raise ValueError(f"a formula must answer an array of the shape that it gets, ({n},), got {answer.shape}")
        memcpy(out, cnp.PyArray_DATA(<cnp.ndarray>answer), n * sizeof(real))
    except BaseException as error:
        pool_set(call.failed)
        if formulas.error is None:
            formulas.error = error
        for i in range(n):
            out[i] = NAN
    set_floating_mode(mode)


cdef void forward_in_python(Py_ssize_t n, reals_out a, const double* h) noexcept nogil:
    answer_in_python(n, a, a, h, False)


cdef void backward_in_python(Py_ssize_t n, reals_in v, reals_out d, const double* h) noexcept nogil:
    answer_in_python(n, v, d, h, True)
