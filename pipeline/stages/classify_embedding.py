"""What a small model says of an embedding."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import ScanmillError
from pipeline.models.base import of_family
from pipeline.models.tabular import TabularModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNCERTAIN = "uncertain"


@dataclass(frozen=True, kw_only=True)
class ClassifyEmbedding(Stage):
    """One model over the vector that ``embed_image`` left. Below ``threshold`` the label is ``uncertain``."""

    kind: ClassVar = "classify_embedding"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("embed_image",)
    model: str
    threshold: float = 0.6

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{label, likeliest, confidence, probabilities, needs_review, threshold}``; ``likeliest`` before the threshold."""
        model = of_family(models, self.model, TabularModel)
        found = model.predict([_vector(item.needs["embed_image"].content("embedding")) for item in items])
        return [one if isinstance(one, ScanmillError) else self._output(one) for one in found]

    def _output(self, chances: Mapping[str, float]) -> StageOutput:
        label, confidence = max(chances.items(), key=lambda pair: pair[1])
        sure = confidence >= self.threshold
        data = {
            "label": label if sure else UNCERTAIN,
            "likeliest": label,
            "confidence": confidence,
            "probabilities": dict(chances),
            "needs_review": not sure,
            "threshold": self.threshold,
        }
        return StageOutput(rounded(data))


def _vector(content: bytes) -> NDArray[Any]:
    """[F], as ``embed_image`` wrote it."""
    return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
