"""Batches as clients see them: counts that add up, rate and time left, lines page by page. Every query has the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import batch_picks
from db.deletion import DELETED
from db.sql import row, rows
from pipeline.contracts import ScanStatus

WINDOW = 5_000
"""Lines that one statement looks at."""
RATE_S = 60
"""The rate is that of the last minute."""

_BATCH = """
    SELECT b.id, p.system, p.version, b.parent, b.name, b.state, b.code, b.priority, b.failure_budget, b.options, b.source, b.training,
           b.listed, b.items, b.refused, b.created_at, b.finalised_at, b.paused_at, b.cancel_requested_at, b.finished_at
    FROM batch b JOIN pipeline p ON p.id = b.pipeline_id"""


def get(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> dict[str, Any] | None:
    """All there is to know about a batch; None for another tenant's."""
    found = row(connection, f"{_BATCH} WHERE b.tenant_id = :tenant AND b.id = :id", tenant=tenant_id, id=batch_id)
    if found is None:
        return None
    counted = rows(connection, _COUNTS, tenant=tenant_id, id=batch_id)
    pace = row(connection, _PACE, id=batch_id, seconds=RATE_S)
    assert pace is not None
    counts = {**dict.fromkeys(map(str, ScanStatus), 0), DELETED: 0} | {r.status: int(r.n) for r in counted}
    left = counts["queued"] + counts["running"]
    return {
        **_summary(found),
        "counts": {"items": found.items, "refused": found.refused, **counts},
        "per_second": round(pace.n / pace.seconds, 3),
        "eta_s": None if found.finished_at or found.paused_at else _eta(left, pace.n, pace.seconds),
        "as_of": _time(pace.as_of),
    }


_COUNTS = """
    SELECT status, sum(n) AS n FROM (
        SELECT status, n FROM scan_count WHERE tenant_id = :tenant AND batch_id = :id
        UNION ALL SELECT status, delta FROM count_delta WHERE tenant_id = :tenant AND batch_id = :id) c
    GROUP BY status"""

_PACE = """
    SELECT least(:seconds, greatest(1, extract(epoch FROM clock_timestamp() - (
               SELECT created_at FROM batch WHERE id = :id))))::float AS seconds,
           clock_timestamp() AS as_of,
           (SELECT count(*) FROM scan WHERE batch_id = :id AND batch_id IS NOT NULL AND finished_at IS NOT NULL
            AND status IN ('succeeded', 'partial', 'rejected', 'failed', 'cancelled')
            AND finished_at > (SELECT clock_timestamp() - make_interval(secs => :seconds))) AS n"""
"""The time stands in a query of its own: an index takes no bound that might change from row to row."""


def _eta(left: int, ended: int, seconds: float) -> dict[str, float] | None:
    """Seconds until the last scan ends at the newest rate, from a fast to a slow estimate; None without a rate.

    Ends are counted as if they came by chance: of n the rate is known to one part in the root of n, and two of these
    are given to either side.
    """
    if left == 0 or ended == 0:
        return None
    likely, doubt = left * seconds / ended, min(0.9, 2 / sqrt(ended))
    return {"likely": round(likely, 1), "from": round(likely / (1 + doubt), 1), "to": round(likely / (1 - doubt), 1)}


def _summary(r: sa.Row[Any]) -> dict[str, Any]:
    held = r.paused_at is not None and r.finished_at is None
    return {
        "id": str(r.id),
        "system": r.system,
        "pipeline_version": r.version,
        "parent": str(r.parent) if r.parent else None,
        "name": r.name,
        "state": "paused" if held else r.state,
        "code": r.code,
        "priority": r.priority,
        "failure_budget": r.failure_budget,
        "options": r.options,
        "consent": {"training": r.training},
        "source": r.source,
        "listed": r.listed if r.source or r.parent else None,
        "items": r.items,
        "created_at": _time(r.created_at),
        "finalised_at": _time(r.finalised_at),
        "finished_at": _time(r.finished_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def page(
    connection: sa.Connection, tenant_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], UUID | None]:
    """A tenant's batches, newest first, and the cursor of the next page."""
    found = rows(
        connection,
        f"""{_BATCH}
            WHERE b.tenant_id = :tenant AND (b.created_at, b.id) < (
                CASE WHEN CAST(:after AS uuid) IS NULL THEN 'infinity'
                     ELSE (SELECT created_at FROM batch WHERE id = CAST(:after AS uuid) AND tenant_id = :tenant) END,
                coalesce(CAST(:after AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            ORDER BY b.created_at DESC, b.id DESC LIMIT :limit""",  # noqa: S608  both halves are literals
        tenant=tenant_id,
        after=str(after) if after else None,
        limit=limit + 1,
    )
    more = UUID(str(found[limit - 1].id)) if len(found) > limit else None
    return [_summary(r) for r in found[:limit]], more


@dataclass(frozen=True, slots=True)
class Which:
    """Which lines are wanted: all, or those in a status (``refused`` is one), with a code, that ended at a stage."""

    statuses: Sequence[str] = ()
    code: str | None = None
    stage: str | None = None


def items(
    connection: sa.Connection, tenant_id: UUID, batch_id: UUID, which: Which, *, after: int = 0, limit: int = 200
) -> list[dict[str, Any]]:
    """Lines after number ``after`` in order, at most ``limit``, each with its scan's status, code, stage and report.

    ``stage`` is the first one that ended otherwise than ok; a line that was refused has ``submit`` there. What a
    window of lines has not enough of is picked by index when it is few, and else sought window by window.
    """
    batch = row(
        connection, "SELECT items FROM batch WHERE id = :id AND tenant_id = :tenant", id=batch_id, tenant=tenant_id
    )
    given = {
        "tenant": tenant_id,
        "batch": batch_id,
        "statuses": list(which.statuses) or None,
        "code": which.code,
        "stage": which.stage,
    }
    found: list[dict[str, Any]] = []
    walking = False
    while batch is not None and after < batch.items and len(found) < limit:
        room = limit - len(found)
        found.extend(_item(r) for r in rows(connection, _ITEMS, after=after, window=WINDOW, limit=room, **given))
        after += WINDOW
        if len(found) < limit and not walking:
            picked = batch_picks.numbers(connection, tenant_id, batch_id, which.statuses, which.code)
            if picked is not None:
                left = [n for n in picked if n > after]
                room = limit - len(found)
                return found + [_item(r) for r in rows(connection, _PICKED, numbers=left, limit=room, **given)]
            walking = True
    return found[:limit]


_STATUS = "coalesce(s.status, CASE WHEN i.code IS NULL THEN 'deleted' ELSE 'refused' END)"
_STAGE = """CASE WHEN i.code IS NOT NULL THEN 'submit' ELSE (SELECT name FROM stage WHERE id = broken.stage_id) END"""
_COLUMNS = f"""i.n, i.custom_id, i.fields, i.scan_id, s.asset_id, s.taken_at,
           {_STATUS} AS status, coalesce(s.code, i.code) AS code,
           s.finished_at, s.input_sha256 AS sha256, {_STAGE} AS stage,
           (SELECT data FROM result WHERE id = last.result_id) AS data"""  # noqa: S608  literals of ours
_JOINED = """LEFT JOIN scan s ON s.id = i.scan_id
    LEFT JOIN LATERAL (
        SELECT stage_id FROM stage_run
        WHERE scan_id = i.scan_id AND state IN ('rejected', 'failed', 'abstained', 'cancelled')
        ORDER BY stage_id LIMIT 1) broken ON true
    LEFT JOIN LATERAL (
        SELECT result_id FROM stage_run WHERE scan_id = i.scan_id AND result_id IS NOT NULL
        ORDER BY stage_id DESC LIMIT 1) last ON true"""
"""A version's stages are numbered in their order: the last answer is one step from the end of the scan's index entries."""

_SOME = f"""
    SELECT {_COLUMNS}
    FROM batch b JOIN batch_item i ON i.batch_id = b.id {_JOINED}
    WHERE b.tenant_id = :tenant AND b.id = :batch AND {{where}}
      AND (CAST(:statuses AS text[]) IS NULL OR {_STATUS} = ANY(CAST(:statuses AS text[])))
      AND (CAST(:code AS text) IS NULL OR coalesce(s.code, i.code) = :code)
      AND (CAST(:stage AS text) IS NULL OR {_STAGE} = :stage)
    ORDER BY i.n LIMIT :limit"""  # noqa: S608  literals of ours
_ITEMS = _SOME.format(where="i.n > :after AND i.n <= :after + :window")
_PICKED = _SOME.format(where="i.n = ANY(CAST(:numbers AS bigint[]))")


def _item(r: sa.Row[Any]) -> dict[str, Any]:
    return {
        "n": r.n,
        "custom_id": r.custom_id,
        "scan_id": str(r.scan_id) if r.scan_id else None,
        "status": r.status,
        "code": r.code,
        "stage": r.stage,
        "finished_at": _time(r.finished_at),
        "sha256": r.sha256,
        "fields": r.fields,
        "asset_id": r.asset_id,
        "taken_at": _time(r.taken_at),
        "report": (r.data or {}).get("report"),
    }


def pairs(
    connection: sa.Connection, tenant_id: UUID, before: UUID, after: UUID, place: str, limit: int
) -> list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    """Lines of two batches side by side: the next ``limit`` names after ``place`` that either has, in their order."""
    found = rows(connection, _PAIRS, tenant=tenant_id, before=before, after=after, place=place, limit=limit)
    wanted: dict[str, dict[bool, dict[str, Any]]] = {}
    for r in found:
        wanted.setdefault(r.custom_id, {})[r.batch_id == before] = _item(r)
    second = before == after  # of a batch and itself, both sides are one
    return [(name, sides.get(True), sides.get(second)) for name, sides in wanted.items()]


_PAIRS = f"""
    WITH names AS MATERIALIZED (
        SELECT custom_id FROM (
            (SELECT custom_id FROM batch_item WHERE batch_id = :before AND custom_id > :place ORDER BY custom_id LIMIT :limit)
            UNION
            (SELECT custom_id FROM batch_item WHERE batch_id = :after AND custom_id > :place ORDER BY custom_id LIMIT :limit)
        ) u ORDER BY custom_id LIMIT :limit
    )
    SELECT i.batch_id, {_COLUMNS}
    FROM names JOIN batch_item i ON i.custom_id = names.custom_id JOIN batch b ON b.id = i.batch_id {_JOINED}
    WHERE b.tenant_id = :tenant AND i.batch_id IN (:before, :after) ORDER BY i.custom_id"""  # noqa: S608  literals of ours


def codes(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> list[dict[str, Any]]:
    """How many lines carry which code, the commonest first."""
    found = rows(
        connection,
        """SELECT c.code, c.status, c.n FROM batch b CROSS JOIN LATERAL (
               (SELECT code, status, count(*) AS n FROM scan
                WHERE batch_id = b.id AND batch_id IS NOT NULL AND code IS NOT NULL GROUP BY code, status)
               UNION ALL
               (SELECT code, 'refused', count(*) FROM batch_item
                WHERE batch_id = b.id AND code IS NOT NULL GROUP BY code)) c
           WHERE b.tenant_id = :tenant AND b.id = :batch ORDER BY n DESC, code""",
        tenant=tenant_id,
        batch=batch_id,
    )
    return [{"code": r.code, "status": r.status, "n": int(r.n)} for r in found]
