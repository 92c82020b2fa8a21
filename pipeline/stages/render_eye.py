"""A picture for people: the eye, its pupil where it is clear, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from pipeline import wording
from pipeline.contracts import BoundingBox
from pipeline.imaging.marks import Mark
from pipeline.imaging.render import draw_preview, draw_ring, shrunk
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

LONGEST: Final = 1024
MARGIN: Final = 0.02
"""Of each side, between the picture's edge and the frame that carries the finding."""


@dataclass(frozen=True, kw_only=True)
class RenderEye(Stage):
    """The frame has the finding's colour: ``healthy``, another label, uncertain, or none. An unclear pupil is not drawn."""

    kind: ClassVar = "render_eye"

    needs: tuple[str, ...] = ("decode_image",)
    optional: tuple[str, ...] = ("find_pupil", "classify_cataract")
    healthy: str = "normal"

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and the artifact ``preview``, a JPEG, longer side at most 1024."""
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        picture = item.needs["decode_image"].picture("canonical")
        shown = shrunk(picture, LONGEST)
        scale = shown.shape[1] / picture.shape[1]
        found = item.answered("find_pupil")
        pupil = found.data["pupil"] if found else None
        if pupil:
            shown = draw_ring(shown, pupil["x"] * scale, pupil["y"] * scale, pupil["radius"] * scale)
        return StageOutput(
            {}, {"preview": Picture(draw_preview(shown, list(self._marks(item, shown.shape))), lossless=False)}
        )

    def _marks(self, item: StageInput, shape: tuple[int, ...]) -> Iterator[Mark]:
        asked, found = item.needs.get("classify_cataract"), item.answered("classify_cataract")
        height, width = shape[:2]
        frame = BoundingBox(width * MARGIN, height * MARGIN, width * (1 - 2 * MARGIN), height * (1 - 2 * MARGIN))
        yield Mark(frame, wording.answer(asked), wording.tone(found, self.healthy))
