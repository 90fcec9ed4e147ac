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

cdef struct Source:
    const char* data
    Py_ssize_t rows, columns, bytes   # bytes: of a row whose columns are contiguous
    Py_ssize_t stride                 # between rows, in bytes
    const Py_ssize_t* offsets         # of each column from its row, in bytes; NULL where columns are contiguous
    void (*panels)(const Source* x, const void* row, real* to, Py_ssize_t distance) noexcept nogil
    void (*column)(const Source* x, const void* row, real* to) noexcept nogil
    Py_ssize_t (*nonfinite)(const Source* x, const void* row) noexcept nogil

ctypedef void (*ToPanels)(const Source* x, const void* row, real* to, Py_ssize_t distance) noexcept nogil
ctypedef void (*ToColumn)(const Source* x, const void* row, real* to) noexcept nogil
ctypedef Py_ssize_t (*Nonfinite)(const Source* x, const void* row) noexcept nogil


cdef inline const void* source_row(const Source* x, Py_ssize_t row) noexcept nogil:
    return x.data + row * x.stride


cdef inline real read(const number* p) noexcept nogil:
    if number is half:
        return <real>half_value(p[0])
    else:
        return <real>p[0]


cdef void row_to_panels(const Source* x, const number* row, real* to, Py_ssize_t distance) noexcept nogil:
    """to[panel][...] = the row; `distance` reals between panels."""
    cdef Py_ssize_t j, p, whole = x.columns // WIDTH
    if x.offsets == NULL:
        for p in range(whole):
            for j in range(WIDTH):
                to[j] = read(row + j)
            row += WIDTH
            to += distance
        for j in range(x.columns - whole * WIDTH):
            to[j] = read(row + j)
    else:
        for j in range(x.columns):
            to[j // WIDTH * distance + j % WIDTH] = read(<const number*>(<const char*>row + x.offsets[j]))


cdef void row_to_column(const Source* x, const number* row, real* to) noexcept nogil:
    """to[j * WIDTH] = the row: one sample of a transposed block."""
    cdef Py_ssize_t j
    if x.offsets == NULL:
        for j in range(x.columns):
            to[j * WIDTH] = read(row + j)
    else:
        for j in range(x.columns):
            to[j * WIDTH] = read(<const number*>(<const char*>row + x.offsets[j]))


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
    s.panels = <ToPanels>&row_to_panels[number]
    s.column = <ToColumn>&row_to_column[number]
    s.nonfinite = <Nonfinite>&nonfinite_column[number]


cdef int read_source(Source* s, object source) except -1:
    """Fills s from a fastnn.data.Source; the caller keeps the Source alive."""
    cdef cnp.ndarray array = source.array
    s.data = <const char*>cnp.PyArray_DATA(array)
    s.rows = cnp.PyArray_DIM(array, 0)
    s.columns = source.columns
    s.stride = cnp.PyArray_STRIDE(array, 0)
    s.bytes = 0 if source.offsets is not None else s.columns * source.itemsize
    s.offsets = NULL if source.offsets is None else <const Py_ssize_t*>cnp.PyArray_DATA(source.offsets)
    return bind_source(s, source.kind, source.itemsize)
