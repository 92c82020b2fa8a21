"""Files that live for a time only: which of them are over, and that they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from db.sql import rows

SHORT_LIVED = "application/vnd.scanmill.debug+json"
"""The one media type with a lifetime; the index ``artifact_short_lived_idx`` names it, too."""


@dataclass(frozen=True, slots=True)
class Over:
    """A file whose time is over."""

    id: int
    tenant_id: UUID
    sha256: str


def over(connection: sa.Connection, lifetime_s: float, limit: int = 50) -> list[Over]:
    """Short-lived files older than that, the oldest first, locked; those that somebody else sees to are left out."""
    found = rows(
        connection,
        f"""SELECT id, tenant_id, sha256 FROM artifact
            WHERE media_type = '{SHORT_LIVED}' AND expired_at IS NULL
              AND created_at < clock_timestamp() - make_interval(secs => :lifetime)
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED""",  # noqa: S608  a literal of ours
        lifetime=lifetime_s,
        limit=limit,
    )
    return [Over(r.id, r.tenant_id, r.sha256) for r in found]


def gone(connection: sa.Connection, files: Sequence[Over]) -> None:
    """Say that these are no longer stored: who asks for one is told ARTIFACT_EXPIRED."""
    ids = [file.id for file in files]
    rows(connection, "UPDATE artifact SET expired_at = clock_timestamp() WHERE id = ANY(:ids) RETURNING id", ids=ids)
