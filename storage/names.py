"""Which files of a folder, an archive or a prefix are pictures that somebody wants."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def wanted(path: str, globs: Sequence[str]) -> bool:
    """Whether a path is like one of the globs (``*`` goes through slashes); without any, whether it ends as a picture."""
    if globs:
        return any(fnmatch.fnmatchcase(path, glob) for glob in globs)
    return path.lower().endswith(SUFFIXES)
