# Each kernel on its own, for the tests and benchmarks: what is registered in a table above can be called from here.

cdef Py_ssize_t ACTIVATION_COUNT = sizeof(ACTIVATIONS) // sizeof(ActivationKernel)
cdef Py_ssize_t OPERATION_COUNT = sizeof(OPERATIONS) // sizeof(OperationKernel)
cdef Py_ssize_t LOSS_COUNT = sizeof(LOSSES) // sizeof(LossKernel)
cdef Py_ssize_t OPTIMIZER_COUNT = sizeof(OPTIMIZERS) // sizeof(OptimizerKernel)
cdef enum:
    QUANTILE = 16  # the loss whose parameters begin with their number


cdef Py_ssize_t number_of(str what, Py_ssize_t given, Py_ssize_t count) except -1:
    """An index of a table, checked."""
    if not 0 <= given < count:
        raise ValueError(f"{what} {given} is not in the core's table, which has {count}")
    return given


def activation_names():
    return [ACTIVATIONS[i].name.decode() for i in range(ACTIVATION_COUNT)]


def loss_names():
    return [LOSSES[i].name.decode() for i in range(LOSS_COUNT)]


def optimizer_names():
    return [OPTIMIZERS[i].name.decode() for i in range(OPTIMIZER_COUNT)]


def operation_kinds():
    """Name and columns of each row of the table of operations."""
    return [
        {"name": row.name.decode(), "in_place": row.infer_panel != NULL, "applies_activation": row.joins,
         "updates": row.update != NULL}
        for row in OPERATIONS
    ]


cdef real* reals(array, bint written=False) except NULL:
    """The numbers of a C-contiguous array of the core's type."""
    if not isinstance(array, np.ndarray) or array.dtype != REAL or not (
            cnp.PyArray_ISCARRAY(<cnp.ndarray>array) if written else cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>array)):
        what = f"{array.dtype}, {array.flags}" if isinstance(array, np.ndarray) else repr(array)
        raise TypeError(f"expected a C-contiguous{' writeable' if written else ''} array of {REAL}, got {what}")
    return <real*>cnp.PyArray_DATA(<cnp.ndarray>array)


cdef int check_shape(cnp.ndarray array, str name, tuple wanted) except -1:
    """As many axes as `wanted` has, each so long or longer, the last exactly."""
    cdef Py_ssize_t axis, axes = len(wanted)
    fits = cnp.PyArray_NDIM(array) == axes
    for axis in range(axes if fits else 0):
        fits = fits and (array.shape[axis] == wanted[axis] if axis == axes - 1 else array.shape[axis] >= wanted[axis])
    if not fits:
        shape = (<object>array).shape
        raise ValueError(f"{name} has shape {shape}, expected {wanted}: the last exactly, the others at least")
    return 0


def activation_forward(int kernel, cnp.ndarray z not None, parameters=(0, 0, 0, 0)):
    """a, of the shape of z: any shape, or a transposed block (outputs, WIDTH) for a blockwise kernel."""
    cdef double[4] h = (*parameters, 0, 0, 0, 0)[:4]
    number_of("activation", kernel, ACTIVATION_COUNT)
    a = z.copy()
    if ACTIVATIONS[kernel].blockwise:
        check_shape(a, "z", (1, WIDTH))
    if ACTIVATIONS[kernel].forward != NULL:
        ACTIVATIONS[kernel].forward(a.shape[0] if ACTIVATIONS[kernel].blockwise else a.size, reals(a), h)
    return a


def activation_backward(int kernel, cnp.ndarray a not None, cnp.ndarray d not None, parameters=(0, 0, 0, 0)):
    """dL/dz from d = dL/da and a, or z where the kernel keeps its input."""
    cdef double[4] h = (*parameters, 0, 0, 0, 0)[:4]
    number_of("activation", kernel, ACTIVATION_COUNT)
    out = d.copy()
    if (<object>a).shape != out.shape:
        raise ValueError(f"a and d have shapes {(<object>a).shape} and {out.shape}")
    if ACTIVATIONS[kernel].blockwise:
        check_shape(out, "d", (1, WIDTH))
    if ACTIVATIONS[kernel].backward != NULL:
        ACTIVATIONS[kernel].backward(out.shape[0] if ACTIVATIONS[kernel].blockwise else out.size, reals(a), reals(out), h)
    return out


def loss(int kernel, cnp.ndarray a not None, cnp.ndarray t not None, parameters=(0, 0, 0, 0)):
    """(activated outputs, loss of each sample, dL/da or dL/dz) of a transposed block a (outputs, WIDTH)."""
    numbers = np.array(parameters, dtype=np.float64)
    check_shape(a, "a", (1, WIDTH))
    check_shape(t, "t", (1, WIDTH))
    if t.shape[0] < a.shape[0]:  # labels, or targets for several outputs each; what is missing may be read
        t = np.concatenate([t, np.zeros((a.shape[0] - t.shape[0], WIDTH), dtype=REAL)])
    cdef const double* h = <const double*>cnp.PyArray_DATA(<cnp.ndarray>numbers)
    out, d, e = a.copy(), np.empty_like(a), np.empty(WIDTH, dtype=REAL)
    number_of("loss", kernel, LOSS_COUNT)
    loss_of_block(&LOSSES[kernel], a.shape[0], reals(out), reals(t), reals(d), reals(e), h)
    return out, e, d


def update(int kernel, cnp.ndarray w not None, cnp.ndarray g not None, cnp.ndarray slots not None,
           cnp.ndarray scalars not None):
    """One step of an optimizer on w (n,) and slots (3, n), in place. scalars: 8 numbers or fewer."""
    h = np.zeros(16, dtype=REAL)
    number_of("optimizer", kernel, OPTIMIZER_COUNT)
    h[:scalars.size] = scalars
    check_shape(g, "g", (w.size,))
    check_shape(slots, "slots", (3, w.size))
    OPTIMIZERS[kernel].update(w.size, reals(w, True), reals(g), reals(slots[0], True), reals(slots[1], True),
                              reals(slots[2], True), reals(h))


def product(cnp.ndarray A not None, cnp.ndarray W not None, cnp.ndarray Z not None, Py_ssize_t outputs):
    """Z = A W + b for panel matrices A (panels, rows, WIDTH), W (panels, inputs + 1, WIDTH), Z like A.

    outputs: columns of W that hold anything.
    """
    check_shape(W, "W", (panels(outputs), 1, WIDTH))
    cdef Py_ssize_t inputs = W.shape[1] - 1, first = 0, p, rows, depth
    check_shape(A, "A", (panels(inputs), 0, WIDTH))
    rows = A.shape[1]
    check_shape(Z, "Z", (panels(outputs), rows, WIDTH))
    depth = depth_of(inputs, outputs, rows)
    while first == 0 or first < inputs:
        for p in range(panels(outputs)):
            dense_block(reals(W), inputs, outputs, p, first, depth, rows, reals(A), rows * WIDTH,
                        reals(Z, True) + p * Z.shape[1] * WIDTH)
        first += max(1, depth)


def product_of_row(cnp.ndarray A not None, cnp.ndarray W not None, cnp.ndarray Z not None):
    """The same for one row, by the tile that is wide in columns."""
    check_shape(W, "W", (0, 1, WIDTH))
    check_shape(A, "A", (panels(W.shape[1] - 1), 1, WIDTH))
    check_shape(Z, "Z", (W.shape[0], 1, WIDTH))
    cdef Py_ssize_t rows = A.shape[1], sw = W.shape[1] * WIDTH
    forward_row(reals(A), rows * WIDTH, reals(W), sw, W.shape[0], W.shape[1] - 1, reals(W) + sw - WIDTH, sw,
                reals(Z, True), Z.shape[1] * WIDTH)


def weight_gradient(cnp.ndarray A not None, cnp.ndarray D not None, Py_ssize_t inputs, cnp.ndarray G not None,
                    Py_ssize_t outputs):
    """G = A^T D, its last row the bias gradient: A and D panel matrices of a batch, G (panels, inputs + 1, WIDTH).

    outputs: columns of D that hold anything.
    """
    check_shape(A, "A", (0, 0, WIDTH))
    if inputs < 0 or panels(inputs) != A.shape[0]:
        raise ValueError(f"{inputs} inputs do not fill the {A.shape[0]} panels of A")
    cdef Py_ssize_t p, k, rows = A.shape[1]
    cdef real* g
    cdef soon nothing = soon(reals(G, True), 0, 0)
    check_shape(D, "D", (panels(outputs), rows, WIDTH))
    check_shape(G, "G", (panels(outputs), inputs + 1, WIDTH))
    for p in range(panels(outputs)):
        g = reals(G) + p * G.shape[1] * WIDTH
        for k in range(A.shape[0]):
            dense_gradient(inputs, outputs, p, k, reals(A) + k * rows * WIDTH, reals(D) + p * D.shape[1] * WIDTH, rows,
                           g + k * WIDTH * WIDTH, nothing)
        bias_gradient(reals(D) + p * D.shape[1] * WIDTH, rows, g + inputs * WIDTH, NULL, NULL)


def transpose(cnp.ndarray W not None, Py_ssize_t first, Py_ssize_t inputs, Py_ssize_t outputs, cnp.ndarray T not None):
    """T[j, i] = W[first + i, j] for one panel's worth of inputs."""
    if first < 0 or first % WIDTH or not first < inputs or outputs < 0:
        raise ValueError(f"first is {first}, expected a multiple of {WIDTH} below {inputs} inputs")
    check_shape(W, "W", (panels(outputs), inputs, WIDTH))
    check_shape(T, "T", (panels(outputs) * WIDTH, WIDTH))
    transpose_panel(reals(W), W.shape[1] * WIDTH, first, inputs, outputs, reals(T, True))


def random_lines(uint64_t seed, uint64_t stream, Py_ssize_t row, Py_ssize_t panel, bint normal=False):
    """The random words of some lines of a batch, uint32 (lines, WIDTH), or normal numbers made of them."""
    cdef uint32_t[64] words
    cdef Py_ssize_t i
    out = np.empty((PHILOX_WORDS // WIDTH, WIDTH), dtype=REAL if normal else np.uint32)
    philox_lines(seed, stream, row, panel, <int>WIDTH, words)
    if normal:
        for i in range(PHILOX_WORDS // WIDTH):
            real_normals(words + i * WIDTH, reals(out) + i * WIDTH)
    else:
        memcpy(cnp.PyArray_DATA(<cnp.ndarray>out), words, PHILOX_WORDS * sizeof(uint32_t))
    return out


def augment(cnp.ndarray A not None, changes, uint64_t seed=0, Py_ssize_t first=0, choices=None):
    """Changes a batch of images A (panels, rows, WIDTH), from sample `first` of an epoch on, in place.

    changes: fastnn.augmentation.Changes; choices: float64 (rows, 8) instead of random numbers, and no noise.
    """
    cdef Augmentation how
    check_shape(A, "A", (panels(int(np.prod(changes.shape))), 0, WIDTH))
    cdef Py_ssize_t r, rows = A.shape[1]
    cdef cnp.ndarray u
    scratch = np.empty(5 * A.shape[0] * WIDTH, dtype=REAL)
    read_augmentation(&how, changes, np.prod(changes.shape))
    reals(A, True)
    if choices is None:
        augment_lines(&how, seed, first, rows, reals(A), rows * WIDTH, reals(scratch))
        return
    u = np.ascontiguousarray(choices, dtype=np.float64)
    check_shape(u, "choices", (rows, CHOICES))
    for r in range(rows):
        change_image(&how, <double*>cnp.PyArray_DATA(u) + r * CHOICES, reals(A) + r * WIDTH, rows * WIDTH, reals(scratch))


def elementary(str name, cnp.ndarray x not None):
    """exp, expm1, tanh, sigmoid, log1p (of [0, 1]), softplus, log or erfc of an array."""
    cdef const real* a = reals(x)
    y = np.empty((<object>x).shape, dtype=REAL)
    cdef real* b = reals(y)
    cdef Py_ssize_t i, n = x.size
    if name == "exp":
        for i in range(n):
            b[i] = real_exp(a[i])
    elif name == "expm1":
        for i in range(n):
            b[i] = real_expm1(a[i])
    elif name == "tanh":
        for i in range(n):
            b[i] = real_tanh(a[i])
    elif name == "sigmoid":
        for i in range(n):
            b[i] = real_sigmoid(a[i])
    elif name == "log1p":
        for i in range(n):
            b[i] = real_log1p(a[i])
    elif name == "softplus":
        for i in range(n):
            b[i] = real_softplus(a[i])
    elif name == "log":
        for i in range(n):
            b[i] = real_log(a[i])
    elif name == "erfc":
        for i in range(n):
            b[i] = real_erfc(a[i])
    else:
        raise ValueError(f"no function {name!r}")
    return y


cdef enum:
    LOOKED_AT = 1 << 12  # numbers of narrow rows at once


def nonfinite(source):
    """(row, column) of the first NaN or infinity of a fastnn.data.Source, or None."""
    cdef Source s
    cdef Py_ssize_t row = 0, place = -1, unseen = 0, columns, together = 1
    _keep = read_source(&s, source)
    columns = s.columns
    if columns == 0:
        return None
    if s.offsets == NULL and s.stride == s.bytes:  # rows that lie side by side are one long row
        together = max(1, LOOKED_AT // columns)
    with nogil:
        while row < s.rows:
            s.columns = least(together, s.rows - row) * columns
            unseen += s.columns
            if unseen > 1 << 19:  # numbers between two looks for Ctrl-C: some milliseconds, or 4 MB from a disk
                unseen = 0
                with gil:
                    if PyErr_CheckSignals() != 0:
                        raise_interrupt()
            place = s.nonfinite(&s, row_of(s.data, s.stride, NULL, row))
            if place >= 0:
                break
            row += together
    return (row + place // columns, place % columns) if place >= 0 else None


def fma_limit(double seconds=0.02):
    """Floating-point operations per second of this core at its best, measured for so long."""
    cdef double rate
    with nogil:
        rate = fma_rate(seconds)
    return rate


def reading_seconds(cnp.ndarray x not None, int times=1000):
    """Seconds in which this core reads all numbers of an array once, the best of so many times."""
    cdef const real* data = reals(x)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(x)
    cdef double best
    with nogil:
        best = read_seconds(data, n, times)
    return best
