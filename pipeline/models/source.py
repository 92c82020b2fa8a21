"""Versions that are in no pack on this disk: where they come from, and the files that were kept of them."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pipeline.models.manifest import ModelEntry


class ModelSource(Protocol):
    """Whoever knows further versions. Every method raises StorageUnavailable when it cannot say."""

    def entry(self, name: str, digest: str) -> ModelEntry | None:
        """That version's entry; None when nobody has it, or not its file."""
        ...

    def content(self, entry: ModelEntry) -> bytes:
        """The file's bytes. Raises ModelUnavailable or ModelLoadError."""
        ...

    def mark(self) -> object:
        """A value that differs from an earlier one whenever there may be more to know."""
        ...


class FileCache:
    """Files by their SHA-256 in one folder, which the processes of a host may share; the least used ones go first.

    A file that is not what its name says is removed and counts as not there, so the folder needs no trust.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def get(self, sha256: str) -> bytes | None:
        """The bytes with that SHA-256, if they are here."""
        path = self._folder / sha256
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != sha256:
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, sha256: str, content: bytes) -> None:
        """Keep bytes, whole or not at all. A full disk is no failure: they are fetched again next time."""
        if len(content) > self._most_bytes:
            return
        draft = self._folder / f".{secrets.token_hex(8)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(content))
            draft.write_bytes(content)
            draft.replace(self._folder / sha256)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        kept = sorted(self._folder.iterdir(), key=_used)
        total = sum(_size(path) for path in kept)
        for path in kept:
            if total + size <= self._most_bytes:
                return
            total -= _size(path)
            path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
