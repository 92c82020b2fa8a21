"""A scan's events as they happen: server-sent events that can be resumed, bounded in number and in time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from flask import Response, request

from api.auth import principal
from api.ids import scan_id_of
from api.problems import invalid
from api.replies import plain
from api.services import Services, services
from api.waiting import client_left, ends
from db import views
from pipeline.contracts import ScanStatus
from pipeline.errors import NotFound, StorageUnavailable

LOOK_S = 0.2


def stream_events(scan_id: str) -> Response:
    """All events after ``Last-Event-ID`` (or ``?after=``), then new ones until the scan's last.

    204 when there is nothing more to come: it tells a browser's EventSource to stop asking.
    """
    here, wanted, tenant, after = services(), scan_id_of(scan_id), principal().tenant_id, _after()
    with here.database.begin() as connection:
        scan = views.get(connection, tenant, wanted)
    if scan is None:
        raise NotFound
    if ScanStatus(scan["status"]).terminal and after >= scan["events_seq"]:
        return Response(status=204)
    response = Response(mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    if request.method == "HEAD":
        return response
    here.streams.acquire()
    response.response = _stream(here, tenant, wanted, after, request.environ.get("gunicorn.socket"))
    response.call_on_close(here.streams.release)
    return response


def _after() -> int:
    text = request.headers.get("Last-Event-ID") or request.args.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid("Last-Event-ID", "must be the id of an event")
    return int(text)


def _stream(here: Services, tenant_id: UUID, scan_id: UUID, seen: int, client: socket.socket | None) -> Iterator[bytes]:
    """Frames. No transaction is open between two looks, and a database that is away ends nothing."""
    until = time.monotonic() + here.settings.stream_s
    silent_since = time.monotonic()
    yield b"retry: 1000\n\n"
    while time.monotonic() < until and not here.stopping.is_set() and not client_left(client):
        for event in _look(here, tenant_id, scan_id, seen):
            yield _frame(event)
            seen, silent_since = event["seq"], time.monotonic()
            if ends(event):
                return
        if time.monotonic() - silent_since >= here.settings.heartbeat_s:
            yield b": still here\n\n"
            silent_since = time.monotonic()
        here.stopping.wait(LOOK_S)


def _look(here: Services, tenant_id: UUID, scan_id: UUID, seen: int) -> list[dict[str, Any]]:
    try:
        with here.database.begin() as connection:
            return views.events(connection, tenant_id, scan_id, seen)
    except StorageUnavailable:
        return []


def _frame(event: Mapping[str, Any]) -> bytes:
    data = json.dumps({**event["data"], "at": event["at"]}, default=plain, allow_nan=False)
    return f"id: {event['seq']}\nevent: {event['kind']}\ndata: {data}\n\n".encode()
