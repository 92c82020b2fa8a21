"""A picture as a vector of numbers, for small models on top of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import ModelOutputInvalid, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.embedding import EmbeddingModel
from pipeline.stage import File, Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.models.base import Floats

ARTIFACT: Final = "embedding"


@dataclass(frozen=True, kw_only=True)
class EmbedImage(Stage):
    """The whole picture through one encoder. Every bit of the vector is kept: a tree's threshold may hang on the last."""

    kind: ClassVar = "embed_image"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image",)
    model: str

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{features}``, how many, and the artifact ``embedding``: float32 [F] as NumPy's `.npy`."""
        model = of_family(models, self.model, EmbeddingModel)
        found = model.predict([item.needs["decode_image"].picture("canonical") for item in items])
        return [one if isinstance(one, ScanmillError) else _output(self.model, one) for one in found]


def _output(name: str, vector: Floats) -> StageAnswer:
    if vector.ndim != 1:
        return ModelOutputInvalid(f"{name}: {vector.shape} is a grid of vectors, not one")
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(vector, "<f4"), allow_pickle=False)
    return StageOutput({"features": len(vector)}, {ARTIFACT: File(file.getvalue(), "application/octet-stream")})
