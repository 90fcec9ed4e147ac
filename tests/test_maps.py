"""Layers on maps: Keras' shapes, numbers of weights, outputs and derivatives; what is refused, and how."""

import json
from pathlib import Path

import numpy as np
import pytest
from map_cases import BATCH, CASES, EPOCHS, KERAS_ROUNDS, NETWORK, SAMPLES, name_of, numbers, projections, weights
from numerics import eps

import fastnn
from fastnn import layers
from fastnn.engine.program import lower
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    LayerNormalization,
    MaxPooling2D,
    Permute,
    Reshape,
    SeparableConv2D,
    SpatialDropout1D,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)
from fastnn.operations import Draws

KERAS = json.loads((Path(__file__).parent / "golden" / "maps.json").read_text())


def tuples(value):
    """Lists of a case as the tuples that Keras' users write."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def layer_of(case):
    return getattr(layers, case["layer"])(*map(tuples, case["arguments"]), **case["settings"])


# -- beside Keras ------------------------------------------------------------------------------------------------------


def check_beside_keras(case, dtype):
    """The twins of a layer's operations, forward, backward and outside of training."""
    keras, layer, shape = KERAS[name_of(case)], layer_of(case), tuple(case["shape"])
    assert [case["batch"], *layer.shape_after(shape)] == keras["output_shape"]
    assert sum(int(np.prod(one)) for op in layer.operations(shape) for one in op.shapes) == keras["parameters"]
    steps = layer.operations(shape)
    rounded = "float32" if case["layer"].startswith(KERAS_ROUNDS) else dtype
    shown = weights([one for op in steps for one in op.shapes])
    x = numbers((case["batch"] * max(1, int(np.prod(shape[:-1]))), shape[-1]), 1).astype(dtype)
    tape, a, asked = [], x, x
    for op in steps:
        n = len(op.shapes)
        own, shown = op.taken([values.astype(dtype) for values in shown[:n]]), shown[n:]
        if op.applies_activation and not op.bias:
            own.append(np.zeros(op.outputs, dtype=dtype))
        before = a
        a, kept = op.forward(before, own, Draws(0, 0, 0, 8))
        asked = op.infer(asked, own)
        tape.append((op, before, a, kept, own))
    d = numbers(keras["output_shape"], 3).astype(dtype).reshape(a.shape)
    derivatives = []
    for op, before, after, kept, own in reversed(tape):
        d, gradients = op.backward(d, before, after, kept, own)
        derivatives = [*op.shown(gradients), *derivatives]
    close(a.reshape(keras["output_shape"]), keras["output"], 4, rounded, "output")
    close(asked.reshape(keras["output_shape"]), keras["inference"], 4, rounded, "inference")
    assert {a.dtype, asked.dtype, d.dtype} == {np.dtype(dtype)}
    derivatives = [d.reshape(case["batch"], *shape), *derivatives]
    for i, (values, expected) in enumerate(zip(derivatives, keras["derivatives"], strict=True)):
        close(values, expected, 5, rounded, f"derivative {i}")


def close(values, expected, start, dtype, what):
    """Within the rounding of numbers of a type."""
    error = np.abs(np.subtract(projections(values, start), expected)).max()
    bound = 100 * eps(dtype) * (1 + np.abs(values).sum())
    assert error <= bound, f"{what}: {error:.3g} exceeds {bound:.3g}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_layers_answer_as_in_keras(case, dtype):
    check_beside_keras(case, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_training_as_in_keras(engine, dtype):
    stack = [getattr(layers, kind)(*args, **settings) for kind, args, settings in NETWORK]
    model = fastnn.Sequential([Input((8, 7, 2)), *stack], engine=engine, dtype=dtype)
    model.set_weights([numbers(w.shape, i) / 2 for i, w in enumerate(model.get_weights())])
    model.compile(fastnn.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy")
    x, y = numbers((SAMPLES, 8, 7, 2), 1), np.eye(4)[np.arange(SAMPLES) % 4]
    history = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    tolerance = {"float32": 1e-4, "float64": 1e-8}[dtype]
    np.testing.assert_allclose(history.history["loss"], KERAS["network"]["losses"], rtol=tolerance)
    for values, expected in zip(model.get_weights(), KERAS["network"]["weights"], strict=True):
        np.testing.assert_allclose(projections(values, 6), expected, atol=tolerance * (1 + np.abs(values).sum()))


# -- whole networks ----------------------------------------------------------------------------------------------------

ENGINES = ["reference", "compiled"]


def notes_network(engine="reference", **settings):
    return fastnn.Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(32, (3, 3), activation="relu"),
            MaxPooling2D(pool_size=(2, 2)),
            Flatten(),
            Dense(64, activation="relu"),
            Dense(10, activation="softmax"),
        ],
        engine=engine,
        rng=0,
        **settings,
    )


def small(engine, *, last="softmax", dtype="float64"):
    """A network with something of everything, small enough for differences."""
    return fastnn.Sequential(
        [
            Input((9, 7, 2)),
            ZeroPadding2D((1, 0)),
            Conv2D(4, (3, 2), activation="elu", kernel_regularizer="l2", activity_regularizer="l2"),
            BatchNormalization(),
            Conv2D(6, 2, padding="same", groups=2, strides=2),
            Activation("elu"),
            LayerNormalization(),
            Conv2DTranspose(3, 3, strides=(1, 2), padding="same", activation="elu"),
            SeparableConv2D(4, 2, depth_multiplier=2),
            Dense(5, "sigmoid"),
            UpSampling2D(2, interpolation="bilinear"),
            DepthwiseConv2D(3, depth_multiplier=1),
            Cropping2D(((0, 1), (1, 0))),
            MaxPooling2D(2, strides=1),
            Permute((2, 1, 3)),
            Reshape((-1, 2)),
            Conv1D(3, 4, padding="causal", strides=2, activation="elu"),
            Flatten(),
            Dense(4, last),
        ],
        engine=engine,
        rng=0,
        dtype=dtype,
    )


def images(n, shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape))


def test_summary_of_the_notes_network(capsys):
    model = notes_network()
    model.summary()
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if "(None" in line]
    expected = [
        ("Conv2D", "(None, 26, 26, 32)", "320"),
        ("MaxPooling2D", "(None, 13, 13, 32)", "0"),
        ("Flatten", "(None, 5408)", "0"),
        ("Dense", "(None, 64)", "346,176"),
        ("Dense", "(None, 10)", "650"),
    ]
    for line, cells in zip(lines, expected, strict=True):
        assert [cell for cell in cells if cell in line] == list(cells)
    assert "Total params: 347,146" in shown
    assert model.count_params() == 347146


@pytest.mark.parametrize("engine", ENGINES)
def test_gradient_of_a_network_with_everything(engine):
    model = small(engine)
    model.compile("sgd", "categorical_crossentropy")
    x, y = images(5, (9, 7, 2)), np.eye(4)[[0, 1, 2, 3, 1]]
    X, Y = model.door.features(x), model.door.targets(y)
    loss, gradient = model.network.gradient(X, Y, None)
    rng = np.random.default_rng(1)
    for op in model.program.steps:
        for i in range(op.variables):
            arrays = [np.zeros_like(values) for values in model.program.read(model.arena[0], op)]
            arrays[i] = rng.normal(size=arrays[i].shape)
            direction = np.zeros_like(model.arena[0])
            model.program.write(direction, op, arrays)
            before, found = model.arena[0].copy(), []
            for step in (1e-4, -1e-4):
                model.arena[0] = before + step * direction
                found.append(model.network.gradient(X, Y, None)[0])
            model.arena[0] = before
            slope = (found[0] - found[1]) / 2e-4
            assert abs(slope - direction @ gradient) < 1e-6 * (1 + abs(slope)), op
    assert np.isfinite(loss)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [1, 33])
def test_training_makes_the_loss_smaller(engine, n):
    model = small(engine, dtype="float32")
    model.compile(fastnn.optimizers.Adam(0.01), "categorical_crossentropy", ["accuracy"])
    y = np.eye(4)[np.random.default_rng(0).integers(0, 4, n)]
    history = model.fit(images(n, (9, 7, 2)), y, epochs=4, batch_size=11, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize("engine", ENGINES)
def test_bytes_are_images_too(engine):
    x = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1)).astype(np.uint8)
    model = notes_network(engine)
    np.testing.assert_array_equal(model.predict(x), model.predict(x.astype(np.float32)))
    turned = np.ascontiguousarray(x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(model.predict(x), model.predict(turned))


@pytest.mark.parametrize("engine", ENGINES)
def test_maps_as_outputs_keep_their_shape(engine):
    stack = [Input((4, 6, 2)), Conv2D(3, 2, activation="relu"), Conv2DTranspose(1, 2, activation="sigmoid")]
    model = fastnn.Sequential(stack, engine=engine, rng=0, dtype="float64")
    x = images(9, (4, 6, 2))
    y = (x[..., :1] > 0).astype(float)
    assert model.predict(x).shape == model(x).shape == (9, 4, 6, 1)
    model.compile("adam", "binary_crossentropy", ["accuracy", "mae"])
    assert model.program.from_logits
    a = model.predict(x)
    expected = -(y * np.log(a) + (1 - y) * np.log(1 - a)).mean()
    for targets in (y, y[..., 0], y.reshape(9, -1)):
        np.testing.assert_allclose(model.evaluate(x, targets)[0], expected, rtol=1e-6)
    history = model.fit(x, y, epochs=3, validation_split=0.3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    with pytest.raises(ValueError, match=r"y has shape \(9, 6, 4\), expected \(rows, 4, 6, 1\)"):
        model.evaluate(x, y[..., 0].transpose(0, 2, 1))
    for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"):
        with pytest.raises(ValueError, match=r"one row of outputs for each sample.*\(4, 6, 1\).*Flatten"):
            model.compile("adam", loss)


class Shapes(fastnn.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_predict_batch_end(self, batch, logs=None):
        self.seen.append(logs["outputs"].shape)


def test_maps_one_batch_at_a_time():
    model = fastnn.Sequential([Input((4, 6, 2)), Conv2D(1, 3, padding="same")], rng=0)
    model.compile("sgd", "mse")
    x = images(9, (4, 6, 2))
    y, listener = x[..., :1], Shapes()
    assert model.predict(x, batch_size=5, callbacks=[listener]).shape == (9, 4, 6, 1)
    assert listener.seen == [(5, 4, 6, 1), (4, 4, 6, 1)]
    assert model.predict(x[i : i + 3] for i in (0, 3, 6)).shape == model.predict_on_batch(x).shape == (9, 4, 6, 1)
    before = model.test_on_batch(x, y)
    model.train_on_batch(x, y)
    assert model.test_on_batch(x, y) < before


def test_metrics_of_maps_as_outputs_are_those_of_pixels_or_refused():
    model = fastnn.Sequential([Input((4, 6, 2)), Conv2D(1, 3, padding="same", activation="sigmoid")], rng=0)
    x = images(9, (4, 6, 2))
    y = (x[..., :1] > 0).astype(float)
    right = ((model.predict(x) > 0.5) == y).mean()
    for loss in ("mse", "binary_crossentropy"):
        model.compile("sgd", loss, ["accuracy", "binary_accuracy", "mae"])
        found = model.evaluate(x, y)
        np.testing.assert_allclose(found[1:], [right, right, np.abs(model.predict(x) - y).mean()], rtol=1e-6)
    several = fastnn.Sequential([Input((4, 6, 2)), Conv2D(3, 3, activation="sigmoid")], rng=0)
    several.compile("sgd", "binary_crossentropy", ["binary_accuracy", "auc", "precision"])
    for metric in ("accuracy", "categorical_accuracy", "top_k_categorical_accuracy", "cosine_similarity"):
        with pytest.raises(ValueError, match=r"takes one row of outputs for each sample.*\(2, 4, 3\); use 'binary_acc"):
            several.compile("sgd", "binary_crossentropy", [metric])
    with pytest.raises(ValueError, match="metric 'auc' takes one row"):
        model.compile("sgd", "mse", ["auc"])


def test_a_reshape_behind_the_input_costs_nothing():
    for stack, names in (
        ([Input(784), Reshape((28, 28, 1)), Conv2D(2, 3)], ["convolution", "permutation"]),
        ([Input((28, 28)), Flatten(), Dense(3)], ["dense"]),
        ([Input((28, 28)), Dropout(0.5), Activation("relu"), Flatten(), Dense(3)], ["dropout", "elementwise", "dense"]),
        ([Input((28, 28)), SpatialDropout1D(0.5), Flatten(), Dense(3)], ["dropout", "permutation", "dense"]),
    ):
        program = lower(stack, np.dtype("float32"))
        assert [op.name for op in program.steps] == names
        assert program.inputs == 784


@pytest.mark.parametrize("engine", ENGINES)
def test_flat_images_and_maps_are_the_same_numbers(engine):
    x = images(5, (6, 4, 3))
    maps = fastnn.Sequential([Input((6, 4, 3)), Conv2D(2, 3), Flatten(), Dense(2)], engine=engine, rng=0)
    flat = fastnn.Sequential([Input(72), Reshape((6, 4, 3)), Conv2D(2, 3), Flatten(), Dense(2)], engine=engine, rng=0)
    np.testing.assert_array_equal(maps.predict(x), flat.predict(x.reshape(5, 72)))
    assert flat(x.reshape(5, 72).astype(np.float32)).shape == (5, 2)


@pytest.mark.parametrize("layer, shape", [(SpatialDropout2D(0.5), (4, 5, 40)), (SpatialDropout1D(0.5), (9, 40))])
def test_spatial_dropout_takes_whole_channels(layer, shape):
    (op,) = layer.operations(shape)
    x = np.ones((30 * op.positions_in, 40))
    a, _ = op.forward(x, [], Draws(3, 0, 0, 8))
    maps = a.reshape(30, -1, 40)
    assert (maps == maps[:, :1]).all()
    assert set(np.unique(maps)) == {0.0, 2.0}
    assert 0.4 < (maps[:, 0] == 0).mean() < 0.6
    assert len(np.unique(maps[:, 0], axis=0)) == 30


@pytest.mark.parametrize("engine", ENGINES)
def test_penalties_of_activities_are_those_of_samples(engine):
    penalty = fastnn.regularizers.L1L2(0.1, 0.2)
    stack = [Input((5, 4, 1)), Conv2D(2, 2, activity_regularizer=penalty), Flatten(), Dense(1)]
    model = fastnn.Sequential(stack, engine=engine, rng=0, dtype="float64")
    model.compile("sgd", "mse")
    x, y = images(6, (5, 4, 1)), np.zeros(6)
    hidden = fastnn.Sequential(stack[:2], engine=engine, dtype="float64")
    hidden.set_weights(model.get_weights()[:2])
    a = hidden.predict(x)
    expected = (model.predict(x) ** 2).mean()
    expected += (0.1 * np.abs(a) + 0.2 * a**2).sum() / 6
    np.testing.assert_allclose(model.evaluate(x, y), expected, rtol=1e-9)
    loss, _ = model.network.gradient(model.door.features(x), model.door.targets(y), None)
    np.testing.assert_allclose(loss, expected, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "kind, settings, axis, norms",
    [
        (Conv2D, {"filters": 4}, None, (0, 1, 2)),
        (Conv2D, {"filters": 4}, [0, 1, 2], (0, 1, 2)),
        (Conv2D, {"filters": 4}, 3, (3,)),
        (Conv2D, {"filters": 4}, (0, 1, 2, 3), (0, 1, 2, 3)),
        (Conv2D, {"filters": 6, "groups": 3}, None, (0, 1, 2)),
        (DepthwiseConv2D, {"depth_multiplier": 2}, None, (0, 1)),
        (DepthwiseConv2D, {"depth_multiplier": 2}, [2, 3], (2, 3)),
        (Conv2DTranspose, {"filters": 5}, None, (0, 1, 3)),
        (Conv2DTranspose, {"filters": 5}, [0, 1, 3], (0, 1, 3)),
        (Conv2DTranspose, {"filters": 5}, 2, (2,)),
    ],
)
def test_norms_are_those_of_each_filter_or_along_the_axes_that_users_see(engine, kind, settings, axis, norms):
    limit = fastnn.constraints.MaxNorm(0.2, axis=axis)
    name = "depthwise_constraint" if kind is DepthwiseConv2D else "kernel_constraint"
    layer = kind(kernel_size=(3, 2), **settings, **{name: limit}, bias_constraint=fastnn.constraints.MaxNorm(0.01))
    model = fastnn.Sequential([Input((5, 4, 3)), layer, Flatten(), Dense(1)], engine=engine, rng=0, dtype="float64")
    model.compile(fastnn.optimizers.SGD(0.1), "mse")
    model.fit(images(8, (5, 4, 3)), np.ones(8), epochs=2, verbose=0)
    kernel, bias = model.get_weights()[:2]
    lengths = np.sqrt((kernel**2).sum(norms))
    assert abs(lengths.max() - 0.2) < 1e-9
    assert abs(np.linalg.norm(bias) - 0.01) < 1e-9


def test_norms_along_other_axes_need_the_reference():
    for layer, axis in (
        (Conv2D(4, 3, kernel_constraint=fastnn.constraints.MaxNorm(0.2, axis=0)), 0),
        (Conv2DTranspose(4, 3, kernel_constraint=fastnn.constraints.MaxNorm(0.2, axis=[0, 1, 2])), (0, 1, 2)),
        (DepthwiseConv2D(3, depthwise_constraint=fastnn.constraints.MaxNorm(0.2, axis=[0, 1, 2])), (0, 1, 2)),
    ):
        stack = [Input((5, 4, 3)), layer, Flatten(), Dense(1)]
        with pytest.raises(
            ValueError, match='are not compiled; use all but the last, the last, or all, or engine="ref'
        ):
            fastnn.Sequential(stack)
        model = fastnn.Sequential([*stack[:1], layer.copied(), *stack[2:]], engine="reference", rng=0)
        model.compile(fastnn.optimizers.SGD(0.1), "mse")
        model.fit(images(8, (5, 4, 3)), np.ones(8), verbose=0)
        assert np.sqrt((model.get_weights()[0] ** 2).sum(axis)).max() < 0.2 + 1e-6


@pytest.mark.parametrize("engine", ENGINES)
def test_what_else_can_be_asked_of_maps(engine):
    model = small(engine)
    model.compile("adam", "categorical_crossentropy")
    x = images(5, (9, 7, 2))
    model.fit(x, np.eye(4)[[0, 1, 2, 3, 0]], verbose=0)
    expected = model.predict(x)
    for i, layer in enumerate(model.layers):
        found = model.activations(x, i)
        assert found.shape == (5, *layer.output_shape[1:])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    slopes = model.gradient(x, 1)
    jacobian = model.jacobian(x)
    assert slopes.shape == x.shape
    np.testing.assert_allclose(jacobian[:, 1], slopes, rtol=1e-9, atol=1e-12)
    direction = images(5, (9, 7, 2), seed=4)
    step = 1e-5
    moved = [model.predict(x + sign * step * direction) for sign in (1, -1)]
    expected_slope = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose((jacobian * direction[:, None]).sum((2, 3, 4)), expected_slope, rtol=1e-5, atol=1e-8)
    predictor = model.predictor()
    np.testing.assert_allclose(predictor(x), expected, rtol=1e-9)
    np.testing.assert_allclose(predictor(x[0]), expected[0], rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_predictors_of_maps_as_outputs(engine):
    stack = [Input((4, 6, 2)), Conv2D(3, 2), BatchNormalization(), Activation("relu"), Conv2DTranspose(1, 2)]
    model = fastnn.Sequential(stack, engine=engine, rng=0, dtype="float64")
    model.compile("sgd", "mse")
    x = images(7, (4, 6, 2))
    model.fit(x, x[..., :1], verbose=0)
    predictor = model.predictor()
    np.testing.assert_allclose(predictor(x).reshape(7, 4, 6, 1), model.predict(x), rtol=1e-9, atol=1e-12)
    assert predictor.errors(model, x)["largest"] < 1e-9
    assert model.jacobian(x).shape == (7, 24, 4, 6, 2)
    with pytest.raises(ValueError, match="dtype='int8' is there for dense layers only"):
        fastnn.Sequential(stack[:2], engine=engine).predictor(dtype="int8")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid"])
@pytest.mark.parametrize("pool", [{"pool_size": 2}, {"pool_size": 3, "strides": 1, "padding": "same"}])
def test_of_equal_numbers_the_first_gets_the_gradient(engine, activation, pool):
    """Pictures of few grey values, a kernel that copies them: windows have several largest numbers."""
    stack = [Input((7, 7, 1)), Conv2D(1, 2, activation=activation), MaxPooling2D(**pool), Flatten(), Dense(1)]
    model = fastnn.Sequential(stack, engine=engine, rng=0, dtype="float64")
    weights = model.get_weights()
    weights[0][:] = 0
    weights[0][0, 0] = 1
    model.set_weights(weights)
    model.compile("sgd", "mse")
    x = 1.0 + np.random.default_rng(0).integers(0, 3, (5, 7, 7, 1))
    expected = np.zeros((2, 2))
    maps = fastnn.activations.get(activation).forward(x[:, :6, :6, 0])
    d = 2 * model.predict(x)[:, 0] / 5
    size = pool["pool_size"]
    step, before = pool.get("strides", size), (1 if "padding" in pool else 0)
    for n, y, z in np.ndindex(5, 6 // step, 6 // step):
        rows, columns = (range(max(0, o * step - before), min(6, o * step - before + size)) for o in (y, z))
        places = [(i, j) for i in rows for j in columns]
        i, j = max(places, key=lambda place: (maps[n][place], -place[0], -place[1]))
        slope = {"linear": 1, "relu": 1, "sigmoid": maps[n, i, j] * (1 - maps[n, i, j])}[activation]
        expected += d[n] * weights[2].reshape(6 // step, 6 // step)[y, z] * slope * x[n, i : i + 2, j : j + 2, 0]
    _, gradient = model.loss_gradient(x, np.zeros(5))
    np.testing.assert_allclose(gradient[0][:, :, 0, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_augmentation_changes_images_before_a_convolution(engine):
    x, y = images(12, (8, 8, 3)), np.arange(12) % 2
    results = []
    for noise in (0.0, 0.5):
        model = fastnn.Sequential(
            [Input((8, 8, 3)), Conv2D(2, 3), GlobalAveragePooling2D(), Dense(1, "sigmoid")], engine=engine, rng=0
        )
        model.compile("sgd", "binary_crossentropy")
        augmentation = fastnn.augmentation.ImageAugmentation(flip_horizontal=True, rotation=10.0, noise=noise)
        model.fit(x, y, epochs=1, verbose=0, augmentation=augmentation)
        results.append(model.get_weights()[0])
    assert not np.array_equal(*results)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_come_back_as_they_were_given(engine, tmp_path):
    model = small(engine)
    given = [images(1, values.shape, seed=i)[0] for i, values in enumerate(model.get_weights())]
    model.set_weights(given)
    for one, two in zip(given, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    model.save_weights(tmp_path / "weights")
    other = small(engine)
    other.load_weights(tmp_path / "weights")
    x = images(3, (9, 7, 2))
    np.testing.assert_array_equal(model.predict(x), other.predict(x))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", {case["layer"]: case for case in CASES}.values(), ids=lambda case: case["layer"])
def test_each_layer_comes_back_from_a_file_and_goes_on(engine, case, tmp_path):
    shape = tuple(case["shape"])
    stack = [Input(shape), layer_of(case), Flatten(), Dense(2, "tanh")]
    model = fastnn.Sequential(stack, engine=engine, rng=0)
    model.compile("adam", "mse")
    x, y = images(6, shape), images(6, (2,), seed=1)
    model.fit(x, y, batch_size=4, verbose=0)
    model.save(tmp_path / "m.fastnn")
    other = fastnn.load(tmp_path / "m.fastnn")
    for one in (model, other):
        one.fit(x, y, batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.arena, other.arena)
    np.testing.assert_array_equal(model.predict(x), other.predict(x))


def test_weights_in_files_have_keras_names(tmp_path):
    container = pytest.importorskip("safetensors.numpy")
    model = small("reference")
    model.save(tmp_path / "m.fastnn")
    names = set(container.load_file(tmp_path / "m.fastnn"))
    for name in (
        "conv2d/kernel",
        "conv2d/bias",
        "separable_conv2d/depthwise_kernel",
        "separable_conv2d/pointwise_kernel",
    ):
        assert name in names


@pytest.mark.parametrize("name, deviation", [("he_normal", 2 / (9 * 16)), ("glorot_uniform", 2 / (9 * (16 + 64)))])
def test_starting_weights_count_all_taps(name, deviation):
    layer = Conv2D(64, 3, kernel_initializer=name)
    values = layer.initial_weights((9, 9, 16), np.random.default_rng(0))[0]
    assert values.shape == (3, 3, 16, 64)
    assert abs(values.var() / deviation - 1) < 0.05


def test_orthogonal_filters():
    W = Conv2D(5, 3, kernel_initializer="orthogonal").initial_weights((9, 9, 2), np.random.default_rng(0))[0]
    np.testing.assert_allclose(W.reshape(-1, 5).T @ W.reshape(-1, 5), np.eye(5), atol=1e-12)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(8, 3, data_format="channels_first"), r"channels come last; transpose.*transpose\(0, 2, 3, 1\)"),
        (lambda: Conv1D(8, 3, data_format="channels_first"), r"x\.transpose\(0, 2, 1\)"),
        (lambda: layers.GlobalMaxPooling2D("channels_first"), "channels_first"),
        (lambda: UpSampling2D(2, "channels_last", "nearst"), "unknown interpolation 'nearst'; did you mean 'nearest'"),
        (lambda: UpSampling2D(interpolation="bicubic"), "Known: bilinear, nearest"),
        (lambda: Conv2D(8, 3, padding="full"), "unknown padding 'full'.*same, valid"),
        (lambda: Conv2D(8, 3, padding="causal"), "unknown padding 'causal'"),
        (lambda: Conv2D(0, 3), "filters must be 1 or more"),
        (lambda: Conv2D(8, (3, 3, 3)), r"kernel_size must be a whole number or 2 of them, got \(3, 3, 3\)"),
        (lambda: Conv2D(8, 3, strides=0), "strides must be 1 or more"),
        (lambda: Conv2D(8, 3, groups=3), "groups=3 must divide the filters"),
        (lambda: Conv2D(8, 3, groups=2).shape_after((9, 9, 3)), "groups=2 must divide the channels"),
        (lambda: Conv2D(8, 3).shape_after((784,)), r"\(784,\); put Reshape\(\(height, width, channels\)\) before"),
        (lambda: Conv2D(8, 3).shape_after((28, 28)), r"put Reshape\(\(28, 28, 1\)\) before it, or use Input"),
        (lambda: Conv1D(8, 3).shape_after((100,)), r"put Reshape\(\(100, 1\)\) before it"),
        (lambda: Conv2D(8, 5).shape_after((4, 9, 1)), "a window of 5 x 5 does not fit on 4 x 9; use padding='same'"),
        (lambda: MaxPooling2D(3).shape_after((2, 9, 1)), "a window of 3 x 3 does not fit on 2 x 9"),
        (lambda: Conv2D(8, 3, dilation_rate=4).shape_after((8, 8, 1)), "dilation_rate 4 does not fit"),
        (lambda: Cropping2D(2).shape_after((4, 9, 1)), "leaves nothing"),
        (lambda: Cropping2D((1, 2, 3)), "must be a whole number, 2 of them, or 2 pairs"),
        (lambda: ZeroPadding2D(-1), "padding must be 0 or more"),
        (lambda: Conv2DTranspose(3, 3, strides=2, output_padding=2), "output_padding must be less than strides"),
        (lambda: Reshape((5, -1)).shape_after((4, 6)), r"cannot turn samples of shape \(4, 6\), 24 numbers"),
        (lambda: Reshape((-1, -1)), "at most one of them -1"),
        (lambda: Reshape((0, 2)), "1 or more"),
        (lambda: Permute((0, 1)), "must be 1 or more"),
        (lambda: Permute((1, 3)), r"numbers from 1 on in some order, got \(1, 3\)"),
        (lambda: Permute((2, 1)).shape_after((2, 3, 4)), "are for samples of 2 axes"),
        (lambda: SpatialDropout2D(1.0), r"rate must lie in \[0, 1\)"),
        (lambda: SpatialDropout2D(0.5).shape_after((3, 4)), r"\(height, width, channels\), got \(3, 4\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("shape, axes", [((6, 8, 3), (0, 2, 3, 1)), ((9, 2), (0, 2, 1)), ((6, 8, 1), (0, 2, 3, 1))])
def test_images_with_channels_first_are_told_how_to_turn(shape, axes):
    model = fastnn.Sequential([Input(shape), Flatten(), Dense(2)], rng=0)
    x = np.zeros((4, *shape))
    first = np.moveaxis(x, -1, 1)
    with pytest.raises(ValueError, match="Channels come last here") as error:
        model.predict(first)
    assert str(error.value).endswith(f"X.transpose({', '.join(map(str, axes))})")
    assert model.predict(first.transpose(axes)).shape == (4, 2)


def test_numbers_must_be_whole():
    with pytest.raises(TypeError, match=r"kernel_size must be a whole number, got 3\.0; write 3"):
        Conv2D(8, 3.0)
    with pytest.raises(TypeError, match="filters"):
        Conv2D("8", 3)


def test_a_layer_shows_its_arguments():
    layer = Conv2D(8, 3, strides=2, padding="SAME", activation="relu")
    shown = repr(layer)
    assert "Conv2D(" in shown
    assert "kernel_size=(3, 3)" in shown
    assert "strides=(2, 2)" in shown
    assert "padding='same'" in shown
    again = Conv2D(**{key: value for key, value in layer.get_config().items() if key != "name"})
    assert repr(again) == shown


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_of_maps_larger_than_the_samples(dtype):
    """Predictions once wrote which pixel was the largest into a buffer that was made for samples."""
    X = np.random.default_rng(0).normal(size=(5, 2, 2, 1))
    answers = []
    for engine, kind in (("reference", "float64"), ("compiled", dtype)):
        layers = [
            Input((2, 2, 1)),
            Conv2D(1, 1),
            UpSampling2D(64),
            MaxPooling2D(2, strides=1),
            GlobalAveragePooling2D(),
            Dense(1),
        ]
        model = fastnn.Sequential(layers, rng=0, engine=engine, dtype=kind)
        model.compile("sgd", "mse")
        answers.append([*model.predict(X).ravel(), model.evaluate(X, np.ones(5))])
    assert np.allclose(*answers, rtol=1e-5 if dtype == "float32" else 1e-10)


def test_two_reshapes_behind_noise_come_first():
    """What is done to each number by itself changes places with both."""
    x = np.random.default_rng(0).normal(size=(5, 9, 2))
    model = fastnn.Sequential(
        [Input((9, 2)), layers.GaussianNoise(0.2), Flatten(), layers.Reshape((18, 1)), Dense(3), Flatten()]
    )
    assert model.predict(x).shape == (5, 54)
