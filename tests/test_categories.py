"""CategoryEncoding, Discretization, IntegerLookup, StringLookup: by hand and as first layers of both engines."""

import numpy as np
import pytest

import fastnn
from fastnn.layers import CategoryEncoding, Dense, Discretization, Flatten, Input, IntegerLookup, StringLookup

ENGINES = ("compiled", "reference")
DATA = np.sin(np.arange(500) * 0.7).astype("float32") ** 3
LAYERS = {
    "encoding": lambda mode: CategoryEncoding(5, mode),
    "bins": lambda mode: Discretization([0.5, 1.5, 3.0], output_mode=mode),
    "lookup": lambda mode: IntegerLookup(vocabulary=[4, 2, 0], output_mode=mode),
    "masked": lambda mode: IntegerLookup(mask_token=1, vocabulary=[4, 2, 0], output_mode=mode),
    "padded": lambda mode: IntegerLookup(20, vocabulary=[3], output_mode=mode, pad_to_max_tokens=True),
}


MODES = ("int", "one_hot", "multi_hot", "count")
CASES = [(name, mode) for name in LAYERS for mode in MODES if (name, mode) != ("encoding", "int")]  # which is refused


@pytest.mark.parametrize(("name", "mode"), CASES)
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (2, 1)])
def test_models_answer_what_the_layers_answer(name, mode, shape):
    x = np.random.default_rng(0).integers(0, 5, (33, *shape))
    expected = LAYERS[name](mode)(x)
    for engine in ENGINES:
        model = fastnn.Sequential([Input(shape), LAYERS[name](mode)], engine=engine)
        assert model.output_shape[1:] == expected.shape[1:]
        np.testing.assert_array_equal(model.predict(x), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_behind_them(engine, tmp_path):
    x, y = np.arange(20)[:, None] % 4, np.eye(4)[np.arange(20) % 4]
    model = fastnn.Sequential([Input(1), CategoryEncoding(4, "one_hot"), Dense(4, "softmax")], rng=0, engine=engine)
    model.compile(fastnn.optimizers.Adam(0.1), "categorical_crossentropy", ["accuracy"])
    assert model.fit(x, y, epochs=30, verbose=0).history["accuracy"][-1] == 1
    model.save(tmp_path / "m.fastnn")
    assert (fastnn.load(tmp_path / "m.fastnn").predict(x) == model.predict(x)).all()
    assert not model.jacobian(x).any()


def test_category_encoding_as_in_keras():
    assert CategoryEncoding(4)([3, 2, 0, 1]).tolist() == [1, 1, 1, 1]
    assert CategoryEncoding(4, "one_hot")([3, 2]).tolist() == [[0, 0, 0, 1], [0, 0, 1, 0]]
    assert CategoryEncoding(4, "count")([[0, 1], [0, 0]]).tolist() == [[1, 1, 0, 0], [2, 0, 0, 0]]
    with pytest.raises(ValueError, match="expected 0 to 3"):
        CategoryEncoding(4)([[4]])
    for engine in ENGINES:
        model = fastnn.Sequential([Input(2), CategoryEncoding(4)], engine=engine)
        out = model(np.array([[1, 4], [0, 1.5], [2, 3]], dtype="float32"))
        assert np.isnan(out[:2]).all() and out[2].tolist() == [0, 0, 1, 1]


def test_discretization_adapts_as_keras_does():
    """Keras' boundaries for this data."""
    layer = Discretization(num_bins=4)
    layer.adapt(DATA)
    np.testing.assert_allclose(layer.bin_boundaries, [-0.3117753565, 6.32146985e-05, 0.387338072], atol=1e-6)
    assert layer([[-0.9, 0.1], [0.5, 0.0]]).tolist() == [[0, 2], [3, 1]]
    parts = Discretization(num_bins=4)
    parts.adapt([DATA[:250], DATA[250:]])
    np.testing.assert_allclose(parts.bin_boundaries, layer.bin_boundaries, atol=0.05)
    assert Discretization.from_config(layer.get_config()).bin_boundaries == layer.bin_boundaries
    for x in (0.7, 0.1, 0.3):  # a number that is a boundary reaches it, in float32 too
        for engine in ENGINES:
            model = fastnn.Sequential([Input(1), Discretization([x])], engine=engine)
            assert model.predict(np.array([[x]], dtype="float32")) == 1
    assert np.isnan(fastnn.Sequential([Input(1), Discretization([0.0])])(np.array([[np.nan]], dtype="float32"))).all()


def test_integer_lookup_adapts_as_keras_does():
    layer = IntegerLookup()
    layer.adapt([5, 5, 5, 10, 10, 15])
    assert layer.get_vocabulary() == [-1, 5, 10, 15] and layer([[15, 5, 7]]).tolist() == [[3, 1, 0]]
    layer = IntegerLookup(max_tokens=3, mask_token=0)
    layer.adapt(np.array([[0, 2, 2], [9, 9, 2], [1, 0, 0]]))
    assert layer.get_vocabulary() == [0, -1, 2] and layer([0, 9, 2]).tolist() == [0, 1, 2]
    assert IntegerLookup(vocabulary=[-1, 5, 10]).get_vocabulary(False) == [5, 10]
    strict = IntegerLookup(num_oov_indices=0, vocabulary=[5, 10])
    assert strict([10, 5]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="7 is not in the vocabulary"):
        strict([7])


def test_string_lookup_by_hand():
    layer = StringLookup(output_mode="one_hot")
    layer.adapt(np.array(["red", "red", "blue"]))
    assert layer.get_vocabulary() == ["[UNK]", "red", "blue"]
    assert layer(["blue", "green"]).tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(TypeError, match="call it on the texts"):
        fastnn.Sequential([Input(1), layer, Flatten()])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CategoryEncoding(), "needs num_tokens"),
        (lambda: CategoryEncoding(3, "int"), "unknown output_mode 'int'"),
        (lambda: CategoryEncoding(3, sparse=True), "sparse=True is not supported"),
        (lambda: Discretization(), "give bin_boundaries, or num_bins"),
        (lambda: Discretization([2.0, 1.0]), "must be finite numbers that rise"),
        (lambda: Discretization(num_bins=3)([1.0]), "call adapt"),
        (lambda: Discretization([1.0]).adapt(DATA), "it has bin_boundaries"),
        (lambda: IntegerLookup(num_oov_indices=2), "must be 0 or 1, got 2"),
        (lambda: IntegerLookup(vocabulary=[1, 1]), "has a token twice"),
        (lambda: IntegerLookup()([1]), "has no vocabulary yet"),
        (lambda: IntegerLookup(vocabulary=[1])([1.5]), "takes whole numbers"),
        (
            lambda: fastnn.Sequential([Input(1), IntegerLookup(vocabulary=[1 << 30])]),
            "numbers must lie within 16777216",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_built_model_keeps_what_its_layers_know():
    layer = IntegerLookup(vocabulary=[1, 2])
    fastnn.Sequential([Input(1), layer])
    with pytest.raises(ValueError, match="call adapt before"):
        layer.adapt([3])
