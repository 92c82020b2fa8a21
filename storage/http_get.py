"""One GET over a connected socket: bounded in bytes and in time, nothing decoded, nothing kept."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import h11

from pipeline.errors import (
    FileTooLarge,
    UrlContentEncodingNotAllowed,
    UrlHttpStatus,
    UrlLengthMismatch,
    UrlTimeout,
)
from storage.deadline import Deadline
from storage.http_exchange import Exchange, named_errors
from storage.settings import FetchSettings
from storage.url_rules import Url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = [("Accept", "image/*"), ("Accept-Encoding", "identity")]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Look there instead: the Location header as it came."""

    location: str


def get(connection: socket.socket, url: Url, settings: FetchSettings, deadline: Deadline) -> bytes | Redirect:
    """The body of a 200 answer, byte for byte, or where a redirect leads (its body is not read).

    Raises UrlHttpStatus, UrlContentEncodingNotAllowed, UrlLengthMismatch, FileTooLarge, UrlTimeout, UrlFetchFailed.
    """
    with named_errors(url):
        return _Get(connection, settings, deadline).run(url)


class _Get(Exchange):
    def run(self, url: Url) -> bytes | Redirect:
        head_due = self._deadline.within(self._settings.fetch_head_s)
        self.ask(url, "GET", _HEADERS, b"", head_due)
        status, headers = self.head(head_due)
        locations = _values(headers, "location")
        if status in _REDIRECTS and len(locations) == 1:
            return Redirect(locations[0])
        if status != 200:
            raise UrlHttpStatus(str(status))
        if any(value.lower() != "identity" for value in _values(headers, "content-encoding")):
            raise UrlContentEncodingNotAllowed
        return self._body(_values(headers, "content-length"))

    def _body(self, length: list[str]) -> bytes:
        declared = int(length[0]) if length else None
        if declared is not None and declared > self._settings.max_upload_bytes:
            raise FileTooLarge(f"{declared} bytes announced")
        body = bytearray()
        pace = _Pace(self._settings)
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._settings.max_upload_bytes:
                    raise FileTooLarge
            elif isinstance(event, h11.EndOfMessage):
                if self._http.trailing_data[0]:
                    raise UrlLengthMismatch("more than announced")
                return bytes(body)
            elif self._next_piece(pace) == 0 and declared is not None:
                raise UrlLengthMismatch(f"{len(body)} of {declared} bytes")

    def _next_piece(self, pace: _Pace) -> int:
        """Bytes received, at the latest when the window of the pace closes: 0 at the end of the connection."""
        while True:
            try:
                count = self.receive(min(self._deadline.left("the body"), pace.left()))
            except TimeoutError:
                pace.count(0)
                continue
            pace.count(count)
            return count


class _Pace:
    """Holds a body to its least speed: measured over windows, one after the other."""

    def __init__(self, settings: FetchSettings) -> None:
        self._window_s = settings.fetch_window_s
        self._least = settings.fetch_min_bytes_per_s * settings.fetch_window_s
        self._open()

    def left(self) -> float:
        """Seconds until the window closes, more than 0."""
        return max(self._window.remaining, 0.001)

    def count(self, size: int) -> None:
        """Note bytes. Raises UrlTimeout when a window closed with too few."""
        self._seen += size
        if self._window.passed:
            if self._seen < self._least:
                raise UrlTimeout(f"{self._seen} bytes in {self._window_s} s")
            self._open()

    def _open(self) -> None:
        self._seen = 0
        self._window = Deadline(self._window_s)


def _values(headers: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in headers if key == name]
