"""Assets, and how the scores of one went: as JSON, as a table, or as a page of pictures in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api import csv_rows
from api.auth import principal
from api.batch_report import as_page, origin
from api.fields import asked, asset_of, moment_of, page_size
from api.links import signed_link
from api.problems import invalid
from api.report import trend as report
from api.services import services
from db import assets, scanpacks
from pipeline.contracts import System
from pipeline.errors import NotFound
from pipeline.trend import history

MOST_SCANS = 1_000
"""The newest ones make a trend."""
SYSTEMS = (System.THERMAL,)
"""Those that give a score which is comparable from picture to picture."""
FORMATS = {"json": "application/json", "csv": "text/csv", "html": "text/html"}
COLUMNS = (
    *("at", "scan_id", "filename", "status", "code", "score", "classification", "threshold", "is_anomalous"),
    *("memory_version", "memory_digest", "break", "max_c", "emissivity"),
)


def list_assets() -> Response:
    """One page, by name; those that scans of yours were said to show."""
    asked({"limit", "cursor"})
    cursor = request.args.get("cursor")
    after = "" if cursor is None else asset_of(cursor, "cursor")
    with services().database.begin() as connection:
        items, following = assets.page(connection, principal().tenant_id, after=after, limit=page_size())
    return jsonify({"items": items, "next_cursor": following})


def asset_trend(asset_id: str) -> Response:
    """Scores, classes and temperatures of an asset's pictures in the order in which they were taken.

    The newest 1,000 scans; a picture that was scanned again is one point. Scores are comparable within one version of the
    memory: `break` marks where another one answered. A page's links to pictures are dead after minutes.
    """
    asked({"pipeline", "since", "format"})
    tenant, form = principal().tenant_id, _form()
    system = request.args.get("pipeline", System.THERMAL)
    if system not in SYSTEMS:
        raise invalid("pipeline", f"must be one of {', '.join(SYSTEMS)}")
    since = moment_of(request.args["since"], "since") if "since" in request.args else None
    with services().database.begin() as connection:
        found = assets.scans(connection, tenant, asset_of(asset_id), system, since=since, limit=MOST_SCANS + 1)
    if not found:
        raise NotFound
    told = {"asset_id": asset_id, "pipeline": system, "more": len(found) > MOST_SCANS, **history(found[:MOST_SCANS])}
    response = WRITERS[form](told, tenant)
    response.headers["Vary"] = "Accept"
    return response


def _form() -> str:
    """What the query asks for, else what the client would rather have."""
    form = request.args.get("format")
    if form is None:
        best = request.accept_mimetypes.best_match(list(FORMATS.values()), FORMATS["json"])
        return next(name for name, media_type in FORMATS.items() if media_type == best)
    if form not in FORMATS:
        raise invalid("format", f"must be one of {', '.join(FORMATS)}")
    return form


def _json(told: Mapping[str, Any], _: UUID) -> Response:
    return jsonify(told)


def _csv(told: Mapping[str, Any], _: UUID) -> Response:
    lines = [[_flat(point)[name] for name in COLUMNS] for point in told["points"]]
    response = Response(b"".join(csv_rows.table(COLUMNS, lines)), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"trend-{told['asset_id']}.csv")
    return response


def _flat(point: Mapping[str, Any]) -> dict[str, Any]:
    memory = point["memory"] or {"version": None, "digest": None}
    return {**point, "memory_version": memory["version"], "memory_digest": memory["digest"]}


def _html(told: Mapping[str, Any], tenant: UUID) -> Response:
    shown = [point["scan_id"] for point in told["points"][-report.STRIP :]]
    with services().database.begin() as connection:
        pictures = scanpacks.pictures(connection, tenant, shown)
    links = {
        (scan, each.name): signed_link(
            services(), tenant, each.sha256, media_type=each.media_type, title=f"{scan}-{each.name}", absolute=False
        )
        for scan, those in pictures.items()
        for each in those
        if not each.expired and each.name in report.PICTURES
    }
    images = " ".join(sorted({"'self'", *map(origin, links.values())}))
    return as_page(report.write(told, lambda scan, name: links.get((scan, name)), images), images)


WRITERS: Mapping[str, Callable[[Mapping[str, Any], UUID], Response]] = {"json": _json, "csv": _csv, "html": _html}
