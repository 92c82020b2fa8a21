"""Looking at batches: counts, lines, codes, and what changed between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api import ids
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
    return jsonify(batch_of(services(), uuid_of(batch_id)))


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
    after, limit = line_number(), page_size()
    which = lines_asked_for(usual)
    here = services()
    batch_of(here, batch_id)
    with here.database.begin() as connection:
        found = batch_views.items(connection, principal().tenant_id, batch_id, which, after=after, limit=limit + 1)
    following = str(found[limit - 1]["n"]) if len(found) > limit else None
    told = {name: value() for name, value in more.items()}
    return jsonify({"items": found[:limit], "next_cursor": following, **told})


def line_number() -> int:
    """The number of the line that a page of lines begins after."""
    cursor = request.args.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise invalid("cursor", "must be next_cursor of another page")
    return min(int(cursor), 2**31 - 1)


def lines_asked_for(usual: tuple[str, ...] = ()) -> Which:
    """The lines that the query asks for; ``status`` may stand in it several times."""
    given: dict[str, Any] = {name: request.args[name] for name in ("code", "stage") if name in request.args}
    return selector({**given, "status": request.args.getlist("status") or list(usual)})


def _codes(here: Services, batch_id: UUID) -> list[dict[str, Any]]:
    with here.database.begin() as connection:
        return batch_views.codes(connection, principal().tenant_id, batch_id)


def batch_of(here: Services, batch_id: UUID) -> dict[str, Any]:
    """The caller's batch. Raises NotFound."""
    with here.database.begin() as connection:
        found = batch_views.get(connection, principal().tenant_id, batch_id)
    if found is None:
        raise NotFound
    return found
