"""A tilted square of a picture, what it shows, and the way back from its own units to the picture's pixels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RotatedSquare:
    """Centre and side in pixels of a picture, and ``angle`` in radians: how far its x axis is turned, clockwise.

    It may reach beyond the picture. A whole number is the centre of a pixel, as OpenCV and Face Mesh's makers count.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, height: int, width: int) -> RotatedSquare:
        """The smallest upright square about a whole picture, with its centre: a letterbox."""
        return cls(width / 2, height / 2, float(max(height, width)))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> RotatedSquare:
        """Back from ``as_data``."""
        return cls(**data)

    def as_data(self) -> dict[str, float]:
        return asdict(self)

    def to_picture(self, points: Floats) -> Floats:
        """Points [..., 2 or more] as x, y in units of the square (0..1 inside) to pixels; a depth only changes unit."""
        cos, sin = math.cos(self.angle) * self.side, math.sin(self.angle) * self.side
        moved = np.asarray(points, np.float64) - np.array([0.5, 0.5, *[0.0] * (points.shape[-1] - 2)])
        placed = moved * self.side
        placed[..., 0] = moved[..., 0] * cos - moved[..., 1] * sin + self.x
        placed[..., 1] = moved[..., 0] * sin + moved[..., 1] * cos + self.y
        return np.asarray(placed)

    def cut(self, picture: Pixels, size: int, *, extend: bool = False) -> Pixels:
        """What the picture (h, w, 3) shows in the square, bilinear, (size, size, 3).

        Beyond the edge it is black, or with ``extend`` the edge's own pixels go on.
        """
        corners = self.to_picture(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).astype(np.float32)
        targets = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
        to_square = cv2.getPerspectiveTransform(corners, targets)
        border = cv2.BORDER_REPLICATE if extend else cv2.BORDER_CONSTANT
        return np.asarray(cv2.warpPerspective(picture, to_square, (size, size), borderMode=border), np.uint8)
