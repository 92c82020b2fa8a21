"""Bytes of deleted scans: asked for by the deletion, condemned once no row uses them, then removed from storage.

Equal bytes are one object, so a scan may begin to use them at any moment. Whoever writes a row that names stored bytes
``hold``s a lock that ``condemn`` waits for; and bytes that were removed after they had been stored again are ``lost``:
they are to be stored once more. So nothing that is accepted names what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from db.sql import records, rows, run
from pipeline.errors import StorageUnavailable

ERASURE_LOCK = 0x5CA17115
REMEMBERED_S = 86_400.0
"""Seconds that a removal is remembered: longer than any writer takes from storing bytes to its row."""
MARGIN_S = 1.0
"""Added to what a writer says it took: its clock may run otherwise than PostgreSQL's."""


@dataclass(frozen=True, slots=True)
class Condemned:
    """An object that nothing names any more."""

    tenant_id: UUID
    sha256: str


def hold(connection: sa.Connection) -> None:
    """Until this transaction ends nothing is condemned. In a statement of its own, before what relies on it."""
    run(connection, "SELECT pg_advisory_xact_lock_shared(:lock)", lock=ERASURE_LOCK)


def check_stored(connection: sa.Connection, tenant_id: UUID, digests: Iterable[str], stored_s: float) -> None:
    """Hold, and be sure that bytes which were stored within the last ``stored_s`` seconds are there.

    Raises StorageUnavailable when an erasure was faster: whoever tries again stores them again.
    """
    wanted = sorted(set(digests))
    if not wanted:
        return
    hold(connection)
    if rows(
        connection,
        """SELECT 1 FROM erasure
           WHERE tenant_id = :tenant AND sha256 = ANY(CAST(:digests AS text[]))
             AND (condemned OR removed_at > clock_timestamp() - make_interval(secs => :seconds)) LIMIT 1""",
        tenant=tenant_id,
        digests=wanted,
        seconds=stored_s + MARGIN_S,
    ):
        raise StorageUnavailable("these very bytes are being erased")


def lost(connection: sa.Connection, files: Iterable[tuple[int, UUID, str]]) -> set[int]:
    """Of files (run, tenant, SHA-256) the runs of which one was removed since the run was claimed. The caller holds."""
    found = rows(
        connection,
        """SELECT DISTINCT f.run_id
           FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS f(run_id bigint, tenant_id uuid, sha256 text)
                JOIN erasure e ON e.tenant_id = f.tenant_id AND e.sha256 = f.sha256
                JOIN stage_run r ON r.id = f.run_id
           WHERE e.condemned OR e.removed_at > r.started_at""",
        files=records({"run_id": run_id, "tenant_id": tenant, "sha256": sha} for run_id, tenant, sha in files),
    )
    return {r.run_id for r in found}


def ask(connection: sa.Connection, digests: Mapping[UUID, Iterable[str]]) -> None:
    """Have bytes of tenants removed, if by then nothing uses them."""
    files = [
        {"tenant_id": tenant, "sha256": sha} for tenant, named in sorted(digests.items()) for sha in sorted(set(named))
    ]
    if files:
        run(
            connection,
            """INSERT INTO erasure (tenant_id, sha256, asked_at)
               SELECT tenant_id, sha256, clock_timestamp()
               FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS f(tenant_id uuid, sha256 text)
               ON CONFLICT (tenant_id, sha256) DO UPDATE SET asked_at = coalesce(erasure.asked_at, excluded.asked_at)""",
            files=records(files),
        )


def condemn(connection: sa.Connection, limit: int) -> int:
    """Look at what was asked for: what is in use is let be, the rest is condemned. How many were looked at."""
    run(connection, "SELECT pg_advisory_xact_lock(:lock)", lock=ERASURE_LOCK)
    return len(rows(connection, _CONDEMN, limit=limit))


_CONDEMN = """
    WITH due AS MATERIALIZED (
        SELECT tenant_id, sha256, (
            EXISTS (SELECT FROM scan s WHERE s.input_sha256 = e.sha256 AND s.tenant_id = e.tenant_id
                    AND s.input_kind = 'upload')
            OR EXISTS (SELECT FROM artifact a JOIN result_artifact l ON l.artifact_id = a.id
                       WHERE a.tenant_id = e.tenant_id AND a.sha256 = e.sha256)) AS used
        FROM erasure e WHERE asked_at IS NOT NULL AND NOT condemned
        ORDER BY asked_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        DELETE FROM artifact a USING due
        WHERE a.tenant_id = due.tenant_id AND a.sha256 = due.sha256 AND NOT due.used
    )
    UPDATE erasure e SET condemned = NOT due.used, asked_at = CASE WHEN due.used THEN NULL ELSE e.asked_at END
    FROM due WHERE e.tenant_id = due.tenant_id AND e.sha256 = due.sha256 RETURNING 1"""


def take(connection: sa.Connection, limit: int) -> Sequence[Condemned]:
    """Condemned objects, locked; those that somebody else sees to are left out."""
    found = rows(
        connection,
        """SELECT tenant_id, sha256 FROM erasure WHERE asked_at IS NOT NULL AND condemned
           ORDER BY asked_at LIMIT :limit FOR UPDATE SKIP LOCKED""",
        limit=limit,
    )
    return [Condemned(r.tenant_id, r.sha256) for r in found]


def removed(connection: sa.Connection, files: Sequence[Condemned]) -> None:
    """Say that these are gone from storage: who stores them from now on has them."""
    run(
        connection,
        """UPDATE erasure e SET asked_at = NULL, condemned = false, removed_at = clock_timestamp()
           FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS f(tenant_id uuid, sha256 text)
           WHERE e.tenant_id = f.tenant_id AND e.sha256 = f.sha256""",
        files=records({"tenant_id": file.tenant_id, "sha256": file.sha256} for file in files),
    )


def forget(connection: sa.Connection) -> None:
    """Drop what is over and done with, so that no digest of a deleted picture stays for long."""
    run(
        connection,
        """DELETE FROM erasure WHERE asked_at IS NULL
             AND (removed_at IS NULL OR removed_at < clock_timestamp() - make_interval(secs => :age))""",
        age=REMEMBERED_S,
    )
