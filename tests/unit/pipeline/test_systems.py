"""A system's list survives the ledger, and the page of stages knows every one of it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import System
from pipeline.stage import Stage
from pipeline.systems import PIPELINES

STAGES = [pytest.param(stage, id=f"{system}-{stage.name}") for system, p in PIPELINES.items() for stage in p.stages]
PAGE = (Path(__file__).parents[3] / "docs" / "stages.md").read_text(encoding="utf-8")


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def test_every_system_has_a_pipeline() -> None:
    assert set(PIPELINES) == set(System)
    assert all(system is pipeline.system for system, pipeline in PIPELINES.items())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_be_made_again_from_its_row(stage: Stage) -> None:
    placing = {name: getattr(stage, name) for name in ("name", "needs", "optional", "switch", "reuse_for_s")}
    kept = {key: tuples(value) for key, value in json.loads(json.dumps(stage.parameters)).items()}
    assert type(stage)(**placing, **kept) == stage
    assert {*placing, *kept} == {f.name for f in fields(stage)}


@pytest.mark.parametrize("stage", STAGES)
def test_the_page_tells_kind_needs_queue_and_version(stage: Stage) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{stage.kind}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert all(f"`{need}`" in cells[1] for need in stage.needs)
    assert cells[4:] == [str(stage.queue), str(stage.version)]


def test_the_cat_s_classifiers_stand_under_the_names_that_the_report_looks_for() -> None:
    names = PIPELINES[System.CAT_FACE].by_name
    report: Any = names["build_report"]
    for region in report.regions:
        reader: Any = names[f"classify_{region}"]
        assert reader.region == region and reader.name in report.optional
    assert set(report.optional) == set(names) - {"build_report"}
    assert set(names["explain_findings"].optional) == {f"classify_{region}" for region in report.regions}
