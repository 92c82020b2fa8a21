"""Looking at batches: counts, lines, codes, and what changed between two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from pipeline.compare import Limits, Tally, compare
from pipeline.errors import NotFound

PAGE = 200
"""Lines that are read at once; memory holds no more of them, however long the batch."""
LIMITS = {"max_flips": "flips", "max_ends": "ends", "max_shift": "shift", "min_iou": "iou"}
"""Parameter of a comparison → the limit it sets."""
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


def diff_batches(batch_id: str, other_id: str) -> Response:
    """What changed from one batch to another, line by line of the same ``custom_id``; with limits, a verdict."""
    asked(set(LIMITS))
    here, tenant = services(), principal().tenant_id
    before, after = uuid_of(batch_id), uuid_of(other_id)
    limits = Limits(**{LIMITS[name]: _share(name) for name in LIMITS if name in request.args})
    for each in (before, after):
        batch_of(here, each)
    tally = Tally()
    with here.streams:
        for pairs in _pairs(here, tenant, before, after):
            for first, second in pairs:
                if first is None or second is None:
                    tally.missing["after" if first is None else "before"] += 1
                else:
                    tally.add(compare(first, second))
    return jsonify({"before": str(before), "after": str(after), **tally.summary(limits)})


def _share(name: str) -> float:
    try:
        value = float(request.args[name])
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise invalid(name, "must be a share from 0 to 1")
    return value


Pair = tuple[dict[str, Any] | None, dict[str, Any] | None]


def _pairs(here: Services, tenant_id: UUID, before: UUID, after: UUID) -> Iterator[list[Pair]]:
    """Lines of both batches by ``custom_id``, a page at a time."""
    place = ""
    while True:
        with here.database.begin() as connection:
            found = batch_views.pairs(connection, tenant_id, before, after, place, PAGE)
        yield [(first, second) for _, first, second in found]
        if len(found) < PAGE:
            return
        place = found[-1][0]
