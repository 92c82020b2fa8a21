"""How strange a picture is, as a whole and at every place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pipeline.errors import ModelUnavailable
from pipeline.models.base import Model, expect
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Floats, Pixels, Tensor

FARTHEST = 1e6
TYPICAL, LIMIT = 0.05, 0.5
"""What the distance of a typical normal picture becomes, and that which 95 % of normal pictures stay below."""
FLATTEST: Final = 30.0
"""Beyond so many steps a logistic is 0 or 1 to thirteen decimals; its exponential would overflow later on."""


@dataclass(frozen=True)
class AnomalyAnswer:
    """``score`` and ``map`` (h, w) are distances from what is normal: 0 is known, there is no upper end.

    They cannot be compared between models. The map covers the whole picture, coarsely.
    """

    score: float
    map: Floats


@dataclass(frozen=True)
class AnomalyScale:
    """Distances of one model as shares 0..1 that mean the same for every model, by a logistic curve.

    ``typical``: the median of normal pictures that the memory was not made of, ``limit``: what 95 % of them stay below.
    """

    typical: float
    limit: float

    def share(self, distance: float) -> float:
        """0.05 at ``typical``, 0.5 at ``limit``, towards 1 beyond it."""
        step = math.log(1 / TYPICAL - 1) / (self.limit - self.typical)
        steps = (distance - self.limit) * step
        return 1 / (1 + math.exp(-max(-FLATTEST, min(FLATTEST, steps))))


class AnomalyModel(Model[AnomalyAnswer]):
    """Outputs ``score`` [N] and ``map`` [N,h,w]. The manifest's threshold ``score`` says from where on a picture is odd."""

    roles: ClassVar = (frozenset({"score", "map"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> AnomalyAnswer:
        expect("score", outputs["score"], (), 0, FARTHEST)
        expect("map", outputs["map"], (None, None), 0, FARTHEST)
        return AnomalyAnswer(float(outputs["score"]), outputs["map"])

    def scale(self, of: Literal["score", "place"]) -> AnomalyScale:
        """The scale of scores, or of the strangest places of maps, from the manifest's thresholds.

        Raises ModelUnavailable where they are missing or no scale: a score would then mean nothing.
        """
        typical, limit = self.threshold(f"typical_{of}", None), self.threshold(of, None)
        if not 0 <= typical < limit:
            raise ModelUnavailable(f"{self.entry.name}: typical_{of} {typical} is not below {of} {limit}")
        return AnomalyScale(typical, limit)
