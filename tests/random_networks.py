"""Networks drawn over the whole catalogue of layers and activations, for the tests of what leaves fastnn."""

import math

import numpy as np

from fastnn import Sequential, activations, formulas, layers, operations
from fastnn.layers import Input

# The kinds of operations that every table of a target has: freezing takes those out that draw, and Encoding is refused.
LEAVING = {op for op in operations.ENTRIES if not op.random} - {operations.Encoding}
# What changes the answers outside of training, by the number of axes of a sample that it takes (0: any).
DRAWN = {
    0: [
        lambda draw: layers.Dense(draw(1, 20), draw.activation(), use_bias=draw.coin()),
        lambda draw: layers.Activation(draw.activation()),
        lambda draw: layers.BatchNormalization(),
        lambda draw: layers.LayerNormalization(),
        lambda draw: layers.UnitNormalization(),
        lambda draw: layers.Rescaling(0.5, -0.25),
        lambda draw: layers.Normalization(mean=0.5, variance=2.0),
        lambda draw: layers.Dropout(0.3),
        lambda draw: layers.GaussianNoise(0.1),
        lambda draw: layers.ReLU(max_value=2.0, negative_slope=0.1),
        lambda draw: layers.LeakyReLU(),
        lambda draw: layers.ELU(0.7),
        lambda draw: layers.Softmax(draw.pick([-1, 1])),
        lambda draw: layers.PReLU(),
        lambda draw: layers.AlphaDropout(0.2),
        lambda draw: layers.GaussianDropout(0.2),
        lambda draw: layers.BatchNormalization(center=draw.coin(), scale=draw.coin()),
        lambda draw: layers.LayerNormalization(axis=draw.pick([-1, 1]), center=draw.coin(), scale=draw.coin()),
        lambda draw: layers.RMSNormalization(),
        lambda draw: layers.GroupNormalization(draw.pick([-1, 1, 2])),
        lambda draw: layers.Identity(),
        lambda draw: layers.ActivityRegularization(0.1),
        lambda draw: layers.Flatten(),
        lambda draw: layers.Reshape((draw(1, 3), -1)),
        lambda draw: layers.Reshape((2, draw(1, 3), -1)),
    ],
    1: [lambda draw: layers.RepeatVector(draw(1, 4))],
    2: [
        lambda draw: layers.DepthwiseConv1D(draw(1, 4), padding=draw.padding(), depth_multiplier=draw(1, 3)),
        lambda draw: layers.SeparableConv1D(draw(1, 7), draw(1, 4)),
        lambda draw: layers.Conv1DTranspose(draw(1, 7), draw(1, 4), draw(1, 4), draw.padding()),
        lambda draw: layers.ZeroPadding1D((1, 2)),
        lambda draw: layers.Cropping1D((1, 0)),
        lambda draw: layers.UpSampling1D(draw(1, 4)),
        lambda draw: layers.PReLU(shared_axes=[1]),
        lambda draw: layers.Conv1D(draw(1, 7), draw(1, 4), draw(1, 3), draw.pick(["valid", "same", "causal"])),
        lambda draw: layers.MaxPooling1D(draw(1, 4), draw(1, 3), draw.padding()),
        lambda draw: layers.AveragePooling1D(draw(1, 4), draw(1, 3), draw.padding()),
        lambda draw: layers.GlobalMaxPooling1D(keepdims=draw.coin()),
        lambda draw: layers.GlobalAveragePooling1D(keepdims=draw.coin()),
        lambda draw: layers.SpatialDropout1D(0.2),
        lambda draw: layers.Permute((2, 1)),
    ],
    3: [
        lambda draw: layers.PReLU(shared_axes=[1, 2]),
        lambda draw: layers.Conv2D(
            draw(1, 18), draw.pair(), draw.pair(), draw.padding(), activation=draw.activation(), use_bias=draw.coin()
        ),
        lambda draw: layers.Conv2D(6, draw.pair(), dilation_rate=draw.pair(), padding="same"),
        lambda draw: layers.Conv2D(6, draw.pair(), groups=draw.pick([2, 3])),
        lambda draw: layers.DepthwiseConv2D(draw.pair(), padding=draw.padding(), depth_multiplier=draw(1, 3)),
        lambda draw: layers.SeparableConv2D(draw(1, 7), draw.pair(), depth_multiplier=draw(1, 3)),
        lambda draw: layers.Conv2DTranspose(draw(1, 7), draw.pair(), draw.pair(), draw.padding()),
        lambda draw: layers.MaxPooling2D(draw.pair(), draw.pair(), draw.padding()),
        lambda draw: layers.AveragePooling2D(draw.pair(), draw.pair(), draw.padding()),
        lambda draw: layers.GlobalMaxPooling2D(keepdims=draw.coin()),
        lambda draw: layers.GlobalAveragePooling2D(keepdims=draw.coin()),
        lambda draw: layers.SpatialDropout2D(0.2),
        lambda draw: layers.ZeroPadding2D(((1, 0), (2, 1))),
        lambda draw: layers.Cropping2D(((1, 0), (0, 1))),
        lambda draw: layers.UpSampling2D(draw.pair(), interpolation=draw.pick(["nearest", "bilinear"])),
        lambda draw: layers.Permute(draw.pick([(3, 1, 2), (2, 1, 3), (1, 3, 2)])),
    ],
}
MOST = 3000  # numbers of a sample anywhere


class Draw:
    """draw(low, high): a whole number; and other choices of one generator."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, low, high):
        return int(self.rng.integers(low, high))

    def pick(self, choices):
        return choices[self(0, len(choices))]

    def coin(self):
        return bool(self(0, 2))

    def pair(self):
        return (self(1, 4), self(1, 4))

    def padding(self):
        return self.pick(["valid", "same"])

    def activation(self):
        return self.pick(activations.ENTRIES)()


def with_weights(model, seed):
    """The model with weights at which nothing vanishes or overflows: scales and variances near 1."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=one.shape) / np.sqrt(max(1, one[..., 0].size)) for one in model.get_weights()]
    model.set_weights([1 + 0.3 * np.tanh(one) if one.ndim == 1 else one for one in values])
    return model


def random_model(seed, dtype="float32"):
    """A model of some layers that fit each other, with random weights."""
    draw = Draw(seed)
    sizes = draw.pick([(draw(1, 40),), (draw(4, 16), draw(1, 6)), (draw(4, 10), draw(4, 10), draw(1, 6))])
    chosen, shape = [Input(sizes)], sizes
    for _ in range(draw(1, 7)):
        layer = draw.pick(DRAWN[0] + 2 * DRAWN.get(len(shape), []))(draw)
        try:
            after = layer.shape_after(shape)
            layer.operations(shape)
        except ValueError:
            continue  # it does not fit
        if 0 < np.prod(after) <= MOST:
            chosen, shape = [*chosen, layer], after
    if len(chosen) == 1:
        chosen.append(layers.Dense(3))
    return with_weights(Sequential(chosen, dtype=dtype, rng=seed), seed)


def samples(model, rows, seed=0):
    """Random samples for a model."""
    shape = model.input_shape[1:]
    return np.random.default_rng(seed).normal(size=(rows, *shape)).astype(model.dtype)


def difference(actual, expected):
    """The largest difference, relative where numbers are larger than 1."""
    assert actual.shape == expected.shape
    return float((np.abs(actual - expected) / np.maximum(1, np.abs(expected))).max(initial=0))


def bend(x):
    """A formula of a user's own that branches."""
    if x < -1:
        return -1.0
    return x if x > 0 else 0.5 * math.tanh(x)


def own_formulas(dtype="float32"):
    """Models with formulas of a user's own: NumPy's functions, math's, branches, powers."""
    functions = [
        lambda x: x / (1 + np.exp(-1.7 * x)),
        bend,
        lambda x: max(x, 0) + min(x, 0) ** 2 * math.erf(x),
        lambda x: abs(x) ** 0.5 + np.sign(x) * math.atan(x) + math.cos(x),
    ]
    for i, function in enumerate(functions):
        own = layers.Dense(6, formulas.activation(function))
        yield with_weights(Sequential([Input(5), own], dtype=dtype, engine="reference"), i)


def embeddings():
    """Models that take numbers of words."""
    for shape, behind in (((6,), [layers.Flatten(), layers.Dense(3)]), ((2, 3), []), ((1,), [layers.Conv1D(2, 1)])):
        yield with_weights(Sequential([Input(shape), layers.Embedding(7, 4), *behind]), 0)
