"""OpenCV's cascades of Haar features: fast, old, and without any notion of how sure they are."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

import cv2
import numpy as np

from pipeline.contracts import Detection
from pipeline.errors import ModelLoadError
from pipeline.models.base import expect
from pipeline.models.cascade_check import check_cascade
from pipeline.models.detector import MOST, DetectorModel

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor

STEP: Final = 1.1
"""How much larger the window is in each pass over the picture: OpenCV's default."""
LEAST_NEIGHBOURS: Final = 1
"""Groups of no more hits are not told at all. What counts as a face is the manifest's threshold."""


class CascadeSession:
    """One grey picture per pass, uint8 [1,h,w,1] → ``boxes`` [1,300,4] and ``neighbours`` [1,300].

    Boxes are centre x, centre y, width, height; what is left of the 300 has no size and no neighbours. A classifier
    keeps the picture it looks at, so calls take turns.
    """

    batch = 1
    input_names = frozenset({"image"})
    output_names = frozenset({"boxes", "neighbours"})

    def __init__(self, content: bytes) -> None:
        text = check_cascade(content)
        try:
            storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
            self._cascade = cv2.CascadeClassifier()
            read = self._cascade.read(storage.getFirstTopLevelNode())
        except (cv2.error, SystemError) as error:
            raise ModelLoadError(f"OpenCV refuses the cascade: {error}") from error
        if not read or self._cascade.empty():
            raise ModelLoadError("OpenCV refuses the cascade")
        self._turn = threading.Lock()
        self.input_shapes: Mapping[str, Sequence[int | None]] = {}  # it takes pictures of any size

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``."""
        with self._turn:
            corners, hits = self._cascade.detectMultiScale2(
                np.ascontiguousarray(batch[0, :, :, 0]), scaleFactor=STEP, minNeighbors=LEAST_NEIGHBOURS
            )
        found = sorted((-int(count), *map(int, box)) for count, box in zip(hits, corners, strict=True))[:MOST]
        boxes, neighbours = np.zeros((1, MOST, 4), np.float32), np.zeros((1, MOST), np.float32)
        for index, (count, x, y, width, height) in enumerate(found):
            boxes[0, index] = (x + width / 2, y + height / 2, width, height)
            neighbours[0, index] = -count
        told = {"boxes": boxes, "neighbours": neighbours}
        return {output: told[output] for output in outputs}


class CascadeModel(DetectorModel):
    """Outputs ``boxes`` and ``neighbours``, as ``CascadeSession`` gives them.

    A detection's ``confidence`` is its number of neighbours: how many windows of nearly the same place and size said
    yes (2, 3, … some dozens). It is no probability, grows with the face's size, and compares with nothing but itself;
    the manifest's threshold ``score`` has the same unit.
    """

    roles: ClassVar = (frozenset({"boxes", "neighbours"}),)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> list[Detection]:
        """Detections in pixels of the picture, most neighbours first."""
        boxes, neighbours = outputs["boxes"], outputs["neighbours"]
        expect("neighbours", neighbours, (None,), 0, 1e6)
        expect("boxes", boxes, (len(neighbours), 4), 0, 1e6)
        label = self.entry.labels.get("neighbours", ("object",))[0]
        return [
            Detection(self._in_picture(boxes[index], picture), float(neighbours[index]), label)
            for index in np.flatnonzero(neighbours > 0)
        ]
