"""Turn away pictures of anything but what the system looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.contracts import Queue
from pipeline.errors import ModelUnavailable, NotACat, NotAnEye, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.subject import SubjectAnswer, SubjectModel
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

VERDICTS = {"cat": NotACat, "eye": NotAnEye}
"""What a picture is told that does not show the subject."""


@dataclass(frozen=True, kw_only=True)
class ValidateSubject(Stage):
    """Rejects a picture whose probability of ``subject`` is below ``threshold`` (None: the model's own)."""

    kind: ClassVar = "validate_subject"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image",)
    model: str
    subject: str
    threshold: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{subject, label, probability, threshold, breed}``, as data of the verdict too. NOT_A_CAT, NOT_AN_EYE."""
        model = of_family(models, self.model, SubjectModel)
        threshold = model.threshold("subject", self.threshold)
        found = model.predict([item.needs["decode_image"].picture("canonical") for item in items])
        return [self._answer(answer, threshold) for answer in found]

    def _answer(self, answer: SubjectAnswer | ScanmillError, threshold: float) -> StageAnswer:
        if isinstance(answer, ScanmillError):
            return answer
        probability = answer.probabilities.get(self.subject)
        if probability is None:
            return ModelUnavailable(f"{self.model} does not know {self.subject!r}")
        accepted = probability >= threshold
        breed = answer.breed if accepted else None  # a breed of what is no cat would be made up
        data = rounded(
            {
                "subject": self.subject,
                "label": self.subject if accepted else f"not_{self.subject}",
                "probability": probability,
                "threshold": threshold,
                "breed": {"label": breed[0], "probability": breed[1]} if breed else None,
            }
        )
        return StageOutput(data) if accepted else VERDICTS[self.subject](f"{probability:.3f} < {threshold}", data)
