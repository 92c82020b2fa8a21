"""Where the mesh is fitted and which of its points outline which skin. ``docs/face_mesh.md`` shows the outlines.

The numbers are those of Face Mesh's 468 points (Kartynnik et al. 2019, arXiv:1907.06724). Left is left in the picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from pipeline.imaging.rotated_square import RotatedSquare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.contracts import BoundingBox

    Floats: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]
    Point: TypeAlias = tuple[float, float]

WIDER: Final = 1.5
"""The mesh's square is this many times the detected box, which reaches from brows to chin only."""
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
"""Corners of the eyes."""

SHIFT: Final = 4
"""Binary digits after the point that OpenCV's polygons are given."""

GRID: Final = 64
"""Points a side at which a polygon is looked at, however large it is."""

OUTLINES: Final[Mapping[str, tuple[int, ...]]] = {
    "forehead": (103, 67, 109, 10, 338, 297, 332, 333, 299, 337, 9, 108, 69, 104),
    "left_under_eye": (110, 24, 23, 22, 26, 232, 231, 230, 229, 228),
    "right_under_eye": (448, 449, 450, 451, 452, 256, 252, 253, 254, 339),
    "left_cheek": (117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123),
    "right_cheek": (352, 376, 411, 427, 426, 423, 371, 329, 348, 347, 346),
    "nose": (168, 417, 456, 420, 279, 278, 294, 327, 326, 2, 97, 98, 64, 48, 49, 198, 236, 193),
    "chin": (201, 83, 18, 313, 421, 418, 262, 369, 377, 152, 148, 140, 32, 194),
}
"""Region of skin → the mesh points around it, clockwise in the picture of a face that looks at the camera."""


def mesh_square(box: BoundingBox, points: Mapping[str, Point]) -> RotatedSquare:
    """What the mesh network wants to see: about the detected box, half as large again, turned until the eyes are level."""
    (x0, y0), (x1, y1) = points["left_eye"], points["right_eye"]
    return RotatedSquare(*box.centre, WIDER * max(box.width, box.height), math.atan2(y1 - y0, x1 - x0))


def eye_distance(points: Floats) -> float:
    """Between the centres of the eyes, in the points' unit, from [468, 2 or 3]; depth does not count."""
    left, right = (points[list(corners), :2].mean(axis=0) for corners in (LEFT_EYE, RIGHT_EYE))
    return float(np.hypot(*(right - left)))


def facing(outline: Floats) -> float:
    """How squarely a patch [K,3] faces the camera: 1 fully, 0 edge-on, below 0 turned away.

    It is the z part of the patch's mean normal (Newell's method): its area as seen over its area in space.
    """
    ahead = np.roll(outline, -1, axis=0)
    normal = np.cross(outline, ahead).sum(axis=0)
    length = float(np.linalg.norm(normal))
    return float(normal[2]) / length if length > 0 else 0.0


def filled(outline: Floats, height: int, width: int) -> Mask:
    """The pixels (height, width) that a polygon [K,2 or 3] covers or touches, in pixels; it may leave the picture."""
    shifted = np.round(outline[:, :2] * 2**SHIFT).astype(np.int32)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [shifted], 1, shift=SHIFT)
    return mask.astype(bool)


def beyond(outline: Floats, height: int, width: int) -> float:
    """Share of a polygon's area [K,2 or 3], in pixels, that lies beyond the edge of a picture; 0..1, to some 2 %."""
    low, high = outline[:, :2].min(axis=0), outline[:, :2].max(axis=0)
    span = np.maximum(high - low, 1e-9)
    mask = filled((outline[:, :2] - low) / span * (GRID - 1), GRID, GRID)
    columns, rows = (low + span * np.linspace(0, 1, GRID)[:, None]).T
    seen = np.outer(np.abs(rows - (height - 1) / 2) <= height / 2, np.abs(columns - (width - 1) / 2) <= width / 2)
    return 1 - float((mask & seen).sum()) / float(mask.sum())
