"""Calls that are answered when their scan has ended: with what it found, with a problem, or 202 and where to ask again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, jsonify

from api import scans
from api.auth import principal
from api.ids import scan_id_of
from api.problems import Refused
from api.replies import address
from api.services import services
from api.submission import Sent, preferred_wait, submission
from db import views
from pipeline.contracts import RunState, ScanStatus, System
from pipeline.errors import NotFound, ScanmillError, taxonomy

Scan = Mapping[str, Any]

_TROUBLE = frozenset({RunState.REJECTED, RunState.ABSTAINED, RunState.FAILED, RunState.CANCELLED})


def error_of(scan: Scan) -> ScanmillError:
    """The error of the first stage of an ended scan that did not end well."""
    code = next((stage["code"] for stage in scan["stages"] if stage["state"] in _TROUBLE and stage["code"]), None)
    return taxonomy().get(code or scan["code"], ScanmillError)()


def ask(
    system: System,
    read: Callable[[], Sent],
    answer: Callable[[Scan, Sent], Response],
    options: Callable[[Sent], Mapping[str, Any]] = lambda _: {},
) -> Response:
    """Submit what ``read`` reads, wait as long as the caller and we allow, and ``answer`` with the scan as it is then."""
    here = services()
    wait = preferred_wait(here.settings.max_wait_s)
    with scans.holding(here, wait):
        sent = read()
        wanted = submission(principal().tenant_id, sent, system=system, options=options(sent))
        scans.offered(here, wanted)
        taken = scans.take(here, wanted, wait)
    response = answer(taken.body, sent)
    if not taken.created:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def scan_of(text: str, system: System) -> Scan:
    """The caller's scan with that id, if it is one of the system. Raises NotFound."""
    wanted = scan_id_of(text)
    with services().database.begin() as connection:
        scan = views.get(connection, principal().tenant_id, wanted)
    if scan is None or scan["system"] != system:
        raise NotFound
    return scan


def answered(scan: Scan, where: str, told: Callable[[Scan], dict[str, Any] | None]) -> Response:
    """200 with what is ``told`` of an ended scan, 202 with ``poll_url`` before; raises its error where nothing is told."""
    headers = {"Location": address(where)}
    if ScanStatus(scan["status"]).terminal:
        found = told(scan)
        if found is None:
            raise Refused(error_of(scan), headers=headers, more={"id": scan["id"]})
        response = jsonify(found)
    else:
        poll_url = address(where, absolute=True)
        response = jsonify({"scan_id": scan["id"], "status": scan["status"], "poll_url": poll_url})
        response.status_code = 202
    response.headers.update(headers)
    return response
