"""The counter-based generator, as NumPy: the twin of ``kernels/philox.h`` and of ``machine.permutation``.

Number i of a stream under a seed is a pure function of (seed, stream, i). There is no state: a resumed run needs the
counters only, and no result depends on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def words(seed: int, stream: int, n: int) -> NDArray[np.uint32]:
    """The first n 32-bit words of a stream, by Philox4x32-10.

    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    >>> [hex(word) for word in words(seed=0, stream=0, n=4)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    block = np.arange((n + 3) // 4, dtype=np.uint64)
    return _philox(seed, stream, block & _LOW, block >> _32).ravel()[:n]


def _philox(seed: int, stream: int, c0: NDArray[np.uint64], c1: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Ten rounds on the counters (c0, c1, stream): array (*shape, 4)."""
    c2, c3 = np.full_like(c0, stream & 0xFFFFFFFF), np.full_like(c0, stream >> 32)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ np.uint64(k0), p1 & _LOW, (p0 >> _32) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def permutation(seed: int, stream: int, n: int) -> NDArray[np.int64]:
    """A random order of 0 .. n-1: the shuffle of Fisher and Yates, as Durstenfeld (1964) wrote it.

    >>> permutation(seed=1, stream=0, n=5).tolist()
    [0, 1, 3, 2, 4]
    """
    order = np.arange(n, dtype=np.int64)
    if n < 2:
        return order
    low, high = words(seed, stream, 2 * (n - 1)).astype(np.uint64).reshape(-1, 2).T
    bound = np.arange(n, 1, -1, dtype=np.uint64)
    other = (high * bound + ((low * bound) >> _32)) >> _32  # a 64-bit fraction times the bound, high part
    for i, j in zip(range(n - 1, 0, -1), other.tolist(), strict=True):
        order[i], order[j] = order[j], order[i]
    return order


def matrix(seed: int, stream: int, rows: int, columns: int, first: int = 0) -> NDArray[np.uint32]:
    """Words for the numbers of a batch from row ``first`` on: element (r, c) takes word c % 4 of block (c // 4, r)."""
    quarters = np.arange((columns + 3) // 4, dtype=np.uint64)
    row, quarter = np.meshgrid(np.arange(first, first + rows, dtype=np.uint64), quarters, indexing="ij")
    return _philox(seed, stream, quarter, row).reshape(rows, 4 * len(quarters))[:, :columns]


def normals(seed: int, stream: int, rows: int, columns: int, width: int, first: int = 0) -> NDArray[np.float64]:
    """Normal numbers for a batch, by pairs of words half a panel apart (Box and Muller 1958)."""
    padded = -(-columns // width) * width
    pairs = matrix(seed, stream, rows, padded, first).reshape(rows, -1, 2, width // 2)
    u = np.minimum((pairs[:, :, 0] + 0.5) * 2.0**-32, 1)
    angle = pairs[:, :, 1].astype(np.int32) * (np.pi * 2.0**-31)
    radius = np.sqrt(-2 * np.log(u))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(rows, padded)[:, :columns]
