"""Kernels of maps beside their twins, where shapes decide the way: channels, bands, copies, first layers."""

import numpy as np
import pytest
from numerics import engines
from test_operations import SEED, check_one, check_threads, close, train, weights_of

from fastnn.activations import GELU, Linear, ReLU, Tanh
from fastnn.basics import backend
from fastnn.engine.program import assemble
from fastnn.engine.source import Source
from fastnn.losses import MeanSquaredError
from fastnn.operations import (
    AveragePooling,
    BatchNormalization,
    Convolution,
    Dense,
    Dropout,
    Elementwise,
    MaxPooling,
    Permutation,
    Resampling,
    TransposedConvolution,
)
from fastnn.optimizers import SGD
from fastnn.regularizers import L1L2


def out(n, window, stride=1, dilation=1, padding=0):
    """Windows along an axis with so much padding on both sides."""
    return (n + 2 * padding - (window - 1) * dilation - 1) // stride + 1


def convolution(inputs, outputs, size, window, stride=1, dilation=1, padding=0, groups=1, **settings):
    """A convolution of a square map."""
    return Convolution(
        *(inputs, outputs),
        map_in=(size, size),
        map_out=(out(size, window, stride, dilation, padding),) * 2,
        window=(window, window),
        strides=(stride, stride),
        dilation=(dilation, dilation),
        corner=(padding, padding),
        groups=groups,
        bias=True,
        **settings,
    )


def transposed(inputs, outputs, size, window, stride=1, dilation=1, padding=0):
    """The same, transposed."""
    large = (size - 1) * stride + (window - 1) * dilation + 1 - 2 * padding
    return TransposedConvolution(
        *(inputs, outputs),
        map_in=(size, size),
        map_out=(large, large),
        window=(window, window),
        strides=(stride, stride),
        dilation=(dilation, dilation),
        corner=(padding, padding),
        bias=True,
    )


def of_width(core):
    """Operations whose channels lie around the width of a panel."""
    W = core.PANEL_WIDTH
    return [
        *(convolution(n, m, 5, 3) for n, m in ((1, W), (W - 1, W + 1), (W, 1), (2 * W, 2 * W), (W + 1, W // 2))),
        *(convolution(W + 3, W, 6, 3, stride, padding=1) for stride in (1, 2, 3)),
        convolution(3, W, 7, 2, 3, 2),
        convolution(W, W, 6, 1),
        convolution(W, W, 5, 1, 2, activation=ReLU()),
        convolution(2 * W, W, 5, 2, groups=2),
        convolution(W + 2, W + 2, 5, 3, 2, padding=1, groups=W + 2),
        convolution(W + 2, 2 * W + 4, 4, 3, groups=W + 2),
        convolution(6, 3 * W, 4, 3, padding=2, groups=3),
        transposed(W + 1, W + 2, 3, 3, 2),
        transposed(2, 2 * W, 3, 3, 1, 2, 1),
        transposed(2 * W + 1, 3, 4, 2, 3),
        MaxPooling(W + 1, W + 1, map_in=(18, 18), window=(18, 18)),  # more taps than a byte can number
        AveragePooling(W + 1, W + 1, map_in=(6, 6), window=(6, 6)),
        Resampling(W + 1, W + 1, map_in=(3, 3), map_out=(5, 6), corner=(1, 2)),
        Permutation(W + 1, 6 * (W + 1), map_in=(2, 3)),
        Permutation(2 * W, 12 * W, map_in=(2, 3)),
        BatchNormalization(W + 1, W + 1, map_in=(2, 3), map_out=(2, 3), bias=True),
    ]


def test_channels_around_the_width_of_a_panel(core):
    for op in of_width(core):
        for rows in (1, 5):
            check_one(core.Engine, core.REAL.name, op, rows)


def test_threads_change_no_bit_of_any_way(core):
    for op in of_width(core)[::3]:
        check_threads(core, op)


MANY = [  # more pixels than are summed at once, more than one band, in one map or in several
    convolution(2, 3, 41, 3, padding=1),
    convolution(3, 2, 36, 5, 2, padding=2),
    convolution(4, 4, 40, 3, groups=4),
    transposed(2, 3, 37, 3),
    transposed(3, 2, 33, 3, 2, padding=1),
]


@pytest.mark.parametrize("op", MANY, ids=lambda op: op.name)
def test_many_pixels(op):
    engine = engines("float64")[backend.level]
    check_one(engine, "float64", op, 3)


def first(core_or_engine, dtype, op, seed=0):
    """A network that begins with an operation on maps."""
    n = op.outputs * op.positions_out
    steps = [op, Permutation(op.outputs, n, map_in=op.map_out), Dense(n, 2, bias=True)]
    program = assemble(steps, np.dtype(dtype), MeanSquaredError(), SGD(0.1))
    net = core_or_engine(program, program.new_arena())
    rng = np.random.default_rng(seed)
    for one in program.steps:
        if one.rows:
            lines = rng.uniform(0.5, 1.5, size=(one.rows, one.outputs)) / one.rows
            program.write(net.arena[0], one, one.arrays(lines.astype(np.float32).astype(dtype)))
    return net


FIRST = [
    convolution(1, 3, 9, 3, activation=Tanh()),
    convolution(3, 20, 8, 3, 2, padding=1),
    convolution(1, 4, 9, 3, 1, 2, padding=2),
    convolution(18, 5, 4, 3, padding=1),
    convolution(3, 6, 5, 3, groups=3),
    convolution(1, 2, 8, 8),
    transposed(3, 2, 3, 3, 2),
    MaxPooling(3, 3, map_in=(6, 6), map_out=(3, 3), window=(2, 2), strides=(2, 2)),
    AveragePooling(1, 1, map_in=(6, 6), map_out=(3, 3), window=(2, 2), strides=(2, 2)),
    Resampling(2, 2, map_in=(3, 3), map_out=(5, 5), corner=(1, 1)),
    BatchNormalization(3, 3, map_in=(4, 3), map_out=(4, 3), bias=True),
]


@pytest.mark.parametrize("op", FIRST, ids=[f"{op.name}-{i}" for i, op in enumerate(FIRST)])
def test_first_operation_reads_the_samples(core, op):
    dtype = core.REAL.name
    x = np.random.default_rng(2).integers(0, 9, size=(21, *op.map_in, op.inputs)).astype(np.uint8)
    y = np.random.default_rng(3).normal(size=(21, 2)).astype(np.float32)
    twin = first(engines("float64")["reference"], "float64", op)
    expected = twin.predict(Source(x))
    terms = op.kernel_rows + op.positions_out * op.outputs + 21
    results = []
    for threads in (1, 2):
        net = first(core.Engine, dtype, op)
        close(net.predict(Source(x), threads), expected, dtype, 10 * terms, "predict")
        close(net.predict(Source(np.flip(x, 1)[:, ::-1]), threads), expected, dtype, 10 * terms, "strided")
        results.append([*train(net, x, y.astype(dtype), batch=8, threads=threads, seed=SEED), np.array(net.arena)])
    losses, outputs = train(twin, x, y.astype(np.float64), batch=8, seed=SEED)
    close(results[0][0], losses, dtype, 100 * terms, "losses")
    close(results[0][1], outputs, dtype, 100 * terms, "outputs")
    for actual, right in zip(weights_of(net), weights_of(twin), strict=True):
        close(actual, right, dtype, 100 * terms, "weights")
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_geometry_that_leads_outside_is_refused(core):
    op = FIRST[0]
    n = op.outputs * op.positions_out

    def program(**changes):
        bad = op.replace(**changes)
        steps = [bad, Permutation(op.outputs, n, map_in=op.map_out), Dense(n, 2, bias=True)]
        return assemble(steps, core.REAL, MeanSquaredError(), SGD(0.1))

    for changes in (
        {"strides": (0, 1)},
        {"dilation": (1, -1)},
        {"corner": (-1, 0)},
        {"groups": 2},
        {"window": (1 << 20, 1 << 20)},
        {"map_in": (9, 10)},
        {"dilation": (1 << 29, 1 << 29)},
    ):
        made = program(**changes)
        with pytest.raises((ValueError, MemoryError)):
            core.Engine(made, np.zeros((1, 16), dtype=core.REAL) if "window" in changes else made.new_arena()).predict(
                Source(np.zeros((3, 81))), 1
            )


@pytest.mark.parametrize("index", [-2, 99])
def test_tables_that_lead_outside_are_refused(core, index):
    class Wrong(Resampling):
        @property
        def table(self):
            places, weights = super().table
            places[3] = index
            return places, weights

        def follows(self, *_):
            return True

    op = Wrong(2, 2, map_in=(3, 3), map_out=(5, 5), corner=(1, 1))
    with pytest.raises(ValueError, match="needs 25 numbers from -1 to 8 in its table"):
        first(core.Engine, core.REAL, op)


def test_the_largest_of_nan_and_infinity(core):
    op = FIRST[7]
    x = np.zeros((4, 6, 6, 3))
    x[1, 2, 2] = np.nan
    x[2] = -np.inf
    x[3, 5, 5] = np.inf
    net, twin = (first(engine, core.REAL, op) for engine in (core.Engine, engines(core.REAL.name)["reference"]))
    np.testing.assert_array_equal(np.isnan(net.predict(Source(x), 1)), np.isnan(twin.predict(Source(x), 1)))
    np.testing.assert_array_equal(net.predict(Source(x), 1)[2:], twin.predict(Source(x), 1)[2:])


# -- networks ----------------------------------------------------------------------------------------------------------


def pooled(activation, overlap=False, penalty=None, between=()):
    """Convolution, pool, convolution, a product."""
    stride, size = (1, 7) if overlap else (2, 4)
    first_one = convolution(2, 5, 10, 3, activation=activation).replace(activity_regularizer=penalty)
    pool = MaxPooling(5, 5, map_in=(8, 8), map_out=(size, size), window=(2, 2), strides=(stride, stride))
    second = convolution(5, 18, size, 3, activation=Tanh())
    n = second.outputs * second.positions_out
    return [
        first_one,
        *between,
        pool,
        second,
        Permutation(second.outputs, n, map_in=second.map_out),
        Dense(n, 3, bias=True),
    ]


def pool(channels, before, window, strides, corner=(0, 0)):
    """The largest of windows that reach over the edge at most behind the map."""
    sizes = zip(before, window, strides, corner, strict=True)
    behind = tuple(-(-(n + p) // s) if p or w == s + 1 else max(1, (n - w) // s + 1) for n, w, s, p in sizes)
    return MaxPooling(
        *(channels, channels), map_in=before, map_out=behind, window=window, strides=strides, corner=corner
    )


def banded(activation, windows, channels=16, size=10, second=None, behind=()):
    """A convolution whose maximum takes its bands, perhaps another, a row of numbers, a product: it may lie flat."""
    made = [convolution(2, channels, size, 3, activation=activation)]
    for settings in (None, second):
        if settings is not None:
            made.append(convolution(channels, channels, made[-1].map_out[0], **settings, activation=activation))
        if settings is not None or not made[1:]:
            made.append(pool(channels, made[-1].map_out, *windows))
    n = channels * made[-1].positions_out
    made.append(Permutation(channels, n, map_in=made[-1].map_out))
    return [*made, *(op(n) for op in behind), Dense(n, 3, bias=True)]


def fast(size, layer=convolution, padding=0, windows=None):
    """A convolution that winograd.h computes, of so many pixels, from 32 to 35 channels."""
    first_one = convolution(2, 32, size + 2, 3, activation=ReLU())
    made = [first_one, layer(32, 35, size, 3, padding=padding).replace(activation=Tanh())]
    if windows is not None:
        made.append(pool(35, made[-1].map_out, *windows))
    n = 35 * made[-1].positions_out
    return [*made, Permutation(35, n, map_in=made[-1].map_out), Dense(n, 3, bias=True)]


STACKS = {
    "fast, two pixels": lambda: fast(4),
    "fast, odd sizes": lambda: fast(9),
    "fast, beside the edge": lambda: fast(5, padding=1),
    "fast, bands": lambda: fast(18),
    "fast, transposed": lambda: fast(5, transposed),
    "fast, windows": lambda: fast(7, padding=1, windows=((3, 3), (3, 3))),
    "fast, pairs": lambda: fast(13, padding=1, windows=((2, 2), (2, 2))),
    "bands": lambda: banded(ReLU(), ((2, 2), (2, 2)), channels=32),
    "bands, all windows": lambda: banded(Tanh(), ((3, 3), (3, 3)), channels=5),
    "bands, gaps": lambda: banded(ReLU(), ((2, 1), (3, 2))),
    "bands, beside the edge": lambda: banded(Linear(), ((2, 3), (2, 3), (0, 1)), channels=7),
    "bands, large windows": lambda: banded(ReLU(), ((17, 17), (17, 17)), size=20),
    "bands, wide maps": lambda: banded(ReLU(), ((2, 2), (2, 2)), channels=3, size=25),
    "bands, dropout": lambda: banded(ReLU(), ((2, 2), (2, 2)), behind=[lambda n: Dropout(n, n, rate=0.4)]),
    "bands, penalty": lambda: banded(
        ReLU(), ((2, 2), (2, 2)), behind=[lambda n: Elementwise(n, n, activity_regularizer=L1L2(0.01, 0.02))]
    ),
    "bands of bands": lambda: banded(ReLU(), ((2, 2), (2, 2)), second={"window": 3, "padding": 1}),
    "bands of pixels": lambda: banded(Tanh(), ((2, 2), (2, 2)), 18, second={"window": 1}),
    "bands of steps": lambda: banded(ReLU(), ((2, 2), (2, 2)), 3, second={"window": 2, "stride": 2}),
    "relu": lambda: pooled(ReLU()),
    "overlapping windows": lambda: pooled(ReLU(), overlap=True),
    "slope of the input": lambda: pooled(GELU()),
    "penalty of activities": lambda: pooled(ReLU(), penalty=L1L2(0.01, 0.02)),
    "normalized": lambda: pooled(
        *(Linear(), True),
        between=[
            BatchNormalization(5, 5, map_in=(8, 8), map_out=(8, 8), bias=True),
            Elementwise(5, 5, map_in=(8, 8), map_out=(8, 8), activation=ReLU()),
            Dropout(5, 5, map_in=(8, 8), map_out=(8, 8), rate=0.3, spatial=True),
        ],
    ),
    "frozen below": lambda: [op.replace(trainable=i > 1) for i, op in enumerate(pooled(ReLU()))],
    "frozen above": lambda: [op.replace(trainable=i != 2) for i, op in enumerate(pooled(ReLU()))],
}


def stacked(engine, dtype, steps):
    program = assemble(steps, np.dtype(dtype), MeanSquaredError(), SGD(0.05, momentum=0.9))
    net = engine(program, program.new_arena())
    rng = np.random.default_rng(4)
    for op in program.steps:
        if op.rows:
            lines = rng.uniform(-1, 1, size=(op.rows, op.outputs)) / np.sqrt(op.rows)
            lines[3:4] = np.abs(lines[3:4]) + 0.5  # a moving variance, where there is one
            program.write(net.arena[0], op, op.arrays(lines.astype(np.float32).astype(dtype)))
    return net


@pytest.mark.parametrize("name", STACKS)
def test_maps_go_through_networks(core, name):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(21, STACKS[name]()[0].positions_in * 2)).astype(np.float32)
    y = rng.normal(size=(21, 3)).astype(np.float32)
    twin = stacked(engines("float64")["reference"], "float64", STACKS[name]())
    twin_losses, twin_outputs = train(twin, x.astype(float), y.astype(float), batch=8, seed=SEED)
    results = []
    for threads, long_step in ((1, 1e30), (2, 1e30), (3, 0.0)):
        net = stacked(core.Engine, core.REAL, STACKS[name]())
        net.long_step = long_step
        given = x.astype(core.REAL), y.astype(core.REAL)
        results.append([*train(net, *given, batch=8, threads=threads, seed=SEED), np.array(net.arena)])
        results[-1] += [net.predict(Source(given[0]), threads), *net.gradient(Source(given[0]), Source(given[1]), None)]
    close(results[0][0], twin_losses, core.REAL, 100, "losses")
    close(results[0][1], twin_outputs, core.REAL, 100, "outputs")
    close(results[0][3], twin.predict(Source(x.astype(float))), core.REAL, 100, "predict")
    for actual, right in zip(weights_of(net), weights_of(twin), strict=True):
        close(actual, right, core.REAL, 100, "weights")
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("make", [convolution, transposed])
def test_frozen_products_have_no_gradient_of_their_own(make):
    op = make(2, 3, 5, 3).replace(trainable=False)
    x = np.ones((op.positions_in, 2))
    d, W, b = np.ones((op.positions_out, 3)), np.ones((op.kernel_rows, 3)), np.zeros(3)
    dx, own = op.backward(d, x, d, None, [W, b])
    assert dx.shape == x.shape and own == []


@pytest.mark.parametrize("channels", [32, 80])
def test_fewer_products_are_about_as_exact(core, channels):
    """The largest error of winograd.h is at most ten times that of the sum, term after term; it is smaller."""
    rng = np.random.default_rng(6)
    op = convolution(channels, 32, 12, 3, activation=Linear())
    program = assemble([op, Permutation(32, 3200, map_in=(10, 10))], core.REAL, MeanSquaredError(), SGD(0.1))
    net = core.Engine(program, program.new_arena())
    W = (rng.normal(size=(9 * channels, 32)) / np.sqrt(9 * channels)).astype(core.REAL)
    program.write(net.arena[0], op, [W, np.zeros(32, core.REAL)])
    x = np.abs(rng.normal(size=(2, 12, 12, channels))).astype(core.REAL)
    right, summed = np.zeros((2, 10, 10, 32), np.longdouble), np.zeros((2, 10, 10, 32), core.REAL)
    for k, (row, column) in enumerate(np.ndindex(3, 3)):
        seen = x[:, row : row + 10, column : column + 10]
        right += seen.astype(np.longdouble) @ W[k * channels : (k + 1) * channels].astype(np.longdouble)
        for c in range(channels):
            summed += seen[..., c : c + 1] * W[k * channels + c]
    found = net.predict(Source(x.reshape(2, -1)), 1).reshape(right.shape)
    assert np.abs(found - right).max() <= 10 * np.abs(summed - right).max()
