# How the pixels of two maps belong together: which taps of a window reach which pixel, and where a band of a map lies with
# the padding around it. A convolution and its two gradients are sums along such a walk (operations/convolution.pxi).

# Targets that the same taps reach: every step-th pixel from (y, x) on.
cdef struct Lattice:
    Py_ssize_t y, x, height, width
    taps of

# From the pixels of a source to those of a target.
cdef struct Walk:
    Py_ssize_t source_height, source_width, target_height, target_width
    Py_ssize_t channels            # of the source
    Py_ssize_t target_group, source_group  # channels of a group; both equal all of them where there is one group
    bint lanes                     # several groups: each lane of a target goes its own way
    bint packed                    # the source's pixels lie side by side, as in rows of samples, not in lines
    Py_ssize_t step_y, step_x      # between the targets of a lattice
    Py_ssize_t stride_y, stride_x  # between their sources
    Py_ssize_t above, before       # first row and column of the source that target (0, 0) of a lattice needs
    Py_ssize_t span                # rows of the source that a row of targets needs
    bint direct                    # nothing lies outside: the source is read where it is, not from a copy with zeros around
    Py_ssize_t line, pixel         # of the copy or the source: pixels of a row, and reals between two of them
    Py_ssize_t planes              # of the copy
    Py_ssize_t rows                # of the largest lattice
    Py_ssize_t band                # rows of a lattice that are computed at once
    Py_ssize_t together            # samples whose weight gradient is summed at once, and rows of a lattice of each
    Py_ssize_t band_together
    Py_ssize_t count               # of lattices
    Lattice* lattice
    const Geometry* pool           # of the maximum behind a convolution, which takes each band from the cache; or NULL
    bint fast                      # by winograd.h
    ptrdiff_t[9] square            # then: the first line of the weights of each pixel that a target sees
    bint flat                      # its numbers lie at once where they are flattened, a row for each sample

# The gradient of a sample's map where only the largest numbers of windows have one: which tap of each window, in bytes.
cdef struct Pooled:
    const Geometry* pool
    const real* d
    const char* taps
    Py_ssize_t panel, pixel, taps_panel  # reals between two panels and two pixels of d, bytes between two panels of taps

cdef enum:
    BAND_LINES = 128        # targets of a band, of one panel: they stay in the first-level cache for the activation
    BAND_REALS = 1 << 15    # of a copy of a part of the source, where more than one row fits
    FAST_CHANNELS = 32      # from which on winograd.h is faster
    FAST_TILES = 48         # of it at once
    POOLED_LINES = 256      # of a gradient behind a maximum, in the first-level cache for the gradient of the weights


cdef inline bint depthwise(const Walk* walk) noexcept nogil:
    """Lane for lane the same channel."""
    return walk.lanes and walk.target_group == 1 and walk.source_group == 1


cdef int plan_walk(Walk* walk, const Geometry* g, Py_ssize_t inputs, Py_ssize_t outputs, bint transposed, bint backward,
                   bint packed, const Geometry* pool) except -1:
    """Fills a walk: of a convolution or a transposed one, forward or to the gradient of its input.

    Forward, the weights of tap k are the lines k * inputs / groups on; backward those of turn_weights.
    """
    cdef bint scatter = transposed != backward  # from the small map to the large one: a target has only some of the taps
    cdef Py_ssize_t steps, y, x, ky, kx, t = 0, lines, tap_lines, reach_y, reach_x, right
    cdef ptrdiff_t* at
    cdef ptrdiff_t* line
    cdef Lattice* lattice
    memset(walk, 0, sizeof(Walk))
    walk.channels = outputs if backward else inputs
    walk.source_group = walk.channels // g.groups
    walk.target_group = (inputs if backward else outputs) // g.groups
    walk.lanes = g.groups > 1
    if backward:
        walk.source_height, walk.source_width, walk.target_height, walk.target_width = (
            g.out_height, g.out_width, g.height, g.width)
    else:
        walk.source_height, walk.source_width, walk.target_height, walk.target_width = (
            g.height, g.width, g.out_height, g.out_width)
    walk.packed = packed
    walk.pool = pool
    walk.step_y = walk.step_x = walk.stride_y = walk.stride_x = 1
    if scatter:
        walk.step_y, walk.step_x = g.stride_y, g.stride_x
    else:
        walk.stride_y, walk.stride_x = g.stride_y, g.stride_x
    steps = walk.step_y * walk.step_x
    lines = g.window_height * g.window_width * (inputs if packed else 1)
    walk.lattice = <Lattice*>PyMem_Calloc(steps * sizeof(Lattice) + 2 * lines * sizeof(ptrdiff_t), 1)
    if walk.lattice == NULL:
        raise MemoryError("no memory for the taps of a convolution")
    at = <ptrdiff_t*>(walk.lattice + steps)
    line = at + lines
    tap_lines = walk.source_group
    if backward and not walk.lanes:
        tap_lines = panels(walk.channels) * WIDTH
    # Rows and columns of the source first: `at` holds them until the distances are known.
    walk.above = walk.before = PY_SSIZE_T_MAX
    reach_y = reach_x = -PY_SSIZE_T_MAX
    for y in range(walk.step_y):
        for x in range(walk.step_x):
            if y >= walk.target_height or x >= walk.target_width:
                continue
            lattice = &walk.lattice[walk.count]
            walk.count += 1
            lattice.y, lattice.x = y, x
            lattice.height = ceil_div(walk.target_height - y, walk.step_y)
            lattice.width = ceil_div(walk.target_width - x, walk.step_x)
            lattice.of.at, lattice.of.line = at + t, line + t
            for ky in range(g.window_height):
                for kx in range(g.window_width):
                    if scatter:
                        if (y + g.top - ky * g.dilation_y) % g.stride_y or (x + g.left - kx * g.dilation_x) % g.stride_x:
                            continue
                        at[t] = (y + g.top - ky * g.dilation_y) // g.stride_y
                        line[t] = (x + g.left - kx * g.dilation_x) // g.stride_x
                    else:
                        at[t], line[t] = ky * g.dilation_y - g.top, kx * g.dilation_x - g.left
                    walk.above, reach_y = least(walk.above, at[t]), max(reach_y, at[t])
                    walk.before, reach_x = least(walk.before, line[t]), max(reach_x, line[t])
                    t += 1
                    lattice.of.count += 1
    if t == 0:  # no target is reached
        walk.above = walk.before = reach_y = reach_x = 0
    walk.rows = walk.lattice[0].height
    walk.span = reach_y - walk.above + 1
    right = (walk.lattice[0].width - 1) * walk.stride_x + reach_x  # the last column that is needed
    walk.direct = (not packed and not (pool != NULL and backward) and (not walk.lanes or depthwise(walk))
                   and walk.above >= 0 and walk.before >= 0
                   and (walk.rows - 1) * walk.stride_y + reach_y < walk.source_height and right < walk.source_width)
    walk.line = walk.source_width if walk.direct else right - walk.before + 1
    walk.pixel = walk.channels if packed else WIDTH
    walk.planes = 1 if packed else (1 if depthwise(walk) else (walk.source_group if walk.lanes else panels(walk.channels)))
    if <double>walk.line * walk.span * walk.stride_y * walk.pixel * walk.planes > 1e14:
        raise MemoryError(f"a convolution reaches over {walk.line} pixels of {walk.channels} channels; use a smaller window")
    for y in range(walk.count):
        lattice = &walk.lattice[y]
        lattice.of.depth = walk.source_group
        at, line = <ptrdiff_t*>lattice.of.at, <ptrdiff_t*>lattice.of.line
        for t in range(lattice.of.count):
            at[t] = ((at[t] - walk.above) * walk.line + line[t] - walk.before) * walk.pixel
        t = 0
        for ky in range(g.window_height):
            for kx in range(g.window_width):
                if scatter and ((lattice.y + g.top - ky * g.dilation_y) % g.stride_y
                                or (lattice.x + g.left - kx * g.dilation_x) % g.stride_x):
                    continue
                line[t] = (ky * g.window_width + kx) * tap_lines
                t += 1
    if packed:  # each line of weights has a tap of its own
        lattice = &walk.lattice[0]
        at = <ptrdiff_t*>lattice.of.at
        lattice.of.depth = 1
        lattice.of.count = lines
        for t in range(lines - 1, -1, -1):
            at[t] = at[t // inputs] + t % inputs
    walk.fast = (g.window_height == 3 and g.window_width == 3 and g.stride_y == 1 and g.stride_x == 1 and g.dilation_y == 1
                 and g.dilation_x == 1 and not walk.lanes and not packed and walk.channels >= FAST_CHANNELS
                 and walk.target_group >= FAST_CHANNELS and walk.rows > 1 and walk.lattice[0].width > 1)
    if walk.fast:
        for t in range(9):
            at, line = <ptrdiff_t*>walk.lattice[0].of.at, <ptrdiff_t*>walk.lattice[0].of.line
            walk.square[at[t] // WIDTH // walk.line * 3 + at[t] // WIDTH % walk.line] = line[t]
    plan_bands(walk)
    return 0


cdef void plan_bands(Walk* walk) noexcept:
    cdef Py_ssize_t width = walk.lattice[0].width, row = walk.line * walk.pixel * walk.planes
    walk.band = max(1, BAND_LINES // width)
    if not walk.direct:
        walk.band = max(1, (BAND_REALS // row - walk.span) // walk.stride_y + 1)
    walk.band = least(walk.band, walk.rows)
    cdef Py_ssize_t lines = LONG, unit = 1
    if walk.fast:  # whole tiles
        unit = 2
        walk.band = least(walk.band if not walk.direct else walk.rows, 2 * max(1, FAST_TILES // ceil_div(width, 2)))
    if walk.pool != NULL:  # whole windows
        lines = POOLED_LINES
        unit = walk.pool.stride_y if walk.pool.stride_y % unit == 0 else unit * walk.pool.stride_y
    walk.band = least(ceil_div(walk.band, unit) * unit, walk.rows)
    walk.together = max(1, lines // (walk.rows * width))
    walk.band_together = walk.rows if walk.together > 1 else least(walk.rows, max(1, lines // width))


cdef inline Py_ssize_t band_lines(const Walk* walk, Py_ssize_t band) noexcept nogil:
    """Rows of the source that so many rows of targets need."""
    return (band - 1) * walk.stride_y + walk.span


cdef inline Py_ssize_t copy_size(const Walk* walk, Py_ssize_t band) noexcept nogil:
    """Reals of one plane of a copy."""
    return band_lines(walk, band) * walk.line * walk.pixel


cdef Py_ssize_t walk_scratch(const Walk* walk) noexcept nogil:
    """Reals of a copy in the forward pass or in the backward one, or of one for the weight gradient; with the band, or the
    gradient, of one panel that a maximum takes, and what winograd.h needs."""
    return copies_size(walk) + band_size(walk) + PLACES * tiles_of(walk) * (panels(walk.channels) + 1) * WIDTH


cdef inline Py_ssize_t tiles_of(const Walk* walk) noexcept nogil:
    return walk.band // 2 * ceil_div(walk.lattice[0].width, 2) if walk.fast else 0


cdef inline Py_ssize_t band_size(const Walk* walk) noexcept nogil:
    cdef Py_ssize_t lines = max(walk.band, walk.together * walk.band_together) * walk.lattice[0].width
    return lines * WIDTH if walk.pool != NULL else 0


cdef inline Py_ssize_t copies_size(const Walk* walk) noexcept nogil:
    if walk.direct:
        return 0
    return panels(walk.planes * max(copy_size(walk, walk.band),
                                    walk.together * copy_size(walk, walk.band_together)) + WIDTH) * WIDTH


cdef const real* source_of(const Walk* walk, const real* a, Py_ssize_t stride, Py_ssize_t sample, Py_ssize_t count,
                           Py_ssize_t panel, Py_ssize_t row, Py_ssize_t band, const Pooled* pooled, real* scratch,
                           Py_ssize_t* plane) noexcept nogil:
    """Where `count` samples have the source of a band of targets from `row` on: in the map a, or in a copy of that part.

    panel: of the targets, where each lane goes its own way. pooled: what the map is made of, or NULL. plane: OUT, reals
    between two planes.
    """
    cdef Py_ssize_t first = row * walk.stride_y + walk.above, size = walk.source_height * walk.source_width, n
    plane[0] = stride
    if walk.direct:
        a += (sample * size + first * walk.source_width + walk.before) * WIDTH
        return a + panel * stride if walk.lanes else a
    plane[0] = count * copy_size(walk, band)
    for n in range(count):
        if walk.packed:
            copy_packed(walk, a, stride, sample + n, first, band_lines(walk, band), scratch + n * copy_size(walk, band))
        else:
            copy_planes(walk, a, stride, sample + n, panel, first, band_lines(walk, band), pooled,
                        scratch + n * copy_size(walk, band), plane[0])
    return scratch


cdef void copy_planes(const Walk* walk, const real* a, Py_ssize_t stride, Py_ssize_t sample, Py_ssize_t panel,
                      Py_ssize_t first, Py_ssize_t rows, const Pooled* pooled, real* to, Py_ssize_t plane) noexcept nogil:
    """Rows [first, first + rows) of a sample's map, with zeros around: plane after plane."""
    cdef Py_ssize_t k, y, left = least(walk.line, max(0, -walk.before)), n
    cdef const real* line
    cdef real* row
    n = max(0, least(walk.line, walk.source_width - walk.before) - left)  # columns that exist
    for k in range(walk.planes):
        for y in range(first, first + rows):
            row = to + k * plane + (y - first) * walk.line * WIDTH
            if not 0 <= y < walk.source_height or n == 0:
                memset(row, 0, walk.line * WIDTH * sizeof(real))
                continue
            if pooled != NULL:
                memset(row, 0, left * WIDTH * sizeof(real))
                unpool(pooled, k, y, left + walk.before, n, row + left * WIDTH)
                memset(row + (left + n) * WIDTH, 0, (walk.line - left - n) * WIDTH * sizeof(real))
                continue
            line = a + ((sample * walk.source_height + y) * walk.source_width + left + walk.before) * WIDTH
            memset(row, 0, left * WIDTH * sizeof(real))
            row += left * WIDTH
            if not walk.lanes:
                memcpy(row, line + k * stride, n * WIDTH * sizeof(real))
            elif depthwise(walk):
                memcpy(row, line + panel * stride, n * WIDTH * sizeof(real))
            else:
                copy_lanes(walk, line, stride, panel, k, n, row)
            row += n * WIDTH
            memset(row, 0, (walk.line - left - n) * WIDTH * sizeof(real))


cdef inline void unpool(const Pooled* of, Py_ssize_t panel, Py_ssize_t y, Py_ssize_t x, Py_ssize_t n,
                        real* to) noexcept nogil:
    """Pixels [x, x + n) of row y of the gradient."""
    max_unpool(of.pool, y, x, n, of.d + panel * of.panel, of.pixel, of.taps + panel * of.taps_panel, to)


cdef void copy_lanes(const Walk* walk, const real* line, Py_ssize_t stride, Py_ssize_t panel, Py_ssize_t k, Py_ssize_t n,
                     real* to) noexcept nogil:
    """For each lane of a target's panel the k-th source channel of its group, of n pixels."""
    cdef Py_ssize_t lane, group, channel, x
    for lane in range(WIDTH):
        group = (panel * WIDTH + lane) // walk.target_group
        channel = group * walk.source_group + k
        if channel >= walk.channels:
            for x in range(n):
                to[x * WIDTH + lane] = 0
            continue
        for x in range(n):
            to[x * WIDTH + lane] = line[channel // WIDTH * stride + x * WIDTH + channel % WIDTH]


cdef void copy_packed(const Walk* walk, const real* a, Py_ssize_t stride, Py_ssize_t sample, Py_ssize_t first,
                      Py_ssize_t rows, real* to) noexcept nogil:
    """The same of a sample that is one row of numbers, pixel after pixel."""
    cdef Py_ssize_t y, channels = walk.channels, left = least(walk.line, max(0, -walk.before)), n
    cdef real* row
    n = max(0, least(walk.line, walk.source_width - walk.before) - left)
    for y in range(first, first + rows):
        row = to + (y - first) * walk.line * channels
        if not 0 <= y < walk.source_height or n == 0:
            memset(row, 0, walk.line * channels * sizeof(real))
            continue
        memset(row, 0, left * channels * sizeof(real))
        copy_numbers(a + sample * WIDTH, stride, (y * walk.source_width + left + walk.before) * channels, n * channels,
                     row + left * channels)
        memset(row + (left + n) * channels, 0, (walk.line - left - n) * channels * sizeof(real))


cdef inline void copy_numbers(const real* row, Py_ssize_t stride, Py_ssize_t first, Py_ssize_t n, real* to) noexcept nogil:
    """Numbers [first, first + n) of a row of a panel matrix."""
    cdef Py_ssize_t k, m
    row += first // WIDTH * stride
    first %= WIDTH
    while n > 0:
        m = least(n, WIDTH - first)
        if m == WIDTH:
            memcpy(to, row, WIDTH * sizeof(real))
        else:
            for k in range(m):
                to[k] = row[first + k]
        to += m
        n -= m
        first = 0
        row += stride
