"""The seed's one call: the same submit and queue as ``/v1/scans``, a bounded wait, the seed's words."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from api.outcomes import Scan, answered, ask, scan_of
from api.submission import read_sent
from pipeline.contracts import ScanStatus, System
from pipeline.skin_analysis import analysis


def analyze() -> Response:
    """Skin type, hair type and condition of a picture. 202 with ``poll_url`` if it takes longer than the wait."""
    return ask(System.SKIN_HAIR, lambda: read_sent(frozenset()), lambda scan, _: _answer(scan))


def analysis_result(scan_id: str) -> Response:
    """The analysis again, or for the first time; 202 while it is under way."""
    return _answer(scan_of(scan_id, System.SKIN_HAIR))


def _answer(scan: Scan) -> Response:
    return answered(scan, url_for("analysis_result", scan_id=scan["id"]), _told)


def _told(scan: Scan) -> dict[str, Any] | None:
    if scan["status"] != ScanStatus.SUCCEEDED:
        return None
    return {**analysis(scan["report"]), "scan_id": scan["id"], "status": scan["status"]}
