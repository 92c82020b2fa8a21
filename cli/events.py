"""Server-sent events of a scan: parsing, and reading on after a broken line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cli.client_errors import ApiError, Unreachable

_RECONNECTS = 5
_SILENCE_S = 60.0  # the service sends a comment line every few seconds


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number within the scan, its kind and what it says."""

    number: int
    kind: str
    data: dict[str, Any]


def read_events(http: httpx.Client, path: str, after: int) -> Iterator[Event]:
    """Events from `after` + 1 on until the scan's last. Raises ApiError and Unreachable.

    The service ends long streams now and then, and says 204 to who comes back when there is nothing more.
    """
    broken = 0
    while True:
        try:
            with _connection(http, path, after) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                for event in parse_events(response.iter_lines()):
                    after, broken = event.number, 0
                    yield event
        except httpx.TransportError as error:
            broken += 1
            if broken > _RECONNECTS:
                raise Unreachable(f"the events of {http.base_url}{path} broke off: {error}") from error
            time.sleep(0.2 * 2**broken)


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Read the text/event-stream format; comments and events without data are skipped."""
    number, kind, data = 0, "message", list[str]()
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield Event(number, kind, json.loads("\n".join(data)))
            kind, data = "message", []
        elif field == "id":
            number = int(value)
        elif field == "event":
            kind = value
        elif field == "data":
            data.append(value)


@contextmanager
def _connection(http: httpx.Client, path: str, after: int) -> Iterator[httpx.Response]:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    timeout = httpx.Timeout(http.timeout.connect, read=_SILENCE_S)
    with http.stream("GET", path, headers=headers, timeout=timeout) as response:
        if not response.is_success:
            response.read()
            raise ApiError.of(response)
        yield response
