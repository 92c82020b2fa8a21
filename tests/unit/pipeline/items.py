"""Short ways to make a stage's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contracts import RunState
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.stage import File, Need, Picture, Stage, StageInput, StageOutput, load_models
from tests.unit.pipeline import tiny_models as tiny


def need(data: Mapping[str, Any] | None = None, **pictures: Any) -> Need:
    """An earlier stage that ended ok and left these numbers and pictures."""
    for picture in pictures.values():
        picture.flags.writeable = False  # as the worker hands them out
    return Need(
        RunState.OK, None, data or {}, {"stage_version": 1, "models": {}}, tuple(sorted(pictures)), pictures.__getitem__,
        lambda name: {}[name],
    )  # fmt: skip


def ended(outcome: RunState, code: str, data: Mapping[str, Any] | None = None) -> Need:
    """An earlier stage that ended otherwise."""
    ran = {"stage_version": 1, "models": {}} if outcome in (RunState.REJECTED, RunState.ABSTAINED) else {}
    return Need(outcome, code, data or {}, ran, (), lambda name: {}[name], lambda name: {}[name])


SKIPPED = ended(RunState.SKIPPED, "UPSTREAM_NOT_OK")
OFF = ended(RunState.SKIPPED, "SWITCHED_OFF")


def answered(output: object) -> Need:
    """What a stage answered, as the next one sees it."""
    assert isinstance(output, StageOutput), output
    pictures = {name: part.pixels for name, part in output.artifacts.items() if isinstance(part, Picture)}
    files = {name: part.content for name, part in output.artifacts.items() if isinstance(part, File)}
    names = tuple(sorted(output.artifacts))
    return Need(RunState.OK, None, output.data, {}, names, pictures.__getitem__, files.__getitem__)


def item(**needs: Need) -> StageInput:
    return StageInput(needs)


def canonical(picture: Any) -> Need:
    """What decode_image leaves."""
    height, width = picture.shape[:2]
    return need({"width": width, "height": height}, canonical=picture)


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (320, 320)) -> Any:
    return np.full((*size, 3), (red, green, blue), np.uint8)


def room(folder: Path) -> ModelRoom:
    """The nine tiny models of the cat pipeline."""
    return ModelRoom([read_manifest(tiny.cat_pack(folder / "tiny"), "tiny")])


def run(stage: Stage, items: list[StageInput], models: ModelRoom | None = None) -> list[Any]:
    """What the stage answers."""
    loaded = load_models(stage.models, models.load, alternatives=stage.alternatives) if models else {}
    return list(stage.run(items, loaded))


def code(answer: object) -> str:
    return str(getattr(answer, "code", "ok"))
