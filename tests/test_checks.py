"""Checks of settings: what is a number, what is not, and what the messages say."""

from fractions import Fraction

import numpy as np
import pytest

from fastnn.basics.checks import flag, number, whole

NO_NUMBERS = ["1", None, True, np.True_, [1], np.ones(2), 1j, np.complex64(1), Fraction(1, 2), int]


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers(value):
    found = whole("n", value, 3)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize("value", [*NO_NUMBERS, 2.5, np.nan, np.inf, np.float32(0.5)])
def test_no_whole_numbers(value):
    with pytest.raises(TypeError, match=r"^n must be a whole number, got [^;]*$"):
        whole("n", value, 0)


@pytest.mark.parametrize("value", [10.0, np.float32(10)])
def test_a_float_that_is_whole_gets_a_hint(value):
    with pytest.raises(TypeError, match=r"^n must be a whole number, got .*10\.0.*; write 10$"):
        whole("n", value, 0)


def test_a_whole_number_that_is_too_small():
    with pytest.raises(ValueError, match=r"^n must be 2 or more, got 1$"):
        whole("n", 1, 2)


@pytest.mark.parametrize("value", [2, 2.0, np.int8(2), np.float32(2), np.float64(2), np.longdouble(2)])
def test_numbers(value):
    found = number("x", value, 2)
    assert found == 2 and type(found) is float


@pytest.mark.parametrize("value", [*NO_NUMBERS, np.array(1.0)])
def test_no_numbers(value):
    with pytest.raises(TypeError, match=r"^x must be a number, got "):
        number("x", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32(np.nan), 10**400, -(10**400)])
@pytest.mark.parametrize("limits", [{}, {"least": -1e300}, {"above": -1e300}, {"below": np.inf}, {"most": 1e300}])
def test_numbers_are_finite(value, limits):
    with pytest.raises(ValueError, match=r"^x must "):
        number("x", value, **limits)


@pytest.mark.parametrize(
    ("limits", "good", "bad", "message"),
    [
        ({"least": 0}, 0, -1e-300, "be a finite number of 0 or more"),
        ({"above": 0}, 1e-300, 0, "be a finite number greater than 0"),
        ({"least": 0, "below": 1}, 0, 1, r"lie in \[0, 1\)"),
        ({"least": 0, "most": 1}, 1, 1.5, r"lie in \[0, 1\]"),
        ({"above": 0, "below": 1}, 0.5, 0, r"lie in \(0, 1\)"),
        ({"above": 0, "most": 0.5}, 0.5, 0, r"lie in \(0, 0\.5\]"),
        ({"below": 1}, -1e300, 1, r"lie in \(-inf, 1\)"),
        ({"least": 1e-30, "below": np.inf}, 1e-30, 0, r"lie in \[1e-30, inf\)"),
    ],
)
def test_limits(limits, good, bad, message):
    assert number("x", good, **limits) == good
    with pytest.raises(ValueError, match=rf"^x must {message}, got {bad}$"):
        number("x", bad, **limits)


def test_switches():
    assert flag("x", np.True_) is True and flag("x", False) is False
    for value in (0, 1, "yes", None):
        with pytest.raises(TypeError, match=rf"^x must be True or False, got {value!r}$"):
            flag("x", value)
