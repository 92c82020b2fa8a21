"""One request over a connected socket, up to the head of its answer: parsed strictly (h11), bounded in bytes and time."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import h11

from pipeline.errors import UrlFetchFailed, UrlTimeout
from storage.deadline import Deadline
from storage.settings import FetchSettings
from storage.url_rules import Url

_MOST_HEAD_BYTES = 32 * 1024
_MOST_HEADERS = 128
_PIECE = 64 * 1024

Headers = list[tuple[str, str]]


@contextmanager
def named_errors(url: Url) -> Iterator[None]:
    """Raise what goes wrong on the line as UrlFetchFailed or UrlTimeout."""
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise UrlFetchFailed(f"{url.host} does not speak HTTP: {error}") from error
    except TimeoutError as error:
        raise UrlTimeout(f"{url.host} was silent") from error
    except OSError as error:
        raise UrlFetchFailed(f"{url.host} hung up: {error}") from error


class Exchange:
    """Ask once, then read the head; what follows is the caller's."""

    def __init__(self, connection: socket.socket, settings: FetchSettings, deadline: Deadline) -> None:
        self._connection = connection
        self._settings = settings
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)

    def ask(self, url: Url, method: str, headers: Sequence[tuple[str, str]], body: bytes, due: Deadline) -> None:
        """Send the request, whole."""
        usual = [("Host", url.authority), ("User-Agent", "scanmill"), *headers, ("Connection", "close")]
        request = self._http.send(h11.Request(method=method, target=url.target, headers=usual)) or b""
        content = self._http.send(h11.Data(data=body)) or b""
        self._connection.settimeout(due.left("the request"))
        self._connection.sendall(request + content + (self._http.send(h11.EndOfMessage()) or b""))

    def head(self, due: Deadline) -> tuple[int, Headers]:
        """The answer's status and headers. Provisional answers before it count towards its bytes and its time."""
        received = 0
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                return event.status_code, _read(event)
            if event is h11.NEED_DATA:
                if received > _MOST_HEAD_BYTES:
                    raise UrlFetchFailed("an endless head")
                received += self.receive(due.left("the head of the answer"))
            elif not isinstance(event, h11.InformationalResponse):
                raise UrlFetchFailed("no answer")

    def receive(self, timeout: float) -> int:
        """Bytes that came, 0 at the end of the connection. Raises TimeoutError."""
        self._connection.settimeout(timeout)
        piece = self._connection.recv(_PIECE)
        self._http.receive_data(piece)
        return len(piece)

    def drain(self, due: Deadline) -> None:
        """Take the rest of a short answer off the line, so that the other side is not cut off; never raises for it."""
        received = 0
        with suppress(OSError, h11.RemoteProtocolError, UrlTimeout):
            while received <= _MOST_HEAD_BYTES:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    received += self.receive(due.left("the rest"))
                elif not isinstance(event, h11.Data):
                    return


def _read(answer: h11.Response) -> Headers:
    headers = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers]
    if len(headers) > _MOST_HEADERS:
        raise UrlFetchFailed(f"{len(headers)} headers")
    return headers
