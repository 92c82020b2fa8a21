"""How unlike what was remembered as normal is the picture, and where?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import ScanmillError
from pipeline.imaging.anomaly_map import Spot, smooth, spots
from pipeline.models.anomaly import AnomalyAnswer, AnomalyModel, AnomalyScale
from pipeline.models.base import of_family
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.stage import Pixels

BANDS: Final = ("Normal", "Potential", "Overloway", "Faulty")
TYPES: Final = ("Moderate", "Critical")
"""Of boxes: above the limit, and as strange as what makes a picture fall into the last band."""
SHOWN: Final = 3.0
"""Limits that the map's white stands for; what is stranger is white, too."""
MOST: Final = 20
"""Boxes that are told."""


@dataclass(frozen=True, kw_only=True)
class DetectAnomalies(Stage):
    """One network of the anomaly family. ``starts`` are the scores 0..1 from which on the bands after Normal begin.

    Bands are half-open: a score on a border belongs to the band above. ``is_anomalous`` has ``threshold``, a number of
    its own. Boxes: ``pipeline.imaging.anomaly_map.spots``. A person should look
    below the confidence ``doubt``, and where more than ``familiar`` of the map is above the limit: that is another subject,
    camera or palette rather than a fault.
    """

    kind: ClassVar = "detect_anomalies"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image",)
    model: str
    starts: tuple[float, ...] = (0.3, 0.5, 0.8)
    threshold: float = 0.5
    tight: float = 0.5
    least: float = 0.001
    doubt: float = 0.2
    familiar: float = 0.5

    def __post_init__(self) -> None:
        edges = (0.0, *self.starts, 1.0)
        if len(self.starts) != len(BANDS) - 1 or any(low >= high for low, high in pairwise(edges)):
            raise ValueError(f"bands begin at {self.starts}: three numbers between 0 and 1, each above the one before")
        super().__post_init__()

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{score, raw_score, scale, band, bands, threshold, is_anomalous, confidence, boxes, …}``.

        ``raw_score`` is the distance, ``scale`` how it became ``score`` 0..1. ``confidence`` 0..1 says how far inside
        its band the score lies: 0 on a border, 1 in the middle, or at the end of the scale. ``map.highest``: in limits.
        Artifacts: ``anomaly_map`` (grey, 224 × 224; white is three times the limit) and ``anomaly_mask``.
        """
        network = of_family(models, self.model, AnomalyModel)
        scales = network.scale("score"), network.scale("place")
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        found = network.predict(pictures)
        return [
            answer if isinstance(answer, ScanmillError) else self._output(answer, picture, *scales)
            for answer, picture in zip(found, pictures, strict=True)
        ]

    def _output(
        self, answer: AnomalyAnswer, picture: Pixels, scores: AnomalyScale, places: AnomalyScale
    ) -> StageOutput:
        height, width = picture.shape[:2]
        heat = smooth(answer.map)
        parts, mask = spots(heat, places.limit, width, height, tight=self.tight, least=self.least)
        above = round(float((heat >= places.limit).mean()), 6)
        data = {
            **self._judged(round(scores.share(answer.score), 6), above),
            "raw_score": answer.score,
            "scale": asdict(scores),
            "boxes": [self._box(part, places) for part in parts[:MOST]],
            "boxes_found": len(parts),
            "map": {"highest": float(heat.max()) / places.limit, "above": above, "shown_to": SHOWN, **asdict(places)},
        }
        shown = np.round(np.clip(heat / (SHOWN * places.limit), 0, 1) * 255).astype(np.uint8)
        return StageOutput(rounded(data), {"anomaly_map": Picture(shown), "anomaly_mask": Picture(mask)})

    def _judged(self, score: float, above: float = 0.0) -> dict[str, Json]:
        edges = (0.0, *self.starts, 1.0)
        index = sum(score >= start for start in self.starts)
        band, confidence = BANDS[index], _inside(score, index, edges)
        finding = {
            "label": band,
            "likeliest": band,
            "confidence": confidence,
            "needs_review": confidence < self.doubt or above > self.familiar,
        }
        return {
            "score": score,
            "familiar": above <= self.familiar,
            "band": band,
            "bands": [{"name": name, "from": low, "to": high} for name, (low, high) in zip(BANDS, pairwise(edges), strict=True)],
            "threshold": self.threshold,
            "is_anomalous": score >= self.threshold,
            "confidence": confidence,
            "findings": {"anomaly": finding},
        }  # fmt: skip

    def _box(self, part: Spot, places: AnomalyScale) -> dict[str, Json]:
        """``confidence`` is the box's strangest place on the scale of places, ``peak`` the same in limits."""
        confidence = places.share(part.peak)
        kind = TYPES[confidence >= self.starts[-1]]
        return {**asdict(part.box), "confidence": confidence, "type": kind, "peak": part.peak / places.limit}


def _inside(score: float, index: int, edges: Sequence[float]) -> float:
    """How far from its band's borders a score lies, 0..1; the ends of the scale are no borders."""
    low, high = edges[index], edges[index + 1]
    above, below = (score - low) / (high - low), (high - score) / (high - low)
    if index == 0:
        return below
    return above if high == 1 else 2 * min(above, below)
