"""Find the one human face the scan is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from pipeline.contracts import BoundingBox, Queue
from pipeline.errors import NoFaceDetected, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.blaze_face import BlazeFaceModel, HumanFace
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.models.base import Pixels

Found: TypeAlias = "tuple[str, list[HumanFace]] | ScanmillError"

LISTED: Final = 10
"""Candidates told in the answer, best first."""


@dataclass(frozen=True, kw_only=True)
class DetectHumanFace(Stage):
    """Asks ``detectors`` in turn until one sees a face: the one for near faces first, then the one for far ones.

    Of several faces it takes the largest by area times confidence, then the one further left, then further up; the
    others are told as candidates. ``threshold`` None is each detector's own.
    """

    kind: ClassVar = "detect_human_face"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image",)
    detectors: tuple[str, ...]
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return self.detectors

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{box, points, confidence, faces, candidates, detector}``, or NO_FACE_DETECTED.

        ``box`` is clipped to the picture, ``found_box`` is not. ``points`` are six, by name; left is left in the
        picture. ``faces`` counts all that were seen.
        """
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        found: list[Found] = [("", [])] * len(items)
        for name in self.detectors:
            model = of_family(models, name, BlazeFaceModel)
            threshold = model.threshold("score", self.threshold)
            open_ = [i for i, each in enumerate(found) if isinstance(each, tuple) and not each[1]]
            for i, faces in zip(open_, model.predict([pictures[i] for i in open_]), strict=True):
                found[i] = faces if isinstance(faces, ScanmillError) else (name, _sure(faces, threshold))
        return [_answer(picture, each) for picture, each in zip(pictures, found, strict=True)]


def _sure(faces: Sequence[HumanFace], threshold: float) -> list[HumanFace]:
    return [face for face in faces if face.confidence >= threshold and face.box.area > 0]


def _answer(picture: Pixels, found: Found) -> StageAnswer:
    if isinstance(found, ScanmillError):
        return found
    detector, faces = found
    if not faces:
        return NoFaceDetected("no detector sees a face", {"faces": 0, "candidates": []})
    ranked = sorted(faces, key=lambda face: (-face.box.area * face.confidence, face.box.x, face.box.y))
    height, width = picture.shape[:2]
    candidates = [{"box": _clipped(face.box, width, height), "confidence": face.confidence} for face in ranked]
    best = ranked[0]
    data: dict[str, Any] = {
        **candidates[0],
        "found_box": asdict(best.box),
        "points": {name: {"x": x, "y": y} for name, (x, y) in best.points.items()},
        "faces": len(faces),
        "candidates": candidates[:LISTED],
        "detector": detector,
    }
    return StageOutput(rounded(data))


def _clipped(box: BoundingBox, width: int, height: int) -> dict[str, float]:
    left, top = min(max(box.x, 0.0), width), min(max(box.y, 0.0), height)
    right, bottom = max(min(box.x + box.width, width), left), max(min(box.y + box.height, height), top)
    return asdict(BoundingBox(left, top, right - left, bottom - top))
