"""Runs Keras' own tests of losses, metrics, optimizers and their like on fastnn: ``python bench/keras_tests.py PATH``.

PATH is a source tree of Keras, which is read and not changed: each test file runs with other modules behind its
imports. ``keras.src.losses`` is ``fastnn.losses``, ``keras.src.ops`` is NumPy, and so on; what fastnn lacks is a hole,
and a test that steps into one cannot run. Counted are test methods, each set of parameters by itself:

- agree; differ, with the documented reason where there is one (``REASONS``, docs/keras.md), else the error;
- machinery: tests of symbolic tensors, serialization of configs, backends, data types of policies;
- missing: tests of what fastnn does not have.

``--show TEXT`` prints the errors of tests whose name contains it.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import importlib.abc
import importlib.util
import itertools
import logging
import os
import re
import sys
import tempfile
import types
import unittest
import warnings

import numpy as np

import fastnn

FILES = [
    "losses/loss_test.py",
    "losses/losses_test.py",
    "metrics/accuracy_metrics_test.py",
    "metrics/confusion_metrics_test.py",
    "metrics/f_score_metrics_test.py",
    "metrics/hinge_metrics_test.py",
    "metrics/metric_test.py",
    "metrics/probabilistic_metrics_test.py",
    "metrics/reduction_metrics_test.py",
    "metrics/regression_metrics_test.py",
    "metrics/correlation_metrics_test.py",
    "metrics/iou_metrics_test.py",
    "optimizers/sgd_test.py",
    "optimizers/rmsprop_test.py",
    "optimizers/adagrad_test.py",
    "optimizers/adadelta_test.py",
    "optimizers/adam_test.py",
    "optimizers/adamw_test.py",
    "optimizers/adamax_test.py",
    "optimizers/nadam_test.py",
    "optimizers/lion_test.py",
    "optimizers/optimizer_test.py",
    "optimizers/ftrl_test.py",
    "optimizers/lamb_test.py",
    "optimizers/adafactor_test.py",
    "optimizers/muon_test.py",
    "optimizers/schedule_free_adamw_test.py",
    "optimizers/schedules/learning_rate_schedule_test.py",
    "callbacks/csv_logger_test.py",
    "callbacks/early_stopping_test.py",
    "callbacks/lambda_callback_test.py",
    "callbacks/learning_rate_scheduler_test.py",
    "callbacks/model_checkpoint_test.py",
    "callbacks/reduce_lr_on_plateau_test.py",
    "callbacks/terminate_on_nan_test.py",
    "callbacks/callback_test.py",
    "callbacks/swap_ema_weights_test.py",
    "initializers/constant_initializers_test.py",
    "initializers/random_initializers_test.py",
    "regularizers/regularizers_test.py",
    "constraints/constraints_test.py",
    "activations/activations_test.py",
    "layers/core/dense_test.py",
    "layers/activations/relu_test.py",
    "layers/activations/leaky_relu_test.py",
    "layers/activations/elu_test.py",
    "layers/activations/softmax_test.py",
    "layers/activations/prelu_test.py",
    "layers/activations/activation_test.py",
    "layers/normalization/batch_normalization_test.py",
    "layers/normalization/layer_normalization_test.py",
    "layers/normalization/unit_normalization_test.py",
    "layers/normalization/group_normalization_test.py",
    "layers/normalization/rms_normalization_test.py",
    "layers/core/embedding_test.py",
    "layers/core/identity_test.py",
    "layers/regularization/alpha_dropout_test.py",
    "layers/regularization/gaussian_dropout_test.py",
    "layers/regularization/spatial_dropout_test.py",
    "layers/reshaping/flatten_test.py",
    "layers/reshaping/reshape_test.py",
    "layers/reshaping/permute_test.py",
    "layers/reshaping/repeat_vector_test.py",
    "layers/reshaping/cropping1d_test.py",
    "layers/reshaping/cropping2d_test.py",
    "layers/reshaping/zero_padding1d_test.py",
    "layers/reshaping/zero_padding2d_test.py",
    "layers/reshaping/up_sampling1d_test.py",
    "layers/reshaping/up_sampling2d_test.py",
    "layers/regularization/dropout_test.py",
    "layers/regularization/gaussian_noise_test.py",
    "layers/regularization/activity_regularization_test.py",
    "models/sequential_test.py",
    "trainers/trainer_test.py",
]

HOLES = re.compile(  # what tests of Keras' machinery step into, models with a ``call`` of their own included
    r"dtype_polic|layers\.Masking|ExampleModel|CustomTrainTestStepModel|MyModel|TensorSpec|InputLayer|mixed_float16|validate_float_arg|\.variables|_functional|KerasTensor|symbolic|serialization|policies|run_eagerly|_resource"
)
MACHINERY = re.compile(
    r"config|serializ|symbolic|dtype|correctness_from_list|_mask|mask_|masking|tf_|torch|jax|tensorflow|keras_tensor|stateless"
    r"|distribut|quantiz|int4|int8|gptq|awq|ternary|sparse_tensor|correctness_sparse|ragged|policy|float16|bfloat16|jit|scope|nested|functional|pickle|export|build_|lora"
    r"|invalid_|error|exception|unsupported|name|autograph|pytree|serial|compile_config|rematerial|tracing|symbol|deserial|overwrite_with_gradient|get_method"
)
REASONS = {  # of tests that run and differ, by their names: why, as docs/keras.md says
    r"baseline": "EarlyStopping(baseline=...) does what Keras' documentation says",
    r"restore_best|early_stopping": "restore_best_weights is True, at any end of training",
    r"csv": "values of an epoch without any are NA, columns of all callbacks",
    r"Precision|Recall|precision|recall": "several classes: of the largest output, averaged",
    r"AUC": "exact, of all outputs",
    r"validation_split": "rows at random, classes in their shares",
    r"ema": "the average is validated, and begins with the first weights",
    r"compile|trainer": "copies of the optimizer, loss and metrics",
    r"Accuracy|accuracy": "targets that are no classes are refused",
    r"R2|r2": "NaN for fewer than two samples",
    r"probabilistic_metrics_test.py BinaryCrossentropy": "probabilities are cut at 1e-7 of float64, Keras' of float32",
    r"fit_lr_correctness": "compile works with a copy of the optimizer, which counts its steps",
    r"optimizer_has_schedule": "an error is raised too, of another class",
    r"TerminateOnNaN": "targets that are not finite are refused; the unfinished epoch leaves no logs",
    r"channels_first": "channels come last",
    r"IoU.*(negative|out_of_range).*ignored": "classes outside of num_classes are refused",
    r"MeanIoUTest.test_user_warning_float_weight": "weights of any number type count as they are",
    r"dynamic|varying_input": "a model takes samples of one shape",
    r"EmbeddingTest.test_(embedding_basics|correctness)|ReLUTest.test_compute_output_shape": "a sample has one axis or more",  # noqa: E501
    r"test_hasattr": "there are no symbolic inputs and outputs",
    r"axis_is_canonicalized": "settings stay as they were given",
    r"ActivityRegularizationTest.test_correctness": "a sample has one axis or more",
    r"orthogonal_regularizer": "an error is raised too, with words of its own",
    r"auto_naming": "names of optimizers carry no numbers",
    r"checkpoint": "files of fastnn's own formats",
    r"unweighted_empty|empty": "empty data are refused",
}


class Cannot(Exception):
    """A test stepped into something that is not here."""


class Hole:
    """What fastnn lacks: it may be imported, and everything else says so."""

    def __init__(self, name: object = "?", *_: object, **__: object) -> None:
        self.__dict__["name"] = str(name)

    def __getattr__(self, name: str) -> Hole:
        if name.startswith("__"):
            raise AttributeError(name)
        return Hole(f"{self.name}.{name}")

    def __call__(self, *arguments: object, **_: object) -> object:
        if len(arguments) == 3 and isinstance(arguments[2], dict):  # a class of it
            return Hole(f"{arguments[0]}({self.name})")
        if len(arguments) == 1 and isinstance(arguments[0], types.FunctionType) and "test" in arguments[0].__name__:
            return arguments[0]  # a decorator of a test
        raise Cannot(self.name)

    def __mro_entries__(self, bases: tuple) -> tuple:
        return (HoleBase,)

    def __iter__(self) -> object:
        raise Cannot(self.name)

    def __bool__(self) -> bool:
        return False

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise Cannot(self.name)


class HoleBase:
    """Base of classes of the tests that extend what is missing."""

    def __init__(self, *_: object, **__: object) -> None:
        raise Cannot(f"{type(self).__name__}, a class of what is missing")


class Variable:
    """An array that can be assigned to, as Keras' optimizers want it."""

    def __init__(self, value: object, dtype: object = None, name: str | None = None, **_: object) -> None:
        if callable(value):
            raise Cannot("Variable of an initializer")
        self.value = np.array(value, dtype=dtype or np.float32)
        self.name = name or "variable"
        self.path = f"variables{id(self)}/{self.name}"

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype.name)

    def assign(self, value: object) -> Variable:
        self.value = np.asarray(value, dtype=self.value.dtype)
        return self

    def numpy(self) -> np.ndarray:
        return self.value

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.value if dtype is None else self.value.astype(dtype)

    def __getitem__(self, key: object) -> np.ndarray:
        return self.value[key]


class Steps:
    """Keras' way to use an optimizer by hand, from fastnn's formulas."""

    def follows(self, *_: object) -> bool:
        """The engine computes the same."""
        return True

    def apply_gradients(self, pairs: object) -> None:
        pairs = [(np.asarray(g, dtype=np.float32), v) for g, v in pairs]
        state = vars(self).setdefault("_state", {"step": 0, "slots": {}})
        state["step"] += 1
        row = self.all_scalars(np.array([state["step"]]))[0]
        h, momentum, many = row[:-2], row[-2], self.gradient_accumulation_steps or 1
        sums = state.setdefault("sums", {})
        for i, (g, variable) in enumerate(pairs):
            g = sums[id(variable)] = sums.get(id(variable), 0) + g
            if self.updates_at(state["step"]):
                pairs[i] = g / many, variable
                sums[id(variable)] = 0
        norms = [float(np.sqrt(np.square(g).sum())) for g, _ in pairs]
        whole = float(np.sqrt(np.square(norms).sum()))
        for (g, variable), norm in zip(pairs, norms, strict=True):
            if self.clipvalue:
                g = np.clip(g, -self.clipvalue, self.clipvalue)
            for limit, length in ((self.clipnorm, norm), (self.global_clipnorm, whole)):
                g = g * (limit / length) if limit and length > limit else g
            w = np.atleast_1d(np.array(variable.value, dtype=np.float32))
            made = [np.full_like(w, self.initial if i == 0 else 0) for i in range(len(self.slots))] + [w.copy() * 0]
            slots = state["slots"].setdefault(id(variable), made)
            if self.updates_at(state["step"]):
                w *= self.decay_factor(row, w.ndim == 2) if self.decays(variable.path) else 1
                self.update(w, np.atleast_1d(g), slots[:-1], h)
            slots[-1][...] = momentum * slots[-1] + (1 - momentum) * w
            w = slots[-1].copy() if self.overwrites_at(state["step"]) else w
            variable.assign(w.reshape(variable.value.shape))
            self.__dict__.setdefault("_variables", {})[id(variable)] = variable

    def apply(self, gradients: object, variables: object = None) -> None:
        if variables is None:
            raise Cannot("apply without variables")
        self.apply_gradients(zip(gradients, variables, strict=True))

    def _clip_gradients(self, gradients: object) -> list:
        """By clipnorm, clipvalue or global_clipnorm, as fastnn's engines do."""
        found = [np.asarray(g, dtype=np.float64) for g in gradients]
        whole = float(np.sqrt(sum(np.square(g).sum() for g in found)))
        for i, g in enumerate(found):
            g = np.clip(g, -self.clipvalue, self.clipvalue) if self.clipvalue else g
            for limit, length in ((self.clipnorm, float(np.sqrt(np.square(g).sum()))), (self.global_clipnorm, whole)):
                g = g * (limit / length) if limit and length > limit else g
            found[i] = g
        return found

    @property
    def iterations(self) -> int:
        """Of the model whose own optimizer this is, or by hand."""
        by_hand = vars(self).get("_state", {"step": 0})["step"] // (self.gradient_accumulation_steps or 1)
        return by_hand or super().iterations

    @property
    def variables(self) -> list:
        """Those of Keras can be assigned to."""
        raise Cannot("optimizer.variables")

    def build(self, variables: object) -> None:
        """State is made when it is needed."""

    def finalize_variable_values(self, variables: object) -> None:
        for variable in variables:
            if self.use_ema:
                variable.assign(self._state["slots"][id(variable)][-1].reshape(variable.value.shape))


def with_steps(entry: type) -> type:
    return type(entry.__name__, (Steps, entry), {"__module__": entry.__module__})


class Tests(unittest.TestCase):
    """``keras.src.testing.TestCase`` on NumPy."""

    maxDiff = None

    def get_temp_dir(self) -> str:
        return tempfile.mkdtemp()

    def assertAllClose(self, x1: object, x2: object, atol: float = 1e-6, rtol: float = 1e-6, **_: object) -> None:
        np.testing.assert_allclose(numbers(x1), numbers(x2), atol=atol, rtol=rtol)

    def assertNotAllClose(self, x1: object, x2: object, atol: float = 1e-6, rtol: float = 1e-6, **_: object) -> None:
        if np.allclose(numbers(x1), numbers(x2), atol=atol, rtol=rtol):
            raise AssertionError("are close")

    def assertAllEqual(self, x1: object, x2: object, msg: object = None) -> None:
        np.testing.assert_array_equal(numbers(x1), numbers(x2))

    def assertAlmostEqual(self, x1: object, x2: object, decimal: int = 3, **_: object) -> None:
        np.testing.assert_almost_equal(numbers(x1), numbers(x2), decimal=decimal)

    def assertLen(self, iterable: object, expected: int, msg: object = None) -> None:
        self.assertEqual(len(iterable), expected)

    def assertDType(self, x: object, dtype: object, msg: object = None) -> None:
        raise Cannot("data types of policies")

    def run_class_serialization_test(self, *_: object, **__: object) -> None:
        raise Cannot("serialization")

    def run_layer_test(
        self,
        layer_cls: type,
        init_kwargs: dict,
        input_shape: tuple | None = None,
        expected_output_shape: tuple | None = None,
        expected_num_trainable_weights: int | None = None,
        expected_num_non_trainable_weights: int | None = None,
        input_dtype: object = "float32",
        **_: object,
    ) -> None:
        if isinstance(layer_cls, Hole) or not isinstance(input_shape, tuple):
            raise Cannot("run_layer_test of something missing")
        layer = layer_cls(**init_kwargs)
        model = fastnn.Sequential([fastnn.layers.Input(input_shape[1:]), layer])
        x = np.random.default_rng(0).random(input_shape) * 2
        x = np.floor(x) if "int" in str(input_dtype) else x
        out = model.predict(x)
        if expected_output_shape is not None:
            self.assertEqual(out.shape, tuple(expected_output_shape))
        for name, count in (
            ("trainable_weights", expected_num_trainable_weights),
            ("non_trainable_weights", expected_num_non_trainable_weights),
        ):
            if count is not None:
                self.assertEqual(len(getattr(layer, name)), count)

    def __getattr__(self, name: str) -> object:
        raise Cannot(f"testing.TestCase.{name}")


def numbers(x: object) -> object:
    if isinstance(x, (list, tuple)) and any(isinstance(one, (Variable, np.ndarray)) for one in x):
        return [np.asarray(one) for one in x]
    if isinstance(x, Hole):
        raise Cannot(x.name)
    return np.asarray(x)


def get_test_data(
    train_samples: int, test_samples: int, input_shape: tuple, num_classes: int, random_seed: int | None = None
) -> tuple:
    """Rows about a centre for each class."""
    np.random.seed(random_seed)
    n = train_samples + test_samples
    y = np.random.randint(0, num_classes, size=(n,))
    centres = 2 * num_classes * np.random.random((num_classes, *input_shape))
    x = (centres[y] + np.random.normal(loc=0, scale=1.0, size=(n, *input_shape))).astype("float32")
    return (x[:train_samples], y[:train_samples]), (x[train_samples:], y[train_samples:])


def product(axes: dict) -> list[dict]:
    """All combinations of some lists."""
    return [dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values())]


class Ops:
    """``keras.ops``: NumPy's functions, and the few that have other names there."""

    convert_to_numpy = staticmethod(np.asarray)
    one_hot = staticmethod(lambda x, classes, **_: np.eye(classes)[np.asarray(x)])
    cast = staticmethod(lambda x, dtype: np.asarray(x).astype(dtype))

    @staticmethod
    def convert_to_tensor(x: object, dtype: object = None, **_: object) -> np.ndarray:
        array = np.asarray(x, dtype=dtype)
        return array.astype(np.float32) if dtype is None and array.dtype == np.float64 else array

    def __getattr__(self, name: str) -> object:
        if hasattr(fastnn.activations.NAMES.entry(name) or 0, "kernel"):
            return getattr(fastnn.activations, name)
        return getattr(np, name, Hole(f"ops.{name}"))


class Backend(Ops):
    Variable = Variable
    floatx = staticmethod(lambda: "float32")
    epsilon = staticmethod(lambda: 1e-7)
    backend = staticmethod(lambda: "numpy")
    image_data_format = staticmethod(lambda: "channels_last")
    standardize_dtype = staticmethod(lambda dtype: np.dtype(dtype).name)
    is_tensor = staticmethod(lambda x: isinstance(x, np.ndarray))

    def __getattr__(self, name: str) -> object:
        return Hole(f"backend.{name}")


OPTIMIZERS = types.SimpleNamespace(
    **{entry.__name__: with_steps(entry) for entry in fastnn.optimizers.ENTRIES},
    get=fastnn.optimizers.get,
    schedules=fastnn.optimizers.schedules,
)
AREAS = {
    "ops": Ops(),
    "backend": Backend(),
    "optimizers": OPTIMIZERS,
    "testing": types.SimpleNamespace(
        TestCase=Tests,
        test_utils=types.SimpleNamespace(get_test_data=get_test_data, named_product=lambda *_, **axes: product(axes)),
        **dict.fromkeys(["jax_uses_gpu", "tensorflow_uses_gpu", "torch_uses_gpu", "uses_gpu", "uses_tpu"], bool),
    ),
    "saving": types.SimpleNamespace(register_keras_serializable=lambda *_, **__: lambda one: one),
    **{
        name: getattr(fastnn, name)
        for name in (
            *["activations", "callbacks", "constraints", "initializers", "layers", "losses", "metrics", "models"],
            *["random", "regularizers", "utils"],
        )
    },
}


class Shim(types.ModuleType):
    """A module of Keras: what fastnn has under its names."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        parts = self.__name__.split(".")[1:]
        parts = parts[1:] if parts[:1] == ["src"] else parts
        place = os.path.join(ROOT, "keras", "src", *parts, name)
        if os.path.isdir(place) or os.path.exists(f"{place}.py"):
            known = AREAS.get(parts[0] if parts else name)
            own = getattr(known, name, None) if parts else None
            return (
                own
                if callable(own) or isinstance(own, types.SimpleNamespace)
                else importlib.import_module(f"{self.__name__}.{name}")
            )
        if not parts:
            return AREAS.get(name, getattr(fastnn, name, Hole(name)))
        known = AREAS.get(parts[0])
        if parts[:2] == ["testing", "test_utils"]:
            known = known.test_utils
        if parts[:2] == ["optimizers", "schedules"]:
            known = fastnn.optimizers.schedules
        if parts[0] == "losses" and name in ("squeeze_or_expand_to_same_rank",):
            return lambda a, b, **_: fastnn.losses.base.same_rank(np.asarray(a), np.asarray(b))
        return Hole(".".join([*parts, name])) if known is None else getattr(known, name, Hole(".".join([*parts, name])))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds all modules of Keras, and those of frameworks, as shims."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        top = name.split(".")[0]
        if top in ("keras", "tensorflow", "torch", "jax", "absl", "conftest"):
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec: object) -> types.ModuleType:
        top = spec.name.split(".")[0]
        if spec.name == "absl.testing.parameterized":
            return PARAMETERIZED
        return Shim(spec.name) if top == "keras" else Frame(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


class Frame(types.ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__name__ == "absl.testing" and name == "parameterized":
            return PARAMETERIZED
        if self.__name__ == "absl" and name == "logging":
            return logging
        if self.__name__ == "conftest":
            return lambda *_, **__: lambda test: test
        return Hole(f"{self.__name__}.{name}")


def parameters(*cases: object, named: bool = False) -> object:
    if len(cases) == 1 and not isinstance(cases[0], (dict, tuple, str)):
        cases = tuple(cases[0])

    def mark(function: object) -> object:
        found = []
        for case in cases:
            if isinstance(case, dict):
                found.append({key: one for key, one in case.items() if key != "testcase_name"})
            else:
                found.append(tuple(case[1:]) if named else case if isinstance(case, tuple) else (case,))
        function.cases = [*getattr(function, "cases", []), *found]
        return function

    return mark


PARAMETERIZED = types.ModuleType("absl.testing.parameterized")
PARAMETERIZED.TestCase = unittest.TestCase
PARAMETERIZED.parameters = parameters
PARAMETERIZED.named_parameters = lambda *cases: parameters(*cases, named=True)
PARAMETERIZED.product = lambda *_, **axes: parameters(*product(axes))


def tests_of(path: str) -> list[tuple[str, object]]:
    """Name and function of each test of a file."""
    with open(path, encoding="utf-8") as file:
        source = file.read()
    name = "fastnn_keras_" + re.sub(r"\W", "_", os.path.relpath(path, ROOT))
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = path
    exec(compile(source, path, "exec"), module.__dict__)
    found = []
    for cls in vars(module).values():
        if isinstance(cls, type) and issubclass(cls, unittest.TestCase) and cls.__module__ == name:
            for attribute in dir(cls):
                if attribute.startswith("test"):
                    function = getattr(cls, attribute)
                    for i, case in enumerate(getattr(function, "cases", [()])):
                        found.append(
                            (f"{cls.__name__}.{attribute}" + (f"[{i}]" if case else ""), (cls, attribute, case))
                        )
    return found


def run(cls: type, attribute: str, case: object) -> tuple[str, str]:
    """The outcome of a test and its reason."""
    np.random.seed(1337)
    test = cls(attribute)
    function = getattr(test, attribute)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test.setUp()
            with np.errstate(all="ignore"):
                function(**case) if isinstance(case, dict) else function(*case)
            test.tearDown()
    except unittest.SkipTest as error:
        return "machinery", f"skipped: {error}"
    except Cannot as error:
        return "missing", str(error)
    except (AttributeError, TypeError, NotImplementedError) as error:
        return "missing", f"{type(error).__name__}: {error}"
    except BaseException as error:
        if type(error).__name__ == "Skipped":  # by pytest
            return "machinery", f"skipped: {error}"
        if re.match(r"(\w+: )?unknown ", str(error)):  # the name of something that fastnn does not have
            return "missing", str(error)
        return "differ", f"{type(error).__name__}: {error}"
    return "agree", ""


def main() -> None:
    global ROOT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a source tree of Keras")
    parser.add_argument("--show", help="print the errors of tests whose name contains this")
    parser.add_argument("--only", help="only files whose name contains this")
    arguments = parser.parse_args()
    ROOT = os.path.abspath(arguments.path)
    sys.meta_path.insert(0, Finder())
    total: collections.Counter[str] = collections.Counter()
    for file in FILES:
        if arguments.only and arguments.only not in file:
            continue
        path = os.path.join(ROOT, "keras", "src", file)
        if not os.path.exists(path):
            print(f"{file}: not in this tree")
            continue
        counts: collections.Counter[str] = collections.Counter()
        try:
            found = tests_of(path)
        except Exception as error:
            print(f"{file}: cannot be read: {type(error).__name__}: {error}")
            continue
        for name, test in found:
            outcome, why = run(*test)
            if outcome != "agree" and (MACHINERY.search(name.split(".")[1]) or HOLES.search(why)):
                outcome = "machinery"
            if outcome == "differ" and (" does not match " in why or "AssertionError: 'Orthogonal" in why):
                outcome, why = "differ on purpose", "an error is raised too, with words of its own"
            if outcome == "differ":
                what = f"{file} {name} " + ("channels_first" if "channels_first" in str(why) else "")
                reason = next((text for key, text in REASONS.items() if re.search(key, what)), None)
                outcome, why = ("differ on purpose", reason) if reason else (outcome, why)
            counts[outcome] += 1
            if outcome == "differ" or (arguments.show and arguments.show in f"{file} {name}" and outcome != "agree"):
                print(f"    {outcome}: {name}: {' '.join(str(why).split())[:200]}")
        total += counts
        print(f"{file}: " + ", ".join(f"{n} {key}" for key, n in sorted(counts.items())))
    concern = sum(total.values()) - total["machinery"]
    ran = concern - total["missing"]
    good = total["agree"] + total["differ on purpose"]
    print(f"\nall: {dict(sorted(total.items()))}")
    print(f"of {concern} that do not concern Keras' machinery {ran} ran ({ran / max(concern, 1):.0%});")
    print(f"of these {good} agree or differ on purpose ({good / max(ran, 1):.1%})")


ROOT = ""
if __name__ == "__main__":
    main()
