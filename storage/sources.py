"""What a batch may list on the server: a folder of the host below an open root, or a tenant's objects under a prefix."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pipeline.errors import (
    FileTooLarge,
    InputCorrupt,
    InputMissing,
    PathNotAllowed,
    SourceMissing,
    SourceRefused,
    StorageUnavailable,
)
from storage import files
from storage.base import Storage
from storage.keys import check_key, objects_folder
from storage.roots import below_root, check_words
from storage.walk import Kind, walk

_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENAMETOOLONG})


class Source(Protocol):
    """Files in a fixed order. Both methods raise StorageUnavailable, SourceMissing and SourceRefused for all of it."""

    def walk(self, after: str) -> Iterator[tuple[str, Kind]]:
        """Paths behind ``after`` as they are asked for; ``CLOSED`` is a folder whose files cannot be known."""
        ...

    def read(self, path: str, max_bytes: int) -> bytes:
        """A file's bytes. Raises what is wrong with this file: PathNotAllowed, FileTooLarge, InputMissing, InputCorrupt."""
        ...


class Prefix:
    """A tenant's objects whose paths begin with ``prefix/``; all of them for an empty prefix."""

    def __init__(self, storage: Storage, tenant_id: UUID, prefix: str) -> None:
        """Raises PathNotAllowed."""
        self._storage = storage
        self._folder = objects_folder(tenant_id, prefix)

    def walk(self, after: str) -> Iterator[tuple[str, Kind]]:
        found = False
        for path in self._storage.walk(self._folder, after):
            found = True
            yield path, Kind.FILE
        if not found and not after:
            raise SourceMissing(f"nothing lies under {self._folder}")

    def read(self, path: str, max_bytes: int) -> bytes:
        return self._storage.get(f"{self._folder}/{path}", max_bytes=max_bytes)


class Folder:
    """A folder of this host. It is reached from its root without following any link, again for each file."""

    def __init__(self, roots: Sequence[Path], folder: str) -> None:
        """Raises PathNotAllowed for a folder below no root, SourceMissing for one that is not there."""
        check_words(roots, folder)
        if not os.path.lexists(folder):
            raise SourceMissing(folder)
        self._root, self._folder = below_root(roots, folder)

    def walk(self, after: str) -> Iterator[tuple[str, Kind]]:
        try:
            yield from walk(self._root, self._folder, after)
        except OSError as error:
            raise _of_all(error) from error

    def read(self, path: str, max_bytes: int) -> bytes:
        check_key(path)
        try:
            content = files.read(self._root, f"{self._folder}/{path}" if self._folder else path, max_bytes)
        except OSError as error:
            self._check()
            raise _of_one(error) from error
        if content is None:
            raise FileTooLarge(f"{path} is larger than {max_bytes} bytes")
        return content

    def _check(self) -> None:
        """Whether the folder is still there: otherwise its files are not to blame."""
        try:
            with files.folder(self._root, self._folder) as here, os.scandir(here) as entries:
                next(entries, None)
        except OSError as error:
            raise _of_all(error) from error


def _of_all(error: OSError) -> Exception:
    """What an error of the folder itself means."""
    if error.errno in _NOT_THERE:
        return SourceMissing(str(error))
    return SourceRefused(str(error)) if error.errno in _CLOSED else StorageUnavailable(str(error))


def _of_one(error: OSError) -> Exception:
    """What an error of one file means while the folder can be read."""
    if error.errno in _NOT_THERE:
        return InputMissing(str(error))
    if error.errno in _CLOSED:
        return PathNotAllowed(str(error))
    return InputCorrupt(str(error)) if error.errno == errno.EIO else StorageUnavailable(str(error))
