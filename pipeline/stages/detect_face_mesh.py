"""468 points on the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pipeline.contracts import BoundingBox, Queue
from pipeline.errors import LandmarkDetectionFailed, ScanmillError
from pipeline.imaging.face_mesh import eye_distance, mesh_square
from pipeline.models.base import of_family
from pipeline.models.face_mesh import FaceMeshModel, MeshAnswer
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.imaging.rotated_square import RotatedSquare

DIGITS: Final = 3
"""After the point of a coordinate: thousandths of a pixel, far below the network's own error."""
LEAST_APART: Final = 0.05
"""Sides of the square between the eyes; of a face that looks at the camera some 0.43. Below, the mesh has collapsed."""


@dataclass(frozen=True, kw_only=True)
class DetectFaceMesh(Stage):
    """Fits the mesh in the tilted square about the face. ``threshold`` None is the model's own.

    Abstains rather than pass on a mesh that the network itself takes for no face.
    """

    kind: ClassVar = "detect_face_mesh"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "detect_human_face")
    model: str
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{points, confidence, eye_distance, square}`` in pixels of the canonical picture.

        ``points`` are 468 of x, y, z in Face Mesh's order; they may lie beyond the edge, and z is the network's guess
        of the depth. ``square`` is what was looked at. LANDMARK_DETECTION_FAILED carries ``{confidence, threshold,
        reason}``: "confidence" or "eyes_apart".
        """
        model = of_family(models, self.model, FaceMeshModel)
        threshold = model.threshold("confidence", self.threshold)
        squares = [_square(item) for item in items]
        size = model.entry.input.size[0]
        crops = [
            square.cut(item.needs["decode_image"].picture("canonical"), size, extend=True)
            for square, item in zip(squares, items, strict=True)
        ]
        return [_answer(square, found, threshold) for square, found in zip(squares, model.predict(crops), strict=True)]


def _square(item: StageInput) -> RotatedSquare:
    face = item.needs["detect_human_face"].data
    points = {name: (point["x"], point["y"]) for name, point in face["points"].items()}
    return mesh_square(BoundingBox(**face["found_box"]), points)


def _answer(square: RotatedSquare, found: MeshAnswer | ScanmillError, threshold: float) -> StageAnswer:
    if isinstance(found, ScanmillError):
        return found
    points = square.to_picture(found.points)
    apart = eye_distance(points)
    told: dict[str, Any] = {"confidence": found.confidence, "threshold": threshold}
    if found.confidence < threshold:
        return LandmarkDetectionFailed("confidence", rounded({**told, "reason": "confidence"}))
    if apart < LEAST_APART * square.side:
        return LandmarkDetectionFailed("eyes_apart", rounded({**told, "reason": "eyes_apart"}))
    data = rounded({"confidence": found.confidence, "eye_distance": apart, "square": square.as_data()})
    return StageOutput({**data, "points": rounded(points.tolist(), DIGITS)})
