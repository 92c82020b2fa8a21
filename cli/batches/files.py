"""Files that the verbs of a batch write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that stands under its name only once it is whole."""
    half = path.with_name(f"{path.name}.part")
    with half.open("wb") as opened:
        opened.writelines(parts)
    half.replace(path)
