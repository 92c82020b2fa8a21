"""A classifier's outputs: its logits or probabilities, and what its explanation reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.models.explanation import Layer
from training.convert.description import Description
from training.convert.draft import head_of
from training.convert.outputs import FEATURES, Head, with_features, with_head

_LAYERS: Final[tuple[Layer, ...]] = ("top_conv", "top_activation")
_ROUNDED: Final = 0.1
"""Probabilities in steps of 1/256 may miss a sum of 1 by as much."""


@dataclass(frozen=True)
class Classifier:
    """The model with all it needs, the roles of its outputs, and how its head was read."""

    model: onnx.ModelProto | None
    roles: Mapping[str, str]
    output: str
    head: Head

    @property
    def layer(self) -> Layer | None:
        return self.head.layer


def classifier(
    model: onnx.ModelProto | None, description: Description, found: Mapping[str, NDArray[Any]]
) -> Classifier:
    """Read the end of ``model``; without one (TFLite) the outputs are what they are. Raises InvalidField.

    The model that comes back is the one that was given if nothing had to be added.
    """
    output = head_of(description, found)
    if model is None:
        return Classifier(
            None,
            {_role(description, output, found[output]): output, **_others(description)},
            output,
            Head("none", output),
        )
    wants_maps = description.explain in ("auto", "grad-cam") and "cam" not in description.outputs
    layers = _LAYERS if description.layer is None else (description.layer,)
    eigen = description.explain == "eigen-cam"
    grown, head = with_head(with_features(model) if eigen else model, output, layers if wants_maps else ())
    roles = {"logits": head.logits} if head.logits != output else {_role(description, output, found[output]): output}
    roles |= _others(description) | ({"cam": head.cam} if head.cam else {})
    if eigen and FEATURES in {value.name for value in grown.graph.output}:
        roles |= {"features": FEATURES}
    untouched = head.logits == output and "features" not in roles
    return Classifier(model if untouched else grown, roles, output, head)


def _others(description: Description) -> dict[str, str]:
    """What was described beside the head: maps, features."""
    return {role: name for role, name in description.outputs.items() if role not in ("logits", "probabilities")}


def _role(description: Description, name: str, values: NDArray[Any]) -> str:
    """What rows of numbers are, if nobody says: probabilities if they are called so, or lie in 0..1 and add up to 1."""
    if "logits" in description.outputs or "probabilities" in description.outputs:
        return "logits" if "logits" in description.outputs else "probabilities"
    if "softmax" in name.lower():
        return "probabilities"
    sums_up = bool(np.abs(values.sum(axis=1) - 1).max() < _ROUNDED)
    return "probabilities" if sums_up and values.min() >= 0 and values.max() <= 1 else "logits"
