"""Each kind of operation: the table of the core against the twins, kernel against twin, derivatives, edges, threads."""

import numpy as np
import pytest
from numerics import derivative, engines, eps, sizes, train, weights_of

from fastnn import operations
from fastnn.activations import GELU, LeakyReLU, LogSoftmax, ReLU, Softmax, Tanh
from fastnn.basics import backend
from fastnn.constraints import MaxNorm, NonNeg, UnitNorm
from fastnn.engine.program import assemble
from fastnn.engine.source import Source
from fastnn.losses import MeanSquaredError
from fastnn.operations import Draws
from fastnn.optimizers import SGD
from fastnn.regularizers import L1L2

SETTINGS = {  # of each kind: what makes a difference to its kernel
    operations.Dense: [{"bias": True}, {"bias": False, "activation": GELU()}, {"bias": True, "activation": ReLU()}],
    operations.Elementwise: [{"activation": LeakyReLU(0.1)}, {"activation": GELU()}],
    operations.Rowwise: [{"activation": Softmax()}, {"activation": LogSoftmax()}],
    operations.Dropout: [
        {"rate": 0.3},
        {"rate": 0.3, "saturate": True, "seed": 5},
        {"rate": 0.4, "spatial": True, "batchwise": True},
    ],
    operations.Noise: [{"stddev": 0.5}],
    operations.BatchNormalization: [
        {"bias": True, "epsilon": 1e-3, "momentum": 0.9},
        {"bias": True, "epsilon": 1e-3, "momentum": 0.9, "trainable": False},  # with its moving statistics
        {"bias": True, "scale": False, "bias_regularizer": L1L2(0.1, 0.2)},
        {"bias": False, "momentum": 0.9, "kernel_regularizer": L1L2(0.1, 0.2)},
        {"bias": False, "scale": False, "momentum": 0.9},
    ],
    operations.LayerNormalization: [
        {"bias": True, "epsilon": 1e-3},
        {"bias": True, "scale": False, "bias_constraint": NonNeg()},
        {"bias": False, "constraint": MaxNorm(1.0), "kernel_regularizer": L1L2(0.1, 0.2)},
        {"bias": False, "scale": False},
        {"bias": False, "centred": False},
    ],
    operations.UnitNormalization: [{}],
    operations.Convolution: [
        {"map_in": (3, 4), "map_out": (3, 4), "window": (3, 2), "corner": (1, 1), "bias": True},
        {"map_in": (5, 4), "map_out": (2, 3), "window": (2, 2), "strides": (2, 1), "activation": GELU()},
    ],
    operations.TransposedConvolution: [
        {"map_in": (2, 3), "map_out": (4, 6), "window": (3, 2), "strides": (2, 2), "bias": True, "activation": ReLU()},
    ],
    operations.MaxPooling: [{"map_in": (5, 4), "map_out": (2, 2), "window": (2, 2), "strides": (2, 2)}],
    operations.AveragePooling: [
        {"map_in": (3, 4), "map_out": (3, 2), "window": (3, 3), "strides": (1, 2), "corner": (1, 1)}
    ],
    operations.Resampling: [{"map_in": (2, 3), "map_out": (4, 6), "factor": (2, 2), "smooth": True}],
    operations.Permutation: [{"map_in": (2, 3), "map_out": (3, 2)}],
    operations.NoisyFactors: [{"stddev": 0.5}],
    operations.Embedding: [{"ids": 23}],  # of whole numbers only: test_embedding.py
    operations.Encoding: [{"mode": "int", "edges": (-0.5, 0.1, 0.4)}],  # other modes: test_categories.py
    operations.PReLU: [{}, {"kernel_regularizer": L1L2(0.1, 0.2), "constraint": UnitNorm()}],
}
NAMES = (operations.Embedding, operations.Encoding)  # without a derivative by their inputs
CASES = [
    (kind, settings) for kind in operations.ENTRIES for settings in SETTINGS[kind] if kind is not operations.Embedding
]
IDS = [f"{kind.name}-{i}" for i, (kind, _) in enumerate(CASES)]
SEED = 11


# -- the tables --------------------------------------------------------------------------------------------------------


def check_tables(entries, rows):
    """A row for each twin and a twin for each row, at the same place, with the same columns."""
    assert [entry.name for entry in entries] == [row["name"] for row in rows]
    for number, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        assert entry.kernel == number, entry
        assert entry.in_place == row["in_place"], entry
        assert entry.applies_activation == row["applies_activation"], entry
        some = entry(3, 3, **SETTINGS[entry][0])
        assert bool(some.variables) == row["updates"], entry


def test_the_tables_agree(core):
    check_tables(operations.ENTRIES, core.operation_kinds())


def test_a_row_without_a_twin_and_a_twin_without_a_row_fail(core):
    rows = core.operation_kinds()
    for entries, table in ((operations.ENTRIES[:-1], rows), (operations.ENTRIES, rows[:-1])):
        with pytest.raises(AssertionError):
            check_tables(entries, table)
    swapped = [{**row, "in_place": not row["in_place"]} for row in rows]
    with pytest.raises(AssertionError):
        check_tables(operations.ENTRIES, swapped)


# -- kernel against twin -----------------------------------------------------------------------------------------------


def network(engine, dtype, kind, settings, columns, seed=0):
    return network_of(engine, dtype, kind(columns, columns, **settings), seed)


def network_of(engine, dtype, op, seed=0):
    """A product, the operation, a mean squared error. The tanh of the product keeps others from being joined to it.

    Gradients of the product show dL/dx of the operation.
    """
    inputs, n = 3, op.inputs * op.positions_in
    steps = [operations.Dense(inputs, n, bias=True, activation=Tanh())]
    if op.positions_in > 1:
        steps.append(operations.Permutation(n, op.inputs, map_out=op.map_in))
    steps.append(op)
    program = assemble(steps, np.dtype(dtype), MeanSquaredError(), SGD(0.5))
    net = engine(program, program.new_arena())
    rng = np.random.default_rng(seed)
    for op in program.steps:
        if op.rows:
            lines = rng.uniform(0.5, 1.5, size=(op.rows, op.outputs)) * rng.choice([-1, 1], size=(op.rows, 1))
            lines[-1] = np.abs(lines[-1])  # a moving variance
            program.write(net.arena[0], op, op.arrays(lines.astype(np.float32).astype(dtype)))
    return net


def samples(rows, columns, seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, columns))
    return x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)


def close(actual, expected, dtype, terms, what):
    """Within the rounding of sums of so many terms, relative to the largest number."""
    bound = 16 * (terms + 8) * eps(dtype) * (1 + np.abs(expected).max(initial=0))
    error = np.abs(np.float64(actual) - expected).max(initial=0)
    assert error <= bound, f"{what}: {error:.3g} exceeds {bound:.3g}"


def check_against_the_twin(engine, dtype, kind, settings, columns, rows, threads=1):
    check_one(engine, dtype, kind(columns, columns, **settings), rows, threads)


def check_one(engine, dtype, op, rows, threads=1):
    """Inference, one step of training and the gradient, beside the twin in float64."""
    net = network_of(engine, dtype, op)
    wide = (
        dtype if isinstance(op, (operations.Noise, operations.NoisyFactors)) else "float64"
    )  # whose numbers belong to lines of one type
    twin = network_of(engines(wide)["reference"], wide, op)
    x, y = (values.astype(wide) for values in samples(rows, op.outputs * op.positions_out))
    short = x.astype(dtype), y.astype(dtype)
    terms = rows * max(op.positions_in, op.positions_out) + op.outputs + op.kernel_rows
    close(net.predict(Source(short[0]), threads), twin.predict(Source(x)), dtype, terms, "infer")
    loss, gradient = net.gradient(Source(short[0]), Source(short[1]), None, SEED, 0, threads)
    expected, slope = twin.gradient(Source(x), Source(y), None, SEED, 0)
    close(loss, expected, dtype, terms, "loss")
    for op, other in zip(net.program.steps, twin.program.steps, strict=True):
        pairs = zip(net.program.read(gradient, op), twin.program.read(slope, other), strict=True)
        for actual, right in pairs:
            close(actual, right, dtype, terms, f"gradient of {op.name}")
    losses, outputs = train(net, *short, batch=rows, threads=threads, seed=SEED)
    expected_losses, expected_outputs = train(twin, x, y, batch=rows, seed=SEED)
    close(losses, expected_losses, dtype, terms, "losses")
    close(outputs, expected_outputs, dtype, terms, "outputs")
    for actual, right in zip(weights_of(net), weights_of(twin), strict=True):
        close(actual, right, dtype, terms, "weights")


@pytest.mark.parametrize("kind, settings", CASES, ids=IDS)
def test_kernel_and_twin_agree_at_all_edges(core, kind, settings):
    dtype, W = core.REAL.name, core.PANEL_WIDTH
    for columns in sizes(core):
        check_against_the_twin(core.Engine, dtype, kind, settings, columns, 7)
    for rows in (1, 2, 5, 6, 11, W - 1, W, W + 1, 53):
        check_against_the_twin(core.Engine, dtype, kind, settings, W + 3, rows)


@pytest.mark.parametrize("kind, settings", CASES, ids=IDS)
def test_threads_change_no_bit(core, kind, settings):
    check_threads(core, kind(37, 37, **settings))


def check_threads(core, op):
    x, y = (values.astype(core.REAL) for values in samples(61, op.outputs * op.positions_out))
    results = []
    for threads in (1, 2, 3):
        net = network_of(core.Engine, core.REAL, op)
        losses, outputs = train(net, x, y, batch=20, threads=threads, seed=SEED)
        results.append([losses, outputs, np.array(net.arena), net.predict(Source(x), threads)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kind, settings", CASES, ids=IDS)
def test_frozen_weights_stay_and_pass_the_gradient_on(core, kind, settings):
    x, y = (values.astype(core.REAL) for values in samples(9, 5 * kind(5, 5, **settings).positions_out))
    # A frozen normalization of batches goes on as it does in prediction: there the other engine says what is right.
    still = kind is operations.BatchNormalization
    other = engines(core.REAL)["reference"] if still else core.Engine
    frozen, free = (
        network(engine, core.REAL, kind, {**settings, "trainable": trainable}, 5)
        for engine, trainable in ((core.Engine, False), (other, not still))
    )
    before = [np.array(values) for values in weights_of(frozen)]
    slopes = [net.gradient(Source(x), Source(y), None, SEED)[1] for net in (frozen, free)]
    product = free.program.steps[0]
    for one, two in zip(*(free.program.read(slope, product) for slope in slopes), strict=True):
        close(one, two, core.REAL, 5, "gradient of the product") if still else np.testing.assert_array_equal(one, two)
    train(frozen, x, y, batch=9, seed=SEED)
    after = weights_of(frozen)
    for one, two in zip(before[2:], after[2:], strict=True):  # those of the operation
        np.testing.assert_array_equal(one, two)


# -- derivatives -------------------------------------------------------------------------------------------------------


def check_derivative(op, samples=6, seed=3):
    """The twin's backward against differences of its forward, by the input and by each weight."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples * op.positions_in, op.inputs))
    weights = op.arrays(rng.uniform(0.5, 1.5, size=(op.rows, op.outputs))) if op.rows else []
    side = rng.normal(size=(samples * op.positions_out, op.outputs))  # L = sum side a
    draws = Draws(SEED, 1, 0, 8)
    a, kept = op.forward(x, weights, draws)
    dx, gradients = op.backward(side, x, a, kept, weights)
    assert len(gradients) == op.variables
    for values, slope in zip([x, *weights], [dx, *gradients], strict=False):
        for i in np.ndindex(values.shape):
            before = values[i]

            def moved(step, i=i, values=values, before=before):
                values[i] = before + step
                return (side * op.forward(x, weights, draws)[0]).sum()

            expected = derivative(moved, 0.0)
            values[i] = before
            assert abs(slope[i] - expected) <= 1e-8 * (1 + abs(expected)), f"{op.name}: {slope[i]} for {expected}"


@pytest.mark.parametrize("kind, settings", CASES, ids=IDS)
def test_derivatives(kind, settings):
    check_derivative(kind(4, 4, **settings), samples=6 if kind.kernel < operations.Convolution.kernel else 2)


MAPS = [  # windows, strides, dilations, groups and padding, each different along both axes
    operations.Convolution(2, 3, map_in=(4, 5), map_out=(3, 3), window=(2, 3), bias=True, activation=Tanh()),
    operations.Convolution(
        *(4, 6),
        map_in=(5, 7),
        map_out=(2, 3),
        window=(3, 2),
        strides=(3, 2),
        dilation=(1, 2),
        corner=(1, 0),
        groups=2,
    ),
    operations.Convolution(3, 6, map_in=(3, 4), map_out=(3, 4), window=(3, 3), corner=(1, 1), groups=3, bias=True),
    operations.Convolution(3, 2, map_in=(1, 6), map_out=(1, 6), window=(1, 3), dilation=(1, 2), corner=(0, 4)),
    operations.TransposedConvolution(
        *(3, 2),
        map_in=(2, 3),
        map_out=(5, 8),
        window=(3, 2),
        strides=(2, 3),
        corner=(1, 0),
        bias=True,
        activation=GELU(),
    ),
    operations.TransposedConvolution(2, 3, map_in=(3, 2), map_out=(5, 6), window=(3, 3), dilation=(1, 2)),
    operations.MaxPooling(3, 3, map_in=(5, 4), map_out=(3, 2), window=(2, 2), strides=(2, 2)),
    operations.MaxPooling(2, 2, map_in=(5, 4), map_out=(5, 4), window=(3, 2), corner=(1, 0)),
    operations.MaxPooling(2, 2, map_in=(4, 3), window=(4, 3)),
    operations.AveragePooling(3, 3, map_in=(5, 4), map_out=(3, 2), window=(2, 2), strides=(2, 2)),
    operations.AveragePooling(2, 2, map_in=(5, 4), map_out=(5, 2), window=(3, 3), strides=(1, 2), corner=(1, 0)),
    operations.Resampling(2, 2, map_in=(3, 4), map_out=(6, 5), corner=(2, 1)),
    operations.Resampling(2, 2, map_in=(4, 5), map_out=(2, 3), corner=(-1, -2)),
    operations.Resampling(2, 2, map_in=(2, 3), map_out=(6, 6), factor=(3, 2)),
    operations.Resampling(2, 2, map_in=(3, 2), map_out=(6, 6), factor=(2, 3), smooth=True),
    operations.Permutation(2, 24, map_in=(3, 4)),
    operations.Permutation(2, 3, map_in=(3, 4), map_out=(2, 4), shape=(3, 4, 2), axes=(2, 1, 0)),
    operations.Dropout(3, 3, map_in=(2, 3), map_out=(2, 3), rate=0.4, spatial=True),
    operations.Dropout(3, 3, map_in=(2, 3), map_out=(2, 3), rate=0.4, spatial=True, batchwise=True, saturate=True),
    operations.NoisyFactors(3, 3, map_in=(2, 3), map_out=(2, 3), stddev=0.4),
    operations.PReLU(3, 3, map_in=(2, 3), map_out=(2, 3)),
]


@pytest.mark.parametrize("op", MAPS, ids=[f"{op.name}-{i}" for i, op in enumerate(MAPS)])
def test_derivatives_on_maps(op):
    check_derivative(op, samples=2)


@pytest.mark.parametrize("op", MAPS, ids=[f"{op.name}-{i}" for i, op in enumerate(MAPS)])
def test_kernel_and_twin_agree_on_maps(core, op):
    for rows in (1, 7, 33):
        check_one(core.Engine, core.REAL.name, op, rows)
    check_threads(core, op)


def test_all_kinds_on_maps_have_derivatives_tested():
    assert set(operations.ENTRIES[8:]) <= {type(op) for op in MAPS} | set(NAMES)


# -- the checks themselves ---------------------------------------------------------------------------------------------


class Broken:
    """A twin with one method that returns zeros."""

    def __init__(self, kind, method):
        self.kind, self.method = kind, method

    def __enter__(self):
        self.right = getattr(self.kind, self.method)

        def zeros(op, *arguments):
            return nothing(self.right(op, *arguments))

        setattr(self.kind, self.method, zeros)

    def __exit__(self, *_):
        setattr(self.kind, self.method, self.right)


def nothing(values):
    """The same with zeros in the place of numbers."""
    if isinstance(values, np.ndarray):
        return np.zeros_like(values)
    return type(values)(map(nothing, values)) if isinstance(values, (tuple, list)) else values


@pytest.mark.parametrize("method", ["forward", "backward", "infer"])
@pytest.mark.parametrize("kind", [kind for kind in operations.ENTRIES if kind not in NAMES])
def test_a_twin_that_returns_zeros_fails(kind, method):
    engine = engines("float64")[backend.level]
    owner = next(base for base in kind.__mro__ if method in vars(base))
    with Broken(owner, method), pytest.raises(AssertionError):
        check_against_the_twin(engine, "float64", kind, SETTINGS[kind][0], 5, 7)


@pytest.mark.parametrize("kind", [kind for kind in operations.ENTRIES if kind not in NAMES])
def test_a_backward_that_returns_zeros_fails_beside_the_differences(kind):
    owner = next(base for base in kind.__mro__ if "backward" in vars(base))
    with Broken(owner, "backward"), pytest.raises(AssertionError):
        check_derivative(kind(4, 4, **SETTINGS[kind][0]))
