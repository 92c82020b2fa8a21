"""Several thermograms in one request: a batch underneath, answered at once, asked for until all have ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from flask import Response, jsonify, request, url_for

from api.auth import principal
from api.batch_reading import batch_of
from api.batches import stored
from api.fields import about_of, only_known
from api.flarenet.calls import FIELDS, judged, threshold_asked, told, wishes
from api.ids import uuid_of
from api.logs import elapsed_s
from api.options import check_options
from api.outcomes import error_of
from api.problems import invalid
from api.replies import address
from api.services import services
from api.submission import idempotency_key
from api.upload import MOST_PARTS, Upload, read_form
from db import batch_views, batches, views
from db.batch_views import Which
from db.batches import NewBatch, NewItem
from pipeline.contracts import ScanStatus, System
from pipeline.errors import NotFound, ScanmillError, UnsupportedContentType, taxonomy
from pipeline.thermal_analysis import summary

NAME: Final = "files[]"
Json = dict[str, Any]


def batch_detect() -> Response:
    """202 with ``poll_url``. What can be no picture is a line with its code, and no reason to refuse the others."""
    here, tenant = services(), principal().tenant_id
    if request.mimetype != "multipart/form-data":
        raise UnsupportedContentType
    with here.uploads:
        form = read_form(request, here.limits.max_bytes, (NAME,), MOST_PARTS)
        uploads, fields = form.uploads, form.fields
        only_known(fields, FIELDS)
        about = about_of(fields)
        threshold, options = wishes(fields)
        if not uploads:
            raise invalid(NAME, "at least one picture is needed")
        items = [
            stored(here, tenant, replace(_line(n, upload), **about), upload) for n, upload in enumerate(uploads, 1)
        ]
    new = NewBatch(
        tenant_id=tenant,
        system=System.THERMAL,
        name=f"batch-detect {_digest(uploads, about)}",
        options=options,
        idempotency_key=idempotency_key(),
    )
    with here.database.begin() as connection:
        check_options(connection, new.system, new.options)
        batch_id, created = batches.create(connection, new)
        if created:
            batches.append(connection, tenant, batch_id, items, elapsed_s())
            batches.finalise(connection, tenant, batch_id)
    return _answer(batch_id, threshold, replayed=not created)


def batch_detect_result(batch_id: str) -> Response:
    """200 when every picture has ended, 202 before, with those that have. ``threshold`` may be another one."""
    return _answer(uuid_of(batch_id), threshold_asked())


def _line(number: int, upload: Upload) -> NewItem:
    name = upload.filename or "picture"
    return NewItem(custom_id=f"{number:02}/{name}", fields={"file": name})


def _digest(uploads: Sequence[Upload], about: Mapping[str, Any]) -> str:
    """Tells requests with the same Idempotency-Key apart."""
    said = [f"{each.sha256}/{each.filename}\n" for each in uploads] + [
        f"{value}\n" for value in about.values() if value
    ]
    return hashlib.sha256("".join(said).encode()).hexdigest()


def _answer(batch_id: UUID, threshold: float | None, *, replayed: bool = False) -> Response:
    tenant, here = principal().tenant_id, services()
    batch = batch_of(here, batch_id)
    if batch["system"] != System.THERMAL or batch["items"] > MOST_PARTS:
        raise NotFound
    with here.database.begin() as connection:
        lines = batch_views.items(connection, tenant, batch_id, Which(), limit=MOST_PARTS)
        found = [views.get(connection, tenant, UUID(line["scan_id"])) if line["scan_id"] else None for line in lines]
    results = [_result(line, scan, threshold) for line, scan in zip(lines, found, strict=True)]
    ended = [_ended(line) for line in lines]
    where = url_for("batch_detect_result", batch_id=str(batch_id), threshold=threshold)
    times = [result["processing_time"] for result in results if "processing_time" in result]
    response = jsonify(
        {
            "batch_id": str(batch_id),
            "status": batch["state"],
            "poll_url": address(where, absolute=True),
            "results": results,
            "summary": {
                **summary([result.get("classification") for result in results], ended),
                "average_processing_time": round(sum(times) / len(times), 3) if times else None,
            },
        }
    )
    response.status_code = 200 if all(ended) else 202
    response.headers["Location"] = address(where)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _ended(line: Mapping[str, Any]) -> bool:
    return line["status"] not in (ScanStatus.QUEUED, ScanStatus.RUNNING)


def _result(line: Mapping[str, Any], scan: Mapping[str, Any] | None, threshold: float | None) -> Json:
    """A picture's answer, or the code and the sentence that say why it has none; neither while it is under way."""
    file = {"file": (line["fields"] or {}).get("file", line["custom_id"])}
    if scan is not None and judged(scan):
        return {**file, **told(scan, threshold)}
    known = {**file, "scan_id": line["scan_id"], "status": line["status"]}
    if not _ended(line):
        return known
    error = error_of(scan) if scan else taxonomy().get(line["code"], ScanmillError)()
    return {**known, "code": error.code, "message": error.public_message}
