"""What one region looks like: normal, abnormal, or too close to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.contracts import Finding, Queue
from pipeline.errors import ModelUnavailable, RegionOutsideImage, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.classifier import ClassAnswer, ClassifierModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

UNCERTAIN = "uncertain"


@dataclass(frozen=True, kw_only=True)
class ClassifyRegion(Stage):
    """One region, one model. Below ``threshold`` the label is ``uncertain`` and a person should look."""

    kind: ClassVar = "classify_region"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("crop_regions",)
    region: str
    model: str
    threshold: float = 0.6

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{region, label, confidence, probabilities, needs_review, threshold, cam, cam_for}``.

        ``cam`` [[...]] is positive where the crop speaks for the label ``cam_for``, negative where against it; both
        are None for a network without a map. Abstains with REGION_OUTSIDE_IMAGE.
        """
        model = of_family(models, self.model, ClassifierModel)
        answers = [self._refusal(item, model) for item in items]
        asked = [index for index, refusal in enumerate(answers) if refusal is None]
        crops = [items[index].needs["crop_regions"].picture(f"crop_{self.region}") for index in asked]
        for index, answer in zip(asked, model.predict(crops), strict=True):
            answers[index] = self._answer(answer)
        return [answer for answer in answers if answer is not None]

    def _refusal(self, item: StageInput, model: ClassifierModel) -> StageAnswer | None:
        region = item.needs["crop_regions"].data["regions"][self.region]
        if not region["inside"]:
            return RegionOutsideImage(self.region, {"region": self.region})
        trained = model.entry.crop_scale
        if trained is not None and abs(trained - region["scale"]) > 1e-6:
            return ModelUnavailable(f"{self.model} wants crops of {trained} eye distances, these are {region['scale']}")
        return None

    def _answer(self, answer: ClassAnswer | ScanmillError) -> StageAnswer:
        if isinstance(answer, ScanmillError):
            return answer
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
            "cam": answer.cam.tolist() if answer.cam is not None else None,
            "cam_for": list(answer.probabilities)[-1] if answer.cam is not None else None,
        }
        return StageOutput(rounded(data))
