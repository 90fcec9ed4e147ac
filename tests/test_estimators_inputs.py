"""What users hand over to the estimators, beside scikit-learn's own: the same answers, types, attributes and errors."""

import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.7", reason="the extra sklearn is not installed")
from scipy import sparse  # noqa: E402
from sklearn import neural_network  # noqa: E402
from sklearn.datasets import load_iris, load_wine  # noqa: E402

from fastnn import estimators  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 8, "random_state": 0}
BOTH = (neural_network, estimators)


def both(kind, **settings):
    """scikit-learn's estimator and ours."""
    return [getattr(module, kind)(**SMALL | settings) for module in BOTH]


def agree(a, b, tolerance=1e-9):
    """The same type, shape and values."""
    assert type(a) is type(b)
    if sparse.issparse(a):
        a, b = a.toarray(), b.toarray()
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.kind == "f":
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    else:
        assert a.tolist() == b.tolist()


STRANGE = {
    "the other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "long double": lambda x: x.astype(np.longdouble),
    "half": lambda x: x.astype(np.float16),
    "records without padding": lambda x: np.frombuffer(b"0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
}


@pytest.mark.parametrize("how", STRANGE)
def test_numbers_of_strange_types_are_asked_about(how):
    strange = STRANGE[how](X)
    for model, own in (both("MLPClassifier"), both("MLPRegressor")):
        model.fit(X, Y)
        own.fit(X, Y)
        want = model.predict(strange)
        got = own.predict(strange)
        assert got.shape == want.shape
        np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=1e-9)
    assert own.partial_fit(strange, Y).n_iter_ == 1


def test_sparse_matrices_of_long_doubles_are_asked_about():
    for form in (sparse.csr_matrix, sparse.csc_array):
        strange = form(X.astype(np.longdouble))
        own = estimators.MLPClassifier(**SMALL).fit(strange, Y)
        agree(own.predict_proba(strange), own.predict_proba(X))


@pytest.mark.parametrize("how", STRANGE)
def test_targets_of_strange_types(how):
    for solver in ("adam", "lbfgs"):
        model, own = both("MLPRegressor", solver=solver)
        y = STRANGE[how](np.linspace(0, 1, len(X)))
        np.testing.assert_allclose(own.fit(X, y).predict(X), model.fit(X, y).predict(X).astype(float), rtol=1e-6)


LABELS = {
    "objects": np.array(["c", "a", "bb"], dtype=object)[Y],
    "texts longer than needed": np.array(["c", "a", "bb"], dtype="U21")[Y],
    "the other byte order": Y.astype(np.dtype(np.int32).newbyteorder()),
    "bytes of one": Y.astype(np.uint8),
    "float32": Y.astype(np.float32),
    "yes and no": Y > 0,
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_classes_have_scikit_learns_type(name, how):
    model, own = both("MLPClassifier")
    for one in (model, own):
        one.fit(X, LABELS[name]) if how == "fit" else one.partial_fit(X, LABELS[name], classes=np.unique(LABELS[name]))
    agree(own.classes_, model.classes_)
    agree(own.predict(X), model.predict(X))


def test_outputs_have_scikit_learns_type():
    for fitted in (np.float32, np.float64):
        models = both("MLPClassifier") + both("MLPRegressor")
        for one in models:
            one.fit(X.astype(fitted), Y)
        for asked in (np.float16, np.float32, np.float64, np.int8, np.int64, bool):
            for ask in ("predict_proba", "predict_log_proba", "predict"):
                want, got = (getattr(one, ask)(X.astype(asked)) for one in models[:2])
                agree(got, want, 1e-4)
            agree(models[3].predict(X.astype(asked)), models[2].predict(X.astype(asked)), 1e-3)
            one = sparse.csr_matrix(X.astype(asked if asked != np.float16 else np.float32))
            agree(models[3].predict(one), models[2].predict(one), 1e-3)


def test_learnt_numbers_have_scikit_learns_type():
    for settings in ({}, {"early_stopping": True}, {"solver": "lbfgs"}):
        model, own = both("MLPClassifier", **settings)
        model.fit(X, Y)
        own.fit(X, Y)
        for name in ("loss_", "best_loss_", "best_validation_score_", "t_", "n_iter_", "n_outputs_", "n_layers_"):
            if hasattr(model, name):
                assert type(getattr(own, name)) is type(getattr(model, name)), name
        for name in ("loss_curve_", "validation_scores_"):
            if getattr(model, name, None):
                assert {type(one) for one in getattr(own, name)} == {type(one) for one in getattr(model, name)}


def test_early_stopping_on_sparse_labels():
    labels = sparse.csr_matrix(np.eye(3, dtype=int)[Y])
    model, own = both("MLPClassifier", early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", sparse.SparseEfficiencyWarning)
        own.fit(X, labels)
    try:
        model.fit(X, labels)
    except TypeError:
        pytest.skip("older releases of scikit-learn cannot")
    agree(own.validation_scores_, model.validation_scores_)
    agree(own.predict(X), model.predict(X))


def test_partial_fit_refuses_labels_that_classes_do_not_name():
    labels = np.eye(3, dtype=int)[Y]
    for one in both("MLPClassifier"):
        with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
            one.partial_fit(X, labels, classes=[0, 1])
        assert hasattr(one, "predict")
    model, own = both("MLPClassifier")
    for one in (model, own):
        one.partial_fit(X, labels, classes=[0, 1, 2])
    agree(own.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("alpha", [0, 1e-4])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_loss_of_several_targets_with_and_without_penalty(solver, alpha, form):
    targets = np.column_stack([X[:, 0], X[:, 1] ** 2])
    model, own = both("MLPRegressor", solver=solver, alpha=alpha)
    agree(own.fit(form(X), targets).loss_curve_, model.fit(form(X), targets).loss_curve_)
    model, own = both("MLPRegressor", solver=solver, alpha=alpha, loss="poisson")
    agree(own.fit(form(X), abs(targets)).loss_curve_, model.fit(form(X), abs(targets)).loss_curve_)


@pytest.mark.parametrize("sizes", [(4.5,), 4.0, [True], (3, "a"), ((3, 2),)])
def test_sizes_that_are_no_numbers_of_units(sizes):
    with pytest.raises((TypeError, ValueError), match=r"hidden_layer_sizes|not supported"):
        estimators.MLPClassifier(sizes).fit(X, Y)


def test_asking_about_huge_numbers_warns_of_nothing():
    model = estimators.MLPClassifier(**SMALL).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(X * 1e300)


def test_the_score_of_several_columns_of_classes():
    targets = np.column_stack([Y, Y > 0])
    model = estimators.MLPClassifier(**SMALL | {"solver": "lbfgs", "max_iter": 100}).fit(X, targets)
    right = (model.predict(X) == targets).all(axis=1)
    assert model.score(X, targets) == right.mean() > 0.9
    assert model.score(X, targets, sample_weight=np.arange(len(X))) == np.average(right, weights=np.arange(len(X)))


def test_what_lbfgs_does_not_have_is_said_in_scikit_learns_words():
    model = estimators.MLPClassifier(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="This 'MLPClassifier' has no attribute 'partial_fit'"):
        model.partial_fit(X, Y)


WINE = load_wine(return_X_y=True)  # not scaled: the probabilities are 0 and 1 at first


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["several classes", "two classes", "several labels"])
def test_losses_of_probabilities_that_round_to_0(solver, dtype, kind):
    x, y = WINE[0].astype(dtype), WINE[1]
    y = {"several classes": y, "two classes": y > 0, "several labels": np.column_stack([y > 0, y > 1])}[kind]
    model, own = both("MLPClassifier", solver=solver, max_iter=30)
    for one in (model, own):
        one.fit(x, y)
    assert own.n_iter_ == model.n_iter_
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(own.loss_, model.loss_, rtol=tolerance)
    if solver != "lbfgs":
        np.testing.assert_allclose(own.loss_curve_, model.loss_curve_, rtol=tolerance)
        assert own.loss_curve_[0] > 0.5


def test_more_classes_than_lbfgs_can_tell_apart():
    classes = np.arange(len(X))  # one trial step of the line search makes probabilities of 0
    model, own = both("MLPClassifier", solver="lbfgs")
    np.testing.assert_allclose(own.fit(X, classes).loss_, model.fit(X, classes).loss_, rtol=1e-9)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_perceptron_of_sparse_rows(form, shuffle, monkeypatch):
    """The same numbers as of dense rows, whatever is made dense at once."""
    monkeypatch.setattr("fastnn.estimators.perceptron.PART", 28)
    holes = np.where(X > 0, X, 0)
    settings = {"max_iter": 9, "shuffle": shuffle}
    dense, thin = (estimators.Perceptron(**settings).fit(one, Y) for one in (holes, form(holes)))
    assert dense.errors_ == thin.errors_
    np.testing.assert_array_equal(dense.coef_, thin.coef_)
    np.testing.assert_allclose(thin.decision_function(form(holes)), dense.decision_function(holes), rtol=1e-12)
    assert (thin.predict(form(holes)) == dense.predict(holes)).all()


def test_perceptron_goes_on_with_partial_fit():
    whole = estimators.Perceptron(shuffle=False, tol=None, max_iter=3).fit(X, Y)
    parts = estimators.Perceptron(shuffle=False)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        parts.partial_fit(X, Y)
    for _ in range(3):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    assert parts.t_ == whole.t_ == 1 + 3 * 3 * len(X) and parts.n_iter_ == 1 and parts.errors_ == whole.errors_[2:]
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        parts.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        parts.partial_fit(X, Y, classes=[0, 1])
    few = estimators.Perceptron(shuffle=False)
    for first in range(0, 150, 10):  # streams of one class at a time
        few.partial_fit(X[first : first + 10], Y[first : first + 10], classes=[0, 1, 2])
    assert few.coef_.shape == (3, 4) and few.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", LABELS)
def test_perceptrons_classes_have_scikit_learns_type(name):
    from sklearn import linear_model

    models = [module.Perceptron().fit(X, LABELS[name]) for module in (linear_model, estimators)]
    agree(models[1].classes_, models[0].classes_)
    assert models[1].predict(X).dtype == models[0].predict(X).dtype
