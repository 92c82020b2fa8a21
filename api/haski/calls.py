"""The seed's one call: the same submit and queue as ``/v1/scans``, a bounded wait, the seed's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, url_for

from api import scans
from api.auth import principal
from api.ids import scan_id_of
from api.outcomes import error_of
from api.problems import Refused
from api.replies import address
from api.services import services
from api.submission import preferred_wait, read_sent, submission
from db import views
from pipeline.contracts import ScanStatus, System
from pipeline.errors import NotFound
from pipeline.skin_analysis import analysis


def analyze() -> Response:
    """Skin type, hair type and condition of a picture. 202 with ``poll_url`` if it takes longer than the wait."""
    here = services()
    wait = preferred_wait(here.settings.max_wait_s)
    with scans.holding(here, wait):
        wanted = submission(principal().tenant_id, read_sent(frozenset()), system=System.SKIN_HAIR, options={})
        taken = scans.take(here, wanted, wait)
    response = _answer(taken.body)
    if not taken.created:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def analysis_result(scan_id: str) -> Response:
    """The analysis again, or for the first time; 202 while it is under way."""
    wanted = scan_id_of(scan_id)
    with services().database.begin() as connection:
        scan = views.get(connection, principal().tenant_id, wanted)
    if scan is None or scan["system"] != System.SKIN_HAIR:
        raise NotFound
    return _answer(scan)


def _answer(scan: Mapping[str, Any]) -> Response:
    where = url_for("analysis_result", scan_id=scan["id"])
    headers = {"Location": address(where)}
    if not ScanStatus(scan["status"]).terminal:
        poll_url = address(where, absolute=True)
        response = jsonify({"scan_id": scan["id"], "status": scan["status"], "poll_url": poll_url})
        response.status_code = 202
    else:
        if scan["status"] != ScanStatus.SUCCEEDED:
            raise Refused(error_of(scan), headers=headers, more={"id": scan["id"]})
        response = jsonify({**analysis(scan["report"]), "scan_id": scan["id"], "status": scan["status"]})
    response.headers.update(headers)
    return response
