"""Layers on maps with what to ask of them, for Keras (golden/make_maps.py) and for fastnn (test_maps.py).

A case is a layer, the shape of a sample and how many there are. Inputs, weights and the directions along which
derivatives are taken are formulas, so that the file of answers holds only a few numbers of each case.
"""

import numpy as np


def case(layer, shape, *arguments, batch=2, **settings):
    return {"layer": layer, "arguments": list(arguments), "settings": settings, "shape": list(shape), "batch": batch}


CASES = [
    *(
        case("Conv2D", (*size, 3), 4, kernel, strides=strides, padding=padding, activation="elu", batch=batch)
        for size, kernel, strides, batch in [
            ((6, 7), (3, 3), (1, 1), 1),
            ((6, 7), (2, 3), (2, 2), 33),
            ((9, 8), (3, 2), (3, 2), 2),
            ((5, 5), (1, 1), (1, 1), 2),
            ((7, 5), (5, 4), (1, 3), 2),
            ((4, 6), (2, 2), (3, 3), 1),
        ]
        for padding in ("valid", "same")
    ),
    case("Conv2D", (9, 10, 2), 3, (3, 2), dilation_rate=(2, 3), batch=1),
    case("Conv2D", (9, 10, 2), 3, (3, 2), dilation_rate=(2, 3), padding="same"),
    case("Conv2D", (6, 5, 4), 6, 3, groups=2, padding="same", batch=33),
    case("Conv2D", (6, 5, 6), 9, 2, groups=3, strides=2, use_bias=False),
    case("Conv2D", (5, 6, 4), 4, 3, groups=4, activation="relu"),
    case("Conv2D", (5, 6, 17), 18, 3, padding="same", activation="gelu", batch=1),
    *(
        case("Conv1D", (11, 3), 5, 4, strides=strides, padding=padding, activation="elu", batch=batch)
        for strides, batch in [(1, 1), (2, 33), (3, 2)]
        for padding in ("valid", "same", "causal")
    ),
    case("Conv1D", (12, 4), 6, 3, dilation_rate=2, padding="causal", groups=2),
    case("Conv1D", (12, 2), 3, 3, dilation_rate=3, padding="same", use_bias=False),
    *(
        case("DepthwiseConv2D", (6, 7, 3), (3, 2), strides=strides, padding=padding, depth_multiplier=multiplier)
        for strides, multiplier in [(1, 1), (2, 2), (3, 3)]
        for padding in ("valid", "same")
    ),
    case("DepthwiseConv2D", (8, 8, 2), 3, dilation_rate=2, padding="same", activation="relu", batch=33),
    case("SeparableConv2D", (6, 7, 3), 5, 3, padding="same", depth_multiplier=2, activation="elu"),
    case("SeparableConv2D", (7, 6, 2), 3, (2, 3), strides=2, use_bias=False, batch=33),
    *(
        case("Conv2DTranspose", (*size, 3), 4, kernel, strides=strides, padding=padding, batch=batch)
        for size, kernel, strides, batch in [
            ((4, 5), (3, 3), (1, 1), 1),
            ((4, 3), (2, 3), (2, 2), 33),
            ((3, 4), (3, 2), (3, 2), 2),
            ((3, 3), (1, 2), (2, 3), 2),
            ((2, 3), (5, 4), (2, 1), 2),
        ]
        for padding in ("valid", "same")
    ),
    case("Conv2DTranspose", (3, 4, 2), 3, 3, strides=2, padding="same", output_padding=1, activation="sigmoid"),
    case("Conv2DTranspose", (3, 4, 2), 3, 4, strides=3, padding="same", output_padding=2),
    case("Conv2DTranspose", (3, 4, 2), 3, 4, strides=3, padding="valid", output_padding=(0, 1)),
    case("Conv2DTranspose", (4, 3, 2), 3, (3, 2), dilation_rate=2, padding="same"),
    case("Conv2DTranspose", (4, 3, 2), 3, (3, 2), dilation_rate=(2, 3)),
    *(
        case(f"{kind}Pooling2D", (*size, 3), pool, strides=strides, padding=padding, batch=batch)
        for kind in ("Max", "Average")
        for size, pool, strides, batch in [
            ((6, 7), (2, 2), None, 1),
            ((7, 5), (3, 2), (2, 3), 33),
            ((5, 6), (3, 3), (1, 1), 2),
        ]
        for padding in ("valid", "same")
    ),
    *(
        case(f"{kind}Pooling1D", (11, 3), pool, strides=strides, padding=padding)
        for kind in ("Max", "Average")
        for pool, strides in [(2, None), (4, 3)]
        for padding in ("valid", "same")
    ),
    *(
        case(f"Global{kind}Pooling{axes}D", (5, 7, 3)[2 - axes :], keepdims=keepdims, batch=batch)
        for kind in ("Max", "Average")
        for axes in (1, 2)
        for keepdims, batch in [(False, 33), (True, 1)]
    ),
    case("ZeroPadding2D", (3, 4, 2)),
    case("ZeroPadding2D", (3, 4, 2), (2, 1)),
    case("ZeroPadding2D", (3, 4, 2), ((0, 2), (3, 1))),
    case("Cropping2D", (6, 7, 2), 2),
    case("Cropping2D", (6, 7, 2), (1, 2)),
    case("Cropping2D", (6, 7, 2), ((0, 3), (1, 2))),
    case("UpSampling2D", (3, 4, 2)),
    case("UpSampling2D", (3, 4, 2), (3, 1), batch=33),
    case("UpSampling2D", (3, 4, 2), (2, 3), interpolation="bilinear"),
    case("UpSampling2D", (1, 5, 2), 4, interpolation="bilinear"),
    case("Reshape", (4, 6), (2, -1, 3)),
    case("Reshape", (4, 2, 3), (24,)),
    case("Flatten", (4, 2, 3)),
    case("Permute", (4, 6), (2, 1)),
    case("Permute", (4, 2, 3), (3, 1, 2)),
    case("Permute", (4, 2, 3), (2, 1, 3)),
    case("Dense", (4, 2, 3), 5, activation="relu"),
    case("Dense", (4, 3), 5, use_bias=False),
    case("Activation", (4, 2, 3), "softmax"),
    case("BatchNormalization", (4, 2, 3), batch=33),
    case("BatchNormalization", (7, 3)),
    case("LayerNormalization", (4, 2, 3)),
    case("UnitNormalization", (4, 2, 3)),
    case("BatchNormalization", (4, 2, 3), center=False),
    case("BatchNormalization", (7, 3), scale=False, batch=5),
    case("BatchNormalization", (7, 3), center=False, scale=False, batch=5),
    case("BatchNormalization", (4, 2, 3), axis=1, batch=5),
    case("LayerNormalization", (4, 2, 3), center=False),
    case("LayerNormalization", (4, 2, 3), scale=False),
    case("LayerNormalization", (5,), center=False, scale=False),
    case("LayerNormalization", (4, 2, 3), axis=[1, 3]),
    case("LayerNormalization", (4, 2, 3), axis=[1, 2, 3], scale=False),
    case("UnitNormalization", (4, 2, 3), axis=1),
    case("UnitNormalization", (4, 2, 3), axis=[2, 3]),
    case("RMSNormalization", (17,)),
    case("RMSNormalization", (4, 2, 3), epsilon=0.1),
    case("GroupNormalization", (4, 2, 6), 2),
    case("GroupNormalization", (4, 2, 6), -1, batch=5),
    case("GroupNormalization", (6,), 3, center=False),
    case("GroupNormalization", (6, 4, 2), 3, axis=1),
    case("GroupNormalization", (4, 6), 1, center=False, scale=False),
    case("Softmax", (4, 2, 3), axis=1),
    case("Softmax", (4, 2, 3), axis=[1, 2]),
    case("PReLU", (17,)),
    case("PReLU", (4, 2, 3), shared_axes=[1, 2], batch=33),
    case("PReLU", (4, 2, 3), shared_axes=[3]),
    case("PReLU", (4, 2, 3), shared_axes=[2]),
    case("PReLU", (4, 2, 3)),
    case("RepeatVector", (3,), 4),
    case("Identity", (4, 3)),
    case("ZeroPadding1D", (4, 2)),
    case("ZeroPadding1D", (4, 2), (0, 3)),
    case("Cropping1D", (7, 2)),
    case("Cropping1D", (7, 2), (3, 0)),
    case("UpSampling1D", (4, 2), 3),
    *(
        case("DepthwiseConv1D", (11, 3), 4, strides=strides, padding=padding, depth_multiplier=multiplier)
        for strides, multiplier in [(1, 2), (3, 1)]
        for padding in ("valid", "same")
    ),
    case("SeparableConv1D", (11, 3), 5, 3, strides=2, padding="same", depth_multiplier=2, activation="elu"),
    case("SeparableConv1D", (11, 3), 2, 3, dilation_rate=2, use_bias=False),
    *(
        case("Conv1DTranspose", (5, 3), 4, kernel, strides=strides, padding=padding)
        for kernel, strides in [(3, 1), (3, 2), (2, 3)]
        for padding in ("valid", "same")
    ),
    case("Conv1DTranspose", (5, 2), 3, 4, strides=3, padding="same", output_padding=1, activation="sigmoid"),
]

NETWORK = [  # of samples (8, 7, 2) of four classes, trained by SGD; each line a layer, its arguments and settings
    ("Conv2D", (6, (3, 2)), {"padding": "same", "strides": (1, 2), "activation": "relu"}),
    ("MaxPooling2D", (2,), {"padding": "same"}),
    ("Conv2D", (4, 2), {"groups": 2, "activation": "elu", "kernel_regularizer": "l2"}),
    ("Conv2DTranspose", (3, (2, 3)), {"strides": 2, "use_bias": False, "activation": "sigmoid"}),
    ("DepthwiseConv2D", (3,), {"depth_multiplier": 2}),
    ("AveragePooling2D", ((2, 1),), {}),
    ("Permute", ((2, 1, 3),), {}),
    ("Reshape", ((-1, 6),), {}),
    ("Conv1D", (5, 3), {"padding": "causal", "dilation_rate": 2, "activation": "elu"}),
    ("Flatten", (), {}),
    ("Dense", (4,), {"activation": "softmax"}),
]
SAMPLES, BATCH, EPOCHS = 12, 4, 3

KERAS_ROUNDS = (
    "GlobalAverage",
    "BatchNorm",
    "LayerNorm",
    "GroupNorm",
    "RMSNorm",
)  # means, which Keras 3 on JAX always takes in float32


def name_of(case):
    """A line that says what the case is."""
    settings = [*map(str, case["arguments"]), *(f"{key}={value}" for key, value in case["settings"].items())]
    return f"{case['layer']}({', '.join(settings)}) on {case['batch']} x {case['shape']}"


def numbers(shape, start):
    """Numbers from -1 to 1 that look like any."""
    return np.sin(start + 37.7 * np.sin(1 + np.arange(int(np.prod(shape))) * 1.61803398875)).reshape(shape)


def weights(shapes):
    """Of a layer: mean and variance of a normalization too, so they are positive where they are vectors."""
    found = [numbers(shape, 2 + i) for i, shape in enumerate(shapes)]
    return [1.5 + one if one.ndim == 1 else one for one in found]


def projections(values, start):
    """Three sums over all numbers, each with factors of its own."""
    values = np.asarray(values, dtype=np.float64)
    return [float((values * numbers(values.shape, start + i)).sum()) for i in range(3)]
