"""Few lines among a million: found by index instead of looking at every line. Every query has the tenant in it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from db.sql import rows
from pipeline.contracts import ScanStatus

FEW = 5_000
"""Most lines that are picked; more are worth walking for, since the next one is near."""

ENDED = frozenset(str(status) for status in ScanStatus if status.terminal)


def numbers(
    connection: sa.Connection, tenant_id: UUID, batch_id: UUID, statuses: Sequence[str], code: str | None
) -> list[int] | None:
    """Numbers, in order, of the lines with this code or one of these ends; None when they are not few, or not in an index."""
    if code is None and not (statuses and set(statuses) <= ENDED | {"refused"}):
        return None
    given = {"tenant": tenant_id, "batch": batch_id, "statuses": list(statuses) or None, "most": FEW + 1}
    found = rows(connection, _BY_END, **given) if code is None else rows(connection, _BY_CODE, code=code, **given)
    return sorted(r.n for r in found) if len(found) <= FEW else None


_BY_CODE = """
    SELECT picked.n FROM batch b CROSS JOIN LATERAL (
        (SELECT i.n FROM scan s JOIN batch_item i ON i.scan_id = s.id AND i.scan_id IS NOT NULL
         WHERE s.batch_id = b.id AND s.batch_id IS NOT NULL AND s.code = :code AND s.code IS NOT NULL
           AND (CAST(:statuses AS text[]) IS NULL OR s.status = ANY(CAST(:statuses AS text[]))) LIMIT :most)
        UNION ALL
        (SELECT n FROM batch_item WHERE batch_id = b.id AND code = :code AND code IS NOT NULL
           AND (CAST(:statuses AS text[]) IS NULL OR 'refused' = ANY(CAST(:statuses AS text[]))) LIMIT :most)) picked
    WHERE b.id = :batch AND b.tenant_id = :tenant LIMIT :most"""

_BY_END = """
    SELECT picked.n FROM batch b CROSS JOIN LATERAL (
        (SELECT i.n FROM scan s JOIN batch_item i ON i.scan_id = s.id AND i.scan_id IS NOT NULL
         WHERE s.batch_id = b.id AND s.batch_id IS NOT NULL AND s.finished_at IS NOT NULL
           AND s.status = ANY(CAST(:statuses AS text[])) LIMIT :most)
        UNION ALL
        (SELECT n FROM batch_item WHERE batch_id = b.id AND code IS NOT NULL
           AND 'refused' = ANY(CAST(:statuses AS text[])) LIMIT :most)) picked
    WHERE b.id = :batch AND b.tenant_id = :tenant LIMIT :most"""
