# Arrays and orders that Python hands to the core: what would lead outside of a buffer is refused. Nothing else is trusted
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
