"""What users hand over as arrays of NumPy's own class: subclasses, tensors, tables. Imports none of their libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = "biuf"  # kinds of NumPy's dtypes
NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64, type(None))  # though float() or NumPy takes some of them
SLICE_BYTES = 1 << 20  # of a table of several types that are converted at once: they stay in the cache


def plain(values: Any, name: str) -> NDArray[Any]:
    """values as a ``numpy.ndarray`` that is of no subclass: itself or a view where possible.

    An error where something would be lost: masks, missing values, the zeros of a sparse matrix. Subclasses stay out,
    since they obey rules of their own: ``np.matrix`` has two axes for ever, and its ``*`` is a matrix product.

    >>> plain(np.ma.array([1, 2]), "x")
    array([1, 2])
    """
    if type(values) is np.ndarray:
        return values
    kind = type(values).__name__
    if hasattr(values, "toarray"):  # SciPy's sparse matrices
        raise TypeError(f"{name} is a sparse matrix, {kind}; pass {name}.toarray()")
    if _is_lazy(values):
        raise TypeError(f"{name} is a {kind}, which has no data yet; pass {name}.collect()")
    if column_names(values) is not None:
        return _table(values, name)
    if hasattr(values, "dtype") and (hasattr(values, "isna") or hasattr(values, "is_null")):
        return _column(values, name)
    for one in values if isinstance(values, (list, tuple)) else (values,):
        if isinstance(one, np.ma.MaskedArray) and np.ma.is_masked(one):
            raise ValueError(f"{name} has masked values; fill or drop them first")
    try:
        if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
            return np.from_dlpack(values)
        return np.asarray(values)
    except (TypeError, ValueError, OverflowError, RuntimeError, BufferError) as error:
        raise ValueError(f"{name} cannot become an array: {error}") from None


def real(values: Any, name: str) -> NDArray[Any]:
    """``plain`` of real numbers: of the types bool, int, uint and float of NumPy; objects become float64."""
    array = plain(values, name)
    if array.dtype.kind == "O":
        return numbers(array, name, column_names(values))
    if array.dtype.kind not in NUMBERS:
        raise TypeError(
            f"{name} must hold real numbers, got an array of dtype {array.dtype}; encode it as numbers first"
        )
    return array


def numbers(array: NDArray[Any], name: str, names: list[Any] | None = None) -> NDArray[np.float64]:
    """An array of Python's objects in float64, or an error that names the first that is no number.

    names: of the columns, where they have some.
    """
    try:
        out = array.astype(np.float64)
        if not any(isinstance(one, NO_NUMBERS) for one in array.flat):
            return out
    except (TypeError, ValueError, OverflowError):
        pass
    for i, one in enumerate(array.flat):
        if one is None or type(one).__name__ in ("NAType", "NaTType"):  # None, pandas.NA, pandas.NaT
            raise ValueError(f"{name} has a missing value, {one!r}{_place(array, i, names)}; fill or drop it first")
        try:
            good = not isinstance(one, NO_NUMBERS) and float(one) is not None
        except (TypeError, ValueError, OverflowError):
            good = False
        if not good:
            what = f"{one!r:.60}{_place(array, i, names)}"
            raise TypeError(f"{name} holds objects that are not numbers: {what}; encode them as numbers first")
    raise TypeError(f"{name} holds objects that are not numbers; encode them as numbers first")


def _place(array: NDArray[Any], i: int, names: list[Any] | None) -> str:
    if not array.ndim:
        return ""
    row, column = divmod(i, max(1, array[:1].size))
    return f" in row {row}" + (f", {column_name(names, column)}" if array.ndim > 1 else "")


def column_names(values: Any) -> list[Any] | None:
    """The names of a table's columns, None for everything else. Tables: of pandas, polars, pyarrow and their like."""
    if isinstance(values, (np.ndarray, list, tuple)):
        return None
    if hasattr(values, "column_names"):  # pyarrow
        return list(values.column_names)
    if hasattr(values, "columns") and (hasattr(values, "iloc") or hasattr(values, "get_columns")):
        return list(values.columns)
    return None


def column_name(names: list[Any] | None, column: int) -> str:
    """What an error message calls a column."""
    return f"column {column}" if names is None else f"column {names[column]!r}"


def is_array(values: Any) -> bool:
    """Whether ``plain`` knows values as an array or a table, or refuses them as what could become one."""
    return (
        isinstance(values, np.ndarray)
        or _is_lazy(values)
        or any(hasattr(values, one) for one in ("__array__", "__dlpack__", "toarray"))
    )


def _is_lazy(values: Any) -> bool:
    """Whether this is a query whose ``collect()`` gives a table, such as polars' LazyFrame."""
    kind = type(values)  # whose property ``columns`` would run the query
    return hasattr(kind, "collect") and hasattr(kind, "columns")


def _table(table: Any, name: str) -> NDArray[Any]:
    """(rows, columns): a view where all columns have one type, else one array of the type that holds all."""
    if hasattr(table, "iloc"):
        types = {*table.dtypes}
        if all(isinstance(one, np.dtype) and one.kind in NUMBERS for one in types):
            return np.asarray(table) if len(types) < 2 else _pandas(table, np.result_type(*types))
        given = [table.iloc[:, i] for i in range(len(table.columns))]
    elif hasattr(table, "get_columns"):
        if all(one.is_numeric() or str(one) == "Boolean" for one in table.dtypes):  # polars makes numbers of dates too
            whole = np.asarray(table)
            if whole.dtype.kind in NUMBERS:
                return whole
        given = table.get_columns()
    else:
        given = table.columns
    names = column_names(table) or []
    columns = [_feature(column, name, label) for column, label in zip(given, names, strict=True)]
    out = np.empty((len(columns[0]), len(columns)), dtype=np.result_type(*{column.dtype for column in columns}))
    for rows in _slices(out):
        for j, column in enumerate(columns):
            out[rows, j] = column[rows]
    return out


def _pandas(table: Any, dtype: np.dtype) -> NDArray[Any]:
    """Columns of several of NumPy's types, row by row: pandas itself would make them objects, or lay columns out."""
    out = np.empty(table.shape, dtype=dtype)
    for rows in _slices(out):
        out[rows] = table.iloc[rows].to_numpy(dtype=dtype)
    return out


def _slices(out: NDArray[Any]) -> list[slice]:
    length = max(1, SLICE_BYTES // max(1, out[:1].nbytes))
    return [slice(first, first + length) for first in range(0, len(out), length)]


def _feature(values: Any, name: str, label: Any) -> NDArray[Any]:
    """A column of numbers, or an error that says what it holds."""
    dtype = getattr(values, "dtype", getattr(values, "type", None))
    what = f"{name}: column {label!r}"
    if hasattr(dtype, "categories"):
        raise TypeError(f"{what} holds categories (dtype {dtype}); encode them as numbers first, one-hot for instance")
    array = _column(values, name, f", column {label!r}")
    if array.dtype.kind in "mM" or getattr(dtype, "kind", "") == "M":  # with a time zone: objects
        raise TypeError(f"{what} holds dates or times (dtype {dtype}); make numbers of them, such as days since a date")
    if array.ndim == 1 and array.dtype.kind == "O":
        return numbers(array[:, None], name, [label])[:, 0]
    if array.ndim > 1 or array.dtype.kind not in NUMBERS:
        raise TypeError(f"{what} must hold real numbers, got dtype {dtype}; encode it as numbers first")
    return array


def _column(values: Any, name: str, where: str = "") -> NDArray[Any]:
    """A column as an array of the type that its own type wraps; an error where a value is missing."""
    dtype = getattr(values, "dtype", None)
    if not isinstance(dtype, np.dtype):  # NumPy's types have no missing values but NaN
        missing = np.asarray(values.isna() if hasattr(values, "isna") else values.is_null())
        if missing.any():
            raise ValueError(f"{name} has a missing value in row {int(missing.argmax())}{where}; fill or drop it first")
    inner = getattr(dtype, "numpy_dtype", None)  # of pandas' types with missing values
    if isinstance(inner, np.dtype) and inner.kind in NUMBERS:
        return values.to_numpy(dtype=inner)
    return np.asarray(values)
