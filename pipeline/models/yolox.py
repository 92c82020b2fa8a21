"""YOLOX's raw output as boxes (Ge et al. 2021, arXiv:2107.08430): decoupled heads at strides 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.base import expect
from pipeline.models.detector import DetectorModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.contracts import Detection
    from pipeline.models.base import Pixels, Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session

STRIDES: Final = (8, 16, 32)
BOX: Final = 5
"""Numbers before the classes: offset x and y, log width and height, objectness."""
LARGEST_LOG: Final = 10.0
"""Of a box's side in strides; exp(10) is 22,026."""


class YoloxModel(DetectorModel):
    """Outputs ``raw`` [N,A,5+C] over the cells of three grids; tells the one class of the manifest's ``groups``.

    A score is objectness times the most probable of the group's classes; boxes go through the same suppression.
    """

    roles: ClassVar = (frozenset({"raw"}),)

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        if len(entry.groups) != 1:
            raise ModelLoadError(f"{entry.name}: groups must name one label, with the classes that count as it")

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> list[Detection]:
        """Detections in pixels of the picture, best first; boxes may reach beyond its edges."""
        raw = outputs["raw"]
        ((label, classes),) = self.entry.groups.items()
        cells, strides = _grid(self.entry.input.size)
        expect("raw", raw, (len(cells), None), -1e6, 1e6)
        if raw.shape[1] <= BOX + max(classes):
            raise ModelOutputInvalid(
                f"{self.entry.name}: {raw.shape[1]} numbers a box, but class {max(classes)} is asked"
            )
        centres = (raw[:, :2] + cells) * strides
        sides = np.exp(np.minimum(raw[:, 2:4], LARGEST_LOG)) * strides
        scores = raw[:, 4] * raw[:, [BOX + index for index in classes]].max(axis=1)
        boxes = np.concatenate([centres, sides], axis=1)
        return self.chosen(boxes, scores, label, picture)


def _grid(size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row [A,2] and stride [A,1] of every cell, in the output's order."""
    grids = [np.indices((size[0] // stride, size[1] // stride)).reshape(2, -1).T[:, ::-1] for stride in STRIDES]
    strides = [np.full((len(grid), 1), stride) for grid, stride in zip(grids, STRIDES, strict=True)]
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)
