"""Pairs of pictures that look alike, among many, by their perceptual hashes: no picture is compared with all others.

Of two hashes that differ in at most n bits, at least one of n + 1 parts is equal (the pigeonhole principle, as in
multi-index hashing, Norouzi et al. 2012). So only pictures with an equal part are compared. For 100,000 hashes spread
evenly that is one pair in 70 at distance 6; the work still grows with the square where many pictures look alike.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 64
FARTHEST = 12
"""Greatest distance that is asked for; beyond it different pictures are taken for alike."""
KEPT = 50
"""Pairs that are named, the nearest first; all are counted."""
_BLOCK = 4_000_000
"""Comparisons at once, 8 bytes each."""

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alike:
    """What was found: how many pairs and pictures in them, and the nearest pairs as (first, second, distance).

    Pictures of one and the same hash are paired with the first of them only.
    """

    pairs: int
    pictures: int
    nearest: list[tuple[int, int, int]]


def alike(hashes: Hashes, most: int) -> Alike:
    """Pairs of positions in `hashes` whose hashes differ in at most `most` of 64 bits (0 to 12)."""
    if not len(hashes):
        return Alike(0, 0, [])
    different, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    position = np.arange(len(hashes))
    again = np.flatnonzero(first[which] != position)
    found = len(again)
    in_pairs = np.zeros(len(hashes), bool)
    in_pairs[again] = in_pairs[first[which[again]]] = True
    nearest = [(0, int(first[which[place]]), int(place)) for place in again[:KEPT]]
    for one, two, apart in _pairs(different, most):
        found += len(one)
        in_pairs[first[one]] = in_pairs[first[two]] = True
        order = np.argsort(apart, kind="stable")[:KEPT]
        rows = zip(apart[order], first[one[order]], first[two[order]], strict=True)
        told = [(int(d), int(min(a, b)), int(max(a, b))) for d, a, b in rows]
        nearest = heapq.nsmallest(KEPT, [*nearest, *told])
    return Alike(found, int(in_pairs.sum()), [(a, b, d) for d, a, b in sorted(nearest)])


def _pairs(hashes: Hashes, most: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Pairs within reach among different hashes, each once, in blocks: positions of both, and their distances."""
    keys = _parts(hashes, most + 1)
    for number, key in enumerate(keys):
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[order])) + 1
        for bucket in np.split(order, edges):
            for one, two, apart in _within(hashes, bucket, most):
                earlier = np.zeros(len(one), bool)
                for before in keys[:number]:
                    earlier |= before[one] == before[two]
                if not earlier.all():
                    yield one[~earlier], two[~earlier], apart[~earlier]


def _parts(hashes: Hashes, number: int) -> list[Hashes]:
    """The hashes cut into so many parts of nearly equal width."""
    edges = np.linspace(0, BITS, number + 1).astype(int)
    return [
        (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1) for low, high in itertools.pairwise(edges)
    ]


def _within(hashes: Hashes, bucket: Numbers, most: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """All pairs of a bucket that are within reach, a block of rows at a time."""
    rows = max(1, _BLOCK // len(bucket))
    for start in range(0, len(bucket) - 1, rows):
        upper, others = bucket[start : start + rows], bucket[start:]
        apart = np.bitwise_count(hashes[upper][:, None] ^ hashes[others][None, :])
        one, two = np.nonzero(apart <= most)
        later = two > one
        one, two = one[later], two[later]
        if len(one):
            yield upper[one], others[two], apart[one, two].astype(np.int64)
