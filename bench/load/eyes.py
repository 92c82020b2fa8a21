"""The cataract models, called as plainly as can be: for the other ways to serve them. No ledger, no storage, no pictures drawn.

The files, the input's preparation and the threads of a session are the house's own (``pipeline.models``), so that ways of
serving are compared and not networks. Pictures are decoded in this process, with no limits.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pipeline.definition import Pipeline
from pipeline.errors import NotAnEye, ScanmillError
from pipeline.imaging.codec import decode_own
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.run import run_in_memory
from pipeline.systems.cataract import CATARACT
from pipeline.tuning import CataractSettings

GATE, ENCODER, FAST, STRONG = "eye_gate", "eye_encoder", "cataract_fast", "cataract_strong"
SURE = 0.6


def open_room() -> ModelRoom:
    """The starter pack, nothing of it loaded yet."""
    return ModelRoom([read_manifest(PACKS_ROOT / "starter" / "manifest.toml", "starter")], ModelSettings())


def one(room: ModelRoom, name: str, given: Any) -> Any:
    """One model's answer. Raises what it answers in its place."""
    answer = room.load(name).predict([given])[0]
    if isinstance(answer, ScanmillError):
        raise answer
    return answer


def pixels(content: bytes) -> Any:
    """uint8 RGB (h, w, 3)."""
    found = decode_own(content)
    return found if found.ndim == 3 else found[:, :, None].repeat(3, axis=2)


def check_eye(room: ModelRoom, picture: Any) -> None:
    """Raises NotAnEye."""
    gate = room.load(GATE)
    if one(room, GATE, picture).probabilities["eye"] < gate.threshold("subject", None):
        raise NotAnEye


def fast(room: ModelRoom, picture: Any) -> Mapping[str, float]:
    """Encoder, then trees: chance by label."""
    chances: Mapping[str, float] = one(room, FAST, one(room, ENCODER, picture))
    return chances


def strong(room: ModelRoom, picture: Any) -> Mapping[str, float]:
    """Chance by label."""
    chances: Mapping[str, float] = one(room, STRONG, picture).probabilities
    return chances


def ensemble(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, Any]:
    """The mean of both, in the seed's words."""
    chances = {label: (first[label] + second[label]) / 2 for label in first}
    label, confidence = max(chances.items(), key=lambda pair: pair[1])
    sure = label if confidence >= SURE else "uncertain"
    return {"prediction": sure, "confidence": confidence, "probabilities": chances, "model_used": "ensemble"}


def models_alone(room: ModelRoom, content: bytes) -> dict[str, Any]:
    """Decode, gate, both models. Raises NotAnEye."""
    picture = pixels(content)
    check_eye(room, picture)
    return ensemble(fast(room, picture), strong(room, picture))


def whole_pipeline(room: ModelRoom, content: bytes) -> dict[str, Any]:
    """All that our stages compute for a scan: limited decoder, pupil and drawn pictures included; nothing is kept."""
    records = run_in_memory(_always_both(), content, room)
    decision = records["classify_cataract"]
    if not decision.data:
        raise NotAnEye
    return {"prediction": decision.data["label"], "confidence": decision.data["confidence"], "model_used": "ensemble"}


@functools.cache
def _always_both() -> Pipeline:
    return CataractSettings(policy="ensemble").tune(CATARACT)
