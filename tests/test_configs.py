"""Keras' configuration, models as JSON, arguments of saving and loading, and small helpers by Keras' names."""

import json

import numpy as np
import pytest

import fastnn
from fastnn import backend, config, layers, losses, models, utils
from fastnn.activations import LeakyReLU

X = np.random.default_rng(0).normal(size=(12, 4))


def make(**how):
    stack = [
        layers.Input(4),
        layers.Dense(5, LeakyReLU(0.3), kernel_regularizer="l2", kernel_initializer="he_normal", name="one"),
        layers.BatchNormalization(momentum=0.8),
        layers.Dropout(0.25),
        layers.Dense(2, "softmax"),
    ]
    return fastnn.Sequential(stack, name="small", rng=0, **how)


# -- the number type of new models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [config, backend])
def test_the_number_type_of_new_models(module):
    before = make()
    try:
        module.set_floatx("float64")
        assert config.floatx() == backend.floatx() == config.dtype_policy() == "float64"
        assert make().dtype == np.float64 and make(dtype="float32").dtype == np.float32 and before.dtype == np.float32
        assert models.clone_model(before).dtype == np.float32
    finally:
        module.set_floatx("float32")
    assert make().dtype == np.float32
    for kind in ("float16", "mixed_float16", None):
        with pytest.raises(ValueError, match="unknown dtype"):
            module.set_floatx(kind)


def test_what_is_fixed():
    assert config.epsilon() == backend.epsilon() == 1e-7 and config.image_data_format() == "channels_last"
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    with pytest.raises(ValueError, match=r"epsilon is 1e-07 here, got 0\.001"):
        config.set_epsilon(1e-3)
    with pytest.raises(ValueError, match=r"transpose them: x\.transpose\(0, 2, 3, 1\)"):
        backend.set_image_data_format("channels_first")
    with pytest.raises(AttributeError, match="has no other backend"):
        config.set_backend("jax")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        config.nothing  # noqa: B018
    assert config.backend() == "fastnn"


# -- models as JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [True, False])
def test_models_as_json(built):
    model = make(dtype="float64") if built else fastnn.Sequential([layers.Dense(3, "relu")], rng=0)
    text = model.to_json(indent=2)
    assert json.loads(text)["class_name"] == "Sequential"
    again = models.model_from_json(text)
    assert repr(again) == repr(model) and again.name == model.name and not again.compiled
    if built:
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_bad_json():
    with pytest.raises(TypeError, match="an array among its settings"):
        fastnn.Sequential([layers.Input(4), layers.Dense(2, kernel_initializer=np.ones((4, 2)))]).to_json()
    for text in (
        "{}",
        "[1]",
        "nothing",
        '{"config": {"layers": [1], "name": "a", "dtype": "float32", "engine": "compiled"}}',
    ):
        with pytest.raises(ValueError, match=r"no JSON of model\.to_json"):
            models.model_from_json(text)

    class Own(layers.Dense):
        pass

    text = fastnn.Sequential([layers.Input(4), Own(2)]).to_json()
    with pytest.raises(ValueError, match="it needs 'Own', which is no part of fastnn"):
        models.model_from_json(text)
    assert type(models.model_from_json(text, {"Own": Own}).layers[0]) is Own


# -- saving and loading ----------------------------------------------------------------------------------------------


def test_arguments_of_saving(tmp_path):
    model, path = make(), tmp_path / "m.fastnn"
    model.compile("adam", "sparse_categorical_crossentropy")
    models.save_model(model, path, zipped=True)
    assert isinstance(models.load_model(path).loss, losses.SparseCategoricalCrossentropy)
    model.save(filepath=path, overwrite=True)
    for save in (model.save, model.save_weights, lambda *given: models.save_model(model, *given)):
        with pytest.raises(FileExistsError, match="exists; pass overwrite=True"):
            save(path, False)
    with pytest.raises(ValueError, match="a model is one file here"):
        model.save(path, zipped=False)
    with pytest.raises(TypeError, match="save_model needs a Sequential"):
        models.save_model(5, path)


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "m.fastnn"])
def test_weights_that_fit_are_loaded(tmp_path, name):
    model = make()
    model.save(tmp_path / name) if name == "m.fastnn" else model.save_weights(tmp_path / name)
    stack = [layers.Input(4), layers.Dense(5, name="one"), layers.Dense(3, name="dense")]  # its kernel is (5, 3)
    other = fastnn.Sequential(stack, rng=1)
    before = other.get_weights()
    with pytest.raises(ValueError, match="holds the weights of another model"):
        other.load_weights(tmp_path / name)
    other.load_weights(tmp_path / name, skip_mismatch=True)
    after = other.get_weights()
    for i, expected in enumerate([*model.get_weights()[:2], *before[2:]]):
        np.testing.assert_array_equal(after[i], expected)


# -- helpers ---------------------------------------------------------------------------------------------------------


def test_pad_sequences_as_in_keras():
    given = [[1], [2, 3], [4, 5, 6]]
    for options, expected in (
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"value": -1}, [[-1, -1, 1], [-1, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post", "padding": "post"}, [[1, 0], [2, 3], [4, 5]]),
    ):
        found = utils.pad_sequences(given, **options)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, expected)
    rows = [np.ones((2, 3)), np.zeros((0, 3)), 2 * np.ones((1, 3))]
    assert utils.pad_sequences(rows, dtype="float32", padding="post").sum(axis=(1, 2)).tolist() == [6, 0, 6]
    assert utils.pad_sequences([]).shape == (0, 0)
    with pytest.raises(ValueError, match="padding must be 'pre' or 'post', got 'middle'"):
        utils.pad_sequences(given, padding="middle")
    with pytest.raises(ValueError, match="must be alike"):
        utils.pad_sequences([np.ones((1, 2)), np.ones((1, 3))])


def test_split_dataset():
    rows = np.arange(10)
    for options, left, right in (
        ({"left_size": 0.8}, 8, 2),
        ({"right_size": 3}, 7, 3),
        ({"left_size": 2, "right_size": 3}, 2, 3),
    ):
        one, two = utils.split_dataset(rows, **options)
        np.testing.assert_array_equal([*one, *two], rows[: left + right])
        assert (len(one), len(two)) == (left, right)
    (x, y), (other_x, _) = utils.split_dataset((rows, rows * 2), left_size=0.5, shuffle=True, seed=3)
    np.testing.assert_array_equal(x * 2, y)
    assert sorted([*x, *other_x]) == rows.tolist() and x.tolist() != rows[:5].tolist()
    for options, match in (
        ({}, "needs left_size or right_size"),
        ({"left_size": 8, "right_size": 3}, "8 and 3 rows were asked for, there are 10"),
        ({"left_size": 1.5}, "left_size must"),
        ({"left_size": 0}, "left_size must be 1 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            utils.split_dataset(rows, **options)


def test_data_sets_of_keras_by_number():
    class Rows(utils.Sequence):
        def __init__(self):
            super().__init__(workers=2, use_multiprocessing=True)
            self.ended = 0

        def __len__(self):
            return 3

        def __getitem__(self, index):
            chosen = slice(4 * index, 4 * index + 4)
            return X[chosen], X[chosen, 0] > 0

        def on_epoch_end(self):
            self.ended += 1

    rows, model = Rows(), make()
    model.compile("adam", "sparse_categorical_crossentropy")
    assert len(model.fit(rows, epochs=2, verbose=0).epoch) == 2 and model.iterations == 6 and rows.ended == 2
    assert utils.PyDataset is utils.Sequence and rows.num_batches == 3
    with pytest.raises(NotImplementedError, match="needs __len__"):
        len(utils.PyDataset())
