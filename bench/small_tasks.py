"""The competitors in small things: epochs of 150 rows, a model from nothing, one row, 50 rows. One thread."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import EPSILON, LEARNING_RATE

ROWS, HELD, FEATURES, HIDDEN, CLASSES, BATCH = 150, 50, 4, 16, 3, 32
EPOCHS = 200  # of one call that is timed, and over which its time is divided
Task = Callable[[], Any]


def blobs(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the size of the iris data: three groups around corners."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, CLASSES, rows)
    return (rng.normal(size=(rows, FEATURES)) + 2 * np.eye(FEATURES)[y]).astype(np.float32), y


class Competitor:
    """Base of all: each task is a function without arguments, and how many things it does."""

    def __init__(self, threads: int) -> None:
        self.X, self.y = blobs()
        self.held, self.held_y = self.X[:HELD], self.y[:HELD]

    def tasks(self) -> dict[str, tuple[Task, int]]:
        raise NotImplementedError

    def accuracy(self) -> float:
        """Of the trained network, so that nobody is fast by doing nothing."""
        raise NotImplementedError

    def load(self, task: str) -> dict[str, float]:
        """Warms up; the microseconds of one thing, and after epochs the accuracy."""
        found = self.tasks()
        if task not in found:
            raise NotImplementedError(f"has no {task}")
        self.task, self.count = found[task]
        self.task()
        return self.run(1) | ({"accuracy": self.accuracy()} if task.startswith("epoch") else {})

    def run(self, calls: int) -> dict[str, float]:
        """Microseconds of one thing: median and least over the calls."""
        times = np.empty(calls)
        for i in range(calls):
            began = time.perf_counter_ns()
            self.task()
            times[i] = (time.perf_counter_ns() - began) / 1e3 / self.count
        return {"microseconds": float(np.median(times)), "least": float(times.min())}


class KerasLike(Competitor):
    """What fastnn and Keras share: the same words."""

    epochs = EPOCHS
    keras: Any

    def model(self) -> Any:
        layers = [self.keras.layers.Dense(HIDDEN, "relu"), self.keras.layers.Dense(CLASSES, "softmax")]
        model = self.keras.Sequential([self.keras.layers.Input((FEATURES,)), *layers])
        adam = self.keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def from_nothing(self) -> None:
        model = self.model()
        model.fit(self.X, self.y, BATCH, verbose=0)
        model.predict(self.X, verbose=0)

    def tasks(self) -> dict[str, tuple[Task, int]]:
        keras, model = self.keras, self.model()
        self.trained, one = model, (self.X[:1], self.y[:1])
        held = (self.held, self.held_y)
        many = {"batch_size": BATCH, "epochs": self.epochs, "verbose": 0}

        def validated() -> None:
            patient = keras.callbacks.EarlyStopping(patience=10**6)
            model.fit(self.X, self.y, validation_data=held, callbacks=[patient], **many)

        tasks = {
            "epoch": (lambda: model.fit(self.X, self.y, **many), self.epochs),
            "epoch, validated": (validated, self.epochs),
            "from nothing": (self.from_nothing, 1),
            "predict a row": (lambda: model.predict(one[0], verbose=0), 1),
            "evaluate 50 rows": (lambda: model.evaluate(*held, verbose=0), 1),
        }
        if hasattr(model, "train_on_batch"):
            tasks["train on a row"] = (lambda: model.train_on_batch(*one), 1)
        return tasks

    def accuracy(self) -> float:
        self.trained.fit(self.X, self.y, batch_size=BATCH, epochs=100, verbose=0)
        return float(np.mean(np.asarray(self.trained.predict(self.X, verbose=0)).argmax(axis=1) == self.y))


class Fastnn(KerasLike):
    """The public methods, with all checks of their input."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import fastnn

        fastnn.set_num_threads(threads)
        self.keras = fastnn

    def versions(self) -> dict[str, str]:
        return {"fastnn": self.keras.__version__, "numpy": np.__version__}


class KerasJax(KerasLike):
    """Keras on JAX; a call costs so much that fewer epochs are timed."""

    epochs = 20

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import keras

        self.keras = keras

    def versions(self) -> dict[str, str]:
        return {"keras": self.keras.__version__}


class ScikitLearn(Competitor):
    """MLPClassifier: partial_fit for each epoch; with early stopping by its own split where validated."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import sklearn
        from sklearn.neural_network import MLPClassifier

        warnings.filterwarnings("ignore")
        self.sklearn, self.MLPClassifier = sklearn, MLPClassifier

    def versions(self) -> dict[str, str]:
        return {"scikit-learn": self.sklearn.__version__}

    def new(self, **options: Any) -> Any:
        same = {"batch_size": BATCH, "learning_rate_init": LEARNING_RATE, "epsilon": EPSILON, "alpha": 0}
        return self.MLPClassifier((HIDDEN,), **same, **options)

    def from_nothing(self) -> None:
        self.new(max_iter=1).fit(self.X, self.y).predict_proba(self.X)

    def tasks(self) -> dict[str, tuple[Task, int]]:
        own = {"max_iter": EPOCHS, "n_iter_no_change": 10**6, "tol": 0}
        self.model = self.new(**own).fit(self.X, self.y)
        stopping = self.new(**own, early_stopping=True, validation_fraction=0.25)
        return {
            "epoch": (lambda: self.model.fit(self.X, self.y), EPOCHS),
            "epoch, validated": (lambda: stopping.fit(self.X, self.y), EPOCHS),
            "from nothing": (self.from_nothing, 1),
            "predict a row": (lambda: self.model.predict_proba(self.X[:1]), 1),
            "evaluate 50 rows": (lambda: self.model.score(self.held, self.held_y), 1),
            "train on a row": (lambda: self.model.partial_fit(self.X[:1], self.y[:1]), 1),
        }

    def accuracy(self) -> float:
        return float(self.model.score(self.X, self.y))


class Torch(Competitor):
    """A plain loop with the fused Adam; an epoch's rows are gathered at once."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.tensors = torch.from_numpy(self.X), torch.from_numpy(self.y)

    def versions(self) -> dict[str, str]:
        return {"torch": self.torch.__version__}

    def new(self) -> tuple[Any, Any]:
        nn = self.torch.nn
        model = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
        return model, self.torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)

    def epoch(self, model: Any, adam: Any) -> None:
        order = self.torch.randperm(ROWS)
        X, y = (one[order] for one in self.tensors)
        for x, labels in zip(X.split(BATCH), y.split(BATCH), strict=True):
            self.step(model, adam, x, labels)

    def step(self, model: Any, adam: Any, x: Any, y: Any) -> None:
        adam.zero_grad()
        self.torch.nn.functional.cross_entropy(model(x), y).backward()
        adam.step()

    def ask(self, model: Any, rows: int) -> float:
        with self.torch.inference_mode():
            X, y = (one[:rows] for one in self.tensors)
            z = model(X)
            loss = self.torch.nn.functional.cross_entropy(z, y)
            return float(loss) + float((z.argmax(1) == y).float().mean())

    def from_nothing(self) -> None:
        model, adam = self.new()
        self.epoch(model, adam)
        with self.torch.inference_mode():
            model(self.tensors[0]).softmax(1).numpy()

    def tasks(self) -> dict[str, tuple[Task, int]]:
        model, adam = self.new()
        self.model, row = model, self.X[:1]
        x, y = (one[:1] for one in self.tensors)

        def epochs(validated: bool) -> None:
            for _ in range(EPOCHS):
                self.epoch(model, adam)
                if validated:
                    self.ask(model, HELD)

        def predict() -> Any:
            with self.torch.inference_mode():
                return model(self.torch.from_numpy(row)).softmax(1).numpy()

        return {
            "epoch": (lambda: epochs(False), EPOCHS),
            "epoch, validated": (lambda: epochs(True), EPOCHS),
            "from nothing": (self.from_nothing, 1),
            "predict a row": (predict, 1),
            "evaluate 50 rows": (lambda: self.ask(model, HELD), 1),
            "train on a row": (lambda: self.step(model, adam, x, y), 1),
        }

    def accuracy(self) -> float:
        with self.torch.inference_mode():
            return float((self.model(self.tensors[0]).argmax(1) == self.tensors[1]).float().mean())


class Jax(Competitor):
    """A jitted step in a loop; the last, shorter batch is a second compilation."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import jax

        self.jax = jax
        self.rng = np.random.default_rng(0)

        def logits(w: Any, x: Any) -> Any:
            return jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]

        def loss(w: Any, x: Any, y: Any) -> Any:
            return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(logits(w, x)), y[:, None], axis=1))

        def step(state: Any, x: Any, y: Any) -> Any:
            w, m, v, t = state
            g, t = jax.grad(loss)(w, x, y), t + 1
            rate = LEARNING_RATE * jax.numpy.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
            w = [a - rate * b / (jax.numpy.sqrt(c) + EPSILON) for a, b, c in zip(w, m, v, strict=True)]
            return w, m, v, t

        self.step = jax.jit(step, donate_argnums=0)
        self.forward = jax.jit(lambda w, x: jax.nn.softmax(logits(w, x)))
        self.asked = jax.jit(lambda w, x, y: (loss(w, x, y), jax.numpy.mean(logits(w, x).argmax(1) == y)))

    def versions(self) -> dict[str, str]:
        return {"jax": self.jax.__version__}

    def new(self) -> Any:
        sizes = ((FEATURES, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,))
        w = [self.jax.numpy.asarray(0.3 * self.rng.normal(size=size), dtype="float32") for size in sizes]
        zeros = [[self.jax.numpy.zeros_like(one) for one in w] for _ in range(2)]
        return w, *zeros, self.jax.numpy.float32(0)

    def epoch(self, state: Any) -> Any:
        order = self.rng.permutation(ROWS)
        X, y = self.X[order], self.y[order].astype(np.int32)
        for first in range(0, ROWS, BATCH):
            state = self.step(state, X[first : first + BATCH], y[first : first + BATCH])
        return state

    def from_nothing(self) -> None:
        np.asarray(self.forward(self.epoch(self.new())[0], self.X))

    def tasks(self) -> dict[str, tuple[Task, int]]:
        self.state = self.new()
        row, label = self.X[:1], self.y[:1].astype(np.int32)
        held = self.held, self.held_y.astype(np.int32)

        def epochs(validated: bool) -> None:
            for _ in range(EPOCHS):
                self.state = self.epoch(self.state)
                if validated:
                    [float(one) for one in self.asked(self.state[0], *held)]
            self.jax.block_until_ready(self.state)

        def train() -> None:
            self.state = self.step(self.state, row, label)
            self.jax.block_until_ready(self.state)

        return {
            "epoch": (lambda: epochs(False), EPOCHS),
            "epoch, validated": (lambda: epochs(True), EPOCHS),
            "from nothing": (self.from_nothing, 1),
            "predict a row": (lambda: np.asarray(self.forward(self.state[0], row)), 1),
            "evaluate 50 rows": (lambda: [float(one) for one in self.asked(self.state[0], *held)], 1),
            "train on a row": (train, 1),
        }

    def accuracy(self) -> float:
        return float(np.mean(np.asarray(self.forward(self.state[0], self.X)).argmax(axis=1) == self.y))


OURS = "fastnn"
COMPETITORS = {
    OURS: Fastnn,
    "fastnn before": Fastnn,
    "scikit-learn": ScikitLearn,
    "torch": Torch,
    "jax": Jax,
    "keras-jax": KerasJax,
}
