"""A pipeline in memory, without ledger, storage or Celery: for tests, notebooks and golden images.

It keeps the ledger's promises where they can be seen without one: the same needs and skips (``pipeline.progress``), a
bad item never harms its neighbours, numbers pass through JSON and pictures through their files. It does not try
again: what the ledger would retry ends ``failed`` here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.contracts import RunState
from pipeline.definition import Pipeline
from pipeline.errors import SWITCHED_OFF, ScanmillError
from pipeline.imaging.codec import decode_own, encode_jpeg, encode_png
from pipeline.progress import Ending, StageNeeds, advance
from pipeline.stage import File, Models, Need, Picture, Stage, StageAnswer, StageInput, StageOutput, load_models

if TYPE_CHECKING:
    from pipeline.models.room import ModelRoom

LASTING: Final = frozenset({RunState.OK, RunState.REJECTED, RunState.ABSTAINED})
"""Ends that keep their numbers and who answered; the others leave only a code."""


@dataclass(frozen=True)
class RunRecord:
    """How one stage of one scan ended and what it left, as the ledger would keep it.

    ``compute_ms`` is the micro-batch's time shared out evenly; it is told, and no part of the result.
    """

    ending: Ending
    data: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, File] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    compute_ms: float = field(default=0.0, compare=False)

    def need(self) -> Need:
        """The record as a later stage sees it."""
        return Need(
            outcome=self.ending.state,
            code=self.ending.code,
            data=self.data,
            provenance=self.provenance,
            artifacts=tuple(sorted(self.artifacts)),
            picture=lambda name: decode_own(self.artifacts[name].content),
            content=lambda name: self.artifacts[name].content,
        )


def run_in_memory(
    pipeline: Pipeline, content: bytes, room: ModelRoom, options: Mapping[str, Any] | None = None
) -> dict[str, RunRecord]:
    """One picture through a pipeline: stage name → record, in pipeline order. Raises only on bugs."""
    return run_batch(pipeline, [content], room, options)[0]


def run_batch(
    pipeline: Pipeline, contents: Sequence[bytes], room: ModelRoom, options: Mapping[str, Any] | None = None
) -> list[dict[str, RunRecord]]:
    """Several pictures at once, each stage as one micro-batch; element i is what picture i would get alone."""
    chosen = dict(options or {})
    if unknown := set(chosen) - pipeline.options:
        raise ValueError(f"{pipeline.system} has no options {sorted(unknown)}")
    scans = [_Scan.start(pipeline, content, chosen) for content in contents]
    for stage in pipeline.stages:
        for scan in scans:
            scan.advance(pipeline)
        ready = [scan for scan in scans if scan.runs[stage.name].ending.state is RunState.READY]
        for scan, record in zip(ready, _records(stage, [scan.input(stage) for scan in ready], room), strict=True):
            scan.runs[stage.name] = record
    return [scan.runs for scan in scans]


@dataclass
class _Scan:
    runs: dict[str, RunRecord]
    source: Callable[[], bytes]
    options: Mapping[str, Any]

    @classmethod
    def start(cls, pipeline: Pipeline, content: bytes, options: Mapping[str, Any]) -> _Scan:
        blocked, off = Ending(RunState.BLOCKED), Ending(RunState.SKIPPED, SWITCHED_OFF)
        switched_off = {stage.name for stage in pipeline.stages if stage.switch and options.get(stage.switch) is False}
        runs = {stage.name: RunRecord(off if stage.name in switched_off else blocked) for stage in pipeline.stages}
        return cls(runs, lambda: content, options)

    def advance(self, pipeline: Pipeline) -> None:
        waits = [StageNeeds(stage.name, stage.needs, stage.optional) for stage in pipeline.stages]
        endings = {name: record.ending for name, record in self.runs.items()}
        self.runs.update({name: RunRecord(ending) for name, ending in advance(waits, endings).items()})

    def input(self, stage: Stage) -> StageInput:
        needs = {name: self.runs[name].need() for name in (*stage.needs, *stage.optional)}
        return StageInput(needs, self.options, self.source)


def _records(stage: Stage, items: Sequence[StageInput], room: ModelRoom) -> list[RunRecord]:
    if not items:
        return []
    try:
        models = load_models(stage.models, room.load, alternatives=stage.alternatives)
    except ScanmillError as error:
        return [_record(error, {}, 0.0) for _ in items]
    started = time.perf_counter()
    answers = answer_all(stage, items, models)
    share_ms = (time.perf_counter() - started) * 1000 / len(items)
    return [_record(answer, provenance(stage, models), share_ms) for answer in answers]


def answer_all(stage: Stage, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
    """Run a stage. If it gives up on a micro-batch as a whole, its items are tried one by one."""
    try:
        return list(stage.run(items, models))
    except ScanmillError as error:
        if len(items) == 1:
            return [error]
        return [answer for item in items for answer in answer_all(stage, [item], models)]


def _record(answer: StageAnswer, who: Mapping[str, Any], share_ms: float) -> RunRecord:
    if isinstance(answer, StageOutput):
        ending, artifacts = Ending(RunState.OK), {name: encoded(part) for name, part in answer.artifacts.items()}
    else:
        ending, artifacts = Ending(answer.outcome, answer.code), {}
    if ending.state not in LASTING:
        return RunRecord(ending, compute_ms=share_ms)
    data = json.loads(json.dumps(dict(answer.data), allow_nan=False))
    return RunRecord(ending, data, artifacts, who, share_ms)


def provenance(stage: Stage, models: Models) -> dict[str, Any]:
    """Who answers: the stage's version, and each model's name, version, digest, pack and runtime."""
    return {"stage_version": stage.version, "models": {name: model.entry.provenance for name, model in models.items()}}


def encoded(part: Picture | File) -> File:
    """An artifact as the bytes that are stored: PNG where later stages compute on it, JPEG where only people look."""
    if isinstance(part, File):
        return part
    if part.lossless:
        return File(encode_png(part.pixels), "image/png")
    return File(encode_jpeg(part.pixels), "image/jpeg")
