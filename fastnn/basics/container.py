"""Named arrays and a description in one file of the safetensors format, with a checksum over all of it.

The format: https://github.com/huggingface/safetensors. Its free text holds the description, as JSON, under the key
"fastnn". What reads here trusts nothing: sizes are compared with the file before anything is read, names may not
repeat, and the SHA-256 of the whole file, its own digits taken as zeros, must be the one that the description states.
"""

from __future__ import annotations

import json
import os
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnn.basics.files import write_atomically

Array = NDArray[Any]

MOST_HEADER = 1 << 21  # bytes: names and descriptions of some thousand layers
OTHERS = {
    b"PK\x03\x04": "a zip archive, as Keras' .keras files are",
    b"\x89HDF": "an HDF5 file, as Keras' .h5 files are",
}
MOST_AXES = 32
NO_DIGITS = "0" * 64
TYPES = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}


def write(path: str | os.PathLike[str], tensors: dict[str, Array], description: dict[str, Any] | None = None) -> None:
    """Writes a file that appears whole or not at all. description: of plain values, as JSON knows them."""
    safetensors = _package()
    text = {}
    if description is not None:
        text["fastnn"] = json.dumps({"sha256": NO_DIGITS} | description, allow_nan=False, separators=(",", ":"))
        if len(text["fastnn"]) > MOST_HEADER // 2:
            raise ValueError(f"the description of {os.fspath(path)!r} is too long: {len(text['fastnn'])} characters")
    dense = {name: array if array.flags.c_contiguous else array.copy("C") for name, array in tensors.items()}
    data: bytes = safetensors.numpy.save(dense, text or None)
    digits = b""
    start = data.find(NO_DIGITS.encode(), 0, 8 + int.from_bytes(data[:8], "little"))
    if description is not None:
        digits = _digest(data).encode()

    def put(file: BinaryIO) -> None:
        view = memoryview(data)
        file.write(view[: start if digits else 0])
        file.write(digits)
        file.write(view[start + len(digits) if digits else 0 :])

    write_atomically(path, put)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any] | None]:
    """The arrays and the description (None in files of other programs), or ValueError that says what is wrong."""
    safetensors = _package()
    with open(path, "rb") as file:
        try:
            size = os.fstat(file.fileno()).st_size
            head = file.read(8)
            length = int.from_bytes(head, "little")
            if head[:4] in OTHERS:
                raise ValueError(
                    f"it is {OTHERS[head[:4]]}; of Keras 3 fastnn.load reads .keras files, and model.load_weights"
                    " .weights.h5 files; for others use fastnn.from_keras(keras_model)"
                )
            if len(head) < 8 or length > size - 8:
                raise ValueError("it is shorter than it says")
            if length > MOST_HEADER:
                raise ValueError(f"its header has {length} bytes, more than {MOST_HEADER}")
            text = file.read(length)
            entries, description = _header(text, size - 8 - length)
            file.seek(0)
            data = file.read(size)
            if len(data) != size or data[8 : 8 + length] != text:
                raise ValueError("somebody writes to it")
            if description is not None:
                digits = description.pop("sha256", None)
                if not isinstance(digits, str) or len(digits) != 64 or data[: 8 + length].count(digits.encode()) != 1:
                    raise ValueError("it has no checksum")
                if _digest(data, digits.encode()) != digits:
                    raise ValueError("its checksum is wrong")
            return _arrays(safetensors.deserialize(data), entries), description
        except (
            LookupError,
            OverflowError,
            RecursionError,
            TypeError,
            ValueError,
            safetensors.SafetensorError,
        ) as error:
            raise ValueError(
                f"{os.fspath(path)!r} is no file of fastnn or safetensors, or it is damaged: {error or 'too deep'}"
            ) from None


def is_container(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as one of safetensors does."""
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _package() -> Any:
    import safetensors.numpy

    return safetensors


def _digest(data: bytes, digits: bytes = b"") -> str:
    """SHA-256, the given digits taken as zeros."""
    import hashlib

    found = hashlib.sha256()
    at = data.index(digits)
    found.update(memoryview(data)[:at])
    found.update(b"0" * len(digits))
    found.update(memoryview(data)[at + len(digits) :])
    return found.hexdigest()


def _header(text: bytes, size: int) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, Any] | None]:
    """Types and shapes of the arrays, which must fill ``size`` bytes one after another, and the description."""
    header = strict_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    extra = header.pop("__metadata__", {})
    if not isinstance(extra, dict) or not all(isinstance(value, str) for value in extra.values()):
        raise ValueError("its free texts are no texts")
    description = strict_json(extra["fastnn"].encode()) if "fastnn" in extra else None
    if not isinstance(description, dict | None):
        raise ValueError("its description is no table")
    entries, places = {}, []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the entry of {name[:80]!r} is not one of safetensors")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or kind not in TYPES:
            raise ValueError(f"{name[:80]!r} has the unknown type {str(kind)[:80]!r}")
        if not _naturals(shape) or len(shape) > MOST_AXES or not _naturals(offsets) or len(offsets) != 2:
            raise ValueError(f"{name[:80]!r} has no proper shape or place")
        if offsets[1] - offsets[0] != prod(shape) * np.dtype(TYPES[kind]).itemsize:
            raise ValueError(f"{name[:80]!r} has another size than its shape says")
        entries[name] = kind, tuple(shape)
        places.append(tuple(offsets))
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise ValueError("its arrays overlap or leave holes")
        end = last
    if end != size:
        raise ValueError(f"its arrays take {end} bytes, but {size} are there")
    return entries, description


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(one) is int and 0 <= one < 1 << 48 for one in values)


def strict_json(text: bytes) -> Any:
    """JSON in which no key stands twice and no number is NaN or infinite."""
    return json.loads(text.decode("utf-8"), object_pairs_hook=_table, parse_constant=_refuse)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"its header has the number {name}")


def _arrays(
    read: list[tuple[str, dict[str, Any]]], entries: dict[str, tuple[str, tuple[int, ...]]]
) -> dict[str, Array]:
    """What the package has read, as arrays of this machine."""
    found = {}
    for name, tensor in read:
        kind, shape = entries[name]
        array = np.frombuffer(tensor["data"], dtype=TYPES[kind]).reshape(shape)
        if kind == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        found[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    if found.keys() != entries.keys():
        raise ValueError("its arrays are not those of its header")
    return found
