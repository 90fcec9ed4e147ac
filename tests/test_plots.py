"""Every picture draws without a screen, has labels, and leaves matplotlib's global state as it found it."""

import pickle
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn
from fastnn.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from fastnn import plots  # noqa: E402


def network(outputs=1, hidden="relu"):
    layers = [Input(2), Dense(5, activation=hidden), BatchNormalization(), Dropout(0.2), Dense(4, activation="tanh")]
    last = Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax")
    model = fastnn.Sequential([*layers, last], rng=0)
    model.compile("adam", "binary_crossentropy" if outputs == 1 else "sparse_categorical_crossentropy", ["accuracy"])
    return model


X, Y = fastnn.datasets.moons(60, noise=0.1, rng=0)
THREE = np.arange(60) % 3
MODEL, CLASSIFIER = network(), network(3)
HISTORY = MODEL.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0)
IMAGES = fastnn.Sequential([Input((4, 6)), Flatten(), Dense(5)], rng=0)
FILTERS = fastnn.Sequential(
    [Input((6, 6, 1)), Conv2D(5, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(2)], rng=0, engine="reference"
)
RANGE = SimpleNamespace(
    rates=np.geomspace(1e-4, 1, 9), losses=np.array([2, 2, 2, 1.5, 1, 0.5, 1, 9, np.nan]), suggestion=0.01
)

# Each function with its arguments and the number of Axes that it draws into.
DRAWINGS = {
    "history": (lambda ax: plots.history(HISTORY, ax=ax), 1),
    "history of accuracy": (lambda ax: plots.history(HISTORY.history, "accuracy", ax=ax), 1),
    "learning_curve": (lambda ax: plots.learning_curve([10, 100], [1, 0.9], [0.7, 0.8], ax=ax), 1),
    "learning_curve of runs": (lambda ax: plots.learning_curve([1, 9], np.ones((2, 3)), np.zeros((2, 3)), ax=ax), 1),
    "range_test": (lambda ax: plots.range_test(RANGE, ax=ax), 1),
    "schedule": (lambda ax: plots.schedule(lambda step: 1 / (1 + step), 50, ax=ax), 1),
    "schedules": (lambda ax: plots.schedule({"a": 0.1, "b": lambda step: 0.2}, 50, ax=ax), 1),
    "perceptron_errors": (lambda ax: plots.perceptron_errors([3, 1, 0], ax=ax), 1),
    "perceptron_errors of a model": (lambda ax: plots.perceptron_errors(SimpleNamespace(errors_=[2, 0]), ax=ax), 1),
    "decision_boundary": (lambda ax: plots.decision_boundary(MODEL, X, Y, ax=ax), 1),
    "decision_boundary of classes": (lambda ax: plots.decision_boundary(CLASSIFIER, X, THREE, ax=ax), 1),
    "decision_boundary of a function": (lambda ax: plots.decision_boundary(lambda x: x[:, 0] > 0, X, Y, ax=ax), 1),
    "confusion_matrix": (lambda ax: plots.confusion_matrix([[5, 1], [0, 7]], ["a", "b"], ax=ax), 1),
    "activations": (lambda ax: plots.activations(["relu", fastnn.activations.ELU(0.5)], ax=ax), 2),
    "activation": (lambda ax: plots.activations("gelu", ax=ax), 2),
    "optimizer_path of one weight": (
        lambda ax: plots.optimizer_path(10 * 0.8 ** np.arange(5), lambda w: w * w, ax=ax),
        1,
    ),
    "optimizer_path of two weights": (
        lambda ax: plots.optimizer_path({"a": np.eye(2), "b": -np.eye(2)}, lambda w: w @ w, ax=ax),
        1,
    ),
    "optimizer_path within limits": (lambda ax: plots.optimizer_path(np.eye(2), lambda w: w @ w, ax, (-3, 3)), 1),
    "weight_images": (lambda ax: plots.weight_images(IMAGES, ax=ax), 1),
    "weight_images of filters": (lambda ax: plots.weight_images(FILTERS, ax=ax), 1),
    "map_images": (lambda ax: plots.map_images(FILTERS, np.eye(6)[..., None], ax=ax), 1),
    "activation_histograms": (lambda ax: plots.activation_histograms(MODEL, X, ax=ax), 2),
    "gradient_histograms": (lambda ax: plots.gradient_histograms(MODEL, X, Y, ax=ax), 3),
    "gradient_histograms of classes": (lambda ax: plots.gradient_histograms(CLASSIFIER, X, THREE, ax=ax), 3),
}
PUBLIC = {
    name for name, value in vars(plots).items() if getattr(value, "__module__", "") == plots.__name__ and name[0] != "_"
}


@pytest.fixture(autouse=True)
def _closed():
    """No figure is left over."""
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _no_show(monkeypatch):
    """Nothing may open a window."""

    def refuse(*_, **__):
        raise AssertionError("plots must not call show")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(matplotlib.figure.Figure, "show", refuse)


def test_every_function_is_drawn_here():
    assert PUBLIC - {"learning_scores"} <= {name.split(" ")[0] for name in DRAWINGS} | {"schedule"}


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_labelled_axes_in_a_new_figure(name):
    draw, count = DRAWINGS[name]
    axes = np.ravel(np.asarray(draw(None), dtype=object))
    assert len(axes) == count and all(isinstance(ax, Axes) for ax in axes)
    assert all(ax.get_xlabel() and ax.get_ylabel() and ax.has_data() for ax in axes)
    assert len({ax.figure for ax in axes}) == 1 and len(plt.get_fignums()) == 1
    axes[0].figure.canvas.draw()


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_into_given_axes_and_touches_nothing_else(name):
    draw, count = DRAWINGS[name]
    figure, given = plt.subplots(1, count)
    other = plt.figure()
    current = other.add_subplot()
    before = dict(matplotlib.rcParams)
    result = draw(given)
    assert np.array_equal(np.ravel(np.asarray(result, dtype=object)), np.ravel(np.asarray(given, dtype=object)))
    assert dict(matplotlib.rcParams) == before
    assert plt.gcf() is other and plt.gca() is current and not current.has_data()
    assert len(plt.get_fignums()) == 2
    figure.canvas.draw()


def test_history_shows_training_and_validation():
    lines = plots.history(HISTORY).lines
    assert [line.get_label() for line in lines] == ["training", "validation"]
    assert lines[1].get_xdata().tolist() == [1, 2, 3] and list(lines[1].get_ydata()) == HISTORY.history["val_loss"]


@pytest.mark.parametrize(
    ("options", "training", "validation"),
    [
        ({"validation_freq": 2}, [1, 2, 3, 4, 5], [2, 4]),
        ({"validation_freq": [5]}, [1, 2, 3, 4, 5], [5]),
        ({"initial_epoch": 2}, [3, 4, 5], [3, 4, 5]),
        ({"initial_epoch": 1, "validation_freq": 3}, [2, 3, 4, 5], [3]),
    ],
)
def test_history_shows_the_epochs_that_had_the_values(options, training, validation):
    past = network().fit(X, Y, epochs=5, validation_data=(X, Y), verbose=0, **options)
    epochs = {"loss": training, "accuracy": training, "val_loss": validation, "val_accuracy": validation}
    assert {name: [epoch + 1 for epoch in of] for name, of in past.epochs_of.items()} == epochs
    assert {name: len(values) for name, values in past.history.items()} == {name: len(epochs[name]) for name in epochs}
    for metric in ("loss", "accuracy"):
        lines = plots.history(past, metric).lines
        assert [line.get_xdata().tolist() for line in lines] == [training, validation]
        assert all(len(line.get_xdata()) > 1 or line.get_marker() == "o" for line in lines)


def test_history_knows_the_parameters_of_its_fit():
    assert fastnn.History().params == {}
    past = network().fit(X, Y, epochs=2, batch_size=10, verbose=0)
    assert past.params["epochs"] == 2 and past.params["steps"] == 6 and "loss" in past.params["metrics"]
    again = pickle.loads(pickle.dumps(past))
    assert (again.params, again.epochs_of) == (past.params, past.epochs_of) and not hasattr(again, "model")


def test_derivatives_are_those_of_the_curves():
    for left, right in (plots.activations(name) for name in ("sigmoid", "gelu", "softplus", "elu")):
        z, a = left.lines[0].get_data()
        np.testing.assert_allclose(right.lines[0].get_ydata(), np.gradient(a, z, edge_order=2), atol=0.01)


def test_boundary_lies_where_the_output_crosses_the_threshold():
    ax = plots.decision_boundary(lambda x: x[:, 0], X, Y, threshold=0.25)
    (lines,) = [item for item in ax.collections if type(item).__name__ == "QuadContourSet"]
    np.testing.assert_allclose(lines.get_paths()[0].vertices[:, 0], 0.25, atol=1e-6)


ALL = [entry.name for entry in fastnn.activations.ENTRIES if not entry.blockwise]


def looks_of(ax):
    """Colour, style and marker of each curve with a name."""
    return [
        (line.get_color(), line.get_linestyle(), line.get_marker())
        for line in ax.lines
        if line.get_label()[0] != "_" and line.get_label() != "start"
    ]


def luminance(colour):
    """Relative luminance, as WCAG defines it."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(
    "axes",
    [
        lambda: plots.activations(ALL[:28]),
        lambda: [plots.schedule({f"rate {i}": i for i in range(28)}, 10)],
        lambda: [plots.optimizer_path({f"path {i}": np.eye(2) * i for i in range(28)}, lambda w: w @ w)],
    ],
    ids=["activations", "schedule", "optimizer_path"],
)
def test_many_curves_look_different_and_are_legible(axes):
    for ax in axes():
        looks = looks_of(ax)
        assert len(looks) == len(set(looks)) >= 16
        assert all(1.05 / (luminance(colour) + 0.05) > 2 for colour, *_ in looks)  # contrast with white


@pytest.mark.parametrize("count", [1, 6, 7, 28])
def test_a_long_legend_stands_beside_the_axes_and_within_the_figure(count):
    ax = plots.schedule({f"a schedule {i}": i for i in range(count)}, 10)
    ax.figure.canvas.draw()
    legend, place = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert (legend.x0 >= place.x1) == (count > 6)
    assert legend.x1 <= ax.figure.bbox.x1 and legend.y0 >= 0 and place.width > 300


def test_many_activations_share_one_legend():
    left, right = plots.activations(ALL)
    assert left.get_legend() is None and len(right.get_legend().get_texts()) == len(ALL)
    left, right = plots.activations(ALL[:6])
    assert len(left.get_legend().get_texts()) == len(right.get_legend().get_texts()) == 6


def test_exponential_does_not_press_the_others_flat():
    for ax, top in zip(plots.activations(ALL), (4.3, 1.8), strict=True):
        low, high = ax.get_ylim()
        others = [line.get_ydata() for line in ax.lines if line.get_label() != "exponential"]
        assert min(values.min() for values in others) >= low
        assert top <= high < 1.1 * top and max(values.max() for values in others) <= high
    assert plots.activations("exponential")[0].get_ylim()[1] > np.exp(4)  # alone it is whole


def points_drawn(ax):
    """Colour and marker of the points of each label."""
    from matplotlib.colors import to_hex

    drawn = [item for item in ax.collections if type(item).__name__ == "PathCollection"]
    return {item.get_label(): (to_hex(item.get_facecolor()[0]), item.get_paths()[0].vertices.shape) for item in drawn}


@pytest.mark.parametrize("dtype", ["int64", "float64", "uint8"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_points_have_the_colour_and_marker_of_their_class_when_others_are_missing(outputs, dtype):
    everything = np.arange(60) % max(2, outputs)
    model = MODEL if outputs == 1 else CLASSIFIER
    all_kinds = points_drawn(plots.decision_boundary(model, X, everything.astype(dtype), resolution=20))
    assert len(set(all_kinds.values())) == max(2, outputs)
    for missing in range(max(2, outputs)):
        rows = everything != missing
        ax = plots.decision_boundary(model, X[rows], everything[rows].astype(dtype), resolution=20)
        assert points_drawn(ax).items() < all_kinds.items()


def test_other_labels_are_the_classes_in_sorted_order():
    expected = list(points_drawn(plots.decision_boundary(MODEL, X, Y, resolution=20)).values())
    for kinds in ([-1, 1], [1, 2], ["ham", "spam"], [False, True], [0.25, 0.75]):
        ax = plots.decision_boundary(MODEL, X, np.array(kinds)[Y.astype(int)], resolution=20)
        assert points_drawn(ax) == {f"class {kind}": looks for kind, looks in zip(kinds, expected, strict=True)}


LINE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 2.0], [2.0, 3.0]])


@pytest.mark.parametrize("kinds", [[0, 1], [1, 2], [-1, 1], ["ham", "spam"]])
def test_boundary_of_a_perceptron_with_any_labels(kinds):
    labels = np.array(kinds)[[0, 0, 0, 1, 1, 1]]
    model = fastnn.Perceptron().fit(LINE, labels)
    ax = plots.decision_boundary(model, LINE, labels)
    (line,) = [item for item in ax.collections if type(item).__name__ == "QuadContourSet"]
    np.testing.assert_allclose(model.decision_function(line.get_paths()[0].vertices), 0, atol=1e-5)
    image = ax.images[0].get_array()
    assert image.min() == image[0, 0] < image[-1, -1] == image.max()
    both = points_drawn(ax)
    colours = {f"class {kind}": colour for kind, colour in zip(kinds, (plots.ORANGE, plots.BLUE), strict=True)}
    assert {kind: looks[0] for kind, looks in both.items()} == {kind: one.lower() for kind, one in colours.items()}
    for rows in (slice(0, 3), slice(3, 6)):  # one class alone
        assert points_drawn(plots.decision_boundary(model, LINE[rows], labels[rows])).items() < both.items()


def test_boundary_of_scores_by_class():
    model = SimpleNamespace(decision_function=lambda x: np.stack([x[:, 0], x[:, 1], -x.sum(axis=1)], axis=1))
    model.classes_ = np.array(["a", "b", "c"])
    ax = plots.decision_boundary(model, LINE[:2], ["c", "b"])
    assert {kind: looks[0] for kind, looks in points_drawn(ax).items()} == {
        "class b": plots.COLOURS[1].lower(),
        "class c": plots.COLOURS[2].lower(),
    }


def test_confusion_matrix_has_its_counts():
    assert [text.get_text() for text in plots.confusion_matrix([[5, 1], [0, 7]]).texts] == ["5", "1", "0", "7"]


FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle-boot"]


@pytest.mark.parametrize(
    ("names", "given", "rotation"),
    [
        (FASHION, False, 45),
        (FASHION, True, 45),
        (["malignant", "benign"], False, 0),
        (["Iris setosa", "Iris versicolor", "Iris virginica"], False, 45),
        (list("0123456789"), True, 0),
    ],
)
def test_labels_of_a_confusion_matrix_do_not_overlap(names, given, rotation):
    ax = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")[1][0] if given else None
    ax = plots.confusion_matrix(np.eye(len(names)), names, ax=ax)
    ax.figure.canvas.draw()
    labels = ax.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {rotation}
    corners = [matplotlib.text.Text.get_window_extent(label) for label in labels]
    if not rotation:
        assert all(left.x1 < right.x0 for left, right in pairwise(corners))
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in corners)
    for label, tick in zip(labels, ax.get_xticks(), strict=True):  # a label ends at its column
        assert rotation == 0 or (label.get_horizontalalignment() == "right" and label.get_rotation_mode() == "anchor")
        assert label.get_position()[0] == tick


def test_dead_units_are_counted():
    model = fastnn.Sequential([Input(2), Dense(4, activation="relu"), Dense(1, activation="sigmoid")], rng=0)
    W, b, V, c = model.get_weights()
    b[:3] = -100
    model.set_weights([W, b, V, c])
    (ax,) = plots.activation_histograms(model, X)
    assert "3 of 4 units dead" in ax.get_title() or "4 of 4" in ax.get_title()


def test_saturated_units_are_counted():
    model = fastnn.Sequential([Input(2), Dense(4, activation="sigmoid"), Dense(1)], rng=0)
    W, b, V, c = model.get_weights()
    model.set_weights([0 * W, b + np.float32([9, -9, 0, 0]), V, c])
    assert "2 of 4 units saturated" in plots.activation_histograms(model, X)[0].get_title()


def test_vanishing_gradients_are_seen():
    model = fastnn.Sequential([Input(2), *(Dense(16, activation="sigmoid") for _ in range(5)), Dense(1)], rng=0)
    model.compile("sgd", "mse")
    first, *_, last = plots.gradient_histograms(model, X, Y)
    assert first.get_xlim() == last.get_xlim()
    medians = [float(ax.get_title().split("median ")[1].split(",")[0]) for ax in (first, last)]
    assert medians[0] < 0.01 * medians[1]


def test_plots_leave_the_model_as_it_was():
    before = MODEL.arena.copy()
    plots.gradient_histograms(MODEL, X, Y)
    plots.activation_histograms(MODEL, X)
    plots.decision_boundary(MODEL, X, Y)
    assert np.array_equal(MODEL.arena, before)


def test_learning_scores():
    training, validation = plots.learning_scores(network, X, Y, X, Y, sizes=[10, 60], epochs=3)
    assert training.shape == validation.shape == (2,)
    assert ((training >= 0) & (training <= 1)).all() and training[1] == validation[1]


def test_images_of_filters_and_maps_show_their_numbers():
    kernel, bias = FILTERS.get_weights()[:2]
    tiles = plots.weight_images(FILTERS).images[0].get_array()
    np.testing.assert_array_equal(tiles[:3, 4:7], kernel[:, :, 0, 1])
    x = np.arange(36.0).reshape(6, 6, 1)
    shown = plots.map_images(FILTERS, x).images[0].get_array()
    expected = sum(x[i : i + 4, j : j + 4, 0] * kernel[i, j, 0, 1] for i in range(3) for j in range(3)) + bias[1]
    np.testing.assert_allclose(shown[:4, 5:9], np.maximum(expected, 0), rtol=1e-5)
    pooled = plots.map_images(FILTERS, x, "max_pooling2d").images[0].get_array()
    np.testing.assert_allclose(pooled[0, 3], np.maximum(expected, 0)[:2, :2].max(), rtol=1e-5)


@pytest.mark.parametrize(
    ("draw", "error", "match"),
    [
        (lambda: plots.history(3), TypeError, "expected what fit"),
        (lambda: plots.history(HISTORY, "acc"), ValueError, "no 'acc'; it has 'loss'"),
        (lambda: plots.history({"loss": [2, 1], "val_loss": [1]}), ValueError, "'val_loss': 1.*pass what fit"),
        (lambda: plots.history(HISTORY, ax=3), TypeError, "ax must be an Axes"),
        (lambda: plots.learning_curve([1, 2], [1], [1]), ValueError, r"shape \(1,\), expected \(2,\)"),
        (lambda: plots.learning_scores(MODEL, X, Y, X, Y, [5]), TypeError, "build must be a function"),
        (lambda: plots.learning_scores(network, X, Y, X, Y, [99]), ValueError, "between 1 and the 60 rows"),
        (lambda: plots.range_test([1, 2]), TypeError, "find_learning_rate"),
        (lambda: plots.schedule("cosine", 10), TypeError, "a schedule is a number or a callable"),
        (lambda: plots.schedule(0.1, 0), ValueError, "steps must be 1 or more"),
        (lambda: plots.perceptron_errors("many"), TypeError, "expected a fitted Perceptron"),
        (lambda: plots.decision_boundary(MODEL, np.ones((3, 4)), [0, 1, 0]), ValueError, r"\(rows, 2\).*\(3, 4\)"),
        (lambda: plots.decision_boundary(MODEL, X, Y[:5]), ValueError, "60 rows but y has 5"),
        (
            lambda: plots.decision_boundary(fastnn.Perceptron().fit(LINE, [1, 1, 1, 2, 2, 2]), LINE, np.arange(6) % 2),
            ValueError,
            r"y has labels \[0, 1\], but the model knows \[1, 2\]",
        ),
        (lambda: plots.decision_boundary(3, X, Y), TypeError, "method predict"),
        (lambda: plots.confusion_matrix([1, 2]), ValueError, r"\(classes, classes\), got \(2,\)"),
        (lambda: plots.confusion_matrix(np.eye(2), ["a"]), ValueError, "2 classes but there are 1 labels"),
        (lambda: plots.activations("softmax"), ValueError, "softmax works on rows"),
        (lambda: plots.activations("rellu"), ValueError, "did you mean 'relu'"),
        (lambda: plots.activations("relu", ax=plt.figure().add_subplot()), ValueError, "must hold 2 Axes, got 1"),
        (lambda: plots.optimizer_path(np.ones((4, 3)), sum), ValueError, r"\(steps \+ 1, 2\).*\(4, 3\)"),
        (lambda: plots.optimizer_path(3.0, abs), ValueError, "a path has shape"),
        (lambda: plots.optimizer_path(np.ones(3), abs, limits=(2, 1)), ValueError, r"limits must be \(low, high\)"),
        (lambda: plots.weight_images(MODEL), ValueError, r"2 weights .* shape \(1, 1\)"),
        (lambda: plots.weight_images("model"), TypeError, "expected a fastnn.Sequential"),
        (lambda: plots.map_images(IMAGES, np.ones((4, 6))), ValueError, "no layer None puts out maps.*none"),
        (
            lambda: plots.map_images(FILTERS, np.eye(6)[..., None], "dense"),
            ValueError,
            "'dense'.*'conv2d', 'max_pooling2d'",
        ),
        (lambda: plots.map_images(FILTERS, np.eye(5)), ValueError, r"expected \(rows, 6, 6, 1\)"),
        (lambda: plots.activation_histograms(IMAGES, np.ones((2, 4, 6))), ValueError, "no hidden layer"),
        (lambda: plots.activation_histograms(MODEL, np.ones((2, 3))), ValueError, "shape"),
        (lambda: plots.gradient_histograms(IMAGES, np.ones((2, 4, 6)), [0, 1]), ValueError, "need a loss"),
    ],
)
def test_wrong_input_gets_a_clear_error(draw, error, match):
    with pytest.raises(error, match=match):
        draw()


def test_importing_plots_loads_no_matplotlib():
    code = (
        "import sys, fastnn; assert 'fastnn.plots' not in sys.modules\n"
        "import fastnn.plots; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_modules_are_reached_through_the_package_alone():
    code = (
        "import sys, fastnn\n"
        "names = ['augmentation', 'plots']\n"
        "print([f'fastnn.{name}' in sys.modules for name in names], {*names} <= {*dir(fastnn)} & {*fastnn.__all__})\n"
        "print(fastnn.plots.history.__name__, fastnn.augmentation.ImageAugmentation.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[False, False] True\nhistory ImageAugmentation\n", done.stderr


def test_without_matplotlib_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None; from fastnn import plots\n"
        "try: plots.history({'loss': [1]})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install matplotlib" in done.stdout, done.stderr


@pytest.mark.parametrize("metric", [["loss"], ("loss", "accuracy"), None, 5])
def test_a_history_of_one_name(metric):
    with pytest.raises(TypeError, match="metric must be one name such as 'loss', got"):
        plots.history(HISTORY, metric)


def test_a_history_with_gaps_and_with_text():
    ax = plots.history({"loss": [0.5, None, 0.25]})
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.5, np.nan, 0.25])
    for bad in (["warm", "cold"], [[1, 2], [3, 4]], [[1], [2, 3]]):
        with pytest.raises(TypeError, match="'note' must hold a number for each epoch, got"):
            plots.history({"note": bad}, "note")
