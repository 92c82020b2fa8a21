"""A tenant's scans as a dataset's candidates, newest first, each in exactly one group. Every query has the tenant.

Consent is read with each page, so a withdrawal counts for every page that was not read before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows

WINDOW = 1_000
"""Scans that one statement looks at, whatever their system."""


class Group(StrEnum):
    """What becomes of a scan. ``usable`` ones are exported, unless their picture is gone or was taken already."""

    USABLE = "usable"
    UNDECIDED = "undecided"
    WITHOUT_CONSENT = "without_consent"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Place:
    """How far down the list, from the newest scan, one has come."""

    created_at: datetime
    scan_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """The system's scans on a page by group, and where the next one begins; None after the last."""

    groups: Mapping[Group, Sequence[UUID]]
    following: Place | None


@dataclass(frozen=True, slots=True)
class Begun:
    """When an export begins, and how many scans had been deleted by then."""

    as_of: datetime
    deleted: int
    tenant_said_at: datetime | None


def begin(connection: sa.Connection, tenant_id: UUID, system: str, since: datetime | None) -> Begun:
    """The moment that an export speaks of; later scans are no part of it."""
    found = row(
        connection,
        """SELECT clock_timestamp() AS as_of, t.training_at,
                  (SELECT count(*) FROM deletion d JOIN pipeline p ON p.id = d.pipeline_id
                   WHERE d.tenant_id = t.id AND p.system = :system
                     AND d.created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')) AS deleted
           FROM tenant t WHERE t.id = :tenant""",
        tenant=tenant_id,
        system=system,
        since=since,
    )
    assert found is not None, "who asks is a tenant"
    return Begun(found.as_of, int(found.deleted), found.training_at)


def page(connection: sa.Connection, tenant_id: UUID, system: str, since: datetime | None, after: Place | Begun) -> Page:
    """The next scans after a place, or the first ones of an export that has begun."""
    found = rows(
        connection,
        _PAGE,
        tenant=tenant_id,
        system=system,
        since=since,
        at=after.as_of if isinstance(after, Begun) else after.created_at,
        id="ffffffff-ffff-ffff-ffff-ffffffffffff" if isinstance(after, Begun) else str(after.scan_id),
        window=WINDOW,
    )
    groups: dict[Group, list[UUID]] = {group: [] for group in Group}
    for r in found:
        if r.of_system:
            groups[Group(r.kind)].append(r.id)
    last = found[-1] if len(found) == WINDOW else None
    return Page(groups, Place(last.created_at, last.id) if last else None)


_PAGE = """
    SELECT s.id, s.created_at, p.system = :system AS of_system, CASE
        WHEN s.training IS NULL THEN 'undecided'
        WHEN NOT s.training OR NOT t.training OR EXISTS (
            SELECT FROM scan o WHERE o.input_sha256 = s.input_sha256 AND o.tenant_id = s.tenant_id AND NOT o.training)
        THEN 'without_consent'
        WHEN s.finished_at IS NULL THEN 'unfinished'
        ELSE 'usable' END AS kind
    FROM (SELECT id, tenant_id, pipeline_id, created_at, training, input_sha256, finished_at FROM scan
          WHERE tenant_id = :tenant AND (created_at, id) < (CAST(:at AS timestamptz), CAST(:id AS uuid))
            AND created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
          ORDER BY created_at DESC, id DESC LIMIT :window) s
    JOIN pipeline p ON p.id = s.pipeline_id JOIN tenant t ON t.id = s.tenant_id
    ORDER BY s.created_at DESC, s.id DESC"""


def pictures(connection: sa.Connection, tenant_id: UUID, scan_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Usable scans in the order given: canonical picture (``sha256`` None for none), report, and if still ``allowed``."""
    found = rows(connection, _PICTURES, tenant=tenant_id, ids=[str(each) for each in scan_ids])
    return [r._asdict() for r in found]


_PICTURES = """
    SELECT s.id AS scan_id, s.created_at, s.training AND t.training AS allowed, s.training_at, s.training_by, s.input_sha256, p.version,
           a.sha256, a.media_type, last.data -> 'report' AS report
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted(id, place)
    JOIN scan s ON s.id = wanted.id AND s.tenant_id = :tenant JOIN pipeline p ON p.id = s.pipeline_id
    JOIN tenant t ON t.id = s.tenant_id
    LEFT JOIN LATERAL (
        SELECT f.sha256, f.media_type FROM stage_run r JOIN result_artifact l ON l.result_id = r.result_id
            JOIN artifact f ON f.id = l.artifact_id
        WHERE r.scan_id = s.id AND l.name = 'canonical' AND f.expired_at IS NULL LIMIT 1) a ON true
    LEFT JOIN LATERAL (
        SELECT x.data FROM stage_run r JOIN result x ON x.id = r.result_id WHERE r.scan_id = s.id
        ORDER BY r.stage_id DESC LIMIT 1) last ON true
    ORDER BY wanted.place"""
