"""What belongs to the subject and what is background, as a soft alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from pipeline.errors import ModelLoadError
from pipeline.models.base import Model, expect, probabilities
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session


class MatteModel(Model["Pixels"]):
    """Outputs ``mask`` [N,h,w,1] in 0..1, or a segmentation with a group ``background``.

    Of a segmentation, ``logits`` [N,h,w,C] give soft edges and ``classes`` [N,h,w], the winner of each pixel, hard ones.
    The answer is an alpha, uint8 (height, width) of the picture. It is not stretched to 0..255: on a picture without
    a subject that would turn noise into a cut-out.
    """

    roles: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"mask"}), frozenset({"logits"}), frozenset({"classes"}))

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        if {"logits", "classes"} & set(entry.outputs) and "background" not in entry.groups:
            raise ModelLoadError(f"{entry.name}: no group says which classes are background")

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> Pixels:
        if "mask" in outputs:
            mask = outputs["mask"]
            expect("mask", mask, (None, None, 1), 0, 1)
            share = mask[:, :, 0].astype(np.float64)
        elif "classes" in outputs:
            expect("classes", outputs["classes"], (None, None), 0, 255)
            share = np.isin(outputs["classes"], self.entry.groups["background"], invert=True).astype(np.float64)
        else:
            expect("logits", outputs["logits"], (None, None, None), -1e6, 1e6)
            chance = probabilities(outputs["logits"])
            share = 1 - chance[:, :, list(self.entry.groups["background"])].sum(axis=2)
        alpha = np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
        height, width = picture.shape[:2]
        return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
