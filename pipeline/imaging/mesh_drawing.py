"""The mesh and its regions of skin, drawn on the face for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from pipeline.imaging.face_mesh import OUTLINES
from pipeline.imaging.rotated_square import RotatedSquare

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float64]

SIDE: Final = 768
"""Pixels of the drawing's side."""
SHIFT: Final = 4
POINT, SEEN, LEFT_OUT = (80, 220, 120), (255, 210, 60), (150, 150, 150)
"""RGB of a mesh point, and of the outlines of regions that were cut or left out."""


def draw_mesh(picture: Pixels, square: RotatedSquare, points: Floats, cut: Iterable[str]) -> Pixels:
    """The face upright in the picture, (768, 768, 3), with its points [468,3] in the picture's pixels and the outlines."""
    view = RotatedSquare(square.x, square.y, square.side)
    drawn = view.cut(picture, SIDE)
    placed = (points[:, :2] - [view.x - view.side / 2, view.y - view.side / 2]) * (SIDE / view.side)
    at = np.round(np.clip(placed, -SIDE, 2 * SIDE) * 2**SHIFT).astype(np.int32)
    seen = frozenset(cut)
    for name, outline in OUTLINES.items():
        colour = SEEN if name in seen else LEFT_OUT
        cv2.polylines(drawn, [at[list(outline)]], True, colour, 2, cv2.LINE_AA, SHIFT)  # noqa: FBT003
    for x, y in at.tolist():
        cv2.circle(drawn, (x, y), 20, POINT, cv2.FILLED, cv2.LINE_AA, SHIFT)
    return drawn
