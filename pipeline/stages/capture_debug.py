"""What a network was given and what it said, for whoever has to find out why. Off unless an installation wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.models.tensors import to_batch
from pipeline.numbers import rounded
from pipeline.stage import File, Json, Models, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.models.base import Model, Tensor

MEDIA_TYPE: Final = "application/vnd.scanmill.debug+json"
"""Files of this type live as long as the installation says, and are then removed."""


@dataclass(frozen=True, kw_only=True)
class CaptureDebug(Stage):
    """Health data, so: one file per scan, in the tenant's own storage, with a lifetime, never on a disk of ours."""

    kind: ClassVar = "capture_debug"
    alternatives: ClassVar = True

    needs: tuple[str, ...] = ("decode_image", "classify_heads")
    choices: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        return self.choices

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and the artifact ``debug``, JSON: ``image``, ``answer`` and ``input`` of the one that answered.

        ``input``: name, layout and shape of the tensor [h,w,c] or [c,h,w], and least, mean and greatest value by channel.
        """
        return each(lambda item: self._captured(item, models), items)

    def _captured(self, item: StageInput, models: Models) -> StageOutput:
        answer, image = item.needs["classify_heads"], item.needs["decode_image"]
        model = models.get(answer.data["answered_by"])
        told = {
            "image": dict(image.data),
            "answer": dict(answer.data),
            "models": dict(answer.provenance.get("models", {})),
            "input": None if model is None else _input(model, item),
        }
        content = json.dumps(rounded(told), indent=1, sort_keys=True).encode()
        return StageOutput({}, {"debug": File(content, MEDIA_TYPE)})


def _input(model: Model, item: StageInput) -> Mapping[str, Json]:
    spec = model.entry.input
    tensor: Tensor = to_batch([item.needs["decode_image"].picture("canonical")], spec)[0]
    places = (1, 2) if spec.layout == "NCHW" else (0, 1)
    exact = tensor.astype(np.float64)  # a mean in float32 is off in the fourth digit
    values = {name: getattr(exact, name)(axis=places).tolist() for name in ("min", "mean", "max")}
    return {"name": spec.name, "layout": spec.layout, "shape": list(tensor.shape), "dtype": str(tensor.dtype), **values}
