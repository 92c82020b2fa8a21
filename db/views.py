"""Scans as clients see them: one whole, a page, events, artifacts, counts. Every query has the tenant in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import consent
from db.deletion import DELETED
from db.sql import row, rows
from pipeline.contracts import Lane, ScanStatus


def get(connection: sa.Connection, tenant_id: UUID, scan_id: UUID) -> dict[str, Any] | None:
    """All there is to know about a scan: status, report, artifacts, stages; None for another tenant's."""
    scan = row(connection, f"{_SUMMARY} WHERE s.tenant_id = :tenant AND s.id = :id", tenant=tenant_id, id=scan_id)
    if scan is None:
        return None
    stages = rows(connection, _STAGES, id=scan_id)
    artifacts = rows(connection, _ARTIFACTS, id=scan_id)
    report = next((r.data.get("report") for r in reversed(stages) if r.data and "report" in r.data), None)
    return {
        **_summary(scan),
        "report": report,
        "stages": [_stage(r) for r in stages],
        "artifacts": [
            {"name": r.name, "sha256": r.sha256, "size": r.size, "media_type": r.media_type, "expired": r.expired}
            for r in artifacts
        ],
        "events_seq": scan.event_seq,
    }


_SUMMARY = """
    SELECT s.id, p.system, p.version, s.status, s.code, s.options, s.filename, s.asset_id, s.taken_at, s.retry_of,
           s.created_at, s.started_at, s.finished_at, s.event_seq, s.lane, s.input_kind, s.input_ref, s.input_sha256,
           s.training, s.training_at, s.training_by
    FROM scan s JOIN pipeline p ON p.id = s.pipeline_id"""

_STAGES = """
    SELECT st.name, r.state, r.code, r.attempts, r.reused_from, r.ready_at, r.started_at, r.finished_at, r.compute_ms,
           CASE WHEN st.position = max(st.position) OVER () THEN result.data END AS data, result.provenance
    FROM stage_run r JOIN stage st ON st.id = r.stage_id LEFT JOIN result ON result.id = r.result_id
    WHERE r.scan_id = :id ORDER BY st.position"""

_ARTIFACTS = """
    SELECT ra.name, a.sha256, a.size, a.media_type, a.expired_at IS NOT NULL AS expired
    FROM stage_run r JOIN stage st ON st.id = r.stage_id JOIN result_artifact ra ON ra.result_id = r.result_id
         JOIN artifact a ON a.id = ra.artifact_id
    WHERE r.scan_id = :id ORDER BY st.position, ra.name"""


def _summary(r: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": str(r.id),
        "system": r.system,
        "status": r.status,
        "code": r.code,
        "filename": r.filename,
        "asset_id": r.asset_id,
        "taken_at": _time(r.taken_at),
        "options": r.options,
        "priority": Lane(r.lane).name.lower(),
        "pipeline_version": r.version,
        "retry_of": str(r.retry_of) if r.retry_of else None,
        "consent": consent.shown(r),
        "created_at": _time(r.created_at),
        "started_at": _time(r.started_at),
        "finished_at": _time(r.finished_at),
    }


def _stage(r: sa.Row[Any]) -> dict[str, Any]:
    return {
        "name": r.name,
        "state": r.state,
        "code": r.code,
        "attempts": r.attempts,
        "reused": r.reused_from is not None,
        "started_at": _time(r.started_at),
        "finished_at": _time(r.finished_at),
        "compute_ms": r.compute_ms,
        "models": (r.provenance or {}).get("models", {}),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def page(
    connection: sa.Connection,
    tenant_id: UUID,
    *,
    status: str | None = None,
    system: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], UUID | None]:
    """A tenant's scans, newest first, and the cursor of the next page. ``after`` is the last id of the page before."""
    by_status = "" if status is None else "AND s.status = :status"
    if status not in (None, ScanStatus.SUCCEEDED):
        by_status += " AND s.status <> 'succeeded'"  # so that its index may be used
    given = {} if status is None else {"status": status}
    found = rows(
        connection,
        f"""{_SUMMARY}
            WHERE s.tenant_id = :tenant {by_status}
              AND (CAST(:system AS text) IS NULL OR p.system = :system)
              AND (s.created_at, s.id) < (
                  CASE WHEN CAST(:after AS uuid) IS NULL THEN 'infinity'
                       ELSE (SELECT created_at FROM scan WHERE id = CAST(:after AS uuid) AND tenant_id = :tenant) END,
                  coalesce(CAST(:after AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            ORDER BY s.created_at DESC, s.id DESC LIMIT :limit""",  # noqa: S608  both halves are literals
        tenant=tenant_id,
        **given,
        system=system,
        after=str(after) if after else None,
        limit=limit + 1,
    )
    more = UUID(str(found[limit - 1].id)) if len(found) > limit else None
    return [_summary(r) for r in found[:limit]], more


def events(connection: sa.Connection, tenant_id: UUID, scan_id: UUID, after_seq: int = 0) -> list[dict[str, Any]]:
    """A scan's events after a number, in order and without gaps."""
    found = rows(
        connection,
        """SELECT e.seq, e.kind, e.data, e.at FROM event e JOIN scan s ON s.id = e.scan_id
           WHERE s.tenant_id = :tenant AND s.id = :id AND e.seq > :after ORDER BY e.seq""",
        tenant=tenant_id,
        id=scan_id,
        after=after_seq,
    )
    return [{"seq": r.seq, "kind": r.kind, "data": r.data, "at": _time(r.at)} for r in found]


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """An artifact of a scan, by its name there."""

    name: str
    sha256: str
    size: int
    media_type: str
    expired: bool


def artifact(connection: sa.Connection, tenant_id: UUID, scan_id: UUID, name: str) -> ArtifactRow | None:
    """The artifact a scan names; None when scan or name is unknown."""
    found = row(
        connection,
        """SELECT ra.name, a.sha256, a.size, a.media_type, a.expired_at IS NOT NULL AS expired
           FROM scan s JOIN stage_run r ON r.scan_id = s.id JOIN result_artifact ra ON ra.result_id = r.result_id
                JOIN artifact a ON a.id = ra.artifact_id
           WHERE s.tenant_id = :tenant AND s.id = :id AND ra.name = :name""",
        tenant=tenant_id,
        id=scan_id,
        name=name,
    )
    return ArtifactRow(found.name, found.sha256, found.size, found.media_type, found.expired) if found else None


def counts(connection: sa.Connection, tenant_id: UUID | None) -> dict[str, int]:
    """Scans of a tenant by status, exact: folded counts plus what is not folded yet. They add up to ``submitted``.

    None counts the scans of all tenants, for monitoring.
    """
    found = rows(
        connection,
        """SELECT status, sum(n) AS n FROM (
               SELECT tenant_id, status, n FROM scan_count UNION ALL SELECT tenant_id, status, delta FROM count_delta) c
           WHERE CAST(:tenant AS uuid) IS NULL OR tenant_id = CAST(:tenant AS uuid) GROUP BY status""",
        tenant=tenant_id,
    )
    by_status = {**dict.fromkeys(map(str, ScanStatus), 0), DELETED: 0} | {r.status: int(r.n) for r in found}
    return {"submitted": sum(by_status.values()), **by_status}
