"""What lies in a source: a folder, a ZIP archive, or a manifest of JSON lines. Read as it is needed, never all at once.

Symbolic links are not followed. A line's `custom_id` is the path below the source, or what the manifest says.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from storage.names import wanted

LARGEST = 64 * 1024 * 1024
"""Bytes of one picture that are read at most; the service refuses less."""
ABOUT = ("asset_id", "taken_at")
_REFERENCES = ("image_url", "object_key")


class SourceError(Exception):
    """The source cannot be read; says where."""


@dataclass(frozen=True, slots=True)
class Line:
    """One picture of a source: bytes to upload, or a reference that the service fetches."""

    custom_id: str
    read: Callable[[], bytes] | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    consent: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    """`asset_id` and `taken_at`, as far as the manifest has them."""


def lines(source: Path, patterns: Sequence[str] = ()) -> Iterator[Line]:
    """The pictures of a source, in a fixed order. `patterns` are globs on the path below it; raises SourceError."""
    if source.is_dir():
        yield from _folder(source, patterns)
    elif source.suffix == ".zip":
        yield from _archive(source, patterns)
    elif source.suffix == ".jsonl":
        yield from _manifest(source)
    else:
        raise SourceError(f"{source} is no folder, no .zip and no .jsonl")


def _folder(top: Path, patterns: Sequence[str]) -> Iterator[Line]:
    for place, folders, names in os.walk(top, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not Path(place, name).is_symlink())
        for name in sorted(names):
            path = Path(place, name)
            below = path.relative_to(top).as_posix()
            if wanted(below, patterns) and not path.is_symlink():
                yield Line(below, partial(_file, path))


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: {error.strerror}") from error


def _file(path: Path) -> bytes:
    """A regular file's bytes. Raises SourceError for a pipe, a device, or more than the largest picture."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
        raise SourceError(f"no regular file of at most {LARGEST >> 20} MiB")
    return path.read_bytes()


def _archive(file: Path, patterns: Sequence[str]) -> Iterator[Line]:
    """Members by name; a name is an id here and never a path to write to.

    The archive stays open for as long as one of its lines is there to be read, which may be after the last was given.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(f"{file}: {error}") from error
    for member in archive.infolist():
        if not member.is_dir() and wanted(member.filename, patterns):
            yield Line(member.filename, partial(_member, archive, member))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, never more than the largest picture whatever its header promises."""
    try:
        with archive.open(member) as opened:
            content = opened.read(LARGEST + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{member.filename}: {error}") from error
    if len(content) > LARGEST:
        raise SourceError(f"{member.filename} is larger than {LARGEST >> 20} MiB")
    return content


def _manifest(file: Path) -> Iterator[Line]:
    with file.open("rb") as opened:
        for number, text in enumerate(opened, 1):
            if text.strip():
                yield _line(file, number, text)


def _line(file: Path, number: int, text: bytes) -> Line:
    """`{"custom_id", "file" | "image_url" | "object_key", "options"?, "fields"?, "consent"?, "asset_id"?, "taken_at"?}`.

    A file lies beside or below the manifest.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{file}, line {number}: {error}") from error
    if not isinstance(given, dict) or sum(name in given for name in (*_REFERENCES, "file")) != 1:
        raise SourceError(f"{file}, line {number}: needs exactly one of file, image_url, object_key")
    custom_id = given.get("custom_id", given.get("file"))
    if not isinstance(custom_id, str):
        raise SourceError(f"{file}, line {number}: needs a custom_id")
    own: dict[str, Any] = {name: given.get(name) or {} for name in ("options", "fields", "consent")}
    own["about"] = {name: str(given[name]) for name in ABOUT if given.get(name) is not None}
    if "file" in given:
        try:
            path, home = (file.parent / str(given["file"])).resolve(), file.parent.resolve()
        except (OSError, ValueError) as error:
            raise SourceError(f"{file}, line {number}: {error}") from error
        if not path.is_relative_to(home):
            raise SourceError(f"{file}, line {number}: {given['file']} does not lie below the manifest")
        return Line(custom_id, partial(_file, path), **own)
    reference = {name: str(given[name]) for name in _REFERENCES if name in given}
    return Line(custom_id, None, reference, **own)
