"""Cut the regions of interest out of the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from pipeline.contracts import Queue
from pipeline.errors import RegionOutsideImage
from pipeline.imaging.crop import PixelBox, cut, on_grey
from pipeline.models.tensors import squash
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.models.base import Pixels

SIDE: Final = 224
"""Pixels of a crop's side."""
MOST_OUTSIDE: Final = 0.25
"""Share of a region's area that may lie beyond the picture's edge, unless ``allowances`` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class CropRegions(Stage):
    """A square about each landmark in ``scales``: region → side in distances between the eyes.

    A region is left out when its landmark, or more of its area than ``allowances`` grants it, lies beyond the
    picture's edge. What little may be missing is grey in the crop, and ``visible`` says which part is picture.
    """

    kind: ClassVar = "crop_regions"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "detect_landmarks")
    scales: Mapping[str, float]
    allowances: Mapping[str, float] = field(default_factory=dict)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{regions: {name: {box, visible, outside, scale, inside, code?}}}``; artifacts ``crop_<name>`` (224 × 224).

        Boxes are whole pixels of the canonical picture. ``visible`` is the part of ``box`` that is picture, ``outside``
        the share of its area that is not.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        picture = item.needs["decode_image"].picture("canonical")
        points = item.needs["detect_landmarks"].data["points"]
        left, right = points["left_eye"], points["right_eye"]
        apart = math.hypot(right["x"] - left["x"], right["y"] - left["y"])
        regions: dict[str, Json] = {}
        crops: dict[str, Picture] = {}
        for name, scale in self.scales.items():
            box = PixelBox.square(points[name]["x"], points[name]["y"], scale * apart)
            part = box.within(*picture.shape[:2])
            regions[name] = {**self._placed(name, points[name], box, part, picture), "scale": scale}
            if regions[name]["inside"]:
                crops[f"crop_{name}"] = Picture(_crop(picture, box, part))
        return StageOutput(rounded({"regions": regions}), crops)

    def _placed(
        self, name: str, point: Mapping[str, float], box: PixelBox, part: PixelBox, picture: Pixels
    ) -> dict[str, Json]:
        height, width = picture.shape[:2]
        outside = 1 - part.area / box.area
        seen = 0 <= point["x"] < width and 0 <= point["y"] < height
        inside = seen and outside <= self.allowances.get(name, MOST_OUTSIDE) + 1e-9
        told = {"box": box.as_data(), "visible": part.as_data(), "outside": outside, "inside": inside}
        return told if inside else {**told, "code": RegionOutsideImage.code}


def _crop(picture: Pixels, box: PixelBox, part: PixelBox) -> Pixels:
    whole = on_grey(cut(picture, box), (box.height, box.width), part.x - box.x, part.y - box.y)
    return squash(whole, (SIDE, SIDE))
