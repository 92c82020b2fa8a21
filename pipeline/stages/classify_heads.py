"""Several questions about the whole picture, answered together by one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pipeline.contracts import Finding, Queue
from pipeline.errors import ModelUnavailable, ScanmillError
from pipeline.models.base import of_family
from pipeline.models.heads import HeadsAnswer, HeadsModel
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Stage, StageAnswer, StageInput, StageOutput

if TYPE_CHECKING:
    from pipeline.stage import Pixels

UNCERTAIN: Final = "uncertain"


@dataclass(frozen=True, kw_only=True)
class ClassifyHeads(Stage):
    """The networks of ``choices`` are asked in their order until one answers; which one did is part of the answer.

    They are forms of one network, with the same heads and labels. Where none answers, the error of the last one that
    was asked stands: no label is ever made up. Below ``threshold`` a head's label is ``uncertain`` and a person should look.
    """

    kind: ClassVar = "classify_heads"
    queue: ClassVar = Queue.GPU
    alternatives: ClassVar = True

    needs: tuple[str, ...] = ("decode_image",)
    choices: tuple[str, ...]
    threshold: float = 0.6

    @property
    def models(self) -> tuple[str, ...]:
        return self.choices

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{findings: {head: {label, likeliest, confidence, probabilities, needs_review, threshold}}, answered_by, passed_over}``.

        ``likeliest`` is the label before the threshold, ``passed_over`` ``[{model, code}]`` of those asked in vain.
        """
        pictures = [item.needs["decode_image"].picture("canonical") for item in items]
        answers: dict[int, StageAnswer] = {}
        passed: list[list[dict[str, Json]]] = [[] for _ in items]
        for name in self.choices:
            left = [index for index in range(len(items)) if not isinstance(answers.get(index), StageOutput)]
            for index, answer in zip(left, _asked(name, models, [pictures[index] for index in left]), strict=True):
                if isinstance(answer, HeadsAnswer):
                    answers[index] = self._output(answer, name, passed[index])
                    continue
                passed[index].append({"model": name, "code": answer.code})
                if name in models or index not in answers:
                    answers[index] = answer
        return [answers[index] for index in range(len(items))]

    def _output(self, answer: HeadsAnswer, name: str, passed: Sequence[Json]) -> StageOutput:
        findings = {head: self._finding(head, chances) for head, chances in answer.heads.items()}
        return StageOutput(rounded({"findings": findings, "answered_by": name, "passed_over": list(passed)}))

    def _finding(self, head: str, chances: Mapping[str, float]) -> dict[str, Json]:
        label, confidence = max(chances.items(), key=lambda pair: pair[1])
        sure = confidence >= self.threshold
        found = Finding(head, label if sure else UNCERTAIN, confidence, dict(chances), not sure)
        return {
            "label": found.label,
            "likeliest": label,
            "confidence": found.confidence,
            "probabilities": found.probabilities,
            "needs_review": found.needs_review,
            "threshold": self.threshold,
        }


def _asked(name: str, models: Models, pictures: Sequence[Pixels]) -> Sequence[HeadsAnswer | ScanmillError]:
    """Each picture's answer, or why there is none; a model that could not be loaded is not among ``models``."""
    if name not in models:
        return [ModelUnavailable(name)] * len(pictures)
    return of_family(models, name, HeadsModel).predict(pictures)
