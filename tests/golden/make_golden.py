"""Writes golden.npz for tests/test_peers.py: numbers of Keras 3 on PyTorch, and of PyTorch itself, all in float64.

Needs keras and torch, which the tests do not: python tests/golden/make_golden.py
"""

import os
from itertools import pairwise
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes
from torch.nn import functional as F

keras.config.set_floatx("float64")
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"  # else Keras 3.15 rounds each float64 product to float32

SIZES = (5, 4, 3)
BATCH = 6
SAMPLES = 60
STEPS = 50
EPSILON = 1e-7
k = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda: k.SGD(0.1),
    "momentum": lambda: k.SGD(0.1, momentum=0.9),
    "nesterov": lambda: k.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: k.RMSprop(0.01),
    "rmsprop_momentum": lambda: k.RMSprop(0.01, momentum=0.9),
    "adagrad": lambda: k.Adagrad(0.1),
    "adadelta": lambda: k.Adadelta(1.0),
    "adam": lambda: k.Adam(0.01),
    "amsgrad": lambda: k.Adam(0.01, beta_2=0.9, amsgrad=True),
    "adamw": lambda: k.AdamW(0.01, weight_decay=0.1),
    "adamax": lambda: k.Adamax(0.01),
    "nadam": lambda: k.Nadam(0.01),
    "lion": lambda: k.Lion(0.01),
    "weight_decay": lambda: k.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "clipnorm": lambda: k.SGD(0.1, clipnorm=0.1),
    "clipvalue": lambda: k.SGD(0.1, clipvalue=0.02),
    "global_clipnorm": lambda: k.SGD(0.1, global_clipnorm=0.1),
    "use_ema": lambda: k.SGD(0.1, use_ema=True, ema_momentum=0.9),
}


def l1_l2(l1, l2):
    """A penalty of Keras."""
    return keras.regularizers.L1L2(l1=l1, l2=l2)


LAYERS = {  # with SGD; the weights of the normalizations begin with numbers of their own, see train()
    "regularizers": lambda: [
        keras.layers.Dense(4, "tanh", kernel_regularizer=l1_l2(0.01, 0.02), bias_regularizer=l1_l2(0.0, 0.1)),
        keras.layers.Dense(3, "softmax", kernel_regularizer=l1_l2(0.02, 0.0)),
    ],
    "activity_regularizer": lambda: [
        keras.layers.Dense(4, "tanh", activity_regularizer=l1_l2(0.01, 0.02)),
        keras.layers.Dense(3, "softmax"),
    ],
    "non_neg": lambda: [
        keras.layers.Dense(4, "tanh", kernel_constraint=keras.constraints.NonNeg()),
        keras.layers.Dense(3, "softmax"),
    ],
    "batch_normalization": lambda: [
        keras.layers.Dense(4, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Activation("tanh"),
        keras.layers.Dense(3, "softmax"),
    ],
    "layer_normalization": lambda: [
        keras.layers.LayerNormalization(),
        keras.layers.Dense(4, "tanh"),
        keras.layers.LayerNormalization(),
        keras.layers.Dense(3, "softmax"),
    ],
}


def train(layers, optimizer, start, x, y):
    """STEPS steps from the kernels and biases `start`: losses, weights before and after, and the moving average."""
    model = keras.Sequential([keras.Input((SIZES[0],)), *layers])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy")
    left = {array.shape: array for array in start if array.ndim == 2}
    scale = np.linspace(0.5, 1.5, 5)
    begin = [left.get(w.shape, scale[: len(w)] if w.ndim == 1 else None) for w in model.get_weights()]
    model.set_weights(begin)
    losses = []
    for step in range(STEPS):
        chosen = np.arange(step * BATCH, (step + 1) * BATCH) % SAMPLES
        losses.append(float(model.train_on_batch(x[chosen], y[chosen])))
        model.reset_metrics()
    weights = model.get_weights()
    if any(array.dtype != np.float64 for array in weights):
        raise TypeError("Keras did not compute in float64")
    average = [np.zeros(0)]
    if optimizer.use_ema:
        average = [w.value.detach().numpy() for w in optimizer._model_variables_moving_average]
    return np.array(losses), *(np.concatenate([a.ravel() for a in arrays]) for arrays in (begin, weights, average))


# -- activations and losses ------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "linear": lambda z: z * 1,
    "relu": torch.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.2),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "step": lambda z: torch.heaviside(z.detach(), torch.ones((), dtype=z.dtype)) + 0 * z.nan_to_num(0, 0, 0),  # slope 0
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": lambda z: F.softplus(z, threshold=500),  # its default becomes linear at 20, off by 2e-9
    "softsign": F.softsign,
    "hard_sigmoid": lambda z: (z / 6 + 0.5).clamp(0, 1),  # F.hardsigmoid has a slope of 1 / 6 in float32
    "exponential": torch.exp,
    "clipped_relu": torch.relu,
    "relu6": F.relu6,
    "hard_tanh": F.hardtanh,
    "hard_silu": lambda z: torch.where(z <= -3, 0 * z.clamp(-3, 3), torch.where(z >= 3, z, z * (z / 6 + 0.5))),
    "log_sigmoid": F.logsigmoid,
    "celu": F.celu,
    "soft_shrink": F.softshrink,
    "hard_shrink": F.hardshrink,
    "tanh_shrink": F.tanhshrink,
    "squareplus": lambda z: (z + (z * z + 4).sqrt()) / 2,
    "threshold": lambda z: F.threshold(z, 0, 0),
    "sparse_plus": lambda z: torch.where(z <= -1, 0 * z.clamp(-1, 1), torch.where(z < 1, (z + 1) ** 2 / 4, z)),
    "sparse_sigmoid": lambda z: torch.where(z.abs() >= 1, (z > 0) + 0 * z.clamp(-1, 1), (z.clamp(-1, 1) + 1) / 2),
    "softmax": lambda z: torch.softmax(z, -1),
    "log_softmax": lambda z: torch.log_softmax(z, -1),
}


def cut(a):
    """The clip of probabilities."""
    return a.clamp(EPSILON, 1 - EPSILON)


def smooth(t, share, classes):
    """Smoothed targets."""
    return t * (1 - share) + share / classes


def one_hot(t, classes=4):
    """Rows of labels."""
    return F.one_hot(t[:, 0].long(), classes).double()


def pinball(t, a, levels=(0.1, 0.5, 0.6, 0.9)):
    """Neither library has it."""
    q = torch.tensor(levels, dtype=a.dtype)
    return torch.where(t > a, q * (t - a), (q - 1) * (t - a)).mean(-1)


def nll(t, a):
    """PyTorch takes the variance where the library takes its logarithm."""
    return F.gaussian_nll_loss(a[:, :2], t, a[:, 2:].exp(), eps=0, reduction="none").mean(-1)


def of_keras(name, *settings, **named):
    """A loss of Keras, each sample for itself."""
    return getattr(keras.losses, name)(*settings, reduction=None, **named)


LOSSES = {  # by family of inputs, see samples(): loss(t, a)
    "numbers": {
        "mse": of_keras("MeanSquaredError"),
        "mae": of_keras("MeanAbsoluteError"),
        "huber": lambda t, a: F.huber_loss(a, t, reduction="none", delta=0.7).mean(
            -1
        ),  # Keras' slope at infinity is NaN
        "log_cosh": of_keras("LogCosh"),
        "mape": of_keras("MeanAbsolutePercentageError"),
        "cosine_similarity": of_keras("CosineSimilarity"),
    },
    "signs": {"hinge": of_keras("Hinge"), "squared_hinge": of_keras("SquaredHinge")},
    "bits": {"hinge_bits": of_keras("Hinge"), "squared_hinge_bits": of_keras("SquaredHinge")},
    "counts": {"poisson": of_keras("Poisson"), "msle": of_keras("MeanSquaredLogarithmicError")},
    "one": {"quantile": pinball},
    "half": {"gaussian_nll": nll},
    "each": {
        "binary_crossentropy": of_keras("BinaryCrossentropy"),
        "binary_crossentropy_smooth": of_keras("BinaryCrossentropy", label_smoothing=0.1),
        "binary_focal_crossentropy": of_keras("BinaryFocalCrossentropy", gamma=1.5),
        "binary_focal_crossentropy_alpha": of_keras("BinaryFocalCrossentropy", apply_class_balancing=True, alpha=0.3),
    },
    "classes": {
        "categorical_hinge": of_keras("CategoricalHinge"),
        "kl_divergence": of_keras("KLDivergence"),
        "categorical_crossentropy": of_keras("CategoricalCrossentropy"),
        "categorical_crossentropy_smooth": of_keras("CategoricalCrossentropy", label_smoothing=0.1),
        "categorical_focal_crossentropy": of_keras("CategoricalFocalCrossentropy"),
        "categorical_focal_crossentropy_smooth": of_keras(
            "CategoricalFocalCrossentropy", alpha=0.7, gamma=1.5, label_smoothing=0.1
        ),
    },
    "labels": {"sparse_categorical_crossentropy": of_keras("SparseCategoricalCrossentropy")},
    "each_logits": {
        "binary_crossentropy_logits": lambda t, a: F.binary_cross_entropy_with_logits(a, t, reduction="none").mean(-1),
        "binary_focal_crossentropy_logits": of_keras("BinaryFocalCrossentropy", gamma=1.5, from_logits=True),
        "binary_focal_crossentropy_logits_smooth": of_keras(
            "BinaryFocalCrossentropy", True, 0.3, 1.5, from_logits=True, label_smoothing=0.1
        ),
    },
    "classes_logits": {
        "categorical_crossentropy_logits": lambda t, a: F.cross_entropy(a, t, reduction="none"),
        "categorical_crossentropy_logits_smooth": lambda t, a: F.cross_entropy(
            a, t, reduction="none", label_smoothing=0.1
        ),
        "categorical_focal_crossentropy_logits": of_keras("CategoricalFocalCrossentropy", from_logits=True),
        "categorical_focal_crossentropy_logits_smooth": of_keras(
            "CategoricalFocalCrossentropy", alpha=0.7, gamma=1.5, from_logits=True, label_smoothing=0.1
        ),
    },
    "labels_logits": {
        "sparse_categorical_crossentropy_logits": lambda t, a: F.cross_entropy(a, t[:, 0].long(), reduction="none"),
        "sparse_categorical_crossentropy_logits_smooth": lambda t, a: F.cross_entropy(
            a, t[:, 0].long(), reduction="none", label_smoothing=0.1
        ),
    },
}
EXTREMES = [-np.inf, -100.0, -(2.0**-149), 0.0, 2.0**-149, 100.0, np.inf]  # 2^-149: the least float32


def samples(family, rng):
    """Outputs (17, 4) and targets, exact in float32 where they can be: ten ordinary samples, seven with an extreme."""
    rows = 10 + len(EXTREMES)
    a = 2 * rng.normal(size=(rows, 4))
    t = rng.normal(size=(rows, 4))
    if family in ("signs", "bits"):  # Keras takes 0 for -1 only where all targets are 0 or 1
        t = rng.choice([-1.0 if family == "signs" else 0.0, 1.0], size=(rows, 4))
    elif family == "counts":
        a, t = rng.uniform(0.2, 5, size=(rows, 4)), rng.integers(6, size=(rows, 4)).astype(float)
    elif family == "one":
        t = t[:, :1]
    elif family == "half":
        t = t[:, :2]
    elif family.startswith("each"):
        a = a if family.endswith("logits") else rng.uniform(0.05, 0.95, (rows, 4))
        t = np.where(rng.uniform(size=(rows, 4)) < 0.5, rng.integers(2, size=(rows, 4)), rng.uniform(size=(rows, 4)))
    elif family.startswith(("classes", "labels")):
        if not family.endswith("logits"):
            a = rng.dirichlet(np.ones(4), rows)
            a[1::2] = rng.uniform(0.05, 0.95, (len(a[1::2]), 4))  # of sigmoids: they do not sum to one
        t = rng.dirichlet(np.ones(4), rows)
        t[::2] = np.eye(4)[rng.integers(4, size=len(t[::2]))]
        t = rng.integers(4, size=(rows, 1)).astype(float) if family.startswith("labels") else t
    a[10:, 0] = EXTREMES
    return a.astype(np.float32).astype(float), t.astype(np.float32).astype(float)


def with_slope(function, a, factor):
    """Values of a function, and the slope of their sum times the factor."""
    a = torch.tensor(a, requires_grad=True)
    value = function(a)
    (slope,) = torch.autograd.grad((value * torch.tensor(factor)).sum(), a)
    return value.detach().numpy(), slope.numpy()


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, SIZES[0]))
    y = np.eye(SIZES[2])[rng.integers(SIZES[2], size=len(x))]
    start = []
    for inputs, outputs in pairwise(SIZES):
        start.append(rng.normal(size=(inputs, outputs)) / np.sqrt(inputs))
    arrays = {"x": x, "y": y, "batch": BATCH, "steps": STEPS}
    for name, optimizer in OPTIMIZERS.items():
        layers = [keras.layers.Dense(SIZES[1], activation="tanh"), keras.layers.Dense(SIZES[2], activation="softmax")]
        arrays["losses_" + name], arrays["start"], arrays["weights_" + name], average = train(
            layers, optimizer(), start, x, y
        )
        if len(average):
            arrays["average_" + name] = average
    for name, layers in LAYERS.items():
        arrays["losses_" + name], arrays["start_" + name], arrays["weights_" + name], _ = train(
            layers(), keras.optimizers.SGD(0.1), start, x, y
        )
    tiny = [5e-324, 2.0**-1050, 2.0**-149, 2.0**-130, 2.0**-60, 1e-8]
    spread = np.array([0.0, *tiny, 0.1, 0.5, 1, 1.5, 2, 2.9, 3, 3.1, 5, 10, 19, 21, 30, 50, 80, 100, np.inf])
    arrays["z"] = z = np.concatenate([-spread[::-1], spread])
    rows = 3 * rng.normal(size=(12, 5)).astype(np.float32).astype(float)
    rows[:, 0] = [-np.inf, np.inf, -100, 100, 5e-324, -(2.0**-149), 0, 30, *rng.normal(size=4).astype(np.float32)]
    arrays["z_rows"], arrays["d_rows"] = rows, rng.normal(size=rows.shape).astype(np.float32).astype(float)
    for name, function in ACTIVATIONS.items():
        blockwise = "softmax" in name
        a, slope = with_slope(function, rows if blockwise else z, arrays["d_rows"] if blockwise else 1.0)
        arrays["a_" + name], arrays["slope_" + name] = a, slope
    for family, losses in LOSSES.items():
        arrays["outputs_" + family], arrays["targets_" + family] = a, t = samples(family, rng)
        for name, loss in losses.items():
            value, slope = with_slope(lambda a, loss=loss, t=t: loss(torch.tensor(t), a), a, 1.0)
            arrays["value_" + name], arrays["by_output_" + name] = value, slope
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **arrays)


if __name__ == "__main__":
    main()
