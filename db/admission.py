"""What ``control`` does again and again: admit work fairly, fold counts.

Any number of controls may run: rows are taken with SKIP LOCKED, so two of them share the work and never double it.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from db.scans import expand
from db.settle import Ready
from db.sql import rows

ADMISSION_LOCK = 0x5CA17113
INTERACTIVE_LOCK = 0x5CA17114


def admit(connection: sa.Connection, window: int, page: int = 200) -> list[Ready]:
    """Give stage runs to waiting bulk scans while fewer than ``window`` are under way, tenant by tenant in turn."""
    if not rows(connection, "SELECT 1 WHERE pg_try_advisory_xact_lock(:lock)", lock=ADMISSION_LOCK):
        return []
    chosen = rows(connection, _CHOOSE, window=window, page=page)
    return expand(connection, [UUID(str(r.id)) for r in chosen]) if chosen else []


_CHOOSE = """
    WITH under_way AS (
        SELECT t.id AS tenant_id, (
            SELECT count(*) FROM scan
            WHERE tenant_id = t.id AND lane = 1 AND admitted_at IS NOT NULL AND finished_at IS NULL) AS n
        FROM tenant t
    ), waiting AS (
        SELECT w.id, w.created_at, w.priority,
               u.n + row_number() OVER (PARTITION BY u.tenant_id ORDER BY w.priority DESC, w.created_at, w.id) AS turn
        FROM under_way u CROSS JOIN LATERAL (
            (SELECT id, created_at, 0 AS priority FROM scan
             WHERE tenant_id = u.tenant_id AND lane = 1 AND batch_id IS NULL AND admitted_at IS NULL
             ORDER BY batch_id, created_at LIMIT :page)
            UNION ALL
            SELECT s.id, s.created_at, b.priority FROM (
                SELECT id, priority FROM batch
                WHERE tenant_id = u.tenant_id AND finished_at IS NULL AND paused_at IS NULL AND cancel_requested_at IS NULL
                  AND EXISTS (SELECT FROM scan WHERE tenant_id = u.tenant_id AND lane = 1 AND batch_id = batch.id
                                                 AND admitted_at IS NULL)
                ORDER BY priority DESC, created_at LIMIT 50) b
            CROSS JOIN LATERAL (
                SELECT id, created_at FROM scan
                WHERE tenant_id = u.tenant_id AND lane = 1 AND batch_id = b.id AND admitted_at IS NULL
                ORDER BY created_at LIMIT :page) s) w
    )
    SELECT id FROM waiting ORDER BY turn, created_at
    LIMIT greatest(0, least(:page, :window - (SELECT coalesce(sum(n), 0) FROM under_way)))"""
"""A tenant's batches by priority, then age, fifty at a time; what is paused or cancelled is not looked at, however long."""


def admit_interactive(connection: sa.Connection, window: int, page: int = 200) -> list[Ready]:
    """Let each tenant's waiting interactive scans in, oldest first, while fewer than ``window`` of its are under way.

    So a tenant that sends ten thousand at once holds another's scan up by ``window`` of them at most.
    """
    if not rows(connection, "SELECT 1 WHERE pg_try_advisory_xact_lock(:lock)", lock=INTERACTIVE_LOCK):
        return []
    chosen = rows(connection, _CHOOSE_INTERACTIVE, window=window, page=page)
    return expand(connection, [UUID(str(r.id)) for r in chosen]) if chosen else []


_CHOOSE_INTERACTIVE = """
    WITH RECURSIVE waiting AS (
        (SELECT tenant_id FROM scan WHERE lane = 0 AND admitted_at IS NULL ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT tenant_id FROM scan WHERE lane = 0 AND admitted_at IS NULL AND tenant_id > w.tenant_id
                ORDER BY tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant_id IS NOT NULL
    )
    SELECT s.id FROM waiting w CROSS JOIN LATERAL (
        SELECT id, created_at FROM scan WHERE tenant_id = w.tenant_id AND lane = 0 AND admitted_at IS NULL
        ORDER BY created_at LIMIT greatest(0, :window - (
            SELECT count(*) FROM scan
            WHERE tenant_id = w.tenant_id AND lane = 0 AND admitted_at IS NOT NULL AND finished_at IS NULL))) s
    WHERE w.tenant_id IS NOT NULL ORDER BY s.created_at LIMIT :page"""
"""Steps from one waiting tenant to the next by index, so that neither tenants nor waiting scans are read whole."""


def fold_counts(connection: sa.Connection, limit: int = 5_000) -> int:
    """Add noted changes of status to the counts and remove the notes; how many there were."""
    folded = rows(
        connection,
        """WITH taken AS (
               DELETE FROM count_delta WHERE id IN (
                   SELECT id FROM count_delta ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
               RETURNING tenant_id, batch_id, status, delta
           ), sums AS (
               SELECT tenant_id, batch_id, status, sum(delta) AS n, count(*) AS notes FROM taken
               GROUP BY tenant_id, batch_id, status
           ), stored AS (
               INSERT INTO scan_count (tenant_id, batch_id, status, n)
               SELECT tenant_id, batch_id, status, n FROM sums ORDER BY tenant_id, batch_id, status
               ON CONFLICT (tenant_id, batch_id, status) DO UPDATE SET n = scan_count.n + excluded.n
           )
           SELECT coalesce(sum(notes), 0) AS notes FROM sums""",
        limit=limit,
    )
    return int(folded[0].notes)


def forget_workers(connection: sa.Connection) -> None:
    """Drop workers not seen for two days: their profile no longer counts for reuse."""
    rows(connection, "DELETE FROM worker WHERE seen_at < clock_timestamp() - interval '2 days' RETURNING 1")
