# Each kernel on its own, for the tests and benchmarks: what is registered in a table above can be called from here.


def activation_names():
    return [ACTIVATIONS[i].name.decode() for i in range(sizeof(ACTIVATIONS) // sizeof(ActivationKernel))]


def loss_names():
    return [LOSSES[i].name.decode() for i in range(sizeof(LOSSES) // sizeof(LossKernel))]


def optimizer_names():
    return [OPTIMIZERS[i].name.decode() for i in range(sizeof(OPTIMIZERS) // sizeof(OptimizerKernel))]


def operation_kinds():
    """Name and columns of each row of the table of operations."""
    return [
        {"name": row.name.decode(), "in_place": row.infer_panel != NULL, "applies_activation": row.joins,
         "updates": row.update != NULL}
        for row in OPERATIONS
    ]


cdef real* reals(cnp.ndarray array) except NULL:
    if array.dtype != REAL or not array.flags.c_contiguous:
        raise TypeError(f"expected a C-contiguous array of {REAL}, got {array.dtype}")
    return <real*>cnp.PyArray_DATA(array)


def activation_forward(int kernel, cnp.ndarray z, parameters=(0, 0, 0, 0)):
    """a, of the shape of z: any shape, or a transposed block (outputs, WIDTH) for a blockwise kernel."""
    cdef double[4] h = (*parameters, 0, 0, 0, 0)[:4]
    a = z.copy()
    if ACTIVATIONS[kernel].forward != NULL:
        ACTIVATIONS[kernel].forward(a.shape[0] if ACTIVATIONS[kernel].blockwise else a.size, reals(a), h)
    return a


def activation_backward(int kernel, cnp.ndarray a, cnp.ndarray d, parameters=(0, 0, 0, 0)):
    """dL/dz from d = dL/da and a, or z where the kernel keeps its input."""
    cdef double[4] h = (*parameters, 0, 0, 0, 0)[:4]
    out = d.copy()
    if ACTIVATIONS[kernel].backward != NULL:
        ACTIVATIONS[kernel].backward(out.shape[0] if ACTIVATIONS[kernel].blockwise else out.size, reals(a), reals(out), h)
    return out


def loss(int kernel, cnp.ndarray a, cnp.ndarray t, parameters=(0, 0, 0, 0)):
    """(activated outputs, loss of each sample, dL/da or dL/dz) of a transposed block a (outputs, WIDTH)."""
    numbers = np.array(parameters, dtype=np.float64)
    cdef const double* h = <const double*>cnp.PyArray_DATA(<cnp.ndarray>numbers)
    out, d, e = a.copy(), np.empty_like(a), np.empty(WIDTH, dtype=REAL)
    LOSSES[kernel].block(a.shape[0], reals(out), reals(t), reals(d), reals(e), h)
    return out, e, d


def update(int kernel, cnp.ndarray w, cnp.ndarray g, cnp.ndarray slots, cnp.ndarray scalars):
    """One step of an optimizer on w (n,) and slots (3, n), in place."""
    OPTIMIZERS[kernel].update(w.size, reals(w), reals(g), reals(slots[0]), reals(slots[1]), reals(slots[2]), reals(scalars))


def product(cnp.ndarray A, cnp.ndarray W, cnp.ndarray Z, Py_ssize_t outputs):
    """Z = A W + b for panel matrices A (panels, rows, WIDTH), W (panels, inputs + 1, WIDTH), Z like A.

    outputs: columns of W that hold anything.
    """
    cdef Py_ssize_t p, first = 0, rows = A.shape[1]
    while first == 0 or first < W.shape[1] - 1:
        for p in range(W.shape[0]):
            dense_block(reals(W), W.shape[1] - 1, outputs, p, first, rows, reals(A), rows * WIDTH,
                        reals(Z) + p * Z.shape[1] * WIDTH)
        first += DEPTH


def product_of_row(cnp.ndarray A, cnp.ndarray W, cnp.ndarray Z):
    """The same for one row, by the tile that is wide in columns."""
    cdef Py_ssize_t rows = A.shape[1], sw = W.shape[1] * WIDTH
    forward_row(reals(A), rows * WIDTH, reals(W), sw, W.shape[0], W.shape[1] - 1, reals(W) + sw - WIDTH, sw, reals(Z),
                Z.shape[1] * WIDTH)


def weight_gradient(cnp.ndarray A, cnp.ndarray D, Py_ssize_t inputs, cnp.ndarray G, Py_ssize_t outputs):
    """G = A^T D, its last row the bias gradient: A and D panel matrices of a batch, G (panels, inputs + 1, WIDTH).

    outputs: columns of D that hold anything.
    """
    cdef Py_ssize_t p, k, rows = A.shape[1]
    cdef real* g
    cdef soon nothing = soon(reals(G), 0, 0)
    for p in range(D.shape[0]):
        g = reals(G) + p * (inputs + 1) * WIDTH
        for k in range(A.shape[0]):
            dense_gradient(inputs, outputs, p, k, reals(A) + k * rows * WIDTH, reals(D) + p * rows * WIDTH, rows,
                           g + k * WIDTH * WIDTH, nothing)
        bias_gradient(reals(D) + p * rows * WIDTH, rows, g + inputs * WIDTH)


def transpose(cnp.ndarray W, Py_ssize_t first, Py_ssize_t inputs, Py_ssize_t outputs, cnp.ndarray T):
    """T[j, i] = W[first + i, j] for one panel's worth of inputs."""
    transpose_panel(reals(W), W.shape[1] * WIDTH, first, inputs, outputs, reals(T))


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


def augment(cnp.ndarray A, changes, uint64_t seed=0, Py_ssize_t first=0, choices=None):
    """Changes a batch of images A (panels, rows, WIDTH), from sample `first` of an epoch on, in place.

    changes: fastnn.augmentation.Changes; choices: float64 (rows, 8) instead of random numbers, and no noise.
    """
    cdef Augmentation how
    cdef Py_ssize_t r, rows = A.shape[1]
    cdef cnp.ndarray u
    scratch = np.empty(5 * A.shape[0] * WIDTH, dtype=REAL)
    read_augmentation(&how, changes)
    if choices is None:
        augment_lines(&how, seed, first, rows, reals(A), rows * WIDTH, reals(scratch))
        return
    u = np.ascontiguousarray(choices, dtype=np.float64)
    for r in range(rows):
        change_image(&how, <double*>cnp.PyArray_DATA(u) + r * CHOICES, reals(A) + r * WIDTH, rows * WIDTH, reals(scratch))


def elementary(str name, cnp.ndarray x):
    """exp, expm1, tanh, sigmoid, log1p (of [0, 1]), softplus, log or erfc of an array."""
    y = np.empty_like(x)
    cdef const real* a = reals(x)
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


def nonfinite(source):
    """(row, column) of the first NaN or infinity of a fastnn.data.Source, or None."""
    cdef Source s
    cdef Py_ssize_t row, column = -1, unseen = 0
    read_source(&s, source)
    with nogil:
        for row in range(s.rows):
            unseen += s.columns
            if unseen > 1 << 19:  # numbers between two looks for Ctrl-C: some milliseconds, or 4 MB from a disk
                unseen = 0
                with gil:
                    if PyErr_CheckSignals() != 0:
                        raise_interrupt()
            column = s.nonfinite(&s, row_of(s.data, s.stride, NULL, row))
            if column >= 0:
                break
    return (row, column) if column >= 0 else None


def fma_limit(double seconds=0.02):
    """Floating-point operations per second of this core at its best, measured for so long."""
    cdef double rate
    with nogil:
        rate = fma_rate(seconds)
    return rate
