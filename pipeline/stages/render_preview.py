"""Pictures for people: the face's box, the landmarks and the regions; and one sheet with all that was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from pipeline import wording
from pipeline.contracts import BoundingBox
from pipeline.imaging.crop import PixelBox, cut
from pipeline.imaging.marks import Box, Mark
from pipeline.imaging.render import draw_preview, on_white
from pipeline.imaging.scan_sheet import Area, scan_sheet
from pipeline.models.tensors import squash
from pipeline.stage import Models, Need, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.stage import Pixels

LONGEST: Final = 1280
"""Pixels of a preview's longer side at most."""
CLOSER: Final = 1.3
"""The close-up shows this many times the face's square."""
NOTE: Final = "A finding is what one network thinks of one crop. It is not a diagnosis."


@dataclass(frozen=True, kw_only=True)
class RenderPreview(Stage):
    """Drawn on what the face was found on: the cut-out before white, or the whole picture.

    Regions that were left out are not drawn. A region's colour is its finding's: ``healthy``, another label,
    uncertain, or none. The sheet is made where there are ``regions``.
    """

    kind: ClassVar = "render_preview"
    version: ClassVar = 2

    needs: tuple[str, ...] = ("decode_image", "detect_face")
    regions: tuple[str, ...] = ()
    healthy: str = "normal"

    def __post_init__(self) -> None:
        if not self.optional:
            earlier = ("validate_subject", "remove_background", "detect_landmarks", "crop_regions")
            found = (*(f"classify_{region}" for region in self.regions), "explain_findings") if self.regions else ()
            object.__setattr__(self, "optional", earlier + found)
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and the artifacts ``preview`` (JPEG, longer side at most 1280) and ``contact_sheet``.

        The sheet is a JPEG 1600 pixels wide: original, cut-out, preview, face, and each region's crop, finding and
        heat map, or why there is none.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        preview, marks = _ground(item), list(self._marks(item))
        landmarks = item.answered("detect_landmarks")
        dots = [(point["x"], point["y"]) for point in landmarks.data["points"].values()] if landmarks else []
        drawn = {"preview": Picture(_drawn(preview, marks, dots), lossless=False)}
        if self.regions:
            closer = PixelBox.of(item.needs["detect_face"].data["crop"]).grown(CLOSER)
            close_up = _drawn(*_moved(item.needs["decode_image"].picture("canonical"), marks, dots, closer))
            drawn["contact_sheet"] = Picture(self._sheet(item, drawn["preview"].pixels, close_up), lossless=False)
        return StageOutput({}, drawn)

    def _marks(self, item: StageInput) -> Iterator[Mark]:
        face, cropped = item.needs["detect_face"].data, item.answered("crop_regions")
        yield Mark(BoundingBox(**face["box"]), f"face {face['confidence']:.2f}", "face")
        for name, region in (cropped.data["regions"] if cropped else {}).items():
            if region["inside"]:
                found = item.answered(f"classify_{name}")
                said = f"{wording.words(name)}: {wording.words(found.data['label'])}" if found else wording.words(name)
                yield Mark(BoundingBox(**region["visible"]), said, wording.tone(found, self.healthy))

    def _sheet(self, item: StageInput, preview: Pixels, close_up: Pixels) -> Pixels:
        made_of = [(item.needs["decode_image"].picture("canonical"), "original")]
        if cutout := item.answered("remove_background"):
            made_of.append((cutout.picture("cutout"), f"cut-out, {cutout.data['coverage']:.0%} of the picture"))
        areas = [self._area(item, region) for region in self.regions] if item.answered("crop_regions") else []
        return scan_sheet(wording.title(item.needs), made_of, [(preview, "preview"), (close_up, "face")], areas, NOTE)

    def _area(self, item: StageInput, region: str) -> Area:
        asked, found = item.needs.get(f"classify_{region}"), item.answered(f"classify_{region}")
        cropped, maps = item.needs["crop_regions"], item.answered("explain_findings")
        box = cropped.data["regions"][region]["box"]
        return Area(
            name=wording.words(region),
            answer=wording.answer(asked),
            tone=wording.tone(found, self.healthy),
            note=f"seen by {box['width']} x {box['height']} pixels{wording.map_shows(maps, region)}",
            crop=_picture(cropped, f"crop_{region}"),
            overlay=_picture(maps, f"heatmap_{region}"),
        )


def _drawn(picture: Pixels, marks: Sequence[Mark], dots: Sequence[tuple[float, float]]) -> Pixels:
    """The marked picture, its longer side at most LONGEST."""
    scale = min(1.0, LONGEST / max(picture.shape[:2]))
    if scale < 1:
        picture = squash(picture, (round(picture.shape[0] * scale), round(picture.shape[1] * scale)))
    scaled = [replace(mark, box=_box(mark.box, 0, 0, scale)) for mark in marks]
    return draw_preview(picture, scaled, [(x * scale, y * scale) for x, y in dots])


def _moved(
    picture: Pixels, marks: Sequence[Mark], dots: Sequence[tuple[float, float]], box: PixelBox
) -> tuple[Pixels, list[Mark], list[tuple[float, float]]]:
    """What of picture, marks and dots lies in a box; it need not lie in the picture as a whole."""
    part = box.within(*picture.shape[:2])
    moved = [replace(mark, box=_box(mark.box, part.x, part.y, 1.0)) for mark in marks]
    return cut(picture, box), moved, [(x - part.x, y - part.y) for x, y in dots]


def _box(box: Box, x: float, y: float, scale: float) -> BoundingBox:
    return BoundingBox((box.x - x) * scale, (box.y - y) * scale, box.width * scale, box.height * scale)


def _ground(item: StageInput) -> Pixels:
    if item.needs["detect_face"].data["detected_on"] == "cutout":
        return on_white(item.needs["remove_background"].picture("cutout"))
    return item.needs["decode_image"].picture("canonical")


def _picture(need: Need | None, name: str) -> Pixels | None:
    return need.picture(name) if need is not None and name in need.artifacts else None
