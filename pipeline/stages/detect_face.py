"""Find the one face the scan is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import BoundingBox, Detection, Queue
from pipeline.errors import NoFaceDetected, ScanmillError
from pipeline.imaging.crop import GREY, PixelBox, cut
from pipeline.models.base import of_family
from pipeline.models.detector import DetectorModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from typing import TypeAlias

    from pipeline.models.base import Pixels

    Faces: TypeAlias = list[Detection] | ScanmillError

LISTED: Final = 10
"""Candidates told in the answer, best first."""
LARGEST: Final = 2.0
"""A face larger than this many times the picture's longer side is no face."""


@dataclass(frozen=True, kw_only=True)
class DetectFace(Stage):
    """Looks at the cut-out; where that shows no face, or there is none, at the whole picture, and says so.

    Of several faces it takes the surest (to two decimals), then the largest, then the most central, then the one
    further left, then further up. ``threshold`` None is the model's own. The face's crop comes from the canonical
    picture, not from the cut-out: a matte may have eaten the edge of an ear.
    """

    kind: ClassVar = "detect_face"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "validate_subject")
    optional: tuple[str, ...] = ("remove_background",)
    model: str
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{box, crop, confidence, detected_on, candidates}`` and the artifact ``face``, or NO_FACE_DETECTED.

        ``box`` is clipped to the picture. ``crop`` is the square about the found box, in whole pixels, which may reach
        beyond the picture; ``face`` is the part of it that is picture.
        """
        model = of_family(models, self.model, DetectorModel)
        threshold = model.threshold("score", self.threshold)
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        cutouts = {i: _flattened(item) for i, item in enumerate(items) if item.answered("remove_background")}
        on_cutout = {
            i: faces for i, faces in _look(model, cutouts, threshold).items() if isinstance(faces, list) and faces
        }
        rest = {i: picture for i, picture in enumerate(pictures) if i not in on_cutout}
        on_original = _look(model, rest, threshold)
        return [
            _answer(picture, on_cutout[i], "cutout", threshold)
            if i in on_cutout
            else _answer(picture, on_original[i], "original", threshold)
            for i, picture in enumerate(pictures)
        ]


def _look(model: DetectorModel, pictures: Mapping[int, Pixels], threshold: float) -> dict[int, Faces]:
    """What is found on each picture, by the key it came with; only what can be a face."""
    answers = model.predict(list(pictures.values()))
    return {
        key: [face for face in faces if face.confidence >= threshold and _possible(face.box, picture)]
        if isinstance(faces, list)
        else faces
        for (key, picture), faces in zip(pictures.items(), answers, strict=True)
    }


def _possible(box: BoundingBox, picture: Pixels) -> bool:
    height, width = picture.shape[:2]
    x, y = box.centre
    return 0 <= x <= width and 0 <= y <= height and max(box.width, box.height) <= LARGEST * float(max(height, width))


def _answer(picture: Pixels, faces: Faces, on: str, threshold: float) -> StageAnswer:
    if isinstance(faces, ScanmillError):
        return faces
    if not faces:
        return NoFaceDetected(f"nothing of at least {threshold}", {"threshold": threshold, "candidates": []})
    height, width = picture.shape[:2]
    best, *others = sorted(faces, key=lambda face: _rank(face, width, height))
    crop = PixelBox.square(*best.box.centre, max(best.box.width, best.box.height))
    data = {
        "box": _clipped(best.box, width, height),
        "crop": crop.as_data(),
        "confidence": best.confidence,
        "detected_on": on,
        "candidates": [
            {"box": _clipped(face.box, width, height), "confidence": face.confidence}
            for face in (best, *others)[:LISTED]
        ],
    }
    return StageOutput(rounded(data), {"face": Picture(cut(picture, crop))})


def _rank(face: Detection, width: int, height: int) -> tuple[float, ...]:
    """Smaller is better."""
    x, y = face.box.centre
    off_centre = (x - width / 2) ** 2 + (y - height / 2) ** 2
    return (-round(face.confidence, 2), -round(face.box.area, 3), round(off_centre, 3), face.box.x, face.box.y)


def _clipped(box: BoundingBox, width: int, height: int) -> dict[str, float]:
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, width), min(box.y + box.height, height)
    return asdict(BoundingBox(left, top, right - left, bottom - top))


def _flattened(item: StageInput) -> Pixels:
    """The cut-out before grey, as the letterbox is: (h, w, 3)."""
    cutout = item.needs["remove_background"].picture("cutout").astype(np.uint16)
    alpha = cutout[:, :, 3:]
    return ((cutout[:, :, :3] * alpha + GREY * (255 - alpha) + 127) // 255).astype(np.uint8)
