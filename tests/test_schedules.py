"""Schedules: PyTorch's and Keras' numbers, one step and arrays of steps, and what the optimizers make of them."""

import copy
import pickle
import time

import numpy as np
import pytest

import fastnn
from fastnn import optimizers, schedules
from fastnn.schedules import (
    Adaptive,
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseTime,
    InvScaling,
    OneCycle,
    Piecewise,
    Polynomial,
    Schedule,
    Step,
    Triangular,
    WarmUp,
)

# Printed by torch 2.13 (lr_scheduler, one optimizer step between two) and Keras 3.15 (float32).
TORCH = {
    "OneCycleLR": (
        OneCycle(0.1, 10),
        range(10),
        [
            0.004,
            0.052,
            0.1,
            0.0950484632,
            0.08117456539,
            0.06112620219,
            0.03887419781,
            0.01882583461,
            0.004951936799,
            4e-07,
        ],
    ),
    "OneCycleLR, other factors": (
        OneCycle(1.0, 7, pct_start=0.6, div_factor=10, final_div_factor=100),
        range(7),
        [0.1, 0.2999933951, 0.7222075446, 0.9913533762, 0.811933156, 0.2837750723, 0.001],
    ),
    "CyclicLR triangular": (
        Triangular(0.1, 0.5, 3),
        range(8),
        [0.1, 0.2333333333, 0.3666666667, 0.5, 0.3666666667, 0.2333333333, 0.1, 0.2333333333],
    ),
    "CyclicLR triangular2": (
        Triangular(0.1, 0.5, 3, mode="triangular2"),
        range(6, 14),
        [0.1, 0.1666666667, 0.2333333333, 0.3, 0.2333333333, 0.1666666667, 0.1, 0.1333333333],
    ),
    "CyclicLR exp_range": (
        Triangular(0.1, 0.5, 3, mode="exp_range", gamma=0.9),
        range(10),
        [0.1, 0.22, 0.316, 0.3916, 0.27496, 0.178732, 0.1, 0.16377292, 0.214791256, 0.2549681956],
    ),
    "StepLR": (Step(0.1, 0.3, 3), range(8), [0.1, 0.1, 0.1, 0.03, 0.03, 0.03, 0.009, 0.009]),
    "CosineAnnealingLR": (
        Cosine(0.1, 5, alpha=0.2),
        range(6),
        [0.1, 0.09236067977, 0.07236067977, 0.04763932023, 0.02763932023, 0.02],
    ),
    "CosineAnnealingWarmRestarts": (
        CosineRestarts(0.1, 3, alpha=0.2),
        range(12),
        [0.1, 0.08, 0.04, 0.1, 0.09464101615, 0.08, 0.06, 0.04, 0.02535898385, 0.1, 0.09863703305, 0.09464101615],
    ),
}
KERAS = {
    "ExponentialDecay": (
        Exponential(0.1, 7, 0.6),
        range(0, 20, 3),
        [0.1, 0.08033817, 0.06454223, 0.05185205, 0.04165699, 0.03346647, 0.02688635],
    ),
    "ExponentialDecay, staircase": (
        Exponential(0.1, 7, 0.6, staircase=True),
        range(0, 20, 3),
        [0.1, 0.1, 0.1, 0.06, 0.06, 0.036, 0.036],
    ),
    "InverseTimeDecay": (
        InverseTime(0.1, k=0.05),
        range(0, 20, 3),
        [0.1, 0.08695652, 0.07692308, 0.06896552, 0.0625, 0.05714286, 0.05263158],
    ),
    "PolynomialDecay": (
        Polynomial(0.1, 10, 0.01, power=2.0),
        range(0, 14, 2),
        [0.1, 0.0676, 0.0424, 0.0244, 0.0136, 0.01, 0.01],
    ),
    "CosineDecay": (
        Cosine(0.1, 10, warmup=4, alpha=0.1),
        range(0, 18, 2),
        [0.0, 0.05, 0.1, 0.09140576, 0.06890576, 0.04109422, 0.01859424, 0.01, 0.01],
    ),
    "CosineDecayRestarts": (  # without step 10, the beginning of a period, which Keras rounds to the end of the last
        CosineRestarts(0.1, 4, t_mul=1.5, m_mul=0.8, alpha=0.1),
        [0, 2, 4, 6, 8, 12, 14, 16, 18, 20, 22],
        [0.1, 0.055, 0.082, 0.064, 0.028, 0.06086208, 0.04380107, 0.0244, 0.01173685, 0.05545896, 0.05068966],
    ),
    "CosineDecayRestarts, equal periods": (
        CosineRestarts(0.1, 4, t_mul=1.0, m_mul=0.5),
        range(0, 12, 2),
        [0.1, 0.05, 0.05, 0.025, 0.025, 0.0125],
    ),
    "PiecewiseConstantDecay": (Piecewise([3, 6], [1.0, 0.5, 0.1]), range(8), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.1]),
}
ALL = [
    Constant(0.1),
    Adaptive(0.1),
    InvScaling(0.1),
    WarmUp(Cosine(0.1, 50), 10),
    WarmUp(0.1, 10, start=0.01),
    WarmUp(Adaptive(0.3), 3),
    WarmUp(lambda step: 0.1 / (1 + step), 10),
    *(schedule for schedule, _, _ in [*TORCH.values(), *KERAS.values()]),
]


@pytest.mark.parametrize("name", TORCH)
def test_as_pytorch(name):
    schedule, steps, expected = TORCH[name]
    np.testing.assert_allclose(schedule(np.array(steps)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", KERAS)
def test_as_keras(name):
    schedule, steps, expected = KERAS[name]
    np.testing.assert_allclose(schedule(np.array(steps)), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("schedule", ALL, ids=lambda one: repr(one).partition(" at 0x")[0])
def test_one_step_and_many_agree(schedule):
    steps = np.arange(120)
    rates = schedule(steps)
    assert rates.shape == (120,) and rates.dtype == np.float64
    assert np.isfinite(rates).all() and (rates >= 0).all()
    single = [schedule(int(step)) for step in steps]
    assert all(type(rate) is float for rate in single)
    assert single == rates.tolist()
    assert schedule(steps.reshape(3, 40)).shape == (3, 40) and schedule([]).shape == (0,)


@pytest.mark.parametrize("schedule", [one for one in ALL if "lambda" not in repr(one)], ids=repr)
def test_copies_are_equal(schedule):
    for other in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert other == schedule and repr(other) == repr(schedule)
        assert other(np.arange(30)).tolist() == schedule(np.arange(30)).tolist()


def test_every_schedule_is_tested():
    classes = {getattr(schedules, name) for name in schedules.__all__} - {Schedule}
    assert classes == {type(schedule) for schedule in ALL}


@pytest.mark.parametrize("t_mul", [1.1, 1.5, 2.0, 3.0])
def test_restarts_begin_exactly_at_their_borders(t_mul):
    first = 1000
    starts = np.cumsum([0, *(first * t_mul ** np.arange(8))])
    whole = np.ceil(np.round(starts, 6)).astype(int)
    rates = CosineRestarts(1.0, first, t_mul=t_mul)(whole)
    np.testing.assert_allclose(rates, 1, atol=1e-5)
    assert (CosineRestarts(1.0, first, t_mul=t_mul)(whole[1:] - 1) < 0.01).all()


def test_one_cycle_at_its_edges():
    for part in (0.0, 0.05, 1.0):
        rates = OneCycle(1.0, 10, pct_start=part)(np.arange(12))
        assert np.isfinite(rates).all() and rates.max() == 1.0
    assert OneCycle(1.0, 1)(0) == 1.0


def test_warm_up_by_hand():
    schedule = WarmUp(InverseTime(1.0, k=1.0), steps=4, start=0.2)
    np.testing.assert_allclose(schedule(np.arange(7)), [0.2, 0.4, 0.6, 0.8, 1, 0.5, 1 / 3])
    assert WarmUp(lambda step: 0.5**step, 2)([0, 1, 2, 3]).tolist() == [0, 0.5, 1, 0.5]


def test_adaptive_as_described_in_scikit_learn():
    rate = Adaptive(0.1, tol=0.01, least=0.001)
    stops, rates = [], []
    for loss in [1.0, 0.9, 0.895, 0.894, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]:
        stops.append(rate.update(loss))
        rates.append(round(rate(0), 9))
    # two failures in a row divide; one failure between successes does not
    assert rates == [0.1] * 3 + [0.02] * 5 + [0.004] * 2 + [0.0008] * 5
    assert stops == [False] * 12 + [True, False, True]
    rate.reset()
    assert rate(0) == 0.1


def test_adaptive_inside_warm_up():
    schedule = WarmUp(Adaptive(1.0, patience=1), steps=2)
    assert not schedule.update(1.0) and schedule(5) == 1.0
    assert not schedule.update(1.0) and schedule(5) == 0.2
    assert schedule(1) == 0.1
    assert Constant(0.1).update(1.0) is False


def test_reset_forgets_the_losses():
    for rate in (Adaptive(1.0, patience=1), WarmUp(Adaptive(1.0, patience=1), steps=2)):
        for _ in range(3):
            rate.update(1.0)
        assert rate(5) == 1 / 25
        rate.reset()
        assert rate(5) == 1.0 and not rate.update(2.0) and rate(5) == 1.0  # 2 is the first loss, not a failure
    for rate in ALL:  # on all the others it does nothing
        before = rate([0, 1, 5])
        rate.reset()
        np.testing.assert_array_equal(rate([0, 1, 5]), before)


def test_the_first_loss_fails_when_it_is_nan():
    rate = Adaptive(1.0, patience=1)
    rate.update(float("nan"))
    assert rate(0) == 0.2 and rate.best == np.inf


def test_adaptive_with_nan_counts_as_failure():
    rate = Adaptive(1.0, patience=1)
    rate.update(1.0)
    rate.update(float("nan"))
    assert rate(0) == 0.2 and rate.best == 1.0


def test_optimizer_asks_for_all_steps_at_once():
    steps = np.arange(1, 3_000_001)
    optimizer = optimizers.SGD(WarmUp(CosineRestarts(0.1, 1000), 100))
    began = time.process_time()
    rates = optimizer.rates(steps)
    assert time.process_time() - began < 5  # a Python call each would take longer than that
    assert rates.shape == steps.shape
    few = steps[::300_000]
    assert rates[few - 1].tolist() == [optimizer.learning_rate(int(step) - 1) for step in few]


def test_optimizer_takes_any_callable():
    rates = optimizers.Adam(lambda step: 0.1 / (1 + step)).rates(np.array([1, 2, 4]))
    np.testing.assert_allclose(rates, [0.1, 0.05, 0.025])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Constant(-1), "Constant: rate must be a finite number of 0 or more, got -1"),
        (lambda: Constant(np.inf), "rate must be a finite number"),
        (lambda: Step(0.1, every=0), "Step: every must be a finite number greater than 0, got 0"),
        (lambda: Exponential(float("nan")), "initial must be"),
        (lambda: Cosine(0.1, -5), "steps must be"),
        (lambda: CosineRestarts(0.1, 5, t_mul=0.5), "t_mul must be a finite number of 1 or more, got 0.5"),
        (lambda: OneCycle(0.1, 10, pct_start=1.5), r"pct_start must lie in \[0, 1\], got 1.5"),
        (lambda: Triangular(0.1, 0.2, 5, mode="saw"), "mode must be triangular, triangular2 or exp_range, got 'saw'"),
        (lambda: Piecewise([1, 2], [0.1]), "one value more than boundaries, got 1 values and 2 boundaries"),
        (lambda: Piecewise([2, 2], [0.1, 0.2, 0.3]), "boundaries must increase"),
        (lambda: Piecewise([2], [0.1, -0.2]), r"values must be 0 or more, got \(0\.1, -0\.2\)"),
        (lambda: Adaptive(0.1, factor=1), "factor must be a finite number greater than 1"),
        (lambda: Adaptive(0.1, patience=0), "patience must be"),
        (lambda: WarmUp(Constant(0.1), 0), "WarmUp: steps must be"),
        (lambda: WarmUp(-0.1, 5), "rate must be"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_subclass_with_a_call_of_its_own_is_asked_step_by_step():
    """As users of Keras write schedules: for one step, with conditions."""

    class Own(schedules.Schedule):
        def __call__(self, step):
            return 0.1 if step < 2 else 0.0

    assert optimizers.SGD(Own()).rates(np.arange(1, 5)).tolist() == [0.1, 0.1, 0, 0]
    assert schedules.WarmUp(Own(), 2)(np.arange(5)).tolist() == [0, 0.05, 0.1, 0.1, 0]
    model = fastnn.Sequential([fastnn.layers.Input(2), fastnn.layers.Dense(1)], rng=0)
    model.compile(optimizers.SGD(Own()), "mse")
    history = model.fit(np.ones((8, 2)), np.ones(8), batch_size=8, epochs=5).history["loss"]
    assert history[0] > history[1] > history[2] == history[4]
