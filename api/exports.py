"""A batch as files: its lines as JSON, as a table or as Parquet, and where the files of each line are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api import csv_rows
from api.auth import principal
from api.batch_reading import UNWELL, batch_of, line_number, lines_asked_for
from api.fields import asked, page_size
from api.ids import artifact_name_of, uuid_of
from api.problems import invalid
from api.services import Services, services
from db import batch_artifacts, batch_views
from db.batch_views import Which

PAGE = 200
"""Lines that are read at once; memory holds no more of them, however long the batch."""
COLUMNS = ("n", "custom_id", "scan_id", "status", "code", "stage", "finished_at", "health_score")
PARTS = {"all": (), "results": ("succeeded",), "errors": (*UNWELL, "deleted")}
"""Part of an export → the statuses in it. A line that has ended is in exactly one of results and errors."""

Lines = Iterable[dict[str, Any]]


def export_batch(batch_id: str) -> Response:
    """All lines, a part, or those asked for, as one file: JSON lines with whole reports, CSV or Parquet of the findings."""
    asked({"format", "part", "status", "code", "stage"})
    here, wanted, which = services(), uuid_of(batch_id), _part()
    form = request.args.get("format", "jsonl")
    if form not in WRITERS:
        raise invalid("format", f"must be one of {', '.join(WRITERS)}")
    batch_of(here, wanted)
    media_type, write = WRITERS[form]
    here.streams.acquire()
    response = Response(write(_lines(here, principal().tenant_id, wanted, which)), mimetype=media_type)
    response.call_on_close(here.streams.release)
    response.headers.set("Content-Disposition", "attachment", filename=f"{batch_id}.{form}")
    return response


def _part() -> Which:
    part, which = request.args.get("part", "all"), lines_asked_for()
    if part not in PARTS:
        raise invalid("part", f"must be one of {', '.join(PARTS)}")
    if PARTS[part] and which.statuses:
        raise invalid("part", "stands in place of status, not beside it")
    return replace(which, statuses=PARTS[part] or which.statuses)


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


def as_json_lines(lines: Lines) -> Iterator[bytes]:
    """One object a line."""
    for line in lines:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def row_of(line: dict[str, Any]) -> dict[str, Any]:
    """A line as a row of a table: the usual columns, findings as region → label or code, the client's own fields."""
    report = line["report"] or {}
    return {
        **{name: line[name] for name in COLUMNS if name != "health_score"},
        "health_score": report.get("health_score"),
        "findings": {
            region: found.get("label") or found.get("code") for region, found in (report.get("findings") or {}).items()
        },
        "fields": line["fields"] or {},
    }


def as_table(lines: Lines) -> Iterator[bytes]:
    """CSV (``api.csv_rows``), findings and fields as JSON."""
    rows = map(row_of, lines)
    cells = ([*(row[name] for name in COLUMNS), json.dumps(row["findings"]), json.dumps(row["fields"])] for row in rows)
    return csv_rows.table([*COLUMNS, "findings", "fields"], cells)


def as_parquet(lines: Lines) -> Iterator[bytes]:
    """Parquet of the same columns with their types (``api.parquet.SCHEMA``)."""
    from api import parquet  # noqa: PLC0415  pyarrow's time and memory are paid by who asks for it

    return parquet.as_parquet(map(row_of, lines))


WRITERS: dict[str, tuple[str, Callable[[Lines], Iterator[bytes]]]] = {
    "jsonl": ("application/x-ndjson", as_json_lines),
    "csv": ("text/csv", as_table),
    "parquet": ("application/vnd.apache.parquet", as_parquet),
}


def list_artifacts(batch_id: str) -> Response:
    """A page of lines in their order, each with its files; fetch one at ``/v1/scans/{scan_id}/artifacts/{name}``.

    Lines without a file are there, too. ``name`` may stand in the query several times.
    """
    asked({"name", "limit", "cursor"})
    here, wanted, limit, after = services(), uuid_of(batch_id), page_size(), line_number()
    names = [artifact_name_of(name) for name in request.args.getlist("name")]
    batch_of(here, wanted)
    with here.database.begin() as connection:
        found = batch_artifacts.page(connection, principal().tenant_id, wanted, names, after=after, limit=limit + 1)
    following = str(found[limit - 1]["n"]) if len(found) > limit else None
    return jsonify({"items": found[:limit], "next_cursor": following})
