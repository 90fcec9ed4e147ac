"""Dropout and noise: twins, statistics with bounds from their distributions, and what the numbers may depend on."""

import pickle
from math import erf, log, sqrt

import numpy as np
import pytest
from numerics import assemble, eps, train

from fastnn import Sequential
from fastnn.basics import counter
from fastnn.engine.source import Source
from fastnn.layers import AlphaDropout, Dense, Dropout, GaussianDropout, GaussianNoise, Input, Permute, Reshape
from fastnn.operations.randomness import SATURATION
from fastnn.optimizers import SGD
from fastnn.random import SeedGenerator

ROWS, COLUMNS = 400, 250
COUNT = ROWS * COLUMNS
# Each statistic below lies within this many deviations of its mean but for one seed in 10^5 (the seeds are fixed).
SIGMAS = 4.5
SEEDS = (0, 1, (1 << 63) - 1)


def seen(core, layer, rows=ROWS, columns=COLUMNS, seed=0, steps=1, threads=1, value=1.0):
    """What a layer makes of a batch of one value in training, step by step: float64 (steps, rows, columns).

    The network is the layer and a product with the unit matrix; sums of zeros leave the numbers as they are.
    """
    layers = [Input(columns), layer, Dense(columns, use_bias=False)]
    net = assemble(core.Engine, core.REAL, layers, "mse", SGD(0.0))
    net.program.write(net.arena[0], net.program.steps[-1], [np.eye(columns)])
    x = np.full((rows * steps, columns), value, dtype=core.REAL)
    _, outputs = train(net, x, x, batch=rows, threads=threads, seed=seed)
    return outputs.astype(float).reshape(steps, rows, columns)


def correlation(a, b):
    """Of two lists of numbers, times the root of their length: a normal number where they are independent."""
    a, b = (x.ravel() - x.mean() for x in (a, b))
    return float((a * b).sum() / sqrt((a * a).sum() * (b * b).sum()) * sqrt(a.size))


def kolmogorov(values, distribution):
    """sqrt(n) times the largest distance of the empirical distribution function."""
    n = len(values)
    expected = distribution(np.sort(values))
    return sqrt(n) * max(np.abs(expected - np.arange(n) / n).max(), np.abs(expected - np.arange(1, n + 1) / n).max())


def normal_distribution(x):
    """Phi."""
    return np.array([(1 + erf(value / sqrt(2))) / 2 for value in x.tolist()])


# -- twins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 1 << 32, (1 << 64) - 1])
@pytest.mark.parametrize("stream", [0, 5, (3 << 48) ^ 77])
def test_lines(core, seed, stream):
    """The words of a batch, in any place of it; normal numbers within some roundings of log, sqrt, sin and cos."""
    W = core.PANEL_WIDTH
    lines = 64 // W
    words, normals = counter.matrix(seed, stream, 60, 5 * W), counter.normals(seed, stream, 60, 5 * W, W)
    for row in (0, 1, 7, 40):
        for panel in (0, 1, 4):
            part = slice(row, row + lines), slice(panel * W, (panel + 1) * W)
            np.testing.assert_array_equal(core.random_lines(seed, stream, row, panel), words[part])
            found = core.random_lines(seed, stream, row, panel, True)
            # u and v are rounded to the type: by eps / 2 each; log u near u = 1 has an error of eps, its root that of
            # sqrt(eps); elsewhere the angle, up to pi, and the radius err by some eps
            radius = np.hypot(*np.split(normals[part], 2, axis=1))
            bound = 16 * eps(core.REAL) * (1 + radius) + 4 * eps(core.REAL) / np.maximum(radius, sqrt(eps(core.REAL)))
            assert (np.abs(found - normals[part]) <= np.hstack([bound, bound])).all()


@pytest.mark.parametrize("columns", [1, 3, 8, 16, 17, 40])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mask_is_the_counters_words(core, columns, rate):
    """Kept where the word reaches rate 2^32, and divided by 1 - rate."""
    found = seen(core, Dropout(rate), rows=13, columns=columns, seed=9, steps=3)
    for step in range(3):
        kept = counter.matrix(9, (1 << 48) ^ step, 13, columns) >= np.uint32(rate * 2**32)
        np.testing.assert_array_equal(found[step], np.where(kept, core.REAL.type(1 / (1 - rate)), 0))


# -- statistics of dropout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout(core, rate, seed):
    """Only 0 and 1 / (1 - rate); the share of zeros is binomial, in all, in each row and in each column."""
    found = seen(core, Dropout(rate), seed=seed)[0]
    assert set(np.unique(found)) == {0.0, float(core.REAL.type(1 / (1 - rate)))}
    zeros = found == 0
    deviation = sqrt(rate * (1 - rate))
    assert abs(zeros.mean() - rate) < SIGMAS * deviation / sqrt(COUNT)
    assert abs(found.mean() - 1) < SIGMAS * deviation / (1 - rate) / sqrt(COUNT)
    for axis, n in ((0, ROWS), (1, COLUMNS)):
        z = (zeros.mean(axis=axis) - rate) * sqrt(n) / deviation
        # the largest of up to 400 normal numbers: beyond 5.5 once in 60 000 seeds (Bernstein's tail adds some)
        assert np.abs(z).max() < 5.5
        # their mean square has variance (2 + (1 / (p q) - 6) / n) / m, near 2 / m
        assert abs((z * z).mean() - 1) < SIGMAS * sqrt(2.2 / len(z))


@pytest.mark.parametrize("layer", [Dropout(0.5), Dropout(0.2), GaussianNoise(1.0), GaussianDropout(0.4)], ids=repr)
def test_independence(core, layer):
    """Of steps, seeds, rows, columns, halves of a panel and neighbours: correlations are normal of variance 1 / n."""
    found = seen(core, layer, steps=3)
    other = seen(core, layer, seed=1)[0]
    W = core.PANEL_WIDTH
    pairs = {
        "steps": (found[0], found[1]),
        "steps further apart": (found[0], found[2]),
        "seeds": (found[0], other),
        **{f"rows {k} apart": (found[0][k:], found[0][:-k]) for k in (1, 2, 4, 8, 64)},
        **{f"columns {k} apart": (found[0][:, k:], found[0][:, :-k]) for k in (1, 2, 4, W // 2, W)},
        "diagonals": (found[0][1:, 1:], found[0][:-1, :-1]),
        "a row and a column": (found[0][:COLUMNS, :COLUMNS], found[0][:COLUMNS, :COLUMNS].T),
    }
    for name, (a, b) in pairs.items():
        if name == "a row and a column":  # each pair twice, and the diagonal with itself, left out
            upper = np.triu_indices(COLUMNS, 1)
            a, b = a[upper], b[upper]
        assert abs(correlation(a, b)) < SIGMAS, name
        squares = ((x - x.mean()) ** 2 for x in (a, b))
        assert isinstance(layer, Dropout) or abs(correlation(*squares)) < SIGMAS, f"squares: {name}"


def test_two_layers_draw_apart(core):
    """The stream is the layer's place in the program."""
    layers = [Input(COLUMNS), Dropout(0.5), Dropout(0.5), Dense(COLUMNS, use_bias=False)]
    net = assemble(core.Engine, core.REAL, layers, "mse", SGD(0.0))
    net.program.write(net.arena[0], net.program.steps[-1], [np.eye(COLUMNS)])
    x = np.ones((ROWS, COLUMNS), dtype=core.REAL)
    _, outputs = train(net, x, x, batch=ROWS)
    assert abs((outputs != 0).mean() - 0.25) < SIGMAS * sqrt(0.25 * 0.75 / COUNT)


# -- statistics of noise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_noise(core, seed):
    """Mean, variance, third and fourth moment, and the whole distribution."""
    x = seen(core, GaussianNoise(1.0), seed=seed, value=0.0).ravel()
    n = x.size
    # variances of the means of x^k: 1, 2, 15, 96 over n
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - moment) < SIGMAS * sqrt(variance / n)
    # Kolmogorov's limit: P(K > k) = 2 exp(-2 k^2) is 10^-5 at this k
    assert kolmogorov(x, normal_distribution) < sqrt(log(2e5) / 2)
    # the largest of n normal numbers: P(|x| > 6) n = 2e-4
    assert 3.8 < np.abs(x).max() < 6
    assert not (x == 0).any()


def test_noise_has_its_deviation(core):
    """Scaled, and added to what is there."""
    one = seen(core, GaussianNoise(1.0), value=0.0)
    half = seen(core, GaussianNoise(0.5), value=2.0)
    # one rounding of the sum, whose terms lie below 5
    assert np.abs(half - (2 + 0.5 * one)).max() < 5 * eps(core.REAL)


def test_radius_and_angle(core):
    """Box and Muller's pairs, half a panel apart: the squared radius is exponential, the angle uniform."""
    W = core.PANEL_WIDTH
    x = seen(core, GaussianNoise(1.0), columns=16 * W, value=0.0)[0].reshape(ROWS, -1, 2, W // 2)
    a, b = x[:, :, 0].ravel(), x[:, :, 1].ravel()
    assert kolmogorov(a * a + b * b, lambda r: 1 - np.exp(-r / 2)) < sqrt(log(2e5) / 2)
    assert kolmogorov(np.arctan2(a, b), lambda angle: 0.5 + angle / (2 * np.pi)) < sqrt(log(2e5) / 2)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(core, rate):
    """What is dropped becomes what SELU makes of very negative numbers; then s x + t. Keras' formula."""
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(core.REAL)
    model = Sequential([Input(COLUMNS), AlphaDropout(rate)], rng=0, dtype=core.REAL.name)
    out = model(x, training=True).astype(float)
    s = ((1 - rate) * (1 + rate * SATURATION**2)) ** -0.5
    t = -s * SATURATION * rate
    dropped = np.isclose(out, s * SATURATION + t, atol=1e-6)
    np.testing.assert_allclose(out[~dropped], (s * x + t)[~dropped], atol=1e-5)
    assert abs(dropped.mean() - rate) < SIGMAS * sqrt(rate * (1 - rate) / COUNT) + 1e-5
    assert abs(out.mean()) < SIGMAS * 2 / sqrt(COUNT) and abs(out.var() - 1) < 0.03
    np.testing.assert_array_equal(model.predict(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_gaussian_dropout_multiplies_by_normal_numbers(core, rate):
    found, deviation = seen(core, GaussianDropout(rate), value=2.0)[0] / 2, sqrt(rate / (1 - rate))
    assert abs(found.mean() - 1) < SIGMAS * deviation / sqrt(COUNT)
    assert abs(found.std() / deviation - 1) < SIGMAS / sqrt(2 * COUNT)
    noise = seen(core, GaussianNoise(deviation), value=0.0)[0]  # the same draws
    np.testing.assert_allclose(found, 1 + noise, atol=1e-6)
    assert not seen(core, GaussianDropout(rate), value=0.0).any()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("noise_shape", "same"),
    [((None, 1, 4), 1), ((None, 5, 1), 2), ((1, 5, 4), 0), ((1, 1, None), (0, 1)), ((None, 1, 1), (1, 2)), (None, ())],
)
def test_a_noise_shape_shares_draws(engine, noise_shape, same):
    """Ones in it are axes along which all numbers are kept or dropped together, and no others are."""
    model = Sequential([Input((5, 4)), Dropout(0.5, noise_shape)], rng=0, engine=engine)
    mask = model(np.ones((30, 5, 4)), training=True)
    for axis in range(3):
        together = (mask == mask.take([0], axis)).all()
        assert together == (axis in np.atleast_1d(same)), axis
    model = Sequential([Input((5, 4)), Dropout(0.5, noise_shape), Reshape((20,)), Dense(20)], rng=0, engine=engine)
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(np.ones((30, 5, 4)), np.ones((30, 20)), verbose=0).history["loss"][0])


def test_both_engines_share_the_same_draws():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 5, 4)), rng.normal(size=(20, 3))
    found = []
    for engine in ("compiled", "reference"):
        stack = [Dropout(0.3, (None, 1, 4), seed=2), AlphaDropout(0.2, (1, 5, 4)), Permute((2, 1)), Reshape((20,))]
        model = Sequential(
            [Input((5, 4)), *stack, GaussianDropout(0.1), Dense(3)], rng=1, engine=engine, dtype="float64"
        )
        model.compile("adam", "mse")
        found.append(model.fit(x, y, batch_size=7, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_a_seed_of_the_layer_decides_its_draws(core):
    """Whatever the model's seed and wherever the layer stands; a SeedGenerator gives its next seed."""
    for kind in (Dropout, AlphaDropout, GaussianDropout, GaussianNoise):
        one, other, free = (seen(core, kind(0.5, seed=7), seed=seed) for seed in (0, 1)), kind(0.5, seed=8), kind(0.5)
        one, again = one
        np.testing.assert_array_equal(one, again)
        assert (one != seen(core, other)).any() and (seen(core, free) != seen(core, free, seed=1)).any()
    x = np.ones((4, 6))
    first, second = (
        Sequential([Input(6), *before, Dropout(0.5, seed=3)], rng=rng)(x, training=True)
        for before, rng in (([], 0), ([Dropout(0.0), GaussianNoise(1e-9)], 1))
    )
    np.testing.assert_allclose(first, second, atol=1e-6)
    generator = SeedGenerator(5)
    assert Dropout(0.5, seed=generator).seed == SeedGenerator(5).next() != Dropout(0.5, seed=generator).seed


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dropout(0.5, seed=-1), ValueError, "Dropout: seed must be a seed of 0 or more, got -1"),
        (lambda: GaussianNoise(0.5, seed="a"), TypeError, "GaussianNoise: seed must be None, a whole number"),
        (lambda: GaussianDropout(1.0), ValueError, "GaussianDropout: rate must lie in"),
        (lambda: Dropout(0.5, 3), TypeError, "noise_shape must be a tuple such as"),
        (lambda: Dropout(0.5, (None, 0)), ValueError, "each of noise_shape must be 1 or more, got 0"),
        (lambda: Sequential([Input(3), Dropout(0.5, (None, 2))]), ValueError, "noise_shape must be .rows, ....* .3,"),
        (lambda: Sequential([Input(3), AlphaDropout(0.5, (3,))]), ValueError, "AlphaDropout: noise_shape must be"),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# -- what the numbers depend on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer", [Dropout(0.3), Dropout(0.3, seed=4), AlphaDropout(0.2), GaussianNoise(0.7), GaussianDropout(0.2)], ids=repr
)
def test_same_bits_for_any_threads_and_batch(core, layer):
    """Row r of a step draws the same numbers however many rows and threads there are; columns too."""
    found = seen(core, layer, rows=50, columns=40, steps=3)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(seen(core, layer, rows=50, columns=40, steps=3, threads=threads), found)
    np.testing.assert_array_equal(seen(core, layer, rows=17, columns=40, steps=3), found[:, :17])
    np.testing.assert_array_equal(seen(core, layer, rows=50, columns=23, steps=3), found[:, :, :23])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_resumed_training_draws_the_same(engine, dtype):
    """Pickled in the middle: the same bits as in one go."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(70, 6)), rng.normal(size=(70, 2))

    def model():
        layers = [Input(6), Dropout(0.2), Dense(9, "tanh"), GaussianNoise(0.3), Dropout(0.5), Dense(2)]
        out = Sequential(layers, rng=4, dtype=dtype, engine=engine)
        out.compile(optimizer="adam", loss="mse")
        return out

    whole, parts = model(), model()
    expected = whole.fit(x, y, epochs=4, batch_size=16, verbose=0).history["loss"]
    found = parts.fit(x, y, epochs=2, batch_size=16, verbose=0).history["loss"]
    parts = pickle.loads(pickle.dumps(parts))
    found = [*found, *parts.fit(x, y, epochs=2, batch_size=16, verbose=0).history["loss"]]
    assert found == expected
    np.testing.assert_array_equal(whole.arena, parts.arena)


@pytest.mark.parametrize("layer", [Dropout(0.5), GaussianNoise(1.0)], ids=repr)
def test_nothing_happens_outside_of_training(core, layer):
    """Predict and evaluate are the identity there."""
    layers = [Input(5), layer, Dense(5, use_bias=False)]
    net = assemble(core.Engine, core.REAL, layers, "mse", SGD(0.1))
    net.program.write(net.arena[0], net.program.steps[-1], [np.eye(5)])
    x = np.random.default_rng(7).normal(size=(20, 5)).astype(core.REAL)
    np.testing.assert_array_equal(net.predict(Source(x), 1), x)
    losses = np.ones(20)
    net.evaluate(Source(x), Source(x), None, 0, 20, losses, None, 1)
    assert (losses == 0).all()
