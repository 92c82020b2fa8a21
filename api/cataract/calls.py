"""The seed's calls: the same submit, queue and batches as under ``/v1``, a bounded wait, the seed's words."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request, url_for

from api import batches as lines
from api.auth import principal
from api.fields import object_in, only_known
from api.ids import uuid_of
from api.logs import elapsed_s
from api.outcomes import Scan, answered, ask, scan_of
from api.problems import invalid
from api.replies import address
from api.services import services
from api.submission import idempotency_key, read_sent
from api.system import version
from api.upload import MOST_PARTS, Upload, read_form
from db import batch_views, batches, pipelines, views
from db.batch_views import Which
from db.batches import NewBatch, NewItem
from pipeline.cataract_analysis import found, prediction
from pipeline.contracts import System
from pipeline.errors import ModelUnavailable, NotFound, UnsupportedContentType

ONE = ("file", "image")
"""Names that the picture's part may have: the seed's samples have both (F34)."""
MANY = (*ONE, "files", "images")


def predict_lgbm() -> Response:
    """The fast model alone: the strong one is switched off for this scan. 202 with ``poll_url`` if it takes longer."""
    return _predict({"strong": False})


def predict_clip() -> Response:
    """The strong model alone: the fast one is switched off for this scan. 202 with ``poll_url`` if it takes longer."""
    return _predict({"fast": False})


def predict_ensemble() -> Response:
    """Both, by the installation's policy, which the answer names: a cascade unless it is set otherwise."""
    return _predict({})


def prediction_result(scan_id: str) -> Response:
    """The prediction again, or for the first time; 202 while it is under way."""
    return _answer(scan_of(scan_id, System.CATARACT))


def _predict(options: Mapping[str, bool]) -> Response:
    return ask(
        System.CATARACT,
        lambda: read_sent(frozenset({"consent"}), ONE),
        lambda scan, _: _answer(scan),
        lambda _: options,
    )


def _answer(scan: Scan) -> Response:
    return answered(scan, url_for("prediction_result", scan_id=scan["id"]), _told)


def _told(scan: Scan) -> dict[str, Any] | None:
    if not found(scan["report"]):
        return None
    began, ended = (datetime.fromisoformat(scan[moment]) for moment in ("created_at", "finished_at"))
    return {
        **prediction(scan["report"]),
        "processing_time": round((ended - began).total_seconds(), 3),
        "stage_ms": {stage["name"]: stage["compute_ms"] for stage in scan["stages"]},
        "ray_worker_id": None,
        "scan_id": scan["id"],
        "status": scan["status"],
    }


def predict_batch() -> Response:
    """202 with where to look: one batch of up to 20 pictures, together no larger than one may be.

    A part that is no picture is a refused line with its code, and the others are scanned. More at once: ``/v1/batches``.
    """
    here, tenant, key = services(), principal().tenant_id, idempotency_key()
    if request.mimetype != "multipart/form-data":
        raise UnsupportedContentType
    with here.uploads:
        form = read_form(request, here.limits.max_bytes, MANY, MOST_PARTS)
        only_known(form.fields, frozenset({"consent"}))
        word = lines.word(object_in(form.fields["consent"], "consent") if "consent" in form.fields else None)
        if not form.uploads:
            raise invalid("images", "at least one picture is needed")
        items = [_line(tenant, place, upload) for place, upload in enumerate(form.uploads)]
    same = hashlib.sha256("".join(upload.sha256 for upload in form.uploads).encode()).hexdigest()
    name = f"predict_batch {same}"
    new = NewBatch(tenant_id=tenant, system=System.CATARACT, name=name, consent=word, idempotency_key=key)
    with here.database.begin() as connection:
        batch_id, created = batches.create(connection, new)
        if created:
            batches.append(connection, tenant, batch_id, items, elapsed_s())
            batches.finalise(connection, tenant, batch_id)
    return _lines(batch_id)


def batch_predictions(batch_id: str) -> Response:
    """Every line in the order in which it was sent: 200 when the last has ended, 202 before, with those that have."""
    return _lines(uuid_of(batch_id))


def _line(tenant_id: UUID, place: int, upload: Upload) -> NewItem:
    line = NewItem(custom_id=f"{place:02d}", fields={"filename": upload.filename})
    return lines.stored(services(), tenant_id, line, upload)


def _lines(batch_id: UUID) -> Response:
    tenant = principal().tenant_id
    with services().database.begin() as connection:
        batch = batch_views.get(connection, tenant, batch_id)
        sent = batch_views.items(connection, tenant, batch_id, Which())
    if batch is None or batch["system"] != System.CATARACT:
        raise NotFound
    where = url_for("batch_predictions", batch_id=str(batch_id))
    results = [_of_line(line) for line in sent]
    told = {"batch_id": str(batch_id), "state": batch["state"], "counts": batch["counts"], "results": results}
    response = jsonify({**told, "poll_url": address(where, absolute=True)})
    response.status_code = 200 if batch["finished_at"] else 202
    response.headers["Location"] = address(where)
    return response


def _of_line(line: Mapping[str, Any]) -> dict[str, Any]:
    name = (line["fields"] or {}).get("filename")
    told = {"filename": name, "scan_id": line["scan_id"], "status": line["status"], "code": line["code"]}
    return {**told, "prediction": prediction(line["report"]) if found(line["report"]) else None}


def system_info() -> Response:
    """The version, the pipeline that new scans get with its policy, your own scans, and the API's machine."""
    with services().database.begin() as connection:
        current = next((one for one in pipelines.listing(connection) if one["system"] == System.CATARACT), None)
        counts = views.counts(connection, principal().tenant_id)
    if current is None:
        raise ModelUnavailable("no pipeline is published for cataract")
    stages = {stage["name"]: stage for stage in current["stages"]}
    told = {
        "version": version(),
        "pipeline_version": current["version"],
        "policy": {**stages["choose_path"]["parameters"], **stages["classify_cataract"]["parameters"]},
        "models": {name: digest for stage in stages.values() for name, digest in stage["models"].items()},
        "scans": counts,
        "api_host": {"cpus": os.cpu_count(), "load_average": [round(load, 2) for load in os.getloadavg()]},
    }
    return jsonify(told)
