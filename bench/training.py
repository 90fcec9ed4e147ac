"""The competitors in training: each one in its fastest honest form, all with the same data, weights, Adam and batches.

All shuffle before each epoch. Only fastnn computes a metric. Each imports its library when it is made.
"""

import time
import warnings
from typing import Any

import numpy as np
import workloads
from workloads import EPSILON, LEARNING_RATE, POOL, WORKLOADS, Array, Workload

MEASUREMENT = 0.05  # seconds, at least
CHECK_BATCHES = 15  # in the small set of the learning check
GATHERED = 1 << 24  # bytes: up to here JAX is faster when it gathers a whole epoch, beyond when it gathers each batch


class Competitor:
    """Base of all: subclasses say how to build, how to take data, how to train an epoch, and where the weights are."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def versions(self) -> dict[str, str]:
        raise NotImplementedError

    def build(self, workload: Workload, weights: list[Array]) -> None:
        """Makes the network with these weights."""
        raise NotImplementedError

    def take(self, X: Array, y: Any) -> None:
        """The data of the next epochs, in the library's own form."""
        raise NotImplementedError

    def train(self, epochs: int) -> None:
        """Trains, and returns when all work is done."""
        raise NotImplementedError

    def weights(self) -> list[Array]:
        """W, b, W, b, ..."""
        raise NotImplementedError

    def fma_limit(self) -> float | None:
        return None

    def check(self, case: str) -> dict[str, float]:
        """Builds the network and trains it for some steps on a small set: its loss before and after."""
        self.workload = workload = WORKLOADS[case]
        rows = CHECK_BATCHES * workload.batch
        X, y = workloads.data(workload, rows)
        start = workloads.initial_weights(workload)
        self.build(workload, start)
        self.take(X, y)
        self.train(workload.check_steps // CHECK_BATCHES)
        return {
            "before": workloads.mean_loss(workload, start, X, y),
            "after": workloads.mean_loss(workload, self.weights(), X, y),
            "flops": getattr(self, "flops", None),
        }

    def load(self, steps: int) -> dict[str, float]:
        """Takes the data of the real epochs and warms up; tells how many of them one measurement needs."""
        self.workload = self.workload.shortened(steps)
        X, y = workloads.data(self.workload)
        self.take(X, y)
        self.train(1)  # compiles for these shapes
        seconds = self.run(1)["seconds"]
        return {"checksum": workloads.checksum(X, y), "epochs": int(np.ceil(MEASUREMENT / seconds)), "seconds": seconds}

    def run(self, epochs: int) -> dict[str, float | None]:
        """One measurement."""
        began = time.perf_counter()
        self.train(epochs)
        seconds = time.perf_counter() - began
        step = 1e6 * seconds / (epochs * self.workload.steps)
        return {"seconds": seconds, "microseconds": step, "fma": self.fma_limit()}


class Fastnn(Competitor):
    """The public fit, with the accuracy and all checks of its input."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import fastnn

        self.fastnn = fastnn
        fastnn.set_num_threads(threads)
        self.core = fastnn.basics.backend.core("float32")

    def versions(self) -> dict[str, str]:
        return {"fastnn": self.fastnn.__version__, "level": self.fastnn.basics.backend.level, "numpy": np.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> None:
        self.model = self.fastnn.Sequential(workload.layers(self.fastnn.layers, workload.output), rng=0)
        loss = "binary_crossentropy" if workload.output == "sigmoid" else "sparse_categorical_crossentropy"
        adam = self.fastnn.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)
        self.model.compile(optimizer=adam, loss=loss, metrics=["accuracy"])
        self.model.set_weights(weights)
        self.flops = self.model.program.flops * workload.batch

    def take(self, X: Array, y: Any) -> None:
        self.X, self.y = X, y

    def train(self, epochs: int) -> None:
        self.model.fit(self.X, self.y, batch_size=self.workload.batch, epochs=epochs, verbose=0)

    def weights(self) -> list[Array]:
        return self.model.get_weights()

    def fma_limit(self) -> float:
        """Of one core, right beside the measurement: its clock swings."""
        return self.core.fma_limit(0.02)


class ScikitLearn(Competitor):
    """MLPClassifier.partial_fit, once for each epoch. alpha=0: nobody else has weight decay."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import sklearn
        from sklearn.neural_network import MLPClassifier

        warnings.filterwarnings("ignore")  # of the convergence, which nobody asked for
        self.sklearn, self.MLPClassifier = sklearn, MLPClassifier

    def versions(self) -> dict[str, str]:
        return {"scikit-learn": self.sklearn.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> None:
        if workload.image:
            raise ValueError("has no convolutions")
        self.start = weights
        self.model = self.MLPClassifier(
            workload.sizes[1:-1], batch_size=workload.batch, learning_rate_init=LEARNING_RATE, epsilon=EPSILON, alpha=0
        )

    def take(self, X: Array, y: Any) -> None:
        self.X, self.y = X, y
        if not hasattr(self.model, "coefs_"):  # makes its weights at its first step
            classes = np.arange(max(2, self.workload.sizes[-1]))
            self.model.partial_fit(X[: self.workload.batch], y[: self.workload.batch], classes=classes)
            for own, given in zip(self._own(), self.start, strict=True):
                own[...] = given

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.model.partial_fit(self.X, self.y)

    def _own(self) -> list[Array]:
        return [array for pair in zip(self.model.coefs_, self.model.intercepts_, strict=True) for array in pair]

    def weights(self) -> list[Array]:
        if self.model.coefs_[0].dtype != np.float32:
            raise TypeError(f"computes in {self.model.coefs_[0].dtype}, not in float32")
        return self._own()


class Torch(Competitor):
    """Eager, with the fused Adam; the rows of an epoch are gathered at once and its batches are views."""

    compiled = False
    channels_last = False  # of images in memory: by default the channels come before height and width

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        self.torch = torch

    def versions(self) -> dict[str, str]:
        return {"torch": self.torch.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> None:
        torch, nn = self.torch, self.torch.nn
        self.layout = torch.channels_last if self.channels_last and workload.image else torch.contiguous_format
        model = self.model = nn.Sequential(*torch_layers(torch, workload, weights)).to(memory_format=self.layout)
        losses = nn.functional  # both take logits: the fastest form
        loss = losses.binary_cross_entropy_with_logits if workload.output == "sigmoid" else losses.cross_entropy
        self.loss = lambda x, y: loss(model(x), y)
        self.adam = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)
        if self.compiled:
            torch._dynamo.reset()  # forgets the case before
            self.loss = torch.compile(self.loss, dynamic=False)

    def take(self, X: Array, y: Any) -> None:
        self.X, self.y = self.torch.from_numpy(X), self.torch.from_numpy(y)
        if self.workload.image:
            self.X = self.X.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
        if self.workload.output == "sigmoid":
            self.y = self.y.float()[:, None]

    def train(self, epochs: int) -> None:
        loss, adam, batch = self.loss, self.adam, self.workload.batch
        for _ in range(epochs):
            order = self.torch.randperm(len(self.X))
            X = self.X[order].contiguous(memory_format=self.layout)
            for x, y in zip(X.split(batch), self.y[order].split(batch), strict=True):
                adam.zero_grad()
                loss(x, y).backward()
                adam.step()

    def weights(self) -> list[Array]:
        found = [p.detach().numpy() for p in self.model.parameters()]
        found = [p.transpose(2, 3, 1, 0) if p.ndim == 4 else p.T for p in found]
        if self.workload.image:
            first = 2 * (len(self.workload.kernels) - len(self.workload.sizes) + 1)
            height, width, channels = self.workload.maps[-1]
            rows = found[first].reshape(channels, height, width, -1)
            found[first] = rows.transpose(1, 2, 0, 3).reshape(found[first].shape)
        return found


def torch_layers(torch: Any, workload: Workload, weights: list[Array]) -> list[Any]:
    """All layers but the last activation, with these weights. Torch flattens channel by channel."""
    nn, pairs = torch.nn, iter(zip(weights[::2], weights[1::2], strict=True))
    layers: list[Any] = []

    def add(layer: Any, W: Array, b: Array) -> None:
        layer.load_state_dict({"weight": torch.from_numpy(W.copy()), "bias": torch.from_numpy(b.copy())})
        layers.extend([layer, nn.ReLU()])

    for one in workload.convolutions:
        if one == POOL:
            layers.append(nn.MaxPool2d(2))
        else:
            W, b = next(pairs)
            add(nn.Conv2d(W.shape[2], W.shape[3], 3, padding=workload.padding), W.transpose(3, 2, 0, 1), b)
    layers += [nn.Flatten()] if workload.image else []
    for W, b in pairs:
        turned = W.T
        if workload.image and len(W) == workload.sizes[0]:
            turned = W.reshape(*workload.maps[-1], -1).transpose(3, 2, 0, 1).reshape(W.shape[1], -1)
        add(nn.Linear(*W.shape), turned, b)
    return layers[:-1]


class TorchChannelsLast(Torch):
    """The same with the channels of images last in memory, as fastnn and Keras have them."""

    channels_last = True

    def build(self, workload: Workload, weights: list[Array]) -> None:
        if not workload.image:
            raise ValueError("has no images")
        super().build(workload, weights)


class TorchCompile(Torch):
    """torch.compile of network and loss, forward and backward, with the fused Adam."""

    compiled = True


class KerasJax(Competitor):
    """model.fit of Keras on JAX, with the losses that take logits."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import keras

        if keras.backend.backend() != "jax":
            raise ImportError(f"Keras runs on {keras.backend.backend()}, not on JAX")
        self.keras = keras

    def versions(self) -> dict[str, str]:
        return {"keras": self.keras.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> None:
        keras = self.keras
        keras.backend.clear_session()
        self.model = keras.Sequential(workload.layers(keras.layers, None))
        losses = keras.losses
        kind = losses.BinaryCrossentropy if workload.output == "sigmoid" else losses.SparseCategoricalCrossentropy
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON), kind(from_logits=True))
        self.model.set_weights(weights)

    def take(self, X: Array, y: Any) -> None:
        self.X = X
        self.y = y.astype(np.float32)[:, None] if self.workload.output == "sigmoid" else y.astype(np.int32)

    def train(self, epochs: int) -> None:
        self.model.fit(self.X, self.y, batch_size=self.workload.batch, epochs=epochs, verbose=0)

    def weights(self) -> list[Array]:
        return self.model.get_weights()


class Jax(Competitor):
    """A whole epoch in one jitted lax.scan over a permutation from NumPy, which is faster than JAX's own."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import jax

        self.jax = jax
        self.rng = np.random.default_rng(0)

    def versions(self) -> dict[str, str]:
        return {"jax": self.jax.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> None:
        jnp, tree = self.jax.numpy, self.jax.tree
        start = [jnp.asarray(array) for array in weights]
        zeros = [tree.map(jnp.zeros_like, start) for _ in range(2)]
        self.state = (start, *zeros, jnp.float32(0))
        self.loss = _jax_loss(self.jax, workload)

    def take(self, X: Array, y: Any) -> None:
        jnp = self.jax.numpy
        self.X = jnp.asarray(X)
        self.y = jnp.asarray(y.astype(np.float32 if self.workload.output == "sigmoid" else np.int32))
        epoch = _jax_epoch(self.jax, self.loss, self.workload.batch, X.nbytes <= GATHERED)
        self.epoch = self.jax.jit(epoch, donate_argnums=0)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            order = self.rng.permutation(len(self.X)).astype(np.int32)
            self.state = self.epoch(self.state, order, self.X, self.y)
        self.jax.block_until_ready(self.state)

    def weights(self) -> list[Array]:
        return [np.asarray(array) for array in self.state[0]]


def _jax_loss(jax: Any, workload: Workload) -> Any:
    def pool(x: Any) -> Any:
        return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def convolve(x: Any, W: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, W, (1, 1), workload.padding.upper(), dimension_numbers=layout)

    def loss(weights: list[Any], x: Any, y: Any) -> Any:
        for one in workload.convolutions:
            if one == POOL:
                x = pool(x)
            else:
                x, weights = jax.nn.relu(convolve(x, weights[0]) + weights[1]), weights[2:]
        x = x.reshape(len(x), -1)
        for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            x = jax.nn.relu(x @ W + b)
        z = x @ weights[-2] + weights[-1]
        if workload.output == "sigmoid":
            return jax.numpy.mean(jax.nn.softplus(z[:, 0]) - y * z[:, 0])
        chosen = jax.numpy.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)
        return -jax.numpy.mean(chosen)

    return loss


def _jax_epoch(jax: Any, loss: Any, batch: int, gather: bool, b1: float = 0.9, b2: float = 0.999) -> Any:
    def step(state: Any, x: Any, y: Any) -> Any:
        w, m, v, t = state
        g = jax.grad(loss)(w, x, y)
        t = t + 1
        rate = LEARNING_RATE * jax.numpy.sqrt(1 - b2**t) / (1 - b1**t)
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (jax.numpy.sqrt(v) + EPSILON), w, m, v)
        return (w, m, v, t), None

    def epoch(state: Any, order: Any, X: Any, y: Any) -> Any:
        order = order.reshape(-1, batch)
        if gather:
            return jax.lax.scan(lambda state, rows: step(state, *rows), state, (X[order], y[order]))[0]
        return jax.lax.scan(lambda state, rows: step(state, X[rows], y[rows]), state, order)[0]

    return epoch


OURS = "fastnn"
COMPETITORS: dict[str, type[Competitor]] = {
    OURS: Fastnn,
    "scikit-learn": ScikitLearn,
    "torch": Torch,
    "torch.channels_last": TorchChannelsLast,
    "torch.compile": TorchCompile,
    "keras-jax": KerasJax,
    "jax-scan": Jax,
}
