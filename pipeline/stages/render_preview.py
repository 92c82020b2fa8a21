"""One picture for people: the face's box, the landmarks and the regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pipeline.contracts import BoundingBox
from pipeline.imaging.render import Mark, draw_preview, on_white
from pipeline.models.tensors import squash
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.stage import Pixels

LONGEST: Final = 1280
"""Pixels of a preview's longer side at most."""


@dataclass(frozen=True, kw_only=True)
class RenderPreview(Stage):
    """Drawn on what the face was found on: the cut-out before white, or the whole picture.

    Regions that were left out are not drawn.
    """

    kind: ClassVar = "render_preview"

    needs: tuple[str, ...] = ("decode_image", "detect_face")
    optional: tuple[str, ...] = ("remove_background", "detect_landmarks", "crop_regions")

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and the artifact ``preview`` (JPEG, longer side at most 1280)."""
        return each(_answer, items)


def _answer(item: StageInput) -> StageOutput:
    picture = _ground(item)
    scale = min(1.0, LONGEST / max(picture.shape[:2]))
    if scale < 1:
        picture = squash(picture, (round(picture.shape[0] * scale), round(picture.shape[1] * scale)))
    landmarks = item.answered("detect_landmarks")
    points = landmarks.data["points"].values() if landmarks else ()
    dots = [(point["x"] * scale, point["y"] * scale) for point in points]
    return StageOutput({}, {"preview": Picture(draw_preview(picture, _marks(item, scale), dots), lossless=False)})


def _ground(item: StageInput) -> Pixels:
    if item.needs["detect_face"].data["detected_on"] == "cutout":
        return on_white(item.needs["remove_background"].picture("cutout"))
    return item.needs["decode_image"].picture("canonical")


def _marks(item: StageInput, scale: float) -> list[Mark]:
    face, cropped = item.needs["detect_face"].data, item.answered("crop_regions")
    marks = [Mark(_scaled(face["box"], scale), f"face {face['confidence']:.2f}", "face")]
    for name, region in (cropped.data["regions"] if cropped else {}).items():
        if region["inside"]:
            marks.append(Mark(_scaled(region["visible"], scale), name.replace("_", " ")))
    return marks


def _scaled(box: dict[str, Any], scale: float) -> BoundingBox:
    return BoundingBox(**{key: value * scale for key, value in box.items()})
