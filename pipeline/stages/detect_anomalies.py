"""How unlike what was remembered as normal is the picture, and where?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.contracts import Queue
from pipeline.errors import AssetTypeUnknown, ModelUnavailable, ScanmillError
from pipeline.imaging.anomaly_map import Spot, smooth, spots
from pipeline.models.anomaly import AnomalyAnswer, AnomalyModel, AnomalyScale
from pipeline.models.base import of_family
from pipeline.numbers import inside, rounded
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
    """A network of the anomaly family for each type of equipment, and one for all else. ``starts`` are the scores 0..1 from which on the bands after Normal begin.

    Bands are half-open: a score on a border belongs to the band above. ``is_anomalous`` has ``threshold``, a number of
    its own. Boxes: ``pipeline.imaging.anomaly_map.spots``. A person should look
    below the confidence ``doubt``, and where more than ``familiar`` of the map is above the limit: that is another subject,
    camera or palette rather than a fault.

    The scan's option of ``options`` names a type: of those in ``option_values`` each has a network of its own, ``<model>_<type>``.
    Another type is ASSET_TYPE_UNKNOWN, or ``model``'s where ``any_value`` is set. A network that is missing harms its own
    type alone.
    """

    kind: ClassVar = "detect_anomalies"
    version: ClassVar = 2
    queue: ClassVar = Queue.GPU
    alternatives: ClassVar = True

    needs: tuple[str, ...] = ("decode_image",)
    model: str
    options: tuple[str] = ("asset_type",)
    option_values: tuple[str, ...] = ()
    any_value: bool = False
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
        return (self.model, *(f"{self.model}_{name}" for name in self.option_values))

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{score, raw_score, scale, band, bands, threshold, is_anomalous, confidence, boxes, memory, …}``.

        ``raw_score`` is the distance, ``scale`` how it became ``score`` 0..1. ``confidence`` 0..1 says how far inside
        its band the score lies: 0 on a border, 1 in the middle, or at the end of the scale. ``map.highest``: in limits.
        ``memory``: the network's name, and the type that was asked for.
        Artifacts: ``anomaly_map`` (grey, 224 × 224; white is three times the limit) and ``anomaly_mask``.
        """
        asked = [item.options.get(self.options[0]) for item in items]
        answers: dict[int, StageAnswer] = {}
        for kind in dict.fromkeys(asked):
            own = [index for index, each in enumerate(asked) if each == kind]
            answers |= zip(own, self._asked(kind, [items[index] for index in own], models), strict=True)
        return [answers[index] for index in range(len(items))]

    def _asked(self, kind: Json, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """The answers to items of one type."""
        if kind not in (None, *self.option_values) and not self.any_value:
            return [AssetTypeUnknown(str(kind), {self.options[0]: kind})] * len(items)
        name = f"{self.model}_{kind}" if kind in self.option_values else self.model
        try:
            network = of_family(models, name, AnomalyModel)
            scales = network.scale("score"), network.scale("place")
        except ModelUnavailable as error:
            return [error] * len(items)
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        memory = {"memory": {"model": name, self.options[0]: kind}}
        return [
            answer if isinstance(answer, ScanmillError) else self._output(answer, picture, *scales, memory)
            for answer, picture in zip(network.predict(pictures), pictures, strict=True)
        ]

    def _output(
        self, answer: AnomalyAnswer, picture: Pixels, scores: AnomalyScale, places: AnomalyScale, memory: Json
    ) -> StageOutput:
        height, width = picture.shape[:2]
        heat = smooth(answer.map, already=answer.smooth)
        parts, mask = spots(heat, places.limit, width, height, tight=self.tight, least=self.least)
        above = round(float((heat >= places.limit).mean()), 6)
        data = {
            **self._judged(round(scores.share(answer.score), 6), above),
            "raw_score": answer.score,
            "scale": asdict(scores),
            "boxes": [self._box(part, places) for part in parts[:MOST]],
            "boxes_found": len(parts),
            **memory,
            "map": {"highest": float(heat.max()) / places.limit, "above": above, "shown_to": SHOWN, **asdict(places)},
        }
        shown = np.round(np.clip(heat / (SHOWN * places.limit), 0, 1) * 255).astype(np.uint8)
        return StageOutput(rounded(data), {"anomaly_map": Picture(shown), "anomaly_mask": Picture(mask)})

    def _judged(self, score: float, above: float = 0.0) -> dict[str, Json]:
        edges = (0.0, *self.starts, 1.0)
        index = sum(score >= start for start in self.starts)
        band, confidence = BANDS[index], inside(score, edges)
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
