"""Boxes from a single-shot detector's raw numbers: anchors, decoding, and suppression by weighted mean.

After SSD (Liu et al. 2016, arXiv:1512.02325) as BlazeFace uses it (Bazarevsky et al. 2019, arXiv:1907.05047): anchors
are points without a size of their own, every box comes with keypoints, and boxes that overlap are averaged by their
scores instead of thrown away, which steadies them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

SHORT_RANGE: Final = ((8, 2), (16, 6))
"""(stride in pixels, anchors a cell) of the network for faces within some 2 m: 16² × 2 + 8² × 6 = 896 at 128 pixels."""
FULL_RANGE: Final = ((4, 1),)
"""The same of the network for faces within some 5 m: 48² = 2,304 at 192 pixels."""
LARGEST_LOGIT: Final = 100.0


@cache
def anchors(size: int, grids: tuple[tuple[int, int], ...]) -> Floats:
    """Centres [A,2] of all cells as x, y in 0..1, row by row, each as often as its grid has anchors a cell."""
    found = []
    for stride, times in grids:
        cells = size // stride
        rows, columns = np.divmod(np.arange(cells * cells), cells)
        centres = (np.stack([columns, rows], axis=1) + 0.5) / cells
        found.append(np.repeat(centres, times, axis=0))
    stacked = np.concatenate(found)
    stacked.flags.writeable = False
    return stacked


def decode(raw: NDArray[Any], centres: Floats, size: int) -> Floats:
    """Raw numbers [A,4+2K] in input pixels to boxes and keypoints [A,4+2K] in 0..1.

    In: centre x, y and width, height, then x, y of K keypoints, all centres relative to the anchor. Out: left, top,
    right, bottom, then the keypoints.
    """
    values = np.asarray(raw, np.float64) / size
    middle, half = values[:, :2] + centres, values[:, 2:4] / 2
    points = values[:, 4:] + np.tile(centres, (values.shape[1] - 4) // 2)
    return np.concatenate([middle - half, middle + half, points], axis=1)


def sigmoid(logits: NDArray[Any]) -> Floats:
    """Chances in 0..1; logits beyond ±100 count as that."""
    clipped = np.clip(np.asarray(logits, np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
    return np.asarray(1 / (1 + np.exp(-clipped)))


def weighted_suppression(boxes: Floats, scores: Floats, most_overlap: float) -> tuple[Floats, Floats]:
    """Boxes [A,4+2K] (left, top, right, bottom, keypoints) and scores [A], both best first, one for each object.

    The best box and all that overlap it by more (IoU, 0..1) become one: their mean, weighted by score, with the best
    score. Then the same with what is left. Of equal scores the earlier anchor goes first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    merged, best = [], []
    left = np.arange(len(boxes))
    while len(left):
        # A box of no area overlaps nothing, not even itself, so it stands alone.
        same = overlaps(boxes[left[0]], boxes[left]) > most_overlap
        same[0] = True
        group = left[same]
        merged.append(np.average(boxes[group], axis=0, weights=scores[group]))
        best.append(scores[left[0]])
        left = left[~same]
    return _stacked(merged, boxes.shape[1]), np.array(best, np.float64)


def overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union [A] of a box [4+] with others [A,4+], by left, top, right, bottom; 0 without any area."""
    shared = np.minimum(box[2:4], others[:, 2:4]) - np.maximum(box[:2], others[:, :2])
    both = np.maximum(shared, 0).prod(axis=1)
    area = np.maximum(box[2:4] - box[:2], 0).prod()
    union = area + np.maximum(others[:, 2:4] - others[:, :2], 0).prod(axis=1) - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0))


def _stacked(rows: Sequence[Floats], width: int) -> Floats:
    return np.stack(rows) if rows else np.empty((0, width))
