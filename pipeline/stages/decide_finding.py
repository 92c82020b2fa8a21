"""One finding of a fast and a strong model, by the policy that chose whom to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.errors import SWITCHED_OFF, FindingUndecided, NotNeeded
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Need, Stage, StageAnswer, StageInput, StageOutput, each

FAST, STRONG = "fast", "strong"
UNCERTAIN = "uncertain"


@dataclass(frozen=True, kw_only=True)
class DecideFinding(Stage):
    """The finding is that of whoever the policy says; of an ensemble the mean of both, weighed by ``weights``.

    Where the one that decides has no answer there is no finding: another's does not take its place. A scan that
    switched the strong model off has the policy "fast". Below ``threshold`` the label is ``uncertain``.
    """

    kind: ClassVar = "decide_finding"

    needs: tuple[str, ...] = ("decode_image",)
    optional: tuple[str, ...] = ("choose_path", "classify_fast", "classify_strong")
    weights: tuple[float, float] = (0.5, 0.5)
    threshold: float = 0.6

    def __post_init__(self) -> None:
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError(f"weights {self.weights} are not shares of anything")
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{label, likeliest, confidence, probabilities, needs_review, threshold, policy, path, …}``.

        ``path`` names who answered, in order; ``decided_by`` those whose probabilities the finding is made of, with the
        ``weights`` they had; ``answers`` each one's probabilities or its code; ``band`` the cascade's; ``spared`` whom the
        policy saved. FINDING_UNDECIDED, with ``policy``, ``answers`` and ``lacks``.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        chosen, *readers = (item.needs[name] for name in self.optional)
        asked = dict(zip((FAST, STRONG), readers, strict=True))
        answers = {name: need.data["probabilities"] if need.ok else {"code": need.code} for name, need in asked.items()}
        policy = FAST if asked[STRONG].code == SWITCHED_OFF else chosen.data.get("policy")
        by = self._deciding(policy, asked[STRONG].code)
        lacks = chosen.data.get("lacks") or next((asked[name].code for name in by if not asked[name].ok), None)
        if lacks or not by:
            raise FindingUndecided(str(lacks), rounded({"policy": policy, "answers": answers, "lacks": lacks}))
        told = {
            **self._finding(asked, by),
            "policy": policy,
            "path": [name for name, need in asked.items() if need.ok],
            "decided_by": by,
            "answers": answers,
            "band": chosen.data.get("band") if policy == "cascade" else None,
            "spared": [name for name, need in asked.items() if need.code == NotNeeded.code],
        }
        return StageOutput(rounded(told))

    def _deciding(self, policy: str | None, strong: str | None) -> dict[str, float]:
        """Whose answers make the finding → weight; empty where nobody chose."""
        if policy == "ensemble":
            total = sum(self.weights)
            return {name: weight / total for name, weight in zip((FAST, STRONG), self.weights, strict=True)}
        if policy == "cascade":
            return {FAST if strong == NotNeeded.code else STRONG: 1.0}
        return {policy: 1.0} if policy in (FAST, STRONG) else {}

    def _finding(self, asked: Mapping[str, Need], by: Mapping[str, float]) -> dict[str, Json]:
        said = {name: asked[name].data["probabilities"] for name in by}
        labels = next(iter(said.values()))
        chances = {label: sum(weight * said[name][label] for name, weight in by.items()) for label in labels}
        label, confidence = max(chances.items(), key=lambda pair: pair[1])
        sure = confidence >= self.threshold
        return {
            "label": label if sure else UNCERTAIN,
            "likeliest": label,
            "confidence": confidence,
            "probabilities": chances,
            "needs_review": not sure,
            "threshold": self.threshold,
        }
