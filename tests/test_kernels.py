"""Each compiled kernel against its NumPy twin: one catalogue, every CPU level, both number types.

A check takes the core as an argument, so that test_test_of_tests.py can hand it a broken one.
"""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerics import (
    SENTINEL,
    assert_close,
    build,
    derivative,
    eps,
    from_panels,
    guard,
    intact,
    padding,
    targets,
    to_panels,
    train,
    ulp_error,
    wide,
)

from fastnn import activations, backend, losses, optimizers
from fastnn.data import Source

ACTIVATIONS = [*(entry() for entry in activations.ENTRIES), activations.LeakyReLU(0.0), activations.LeakyReLU(1.5)]
LOSSES = [entry() for entry in losses.ENTRIES]
FROM_LOGITS = [loss for loss in LOSSES if type(loss) in {entry.logits for entry in losses.ENTRIES}]
OPTIMIZERS = {  # by the name of the kernel
    "sgd": optimizers.SGD(0.1),
    "momentum": optimizers.SGD(0.1, momentum=0.9),
    "nesterov": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(0.1),
    "rmsprop_momentum": optimizers.RMSprop(0.1, momentum=0.9),
    "adam": optimizers.Adam(0.1),
}
ROWS = (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 23, 24, 25, 37)  # around the tiles of 2, 6 and 12 rows
# Finite differences need float64; the float32 kernels are held to the same twins.
IN_FLOAT64 = pytest.mark.parametrize("core", [f"{level}_float64" for level in backend.levels()], indirect=True)
SHIFTS = (0, 1)  # numbers from the start of a cache line: aligned or not


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
    return rng.normal(size=shape).astype(core.REAL)


def parameters(entry):
    """The numbers of an activation or loss as a kernel gets them."""
    return (*entry.parameters, *(0.0,) * (4 - len(entry.parameters)))


def blocks(matrix, width):
    """Samples (rows, n) as transposed blocks (n, width), the last one filled up with copies of its first row."""
    for first in range(0, len(matrix), width):
        block = matrix[first : first + width]
        yield np.concatenate([block, np.repeat(block[:1], width - len(block), axis=0)]).T.copy()


# -- the catalogue ---------------------------------------------------------------------------------------------------


def test_every_kernel_has_a_twin(core):
    """Names and numbers agree in both directions: neither side can have an entry that the other has not."""
    for names, entries in (
        (core.activation_names(), activations.ENTRIES),
        (core.loss_names(), losses.ENTRIES),
    ):
        assert {entry.kernel: entry.name for entry in entries} == dict(enumerate(names))
        assert len(entries) == len(names)
    assert {optimizer.kernel: name for name, optimizer in OPTIMIZERS.items()} == dict(enumerate(core.optimizer_names()))
    assert {type(optimizer) for optimizer in OPTIMIZERS.values()} == set(optimizers.ENTRIES)


# -- activations -----------------------------------------------------------------------------------------------------


def check_activation(core, activation, z, d, shift=0):
    """Forward and backward against the twin, for samples z (rows, n) and d = dL/da; returns nothing."""
    h, W, n = parameters(activation), core.PANEL_WIDTH, z.shape[1]
    # 4 ULP each for exp or tanh here and in NumPy, and one rounding for each term of a sum over the row
    tolerance = (8 + n * activation.blockwise) * eps(core.REAL)
    for block, slope in zip(blocks(z, W), blocks(d, W), strict=True):
        with np.errstate(all="ignore"):
            expected = activation.forward(block.T).T
            forward = core.activation_forward(activation.kernel, guard(block, shift), h)
            (a,) = intact(forward)
            assert_close(a, expected, tolerance * np.abs(expected) + np.finfo(core.REAL).tiny, "forward")
            expected = activation.backward(a.T, slope.T).T
            # 1 - a and 1 - a^2 cancel, sum a d too: errors are relative to the largest term
            scale = np.abs(slope) + (np.abs(a * slope).sum(axis=0) if activation.blockwise else 0)
            (back,) = intact(core.activation_backward(activation.kernel, a, guard(slope, shift), h))
            assert_close(back, expected, tolerance * scale, "backward")


def check_activation_derivative(core, activation):
    """The kernel's backward against differences of its own forward, in float64, one output at a time."""
    rng, W, h = np.random.default_rng(1), core.PANEL_WIDTH, parameters(activation)
    z, d = normal(core, rng, 7, W), normal(core, rng, 7, W)
    z += np.copysign(0.1, z)  # away from the kink of relu at 0
    back = core.activation_backward(activation.kernel, core.activation_forward(activation.kernel, z, h), d, h)
    for k in range(len(z)):

        def weighted(step, k=k):
            moved = z.copy()
            moved[k] += step
            return (d * core.activation_forward(activation.kernel, moved, h)).sum(axis=0)

        # h^4 / 30 = 2e-15 times fifth derivatives below 1000; rounding eps / h = 5e-13
        assert_close(back[k], derivative(weighted, 0.0), 1e-11, f"derivative by output {k}")


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_activation(core, rng, activation):
    """Edge sizes, aligned and not."""
    for n in sizes(core):
        for shift in SHIFTS:
            z, d = normal(core, rng, core.PANEL_WIDTH, n), normal(core, rng, core.PANEL_WIDTH, n)
            check_activation(core, activation, 3 * z, d, shift)
    if not activation.blockwise:
        for n in (0, *sizes(core)):  # and the tails of the vector loops, which no panel has
            z, d = normal(core, rng, n), normal(core, rng, n)
            (a,) = intact(core.activation_forward(activation.kernel, guard(z), parameters(activation)))
            assert_close(a, activation.forward(z), 8 * eps(core.REAL) * np.abs(a))
            (back,) = intact(core.activation_backward(activation.kernel, a, guard(d), parameters(activation)))
            assert_close(back, activation.backward(a, d), 8 * eps(core.REAL) * np.abs(d))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_activation_extremes(core, rng, activation):
    """Saturation, overflow and subnormals as in the twin; infinity and NaN stay visible."""
    values = extremes(core)
    for n in (1, 2, 5):
        z, d = normal(core, rng, len(values), n), normal(core, rng, len(values), n)
        z[:, -1] = values
        check_activation(core, activation, z, d)
        d[:, 0], z[:, -1] = values, np.finfo(core.REAL).max
        check_activation(core, activation, z, d)


@IN_FLOAT64
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_activation_derivative(core, activation):
    """What backward returns is the derivative of what forward computes."""
    check_activation_derivative(core, activation)


# -- losses ----------------------------------------------------------------------------------------------------------


def check_loss(core, loss, a, t, shift=0):
    """Outputs, losses and derivatives against the twin, for samples a (rows, n), targets t (rows, n) or (rows, 1)."""
    W, n = core.PANEL_WIDTH, a.shape[1]
    # log, exp and log1p within 4 ULP on both sides, one rounding for each term of a sum over the row
    tolerance = (10 + n) * eps(core.REAL)
    for block, target in zip(blocks(a, W), blocks(t, W), strict=True):
        with np.errstate(all="ignore"):
            out, e, d = core.loss(loss.kernel, guard(block, shift), guard(target, shift), parameters(loss))
            out, d = intact(out, d)
            activated = loss.activate(block.T).T
            values, slope = loss.evaluate(block.T, target.T)
            scale, total = np.abs(values), 0
            if loss in FROM_LOGITS:  # the largest term is a logit, and p - t cancels; elsewhere all terms have one sign
                total = 1 + (1 if loss.targets == "labels" else target.sum(axis=0))
                scale = scale + (1 + np.abs(block).max(axis=0)) * total
            tiny = np.finfo(core.REAL).tiny
            assert_close(out, activated, tolerance * np.abs(activated) + tiny, "outputs")
            assert_close(e, values, tolerance * scale + tiny, "loss")
            assert_close(d, slope.T, tolerance * (np.abs(slope.T) + total) + tiny, "slope")


def samples(core, loss, rng, rows, n):
    """Outputs that the loss can see, away from the clip at 0 and 1, and targets, both of the core's type."""
    a = rng.uniform(0.2, 0.8, (rows, n))
    if loss in FROM_LOGITS or loss.targets == "numbers":
        a = 3 * rng.normal(size=(rows, n))
    return a.astype(core.REAL), targets(loss, rng, rows, n).reshape(rows, -1).astype(core.REAL)


def check_loss_derivative(core, loss):
    """The kernel's slope against differences of its own loss, in float64."""
    a, t = (x.T.copy() for x in samples(core, loss, np.random.default_rng(2), core.PANEL_WIDTH, 5))
    _, _, d = core.loss(loss.kernel, a, t, parameters(loss))
    for k in range(len(a)):

        def moved(step, k=k):
            b = a.copy()
            b[k] += step
            return core.loss(loss.kernel, b, t, parameters(loss))[1]

        # h^4 / 30 = 2e-15 times 4! / 0.2^5 = 75000 of the logarithm; rounding eps |e| / h = 5e-12
        assert_close(d[k], derivative(moved, 0.0), 5e-10, f"derivative by output {k}")


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_loss(core, rng, loss):
    """Edge numbers of outputs, aligned and not."""
    for n in sizes(core):
        for shift in SHIFTS:
            check_loss(core, loss, *samples(core, loss, rng, core.PANEL_WIDTH, n), shift)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_loss_extremes(core, rng, loss):
    """Beyond the clip, where the exponential over- or underflows, and where there is no number: as in the twin."""
    values = extremes(core)
    for n in (1, 2, 5):
        a, t = samples(core, loss, rng, len(values), n)
        a[:, -1] = values
        check_loss(core, loss, a, t)
        check_loss(core, loss, a, np.zeros_like(t))
        check_loss(core, loss, a, np.full_like(t, n - 1 if loss.targets == "labels" else 1))


@IN_FLOAT64
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_loss_derivative(core, loss):
    """The slope is the derivative of the loss, by the logits where the loss takes these."""
    check_loss_derivative(core, loss)


# -- optimizers ------------------------------------------------------------------------------------------------------


def check_optimizer(core, optimizer, n, gradients=None, shift=0):
    """Three steps from a state in the middle of a training: weights and slots; slots not in use stay as they are."""
    rng, count = np.random.default_rng(n), len(optimizer.slots)
    w, slots = guard(normal(core, rng, n), shift), guard(rng.uniform(0.5, 2, (3, n)).astype(core.REAL), shift)
    expected, state = np.array(w), np.array(slots)
    h = optimizer.scalars(np.arange(1, 4), np.full(3, optimizer.learning_rate)).astype(core.REAL)
    for step in range(3):
        g = normal(core, rng, n) if gradients is None else gradients
        before, state_before = expected.copy(), state.copy()
        with np.errstate(all="ignore"):
            core.update(optimizer.kernel, w, guard(g, shift), slots, h[step])
            optimizer.update(expected, g, list(state[:count]), h[step])
            actual, actual_state = intact(w, slots)
            # at most eight roundings in a step, of terms no larger than these, and the steps before
            tolerance = 8 * (step + 1) * eps(core.REAL)
            scale = 1 + np.abs(before) + np.abs(expected) + np.abs(g)
            assert_close(actual, expected, tolerance * scale, f"weights after step {step + 1}")
            scale = 1 + np.abs(state_before) + np.abs(state) + np.abs(g)
            assert_close(actual_state[:count], state[:count], tolerance * scale[:count], f"slots after step {step + 1}")
        np.testing.assert_array_equal(actual_state[count:], state[count:])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(core, name):
    """Edge lengths, aligned and not, and none at all."""
    for n in (0, *sizes(core)):
        for shift in SHIFTS:
            check_optimizer(core, OPTIMIZERS[name], n, shift=shift)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_extremes(core, name):
    """Gradients at the edges of the type: what is infinite or no number shows in the weights."""
    values = extremes(core)
    check_optimizer(core, OPTIMIZERS[name], len(values), values)


# -- products --------------------------------------------------------------------------------------------------------


def matrices(core, rows, inputs, outputs, seed=0):
    """A batch A, weights W and bias b, and their panels: no product may look at the padding of A, so it holds NaN."""
    rng = np.random.default_rng(seed)
    A, W, b = normal(core, rng, rows, inputs), normal(core, rng, inputs, outputs), normal(core, rng, outputs)
    width = core.PANEL_WIDTH
    return A, W, b, to_panels(A, width, np.nan), to_panels(np.vstack([W, b]), width)


def check_product(core, rows, inputs, outputs, shift=0, extra=0, product="product"):
    """Z = A W + b; a sum of n terms in one accumulator errs by n eps sum |a| |w| at most (Higham 2002, section 3.1)."""
    A, W, b, PA, PW = matrices(core, rows, inputs, outputs)
    A, W, b = (x.astype(wide(core.REAL)) for x in (A, W, b))
    Z = guard(np.full((len(PW), rows + extra, core.PANEL_WIDTH), SENTINEL, dtype=core.REAL), shift)
    getattr(core, product)(guard(PA, shift), guard(PW, shift), Z)
    (Z,) = intact(Z)
    bound = (inputs + 1) * eps(core.REAL) * (np.abs(A) @ np.abs(W) + np.abs(b))
    assert_close(from_panels(Z, outputs)[:rows], A @ W + b, bound, f"{rows} x {inputs} x {outputs}")
    assert (from_panels(Z, Z.shape[0] * Z.shape[2])[:rows, outputs:] == 0).all(), "padding"
    assert (Z[:, rows:] == SENTINEL).all(), "rows behind the last"


def check_weight_gradient(core, rows, inputs, outputs, shift=0):
    """G = A^T D and the sum of D: n eps times the sum of absolute terms, the bias in four sums of a quarter each."""
    A, _, _, PA, _ = matrices(core, rows, inputs, 1)
    D = normal(core, np.random.default_rng(1), rows, outputs)
    G = guard(
        np.full((-(-outputs // core.PANEL_WIDTH), inputs + 1, core.PANEL_WIDTH), SENTINEL, dtype=core.REAL), shift
    )
    core.weight_gradient(guard(PA, shift), guard(to_panels(D, core.PANEL_WIDTH), shift), inputs, G)
    (G,) = intact(G)
    A = np.hstack([A, np.ones((rows, 1))]).astype(wide(core.REAL))  # an input of ones has the bias as its weight
    D = D.astype(wide(core.REAL))
    bound = rows * eps(core.REAL) * (np.abs(A).T @ np.abs(D))
    assert_close(from_panels(G, outputs), A.T @ D, bound, f"{rows} x {inputs} x {outputs}")
    assert (from_panels(G, G.shape[0] * G.shape[2])[:, outputs:] == 0).all(), "padding"


def check_transpose(core, inputs, outputs, shift=0):
    """T[j, i] = W[first + i, j] exactly, for each panel's worth of inputs; inputs beyond the last are zeros."""
    _, W, _, _, PW = matrices(core, 1, inputs, outputs)
    width = core.PANEL_WIDTH
    for first in range(0, inputs, width):
        T = guard(np.full((len(PW) * width, width), SENTINEL, dtype=core.REAL), shift)
        core.transpose(guard(PW, shift), first, inputs, outputs, T)
        (T,) = intact(T)
        part = W[first : first + width]
        np.testing.assert_array_equal(T[:outputs, : len(part)], part.T)
        assert (T[:outputs, len(part) :] == 0).all()


@pytest.mark.parametrize("rows", ROWS)
def test_product(core, rows):
    """Row counts around the tile with columns around the panel; other rows of the output stay as they are."""
    for inputs in (0, *sizes(core)):
        for outputs in (1, core.PANEL_WIDTH - 1, core.PANEL_WIDTH, 2 * core.PANEL_WIDTH + 1):
            check_product(core, rows, inputs, outputs, shift=inputs % 2, extra=outputs % 2)


def test_product_of_no_rows(core):
    """Nothing is read, nothing written."""
    check_product(core, 0, 5, 3, extra=2)


def test_product_of_row(core):
    """Tiles of four, two and one panels and their rests."""
    for count in range(1, 10):
        for inputs in (0, *sizes(core)):
            outputs = count * core.PANEL_WIDTH - inputs % 2
            check_product(core, 1, inputs, outputs, shift=count % 2, extra=2, product="product_of_row")


@pytest.mark.parametrize("rows", (0, *ROWS))
def test_weight_gradient(core, rows):
    """Any number of samples, inputs and outputs around the panel."""
    for inputs in sizes(core):
        for outputs in (1, core.PANEL_WIDTH, core.PANEL_WIDTH + 1):
            check_weight_gradient(core, rows, inputs, outputs, shift=inputs % 2)


def test_transpose(core):
    """Whole panels by register exchange, rests one by one."""
    for inputs in sizes(core):
        for outputs in sizes(core):
            check_transpose(core, inputs, outputs, shift=outputs % 2)


@given(rows=st.integers(1, 60), inputs=st.integers(1, 60), outputs=st.integers(1, 60), shift=st.integers(0, 15))
def test_products_of_any_shape(rows, inputs, outputs, shift):
    """Shapes that nobody thought of, on the level that the library uses."""
    for dtype in ("float32", "float64"):
        core = backend.core(dtype)
        check_product(core, rows, inputs, outputs, shift)
        check_weight_gradient(core, rows, inputs, outputs, shift)
        check_transpose(core, inputs, outputs, shift)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_products_show_nonfinite(core, value):
    """One bad number reaches every output that depends on it, and no other."""
    for rows, inputs, outputs in ((7, 5, core.PANEL_WIDTH + 1), (13, core.PANEL_WIDTH + 1, 3)):
        A, W, b, PA, PW = matrices(core, rows, inputs, outputs)
        A[2, inputs - 1] = PA[(inputs - 1) // core.PANEL_WIDTH, 2, (inputs - 1) % core.PANEL_WIDTH] = value
        Z = np.zeros((len(PW), rows, core.PANEL_WIDTH), dtype=core.REAL)
        core.product(PA, PW, Z)
        with np.errstate(invalid="ignore"):
            bound = (inputs + 1) * eps(core.REAL) * (np.abs(A) @ np.abs(W) + np.abs(b))
            assert_close(from_panels(Z, outputs), A @ W + b, bound)


# -- elementary functions --------------------------------------------------------------------------------------------

# Units in the last place: the bounds at the head of kernels/vmath.h, and two that it does not state.
ULP = {"exp": 2, "expm1": 2, "tanh": 3, "sigmoid": 3, "log1p": 3, "softplus": 3, "log": 3}
EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log1p": np.log1p,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "log": np.log,
}


@cache
def range_of(name, dtype):
    """Two million float32 bit patterns or random float64 ones, more where functions bend; and the exact values."""
    rng = np.random.default_rng(3)
    if dtype == np.float32:
        patterns = np.arange(0, 1 << 32, 2147, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        patterns = rng.integers(1 << 64, size=100_000, dtype=np.uint64).view(np.float64)
    info = np.finfo(dtype)
    top, bottom = info.maxexp * np.log(2), (info.minexp - info.nmant - 1) * np.log(2)  # exp overflows, is zero
    # the 2001 numbers around each edge: any switch from one formula to another lies at one of these
    edges = np.array([top, -top, bottom, 88, -87, 709, -708, 20, -20, info.tiny, -info.tiny, 1, -1, 0], dtype=dtype)
    near = edges[:, None] + np.spacing(np.abs(edges))[:, None] * np.arange(-1000, 1001, dtype=dtype)
    halves = np.arange(-1100, 1100) * (np.log(2) / 2)  # where the reduced argument changes sign or jumps
    spread = [
        rng.uniform(-1.1 * top, 1.1 * top, 100_000),
        rng.uniform(-2, 2, 100_000),
        halves,
        np.array([-0.0, info.max]),
    ]
    x = np.concatenate([patterns, near.ravel(), *(part.astype(dtype) for part in spread)])
    if name == "log1p":
        x = np.concatenate([np.clip(x, 0, 1), rng.uniform(0, 1, 100_000).astype(dtype)])
    if name == "log":
        x = np.concatenate([np.abs(x), rng.uniform(0.5, 2, 100_000).astype(dtype)])
    x = x[np.isfinite(x)]
    with np.errstate(all="ignore"):
        return x, EXACT[name](x.astype(wide(dtype)))


def check_elementary(core, name):
    """The stated bound, over the whole range."""
    x, exact = range_of(name, core.REAL)
    error = ulp_error(core.elementary(name, x), exact)
    bound = ULP[name] + eps(exact.dtype) / eps(core.REAL)  # the oracle may err by one unit of its own
    worst, bad = np.argmax(error), np.count_nonzero(~(error <= bound))
    assert not bad, f"{name}({x[worst]!r}) is {error[worst]:.4g} ULP off; {bad} of {len(x)} such"


@pytest.mark.parametrize("name", ULP)
def test_elementary(core, name):
    """Errors in ULP."""
    check_elementary(core, name)


@pytest.mark.parametrize("name", ULP)
def test_elementary_limits(core, name):
    """NaN stays NaN, infinities give the limits, in each place of a vector."""
    limits = {"exp": (0, np.inf), "expm1": (-1, np.inf), "tanh": (-1, 1), "sigmoid": (0, 1), "softplus": (0, np.inf)}
    for place in range(2 * core.PANEL_WIDTH + 1):
        x = np.full(2 * core.PANEL_WIDTH + 1, 0.5, dtype=core.REAL)
        x[place] = np.nan
        assert np.array_equal(np.isnan(core.elementary(name, x)), np.isnan(x))
        if name in limits:
            for value, limit in zip((-np.inf, np.inf), limits[name], strict=True):
                x[place] = value
                assert core.elementary(name, x)[place] == limit
    if name == "log":
        x = np.array([0, -0.0, -1, -np.inf, np.inf, np.finfo(core.REAL).smallest_subnormal], dtype=core.REAL)
        with np.errstate(all="ignore"):
            assert_close(core.elementary(name, x), np.log(x), 3 * np.spacing(core.REAL.type(800)))


def test_elementary_refuses_unknown_names(core):
    """The functions here are all that there are."""
    with pytest.raises(ValueError, match="no function"):
        core.elementary("log2", np.ones(1, dtype=core.REAL))


# -- the rest --------------------------------------------------------------------------------------------------------


def check_classes(core):
    """numpy.argmax: the first of equals, and the first NaN."""
    rng = np.random.default_rng(4)
    for columns in sizes(core):
        outputs = rng.integers(5, size=(23, columns)).astype(core.REAL)  # full of equals
        np.testing.assert_array_equal(core.Engine.classes(outputs), outputs.argmax(axis=1))
        np.testing.assert_array_equal(core.Engine.classes(-outputs), (-outputs).argmax(axis=1))


def check_nonfinite(core):
    """The first bad place in any layout and type, None where there is none."""
    for dtype in (np.float16, np.float32, np.float64):
        for shape in ((1, 1), (5, 7), (3, 2 * core.PANEL_WIDTH + 1), (4, 3, 5)):
            x = np.ones((2, *shape), dtype=dtype)
            for view in (x[0], x.T[..., 0].T, np.asfortranarray(x[1]), x[0][::-1], x[1][:, ::-1]):
                view[...] = 1
                assert core.nonfinite(Source(view)) is None
                for value in (np.nan, np.inf, -np.inf):
                    for place in {0, view[0].size // 2, view[0].size - 1}:
                        row = len(view) - 1
                        view[(row, *np.unravel_index(place, view.shape[1:]))] = value
                        assert core.nonfinite(Source(view)) == (row, place)
                        view[...] = 1


def test_classes(core):
    """Edge numbers of columns."""
    check_classes(core)


def test_classes_of_nan(core):
    """As numpy.argmax has it, wherever the NaN stands."""
    for place in range(3):
        outputs = np.array([[1, 3, 2]], dtype=core.REAL)
        outputs[0, place] = np.nan
        assert core.Engine.classes(outputs)[0] == outputs.argmax()


def test_nonfinite(core):
    """NaN and infinity are found in all layouts."""
    check_nonfinite(core)


def test_nonfinite_after_conversion(core):
    """A float64 that is too large for float32 is infinite there; integers are always finite."""
    found = core.nonfinite(Source(np.array([[1.0, 1e300]])))
    assert found == {"float32": (0, 1), "float64": None}[core.REAL.name]
    assert core.nonfinite(Source(np.full((2, 3), np.iinfo(np.int64).max))) is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_padding_stays_zero(core, name):
    """Behind the columns of the last panel no weight and no slot ever differs from zero, whatever the activations."""
    for activation in ACTIVATIONS:
        for bias in (True, False):
            engine = build(core.Engine, core.REAL, (3, 5, 9, 2), [activation] * 3, "mse", OPTIMIZERS[name], bias)
            rng = np.random.default_rng(5)
            train(engine, normal(core, rng, 21, 3), normal(core, rng, 21, 2))
            assert (engine.arena[:, padding(engine)] == 0).all()
            assert np.abs(engine.arena[:, ~padding(engine)]).sum() > 0


@pytest.mark.parametrize("optimizer", [optimizers.RMSprop(epsilon=0.0), optimizers.Adam(epsilon=0.0)], ids=repr)
def test_padding_without_epsilon(core, optimizer):
    """Allowed by the optimizers: the padding, whose gradient is zero, must not become 0 / 0."""
    engine = build(core.Engine, core.REAL, (3, 5, 2), ["tanh", "linear"], "mse", optimizer)
    rng = np.random.default_rng(6)
    train(engine, normal(core, rng, 21, 3), normal(core, rng, 21, 2))
    assert np.isfinite(engine.arena[:, ~padding(engine)]).all()
    assert (engine.arena[:, padding(engine)] == 0).all()
