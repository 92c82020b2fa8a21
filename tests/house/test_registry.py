"""Whatever is added is complete on the day it is added: a system, a stage, a model, a command."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from pathlib import Path

import pytest

from cli.main import VERBS
from pipeline.contracts import System
from pipeline.models.manifest import read_manifest
from pipeline.stage import Stage
from pipeline.systems import PIPELINES
from tasks.app import make_app
from tasks.stages import register_stages
from tests.house import tree

STAGES = {stage.name: stage for pipeline in PIPELINES.values() for stage in pipeline.stages}
KINDS = {stage.kind: type(stage) for pipeline in PIPELINES.values() for stage in pipeline.stages}
STAGE_FILES = sorted(
    path.stem for path in tree.code() if path.parent == Path("pipeline/stages") and path.stem != "__init__"
)


def test_every_system_has_one_file_and_one_pipeline() -> None:
    assert set(PIPELINES) == set(System)
    files = {path.stem for path in tree.code() if path.parent == Path("pipeline/systems")} - {"__init__"}
    assert files == set(System)
    for system, pipeline in PIPELINES.items():
        assert pipeline.system is system
        assert getattr(importlib.import_module(f"pipeline.systems.{system}"), system.upper()) is pipeline


@pytest.mark.parametrize("name", STAGE_FILES)
def test_a_stage_file_holds_the_stage_of_its_name(name: str) -> None:
    module = importlib.import_module(f"pipeline.stages.{name}")
    defined = [
        each for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Stage) and each.__module__ == module.__name__
    ]  # fmt: skip
    assert [each.kind for each in defined] == [name]
    assert KINDS[name] is defined[0], f"no system uses {name}"
    assert defined[0].__doc__


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_stage_has_its_test_and_its_row(kind: str) -> None:
    assert (tree.ROOT / "tests" / "unit" / "pipeline" / "stages" / f"test_{kind}.py").is_file()
    rows = [line for line in (tree.ROOT / "docs" / "stages.md").read_text().splitlines() if line.startswith("| ")]
    assert any(re.match(rf"\| `{kind}`", row) for row in rows), f"docs/stages.md has no row for {kind}"


def test_every_stage_is_a_celery_task_by_name() -> None:
    app = make_app("redis://127.0.0.1:1/0")
    register_stages(app, STAGES, lambda _: None)
    assert {name for name in app.tasks if name.startswith("scan.")} == {f"scan.{name}" for name in STAGES}


OWN = {"thermal_patchcore"}
"""What only an installation itself can make: its system is offered where a pack of its own has it."""


def test_every_model_that_a_stage_names_is_shipped_as_its_manifest_says_or_public_by_its_address() -> None:
    packs = {name: read_manifest(tree.ROOT / "models" / name / "manifest.toml", name) for name in ("starter", "public")}
    wanted, entries = {model for stage in STAGES.values() for model in stage.models}, packs["starter"]
    assert all(packs["public"][name].url and packs["public"][name].bytes for name in wanted - set(entries) - OWN)
    for name in wanted & set(entries):
        file = tree.ROOT / "models" / "starter" / entries[name].file
        assert hashlib.sha256(file.read_bytes()).hexdigest() == entries[name].sha256, name
        assert not entries[name].mock


@pytest.mark.parametrize("path", [path for path in tree.files() if path.match("models/*/manifest.toml")], ids=str)
def test_every_model_has_a_licence_and_every_shipped_one_a_card(path: Path) -> None:
    for name, entry in read_manifest(tree.ROOT / path, path.parent.name).items():
        assert entry.licence
        assert entry.source
        if path.parent.name == "starter":
            assert (tree.ROOT / path.parent / "cards" / f"{name}.md").is_file()


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_its_module(verb: str) -> None:
    assert (tree.ROOT / "cli" / "verbs" / f"{verb}.py").is_file()


def test_every_command_module_is_a_command() -> None:
    files = {path.stem for path in tree.code() if path.parent == Path("cli/verbs")} - {"__init__"}
    assert files == set(VERBS)
