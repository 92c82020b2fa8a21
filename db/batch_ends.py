"""What ``control`` does about batches: stop those that spent their budget, cancel page by page, and write their ends."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from db.scans import cancel_all
from db.sql import rows, run
from db.webhook_events import TELL_BATCHES

BUDGET_SPENT = "FAILURE_BUDGET_SPENT"

_SUMS = """
    SELECT b.id, coalesce(sum(n) FILTER (WHERE c.status IN ('queued', 'running')), 0) AS open,
           coalesce(sum(n) FILTER (WHERE c.status = 'failed'), 0) AS failed,
           coalesce(sum(n) FILTER (WHERE c.status IN ('failed', 'partial', 'cancelled')), 0) AS short
    FROM batch b LEFT JOIN (
        SELECT batch_id, status, n FROM scan_count UNION ALL SELECT batch_id, status, delta FROM count_delta
    ) c ON c.batch_id = b.id
    WHERE b.id = ANY(CAST(:ids AS uuid[])) GROUP BY b.id"""
"""Exact: folded counts plus what is not folded yet. Only right after ``_held``, in a statement of its own."""


def _held(connection: sa.Connection) -> list[str]:
    """Batches that have not ended, locked: what is counted after this cannot be outdated by a retry or an item."""
    found = rows(connection, "SELECT id FROM batch WHERE finished_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED")
    return [str(r.id) for r in found]


def stop_hopeless(connection: sa.Connection) -> int:
    """Cancel what is left of batches in which more scans failed than their budget allows; how many batches."""
    return run(
        connection,
        f"""UPDATE batch b SET cancel_requested_at = clock_timestamp(), code = '{BUDGET_SPENT}', state = 'running',
                finalised_at = coalesce(finalised_at, clock_timestamp())
            FROM ({_SUMS}) s
            WHERE b.id = s.id AND b.cancel_requested_at IS NULL AND s.failed > b.failure_budget + b.forgiven""",  # noqa: S608
        ids=_held(connection),
    )


def cancel_page(connection: sa.Connection, batch_id: UUID | None = None, limit: int = 500) -> int:
    """Cancel open scans of cancelled batches (or of one), those that are under way first; how many there were."""
    found = rows(
        connection,
        f"""SELECT s.id, CASE WHEN b.code = '{BUDGET_SPENT}' THEN b.code END AS code FROM batch b CROSS JOIN LATERAL (
               SELECT id FROM scan WHERE batch_id = b.id AND batch_id IS NOT NULL AND finished_at IS NULL
               ORDER BY admitted_at LIMIT :limit) s
           WHERE b.finished_at IS NULL AND b.cancel_requested_at IS NOT NULL
             AND (CAST(:batch AS uuid) IS NULL OR b.id = CAST(:batch AS uuid)) LIMIT :limit""",  # noqa: S608  a literal of ours
        batch=batch_id,
        limit=limit,
    )
    for code in {r.code for r in found}:
        cancel_all(connection, [r.id for r in found if r.code == code], code or "CANCELLED")
    return len(found)


def finish(connection: sa.Connection) -> int:
    """End finalised batches of which no scan is open, and tell webhooks of it; how many ended.

    A rejected scan is an answer. Failed, partial and cancelled ones make a batch ``partial``.
    """
    ended = rows(
        connection,
        f"""WITH ended AS (
            UPDATE batch b SET finished_at = clock_timestamp(), paused_at = NULL,
                state = CASE WHEN b.code IS NOT NULL THEN 'failed'
                             WHEN b.cancel_requested_at IS NOT NULL THEN 'cancelled'
                             WHEN s.short > 0 THEN 'partial' ELSE 'succeeded' END
            FROM ({_SUMS}) s
            WHERE b.id = s.id AND b.finalised_at IS NOT NULL AND s.open = 0
            RETURNING b.id, b.tenant_id, b.pipeline_id, b.state, b.code, b.finished_at
        ), told_webhooks AS ({TELL_BATCHES})
        SELECT id FROM ended""",  # noqa: S608
        ids=_held(connection),
    )
    return len(ended)
