"""Eyes, ears, mouth and nose on the face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import LandmarkDetectionFailed, ScanmillError
from pipeline.imaging.crop import PixelBox, on_grey
from pipeline.models.base import of_family
from pipeline.models.landmarks import LandmarksAnswer, LandmarksModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.models.base import Pixels

Points: TypeAlias = Mapping[str, tuple[float, float]]

EYES_APART: Final = (0.1, 0.75)
"""Distance between the eyes, in sides of the face's crop."""
BELOW_EYES: Final = (0.25, 3.0)
"""How far the mouth lies below the line through the eyes, in distances between the eyes."""


@dataclass(frozen=True, kw_only=True)
class DetectLandmarks(Stage):
    """Six points; left means left in the picture. ``threshold`` None is the model's own.

    Abstains rather than pass on points that cannot be a face: everything after this would look in the wrong place.
    """

    kind: ClassVar = "detect_landmarks"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "detect_face")
    model: str
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{points, crop_points, confidence}``: pixels of the canonical picture, and of the artifact ``face``.

        Points may lie outside of the picture where the head leaves it. LANDMARK_DETECTION_FAILED says why.
        """
        model = of_family(models, self.model, LandmarksModel)
        threshold = model.threshold("confidence", self.threshold)
        faces = [_Face.of(item) for item in items]
        found = model.predict([face.whole for face in faces])
        return [_answer(face, answer, threshold) for face, answer in zip(faces, found, strict=True)]


@dataclass(frozen=True)
class _Face:
    """The face's square: its box, the part that is picture, and the whole of it with grey beyond the edge."""

    box: PixelBox
    part: PixelBox
    whole: Pixels

    @classmethod
    def of(cls, item: StageInput) -> _Face:
        face, size = item.needs["detect_face"], item.needs["decode_image"].data
        box = PixelBox.of(face.data["crop"])
        part = box.within(size["height"], size["width"])
        whole = on_grey(face.picture("face"), (box.height, box.width), part.x - box.x, part.y - box.y)
        return cls(box, part, whole)


def _answer(face: _Face, answer: LandmarksAnswer | ScanmillError, threshold: float) -> StageAnswer:
    if isinstance(answer, ScanmillError):
        return answer
    wrong = implausible(answer.points, face.box.width) if answer.confidence >= threshold else "confidence"
    if wrong:
        told = rounded({"confidence": answer.confidence, "threshold": threshold, "reason": wrong})
        return LandmarkDetectionFailed(wrong, told)
    return StageOutput(
        rounded(
            {
                "points": _moved(answer.points, face.box.x, face.box.y),
                "crop_points": _moved(answer.points, face.box.x - face.part.x, face.box.y - face.part.y),
                "confidence": answer.confidence,
            }
        )
    )


def _moved(points: Points, x: float, y: float) -> dict[str, dict[str, float]]:
    return {name: {"x": px + x, "y": py + y} for name, (px, py) in points.items()}


def implausible(points: Points, side: float) -> str | None:
    """What about these points (pixels of a square crop with this side) cannot be a face, or None."""
    at = {name: np.array(point, np.float64) for name, point in points.items()}
    across = at["right_eye"] - at["left_eye"]
    apart = float(np.hypot(*across))
    if across[0] <= 0 or at["right_ear"][0] <= at["left_ear"][0]:
        return "left and right are exchanged"
    if not EYES_APART[0] <= apart / side <= EYES_APART[1]:
        return "eyes too close or too far apart"
    down = np.array([-across[1], across[0]]) / apart  # square to the line through the eyes
    below = {name: float(down @ (point - (at["left_eye"] + at["right_eye"]) / 2)) / apart for name, point in at.items()}
    if not BELOW_EYES[0] <= below["mouth"] <= BELOW_EYES[1]:
        return "mouth not below the eyes"
    if not 0 < below["nose"] < below["mouth"]:
        return "nose not between eyes and mouth"
    if max(below["left_ear"], below["right_ear"]) >= below["nose"]:
        return "ears not above the nose"
    return None
