"""The competitors in inference: the same weights in each, one call from a NumPy array to a NumPy array."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads
from workloads import ROW, WORKLOADS, Array, Workload

WARM_UP = 20  # calls


class Competitor:
    """Base of all: subclasses say how to build the network, and what to call."""

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
        return {"outputs": np.asarray(outputs, dtype=np.float64).tolist()}

    def run(self, calls: int) -> dict[str, float]:
        """Microseconds of a call: median and least."""
        call, x, clock = self.call, self.x, time.perf_counter_ns
        times = np.empty(calls)
        for i in range(calls):
            began = clock()
            call(x)
            times[i] = clock() - began
        return {"microseconds": float(np.median(times)) / 1e3, "least": float(times.min()) / 1e3}


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
        layers = self.fastnn.layers
        *hidden, outputs = workload.sizes[1:]
        stack = [layers.Input(workload.sizes[0]), *(layers.Dense(units, activation="relu") for units in hidden)]
        self.model = self.fastnn.Sequential([*stack, layers.Dense(outputs, activation=workload.output)], rng=0)
        self.model.set_weights(weights)
        return self.model


class FastnnPredict(FastnnCall):
    """model.predict(x)."""

    def build(self, workload: Workload, weights: list[Array]) -> Callable[[Array], Any]:
        super().build(workload, weights)
        return self.model.predict


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
    for i, (W, b) in enumerate(layers):
        values += [onnx.numpy_helper.from_array(W, f"W{i}"), onnx.numpy_helper.from_array(b, f"b{i}")]
        kind = "Relu" if i < len(layers) - 1 else workload.output.capitalize()
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"z{i}"]))
        nodes.append(helper.make_node(kind, [f"z{i}"], [f"a{i}"]))
        name = f"a{i}"
    inputs = [helper.make_tensor_value_info("x", real, [None, workload.sizes[0]])]
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
        layers: list[Any] = []
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            layer = nn.Linear(*W.shape)
            layer.load_state_dict({"weight": torch.from_numpy(W.T.copy()), "bias": torch.from_numpy(b)})
            layers += [layer, nn.ReLU()]
        model = nn.Sequential(*layers[:-1], nn.Sigmoid() if workload.output == "sigmoid" else nn.Softmax(1)).eval()

        def call(x: Array) -> Array:
            with torch.inference_mode():
                return model(torch.from_numpy(x)).numpy()

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
        *hidden, outputs = workload.sizes[1:]
        stack = [keras.Input((workload.sizes[0],)), *(keras.layers.Dense(units, activation="relu") for units in hidden)]
        model = keras.Sequential([*stack, keras.layers.Dense(outputs, activation=workload.output)])
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
        outputs = workload.sizes[-1]
        y = np.eye(outputs, dtype=np.int64) if workload.output == "sigmoid" else np.arange(outputs)
        model = self.MLPClassifier(workload.sizes[1:-1], max_iter=1)
        model.fit(np.zeros((outputs, workload.sizes[0]), dtype=np.float32), y)
        model.coefs_, model.intercepts_ = weights[::2], weights[1::2]
        return model.predict_proba


COMPETITORS: dict[str, type[Competitor]] = {
    "fastnn call": FastnnCall,
    "fastnn predict": FastnnPredict,
    "onnxruntime": OnnxRuntime,
    "torch": Torch,
    "keras-predict": KerasPredict,
    "scikit-learn": ScikitLearn,
}
