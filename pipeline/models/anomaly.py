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

    They cannot be compared between models. The map covers the whole picture, coarsely unless it is ``smooth`` already.
    """

    score: float
    map: Floats
    smooth: bool = False


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


@dataclass(frozen=True)
class ShareScale(AnomalyScale):
    """Of a model that answers with shares itself: its limit is at 0.5, and they stay as they are."""

    typical: float = TYPICAL
    limit: float = LIMIT

    def share(self, distance: float) -> float:
        """The same."""
        return distance


SHARES: Final = frozenset({"share", "share_map"})
"""Of anomalib's exports with their post-processor: 0..1, odd from 0.5 on; the map is as large as the input, and smooth."""


class AnomalyModel(Model[AnomalyAnswer]):
    """Outputs ``score`` [N] and ``map`` [N,h,w] or [N,1,h,w]; or ``share`` and ``share_map`` of these shapes, 0..1.

    The manifest's threshold ``score`` says from where on a picture is odd; shares are odd from 0.5 on.
    """

    roles: ClassVar = (frozenset({"score", "map"}), SHARES)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> AnomalyAnswer:
        score, heat, most = ("share", "share_map", 1.0) if self.shares else ("score", "map", FARTHEST)
        found = outputs[heat][0] if outputs[heat].ndim == 3 and len(outputs[heat]) == 1 else outputs[heat]
        expect(score, outputs[score], (), 0, most)
        expect(heat, found, (None, None), 0, most)
        return AnomalyAnswer(float(outputs[score]), found, self.shares)

    @property
    def shares(self) -> bool:
        """Whether it answers with shares."""
        return set(self.entry.outputs) >= SHARES

    def scale(self, of: Literal["score", "place"]) -> AnomalyScale:
        """The scale of scores, or of the strangest places of maps, from the manifest's thresholds.

        Raises ModelUnavailable where they are missing or no scale: a score would then mean nothing.
        """
        if self.shares:
            return ShareScale()
        typical, limit = self.threshold(f"typical_{of}", None), self.threshold(of, None)
        if not 0 <= typical < limit:
            raise ModelUnavailable(f"{self.entry.name}: typical_{of} {typical} is not below {of} {limit}")
        return AnomalyScale(typical, limit)
