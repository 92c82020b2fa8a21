"""Files below a root folder, reached without following any link: not on the way down, and not at the end.

Paths are slash-separated and already checked (`storage.keys.check_key`). Every function raises OSError.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe in a file's place must not hold us
_DRAFTS = ".drafts"


def read(root: Path, path: str, max_bytes: int | None = None) -> bytes | None:
    """A file's bytes; None when it holds more than ``max_bytes``."""
    with _open_file(root, path) as file:
        if max_bytes is None:
            return _read_all(file)
        if os.fstat(file).st_size > max_bytes:
            return None
        content = _read_all(file, max_bytes + 1)  # it may grow while it is read
        return content if len(content) <= max_bytes else None


def size(root: Path, path: str) -> int:
    """A file's size in bytes."""
    with _open_file(root, path) as file:
        return os.fstat(file).st_size


class Draft:
    """Bytes on disk under a name that nobody reads, until ``publish`` gives them their own.

    A context that removes what was not published. Entering raises OSError when the disk does not hold ``content``.
    """

    def __init__(self, root: Path, content: bytes, *, durable: bool) -> None:
        self._root = root
        self._content = content
        self._durable = durable
        self._path = f"{_DRAFTS}/{secrets.token_hex(16)}"

    def __enter__(self) -> Self:
        with _parent(self._root, self._path, create=True) as (folder, name):
            file = os.open(name, _NEW, 0o600, dir_fd=folder)
            try:
                _write_all(file, self._content)
                if self._durable:
                    os.fsync(file)
                _verify(file, self._content)
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise
            finally:
                os.close(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError), _parent(self._root, self._path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def publish(self, path: str) -> None:
        """Atomic, also over an older file. A durable draft is there after a power cut too."""
        with (
            _parent(self._root, self._path) as (source, name),
            _parent(self._root, path, create=True) as (target, wanted),
        ):
            os.rename(name, wanted, src_dir_fd=source, dst_dir_fd=target)
            if self._durable:
                os.fsync(target)


def remove(root: Path, path: str) -> None:
    """Remove a file; one that is not there is fine."""
    with suppress(FileNotFoundError), _parent(root, path) as (folder, name):
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)


@contextmanager
def folder(root: Path, path: str = "", *, create: bool = False) -> Iterator[int]:
    """A folder below the root (the root itself for an empty path), open.

    Folders are opened one below the other, so a link that appears on the way while we walk is refused too.
    """
    here = os.open(root, _FOLDER)
    try:
        for name in path.split("/") if path else ():
            below = _descend(here, name, create=create)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


@contextmanager
def locked(root: Path, path: str) -> Iterator[None]:
    """Hold a lock against every thread and process that asks for the same path."""
    with _parent(root, path, create=True) as (folder, name):
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@contextmanager
def _parent(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that holds ``path``, and the name in it."""
    above, _, name = path.rpartition("/")
    with folder(root, above, create=create) as here:
        yield here, name


def _descend(here: int, folder: str, *, create: bool) -> int:
    try:
        return os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700, dir_fd=here)
    os.fsync(here)
    return os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=here)


@contextmanager
def _open_file(root: Path, path: str) -> Iterator[int]:
    with _parent(root, path) as (folder, name):
        file = os.open(name, _OLD, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file", path)
        yield file
    finally:
        os.close(file)


def _read_all(file: int, most: int = -1) -> bytes:
    with os.fdopen(file, "rb", closefd=False) as reader:
        return reader.read(most)


def _write_all(file: int, content: bytes) -> None:
    with os.fdopen(file, "wb", closefd=False) as writer:
        writer.write(content)


def _verify(file: int, content: bytes) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    if hashlib.sha256(_read_all(file)).digest() != hashlib.sha256(content).digest():
        raise OSError("the disk does not hold what was written")
