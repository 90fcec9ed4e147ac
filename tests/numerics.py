"""What the numeric tests share: panels, sentinels, finite differences, errors in ULP, small networks."""

import importlib

import numpy as np

from fastnn import backend, reference
from fastnn.catalogue import resolve
from fastnn.data import Source
from fastnn.layers import Dense, Input
from fastnn.losses import Loss
from fastnn.optimizers import SGD
from fastnn.program import lower

SENTINEL = -12345.0
GUARD = 64  # numbers before and after: more than one cache line of either type


def wide(dtype):
    """A type with more digits, for oracles; where long double is double, eps below is still twice the unit roundoff."""
    return np.float64 if dtype == np.float32 else np.longdouble


def eps(dtype):
    """Distance from 1 to the next number: twice the error of one rounding, which leaves the oracle its own."""
    return float(np.finfo(dtype).eps)


# -- panels ----------------------------------------------------------------------------------------------------------


def to_panels(matrix, width, padding=0.0):
    """(rows, columns) as a panel matrix (panels, rows, width)."""
    rows, columns = matrix.shape
    count = -(-columns // width)
    padded = np.full((rows, count * width), padding, dtype=matrix.dtype)
    padded[:, :columns] = matrix
    return np.ascontiguousarray(padded.reshape(rows, count, width).transpose(1, 0, 2))


def from_panels(panels, columns):
    """The matrix (rows, columns) of a panel matrix."""
    count, rows, width = panels.shape
    return panels.transpose(1, 0, 2).reshape(rows, count * width)[:, :columns]


# -- sentinels -------------------------------------------------------------------------------------------------------


class Guarded(np.ndarray):
    """An array between sentinels. Its copies, and arrays made like it, are guarded too: a kernel's outputs."""

    fence: tuple[np.ndarray, np.ndarray] = ()  # the sentinels before and behind

    def copy(self, order="C"):
        return guard(self)

    def __array_function__(self, function, types, args, kwargs):
        if function is np.empty_like:
            return guard(np.full(self.shape, SENTINEL, dtype=self.dtype))
        return super().__array_function__(function, types, args, kwargs)


def guard(values, shift=1):
    """A contiguous copy of values between sentinels, `shift` numbers behind the start of a cache line."""
    values = np.asarray(values)
    buffer = np.full(values.size + 3 * GUARD, SENTINEL, dtype=values.dtype)
    start = GUARD + shift + -buffer.ctypes.data % 64 // values.itemsize
    out = buffer[start : start + values.size].reshape(values.shape).view(Guarded)
    out[...] = values
    out.fence = buffer[:start], buffer[start + values.size :]
    return out


def intact(*arrays):
    """The plain arrays, after a look at the sentinels around them."""
    for array in arrays:
        before, behind = array.fence
        assert (before == SENTINEL).all() and (behind == SENTINEL).all(), "wrote outside its output"
    return tuple(np.asarray(array) for array in arrays)


# -- comparison ------------------------------------------------------------------------------------------------------


def assert_close(actual, expected, tolerance, what=""):
    """|actual - expected| <= tolerance, element by element; NaN and infinity must stand in the same places."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, what
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(
        actual[~finite], expected[~finite].astype(actual.dtype), err_msg=f"{what}: not finite"
    )
    tolerance = np.broadcast_to(tolerance, expected.shape)[finite]
    error = np.abs(actual[finite] - expected[finite])
    bad = ~(error <= tolerance)
    assert not bad.any(), f"{what}: {error[bad][:3]} exceeds {tolerance[bad][:3]} in {bad.sum()} of {bad.size}"


def distance(actual, expected):
    """Relative distance of two arrays in the Euclidean norm."""
    return float(np.linalg.norm(actual - expected) / max(np.linalg.norm(expected), np.finfo(float).tiny))


def ulp_error(actual, exact):
    """|actual - exact| in units of the last place of exact; infinity counts as the number after the largest one."""
    kind, info = exact.dtype.type, np.finfo(actual.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # where the oracle's type has no larger exponents
        infinity = np.ldexp(kind(1), info.maxexp)
        y, x = (np.clip(values.astype(kind), -infinity, infinity) for values in (actual, exact))
        exponent = np.clip(np.frexp(x)[1] - 1, info.minexp, info.maxexp - 1)
        return np.ldexp(np.where(y == x, 0, np.abs(y - x)), info.nmant - exponent)


def derivative(f, x, h=2.0**-11):
    """df/dx by central differences of fourth order: error h^4 f''''' / 30, and eps |f| / h from rounding."""
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


# -- networks --------------------------------------------------------------------------------------------------------


def engines(dtype):
    """Name and class of the reference and of each compiled engine of a type."""
    names = {level: f"fastnn._core.{level}_{dtype}" for level in backend.levels()}
    return {"reference": reference.Engine} | {k: importlib.import_module(v).Engine for k, v in names.items()}


def build(engine, dtype, sizes, activations, loss, optimizer=None, bias=True, seed=0):
    """An engine for a dense network with random weights of size 1 / sqrt(inputs)."""
    layers = [Dense(n, activation=f, use_bias=bias) for n, f in zip(sizes[1:], activations, strict=True)]
    program = lower([Input(sizes[0]), *layers], np.dtype(dtype), resolve("loss", loss, Loss), optimizer or SGD())
    arena = program.new_arena()
    rng = np.random.default_rng(seed)
    for op in program.steps:
        W = rng.normal(size=(op.inputs, op.outputs)) / np.sqrt(op.inputs)
        program.write(arena[0], op, W, 0.1 * rng.normal(size=op.outputs) if bias else None)
    return engine(program, arena)


def targets(loss, rng, rows, outputs, dtype=np.float64):
    """Random targets of the kind that a loss wants."""
    if loss.targets == "labels":
        return rng.integers(outputs, size=rows)
    size = (rows, outputs)
    return (rng.uniform(size=size) if loss.targets == "probabilities" else rng.normal(size=size)).astype(dtype)


def train(engine, x, y, weights=None, batch=8, order=None, threads=1):
    """One pass over the samples: the losses of the steps, and the outputs, between sentinels."""
    program = engine.program
    order = np.arange(len(x)) if order is None else order
    count = -(-len(order) // batch)
    optimizer = program.optimizer_object
    scalars = optimizer.scalars(np.arange(1, count + 1), np.full(count, optimizer.learning_rate)).astype(program.dtype)
    losses = guard(np.zeros(count))
    outputs = guard(np.zeros((len(order), program.outputs), dtype=program.dtype))
    if weights is not None:
        weights = weights.astype(program.dtype)
    done = engine.run_steps(Source(x), Source(y), weights, order, 0, count, batch, scalars, losses, outputs, threads)
    assert done == count
    return intact(losses, outputs)


def weights_of(engine, row=0):
    """All weight and bias arrays of one row of an engine's arena."""
    return [array for op in engine.program.steps for array in engine.program.read(engine.arena[row], op)]


def padding(engine):
    """True where a number of an arena row is no weight of the network."""
    used = np.zeros(engine.program.size, dtype=engine.program.dtype)
    for op in engine.program.steps:
        engine.program.write(used, op, np.ones((op.inputs, op.outputs)), np.ones(op.outputs) if op.bias else None)
    return used == 0
