"""Pictures of data, training and networks, drawn with matplotlib, which is imported when the first one is drawn.

``from fastnn import plots``. Every function draws into ``ax``, or into a new figure, and returns the Axes, or an array
of them; none shows or saves anything. Colours are those of Okabe and Ito, which colour-blind readers can tell apart.
Legends of more than six entries stand right of the Axes: give figures of your own ``layout="constrained"``, or save
them with ``bbox_inches="tight"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import activations as formulas
from fastnn.basics.arrays import plain
from fastnn.catalogue import resolve
from fastnn.engine.reference import Tape
from fastnn.operations import Dense, Operation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

    from fastnn.models.sequential import Sequential

Sides = list[NDArray[Any]]  # the values along each axis

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
MARKERS = "osD^vP*X"
LINES = COLOURS[:7]  # thin yellow cannot be seen on white
STYLES = ("-", "--", "-.", ":")  # for print without colour; 4 and 7 share no factor, so 28 curves look different
SIZE = (5.0, 3.8)  # of one Axes, in inches
LEGEND = 1.5  # width of one beside the Axes


# -- training ----------------------------------------------------------------------------------------------------------


def history(history: Any, metric: str = "loss", ax: Axes | None = None) -> Axes:
    """One metric by epoch, counted from 1, in training and, where there is one, in validation.

    history: what ``fit`` returns, or its dictionary, whose values are taken for those of epochs 1, 2, 3, ... metric:
    "loss", or the name of one of the model's metrics.

    >>> ax = history({"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.6]})
    >>> [line.get_label() for line in ax.lines]
    ['training', 'validation']
    """
    logs = getattr(history, "history", history)
    if not isinstance(logs, Mapping):
        raise TypeError(f"expected what fit() returns, or its dictionary, got {history!r}")
    if not isinstance(metric, str):
        raise TypeError(f"metric must be one name such as 'loss', got {metric!r}; draw each into Axes of its own")
    if metric not in logs:
        raise ValueError(f"the history has no {metric!r}; it has {', '.join(map(repr, logs)) or 'nothing'}")
    values = {name: _by_epoch(name, logs[name]) for name in (metric, f"val_{metric}") if name in logs}
    counts = {name: len(value) for name, value in values.items()}
    epochs = getattr(history, "epochs_of", None)
    if epochs is None:
        if len(set(counts.values())) > 1:
            raise ValueError(f"a dictionary with {counts} values does not say of which epochs; pass what fit() returns")
        epochs = {name: range(count) for name, count in counts.items()}
    ax = _axes(ax)
    looks = (("training", BLUE, "-"), ("validation", VERMILION, "--"))
    for (name, count), (label, colour, style) in zip(counts.items(), looks, strict=False):
        dot = "o" if count == 1 else None  # one value makes no line
        ax.plot(np.add(epochs[name], 1), values[name], style, marker=dot, color=colour, label=label, linewidth=2)
    _whole_numbers(ax.xaxis)
    return _finish(ax, "epoch", metric.replace("_", " "))


def _by_epoch(name: str, values: Any) -> NDArray[np.float64]:
    """The values of one name in a history, NaN for None."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(())
    if numbers.ndim != 1:
        raise TypeError(f"history: {name!r} must hold a number for each epoch, got {values!r}")
    return numbers


def learning_curve(
    sizes: ArrayLike,
    training: ArrayLike,
    validation: ArrayLike,
    ax: Axes | None = None,
    metric: str = "accuracy",
) -> Axes:
    """Scores over the number of training samples; scores of shape (sizes, runs) show mean and standard deviation.

    >>> ax = learning_curve([10, 100, 1000], [1.0, 0.97, 0.96], [0.7, 0.9, 0.95])
    >>> ax.get_xlabel()
    'training samples'
    """
    counts = np.asarray(sizes)
    ax = _axes(ax)
    for values, label, i in ((training, "training", 0), (validation, "validation", 1)):
        scores = np.asarray(values, dtype=np.float64)
        if counts.ndim != 1 or scores.ndim not in (1, 2) or len(scores) != len(counts):
            raise ValueError(
                f"{label} scores have shape {scores.shape}, expected ({counts.size},) or ({counts.size}, runs)"
            )
        runs = scores.reshape(len(counts), -1)
        mean, deviation = runs.mean(axis=1), runs.std(axis=1)
        ax.plot(counts, mean, marker=MARKERS[i], color=COLOURS[i], label=label, linewidth=2)
        if runs.shape[1] > 1:
            ax.fill_between(counts, mean - deviation, mean + deviation, color=COLOURS[i], alpha=0.2, linewidth=0)
    ax.set_xscale("log")
    return _finish(ax, "training samples", metric)


def learning_scores(
    build: Callable[[], Sequential],
    X: NDArray[Any],
    y: NDArray[Any],
    X_valid: NDArray[Any],
    y_valid: NDArray[Any],
    sizes: Sequence[int],
    **fit: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores for ``learning_curve``: a fresh model of ``build()`` learns the first rows of X, for each of the sizes.

    The score is the first metric of the compiled model, or its loss where it has none. fit: arguments of ``fit``.

    ``learning_curve(sizes, *learning_scores(build, X, y, X_valid, y_valid, sizes, epochs=20))``
    """
    if not callable(build) or hasattr(build, "fit"):
        raise TypeError(f"build must be a function that returns a new compiled model, got {build!r}")
    if not all(0 < size <= len(X) for size in sizes):
        raise ValueError(f"sizes must lie between 1 and the {len(X)} rows of X, got {list(sizes)}")
    scores = np.empty((2, len(sizes)))
    for i, size in enumerate(sizes):
        model = build()
        model.fit(X[:size], y[:size], **({"verbose": 0} | fit))
        pairs = ((X[:size], y[:size]), (X_valid, y_valid))
        scores[:, i] = [np.atleast_1d(model.evaluate(*pair))[:2][-1] for pair in pairs]
    return scores[0], scores[1]


def range_test(result: Any, ax: Axes | None = None) -> Axes:
    """Loss over learning rate: what ``fastnn.learning_rate.find_learning_rate`` found, with its suggestion.

    result: anything with ``rates``, ``losses`` and ``suggestion``.
    """
    if not all(hasattr(result, name) for name in ("rates", "losses", "suggestion")):
        raise TypeError(f"expected what find_learning_rate() returns (rates, losses, suggestion), got {result!r}")
    ax = _axes(ax)
    rates, losses = np.asarray(result.rates), np.asarray(result.losses)
    ax.plot(rates, losses, color=BLUE, linewidth=2)
    ax.set_xscale("log")
    finite = losses[np.isfinite(losses)]
    if finite.size:  # the last losses shoot up, and would press the rest flat
        low, high = finite.min(), finite[: max(1, len(finite) // 4)].max()
        ax.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low) + 1e-12)
    if result.suggestion is not None:
        label = f"suggestion {float(result.suggestion):.2g}"
        ax.axvline(float(result.suggestion), color=VERMILION, linestyle="--", linewidth=2, label=label)
    return _finish(ax, "learning rate", "loss")


def schedule(schedules: Any, steps: int, ax: Axes | None = None) -> Axes:
    """Learning rate over the steps of training.

    schedules: a callable step -> rate (see ``fastnn.schedules``), a number, or a dictionary of them by name.

    >>> ax = schedule({"constant": 0.1, "halving": lambda step: 0.1 * 0.5 ** (step // 100)}, steps=400)
    >>> ax.get_ylabel()
    'learning rate'
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    named = schedules if isinstance(schedules, Mapping) else {"": schedules}
    for name, rate in named.items():
        if not callable(rate) and not isinstance(rate, (int, float)):
            raise TypeError(f"a schedule is a number or a callable step -> rate, got {rate!r} for {name!r}")
    ax = _axes(ax, size=(SIZE[0] + LEGEND * _outside(len(named)), SIZE[1]))
    every = np.arange(steps)
    for i, (name, rate) in enumerate(named.items()):
        values = [float(rate(int(step))) if callable(rate) else float(rate) for step in every]
        ax.plot(every, values, label=name, **_look(i))
    ax.set_ylim(bottom=0)
    return _finish(ax, "step", "learning rate")


def perceptron_errors(errors: Any, ax: Axes | None = None) -> Axes:
    """Wrong answers of a perceptron in each epoch; errors: a fitted ``fastnn.perceptron.Perceptron``, or its errors.

    >>> perceptron_errors([3, 2, 1, 0]).get_ylabel()
    'wrong answers'
    """
    counts = np.asarray(getattr(errors, "errors_", errors))
    if counts.ndim != 1 or counts.dtype.kind not in "iuf":
        raise TypeError(f"expected a fitted Perceptron or its errors by epoch, got {errors!r}")
    ax = _axes(ax)
    ax.plot(np.arange(1, len(counts) + 1), counts, marker="o", color=BLUE, linewidth=2)
    _whole_numbers(ax.xaxis, ax.yaxis)
    most = max(1.0, float(counts.max(initial=1)))
    ax.set_ylim(-0.05 * most, 1.05 * most)
    return _finish(ax, "epoch", "wrong answers")


# -- answers -----------------------------------------------------------------------------------------------------------


def decision_boundary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    ax: Axes | None = None,
    threshold: float | None = None,
    resolution: int = 200,
) -> Axes:
    """What a model answers in the plane, with the points (X, y), and the line between the classes.

    model: anything with ``predict``, or a function, from (rows, 2) to (rows,) or (rows, outputs). One output: its value
    as a shade, and the line where it crosses ``threshold``, 0.5 by default. Several outputs: the class of the largest
    one. A model with ``decision_function`` and ``classes_``, such as a ``Perceptron`` or those of scikit-learn: the
    side on which the function of the former lies, with threshold 0, or the class of the largest one.
    y: labels. Those of a model with ``classes_`` are looked up there. Else whole numbers below the number of classes
    have the colours of these classes, whichever of them occur; other labels are the classes in sorted order.

    >>> X, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
    >>> decision_boundary(lambda points: points.mean(axis=1), X, y, resolution=20).get_xlabel()
    'x₁'
    """
    points, labels = plain(X, "X"), plain(y, "y").reshape(-1)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have shape (rows, 2) to be drawn in the plane, got {points.shape}")
    if len(labels) != len(points):
        raise ValueError(f"X has {len(points)} rows but y has {len(labels)} labels")
    kinds = np.unique(labels)
    scores = hasattr(model, "decision_function") and hasattr(model, "classes_")
    if scores and not np.isin(kinds, model.classes_).all():
        raise ValueError(
            f"y has labels {kinds[:9].tolist()}, but the model knows {np.asarray(model.classes_).tolist()}"
        )
    predict = model.decision_function if scores else getattr(model, "predict", model)
    if not callable(predict):
        raise TypeError(f"model must have a method predict or be a function, got {model!r}")
    if threshold is None:
        threshold = 0.0 if scores else 0.5
    ax = _axes(ax)
    sides = _sides(points, margin=0.12, resolution=resolution)
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2).astype(np.float32)
    values = np.asarray(predict(grid), dtype=np.float64).reshape(resolution, resolution, -1)
    if values.shape[2] == 1:
        colours = _shade(ax, sides, values[:, :, 0], threshold, hard=scores)
    else:
        colours = _areas(ax, sides, values.argmax(axis=2), values.shape[2])
    few = len(points) <= 300
    numbers = np.searchsorted(model.classes_, kinds) if scores else _class_numbers(kinds, max(2, values.shape[2]))
    for kind, i in zip(kinds, numbers, strict=True):
        ax.scatter(
            points[labels == kind, 0],
            points[labels == kind, 1],
            s=float(np.clip(4000 / max(1, len(points)), 8, 60)),
            color=colours[i % len(colours)],
            marker=MARKERS[i % 8],
            edgecolors="black" if few else "white",
            linewidths=0.8 if few else 0.3,
            label=f"class {kind}",
        )
    ax.set_xlim(sides[0][0], sides[0][-1])
    ax.set_ylim(sides[1][0], sides[1][-1])
    return _finish(ax, "x₁", "x₂", grid=False)


def _class_numbers(kinds: NDArray[Any], count: int) -> NDArray[np.intp]:
    """The class of each kind of label: the label itself, or else its rank."""
    if kinds.dtype.kind in "biuf" and ((kinds >= 0) & (kinds < count) & (kinds == np.floor(kinds))).all():
        return kinds.astype(np.intp)
    return np.arange(len(kinds))


def _shade(ax: Axes, sides: Sides, surface: NDArray[Any], threshold: float, hard: bool) -> list[str]:
    """One output as a shade, or hard sides, with the line at the threshold; returns the colours of the two classes."""
    reach = max(threshold, 1 - threshold, 0.5)
    limits: dict[str, Any] = {"vmin": threshold - reach, "vmax": threshold + reach}
    shown = np.where(surface >= threshold, limits["vmax"], limits["vmin"]) if hard else surface
    ax.imshow(shown, cmap=_diverging(), extent=_extent(sides), origin="lower", aspect="auto", alpha=0.55, **limits)
    if surface.min() < threshold < surface.max():
        ax.contour(*sides, surface, levels=[threshold], colors=BLACK, linewidths=1.5)
    return [ORANGE, BLUE, *COLOURS[2:]]


def _areas(ax: Axes, sides: Sides, classes: NDArray[Any], count: int) -> list[str]:
    """The area of each class with the lines between them; returns the colours of the classes."""
    from matplotlib.colors import to_rgb

    colours = [COLOURS[i % 8] for i in range(count)]
    image = np.array([to_rgb(colour) for colour in colours])[classes]
    ax.imshow(image, extent=_extent(sides), origin="lower", aspect="auto", alpha=0.3, interpolation="nearest")
    for i in range(count):
        if (classes == i).any() and (classes != i).any():
            ax.contour(*sides, classes == i, levels=[0.5], colors=BLACK, linewidths=1)
    return colours


def confusion_matrix(matrix: ArrayLike, labels: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:
    """The counts of ``fastnn.metrics.confusion_matrix``: rows are the truth, columns the answers.

    Shades are shares of the row, so that a rare class is as legible as a frequent one.

    >>> ax = confusion_matrix([[50, 2], [3, 45]], labels=["malignant", "benign"])
    >>> [text.get_text() for text in ax.texts]
    ['50', '2', '3', '45']
    """
    counts = plain(matrix, "matrix")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"a confusion matrix has shape (classes, classes), got {counts.shape}")
    n = len(counts)
    names = [str(label) for label in (range(n) if labels is None else labels)]
    if len(names) != n:
        raise ValueError(f"the matrix has {n} classes but there are {len(names)} labels")
    long = 0.085 * max(map(len, names))  # inches, nearly
    ax = _axes(ax, size=(max(4.0, 0.42 * n + 0.9 + long), max(3.6, 0.42 * n + 0.5 + long)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (truth, answer), count in np.ndenumerate(counts):
        if count or n <= 3:
            colour = "white" if shares[truth, answer] > 0.5 else "black"
            size = 9 if n > 4 else 12
            ax.text(answer, truth, f"{count:g}", ha="center", va="center", color=colour, fontsize=size)
    crowded = long > 0.9 * ax.get_window_extent().width / _root(ax).dpi / n  # side by side they would overlap
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    ax.set_xticks(range(n), names, **slanted)
    ax.set_yticks(range(n), names)
    return _finish(ax, "answer of the model", "truth", grid=False)


# -- formulas ----------------------------------------------------------------------------------------------------------


def activations(names: Any, ax: Any = None, low: float = -4.0, high: float = 4.0) -> NDArray[Any]:
    """Activation functions, on the left, and their derivatives, on the right.

    names: one or several names or objects of ``fastnn.activations``. ax: two Axes.

    >>> left, right = activations(["sigmoid", "tanh"])
    >>> right.get_ylabel()
    'derivative da/dz'
    """
    given = [names] if isinstance(names, (str, formulas.Activation, type)) else list(names)
    found = [resolve("activation", name, formulas.Activation) for name in given]
    for activation in found:
        if activation.blockwise:
            raise ValueError(f"{activation.name} works on rows, not on numbers, and has no curve to draw")
    beside = _outside(len(found))
    left, right = pair = _row(ax, 2, size=(SIZE[0] + LEGEND / 2 * beside, SIZE[1]))
    z = np.linspace(low, high, 801)
    outputs = [activation.forward(z) for activation in found]
    slopes = [one.derivative(z if one.keeps_input else a) for one, a in zip(found, outputs, strict=True)]
    for place, curves, reach in ((left, outputs, high), (right, slopes, 1.0)):
        for i, (activation, curve) in enumerate(zip(found, curves, strict=True)):
            place.plot(z, curve, label=activation.name, **_look(i))
        _cut(place, curves, reach)
    _finish(left, "input z", "output a", legend=not beside)  # one legend, beside both
    _finish(right, "input z", "derivative da/dz")
    return pair


def _cut(ax: Axes, curves: list[NDArray[Any]], reach: float) -> None:
    """Cuts off a curve that shoots up, as exponential does, and would press the others flat."""
    *others, peak = sorted(float(curve.max()) for curve in curves)
    top = max([reach, *others])
    if others and peak > 3 * top:
        low = min(float(curve.min()) for curve in curves)
        ax.set_ylim(low - 0.05 * (top - low), top + 0.05 * (top - low))


def optimizer_path(
    paths: Any, f: Callable[[Any], Any], ax: Axes | None = None, limits: ArrayLike | None = None, levels: int = 20
) -> Axes:
    """The steps of optimizers over the loss f of one weight (a curve) or two (contours).

    paths: weights (steps + 1,) or (steps + 1, 2), an object with ``x`` as of ``fastnn.minimize``, or a dictionary of
    them by name. f: from a number, or an array of two, to the loss. limits: (low, high) of the weights, or such a pair
    for each of two; by default what the paths need. levels: number of contours.

    >>> ax = optimizer_path(10 * 0.8 ** np.arange(21), lambda w: w**2)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('weight w', 'loss')
    """
    named = paths if isinstance(paths, Mapping) else {"": paths}
    walks = {name: np.asarray(getattr(path, "x", path), dtype=np.float64) for name, path in named.items()}
    walks = {name: walk[:, 0] if walk.ndim == 2 and walk.shape[1] == 1 else walk for name, walk in walks.items()}
    sizes = {walk.shape[1:] for walk in walks.values()}
    if sizes not in ({()}, {(2,)}) or any(walk.ndim == 0 for walk in walks.values()):
        shapes = [walk.shape for walk in walks.values()]
        raise ValueError(f"a path has shape (steps + 1,) or (steps + 1, 2), all of the same kind; got {shapes}")
    ax = _axes(ax)
    every = np.concatenate(list(walks.values()))
    corners = every.reshape(len(every), -1) if limits is None else _corners(limits, every.shape[1:])
    sides = _sides(corners, margin=0.2 if limits is None else 0, resolution=300 if every.ndim == 1 else 80)
    if every.ndim == 1:
        (side,) = sides
        ax.plot(side, [float(f(w)) for w in side], color="0.6", linewidth=1.5)
    else:
        surface = np.array([[float(f(np.array([u, v]))) for u in sides[0]] for v in sides[1]])
        steps = surface.min() + np.linspace(0, 1, levels) ** 2 * (np.ptp(surface) or 1)  # closer near the bottom
        ax.contour(*sides, surface, levels=steps, colors="0.7", linewidths=0.8)
    for i, (name, walk) in enumerate(walks.items()):
        places = (walk, [float(f(w)) for w in walk]) if walk.ndim == 1 else (walk[:, 0], walk[:, 1])
        looks: dict[str, Any] = {"color": LINES[i % 7], "marker": MARKERS[i % 8], "markersize": 4, "linewidth": 1.2}
        ax.plot(*places, label=name, **looks)
        ax.plot(
            places[0][:1], places[1][:1], "o", color=BLACK, markersize=7, label="start" if i == len(walks) - 1 else ""
        )
    return _finish(ax, *(("weight w", "loss") if every.ndim == 1 else ("weight w₁", "weight w₂")))


# -- inside of a network -----------------------------------------------------------------------------------------------


def weight_images(
    model: Sequential, shape: tuple[int, int] | None = None, most: int = 32, ax: Axes | None = None
) -> Axes:
    """The weights of the first product as images, one for each unit, row by row: what each unit looks for.

    Those of a Dense layer have the shape (rows, columns), by default that of the model's input, or a square; those of a
    convolution have that of its window, one below the other for each channel of its input. most: images at most.
    """
    op = next(op for op in _model(model).program.steps if op.flops)
    W = model.program.read(model.arena[0], op)[0]
    if isinstance(op, Dense):
        if shape is None:
            root = round(np.sqrt(op.inputs))
            given = model.shapes()[0]
            shape = (given[0], given[1]) if len(given) == 2 else (root, root)
        if len(shape) != 2 or shape[0] * shape[1] != op.inputs:
            raise ValueError(
                f"{op.inputs} weights of a unit do not make an image of shape {shape}; pass shape=(rows, columns)"
            )
        images = W.T.reshape(-1, *shape)
    else:
        height, width = getattr(op, "window", (1, 1))
        images = W.reshape(height, width, -1, op.outputs).transpose(3, 2, 0, 1).reshape(op.outputs, -1, width)
    return _images(images[:most], op.outputs, str(model.layers[op.layer].name), "weight", ax)


def map_images(
    model: Sequential, x: ArrayLike, layer: str | None = None, most: int = 32, ax: Axes | None = None
) -> Axes:
    """The channels of a layer's output for one sample as images, row by row: where each filter finds what it looks for.

    x: one sample, of the model's input shape. layer: the name of a layer whose output is a map (height, width,
    channels); by default the first such one behind the input. most: images at most.
    """
    places = {name: i for i, name in enumerate(_model(model).layer_names)}
    behind = model.shapes()[1:]
    maps = [name for name, shape in zip(places, behind, strict=True) if len(shape) == 3]
    layer = maps[0] if layer is None and maps else layer
    if layer not in maps:
        raise ValueError(f"no layer {layer!r} puts out maps; those that do: {', '.join(map(repr, maps)) or 'none'}")
    program, sample = model.program, model.door.features(np.asarray(x)[None])
    steps = [op for op in program.steps if op.layer <= places[layer]]
    a = sample.array.reshape(-1, program.steps[0].inputs).astype(program.dtype)
    for op in steps:
        a = op.infer(a, program.read(model.arena[0], op))
    images = a.reshape(behind[places[layer]]).transpose(2, 0, 1)
    return _images(images[:most], len(images), layer, "output", ax)


def _images(images: NDArray[Any], units: int, layer: str, what: str, ax: Axes | None) -> Axes:
    """Images (count, rows, columns) of the first of the units of a layer, side by side on one scale."""
    count, (high, wide) = len(images), images.shape[1:]
    columns = int(np.ceil(np.sqrt(2 * count)))
    rows = -(-count // columns)
    height, width = high + 1, wide + 1
    tiles = np.full((rows * height - 1, columns * width - 1), np.nan)
    for unit in range(count):
        top, left = unit // columns * height, unit % columns * width
        tiles[top : top + high, left : left + wide] = images[unit]
    ax = _axes(ax, size=(6.0, 4.9 * rows * height / (columns * width) + 0.5))
    most = float(np.abs(images).max()) or 1.0
    grey = _diverging().with_extremes(bad="0.55")  # between the images
    image = ax.imshow(tiles, cmap=grey, vmin=-most, vmax=most, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    _root(ax).colorbar(image, ax=ax, label=what, shrink=0.85)
    last = f"0 to {count - 1} of {units}, row by row"
    return _finish(ax, f"units {last}", f"layer {layer!r}", grid=False)


def activation_histograms(model: Sequential, X: ArrayLike, ax: Any = None) -> NDArray[Any]:
    """What the hidden layers put out for X: one histogram for each layer with an activation, before the last one.

    The title counts saturated units (sigmoid, tanh: more than 9 in 10 of their outputs within 1 % of a limit), or dead
    ones (others: output 0 for every row of X), which learn nothing any more.
    """
    tape = _tape(_model(model), X)
    program = model.program
    hidden = [(op, a) for op, a in zip(program.trained, tape.outputs, strict=True) if _is_hidden(program, op)]
    if not hidden:
        raise ValueError("the model has no hidden layer with an activation")
    places = _row(ax, len(hidden), size=(3.6, 3.2))
    for place, (op, a) in zip(places, hidden, strict=True):
        _histogram(place, a.ravel(), BLUE)
        place.set_title(f"{model.layers[op.layer].name} ({op.activation.name})\n{_lazy_units(op, a)}", fontsize=10)
        _finish(place, "output of a unit", "share of outputs")
    return places


def gradient_histograms(model: Sequential, X: ArrayLike, y: ArrayLike, ax: Any = None) -> NDArray[Any]:
    """Sizes of the weights' gradients for (X, y) in each layer with a kernel, on one logarithmic scale.

    Layers whose gradients are many powers of ten smaller than those of the last one learn next to nothing.
    """
    if _model(model).loss is None:
        raise ValueError("gradients need a loss: call model.compile(optimizer=..., loss=...) first")
    row = model.network.gradient(model.door.features(X), model.door.targets(y), None)[1]
    products = [op for op in model.program.steps if op.flops]
    sizes = [np.abs(model.program.read(row, op)[0]).ravel().astype(np.float64) for op in products]
    places = _row(ax, len(products), size=(3.6, 3.2))
    powers = [np.log10(values[values > 0]) for values in sizes]
    known = np.concatenate(powers)
    low, high = (np.floor(known.min()), np.ceil(known.max())) if known.size else (-1.0, 0.0)
    low = max(low, high - 16)
    for place, op, values, power in zip(places, products, sizes, powers, strict=True):
        _histogram(place, power[power >= low], VERMILION, (low, high))
        middle = f"median {np.median(values):.1g}"
        zeros = f", {np.mean(values == 0):.0%} zeros" if (values == 0).any() else ""
        place.set_title(f"{model.layers[op.layer].name}\n{middle}{zeros}", fontsize=10)
        _finish(place, "log₁₀ |dL/dw|", "share of weights")
    return places


def _model(model: Any) -> Sequential:
    if not hasattr(model, "program"):
        raise TypeError(f"expected a fastnn.Sequential, got {model!r}")
    return model


def _tape(model: Sequential, X: ArrayLike) -> Tape:
    """A forward pass of the reference engine, as in training."""
    program = model.program
    x = model.door.features(X).take(slice(None))
    tape = Tape(program, [program.read(model.arena[0], op) for op in program.steps], seed=0, iteration=0)
    with np.errstate(all="ignore"):
        tape.forward(x.reshape(-1, program.steps[0].inputs).astype(program.dtype))
    return tape


def _is_hidden(program: Any, op: Operation) -> bool:
    return op is not program.steps[-1] and not isinstance(op.activation, formulas.Linear)


def _lazy_units(op: Operation, a: NDArray[Any]) -> str:
    """How many units of a layer are saturated or dead."""
    if op.activation.name in ("sigmoid", "tanh"):
        low = 0.0 if op.activation.name == "sigmoid" else -1.0
        near = np.minimum(a - low, 1 - a) < 0.01 * (1 - low)
        return f"{int((near.mean(axis=0) > 0.9).sum())} of {a.shape[1]} units saturated"
    return f"{int((a == 0).all(axis=0).sum())} of {a.shape[1]} units dead"


def _histogram(ax: Axes, values: NDArray[Any], colour: str, limits: tuple[float, float] | None = None) -> None:
    """Shares, not counts, so that layers of different sizes compare."""
    finite = values[np.isfinite(values)]
    if finite.size:
        ax.hist(finite, bins=40, range=limits, weights=np.full(finite.size, 1 / finite.size), color=colour)
    if limits:
        ax.set_xlim(limits)


# -- Axes --------------------------------------------------------------------------------------------------------------


def _axes(ax: Any, size: tuple[float, float] = SIZE) -> Axes:
    """The given Axes, or that of a new figure."""
    if ax is None:
        return _new(1, size)[0]
    if not hasattr(ax, "plot"):
        raise TypeError(f"ax must be an Axes of matplotlib, got {ax!r}")
    return ax


def _row(ax: Any, count: int, size: tuple[float, float] = SIZE) -> NDArray[Any]:
    """``count`` Axes side by side: the given ones, or those of a new figure."""
    if ax is None:
        return _new(count, size)
    places = np.ravel(np.asarray(ax, dtype=object))
    if len(places) != count:
        raise ValueError(f"ax must hold {count} Axes, got {len(places)}")
    for place in places:
        _axes(place)
    return places


def _new(count: int, size: tuple[float, float]) -> NDArray[Any]:
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("fastnn.plots needs matplotlib: pip install matplotlib") from error
    _, places = plt.subplots(1, count, figsize=(size[0] * count, size[1]), layout="constrained", squeeze=False)
    return places[0]


def _root(ax: Axes) -> Any:
    """The figure that holds the Axes."""
    return ax.get_figure()


def _finish(ax: Axes, x: str, y: str, grid: bool = True, legend: bool = True) -> Axes:
    """Labels, a light grid, and a legend where something has a name: beside the Axes if it would cover much of them."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if grid:
        ax.grid(True, color="0.88", linewidth=0.8)
        ax.set_axisbelow(True)
    count = len(ax.get_legend_handles_labels()[0])
    if legend and count:
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
        beside["ncols"] = -(-count // 18)
        ax.legend(fontsize=9, framealpha=0.9, **(beside if _outside(count) else {}))
    return ax


def _outside(count: int) -> bool:
    """Whether a legend of so many entries stands beside the Axes."""
    return count > 6


def _whole_numbers(*axes: Any) -> None:
    """There is no epoch 2.5."""
    from matplotlib.ticker import MaxNLocator

    for axis in axes:
        axis.set_major_locator(MaxNLocator(integer=True))


def _look(i: int) -> dict[str, Any]:
    """Colour and style of curve number i."""
    return {"color": LINES[i % 7], "linestyle": STYLES[i % 4], "linewidth": 2}


def _sides(points: NDArray[Any], margin: float, resolution: int) -> Sides:
    """Values along each axis that cover the points and a margin, a share of their width."""
    low, high = points.min(axis=0), points.max(axis=0)
    extra = margin * np.where(high > low, high - low, 1)
    return [np.linspace(a, b, resolution) for a, b in zip(low - extra, high + extra, strict=True)]


def _corners(limits: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """The lower and the upper corner (2, weights) of limits (2,) or (weights, 2)."""
    pairs = np.asarray(limits, dtype=np.float64)
    weights = shape[0] if shape else 1
    if pairs.shape not in ((2,), (weights, 2)) or not (pairs[..., 0] < pairs[..., 1]).all():
        raise ValueError(f"limits must be (low, high), or one such pair for each weight, got {limits!r}")
    return np.broadcast_to(pairs, (weights, 2)).T


def _extent(sides: Sides) -> tuple[float, float, float, float]:
    return float(sides[0][0]), float(sides[0][-1]), float(sides[1][0]), float(sides[1][-1])


def _diverging() -> Colormap:
    """Orange, white, blue for low, middle, high, in 65 steps, which keep pictures small."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange to blue", [ORANGE, "#FFFFFF", BLUE], N=65)
