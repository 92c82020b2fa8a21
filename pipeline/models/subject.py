"""What a picture shows: the probability of each subject, and the breed where the network knows breeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.errors import ModelOutputInvalid
from pipeline.models.base import Model, expect
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Pixels, Tensor


@dataclass(frozen=True)
class SubjectAnswer:
    """Probability in 0..1 by subject; breed with its own probability, given the subject, or None."""

    probabilities: Mapping[str, float]
    breed: tuple[str, float] | None


class SubjectModel(Model[SubjectAnswer]):
    """Outputs ``subject`` [N,S] (softmax, labelled), or ``classes`` [N,C] of a general classifier.

    For the latter, a subject's probability is the mass of its group's classes: five kinds of cat make one cat.
    """

    roles: ClassVar = (frozenset({"subject"}), frozenset({"classes"}))

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> SubjectAnswer:
        if "subject" in outputs:
            return SubjectAnswer(self._named("subject", outputs["subject"]), self._breed(outputs))
        classes = outputs["classes"]
        expect("classes", classes, (None,), 0, 1)
        groups = {label: self._mass(classes, indices) for label, indices in self.entry.groups.items()}
        return SubjectAnswer(groups, None)

    def _breed(self, outputs: Mapping[str, Tensor]) -> tuple[str, float] | None:
        if "breed" not in outputs:
            return None
        named = self._named("breed", outputs["breed"])
        return max(named.items(), key=lambda pair: pair[1])

    def _named(self, role: str, values: Tensor) -> dict[str, float]:
        expect(role, values, (None,), 0, 1)
        return dict(zip(self.labels(role, len(values)), np.clip(values, 0, 1).astype(float).tolist(), strict=True))

    def _mass(self, classes: Tensor, indices: Sequence[int]) -> float:
        if max(indices) >= len(classes):
            raise ModelOutputInvalid(f"{self.entry.name}: {len(classes)} classes, but a group asks for {max(indices)}")
        return float(np.clip(classes[list(indices)].sum(dtype=np.float64), 0, 1))
