"""Eyes, ears, mouth and nose on the face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pipeline.contracts import Queue
from pipeline.errors import LandmarkDetectionFailed, ScanmillError
from pipeline.imaging.crop import PixelBox, on_grey
from pipeline.imaging.face_geometry import broken_rule
from pipeline.models.base import of_family
from pipeline.models.landmarks import LandmarksAnswer, LandmarksModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.models.base import Pixels

Points: TypeAlias = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class DetectLandmarks(Stage):
    """Six points; left means left in the picture. ``threshold`` None is the model's own.

    Abstains rather than pass on points that cannot be a face (``imaging/face_geometry.py``): everything after this
    would look in the wrong place.
    """

    kind: ClassVar = "detect_landmarks"
    version: ClassVar = 2
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "detect_face")
    model: str
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{points, crop_points, confidence}``: pixels of the canonical picture, and of the artifact ``face``.

        Points may lie outside of the picture where the head leaves it. LANDMARK_DETECTION_FAILED carries
        ``{confidence, threshold, reason}``: "confidence", or the rule that the points break, then with its ``value``
        and the rule's ``low`` and ``high`` (None: no bound).
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
    if failed := _failed(face, answer, threshold):
        told = {"confidence": answer.confidence, "threshold": threshold, **failed}
        return LandmarkDetectionFailed(failed["reason"], rounded(told))
    return StageOutput(
        rounded(
            {
                "points": _moved(answer.points, face.box.x, face.box.y),
                "crop_points": _moved(answer.points, face.box.x - face.part.x, face.box.y - face.part.y),
                "confidence": answer.confidence,
            }
        )
    )


def _failed(face: _Face, answer: LandmarksAnswer, threshold: float) -> dict[str, Any] | None:
    if answer.confidence < threshold:
        return {"reason": "confidence"}
    broken = broken_rule(answer.points, face.box.width)
    return {"reason": broken.rule, "value": broken.value, "low": broken.low, "high": broken.high} if broken else None


def _moved(points: Points, x: float, y: float) -> dict[str, dict[str, float]]:
    return {name: {"x": px + x, "y": py + y} for name, (px, py) in points.items()}
