"""What people say of findings: proposed for training, shown beside the result, which it never changes. Only added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """One sentence of one person: this finding of this scan is that ``label``. ``made_by`` is the id of a key."""

    id: UUID
    scan_id: UUID
    finding: str
    label: str
    note: str | None
    made_by: str
    created_at: datetime


_SHOWN = ", ".join(f"c.{name}" for name in CorrectionRow.__dataclass_fields__)


def add(
    connection: sa.Connection, tenant_id: UUID, scan_id: UUID, *, finding: str, label: str, note: str | None, by: str
) -> CorrectionRow | None:
    """Write it down; None for another tenant's scan."""
    made = row(
        connection,
        f"""INSERT INTO correction AS c (tenant_id, scan_id, finding, label, note, made_by)
            SELECT tenant_id, id, :finding, :label, :note, :by FROM scan WHERE tenant_id = :tenant AND id = :scan
            RETURNING {_SHOWN}""",  # noqa: S608  names of ours
        tenant=tenant_id,
        scan=scan_id,
        finding=finding,
        label=label,
        note=note,
        by=by,
    )
    return CorrectionRow(*tuple(made)) if made else None


def of_scans(connection: sa.Connection, tenant_id: UUID, scans: Sequence[str]) -> dict[str, list[CorrectionRow]]:
    """Scan → everything that was said of it, in order."""
    found = rows(
        connection,
        f"""SELECT {_SHOWN} FROM correction c
            WHERE c.tenant_id = :tenant AND c.scan_id = ANY(CAST(:scans AS uuid[])) ORDER BY c.id""",  # noqa: S608
        tenant=tenant_id,
        scans=list(scans),
    )
    told: dict[str, list[CorrectionRow]] = {}
    for each in found:
        told.setdefault(str(each.scan_id), []).append(CorrectionRow(*tuple(each)))
    return told


def latest_corrections(
    connection: sa.Connection, tenant_id: UUID, scans: Sequence[str] | None = None
) -> dict[tuple[str, str], str]:
    """(Scan, finding) → the label that was said last, of some scans or of all; for who makes a data set."""
    found = rows(
        connection,
        """SELECT DISTINCT ON (scan_id, finding) CAST(scan_id AS text) AS scan, finding, label FROM correction
           WHERE tenant_id = :tenant
             AND (CAST(:scans AS uuid[]) IS NULL OR scan_id = ANY(CAST(:scans AS uuid[])))
           ORDER BY scan_id, finding, id DESC""",
        tenant=tenant_id,
        scans=None if scans is None else list(scans),
    )
    return {(each.scan, each.finding): each.label for each in found}


def page(
    connection: sa.Connection, tenant_id: UUID, system: str, *, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Corrections after an id in order, each with the picture's digest, what the models said, and whether it stands last."""
    found = rows(
        connection,
        _PAGE,
        tenant=tenant_id,
        system=system,
        after=after or UUID(int=0),
        limit=limit,
    )
    return [{**dict(each._mapping), "created_at": each.created_at.isoformat()} for each in found]  # noqa: SLF001


_PAGE = """
    SELECT CAST(c.id AS text) AS id, CAST(c.scan_id AS text) AS scan_id, s.filename, s.input_sha256 AS sha256, p.system,
           p.version AS pipeline_version, c.finding, said.finding ->> 'label' AS said,
           CAST(said.finding ->> 'confidence' AS float) AS confidence, c.label, c.note, c.made_by, c.created_at,
           NOT EXISTS (SELECT FROM correction WHERE scan_id = c.scan_id AND finding = c.finding AND id > c.id) AS latest
    FROM correction c JOIN scan s ON s.id = c.scan_id JOIN pipeline p ON p.id = s.pipeline_id
    LEFT JOIN LATERAL (
        SELECT (SELECT data #> ARRAY['report', 'findings', c.finding] FROM result WHERE id = r.result_id) AS finding
        FROM stage_run r WHERE r.scan_id = c.scan_id AND r.result_id IS NOT NULL ORDER BY r.stage_id DESC LIMIT 1
    ) said ON true
    WHERE c.tenant_id = :tenant AND p.system = :system AND c.id > CAST(:after AS uuid) ORDER BY c.id LIMIT :limit"""
