"""Changes model files at random, and looks that each is refused or gives the right model, in little memory.

    python tests/mutate_files.py --files 100000 --seed 0

Bits are flipped and bytes cut, doubled and moved, mostly with a wrong checksum; headers and descriptions are changed
where they mean something, with a right checksum. What is read must raise ValueError, or be a model that predicts finite
numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import tempfile
import time

import numpy as np

import fastnn
from fastnn import layers, optimizers, schedules

MOST_BYTES = 100e6
STRANGE = [None, True, -1, 0, 1, 2**31, 2**63, 10**40, 0.5, 1e308, "", "relu", [], {}, [[]], {"tuple": [1]}, "x" * 5000]


def build():
    """A model of all sorts of things."""
    inner = [layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    model = fastnn.Sequential([layers.Input(4), *inner], rng=0)
    rate = schedules.WarmUp(schedules.Cosine(0.1, 100), steps=5)
    model.compile(optimizers.Adam(rate, use_ema=True), "sparse_categorical_crossentropy", ["accuracy", "auc"])
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(40, 4)), rng.integers(0, 3, 40), epochs=2)
    return model


def split(file):
    """Header and arrays of a file."""
    length = int.from_bytes(file[:8], "little")
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def joined(text, data):
    return len(text).to_bytes(8, "little") + text + data


def with_checksum(header, data):
    """A file of that header, with the checksum that belongs to it."""
    told = json.loads(header["__metadata__"]["fastnn"]) | {"sha256": "0" * 64}
    return signed(header | {"__metadata__": {"fastnn": json.dumps(told, separators=(",", ":"))}}, data)


def signed(header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    file = joined(text + b" " * (-len(text) % 8), data)
    return file.replace(b"0" * 64, hashlib.sha256(file).hexdigest().encode(), 1)


def described(change):
    """A file whose description was changed."""

    def made(file):
        header, data = split(file)
        told = json.loads(header["__metadata__"]["fastnn"])
        change(told)
        header["__metadata__"]["fastnn"] = json.dumps(told)
        return with_checksum(header, data)

    return made


def entered(change):
    """A file whose header was changed."""

    def made(file):
        header, data = split(file)
        change(header)
        return with_checksum(header, data)

    return made


def layer(settings, which=1):
    return described(lambda told: told["layers"][which]["settings"].update(settings))


def put(path, value):
    """Sets what stands at a path of keys."""

    def change(told):
        for key in path[:-1]:
            told = told[key]
        told[path[-1]] = value

    return change


def raw(text):
    return lambda file: joined(text, split(file)[1])


CASES = {
    "a header of all the file": lambda file: (len(file) - 8).to_bytes(8, "little") + file[8:],
    "a header of 2^63": lambda file: (1 << 63).to_bytes(8, "little") + file[8:],
    "a header of nothing": lambda file: bytes(8) + file[8:],
    "no JSON": raw(b"{nothing"),
    "a list": raw(b"[1, 2]"),
    "deep lists": raw(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"),
    "deep tables": raw(b'{"a":' * 50000 + b"1" + b"}" * 50000),
    "a header that is too long": raw(b"{" + b" " * (3 << 20) + b"}"),
    "bytes that are no text": raw(b'{"\xff\xfe": 1}'),
    "NaN": raw(b'{"a": NaN}'),
    "a key twice": lambda file: file[:8] + file[8:].replace(b'"dense/bias"', b'"dense/bia\\u0073"', 1),
    "the same name twice": raw(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'
    ),
    "arrays that overlap": entered(lambda h: h["dense/bias"].update(data_offsets=h["dense/kernel"]["data_offsets"])),
    "a hole": entered(lambda h: h.pop("dense/bias")),
    "offsets beyond the file": entered(put(["dense/bias", "data_offsets"], [1 << 40, (1 << 40) + 20])),
    "offsets that run backwards": entered(put(["dense/bias", "data_offsets"], [40, 20])),
    "a negative offset": entered(put(["dense/bias", "data_offsets"], [-20, 0])),
    "a huge shape": entered(put(["dense/bias", "shape"], [1 << 40, 1 << 40])),
    "a shape of 1000 axes": entered(put(["dense/bias", "shape"], [1] * 1000 + [5])),
    "a shape that overflows": entered(put(["dense/bias", "shape"], [1 << 62, 4, 1 << 62])),
    "a shape of texts": entered(put(["dense/bias", "shape"], ["5"])),
    "an unknown type": entered(put(["dense/bias", "dtype"], "F8_E4M3")),
    "another type": entered(put(["dense/bias", "dtype"], "I32")),
    "an entry too much": entered(put(["dense/bias", "more"], 1)),
    "an entry of another kind": entered(put(["dense/bias"], 7)),
    "free text that is none": lambda file: signed(
        split(file)[0] | {"__metadata__": {"fastnn": 7, "sha256": "0" * 64}}, split(file)[1]
    ),
    "no checksum": lambda file: signed(split(file)[0] | {"__metadata__": {"fastnn": "{}"}}, split(file)[1]),
    "a short checksum": lambda file: signed(
        split(file)[0] | {"__metadata__": {"fastnn": '{"sha256":"00"}'}}, split(file)[1]
    ),
    "an unknown format": described(put(["format"], 2)),
    "a format of text": described(put(["format"], "x" * 100000)),
    "another kind": described(put(["kind"], "pickle")),
    "no layers": described(put(["layers"], [])),
    "layers that are none": described(put(["layers"], {"a": 1})),
    "a layer of another kind": described(put(["layers", 1, "object"], ["optimizer", "adam"])),
    "an unknown object": described(put(["layers", 1, "object"], ["os", "system"])),
    "an object of texts": described(put(["layers", 1, "object"], "os.system")),
    "an object of the user's": described(put(["layers", 1], {"custom": "system", "settings": {}})),
    "a model of another class": described(put(["model"], "Model")),
    "a setting too much": layer({"other": 1}),
    "a layer of 2^40 units": layer({"units": 1 << 40}),
    "a layer of 2^29 units": layer({"units": 1 << 29}),
    "units of text": layer({"units": "5"}),
    "an input of many axes": layer({"shape": {"tuple": [1 << 20] * 30}}, 0),
    "a large input": layer({"shape": {"tuple": [1 << 29]}}, 0),
    "another activation": layer({"activation": {"object": ["loss", "mse"], "settings": {}}}),
    "an activation by path": layer({"activation": {"object": ["activation", "../relu"], "settings": {}}}),
    "a layer that needs no weights": layer({"use_bias": False}),
    "layers of one name": layer({"name": "dense_1"}),
    "an initializer from nowhere": layer(
        {"kernel_initializer": {"object": ["initializer", "constant"], "settings": {"value": {"array": "no"}}}}
    ),
    "another number type": described(put(["dtype"], "float16")),
    "the other number type": described(put(["dtype"], "float64")),
    "another engine": described(put(["engine"], "python")),
    "a seed below 0": described(put(["seed"], -1)),
    "a seed beyond all": described(put(["seed"], 1 << 70)),
    "steps of text": described(put(["iterations"], "many")),
    "no optimizer": described(put(["compiled", "optimizer"], None)),
    "another optimizer": described(put(["compiled", "optimizer", "object"], ["optimizer", "adagrad"])),
    "an optimizer with more state": described(put(["compiled", "optimizer", "settings", "amsgrad"], True)),
    "a loss that does not fit": described(put(["compiled", "loss", "object"], ["loss", "gaussian_nll"])),
    "metrics that are none": described(put(["compiled", "metrics"], [{"object": ["loss", "mse"], "settings": {}}])),
    "a generator of text": described(put(["generator"], "PCG64")),
    "a generator from elsewhere": described(put(["generator", "bit_generator"], "Generator")),
    "a generator of a strange state": described(put(["generator", "state"], {"state": "x", "inc": []})),
    "state that is none": described(
        put(["compiled", "optimizer", "settings", "learning_rate", "state"], {"__class__": "x"})
    ),
}


def mutate(file, rng):
    """A changed file: bytes, header or description."""
    kind = rng.integers(6)
    if kind == 0:  # some bits
        changed = bytearray(file)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(file))] ^= 1 << rng.integers(8)
        return bytes(changed)
    if kind == 1:  # a piece cut out, doubled or moved
        first, last, to = sorted(rng.integers(0, len(file), 3))
        return [file[:first] + file[last:], file[:last] + file[first:], file[:first] + file[last:to] + file[first:]][
            rng.integers(3)
        ]
    if kind == 2:  # bits of the header, with a right checksum
        length = int.from_bytes(file[:8], "little")
        text = bytearray(file[8 : 8 + length])
        for _ in range(rng.integers(1, 3)):
            text[rng.integers(length)] = rng.integers(256)
        with contextlib.suppress(Exception):
            return with_checksum(json.loads(text), file[8 + length :])
        return joined(bytes(text), file[8 + length :])
    header, data = split(file)
    if kind == 3:  # numbers: other weights, whose checksum is right
        changed = bytearray(data)
        changed[rng.integers(len(data))] = rng.integers(256)
        return with_checksum(header, bytes(changed))
    told = json.loads(header["__metadata__"]["fastnn"])
    where = header if kind == 4 else told
    chooser = random.Random(int(rng.integers(1 << 30)))
    spot, key = chooser.choice([one for one in spots(where) if one[1] not in ("sha256", "fastnn", "__metadata__")])
    if chooser.random() < 0.2:
        spot.pop(key)
    else:
        spot[key] = chooser.choice(STRANGE)
    if kind == 5:
        header["__metadata__"]["fastnn"] = json.dumps(told)
    return with_checksum(header, data)


def spots(value):
    """All places in lists and tables within a value: (container, key)."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += spots(value[key])
    return found


def read_or_refuse(file, path):
    """What came of a file: "refused", or "model"; an assertion fails at all else."""
    with open(path, "wb") as out:
        out.write(file)
    try:
        model = fastnn.load(path)
    except ValueError as error:
        assert len(str(error)) < 3000, str(error)[:100]
        return "refused"
    shape = (2, *model.shapes()[0])
    assert np.prod(shape) < 1e6
    with np.errstate(all="ignore"):
        model.predict(np.zeros(shape))
    return "model"


def main():
    parser = argparse.ArgumentParser(description="Random changes of model files.")
    parser.add_argument("--files", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.fastnn")
        build().save(path)
        with open(path, "rb") as file:
            good = file.read()
        fastnn.load(path)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        counts = {"refused": 0, "model": 0}
        for case, make in CASES.items():
            assert read_or_refuse(make(good), path) == "refused", case
        for i in range(options.files):
            rng = np.random.default_rng([options.seed, i])
            try:
                counts[read_or_refuse(mutate(good, rng), path)] += 1
            except BaseException:
                print(f"file {i} of seed {options.seed}")
                raise
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            assert grown < MOST_BYTES, f"file {i} of seed {options.seed}: {grown / 1e6:.0f} MB"
        print(
            f"{options.files} files: {counts['refused']} refused, {counts['model']} models,"
            f" {grown / 1e6:.0f} MB at most, {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
