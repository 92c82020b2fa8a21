"""Sizes that keep a house calm. What grows past them wants to be two things."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import tree

FILE, FUNCTION, SYSTEM, STAGE = 300, 50, 40, 150
TEST_FILE = 500
"""A file of tests may be a long table of cases."""


@pytest.mark.parametrize("path", [path for path in tree.python() if "versions" not in path.parts], ids=str)
def test_files_and_functions_stay_small(path: Path) -> None:
    """Migrations are left out: each is one function, as long as what it has to say to the database."""
    assert tree.lines(path) <= (TEST_FILE if path.parts[0] == "tests" else FILE)
    assert [(name, size) for name, size in tree.functions(path) if size > FUNCTION] == []


def test_systems_and_stages_stay_smaller() -> None:
    long = [
        (str(path), tree.lines(path))
        for path in tree.code()
        for room, most in (("pipeline/systems", SYSTEM), ("pipeline/stages", STAGE))
        if path.parent.as_posix() == room and tree.lines(path) > most
    ]
    assert long == []


def test_most_functions_are_short() -> None:
    sizes = sorted(size for path in tree.code() for _, size in tree.functions(path))
    assert sizes[len(sizes) // 2] <= 10


def test_most_files_are_short() -> None:
    sizes = sorted(tree.lines(path) for path in tree.code() if path.name != "__init__.py")
    assert sizes[len(sizes) // 2] <= 130
