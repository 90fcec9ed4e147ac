# Frozen networks that answer: one row or few by row.h, more by an engine; or all by bytes.h. Twins:
# fastnn/models/predictors.py.
cdef extern from "row.h" nogil:
    const Py_ssize_t ROW_MOST, ROW_NARROWEST, LANES
    enum:
        ROW_LINEAR
        ROW_RELU
        ROW_ELEMENTWISE
        ROW_SOFTMAX
        ROW_LOG_SOFTMAX
    ctypedef struct row_layer:
        Py_ssize_t inputs, outputs, padded
        const real* weights
        int narrow, kind
        Forward activation
        double[4] parameters
    int row_network(const row_layer* layers, int count, Py_ssize_t widest, const real* x, Py_ssize_t rows, real* out)

cdef extern from "fastnn.h" nogil:
    const int FASTNN_PREDICTOR_VERSION
    const char* FASTNN_PREDICTOR_NAME
    ctypedef struct fastnn_predictor:
        int32_t version, number_bytes
        int64_t inputs, outputs
        int (*answer)(const fastnn_predictor* self, const void* x, int64_t rows, void* out) noexcept nogil
        const void* core

cdef extern from "bytes.h" nogil:
    const Py_ssize_t BYTE_LINE, BYTE_GROUP
    ctypedef struct byte_layer:
        Py_ssize_t inputs, outputs, padded, groups
        const int8_t* weights
        const int32_t* sums
        const float* scale
        const float* bias
        row_layer rest
    int has_vnni()
    int byte_network(const byte_layer* layers, int count, int vnni, Py_ssize_t widest, const real* x, Py_ssize_t rows,
                     real* out)

cdef enum:
    ROW_ROWS = 4         # from so many rows on, tiles that serve several rows with each weight are faster
    MOST_AXES = 8
    MOST_BYTE_INPUTS = 65536  # 255 x 127 x 65536 is below 2^31
    RELU_KERNEL = 1      # numbers in the table of activations
    SOFTMAX_KERNEL = 5
    LOG_SOFTMAX_KERNEL = 6

# A frozen network of dense layers, for those who ask without Python: row by row.
cdef struct Frozen:
    row_layer* rows    # one of the two
    byte_layer* bytes
    int count, vnni
    Py_ssize_t widest

cdef double LONG_ANSWER = 4e5  # bytes of weights that are read: from these on, another Python thread may run meanwhile


cdef int describe_layer(row_layer* layer, W, b, Py_ssize_t columns, activation, Formulas formulas, Py_ssize_t i) except -1:
    """Sizes and activation of a dense layer behind so many columns."""
    given = activation.callbacks(REAL, False)
    cdef Py_ssize_t kernel = 0 if given is not None else number_of("activation", activation.kernel, ACTIVATION_COUNT)
    cdef int k
    if W.ndim != 2 or W.shape[0] != columns or b.shape != (W.shape[1],) or columns < 1 or W.shape[1] < 1:
        raise ValueError(f"a layer has weights {W.shape} and a bias {b.shape} behind {columns} columns")
    layer.inputs = columns
    layer.outputs = W.shape[1]
    layer.activation = ACTIVATIONS[kernel].forward
    layer.kind = ROW_ELEMENTWISE
    if given is not None:
        formulas.add(i, given, layer.parameters)
        layer.activation = formulas.activations[i].forward
        return 0
    if ACTIVATIONS[kernel].forward == NULL:
        layer.kind = ROW_LINEAR
    elif kernel == RELU_KERNEL:
        layer.kind = ROW_RELU
    elif kernel == SOFTMAX_KERNEL:
        layer.kind = ROW_SOFTMAX
    elif kernel == LOG_SOFTMAX_KERNEL:
        layer.kind = ROW_LOG_SOFTMAX
    elif ACTIVATIONS[kernel].blockwise:
        raise ValueError(f"{activation!r} needs whole rows; it has no place here")
    for k, value in enumerate(activation.parameters):
        layer.parameters[k] = value
    return 0


cdef int answer_without_python(const fastnn_predictor* predictor, const void* x, int64_t rows, void* out) noexcept nogil:
    cdef const Frozen* frozen = <const Frozen*>predictor.core
    cdef int done
    if rows < 0:
        return -1
    if frozen.rows != NULL:
        done = row_network(frozen.rows, frozen.count, frozen.widest, <const real*>x, rows, <real*>out)
    else:
        done = byte_network(frozen.bytes, frozen.count, frozen.vnni, frozen.widest, <const real*>x, rows, <real*>out)
    return 0 if done else -1


cdef void let_go(object capsule) noexcept:
    """The capsule has kept its predictor."""
    cdef void* kept = PyCapsule_GetContext(capsule)
    if kept != NULL:
        Py_DECREF(<object>kept)


@cython.internal
cdef class Answering:
    """What predictors have in common: the shapes that they take. Any threads may call one at once."""
    cdef int axes, count
    cdef Py_ssize_t[MOST_AXES] sizes
    cdef Py_ssize_t inputs, outputs, widest
    cdef object memory
    cdef Formulas formulas
    cdef Frozen frozen
    cdef fastnn_predictor table
    cdef object function  # of njit
    cdef readonly tuple shape   # of a sample
    cdef readonly Py_ssize_t nbytes  # of the weights

    cdef int take_shape(self, tuple shape, Py_ssize_t outputs) except -1:
        cdef Py_ssize_t i
        self.shape = shape
        self.axes = len(shape)
        self.outputs = outputs
        if not 0 < self.axes < MOST_AXES or outputs < 1:
            raise ValueError(f"a sample has 1 to {MOST_AXES - 1} axes and an output, got {shape} and {outputs}")
        self.inputs = 1
        for i in range(self.axes):
            self.sizes[i] = shape[i]
            self.inputs *= self.sizes[i]
        return 0

    cdef int compute(self, const real* x, Py_ssize_t rows, real* out, cnp.ndarray given, cnp.ndarray to) except -1:
        """Outputs of rows that lie one behind another, from an array to another."""
        raise NotImplementedError

    cdef Py_ssize_t rows(self, cnp.ndarray x) except -1:
        """0 for a sample alone, the number of rows + 1 for a batch of them."""
        cdef int i, more = cnp.PyArray_NDIM(x) - self.axes
        cdef bint fits = cnp.PyArray_TYPE(x) == REAL_TYPE and (more == 0 or more == 1) and cnp.PyArray_ISCARRAY_RO(x)
        if fits:
            for i in range(self.axes):
                fits = fits and cnp.PyArray_DIM(x, i + more) == self.sizes[i]
        if not fits:
            refuse_array(x, "x", self.shape)
        return cnp.PyArray_DIM(x, 0) + 1 if more else 0

    @property
    def capsule(self):
        """What C and Cython call, without Python and from any threads: a ``fastnn_predictor`` of fastnn.h, which is kept.

        Of dense networks, without formulas that run in Python.
        """
        if self.frozen.count == 0:
            raise ValueError("only networks of dense layers answer without Python; call the predictor instead")
        if self.formulas.in_python:
            raise ValueError("a formula of this network runs in Python; compile it: pip install 'fastnn-cpu[numba]'")
        self.table.version = FASTNN_PREDICTOR_VERSION
        self.table.number_bytes = sizeof(real)
        self.table.inputs, self.table.outputs = self.inputs, self.outputs
        self.table.answer = answer_without_python
        self.table.core = &self.frozen
        capsule = PyCapsule_New(&self.table, FASTNN_PREDICTOR_NAME, let_go)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void*>self)
        return capsule

    def njit(self):
        """A function f(x), f(x, out) for Numba's ``@njit`` code: see ``Sequential.predictor``. It keeps the predictor."""
        if self.function is None:
            from fastnn.models.numba_calls import function_of  # the one thing here that looks up

            self.function = function_of(self.capsule, self.shape, REAL)
        return self.function

    def __call__(self, cnp.ndarray x not None, cnp.ndarray out=None):
        """Outputs of a sample x, (outputs,), or of a batch, (rows, outputs); into ``out``, unless it is None.

        Checked are shape and number type alone. NaN gives NaN.
        """
        cdef Py_ssize_t given = self.rows(x), rows = 1 if given == 0 else given - 1
        cdef cnp.npy_intp[2] shape
        cdef int axes = 1 if given == 0 else 2
        if out is None:
            shape[0] = rows
            shape[axes - 1] = self.outputs
            out = cnp.PyArray_EMPTY(axes, shape, REAL_TYPE, 0)
        elif (cnp.PyArray_NDIM(out) != axes or cnp.PyArray_TYPE(out) != REAL_TYPE or not cnp.PyArray_ISCARRAY(out)
                or cnp.PyArray_DIM(out, axes - 1) != self.outputs or (axes == 2 and cnp.PyArray_DIM(out, 0) != rows)):
            refuse_array(out, "out", (self.outputs,))
        self.compute(<const real*>cnp.PyArray_DATA(x), rows, <real*>cnp.PyArray_DATA(out), x, out)
        return out

    def classes(self, cnp.ndarray x not None):
        """The class of a sample, an int, or of each row of a batch: the largest output, or output > 0.5 of one alone."""
        cdef cnp.ndarray out = self(x)
        cdef Py_ssize_t best = 0, k
        cdef real* a = <real*>cnp.PyArray_DATA(out)
        if cnp.PyArray_NDIM(out) == 2:
            return (out[:, 0] > 0.5).astype(np.int64) if self.outputs == 1 else Engine.classes(out)
        if self.outputs == 1:
            return int(a[0] > 0.5)
        for k in range(self.outputs):
            if a[k] != a[k]:  # the first NaN is the largest, as for numpy.argmax
                return k
            if a[k] > a[best]:
                best = k
        return best

    def errors(self, model, x):
        """How far outputs are from the model's: the "largest" and "mean" difference, and the share of "same classes"."""
        x = np.ascontiguousarray(x, dtype=REAL)
        expected, found = model.predict(x).reshape(len(x), -1), self(x)
        difference = np.abs(found.astype(np.float64) - expected)
        classes = (expected[:, 0] > 0.5) if self.outputs == 1 else expected.argmax(axis=1)
        return {"largest": float(difference.max()), "mean": float(difference.mean()),
                "same classes": float(np.mean(self.classes(x) == classes))}


cdef int refuse_array(x, str name, tuple shape) except -1:
    given = f"shape {x.shape}, {x.dtype}{'' if x.flags.c_contiguous else ', not C-contiguous'}"
    sizes = ", ".join(map(str, shape))
    raise ValueError(f"{name} must be a C-contiguous array of {REAL} of shape ({sizes}) or (rows, {sizes}), got {given}")


cdef class Predictor(Answering):
    """Outputs of a frozen network in its own number type.

    layers: (W, b, activation) of each dense layer, or None where the network is more than these; engine: of the same
    network, for batches; shape: of a sample.
    """
    cdef row_layer* layers
    cdef Engine engine

    def __cinit__(self, layers, Engine engine not None, tuple shape not None, Py_ssize_t outputs):
        cdef Py_ssize_t i, size = 0, lanes
        cdef real* at
        self.engine = engine
        self.take_shape(shape, outputs)
        self.formulas = Formulas(1 if layers is None else max(1, len(layers)))
        self.nbytes = engine.net.size * sizeof(real)
        if layers is None:
            return
        self.layers = <row_layer*>PyMem_Calloc(max(1, len(layers)), sizeof(row_layer))
        if self.layers == NULL:
            raise MemoryError("no memory for the layers")
        columns = self.inputs
        for i, (W, b, activation) in enumerate(layers):
            describe_layer(&self.layers[i], W, b, columns, activation, self.formulas, i)
            columns = self.layers[i].outputs
            self.layers[i].narrow = 1
            while self.layers[i].narrow < ROW_NARROWEST and columns * 2 * self.layers[i].narrow <= LANES:
                self.layers[i].narrow *= 2
            lanes = LANES // self.layers[i].narrow
            self.layers[i].padded = ceil_div(columns, lanes) * lanes
            size += panels((self.layers[i].inputs + 1) * self.layers[i].padded) * WIDTH
            self.widest = max(self.widest, self.layers[i].padded)
        if columns != outputs:
            raise ValueError(f"the layers have {columns} outputs, expected {outputs}")
        self.nbytes = size * sizeof(real)
        self.memory = np.zeros(size + WIDTH, dtype=REAL)
        at = aligned(self.memory)
        for i, (W, b, _) in enumerate(layers):
            self.layers[i].weights = at
            at = self.pack(&self.layers[i], np.ascontiguousarray(W, dtype=REAL), np.ascontiguousarray(b, dtype=REAL), at)
        self.count = len(layers)
        self.frozen = Frozen(self.layers, NULL, self.count, 0, self.widest)

    def set_weights(self, weights):
        """Other weights, [W, b, ...] of each dense layer, in the same place: not while another thread asks.

        Of dense networks without normalization.
        """
        cdef Py_ssize_t i
        arrays = [np.ascontiguousarray(one, dtype=REAL) for one in weights]
        expected = [one for i in range(self.count) for one in ((self.layers[i].inputs, self.layers[i].outputs),
                                                               (self.layers[i].outputs,))]
        if self.count == 0 or [one.shape for one in arrays] != expected:
            raise ValueError(f"set_weights needs arrays of the shapes {expected}, got {[one.shape for one in arrays]}")
        for i in range(self.count):
            self.pack(&self.layers[i], arrays[2 * i], arrays[2 * i + 1], <real*>self.layers[i].weights)
        program = self.engine.program
        for op in program.steps:
            if op.rows:  # a dense layer: an activation of rows has none
                program.write(self.engine.arena[0], op, [arrays.pop(0), arrays.pop(0)])

    cdef real* pack(self, row_layer* layer, cnp.ndarray W, cnp.ndarray b, real* at) except NULL:
        """Writes the weights in the order in which they are read: block by block, the bias first."""
        cdef const real* w = <const real*>cnp.PyArray_DATA(W)
        cdef const real* bias = <const real*>cnp.PyArray_DATA(b)
        cdef Py_ssize_t most = ROW_MOST * LANES, first = 0, wide, k, j
        cdef real* start = at
        while first < layer.padded:
            wide = least(most, layer.padded - first)
            for j in range(least(wide, layer.outputs - first)):
                at[j] = bias[first + j]
            at += wide
            for k in range(layer.inputs):
                for j in range(least(wide, layer.outputs - first)):
                    at[j] = w[k * layer.outputs + first + j]
                at += wide
            first += wide
        return start + panels(at - start) * WIDTH

    def __dealloc__(self):
        PyMem_Free(self.layers)

    cdef int compute(self, const real* x, Py_ssize_t rows, real* out, cnp.ndarray given, cnp.ndarray to) except -1:
        cdef int done
        if self.count == 0 or rows >= ROW_ROWS:
            _keep = pin(to)
            return self.engine.answer(x, rows, out, given)
        if <double>rows * self.nbytes < LONG_ANSWER:
            done = row_network(self.layers, self.count, self.widest, x, rows, out)
        else:
            _keep = pin(given), pin(to)
            with nogil:
                done = row_network(self.layers, self.count, self.widest, x, rows, out)
        if not done:
            raise MemoryError("no memory for the widest layer")
        return self.formulas.raise_error()


cdef class BytePredictor(Answering):
    """Outputs of a frozen float32 network by products of bytes.

    layers: (q, scale, b, activation) of each dense layer: q int8 (inputs, outputs), scale float32 (outputs,). vnni: None
    for what the CPU can do, False for products of pairs.
    """
    cdef byte_layer* layers
    cdef readonly bint vnni
    cdef list kept

    def __cinit__(self, layers not None, tuple shape not None, Py_ssize_t outputs, vnni=None):
        cdef Py_ssize_t i
        cdef byte_layer* layer
        if sizeof(real) != 4:
            raise ValueError("dtype='int8' answers for models of float32; make the model with dtype='float32'")
        self.take_shape(shape, outputs)
        self.vnni = has_vnni() and vnni is not False
        self.formulas = Formulas(max(1, len(layers)))
        self.layers = <byte_layer*>PyMem_Calloc(max(1, len(layers)), sizeof(byte_layer))
        if self.layers == NULL:
            raise MemoryError("no memory for the layers")
        columns = self.inputs
        self.kept = []
        self.widest = ceil_div(columns, BYTE_LINE) * BYTE_LINE
        for i, (given, scale, b, activation) in enumerate(layers):
            layer = &self.layers[i]
            describe_layer(&layer.rest, given, b, columns, activation, self.formulas, i)
            if columns > MOST_BYTE_INPUTS:
                raise ValueError(f"a layer has {columns} inputs, more than {MOST_BYTE_INPUTS}: use float32")
            layer.inputs = columns
            layer.outputs = columns = layer.rest.outputs
            layer.padded = layer.rest.padded = ceil_div(columns, BYTE_LINE) * BYTE_LINE
            layer.groups = ceil_div(layer.inputs, BYTE_GROUP)
            q = np.zeros((layer.groups * BYTE_GROUP, layer.padded), dtype=np.int8)
            q[:layer.inputs, :columns] = given
            lines = np.ascontiguousarray(  # a line of outputs after another; in it a group of inputs after another
                q.reshape(layer.groups, BYTE_GROUP, -1, BYTE_LINE).transpose(2, 0, 3, 1))
            sums = np.zeros(layer.padded, dtype=np.int32)
            sums[:columns] = np.asarray(given).sum(axis=0, dtype=np.int32)
            factors = np.zeros(layer.padded, dtype=np.float32)
            factors[:columns] = scale
            bias = np.zeros(layer.padded, dtype=np.float32)
            bias[:columns] = b
            for array in (lines, sums, factors, bias):
                self.kept.append(array)
                self.nbytes += array.nbytes
            layer.weights = <const int8_t*>cnp.PyArray_DATA(lines)
            layer.sums = <const int32_t*>cnp.PyArray_DATA(sums)
            layer.scale = <const float*>cnp.PyArray_DATA(factors)
            layer.bias = <const float*>cnp.PyArray_DATA(bias)
            self.widest = max(self.widest, layer.padded)
        if columns != outputs or not layers:
            raise ValueError(f"the layers have {columns} outputs, expected {outputs}")
        self.count = len(layers)
        self.frozen = Frozen(NULL, self.layers, self.count, self.vnni, self.widest)

    def __dealloc__(self):
        PyMem_Free(self.layers)

    cdef int compute(self, const real* x, Py_ssize_t rows, real* out, cnp.ndarray given, cnp.ndarray to) except -1:
        cdef int done
        if <double>rows * self.nbytes < LONG_ANSWER:
            done = byte_network(self.layers, self.count, self.vnni, self.widest, x, rows, out)
        else:
            _keep = pin(given), pin(to)
            with nogil:
                done = byte_network(self.layers, self.count, self.vnni, self.widest, x, rows, out)
        if not done:
            raise MemoryError("no memory for the widest layer")
        return self.formulas.raise_error()
