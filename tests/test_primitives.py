"""The panel products, the elementary functions and what else the engine stands on, against NumPy in wider types.

A check takes the core as an argument, so that test_test_of_tests.py can hand it a broken one.
"""

from functools import cache
from math import erfc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerics import SENTINEL, assert_close, eps, from_panels, guard, intact, normal, sizes, to_panels, ulp_error, wide

from fastnn._core import machine
from fastnn.basics import backend
from fastnn.data import Source

DEPTH = (
    2048  # inputs of a block of kernels/tile.h: always where there is one output, else where there are more than four
)
ROWS = (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 15, 16, 17, 24, 25, 33, 37)  # around the tiles of 2, 6 and 16 rows


def around(core):
    """Numbers of columns around half a panel and a whole one."""
    width = core.PANEL_WIDTH
    return width // 2, width // 2 + 1, width - 1, width


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
    if product == "product":
        core.product(guard(PA, shift), guard(PW, shift), Z, outputs)
    else:
        core.product_of_row(guard(PA, shift), guard(PW, shift), Z)
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
    PD = to_panels(D, core.PANEL_WIDTH)
    core.weight_gradient(guard(PA, shift), guard(PD, shift), inputs, G, outputs)
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
        for outputs in (1, 2, *around(core), 2 * core.PANEL_WIDTH + 1):
            check_product(core, rows, inputs, outputs, shift=inputs % 2, extra=outputs % 2)


@pytest.mark.parametrize("inputs", (DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH + 5, 4 * DEPTH, 4 * DEPTH + 1))
def test_product_of_deep_sums(core, inputs):
    """Sums that go on from one block of inputs to the next."""
    for rows, outputs in ((1, 1), (7, 1), (19, 3), (23, core.PANEL_WIDTH), (2, core.PANEL_WIDTH + 1)):
        check_product(core, rows, inputs, outputs, shift=1, extra=1)


def product_bits(core, PA, PW, outputs):
    Z = np.full((len(PW), PA.shape[1], core.PANEL_WIDTH), SENTINEL, dtype=core.REAL)
    core.product(PA, PW, Z, outputs)
    return Z


@pytest.mark.parametrize("inputs", (5, 100, 4 * DEPTH + 21))
def test_bits_of_a_product(core, inputs):
    """One accumulator for each output, in the order of the inputs.

    Blocks of inputs, the number of rows and narrow panels change no bit; a row alone through the wide tile has the
    same bits too.
    """
    for outputs in (2, core.PANEL_WIDTH // 2, core.PANEL_WIDTH + 3):
        *_, PA, PW = matrices(core, 37, inputs, outputs)
        Z = product_bits(core, PA, PW, outputs)
        np.testing.assert_array_equal(Z, product_bits(core, PA, PW, len(PW) * core.PANEL_WIDTH))
        for r in (0, 17, 36):
            row = PA[:, r : r + 1].copy()
            np.testing.assert_array_equal(Z[:, r : r + 1], product_bits(core, row, PW, outputs))
            wide_row = np.empty_like(Z[:, :1])
            core.product_of_row(row, PW, wide_row)
            np.testing.assert_array_equal(Z[:, r : r + 1], wide_row)


@pytest.mark.parametrize("inputs", (5, 100, 2 * DEPTH + 5))
def test_bits_of_one_output(core, inputs):
    """The order of a dot product depends on the number of inputs alone, not on the rows beside."""
    *_, PA, PW = matrices(core, 37, inputs, 1)
    Z = product_bits(core, PA, PW, 1)
    for first, last in ((0, 1), (3, 20), (36, 37)):
        np.testing.assert_array_equal(Z[:, first:last], product_bits(core, PA[:, first:last].copy(), PW, 1))


@pytest.mark.parametrize("rows", (1, 9, 300))
def test_bits_of_a_weight_gradient(core, rows):
    """One accumulator for each weight, in the order of the samples: narrow panels and single columns change no bit."""
    for inputs in (1, core.PANEL_WIDTH, 2 * core.PANEL_WIDTH + 3):
        for outputs in (1, 2, core.PANEL_WIDTH // 2):
            A = to_panels(normal(core, np.random.default_rng(0), rows, inputs), core.PANEL_WIDTH)
            D = to_panels(normal(core, np.random.default_rng(1), rows, outputs), core.PANEL_WIDTH)
            G, whole = np.empty((2, 1, inputs + 1, core.PANEL_WIDTH), dtype=core.REAL)
            core.weight_gradient(A, D, inputs, G, outputs)
            core.weight_gradient(A, D, inputs, whole, core.PANEL_WIDTH)
            np.testing.assert_array_equal(G, whole)


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
        for outputs in (1, 2, *around(core), core.PANEL_WIDTH + 1):
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
        core.product(PA, PW, Z, outputs)
        with np.errstate(invalid="ignore"):
            bound = (inputs + 1) * eps(core.REAL) * (np.abs(A) @ np.abs(W) + np.abs(b))
            assert_close(from_panels(Z, outputs), A @ W + b, bound)


# -- elementary functions --------------------------------------------------------------------------------------------

# Units in the last place: the bounds at the head of kernels/vmath.h; softplus is log1p with a sum of positive terms.
ULP = {"exp": 2, "expm1": 2, "tanh": 3, "sigmoid": 3, "log1p": 3, "softplus": 3, "log": 3}
OF_ONE = {"erfc": 4}  # in units in the last place of 1
NAMES = [*ULP, *OF_ONE]
EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log1p": np.log1p,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "log": np.log,
    "erfc": lambda x: np.array([erfc(value) for value in x.tolist()]),  # the standard library's, exact to an ULP or so
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
    if name == "erfc":  # element by element is slow; beyond 30 it is 0 or 2
        bent = rng.uniform(-30, 30, 200_000).astype(dtype)
        x = np.concatenate([bent, near.ravel(), rng.choice(x, 50_000)])
        x = x[np.isfinite(x)]
    with np.errstate(all="ignore"):
        return x, EXACT[name](x.astype(wide(dtype)))


def check_elementary(core, name):
    """The stated bound, over the whole range."""
    x, exact = range_of(name, core.REAL)
    if name in OF_ONE:
        with np.errstate(over="ignore"):
            error = np.abs(core.elementary(name, x) - exact) / eps(core.REAL)
        bound = OF_ONE[name] + (np.float64 == core.REAL)  # the oracle is float64 and may err by one unit of its own
    else:
        error = ulp_error(core.elementary(name, x), exact)
        bound = ULP[name] + eps(exact.dtype) / eps(core.REAL)  # the oracle may err by one unit of its own
    worst, bad = np.argmax(error), np.count_nonzero(~(error <= bound))
    assert not bad, f"{name}({x[worst]!r}) is {error[worst]:.4g} ULP off; {bad} of {len(x)} such"


@pytest.mark.parametrize("name", NAMES)
def test_elementary(core, name):
    """Errors in ULP."""
    check_elementary(core, name)


@pytest.mark.parametrize("name", NAMES)
def test_elementary_limits(core, name):
    """NaN stays NaN, infinities give the limits, in each place of a vector."""
    limits = {
        "exp": (0, np.inf),
        "expm1": (-1, np.inf),
        "tanh": (-1, 1),
        "sigmoid": (0, 1),
        "softplus": (0, np.inf),
        "erfc": (2, 0),
    }
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


def test_nonfinite_of_many_rows(core):
    """Rows that lie side by side are read together: the first bad one is still found, and nothing behind the last."""
    for rows, columns in ((5000, 1), (700, 13), (3, 5000), (9000, 2)):
        around = np.full((rows + 2, columns), np.nan, dtype=core.REAL)
        x = around[1:-1]
        x[...] = 1
        assert core.nonfinite(Source(x)) is None
        for place in (0, rows * columns // 2, 4095, 4096, rows * columns - 1):
            row, column = divmod(place, columns)
            x[row, column] = np.inf
            x[-1, -1] = np.nan
            assert core.nonfinite(Source(x)) == (row, column)
            x[...] = 1
    for empty in (np.ones((0, 3)), np.ones((3, 0)), np.ones(0)):
        assert core.nonfinite(Source(empty)) is None


def test_nonfinite_after_conversion(core):
    """A float64 that is too large for float32 is infinite there; integers are always finite."""
    found = core.nonfinite(Source(np.array([[1.0, 1e300]])))
    assert found == {"float32": (0, 1), "float64": None}[core.REAL.name]
    assert core.nonfinite(Source(np.full((2, 3), np.iinfo(np.int64).max))) is None


@pytest.mark.parametrize("kind", ["u1", "?", "i4", "i8", "f4", "f8"])
def test_within(kind):
    """Says yes only where it is sure."""
    values = np.array([0, 1, 1, 0], dtype=kind)
    assert machine.within(values, 0, 1, True) and machine.within(values, 0.0, 1.5)
    assert machine.within(values.reshape(2, 2), 0, 1) and machine.within(values[:0], 0, 1)
    assert not machine.within(values, 0, 0.5) and not machine.within(values, 0.5, 1)
    assert not machine.within(values[::2], 0, 1) and not machine.within(values.tolist(), 0, 1)
    assert not machine.within(np.zeros(1 << 17, dtype=kind), 0, 1)
    assert not machine.within(values.view(np.recarray), 0, 1)
    if kind[0] == "f":
        for strange in (np.nan, np.inf, -np.inf):
            values[2] = strange
            assert not machine.within(values, -1e308, 1e308) and not machine.within(values, 0, 5, True)
        values[2] = 0.75
        assert machine.within(values, 0, 1) and not machine.within(values, 0, 1, True)
    if kind == "i8":
        assert not machine.within(np.array([1 << 62]), 0, 1 << 30) and not machine.within(np.array([-1]), 0, 1)
    for other in (values.astype("i2"), values.astype(object), values.astype("f2"), values.astype(">f8")):
        assert not machine.within(other, 0, 1)
