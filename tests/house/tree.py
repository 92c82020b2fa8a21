"""What belongs to the house: the files that git has or would take, by kind."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("api", "bench", "cli", "db", "models", "monitoring", "pipeline", "storage", "tasks", "training", "workers")


@cache
def files() -> tuple[Path, ...]:
    """Every file that git has or would add, as paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(sorted(Path(name) for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file()))


def code() -> list[Path]:
    """Python files of the rooms: no tests, no migrations."""
    return [
        path
        for path in files()
        if path.suffix == ".py" and path.parts[0] in ROOMS and "migrations/versions" not in path.as_posix()
    ]


def python() -> list[Path]:
    """Every Python file."""
    return [path for path in files() if path.suffix == ".py"]


def texts() -> Iterator[tuple[Path, str]]:
    """Every file that is text, with its text; generated locks left out."""
    for path in files():
        if path.name in ("requirements.txt", "onnxruntime-gpu.txt"):
            continue
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function in a file."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.name, node.end_lineno - node.lineno + 1


def lines(path: Path) -> int:
    """Number of lines of a file."""
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())
