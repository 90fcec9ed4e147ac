"""Speed of fastnn.estimators beside scikit-learn's: fits and predictions with all their overheads. See README.md.

python bench/estimators.py [--cases digits,row] [--rounds 5] [--threads 1]
python bench/estimators.py --scores [--cases digits,mnist] [--seeds 5]
python bench/estimators.py --memory

Each library runs in a process of its own, in turns; a table of medians is printed. Both compute the same from the same
random state, which is checked. --scores compares cross-validated scores instead, --memory the most memory that a fit
of sparse rows takes beside its data.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

LIBRARIES = {"fastnn": "fastnn.estimators", "scikit-learn": "sklearn.neural_network"}
GOALS = {"digits": 6, "cancer": 40, "cancer 32": 40, "mnist": 3, "grid": 25, "row": 20, "sparse": 3}


def cancer():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def settings(hidden, epochs, **more):
    """All epochs are trained: no rule ends them."""
    return {
        "hidden_layer_sizes": hidden,
        "max_iter": epochs,
        "random_state": 0,
        "tol": 0.0,
        "n_iter_no_change": 10**6,
    } | more


def timed(function):
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def digits(MLPClassifier):
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return timed(lambda: MLPClassifier(**settings((100,), 50)).fit(X / 16, y).loss_)


def cancer_case(MLPClassifier, **more):
    X, y = cancer()
    return timed(lambda: MLPClassifier(**settings((16, 8), 100, **more)).fit(X, y).loss_)


def mnist(MLPClassifier):
    import fastnn

    X, y = fastnn.datasets.mnist(os.environ.get("FASTNN_DATA"))[0]
    X, y = X[:10000].reshape(10000, -1) / 255.0, y[:10000]
    return timed(lambda: MLPClassifier(**settings((300, 100), 3, batch_size=32)).fit(X, y).loss_)


def grid(MLPClassifier):
    from sklearn.model_selection import GridSearchCV

    X, y = cancer()
    grid = {
        "alpha": [1e-5, 1e-4, 1e-3, 1e-2],
        "learning_rate_init": [0.001, 0.01],
        "hidden_layer_sizes": [(8,), (16,), (16, 8)],
    }
    search = GridSearchCV(MLPClassifier(**settings((16,), 100, batch_size=32)), grid, cv=5, n_jobs=2)
    search.fit(X[:100], y[:100])  # starts the workers
    return timed(lambda: float(search.fit(X, y).best_score_))


def row(MLPClassifier):
    X, y = cancer()
    model = MLPClassifier(**settings((16, 8), 3)).fit(X, y)
    one = X[:1]
    model.predict_proba(one)
    seconds, _ = timed(lambda: [model.predict_proba(one) for _ in range(300)])
    return seconds / 300, float(model.predict_proba(one)[0, 0])


def newsgroups():
    """Like 20 newsgroups: 11,000 rows, 100,000 features, 0.1 % filled."""
    import numpy as np
    from scipy.sparse import random

    X = random(11000, 100_000, density=0.001, format="csr", random_state=np.random.default_rng(0))
    return X, (X[:, :20].toarray() > 0).argmax(axis=1)


def sparse(MLPClassifier):
    X, y = newsgroups()
    return timed(lambda: MLPClassifier(**settings((100,), 1)).fit(X, y).loss_)


def memory(MLPClassifier):
    """Megabytes that a fit of sparse rows takes at most beside what was there before it, its data included.

    The kernel's peak of this process, begun anew before the fit: Linux only.
    """
    import gc

    X, y = newsgroups()
    MLPClassifier(max_iter=1).fit(X[:50, :10], y[:50])  # what the first fit imports
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = resident("VmRSS")
    model = MLPClassifier(**settings((100,), 1)).fit(X, y)
    most = resident("VmHWM") - before
    weights = sum(one.nbytes for one in (*model.coefs_, *model.intercepts_)) / 2**20
    data = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20
    return round(most + data), (round(data), round(weights))


def resident(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024


CASES = {
    "digits": digits,
    "cancer": cancer_case,
    "cancer 32": lambda kind: cancer_case(kind, batch_size=32),
    "mnist": mnist,
    "grid": grid,
    "row": row,
    "sparse": sparse,
}


def tables():
    """What ``--scores`` learns: name -> classifier or regressor, its settings, and a function that gives X and y."""
    from sklearn import datasets

    def first_of_mnist():
        import fastnn

        X, y = fastnn.datasets.mnist(os.environ.get("FASTNN_DATA"))[0]
        return X[:10000].reshape(10000, -1) / 255.0, y[:10000]

    def bundled(name):
        return lambda: getattr(datasets, f"load_{name}")(return_X_y=True)

    small = {"hidden_layer_sizes": (16, 8), "max_iter": 200, "batch_size": 32}
    return {
        "digits": ("MLPClassifier", {"max_iter": 50}, bundled("digits")),
        "breast cancer": ("MLPClassifier", small, bundled("breast_cancer")),
        "wine": ("MLPClassifier", small, bundled("wine")),
        "iris": ("MLPClassifier", small, bundled("iris")),
        "diabetes": ("MLPRegressor", small | {"learning_rate_init": 0.01}, bundled("diabetes")),
        "mnist": ("MLPClassifier", {"max_iter": 10}, first_of_mnist),
    }


def scores(chosen, seeds):
    """A line for each table: the scores of both libraries over seeds, with the same random states and with others.

    Each seed shuffles the rows into five folds, the same for all. p is that of a paired t-test over the seeds, 1 where
    no score differs at all.
    """
    from importlib import import_module

    import numpy as np
    from scipy.stats import ttest_rel
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def over_seeds(library, kind, options, X, y, other):
        made = getattr(import_module(LIBRARIES[library]), kind)
        folds = KFold if kind == "MLPRegressor" else StratifiedKFold
        return np.array(
            [
                cross_val_score(
                    make_pipeline(StandardScaler(), made(random_state=seed + other, **options)),
                    X,
                    y,
                    cv=folds(5, shuffle=True, random_state=seed),
                ).mean()
                for seed in range(seeds)
            ]
        )

    def p_value(ours, theirs):
        return 1.0 if np.allclose(ours, theirs, rtol=0, atol=1e-12) else float(ttest_rel(ours, theirs).pvalue)

    print(
        "| data | scikit-learn | fastnn | p | fastnn, other random states | p |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name in chosen:
        kind, options, load = tables()[name]
        X, y = load()
        theirs = over_seeds("scikit-learn", kind, options, X, y, 0)
        same, apart = (over_seeds("fastnn", kind, options, X, y, other) for other in (0, 1000))
        cells = [f"{one.mean():.4f} ± {one.std(ddof=1):.4f}" for one in (theirs, same, apart)]
        values = [p_value(one, theirs) for one in (same, apart)]
        print(f"| {name} | {cells[0]} | {cells[1]} | {values[0]:.2f} | {cells[2]} | {values[1]:.2f} |", flush=True)


def serve(library):
    """A child: reads names of cases, answers with seconds and a number that both must find."""
    from importlib import import_module

    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    kind = import_module(LIBRARIES[library]).MLPClassifier
    for line in sys.stdin:
        print(json.dumps((CASES | {"memory": memory})[line.strip()](kind)), flush=True)


def start(library, environment):
    """A process of its own for a library."""
    command = [sys.executable, __file__, "--serve", library]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def peaks(rounds, environment):
    """A line for each library: the most memory of a fit, in processes that do nothing else."""
    print("| library | peak, MB | rounds | data, MB | weights, MB |\n| --- | --- | --- | --- | --- |")
    for library in LIBRARIES:
        found = []
        for _ in range(rounds):
            child = start(library, environment)
            answer, _ = child.communicate("memory\n")
            found.append(json.loads(answer))
        values = [peak for peak, _ in found]
        data, weights = found[0][1]
        print(f"| {library} | {statistics.median(values):.0f} | {values} | {data} | {weights} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", help="some of: " + ", ".join(CASES) + "; of the data of --scores")
    parser.add_argument("--scores", action="store_true", help="cross-validated scores instead of speed")
    parser.add_argument("--memory", action="store_true", help="the most memory of a fit of sparse rows instead")
    parser.add_argument("--seeds", type=int, default=5, help="of --scores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of both libraries; all cores by default")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    if arguments.scores:
        warnings.simplefilter("ignore")
        scores(arguments.cases.split(",") if arguments.cases else list(tables()), arguments.seeds)
        return 0
    environment = dict(os.environ)
    if arguments.threads:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "FASTNN_NUM_THREADS")
        environment |= dict.fromkeys(names, str(arguments.threads))
    if arguments.memory:
        peaks(arguments.rounds, environment)
        return 0
    children = {name: start(name, environment) for name in LIBRARIES}
    print("| case | fastnn, ms | scikit-learn, ms | ratio | goal |\n| --- | --- | --- | --- | --- |")
    for case in arguments.cases.split(",") if arguments.cases else CASES:
        seconds = {name: [] for name in children}
        found = {}
        for _ in range(arguments.rounds):
            for name, child in children.items():
                assert child.stdin and child.stdout
                child.stdin.write(case + "\n")
                child.stdin.flush()
                took, found[name] = json.loads(child.stdout.readline())
                seconds[name].append(took)
        ours, theirs = (1e3 * statistics.median(values) for values in seconds.values())
        same = abs(found["fastnn"] - found["scikit-learn"]) < 1e-4 * abs(found["scikit-learn"]) + 1e-9
        line = f"| {case} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f} | {GOALS[case]} |"
        print(line if same else f"{line} they differ: {found}", flush=True)
    for child in children.values():
        child.stdin.close()
        child.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
