"""Waiting for a scan's end in a request's thread: by looking, so that nothing is lost when Redis is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import request

from api.services import Services
from db import views
from pipeline.contracts import ScanStatus

FIRST_LOOK_S = 0.02
SLOWEST_LOOK_S = 0.25


def ends(event: Mapping[str, Any]) -> bool:
    """Whether an event is a scan's last."""
    return event["kind"] == "status" and ScanStatus(event["data"]["status"]).terminal


def client_left(connection: socket.socket | None) -> bool:
    """Whether the client has closed its connection. What it sent beyond its request is left alone."""
    if connection is None:  # not behind gunicorn
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def wait_for_end(here: Services, tenant_id: UUID, scan_id: UUID, seconds: float) -> None:
    """Return when the scan has ended, the time is over, the client has left, or the server is stopping."""
    until, connection = time.monotonic() + seconds, request.environ.get("gunicorn.socket")
    seen, pause = 0, FIRST_LOOK_S
    while True:
        with here.database.begin() as ledger:
            news = views.events(ledger, tenant_id, scan_id, seen)
        if news and ends(news[-1]):
            return
        seen = news[-1]["seq"] if news else seen
        left = until - time.monotonic()
        if left <= 0 or client_left(connection) or here.stopping.wait(min(pause, left)):
            return
        pause = min(pause * 1.05, SLOWEST_LOOK_S)
