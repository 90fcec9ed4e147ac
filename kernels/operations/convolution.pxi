# Convolutions of maps, transposed ones too, with the activation that the program has joined to them. The three products are
# walks over taps (maps.pxi), sample by sample; each line of the weight gradient belongs to one thread.
# Twins: fastnn/operations/maps.py.

cdef inline Walk* walk_of(Network* net, Py_ssize_t i, bint backward) noexcept nogil:
    return &net.walks[2 * i + backward]


cdef inline Py_ssize_t taps_of(Operation* op) noexcept nogil:
    return op.geometry.window_height * op.geometry.window_width


cdef void walk_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, bint backward, Part* part) noexcept nogil:
    """a[i + 1] = f(sum over taps of a[i] W + b) of sample n; backward d[i] = sum over taps of d[i + 1] W^T.

    Band after band of the map: its source stays in the cache for all panels, and itself for what follows, the activation or
    a maximum.
    """
    cdef Network* net = job.net
    cdef Operation* op = &net.operations[i]
    cdef Walk* walk = walk_of(net, i, backward)
    cdef Lattice* lattice
    cdef Py_ssize_t columns = op.inputs if backward else op.outputs, target = i if backward else i + 1
    cdef Py_ssize_t source = i + 1 if backward else i, positions = walk.target_height * walk.target_width
    cdef Py_ssize_t y, row = 0, begin, end, p, k, plane = 0, line, lines, distance
    cdef real* tiles
    cdef const real* origin
    cdef const real* from_
    cdef const real* weights
    cdef const real* w
    cdef const real* start
    cdef real* map
    cdef real* z
    cdef Pooled pooled
    cdef const Pooled* of = NULL
    if backward and walk.pool != NULL:
        pooled = pooled_gradient(net, work, i + 1, n)
        of = &pooled
    cdef real[64] zero
    set_zero(zero)
    distance = turned_lines(op) * WIDTH if backward else panel_size(op)
    weights = net.arena + op.offset
    if backward:
        weights = work.turned[i]
    while row < walk.rows and not interrupted(job, part.thread):
        end = least(row + walk.band, walk.rows)
        origin = NULL
        for p in range(panels(columns)):
            w = weights + p * distance
            start = w + op.kernel_rows * WIDTH
            if backward:
                start = zero
            if origin == NULL or walk.lanes:
                origin = source_of(walk, work.d[source] if backward else work.a[source], work.stride[source], n, 1, p,
                                   row, end - row, of, part.scratch, &plane)
            if walk.pool != NULL and not backward:  # where row 0 would be
                map = part.scratch + copies_size(walk) - row * walk.target_width * WIDTH
            else:
                map = (work.d[target] if backward else work.a[target]) + p * work.stride[target] + n * positions * WIDTH
            for k in range(walk.count):
                lattice = &walk.lattice[k]
                begin = row
                if walk.fast:
                    tiles = part.scratch + copies_size(walk) + band_size(walk)
                    if p == 0:
                        fast_sources(walk, origin, plane, end - row, tiles)
                    fast_targets(walk, work.fast[2 * i + backward] + p * PLACES * walk.channels * WIDTH,
                                 columns_of(columns, p), end - row, tiles, start, map + row * walk.target_width * WIDTH)
                    begin += (end - row) // 2 * 2
                for y in range(begin, least(end, lattice.height)):
                    from_ = origin + (y - row) * walk.stride_y * walk.line * walk.pixel
                    z = map + ((lattice.y + y * walk.step_y) * walk.target_width + lattice.x) * WIDTH
                    if walk.lanes:
                        lane_row(lattice.width, from_, walk.stride_x * walk.pixel, plane, &lattice.of, w, start, z,
                                 walk.step_x * WIDTH)
                    elif walk.packed:
                        packed_row(lattice.width, columns_of(columns, p), from_, walk.stride_x * walk.pixel, &lattice.of,
                                   w, start, z, WIDTH)
                    else:
                        tap_row(lattice.width, columns_of(columns, p), from_, walk.stride_x * walk.pixel, plane,
                                &lattice.of, w, start, z, walk.step_x * WIDTH)
            line = row * walk.step_y * walk.target_width
            lines = least(end * walk.step_y, walk.target_height) * walk.target_width - line
            if backward:
                finish_gradient(net, work, i, part.samples, p, n * positions + line, n * positions + line + lines)
            elif walk.pool != NULL:
                max_pool_band(job, work, i + 1, n, p, row, end, map)
            else:
                activate(op, work, i, p, lines * WIDTH, map + line * WIDTH)
        row = end


cdef void fast_sources(const Walk* walk, const real* origin, Py_ssize_t plane, Py_ssize_t rows, real* tiles) noexcept nogil:
    """The tiles of a band, place after place and at each a panel matrix of them: V of winograd.h."""
    cdef Py_ssize_t width = walk.lattice[0].width, count = rows // 2 * ceil_div(width, 2), p, y
    for p in range(panels(walk.channels)):
        for y in range(rows // 2):
            winograd_source(width, origin + p * plane + 2 * y * walk.line * WIDTH, walk.line * WIDTH,
                            tiles + (p * count + y * ceil_div(width, 2)) * WIDTH,
                            panels(walk.channels) * count * WIDTH)


cdef void fast_targets(const Walk* walk, const real* u, Py_ssize_t columns, Py_ssize_t rows, real* tiles,
                       const real* start, real* z) noexcept nogil:
    """Pairs of rows of one panel of targets, of the tiles and of G W G^T."""
    cdef Py_ssize_t width = walk.lattice[0].width, count = rows // 2 * ceil_div(width, 2), k, y
    cdef Py_ssize_t place = panels(walk.channels) * count * WIDTH
    cdef real* products = tiles + PLACES * place
    cdef real[64] zero
    set_zero(zero)
    for k in range(PLACES):
        forward_panel(count, columns, tiles + k * place, count * WIDTH, u + k * walk.channels * WIDTH, walk.channels,
                      zero, 0, products + k * count * WIDTH)
    for y in range(rows // 2):
        winograd_target(width, products + y * ceil_div(width, 2) * WIDTH, count * WIDTH, start,
                        z + 2 * y * walk.target_width * WIDTH, walk.target_width * WIDTH)


cdef void fast_weights(Network* net, Workspace* work, Py_ssize_t i, bint backward, Py_ssize_t first,
                       Py_ssize_t last) noexcept nogil:
    """G W G^T of winograd.h, of some panels of the weights; backward of those that turn_weights has turned."""
    cdef Operation* op = &net.operations[i]
    cdef Walk* walk = walk_of(net, i, backward)
    cdef const real* w = net.arena + op.offset
    cdef Py_ssize_t distance = panel_size(op), p
    if backward:
        w, distance = work.turned[i], turned_lines(op) * WIDTH
    for p in range(first, last):
        winograd_weights(w + p * distance, walk.square, walk.channels,
                         work.fast[2 * i + backward] + p * PLACES * walk.channels * WIDTH)


cdef void prepare_products(Network* net, Workspace* work, Py_ssize_t count, int thread, int threads) noexcept nogil:
    """A thread's share of what the first `count` operations need of their weights."""
    cdef Py_ssize_t i, n
    for i in range(count):
        if work.fast[2 * i] != NULL:
            n = panels(net.operations[i].outputs)
            fast_weights(net, work, i, False, share(n, thread, threads), share(n, thread + 1, threads))


cdef Py_ssize_t fast_size(const Walk* walk, Py_ssize_t columns) noexcept nogil:
    """Reals of G W G^T."""
    return panels(columns) * PLACES * walk.channels * WIDTH if walk.fast else 0


cdef void conv_sample(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    walk_sample(job, work, i, n, False, part)


cdef void conv_sample_back(Job* job, Workspace* work, Py_ssize_t i, Py_ssize_t n, Part* part) noexcept nogil:
    """d[i] of d[i + 1], of z in walk_sample: from each pixel back to those that its taps have read, with W^T."""
    walk_sample(job, work, i, n, True, part)


cdef inline Py_ssize_t turned_lines(Operation* op) noexcept nogil:
    """Lines of a panel of the turned weights: for each tap those of all outputs, or of a group's."""
    return taps_of(op) * (op.outputs // op.geometry.groups if op.geometry.groups > 1 else panels(op.outputs) * WIDTH)


cdef void turn_weights(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """W^T of each tap into work.turned[i]: a panel for each panel of inputs, whose lines are the taps' outputs."""
    cdef Operation* op = &job.net.operations[i]
    cdef const real* w = job.net.arena + op.offset
    cdef Py_ssize_t count = taps_of(op), groups = op.geometry.groups, unit, p, t, lane, j
    cdef Py_ssize_t inputs = op.inputs // groups, outputs = op.outputs // groups, channel, f
    cdef real* to
    cdef Py_ssize_t first = share(panels(op.inputs), part.thread, part.threads)
    cdef Py_ssize_t last = share(panels(op.inputs), part.thread + 1, part.threads)
    for unit in range(first * count, last * count):
        p, t = unit // count, unit % count
        to = job.work.turned[i] + (p * turned_lines(op) + t * (turned_lines(op) // count)) * WIDTH
        if groups == 1:
            transpose_panel(w + t * inputs * WIDTH, panel_size(op), p * WIDTH, inputs, outputs, to)
            continue
        for lane in range(WIDTH):
            channel = p * WIDTH + lane
            for j in range(outputs):
                f = channel // inputs * outputs + j
                to[j * WIDTH + lane] = 0
                if channel < op.inputs:
                    to[j * WIDTH + lane] = w[f // WIDTH * panel_size(op) + (t * inputs + channel % inputs) * WIDTH
                                             + f % WIDTH]
    if walk_of(job.net, i, True).fast:
        fast_weights(job.net, job.work, i, True, first, last)


cdef void conv_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """G of W and of b, handed to the optimizer: of each line of weights the sum over all pixels, by one thread."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    add_gradients(job, i, walk_of(job.net, i, False), work.a[i], work.stride[i], op.inputs, work.d[i + 1],
                  work.stride[i + 1], op.outputs, op.rows, part)
    hand_over_lines(job, i, work.sums[i], part)


cdef void transposed_update(Job* job, Py_ssize_t i, Part* part) noexcept nogil:
    """The same for a transposed convolution: here the large map is the one behind, so that G comes out as G^T."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t count = taps_of(op), lines = count * op.outputs, distance = (op.rows + WIDTH) * WIDTH, p, t
    add_gradients(job, i, walk_of(job.net, i, True), work.d[i + 1], work.stride[i + 1], op.outputs, work.a[i],
                  work.stride[i], op.inputs, lines, part)
    meet(job, part.thread, part.threads)
    for p in range(share(panels(op.outputs), part.thread, part.threads),
                   share(panels(op.outputs), part.thread + 1, part.threads)):
        for t in range(count):  # the lines behind the last input of a tap are those of the next one
            transpose_panel(work.sums[i] + t * op.outputs * WIDTH, lines * WIDTH, p * WIDTH, op.outputs, op.inputs,
                            work.turned[i] + p * distance + t * op.inputs * WIDTH)
    meet(job, part.thread, part.threads)
    hand_over_lines(job, i, work.turned[i], part)


cdef void add_gradients(Job* job, Py_ssize_t i, Walk* walk, const real* a, Py_ssize_t sa, Py_ssize_t inputs, const real* d,
                        Py_ssize_t sd, Py_ssize_t outputs, Py_ssize_t rows, Part* part) noexcept nogil:
    """work.sums[i][p][t * inputs + c] = sum over pixels o of a[o stride + t dilation - top][c] d[o][panel p]: a thread's.

    Parts of some 1024 pixels are summed in registers, and the sums of the parts added one after another, so that the error
    grows with the length of both only. rows: lines of a panel of work.sums[i].
    """
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t group = inputs // op.geometry.groups, lines = taps_of(op) * group, groups = panels(lines)
    cdef Py_ssize_t unit = share(panels(outputs) * groups, part.thread, part.threads)
    cdef Py_ssize_t end = share(panels(outputs) * groups, part.thread + 1, part.threads)
    cdef Py_ssize_t n, row, u, p, g, at_once, band, plane = 0, filled, unpooled, width = walk.lattice[0].width
    cdef const real* source
    cdef const real* target
    cdef pixels of
    cdef ptrdiff_t[16] at
    if unit >= end:
        return
    for u in range(unit, end):
        p, g = u // groups, u % groups
        memset(work.sums[i] + (p * rows + g * WIDTH) * WIDTH, 0, columns_of(lines, g) * WIDTH * sizeof(real))
    n = 0
    while n < part.samples:
        at_once = least(walk.together, part.samples - n)
        row = 0
        while row < walk.rows:
            band = least(walk.band_together, walk.rows - row)
            filled = unpooled = -1
            of = pixels(at_once, band, width, 0, walk.stride_y * walk.line * walk.pixel, walk.stride_x * walk.pixel,
                        (walk.rows if walk.pool == NULL else band) * width * WIDTH, width * WIDTH, WIDTH)
            of.image_a = (walk.source_height * walk.source_width * WIDTH if walk.direct else copy_size(walk, band))
            if of.row_a == width * of.pixel_a:  # one long row
                of.width, of.height = of.width * of.height, 1
            for u in range(unit, end):
                if interrupted(job, part.thread):
                    return
                p, g = u // groups, u % groups
                if filled == -1 or (walk.lanes and filled != p):
                    source = source_of(walk, a, sa, n, at_once, p, row, band, NULL, part.scratch, &plane)
                    filled = p
                if walk.pool == NULL:
                    target = d + p * sd + (n * walk.rows + row) * width * WIDTH
                elif unpooled != p:
                    target = unpool_rows(job, i + 1, n, at_once, p, row, band, part.scratch + copies_size(walk))
                    unpooled = p
                places(walk, op, group, g, columns_of(lines, g), plane, at)
                if walk.lanes:
                    lane_gradient(columns_of(lines, g), source, at, target, &of,
                                  work.sums[i] + (p * rows + g * WIDTH) * WIDTH)
                else:
                    tap_gradient(columns_of(lines, g), columns_of(outputs, p), source, at, target, &of,
                                 work.sums[i] + (p * rows + g * WIDTH) * WIDTH)
            row += band
        n += at_once


cdef real* unpool_rows(Job* job, Py_ssize_t i, Py_ssize_t n, Py_ssize_t samples, Py_ssize_t p, Py_ssize_t row,
                       Py_ssize_t rows, real* to) noexcept nogil:
    """Rows of one panel of the gradient of some samples' a[i], which a maximum has taken in bands."""
    cdef Py_ssize_t m, y, width = job.net.operations[i].geometry.width
    cdef Pooled pooled
    for m in range(samples):
        pooled = pooled_gradient(job.net, job.work, i, n + m)
        for y in range(rows):
            unpool(&pooled, p, row + y, 0, width, to + (m * rows + y) * width * WIDTH)
    return to


cdef inline void places(const Walk* walk, Operation* op, Py_ssize_t group, Py_ssize_t g, Py_ssize_t count, Py_ssize_t plane,
                        ptrdiff_t* at) noexcept nogil:
    """Where the source of the g-th WIDTH lines of weights begins, beside that of the first: line = tap * group + channel."""
    cdef Py_ssize_t k, t = g * WIDTH // group, c = g * WIDTH % group
    cdef Py_ssize_t y = t // op.geometry.window_width, x = t % op.geometry.window_width
    for k in range(count):
        at[k] = (y * op.geometry.dilation_y * walk.line + x * op.geometry.dilation_x) * walk.pixel
        at[k] += c if walk.packed else (c * plane if walk.lanes else c // WIDTH * plane + c % WIDTH)
        c += 1
        if c == group:
            c = 0
            x += 1
            if x == op.geometry.window_width:
                x = 0
                y += 1


cdef void hand_over_lines(Job* job, Py_ssize_t i, real* sums, Part* part) noexcept nogil:
    """The gradients in `sums`, WIDTH lines after another, and that of the bias; divided as in add_gradients."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t groups = panels(op.kernel_rows), u, p, g, n, position
    cdef Py_ssize_t distance = (op.rows if sums == work.sums[i] else op.rows + WIDTH) * WIDTH
    cdef double* penalty = work.penalty[i]
    cdef real* line
    for u in range(share(panels(op.outputs) * groups, part.thread, part.threads),
                   share(panels(op.outputs) * groups, part.thread + 1, part.threads)):
        if interrupted(job, part.thread):
            return
        p, g = u // groups, u % groups
        line = sums + p * distance + g * WIDTH * WIDTH
        position = op.offset + p * panel_size(op) + g * WIDTH * WIDTH
        n = columns_of(op.kernel_rows, g) * WIDTH
        if job.net.penalized:
            penalty[p * (groups + 1) + g] = add_penalty(job, op.kernel_penalty, position, n, line)
        hand_over(job, position, n, line, part.h)
        if g + 1 == groups and op.bias:
            sum_map(job, i, p, part)
            position += n
            if job.net.penalized:
                penalty[p * (groups + 1) + groups] = add_penalty(job, op.bias_penalty, position, WIDTH, part.scratch)
            hand_over(job, position, WIDTH, part.scratch, part.h)


cdef void sum_map(Job* job, Py_ssize_t i, Py_ssize_t p, Part* part) noexcept nogil:
    """The sum of d[i + 1] over all pixels, of one panel, into scratch; behind a maximum no other number has a part in it."""
    cdef Workspace* work = job.work
    cdef Operation* op = &job.net.operations[i]
    cdef Py_ssize_t at = i + 1, q
    cdef Looking looking = Looking(job, part.thread)
    if takes_bands(job.net, at):
        op += 1
        at = stored_at(job.net, at + 1)
    if at <= i + 2:
        bias_gradient(work.d[at] + p * work.stride[at], part.samples * op.positions_out, part.scratch, looks, &looking)
        return
    for q in range(op.positions_out):
        bias_gradient(work.d[at] + (q * panels(op.outputs) + p) * work.stride[at], part.samples,
                      part.scratch + (1 + q) * WIDTH, looks, &looking)
    bias_gradient(part.scratch + WIDTH, op.positions_out, part.scratch, looks, &looking)


cdef Py_ssize_t conv_sums(Operation* op, bint transposed) noexcept nogil:
    """Reals of work.sums[i]."""
    return panels(op.inputs) * taps_of(op) * op.outputs * WIDTH if transposed else panels(op.outputs) * panel_size(op)


cdef Py_ssize_t conv_turned(Operation* op, bint transposed) noexcept nogil:
    """Reals of work.turned[i]."""
    cdef Py_ssize_t turned = panels(op.inputs) * turned_lines(op) * WIDTH
    return max(turned, panels(op.outputs) * (op.rows + WIDTH) * WIDTH) if transposed else turned
