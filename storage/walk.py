"""All files below a folder in a fixed order, a few thousand names at a time: a million files in it cost no more memory.

No link is followed. Paths are slash-separated and relative to the folder walked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from enum import Enum
from heapq import nsmallest
from pathlib import Path

from storage import files

NAMES = 4_096
"""Of one folder, held at once; the folder is read again for the next ones."""
DEEPEST = 100
"""Folders below each other that are entered."""
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG})


class Kind(Enum):
    """What was found."""

    FILE = "file"
    FOLDER = "folder"
    CLOSED = "a folder that may not be entered"
    OTHER = "a link, a pipe or a device"


def walk(root: Path, folder: str, after: str = "") -> Iterator[tuple[str, Kind]]:
    """Everything below ``folder`` (itself below ``root``) but folders that were entered; what comes behind ``after``.

    Raises OSError when the folder cannot be read. A path that ends with a slash is a folder that may not be entered.
    """
    yield from _walk(root, folder, "", after, 1)


def _walk(root: Path, folder: str, below: str, after: str, depth: int) -> Iterator[tuple[str, Kind]]:
    for name, kind in _names(root, folder, after.partition("/")[0]):
        if kind is not Kind.FOLDER:
            if name != after:
                yield f"{below}{name}", kind
        elif depth < DEEPEST:
            rest = after.removeprefix(f"{name}/") if after.startswith(f"{name}/") else None
            if rest != "":  # that folder was the last thing seen: closed
                path = f"{folder}/{name}" if folder else name
                yield from _entered(root, path, f"{below}{name}/", rest or "", depth + 1)
        elif after != f"{name}/":
            yield f"{below}{name}/", Kind.CLOSED


def _entered(root: Path, folder: str, below: str, after: str, depth: int) -> Iterator[tuple[str, Kind]]:
    try:
        yield from _walk(root, folder, below, after, depth)
    except FileNotFoundError:  # removed meanwhile, with all that was in it
        return
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        yield below, Kind.CLOSED


def _names(root: Path, folder: str, first: str) -> Iterator[tuple[str, Kind]]:
    """Names in a folder from ``first`` on, in order."""
    last = ""
    while True:
        with files.folder(root, folder) as here, os.scandir(here) as entries:
            rest = (entry for entry in entries if entry.name >= first and entry.name > last)
            page = [(entry.name, _kind(entry)) for entry in nsmallest(NAMES, rest, key=lambda entry: entry.name)]
        yield from page
        if len(page) < NAMES:
            return
        last = page[-1][0]


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return Kind.FOLDER
    return Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER
