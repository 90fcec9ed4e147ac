# A program that Python hands over, as the engine runs it: nothing in it leads out of the tables, the arena or a buffer.

cdef enum:
    MOST = 1 << 30  # columns of a layer: products of two sizes stay below 2^63
    MOST_PARAMETERS = 4  # of a loss, but for the levels of a quantile loss
    MOST_SCALARS = 30  # that an optimizer reads, without the two that all have

cdef enum:
    PREDICT_ROWS = 96  # samples that go through the whole network at once: their activations stay in the second-level cache
    PREDICT_REALS = 1 << 20  # of their maps, where they have maps


cdef inline bint packs(Network* net) noexcept:
    """Whether the first operation reads samples as rows of numbers, not as lines of pixels."""
    return kind_of(net.operations).sizes == WALK and net.operations[0].geometry.groups == 1


cdef inline Py_ssize_t sample_size(Operation* op) noexcept:
    """Reals of a sample's map behind the operation."""
    return panels(op.outputs) * op.positions_out * WIDTH


cdef Py_ssize_t kernel_lines(Operation* op, Sizes sizes) noexcept:
    """Lines of the kernel of an operation of these sizes; 0 where it has none, or wrong ones."""
    cdef Geometry* g = &op.geometry
    if sizes == PRODUCT:
        return op.inputs
    if sizes == LINE or sizes == SCALES:
        return 1 if sizes == LINE or op.kernel_rows != 0 else 0
    if sizes == LOOKUP:
        return op.kernel_rows if 0 < op.kernel_rows < MOST else 0
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
    if sizes == ALIKE or sizes == LINE or sizes == SCALES:
        return op.inputs == op.outputs and op.positions_in == op.positions_out
    if sizes == PRODUCT:
        return op.positions_in == op.positions_out
    if sizes == WINDOWS:
        return windows and op.inputs == op.outputs
    if sizes == RESAMPLES:
        return op.inputs == op.outputs
    if sizes == MOVES:
        return op.inputs * op.positions_in == op.outputs * op.positions_out
    if sizes == LOOKUP:
        return kernel_lines(op, sizes) > 0 and op.positions_out == op.inputs * op.positions_in
    if sizes == ENCODES:
        if op.parameters[0] == INT:
            return op.inputs == op.outputs and op.positions_in == op.positions_out
        return op.positions_out == op.positions_in * (op.inputs if op.parameters[0] == ONE_HOT else 1)
    return (windows and kernel_lines(op, sizes) > 0 and op.inputs % g.groups == 0 and op.outputs % g.groups == 0
            and (sizes == WALK or g.groups == 1))


cdef int check_program(Network* net, parameters) except -1:
    """Refuses numbers that would lead out of the tables, the arena or a buffer."""
    cdef Py_ssize_t i, columns = net.operations[0].inputs, positions = net.operations[0].positions_in
    cdef Py_ssize_t slots = 0, lines, products
    cdef Operation* op
    cdef OperationKernel* kind
    cdef const OptimizerKernel* optimizer = net.optimizer
    net.single = optimizer != NULL and optimizer.survey != NULL
    for i in range(net.count):
        op = &net.operations[i]
        kind = &OPERATIONS[number_of("kind", op.kind, OPERATION_COUNT)]
        number_of("constraint", op.constraint, LIMITED_NORM + 1)
        number_of("bias_constraint", op.bias_constraint, LIMITED_NORM + 1)
        products = kernel_lines(op, kind.sizes)
        lines = products + kind.lines + (op.bias != 0 if kind.sizes == SCALES else 0)
        if not (op.inputs == columns and op.positions_in == positions
                and 0 < op.inputs < MOST and 0 < op.outputs < MOST
                and 0 < op.positions_in < MOST and 0 < op.positions_out < MOST
                and fits(op, kind.sizes)
                and op.rows == lines and op.kernel_rows == products
                and activation_of(op).blockwise == (kind.forward == rowwise_forward)
                and (op.constraint == 0 or op.kernel_rows > 0) and (op.bias_constraint == 0 or op.bias)
                and 0 <= op.offset <= net.size and op.offset % WIDTH == 0
                and op.offset + panels(op.outputs) * panel_size(op) <= net.size):
            raise ValueError(f"operation {i} of the program does not fit the one before it or the arena:"
                             f" {kind.name.decode()} from {op.inputs} to {op.outputs} columns with {op.rows} lines"
                             f" at {op.offset}")
        if not (op.matrices == 0 or (0 < op.matrices <= op.kernel_rows and op.kernel_rows % op.matrices == 0)):
            raise ValueError(f"operation {i} of the program cannot be {op.matrices} matrices: it has"
                             f" {op.kernel_rows} lines")
        if op.matrices > 1 and optimizer != NULL and optimizer.update_matrix != NULL:
            raise ValueError(f"operation {i} of the program is {op.matrices} matrices, but the optimizer takes one")
        if is_trained(op) and not (op.kernel_decays and (op.bias_decays or not op.bias)):
            net.single = True
        positions = op.positions_out
        columns = op.outputs
    if positions != 1:
        raise ValueError(f"the last operation must answer one row for each sample, got {positions}")
    if net.trained < net.count and (net.trained < 1 or kind_of(op).joins or op.rows != 0):
        raise ValueError("a loss from logits needs an activation of its own as the last operation")
    if len(parameters) < MOST_PARAMETERS:
        raise ValueError(f"a loss has {MOST_PARAMETERS} parameters or more, got {len(parameters)}")
    if net.loss == &LOSSES[QUANTILE] and not 1 <= parameters[0] < len(parameters):
        raise ValueError(f"the quantile loss has the parameters {parameters}, expected their number first")
    if net.update != NULL:
        slots = optimizer.slots + (net.ema_slot != 0) + (net.accumulates != 0)
        if (net.streams != 1 + slots or not 0 <= net.ema_slot <= slots or not 0 <= net.sum_slot <= slots
                or net.accumulates < 0 or net.overwrites < 0 or optimizer.scalars > MOST_SCALARS):
            raise ValueError(f"optimizer {optimizer.name.decode()} needs an arena of {1 + slots} rows")
    return 0


cdef list read_tables(Network* net, list given):
    """The arrays that operations read beside their description, checked: what they point to lies in the maps."""
    cdef Py_ssize_t i, count, most, least_index
    cdef Operation* op
    cdef Table* table
    cdef Sizes sizes
    cdef list keep = []
    net.tables = <Table*>PyMem_Calloc(net.count, sizeof(Table))
    if net.tables == NULL:
        raise MemoryError("no memory for the tables of a network")
    for i in range(net.count):
        op = &net.operations[i]
        table = &net.tables[i]
        sizes = kind_of(op).sizes
        if sizes == ENCODES:
            arrays = [np.ascontiguousarray(given[i][0], dtype=np.int32).ravel().copy(),
                      np.ascontiguousarray(given[i][1], dtype=np.float64).ravel().copy()]
            table.taps = arrays[1].size
            if arrays[0].size != table.taps:
                raise ValueError(f"operation {i} of the program has {arrays[0].size} codes for {table.taps} edges")
            table.index = <const int32_t*>cnp.PyArray_DATA(<cnp.ndarray>arrays[0])
            table.weight = <const double*>cnp.PyArray_DATA(<cnp.ndarray>arrays[1])
            keep.append(arrays)
            continue
        if sizes != RESAMPLES and (sizes != MOVES or given[i] is None):
            continue
        if sizes == MOVES:
            count, most, least_index = op.outputs * op.positions_out, op.outputs * op.positions_out, 0
            arrays = [np.ascontiguousarray(given[i][0], dtype=np.int32).ravel().copy()]
        else:
            arrays = [np.ascontiguousarray(given[i][0], dtype=np.int32).copy(),
                      np.ascontiguousarray(given[i][1], dtype=np.float64).copy()]
            table.taps = arrays[0].size // op.positions_out
            count, most, least_index = table.taps * op.positions_out, op.positions_in, -1
            if arrays[1].size != count:
                raise ValueError(f"operation {i} of the program has {arrays[1].size} weights, expected {count}")
            table.weight = <const double*>cnp.PyArray_DATA(<cnp.ndarray>arrays[1])
        if arrays[0].size != count or count == 0 or arrays[0].min() < least_index or arrays[0].max() >= most:
            raise ValueError(f"operation {i} of the program needs {count} numbers from {least_index} to {most - 1}"
                             f" in its table, got {arrays[0].size} from {arrays[0].min()} to {arrays[0].max()}")
        table.index = <const int32_t*>cnp.PyArray_DATA(<cnp.ndarray>arrays[0])
        keep.append(arrays)
    return keep


cdef int plan_walks(Network* net) except -1:
    """The walks of the convolutions."""
    cdef Py_ssize_t i
    cdef Operation* op
    cdef const Geometry* pool
    cdef bint backward
    net.walks = <Walk*>PyMem_Calloc(2 * net.count, sizeof(Walk))
    if net.walks == NULL:
        raise MemoryError("no memory for the convolutions of a network")
    for i in range(net.count):
        op = &net.operations[i]
        if kind_of(op).sizes != WALK and kind_of(op).sizes != WALK_BACK:
            continue
        pool = pool_behind(net, i)
        for backward in range(2):
            plan_walk(walk_of(net, i, backward), &op.geometry, op.inputs, op.outputs,
                      kind_of(op).sizes == WALK_BACK, backward, i == 0 and not backward and packs(net), pool)
            walk_of(net, i, backward).flat = pool != NULL and flattens_behind(net, i)
    return 0


cdef int measure_sample(Network* net) except -1:
    """The work of a sample, and how many samples' maps the caches hold."""
    cdef Py_ssize_t i, size = 0, product
    cdef bint maps = False
    cdef Operation* op
    for i in range(net.count):
        op = &net.operations[i]
        product = op.outputs if kind_of(op).sizes == LOOKUP else op.rows * op.outputs  # a line for each number
        maps = maps or op.positions_in > 1
        size += 0 if passes_by(net, i) else sample_size(op)
        net.weights += product if op.positions_out == 1 else 0
        net.products += product * max(op.positions_in, op.positions_out)
        net.products += sample_size(op) if op.positions_out > 1 else 0
    net.predict_rows = PREDICT_ROWS
    if maps:
        op = net.operations
        net.maps = 2 * (size + panels(op.inputs) * op.positions_in * WIDTH) * sizeof(real)
        net.predict_rows = max(1, least(PREDICT_ROWS, PREDICT_REALS // size))
    return 0


cdef void free_program(Network* net) noexcept:
    """The memory of walks and tables."""
    cdef Py_ssize_t i
    if net.walks != NULL:
        for i in range(2 * net.count):
            PyMem_Free(net.walks[i].lattice)
    PyMem_Free(net.walks)
    PyMem_Free(net.tables)
