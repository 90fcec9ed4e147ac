"""Ctrl-C at random moments of random programs: how long until KeyboardInterrupt, and does the model go on?

    python tests/interrupts.py [programs] [first seed]

Each program is a random network with random data that is trained, evaluated or asked until a signal interrupts it, on
one thread and on two. All times are of the processor, so that a busy machine changes little; a program whose latency
exceeds the promise runs again, at most three times. Prints quantiles; exits with 1 where a promise is broken.
"""

import signal
import sys
import time

import numpy as np
import scipy.sparse

import fastnn
from fastnn import augmentation, layers, optimizers
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

PROMISE = 0.2  # seconds
OTHERS = 7  # of the generator that draws maps and sparse rows: programs without them are those that were drawn before
ACTIVATIONS = ["relu", "gelu", "mish", "tanh", "softmax", "log_softmax", "selu", "softplus"]
OPTIMIZERS = [one.__name__ for one in optimizers.ENTRIES]


def random_layers(rng, width):
    """Up to eight layers, many of them no dense ones."""
    made = []
    for _ in range(rng.integers(0, 9)):
        kind = rng.integers(0, 7)
        if kind == 0:
            regularizers = {"kernel_regularizer": "l2", "activity_regularizer": "l1"} if rng.random() < 0.2 else {}
            constraint = "non_neg" if rng.random() < 0.1 else None
            made.append(Dense(width, str(rng.choice(ACTIVATIONS)), kernel_constraint=constraint, **regularizers))
        else:
            made.append(
                [
                    Activation(str(rng.choice(ACTIVATIONS))),
                    BatchNormalization(),
                    LayerNormalization(),
                    Dropout(0.2),
                    GaussianNoise(0.1),
                    LayerNormalization(),
                ][kind - 1]
            )
    return made


def random_maps(rng):
    """The shape of a sample, and layers on its maps."""
    side, channels = int(2 ** rng.uniform(2, 6)), int(2 ** rng.uniform(0, 6))
    makes = [
        lambda: layers.Conv2D(int(2 ** rng.uniform(0, 7)), int(rng.integers(1, 6)), padding="same", activation="relu"),
        lambda: layers.Conv2D(int(2 ** rng.uniform(0, 7)), 3, strides=2, padding="same"),
        lambda: layers.Conv2D(2 * channels, 3, groups=channels, padding="same") if not made else BatchNormalization(),
        lambda: layers.DepthwiseConv2D(5, padding="same"),
        lambda: layers.SeparableConv2D(int(2 ** rng.uniform(0, 6)), 3, padding="same", activation="gelu"),
        lambda: layers.Conv2DTranspose(int(2 ** rng.uniform(0, 5)), 3, strides=2, padding="same"),
        lambda: layers.MaxPooling2D(3, strides=1, padding="same"),
        lambda: layers.AveragePooling2D(2, padding="same"),
        lambda: layers.UpSampling2D(2, interpolation="bilinear"),
        lambda: layers.SpatialDropout2D(0.2),
        lambda: BatchNormalization(),
        lambda: LayerNormalization(),
    ]
    start = shape = (side, side, channels)
    made = []
    for _ in range(rng.integers(1, 7)):
        layer = makes[rng.integers(0, len(makes))]()
        after = layer.shape_after(shape)
        if np.prod(after) < 500_000:
            made.append(layer)
            shape = after
    return start, [*made, Flatten() if rng.random() < 0.5 else layers.GlobalAveragePooling2D()]


def random_program(seed):
    """(what is called, the model, something to train on afterwards)."""
    rng = np.random.default_rng(seed)
    size = int(2 ** rng.uniform(0, 10))
    classes = int(2 ** rng.uniform(1, 9))
    images = rng.random() < 0.15
    shape = (12, 12) if images else (size,)
    front, other = [Flatten()] if images else [], np.random.default_rng([seed, OTHERS])
    maps, sparse = not images and other.random() < 0.4, not images and other.random() < 0.3
    if maps:
        shape, front = random_maps(other)
    columns = int(np.prod(shape))
    width = int(2 ** rng.uniform(0, 10.5))
    rows = int(min(2 ** rng.uniform(3, 17), 3e7 / max(columns, width, classes)))
    dtype = ["float32", "float64"][rng.integers(0, 2)]
    stack = [Input(shape), *front, *random_layers(rng, width), Dense(classes, "softmax")]
    model = fastnn.Sequential(stack, rng=seed, dtype=dtype)
    clip = [{}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"use_ema": True}][rng.integers(0, 4)]
    name = str(rng.choice(OPTIMIZERS))
    clip = {} if name == "ScheduleFreeAdamW" and "use_ema" in clip else clip
    optimizer = getattr(optimizers, name)(learning_rate=1e-5, **clip)
    metrics = [[], ["accuracy"], ["accuracy", "logloss"]][rng.integers(0, 3)]
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=metrics)
    X = rng.random((rows, *shape), dtype=np.float32).astype(str(rng.choice(["float32", "float64", "float16"])))
    if sparse and not maps:
        share, kind = 10 ** other.uniform(-3, 0), np.promote_types(X.dtype, np.float32)
        X = scipy.sparse.random(rows, columns, share, "csr", kind, other)
    y = rng.integers(0, classes, rows)
    batch = "all" if rng.random() < 0.3 else int(2 ** rng.uniform(0, 12))
    arguments = {"batch_size": batch, "epochs": 10**6, "verbose": 0}
    if rng.random() < 0.3:
        arguments["validation_data"] = (X, y)
    elif rng.random() < 0.2 and rows > 20:
        arguments["validation_split"] = 0.3
    if images:
        arguments["augmentation"] = augmentation.ImageAugmentation(rotation=15, shift=(2, 2), noise=0.1)

    def batches():
        while True:
            chosen = rng.integers(0, rows, min(rows, 1000))
            yield X[chosen], y[chosen]

    kind = ["fit", "fit", "predict", "evaluate", "evaluate", "generator", "best of"][rng.integers(0, 7)]
    call = {
        "fit": lambda: model.fit(X, y, **arguments),
        "best of": lambda: model.fit_best_of(10**6, X, y, **(arguments | {"epochs": 1})),
        "generator": lambda: model.fit(batches(), steps_per_epoch=10**6, verbose=0),
        "predict": lambda: model.predict(X),
        "evaluate": lambda: model.evaluate(X, y, verbose=0),
    }[kind]
    names = "-".join(type(layer).__name__[:9] for layer in stack)
    what = f"{kind} {rows} x {shape}{' sparse' if scipy.sparse.issparse(X) else ''}"
    return call, model, (X[:64], y[:64]), f"{what}, width {width}, batch {batch}, {dtype}, {names}"


def latency(seed, threads):
    """Seconds of each core from the signal to KeyboardInterrupt, and the program's name; checks the model after it."""
    fastnn.set_num_threads(threads)
    call, model, (X, y), what = random_program(seed)
    moment = np.random.default_rng([seed, threads]).uniform(0.005, 0.4)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, moment)  # after so many seconds of the processor
    try:
        while True:
            call()
    except KeyboardInterrupt:
        late = (time.process_time() - began - moment) / threads
    assert all(np.isfinite(weights).all() for weights in model.get_weights()), what
    before = model.iterations
    history = model.fit(X, y, batch_size=16, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all() and model.iterations == before + -(-len(y) // 16), what
    return late, what


def main(programs=200, first=0):
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    worst, broken = {1: [], 2: []}, []
    for seed in range(first, first + programs):
        for threads in worst:
            tries = []
            while not tries or (tries[-1][0] > PROMISE and len(tries) < 3):
                tries.append(latency(seed, threads))
            best = min(tries)
            worst[threads].append(tries[0][0])
            if len(tries) > 1:
                print(
                    f"seed {seed}, {threads} threads, {[round(late, 3) for late, _ in tries]} s: {best[1]}", flush=True
                )
            if best[0] > PROMISE:
                broken.append(seed)
    for threads, found in worst.items():
        quantiles = ", ".join(f"{q:.0%} {1000 * np.quantile(found, q):.0f}" for q in (0.5, 0.9, 0.99, 1))
        print(
            f"{threads} threads, {programs} programs: milliseconds to KeyboardInterrupt at the first try: {quantiles}"
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
