"""What fit reads: arrays on disk, lists, generators and batches of the user's own."""

import subprocess
import sys

import numpy as np
import pytest
from numerics import eps

import fastnn
from fastnn.augmentation import ImageAugmentation
from fastnn.callbacks import EarlyStopping
from fastnn.data import Batches
from fastnn.layers import Dense, Input

ENGINES = ["compiled", "reference"]
SPARSE = "sparse_categorical_crossentropy"
RNG = np.random.default_rng(0)
X, LABELS, WEIGHTS = RNG.normal(size=(45, 4)), np.arange(45) % 3, RNG.random(45)


def make(engine="compiled"):
    model = fastnn.Sequential([Input(4), Dense(7, "tanh"), Dense(3, "softmax")], rng=0, dtype="float64", engine=engine)
    model.compile("adam", SPARSE, ["accuracy"])
    return model


def batches(size=10, weights=False):
    return [
        (X[i : i + size], LABELS[i : i + size], *([WEIGHTS[i : i + size]] if weights else ()))
        for i in range(0, 45, size)
    ]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


class Mine(Batches):
    def __init__(self):
        self.asked, self.ended = [], 0

    def __len__(self):
        return 5

    def __getitem__(self, i):
        self.asked.append(i)
        return X[10 * i : 10 * i + 10], LABELS[10 * i : 10 * i + 10]

    def on_epoch_end(self):
        self.ended += 1


class Again:
    """An iterable without a length."""

    def __iter__(self):
        return iter(batches())


def endless():
    while True:
        yield from batches()


# -- the same as arrays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("source", ["list", "iterable", "Batches", "generator"])
def test_batches_are_the_same_as_arrays(source, engine):
    make_source = {"list": batches, "iterable": Again, "Batches": Mine, "generator": endless}[source]
    steps = {"steps_per_epoch": 5} if source == "generator" else {}
    a, b = make(engine), make(engine)
    first = a.fit(make_source(), epochs=3, shuffle=False, **steps).history
    second = b.fit(X, LABELS, batch_size=10, epochs=3, shuffle=False).history
    assert first == second and same(a, b)  # to the last bit


def test_weights_of_batches():
    a, b = make(), make()
    a.fit(batches(weights=True), shuffle=False, class_weight={1: 2.0})
    b.fit(X, LABELS, batch_size=10, shuffle=False, sample_weight=WEIGHTS, class_weight={1: 2.0})
    assert same(a, b)


def test_batches_of_ones_own_are_shuffled_and_told_of_the_end():
    mine = Mine()
    make().fit(mine, epochs=4)
    orders = [tuple(mine.asked[i : i + 5]) for i in range(0, 20, 5)]
    assert mine.ended == 4 and len(set(orders)) > 1
    assert all(sorted(order) == list(range(5)) for order in orders)


@pytest.mark.parametrize("source", ["list", "iterable", "generator"])
def test_steps_go_on_over_the_ends_of_passes(source):
    data = {"list": batches, "iterable": Again, "generator": endless}[source]()
    a, b = make(), make()
    a.fit(data, epochs=5, steps_per_epoch=2, shuffle=False)
    b.fit(X, LABELS, batch_size=10, epochs=2, shuffle=False)
    assert a.iterations == 10 and same(a, b)


def test_batches_of_any_kind_and_size():
    model = make()
    data = [(X[:1].tolist(), [0]), (X[:20].astype(np.float16), LABELS[:20].astype(np.uint8)), [X[::-1], LABELS[::-1]]]
    history = model.fit(data, epochs=2)
    assert model.iterations == 6 and np.isfinite(history.history["loss"]).all()


def test_validation_on_batches():
    a, b = make(), make()
    first = a.fit(X, LABELS, epochs=3, validation_data=batches(weights=True)).history
    second = b.fit(X, LABELS, epochs=3, validation_data=(X, LABELS, WEIGHTS)).history
    assert first["val_loss"] == pytest.approx(second["val_loss"], rel=1e-12)
    assert first["val_accuracy"] == second["val_accuracy"] and same(a, b)
    steps = a.fit(X, LABELS, epochs=2, validation_data=Mine(), validation_steps=2).history
    assert steps["val_loss"][-1] == pytest.approx(a.evaluate(X[:20], LABELS[:20])[0], rel=1e-12)
    endlessly = a.fit(X, LABELS, epochs=2, validation_data=endless(), validation_steps=5).history
    assert endlessly["val_loss"][-1] == pytest.approx(a.evaluate(X, LABELS)[0], rel=1e-12)


def test_evaluate_batches():
    model = make()
    whole = model.evaluate(X, LABELS)
    assert model.evaluate(batches()) == pytest.approx(whole, rel=1e-12)
    assert model.evaluate(iter(batches())) == pytest.approx(whole, rel=1e-12)
    assert model.evaluate(endless(), steps=5) == pytest.approx(whole, rel=1e-12)
    assert model.evaluate(X, LABELS, return_dict=True) == {"loss": whole[0], "accuracy": whole[1]}


@pytest.mark.parametrize("engine", ENGINES)
def test_predict_batches(engine):
    model = make(engine)
    whole = model.predict(X)
    # NumPy's product of one row may be summed in another order than that of many
    within = 0 if engine == "compiled" else X.shape[1] * eps(model.dtype)

    def close(found, expected):
        np.testing.assert_allclose(found, expected, rtol=within, atol=within)

    for source in (Mine(), Again(), iter(batches(weights=True)), (X[i : i + 7] for i in range(0, 45, 7))):
        close(model.predict(source), whole)
    close(model.predict(endless(), steps=2), whole[:20])
    close(model.predict(X.tolist(), batch_size=3, verbose=0), whole)
    with pytest.raises(ValueError, match="no batches"):
        model.predict(iter(()))
    close(model.predict(X, batch_size=10, steps=2), whole[:20])
    close(model.predict(X, steps=2), whole)
    with pytest.raises(ValueError, match="predict: steps must be 1 or more, got 0"):
        model.predict(X, steps=0)
    with pytest.raises(ValueError, match=r"X has shape \(3, 5\), expected \(rows, 4\)"):
        model.predict(iter([np.zeros((3, 5))]))


def test_callbacks_and_augmentation_with_batches():
    images = [(np.ones((4, 3, 3)) * i, np.arange(4) % 3) for i in range(3)]
    model = fastnn.Sequential([Input((3, 3)), fastnn.layers.Flatten(), Dense(3, "softmax")], rng=0)
    model.compile("adam", SPARSE)
    stop = EarlyStopping("loss", patience=2, min_delta=10)
    history = model.fit(images, epochs=9, callbacks=[stop], augmentation=ImageAugmentation(rotation=5, noise=0.1))
    assert len(history.epoch) == 3


class Growing(Batches):
    """As many batches as ``lengths`` says for each epoch; each one is a single row, its number."""

    def __init__(self, *lengths):
        self.lengths, self.asked, self.calls = lengths, [[]], []

    def __len__(self):
        return self.lengths[min(self.calls.count("end"), len(self.lengths) - 1)]

    def __getitem__(self, i):
        assert 0 <= i < len(self)
        self.asked[-1].append(i)
        return X[i : i + 1], LABELS[i : i + 1]

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")
        self.asked.append([])


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_length_of_batches_may_change(shuffle):
    lengths = (4, 7, 2, 5)
    training, validation = Growing(*lengths), Growing(*lengths)
    history = make().fit(training, epochs=4, shuffle=shuffle, validation_data=validation)
    assert history.epoch == [0, 1, 2, 3]
    assert [sorted(asked) for asked in training.asked] == [list(range(n)) for n in (*lengths, 0)]
    assert validation.asked == [list(range(n)) for n in (*lengths, 0)]
    assert training.calls == validation.calls == ["begin", "end"] * 4


def test_steps_over_batches_whose_length_changes():
    training = Growing(4, 2, 2)
    make().fit(training, epochs=3, steps_per_epoch=3, shuffle=False)
    assert training.asked == [[0, 1, 2], [0, 1, 0], [1, 0, 1], []]  # the rest of the four is void
    validation = Growing(4, 2)
    make().fit(X, LABELS, epochs=2, validation_data=validation, validation_steps=3)
    assert validation.asked == [[0, 1, 2], [0, 1, 0], []]


def test_batches_that_become_empty():
    model = make()
    with pytest.raises(ValueError, match="the batches are empty: Growing has length 0"):
        model.fit(Growing(2, 0), epochs=3)
    assert model.history.epoch == [0] and model.iterations == 2
    with pytest.raises(ValueError, match="the validation batches are empty: Growing has length 0"):
        model.fit(X, LABELS, epochs=3, validation_data=Growing(2, 0))


def test_batches_are_told_of_evaluations_and_predictions():
    batches = Growing(3)
    make().evaluate(batches)
    make().predict(batches)
    assert batches.calls == ["begin", "end"] * 2 and batches.asked == [[0, 1, 2], [0, 1, 2], []]


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (lambda: [X, LABELS], r"batch 0 must be \(x, y\).*ndarray of length 45; for arrays pass x and y"),
        (lambda: [(X,)], r"batch 0 must be \(x, y\).*tuple of length 1"),
        (lambda: [5], r"batch 0 must be \(x, y\).*got 5"),
        (lambda: [(X[:, 1:], LABELS)], r"X of batch 0 has shape \(45, 3\)"),
        (lambda: [(X, LABELS[1:])], "X of batch 0 has 45 rows but y of batch 0 has 44"),
        (lambda: [(X, LABELS + 1)], "y of batch 0 has labels from 1 to 3"),
        (lambda: [(X[:0], LABELS[:0])], "batch 0.*empty"),
        (lambda: [(X, LABELS, -WEIGHTS)], "0 or more"),
        (lambda: [], "batches are empty"),
        (lambda: iter(()), "ended after 0.*expected at least one batch"),
    ],
)
def test_bad_batches(source, match):
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        model.fit(source(), shuffle=False)
    with pytest.raises(ValueError, match=match):
        model.evaluate(source())
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_bad_batch_later_leaves_the_last_step():
    model, twin = make(), make()
    with pytest.raises(ValueError, match="batch 2"):
        model.fit([*batches()[:2], (X * np.nan, LABELS)], shuffle=False)
    twin.fit(batches()[:2], shuffle=False)
    assert same(model, twin) and model.iterations == 2 and model.history.epoch == []


def test_a_generator_that_cannot_last():
    model = make()
    with pytest.raises(
        ValueError, match="can be read only once, expected one that lasts 2 epochs; give steps_per_epoch"
    ):
        model.fit(iter(batches()), epochs=2)
    with pytest.raises(ValueError, match=r"generator of validation batches.*give validation_steps"):
        model.fit(X, LABELS, epochs=2, validation_data=iter(batches()))
    assert model.iterations == 0 and model.history is None
    with pytest.raises(ValueError, match="ended after 1 in epoch 2, expected 4 batches; give fewer"):
        model.fit(iter(batches()), epochs=2, steps_per_epoch=4)
    assert model.history.epoch == [0] and model.iterations == 5
    for of_validation, epoch in ((batches()[:4], 2), (batches() + batches()[:4], 3)):
        data = {"validation_data": iter(of_validation), "validation_steps": 3 if epoch == 2 else 4}
        with pytest.raises(ValueError, match=f"validation batches ended after 1 in epoch {epoch}, expected"):
            make().fit(X, LABELS, epochs=5, **data)
    with pytest.raises(ValueError, match="the batches ended after 5, expected 6 batches"):
        model.evaluate(iter(batches()), steps=6)
    assert model.fit(iter(batches())).epoch == [0]  # once is enough


@pytest.mark.parametrize("name", ["batch_size", "sample_weight", "validation_split", "sampler"])
def test_arguments_that_need_arrays(name):
    value = {"batch_size": 5, "sample_weight": WEIGHTS, "validation_split": 0.2, "sampler": lambda epoch, rng: [0]}[
        name
    ]
    model = make()
    with pytest.raises(ValueError, match=name):
        model.fit(batches(), **{name: value})
    assert model.iterations == 0


def test_batches_without_methods():
    for call in (lambda: len(Batches()), lambda: Batches()[0]):
        with pytest.raises(NotImplementedError, match="Batches needs __"):
            call()


# -- larger than memory ------------------------------------------------------------------------------------------------

SCRIPT = """
import json, sys
import numpy as np
import fastnn
from fastnn.layers import Dense, Input

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))

path, rows = sys.argv[1], 200_000
X = np.memmap(path, dtype=np.float32, mode="w+", shape=(rows, 500))  # 400 MB, and nothing on the disk
y = np.arange(rows, dtype=np.uint8) % 3
model = fastnn.Sequential([Input(500), Dense(4, "relu"), Dense(3, "softmax")], rng=0)
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
model.fit(X[:1000], y[:1000], batch_size=256, validation_split=0.1)
before = anonymous()
model.fit(X, y, batch_size=256, epochs=2, validation_split=0.1)
model.predict(X)
print(json.dumps([X.nbytes, anonymous() - before, model.iterations]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_memmap_is_never_copied(tmp_path):
    import json

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "x.dat")], capture_output=True, text=True, timeout=120, check=True
    )
    size, growth, steps = json.loads(done.stdout)
    assert size == 4e8 and steps == 2 * 704 + 4
    assert growth < 40e6, f"the process grew by {growth} bytes"
