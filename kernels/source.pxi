# Reading the user's arrays: any number type, any strides; a row is converted while it is copied to its place.
cdef extern from *:
    """
    /* IEEE 754 half precision, by hand: _Float16 does not exist on every target. */
    typedef struct { uint16_t bits; } half;
    static inline double half_value(half h) {
        const int exponent = (h.bits >> 10) & 31, fraction = h.bits & 1023;
        const double m = exponent == 31 ? (fraction ? __builtin_nan("") : __builtin_inf())
                         : exponent ? __builtin_ldexp(1024 + fraction, exponent - 25) : __builtin_ldexp(fraction, -24);
        return h.bits >> 15 ? -m : m;
    }
    """
    ctypedef struct half:
        pass
    double half_value(half h) nogil

ctypedef fused number:
    float
    double
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    half

cdef enum:
    AHEAD = 8  # samples between a prefetch and the use

cdef struct Source:
    const char* data
    Py_ssize_t rows, columns, bytes   # bytes: of a row whose columns are contiguous
    Py_ssize_t stride                 # between rows, in bytes
    const Py_ssize_t* offsets         # of each column from its row, in bytes; NULL where columns are contiguous
    # Readers for the array's number type. Samples are positions of `order`, or row numbers where that is NULL.
    void (*panels)(const Source* x, const void* data, const int64_t* order, Py_ssize_t first, Py_ssize_t last, Py_ssize_t end,
                   real* to, Py_ssize_t distance) noexcept nogil
    void (*blocks)(const Source* x, const void* data, const int64_t* order, Py_ssize_t start, Py_ssize_t first,
                   Py_ssize_t last, real* to) noexcept nogil
    Py_ssize_t (*nonfinite)(const Source* x, const void* row) noexcept nogil
    # Of rows that hold only their non-zeros (CSR): where the entries of each begin, and their columns; NULL: all numbers.
    const int64_t* starts
    const int32_t* indices
    void (*entries)(const void* data, Py_ssize_t first, Py_ssize_t n, real* to) noexcept nogil

ctypedef void (*ToPanels)(const Source* x, const void* data, const int64_t* order, Py_ssize_t first, Py_ssize_t last,
                          Py_ssize_t end, real* to, Py_ssize_t distance) noexcept nogil
ctypedef void (*ToBlocks)(const Source* x, const void* data, const int64_t* order, Py_ssize_t start, Py_ssize_t first,
                          Py_ssize_t last, real* to) noexcept nogil
ctypedef Py_ssize_t (*Nonfinite)(const Source* x, const void* row) noexcept nogil
ctypedef void (*Entries)(const void* data, Py_ssize_t first, Py_ssize_t n, real* to) noexcept nogil


cdef inline const char* row_of(const void* data, Py_ssize_t stride, const int64_t* order, Py_ssize_t i) noexcept nogil:
    return <const char*>data + (i if order == NULL else order[i]) * stride


cdef inline real read(const number* p) noexcept nogil:
    if number is half:
        return <real>half_value(p[0])
    else:
        return <real>p[0]


cdef void to_panels(const Source* x, const number* data, const int64_t* order, Py_ssize_t first, Py_ssize_t last,
                    Py_ssize_t end, real* to, Py_ssize_t distance) noexcept nogil:
    """Samples [first, last) of `end` as lines of panels that lie `distance` reals apart."""
    cdef Py_ssize_t r, j, byte, near = least(x.bytes, 512)
    cdef const number* row
    cdef real* line
    for r in range(first, last):
        row = <const number*>row_of(data, x.stride, order, r)
        if x.offsets != NULL:
            for j in range(x.columns):
                to[j // WIDTH * distance + j % WIDTH] = read(<const number*>(<const char*>row + x.offsets[j]))
            to += WIDTH
            continue
        if order != NULL and r + AHEAD < end:  # shuffled rows lie where no hardware expects them
            for byte in range(0, near, 64):
                prefetch(row_of(data, x.stride, order, r + AHEAD) + byte)
            prefetch(row_of(data, x.stride, order, r + AHEAD) + near - 1)  # a row seldom begins with a cache line
        line = to
        for j in range(x.columns // WIDTH):
            convert_line(row, line)
            row += WIDTH
            line += distance
        convert_rest(row, line, x.columns % WIDTH)
        to += WIDTH


cdef inline void convert_line(const number* row, reals_out to) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(WIDTH):
        to[k] = read(row + k)


cdef inline void convert_rest(const number* row, reals_out to, Py_ssize_t n) noexcept nogil:
    """to[:n] = row[:n] for n < 16, in pieces of constant size, which become vector code."""
    cdef Py_ssize_t k
    if n & 8:
        for k in range(8):
            to[k] = read(row + k)
        row += 8
        to += 8
    if n & 4:
        for k in range(4):
            to[k] = read(row + k)
        row += 4
        to += 4
    if n & 2:
        to[0] = read(row)
        to[1] = read(row + 1)
        row += 2
        to += 2
    if n & 1:
        to[0] = read(row)


cdef void to_blocks(const Source* x, const number* data, const int64_t* order, Py_ssize_t start, Py_ssize_t first,
                    Py_ssize_t last, real* to) noexcept nogil:
    """Samples [start + first, start + last) as columns of transposed blocks; sample start is the first one's first."""
    cdef Py_ssize_t r, j
    cdef const number* row
    cdef real* column
    for r in range(first, last):
        row = <const number*>row_of(data, x.stride, order, start + r)
        column = to + r // WIDTH * x.columns * WIDTH + r % WIDTH
        if x.offsets == NULL:
            for j in range(x.columns):
                column[j * WIDTH] = read(row + j)
        else:
            for j in range(x.columns):
                column[j * WIDTH] = read(<const number*>(<const char*>row + x.offsets[j]))


cdef Py_ssize_t nonfinite_column(const Source* x, const number* row) noexcept nogil:
    """The first column of the row that is NaN or infinite, or -1."""
    cdef Py_ssize_t j
    cdef int bad = 0
    cdef real value
    if number is float or number is double:
        if x.offsets == NULL:  # the usual case, as one vector loop
            for j in range(x.columns):  # converted first: a float64 of 1e300 is infinite as float32
                bad |= read(row + j) - read(row + j) != 0
            if not bad:
                return -1
    if number is float or number is double or number is half:
        for j in range(x.columns):
            value = read(row + j if x.offsets == NULL else <const number*>(<const char*>row + x.offsets[j]))
            if value - value != 0:
                return j
    return -1


cdef int bind_source(Source* s, kind, Py_ssize_t itemsize) except -1:
    """Chooses the readers for a NumPy dtype by its kind and size."""
    if kind == "f" and itemsize == 4:
        bind_readers[float](s, NULL)
    elif kind == "f" and itemsize == 8:
        bind_readers[double](s, NULL)
    elif kind == "f" and itemsize == 2:
        bind_readers[half](s, NULL)
    elif kind == "i" and itemsize == 1:
        bind_readers[int8_t](s, NULL)
    elif kind == "i" and itemsize == 2:
        bind_readers[int16_t](s, NULL)
    elif kind == "i" and itemsize == 4:
        bind_readers[int32_t](s, NULL)
    elif kind == "i" and itemsize == 8:
        bind_readers[int64_t](s, NULL)
    elif kind in "bu" and itemsize == 1:
        bind_readers[uint8_t](s, NULL)
    elif kind == "u" and itemsize == 2:
        bind_readers[uint16_t](s, NULL)
    elif kind == "u" and itemsize == 4:
        bind_readers[uint32_t](s, NULL)
    elif kind == "u" and itemsize == 8:
        bind_readers[uint64_t](s, NULL)
    else:
        raise TypeError(f"no reader for arrays of kind {kind!r} and {itemsize} bytes")
    return 0


cdef void bind_readers(Source* s, const number* _) noexcept:
    s.panels = <ToPanels>&to_panels[number]
    s.blocks = <ToBlocks>&to_blocks[number]
    s.nonfinite = <Nonfinite>&nonfinite_column[number]
    s.entries = <Entries>&read_entries[number]


cdef tuple read_source(Source* s, object source):
    """Fills s from the array of a fastnn.data.Source; what is returned must live as long as s."""
    cdef cnp.ndarray array
    cdef int axis, axes
    cdef Py_ssize_t itemsize, distance
    cdef bint side_by_side = True
    if source.starts is not None:
        return read_sparse(s, source)
    array = <cnp.ndarray?>source.array
    axes = cnp.PyArray_NDIM(array)
    itemsize = distance = cnp.PyArray_ITEMSIZE(array)
    s.starts = NULL
    if axes < 1 or not cnp.PyArray_ISBEHAVED_RO(array):
        raise ValueError(f"expected aligned rows of numbers in this machine's byte order, got shape {(<object>array).shape}")
    s.data = <const char*>cnp.PyArray_DATA(array)
    s.rows = cnp.PyArray_DIM(array, 0)
    s.stride = cnp.PyArray_STRIDE(array, 0)
    s.columns = 1
    for axis in range(axes - 1, 0, -1):
        side_by_side = side_by_side and (cnp.PyArray_DIM(array, axis) == 1 or cnp.PyArray_STRIDE(array, axis) == distance)
        distance *= cnp.PyArray_DIM(array, axis)
        s.columns *= cnp.PyArray_DIM(array, axis)
    offsets = None
    s.offsets, s.bytes = NULL, s.columns * itemsize
    if not side_by_side:
        offsets = column_offsets(array, s.columns)
        s.offsets, s.bytes = <const Py_ssize_t*>cnp.PyArray_DATA(<cnp.ndarray>offsets), 0
    bind_source(s, (<object>array).dtype.kind, itemsize)
    return array, offsets, source.pin


cdef bint plain_source(Source* s, object given):
    """Fills s from an array whose numbers lie one after another; False for anything else. The caller holds the array."""
    cdef cnp.ndarray array
    cdef int axis, kind
    if not cnp.PyArray_CheckExact(given):
        return False
    array = <cnp.ndarray>given
    if cnp.PyArray_NDIM(array) < 1 or not cnp.PyArray_ISCARRAY_RO(array):  # contiguous, aligned, of this byte order
        return False
    s.data = <const char*>cnp.PyArray_DATA(array)
    s.rows = cnp.PyArray_DIM(array, 0)
    s.columns = 1
    for axis in range(1, cnp.PyArray_NDIM(array)):
        s.columns *= cnp.PyArray_DIM(array, axis)
    s.bytes = s.stride = s.columns * cnp.PyArray_ITEMSIZE(array)
    s.offsets, s.starts = NULL, NULL
    kind = cnp.PyArray_TYPE(array)
    if kind == cnp.NPY_FLOAT32:
        bind_readers[float](s, NULL)
    elif kind == cnp.NPY_FLOAT64:
        bind_readers[double](s, NULL)
    elif kind == cnp.NPY_INT64:
        bind_readers[int64_t](s, NULL)
    elif kind == cnp.NPY_INT32:
        bind_readers[int32_t](s, NULL)
    elif kind == cnp.NPY_UINT8 or kind == cnp.NPY_BOOL:
        bind_readers[uint8_t](s, NULL)
    else:
        return False
    return True


cdef bint finite_numbers(const Source* s) noexcept:
    """Whether all numbers of a plain source are finite reals."""
    cdef Source line = s[0]
    line.columns *= s.rows
    return s.nonfinite(&line, s.data) < 0


cdef tuple read_sparse(Source* s, object source):
    """The same for a fastnn.engine.source.Sparse."""
    cdef list keep = []
    cdef cnp.ndarray values = <cnp.ndarray?>source.entries.array
    cdef cnp.ndarray starts = checked(source.starts, cnp.NPY_INT64, "starts", 1, ANY, False, keep)
    cdef cnp.ndarray indices = checked(source.indices, cnp.NPY_INT32, "indices", 0, ANY, False, keep)
    cdef Py_ssize_t count = cnp.PyArray_DIM(indices, 0), e
    cdef bint outside = False
    if cnp.PyArray_NDIM(values) != 1 or not cnp.PyArray_ISCARRAY_RO(values) or cnp.PyArray_DIM(values, 0) < count:
        raise ValueError(f"expected {count} values side by side, got shape {(<object>values).shape}")
    s.starts = <const int64_t*>cnp.PyArray_DATA(starts)
    s.indices = <const int32_t*>cnp.PyArray_DATA(indices)
    s.data = <const char*>cnp.PyArray_DATA(values)
    s.rows = cnp.PyArray_DIM(starts, 0) - 1
    s.columns = source.columns
    s.stride, s.offsets, s.bytes = cnp.PyArray_ITEMSIZE(values), NULL, 0
    with nogil:
        outside = s.starts[0] < 0 or s.starts[s.rows] > count
        for e in range(s.rows):
            outside |= s.starts[e + 1] < s.starts[e]
        if not outside:
            for e in range(s.starts[0], s.starts[s.rows]):
                outside |= (s.indices[e] < 0) | (s.indices[e] >= s.columns)
    if outside:
        raise ValueError(f"the entries of a sparse matrix lie outside of its {s.rows} rows and {s.columns} columns")
    bind_source(s, (<object>values).dtype.kind, s.stride)
    s.panels = &sparse_panels
    return keep, values, source.entries.pin


cdef void read_entries(const number* data, Py_ssize_t first, Py_ssize_t n, reals_out to) noexcept nogil:
    cdef Py_ssize_t e
    for e in range(n):
        to[e] = read(data + first + e)


cdef void sparse_panels(const Source* x, const void* data, const int64_t* order, Py_ssize_t first, Py_ssize_t last,
                        Py_ssize_t end, real* to, Py_ssize_t distance) noexcept nogil:
    """``to_panels`` of a batch of sparse rows, where the first operation is no product: zeros and all."""
    cdef Py_ssize_t r, row, p, e, j
    cdef real value
    for r in range(first, last):
        row = r if order == NULL else order[r]
        for p in range(ceil_div(x.columns, WIDTH)):
            memset(to + p * distance, 0, WIDTH * sizeof(real))
        for e in range(x.starts[row], x.starts[row + 1]):
            x.entries(data, e, 1, &value)
            j = x.indices[e]
            to[j // WIDTH * distance + j % WIDTH] += value
        to += WIDTH


cdef inline double filling(Source* x) noexcept:
    """The share of the numbers of x that are there."""
    if x.starts == NULL or x.rows == 0:
        return 1
    return <double>(x.starts[x.rows] - x.starts[0]) / (<double>x.rows * x.columns)


cdef cnp.ndarray column_offsets(cnp.ndarray array, Py_ssize_t columns):
    """Of each column from the start of its row, in bytes."""
    cdef cnp.ndarray offsets = np.empty(columns, dtype=np.intp)
    cdef Py_ssize_t* to = <Py_ssize_t*>cnp.PyArray_DATA(offsets)
    cdef Py_ssize_t j, rest
    cdef int axis
    for j in range(columns):
        to[j], rest = 0, j
        for axis in range(cnp.PyArray_NDIM(array) - 1, 0, -1):
            to[j] += rest % cnp.PyArray_DIM(array, axis) * cnp.PyArray_STRIDE(array, axis)
            rest //= cnp.PyArray_DIM(array, axis)
    return offsets
