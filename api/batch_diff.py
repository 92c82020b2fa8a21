"""What changed between two batches: as figures with a verdict, as a table of every changed line, as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from flask import Response, jsonify, request

from api import csv_rows, diff_page
from api.auth import principal
from api.fields import asked
from api.ids import uuid_of
from api.links import Links
from api.problems import invalid
from api.services import Services, services
from db import batch_pictures, batch_views
from pipeline.compare import Change, Limits, Tally, compare
from pipeline.errors import NotFound
from pipeline.likeness import likeness

PAGE = 200
"""Lines that are read at once; memory holds no more of them, however long the batches."""
LIMITS = {
    "max_flips": "flips",
    "max_ends": "ends",
    "max_shift": "shift",
    "min_iou": "iou",
    "min_likeness": "likeness",
}
"""Parameter of a comparison → the limit it sets."""
COLUMNS = (
    "custom_id",
    "scan_before",
    "scan_after",
    "status_before",
    "status_after",
    "flips",
    "shift",
    "iou",
    "likeness",
)

Json: TypeAlias = dict[str, Any]
Pair: TypeAlias = tuple[Json | None, Json | None]


def diff_batches(batch_id: str, other_id: str) -> Response:
    """What changed from one batch to another, line by line of the same ``custom_id``; with limits, a verdict."""
    here, before, after = _asked(batch_id, other_id, set(LIMITS))
    return jsonify({"before": before["id"], "after": after["id"], **_summary(here, before, after, _limits())})


def diff_page_of(batch_id: str, other_id: str) -> Response:
    """The difference to look at: one HTML page without script. Its pictures are links that live for minutes."""
    here, before, after = _asked(batch_id, other_id, set(LIMITS))
    limits = _limits()
    found = _summary(here, before, after, limits)
    links = Links(here, [scan for line in found["worst"] for scan in line["scans"] if scan])
    given = {name: float(request.args[name]) for name in LIMITS if name in request.args}
    text = diff_page.page(found, before, after, given, links.of)
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = diff_page.policy(links.made)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def diff_lines(batch_id: str, other_id: str) -> Response:
    """Every line that changed, as a CSV table: another end, label, probability, box or heat map, or only in one batch."""
    here, before, after = _asked(batch_id, other_id, set())
    here.streams.acquire()
    tenant = principal().tenant_id
    lines = (row for pair, alike in _pairs(here, tenant, before, after) if (row := _row(pair, alike)))
    response = Response(csv_rows.table(COLUMNS, lines), mimetype="text/csv")
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"{batch_id}-{other_id}.csv")
    return response


def _asked(batch_id: str, other_id: str, names: set[str]) -> tuple[Services, Json, Json]:
    """The two batches as they are. Raises NotFound."""
    asked(names)
    here, tenant = services(), principal().tenant_id
    wanted = uuid_of(batch_id), uuid_of(other_id)
    with here.database.begin() as connection:
        before, after = (batch_views.get(connection, tenant, each) for each in wanted)
    if before is None or after is None:
        raise NotFound
    return here, before, after


def _limits() -> Limits:
    return Limits(**{LIMITS[name]: _share(name) for name in LIMITS if name in request.args})


def _share(name: str) -> float:
    least = -1.0 if name == "min_likeness" else 0.0
    try:
        value = float(request.args[name])
    except ValueError:
        value = -2.0
    if not least <= value <= 1:
        raise invalid(name, f"must be a number from {least:g} to 1")
    return value


def _summary(here: Services, before: Json, after: Json, limits: Limits) -> Json:
    tally = Tally()
    with here.streams:
        for (first, second), alike in _pairs(here, principal().tenant_id, before, after):
            if first is None or second is None:
                tally.missing["after" if first is None else "before"] += 1
            else:
                tally.add(compare(first, second, alike))
    return tally.summary(limits)


def _pairs(here: Services, tenant_id: UUID, before: Json, after: Json) -> Iterator[tuple[Pair, Mapping[str, float]]]:
    """Lines of both batches by ``custom_id`` with their heat maps' likeness by region; no transaction stays open."""
    place, one, other = "", UUID(before["id"]), UUID(after["id"])
    while True:
        with here.database.begin() as connection:
            found = batch_views.pairs(connection, tenant_id, one, other, place, PAGE)
            scans = [
                (first["scan_id"], second["scan_id"])
                for _, first, second in found
                if first and second and first["scan_id"] and second["scan_id"]
            ]
            maps = batch_pictures.heat_maps(connection, tenant_id, scans)
        for _, first, second in found:
            yield (first, second), _alike(maps.get(first["scan_id"], {}) if first and second else {})
        if len(found) < PAGE:
            return
        if here.stopping.is_set():  # an answer that ended in good order would be taken for the whole
            raise ConnectionAbortedError("the server is stopping")
        place = found[-1][0]


def _alike(maps: Mapping[str, tuple[batch_pictures.Map, batch_pictures.Map] | None]) -> dict[str, float]:
    """By region; left out where a map points nowhere."""
    found = {region: 1.0 if pair is None else likeness(*pair) for region, pair in maps.items()}
    return {region: alike for region, alike in found.items() if alike is not None}


def _row(pair: Pair, alike: Mapping[str, float]) -> list[object] | None:
    """A line of the table; None for one that did not change."""
    first, second = pair
    if first is None or second is None:
        line = first or second or {}
        sides = [each["scan_id"] if each else None for each in pair]
        return [line["custom_id"], *sides, *(each["status"] if each else None for each in pair), None, None, None, None]
    change = compare(first, second, alike)
    return _cells(change) if change.size > 0 else None


def _cells(change: Change) -> list[object]:
    """Regions as JSON, the largest shift, the overlap of the boxes, the least likeness."""
    return [
        change.custom_id,
        *change.scans,
        *change.statuses,
        json.dumps({region: list(pair) for region, pair in change.flips.items()}),
        round(max(change.shifts.values()), 6) if change.shifts else None,
        None if change.iou is None else round(change.iou, 6),
        round(min(change.likeness.values()), 6) if change.likeness else None,
    ]
