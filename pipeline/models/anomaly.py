"""How strange a picture is, as a whole and at every place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pipeline.models.base import Model, expect
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Floats, Pixels, Tensor

FARTHEST = 1e6


@dataclass(frozen=True)
class AnomalyAnswer:
    """``score`` and ``map`` (h, w) are distances from what is normal: 0 is known, there is no upper end.

    They cannot be compared between models. The map covers the whole picture, coarsely.
    """

    score: float
    map: Floats


class AnomalyModel(Model[AnomalyAnswer]):
    """Outputs ``score`` [N] and ``map`` [N,h,w]. The manifest's threshold ``score`` says from where on a picture is odd."""

    roles: ClassVar = (frozenset({"score", "map"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> AnomalyAnswer:
        expect("score", outputs["score"], (), 0, FARTHEST)
        expect("map", outputs["map"], (None, None), 0, FARTHEST)
        return AnomalyAnswer(float(outputs["score"]), outputs["map"])
