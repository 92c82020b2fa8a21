"""Which published stages this code runs: exactly those that would do here what they were published to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from db.pipelines import StageSpec
from pipeline.definition import Pipeline
from pipeline.errors import ModelUnavailable
from pipeline.stage import Models, Stage, StageAnswer, StageInput
from pipeline.systems import PIPELINES
from tasks.registry import Registry, pipelines
from tests.unit.tasks.tiny import TINY, Shelf

DIGEST = "a" * 64


@dataclass(frozen=True, kw_only=True)
class Look(Stage):
    kind: ClassVar[str] = "look"
    version: ClassVar[int] = 3
    model: str
    boxes: tuple[tuple[int, int], ...] = ((0, 0),)
    wide: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        raise NotImplementedError


PUBLISHED = Look(name="look_left", model="net", boxes=((1, 2), (3, 4)), needs=(), switch="deep")


def spec_of(stage: Stage, id: int = 7, **changed: Any) -> StageSpec:
    row = Pipeline("s", (stage,)).specification({"net": DIGEST})["stages"][0]
    row["needs"], row["optional"] = tuple(row["needs"]), tuple(row["optional"])
    return StageSpec(**{"id": id, "pipeline_id": 1, "position": 0, "basis": "b", **row, **changed})


def learned(*specs: StageSpec, room: Shelf | None = None) -> Registry:
    registry = Registry([Pipeline("s", (Look(model="net"),))], room or Shelf(net=DIGEST))
    registry.learn(specs)
    return registry


def test_a_stage_comes_back_from_its_row_as_it_was() -> None:
    registry = learned(spec_of(PUBLISHED))
    assert registry.runnable[7].stage == PUBLISHED
    assert registry.newest == 7


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "unheard"},
        {"version": 2},
        {"version": 4},
        {"models": {"net": "b" * 64}},
        {"models": {"net": DIGEST, "other": DIGEST}},
        {"parameters": {"model": "net", "boxes": [], "wide": False, "newer": 1}},
    ],
    ids=["kind", "older", "newer", "model digest", "second model", "unknown parameter"],
)
def test_what_this_code_could_not_do_faithfully_is_left_to_others(changed: dict[str, Any]) -> None:
    registry = learned(spec_of(PUBLISHED, **changed), spec_of(PUBLISHED, 9))
    assert list(registry.runnable) == [9]
    assert registry.newest == 9, "it is not looked at again"


def test_a_parameter_that_was_added_since_has_its_default() -> None:
    registry = learned(spec_of(PUBLISHED, parameters={"model": "net", "boxes": [[1, 2], [3, 4]]}))
    assert registry.runnable[7].stage == PUBLISHED


def test_the_models_are_those_that_were_pinned() -> None:
    room = Shelf(net=DIGEST)
    runnable = learned(spec_of(PUBLISHED), room=room).runnable[7]
    room.held["net"] = "c" * 64
    with pytest.raises(ModelUnavailable):
        runnable.models(room)


def test_learning_goes_on_from_the_newest() -> None:
    registry = learned(spec_of(PUBLISHED, 7))
    registry.learn([spec_of(replace(PUBLISHED, wide=True), 8)])
    assert {i: r.stage.wide for i, r in registry.runnable.items()} == {7: False, 8: True}  # type: ignore[attr-defined]


def test_the_pipelines_are_the_systems_and_those_named() -> None:
    assert pipelines() == list(PIPELINES.values())
    assert pipelines(["tests.unit.tasks.tiny:TINY"])[-1] is TINY
    with pytest.raises(AttributeError):
        pipelines(["tests.unit.tasks.tiny:MISSPELT"])


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=lambda p: str(p.system))
def test_every_stage_of_every_system_comes_back_from_its_row(pipeline: Pipeline) -> None:
    digests = {name: DIGEST for stage in pipeline.stages for name in stage.models}
    registry = Registry([pipeline], Shelf(**digests))
    rows = pipeline.specification(digests)["stages"]
    registry.learn(
        StageSpec(
            **{
                "id": n,
                "pipeline_id": 1,
                "position": n,
                "basis": "",
                **row,
                "needs": tuple(row["needs"]),
                "optional": tuple(row["optional"]),
            }
        )
        for n, row in enumerate(rows, 1)
    )
    assert tuple(r.stage for r in registry.runnable.values()) == pipeline.stages
