"""What a difference shows besides reports: heat maps as numbers, and the files of its lines. Every query has the tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from db.sql import records, rows
from db.views import ArtifactRow

Map: TypeAlias = list[list[float]]
Maps: TypeAlias = dict[str, dict[str, tuple[Map, Map] | None]]
"""Scan of the first batch → region → its map and that of the other scan; None where both are one and the same answer."""


def heat_maps(connection: sa.Connection, tenant_id: UUID, scans: Sequence[tuple[str, str]]) -> Maps:
    """The maps of scans two by two, of the regions for which both have one. An answer they share is not read."""
    found: Maps = defaultdict(dict)
    pairs = records({"one": one, "other": other} for one, other in scans)
    for r in rows(connection, _MAPS, tenant=tenant_id, pairs=pairs):
        found[str(r.one)][r.region] = None if r.same else (r.first, r.second)
    return found


_MAPS = """
    SELECT p.one, a.region, a.id = b.id AS same,
           CASE WHEN a.id <> b.id THEN a.data -> 'cam' END AS first,
           CASE WHEN a.id <> b.id THEN b.data -> 'cam' END AS second
    FROM jsonb_to_recordset(CAST(:pairs AS jsonb)) AS p(one uuid, other uuid)
    CROSS JOIN LATERAL (
        SELECT result.id, result.data, result.data ->> 'region' AS region
        FROM stage_run r JOIN result ON result.id = r.result_id
        WHERE r.scan_id = p.one AND r.tenant_id = :tenant AND result.data -> 'cam' -> 0 IS NOT NULL) a
    JOIN LATERAL (
        SELECT result.id, result.data, result.data ->> 'region' AS region
        FROM stage_run r JOIN result ON result.id = r.result_id
        WHERE r.scan_id = p.other AND r.tenant_id = :tenant AND result.data -> 'cam' -> 0 IS NOT NULL) b
      ON b.region = a.region"""


def artifacts(connection: sa.Connection, tenant_id: UUID, scans: Sequence[str]) -> dict[tuple[str, str], ArtifactRow]:
    """The files of some scans that are still there, by scan and name."""
    found: Sequence[sa.Row[Any]] = rows(
        connection,
        """SELECT r.scan_id, ra.name, a.sha256, a.size, a.media_type
           FROM stage_run r JOIN result_artifact ra ON ra.result_id = r.result_id JOIN artifact a ON a.id = ra.artifact_id
           WHERE r.scan_id = ANY(CAST(:scans AS uuid[])) AND r.tenant_id = :tenant AND a.expired_at IS NULL""",
        tenant=tenant_id,
        scans=list(scans),
    )
    return {(str(r.scan_id), r.name): ArtifactRow(r.name, r.sha256, r.size, r.media_type, expired=False) for r in found}
