"""Cut the subject out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import ScanmillError
from pipeline.models.base import of_family
from pipeline.models.matte import MatteModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.models.base import Pixels


@dataclass(frozen=True, kw_only=True)
class RemoveBackground(Stage):
    """The canonical picture with an alpha. Where the alpha is 0 the colour is 0 too: what was cut away is gone."""

    kind: ClassVar = "remove_background"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image", "validate_subject")
    model: str

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{coverage}``, the mean of the alpha in 0..1, and the artifact ``cutout`` (RGBA, lossless)."""
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        alphas = of_family(models, self.model, MatteModel).predict(pictures)
        return [_answer(picture, alpha) for picture, alpha in zip(pictures, alphas, strict=True)]


def _answer(picture: Pixels, alpha: Pixels | ScanmillError) -> StageAnswer:
    if isinstance(alpha, ScanmillError):
        return alpha
    cutout = np.dstack([picture * (alpha > 0)[:, :, None], alpha])
    return StageOutput(rounded({"coverage": float(alpha.mean()) / 255}), {"cutout": Picture(cutout)})
