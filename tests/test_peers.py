"""Keras' and PyTorch's numbers, written by tests/golden/make_golden.py: trainings, layers, activations, losses."""

from pathlib import Path

import numpy as np
import pytest
from numerics import assemble, assert_close, build, compare, distance, eps, put, train, weights_of

from fastnn import activations, losses, optimizers, regularizers
from fastnn.constraints import NonNeg
from fastnn.engine import reference
from fastnn.layers import Activation, BatchNormalization, Dense, Input, LayerNormalization

GOLDEN = np.load(Path(__file__).parent / "golden" / "golden.npz")
STEPS, BATCH = int(GOLDEN["steps"]), int(GOLDEN["batch"])
OPTIMIZERS = {
    "sgd": optimizers.SGD(0.1),
    "momentum": optimizers.SGD(0.1, momentum=0.9),
    "nesterov": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(0.01),
    "rmsprop_momentum": optimizers.RMSprop(0.01, momentum=0.9),
    "adagrad": optimizers.Adagrad(0.1),
    "adadelta": optimizers.Adadelta(1.0),
    "adam": optimizers.Adam(0.01),
    "amsgrad": optimizers.Adam(0.01, beta_2=0.9, amsgrad=True),
    "adamw": optimizers.AdamW(0.01, weight_decay=0.1),
    "adamax": optimizers.Adamax(0.01),
    "nadam": optimizers.Nadam(0.01),
    "lion": optimizers.Lion(0.01),
    "weight_decay": optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "clipnorm": optimizers.SGD(0.1, clipnorm=0.1),
    "clipvalue": optimizers.SGD(0.1, clipvalue=0.02),
    "global_clipnorm": optimizers.SGD(0.1, global_clipnorm=0.1),
    "use_ema": optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
}
# MaxNorm is missing: Keras divides by the norm plus 1e-7, which shrinks all weights a little in each step.
LAYERS = {
    "regularizers": [
        Dense(
            4,
            "tanh",
            kernel_regularizer=regularizers.L1L2(0.01, 0.02),
            bias_regularizer=regularizers.L1L2(0.0, 0.1),
        ),
        Dense(3, "softmax", kernel_regularizer=regularizers.L1(0.02)),
    ],
    "activity_regularizer": [
        Dense(4, "tanh", activity_regularizer=regularizers.L1L2(0.01, 0.02)),
        Dense(3, "softmax"),
    ],
    "non_neg": [Dense(4, "tanh", kernel_constraint=NonNeg()), Dense(3, "softmax")],
    "batch_normalization": [
        Dense(4, use_bias=False),
        BatchNormalization(momentum=0.9),
        Activation("tanh"),
        Dense(3, "softmax"),
    ],
    "layer_normalization": [LayerNormalization(), Dense(4, "tanh"), LayerNormalization(), Dense(3, "softmax")],
}


def pieces(numbers, net):
    """All weights of a network from one row of numbers."""
    shapes = [shape for op in net.program.steps for shape in op.shapes]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    assert ends[-1] == len(numbers)
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), shapes, strict=True)]


def fifty_steps(net, start):
    """The training of the golden numbers: losses, and weights at the end."""
    put(net, pieces(start, net))
    order = np.arange(STEPS * BATCH) % len(GOLDEN["x"])
    found, _ = train(net, GOLDEN["x"], GOLDEN["y"], batch=BATCH, order=order)
    return [found, *weights_of(net)]


def test_the_weights_moved():
    """Else the distances below would say nothing; each optimizer went its own way."""
    ends = [GOLDEN["weights_" + name] for name in OPTIMIZERS]
    assert all(distance(end, GOLDEN["start"]) > 0.04 for end in ends)
    same = {("sgd", "use_ema")}  # the average is kept beside the weights
    names = list(OPTIMIZERS)
    for i, name in enumerate(names):
        for j in range(i):
            assert distance(ends[i], ends[j]) > 1e-4 or (names[j], name) in same


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(dtype, name):
    """Fifty steps with each optimizer and each of its options, as Keras does them."""
    optimizer = OPTIMIZERS[name]

    def network(engine):
        return build(engine, dtype, (5, 4, 3), ["tanh", "softmax"], "categorical_crossentropy", optimizer)

    def run(engine):
        net = network(engine)
        return fifty_steps(net, GOLDEN["start"]) + (weights_of(net, row=-1) if optimizer.use_ema else [])

    net = network(reference.Engine)
    expected = [GOLDEN["losses_" + name], *pieces(GOLDEN["weights_" + name], net)]
    if optimizer.use_ema:
        expected += pieces(GOLDEN["average_" + name], net)
    compare(run, dtype, expected=expected)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(dtype, name):
    """Fifty steps of gradient descent through each kind of layer and penalty, moving statistics included."""

    def network(engine):
        return assemble(engine, dtype, [Input(5), *LAYERS[name]], "categorical_crossentropy", optimizers.SGD(0.1))

    expected = [GOLDEN["losses_" + name], *pieces(GOLDEN["weights_" + name], network(reference.Engine))]
    compare(lambda engine: fifty_steps(network(engine), GOLDEN["start_" + name]), dtype, expected=expected)


# -- activations -----------------------------------------------------------------------------------------------------


def exact_in(dtype, values):
    """Rows of numbers that the type can hold, subnormal ones included."""
    rounded = values.astype(dtype).astype(float)
    return (rounded == values) if values.ndim == 1 else (rounded == values).all(axis=1)


def activation_of(core, activation, z, d):
    """Forward and backward of a compiled kernel, or of the twin where core is None."""
    with np.errstate(all="ignore"):
        if core is None:
            a = activation.forward(z)
            return a, activation.backward(z if activation.keeps_input else a, d)
        block = np.ascontiguousarray(z.T)
        h = (*activation.parameters, *(0.0,) * (4 - len(activation.parameters)))
        a = core.activation_forward(activation.kernel, block, h)
        v = block if activation.keeps_input else a
        return a.T, core.activation_backward(activation.kernel, v, np.ascontiguousarray(d.T), h).T


# PyTorch's formulas give NaN there; and at an infinite max_value the slope is that of what is cut or of what is not.
NOT_AT_INFINITY = ("squareplus", "sparse_plus", "hard_silu", "clipped_relu")


def check_activation(core, dtype, activation):
    """Values and slopes at ordinary and extreme inputs."""
    if activation.blockwise:
        z, d = GOLDEN["z_rows"], GOLDEN["d_rows"]
    else:
        z, d = GOLDEN["z"], np.ones_like(GOLDEN["z"])
    keep = exact_in(dtype, z)
    if activation.name in NOT_AT_INFINITY:
        keep &= np.isfinite(z)
    z, d = z[keep], d[keep]
    values, slopes = (GOLDEN[key + activation.name][keep] for key in ("a_", "slope_"))
    if activation.blockwise and core is not None:  # a block has WIDTH samples: copies fill it up
        rows = len(z)
        fill = np.arange(-(-rows // core.PANEL_WIDTH) * core.PANEL_WIDTH) % rows
        parts = [
            activation_of(core, activation, z[part].astype(dtype), d[part].astype(dtype))
            for part in fill.reshape(-1, core.PANEL_WIDTH)
        ]
        a, back = (np.vstack(part)[:rows] for part in zip(*parts, strict=True))
    else:
        a, back = activation_of(core, activation, z.astype(dtype), d.astype(dtype))
    # 4 ULP of the function, those of PyTorch, and cancellation in 1 + tanh, 1 - a, 1 - t^2 against terms of size |z|
    size = np.where(np.isfinite(z), np.abs(z), 0)
    info = np.finfo(dtype)
    tiny = 4 * float(info.smallest_subnormal)
    rounding = 12 * eps(dtype)
    with np.errstate(over="ignore"):
        expected, slopes_here = values.astype(dtype).astype(float), slopes.astype(dtype).astype(float)
    largest = size.max(axis=-1, keepdims=True) if activation.blockwise else size
    assert_close(a.astype(float), expected, rounding * (np.abs(values) + np.minimum(largest, 10)) + tiny, "values")
    if activation.name == "hard_sigmoid":  # its kinks have no slope: z / 6 + 1 / 2 is 0 or 1 there, or rounded
        slopes_here, back = (np.where(size == 3, 0, x) for x in (slopes_here, back))
    if activation.name == "gelu_tanh":  # at infinity PyTorch has 0 inf = NaN, we the limit
        slopes, slopes_here = (np.where(np.isinf(z), (z > 0).astype(float), x) for x in (slopes, slopes_here))
    scale = np.abs(slopes) + np.abs(d) * (1 + np.minimum(largest, 40)) + 3 * activation.blockwise
    assert_close(back.astype(float), slopes_here, rounding * scale + tiny, "slopes")


@pytest.mark.parametrize("entry", activations.ENTRIES, ids=lambda entry: entry.name)
def test_activation(core, entry):
    """Each kernel."""
    check_activation(core, core.REAL.name, entry())


@pytest.mark.parametrize("entry", activations.ENTRIES, ids=lambda entry: entry.name)
def test_activation_of_the_reference(dtype, entry):
    """Each twin."""
    check_activation(None, dtype, entry())


# -- losses ----------------------------------------------------------------------------------------------------------

LOSSES = {  # golden name -> family of inputs, loss
    "mse": ("numbers", losses.MeanSquaredError()),
    "mae": ("numbers", losses.MeanAbsoluteError()),
    "huber": ("numbers", losses.Huber(0.7)),
    "log_cosh": ("numbers", losses.LogCosh()),
    "mape": ("numbers", losses.MeanAbsolutePercentageError()),
    "cosine_similarity": ("numbers", losses.CosineSimilarity()),
    "msle": ("counts", losses.MeanSquaredLogarithmicError()),
    "categorical_hinge": ("classes", losses.CategoricalHinge()),
    "hinge": ("signs", losses.Hinge()),
    "squared_hinge": ("signs", losses.SquaredHinge()),
    "hinge_bits": ("bits", losses.Hinge()),
    "squared_hinge_bits": ("bits", losses.SquaredHinge()),
    "poisson": ("counts", losses.Poisson()),
    "quantile": ("one", losses.Quantile([0.1, 0.5, 0.6, 0.9])),
    "gaussian_nll": ("half", losses.GaussianNLL()),
    "binary_crossentropy": ("each", losses.BinaryCrossentropy()),
    "binary_crossentropy_smooth": ("each", losses.BinaryCrossentropy(label_smoothing=0.1)),
    "binary_focal_crossentropy": ("each", losses.BinaryFocalCrossentropy(gamma=1.5)),
    "binary_focal_crossentropy_alpha": ("each", losses.BinaryFocalCrossentropy(True, 0.3)),
    "kl_divergence": ("classes", losses.KLDivergence()),
    "categorical_crossentropy": ("classes", losses.CategoricalCrossentropy()),
    "categorical_crossentropy_smooth": ("classes", losses.CategoricalCrossentropy(label_smoothing=0.1)),
    "categorical_focal_crossentropy": ("classes", losses.CategoricalFocalCrossentropy()),
    "categorical_focal_crossentropy_smooth": (
        "classes",
        losses.CategoricalFocalCrossentropy(0.7, 1.5, label_smoothing=0.1),
    ),
    "sparse_categorical_crossentropy": ("labels", losses.SparseCategoricalCrossentropy()),
    "binary_focal_crossentropy_logits": ("each_logits", losses.BinaryFocalCrossentropyFromLogits(gamma=1.5)),
    "binary_focal_crossentropy_logits_smooth": (
        "each_logits",
        losses.BinaryFocalCrossentropy(True, 0.3, 1.5, True, 0.1).of_logits(),
    ),
    "categorical_focal_crossentropy_logits": ("classes_logits", losses.CategoricalFocalCrossentropyFromLogits()),
    "categorical_focal_crossentropy_logits_smooth": (
        "classes_logits",
        losses.CategoricalFocalCrossentropy(0.7, 1.5, True, 0.1).of_logits(),
    ),
    "binary_crossentropy_logits": ("each_logits", losses.BinaryCrossentropyFromLogits()),
    "categorical_crossentropy_logits": ("classes_logits", losses.CategoricalCrossentropyFromLogits()),
    "categorical_crossentropy_logits_smooth": (
        "classes_logits",
        losses.CategoricalCrossentropyFromLogits(label_smoothing=0.1),
    ),
    "sparse_categorical_crossentropy_logits": ("labels_logits", losses.SparseCategoricalCrossentropyFromLogits()),
    "sparse_categorical_crossentropy_logits_smooth": (
        "labels_logits",
        losses.SparseCategoricalCrossentropyFromLogits(label_smoothing=0.1),
    ),
}


def beyond(a):
    """Logits whose probabilities Keras clips."""
    return np.abs(a) > 12


# First outputs whose samples are not compared, because the definitions differ there.
DIFFERENT = {
    "log_cosh": lambda a: a == -np.inf,  # Keras computes -inf + inf, the library inf
    "categorical_hinge": lambda a: a == -np.inf,  # 0 inf: a loss of NaN, for which Keras has finite slopes
    "sparse_categorical_crossentropy": np.isinf,  # Keras on PyTorch looks at the label's output only
    # Keras clips the probability of a logit, the library does not
    **{
        f"{kind}_focal_crossentropy_logits{end}": beyond
        for kind in ("binary", "categorical")
        for end in ("", "_smooth")
    },
    "binary_crossentropy_logits": np.isinf,  # PyTorch computes inf - inf, the library inf where it is the limit
    # Keras clips the output in the crossentropy, but not in the factor: another number there, NaN beyond [0, 1]
    "binary_focal_crossentropy": lambda a: (a < 1e-7) | (a > 1 - 1e-7),
    "binary_focal_crossentropy_alpha": lambda a: (a < 1e-7) | (a > 1 - 1e-7),
}


def test_every_loss_is_here():
    """The whole catalogue."""
    assert {type(loss) for _, loss in LOSSES.values()} == set(losses.ENTRIES)


def loss_of(core, loss, a, t):
    """Values and slopes of a compiled kernel, or of the twin where core is None."""
    with np.errstate(all="ignore"):
        if core is None:
            return loss.evaluate(a, t)
        h = (*loss.parameters, *(0.0,) * (4 - len(loss.parameters)))
        values, slopes = [], []
        for first in range(0, len(a), core.PANEL_WIDTH):
            chosen = (first + np.arange(core.PANEL_WIDTH)) % len(a)
            _, e, d = core.loss(loss.kernel, np.ascontiguousarray(a[chosen].T), np.ascontiguousarray(t[chosen].T), h)
            values.append(e)
            slopes.append(d.T)
        return np.concatenate(values)[: len(a)], np.vstack(slopes)[: len(a)]


def check_loss(core, dtype, name):
    """Values and slopes of ordinary samples, and of samples with one extreme output."""
    family, loss = LOSSES[name]
    a, t = (GOLDEN[f"{key}_{family}"] for key in ("outputs", "targets"))
    values, slopes = GOLDEN["value_" + name], GOLDEN["by_output_" + name]
    actual, by_output = loss_of(core, loss, a.astype(dtype), t.astype(dtype))
    # 1e-7 and 1 - 1e-7 are other numbers in float32, by eps / 1e-7: what lies at the clip is compared in float64
    clipped = dtype == "float32" and hasattr(loss, "label_smoothing") and "logits" not in family
    keep = np.abs(a[:, 0] - 0.5) < 0.5 - 1e-6 if clipped else np.ones(len(a), bool)
    if name in DIFFERENT:
        keep &= ~DIFFERENT[name](a[:, 0])
    # differences of terms up to the largest logarithm, 16, the largest output, or an output's square
    finite = np.where(np.isfinite(a), np.abs(a), 0).max(axis=1)
    size = 16 + finite + np.where(np.isfinite(values), np.abs(values), 0)
    rounding = 20 * eps(dtype)
    assert_close(actual[keep].astype(float), values[keep], rounding * size[keep], "losses")
    scale = 3 + np.where(np.isfinite(slopes), np.abs(slopes), 0)
    assert_close(by_output[keep].astype(float), slopes[keep], rounding * scale[keep] * 4, "slopes")


@pytest.mark.parametrize("name", LOSSES)
def test_loss(core, name):
    """Each kernel."""
    check_loss(core, core.REAL.name, name)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_the_reference(dtype, name):
    """Each twin."""
    check_loss(None, dtype, name)
