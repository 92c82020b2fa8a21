"""Mattes by rembg's own sessions, for networks that ours do not serve (BiRefNet, BEN and the like)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import ScanmillError
from pipeline.models.base import expect
from pipeline.models.matte import MatteModel

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor


class RembgModel(MatteModel):
    """Output ``alpha`` [1,h,w], of the picture's own size: rembg resizes by itself, so every picture is a pass."""

    roles: ClassVar = (frozenset({"alpha"}),)

    def predict(self, pictures: Sequence[Tensor]) -> list[Pixels | ScanmillError]:
        """See ``Model.predict``."""
        answers: list[Pixels | ScanmillError] = []
        for picture in pictures:
            answers += super().predict([picture])
        return answers

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        """One picture as it is, [1,h,w,3]."""
        (picture,) = pictures
        return picture[None]

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> Pixels:
        """Alpha, uint8 (height, width) of the picture."""
        expect("alpha", outputs["alpha"], picture.shape[:2], 0, 255)
        return outputs["alpha"]
