"""Days counted for drift: which are due, the scans of one, what was counted. Every statement names the tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import records, row, rows, run
from pipeline.drift import Day, Window

GRACE = "10 minutes"
"""After midnight, for transactions that took their time before it."""
MOST_BACK = 60
"""Days before today that are counted when a tenant is counted for the first time."""


@dataclass(frozen=True, slots=True)
class Due:
    """A day of a tenant that is over and not counted; ``newest``: the last such day."""

    tenant_id: UUID
    day: date
    newest: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A scan that ended on the day; ``picture`` is the same for the same picture."""

    id: UUID
    system: str
    source: str
    picture: str
    status: str
    code: str | None
    finished_at: datetime
    report: dict[str, Any] | None


@dataclass(slots=True)
class Counted:
    """A day as it is written: ``Day`` with what may be looked at."""

    day: Day
    review: list[dict[str, Any]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


def due(connection: sa.Connection) -> Due | None:
    """The next day to be counted, of any tenant."""
    found = row(connection, _DUE, back=MOST_BACK)
    return Due(found.tenant_id, found.day, found.day == found.last) if found else None


_DUE = f"""
    WITH today AS (SELECT CAST((clock_timestamp() - interval '{GRACE}') AT TIME ZONE 'UTC' AS date) AS day)
    SELECT t.id AS tenant_id, today.day - 1 AS last, greatest(
        coalesce(f.until, CAST((SELECT finished_at FROM scan WHERE tenant_id = t.id AND finished_at IS NOT NULL
                                ORDER BY finished_at LIMIT 1) AT TIME ZONE 'UTC' AS date)),
        today.day - CAST(:back AS int)) AS day
    FROM today CROSS JOIN tenant t LEFT JOIN drift_fold f ON f.tenant_id = t.id
    WHERE coalesce(f.until < today.day, EXISTS (
        SELECT FROM scan WHERE tenant_id = t.id AND finished_at IS NOT NULL
          AND finished_at < CAST(today.day AS timestamp) AT TIME ZONE 'UTC'))
    ORDER BY t.id LIMIT 1"""  # noqa: S608  a literal of ours


def ended(connection: sa.Connection, due: Due, after: tuple[datetime, UUID] | None, limit: int) -> list[Ended]:
    """A page of the scans that ended on that day, in the order of their ends. Cancelled ones say nothing and are left out."""
    found = rows(
        connection,
        _ENDED,
        tenant=due.tenant_id,
        day=due.day,
        at=after[0] if after else None,
        id=after[1] if after else UUID(int=0),
        limit=limit,
    )
    return [Ended(*tuple(each)) for each in found]


_ENDED = """
    SELECT s.id, p.system, left(CASE
               WHEN s.batch_id IS NULL THEN 'interactive'
               WHEN b.source ? 'folder' THEN concat('folder:', b.source ->> 'folder')
               WHEN b.source ? 'prefix' THEN concat('prefix:', b.source ->> 'prefix')
               ELSE concat('batch:', regexp_replace(coalesce(b.name, ''), ' [0-9a-f]{64}$', '')) END, 200) AS source,
           coalesce(s.input_sha256, CAST(s.id AS text)) AS picture, s.status, s.code, s.finished_at,
           (SELECT data -> 'report' FROM result WHERE id = last.result_id) AS report
    FROM scan s JOIN pipeline p ON p.id = s.pipeline_id LEFT JOIN batch b ON b.id = s.batch_id
    LEFT JOIN LATERAL (
        SELECT result_id FROM stage_run WHERE scan_id = s.id AND result_id IS NOT NULL
        ORDER BY stage_id DESC LIMIT 1) last ON true
    WHERE s.tenant_id = :tenant AND s.finished_at IS NOT NULL AND s.status <> 'cancelled'
      AND (s.finished_at, s.id) > (coalesce(CAST(:at AS timestamptz),
          CAST(CAST(:day AS date) AS timestamp) AT TIME ZONE 'UTC'), CAST(:id AS uuid))
      AND s.finished_at < CAST(CAST(:day AS date) + 1 AS timestamp) AT TIME ZONE 'UTC'
    ORDER BY s.finished_at, s.id LIMIT :limit"""
"""A batch's own folder or prefix is its source; else its name, without the digest that makes a call's name unique."""


def keep(connection: sa.Connection, due: Due, counted: Iterable[Counted], keep_days: int) -> bool:
    """Write a day, and remove what is too old; False when another control was faster, and then nothing changes."""
    first = row(
        connection,
        """INSERT INTO drift_fold AS f (tenant_id, until) VALUES (:tenant, CAST(:day AS date) + 1)
           ON CONFLICT (tenant_id) DO UPDATE SET until = excluded.until WHERE f.until < excluded.until
           RETURNING tenant_id""",
        tenant=due.tenant_id,
        day=due.day,
    )
    if first is None:
        return False
    run(connection, _KEEP, tenant=due.tenant_id, days=records(map(_record, counted)))
    run(
        connection,
        "DELETE FROM drift_day WHERE tenant_id = :tenant AND day < CAST(:oldest AS date)",
        tenant=due.tenant_id,
        oldest=due.day - timedelta(keep_days),
    )
    return True


_KEEP = """
    INSERT INTO drift_day (tenant_id, system, day, source, scans, counts, review, examples)
    SELECT :tenant, system, day, source, scans, counts, review, examples
    FROM jsonb_to_recordset(CAST(:days AS jsonb)) AS d(system text, day date, source text, scans bigint, counts jsonb,
                                                       review jsonb, examples jsonb)"""


def _record(each: Counted) -> dict[str, object]:
    day = each.day
    return {
        "system": day.system,
        "day": day.day,
        "source": day.source,
        "scans": day.scans,
        "counts": day.counts,
        "review": each.review,
        "examples": each.examples,
    }


def systems(connection: sa.Connection, tenant_id: UUID, window: Window) -> list[str]:
    """What was scanned with in a window."""
    found = rows(
        connection,
        """SELECT DISTINCT system FROM drift_day WHERE tenant_id = :tenant AND day >= CAST(:since AS date)
             AND day < CAST(:until AS date) ORDER BY system""",
        tenant=tenant_id,
        since=window.since,
        until=window.until,
    )
    return [each.system for each in found]


def days(
    connection: sa.Connection, tenant_id: UUID, system: str, windows: Sequence[Window], source: str | None = None
) -> list[Day]:
    """What was counted in some windows, of every source or of one."""
    return [each.day for each in whole_days(connection, tenant_id, system, windows, source)]


def whole_days(
    connection: sa.Connection, tenant_id: UUID, system: str, windows: Sequence[Window], source: str | None = None
) -> Iterator[Counted]:
    """The same with what may be looked at, by day and source."""
    found = rows(
        connection,
        """SELECT day, source, scans, counts, review, examples FROM drift_day
           WHERE tenant_id = :tenant AND system = :system
             AND day >= CAST(:since AS date) AND day < CAST(:until AS date)
             AND (CAST(:source AS text) IS NULL OR source = :source) ORDER BY day, source""",
        tenant=tenant_id,
        system=system,
        since=min(each.since for each in windows),
        until=max(each.until for each in windows),
        source=source,
    )
    for r in found:
        if any(r.day in window for window in windows):
            yield Counted(Day(system, r.day, r.source, r.scans, r.counts), r.review, r.examples)


def counted_until(connection: sa.Connection, tenant_id: UUID) -> date | None:
    """Midnight up to which a tenant's scans have been counted; None before the first day."""
    found = row(connection, "SELECT until FROM drift_fold WHERE tenant_id = :tenant", tenant=tenant_id)
    return found.until if found else None
