"""Settings of activations, losses, optimizers and their like: what they may hold, and what a change of them does."""

import copy
import pickle
import sys
import types
from typing import ClassVar

import numpy as np
import pytest

import fastnn
from fastnn import (
    activations,
    catalogue,
    constraints,
    initializers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from fastnn.augmentation import ImageAugmentation
from fastnn.basics import settings
from fastnn.basics.settings import Settings
from fastnn.layers import BatchNormalization, Dense, Dropout, GaussianNoise, Input, LayerNormalization

NUMBERS = {
    "learning_rate": optimizers.SGD,
    "weight_decay": lambda value: optimizers.Adam(weight_decay=value),
    "clipnorm": lambda value: optimizers.Adam(clipnorm=value),
    "clipvalue": lambda value: optimizers.Adam(clipvalue=value),
    "global_clipnorm": lambda value: optimizers.Adam(global_clipnorm=value),
    "ema_momentum": lambda value: optimizers.Adam(ema_momentum=value),
    "momentum": lambda value: optimizers.SGD(momentum=value),
    "rho": lambda value: optimizers.RMSprop(rho=value),
    "beta_1": lambda value: optimizers.Adam(beta_1=value),
    "beta_2": lambda value: optimizers.Lion(beta_2=value),
    "epsilon": lambda value: optimizers.Adam(epsilon=value),
    "initial_accumulator_value": lambda value: optimizers.Adagrad(initial_accumulator_value=value),
    "negative_slope": activations.LeakyReLU,
    "slope": activations.Sigmoid,
    "slope of tanh": activations.Tanh,
    "alpha": activations.ELU,
    "delta": losses.Huber,
    "label_smoothing": lambda value: losses.BinaryCrossentropy(label_smoothing=value),
    "gamma": lambda value: losses.BinaryFocalCrossentropy(gamma=value),
    "alpha of the focal loss": lambda value: losses.BinaryFocalCrossentropy(True, value),
    "alpha of the other focal loss": lambda value: losses.CategoricalFocalCrossentropy(alpha=value),
    "levels": losses.Quantile,
    "levels of a list": lambda value: losses.Quantile([0.5, value]),
    "l1": regularizers.L1,
    "l2": regularizers.L2,
    "max_value": constraints.MaxNorm,
    "minval": lambda value: initializers.RandomUniform(value, 1),
    "maxval": lambda value: initializers.RandomUniform(0, value),
    "mean": initializers.RandomNormal,
    "stddev": lambda value: initializers.RandomNormal(stddev=value),
    "stddev, truncated": lambda value: initializers.TruncatedNormal(stddev=value),
    "gain": initializers.Orthogonal,
    "rate": Dropout,
    "stddev of noise": GaussianNoise,
    "epsilon of layers": lambda value: LayerNormalization(epsilon=value),
    "momentum of layers": lambda value: BatchNormalization(momentum=value),
    "threshold": lambda value: metrics.BinaryAccuracy(threshold=value),
    "initial": schedules.InverseTime,
    "values": lambda value: schedules.Piecewise([1], [0.1, value]),
    "patience": lambda value: schedules.Adaptive(0.1, patience=value),
}


@pytest.mark.parametrize("value", ["0.1", None, True, [0.1], 0.5j])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_must_be_numbers(name, value):
    optional = name in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
    if value is None and optional:
        NUMBERS[name](value)
        return
    if name == "levels" and value == [0.1]:
        assert NUMBERS[name](value).levels == (0.1,)
        return
    with pytest.raises(TypeError, match=f"{name.split()[0].rstrip(',')} must be a (whole )?number, got"):
        NUMBERS[name](value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32(np.nan), 10**400])
@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "patience"])
def test_numbers_must_be_finite(name, value):
    with pytest.raises(ValueError, match=f"{name.split()[0].rstrip(',')} must (be a finite number|lie in)"):
        NUMBERS[name](value)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda value: optimizers.Adam(use_ema=value), "use_ema"),
        (lambda value: optimizers.Adam(amsgrad=value), "amsgrad"),
        (lambda value: optimizers.SGD(nesterov=value), "nesterov"),
        (lambda value: schedules.Exponential(0.1, staircase=value), "staircase"),
    ],
)
def test_switches_are_true_or_false(make, name):
    for value in ("yes", 1, None):
        with pytest.raises(TypeError, match=rf"{name} must be True or False, got {value!r}"):
            make(value)
    assert getattr(make(True), name) is True


def test_numbers_of_numpy_are_numbers():
    assert optimizers.SGD(np.float32(0.5)) == optimizers.SGD(0.5) == optimizers.SGD(np.float64(0.5))
    assert activations.LeakyReLU(np.int64(0)) == activations.LeakyReLU(0)
    assert losses.Quantile(np.array([0.25, 0.5])) == losses.Quantile([0.25, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.SGD(schedules.Cosine), TypeError, "learning_rate must be a number, got <class"),
        (lambda: optimizers.Adam(clipnorm=1, clipvalue=1), ValueError, "only one of clipnorm, clipvalue and"),
        (lambda: losses.Quantile([]), ValueError, "levels is empty; give at least one"),
        (lambda: schedules.Piecewise(3, [0.1]), TypeError, "Piecewise: boundaries must be a list of numbers, got 3"),
        (lambda: schedules.Constant("fast"), TypeError, "Constant: rate must be a number, got 'fast'"),
    ],
)
def test_other_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_elastic_net_penalises_nothing_by_default_but_by_name():
    assert regularizers.L1L2() == regularizers.L1L2(0.0, 0.0) != regularizers.L1L2(l1=0.1) == regularizers.L1L2(0.1, 0)
    for name in ("l1_l2", "L1L2", "elastic_net"):
        assert Dense(1, kernel_regularizer=name).kernel_regularizer == regularizers.L1L2(0.01, 0.01)
    for kind in catalogue.TABLES:
        for name, entry in catalogue.TABLES[kind].items():
            assert name == "l1_l2" or catalogue.resolve(kind, name, entry) == entry()


@pytest.mark.parametrize("layer", [BatchNormalization, LayerNormalization])
def test_epsilon_must_not_vanish_in_float32(layer):
    with pytest.raises(ValueError, match=f"{layer.__name__}: epsilon must be a finite number of 1e-30 or more, got"):
        layer(epsilon=1e-50)
    model = fastnn.Sequential([Input(2), layer(epsilon=1e-30), Dense(1)], rng=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones(4), batch_size=4)
    assert np.isfinite(model.predict(np.ones((4, 2)))).all()


def test_the_shape_of_augmented_images_may_be_a_list():
    augmentation = ImageAugmentation(shift=[1, 0.5], shape=[8, 4])
    assert augmentation == ImageAugmentation(shift=(1, 0.5), shape=(8, 4)) and isinstance(hash(augmentation), int)
    for sample, expected in (((8, 4), (8, 4, 1)), ((8, 4, 3), (8, 4, 3)), ((64,), (8, 4, 2))):
        assert augmentation.image_shape(sample) == expected


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"shape": (8.0, 8)}, TypeError, r"shape must be two numbers; each must be a whole number, got 8\.0; write 8"),
        ({"shape": (8, 8, 1)}, ValueError, r"shape must be two numbers of 1 or more, got \(8, 8, 1\)"),
        ({"shift": ("1", 1)}, TypeError, "shift must be two numbers; each must be a number, got '1'"),
        ({"shift": (1, np.nan)}, ValueError, "shift must be two numbers; each must be a finite number of 0 or more"),
        ({"flip_vertical": "yes"}, TypeError, "flip_vertical must be True or False, got 'yes'"),
        ({"rotation": True}, TypeError, "rotation must be a number, got True"),
    ],
)
def test_bad_settings_of_augmentation(settings, error, message):
    with pytest.raises(error, match=f"ImageAugmentation: {message}"):
        ImageAugmentation(**settings)


# -- fields ------------------------------------------------------------------------------------------------------------


class Own(Settings):
    """This module has no "from __future__ import annotations": Python 3.14 evaluates its annotations late."""

    note: ClassVar[str] = "none"
    unknown: "NotDefinedAnywhere" = 1  # noqa: F821
    value: float = 2.0


def test_fields_of_a_module_without_the_future_import():
    assert Own._fields == {"unknown": 1, "value": 2.0} and repr(Own(value=3)) == "Own(unknown=1, value=3)"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the test above has the real thing")
def test_annotations_that_are_evaluated_late(monkeypatch):
    """As Python 3.14 gives them: no __annotations__ in the class, but a function that annotationlib calls."""
    asked = []

    def get_annotations(cls, format):
        asked.append(format)
        return {"note": ClassVar[str], "value": float}

    lib = types.SimpleNamespace(get_annotations=get_annotations, Format=types.SimpleNamespace(FORWARDREF="forward"))
    monkeypatch.setitem(sys.modules, "annotationlib", lib)
    monkeypatch.setattr(settings, "sys", types.SimpleNamespace(version_info=(3, 14)))

    class Late(Settings):
        note, value, __annotate_func__ = "none", 2.0, len

    class Plain(Settings):
        note = "none"

    assert Late._fields == {"value": 2.0} and Late(3.0).value == 3
    assert Plain._fields == {} and asked == ["forward"]  # not asked where nothing is annotated


# -- initial values ----------------------------------------------------------------------------------------------------


def test_constants_are_equal_where_their_values_are():
    array = np.arange(6.0).reshape(2, 3)
    one, same = initializers.Constant(array), initializers.Constant(array.tolist())
    assert one == same and hash(one) == hash(same)
    assert one != initializers.Constant(array.T) and one != initializers.Constant(array.ravel())
    assert one != initializers.Constant(array + 1) and one != initializers.Zeros()
    assert initializers.Constant(0) == initializers.Constant(-0.0) == initializers.Constant(np.float32(0))
    assert hash(initializers.Constant(0)) == hash(initializers.Constant(-0.0))
    assert repr(initializers.Constant(0.5)) == "Constant(value=0.5)"


def test_a_constant_keeps_a_copy(rng):
    array = np.ones((2, 3))
    constant = initializers.Constant(array)
    array[:] = 7
    first = constant((2, 3), rng)
    first[:] = 8
    for again in (constant, copy.deepcopy(constant), pickle.loads(pickle.dumps(constant))):
        assert (again((2, 3), rng) == 1).all() and again == constant


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.int8(1), (0.5, 0.25), [0.5, 0.25], np.array([1, 2])])
def test_values_as_initializers(value):
    b = fastnn.Sequential([Input(3), Dense(2, bias_initializer=value)]).get_weights()[1]
    np.testing.assert_array_equal(b, np.broadcast_to(value, 2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1j, TypeError, "value must be a real number or an array of them, got 1j"),
        (np.ones(2, dtype=complex), TypeError, "value must be a real number or an array of them, got array"),
        (True, TypeError, "value must be a real number or an array of them, got True"),
        (["1", "2"], TypeError, "value must be a real number or an array of them, got .'1', '2'"),
        ([None, 1.0], TypeError, "value must be a real number or an array of them"),
        ([[1.0], [1.0, 2.0]], ValueError, "value cannot become an array"),
        ([1.0, np.nan], ValueError, r"value must be finite, got \[1\.0, nan\]"),
        (np.inf, ValueError, "value must be finite, got inf"),
        ({}, TypeError, "initializer must be a name or an Initializer, got {} of type dict"),
    ],
)
def test_bad_values_as_initializers(value, error, message):
    with pytest.raises(error, match=message):
        Dense(2, bias_initializer=value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1j, np.ones(2, dtype=complex), "x", None])
def test_what_a_function_returns_must_be_real(value):
    with pytest.raises(TypeError, match="what the initializer returned must be a real number or an array of them"):
        fastnn.Sequential([Input(3), Dense(2, bias_initializer=lambda shape, rng: value)]).get_weights()


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        ("xavier_uniform", initializers.GlorotUniform),
        ("kaiming_normal", initializers.HeNormal),
        ("GlorotUniform", initializers.GlorotUniform),
    ],
)
def test_other_names_of_initializers(given, entry):
    assert Dense(1, kernel_initializer=given).kernel_initializer == entry()


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("GlorotUnifrom", "'glorot_uniform'"),
        ("lecun", "'lecun_uniform' or 'lecun_normal'"),
        ("truncatednormal_", "'truncated_normal'"),
        ("const", "'constant'"),
    ],
)
def test_near_misses_of_initializers(given, near):
    with pytest.raises(ValueError, match=f"unknown initializer '{given}'; did you mean {near}"):
        Dense(1, kernel_initializer=given)


# -- changes of an optimizer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        (optimizers.SGD(), "momentum", 0.9),
        (optimizers.SGD(momentum=0.9), "momentum", 0.0),
        (optimizers.SGD(momentum=0.9), "nesterov", True),
        (optimizers.RMSprop(), "momentum", 0.5),
        (optimizers.Adam(), "amsgrad", True),
        (optimizers.Adam(), "use_ema", True),
        (optimizers.Adam(), "clipvalue", 0.1),
        (optimizers.Adam(clipvalue=0.1), "clipvalue", None),
        (optimizers.Adam(clipnorm=0.1), "clipnorm", 0.2),
        (optimizers.Adam(), "global_clipnorm", 1),
        (optimizers.Adagrad(), "initial_accumulator_value", 0.2),
    ],
    ids=repr,
)
def test_what_was_compiled_cannot_change(optimizer, name, value):
    before = repr(optimizer)
    with pytest.raises(AttributeError, match=rf"{name} cannot change from .* to {value}.*new optimizer and compile"):
        setattr(optimizer, name, value)
    assert repr(optimizer) == before


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    [
        (optimizers.SGD(0.1, momentum=0.9), {"learning_rate": 0.2, "momentum": 0.5, "weight_decay": 0.1}),
        (optimizers.Adam(use_ema=True), {"beta_1": 0.8, "epsilon": 1e-5, "ema_momentum": 0.9, "use_ema": True}),
        (optimizers.RMSprop(), {"rho": 0.95, "learning_rate": schedules.Cosine(0.1, 100)}),
    ],
    ids=repr,
)
def test_the_rest_may_change(optimizer, changes):
    for name, value in changes.items():
        setattr(optimizer, name, value)
        assert getattr(optimizer, name) == value
    assert optimizer == type(optimizer)(**{name: getattr(optimizer, name) for name in optimizer._fields})


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_changed_settings_are_those_of_the_next_fit(engine, rng):
    """Changes between two fits of one step each: the second step is that of an optimizer made so."""
    X, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    weights = []
    for late in (True, False):
        model = fastnn.Sequential([Input(3), Dense(1)], rng=0, engine=engine, dtype="float64")
        settings = {"momentum": 0.5, "weight_decay": 0.1, "learning_rate": 0.05}
        model.compile(optimizers.SGD(momentum=0.9) if late else optimizers.SGD(**settings), "mse")
        for name, value in settings.items() if late else ():
            setattr(model.optimizer, name, value)
        model.fit(X, y, batch_size=4, shuffle=False)
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("learning_rate", -1, ValueError, r"learning_rate must lie in \[0, inf\), got -1"),
        ("learning_rate", "0.1", TypeError, "learning_rate must be a number, got '0.1'"),
        ("beta_1", 1.0, ValueError, r"beta_1 must lie in \[0, 1\), got 1\.0"),
        ("use_ema", 1, TypeError, "use_ema must be True or False, got 1"),
        ("clipnorm", -1, ValueError, "clipnorm must be a finite number greater than 0, got -1"),
    ],
)
def test_a_bad_change_is_refused_and_undone(name, value, error, message):
    optimizer = optimizers.Adam()
    with pytest.raises(error, match=message):
        setattr(optimizer, name, value)
    assert optimizer == optimizers.Adam()


def test_copies_of_optimizers_and_other_attributes():
    optimizer = optimizers.SGD(0.1, momentum=0.9, use_ema=True)
    for other in (copy.copy(optimizer), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert other == optimizer
        other.learning_rate = schedules.Constant(0.2)
        other._note = "mine"  # a name that no code of the class knows would be refused without the underscore
        assert other != optimizer and optimizer.learning_rate == 0.1
