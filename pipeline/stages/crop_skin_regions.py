"""Cut the face, and its regions of skin along the mesh, out of the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import RegionOutsideImage, RegionTooSmall, RegionTurnedAway
from pipeline.imaging.crop import PixelBox, cut, on_grey
from pipeline.imaging.face_mesh import OUTLINES, beyond, facing, filled
from pipeline.models.tensors import squash
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.models.base import Pixels

FACE: Final = "face"
SIDE: Final = 224
"""Pixels of the face crop's side."""


@dataclass(frozen=True, kw_only=True)
class CropSkinRegions(Stage):
    """The whole face as a square, for networks; each of ``regions`` as the skin inside its outline, for measures.

    Left out, with a code, is a region of which more than ``most_outside`` (share of its area) lies beyond the edge,
    which faces the camera less than ``least_facing`` (cosine of the angle, 1: fully), or has fewer than
    ``least_pixels``. Hair, beards, glasses and hands are not seen: a mesh goes on behind them.
    """

    kind: ClassVar = "crop_skin_regions"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "detect_face_mesh")
    regions: tuple[str, ...] = tuple(OUTLINES)
    most_outside: float = 0.25
    least_facing: float = 0.35
    least_pixels: int = 100

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{eye_distance, regions: {name: {box, visible, outside, inside, code?, …}}}``, artifacts ``crop_<name>``.

        ``box`` is in whole pixels of the canonical picture, ``visible`` the part of it that is picture. ``crop_face`` is
        RGB, 224 × 224, and has a ``scale``, its side in eye distances. Another crop is RGBA in the picture's own pixels,
        of the size of ``visible``; alpha 0 is beside the outline. It has ``facing`` and ``pixels``, those inside.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        picture, mesh = item.needs["decode_image"].picture("canonical"), item.needs["detect_face_mesh"].data
        points = np.array(mesh["points"], np.float64)
        regions: dict[str, Json] = {}
        crops: dict[str, Picture] = {}
        regions[FACE], face = self._face(picture, points, mesh["eye_distance"])
        if regions[FACE]["inside"]:
            crops[f"crop_{FACE}"] = Picture(face)
        for name in self.regions:
            regions[name], crop = self._region(picture, points[list(OUTLINES[name])])
            if regions[name]["inside"]:
                crops[f"crop_{name}"] = Picture(crop)
        return StageOutput(rounded({"eye_distance": mesh["eye_distance"], "regions": regions}), crops)

    def _face(self, picture: Pixels, points: NDArray[np.float64], apart: float) -> tuple[dict[str, Json], Pixels]:
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        (x, y), side = ((low + high) / 2).tolist(), float((high - low).max())
        box = PixelBox.square(x, y, side)
        part = box.within(*picture.shape[:2])
        outside = 1 - part.area / box.area
        whole = on_grey(cut(picture, box), (box.height, box.width), part.x - box.x, part.y - box.y)
        told = _told(box, part, outside, RegionOutsideImage.code if outside > self.most_outside else None)
        return {**told, "scale": box.width / apart}, squash(whole, (SIDE, SIDE))

    def _region(self, picture: Pixels, outline: NDArray[np.float64]) -> tuple[dict[str, Json], Pixels]:
        box = _around(outline)
        part = box.within(*picture.shape[:2])
        mask = filled(outline - [part.x, part.y, 0], part.height, part.width)
        outside, towards, pixels = beyond(outline, *picture.shape[:2]), facing(outline), int(mask.sum())
        code = None
        if outside > self.most_outside:
            code = RegionOutsideImage.code
        elif towards < self.least_facing:
            code = RegionTurnedAway.code
        elif pixels < self.least_pixels:
            code = RegionTooSmall.code
        crop = np.dstack([cut(picture, part), mask.astype(np.uint8) * 255])
        return {**_told(box, part, outside, code), "facing": towards, "pixels": pixels}, crop


def _around(outline: NDArray[np.float64]) -> PixelBox:
    """The whole pixels that an outline touches."""
    left, top = (int(value) for value in np.floor(outline[:, :2].min(axis=0)))
    right, bottom = (int(value) for value in np.ceil(outline[:, :2].max(axis=0)))
    return PixelBox(left, top, max(1, right - left), max(1, bottom - top))


def _told(box: PixelBox, part: PixelBox, outside: float, code: str | None) -> Mapping[str, Json]:
    told = {"box": box.as_data(), "visible": part.as_data(), "outside": outside, "inside": code is None}
    return told if code is None else {**told, "code": code}
