"""The counter-based generator: known answers, both twins, and whether a permutation is a fair one."""

from collections import Counter
from itertools import permutations
from math import cos, log, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn._core import machine
from fastnn.basics import counter

ONES = (1 << 32) - 1
WORD = st.integers(0, (1 << 64) - 1)


def philox(block, key):
    """Philox4x32-10 of four counter words and two key words, as the paper writes it, in whole numbers."""
    (c0, c1, c2, c3), (k0, k1) = block, key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & ONES, p0 >> 32 ^ c3 ^ k1, p0 & ONES
        k0, k1 = k0 + 0x9E3779B9 & ONES, k1 + 0xBB67AE85 & ONES
    return [c0, c1, c2, c3]


# Random123's file kat_vectors: counter, key, answer.
KNOWN = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("block", "key", "answer"), KNOWN)
def test_known_answers(block, key, answer):
    """The library's streams begin at block 0, so an oracle must answer for the other blocks first."""
    assert philox(block, key) == answer


@pytest.mark.parametrize("words", [machine.random_words, counter.words])
def test_first_known_answer(words):
    """Counter and key of zeros, from the library itself."""
    assert words(0, 0, 4).tolist() == KNOWN[0][2]


@pytest.mark.parametrize("words", [machine.random_words, counter.words])
@given(seed=WORD, stream=WORD, n=st.integers(0, 41))
def test_words(words, seed, stream, n):
    """The block is the counter's low half, the stream its high half, the seed the key."""
    halves = [(x & ONES, x >> 32) for x in (stream, seed)]
    expected = [word for block in range((n + 3) // 4) for word in philox([block, 0, *halves[0]], halves[1])][:n]
    assert words(seed, stream, n).tolist() == expected
    assert words(seed, stream, n).dtype == np.uint32


@given(seed=WORD, stream=WORD, n=st.integers(0, 300))
def test_permutation(seed, stream, n):
    """Both twins give one order, and it holds each number once."""
    order = machine.permutation(seed, stream, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    np.testing.assert_array_equal(order, counter.permutation(seed, stream, n))


def test_permutation_beyond_a_cache():
    """As long as a real data set."""
    order = machine.permutation(7, 3, 100_003)
    np.testing.assert_array_equal(order, counter.permutation(7, 3, 100_003))
    assert (np.bincount(order) == 1).all()


def test_permutations_differ():
    """Seeds and streams are kept apart, also in their high halves."""
    keys = [(seed, stream) for seed in (0, 1, 1 << 32, 1 << 63) for stream in (0, 1, 1 << 32, 1 << 63)]
    assert len({tuple(machine.permutation(seed, stream, 30)) for seed, stream in keys}) == len(keys)


@given(seed=WORD, stream=WORD, rows=st.integers(1, 5), columns=st.integers(1, 20))
def test_matrix(seed, stream, rows, columns):
    """Element (r, c) is word c % 4 of block (c // 4, r): no element depends on how many others there are."""
    key = [seed & ONES, seed >> 32]
    expected = [
        [philox([c // 4, r, stream & ONES, stream >> 32], key)[c % 4] for c in range(columns)] for r in range(rows)
    ]
    found = counter.matrix(seed, stream, rows, columns)
    assert found.dtype == np.uint32
    assert found.tolist() == expected


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("columns", [1, 7, 8, 17, 40])
def test_normals(width, columns):
    """Box and Muller's pairs half a panel apart: sqrt(-2 log u) of the cosine and the sine of 2 pi v."""
    words = counter.matrix(3, 4, 6, 3 * 16 * columns)
    found = counter.normals(3, 4, 6, columns, width)
    assert found.shape == (6, columns)
    for r in range(6):
        for c in range(columns):
            first = c - c % width + c % (width // 2)
            u, v = (int(words[r, first]) + 0.5) / 2**32, int(words[r, first + width // 2]) / 2**32
            turn = cos if c % width < width // 2 else sin
            assert found[r, c] == pytest.approx(sqrt(-2 * log(u)) * turn(2 * pi * v), rel=1e-13, abs=1e-14)


def chi_square(counts, expected):
    """Sum of (count - expected)^2 / expected."""
    return float(((np.asarray(counts) - expected) ** 2 / expected).sum())


def test_all_orders_are_equally_likely():
    """The 24 orders of four; with 23 degrees of freedom one run in 10 000 exceeds 56. The seed is fixed."""
    seen = Counter(tuple(machine.permutation(5, stream, 4).tolist()) for stream in range(24_000))
    assert set(seen) == set(permutations(range(4)))
    assert chi_square(list(seen.values()), 1000) < 56


@pytest.mark.parametrize("n", [2, 3, 7, 11])
def test_each_number_reaches_each_place(n):
    """(n - 1)^2 degrees of freedom; 4 deviations of the normal approximation, 6 more for the small ones' long tails."""
    orders = np.array([machine.permutation(11, stream, n) for stream in range(20_000)])
    counts = [np.bincount(orders[:, place], minlength=n) for place in range(n)]
    freedom = (n - 1) ** 2
    assert chi_square(counts, len(orders) / n) < freedom + 4 * np.sqrt(2 * freedom) + 6


def test_words_are_uniform():
    """Each byte of the words, 255 degrees of freedom: fewer than one run in 10 000 leaves these bounds."""
    words = machine.random_words(1, 2, 100_000)
    for byte in words.view(np.uint8).reshape(-1, 4).T:
        assert 180 < chi_square(np.bincount(byte, minlength=256), len(words) / 256) < 347


@pytest.mark.parametrize("n", [-1, 1 << 32])
def test_permutation_refuses(n):
    """Lengths that 32 random bits cannot serve."""
    with pytest.raises(ValueError, match="n must lie in"):
        machine.permutation(0, 0, n)
