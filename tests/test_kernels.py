"""Each activation, loss and optimizer kernel against its NumPy twin: one catalogue, every CPU level, both number types.

A check takes the core as an argument, so that test_test_of_tests.py can hand it a broken one.
"""

import numpy as np
import pytest
from numerics import (
    assert_close,
    build,
    derivative,
    eps,
    extremes,
    from_panels,
    guard,
    intact,
    normal,
    padding,
    sizes,
    targets,
    to_panels,
    train,
)

from fastnn import activations, losses, optimizers
from fastnn.augmentation import Changes, ImageAugmentation
from fastnn.basics import backend
from fastnn.constraints import norm
from fastnn.losses.classes import shares

ACTIVATIONS = [
    *(entry() for entry in activations.ENTRIES),
    activations.LeakyReLU(0.0),
    activations.LeakyReLU(1.5),
    activations.ELU(0.3),
    activations.Sigmoid(0.7),
    activations.Tanh(1.3),
    activations.ClippedReLU(0.1, 2.0, 0.5),
    activations.ClippedReLU(0.0, 1.0, -0.5),
    activations.CELU(0.4),
    activations.Squareplus(0.1),
    activations.Threshold(0.4, -1.0),
    activations.SoftShrink(0.2),
]
LOSSES = [
    *(entry() for entry in losses.ENTRIES),
    losses.Huber(0.3),
    losses.BinaryCrossentropy(limited=True),
    losses.SparseCategoricalCrossentropy(limited=True),
    losses.BinaryCrossentropyFromLogits(limited=True),
    losses.SparseCategoricalCrossentropyFromLogits(limited=True),
    *(entry(label_smoothing=0.1) for entry in losses.ENTRIES if issubclass(entry, losses.Smoothed)),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.5, label_smoothing=0.1),
    losses.BinaryFocalCrossentropy(gamma=0.0),
    losses.CategoricalFocalCrossentropy(1.0, 0.5, label_smoothing=0.1),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.5, label_smoothing=0.1).of_logits(),
    losses.BinaryFocalCrossentropy(gamma=0.0).of_logits(),
    losses.CategoricalFocalCrossentropy(1.0, 0.5, label_smoothing=0.1).of_logits(),
    losses.CategoricalFocalCrossentropy(gamma=0.0).of_logits(),
]
FROM_LOGITS = (
    losses.BinaryCrossentropyFromLogits,
    losses.CategoricalCrossentropyFromLogits,
    losses.SparseCategoricalCrossentropyFromLogits,
    losses.BinaryFocalCrossentropyFromLogits,
    losses.CategoricalFocalCrossentropyFromLogits,
)
FOCAL = (losses.BinaryFocalCrossentropy, losses.CategoricalFocalCrossentropy)
DIVIDED = (
    losses.CategoricalCrossentropy,
    losses.SparseCategoricalCrossentropy,
    losses.CategoricalFocalCrossentropy,
)
OPTIMIZERS = {  # by the name of the kernel
    "sgd": optimizers.SGD(0.1),
    "momentum": optimizers.SGD(0.1, momentum=0.9),
    "nesterov": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(0.1),
    "rmsprop_momentum": optimizers.RMSprop(0.1, momentum=0.9),
    "adam": optimizers.Adam(0.1),
    "amsgrad": optimizers.Adam(0.1, amsgrad=True),
    "adagrad": optimizers.Adagrad(0.1),
    "adadelta": optimizers.Adadelta(0.1),
    "adamax": optimizers.Adamax(0.1),
    "nadam": optimizers.Nadam(0.1),
    "lion": optimizers.Lion(0.1),
    "rmsprop_centered": optimizers.RMSprop(
        0.1, epsilon=1.0, centered=True
    ),  # a small one divides by a difference of equals
    "rmsprop_centered_momentum": optimizers.RMSprop(0.1, momentum=0.9, epsilon=1.0, centered=True),
    "ftrl": optimizers.Ftrl(1.0, l1_regularization_strength=0.1),
    "schedule_free_adamw": optimizers.ScheduleFreeAdamW(0.1),
}
WHOLE_WEIGHTS = {  # those that look at whole weights: test_optimizers.py compares them with their twins
    "lamb": optimizers.Lamb(0.1),
    "adafactor": optimizers.Adafactor(0.1),
    "muon": optimizers.Muon(0.1),
}
# Finite differences need float64; the float32 kernels are held to the same twins.
IN_FLOAT64 = pytest.mark.parametrize("core", [f"{level}_float64" for level in backend.levels()], indirect=True)
SHIFTS = (0, 1)  # numbers from the start of a cache line: aligned or not


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
    known = OPTIMIZERS | WHOLE_WEIGHTS
    assert {optimizer.kernel: name for name, optimizer in known.items()} == dict(enumerate(core.optimizer_names()))
    # AdamW is Adam with another default
    assert {type(optimizer) for optimizer in known.values()} | {optimizers.AdamW} == set(optimizers.ENTRIES)
    assert optimizers.AdamW().kernel == optimizers.Adam().kernel


# -- activations -----------------------------------------------------------------------------------------------------


def forward_terms(activation, z, a):
    """Sum of the absolute terms of a = f(z), to which its rounding errors are relative; z, a (rows, n)."""
    if isinstance(activation, (activations.GELU, activations.GELUTanh)):
        return np.abs(a) + np.abs(z)  # z times a distribution that is exact to some ULP of 1
    if isinstance(activation, (activations.HardSiLU, activations.TanhShrink)):
        return np.abs(a) + np.abs(z)  # z (z / 6 + 1 / 2), z - tanh z
    if isinstance(activation, (activations.HardSigmoid, activations.LogSoftmax)):
        return np.abs(a) + 1  # z / 6 + 1 / 2, z - log sum
    slope = getattr(activation, "slope", 1.0)
    # slope z is rounded, but not where the compiler fuses it with the next sum: exp magnifies that by slope z
    return np.abs(a) * (1 + (0 if slope == 1 else np.minimum(np.abs(slope * z), 1000)))


def slope_terms(activation, v):
    """Sum of the absolute terms of the derivative; where 1 - s or 1 - t^2 cancels, errors are relative to 1.

    Beyond the bounds here these are 1 to the last bit, on both sides.
    """
    u = np.abs(v)
    if isinstance(activation, (activations.SiLU, activations.Mish)):
        return 2 + np.minimum(u, 40)
    if isinstance(activation, activations.GELUTanh):
        u = np.minimum(u, 8)
        return 2 + u * (1 + 0.134 * u * u)
    return 2


def check_activation(core, activation, z, d, shift=0):
    """Forward and backward against the twin, for samples z (rows, n) and d = dL/da; returns nothing."""
    h, W, n = parameters(activation), core.PANEL_WIDTH, z.shape[1]
    info = np.finfo(core.REAL)
    # 4 ULP each for an elementary function here and in NumPy, and one rounding for each term of a sum over the row
    tolerance = (8 + n * activation.blockwise) * eps(core.REAL)
    for block, slope in zip(blocks(z, W), blocks(d, W), strict=True):
        with np.errstate(all="ignore"):
            expected = activation.forward(block.T).T
            (a,) = intact(core.activation_forward(activation.kernel, guard(block, shift), h))
            assert_close(a, expected, tolerance * forward_terms(activation, block, expected) + info.tiny, "forward")
            v = block if activation.keeps_input else a
            expected = activation.backward(v.T, slope.T).T
            scale = np.abs(expected) + np.abs(slope) * slope_terms(activation, v)
            if activation.blockwise:  # sum a d or sum d cancels
                p, q = (1, a) if activation.name == "softmax" else (np.exp(a), 1)
                scale = scale + p * np.abs(q * slope).sum(axis=0)
            scale = np.where(np.isnan(scale), 0, scale)  # an infinite slope behind a unit that is off: exactly 0
            (back,) = intact(core.activation_backward(activation.kernel, guard(v, shift), guard(slope, shift), h))
            assert_close(back, expected, tolerance * scale + 4 * info.smallest_subnormal, "backward")


def check_activation_derivative(core, activation):
    """The kernel's backward against differences of its own forward, in float64, one output at a time."""
    rng, W, h = np.random.default_rng(1), core.PANEL_WIDTH, parameters(activation)
    z, d = normal(core, rng, 7, W), normal(core, rng, 7, W)
    z += np.copysign(0.1, z)  # away from the kink at 0; hard_sigmoid's are at 3 and -3
    assert np.abs(np.abs(z) - 3).min() > 0.001
    v = z if activation.keeps_input else core.activation_forward(activation.kernel, z, h)
    back = core.activation_backward(activation.kernel, v, d, h)
    for k in range(len(z)):

        def weighted(step, k=k):
            moved = z.copy()
            moved[k] += step
            return (d * core.activation_forward(activation.kernel, moved, h)).sum(axis=0)

        # h^4 / 30 = 2e-15 times fifth derivatives below 1000; rounding eps / h = 5e-13, of erfc four times it
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
            tolerance = 8 * eps(core.REAL)
            expected = activation.forward(z)
            assert_close(a, expected, tolerance * forward_terms(activation, z, expected))
            v = z if activation.keeps_input else a
            (back,) = intact(core.activation_backward(activation.kernel, v, guard(d), parameters(activation)))
            expected = activation.backward(v, d)
            assert_close(back, expected, tolerance * (np.abs(expected) + np.abs(d) * slope_terms(activation, v)))


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


def suited(loss, n):
    """The loss for n outputs: quantiles of two targets or of one; a number of outputs that the loss can have."""
    if isinstance(loss, losses.Quantile):
        count = n // 2 if n % 2 == 0 else n
        return losses.Quantile([(k + 1) / (count + 1) for k in range(count)]), n
    return loss, n + n % 2 if isinstance(loss, losses.GaussianNLL) else n


def loss_terms(loss, a, t, values, slope):
    """Sums of the absolute terms of losses (rows,) and slopes (rows, n): rounding errors are relative to them."""
    value, by_output, n = np.abs(values), np.abs(slope), a.shape[1]
    smoothing = getattr(loss, "label_smoothing", 0) > 0  # y itself is rounded then: by eps of 1
    if isinstance(loss, FROM_LOGITS):  # the largest term is a logit, and p - t cancels
        total = 1 + (np.ones(len(a)) if loss.targets == "labels" else t.sum(axis=1))
        return value + (1 + np.abs(a).max(axis=1)) * total, by_output + total[:, None]
    if isinstance(loss, losses.LogCosh):  # |e| + log(1 + exp(-2 |e|)) - log 2
        value = value + 1
    elif isinstance(loss, losses.Poisson):
        x = a + 1e-7
        return (np.abs(a) + np.abs(t * np.log(x))).mean(axis=1), (1 + np.abs(t / x)) / n
    elif isinstance(loss, (losses.Hinge, losses.SquaredHinge)):
        x = (1 + np.abs(a)) ** (2 if isinstance(loss, losses.SquaredHinge) else 1)
        return value + x.mean(axis=1), by_output + np.where(slope != 0, (1 + np.abs(a)) / n, 0)
    elif isinstance(loss, losses.GaussianNLL):
        m, s = np.split(a, 2, axis=1)
        e2 = (m - t) ** 2 * np.exp(-s)
        return (np.abs(s) + e2).mean(axis=1), by_output + np.hstack([0 * e2, (1 + e2) * 2 / n])
    elif isinstance(loss, losses.MeanSquaredLogarithmicError):
        q, y = np.log(np.maximum(a, 1e-7) + 1), np.log(np.maximum(t, 1e-7) + 1)
        terms = 1 + q + y  # p + 1 is rounded before its logarithm is taken
        return value + (np.abs(q - y) * terms).mean(axis=1), by_output + np.where(a > 0, terms / (1 + a), 0) / n
    elif isinstance(loss, losses.CosineSimilarity):
        u, v = (np.abs(x) / np.maximum(norm(x, axis=1)[:, None], 1e-6) for x in (a, t))
        cosine = (u * v).sum(axis=1)
        return cosine, (u * cosine[:, None] + v) / np.maximum(norm(a, axis=1)[:, None], 1e-6)
    elif isinstance(loss, losses.CategoricalHinge):
        return value + 1 + np.abs(a).sum(axis=1), by_output
    elif isinstance(loss, losses.KLDivergence):
        y, q = np.maximum(t, 1e-7), np.clip(a, 1e-7, 1)
        value = (y * (np.abs(np.log(y)) + np.abs(np.log(q)))).sum(axis=1)
    elif isinstance(loss, losses.BinaryCrossentropy) and smoothing:
        q = np.clip(a, 1e-7, 1 - 1e-7)
        value = (np.abs(np.log(q)) + np.abs(np.log(1 - q))).mean(axis=1)
        by_output = by_output + np.where(slope != 0, 1 / (q * (1 - q)) / n, 0)
    elif isinstance(loss, DIVIDED):  # p = a / sum a is rounded, and the difference of two terms is divided by the sum
        p, sums = shares(a)
        lost = np.abs(a).sum(axis=1, keepdims=True) / np.abs(sums)
        q = np.clip(p, 1e-7, 1 - 1e-7)
        y = loss.smooth(np.eye(n)[t[:, 0].astype(int)] if loss.targets == "labels" else t, n)
        terms = y / q
        if isinstance(loss, FOCAL):
            logarithm, worst = np.abs(np.log(q)) + 1, 1 + loss.gamma * 17
            terms = loss.alpha * y * (1 - q) ** loss.gamma * (loss.gamma * logarithm / (1 - q) + 1 / q) * worst
        value = value + (terms * q * lost).sum(axis=1)
        if isinstance(loss, FOCAL):
            terms = terms * (1 + (loss.gamma + 1) * q / (1 - q))
        terms = np.where(np.abs(p - q) < 1e-12, terms, 0) * lost
        return value, (terms + (terms * q).sum(axis=1, keepdims=True)) / np.abs(sums)
    elif isinstance(loss, FOCAL):  # the exponent gamma log(miss) is rounded, and exp magnifies that by the exponent
        q = np.clip(a, 1e-7, 1 - 1e-7)
        worst = 1 + loss.gamma * 17  # -log 1e-7 is 16.2
        value = value * worst
        y = loss.smooth(t, 2)  # the slope's two terms have any sign
        miss = y * (1 - q) + (1 - y) * q
        ce = np.abs(np.log(q)) + np.abs(np.log(1 - q))
        value = value + smoothing * (miss**loss.gamma * ce).mean(axis=1)
        by_output = miss**loss.gamma * (1 / (q * (1 - q)) + loss.gamma * ce / miss) / n
        by_output = np.where(slope != 0, by_output * worst, 0)
    return value, by_output


def check_loss(core, loss, a, t, shift=0):
    """Outputs, losses and derivatives against the twin, for samples a (rows, n), targets t (rows, n) or (rows, 1)."""
    W, n = core.PANEL_WIDTH, a.shape[1]
    # log, exp and log1p within 4 ULP on both sides, one rounding for each term of a sum over the row
    tolerance = (10 + n) * eps(core.REAL)
    tiny = np.finfo(core.REAL).tiny
    for block, target in zip(blocks(a, W), blocks(t, W), strict=True):
        with np.errstate(all="ignore"):
            out, e, d = core.loss(loss.kernel, guard(block, shift), guard(target, shift), parameters(loss))
            out, d = intact(out, d)
            activated = loss.activate(block.T).T
            values, slope = loss.evaluate(block.T, target.T)
            value_terms, slope_terms = loss_terms(
                loss, block.T.astype(float), target.T.astype(float), values.astype(float), slope.astype(float)
            )
            assert_close(out, activated, tolerance * np.abs(activated) + tiny, "outputs")
            assert_close(e, values, tolerance * value_terms + tiny, "loss")
            assert_close(d, slope.T, tolerance * slope_terms.T + tiny, "slope")


def samples(core, loss, rng, rows, n):
    """Outputs that the loss can see, away from the clip at 0 and 1, and targets, both of the core's type."""
    a = rng.uniform(0.2, 0.8, (rows, n))
    if isinstance(loss, FROM_LOGITS) or loss.targets in ("numbers", "signs"):
        a = (1 if isinstance(loss, losses.GaussianNLL) else 3) * rng.normal(size=(rows, n))
    return a.astype(core.REAL), targets(loss, rng, rows, n).reshape(rows, -1).astype(core.REAL)


def check_loss_derivative(core, loss):
    """The kernel's slope against differences of its own loss, in float64."""
    loss, n = suited(loss, 5)
    a, t = (x.T.copy() for x in samples(core, loss, np.random.default_rng(2), core.PANEL_WIDTH, n))
    _, _, d = core.loss(loss.kernel, a, t, parameters(loss))
    for k in range(len(a)):

        def moved(step, k=k):
            b = a.copy()
            b[k] += step
            return core.loss(loss.kernel, b, t, parameters(loss))[1]

        # h^4 / 30 = 2e-15 times 4! / 0.2^5 = 75000 of the logarithm; rounding eps |e| / h = 5e-12. No kink of mae,
        # huber, hinge or quantile lies within a step: the differences would be wrong by far more.
        assert_close(d[k], derivative(moved, 0.0), 5e-10, f"derivative by output {k}")


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_loss(core, rng, loss):
    """Edge numbers of outputs, aligned and not."""
    for n in sizes(core):
        fitting, n = suited(loss, n)
        for shift in SHIFTS:
            check_loss(core, fitting, *samples(core, fitting, rng, core.PANEL_WIDTH, n), shift)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_loss_extremes(core, rng, loss):
    """Beyond the clip, where the exponential over- or underflows, and where there is no number: as in the twin."""
    values = extremes(core)
    for n in (1, 2, 5):
        fitting, n = suited(loss, n)
        a, t = samples(core, fitting, rng, len(values), n)
        for column in (0, -1):
            b = a.copy()
            b[:, column] = values
            check_loss(core, fitting, b, t)
            check_loss(core, fitting, b, np.zeros_like(t))
            check_loss(core, fitting, b, np.full_like(t, n - 1 if loss.targets == "labels" else 1))


@IN_FLOAT64
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
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


@pytest.mark.parametrize("name", [*OPTIMIZERS, *WHOLE_WEIGHTS])
def test_padding_stays_zero(core, name):
    """Behind the columns of the last panel weights stay zero and slots as they begin, whatever the activations."""
    for activation in ACTIVATIONS:
        for bias in (True, False):
            engine = build(
                core.Engine,
                core.REAL,
                (3, 5, 9, 2),
                [activation, "tanh", activation],
                "mae",
                (OPTIMIZERS | WHOLE_WEIGHTS)[name],
                bias,
            )
            before = engine.arena.copy()
            rng = np.random.default_rng(5)
            train(engine, normal(core, rng, 21, 3), normal(core, rng, 21, 2))
            outside = padding(engine)
            assert (engine.arena[:1, outside] == 0).all()
            assert (engine.arena[2:, outside] == 0).all()
            # adagrad's slot begins at a number; of a gradient that is zero it stays there
            np.testing.assert_array_equal(engine.arena[1:2, outside], before[1:2, outside])
            assert activation.name == "step" or (engine.arena != before)[:, ~outside].any()


EPSILONS = [entry for entry in optimizers.ENTRIES if "epsilon" in entry._fields]


@pytest.mark.parametrize("entry", EPSILONS)
@pytest.mark.parametrize("epsilon", [0.0, 1e-31, -1.0, np.nan])
def test_epsilon_that_divides_zero_by_zero_is_refused(entry, epsilon):
    """The padding's gradient is zero: an epsilon that float32 rounds to zero would make it 0 / 0."""
    with pytest.raises(ValueError, match="epsilon"):
        entry(epsilon=epsilon)


@pytest.mark.parametrize("entry", EPSILONS)
def test_least_epsilon(core, entry):
    """The smallest one that is allowed keeps the padding at zero, and the weights numbers."""
    engine = build(core.Engine, core.REAL, (3, 5, 2), ["tanh", "linear"], "mse", entry(epsilon=1e-30))
    rng = np.random.default_rng(6)
    train(engine, normal(core, rng, 21, 3), normal(core, rng, 21, 2))
    assert np.isfinite(engine.arena[:, ~padding(engine)]).all()
    assert (engine.arena[0, padding(engine)] == 0).all()


# -- augmentation ----------------------------------------------------------------------------------------------------

AUGMENTATIONS = [
    ImageAugmentation(True, True),
    ImageAugmentation(rotation=180),
    ImageAugmentation(shift=(3, 1.5)),
    ImageAugmentation(noise=0.3),
    ImageAugmentation(True, True, rotation=20, shift=(1, 2), noise=0.1),
]


def check_augmentation(core, augmentation, shape, rows=13, shift=0):
    """Images of numbers from 0 to 1: some roundings of the type, those of places in float64, and those of the noise."""
    n, W = int(np.prod(shape)), core.PANEL_WIDTH
    x = np.random.default_rng(0).random((rows, n)).astype(core.REAL)
    changes = Changes(augmentation, shape, 7)
    A = guard(to_panels(x, W), shift)
    core.augment(A, changes, 5, 3)
    (A,) = intact(A)
    expected = changes.apply(x.astype(np.float64), 5, 3, W)
    # log u loses digits near u = 1, where the noise is small (test_randomness.test_lines)
    bound = (8 + 256 * augmentation.noise) * eps(core.REAL) + 16 * max(shape) * eps(np.float64)
    assert_close(from_panels(A, n), expected, bound, f"{augmentation} of {shape}")
    assert (from_panels(A, len(A) * W)[:, n:] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1, 2), (8, 6), (28, 28), (9, 5, 3)])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=repr)
def test_augmentation(core, augmentation, shape):
    """Images of one pixel, of one row and of several channels, one sample and more than a panel of them."""
    for rows in (1, 4, 13):
        check_augmentation(core, augmentation, shape, rows, shift=rows % 2)


def augmented(core, x, augmentation, shape, **named):
    """The images (rows, n) as the kernel changes them."""
    A = to_panels(x, core.PANEL_WIDTH)
    core.augment(A, Changes(augmentation, shape, 0), **named)
    return from_panels(A, x.shape[1])


def test_augmentation_of_a_part_is_a_part(core, rng):
    """Of a batch: bit for bit, wherever it is cut."""
    x = rng.random((11, 48)).astype(core.REAL)
    whole = augmented(core, x, AUGMENTATIONS[-1], (8, 6))
    for cut in (1, 4, 9):
        parts = (x[:cut], 0), (x[cut:], cut)
        found = [augmented(core, part, AUGMENTATIONS[-1], (8, 6), first=first) for part, first in parts]
        np.testing.assert_array_equal(np.concatenate(found), whole)


def test_augmentation_by_whole_pixels_is_exact(core, rng):
    """As test_loop.test_whole_shifts_and_right_angles_are_exact has it of the twin."""
    x = rng.random((5, 36)).astype(core.REAL)
    images = x.reshape(5, 6, 6)

    def changed(choice, **settings):
        choices = np.full((5, 8), float(choice))
        return augmented(core, x, ImageAugmentation(**settings), (6, 6), choices=choices).reshape(5, 6, 6)

    np.testing.assert_array_equal(changed(1, shift=(2, 0)), images[:, [0, 0, 0, 1, 2, 3]])
    np.testing.assert_array_equal(changed(0, shift=(2, 1)), images[:, [2, 3, 4, 5, 5, 5]][:, :, [1, 2, 3, 4, 5, 5]])
    np.testing.assert_array_equal(changed(0, flip_horizontal=True), images[:, :, ::-1])
    np.testing.assert_array_equal(changed(0, flip_vertical=True), images[:, ::-1])
    np.testing.assert_array_equal(changed(0.5, flip_horizontal=True, rotation=90, shift=(9, 9)), images)
    tolerance = 8 * eps(core.REAL)
    assert_close(changed(1, rotation=90), np.rot90(images, axes=(1, 2)), tolerance, "turned")
    assert_close(changed(1, rotation=180), images[:, ::-1, ::-1], tolerance, "turned twice")
    half = changed(1, shift=(0, 0.5))[:, :, 1:]
    assert_close(half, (images[:, :, 1:] + images[:, :, :-1]) / 2, tolerance, "between two pixels")


def test_augmentation_that_does_nothing(core):
    """Not even to the sign of a zero."""
    x = np.array([[-0.0, 0.0, 1.5, np.finfo(core.REAL).max]], dtype=core.REAL)
    assert augmented(core, x, ImageAugmentation(), (2, 2)).tobytes() == x.tobytes()
