"""The seed's three calls around the same submit and queue as ``/v1/scans``: announce, upload, poll (F28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, jsonify, url_for

from api import scans
from api.auth import principal
from api.ids import uuid_of
from api.outcomes import error_of
from api.problems import Refused, invalid
from api.replies import address
from api.services import services
from api.submission import Sent, preferred_wait, read_sent, submission
from db import tickets, views
from db.tickets import Announced
from pipeline.contracts import ScanStatus, System
from pipeline.errors import NotFound
from pipeline.skincare_analysis import analysis, confidence

_WORDS = {ScanStatus.SUCCEEDED: "completed", ScanStatus.PARTIAL: "partial"}
"""The seed's word for a scan with an answer; ours for one that lacks a part."""
_WAITING = "awaiting_upload"


def init_scan() -> Response:
    """201 with the id that the picture is then sent to. It stays good for a day."""
    with services().database.begin() as connection:
        ticket = tickets.announce(connection, principal().tenant_id)
    return _told(ticket, _WAITING, 201)


def upload_picture(scan_id: str) -> Response:
    """202 at once; the same picture again is no error, another one is. ``Prefer: wait=N`` waits for the results."""
    here, tenant = services(), principal().tenant_id
    ticket = _ticket(scan_id)
    wait = preferred_wait()
    with scans.holding(here, wait):
        wanted = submission(tenant, _picture(), system=System.SKINCARE, options={})
        taken = scans.take(here, wanted, wait, key=f"ticket:{ticket.id}")
    with here.database.begin() as connection:
        tickets.redeem(connection, tenant, ticket.id, UUID(taken.body["id"]))
    return _results(ticket.id, taken.body) if taken.ended else _told(ticket.id, taken.body["status"], 202)


def scan_results(scan_id: str) -> Response:
    """200 with the results; 202 before they are there; a problem with its code where there are none."""
    ticket, tenant = _ticket(scan_id), principal().tenant_id
    if ticket.scan_id is None:
        return _told(ticket.id, _WAITING, 202)
    with services().database.begin() as connection:
        scan = views.get(connection, tenant, ticket.scan_id)
    if scan is None:
        raise NotFound
    if not ScanStatus(scan["status"]).terminal:
        return _told(ticket.id, scan["status"], 202)
    return _results(ticket.id, scan)


def _picture() -> Sent:
    sent = read_sent(frozenset())
    if not sent.form:
        raise invalid("file", "the picture comes as a multipart file")
    return sent


def _ticket(text: str) -> Announced:
    with services().database.begin() as connection:
        found = tickets.get(connection, principal().tenant_id, uuid_of(text))
    if found is None:
        raise NotFound
    return found


def _told(ticket: UUID, status: str, code: int) -> Response:
    upload, results = (url_for(name, scan_id=str(ticket)) for name in ("upload_picture", "scan_results"))
    response = jsonify(
        {
            "scan_id": str(ticket),
            "status": status,
            "upload_url": address(upload, absolute=True),
            "results_url": address(results, absolute=True),
        }
    )
    response.status_code = code
    response.headers["Location"] = address(results)
    return response


def _results(ticket: UUID, scan: Mapping[str, Any]) -> Response:
    report = scan["report"]
    if scan["status"] not in _WORDS or not any("label" in found for found in report["findings"].values()):
        raise Refused(error_of(scan), more={"id": scan["id"], "scan_id": str(ticket)})
    networks, measures = analysis(report)
    return jsonify(
        {
            "scan_id": str(ticket),
            "status": _WORDS[scan["status"]],
            "ml_analysis": networks,
            "cv_analysis": measures,
            "confidence": confidence(report),
            "generated_at": scan["finished_at"],
            "scan": scan["id"],
            "warnings": report["warnings"],
        }
    )
