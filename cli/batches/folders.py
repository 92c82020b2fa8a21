"""Names for files of a batch's lines: a line's `custom_id` is a stranger's text, and becomes a folder below ours.

The same batch gives the same folders each time, because lines keep their order and their ids.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath

LONGEST = 80
"""Bytes of a folder's name; file systems take 255."""
DEEPEST = 8
"""Folders below each other."""
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp"}
"""Of files, by media type; `bin` for any other."""
_STRANGE = re.compile(r"[^\w.+@=,() -]")
_NAMED_LIKE_A_FILE = re.compile(rf"\.({'|'.join(SUFFIXES.values())}|bin|part)$", re.IGNORECASE)


class Folders:
    """One folder for each line. Memory holds a digest for each that was given."""

    def __init__(self) -> None:
        self._given: set[bytes] = set()

    def of(self, custom_id: str) -> PurePosixPath:
        """`custom_id` without its suffix, as a relative path that leaves no folder and that no other line has.

        What no name of ours may hold becomes `_`. An id that was changed, or whose folder is taken (`a.jpg`, `a.png`,
        `A.jpg`), gets `~` and the beginning of its SHA-256.
        """
        plain = re.sub(r"\.[^./]*$", "", custom_id) or custom_id
        parts = [_safe(part) for part in plain.split("/")][-DEEPEST:]
        digest = hashlib.sha256(custom_id.encode(errors="surrogatepass")).hexdigest()
        *above, name = parts
        changed = "/".join(parts) != plain
        for suffix in (*([] if changed else [""]), f"~{digest[:8]}", f"~{digest}"):
            path = PurePosixPath(*above, name + suffix)
            if self._take(path):
                return path
        raise ValueError(f"{custom_id!r} stands twice in one batch")

    def _take(self, path: PurePosixPath) -> bool:
        """Whether nobody has that folder, not even under another spelling that some file system takes for the same."""
        spelled = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", str(path)).casefold())
        key = hashlib.sha256(spelled.encode()).digest()[:16]
        free = key not in self._given
        self._given.add(key)
        return free


def _safe(part: str) -> str:
    """A part of a path that is a folder's name everywhere: no dots alone, no leading dot, no end that systems drop."""
    safe = _STRANGE.sub("_", part)
    safe = safe.encode()[:LONGEST].decode(errors="ignore")
    if safe.startswith((".", " ")):
        safe = f"_{safe[1:]}"
    if safe.endswith((".", " ")) or _NAMED_LIKE_A_FILE.search(safe):
        safe = f"{safe[:-1]}_"
    return safe or "_"


def file_name(name: str, media_type: str) -> str:
    """An artifact's file name."""
    return f"{_safe(name)}.{SUFFIXES.get(media_type, 'bin')}"
