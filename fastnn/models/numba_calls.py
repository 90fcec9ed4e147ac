"""A predictor as a function for code that Numba compiles: no Python between the user's loop and the network."""

from __future__ import annotations

from ctypes import CFUNCTYPE, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p, py_object, pythonapi
from math import prod
from typing import Any

import numpy as np

KEPT: list[Any] = []  # what machine code that Numba has made calls: nobody sees when it is used no more


class _Table(Structure):
    """The struct ``fastnn_predictor`` of fastnn.h."""

    _fields_ = [
        ("version", c_int32),
        ("number_bytes", c_int32),
        ("inputs", c_int64),
        ("outputs", c_int64),
        ("answer", c_void_p),
        ("core", c_void_p),
    ]


def function_of(capsule: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """f(x), f(x, out) for ``@njit`` code: x a sample of the shape, or rows of them, C-contiguous and of the dtype."""
    try:
        from numba import njit, types
        from numba.core.errors import TypingError
        from numba.extending import overload
    except ImportError as error:
        raise ImportError("predictor.njit needs numba: pip install numba") from error
    pythonapi.PyCapsule_GetPointer.restype = c_void_p
    pythonapi.PyCapsule_GetPointer.argtypes = [py_object, c_char_p]
    address = pythonapi.PyCapsule_GetPointer(capsule, b"fastnn.predictor.1")
    table = _Table.from_address(address)
    answer = CFUNCTYPE(c_int, c_size_t, c_size_t, c_int64, c_size_t)(table.answer)  # as Numba knows addresses
    KEPT.append((capsule, answer))
    outputs, axes, inputs, number = int(table.outputs), len(shape), prod(shape), np.dtype(dtype)
    kind = number.type
    wanted = f"a C-contiguous array of {number} of shape {shape} or (rows, {', '.join(map(str, shape))})"

    def check(x: Any) -> None:
        raise NotImplementedError

    @overload(check)
    def _check(x: Any) -> Any:
        """Refuses other arrays: their kind when the user's code is compiled, their sizes when it runs."""
        fits = isinstance(x, types.Array) and str(x.dtype) == number.name and x.layout == "C"
        if not fits or x.ndim not in (axes, axes + 1):
            raise TypingError(f"a predictor takes {wanted}, got {x}")
        first = x.ndim - axes

        def sizes(x: Any) -> None:
            for k in range(axes):
                if x.shape[first + k] != shape[k]:
                    raise ValueError("x has another shape than the predictor's samples")

        return sizes

    def call(x: Any, rows: int, out: Any) -> None:
        if out.size != rows * outputs:
            raise ValueError("out has another size than the predictor's outputs")
        if answer(address, x.ctypes.data, rows, out.ctypes.data) != 0:
            raise MemoryError("no memory for the widest layer")

    call = njit(call)

    def made(x: Any, out: Any = None) -> Any:
        raise NotImplementedError

    @overload(made)
    def _made(x: Any, out: Any = None) -> Any:
        alone = isinstance(x, types.Array) and x.ndim == axes
        given = not isinstance(out, (types.NoneType, types.Omitted)) and out is not None

        def into(x: Any, out: Any = None) -> Any:
            check(x)
            call(x, 1 if alone else x.size // inputs, out)
            return out

        def one(x: Any, out: Any = None) -> Any:
            check(x)
            fresh = np.empty(outputs, kind)
            call(x, 1, fresh)
            return fresh

        def several(x: Any, out: Any = None) -> Any:
            check(x)
            fresh = np.empty((len(x), outputs), kind)
            call(x, len(x), fresh)
            return fresh

        if given and not (
            isinstance(out, types.Array)
            and out.layout == "C"
            and out.mutable
            and out.dtype == x.dtype
            and out.ndim == (1 if alone else 2)
        ):
            raise TypingError(f"out must be a C-contiguous array of {number} for the outputs, got {out}")
        return into if given else one if alone else several

    @njit
    def predict(x: Any, out: Any = None) -> Any:
        return made(x, out)

    return predict
