"""Boxes of one class of object, after non-maximum suppression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import BoundingBox, Detection
from pipeline.errors import ModelOutputInvalid
from pipeline.models.base import Model, expect
from pipeline.models.tensors import place, to_batch

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from pipeline.models.base import Pixels, Tensor

FLOOR: Final = 0.05
"""Scores below are noise. Suppression goes from the best down, so a stage's higher threshold changes nothing above it."""
MOST: Final = 300
"""Boxes that enter suppression, best first; a network that fires everywhere stays affordable."""


class DetectorModel(Model[list[Detection]]):
    """Outputs ``boxes`` [N,A,4] (centre x, centre y, width, height in input pixels) and ``scores`` [N,A] in 0..1."""

    roles: ClassVar = (frozenset({"boxes", "scores"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> list[Detection]:
        """Detections in pixels of the picture, best first; boxes may reach beyond its edges."""
        label = self.entry.labels.get("scores", self.entry.labels.get("boxes", ("object",)))[0]
        return self.chosen(outputs["boxes"], outputs["scores"], label, picture)

    def chosen(self, boxes: NDArray[Any], scores: NDArray[Any], label: str, picture: Pixels) -> list[Detection]:
        """What is left of boxes [A,4] and their scores [A] after suppression, in pixels of the picture."""
        expect("scores", scores, (None,), 0, 1)
        if boxes.shape != (len(scores), 4):
            raise ModelOutputInvalid(f"{self.entry.name}: boxes {boxes.shape} for {len(scores)} scores")
        likely = np.flatnonzero((scores >= FLOOR) & (boxes[:, 2:] > 0).all(axis=1))
        order = likely[np.argsort(-scores[likely], kind="stable")][:MOST]
        kept = suppress(boxes[order], self.threshold("iou", None))
        return [
            Detection(self._in_picture(boxes[index], picture), min(float(scores[index]), 1.0), label)
            for index in order[kept]
        ]

    def _in_picture(self, box: NDArray[Any], picture: Pixels) -> BoundingBox:
        cx, cy, width, height = (float(value) for value in box)
        spec = self.entry.input
        if spec.letterbox is None:
            sx, sy, x, y = spec.size[1] / picture.shape[1], spec.size[0] / picture.shape[0], 0, 0
        else:
            where, _ = place(picture, spec.size)
            sx, sy, x, y = where.scale_x, where.scale_y, where.x, where.y
        return BoundingBox((cx - width / 2 - x) / sx, (cy - height / 2 - y) / sy, width / sx, height / sy)


def suppress(boxes: NDArray[Any], most_overlap: float) -> list[int]:
    """Indices of the boxes [A,4] (cx, cy, w, h; best first) that no better box overlaps by more, as IoU."""
    half = boxes[:, 2:].astype(np.float64) / 2
    low, high = boxes[:, :2] - half, boxes[:, :2] + half
    areas = (high - low).prod(axis=1)
    kept: list[int] = []
    left = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if not left[index]:
            continue
        kept.append(index)
        overlap = np.minimum(high, high[index]) - np.maximum(low, low[index])
        shared = np.maximum(overlap, 0).prod(axis=1)
        left &= shared / (areas + areas[index] - shared) <= most_overlap
    return kept
