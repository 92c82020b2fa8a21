"""PatchCore (Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265).

Normal pictures are remembered as a thin selection of their patches; a picture is as strange as its strangest patch is
far from everything remembered. Plain NumPy: nothing is fitted but the choice of patches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.data import Floats

Wholes: TypeAlias = NDArray[np.int64]

NEIGHBOURS: Final = 9
"""Remembered patches around the nearest one that weigh a picture's score (the paper's b)."""
PROJECTED: Final = 32
"""Dimensions in which the selection measures distances: a random projection keeps them nearly."""
BLOCK: Final = 4096
"""Patches whose distances are worked out together."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Remembered patches [M,K], and how a patch's numbers are scaled [K] before they are compared."""

    bank: Floats
    scale: Floats
    around: Wholes
    """The `NEIGHBOURS` remembered patches nearest to each remembered one, itself the first: indices [M,B]."""

    @classmethod
    def of(cls, patches: Floats, size: int, seed: int, pool: int = 60_000) -> "Memory":
        """Choose at most `size` of the patches [P,K]; of more than `pool` a random share is looked at."""
        rng = np.random.default_rng(seed)
        if len(patches) > pool:
            patches = patches[np.sort(rng.choice(len(patches), pool, replace=False))]
        scale = (1 / (patches.std(axis=0) + 1e-3)).astype(np.float32)
        scaled = patches * scale
        seen = projected(scaled, rng)
        return cls.around_each(scaled[coreset(seen, size, int(rng.integers(len(seen))))], scale)

    @classmethod
    def around_each(cls, bank: Floats, scale: Floats) -> "Memory":
        """Of chosen patches, scaled already."""
        order = np.argsort(distances(bank, bank), axis=1, kind="stable")
        return cls(bank, scale, order[:, : min(NEIGHBOURS, len(bank))].astype(np.int64))


def projected(patches: Floats, rng: np.random.Generator) -> Floats:
    """The patches [P,K] in few dimensions by chance, or as they are where they have no more."""
    if patches.shape[1] <= PROJECTED:
        return patches
    directions = rng.standard_normal((patches.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
    return np.asarray(patches @ directions, np.float32)


def coreset(patches: Floats, size: int, first: int) -> list[int]:
    """Greedy k-centre: the `first`, then always the one that is farthest from all chosen."""
    lengths = np.einsum("ij,ij->i", patches, patches)
    chosen = [first]
    nearest = np.full(len(patches), np.inf, np.float32)
    while len(chosen) < min(size, len(patches)):
        last = chosen[-1]
        nearest = np.minimum(nearest, lengths - 2 * (patches @ patches[last]) + lengths[last])
        nearest[last] = -np.inf
        chosen.append(int(nearest.argmax()))
    return chosen


def distances(patches: Floats, bank: Floats) -> Floats:
    """Euclidean distances [P,M]."""
    squares = (patches**2).sum(axis=1)[:, None] - 2 * (patches @ bank.T) + (bank**2).sum(axis=1)[None]
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def blocks(patches: Floats) -> Iterator[Floats]:
    """A few thousand patches at a time."""
    for first in range(0, len(patches), BLOCK):
        yield patches[first : first + BLOCK]


def nearest(memory: Memory, features: Floats) -> tuple[Floats, Wholes]:
    """Distance to the nearest remembered patch and its index, both [N,h,w], of features [N,h,w,K]."""
    patches = features.reshape(-1, features.shape[-1]) * memory.scale
    found = [distances(block, memory.bank) for block in blocks(patches)]
    shape = features.shape[:3]
    least = np.concatenate([one.min(axis=1) for one in found]).reshape(shape)
    return least, np.concatenate([one.argmin(axis=1) for one in found]).reshape(shape)


def scores(memory: Memory, features: Floats) -> tuple[Floats, Floats]:
    """Anomaly map [N,h,w] and score [N] of features [N,h,w,K]; both are distances, 0 is known, no upper end.

    The score is the map's largest value times one minus the softmax that the nearest remembered patch has among its
    neighbours' distances: a patch near a lonely memory is stranger than one near a crowded place.
    """
    maps, which = nearest(memory, features)
    flat, indices = maps.reshape(len(maps), -1), which.reshape(len(maps), -1)
    top = flat.argmax(axis=1)
    rows = np.arange(len(maps))
    patches = features.reshape(len(maps), -1, features.shape[-1])[rows, top] * memory.scale
    crowd = memory.bank[memory.around[indices[rows, top]]]
    away = np.linalg.norm(crowd - patches[:, None], axis=2)
    share = np.exp(away - away.max(axis=1, keepdims=True))
    weight = 1 - share[:, 0] / share.sum(axis=1)
    return maps, (flat[rows, top] * weight).astype(np.float32)


def threshold(normal_scores: Floats, share: float = 0.95) -> float:
    """The score that `share` of normal pictures stay below."""
    return float(np.quantile(normal_scores, share))
