"""Nothing that Python hands over makes the core read or write outside of its arrays: it is refused, or does no harm."""

import copy
import pickle
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn.basics import backend
from fastnn.callbacks import Callback
from fastnn.engine.source import Source
from fastnn.layers import Dense, Input

ROWS, INPUTS, OUTPUTS = 20, 5, 3
HUGE = 2**61


def network(dtype="float32", engine="compiled"):
    model = fastnn.Sequential([Input(INPUTS), Dense(7, "relu"), Dense(OUTPUTS)], rng=0, dtype=dtype, engine=engine)
    model.compile("adam", "mse")
    return model


@pytest.fixture
def model():
    return network()


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, INPUTS)).astype(np.float32)


@pytest.fixture
def Y(rng):
    return rng.normal(size=(ROWS, OUTPUTS)).astype(np.float32)


# -- the user's arrays, changed while they are in use ------------------------------------------------------------------


class Change(Callback):
    """Does something to an array before each step."""

    def __init__(self, change):
        self.change = change

    def on_train_batch_begin(self, batch, logs=None):
        self.change()


def shapes(array):
    array.shape = (array.size, *[1] * (array.ndim - 1))


def dtypes(array):
    array.dtype = np.int8


def strides(array):
    with (
        pytest.warns(DeprecationWarning)
        if np.lib.NumpyVersion(np.__version__) >= "2.4.0"
        else pytest.MonkeyPatch.context()
    ):
        array.strides = (0,) * array.ndim


@pytest.mark.parametrize("change", [shapes, dtypes, strides])
@pytest.mark.parametrize("which", ["x", "y", "sample_weight", "validation x", "validation y"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_array_reinterpreted_during_a_fit(change, which, X, Y):
    def train(callbacks):
        weight = np.linspace(0, 1, ROWS, dtype=np.float32)
        given = {"x": X.copy(), "y": Y.copy(), "sample_weight": weight}
        held = {"validation x": X.copy(), "validation y": Y.copy()}
        model = network()
        array = (given | held)[which]
        history = model.fit(
            **given, batch_size=4, epochs=2, validation_data=tuple(held.values()), callbacks=callbacks(array)
        )
        return history.history, [w.tobytes() for w in model.get_weights()]

    def once(array):
        done = []

        def act():
            if not done:
                done.append(True)
                change(array)

        return [Change(act)]

    assert train(once) == train(lambda array: [Change(lambda: None)])


@pytest.mark.parametrize("which", ["x", "y", "view of x"])
def test_an_array_resized_during_a_fit_is_refused(which, model, X, Y):
    """By NumPy, since the fit holds on to the memory: refcheck=False would free it under every view."""
    given = {"x": X, "y": Y}
    owner = given[which[-1]]
    if which.startswith("view"):
        given["x"] = X[::-1][::-1]

    def resize():
        owner.resize((10**6,), refcheck=False)

    with pytest.raises(ValueError, match="cannot resize"):
        model.fit(**given, callbacks=[Change(resize)])
    model.fit(X, Y)
    X.resize((1, INPUTS), refcheck=False)  # and afterwards it may
    assert X.shape == (1, INPUTS)


def test_sample_weights_may_go_during_a_fit(model, X, Y):
    weight = np.ones(ROWS, dtype=np.float32)
    model.fit(X, Y, sample_weight=weight, callbacks=[Change(lambda: weight.resize(10**6, refcheck=False))])


def test_labels_changed_during_a_fit_diverge(X):
    model = fastnn.Sequential([Input(INPUTS), Dense(OUTPUTS, "softmax")], rng=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    for label in (OUTPUTS, -1, 2**62, -(2**62)):
        y = np.zeros(ROWS, dtype=np.int64)
        with pytest.raises(fastnn.DivergenceError):
            model.fit(X, y, callbacks=[Change(lambda y=y, label=label: y.fill(label))])


# -- absurd sizes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("batch", [HUGE, 2**63, 10**400], ids=["2**61", "2**63", "10**400"])
def test_a_batch_larger_than_all_rows_is_one_of_all_rows(batch, engine, X, Y):
    def weights(batch_size, **settings):
        model = network(engine=engine)
        model.fit(X, Y, batch_size=batch_size, epochs=2, **settings)
        model.evaluate(X, Y, batch_size=batch_size)
        model.predict(X, batch_size=batch_size)
        return [w.tobytes() for w in model.get_weights()]

    order = np.arange(2 * ROWS)[::-1] % ROWS
    assert weights(batch) == weights(ROWS)
    assert weights(batch, sampler=lambda epoch, rng: order) == weights(2 * ROWS, sampler=lambda epoch, rng: order)


@pytest.mark.parametrize("steps", [HUGE, 10**400], ids=["2**61", "10**400"])
def test_an_order_that_no_memory_holds(steps, model, X, Y):
    with pytest.raises((MemoryError, ValueError, OverflowError)):
        model.fit(X, Y, steps_per_epoch=steps)
    model.fit(X, Y)


@pytest.mark.parametrize("units", [HUGE, 2**40])
def test_layers_that_no_memory_holds(units):
    for layers in ([Input(2), Dense(units)], [Input(units), Dense(1)], [Input((2**32, 2**32)), Dense(1)]):
        with pytest.raises((MemoryError, ValueError, OverflowError)):
            fastnn.Sequential(layers, rng=0)


def test_permutations_of_absurd_length():
    machine = backend.machine
    for n in (-1, -(2**62), 2**32, 2**62):
        with pytest.raises(ValueError, match="n must lie"):
            machine.permutation(0, 1, n)
        with pytest.raises((ValueError, MemoryError)):
            machine.random_words(0, 1, n if n < 0 else 2**62)
    assert machine.permutation(0, 1, 0).shape == (0,)
    assert machine.random_words(0, 1, 0).shape == (0,)


# -- the engine's own methods ------------------------------------------------------------------------------------------


def arguments(X, Y, dtype=np.float32):
    return {
        "x": Source(X),
        "y": Source(Y),
        "sample_weight": np.ones(ROWS, dtype=dtype),
        "order": np.arange(ROWS),
        "first": 0,
        "count": 2,
        "batch": 10,
        "scalars": np.array([[0.001, 0.9, 0.1, 0.999, 0.001, 1e-7, 0, 1]] * 2, dtype=dtype),
        "losses": np.empty(2),
        "outputs": np.empty((ROWS, OUTPUTS), dtype=dtype),
        "seed": 0,
        "threads": 1,
    }


def frozen(array):
    array.flags.writeable = False
    return array


BAD_STEPS = {
    "x without rows": lambda a: {"x": Source(np.empty((0, INPUTS)))},
    "x of one number": lambda a: {"x": Source(np.empty((ROWS, 1)))},
    "x of many numbers": lambda a: {"x": Source(np.empty((ROWS, INPUTS + 1)))},
    "x with fewer rows": lambda a: {"x": Source(np.empty((ROWS - 1, INPUTS)))},
    "x of text": lambda a: {"x": SimpleNamespace(array=np.full((ROWS, INPUTS), "a"), pin=None, starts=None)},
    "x of objects": lambda a: {"x": SimpleNamespace(array=np.full((ROWS, INPUTS), None), pin=None, starts=None)},
    "x of another byte order": lambda a: {
        "x": SimpleNamespace(array=np.ones((ROWS, INPUTS), ">f4"), pin=None, starts=None)
    },
    "x a list": lambda a: {"x": SimpleNamespace(array=[[1.0] * INPUTS] * ROWS, pin=None, starts=None)},
    "x None": lambda a: {"x": SimpleNamespace(array=None, pin=None, starts=None)},
    "y with fewer rows": lambda a: {"y": Source(np.empty((ROWS - 1, OUTPUTS)))},
    "y of one number": lambda a: {"y": Source(np.empty((ROWS, 1)))},
    "y of many numbers": lambda a: {"y": Source(np.empty((ROWS, 1000)))},
    "y of labels": lambda a: {"y": Source(np.empty(ROWS))},
    "weights too short": lambda a: {"sample_weight": np.ones(ROWS - 1, np.float32)},
    "weights of float64": lambda a: {"sample_weight": np.ones(ROWS)},
    "weights a list": lambda a: {"sample_weight": [1.0] * ROWS},
    "weights every second": lambda a: {"sample_weight": np.ones(2 * ROWS, np.float32)[::2]},
    "weights of two axes": lambda a: {"sample_weight": np.ones((ROWS, 1), np.float32)},
    "order beyond": lambda a: {"order": np.full(ROWS, ROWS)},
    "order far beyond": lambda a: {"order": np.full(ROWS, 2**62)},
    "order negative": lambda a: {"order": np.full(ROWS, -1)},
    "order of int32": lambda a: {"order": np.arange(ROWS, dtype=np.int32)},
    "order of float64": lambda a: {"order": np.arange(float(ROWS))},
    "order a list": lambda a: {"order": list(range(ROWS))},
    "order None": lambda a: {"order": None},
    "order every second": lambda a: {"order": np.arange(2 * ROWS)[::2]},
    "order empty": lambda a: {"order": np.arange(0)},
    "first negative": lambda a: {"first": -10},
    "first beyond": lambda a: {"first": ROWS + 1},
    "first far beyond": lambda a: {"first": HUGE},
    "count beyond": lambda a: {"count": 3, "losses": np.empty(3), "scalars": np.ones((3, 8), np.float32)},
    "count negative": lambda a: {"count": -1},
    "count huge": lambda a: {"count": HUGE},
    "batch 0": lambda a: {"batch": 0},
    "batch negative": lambda a: {"batch": -10},
    "batch and count huge": lambda a: {"batch": 2**62, "count": 4},
    "losses too short": lambda a: {"losses": np.empty(1)},
    "losses of float32": lambda a: {"losses": np.empty(2, np.float32)},
    "losses of two axes": lambda a: {"losses": np.empty((2, 1))},
    "losses frozen": lambda a: {"losses": frozen(np.empty(2))},
    "losses None": lambda a: {"losses": None},
    "outputs too short": lambda a: {"outputs": np.empty((ROWS - 1, OUTPUTS), np.float32)},
    "outputs too narrow": lambda a: {"outputs": np.empty((ROWS, OUTPUTS - 1), np.float32)},
    "outputs too wide": lambda a: {"outputs": np.empty((ROWS, OUTPUTS + 1), np.float32)},
    "outputs of float64": lambda a: {"outputs": np.empty((ROWS, OUTPUTS))},
    "outputs by columns": lambda a: {"outputs": np.empty((OUTPUTS, ROWS), np.float32).T},
    "outputs frozen": lambda a: {"outputs": frozen(np.empty((ROWS, OUTPUTS), np.float32))},
    "scalars too short": lambda a: {"scalars": np.ones((1, 8), np.float32)},
    "scalars of float64": lambda a: {"scalars": np.ones((2, 8))},
    "scalars of one axis": lambda a: {"scalars": np.ones(16, np.float32)},
    "scalars None": lambda a: {"scalars": None},
    "no threads": lambda a: {"threads": 0},
    "threads negative": lambda a: {"threads": -1},
    "many threads": lambda a: {"threads": 257},
    "threads huge": lambda a: {"threads": 2**31 - 1},
    "seed negative": lambda a: {"seed": -1},
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_arguments_of_run_steps(case, model, X, Y):
    before = model.arena.tobytes()
    good = arguments(X, Y)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        model.engine.run_steps(**good | BAD_STEPS[case](good))
    assert model.arena.tobytes() == before
    assert model.engine.run_steps(**good) == 2


def test_a_batch_size_beyond_the_order_is_cut(model, X, Y):
    good = arguments(X, Y) | {"count": 1, "batch": HUGE}
    assert model.engine.run_steps(**good) == 1
    assert model.engine.run_steps(**good | {"first": ROWS, "count": 0}) == 0


def test_bad_arguments_of_evaluate_gradient_and_predict(model, X, Y):
    engine, x, y = model.engine, Source(X), Source(Y)
    losses = np.empty(ROWS)
    engine.evaluate(x, y, None, 0, ROWS, losses, None, 1)
    for first, last in ((-1, 5), (0, ROWS + 1), (5, 4), (HUGE, HUGE), (-HUGE, HUGE), (ROWS, ROWS + 1)):
        with pytest.raises(ValueError, match="do not lie in x"):
            engine.evaluate(x, y, None, first, last, losses, None, 1)
    bad = {
        "losses": (x, y, None, 0, ROWS, losses[1:], None, 1),
        "outputs": (x, y, None, 0, ROWS, losses, np.empty((ROWS - 1, OUTPUTS), np.float32), 1),
        "sample_weight": (x, y, np.ones(ROWS - 1, np.float32), 0, ROWS, losses, None, 1),
        "threads": (x, y, None, 0, ROWS, losses, None, 0),
        "y has": (x, Source(Y[1:]), None, 0, ROWS, losses, None, 1),
        "x has": (Source(X[:, 1:]), y, None, 0, ROWS, losses, None, 1),
    }
    for match, given in bad.items():
        with pytest.raises(ValueError, match=match):
            engine.evaluate(*given)
    for threads in (0, -5, 257):
        with pytest.raises(ValueError, match="threads"):
            engine.predict(x, threads)
        with pytest.raises(ValueError, match="threads"):
            engine.gradient(x, y, None, threads=threads)
    for wrong in (Source(X[:, 1:]), Source(np.empty((ROWS, INPUTS, 2)))):
        with pytest.raises(ValueError, match="x has"):
            engine.predict(wrong, 1)
        with pytest.raises(ValueError, match="x has"):
            engine.gradient(wrong, y, None)
    with pytest.raises(ValueError, match="no rows"):
        engine.gradient(Source(X[:0]), Source(Y[:0]), None)
    assert engine.predict(Source(X[:0]), 1).shape == (0, OUTPUTS)
    for outputs in (
        np.empty((5, 0), np.float32),
        np.empty(5, np.float32),
        np.empty((5, 3)),
        np.empty((5, 2, 2), np.float32),
    ):
        with pytest.raises(ValueError, match="outputs must be"):
            engine.classes(outputs)


def test_rows_of_any_strides_are_read_as_numpy_reads_them(model, rng):
    """The core works out itself where a column lies."""
    cube = rng.normal(size=(ROWS, 4, 6)).astype(np.float32)
    for x in (
        cube[:, ::3, ::2][:, 0, :2],
        cube.transpose(2, 0, 1)[:, ::4, 1],
        cube[::-1, ::-1, ::-1].reshape(-1, 8)[:, 1:6],
    ):
        if x.shape[1] == INPUTS:
            assert model.engine.predict(Source(x), 1).tobytes() == model.engine.predict(Source(x.copy()), 1).tobytes()
    flat = fastnn.Sequential([Input((3, 2, 4)), fastnn.layers.Flatten(), Dense(2)], rng=0)
    big = rng.normal(size=(2, 6, 4, ROWS, 3)).astype(np.float32)
    x = big[0, ::2, ::2].transpose(2, 0, 1, 3)[:, :, :, ::-1]
    x = np.concatenate([x, x[..., :1]], axis=3).transpose(0, 1, 2, 3)
    for view in (
        x,
        x[:, ::-1],
        x[:, :, ::-1, ::-1],
        np.asfortranarray(x),
        np.broadcast_to(x[:1], x.shape),
        x[:, :, :, [0, 2, 1, 3]],
    ):
        assert flat.predict(view).tobytes() == flat.predict(view.copy()).tobytes()


def test_an_engine_cannot_be_changed_copied_or_made_from_nothing(model, X):
    engine = model.engine
    kind = type(engine)
    expected = engine(X)
    larger = fastnn.Sequential([Input(500), Dense(900)], rng=0)
    kind.__init__(engine, larger.program, larger.arena)
    assert engine(X).tobytes() == expected.tobytes()
    for attempt in (lambda: pickle.dumps(engine), lambda: copy.copy(engine), lambda: copy.deepcopy(engine)):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(TypeError):
        kind.__new__(kind)
    with pytest.raises(TypeError):
        kind(model.program, None)
    with pytest.raises(AttributeError):
        engine.arena = np.zeros((1, 1))
    assert not hasattr(backend.core("float32"), "Buffers")


def test_an_arena_must_fit_and_stays(model, X):
    program, kind = model.program, type(model.engine)
    for arena in (
        program.new_arena()[:, 16:],
        program.new_arena()[:, ::2],
        program.new_arena().astype(np.float64),
        frozen(program.new_arena()),
    ):
        with pytest.raises(ValueError):
            kind(program, arena)
    candidates = [np.zeros(model.arena.shape, np.float32) for _ in range(1000)]
    arena = next(array for array in candidates if array.ctypes.data % 64 == 0)
    candidates.clear()
    arena[:] = model.arena
    engine = kind(program, arena)
    with pytest.raises(ValueError, match="cannot resize"):
        arena.resize((1, 1), refcheck=False)
    del arena
    assert engine(X).tobytes() == model(X).tobytes()


def test_an_engine_deleted_while_it_trains(X, Y):
    model = network()
    engine = [model.engine]
    big, target = np.tile(X, (2000, 1)), np.tile(Y, (2000, 1))
    given = arguments(big, target) | {
        "sample_weight": None,
        "order": np.arange(len(big)),
        "batch": len(big),
        "count": 1,
    }
    given["outputs"] = None
    threads = [threading.Thread(target=lambda: engine[0].run_steps(**given)) for _ in range(2)]
    for thread in threads:
        thread.start()
    del model
    engine.append(None)
    for thread in threads:
        thread.join()


def test_an_engine_without_loss_or_optimizer_does_not_train(X, Y):
    model = fastnn.Sequential([Input(INPUTS), Dense(OUTPUTS)], rng=0)
    with pytest.raises(ValueError):
        model.engine.run_steps(**arguments(X, Y))
    with pytest.raises(ValueError):
        model.engine.gradient(Source(X), Source(Y), None)
    with pytest.raises(ValueError):
        model.engine.evaluate(Source(X), Source(Y), None, 0, ROWS, np.empty(ROWS), None, 1)


# -- functions of the core ---------------------------------------------------------------------------------------------


def test_functions_of_the_core_look_at_shapes():
    core = backend.core("float32")
    width = core.PANEL_WIDTH

    def panels(*shape):
        return np.zeros(shape, np.float32)

    A, W, Z = panels(2, 5, width), panels(3, 2 * width + 1, width), panels(3, 5, width)
    core.product(A, W, Z, 3 * width)
    softmax = fastnn.activations.Softmax.kernel
    small = SimpleNamespace(
        shape=(2, 2, 1), settings=fastnn.augmentation.ImageAugmentation(flip_horizontal=True), stream=0
    )
    vectors = [panels(4) for _ in range(2)]
    bad = [
        lambda: core.product(A[:1].copy(), W, Z, 3 * width),
        lambda: core.product(A, W, Z[:2].copy(), 3 * width),
        lambda: core.product(A, W, Z[:, :4].copy(), 3 * width),
        lambda: core.product(A, W[:, :, :8].copy(), Z, 3 * width),
        lambda: core.product(A[:, :, ::2], W, Z, 3 * width),
        lambda: core.product(A, W.astype(np.float64), Z, 3 * width),
        lambda: core.product(A, W, frozen(Z.copy()), 3 * width),
        lambda: core.product(A, W, Z, 4 * width),
        lambda: core.product(None, W, Z, 3 * width),
        lambda: core.product(A, None, Z, 3 * width),
        lambda: core.product(A[0], W, Z, 3 * width),
        lambda: core.product_of_row(A[:1].copy(), W, Z),
        lambda: core.product_of_row(A, W, Z[:2].copy()),
        lambda: core.product_of_row(A[:, :0].copy(), W, Z),
        lambda: core.weight_gradient(A, Z, 2 * width, panels(3, 2 * width, width), 3 * width),
        lambda: core.weight_gradient(A, Z, 3 * width, panels(3, 3 * width + 1, width), 3 * width),
        lambda: core.weight_gradient(A, Z, -1, panels(3, 2 * width + 1, width), 3 * width),
        lambda: core.weight_gradient(A, Z[:, :4].copy(), 2 * width, panels(3, 2 * width + 1, width), 3 * width),
        lambda: core.weight_gradient(A, None, 2 * width, panels(3, 2 * width + 1, width), 3 * width),
        lambda: core.transpose(W, 0, 2 * width, 3 * width, panels(2 * width, width)),
        lambda: core.transpose(W, -width, 2 * width, 3 * width, panels(3 * width, width)),
        lambda: core.transpose(W, 4 * width, 2 * width, 3 * width, panels(3 * width, width)),
        lambda: core.transpose(W, 0, 2**40, 3 * width, panels(3 * width, width)),
        lambda: core.transpose(W, 0, 2 * width, 2**40, panels(3 * width, width)),
        lambda: core.activation_forward(softmax, panels(5)),
        lambda: core.activation_forward(softmax, panels(5, width - 1)),
        lambda: core.activation_forward(softmax, None),
        lambda: core.activation_backward(1, panels(5), panels(50)),
        lambda: core.activation_backward(softmax, panels(5), panels(5)),
        lambda: core.activation_backward(softmax, panels(1, width), panels(50, width)),
        lambda: core.loss(0, panels(5), panels(5)),
        lambda: core.loss(0, panels(5, width), panels(5, width - 1)),
        lambda: core.loss(0, panels(5, width), None),
        lambda: core.update(5, *vectors, panels(2, 4), panels(8)),
        lambda: core.update(5, *vectors, panels(3, 3), panels(8)),
        lambda: core.update(5, vectors[0], panels(3), panels(3, 4), panels(8)),
        lambda: core.update(5, *vectors, panels(3, 4), panels(80)),
        lambda: core.update(5, *vectors, None, panels(8)),
        lambda: core.elementary("exp", panels(4, 4).T[1:]),
        lambda: core.elementary("exp", None),
        lambda: core.augment(panels(0, 3, width), small),
        lambda: core.augment(panels(1, 3, width), SimpleNamespace(**vars(small) | {"shape": (2, 2, 100)})),
        lambda: core.augment(panels(1, 3, width), SimpleNamespace(**vars(small) | {"shape": (-2, -2, 1)})),
        lambda: core.augment(panels(1, 3, width), small, choices=np.zeros((2, 8))),
        lambda: core.augment(panels(1, 3, width), small, choices=np.zeros((3, 7))),
        lambda: core.nonfinite(SimpleNamespace(array=None, pin=None, starts=None)),
        lambda: core.nonfinite(SimpleNamespace(array=np.float64(3), pin=None, starts=None)),
        lambda: backend.machine.perceptron_epoch(None, None, None, None, 1.0, True),
        lambda: backend.machine.perceptron_epoch(np.ones((3, 2)), np.ones(3), np.arange(3), np.ones(2), 1.0, True),
    ]
    for number, call in enumerate(bad):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            call()
            pytest.fail(f"call number {number} was not refused")
    assert backend.machine.perceptron_epoch(np.ones((3, 2)), np.ones(3), np.array([5]), np.ones(3), 1.0, True) == -1


def test_augmentation_of_other_images_is_refused(model, X, Y):
    settings = fastnn.augmentation.ImageAugmentation(flip_horizontal=True, rotation=10)
    for shape in ((5, 5, 1), (1, 1, 1), (-5, -1, 1), (1, INPUTS, 10**9)):
        changes = SimpleNamespace(shape=shape, settings=settings, stream=0, flops=0)
        with pytest.raises(ValueError, match="images of shape"):
            model.engine.run_steps(**arguments(X, Y), augmentation=changes)


ATTACK = """
import numpy as np, fastnn
from fastnn.layers import Input, Dense
model = fastnn.Sequential([Input(4), Dense(3)], rng=0)
model.compile("sgd", "mse")
X, Y = np.ones((100, 4), np.float32), np.ones((100, 3), np.float32)
model.fit(X, Y, batch_size=2**61, sampler=lambda epoch, rng: np.arange(100))
class Reshape(fastnn.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        X.shape = (400,)
        Y.shape = (1, 300)
model.fit(X, Y, batch_size=10, callbacks=[Reshape()])
print("alive")
"""


def test_the_process_lives_on():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", ATTACK], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
