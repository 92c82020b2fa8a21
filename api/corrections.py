"""What people say of findings: taken, listed, exported. It is proposed for training, and changes no result and no model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api import csv_rows
from api.auth import principal
from api.exports import as_json_lines
from api.fields import asked, only_known, system_of, text_of
from api.ids import scan_id_of
from api.json_body import read_object
from api.problems import invalid
from api.services import Services, services
from db import corrections, views
from pipeline.contracts import ScanStatus
from pipeline.errors import NotFinished, NotFound

PAGE = 200
"""Corrections that are read at once."""
LONGEST_NOTE = 500
UNUSABLE = "unusable"
"""A label that every finding takes: this picture should not be learned from."""
COLUMNS = (
    *("id", "scan_id", "filename", "sha256", "system", "pipeline_version", "finding", "said", "confidence", "label"),
    *("latest", "note", "made_by", "created_at"),
)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")

Lines = Iterable[dict[str, Any]]


def add_correction(scan_id: str) -> Response:
    """201: this finding should be that label. It stands beside the result, and beside what was said before.

    Where the finding has probabilities, the label is one of theirs, or `unusable`.
    """
    here, wanted, who, body = services(), scan_id_of(scan_id), principal(), read_object(request)
    only_known(body, frozenset({"finding", "label", "note"}))
    note = None if body.get("note") is None else text_of(body["note"], "note", LONGEST_NOTE)
    with here.database.begin() as connection:
        scan = views.get(connection, who.tenant_id, wanted)
        if scan is None:
            raise NotFound
        if not ScanStatus(scan["status"]).terminal:
            raise NotFinished
        finding, label = _checked(body, (scan["report"] or {}).get("findings") or {})
        made = corrections.add(
            connection, who.tenant_id, wanted, finding=finding, label=label, note=note, by=who.key_id
        )
    if made is None:
        raise NotFound
    response = jsonify(asdict(made))
    response.status_code = 201
    return response


def _checked(body: dict[str, Any], findings: dict[str, Any]) -> tuple[str, str]:
    finding, label = body.get("finding"), body.get("label")
    if not isinstance(finding, str) or finding not in findings:
        raise invalid("finding", f"must be one of {', '.join(sorted(findings)) or 'none: the scan has no finding'}")
    known = [*(findings[finding].get("probabilities") or {}), UNUSABLE]
    if not isinstance(label, str) or not _WORD.fullmatch(label) or (len(known) > 1 and label not in known):
        raise invalid("label", f"must be one of {', '.join(known)}" if len(known) > 1 else "must be a label")
    return finding, label


def export_corrections() -> Response:
    """Every correction of a pipeline in order, as one file: what was said, what the models had said, and which stands last."""
    asked({"pipeline", "format"})
    here, form = services(), request.args.get("format", "jsonl")
    if form not in WRITERS:
        raise invalid("format", f"must be one of {', '.join(WRITERS)}")
    system = system_of(request.args.get("pipeline"))
    media_type, write = WRITERS[form]
    here.streams.acquire()
    response = Response(write(_lines(here, principal().tenant_id, system)), mimetype=media_type)
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"corrections-{system}.{form}")
    return response


def _lines(here: Services, tenant_id: UUID, system: str) -> Iterator[dict[str, Any]]:
    """No transaction is open while the client reads."""
    after: UUID | None = None
    while True:
        with here.database.begin() as connection:
            found = corrections.page(connection, tenant_id, system, after=after, limit=PAGE)
        yield from found
        if len(found) < PAGE:
            return
        if here.stopping.is_set():  # an answer that ended in good order would be taken for the whole
            raise ConnectionAbortedError("the server is stopping")
        after = UUID(found[-1]["id"])


def _as_table(lines: Lines) -> Iterator[bytes]:
    return csv_rows.table(COLUMNS, ([line[name] for name in COLUMNS] for line in lines))


WRITERS: dict[str, tuple[str, Callable[[Lines], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", as_json_lines),
    "csv": ("text/csv", _as_table),
}
