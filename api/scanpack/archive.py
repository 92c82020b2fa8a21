"""A ZIP that is written as it is sent: equal members in equal order are equal bytes, and memory holds none of them.

Members are stored, not deflated: compressed bytes differ between versions of zlib, pictures do not shrink, and what is
not packed cannot be a bomb. Names, dates and rights say nothing of when and where it was made.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from api.scanpack.layout import SUMS, UNSUMMED

_CHUNK = 1 << 20
_SENT = 64 << 10
"""Bytes of a stream that are sent at once, or more."""
_MOST = 16 << 20
"""Bytes that wait in memory to be sent; more wait on disk."""


class _Sink(io.RawIOBase):
    """Takes what is written until it is fetched. It cannot go back, so a member's size follows its bytes."""

    def __init__(self) -> None:
        self.kept = tempfile.SpooledTemporaryFile(_MOST)  # noqa: SIM115  closed with the archive

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self.kept.write(data)

    def taken(self) -> bytes:
        self.kept.seek(0)
        done = self.kept.read()
        self.kept.seek(0)
        self.kept.truncate()
        return done


class _Members(list[ZipInfo]):
    """The members written so far, kept on disk until the table at the end is written: there may be millions."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115  closed with the archive

    def append(self, info: ZipInfo, /) -> None:
        self._count += 1
        told = (info.filename, info.CRC, info.file_size, info.header_offset, info.flag_bits, info.extract_version)
        self._kept.write(json.dumps(told).encode() + b"\n")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ZipInfo]:
        self._kept.seek(0)
        for line in self._kept:
            name, crc, size, offset, flags, version = json.loads(line)
            info = _info(name)
            info.CRC, info.file_size, info.compress_size, info.header_offset = crc, size, size, offset
            info.flag_bits, info.extract_version = flags, version
            yield info

    def close(self) -> None:
        self._kept.close()


class _NoNames(dict[str, ZipInfo]):
    """Remembers nothing: our names are distinct as they are made."""

    def __setitem__(self, name: str, info: ZipInfo, /) -> None:
        return


class Archive:
    """A context manager. What its methods give is to be sent in that order."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_STORED)
        self._members = _Members()
        self._zip.filelist = self._members
        self._zip.NameToInfo = _NoNames()
        self._sums = tempfile.TemporaryFile()  # noqa: SIM115  closed with the archive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.fp = None  # one that was given up writes no table
        for each in (self._sums, self._members, self._sink.kept):
            each.close()

    def add(self, name: str, content: bytes) -> bytes:
        """A member whose bytes are all there."""
        self._zip.writestr(_info(name), content)
        self._sum(name, hashlib.sha256(content).hexdigest())
        return self._sink.taken()

    def stream(self, name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
        """A member of any length, sent part by part."""
        digest = hashlib.sha256()
        with self._zip.open(_info(name), "w", force_zip64=True) as member:
            for part in parts:
                digest.update(part)
                member.write(part)
                if self._sink.kept.tell() >= _SENT:
                    yield self._sink.taken()
        self._sum(name, digest.hexdigest())
        yield self._sink.taken()

    @contextmanager
    def sums(self) -> Iterator[memoryview]:
        """The list of digests so far, for who signs it; it stays in its file, as there may be millions."""
        self._sums.flush()
        with mmap.mmap(self._sums.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as shown:
            yield shown

    def add_sums(self) -> Iterator[bytes]:
        """The list of digests as a member."""
        self._sums.seek(0)
        return self.stream(SUMS, iter(lambda: self._sums.read(_CHUNK), b""))

    def end(self) -> Iterator[bytes]:
        """The table of members."""
        self._zip.close()
        self._sink.kept.seek(0)
        yield from iter(lambda: self._sink.kept.read(_CHUNK), b"")

    def _sum(self, name: str, sha256: str) -> None:
        if name not in UNSUMMED:
            self._sums.write(f"{sha256}  {name}\n".encode())


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, whatever we run on
    info.external_attr = 0o100644 << 16
    return info
