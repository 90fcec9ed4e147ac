"""What may be changed of a model, its layers and its objects later: obeyed, or refused; never silently nothing."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import fastnn
from fastnn import callbacks, constraints, initializers, losses, metrics, optimizers, regularizers, schedules
from fastnn.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    LayerNormalization,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 2))
ENGINES = ("compiled", "reference")


def make(*middle, engine="compiled", seed=0, compiled=True, **settings):
    layers = [Input(3), Dense(5, "tanh", **settings), *middle, Dense(2)]
    model = fastnn.Sequential(layers, rng=seed, dtype="float64", engine=engine)
    if compiled:
        model.compile("adam", "mse")
    return model


def trained(*middle, **settings):
    model = make(*middle, **settings)
    model.fit(X, Y, epochs=2)
    return model


def equal(one, other):
    return len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


# -- the list of layers ------------------------------------------------------------------------------------------------

CHANGES = {
    "append": lambda items: items.append(Dense(2)),
    "extend": lambda items: items.extend([Dense(2)]),
    "insert": lambda items: items.insert(1, Dense(2)),
    "remove": lambda items: items.remove(items[1]),
    "pop": lambda items: items.pop(2),
    "clear": lambda items: items.clear(),
    "reverse": lambda items: items.reverse(),
    "sort": lambda items: items.sort(key=str),
    "set": lambda items: items.__setitem__(0, items[1]),
    "delete": lambda items: items.__delitem__(0),
    "add in place": lambda items: items.__iadd__([1]),
    "repeat in place": lambda items: items.__imul__(2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_lists_of_a_model_refuse_changes(change):
    model = make(Dropout(0.5))
    model.compile("sgd", "mse", ["mae", "mse"])
    with pytest.raises(TypeError, match=r"this list is a copy, .*; add a layer with add\(\), or make a new model"):
        CHANGES[change](model.layers)
    with pytest.raises(TypeError, match=r"this list is a copy, .*; call compile\(\) with other metrics"):
        CHANGES[change](model.metrics)
    assert [layer.name for layer in model.layers] == ["dense", "dropout", "dense_1"]
    assert [metric.name for metric in model.metrics] == ["mae", "mse"]


def test_the_lists_of_a_model_are_lists():
    layers = make().layers
    assert isinstance(layers, list) and layers == list(layers) and len(layers) == 2
    for part in (layers[:2], layers + layers, copy.copy(layers), pickle.loads(pickle.dumps(layers))):
        assert type(part) is list
    part = layers[:2]
    part.append(Dense(1))
    assert len(make().layers) == 2


@pytest.mark.parametrize("name", ["layers", "optimizer", "loss", "metrics", "dtype", "engine_name"])
def test_what_compile_and_the_constructor_decide_is_not_set(name):
    model = make()
    with pytest.raises(AttributeError, match=f"{name} of a model cannot be set; "):
        setattr(model, name, getattr(model, name))


# -- settings of layers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("layer", "name", "value", "new"),
    [
        (lambda: Dropout(0.5), "rate", 0.0, lambda: Dropout(0.0)),
        (lambda: Dropout(0.0), "rate", 0.5, lambda: Dropout(0.5)),
        (lambda: GaussianNoise(1.0), "stddev", 0.25, lambda: GaussianNoise(0.25)),
        (lambda: BatchNormalization(), "momentum", 0.5, lambda: BatchNormalization(momentum=0.5)),
        (lambda: BatchNormalization(), "epsilon", 0.5, lambda: BatchNormalization(epsilon=0.5)),
        (lambda: LayerNormalization(), "epsilon", 0.5, lambda: LayerNormalization(epsilon=0.5)),
        (lambda: Activation("relu"), "activation", "sigmoid", lambda: Activation("sigmoid")),
        (lambda: Dense(4, "relu"), "activation", "softmax", lambda: Dense(4, "softmax")),
        (lambda: Dense(4), "activity_regularizer", "l1", lambda: Dense(4, activity_regularizer="l1")),
    ],
)
def test_a_changed_setting_is_obeyed_at_once(engine, layer, name, value, new):
    """Before a fit and after it: as a model that was made so, with the weights, moments and steps of this one."""
    model, other = make(layer(), engine=engine), make(new(), engine=engine)
    other.set_weights(model.get_weights())
    setattr(model.layers[1], name, value)
    for _ in range(2):
        assert (model.predict(X) == other.predict(X)).all() and (model(X) == other(X)).all()
        assert model.evaluate(X, Y) == other.evaluate(X, Y)
        for one in (model, other):
            one.fit(X, Y, epochs=2)
        assert model.history.history == other.history.history
        assert equal(model.get_weights(), other.get_weights())
    assert model.iterations == 8


def test_a_callback_may_change_the_rate_of_a_dropout():
    class Anneal(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[1].rate = 0.5 / (epoch + 1) if epoch < 2 else 0.0

    model, other = make(Dropout(0.1)), make(Dropout(0.1))
    model.fit(X, Y, epochs=3, callbacks=[Anneal()])
    for epoch in range(3):
        other.layers[1].rate = 0.5 / (epoch + 1) if epoch < 2 else 0.0
        other.fit(X, Y, epochs=epoch + 1, initial_epoch=epoch)
    assert equal(model.get_weights(), other.get_weights())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("units", 7),
        ("use_bias", False),
        ("kernel_constraint", "non_neg"),
        ("kernel_regularizer", "l2"),
        ("bias_regularizer", regularizers.L1(0.5)),
        ("kernel_initializer", "zeros"),
        ("bias_initializer", initializers.Constant(1.0)),
    ],
)
def test_settings_that_weights_rest_on_cannot_change(name, value):
    layer = make().layers[0]
    before = repr(layer)
    with pytest.raises(AttributeError, match=f"Dense: {name} cannot change once the layer is in a model"):
        setattr(layer, name, value)
    assert repr(layer) == before
    layer = Dense(5)  # in no model
    setattr(layer, name, value)
    model = fastnn.Sequential([Input(3), layer], rng=0)
    assert repr(layer) == repr(Dense(**({"units": 5} | {name: value}), name="dense"))
    assert model.output_shape == (None, layer.units)


def test_the_shape_of_an_input_cannot_change():
    source = Input(3)
    fastnn.Sequential([source, Dense(2)])
    with pytest.raises(AttributeError, match="Input: shape cannot change"):
        source.shape = (4,)


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (lambda: Dropout(0.5), "rate", 1.5, r"Dropout: rate must lie in \[0, 1\), got 1.5"),
        (lambda: Dropout(0.5), "rate", "x", "Dropout: rate must be a number"),
        (lambda: Dense(3), "units", 0, "Dense: units must be 1 or more"),
        (lambda: Dense(3), "activation", "rellu", "did you mean 'relu'"),
        (lambda: Dense(3), "name", 5, "Dense: name must be a text, got 5"),
        (lambda: Input(3), "shape", (0,), "each size of shape must be 1 or more"),
        (lambda: BatchNormalization(), "momentum", 1.0, "momentum must lie in"),
    ],
)
def test_changed_settings_are_checked(layer, name, value, message):
    one, inside = layer(), layer()
    before = getattr(one, name)
    with pytest.raises((ValueError, TypeError), match=message):
        setattr(one, name, value)
    assert getattr(one, name) == before
    if name in ("rate", "momentum"):
        make(inside)
        with pytest.raises((ValueError, TypeError), match=message):
            setattr(inside, name, value)
        assert getattr(inside, name) == before


def test_an_activation_that_the_loss_does_not_mean_is_refused():
    model = fastnn.Sequential([Input(3), Dense(1, "sigmoid")], rng=0)
    model.compile("sgd", "binary_crossentropy")
    before = model.predict(X)
    with pytest.raises(ValueError, match="needs probabilities"):
        model.layers[0].activation = "linear"
    assert model.layers[0].activation.name == "sigmoid" and (model.predict(X) == before).all()


def test_two_layers_never_have_one_name(tmp_path):
    model = make()
    with pytest.raises(ValueError, match="two layers are named 'dense'; names must differ"):
        model.layers[1].name = "dense"
    with pytest.raises(ValueError, match="two layers are named None"):
        model.layers[1].name = None
    model.layers[1].name = "last"
    model.save_weights(tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as file:
        assert {name.split("/")[0] for name in file.files} == {"dense", "last"}
    with pytest.raises(ValueError, match="two layers are named 'last'"):
        model.add(Dense(2, name="last"))


def test_a_layer_whose_model_is_gone_can_still_be_asked():
    layer = make().layers[1]
    gc.collect()
    layer.name = "other"
    assert layer.get_weights()[0].shape == (5, 2)


# -- misspelt names ----------------------------------------------------------------------------------------------------

MISSPELT = {
    "optimizer": (lambda: optimizers.SGD(), "learnig_rate", "learning_rate"),
    "lr": (lambda: optimizers.Adam(), "lr", "learning_rate"),
    "decay": (lambda: optimizers.AdamW(), "decay", "weight_decay"),
    "compiled optimizer": (lambda: make().optimizer, "learning_rat", "learning_rate"),
    "loss": (lambda: losses.Huber(), "detla", "delta"),
    "crossentropy": (lambda: losses.BinaryCrossentropy(), "label_smooting", "label_smoothing"),
    "metric": (lambda: metrics.BinaryAccuracy(), "treshold", "threshold"),
    "regularizer": (lambda: regularizers.L2(), "l3", "l2"),
    "constraint": (lambda: constraints.MaxNorm(), "maxvalue", "max_value"),
    "initializer": (lambda: initializers.RandomNormal(), "stdev", "stddev"),
    "schedule": (lambda: schedules.Exponential(0.1), "decay_step", "decay_steps"),
    "Dense": (lambda: Dense(3), "unit", "units"),
    "layer in a model": (lambda: make(Dropout(0.5)).layers[1], "ratee", "rate"),
    "Flatten": (lambda: Flatten(), "nam", "name"),
    "EarlyStopping": (lambda: callbacks.EarlyStopping(), "patiance", "patience"),
    "ReduceLROnPlateau": (lambda: callbacks.ReduceLROnPlateau(), "minlr", "min_lr"),
    "ModelCheckpoint": (lambda: callbacks.ModelCheckpoint("x"), "save_best", "save_best_only"),
    "CSVLogger": (lambda: callbacks.CSVLogger("x"), "seperator", "separator"),
    "LearningRateScheduler": (lambda: callbacks.LearningRateScheduler(lambda e, r: r), "verbos", "verbose"),
    "model": (make, "stop_traning", "stop_training"),
    "model's optimizer": (make, "optimiser", "optimizer"),
}


@pytest.mark.parametrize("case", MISSPELT)
def test_misspelt_attributes_are_refused(case):
    owner, name, right = MISSPELT[case]
    one = owner()
    with pytest.raises(AttributeError, match=rf"attribute '{name}'; did you mean .*'{right}'"):
        setattr(one, name, 0.5)
    assert name not in vars(one)


def test_misspelt_arguments_are_refused():
    with pytest.raises(TypeError, match="Adam has no setting 'lr'; did you mean 'learning_rate'"):
        optimizers.Adam(lr=0.1)


def test_classes_of_ones_own_keep_attributes_of_their_own():
    class Counting(optimizers.SGD):
        def rates(self, steps):
            self.calls = getattr(self, "calls", 0) + 1
            return super().rates(steps)

    class Share(metrics.Metric):
        name = "share"

        def reset(self):
            self.total = 0

        def update(self, y, outputs, classes):
            self.rows = len(y)
            self.total += self.rows

        def result(self):
            return float(self.total)

    class Mine(callbacks.Callback):
        pass

    class Patient(callbacks.EarlyStopping):
        def on_epoch_begin(self, epoch, logs=None):
            self.epochs_seen = epoch

    class Wide(Dense):
        def __init__(self):
            super().__init__(5)
            self.note = "wide"

    mine, patient, wide = Mine(), Patient("loss"), Wide()
    mine.anything = 1
    model = make(wide)
    model.compile(Counting(0.1), "mse", [Share()])
    model._notes = "mine"
    history = model.fit(X, Y, epochs=2, callbacks=[mine, patient])
    assert history.history["share"] == [40, 40]
    assert model.optimizer.calls > 0 and patient.epochs_seen == 1 and wide.note == "wide"
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        model.optimizer.learnig_rate = 1


# -- layers of a trained model in another one --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_part_of_a_trained_model_has_its_weights(engine, dtype):
    model = trained(BatchNormalization(), Activation("relu"))
    part = fastnn.Sequential(model.layers[:3], rng=1, dtype=dtype, engine=engine)
    expected = [w.astype(dtype) for w in model.get_weights()[:6]]
    assert equal(part.get_weights(), expected)
    whole = fastnn.Sequential(model.layers, rng=1, dtype=dtype, engine=engine)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(whole.predict(X), model.predict(X), rtol=tolerance, atol=tolerance)
    head = fastnn.Sequential([Input(5), *model.layers[1:]], rng=1, dtype=dtype, engine=engine)
    assert equal(head.get_weights(), [w.astype(dtype) for w in model.get_weights()[2:]])


def test_the_weights_are_copies():
    model = trained()
    before = model.get_weights()
    other = fastnn.Sequential([*model.layers[:1], Dense(4), Dense(2)], rng=1, dtype="float64")
    other.compile("adam", "mse")
    other.fit(X, Y)
    assert equal(model.get_weights(), before)
    assert not equal(other.get_weights()[:2], before[:2])
    assert other.layers[0] is not model.layers[0]
    assert equal(model.layers[0].get_weights(), before[:2])
    other.layers[0].activation = "relu"
    assert model.layers[0].activation.name == "tanh"


def test_the_weights_are_those_of_the_moment():
    model = make()
    kept = model.layers[:1]
    model.fit(X, Y)
    assert equal(fastnn.Sequential(kept, dtype="float64").get_weights(), model.get_weights()[:2])
    model.compile("sgd", "mse")
    model.fit(X, Y)
    assert equal(fastnn.Sequential(kept, dtype="float64").get_weights(), model.get_weights()[:2])
    model.set_weights([w + 1 for w in model.get_weights()])
    assert equal(kept[0].get_weights(), model.get_weights()[:2])
    model.fit_best_of(2, X, Y)
    assert equal(kept[0].get_weights(), model.get_weights()[:2])


def test_layers_outlive_their_model():
    model = trained()
    weights, layers = model.get_weights(), model.layers[:]
    gone = weakref.ref(model)
    del model
    assert gone() is None  # at once: layers do not keep their model alive, nor in a cycle
    assert equal(fastnn.Sequential(layers, dtype="float64").get_weights(), weights)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_of_layers_and_models_keep_the_weights(copied):
    model = trained(BatchNormalization())
    weights = model.get_weights()
    layer = copied(model.layers[0])
    assert equal(layer.get_weights(), weights[:2])
    assert equal(fastnn.Sequential([Input(3), layer], dtype="float64").get_weights(), weights[:2])
    assert equal(fastnn.Sequential([copied(one) for one in model.layers], dtype="float64").get_weights(), weights)
    other = copied(model)
    assert equal(other.get_weights(), weights) and equal(other.layers[0].get_weights(), weights[:2])
    other.fit(X, Y)
    assert equal(model.get_weights(), weights) and equal(other.layers[0].get_weights(), other.get_weights()[:2])
    other.layers[0].activation = "relu"  # its own layers, its own settings
    assert model.layers[0].activation.name == "tanh" and (other.predict(X) != model.predict(X)).any()


def test_a_pickled_model_holds_its_weights_once():
    model = fastnn.Sequential([Input(300), Dense(300), Dense(1)], rng=0, dtype="float64")
    assert len(pickle.dumps(model)) < 1.2 * model.arena.nbytes


def test_models_without_a_dense_layer_keep_their_weights_too():
    model = fastnn.Sequential([Input(3), BatchNormalization()], rng=0)
    assert [w.tolist() for w in model.layers[0].get_weights()] == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    other = copy.deepcopy(model)
    for one in (model, other):
        one.add(Dense(2))
        assert len(one.get_weights()) == 6
    assert fastnn.Sequential([*model.layers[:1], Dense(3)], rng=0).count_params() == 24


def test_weights_that_do_not_fit_are_refused():
    layer = trained().layers[0]
    message = r"layer 'dense' has weights of the shapes \[\(3, 5\), \(5,\)\] from another model, but here it needs"
    with pytest.raises(ValueError, match=message):
        fastnn.Sequential([Input(4), layer])
    small = fastnn.Sequential([Input(1), Dense(1)], dtype="float64")
    small.set_weights([[[1e300]], [0.0]])
    with pytest.raises(ValueError, match="the weights of layer 'dense' are not finite in float32"):
        fastnn.Sequential(small.layers)


def test_names_of_layers_from_two_models():
    a, b = make(), make(Dense(4, name="middle"))
    both = fastnn.Sequential([Input(3), *a.layers[:1], Dense(3), b.layers[0]], dtype="float64")
    assert both.layer_names == ["dense", "dense_1", "dense_2"]
    joined = fastnn.Sequential([*a.layers[:1], b.layers[1]], dtype="float64")
    assert joined.layer_names == ["dense", "middle"]
    twice = fastnn.Sequential([Input(3), Dense(3), a.layers[0]], dtype="float64")
    assert twice.layer_names == ["dense", "dense_1"]
    with pytest.raises(ValueError, match="two layers are named 'middle'"):
        fastnn.Sequential([*b.layers[:2], copy.copy(make(Dense(5, name="middle")).layers[1])])


def test_one_layer_twice_in_a_model_is_refused():
    model = make()
    with pytest.raises(ValueError, match="is in the model already; make a new layer"):
        model.add(model.layers[1])


def test_fresh_layers_are_not_touched_by_another_model():
    """A new layer of the same settings begins with its own weights."""
    model = trained()
    fresh = fastnn.Sequential([Input(3), Dense(**model.layers[0].get_config())], rng=5, dtype="float64")
    assert not equal(fresh.get_weights(), model.get_weights()[:2])


def test_a_model_takes_notes_but_no_misspelt_names():
    """Keras' models take any attribute; what looks like one of the model's own is refused."""
    model = fastnn.Sequential([Input(2), Dense(1)])
    model.found = [1, 2]
    assert model.found == [1, 2]
    for name in ("stop_trainning", "optimiser", "metric", "layer_name"):
        with pytest.raises(AttributeError, match=r"did you mean|cannot be set"):
            setattr(model, name, 1)
