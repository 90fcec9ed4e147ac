"""Each kernel of the catalogue by itself, one thread, operands in the cache where they fit. Compared first, then timed.

A call from Python costs some tenths of a microsecond, and the activations and losses of the catalogue copy their input.
"""

import numpy as np
import pytest

from fastnn import activations, losses, optimizers
from fastnn.basics import backend

pytestmark = pytest.mark.benchmark(max_time=0.3, min_time=2e-5, warmup=True, warmup_iterations=3)

DTYPES = ("float32", "float64")
SHAPES = ((32, 30, 16), (200, 64, 100), (256, 256, 256), (32, 784, 300), (128, 784, 1024))  # rows, inputs, outputs
BLOCK = 256  # outputs of a block of activations
CLASSES = 10
OPTIMIZERS = (
    optimizers.SGD(),
    optimizers.SGD(momentum=0.9),
    optimizers.SGD(momentum=0.9, nesterov=True),
    optimizers.RMSprop(),
    optimizers.RMSprop(momentum=0.9),
    optimizers.Adam(),
    optimizers.Adam(amsgrad=True),
    optimizers.Adagrad(),
    optimizers.Adadelta(),
    optimizers.Adamax(),
    optimizers.Nadam(),
    optimizers.Lion(),
    optimizers.RMSprop(centered=True),
    optimizers.RMSprop(centered=True, momentum=0.9),
    optimizers.Ftrl(),
    optimizers.ScheduleFreeAdamW(),
)
WHOLE = (optimizers.Lamb(), optimizers.Adafactor(), optimizers.Muon())  # these look at whole weights first
FUNCTIONS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": activations.Sigmoid().forward,
    "log1p": np.log1p,
    "softplus": lambda x: np.logaddexp(0, x),
    "log": np.log,
}


def random(dtype, *shape):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def aligned(dtype, *shape):
    """Zeros that begin at a cache line."""
    buffer = np.zeros(np.prod(shape) + 64 // np.dtype(dtype).itemsize, dtype=dtype)
    start = -buffer.ctypes.data % 64 // buffer.itemsize
    return buffer[start : start + np.prod(shape)].reshape(shape)


def pack(matrix, width):
    """The panel matrix (panels, rows, width) of a matrix."""
    rows, columns = matrix.shape
    out = aligned(matrix.dtype, -(-columns // width), rows, width)
    for p, panel in enumerate(out):
        part = matrix[:, p * width : (p + 1) * width]
        panel[:, : part.shape[1]] = part
    return out


def unpack(panels, columns):
    return panels.transpose(1, 0, 2).reshape(panels.shape[1], -1)[:, :columns]


def close(actual, expected, dtype, scale=1.0):
    tolerance = (1e-4 if dtype == "float32" else 1e-11) * scale
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def names(shape):
    return "-".join(map(str, shape))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=names)
def test_forward(benchmark, rate, shape, dtype):
    benchmark.group = "product: forward"
    core, (rows, inputs, outputs) = backend.core(dtype), shape
    x, W = random(dtype, rows, inputs), random(dtype, inputs + 1, outputs)
    A, panels = pack(x, core.PANEL_WIDTH), pack(W, core.PANEL_WIDTH)
    Z = aligned(dtype, len(panels), rows, core.PANEL_WIDTH)
    core.product(A, panels, Z, outputs)
    close(unpack(Z, outputs), x @ W[:-1] + W[-1], dtype, scale=10)
    benchmark(core.product, A, panels, Z, outputs)
    rate(2 * rows * inputs * outputs, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=names)
def test_forward_of_one_row(benchmark, rate, shape):
    benchmark.group = "product: one row"
    core, (_, inputs, outputs) = backend.core("float32"), shape
    x, W = random("float32", 1, inputs), random("float32", inputs + 1, outputs)
    A, panels = pack(x, core.PANEL_WIDTH), pack(W, core.PANEL_WIDTH)
    Z = aligned("float32", len(panels), 1, core.PANEL_WIDTH)
    core.product_of_row(A, panels, Z)
    close(unpack(Z, outputs), x @ W[:-1] + W[-1], "float32", scale=10)
    benchmark(core.product_of_row, A, panels, Z)
    rate(2 * inputs * outputs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=names)
def test_weight_gradient(benchmark, rate, shape, dtype):
    benchmark.group = "product: weight gradient"
    core, (rows, inputs, outputs) = backend.core(dtype), shape
    x, d = random(dtype, rows, inputs), random(dtype, rows, outputs)
    A, D = pack(x, core.PANEL_WIDTH), pack(d, core.PANEL_WIDTH)
    G = aligned(dtype, len(D), inputs + 1, core.PANEL_WIDTH)
    core.weight_gradient(A, D, inputs, G, outputs)
    close(unpack(G, outputs), np.vstack([x.T @ d, d.sum(axis=0)]), dtype, scale=10)
    benchmark(core.weight_gradient, A, D, inputs, G, outputs)
    rate(2 * rows * inputs * outputs, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=names)
def test_transposition(benchmark, elements, shape):
    benchmark.group = "transposition of the weights"
    core, (_, inputs, outputs) = backend.core("float32"), shape
    W = random("float32", inputs + 1, outputs)
    width, panels = core.PANEL_WIDTH, pack(W, core.PANEL_WIDTH)
    T = aligned("float32", len(panels) * width, width)

    def transpose():
        for first in range(0, inputs, width):
            core.transpose(panels, first, inputs, outputs, T)

    transpose()
    first = (inputs - 1) // width * width
    np.testing.assert_array_equal(T[:outputs, : inputs - first], W[first:-1].T)
    benchmark(transpose)
    elements(inputs * outputs)


@pytest.mark.parametrize("direction", ("forward", "backward"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("entry", activations.ENTRIES, ids=lambda entry: entry.name)
def test_activation(benchmark, elements, entry, dtype, direction):
    benchmark.group = f"activation: {direction}, {dtype}"
    core, activation = backend.core(dtype), entry()
    assert core.activation_names()[entry.kernel] == entry.name
    parameters = padded(activation.parameters)
    z, d = random(dtype, BLOCK, core.PANEL_WIDTH), random(dtype, BLOCK, core.PANEL_WIDTH)
    a = np.ascontiguousarray(activation.forward(z.T).T)  # a row of the block is one output of all its samples
    if direction == "forward":
        close(core.activation_forward(entry.kernel, z, parameters), a, dtype)
        benchmark(core.activation_forward, entry.kernel, z, parameters)
    else:
        v = z if entry.keeps_input else a
        close(core.activation_backward(entry.kernel, v, d, parameters), activation.backward(v.T, d.T).T, dtype)
        benchmark(core.activation_backward, entry.kernel, v, d, parameters)
    elements(z.size)


def padded(parameters):
    return (*parameters, *[0.0] * (4 - len(parameters)))


def test_all_activations_are_here():
    assert len(activations.ENTRIES) == len(backend.core("float32").activation_names())


@pytest.mark.parametrize("entry", losses.ENTRIES, ids=lambda entry: entry.name)
def test_loss(benchmark, elements, entry):
    benchmark.group = "loss and its derivative"
    levels = {"levels": tuple((k + 1) / (CLASSES + 1) for k in range(CLASSES))} if entry is losses.Quantile else {}
    core, loss = backend.core("float32"), entry(**levels)
    assert core.loss_names()[entry.kernel] == entry.name
    a, t = block_of(loss, core.PANEL_WIDTH)
    outputs, values, d = core.loss(entry.kernel, a, t, padded(loss.parameters))
    expected_values, expected_d = loss.evaluate(a.T, t.T)
    close(outputs, loss.activate(a.T).T, "float32")
    close(values, expected_values, "float32")
    close(d, expected_d.T, "float32", scale=10)
    benchmark(core.loss, entry.kernel, a, t, padded(loss.parameters))
    elements(a.size)


def block_of(loss, width):
    """Outputs and targets of one transposed block that suit a loss."""
    a = random("float32", CLASSES, width)
    if loss.targets != "numbers" and not loss.name.endswith("_logits"):
        a = np.ascontiguousarray(activations.Softmax().forward(a.T).T)
    labels = np.random.default_rng(1).integers(CLASSES, size=(1, width))
    one_hot = (np.arange(CLASSES)[:, None] == labels).astype("float32")
    return a, labels.astype("float32") if loss.targets == "labels" else one_hot[: loss.columns(CLASSES)]


def test_all_losses_are_here():
    assert len(losses.ENTRIES) == len(backend.core("float32").loss_names())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: backend.core("float32").optimizer_names()[o.kernel])
def test_update(benchmark, elements, optimizer, dtype):
    benchmark.group = f"optimizer: update, {dtype}"
    core, n = backend.core(dtype), 4096
    scalars = optimizer.scalars(np.array([1]), np.array([optimizer.learning_rate]))[0].astype(dtype)
    w, g, slots = random(dtype, n), random(dtype, n)[::-1].copy(), aligned(dtype, 3, n)
    expected, twin_slots = w.copy(), [np.zeros(n, dtype) for _ in optimizer.slots]
    optimizer.update(expected, g, twin_slots, scalars)
    core.update(optimizer.kernel, w, g, slots, scalars)
    close(w, expected, dtype)
    for slot, twin in zip(slots, twin_slots, strict=False):
        close(slot, twin, dtype)
    benchmark(core.update, optimizer.kernel, w, g, slots, scalars)
    elements(n)


def test_all_optimizers_are_here():
    names = backend.core("float32").optimizer_names()
    assert sorted(optimizer.kernel for optimizer in (*OPTIMIZERS, *WHOLE)) == list(range(len(names)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(benchmark, elements, name, dtype):
    benchmark.group = f"elementary function, {dtype}"
    core = backend.core(dtype)
    x = np.random.default_rng(0).random(4096).astype(dtype)
    close(core.elementary(name, x), FUNCTIONS[name](x), dtype)
    benchmark(core.elementary, name, x)
    elements(x.size)
