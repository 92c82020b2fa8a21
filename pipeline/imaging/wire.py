"""What client and decode server say to each other over one unix socket per picture (stdlib only).

::

    client → child    length of JSON, length of file, JSON, file
    child → client    length of JSON, JSON, pixels (RGB, row by row), or a sensor's counts where ``plane`` was asked for
    server → client   the last word, written when the child is dead

An answer counts only if the last word says that its child ended well, so half an answer cannot pass for one.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

SERVER_ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""All a server keeps beside PYTHONPATH. Huge pages halve the time of a large picture: a fresh child pays for every
page that it touches."""

REQUEST = struct.Struct("!II")
ANSWER = struct.Struct("!I")
MAX_JSON = 4096
MAX_FILE = 256 * 1024 * 1024
"""Cap of the server itself; the real limit comes with each request and is lower."""


class Verdict(IntEnum):
    """How a child ended, as its server saw it."""

    ENDED = 0
    TIMEOUT = 1
    MEMORY = 2
    CRASH = 3
    NOT_STARTED = 4


@dataclass(frozen=True, slots=True)
class LastWord:
    """The end of every exchange. ``peak_kib``: the largest resident memory the child ever had."""

    verdict: Verdict
    peak_kib: int

    LAYOUT = struct.Struct("!4sBI")
    MAGIC = b"smLW"

    def pack(self) -> bytes:
        return self.LAYOUT.pack(self.MAGIC, self.verdict, min(self.peak_kib, 2**32 - 1))

    @classmethod
    def unpack(cls, end: bytes) -> LastWord | None:
        """The last word in the last bytes of an exchange; None when the server died without one."""
        if len(end) != cls.LAYOUT.size or not end.startswith(cls.MAGIC):
            return None
        _, verdict, peak_kib = cls.LAYOUT.unpack(end)
        return cls(Verdict(verdict), peak_kib) if verdict in Verdict.__members__.values() else None


class Stream(Protocol):
    """What we use of a socket."""

    def recv_into(self, buffer: memoryview, /) -> int: ...


def read_exactly(stream: Stream, count: int) -> bytearray:
    """Read ``count`` bytes; raises ConnectionError when the other side ends before that."""
    content = bytearray(count)
    view, at = memoryview(content), 0
    while at < count:
        got = stream.recv_into(view[at:])
        if not got:
            raise ConnectionError(f"{at} of {count} bytes, then nothing")
        at += got
    return content


def pack_json(value: dict[str, Any]) -> bytes:
    """Compact JSON of at most MAX_JSON bytes."""
    text = json.dumps(value, separators=(",", ":")).encode()
    if len(text) > MAX_JSON:
        raise ValueError(f"{len(text)} bytes of JSON")
    return text
