"""A coarse map of distances made smooth, and the boxes around what stands out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from pipeline.contracts import BoundingBox

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Map: TypeAlias = NDArray[np.float32]
    Pixels: TypeAlias = NDArray[np.uint8]

SIDE: Final = 224
"""Side of a smooth map, whatever the picture's shape; boxes are no finer than this."""
SIGMA: Final = 4.0
"""Of the Gauss filter in its pixels: as in PatchCore (Roth et al. 2022, arXiv:2106.08265, section 3.3)."""


@dataclass(frozen=True)
class Spot:
    """A connected part of a map above the limit: its box in pixels of the picture, and its largest distance."""

    box: BoundingBox
    peak: float


def smooth(distances: NDArray[Any], *, already: bool = False) -> Map:
    """A map [h,w] of any size as [224,224]: bilinear, then a Gauss filter unless it went through one ``already``."""
    grown = cv2.resize(np.asarray(distances, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown if already else cv2.GaussianBlur(grown, (0, 0), SIGMA), np.float32)


def spots(heat: Map, limit: float, width: int, height: int, *, tight: float, least: float) -> tuple[list[Spot], Pixels]:
    """Connected parts of a smooth map that are above ``limit``, the strangest first, and their mask [224,224] of 0 and 255.

    A patch sees its surroundings, so what is odd spreads in the map: the box and the mask hold only what lies above
    the limit by at least ``tight`` (0..1) of what the part's peak does. Parts of less than ``least`` of the map's area
    above the limit are left out. ``width``, ``height``: the picture's, in whose pixels boxes are.
    """
    count, marks, sizes, _ = cv2.connectedComponentsWithStats((heat >= limit).astype(np.uint8), connectivity=8)
    mask, found = np.zeros(heat.shape, np.uint8), []
    for number in range(1, count):
        if sizes[number, cv2.CC_STAT_AREA] < least * heat.size:
            continue
        peak = float(heat[marks == number].max())
        inside = (marks == number) & (heat >= limit + tight * (peak - limit))
        mask[inside] = 255
        found.append(Spot(_box(inside, width / heat.shape[1], height / heat.shape[0]), peak))
    return sorted(found, key=lambda spot: -spot.peak), mask


def _box(inside: NDArray[np.bool_], across: float, down: float) -> BoundingBox:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    left, top = float(columns[0]), float(rows[0])
    right, bottom = float(columns[-1] + 1), float(rows[-1] + 1)
    return BoundingBox(left * across, top * down, (right - left) * across, (bottom - top) * down)
