"""The files of a batch's lines, page by page in the order of the lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import rows


def page(
    connection: sa.Connection, tenant_id: UUID, batch_id: UUID, names: Sequence[str], *, after: int, limit: int
) -> list[dict[str, Any]]:
    """The next ``limit`` lines after number ``after``, each with the artifacts of its scan: all, or those of ``names``."""
    found = rows(
        connection, _PAGE, tenant=tenant_id, batch=batch_id, names=list(names) or None, after=after, limit=limit
    )
    lines: dict[int, dict[str, Any]] = {}
    for r in found:
        scan_id = str(r.scan_id) if r.scan_id else None
        line = lines.setdefault(r.n, {"n": r.n, "custom_id": r.custom_id, "scan_id": scan_id, "artifacts": []})
        if r.name is not None:
            line["artifacts"].append(
                {"name": r.name, "sha256": r.sha256, "size": r.size, "media_type": r.media_type, "expired": r.expired}
            )
    return list(lines.values())


_PAGE = """
    SELECT i.n, i.custom_id, i.scan_id, file.*
    FROM (SELECT item.n, item.custom_id, item.scan_id
          FROM batch b JOIN batch_item item ON item.batch_id = b.id
          WHERE b.tenant_id = :tenant AND b.id = :batch AND item.n > :after ORDER BY item.n LIMIT :limit) i
    LEFT JOIN LATERAL (
        SELECT ra.name, a.sha256, a.size, a.media_type, a.expired_at IS NOT NULL AS expired
        FROM stage_run r JOIN result_artifact ra ON ra.result_id = r.result_id JOIN artifact a ON a.id = ra.artifact_id
        WHERE r.scan_id = i.scan_id AND (CAST(:names AS text[]) IS NULL OR ra.name = ANY(CAST(:names AS text[])))
    ) file ON true
    ORDER BY i.n, file.name"""
