"""Is the fast model's answer enough, or is the strong one asked too?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.contracts import Queue
from pipeline.errors import SWITCHED_OFF, FindingUndecided
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput, each

Policy = Literal["fast", "strong", "cascade", "ensemble"]


@dataclass(frozen=True, kw_only=True)
class ChoosePath(Stage):
    """``policy`` says which models answer. A later classifying step that needs this one is spared where ``ask`` is false.

    "fast" and "strong" ask one; "ensemble" both; "cascade" the strong one too when the fast one's probability of
    ``label`` lies in ``low``..``high``, ends included. A scan that switched the fast one off has the policy "strong".
    """

    kind: ClassVar = "choose_path"
    queue: ClassVar = Queue.GPU

    needs: tuple[str, ...] = ("decode_image",)
    optional: tuple[str, ...] = ("classify_fast",)
    policy: Policy = "cascade"
    label: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"the band {self.low}..{self.high} is not within 0..1")
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{policy, ask, band, probability}``; FINDING_UNDECIDED where the fast model failed and is needed.

        ``band`` is null but for the cascade, ``probability`` null where the fast model did not answer.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        fast = item.needs[self.optional[0]]
        policy = "strong" if fast.code == SWITCHED_OFF else self.policy
        if not fast.ok and policy != "strong":
            raise FindingUndecided(f"{self.optional[0]}: {fast.code}", {"policy": policy, "lacks": fast.code})
        chance = float(fast.data["probabilities"][self.label]) if fast.ok else None
        unsure = chance is not None and self.low <= chance <= self.high
        ask = policy in ("strong", "ensemble") or (policy == "cascade" and unsure)
        band = {"low": self.low, "high": self.high} if policy == "cascade" else None
        return StageOutput(rounded({"policy": policy, "ask": ask, "band": band, "probability": chance}))
