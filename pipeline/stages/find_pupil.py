"""Where is the pupil, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from pipeline.contracts import BoundingBox
from pipeline.imaging.crop import PixelBox, cut
from pipeline.imaging.pupil import find_pupil
from pipeline.imaging.render import shrunk
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

UNCLEAR: Final = "PUPIL_UNCLEAR"
"""A warning, no failure: a ripe cataract, a lid or a flash may hide a pupil, and no network here is given its crop."""
AROUND: Final = 2.5
"""Side of the crop, in diameters."""
LONGEST: Final = 640


@dataclass(frozen=True, kw_only=True)
class FindPupil(Stage):
    """A circle whose quality is below ``least`` is told as none; no pupil is ever made up in the middle of a picture."""

    kind: ClassVar = "find_pupil"

    needs: tuple[str, ...] = ("decode_image",)
    least: float = 0.6

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{pupil, quality, least, method, code}`` and, of a pupil, the artifact ``crop_pupil`` (for people).

        ``pupil``: ``{x, y, radius, box}`` in pixels, or null with ``code`` PUPIL_UNCLEAR. ``quality`` 0..1 is that of the
        best circle, 0 without one; ``method`` "hough", "dark_blob" or null says how its centre was found.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        picture = item.needs["decode_image"].picture("canonical")
        best = find_pupil(picture)
        told: dict[str, Json] = {
            "pupil": None,
            "quality": best.quality if best else 0.0,
            "least": self.least,
            "method": best.method if best else None,
            "code": UNCLEAR,
        }
        if best is None or best.quality < self.least:
            return StageOutput(rounded(told))
        side = 2 * best.radius
        box = BoundingBox(best.x - best.radius, best.y - best.radius, side, side)
        told |= {"code": None, "pupil": {"x": best.x, "y": best.y, "radius": best.radius, "box": _fields(box)}}
        around = PixelBox(*(round(value) for value in (box.x, box.y, side, side))).grown(AROUND)
        crop = np.ascontiguousarray(cut(picture, around.within(*picture.shape[:2])))
        return StageOutput(rounded(told), {"crop_pupil": Picture(shrunk(crop, LONGEST), lossless=False)})


def _fields(box: BoundingBox) -> dict[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
