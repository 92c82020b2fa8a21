"""Named points on a face crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pipeline.models.base import Model, expect
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor


@dataclass(frozen=True)
class LandmarksAnswer:
    """Points (x, y) by name in pixels of the crop, which they may leave, and one confidence in 0..1."""

    points: Mapping[str, tuple[float, float]]
    confidence: float


class LandmarksModel(Model[LandmarksAnswer]):
    """Outputs ``points`` [N,K,2] as x, y in units of the crop, and ``confidence`` [N] or [N,1]."""

    roles: ClassVar = (frozenset({"points", "confidence"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> LandmarksAnswer:
        points, confidence = outputs["points"], outputs["confidence"].reshape(-1)
        expect("points", points, (None, 2), -1, 2)
        expect("confidence", confidence, (1,), 0, 1)
        height, width = picture.shape[:2]
        placed = [(float(x) * width, float(y) * height) for x, y in points]
        names = self.labels("points", len(points))
        return LandmarksAnswer(dict(zip(names, placed, strict=True)), min(max(float(confidence[0]), 0.0), 1.0))
