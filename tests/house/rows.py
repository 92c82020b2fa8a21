"""Each row of docs/requirements.md and what shows that it is met: `make rows` prints it.

Evidence is a test that carries ``@pytest.mark.row("S0.30", …)``, or the page or file that the row names itself.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house import tree

PAGE = tree.ROOT / "docs" / "requirements.md"
_ROW = re.compile(r"^\| (S\d+\.\d+) \| ([^|\n]+) \|([^|\n]*)\|$", re.MULTILINE)
_NAMED = re.compile(r"`([\w./-]+)`|\]\(([^)#]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number, what is asked in our words, and the pages or files that answer it, from the root."""

    number: str
    asked: str
    pages: tuple[str, ...]


def rows(page: Path = PAGE) -> list[Row]:
    """The rows of every delivered system, in order. A system is delivered when its rows stand on the page."""
    return [
        Row(found[1], found[2].strip(), _pages(found[3])) for found in _ROW.finditer(page.read_text(encoding="utf-8"))
    ]


def _pages(cell: str) -> tuple[str, ...]:
    named = (plain or f"docs/{link}" for plain, link in _NAMED.findall(cell))
    return tuple(str(Path(name)) if not name.startswith("docs/..") else name.removeprefix("docs/../") for name in named)


def marked() -> dict[str, list[str]]:
    """Row → the tests that carry it, as ``file::function``."""
    found: dict[str, list[str]] = {}
    for path in tree.files():
        if path.parts[0] == "tests" and path.name.startswith("test_") and path.suffix == ".py":
            for name, number in _marks(ast.parse((tree.ROOT / path).read_text(encoding="utf-8"))):
                found.setdefault(number, []).append(f"{path.as_posix()}::{name}")
    return found


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            for call in (each for each in node.decorator_list if isinstance(each, ast.Call) and _is_row(each.func)):
                yield from ((node.name, str(each.value)) for each in call.args if isinstance(each, ast.Constant))


def _is_row(called: ast.expr) -> bool:
    """``pytest.mark.row``, or ``row`` where a file calls it that."""
    return (isinstance(called, ast.Attribute) and called.attr == "row") or (
        isinstance(called, ast.Name) and called.id == "row"
    )


def evidence() -> list[tuple[Row, list[str]]]:
    """Every row with its tests and pages."""
    tests = marked()
    return [(each, [*tests.get(each.number, []), *each.pages]) for each in rows()]


def main() -> int:
    """Print the table; 1 if a row lacks evidence."""
    table = evidence()
    for each, shown in table:
        print(f"{each.number:7} {each.asked}")
        for one in shown or ["MISSING"]:
            print(f"        {one}")
    missing = [each.number for each, shown in table if not shown]
    print(f"{len(table)} rows, {len(missing)} without evidence{': ' if missing else ''}{', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
