"""What is asked of a delivered system is shown, row by row."""

from __future__ import annotations

from pathlib import Path

from tests.house import rows, tree

SYSTEMS = {"S0": 88, "S1": 53, "S2": 38, "S3": 54, "S4": 51}
"""Delivered systems by their letter and number of rows."""


def test_every_row_of_a_delivered_system_stands_on_the_page_once_and_in_order() -> None:
    assert [each.number for each in rows.rows()] == [
        f"{system}.{number}" for system, count in SYSTEMS.items() for number in range(1, count + 1)
    ]


def test_every_row_has_evidence() -> None:
    assert [each.number for each, shown in rows.evidence() if not shown] == []


def test_evidence_is_there() -> None:
    missing = [
        f"{each.number}: {page}" for each in rows.rows() for page in each.pages if not (tree.ROOT / page).exists()
    ]
    assert missing == []


def test_tests_name_only_rows_that_are_asked() -> None:
    assert set(rows.marked()) <= {each.number for each in rows.rows()}


def test_a_row_without_evidence_is_found(tmp_path: Path) -> None:
    page = tmp_path / "requirements.md"
    page.write_text("| S9.1 | nothing shows this | |\n| S9.2 | this is shown | [there](a.md), `b/c.py` |\n")
    assert [each.pages for each in rows.rows(page)] == [(), ("docs/a.md", "b/c.py")]
