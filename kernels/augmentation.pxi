# Images changed right after they are gathered, each row by one thread. What happens to a sample is a function of the seed,
# of the step at which the epoch began and of the sample's position in the epoch. Twin: fastnn/augmentation.py.

cdef enum:
    CHOICES = 8  # random numbers of a sample, before those of its noise

cdef struct Augmentation:
    int height, width, channels
    bint flip_horizontal, flip_vertical
    bint moves             # whether images are turned or shifted
    double rotation        # the largest angle, in radians
    double down, right     # the largest shift, in pixels
    real noise             # standard deviation
    uint64_t stream


cdef int read_augmentation(Augmentation* to, object changes, Py_ssize_t inputs) except -1:
    """From a fastnn.augmentation.Changes, for images of so many numbers."""
    settings = changes.settings
    if np.prod(changes.shape, dtype=object) != inputs or min(changes.shape) < 1 or inputs >= 1 << 30:
        raise ValueError(f"images of shape {changes.shape} are not samples of {inputs} numbers, or too large")
    to.height, to.width, to.channels = changes.shape
    to.flip_horizontal, to.flip_vertical = settings.flip_horizontal, settings.flip_vertical
    to.rotation = np.radians(settings.rotation)
    to.down, to.right = settings.shift
    to.moves = to.rotation != 0 or to.down != 0 or to.right != 0
    to.noise = settings.noise
    to.stream = changes.stream
    return 0


cdef void augment_lines(const Augmentation* how, uint64_t seed, Py_ssize_t position, Py_ssize_t rows, real* a,
                        Py_ssize_t stride, real* scratch) noexcept nogil:
    """Changes lines [0, rows) of the panels a, which are the samples from `position` of the epoch on."""
    cdef uint32_t[64] words
    cdef double[CHOICES] u
    cdef Py_ssize_t n = how.height * how.width * how.channels, padding = panels(n) * WIDTH - n, r, k, panel, lines
    cdef real* line
    if how.flip_horizontal or how.flip_vertical or how.moves:
        for r in range(rows):
            for k in range(CHOICES // 4):
                philox(seed, how.stream, <uint64_t>(position + r) << 32 | <uint64_t>k, words + 4 * k)
            for k in range(CHOICES):
                u[k] = words[k] / 4294967296.0
            change_image(how, u, a + r * WIDTH, stride, scratch)
    if how.noise == 0:
        return
    for panel in range(panels(n)):
        r = 0
        while r < rows:  # the words of panel 0 are the choices above
            philox_lines(seed, how.stream, position + r, panel + 1, <int>WIDTH, words)
            lines = least(PHILOX_WORDS // WIDTH, rows - r)
            add_noise(lines, a + panel * stride + r * WIDTH, words, how.noise)
            r += lines
    for r in range(rows):
        line = a + (panels(n) - 1) * stride + r * WIDTH
        for k in range(WIDTH - padding, WIDTH):
            line[k] = 0


cdef void change_image(const Augmentation* how, const double* u, real* a, Py_ssize_t stride, real* scratch) noexcept nogil:
    """Flips, turns and moves the image of one line of the panels a, by CHOICES numbers from 0 to 1.

    Scratch: two images of whole panels and three numbers for each column, less than a product's (Buffers.deal).
    """
    cdef int h = how.height, w = how.width, c = how.channels, y, k
    cdef bint mirrored = how.flip_horizontal and u[0] < 0.5, upside_down = how.flip_vertical and u[1] < 0.5
    cdef Py_ssize_t n = h * w * c
    cdef real* image = scratch
    cdef real* out = image + panels(n) * WIDTH
    cdef real* across = out + panels(n) * WIDTH
    cdef real* down = across + w
    cdef int32_t* at = <int32_t*>(down + w)
    if not (mirrored or upside_down or how.moves):
        return
    for k in range(panels(n)):
        memcpy(image + k * WIDTH, a + k * stride, WIDTH * sizeof(real))
    # A mirrored image is read from its end backwards. An image of one row or column has no neighbours to step to.
    cdef int below = 0 if h == 1 else (-w * c if upside_down else w * c), right = 0 if w == 1 else (-c if mirrored else c)
    image += (h - 1) * w * c * upside_down + (w - 1) * c * mirrored
    cdef double angle = how.rotation * (2 * u[2] - 1), cosine = cos(angle), sine = sin(angle)
    cdef double dy = how.down * (2 * u[3] - 1), dx = how.right * (2 * u[4] - 1)
    for y in range(h):
        trace_line(how, cosine, sine, y - 0.5 * (h - 1) - dy, dx, below, right, at, down, across)
        for k in range(c):
            sample_line(w, at, down, across, image + k, below, right, out + y * w * c + k, c)
    for k in range(panels(n)):
        memcpy(a + k * stride, out + k * WIDTH, least(WIDTH, n - k * WIDTH) * sizeof(real))


cdef inline void trace_line(const Augmentation* how, double cosine, double sine, double y, double dx, int below, int right,
                            int32_t* at, reals_out down, reals_out across) noexcept nogil:
    """Where the pixels of line y come from: the pixel above and left of the place, and the shares of those beyond it.

    y, and x in the loop, count from the centre. A place outside is moved to the edge, where the last pixel has share 1.
    """
    cdef double half_height = 0.5 * (how.height - 1), half_width = 0.5 * (how.width - 1), x, row, column
    cdef int last_top = max(how.height - 2, 0), last_left = max(how.width - 2, 0), top, left, i
    for i in range(how.width):
        x = i - half_width - dx
        row = cosine * y + sine * x + half_height
        column = cosine * x - sine * y + half_width
        row = row if row > 0 else 0
        row = row if row < 2 * half_height else 2 * half_height
        column = column if column > 0 else 0
        column = column if column < 2 * half_width else 2 * half_width
        top = <int>row
        top = top if top < last_top else last_top
        left = <int>column
        left = left if left < last_left else last_left
        down[i] = <real>(row - top)
        across[i] = <real>(column - left)
        at[i] = top * below + left * right


cdef inline void sample_line(int n, const int32_t* at, reals_in down, reals_in across, reals_in image, Py_ssize_t below,
                             Py_ssize_t right, reals_out to, Py_ssize_t step) noexcept nogil:
    """Bilinear: one channel of a line, from the four pixels at and beside each place."""
    cdef const real* p
    cdef real upper, lower
    cdef int i
    for i in range(n):
        p = image + at[i]
        upper = p[0] * (1 - across[i]) + p[right] * across[i]
        lower = p[below] * (1 - across[i]) + p[below + right] * across[i]
        to[i * step] = upper * (1 - down[i]) + lower * down[i]
