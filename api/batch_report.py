"""A batch's page, for looking at it while it lasts: private, paged, its pictures by links that live for minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Response, request

from api.auth import principal
from api.batches import selector
from api.fields import asked
from api.ids import uuid_of
from api.links import signed_link
from api.problems import invalid
from api.report import batch as report
from api.services import services
from db import batch_views, scanpacks
from db.batch_views import Which
from db.views import ArtifactRow
from pipeline.errors import NotFound

LINES = 100
"""On a page."""
_POLICY = "default-src 'none'; img-src {}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_OWN = "'self'"


def get_batch_report(batch_id: str) -> Response:
    """A page of 100 lines with pictures and findings; the first also has counts, codes, and the labels of its lines.

    It may be looked at while the batch is under way. Its links to pictures are dead after minutes: load it again.
    """
    asked({"status", "code", "stage", "cursor"})
    here, tenant, wanted = services(), principal().tenant_id, uuid_of(batch_id)
    which, after = _which(), _after()
    with here.database.begin() as connection:
        batch = batch_views.get(connection, tenant, wanted)
        if batch is None:
            raise NotFound
        found = batch_views.items(connection, tenant, wanted, which, after=after, limit=LINES + 1)
        codes = [] if after else batch_views.codes(connection, tenant, wanted)
        stages = [stage["name"] for stage in scanpacks.pipeline(connection, tenant, wanted)["stages"]]
        pictures = scanpacks.pictures(connection, tenant, [line["scan_id"] for line in found if line["scan_id"]])
    tally, origins, cards = report.Tally(), {_OWN}, []
    for line in tally.added(found[:LINES]):
        links = _links(line, pictures.get(line["scan_id"], []))
        origins |= {origin(link) for link in links.values()}
        gone = sum(artifact.expired for artifact in pictures.get(line["scan_id"], []))
        cards.append(report.line_card(line, stages, list(links), links.get, gone))
    images = " ".join(sorted(origins))
    page = report.Page(
        batch=batch,
        codes=codes,
        tally=tally,
        lines=cards,
        links=_pages(after, found, which),
        of="the lines on this page",
        images=images,
        summary=not after,
    )
    return as_page(report.write(page), images)


def as_page(text: str, images: str) -> Response:
    """A page that loads nothing but pictures, and those from ``images``."""
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY.format(images)
    return response


def _which() -> Which:
    given: dict[str, Any] = {name: request.args[name] for name in ("code", "stage") if name in request.args}
    return selector({**given, "status": request.args.getlist("status")})


def _after() -> int:
    cursor = request.args.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise invalid("cursor", "must be the number of a line")
    return int(cursor)


def _links(line: Mapping[str, Any], pictures: list[ArtifactRow]) -> dict[str, str]:
    here, tenant = services(), principal().tenant_id
    return {
        each.name: signed_link(
            here,
            tenant,
            each.sha256,
            media_type=each.media_type,
            title=f"{line['scan_id']}-{each.name}",
            absolute=False,
        )
        for each in pictures
        if not each.expired and each.name not in report.NOT_SHOWN
    }


def origin(link: str) -> str:
    """Where a browser may load that picture from."""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else _OWN


def _pages(after: int, found: list[dict[str, Any]], which: Which) -> list[tuple[str, str | None]]:
    """First, previous and next. Among chosen lines nobody knows where the previous hundred began."""
    links: list[tuple[str, str | None]] = []
    if after:
        links.append(("first", _query(0)))
    if after and which == Which():
        links.append(("previous", _query(max(0, after - LINES))))
    shown = found[:LINES]
    links.append((f"lines {shown[0]['n']} to {shown[-1]['n']}" if shown else "no lines", None))
    if len(found) > LINES:
        links.append(("next", _query(shown[-1]["n"])))
    return links


def _query(cursor: int) -> str:
    given = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return "?" + urlencode([*given, *([("cursor", str(cursor))] if cursor else [])])
