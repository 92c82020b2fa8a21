"""Scanning lines again: only those of a batch that ended badly, or all of them by the pipeline of today.

Nothing is copied but rows. What need not be computed again is found by its fingerprint, as with any scan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from db import erasure, pipelines
from db.batch_ends import BUDGET_SPENT
from db.batch_views import Which
from db.batches import locked
from db.sql import row, run
from pipeline.contracts import ScanStatus
from pipeline.errors import BatchClosed, IdempotencyConflict, ModelUnavailable

PAGE = 500
ENDED = tuple(str(status) for status in ScanStatus if status.terminal)
UNWELL = (str(ScanStatus.FAILED), str(ScanStatus.PARTIAL))
"""What is tried again unless a caller names other ends. A rejected picture would be rejected again."""


def not_later_than_now(connection: sa.Connection, moment: datetime | None) -> datetime:
    """A moment by this database's clock: the given one, but never one that is still to come; now for None."""
    found = row(
        connection,
        "SELECT least(CAST(:moment AS timestamptz), clock_timestamp()) AS moment",
        moment=moment,
    )
    assert found is not None
    return cast("datetime", found.moment)


def retry_page(
    connection: sa.Connection,
    tenant_id: UUID,
    batch_id: UUID,
    which: Which,
    options: Mapping[str, Any],
    before: datetime | None = None,
) -> int | None:
    """Give up to a page of ended lines a new scan in place of the old one; how many, None for an unknown batch.

    ``options`` are laid over each old scan's own. The old scan stays, outside of the batch, as the new one's
    ``retry_of``. A batch that had ended runs again. To be called until it finds nothing. Only scans that had ended
    ``before`` (or by now) are chosen: what was retried is open and ends later, so with one ``before`` no line is found
    twice, even if it fails again meanwhile. A batch whose source could not be listed to its end keeps that code. Raises
    BatchClosed while lines still come in or are still being cancelled.
    """
    batch = locked(connection, tenant_id, batch_id)
    if batch is None:
        return None
    if batch.state in ("open", "listing") or (batch.cancel_requested_at is not None and batch.finished_at is None):
        raise BatchClosed
    erasure.hold(connection)
    found = row(
        connection,
        _RETRY,
        tenant=tenant_id,
        batch=batch_id,
        limit=PAGE,
        statuses=[status for status in which.statuses or UNWELL if status in ENDED],
        code=which.code,
        stage=which.stage,
        options=json.dumps(dict(options)),
        before=before,
    )
    assert found is not None
    if found.n:
        run(
            connection,
            f"""UPDATE batch SET state = 'running', code = nullif(code, '{BUDGET_SPENT}'), cancel_requested_at = NULL,
                   finished_at = NULL,
                   forgiven = (SELECT coalesce(sum(n), 0) FROM (
                       SELECT n FROM scan_count WHERE batch_id = :id AND status = 'failed'
                       UNION ALL SELECT delta FROM count_delta WHERE batch_id = :id AND status = 'failed') c)
               WHERE id = :id""",  # noqa: S608  a literal of ours
            id=batch_id,
        )
    return int(found.n)


_RETRY = """
    WITH old AS MATERIALIZED (
        SELECT s.*, uuidv7() AS new_id FROM scan s
        WHERE s.batch_id = :batch AND s.batch_id IS NOT NULL AND s.tenant_id = :tenant AND s.finished_at IS NOT NULL
          AND s.finished_at <= coalesce(CAST(:before AS timestamptz), clock_timestamp())
          AND s.status = ANY(CAST(:statuses AS text[]))
          AND (CAST(:code AS text) IS NULL OR s.code = :code)
          AND (CAST(:stage AS text) IS NULL OR :stage = (
              SELECT st.name FROM stage_run r JOIN stage st ON st.id = r.stage_id
              WHERE r.scan_id = s.id AND r.state IN ('rejected', 'failed', 'abstained', 'cancelled')
              ORDER BY st.position LIMIT 1))
        LIMIT :limit FOR UPDATE
    ), made AS (
        INSERT INTO scan (id, tenant_id, batch_id, pipeline_id, lane, options, filename, asset_id, taken_at, input_kind,
                          input_ref, input_sha256, retry_of, event_seq, training, training_at, training_by)
        SELECT new_id, tenant_id, batch_id, pipeline_id, 1, options || CAST(:options AS jsonb), filename, asset_id,
               taken_at, input_kind, input_ref, input_sha256, id, 1, training, training_at, training_by
        FROM old RETURNING id
    ), told AS (
        INSERT INTO event (scan_id, seq, kind, data)
        SELECT id, 1, 'status', '{"status": "queued", "code": null}' FROM made
    ), turned AS (
        UPDATE batch_item i SET scan_id = old.new_id FROM old WHERE i.scan_id = old.id AND i.scan_id IS NOT NULL
    ), left_batch AS (
        UPDATE scan SET batch_id = NULL FROM old WHERE scan.id = old.id
    ), counted AS (
        INSERT INTO count_delta (tenant_id, batch_id, status, delta)
        SELECT :tenant, c.batch_id, c.status, c.n FROM (
            SELECT batch_id, status, -count(*) AS n FROM old GROUP BY batch_id, status
            UNION ALL SELECT CAST(NULL AS uuid), status, count(*) FROM old GROUP BY status
            UNION ALL SELECT batch_id, 'queued', count(*) FROM old GROUP BY batch_id) c
    )
    SELECT count(*) AS n FROM made"""


def reprocess(
    connection: sa.Connection,
    tenant_id: UUID,
    batch_id: UUID,
    *,
    name: str | None,
    options: Mapping[str, Any],
    key: str | None = None,
) -> UUID | None:
    """A new batch of the same lines on the system's current pipeline; ``control`` lists them. None for an unknown batch.

    ``options`` are laid over each line's own. A ``key`` that made one of this batch before gives that. Raises BatchClosed
    while the parent still takes lines, IdempotencyConflict when the key made another batch.
    """
    parent = locked(connection, tenant_id, batch_id)
    if parent is None:
        return None
    if parent.state in ("open", "listing"):
        raise BatchClosed
    pipeline = pipelines.current(connection, parent.system)
    if pipeline is None:
        raise ModelUnavailable(f"no pipeline is published for {parent.system}")
    made = row(
        connection,
        """INSERT INTO batch (tenant_id, pipeline_id, parent, name, state, priority, failure_budget, options,
                              idempotency_key)
           SELECT tenant_id, :pipeline, id, :name, 'listing', priority, failure_budget, CAST(:options AS jsonb), :key
           FROM batch WHERE id = :id ON CONFLICT (tenant_id, idempotency_key) DO NOTHING RETURNING id""",
        id=batch_id,
        pipeline=pipeline.id,
        name=name,
        options=json.dumps(dict(options)),
        key=key,
    )
    made = made or row(
        connection,
        """SELECT id FROM batch WHERE tenant_id = :tenant AND idempotency_key = :key AND parent = :id
           AND name IS NOT DISTINCT FROM CAST(:name AS text) AND options = CAST(:options AS jsonb)""",
        tenant=tenant_id,
        key=key,
        id=batch_id,
        name=name,
        options=json.dumps(dict(options)),
    )
    if made is None:
        raise IdempotencyConflict
    return UUID(str(made.id))


def list_page(connection: sa.Connection, limit: int = PAGE) -> int:
    """Take over the next page of lines for the oldest batch that lists its parent; how many, 0 when there is none.

    Lines, scans and the place reached are one transaction: a control that dies here loses and doubles nothing.
    """
    erasure.hold(connection)
    found = row(connection, _LIST, limit=limit)
    return int(found.n) if found else 0


_LIST = """
    WITH batch_now AS MATERIALIZED (
        SELECT * FROM batch WHERE state = 'listing' AND source IS NULL AND finished_at IS NULL AND cancel_requested_at IS NULL
        ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), old AS MATERIALIZED (
        SELECT i.n, i.custom_id, i.fields, i.code, s.options, s.filename, s.asset_id, s.taken_at, s.input_kind,
               s.input_ref, s.input_sha256, s.training, s.training_at, s.training_by,
               s.id AS old_id, CASE WHEN s.id IS NOT NULL THEN uuidv7() END AS new_id
        FROM batch_now b CROSS JOIN LATERAL (
            SELECT * FROM batch_item WHERE batch_id = b.parent AND n > b.listed ORDER BY n LIMIT :limit) i
        LEFT JOIN scan s ON s.id = i.scan_id
    ), made AS (
        INSERT INTO scan (id, tenant_id, batch_id, pipeline_id, lane, options, filename, asset_id, taken_at, input_kind,
                          input_ref, input_sha256, event_seq, training, training_at, training_by)
        SELECT o.new_id, b.tenant_id, b.id, b.pipeline_id, 1, o.options || b.options, o.filename, o.asset_id, o.taken_at,
               o.input_kind, o.input_ref, o.input_sha256, 1, o.training, o.training_at, o.training_by
        FROM old o CROSS JOIN batch_now b WHERE o.new_id IS NOT NULL ORDER BY o.n RETURNING id
    ), told AS (
        INSERT INTO event (scan_id, seq, kind, data)
        SELECT id, 1, 'status', '{"status": "queued", "code": null}' FROM made
    ), counted AS (
        INSERT INTO count_delta (tenant_id, batch_id, status, delta)
        SELECT b.tenant_id, b.id, 'queued', count(*) FROM batch_now b CROSS JOIN made GROUP BY b.tenant_id, b.id
    ), listed AS (
        INSERT INTO batch_item (batch_id, n, custom_id, fields, scan_id, code)
        SELECT b.id, o.n, o.custom_id, o.fields, o.new_id, coalesce(o.code, CASE WHEN o.new_id IS NULL THEN 'INPUT_MISSING' END)
        FROM old o CROSS JOIN batch_now b
    ), sums AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE new_id IS NULL) AS refused, max(n) AS last FROM old
    )
    UPDATE batch SET items = batch.items + s.n, refused = batch.refused + s.refused,
        listed = coalesce(s.last, batch.listed),
        state = CASE WHEN s.n < :limit THEN 'running' ELSE 'listing' END,
        finalised_at = CASE WHEN s.n < :limit THEN clock_timestamp() END
    FROM sums s, batch_now b WHERE batch.id = b.id RETURNING s.n"""
