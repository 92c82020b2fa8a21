"""One small file per slot: who the child is, and until when its present stage may take.

The child writes it, the supervisor reads it. Times are CLOCK_MONOTONIC, which all processes of a host share.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Notice:
    """``deadline`` is None while the child is idle."""

    owner: str
    pid: int
    stage: str | None = None
    deadline: float | None = None

    @property
    def owner_id(self) -> UUID:
        return UUID(self.owner)


def post(path: Path, notice: Notice) -> None:
    """Replace the notice in one step."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(notice)))
    temporary.replace(path)


def read(path: Path) -> Notice | None:
    """The notice, or None when the child has not written one yet."""
    try:
        return Notice(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
