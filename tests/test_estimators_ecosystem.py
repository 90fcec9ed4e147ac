"""The estimators among scikit-learn's own: pipelines, searches, meta-estimators, processes."""

import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.7", reason="the extra sklearn is not installed")
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes  # noqa: E402
from sklearn.ensemble import BaggingClassifier, StackingClassifier  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay, permutation_importance  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_score  # noqa: E402
from sklearn.multioutput import MultiOutputClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import fastnn  # noqa: E402
from fastnn.estimators import MLPClassifier, MLPRegressor, Perceptron, training  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
QUICK = {"hidden_layer_sizes": (6,), "max_iter": 30, "random_state": 0, "learning_rate_init": 0.01}

CONFIGURATIONS = [
    MLPClassifier((20,), max_iter=100),
    MLPRegressor(hidden_layer_sizes=(20,), max_iter=100, learning_rate_init=0.01),
    MLPClassifier((20,), solver="sgd", max_iter=100, learning_rate_init=0.1),
    MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", max_iter=100),
    MLPClassifier((20,), early_stopping=True, max_iter=100, validation_fraction=0.3, learning_rate_init=0.01),
    MLPClassifier((20,), class_weight="balanced", max_iter=100),
    MLPClassifier((50,), dropout=0.1, max_iter=100),
    MLPClassifier((20,), batch_norm=True, solver="adamw", max_iter=100),
    MLPRegressor("quantile", (20,), max_iter=100, quantiles=[0.1, 0.5, 0.9], learning_rate_init=0.01),
    MLPRegressor("gaussian_nll", (20,), max_iter=100, activation="tanh", scale="standard"),
    Perceptron(),
]
EARLY = "as scikit-learn's: partial_fit knows no early stopping, and few rows are kept back"
REPEATED = "as scikit-learn's: a row twice is not a row of weight 2 where batches, splits or draws depend on the rows"


def expected_failures(estimator):
    if getattr(estimator, "early_stopping", False):
        names = ("fit_score_takes_y", "n_features_in_after_fitting", "estimators_partial_fit_n_features")
        found = {f"check_{name}": EARLY for name in names}
    else:
        found = {}
    settings = estimator.get_params()
    if any(settings.get(name) for name in ("early_stopping", "class_weight", "dropout", "batch_norm", "scale")):
        found |= {f"check_sample_weight_equivalence_on_{kind}_data": REPEATED for kind in ("dense", "sparse")}
    return found


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CONFIGURATIONS, expected_failed_checks=expected_failures)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_pipeline_and_column_transformer():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:, :4], columns=list("abcd")).assign(kind=np.where(X[:, 5] > 0, "high", "low"))
    parts = ColumnTransformer([("numbers", StandardScaler(), list("abcd")), ("kinds", OneHotEncoder(), ["kind"])])
    model = make_pipeline(parts, MLPClassifier(**QUICK)).fit(frame, y)
    assert model.score(frame, y) > 0.9
    assert make_pipeline(StandardScaler().set_output(transform="pandas"), MLPClassifier(**QUICK)).fit(
        frame[list("abcd")], y
    )
    assert clone(model).get_params()["mlpclassifier__max_iter"] == 30


def test_searches_in_two_processes():
    grid = {"alpha": [1e-4, 1e-2], "hidden_layer_sizes": [(4,), (6,)]}
    two = GridSearchCV(MLPClassifier(**QUICK), grid, cv=3, n_jobs=2).fit(X, y)
    one = GridSearchCV(MLPClassifier(**QUICK), grid, cv=3).fit(X, y)
    assert np.array_equal(two.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])
    halving = HalvingGridSearchCV(MLPClassifier(**QUICK), grid, cv=3, n_jobs=2, min_resources=100, random_state=0)
    assert halving.fit(X, y).best_score_ > 0.9


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_cross_validation_in_pools(backend):
    expected = cross_val_score(MLPClassifier(**QUICK), X, y, cv=4)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert np.array_equal(cross_val_score(MLPClassifier(**QUICK), X, y, cv=4), expected)


def test_dask_pool():
    distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
    expected = cross_val_score(MLPClassifier(**QUICK), X, y, cv=4)
    local = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**local) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert np.array_equal(cross_val_score(MLPClassifier(**QUICK), X, y, cv=4), expected)


def test_meta_estimators():
    model = MLPClassifier(**QUICK)
    for meta in (
        CalibratedClassifierCV(model, cv=3),
        BaggingClassifier(model, n_estimators=3, random_state=0),
        StackingClassifier([("net", model), ("line", LogisticRegression())], cv=3),
    ):
        assert meta.fit(X, y).score(X, y) > 0.9
        assert meta.predict_proba(X).shape == (len(X), 2)
    both = np.column_stack([y, X[:, 0] > 0]).astype(int)
    assert MultiOutputClassifier(model).fit(X, both).score(X, both) > 0.8
    A, b = load_diabetes(return_X_y=True, scaled=False)
    net = make_pipeline(StandardScaler(), MLPRegressor(**QUICK | {"max_iter": 200}))
    assert TransformedTargetRegressor(net, transformer=StandardScaler()).fit(A, b).score(A, b) > 0.4


def test_inspection():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    model = MLPClassifier(**QUICK).fit(X[:, :2], y)
    assert permutation_importance(model, X[:, :2], y, n_repeats=2, random_state=0).importances.shape == (2, 2)
    assert DecisionBoundaryDisplay.from_estimator(model, X[:, :2], grid_resolution=20)
    assert PartialDependenceDisplay.from_estimator(model, X[:, :2], [0], grid_resolution=5)
    matplotlib.pyplot.close("all")


ELSEWHERE = """
import sys, joblib, numpy as np
model, X, expected = joblib.load(sys.argv[1])
assert np.array_equal(model.predict_proba(X), expected)
model.partial_fit(X[:50], np.arange(50) % 2)
print("the same")
"""


def test_joblib_in_another_process(tmp_path):
    model = MLPClassifier(**QUICK).fit(X, y)
    joblib.dump((model, X, model.predict_proba(X)), tmp_path / "model.joblib")
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "model.joblib")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "the same\n"


def test_fits_at_once_share_the_cores(monkeypatch):
    monkeypatch.setattr("fastnn.basics.backend._threads", 8)
    seen, ready = [], threading.Barrier(4)

    def fit():
        with training.sharing():
            ready.wait()
            seen.append(training.threads_for(1e12, None))
            ready.wait()

    threads = [threading.Thread(target=fit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 4 and training.threads_for(1e12, None) == 8 and training.threads_for(1e12, 3) == 3


WORKER = """
import os
from joblib import Parallel, delayed
def threads():
    import fastnn
    return fastnn.get_num_threads()
print(*Parallel(n_jobs=2)(delayed(threads)() for _ in range(2)))
"""


def test_a_worker_of_a_pool_takes_its_share():
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60, check=True)
    most = max(1, joblib.cpu_count() // 2)
    assert {int(one) for one in done.stdout.split()} <= set(range(1, most + 1))


LAZY = """
import sys, fastnn
assert not {"sklearn", "scipy"} & {name.split(".")[0] for name in sys.modules}
fastnn.estimators
"""


def test_importing_fastnn_imports_no_scikit_learn():
    subprocess.run([sys.executable, "-c", LAZY], timeout=60, check=True)
    assert fastnn.estimators.MLPClassifier is MLPClassifier
