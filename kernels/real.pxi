# The C headers, as Cython sees them. `real` is float or double: the C compiler decides (real.h).
cdef extern from "real.h" nogil:
    ctypedef double real
    ctypedef const real* reals_in  # restrict
    ctypedef real* reals_out       # restrict
    const Py_ssize_t WIDTH
    const Py_ssize_t TILE
    const unsigned NO_SUBNORMALS
    unsigned floating_mode()
    void set_floating_mode(unsigned mode)
    void prefetch(const void* p)

cdef extern from "tile.h" nogil:
    const Py_ssize_t DEPTH
    void forward_panel(Py_ssize_t rows, Py_ssize_t columns, const real* A, Py_ssize_t sa, const real* W,
                       Py_ssize_t depth, const real* start, Py_ssize_t ss, real* Z)
    void forward_dot(Py_ssize_t rows, const real* A, Py_ssize_t sa, const real* W, Py_ssize_t depth,
                     const real* start, Py_ssize_t ss, real* Z)
    void forward_row(const real* A, Py_ssize_t sa, const real* W, Py_ssize_t sw, Py_ssize_t panels, Py_ssize_t depth,
                     const real* start, Py_ssize_t ss, real* Z, Py_ssize_t sz)
    ctypedef struct soon:
        const real* weights
        Py_ssize_t distance
        int count
    void gradient_panel(Py_ssize_t inputs, Py_ssize_t columns, const real* A, const real* D, Py_ssize_t rows, real* G,
                        soon next)
    void gradient_column(Py_ssize_t inputs, const real* A, const real* D, Py_ssize_t rows, real* G, soon next)
    void transpose_panel(const real* W, Py_ssize_t sw, Py_ssize_t first, Py_ssize_t inputs, Py_ssize_t outputs, real* T)
    void transpose_back(const real* T, Py_ssize_t outputs, real* D, Py_ssize_t sd)

cdef extern from "taps.h" nogil:
    ctypedef struct taps:
        Py_ssize_t count
        const ptrdiff_t* at
        const ptrdiff_t* line
        Py_ssize_t depth
    ctypedef struct pixels:
        Py_ssize_t images, height, width
        Py_ssize_t image_a, row_a, pixel_a
        Py_ssize_t image_d, row_d, pixel_d
    void tap_row(Py_ssize_t n, Py_ssize_t columns, const real* A, Py_ssize_t ra, Py_ssize_t sa, const taps* of, const real* W,
                 const real* start, real* Z, Py_ssize_t rz)
    void packed_row(Py_ssize_t n, Py_ssize_t columns, const real* A, Py_ssize_t ra, const taps* of, const real* W,
                    const real* start, real* Z, Py_ssize_t rz)
    void tap_gradient(Py_ssize_t n, Py_ssize_t columns, const real* A, const ptrdiff_t* at, const real* D, const pixels* of,
                      real* G)
    void lane_row(Py_ssize_t n, const real* A, Py_ssize_t ra, Py_ssize_t sa, const taps* of, const real* W,
                  const real* start, real* Z, Py_ssize_t rz)
    void lane_gradient(Py_ssize_t n, const real* A, const ptrdiff_t* at, const real* D, const pixels* of, real* G)

cdef extern from "windows.h" nogil:
    ctypedef struct Geometry:
        int64_t height, width, out_height, out_width
        int64_t window_height, window_width, stride_y, stride_x, dilation_y, dilation_x
        int64_t top, left, groups
    int tap_bytes(const Geometry* g)
    Py_ssize_t windows_at_once(const Geometry* g)
    bint windows_apart(const Geometry* g)
    void max_pool(const Geometry* g, Py_ssize_t begin, Py_ssize_t end, real lowest, const real* x, real* y, Py_ssize_t ry,
                  void* which)
    void max_unpool(const Geometry* g, Py_ssize_t y, Py_ssize_t x, Py_ssize_t n, const real* d, Py_ssize_t rd,
                    const void* which, real* to)
    void max_pool_back(const Geometry* g, Py_ssize_t begin, Py_ssize_t end, const real* d, const void* which, real* dx)
    void average_pool(const Geometry* g, Py_ssize_t begin, Py_ssize_t end, const real* x, real* y)
    void average_pool_back(const Geometry* g, Py_ssize_t begin, Py_ssize_t end, const real* d, real* dx)

cdef extern from "winograd.h" nogil:
    const Py_ssize_t PLACES
    void winograd_weights(const real* W, const ptrdiff_t* line, Py_ssize_t depth, real* U)
    void winograd_source(Py_ssize_t n, const real* A, Py_ssize_t row, real* V, Py_ssize_t place)
    void winograd_target(Py_ssize_t n, const real* P, Py_ssize_t place, const real* start, real* Z, Py_ssize_t row)

ctypedef int (*Stops)(void* who) noexcept nogil

cdef extern from "sums.h" nogil:
    void bias_gradient(const real* D, Py_ssize_t rows, real* G, Stops stops, void* who)
    ctypedef struct summands:
        const real* x
        const real* d
        const real* mean
        const real* scale
        Stops stops
        void* who
    ctypedef void (*block_sums)(const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums) noexcept nogil
    void sum_of_products(const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums)
    void sum_of_negative_products(const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums)
    void sum_of_deviations(const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums)
    void sum_of_line_products(const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums)
    void pairwise(block_sums block, int count, const summands* of, Py_ssize_t first, Py_ssize_t last, real* sums)
    void moments(Py_ssize_t n, const real* x, real* mean, real* variance, Stops stops, void* who)
    double penalize_squares(Py_ssize_t n, const real* w, real* g, real l2)
    double norm(Py_ssize_t n, const real* x)
    void column_norms(Py_ssize_t n, const real* w, double* norms)

cdef extern from "measure.h" nogil:
    double fma_rate(double seconds)
    double read_seconds(const real* x, Py_ssize_t n, int times)

cdef extern from "vmath.h" nogil:
    const real LEAST_NORMAL
    const real LOG_SPACING
    real real_exp(real x)
    real real_expm1(real x)
    real real_tanh(real x)
    real real_sigmoid(real x)
    real real_log1p(real x)
    real real_softplus(real x)
    real real_log(real x)
    real real_sqrt(real x)
    real real_fabs(real x)
    real real_erfc(real x)

cdef extern from "pool.h" nogil:
    ctypedef void (*pool_task)(void* argument, int thread, int threads) noexcept nogil
    ctypedef void (*pool_look)(void* argument) noexcept nogil
    ctypedef struct pool_flag:
        pass
    bint pool_is_set(const pool_flag* flag)
    void pool_set(pool_flag* flag)
    ctypedef struct pool_table:
        void (*run)(pool_task task, void* argument, int threads) noexcept nogil
        void (*wait)(int threads, pool_look look, void* argument) noexcept nogil


cdef inline void set_zero(real* line) noexcept nogil:
    cdef Py_ssize_t r
    for r in range(WIDTH):
        line[r] = 0


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t panels(Py_ssize_t columns) noexcept nogil:
    return (columns + WIDTH - 1) // WIDTH


cdef inline Py_ssize_t least(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


cdef inline Py_ssize_t share(Py_ssize_t units, int thread, int threads) noexcept nogil:
    """The first of the units that `thread` owns; its last is before share(units, thread + 1, threads)."""
    return units * thread if threads == 1 else units * thread // threads  # small steps feel a division
