"""A pipeline refuses an order that could not run, and names its exact self."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from db.sql import sha256_of
from pipeline.contracts import Queue
from pipeline.definition import Pipeline, version_of
from pipeline.stage import Models, Stage, StageAnswer, StageInput
from pipeline.systems import PIPELINES


@dataclass(frozen=True, kw_only=True)
class Look(Stage):
    kind: ClassVar[str] = "look"
    queue: ClassVar[Queue] = Queue.GPU
    sides: tuple[str, ...] = ("left", "right")
    model: str = "net"

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        raise NotImplementedError


DIGESTS = {"net": "a" * 64, "other": "b" * 64}


def test_a_need_must_stand_before_it() -> None:
    with pytest.raises(ValueError, match=r"second needs \['first'\] before it"):
        Pipeline("s", (Look(name="second", needs=("first",)), Look(name="first")))
    with pytest.raises(ValueError, match="needs"):
        Pipeline("s", (Look(name="only", optional=("only",)),))
    with pytest.raises(ValueError, match="needs"):
        Pipeline("s", (Look(name="only", needs=("misspelt",)),))


def test_two_stages_of_one_class_need_two_names() -> None:
    with pytest.raises(ValueError, match="two stages are named look"):
        Pipeline("s", (Look(), Look(sides=("left",))))
    pipeline = Pipeline("s", (Look(), Look(name="again", needs=("look",))))
    assert list(pipeline.by_name) == ["look", "again"]


def test_a_specification_is_plain_data_with_the_models_pinned() -> None:
    pipeline = Pipeline("s", (Look(switch="deep"), Look(name="again", optional=("look",), model="other")))
    specification = pipeline.specification(DIGESTS)
    assert json.loads(json.dumps(specification)) == specification
    first, second = specification["stages"]
    assert first == {
        "name": "look",
        "kind": "look",
        "version": 1,
        "queue": "gpu",
        "deadline_s": 60.0,
        "needs": [],
        "optional": [],
        "switch": "deep",
        "reuse_for_s": None,
        "parameters": {"sides": ["left", "right"], "model": "net"},
        "models": {"net": "a" * 64},
    }
    assert (second["optional"], second["models"]) == (["look"], {"other": "b" * 64})
    assert pipeline.options == {"deep"}


def test_a_model_that_nobody_has_cannot_be_pinned() -> None:
    with pytest.raises(KeyError):
        Pipeline("s", (Look(),)).specification({})


@pytest.mark.parametrize(
    "changed",
    [
        Look(sides=("left",)),
        Look(model="other"),
        Look(switch="deep"),
        Look(reuse_for_s=60.0),
        Look(name="look2"),
    ],
)
def test_any_change_is_another_version(changed: Stage) -> None:
    before = Pipeline("s", (Look(),)).specification(DIGESTS)
    assert version_of(Pipeline("s", (changed,)).specification(DIGESTS)) != version_of(before)
    assert version_of(Pipeline("s", (Look(),)).specification({**DIGESTS, "net": "c" * 64})) != version_of(before)
    assert version_of(Pipeline("s", (Look(),)).specification(DIGESTS)) == version_of(before)


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=lambda p: str(p.system))
def test_every_system_can_be_published(pipeline: Pipeline) -> None:
    names = {name for stage in pipeline.stages for name in stage.models}
    specification = pipeline.specification(dict.fromkeys(names, "d" * 64))
    assert sha256_of(specification) == sha256_of(json.loads(json.dumps(specification)))
    assert pipeline.stages[-1].kind == "build_report"
    assert pipeline.stages[-1].needs == ()
