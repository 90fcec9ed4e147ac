# Arrays and sizes that Python hands to the core: what would lead outside of a buffer is refused. Nothing else is trusted
# less: what stays inside may be as wrong as it likes.
from cpython.weakref cimport PyWeakref_NewRef

cdef enum:
    MOST_THREADS = 256  # of the pool
    ANY = -1            # number of rows or columns


cdef cnp.ndarray checked(array, int kind, str name, Py_ssize_t rows, Py_ssize_t columns, bint written, list keep):
    """A C-contiguous array of at least `rows` rows (and `columns` columns; ANY: it has one axis), or an error.

    keep: while this list lives, resize cannot free the array's memory, which it may even while a view of it exists.
    """
    cdef cnp.ndarray a
    if isinstance(array, cnp.ndarray):
        a = array
        if (cnp.PyArray_TYPE(a) == kind and cnp.PyArray_NDIM(a) == (1 if columns == ANY else 2)
                and (cnp.PyArray_ISCARRAY(a) if written else cnp.PyArray_ISCARRAY_RO(a))
                and cnp.PyArray_DIM(a, 0) >= rows and (columns == ANY or cnp.PyArray_DIM(a, 1) == columns)):
            keep.append(pin(a))
            return a
        given = f"shape {array.shape}, {array.dtype}, {'C-contiguous' if array.flags.c_contiguous else 'not contiguous'}"
    else:
        given = repr(array)
    shape = f"({rows} or more,{'' if columns == ANY else f' {columns}'})"
    raise ValueError(f"{name} must be a C-contiguous{' writeable' if written else ''} array of"
                     f" {cnp.PyArray_DescrFromType(kind)} of shape {shape}, got {given}")


cdef tuple pin(cnp.ndarray array):
    """What keeps the memory of an array where it is: the array, and a reference that makes its owner refuse to resize."""
    owner, base = array, cnp.get_array_base(array)
    while isinstance(base, cnp.ndarray):
        owner, base = base, cnp.get_array_base(base)
    return array, PyWeakref_NewRef(owner, None)


cdef int check_threads(Py_ssize_t threads) except -1:
    if not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"threads must be 1 to {MOST_THREADS}, got {threads}")
    return 0


cdef int check_steps(const int64_t* order, Py_ssize_t length, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t count,
                     Py_ssize_t batch, Py_ssize_t epoch_rows) except -1:
    """`count` batches from position `first` on lie within the order, and its numbers there within the rows.

    epoch_rows: unless 0, the order is whole epochs of so many rows, and the batches are all of theirs.
    """
    cdef Py_ssize_t last, i
    cdef bint outside = False
    if epoch_rows != 0:
        if (first != 0 or batch < 1 or not 0 < epoch_rows <= length or length % epoch_rows
                or count != length // epoch_rows * ceil_div(epoch_rows, batch)):
            raise ValueError(f"{count} batches of {batch} from position {first} on are not the whole epochs of {epoch_rows}"
                             f" rows of an order of {length}")
        count, batch = length, 1
    if first < 0 or count < 0 or batch < 1 or first > length or count > ceil_div(length - first, batch):
        raise ValueError(f"{count} batches of {batch} from position {first} on do not lie in an order of {length} rows")
    last = length if count >= (length - first) // batch else first + count * batch
    with nogil:
        for i in range(first, last):
            outside |= (order[i] < 0) | (order[i] >= rows)
    if outside:
        raise ValueError(f"order must hold row numbers from 0 to {rows - 1}")
    return 0


cdef Py_ssize_t kernel_lines(Operation* op, Sizes sizes) noexcept:
    """Lines of the kernel of an operation of these sizes; 0 where it has none, or wrong ones."""
    cdef Geometry* g = &op.geometry
    if sizes == PRODUCT:
        return op.inputs
    if sizes != WALK and sizes != WALK_BACK:
        return 0
    if not (0 < g.window_height < MOST and 0 < g.window_width < MOST and 0 < g.groups <= op.inputs
            and g.window_height * g.window_width < MOST):
        return 0
    return g.window_height * g.window_width * (op.inputs // g.groups) if (
        <double>g.window_height * g.window_width * op.inputs < MOST) else 0


cdef bint fits(Operation* op, Sizes sizes) noexcept:
    """Whether the sizes before and behind an operation are those of its kind."""
    cdef Geometry* g = &op.geometry
    cdef bint maps = (0 < g.height < MOST and 0 < g.width < MOST and 0 < g.out_height < MOST and 0 < g.out_width < MOST
                      and g.height * g.width == op.positions_in and g.out_height * g.out_width == op.positions_out)
    cdef bint windows = (maps and 0 < g.window_height < MOST and 0 < g.window_width < MOST and 0 < g.stride_y < MOST
                         and 0 < g.stride_x < MOST and 0 < g.dilation_y < MOST and 0 < g.dilation_x < MOST
                         and 0 <= g.top < MOST and 0 <= g.left < MOST)
    if sizes == ALIKE:
        return op.inputs == op.outputs and op.positions_in == op.positions_out
    if sizes == PRODUCT:
        return op.positions_in == op.positions_out
    if sizes == WINDOWS:
        return windows and op.inputs == op.outputs
    if sizes == RESAMPLES:
        return op.inputs == op.outputs
    if sizes == MOVES:
        return op.inputs * op.positions_in == op.outputs * op.positions_out
    return (windows and kernel_lines(op, sizes) > 0 and op.inputs % g.groups == 0 and op.outputs % g.groups == 0
            and (sizes == WALK or g.groups == 1))


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
            lines += 4.0 * (op.rows + WIDTH) * (op.outputs + 2.0 * WIDTH) * (op.inputs // op.geometry.groups // WIDTH + 2)
    size = (lines + rows * 2.0 * widest + threads * (copies + (2.0 * widest + 8 * WIDTH) * WIDTH)) * count
    if size > 1e18 / sizeof(real):
        raise MemoryError(f"the buffers of a batch of {rows} rows need {size * sizeof(real):.0e} bytes; use smaller batches")
    return 0
