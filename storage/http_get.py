"""One GET over a connected socket: parsed strictly (h11), bounded in bytes and in time, nothing decoded, nothing kept."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import h11

from pipeline.errors import (
    FileTooLarge,
    UrlContentEncodingNotAllowed,
    UrlFetchFailed,
    UrlHttpStatus,
    UrlLengthMismatch,
    UrlTimeout,
)
from storage.deadline import Deadline
from storage.settings import FetchSettings
from storage.url_rules import Url

_MOST_HEAD_BYTES = 32 * 1024
_MOST_HEADERS = 128
_PIECE = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = [("User-Agent", "scanmill"), ("Accept", "image/*"), ("Accept-Encoding", "identity"), ("Connection", "close")]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Look there instead: the Location header as it came."""

    location: str


def get(connection: socket.socket, url: Url, settings: FetchSettings, deadline: Deadline) -> bytes | Redirect:
    """The body of a 200 answer, byte for byte, or where a redirect leads (its body is not read).

    Raises UrlHttpStatus, UrlContentEncodingNotAllowed, UrlLengthMismatch, FileTooLarge, UrlTimeout, UrlFetchFailed.
    """
    try:
        return _Exchange(connection, settings, deadline).run(url)
    except h11.RemoteProtocolError as error:
        raise UrlFetchFailed(f"{url.host} does not speak HTTP: {error}") from error
    except TimeoutError as error:
        raise UrlTimeout(f"{url.host} was silent") from error
    except OSError as error:
        raise UrlFetchFailed(f"{url.host} hung up: {error}") from error


class _Exchange:
    def __init__(self, connection: socket.socket, settings: FetchSettings, deadline: Deadline) -> None:
        self._connection = connection
        self._settings = settings
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)

    def run(self, url: Url) -> bytes | Redirect:
        head_due = self._deadline.within(self._settings.fetch_head_s)
        self._ask(url, head_due)
        answer = self._head(head_due)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers]
        if len(headers) > _MOST_HEADERS:
            raise UrlFetchFailed(f"{len(headers)} headers")
        locations = _values(headers, "location")
        if answer.status_code in _REDIRECTS and len(locations) == 1:
            return Redirect(locations[0])
        if answer.status_code != 200:
            raise UrlHttpStatus(str(answer.status_code))
        if any(value.lower() != "identity" for value in _values(headers, "content-encoding")):
            raise UrlContentEncodingNotAllowed
        return self._body(_values(headers, "content-length"))

    def _ask(self, url: Url, due: Deadline) -> None:
        request = h11.Request(method="GET", target=url.target, headers=[("Host", url.authority), *_HEADERS])
        self._connection.settimeout(due.left("the request"))
        self._connection.sendall((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))

    def _head(self, due: Deadline) -> h11.Response:
        """The answer's head. Provisional answers before it count towards its bytes and its time."""
        received = 0
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                if received > _MOST_HEAD_BYTES:
                    raise UrlFetchFailed("an endless head")
                received += self._receive(due.left("the head of the answer"))
            elif not isinstance(event, h11.InformationalResponse):
                raise UrlFetchFailed("no answer")

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
                count = self._receive(min(self._deadline.left("the body"), pace.left()))
            except TimeoutError:
                pace.count(0)
                continue
            pace.count(count)
            return count

    def _receive(self, timeout: float) -> int:
        self._connection.settimeout(timeout)
        piece = self._connection.recv(_PIECE)
        self._http.receive_data(piece)
        return len(piece)


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
