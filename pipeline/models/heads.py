"""Several questions about one picture, answered by one pass: a probability for each label of each head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import ModelLoadError
from pipeline.models.base import Model, expect, probabilities
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session


@dataclass(frozen=True)
class HeadsAnswer:
    """Probability by label, by head; each head's add up to one."""

    heads: Mapping[str, Mapping[str, float]]


class HeadsModel(Model[HeadsAnswer]):
    """Output ``logits`` [N,C], all heads' one after the other. The manifest's groups say which of them make a head.

    The softmax is taken over each head by itself: one over all of them would make a sure skin type a doubtful condition.
    """

    roles: ClassVar = (frozenset({"logits"}),)

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        indices = sorted(index for group in entry.groups.values() for index in group)
        if indices != list(range(len(entry.labels.get("logits", ())))):
            raise ModelLoadError(f"{entry.name}: groups must share out all labels of logits, each to one head")

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> HeadsAnswer:
        logits = outputs["logits"]
        expect("logits", logits, (None,), -1e6, 1e6)
        labels = self.labels("logits", len(logits))
        return HeadsAnswer(
            {
                head: dict(zip((labels[k] for k in at), self._chances(logits, at), strict=True))
                for head, at in self.entry.groups.items()
            }
        )

    def _chances(self, logits: Tensor, at: Sequence[int]) -> list[float]:
        found: list[float] = probabilities(logits[list(at)], self.entry.temperature).tolist()
        return found
