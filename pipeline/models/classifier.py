"""Class probabilities of one crop, and where in the crop they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.errors import ModelOutputInvalid, ScanmillError
from pipeline.models.base import Model, expect, probabilities
from pipeline.models.explanation import ROLES
from pipeline.models.hiding import hidden, hottest, occluded
from pipeline.models.maps import eigen_map, first_two, gradient_map, is_flat
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.base import Pixels, Tensor

    Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class ClassAnswer:
    """Probability by label, in the manifest's order.

    ``cam`` (h, w) is positive where the crop speaks for the likeliest label, negative where against it; not finite
    where the network's map is not; None if there is none. ``cam_for`` is that label, None where a map is of no label.
    """

    probabilities: Mapping[str, float]
    cam: Floats | None = None
    cam_for: str | None = None


class ClassifierModel(Model[ClassAnswer]):
    """Outputs ``logits`` or ``probabilities`` [N,C], and what its `Explanation` reads.

    ``cam``: [N,h,w,C], one map a class, or [N,h,w], that of logit 1 - logit 0. ``features``: [N,h,w,K].
    """

    roles: ClassVar = (frozenset({"logits"}), frozenset({"probabilities"}))
    marked: ClassVar = frozenset({"cam", "features"})

    def predict(self, pictures: Sequence[Pixels]) -> list[ClassAnswer | ScanmillError]:
        """See ``Model.predict``. Occlusion asks the network again, ``grid``² times for each picture."""
        answers = super().predict(pictures)
        told = self.entry.explanation
        if told is None or told.method != "occlusion":
            return answers
        pairs = zip(pictures, answers, strict=True)
        return [one if isinstance(one, ScanmillError) else self._occluded(picture, one) for picture, one in pairs]

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> ClassAnswer:
        logits = self._logits(outputs)
        chances = probabilities(logits)
        role = "logits" if "logits" in outputs else "probabilities"
        named = dict(zip(self.labels(role, len(chances)), chances.tolist(), strict=True))
        told = self.entry.explanation
        if told is None or told.method == "occlusion":
            return ClassAnswer(named)
        role = ROLES[told.method]
        maps, by_class = outputs[role], role == "cam"
        plain = by_class and maps.ndim == 2 and len(chances) == 2
        _shaped(role, maps, (None, None) if plain else (None, None, len(chances) if by_class else None))
        label = list(named)[int(chances.argmax())] if by_class else None
        if not np.isfinite(maps).all():
            return ClassAnswer(named, np.full(maps.shape[:2], np.nan), label)
        return ClassAnswer(named, gradient_map(told.form, maps, logits) if by_class else eigen_map(maps), label)

    def deletion(self, pictures: Sequence[Pixels], answers: Sequence[ClassAnswer], share: float) -> list[float | None]:
        """What the likeliest label's probability loses when the hottest ``share`` of its picture is hidden, -1..1.

        One more forward pass a picture. None where there is no map, where it points nowhere, or where the answer to
        the rest is invalid. The deletion metric of RISE (Petsiuk et al. 2018, arXiv:1806.07421) at one share.
        """
        losses: list[float | None] = [None] * len(answers)
        heats = {index: heat for index, answer in enumerate(answers) if (heat := _heat(answer.cam)) is not None}
        if not heats:
            return losses
        inputs = self.pre_process([pictures[index] for index in heats])
        masks = [hottest(heat, share, self.entry.input.size) for heat in heats.values()]
        hiding = [hidden(one, mask, self._planes) for one, mask in zip(inputs, masks, strict=True)]
        for index, logits in zip(heats, self._asked(np.stack(hiding)), strict=True):
            before = np.array(list(answers[index].probabilities.values()))
            top = int(before.argmax())
            losses[index] = None if logits is None else float(before[top] - probabilities(logits)[top])
        return losses

    def _occluded(self, picture: Pixels, answer: ClassAnswer) -> ClassAnswer:
        told = self.entry.explanation
        assert told is not None
        plain = self.pre_process([picture])
        found = self._asked(np.concatenate([plain, occluded(plain[0], told.grid, self._planes)]))
        if found[0] is None:
            return answer
        top, second = first_two(found[0])
        leads = np.array([np.nan if one is None else one[top] - one[second] for one in found])
        cam = (leads[0] - leads[1:]).reshape(told.grid, told.grid)
        return replace(answer, cam=cam, cam_for=list(answer.probabilities)[top])

    def _asked(self, inputs: Tensor) -> list[Floats | None]:
        """Logits for network inputs; None where the network's answer is invalid."""
        outputs = self.forward(inputs)
        found: list[Floats | None] = []
        for index in range(len(inputs)):
            try:
                logits = self._logits({role: array[index] for role, array in outputs.items()})
            except ModelOutputInvalid:
                found.append(None)
            else:
                found.append(logits if np.isfinite(logits).all() else None)
        return found

    def _logits(self, outputs: Mapping[str, Tensor]) -> Floats:
        """Logits over the temperature; of a network that gives only probabilities their logarithms."""
        if "logits" in outputs:
            expect("logits", outputs["logits"], (None,), -1e6, 1e6)
            return outputs["logits"].astype(np.float64) / self.entry.temperature
        given = outputs["probabilities"]
        expect("probabilities", given, (None,), 0, 1)
        return np.log(np.maximum(given.astype(np.float64), 1e-300))

    @property
    def _planes(self) -> bool:
        return self.entry.input.layout == "NCHW"


def _shaped(name: str, array: Tensor, shape: tuple[int | None, ...]) -> None:
    """Raise ModelOutputInvalid unless ``array`` has this shape; its values are marked, not judged."""
    expect(name, np.zeros(array.shape, bool), shape, 0, 0)


def _heat(cam: Floats | None) -> Floats | None:
    """The positive part of a map that points somewhere."""
    if cam is None or not np.isfinite(cam).all():
        return None
    heat = np.maximum(cam, 0)
    return None if is_flat(heat, float(np.abs(cam).max())) else heat
