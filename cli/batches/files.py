"""Files that the verbs of a batch write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path


def whole(path: Path, parts: Iterable[bytes], check: Callable[[Path], None] = lambda _: None) -> None:
    """Write a file that stands under its name only once it is whole, and ``check`` has let it pass."""
    half = path.with_name(f"{path.name}.part")
    with half.open("wb") as opened:
        opened.writelines(parts)
    check(half)
    half.replace(path)
