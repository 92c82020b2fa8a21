"""Looking at batches: counts, lines, codes, everything as a file, and what changed between two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api import csv_rows, ids
from api.auth import principal
from api.batches import selector
from api.fields import asked, page_size
from api.ids import uuid_of
from api.problems import invalid
from api.services import Services, services
from db import batch_views
from db.batch_views import Which
from pipeline.errors import NotFound

PAGE = 200
"""Lines that are read at once; memory holds no more of them, however long the batch."""
COLUMNS = ("n", "custom_id", "scan_id", "status", "code", "stage", "finished_at", "health_score")
UNWELL = ("refused", "rejected", "failed", "partial", "cancelled")


def list_batches() -> Response:
    """One page, newest first."""
    asked({"limit", "cursor"})
    cursor = request.args.get("cursor")
    if cursor is not None and not ids.UUID_TEXT.fullmatch(cursor):
        raise invalid("cursor", "must be next_cursor of another page")
    with services().database.begin() as connection:
        items, following = batch_views.page(
            connection, principal().tenant_id, after=UUID(cursor) if cursor else None, limit=page_size()
        )
    return jsonify({"items": items, "next_cursor": following})


def get_batch(batch_id: str) -> Response:
    """Its state, counts that add up to its items, the rate of the last minute and the time left as an interval."""
    return jsonify(_batch(services(), uuid_of(batch_id)))


def list_items(batch_id: str) -> Response:
    """A page of lines in their order, with the findings of each."""
    return _page(uuid_of(batch_id), ())


def list_errors(batch_id: str) -> Response:
    """A page of the lines that did not succeed, each with its code and the stage it ended at; the first with counts by code."""
    here, wanted = services(), uuid_of(batch_id)
    first = "cursor" not in request.args
    return _page(wanted, UNWELL, codes=lambda: _codes(here, wanted) if first else [])


def _page(batch_id: UUID, usual: tuple[str, ...], **more: Callable[[], Any]) -> Response:
    asked({"status", "code", "stage", "limit", "cursor"})
    cursor, limit = request.args.get("cursor", "0"), page_size()
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise invalid("cursor", "must be next_cursor of another page")
    which = _which(usual)
    here = services()
    _batch(here, batch_id)
    with here.database.begin() as connection:
        found = batch_views.items(
            connection, principal().tenant_id, batch_id, which, after=int(cursor), limit=limit + 1
        )
    following = str(found[limit - 1]["n"]) if len(found) > limit else None
    told = {name: value() for name, value in more.items()}
    return jsonify({"items": found[:limit], "next_cursor": following, **told})


def _which(usual: tuple[str, ...] = ()) -> Which:
    """The lines that the query asks for; ``status`` may stand in it several times."""
    given: dict[str, Any] = {name: request.args[name] for name in ("code", "stage") if name in request.args}
    return selector({**given, "status": request.args.getlist("status") or list(usual)})


def _codes(here: Services, batch_id: UUID) -> list[dict[str, Any]]:
    with here.database.begin() as connection:
        return batch_views.codes(connection, principal().tenant_id, batch_id)


def _batch(here: Services, batch_id: UUID) -> dict[str, Any]:
    with here.database.begin() as connection:
        found = batch_views.get(connection, principal().tenant_id, batch_id)
    if found is None:
        raise NotFound
    return found


def export_batch(batch_id: str) -> Response:
    """All lines, or those asked for, as one file: JSON lines with whole reports, or a CSV table of the findings."""
    asked({"format", "status", "code", "stage"})
    here, wanted, which = services(), uuid_of(batch_id), _which()
    form = request.args.get("format", "jsonl")
    if form not in WRITERS:
        raise invalid("format", f"must be one of {', '.join(WRITERS)}")
    _batch(here, wanted)
    media_type, write = WRITERS[form]
    here.streams.acquire()
    response = Response(write(_lines(here, principal().tenant_id, wanted, which)), mimetype=media_type)
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"{batch_id}.{form}")
    return response


def _lines(here: Services, tenant_id: UUID, batch_id: UUID, which: Which) -> Iterator[dict[str, Any]]:
    """Every wanted line; no transaction is open while the client reads."""
    after = 0
    while True:
        with here.database.begin() as connection:
            found = batch_views.items(connection, tenant_id, batch_id, which, after=after, limit=PAGE)
        yield from found
        if len(found) < PAGE:
            return
        if here.stopping.is_set():  # an answer that ended in good order would be taken for the whole
            raise ConnectionAbortedError("the server is stopping")
        after = found[-1]["n"]


def as_json_lines(lines: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One object a line."""
    for line in lines:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_table(lines: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A CSV table: the usual columns, then findings and the client's own fields as JSON."""
    return csv_rows.table([*COLUMNS, "findings", "fields"], (_row(line) for line in lines))


def _row(line: dict[str, Any]) -> list[object]:
    report = line["report"] or {}
    labels = {
        region: found.get("label") or found.get("code") for region, found in (report.get("findings") or {}).items()
    }
    cells = {**line, "health_score": report.get("health_score")}
    return [*(cells[name] for name in COLUMNS), json.dumps(labels), json.dumps(line["fields"] or {})]


WRITERS: dict[str, tuple[str, Callable[[Iterable[dict[str, Any]]], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", as_json_lines),
    "csv": ("text/csv", as_table),
}
