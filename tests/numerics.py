"""What the numeric tests share: panels, sentinels, finite differences, errors in ULP, small networks."""

import importlib
from contextlib import contextmanager

import numpy as np

from fastnn.basics import backend
from fastnn.catalogue import resolve
from fastnn.engine import network, reference
from fastnn.engine.program import Program, lower
from fastnn.engine.source import Source
from fastnn.layers import Dense, Input
from fastnn.losses import Loss
from fastnn.operations import Dense as Product
from fastnn.optimizers import SGD

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


def sizes(core):
    """Numbers of columns around a panel's width, and primes."""
    W = core.PANEL_WIDTH
    return sorted({1, 2, 3, 5, 6, 7, 11, 12, 13, W - 1, W, W + 1, 2 * W, 2 * W + 1, 53})


def extremes(core):
    """Numbers at the edges of the type, and beyond."""
    info = np.finfo(core.REAL)
    least = info.smallest_subnormal
    values = np.array([0, 1, 30, 100, 1e4, least, 3 * least, info.tiny, info.eps, np.inf], dtype=core.REAL)
    return np.concatenate([values, -values, [core.REAL.type(np.nan)]])


def normal(core, rng, *shape):
    """Normal numbers of the core's type."""
    return rng.normal(size=shape).astype(core.REAL)


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


# How often an operation rounds: one, or the 4 ULP of an elementary function. Others (maximum, sign, ...) are exact.
ROUNDINGS = dict.fromkeys([np.add, np.subtract, np.multiply, np.divide, np.square, np.sqrt, np.reciprocal], 1)
ROUNDINGS |= dict.fromkeys([np.exp, np.expm1, np.log, np.log1p, np.logaddexp, np.tanh, np.power, np.sin, np.cos], 4)


class Noisy(np.ndarray):
    """Numbers whose every result is off by as much as roundings of a narrower type may put it off, up or down.

    One operation: eps times its result. A sum of n terms, in any order: n eps / 2 times the sum of their sizes (Higham,
    "Accuracy and stability of numerical algorithms", 2nd edition, 2002, chapters 3 and 4).
    """

    noise = (0.0, np.inf, np.random.default_rng(0))  # eps, the largest number, and what chooses between up and down

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **named):
        plain = [x.view(np.ndarray) if isinstance(x, Noisy) else x for x in inputs]
        if out is not None:
            named["out"] = tuple(x.view(np.ndarray) if isinstance(x, Noisy) else x for x in out)
        result = getattr(ufunc, method)(*plain, **named)
        if result is None or result.dtype.kind != "f":  # None: at, which adds in place
            return result
        sizes = None
        if ufunc is np.matmul:
            sizes = plain[0].shape[-1] / 2 * np.matmul(*map(np.abs, plain))
        elif method == "reduce" and ufunc is np.add:
            sizes = np.add.reduce(np.abs(plain[0]), **{k: v for k, v in named.items() if k in ("axis", "keepdims")})
            sizes = plain[0].size / max(1, sizes.size) / 2 * sizes
        elif ufunc.__name__ == "clip":  # the limits are constants, rounded to the type
            sizes = np.where(result == plain[0], 0, result / 2)
        elif method == "__call__" and ufunc in ROUNDINGS:
            sizes = ROUNDINGS[ufunc] * result
        if sizes is not None:
            eps, most, rng = self.noise
            moved = result + (2 * eps * rng.random(result.shape) - eps) * sizes
            moved = np.where(np.abs(moved) > most, np.copysign(np.inf, moved), moved)  # the type overflows
            if out is None:
                result = moved
            else:
                result[...] = moved
        return self._like(result)

    def __array_function__(self, function, types, args, kwargs):
        result = super().__array_function__(function, types, args, kwargs)  # exact: where, stack, split, ...
        return [self._like(one) for one in result] if isinstance(result, (list, tuple)) else self._like(result)

    def _like(self, result):
        return result.view(type(self)) if isinstance(result, np.ndarray) and result.dtype.kind == "f" else result


class Exact(reference.Engine):
    """The reference in float64, on the weights, data and rates of the program's type; ``noisy`` makes inexact ones."""

    kind: type = np.ndarray

    def __init__(self, program, arena):
        wide = type("Wide", (Program,), {"width": program.width})  # the same panels, and so the same random numbers
        fields = {name: getattr(program, name) for name in Program._fields}
        steps = tuple(_rounded(op, program.dtype) for op in program.steps)
        super().__init__(wide(**fields | {"dtype": np.dtype(float), "steps": steps}), arena)
        self.narrow = program.dtype

    def run_steps(self, x, y, sample_weight, order, first, count, batch, scalars, *others):
        return super().run_steps(x, y, sample_weight, order, first, count, batch, scalars.astype(float), *others)

    def __call__(self, x):
        return self.predict(Source(x))

    def take(self, source, chosen):
        return super().take(source, chosen).astype(self.narrow).astype(float).view(self.kind)

    def _load(self, row):
        return [[array.astype(float).view(self.kind) for array in arrays] for arrays in super()._load(row)]


def _rounded(op, dtype):
    """An operation with the epsilon that the type makes of its own; moving averages are computed in float64 anyway."""
    return op.replace(epsilon=float(dtype.type(op.epsilon))) if "epsilon" in op._fields else op


class Inexact(Exact):
    """The exact one, up to roundings; a gradient errs by its array's largest one too, as slopes do by ULPs of 1."""

    def _update(self, rows, gradients, scalars):
        eps, _, rng = self.kind.noise
        for g in (g for pair in gradients for g in pair if g.size):
            g += eps * np.abs(g).max() * (2 * rng.random(g.shape) - 1) * (g != 0)
        super()._update(rows, gradients, scalars)


def noisy(dtype, seed):
    """An engine that is right up to roundings of a type."""
    noise = (eps(dtype), float(np.finfo(dtype).max), np.random.default_rng(seed))
    return type("Inexact", (Inexact,), {"kind": type("Noisy", (Noisy,), {"noise": noise})})


NOISES = 2
FACTOR = 4  # between the largest of so many samples and the bound


def compare(run, dtype, kinds=None, expected=None):
    """``run(engine class)``, a list of arrays, with each engine of a type, against the reference in float64.

    kinds: engine classes by name, instead of all; expected: right values from elsewhere, instead of the reference's.
    The bound of an array is how far the reference itself goes, in the Euclidean norm, when each of its operations is
    off by a rounding of the type (Parker, "Monte Carlo arithmetic", 1997). So it knows the number format, the lengths
    of the sums, the steps, and what the network makes of small errors, and it knows nothing of the machine.
    """
    expected = run(Exact) if expected is None else expected
    samples = [run(noisy(dtype, seed)) for seed in range(NOISES)]
    for name, kind in (kinds or engines(dtype)).items():
        for i, (actual, right, *moved) in enumerate(zip(run(kind), expected, *samples, strict=True)):
            text = excess(dtype, actual, right, moved)
            assert not text, f"{name}, array {i}: {text}"


def bounds(dtype, right, samples):
    """How far an array of a type may be from the right one, by samples of what roundings make of it; and its size."""
    size = _size(right)
    return FACTOR * max(_size(sample - right) for sample in samples) + eps(dtype) * size + np.finfo(dtype).tiny, size


def excess(dtype, actual, right, samples):
    """What is wrong with an array, or ""; infinity and NaN must stand in the same places.

    What overflows in the type alone may become NaN, as 0 times infinity does, where a sample of roundings is NaN too.
    """
    finite = np.isfinite(right)
    allowed = [values[~finite] for values in (right, *samples)] if actual.shape == right.shape else []
    if not np.any([_alike(actual[~finite], values) for values in allowed], axis=0).all():
        return f"{actual} instead of {right}"
    bound, size = bounds(dtype, right[finite], [sample[finite] for sample in samples])
    error = _size(actual[finite] - right[finite])
    if error <= bound or not np.isfinite(bound):
        return ""
    return f"off by {error:.2g}, roundings by {bound:.2g}, of {size:.2g}"


def _alike(actual, values):
    """Where two arrays hold the same infinity, or both NaN."""
    return ((actual == values) & np.isinf(values)) | (np.isnan(actual) & np.isnan(values))


def _size(array):
    return float(np.linalg.norm(np.asarray(array, dtype=float)))


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


def assemble(engine, dtype, layers, loss, optimizer=None, seed=0):
    """An engine for layers, the first one an Input, with random weights, kernels of size 1 / sqrt(inputs)."""
    program = lower(layers, np.dtype(dtype), resolve("loss", loss, Loss), optimizer or SGD())
    arena = program.new_arena()
    rng = np.random.default_rng(seed)
    for op in program.steps:
        if isinstance(op, Product):
            arrays = [rng.normal(size=(op.inputs, op.outputs)) / np.sqrt(op.inputs)]
            if op.bias:
                arrays.append(0.1 * rng.normal(size=op.outputs))
        else:  # scale, shift and moving statistics: all positive, none near another
            arrays = [rng.uniform(0.5, 1.5, size=op.outputs) for _ in range(op.rows)]
        program.write(arena[0], op, arrays)
    return engine(program, arena)


def build(engine, dtype, sizes, activations, loss, optimizer=None, bias=True, seed=0):
    """An engine for a dense network with random weights."""
    layers = [Dense(n, activation=f, use_bias=bias) for n, f in zip(sizes[1:], activations, strict=True)]
    return assemble(engine, dtype, [Input(sizes[0]), *layers], loss, optimizer, seed)


def targets(loss, rng, rows, outputs, dtype=np.float64):
    """Random targets of the kind that a loss wants: (rows,) labels, or (rows, columns)."""
    if loss.targets == "labels":
        return rng.integers(outputs, size=rows)
    size = (rows, loss.columns(outputs))
    draw = {
        "numbers": lambda: rng.normal(size=size),
        "probabilities": lambda: rng.uniform(size=size),
        "signs": lambda: rng.choice([-1.0, 0.0, 1.0], size=size),
        "counts": lambda: rng.integers(5, size=size),
    }
    return draw[loss.targets]().astype(dtype)


def rate_for(loss, usual):
    """A learning rate at which roundings do not grow from step to step: some slopes are 100 / |t|."""
    return usual / 100 if loss.name == "mape" else usual


def train(engine, x, y, weights=None, batch=8, order=None, threads=1, seed=0):
    """One pass over the samples: the losses of the steps, and the outputs, between sentinels."""
    program = engine.program
    order = np.arange(len(x)) if order is None else order
    count = -(-len(order) // batch)
    now = engine.iterations
    scalars = program.optimizer_object.all_scalars(np.arange(now + 1, now + count + 1)).astype(program.dtype)
    losses = guard(np.zeros(count))
    outputs = guard(np.zeros((len(order), program.outputs), dtype=program.dtype))
    if weights is not None:
        weights = weights.astype(program.dtype)
    done = engine.run_steps(
        Source(x), Source(y), weights, order, 0, count, batch, scalars, losses, outputs, seed, threads
    )
    assert done == count
    return intact(losses, outputs)


def weights_of(engine, row=0):
    """All weight arrays of one row of an engine's arena: of a dense layer W and b, of a normalization its vectors."""
    program = engine.program
    return [array for op in program.steps for array in program.read(engine.arena[row], op)[: len(op.shapes)]]


@contextmanager
def computed_by(kind):
    """Every engine that models make is of this class, while the block runs; None: as ever."""
    before = network.new_engine
    if kind is not None:
        network.new_engine = lambda name, program, arena: kind(program, arena)
    try:
        yield
    finally:
        network.new_engine = before


def put(engine, arrays):
    """All weight arrays of an engine, in the order of ``Sequential.get_weights``."""
    arrays = list(arrays)
    for op in engine.program.steps:
        engine.program.write(engine.arena[0], op, [np.asarray(arrays.pop(0)).reshape(shape) for shape in op.shapes])
    assert not arrays


def padding(engine):
    """True where a number of an arena row is no weight of the network."""
    used = np.zeros(engine.program.size, dtype=engine.program.dtype)
    for op in engine.program.steps:
        engine.program.write(used, op, [np.ones(shape) for shape in op.shapes])
    return used == 0


def unused(engine):
    """True where a number of an arena row is no weight, or one that no gradient belongs to: the moving statistics."""
    used = np.zeros(engine.program.size, dtype=engine.program.dtype)
    for op in engine.program.trained:
        engine.program.write(used, op, [np.ones(shape) for shape in op.shapes[:2]])
    return used == 0
