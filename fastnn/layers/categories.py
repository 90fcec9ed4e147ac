"""Layers that turn numbers and texts into categories, and categories into columns; training changes nothing of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import operations
from fastnn.basics.checks import number, unknown, whole
from fastnn.layers.base import Layer, Shape, between, check_called
from fastnn.layers.embedding import MOST_IDS
from fastnn.operations import Operation

MODES = operations.Encoding.MODES


class _Categories(Layer):
    """Base of layers whose categories are the columns of their outputs, or stand in the places of the numbers.

    output_mode: "int" leaves the categories where the numbers were; "one_hot" has a row of zeros and a one for each
    number, in the place of a last axis of length 1 or behind all axes; "multi_hot" has one row for each row of numbers,
    with ones where a category is, and "count" says how often it is there.
    """

    modes: ClassVar[tuple[str, ...]] = MODES

    def __init__(self, output_mode: str, sparse: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        name = type(self).__name__
        if sparse:
            raise ValueError(f"{name}: sparse=True is not supported; outputs are arrays")
        mode = "multi_hot" if output_mode == "binary" else output_mode
        if mode not in self.modes:
            raise ValueError(f"{name}: {unknown('output_mode', str(output_mode), list(self.modes))}")
        self.output_mode = mode

    def _categories(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """The category of each number."""
        raise NotImplementedError

    def _size(self) -> int:
        """How many categories there are."""
        raise NotImplementedError

    def _adapted(self, **found: Any) -> None:
        """Takes what ``adapt`` has found, unless a model rests on what was there before."""
        if self._home is not None and self.built:
            raise ValueError(f"layer {self.name!r} is in a model that is built: call adapt before")
        vars(self).update(found)

    def _encoding(self) -> dict[str, Any]:
        """How the operation finds categories."""
        raise NotImplementedError

    def shape_after(self, input_shape: Shape) -> Shape:
        if self.output_mode == "int":
            return input_shape
        if self.output_mode == "one_hot" and input_shape[-1] != 1:
            return (*input_shape, self._size())
        return (*input_shape[:-1], self._size())

    def operations(self, input_shape: Shape) -> list[Operation]:
        after = self.shape_after(input_shape)
        return [between(operations.Encoding, input_shape, after, mode=self.output_mode, **self._encoding())]

    def __call__(self, x: ArrayLike, training: bool = False) -> NDArray[Any]:
        """The same for an array of any shape, outside of any model: int64 where the mode is "int", else float32."""
        check_called(self, x)
        found = self._categories(np.asarray(x))
        if self.output_mode == "int":
            return found
        size = self._size()
        if found.size and not 0 <= found.min() <= found.max() < size:
            raise ValueError(
                f"{type(self).__name__}: categories from {found.min()} to {found.max()}, expected 0 to {size - 1}"
            )
        hot = np.eye(size, dtype=np.float32)[found]
        if self.output_mode == "one_hot":
            return hot.reshape(*found.shape[:-1], size) if found.ndim > 1 and found.shape[-1] == 1 else hot
        rows = hot.reshape(-1, size) if found.ndim == 0 else hot
        total = rows.sum(axis=-2)
        return np.asarray(total if self.output_mode == "count" else np.minimum(total, 1), dtype=np.float32)


class CategoryEncoding(_Categories):
    """Categories 0 to ``num_tokens`` - 1 as columns; output_mode: "multi_hot", "one_hot" or "count".

    As in Keras. Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.2 (1 of K coding).

    >>> CategoryEncoding(4)([[0, 1], [3, 3]]).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """

    modes = ("multi_hot", "one_hot", "count")

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **arguments: Any
    ) -> None:
        super().__init__(output_mode, sparse, **arguments)
        if num_tokens is None:
            raise ValueError("CategoryEncoding needs num_tokens; IntegerLookup finds them by itself")
        self.num_tokens = whole("CategoryEncoding: num_tokens", num_tokens, 1)

    def _categories(self, x: NDArray[Any]) -> NDArray[np.int64]:
        return _whole_numbers("CategoryEncoding", x)

    def _size(self) -> int:
        return self.num_tokens

    def _encoding(self) -> dict[str, Any]:
        return {}


class Discretization(_Categories):
    """The number of boundaries that x reaches: 0 below the first. Given, or ``num_bins`` of equal share by ``adapt``.

    output_mode: "int", "one_hot", "multi_hot" or "count". adapt takes quantiles as Keras does: of some 1 / ``epsilon``
    values of the sorted data, between which it interpolates. Source: Hyndman and Fan, "Sample quantiles in statistical
    packages", The American Statistician 50, 1996.

    >>> Discretization([0.0, 1.0])([[-1.0, 0.0, 0.5, 3.0]]).tolist()
    [[0, 1, 1, 2]]
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(output_mode, sparse, **arguments)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError("Discretization: give bin_boundaries, or num_bins and call adapt")
        self.num_bins = None if num_bins is None else whole("Discretization: num_bins", num_bins, 1)
        self.epsilon = number("Discretization: epsilon", epsilon, above=0, below=1)
        self.bin_boundaries = None if bin_boundaries is None else _rising(bin_boundaries)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Takes the boundaries from data: an array, or batches of which ``steps`` are read."""
        if self.num_bins is None:
            raise ValueError("Discretization: it has bin_boundaries; make it with num_bins to adapt it")
        parts = [data] if isinstance(data, np.ndarray) or np.isscalar(np.ravel(data)[0]) else list(data)[:steps]
        summary = np.zeros((2, 0), dtype=np.float32)
        for part in parts:
            values = np.sort(np.asarray(part, dtype=np.float32).ravel())
            step = max(len(values) * self.epsilon, 1.0)
            chosen = values[int(step - 1) :: int(step)]
            summary = np.concatenate(
                [np.stack([chosen, np.full(len(chosen), step, dtype=np.float32)]), summary], axis=1
            )
            summary = _compressed(summary[:, np.argsort(summary[0])], self.epsilon)
        if not summary.size:
            raise ValueError("Discretization: adapt needs data, got none")
        self._adapted(bin_boundaries=_compressed(summary, 1 / self.num_bins)[0, :-1].tolist())

    def _edges(self) -> list[float]:
        if self.bin_boundaries is None:
            raise ValueError("Discretization has no boundaries yet: call adapt(data) first, or give bin_boundaries")
        return self.bin_boundaries

    def _categories(self, x: NDArray[Any]) -> NDArray[np.int64]:
        return np.digitize(x, self._edges()).astype(np.int64)

    def _size(self) -> int:
        return len(self._edges()) + 1

    def _encoding(self) -> dict[str, Any]:
        return {"edges": tuple(self._edges())}

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config if self.bin_boundaries is None else config | {"num_bins": None}


class _Lookup(_Categories):
    """What knows a vocabulary: its own, or that of ``adapt``, the most frequent first."""

    oov: ClassVar[Any]

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Iterable[Any] | None,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        **arguments: Any,
    ) -> None:
        name = type(self).__name__
        super().__init__(output_mode, sparse, **arguments)
        self.max_tokens = None if max_tokens is None else whole(f"{name}: max_tokens", max_tokens, 2)
        self.num_oov_indices = whole(f"{name}: num_oov_indices", num_oov_indices, 0)
        if self.num_oov_indices > 1:
            raise ValueError(f"{name}: num_oov_indices must be 0 or 1, got {num_oov_indices}: nothing is hashed here")
        self.mask_token, self.oov_token = mask_token, oov_token
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self.vocabulary = None if vocabulary is None else self._without_special(list(vocabulary))

    @property
    def _first(self) -> int:
        """The category of the first token."""
        return self.num_oov_indices + (self.mask_token is not None and self.output_mode == "int")

    def _without_special(self, tokens: list[Any]) -> list[Any]:
        special = [self.mask_token] * (self._first - self.num_oov_indices) + [self.oov_token] * self.num_oov_indices
        tokens = tokens[len(special) :] if special and tokens[: len(special)] == special else tokens
        tokens = [one.item() if isinstance(one, np.generic) else one for one in tokens]
        if len(set(tokens)) < len(tokens):
            raise ValueError(f"{type(self).__name__}: vocabulary has a token twice")
        return tokens

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Takes the tokens of an array, or of a list of them: the most frequent first, of equals the last first."""
        flat = np.concatenate([np.ravel(part) for part in data]) if isinstance(data, (list, tuple)) else np.ravel(data)
        tokens, counts = np.unique(flat, return_counts=True)
        special = [one for one in (self.mask_token, self.oov_token) if one is not None]
        kept = ~np.isin(tokens, special) if special else np.ones(len(tokens), dtype=bool)
        tokens, counts = tokens[kept], counts[kept]
        order = np.lexsort((tokens, counts))[::-1]
        most = None if self.max_tokens is None else self.max_tokens - self._first
        self._adapted(vocabulary=tokens[order][:most].tolist())

    def _tokens(self) -> list[Any]:
        if self.vocabulary is None:
            raise ValueError(f"{type(self).__name__} has no vocabulary yet: call adapt(data) first, or give one")
        return self.vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their categories; the mask and what is unknown come first."""
        special = [self.mask_token] * (self._first - self.num_oov_indices) + [self.oov_token] * self.num_oov_indices
        return [*(special if include_special_tokens else []), *self._tokens()]

    def vocabulary_size(self) -> int:
        """How many categories there are."""
        return len(self._tokens()) + self._first

    def _size(self) -> int:
        return self.max_tokens if self.pad_to_max_tokens and self.max_tokens else self.vocabulary_size()

    def _keys(self) -> dict[Any, int]:
        """The category of each token."""
        keys = {token: self._first + i for i, token in enumerate(self._tokens())}
        if self._first > self.num_oov_indices:
            keys[self.mask_token] = 0
        return keys

    def _categories(self, x: NDArray[Any]) -> NDArray[np.int64]:
        keys, other = self._keys(), self._first - 1 if self.num_oov_indices else -1
        tokens, where = np.unique(x, return_inverse=True)
        found = np.array([keys.get(token, other) for token in tokens.tolist()], dtype=np.int64)
        if (found < 0).any():
            raise ValueError(
                f"{type(self).__name__}: {tokens[found < 0][0].item()!r} is not in the vocabulary;"
                " num_oov_indices=1 gives it a category"
            )
        return found[where].reshape(x.shape)


class IntegerLookup(_Lookup):
    """The category of each whole number: its place in a vocabulary, behind one for all that are not in it.

    vocabulary: a list, or what ``adapt`` finds, the most frequent first, ``max_tokens`` at most. mask_token: a number
    whose category is 0, with output_mode "int". num_oov_indices: 1, or 0 where unknown numbers are refused; in a model
    they become NaN. As in Keras, without hashing, "tf_idf" and ``invert``. Source: Bishop, "Pattern recognition and
    machine learning", 2006, section 4.2 (1 of K coding).

    >>> layer = IntegerLookup()
    >>> layer.adapt([10, 10, 10, 7, 7, 3])
    >>> layer([[7, 10, 99]]).tolist(), layer.get_vocabulary()
    ([[2, 1, 0]], [-1, 10, 7, 3])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Iterable[int] | None = None,
        *,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            output_mode,
            sparse,
            pad_to_max_tokens,
            **arguments,
        )

    def _categories(self, x: NDArray[Any]) -> NDArray[np.int64]:
        return super()._categories(_whole_numbers("IntegerLookup", x))

    def _encoding(self) -> dict[str, Any]:
        keys = self._keys()
        order = sorted(keys)
        if order and max(abs(order[0]), abs(order[-1])) > MOST_IDS:
            raise ValueError(
                f"IntegerLookup: in a model numbers must lie within {MOST_IDS}, which float32 can count; call the layer"
                " on the data, and give the model what it answers"
            )
        other = self._first - 1 if self.num_oov_indices else -1
        return {"edges": tuple(map(float, order)), "codes": tuple(keys[one] for one in order), "other": other}


class StringLookup(_Lookup):
    """The category of each text; to be called on arrays of texts, before a model: models take numbers.

    The arguments are those of ``IntegerLookup``; mask_token and oov_token are texts. As in Keras. Source: Bishop,
    "Pattern recognition and machine learning", 2006, section 4.2 (1 of K coding).

    >>> StringLookup(vocabulary=["a", "b"])(["b", "x", "a"]).tolist()
    [2, 0, 1]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Iterable[str] | None = None,
        *,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            output_mode,
            sparse,
            pad_to_max_tokens,
            **arguments,
        )

    def _encoding(self) -> dict[str, Any]:
        raise TypeError(
            "StringLookup cannot be a layer of a model, which takes numbers: call it on the texts, x = lookup(texts),"
            " and give the model x"
        )


def _whole_numbers(name: str, x: NDArray[Any]) -> NDArray[np.int64]:
    if x.dtype.kind not in "iufb" or (x.dtype.kind == "f" and not (x == np.floor(x)).all()):
        raise ValueError(f"{name} takes whole numbers, got {x!r}")
    return x.astype(np.int64)


def _rising(given: Sequence[float]) -> list[float]:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (np.diff(values) < 0).any():
        raise ValueError(f"Discretization: bin_boundaries must be finite numbers that rise, got {given!r}")
    return [float(one) for one in values]


def _compressed(summary: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Values and how many each stands for, with one value for each share of the whole: interpolated."""
    if summary.shape[1] * share < 1:
        return summary
    places = share + np.arange(0.0, 1.0, share)
    reached = summary[1].cumsum()
    shares = reached / reached[-1]
    counts = np.interp(places, shares, reached)
    found = np.stack([np.interp(places, shares, summary[0]), np.diff(counts, prepend=0.0)])
    return found.astype(np.float32)
