"""Deleting a scan for good: its rows, the answers nobody else shares, and, once that is sure, the bytes.

What stays: that there was a scan (``deletion``), the counts, which move it to ``deleted``, and its line in a batch, which
names nothing any more. Bytes are removed by ``tasks/retention.py``; the wish for that is part of this transaction.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from db import consent, erasure, scans
from db.sql import rows, run

DELETED = "deleted"
"""Stands among the statuses in counts, and as the status of a line."""


def delete(connection: sa.Connection, tenant_id: UUID, scan_id: UUID, by: str) -> bool:
    """Delete a scan, cancelled first if it has not ended; False for an unknown one. Its id is unknown from then on."""
    if scans.cancel(connection, tenant_id, scan_id) is None:
        return False
    given = {"id": scan_id}
    # Locked: who is about to reuse one of these answers has it first, or finds none.
    results = [r.id for r in rows(connection, _RESULTS, **given)]
    files = [r.sha256 for r in rows(connection, _FILES, results=results, **given)]
    consent.keep(connection, scan_id)
    run(connection, _DELETE, by=by, **given)
    run(
        connection,
        """DELETE FROM result WHERE id = ANY(CAST(:results AS bigint[]))
             AND NOT EXISTS (SELECT FROM stage_run WHERE result_id = result.id AND result_id IS NOT NULL)""",
        results=results,
    )
    erasure.ask(connection, {tenant_id: files})
    return True


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many were deleted of all tenants, by how they had ended."""
    found = rows(connection, "SELECT status, count(*) AS n FROM deletion GROUP BY status")
    return {r.status: int(r.n) for r in found}


_RESULTS = """
    SELECT id FROM result WHERE id IN (SELECT result_id FROM stage_run WHERE scan_id = :id AND result_id IS NOT NULL)
    ORDER BY tenant_id, work, profile FOR UPDATE"""

_FILES = """
    SELECT a.sha256 FROM result_artifact l JOIN artifact a ON a.id = l.artifact_id
    WHERE l.result_id = ANY(CAST(:results AS bigint[]))
    UNION SELECT input_sha256 FROM scan WHERE id = :id AND input_kind = 'upload' AND input_sha256 IS NOT NULL"""

_DELETE = f"""
    WITH named AS (
        UPDATE batch_item SET fields = NULL WHERE scan_id = :id
    ), announced AS (
        DELETE FROM ticket WHERE scan_id = :id
    ), gone AS (
        DELETE FROM scan WHERE id = :id RETURNING id, tenant_id, pipeline_id, batch_id, status, created_at
    ), counted AS (
        INSERT INTO count_delta (tenant_id, batch_id, status, delta)
        SELECT tenant_id, batch_id, status, -1 FROM gone
        UNION ALL SELECT tenant_id, batch_id, '{DELETED}', 1 FROM gone
    )
    INSERT INTO deletion (scan_id, tenant_id, pipeline_id, batch_id, status, created_at, deleted_by)
    SELECT id, tenant_id, pipeline_id, batch_id, status, created_at, :by FROM gone"""  # noqa: S608  a literal of ours
