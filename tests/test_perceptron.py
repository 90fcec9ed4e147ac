"""The perceptron: Rosenblatt's rule by hand, scikit-learn's answers, and the compiled loop against its twin."""

import numpy as np
import pytest

import fastnn
from fastnn import perceptron
from fastnn._core import machine

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def clouds(rng, n=200, features=5):
    """Integer points on both sides of a plane: every sum is exact, in any order."""
    X = rng.integers(-20, 21, (n, features)).astype(float)
    z = X @ np.arange(1, features + 1) - 3
    return X[z != 0], z[z != 0] > 0


def test_and_by_hand():
    """From zero the answer is 1 everywhere.

    Epoch 1: (0,0) wrong, b = -1; (0,1): -1, right; (1,0): right; (1,1): -1, wrong, w = (1, 1), b = 0.
    Epoch 2: (0,0): 0, wrong, b = -1; (0,1): 0, wrong, w = (1, 0), b = -2; (1,0): -1, right; (1,1): -1, wrong,
    w = (2, 1), b = -1.
    """
    model = fastnn.Perceptron(epochs=2, history=True).fit(CORNERS, [0, 0, 0, 1])
    assert model.history_.tolist() == [[0, 0, 0], [1, 1, 0], [2, 1, -1]]
    assert model.errors_ == [2, 3] and not model.converged_
    assert model.weights_.tolist() == [2, 1] and model.bias_ == -1


@pytest.mark.parametrize("name, y", {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0]}.items())
def test_gates(name, y):
    model = fastnn.Perceptron().fit(CORNERS, y)
    assert model.predict(CORNERS).tolist() == y and model.score(CORNERS, y) == 1
    assert model.converged_ and model.errors_[-1] == 0 and 0 not in model.errors_[:-1]


def test_xor_never_ends():
    model = fastnn.Perceptron(epochs=40).fit(CORNERS, [0, 1, 1, 0])
    assert not model.converged_ and len(model.errors_) == 40 and min(model.errors_) > 0
    assert model.score(CORNERS, [0, 1, 1, 0]) < 1


def test_labels_of_any_kind():
    for first, second in ((0, 1), (-1, 1), ("no", "yes"), (3.5, 7.5), (False, True)):
        y = np.array([first, first, first, second])
        model = fastnn.Perceptron().fit(CORNERS, y)
        assert model.classes_.tolist() == [first, second]
        assert model.predict(CORNERS).tolist() == y.tolist()
        assert model.predict(CORNERS).dtype == y.dtype


def test_rate_scales_the_weights_only(rng):
    X, y = clouds(rng)
    one, half = (fastnn.Perceptron(rate, epochs=20).fit(X, y) for rate in (1.0, 0.5))
    assert one.errors_ == half.errors_
    np.testing.assert_array_equal(one.weights_, 2 * half.weights_)


def test_without_intercept(rng):
    X, _ = clouds(rng)
    y = X @ np.arange(1, 6) > 0
    model = fastnn.Perceptron(fit_intercept=False, epochs=5).fit(X, y)
    assert model.bias_ == 0 and model.score(X, y) > 0.9
    np.testing.assert_array_equal(model.decision_function(X), X @ model.weights_)


def test_shuffle_is_repeatable(rng):
    X, y = clouds(rng)
    make = [fastnn.Perceptron(shuffle=True, rng=seed, epochs=3).fit(X, y).weights_.tolist() for seed in (0, 0, 1)]
    assert make[0] == make[1] != make[2]


def test_separable_clouds_are_separated(rng):
    X, y = clouds(rng)
    model = fastnn.Perceptron(epochs=10_000).fit(X, y)
    assert model.converged_ and model.score(X, y) == 1


def test_inputs_of_any_layout(rng):
    X, y = clouds(rng)
    expected = fastnn.Perceptron(epochs=5).fit(X, y).weights_
    for other in (X.astype(np.int16), np.asfortranarray(X), X[:, ::-1][:, ::-1], X.astype(np.float32), X.tolist()):
        np.testing.assert_array_equal(fastnn.Perceptron(epochs=5).fit(other, y).weights_, expected)


def test_as_scikit_learn(rng):
    """Its rule is y z <= 0 with y = +-1: the same but for z = 0."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    X = rng.normal(size=(300, 4))
    y = X @ [1.0, -2.0, 0.5, 1.5] + 0.3 > 0
    y[0] = False  # from zero weights z = 0: then both rules call the first answer wrong
    ours = fastnn.Perceptron(epochs=7).fit(X, y)
    theirs = linear_model.Perceptron(shuffle=False, tol=None, max_iter=7).fit(X, y)
    np.testing.assert_allclose(ours.weights_, theirs.coef_[0], rtol=1e-9)
    np.testing.assert_allclose(ours.bias_, theirs.intercept_[0])


def test_twin_counts_and_moves():
    w = np.array([1.0, -1.0, 0.5])
    x = np.array([[1.0, 2.0], [3.0, 1.0]])  # z = -0.5 and 2.5: both wrong for (1, 0)
    assert perceptron.epoch(x, np.array([1.0, 0.0]), np.array([0, 1]), w, 0.5, True) == 2
    assert w.tolist() == [1.0 + 0.5 - 1.5, -1.0 + 1.0 - 0.5, 0.5]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("n, features", [(0, 3), (1, 1), (7, 2), (50, 16), (33, 17)])
def test_compiled_equals_twin(rng, n, features, intercept):
    x = rng.integers(-5, 6, (n, features)).astype(float)
    t, order = rng.integers(0, 2, n).astype(float), rng.permutation(n)
    first, second = (rng.integers(-5, 6, features + 1).astype(float),) * 2
    first, second = first.copy(), second.copy()
    for _ in range(3):
        wrong = machine.perceptron_epoch(x, t, order, first, 0.25, intercept)
        assert wrong == perceptron.epoch(x, t, order, second, 0.25, intercept)
        assert first.tolist() == second.tolist()


def test_compiled_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        machine.perceptron_epoch(np.ones((3, 2)), np.ones(3), np.arange(3), np.zeros(2), 1.0, True)
    with pytest.raises(ValueError, match="do not fit"):
        machine.perceptron_epoch(np.ones((3, 2)), np.ones(2), np.arange(3), np.zeros(3), 1.0, True)
    assert machine.perceptron_epoch(np.ones((3, 2)), np.ones(3), np.array([5]), np.zeros(3), 1.0, True) == -1


@pytest.mark.parametrize(
    "settings, x, y, message",
    [
        ({"learning_rate": 0}, CORNERS, [0, 0, 0, 1], "learning_rate must be a finite number greater than 0, got 0"),
        ({"epochs": 0}, CORNERS, [0, 0, 0, 1], "epochs must be 1 or more, got 0"),
        ({}, CORNERS, [0, 0, 0, 0], r"y has 1 classes, \[0\]; a perceptron tells exactly 2 apart"),
        ({}, CORNERS, [0, 1, 2, 0], "y has 3 classes"),
        ({}, CORNERS, [0, np.nan, 0, 0], "y has the label nan in row 1; drop rows without a label"),
        ({}, CORNERS, np.array([0, 0, 1.0, np.nan], dtype=object), "y has the label nan in row 3"),
        ({}, CORNERS, [0, 1], r"y has shape \(2,\), expected \(4,\)"),
        ({}, [0.0, 1.0], [0, 1], r"expected \(rows, features\); for one sample pass X\[None\]"),
        ({}, [[0.0, np.nan], [1.0, 2.0]], [0, 1], "nan in row 0, column 1"),
        ({}, np.zeros((0, 2)), [], "X is empty"),
    ],
)
def test_bad_input(settings, x, y, message):
    with pytest.raises(ValueError, match=message):
        fastnn.Perceptron(**settings).fit(x, y)


def test_questions_before_and_after():
    model = fastnn.Perceptron()
    with pytest.raises(AttributeError, match="call fit"):
        model.predict(CORNERS)
    model.fit(CORNERS, [0, 0, 0, 1])
    with pytest.raises(ValueError, match=r"expected \(rows, 2\)"):
        model.predict(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="one label for each row"):
        model.score(CORNERS, [0])
    assert repr(model) == "Perceptron(learning_rate=1.0, epochs=100, shuffle=False)"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
        ({"epochs": 2.5}, r"epochs must be a whole number, got 2\.5"),
        ({"shuffle": "yes"}, "shuffle must be True or False, got 'yes'"),
        ({"fit_intercept": 1}, "fit_intercept must be True or False, got 1"),
        ({"history": None}, "history must be True or False, got None"),
    ],
)
def test_settings_of_the_wrong_type(settings, message):
    with pytest.raises(TypeError, match=message):
        fastnn.Perceptron(**settings)


def test_fit_runs_the_compiled_loop(monkeypatch):
    """And no other: there is no silent step down."""
    calls = []
    monkeypatch.setattr(machine, "perceptron_epoch", lambda *arguments: calls.append(arguments) or 0)
    fastnn.Perceptron().fit(CORNERS, [0, 0, 0, 1])
    assert len(calls) == 1
