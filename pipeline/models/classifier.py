"""Class probabilities of one crop, and where in the crop they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.models.base import Model, expect, probabilities
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.base import Pixels, Tensor

    Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class ClassAnswer:
    """Probability by label, in the manifest's order.

    ``cam`` (h, w) speaks for the last label where it is positive, for the first where negative; None if the network
    gives none.
    """

    probabilities: Mapping[str, float]
    cam: Floats | None


class ClassifierModel(Model[ClassAnswer]):
    """Outputs ``logits`` [N,C] and, for two classes, ``cam`` [N,h,w]: the class-activation map of logit 1 - logit 0.

    The map of the logits' difference does not fade when the softmax saturates, as a map of the probability does.
    """

    roles: ClassVar = (frozenset({"logits"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> ClassAnswer:
        logits = outputs["logits"]
        expect("logits", logits, (None,), -1e6, 1e6)
        chances = probabilities(logits, self.entry.temperature)
        named = dict(zip(self.labels("logits", len(logits)), chances.tolist(), strict=True))
        if "cam" not in outputs:
            return ClassAnswer(named, None)
        expect("cam", outputs["cam"], (None, None), -1e6, 1e6)
        return ClassAnswer(named, outputs["cam"].astype(np.float64))
