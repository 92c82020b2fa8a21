"""The scans most worth a look by a person, and a few by chance, out of counted days. Every statement names the tenant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import drift_days
from db.sql import rows
from pipeline.drift import ALL, Window


@dataclass(frozen=True, slots=True)
class Look:
    """A scan on the list: why it stands where it does, and what was said."""

    scan_id: str
    day: date
    source: str
    uncertainty: float
    disagreement: float
    score: float


def listing(
    connection: sa.Connection, tenant_id: UUID, system: str, window: Window, source: str, limit: int
) -> list[Look]:
    """The greatest scores of a window first; of equal ones the newer. Scans that were deleted since are left out."""
    days = drift_days.whole_days(connection, tenant_id, system, [window], None if source == ALL else source)
    found = [
        Look(each["scan_id"], day.day.day, day.day.source, each["uncertainty"], each["disagreement"], each["score"])
        for day in days
        for each in day.review
    ]
    found.sort(key=lambda look: (look.score, look.scan_id), reverse=True)
    there = scans(connection, tenant_id, (look.scan_id for look in found))
    return [look for look in found if look.scan_id in there][:limit]


def examples(
    connection: sa.Connection, tenant_id: UUID, system: str, window: Window, source: str, limit: int
) -> list[str]:
    """A few scans of a window, by chance, the same ones each time."""
    days = drift_days.whole_days(connection, tenant_id, system, [window], None if source == ALL else source)
    found = sorted((scan for day in days for scan in day.examples), key=by_chance)
    there = scans(connection, tenant_id, found)
    return [scan for scan in found if scan in there][:limit]


def by_chance(scan_id: str) -> str:
    """An order that has nothing to do with time: the end of an id is random."""
    return scan_id[::-1]


def scans(connection: sa.Connection, tenant_id: UUID, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Which of these scans are still there, with file name, status, code, findings and models' answers."""
    wanted: Sequence[str] = list(dict.fromkeys(ids))
    found = rows(
        connection,
        """SELECT s.id, s.filename, s.status, s.code,
                  (SELECT data -> 'report' FROM result WHERE id = last.result_id) AS report
           FROM scan s LEFT JOIN LATERAL (
               SELECT result_id FROM stage_run WHERE scan_id = s.id AND result_id IS NOT NULL
               ORDER BY stage_id DESC LIMIT 1) last ON true
           WHERE s.tenant_id = :tenant AND s.id = ANY(CAST(:ids AS uuid[]))""",
        tenant=tenant_id,
        ids=wanted,
    )
    return {
        str(each.id): {
            "filename": each.filename,
            "status": each.status,
            "code": each.code,
            "findings": (each.report or {}).get("findings") or {},
            "answers": ((each.report or {}).get("decision") or {}).get("answers") or {},
        }
        for each in found
    }
