"""Fits that are killed at random moments and started again must end with the bits of those never interrupted.

    python tests/kills.py --kills 100 --seed 0

Each fit runs in a process of its own, which gets SIGKILL after a random time, is started again by the same call, and so
on until it comes to its end. Compared are weights, optimizer, counters, history, callbacks and their files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

import fastnn
from fastnn import callbacks, layers, optimizers, schedules
from fastnn.augmentation import ImageAugmentation
from fastnn.training import pace

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64) + (X[:, 3] > 0.5)
IMAGES = RNG.random((60, 5, 4)).astype(np.float32)


class Squares(fastnn.data.Batches):
    """Batches that the user shuffles anew after each epoch, and that become fewer."""

    def __init__(self, length=7):
        self.length, self.rng = length, np.random.default_rng(1)
        self.rows = np.arange(len(X))

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        rows = self.rows[10 * i : 10 * i + 10]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.rng.shuffle(self.rows)
        self.length = max(3, self.length - 1)


class Counting(callbacks.Callback):
    """A callback of the user's own, which remembers all sorts of things."""

    def __init__(self):
        self.steps, self.losses, self.last = 0, [], np.zeros(2)

    def on_epoch_begin(self, epoch, logs=None):
        self.last = self.last + epoch

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append((epoch, logs["loss"]))


def endless():
    rng = np.random.default_rng(3)
    while True:
        rows = rng.integers(0, len(X), 10)
        yield X[rows], Y[rows]


def dense(
    *inner, optimizer="adam", shape=6, metrics=("accuracy", "auc"), loss="sparse_categorical_crossentropy", **how
):
    model = fastnn.Sequential(
        [layers.Input(shape), *inner, layers.Dense(12, "relu"), layers.Dense(3, "softmax")], rng=7, **how
    )
    model.compile(optimizer, loss, list(metrics))
    return model


def rows(folder, **more):
    model = dense(layers.BatchNormalization(), layers.Dropout(0.2), layers.GaussianNoise(0.1))
    return model, {"x": X, "y": Y, "batch_size": 8, "epochs": 6, "validation_split": 0.2} | more


def averaged(folder):
    rate = schedules.WarmUp(schedules.Cosine(0.05, 60), steps=5)
    model = dense(layers.Dense(9, "tanh"), optimizer=optimizers.AdamW(rate, use_ema=True, clipnorm=1.0, amsgrad=True))
    return model, {"x": X, "y": Y, "batch_size": 7, "epochs": 7, "class_weight": {1: 2.0}}


def accumulated(folder):
    rule = optimizers.Muon(0.02, use_ema=True, ema_overwrite_frequency=5, gradient_accumulation_steps=3)
    return dense(layers.Dense(9, "tanh"), optimizer=rule), {"x": X, "y": Y, "batch_size": 7, "epochs": 7}


def schedule_free(folder):
    model = dense(layers.Dropout(0.2), optimizer=optimizers.ScheduleFreeAdamW(0.02, warmup_steps=9))
    return model, {"x": X, "y": Y, "batch_size": 7, "epochs": 7, "validation_split": 0.2}


def following(folder):
    model = dense(optimizer=optimizers.SGD(schedules.Adaptive(0.5, tol=0.05, patience=1), momentum=0.9))
    return model, {"x": X, "y": Y, "batch_size": 16, "epochs": 12, "sample_weight": np.linspace(0.5, 2, 90)}


def listening(folder):
    model = dense(layers.Dropout(0.3))
    listed = [
        callbacks.EarlyStopping("val_loss", patience=3),
        callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5),
        callbacks.CSVLogger(os.path.join(folder, "log.csv")),
        callbacks.ModelCheckpoint(os.path.join(folder, "best-{epoch}.fastnn"), save_best_only=True, keep=2),
        Counting(),
    ]
    return model, {"x": X[:60], "y": Y[:60], "validation_data": (X[60:], Y[60:]), "epochs": 14, "callbacks": listed}


def scheduled(folder):
    model = dense(layers.LayerNormalization(), optimizer="rmsprop", dtype="float64")
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7 if epoch % 2 else rate)
    return model, {"x": X, "y": Y, "batch_size": 9, "epochs": 6, "steps_per_epoch": 7, "callbacks": [halve]}


def sampled(folder):
    def sampler(epoch, rng):
        return rng.integers(0, len(X), 40 + epoch)

    return dense(layers.Dropout(0.1)), {"x": X, "y": Y, "batch_size": 8, "epochs": 6, "sampler": sampler}


def augmented(folder):
    model = dense(layers.Flatten(), shape=(5, 4), metrics=["accuracy"])
    changes = ImageAugmentation(flip_horizontal=True, rotation=10, shift=(1, 1), noise=0.1)
    return model, {"x": IMAGES, "y": Y[:60], "batch_size": 8, "epochs": 6, "augmentation": changes}


def mixed(folder):
    model = dense(layers.Flatten(), shape=(5, 4), loss="categorical_crossentropy", metrics=["log_loss"])
    changes = ImageAugmentation(flip_vertical=True, mixup=0.4)
    return model, {"x": IMAGES, "y": np.eye(3)[Y[:60]], "batch_size": 8, "epochs": 5, "augmentation": changes}


def own_batches(folder):
    return dense(layers.Dropout(0.2)), {"x": Squares(), "epochs": 6, "validation_data": Squares(4)}


def own_batches_by_steps(folder):
    return dense(), {"x": Squares(), "epochs": 6, "steps_per_epoch": 4, "shuffle": False}


def generated(folder):
    return dense(), {"x": endless(), "epochs": 6, "steps_per_epoch": 9}


def listed(folder):
    batches = [(X[i : i + 9], Y[i : i + 9]) for i in range(0, 81, 9)]
    return dense(), {"x": Again(batches), "epochs": 6, "steps_per_epoch": 5}


class Again:
    """An iterable that can be read again, without a length."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def reference(folder):
    model = dense(layers.Dropout(0.2), layers.BatchNormalization(), engine="reference")
    return model, {"x": X, "y": Y, "batch_size": 8, "epochs": 4}


FITS = {
    one.__name__: one
    for one in (
        rows,
        averaged,
        accumulated,
        schedule_free,
        following,
        listening,
        scheduled,
        sampled,
        augmented,
        mixed,
        own_batches,
        own_batches_by_steps,
        generated,
        listed,
        reference,
    )
}


def run(name, folder, **options):
    """One fit, checkpoints after every step, and what it leaves."""
    pace.SLICE = 1e-9  # calls of the engine of one step each
    model, arguments = FITS[name](folder)
    options = {"checkpoint_dir": os.path.join(folder, "checkpoints"), "resume": True, "save_seconds": 0} | options
    x, y = arguments.pop("x"), arguments.pop("y", None)
    history = model.fit(x, y, **arguments, **options)
    return left(model, history, arguments.get("callbacks", []), folder)


def left(model, history, listeners, folder):
    """All that must be the same, as texts and digests."""
    found = {
        "arena": hashlib.sha256(model.arena.tobytes()).hexdigest(),
        "counters": repr((model.iterations, model.network.epochs, model.stop_training)),
        "history": repr((history.history, history.epoch, history.epochs_of)),
        "optimizer": repr([model.optimizer.get_config(), model.optimizer.rates(np.arange(1, 99)).tolist()]),
    }
    for one in listeners:
        state = {key: value for key, value in one.get_state().items() if key != "files"}
        found[type(one).__name__] = repr(sorted(state.items(), key=str))
    for file in sorted(os.listdir(folder)):
        if os.path.isfile(os.path.join(folder, file)) and not file.endswith(".part"):  # killed while it was written
            with open(os.path.join(folder, file), "rb") as content:
                found[file] = hashlib.sha256(content.read()).hexdigest()
    return found


def killed(name, folder, moment):
    """Starts the fit in a process, kills it after so many seconds of training; what it left, or None."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--child", name, folder], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    try:
        child.wait(moment)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    output = child.stdout.read().strip()
    status = child.wait()
    child.stdout.close()
    assert status in (0, -signal.SIGKILL), f"{name} ended with {status}"
    return json.loads(output) if status == 0 else None


def main():
    parser = argparse.ArgumentParser(description="Fits killed at random moments.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, metavar=("FIT", "FOLDER"))
    options = parser.parse_args()
    if options.child:
        print("ready", flush=True)
        print(json.dumps(run(*options.child)), flush=True)
        return
    chooser, kills, fits, longest = random.Random(options.seed), 0, 0, {}
    expected, lasts = {}, {}
    while kills < options.kills:
        name = list(FITS)[fits % len(FITS)]
        with tempfile.TemporaryDirectory() as folder:
            if name not in expected:
                began = time.monotonic()
                expected[name] = killed(name, folder, 600)
                lasts[name] = time.monotonic() - began
                shutil.rmtree(folder)
                os.mkdir(folder)
            digest, times = None, 0
            while digest is None:
                moment = chooser.uniform(0, lasts[name] / 2) if kills < options.kills else 600
                digest = killed(name, folder, moment)
                times += digest is None
                kills += digest is None
            longest[name] = max(longest.get(name, 0), times)
            fits += 1
            for what in expected[name] | digest:
                then, now = expected[name].get(what), digest.get(what)
                assert then == now, f"{name}, killed {times} times: {what} is {now}, not {then}"
            print(f"{name}: killed {times} times, the same bits", flush=True)
    print(f"{kills} kills, {fits} fits, all ended with the bits of those never interrupted")


if __name__ == "__main__":
    main()
