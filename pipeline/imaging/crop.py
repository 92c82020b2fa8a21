"""Boxes of whole pixels, and what of them is picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]

GREY: Final = 114
"""What networks are shown where there is no picture; the same as in training. It never counts as picture."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """Top-left corner and size in whole pixels of a picture; may reach beyond its edges."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def square(cls, x: float, y: float, side: float) -> PixelBox:
        """The square about a point, to the nearest pixel, at least one pixel large."""
        whole = max(1, round(side))
        return cls(round(x - whole / 2), round(y - whole / 2), whole, whole)

    def grown(self, factor: float) -> PixelBox:
        """The square about the same centre, with sides this many times the longer one of this box."""
        centre = self.x + self.width / 2, self.y + self.height / 2
        return PixelBox.square(*centre, factor * max(self.width, self.height))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PixelBox:
        """Back from ``as_data``."""
        return cls(**data)

    def as_data(self) -> dict[str, int]:
        return asdict(self)

    @property
    def area(self) -> int:
        return self.width * self.height

    def within(self, height: int, width: int) -> PixelBox:
        """The part inside a picture of this size; of width or height 0 when there is none."""
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        return PixelBox(left, top, max(0, right - left), max(0, bottom - top))


def cut(picture: Pixels, box: PixelBox) -> Pixels:
    """A copy of what the picture (h, w, c) shows inside the box: smaller than the box where it reaches beyond."""
    part = box.within(*picture.shape[:2])
    return picture[part.y : part.y + part.height, part.x : part.x + part.width].copy()


def on_grey(part: Pixels, size: tuple[int, int], x: int, y: int) -> Pixels:
    """A part (h, w, 3) laid at (x, y) on a grey canvas of ``size`` (height, width)."""
    canvas = np.full((*size, part.shape[2]), GREY, np.uint8)
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas
