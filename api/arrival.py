"""A request on its way in: how much of it is still to come, and whether it comes fast enough."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass, field

from gunicorn.http.unreader import SocketUnreader

from pipeline.errors import RequestTimeout

MOST_HEAD_BYTES = 64 * 1024
MOST_BODY_BYTES = 8 * 2**20
"""Larger bodies are read by a thread."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_AT_ONCE = re.compile(rb"\r\n(?:transfer-encoding|expect)[ \t]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """A request may take ``timeout_s``, and longer while it brings ``rate`` bytes a second over its whole time."""

    timeout_s: float
    rate: int

    def ends(self, elapsed_s: float, received: int) -> bool:
        return elapsed_s > self.timeout_s and received < self.rate * elapsed_s


@dataclass(slots=True)
class Arrival:
    """What has come of one request, of which bodies up to ``most`` bytes are collected.

    A hint for when to start a thread; the real parsing is gunicorn's.
    """

    began: float
    most: int
    received: bytearray = field(default_factory=bytearray)
    _need: int | None = None
    _searched: int = 0

    def complete(self) -> bool:
        """Whether a thread should take over: all is here, or it is too large to be kept here, or odd."""
        if self._need is None:
            self._need = self._measure()
        return self._need is not None and len(self.received) >= self._need

    @property
    def whole(self) -> bool:
        """Whether its body is here to the last byte."""
        return bool(self._need) and self.complete()

    @property
    def endless(self) -> bool:
        """Whether its head is longer than any we would read."""
        return self._need is None and len(self.received) > MOST_HEAD_BYTES

    def _measure(self) -> int | None:
        end = self.received.find(b"\r\n\r\n", self._searched)
        if end < 0:
            self._searched = max(0, len(self.received) - 3)
            return None
        head = bytes(self.received[:end])
        lengths = _LENGTH.findall(head)
        if _AT_ONCE.search(head) or len(lengths) != 1 or int(lengths[0]) > self.most:
            return 0
        return end + 4 + int(lengths[0])


class PatientUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Reads a large body in a thread. Raises RequestTimeout when it comes too slowly."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        super().__init__(sock, max_chunk=65_536)
        self._patience = patience
        self._began = 0.0
        self._received = 0

    def begin(self, early: bytes) -> None:
        """Start the clock of one request whose first bytes are here."""
        self._began = time.monotonic()
        self._received = len(early)
        self.unread(early)

    def chunk(self) -> bytes:
        elapsed = time.monotonic() - self._began
        if self._patience.ends(elapsed, self._received):
            raise RequestTimeout
        self.sock.settimeout(max(self._patience.timeout_s - elapsed, 1.0))
        try:
            data: bytes = self.sock.recv(self.mxchunk)
        except TimeoutError:
            raise RequestTimeout from None
        finally:
            self.sock.settimeout(None)
        self._received += len(data)
        return data
