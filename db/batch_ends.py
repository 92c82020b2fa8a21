"""What ``control`` does about batches: stop those that spent their budget, cancel page by page, and write their ends."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from db.scans import cancel_all
from db.sql import rows, run

BUDGET_SPENT = "FAILURE_BUDGET_SPENT"

_SUMS = """
    SELECT c.batch_id, coalesce(sum(n) FILTER (WHERE c.status IN ('queued', 'running')), 0) AS open,
           coalesce(sum(n) FILTER (WHERE c.status = 'failed'), 0) AS failed,
           coalesce(sum(n) FILTER (WHERE c.status IN ('failed', 'partial')), 0) AS short
    FROM (SELECT batch_id, status, n FROM scan_count
          UNION ALL SELECT batch_id, status, delta FROM count_delta) c
    WHERE c.batch_id = ANY(ARRAY(SELECT id FROM batch WHERE finished_at IS NULL)) GROUP BY c.batch_id"""
"""Exact: folded counts plus what is not folded yet."""


def stop_hopeless(connection: sa.Connection) -> int:
    """Cancel what is left of batches in which more scans failed than their budget allows; how many batches."""
    return run(
        connection,
        f"""UPDATE batch b SET cancel_requested_at = clock_timestamp(), code = '{BUDGET_SPENT}', state = 'running',
                finalised_at = coalesce(finalised_at, clock_timestamp())
            FROM ({_SUMS}) s
            WHERE b.id = s.batch_id AND b.finished_at IS NULL AND b.cancel_requested_at IS NULL
              AND s.failed > b.failure_budget""",  # noqa: S608  literals of ours
    )


def cancel_page(connection: sa.Connection, batch_id: UUID | None = None, limit: int = 500) -> int:
    """Cancel open scans of cancelled batches (or of one), those that are under way first; how many there were."""
    found = rows(
        connection,
        """SELECT s.id, b.code FROM batch b CROSS JOIN LATERAL (
               SELECT id FROM scan WHERE batch_id = b.id AND batch_id IS NOT NULL AND finished_at IS NULL
               ORDER BY admitted_at LIMIT :limit) s
           WHERE b.finished_at IS NULL AND b.cancel_requested_at IS NOT NULL
             AND (CAST(:batch AS uuid) IS NULL OR b.id = CAST(:batch AS uuid)) LIMIT :limit""",
        batch=batch_id,
        limit=limit,
    )
    for code in {r.code for r in found}:
        cancel_all(connection, [r.id for r in found if r.code == code], code or "CANCELLED")
    return len(found)


def finish(connection: sa.Connection) -> int:
    """End finalised batches of which no scan is open; how many ended.

    A rejected scan is an answer. Failed and partial ones make a batch ``partial``.
    """
    return run(
        connection,
        f"""UPDATE batch b SET finished_at = clock_timestamp(), paused_at = NULL,
                state = CASE WHEN b.code IS NOT NULL THEN 'failed'
                             WHEN b.cancel_requested_at IS NOT NULL THEN 'cancelled'
                             WHEN s.short > 0 THEN 'partial' ELSE 'succeeded' END
            FROM (SELECT id, coalesce(open, 0) AS open, coalesce(short, 0) AS short
                  FROM batch LEFT JOIN ({_SUMS}) c ON c.batch_id = batch.id WHERE finished_at IS NULL) s
            WHERE b.id = s.id AND b.finished_at IS NULL AND b.finalised_at IS NOT NULL AND s.open = 0""",  # noqa: S608
    )
