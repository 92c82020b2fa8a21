"""Human faces with six points each: BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047), short and full range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import BoundingBox
from pipeline.errors import ModelLoadError
from pipeline.imaging.anchors import FULL_RANGE, SHORT_RANGE, anchors, decode, sigmoid, weighted_suppression
from pipeline.imaging.rotated_square import RotatedSquare
from pipeline.models.base import Model, expect
from pipeline.models.tensors import normalise

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session

GRIDS: Final = {128: SHORT_RANGE, 192: FULL_RANGE}
"""Side of the input in pixels → the network's grids."""
POINTS: Final = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
"""In the output's order; left is left in the picture, which is the person's right unless it was mirrored."""
VALUES: Final = 4 + 2 * len(POINTS)
FLOOR: Final = 0.05
"""Scores below are noise."""


@dataclass(frozen=True)
class HumanFace:
    """Box and points in pixels of the picture, which they may leave; confidence in 0..1."""

    box: BoundingBox
    points: Mapping[str, tuple[float, float]]
    confidence: float


class BlazeFaceModel(Model[list[HumanFace]]):
    """Outputs ``regressors`` [N,A,16] in input pixels and ``logits`` [N,A,1]; A is 896 at 128 pixels, 2,304 at 192.

    The picture is letterboxed on black, bilinear without averaging, as the network's makers do. Thresholds: ``score``
    is the least chance of a face that is told, ``iou`` the overlap from which boxes are one face.
    """

    roles: ClassVar = (frozenset({"regressors", "logits"}),)

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        height, width = entry.input.size
        if height != width or width not in GRIDS:
            raise ModelLoadError(f"{entry.name}: BlazeFace takes a side of {sorted(GRIDS)}, not {entry.input.size}")
        self._side = width
        self._anchors = anchors(width, GRIDS[width])

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        squares = (RotatedSquare.around(*picture.shape[:2]).cut(picture, self._side) for picture in pictures)
        return np.stack([normalise(square, self.entry.input) for square in squares])

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> list[HumanFace]:
        """Faces, best first."""
        raw, logits = outputs["regressors"], outputs["logits"]
        expect("regressors", raw, (len(self._anchors), VALUES), -1e6, 1e6)
        expect("logits", logits, (len(self._anchors), 1), -1e6, 1e6)
        scores = sigmoid(logits[:, 0])
        likely = np.flatnonzero(scores >= max(FLOOR, self.threshold("score", None)))
        found = decode(raw[likely], self._anchors[likely], self._side)
        boxes, best = weighted_suppression(found, scores[likely], self.threshold("iou", None))
        whole = RotatedSquare.around(*picture.shape[:2])
        placed = whole.to_picture(boxes.reshape(-1, VALUES // 2, 2))
        return [_face(corners, float(score)) for corners, score in zip(placed, best, strict=True)]


def _face(corners: Tensor, score: float) -> HumanFace:
    """From [8,2] in pixels: left top, right bottom, six points."""
    (left, top), (right, bottom), *points = corners.tolist()
    named = dict(zip(POINTS, map(tuple, points), strict=True))
    return HumanFace(BoundingBox(left, top, right - left, bottom - top), named, score)
