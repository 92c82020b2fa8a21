"""Sources that the service lists itself: `server:/FOLDER` on its own disk, `prefix:OBJECTS` in its storage.

A file or folder here whose name begins like that is named by its absolute path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.batches.sources import SourceError

_KINDS = {"server:": "folder", "prefix:": "prefix"}


def is_there(source: Path) -> bool:
    """Whether the service is to look for it. Raises SourceError for what is neither there nor here."""
    if str(source).startswith(tuple(_KINDS)):
        return True
    if not source.exists():
        raise SourceError(f"{source} does not exist")
    return False


def source(named: Path, globs: Sequence[str] | None, since: str | None, into: str | None) -> dict[str, Any] | None:
    """What `POST /v1/batches` takes as `source`; None for a source on this machine. Raises SourceError."""
    if not is_there(named):
        return None
    if into is not None:
        raise SourceError("--into goes on with what this machine sends: the service lists its own sources to their end")
    mark, _, place = str(named).partition(":")
    return {
        _KINDS[f"{mark}:"]: place,
        **({"glob": list(globs)} if globs else {}),
        **({"since": since} if since else {}),
    }
