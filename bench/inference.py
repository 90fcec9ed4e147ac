"""The competitors in inference: the same weights in each, one call from a NumPy array to a NumPy array."""

import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads
from training import torch_layers
from workloads import POOL, ROW, WORKLOADS, Array, Workload

WARM_UP = 20  # calls
GROUP = 20e-6  # seconds of calls that are timed together: the clock itself takes some 0.05 us


class Competitor:
    """Base of all: subclasses say how to build the network, and what to call."""

    tolerance = 1e-4  # of the outputs

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def versions(self) -> dict[str, str]:
        raise NotImplementedError

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        """What takes rows (n, inputs) and gives outputs (n, outputs)."""
        raise NotImplementedError

    def load(self, case: str, rows: int) -> dict[str, Any]:
        """Builds the network of a case and returns its outputs for the first rows, to be compared."""
        workload = ROW if case == ROW.name else WORKLOADS[case]
        self.x = workloads.data(workload, rows)[0]
        self.call = self.build(workload, workloads.initial_weights(workload))
        for _ in range(WARM_UP):
            outputs = self.call(self.x)
        outputs = np.asarray(outputs, dtype=np.float64).reshape(rows, -1)
        return {"outputs": outputs.tolist(), "tolerance": self.tolerance}

    def run(self, calls: int) -> dict[str, float]:
        """Microseconds of a call: median and least of groups of calls, percentiles of calls timed one by one."""
        call, x, clock = self.call, self.x, time.perf_counter_ns
        times = np.empty(calls)
        for i in range(calls):
            began = clock()
            call(x)
            times[i] = clock() - began
        group = max(1, int(GROUP * 1e9 / max(1.0, float(np.median(times)))))
        groups = np.empty(max(3, calls // group))
        for i in range(len(groups)):
            began = clock()
            for _ in range(group):
                call(x)
            groups[i] = (clock() - began) / group
        tails = {f"p{share:g}": float(np.percentile(times, share)) / 1e3 for share in (50, 99, 99.9)}
        return {"microseconds": float(np.median(groups)) / 1e3, "least": float(groups.min()) / 1e3} | tails

    def throughput(self, threads: int, seconds: float) -> dict[str, float]:
        """Calls of a second by so many threads of Python at once."""
        counts, call, x = [0] * threads, self.call, self.x
        end = time.perf_counter() + seconds

        def work(i: int) -> None:
            done = 0
            while time.perf_counter() < end:
                for _ in range(100):
                    call(x)
                done += 100
            counts[i] = done

        running = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
        began = time.perf_counter()
        for one in running:
            one.start()
        for one in running:
            one.join()
        return {"calls": sum(counts) / (time.perf_counter() - began)}


class FastnnCall(Competitor):
    """model(x)."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import fastnn

        fastnn.set_num_threads(threads)
        self.fastnn = fastnn

    def versions(self) -> dict[str, str]:
        return {"fastnn": self.fastnn.__version__, "level": self.fastnn.basics.backend.level, "numpy": np.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        self.model = self.fastnn.Sequential(workload.layers(self.fastnn.layers, workload.output), rng=0)
        self.model.set_weights(weights)
        return self.model


class FastnnPredict(FastnnCall):
    """model.predict(x)."""

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        super().build(workload, weights)
        return self.model.predict


class FastnnPredictor(FastnnCall):
    """model.predictor()(x, out=...)."""

    kind: str | None = None

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        super().build(workload, weights)
        predictor = self.predictor = self.model.predictor(batch=len(self.x), dtype=self.kind)
        alone = len(self.x) == 1
        out = np.empty(workload.sizes[-1] if alone else (len(self.x), workload.sizes[-1]), dtype=np.float32)
        self.x = self.x[0] if alone else self.x

        def call(x: Array) -> Array:
            return predictor(x, out)

        return call

    def reading(self) -> dict[str, float]:
        """Microseconds in which one core reads as many bytes as the weights have."""
        core = self.fastnn.basics.backend.core("float32")
        weights = np.ones(self.predictor.nbytes // 4, dtype=np.float32)
        return {"microseconds": 1e6 * core.reading_seconds(weights), "bytes": self.predictor.nbytes}


class FastnnBytes(FastnnPredictor):
    """model.predictor(dtype="int8")(x, out=...)."""

    kind = "int8"
    tolerance = 0.1


class Jax(Competitor):
    """A jitted function, from NumPy and back."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import jax

        self.jax = jax

    def versions(self) -> dict[str, str]:
        return {"jax": self.jax.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        if workload.image:
            raise ValueError("is measured without convolutions only")
        jax, numpy = self.jax, self.jax.numpy
        last = jax.nn.sigmoid if workload.output == "sigmoid" else jax.nn.softmax

        @jax.jit
        def forward(x: Any) -> Any:
            for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
                x = numpy.maximum(x @ W + b, 0)
            return last(x @ weights[-2] + weights[-1])

        return lambda x: np.asarray(forward(x))


class OnnxRuntime(Competitor):
    """InferenceSession.run of the network written with the onnx package."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import onnx
        import onnxruntime

        self.onnx, self.runtime = onnx, onnxruntime

    def versions(self) -> dict[str, str]:
        return {"onnx": self.onnx.__version__, "onnxruntime": self.runtime.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        model = _onnx_model(self.onnx, workload, weights).SerializeToString()
        session = self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0]


def _onnx_model(onnx: Any, workload: Workload, weights: list[Array]) -> Any:
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes, values, name = [], [], "x"
    layers = list(zip(weights[::2], weights[1::2], strict=True))

    def node(kind: str, *inputs: str, **settings: Any) -> None:
        nonlocal name
        nodes.append(helper.make_node(kind, [name, *inputs], [f"n{len(nodes)}"], **settings))
        name = f"n{len(nodes) - 1}"

    if workload.image:  # rows of pixels, as everybody gets them; the graph itself wants the channels first
        node("Transpose", perm=[0, 3, 1, 2])
    edge, front = int(workload.padding == "same"), iter(range(len(layers)))
    for one in workload.convolutions:
        if one == POOL:
            node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            continue
        i = next(front)
        W = np.ascontiguousarray(layers[i][0].transpose(3, 2, 0, 1))
        values += [onnx.numpy_helper.from_array(W, f"W{i}"), onnx.numpy_helper.from_array(layers[i][1], f"b{i}")]
        node("Conv", f"W{i}", f"b{i}", kernel_shape=[3, 3], pads=[edge] * 4)
        node("Relu")
    if workload.image:
        node("Transpose", perm=[0, 2, 3, 1])
        node("Flatten")
    for i in front:
        W, b = layers[i]
        values += [onnx.numpy_helper.from_array(W, f"W{i}"), onnx.numpy_helper.from_array(b, f"b{i}")]
        node("Gemm", f"W{i}", f"b{i}")
        node("Relu" if i < len(layers) - 1 else workload.output.capitalize())
    inputs = [helper.make_tensor_value_info("x", real, [None, *workload.inputs])]
    outputs = [helper.make_tensor_value_info(name, real, [None, workload.sizes[-1]])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Torch(Competitor):
    """An eager nn.Sequential in inference mode, from NumPy and back without a copy."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        self.torch = torch

    def versions(self) -> dict[str, str]:
        return {"torch": self.torch.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        torch, nn = self.torch, self.torch.nn
        layers = torch_layers(torch, workload, weights)
        model = nn.Sequential(*layers, nn.Sigmoid() if workload.output == "sigmoid" else nn.Softmax(1)).eval()

        def call(x: Array) -> Array:
            with torch.inference_mode():
                given = torch.from_numpy(x)
                return model(given.permute(0, 3, 1, 2) if workload.image else given).numpy()

        return call


class KerasPredict(Competitor):
    """model.predict of Keras on JAX."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import keras

        self.keras = keras

    def versions(self) -> dict[str, str]:
        return {"keras": self.keras.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        keras = self.keras
        model = keras.Sequential(workload.layers(keras.layers, workload.output))
        model.set_weights(weights)
        return lambda x: model.predict(x, batch_size=len(x), verbose=0)


class ScikitLearn(Competitor):
    """MLPClassifier.predict_proba; two sigmoids are its multilabel form."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import sklearn
        from sklearn.neural_network import MLPClassifier

        warnings.filterwarnings("ignore")  # of the convergence, which nobody asked for
        self.sklearn, self.MLPClassifier = sklearn, MLPClassifier

    def versions(self) -> dict[str, str]:
        return {"scikit-learn": self.sklearn.__version__}

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        if workload.image:
            raise ValueError("has no convolutions")
        outputs = workload.sizes[-1]
        y = np.eye(outputs, dtype=np.int64) if workload.output == "sigmoid" else np.arange(outputs)
        model = self.MLPClassifier(workload.sizes[1:-1], max_iter=1)
        model.fit(np.zeros((outputs, workload.sizes[0]), dtype=np.float32), y)
        model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
        return model.predict_proba


COMPETITORS: dict[str, type[Competitor]] = {
    "fastnn call": FastnnCall,
    "fastnn predict": FastnnPredict,
    "fastnn predictor": FastnnPredictor,
    "fastnn int8": FastnnBytes,
    "onnxruntime": OnnxRuntime,
    "torch": Torch,
    "jax": Jax,
    "keras-predict": KerasPredict,
    "scikit-learn": ScikitLearn,
}
