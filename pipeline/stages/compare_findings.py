"""Do networks that were asked the same thing say the same?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.stage import Json, Models, Need, Stage, StageAnswer, StageInput, StageOutput, each


@dataclass(frozen=True, kw_only=True)
class CompareFindings(Stage):
    """``asked`` is a label; ``readers`` are the classifying steps that may give it, in any of the scan's regions.

    Both answers are told as they are, and whether they disagree. ``rule`` may turn them into one verdict: "any" says
    yes when one does, "all" when all do, "none" makes none. An uncertain finding, or none, is no answer: never a no.
    """

    kind: ClassVar = "compare_findings"

    asked: str
    readers: tuple[str, ...]
    rule: Literal["none", "any", "all"] = "none"

    def __post_init__(self) -> None:
        if not self.optional:
            object.__setattr__(self, "optional", self.readers)
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{asked, answers: {reader: {says, label | code}}, disagreement, rule, verdict}``.

        ``says`` is true, false, or null for no answer. ``disagreement`` is null with fewer than two answers; ``verdict`` is
        null where the rule makes none, or what lacks an answer could still change it.
        """
        return each(lambda item: StageOutput(self._compared(item.needs)), items)

    def _compared(self, needs: Mapping[str, Need]) -> dict[str, Json]:
        answers = {reader: self._answer(needs[reader]) for reader in self.readers}
        said = [answer["says"] for answer in answers.values()]
        given = [says for says in said if says is not None]
        return {
            "asked": self.asked,
            "answers": answers,
            "disagreement": len(set(given)) > 1 if len(given) > 1 else None,
            "rule": self.rule,
            "verdict": self._verdict(said),
        }

    def _answer(self, need: Need) -> dict[str, Json]:
        if not need.ok:
            return {"says": None, "code": need.code}
        label = need.data["label"]
        return {"says": None if need.data["needs_review"] else label == self.asked, "label": label}

    def _verdict(self, said: Sequence[bool | None]) -> bool | None:
        if self.rule == "none":
            return None
        deciding = self.rule == "any"
        if deciding in said:
            return deciding
        return None if None in said else not deciding
