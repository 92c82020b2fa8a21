"""What one region looks like: normal, abnormal, or too close to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.contracts import Finding, Queue
from pipeline.errors import ModelUnavailable, NotNeeded, RegionOutsideImage, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.classifier import ClassAnswer, ClassifierModel
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.stage import Pixels

UNCERTAIN = "uncertain"


@dataclass(frozen=True, kw_only=True)
class ClassifyRegion(Stage):
    """One region, one model; without ``crop_regions`` among its needs the whole picture. Below ``threshold`` the label is ``uncertain`` and a person should look.

    ``deletion_share`` in 0..1 measures whether the map is true: what the probability loses when that share of the
    crop, where the map is hottest, is hidden. It costs one more forward pass a crop, so it is off unless set. A need that
    answers ``{ask: false}`` spares the model.
    """

    kind: ClassVar = "classify_region"
    version: ClassVar = 2
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("crop_regions",)
    region: str
    model: str
    threshold: float = 0.6
    deletion_share: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{region, label, confidence, probabilities, needs_review, threshold, cam, …}``.

        ``cam`` [[...]] in -1..1 is positive where the crop speaks for the label ``cam_for``, negative where against
        it; ``cam_peak`` is what its 1 stands for, ``cam_method`` says in words how it was made. All four are None for
        a network without a map, ``cam`` and ``cam_peak`` for one whose map is not finite, ``cam_for`` for a method
        that knows no labels. ``deletion``: ``{share, loss}`` or None. Abstains with REGION_OUTSIDE_IMAGE, is skipped
        with NOT_NEEDED.
        """
        model = of_family(models, self.model, ClassifierModel)
        answers = [self._refusal(item, model) for item in items]
        asked = [index for index, refusal in enumerate(answers) if refusal is None]
        crops = [self._crop(items[index]) for index in asked]
        found = model.predict(crops)
        losses = self._losses(model, crops, found)
        for index, answer, loss in zip(asked, found, losses, strict=True):
            answers[index] = answer if isinstance(answer, ScanmillError) else self._answer(model, answer, loss)
        return [answer for answer in answers if answer is not None]

    def _losses(
        self, model: ClassifierModel, crops: Sequence[Pixels], found: Sequence[ClassAnswer | ScanmillError]
    ) -> list[float | None]:
        losses: list[float | None] = [None] * len(found)
        if self.deletion_share is not None:
            pairs = [(i, answer) for i, answer in enumerate(found) if isinstance(answer, ClassAnswer)]
            measured = model.deletion([crops[i] for i, _ in pairs], [one for _, one in pairs], self.deletion_share)
            for (index, _), loss in zip(pairs, measured, strict=True):
                losses[index] = loss
        return losses

    def _crop(self, item: StageInput) -> Pixels:
        if "crop_regions" in self.needs:
            return item.needs["crop_regions"].picture(f"crop_{self.region}")
        return item.needs["decode_image"].picture("canonical")

    def _refusal(self, item: StageInput, model: ClassifierModel) -> StageAnswer | None:
        if any(need.ok and need.data.get("ask") is False for need in item.needs.values()):
            return NotNeeded()
        if "crop_regions" not in self.needs:
            return None
        region = item.needs["crop_regions"].data["regions"][self.region]
        if not region["inside"]:
            return RegionOutsideImage(self.region, {"region": self.region})
        trained = model.entry.crop_scale
        if trained is not None and abs(trained - region["scale"]) > 1e-6:
            return ModelUnavailable(f"{self.model} wants crops of {trained} eye distances, these are {region['scale']}")
        return None

    def _answer(self, model: ClassifierModel, answer: ClassAnswer, loss: float | None) -> StageOutput:
        label, confidence = max(answer.probabilities.items(), key=lambda pair: pair[1])
        sure = confidence >= self.threshold
        finding = Finding(self.region, label if sure else UNCERTAIN, confidence, dict(answer.probabilities), not sure)
        data = {
            "region": finding.region,
            "label": finding.label,
            "confidence": finding.confidence,
            "probabilities": finding.probabilities,
            "needs_review": finding.needs_review,
            "threshold": self.threshold,
            **_map(model, answer),
            "deletion": None if loss is None else {"share": self.deletion_share, "loss": loss},
        }
        return StageOutput(rounded(data))


def _map(model: ClassifierModel, answer: ClassAnswer) -> dict[str, Json]:
    """The map in -1..1, so that rounding a result to six decimals costs a faint one nothing."""
    told = model.entry.explanation
    if answer.cam is None or told is None:
        return {"cam": None, "cam_peak": None, "cam_for": None, "cam_method": None}
    named = {"cam_for": answer.cam_for, "cam_method": told.text}
    if not np.isfinite(answer.cam).all():
        return {"cam": None, "cam_peak": None, **named}
    peak = float(np.abs(answer.cam).max())
    return {"cam": (answer.cam / (peak or 1.0)).tolist(), "cam_peak": peak, **named}
