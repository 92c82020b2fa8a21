"""What a batch's scanpack and report need beside its lines: when it ended, its pipeline, its models, its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import records, row, rows
from db.views import ArtifactRow


def ended_at(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> datetime | None:
    """When a batch ended; None while it is under way, again or still, and for one that is not there."""
    found = row(
        connection,
        "SELECT finished_at FROM batch WHERE id = :id AND tenant_id = :tenant",
        id=batch_id,
        tenant=tenant_id,
    )
    return found.finished_at if found else None


def pipeline(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> dict[str, Any]:
    """The version that a batch pins, whole: system, version and the published specification."""
    found = row(
        connection,
        """SELECT p.system, p.version, p.specification FROM batch b JOIN pipeline p ON p.id = b.pipeline_id
           WHERE b.id = :id AND b.tenant_id = :tenant""",
        id=batch_id,
        tenant=tenant_id,
    )
    assert found is not None, "a batch that is read has a pipeline"
    return {"system": found.system, "version": found.version, **found.specification}


def models(connection: sa.Connection, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """What is registered of the models wanted (name → digest), by name: their manifest entries and cards. Others are left out."""
    found = rows(
        connection,
        """SELECT m.name, m.version, m.digest, m.pack, m.sha256, m.entry, m.card
           FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(name text, digest text)
                JOIN model_version m ON m.name = w.name AND m.digest = w.digest ORDER BY m.name""",
        wanted=records([{"name": name, "digest": digest} for name, digest in wanted.items()]),
    )
    return [r._asdict() for r in found]


def pictures(connection: sa.Connection, tenant_id: UUID, scan_ids: Sequence[str]) -> dict[str, list[ArtifactRow]]:
    """Scan's id → its artifacts that are pictures, in the order of the stages; the expired ones, too."""
    found = rows(
        connection,
        """SELECT s.id, ra.name, a.sha256, a.size, a.media_type, a.expired_at IS NOT NULL AS expired
           FROM unnest(CAST(:ids AS uuid[])) AS wanted(id) JOIN scan s ON s.id = wanted.id
                JOIN stage_run r ON r.scan_id = s.id JOIN stage st ON st.id = r.stage_id
                JOIN result_artifact ra ON ra.result_id = r.result_id JOIN artifact a ON a.id = ra.artifact_id
           WHERE s.tenant_id = :tenant AND a.media_type LIKE 'image/%'
           ORDER BY s.id, st.position, ra.name""",
        tenant=tenant_id,
        ids=list(scan_ids),
    )
    by_scan: dict[str, list[ArtifactRow]] = {}
    for r in found:
        shown = ArtifactRow(r.name, r.sha256, r.size, r.media_type, r.expired)
        by_scan.setdefault(str(r.id), []).append(shown)
    return by_scan
