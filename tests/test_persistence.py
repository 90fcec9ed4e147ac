"""Copies and pickles hold everything: who goes on from one gets the bits of who never stopped."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

import fastnn
from fastnn import optimizers
from fastnn.layers import Dense, Flatten, Input

COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
OPTIMIZERS = [
    optimizers.SGD(0.01),
    optimizers.SGD(0.01, momentum=0.9),
    optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    optimizers.RMSprop(),
    optimizers.RMSprop(momentum=0.5),
    optimizers.Adam(beta_1=0.8),
]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(45, 2, 3)), RNG.random((45, 2))


def network(optimizer="adam", engine="compiled", dtype="float32"):
    layers = [Input((2, 3)), Flatten(), Dense(19, "tanh"), Dense(5, "relu", use_bias=False), Dense(2, "sigmoid")]
    model = fastnn.Sequential(layers, rng=0, dtype=dtype, engine=engine)
    model.compile(copy.copy(optimizer), "binary_crossentropy", ["log_loss"])
    return model


def everything(model):
    """Weights and moments, row by row."""
    return np.concatenate([model.arena.ravel(), *[w.ravel() for w in model.get_weights()]])


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_going_on_from_a_copy(optimizer, engine, how):
    model = network(optimizer, engine)
    model.fit(X, Y, batch_size=7, epochs=2)
    other = COPIES[how](model)
    assert np.array_equal(everything(model), everything(other)) and other.iterations == model.iterations == 14
    histories = [one.fit(X, Y, batch_size=7, epochs=3).history for one in (model, other)]
    assert histories[0] == histories[1]
    assert np.array_equal(everything(model), everything(other))
    assert np.array_equal(model.predict(X), other.predict(X))
    assert model.evaluate(X, Y) == other.evaluate(X, Y)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_copy_lives_alone(how, engine):
    model = network(engine=engine)
    model.fit(X, Y)
    other = COPIES[how](model)
    before = everything(model)
    other.fit(X, Y, epochs=3)
    other.optimizer.learning_rate = 7.0
    other.layers[2].name = "other"
    assert np.array_equal(everything(model), before)
    assert not np.array_equal(everything(other), before)
    assert model.optimizer.learning_rate == 0.001 and model.layers[2].name != "other"
    assert len(model.history.epoch) == 1


@pytest.mark.parametrize("how", COPIES)
def test_the_learning_rate_of_a_copy_is_obeyed(how):
    model = COPIES[how](network())
    before = everything(model)
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y)
    assert np.array_equal(model.get_weights()[0], COPIES["pickle"](network()).get_weights()[0])
    assert not np.array_equal(everything(model), before)  # the moments moved, the weights did not


@pytest.mark.parametrize("how", COPIES)
def test_copies_before_compile_and_before_layers(how):
    empty = COPIES[how](fastnn.Sequential(rng=3))
    model = COPIES[how](fastnn.Sequential([Input(4), Dense(3)], rng=3))
    for layer in (Input(4), Dense(3)):
        empty.add(layer)
    assert np.array_equal(empty.get_weights()[0], model.get_weights()[0])
    with pytest.raises(fastnn.NotCompiledError, match="compile"):
        model.fit(X[:, 0, :1], Y)


@pytest.mark.parametrize("how", COPIES)
def test_the_generator_of_a_copy_goes_on(how):
    model = fastnn.Sequential([Input(4), Dense(3)], rng=3)
    other = COPIES[how](model) if how != "copy" else copy.deepcopy(model)
    for one in (model, other):
        one.add(Dense(5))
    assert np.array_equal(model.get_weights()[2], other.get_weights()[2])


@pytest.mark.parametrize("how", COPIES)
def test_settings_survive(how, capsys):
    model = network(engine="reference", dtype="float64")
    other = COPIES[how](model)
    assert repr(other) == repr(model)
    model.summary()
    text = capsys.readouterr().out
    other.summary()
    assert capsys.readouterr().out == text
    assert other.history is model.history is None
    assert other.predict(X).dtype == np.float64


def test_a_copy_can_be_trained_beside_the_original():
    """Locks are not shared: a copy made during training is free."""
    model = network()
    with model._lock, pytest.raises(RuntimeError, match="by the call that called this callback"):
        model.fit(X, Y)
    with model._lock:
        assert len(copy.deepcopy(model).fit(X, Y).epoch) == 1


def test_no_other_thread_copies_a_model_in_training():
    """The weights and the number of steps of a running slice do not belong together."""
    model, errors = network(), []

    def attempt():
        save = partial(model.save, "no file")
        for call in (lambda: model.fit(X, Y), lambda: copy.deepcopy(model), lambda: pickle.dumps(model), save):
            with pytest.raises(RuntimeError, match="another thread") as error:
                call()
            errors.append(error)

    with model._lock:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert len(errors) == 4 and len(copy.deepcopy(model).fit(X, Y).epoch) == 1


def test_a_plain_copy_shares_nothing():
    model = network()
    other = copy.copy(model)
    other.optimizer.learning_rate = 0.5
    other.add(Dense(2))
    assert model.optimizer.learning_rate != 0.5 and model.output_shape == network().output_shape
    assert len(model.fit(X, Y).epoch) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_model_forked_while_it_trains_may_train_in_the_child():
    model = network()
    with model._lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = int(len(model.fit(X, Y).epoch) != 1)
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_pickle_into_another_process(tmp_path):
    model = network()
    model.fit(X, Y, batch_size=7)
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    script = (
        "import pickle, numpy as np; model = pickle.load(open('model', 'rb'));"
        " X, Y = np.load('x.npy'), np.load('y.npy');"
        " model.fit(X, Y, batch_size=7, epochs=2); np.save('out.npy', model.predict(X))"
    )
    path = [entry for entry in sys.path if entry]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {script}"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    model.fit(X, Y, batch_size=7, epochs=2)
    assert np.array_equal(np.load(tmp_path / "out.npy"), model.predict(X))


# -- weights in files --------------------------------------------------------------------------------------------------


def test_weights_files_of_other_architectures(tmp_path):
    """The message names what the file lacks and what it has beyond the model, and nothing where there is nothing."""
    models = {}
    for depth in (2, 3, 12):
        models[depth] = fastnn.Sequential([Input(3), *(Dense(2) for _ in range(depth))], rng=0)
        models[depth].save_weights(tmp_path / str(depth))
    for model, file, message in (
        (2, 3, "model: it has also 'dense_2/0', 'dense_2/1'; make"),
        (3, 2, "model: it lacks 'dense_2/0', 'dense_2/1'; make"),
        (2, 12, "'dense_4/1' and 14 more; make"),
    ):
        with pytest.raises(ValueError, match="holds the weights of another model: it") as error:
            models[model].load_weights(tmp_path / str(file))
        assert message in str(error.value) and "[]" not in str(error.value)
    named = fastnn.Sequential([Input(3), Dense(2, name="first"), Dense(2)], rng=0)
    with pytest.raises(ValueError, match="it lacks 'first/0', 'first/1' and has also 'dense_1/0', 'dense_1/1'"):
        named.load_weights(tmp_path / "2")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_weights_file_has_the_mode_of_any_new_file(tmp_path, monkeypatch, mask):
    model = network()
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patch:  # the umask belongs to all threads
            patch.setattr(os, "umask", lambda mask: pytest.fail("the umask of the process was touched"))
            model.save_weights(tmp_path / "weights")
            model.save_weights(tmp_path / "weights")
    finally:
        os.umask(before)
    assert os.stat(tmp_path / "weights").st_mode & 0o777 == 0o666 & ~mask
    assert os.listdir(tmp_path) == ["weights"]
