"""Assets: what clients say that their pictures show, and the scans of one, in the order in which they were taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import rows


def page(
    connection: sa.Connection, tenant_id: UUID, *, after: str = "", limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """A tenant's assets by name, and the cursor of the next page: the last name of this one."""
    found = rows(connection, _PAGE, tenant=tenant_id, after=after, limit=limit + 1)
    items = [
        {
            "asset_id": r.asset_id,
            "scans": r.scans,
            "systems": list(r.systems),
            "first_at": r.first_at.isoformat(),
            "last_at": r.last_at.isoformat(),
        }
        for r in found[:limit]
    ]
    return items, items[-1]["asset_id"] if len(found) > limit else None


_AT = "coalesce(s.taken_at, s.created_at)"
_PAGE = f"""
    SELECT s.asset_id, count(*) AS scans, array_agg(DISTINCT p.system ORDER BY p.system) AS systems,
           min({_AT}) AS first_at, max({_AT}) AS last_at
    FROM scan s JOIN pipeline p ON p.id = s.pipeline_id
    WHERE s.tenant_id = :tenant AND s.asset_id IS NOT NULL AND s.asset_id > :after
    GROUP BY s.asset_id ORDER BY s.asset_id LIMIT :limit"""  # noqa: S608  literals of ours


def scans(
    connection: sa.Connection, tenant_id: UUID, asset_id: str, system: str, *, since: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """The newest scans of an asset by one system, the newest first, with what ``pipeline.trend`` reads of their reports."""
    found = rows(connection, _SCANS, tenant=tenant_id, asset=asset_id, system=system, since=since, limit=limit)
    return [
        {
            "scan_id": str(r.id),
            "picture": r.picture,
            "retry_of": str(r.retry_of) if r.retry_of else None,
            "filename": r.filename,
            "status": r.status,
            "code": r.code,
            "taken_at": r.taken_at,
            "created_at": r.created_at,
            "anomaly": r.anomaly,
            "model": r.model,
            "temperatures": r.temperatures,
        }
        for r in found
    ]


_SCANS = f"""
    SELECT s.id, coalesce(s.input_sha256, CASE WHEN s.taken_at IS NOT NULL THEN s.input_ref END) AS picture, s.retry_of,
           s.filename, s.status, s.code, s.taken_at, s.created_at,
           last.report -> 'anomaly' AS anomaly, last.report -> 'temperatures' AS temperatures,
           last.report #> '{{stages,detect_anomalies,models,thermal_patchcore}}' AS model
    FROM scan s JOIN pipeline p ON p.id = s.pipeline_id
         LEFT JOIN LATERAL (
             SELECT result.data -> 'report' AS report FROM stage_run r JOIN result ON result.id = r.result_id
             WHERE r.scan_id = s.id ORDER BY r.stage_id DESC LIMIT 1) last ON true
    WHERE s.tenant_id = :tenant AND s.asset_id = :asset AND s.asset_id IS NOT NULL AND p.system = :system
      AND (CAST(:since AS timestamptz) IS NULL OR {_AT} >= CAST(:since AS timestamptz))
    ORDER BY {_AT} DESC, s.id DESC LIMIT :limit"""  # noqa: S608  literals of ours
