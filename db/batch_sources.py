"""Batches whose lines ``control`` finds itself, in a folder or under a prefix: whose turn it is, and each page of lines.

A page's lines, their scans and the place reached in the source are one transaction, and a page is taken only where the
one before it ended: a control that dies, or two that list the same batch, neither lose nor double a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.batches import NewItem, locked, take_lines
from db.sql import row, rows, run

MOST_BACK = 100
"""Earlier batches that one ``since`` leads back to."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A batch that is being listed. ``cursor``: the last path that was looked at; empty at the beginning."""

    id: UUID
    tenant_id: UUID
    source: Mapping[str, Any]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Where a page ended: ``seen`` more lines were looked at, and whether that was all of them."""

    cursor: str
    seen: int
    done: bool
    again_s: float = 0.0
    """Seconds before the next page."""
    stored_s: float = 0.0
    """The page's pictures were put into storage within so many seconds before."""


def take(connection: sa.Connection, lease_s: float) -> Listing | None:
    """The batch that has waited longest for its next page, for this caller alone during ``lease_s`` seconds."""
    found = row(
        connection,
        """UPDATE batch SET list_after = clock_timestamp() + make_interval(secs => :lease) WHERE id = (
               SELECT id FROM batch
               WHERE finished_at IS NULL AND state = 'listing' AND source IS NOT NULL AND paused_at IS NULL
                 AND cancel_requested_at IS NULL AND (list_after IS NULL OR list_after <= clock_timestamp())
               ORDER BY list_after NULLS FIRST, created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
           RETURNING id, tenant_id, source, cursor""",
        lease=lease_s,
    )
    return None if found is None else Listing(found.id, found.tenant_id, found.source, found.cursor)


def digests(connection: sa.Connection, listing: Listing, names: Sequence[str]) -> dict[str, str]:
    """Of these lines, those that the source's ``since`` has an answer for, with the SHA-256 of its bytes.

    A line that an earlier batch left out as unchanged is looked up in the one before it.
    """
    found = rows(
        connection, _DIGESTS, tenant=listing.tenant_id, since=listing.source["since"], names=list(names), most=MOST_BACK
    )
    return {r.custom_id: r.sha256 for r in found}


_DIGESTS = """
    WITH RECURSIVE back AS (
        SELECT id, source, 1 AS steps FROM batch WHERE id = CAST(:since AS uuid) AND tenant_id = :tenant
        UNION ALL
        SELECT b.id, b.source, back.steps + 1 FROM back
        JOIN batch b ON b.id = CAST(back.source ->> 'since' AS uuid) AND b.tenant_id = :tenant
        WHERE back.steps < :most
    )
    SELECT DISTINCT ON (i.custom_id) i.custom_id, s.input_sha256 AS sha256
    FROM back JOIN batch_item i ON i.batch_id = back.id AND i.custom_id = ANY(CAST(:names AS text[]))
    JOIN scan s ON s.id = i.scan_id
    WHERE s.status IN ('succeeded', 'partial', 'rejected') AND s.input_sha256 IS NOT NULL
    ORDER BY i.custom_id, back.steps"""


def add_page(connection: sa.Connection, listing: Listing, items: Sequence[NewItem], reached: Reached) -> bool:
    """Take a page of lines; False, and nothing, when the batch was cancelled or is elsewhere by now.

    The last page finalises the batch. Raises StorageUnavailable when one of its pictures is being erased.
    """
    if not _still(connection, listing):
        return False
    take_lines(connection, listing.tenant_id, listing.id, items, reached.stored_s)
    run(
        connection,
        """UPDATE batch SET cursor = :cursor, listed = listed + :seen,
               list_after = clock_timestamp() + make_interval(secs => :again),
               state = CASE WHEN :done THEN 'running' ELSE 'listing' END,
               finalised_at = CASE WHEN :done THEN clock_timestamp() END
           WHERE id = :id""",
        id=listing.id,
        cursor=reached.cursor,
        seen=reached.seen,
        done=reached.done,
        again=reached.again_s,
    )
    return True


def fail(connection: sa.Connection, listing: Listing, code: str) -> bool:
    """Its source cannot be listed (any further): scans that are there end, then the batch is ``failed``."""
    if not _still(connection, listing):
        return False
    run(
        connection,
        "UPDATE batch SET code = :code, state = 'running', finalised_at = clock_timestamp() WHERE id = :id",
        id=listing.id,
        code=code,
    )
    return True


def _still(connection: sa.Connection, listing: Listing) -> bool:
    """Whether the batch, locked from now on, is where it was when it was taken."""
    batch = locked(connection, listing.tenant_id, listing.id)
    return (
        batch is not None
        and batch.state == "listing"
        and batch.cancel_requested_at is None
        and batch.cursor == listing.cursor
    )
