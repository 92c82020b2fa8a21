"""The pages say what the code does: their tables are made from it, and everything has its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.house import licences, tables, tree

DOCS = tree.ROOT / "docs"


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.name)
def test_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run `make docs`"


def test_every_table_stands_on_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in tables.pages())
    for name in tables.TABLES:
        assert f"<!-- make docs: {name} -->" in pages


def test_every_page_is_on_the_list() -> None:
    listed = set(re.findall(r"\]\((\w+\.md)\)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in tables.pages()} - {"README.md"}


@pytest.mark.parametrize("cls", tables.settings_classes(), ids=lambda cls: cls.__name__)
def test_every_setting_says_what_it_means(cls: type) -> None:
    for name, field in tables.variables(cls).items():
        assert name.startswith("SCANMILL_"), f"{cls.__name__}: {name}"
        assert len(field.description or "") >= 5, f"{name} has no description"


def test_nothing_else_reads_the_environment() -> None:
    """Settings classes read it. The command line hands it on to the processes that it starts."""
    pattern = re.compile(
        r"""os\.(?:environ\.get|getenv)\(["'](?!PYTHONPATH)|os\.environ\[["'](?!PROMETHEUS)\w+["']\](?!\s*=[^=])"""
    )
    found = [str(path) for path in tree.code() if pattern.search((tree.ROOT / path).read_text(encoding="utf-8"))]
    assert found == []


def test_every_fault_test_has_its_line() -> None:
    page = (DOCS / "faults.md").read_text(encoding="utf-8")
    for path in tree.files():
        if path.match("tests/faults/test_*.py"):
            assert path.as_posix() in page


def test_the_dashboard_and_the_alarms_ask_for_metrics_that_exist() -> None:
    known = {name for name, *_ in tables.rows()}
    known |= {
        f"{name}_{part}"
        for name, kind, *_ in tables.rows()
        if kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    board = json.loads((tree.ROOT / "monitoring/grafana/dashboard.json").read_text(encoding="utf-8"))
    rules = yaml.safe_load((tree.ROOT / "monitoring/prometheus/alerts.yml").read_text(encoding="utf-8"))
    questions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    questions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked = {name for question in questions for name in re.findall(r"scanmill_\w+", question)}
    assert asked <= known
    assert len(asked) >= 8


def test_pages_name_only_metrics_that_exist() -> None:
    known = {name for name, *_ in tables.rows()}
    for page in (*tables.pages(), tree.ROOT / "monitoring" / "README.md"):
        for name in re.findall(r"`(?:rate\()?(scanmill_\w+)", page.read_text(encoding="utf-8")):
            assert name in known, f"{page.name}: {name}"


def test_no_package_in_an_image_is_under_a_strong_copyleft_or_no_licence() -> None:
    for line in licences.table().splitlines()[2:]:
        package, licence = (cell.strip() for cell in line.strip("|").split("|")[:2])
        assert licence != "not stated", package
        if "GPL" in licence:
            assert package in licences.SPOKEN
            assert "LGPL" in licence


def test_every_make_target_is_shown_by_help() -> None:
    text = (tree.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    shown = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert targets == shown
    assert targets >= {"demo", "test", "lint", "fmt", "faults", "soak", "bench", "flower", "up", "clean", "help"}
