"""The drop-in estimators against scikit-learn's own, and what they have beyond it."""

import pickle
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.7", reason="the extra sklearn is not installed")
from scipy import sparse  # noqa: E402
from sklearn import neural_network  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import (  # noqa: E402
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
    make_moons,
    make_multilabel_classification,
)
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError  # noqa: E402

import fastnn  # noqa: E402
from fastnn.estimators import MLPClassifier, MLPRegressor, Perceptron  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


CANCER = load_breast_cancer(return_X_y=True)
CANCER = scaled(CANCER[0]), CANCER[1]
WINE = load_wine(return_X_y=True)
WINE = scaled(WINE[0]), WINE[1]
LABELS = make_multilabel_classification(150, n_features=12, random_state=0)
LABELS = LABELS[0] / 10, LABELS[1]
DIABETES = load_diabetes(return_X_y=True)
DIABETES = scaled(DIABETES[0]), scaled(DIABETES[1])
THREE = DIABETES[0], np.column_stack([DIABETES[1], DIABETES[1] ** 2, DIABETES[0][:, 0]])
COUNTS = DIABETES[0], np.random.default_rng(0).poisson(np.exp(DIABETES[0][:, 2] / 3))

CASES = {
    "two classes": ("MLPClassifier", CANCER, {}),
    "three classes": ("MLPClassifier", WINE, {"activation": "tanh"}),
    "several labels": ("MLPClassifier", LABELS, {"activation": "logistic"}),
    "numbers": ("MLPRegressor", DIABETES, {}),
    "several numbers": ("MLPRegressor", THREE, {"activation": "tanh"}),
    "counts": ("MLPRegressor", COUNTS, {"loss": "poisson"}),
}
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "plain sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 1},
    "adam": {"solver": "adam", "batch_size": 33},
    "early stopping": {"solver": "adam", "early_stopping": True, "n_iter_no_change": 3, "learning_rate_init": 0.01},
    "impatient": {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 300},
}


def pair(name, **settings):
    given = {"hidden_layer_sizes": (9, 5), "random_state": 3, "max_iter": 25, "alpha": 0.01} | settings
    return getattr(fastnn.estimators, name)(**given), getattr(neural_network, name)(**given)


def assert_same(ours, theirs, tolerance=1e-9):
    for name in ("loss_curve_", "validation_scores_", "loss_", "best_loss_", "best_validation_score_"):
        a, b = getattr(ours, name, None), getattr(theirs, name, None)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for a, b in zip([*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e3 * tolerance)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", CASES)
def test_scikit_learns_own_training(case, solver, shuffle):
    """The same random state gives the same starting weights, orders, losses, ends and predictions."""
    name, (X, y), own = CASES[case]
    ours, theirs = pair(name, shuffle=shuffle, **own, **SOLVERS[solver])
    with np.errstate(all="ignore"):
        ours.fit(X, y)
        theirs.fit(X, y)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_sample_weights(case):
    name, (X, y), own = CASES[case]
    weight = np.random.default_rng(5).random(len(X))
    weight[::7] = 0
    for solver in ("adam", "lbfgs"):
        ours, theirs = pair(name, solver=solver, batch_size=60, max_iter=8, **own)
        ours.fit(X, y, sample_weight=weight)
        theirs.fit(X, y, sample_weight=weight)
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-7)
        assert ours.coefs_[0] == pytest.approx(theirs.coefs_[0], abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_lbfgs_ends_at_the_same_loss(case):
    name, (X, y), own = CASES[case]
    # at the bottom, and smooth: where it stops at the kinks of relu, roundings decide
    own = {"alpha": 10.0, "max_iter": 2000, "max_fun": 100000, "tol": 1e-8, "activation": "tanh"} | own
    ours, theirs = pair(name, solver="lbfgs", hidden_layer_sizes=(4,), **own)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert "loss_curve_" not in vars(ours)


def test_float32_stays_float32():
    X, y = CANCER[0].astype(np.float32), CANCER[1]
    for solver in ("adam", "sgd", "lbfgs"):
        ours, theirs = pair("MLPClassifier", solver=solver)
        ours.fit(X, y)
        assert {a.dtype for a in [*ours.coefs_, *ours.intercepts_, ours.predict_proba(X)]} == {np.dtype(np.float32)}
        if solver != "lbfgs":
            theirs.fit(X, y)
            np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-3)


def test_partial_fit_and_what_it_keeps():
    X, y = WINE
    for solver in ("adam", "sgd"):
        ours, theirs = pair("MLPClassifier", solver=solver)
        several = clone(ours)
        for _ in range(6):
            ours.partial_fit(X, y, classes=[0, 1, 2])
            theirs.partial_fit(X, y, classes=[0, 1, 2])
        assert_same(ours, theirs)
        whole = clone(ours).set_params(shuffle=False, max_iter=6).fit(X, y)
        several.set_params(shuffle=False).partial_fit(X, y, classes=[0, 1, 2], epochs=6)
        assert several.loss_curve_ == whole.loss_curve_
    with pytest.raises(ValueError, match="is not the same as on last call"):
        ours.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clone(ours).partial_fit(X, y)
    with pytest.raises(ValueError, match="has classes not in"):
        ours.partial_fit(X, y + 1)


def test_warm_start_goes_on_with_the_optimizers_state():
    X, y = CANCER
    for solver in ("adam", "sgd"):
        whole, _ = pair("MLPClassifier", solver=solver, shuffle=False, max_iter=10)
        parts, _ = pair("MLPClassifier", solver=solver, shuffle=False, max_iter=5, warm_start=True)
        whole.fit(X, y)
        parts.fit(X, y)
        parts.fit(X, y)
        assert parts.loss_curve_ == whole.loss_curve_
        assert parts.n_iter_ == 5 and parts.t_ == whole.t_ == 10 * len(X)


def test_classes_of_any_kind():
    X, y = WINE
    names = np.array(["red", "white", "rosé"])[y]
    ours, theirs = (one.fit(X, names) for one in pair("MLPClassifier"))
    assert ours.classes_.tolist() == theirs.classes_.tolist() == ["red", "rosé", "white"]
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    one = MLPClassifier(max_iter=3).fit(X, ["only"] * len(X))
    assert set(one.predict(X)) == {"only"}
    with pytest.warns(DataConversionWarning):
        ours.fit(X, names[:, None])


def test_tables_of_pandas_and_polars():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y = WINE
    names = [f"column {i}" for i in range(X.shape[1])]
    plain = MLPClassifier((5,), random_state=0, max_iter=5).fit(X, y)
    for table in (pandas.DataFrame(X, columns=names), polars.DataFrame(X, schema=names)):
        model = MLPClassifier((5,), random_state=0, max_iter=5, early_stopping=False).fit(table, y)
        assert model.feature_names_in_.tolist() == names
        assert np.array_equal(model.predict_proba(table), plain.predict_proba(X))
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.predict(X)
    shuffled = pandas.DataFrame(X, columns=names)[names[::-1]]
    with pytest.raises(ValueError, match="feature names should match"):
        MLPClassifier((5,), max_iter=2).fit(pandas.DataFrame(X, columns=names), y).predict(shuffled)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"alpha": -1}, "The 'alpha' parameter of MLPClassifier must be a float in the range"),
        ({"solver": "magic"}, "The 'solver' parameter of MLPClassifier must be"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes must be > 0, got \[3, 0\]"),
        ({"activation": ["relu"]}, "activation has 1 values, expected one for each of 2 hidden layers"),
        ({"dropout": [0.1, 0.2, 0.3], "max_iter": 1}, "dropout has 3 values"),
        ({"solver": "lbfgs", "clipnorm": 1.0}, "cannot go with solver='lbfgs'"),
        ({"loss": "poisson"}, "use MLPRegressor"),
        ({"loss": "categorical_crossentropy"}, "needs three classes or more"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**{"hidden_layer_sizes": (4, 3)} | settings).fit(*CANCER)


def test_errors_before_fit_and_at_predict():
    X, y = CANCER
    for model in (MLPClassifier(), MLPRegressor(), Perceptron()):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            model.predict(X)
    for model in (MLPClassifier(max_iter=2).fit(X, y), MLPRegressor(max_iter=2).fit(X, y), Perceptron().fit(X, y)):
        with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 30"):
            model.predict(X[:, :3])
        with pytest.raises(ValueError, match="contains NaN"):
            model.predict(np.full_like(X, np.nan))
        with pytest.raises(ValueError, match="contains infinity"):
            model.predict(np.where(X[0] == X, np.inf, X))
        with pytest.raises(ValueError, match="Expected 2D array"):
            model.predict(X[0])
    with sklearn.config_context(assume_finite=True):
        assert np.isnan(MLPRegressor(max_iter=2).fit(X, y).predict(np.full((1, 30), np.nan))).all()


def test_warnings_are_scikit_learns():
    X, y = CANCER
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge after 2 iteration"):
        MLPClassifier(max_iter=2, solver="lbfgs").fit(X, y)
    with pytest.warns(UserWarning, match="Got `batch_size` less than 1 or larger than sample size"):
        MLPClassifier(max_iter=2, batch_size=1000).fit(X, y)


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive"}])
def test_verbose_lines_are_scikit_learns(capsys, settings):
    printed = []
    for model in pair("MLPClassifier", verbose=True, tol=0.05, n_iter_no_change=2, **settings):
        model.fit(*CANCER)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "Iteration 1, loss = " in printed[0]


def test_weights_are_attributes_that_count():
    X, y = CANCER
    model = MLPClassifier((4,), random_state=0, max_iter=5).fit(X, y)
    before = model.predict_proba(X)
    model.coefs_[1][:] = 0
    assert np.ptp(model.predict_proba(X)[:, 1]) == 0
    other = MLPClassifier((4,), random_state=1, max_iter=5).fit(X, y)
    model.coefs_, model.intercepts_ = other.coefs_, other.intercepts_
    assert np.array_equal(model.predict_proba(X), other.predict_proba(X))
    assert not np.array_equal(model.predict_proba(X), before)
    copied = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copied.predict_proba(X), model.predict_proba(X))
    model.coefs_ = [np.zeros((3, 3)), np.zeros((3, 1))]
    with pytest.raises(ValueError, match="coefs_ and intercepts_ have the shapes"):
        model.predict(X)


def test_conversion_from_and_to_scikit_learn():
    for case, (name, (X, y), own) in CASES.items():
        for solver in ("adam", "sgd", "lbfgs"):
            ours, theirs = pair(name, solver=solver, max_iter=4, **own)
            theirs.fit(X, y)
            taken = type(ours).from_sklearn(theirs)
            method = "predict_proba" if name == "MLPClassifier" else "predict"
            expected = getattr(theirs, method)(X)
            np.testing.assert_allclose(getattr(taken, method)(X), expected, rtol=1e-12, atol=1e-12, err_msg=case)
            assert taken.get_params()["hidden_layer_sizes"] == theirs.hidden_layer_sizes
            back = taken.to_sklearn()
            assert type(back) is type(theirs)
            np.testing.assert_allclose(getattr(back, method)(X), expected, rtol=1e-12, atol=1e-12)
            assert np.array_equal(back.predict(X), theirs.predict(X))
            if solver != "lbfgs":  # all go on alike: the moments came along
                for model in (taken, back, theirs):
                    model.partial_fit(X, y)
                assert taken.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
                assert back.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
                np.testing.assert_allclose(taken.coefs_[0], theirs.coefs_[0], rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="has no batch_norm, dropout"):
        MLPClassifier(dropout=0.1, batch_norm=True, max_iter=1).fit(*CANCER).to_sklearn()
    with pytest.raises(TypeError, match="expected a sklearn"):
        MLPRegressor.from_sklearn(neural_network.MLPClassifier(max_iter=1).fit(*CANCER))


def test_sparse_matrices_of_all_kinds():
    X, y = CANCER
    X = np.where(np.abs(X) > 1, X, 0)
    dense = MLPClassifier((6,), random_state=0, max_iter=6).fit(X, y)
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array, sparse.csc_array):
        given = kind(X)
        model = MLPClassifier((6,), random_state=0, max_iter=6).fit(given, y)
        np.testing.assert_allclose(model.predict_proba(given), dense.predict_proba(X), rtol=1e-6)
        np.testing.assert_allclose(model.loss_curve_, dense.loss_curve_, rtol=1e-9)


def test_course_programs_run_with_one_import_changed():
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    scores = [
        MLPClassifier((2,), activation="tanh", solver="lbfgs", random_state=seed).fit(X, y).score(X, y)
        for seed in range(10)
    ]
    assert 1.0 in scores
    X, y = make_moons(200, noise=0.2, random_state=0)
    for sizes in ((2,), (10,), (100, 100)):
        model = MLPClassifier(hidden_layer_sizes=sizes, max_iter=300, random_state=0).fit(X, y)
        assert len(model.loss_curve_) == model.n_iter_ and model.coefs_[0].shape == (2, sizes[0])
    assert model.score(X, y) > 0.95


def test_perceptron():
    X, y = load_iris(return_X_y=True)
    two = Perceptron(shuffle=False).fit(X[:100], y[:100])
    assert two.errors_[-1] == 0 and two.score(X[:100], y[:100]) == 1.0
    assert two.coef_.shape == (1, 4) and two.intercept_.shape == (1,) and two.n_iter_ == len(two.errors_)
    plain = fastnn.Perceptron().fit(X[:100], y[:100])
    assert plain.errors_ == two.errors_ and np.array_equal(plain.weights_, two.coef_[0])
    three = Perceptron(max_iter=50, random_state=1).fit(X, y)
    assert three.coef_.shape == (3, 4) and three.decision_function(X).shape == (150, 3)
    assert three.score(X, y) > 0.6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Perceptron(shuffle=False, tol=None, max_iter=2, warm_start=True).fit(X[:100], y[:100])
        first = again.errors_
        again.fit(X[:100], y[:100])
    assert first + again.errors_ == Perceptron(shuffle=False, tol=None, max_iter=4).fit(X[:100], y[:100]).errors_ or (
        0 in again.errors_
    )
    with pytest.raises(ValueError, match="has to be greater than one; got 1 class"):
        Perceptron().fit(X[:50], y[:50])
