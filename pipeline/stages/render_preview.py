"""Pictures for people: the face's box, the landmarks and the regions; and one sheet with all that was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from pipeline import wording
from pipeline.contracts import BoundingBox
from pipeline.imaging.crop import PixelBox, cut
from pipeline.imaging.marks import Box, Mark
from pipeline.imaging.render import draw_preview, on_white, shrunk
from pipeline.imaging.scan_sheet import Area, scan_sheet
from pipeline.stage import Models, Need, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.stage import Pixels

LONGEST: Final = 1280
"""Pixels of a preview's longer side at most, unless a small picture is enlarged for its labels."""
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
        picture, removed = item.needs["decode_image"].picture("canonical"), item.answered("remove_background")
        cutout = shrunk(removed.picture("cutout"), LONGEST) if removed else None
        ground = shrunk(picture, LONGEST)
        if cutout is not None and item.needs["detect_face"].data["detected_on"] == "cutout":
            ground = on_white(cutout)
        marks, landmarks = list(self._marks(item)), item.answered("detect_landmarks")
        dots = [(point["x"], point["y"]) for point in landmarks.data["points"].values()] if landmarks else []
        drawing = {"preview": Picture(_drawn(ground, PixelBox(0, 0, *_size(picture)), marks, dots), lossless=False)}
        if self.regions:
            closer = PixelBox.of(item.needs["detect_face"].data["crop"]).grown(CLOSER).within(*picture.shape[:2])
            pictures = {"original": picture, "cut-out": cutout, "preview": drawing["preview"].pixels}
            pictures["face"] = _drawn(shrunk(cut(picture, closer), LONGEST), closer, marks, dots)
            drawing["contact_sheet"] = Picture(self._sheet(item, pictures), lossless=False)
        return StageOutput({}, drawing)

    def _marks(self, item: StageInput) -> Iterator[Mark]:
        face, cropped = item.needs["detect_face"].data, item.answered("crop_regions")
        yield Mark(BoundingBox(**face["box"]), f"face {face['confidence']:.2f}", "face")
        for name, region in (cropped.data["regions"] if cropped else {}).items():
            if region["inside"]:
                found = item.answered(f"classify_{name}")
                said = f"{wording.words(name)}: {wording.words(found.data['label'])}" if found else wording.words(name)
                yield Mark(BoundingBox(**region["visible"]), said, wording.tone(found, self.healthy))

    def _sheet(self, item: StageInput, pictures: Mapping[str, Pixels | None]) -> Pixels:
        captioned = {name: (picture, name) for name, picture in pictures.items() if picture is not None}
        made_of = [captioned[name] for name in ("original", "cut-out") if name in captioned]
        areas = [self._area(item, region) for region in self.regions] if item.answered("crop_regions") else []
        return scan_sheet(wording.title(item.needs), made_of, [captioned["preview"], captioned["face"]], areas, NOTE)

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


def _drawn(shown: Pixels, part: PixelBox, marks: Sequence[Mark], dots: Sequence[tuple[float, float]]) -> Pixels:
    """What is ``shown`` of a ``part`` of the picture, with marks and dots that are in pixels of the whole."""
    scale = shown.shape[1] / part.width
    moved = [replace(mark, box=_moved(mark.box, part, scale)) for mark in marks]
    return draw_preview(shown, moved, [((x - part.x) * scale, (y - part.y) * scale) for x, y in dots])


def _moved(box: Box, part: PixelBox, scale: float) -> BoundingBox:
    return BoundingBox((box.x - part.x) * scale, (box.y - part.y) * scale, box.width * scale, box.height * scale)


def _size(picture: Pixels) -> tuple[int, int]:
    """Width and height."""
    return picture.shape[1], picture.shape[0]


def _picture(need: Need | None, name: str) -> Pixels | None:
    return need.picture(name) if need is not None and name in need.artifacts else None
